//! The operator part of the operator and account contract: what platform operators do with any
//! account.

use insta::assert_json_snapshot;
use local::demo;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::models::{QuotaTier, Status};
use shared::table::Key;
use tests::{Answer, Roster, send};
use uuid::Uuid;

use crate::keys::{check, status_by, without_new_key};
use crate::{DELETED, INVITED, NOBODY, SUSPENDED, changes, key, refusals, unchanged};

const TIERS: &str = "/v1/admin/quota-tiers";
/// A viewer of the other tenant, with no keys and no history.
const OTHER_VIEWER: Uuid = demo::id(0xb4);
/// A user of the manager.
const MANAGED: Uuid = demo::id(0x63);

/// Every endpoint that acts on a user: its method, and what its path ends in.
const ON_USERS: [(Method, &str); 6] = [
    (Method::PATCH, "/quota"),
    (Method::POST, "/keys"),
    (Method::POST, "/suspend"),
    (Method::POST, "/unsuspend"),
    (Method::POST, "/restore"),
    (Method::GET, "/audit-log"),
];

fn of(user: impl std::fmt::Display, what: &str) -> String {
    format!("/v1/admin/users/{user}{what}")
}

/// A request by the platform operator with no body.
fn bare(roster: &Roster, method: Method, path: &str) -> RequestBuilder {
    roster.request(method, path).bearer_auth(roster.token(demo::PLATFORM_OPERATOR))
}

/// A request by the platform operator with whatever body.
fn with_text(
    roster: &Roster,
    method: Method,
    path: &str,
    body: impl Into<reqwest::Body>,
) -> RequestBuilder {
    bare(roster, method, path).header("content-type", "application/json").body(body)
}

/// A POST by the platform operator with no body.
async fn post(roster: &Roster, path: &str) -> Answer {
    send(bare(roster, Method::POST, path)).await
}

/// What the platform operator sees of an account.
async fn detail(roster: &Roster, user: Uuid) -> Value {
    roster.get(&of(user, ""), demo::PLATFORM_OPERATOR).await.expect(200).json()
}

async fn change_quota(roster: &Roster, user: Uuid, tier: &str) -> Answer {
    roster
        .call(
            Method::PATCH,
            &of(user, "/quota"),
            demo::PLATFORM_OPERATOR,
            &json!({"quota_tier_id": tier}),
        )
        .await
}

/// A user's history, newest first.
async fn log(roster: &Roster, user: Uuid) -> Vec<Value> {
    let answer =
        roster.get(&of(user, "/audit-log?limit=100"), demo::PLATFORM_OPERATOR).await.expect(200);
    serde_json::from_value(answer.json()).expect("a list")
}

async fn status(roster: &Roster, user: Uuid) -> Status {
    roster.user(user).await.expect("a demo user").status
}

#[tokio::test]
async fn a_credential_that_fails_is_refused_by_every_endpoint_alike() {
    let on_users: Vec<(Method, String)> =
        ON_USERS.into_iter().map(|(method, what)| (method, of(demo::VIEWER, what))).collect();
    let mut endpoints: Vec<(Method, &str)> =
        on_users.iter().map(|(method, path)| (method.clone(), path.as_str())).collect();
    endpoints.push((Method::GET, TIERS));
    assert_json_snapshot!(refusals(&endpoints).await);
}

#[tokio::test]
async fn only_platform_operators_pass_and_nobody_else_learns_which_users_exist() {
    let roster = Roster::start().await;
    let refused = roster.get(TIERS, demo::ADMIN).await;
    assert_json_snapshot!(refused.snapshot());
    let tokens = [demo::ADMIN, demo::OPERATOR_VIEW_ALL, demo::VIEWER, demo::OTHER_ADMIN]
        .map(|caller| (roster.token(caller), false));
    let keys = [(key(demo::ADMIN, 1), true), (key(demo::PLATFORM_OPERATOR, 2), true)];
    let credentials: Vec<_> = tokens.into_iter().chain(keys).collect();
    for (credential, _) in &credentials {
        assert_eq!(
            send(roster.request(Method::GET, TIERS).bearer_auth(credential)).await.snapshot(),
            refused.snapshot()
        );
    }
    let before = roster.items().await;
    for (credential, is_key) in credentials {
        for (method, what) in ON_USERS {
            // A key may not make keys, whosever it is.
            if is_key && what == "/keys" {
                continue;
            }
            for user in [demo::VIEWER.to_string(), NOBODY.to_string(), "not-a-uuid".to_owned()] {
                let request = roster
                    .request(method.clone(), &of(&user, what))
                    .bearer_auth(&credential)
                    .body("no JSON");
                assert_eq!(
                    send(request).await.snapshot(),
                    refused.snapshot(),
                    "{method} {what} {user}"
                );
            }
        }
    }
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
}

