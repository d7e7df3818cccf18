//! The operator and account contract.

use insta::assert_json_snapshot;
use local::demo;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::models::{Role, Sandbox, SandboxStatus, Status, Team, UsageDay, User};
use shared::table::Key;
use tests::{Answer, Roster, send, sign};
use uuid::Uuid;

use crate::{DELETED, INVITED, NOBODY, SUSPENDED, changes, key, refusals, unchanged};

const ME: &str = "/v1/account/me";
const ACCOUNT: &str = "/v1/account";
/// Someone who is yet to sign up.
const NEW: Uuid = demo::id(0xe01);

fn detail(id: Uuid) -> String {
    format!("/v1/admin/users/{id}")
}

/// A sign-up with more claims than every token has.
fn sign_up(roster: &Roster, sub: Uuid, more: &Value) -> RequestBuilder {
    let mut claims = roster.claims(sub);
    for (name, value) in more.as_object().expect("claims") {
        claims[name] = value.clone();
    }
    roster.request(Method::POST, ACCOUNT).bearer_auth(sign(&claims))
}

fn patch(roster: &Roster, body: impl Into<reqwest::Body>) -> RequestBuilder {
    let request = roster.request(Method::PATCH, ME).bearer_auth(roster.token(demo::ADMIN));
    request.header("content-type", "application/json").body(body)
}

/// A snapshot whose team's slug ends in what is new each time.
#[track_caller]
fn without_new_slug(answer: &Answer, slug: &str) -> Value {
    let mut snapshot = answer.snapshot();
    let told =
        snapshot["body"]["team"]["slug"].as_str().unwrap_or_else(|| panic!("no slug: {answer:?}"));
    assert!(told.starts_with(&format!("{slug}-")) && told.len() == slug.len() + 9, "{told}");
    snapshot["body"]["team"]["slug"] = json!(format!("{slug}-(new)"));
    snapshot
}

/// The user of that id as it must be, without what signing up does not set.
fn signed_up(roster: &Roster, id: Uuid, team: &Value, email: &str) -> User {
    let team_id = team["id"].as_str().expect("an id").parse().expect("a UUID");
    User {
        email: Some(email.to_owned()),
        role: Role::Admin,
        ..User::new(id, 1, (team_id, team["name"].as_str().expect("a name")), roster.now())
    }
}

#[tokio::test]
async fn a_credential_that_fails_is_refused_by_every_endpoint_alike() {
    let path = detail(demo::ADMIN);
    let endpoints = [
        (Method::GET, ME),
        (Method::PATCH, ME),
        (Method::GET, path.as_str()),
        (Method::GET, "/v1/admin/users/not-a-uuid"),
    ];
    assert_json_snapshot!(refusals(&endpoints).await);
}

#[tokio::test]
async fn an_operator_sees_the_whole_account() {
    let roster = Roster::start().await;
    let request = roster
        .request(Method::GET, &detail(demo::ADMIN))
        .bearer_auth(roster.token(demo::PLATFORM_OPERATOR));
    let answer = unchanged(&roster, request).await;
    assert_json_snapshot!(answer.snapshot());
    let body = answer.json();
    let list = |name: &str, field: &str| -> Vec<String> {
        let list = body[name].as_array().expect("a list");
        list.iter().map(|item| item[field].as_str().expect("text").to_owned()).collect()
    };
    let newest_first = |times: &[String]| times.windows(2).all(|pair| pair[0] > pair[1]);
    assert_eq!(list("api_keys", "id").len(), 10);
    let (sandboxes, days) = (list("sandboxes", "created_at"), list("quota_usage", "usage_date"));
    assert_eq!((sandboxes.len(), newest_first(&sandboxes)), (10, true));
    assert_eq!((days.len(), newest_first(&days), days[0].as_str()), (30, true, "2026-05-02"));
}

#[tokio::test]
async fn an_account_with_nothing_has_every_field() {
    let roster = Roster::start().await;
    assert_json_snapshot!(
        roster.get(&detail(demo::id(0x63)), demo::PLATFORM_OPERATOR).await.snapshot()
    );
}

