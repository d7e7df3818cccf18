//! Roster's own endpoints: health, and what no route takes.

use functions::HANDLERS;
use insta::assert_json_snapshot;
use local::{TrailingSlash, demo};
use reqwest::Method;
use serde_json::{Value, json};
use tests::lagging::Lagging;
use tests::{LAG, Roster, events, send};

use crate::{DELETED, NOBODY, SUSPENDED, changes, key, unchanged};

/// What nobody serves says so, with or without a credential, in the form of the contract under
/// whose base path it is: gives each answer with the requests that it is given for.
async fn unmatched(requests: &[(Method, &str)]) -> Value {
    let mut told: Vec<(Value, Vec<String>)> = Vec::new();
    for routing in [TrailingSlash::Proxy, TrailingSlash::Default] {
        let roster = Roster::start_with(|options| options.trailing_slash = routing).await;
        let before = roster.items().await;
        for (method, path) in requests {
            let bare = send(roster.request(method.clone(), path)).await.snapshot();
            let body = json!({"first_name": "Ole", "last_name": null});
            let request = roster
                .request(method.clone(), path)
                .bearer_auth(roster.token(demo::ADMIN))
                .json(&body);
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
    let with_bad_one =
        send(roster.request(Method::GET, "/health").bearer_auth("not.a.token")).await;
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
        (Method::GET, "/api/admin/nothing"),
        (Method::GET, "/api/admin/user-admin/1/nothing"),
        (Method::GET, "/api/admin/user-admin/1/change-password"),
        (Method::POST, "/api/admin/user-admin/1"),
        (Method::PATCH, "/api/admin/user-admin/1"),
        (Method::DELETE, "/api/admin/user-admin"),
        (Method::PUT, "/api/admin/user-admin/"),
        (Method::TRACE, "/api/admin/user-admin"),
        (Method::POST, "/api/admin/user-admin/search"),
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

/// Every event of a GET request is sent as HEAD too: the same status and headers, and no body.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_request_is_answered_as_the_get_request_without_a_body() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let contracts =
        std::fs::read_dir(folder).expect("events").map(|folder| folder.expect("a folder").path());
    let files = contracts.flat_map(|folder| {
        std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path())
    });
    let mut sent = 0;
    let roster = Roster::start().await;
    for path in files {
        let event: Value =
            serde_json::from_str(&std::fs::read_to_string(&path).expect("an event")).expect("JSON");
        if event["requestContext"]["http"]["method"] != "GET" {
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let target = format!("{}?{}", text(&event["rawPath"]), text(&event["rawQueryString"]));
        let answer = async |method: Method| {
            let mut request = roster.request(method, &target);
            for (name, value) in event["headers"]
                .as_object()
                .expect("headers")
                .iter()
                .filter(|(name, _)| *name != "host")
            {
                request = request.header(name, text(value));
            }
            for cookie in event["cookies"].as_array().into_iter().flatten() {
                request = request.header("cookie", text(cookie));
            }
            let mut answer = send(request).await;
            // A gateway may leave the length out; the others are of the request.
            for name in ["content-length", "date", "server-timing", "x-request-id"] {
                answer.headers.remove(name);
            }
            answer
        };
        let (get, head) = (answer(Method::GET).await, answer(Method::HEAD).await);
        assert_eq!(
            (head.status, &head.headers, head.text.as_str()),
            (get.status, &get.headers, ""),
            "{}",
            path.display()
        );
        sent += 1;
    }
    assert!(sent > 30, "{sent}");
    roster.check_table().await;
}

#[tokio::test]
async fn a_head_request_counts_as_any_other() {
    let limit = std::num::NonZeroU32::new(2);
    let roster = Roster::start_with(|options| options.config.requests_per_minute = limit).await;
    let head = async || {
        send(roster.request(Method::HEAD, "/users/me").bearer_auth(roster.token(demo::ADMIN))).await
    };
    for status in [200, 200, 429] {
        assert_eq!(head().await.status, status);
    }
    roster.get("/users/me", demo::ADMIN).await.expect(429);
}

/// The paths of user-admin as the product takes them, where no route does.
#[tokio::test]
async fn user_admin_is_served_at_paths_with_other_slashes_and_in_capitals() {
    for routing in [TrailingSlash::Proxy, TrailingSlash::Default] {
        let roster = Roster::start_with(|options| options.trailing_slash = routing).await;
        for (path, others) in [
            (
                "/api/admin/user-admin",
                ["/api/admin/user-admin/", "/api/admin//user-admin", "/API/Admin/User-Admin//"],
            ),
            (
                "/api/admin/user-admin/2",
                [
                    "/api/admin/user-admin/2/",
                    "//api/admin/user-admin//2",
                    "/api/admin/USER-ADMIN/2",
                ],
            ),
            (
                "/api/admin/user-admin/search?q=ada",
                [
                    "/api/admin/user-admin/search/?q=ada",
                    "/api/admin/user-admin//search?q=ada",
                    "/api/admin/user-admin/SEARCH/?q=ada",
                ],
            ),
            (
                "/api/admin/user-admin/admin-count",
                [
                    "/api/admin/user-admin/admin-count/",
                    "/api/admin/user-admin/admin-count//",
                    "/api/admin/User-admin/Admin-count",
                ],
            ),
            (
                "/api/admin/user-admin/inactive",
                [
                    "/api/admin/user-admin/inactive/",
                    "/api//admin/user-admin/inactive",
                    "/api/admin/User-admin/inactive",
                ],
            ),
        ] {
            let expected = roster.get(path, demo::ADMIN).await.expect(200);
            for other in others {
                assert_eq!(
                    roster.get(other, demo::ADMIN).await.snapshot(),
                    expected.snapshot(),
                    "{other}"
                );
                // They are no way past the checks, and take a bare key as the others do.
                send(roster.request(Method::GET, other)).await.expect(401);
                let bare =
                    roster.request(Method::GET, other).header("authorization", key(demo::ADMIN, 1));
                assert_eq!(send(bare).await.expect(200).text, expected.text, "{other}");
                let head =
                    roster.request(Method::HEAD, other).bearer_auth(roster.token(demo::ADMIN));
                assert_eq!(send(head).await.expect(200).text, "");
            }
            if !path.contains("/search") {
                for other in others {
                    assert_eq!(
                        roster.get(other, demo::VIEWER).await.expect(403).json()["name"],
                        "PermissionError",
                        "{other}"
                    );
                }
            }
        }
        let user = json!({"username": "slashed", "rootRole": 3});
        let made = roster
            .call(Method::POST, "/api/admin/user-admin/", demo::ADMIN, &user)
            .await
            .expect(201)
            .json();
        let path = format!("/api/admin/user-admin/{}/", made["id"]);
        let renamed = roster
            .call(Method::PUT, &path, demo::ADMIN, &json!({"name": "Slashed"}))
            .await
            .expect(200)
            .json();
        assert_eq!((&renamed["id"], &renamed["name"]), (&made["id"], &json!("Slashed")));
        let ids = json!({"ids": [made["id"]]});
        roster
            .call(Method::POST, "/api/admin/user-admin/inactive/delete/", demo::ADMIN, &ids)
            .await
            .expect(200);
        roster.delete(&path, demo::ADMIN).await.expect(200);
        assert_eq!(
            roster.get("/api/admin/user-admin/abc/", demo::ADMIN).await.expect(400).json()["name"],
            "BadDataError"
        );
        roster.check_table().await;
    }
}

#[tokio::test]
async fn options_tells_the_methods_of_a_path() {
    let roster = Roster::start().await;
    for (path, methods) in [
        ("/api/admin/user-admin", "GET,HEAD,POST"),
        ("/api/admin/user-admin/1", "GET,HEAD,PUT,DELETE"),
        ("/api/admin/user-admin/1/", "GET,HEAD,PUT,DELETE"),
        ("/api/admin/user-admin/search", "GET,HEAD"),
        ("/api/admin/user-admin/inactive/delete", "POST"),
    ] {
        let answer = unchanged(&roster, roster.request(Method::OPTIONS, path)).await.expect(200);
        assert_eq!((&answer.headers["allow"][..], answer.text.as_str()), (methods, ""), "{path}");
    }
    send(roster.request(Method::OPTIONS, "/api/admin/user-admin/1/2")).await.expect(404);
}

/// The endpoints of the product that Roster does not serve say who does.
#[tokio::test]
async fn what_user_admin_does_not_serve_is_told_to_members() {
    let roster = Roster::start().await;
    let mut told = Vec::new();
    for (method, path) in [
        (Method::GET, "/access"),
        (Method::GET, "/1/permissions"),
        (Method::POST, "/validate-password"),
        (Method::POST, "/reset-password"),
        (Method::POST, "/1/change-password"),
        (Method::DELETE, "/scim-users"),
    ] {
        for (caller, path) in [
            (demo::ADMIN, format!("/api/admin/user-admin{path}")),
            (demo::VIEWER, format!("/api/admin/user-admin{path}/")),
        ] {
            let answer =
                roster.call(method.clone(), &path, caller, &json!({})).await.expect(501).json();
            assert_eq!(answer["name"], "NotImplementedError", "{path}");
            assert_eq!(answer["details"], json!([{"message": answer["message"]}]));
            told.push(format!(
                "{method} {path}: {}",
                answer["message"].as_str().unwrap_or_default()
            ));
            send(roster.request(method.clone(), &path)).await.expect(401);
            for refused in [SUSPENDED, DELETED, NOBODY] {
                roster.call(method.clone(), &path, refused, &json!({})).await.expect(401);
            }
        }
    }
    assert_json_snapshot!(told);
    roster.check_table().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_suite_can_run_on_any_dynamodb_and_leaves_no_table_there() {
    let other = local::database::open(&local::Location::Memory).await.expect("a database");
    let client = local::database::client(&other, std::time::Duration::ZERO).await;
    let tables =
        async || client.list_tables().send().await.expect("tables").table_names.unwrap_or_default();
    let roster = Roster::start_with(|options| {
        options.location = local::Location::Endpoint(other.endpoint.clone())
    })
    .await;
    assert_eq!(tables().await, std::slice::from_ref(&roster.table));
    roster.get("/users/me", demo::ADMIN).await.expect(200);
    roster.check_table().await;
    drop(roster);
    assert_eq!(tables().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_once_their_index_has_followed() {
    let lagging = Lagging::start(&local::Location::Memory, LAG).await;
    let roster = Roster::start_with(|options| {
        options.location = local::Location::Endpoint(lagging.endpoint.clone())
    })
    .await;
    let body = json!({"details": {"email": "wanda@example.com", "account_id": demo::TEAM}});
    let list = async || {
        let path = "/api/admin/user-admin";
        let request = roster
            .request(Method::GET, path)
            .bearer_auth(roster.token(demo::ADMIN))
            .build()
            .expect("a request");
        let response = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client")
            .execute(request)
            .await
            .expect("an answer");
        response.text().await.expect("a list").contains("wanda@example.com")
    };
    roster.call(Method::POST, "/api/v1/admin_user_invite", demo::ADMIN, &body).await.expect(200);
    assert!(!list().await, "the index follows at once");
    assert!(
        roster
            .get("/api/admin/user-admin", demo::ADMIN)
            .await
            .expect(200)
            .text
            .contains("wanda@example.com")
    );
    assert!(list().await);
}

#[tokio::test]
async fn the_description_is_the_same_for_everyone() {
    let roster = Roster::start().await;
    let answer = send(roster.request(Method::GET, "/openapi.json")).await.expect(200);
    assert_eq!(
        (answer.headers["content-type"].as_str(), &answer.json()["openapi"]),
        ("application/json", &json!("3.1.0"))
    );
    assert_eq!(roster.get("/openapi.json", demo::ADMIN).await.expect(200).text, answer.text);
}

/// A field that no endpoint takes is named, by an error or a warning, wherever it is sent.
#[tokio::test(flavor = "multi_thread")]
async fn no_field_is_lost_without_a_word() {
    let mut warned = Vec::new();
    for handler in HANDLERS {
        let roster = Roster::start().await;
        let app = roster.server.app.clone();
        let mut event = events::aimed(&app, handler.name).await;
        let method = event.request_context.http.method.clone();
        if method.is_safe() || handler.name == "platform.unmatched" {
            continue;
        }
        let body = event.body.as_deref().unwrap_or_default();
        let is_form = event
            .headers
            .get("content-type")
            .is_some_and(|kind| kind == "application/x-www-form-urlencoded");
        event.body = Some(if is_form {
            format!("{body}&lost_field=1")
        } else {
            let mut fields: Value = serde_json::from_str(body).unwrap_or(json!({}));
            fields["lost_field"] = json!(1);
            if let Some(details) = fields.get_mut("details") {
                details["lost_detail"] = json!(1);
            }
            fields.to_string()
        });
        let is_nested = event.body.as_deref().is_some_and(|body| body.contains("lost_detail"));
        let (answer, _) = events::play(&app, handler.name, event).await;
        let warning = answer.headers.get("warning").cloned().unwrap_or_default();
        let is_named = warning.contains("lost_field") || answer.text.contains("lost_field");
        if answer.status < 300 {
            assert!(is_named, "{}: {answer:?}", handler.name);
            assert!(!is_nested || warning.contains("details.lost_detail"), "{}", handler.name);
            warned.push(handler.name);
        } else if handler.name.starts_with("user_admin.") {
            assert!(is_named, "{}: {answer:?}", handler.name);
        }
    }
    assert!(warned.len() > 20, "{warned:?}");
}
