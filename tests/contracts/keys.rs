//! The keys of the operator and account contract: what callers do with their own API keys.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use insta::assert_json_snapshot;
use local::demo;
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};
use shared::Timestamp;
use shared::auth::api_key;
use tests::{Answer, Roster, send};
use uuid::Uuid;

use crate::{NOBODY, changes, key, refusals, unchanged};

const KEYS: &str = "/v1/keys";
const DEFAULT: &str = "/v1/keys/default";
const DAY: i64 = 86_400;

/// The administrator's demo keys by their place: 1 works, 2 is revoked, 3 is expired.
const WORKS: Uuid = demo::id(0xf201);
const REVOKED: Uuid = demo::id(0xf202);
const EXPIRED: Uuid = demo::id(0xf203);
/// A key of the platform operator.
const ANOTHERS: Uuid = demo::id(0xf102);

fn one(id: impl std::fmt::Display) -> String {
    format!("/v1/keys/{id}")
}

fn rotation(id: impl std::fmt::Display) -> String {
    format!("/v1/keys/{id}/rotate")
}

/// A POST by a caller with no body.
fn post(roster: &Roster, path: &str, caller: Uuid) -> RequestBuilder {
    roster.request(Method::POST, path).bearer_auth(roster.token(caller))
}

/// A POST by a caller with whatever body.
fn post_text(
    roster: &Roster,
    path: &str,
    caller: Uuid,
    body: impl Into<reqwest::Body>,
) -> RequestBuilder {
    post(roster, path, caller).header("content-type", "application/json").body(body)
}

/// The id and the text of the key that an answer shows.
#[track_caller]
fn made(answer: &Answer) -> (Uuid, String) {
    let body = answer.clone().expect(201).json();
    (
        body["id"].as_str().and_then(|id| id.parse().ok()).expect("an id"),
        body["key"].as_str().expect("a text").to_owned(),
    )
}

/// Makes a key for a caller.
async fn make(roster: &Roster, caller: Uuid, body: Value) -> (Uuid, String) {
    made(&roster.call(Method::POST, KEYS, caller, &body).await)
}

/// The snapshot of an answer that shows a new key, whose text must be of the form.
#[track_caller]
pub fn without_new_key(answer: &Answer) -> Value {
    let mut snapshot = answer.snapshot();
    let (_, text) = made(answer);
    assert!(text.starts_with("ns_live_") && api_key::hash(&text).is_some(), "{text}");
    assert_eq!(snapshot["body"]["prefix"], text[..12], "the prefix is the first 12 characters");
    snapshot["body"]["prefix"] = json!("(its beginning)");
    snapshot["body"]["key"] = json!("(new key)");
    snapshot
}

/// The snapshot of an answer about a new key without its text.
#[track_caller]
fn without_new_prefix(answer: &Answer) -> Value {
    let mut snapshot = answer.snapshot();
    snapshot["body"]["prefix"] = json!("(its beginning)");
    snapshot
}

/// The status that a key gets.
pub async fn status_by(roster: &Roster, text: &str) -> u16 {
    send(roster.request(Method::GET, "/v1/account/me").bearer_auth(text)).await.status
}

/// The caller's keys by id.
async fn listed(roster: &Roster, caller: Uuid) -> BTreeMap<Uuid, Value> {
    let keys: Vec<Value> =
        serde_json::from_value(roster.get(KEYS, caller).await.expect(200).json()).expect("a list");
    keys.into_iter()
        .map(|key| (key["id"].as_str().and_then(|id| id.parse().ok()).expect("an id"), key))
        .collect()
}

fn text<'a>(item: &'a Map<String, Value>, name: &str) -> &'a str {
    item.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Holds the table against its promises, and both items of every key against each other.
