//! The answers that the contracts give to what the model holds.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use shared::Timestamp;
use shared::models::{MB_MS_PER_GB_HOUR, Role, Status};
use shared::table::fold;
use uuid::Uuid;

use super::state::{DAY, Model, OWN_SCOPES, Sandbox, Team, Usage, User, tiers};
use super::steps::{By, DirectoryPage, EMAILS, Id, Request, WorkspacePage};

/// What really has each label.
#[derive(Default)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Ids {
    pub users: BTreeMap<Id, Uuid>,
    pub numbers: BTreeMap<Id, u64>,
    pub teams: BTreeMap<Id, Uuid>,
    /// With their texts.
    pub keys: BTreeMap<Id, (Uuid, String)>,
    pub invites: BTreeMap<Id, Uuid>,
    pub sandboxes: BTreeMap<Id, String>,
    /// The texts of delegated tokens.
    pub tokens: BTreeMap<Id, String>,
}

/// An id that nobody has.
pub fn nobody(label: Id) -> Uuid {
    Uuid::from_u128(0xdead_0000_0000_4000_8000_0000_0000_0000 | u128::from(label))
}

impl Ids {
    /// A user.
    pub fn user(&self, id: Id) -> Uuid {
        self.users.get(&id).copied().unwrap_or_else(|| nobody(id))
    }

    /// A team.
    pub fn team(&self, id: Id) -> Uuid {
        self.teams.get(&id).copied().unwrap_or_else(|| nobody(id))
    }

    /// A user's number in the team.
    pub fn number(&self, id: Id) -> u64 {
        self.numbers.get(&id).copied().unwrap_or_default()
    }
}

/// A time as it is shown.
pub fn time(seconds: i64) -> String {
    Timestamp::from_millisecond(seconds * 1000).to_string()
}

/// A day as it is shown.
pub fn date(day: i64) -> String {
    time(day * DAY)[..10].to_owned()
}

/// GB-hours as they are compared.
pub fn gb_hours(mb_ms: u64) -> f64 {
    rounded(mb_ms as f64 / MB_MS_PER_GB_HOUR)
}

/// A sum of fractions has no exact value.
pub fn rounded(hours: f64) -> f64 {
    (hours * 1e6).round() / 1e6
}

/// What the model holds, as answers show it.
pub struct View<'a> {
    /// The model, after the request.
    pub model: &'a Model,
    /// What has its labels.
    pub ids: &'a Ids,
}

