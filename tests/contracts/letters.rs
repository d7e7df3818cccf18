//! Search and name filters, of every contract that has one: they match letters however these are
//! written.
//!
//! Found: a name with a decomposed accent was not found by the composed one, nor `Straße` by
//! `STRASSE`.

use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use tests::Roster;
use uuid::Uuid;

/// A name, the ways to look for it, and some by which it is not found.
const CASES: [(&str, &[&str], &[&str]); 6] = [
    (
        "José Ñandú",
        &["José", "Jose\u{301}", "JOSÉ", "JOSE\u{301} N\u{303}", "josé ñ"],
        &["Jose N", "Jos\u{308}"],
    ),
    (
        "Zoe\u{308} Kru\u{308}ger",
        &["Zoë", "zoe\u{308}", "ZOË KRÜ", "Zoe\u{308} Krü"],
        &["Zoe K", "zöe"],
    ),
    ("Straße am Ufer", &["STRASSE", "Straße", "strasse am"], &["Strase"]),
    ("ﬁona Macleod", &["fiona", "FIONA", "ﬁona m"], &["fionna"]),
    ("한지민", &["한지", "\u{1112}\u{1161}\u{11ab}지"], &["하지"]),
    ("Ｙｕｋｉ Sato", &["yuki", "ＹＵＫＩ s"], &["yoki"]),
];

async fn found(
    roster: &Roster,
    path: &str,
    parameter: &str,
    sought: &str,
    caller: Uuid,
) -> Vec<String> {
    let sought: String = sought.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let separator = if path.contains('?') { '&' } else { '?' };
    let answer = roster
        .get(&format!("{path}{separator}{parameter}={sought}"), caller)
        .await
        .expect(200)
        .json();
    let text = |user: &Value| {
        ["name", "display_name"].iter().find_map(|field| user[field].as_str().map(str::to_owned))
    };
    answer.as_array().expect("a list").iter().filter_map(text).collect()
}

async fn check(roster: &Roster, path: &str, parameter: &str, caller: Uuid) {
    for (name, ways, others) in CASES {
        for way in ways {
            assert_eq!(
                found(roster, path, parameter, way, caller).await,
                [name],
                "{path} by {way:?}"
            );
        }
        for other in others {
            assert_eq!(
                found(roster, path, parameter, other, caller).await,
                [""; 0],
                "{path} by {other:?}"
            );
        }
    }
}

#[tokio::test]
async fn colleagues_are_found_however_letters_are_written() {
    let roster = Roster::start().await;
    for (n, (name, ..)) in CASES.iter().enumerate() {
        let body = json!({"email": format!("person{n}@example.com"), "name": name, "rootRole": 2});
        roster.call(Method::POST, "/api/admin/user-admin", demo::ADMIN, &body).await.expect(201);
    }
    check(&roster, "/api/admin/user-admin/search", "q", demo::VIEWER).await;
    check(&roster, "/v1/admin/users", "query", demo::PLATFORM_OPERATOR).await;
    roster.check_table().await;
}

#[tokio::test]
async fn managed_users_are_found_however_letters_are_written() {
    let roster = Roster::start().await;
    for (name, ..) in CASES {
        let (first, last) =
            name.split_once(' ').map_or((name, None), |(first, last)| (first, Some(last)));
        let body = json!({"first_name": first, "last_name": last});
        roster.call(Method::POST, "/api/v1/users/", demo::MANAGER, &body).await.expect(200);
    }
    check(&roster, "/api/v1/users/", "name", demo::MANAGER).await;
}

#[tokio::test]
async fn emails_and_usernames_are_found_however_letters_are_written() {
    let roster = Roster::start().await;
    let body =
        json!({"email": "zoë.straße@example.com", "username": "zoë", "name": "Ada", "rootRole": 2});
    roster.call(Method::POST, "/api/admin/user-admin", demo::ADMIN, &body).await.expect(201);
    for way in
        ["zoë", "zoe\u{308}", "ZOE\u{308}", "zoë.straße@example", "Zoe\u{308}.Straße@EXAMPLE.com"]
    {
        assert_eq!(
            found(&roster, "/api/admin/user-admin/search", "q", way, demo::VIEWER).await,
            ["Ada"],
            "{way:?}"
        );
        assert_eq!(
            found(&roster, "/v1/admin/users", "query", way, demo::PLATFORM_OPERATOR).await,
            ["Ada"],
            "{way:?}"
        );
    }
    // Another mailbox, which another person may have.
    let body = json!({"email": "zoë.strasse@example.com", "name": "Eve", "rootRole": 2});
    roster.call(Method::POST, "/api/admin/user-admin", demo::ADMIN, &body).await.expect(201);
    roster.check_table().await;
}
