//! Who may do what: one table of every endpoint and every kind of caller, held against what is
//! answered.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use functions::HANDLERS;
use local::demo;
use local::template::{Route, Router, TrailingSlash, routes};
use reqwest::Method;
use serde_json::{Value, json};
use shared::models::Permission;
use tests::checks::{DELETED, NOBODY, SUSPENDED, key};
use tests::direct::Call;
use tests::probes::{Probe, Target, probes};
use tests::{Answer, Roster, START, sign};
use uuid::Uuid;

use crate::contract;
use crate::errors::Contract;
use crate::give_key::{give_key, give_key_for};

/// The kinds of callers, by the heads of the table's columns.
const CALLERS: [(&str, &str); 21] = [
    ("non", "no credential"),
    ("bad", "a token of the admin's with another signature"),
    ("exp", "a token of the admin's that is over"),
    ("ano", "a token of the admin's that is of an anonymous sign-in"),
    ("new", "a good token of someone unknown, with an email"),
    ("vie", "a viewer of Acme"),
    ("ope", "an operator of Acme"),
    ("all", "an operator of Acme with `view_all`"),
    ("mgr", "an operator of Acme who manages users"),
    ("mgd", "a managed user of Acme"),
    ("adm", "an admin of Acme"),
    ("oth", "the one admin of Northwind, another tenant"),
    ("plt", "the platform operator, who is the admin of a team of their own"),
    ("a-u", "Acme's admin, by an API key of the scope `user`"),
    ("a-o", "Acme's admin, by an API key of the scope `operator`"),
    ("p-u", "the platform operator, by an API key of the scope `user`"),
    ("p-o", "the platform operator, by an API key of the scope `operator`"),
    ("sus", "an admin of Acme who is suspended"),
    ("del", "an admin of Acme who deleted the account"),
    ("dlg", "the manager, by a token that acts for a managed user, with all scopes"),
    ("prn", "the manager, by the principal token that such a token gives"),
];

/// The column of a key of Acme's admin that has every permission.
const WITH_ALL: &str = "a-u";

/// What everyone is answered: a status, `·` for 401, `nil` for 200 without the user who was asked
/// for. Behind the path stands whose things it names:
///
/// - `acme`, `north`: a viewer there, the team, an invite into it; Acme's admin's key and sandbox;
///   `plat`: the platform operator's;
/// - `self`: the caller; `gone`, `locked`: someone of Acme who is deleted, or suspended; `nobody`:
///   ids that nobody has;
/// - `gita`, whom the manager manages; `emi`, the manager; `dara`, the viewer; `nils`, the other
///   tenant's admin. Emi lets Dara in; Dara, Nils and Acme's admin let Emi in.
#[rustfmt::skip]
const TABLE: &str = "
# Operators                                                      of      non bad exp ano new  vie ope all mgr mgd adm  oth plt  a-u a-o p-u p-o  sus del dlg prn
GET /v1/admin/users                                              -       ·   ·   ·   ·   ·    403 403 403 403 403 403  403 200  403 403 403 200  403 403 403 403
GET /v1/admin/users?query={user}                                 acme    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 200  403 403 403 200  403 403 403 403
GET /v1/admin/users?query={user}                                 nobody  ·   ·   ·   ·   ·    403 403 403 403 403 403  403 nil  403 403 403 nil  403 403 403 403
GET /v1/admin/users/{user}                                       acme    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 200  403 403 403 200  403 403 403 403
GET /v1/admin/users/{user}                                       north   ·   ·   ·   ·   ·    403 403 403 403 403 403  403 200  403 403 403 200  403 403 403 403
GET /v1/admin/users/{user}                                       nobody  ·   ·   ·   ·   ·    403 403 403 403 403 403  403 404  403 403 403 404  403 403 403 403
PATCH /v1/admin/users/{user}/quota                               acme    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 200  403 403 403 200  403 403 403 403
PATCH /v1/admin/users/{user}/quota                               north   ·   ·   ·   ·   ·    403 403 403 403 403 403  403 200  403 403 403 200  403 403 403 403
PATCH /v1/admin/users/{user}/quota                               nobody  ·   ·   ·   ·   ·    403 403 403 403 403 403  403 404  403 403 403 404  403 403 403 403
POST /v1/admin/users/{user}/keys                                 acme    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 201  ·   ·   ·   ·    403 403 403 403
POST /v1/admin/users/{user}/keys                                 north   ·   ·   ·   ·   ·    403 403 403 403 403 403  403 201  ·   ·   ·   ·    403 403 403 403
POST /v1/admin/users/{user}/keys                                 gone    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 404  ·   ·   ·   ·    403 403 403 403
POST /v1/admin/users/{user}/keys                                 nobody  ·   ·   ·   ·   ·    403 403 403 403 403 403  403 404  ·   ·   ·   ·    403 403 403 403
POST /v1/admin/users/{user}/suspend                              acme    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 200  403 403 403 200  403 403 403 403
POST /v1/admin/users/{user}/suspend                              north   ·   ·   ·   ·   ·    403 403 403 403 403 403  403 200  403 403 403 200  403 403 403 403
POST /v1/admin/users/{user}/suspend                              gone    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 409  403 403 403 409  403 403 403 403
POST /v1/admin/users/{user}/suspend                              nobody  ·   ·   ·   ·   ·    403 403 403 403 403 403  403 404  403 403 403 404  403 403 403 403
POST /v1/admin/users/{user}/suspend                              self    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 409  403 403 403 409  403 403 403 403
POST /v1/admin/users/{user}/unsuspend                            locked  ·   ·   ·   ·   ·    403 403 403 403 403 403  403 200  403 403 403 200  403 403 403 403
POST /v1/admin/users/{user}/unsuspend                            acme    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 409  403 403 403 409  403 403 403 403
POST /v1/admin/users/{user}/unsuspend                            nobody  ·   ·   ·   ·   ·    403 403 403 403 403 403  403 404  403 403 403 404  403 403 403 403
POST /v1/admin/users/{user}/restore                              gone    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 200  403 403 403 200  403 403 403 403
POST /v1/admin/users/{user}/restore                              acme    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 409  403 403 403 409  403 403 403 403
POST /v1/admin/users/{user}/restore                              nobody  ·   ·   ·   ·   ·    403 403 403 403 403 403  403 404  403 403 403 404  403 403 403 403
POST /v1/admin/users/{user}/sign-out-everywhere                  acme    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 200  403 403 403 200  403 403 403 403
POST /v1/admin/users/{user}/sign-out-everywhere                  north   ·   ·   ·   ·   ·    403 403 403 403 403 403  403 200  403 403 403 200  403 403 403 403
POST /v1/admin/users/{user}/sign-out-everywhere                  gone    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 200  403 403 403 200  403 403 403 403
POST /v1/admin/users/{user}/sign-out-everywhere                  self    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 200  403 403 403 200  403 403 403 403
POST /v1/admin/users/{user}/sign-out-everywhere                  nobody  ·   ·   ·   ·   ·    403 403 403 403 403 403  403 404  403 403 403 404  403 403 403 403
DELETE /v1/admin/users/{user}                                    gone    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 200  403 403 403 200  403 403 403 403
DELETE /v1/admin/users/{user}                                    acme    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 409  403 403 403 409  403 403 403 403
DELETE /v1/admin/users/{user}                                    north   ·   ·   ·   ·   ·    403 403 403 403 403 403  403 409  403 403 403 409  403 403 403 403
DELETE /v1/admin/users/{user}                                    nobody  ·   ·   ·   ·   ·    403 403 403 403 403 403  403 404  403 403 403 404  403 403 403 403
GET /v1/admin/users/{user}/audit-log                             acme    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 200  403 403 403 200  403 403 403 403
GET /v1/admin/users/{user}/audit-log                             north   ·   ·   ·   ·   ·    403 403 403 403 403 403  403 200  403 403 403 200  403 403 403 403
GET /v1/admin/users/{user}/audit-log                             nobody  ·   ·   ·   ·   ·    403 403 403 403 403 403  403 404  403 403 403 404  403 403 403 403
PUT /v1/admin/users/{user}/sandboxes/{sandbox}/running-time      plat    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 200  403 403 200 200  403 403 403 403
PUT /v1/admin/users/{user}/sandboxes/{sandbox}/running-time      acme    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 404  403 403 404 404  403 403 403 403
PUT /v1/admin/users/{user}/sandboxes/{sandbox}/running-time      nobody  ·   ·   ·   ·   ·    403 403 403 403 403 403  403 404  403 403 404 404  403 403 403 403
GET /v1/admin/quota-tiers                                        -       ·   ·   ·   ·   ·    403 403 403 403 403 403  403 200  403 403 403 200  403 403 403 403

