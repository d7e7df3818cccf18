//! The directory contract: the users of one account (team), for its administrators.

pub mod create_invite;
pub mod get_admin_user;
pub mod list_admin_users;
pub mod list_invites;
mod paging;
pub mod revoke_invite;
pub mod update_admin_user;

use std::collections::BTreeMap;

use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::auth::{Caller, OnMembers, Places};
use shared::models::{Invite, InviteStatus, Seen, Status, User};
use shared::store::Entry;
use shared::{Error, Fault, Issue, Place, Result};
use utoipa::{IntoResponses, ToSchema};
use uuid::Uuid;

use crate::entity_tag::tagged;
use crate::openapi::words;
use crate::request::{json_object, path_id};
use crate::{Context, Contract, Request, Response, json};

/// What these endpoints have in common.
pub const CONTRACT: Contract =
    Contract { base_path: "/api/v1/admin_user", places: Places::Bearer, render };

/// What the index holds of a user beside id and class.
#[derive(Debug, Deserialize)]
pub struct Row {
    team_id: Uuid,
    title: String,
    #[serde(default)]
    claims: BTreeMap<String, String>,
    first_seen: Option<Seen>,
    last_seen: Option<Seen>,
}

/// A user as this contract lists it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminUserSummary, example = json!({
    "account_id": "00000000-0000-4000-8000-0000000000a1",
    "claims": {},
    "first_seen": {"at": 1744882200, "remote_ip": "203.0.113.7", "user_agent": "curl/8.14.1"},
    "id": "00000000-0000-4000-8000-000000000003",
    "last_seen": {"at": 1777714080, "remote_ip": "203.0.113.7", "user_agent": "curl/8.14.1"},
    "status": "extant",
    "title": "bela.kovacs@acme-robotics.example",
    "type": "admin_user"
}))]
pub struct Summary {
    account_id: Uuid,
    claims: BTreeMap<String, String>,
    /// Null for users who were never seen.
    #[schema(required)]
    first_seen: Option<Interaction>,
    id: Uuid,
    /// Null for users who were never seen.
    #[schema(required)]
    last_seen: Option<Interaction>,
    #[schema(inline, value_type = StatusWord)]
    status: &'static str,
    /// The email, else what the user is called.
    title: String,
    #[serde(rename = "type")]
    #[schema(inline, value_type = UserType)]
    kind: &'static str,
}

impl From<Entry<Row>> for Summary {
    fn from(Entry { id, class, row }: Entry<Row>) -> Self {
        Self {
            account_id: row.team_id,
            claims: row.claims,
            first_seen: row.first_seen.map(Interaction::from),
            id,
            last_seen: row.last_seen.map(Interaction::from),
            status: match class.status {
                Status::Invited => "new",
                Status::Active | Status::Suspended => "extant",
                Status::Deleted => "deleted",
            },
            title: row.title,
            kind: "admin_user",
        }
    }
}

/// A moment a user was seen.
#[derive(Debug, Serialize, ToSchema)]
pub struct Interaction {
    /// In Unix seconds.
    at: i64,
    /// Null where it is not known.
    #[schema(required, value_type = Option<String>, format = Ipv4)]
    remote_ip: Option<std::net::Ipv4Addr>,
    user_agent: String,
}

impl From<Seen> for Interaction {
    fn from(seen: Seen) -> Self {
        Self { at: seen.at.as_second(), remote_ip: seen.remote_ip, user_agent: seen.user_agent }
    }
}

/// A user at hand, as the indexes would have them.
fn entry(user: &User) -> Entry<Row> {
    let row = Row {
        team_id: user.team_id,
        title: user.title(),
        claims: user.claims.clone(),
        first_seen: user.first_seen.clone(),
        last_seen: user.last_seen.clone(),
    };
    Entry { id: user.id, class: user.class(), row }
}

