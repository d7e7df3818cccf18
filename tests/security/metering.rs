//! Found: GB-hours were the caller's own word. A sandbox that was never marked running was billed
//! nothing, and one member could reserve nearly all that a team had.

use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use shared::models::UsageRecord;
use shared::store::Act;
use tests::checks::key;
use tests::{Answer, Roster, send};
use uuid::Uuid;

const SANDBOXES: &str = "/v1/sandboxes";
const HOUR: i64 = 3600;

async fn ask(
    roster: &Roster,
    method: Method,
    path: &str,
    credential: &str,
    body: &Value,
) -> Answer {
    send(roster.request(method, path).bearer_auth(credential).json(body)).await
}

async fn make(roster: &Roster, owner: Uuid, body: &Value) -> Answer {
    ask(roster, Method::POST, SANDBOXES, &roster.token(owner), body).await
}

fn id_of(answer: Answer) -> String {
    answer.expect(201).json()["id"].as_str().expect("an id").to_owned()
}

async fn report(roster: &Roster, credential: &str, owner: Uuid, id: &str, body: &Value) -> Answer {
    let path = format!("/v1/admin/users/{owner}/sandboxes/{id}/running-time");
    ask(roster, Method::PUT, &path, credential, body).await
}

async fn set_status(roster: &Roster, owner: Uuid, id: &str, status: &str) {
    let path = format!("{SANDBOXES}/{id}");
    ask(roster, Method::PATCH, &path, &roster.token(owner), &json!({"status": status}))
        .await
        .expect(200);
}

/// The GB-hours that the demo team's bill grows by when the owner destroys a sandbox.
async fn bill(roster: &Roster, owner: Uuid, id: &str) -> f64 {
    let before = billed(roster).await;
    ask(roster, Method::DELETE, &format!("{SANDBOXES}/{id}"), &roster.token(owner), &json!({}))
        .await
        .expect(200);
    ((billed(roster).await - before) * 1000.0).round() / 1000.0
}

async fn billed(roster: &Roster) -> f64 {
    let team = format!("TEAM#{}", demo::TEAM);
    let days = roster.items().await.into_iter().filter(|item| item["pk"] == team.as_str());
    let days = days.filter(|item| item["sk"].as_str().is_some_and(|sk| sk.starts_with("USAGE#")));
    days.map(|day| {
        serde_json::from_value::<UsageRecord>(Value::Object(day)).expect("a day").day.gb_hours
    })
    .sum()
}

/// A tier with much room for the demo team.
async fn wide(roster: &Roster) {
    let body = json!({"quota_tier_id": "enterprise"});
    let path = format!("/v1/admin/users/{}/quota", demo::ADMIN);
    roster.call(Method::PATCH, &path, demo::PLATFORM_OPERATOR, &body).await.expect(200);
}

#[tokio::test]
async fn no_word_of_its_owner_lowers_a_bill() {
    let roster = Roster::start().await;
    wide(&roster).await;
    let body = json!({"template": "base", "memory_mb": 1024});
    // Never marked running; marked, and paused at once; without a size.
    let silent = id_of(make(&roster, demo::VIEWER, &body).await);
    let paused = id_of(make(&roster, demo::VIEWER, &body).await);
    set_status(&roster, demo::VIEWER, &paused, "running").await;
    set_status(&roster, demo::VIEWER, &paused, "paused").await;
    let unsized_one = id_of(make(&roster, demo::VIEWER, &json!({"template": "base"})).await);
    roster.advance(HOUR);
    assert_eq!(bill(&roster, demo::VIEWER, &silent).await, 1.0);
    assert_eq!(bill(&roster, demo::VIEWER, &paused).await, 1.0);
    assert_eq!(bill(&roster, demo::VIEWER, &unsized_one).await, 0.5);
    roster.check_table().await;
}

