//! GET `/v1/admin/users`: platform operators list and find users of all teams.

use std::collections::BTreeSet;

use insta::assert_json_snapshot;
use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use shared::models::User;
use tests::checks::{DELETED, NOBODY, changes, key, refusals, unchanged};
use tests::{Answer, Roster, send};
use uuid::Uuid;

use crate::{bare, detail, of, user};

const USERS: &str = "/v1/admin/users";

async fn list(roster: &Roster, query: &str) -> Answer {
    roster.get(&format!("{USERS}?{query}"), demo::PLATFORM_OPERATOR).await
}

/// The ids that an answer lists.
#[track_caller]
fn ids(answer: Answer) -> Vec<Uuid> {
    let users: Vec<Value> = serde_json::from_value(answer.expect(200).json()).expect("a list");
    users
        .iter()
        .map(|user| user["id"].as_str().and_then(|id| id.parse().ok()).expect("an id"))
        .collect()
}

/// Where the `Link` header leads, if it leads on.
#[track_caller]
fn next(answer: &Answer) -> Option<String> {
    let (path, relation) = answer.headers.get("link")?.split_once(">; ").expect("a link");
    assert_eq!(relation, "rel=\"next\"");
    Some(path.trim_start_matches('<').to_owned())
}

/// The sizes of the pages from the first one on, and the ids on all of them.
async fn walk(roster: &Roster, query: &str) -> (Vec<usize>, Vec<Uuid>) {
    let mut path = Some(format!("{USERS}?{query}"));
    let (mut sizes, mut walked) = (Vec::new(), Vec::new());
    while let Some(page) = path {
        let answer = roster.get(&page, demo::PLATFORM_OPERATOR).await.expect(200);
        path = next(&answer);
        let ids = ids(answer);
        assert!(!ids.is_empty() || path.is_none(), "an empty page leads on: {page}");
        sizes.push(ids.len());
        walked.extend(ids);
    }
    (sizes, walked)
}

/// Every user's record.
async fn everyone(roster: &Roster) -> Vec<User> {
    let items = roster.items().await.into_iter().filter(|item| item["sk"] == "USER");
    items.map(|item| serde_json::from_value(Value::Object(item)).expect("a user")).collect()
}

/// Who is found by how something begins, in the order of what is found first: an independent search
/// over every record.
async fn found(roster: &Roster, text: &str) -> Vec<Uuid> {
    let text = text.to_lowercase();
    let mut found: Vec<(String, Uuid)> = Vec::new();
    for user in everyone(roster).await {
        let names = [
            user.name.clone(),
            Some(user.shown_name()).filter(|shown| Some(shown) != user.email.as_ref()),
        ];
        let names = names
            .into_iter()
            .flatten()
            .map(|name| format!("{}\u{1f}{}", name.trim().to_lowercase(), user.id));
        let places = names.chain(user.email.as_ref().map(|email| email.to_lowercase()));
        found.extend(
            places.filter(|place| place.starts_with(&text)).min().map(|place| (place, user.id)),
        );
    }
    found.sort();
    found.into_iter().map(|(_, id)| id).collect()
}

/// Adds users to the other tenant, each with what `of` makes of it.
async fn add(roster: &Roster, count: u64, of: impl Fn(u64, User) -> User) -> Vec<Uuid> {
    let users: Vec<User> = (0..count)
        .map(|place| {
            let id = demo::id(0x5000 + u128::from(place));
            let team = (demo::OTHER_TEAM, "Northwind");
            of(place, User::new(id, 100 + place, team, roster.now()))
        })
        .collect();
    for users in users.chunks(10) {
        roster.server.data.store.load_users(users).await.expect("users");
    }
    users.into_iter().map(|user| user.id).collect()
}

#[tokio::test]
async fn a_credential_that_fails_is_refused() {
    assert_json_snapshot!(
        refusals(&[(Method::GET, USERS), (Method::GET, "/v1/admin/users?limit=0&cursor=x")]).await
    );
}

