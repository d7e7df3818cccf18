//! Requests that are sent again: every POST of every contract takes an `Idempotency-Key`, by which
//! it is done once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use insta::assert_json_snapshot;
use local::{TrailingSlash, demo, template};
use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};
use shared::models::{Sandbox, SandboxStatus, Status, User};
use shared::store::Act;
use shared::table::Key;
use tests::checks::{DELETED, NOBODY, SUSPENDED, changes, key, unchanged};
use tests::{Answer, Roster, send, sign};
use uuid::Uuid;

use crate::{
    DAY, DELEGATED, FINN, GITA, ME, PRINCIPAL, SHARES, USERS, check, refusal, share, shares_with,
    text,
};

/// Someone who has no account yet.
const NEWCOMER: Uuid = demo::id(0x9e3);
const KEY: &str = "a-key-of-the-client";

/// A POST route with a request to it that does something.
struct Case {
    route: &'static str,
    caller: Uuid,
    /// The path; `{invite}` stands for an invite that is pending.
    path: String,
    body: Value,
    /// The status that the request has at first, and as a new request later.
    first: u16,
    later: u16,
    /// A body that is refused, where the endpoint looks at any.
    bad: Option<Value>,
    /// Whether the answer holds a secret, and in which field.
    secret: Option<&'static str>,
}

fn case(
    route: &'static str,
    caller: Uuid,
    path: impl Into<String>,
    body: Value,
    first: u16,
    later: u16,
) -> Case {
    Case { route, caller, path: path.into(), body, first, later, bad: None, secret: None }
}

impl Case {
    fn bad(self, bad: Value) -> Self {
        Self { bad: Some(bad), ..self }
    }

    fn secret(self, field: &'static str) -> Self {
        Self { secret: Some(field), ..self }
    }
}

fn cases() -> Vec<Case> {
    let operator = demo::PLATFORM_OPERATOR;
    let of = |user: Uuid, what: &str| format!("/v1/admin/users/{user}/{what}");
    let names = || json!({"first_name": "Ole", "last_name": "Lund"});
    vec![
        case(
            "/v1/admin/users/{user_id}/keys",
            operator,
            of(demo::VIEWER, "keys"),
            json!({"name": "ci"}),
            201,
            201,
        )
        .bad(json!({"name": 1}))
        .secret("key"),
        case(
            "/v1/admin/users/{user_id}/suspend",
            operator,
            of(demo::VIEWER, "suspend"),
            json!({"reason": "spam"}),
            200,
            409,
        )
        .bad(json!({"reason": 1})),
        case(
            "/v1/admin/users/{user_id}/unsuspend",
            operator,
            of(SUSPENDED, "unsuspend"),
            json!({}),
            200,
            409,
        )
        .bad(json!({"reason": 1})),
        case(
            "/v1/admin/users/{user_id}/restore",
            operator,
            of(DELETED, "restore"),
            json!({}),
            200,
            409,
        )
        .bad(json!({"reason": 1})),
        case(
            "/v1/admin/users/{user_id}/sign-out-everywhere",
            operator,
            of(demo::VIEWER, "sign-out-everywhere"),
            json!({"reason": "a lost phone"}),
            200,
            200,
        )
        .bad(json!({"reason": 1})),
        case(
            "/v1/account/sign-out-everywhere",
            demo::VIEWER,
            "/v1/account/sign-out-everywhere",
            json!({}),
            200,
            200,
        ),
        case("/v1/account", NEWCOMER, "/v1/account", json!({}), 201, 200),
        case("/v1/account/restore", DELETED, "/v1/account/restore", json!({}), 200, 409),
        case("/v1/keys", demo::ADMIN, "/v1/keys", json!({"name": "ci"}), 201, 201)
            .bad(json!({"name": 1}))
            .secret("key"),
        case("/v1/keys/default", demo::VIEWER, "/v1/keys/default", json!({}), 201, 200)
            .secret("key"),
        case(
            "/v1/keys/{key_id}/rotate",
            demo::ADMIN,
            format!("/v1/keys/{}/rotate", demo::id(0xf201)),
            json!({}),
            201,
            409,
        )
        .bad(json!({"overlap_seconds": -1}))
        .secret("key"),
        case("/v1/sandboxes", demo::VIEWER, "/v1/sandboxes", json!({"template": "base"}), 201, 201)
            .bad(json!({})),
        case(
            "/api/v1/admin_user_invite",
            demo::ADMIN,
            "/api/v1/admin_user_invite",
            json!({"details": {"email": "new@example.com", "account_id": demo::TEAM}}),
            200,
            409,
        )
        .bad(json!({"details": {"email": "new"}})),
        case(
            "/api/v1/admin_user_invite/{id}/revoke",
            demo::ADMIN,
            "/api/v1/admin_user_invite/{invite}/revoke",
            json!({}),
            200,
            409,
        ),
        case(
            "/api/admin/user-admin",
            demo::ADMIN,
            "/api/admin/user-admin",
            json!({"email": "new@example.com", "name": "New", "rootRole": 3}),
            201,
            400,
        )
        .bad(json!({"rootRole": 9})),
        case(
            "/api/admin/user-admin/inactive/delete",
            demo::ADMIN,
            "/api/admin/user-admin/inactive/delete",
            json!({"ids": [10]}),
            200,
            200,
        )
        .bad(json!({"ids": ["ten"]})),
        case("/api/v1/users", demo::MANAGER, "/api/v1/users", names(), 200, 200)
            .bad(json!({"first_name": 1})),
        case("/api/v1/users/{proxy+}", demo::MANAGER, USERS, names(), 200, 200)
            .bad(json!({"first_name": 1})),
        case(
            "/api/v1/oauth/delegated-token",
            demo::MANAGER,
            DELEGATED,
            json!({"sub": FINN}),
            200,
            200,
        )
        .bad(json!({"sub": 1}))
        .secret("access_token"),
    ]
}

