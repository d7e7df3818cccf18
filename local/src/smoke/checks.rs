//! The checks, in their order. A check that needs what a former one made is skipped if that one
//! failed.

use std::time::Duration;

use futures::future::BoxFuture;
use reqwest::Method;
use reqwest::header::{
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderName, IF_MATCH,
    IF_NONE_MATCH, ORIGIN,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::session::{Key, Outcome, Person, Problem, Reply, Session};

/// A check: it makes requests, and ends with the first thing that is wrong.
pub struct Check {
    /// The name, in the report.
    pub name: &'static str,
    /// The check itself.
    pub run: for<'a> fn(&'a mut Session) -> BoxFuture<'a, Outcome>,
}

macro_rules! checks {
    ($($name:literal: $run:ident,)+) => {
        /// All checks.
        pub const CHECKS: &[Check] = &[$(Check { name: $name, run: |session| Box::pin($run(session)) },)+];
    };
}

checks! {
    "platform: the service reaches its table": health,
    "platform: the description is served": description,
    "platform: a request without a credential": no_credential,
    "account: sign up": sign_up,
    "account: the account": account,
    "workspace: the caller": own_user,
    "workspace: the list, counted by the stream": workspace_list,
    "account: staff endpoints are for staff": quota_tiers,
    "keys: make one": make_key,
    "keys: the list has it": list_keys,
    "keys: it works": use_key,
    "keys: revoke it": revoke_key,
    "keys: it works no more": use_revoked_key,
    "managed users: make one": make_managed_user,
    "managed users: the list, with a trailing slash": managed_users_with_slash,
    "managed users: the list, without it": managed_users_without_slash,
    "managed users: a delegated token": delegated_token,
    "managed users: change one": change_managed_user,
    "managed users: a change of an old version": change_old_version,
    "managed users: delete them for good": delete_managed_user,
    "managed users: they are gone": managed_user_is_gone,
    "managed users: the caller's own token": principal_token,
    "user-admin: the list": user_admin_list,
    "user-admin: what has not changed": not_modified,
    "directory: the list": directory_list,
    "directory: invite someone": invite,
    "directory: the list of invites has it": list_invites,
    "directory: revoke the invite": revoke_invite,
    "account: an unknown path": unknown_account_path,
    "directory: an unknown path": unknown_directory_path,
    "user-admin: an unknown path": unknown_user_admin_path,
    "managed users: an unknown path": unknown_managed_users_path,
    "workspace: an unknown path": unknown_workspace_path,
    "CORS: a preflight": preflight,
    "CORS: pages may read a response": exposed_response,
    "CORS: another origin": other_origin,
}

/// The last check, once everything else is removed.
pub const LAST: Check = Check {
    name: "account: delete the account that was made",
    run: |session| Box::pin(delete_account(session)),
};

/// The time that a list may take to show what was written: the stream and the indexes follow it.
const LAG: Duration = Duration::from_secs(20);

async fn health(session: &mut Session) -> Outcome {
    let reply = session.anonymous(Method::GET, "/health").expect(&[200]).await?;
    reply.has("/status", &json!("ok"))
}

async fn description(session: &mut Session) -> Outcome {
    let reply = session.anonymous(Method::GET, "/openapi.json").expect(&[200]).await?;
    let version = reply.text_at("/openapi")?;
    if version.starts_with("3.") {
        Ok(())
    } else {
        Err(Problem::failed(format!("it is of version {version}")))
    }
}

async fn no_credential(session: &mut Session) -> Outcome {
    let reply = session.anonymous(Method::GET, "/v1/account/me").expect(&[401]).await?;
    reply.has("/code", &json!("unauthorized"))
}

