//! The user-admin contract: listing, making, changing and deleting the users of a team.

use std::collections::BTreeSet;

use insta::assert_json_snapshot;
use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use shared::models::{AccountType, Role, Status};
use tests::checks::{key, unchanged};
use tests::{Answer, Roster, send};

use crate::{
    USER_ADMIN, create, numbered, record, request, shown, sign_up, team, unchanged_but_numbers,
};

/// What the published schema lets a user have.
const ALLOWED: [&str; 19] = [
    "id",
    "name",
    "email",
    "username",
    "imageUrl",
    "inviteLink",
    "loginAttempts",
    "emailSent",
    "rootRole",
    "seenAt",
    "createdAt",
    "accountType",
    "permissions",
    "scimId",
    "seatType",
    "companyRole",
    "productUpdatesEmailConsent",
    "activeSessions",
    "deletedSessions",
];

#[track_caller]
fn is_allowed(user: &Value) {
    for (name, value) in user.as_object().expect("an object") {
        assert!(ALLOWED.contains(&name.as_str()), "{name}");
        assert_ne!(value, "", "{name}");
    }
}

fn numbers(users: &Value) -> Vec<u64> {
    users
        .as_array()
        .expect("a list")
        .iter()
        .map(|user| user["id"].as_u64().expect("a number"))
        .collect()
}

/// The numbers that the list gives, which is read page by page where there are pages.
async fn walk(roster: &Roster, query: &str) -> Vec<u64> {
    let mut listed = Vec::new();
    let mut next = Some(format!("{USER_ADMIN}{query}"));
    while let Some(path) = next {
        let answer = roster.get(&path, demo::ADMIN).await.expect(200);
        let page = numbers(&answer.json()["users"]);
        assert!(!page.is_empty(), "{path}");
        listed.extend(page);
        next = next_page(&answer);
    }
    listed
}

fn next_page(answer: &Answer) -> Option<String> {
    let link = answer.headers.get("link")?;
    let path = link
        .strip_prefix('<')
        .and_then(|link| link.strip_suffix(">; rel=\"next\""))
        .expect("a link to the next page");
    Some(path.to_owned())
}

async fn put(roster: &Roster, number: u64, body: Value) -> Answer {
    roster.call(Method::PUT, &numbered(number), demo::ADMIN, &body).await
}

async fn search(roster: &Roster, text: &str) -> Vec<u64> {
    numbers(
        &roster.get(&format!("{USER_ADMIN}/search?q={text}"), demo::ADMIN).await.expect(200).json(),
    )
}

/// Holds that each body is refused as bad data and changes nothing; gives what is said of each.
async fn faults(roster: &Roster, method: Method, path: &str, bodies: &[Value]) -> Vec<Value> {
    let mut told = Vec::new();
    for body in bodies {
        let refused = request(roster, method.clone(), path, demo::ADMIN, body);
        let answer = unchanged(roster, refused).await.expect(400).json();
        assert_eq!(answer["name"], "BadDataError", "{body}");
        assert!(
            answer["message"]
                .as_str()
                .is_some_and(|message| message.starts_with("Request validation failed")),
            "{body}"
        );
        let details = answer["details"]
            .as_array()
            .expect("details")
            .iter()
            .map(|detail| detail["message"].clone());
        let sent: String = body.to_string().chars().take(80).collect();
        told.push(json!([sent, details.collect::<Vec<_>>()]));
    }
    told
}

mod the_list {
    use super::*;

    #[tokio::test]
    async fn holds_every_user_as_each_is_shown_alone_but_none_who_is_deleted() {
        let roster = Roster::start().await;
        for (caller, id) in [
            (demo::ADMIN, demo::TEAM),
            (demo::OTHER_ADMIN, demo::OTHER_TEAM),
            (demo::PLATFORM_OPERATOR, demo::PLATFORM_TEAM),
        ] {
            let mut expected = Vec::new();
            for user in team(&roster, id).await.iter().filter(|user| user.status != Status::Deleted)
            {
                expected.push(roster.get(&numbered(user.number), caller).await.expect(200).json());
            }
            let listed = roster.get(USER_ADMIN, caller).await.expect(200);
            assert_eq!(listed.json()["users"], json!(expected));
            assert_eq!(listed.headers.get("link"), None);
            expected.iter().for_each(is_allowed);
        }
        let deleted = team(&roster, demo::TEAM)
            .await
            .iter()
            .filter(|user| user.status == Status::Deleted)
            .count();
        assert!(deleted > 3, "there are deleted ones to leave out");
    }

    #[tokio::test]
    async fn comes_with_the_root_roles() {
        let roster = Roster::start().await;
        assert_json_snapshot!(roster.get(USER_ADMIN, demo::OTHER_ADMIN).await.snapshot());
    }

    #[tokio::test]
    async fn is_read_in_pages_of_any_size_with_every_user_once() {
        let roster = Roster::start().await;
        let all = walk(&roster, "").await;
        for limit in [1, 2, 7, all.len() - 1, all.len(), all.len() + 1, 5000] {
            assert_eq!(walk(&roster, &format!("?limit={limit}")).await, all, "{limit}");
        }
        let whole =
            roster.get(&format!("{USER_ADMIN}?limit={}", all.len()), demo::ADMIN).await.expect(200);
        assert_eq!(next_page(&whole), None, "nothing follows the last user");
    }

    #[tokio::test]
    async fn has_a_page_with_a_link_to_the_next() {
        let roster = Roster::start().await;
        assert_json_snapshot!(
            roster.get(&format!("{USER_ADMIN}?limit=2"), demo::ADMIN).await.snapshot()
        );
    }

    #[tokio::test]
    async fn passes_over_nobody_while_users_come_and_go() {
        let roster = Roster::start().await;
        // However the path is written, the link leads to no other host.
        let slashes = roster.get(&format!("/{USER_ADMIN}?limit=3"), demo::ADMIN).await.expect(200);
        let first = roster.get(&format!("{USER_ADMIN}?limit=3"), demo::ADMIN).await.expect(200);
        assert_eq!(slashes.headers.get("link"), first.headers.get("link"));
        assert_eq!(numbers(&first.json()["users"]), [1, 2, 3]);
        // The last of the page goes, and the first of the next one; a new one comes.
        for number in [3, 4] {
            roster.delete(&numbered(number), demo::ADMIN).await.expect(200);
        }
        let new = create(&roster, json!({"username": "late", "rootRole": 3})).await;
        let mut rest = Vec::new();
        let mut next = next_page(&first);
        while let Some(path) = next {
            let answer = roster.get(&path, demo::ADMIN).await.expect(200);
            rest.extend(numbers(&answer.json()["users"]));
            next = next_page(&answer);
        }
        assert_eq!(rest[0], 5);
        assert_eq!(*rest.last().expect("a user"), new);
        assert_eq!([vec![1, 2], rest].concat(), walk(&roster, "").await);
        roster.check_table().await;
    }

    #[tokio::test]
    async fn takes_no_other_limit_or_cursor() {
        let roster = Roster::start().await;
        let mut told = Vec::new();
        for query in [
            "limit=0",
            "limit=-1",
            "limit=5001",
            "limit=abc",
            "limit=",
            "limit=1.5",
            "limit=%2B1",
            "limit=99999999999999999999",
            "cursor=",
            "cursor=abc",
            "cursor=-1",
            "cursor=1.5",
            "limit=2&cursor=99999999999999999999",
        ] {
            let answer =
                roster.get(&format!("{USER_ADMIN}?{query}"), demo::ADMIN).await.expect(400).json();
            assert_eq!(answer["name"], "BadDataError", "{query}");
            told.push(json!([query, answer["details"]]));
        }
        assert_json_snapshot!(told);
    }
}