impl View<'_> {
    fn of(&self, id: Id) -> &User {
        &self.model.users[&id]
    }

    fn shown_name(&self, id: Id) -> String {
        self.of(id).shown_name().unwrap_or_else(|| self.ids.user(id).to_string())
    }

    fn title(&self, id: Id) -> String {
        self.of(id).email.clone().unwrap_or_else(|| self.shown_name(id))
    }

    fn full_name(&self, id: Id) -> String {
        self.of(id).name.clone().unwrap_or_else(|| self.shown_name(id))
    }

    fn team_of(&self, id: Id) -> &Team {
        &self.model.teams[&self.of(id).team]
    }

    fn members(&self, team: Id) -> Vec<Id> {
        self.model.users.iter().filter(|(_, user)| user.team == team).map(|(id, _)| *id).collect()
    }

    /// What must be answered to a request of that caller, shown of that label; none where that is
    /// not known.
    pub fn body(&self, request: &Request, me: Id, of: Id, by: By) -> Option<Value> {
        Some(match request {
            Request::SignUp { .. }
            | Request::ShowAccount
            | Request::ChangeProfile { .. }
            | Request::RestoreAccount => {
                let mut account = self.account(of);
                account["email_verified"] = json!(self.of(of).email_verified_at.is_some());
                account["session_email"] = match by {
                    By::Token(id) => json!(EMAILS[id as usize]),
                    _ => Value::Null,
                };
                account
            }
            Request::ExportAccount => self.export(of),
            Request::DeleteAccount => {
                json!({"success": true, "scheduled_hard_delete_at": self.of(of).due.map(time)})
            }
            Request::ListKeys => self.keys(me),
            Request::MakeKey { .. } | Request::RotateKey { .. } | Request::MakeDefaultKey => {
                self.key(of)
            }
            Request::MakeUserKey { .. } => {
                let key = self.key(of);
                json!({
                    "id": key["id"], "prefix": key["prefix"], "scope": key["scope"], "name": null, "permissions": key["permissions"],
                    "expires_at": key["expires_at"],
                })
            }
            Request::RevokeKey { .. } => json!({"success": true}),
            Request::ListEveryone { limit } => {
                let mut all: Vec<Id> = self.model.users.keys().copied().collect();
                all.sort_by_key(|id| {
                    std::cmp::Reverse((self.of(*id).created_at, self.ids.user(*id)))
                });
                all.iter().take(*limit).map(|id| self.user(*id)).collect()
            }
            Request::FindUsers { text } => {
                let begins = |value: Option<String>| {
                    value.is_some_and(|value| fold(value.trim()).starts_with(&fold(text)))
                };
                let found = |(id, user): (&Id, &User)| {
                    (begins(user.email.clone())
                        || begins(user.name.clone())
                        || begins(Some(self.shown_name(*id))))
                    .then_some(*id)
                };
                let mut found: Vec<Id> = self.model.users.iter().filter_map(found).collect();
                found.sort_by_key(|id| self.ids.user(*id));
                found.into_iter().map(|id| self.user(id)).collect()
            }
            Request::ShowUser { .. }
            | Request::ChangeQuota { .. }
            | Request::Suspend { .. }
            | Request::Unsuspend { .. }
            | Request::RestoreUser { .. } => self.detail(of),
            Request::EraseUser { .. } => json!({"deleted": true, "user_id": self.ids.user(of)}),
            Request::ShowHistory { limit, .. } => {
                self.history(of).into_iter().rev().take(*limit).collect()
            }
            Request::ListTiers => json!(tiers()),
            Request::MakeSandbox { .. }
            | Request::ChangeSandbox { .. }
            | Request::DestroySandbox { .. } => {
                let sandbox = &self.model.sandboxes[&of];
                let mut shown = self.sandbox(of, sandbox);
                shown["config"] = json!({"vcpus": null, "memory_mb": sandbox.memory_mb});
                shown
            }
            Request::ListDirectory(page) => self.directory(page),
            Request::ShowDirectoryUser { .. } | Request::ChangeDirectoryUser { .. } => {
                let mut details = self.summary(of);
                details["name"] = json!(self.of(of).name);
                details["job_title"] = json!(self.of(of).job_title);
                details["profile_completed_at"] = Value::Null;
                json!({"status": "success", "details": details})
            }
            Request::ListInvites(page) => self.invites(page),
            Request::Invite { .. } | Request::RevokeInvite { .. } => {
                self.model.invites.get(&of)?;
                // Who revokes one is told for the last time whose it was.
                json!({"status": "success", "details": self.invite(of, &self.model.invites[&of].email)})
            }
            Request::ListTeam { limit } => {
                let users = self.by_number(|_, user| {
                    user.team == self.of(me).team && user.status != Status::Deleted
                });
                json!({"users": users.iter().take(*limit).map(|id| self.numbered(*id)).collect::<Vec<_>>()})
            }
            Request::ShowNumber { .. } => self.numbered(of),
            Request::MakeUser { .. } => {
                let mut body = self.numbered(of);
                let invited_as = self.ids.user(of);
                body["inviteLink"] =
                    json!(format!("http://localhost:3000/sign-up?invite={invited_as}"));
                body
            }
            Request::ChangeUser { role, .. } => {
                let mut body = self.numbered(of);
                if let (None, Some(fields)) = (role, body.as_object_mut()) {
                    fields.remove("rootRole");
                }
                body
            }
            Request::DeleteUser { .. } | Request::DeleteInactive { .. } => Value::Null,
            Request::Search { text } => {
                let begins = |value: &Option<String>| {
                    value.as_deref().is_some_and(|value| fold(value).starts_with(&fold(text)))
                };
                let contains = |value: &Option<String>| {
                    value.as_deref().is_some_and(|value| fold(value).contains(&fold(text)))
                };
                let found = self.by_number(|_, user| {
                    text.chars().count() > 1
                        && user.team == self.of(me).team
                        && user.status != Status::Deleted
                        && (contains(&user.name) || begins(&user.email) || begins(&user.username))
                });
                let shown = |id: &Id| {
                    let user = self.of(*id);
                    let body = json!({
                        "id": self.ids.number(*id), "name": user.name, "email": user.email, "username": user.username,
                        "seenAt": user.last_seen.map(time), "accountType": "User", "scimId": null, "seatType": null,
                        "companyRole": null, "productUpdatesEmailConsent": null,
                    });
                    without_nulls(body, &NULLS)
                };
                found.iter().map(shown).collect()
            }
            Request::CountAdmins => {
                let counts = |user: &&User| {
                    user.team == self.of(me).team
                        && user.role == Role::Admin
                        && user.status != Status::Deleted
                };
                json!({"password": 0, "noPassword": self.model.users.values().filter(counts).count(), "service": 0})
            }
            Request::ListInactive => {
                let inactive = self.by_number(|id, user| {
                    user.team == self.of(me).team && id != me && self.model.is_inactive(id)
                });
                let shown = |id: &Id| {
                    let user = self.of(*id);
                    let (seen, made) = (user.last_seen.map(time), time(user.created_at));
                    let body = json!({
                        "id": self.ids.number(*id), "name": user.name, "email": user.email, "username": user.username,
                        "seenAt": seen, "createdAt": made, "patSeenAt": null,
                    });
                    without_nulls(body, &["seenAt", "patSeenAt"])
                };
                json!({"version": 1, "inactiveUsers": inactive.iter().map(shown).collect::<Vec<_>>()})
            }
            Request::ListManaged { managed, shared, name } => {
                self.acquainted(me, *managed, *shared, *name)
            }
            Request::MakeManaged { .. }
            | Request::ShowManaged { .. }
            | Request::ChangeManaged { .. } => {
                let user = self.of(of);
                json!({
                    "id": self.ids.user(of), "first_name": user.first_name, "last_name": user.last_name, "admin": user.is_operator,
                    "registered_at": time(user.created_at), "display_name": self.shown_name(of), "is_managed": user.manager.is_some(),
                })
            }
            Request::DeleteManaged { .. } | Request::Unshare { .. } => Value::Null,
            Request::ListShares => {
                let mut given: Vec<_> =
                    self.model.shares.keys().filter(|(from, _)| *from == me).collect();
                given.sort_by_key(|(_, to)| self.ids.user(*to));
                given.into_iter().map(|(_, to)| self.share(me, *to)).collect()
            }
            Request::Share { with, .. } => self.share(me, *with),
            Request::ShowPrincipalToken => {
                let By::Delegated(token) = by else { return Some(self.token(3600, &OWN_SCOPES)) };
                let delegation = &self.model.delegations[&token];
                self.token(delegation.expires - self.model.now, &delegation.scopes)
            }
            Request::Delegate { .. } => self.token(3600, &self.model.delegations[&of].scopes),
            Request::ListWorkspace(page) => self.workspace(me, page),
            Request::ShowWorkspaceUser { .. } => self.worker(of),
            Request::Malformed(_) => return None,
        })
    }

    fn user(&self, id: Id) -> Value {
        let user = self.of(id);
        let suspended =
            |at| json!({"suspended_at": time(at), "suspended_reason": "as the model has it"});
        json!({
            "id": self.ids.user(id), "email": user.email, "tier": "free", "quota_tier_id": user.tier, "is_operator": user.is_operator,
            "created_at": time(user.created_at), "updated_at": time(user.updated_at), "name": user.name,
            "display_name": self.shown_name(id), "avatar_url": null, "email_verified_at": user.email_verified_at.map(time),
            "soft_deleted_at": user.soft_deleted_at.map(time), "delete_scheduled_at": user.due.map(time),
            "abuse_flags": user.suspended_at.map_or(json!({}), suspended),
        })
    }

    fn account(&self, id: Id) -> Value {
        let (team, team_id) = (self.team_of(id), self.of(id).team);
        let usage = |(day, usage): (&i64, &Usage)| {
            json!({
                "team_id": self.ids.team(team_id), "usage_date": date(*day), "sandbox_creates": usage.creates,
                "gb_hours": gb_hours(usage.mb_ms), "updated_at": time(usage.updated_at),
            })
        };
        json!({
            "user": self.user(id),
            "team": {
                "id": self.ids.team(team_id), "name": team.name, "owner_user_id": self.ids.user(team.owner), "quota_tier_id": team.tier,
                "created_at": time(team.created_at), "updated_at": time(team.updated_at), "soft_deleted_at": null,
            },
            "quota_tier": self.model.tier(team_id),
            "quota_usage": team.usage.iter().rev().take(30).map(usage).collect::<Vec<_>>(),
        })
    }

    fn detail(&self, id: Id) -> Value {
        let mut detail = self.account(id);
        detail["api_keys"] = self.keys(id);
        detail["sandboxes"] = self.own_sandboxes(id);
        detail
    }

    fn export(&self, id: Id) -> Value {
        let mut export = self.detail(id);
        for key in export["api_keys"].as_array_mut().expect("keys") {
            let fields = key.as_object_mut().expect("a key");
            let prefix = fields.remove("prefix").expect("a prefix");
            let owner = [
                ("user_id", json!(self.ids.user(id))),
                ("team_id", json!(self.ids.team(self.of(id).team))),
            ];
            fields.extend(
                owner
                    .into_iter()
                    .chain([("key_prefix", prefix)])
                    .map(|(name, value)| (name.to_owned(), value)),
            );
        }
        let mut managed: Vec<Id> = self
            .model
            .users
            .iter()
            .filter(|(_, user)| user.manager == Some(id))
            .map(|(id, _)| *id)
            .collect();
        managed.sort_by_key(|id| self.ids.user(*id));
        let shown = |id: &Id| {
            let user = self.of(*id);
            let body = json!({
                "id": self.ids.user(*id), "first_name": user.first_name, "last_name": user.last_name, "display_name": self.shown_name(*id),
            });
            without_nulls(body, &[])
        };
        export["managed_users"] = managed.iter().map(shown).collect();
        let shares = |side: fn(&(Id, Id)) -> (Id, Id)| {
            let mut shares: Vec<(Id, Id)> =
                self.model.shares.keys().copied().filter(|share| side(share).0 == id).collect();
            shares.sort_by_key(|share| self.ids.user(side(share).1));
            let shown = |(from, to): (Id, Id)| {
                let share = &self.model.shares[&(from, to)];
                json!({
                    "grantor_id": self.ids.user(from), "grantee_id": self.ids.user(to), "scopes": share.scopes,
                    "created_at": time(share.created_at),
                })
            };
            shares.into_iter().map(shown).collect::<Value>()
        };
        export["shares_given"] = shares(|share| *share);
        export["shares_received"] = shares(|(from, to)| (*to, *from));
        // With what was done before they signed up, under the id of then.
        let earlier = self.of(id).invited_as.map(|id| self.history(id)).unwrap_or_default();
        export["audit_log"] =
            self.history(id).into_iter().rev().chain(earlier.into_iter().rev()).collect();
        export
    }

    fn key(&self, id: Id) -> Value {
        let (key, (key_id, text)) = (&self.model.keys[&id], &self.ids.keys[&id]);
        json!({
            "id": key_id, "prefix": text[..12], "is_active": key.is_active, "name": key.name, "created_at": time(key.created_at),
            "last_used_at": key.last_used_at.map(time), "scope": if key.is_operator { "operator" } else { "user" },
            "permissions": key.permissions, "allowed_ips": [], "expires_at": time(key.expires_at),
            "revoked_at": key.revoked_at.map(time), "minted_by": key.minted_by.map(|id| self.ids.user(id)),
            "rotation_parent_key_id": key.parent.map(|parent| self.ids.keys[&parent].0),
        })
    }

    fn keys(&self, owner: Id) -> Value {
        let mut keys: Vec<Id> = self
            .model
            .keys
            .iter()
            .filter(|(_, key)| key.owner == owner && key.is_kept(self.model.now))
            .map(|(id, _)| *id)
            .collect();
        keys.sort_by_key(|id| self.ids.keys[id].0);
        keys.into_iter().map(|id| self.key(id)).collect()
    }

    /// A sandbox.
    pub fn sandbox(&self, id: Id, sandbox: &Sandbox) -> Value {
        json!({
            "id": self.ids.sandboxes[&id], "user_id": self.ids.user(sandbox.owner), "template": "model", "status": sandbox.status,
            "created_at": time(sandbox.created_at), "updated_at": time(sandbox.updated_at), "metadata": {},
            "started_at": sandbox.started_at.map(time), "destroyed_at": sandbox.destroyed_at.map(time), "cpu_count": null,
            "memory_mb": sandbox.memory_mb, "disk_mb": null, "timeout_ms": sandbox.timeout_ms,
        })
    }

    fn own_sandboxes(&self, owner: Id) -> Value {
        let mut own: Vec<_> =
            self.model.sandboxes.iter().filter(|(_, sandbox)| sandbox.owner == owner).collect();
        own.sort_by_key(|(id, _)| std::cmp::Reverse(&self.ids.sandboxes[*id]));
        own.into_iter().take(100).map(|(id, sandbox)| self.sandbox(*id, sandbox)).collect()
    }

    /// A user's history, oldest first.
    pub fn history(&self, id: Id) -> Vec<Value> {
        let entries = self.model.history.get(&id).into_iter().flatten();
        entries
            .map(|entry| json!({"actor_id": entry.actor.map(|actor| self.ids.user(actor)), "action": entry.action, "at": time(entry.at)}))
            .collect()
    }

    fn summary(&self, id: Id) -> Value {
        let user = self.of(id);
        let seen = |at: Option<i64>| {
            at.map(|at| json!({"at": at, "remote_ip": "127.0.0.1", "user_agent": ""}))
        };
        let status = match user.status {
            Status::Invited => "new",
            Status::Active | Status::Suspended => "extant",
            Status::Deleted => "deleted",
        };
        json!({
            "account_id": self.ids.team(user.team), "claims": {}, "first_seen": seen(user.first_seen), "id": self.ids.user(id),
            "last_seen": seen(user.last_seen), "status": status, "title": self.title(id), "type": "admin_user",
        })
    }

    fn directory(&self, page: &DirectoryPage) -> Value {
        let mut users = self.members(page.team);
        users.sort_by_cached_key(|id| {
            let user = self.of(*id);
            let value = match page.field {
                "last_seen" => user.last_seen.map(time).unwrap_or_default(),
                "status" => match user.status {
                    Status::Deleted => "0".to_owned(),
                    Status::Active | Status::Suspended => "1".to_owned(),
                    Status::Invited => "2".to_owned(),
                },
                "title" => fold(&self.title(*id)),
                _ => String::new(),
            };
            (value, self.ids.user(*id))
        });
        self.directory_page(page, users, |id| self.summary(id))
    }

    fn invite(&self, id: Id, email: &str) -> Value {
        let invite = &self.model.invites[&id];
        let title = if email.is_empty() { "revoked" } else { email };
        json!({
            "account_id": self.ids.team(invite.team), "created_at": invite.created_at, "email": email, "id": self.ids.invites[&id],
            "status": invite.status, "title": title, "type": "admin_user_invite", "updated_at": invite.updated_at,
        })
    }

    fn invites(&self, page: &DirectoryPage) -> Value {
        let mut invites: Vec<Id> = self
            .model
            .invites
            .iter()
            .filter(|(_, invite)| invite.team == page.team)
            .map(|(id, _)| *id)
            .collect();
        invites.sort_by_cached_key(|id| {
            let invite = &self.model.invites[id];
            let value = match page.field {
                "status" => invite.status.as_str().to_owned(),
                "title" => fold(invite.stored_email()),
                _ => String::new(),
            };
            (value, self.ids.invites[id])
        });
        self.directory_page(page, invites, |id| {
            self.invite(id, self.model.invites[&id].stored_email())
        })
    }

    fn directory_page(
        &self,
        page: &DirectoryPage,
        mut all: Vec<Id>,
        shown: impl Fn(Id) -> Value,
    ) -> Value {
        if page.descending {
            all.reverse();
        }
        let (count, offset, size) = (all.len(), page.offset, page.size);
        let shown: Vec<Value> = all.into_iter().skip(offset).take(size).map(shown).collect();
        let next = Some(offset + size).filter(|next| *next < count);
        let previous =
            Some(offset).filter(|offset| *offset > 0).map(|offset| offset.saturating_sub(size));
        json!({
            "status": "success",
            "pagination": {
                "item_count": count,
                "item_start": if shown.is_empty() { 0 } else { offset + 1 },
                "item_end": if shown.is_empty() { 0 } else { offset + shown.len() },
                "page_count": count.div_ceil(size),
                "page_index": offset / size + 1,
                "page_offset": offset,
                "page_size": size,
                "next_page_offset": next,
                "previous_page_offset": previous,
            },
            "sorting": {"field": page.field, "direction": if page.descending { "desc" } else { "asc" }},
            "summaries": shown,
        })
    }

    fn by_number(&self, which: impl Fn(Id, &User) -> bool) -> Vec<Id> {
        let mut users: Vec<Id> = self
            .model
            .users
            .iter()
            .filter(|(id, user)| which(**id, user))
            .map(|(id, _)| *id)
            .collect();
        users.sort_by_key(|id| self.ids.number(*id));
        users
    }

    fn numbered(&self, id: Id) -> Value {
        let user = self.of(id);
        let role = match user.role {
            Role::Admin => 1,
            Role::Operator => 2,
            Role::Viewer => 3,
        };
        let body = json!({
            "id": self.ids.number(id), "name": user.name, "email": user.email, "username": user.username,
            "loginAttempts": 0, "rootRole": role, "seenAt": user.last_seen.map(time), "createdAt": time(user.created_at),
            "accountType": "User", "scimId": null, "seatType": null, "companyRole": null, "productUpdatesEmailConsent": null,
        });
        without_nulls(body, &NULLS)
    }

    fn acquainted(&self, me: Id, managed: bool, shared: bool, name: Option<&str>) -> Value {
        let in_order = |mut users: Vec<Id>| {
            users.sort_by_cached_key(|id| (fold(&self.shown_name(*id)), self.ids.user(*id)));
            users
        };
        let users = &self.model.users;
        let of_me =
            users.iter().filter(|(_, user)| managed && user.manager == Some(me)).map(|(id, _)| *id);
        let grantors =
            self.model.shares.keys().filter(|(_, to)| shared && *to == me).map(|(from, _)| *from);
        let grantors =
            grantors.filter(|from| users[from].is_usable() && users[from].manager != Some(me));
        let all = std::iter::once(me)
            .chain(in_order(of_me.collect()))
            .chain(in_order(grantors.collect()));
        let named = all
            .filter(|id| name.is_none_or(|name| fold(&self.shown_name(*id)).contains(&fold(name))));
        let shown = |id: Id| {
            let user = self.of(id);
            let scopes = if id == me {
                OWN_SCOPES.to_vec()
            } else {
                self.model.granted(id, me).unwrap_or_default()
            };
            json!({
                "id": self.ids.user(id), "first_name": user.first_name, "last_name": user.last_name, "scopes": scopes,
                "display_name": self.shown_name(id), "is_managed": user.manager.is_some(),
            })
        };
        named.map(shown).collect()
    }

    fn share(&self, from: Id, to: Id) -> Value {
        let share = &self.model.shares[&(from, to)];
        json!({"user_id": self.ids.user(to), "scopes": share.scopes, "created_at": time(share.created_at)})
    }

    fn token(&self, seconds: i64, scopes: &[&str]) -> Value {
        json!({"token_type": "Bearer", "expires_in": seconds, "refresh_token": null, "scope": scopes.join(" "), "id_token": null})
    }

    fn worker(&self, id: Id) -> Value {
        let user = self.of(id);
        let role = user.role.as_str().to_uppercase();
        let status = match user.status {
            Status::Invited => "PENDING_REGISTRATION",
            Status::Active => "ACTIVE",
            Status::Suspended => "ACCESS_SUSPENDED",
            Status::Deleted => "REVOKED",
        };
        json!({
            "id": self.ids.user(id), "legacyId": self.ids.number(id), "legacyViewAll": false, "workspaceName": self.team_of(id).name,
            "name": self.full_name(id), "deviceUserId": null, "deviceType": "API", "role": role, "pubKey": "", "status": status,
            "isSuspended": user.status == Status::Suspended, "createdAt": time(user.created_at), "updatedAt": time(user.updated_at),
        })
    }

    fn workspace(&self, me: Id, page: &WorkspacePage) -> Value {
        let seen =
            if self.of(me).role == Role::Admin { self.members(self.of(me).team) } else { vec![me] };
        let admits = |id: &Id| {
            let user = self.of(*id);
            page.role.is_none_or(|role| role == user.role)
                && page.status.is_none_or(|status| status == user.status)
                && page.ids.as_ref().is_none_or(|ids| ids.contains(id))
        };
        let mut users: Vec<Id> = seen.into_iter().filter(admits).collect();
        users.sort_by_cached_key(|id| {
            let user = self.of(*id);
            let value = match page.field {
                "name" => fold(&self.full_name(*id)),
                "role" => user.role.as_str().to_owned(),
                "status" => match user.status {
                    Status::Suspended => "0".to_owned(),
                    Status::Active => "1".to_owned(),
                    Status::Invited => "2".to_owned(),
                    Status::Deleted => "3".to_owned(),
                },
                "updatedAt" => time(user.updated_at),
                _ => time(user.created_at),
            };
            (value, self.ids.user(*id))
        });
        if page.descending {
            users.reverse();
        }
        let (total, offset) = (users.len(), (page.page - 1) * page.size);
        json!({
            "page": page.page,
            "next": Some(page.page + 1).filter(|_| offset + page.size < total),
            "prev": Some(page.page - 1).filter(|prev| *prev > 0),
            "pageSize": page.size,
            "total": total,
            "results": users.into_iter().skip(offset).take(page.size).map(|id| self.worker(id)).collect::<Vec<_>>(),
        })
    }
}

/// An object without what is null, but for these.
/// The fields of user-admin that are there without a value too.
const NULLS: [&str; 5] =
    ["seenAt", "scimId", "seatType", "companyRole", "productUpdatesEmailConsent"];

fn without_nulls(body: Value, but: &[&str]) -> Value {
    let Value::Object(fields) = body else { return body };
    Value::Object(
        fields
            .into_iter()
            .filter(|(name, value)| !value.is_null() || but.contains(&name.as_str()))
            .collect::<Map<_, _>>(),
    )
}