pub async fn check(roster: &Roster) {
    roster.check_table().await;
    let items = roster.items().await;
    let both = |owner: &str, id: &str, item: &Map<String, Value>| {
        let value = |name: &str| item.get(name).cloned().unwrap_or_default();
        json!([
            owner,
            id,
            value("scope"),
            value("permissions"),
            value("is_active"),
            value("expires_at"),
            value("minted_by")
        ])
    };
    let owned = items.iter().filter(|item| text(item, "sk").starts_with("KEY#"));
    let owned: BTreeMap<String, Value> = owned
        .map(|item| {
            (
                format!("KEY#{}", text(item, "sha256")),
                both(text(item, "pk").trim_start_matches("USER#"), text(item, "id"), item),
            )
        })
        .collect();
    let secrets = items.iter().filter(|item| text(item, "sk") == "KEY");
    let secrets: BTreeMap<String, Value> = secrets
        .map(|item| {
            (text(item, "pk").to_owned(), both(text(item, "user_id"), text(item, "key_id"), item))
        })
        .collect();
    assert_eq!(secrets, owned, "what authenticates differs from what is listed");
}

/// What a user's history says of keys: action and key, oldest first.
async fn history(roster: &Roster, owner: Uuid) -> Vec<(String, Uuid)> {
    let partition = format!("AUDIT#{owner}");
    let of_keys = |item: &Map<String, Value>| {
        text(item, "pk") == partition && text(item, "action").starts_with("key.")
    };
    let entries = roster.items().await.into_iter().filter(of_keys);
    entries
        .map(|entry| {
            assert_eq!(
                (text(&entry, "actor_id"), text(&entry, "at")),
                (owner.to_string().as_str(), roster.now().to_string().as_str())
            );
            (
                text(&entry, "action").to_owned(),
                entry["changes"]["key_id"]["after"]
                    .as_str()
                    .expect("an id")
                    .parse()
                    .expect("a UUID"),
            )
        })
        .collect()
}

fn sorted(answers: &[Answer]) -> Vec<u16> {
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    statuses
}

#[tokio::test]
async fn a_credential_that_fails_is_refused_by_every_endpoint_alike() {
    let (rotate, revoke) = (rotation(WORKS), one(WORKS));
    let endpoints = [
        (Method::GET, KEYS),
        (Method::POST, KEYS),
        (Method::POST, DEFAULT),
        (Method::POST, rotate.as_str()),
        (Method::DELETE, revoke.as_str()),
        (Method::DELETE, "/v1/keys/not-a-uuid"),
    ];
    assert_json_snapshot!(refusals(&endpoints).await);
}

#[tokio::test]
async fn ones_keys_are_listed_without_their_texts() {
    let roster = Roster::start().await;
    let answer = unchanged(
        &roster,
        roster.request(Method::GET, KEYS).bearer_auth(roster.token(demo::ADMIN)),
    )
    .await;
    assert_json_snapshot!(answer.snapshot());
    for place in 1..=10 {
        let secret = key(demo::ADMIN, place);
        assert!(
            !answer.text.contains(&secret[12..])
                && !answer.text.contains(&api_key::hash(&secret).expect("a key")),
            "{place}"
        );
    }
    let by_key = send(roster.request(Method::GET, KEYS).bearer_auth(key(demo::ADMIN, 1))).await;
    assert_eq!(by_key.text, answer.text);
    assert_eq!(roster.get(KEYS, demo::VIEWER).await.expect(200).text, "[]");
}

#[tokio::test]
async fn a_keys_text_is_shown_once_and_only_its_hash_is_kept() {
    let roster = Roster::start().await;
    let before = roster.items().await;
    let body = json!({"name": "ci", "scope": "user", "expires_at": "2026-06-01T00:00:00Z"});
    let answer = roster.call(Method::POST, KEYS, demo::VIEWER, &body).await;
    assert_json_snapshot!(without_new_key(&answer));
    let (id, secret) = made(&answer);
    let hash: String = digest(&SHA256, secret.as_bytes())
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();

    let items = roster.items().await;
    let new = changes(&before, &items);
    assert_eq!(
        new.len(),
        5,
        "the key, the set of keys, what its hash leads to, the audit entry, its address: {new:#?}"
    );
    assert!(new.iter().all(|change| change.starts_with("after")));
    assert!(
        !json!(items).to_string().contains(&secret[12..]),
        "the table holds no more than the prefix"
    );
    let kept = items
        .iter()
        .find(|item| text(item, "pk") == format!("KEY#{hash}"))
        .expect("an item under the hash");
    assert_eq!(
        (text(kept, "user_id"), text(kept, "key_id")),
        (demo::VIEWER.to_string().as_str(), id.to_string().as_str())
    );
    check(&roster).await;
    assert_eq!(history(&roster, demo::VIEWER).await, [("key.created".to_owned(), id)]);

    for (path, caller) in [
        (KEYS.to_owned(), demo::VIEWER),
        (format!("/v1/admin/users/{}", demo::VIEWER), demo::PLATFORM_OPERATOR),
        (format!("/v1/admin/users/{}/audit-log", demo::VIEWER), demo::PLATFORM_OPERATOR),
    ] {
        let shown = roster.get(&path, caller).await.expect(200).text;
        assert!(
            shown.contains(&id.to_string())
                && !shown.contains(&secret[12..])
                && !shown.contains(&hash),
            "{path}"
        );
    }
    let mut shown = answer.json();
    shown.as_object_mut().expect("an object").remove("key");
    assert_eq!(roster.get(KEYS, demo::VIEWER).await.json(), json!([shown]));
}