#[tokio::test]
async fn an_operator_sees_accounts_of_every_status_and_tenant() {
    let roster = Roster::start().await;
    assert_json_snapshot!(
        "a_deleted_account",
        roster.get(&detail(DELETED), demo::PLATFORM_OPERATOR).await.json()["user"]
    );
    assert_json_snapshot!(
        "an_account_with_abuse_flags",
        roster.get(&detail(demo::id(0xb6)), demo::PLATFORM_OPERATOR).await.json()["user"]
    );
    for id in [SUSPENDED, INVITED, demo::OTHER_ADMIN, demo::PLATFORM_OPERATOR] {
        let body = roster.get(&detail(id), demo::PLATFORM_OPERATOR).await.expect(200).json();
        let record = roster.user(id).await.expect("a demo user");
        assert_eq!(
            (&body["user"]["id"], &body["team"]["id"]),
            (&json!(id), &json!(record.team_id))
        );
        assert_eq!(
            (&body["user"]["email"], &body["user"]["is_operator"]),
            (&json!(record.email), &json!(record.is_operator))
        );
    }
}

#[tokio::test]
async fn the_tier_is_the_teams_and_the_usage_too() {
    let roster = Roster::start().await;
    let body =
        roster.get(&detail(demo::OTHER_ADMIN), demo::PLATFORM_OPERATOR).await.expect(200).json();
    assert_eq!(
        body["quota_tier"],
        json!({"id": "free", "display_name": "Free", "max_concurrent_sandboxes": 5, "daily_sandbox_creates": 100, "daily_gb_hours": 10.0})
    );
    let days: Vec<Value> = body["quota_usage"]
        .as_array()
        .expect("days")
        .iter()
        .map(|day| day["sandbox_creates"].clone())
        .collect();
    assert_eq!(days, [100, 12]);
}

#[tokio::test]
async fn only_the_newest_hundred_sandboxes_and_thirty_days_are_shown() {
    let roster = Roster::start().await;
    let store = &roster.server.data.store;
    for place in 0..101 {
        let sandbox = Sandbox {
            id: format!("sbx_{place:016x}"),
            user_id: demo::OTHER_ADMIN,
            template: "base".into(),
            status: SandboxStatus::Destroyed,
            created_at: roster.now().plus_seconds(place),
            updated_at: roster.now().plus_seconds(place),
            metadata: Default::default(),
            started_at: None,
            destroyed_at: None,
            cpu_count: None,
            memory_mb: None,
            disk_mb: None,
            timeout_ms: None,
        };
        store
            .put(&Key::sandbox(demo::OTHER_ADMIN, &sandbox.id), &sandbox)
            .await
            .expect("a sandbox");
    }
    let now = roster.now();
    let day = UsageDay {
        team_id: demo::TEAM,
        usage_date: "2020-01-01".into(),
        sandbox_creates: 1,
        gb_hours: 0.5,
        updated_at: now,
    };
    store.put(&Key::usage(demo::TEAM, &day.usage_date), &day).await.expect("a day");
    let sandboxes = roster
        .get(&detail(demo::OTHER_ADMIN), demo::PLATFORM_OPERATOR)
        .await
        .expect(200)
        .json()["sandboxes"]
        .clone();
    assert_eq!(
        (sandboxes.as_array().map(Vec::len), &sandboxes[0]["id"]),
        (Some(100), &json!(format!("sbx_{:016x}", 100)))
    );
    assert_eq!(sandboxes[99]["id"], json!(format!("sbx_{:016x}", 1)));
    let usage = roster.get(&detail(demo::ADMIN), demo::PLATFORM_OPERATOR).await.expect(200).json()
        ["quota_usage"]
        .clone();
    assert_eq!(
        (usage.as_array().map(Vec::len), &usage[29]["usage_date"]),
        (Some(30), &json!("2026-04-03"))
    );
}

#[tokio::test]
async fn no_answer_holds_a_keys_secret() {
    let roster = Roster::start().await;
    let text = roster.get(&detail(demo::ADMIN), demo::PLATFORM_OPERATOR).await.expect(200).text;
    for place in 1..=10 {
        let secret = key(demo::ADMIN, place);
        let hash = shared::auth::api_key::hash(&secret).expect("a key");
        assert!(!text.contains(&secret[12..]) && !text.contains(&hash), "{place}");
    }
}

#[tokio::test]
async fn an_id_is_read_in_either_case() {
    let roster = Roster::start().await;
    let lower = roster.get(&detail(demo::TEAM), demo::PLATFORM_OPERATOR).await.expect(404);
    let upper = format!("/v1/admin/users/{}", demo::id(0x11c).to_string().to_uppercase());
    let answer = roster.get(&upper, demo::PLATFORM_OPERATOR).await.expect(200);
    assert_eq!(
        answer.text,
        roster.get(&detail(demo::id(0x11c)), demo::PLATFORM_OPERATOR).await.text
    );
    assert_eq!(lower.json()["code"], "account_not_found");
}

