//! The workspace contract.

use insta::assert_json_snapshot;
use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use shared::models::{DeviceType, Role, Status, User};
use tests::{Answer, Roster};
use uuid::Uuid;

use crate::{DELETED, NOBODY, SUSPENDED, called, changes, key, refusals, team};

const ONLY_THEMSELVES: [Uuid; 4] = [demo::OPERATOR, demo::VIEWER, demo::MANAGER, demo::id(0x61)];

fn role(user: &User) -> &'static str {
    match user.role {
        Role::Admin => "ADMIN",
        Role::Operator => "OPERATOR",
        Role::Viewer => "VIEWER",
    }
}

fn status(user: &User) -> &'static str {
    match user.status {
        Status::Invited => "PENDING_REGISTRATION",
        Status::Active => "ACTIVE",
        Status::Suspended => "ACCESS_SUSPENDED",
        Status::Deleted => "REVOKED",
    }
}

fn device_type(user: &User) -> &'static str {
    match user.device_type {
        DeviceType::Psd => "PSD",
        DeviceType::SoftPsd => "SOFT_PSD",
        DeviceType::Api => "API",
    }
}

fn name(user: &User) -> String {
    user.name.clone().unwrap_or_else(|| called(user))
}

/// A record as the contract shows it.
fn body(user: &User) -> Value {
    json!({
        "id": user.id,
        "legacyId": user.number,
        "legacyViewAll": user.view_all,
        "workspaceName": user.team_name,
        "name": name(user),
        "deviceUserId": if user.device_type == DeviceType::Api { &None } else { &user.device_user_id },
        "deviceType": device_type(user),
        "role": role(user),
        "pubKey": user.pub_key.clone().unwrap_or_default(),
        "status": status(user),
        "isSuspended": user.status == Status::Suspended,
        "createdAt": user.created_at.to_string(),
        "updatedAt": user.updated_at.to_string(),
    })
}

/// Records in an order of the contract; equal values by id.
fn sorted(mut users: Vec<User>, by: &str, descending: bool) -> Vec<User> {
    users.sort_by_cached_key(|user| {
        let value = match by {
            "createdAt" => user.created_at.to_string(),
            "updatedAt" => user.updated_at.to_string(),
            "name" => name(user).to_lowercase(),
            "role" => role(user).to_owned(),
            "status" => status(user).to_owned(),
            other => panic!("no order {other}"),
        };
        (value, user.id)
    });
    if descending {
        users.reverse();
    }
    users
}

/// The ids of an answer's results, in their order.
#[track_caller]
fn ids(answer: &Answer) -> Vec<Uuid> {
    let body = answer.json();
    let results = body["results"].as_array().unwrap_or_else(|| panic!("no results: {answer:?}"));
    results
        .iter()
        .map(|user| user["id"].as_str().expect("an id").parse().expect("a UUID"))
        .collect()
}

fn ids_of(users: &[User]) -> Vec<Uuid> {
    users.iter().map(|user| user.id).collect()
}

/// `page`, `next`, `prev`, `pageSize`, `total` and how many results.
#[track_caller]
fn place(answer: &Answer) -> Value {
    let mut body = answer.json();
    body["results"] = json!(ids(answer).len());
    body
}

#[tokio::test]
async fn a_credential_that_fails_is_refused_by_every_endpoint_alike() {
    assert_json_snapshot!(refusals(&[(Method::GET, "/users"), (Method::GET, "/users/me")]).await);
}

#[tokio::test]
async fn me_is_the_caller() {
    let roster = Roster::start().await;
    let answer = roster.get("/users/me", demo::ADMIN).await;
    assert_json_snapshot!(answer.snapshot());
    for caller in [
        demo::PLATFORM_OPERATOR,
        demo::OPERATOR_VIEW_ALL,
        demo::OPERATOR,
        demo::VIEWER,
        demo::MANAGER,
        demo::OTHER_ADMIN,
    ] {
        let record = roster.user(caller).await.expect("a demo user");
        assert_eq!(roster.get("/users/me", caller).await.expect(200).json(), body(&record));
    }
    roster.check_table().await;
}

#[tokio::test]
async fn a_user_without_device_shows_api_null_and_an_empty_key() {
    let roster = Roster::start().await;
    assert_json_snapshot!(roster.get("/users/me", demo::VIEWER).await.snapshot());
}

