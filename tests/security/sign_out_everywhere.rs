//! Found: a stolen token worked until it ended, and nobody could end it. Now its user ends every
//! token that was issued before, and so does a platform operator for them; delegated tokens go with
//! it.

use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use tests::own_tokens::claims;
use tests::{Answer, Roster, send, sign};
use uuid::Uuid;

const OWN: &str = "/v1/account/sign-out-everywhere";
const FINN: Uuid = demo::id(0x61);

fn of_user(user: Uuid) -> String {
    format!("/v1/admin/users/{user}/sign-out-everywhere")
}

async fn get(roster: &Roster, path: &str, credential: &str) -> Answer {
    send(roster.request(Method::GET, path).bearer_auth(credential)).await
}

async fn post(roster: &Roster, path: &str, credential: &str) -> Answer {
    send(roster.request(Method::POST, path).bearer_auth(credential)).await
}

/// A token as it was issued at that second.
fn issued_at(roster: &Roster, user: Uuid, iat: Value) -> String {
    let mut claims = roster.claims(user);
    claims["iat"] = iat.clone();
    if iat.is_null() {
        claims.as_object_mut().expect("claims").remove("iat");
    }
    sign(&claims)
}

#[tokio::test]
async fn tokens_from_before_are_refused_by_every_contract_and_later_ones_pass() {
    let roster = Roster::start().await;
    let stolen = roster.token(demo::ADMIN);
    let key = tests::checks::key(demo::ADMIN, 1);
    roster.advance(5);
    let own = roster.token(demo::ADMIN);
    let answer = post(&roster, OWN, &own).await.expect(200).json();
    assert_eq!(answer["user"]["id"], json!(demo::ADMIN));
    let second = roster.now().as_second();
    let paths = [
        "/v1/account/me",
        "/v1/keys",
        "/api/v1/admin_user/00000000-0000-4000-8000-000000000002",
        "/api/admin/user-admin/1",
        "/api/v1/users/",
        "/api/v1/oauth/principal-token",
        "/users/me",
    ];
    for path in paths {
        let refused = get(&roster, path, &stolen).await.expect(401);
        assert!(refused.text.contains("sign-out everywhere"), "{path}: {refused:?}");
        // The same second may have been after it. A token that does not tell its time cannot be
        // later.
        for (iat, status) in [
            (json!(second - 1), 401),
            (json!(second as f64 - 0.1), 401),
            (Value::Null, 401),
            (json!(second), 200),
            (json!(second + 1), 200),
        ] {
            assert_eq!(
                get(&roster, path, &issued_at(&roster, demo::ADMIN, iat.clone())).await.status,
                status,
                "{path} {iat}"
            );
        }
        // API keys go on, and so does everyone else.
        assert_eq!(
            get(&roster, path, &key).await.status,
            if path.ends_with("principal-token") { 403 } else { 200 },
            "{path}"
        );
        assert!(
            get(&roster, path, &issued_at(&roster, demo::OTHER_ADMIN, json!(1))).await.status < 500
        );
    }
    // Neither does it sign up again, or restore.
    for path in ["/v1/account", "/v1/account/restore", OWN] {
        post(&roster, path, &stolen).await.expect(401);
    }
    // It costs no read more: the same as for someone who never signed out.
    let cost = get(&roster, "/users/me", &roster.token(demo::ADMIN)).await.expect(200).cost();
    assert_eq!((cost.calls, cost.read_units), (1, 1.0));
    roster.check_table().await;
}

#[tokio::test]
async fn a_second_sign_out_ends_what_the_first_one_left() {
    let roster = Roster::start().await;
    post(&roster, OWN, &roster.token(demo::VIEWER)).await.expect(200);
    roster.advance(10);
    let between = roster.token(demo::VIEWER);
    get(&roster, "/users/me", &between).await.expect(200);
    roster.advance(1);
    post(&roster, OWN, &between).await.expect(200);
    get(&roster, "/users/me", &between).await.expect(401);
    roster.advance(1);
    get(&roster, "/users/me", &roster.token(demo::VIEWER)).await.expect(200);
    let user = roster.user(demo::VIEWER).await.expect("the user");
    assert_eq!(user.tokens_valid_after.map(|at| at.as_second()), Some(tests::START / 1000 + 11));
}