#[tokio::test]
async fn an_unknown_account_is_not_found_and_so_is_what_is_no_id() {
    let roster = Roster::start().await;
    let unknown = roster.get(&detail(NOBODY), demo::PLATFORM_OPERATOR).await;
    assert_json_snapshot!(unknown.snapshot());
    for id in [
        "not-a-uuid",
        "me",
        "1",
        "%20",
        "%FF",
        "00000000000040008000000000000002",
        "%7B00000000-0000-4000-8000-000000000002%7D",
    ] {
        let answer = roster.get(&format!("/v1/admin/users/{id}"), demo::PLATFORM_OPERATOR).await;
        assert_eq!(answer.snapshot(), unknown.snapshot(), "{id}");
    }
}

#[tokio::test]
async fn only_platform_operators_see_accounts_and_nobody_else_learns_which_exist() {
    let roster = Roster::start().await;
    let refused = roster.get(&detail(demo::ADMIN), demo::ADMIN).await;
    assert_json_snapshot!(refused.snapshot());
    for caller in [
        demo::ADMIN,
        demo::OPERATOR_VIEW_ALL,
        demo::OPERATOR,
        demo::VIEWER,
        demo::MANAGER,
        demo::OTHER_ADMIN,
    ] {
        for path in [
            detail(caller),
            detail(demo::VIEWER),
            detail(NOBODY),
            "/v1/admin/users/not-a-uuid".to_owned(),
        ] {
            assert_eq!(
                roster.get(&path, caller).await.snapshot(),
                refused.snapshot(),
                "{caller} {path}"
            );
        }
    }
}

#[tokio::test]
async fn a_key_operates_the_platform_only_with_the_scope_operator() {
    let roster = Roster::start().await;
    let by_key = |path: String, owner, place| {
        send(roster.request(Method::GET, &path).bearer_auth(key(owner, place)))
    };
    let answer = by_key(detail(demo::ADMIN), demo::PLATFORM_OPERATOR, 1).await.expect(200);
    assert_eq!(answer.text, roster.get(&detail(demo::ADMIN), demo::PLATFORM_OPERATOR).await.text);
    let refused = roster.get(&detail(demo::ADMIN), demo::ADMIN).await.snapshot();
    for (path, owner, place) in [
        (detail(demo::ADMIN), demo::PLATFORM_OPERATOR, 2),
        (detail(NOBODY), demo::PLATFORM_OPERATOR, 2),
        ("/v1/admin/users/not-a-uuid".to_owned(), demo::PLATFORM_OPERATOR, 2),
        (detail(demo::ADMIN), demo::ADMIN, 1),
    ] {
        assert_eq!(by_key(path.clone(), owner, place).await.snapshot(), refused, "{path}");
    }
}

#[tokio::test]
async fn signing_up_makes_a_user_a_team_and_the_first_number_and_does_so_once() {
    let roster = Roster::start().await;
    roster.advance(7);
    let before = roster.items().await;
    let claims = json!({
        "email": "Nova.Reed@Example.com",
        "email_verified": true,
        "user_metadata": {"full_name": "Nova Reed", "name": "nova", "avatar_url": "https://avatars.example/nova.png"},
    });
    let answer = send(sign_up(&roster, NEW, &claims)).await.expect(201);
    assert_json_snapshot!(without_new_slug(&answer, "nova-reed"));
    let body = answer.json();
    let team_id = body["team"]["id"].as_str().expect("an id");

    let expected = User {
        name: Some("Nova Reed".into()),
        avatar_url: Some("https://avatars.example/nova.png".into()),
        email_verified_at: Some(roster.now()),
        ..signed_up(&roster, NEW, &body["team"], "Nova.Reed@Example.com")
    };
    assert_eq!(roster.user(NEW).await, Some(expected));
    let items = roster.items().await;
    let find = |pk: &str, sk: &str| {
        items
            .iter()
            .find(|item| item["pk"] == pk && item["sk"] == sk)
            .unwrap_or_else(|| panic!("no {pk} {sk}"))
    };
    let team: Team =
        serde_json::from_value(json!(find(&format!("TEAM#{team_id}"), "TEAM"))).expect("a team");
    assert_eq!(
        (team.owner_user_id, team.quota_tier_id.as_str(), team.created_at),
        (NEW, "free", roster.now())
    );
    assert_eq!(find("EMAIL#n", "nova.reed@example.com")["user_id"], json!(NEW));
    assert_eq!(find(&format!("NUMBER#{team_id}#1"), "UNIQUE")["user_id"], json!(NEW));
    assert_eq!(find(&format!("TEAM#{team_id}"), "NUMBERS")["last_number"], 1);
    // Nobody else's item was touched.
    assert!(changes(&before, &items).iter().all(|change| change.starts_with("after")));
    roster.check_table().await;

    let again = unchanged(&roster, sign_up(&roster, NEW, &claims)).await.expect(200);
    assert_eq!(again.json(), body);
    // Whatever the token says by now, but that its own email is told beside.
    let mut same = body;
    let other = json!({"email": "other@example.com", "user_metadata": {"full_name": "Other"}});
    same["session_email"] = json!("other@example.com");
    assert_eq!(unchanged(&roster, sign_up(&roster, NEW, &other)).await.expect(200).json(), same);
    same["session_email"] = roster.claims(NEW)["email"].clone();
    assert_eq!(
        unchanged(&roster, sign_up(&roster, NEW, &json!({}))).await.expect(200).json(),
        same
    );
}