# The caller's own account, keys and sandboxes                   of      non bad exp ano new  vie ope all mgr mgd adm  oth plt  a-u a-o p-u p-o  sus del dlg prn
POST /v1/account                                                 -       ·   ·   ·   ·   201  200 200 200 200 200 200  200 200  ·   ·   ·   ·    403 403 403 403
GET /v1/account/me                                               -       ·   ·   ·   ·   ·    200 200 200 200 200 200  200 200  200 200 200 200  403 403 200 200
PATCH /v1/account/me                                             -       ·   ·   ·   ·   ·    200 200 200 200 200 200  200 200  200 200 200 200  403 403 403 403
GET /v1/account/export                                           -       ·   ·   ·   ·   ·    200 200 200 200 200 200  200 200  200 200 200 200  403 403 403 403
DELETE /v1/account                                               -       ·   ·   ·   ·   ·    202 202 202 202 202 202  409 202  ·   ·   ·   ·    403 403 403 403
POST /v1/account/restore                                         -       ·   ·   ·   ·   ·    409 409 409 409 409 409  409 409  ·   ·   ·   ·    403 200 403 403
POST /v1/account/sign-out-everywhere                             -       ·   ·   ·   ·   ·    200 200 200 200 200 200  200 200  ·   ·   ·   ·    403 403 403 403
GET /v1/keys                                                     -       ·   ·   ·   ·   ·    200 200 200 200 200 200  200 200  200 200 200 200  403 403 403 403
POST /v1/keys                                                    -       ·   ·   ·   ·   ·    201 201 201 201 201 201  201 201  ·   ·   ·   ·    403 403 403 403
POST /v1/keys/default                                            -       ·   ·   ·   ·   ·    201 201 201 201 201 201  201 201  ·   ·   ·   ·    403 403 403 403
POST /v1/keys/{key}/rotate                                       acme    ·   ·   ·   ·   ·    404 404 404 404 404 201  404 404  ·   ·   ·   ·    403 403 403 403
POST /v1/keys/{key}/rotate                                       plat    ·   ·   ·   ·   ·    404 404 404 404 404 404  404 201  ·   ·   ·   ·    403 403 403 403
POST /v1/keys/{key}/rotate                                       nobody  ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  ·   ·   ·   ·    403 403 403 403
DELETE /v1/keys/{key}                                            acme    ·   ·   ·   ·   ·    404 404 404 404 404 200  404 404  ·   ·   ·   ·    403 403 403 403
DELETE /v1/keys/{key}                                            plat    ·   ·   ·   ·   ·    404 404 404 404 404 404  404 200  ·   ·   ·   ·    403 403 403 403
DELETE /v1/keys/{key}                                            nobody  ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  ·   ·   ·   ·    403 403 403 403
GET /v1/sandboxes                                                -       ·   ·   ·   ·   ·    200 200 200 200 200 200  200 200  200 200 200 200  403 403 403 403
POST /v1/sandboxes                                               -       ·   ·   ·   ·   ·    201 201 201 201 201 201  429 201  201 201 201 201  403 403 403 403
GET /v1/sandboxes/{sandbox}                                      acme    ·   ·   ·   ·   ·    404 404 404 404 404 200  404 404  200 200 404 404  403 403 403 403
GET /v1/sandboxes/{sandbox}                                      plat    ·   ·   ·   ·   ·    404 404 404 404 404 404  404 200  404 404 200 200  403 403 403 403
GET /v1/sandboxes/{sandbox}                                      nobody  ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  404 404 404 404  403 403 403 403
PATCH /v1/sandboxes/{sandbox}                                    acme    ·   ·   ·   ·   ·    404 404 404 404 404 200  404 404  200 200 404 404  403 403 403 403
PATCH /v1/sandboxes/{sandbox}                                    plat    ·   ·   ·   ·   ·    404 404 404 404 404 404  404 200  404 404 200 200  403 403 403 403
PATCH /v1/sandboxes/{sandbox}                                    nobody  ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  404 404 404 404  403 403 403 403
DELETE /v1/sandboxes/{sandbox}                                   acme    ·   ·   ·   ·   ·    404 404 404 404 404 200  404 404  200 200 404 404  403 403 403 403
DELETE /v1/sandboxes/{sandbox}                                   plat    ·   ·   ·   ·   ·    404 404 404 404 404 404  404 200  404 404 200 200  403 403 403 403
DELETE /v1/sandboxes/{sandbox}                                   nobody  ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  404 404 404 404  403 403 403 403

