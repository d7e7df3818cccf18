//! One caller who grows data and cost without bound: everything has a cap, and who sends too much is refused, whoever it is.

use std::num::NonZeroU32;

use futures::future::join_all;
use local::demo;
use reqwest::Method;
use serde_json::json;
use tests::checks::{NOBODY, SUSPENDED, key};
use tests::{Answer, Roster, send};
use uuid::Uuid;

#[tokio::test]
async fn a_viewer_makes_no_managed_users() {
    let roster = Roster::start().await;
    let before = roster.items().await.len();
    let body = json!({"first_name": "New", "last_name": null});
    let refused = roster.call(Method::POST, "/api/v1/users/", demo::VIEWER, &body).await.expect(403);
    assert!(refused.json()["detail"].as_str().expect("a sentence").contains("viewer"), "{refused:?}");
    assert_eq!(roster.items().await.len(), before);
    roster.call(Method::POST, "/api/v1/users/", demo::MANAGER, &body).await.expect(200);
}

#[tokio::test]
async fn a_team_has_so_many_managed_users_and_no_race_makes_more() {
    let roster = Roster::start().await;
    // Northwind is in the tier that allows a hundred.
    let most = shared::models::QuotaTier::built_in()[0].max_managed_users();
    let users: Vec<_> = (0..most - 3)
        .map(|n| shared::models::User {
            manager_id: Some(demo::OTHER_ADMIN),
            ..shared::models::User::new(Uuid::new_v4(), 1000 + n, (demo::OTHER_TEAM, "Northwind"), roster.now())
        })
        .collect();
    for users in users.chunks(11) {
        roster.server.data.store.load_users(users).await.expect("users");
    }
    let tier = roster.user(demo::OTHER_ADMIN).await.expect("a user").quota_tier_id;
    assert_eq!(tier, "free");
    let make = async |n: usize| {
        let body = json!({"first_name": format!("Ward {n}"), "last_name": null});
        roster.call(Method::POST, "/api/v1/users/", demo::OTHER_ADMIN, &body).await
    };
    let answers: Vec<Answer> = join_all((0..8).map(make)).await;
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert!((1..=3).contains(&made.len()), "{answers:#?}");
    let refused = make(9).await.expect(409);
    assert!(refused.json()["detail"].as_str().expect("a sentence").contains("100"), "{refused:?}");
    roster.delete(&format!("/api/v1/users/{}", made[0].json()["id"].as_str().expect("an id")), demo::OTHER_ADMIN).await.expect(200);
    make(10).await.expect(200);
    make(11).await.expect(409);
    roster.check_table().await;
}

#[tokio::test]
async fn a_team_has_so_many_pending_invites_and_no_race_makes_more() {
    let roster = Roster::start_with(|options| options.config.caps.pending_invites = 5).await;
    let invite = async |n: usize| {
        let body = json!({"details": {"email": format!("guest.{n}@example.com"), "account_id": demo::OTHER_TEAM}});
        roster.call(Method::POST, "/api/v1/admin_user_invite", demo::OTHER_ADMIN, &body).await
    };
    let answers: Vec<Answer> = join_all((0..12).map(invite)).await;
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(made.len(), 5, "{answers:#?}");
    assert!(answers.iter().filter(|answer| answer.status != 200).all(|answer| answer.status == 409), "{answers:#?}");
    // One that is taken back, or used, makes room for another.
    let id = made[0].json()["details"]["id"].clone();
    let path = format!("/api/v1/admin_user_invite/{}/revoke", id.as_str().expect("an id"));
    roster.call(Method::POST, &path, demo::OTHER_ADMIN, &json!({})).await.expect(200);
    invite(20).await.expect(200);
    invite(21).await.expect(409);
    let mut claims = roster.claims(demo::id(0x9003));
    claims["email"] = json!("guest.20@example.com");
    let sign_up = roster.request(Method::POST, "/v1/account").bearer_auth(tests::sign(&claims)).json(&json!({}));
    send(sign_up).await.expect(201);
    invite(22).await.expect(200);
    invite(23).await.expect(409);
    roster.check_table().await;
}

#[tokio::test]
async fn history_ends_by_itself() {
    let roster = Roster::start_with(|options| options.config.caps.history_days = 10).await;
    roster.call(Method::PATCH, "/v1/account/me", demo::VIEWER, &json!({"display_name": "Dara"})).await.expect(200);
    let entries = roster.items().await;
    let entry = entries.iter().rev().find(|item| item["pk"] == json!(format!("AUDIT#{}", demo::VIEWER))).expect("an entry");
    assert_eq!(entry["expires"], json!(roster.now().as_second() + 864_000));
}