#[tokio::test]
async fn the_new_account_works_in_every_contract() {
    let roster = Roster::empty().await;
    let body =
        send(sign_up(&roster, NEW, &json!({"email": "nova@example.com"}))).await.expect(201).json();
    let mut own = roster.get(ME, NEW).await.expect(200).json();
    own["session_email"] = json!("nova@example.com");
    assert_eq!(own, body);
    let me = roster.get("/users/me", NEW).await.expect(200).json();
    assert_eq!(
        (&me["legacyId"], &me["role"], &me["workspaceName"]),
        (&json!(1), &json!("ADMIN"), &body["team"]["name"])
    );
    assert_eq!(
        roster.get("/api/admin/user-admin/1", NEW).await.expect(200).json()["email"],
        "nova@example.com"
    );
    let path =
        format!("/api/v1/admin_user?account_id={}", body["team"]["id"].as_str().expect("an id"));
    assert_eq!(roster.get(&path, NEW).await.expect(200).json()["summaries"][0]["id"], json!(NEW));
    let managed = json!({"first_name": "Ole", "last_name": null});
    roster.call(Method::POST, "/api/v1/users/", NEW, &managed).await.expect(200);
    assert_eq!(roster.get("/api/admin/user-admin/2", NEW).await.expect(200).json()["id"], 2);
    roster.check_table().await;
}

#[tokio::test]
async fn an_account_needs_no_name() {
    let roster = Roster::empty().await;
    let answer =
        send(sign_up(&roster, NEW, &json!({"email": "nova@example.com", "email_verified": false})))
            .await
            .expect(201);
    assert_json_snapshot!(without_new_slug(&answer, "nova"));
    let body = answer.json();
    assert_eq!(
        roster.user(NEW).await,
        Some(signed_up(&roster, NEW, &body["team"], "nova@example.com"))
    );
}

#[tokio::test]
async fn what_the_token_says_of_name_and_picture_is_taken_where_it_is_one() {
    let roster = Roster::empty().await;
    let long = "x".repeat(256);
    for (place, (metadata, name, picture)) in [
        (json!({"name": "Nova"}), json!("Nova"), Value::Null),
        (json!({"full_name": "", "name": "Nova"}), json!("Nova"), Value::Null),
        (json!({"full_name": 7, "avatar_url": 7}), Value::Null, Value::Null),
        (json!({"full_name": long, "avatar_url": "javascript:alert(1)"}), Value::Null, Value::Null),
        (
            json!({"full_name": "No\u{0}va", "avatar_url": "avatars.example/nova.png"}),
            Value::Null,
            Value::Null,
        ),
        (
            json!({"avatar_url": "http://avatars.example/nova.png"}),
            Value::Null,
            json!("http://avatars.example/nova.png"),
        ),
        (Value::Null, Value::Null, Value::Null),
        (json!("Nova"), Value::Null, Value::Null),
    ]
    .into_iter()
    .enumerate()
    {
        let sub = demo::id(0xe10 + place as u128);
        let claims =
            json!({"email": format!("nova{place}@example.com"), "user_metadata": metadata});
        let user = send(sign_up(&roster, sub, &claims)).await.expect(201).json()["user"].clone();
        assert_eq!((&user["name"], &user["avatar_url"]), (&name, &picture), "{claims}");
    }
    roster.check_table().await;
}