#[tokio::test]
async fn an_api_key_calls_as_its_owner() {
    let roster = Roster::start().await;
    let by_key =
        tests::send(roster.request(Method::GET, "/users/me").bearer_auth(key(demo::ADMIN, 1)))
            .await
            .expect(200);
    assert_eq!(by_key.text, roster.get("/users/me", demo::ADMIN).await.text);
}

#[tokio::test]
async fn admins_and_operators_with_view_all_find_everyone_of_the_workspace() {
    let roster = Roster::start().await;
    for user in team(&roster, demo::TEAM).await {
        for caller in [demo::ADMIN, demo::OPERATOR_VIEW_ALL] {
            assert_eq!(
                roster.get(&format!("/users/{}", user.id), caller).await.expect(200).json(),
                body(&user)
            );
        }
    }
}

#[tokio::test]
async fn ids_are_read_in_either_case() {
    let roster = Roster::start().await;
    for (id, caller) in [
        (demo::id(0x10c), demo::ADMIN),
        (demo::TEAM, demo::ADMIN),
        (demo::id(0x10c), demo::id(0x10c)),
    ] {
        let [lower, upper] =
            [id.to_string(), id.to_string().to_uppercase()].map(|id| format!("/users/{id}"));
        let (lower, upper) = (roster.get(&lower, caller).await, roster.get(&upper, caller).await);
        assert_eq!((lower.status, lower.text), (upper.status, upper.text), "{id}");
    }
}

#[tokio::test]
async fn whom_the_caller_may_not_see_is_not_found_and_no_answer_tells_more() {
    let roster = Roster::start().await;
    let unknown = roster.get(&format!("/users/{NOBODY}"), demo::ADMIN).await;
    assert_json_snapshot!(unknown.snapshot());
    let path = |id: Uuid| format!("/users/{id}");
    let mut hidden = vec![
        (demo::ADMIN, path(demo::OTHER_ADMIN)),
        (demo::ADMIN, path(demo::PLATFORM_OPERATOR)),
        (demo::ADMIN, path(demo::TEAM)),
        (demo::ADMIN, "/users/ME".to_owned()),
        (demo::ADMIN, "/users/1".to_owned()),
        (demo::ADMIN, "/users/not-a-uuid".to_owned()),
        (demo::ADMIN, "/users/00000000000040008000000000000003".to_owned()),
        (demo::ADMIN, "/users/%7B00000000-0000-4000-8000-000000000003%7D".to_owned()),
        (demo::ADMIN, "/users/%FF%FE".to_owned()),
        (demo::ADMIN, format!("/users/{}", "9".repeat(4000))),
        (demo::OTHER_ADMIN, path(demo::ADMIN)),
        (demo::OPERATOR_VIEW_ALL, path(demo::OTHER_ADMIN)),
        (demo::PLATFORM_OPERATOR, path(demo::ADMIN)),
    ];
    hidden.extend(ONLY_THEMSELVES.map(|caller| (caller, path(demo::ADMIN))));
    hidden.extend(ONLY_THEMSELVES.map(|caller| (caller, path(SUSPENDED))));
    // A manager sees the managed users in another contract, not here.
    hidden.push((demo::MANAGER, path(demo::id(0x61))));
    for (caller, path) in hidden {
        assert_eq!(
            roster.get(&path, caller).await.snapshot(),
            unknown.snapshot(),
            "{caller} {path}"
        );
    }
}

#[tokio::test]
async fn anyone_finds_themselves_by_id() {
    let roster = Roster::start().await;
    for caller in ONLY_THEMSELVES {
        let record = roster.user(caller).await.expect("a demo user");
        assert_eq!(
            roster.get(&format!("/users/{caller}"), caller).await.expect(200).json(),
            body(&record)
        );
    }
}

#[tokio::test]
async fn the_list_is_the_first_thirty_by_time_made() {
    let roster = Roster::start().await;
    let users = sorted(team(&roster, demo::TEAM).await, "createdAt", false);
    let answer = roster.get("/users", demo::ADMIN).await.expect(200);
    let expected: Vec<Value> = users.iter().take(30).map(body).collect();
    assert_eq!(
        answer.json(),
        json!({"page": 1, "next": 2, "prev": null, "pageSize": 30, "total": users.len(), "results": expected})
    );
}

