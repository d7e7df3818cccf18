//! The directory contract.

use insta::assert_json_snapshot;
use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use shared::models::{Seen, Status, User};
use tests::{Answer, Roster, send};
use uuid::Uuid;

use crate::{DELETED, INVITED, NOBODY, SUSPENDED, called, changes, key, refusals, team};

const FIELDS: [&str; 4] = ["id", "last_seen", "status", "title"];
/// How many users the demo team has.
const ALL: u64 = 35;

fn path(query: &str) -> String {
    format!("/api/v1/admin_user?account_id={}{query}", demo::TEAM)
}

fn title(user: &User) -> String {
    user.email.clone().unwrap_or_else(|| called(user))
}

fn status(user: &User) -> &'static str {
    match user.status {
        Status::Invited => "new",
        Status::Active | Status::Suspended => "extant",
        Status::Deleted => "deleted",
    }
}

/// A record as the contract shows it.
fn summary(user: &User) -> Value {
    let seen = |seen: &Option<Seen>| {
        seen.as_ref().map(|seen| json!({"at": seen.at.as_second(), "remote_ip": seen.remote_ip, "user_agent": seen.user_agent}))
    };
    json!({
        "type": "admin_user",
        "id": user.id,
        "account_id": user.team_id,
        "title": title(user),
        "status": status(user),
        "claims": user.claims,
        "first_seen": seen(&user.first_seen),
        "last_seen": seen(&user.last_seen),
    })
}

/// Records in an order of the contract: never seen is least, equal values are ordered by id in the
/// same direction.
fn sorted(mut users: Vec<User>, field: &str, direction: &str) -> Vec<User> {
    users.sort_by_cached_key(|user| {
        let value = match field {
            "id" => (0, String::new()),
            "last_seen" => (
                user.last_seen.as_ref().map_or(i64::MIN, |seen| seen.at.as_second()),
                String::new(),
            ),
            "status" => (0, status(user).to_owned()),
            "title" => (0, title(user).to_lowercase()),
            other => panic!("no order {other}"),
        };
        (value, user.id)
    });
    if direction == "desc" {
        users.reverse();
    }
    users
}

fn ids_of(users: &[User]) -> Vec<Uuid> {
    users.iter().map(|user| user.id).collect()
}

#[track_caller]
fn ids(answer: &Answer) -> Vec<Uuid> {
    let body = answer.json();
    let summaries =
        body["summaries"].as_array().unwrap_or_else(|| panic!("no summaries: {answer:?}"));
    summaries
        .iter()
        .map(|user| user["id"].as_str().expect("an id").parse().expect("a UUID"))
        .collect()
}

/// Every page's ids, from the first by `next_page_offset`.
async fn walk(roster: &Roster, query: &str) -> Vec<Uuid> {
    let mut listed = Vec::new();
    let mut offset = json!(0);
    while !offset.is_null() {
        let answer = roster
            .get(&path(&format!("&pagination[offset]={offset}{query}")), demo::ADMIN)
            .await
            .expect(200);
        listed.extend(ids(&answer));
        offset = answer.json()["pagination"]["next_page_offset"].clone();
    }
    listed
}

#[tokio::test]
async fn a_credential_that_fails_is_refused() {
    assert_json_snapshot!(
        refusals(&[(Method::GET, &path("")), (Method::GET, "/api/v1/admin_user?unknown=1")]).await
    );
}

#[tokio::test]
async fn by_default_the_first_ten_by_descending_id() {
    let roster = Roster::start().await;
    let users = sorted(team(&roster, demo::TEAM).await, "id", "desc");
    let answer = roster.get(&path(""), demo::ADMIN).await.expect(200).json();
    assert_eq!(answer["summaries"], users[..10].iter().map(summary).collect::<Value>());
    assert_eq!(answer["sorting"], json!({"field": "id", "direction": "desc"}));
    assert_eq!(answer["pagination"]["page_size"], 10);
}

#[tokio::test]
async fn a_page_holds_whole_summaries() {
    let roster = Roster::start().await;
    let query = "&sorting=-title&pagination[offset]=29&pagination[page_size]=6";
    assert_json_snapshot!(roster.get(&path(query), demo::ADMIN).await.snapshot());
}