/// A server, and the case with what it takes made.
async fn prepared(case: Case) -> (Roster, Case) {
    let roster = Roster::start().await;
    let case = prepare(&roster, case).await;
    (roster, case)
}

async fn prepare(roster: &Roster, case: Case) -> Case {
    if !case.path.contains("{invite}") {
        return case;
    }
    let body = json!({"details": {"email": "invited@example.com", "account_id": demo::TEAM}});
    let invite = roster
        .call(Method::POST, "/api/v1/admin_user_invite", demo::ADMIN, &body)
        .await
        .expect(200)
        .json();
    Case {
        path: case.path.replace("{invite}", invite["details"]["id"].as_str().expect("an id")),
        ..case
    }
}

fn token(roster: &Roster, caller: Uuid) -> String {
    let mut claims = roster.claims(caller);
    if caller == NEWCOMER {
        claims["email"] = json!("newcomer@example.com");
    }
    sign(&claims)
}

/// A POST with a key.
fn post(roster: &Roster, path: &str, credential: &str, key: &str, body: &Value) -> RequestBuilder {
    roster
        .request(Method::POST, path)
        .bearer_auth(credential)
        .header("idempotency-key", key)
        .json(body)
}

/// The case's request.
fn request(roster: &Roster, case: &Case) -> RequestBuilder {
    post(roster, &case.path, &token(roster, case.caller), KEY, &case.body)
}

fn is_replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

/// Holds that an answer is the former one, given again.
#[track_caller]
fn assert_replayed(again: &Answer, first: &Answer, name: &str) {
    assert_eq!((again.status, &again.text), (first.status, &first.text), "{name}");
    let headers = |answer: &Answer| -> BTreeMap<String, String> {
        let own = ["x-request-id", "server-timing", "date", "idempotency-replayed"];
        answer
            .headers
            .clone()
            .into_iter()
            .filter(|(name, _)| !own.contains(&name.as_str()))
            .collect()
    };
    assert_eq!(headers(again), headers(first), "{name}");
    assert!(is_replayed(again) && !is_replayed(first), "{name}: {again:?}");
    assert_ne!(
        again.headers["x-request-id"], first.headers["x-request-id"],
        "{name}: each request has an id of its own"
    );
}

fn is_receipt(item: &Map<String, Value>) -> bool {
    text(item, "sk").starts_with("RECEIPT#")
}

async fn receipts(roster: &Roster) -> Vec<Map<String, Value>> {
    roster.items().await.into_iter().filter(is_receipt).collect()
}

/// What kinds of items came, went and changed between two states of the table, and how many of
/// each.
fn shape(before: &[Map<String, Value>], after: &[Map<String, Value>]) -> BTreeMap<String, i64> {
    let mut shape = BTreeMap::new();
    let kind = |item: &Map<String, Value>| {
        let word = |name: &str| text(item, name).split('#').next().unwrap_or_default().to_owned();
        // The sort keys of these are new each time.
        let place = match word("pk").as_str() {
            "AUDIT" => text(item, "action").to_owned(),
            "ADDRESS" | "NAME" => String::new(),
            _ => word("sk"),
        };
        format!("{} {place}", word("pk"))
    };
    for (side, these, those) in [("before", before, after), ("after", after, before)] {
        for item in these.iter().filter(|item| !those.contains(item)) {
            *shape.entry(format!("{side} {}", kind(item))).or_default() += 1;
        }
    }
    shape
}

