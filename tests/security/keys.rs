//! Attacks with API keys: power beyond the key's permissions, its end, its networks and its owner.

use std::sync::{Arc, Mutex};

use functions::log::{BatchLine, Log, PurgeLine, RebuildLine, RequestLine};
use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use shared::models::{Role, Status};
use shared::store::Act;
use tests::checks::{INVITED, key};
use tests::direct::Call;
use tests::{Answer, Roster};
use uuid::Uuid;

const MEMBERS: &str = "/api/admin/user-admin";
const INACTIVE: &str = "/api/admin/user-admin/inactive/delete";
const KEYS: &str = "/v1/keys";
const ME: &str = "/v1/account/me";
const DAY: i64 = 86_400;

/// An operator of the demo team who was invited and has not signed up, and the number in the team.
const PENDING: (Uuid, u64) = (demo::id(0x10b), 11);
/// The numbers of members who signed up.
const OWNER: u64 = 1;
const OPERATOR: u64 = 3;
const VIEWER: u64 = 4;

fn member(number: u64) -> String {
    format!("{MEMBERS}/{number}")
}

async fn ask(roster: &Roster, method: Method, path: &str, credential: &str, body: Value) -> Answer {
    let call = Call::new(method, path).credential(credential);
    roster.direct(&if body.is_null() { call } else { call.json(&body) }).await
}

/// Makes a key with the owner's token, and returns its text.
async fn make(roster: &Roster, owner: Uuid, body: Value) -> String {
    let answer = ask(roster, Method::POST, KEYS, &roster.token(owner), body).await.expect(201);
    answer.json()["key"].as_str().expect("a text").to_owned()
}

/// A key of the demo team's administrator with those permissions.
async fn with(roster: &Roster, permissions: &[&str]) -> String {
    make(roster, demo::ADMIN, json!({"permissions": permissions})).await
}

async fn user(roster: &Roster, id: Uuid) -> shared::models::User {
    roster.user(id).await.expect("the user is there")
}

/// A refusal for a permission that the key lacks, which says which.
#[track_caller]
fn assert_lacks(answer: &Answer, permission: &str) {
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(answer.text.contains(&format!("lacks the permission `{permission}`")), "{answer:?}");
}