#[tokio::test]
async fn a_key_authenticates_at_once_as_its_owner_and_no_longer_once_revoked() {
    let roster = Roster::start().await;
    let (id, secret) = make(&roster, demo::VIEWER, json!({})).await;
    let me = send(roster.request(Method::GET, "/v1/account/me").bearer_auth(&secret))
        .await
        .expect(200)
        .json();
    assert_eq!(me["user"]["id"], json!(demo::VIEWER));
    roster.advance(5);
    let answer = roster.delete(&one(id), demo::VIEWER).await;
    assert_json_snapshot!(answer.snapshot());
    assert_eq!(status_by(&roster, &secret).await, 401);
    let revoked = &listed(&roster, demo::VIEWER).await[&id];
    assert_eq!(
        (&revoked["is_active"], &revoked["revoked_at"]),
        (&json!(false), &json!(roster.now()))
    );
    check(&roster).await;

    // Again is no error and no change.
    roster.advance(5);
    let again = roster.request(Method::DELETE, &one(id)).bearer_auth(roster.token(demo::VIEWER));
    assert_eq!(unchanged(&roster, again).await.snapshot(), answer.snapshot());
}

#[tokio::test]
async fn a_key_cannot_make_rotate_or_revoke_keys() {
    let roster = Roster::start().await;
    let before = roster.items().await;
    let mut told = None;
    for (owner, own) in [(demo::ADMIN, WORKS), (demo::PLATFORM_OPERATOR, demo::id(0xf101))] {
        let for_another = format!("/v1/admin/users/{}/keys", demo::VIEWER);
        for (method, path) in [
            (Method::POST, KEYS.to_owned()),
            (Method::POST, DEFAULT.to_owned()),
            (Method::POST, rotation(own)),
            (Method::POST, rotation(NOBODY)),
            (Method::DELETE, one(own)),
            (Method::DELETE, one("not-a-uuid")),
            (Method::POST, for_another),
        ] {
            for body in ["{}", "no JSON"] {
                let request =
                    roster.request(method.clone(), &path).bearer_auth(key(owner, 1)).body(body);
                let answer = send(request).await.snapshot();
                assert_eq!(*told.get_or_insert(answer.clone()), answer, "{owner} {method} {path}");
            }
        }
    }
    assert_json_snapshot!(told);
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
}

#[tokio::test]
async fn every_field_of_a_new_key_may_be_left_out() {
    let roster = Roster::start().await;
    let mut told = None;
    for body in [
        "",
        "{}",
        r#"{"name": null, "scope": null, "permissions": null, "allowed_ips": null, "expires_at": null}"#,
        r#"{"colour": "red"}"#,
    ] {
        let answer = without_new_key(&send(post_text(&roster, KEYS, demo::VIEWER, body)).await);
        assert_eq!(*told.get_or_insert(answer.clone()), answer, "{body}");
    }
    assert_json_snapshot!(told);
    assert_eq!(listed(&roster, demo::VIEWER).await.len(), 4);
    check(&roster).await;
}