async fn sign_up(session: &mut Session) -> Outcome {
    let signed_up = session.by_token(Method::POST, "/v1/account").expect(&[200, 201, 403]).await?;
    session.expects("200/201");
    let was_deleted = signed_up.status == 403 && signed_up.text_at("/code")? == "account_deleted";
    let reply = match signed_up.status {
        // Of a run before this one, or of the person themselves: they are taken back, and deleted
        // again.
        403 if was_deleted => {
            session.by_token(Method::POST, "/v1/account/restore").expect(&[200]).await?
        }
        403 => return Err(Problem::failed(signed_up.text_at("/error")?)),
        _ => signed_up,
    };
    let is_new = was_deleted || reply.status == 201;
    session.made.account = is_new;
    session.person = Some(Person {
        id: reply.text_at("/user/id")?,
        team_id: reply.text_at("/team/id")?,
        is_new,
        is_operator: reply.json()?["user"]["is_operator"] == true,
        ..Person::default()
    });
    Ok(())
}

async fn account(session: &mut Session) -> Outcome {
    let id = session.person()?.id.clone();
    let reply = session.by_person(Method::GET, "/v1/account/me")?.expect(&[200]).await?;
    reply.required_header("etag")?;
    reply.has("/user/id", &json!(id))
}

async fn own_user(session: &mut Session) -> Outcome {
    let id = session.person()?.id.clone();
    let reply = session.by_person(Method::GET, "/users/me")?.expect(&[200]).await?;
    reply.has("/id", &json!(id))?;
    let (role, number) = (reply.text_at("/role")?, reply.json()?["legacyId"].as_u64());
    if let Some(person) = &mut session.person {
        (person.role, person.number) = (role, number);
    }
    Ok(())
}

async fn workspace_list(session: &mut Session) -> Outcome {
    session.person()?;
    let shows_someone = |reply: &Reply| {
        let (list, total) = (reply.list_at("/results")?, reply.json()?["total"].as_u64());
        if total.is_none_or(|total| total == 0) || list.is_empty() {
            return Err(Problem::failed("the list shows nobody"));
        }
        Ok(())
    };
    in_time(session, "/users?pageSize=10&sortBy=name", &shows_someone).await
}

async fn quota_tiers(session: &mut Session) -> Outcome {
    let status = if session.person()?.is_operator { 200 } else { 403 };
    session.by_person(Method::GET, "/v1/admin/quota-tiers")?.expect(&[status]).await.map(drop)
}

async fn make_key(session: &mut Session) -> Outcome {
    let body = json!({"name": "smoke", "permissions": ["members:read"]});
    let reply = session.by_person(Method::POST, "/v1/keys")?.json(&body).expect(&[201]).await?;
    let key = Key { id: reply.text_at("/id")?, text: reply.text_at("/key")? };
    session.hide(&key.text);
    session.made.key = Some(key);
    Ok(())
}

fn key(session: &Session) -> Outcome<Key> {
    session.made.key.clone().ok_or_else(|| Problem::skipped("not tried: no key was made"))
}

async fn list_keys(session: &mut Session) -> Outcome {
    let key = key(session)?;
    let reply = session.by_person(Method::GET, "/v1/keys")?.expect(&[200]).await?;
    contains(&reply.list_at("")?, &key.id)?;
    if reply.text().contains(&key.text) {
        Err(Problem::failed("the list shows the key itself"))
    } else {
        Ok(())
    }
}

async fn use_key(session: &mut Session) -> Outcome {
    let (key, id) = (key(session)?, session.person()?.id.clone());
    let reply =
        session.anonymous(Method::GET, "/users/me").bearer(&key.text).expect(&[200]).await?;
    reply.has("/id", &json!(id))
}

async fn revoke_key(session: &mut Session) -> Outcome {
    let path = format!("/v1/keys/{}", key(session)?.id);
    session.by_person(Method::DELETE, &path)?.expect(&[200]).await?;
    session.notes.push("a revoked API key named smoke");
    Ok(())
}

async fn use_revoked_key(session: &mut Session) -> Outcome {
    let key = key(session)?;
    session.anonymous(Method::GET, "/users/me").bearer(&key.text).expect(&[401]).await?;
    session.made.key = None;
    Ok(())
}

