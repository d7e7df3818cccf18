//! Roster's own endpoints: health, and what no route takes.

use insta::assert_json_snapshot;
use local::{TrailingSlash, demo};
use reqwest::Method;
use serde_json::{Value, json};
use tests::lagging::Lagging;
use tests::{LAG, Roster, send};

use crate::{changes, unchanged};

/// What nobody serves says so, with or without a credential, in the form of the contract under whose base path it is: gives each
/// answer with the requests that it is given for.
async fn unmatched(requests: &[(Method, &str)]) -> Value {
    let mut told: Vec<(Value, Vec<String>)> = Vec::new();
    for routing in [TrailingSlash::Proxy, TrailingSlash::Default] {
        let roster = Roster::start_with(|options| options.trailing_slash = routing).await;
        let before = roster.items().await;
        for (method, path) in requests {
            let bare = send(roster.request(method.clone(), path)).await.snapshot();
            let body = json!({"first_name": "Ole", "last_name": null});
            let request = roster.request(method.clone(), path).bearer_auth(roster.token(demo::ADMIN)).json(&body);
            let by_admin = send(request).await.snapshot();
            assert_eq!(bare, by_admin, "{method} {path}");
            assert_eq!(bare["status"], 404, "{method} {path}");
            let request = format!("{method} {path}");
            match told.iter_mut().find(|(known, _)| *known == bare) {
                Some((_, requests)) if requests.contains(&request) => {}
                Some((_, requests)) => requests.push(request),
                None => told.push((bare, vec![request])),
            }
        }
        assert_eq!(changes(&before, &roster.items().await), [""; 0]);
    }
    json!(told)
}

#[tokio::test]
async fn health_needs_no_credential() {
    let roster = Roster::start().await;
    let answer = unchanged(&roster, roster.request(Method::GET, "/health")).await;
    assert_json_snapshot!(answer.snapshot());
    let with_bad_one = send(roster.request(Method::GET, "/health").bearer_auth("not.a.token")).await;
    assert_eq!(with_bad_one.snapshot(), answer.snapshot());
}

#[tokio::test]
async fn an_empty_table_is_healthy() {
    let roster = Roster::empty().await;
    send(roster.request(Method::GET, "/health")).await.expect(200);
}

#[tokio::test]
async fn unmatched_under_the_workspace() {
    let requests = [
        (Method::GET, "/users/"),
        (Method::GET, "/users/me/"),
        (Method::GET, "/users/me/devices"),
        (Method::POST, "/users"),
        (Method::PUT, "/users"),
        (Method::DELETE, "/users/me"),
        (Method::PATCH, "/users/00000000-0000-4000-8000-000000000002"),
        (Method::OPTIONS, "/users"),
        (Method::GET, "/users//me"),
    ];
    assert_json_snapshot!(unmatched(&requests).await);
}

#[tokio::test]
async fn unmatched_under_the_directory() {
    let requests = [
        (Method::GET, "/api/v1/admin_user/"),
        (Method::POST, "/api/v1/admin_user"),
        (Method::DELETE, "/api/v1/admin_user"),
        (Method::DELETE, "/api/v1/admin_user/00000000-0000-4000-8000-000000000002"),
        (Method::GET, "/api/v1/admin_user/a/b"),
        (Method::PUT, "/api/v1/admin_user_invite"),
    ];
    assert_json_snapshot!(unmatched(&requests).await);
}

#[tokio::test]
async fn unmatched_under_user_admin() {
    let requests = [
        (Method::GET, "/api/admin/user-admin/"),
        (Method::GET, "/api/admin/user-admin/1/"),
        (Method::GET, "/api/admin/user-admin/1/change-password"),
        (Method::POST, "/api/admin/user-admin/1"),
        (Method::PATCH, "/api/admin/user-admin/1"),
        (Method::POST, "/api/admin/user-admin/validate-password"),
    ];
    assert_json_snapshot!(unmatched(&requests).await);
}