mod making {
    use super::*;

    #[tokio::test]
    async fn answers_the_new_user_with_the_link_to_sign_up_by() {
        let roster = Roster::start().await;
        let body = json!({"name": "New Person", "email": "New.Person@acme-robotics.example", "username": "newbie", "rootRole": 2});
        let answer = roster.call(Method::POST, USER_ADMIN, demo::ADMIN, &body).await.expect(201);
        assert_json_snapshot!(shown(&answer));
        is_allowed(&answer.json());
        let number = answer.json()["id"].as_u64().expect("a number");
        assert_eq!(answer.headers["location"], number.to_string());
        // No other response has the link.
        let mut made = answer.json();
        let fields = made.as_object_mut().expect("a user");
        assert!(fields.remove("inviteLink").is_some_and(|link| link.is_string()));
        assert_eq!(fields.remove("emailSent"), Some(json!(false)));
        let alone = roster.get(&numbered(number), demo::ADMIN).await.expect(200);
        assert_eq!((&alone.json(), &alone.headers["etag"]), (&made, &answer.headers["etag"]));
        let listed = roster.get(USER_ADMIN, demo::ADMIN).await.json();
        assert_eq!(listed["users"].as_array().and_then(|users| users.last()), Some(&made));
        let user = record(&roster, demo::TEAM, &json!(number)).await;
        assert_eq!((user.status, user.role, user.version), (Status::Invited, Role::Operator, 1));
        roster.check_table().await;
    }

    #[tokio::test]
    async fn takes_an_email_alone_or_a_username_alone() {
        let roster = Roster::start().await;
        for body in [
            json!({"email": "alone@acme-robotics.example", "rootRole": 3}),
            json!({"username": "alone", "rootRole": 3}),
        ] {
            assert_json_snapshot!(shown(
                &roster.call(Method::POST, USER_ADMIN, demo::ADMIN, &body).await
            ));
        }
        roster.check_table().await;
    }

    #[tokio::test]
    async fn takes_a_root_role_by_number_or_name() {
        let roster = Roster::start().await;
        let roles = [
            json!(1),
            json!("Admin"),
            json!(2),
            json!("Editor"),
            json!(3),
            json!("Viewer"),
            json!("1"),
            json!("3"),
            json!(2.0),
        ];
        for (place, (sent, expected)) in
            roles.into_iter().zip([1, 1, 2, 2, 3, 3, 1, 3, 2]).enumerate()
        {
            let body = json!({"username": format!("user-{place}"), "rootRole": sent});
            let answer =
                roster.call(Method::POST, USER_ADMIN, demo::ADMIN, &body).await.expect(201);
            assert_eq!(answer.json()["rootRole"], expected, "{body}");
        }
        roster.check_table().await;
    }

    #[tokio::test]
    async fn sends_no_mail_whether_asked_to_or_not() {
        let roster = Roster::start().await;
        for (place, send_email) in [json!(true), json!(false), Value::Null].into_iter().enumerate()
        {
            let body = json!({"email": format!("mail-{place}@acme-robotics.example"), "rootRole": 3, "sendEmail": send_email});
            let answer =
                roster.call(Method::POST, USER_ADMIN, demo::ADMIN, &body).await.expect(201).json();
            assert_eq!(answer["emailSent"], false);
            assert!(answer["inviteLink"].is_string());
        }
    }

    #[tokio::test]
    async fn counts_an_email_or_a_username_that_is_blank_or_null_as_not_given() {
        let roster = Roster::start().await;
        for blank in [json!(""), json!("  "), Value::Null] {
            for (given, other) in [("email", "username"), ("username", "email")] {
                let value = format!("given-{}-{}", given, team(&roster, demo::TEAM).await.len());
                let value =
                    if given == "email" { format!("{value}@acme-robotics.example") } else { value };
                let body = json!({given: value, other: blank, "rootRole": 3});
                let answer = roster
                    .call(Method::POST, USER_ADMIN, demo::ADMIN, &body)
                    .await
                    .expect(201)
                    .json();
                assert_eq!(
                    (&answer[given], answer.get(other), answer.get("name")),
                    (&json!(value), None, None)
                );
                is_allowed(&answer);
            }
        }
        roster.check_table().await;
    }

    #[tokio::test]
    async fn says_which_of_email_and_username_must_be_given() {
        let roster = Roster::start().await;
        for body in [
            json!({"rootRole": 1}),
            json!({"rootRole": 1, "name": "Only A Name"}),
            json!({"rootRole": 1, "email": "", "username": ""}),
            json!({"rootRole": 1, "email": null, "username": null}),
        ] {
            let answer =
                unchanged(&roster, request(&roster, Method::POST, USER_ADMIN, demo::ADMIN, &body))
                    .await
                    .expect(400)
                    .json();
            assert_eq!(
                (&answer["name"], &answer["message"]),
                (&json!("BadDataError"), &json!("You must specify username or email"))
            );
            assert_eq!(
                answer["details"],
                json!([{"message": "You must specify username or email"}])
            );
        }
    }

    #[tokio::test]
    async fn names_some_of_very_many_unknown_fields_in_part() {
        let roster = Roster::start().await;
        let fields: serde_json::Map<String, Value> =
            (0..2000).map(|n| (format!("{n:04}{}", "y".repeat(400)), json!(n))).collect();
        for path in [USER_ADMIN.to_owned(), format!("{USER_ADMIN}/inactive/delete")] {
            let many =
                request(&roster, Method::POST, &path, demo::ADMIN, &Value::Object(fields.clone()));
            let answer = unchanged(&roster, many).await.expect(400);
            assert!(answer.text.len() < 10_000, "{}", answer.text.len());
            assert!(
                (20..25).contains(&answer.json()["details"].as_array().map_or(0, Vec::len)),
                "{answer:?}"
            );
        }
    }

    #[tokio::test]
    async fn takes_no_password_and_says_so() {
        let roster = Roster::start().await;
        for (place, password) in
            [json!("a-good-one-123-GH"), json!("x"), json!(5)].into_iter().enumerate()
        {
            let body = json!({"username": format!("secretive-{place}"), "rootRole": 3, "password": password});
            let by_admin = request(&roster, Method::POST, USER_ADMIN, demo::ADMIN, &body);
            let answer = send(by_admin.header("idempotency-key", format!("with-password-{place}")))
                .await
                .expect(201);
            let warning = "299 - \"Not taken: password. The identity provider holds passwords.\"";
            assert_eq!(answer.headers["warning"], warning);
            // Sent again, it says so again.
            let again = request(&roster, Method::POST, USER_ADMIN, demo::ADMIN, &body);
            let again = send(again.header("idempotency-key", format!("with-password-{place}")))
                .await
                .expect(201);
            assert_eq!((&again.text, &again.headers["warning"][..]), (&answer.text, warning));
        }
        let traces = roster.traces(&["a-good-one-123-GH"]).await;
        assert_eq!(traces, [""; 0]);
        let body = json!({"username": "open", "rootRole": 3});
        let answer = roster.call(Method::POST, USER_ADMIN, demo::ADMIN, &body).await.expect(201);
        assert_eq!(answer.headers.get("warning"), None);
    }