async fn make_managed_user(session: &mut Session) -> Outcome {
    session.manager()?;
    let (body, name) =
        (json!({"first_name": "Smoke", "last_name": null}), Uuid::new_v4().to_string());
    let mut first: Option<Reply> = None;
    // Sent twice, as by a client that missed the first response.
    for _ in 0..2 {
        let call = session.by_person(Method::POST, "/api/v1/users/")?;
        let key = HeaderName::from_static("idempotency-key");
        let reply = call.header(key, &name).json(&body).expect(&[200]).await?;
        let Some(first) = &first else {
            session.made.managed_users.push(reply.text_at("/id")?);
            first = Some(reply);
            continue;
        };
        if reply.text() != first.text() || reply.header("idempotency-replayed") != Some("true") {
            let made = &mut session.made.managed_users;
            made.extend(
                reply
                    .text_at("/id")
                    .ok()
                    .filter(|id| !made.contains(id))
                    .into_iter()
                    .collect::<Vec<_>>(),
            );
            return Err(Problem::failed("the same request again was not given its first response"));
        }
    }
    Ok(())
}

fn managed_user(session: &Session) -> Outcome<String> {
    session
        .made
        .managed_users
        .first()
        .cloned()
        .ok_or_else(|| Problem::skipped("not tried: no managed user was made"))
}

async fn managed_users_with_slash(session: &mut Session) -> Outcome {
    managed_users(session, "/api/v1/users/").await
}

async fn managed_users_without_slash(session: &mut Session) -> Outcome {
    managed_users(session, "/api/v1/users").await
}

async fn managed_users(session: &mut Session, path: &str) -> Outcome {
    let id = managed_user(session)?;
    in_time(session, path, &|reply: &Reply| contains(&reply.list_at("")?, &id)).await
}

async fn delegated_token(session: &mut Session) -> Outcome {
    let id = managed_user(session)?;
    let body = json!({"sub": id, "scopes": ["profile"]});
    let reply = session
        .by_person(Method::POST, "/api/v1/oauth/delegated-token")?
        .json(&body)
        .expect(&[200])
        .await?;
    let token = reply.text_at("/access_token")?;
    session.hide(&token);
    let reply =
        session.anonymous(Method::GET, "/v1/account/me").bearer(&token).expect(&[200]).await?;
    reply.has("/user/id", &json!(id))
}

async fn change_managed_user(session: &mut Session) -> Outcome {
    let path = format!("/api/v1/users/{}", managed_user(session)?);
    let body = json!({"first_name": "Smoke", "last_name": "Test"});
    let version = session.by_person(Method::GET, &path)?.expect(&[200]).await?;
    let version = version.required_header("etag")?;
    let call = session.by_person(Method::PUT, &path)?.header(IF_MATCH, version);
    call.json(&body).expect(&[200]).await?.has("/last_name", &json!("Test"))
}

async fn change_old_version(session: &mut Session) -> Outcome {
    let path = format!("/api/v1/users/{}", managed_user(session)?);
    let body = json!({"first_name": "Smoke", "last_name": "Again"});
    let call = session.by_person(Method::PUT, &path)?.header(IF_MATCH, "\"old\"");
    call.json(&body).expect(&[412]).await.map(drop)
}

async fn delete_managed_user(session: &mut Session) -> Outcome {
    let path = format!("/api/v1/users/{}", managed_user(session)?);
    session.by_person(Method::DELETE, &path)?.expect(&[200]).await.map(drop)
}

async fn managed_user_is_gone(session: &mut Session) -> Outcome {
    let path = format!("/api/v1/users/{}", managed_user(session)?);
    session.by_person(Method::GET, &path)?.expect(&[404]).await?;
    session.made.managed_users.remove(0);
    Ok(())
}

async fn principal_token(session: &mut Session) -> Outcome {
    let reply =
        session.by_person(Method::GET, "/api/v1/oauth/principal-token")?.expect(&[200]).await?;
    session.hide(&reply.text_at("/access_token")?);
    reply.has("/token_type", &json!("Bearer"))
}

async fn user_admin_list(session: &mut Session) -> Outcome {
    session.administrator()?;
    let reply = session.by_person(Method::GET, "/api/admin/user-admin")?.expect(&[200]).await?;
    reply.list_at("/users").map(drop)
}

