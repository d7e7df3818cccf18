//! What to try at each endpoint. A handler without a case here fails the tests.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Roster;

/// Whom a probe is aimed at.
#[derive(Debug, Clone)]
pub struct Target {
    /// A user.
    pub user: Uuid,
    /// The number of a user in their team.
    pub number: u64,
    /// A team.
    pub team: Uuid,
    /// An API key of someone else.
    pub key: Uuid,
    /// A sandbox of someone else.
    pub sandbox: String,
    /// An invite into someone else's team.
    pub invite: Uuid,
}

/// What a probe may rightly do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing at all.
    None,
    /// It changes something of the caller's own.
    Writes,
    /// It ends the caller's account.
    EndsCaller,
    /// It lets the target in: the one request that may tell that a user of another tenant exists,
    /// and put an item beside theirs. Sharing across tenants is its purpose, and ids of users are
    /// not to be guessed.
    LetsIn,
}

/// A request with places for a target: `{user}`, `{number}`, `{team}`, `{key}`, `{sandbox}`,
/// `{invite}`; and `{new}`, which is another name each time.
#[derive(Debug, Clone)]
pub struct Probe {
    /// The method.
    pub method: Method,
    path: &'static str,
    body: Value,
    /// What it may rightly do.
    pub effect: Effect,
}

fn probe(method: Method, path: &'static str) -> Probe {
    Probe { method, path, body: Value::Null, effect: Effect::None }
}

impl Probe {
    fn with(self, body: Value) -> Self {
        Self { body, ..self }
    }

    fn writing(self) -> Self {
        Self { effect: Effect::Writes, ..self }
    }

    /// The path and query for that target.
    pub fn path(&self, target: &Target) -> String {
        fill(self.path, target)
    }

    /// The JSON body for that target; empty for none.
    pub fn body(&self, target: &Target) -> String {
        // Numbers go as numbers.
        let template = self.body.to_string().replace("\"{number}\"", "{number}");
        if self.body.is_null() { String::new() } else { fill(&template, target) }
    }

    /// The request for that target.
    pub fn request(&self, roster: &Roster, target: &Target) -> RequestBuilder {
        let request = roster.request(self.method.clone(), &self.path(target));
        let body = self.body(target);
        if body.is_empty() {
            request
        } else {
            request.header("content-type", "application/json").body(body)
        }
    }

    /// The texts that it sends of a target, as a refusal may repeat them; the number in quotes.
    pub fn sent(&self, target: &Target) -> Vec<String> {
        let template = format!("{} {}", self.path, self.body);
        let places = [
            ("{user}", target.user.to_string()),
            ("{number}", format!("\\\"{}\\\"", target.number)),
            ("{team}", target.team.to_string()),
            ("{key}", target.key.to_string()),
            ("{sandbox}", target.sandbox.clone()),
            ("{invite}", target.invite.to_string()),
        ];
        places
            .into_iter()
            .filter(|(place, _)| template.contains(place))
            .map(|(_, text)| text)
            .collect()
    }

    /// The path up to where the target stands in it, if it does, and what comes after.
    pub fn around_target(&self) -> Option<(&'static str, &'static str)> {
        let path = self.path.split('?').next().unwrap_or_default();
        let (before, rest) = path.split_once('{')?;
        Some((before, rest.split_once('}')?.1))
    }

    /// The path and query with the places.
    pub fn template(&self) -> &'static str {
        self.path
    }

    /// The path without its query.
    pub fn bare_path(&self) -> &'static str {
        self.path.split('?').next().unwrap_or_default()
    }
}

fn fill(template: &str, target: &Target) -> String {
    template
        .replace("{user}", &target.user.to_string())
        .replace("{number}", &target.number.to_string())
        .replace("{team}", &target.team.to_string())
        .replace("{key}", &target.key.to_string())
        .replace("{sandbox}", &target.sandbox)
        .replace("{invite}", &target.invite.to_string())
        .replace("{new}", &format!("eve-{}", Uuid::new_v4().simple()))
}