    #[tokio::test]
    async fn keeps_emails_in_lower_case() {
        let roster = Roster::start().await;
        for (sent, kept) in [
            ("New.Person@Example.COM", "new.person@example.com"),
            ("J\u{d6}RG@example.com", "j\u{f6}rg@example.com"),
        ] {
            let number = create(&roster, json!({"email": sent, "rootRole": 3})).await;
            assert_eq!(
                record(&roster, demo::TEAM, &json!(number)).await.email.as_deref(),
                Some(kept)
            );
        }
        roster.check_table().await;
    }

    #[tokio::test]
    async fn takes_a_body_behind_a_byte_order_mark() {
        let roster = Roster::start().await;
        let post = roster.request(Method::POST, USER_ADMIN).bearer_auth(roster.token(demo::ADMIN));
        let post = post
            .header("content-type", "application/json")
            .body("\u{feff}{\"username\": \"marked\", \"rootRole\": 3}");
        assert_eq!(send(post).await.expect(201).json()["username"], "marked");
    }

    #[tokio::test]
    async fn takes_each_value_at_its_longest_in_characters() {
        let roster = Roster::start().await;
        // An email of 254 characters; names of 255, each of more than one byte.
        let email = format!("{}@{}.example", "e".repeat(64), "d".repeat(254 - 64 - 1 - 8));
        assert_eq!(email.len(), 254);
        let body = json!({"name": "\u{e5}".repeat(255), "username": "\u{4e16}".repeat(255), "email": email, "rootRole": 3});
        let answer =
            roster.call(Method::POST, USER_ADMIN, demo::ADMIN, &body).await.expect(201).json();
        assert_eq!((&answer["name"], &answer["email"]), (&body["name"], &body["email"]));
        roster.check_table().await;
    }

    #[tokio::test]
    async fn refuses_every_fault_and_tells_all_of_them_at_once() {
        let roster = Roster::start().await;
        let long = |most: usize| "x".repeat(most + 1);
        let bodies = [
            json!({}),
            json!({"email": "new@acme-robotics.example"}),
            json!({"email": "new@acme-robotics.example", "rootRole": null}),
            json!({"email": "new@acme-robotics.example", "rootRole": 0}),
            json!({"email": "new@acme-robotics.example", "rootRole": 4}),
            json!({"email": "new@acme-robotics.example", "rootRole": -1}),
            json!({"email": "new@acme-robotics.example", "rootRole": 1.5}),
            json!({"email": "new@acme-robotics.example", "rootRole": 18_446_744_073_709_551_615_u64}),
            json!({"email": "new@acme-robotics.example", "rootRole": "admin"}),
            json!({"email": "new@acme-robotics.example", "rootRole": "0"}),
            json!({"email": "new@acme-robotics.example", "rootRole": "01"}),
            json!({"email": "new@acme-robotics.example", "rootRole": true}),
            json!({"email": "new@acme-robotics.example", "rootRole": "Owner"}),
            json!({"email": "new@acme-robotics.example", "rootRole": [1]}),
            json!({"email": "no-at-sign", "rootRole": 3}),
            json!({"email": "@acme-robotics.example", "rootRole": 3}),
            json!({"email": "new@", "rootRole": 3}),
            json!({"email": "with space@acme-robotics.example", "rootRole": 3}),
            json!({"email": 5, "rootRole": 3}),
            json!({"email": format!("e@{}", long(252)), "rootRole": 3}),
            json!({"username": 5, "rootRole": 3}),
            json!({"username": long(255), "rootRole": 3}),
            json!({"username": "line\nbreak", "rootRole": 3}),
            json!({"username": "new", "name": {}, "rootRole": 3}),
            json!({"username": "new", "name": "", "rootRole": 3}),
            json!({"username": "new", "name": null, "rootRole": 3}),
            json!({"username": "new", "rootRole": 3, "id": 1, "team_id": demo::TEAM, "scimId": "x"}),
            json!({"username": "new", "isAPI": false, "foo": 1}),
            json!({"username": "new", "name": long(255), "rootRole": 3}),
            json!({"username": "new", "rootRole": 3, "sendEmail": "yes"}),
            json!({"username": "new", "rootRole": 3, "sendEmail": 1}),
            json!({"name": 1, "email": 2, "username": 3, "rootRole": "4", "sendEmail": 5}),
            json!([]),
            json!("text"),
            Value::Null,
        ];
        assert_json_snapshot!(faults(&roster, Method::POST, USER_ADMIN, &bodies).await);
    }

    #[tokio::test]
    async fn refuses_a_body_that_is_no_json() {
        let roster = Roster::start().await;
        let mut told = Vec::new();
        for body in ["", "{", "{\"email\": \"new@acme-robotics.example\", \"rootRole\": 3"] {
            let post =
                roster.request(Method::POST, USER_ADMIN).bearer_auth(roster.token(demo::ADMIN));
            let answer =
                unchanged(&roster, post.header("content-type", "application/json").body(body))
                    .await;
            told.push(json!([body, answer.snapshot()]));
        }
        assert_json_snapshot!(told);
    }

