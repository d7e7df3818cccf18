//! Found: a platform operator's password alone, or an administrator's, opened everything. Now an
//! installation asks for a second factor before what is hard to take back.

use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use shared::models::Status;
use tests::{Answer, Roster, send, sign};
use uuid::Uuid;

const STEP_UP: &str = "This takes a second factor. Sign in with one, and use that token.";
const FINN: Uuid = demo::id(0x61);

async fn demanding() -> Roster {
    Roster::start_with(|options| {
        options.config.tokens.step_up = vec!["totp".to_owned(), "webauthn".to_owned()];
    })
    .await
}

fn token(roster: &Roster, user: Uuid, context: &Value) -> String {
    let mut claims = roster.claims(user);
    for (name, value) in context.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    sign(&claims)
}

async fn call(
    roster: &Roster,
    method: &Method,
    path: &str,
    credential: &str,
    body: &Value,
) -> Answer {
    send(roster.request(method.clone(), path).bearer_auth(credential).json(body)).await
}

/// The requests that take a second factor, the caller of each, the status they have with one, and
/// the place of the reason in the body of a refusal.
fn requests() -> Vec<(Uuid, Method, String, Value, u16, &'static str)> {
    let (admin, operator) = (demo::ADMIN, demo::PLATFORM_OPERATOR);
    let key = "/v1/keys/00000000-0000-4000-8000-0000000000ff";
    let made = json!({"email": "new@example.com", "rootRole": 1});
    vec![
        (admin, Method::POST, "/v1/keys".into(), json!({}), 201, "/error"),
        (admin, Method::POST, "/v1/keys/default".into(), json!({}), 201, "/error"),
        (admin, Method::POST, format!("{key}/rotate"), json!({}), 404, "/error"),
        (demo::VIEWER, Method::DELETE, "/v1/account".into(), json!({}), 202, "/error"),
        (admin, Method::DELETE, "/api/admin/user-admin/3".into(), json!({}), 200, "/message"),
        (
            admin,
            Method::PUT,
            "/api/admin/user-admin/3".into(),
            json!({"rootRole": 1}),
            200,
            "/message",
        ),
        (admin, Method::POST, "/api/admin/user-admin".into(), made, 201, "/message"),
        (demo::MANAGER, Method::DELETE, format!("/api/v1/users/{FINN}"), json!({}), 200, "/detail"),
        (operator, Method::GET, "/v1/admin/users".into(), json!({}), 200, "/error"),
        (
            operator,
            Method::GET,
            format!("/v1/admin/users/{}", demo::VIEWER),
            json!({}),
            200,
            "/error",
        ),
        (
            operator,
            Method::POST,
            format!("/v1/admin/users/{}/suspend", demo::VIEWER),
            json!({}),
            200,
            "/error",
        ),
        (
            operator,
            Method::POST,
            format!("/v1/admin/users/{}/keys", demo::VIEWER),
            json!({}),
            201,
            "/error",
        ),
        (
            operator,
            Method::DELETE,
            format!("/v1/admin/users/{}", demo::VIEWER),
            json!({}),
            409,
            "/error",
        ),
        (operator, Method::GET, "/v1/admin/quota-tiers".into(), json!({}), 200, "/error"),
    ]
}