#[tokio::test]
async fn every_user_of_every_status_is_listed_as_recorded() {
    let roster = Roster::start().await;
    for (caller, account) in [
        (demo::ADMIN, demo::TEAM),
        (demo::OTHER_ADMIN, demo::OTHER_TEAM),
        (demo::PLATFORM_OPERATOR, demo::PLATFORM_TEAM),
    ] {
        let users = sorted(team(&roster, account).await, "id", "asc");
        let path =
            format!("/api/v1/admin_user?account_id={account}&sorting=id&pagination[page_size]=100");
        let answer = roster.get(&path, caller).await.expect(200).json();
        assert_eq!(answer["summaries"], users.iter().map(summary).collect::<Value>());
        assert_eq!(answer["pagination"]["item_count"], users.len());
    }
    let answer =
        roster.get(&path("&sorting=id&pagination[page_size]=100"), demo::ADMIN).await.json();
    let of = |id: Uuid| {
        let summaries = answer["summaries"].as_array().expect("summaries");
        summaries.iter().find(|user| user["id"] == json!(id)).expect("listed")["status"].clone()
    };
    assert_eq!(
        (of(INVITED), of(demo::ADMIN), of(SUSPENDED), of(DELETED)),
        (json!("new"), json!("extant"), json!("extant"), json!("deleted"))
    );
}

#[tokio::test]
async fn every_order_both_ways_in_every_spelling_gives_each_user_once_and_in_order() {
    let roster = Roster::start().await;
    let users = team(&roster, demo::TEAM).await;
    for field in FIELDS {
        for direction in ["asc", "desc"] {
            let expected = ids_of(&sorted(users.clone(), field, direction));
            let sign = if direction == "desc" { "-" } else { "" };
            for query in [
                format!("&sorting={sign}{field}&pagination[page_size]=8"),
                format!(
                    "&sorting[field]={field}&sorting[direction]={direction}&pagination[page_size]=35"
                ),
                format!(
                    "&sorting%5Bfield%5D={field}&sorting%5Bdirection%5D={direction}&pagination%5Bpage_size%5D=17"
                ),
            ] {
                assert_eq!(walk(&roster, &query).await, expected, "{query}");
                let answer = roster.get(&path(&query), demo::ADMIN).await.json();
                assert_eq!(
                    answer["sorting"],
                    json!({"field": field, "direction": direction}),
                    "{query}"
                );
            }
        }
    }
}

#[tokio::test]
async fn who_was_never_seen_comes_first_in_ascending_last_seen_and_last_in_descending() {
    let roster = Roster::start().await;
    let never =
        team(&roster, demo::TEAM).await.iter().filter(|user| user.last_seen.is_none()).count();
    assert!(never > 3);
    for (sorting, never_seen_first) in [("last_seen", true), ("-last_seen", false)] {
        let answer = roster
            .get(&path(&format!("&sorting={sorting}&pagination[page_size]=100")), demo::ADMIN)
            .await
            .json();
        let seen: Vec<bool> = answer["summaries"]
            .as_array()
            .expect("summaries")
            .iter()
            .map(|user| !user["last_seen"].is_null())
            .collect();
        let split = if never_seen_first { never } else { seen.len() - never };
        assert!(seen[..split].iter().all(|seen| *seen != never_seen_first), "{sorting}");
        assert!(seen[split..].iter().all(|seen| *seen == never_seen_first), "{sorting}");
    }
}

#[tokio::test]
async fn a_field_alone_is_ascending() {
    let roster = Roster::start().await;
    let answer = roster.get(&path("&sorting[field]=title"), demo::ADMIN).await.expect(200).json();
    assert_eq!(answer["sorting"], json!({"field": "title", "direction": "asc"}));
    let answer = roster.get(&path("&sorting[direction]=asc"), demo::ADMIN).await.expect(200).json();
    assert_eq!(answer["sorting"], json!({"field": "id", "direction": "asc"}));
}

#[tokio::test]
async fn all_nine_figures_at_every_place() {
    let roster = Roster::start().await;
    // Offset and size, then: items from and to, next, pages, page, previous.
    for (offset, size, start, end, next, pages, page, previous) in [
        (0, 10, 1, 10, Some(10), 4, 1, None),
        (10, 10, 11, 20, Some(20), 4, 2, Some(0)),
        (20, 10, 21, 30, Some(30), 4, 3, Some(10)),
        (30, 10, 31, 35, None, 4, 4, Some(20)),
        (25, 10, 26, 35, None, 4, 3, Some(15)),
        (24, 10, 25, 34, Some(34), 4, 3, Some(14)),
        (0, 35, 1, 35, None, 1, 1, None),
        (0, 34, 1, 34, Some(34), 2, 1, None),
        (0, 100, 1, 35, None, 1, 1, None),
        (34, 1, 35, 35, None, 35, 35, Some(33)),
        (0, 1, 1, 1, Some(1), 35, 1, None),
    ] {
        let expected = json!({
            "item_count": ALL, "item_start": start, "item_end": end, "page_offset": offset, "page_size": size,
            "next_page_offset": next, "page_count": pages, "page_index": page, "previous_page_offset": previous,
        });
        let query = format!("&pagination[offset]={offset}&pagination[page_size]={size}");
        let answer = roster.get(&path(&query), demo::ADMIN).await.expect(200);
        assert_eq!(answer.json()["pagination"], expected, "{query}");
        assert_eq!(ids(&answer).len(), end - start + 1, "{query}");
    }
}