async fn not_modified(session: &mut Session) -> Outcome {
    let number = session
        .administrator()?
        .number
        .ok_or_else(|| Problem::skipped("not tried: the person has no number"))?;
    let path = format!("/api/admin/user-admin/{number}");
    let version = session.by_person(Method::GET, &path)?.expect(&[200]).await?;
    let version = version.required_header("etag")?;
    session
        .by_person(Method::GET, &path)?
        .header(IF_NONE_MATCH, version)
        .expect(&[304])
        .await
        .map(drop)
}

async fn directory_list(session: &mut Session) -> Outcome {
    let path = format!("/api/v1/admin_user?account_id={}", session.administrator()?.team_id);
    let reply = session.by_person(Method::GET, &path)?.expect(&[200]).await?;
    reply.has("/status", &json!("success"))?;
    reply.list_at("/summaries").map(drop)
}

async fn invite(session: &mut Session) -> Outcome {
    let account_id = session.administrator()?.team_id.clone();
    let email = format!("smoke-{}@example.com", Uuid::new_v4().simple());
    let body = json!({"details": {"email": email, "account_id": account_id}});
    let reply = session
        .by_person(Method::POST, "/api/v1/admin_user_invite")?
        .json(&body)
        .expect(&[200])
        .await?;
    session.made.invite = Some(reply.text_at("/details/id")?);
    reply.has("/details/email", &json!(email))
}

fn invite_id(session: &Session) -> Outcome<String> {
    session.made.invite.clone().ok_or_else(|| Problem::skipped("not tried: no invite was made"))
}

async fn list_invites(session: &mut Session) -> Outcome {
    let id = invite_id(session)?;
    let path = format!("/api/v1/admin_user_invite?account_id={}", session.administrator()?.team_id);
    in_time(session, &path, &|reply: &Reply| contains(&reply.list_at("/summaries")?, &id)).await
}

async fn revoke_invite(session: &mut Session) -> Outcome {
    let path = format!("/api/v1/admin_user_invite/{}/revoke", invite_id(session)?);
    let reply = session.by_person(Method::POST, &path)?.expect(&[200]).await?;
    reply.has("/details/status", &json!("revoked"))?;
    session.made.invite = None;
    session.notes.push("a revoked invite");
    Ok(())
}

async fn unknown_account_path(session: &mut Session) -> Outcome {
    unknown(session, "/v1/smoke", "/code", "not_found").await
}

async fn unknown_directory_path(session: &mut Session) -> Outcome {
    unknown(session, "/api/v1/admin_user/smoke/smoke", "/status", "error").await
}

async fn unknown_user_admin_path(session: &mut Session) -> Outcome {
    unknown(session, "/api/admin/user-admin/1/smoke", "/name", "NotFoundError").await
}

async fn unknown_managed_users_path(session: &mut Session) -> Outcome {
    let reply = session.anonymous(Method::GET, "/api/v1/users/smoke/smoke").expect(&[404]).await?;
    reply.text_at("/detail").map(drop)
}

async fn unknown_workspace_path(session: &mut Session) -> Outcome {
    unknown(session, "/users/me/smoke", "/code", "NOT_FOUND").await
}

/// A path that nobody serves says so in the body of its contract.
async fn unknown(session: &mut Session, path: &str, pointer: &str, value: &str) -> Outcome {
    let reply = session.anonymous(Method::GET, path).expect(&[404]).await?;
    reply.has(pointer, &json!(value))
}

fn origin(session: &Session) -> Outcome<String> {
    session.origin.clone().ok_or_else(|| Problem::skipped("give --origin"))
}

async fn preflight(session: &mut Session) -> Outcome {
    let origin = origin(session)?;
    let reply = ask(session, &origin, &[200, 204]).await?;
    allows(&reply, &origin)?;
    for (header, wanted) in [
        ("access-control-allow-methods", &["GET", "POST", "PUT", "PATCH", "DELETE"][..]),
        (
            "access-control-allow-headers",
            &["authorization", "content-type", "idempotency-key", "if-match"],
        ),
    ] {
        lists(&reply, header, wanted)?;
    }
    Ok(())
}