#[tokio::test]
async fn an_email_that_someone_has_is_taken_in_any_case() {
    let roster = Roster::start().await;
    let taken = unchanged(
        &roster,
        sign_up(&roster, NEW, &json!({"email": "ada.nordmann@acme-robotics.example"})),
    )
    .await
    .expect(409);
    assert_json_snapshot!(taken.snapshot());
    for email in [
        "ADA.Nordmann@Acme-Robotics.example",
        "dara.sok@acme-robotics.example",
        "priya.nair@acme-robotics.example",
    ] {
        let answer = unchanged(&roster, sign_up(&roster, NEW, &json!({"email": email}))).await;
        assert_eq!(answer.snapshot(), taken.snapshot(), "{email}");
    }
    roster.get(ME, NEW).await.expect(401);
}

#[tokio::test]
async fn a_token_without_a_usable_email_makes_no_account() {
    let roster = Roster::start().await;
    let mut told = Vec::new();
    let long = format!("{}@example.com", "x".repeat(250));
    for claims in [json!({}), json!({"email": null})].into_iter().chain(
        [
            "",
            "  ",
            "nova",
            "@example.com",
            "nova@",
            "no va@example.com",
            "nova@example.com\n.example",
            "nova@exa\u{0}mple.com",
            &long,
        ]
        .map(|email| json!({"email": email})),
    ) {
        let answer = unchanged(&roster, sign_up(&roster, NEW, &claims)).await.expect(422).json();
        assert_eq!(answer["code"], "invalid_request", "{claims}");
        told.push(json!([
            claims.to_string().chars().take(60).collect::<String>(),
            answer["error"]
        ]));
    }
    assert_json_snapshot!(told);
    assert_json_snapshot!("no_email", send(sign_up(&roster, NEW, &json!({}))).await.snapshot());
}

#[tokio::test]
async fn signing_up_takes_a_token() {
    let roster = Roster::start().await;
    send(roster.request(Method::GET, ME).bearer_auth(key(demo::ADMIN, 1))).await.expect(200);
    let mut told = vec![
        json!([
            "no credential",
            unchanged(&roster, roster.request(Method::POST, ACCOUNT)).await.expect(401).snapshot()
        ]),
        json!([
            "no token",
            unchanged(&roster, roster.request(Method::POST, ACCOUNT).bearer_auth("x.y.z"))
                .await
                .expect(401)
                .snapshot()
        ]),
    ];
    for (name, place, status) in [("a key", 1, 401), ("a revoked key", 2, 401)] {
        let request = roster.request(Method::POST, ACCOUNT).bearer_auth(key(demo::ADMIN, place));
        told.push(json!([name, unchanged(&roster, request).await.expect(status).snapshot()]));
    }
    assert_json_snapshot!(told);
}

#[tokio::test]
async fn who_is_there_already_gets_their_account() {
    let roster = Roster::start().await;
    for caller in [demo::ADMIN, demo::VIEWER, demo::PLATFORM_OPERATOR] {
        let answer =
            unchanged(&roster, sign_up(&roster, caller, &json!({"email": "new@example.com"})))
                .await
                .expect(200);
        let mut own = roster.get(ME, caller).await.json();
        own["session_email"] = json!("new@example.com");
        assert_eq!(answer.json(), own);
    }
}

#[tokio::test]
async fn who_is_suspended_or_deleted_may_not_come_back_by_signing_up() {
    let roster = Roster::start().await;
    let mut told = Vec::new();
    for caller in [SUSPENDED, DELETED] {
        told.push(
            unchanged(&roster, sign_up(&roster, caller, &json!({"email": "new@example.com"})))
                .await
                .expect(403)
                .snapshot(),
        );
    }
    assert_json_snapshot!(told);
}

#[tokio::test]
async fn who_was_invited_becomes_active_by_signing_up() {
    let roster = Roster::start().await;
    let before = roster.user(INVITED).await.expect("a demo user");
    assert_eq!(before.status, Status::Invited);
    let email = json!({"email": before.email});
    let answer = send(sign_up(&roster, INVITED, &email)).await.expect(200).json();
    assert_eq!(
        (&answer["user"]["id"], &answer["team"]["id"]),
        (&json!(INVITED), &json!(demo::TEAM))
    );
    let after = roster.user(INVITED).await.expect("a demo user");
    assert_eq!(
        (after.status, after.role, after.number),
        (Status::Active, before.role, before.number)
    );
    roster.check_table().await;
    let listed = |status: &str| format!("/users?status={status}&ids={INVITED}");
    assert_eq!(roster.get(&listed("ACTIVE"), demo::ADMIN).await.json()["total"], 1);
    assert_eq!(roster.get(&listed("PENDING_REGISTRATION"), demo::ADMIN).await.json()["total"], 0);
    let again = send(sign_up(&roster, INVITED, &email)).await.expect(200).json();
    assert_eq!(again["user"]["updated_at"], answer["user"]["updated_at"]);
}