#[tokio::test]
async fn a_key_of_the_scope_operator_passes() {
    let roster = Roster::start().await;
    for (method, what, body) in [
        (Method::PATCH, "/quota", json!({"quota_tier_id": "free"})),
        (Method::POST, "/suspend", json!({})),
        (Method::POST, "/unsuspend", json!({})),
        (Method::GET, "/audit-log", json!({})),
    ] {
        let request = roster
            .request(method, &of(demo::VIEWER, what))
            .bearer_auth(key(demo::PLATFORM_OPERATOR, 1))
            .json(&body);
        send(request).await.expect(200);
        check(&roster).await;
    }
    let by_key = |path: String, method| {
        send(roster.request(method, &path).bearer_auth(key(demo::PLATFORM_OPERATOR, 1)))
    };
    by_key(TIERS.to_owned(), Method::GET).await.expect(200);
    by_key(of(DELETED, "/restore"), Method::POST).await.expect(200);
}

#[tokio::test]
async fn an_unknown_user_is_not_found_and_so_is_what_is_no_id() {
    let roster = Roster::start().await;
    let before = roster.items().await;
    let mut told = None;
    for (method, what) in ON_USERS {
        for user in
            [&NOBODY.to_string(), "not-a-uuid", "me", "00000000000040008000000000000005", "%20"]
        {
            let request =
                with_text(&roster, method.clone(), &of(user, what), r#"{"quota_tier_id": "pro"}"#);
            let answer = send(request).await.expect(404).snapshot();
            assert_eq!(*told.get_or_insert(answer.clone()), answer, "{method} {what} {user}");
        }
    }
    assert_json_snapshot!(told);
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
}

#[tokio::test]
async fn every_quota_tier_is_listed() {
    let roster = Roster::start().await;
    assert_json_snapshot!(unchanged(&roster, bare(&roster, Method::GET, TIERS)).await.snapshot());
}

#[tokio::test]
async fn a_tier_of_the_tables_own_is_listed_and_can_be_given() {
    let roster = Roster::start().await;
    let tier = QuotaTier {
        id: "edu".into(),
        display_name: "Education".into(),
        ..QuotaTier::built_in()[0].clone()
    };
    roster.server.data.store.put(&Key::tier("edu"), &tier).await.expect("a tier");
    let tiers = roster.get(TIERS, demo::PLATFORM_OPERATOR).await.expect(200).json();
    let ids: Vec<&Value> =
        tiers.as_array().expect("a list").iter().map(|tier| &tier["id"]).collect();
    assert_eq!(ids, ["edu", "free", "pro", "enterprise"]);
    assert_eq!(
        change_quota(&roster, demo::OTHER_ADMIN, "edu").await.expect(200).json()["quota_tier"],
        json!(tier)
    );
}

#[tokio::test]
async fn tiers_are_read_anew_once_a_minute() {
    let roster = Roster::start().await;
    let count = async || {
        roster.get(TIERS, demo::PLATFORM_OPERATOR).await.expect(200).json().as_array().map(Vec::len)
    };
    assert_eq!(count().await, Some(3));
    let tier = QuotaTier { id: "edu".into(), ..QuotaTier::built_in()[0].clone() };
    roster.server.data.store.put(&Key::tier("edu"), &tier).await.expect("a tier");
    for (pause, tiers) in [(0, 3), (59, 3), (1, 4)] {
        roster.advance(pause);
        assert_eq!(count().await, Some(tiers), "{pause} s later");
    }
}

#[tokio::test]
async fn the_quota_of_a_teams_owner_is_that_of_the_team() {
    let roster = Roster::start().await;
    let before = roster.user(demo::OTHER_ADMIN).await.expect("a demo user");
    let answer = change_quota(&roster, demo::OTHER_ADMIN, "pro").await;
    assert_json_snapshot!(answer.snapshot());
    assert_eq!(detail(&roster, demo::OTHER_ADMIN).await, answer.json());
    let after = roster.user(demo::OTHER_ADMIN).await.expect("a demo user");
    assert_eq!(
        (after.version, after.quota_tier_id.as_str(), after.updated_at),
        (before.version + 1, "pro", roster.now())
    );
    // What the team may use is what its members see.
    assert_eq!(detail(&roster, OTHER_VIEWER).await["quota_tier"]["id"], "pro");
    check(&roster).await;

    // All else of an account stays.
    let mut expected = detail(&roster, demo::ADMIN).await;
    let answer = change_quota(&roster, demo::ADMIN, "enterprise").await.expect(200).json();
    for part in ["user", "team"] {
        expected[part]["quota_tier_id"] = json!("enterprise");
        expected[part]["updated_at"] = json!(roster.now());
    }
    expected["quota_tier"] = answer["quota_tier"].clone();
    assert_eq!((answer["quota_tier"]["id"].as_str(), &answer), (Some("enterprise"), &expected));
    check(&roster).await;
}

#[tokio::test]
async fn the_quota_of_another_member_leaves_the_team_as_it_is() {
    let roster = Roster::start().await;
    let mut expected = detail(&roster, demo::VIEWER).await;
    let answer = change_quota(&roster, demo::VIEWER, "free").await.expect(200).json();
    expected["user"]["quota_tier_id"] = json!("free");
    expected["user"]["updated_at"] = json!(roster.now());
    assert_eq!(answer, expected);
    assert_eq!(
        (&answer["team"]["quota_tier_id"], &answer["quota_tier"]["id"]),
        (&json!("pro"), &json!("pro"))
    );
    assert_eq!(detail(&roster, demo::ADMIN).await["team"]["quota_tier_id"], "pro");
    check(&roster).await;
}

#[tokio::test]
async fn the_same_tier_again_changes_nothing() {
    let roster = Roster::start().await;
    for user in [demo::ADMIN, demo::VIEWER, demo::OTHER_ADMIN] {
        change_quota(&roster, user, "enterprise").await.expect(200);
        roster.advance(60);
        let request = with_text(
            &roster,
            Method::PATCH,
            &of(user, "/quota"),
            r#"{"quota_tier_id": "enterprise"}"#,
        );
        assert_eq!(
            unchanged(&roster, request).await.expect(200).json(),
            detail(&roster, user).await
        );
    }
}

#[tokio::test]
async fn users_of_every_status_can_be_given_a_tier() {
    let roster = Roster::start().await;
    for user in [INVITED, SUSPENDED, DELETED, MANAGED, demo::PLATFORM_OPERATOR] {
        let before = status(&roster, user).await;
        assert_eq!(
            change_quota(&roster, user, "free").await.expect(200).json()["user"]["quota_tier_id"],
            "free"
        );
        assert_eq!(status(&roster, user).await, before);
        check(&roster).await;
    }
}

#[tokio::test]
async fn a_tier_that_there_is_not_is_refused() {
    let roster = Roster::start().await;
    let before = roster.items().await;
    let mut told = Vec::new();
    for body in [
        "",
        "{}",
        r#"{"quota_tier_id": null}"#,
        r#"{"quota_tier_id": 7}"#,
        r#"{"quota_tier_id": ""}"#,
        r#"{"quota_tier_id": "platinum"}"#,
        r#"{"quota_tier_id": "PRO"}"#,
        r#"{"quota_tier_id": "pro "}"#,
        r#"["pro"]"#,
        r#""pro""#,
        "quota_tier_id=pro",
    ] {
        let request = with_text(&roster, Method::PATCH, &of(demo::ADMIN, "/quota"), body);
        let answer = send(request).await.expect(422).json();
        assert_eq!(answer["code"], "invalid_request", "{body}");
        told.push(json!([body, answer["error"]]));
    }
    assert_json_snapshot!(told);
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
    assert_json_snapshot!(
        "an_unknown_tier",
        change_quota(&roster, demo::ADMIN, "platinum").await.snapshot()
    );
}

#[tokio::test]
async fn however_many_change_a_quota_at_once_user_and_team_agree() {
    let roster = Roster::start().await;
    for _ in 0..5 {
        let tiers = ["free", "pro", "enterprise"];
        let answers = futures::future::join_all(
            (0..6).map(|place| change_quota(&roster, demo::ADMIN, tiers[place % 3])),
        )
        .await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        let after = detail(&roster, demo::ADMIN).await;
        assert_eq!(after["user"]["quota_tier_id"], after["team"]["quota_tier_id"]);
        check(&roster).await;
    }
}

#[tokio::test]
async fn an_operator_makes_a_key_for_a_user() {
    let roster = Roster::start().await;
    let path = of(demo::VIEWER, "/keys");
    let answer = roster
        .call(Method::POST, &path, demo::PLATFORM_OPERATOR, &json!({"name": "support"}))
        .await;
    assert_json_snapshot!(without_new_key(&answer));
    let secret = answer.json()["key"].as_str().expect("a text").to_owned();
    let me = send(roster.request(Method::GET, "/v1/account/me").bearer_auth(&secret))
        .await
        .expect(200)
        .json();
    assert_eq!(me["user"]["id"], json!(demo::VIEWER));
    // It does not make its owner an operator.
    assert_eq!(
        send(roster.request(Method::GET, TIERS).bearer_auth(&secret)).await.expect(403).json()["code"],
        "operator_required"
    );
    assert!(!json!(roster.items().await).to_string().contains(&secret[12..]));
    check(&roster).await;
    let listed = roster.get("/v1/keys", demo::VIEWER).await.expect(200).json();
    assert_eq!(
        (&listed[0]["id"], &listed[0]["scope"], &listed[0]["name"]),
        (&answer.json()["id"], &json!("operator"), &json!("support"))
    );
    assert_eq!(detail(&roster, demo::VIEWER).await["api_keys"], listed);
    // It is the user's own to revoke.
    let id = answer.json()["id"].as_str().expect("an id").to_owned();
    roster.delete(&format!("/v1/keys/{id}"), demo::VIEWER).await.expect(200);
    assert_eq!(status_by(&roster, &secret).await, 401);
    check(&roster).await;
}

#[tokio::test]
async fn a_key_for_an_operator_operates_the_platform() {
    let roster = Roster::start().await;
    let answer = post(&roster, &of(demo::PLATFORM_OPERATOR, "/keys")).await.expect(201).json();
    assert_eq!(answer["name"], Value::Null);
    send(roster.request(Method::GET, TIERS).bearer_auth(answer["key"].as_str().expect("a text")))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_key_for_a_suspended_user_works_once_the_suspension_is_lifted_and_a_deleted_user_gets_none()
 {
    let roster = Roster::start().await;
    let answer = post(&roster, &of(SUSPENDED, "/keys")).await.expect(201).json();
    let secret = answer["key"].as_str().expect("a text");
    assert_eq!(status_by(&roster, secret).await, 403);
    post(&roster, &of(SUSPENDED, "/unsuspend")).await.expect(200);
    assert_eq!(status_by(&roster, secret).await, 200);
    let refused =
        unchanged(&roster, bare(&roster, Method::POST, &of(DELETED, "/keys"))).await.expect(404);
    assert_eq!(refused.snapshot(), post(&roster, &of(NOBODY, "/keys")).await.snapshot());
}

#[tokio::test]
async fn a_wrong_name_or_body_makes_no_key() {
    let roster = Roster::start().await;
    let before = roster.items().await;
    let path = of(demo::VIEWER, "/keys");
    let mut told = Vec::new();
    for body in [
        r#"{"name": ""}"#,
        r#"{"name": "  "}"#,
        r#"{"name": 7}"#,
        r#"{"name": ["ci"]}"#,
        "[]",
        "null",
        "name=ci",
    ] {
        let answer = send(with_text(&roster, Method::POST, &path, body)).await.expect(422).json();
        told.push(json!([body, answer["code"], answer["error"]]));
    }
    let long = json!({"name": "x".repeat(256)}).to_string();
    let answer = send(with_text(&roster, Method::POST, &path, long)).await.expect(422).json();
    told.push(json!(["256 characters", answer["code"], answer["error"]]));
    assert_json_snapshot!(told);
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
    for body in ["", "{}", r#"{"name": null}"#] {
        assert_eq!(
            send(with_text(&roster, Method::POST, &path, body)).await.expect(201).json()["name"],
            Value::Null
        );
    }
}

#[tokio::test]
async fn who_is_suspended_is_refused_at_once_by_token_and_key_until_it_is_lifted() {
    let roster = Roster::start().await;
    let secret = key(demo::ADMIN, 1);
    assert_eq!(status_by(&roster, &secret).await, 200);
    let mut expected = detail(&roster, demo::ADMIN).await;

    roster.advance(60);
    let reason = json!({"reason": "Payment failed three times"});
    let answer = roster
        .call(Method::POST, &of(demo::ADMIN, "/suspend"), demo::PLATFORM_OPERATOR, &reason)
        .await
        .expect(200)
        .json();
    expected["user"]["updated_at"] = json!(roster.now());
    let flags = expected["user"]["abuse_flags"].clone();
    expected["user"]["abuse_flags"]["suspended_at"] = json!(roster.now());
    expected["user"]["abuse_flags"]["suspended_reason"] = json!("Payment failed three times");
    assert_eq!(answer, expected);
    expected["user"]["abuse_flags"] = flags;
    assert_eq!(status(&roster, demo::ADMIN).await, Status::Suspended);
    check(&roster).await;
    let by_token = roster.get("/v1/account/me", demo::ADMIN).await;
    assert_json_snapshot!(by_token.snapshot());
    let by_key = send(roster.request(Method::GET, "/v1/keys").bearer_auth(&secret)).await;
    assert_eq!(by_key.snapshot(), by_token.snapshot());
    roster.call(Method::POST, "/v1/keys", demo::ADMIN, &json!({})).await.expect(403);
    let counted = async |status: &str| {
        let path = format!("/users?status={status}&ids={}", demo::ADMIN);
        roster.get(&path, demo::OPERATOR_VIEW_ALL).await.expect(200).json()["total"].clone()
    };
    assert_eq!((counted("ACCESS_SUSPENDED").await, counted("ACTIVE").await), (json!(1), json!(0)));

    roster.advance(60);
    let answer = post(&roster, &of(demo::ADMIN, "/unsuspend")).await.expect(200).json();
    expected["user"]["updated_at"] = json!(roster.now());
    assert_eq!(answer, expected);
    check(&roster).await;
    assert_eq!(status_by(&roster, &secret).await, 200);
    roster.get("/v1/account/me", demo::ADMIN).await.expect(200);
    assert_eq!((counted("ACCESS_SUSPENDED").await, counted("ACTIVE").await), (json!(0), json!(1)));
}

#[tokio::test]
async fn a_suspension_is_answered_with_the_account() {
    let roster = Roster::start().await;
    roster.advance(60);
    assert_json_snapshot!(
        "suspended",
        post(&roster, &of(OTHER_VIEWER, "/suspend")).await.snapshot()
    );
    assert_json_snapshot!(
        "unsuspended",
        post(&roster, &of(OTHER_VIEWER, "/unsuspend")).await.snapshot()
    );
}

#[tokio::test]
async fn who_was_deleted_is_restored() {
    let roster = Roster::start().await;
    assert_eq!(
        roster.get("/v1/account/me", DELETED).await.expect(403).json()["code"],
        "account_deleted"
    );
    let answer = post(&roster, &of(DELETED, "/restore")).await.expect(200).json();
    assert_json_snapshot!(answer["user"]);
    let user = roster.user(DELETED).await.expect("a demo user");
    assert_eq!(
        (user.status, user.soft_deleted_at, user.delete_scheduled_at),
        (Status::Active, None, None)
    );
    assert_eq!(detail(&roster, DELETED).await, answer);
    roster.get("/v1/account/me", DELETED).await.expect(200);
    check(&roster).await;
}

#[tokio::test]
async fn a_status_that_a_change_does_not_start_from_is_a_conflict() {
    let roster = Roster::start().await;
    let before = roster.items().await;
    let mut told = Vec::new();
    for (name, user) in [
        ("active", demo::VIEWER),
        ("invited", INVITED),
        ("suspended", SUSPENDED),
        ("deleted", DELETED),
    ] {
        for what in ["/suspend", "/unsuspend", "/restore"] {
            if matches!(
                (name, what),
                ("active" | "invited", "/suspend")
                    | ("suspended", "/unsuspend")
                    | ("deleted", "/restore")
            ) {
                continue;
            }
            let answer =
                send(bare(&roster, Method::POST, &of(user, what))).await.expect(409).snapshot();
            told.push(json!([name, what, answer]));
        }
    }
    assert_json_snapshot!(told);
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
}

#[tokio::test]
async fn of_twenty_suspensions_at_once_one_happens() {
    let roster = Roster::start().await;
    let path = of(OTHER_VIEWER, "/suspend");
    let answers = futures::future::join_all((0..20).map(|_| post(&roster, &path))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200], vec![409; 19]].concat());
    assert_eq!(status(&roster, OTHER_VIEWER).await, Status::Suspended);
    assert_eq!(log(&roster, OTHER_VIEWER).await.len(), 1);
    check(&roster).await;
}

