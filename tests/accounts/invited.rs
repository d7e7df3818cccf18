//! Someone who was invited by email signs up, and joins the team that invited them.

use insta::assert_json_snapshot;
use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use shared::models::{Status, User};
use tests::checks::changes;
use tests::{Answer, Roster};
use uuid::Uuid;

use crate::{ME, NEW, bare, log, of, sign_up, status_by, statuses, user};

const EMAIL: &str = "Nova.Reed@example.com";

/// Invites someone into the demo team, and gives their record.
async fn invite(roster: &Roster, body: &Value) -> User {
    let number = roster
        .call(Method::POST, "/api/admin/user-admin", demo::ADMIN, body)
        .await
        .expect(201)
        .json()["id"]
        .clone();
    let items = roster.items().await;
    let mut items = items
        .into_iter()
        .filter(|item| item["sk"] == "USER" && item["team_id"] == json!(demo::TEAM));
    let item = items.find(|item| item["number"] == number).expect("the invited user");
    serde_json::from_value(Value::Object(item)).expect("a user")
}

async fn join(roster: &Roster, sub: Uuid) -> Answer {
    sign_up(roster, sub, &json!({"email": EMAIL, "email_verified": true})).await
}

#[tokio::test]
async fn who_was_invited_joins_the_team_under_the_tokens_id() {
    let roster = Roster::start().await;
    let invited = invite(
        &roster,
        &json!({"email": EMAIL, "name": "Nova R.", "username": "nova", "rootRole": 2}),
    )
    .await;
    assert_eq!(invited.status, Status::Invited);
    roster.advance(60);
    let claims = json!({
        // However the provider writes it.
        "email": "nova.reed@EXAMPLE.com",
        "email_verified": true,
        "user_metadata": {"full_name": "Another Name", "avatar_url": "https://avatars.example/nova.png"},
    });
    let answer = sign_up(&roster, NEW, &claims).await;
    assert_json_snapshot!(answer.snapshot());
    let expected = User {
        id: NEW,
        status: Status::Active,
        invite_link: None,
        avatar_url: Some("https://avatars.example/nova.png".into()),
        email_verified_at: Some(roster.now()),
        invited_as: Some(invited.id),
        updated_at: roster.now(),
        version: invited.version + 1,
        ..invited.clone()
    };
    assert_eq!(user(&roster, NEW).await, expected);
    // Nothing is left of the id that stood in.
    assert_eq!(roster.user(invited.id).await, None);
    let left = roster.keys_with(&invited.id.to_string()).await;
    assert!(left.iter().all(|key| key.starts_with("AUDIT#")), "{left:?}");
    roster.check_table().await;

    let by_number = roster
        .get(&format!("/api/admin/user-admin/{}", invited.number), demo::ADMIN)
        .await
        .expect(200)
        .json();
    assert_eq!((&by_number["name"], &by_number["rootRole"]), (&json!("Nova R."), &json!(2)));
    let mut own = roster.get(ME, NEW).await.expect(200).json();
    own["session_email"] = claims["email"].clone();
    assert_eq!(own, answer.json());
    let before = roster.items().await;
    let again = sign_up(&roster, NEW, &claims).await.expect(200);
    assert_eq!(again.json(), answer.json());
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
    let told: Vec<_> = log(&roster, NEW)
        .await
        .iter()
        .map(|entry| json!([entry["action"], entry["actor_id"]]))
        .collect();
    assert_eq!(told, [json!(["user.signed_up", NEW])]);
}

/// A team's users are counted in sixteen items, by the last digit of their ids.
#[tokio::test]
async fn who_joins_is_counted_once_in_the_item_of_the_invited_user_and_in_another() {
    for other in [0, 1] {
        let roster = Roster::start().await;
        let invited = invite(&roster, &json!({"email": EMAIL, "rootRole": 2})).await;
        let digit = (invited.id.as_u128() & 0xf) ^ other;
        join(&roster, Uuid::from_u128(NEW.as_u128() & !0xf | digit)).await.expect(201);
        roster.check_table().await;
    }
}