# Directory                                                      of      non bad exp ano new  vie ope all mgr mgd adm  oth plt  a-u a-o p-u p-o  sus del dlg prn
GET /api/v1/admin_user?account_id={team}                         acme    ·   ·   ·   ·   ·    403 403 403 403 403 200  403 200  200 200 403 200  ·   ·   403 403
GET /api/v1/admin_user?account_id={team}                         north   ·   ·   ·   ·   ·    403 403 403 403 403 403  200 200  403 403 403 200  ·   ·   403 403
GET /api/v1/admin_user?account_id={team}                         nobody  ·   ·   ·   ·   ·    403 403 403 403 403 403  403 403  403 403 403 403  ·   ·   403 403
GET /api/v1/admin_user/{user}                                    acme    ·   ·   ·   ·   ·    403 403 403 403 403 200  404 200  200 200 404 200  ·   ·   403 403
GET /api/v1/admin_user/{user}                                    north   ·   ·   ·   ·   ·    403 403 403 403 403 404  200 200  404 404 404 200  ·   ·   403 403
GET /api/v1/admin_user/{user}                                    nobody  ·   ·   ·   ·   ·    403 403 403 403 403 404  404 404  404 404 404 404  ·   ·   403 403
PUT /api/v1/admin_user/{user}                                    acme    ·   ·   ·   ·   ·    403 403 403 403 403 200  404 200  200 200 404 200  ·   ·   403 403
PUT /api/v1/admin_user/{user}                                    north   ·   ·   ·   ·   ·    403 403 403 403 403 404  200 200  404 404 404 200  ·   ·   403 403
PUT /api/v1/admin_user/{user}                                    nobody  ·   ·   ·   ·   ·    403 403 403 403 403 404  404 404  404 404 404 404  ·   ·   403 403
GET /api/v1/admin_user_invite?account_id={team}                  acme    ·   ·   ·   ·   ·    403 403 403 403 403 200  403 200  200 200 403 200  ·   ·   403 403
GET /api/v1/admin_user_invite?account_id={team}                  north   ·   ·   ·   ·   ·    403 403 403 403 403 403  200 200  403 403 403 200  ·   ·   403 403
GET /api/v1/admin_user_invite?account_id={team}                  nobody  ·   ·   ·   ·   ·    403 403 403 403 403 403  403 403  403 403 403 403  ·   ·   403 403
POST /api/v1/admin_user_invite                                   acme    ·   ·   ·   ·   ·    403 403 403 403 403 200  403 200  200 200 403 200  ·   ·   403 403
POST /api/v1/admin_user_invite                                   north   ·   ·   ·   ·   ·    403 403 403 403 403 403  200 200  403 403 403 200  ·   ·   403 403
POST /api/v1/admin_user_invite                                   nobody  ·   ·   ·   ·   ·    403 403 403 403 403 403  403 403  403 403 403 403  ·   ·   403 403
POST /api/v1/admin_user_invite/{invite}/revoke                   acme    ·   ·   ·   ·   ·    403 403 403 403 403 200  404 404  200 200 404 404  ·   ·   403 403
POST /api/v1/admin_user_invite/{invite}/revoke                   north   ·   ·   ·   ·   ·    403 403 403 403 403 404  200 404  404 404 404 404  ·   ·   403 403
POST /api/v1/admin_user_invite/{invite}/revoke                   nobody  ·   ·   ·   ·   ·    403 403 403 403 403 404  404 404  404 404 404 404  ·   ·   403 403
POST /api/v1/admin_user_invite/{invite}/revoke?account_id={team} acme    ·   ·   ·   ·   ·    403 403 403 403 403 200  403 200  200 200 403 200  ·   ·   403 403
POST /api/v1/admin_user_invite/{invite}/revoke?account_id={team} north   ·   ·   ·   ·   ·    403 403 403 403 403 403  200 200  403 403 403 200  ·   ·   403 403
POST /api/v1/admin_user_invite/{invite}/revoke?account_id={team} nobody  ·   ·   ·   ·   ·    403 403 403 403 403 403  403 404  403 403 403 404  ·   ·   403 403

# User-admin                                                     of      non bad exp ano new  vie ope all mgr mgd adm  oth plt  a-u a-o p-u p-o  sus del dlg prn
GET /api/admin/user-admin                                        -       ·   ·   ·   ·   ·    403 403 403 403 403 200  200 200  200 200 200 200  ·   ·   403 403
POST /api/admin/user-admin                                       -       ·   ·   ·   ·   ·    403 403 403 403 403 201  201 201  201 201 201 201  ·   ·   403 403
POST /api/admin/user-admin?team_id={team}                        -       ·   ·   ·   ·   ·    403 403 403 403 403 201  201 201  201 201 201 201  ·   ·   403 403
GET /api/admin/user-admin/{number}                               acme    ·   ·   ·   ·   ·    403 403 403 403 403 200  404 404  200 200 404 404  ·   ·   403 403
GET /api/admin/user-admin/{number}                               nobody  ·   ·   ·   ·   ·    403 403 403 403 403 404  404 404  404 404 404 404  ·   ·   403 403
PUT /api/admin/user-admin/{number}                               acme    ·   ·   ·   ·   ·    403 403 403 403 403 200  404 404  200 200 404 404  ·   ·   403 403
PUT /api/admin/user-admin/{number}                               nobody  ·   ·   ·   ·   ·    403 403 403 403 403 404  404 404  404 404 404 404  ·   ·   403 403
DELETE /api/admin/user-admin/{number}                            acme    ·   ·   ·   ·   ·    403 403 403 403 403 200  404 404  403 403 404 404  ·   ·   403 403
DELETE /api/admin/user-admin/{number}                            nobody  ·   ·   ·   ·   ·    403 403 403 403 403 404  404 404  404 404 404 404  ·   ·   403 403
GET /api/admin/user-admin/search?q={user}                        acme    ·   ·   ·   ·   ·    200 200 200 200 200 200  200 200  200 200 200 200  ·   ·   403 403
GET /api/admin/user-admin/admin-count                            -       ·   ·   ·   ·   ·    403 403 403 403 403 200  200 200  200 200 200 200  ·   ·   403 403
GET /api/admin/user-admin/inactive                               -       ·   ·   ·   ·   ·    403 403 403 403 403 200  200 200  200 200 200 200  ·   ·   403 403
POST /api/admin/user-admin/inactive/delete                       acme    ·   ·   ·   ·   ·    403 403 403 403 403 200  404 404  200 200 404 404  ·   ·   403 403

