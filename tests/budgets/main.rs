//! What requests cost in DynamoDB, by the local server's `server-timing`: the budgets hold on any
//! machine, as they are counted.

mod table;

use std::collections::BTreeMap;

use local::{demo, import};
use reqwest::Method;
use serde_json::json;
use tests::{Cost, Roster, send};
use uuid::Uuid;

/// A team of so many users, of whom `demo::ADMIN` is an administrator.
async fn team_of(users: u32) -> Roster {
    let roster = Roster::empty().await;
    let file = tests::team::file(0..users, roster.now()).expect("a file of users");
    let report = import::file(
        &roster.server.data,
        file.path(),
        &import::Options::new(demo::TEAM),
        roster.now(),
    )
    .await
    .expect("the import");
    assert_eq!(report.imported, u64::from(users));
    roster
}

#[track_caller]
fn within(what: &str, cost: Cost, steps: u32, read_units: f64, write_units: f64) {
    println!(
        "{what:60} {:2} of {steps} steps, {:5} of {read_units} read units, {:4} of {write_units} write units",
        cost.steps, cost.read_units, cost.write_units
    );
    assert!(
        cost.steps <= steps && cost.read_units <= read_units && cost.write_units <= write_units,
        "{what}: {cost:?}"
    );
}

#[tokio::test]
async fn single_users_cost_no_more_than_their_budgets() {
    let roster = Roster::start().await;
    let get = async |path: &str, caller| roster.get(path, caller).await.expect(200).cost();
    within(
        "account detail",
        get(&format!("/v1/admin/users/{}", demo::ADMIN), demo::PLATFORM_OPERATOR).await,
        2,
        7.0,
        0.0,
    );
    within("user-admin by number", get("/api/admin/user-admin/2", demo::ADMIN).await, 2, 3.0, 0.0);
    within("/users/me", get("/users/me", demo::VIEWER).await, 1, 1.0, 0.0);
    within("/users/{id}", get(&format!("/users/{}", demo::VIEWER), demo::ADMIN).await, 2, 2.0, 0.0);
    within("/v1/account/me", get("/v1/account/me", demo::ADMIN).await, 2, 3.0, 0.0);
    let by_key = roster
        .request(Method::GET, "/users/me")
        .bearer_auth(demo::api_key_text(demo::ADMIN, 1).reveal());
    within("authenticate by key", send(by_key).await.expect(200).cost(), 2, 2.0, 0.0);
}

#[tokio::test]
async fn making_a_user_costs_no_more_than_its_budget() {
    let roster = Roster::start().await;
    let body = json!({"first_name": "New", "last_name": "Person"});
    let create = async || {
        roster.call(Method::POST, "/api/v1/users/", demo::MANAGER, &body).await.expect(200).cost()
    };
    // The first one in a process also takes numbers for the next ones.
    within("create a managed user, cold", create().await, 3, 3.0, 40.0);
    within("create a managed user", create().await, 2, 3.0, 40.0);
    let id = Uuid::from_u128(0xfeed);
    let mut claims = roster.claims(id);
    claims["email"] = "new.person@example.com".into();
    let sign_up = roster.request(Method::POST, "/v1/account").bearer_auth(tests::sign(&claims));
    within("sign up", send(sign_up).await.expect(201).cost(), 2, 3.0, 40.0);
    roster.check_table().await;
}

#[tokio::test]
async fn a_list_of_twenty_managed_users_costs_no_more_than_its_budget() {
    let roster = Roster::start().await;
    for n in 0..12 {
        let body = json!({"first_name": format!("Managed {n}"), "last_name": null});
        roster.call(Method::POST, "/api/v1/users/", demo::MANAGER, &body).await.expect(200);
    }
    let answer = roster.get("/api/v1/users/", demo::MANAGER).await.expect(200);
    assert_eq!(answer.json().as_array().map(Vec::len), Some(20));
    within("managed-users list of 20", answer.cost(), 2, 6.0, 0.0);
}

