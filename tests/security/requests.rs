//! Found: a page of another origin changed things by the cookie that the browser sent along; nobody
//! could decline a share; and a demoted administrator was given former responses again.

use local::demo;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::models::Role;
use tests::{Answer, Roster, send};
use uuid::Uuid;

const USERS: &str = "/api/v1/users/";
const SHARES: &str = "/api/v1/users/shares";

/// A request as a browser sends it, with the cookie and what the browser says of the page.
fn from_page(
    roster: &Roster,
    method: &Method,
    path: &str,
    page: &[(&str, &str)],
) -> RequestBuilder {
    let request = roster
        .request(method.clone(), path)
        .header("cookie", format!("token={}", roster.token(demo::MANAGER)));
    page.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing_by_the_cookie() {
    let roster = Roster::start().await;
    let body = r#"{"first_name": "Eve", "last_name": "Forged"}"#;
    let gita = format!("{USERS}{}", demo::id(0x62));
    let share = format!("{SHARES}/{}", demo::OTHER_ADMIN);
    roster.get("/users/me", demo::MANAGER).await.expect(200);
    roster.settled().await;
    let before = roster.items().await;
    for page in [
        vec![("origin", "https://evil.example"), ("content-type", "text/plain")],
        vec![("origin", "https://evil.example"), ("content-type", "application/json")],
        vec![("origin", "null"), ("content-type", "text/plain")],
        vec![("origin", ""), ("content-type", "text/plain")],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site")],
        // The browser's word on the site counts before what the page can influence.
        vec![("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1")],
    ] {
        for (method, path) in [
            (Method::POST, USERS),
            (Method::POST, "/api/v1/users"),
            (Method::PUT, gita.as_str()),
            (Method::DELETE, gita.as_str()),
            (Method::PUT, share.as_str()),
            (Method::POST, "/api/v1/oauth/delegated-token"),
        ] {
            let refused =
                send(from_page(&roster, &method, path, &page).body(body)).await.expect(401);
            assert!(
                refused.text.contains("another origin"),
                "{method} {path} {page:?}: {refused:?}"
            );
        }
    }
    assert_eq!(tests::checks::changes(&before, &roster.items().await), [""; 0]);
    // A header is set by no page without leave.
    let with_header =
        roster.request(Method::POST, USERS).header("origin", "https://app.example").body(body);
    send(
        with_header
            .bearer_auth(roster.token(demo::MANAGER))
            .header("content-type", "application/json"),
    )
    .await
    .expect(200);
}

#[tokio::test]
async fn the_cookie_serves_its_own_pages_programs_and_reading() {
    let roster = Roster::start().await;
    let body = r#"{"first_name": "Ida", "last_name": null}"#;
    let host = roster.server.url().trim_start_matches("http://").to_owned();
    let own = format!("http://{host}");
    for page in [
        vec![],
        vec![("sec-fetch-site", "same-origin")],
        vec![("sec-fetch-site", "none")],
        vec![("origin", own.as_str())],
    ] {
        let page: Vec<_> = page.into_iter().chain([("content-type", "application/json")]).collect();
        send(from_page(&roster, &Method::POST, USERS, &page).body(body)).await.expect(200);
    }
    // The response of a read is not shown to another origin: that is the browser's part.
    let page = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    send(from_page(&roster, &Method::GET, USERS, &page)).await.expect(200);
}

async fn share(roster: &Roster, from: Uuid, to: Uuid) {
    let path = format!("{SHARES}/{to}");
    roster.call(Method::PUT, &path, from, &json!({"scopes": ["data:read"]})).await.expect(200);
}

async fn lists(roster: &Roster, caller: Uuid, other: Uuid) -> bool {
    let listed = roster.get(USERS, caller).await.expect(200).json();
    listed.as_array().expect("a list").iter().any(|user| user["id"] == json!(other))
}

async fn decline(roster: &Roster, caller: Uuid, other: Uuid, direction: &str) -> Answer {
    roster.delete(&format!("{SHARES}/{other}?direction={direction}"), caller).await
}

#[tokio::test]
async fn a_share_that_nobody_asked_for_is_declined() {
    let roster = Roster::start().await;
    let (eve, victim) = (demo::OTHER_ADMIN, demo::OPERATOR);
    share(&roster, eve, victim).await;
    share(&roster, victim, eve).await;
    assert!(lists(&roster, victim, eve).await);
    // Others decline nothing for them.
    decline(&roster, demo::ADMIN, eve, "received").await.expect(404);
    decline(&roster, victim, eve, "both").await.expect(422);
    assert_eq!(decline(&roster, victim, eve, "received").await.expect(200).json(), Value::Null);
    assert!(!lists(&roster, victim, eve).await);
    // The share that they gave stays until they take it back.
    assert!(lists(&roster, eve, victim).await);
    decline(&roster, victim, eve, "received").await.expect(404);
    decline(&roster, victim, eve, "given").await.expect(200);
    assert!(!lists(&roster, eve, victim).await);
    // Who gave it sees in their history who declined it.
    let history =
        roster.items().await.into_iter().filter(|item| item["pk"] == json!(format!("AUDIT#{eve}")));
    let declined: Vec<_> = history
        .filter(|entry| entry["action"] == "share.declined")
        .map(|entry| entry["actor_id"].clone())
        .collect();
    assert_eq!(declined, [json!(victim)]);
    roster.check_table().await;
}

#[tokio::test]
async fn a_demoted_administrator_is_given_no_former_response() {
    let roster = Roster::start().await;
    let made = json!({"email": "new@example.com", "rootRole": 3});
    let invited = json!({"details": {"email": "newer@example.com", "account_id": demo::TEAM}});
    let own = json!({"template": "base"});
    let requests = [
        ("/api/admin/user-admin", &made, 201),
        ("/api/v1/admin_user_invite", &invited, 200),
        ("/v1/sandboxes", &own, 201),
    ];
    let ask = async |path: &str, body: &Value| {
        let request =
            roster.request(Method::POST, path).bearer_auth(roster.token(demo::OPERATOR)).json(body);
        send(request.header("idempotency-key", format!("the same request to {path}"))).await
    };
    let set_role = async |role: Role| {
        let body = json!({"rootRole": if role == Role::Admin { 1 } else { 2 }});
        roster.call(Method::PUT, "/api/admin/user-admin/3", demo::ADMIN, &body).await.expect(200);
    };
    set_role(Role::Admin).await;
    for (path, body, status) in requests {
        ask(path, body).await.expect(status);
        // As long as the rights are the same, the response is.
        assert_eq!(ask(path, body).await.expect(status).headers["idempotency-replayed"], "true");
    }
    set_role(Role::Operator).await;
    let before = roster.items().await.len();
    for (path, body, _) in requests {
        let refused = ask(path, body).await;
        assert!([401, 403].contains(&refused.status), "{path}: {refused:?}");
        assert!(!refused.text.contains("example.com"), "{path}: {refused:?}");
    }
    assert_eq!(roster.items().await.len(), before, "nothing is done anew");
    // With the rights of then, the response is given again, and nothing is done twice.
    set_role(Role::Admin).await;
    for (path, body, status) in requests {
        assert_eq!(ask(path, body).await.expect(status).headers["idempotency-replayed"], "true");
    }
}
