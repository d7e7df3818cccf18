//! Accounts: listing, deleting, restoring, exporting them; their sandboxes and quotas.

mod deletion;
mod export;
mod invited;
mod list;
mod sandboxes;

use local::demo;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::models::{QuotaTier, User};
use shared::table::Key;
use tests::{Answer, Roster, send, sign};
use uuid::Uuid;

/// Someone who is yet to sign up.
const NEW: Uuid = demo::id(0xe01);
const ACCOUNT: &str = "/v1/account";
const ME: &str = "/v1/account/me";

/// An account, as operators ask for it.
fn of(user: impl std::fmt::Display) -> String {
    format!("/v1/admin/users/{user}")
}

/// A request by a caller with whatever body.
fn with_text(
    roster: &Roster,
    method: Method,
    path: &str,
    caller: Uuid,
    body: impl Into<reqwest::Body>,
) -> RequestBuilder {
    roster
        .request(method, path)
        .bearer_auth(roster.token(caller))
        .header("content-type", "application/json")
        .body(body)
}

/// A request by a caller with no body.
fn bare(roster: &Roster, method: Method, path: &str, caller: Uuid) -> RequestBuilder {
    roster.request(method, path).bearer_auth(roster.token(caller))
}

/// A sign-up with more claims than every token has.
async fn sign_up(roster: &Roster, sub: Uuid, more: &Value) -> Answer {
    let mut claims = roster.claims(sub);
    for (name, value) in more.as_object().expect("claims") {
        claims[name] = value.clone();
    }
    send(roster.request(Method::POST, ACCOUNT).bearer_auth(sign(&claims))).await
}

/// Signs [`NEW`] up, alone in a team of the given tier, and gives the team.
async fn alone_in_tier(roster: &Roster, tier: &QuotaTier) -> Uuid {
    roster.server.data.store.put(&Key::tier(&tier.id), tier).await.expect("a tier");
    // Tiers that were read are known for a minute.
    roster.advance(61);
    let body = sign_up(roster, NEW, &json!({"email": "nova@example.com"})).await.expect(201).json();
    let change = json!({"quota_tier_id": tier.id});
    roster
        .call(Method::PATCH, &format!("{}/quota", of(NEW)), demo::PLATFORM_OPERATOR, &change)
        .await
        .expect(200);
    // That they were seen is noted here, and not by what is tested.
    roster.get(ME, NEW).await.expect(200);
    body["team"]["id"].as_str().and_then(|id| id.parse().ok()).expect("an id")
}

/// What the platform operator sees of an account.
async fn detail(roster: &Roster, user: Uuid) -> Value {
    roster.get(&of(user), demo::PLATFORM_OPERATOR).await.expect(200).json()
}

/// A user's history, newest first.
async fn log(roster: &Roster, user: Uuid) -> Vec<Value> {
    let answer = roster
        .get(&format!("{}/audit-log?limit=100", of(user)), demo::PLATFORM_OPERATOR)
        .await
        .expect(200);
    serde_json::from_value(answer.json()).expect("a list")
}

/// A user who must be there.
async fn user(roster: &Roster, id: Uuid) -> User {
    roster.user(id).await.expect("a user")
}

/// The status that a key gets.
async fn status_by(roster: &Roster, text: &str) -> u16 {
    send(roster.request(Method::GET, ME).bearer_auth(text)).await.status
}

/// Makes a key for a caller, and gives its text.
async fn new_key(roster: &Roster, caller: Uuid) -> String {
    let made = roster.call(Method::POST, "/v1/keys", caller, &json!({})).await.expect(201).json();
    made["key"].as_str().expect("a text").to_owned()
}

/// How many answers there are of each status.
fn statuses(answers: &[Answer]) -> std::collections::BTreeMap<u16, usize> {
    answers.iter().fold(Default::default(), |mut counts, answer| {
        *counts.entry(answer.status).or_default() += 1;
        counts
    })
}