# Managed users                                                  of      non bad exp ano new  vie ope all mgr mgd adm  oth plt  a-u a-o p-u p-o  sus del dlg prn
GET /api/v1/users/                                               -       ·   ·   ·   ·   ·    200 200 200 200 200 200  200 200  200 200 200 200  ·   ·   403 200
GET /api/v1/users                                                -       ·   ·   ·   ·   ·    200 200 200 200 200 200  200 200  200 200 200 200  ·   ·   403 200
POST /api/v1/users/                                              -       ·   ·   ·   ·   ·    403 200 200 200 403 200  200 200  200 200 200 200  ·   ·   403 403
POST /api/v1/users                                               -       ·   ·   ·   ·   ·    403 200 200 200 403 200  200 200  200 200 200 200  ·   ·   403 403
GET /api/v1/users/{user}                                         gita    ·   ·   ·   ·   ·    404 404 404 200 404 404  404 404  404 404 404 404  ·   ·   403 403
GET /api/v1/users/{user}                                         self    ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  404 404 404 404  ·   ·   403 403
GET /api/v1/users/{user}                                         acme    ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  404 404 404 404  ·   ·   403 403
GET /api/v1/users/{user}                                         north   ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  404 404 404 404  ·   ·   403 403
GET /api/v1/users/{user}                                         nobody  ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  404 404 404 404  ·   ·   403 403
PUT /api/v1/users/{user}                                         gita    ·   ·   ·   ·   ·    404 404 404 200 404 404  404 404  404 404 404 404  ·   ·   403 403
PUT /api/v1/users/{user}                                         self    ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  404 404 404 404  ·   ·   403 403
PUT /api/v1/users/{user}                                         acme    ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  404 404 404 404  ·   ·   403 403
PUT /api/v1/users/{user}                                         north   ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  404 404 404 404  ·   ·   403 403
PUT /api/v1/users/{user}                                         nobody  ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  404 404 404 404  ·   ·   403 403
DELETE /api/v1/users/{user}                                      gita    ·   ·   ·   ·   ·    404 404 404 200 404 404  404 404  404 404 404 404  ·   ·   403 403
DELETE /api/v1/users/{user}                                      self    ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  404 404 404 404  ·   ·   403 403
DELETE /api/v1/users/{user}                                      acme    ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  404 404 404 404  ·   ·   403 403
DELETE /api/v1/users/{user}                                      north   ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  404 404 404 404  ·   ·   403 403
DELETE /api/v1/users/{user}                                      nobody  ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  404 404 404 404  ·   ·   403 403
GET /api/v1/users/shares                                         -       ·   ·   ·   ·   ·    200 200 200 200 200 200  200 200  200 200 200 200  ·   ·   403 403
PUT /api/v1/users/shares/{user}                                  acme    ·   ·   ·   ·   ·    200 200 200 200 200 200  200 200  200 200 200 200  ·   ·   403 403
PUT /api/v1/users/shares/{user}                                  north   ·   ·   ·   ·   ·    200 200 200 200 200 200  200 200  200 200 200 200  ·   ·   403 403
PUT /api/v1/users/shares/{user}                                  self    ·   ·   ·   ·   ·    422 422 422 422 422 422  422 422  422 422 422 422  ·   ·   403 403
PUT /api/v1/users/shares/{user}                                  gone    ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  404 404 404 404  ·   ·   403 403
PUT /api/v1/users/shares/{user}                                  nobody  ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  404 404 404 404  ·   ·   403 403
DELETE /api/v1/users/shares/{user}                               dara    ·   ·   ·   ·   ·    404 404 404 200 404 404  404 404  404 404 404 404  ·   ·   403 403
DELETE /api/v1/users/shares/{user}                               emi     ·   ·   ·   ·   ·    200 404 404 404 404 200  200 404  200 200 404 404  ·   ·   403 403
DELETE /api/v1/users/shares/{user}                               nobody  ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  404 404 404 404  ·   ·   403 403
GET /api/v1/oauth/principal-token                                -       ·   ·   ·   ·   ·    200 200 200 200 200 200  200 200  403 403 403 403  ·   ·   200 200
GET /api/v1/oauth/userinfo                                       -       ·   ·   ·   ·   ·    200 200 200 200 200 200  200 200  200 200 200 200  ·   ·   403 403
POST /api/v1/oauth/delegated-token                               gita    ·   ·   ·   ·   ·    403 403 403 200 403 403  403 403  403 403 403 403  ·   ·   403 403
POST /api/v1/oauth/delegated-token                               emi     ·   ·   ·   ·   ·    200 403 403 403 403 403  403 403  403 403 403 403  ·   ·   403 403
POST /api/v1/oauth/delegated-token                               nils    ·   ·   ·   ·   ·    403 403 403 200 403 403  403 403  403 403 403 403  ·   ·   403 403
POST /api/v1/oauth/delegated-token                               acme    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 403  403 403 403 403  ·   ·   403 403
POST /api/v1/oauth/delegated-token                               north   ·   ·   ·   ·   ·    403 403 403 403 403 403  403 403  403 403 403 403  ·   ·   403 403
POST /api/v1/oauth/delegated-token                               self    ·   ·   ·   ·   ·    403 403 403 403 403 403  403 403  403 403 403 403  ·   ·   403 403
POST /api/v1/oauth/delegated-token                               nobody  ·   ·   ·   ·   ·    403 403 403 403 403 403  403 403  403 403 403 403  ·   ·   403 403

# Workspace                                                      of      non bad exp ano new  vie ope all mgr mgd adm  oth plt  a-u a-o p-u p-o  sus del dlg prn
GET /users?ids={user}                                            self    ·   ·   ·   ·   ·    200 200 200 200 200 200  200 200  200 200 200 200  ·   ·   403 403
GET /users?ids={user}                                            acme    ·   ·   ·   ·   ·    nil nil 200 nil nil 200  nil nil  200 200 nil nil  ·   ·   403 403
GET /users?ids={user}                                            north   ·   ·   ·   ·   ·    nil nil nil nil nil nil  200 nil  nil nil nil nil  ·   ·   403 403
GET /users?ids={user}                                            nobody  ·   ·   ·   ·   ·    nil nil nil nil nil nil  nil nil  nil nil nil nil  ·   ·   403 403
GET /users/{user}                                                self    ·   ·   ·   ·   ·    200 200 200 200 200 200  200 200  200 200 200 200  ·   ·   403 403
GET /users/{user}                                                acme    ·   ·   ·   ·   ·    404 404 200 404 404 200  404 404  200 200 404 404  ·   ·   403 403
GET /users/{user}                                                north   ·   ·   ·   ·   ·    404 404 404 404 404 404  200 404  404 404 404 404  ·   ·   403 403
GET /users/{user}                                                nobody  ·   ·   ·   ·   ·    404 404 404 404 404 404  404 404  404 404 404 404  ·   ·   403 403

# Platform                                                       of      non bad exp ano new  vie ope all mgr mgd adm  oth plt  a-u a-o p-u p-o  sus del dlg prn
GET /health                                                      -       200 200 200 200 200  200 200 200 200 200 200  200 200  200 200 200 200  200 200 200 200
GET /openapi.json                                                -       200 200 200 200 200  200 200 200 200 200 200  200 200  200 200 200 200  200 200 200 200
GET /                                                            -       404 404 404 404 404  404 404 404 404 404 404  404 404  404 404 404 404  404 404 404 404
";

/// The permission that each request takes of an API key. A key of Acme's admin with that permission
/// alone is answered as one with all of them; one with any other, or none, is refused. `-`: no
/// permission opens it or shuts it, as it takes a token, a platform operator or nothing. With `+`,
/// no single one will do.
const PERMISSIONS: &str = "
GET /v1/admin/users                                               -
GET /v1/admin/users?query={user}                                  -
GET /v1/admin/users/{user}                                        -
PATCH /v1/admin/users/{user}/quota                                -
POST /v1/admin/users/{user}/keys                                  -
POST /v1/admin/users/{user}/suspend                               -
POST /v1/admin/users/{user}/unsuspend                             -
POST /v1/admin/users/{user}/restore                               -
POST /v1/admin/users/{user}/sign-out-everywhere                   -
DELETE /v1/admin/users/{user}                                     -
GET /v1/admin/users/{user}/audit-log                              -
PUT /v1/admin/users/{user}/sandboxes/{sandbox}/running-time       -
GET /v1/admin/quota-tiers                                         -