/// Sends a preflight for an origin. The response has one of these statuses.
async fn ask(session: &mut Session, origin: &str, statuses: &[u16]) -> Outcome<Reply> {
    let call = session.anonymous(Method::OPTIONS, "/v1/account").header(ORIGIN, origin);
    let call = call.header(ACCESS_CONTROL_REQUEST_METHOD, "POST");
    let call =
        call.header(ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type,idempotency-key");
    call.send(statuses).await
}

fn allows(reply: &Reply, origin: &str) -> Outcome {
    match reply.required_header("access-control-allow-origin")? {
        "*" => Ok(()),
        allowed if allowed == origin => Ok(()),
        allowed => Err(Problem::failed(format!("it allows the origin {allowed}"))),
    }
}

fn lists(reply: &Reply, header: &str, wanted: &[&str]) -> Outcome {
    let listed = reply.required_header(header)?.to_ascii_lowercase();
    let listed: Vec<&str> = listed.split(',').map(str::trim).collect();
    match wanted.iter().find(|wanted| {
        !listed.contains(&"*") && !listed.contains(&wanted.to_ascii_lowercase().as_str())
    }) {
        None => Ok(()),
        Some(missing) => Err(Problem::failed(format!("{header} lacks {missing}"))),
    }
}

async fn exposed_response(session: &mut Session) -> Outcome {
    let origin = origin(session)?;
    let reply =
        session.anonymous(Method::GET, "/health").header(ORIGIN, &origin).expect(&[200]).await?;
    allows(&reply, &origin)?;
    lists(&reply, "access-control-expose-headers", &["etag", "x-request-id"])
}

async fn other_origin(session: &mut Session) -> Outcome {
    origin(session)?;
    // A refusal is as good: what counts is that no header lets the page read a response.
    let reply = ask(session, "https://smoke.invalid", &[200, 204, 403]).await?;
    match reply.header("access-control-allow-origin") {
        None => Ok(()),
        Some("*") => Err(Problem::skipped("every origin is allowed")),
        Some(allowed) => Err(Problem::failed(format!("it allows the origin {allowed}"))),
    }
}

async fn delete_account(session: &mut Session) -> Outcome {
    if !session.person()?.is_new {
        return Err(Problem::skipped("the person had the account before"));
    }
    let reply = session.by_person(Method::DELETE, "/v1/account")?.expect(&[202]).await?;
    reply.has("/success", &json!(true))?;
    session.made.account = false;
    session.notes.push("the account, soft-deleted until its purge");
    let reply = session.by_person(Method::GET, "/v1/account/me")?.expect(&[403]).await?;
    reply.has("/code", &json!("account_deleted"))
}

/// Holds a response to what it must show, until it does: lists follow what was written.
async fn in_time(
    session: &mut Session,
    path: &str,
    shows: &(dyn Fn(&Reply) -> Outcome + Sync),
) -> Outcome {
    let end = tokio::time::Instant::now() + LAG;
    loop {
        let reply = session.by_person(Method::GET, path)?.expect(&[200]).await?;
        match shows(&reply) {
            Err(Problem::Failed(_)) if tokio::time::Instant::now() < end => {
                tokio::time::sleep(Duration::from_millis(500)).await
            }
            outcome => return outcome,
        }
    }
}

fn contains(list: &[Value], id: &str) -> Outcome {
    let found = list.iter().any(|one| one["id"] == id);
    if found { Ok(()) } else { Err(Problem::failed("the list lacks what was made")) }
}

/// Removes what the account still has. Returns what it could not remove.
pub async fn clean_up(session: &mut Session) -> Vec<String> {
    let made = std::mem::take(&mut session.made);
    session.made.account = made.account;
    let users = made
        .managed_users
        .into_iter()
        .map(|id| (Method::DELETE, format!("/api/v1/users/{id}"), "managed user", id));
    let key =
        made.key.map(|key| (Method::DELETE, format!("/v1/keys/{}", key.id), "API key", key.id));
    let revocation =
        |id| (Method::POST, format!("/api/v1/admin_user_invite/{id}/revoke"), "invite", id);
    let mut left = Vec::new();
    for (method, path, kind, id) in users.chain(key).chain(made.invite.map(revocation)) {
        // What is gone, or revoked, is as it should be.
        if session.by_token(method, &path).send(&[200, 404, 409]).await.is_err() {
            left.push(format!("the {kind} {id}: remove it by hand"));
        }
    }
    left
}