#[tokio::test]
async fn only_platform_operators_list_users() {
    let roster = Roster::start().await;
    let refused = unchanged(&roster, bare(&roster, Method::GET, USERS, demo::ADMIN)).await;
    assert_json_snapshot!(refused.snapshot());
    for caller in
        [demo::ADMIN, demo::OPERATOR_VIEW_ALL, demo::VIEWER, demo::MANAGER, demo::OTHER_ADMIN]
    {
        // What is wrong with the request is no business of theirs either.
        for query in ["", "?query=ada", "?limit=0", "?cursor=x"] {
            assert_eq!(
                roster.get(&format!("{USERS}{query}"), caller).await.snapshot(),
                refused.snapshot(),
                "{caller} {query}"
            );
        }
    }
    for (owner, place) in [(demo::PLATFORM_OPERATOR, 2), (demo::ADMIN, 1)] {
        let by_key = send(roster.request(Method::GET, USERS).bearer_auth(key(owner, place))).await;
        assert_eq!(by_key.snapshot(), refused.snapshot(), "a key of the scope user");
    }
    let by_key =
        send(roster.request(Method::GET, USERS).bearer_auth(key(demo::PLATFORM_OPERATOR, 1)))
            .await
            .expect(200);
    assert_eq!(by_key.text, roster.get(USERS, demo::PLATFORM_OPERATOR).await.text);
}

#[tokio::test]
async fn without_a_query_all_users_of_all_teams_are_listed_newest_first() {
    let roster = Roster::start().await;
    add(&roster, 3, |_, user| user).await;
    let mut expected = everyone(&roster).await;
    expected.sort_by_key(|user| std::cmp::Reverse((user.created_at, user.id)));
    let expected: Vec<Uuid> = expected.iter().map(|user| user.id).collect();
    assert_eq!(expected.len(), 44);
    assert_eq!(ids(list(&roster, "limit=100").await), expected);
    assert_eq!(ids(list(&roster, "").await), expected[..25], "25 where no limit is given");
    for query in ["query=", "query=%20"] {
        assert_eq!(
            ids(list(&roster, &format!("{query}&limit=100")).await),
            expected,
            "a blank query is none"
        );
    }
    for (limit, sizes) in [
        ("limit=1", vec![1; 44]),
        ("limit=7", vec![7, 7, 7, 7, 7, 7, 2]),
        ("limit=22", vec![22; 2]),
        ("", vec![25, 19]),
    ] {
        assert_eq!(walk(&roster, limit).await, (sizes, expected.clone()), "{limit}");
    }
}