    #[tokio::test]
    async fn refuses_a_body_of_another_type() {
        let roster = Roster::start().await;
        let body = "{\"username\": \"new\", \"rootRole\": 3}";
        let mut told = Vec::new();
        let endpoints = [
            (Method::POST, USER_ADMIN.to_owned()),
            (Method::PUT, numbered(4)),
            (Method::POST, format!("{USER_ADMIN}/inactive/delete")),
        ];
        for (method, path) in endpoints {
            for content_type in
                ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""]
            {
                let post = roster
                    .request(method.clone(), &path)
                    .bearer_auth(roster.token(demo::ADMIN))
                    .body(body);
                let answer =
                    unchanged(&roster, post.header("content-type", content_type)).await.expect(415);
                told.push(json!([
                    method.as_str(),
                    answer.json()["name"],
                    answer.json()["message"]
                ]));
            }
        }
        assert_json_snapshot!(told);
        let post = roster
            .request(Method::POST, USER_ADMIN)
            .bearer_auth(roster.token(demo::ADMIN))
            .body(body);
        send(post.header("content-type", "Application/JSON; charset=utf-8")).await.expect(201);
        // A body that does not say what it is, and none at all.
        for body in ["{\"rootRole\": 2}", ""] {
            for (method, path) in
                [(Method::PUT, numbered(4)), (Method::POST, USER_ADMIN.to_owned())]
            {
                let untyped =
                    roster.request(method, &path).bearer_auth(roster.token(demo::ADMIN)).body(body);
                let answer = unchanged(&roster, untyped).await.expect(415).json();
                assert_eq!(answer["name"], "ContentTypeError");
                assert!(
                    answer["message"].as_str().is_some_and(|message| message.contains("(none)")),
                    "{answer}"
                );
            }
        }
        roster.check_table().await;
    }

    #[tokio::test]
    async fn refuses_an_email_that_anyone_has_ignoring_case() {
        let roster = Roster::start().await;
        let body = json!({"email": "ADA.Nordmann@Acme-Robotics.example", "rootRole": 3});
        let refused = unchanged_but_numbers(
            &roster,
            request(&roster, Method::POST, USER_ADMIN, demo::ADMIN, &body),
        )
        .await;
        assert_json_snapshot!(refused.snapshot());
        // Emails are unique over all teams; and a deleted user may be restored, so that theirs is
        // kept.
        let deleted =
            roster.user(demo::id(0x110)).await.and_then(|user| user.email).expect("an email");
        for email in ["nils.arctander@northwind.example".to_owned(), deleted] {
            let body = json!({"email": email, "username": "free", "rootRole": 3});
            let answer = unchanged_but_numbers(
                &roster,
                request(&roster, Method::POST, USER_ADMIN, demo::ADMIN, &body),
            )
            .await;
            assert_eq!(answer.snapshot(), refused.snapshot(), "{body}");
        }
    }

    #[tokio::test]
    async fn refuses_a_username_that_a_colleague_has_ignoring_case() {
        let roster = Roster::start().await;
        for username in ["ada", "ADA", "Deploy-Bot"] {
            let body =
                json!({"username": username, "email": "free@acme-robotics.example", "rootRole": 3});
            let answer = unchanged_but_numbers(
                &roster,
                request(&roster, Method::POST, USER_ADMIN, demo::ADMIN, &body),
            )
            .await;
            assert_eq!(
                (answer.status, &answer.json()["message"]),
                (400, &json!("User already exists")),
                "{username}"
            );
        }
        // In another team it is free.
        roster
            .call(
                Method::POST,
                USER_ADMIN,
                demo::OTHER_ADMIN,
                &json!({"username": "ada", "rootRole": 3}),
            )
            .await
            .expect(201);
        roster.check_table().await;
    }

    #[tokio::test]
    async fn makes_the_user_of_the_callers_team_alone() {
        let roster = Roster::start().await;
        let before = team(&roster, demo::TEAM).await;
        let body = json!({"username": "northern", "rootRole": "Viewer"});
        let answer = roster
            .call(Method::POST, USER_ADMIN, demo::OTHER_ADMIN, &body)
            .await
            .expect(201)
            .json();
        assert_eq!((&answer["id"], &answer["scimId"]), (&json!(6), &Value::Null));
        assert_eq!(team(&roster, demo::TEAM).await, before);
        assert_eq!(record(&roster, demo::OTHER_TEAM, &json!(6)).await.team_name, "Northwind");
        roster.check_table().await;
    }

    #[tokio::test]
    async fn lets_the_user_sign_up_into_the_same_number_and_role() {
        let roster = Roster::start().await;
        let number = create(
            &roster,
            json!({"name": "New Admin", "email": "new.admin@acme-robotics.example", "rootRole": 1}),
        )
        .await;
        let sub = uuid::Uuid::from_u128(0x5160_0000_0000_4000_8000_0000_0000_0001);
        sign_up(&roster, sub, "New.Admin@acme-robotics.example").await.expect(201);
        let user = roster.get(&numbered(number), sub).await.expect(200).json();
        assert_eq!(
            (&user["rootRole"], &user["name"], &user["inviteLink"]),
            (&json!(1), &json!("New Admin"), &Value::Null)
        );
        assert_eq!(record(&roster, demo::TEAM, &json!(number)).await.id, sub);
        roster.check_table().await;
    }
}

mod changing {
    use super::*;

    #[tokio::test]
    async fn takes_each_field_alone_and_leaves_the_others() {
        let roster = Roster::start().await;
        let mut expected = roster.get(&numbered(4), demo::ADMIN).await.expect(200).json();
        let before = record(&roster, demo::TEAM, &json!(4)).await;
        for (name, sent, shown) in [
            ("name", json!("Dara Renamed"), json!("Dara Renamed")),
            ("email", json!("dara@elsewhere.example"), json!("dara@elsewhere.example")),
            ("rootRole", json!("Editor"), json!(2)),
            ("rootRole", json!(1), json!(1)),
        ] {
            let answer = put(&roster, 4, json!({name: sent})).await.expect(200);
            expected[name] = shown;
            // The root role is shown where it was sent.
            let mut told = expected.clone();
            if name != "rootRole" {
                told.as_object_mut().expect("a user").remove("rootRole");
            }
            assert_eq!(answer.json(), told);
            let alone = roster.get(&numbered(4), demo::ADMIN).await;
            assert_eq!(
                (alone.json(), &alone.headers["etag"]),
                (expected.clone(), &answer.headers["etag"])
            );
        }
        let after = record(&roster, demo::TEAM, &json!(4)).await;
        assert_eq!((after.version, after.role), (before.version + 4, Role::Admin));
        assert_eq!(after.email_verified_at, None, "another email is yet to be proven");
        roster.check_table().await;
    }

    #[tokio::test]
    async fn answers_the_user() {
        let roster = Roster::start().await;
        let body =
            json!({"name": "Dara Renamed", "email": "dara@elsewhere.example", "rootRole": 2});
        assert_json_snapshot!(put(&roster, 4, body).await.snapshot());
    }

    #[tokio::test]
    async fn of_nothing_writes_nothing() {
        let roster = Roster::start().await;
        let present =
            json!({"name": "Dara Sok", "email": "dara.sok@acme-robotics.example", "rootRole": 3});
        let shown = roster.get(&numbered(4), demo::ADMIN).await.expect(200).json();
        for body in [json!({}), present, json!({"rootRole": "Viewer"}), json!({"unknown": 1})] {
            let answer =
                unchanged(&roster, request(&roster, Method::PUT, &numbered(4), demo::ADMIN, &body))
                    .await
                    .expect(200);
            let mut told = answer.json();
            told["rootRole"] = json!(3);
            assert_eq!(told, shown);
            assert_eq!(
                answer.json().get("rootRole").is_some(),
                body.get("rootRole").is_some(),
                "{body}"
            );
        }
        // No body at all, of the right type.
        let put = roster.request(Method::PUT, &numbered(4)).bearer_auth(roster.token(demo::ADMIN));
        let answer = unchanged(&roster, put.header("content-type", "application/json").body(""))
            .await
            .expect(200);
        assert_eq!(answer.json()["name"], "Dara Sok");
    }

    #[tokio::test]
    async fn leaves_what_is_null_or_blank_as_it_is() {
        let roster = Roster::start().await;
        let blanks = [
            json!({"name": null}),
            json!({"name": ""}),
            json!({"name": "  "}),
            json!({"email": null}),
            json!({"email": ""}),
            json!({"rootRole": null}),
            json!({"rootRole": 0}),
            json!({"rootRole": 0.0}),
            json!({"rootRole": "0"}),
            json!({"name": null, "email": "", "rootRole": 0}),
        ];
        // Who has no username, and who has no email.
        for number in [4, 6] {
            for body in &blanks {
                let answer = unchanged(
                    &roster,
                    request(&roster, Method::PUT, &numbered(number), demo::ADMIN, body),
                )
                .await
                .expect(200)
                .json();
                assert_eq!(
                    answer.get("rootRole").is_some(),
                    body.get("rootRole").is_some(),
                    "{body}"
                );
            }
        }
    }