/// What to try at the handler of that name.
fn cases(handler: &str) -> Option<Vec<Probe>> {
    let get = |path| probe(Method::GET, path);
    let names = json!({"first_name": "Eve", "last_name": "Sharp"});
    // What a caller may try to slip in beside the fields that an endpoint takes.
    let smuggled = json!({
        "first_name": "Eve", "last_name": null, "display_name": "Eve", "id": "{user}", "user_id": "{user}", "sub": "{user}",
        "manager_id": "{user}", "team_id": "{team}", "team": {"id": "{team}"}, "account_id": "{team}", "number": "{number}",
        "role": "admin", "is_operator": true, "admin": true, "view_all": true, "email": "eve@example.com",
    });
    Some(match handler {
        "operator_account.list_users" => {
            vec![get("/v1/admin/users"), get("/v1/admin/users?query={user}"), get("/v1/admin/users?query=a&limit=5&cursor=x")]
        }
        "operator_account.get_user" => vec![get("/v1/admin/users/{user}")],
        "operator_account.update_user_quota" => {
            vec![probe(Method::PATCH, "/v1/admin/users/{user}/quota").with(json!({"quota_tier_id": "enterprise"}))]
        }
        "operator_account.create_user_key" => vec![
            probe(Method::POST, "/v1/admin/users/{user}/keys").with(json!({"name": "mine"})),
            probe(Method::POST, "/v1/admin/users/{user}/keys"),
        ],
        "operator_account.suspend_user" => vec![probe(Method::POST, "/v1/admin/users/{user}/suspend").with(json!({"reason": "mine"}))],
        "operator_account.unsuspend_user" => vec![probe(Method::POST, "/v1/admin/users/{user}/unsuspend")],
        "operator_account.restore_user" => vec![probe(Method::POST, "/v1/admin/users/{user}/restore")],
        "operator_account.delete_user" => vec![
            probe(Method::DELETE, "/v1/admin/users/{user}"),
            probe(Method::DELETE, "/v1/admin/users/{user}").with(json!({"reason": "mine"})),
        ],
        "operator_account.get_audit_log" => {
            vec![get("/v1/admin/users/{user}/audit-log"), get("/v1/admin/users/{user}/audit-log?limit=5&cursor=x")]
        }
        "operator_account.list_quota_tiers" => vec![get("/v1/admin/quota-tiers")],
        "operator_account.list_keys" => vec![get("/v1/keys"), get("/v1/keys?user_id={user}&team_id={team}")],
        "operator_account.create_key" => vec![
            probe(Method::POST, "/v1/keys")
                .with(json!({"name": "mine", "scope": "user", "user_id": "{user}", "id": "{key}", "owner": "{user}"}))
                .writing(),
        ],
        "operator_account.create_default_key" => vec![probe(Method::POST, "/v1/keys/default").with(json!({"user_id": "{user}"})).writing()],
        "operator_account.rotate_key" => vec![
            probe(Method::POST, "/v1/keys/{key}/rotate"),
            probe(Method::POST, "/v1/keys/{key}/rotate").with(json!({"overlap_seconds": 0, "user_id": "{user}"})),
        ],
        "operator_account.revoke_key" => {
            vec![probe(Method::DELETE, "/v1/keys/{key}"), probe(Method::DELETE, "/v1/keys/{key}?user_id={user}")]
        }
        "operator_account.create_account" => {
            vec![probe(Method::POST, "/v1/account").with(smuggled), probe(Method::POST, "/v1/account?user_id={user}&team_id={team}")]
        }
        "operator_account.get_me" => vec![get("/v1/account/me"), get("/v1/account/me?user_id={user}&id={user}&team_id={team}")],
        "operator_account.update_me" => vec![
            probe(Method::PATCH, "/v1/account/me").with(smuggled).writing(),
            probe(Method::PATCH, "/v1/account/me?user_id={user}").with(json!({"display_name": "Eve", "avatar_url": null})).writing(),
        ],
        "operator_account.export_account" => {
            vec![get("/v1/account/export"), get("/v1/account/export?user_id={user}&id={user}&team_id={team}")]
        }
        "operator_account.delete_account" => vec![Probe {
            effect: Effect::EndsCaller,
            ..probe(Method::DELETE, "/v1/account?user_id={user}&id={user}").with(json!({"user_id": "{user}", "id": "{user}"}))
        }],
        "operator_account.restore_account" => vec![
            probe(Method::POST, "/v1/account/restore"),
            probe(Method::POST, "/v1/account/restore?user_id={user}").with(json!({"user_id": "{user}", "id": "{user}"})),
        ],
        "operator_account.sign_out_everywhere" => vec![
            probe(Method::POST, "/v1/account/sign-out-everywhere").writing(),
            probe(Method::POST, "/v1/account/sign-out-everywhere?user_id={user}")
                .with(json!({"user_id": "{user}", "id": "{user}"}))
                .writing(),
        ],
        "operator_account.sign_out_user_everywhere" => {
            vec![probe(Method::POST, "/v1/admin/users/{user}/sign-out-everywhere").with(json!({"reason": "mine"}))]
        }
        "operator_account.create_sandbox" => vec![
            probe(Method::POST, "/v1/sandboxes")
                .with(json!({"template": "base", "user_id": "{user}", "team_id": "{team}", "id": "{sandbox}", "status": "running"}))
                .writing(),
        ],
        "operator_account.list_sandboxes" => vec![
            get("/v1/sandboxes"),
            get("/v1/sandboxes?user_id={user}&team_id={team}&state=running,destroyed"),
            get("/v1/sandboxes?next_token={user}"),
        ],
        "operator_account.get_sandbox" => {
            vec![get("/v1/sandboxes/{sandbox}"), get("/v1/sandboxes/{sandbox}?user_id={user}&fields=id,user_id")]
        }
        "operator_account.update_sandbox" => vec![
            probe(Method::PATCH, "/v1/sandboxes/{sandbox}").with(json!({"status": "paused", "metadata": {"of": "mine"}})),
            probe(Method::PATCH, "/v1/sandboxes/{sandbox}?user_id={user}").with(json!({"status": "running", "user_id": "{user}"})),
        ],
        "operator_account.report_running_time" => {
            let path = "/v1/admin/users/{user}/sandboxes/{sandbox}/running-time";
            vec![probe(Method::PUT, path).with(json!({"ran_ms": 1000, "running": false}))]
        }
        "operator_account.destroy_sandbox" => {
            vec![probe(Method::DELETE, "/v1/sandboxes/{sandbox}"), probe(Method::DELETE, "/v1/sandboxes/{sandbox}?user_id={user}")]
        }
        "directory.get_admin_user" => vec![get("/api/v1/admin_user/{user}"), get("/api/v1/admin_user/{user}?account_id={team}")],
        "directory.update_admin_user" => vec![
            probe(Method::PUT, "/api/v1/admin_user/{user}").with(json!({"details": {"name": "Eve", "job_title": null}})),
            probe(Method::PUT, "/api/v1/admin_user/{user}").with(json!({"details": smuggled})),
            probe(Method::PUT, "/api/v1/admin_user/{user}").with(json!({"details": {"name": 1}})),
        ],
        "directory.list_invites" => vec![
            get("/api/v1/admin_user_invite?account_id={team}"),
            get("/api/v1/admin_user_invite?account_id={team}&sorting=-title&pagination[page_size]=100"),
            get("/api/v1/admin_user_invite?account_id={user}"),
        ],
        "directory.create_invite" => vec![
            probe(Method::POST, "/api/v1/admin_user_invite")
                .with(json!({"details": {"email": "{new}@example.com", "account_id": "{team}"}})),
            probe(Method::POST, "/api/v1/admin_user_invite?account_id={team}").with(json!({"details": {"email": "{new}@example.com"}})),
        ],
        "directory.revoke_invite" => vec![
            probe(Method::POST, "/api/v1/admin_user_invite/{invite}/revoke"),
            probe(Method::POST, "/api/v1/admin_user_invite/{invite}/revoke?account_id={team}").with(json!({"account_id": "{team}"})),
            probe(Method::POST, "/api/v1/admin_user_invite/{user}/revoke"),
        ],
        "directory.list_admin_users" => vec![
            get("/api/v1/admin_user?account_id={team}"),
            get("/api/v1/admin_user?account_id={team}&sorting=-last_seen&pagination[page_size]=100"),
            get("/api/v1/admin_user?account_id={team}&pagination[offset]=5"),
            get("/api/v1/admin_user?account_id={team}&account_id={team}"),
            get("/api/v1/admin_user?account_id={user}"),
        ],
        "user_admin.get_user" => vec![get("/api/admin/user-admin/{number}"), get("/api/admin/user-admin/{user}")],
        "user_admin.list_users" => vec![
            get("/api/admin/user-admin"),
            get("/api/admin/user-admin?team_id={team}&limit=100"),
            get("/api/admin/user-admin?limit=1&cursor={number}"),
        ],
        "user_admin.create_user" => vec![
            probe(Method::POST, "/api/admin/user-admin")
                .with(json!({
                    "email": "{new}@example.com", "name": "Eve", "rootRole": 1, "password": "{user}", "sendEmail": true,
                }))
                .writing(),
            probe(Method::POST, "/api/admin/user-admin").with(json!({
                "email": "{new}@example.com", "rootRole": 3, "id": "{number}", "user_id": "{user}", "team_id": "{team}",
                "is_operator": true, "manager_id": "{user}",
            })),
            probe(Method::POST, "/api/admin/user-admin?team_id={team}")
                .with(json!({"email": "{new}@example.com", "rootRole": 3}))
                .writing(),
        ],
        "user_admin.update_user" => vec![
            probe(Method::PUT, "/api/admin/user-admin/{number}").with(json!({"name": "Eve", "email": "{new}@example.com", "rootRole": 3})),
            probe(Method::PUT, "/api/admin/user-admin/{number}").with(json!({"rootRole": 3, "team_id": "{team}"})),
            probe(Method::PUT, "/api/admin/user-admin/{user}").with(json!({"rootRole": 3})),
        ],
        "user_admin.delete_user" => {
            vec![probe(Method::DELETE, "/api/admin/user-admin/{number}"), probe(Method::DELETE, "/api/admin/user-admin/{user}")]
        }
        "user_admin.search_users" => vec![
            get("/api/admin/user-admin/search?q={user}"),
            get("/api/admin/user-admin/search?q=no{number}&team_id={team}"),
            get("/api/admin/user-admin/search?q={team}"),
        ],
        "user_admin.get_admin_count" => {
            vec![get("/api/admin/user-admin/admin-count"), get("/api/admin/user-admin/admin-count?team_id={team}")]
        }
        "user_admin.list_inactive_users" => {
            vec![get("/api/admin/user-admin/inactive"), get("/api/admin/user-admin/inactive?team_id={team}")]
        }
        "user_admin.delete_inactive_users" => vec![
            probe(Method::POST, "/api/admin/user-admin/inactive/delete").with(json!({"ids": ["{number}"]})),
            probe(Method::POST, "/api/admin/user-admin/inactive/delete?team_id={team}").with(json!({"ids": ["{number}"]})),
            probe(Method::POST, "/api/admin/user-admin/inactive/delete").with(json!({"ids": ["{number}"], "team_id": "{team}"})),
            probe(Method::POST, "/api/admin/user-admin/inactive/delete").with(json!({"ids": ["{user}"]})),
        ],
        "managed_users.list_shares" => vec![get("/api/v1/users/shares"), get("/api/v1/users/shares?user_id={user}&grantor_id={user}")],
        "managed_users.share" => vec![
            Probe {
                effect: Effect::LetsIn,
                ..probe(Method::PUT, "/api/v1/users/shares/{user}")
                    .with(json!({"scopes": ["data:read"], "grantor_id": "{user}", "grantee_id": "{user}", "user_id": "{user}"}))
            },
            probe(Method::PUT, "/api/v1/users/shares/{user}").with(json!({"scopes": ["admin"]})),
            probe(Method::PUT, "/api/v1/users/shares/{user}").with(json!({"scopes": []})),
            probe(Method::PUT, "/api/v1/users/shares/{team}").with(json!({"scopes": ["data:read"]})),
        ],
        "managed_users.unshare" => {
            vec![
                probe(Method::DELETE, "/api/v1/users/shares/{user}"),
                probe(Method::DELETE, "/api/v1/users/shares/{user}?grantor_id={user}"),
            ]
        }
        "managed_users.create_delegated_token" => vec![
            probe(Method::POST, "/api/v1/oauth/delegated-token").with(json!({"sub": "{user}"})),
            probe(Method::POST, "/api/v1/oauth/delegated-token")
                .with(json!({"sub": "{user}", "scopes": ["profile"], "team_id": "{team}", "act": {"sub": "{user}"}})),
            probe(Method::POST, "/api/v1/oauth/delegated-token?sub={user}").with(json!({"sub": "{team}"})),
        ],
        "managed_users.list_users" => vec![
            get("/api/v1/users/"),
            get("/api/v1/users"),
            get("/api/v1/users/?user_id={user}&manager_id={user}&name={user}"),
            get("/api/v1/users/{user}/shares"),
        ],
        "managed_users.create_user" => vec![
            probe(Method::POST, "/api/v1/users/").with(smuggled).writing(),
            probe(Method::POST, "/api/v1/users").with(json!({"first_name": "Eve", "last_name": "Sharp"})).writing(),
            probe(Method::POST, "/api/v1/users/{user}").with(names),
        ],
        "managed_users.get_user" => vec![get("/api/v1/users/{user}")],
        "managed_users.update_user" => vec![
            probe(Method::PUT, "/api/v1/users/{user}").with(names),
            probe(Method::PUT, "/api/v1/users/{user}").with(smuggled),
            probe(Method::PUT, "/api/v1/users/{user}").with(json!({"first_name": 1})),
            probe(Method::PUT, "/api/v1/users/{user}"),
        ],
        "managed_users.delete_user" => vec![probe(Method::DELETE, "/api/v1/users/{user}")],
        "managed_users.get_principal_token" => {
            vec![get("/api/v1/oauth/principal-token"), get("/api/v1/oauth/principal-token?sub={user}&user_id={user}")]
        }
        "managed_users.get_userinfo" => {
            vec![get("/api/v1/oauth/userinfo"), get("/api/v1/oauth/userinfo?sub={user}&user_id={user}")]
        }
        "workspace.list_users" => {
            vec![get("/users?ids={user}"), get("/users?ids={user}&ids={team}&status=ACTIVE"), get("/users?teamId={team}")]
        }
        "workspace.get_user" => vec![get("/users/{user}")],
        "platform.get_health" => vec![get("/health"), get("/health?user_id={user}")],
        "platform.get_openapi" => vec![get("/openapi.json"), get("/openapi.json?user_id={user}")],
        "platform.unmatched" => vec![
            get("/"),
            get("/users/{user}/"),
            get("/v1/admin/users/{user}/nothing"),
            probe(Method::PATCH, "/users/{user}").with(json!({"role": "ADMIN"})),
            probe(Method::DELETE, "/users/{user}"),
            probe(Method::PUT, "/api/v1/users/"),
        ],
        _ => return None,
    })
}

/// What to try at the handler of that name; nothing where there is no case for it, which a test of
/// its own tells.
pub fn probes(handler: &str) -> Vec<Probe> {
    cases(handler).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use functions::HANDLERS;

    use super::*;

    #[test]
    fn every_handler_has_a_case() {
        let missing: Vec<_> = HANDLERS
            .iter()
            .map(|handler| handler.name)
            .filter(|name| cases(name).is_none())
            .collect();
        assert!(missing.is_empty(), "say in {} what to try at {missing:?}", file!());
    }
}
