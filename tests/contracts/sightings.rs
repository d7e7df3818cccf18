//! When a caller was last seen: noted at most once in ten minutes, beside the request, and no
//! change of the user.

use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use shared::models::{Seen, User};
use tests::{Roster, START, send};
use uuid::Uuid;

use crate::{DELETED, INVITED, SUSPENDED, changes, key, team};

async fn user(roster: &Roster, id: Uuid) -> User {
    roster.user(id).await.expect("a demo user")
}

fn seen_at(user: &User) -> i64 {
    user.last_seen.as_ref().map_or(0, |seen| seen.at.as_second())
}

#[tokio::test]
async fn a_caller_not_seen_for_an_hour_is_noted_by_every_contract_and_nothing_else_changes() {
    for path in [
        "/users/me",
        "/users",
        "/v1/account/me",
        "/api/v1/users/",
        "/api/v1/oauth/principal-token",
        "/api/admin/user-admin/1",
    ] {
        let roster = Roster::start().await;
        let before = user(&roster, demo::ADMIN).await;
        roster.advance(3600);
        let request = roster
            .request(Method::GET, path)
            .bearer_auth(roster.token(demo::ADMIN))
            .header("user-agent", "test/1.0");
        send(request).await.expect(200);
        let seen = Seen {
            at: roster.now(),
            remote_ip: Some([127, 0, 0, 1].into()),
            user_agent: "test/1.0".into(),
        };
        assert_eq!(
            user(&roster, demo::ADMIN).await,
            User { last_seen: Some(seen), ..before },
            "{path}"
        );
        roster.check_table().await;
    }
}

#[tokio::test]
async fn it_is_noted_again_only_after_ten_minutes() {
    let roster = Roster::start().await;
    let seen = async |advance: i64| {
        roster.advance(advance);
        roster.get("/users/me", demo::VIEWER).await.expect(200);
        seen_at(&user(&roster, demo::VIEWER).await) - START / 1000
    };
    // Last seen two minutes before the start.
    assert_eq!(seen(0).await, -120);
    assert_eq!(seen(479).await, -120);
    assert_eq!(seen(3121).await, 3600);
    assert_eq!(seen(1).await, 3600);
    assert_eq!(seen(598).await, 3600);
    assert_eq!(seen(2).await, 4201);
}

