//! The limit on what one caller may send in a minute: exact, over all execution environments, and
//! for one write unit a request.

use std::num::NonZeroU32;

use futures::future::join_all;
use insta::assert_json_snapshot;
use local::{Location, Options, Server, demo};
use reqwest::{Client, Method};
use serde_json::json;
use tests::events::{event, play};
use tests::{Answer, Roster, send};

/// So many requests a minute are few enough to pass the limit in a test.
const MOST: u32 = 5;

/// A server with the demo data and that limit, and how it was started.
async fn limited(most: u32) -> (Roster, Options) {
    let mut started = None;
    let roster = Roster::start_with(|options| {
        options.config.requests_per_minute = NonZeroU32::new(most);
        started = Some(options.clone());
    })
    .await;
    (roster, started.expect("it was started"))
}

/// An endpoint of each contract, that the caller may use.
const ENDPOINTS: [(&str, &str); 5] = [
    ("operator account", "/v1/account/me"),
    ("directory", "/api/v1/admin_user/00000000-0000-4000-8000-000000000005"),
    ("user admin", "/api/admin/user-admin/1"),
    ("managed users", "/api/v1/users/"),
    ("workspace", "/users/me"),
];

#[tokio::test]
async fn the_request_above_the_limit_is_refused_by_each_contract() {
    for (contract, path) in ENDPOINTS {
        let (roster, _) = limited(MOST).await;
        // Of a minute that has 48 s left.
        roster.advance(12);
        for _ in 0..MOST {
            roster.get(path, demo::ADMIN).await.expect(200);
        }
        let refused = roster.get(path, demo::ADMIN).await.expect(429);
        assert_eq!(refused.headers["retry-after"], "48", "{contract}");
        assert_json_snapshot!(format!("too many, {contract}"), refused.snapshot());
        assert_ne!(
            roster.get("/users/me", demo::VIEWER).await.status,
            429,
            "{contract}: others are not held up"
        );
        roster.advance(47);
        roster.get(path, demo::ADMIN).await.expect(429);
        roster.advance(1);
        roster.get(path, demo::ADMIN).await.expect(200);
    }
}

#[tokio::test]
async fn the_work_of_many_ids_counts_as_several_requests() {
    let (roster, _) = limited(4).await;
    let many = json!({"ids": (1..=300).collect::<Vec<u32>>()});
    let path = "/api/admin/user-admin/inactive/delete";
    roster.call(Method::POST, path, demo::ADMIN, &many).await.expect(404);
    roster.get("/users/me", demo::ADMIN).await.expect(429);
    roster.get("/users/me", demo::VIEWER).await.expect(200);
}

#[tokio::test]
async fn a_refused_request_changes_nothing() {
    let (roster, _) = limited(1).await;
    roster.get("/users/me", demo::MANAGER).await.expect(200);
    let others = async || {
        let mut items = roster.items().await;
        items.retain(|item| !item.contains_key("requests"));
        items
    };
    let (before, new) = (others().await, json!({"first_name": "New", "last_name": "Person"}));
    roster.call(Method::POST, "/api/v1/users/", demo::MANAGER, &new).await.expect(429);
    roster
        .call(Method::PUT, &format!("/api/v1/users/{}", demo::id(0x61)), demo::MANAGER, &new)
        .await
        .expect(429);
    roster.delete(&format!("/api/v1/users/{}", demo::id(0x61)), demo::MANAGER).await.expect(429);
    assert_eq!(others().await, before);
}

/// Whoever holds a credential of someone's spends what that one may send: a token, an API key, a
/// token that was delegated to them.
#[tokio::test]
async fn all_credentials_of_a_caller_count_together() {
    let (roster, _) = limited(4).await;
    let by = |credential: String| {
        send(roster.request(Method::GET, "/v1/account/me").bearer_auth(credential))
    };
    let sub = json!({"sub": demo::id(0x61)});
    let delegated = roster
        .call(Method::POST, "/api/v1/oauth/delegated-token", demo::MANAGER, &sub)
        .await
        .expect(200)
        .json();
    let delegated = delegated["access_token"].as_str().expect("a token");
    by(delegated.to_owned()).await.expect(200);
    by(roster.token(demo::MANAGER)).await.expect(200);
    by(roster.token(demo::MANAGER)).await.expect(200);
    by(roster.token(demo::MANAGER)).await.expect(429);
    by(delegated.to_owned()).await.expect(429);
    for key in [true, true, false, false] {
        let credential = if key {
            demo::api_key_text(demo::ADMIN, 1).reveal().to_owned()
        } else {
            roster.token(demo::ADMIN)
        };
        by(credential).await.expect(200);
    }
    by(demo::api_key_text(demo::ADMIN, 1).reveal().to_owned()).await.expect(429);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_in_several_environments_get_through_exactly_as_many_as_may() {
    let (roster, options) = limited(20).await;
    let location = Location::Endpoint(roster.server.data.database.endpoint.clone());
    let other = Server::start(Options { location, demo: false, ..options })
        .await
        .expect("a second environment");
    let (client, token) =
        (Client::builder().no_proxy().build().expect("a client"), roster.token(demo::VIEWER));
    let urls = [roster.server.url(), other.url()];
    let answers: Vec<Answer> = join_all(
        (0..64).map(|n| send(client.get(format!("{}/users/me", urls[n % 2])).bearer_auth(&token))),
    )
    .await;
    let with = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((with(200), with(429)), (20, 44), "{answers:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn counting_costs_a_call_and_a_write_unit_and_no_wait() {
    let (free, (counted, _)) = futures::join!(Roster::start(), limited(u32::MAX));
    for handler in functions::HANDLERS {
        let name = handler.name;
        // What is the same for all callers, and asks for no credential.
        let expected = if name.starts_with("platform.") { (0, 0.0) } else { (1, 1.0) };
        let costs = [&free, &counted].map(async |roster| {
            roster.server.data.settle().await.expect("the stream is read");
            play(&roster.server.app, name, event(name)).await
        });
        let [(answer, before), (again, after)]: [_; 2] =
            join_all(costs).await.try_into().expect("both");
        assert_eq!(answer.status, again.status, "{name}: {answer:?} {again:?}");
        assert_eq!(
            (after.calls - before.calls, after.write_units - before.write_units),
            expected,
            "{name}: {before:?} {after:?}"
        );
        assert_eq!(
            (after.steps, after.read_units),
            (before.steps, before.read_units),
            "{name}: {before:?} {after:?}"
        );
    }
}
