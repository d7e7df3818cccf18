//! Shares, delegated tokens, and requests that are sent again.

mod delegation;
mod idempotency;
mod shares;

use std::collections::BTreeSet;

use local::demo;
use reqwest::Method;
use serde_json::{Map, Value, json};
use tests::{Answer, Roster};
use uuid::Uuid;

const USERS: &str = "/api/v1/users/";
const SHARES: &str = "/api/v1/users/shares";
const DELEGATED: &str = "/api/v1/oauth/delegated-token";
const PRINCIPAL: &str = "/api/v1/oauth/principal-token";
const ME: &str = "/v1/account/me";
const DAY: i64 = 86_400;

/// Users whom the demo data's manager manages.
const FINN: Uuid = demo::id(0x61);
const GITA: Uuid = demo::id(0x62);

fn shares_with(grantee: impl std::fmt::Display) -> String {
    format!("{SHARES}/{grantee}")
}

/// PUT of a share.
async fn share(roster: &Roster, grantor: Uuid, grantee: Uuid, scopes: &[&str]) -> Answer {
    roster.call(Method::PUT, &shares_with(grantee), grantor, &json!({"scopes": scopes})).await
}

/// POST of `suspend`, `unsuspend` or `restore` by the platform operator.
async fn operate(roster: &Roster, what: &str, user: Uuid) {
    roster
        .call(
            Method::POST,
            &format!("/v1/admin/users/{user}/{what}"),
            demo::PLATFORM_OPERATOR,
            &json!({}),
        )
        .await
        .expect(200);
}

/// The snapshot of a refusal, without the id of the request that two of the contracts tell.
fn refusal(answer: &Answer) -> Value {
    let mut snapshot = answer.snapshot();
    for (name, value) in snapshot["body"].as_object_mut().into_iter().flatten() {
        if ["id", "request_id"].contains(&name.as_str()) {
            *value = json!("(new id)");
        }
    }
    snapshot
}

fn text<'a>(item: &'a Map<String, Value>, name: &str) -> &'a str {
    item.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The shares in the table, each as grantor, grantee, scopes and time, after holding what the two
/// sides say against each other.
async fn shares(roster: &Roster) -> BTreeSet<[String; 4]> {
    let items = roster.items().await;
    let side = |prefix: &str, owner: &str, other: &str| -> BTreeSet<[String; 4]> {
        let of_side = items.iter().filter(|item| text(item, "sk").starts_with(prefix));
        of_side
            .map(|item| {
                let place = (text(item, "pk").to_owned(), text(item, "sk").to_owned());
                assert_eq!(
                    place,
                    (
                        format!("USER#{}", text(item, owner)),
                        format!("{prefix}{}", text(item, other))
                    )
                );
                [
                    text(item, "grantor_id").into(),
                    text(item, "grantee_id").into(),
                    item["scopes"].to_string(),
                    text(item, "created_at").into(),
                ]
            })
            .collect()
    };
    let (given, received) =
        (side("GRANT#", "grantor_id", "grantee_id"), side("SHARED#", "grantee_id", "grantor_id"));
    assert_eq!(given, received, "what was given differs from what was received");
    given
}

/// Holds the table against its promises, and the two sides of every share against each other.
async fn check(roster: &Roster) {
    roster.check_table().await;
    shares(roster).await;
}

/// A user's history, oldest first: who did what, and the changes.
async fn history(roster: &Roster, user: Uuid) -> Vec<Value> {
    let partition = format!("AUDIT#{user}");
    let entries = roster.items().await.into_iter().filter(|item| text(item, "pk") == partition);
    entries
        .map(|entry| json!([entry["action"], entry["actor_id"], entry["at"], entry["changes"]]))
        .collect()
}