#[tokio::test]
async fn a_wrong_field_of_a_new_key_is_named_and_nothing_is_made() {
    let roster = Roster::start().await;
    let before = roster.items().await;
    let long = "x".repeat(256);
    let mut told = Vec::new();
    for (name, body) in [
        ("too long a name", json!({"name": long})),
        ("an empty name", json!({"name": ""})),
        ("a blank name", json!({"name": " \t"})),
        ("a number for a name", json!({"name": 7})),
        ("a name with a line break", json!({"name": "a\nb"})),
        ("too long a scope", json!({"scope": "x".repeat(65)})),
        ("a blank scope", json!({"scope": " "})),
        ("a list for a scope", json!({"scope": ["user"]})),
        ("the scope operator by no platform operator", json!({"scope": "operator"})),
        ("a text for permissions", json!({"permissions": "account:read"})),
        ("an unknown permission", json!({"permissions": ["account:read", "account:delete"]})),
        ("a text for networks", json!({"allowed_ips": "203.0.113.0/24"})),
        ("an address for a network", json!({"allowed_ips": ["203.0.113.7"]})),
        ("the past", json!({"expires_at": "2026-05-02T09:29:59Z"})),
        ("now", json!({"expires_at": "2026-05-02T09:30:00.000Z"})),
        ("more than a year ahead", json!({"expires_at": "2027-05-02T09:30:01Z"})),
        ("no time", json!({"expires_at": "soon"})),
        ("a day", json!({"expires_at": "2030-01-01"})),
        ("a time without a zone", json!({"expires_at": "2030-01-01T00:00:00"})),
        ("seconds", json!({"expires_at": 1_893_456_000})),
        ("a permission beyond the role's, by a viewer", json!({"permissions": ["members:write"]})),
        ("two wrong fields", json!({"name": "", "expires_at": "soon"})),
        ("a list", json!([])),
        ("null", json!(null)),
    ] {
        let caller = if name.ends_with("by a viewer") { demo::VIEWER } else { demo::ADMIN };
        let answer =
            send(post_text(&roster, KEYS, caller, body.to_string())).await.expect(422).json();
        assert_eq!(answer["code"], "invalid_request", "{name}");
        told.push(json!([name, answer["error"]]));
    }
    for body in ["{", "name=ci", "\u{feff}{}"] {
        let answer = send(post_text(&roster, KEYS, demo::ADMIN, body)).await.expect(422).json();
        told.push(json!([body, answer["error"]]));
    }
    assert_json_snapshot!(told);
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
    assert_json_snapshot!(
        "a_wrong_field",
        roster
            .call(Method::POST, KEYS, demo::ADMIN, &json!({"scope": "operator"}))
            .await
            .snapshot()
    );
}

#[tokio::test]
async fn a_name_may_have_255_characters_of_any_script() {
    let roster = Roster::start().await;
    for name in ["x".repeat(255), "é".repeat(255), " ci ".to_owned()] {
        let (id, _) = make(&roster, demo::VIEWER, json!({"name": name})).await;
        assert_eq!(listed(&roster, demo::VIEWER).await[&id]["name"], name);
    }
}

#[tokio::test]
async fn only_a_key_of_the_scope_operator_operates_the_platform() {
    let roster = Roster::start().await;
    let detail = format!("/v1/admin/users/{}", demo::ADMIN);
    for (scope, status) in [("operator", 200), ("user", 403)] {
        let (_, secret) = make(&roster, demo::PLATFORM_OPERATOR, json!({"scope": scope})).await;
        send(roster.request(Method::GET, &detail).bearer_auth(secret)).await.expect(status);
    }
    check(&roster).await;
}

#[tokio::test]
async fn a_key_works_until_it_expires_and_stays_listed() {
    let roster = Roster::start().await;
    let (id, secret) =
        make(&roster, demo::VIEWER, json!({"expires_at": "2026-05-02T12:30:01+03:00"})).await;
    assert_eq!(status_by(&roster, &secret).await, 200);
    roster.advance(1);
    assert_eq!(status_by(&roster, &secret).await, 401);
    let expired = &listed(&roster, demo::VIEWER).await[&id];
    assert_eq!(
        (&expired["expires_at"], &expired["revoked_at"]),
        (&json!("2026-05-02T09:30:01.000Z"), &Value::Null)
    );
    roster.delete(&one(id), demo::VIEWER).await.expect(200);
    assert_eq!(listed(&roster, demo::VIEWER).await[&id]["is_active"], false);
    check(&roster).await;
}