    #[tokio::test]
    async fn names_each_field_that_it_does_not_take() {
        let roster = Roster::start().await;
        let warning = async |body: Value| {
            let answer = put(&roster, 4, body).await.expect(200);
            let warning = answer.headers.get("warning").cloned()?;
            let fields = warning
                .strip_prefix("299 - \"Not taken: ")
                .and_then(|text| text.strip_suffix("\""));
            Some(
                fields
                    .and_then(|text| text.split_once(". "))
                    .expect("fields and a sentence")
                    .0
                    .to_owned(),
            )
        };
        let named = |names: &str| Some(names.to_owned());
        assert_eq!(
            warning(json!({"name": "Dara S", "username": "dara", "scimId": 5})).await,
            named("scimId, username")
        );
        // The product's UI repeats the id.
        assert_eq!(
            warning(json!({"id": 4, "name": "Dara S", "email": "", "rootRole": 3})).await,
            None
        );
        assert_eq!(warning(json!({"id": 5, "name": "Dara S"})).await, named("id"));
        assert_eq!(warning(json!({"id": "4"})).await, named("id"));
        // What a header cannot hold is left out of the names.
        assert_eq!(warning(json!({"a\r\nset-cookie: \"b\"": 1})).await, named("aset-cookieb"));
        let many: serde_json::Map<String, Value> =
            (0..100).map(|n| (format!("{n:03}{}", "x".repeat(500)), json!(n))).collect();
        let fields = warning(Value::Object(many)).await.expect("fields");
        assert_eq!((fields.split(", ").count(), fields.len()), (20, 20 * 100 + 19 * 2));
        let user = record(&roster, demo::TEAM, &json!(4)).await;
        assert_eq!((user.username, user.scim_id), (None, None));
        roster.check_table().await;
    }

    #[tokio::test]
    async fn of_an_email_frees_the_old_one_and_takes_the_new_one() {
        let roster = Roster::start().await;
        put(&roster, 4, json!({"email": "Dara@Elsewhere.example"})).await.expect(200);
        let taken = json!({"email": "dara@elsewhere.EXAMPLE", "rootRole": 3});
        let answer = unchanged_but_numbers(
            &roster,
            request(&roster, Method::POST, USER_ADMIN, demo::OTHER_ADMIN, &taken),
        )
        .await;
        assert_eq!(
            (answer.status, &answer.json()["message"]),
            (400, &json!("User already exists"))
        );
        create(&roster, json!({"email": "DARA.SOK@acme-robotics.example", "rootRole": 3})).await;
        // The old one is another's now.
        let back = json!({"email": "dara.sok@acme-robotics.example"});
        let answer =
            unchanged(&roster, request(&roster, Method::PUT, &numbered(4), demo::ADMIN, &back))
                .await;
        assert_json_snapshot!(answer.snapshot());
        roster.check_table().await;
    }

    #[tokio::test]
    async fn of_an_emails_case_alone_keeps_it() {
        let roster = Roster::start().await;
        let answer =
            put(&roster, 4, json!({"email": "Dara.SOK@acme-robotics.example"})).await.expect(200);
        assert_eq!(answer.json()["email"], "dara.sok@acme-robotics.example");
        let user = record(&roster, demo::TEAM, &json!(4)).await;
        assert!(user.email_verified_at.is_some(), "it is the same mailbox, and proven");
        roster.check_table().await;
    }

    #[tokio::test]
    async fn refuses_every_fault() {
        let roster = Roster::start().await;
        let bodies = [
            json!({"name": 1}),
            json!({"name": "x".repeat(256)}),
            json!({"name": "tab\there"}),
            json!({"email": "no-at-sign"}),
            json!({"email": true}),
            json!({"email": format!("e@{}", "x".repeat(253))}),
            json!({"rootRole": false}),
            json!({"rootRole": -1}),
            json!({"rootRole": 0.5}),
            json!({"rootRole": "viewer"}),
            json!({"name": 1, "email": 2, "rootRole": 5}),
            json!({"name": "Good Name", "rootRole": 9}),
            json!([]),
        ];
        assert_json_snapshot!(faults(&roster, Method::PUT, &numbered(4), &bodies).await);
    }

    #[tokio::test]
    async fn finds_nobody_who_is_unknown_deleted_or_of_another_team() {
        let roster = Roster::start().await;
        let body = json!({"name": "Found"});
        for (caller, number) in [
            (demo::ADMIN, "99"),
            (demo::ADMIN, "16"),
            (demo::ADMIN, "0"),
            (demo::ADMIN, "-1"),
            (demo::OTHER_ADMIN, "6"),
        ] {
            for method in [Method::PUT, Method::DELETE] {
                let answer =
                    unchanged(&roster, request(&roster, method, &numbered(number), caller, &body))
                        .await
                        .expect(404)
                        .json();
                assert_eq!(answer["name"], "NotFoundError");
                assert_eq!(
                    answer["message"],
                    json!(format!("Could not find a user with ID \"{number}\"."))
                );
            }
        }
        for id in ["abc", "1.5", "9223372036854775808"] {
            for method in [Method::PUT, Method::DELETE] {
                let answer =
                    unchanged(&roster, request(&roster, method, &numbered(id), demo::ADMIN, &body))
                        .await
                        .expect(400)
                        .json();
                assert_eq!(
                    (&answer["name"], &answer["details"][0]["path"]),
                    (&json!("BadDataError"), &json!("/params/id")),
                    "{id}"
                );
            }
        }
    }

    #[tokio::test]
    async fn keeps_the_last_administrator_one() {
        let roster = Roster::start().await;
        // Whoever is invited has yet to come, and a machine governs nobody: they do not stand in
        // for a person.
        let invited = json!({"email": "second@northwind.example", "rootRole": "Admin"});
        roster.call(Method::POST, USER_ADMIN, demo::OTHER_ADMIN, &invited).await.expect(201);
        let refused = unchanged(
            &roster,
            request(&roster, Method::PUT, &numbered(1), demo::OTHER_ADMIN, &json!({"rootRole": 3})),
        )
        .await;
        assert_json_snapshot!(refused.snapshot());
        let with_name = json!({"name": "Changed", "rootRole": "Editor"});
        for (method, body) in [(Method::PUT, &with_name), (Method::DELETE, &json!({}))] {
            let answer =
                unchanged(&roster, request(&roster, method, &numbered(1), demo::OTHER_ADMIN, body))
                    .await;
            assert_eq!(answer.snapshot(), refused.snapshot(), "{body}");
        }
        // Other changes of theirs pass; and so does this one when there is another administrator.
        roster
            .call(
                Method::PUT,
                &numbered(1),
                demo::OTHER_ADMIN,
                &json!({"name": "Nils", "rootRole": 1}),
            )
            .await
            .expect(200);
        roster
            .call(Method::PUT, &numbered(2), demo::OTHER_ADMIN, &json!({"rootRole": 1}))
            .await
            .expect(200);
        roster
            .call(Method::PUT, &numbered(1), demo::OTHER_ADMIN, &json!({"rootRole": 2}))
            .await
            .expect(200);
        roster.get(USER_ADMIN, demo::OTHER_ADMIN).await.expect(403);
        roster.get(USER_ADMIN, demo::id(0xb3)).await.expect(200);
        roster.check_table().await;
    }
}

mod deleting {
    use super::*;