#[tokio::test]
async fn a_key_ends_no_person_whatever_its_permissions() {
    let roster = Roster::start().await;
    let all = key(demo::ADMIN, 1);
    for number in [OWNER, OPERATOR, VIEWER] {
        let answer =
            ask(&roster, Method::DELETE, &member(number), &all, Value::Null).await.expect(403);
        assert!(answer.text.contains("use a token"), "{answer:?}");
    }
    for id in [demo::ADMIN, demo::OPERATOR, demo::VIEWER] {
        assert_eq!(user(&roster, id).await.status, Status::Active);
    }
    ask(&roster, Method::DELETE, "/v1/account", &all, Value::Null).await.expect(401);
    let gone = format!("/v1/admin/users/{}", demo::id(0x110));
    ask(&roster, Method::DELETE, &gone, &key(demo::PLATFORM_OPERATOR, 2), Value::Null)
        .await
        .expect(403);

    // Who was invited is no person yet.
    ask(&roster, Method::DELETE, &member(PENDING.1), &all, Value::Null).await.expect(200);
    assert_eq!(user(&roster, PENDING.0).await.status, Status::Deleted);
    ask(&roster, Method::DELETE, &member(VIEWER), &roster.token(demo::ADMIN), Value::Null)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_key_ends_no_person_who_is_inactive() {
    let roster = Roster::start().await;
    roster.advance(200 * DAY);
    let ids = json!({"ids": [PENDING.1, VIEWER]});
    ask(&roster, Method::POST, INACTIVE, &key(demo::ADMIN, 1), ids.clone()).await.expect(403);
    assert_eq!(
        (user(&roster, PENDING.0).await.status, user(&roster, demo::VIEWER).await.status),
        (Status::Invited, Status::Active)
    );
    ask(&roster, Method::POST, INACTIVE, &key(demo::ADMIN, 1), json!({"ids": [PENDING.1]}))
        .await
        .expect(200);
    assert_eq!(user(&roster, PENDING.0).await.status, Status::Deleted);
    ask(&roster, Method::POST, INACTIVE, &roster.token(demo::ADMIN), ids).await.expect(200);
    assert_eq!(user(&roster, demo::VIEWER).await.status, Status::Deleted);
}

#[tokio::test]
async fn a_key_makes_no_administrator_who_outlives_it() {
    let roster = Roster::start().await;
    let weak = with(&roster, &["members:read", "members:write", "invites:write"]).await;
    let strong = with(&roster, &["members:write", "admins:write"]).await;
    let new = |email: &str, role: Value| json!({"email": email, "rootRole": role});
    for role in [json!(1), json!("Admin")] {
        let answer =
            ask(&roster, Method::POST, MEMBERS, &weak, new("eve@example.com", role.clone())).await;
        assert_lacks(&answer, "admins:write");
        let answer =
            ask(&roster, Method::PUT, &member(VIEWER), &weak, json!({"rootRole": role})).await;
        assert_lacks(&answer, "admins:write");
    }
    assert!(!roster.items().await.iter().any(|item| item["pk"] == "EMAIL#eve@example.com"));
    assert_eq!(user(&roster, demo::VIEWER).await.role, Role::Viewer);

    // One step after the other: a viewer first, who is raised then.
    let made = ask(&roster, Method::POST, MEMBERS, &weak, new("eve@example.com", json!(3)))
        .await
        .expect(201)
        .json();
    let eve = member(made["id"].as_u64().expect("a number"));
    assert_lacks(
        &ask(&roster, Method::PUT, &eve, &weak, json!({"rootRole": 1})).await,
        "admins:write",
    );
    ask(&roster, Method::PUT, &eve, &weak, json!({"rootRole": 2})).await.expect(200);
    // An administrator who has not signed up yet would be whoever has the email.
    let taken_over =
        ask(&roster, Method::PUT, &member(10), &weak, json!({"email": "mallory@example.com"}))
            .await;
    assert_lacks(&taken_over, "admins:write");
    assert_lacks(
        &ask(&roster, Method::DELETE, &member(10), &weak, Value::Null).await,
        "admins:write",
    );
    assert_eq!(user(&roster, INVITED).await.status, Status::Invited);

    ask(&roster, Method::PUT, &eve, &strong, json!({"rootRole": 1})).await.expect(200);
    ask(&roster, Method::POST, MEMBERS, &strong, new("ada@example.com", json!(1)))
        .await
        .expect(201);
    // On top of `members:write`, and not in its place.
    let alone = with(&roster, &["admins:write"]).await;
    assert_lacks(
        &ask(&roster, Method::POST, MEMBERS, &alone, new("bob@example.com", json!(1))).await,
        "members:write",
    );
}

#[tokio::test]
async fn a_key_neither_removes_nor_changes_its_owners_membership() {
    let roster = Roster::start().await;
    // With another administrator beside, so that nothing else stands against it.
    ask(
        &roster,
        Method::PUT,
        &member(OPERATOR),
        &roster.token(demo::ADMIN),
        json!({"rootRole": 1}),
    )
    .await
    .expect(200);
    let before = user(&roster, demo::ADMIN).await;
    let all = key(demo::ADMIN, 1);
    for body in [
        json!({"rootRole": 3}),
        json!({"email": "mallory@example.com"}),
        json!({"name": "Ada", "rootRole": 2}),
    ] {
        let answer = ask(&roster, Method::PUT, &member(OWNER), &all, body).await.expect(403);
        assert!(answer.text.contains("its owner's own membership"), "{answer:?}");
    }
    ask(&roster, Method::DELETE, &member(OWNER), &all, Value::Null).await.expect(403);
    let after = user(&roster, demo::ADMIN).await;
    assert_eq!(
        (after.role, after.status, after.email, after.version),
        (before.role, before.status, before.email, before.version)
    );
}

#[tokio::test]
async fn a_key_lets_nobody_in_without_sharing_write() {
    let roster = Roster::start().await;
    let others = [
        "account:read",
        "account:write",
        "members:write",
        "managed-users:read",
        "managed-users:write",
        "sandboxes:write",
    ];
    let key = with(&roster, &others).await;
    let share = format!("/api/v1/users/shares/{}", demo::OTHER_ADMIN);
    assert_lacks(
        &ask(&roster, Method::PUT, &share, &key, json!({"scopes": ["data:read"]})).await,
        "sharing:write",
    );
    let given = format!("/api/v1/users/shares/{}", demo::MANAGER);
    assert_lacks(&ask(&roster, Method::DELETE, &given, &key, Value::Null).await, "sharing:write");
    let shares = ask(&roster, Method::GET, "/api/v1/users/shares", &key, Value::Null)
        .await
        .expect(200)
        .json();
    let with_whom: Vec<_> =
        shares.as_array().into_iter().flatten().map(|share| share["user_id"].clone()).collect();
    assert_eq!(with_whom, [json!(demo::MANAGER)]);
    let sharing = with(&roster, &["sharing:write"]).await;
    ask(&roster, Method::PUT, &share, &sharing, json!({"scopes": ["data:read"]})).await.expect(200);
}

#[tokio::test]
async fn a_key_makes_no_key_and_touches_none() {
    let roster = Roster::start().await;
    let before = roster.items().await;
    let own = demo::id(0xf204);
    for credential in [key(demo::ADMIN, 1), key(demo::PLATFORM_OPERATOR, 1)] {
        for (method, path) in [
            (Method::POST, KEYS.to_owned()),
            (Method::POST, "/v1/keys/default".to_owned()),
            (Method::POST, format!("/v1/keys/{own}/rotate")),
            (Method::DELETE, format!("/v1/keys/{own}")),
            (Method::POST, format!("/v1/admin/users/{}/keys", demo::VIEWER)),
            (Method::POST, "/api/v1/oauth/delegated-token".to_owned()),
            (Method::GET, "/api/v1/oauth/principal-token".to_owned()),
        ] {
            let answer = ask(&roster, method, &path, &credential, Value::Null).await;
            assert!([401, 403].contains(&answer.status), "{path}: {answer:?}");
        }
    }
    let ids = |items: &[serde_json::Map<String, Value>]| {
        items.iter().filter(|item| item["sk"] == "KEY").count()
    };
    assert_eq!(ids(&before), ids(&roster.items().await));
}

#[tokio::test]
async fn a_key_that_nothing_was_asked_for_opens_the_account_and_sandboxes_alone() {
    let roster = Roster::start().await;
    let usual = make(&roster, demo::ADMIN, json!({"name": "ci"})).await;
    ask(&roster, Method::GET, ME, &usual, Value::Null).await.expect(200);
    ask(&roster, Method::POST, "/v1/sandboxes", &usual, json!({"template": "base"}))
        .await
        .expect(201);
    let team = format!("/api/v1/admin_user?account_id={}", demo::TEAM);
    for (method, path, body, permission) in [
        (Method::PATCH, ME, json!({"display_name": "Eve"}), "account:write"),
        (Method::GET, MEMBERS, Value::Null, "members:read"),
        (Method::GET, team.as_str(), Value::Null, "members:read"),
        (Method::GET, "/users", Value::Null, "members:read"),
        (
            Method::POST,
            MEMBERS,
            json!({"email": "eve@example.com", "rootRole": 3}),
            "members:write",
        ),
        (Method::POST, "/api/v1/admin_user_invite", json!({}), "invites:write"),
        (Method::GET, "/api/v1/users/", Value::Null, "managed-users:read"),
        (
            Method::POST,
            "/api/v1/users/",
            json!({"first_name": "Eve", "last_name": null}),
            "managed-users:write",
        ),
    ] {
        assert_lacks(&ask(&roster, method, path, &usual, body).await, permission);
    }
    let none = with(&roster, &[]).await;
    for (path, permission) in
        [(ME, "account:read"), (KEYS, "account:read"), ("/v1/account/export", "account:read")]
    {
        assert_lacks(&ask(&roster, Method::GET, path, &none, Value::Null).await, permission);
    }
}

#[tokio::test]
async fn nobody_gives_a_key_more_than_their_role_allows() {
    let roster = Roster::start().await;
    for (caller, refused) in [
        (
            demo::VIEWER,
            vec!["members:write", "admins:write", "invites:write", "managed-users:write"],
        ),
        (demo::OPERATOR, vec!["members:write", "admins:write", "invites:write"]),
    ] {
        let token = roster.token(caller);
        let own = ask(&roster, Method::POST, KEYS, &token, json!({})).await.expect(201).json();
        let rotation = format!("{KEYS}/{}/rotate", own["id"].as_str().expect("an id"));
        for permission in refused {
            for path in [KEYS, &rotation] {
                let answer = ask(
                    &roster,
                    Method::POST,
                    path,
                    &token,
                    json!({"permissions": ["account:read", permission]}),
                )
                .await
                .expect(422);
                assert!(answer.text.contains(&format!("`{permission}`")), "{answer:?}");
            }
        }
    }
    // An administrator who is one no longer keeps no power through an old key, nor by rotating it.
    let old = ask(
        &roster,
        Method::POST,
        KEYS,
        &roster.token(demo::ADMIN),
        json!({"permissions": ["members:write", "members:read"]}),
    )
    .await
    .expect(201)
    .json();
    ask(
        &roster,
        Method::PUT,
        &member(OPERATOR),
        &roster.token(demo::ADMIN),
        json!({"rootRole": 1}),
    )
    .await
    .expect(200);
    ask(
        &roster,
        Method::PUT,
        &member(OWNER),
        &roster.token(demo::OPERATOR),
        json!({"rootRole": 3}),
    )
    .await
    .expect(200);
    let text = old["key"].as_str().expect("a text");
    ask(&roster, Method::PUT, &member(VIEWER), text, json!({"rootRole": 2})).await.expect(403);
    let rotation = format!("{KEYS}/{}/rotate", old["id"].as_str().expect("an id"));
    let rotated = ask(&roster, Method::POST, &rotation, &roster.token(demo::ADMIN), json!({}))
        .await
        .expect(201)
        .json();
    assert_eq!(rotated["permissions"], json!(["members:read"]));
}

#[tokio::test]
async fn no_key_is_without_an_end_or_lives_longer_than_a_key_may() {
    let roster = Roster::start_with(|options| options.config.key_max_days = 30).await;
    let token = roster.token(demo::VIEWER);
    let latest = roster.now().plus_seconds(30 * DAY);
    for body in [json!({}), json!({"expires_at": null}), json!({"expires_at": latest})] {
        let made = ask(&roster, Method::POST, KEYS, &token, body).await.expect(201).json();
        assert_eq!(made["expires_at"], json!(latest));
    }
    let default =
        ask(&roster, Method::POST, "/v1/keys/default", &token, json!({})).await.expect(201).json();
    assert_eq!(default["expires_at"], json!(latest));
    let later = latest.plus_seconds(1);
    let rotation = format!("{KEYS}/{}/rotate", default["id"].as_str().expect("an id"));
    for path in [KEYS, &rotation] {
        let answer = ask(&roster, Method::POST, path, &token, json!({"expires_at": later}))
            .await
            .expect(422);
        assert!(answer.text.contains("at most 30 days ahead"), "{answer:?}");
    }
    roster.advance(DAY);
    let rotated = ask(&roster, Method::POST, &rotation, &roster.token(demo::VIEWER), json!({}))
        .await
        .expect(201)
        .json();
    assert_eq!(
        rotated["expires_at"],
        json!(roster.now().plus_seconds(30 * DAY)),
        "its life is renewed"
    );
    let text = rotated["key"].as_str().expect("a text");
    roster.advance(30 * DAY);
    ask(&roster, Method::GET, ME, text, Value::Null).await.expect(401);
}

#[tokio::test]
async fn a_key_that_an_operator_mints_ends_after_a_day_and_says_who_made_it() {
    let roster = Roster::start().await;
    let operator = roster.token(demo::PLATFORM_OPERATOR);
    let minting = |id| format!("/v1/admin/users/{id}/keys");
    let made =
        ask(&roster, Method::POST, &minting(demo::VIEWER), &operator, json!({"name": "support"}))
            .await
            .expect(201)
            .json();
    assert_eq!(made["expires_at"], json!(roster.now().plus_seconds(DAY)));
    let token = roster.token(demo::VIEWER);
    let listed = ask(&roster, Method::GET, KEYS, &token, Value::Null).await.expect(200).json();
    assert_eq!(
        (&listed[0]["minted_by"], &listed[0]["expires_at"]),
        (&json!(demo::PLATFORM_OPERATOR), &made["expires_at"])
    );
    let log = ask(
        &roster,
        Method::GET,
        &format!("/v1/admin/users/{}/audit-log", demo::VIEWER),
        &operator,
        Value::Null,
    )
    .await;
    let entry = &log.expect(200).json()[0];
    assert_eq!(
        (&entry["action"], &entry["actor_id"]),
        (&json!("key.created"), &json!(demo::PLATFORM_OPERATOR))
    );
    assert_eq!(
        entry["changes"]["permissions"]["after"],
        json!(["account:read", "sandboxes:read", "sandboxes:write"])
    );

    // Nobody makes it last.
    let rotation = format!("{KEYS}/{}/rotate", made["id"].as_str().expect("an id"));
    ask(&roster, Method::POST, &rotation, &token, json!({})).await.expect(409);
    let text = made["key"].as_str().expect("a text");
    ask(&roster, Method::GET, ME, text, Value::Null).await.expect(200);
    ask(&roster, Method::GET, "/v1/admin/quota-tiers", text, Value::Null).await.expect(403);
    roster.advance(DAY);
    ask(&roster, Method::GET, ME, text, Value::Null).await.expect(401);
}

#[tokio::test]
async fn an_operator_mints_no_key_for_another_operator() {
    let roster = Roster::start().await;
    let act = Act::new(demo::PLATFORM_OPERATOR, "user.made_operator", roster.now());
    roster
        .server
        .data
        .store
        .set_operator(demo::OTHER_ADMIN, true, &act)
        .await
        .expect("an operator is made");
    let operator = roster.token(demo::PLATFORM_OPERATOR);
    let minting = |id| format!("/v1/admin/users/{id}/keys");
    let answer = ask(&roster, Method::POST, &minting(demo::OTHER_ADMIN), &operator, json!({}))
        .await
        .expect(422);
    assert_eq!(answer.json()["code"], "invalid_request");
    let keys = ask(&roster, Method::GET, KEYS, &roster.token(demo::OTHER_ADMIN), Value::Null)
        .await
        .expect(200)
        .json();
    assert_eq!(keys, json!([]));
    ask(&roster, Method::POST, &minting(demo::PLATFORM_OPERATOR), &operator, json!({}))
        .await
        .expect(201);
}

#[tokio::test]
async fn a_scope_is_a_word_for_people_but_for_operator() {
    let roster = Roster::start().await;
    for caller in [demo::ADMIN, demo::VIEWER] {
        ask(&roster, Method::POST, KEYS, &roster.token(caller), json!({"scope": "operator"}))
            .await
            .expect(422);
    }
    for scope in ["Operator", " operator", "operators", "admin", "read write"] {
        let key = make(&roster, demo::PLATFORM_OPERATOR, json!({"scope": scope})).await;
        ask(&roster, Method::GET, "/v1/admin/quota-tiers", &key, Value::Null).await.expect(403);
        let listed = ask(&roster, Method::GET, KEYS, &key, Value::Null).await.expect(200).json();
        assert!(
            listed.as_array().into_iter().flatten().any(|key| key["scope"] == scope),
            "{scope}"
        );
    }
    let operator =
        make(&roster, demo::PLATFORM_OPERATOR, json!({"scope": "operator", "permissions": []}))
            .await;
    ask(&roster, Method::GET, "/v1/admin/quota-tiers", &operator, Value::Null).await.expect(200);
    ask(
        &roster,
        Method::GET,
        &format!("/api/v1/admin_user?account_id={}", demo::TEAM),
        &operator,
        Value::Null,
    )
    .await
    .expect(403);

    // Whoever operates no longer has no such key, nor gets one by rotating an old one.
    let act = Act::new(demo::PLATFORM_OPERATOR, "user.unmade_operator", roster.now());
    roster
        .server
        .data
        .store
        .set_operator(demo::PLATFORM_OPERATOR, false, &act)
        .await
        .expect("an operator is unmade");
    ask(&roster, Method::GET, "/v1/admin/quota-tiers", &operator, Value::Null).await.expect(403);
    let token = roster.token(demo::PLATFORM_OPERATOR);
    let rotation = format!("{KEYS}/{}/rotate", demo::id(0xf101));
    ask(&roster, Method::POST, &rotation, &token, json!({})).await.expect(409);
    ask(&roster, Method::POST, &rotation, &token, json!({"scope": "mine"})).await.expect(201);
}

/// Why requests were refused.
#[derive(Default)]
struct Causes(Mutex<Vec<Option<String>>>);

impl Log for Causes {
    fn request(&self, line: &RequestLine) {
        self.0.lock().expect("the causes").push(line.cause.clone());
    }
    fn purge(&self, _: &PurgeLine) {}
    fn batch(&self, _: &BatchLine) {}

    fn rebuild(&self, _: &RebuildLine) {}
}

#[tokio::test]
async fn a_key_is_refused_from_outside_its_networks() {
    let causes = Arc::new(Causes::default());
    let log = causes.clone();
    let roster = Roster::start_with(|options| options.log = log).await;
    let networks = json!(["203.0.113.7/24", "2001:db8::/32", "198.51.100.9/32"]);
    let key = make(&roster, demo::VIEWER, json!({"allowed_ips": networks})).await;
    let listed = ask(&roster, Method::GET, KEYS, &roster.token(demo::VIEWER), Value::Null)
        .await
        .expect(200)
        .json();
    assert_eq!(
        listed[0]["allowed_ips"],
        json!(["203.0.113.0/24", "2001:db8::/32", "198.51.100.9/32"])
    );
    for (source, status) in [
        ("203.0.113.250", 200),
        ("::ffff:203.0.113.1", 200),
        ("2001:db8:1::1", 200),
        ("198.51.100.9", 200),
        ("198.51.100.10", 401),
        ("203.0.114.1", 401),
        ("2001:db9::1", 401),
        ("127.0.0.1", 401),
        ("", 401),
    ] {
        let answer = roster.direct(&Call::new(Method::GET, ME).credential(&key).from(source)).await;
        assert_eq!(answer.status, status, "{source}: {answer:?}");
        if status == 401 {
            assert_eq!(answer.json()["code"], "unauthorized");
            let cause = causes.0.lock().expect("the causes").last().cloned().flatten();
            assert_eq!(cause.as_deref(), Some("the API key may not be used from this address"));
        }
    }
    let rotation = format!("{KEYS}/{}/rotate", listed[0]["id"].as_str().expect("an id"));
    let rotated = ask(&roster, Method::POST, &rotation, &roster.token(demo::VIEWER), json!({}))
        .await
        .expect(201)
        .json();
    assert_eq!(
        rotated["allowed_ips"], listed[0]["allowed_ips"],
        "a rotated key stays where it was"
    );
}

#[tokio::test]
async fn what_is_no_network_or_permission_makes_no_key() {
    let roster = Roster::start().await;
    let many: Vec<String> = (0..21).map(|place| format!("203.0.113.{place}/32")).collect();
    for body in [
        json!({"allowed_ips": "203.0.113.0/24"}),
        json!({"allowed_ips": ["203.0.113.7"]}),
        json!({"allowed_ips": ["203.0.113.0/33"]}),
        json!({"allowed_ips": ["::ffff:203.0.113.0/120"]}),
        json!({"allowed_ips": ["example.com"]}),
        json!({"allowed_ips": [7]}),
        json!({"allowed_ips": many}),
        json!({"permissions": "members:read"}),
        json!({"permissions": ["members:*"]}),
        json!({"permissions": ["Members:Read"]}),
        json!({"permissions": [null]}),
        json!({"scope": "x".repeat(65)}),
    ] {
        let answer =
            ask(&roster, Method::POST, KEYS, &roster.token(demo::ADMIN), body.clone()).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (422, Some("invalid_request")),
            "{body}"
        );
    }
    let twice = json!({"permissions": ["sharing:write", "account:read", "sharing:write"]});
    let made = ask(&roster, Method::POST, KEYS, &roster.token(demo::ADMIN), twice)
        .await
        .expect(201)
        .json();
    assert_eq!(made["permissions"], json!(["account:read", "sharing:write"]), "a set");
}

