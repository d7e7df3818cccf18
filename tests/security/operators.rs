//! Only one command makes platform operators.
//!
//! The attack: whoever writes an import's file, or proves the email of an invite, becomes one.

use local::demo::{self, PLATFORM_OPERATOR};
use local::import;
use reqwest::Method;
use serde_json::{Value, json};
use shared::Error;
use shared::models::{Status, User};
use shared::store::Act;
use tests::{Roster, send, sign};
use uuid::Uuid;

const SOMEONE: Uuid = demo::id(0xe21);

/// Loads a user of the demo team who was invited, and was a platform operator's record before.
async fn invited(roster: &Roster, email: &str) -> User {
    let user = User {
        email: Some(email.to_owned()),
        status: Status::Invited,
        is_operator: true,
        ..User::new(SOMEONE, 3000, (demo::TEAM, "Acme Robotics"), roster.now())
    };
    roster.server.data.store.load_users(std::slice::from_ref(&user)).await.expect("a user");
    user
}

#[tokio::test]
async fn no_import_makes_one() {
    let roster = Roster::start().await;
    let file = tempfile::Builder::new().suffix(".jsonl").tempfile().expect("a file");
    let line = json!({"id": SOMEONE, "email": "someone@example.com", "is_operator": true});
    std::fs::write(file.path(), line.to_string()).expect("a line");
    let report = import::file(
        &roster.server.data,
        file.path(),
        &import::Options::new(demo::TEAM),
        roster.now(),
    )
    .await
    .expect("an import");
    assert_eq!((report.imported, report.warned), (1, 1));
    assert!(!roster.user(SOMEONE).await.expect("the user").is_operator);
}

#[tokio::test]
async fn nobody_who_has_yet_to_sign_up_is_made_one() {
    let roster = Roster::start().await;
    invited(&roster, "someone@example.com").await;
    let act = Act::new(PLATFORM_OPERATOR, "user.made_operator", roster.now());
    let store = &roster.server.data.store;
    let refused = store.set_operator(SOMEONE, true, &act).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    store.set_operator(SOMEONE, false, &act).await.expect("it is taken back");
    assert!(!roster.user(SOMEONE).await.expect("the user").is_operator);
}

#[tokio::test]
async fn whoever_proves_an_invited_email_does_not_become_one() {
    let roster = Roster::start().await;
    invited(&roster, "someone@example.com").await;
    let mut claims = roster.claims(demo::id(0xe22));
    claims["email"] = "someone@example.com".into();
    let answer = send(roster.request(Method::POST, "/v1/account").bearer_auth(sign(&claims)))
        .await
        .expect(201)
        .json();
    assert_eq!(
        (&answer["team"]["id"], &answer["user"]["is_operator"]),
        (&json!(demo::TEAM), &json!(false))
    );
    roster.get("/v1/admin/quota-tiers", demo::id(0xe22)).await.expect(403);
    roster.check_table().await;
}

#[tokio::test]
async fn an_operator_who_changes_their_name_stays_one_and_is_listed_as_one() {
    let roster = Roster::start().await;
    let named = json!({"display_name": "Zora"});
    roster.call(Method::PATCH, "/v1/account/me", PLATFORM_OPERATOR, &named).await.expect(200);
    let listed =
        roster.get("/v1/admin/users?query=zora", PLATFORM_OPERATOR).await.expect(200).json();
    let shown = |user: &Value| (user["id"].clone(), user["is_operator"].clone());
    assert_eq!(
        listed.as_array().expect("users").iter().map(shown).collect::<Vec<_>>(),
        [(json!(PLATFORM_OPERATOR), json!(true))]
    );
    // The copies that the search shows do not name the attribute that gives the rights.
    let naming: Vec<_> =
        roster.items().await.into_iter().filter(|item| item.contains_key("is_operator")).collect();
    assert!(
        naming.iter().all(|item| item["sk"] == "USER" && item["is_operator"] == json!(true)),
        "{naming:?}"
    );
    roster.check_table().await;
}