#[tokio::test]
async fn a_key_tells_when_it_was_last_used_at_most_ten_minutes_behind() {
    let roster = Roster::start().await;
    let (id, secret) = make(&roster, demo::VIEWER, json!({})).await;
    let used = async |advance: i64| {
        roster.advance(advance);
        assert_eq!(status_by(&roster, &secret).await, 200);
        check(&roster).await;
        listed(&roster, demo::VIEWER).await[&id]["last_used_at"].clone()
    };
    assert_eq!(listed(&roster, demo::VIEWER).await[&id]["last_used_at"], Value::Null);
    for (advance, expected) in
        [(5, "09:30:05"), (600, "09:30:05"), (1, "09:40:06"), (599, "09:40:06")]
    {
        assert_eq!(used(advance).await, format!("2026-05-02T{expected}.000Z"), "{advance}");
    }
    // A refused use is none.
    roster.delete(&one(id), demo::VIEWER).await.expect(200);
    roster.advance(3600);
    assert_eq!(status_by(&roster, &secret).await, 401);
    assert_eq!(
        listed(&roster, demo::VIEWER).await[&id]["last_used_at"],
        "2026-05-02T09:40:06.000Z"
    );
}

#[tokio::test]
async fn the_default_key_is_made_once_and_again_after_it_was_revoked() {
    let roster = Roster::start().await;
    let first = send(post(&roster, DEFAULT, demo::VIEWER)).await;
    assert_json_snapshot!("a_new_default_key", without_new_key(&first));
    let (id, secret) = made(&first);
    assert_eq!(status_by(&roster, &secret).await, 200);
    assert_eq!(first.json()["created"], true);

    let second = unchanged(&roster, post(&roster, DEFAULT, demo::VIEWER)).await.expect(200);
    assert_json_snapshot!("the_present_default_key", without_new_prefix(&second));
    assert_eq!((&second.json()["created"], second.json().get("key")), (&json!(false), None));
    assert_eq!(
        (second.json()["id"].as_str(), second.text.contains(&secret[12..])),
        (Some(id.to_string().as_str()), false)
    );

    roster.delete(&one(id), demo::VIEWER).await.expect(200);
    let third = send(post(&roster, DEFAULT, demo::VIEWER)).await;
    assert_eq!(without_new_key(&third), without_new_key(&first));
    let (next, secret) = made(&third);
    assert_ne!(next, id);
    assert_eq!(status_by(&roster, &secret).await, 200);
    assert_eq!(
        unchanged(&roster, post(&roster, DEFAULT, demo::VIEWER)).await.expect(200).json()["id"],
        json!(next)
    );
    let actions = [("key.created", id), ("key.revoked", id), ("key.created", next)];
    assert_eq!(
        history(&roster, demo::VIEWER).await,
        actions.map(|(action, id)| (action.to_owned(), id))
    );
    check(&roster).await;
}

#[tokio::test]
async fn twenty_requests_at_once_make_one_default_key() {
    let roster = Roster::start().await;
    for round in 0..3 {
        let answers =
            futures::future::join_all((0..20).map(|_| send(post(&roster, DEFAULT, demo::VIEWER))))
                .await;
        assert_eq!(sorted(&answers), [vec![200; 19], vec![201]].concat());
        let id = answers[0].json()["id"].clone();
        assert!(answers.iter().all(|answer| answer.json()["id"] == id
            && (answer.status == 201) == answer.text.contains("\"key\"")));
        assert_eq!(listed(&roster, demo::VIEWER).await.len(), round + 1);
        check(&roster).await;
        roster.delete(&one(id.as_str().expect("an id")), demo::VIEWER).await.expect(200);
    }
}

