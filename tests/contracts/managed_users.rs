//! The managed-users contract.

use std::collections::BTreeSet;

use insta::assert_json_snapshot;
use local::{TrailingSlash, demo};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::models::{Role, Sandbox, SandboxStatus, Share, Status, User};
use shared::table::Key;
use tests::{Answer, Roster, send};
use uuid::Uuid;

use crate::{NOBODY, changes, key, refusals, team, unchanged};

const LIST: &str = "/api/v1/users/";
const FINN: Uuid = demo::id(0x61);
const GITA: Uuid = demo::id(0x62);
const HUGO: Uuid = demo::id(0x63);
const INES: Uuid = demo::id(0x64);

fn one(id: Uuid) -> String {
    format!("/api/v1/users/{id}")
}

fn by_manager(roster: &Roster, method: Method, path: &str) -> RequestBuilder {
    roster.request(method, path).bearer_auth(roster.token(demo::MANAGER))
}

/// POST with a body as it is.
fn post(roster: &Roster, content_type: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    by_manager(roster, Method::POST, LIST).header("content-type", content_type).body(body)
}

/// PUT of Finn with a body as it is.
fn put(roster: &Roster, content_type: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    by_manager(roster, Method::PUT, &one(FINN)).header("content-type", content_type).body(body)
}

async fn create(
    roster: &Roster,
    manager: Uuid,
    first_name: &str,
    last_name: Option<&str>,
) -> Answer {
    roster
        .call(
            Method::POST,
            LIST,
            manager,
            &json!({"first_name": first_name, "last_name": last_name}),
        )
        .await
}

#[track_caller]
fn id_of(answer: &Answer) -> Uuid {
    answer.json()["id"].as_str().expect("an id").parse().expect("a UUID")
}

/// The display names that a query lists for the manager.
async fn names(roster: &Roster, query: &str) -> Vec<String> {
    let listed = roster.get(&format!("{LIST}{query}"), demo::MANAGER).await.expect(200).json();
    listed
        .as_array()
        .expect("a list")
        .iter()
        .map(|user| user["display_name"].as_str().expect("a name").to_owned())
        .collect()
}

/// The items of the table that name an id anywhere, but for the history that outlives a user.
async fn items_naming(roster: &Roster, id: Uuid) -> Vec<String> {
    let items = roster
        .items()
        .await
        .into_iter()
        .filter(|item| !item["pk"].as_str().is_some_and(|pk| pk.starts_with("AUDIT#")));
    items
        .map(|item| Value::Object(item).to_string())
        .filter(|item| item.contains(&id.to_string()))
        .collect()
}

#[tokio::test]
async fn a_credential_that_fails_is_refused_by_every_endpoint_alike() {
    let finn = one(FINN);
    let endpoints = [
        (Method::GET, LIST),
        (Method::GET, "/api/v1/users"),
        (Method::GET, "/api/v1/users/?include_managed=maybe"),
        (Method::POST, LIST),
        (Method::POST, "/api/v1/users"),
        (Method::GET, finn.as_str()),
        (Method::GET, "/api/v1/users/not-a-uuid"),
        (Method::PUT, &finn),
        (Method::DELETE, &finn),
        (Method::GET, "/api/v1/oauth/principal-token"),
        (Method::GET, USERINFO),
    ];
    assert_json_snapshot!(refusals(&endpoints).await);
}

#[tokio::test]
async fn the_list_is_the_caller_then_managed_users_then_those_who_share() {
    let roster = Roster::start().await;
    let before = roster.items().await;
    assert_json_snapshot!(roster.get(LIST, demo::MANAGER).await.snapshot());
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
}

#[tokio::test]
async fn who_manages_nobody_lists_themselves_and_what_is_shared() {
    let roster = Roster::start().await;
    assert_json_snapshot!([
        roster.get(LIST, demo::OPERATOR).await.snapshot(),
        roster.get(LIST, demo::VIEWER).await.snapshot(),
        roster.get(LIST, FINN).await.snapshot(),
    ]);
}

#[tokio::test]
async fn names_are_ordered_without_regard_to_case() {
    let roster = Roster::start().await;
    for first_name in ["anna", "Zeno", "gaia", "HANS"] {
        create(&roster, demo::MANAGER, first_name, None).await.expect(200);
    }
    let expected = [
        "Emi Tanaka",
        "anna",
        "Finn Berg",
        "gaia",
        "Gita Rao",
        "HANS",
        "Hugo",
        "ines Silva",
        "Zeno",
    ];
    assert_eq!(names(&roster, "?include_shared=false").await, expected);
}

#[tokio::test]
async fn who_shares_and_is_locked_or_deleted_is_not_listed() {
    let roster = Roster::start().await;
    // Who is deleted shares nothing: that was before.
    roster.call(Method::POST, "/v1/account/restore", crate::DELETED, &json!({})).await.expect(200);
    for grantor_id in [crate::SUSPENDED, crate::DELETED, crate::INVITED] {
        let share = Share {
            grantor_id,
            grantee_id: demo::MANAGER,
            scopes: vec!["data:read".into()],
            created_at: roster.now(),
        };
        roster
            .server
            .data
            .store
            .load_share(
                &share,
                &shared::store::Act::new(share.grantor_id, "share.granted", roster.now()),
            )
            .await
            .expect("shared");
    }
    roster.delete("/v1/account", crate::DELETED).await.expect(202);
    // Only the invited one is added to the three of the demo data.
    assert_eq!(
        names(&roster, "?include_managed=0").await,
        ["Emi Tanaka", "Ada", "Dara Sok", "Jonas Weber", "Nils Arctander"]
    );
}

