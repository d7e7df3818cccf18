//! The purge leaves nothing of a person, in any item of the table.

use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use shared::Timestamp;
use shared::models::{AuditCredential, Role, Status, User};
use shared::table::Sequence;
use std::time::Duration;
use tests::{Answer, Roster, send, sign};
use tokio::time::Instant;
use uuid::Uuid;

/// The texts by which the founder is known, all of letters that nobody else's have in a row.
const FOUNDER: [&str; 9] = [
    "Zephyrq",
    "Wolkvax",
    "zephyrq.wolkvax",
    "Jubxqo",
    "Vexquil",
    "Kwyjibo",
    "Grumblyx",
    "Fqwyrdvax",
    "Quuxbrow",
];

const FOUNDER_ID: Uuid = demo::id(0x9001);
const MEMBER: Uuid = demo::id(0x9002);

/// Sends a request with these claims in the token beside the usual ones.
async fn as_someone(
    roster: &Roster,
    id: Uuid,
    email: &str,
    name: &str,
    method: Method,
    path: &str,
    body: &Value,
) -> Answer {
    let mut claims = roster.claims(id);
    claims["email"] = json!(email);
    claims["email_verified"] = json!(true);
    claims["user_metadata"] = json!({"full_name": name});
    let request = roster
        .request(method, path)
        .bearer_auth(sign(&claims))
        .header("user-agent", "Quuxbrow/1.0");
    send(request.json(body)).await
}

async fn purge(roster: &Roster) {
    let store = &roster.server.data.store;
    let report = store
        .purge(
            &AuditCredential::schedule(),
            roster.now(),
            Instant::now() + Duration::from_secs(3600),
        )
        .await
        .expect("a purge");
    assert_eq!((report.failed, report.finished), (0, true));
    roster.server.data.settle().await.expect("the stream is read");
}

#[tokio::test]
async fn nothing_is_left_of_a_founder() {
    let roster = Roster::start().await;
    let founder = async |method: Method, path: &str, body: Value| {
        as_someone(
            &roster,
            FOUNDER_ID,
            "zephyrq.wolkvax@jubxqo.example",
            "Zephyrq Wolkvax",
            method,
            path,
            &body,
        )
        .await
    };
    let team =
        founder(Method::POST, "/v1/account", json!({})).await.expect(201).json()["team"].clone();
    assert!(team["name"].as_str().expect("a name").contains("phyrq"), "{team}");
    founder(Method::PATCH, "/v1/account/me", json!({"display_name": "Vexquil"})).await.expect(200);
    founder(Method::PATCH, "/v1/account/me", json!({"display_name": "Zephyrq Kwyjibo"}))
        .await
        .expect(200);
    founder(Method::POST, "/v1/keys", json!({"name": "Kwyjibo"})).await.expect(201);
    let sandbox = json!({"template": "base", "metadata": {"note": "Grumblyx"}});
    founder(Method::POST, "/v1/sandboxes", sandbox).await.expect(201);
    founder(Method::POST, "/api/v1/users/", json!({"first_name": "Fqwyrdvax", "last_name": null}))
        .await
        .expect(200);
    // Someone joins, so that the team stays; and someone does not.
    let invite = json!({"details": {"email": "mona@example.com", "account_id": team["id"]}});
    founder(Method::POST, "/api/v1/admin_user_invite", invite).await.expect(200);
    let joined = as_someone(
        &roster,
        MEMBER,
        "mona@example.com",
        "Mona",
        Method::POST,
        "/v1/account",
        &json!({}),
    )
    .await
    .expect(201);
    assert_eq!(joined.json()["team"]["id"], team["id"]);
    let number = roster.user(MEMBER).await.expect("a user").number;
    let promote = json!({"rootRole": 1});
    founder(Method::PUT, &format!("/api/admin/user-admin/{number}"), promote).await.expect(200);
    // An operator says why.
    let reason = json!({"reason": "Grumblyx, says Zephyrq"});
    for action in ["suspend", "unsuspend"] {
        let path = format!("/v1/admin/users/{FOUNDER_ID}/{action}");
        roster.call(Method::POST, &path, demo::PLATFORM_OPERATOR, &reason).await.expect(200);
    }
    assert!(!roster.traces(&FOUNDER).await.is_empty());
    founder(Method::DELETE, "/v1/account", json!({})).await.expect(202);
    roster.advance(31 * 86_400);
    purge(&roster).await;
    assert_eq!(roster.traces(&FOUNDER).await, [""; 0]);
    // The team goes on under another name, in every copy.
    let me = roster.get("/v1/account/me", MEMBER).await.expect(200).json();
    let name = me["team"]["name"].as_str().expect("a name").to_owned();
    assert!(name.starts_with("Team "), "{name}");
    assert_eq!(roster.user(MEMBER).await.expect("a user").team_name, name);
    roster.check_table().await;
}