#[tokio::test]
async fn a_rotated_key_works_for_a_day_beside_the_new_one() {
    let roster = Roster::start().await;
    let (old, old_text) = make(&roster, demo::VIEWER, json!({"name": "ci"})).await;
    roster.advance(60);
    let answer = send(post(&roster, &rotation(old), demo::VIEWER)).await;
    let mut snapshot = without_new_key(&answer);
    assert_eq!(answer.json()["rotation_parent_key_id"], json!(old));
    snapshot["body"]["rotation_parent_key_id"] = json!("(the old key)");
    assert_json_snapshot!(snapshot);
    let (new, new_text) = made(&answer);
    let keys = listed(&roster, demo::VIEWER).await;
    assert_eq!(
        (keys.len(), &keys[&old]["is_active"], &keys[&new]["is_active"]),
        (2, &json!(true), &json!(true))
    );
    let ends = |days| json!(roster.now().plus_seconds(days * DAY));
    assert_eq!((&keys[&old]["expires_at"], &keys[&new]["expires_at"]), (&ends(1), &ends(365)));
    check(&roster).await;
    for (advance, of_old) in [(0, 200), (DAY - 1, 200), (1, 401), (DAY, 401)] {
        roster.advance(advance);
        assert_eq!(
            (status_by(&roster, &old_text).await, status_by(&roster, &new_text).await),
            (of_old, 200),
            "{advance}"
        );
    }
    // The new one can be rotated in its turn.
    let (newest, _) = made(&send(post(&roster, &rotation(new), demo::VIEWER)).await);
    assert_eq!(listed(&roster, demo::VIEWER).await[&newest]["rotation_parent_key_id"], json!(new));
    check(&roster).await;
}

#[tokio::test]
async fn the_overlap_is_as_long_as_is_asked_for() {
    let roster = Roster::start().await;
    for (body, overlap) in [
        (json!({"overlap_seconds": 0}), 0),
        (json!({"overlap_seconds": 1}), 1),
        (json!({"overlap_seconds": 604_800}), 604_800),
        (json!({"overlap_seconds": null}), DAY),
        (json!({}), DAY),
    ] {
        let (old, secret) = make(&roster, demo::VIEWER, json!({})).await;
        made(&roster.call(Method::POST, &rotation(old), demo::VIEWER, &body).await);
        assert_eq!(
            listed(&roster, demo::VIEWER).await[&old]["expires_at"],
            json!(roster.now().plus_seconds(overlap)),
            "{body}"
        );
        if overlap > 0 {
            roster.advance(overlap - 1);
            assert_eq!(status_by(&roster, &secret).await, 200, "{body}");
            roster.advance(1);
        }
        assert_eq!(status_by(&roster, &secret).await, 401, "{body}");
    }
    check(&roster).await;
}

#[tokio::test]
async fn a_wrong_overlap_is_refused_and_nothing_is_rotated() {
    let roster = Roster::start().await;
    let before = roster.items().await;
    let mut told = Vec::new();
    for body in [
        r#"{"overlap_seconds": -1}"#,
        r#"{"overlap_seconds": 604801}"#,
        r#"{"overlap_seconds": 9223372036854775808}"#,
        r#"{"overlap_seconds": 1.5}"#,
        r#"{"overlap_seconds": "60"}"#,
        r#"{"overlap_seconds": true}"#,
        r#"{"overlap_seconds": [60]}"#,
        "[]",
        "60",
        "{",
    ] {
        let answer =
            send(post_text(&roster, &rotation(WORKS), demo::ADMIN, body)).await.expect(422).json();
        assert_eq!(answer["code"], "invalid_request", "{body}");
        told.push(json!([body, answer["error"]]));
    }
    assert_json_snapshot!(told);
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
}

#[tokio::test]
async fn the_new_key_is_what_the_old_one_was_and_neither_outlives_its_end() {
    let roster = Roster::start().await;
    let end: Timestamp = roster.now().plus_seconds(3600);
    let (old, old_text) = make(
        &roster,
        demo::PLATFORM_OPERATOR,
        json!({"name": "ci", "scope": "operator", "expires_at": end}),
    )
    .await;
    let (new, new_text) = made(&send(post(&roster, &rotation(old), demo::PLATFORM_OPERATOR)).await);
    let keys = listed(&roster, demo::PLATFORM_OPERATOR).await;
    for id in [old, new] {
        assert_eq!(
            (&keys[&id]["name"], &keys[&id]["scope"], &keys[&id]["expires_at"]),
            (&json!("ci"), &json!("operator"), &json!(end))
        );
    }
    send(roster.request(Method::GET, "/v1/admin/quota-tiers").bearer_auth(&new_text))
        .await
        .expect(200);
    roster.advance(3600);
    assert_eq!(
        (status_by(&roster, &old_text).await, status_by(&roster, &new_text).await),
        (401, 401)
    );
}