#[tokio::test]
async fn a_page_is_an_array_of_users_with_a_link_to_the_next() {
    let roster = Roster::start().await;
    let request = bare(
        &roster,
        Method::GET,
        "/v1/admin/users?query=northwind&limit=3",
        demo::PLATFORM_OPERATOR,
    );
    assert_json_snapshot!("nobody", unchanged(&roster, request).await.snapshot());
    let request = bare(&roster, Method::GET, "/v1/admin/users?limit=3", demo::PLATFORM_OPERATOR);
    assert_json_snapshot!("three", unchanged(&roster, request).await.snapshot());
    // Each is what the account detail shows.
    let everyone: Vec<Value> =
        serde_json::from_value(list(&roster, "limit=100").await.json()).expect("a list");
    assert_eq!(everyone.len(), 41);
    for user in everyone {
        let id = user["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        assert_eq!(detail(&roster, id).await["user"], user);
    }
}

#[tokio::test]
async fn a_user_is_found_by_the_whole_id_in_either_case() {
    let roster = Roster::start().await;
    for id in [demo::id(0x11c), DELETED, demo::OTHER_ADMIN] {
        for text in [id.to_string(), id.to_string().to_uppercase(), format!("%20{id}%20")] {
            let answer = list(&roster, &format!("query={text}")).await;
            assert_eq!((ids(answer.clone()), next(&answer)), (vec![id], None), "{text}");
            assert_eq!(answer.json()[0], detail(&roster, id).await["user"]);
        }
    }
    for none in [NOBODY, demo::TEAM] {
        assert_eq!(list(&roster, &format!("query={none}")).await.expect(200).text, "[]");
    }
}

#[tokio::test]
async fn users_are_found_by_how_email_name_and_display_name_begin_in_any_case() {
    let roster = Roster::start().await;
    add(&roster, 1, |_, user| User {
        name: Some("  Åse Ström".into()),
        display_name: Some("李小龙".into()),
        email: Some("A.Strom@Example.com".into()),
        ..user
    })
    .await;
    for (query, expected) in [
        ("ada", vec![demo::ADMIN]),
        ("ADA", vec![demo::ADMIN]),
        // The whole of each.
        ("ada nordmann", vec![demo::ADMIN]),
        ("Ada.Nordmann@ACME-robotics.example", vec![demo::ADMIN]),
        // First and last name, of those who have no name: what they are called.
        ("finn berg", vec![demo::id(0x61)]),
        ("INES", vec![demo::id(0x64)]),
        ("liam o'", vec![demo::id(0x10c)]),
        ("deploy", vec![demo::id(0x1f0)]),
        ("Mallory", vec![demo::id(0xb6)]),
        ("a.strom@", vec![demo::id(0x5000)]),
        ("åse", vec![demo::id(0x5000)]),
        ("ÅSE S", vec![demo::id(0x5000)]),
        ("李小", vec![demo::id(0x5000)]),
        // Not by what stands inside, nor by what begins otherwise.
        ("nordmann", vec![]),
        ("acme", vec![]),
        ("adaa", vec![]),
        ("berg", vec![]),
        // Not by the username, nor a wildcard.
        ("deploy-bot", vec![]),
        ("%", vec![]),
        ("*", vec![]),
        ("a\u{1f}", vec![]),
    ] {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        assert_eq!(ids(list(&roster, &format!("query={encoded}")).await), expected, "{query}");
        assert_eq!(found(&roster, query).await, expected, "{query}");
    }
    for query in ["a", "A", "d", "s", "n", "a.", "0"] {
        assert_eq!(
            ids(list(&roster, &format!("limit=100&query={query}")).await),
            found(&roster, query).await,
            "{query}"
        );
    }
}

#[tokio::test]
async fn the_pages_of_a_search_hold_everyone_found_once() {
    let roster = Roster::start().await;
    // Some are found by all three, some by two in either order, some by one.
    add(&roster, 60, |place, user| User {
        email: (place % 4 != 3).then(|| {
            format!("{}{:02}@example.com", ["zed", "ZED.a", "zee"][place as usize % 3], 99 - place)
        }),
        name: (place % 5 != 4).then(|| {
            format!("{} {}", ["Zed", "zed", "Zoe", "Zed Zed"][place as usize % 4], place % 7)
        }),
        display_name: (place % 2 == 0)
            .then(|| ["Zed", "Zedd", "zE"][place as usize % 3].to_owned()),
        ..user
    })
    .await;
    for query in ["z", "ze", "zed", "ZED", "zed%20", "zed.a", "zed%20zed", "zoe"] {
        let expected = found(&roster, query.replace("%20", " ").trim()).await;
        for limit in [1, 2, 3, 7, 10, 100] {
            let (sizes, walked) = walk(&roster, &format!("query={query}&limit={limit}")).await;
            assert_eq!(walked, expected, "{query} {limit}");
            let (last, full) = sizes.split_last().expect("a page");
            assert!(
                full.iter().all(|size| *size == limit) && *last <= limit,
                "{query} {limit} {sizes:?}"
            );
        }
    }
    assert!(found(&roster, "z").await.len() > 50);
}

#[tokio::test]
async fn the_last_ones_are_listed_wherever_the_index_has_them() {
    let roster = Roster::start().await;
    // Older than all others, and in one partition of the index.
    let last: Vec<Uuid> = (0..5).map(|n| Uuid::from_u128(1 << 64 | n << 2)).collect();
    let made_at = roster.now().plus_seconds(-3650 * 86_400);
    let users: Vec<User> = last
        .iter()
        .zip(10_000..)
        .map(|(id, n)| User::new(*id, n, (demo::TEAM, "Acme Robotics"), made_at))
        .collect();
    roster.server.data.store.load_users(&users).await.expect("users");
    roster.settled().await;
    let everyone: BTreeSet<Uuid> =
        everyone(&roster).await.into_iter().map(|user| user.id).collect();
    for limit in 1..5 {
        let (_, walked) = walk(&roster, &format!("limit={limit}")).await;
        assert_eq!(walked.len(), everyone.len(), "by {limit}");
        assert_eq!(walked.into_iter().collect::<BTreeSet<_>>(), everyone, "by {limit}");
    }
}

#[tokio::test]
async fn who_is_made_while_pages_are_read_moves_none() {
    let roster = Roster::start().await;
    let all = walk(&roster, "limit=100").await.1;
    let first = list(&roster, "limit=10").await;
    roster.advance(1);
    add(&roster, 5, |_, user| user).await;
    let second = roster.get(&next(&first).expect("a next page"), demo::PLATFORM_OPERATOR).await;
    assert_eq!([ids(first), ids(second)].concat(), all[..20]);
    assert_eq!(walk(&roster, "limit=9").await.1[5..], all);
}

#[tokio::test]
async fn who_is_renamed_is_found_by_the_new_name_alone() {
    let roster = Roster::start().await;
    roster
        .call(Method::PATCH, "/v1/account/me", demo::VIEWER, &json!({"display_name": "Quimby"}))
        .await
        .expect(200);
    assert_eq!(ids(list(&roster, "query=quim").await), [demo::VIEWER]);
    assert_eq!(
        list(&roster, "query=quim").await.json()[0],
        detail(&roster, demo::VIEWER).await["user"]
    );
    // The name and the email are as they were.
    let by_email = list(&roster, "query=dara.sok@").await;
    assert_eq!(
        (by_email.json()[0]["display_name"].clone(), ids(by_email)),
        (json!("Quimby"), vec![demo::VIEWER])
    );
    assert_eq!(ids(list(&roster, "query=dara").await), [demo::VIEWER]);
    roster
        .call(Method::PATCH, "/v1/account/me", demo::VIEWER, &json!({"display_name": "Zebra"}))
        .await
        .expect(200);
    assert_eq!(ids(list(&roster, "query=quim").await), Vec::<Uuid>::new());
    assert_eq!(ids(list(&roster, "query=zeb").await), [demo::VIEWER]);
    let email = json!({"email": "dara@new.example", "name": "Dara Sok", "rootRole": 3});
    roster.call(Method::PUT, "/api/admin/user-admin/4", demo::ADMIN, &email).await.expect(200);
    assert_eq!(ids(list(&roster, "query=dara@new").await), [demo::VIEWER]);
    assert_eq!(ids(list(&roster, "query=dara.sok@").await), Vec::<Uuid>::new());
    roster.check_table().await;
}

#[tokio::test]
async fn deleted_users_are_listed_until_they_are_erased() {
    let roster = Roster::start().await;
    let record = user(&roster, DELETED).await;
    let name = record.name.clone().expect("a name").to_lowercase().replace(' ', "%20");
    let answer = list(&roster, &format!("query={name}")).await;
    assert_eq!(answer.json()[0]["soft_deleted_at"], json!(record.soft_deleted_at));
    assert_eq!(ids(answer), [DELETED]);
    roster.delete(&of(DELETED), demo::PLATFORM_OPERATOR).await.expect(200);
    let email = record.email.expect("an email");
    for query in [format!("query={name}"), format!("query={email}"), format!("query={DELETED}")] {
        assert_eq!(list(&roster, &query).await.expect(200).text, "[]", "{query}");
    }
    let (_, all) = walk(&roster, "").await;
    assert_eq!((all.len(), all.contains(&DELETED)), (40, false));
    roster.check_table().await;
}

#[tokio::test]
async fn a_wrong_limit_cursor_or_query_is_refused() {
    let roster = Roster::start().await;
    let before = roster.items().await;
    let cursor = |answer: &Answer| {
        next(answer).expect("a next page").split("cursor=").last().expect("a cursor").to_owned()
    };
    let (of_all, of_ada) =
        (cursor(&list(&roster, "limit=1").await), cursor(&list(&roster, "query=a&limit=1").await));
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
        "cursor=%F0%9F%8E%89",
        "cursor=Z",
        // Base64 that no answer gave.
        "cursor=YWRh",
        "cursor=%2F%2F%2F%2F",
        "query=ada&cursor=YmVsYQ==",
    ] {
        let answer = list(&roster, query).await.expect(422).json();
        assert_eq!(answer["code"], "invalid_request", "{query}");
        told.push(json!([query, answer["error"]]));
    }
    // The cursor of another list leads nowhere.
    for (name, query) in [
        ("of all", format!("query=a&cursor={of_all}")),
        ("of a search", format!("cursor={of_ada}")),
    ] {
        let answer = list(&roster, &query).await.expect(422).json();
        told.push(json!([name, answer["error"]]));
    }
    let answer = list(&roster, &format!("query={}", "x".repeat(256))).await.expect(422).json();
    told.push(json!(["256 characters", answer["error"]]));
    assert_json_snapshot!(told);
    assert_json_snapshot!("a_wrong_limit", list(&roster, "limit=0").await.snapshot());
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
    for query in ["limit=1", "limit=100", "colour=red"] {
        list(&roster, query).await.expect(200);
    }
    let longest = "%F0%9F%8E%89".repeat(255);
    assert_eq!(list(&roster, &format!("query={longest}")).await.expect(200).text, "[]");
}

#[tokio::test]
async fn the_link_repeats_the_request_with_a_cursor() {
    let roster = Roster::start().await;
    let link = next(&list(&roster, "limit=1&query=%20D").await).expect("a next page");
    assert!(link.starts_with("/v1/admin/users?limit=1&query=+D&cursor="), "{link}");
    let second = next(&roster.get(&link, demo::PLATFORM_OPERATOR).await).expect("a third page");
    assert!(
        second.starts_with("/v1/admin/users?limit=1&query=+D&cursor=")
            && second.matches("cursor=").count() == 1,
        "{second}"
    );
}