#[tokio::test]
async fn twenty_requests_at_once_note_one_sighting() {
    let roster = Roster::start().await;
    let before = user(&roster, demo::VIEWER).await;
    roster.advance(3600);
    let answers =
        futures::future::join_all((0..20).map(|_| roster.get("/users/me", demo::VIEWER))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let after = user(&roster, demo::VIEWER).await;
    assert_eq!(seen_at(&after), roster.now().as_second());
    assert_eq!(User { last_seen: before.last_seen.clone(), ..after }, before);
}

#[tokio::test]
async fn the_first_sighting_is_kept() {
    let roster = Roster::start().await;
    assert_eq!(user(&roster, INVITED).await.first_seen, None);
    roster.get("/users/me", INVITED).await.expect(200);
    let first = user(&roster, INVITED).await;
    assert_eq!(first.first_seen.as_ref().map(|seen| seen.at), Some(roster.now()));
    assert_eq!(first.first_seen, first.last_seen);
    roster.advance(3600);
    roster.get("/users/me", INVITED).await.expect(200);
    let second = user(&roster, INVITED).await;
    assert_eq!(seen_at(&second), roster.now().as_second());
    assert_eq!(second.first_seen, first.first_seen);
}

#[tokio::test]
async fn a_sighting_moves_the_caller_in_the_directory() {
    let roster = Roster::start().await;
    roster.advance(3600);
    roster.get("/users/me", INVITED).await.expect(200);
    let path = format!(
        "/api/v1/admin_user?account_id={}&sorting=-last_seen&pagination[page_size]=2",
        demo::TEAM
    );
    // The first request by the administrator is seen too, after the list was read.
    let listed = roster.get(&path, demo::ADMIN).await.expect(200).json();
    let seen = json!({"at": roster.now().as_second(), "remote_ip": "127.0.0.1", "user_agent": ""});
    assert_eq!(
        (&listed["summaries"][0]["id"], &listed["summaries"][0]["last_seen"]),
        (&json!(INVITED), &seen)
    );
    let listed = roster.get(&path, demo::ADMIN).await.expect(200).json();
    let ids: Vec<&Value> =
        listed["summaries"].as_array().expect("summaries").iter().map(|user| &user["id"]).collect();
    assert_eq!(ids, [&json!(INVITED), &json!(demo::ADMIN)]);
}

#[tokio::test]
async fn a_sighting_makes_a_new_tag_as_the_body_shows_it() {
    let roster = Roster::start().await;
    roster.advance(3600);
    let path = "/api/admin/user-admin/4";
    let before = roster.get(path, demo::ADMIN).await.expect(200);
    roster.get("/users/me", demo::VIEWER).await.expect(200);
    let request = roster
        .request(Method::GET, path)
        .bearer_auth(roster.token(demo::ADMIN))
        .header("if-none-match", &before.headers["etag"]);
    let after = send(request).await.expect(200);
    assert_eq!(after.json()["seenAt"], roster.now().to_string());
    assert_ne!(after.headers["etag"], before.headers["etag"]);
    // Nor does it change when the user was last changed.
    let mut expected = before.json();
    expected["seenAt"] = json!(roster.now().to_string());
    assert_eq!(after.json(), expected);
}

#[tokio::test]
async fn a_caller_by_api_key_is_seen() {
    let roster = Roster::start().await;
    roster.advance(3600);
    send(roster.request(Method::GET, "/users/me").bearer_auth(key(demo::ADMIN, 1)))
        .await
        .expect(200);
    assert_eq!(seen_at(&user(&roster, demo::ADMIN).await), roster.now().as_second());
}

#[tokio::test]
async fn a_change_and_a_sighting_in_one_request_both_stay() {
    let roster = Roster::start().await;
    roster.advance(3600);
    let before = user(&roster, demo::VIEWER).await;
    roster
        .call(Method::PATCH, "/v1/account/me", demo::VIEWER, &json!({"display_name": "Dee"}))
        .await
        .expect(200);
    let after = user(&roster, demo::VIEWER).await;
    assert_eq!(seen_at(&after), roster.now().as_second());
    assert_eq!((after.display_name.as_deref(), after.version), (Some("Dee"), before.version + 1));
    assert_eq!(after.first_seen, before.first_seen);
}

#[tokio::test]
async fn who_is_refused_is_not_seen() {
    let roster = Roster::start().await;
    roster.advance(3600);
    let before = roster.items().await;
    for (caller, path, status) in [
        (SUSPENDED, "/users/me", 401),
        (DELETED, "/users/me", 401),
        (SUSPENDED, "/v1/account/me", 403),
    ] {
        roster.get(path, caller).await.expect(status);
    }
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
}

#[tokio::test]
async fn a_long_user_agent_is_cut_and_none_is_empty() {
    let roster = Roster::start().await;
    roster.advance(3600);
    let request = roster
        .request(Method::GET, "/users/me")
        .bearer_auth(roster.token(demo::VIEWER))
        .header("user-agent", "x".repeat(5000));
    send(request).await.expect(200);
    roster.get("/users/me", demo::OPERATOR).await.expect(200);
    let users = team(&roster, demo::TEAM).await;
    let agent = |id: Uuid| {
        users
            .iter()
            .find(|user| user.id == id)?
            .last_seen
            .as_ref()
            .map(|seen| seen.user_agent.clone())
    };
    assert_eq!(
        (agent(demo::VIEWER), agent(demo::OPERATOR)),
        (Some("x".repeat(256)), Some(String::new()))
    );
}

/// What follows asks the store itself: a request that fails to note its caller answers all the
/// same.
mod noting {
    use shared::Error;
    use tests::faults::{Fault, Faults, Strike};

    use super::*;

    #[tokio::test]
    async fn the_second_of_two_at_once_finds_it_done() {
        let roster = Roster::start().await;
        roster.advance(3600);
        let store = &roster.server.data.store;
        let before = user(&roster, demo::VIEWER).await;
        let seen = |seconds: i64| Seen {
            at: roster.now().plus_seconds(seconds),
            remote_ip: None,
            user_agent: format!("{seconds}"),
        };
        store.note_seen(&before, &seen(0)).await.expect("the first");
        let noted = user(&roster, demo::VIEWER).await;
        assert_eq!(noted.last_seen, Some(seen(0)));
        for seconds in [1, 599, 600] {
            store.note_seen(&before, &seen(seconds)).await.expect("nothing to do");
            assert_eq!(user(&roster, demo::VIEWER).await, noted, "{seconds}");
        }
        store.note_seen(&before, &seen(601)).await.expect("another");
        assert_eq!(user(&roster, demo::VIEWER).await.last_seen, Some(seen(601)));
        roster.settled().await;
        roster.check_table().await;
        // Who was erased meanwhile does not come back.
        let nobody = User { id: Uuid::from_u128(404), ..before };
        store.note_seen(&nobody, &seen(0)).await.expect("nothing to do");
        assert!(roster.user(nobody.id).await.is_none());
    }

    #[tokio::test]
    async fn a_failure_is_told() {
        let roster = Roster::start().await;
        roster.advance(3600);
        let faults = Faults::default();
        let store = faults.store(&roster);
        let before = user(&roster, demo::VIEWER).await;
        faults.plan_for(Some(Strike { fault: Fault::Broken, from: 0, lasts: true }));
        let seen = Seen { at: roster.now(), remote_ip: None, user_agent: String::new() };
        let failure = store.note_seen(&before, &seen).await.expect_err("the database is broken");
        assert!(matches!(failure, Error::Unavailable(_)), "{failure:?}");
        assert_eq!(user(&roster, demo::VIEWER).await, before);
    }
}