/// What pages may cost in teams of up to so many users: steps, and read units.
fn page_budget(users: u32) -> (u32, f64) {
    match users {
        0..=10_000 => (3, 8.0),
        10_001..=100_000 => (3, 16.0),
        _ => (3, 40.0),
    }
}

/// Asks for pages everywhere in every list of a team, and holds each against the budget; ten users
/// at a time in the directory, and thirty, the most there are, in the workspace.
async fn pages_hold_their_budget(users: u32) {
    let roster = team_of(users).await;
    roster.check_table().await;
    let (steps, read_units) = page_budget(users);
    let mut most: BTreeMap<String, (u32, f64, String)> = BTreeMap::new();
    let mut ask = async |list: String, path: String| {
        let answer = roster.get(&path, demo::ADMIN).await.expect(200);
        let cost = answer.cost();
        let known = most.entry(list.clone()).or_default();
        if cost.steps > known.0 || cost.read_units > known.1 {
            *known = (cost.steps.max(known.0), cost.read_units.max(known.1), path.clone());
        }
        assert_eq!(cost.write_units, 0.0, "{path}");
        answer.json()
    };
    let offsets =
        |total: u64| (0..=20).map(move |part| (total * part / 20).saturating_sub(part % 3 * 7));
    for field in ["id", "last_seen", "status", "title"] {
        for sign in ["", "-"] {
            for offset in offsets(u64::from(users)) {
                let path = format!(
                    "/api/v1/admin_user?account_id={}&sorting={sign}{field}&pagination[offset]={offset}",
                    demo::TEAM
                );
                let page = ask(field.to_owned(), path).await;
                assert_eq!(page["pagination"]["item_count"], users);
                let listed = page["summaries"].as_array().map_or(0, Vec::len) as u64;
                assert_eq!(listed, (u64::from(users) - offset).min(10));
            }
        }
    }
    let filters = [
        "",
        "role=ADMIN",
        "role=VIEWER",
        "status=ACTIVE",
        "status=ACCESS_SUSPENDED",
        "status=PENDING_REGISTRATION",
        "deviceType=API",
        "deviceType=PSD",
        "status=ACTIVE&role=VIEWER",
        "status=ACCESS_SUSPENDED&role=ADMIN",
        "status=PENDING_REGISTRATION&deviceType=PSD",
    ];
    for sort in ["createdAt", "name", "role", "status", "updatedAt"] {
        for order in ["asc", "desc"] {
            for filter in filters {
                let first = ask(
                    sort.to_owned(),
                    format!("/users?sortBy={sort}&sortOrder={order}&{filter}"),
                )
                .await;
                let total = first["total"].as_u64().expect("a number");
                for offset in offsets(total) {
                    let page = ask(
                        sort.to_owned(),
                        format!(
                            "/users?sortBy={sort}&sortOrder={order}&{filter}&page={}",
                            1 + offset / 30
                        ),
                    )
                    .await;
                    assert_eq!(page["total"], total);
                    let listed = page["results"].as_array().map_or(0, Vec::len) as u64;
                    assert_eq!(listed, (total - offset / 30 * 30).min(30));
                }
            }
        }
    }
    // The largest pages of the directory, and as many users of user-admin.
    for field in ["id", "last_seen", "status", "title"] {
        for sign in ["", "-"] {
            for offset in offsets(u64::from(users)) {
                let path = "/api/v1/admin_user?pagination[page_size]=100";
                let path = format!(
                    "{path}&account_id={}&sorting={sign}{field}&pagination[offset]={offset}",
                    demo::TEAM
                );
                let page = ask("a hundred by ".to_owned() + field, path).await;
                let listed = page["summaries"].as_array().map_or(0, Vec::len) as u64;
                assert_eq!(listed, (u64::from(users) - offset).min(100));
            }
        }
    }
    for offset in offsets(u64::from(users)) {
        let page = ask(
            "a hundred by number".to_owned(),
            format!("/api/admin/user-admin?limit=100&cursor={offset}"),
        )
        .await;
        let listed = page["users"].as_array().map_or(0, Vec::len) as u64;
        assert_eq!(listed, (u64::from(users) - offset).min(100));
    }
    for (list, (steps, read_units, path)) in &most {
        println!(
            "{users} users, by {list:22} {steps} steps, {read_units:5} read units at most: {path}"
        );
    }
    let too_dear: Vec<_> =
        most.iter().filter(|(_, most)| most.0 > steps || most.1 > read_units).collect();
    assert!(
        too_dear.is_empty(),
        "more than {steps} steps or {read_units} read units: {too_dear:#?}"
    );
}