    #[tokio::test]
    async fn answers_nothing_and_the_second_time_that_there_is_nobody() {
        let roster = Roster::start().await;
        let before = record(&roster, demo::TEAM, &json!(4)).await;
        assert_json_snapshot!("deleted", roster.delete(&numbered(4), demo::ADMIN).await.snapshot());
        let after = record(&roster, demo::TEAM, &json!(4)).await;
        assert_eq!(
            (after.status, after.deleted_by, after.deleted_from),
            (Status::Deleted, Some(demo::ADMIN), Some(before.status))
        );
        assert_eq!(after.soft_deleted_at, Some(roster.now()));
        assert_eq!(after.delete_scheduled_at, Some(roster.now().plus_seconds(30 * 86_400)));
        assert_eq!((after.email, after.name), (before.email, before.name), "nothing is erased yet");
        let again =
            roster.request(Method::DELETE, &numbered(4)).bearer_auth(roster.token(demo::ADMIN));
        assert_json_snapshot!("deleted_again", unchanged(&roster, again).await.snapshot());
        roster.get(&numbered(4), demo::ADMIN).await.expect(404);
        assert!(!walk(&roster, "").await.contains(&4));
        assert_eq!(search(&roster, "dara").await, [0; 0]);
        roster.get("/v1/account/me", demo::VIEWER).await.expect(403);
        roster.check_table().await;
    }

    #[tokio::test]
    async fn ends_the_users_api_keys() {
        let roster = Roster::start().await;
        // An administrator with a key deletes another with several, and then nobody passes with
        // those.
        let colleague = demo::id(0x10d);
        let asked = json!({"name": "own", "permissions": ["members:read"]});
        let own = roster.call(Method::POST, "/v1/keys", colleague, &asked).await.expect(201).json();
        let own = own["key"].as_str().expect("a key").to_owned();
        let works = async |key: &str| {
            send(roster.request(Method::GET, USER_ADMIN).header("authorization", key)).await.status
        };
        assert_eq!(
            (
                works(&own).await,
                works(&key(demo::ADMIN, 1)).await,
                works(&key(demo::ADMIN, 4)).await
            ),
            (200, 200, 200)
        );
        roster.delete(&numbered(1), colleague).await.expect(200);
        assert_eq!(
            (
                works(&own).await,
                works(&key(demo::ADMIN, 1)).await,
                works(&key(demo::ADMIN, 4)).await
            ),
            (200, 401, 401)
        );
        roster.check_table().await;
    }

    #[tokio::test]
    async fn takes_users_of_every_kind_but_the_last_administrator() {
        let roster = Roster::start().await;
        let all = walk(&roster, "").await;
        // The machine, the invited and the suspended ones, managed ones and their manager, the
        // other administrators.
        for number in all.iter().filter(|number| **number != 1) {
            roster.delete(&numbered(number), demo::ADMIN).await.expect(200);
        }
        assert_eq!(walk(&roster, "").await, [1]);
        let last =
            roster.request(Method::DELETE, &numbered(1)).bearer_auth(roster.token(demo::ADMIN));
        let answer = unchanged(&roster, last).await.expect(400).json();
        assert_eq!(answer["name"], "BadDataError");
        roster.check_table().await;
    }

    #[tokio::test]
    async fn that_is_refused_ends_none_of_many_keys() {
        let roster = Roster::start().await;
        for _ in 0..45 {
            roster.call(Method::POST, "/v1/keys", demo::OTHER_ADMIN, &json!({})).await.expect(201);
        }
        let delete = || {
            roster
                .request(Method::DELETE, &numbered(1))
                .bearer_auth(roster.token(demo::OTHER_ADMIN))
        };
        unchanged(&roster, delete()).await.expect(400);
        // With another administrator it passes, and all of them end.
        roster
            .call(Method::PUT, &numbered(2), demo::OTHER_ADMIN, &json!({"rootRole": 1}))
            .await
            .expect(200);
        send(delete()).await.expect(200);
        let keys = roster
            .items()
            .await
            .into_iter()
            .filter(|item| item["sk"] == "KEY" && item["user_id"] == json!(demo::OTHER_ADMIN));
        let works: Vec<_> = keys.map(|key| key["is_active"].clone()).collect();
        assert_eq!(works, vec![json!(false); 45]);
        roster.check_table().await;
    }

    #[tokio::test]
    async fn of_oneself_is_the_end() {
        let roster = Roster::start().await;
        roster.delete(&numbered(1), demo::ADMIN).await.expect(200);
        let answer = roster.get(USER_ADMIN, demo::ADMIN).await.expect(401).json();
        assert_eq!(answer["name"], "UnauthorizedError");
        roster.check_table().await;
    }
}

/// A few numbers are taken at a time, for each team.
#[tokio::test]
async fn users_who_are_made_by_turns_in_two_teams_take_the_numbers_one_by_one() {
    let roster = Roster::start().await;
    let mut numbers: [Vec<u64>; 2] = Default::default();
    for n in 0..4 {
        for (team, admin) in [demo::ADMIN, demo::OTHER_ADMIN].into_iter().enumerate() {
            let body = json!({"email": format!("turn{n}.{team}@example.com"), "rootRole": 3});
            let answer =
                roster.call(Method::POST, USER_ADMIN, admin, &body).await.expect(201).json();
            numbers[team].push(answer["id"].as_u64().expect("a number"));
        }
    }
    assert!(
        numbers.iter().all(|numbers| numbers.windows(2).all(|pair| pair[1] == pair[0] + 1)),
        "{numbers:?}"
    );
}

mod searching {
    use super::*;

    #[tokio::test]
    async fn finds_nobody_by_the_username_of_who_was_deleted() {
        let roster = Roster::start().await;
        let found = async || {
            roster
                .get(&format!("{USER_ADMIN}/search?q=zephyr"), demo::VIEWER)
                .await
                .expect(200)
                .json()
        };
        let number = create(&roster, json!({"username": "Zephyrine", "rootRole": 3})).await;
        assert_eq!(found().await.as_array().map(Vec::len), Some(1));
        roster.delete(&numbered(number), demo::ADMIN).await.expect(200);
        assert_eq!(found().await, json!([]));
    }

    #[tokio::test]
    async fn is_for_any_member_and_tells_who_it_is_and_no_more() {
        let roster = Roster::start().await;
        // Ada, who has a picture and a username, and Aron, who is invited: a link is for
        // administrators.
        for text in ["ada", "deploy", "jonas"] {
            let found = roster.get(&format!("{USER_ADMIN}/search?q={text}"), demo::ADMIN).await;
            assert_json_snapshot!(found.snapshot());
            for caller in [
                demo::OPERATOR_VIEW_ALL,
                demo::OPERATOR,
                demo::VIEWER,
                demo::MANAGER,
                demo::id(0x61),
            ] {
                assert_eq!(
                    roster.get(&format!("{USER_ADMIN}/search?q={text}"), caller).await.text,
                    found.text,
                    "{caller}"
                );
            }
        }
    }

    #[tokio::test]
    async fn finds_by_a_part_of_the_name_or_the_beginning_of_username_or_email_ignoring_case() {
        let roster = Roster::start().await;
        let body = json!({"name": "\u{c5}se Berg", "username": "zebra", "email": "quite.other@acme-robotics.example", "rootRole": 3});
        let new = create(&roster, body).await;
        for text in [
            "\u{e5}se",
            "\u{c5}SE%20berg",
            "A\u{30a}se",
            "berg",
            "ER",
            "e%20b",
            "zeb",
            "ZEBRA",
            "quite.",
            "Quite.Other@acme-robotics.example",
        ] {
            assert!(search(&roster, text).await.contains(&new), "{text}");
        }
        // The inside of a username or an email is none; and white space counts.
        for text in ["ebra", "other", "zebraa", "acme", "%25", "__", "%20zebra", "berg%20"] {
            assert!(!search(&roster, text).await.contains(&new), "{text}");
        }
        put(&roster, new, json!({"name": "Renamed", "email": "renamed@acme-robotics.example"}))
            .await
            .expect(200);
        assert_eq!(
            (search(&roster, "\u{e5}se").await, search(&roster, "quite").await),
            (vec![], vec![])
        );
        assert_eq!(search(&roster, "named").await, [new]);
    }