#[tokio::test]
async fn a_key_stored_without_permissions_has_the_usual_and_one_without_an_end_has_ended() {
    let roster = Roster::start().await;
    let key = make(&roster, demo::ADMIN, json!({"permissions": ["members:read"]})).await;
    let table = &roster.table;
    let client = &roster.server.data.client;
    let items = roster.items().await;
    let is_new = |item: &&serde_json::Map<String, Value>| {
        item.get("permissions") == Some(&json!(["members:read"]))
    };
    let keys: Vec<_> = items.iter().filter(is_new).collect();
    assert_eq!(keys.len(), 2, "where it is listed, and where it is found");
    for name in ["permissions", "expires_at"] {
        for item in &keys {
            let mut update =
                client.update_item().table_name(table).update_expression("REMOVE #name");
            for part in ["pk", "sk"] {
                let text = item[part].as_str().expect("a key").to_owned();
                update = update.key(part, aws_sdk_dynamodb::types::AttributeValue::S(text));
            }
            update.expression_attribute_names("#name", name).send().await.expect("it is removed");
        }
        let answer = ask(&roster, Method::GET, MEMBERS, &key, Value::Null).await;
        assert_eq!(answer.status, if name == "permissions" { 403 } else { 401 }, "{answer:?}");
    }
}