#[tokio::test]
async fn both_flags_in_every_spelling_and_case() {
    let roster = Roster::start().await;
    let managed = ["Finn Berg", "Gita Rao", "Hugo", "ines Silva"];
    let shared = ["Ada", "Dara Sok", "Nils Arctander"];
    let list = |with_managed: bool, with_shared: bool| -> Vec<&str> {
        let groups = [
            (true, ["Emi Tanaka"].as_slice()),
            (with_managed, managed.as_slice()),
            (with_shared, shared.as_slice()),
        ];
        groups
            .into_iter()
            .filter(|(wanted, _)| *wanted)
            .flat_map(|(_, group)| group.to_vec())
            .collect()
    };
    let words = ["true", "1", "yes", "on", "t", "y"].map(|word| (word, true));
    let words =
        words.into_iter().chain(["false", "0", "no", "off", "f", "n"].map(|word| (word, false)));
    for (value, on) in words {
        let capital = format!("{}{}", value[..1].to_uppercase(), &value[1..]);
        for value in [value.to_owned(), value.to_uppercase(), capital] {
            assert_eq!(
                names(&roster, &format!("?include_managed={value}")).await,
                list(on, true),
                "{value}"
            );
            assert_eq!(
                names(&roster, &format!("?include_shared={value}")).await,
                list(true, on),
                "{value}"
            );
        }
    }
    assert_eq!(names(&roster, "").await, list(true, true));
    assert_eq!(
        names(&roster, "?include_managed=false&include_shared=off").await,
        list(false, false)
    );
    // The last of several counts, whatever stands before it.
    assert_eq!(
        names(&roster, "?include_managed=maybe&include_managed=1&include_managed=f").await,
        list(false, true)
    );
}

#[tokio::test]
async fn a_flag_that_is_no_boolean_is_unprocessable() {
    let roster = Roster::start().await;
    assert_json_snapshot!(
        roster
            .get("/api/v1/users/?include_managed=maybe&include_shared=2", demo::MANAGER)
            .await
            .snapshot()
    );
    for name in ["include_managed", "include_shared"] {
        for value in [
            "",
            "2",
            "-1",
            "tru",
            "%20t",
            "\u{fb00}",
            "ye",
            "null",
            "1.0",
            "yes%20please",
            "%E2%9C%93",
        ] {
            let answer = roster
                .get(&format!("{LIST}?{name}={value}"), demo::MANAGER)
                .await
                .expect(422)
                .json();
            assert_eq!(
                (&answer["detail"][0]["loc"], answer["detail"].as_array().map(Vec::len)),
                (&json!(["query", name]), Some(1)),
                "{value}"
            );
            assert_eq!(answer["detail"][0]["type"], "bool_parsing", "{value}");
        }
    }
}