#[tokio::test]
async fn the_platforms_word_makes_the_bill() {
    let roster = Roster::start().await;
    wide(&roster).await;
    let body = json!({"template": "base", "memory_mb": 1024});
    let ids = [
        id_of(make(&roster, demo::VIEWER, &body).await),
        id_of(make(&roster, demo::VIEWER, &body).await),
    ];
    roster.advance(2 * HOUR);
    let platform = roster.token(demo::PLATFORM_OPERATOR);
    let half_an_hour = json!({"ran_ms": 1_800_000, "running": false});
    let told =
        report(&roster, &platform, demo::VIEWER, &ids[0], &half_an_hour).await.expect(200).json();
    assert_eq!(
        (&told["ran_ms"], &told["running"], &told["sandbox"]["id"]),
        (&json!(1_800_000), &json!(false), &json!(ids[0]))
    );
    let on = json!({"ran_ms": 1_800_000, "running": true});
    let told = report(&roster, &platform, demo::VIEWER, &ids[1], &on).await.expect(200).json();
    assert_eq!((&told["running"], &told["sandbox"]["status"]), (&json!(true), &json!("running")));
    // The owner's own word changes neither.
    for (id, status) in [(&ids[0], "running"), (&ids[1], "paused")] {
        set_status(&roster, demo::VIEWER, id, status).await;
    }
    roster.advance(HOUR);
    assert_eq!(bill(&roster, demo::VIEWER, &ids[0]).await, 0.5);
    assert_eq!(bill(&roster, demo::VIEWER, &ids[1]).await, 1.5);
    // When the bill is made, it is made.
    let platform = roster.token(demo::PLATFORM_OPERATOR);
    report(&roster, &platform, demo::VIEWER, &ids[0], &half_an_hour).await.expect(409);
    // The report has an entry of the owner's history, by the one who reported.
    let history = roster
        .items()
        .await
        .into_iter()
        .filter(|item| item["pk"] == json!(format!("AUDIT#{}", demo::VIEWER)));
    let actors: Vec<_> = history
        .filter(|entry| entry["action"] == "sandbox.metered")
        .map(|entry| entry["actor_id"].clone())
        .collect();
    assert_eq!(actors, [json!(demo::PLATFORM_OPERATOR), json!(demo::PLATFORM_OPERATOR)]);
    roster.check_table().await;
}

#[tokio::test]
async fn a_wrong_report_changes_nothing() {
    let roster = Roster::start().await;
    let platform = roster.token(demo::PLATFORM_OPERATOR);
    let id = id_of(make(&roster, demo::VIEWER, &json!({"template": "base"})).await);
    roster.advance(60);
    roster.get("/users/me", demo::PLATFORM_OPERATOR).await.expect(200);
    roster.settled().await;
    let before = roster.items().await;
    for body in [
        json!({}),
        json!({"ran_ms": 1}),
        json!({"running": true}),
        json!({"ran_ms": -1, "running": true}),
        json!({"ran_ms": 1.5, "running": true}),
        json!({"ran_ms": "1", "running": true}),
        json!({"ran_ms": 1, "running": "true"}),
        json!({"ran_ms": u64::MAX, "running": true}),
        // Longer than it exists.
        json!({"ran_ms": 60_001, "running": true}),
    ] {
        let refused = report(&roster, &platform, demo::VIEWER, &id, &body).await.expect(422);
        assert_eq!(refused.json()["code"], "invalid_request", "{body}");
    }
    let good = json!({"ran_ms": 60_000, "running": true});
    for (owner, id) in
        [(demo::ADMIN, id.as_str()), (demo::VIEWER, "sbx_none"), (demo::id(0xdead), id.as_str())]
    {
        report(&roster, &platform, owner, id, &good).await.expect(404);
    }
    assert_eq!(tests::checks::changes(&before, &roster.items().await), [""; 0]);
    report(&roster, &platform, demo::VIEWER, &id, &good).await.expect(200);
}

