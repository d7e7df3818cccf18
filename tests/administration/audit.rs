//! Every change has its entry: who made it, what it was, and each field before and after.

use insta::assert_json_snapshot;
use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use tests::Roster;
use uuid::Uuid;

use crate::{USER_ADMIN, create, history, listed, numbered, record, shown, sign_up, team};

const GUEST: Uuid = Uuid::from_u128(0x6e57_0000_0000_4000_8000_0000_0000_0002);
const EMAIL: &str = "guest@elsewhere.example";

/// Invites the guest and gives the ids of the invite and of the user it makes.
async fn invite(roster: &Roster) -> (Uuid, Uuid) {
    let body = json!({"details": {"email": EMAIL, "account_id": demo::TEAM}});
    let answer = roster
        .call(Method::POST, "/api/v1/admin_user_invite", demo::ADMIN, &body)
        .await
        .expect(200)
        .json();
    let id: Uuid = answer["details"]["id"].as_str().expect("an id").parse().expect("a UUID");
    let user = team(roster, demo::TEAM)
        .await
        .into_iter()
        .find(|user| user.invite_id == Some(id))
        .expect("a user");
    (id, user.id)
}

fn actions(entries: &Value) -> Vec<(String, String)> {
    let text = |entry: &Value, name: &str| entry[name].as_str().expect("a text").to_owned();
    entries
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| (text(entry, "action"), text(entry, "actor_id")))
        .collect()
}

#[tokio::test]
async fn the_life_of_a_user_of_user_admin() {
    let roster = Roster::start().await;
    let number = create(
        &roster,
        json!({"name": "New Person", "email": EMAIL, "username": "newbie", "rootRole": 2}),
    )
    .await;
    let id = record(&roster, demo::TEAM, &json!(number)).await.id;
    roster.advance(60);
    let colleague = demo::id(0x10d);
    let changed = json!({"name": "Renamed", "email": "renamed@elsewhere.example", "rootRole": 3});
    roster.call(Method::PUT, &numbered(number), colleague, &changed).await.expect(200);
    roster.advance(60);
    roster
        .call(Method::PUT, &numbered(number), demo::ADMIN, &json!({"name": null}))
        .await
        .expect(200);
    roster.advance(60);
    roster.delete(&numbered(number), demo::ADMIN).await.expect(200);
    assert_json_snapshot!(shown(&history(&roster, id).await));
    roster.check_table().await;
}

#[tokio::test]
async fn a_change_of_nothing_and_a_change_refused_have_no_entry() {
    let roster = Roster::start().await;
    let before = history(&roster, demo::VIEWER).await.text;
    for (method, path, caller, body) in [
        (Method::PUT, numbered(4), demo::ADMIN, json!({"name": "Dara Sok"})),
        (
            Method::PUT,
            numbered(4),
            demo::ADMIN,
            json!({"email": "ada.nordmann@acme-robotics.example"}),
        ),
        (Method::PUT, numbered(4), demo::OPERATOR, json!({"name": "Renamed"})),
        (Method::PUT, listed(demo::VIEWER), demo::ADMIN, json!({"details": {}})),
        (
            Method::PUT,
            listed(demo::VIEWER),
            demo::OTHER_ADMIN,
            json!({"details": {"name": "Renamed"}}),
        ),
        (Method::POST, format!("{USER_ADMIN}/inactive/delete"), demo::ADMIN, json!({"ids": [4]})),
    ] {
        roster.call(method, &path, caller, &body).await;
    }
    assert_eq!(history(&roster, demo::VIEWER).await.text, before);
}

#[tokio::test]
async fn a_change_of_details() {
    let roster = Roster::start().await;
    let details = json!({"name": "Dara Renamed", "job_title": "Welder", "profile_completed_at": 1_777_714_000});
    roster
        .call(Method::PUT, &listed(demo::VIEWER), demo::ADMIN, &json!({"details": details}))
        .await
        .expect(200);
    roster.advance(60);
    let cleared = json!({"job_title": null, "profile_completed_at": null});
    roster
        .call(
            Method::PUT,
            &listed(demo::VIEWER),
            demo::PLATFORM_OPERATOR,
            &json!({"details": cleared}),
        )
        .await
        .expect(200);
    assert_json_snapshot!(history(&roster, demo::VIEWER).await.snapshot());
}

#[tokio::test]
async fn the_inactive_who_are_deleted_each_have_one() {
    let roster = Roster::start().await;
    let body = json!({"ids": [10, 11, 12]});
    roster
        .call(Method::POST, &format!("{USER_ADMIN}/inactive/delete"), demo::ADMIN, &body)
        .await
        .expect(200);
    let mut told = Vec::new();
    for number in [10, 11, 12] {
        let id = record(&roster, demo::TEAM, &json!(number)).await.id;
        let entries = history(&roster, id).await.json();
        told.push(json!([number, actions(&entries)]));
    }
    assert_json_snapshot!(told);
    roster.check_table().await;
}

#[tokio::test]
async fn an_invite_that_is_taken_up_is_told_under_the_old_id_and_the_new_one() {
    let roster = Roster::start().await;
    let (_, invited) = invite(&roster).await;
    roster.advance(60);
    sign_up(&roster, GUEST, EMAIL).await.expect(201);
    assert_json_snapshot!("invited", history(&roster, invited).await.snapshot());
    assert_json_snapshot!("signed_up", history(&roster, GUEST).await.snapshot());
}

#[tokio::test]
async fn an_invite_that_is_taken_back_is_told_without_the_email() {
    let roster = Roster::start().await;
    let (invite, invited) = invite(&roster).await;
    roster.advance(60);
    let path = format!("/api/v1/admin_user_invite/{invite}/revoke");
    roster.call(Method::POST, &path, demo::ADMIN, &json!({})).await.expect(200);
    let history = history(&roster, invited).await;
    assert!(!history.text.contains(EMAIL));
    assert_json_snapshot!(history.snapshot());
}

#[tokio::test]
async fn a_deletion_says_who_did_it() {
    let roster = Roster::start().await;
    roster.delete(&numbered(1), demo::id(0x10d)).await.expect(200);
    let entries = history(&roster, demo::ADMIN).await.json();
    assert_eq!(actions(&entries)[0], ("user.deleted".to_owned(), demo::id(0x10d).to_string()));
    assert_eq!(entries[0]["changes"]["status"], json!({"before": "active", "after": "deleted"}));
    roster.check_table().await;
}
