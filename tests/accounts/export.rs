//! GET `/v1/account/export`: everything that is held about the caller.

use futures::StreamExt;
use insta::assert_json_snapshot;
use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use shared::models::QuotaTier;
use tests::checks::{key, refusals, unchanged};
use tests::{Roster, send};
use uuid::Uuid;

use crate::{NEW, alone_in_tier, bare, detail, log, new_key, user};

const EXPORT: &str = "/v1/account/export";

async fn export(roster: &Roster, caller: Uuid) -> Value {
    roster.get(EXPORT, caller).await.expect(200).json()
}

/// The values of a field in a list.
fn values(list: &Value, field: &str) -> Vec<Value> {
    list.as_array().expect("a list").iter().map(|item| item[field].clone()).collect()
}

/// A key of a list as the export has it.
fn exported(key: &Value, (user, team): (&Value, &Value)) -> Value {
    let mut key = key.clone();
    let fields = key.as_object_mut().expect("a key");
    let prefix = fields.remove("prefix").expect("a prefix");
    fields.extend([
        ("key_prefix".into(), prefix),
        ("user_id".into(), user.clone()),
        ("team_id".into(), team.clone()),
    ]);
    key
}

#[tokio::test]
async fn a_credential_that_fails_is_refused() {
    assert_json_snapshot!(refusals(&[(Method::GET, EXPORT)]).await);
}

#[tokio::test]
async fn the_export_holds_the_account_and_the_whole_record() {
    let roster = Roster::start().await;
    let answer = unchanged(&roster, bare(&roster, Method::GET, EXPORT, demo::OTHER_ADMIN)).await;
    assert_json_snapshot!(answer.snapshot());
    for caller in [demo::ADMIN, demo::VIEWER, demo::MANAGER, demo::PLATFORM_OPERATOR] {
        let export = export(&roster, caller).await;
        let detail = detail(&roster, caller).await;
        for (field, value) in
            detail.as_object().expect("an object").iter().filter(|(field, _)| *field != "api_keys")
        {
            assert_eq!(&export[field], value, "{field}");
        }
        let owner = (&detail["user"]["id"], &detail["team"]["id"]);
        let keys = detail["api_keys"].as_array().expect("keys").iter();
        assert_eq!(
            export["api_keys"],
            Value::Array(keys.map(|key| exported(key, owner)).collect())
        );
        assert_eq!(export["record"], json!(user(&roster, caller).await));
        assert_eq!(export["audit_log"], json!(log(&roster, caller).await));
    }
    let by_key = send(roster.request(Method::GET, EXPORT).bearer_auth(key(demo::ADMIN, 1)))
        .await
        .expect(200);
    assert_eq!(by_key.text, roster.get(EXPORT, demo::ADMIN).await.text);
}

#[tokio::test]
async fn the_export_holds_everything_that_the_caller_has() {
    let roster = Roster::start().await;
    let manager = export(&roster, demo::MANAGER).await;
    assert_json_snapshot!(json!({
        "managed_users": manager["managed_users"],
        "shares_given": manager["shares_given"],
        "shares_received": manager["shares_received"],
    }));
    let admin = export(&roster, demo::ADMIN).await;
    assert_eq!(
        (admin["api_keys"].as_array().map(Vec::len), admin["sandboxes"].as_array().map(Vec::len)),
        (Some(10), Some(10))
    );
    assert_eq!(values(&admin["shares_given"], "grantee_id"), [json!(demo::MANAGER)]);
    // What the account detail cuts off is here: it shows a hundred sandboxes.
    alone_in_tier(
        &roster,
        &QuotaTier { max_concurrent_sandboxes: 200, ..QuotaTier::built_in()[2].clone() },
    )
    .await;
    let made = futures::stream::iter(0..102).map(async |_| {
        let made =
            roster.call(Method::POST, "/v1/sandboxes", NEW, &json!({"template": "base"})).await;
        made.expect(201).json()["id"].clone()
    });
    let mut made: Vec<Value> = made.buffer_unordered(4).collect().await;
    let mut listed = values(&export(&roster, NEW).await["sandboxes"], "id");
    assert!(listed.windows(2).all(|pair| pair[0].as_str() > pair[1].as_str()), "newest first");
    listed.reverse();
    made.sort_by_key(ToString::to_string);
    assert_eq!(listed, made);
    let log = export(&roster, NEW).await["audit_log"].clone();
    assert_eq!(
        values(&log, "action").iter().filter(|action| *action == "sandbox.created").count(),
        102
    );
    assert_eq!(log[103]["action"], "user.signed_up");
    roster.check_table().await;
}

#[tokio::test]
async fn the_export_holds_no_secret() {
    let roster = Roster::start().await;
    let made = new_key(&roster, demo::ADMIN).await;
    let rotated = roster
        .call(
            Method::POST,
            "/v1/keys/00000000-0000-4000-8000-00000000f201/rotate",
            demo::ADMIN,
            &json!({}),
        )
        .await;
    let rotated = rotated.expect(201).json()["key"].as_str().expect("a text").to_owned();
    let text = roster.get(EXPORT, demo::ADMIN).await.expect(200).text;
    for secret in (1..=10).map(|place| key(demo::ADMIN, place)).chain([made, rotated]) {
        let hash = shared::auth::api_key::hash(&secret).expect("a key");
        assert!(!text.contains(&secret[12..]) && !text.contains(&hash));
        assert!(text.contains(&secret[..12]), "the prefix is shown");
    }
    assert!(!text.contains("sha256"));
}

#[tokio::test]
async fn the_export_holds_nothing_of_others() {
    let roster = Roster::start().await;
    let text = roster.get(EXPORT, demo::OTHER_ADMIN).await.expect(200).text;
    let others = roster
        .items()
        .await
        .into_iter()
        .filter(|item| item["sk"] == "USER" && item["id"] != json!(demo::OTHER_ADMIN));
    for other in others {
        for field in ["email", "name"] {
            let value = other.get(field).and_then(Value::as_str).unwrap_or("(none)");
            assert!(!text.contains(value), "{value}");
        }
    }
}
