//! What several suites check of requests and of the table.

use local::demo;
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{Answer, Roster, send, sign};

/// A suspended administrator of the demo team.
pub const SUSPENDED: Uuid = demo::id(0x116);
/// A soft-deleted administrator of the demo team.
pub const DELETED: Uuid = demo::id(0x110);
/// An invited administrator of the demo team, never seen.
pub const INVITED: Uuid = demo::id(0x10a);
/// An id that nobody has.
pub const NOBODY: Uuid = demo::id(0xdead);

/// Sends a request that must leave every item of the table as it was.
pub async fn unchanged(roster: &Roster, request: RequestBuilder) -> Answer {
    let before = roster.items().await;
    let answer = send(request).await;
    let changed = changes(&before, &roster.items().await);
    assert!(changed.is_empty(), "{changed:#?} by {answer:?}");
    answer
}

/// Sends a request that may add entries about delegated tokens to histories, with the address, and
/// must leave every other item of the table as it was.
pub async fn only_noted(roster: &Roster, request: RequestBuilder) -> Answer {
    let before = roster.items().await;
    let answer = send(request).await;
    let noted = ["delegated_token.", "principal_token.", "\"pk\":\"ADDRESS#"];
    let is_note = |change: &String| {
        change.starts_with("after: ") && noted.iter().any(|part| change.contains(part))
    };
    let changed: Vec<_> = changes(&before, &roster.items().await)
        .into_iter()
        .filter(|change| !is_note(change))
        .collect();
    assert!(changed.is_empty(), "{changed:#?} by {answer:?}");
    answer
}

/// The items that are in one of two states of the table alone.
pub fn changes(before: &[Map<String, Value>], after: &[Map<String, Value>]) -> Vec<String> {
    let alone =
        |side: &str, these: &[Map<String, Value>], those: &[Map<String, Value>]| -> Vec<String> {
            these
                .iter()
                .filter(|item| !those.contains(item))
                .map(|item| format!("{side}: {}", json!(item)))
                .collect()
        };
    [alone("before", before, after), alone("after", after, before)].concat()
}

/// The demo data's key of that owner and place.
pub fn key(owner: Uuid, place: u8) -> String {
    demo::api_key_text(owner, place).reveal().to_owned()
}

/// Every credential that may not pass, each with its `Authorization`; the first is none at all.
pub fn bad_credentials(roster: &Roster) -> Vec<(&'static str, Option<String>)> {
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

/// Holds that all endpoints refuse every bad credential, all in the same way, and write nothing;
/// gives that way: each answer with the credentials that it is given for.
pub async fn refusals(endpoints: &[(Method, &str)]) -> Value {
    let roster = Roster::start().await;
    let before = roster.items().await;
    let mut told: Option<Value> = None;
    for (method, path) in endpoints {
        let mut answers: Vec<(Value, Vec<&str>)> = Vec::new();
        for (name, authorization) in bad_credentials(&roster) {
            let mut request = roster
                .request(method.clone(), path)
                .json(&json!({"first_name": "Nobody", "last_name": null}));
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