#[tokio::test]
async fn an_email_that_is_not_verified_lets_nobody_in() {
    let roster = Roster::start().await;
    let invited = invite(&roster, &json!({"email": EMAIL, "rootRole": 1})).await;
    let before = roster.items().await;
    let refused = sign_up(&roster, NEW, &json!({"email": EMAIL, "email_verified": false})).await;
    assert_json_snapshot!(refused.snapshot());
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
    assert_eq!(user(&roster, invited.id).await, invited);
    // Where the provider says nothing, it vouches for the email; nobody says that it is verified.
    sign_up(&roster, NEW, &json!({"email": EMAIL})).await.expect(201);
    assert_eq!(user(&roster, NEW).await.email_verified_at, None);
    roster.check_table().await;
}

#[tokio::test]
async fn who_has_an_account_keeps_it() {
    let roster = Roster::start().await;
    let invited = invite(&roster, &json!({"email": EMAIL, "rootRole": 1})).await;
    let answer =
        sign_up(&roster, demo::OTHER_ADMIN, &json!({"email": EMAIL, "email_verified": true}))
            .await
            .expect(200);
    assert_eq!(answer.json()["team"]["id"], json!(demo::OTHER_TEAM));
    assert_eq!(user(&roster, invited.id).await, invited);
}

#[tokio::test]
async fn who_was_deleted_or_suspended_before_signing_up_does_not_join() {
    let roster = Roster::start().await;
    let invited = invite(&roster, &json!({"email": EMAIL, "rootRole": 3})).await;
    for path in ["suspend", "unsuspend"] {
        let request = bare(
            &roster,
            Method::POST,
            &format!("{}/{path}", of(invited.id)),
            demo::PLATFORM_OPERATOR,
        );
        tests::send(request).await.expect(200);
        if path == "suspend" {
            join(&roster, NEW).await.expect(409);
        }
    }
    roster
        .delete(&format!("/api/admin/user-admin/{}", invited.number), demo::ADMIN)
        .await
        .expect(200);
    let before = roster.items().await;
    join(&roster, NEW).await.expect(409);
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
    roster.check_table().await;
}

#[tokio::test]
async fn a_key_that_was_made_for_who_was_invited_opens_nothing() {
    let roster = Roster::start().await;
    let invited = invite(&roster, &json!({"email": EMAIL, "rootRole": 1})).await;
    let path = format!("{}/keys", of(invited.id));
    let made = roster
        .call(Method::POST, &path, demo::PLATFORM_OPERATOR, &json!({}))
        .await
        .expect(201)
        .json();
    join(&roster, NEW).await.expect(201);
    assert_eq!(status_by(&roster, made["key"].as_str().expect("a text")).await, 401);
    roster.check_table().await;
}

#[tokio::test]
async fn of_many_who_join_at_once_one_does() {
    let roster = Roster::start().await;
    let invited = invite(&roster, &json!({"email": EMAIL, "rootRole": 1})).await;
    let answers =
        futures::future::join_all((0..20).map(|place| join(&roster, demo::id(0xe10 + place))))
            .await;
    assert_eq!(statuses(&answers), [(201, 1), (409, 19)].into());
    assert_eq!(roster.user(invited.id).await, None);
    roster.check_table().await;

    let other = json!({"email": "other@example.com", "rootRole": 3});
    invite(&roster, &other).await;
    let claims = json!({"email": "other@example.com", "email_verified": true});
    let answers = futures::future::join_all((0..20).map(|_| sign_up(&roster, NEW, &claims))).await;
    assert_eq!(statuses(&answers), [(200, 19), (201, 1)].into());
    assert!(answers.iter().all(|answer| answer.text == answers[0].text));
    roster.check_table().await;
}

#[tokio::test]
async fn erasing_reduces_the_history_from_before_the_sign_up_as_well() {
    let roster = Roster::start().await;
    let invited =
        invite(&roster, &json!({"email": EMAIL, "name": "Nova Reed", "rootRole": 3})).await;
    join(&roster, NEW).await.expect(201);
    assert!(json!(log(&roster, invited.id).await).to_string().contains("Nova Reed"));
    roster.delete("/v1/account", NEW).await.expect(202);
    roster.delete(&of(NEW), demo::PLATFORM_OPERATOR).await.expect(200);
    let text = json!(roster.items().await).to_string().to_lowercase();
    assert!(!text.contains("nova reed") && !text.contains("nova.reed"));
    assert_eq!(log(&roster, invited.id).await.len(), 1);
    roster.check_table().await;
}