POST /v1/account                                                  -
GET /v1/account/me                                                account:read
PATCH /v1/account/me                                              account:write
GET /v1/account/export                                            account:read
DELETE /v1/account                                                -
POST /v1/account/restore                                          -
POST /v1/account/sign-out-everywhere                              -
GET /v1/keys                                                      account:read
POST /v1/keys                                                     -
POST /v1/keys/default                                             -
POST /v1/keys/{key}/rotate                                        -
DELETE /v1/keys/{key}                                             -
GET /v1/sandboxes                                                 sandboxes:read
POST /v1/sandboxes                                                sandboxes:write
GET /v1/sandboxes/{sandbox}                                       sandboxes:read
PATCH /v1/sandboxes/{sandbox}                                     sandboxes:write
DELETE /v1/sandboxes/{sandbox}                                    sandboxes:write

GET /api/v1/admin_user?account_id={team}                          members:read
GET /api/v1/admin_user/{user}                                     members:read
PUT /api/v1/admin_user/{user}                                     members:write
GET /api/v1/admin_user_invite?account_id={team}                   members:read
POST /api/v1/admin_user_invite                                    invites:write
POST /api/v1/admin_user_invite/{invite}/revoke                    invites:write
POST /api/v1/admin_user_invite/{invite}/revoke?account_id={team}  invites:write

GET /api/admin/user-admin                                         members:read
POST /api/admin/user-admin                                        members:write+admins:write
POST /api/admin/user-admin?team_id={team}                         members:write
GET /api/admin/user-admin/{number}                                members:read
PUT /api/admin/user-admin/{number}                                members:write
DELETE /api/admin/user-admin/{number}                             members:write
GET /api/admin/user-admin/search?q={user}                         members:read
GET /api/admin/user-admin/admin-count                             members:read
GET /api/admin/user-admin/inactive                                members:read
POST /api/admin/user-admin/inactive/delete                        members:write

GET /api/v1/users/                                                managed-users:read
GET /api/v1/users                                                 managed-users:read
POST /api/v1/users/                                               managed-users:write
POST /api/v1/users                                                managed-users:write
GET /api/v1/users/{user}                                          managed-users:read
PUT /api/v1/users/{user}                                          managed-users:write
DELETE /api/v1/users/{user}                                       managed-users:write
GET /api/v1/users/shares                                          managed-users:read
PUT /api/v1/users/shares/{user}                                   sharing:write
DELETE /api/v1/users/shares/{user}                                sharing:write
GET /api/v1/oauth/principal-token                                 -
GET /api/v1/oauth/userinfo                                        account:read
POST /api/v1/oauth/delegated-token                                -

GET /users?ids={user}                                             members:read
GET /users/{user}                                                 members:read

GET /health                                                       -
GET /openapi.json                                                 -
GET /                                                             -
";

/// The requests that take a second factor where the installation asks for one: of whom, and with
/// what outcome, the rest of the table says. With `*`, they take it whatever comes of them.
/// Requests under `/v1/admin/` take it all.
const SECOND_FACTOR: &str = "
DELETE /v1/account?user_id={user}&id={user}
POST /v1/keys                                  *
POST /v1/keys/default                          *
POST /v1/keys/{key}/rotate                     *
POST /api/admin/user-admin
DELETE /api/admin/user-admin/{number}
DELETE /api/v1/users/{user}
";

/// The permission that a request takes of an API key.
fn permission_of(probe: &Probe, path: &str) -> &'static str {
    let request = format!("{} {path}", probe.method);
    let lines = PERMISSIONS.lines().filter_map(|line| line.rsplit_once("  "));
    let found: Vec<_> = lines
        .filter(|(known, _)| known.trim() == request)
        .map(|(_, permission)| permission.trim())
        .collect();
    assert_eq!(found.len(), 1, "say in the table of permissions what {request} takes of a key");
    found[0]
}

/// A user of Acme, and one of Northwind: both viewers, and no callers.
const OF_ACME: Uuid = demo::id(0x115);
const OF_NORTHWIND: Uuid = demo::id(0xb4);
/// Someone whom the manager manages.
const GITA: Uuid = demo::id(0x62);
/// Someone of Acme who deleted the account, and someone who is suspended.
const GONE: Uuid = demo::id(0x111);
const LOCKED: Uuid = demo::id(0x10e);

/// One line of the table.
struct Row {
    probe: Probe,
    handler: String,
    /// Whose things it names.
    of: &'static str,
    /// What each caller is answered.
    cells: Vec<&'static str>,
    /// The permission that it takes of an API key.
    permission: &'static str,
}

impl Row {
    /// Every line, after holding the heads against the callers.
    fn all() -> Vec<Self> {
        let mut rows = Vec::new();
        for line in TABLE.lines().filter(|line| !line.is_empty()) {
            if let Some(title) = line.strip_prefix('#') {
                let heads: Vec<_> =
                    title.split_whitespace().skip_while(|word| *word != "of").skip(1).collect();
                assert_eq!(heads, CALLERS.map(|(head, _)| head), "the heads of {title}");
                continue;
            }
            let mut words = line.split_whitespace();
            let mut word = || words.next().unwrap_or_else(|| panic!("too few words: {line}"));
            let (method, path, of) = (word(), word(), word());
            let cells: Vec<_> = words.collect();
            assert_eq!(cells.len(), CALLERS.len(), "a cell for each kind of caller: {line}");
            let method: Method = method.parse().expect("a method");
            let handler = Call::new(method.clone(), path).handler();
            let probes: Vec<_> =
                probes(&handler).into_iter().filter(|probe| probe.method == method).collect();
            let by =
                |form: fn(&Probe) -> &'static str| probes.iter().find(|probe| form(probe) == path);
            let probe = by(Probe::template)
                .or_else(|| by(Probe::bare_path))
                .unwrap_or_else(|| panic!("no probe for {line}"));
            let permission = permission_of(probe, path);
            // A HEAD request is answered as the GET request is.
            let mut probes = vec![probe.clone()];
            if method == Method::GET {
                let mut head = probe.clone();
                head.method = Method::HEAD;
                probes.push(head);
            }
            for probe in probes {
                rows.push(Self {
                    probe,
                    handler: handler.clone(),
                    of,
                    cells: cells.clone(),
                    permission,
                });
            }
        }
        rows
    }