#[tokio::test]
async fn twenty_sign_ups_at_once_with_one_token_make_one_account() {
    let roster = Roster::start().await;
    let claims = json!({"email": "nova@example.com"});
    let answers =
        futures::future::join_all((0..20).map(|_| send(sign_up(&roster, NEW, &claims)))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200; 19], vec![201]].concat());
    assert!(answers.iter().all(|answer| answer.text == answers[0].text));
    let teams = roster
        .items()
        .await
        .into_iter()
        .filter(|item| item["sk"] == "TEAM" && item["owner_user_id"] == json!(NEW))
        .count();
    assert_eq!(teams, 1);
    roster.check_table().await;
}

#[tokio::test]
async fn twenty_sign_ups_at_once_with_one_email_make_one_account() {
    let roster = Roster::start().await;
    let answers = futures::future::join_all((0..20).map(|place| {
        let email = if place % 2 == 0 { "nova@example.com" } else { "NOVA@Example.COM" };
        send(sign_up(&roster, demo::id(0xe10 + place), &json!({"email": email})))
    }))
    .await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![201], vec![409; 19]].concat());
    let winner =
        answers.iter().find(|answer| answer.status == 201).expect("one").json()["user"]["id"]
            .clone();
    let items = roster.items().await;
    let new: Vec<&Value> = items
        .iter()
        .filter(|item| item["sk"] == "USER" && item["created_at"] == json!(roster.now()))
        .map(|item| &item["id"])
        .collect();
    assert_eq!(new, [&winner]);
    roster.check_table().await;
}

#[tokio::test]
async fn one_sees_ones_own_account() {
    let roster = Roster::start().await;
    assert_json_snapshot!(roster.get(ME, demo::OTHER_ADMIN).await.snapshot());
    for caller in
        [demo::PLATFORM_OPERATOR, demo::ADMIN, demo::VIEWER, demo::MANAGER, demo::id(0x61)]
    {
        let own = roster.get(ME, caller).await.expect(200).json();
        let mut whole =
            roster.get(&detail(caller), demo::PLATFORM_OPERATOR).await.expect(200).json();
        let fields = whole.as_object_mut().expect("an object");
        assert!(fields.remove("api_keys").is_some() && fields.remove("sandboxes").is_some());
        let is_verified = !fields["user"]["email_verified_at"].is_null();
        fields.insert("email_verified".into(), json!(is_verified));
        fields.insert("session_email".into(), roster.claims(caller)["email"].clone());
        assert_eq!(own, whole);
    }
    let by_key = send(roster.request(Method::GET, ME).bearer_auth(key(demo::ADMIN, 1)))
        .await
        .expect(200)
        .json();
    let mut own = roster.get(ME, demo::ADMIN).await.json();
    own["session_email"] = Value::Null;
    assert_eq!(by_key, own);
}

#[tokio::test]
async fn one_sees_whether_ones_email_is_proven_and_the_email_of_ones_token() {
    let roster = Roster::start().await;
    for (verified, email) in [
        (Some(true), "eve@example.com"),
        (Some(false), "ole@example.com"),
        (None, "uma@example.com"),
    ] {
        let id = Uuid::now_v7();
        let mut claims = roster.claims(id);
        claims["email"] = json!(email);
        claims["email_verified"] = json!(verified);
        let by_token = |method, path| roster.request(method, path).bearer_auth(sign(&claims));
        let made = send(by_token(Method::POST, "/v1/account")).await.expect(201).json();
        let change = by_token(Method::PATCH, ME).json(&json!({"display_name": "Someone"}));
        let answers = [
            made,
            send(by_token(Method::GET, ME)).await.expect(200).json(),
            send(change).await.expect(200).json(),
        ];
        for answer in answers {
            let shown = (&answer["email_verified"], &answer["session_email"]);
            assert_eq!(shown, (&json!(verified == Some(true)), &json!(email)), "{answer}");
        }
        // Another token's email is not the account's.
        claims["email"] = json!("another@example.com");
        let answer = send(roster.request(Method::GET, ME).bearer_auth(sign(&claims)))
            .await
            .expect(200)
            .json();
        assert_eq!(
            (&answer["session_email"], &answer["user"]["email"]),
            (&json!("another@example.com"), &json!(email))
        );
        claims.as_object_mut().expect("claims").remove("email");
        let answer = send(roster.request(Method::GET, ME).bearer_auth(sign(&claims)))
            .await
            .expect(200)
            .json();
        assert_eq!(answer["session_email"], Value::Null);
    }
}