#[tokio::test]
async fn the_reason_is_kept_in_the_audit_log() {
    let roster = Roster::start().await;
    let long = "é".repeat(1000);
    let mut expected = Vec::new();
    for (what, body, reason) in [
        ("/suspend", String::new(), None),
        ("/unsuspend", "{}".to_owned(), None),
        ("/suspend", r#"{"reason": null}"#.to_owned(), None),
        ("/unsuspend", r#"{"reason": "A false alarm."}"#.to_owned(), Some("A false alarm.")),
        ("/suspend", json!({"reason": long}).to_string(), Some(long.as_str())),
    ] {
        send(with_text(&roster, Method::POST, &of(OTHER_VIEWER, what), body)).await.expect(200);
        expected.insert(0, (format!("user{}ed", what.replace('/', ".")), reason));
    }
    let told = log(&roster, OTHER_VIEWER).await;
    let told: Vec<_> = told
        .iter()
        .map(|entry| (entry["action"].as_str().expect("text").to_owned(), entry["reason"].as_str()))
        .collect();
    assert_eq!(told, expected);
    post(&roster, &of(DELETED, "/restore")).await.expect(200);
    assert_eq!(log(&roster, DELETED).await[0]["action"], "user.restored");
}

#[tokio::test]
async fn a_wrong_reason_or_body_changes_nothing() {
    let roster = Roster::start().await;
    let before = roster.items().await;
    let long = json!({"reason": "x".repeat(1001)}).to_string();
    let mut told: Option<Value> = None;
    for (what, user) in
        [("/suspend", demo::VIEWER), ("/unsuspend", SUSPENDED), ("/restore", DELETED)]
    {
        let mut answers = Vec::new();
        for (name, body) in [
            ("1,001 characters", long.clone()),
            ("empty", r#"{"reason": ""}"#.to_owned()),
            ("blank", r#"{"reason": "  "}"#.to_owned()),
            ("a number", r#"{"reason": 7}"#.to_owned()),
            ("a list", "[]".to_owned()),
            ("null", "null".to_owned()),
            ("no JSON", "reason=spam".to_owned()),
        ] {
            let answer = send(with_text(&roster, Method::POST, &of(user, what), body))
                .await
                .expect(422)
                .json();
            answers.push(json!([name, answer["code"], answer["error"]]));
        }
        let answers = json!(answers);
        assert_eq!(*told.get_or_insert(answers.clone()), answers, "{what}");
    }
    assert_json_snapshot!(told);
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
}

#[tokio::test]
async fn the_audit_log_tells_each_change_newest_first_and_no_secret() {
    let roster = Roster::start().await;
    let mut secrets = Vec::new();
    let made = async |path: &str, caller: Uuid| {
        let answer = roster.call(Method::POST, path, caller, &json!({})).await.expect(201).json();
        (
            answer["id"].as_str().expect("an id").to_owned(),
            answer["key"].as_str().expect("a text").to_owned(),
        )
    };
    let operator = demo::PLATFORM_OPERATOR;
    roster
        .call(Method::PATCH, "/v1/account/me", OTHER_VIEWER, &json!({"display_name": "Pete"}))
        .await
        .expect(200);
    roster.advance(1);
    change_quota(&roster, OTHER_VIEWER, "free").await.expect(200);
    roster.advance(1);
    let (own, secret) = made("/v1/keys", OTHER_VIEWER).await;
    secrets.push(secret);
    roster.advance(1);
    secrets.push(made(&format!("/v1/keys/{own}/rotate"), OTHER_VIEWER).await.1);
    roster.advance(1);
    roster.delete(&format!("/v1/keys/{own}"), OTHER_VIEWER).await.expect(200);
    roster.advance(1);
    secrets.push(made(&of(OTHER_VIEWER, "/keys"), operator).await.1);
    roster.advance(1);
    roster
        .call(
            Method::POST,
            &of(OTHER_VIEWER, "/suspend"),
            operator,
            &json!({"reason": "Payment failed"}),
        )
        .await
        .expect(200);
    roster.advance(1);
    post(&roster, &of(OTHER_VIEWER, "/unsuspend")).await.expect(200);
    let answer =
        unchanged(&roster, bare(&roster, Method::GET, &of(OTHER_VIEWER, "/audit-log"))).await;
    assert_json_snapshot!(answer.snapshot());
    for secret in secrets {
        let hash = shared::auth::api_key::hash(&secret).expect("a key");
        assert!(!answer.text.contains(&secret[12..]) && !answer.text.contains(&hash));
    }
    check(&roster).await;
}

/// Where the `Link` header leads, if it leads on.
fn next(answer: &Answer) -> Option<String> {
    let (path, relation) = answer.headers.get("link")?.split_once(">; ").expect("a link");
    assert_eq!(relation, "rel=\"next\"");
    Some(path.trim_start_matches('<').to_owned())
}

#[tokio::test]
async fn the_pages_of_the_audit_log_hold_every_entry_once() {
    let roster = Roster::start().await;
    for place in 0..30 {
        change_quota(&roster, OTHER_VIEWER, ["free", "pro"][place % 2]).await.expect(200);
        roster.advance(1);
    }
    let all = log(&roster, OTHER_VIEWER).await;
    assert_eq!(all.len(), 30);
    assert!(all.windows(2).all(|pair| pair[0]["at"].as_str() > pair[1]["at"].as_str()));
    for (limit, sizes) in [
        ("", vec![25, 5]),
        ("?limit=7", vec![7, 7, 7, 7, 2]),
        ("?limit=10", vec![10; 3]),
        ("?limit=30", vec![30]),
    ] {
        let mut path = Some(of(OTHER_VIEWER, &format!("/audit-log{limit}")));
        let (mut walked, mut pages) = (Vec::new(), Vec::new());
        while let Some(page) = path {
            let answer = roster.get(&page, demo::PLATFORM_OPERATOR).await.expect(200);
            let entries: Vec<Value> = serde_json::from_value(answer.json()).expect("a list");
            pages.push(entries.len());
            walked.extend(entries);
            path = next(&answer);
        }
        assert_eq!((pages, &walked), (sizes, &all), "{limit}");
    }
    // What happens meanwhile comes before the first page, and moves no other.
    let first = roster
        .get(&of(OTHER_VIEWER, "/audit-log?limit=10"), demo::PLATFORM_OPERATOR)
        .await
        .expect(200);
    post(&roster, &of(OTHER_VIEWER, "/suspend")).await.expect(200);
    let second =
        roster.get(&next(&first).expect("a next page"), demo::PLATFORM_OPERATOR).await.expect(200);
    assert_eq!(second.json(), json!(all[10..20]));
}

#[tokio::test]
async fn a_wrong_page_of_the_audit_log_is_refused() {
    let roster = Roster::start().await;
    let before = roster.items().await;
    let mut told = Vec::new();
    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=1.5",
        "limit=ten",
        "limit=",
        "limit=99999999999999999999",
        "cursor=",
        "cursor=next",
        "cursor=0198c0de",
        "cursor=AUDIT%23",
    ] {
        let request = bare(&roster, Method::GET, &of(demo::VIEWER, &format!("/audit-log?{query}")));
        let answer = send(request).await.expect(422).json();
        assert_eq!(answer["code"], "invalid_request", "{query}");
        told.push(json!([query, answer["error"]]));
    }
    assert_json_snapshot!(told);
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
    for query in ["limit=1", "limit=100", "colour=red"] {
        roster
            .get(&of(demo::VIEWER, &format!("/audit-log?{query}")), demo::PLATFORM_OPERATOR)
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn the_audit_log_of_who_did_nothing_is_empty_and_that_of_who_was_erased_stays() {
    let roster = Roster::start().await;
    let path = of(MANAGED, "/audit-log");
    let empty = roster.get(&path, demo::PLATFORM_OPERATOR).await.expect(200);
    assert_eq!((empty.text.as_str(), next(&empty)), ("[]", None));
    post(&roster, &of(MANAGED, "/suspend")).await.expect(200);
    roster.delete(&format!("/api/v1/users/{MANAGED}"), demo::MANAGER).await.expect(200);
    roster.get(&of(MANAGED, ""), demo::PLATFORM_OPERATOR).await.expect(404);
    assert_json_snapshot!(roster.get(&path, demo::PLATFORM_OPERATOR).await.snapshot());
    check(&roster).await;
}
