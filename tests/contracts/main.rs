//! Every endpoint of every contract, in every status it can give: whole answers as snapshots, and what the table holds after.

mod directory;
mod keys;
mod managed_users;
mod operator_account;
mod operators;
mod platform;
mod sightings;
mod user_admin;
mod workspace;

use local::demo;
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};
use shared::models::User;
use tests::{Answer, Roster, send, sign};
use uuid::Uuid;

/// A suspended administrator of the demo team.
const SUSPENDED: Uuid = demo::id(0x116);
/// A soft-deleted administrator of the demo team.
const DELETED: Uuid = demo::id(0x110);
/// An invited administrator of the demo team, never seen.
const INVITED: Uuid = demo::id(0x10a);
/// An id that nobody has.
const NOBODY: Uuid = demo::id(0xdead);

/// Sends a request that must leave every item of the table as it was.
async fn unchanged(roster: &Roster, request: RequestBuilder) -> Answer {
    let before = roster.items().await;
    let answer = send(request).await;
    let changed = changes(&before, &roster.items().await);
    assert!(changed.is_empty(), "{changed:#?} by {answer:?}");
    answer
}

/// The items that are in one of two states of the table alone.
fn changes(before: &[Map<String, Value>], after: &[Map<String, Value>]) -> Vec<String> {
    let alone = |side: &str, these: &[Map<String, Value>], those: &[Map<String, Value>]| -> Vec<String> {
        these.iter().filter(|item| !those.contains(item)).map(|item| format!("{side}: {}", json!(item))).collect()
    };
    [alone("before", before, after), alone("after", after, before)].concat()
}

/// The demo data's key of that owner and place.
fn key(owner: Uuid, place: u8) -> String {
    demo::api_key_text(owner, place).reveal().to_owned()
}

/// The records of a team's users, in no order.
async fn team(roster: &Roster, team: Uuid) -> Vec<User> {
    let items = roster.items().await.into_iter().filter(|item| item["sk"] == "USER" && item["team_id"] == json!(team));
    items.map(|item| serde_json::from_value(Value::Object(item)).expect("a user")).collect()
}

/// What a user is called, by the rule of the contracts: the display name, else "first last", else the name, else the email.
fn called(user: &User) -> String {
    let first_last = match (&user.first_name, &user.last_name) {
        (Some(first), Some(last)) => Some(format!("{first} {last}")),
        (first, last) => first.clone().or(last.clone()),
    };
    user.display_name.clone().or(first_last).or(user.name.clone()).or(user.email.clone()).expect("every demo user has a name")
}

/// Every credential that may not pass, each with its `Authorization`; the first is none at all.
fn bad_credentials(roster: &Roster) -> Vec<(&'static str, Option<String>)> {
    let with = |name: &str, value: Value| {
        let mut claims = roster.claims(demo::ADMIN);
        claims[name] = value;
        Some(format!("Bearer {}", sign(&claims)))
    };
    let now = roster.now().as_second();
    let good = roster.token(demo::ADMIN);
    let (signed, signature) = good.rsplit_once('.').expect("a token has three parts");
    let forged = format!("{signed}.{}", signature.chars().rev().collect::<String>());
    let mut mistyped = key(demo::ADMIN, 1);
    mistyped.pop();
    mistyped.push('x');
    vec![
        ("none", None),
        ("empty", Some(String::new())),
        ("another scheme", Some("Basic YWRhOnNlY3JldA==".to_owned())),
        ("no scheme", Some(good.clone())),
        ("no token", Some("Bearer not.a.token".to_owned())),
        ("a wrong signature", Some(format!("Bearer {forged}"))),
        ("an expired token", with("exp", json!(now - 60))),
        ("a token of another issuer", with("iss", json!("http://elsewhere"))),
        ("a token for another audience", with("aud", json!("others"))),
        ("an unknown user", with("sub", json!(NOBODY))),
        ("a suspended user", with("sub", json!(SUSPENDED))),
        ("a deleted user", with("sub", json!(DELETED))),
        ("a revoked key", Some(format!("Bearer {}", key(demo::ADMIN, 2)))),
        ("an expired key", Some(format!("Bearer {}", key(demo::ADMIN, 3)))),
        ("a mistyped key", Some(format!("Bearer {mistyped}"))),
    ]
}

/// Holds that all endpoints refuse every bad credential, all in the same way, and write nothing; gives that way: each answer with
/// the credentials that it is given for.
async fn refusals(endpoints: &[(Method, &str)]) -> Value {
    let roster = Roster::start().await;
    let before = roster.items().await;
    let mut told: Option<Value> = None;
    for (method, path) in endpoints {
        let mut answers: Vec<(Value, Vec<&str>)> = Vec::new();
        for (name, authorization) in bad_credentials(&roster) {
            let mut request = roster.request(method.clone(), path).json(&json!({"first_name": "Nobody", "last_name": null}));
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            let answer = send(request).await.snapshot();
            match answers.iter_mut().find(|(known, _)| *known == answer) {
                Some((_, names)) => names.push(name),
                None => answers.push((answer, vec![name])),
            }
        }
        let answers = json!(answers);
        assert_eq!(*told.get_or_insert(answers.clone()), answers, "{method} {path}");
    }
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
    told.expect("there are endpoints")
}