#[tokio::test]
async fn the_platform_alone_reports() {
    let roster = Roster::start().await;
    let id =
        id_of(make(&roster, demo::VIEWER, &json!({"template": "base", "memory_mb": 1024})).await);
    roster.advance(HOUR);
    let nothing = json!({"ran_ms": 0, "running": false});
    // Neither its owner, nor the team's administrator, nor a key of theirs.
    let credentials = [
        roster.token(demo::VIEWER),
        roster.token(demo::ADMIN),
        roster.token(demo::OTHER_ADMIN),
        key(demo::ADMIN, 1),
    ];
    for credential in &credentials {
        report(&roster, credential, demo::VIEWER, &id, &nothing).await.expect(403);
    }
    // Nor does anyone else give a key the permission.
    let asked = json!({"permissions": ["metering:write"]});
    for caller in [demo::VIEWER, demo::ADMIN] {
        ask(&roster, Method::POST, "/v1/keys", &roster.token(caller), &asked).await.expect(422);
    }
    let platform = roster.token(demo::PLATFORM_OPERATOR);
    // An operator's key has the permission, or does not report.
    let without = ask(&roster, Method::POST, "/v1/keys", &platform, &json!({"scope": "operator"}))
        .await
        .expect(201)
        .json();
    let refused =
        report(&roster, without["key"].as_str().expect("a key"), demo::VIEWER, &id, &nothing)
            .await
            .expect(403);
    assert!(refused.text.contains("`metering:write`"), "{refused:?}");
    let own = ask(&roster, Method::POST, "/v1/keys", &platform, &asked).await.expect(201).json();
    let own = own["key"].as_str().expect("a key").to_owned();
    report(&roster, &own, demo::VIEWER, &id, &nothing).await.expect(200);
    // It opens nothing else.
    ask(&roster, Method::GET, "/v1/admin/users", &own, &json!({})).await.expect(403);
    ask(&roster, Method::GET, "/v1/account/me", &own, &json!({})).await.expect(403);
    // A key that an operator makes for a machine reports, and ends after a day.
    let path = format!("/v1/admin/users/{}/keys", demo::OTHER_ADMIN);
    let minted = ask(&roster, Method::POST, &path, &platform, &asked).await.expect(201).json();
    let minted = minted["key"].as_str().expect("a key").to_owned();
    report(&roster, &minted, demo::VIEWER, &id, &nothing).await.expect(200);
    // Who operates the platform no longer reports no longer, and the other key goes on.
    let act = Act::new(demo::PLATFORM_OPERATOR, "user.unmade_operator", roster.now());
    roster
        .server
        .data
        .store
        .set_operator(demo::PLATFORM_OPERATOR, false, &act)
        .await
        .expect("the operator");
    report(&roster, &own, demo::VIEWER, &id, &nothing).await.expect(403);
    report(&roster, &minted, demo::VIEWER, &id, &nothing).await.expect(200);
    roster.advance(24 * HOUR);
    report(&roster, &minted, demo::VIEWER, &id, &nothing).await.expect(401);
}

#[tokio::test]
async fn one_member_holds_a_share_of_what_the_team_has() {
    let roster = Roster::start().await;
    let tier = json!({
        "id": "small", "display_name": "Small", "max_concurrent_sandboxes": 4, "daily_sandbox_creates": 1000, "daily_gb_hours": 100.0,
    });
    roster.server.data.store.put(&shared::table::Key::tier("small"), &tier).await.expect("a tier");
    roster.advance(61);
    let path = format!("/v1/admin/users/{}/quota", demo::OTHER_ADMIN);
    roster
        .call(Method::PATCH, &path, demo::PLATFORM_OPERATOR, &json!({"quota_tier_id": "small"}))
        .await
        .expect(200);
    let (member, other) = (demo::id(0xb3), demo::id(0xb4));
    let hours = |hours: i64| json!({"template": "base", "memory_mb": 1024, "timeout_ms": hours * HOUR * 1000});
    // Nearly all GB-hours by one sandbox.
    let refused = make(&roster, member, &hours(51)).await.expect(429).json();
    assert_eq!(refused["code"], "QUOTA_EXCEEDED");
    assert!(
        refused["error"]
            .as_str()
            .is_some_and(|error| error.contains("a member may hold 2 sandboxes and 50 GB-hours")),
        "{refused}"
    );
    let first = id_of(make(&roster, member, &hours(30)).await);
    make(&roster, member, &hours(21)).await.expect(429);
    id_of(make(&roster, member, &hours(20)).await);
    make(&roster, member, &json!({"template": "base"})).await.expect(429);
    // Others have room, and what is given back can be had again.
    make(&roster, other, &hours(1)).await.expect(201);
    bill(&roster, member, &first).await;
    make(&roster, member, &hours(30)).await.expect(201);
    // Nothing of what was refused is counted.
    roster.check_table().await;
    // Administrators answer for all of it.
    for id in roster
        .items()
        .await
        .into_iter()
        .filter(|item| item["sk"].as_str().is_some_and(|sk| sk.starts_with("SANDBOX#")))
    {
        let owner: Uuid = id["user_id"].as_str().and_then(|id| id.parse().ok()).expect("an owner");
        if [member, other].contains(&owner) && id["status"] != "destroyed" {
            bill(&roster, owner, id["id"].as_str().expect("an id")).await;
        }
    }
    make(&roster, demo::OTHER_ADMIN, &hours(90)).await.expect(201);
}