/// A user in full.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminUser, example = json!({
    "account_id": "00000000-0000-4000-8000-0000000000a1",
    "claims": {},
    "first_seen": {"at": 1744882200, "remote_ip": "203.0.113.7", "user_agent": "curl/8.14.1"},
    "id": "00000000-0000-4000-8000-000000000003",
    "last_seen": {"at": 1777714080, "remote_ip": "203.0.113.7", "user_agent": "curl/8.14.1"},
    "status": "extant",
    "title": "bela.kovacs@acme-robotics.example",
    "type": "admin_user",
    "name": "Bela Kovacs",
    "job_title": null,
    "profile_completed_at": null
}))]
struct Details {
    #[serde(flatten)]
    summary: Summary,
    #[schema(required)]
    name: Option<String>,
    #[schema(required)]
    job_title: Option<String>,
    /// In Unix seconds.
    #[schema(required)]
    profile_completed_at: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Success<T> {
    #[schema(inline, value_type = SuccessWord)]
    status: &'static str,
    details: T,
}

/// A user in full, as an answer.
fn user_answer(user: &User) -> Response {
    let details = Details {
        summary: entry(user).into(),
        name: user.name.clone(),
        job_title: user.job_title.clone(),
        profile_completed_at: user.profile_completed_at.map(shared::Timestamp::as_second),
    };
    tagged(json(StatusCode::OK, &Success { status: "success", details }), user)
}

/// The caller, and the user of the path's id, if the caller administers the account that has them.
async fn administered_user<R: OnMembers>(
    context: &Context,
    request: &Request,
) -> Result<(Caller<R>, User)> {
    let token = context.verify(request).await?;
    let not_found = || Error::NotFound("There is no such user.".into());
    let Some(id) = path_id(request, "id") else {
        context.caller::<R>(&token).await?.administers_any()?;
        return Err(not_found());
    };
    let caller = async {
        let caller = context.caller::<R>(&token).await?;
        caller.administers_any()?;
        Ok(caller)
    };
    let (caller, user) = futures::try_join!(caller, context.store().sealed_user(id, &token))?;
    let user = user.open_for_admin(&caller).ok_or_else(not_found)?;
    Ok((caller, user))
}

/// The `details` of a body.
fn details(request: &Request) -> Result<Map<String, Value>> {
    let issue = |fault| Error::invalid(Issue::new(Place::Body, "details", fault));
    match json_object(request)?.remove("details") {
        None => Err(issue(Fault::Missing)),
        Some(Value::Object(details)) => Ok(details),
        Some(_) => Err(issue(Fault::NotA("an object"))),
    }
}

/// An invite as this contract shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminUserInvite, example = json!({
    "account_id": "00000000-0000-4000-8000-0000000000a1",
    "created_at": 1777714200,
    "email": "ada@example.com",
    "id": "019de2e1-7b80-7a51-9f0e-3c1d5b8a6e42",
    "status": "pending",
    "title": "ada@example.com",
    "type": "admin_user_invite",
    "updated_at": 1777714200
}))]
struct InviteBody {
    account_id: Uuid,
    /// In Unix seconds.
    created_at: i64,
    email: String,
    id: Uuid,
    #[schema(inline, value_type = InviteStatusWord)]
    status: &'static str,
    /// The email; a word where there is none any more.
    title: String,
    #[serde(rename = "type")]
    #[schema(inline, value_type = InviteType)]
    kind: &'static str,
    /// In Unix seconds.
    updated_at: i64,
}

impl From<&Invite> for InviteBody {
    fn from(invite: &Invite) -> Self {
        Self {
            account_id: invite.team_id,
            created_at: invite.created_at.as_second(),
            email: invite.email.clone(),
            id: invite.id,
            status: invite.status.as_str(),
            title: if invite.email.is_empty() {
                "revoked".to_owned()
            } else {
                invite.email.clone()
            },
            kind: "admin_user_invite",
            updated_at: invite.updated_at.as_second(),
        }
    }
}