/// Another status for a user, as if someone who may had given it.
async fn set_status(roster: &Roster, user: Uuid, status: Status) {
    let before = roster.user(user).await.expect("the user");
    let change = |user: &User| Ok(User { status, ..user.clone() });
    let act = Act::new(user, "user.updated", roster.now());
    roster
        .server
        .data
        .store
        .change_user(before, &change, &act, &|_| Default::default())
        .await
        .expect("changed");
}

#[test]
fn every_post_route_has_a_case() {
    let posts =
        template::routes().into_iter().filter(|route| route.method.as_deref() == Some("POST"));
    let routes: BTreeSet<String> = posts.map(|route| route.path).collect();
    let covered: BTreeSet<String> = cases().into_iter().map(|case| case.route.to_owned()).collect();
    assert_eq!(covered, routes, "say in {} what to send to each", file!());
    let router = template::Router::new(TrailingSlash::Proxy);
    for case in cases() {
        assert_eq!(
            router.find("POST", &case.path).map(|found| found.route.path.as_str()),
            Some(case.route)
        );
    }
}

#[tokio::test]
async fn the_same_request_twice_is_answered_alike_and_done_once() {
    for case in cases() {
        let (roster, case) = prepared(case).await;
        let before = roster.items().await;
        let first = send(request(&roster, &case)).await.expect(case.first);
        let after = roster.items().await;
        assert_eq!(shape(&before, &after)["after USER RECEIPT"], 1, "{}", case.route);
        let receipt = &receipts(&roster).await[0];
        assert_eq!(text(receipt, "pk"), format!("USER#{}", case.caller), "{}", case.route);
        assert_eq!(receipt["expires"], json!(roster.now().as_second() + DAY), "{}", case.route);
        // The rights of who was looked up, who may have fewer when it is sent again.
        let is_right = |name: &&String| ["operates", "role"].contains(&name.as_str());
        let (rights, names): (Vec<_>, Vec<_>) = receipt.keys().partition(is_right);
        assert_eq!(names, ["answer", "expires", "fingerprint", "pk", "sk"], "{}", case.route);
        assert!([0, 2].contains(&rights.len()), "{}: {rights:?}", case.route);
        for advance in [0, 1, 400] {
            roster.advance(advance);
            assert_replayed(&send(request(&roster, &case)).await, &first, case.route);
        }
        assert_eq!(changes(&after, &roster.items().await), [""; 0], "{}", case.route);
        check(&roster).await;
    }
}

#[tokio::test]
async fn a_request_without_a_key_is_a_new_one_each_time_and_leaves_no_receipt() {
    for case in cases() {
        let (roster, case) = prepared(case).await;
        let plain = || {
            roster
                .request(Method::POST, &case.path)
                .bearer_auth(token(&roster, case.caller))
                .json(&case.body)
        };
        let first = send(plain()).await.expect(case.first);
        let second = send(plain()).await.expect(case.later);
        assert!(!is_replayed(&first) && !is_replayed(&second), "{}", case.route);
        assert_eq!(receipts(&roster).await, [], "{}", case.route);
        check(&roster).await;
    }
}

#[test]
fn the_database_deletes_what_expired() {
    let template = serde_json::to_value(template::table()).expect("the table");
    assert_eq!(
        template["TimeToLiveSpecification"],
        json!({"AttributeName": "expires", "Enabled": true})
    );
}