    /// What a key of Acme's admin is answered that has one permission alone, or none.
    fn cell_of_key(&self, permission: Option<Permission>) -> &'static str {
        let opens = self.permission == "-"
            || permission.is_some_and(|permission| permission.as_str() == self.permission);
        if opens { self.cell(WITH_ALL) } else { "403" }
    }

    /// The cell of a kind of caller.
    fn cell(&self, head: &str) -> &'static str {
        self.cells[CALLERS.iter().position(|(known, _)| *known == head).expect("a column")]
    }

    /// The answer to a caller without a second factor, where the installation asks for one.
    fn cell_without_factor(&self, head: &str) -> &'static str {
        let cell = self.cell(head);
        let path = self.probe.template();
        // A platform operator without one is the administrator of a team, and no more.
        if head == "plt" && path.starts_with("/api/v1/admin_user") {
            return self.cell(if self.of == "north" { "adm" } else { "oth" });
        }
        let request = format!("{} {path}", self.probe.method);
        let mut lines = SECOND_FACTOR
            .lines()
            .filter_map(|line| Some((line.split("  ").next()?, line.ends_with('*'))));
        let takes =
            lines.any(|(known, always)| known == request && (always || cell.starts_with('2')));
        if takes || (head == "plt" && path.starts_with("/v1/admin/")) { "403" } else { cell }
    }

    /// The code that a refusal bears, where who calls decides it.
    fn code(&self, status: u16, caller: &str) -> Option<&'static str> {
        use Contract::{Directory, ManagedUsers, Operator, UserAdmin, Workspace};
        Some(match (contract(&self.handler), status, caller) {
            (Operator, 401, _) => "unauthorized",
            (Operator, 403, "sus") => "auth_locked",
            (Operator, 403, "del") => "account_deleted",
            (Operator, 403, "dlg" | "prn") => "unauthorized",
            (Operator, 403, "factor") => "unauthorized",
            (Operator, 403, "a-u" | "a-o" | "key")
                if self.probe.template().ends_with("/running-time") =>
            {
                "unauthorized"
            }
            (Operator, 403, "key") if self.permission != "-" => "unauthorized",
            (Operator, 403, _) => "operator_required",
            (Operator, 404, _) if self.probe.template().ends_with("/running-time") => "not_found",
            (Operator, 404, _) if self.probe.template().starts_with("/v1/admin/users/") => {
                "account_not_found"
            }
            (Operator, 404, _) => "not_found",
            (Directory, 401, "non") => "not_authenticated",
            (Directory, 401, _) => "bad_authtoken",
            (Directory, 403, _) => "not_permitted",
            (Directory, 404, _) => "not_found",
            (UserAdmin, 401, "non") => "AuthenticationRequired",
            (UserAdmin, 401, _) => "UnauthorizedError",
            (UserAdmin, 403, _) => "PermissionError",
            (UserAdmin, 404, _) => "NotFoundError",
            (ManagedUsers, 401 | 403 | 404, _) => "",
            (Workspace, 401, _) => "UNAUTHORIZED",
            (Workspace, 403, _) => "FORBIDDEN",
            (Workspace, 404, _) => "NOT_FOUND",
            _ => return None,
        })
    }
}

/// A server, and what the callers of the table need of it.
struct Stage {
    roster: Roster,
    /// An invite into Acme, and one into Northwind.
    invites: Option<[Uuid; 2]>,
}

impl Stage {
    /// With invites only where they are named: they take a while.
    async fn set(invites: bool) -> Self {
        Self::set_with(invites, &[]).await
    }

    /// The same, in an installation where these factors count.
    async fn set_with(invites: bool, factors: &[&str]) -> Self {
        let factors = factors.iter().map(|&factor| factor.to_owned()).collect();
        let roster = Roster::start_with(|options| options.config.tokens.step_up = factors).await;
        let stage = Self { roster, invites: None };
        if !invites {
            return stage;
        }
        let acme = stage.invite(demo::ADMIN, demo::TEAM).await;
        let north = stage.invite(demo::OTHER_ADMIN, demo::OTHER_TEAM).await;
        Self { invites: Some([acme, north]), ..stage }
    }

    async fn invite(&self, admin: Uuid, team: Uuid) -> Uuid {
        let body =
            json!({"details": {"email": format!("invited@{team}.example"), "account_id": team}});
        let call = Call::new(Method::POST, "/api/v1/admin_user_invite")
            .credential(&self.roster.token(admin))
            .json(&body);
        let answer = self.roster.direct(&call).await.expect(200).json();
        answer["details"]["id"].as_str().and_then(|id| id.parse().ok()).expect("an id")
    }

    /// The caller's id and credential.
    async fn caller(&self, head: &str) -> (Uuid, Option<String>) {
        let roster = &self.roster;
        let token = |id| (id, Some(roster.token(id)));
        let signed = |id, name: &str, value: Value| {
            let mut claims = roster.claims(id);
            claims[name] = value;
            (id, Some(sign(&claims)))
        };
        match head {
            "non" => (demo::ADMIN, None),
            "bad" => {
                let good = roster.token(demo::ADMIN);
                let (signed, signature) = good.rsplit_once('.').expect("a token has three parts");
                (
                    demo::ADMIN,
                    Some(format!("{signed}.{}", signature.chars().rev().collect::<String>())),
                )
            }
            "ano" => signed(demo::ADMIN, "is_anonymous", json!(true)),
            "exp" => signed(demo::ADMIN, "exp", json!(roster.now().as_second() - 60)),
            "new" => signed(NOBODY, "email", json!("new.person@example.com")),
            "vie" => token(demo::VIEWER),
            "ope" => token(demo::OPERATOR),
            "all" => token(demo::OPERATOR_VIEW_ALL),
            "mgr" => token(demo::MANAGER),
            "mgd" => token(demo::id(0x61)),
            "adm" => token(demo::ADMIN),
            "oth" => token(demo::OTHER_ADMIN),
            "plt" => token(demo::PLATFORM_OPERATOR),
            "a-u" => (demo::ADMIN, Some(key(demo::ADMIN, 1))),
            "a-o" => (demo::ADMIN, Some(give_key(roster, demo::ADMIN, "operator", None).await)),
            "p-u" => (demo::PLATFORM_OPERATOR, Some(key(demo::PLATFORM_OPERATOR, 2))),
            "p-o" => (demo::PLATFORM_OPERATOR, Some(key(demo::PLATFORM_OPERATOR, 1))),
            "sus" => token(SUSPENDED),
            "del" => token(DELETED),
            "dlg" => {
                let call = Call::new(Method::POST, "/api/v1/oauth/delegated-token")
                    .credential(&roster.token(demo::MANAGER));
                let answer =
                    roster.direct(&call.json(&json!({"sub": GITA}))).await.expect(200).json();
                (GITA, answer["access_token"].as_str().map(str::to_owned))
            }
            "prn" => {
                let (_, delegated) = Box::pin(self.caller("dlg")).await;
                let call = Call::new(Method::GET, "/api/v1/oauth/principal-token")
                    .credential(&delegated.expect("a token"));
                let answer = roster.direct(&call).await.expect(200).json();
                (demo::MANAGER, answer["access_token"].as_str().map(str::to_owned))
            }
            head => panic!("who is {head}?"),
        }
    }