#[tokio::test]
async fn nothing_is_left_of_who_was_invited_and_is_not_any_more() {
    let roster = Roster::start().await;
    let invite = json!({"details": {"email": "zephyrq@jubxqo.example", "account_id": demo::TEAM}});
    let made = roster
        .call(Method::POST, "/api/v1/admin_user_invite", demo::ADMIN, &invite)
        .await
        .expect(200)
        .json();
    let path = format!(
        "/api/v1/admin_user_invite/{}/revoke",
        made["details"]["id"].as_str().expect("an id")
    );
    roster.call(Method::POST, &path, demo::ADMIN, &json!({})).await.expect(200);
    roster.server.data.settle().await.expect("the stream is read");
    assert_eq!(roster.traces(&["zephyrq", "jubxqo"]).await, [""; 0]);
    let path = format!("/api/v1/admin_user_invite?account_id={}&sorting=-id", demo::TEAM);
    let newest = roster.get(&path, demo::ADMIN).await.expect(200).json()["summaries"][0].clone();
    assert_eq!(
        (&newest["status"], &newest["email"], &newest["title"]),
        (&json!("revoked"), &json!(""), &json!("revoked"))
    );
}

/// A member whose name and email begin like those of many others.
fn member(n: u32, now: Timestamp) -> User {
    let leaves = !n.is_multiple_of(3);
    // Every other letter is the number's, so that cells begin far into the name.
    let spread = u64::from(n) * 7919 % 100_003;
    let name = if leaves { format!("mozephyrq{spread:06}") } else { format!("mo{spread:06}") };
    let mut user = User::new(
        Uuid::new_v5(&Uuid::NAMESPACE_OID, &n.to_be_bytes()),
        1000 + u64::from(n),
        (demo::TEAM, "Acme Robotics"),
        now,
    );
    user.email = Some(format!("{name}@example.com"));
    user.name = Some(name);
    user.role = Role::Viewer;
    if leaves {
        user.status = Status::Deleted;
        user.delete_scheduled_at = Some(now.plus_seconds(60));
    }
    user
}

/// The rank index's cells begin like names: those of people who go must go too, whether they stand
/// inside an item or give it its key.
#[tokio::test]
async fn no_beginning_of_a_name_is_left_where_lists_are_counted() {
    let roster = Roster::start().await;
    let users: Vec<User> = (0..1500).map(|n| member(n, roster.now())).collect();
    for users in users.chunks(11) {
        roster.server.data.store.load_users(users).await.expect("users");
    }
    roster.server.data.settle().await.expect("the stream is read");
    let begins = async || {
        let cells =
            roster.server.data.store.counted(demo::TEAM, Sequence::Name).await.expect("counts");
        cells.into_iter().filter(|(from, _)| from.contains("zephyr")).count()
    };
    assert!(begins().await > 20, "cells begin like people");
    let spans = async || {
        roster.keys_of_spans().await.into_iter().filter(|key| key.contains("zephyr")).count()
    };
    assert!(spans().await > 1, "items begin like people");
    roster.check_table().await;
    roster.advance(61);
    purge(&roster).await;
    assert_eq!(roster.traces(&["zephyrq"]).await, [""; 0]);
    roster.check_table().await;
}

/// A change of the name takes the old one away as well.
#[tokio::test]
async fn no_beginning_of_a_former_name_is_left() {
    let roster = Roster::start().await;
    let users: Vec<User> = (0..300)
        .map(|n| User {
            status: Status::Active,
            delete_scheduled_at: None,
            ..member(n, roster.now())
        })
        .collect();
    for users in users.chunks(11) {
        roster.server.data.store.load_users(users).await.expect("users");
    }
    roster.server.data.settle().await.expect("the stream is read");
    for user in
        users.iter().filter(|user| user.name.as_ref().is_some_and(|name| name.contains("zephyrq")))
    {
        let change = json!({"name": format!("ba{}", user.number), "email": format!("ba{}@example.com", user.number)});
        roster
            .call(
                Method::PUT,
                &format!("/api/admin/user-admin/{}", user.number),
                demo::ADMIN,
                &change,
            )
            .await
            .expect(200);
    }
    let items: Vec<_> = roster
        .traces(&["zephyrq"])
        .await
        .into_iter()
        .filter(|item| item.contains("SPANS#"))
        .collect();
    assert_eq!(items, [""; 0]);
    roster.check_table().await;
}

#[tokio::test]
async fn the_export_has_what_was_done_before_one_signed_up() {
    let roster = Roster::start().await;
    let invite = json!({"details": {"email": "mona@example.com", "account_id": demo::TEAM}});
    roster.call(Method::POST, "/api/v1/admin_user_invite", demo::ADMIN, &invite).await.expect(200);
    as_someone(
        &roster,
        MEMBER,
        "mona@example.com",
        "Mona",
        Method::POST,
        "/v1/account",
        &json!({}),
    )
    .await
    .expect(201);
    let export = roster.get("/v1/account/export", MEMBER).await.expect(200).json();
    let actions: Vec<_> = export["audit_log"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| entry["action"].clone())
        .collect();
    assert_eq!(actions, ["user.signed_up", "user.invited"]);
}