#[tokio::test]
async fn a_page_past_the_end_is_empty_and_keeps_the_count() {
    let roster = Roster::start().await;
    assert_json_snapshot!(
        roster.get(&path("&pagination[offset]=40"), demo::ADMIN).await.snapshot()
    );
    for offset in [ALL, ALL + 1, 1_000_000, 9_007_199_254_740_991, i64::MAX.unsigned_abs()] {
        for sorting in ["id", "-last_seen"] {
            let query =
                format!("&sorting={sorting}&pagination[offset]={offset}&pagination[page_size]=100");
            let answer = roster.get(&path(&query), demo::ADMIN).await.expect(200).json();
            assert_eq!(answer["summaries"], json!([]), "{query}");
            let figures = &answer["pagination"];
            for (name, expected) in
                [("item_count", json!(ALL)), ("item_start", json!(0)), ("item_end", json!(0))]
            {
                assert_eq!(figures[name], expected, "{name} {query}");
            }
            assert_eq!(
                (&figures["page_offset"], &figures["next_page_offset"]),
                (&json!(offset), &Value::Null),
                "{query}"
            );
        }
    }
}

#[tokio::test]
async fn brackets_are_read_raw_and_encoded() {
    let roster = Roster::start().await;
    let raw = roster
        .get(&path("&pagination[offset]=3&pagination[page_size]=4"), demo::ADMIN)
        .await
        .expect(200);
    for query in [
        "&pagination%5Boffset%5D=3&pagination%5Bpage_size%5D=4",
        "&pagination%5boffset%5d=3&pagination[page_size%5D=4",
    ] {
        assert_eq!(roster.get(&path(query), demo::ADMIN).await.text, raw.text, "{query}");
    }
    assert_eq!(ids(&raw), ids_of(&sorted(team(&roster, demo::TEAM).await, "id", "desc"))[3..7]);
}

#[tokio::test]
async fn a_bad_value_is_invalid_and_the_message_names_the_parameter() {
    let roster = Roster::start().await;
    let mut cases: Vec<(&str, String)> = Vec::new();
    for value in [
        "0",
        "101",
        "-1",
        "1.5",
        "%2B1",
        "",
        "abc",
        "1e1",
        "9223372036854775808",
        "99999999999999999999999",
    ] {
        cases.push(("pagination[page_size]", format!("&pagination[page_size]={value}")));
    }
    for value in [
        "-1",
        "1.5",
        "%2B1",
        "",
        "abc",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999",
    ] {
        cases.push(("pagination[offset]", format!("&pagination[offset]={value}")));
    }
    for value in ["name", "", "-", "--id", "ID", "%2Bid", "id,title", "created_at"] {
        cases.push(("sorting", format!("&sorting={value}")));
    }
    for value in ["name", "", "-id"] {
        cases.push(("sorting[field]", format!("&sorting[field]={value}")));
    }
    for value in ["ASC", "", "down"] {
        cases
            .push(("sorting[direction]", format!("&sorting[field]=id&sorting[direction]={value}")));
    }
    for (name, query) in [
        ("sorting", "&sorting=id&sorting=title"),
        ("pagination[offset]", "&pagination[offset]=1&pagination%5Boffset%5D=1"),
        ("pagination[page_size]", "&pagination[page_size]=1&pagination[page_size]=2"),
        ("account_id", "&account_id=00000000-0000-4000-8000-0000000000a1"),
    ] {
        cases.push((name, query.to_owned()));
    }
    let mut told = Vec::new();
    for (name, query) in cases {
        let answer = roster.get(&path(&query), demo::ADMIN).await.expect(400).json();
        let message = answer["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            answer,
            json!({"status": "error", "code": "invalid_value", "message": message}),
            "{query}"
        );
        assert!(message.contains(&format!("`{name}`")), "{query}: {message}");
        told.push(format!("{query}: {message}"));
    }
    assert_json_snapshot!(told);
}

#[tokio::test]
async fn pages_of_one_and_of_a_hundred_are_taken() {
    let roster = Roster::start().await;
    for (size, listed) in [(1, 1), (100, 35)] {
        let answer = roster
            .get(&path(&format!("&pagination[page_size]={size}")), demo::ADMIN)
            .await
            .expect(200);
        assert_eq!(ids(&answer).len(), listed);
    }
}