#[tokio::test]
async fn a_name_lists_only_whose_display_name_contains_it_in_any_case() {
    let roster = Roster::start().await;
    for (query, expected) in [
        ("?name=rao", vec!["Gita Rao"]),
        ("?name=RAO", vec!["Gita Rao"]),
        ("?name=AN", vec!["Emi Tanaka", "Nils Arctander"]),
        ("?name=a%20r", vec!["Gita Rao"]),
        ("?name=nobody", vec![]),
        ("?name=ines&include_managed=false", vec![]),
        ("?name=ad&include_shared=false", vec![]),
        ("?name=ad", vec!["Ada"]),
    ] {
        assert_eq!(names(&roster, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_name_is_found_by_case_folding_and_however_it_is_composed() {
    let roster = Roster::start().await;
    for name in ["Straße", "ﬁona", "ΟΔΥΣΣΕΥΣ", "José", "Jose\u{301} II", "İpek", "Ilk"]
    {
        create(&roster, demo::MANAGER, name, None).await.expect(200);
    }
    for (sought, expected) in [
        ("STRASSE", vec!["Straße"]),
        ("strasse", vec!["Straße"]),
        ("raẞ", vec!["Straße"]),
        ("fiona", vec!["ﬁona"]),
        ("FIONA", vec!["ﬁona"]),
        ("ﬁ", vec!["ﬁona", "Finn Berg"]),
        ("οδυσσευς", vec!["ΟΔΥΣΣΕΥΣ"]),
        ("οδυσσευσ", vec!["ΟΔΥΣΣΕΥΣ"]),
        ("JOSÉ", vec!["José", "Jose\u{301} II"]),
        ("jose\u{301}", vec!["José", "Jose\u{301} II"]),
        ("jose", vec![]),
        ("i\u{307}pek", vec!["İpek"]),
        ("ipek", vec![]),
    ] {
        let query = format!("?include_shared=0&name={}", percent_encoded(sought));
        let mut found = names(&roster, &query).await;
        found.sort();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(found, expected, "{sought}");
    }
}

/// A text as a query may have it.
fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn list_and_create_work_with_and_without_the_slash_however_it_is_routed() {
    for routing in [TrailingSlash::Proxy, TrailingSlash::Default] {
        let roster = Roster::start_with(|options| options.trailing_slash = routing).await;
        for query in ["", "?include_managed=no", "?include_shared=maybe"] {
            let with = roster.get(&format!("/api/v1/users/{query}"), demo::MANAGER).await;
            let without = roster.get(&format!("/api/v1/users{query}"), demo::MANAGER).await;
            assert_eq!(with.snapshot(), without.snapshot(), "{routing:?} {query}");
        }
        for (path, name) in [("/api/v1/users/", "With"), ("/api/v1/users", "Without")] {
            let answer = roster
                .call(
                    Method::POST,
                    path,
                    demo::MANAGER,
                    &json!({"first_name": name, "last_name": null}),
                )
                .await
                .expect(200);
            assert_eq!(
                roster.get(&one(id_of(&answer)), demo::MANAGER).await.expect(200).text,
                answer.text
            );
            roster.call(Method::POST, path, demo::MANAGER, &json!({})).await.expect(422);
        }
        assert_eq!(names(&roster, "?name=with").await, ["With", "Without"], "{routing:?}");
        assert_eq!(
            roster.get(LIST, NOBODY).await.expect(401).snapshot(),
            roster.get("/api/v1/users", NOBODY).await.snapshot()
        );
    }
}

#[tokio::test]
async fn a_new_managed_user_is_in_the_table_and_in_every_list() {
    let roster = Roster::start().await;
    roster.advance(5);
    let answer = create(&roster, demo::MANAGER, "Ole", Some("Lund")).await;
    assert_json_snapshot!(answer.snapshot());
    let id = id_of(&answer);
    assert_eq!(roster.get(&one(id), demo::MANAGER).await.expect(200).text, answer.text);
    assert_eq!(names(&roster, "?name=Ole%20Lund").await, ["Ole Lund"]);
    let user = roster.user(id).await.expect("the record");
    let manager = roster.user(demo::MANAGER).await.expect("the manager");
    let expected = User {
        first_name: Some("Ole".into()),
        last_name: Some("Lund".into()),
        manager_id: Some(demo::MANAGER),
        tier: manager.tier,
        quota_tier_id: manager.quota_tier_id,
        ..User::new(id, 41, (demo::TEAM, "Acme Robotics"), roster.now())
    };
    assert_eq!(user, expected);
    assert_eq!((user.role, user.status), (Role::Viewer, Status::Active));
    assert_eq!(roster.get("/users?pageSize=1", demo::ADMIN).await.json()["total"], 36);
    assert_eq!(
        roster.get("/api/admin/user-admin/41", demo::ADMIN).await.expect(200).json()["id"],
        41
    );
    roster.check_table().await;
}

#[tokio::test]
async fn names_are_kept_as_sent() {
    let roster = Roster::start().await;
    let longest = "é".repeat(255);
    for (first_name, last_name, shown) in [
        ("Zoë", Some("Nuñez-Åkesson"), "Zoë Nuñez-Åkesson".to_owned()),
        ("李", None, "李".to_owned()),
        ("O'Neil \"Q\"", Some("<b>&amp;"), "O'Neil \"Q\" <b>&amp;".to_owned()),
        (&longest, Some("x"), format!("{longest} x")),
    ] {
        let answer = create(&roster, demo::MANAGER, first_name, last_name).await.expect(200);
        let body = answer.json();
        assert_eq!(
            (&body["first_name"], &body["last_name"], &body["display_name"]),
            (&json!(first_name), &json!(last_name), &json!(shown))
        );
        assert_eq!(roster.get(&one(id_of(&answer)), demo::MANAGER).await.text, answer.text);
    }
    roster.check_table().await;
}

#[tokio::test]
async fn fields_beyond_the_two_are_ignored() {
    let roster = Roster::start().await;
    let body = json!({"first_name": "Ole", "last_name": null, "admin": true, "id": NOBODY, "role": "admin", "manager_id": demo::ADMIN});
    let answer = roster.call(Method::POST, LIST, demo::MANAGER, &body).await.expect(200);
    let user = roster.user(id_of(&answer)).await.expect("the record");
    assert_eq!(
        (user.is_operator, user.role, user.manager_id),
        (false, Role::Viewer, Some(demo::MANAGER))
    );
    assert_ne!(user.id, NOBODY);
}

#[tokio::test]
async fn who_already_manages_and_who_does_not_may_create() {
    let roster = Roster::start().await;
    for manager in [demo::OPERATOR, demo::ADMIN, demo::OTHER_ADMIN, demo::PLATFORM_OPERATOR] {
        let id = id_of(&create(&roster, manager, "Ole", None).await.expect(200));
        let user = roster.user(id).await.expect("the record");
        let manager = roster.user(manager).await.expect("the manager");
        assert_eq!(
            (user.manager_id, user.team_id, user.team_name),
            (Some(manager.id), manager.team_id, manager.team_name)
        );
    }
    roster.check_table().await;
}

#[tokio::test]
async fn many_made_at_once_all_have_their_own_number() {
    let roster = Roster::start().await;
    let names: Vec<String> = (0..20).map(|place| format!("Twin {place}")).collect();
    let answers = futures::future::join_all(
        names.iter().map(|name| create(&roster, demo::MANAGER, name, None)),
    )
    .await;
    let ids: BTreeSet<Uuid> =
        answers.into_iter().map(|answer| id_of(&answer.expect(200))).collect();
    assert_eq!(ids.len(), 20);
    let numbers: BTreeSet<u64> =
        team(&roster, demo::TEAM).await.into_iter().map(|user| user.number).collect();
    assert_eq!(numbers.len(), 55);
    roster.check_table().await;
}

#[tokio::test]
async fn a_bad_body_makes_nobody() {
    let roster = Roster::start().await;
    let json_type = "application/json";
    let long = "x".repeat(256);
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("both missing", b"{}".to_vec()),
        ("first name missing", br#"{"last_name": null}"#.to_vec()),
        ("last name missing", br#"{"first_name": "Ole"}"#.to_vec()),
        ("first name null", br#"{"first_name": null, "last_name": null}"#.to_vec()),
        ("wrong types", br#"{"first_name": 1, "last_name": ["Lund"]}"#.to_vec()),
        ("a boolean and an object", br#"{"first_name": true, "last_name": {}}"#.to_vec()),
        ("256 characters", json!({"first_name": long, "last_name": long}).to_string().into_bytes()),
        ("blank", br#"{"first_name": "", "last_name": " \t "}"#.to_vec()),
        ("control characters", br#"{"first_name": "O\u0000le", "last_name": "Lu\nnd"}"#.to_vec()),
        ("not JSON", b"first_name=Ole&last_name=Lund".to_vec()),
        ("cut off", br#"{"first_name": "Ole", "last_name": "#.to_vec()),
        ("a raw control character", b"{\"first_name\": \"O\0le\", \"last_name\": null}".to_vec()),
        ("not UTF-8", b"{\"first_name\": \"Ol\xe9\", \"last_name\": null}".to_vec()),
        ("half a surrogate pair", br#"{"first_name": "\ud800", "last_name": null}"#.to_vec()),
        ("an array", br#"["Ole", null]"#.to_vec()),
        ("a string", br#""Ole""#.to_vec()),
        ("null", b"null".to_vec()),
        ("empty", Vec::new()),
        ("deeply nested", "[".repeat(100_000).into_bytes()),
    ];
    let mut told = Vec::new();
    for (name, body) in bodies {
        let answer = unchanged(&roster, post(&roster, json_type, body)).await;
        told.push(json!([name, answer.expect(422).snapshot()]));
    }
    assert_json_snapshot!(told);
}

#[tokio::test]
async fn a_body_of_six_megabytes_is_refused() {
    let roster = Roster::start().await;
    let body = json!({"first_name": "x".repeat(6 * 1024 * 1024), "last_name": null}).to_string();
    assert_json_snapshot!(
        unchanged(&roster, post(&roster, "application/json", body)).await.expect(422).snapshot()
    );
}

#[tokio::test]
async fn a_managed_user_may_not_create() {
    let roster = Roster::start().await;
    roster.get("/users/me", FINN).await.expect(200);
    let request = |body: &Value| {
        roster.request(Method::POST, LIST).bearer_auth(roster.token(FINN)).json(body)
    };
    let refused = unchanged(&roster, request(&json!({"first_name": "Ole", "last_name": null})))
        .await
        .expect(403);
    assert_json_snapshot!(refused.snapshot());
    assert_eq!(unchanged(&roster, request(&json!({}))).await.snapshot(), refused.snapshot());
}

#[tokio::test]
async fn a_managed_user_is_shown_to_the_manager() {
    let roster = Roster::start().await;
    assert_json_snapshot!([
        roster.get(&one(FINN), demo::MANAGER).await.snapshot(),
        roster.get(&one(HUGO), demo::MANAGER).await.snapshot(),
        roster
            .get(&one(GITA).to_uppercase().replace("/API/V1/USERS", "/api/v1/users"), demo::MANAGER)
            .await
            .snapshot(),
    ]);
}

#[tokio::test]
async fn whom_the_caller_does_not_manage_is_not_found_by_any_method() {
    let roster = Roster::start().await;
    let mine = create(&roster, demo::ADMIN, "Ole", None).await.expect(200);
    let not_found = roster.get(&one(NOBODY), demo::MANAGER).await;
    assert_json_snapshot!(not_found.snapshot());
    let mut hidden: Vec<(Uuid, String)> = vec![
        // Nobody, the caller, a colleague, who shares with the caller, another tenant, another
        // manager's.
        (demo::MANAGER, one(NOBODY)),
        (demo::MANAGER, one(demo::MANAGER)),
        (demo::MANAGER, one(demo::OPERATOR)),
        (demo::MANAGER, one(demo::ADMIN)),
        (demo::MANAGER, one(demo::OTHER_ADMIN)),
        (demo::MANAGER, one(id_of(&mine))),
        // Not even an administrator, a platform operator or the managed user.
        (demo::ADMIN, one(FINN)),
        (demo::PLATFORM_OPERATOR, one(FINN)),
        (demo::OTHER_ADMIN, one(FINN)),
        (FINN, one(FINN)),
        (FINN, one(GITA)),
    ];
    for id in [
        "not-a-uuid",
        "me",
        "1",
        "%20",
        "00000000000040008000000000000061",
        "%7B00000000-0000-4000-8000-000000000061%7D",
        "%FF",
    ] {
        hidden.push((demo::MANAGER, format!("/api/v1/users/{id}")));
    }
    roster.get("/users/me", FINN).await.expect(200);
    let before = roster.items().await;
    for (caller, path) in hidden {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            // What is wrong with the body says nothing about the user.
            for body in [json!({"first_name": "Mine"}), json!({"first_name": 1})] {
                let answer = roster.call(method.clone(), &path, caller, &body).await;
                assert_eq!(answer.snapshot(), not_found.snapshot(), "{caller} {method} {path}");
            }
        }
    }
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
}

#[tokio::test]
async fn a_form_renames_and_leaves_what_is_absent_or_empty() {
    let roster = Roster::start().await;
    let form = "application/x-www-form-urlencoded";
    let mut version = 1;
    for (body, first_name, last_name, shown) in [
        ("first_name=Fiona", "Fiona", Some("Berg"), "Fiona Berg"),
        ("last_name=Storm", "Fiona", Some("Storm"), "Fiona Storm"),
        (
            "first_name=Zo%C3%AB+Marie&last_name=%C3%85kesson%26Co",
            "Zoë Marie",
            Some("Åkesson&Co"),
            "Zoë Marie Åkesson&Co",
        ),
        ("first_name=&last_name=Lie", "Zoë Marie", Some("Lie"), "Zoë Marie Lie"),
        ("first_name=Finn&unknown=1", "Finn", Some("Lie"), "Finn Lie"),
    ] {
        roster.advance(1);
        version += 1;
        let answer = send(put(&roster, form, body)).await.expect(200);
        let told = answer.json();
        assert_eq!(
            (&told["first_name"], &told["last_name"], &told["display_name"]),
            (&json!(first_name), &json!(last_name), &json!(shown)),
            "{body}"
        );
        assert_eq!(roster.get(&one(FINN), demo::MANAGER).await.text, answer.text, "{body}");
        assert_eq!(
            names(&roster, &format!("?name={}", shown.replace('&', "%26"))).await,
            [shown],
            "{body}"
        );
        let user = roster.user(FINN).await.expect("the record");
        assert_eq!((user.version, user.updated_at), (version, roster.now()), "{body}");
    }
    assert_json_snapshot!(
        send(put(&roster, &format!("{form}; charset=utf-8"), "first_name=Last")).await.snapshot()
    );
    roster.check_table().await;
}

#[tokio::test]
async fn json_renames_and_null_clears() {
    let roster = Roster::start().await;
    for (body, first_name, last_name, shown) in [
        (json!({"first_name": "Fiona"}), json!("Fiona"), json!("Berg"), "Fiona Berg"),
        (json!({"last_name": null}), json!("Fiona"), Value::Null, "Fiona"),
        (
            json!({"first_name": "Finn", "last_name": "Lie", "admin": true}),
            json!("Finn"),
            json!("Lie"),
            "Finn Lie",
        ),
        (json!({"first_name": null}), Value::Null, json!("Lie"), "Lie"),
    ] {
        let answer = roster.call(Method::PUT, &one(FINN), demo::MANAGER, &body).await.expect(200);
        let told = answer.json();
        assert_eq!(
            (&told["first_name"], &told["last_name"], &told["display_name"], &told["admin"]),
            (&first_name, &last_name, &json!(shown), &json!(false)),
            "{body}"
        );
        assert_eq!(roster.get(&one(FINN), demo::MANAGER).await.text, answer.text, "{body}");
        assert_eq!(
            names(&roster, "?include_shared=0&name=")
                .await
                .iter()
                .filter(|name| *name == shown)
                .count(),
            1,
            "{body}"
        );
        roster.check_table().await;
    }
}

#[tokio::test]
async fn the_new_name_shows_in_the_other_contracts_too() {
    let roster = Roster::start().await;
    roster
        .call(
            Method::PUT,
            &one(FINN),
            demo::MANAGER,
            &json!({"first_name": "Aaron", "last_name": "Aab"}),
        )
        .await
        .expect(200);
    let first =
        roster.get("/users?sortBy=name&pageSize=1", demo::ADMIN).await.json()["results"][0].clone();
    assert_eq!((&first["id"], &first["name"]), (&json!(FINN), &json!("Aaron Aab")));
    let path = format!(
        "/api/v1/admin_user?account_id={}&sorting=title&pagination[page_size]=1",
        demo::TEAM
    );
    assert_eq!(roster.get(&path, demo::ADMIN).await.json()["summaries"][0]["title"], "Aaron Aab");
}

#[tokio::test]
async fn a_content_type_is_read_in_any_case_and_with_parameters() {
    let roster = Roster::start().await;
    for (place, content_type) in
        ["application/json; charset=utf-8", "Application/JSON", "APPLICATION/JSON;charset=UTF-8"]
            .into_iter()
            .enumerate()
    {
        let name = format!("Name {place}");
        let answer = send(put(&roster, content_type, json!({"first_name": name}).to_string()))
            .await
            .expect(200);
        assert_eq!(answer.json()["first_name"], json!(name), "{content_type}");
    }
    let answer = send(put(&roster, "Application/X-WWW-Form-URLEncoded", "first_name=Form"))
        .await
        .expect(200);
    assert_eq!(answer.json()["first_name"], "Form");
}

#[tokio::test]
async fn an_update_of_nothing_writes_nothing() {
    let roster = Roster::start().await;
    let before = roster.get(&one(FINN), demo::MANAGER).await.text;
    roster.advance(60);
    for (content_type, body) in [
        ("application/x-www-form-urlencoded", ""),
        ("application/x-www-form-urlencoded", "first_name=&last_name="),
        ("application/x-www-form-urlencoded", "first_name=Finn&last_name=Berg"),
        ("application/json", "{}"),
        ("application/json", r#"{"first_name": "Finn"}"#),
    ] {
        assert_eq!(
            unchanged(&roster, put(&roster, content_type, body)).await.expect(200).text,
            before,
            "{content_type} {body}"
        );
    }
}

#[tokio::test]
async fn a_bad_update_changes_nothing() {
    let roster = Roster::start().await;
    let (form, json_type) = ("application/x-www-form-urlencoded", "application/json");
    let long = "x".repeat(256);
    let mut told = Vec::new();
    for (content_type, body) in [
        (form, format!("first_name=Ole&last_name={long}")),
        (form, "first_name=+++&last_name=%09".to_owned()),
        (form, "first_name=%00".to_owned()),
        (form, "first_name=%FF%FE".to_owned()),
        (json_type, json!({"first_name": "Ole", "last_name": 1}).to_string()),
        (json_type, json!({"first_name": [], "last_name": long}).to_string()),
        (json_type, json!({"first_name": "", "last_name": " "}).to_string()),
        (json_type, "first_name=Ole".to_owned()),
        (json_type, "[]".to_owned()),
        (json_type, String::new()),
    ] {
        let answer = unchanged(&roster, put(&roster, content_type, body.clone())).await.expect(422);
        told.push(json!([
            content_type,
            body.chars().take(60).collect::<String>(),
            answer.snapshot()
        ]));
    }
    assert_json_snapshot!(told);
}

#[tokio::test]
async fn two_updates_at_once_lose_nothing() {
    let roster = Roster::start().await;
    let path = one(FINN);
    for round in 0..20 {
        let [first_name, last_name] = ["First", "Last"].map(|name| format!("{name} {round}"));
        let (first_body, last_body) =
            (json!({"first_name": first_name}), json!({"last_name": last_name}));
        let (one_answer, other) = tokio::join!(
            roster.call(Method::PUT, &path, demo::MANAGER, &first_body),
            roster.call(Method::PUT, &path, demo::MANAGER, &last_body),
        );
        one_answer.expect(200);
        other.expect(200);
        let user = roster.user(FINN).await.expect("the record");
        assert_eq!((user.first_name, user.last_name), (Some(first_name), Some(last_name)));
    }
    roster.check_table().await;
}

#[tokio::test]
async fn a_deleted_user_leaves_nothing_behind() {
    let roster = Roster::start().await;
    let store = &roster.server.data.store;
    // A managed user with everything that a user can have.
    for (grantor_id, grantee_id) in
        [(GITA, demo::VIEWER), (demo::OTHER_ADMIN, GITA), (GITA, demo::MANAGER)]
    {
        let share = Share {
            grantor_id,
            grantee_id,
            scopes: vec!["data:read".into()],
            created_at: roster.now(),
        };
        store
            .load_share(
                &share,
                &shared::store::Act::new(share.grantor_id, "share.granted", roster.now()),
            )
            .await
            .expect("shared");
    }
    let text = demo::api_key_text(GITA, 1);
    let sha256 = shared::auth::api_key::hash(text.reveal()).expect("a key");
    let key_id = demo::id(0xabc);
    let ends = roster.now().plus_seconds(86_400);
    let secret = json!({
        "user_id": GITA, "key_id": key_id, "scope": "user", "permissions": ["members:read"], "is_active": true, "expires_at": ends,
    });
    let api_key = json!({
        "id": key_id, "prefix": text.prefix(), "is_active": true, "name": "laptop", "created_at": roster.now(), "last_used_at": null,
        "scope": "user", "permissions": ["members:read"], "expires_at": ends, "revoked_at": null, "rotation_parent_key_id": null,
        "sha256": sha256, "is_rotated": false,
    });
    store.put(&Key::api_key(GITA, key_id), &api_key).await.expect("a key");
    store.put(&Key::api_key_secret(&sha256), &secret).await.expect("a key");
    for place in 0..120 {
        let sandbox = Sandbox {
            id: format!("sbx_{place:016x}"),
            user_id: GITA,
            template: "base".into(),
            status: SandboxStatus::Running,
            created_at: roster.now(),
            updated_at: roster.now(),
            metadata: Default::default(),
            started_at: None,
            destroyed_at: None,
            cpu_count: None,
            memory_mb: None,
            disk_mb: None,
            timeout_ms: None,
        };
        store.put(&Key::sandbox(GITA, &sandbox.id), &sandbox).await.expect("a sandbox");
    }
    // They count, beside the eight of the demo data.
    store
        .put(&Key::sandbox_count(demo::TEAM), &json!({"sandboxes": 8 + 120}))
        .await
        .expect("a count");
    let own_count = json!({"sandboxes": 120, "reserved_mb_ms": 0});
    store.put(&Key::own_sandbox_count(GITA), &own_count).await.expect("a count");
    assert!(items_naming(&roster, GITA).await.len() > 125);
    let by_key = |path| send(roster.request(Method::GET, path).bearer_auth(text.reveal()));
    by_key("/users/me").await.expect(200);

    let deleted = roster.delete(&one(GITA), demo::MANAGER).await;
    assert_json_snapshot!(deleted.snapshot());
    assert_eq!(deleted.text, "null");
    assert_eq!(items_naming(&roster, GITA).await, Vec::<String>::new());
    assert_eq!(
        roster
            .keys_with(&GITA.to_string())
            .await
            .into_iter()
            .filter(|key| !key.starts_with("AUDIT#"))
            .count(),
        0
    );
    assert_eq!(roster.user(GITA).await, None);
    assert_eq!(
        names(&roster, "?include_shared=no").await,
        ["Emi Tanaka", "Finn Berg", "Hugo", "ines Silva"]
    );
    assert_eq!(roster.get("/users?pageSize=1", demo::ADMIN).await.json()["total"], 34);
    roster.get("/api/admin/user-admin/7", demo::ADMIN).await.expect(404);
    by_key("/users/me").await.expect(401);
    roster.get("/users/me", GITA).await.expect(401);
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = roster.call(method, &one(GITA), demo::MANAGER, &json!({})).await;
        assert_eq!(answer.snapshot(), roster.get(&one(NOBODY), demo::MANAGER).await.snapshot());
    }
    roster.check_table().await;
}

#[tokio::test]
async fn a_number_is_not_given_again() {
    let roster = Roster::start().await;
    let first = id_of(&create(&roster, demo::MANAGER, "Ole", None).await.expect(200));
    let number = roster.user(first).await.expect("the record").number;
    roster.delete(&one(first), demo::MANAGER).await.expect(200);
    let second = id_of(&create(&roster, demo::MANAGER, "Ole", None).await.expect(200));
    assert!(roster.user(second).await.expect("the record").number > number);
    roster.check_table().await;
}

#[tokio::test]
async fn of_many_deletes_at_once_one_deletes_and_none_fails() {
    let roster = Roster::start().await;
    for _ in 0..5 {
        let id = id_of(&create(&roster, demo::MANAGER, "Ole", None).await.expect(200));
        let path = one(id);
        let answers =
            futures::future::join_all((0..8).map(|_| roster.delete(&path, demo::MANAGER))).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        // Two may both have found the user, and both be right that it is gone.
        assert!(
            statuses.contains(&200) && statuses.iter().all(|status| [200, 404].contains(status)),
            "{statuses:?}"
        );
        assert_eq!(items_naming(&roster, id).await, Vec::<String>::new());
        roster.check_table().await;
    }
}

#[tokio::test]
async fn a_delete_and_an_update_at_once_delete() {
    let roster = Roster::start().await;
    for _ in 0..10 {
        let id = id_of(&create(&roster, demo::MANAGER, "Ole", None).await.expect(200));
        let (path, body) = (one(id), json!({"first_name": "Per"}));
        let (updated, deleted) = tokio::join!(
            roster.call(Method::PUT, &path, demo::MANAGER, &body),
            roster.delete(&path, demo::MANAGER)
        );
        assert!([200, 404].contains(&updated.status), "{updated:?}");
        deleted.expect(200);
        assert_eq!(items_naming(&roster, id).await, Vec::<String>::new());
        roster.check_table().await;
    }
}

#[tokio::test]
async fn the_token_may_stand_in_a_cookie_or_in_refreshed_token() {
    let roster = Roster::start().await;
    let token = roster.token(demo::MANAGER);
    let expected = roster.get(LIST, demo::MANAGER).await.expect(200).text;
    for (header, value) in [
        ("cookie", format!("token={token}")),
        ("cookie", format!("theme=dark; token={token}; other=1")),
        ("refreshed-token", token.clone()),
        ("refreshed-token", format!("Bearer {token}")),
    ] {
        assert_eq!(
            send(roster.request(Method::GET, LIST).header(header, value)).await.expect(200).text,
            expected,
            "{header}"
        );
    }
    let mut told = Vec::new();
    for (header, value) in [
        ("cookie", "token=not.a.token".to_owned()),
        ("cookie", format!("Token={token}")),
        ("cookie", "token=".to_owned()),
        ("refreshed-token", "not.a.token".to_owned()),
        ("refreshed-token", String::new()),
    ] {
        let answer =
            send(roster.request(Method::GET, LIST).header(header, value)).await.expect(401);
        told.push(json!([header, answer.json()]));
    }
    assert_json_snapshot!(told);
    // No other contract takes them.
    for path in ["/users/me", "/v1/account/me", "/api/admin/user-admin/1"] {
        send(roster.request(Method::GET, path).header("cookie", format!("token={token}")))
            .await
            .expect(401);
        send(roster.request(Method::GET, path).header("refreshed-token", &token)).await.expect(401);
    }
}

#[tokio::test]
async fn the_header_comes_before_the_cookie() {
    let roster = Roster::start().await;
    let request = by_manager(&roster, Method::GET, LIST)
        .header("cookie", format!("token={}", roster.token(demo::VIEWER)));
    assert_eq!(send(request).await.expect(200).json()[0]["id"], json!(demo::MANAGER));
    let request = roster
        .request(Method::GET, LIST)
        .bearer_auth("not.a.token")
        .header("cookie", format!("token={}", roster.token(demo::VIEWER)));
    send(request).await.expect(401);
}

#[tokio::test]
async fn an_api_key_lists_and_changes_as_its_owner() {
    let roster = Roster::start().await;
    let api_key = key(demo::ADMIN, 1);
    let answer = send(roster.request(Method::GET, LIST).bearer_auth(&api_key)).await.expect(200);
    assert_eq!(answer.text, roster.get(LIST, demo::ADMIN).await.text);
    let body = json!({"first_name": "Ole", "last_name": null});
    let id = id_of(
        &send(roster.request(Method::POST, LIST).bearer_auth(&api_key).json(&body))
            .await
            .expect(200),
    );
    assert_eq!(roster.user(id).await.and_then(|user| user.manager_id), Some(demo::ADMIN));
    send(roster.request(Method::DELETE, &one(id)).bearer_auth(&api_key)).await.expect(200);
    roster.check_table().await;
}

const PRINCIPAL: &str = "/api/v1/oauth/principal-token";

#[tokio::test]
async fn the_principal_token_is_the_callers_own_with_the_seconds_it_has_left() {
    let roster = Roster::start().await;
    let token = roster.token(demo::MANAGER);
    let ask = || roster.request(Method::GET, PRINCIPAL).bearer_auth(&token);
    let answer = unchanged(&roster, ask()).await;
    assert_eq!(answer.json()["access_token"], json!(token));
    let mut shown = answer.snapshot();
    shown["body"]["access_token"] = json!("(the token)");
    assert_json_snapshot!(shown);
    roster.advance(599);
    assert_eq!(send(ask()).await.expect(200).json()["expires_in"], 3001);
    for (header, value) in
        [("cookie", format!("token={token}")), ("refreshed-token", token.clone())]
    {
        let answer =
            send(roster.request(Method::GET, PRINCIPAL).header(header, value)).await.expect(200);
        assert_eq!(answer.json()["access_token"], json!(token));
    }
}

#[tokio::test]
async fn a_managed_user_has_a_principal_token_too() {
    let roster = Roster::start().await;
    assert_eq!(
        roster.get(PRINCIPAL, FINN).await.expect(200).json()["access_token"],
        json!(roster.token(FINN))
    );
}

#[tokio::test]
async fn an_api_key_has_no_principal_token() {
    let roster = Roster::start().await;
    send(roster.request(Method::GET, LIST).bearer_auth(key(demo::ADMIN, 1))).await.expect(200);
    let answer =
        unchanged(&roster, roster.request(Method::GET, PRINCIPAL).bearer_auth(key(demo::ADMIN, 1)))
            .await;
    assert_json_snapshot!(answer.expect(403).snapshot());
}

const USERINFO: &str = "/api/v1/oauth/userinfo";

#[tokio::test]
async fn the_claims_are_those_of_the_caller() {
    let roster = Roster::start().await;
    let ask = || roster.request(Method::GET, USERINFO).bearer_auth(roster.token(demo::MANAGER));
    assert_json_snapshot!(unchanged(&roster, ask()).await.expect(200).snapshot());
    let by_cookie = roster
        .request(Method::GET, USERINFO)
        .header("cookie", format!("token={}", roster.token(demo::MANAGER)));
    assert_eq!(send(by_cookie).await.expect(200).text, send(ask()).await.text);
    // A managed user has no email, and a key with `account:read` reads its owner's.
    assert_eq!(roster.get(USERINFO, FINN).await.expect(200).json()["email"], Value::Null);
    let by_key = send(roster.request(Method::GET, USERINFO).bearer_auth(key(demo::ADMIN, 1)))
        .await
        .expect(200);
    assert_eq!(by_key.text, roster.get(USERINFO, demo::ADMIN).await.text);
    assert_eq!(by_key.json()["sub"], json!(demo::ADMIN));
}

#[tokio::test]
async fn a_token_that_acts_for_someone_opens_the_claims_of_its_scopes() {
    let roster = Roster::start().await;
    let own = roster.get(USERINFO, demo::VIEWER).await.expect(200).json();
    let actor = roster.get(USERINFO, demo::OTHER_ADMIN).await.expect(200).json();
    assert!(own["email"].is_string() && own["name"].is_string() && actor["email"].is_string());
    let share = format!("/api/v1/users/shares/{}", demo::OTHER_ADMIN);
    for (scopes, with_names, with_email) in [
        (vec!["openid"], false, false),
        (vec!["openid", "profile"], true, false),
        (vec!["openid", "email"], false, true),
        (vec!["openid", "profile", "email"], true, true),
    ] {
        roster
            .call(Method::PUT, &share, demo::VIEWER, &json!({"scopes": scopes}))
            .await
            .expect(200);
        let body = json!({"sub": demo::VIEWER});
        let delegated = roster
            .call(Method::POST, "/api/v1/oauth/delegated-token", demo::OTHER_ADMIN, &body)
            .await
            .expect(200);
        let token =
            |answer: Answer| answer.json()["access_token"].as_str().expect("a token").to_owned();
        let delegated = token(delegated);
        let principal = token(
            send(roster.request(Method::GET, PRINCIPAL).bearer_auth(&delegated)).await.expect(200),
        );
        for (credential, whole) in [(delegated, &own), (principal, &actor)] {
            let claims = send(roster.request(Method::GET, USERINFO).bearer_auth(credential))
                .await
                .expect(200)
                .json();
            let mut expected = whole.clone();
            if !with_names {
                expected["name"] = json!("");
                expected["given_name"] = Value::Null;
                expected["family_name"] = Value::Null;
            }
            if !with_email {
                expected["email"] = Value::Null;
            }
            assert_eq!(claims, expected, "{scopes:?}");
        }
    }
    roster
        .call(Method::PUT, &share, demo::VIEWER, &json!({"scopes": ["profile", "email"]}))
        .await
        .expect(200);
    let body = json!({"sub": demo::VIEWER});
    let answer = roster
        .call(Method::POST, "/api/v1/oauth/delegated-token", demo::OTHER_ADMIN, &body)
        .await
        .expect(200)
        .json();
    let delegated = answer["access_token"].as_str().expect("a token");
    send(roster.request(Method::GET, USERINFO).bearer_auth(delegated)).await.expect(403);
    roster.check_table().await;
}

#[tokio::test]
async fn managers_of_two_tenants_do_not_see_each_others() {
    let roster = Roster::start().await;
    let theirs = id_of(&create(&roster, demo::OTHER_ADMIN, "Ole", None).await.expect(200));
    assert!(!roster.get(LIST, demo::MANAGER).await.text.contains(&theirs.to_string()));
    let listed = roster.get(LIST, demo::OTHER_ADMIN).await.expect(200).json();
    assert_eq!((&listed[1]["id"], &listed[1]["is_managed"]), (&json!(theirs), &json!(true)));
    assert!(
        [FINN, GITA, HUGO, INES].iter().all(|id| !listed.to_string().contains(&id.to_string()))
    );
}