#[tokio::test]
async fn pages_of_a_thousand_users_cost_no_more_than_their_budgets() {
    pages_hold_their_budget(1000).await;
}

#[tokio::test]
#[ignore = "imports 10,000 users"]
async fn pages_of_ten_thousand_users_cost_no_more_than_their_budgets() {
    pages_hold_their_budget(10_000).await;
}

#[tokio::test]
#[ignore = "imports 100,000 users"]
async fn pages_of_a_hundred_thousand_users_cost_no_more_than_their_budgets() {
    pages_hold_their_budget(100_000).await;
}

/// Offsets, orders and totals against a sort of our own. Takes minutes, mostly to import: run it
/// with `-- --ignored`.
#[tokio::test]
#[ignore = "imports 100,000 users"]
async fn offsets_and_totals_are_exact_in_a_team_of_a_hundred_thousand() {
    let roster = team_of(100_000).await;
    let items: Vec<_> =
        roster.items().await.into_iter().filter(|item| item["sk"] == "USER").collect();
    assert_eq!(items.len(), 100_000);
    let text = |item: &serde_json::Map<String, serde_json::Value>, name: &str| {
        item[name].as_str().unwrap_or_default().to_owned()
    };
    let ids = |answer: &serde_json::Value, list: &str| -> Vec<String> {
        answer[list]
            .as_array()
            .expect("a list")
            .iter()
            .map(|user| user["id"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let expect =
        |mut users: Vec<(String, String)>, descending: bool, offset: usize| -> Vec<String> {
            users.sort();
            if descending {
                users.reverse();
            }
            users.into_iter().skip(offset).take(10).map(|(_, id)| id).collect()
        };
    for (sorting, descending) in
        [("id", false), ("title", true), ("last_seen", false), ("status", true)]
    {
        let key = |item: &serde_json::Map<String, serde_json::Value>| match sorting {
            "id" => text(item, "id"),
            "title" => text(item, "email"),
            "last_seen" => format!("{:010}", item["last_seen"]["at"].as_i64().unwrap_or(0)),
            _ => if text(item, "status") == "invited" { "new" } else { "extant" }.to_owned(),
        };
        for offset in [0, 12_345, 50_000, 99_995] {
            let sign = if descending { "-" } else { "" };
            let path = format!(
                "/api/v1/admin_user?account_id={}&sorting={sign}{sorting}&pagination[offset]={offset}",
                demo::TEAM
            );
            let answer = roster.get(&path, demo::ADMIN).await.expect(200);
            let users = items.iter().map(|item| (key(item), text(item, "id"))).collect();
            assert_eq!(
                ids(&answer.json(), "summaries"),
                expect(users, descending, offset),
                "{path}"
            );
            assert_eq!(answer.json()["pagination"]["item_count"], 100_000);
            println!("{path}: {:?}", answer.cost());
        }
    }
    let filtered: Vec<_> = items
        .iter()
        .filter(|item| item["role"] == "operator" && item["status"] == "suspended")
        .collect();
    for page in [1, filtered.len() / 20, filtered.len().div_ceil(10)] {
        let path = format!(
            "/users?role=OPERATOR&status=ACCESS_SUSPENDED&sortBy=name&pageSize=10&page={page}"
        );
        let answer = roster.get(&path, demo::ADMIN).await.expect(200);
        let users = filtered
            .iter()
            .map(|item| (text(item, "name").to_lowercase(), text(item, "id")))
            .collect();
        assert_eq!(ids(&answer.json(), "results"), expect(users, false, (page - 1) * 10), "{path}");
        assert_eq!(answer.json()["total"], filtered.len());
        println!("{path}: {:?}", answer.cost());
    }
}