#[tokio::test]
async fn another_body_or_path_under_the_same_key_is_refused() {
    let mut told: BTreeMap<String, Value> = BTreeMap::new();
    for case in cases() {
        let (roster, case) = prepared(case).await;
        let first = send(request(&roster, &case)).await.expect(case.first);
        let after = roster.items().await;
        let credential = token(&roster, case.caller);
        let mut other = case.body.clone();
        other["other"] = json!(true);
        let elsewhere =
            if case.route == "/v1/keys/default" { "/v1/keys" } else { "/v1/keys/default" };
        let twin = match case.route {
            "/api/v1/users" => USERS.to_owned(),
            "/api/v1/users/{proxy+}" => "/api/v1/users".to_owned(),
            _ => format!("{}?", case.path),
        };
        for (name, path, body) in [
            ("another body", case.path.clone(), &other),
            ("another path with the same body", elsewhere.to_owned(), &case.body),
            ("a query", format!("{}?again=1", case.path), &case.body),
        ]
        .into_iter()
        .chain(
            (!twin.ends_with('?'))
                .then(|| ("the other path of the same endpoint", twin.clone(), &case.body)),
        ) {
            let answer = send(post(&roster, &path, &credential, KEY, body)).await.expect(422);
            assert!(!is_replayed(&answer), "{} {name}", case.route);
            let answer = refusal(&answer);
            let base = ["/api/admin", "/api/v1/admin_user", "/api/v1", "/v1"]
                .into_iter()
                .find(|base| path.starts_with(base));
            let known =
                told.entry(base.expect("a contract").to_owned()).or_insert_with(|| answer.clone());
            assert_eq!(*known, answer, "{} {name}", case.route);
        }
        // The bytes count, not what they mean.
        let spaced = roster
            .request(Method::POST, &case.path)
            .bearer_auth(&credential)
            .header("idempotency-key", KEY);
        let spaced =
            spaced.header("content-type", "application/json").body(format!("{} ", case.body));
        send(spaced).await.expect(422);
        // What was done first is told as before.
        assert_replayed(&send(request(&roster, &case)).await, &first, case.route);
        assert_eq!(changes(&after, &roster.items().await), [""; 0], "{}", case.route);
        check(&roster).await;
    }
    assert_json_snapshot!(told);
}

#[tokio::test]
async fn after_a_day_it_is_a_new_request() {
    for case in cases() {
        let (roster, case) = prepared(case).await;
        let first = send(request(&roster, &case)).await.expect(case.first);
        let expires = receipts(&roster).await[0]["expires"].clone();
        roster.advance(DAY - 1);
        assert_replayed(&send(request(&roster, &case)).await, &first, case.route);
        roster.advance(1);
        let later = send(request(&roster, &case)).await.expect(case.later);
        assert!(!is_replayed(&later), "{}", case.route);
        let receipts = receipts(&roster).await;
        assert_eq!(receipts.len(), 1, "{}", case.route);
        if later.status < 300 {
            assert_eq!(
                receipts[0]["expires"],
                json!(roster.now().as_second() + DAY),
                "{}",
                case.route
            );
            assert_replayed(&send(request(&roster, &case)).await, &later, case.route);
        } else {
            assert_eq!(receipts[0]["expires"], expires, "{}: a failure is not kept", case.route);
        }
        check(&roster).await;
    }
}

#[tokio::test]
async fn after_a_day_the_key_is_free_for_another_request() {
    let roster = Roster::start().await;
    let credential = || roster.token(demo::VIEWER);
    send(post(&roster, "/v1/keys", &credential(), KEY, &json!({"name": "one"}))).await.expect(201);
    roster.advance(DAY);
    let other = send(post(&roster, "/v1/keys", &credential(), KEY, &json!({"name": "two"})))
        .await
        .expect(201);
    assert_replayed(
        &send(post(&roster, "/v1/keys", &credential(), KEY, &json!({"name": "two"}))).await,
        &other,
        "two",
    );
    send(post(&roster, "/v1/keys", &credential(), KEY, &json!({"name": "one"}))).await.expect(422);
    check(&roster).await;
}

#[tokio::test]
async fn another_callers_same_key_is_another_key() {
    for case in cases() {
        let (roster, case) = prepared(case).await;
        let first = send(request(&roster, &case)).await.expect(case.first);
        for other in [demo::OTHER_ADMIN, demo::OPERATOR, FINN]
            .into_iter()
            .filter(|other| *other != case.caller)
        {
            let answer =
                send(post(&roster, &case.path, &token(&roster, other), KEY, &case.body)).await;
            assert!(!is_replayed(&answer), "{}: {answer:?}", case.route);
            assert!(!answer.text.contains("Idempotency-Key"), "{}: {answer:?}", case.route);
            if let Some(secret) = case.secret {
                assert_ne!(answer.json().get(secret), first.json().get(secret), "{}", case.route);
            }
        }
        assert_replayed(&send(request(&roster, &case)).await, &first, case.route);
        check(&roster).await;
    }
}

