//! The user-admin contract in a team of more than 5,000 members: whole lists, and the search.

use local::{demo, import};
use reqwest::Method;
use serde_json::{Value, json};
use shared::Timestamp;
use shared::models::User;
use tests::{Roster, team};
use uuid::Uuid;

use crate::{USER_ADMIN, create, numbered};

/// Imports the members of those places.
async fn grow(roster: &Roster, places: std::ops::Range<u32>) {
    let file = team::file(places.clone(), roster.now()).expect("a file of users");
    let options = import::Options::new(demo::TEAM);
    let report = import::file(&roster.server.data, file.path(), &options, roster.now());
    let report = report.await.expect("the import");
    assert_eq!(report.imported as usize, places.len());
}

fn with_long_address(place: u128) -> User {
    let user = User::new(
        Uuid::from_u128(place << 64 | 0x10e6),
        10_000 + place as u64,
        (demo::TEAM, "Team"),
        Timestamp::from_millisecond(0),
    );
    User { avatar_url: Some(format!("https://avatars.example/{}", "x".repeat(2000))), ..user }
}

fn name(place: u64) -> String {
    format!("Person {:06}", place * 7919 % 1_000_003)
}

async fn found(roster: &Roster, text: &str) -> Vec<Value> {
    let answer =
        roster.get(&format!("{USER_ADMIN}/search?q={text}"), demo::ADMIN).await.expect(200).json();
    answer.as_array().expect("a list").iter().map(|user| user["name"].clone()).collect()
}

#[tokio::test]
async fn is_listed_whole_while_it_fits_a_response_and_searched_by_parts_or_by_words() {
    let roster = Roster::empty().await;
    grow(&roster, 0..4997).await;
    for (name, username) in
        [("Zoë Van Dÿck", "first-z"), ("Jose\u{301} Ångström-Müller", "second-z")]
    {
        create(&roster, json!({"name": name, "username": username, "rootRole": 3})).await;
    }
    let last = create(&roster, json!({"username": "the-last", "rootRole": 3})).await;
    // 5,000 members: any part of a name.
    let parts = name(1234)[9..].to_owned();
    let expected: Vec<Value> =
        (0..4997).map(name).filter(|name| name.contains(&parts)).map(Value::from).collect();
    assert!(!expected.is_empty());
    assert_eq!(found(&roster, &parts).await.len(), expected.len());
    assert_eq!(found(&roster, "erson%20").await.len(), 4997, "everyone who matches");
    for text in [
        "o%C3%AB",
        "an%20d%C3%BF",
        "ngstr",
        "jos%C3%A9",
        "os%C3%A9%20%C3%A5",
        "first-z",
        "m%C3%BCller",
    ] {
        assert_eq!(found(&roster, text).await.len(), 1, "{text}");
    }
    // Who is deleted is none of them.
    let machine = create(&roster, json!({"username": "gone", "rootRole": 3})).await;
    assert_eq!(found(&roster, "ngstr").await.len(), 0, "5,001 members");
    roster.delete(&numbered(machine), demo::ADMIN).await.expect(200);
    assert_eq!(found(&roster, "ngstr").await.len(), 1);
    // 5,001 and more: the beginning of a word of the name, of the username or of the email.
    grow(&roster, 4997..5100).await;
    for text in [
        "zo%C3%AB",
        "van",
        "VAN%20D",
        "d%C3%BFck",
        "jos%C3%A9",
        "Jose%CC%81",
        "%C3%A5ngstr%C3%B6m",
        "m%C3%BCller",
        "second-z",
    ] {
        assert_eq!(found(&roster, text).await.len(), 1, "{text}");
    }
    for text in ["ngstr", "o%C3%AB", "yck", "ast-z", "gone", "%20%20", "--"] {
        assert_eq!(found(&roster, text).await, [Value::Null; 0], "{text}");
    }
    // Eighteen letters each, once folded.
    assert_eq!(found(&roster, &"%EF%B7%BA".repeat(86)).await, [Value::Null; 0]);
    assert_eq!(found(&roster, "person.5099@").await, [json!(name(5099))]);
    assert_eq!(found(&roster, &name(5099)[7..]).await, [json!(name(5099))]);
    // A name that changes is found by its new words alone.
    roster
        .call(Method::PUT, &numbered(last), demo::ADMIN, &json!({"name": "Quincy Adams"}))
        .await
        .expect(200);
    assert_eq!(found(&roster, "adams").await, [json!("Quincy Adams")]);
    roster
        .call(Method::PUT, &numbered(last), demo::ADMIN, &json!({"name": "Quincy Jones"}))
        .await
        .expect(200);
    assert_eq!((found(&roster, "adams").await.len(), found(&roster, "jones").await.len()), (0, 1));
    // More than are looked up together.
    let answer =
        roster.get(&format!("{USER_ADMIN}/search?q=person"), demo::ADMIN).await.expect(400).json();
    assert_eq!(
        (&answer["name"], &answer["details"][0]["path"]),
        (&json!("BadDataError"), &json!("/query/q"))
    );

    // The list is whole beyond 5,000.
    let whole = roster.get(USER_ADMIN, demo::ADMIN).await.expect(200);
    assert_eq!(whole.json()["users"].as_array().map(Vec::len), Some(5103));
    assert_eq!(whole.headers.get("link"), None);
    let page = roster.get(&format!("{USER_ADMIN}?limit=5000"), demo::ADMIN).await.expect(200);
    assert_eq!(page.json()["users"].as_array().map(Vec::len), Some(5000));
    assert!(page.headers.contains_key("link"));
    // Half a year later, so is that of the inactive.
    roster.advance(200 * 86_400);
    let inactive =
        roster.get(&format!("{USER_ADMIN}/inactive"), demo::ADMIN).await.expect(200).json();
    assert!(inactive["inactiveUsers"].as_array().is_some_and(|users| users.len() > 5000));
    // What no response holds asks for pages: these have very long addresses of their pictures.
    let long: Vec<_> = (0..1700).map(with_long_address).collect();
    for users in long.chunks(10) {
        roster.server.data.store.load_users(users).await.expect("users");
    }
    let refused = roster.get(USER_ADMIN, demo::ADMIN).await.expect(400).json();
    assert_eq!(
        (&refused["name"], &refused["details"][0]["path"]),
        (&json!("BadDataError"), &json!("/query/limit"))
    );
    let message = refused["details"][0]["message"].as_str().expect("a message");
    assert!(message.contains("`limit` and `cursor`"), "{message}");
    roster.get(&format!("{USER_ADMIN}?limit=5000"), demo::ADMIN).await.expect(200);
}