/// Whoever has a credential of a known form is counted: also one whose account is suspended, or that has none.
#[tokio::test]
async fn suspended_and_unknown_callers_are_limited_too() {
    for (caller, status) in [(SUSPENDED, 403), (NOBODY, 401), (demo::ADMIN, 200)] {
        for (method, path) in [(Method::GET, "/v1/account/me"), (Method::GET, "/users/me")] {
            let roster = Roster::start_with(|options| options.config.requests_per_minute = NonZeroU32::new(3)).await;
            let ask = async || roster.call(method.clone(), path, caller, &json!({})).await;
            for _ in 0..3 {
                let answer = ask().await;
                assert_ne!(answer.status, 429, "{path}");
                assert!(answer.status == status || path == "/users/me", "{answer:?}");
            }
            ask().await.expect(429);
        }
    }
}

#[tokio::test]
async fn a_suspended_caller_cannot_sign_up_or_restore_without_end() {
    let roster = Roster::start_with(|options| options.config.requests_per_minute = NonZeroU32::new(2)).await;
    for path in ["/v1/account", "/v1/account/restore"] {
        roster.advance(60);
        for status in [403, 403, 429, 429] {
            roster.call(Method::POST, path, SUSPENDED, &json!({})).await.expect(status);
        }
    }
}

/// A 429 that this process has given in this minute is given again for nothing.
#[tokio::test]
async fn who_is_refused_costs_nothing_any_more() {
    let roster = Roster::start_with(|options| options.config.requests_per_minute = NonZeroU32::new(2)).await;
    let by = |credential: String| send(roster.request(Method::GET, "/v1/keys").bearer_auth(credential));
    let token = || roster.token(demo::ADMIN);
    for status in [200, 200, 429] {
        by(token()).await.expect(status);
    }
    let free = by(token()).await.expect(429);
    assert_eq!((free.cost().calls, free.headers["retry-after"].as_str()), (0, "60"));
    // Another credential of the same person; a key is read once, as it is not known yet whose it is.
    assert_eq!(by(key(demo::ADMIN, 1)).await.expect(429).cost().write_units, 0.0);
    roster.advance(60);
    for status in [200, 200, 429] {
        by(key(demo::ADMIN, 1)).await.expect(status);
    }
    assert_eq!(by(key(demo::ADMIN, 1)).await.expect(429).cost().calls, 0);
    // Nobody else is.
    by(roster.token(demo::VIEWER)).await.expect(200);
}

/// Who acts for another by a delegated token spends what they may send themselves, and nothing of the other's.
#[tokio::test]
async fn a_delegate_does_not_use_up_what_the_other_may_send() {
    let roster = Roster::start_with(|options| options.config.requests_per_minute = NonZeroU32::new(3)).await;
    let ward: Uuid = demo::id(0x61);
    let delegated =
        roster.call(Method::POST, "/api/v1/oauth/delegated-token", demo::MANAGER, &json!({"sub": ward})).await.expect(200).json();
    let delegated = delegated["access_token"].as_str().expect("a token").to_owned();
    // It may not do this, and is counted all the same.
    let mut last = 0;
    for _ in 0..4 {
        let request = roster.request(Method::GET, "/v1/keys").bearer_auth(&delegated);
        last = send(request).await.status;
    }
    assert_eq!(last, 429);
    roster.get("/v1/account/me", demo::MANAGER).await.expect(429);
    assert!(!roster.keys_with(&format!("REQUESTS#{ward}")).await.iter().any(|key| key.contains("MINUTE")));
}

/// Every key and every share is listed, on some page, and none twice.
#[tokio::test]
async fn keys_and_shares_are_listed_a_page_at_a_time() {
    let roster = Roster::start().await;
    for n in 0..3 {
        roster.call(Method::POST, "/v1/keys", demo::MANAGER, &json!({"name": format!("key {n}")})).await.expect(201);
    }
    for grantee in [demo::ADMIN, demo::VIEWER, demo::PLATFORM_OPERATOR] {
        let scopes = json!({"scopes": ["data:read"]});
        roster.call(Method::PUT, &format!("/api/v1/users/shares/{grantee}"), demo::MANAGER, &scopes).await.expect(200);
    }
    for path in ["/v1/keys", "/api/v1/users/shares"] {
        let whole = roster.get(path, demo::MANAGER).await.expect(200);
        assert_eq!(whole.headers.get("link"), None);
        let whole = whole.json();
        assert!(whole.as_array().expect("a list").len() > 2);
        let mut paged = Vec::new();
        let mut next = Some(format!("{path}?limit=2"));
        while let Some(page) = next {
            let answer = roster.get(&page, demo::MANAGER).await.expect(200);
            let listed = answer.json().as_array().expect("a list").clone();
            assert!((1..=2).contains(&listed.len()), "{page}: {answer:?}");
            paged.extend(listed);
            let link = answer.headers.get("link").and_then(|link| link.strip_prefix('<')?.split_once('>'));
            next = link.map(|(address, _)| address.to_owned());
        }
        assert_eq!(json!(paged), whole, "{path}");
        for wrong in ["limit=0", "limit=1001", "cursor=x"] {
            roster.get(&format!("{path}?{wrong}"), demo::MANAGER).await.expect(422);
        }
    }
}
