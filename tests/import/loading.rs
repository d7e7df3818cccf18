//! The writing of users: what is kept, what is refused, and a second run.

use local::demo;
use reqwest::Method;
use serde_json::json;
use shared::models::{Role, User};
use shared::store::{Refusal, WriteError};
use tempfile::TempDir;
use tests::Roster;
use uuid::Uuid;

use crate::{counts, import, write};

#[tokio::test]
async fn good_lines_are_kept_and_bad_ones_counted() {
    let roster = Roster::start().await;
    let folder = TempDir::new().expect("a folder");
    let ada = Uuid::from_u128(0xada);
    let lines = [
        json!({"id": ada, "email": "Ada.L@example.com", "name": "Ada L", "role": "ADMIN", "claims": {"office": "Oslo"}}).to_string(),
        json!({"email": "no.id@example.com", "user_metadata": {"full_name": "No Id"}, "last_sign_in_at": "2026-04-01T10:00:00.5Z"})
            .to_string(),
        String::new(),
        "not json".into(),
        "[]".into(),
        json!({"id": "bell\u{7}", "email": "x@example.com"}).to_string(),
        json!({"email": "no at sign"}).to_string(),
        json!({"name": "Nobody"}).to_string(),
        json!({"id": Uuid::from_u128(2), "email": "ADA.L@EXAMPLE.COM"}).to_string(),
        json!({"id": ada, "email": "again@example.com"}).to_string(),
        json!({"email": "far@example.com", "team_id": Uuid::from_u128(404)}).to_string(),
        json!({"email": "bell\u{7}@example.com"}).to_string(),
        json!({"username": "bot-7", "account_type": "service", "status": "suspended"}).to_string(),
    ];
    let path = write(&folder, "users.jsonl", lines.join("\n"));
    // The line before those of the machine and of the one far away tells of Ada again: she is there
    // already.
    assert_eq!(counts(import(&roster, &path).await.report()), (3, 1, 8));
    roster.check_table().await;
    let user = roster.user(ada).await.expect("Ada");
    assert_eq!(
        (user.email.as_deref(), user.role, user.number),
        (Some("Ada.L@example.com"), Role::Admin, 41)
    );
    assert_eq!(user.claims["office"], "Oslo");
    let page =
        roster.get("/users?sortBy=name&pageSize=30&page=2", demo::ADMIN).await.expect(200).json();
    assert_eq!(page["total"], 38);

    let before = roster.items().await;
    assert_eq!(
        counts(import(&roster, &path).await.report()),
        (0, 4, 8),
        "the second time everyone is there"
    );
    assert_eq!(roster.items().await, before);
}

#[tokio::test]
async fn who_would_take_what_is_anothers_is_refused_for_that() {
    let roster = Roster::start().await;
    let team = (demo::TEAM, "Acme Robotics");
    let user = |n: u128, number: u64| User::new(Uuid::from_u128(n), number, team, roster.now());
    let held = User {
        scim_id: Some("scim-1".into()),
        username: Some("bot".into()),
        email: Some("a@example.com".into()),
        ..user(1, 101)
    };
    let store = &roster.server.data.store;
    store.load_users(std::slice::from_ref(&held)).await.expect("a user");
    let before = roster.items().await;
    for (taker, expected) in [
        (User { scim_id: held.scim_id.clone(), ..user(2, 102) }, Refusal::ScimIdTaken),
        (User { username: Some("BOT".into()), ..user(2, 102) }, Refusal::UsernameTaken),
        (User { email: Some("A@example.com".into()), ..user(2, 102) }, Refusal::EmailTaken),
        (user(2, 101), Refusal::NumberTaken),
        (user(1, 102), Refusal::UserExists),
    ] {
        let outcome = store.load_users(&[taker]).await;
        assert!(
            matches!(&outcome, Err(WriteError::Refused(refusal)) if *refusal == expected),
            "{outcome:?}, not {expected:?}"
        );
    }
    assert_eq!(roster.items().await, before);
    // In another team the same are free.
    let other = User { team_id: demo::OTHER_TEAM, email: None, id: Uuid::from_u128(3), ..held };
    store.load_users(&[other]).await.expect("a user");
}

#[tokio::test]
async fn a_machine_that_administers_beside_one_person_may_go() {
    let roster = Roster::start().await;
    let folder = TempDir::new().expect("a folder");
    let line = json!({"username": "bot-7", "account_type": "service", "role": "admin", "team_id": demo::OTHER_TEAM});
    assert_eq!(
        counts(import(&roster, &write(&folder, "users.jsonl", line.to_string())).await.report()),
        (1, 0, 0)
    );
    let listed = roster.get("/api/admin/user-admin", demo::OTHER_ADMIN).await.expect(200).json();
    let users = listed["users"].as_array().expect("users");
    let number = &users.iter().find(|user| user["username"] == "bot-7").expect("the machine")["id"];
    let path = format!("/api/admin/user-admin/{number}");
    for role in [3, 1] {
        roster
            .call(Method::PUT, &path, demo::OTHER_ADMIN, &json!({"rootRole": role}))
            .await
            .expect(200);
        roster.check_table().await;
    }
    roster.delete(&path, demo::OTHER_ADMIN).await.expect(200);
    roster.check_table().await;
}

#[tokio::test]
async fn into_an_empty_table_the_team_is_made() {
    let roster = Roster::empty().await;
    let folder = TempDir::new().expect("a folder");
    let lines: Vec<_> = (0..100_u32)
        .map(|n| json!({"email": format!("user{n}@example.com"), "role": if n == 0 { "admin" } else { "viewer" }}).to_string())
        .collect();
    let path = write(&folder, "users.jsonl", lines.join("\r\n"));
    assert_eq!(counts(import(&roster, &path).await.report()), (100, 0, 0));
    roster.check_table().await;
    let mut numbers: Vec<u64> = Vec::new();
    for item in roster.items().await.iter().filter(|item| item["sk"] == "USER") {
        numbers.push(item["number"].as_u64().expect("a number"));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn lines_of_any_length_and_any_bytes_do_no_harm() {
    let roster = Roster::empty().await;
    let folder = TempDir::new().expect("a folder");
    let mut content = b"\xef\xbb\xbf{\"email\":\"first@example.com\"}\n".to_vec();
    content.extend(std::iter::repeat_n(b'x', 3 * 1024 * 1024));
    content.extend(b"\n\xff\xfe\n{\"email\":\"last@example.com\"}");
    let path = write(&folder, "users.jsonl", content);
    assert_eq!(counts(import(&roster, &path).await.report()), (2, 0, 2));
}