    /// A key of Acme's admin with that permission alone, or with none.
    async fn key_with(&self, permission: Option<Permission>) -> (Uuid, Option<String>) {
        let key =
            give_key_for(&self.roster, demo::ADMIN, "user", None, permission.as_slice()).await;
        (demo::ADMIN, Some(key))
    }

    fn target(&self, of: &str, caller: Uuid) -> Target {
        // The admin's sandbox that runs is nine days old.
        let sandbox = |n: i64| format!("sbx_{:013x}001", START - n * 86_400_000);
        let nobody = Target {
            user: demo::id(0xdeaf),
            number: 98,
            team: demo::id(0xdeaf),
            key: demo::id(0xdeaf),
            sandbox: sandbox(1),
            invite: Uuid::now_v7(),
        };
        let user = |user| Target { user, ..nobody.clone() };
        match of {
            "-" | "nobody" => nobody,
            "acme" => Target {
                user: OF_ACME,
                number: 21,
                team: demo::TEAM,
                key: demo::id(0xf204),
                sandbox: sandbox(9),
                invite: self.invites.map_or(nobody.invite, |[acme, _]| acme),
            },
            "north" => Target {
                user: OF_NORTHWIND,
                team: demo::OTHER_TEAM,
                invite: self.invites.map_or(nobody.invite, |[_, north]| north),
                ..nobody
            },
            "plat" => Target {
                user: demo::PLATFORM_OPERATOR,
                key: demo::id(0xf101),
                sandbox: "sbx_0000000000000008".to_owned(),
                ..nobody
            },
            "self" => user(caller),
            "gone" => user(GONE),
            "locked" => user(LOCKED),
            "gita" => user(GITA),
            "emi" => user(demo::MANAGER),
            "dara" => user(demo::VIEWER),
            "nils" => user(demo::OTHER_ADMIN),
            of => panic!("whose is {of}?"),
        }
    }

    /// Tries one cell. Says what is wrong.
    async fn try_cell(
        &self,
        row: &Row,
        head: &str,
        cell: &str,
        (id, credential): &(Uuid, Option<String>),
    ) -> Option<String> {
        let target = self.target(row.of, *id);
        let mut call = Call::new(row.probe.method.clone(), row.probe.path(&target));
        if let Some(credential) = credential {
            call = call.credential(credential);
        }
        let body = row.probe.body(&target);
        if !body.is_empty() {
            call = call.text(body);
        }
        let (answer, cost) = call.send(&self.roster.server.app).await;
        let wrong = if !is_change(row, cell) && !is_noted(head, cell) && cost.write_units != 0.0 {
            Some("something is written".to_owned())
        } else {
            wrong(row, head, cell, &answer, &target)
        };
        let who = CALLERS.iter().find(|(known, _)| *known == head).map_or(head, |(_, who)| who);
        wrong.map(|wrong| {
            format!(
                "{} {} of {} by {who}: {wrong}: {answer:?}",
                row.probe.method,
                row.probe.template(),
                row.of
            )
        })
    }
}

/// True where the use of a delegated token, or of one that comes from it, has an entry of history.
fn is_noted(head: &str, cell: &str) -> bool {
    cell == "200" && ["dlg", "prn"].contains(&head)
}

/// Whether a caller is let change something.
fn is_change(row: &Row, cell: &str) -> bool {
    cell.starts_with('2') && !row.probe.method.is_safe()
}

/// What is wrong with an answer, if anything is.
fn wrong(row: &Row, head: &str, cell: &str, answer: &Answer, target: &Target) -> Option<String> {
    let status = match cell {
        "·" => 401,
        "nil" => 200,
        status => status.parse().expect("a status"),
    };
    if answer.status != status {
        return Some(format!("{} where the table has {status}", answer.status));
    }
    if row.probe.method == Method::HEAD {
        return (!answer.text.is_empty()).then(|| "a body".to_owned());
    }
    if status >= 400 {
        let Ok(code) =
            std::panic::catch_unwind(AssertUnwindSafe(|| contract(&row.handler).error(answer)))
        else {
            return Some("not in the contract's form".to_owned());
        };
        return row
            .code(status, head)
            .filter(|expected| *expected != code)
            .map(|expected| format!("{code} where {expected} is right"));
    }
    // A list that is asked for one user shows them or does not.
    let asked_for =
        row.probe.template().split_once('?').is_some_and(|(_, query)| query.contains("={user}"));
    let shown = answer.text.contains(&format!("\"{}\"", target.user));
    let is_list = asked_for && row.handler.ends_with("list_users");
    (is_list && shown == (cell == "nil"))
        .then(|| format!("the user is {}shown", if shown { "" } else { "not " }))
}