#[tokio::test]
async fn the_new_key_has_the_name_and_the_scope_that_are_asked_for() {
    let roster = Roster::start().await;
    let (old, _) = make(&roster, demo::VIEWER, json!({"name": "ci", "scope": "build"})).await;
    let renamed = post(&roster, &rotation(old), demo::VIEWER)
        .json(&json!({"name": "cd", "scope": "Deploys & more"}));
    let (new, _) = made(&send(renamed).await);
    let nulls =
        post(&roster, &rotation(new), demo::VIEWER).json(&json!({"name": null, "scope": null}));
    let (newest, _) = made(&send(nulls).await);
    let keys = listed(&roster, demo::VIEWER).await;
    let named = |id: Uuid| {
        (
            keys[&id]["name"].as_str().unwrap_or_default(),
            keys[&id]["scope"].as_str().unwrap_or_default(),
        )
    };
    assert_eq!(
        (named(old), named(new), named(newest)),
        (("ci", "build"), ("cd", "Deploys & more"), ("cd", "Deploys & more"))
    );
    check(&roster).await;
}

#[tokio::test]
async fn what_does_not_work_or_was_rotated_is_not_rotated() {
    let roster = Roster::start().await;
    let (rotated, _) = make(&roster, demo::ADMIN, json!({})).await;
    send(post(&roster, &rotation(rotated), demo::ADMIN)).await.expect(201);
    let mut told = None;
    for (name, id) in [("revoked", REVOKED), ("expired", EXPIRED), ("rotated", rotated)] {
        let answer = unchanged(&roster, post(&roster, &rotation(id), demo::ADMIN))
            .await
            .expect(409)
            .snapshot();
        assert_eq!(*told.get_or_insert(answer.clone()), answer, "{name}");
    }
    assert_json_snapshot!(told);
    roster.advance(DAY);
    assert_eq!(Some(send(post(&roster, &rotation(rotated), demo::ADMIN)).await.snapshot()), told);
}

#[tokio::test]
async fn a_key_that_is_not_ones_own_is_not_found() {
    let roster = Roster::start().await;
    let before = roster.items().await;
    let mut told = None;
    for id in [
        &ANOTHERS.to_string(),
        &NOBODY.to_string(),
        "not-a-uuid",
        "default",
        "0000000000004000800000000000f201",
        "%20",
        "KEY%23",
    ] {
        for (method, path) in [(Method::POST, rotation(id)), (Method::DELETE, one(id))] {
            let request =
                roster.request(method.clone(), &path).bearer_auth(roster.token(demo::ADMIN));
            let answer = send(request).await.expect(404).snapshot();
            assert_eq!(*told.get_or_insert(answer.clone()), answer, "{method} {path}");
        }
    }
    assert_json_snapshot!(told);
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
    // Not even by who operates the platform.
    unchanged(&roster, post(&roster, &rotation(WORKS), demo::PLATFORM_OPERATOR)).await.expect(404);
    // An id is read in either case.
    roster.delete(&one(WORKS.to_string().to_uppercase()), demo::ADMIN).await.expect(200);
    assert_eq!(status_by(&roster, &key(demo::ADMIN, 1)).await, 401);
}

#[tokio::test]
async fn of_twenty_rotations_at_once_one_makes_a_key() {
    let roster = Roster::start().await;
    let (old, _) = make(&roster, demo::VIEWER, json!({})).await;
    let path = rotation(old);
    let answers =
        futures::future::join_all((0..20).map(|_| send(post(&roster, &path, demo::VIEWER)))).await;
    assert_eq!(sorted(&answers), [vec![201], vec![409; 19]].concat());
    let (new, secret) = made(answers.iter().find(|answer| answer.status == 201).expect("one"));
    assert_eq!(status_by(&roster, &secret).await, 200);
    assert_eq!(listed(&roster, demo::VIEWER).await.into_keys().collect::<Vec<_>>(), [old, new]);
    assert_eq!(history(&roster, demo::VIEWER).await.len(), 2);
    check(&roster).await;
}