#[tokio::test]
async fn an_error_tells_every_fault_in_its_text_and_has_no_other_field() {
    let roster = Roster::start().await;
    let body = json!({"display_name": "", "avatar_url": "ftp://example.com"});
    let answer = roster.call(Method::PATCH, ME, demo::VIEWER, &body).await.expect(422);
    let request_id = answer.headers["x-request-id"].clone();
    let text = "The field `display_name` may not be empty. \
        The field `avatar_url` must be an address that starts with https:// or http://.";
    assert_eq!(
        answer.json(),
        json!({"error": text, "code": "invalid_request", "request_id": request_id})
    );
}

#[tokio::test]
async fn a_change_sets_what_is_sent_clears_what_is_null_and_leaves_the_rest() {
    let roster = Roster::start().await;
    let longest = "é".repeat(255);
    let mut expected = roster.user(demo::ADMIN).await.expect("a demo user");
    let url = "https://avatars.example/new.png";
    let longest_url = format!("https://avatars.example/{}", "x".repeat(2048 - 24));
    for (body, display_name, avatar_url, shown) in [
        (
            json!({"display_name": "Countess"}),
            Some("Countess"),
            Some("https://avatars.example/ada.png"),
            "Countess",
        ),
        (json!({"avatar_url": url}), Some("Countess"), Some(url), "Countess"),
        (json!({"display_name": null}), None, Some(url), "Ada Nordmann"),
        (json!({"display_name": "李 Zoë", "avatar_url": null}), Some("李 Zoë"), None, "李 Zoë"),
        (
            json!({"display_name": longest, "avatar_url": longest_url}),
            Some(&longest),
            Some(&longest_url),
            &longest,
        ),
        (
            json!({"display_name": "Ada", "avatar_url": "HTTP://avatars.example"}),
            Some("Ada"),
            Some("HTTP://avatars.example"),
            "Ada",
        ),
    ] {
        roster.advance(1);
        let answer = send(patch(&roster, body.to_string())).await.expect(200);
        expected = User {
            display_name: display_name.map(str::to_owned),
            avatar_url: avatar_url.map(str::to_owned),
            updated_at: roster.now(),
            version: expected.version + 1,
            ..expected
        };
        assert_eq!(roster.user(demo::ADMIN).await.as_ref(), Some(&expected), "{body}");
        let user = &answer.json()["user"];
        assert_eq!(
            (&user["display_name"], &user["avatar_url"]),
            (&json!(shown), &json!(avatar_url)),
            "{body}"
        );
        assert_eq!(user["updated_at"], json!(roster.now().to_string()));
        assert_eq!(roster.get(ME, demo::ADMIN).await.text, answer.text, "{body}");
        roster.check_table().await;
    }
}

#[tokio::test]
async fn a_change_answers_the_whole_account() {
    let roster = Roster::start().await;
    let body = json!({"display_name": "Nils", "avatar_url": "https://avatars.example/nils.png"});
    assert_json_snapshot!(
        roster.call(Method::PATCH, ME, demo::OTHER_ADMIN, &body).await.snapshot()
    );
}

#[tokio::test]
async fn a_change_by_key_is_its_owners() {
    let roster = Roster::start().await;
    let request = roster
        .request(Method::PATCH, ME)
        .bearer_auth(key(demo::ADMIN, 1))
        .json(&json!({"display_name": "By key"}));
    send(request).await.expect(200);
    assert_eq!(
        roster.user(demo::ADMIN).await.and_then(|user| user.display_name).as_deref(),
        Some("By key")
    );
}

#[tokio::test]
async fn a_change_of_nothing_writes_nothing() {
    let roster = Roster::start().await;
    let own = roster.get(ME, demo::ADMIN).await.text;
    roster.advance(60);
    for body in [
        json!({}),
        json!({"display_name": "Ada"}),
        json!({"role": "viewer", "is_operator": true, "email": "new@example.com", "quota_tier_id": "enterprise", "id": NOBODY}),
    ] {
        assert_eq!(
            unchanged(&roster, patch(&roster, body.to_string())).await.expect(200).text,
            own,
            "{body}"
        );
    }
}