/// An invite, as an answer.
fn invite_answer(invite: &Invite) -> Response {
    json(StatusCode::OK, &Success { status: "success", details: InviteBody::from(invite) })
}

/// An error in this contract's body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DirectoryError, example = json!({
    "status": "error", "code": "not_permitted", "message": "Only an administrator of the team may do this."
}))]
pub struct ErrorBody {
    #[schema(inline, value_type = ErrorWord)]
    status: &'static str,
    #[schema(inline, value_type = ErrorCode)]
    code: &'static str,
    message: String,
}

words! {
    /// What answers say of users.
    StatusWord: ["new", "extant", "deleted"].into_iter();
    /// What answers say of invites.
    InviteStatusWord: InviteStatus::ALL.iter().map(|status| status.as_str());
    /// What a user is.
    UserType: ["admin_user"].into_iter();
    /// What an invite is.
    InviteType: ["admin_user_invite"].into_iter();
    /// What answers say of themselves.
    SuccessWord: ["success"].into_iter();
    /// What errors say of themselves.
    ErrorWord: ["error"].into_iter();
    /// The codes of errors, as published: some are never given here.
    ErrorCode: [
        "bad_request", "bad_authtoken", "not_authenticated", "not_permitted", "not_implemented", "unknown", "not_found",
        "unexpected_ref_type", "unexpected", "invalid_action", "invalid_value", "required_value",
    ].into_iter();
}

/// What every endpoint of this contract may answer beside its own.
#[derive(IntoResponses)]
#[allow(dead_code)]
pub enum Refusals {
    /// No credential, or one that is refused.
    #[response(status = 401)]
    Unauthorized(ErrorBody),
    /// The caller does not administer the account, or there is none of that id.
    #[response(status = 403)]
    Forbidden(ErrorBody),
    /// The caller sent too many requests in this minute: try again after `retry-after` seconds.
    #[response(status = 429)]
    TooManyRequests(ErrorBody),
    /// A fault of ours.
    #[response(status = 500)]
    Failed(ErrorBody),
    /// The database refuses for now: try again after `retry-after` seconds.
    #[response(status = 503)]
    Unavailable(ErrorBody),
}

fn render(error: &Error, _request_id: &str) -> Response {
    let (status, code) = match error {
        Error::NotAuthenticated => (StatusCode::UNAUTHORIZED, "not_authenticated"),
        Error::BadCredential(_)
        | Error::TokenRefused(_)
        | Error::AccountSuspended
        | Error::AccountDeleted => (StatusCode::UNAUTHORIZED, "bad_authtoken"),
        Error::OperatorRequired
        | Error::StepUpRequired
        | Error::Forbidden(_)
        | Error::MissingPermission(_)
        | Error::Delegated
        | Error::EmailNotVerified => (StatusCode::FORBIDDEN, "not_permitted"),
        Error::NotFound(_) | Error::AccountNotFound => (StatusCode::NOT_FOUND, "not_found"),
        Error::Conflict(_) | Error::AccountNotDeleted | Error::ActiveResources(_) => {
            (StatusCode::CONFLICT, "invalid_action")
        }
        Error::Stale => (StatusCode::PRECONDITION_FAILED, "invalid_action"),
        Error::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_value"),
        Error::QuotaExceeded(..) | Error::TooManyRequests(_) => {
            (StatusCode::TOO_MANY_REQUESTS, "unexpected")
        }
        Error::Invalid(issues) => (StatusCode::BAD_REQUEST, code(issues)),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unexpected"),
        Error::Internal(_) | Error::Answered(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "unexpected")
        }
    };
    json(status, &ErrorBody { status: "error", code, message: error.to_string() })
}

fn code(issues: &[Issue]) -> &'static str {
    match issues.first().map(|issue| &issue.fault) {
        Some(Fault::Missing) => "required_value",
        Some(Fault::Unknown | Fault::NotJson) | None => "bad_request",
        Some(_) => "invalid_value",
    }
}