#[tokio::test]
async fn twenty_revocations_at_once_are_one() {
    let roster = Roster::start().await;
    let (id, secret) = make(&roster, demo::VIEWER, json!({})).await;
    let path = one(id);
    let answers =
        futures::future::join_all((0..20).map(|_| roster.delete(&path, demo::VIEWER))).await;
    assert_eq!(sorted(&answers), [200; 20]);
    assert_eq!(status_by(&roster, &secret).await, 401);
    let actions = [("key.created", id), ("key.revoked", id)];
    assert_eq!(
        history(&roster, demo::VIEWER).await,
        actions.map(|(action, id)| (action.to_owned(), id))
    );
    check(&roster).await;
}

#[tokio::test]
async fn a_rotation_that_races_a_revocation_leaves_the_old_key_revoked_and_the_new_one_whole() {
    let roster = Roster::start().await;
    for round in 0..20 {
        let (old, old_text) = make(&roster, demo::VIEWER, json!({})).await;
        let before = listed(&roster, demo::VIEWER).await;
        let (rotate, revoke) = (rotation(old), one(old));
        let (rotated, revoked) = if round % 2 == 0 {
            futures::join!(
                send(post(&roster, &rotate, demo::VIEWER)),
                roster.delete(&revoke, demo::VIEWER)
            )
        } else {
            let (revoked, rotated) = futures::join!(
                roster.delete(&revoke, demo::VIEWER),
                send(post(&roster, &rotate, demo::VIEWER))
            );
            (rotated, revoked)
        };
        revoked.expect(200);
        let after = listed(&roster, demo::VIEWER).await;
        assert_eq!(
            (&after[&old]["is_active"], status_by(&roster, &old_text).await),
            (&json!(false), 401)
        );
        let new: Vec<_> = after.keys().filter(|id| !before.contains_key(id)).copied().collect();
        match rotated.status {
            201 => {
                let (id, secret) = made(&rotated);
                assert_eq!((new, status_by(&roster, &secret).await), (vec![id], 200));
            }
            status => assert_eq!((status, new), (409, vec![])),
        }
        check(&roster).await;
    }
}

#[tokio::test]
async fn who_is_erased_leaves_no_key_behind() {
    let roster = Roster::start().await;
    let managed = demo::id(0x61);
    let (_, own) = made(&send(post(&roster, DEFAULT, managed)).await);
    let (_, given) = made(
        &send(post(&roster, &format!("/v1/admin/users/{managed}/keys"), demo::PLATFORM_OPERATOR))
            .await,
    );
    roster.delete(&format!("/api/v1/users/{managed}"), demo::MANAGER).await.expect(200);
    assert_eq!((status_by(&roster, &own).await, status_by(&roster, &given).await), (401, 401));
    assert_eq!(roster.keys_with(&format!("USER#{managed}")).await, [""; 0]);
    check(&roster).await;
}

#[tokio::test]
async fn a_key_made_while_its_user_is_erased_goes_with_the_user() {
    // The key's caller is read before the user is marked, and the key written after what is the
    // user's was listed.
    let latency = std::time::Duration::from_millis(40);
    let roster = Roster::start_with(|options| options.latency = latency).await;
    for round in 0..4 {
        let body = json!({"first_name": format!("Short {round}"), "last_name": null});
        let user = roster
            .call(Method::POST, "/api/v1/users/", demo::MANAGER, &body)
            .await
            .expect(200)
            .json();
        let id: Uuid = user["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        let path = format!("/api/v1/users/{id}");
        let make = async {
            tokio::time::sleep(latency / 2).await;
            roster.call(Method::POST, "/v1/keys/default", id, &json!({})).await
        };
        let (erased, made) = tokio::join!(roster.delete(&path, demo::MANAGER), make);
        erased.expect(200);
        assert!([201, 401, 403].contains(&made.status), "{made:?}");
    }
    roster.check_table().await;
}