/// Every kind of text that is known of someone, each of letters that nobody else's have in a row.
const KNOWN: [&str; 11] = [
    "xylquorp",
    "brzqwik",
    "jklmyvex",
    "qwuzzit",
    "vyzzamo",
    "ykqzzvw",
    "zzbqwxv",
    "91.233.77.199",
    "quaxtor",
    "mumblyx",
    "fjordqvy",
];

/// An operator erases someone of whom everything is known, and says why: nothing is left, the
/// reasons among it, neither in the person's history nor in that of who was managed by them.
#[tokio::test]
async fn nothing_is_left_of_who_is_erased_for_a_reason() {
    let roster = Roster::start().await;
    let now = roster.now();
    let mut user = User::new(FOUNDER_ID, 900, (demo::TEAM, "Acme Robotics"), now);
    user.role = Role::Operator;
    user.email = Some("xylquorp@brzqwik.example".into());
    (user.name, user.username) = (Some("Xylquorp Jklmyvex".into()), Some("qwuzzit".into()));
    (user.first_name, user.last_name) = (Some("Xylquorp".into()), Some("Jklmyvex".into()));
    user.job_title = Some("Vyzzamo".into());
    user.avatar_url = Some("https://example.com/ykqzzvw.png".into());
    user.scim_id = Some("zzbqwxv".into());
    roster.server.data.store.load_users(&[user]).await.expect("a user");
    let mut claims = roster.claims(FOUNDER_ID);
    claims["email"] = json!("xylquorp@brzqwik.example");
    let own = async |method: Method, path: &str, body: Value| {
        let request = roster
            .request(method, path)
            .bearer_auth(sign(&claims))
            .header("user-agent", "Quaxtor/2.0");
        send(request.header("x-forwarded-for", "91.233.77.199").json(&body)).await
    };
    own(Method::GET, "/v1/account/me", json!({})).await.expect(200);
    own(Method::POST, "/v1/keys", json!({"name": "Fjordqvy"})).await.expect(201);
    let managed =
        own(Method::POST, "/api/v1/users/", json!({"first_name": "Fjordqvy", "last_name": null}))
            .await
            .expect(200)
            .json();
    let scopes = json!({"scopes": ["data:read"]});
    own(Method::PUT, &format!("/api/v1/users/shares/{}", demo::VIEWER), scopes.clone())
        .await
        .expect(200);
    roster
        .call(Method::PUT, &format!("/api/v1/users/shares/{FOUNDER_ID}"), demo::ADMIN, &scopes)
        .await
        .expect(200);
    let change = json!({"details": {"name": "Xylquorp Fjordqvy", "job_title": "Vyzzamo"}});
    roster
        .call(Method::PUT, &format!("/api/v1/admin_user/{FOUNDER_ID}"), demo::ADMIN, &change)
        .await
        .expect(200);
    let reason = json!({"reason": "Mumblyx, says Xylquorp"});
    for action in ["suspend", "unsuspend"] {
        roster
            .call(
                Method::POST,
                &format!("/v1/admin/users/{FOUNDER_ID}/{action}"),
                demo::PLATFORM_OPERATOR,
                &reason,
            )
            .await
            .expect(200);
    }
    for text in KNOWN.iter().filter(|text| !text.starts_with("91.")) {
        assert!(!roster.traces(&[text]).await.is_empty(), "{text} was never known");
    }
    own(Method::DELETE, "/v1/account", json!({})).await.expect(202);
    roster
        .call(
            Method::DELETE,
            &format!("/v1/admin/users/{FOUNDER_ID}"),
            demo::PLATFORM_OPERATOR,
            &reason,
        )
        .await
        .expect(200);
    roster.server.data.settle().await.expect("the stream is read");
    assert_eq!(roster.traces(&KNOWN).await, [""; 0]);
    // What was done is told all the same, and by whom.
    for (id, by) in [
        (FOUNDER_ID.to_string(), demo::PLATFORM_OPERATOR),
        (managed["id"].as_str().expect("an id").to_owned(), demo::PLATFORM_OPERATOR),
    ] {
        let path = format!("/v1/admin/users/{id}/audit-log");
        let newest = roster.get(&path, demo::PLATFORM_OPERATOR).await.expect(200).json()[0].clone();
        assert_eq!(
            (&newest["action"], &newest["actor_id"], &newest["reason"]),
            (&json!("user.erased"), &json!(by), &Value::Null)
        );
    }
    roster.check_table().await;
}