#[tokio::test]
async fn the_account_is_required_and_an_id() {
    let roster = Roster::start().await;
    let mut told = Vec::new();
    assert_json_snapshot!(
        "no_account",
        roster.get("/api/v1/admin_user", demo::ADMIN).await.snapshot()
    );
    for query in [
        "",
        "?",
        "?sorting=id",
        "?account_id=",
        "?account_id",
        "?account_id=not-a-uuid",
        "?account_id=000000000000400080000000000000a1",
    ] {
        let answer =
            roster.get(&format!("/api/v1/admin_user{query}"), demo::ADMIN).await.expect(400).json();
        told.push(json!([query, answer["code"], answer["message"]]));
    }
    assert_json_snapshot!(told);
    let upper = format!("/api/v1/admin_user?account_id={}", demo::TEAM.to_string().to_uppercase());
    assert_eq!(
        roster.get(&upper, demo::ADMIN).await.expect(200).text,
        roster.get(&path(""), demo::ADMIN).await.text
    );
}

#[tokio::test]
async fn an_unknown_parameter_is_a_bad_request() {
    let roster = Roster::start().await;
    let unknown = roster.get(&path("&limit=10"), demo::ADMIN).await;
    assert_json_snapshot!(unknown.snapshot());
    for query in [
        "&Sorting=id",
        "&pagination[limit]=1",
        "&pagination=1",
        "&sorting[order]=asc",
        "&offset=1",
        "&=",
        "&status=new",
    ] {
        let answer = roster.get(&path(query), demo::ADMIN).await.expect(400).json();
        assert_eq!(
            (&answer["status"], &answer["code"]),
            (&json!("error"), &json!("bad_request")),
            "{query}"
        );
    }
}

#[tokio::test]
async fn only_admins_of_the_account_may_list_it_and_nobody_learns_which_exist() {
    let roster = Roster::start().await;
    let refused = roster.get(&path(""), demo::OTHER_ADMIN).await;
    assert_json_snapshot!(refused.snapshot());
    let account = |account: Uuid| format!("/api/v1/admin_user?account_id={account}");
    for (caller, path) in [
        (demo::OPERATOR_VIEW_ALL, account(demo::TEAM)),
        (demo::OPERATOR, account(demo::TEAM)),
        (demo::VIEWER, account(demo::TEAM)),
        (demo::MANAGER, account(demo::TEAM)),
        (demo::id(0x61), account(demo::TEAM)),
        (demo::ADMIN, account(demo::OTHER_TEAM)),
        (demo::ADMIN, account(demo::PLATFORM_TEAM)),
        (demo::ADMIN, account(NOBODY)),
        (demo::ADMIN, account(demo::ADMIN)),
        (demo::VIEWER, account(NOBODY)),
        (demo::PLATFORM_OPERATOR, account(NOBODY)),
    ] {
        assert_eq!(
            roster.get(&path, caller).await.snapshot(),
            refused.snapshot(),
            "{caller} {path}"
        );
    }
}

#[tokio::test]
async fn a_platform_operator_may_list_any_account() {
    let roster = Roster::start().await;
    for account in [demo::TEAM, demo::OTHER_TEAM, demo::PLATFORM_TEAM] {
        let path = format!(
            "/api/v1/admin_user?account_id={account}&sorting=title&pagination[page_size]=100"
        );
        let expected = ids_of(&sorted(team(&roster, account).await, "title", "asc"));
        assert_eq!(ids(&roster.get(&path, demo::PLATFORM_OPERATOR).await.expect(200)), expected);
    }
    let operator = roster.get(&path(""), demo::PLATFORM_OPERATOR).await.text;
    assert_eq!(operator, roster.get(&path(""), demo::ADMIN).await.text);
}

#[tokio::test]
async fn only_a_key_of_the_scope_operator_reaches_beyond_the_own_account() {
    let roster = Roster::start().await;
    let own = format!("/api/v1/admin_user?account_id={}", demo::PLATFORM_TEAM);
    for (owner, place, path, status) in [
        (demo::PLATFORM_OPERATOR, 1, path(""), 200),
        (demo::PLATFORM_OPERATOR, 2, path(""), 403),
        (demo::PLATFORM_OPERATOR, 2, own.clone(), 200),
        (demo::ADMIN, 1, path(""), 200),
        (demo::ADMIN, 1, own, 403),
    ] {
        send(roster.request(Method::GET, &path).bearer_auth(key(owner, place)))
            .await
            .expect(status);
    }
}

#[tokio::test]
async fn reading_writes_nothing() {
    let roster = Roster::start().await;
    let before = roster.items().await;
    for (path, caller) in
        [(path(""), demo::ADMIN), (path(""), demo::VIEWER), (path("&sorting=x"), demo::ADMIN)]
    {
        roster.get(&path, caller).await;
    }
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
}