#[tokio::test]
async fn a_page_holds_whole_users() {
    let roster = Roster::start().await;
    assert_json_snapshot!(
        roster.get("/users?pageSize=3&page=2&sortBy=name", demo::ADMIN).await.snapshot()
    );
}

#[tokio::test]
async fn every_order_both_ways_at_every_page() {
    let roster = Roster::start().await;
    let users = team(&roster, demo::TEAM).await;
    for by in ["createdAt", "name", "role", "status", "updatedAt"] {
        for (direction, descending) in [("asc", false), ("desc", true)] {
            let expected = ids_of(&sorted(users.clone(), by, descending));
            let mut listed = Vec::new();
            let mut page = json!(1);
            while !page.is_null() {
                let answer = roster
                    .get(
                        &format!("/users?sortBy={by}&sortOrder={direction}&pageSize=8&page={page}"),
                        demo::ADMIN,
                    )
                    .await;
                assert_eq!(
                    answer.json()["prev"],
                    if page == 1 {
                        Value::Null
                    } else {
                        json!(page.as_u64().unwrap_or_default() - 1)
                    }
                );
                listed.extend(ids(&answer));
                page = answer.json()["next"].clone();
            }
            assert_eq!(listed, expected, "{by} {direction}");
        }
    }
}

#[tokio::test]
async fn ascending_is_the_default_and_descending_needs_no_sort_by() {
    let roster = Roster::start().await;
    let users = team(&roster, demo::TEAM).await;
    for by in ["createdAt", "name"] {
        let answer = roster.get(&format!("/users?sortBy={by}"), demo::ADMIN).await.expect(200);
        assert_eq!(ids(&answer), ids_of(&sorted(users.clone(), by, false))[..30]);
    }
    let answer = roster.get("/users?sortOrder=desc", demo::ADMIN).await.expect(200);
    assert_eq!(ids(&answer), ids_of(&sorted(users, "createdAt", true))[..30]);
}

#[tokio::test]
async fn the_order_by_change_follows_a_change() {
    let roster = Roster::start().await;
    roster.advance(60);
    roster
        .call(Method::PATCH, "/v1/account/me", demo::ADMIN, &json!({"display_name": "Countess"}))
        .await
        .expect(200);
    let answer = roster
        .get("/users?sortBy=updatedAt&sortOrder=desc&pageSize=1", demo::VIEWER)
        .await
        .expect(200);
    assert_eq!(ids(&answer), [demo::VIEWER]);
    let answer = roster
        .get("/users?sortBy=updatedAt&sortOrder=desc&pageSize=1", demo::OPERATOR_VIEW_ALL)
        .await
        .expect(200);
    assert_eq!(ids(&answer), [demo::ADMIN]);
    assert_eq!(answer.json()["results"][0]["updatedAt"], "2026-05-02T09:31:00.000Z");
    let answer = roster.get("/users?sortBy=createdAt", demo::ADMIN).await.expect(200);
    assert_eq!(ids(&answer)[0], demo::ADMIN);
}