#[tokio::test]
async fn a_token_and_each_api_key_of_a_user_have_keys_of_their_own() {
    let roster = Roster::start().await;
    let body = json!({"template": "base"});
    let mut ids = BTreeSet::new();
    for round in 0..2 {
        for credential in [roster.token(demo::ADMIN), key(demo::ADMIN, 1), key(demo::ADMIN, 4)] {
            let answer =
                send(post(&roster, "/v1/sandboxes", &credential, KEY, &body)).await.expect(201);
            assert_eq!(is_replayed(&answer), round == 1);
            ids.insert(answer.json()["id"].to_string());
        }
    }
    assert_eq!((ids.len(), receipts(&roster).await.len()), (3, 3));
    check(&roster).await;
}

#[tokio::test]
async fn all_tokens_of_a_user_share_their_keys_as_sign_ins_are_renewed() {
    let roster = Roster::start().await;
    let body = json!({"first_name": "Ole", "last_name": null});
    let first =
        send(post(&roster, USERS, &roster.token(demo::MANAGER), KEY, &body)).await.expect(200);
    roster.advance(3000);
    assert_replayed(
        &send(post(&roster, USERS, &roster.token(demo::MANAGER), KEY, &body)).await,
        &first,
        "a newer token",
    );
    let token = |answer: Answer| {
        answer.expect(200).json()["access_token"].as_str().expect("a token").to_owned()
    };
    let delegated =
        token(roster.call(Method::POST, DELEGATED, demo::MANAGER, &json!({"sub": FINN})).await);
    let own = token(send(roster.request(Method::GET, PRINCIPAL).bearer_auth(&delegated)).await);
    // By a delegated one there is nothing to be had, nor by what comes from it, not even what the
    // principal has a receipt for.
    share(&roster, demo::MANAGER, demo::VIEWER, &["profile"]).await.expect(200);
    let for_manager = token(
        roster.call(Method::POST, DELEGATED, demo::VIEWER, &json!({"sub": demo::MANAGER})).await,
    );
    for delegated in [delegated, own, for_manager] {
        unchanged(&roster, post(&roster, USERS, &delegated, KEY, &body)).await.expect(403);
    }
    check(&roster).await;
}

#[tokio::test]
async fn of_sixteen_at_once_one_is_done_and_all_are_answered_alike() {
    for case in cases() {
        let (alone, case) = prepared(case).await;
        let before = alone.items().await;
        send(request(&alone, &case)).await.expect(case.first);
        let expected = shape(&before, &alone.items().await);
        let route = case.route;
        // So slow a database that all are on their way before the first is done.
        let roster = Roster::start_with(|options| options.latency = Duration::from_millis(5)).await;
        let case = prepare(
            &roster,
            cases().into_iter().find(|case| case.route == route).expect("the case"),
        )
        .await;
        let before = roster.items().await;
        let answers = join_all((0..16).map(|_| send(request(&roster, &case)))).await;
        let (first, again): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|answer| !is_replayed(answer));
        assert_eq!(
            first.iter().map(|answer| answer.status).collect::<Vec<_>>(),
            [case.first],
            "{route}: {first:#?}"
        );
        for answer in &again {
            assert_replayed(answer, &first[0], route);
        }
        assert_eq!(shape(&before, &roster.items().await), expected, "{route}");
        assert_replayed(&unchanged(&roster, request(&roster, &case)).await, &first[0], route);
        check(&roster).await;
    }
}

#[tokio::test]
async fn of_two_requests_at_once_under_one_key_one_is_done() {
    for round in 0..4 {
        let roster = Roster::start_with(|options| options.latency = Duration::from_millis(5)).await;
        let credential = roster.token(demo::VIEWER);
        let bodies = [json!({"name": "one"}), json!({"name": "two"})];
        let one_by_one = (0..16).map(|place| {
            send(post(&roster, "/v1/keys", &credential, KEY, &bodies[(place + round) % 2]))
        });
        let answers = join_all(one_by_one).await;
        let made: BTreeSet<_> = answers
            .iter()
            .filter(|answer| answer.status == 201)
            .map(|answer| answer.text.clone())
            .collect();
        assert_eq!(made.len(), 1, "{answers:#?}");
        assert!(
            answers.iter().all(|answer| [201, 409, 422].contains(&answer.status)),
            "{answers:#?}"
        );
        assert_eq!(
            roster.get("/v1/keys", demo::VIEWER).await.json().as_array().map(Vec::len),
            Some(1)
        );
        check(&roster).await;
    }
}