#[tokio::test]
async fn fields_beyond_the_two_are_ignored_beside_them() {
    let roster = Roster::start().await;
    let before = roster.user(demo::VIEWER).await.expect("a demo user");
    let body = json!({"display_name": "Dee", "role": "admin", "is_operator": true, "status": "deleted", "team_id": demo::OTHER_TEAM});
    roster.call(Method::PATCH, ME, demo::VIEWER, &body).await.expect(200);
    let expected = User {
        display_name: Some("Dee".into()),
        version: before.version + 1,
        updated_at: roster.now(),
        ..before
    };
    assert_eq!(roster.user(demo::VIEWER).await, Some(expected));
}

#[tokio::test]
async fn a_bad_change_changes_nothing() {
    let roster = Roster::start().await;
    let long = "x".repeat(256);
    let long_url = format!("https://avatars.example/{}", "x".repeat(2048 - 23));
    let mut bodies: Vec<Vec<u8>> = [
        json!({"display_name": 1, "avatar_url": []}),
        json!({"display_name": true, "avatar_url": {}}),
        json!({"display_name": long, "avatar_url": long_url}),
        json!({"display_name": "", "avatar_url": ""}),
        json!({"display_name": " \t", "avatar_url": " "}),
        json!({"display_name": "A\u{0}da", "avatar_url": "https://avatars.example/\n"}),
        json!({"display_name": "Good", "avatar_url": "avatars.example/ada.png"}),
        json!({"avatar_url": "//avatars.example/ada.png"}),
        json!({"avatar_url": "ftp://avatars.example/ada.png"}),
        json!({"avatar_url": "javascript:alert(1)"}),
        json!({"avatar_url": "data:image/png;base64,AAAA"}),
        json!({"avatar_url": "https://"}),
        json!({"avatar_url": "https:avatars.example"}),
        json!(["display_name"]),
        json!("display_name"),
        json!(null),
    ]
    .iter()
    .map(|body| body.to_string().into_bytes())
    .collect();
    bodies.extend([
        b"display_name=Ada".to_vec(),
        b"{\"display_name\": \"Ad".to_vec(),
        b"{\"display_name\": \"\xe9\"}".to_vec(),
        Vec::new(),
    ]);
    let mut told = Vec::new();
    for body in bodies {
        let shown: String = String::from_utf8_lossy(&body).chars().take(60).collect();
        let answer = unchanged(&roster, patch(&roster, body)).await.expect(422).json();
        assert_eq!(
            (&answer["code"], answer["request_id"].is_string()),
            (&json!("invalid_request"), true),
            "{shown}"
        );
        told.push(json!([shown, answer["error"]]));
    }
    assert_json_snapshot!(told);
    assert_json_snapshot!(
        "a_bad_field",
        send(patch(&roster, r#"{"display_name": 1}"#)).await.snapshot()
    );
}

#[tokio::test]
async fn the_error_names_the_request_as_the_header_does() {
    let roster = Roster::start().await;
    for answer in [
        roster.get(&detail(NOBODY), demo::PLATFORM_OPERATOR).await,
        roster.get(ME, NOBODY).await,
        roster.get("/v1/nothing", NOBODY).await,
    ] {
        assert_eq!(answer.json()["request_id"], json!(answer.headers["x-request-id"]));
    }
}

#[tokio::test]
async fn two_changes_at_once_lose_nothing() {
    let roster = Roster::start().await;
    for round in 0..20 {
        let (name, url) = (format!("Name {round}"), format!("https://avatars.example/{round}.png"));
        let (name_body, url_body) = (json!({"display_name": name}), json!({"avatar_url": url}));
        let (one, other) = tokio::join!(
            roster.call(Method::PATCH, ME, demo::VIEWER, &name_body),
            roster.call(Method::PATCH, ME, demo::VIEWER, &url_body),
        );
        assert_eq!(
            (
                one.expect(200).json()["user"]["display_name"].clone(),
                other.expect(200).json()["user"]["avatar_url"].clone()
            ),
            (json!(name), json!(url))
        );
        let user = roster.user(demo::VIEWER).await.expect("a demo user");
        assert_eq!(
            (user.display_name, user.avatar_url, user.version),
            (Some(name), Some(url), 3 + 2 * round)
        );
    }
    roster.check_table().await;
}