#[tokio::test]
async fn every_filter_alone_and_combined_with_exact_totals() {
    let roster = Roster::start().await;
    let users = team(&roster, demo::TEAM).await;
    let any = |words: &[&'static str]| -> Vec<Option<&'static str>> {
        std::iter::once(None).chain(words.iter().copied().map(Some)).collect()
    };
    for wanted_role in any(&["ADMIN", "OPERATOR", "VIEWER"]) {
        for wanted_status in any(&["PENDING_REGISTRATION", "ACTIVE", "ACCESS_SUSPENDED", "REVOKED"])
        {
            for wanted_device in any(&["PSD", "SOFT_PSD", "API"]) {
                let matching: Vec<User> = users
                    .iter()
                    .filter(|user| wanted_role.is_none_or(|wanted| wanted == role(user)))
                    .filter(|user| wanted_status.is_none_or(|wanted| wanted == status(user)))
                    .filter(|user| wanted_device.is_none_or(|wanted| wanted == device_type(user)))
                    .cloned()
                    .collect();
                let parameters = [
                    ("role", wanted_role),
                    ("status", wanted_status),
                    ("deviceType", wanted_device),
                ];
                let query: String = parameters
                    .iter()
                    .filter_map(|(name, value)| value.map(|value| format!("&{name}={value}")))
                    .collect();
                let expected = ids_of(&sorted(matching, "name", true));
                let answer = roster
                    .get(&format!("/users?sortBy=name&sortOrder=desc{query}"), demo::ADMIN)
                    .await
                    .expect(200);
                assert_eq!(answer.json()["total"], expected.len(), "{query}");
                assert_eq!(ids(&answer), expected[..expected.len().min(30)], "{query}");
            }
        }
    }
}

#[tokio::test]
async fn a_filtered_list_pages_by_what_the_filter_matches() {
    let roster = Roster::start().await;
    let viewers: Vec<User> = team(&roster, demo::TEAM)
        .await
        .into_iter()
        .filter(|user| user.role == Role::Viewer)
        .collect();
    let expected = ids_of(&sorted(viewers, "status", false));
    let mut listed = Vec::new();
    for page in 1..=expected.len().div_ceil(4) {
        let answer = roster
            .get(&format!("/users?role=VIEWER&sortBy=status&pageSize=4&page={page}"), demo::ADMIN)
            .await
            .expect(200);
        let last = page == expected.len().div_ceil(4);
        assert_eq!(answer.json()["total"], expected.len());
        assert_eq!(answer.json()["next"], if last { Value::Null } else { json!(page + 1) });
        listed.extend(ids(&answer));
    }
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn next_and_prev_at_the_ends() {
    let roster = Roster::start().await;
    let place_of = async |query: &str| {
        place(&roster.get(&format!("/users?{query}"), demo::ADMIN).await.expect(200))
    };
    let expected = |page: u64, next: Option<u64>, prev: Option<u64>, size: u64, results: usize| {
        let total = 35;
        json!({"page": page, "next": next, "prev": prev, "pageSize": size, "total": total, "results": results})
    };
    assert_eq!(place_of("page=1&pageSize=30").await, expected(1, Some(2), None, 30, 30));
    assert_eq!(place_of("page=2&pageSize=30").await, expected(2, None, Some(1), 30, 5));
    assert_eq!(place_of("page=4&pageSize=7").await, expected(4, Some(5), Some(3), 7, 7));
    assert_eq!(place_of("page=5&pageSize=7").await, expected(5, None, Some(4), 7, 7));
    assert_eq!(place_of("page=35&pageSize=1").await, expected(35, None, Some(34), 1, 1));
}

#[tokio::test]
async fn a_page_past_the_end_is_empty_and_keeps_the_total() {
    let roster = Roster::start().await;
    for page in [3, 4, 1_000_000, 9_007_199_254_740_991_u64] {
        let answer =
            roster.get(&format!("/users?page={page}"), demo::ADMIN).await.expect(200).json();
        assert_eq!(
            (&answer["page"], &answer["next"], &answer["total"]),
            (&json!(page), &Value::Null, &json!(35))
        );
        assert_eq!(answer["results"], json!([]));
    }
}

#[tokio::test]
async fn ids_pick_users_of_the_workspace() {
    let roster = Roster::start().await;
    let users = team(&roster, demo::TEAM).await;
    let wanted = [demo::VIEWER, demo::ADMIN, demo::id(0x10c), demo::id(0x1f0)];
    let expected = |by, descending| {
        ids_of(&sorted(
            users.iter().filter(|user| wanted.contains(&user.id)).cloned().collect(),
            by,
            descending,
        ))
    };
    let query: String = wanted.iter().map(|id| format!("&ids={id}")).collect();
    for by in ["createdAt", "name", "role", "status", "updatedAt"] {
        for (direction, descending) in [("asc", false), ("desc", true)] {
            let answer = roster
                .get(&format!("/users?sortBy={by}&sortOrder={direction}{query}"), demo::ADMIN)
                .await
                .expect(200);
            assert_eq!(ids(&answer), expected(by, descending), "{by} {direction}");
            assert_eq!(answer.json()["total"], 4);
        }
    }
    // Upper case, twice the same, nobody's, no id at all, and another tenant's.
    let more = format!(
        "{query}&ids={}&ids={}&ids={NOBODY}&ids=not-a-uuid&ids=&ids={}",
        demo::id(0x10c).to_string().to_uppercase(),
        demo::ADMIN,
        demo::OTHER_ADMIN
    );
    let answer = roster.get(&format!("/users?{}", &more[1..]), demo::ADMIN).await.expect(200);
    assert_eq!(ids(&answer), expected("createdAt", false));
    assert_eq!(answer.json()["total"], 4);
}

#[tokio::test]
async fn ids_combine_with_filters_and_pages() {
    let roster = Roster::start().await;
    let query = format!("ids={}&ids={}&ids={}", demo::OPERATOR, demo::VIEWER, demo::MANAGER);
    let answer =
        roster.get(&format!("/users?{query}&role=OPERATOR"), demo::ADMIN).await.expect(200);
    assert_eq!(
        (ids(&answer), &answer.json()["total"]),
        (vec![demo::OPERATOR, demo::MANAGER], &json!(2))
    );
    let answer =
        roster.get(&format!("/users?{query}&pageSize=2&page=2"), demo::ADMIN).await.expect(200);
    assert_eq!(
        place(&answer),
        json!({"page": 2, "next": null, "prev": 1, "pageSize": 2, "total": 3, "results": 1})
    );
    let answer =
        roster.get(&format!("/users?ids={DELETED}&status=ACTIVE"), demo::ADMIN).await.expect(200);
    assert_eq!((ids(&answer), &answer.json()["total"]), (vec![], &json!(0)));
}

#[tokio::test]
async fn ids_that_pick_nobody_list_nobody() {
    let roster = Roster::start().await;
    for query in
        [format!("ids={NOBODY}"), format!("ids={}", demo::OTHER_ADMIN), "ids=not-a-uuid".to_owned()]
    {
        let answer = roster.get(&format!("/users?{query}"), demo::ADMIN).await.expect(200);
        assert_eq!(
            place(&answer),
            json!({"page": 1, "next": null, "prev": null, "pageSize": 30, "total": 0, "results": 0}),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_hundred_ids_are_taken_and_one_more_is_refused() {
    let roster = Roster::start().await;
    let query = |count: u128| {
        (1..=count)
            .map(|digits| format!("ids={}", demo::id(0x100 + digits)))
            .collect::<Vec<_>>()
            .join("&")
    };
    let answer = roster.get(&format!("/users?{}", query(100)), demo::ADMIN).await.expect(200);
    assert_eq!(answer.json()["total"], 24);
    assert_json_snapshot!(
        roster.get(&format!("/users?{}", query(101)), demo::ADMIN).await.snapshot()
    );
}

#[tokio::test]
async fn operators_with_view_all_list_what_admins_list() {
    let roster = Roster::start().await;
    for query in [
        "",
        "?page=2",
        "?role=VIEWER&sortBy=name",
        "?sortBy=status&sortOrder=desc&pageSize=5&page=3",
    ] {
        let path = format!("/users{query}");
        let admin = roster.get(&path, demo::ADMIN).await.expect(200);
        assert_eq!(roster.get(&path, demo::OPERATOR_VIEW_ALL).await.text, admin.text, "{query}");
    }
}

#[tokio::test]
async fn anyone_else_lists_only_themselves() {
    let roster = Roster::start().await;
    for caller in ONLY_THEMSELVES {
        let record = roster.user(caller).await.expect("a demo user");
        let (own_role, other_role) =
            (role(&record), if record.role == Role::Viewer { "OPERATOR" } else { "VIEWER" });
        let alone = |page: u64, size: u64| {
            let prev = (page > 1).then(|| page - 1);
            let results = if page == 1 { vec![body(&record)] } else { vec![] };
            json!({"page": page, "next": null, "prev": prev, "pageSize": size, "total": 1, "results": results})
        };
        let nobody = json!({"page": 1, "next": null, "prev": null, "pageSize": 30, "total": 0, "results": []});
        for (query, expected) in [
            (String::new(), alone(1, 30)),
            ("?pageSize=1".to_owned(), alone(1, 1)),
            ("?page=2".to_owned(), alone(2, 30)),
            ("?sortBy=name&sortOrder=desc".to_owned(), alone(1, 30)),
            (format!("?role={own_role}&status=ACTIVE&deviceType=API"), alone(1, 30)),
            (format!("?role={other_role}"), nobody.clone()),
            ("?role=ADMIN".to_owned(), nobody.clone()),
            ("?status=REVOKED".to_owned(), nobody.clone()),
            ("?deviceType=PSD".to_owned(), nobody.clone()),
            (format!("?ids={}", caller.to_string().to_uppercase()), alone(1, 30)),
            (format!("?ids={caller}&ids={}", demo::ADMIN), alone(1, 30)),
            (format!("?ids={}", demo::ADMIN), nobody),
        ] {
            assert_eq!(
                roster.get(&format!("/users{query}"), caller).await.expect(200).json(),
                expected,
                "{caller} {query}"
            );
        }
    }
}

#[tokio::test]
async fn each_tenant_lists_its_own() {
    let roster = Roster::start().await;
    for (caller, own) in
        [(demo::OTHER_ADMIN, demo::OTHER_TEAM), (demo::PLATFORM_OPERATOR, demo::PLATFORM_TEAM)]
    {
        let expected = ids_of(&sorted(team(&roster, own).await, "createdAt", false));
        assert_eq!(ids(&roster.get("/users", caller).await.expect(200)), expected);
    }
}

#[tokio::test]
async fn parameters_at_their_limits_are_taken() {
    let roster = Roster::start().await;
    for query in [
        "page=1",
        "page=9007199254740991",
        "pageSize=1",
        "pageSize=30",
        "sortOrder=asc",
        "page=1&pageSize=30&sortBy=role",
    ] {
        roster.get(&format!("/users?{query}"), demo::ADMIN).await.expect(200);
    }
}

#[tokio::test]
async fn parameters_are_strictly_validated() {
    let roster = Roster::start().await;
    let mut queries: Vec<String> = Vec::new();
    for value in [
        "0",
        "-1",
        "1.5",
        "%2B1",
        "+1",
        "",
        "1e1",
        "0x1",
        "abc",
        "1%20",
        "%D9%A3",
        "9007199254740992",
        "99999999999999999999999",
    ] {
        queries.push(format!("page={value}"));
        queries.push(format!("pageSize={value}"));
    }
    for query in [
        "pageSize=31",
        "role=admin",
        "role=",
        "role=OWNER",
        "deviceType=psd",
        "deviceType=PSD,API",
        "status=active",
        "status=DELETED",
        "sortBy=createdat",
        "sortBy=id",
        "sortOrder=ASC",
        "sortOrder=ascending",
        "page",
        "page=1&page=1",
        "pageSize=5&pageSize=6",
        "role=ADMIN&role=VIEWER",
        "deviceType=PSD&deviceType=API",
        "status=ACTIVE&status=ACTIVE",
        "sortBy=name&sortBy=role",
        "sortOrder=asc&sortOrder=desc",
        "limit=10",
        "Page=1",
        "page_size=10",
        "ids%5B%5D=00000000-0000-4000-8000-000000000002",
        "%FF=1",
        "page=0&pageSize=31&role=x&deviceType=x&status=x&sortBy=x&sortOrder=x&other=1",
    ] {
        queries.push(query.to_owned());
    }
    let mut told = Vec::new();
    for query in queries {
        let answer = roster.get(&format!("/users?{query}"), demo::ADMIN).await.expect(400);
        let body = answer.json();
        assert_eq!(
            (&body["message"], &body["code"]),
            (&json!("Input validation failed"), &json!("BAD_REQUEST")),
            "{query}"
        );
        let issues = body["issues"].as_array().expect("issues");
        let messages: Vec<&str> =
            issues.iter().map(|issue| issue["message"].as_str().expect("a message")).collect();
        assert!(!messages.is_empty(), "{query}");
        for (issue, message) in issues.iter().zip(&messages) {
            assert!(issue["path"].as_array().is_some_and(|path| {
                message.contains(&format!("`{}`", path[0].as_str().unwrap_or_default()))
            }));
        }
        // Whoever sees only themselves is told the same.
        assert_eq!(
            roster.get(&format!("/users?{query}"), demo::VIEWER).await.expect(400).json(),
            body
        );
        told.push(format!("{query}: {}", messages.join(" ")));
    }
    assert_json_snapshot!(told);
    assert_json_snapshot!(
        "a_bad_parameter",
        roster.get("/users?pageSize=31&other=1", demo::ADMIN).await.snapshot()
    );
}

#[tokio::test]
async fn reading_writes_nothing() {
    let roster = Roster::start().await;
    let before = roster.items().await;
    for path in ["/users", "/users/me", "/users?page=0", &format!("/users/{NOBODY}")] {
        roster.get(path, demo::ADMIN).await;
    }
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
}