#[tokio::test]
async fn nothing_is_replayed_to_a_caller_who_was_suspended_or_deleted_since() {
    for case in cases() {
        let (roster, case) = prepared(case).await;
        let first = send(request(&roster, &case)).await.expect(case.first);
        let refused = async |of_operator_contract: &str| {
            let answer = unchanged(&roster, request(&roster, &case)).await;
            assert!(!is_replayed(&answer), "{}", case.route);
            let expected = match case.route {
                // The one endpoint that a deleted caller may use, if nobody else did it.
                "/v1/account/restore" if of_operator_contract == "account_deleted" => {
                    (409, "transition_conflict")
                }
                route if route.starts_with("/v1/") => (403, of_operator_contract),
                route if route.starts_with("/api/v1/admin_user") => (401, "bad_authtoken"),
                _ => (401, ""),
            };
            assert_eq!(
                (answer.status, answer.json()["code"].as_str().unwrap_or_default()),
                expected,
                "{}: {answer:?}",
                case.route
            );
        };
        set_status(&roster, case.caller, Status::Suspended).await;
        refused("auth_locked").await;
        // And as before, once that is lifted.
        set_status(&roster, case.caller, Status::Active).await;
        assert_replayed(&send(request(&roster, &case)).await, &first, case.route);
        let (user, act) = (
            roster.user(case.caller).await.expect("the user"),
            Act::new(NOBODY, "user.deleted", roster.now()),
        );
        roster
            .server
            .data
            .store
            .soft_delete(user, 30, &|_| Ok(()), &act, &|_| Default::default())
            .await
            .expect("deleted");
        refused("account_deleted").await;
        check(&roster).await;
    }
}

#[tokio::test]
async fn receipts_go_with_their_user() {
    let roster = Roster::start().await;
    send(post(&roster, "/v1/keys/default", &roster.token(FINN), KEY, &json!({}))).await.expect(201);
    assert_eq!(receipts(&roster).await.len(), 1);
    roster.delete(&format!("{USERS}{FINN}"), demo::MANAGER).await.expect(200);
    assert_eq!(receipts(&roster).await, []);
    send(post(&roster, "/v1/keys/default", &roster.token(FINN), KEY, &json!({}))).await.expect(401);
    check(&roster).await;
}

