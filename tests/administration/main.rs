//! Administering a team: its users, invites, and changes that do not overwrite each other.

mod audit;
mod concurrency;
mod directory;
mod invites;
mod large_team;
mod user_admin;

use insta::assert_json_snapshot;
use local::demo;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::models::User;
use tests::checks::{changes, unchanged};
use tests::{Answer, Roster, send, sign};
use uuid::Uuid;

/// Where the user-admin contract is.
const USER_ADMIN: &str = "/api/admin/user-admin";
/// Where the directory contract is.
const DIRECTORY: &str = "/api/v1/admin_user";

/// A user by number in the user-admin contract.
fn numbered(number: impl std::fmt::Display) -> String {
    format!("{USER_ADMIN}/{number}")
}

/// A user by id in the directory contract.
fn listed(id: impl std::fmt::Display) -> String {
    format!("{DIRECTORY}/{id}")
}

/// A request with a body, not sent yet.
fn request(
    roster: &Roster,
    method: Method,
    path: &str,
    caller: Uuid,
    body: &Value,
) -> RequestBuilder {
    roster.request(method, path).bearer_auth(roster.token(caller)).json(body)
}

/// The records of a team's users, by number.
async fn team(roster: &Roster, team: Uuid) -> Vec<User> {
    let items = roster
        .items()
        .await
        .into_iter()
        .filter(|item| item["sk"] == "USER" && item["team_id"] == json!(team));
    let mut users: Vec<User> =
        items.map(|item| serde_json::from_value(Value::Object(item)).expect("a user")).collect();
    users.sort_by_key(|user| user.number);
    users
}

/// The record of a team's user with that number.
async fn record(roster: &Roster, team_id: Uuid, number: &Value) -> User {
    team(roster, team_id)
        .await
        .into_iter()
        .find(|user| json!(user.number) == *number)
        .expect("a user of that number")
}

/// Makes a user of the demo team and gives the number.
async fn create(roster: &Roster, body: Value) -> u64 {
    let answer = roster.call(Method::POST, USER_ADMIN, demo::ADMIN, &body).await.expect(201);
    answer.json()["id"].as_u64().expect("a number")
}

/// Signs up with an email.
async fn sign_up(roster: &Roster, sub: Uuid, email: &str) -> Answer {
    let mut claims = roster.claims(sub);
    claims["email"] = json!(email);
    send(roster.request(Method::POST, "/v1/account").bearer_auth(sign(&claims))).await
}

/// The whole history of a user, newest first, as platform operators read it.
async fn history(roster: &Roster, user: Uuid) -> Answer {
    roster
        .get(&format!("/v1/admin/users/{user}/audit-log?limit=100"), demo::PLATFORM_OPERATOR)
        .await
        .expect(200)
}

/// An answer as a snapshot, without the new ids that stand in links.
fn shown(answer: &Answer) -> Value {
    fn hide(value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some((address, id)) = text.split_once("?invite=") {
                    Uuid::parse_str(id).expect("the link ends in an id");
                    *text = format!("{address}?invite=(new id)");
                }
            }
            Value::Array(values) => values.iter_mut().for_each(hide),
            Value::Object(fields) => fields.values_mut().for_each(hide),
            _ => {}
        }
    }
    let mut snapshot = answer.snapshot();
    hide(&mut snapshot);
    snapshot
}

/// Sends a request that must leave every item as it was, but for the numbers that are taken for
/// users to come: a number is never used again, also where making the user is refused.
async fn unchanged_but_numbers(roster: &Roster, request: RequestBuilder) -> Answer {
    let items = async || {
        let mut items = roster.items().await;
        items.retain(|item| item["sk"] != "NUMBERS");
        items
    };
    let before = items().await;
    let answer = send(request).await;
    assert_eq!(changes(&before, &items().await), [""; 0], "{answer:?}");
    answer
}

/// The endpoints of the two contracts that change or list users of a team, but for those that any
/// member may use.
fn endpoints_of_administrators() -> Vec<(Method, String)> {
    let user = "/api/admin/user-admin/4".to_owned();
    vec![
        (Method::GET, USER_ADMIN.to_owned()),
        (Method::POST, USER_ADMIN.to_owned()),
        (Method::PUT, user.clone()),
        (Method::DELETE, user),
        (Method::GET, format!("{USER_ADMIN}/admin-count")),
        (Method::GET, format!("{USER_ADMIN}/inactive")),
        (Method::POST, format!("{USER_ADMIN}/inactive/delete")),
    ]
}

#[tokio::test]
async fn a_credential_that_fails_is_refused_by_every_endpoint_of_user_admin() {
    let search = (Method::GET, format!("{USER_ADMIN}/search?q=ada"));
    let endpoints: Vec<_> = endpoints_of_administrators().into_iter().chain([search]).collect();
    let endpoints: Vec<_> =
        endpoints.iter().map(|(method, path)| (method.clone(), path.as_str())).collect();
    assert_json_snapshot!(tests::checks::refusals(&endpoints).await);
}

#[tokio::test]
async fn a_credential_that_fails_is_refused_by_every_endpoint_of_the_directory() {
    let user = listed(demo::VIEWER);
    let invites = format!("{DIRECTORY}_invite?account_id={}", demo::TEAM);
    let revoke = format!("{DIRECTORY}_invite/{}/revoke", demo::id(0xdead));
    let endpoints = [
        (Method::GET, &*user),
        (Method::PUT, &user),
        (Method::GET, &invites),
        (Method::POST, &invites),
        (Method::POST, &revoke),
    ];
    assert_json_snapshot!(tests::checks::refusals(&endpoints).await);
}

#[tokio::test]
async fn who_is_no_admin_is_refused_by_all_of_user_admin_but_the_search() {
    let roster = Roster::start().await;
    let body = json!({"email": "new@acme-robotics.example", "rootRole": 3, "ids": [10]});
    let mut told: Option<Value> = None;
    // The managed user was never seen; that this one was is no effect of what follows.
    roster.get("/users/me", demo::id(0x61)).await.expect(200);
    for (method, path) in endpoints_of_administrators() {
        for caller in
            [demo::OPERATOR_VIEW_ALL, demo::OPERATOR, demo::VIEWER, demo::MANAGER, demo::id(0x61)]
        {
            let answer = unchanged(&roster, request(&roster, method.clone(), &path, caller, &body))
                .await
                .expect(403)
                .snapshot();
            assert_eq!(*told.get_or_insert(answer.clone()), answer, "{caller} {method} {path}");
        }
    }
    assert_json_snapshot!(told);
}