    #[tokio::test]
    async fn finds_whom_the_records_say_and_by_number() {
        let roster = Roster::start().await;
        let users = team(&roster, demo::TEAM).await;
        let values =
            users.iter().flat_map(|user| [&user.name, &user.username, &user.email]).flatten();
        let parts = |value: &String| {
            let letters: Vec<char> = value.to_lowercase().chars().collect();
            letters.windows(2).map(|part| part.iter().collect()).collect::<Vec<String>>()
        };
        let texts: BTreeSet<String> = values
            .flat_map(parts)
            .filter(|text| !text.contains([' ', '&', '#', '+', '%']))
            .collect();
        assert!(texts.len() > 100);
        for text in texts {
            let begins = |value: &&String| value.to_lowercase().starts_with(&text);
            let found = users.iter().filter(|user| user.status != Status::Deleted);
            let found = found.filter(|user| {
                let name =
                    user.name.as_ref().is_some_and(|name| name.to_lowercase().contains(&text));
                name || [&user.username, &user.email]
                    .into_iter()
                    .flatten()
                    .any(|value| begins(&value))
            });
            assert_eq!(
                search(&roster, &text).await,
                found.map(|user| user.number).collect::<Vec<_>>(),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn takes_one_text() {
        let roster = Roster::start().await;
        for query in ["q=ada&q=bela", "q=ada&q=", "q=&q="] {
            let answer = roster
                .get(&format!("{USER_ADMIN}/search?{query}"), demo::VIEWER)
                .await
                .expect(400)
                .json();
            assert_eq!(
                (&answer["name"], &answer["details"][0]["path"]),
                (&json!("BadDataError"), &json!("/query/q")),
                "{query}"
            );
        }
    }

    #[tokio::test]
    async fn by_fewer_than_two_characters_finds_nobody() {
        let roster = Roster::start().await;
        for query in [
            "",
            "?",
            "?q=",
            "?q=a",
            "?q=%20a%20",
            "?q=%C3%A5",
            "?q=%20%20",
            "?other=ada",
            &format!("?q={}", "a".repeat(300)),
        ] {
            assert_eq!(
                roster
                    .get(&format!("{USER_ADMIN}/search{query}"), demo::VIEWER)
                    .await
                    .expect(200)
                    .text,
                "[]",
                "{query}"
            );
        }
    }

    #[tokio::test]
    async fn finds_nobody_of_another_team_and_nobody_deleted() {
        let roster = Roster::start().await;
        for text in ["nils", "Oda%20Viken", "oda.viken@northwind.example", "olga"] {
            assert_eq!(search(&roster, text).await, [0; 0], "{text}");
        }
        let deleted = team(&roster, demo::TEAM)
            .await
            .into_iter()
            .find(|user| user.status == Status::Deleted)
            .expect("a deleted user");
        assert_eq!(search(&roster, deleted.email.as_deref().expect("an email")).await, [0; 0]);
    }

    #[tokio::test]
    async fn finds_everyone_of_many_and_the_one_who_is_left_when_the_others_are_deleted() {
        let roster = Roster::start().await;
        let mut numbers = Vec::new();
        for n in 0..105 {
            let body = json!({"name": format!("Crowd {n:03}"), "email": format!("crowd-{n:03}@acme.example"), "rootRole": 3});
            numbers.push(create(&roster, body).await);
        }
        assert_eq!(search(&roster, "crowd").await, numbers);
        for number in &numbers[..104] {
            roster.delete(&numbered(number), demo::ADMIN).await.expect(200);
        }
        assert_eq!(search(&roster, "crowd").await, numbers[104..]);
    }
}

mod the_admin_count {
    use super::*;

    /// What the list says of administrators.
    async fn by_list(roster: &Roster) -> Value {
        let listed = roster.get(USER_ADMIN, demo::ADMIN).await.expect(200).json();
        let of = |kind: &str| {
            let users = listed["users"].as_array().expect("users").iter();
            users.filter(|user| user["rootRole"] == 1 && user["accountType"] == kind).count()
        };
        json!({"password": 0, "noPassword": of("User"), "service": of("Service Account")})
    }

    #[tokio::test]
    async fn is_what_the_list_shows_through_every_change() {
        let roster = Roster::start().await;
        let count = async || {
            roster.get(&format!("{USER_ADMIN}/admin-count"), demo::ADMIN).await.expect(200).json()
        };
        assert_json_snapshot!(
            roster.get(&format!("{USER_ADMIN}/admin-count"), demo::ADMIN).await.snapshot()
        );
        assert_eq!(count().await, by_list(&roster).await);
        let new = create(&roster, json!({"username": "fresh", "rootRole": 1})).await;
        assert_eq!(count().await, by_list(&roster).await);
        for (number, role) in [(2, 1), (4, 1), (13, 3), (34, 2), (34, 1), (new, 2), (new, 1)] {
            put(&roster, number, json!({"rootRole": role})).await.expect(200);
            assert_eq!(count().await, by_list(&roster).await, "{number} {role}");
        }
        for number in [2, 34, new] {
            roster.delete(&numbered(number), demo::ADMIN).await.expect(200);
            assert_eq!(count().await, by_list(&roster).await, "{number}");
        }
        roster.check_table().await;
    }
}

mod the_inactive {
    use super::*;

    /// The demo users who were invited and never came, made more than 180 days ago.
    const NEVER_CAME: [u64; 6] = [10, 11, 18, 19, 26, 27];

    async fn inactive(roster: &Roster) -> Vec<u64> {
        let answer =
            roster.get(&format!("{USER_ADMIN}/inactive"), demo::ADMIN).await.expect(200).json();
        numbers(&answer["inactiveUsers"])
    }

    async fn delete_inactive(roster: &Roster, ids: Value) -> Answer {
        roster
            .call(
                Method::POST,
                &format!("{USER_ADMIN}/inactive/delete"),
                demo::ADMIN,
                &json!({"ids": ids}),
            )
            .await
    }

    #[tokio::test]
    async fn are_those_who_were_made_and_not_seen_for_180_days() {
        let roster = Roster::start().await;
        assert_json_snapshot!(
            roster.get(&format!("{USER_ADMIN}/inactive"), demo::ADMIN).await.snapshot()
        );
        assert_eq!(inactive(&roster).await, NEVER_CAME);
        let new = create(&roster, json!({"username": "waiting", "rootRole": 3})).await;
        // The viewer was last seen two minutes before the start.
        roster.advance(180 * 86_400 - 120);
        assert!(!inactive(&roster).await.contains(&4), "not more than 180 days ago");
        roster.advance(1);
        let now = inactive(&roster).await;
        assert!(now.contains(&4) && now.contains(&5));
        assert!(!now.contains(&new), "made less than 180 days ago");
        assert!(!now.contains(&1), "the caller is here");
        roster.advance(120);
        assert!(inactive(&roster).await.contains(&new));
        roster.check_table().await;
    }

    #[tokio::test]
    async fn are_people_with_an_account_of_their_own_who_are_not_deleted() {
        let roster = Roster::start().await;
        roster.advance(400 * 86_400);
        let users = team(&roster, demo::TEAM).await;
        let expected = users.iter().filter(|user| {
            let is_own = user.account_type == AccountType::User && user.manager_id.is_none();
            is_own && user.status != Status::Deleted && user.id != demo::ADMIN
        });
        assert_eq!(inactive(&roster).await, expected.map(|user| user.number).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn are_no_longer_when_seen() {
        let roster = Roster::start().await;
        roster.advance(200 * 86_400);
        assert!(inactive(&roster).await.contains(&4));
        roster.get("/users/me", demo::VIEWER).await.expect(200);
        assert!(!inactive(&roster).await.contains(&4));
    }

    #[tokio::test]
    async fn never_count_the_caller_who_comes_back_after_long() {
        for _ in 0..5 {
            let roster = Roster::start().await;
            roster.advance(200 * 86_400);
            assert!(!inactive(&roster).await.contains(&1), "the caller is here");
            let roster = Roster::start().await;
            roster.advance(200 * 86_400);
            delete_inactive(&roster, json!([1])).await.expect(200);
            assert_eq!(
                roster.user(demo::ADMIN).await.map(|user| user.status),
                Some(Status::Active)
            );
        }
    }

    #[tokio::test]
    async fn are_deleted_as_far_as_they_still_are() {
        let roster = Roster::start().await;
        roster.advance(181 * 86_400);
        // Seen meanwhile; then managed, a machine, deleted, twice the same, the caller.
        roster.get("/users/me", demo::OPERATOR).await.expect(200);
        let ids = json!([3, 4, 6, 34, 16, 10, 10.0, 1]);
        assert_json_snapshot!(delete_inactive(&roster, ids.clone()).await.snapshot());
        let users = team(&roster, demo::TEAM).await;
        let gone = [3, 4, 6, 34, 16, 10, 1].into_iter().filter(|number| {
            users.iter().any(|user| {
                user.number == *number
                    && user.status == Status::Deleted
                    && user.deleted_by == Some(demo::ADMIN)
            })
        });
        assert_eq!(gone.collect::<Vec<_>>(), [4, 10]);
        assert!(!inactive(&roster).await.contains(&4));
        roster.get("/users/me", demo::VIEWER).await.expect(401);
        // Sent again, it finds nobody left.
        let path = format!("{USER_ADMIN}/inactive/delete");
        unchanged(
            &roster,
            request(&roster, Method::POST, &path, demo::ADMIN, &json!({"ids": ids})),
        )
        .await
        .expect(200);
        roster.check_table().await;
    }

    #[tokio::test]
    async fn are_none_deleted_where_one_is_unknown() {
        let roster = Roster::start().await;
        roster.advance(181 * 86_400);
        // That the caller is seen is noted now.
        roster.get("/users/me", demo::ADMIN).await.expect(200);
        // Of nobody, never given, and of another team alone.
        for unknown in [json!(0), json!(999), json!(u64::MAX), json!(98)] {
            let path = format!("{USER_ADMIN}/inactive/delete");
            let body = json!({"ids": [4, 10, unknown]});
            let answer =
                unchanged(&roster, request(&roster, Method::POST, &path, demo::ADMIN, &body))
                    .await
                    .expect(404)
                    .json();
            let message = format!("Could not find a user with ID \"{unknown}\".");
            assert_eq!(
                (&answer["name"], &answer["message"]),
                (&json!("NotFoundError"), &json!(message))
            );
        }
    }

    #[tokio::test]
    async fn are_deleted_in_any_number_and_go_on_where_the_time_was_over() {
        let roster = Roster::start().await;
        let then = roster.now().plus_seconds(-400 * 86_400);
        let users: Vec<_> = (0..250_u64)
            .map(|n| shared::models::User {
                username: Some(format!("idle-{n}")),
                status: Status::Active,
                ..shared::models::User::new(
                    uuid::Uuid::from_u128(u128::from(n) << 64 | 0x1d1e),
                    1000 + n,
                    (demo::TEAM, "Acme Robotics"),
                    then,
                )
            })
            .collect();
        for users in users.chunks(10) {
            roster.server.data.store.load_users(users).await.expect("users");
        }
        let ids: Vec<u64> = (1000..1250).collect();
        let left = async || {
            inactive(&roster).await.into_iter().filter(|number| ids.contains(number)).count()
        };
        assert_eq!(left().await, 250);
        // An application that has no time at all does a hundred, and says so.
        let mut config = local::config().expect("the defaults make a configuration");
        config.table_name.clone_from(&roster.table);
        let (client, clock) = (roster.server.data.client.clone(), roster.server.app.clock.clone());
        let quiet = std::sync::Arc::new(functions::log::NoLog);
        let mut app =
            functions::App::new(&config, client, None, quiet, clock).await.expect("an application");
        app.max_turn = std::time::Duration::ZERO;
        let app = std::sync::Arc::new(app);
        let path = format!("{USER_ADMIN}/inactive/delete");
        let call = || {
            let call = tests::direct::Call::new(Method::POST, &path)
                .credential(&roster.token(demo::ADMIN))
                .key("one-and-the-same");
            call.json(&json!({"ids": ids}))
        };
        for (expected, message) in [(150, "100 of these 250"), (50, "100 of these 150")] {
            let (answer, _) = call().send(&app).await;
            let answer = answer.expect(429);
            assert_eq!(
                (&answer.json()["name"], &answer.headers["retry-after"][..]),
                (&json!("RateLimitError"), "1")
            );
            assert!(
                answer.json()["message"].as_str().is_some_and(|told| told.contains(message)),
                "{answer:?}"
            );
            assert_eq!(left().await, expected);
        }
        for replayed in [None, Some("true")] {
            let (answer, _) = call().send(&app).await;
            assert_eq!(
                answer.expect(200).headers.get("idempotency-replayed").map(String::as_str),
                replayed
            );
            assert_eq!(left().await, 0);
        }
        roster.check_table().await;
    }

    #[tokio::test]
    async fn are_not_deleted_of_another_team() {
        let roster = Roster::start().await;
        roster.advance(181 * 86_400);
        let before = team(&roster, demo::OTHER_TEAM).await;
        delete_inactive(&roster, json!([2, 3, 4, 5])).await.expect(200);
        assert_eq!(team(&roster, demo::OTHER_TEAM).await, before);
    }

    #[tokio::test]
    async fn of_none_are_deleted_without_change() {
        let roster = Roster::start().await;
        for ids in [json!([]), json!([1]), json!([4]), json!([4, 16])] {
            let path = format!("{USER_ADMIN}/inactive/delete");
            let answer = unchanged(
                &roster,
                request(&roster, Method::POST, &path, demo::ADMIN, &json!({"ids": ids})),
            )
            .await;
            assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{ids}");
        }
    }

    #[tokio::test]
    async fn are_named_by_integers_alone() {
        let roster = Roster::start().await;
        let bodies = [
            json!({}),
            json!({"ids": null}),
            json!({"ids": 10}),
            json!({"ids": "10"}),
            json!({"ids": {"10": true}}),
            json!({"ids": ["10"]}),
            json!({"ids": [10, null]}),
            json!({"ids": [10, 1.5]}),
            json!({"ids": [10, [11]]}),
            json!({"ids": [10, 1e300]}),
            json!({"ids": [-1]}),
            json!({"ids": [true]}),
            json!({"ids": [10], "x": 1}),
            json!([10]),
        ];
        assert_json_snapshot!(
            faults(&roster, Method::POST, &format!("{USER_ADMIN}/inactive/delete"), &bodies).await
        );
    }
}