#[tokio::test]
async fn a_receipt_written_while_its_user_is_erased_goes_with_the_user() {
    // The request's caller is read before they are marked, and the receipt written after what is
    // theirs was listed.
    let latency = Duration::from_millis(20);
    let roster = Roster::start_with(|options| options.latency = latency).await;
    for round in 0..8_u32 {
        let body = json!({"first_name": "Short", "last_name": null});
        let made = roster.call(Method::POST, USERS, demo::MANAGER, &body).await.expect(200).json();
        let id: Uuid = made["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        roster.get(ME, id).await.expect(200);
        share(&roster, demo::VIEWER, id, &["profile"]).await.expect(200);
        let (path, credential, body) =
            (format!("{USERS}{id}"), roster.token(id), json!({"sub": demo::VIEWER}));
        let asked = async {
            tokio::time::sleep(latency / 2 * round).await;
            send(post(&roster, DELEGATED, &credential, KEY, &body)).await
        };
        let (erased, asked) = futures::join!(roster.delete(&path, demo::MANAGER), asked);
        erased.expect(200);
        assert!([200, 401, 403].contains(&asked.status), "{asked:?}");
        check(&roster).await;
    }
}

#[tokio::test]
async fn secrets_are_told_again_but_stand_nowhere_in_the_table() {
    for case in cases() {
        let Some(field) = case.secret else { continue };
        let (roster, case) = prepared(case).await;
        let first = send(request(&roster, &case)).await.expect(case.first);
        let secret = first.json()[field].as_str().expect("a secret").to_owned();
        let again = send(request(&roster, &case)).await;
        assert_eq!(again.json()[field], json!(secret), "{}", case.route);
        let items = json!(roster.items().await).to_string();
        // A key's first twelve characters are shown, a token's parts are made of.
        for hidden in [&secret[12..], &secret[secret.len() - 16..], KEY] {
            assert!(!items.contains(hidden), "{}", case.route);
            let encoded = aws_smithy_types::base64::encode(hidden);
            assert!(!items.contains(encoded.trim_end_matches('=')), "{}", case.route);
        }
        let receipts = receipts(&roster).await;
        let answer =
            aws_smithy_types::base64::decode(text(&receipts[0], "answer")).expect("base64");
        for plain in [&secret[..8], "status", "headers", field] {
            assert!(
                !answer.windows(plain.len()).any(|part| part == plain.as_bytes()),
                "{}: {plain}",
                case.route
            );
        }
        // Whoever has the secret may use it, as ever.
        if field == "key" {
            let status = send(roster.request(Method::GET, ME).bearer_auth(&secret)).await.status;
            assert_eq!(status, 200, "{}", case.route);
        }
    }
}

#[tokio::test]
async fn a_receipt_is_of_no_use_under_another_request() {
    let roster = Roster::start().await;
    // The same request by the same caller under two keys; then the one's answer is put where the
    // other's is.
    let body = json!({"name": "ci"});
    for key in ["the-first-key", "the-second-key"] {
        send(post(&roster, "/v1/keys", &roster.token(demo::VIEWER), key, &body)).await.expect(201);
    }
    let both = receipts(&roster).await;
    assert_ne!(both[0]["answer"], both[1]["answer"]);
    let mut swapped = both[0].clone();
    swapped["answer"] = both[1]["answer"].clone();
    let item = serde_dynamo::to_item(swapped).expect("an item");
    roster
        .server
        .data
        .client
        .put_item()
        .table_name(&roster.table)
        .set_item(Some(item))
        .send()
        .await
        .expect("written");
    let mut statuses = Vec::new();
    for key in ["the-first-key", "the-second-key"] {
        statuses.push(
            send(post(&roster, "/v1/keys", &roster.token(demo::VIEWER), key, &body)).await.status,
        );
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

#[tokio::test]
async fn a_request_that_failed_is_not_kept() {
    for case in cases() {
        let (roster, case) = prepared(case).await;
        let credential = token(&roster, case.caller);
        let mut statuses = Vec::new();
        if let Some(bad) = &case.bad {
            let refused =
                unchanged(&roster, post(&roster, &case.path, &credential, KEY, bad)).await;
            let again = unchanged(&roster, post(&roster, &case.path, &credential, KEY, bad)).await;
            assert_eq!(refused.status, again.status);
            assert!(!is_replayed(&again), "{}", case.route);
            statuses.push(refused.status);
        }
        if case.route.contains('{') && !case.route.contains('+') {
            let id = case.path.split('/').find(|part| part.len() == 36).expect("an id");
            let path = case.path.replace(id, &NOBODY.to_string());
            statuses.push(
                unchanged(&roster, post(&roster, &path, &credential, KEY, &case.body)).await.status,
            );
        }
        assert!(
            statuses.iter().all(|status| [400, 404, 422].contains(status)),
            "{}: {statuses:?}",
            case.route
        );
        // The key is free for the request put right.
        let first = send(request(&roster, &case)).await.expect(case.first);
        assert!(!is_replayed(&first), "{}", case.route);
        check(&roster).await;
    }
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_by_its_name_in_the_contracts_form() {
    let mut told: BTreeMap<String, Value> = BTreeMap::new();
    let bad: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"1234567".to_vec(),
        vec![b'x'; 256],
        b"1234\t5678".to_vec(),
        "clé-de-la-requête".into(),
        b"12345678\xff".to_vec(),
        // White space around a header's value is none of it.
        b"   1234567   ".to_vec(),
    ];
    let roster = Roster::start().await;
    let before = roster.items().await;
    for case in cases() {
        let mut answers = BTreeSet::new();
        for key in &bad {
            let value = HeaderValue::from_bytes(key).expect("a header");
            let plain = roster
                .request(Method::POST, &case.path)
                .bearer_auth(token(&roster, case.caller))
                .json(&case.body);
            let answer = refusal(&send(plain.header("idempotency-key", value)).await);
            answers.insert(answer.to_string());
            let base = ["/api/admin", "/api/v1/admin_user", "/api/v1", "/v1"]
                .into_iter()
                .find(|base| case.path.starts_with(base));
            let known =
                told.entry(base.expect("a contract").to_owned()).or_insert_with(|| answer.clone());
            assert_eq!(*known, answer, "{} {key:?}", case.route);
        }
        assert_eq!(answers.len(), 1, "{}", case.route);
        // Who may not come in learns nothing of keys.
        let stranger = roster
            .request(Method::POST, &case.path)
            .bearer_auth("not.a.token")
            .header("idempotency-key", "short");
        send(stranger.json(&case.body)).await.expect(401);
    }
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
    assert_json_snapshot!(told);
}

#[tokio::test]
async fn every_printable_character_may_stand_in_a_key() {
    let roster = Roster::start().await;
    let printable: String = (b'!'..=b'~').map(char::from).collect();
    let body = json!({"name": "ci"});
    let keys = [
        "12345678",
        "1 2 3 4 5",
        &"x".repeat(255),
        &printable,
        "KEY-OF-MINE",
        "key-of-mine",
        "00000000",
        "/../users",
    ];
    for key in keys {
        let first = send(post(&roster, "/v1/keys", &roster.token(demo::VIEWER), key, &body))
            .await
            .expect(201);
        assert_replayed(
            &send(post(&roster, "/v1/keys", &roster.token(demo::VIEWER), key, &body)).await,
            &first,
            key,
        );
    }
    assert_eq!(receipts(&roster).await.len(), keys.len());
    check(&roster).await;
}

#[tokio::test]
async fn other_methods_ignore_the_key() {
    let roster = Roster::start().await;
    let by = |method: Method, path: &str, key: &str| {
        roster
            .request(method, path)
            .bearer_auth(roster.token(demo::ADMIN))
            .header("idempotency-key", key)
    };
    for key in ["short", KEY] {
        for path in [USERS, SHARES, ME, PRINCIPAL, "/v1/keys", "/users", "/api/admin/user-admin/5"]
        {
            let answers = [
                send(by(Method::GET, path, key)).await.expect(200),
                send(by(Method::GET, path, key)).await.expect(200),
            ];
            assert!(answers.iter().all(|answer| !is_replayed(answer)), "{path}");
        }
        for scopes in [["data:read"], ["profile"]] {
            let answer = send(
                by(Method::PUT, &shares_with(demo::VIEWER), key).json(&json!({"scopes": scopes})),
            )
            .await
            .expect(200);
            assert_eq!(answer.json()["scopes"], json!(scopes));
            assert_eq!(roster.get(SHARES, demo::ADMIN).await.json()[0]["scopes"], json!(scopes));
        }
        for name in ["One", "Two"] {
            let changed = send(by(Method::PATCH, ME, key).json(&json!({"display_name": name})))
                .await
                .expect(200);
            assert_eq!(changed.json()["user"]["display_name"], name);
            let body =
                json!({"name": name, "email": "dara.sok@acme-robotics.example", "rootRole": 3});
            let changed =
                send(by(Method::PUT, "/api/admin/user-admin/4", key).json(&body)).await.expect(200);
            assert_eq!(changed.json()["name"], name);
        }
        for status in [200, 404] {
            send(by(Method::DELETE, &shares_with(demo::VIEWER), key)).await.expect(status);
        }
    }
    assert_eq!(receipts(&roster).await, []);
    check(&roster).await;
}

#[tokio::test]
async fn it_works_the_same_however_a_trailing_slash_is_routed() {
    let body = json!({"first_name": "Ole", "last_name": null});
    for routing in [TrailingSlash::Proxy, TrailingSlash::Default] {
        let roster = Roster::start_with(|options| options.trailing_slash = routing).await;
        let made = || send(post(&roster, USERS, &roster.token(demo::MANAGER), KEY, &body));
        let first = made().await.expect(200);
        assert_replayed(&made().await, &first, "again");
        assert_eq!(receipts(&roster).await.len(), 1, "{routing:?}");
        check(&roster).await;
    }
}

#[tokio::test]
async fn an_answer_too_large_to_keep_is_told_once_and_what_it_tells_is_done_once() {
    let roster = Roster::start().await;
    // Quotes take twice their room in JSON, and four times in JSON within JSON.
    let metadata = BTreeMap::from([("note".to_owned(), json!("\"".repeat(1000)))]);
    for place in 0..100 {
        let sandbox = Sandbox {
            id: format!("sbx_{place:016x}"),
            user_id: GITA,
            template: "base".into(),
            status: SandboxStatus::Destroyed,
            created_at: roster.now(),
            updated_at: roster.now(),
            metadata: metadata.clone(),
            started_at: None,
            destroyed_at: Some(roster.now()),
            cpu_count: None,
            memory_mb: None,
            disk_mb: None,
            timeout_ms: None,
        };
        let mut item = json!(sandbox);
        item["version"] = json!(1);
        roster
            .server
            .data
            .store
            .put(&Key::sandbox(GITA, &sandbox.id), &item)
            .await
            .expect("a sandbox");
    }
    let path = format!("/v1/admin/users/{GITA}/suspend");
    let suspend = || post(&roster, &path, &roster.token(demo::PLATFORM_OPERATOR), KEY, &json!({}));
    let first = send(suspend()).await.expect(200);
    assert!(first.text.len() > 200_000, "{}", first.text.len());
    assert_json_snapshot!(refusal(&unchanged(&roster, suspend()).await.expect(409)));
    check(&roster).await;
}