#[tokio::test]
async fn unmatched_under_managed_users() {
    let requests = [
        (Method::PATCH, "/api/v1/users/00000000-0000-4000-8000-000000000061"),
        (Method::POST, "/api/v1/users/00000000-0000-4000-8000-000000000061"),
        (Method::GET, "/api/v1/users/00000000-0000-4000-8000-000000000061/"),
        (Method::GET, "/api/v1/users/a/b"),
        (Method::POST, "/api/v1/users/a/b"),
        (Method::GET, "/api/v1/users//"),
        (Method::PUT, "/api/v1/users"),
        (Method::PUT, "/api/v1/users/"),
        (Method::DELETE, "/api/v1/users"),
        (Method::DELETE, "/api/v1/users/"),
        (Method::POST, "/api/v1/oauth/principal-token"),
        (Method::GET, "/api/v1/oauth/principal-token/"),
        (Method::GET, "/api/v1/oauth"),
        (Method::GET, "/api/v1/nothing"),
        (Method::GET, "/api/v1"),
    ];
    assert_json_snapshot!(unmatched(&requests).await);
}

#[tokio::test]
async fn unmatched_under_operator_and_account_and_anywhere_else() {
    let requests = [
        (Method::GET, "/v1"),
        (Method::GET, "/v1/"),
        (Method::GET, "/v1/nothing"),
        (Method::GET, "/v1/account"),
        (Method::GET, "/v1/account/"),
        (Method::POST, "/v1/account/"),
        (Method::GET, "/v1/account/me/"),
        (Method::PUT, "/v1/account/me"),
        (Method::POST, "/v1/account/me"),
        (Method::PUT, "/v1/admin/users/00000000-0000-4000-8000-000000000002"),
        (Method::GET, "/v1/admin/users/00000000-0000-4000-8000-000000000002/"),
        (Method::GET, "/"),
        (Method::GET, "/api"),
        (Method::GET, "/api/v10/users"),
        (Method::GET, "/usersx"),
        (Method::GET, "/favicon.ico"),
        (Method::POST, "/health"),
        (Method::GET, "/health/"),
        (Method::GET, "/%FF"),
        (Method::GET, "/a?b=%5B%5D&c"),
    ];
    assert_json_snapshot!(unmatched(&requests).await);
}

#[tokio::test]
async fn a_head_request_is_no_get() {
    let roster = Roster::start().await;
    for path in ["/users", "/v1/account/me", "/health"] {
        let answer = send(roster.request(Method::HEAD, path).bearer_auth(roster.token(demo::ADMIN))).await.expect(404);
        assert_eq!(answer.text, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_suite_can_run_on_any_dynamodb_and_leaves_no_table_there() {
    let other = local::database::open(&local::Location::Memory).await.expect("a database");
    let client = local::database::client(&other, std::time::Duration::ZERO).await;
    let tables = async || client.list_tables().send().await.expect("tables").table_names.unwrap_or_default();
    let roster = Roster::start_with(|options| options.location = local::Location::Endpoint(other.endpoint.clone())).await;
    assert_eq!(tables().await, std::slice::from_ref(&roster.table));
    roster.get("/users/me", demo::ADMIN).await.expect(200);
    roster.check_table().await;
    drop(roster);
    assert_eq!(tables().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_once_their_index_has_followed() {
    let lagging = Lagging::start(&local::Location::Memory, LAG).await;
    let roster = Roster::start_with(|options| options.location = local::Location::Endpoint(lagging.endpoint.clone())).await;
    let body = json!({"details": {"email": "wanda@example.com", "account_id": demo::TEAM}});
    let list = async || {
        let path = "/api/admin/user-admin";
        let request = roster.request(Method::GET, path).bearer_auth(roster.token(demo::ADMIN)).build().expect("a request");
        let response = reqwest::Client::builder().no_proxy().build().expect("a client").execute(request).await.expect("an answer");
        response.text().await.expect("a list").contains("wanda@example.com")
    };
    roster.call(Method::POST, "/api/v1/admin_user_invite", demo::ADMIN, &body).await.expect(200);
    assert!(!list().await, "the index follows at once");
    assert!(roster.get("/api/admin/user-admin", demo::ADMIN).await.expect(200).text.contains("wanda@example.com"));
    assert!(list().await);
}

#[tokio::test]
async fn the_description_is_the_same_for_everyone() {
    let roster = Roster::start().await;
    let answer = send(roster.request(Method::GET, "/openapi.json")).await.expect(200);
    assert_eq!((answer.headers["content-type"].as_str(), &answer.json()["openapi"]), ("application/json", &json!("3.1.0")));
    assert_eq!(roster.get("/openapi.json", demo::ADMIN).await.expect(200).text, answer.text);
}