/// Who may do what is decided by the table. What is refused or only read writes nothing; what
/// changes something has a server of its own.
#[tokio::test]
async fn every_endpoint_answers_every_caller_as_the_table_says() {
    let rows = Row::all();
    let shared = Stage::set(true).await;
    let mut callers = Vec::new();
    for (head, _) in CALLERS {
        let caller = shared.caller(head).await;
        // That they are seen is noted now, and not again for ten minutes.
        if let Some(credential) = &caller.1 {
            shared.roster.direct(&Call::new(Method::GET, "/users/me").credential(credential)).await;
        }
        callers.push(caller);
    }
    let (mut wrong, mut cells, mut changes) = (Vec::new(), 0, 0);
    for row in &rows {
        for (((head, _), cell), caller) in CALLERS.iter().zip(&row.cells).zip(&callers) {
            cells += 1;
            wrong.extend(if is_change(row, cell) {
                changes += 1;
                let stage = Stage::set(row.probe.template().contains("{invite}")).await;
                let caller = stage.caller(head).await;
                stage.try_cell(row, head, cell, &caller).await
            } else {
                shared.try_cell(row, head, cell, caller).await
            });
        }
    }
    assert!(wrong.is_empty(), "{} of {cells} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
    shared.roster.check_table().await;
    println!(
        "authorisation: {} endpoints in {} rows by {} kinds of callers: {cells} cells, {changes} of them changes",
        HANDLERS.len(),
        rows.len(),
        CALLERS.len()
    );
}

/// A key opens what its permission is for, and nothing else: a column for each permission, and one
/// for none.
#[tokio::test]
async fn every_endpoint_answers_a_key_as_its_permission_says() {
    let rows = Row::all();
    let kinds: Vec<Option<Permission>> =
        std::iter::once(None).chain(Permission::ALL.iter().copied().map(Some)).collect();
    let shared = Stage::set(true).await;
    // That the owner is seen is noted now, and not again for ten minutes.
    let by_owner =
        Call::new(Method::GET, "/users/me").credential(&shared.roster.token(demo::ADMIN));
    shared.roster.direct(&by_owner).await;
    let (mut wrong, mut cells, mut changes) = (Vec::new(), 0, 0);
    for kind in kinds {
        let caller = shared.key_with(kind).await;
        for row in &rows {
            let cell = row.cell_of_key(kind);
            cells += 1;
            let outcome = if is_change(row, cell) {
                changes += 1;
                let stage = Stage::set(row.probe.template().contains("{invite}")).await;
                let caller = stage.key_with(kind).await;
                stage.try_cell(row, "key", cell, &caller).await
            } else {
                shared.try_cell(row, "key", cell, &caller).await
            };
            wrong.extend(
                outcome.map(|wrong| {
                    format!("with {}: {wrong}", kind.map_or("none", Permission::as_str))
                }),
            );
        }
    }
    assert!(wrong.is_empty(), "{} of {cells} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
    shared.roster.check_table().await;
    println!("authorisation of keys: {cells} cells, {changes} of them changes");
}

/// A token that is no person's sign-in here is answered as one of an anonymous sign-in is.
#[tokio::test]
async fn every_endpoint_refuses_tokens_of_another_context() {
    let rows = Row::all();
    let shared = Stage::set(true).await;
    let contexts = [
        ("is_anonymous", json!("true")),
        ("role", json!("anon")),
        ("role", json!("service_role")),
        ("client_id", json!("a-third-party-app")),
        ("aud", json!("another-service")),
        ("aud", json!(null)),
        ("iss", json!("https://another.example/auth/v1")),
    ];
    let (mut wrong, mut cells) = (Vec::new(), 0);
    for (name, value) in contexts {
        let mut claims = shared.roster.claims(demo::ADMIN);
        claims[name] = value.clone();
        let caller = (demo::ADMIN, Some(sign(&claims)));
        for row in &rows {
            cells += 1;
            let outcome = shared.try_cell(row, "ano", row.cell("ano"), &caller).await;
            wrong.extend(outcome.map(|wrong| format!("with {name} {value}: {wrong}")));
        }
    }
    assert!(wrong.is_empty(), "{} of {cells} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
    println!("authorisation of other contexts: {cells} cells");
}

/// Without a second factor, what takes one is refused, and nothing else; with one, all is as
/// before.
#[tokio::test]
async fn every_endpoint_asks_for_a_second_factor_as_the_table_says() {
    const FACTORS: [&str; 1] = ["totp"];
    let rows = Row::all();
    let shared = Stage::set_with(true, &FACTORS).await;
    let caller = |stage: &Stage, id: Uuid, level: &str| {
        let mut claims = stage.roster.claims(id);
        claims["aal"] = json!(level);
        (id, Some(sign(&claims)))
    };
    // That gives a token out, and so publishes the key that signs it.
    shared.caller("dlg").await;
    let (mut wrong, mut cells, mut changes) = (Vec::new(), 0, 0);
    for (head, id) in
        [("mgr", demo::MANAGER), ("adm", demo::ADMIN), ("plt", demo::PLATFORM_OPERATOR)]
    {
        // That they are seen is noted now, and not again for ten minutes.
        let seen = Call::new(Method::GET, "/users/me").credential(&shared.roster.token(id));
        shared.roster.direct(&seen).await;
        for (row, level) in rows.iter().flat_map(|row| [(row, "aal1"), (row, "aal2")]) {
            let cell = if level == "aal2" { row.cell(head) } else { row.cell_without_factor(head) };
            let head = if cell == row.cell(head) { head } else { "factor" };
            cells += 1;
            let outcome = if is_change(row, cell) {
                changes += 1;
                let stage =
                    Stage::set_with(row.probe.template().contains("{invite}"), &FACTORS).await;
                stage.try_cell(row, head, cell, &caller(&stage, id, level)).await
            } else {
                shared.try_cell(row, head, cell, &caller(&shared, id, level)).await
            };
            wrong.extend(outcome.map(|wrong| format!("{level}: {wrong}")));
        }
    }
    assert!(wrong.is_empty(), "{} of {cells} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
    println!("authorisation with second factors: {cells} cells, {changes} of them changes");
}

/// A slash at the end of a path of user-admin, which no route takes, opens nothing and closes
/// nothing.
#[tokio::test]
async fn user_admin_answers_every_caller_at_paths_that_end_in_a_slash_too() {
    let rows: Vec<_> = Row::all()
        .into_iter()
        .filter(|row| row.probe.template().starts_with("/api/admin/user-admin"))
        .collect();
    let shared = Stage::set(false).await;
    let (mut wrong, mut cells) = (Vec::new(), 0);
    for (head, _) in CALLERS {
        let (id, credential) = shared.caller(head).await;
        for row in &rows {
            let cell = row.cell(head);
            if is_change(row, cell) {
                continue;
            }
            let target = shared.target(row.of, id);
            let path = row.probe.path(&target);
            let (path, query) = path.split_once('?').unwrap_or((&path, ""));
            let mut call = Call::new(row.probe.method.clone(), format!("{path}/?{query}"))
                .text(row.probe.body(&target));
            if let Some(credential) = &credential {
                call = call.credential(credential);
            }
            assert_eq!(call.handler(), "platform.unmatched");
            let (answer, _) = call.send(&shared.roster.server.app).await;
            cells += 1;
            let fault = self::wrong(row, head, cell, &answer, &target);
            wrong.extend(fault.map(|fault| {
                format!("{} {path}/ by {head}: {fault}: {answer:?}", row.probe.method)
            }));
        }
    }
    assert!(wrong.is_empty(), "{} of {cells} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cells > 200, "{cells}");
}

/// The table has every handler and every route, and each line once.
#[test]
fn the_table_has_every_endpoint() {
    let rows = Row::all();
    let missing: Vec<_> = HANDLERS
        .iter()
        .map(|handler| handler.name)
        .filter(|name| rows.iter().all(|row| row.handler != *name))
        .collect();
    assert!(missing.is_empty(), "say in the table who may call {missing:?}");
    let router = Router::new(TrailingSlash::default());
    let reached = |row: &Row| {
        router
            .find(row.probe.method.as_str(), row.probe.bare_path())
            .map(|found| found.route.clone())
    };
    let reached: Vec<_> = rows.iter().filter_map(reached).collect();
    // What is answered without a look at anything is tried beside the contract's other paths.
    let is_served =
        |route: &Route| route.handler != "platform.unmatched" || route.path == "$default";
    let missing: Vec<_> =
        routes().into_iter().filter(|route| is_served(route) && !reached.contains(route)).collect();
    assert!(missing.is_empty(), "say in the table who may call {missing:?}");
    let mut known = BTreeSet::new();
    for row in &rows {
        let line = format!("{} {} of {}", row.probe.method, row.probe.template(), row.of);
        assert!(known.insert(line.clone()), "{line} stands there twice");
    }
}