#[tokio::test]
async fn a_password_alone_does_nothing_that_is_hard_to_take_back() {
    let attacked = demanding().await;
    let before = attacked.items().await;
    for (caller, method, path, body, _, place) in requests() {
        for context in [
            json!({}),
            json!({"aal": "aal1"}),
            json!({"aal": "aal3"}),
            json!({"aal": ["aal2"]}),
            json!({"amr": ["pwd", "otp"]}),
            json!({"amr": "totp"}),
            json!({"amr": [{"method": "password", "timestamp": 1}, {"name": "totp"}, 5, null]}),
            json!({"amr": {"method": "totp"}}),
            json!({"user_metadata": {"aal": "aal2", "amr": ["totp"]}}),
        ] {
            let credential = token(&attacked, caller, &context);
            let refused = call(&attacked, &method, &path, &credential, &body).await.expect(403);
            let told = refused.json();
            let told = told.pointer(place).or_else(|| told.pointer("/details/0/message"));
            assert_eq!(told.and_then(Value::as_str), Some(STEP_UP), "{method} {path}: {refused:?}");
        }
    }
    attacked.settled().await;
    let unchanged = |items: &[serde_json::Map<String, Value>]| {
        let kept = items.iter().filter(|item| {
            item["pk"]
                .as_str()
                .is_some_and(|pk| pk.starts_with("USER#") || pk.starts_with("AUDIT#"))
        });
        kept.map(|item| (item["pk"].clone(), item["sk"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(unchanged(&attacked.items().await), unchanged(&before));
}

#[tokio::test]
async fn a_second_factor_in_any_form_opens_it() {
    for context in [
        json!({"aal": "aal2"}),
        json!({"amr": ["pwd", "webauthn"]}),
        json!({"aal": "aal1", "amr": [{"method": "password", "timestamp": 1}, {"method": "totp", "timestamp": 2}]}),
    ] {
        for (caller, method, path, body, status, _) in requests() {
            let roster = demanding().await;
            let credential = token(&roster, caller, &context);
            let answer = call(&roster, &method, &path, &credential, &body).await;
            assert_eq!(answer.status, status, "{method} {path} by {context}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn members_who_were_not_seen_for_long_are_deleted_with_a_second_factor_alone() {
    let roster = demanding().await;
    roster.advance(200 * 86_400);
    let (path, body) = ("/api/admin/user-admin/inactive/delete", json!({"ids": [4, 5]}));
    let refused =
        call(&roster, &Method::POST, path, &roster.token(demo::ADMIN), &body).await.expect(403);
    assert_eq!(refused.json()["message"], json!(STEP_UP));
    assert_eq!(roster.user(demo::VIEWER).await.map(|user| user.status), Some(Status::Active));
    let strong = token(&roster, demo::ADMIN, &json!({"aal": "aal2"}));
    call(&roster, &Method::POST, path, &strong, &body).await.expect(200);
    assert_eq!(roster.user(demo::VIEWER).await.map(|user| user.status), Some(Status::Deleted));
}

#[tokio::test]
async fn nothing_else_asks_for_one_nor_an_installation_without_the_setting() {
    let demands = demanding().await;
    for (caller, method, path, body) in [
        (demo::ADMIN, Method::GET, "/v1/account/me", json!({})),
        (demo::ADMIN, Method::PUT, "/api/admin/user-admin/3", json!({"name": "Vera"})),
        (demo::ADMIN, Method::GET, "/v1/account/export", json!({})),
        (demo::ADMIN, Method::POST, "/v1/account/sign-out-everywhere", json!({})),
        (demo::MANAGER, Method::GET, "/api/v1/users/", json!({})),
    ] {
        let answer =
            call(&demands, &method, path, &token(&demands, caller, &json!({"aal": "aal1"})), &body)
                .await;
        assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
    }
    let relaxed = Roster::start().await;
    let credential = token(&relaxed, demo::PLATFORM_OPERATOR, &json!({"aal": "aal1"}));
    call(&relaxed, &Method::GET, "/v1/admin/users", &credential, &json!({})).await.expect(200);
}

#[tokio::test]
async fn a_key_carries_the_strength_it_was_made_with() {
    let roster = demanding().await;
    let strong = token(&roster, demo::PLATFORM_OPERATOR, &json!({"aal": "aal2"}));
    let asked = json!({"scope": "operator", "permissions": ["members:read", "members:write", "admins:write"]});
    let made = call(&roster, &Method::POST, "/v1/keys", &strong, &asked).await.expect(201).json();
    let key = made["key"].as_str().expect("a key").to_owned();
    call(&roster, &Method::GET, "/v1/admin/users", &key, &json!({})).await.expect(200);
    // A renewal is made with a second factor too, and so is as strong.
    let rotate = format!("/v1/keys/{}/rotate", made["id"].as_str().expect("an id"));
    let renewed =
        call(&roster, &Method::POST, &rotate, &strong, &json!({})).await.expect(201).json();
    let renewed = renewed["key"].as_str().expect("a key").to_owned();
    call(&roster, &Method::GET, "/v1/admin/users", &renewed, &json!({})).await.expect(200);
    // The demo's keys are from before the setting.
    let old = tests::checks::key(demo::PLATFORM_OPERATOR, 1);
    let refused =
        call(&roster, &Method::GET, "/v1/admin/users", &old, &json!({})).await.expect(403);
    assert_eq!(refused.json()["error"], json!(STEP_UP));
    // Nor does it show anyone how a key was made.
    assert!(made.get("stepped_up").is_none());
}