#[tokio::test]
async fn a_platform_operator_signs_anyone_out_and_nobody_else_does() {
    let roster = Roster::start().await;
    let stolen = roster.token(demo::ADMIN);
    roster.advance(1);
    for caller in [demo::ADMIN, demo::OPERATOR, demo::VIEWER, demo::OTHER_ADMIN] {
        roster.call(Method::POST, &of_user(demo::ADMIN), caller, &json!({})).await.expect(403);
    }
    get(&roster, "/users/me", &stolen).await.expect(200);
    let answer = roster
        .call(
            Method::POST,
            &of_user(demo::ADMIN),
            demo::PLATFORM_OPERATOR,
            &json!({"reason": "A stolen laptop"}),
        )
        .await;
    assert_eq!(answer.expect(200).json()["user"]["id"], json!(demo::ADMIN));
    get(&roster, "/users/me", &stolen).await.expect(401);
    get(&roster, "/users/me", &roster.token(demo::ADMIN)).await.expect(200);
    let entries = roster
        .items()
        .await
        .into_iter()
        .filter(|item| item["pk"] == json!(format!("AUDIT#{}", demo::ADMIN)));
    let entries = entries.filter(|entry| entry["action"] == "user.signed_out_everywhere");
    let told: Vec<_> = entries
        .map(|entry| (entry["action"].clone(), entry["actor_id"].clone(), entry["reason"].clone()))
        .collect();
    assert_eq!(
        told,
        [(
            json!("user.signed_out_everywhere"),
            json!(demo::PLATFORM_OPERATOR),
            json!("A stolen laptop")
        )]
    );
    roster
        .call(Method::POST, &of_user(demo::id(0xdead)), demo::PLATFORM_OPERATOR, &json!({}))
        .await
        .expect(404);
}

#[tokio::test]
async fn a_key_or_a_delegated_token_signs_nobody_out() {
    let roster = Roster::start().await;
    post(&roster, OWN, &tests::checks::key(demo::ADMIN, 1)).await.expect(401);
    let body = json!({"sub": FINN});
    let delegated = roster
        .call(Method::POST, "/api/v1/oauth/delegated-token", demo::MANAGER, &body)
        .await
        .expect(200)
        .json();
    let delegated = delegated["access_token"].as_str().expect("a token").to_owned();
    let principal =
        get(&roster, "/api/v1/oauth/principal-token", &delegated).await.expect(200).json();
    for token in [&delegated, principal["access_token"].as_str().expect("a token")] {
        post(&roster, OWN, token).await.expect(403);
    }
    for user in [demo::ADMIN, demo::MANAGER, FINN] {
        assert_eq!(roster.user(user).await.expect("a user").tokens_valid_after, None);
    }
}

#[tokio::test]
async fn delegated_and_principal_tokens_end_with_a_sign_out_of_either_person() {
    for who in [demo::MANAGER, demo::VIEWER] {
        let roster = Roster::start().await;
        let path = format!("/api/v1/users/shares/{}", demo::MANAGER);
        roster
            .call(Method::PUT, &path, demo::VIEWER, &json!({"scopes": ["data:read", "profile"]}))
            .await
            .expect(200);
        let sign_in = roster.token(demo::MANAGER);
        roster.advance(10);
        let body = json!({"sub": demo::VIEWER});
        let request = roster
            .request(Method::POST, "/api/v1/oauth/delegated-token")
            .bearer_auth(&sign_in)
            .json(&body);
        let delegated = send(request).await.expect(200).json()["access_token"]
            .as_str()
            .expect("a token")
            .to_owned();
        assert_eq!(claims(&delegated)["signed_in_at"], json!(tests::START as f64 / 1000.0));
        let principal =
            get(&roster, "/api/v1/oauth/principal-token", &delegated).await.expect(200).json();
        let principal = principal["access_token"].as_str().expect("a token").to_owned();
        // In the second in which the tokens were made: the sign-in behind them was earlier.
        let at_once = who == demo::MANAGER;
        if !at_once {
            roster.advance(1);
        }
        post(&roster, OWN, &roster.token(who)).await.expect(200);
        for token in [&delegated, &principal] {
            for path in ["/v1/account/me", "/api/v1/oauth/principal-token"] {
                let refused = get(&roster, path, token).await.expect(401);
                assert!(refused.text.contains("sign-out everywhere"), "{path}: {refused:?}");
            }
        }
    }
}
