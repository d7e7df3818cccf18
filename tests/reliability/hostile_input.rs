//! Input that is made to be taken for something else: cursors and tags of another tenant, line
//! breaks, letters that look like others, texts as long as they may be and longer.
//! `tests/isolation` tries what is merely broken, at every endpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use aws_smithy_types::base64;
use functions::log::{BatchLine, Log, PurgeLine, RebuildLine, RequestLine};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use local::{demo, import};
use reqwest::Method;
use serde_json::{Map, Value, json};
use tests::{Answer, Roster, rounds, send, sign};
use uuid::Uuid;

use crate::errors::Contract;

/// One walk through a list by its links: the answers, and the cursors between them.
async fn walk(roster: &Roster, first: &str, caller: Uuid) -> (Vec<Answer>, Vec<String>) {
    let (mut answers, mut cursors, mut path) = (Vec::new(), Vec::new(), first.to_owned());
    loop {
        let answer = roster.get(&path, caller).await.expect(200);
        let next = answer.headers.get("link").map(|link| {
            link.trim_start_matches('<').split('>').next().unwrap_or_default().to_owned()
        });
        answers.push(answer);
        let Some(next) = next else { return (answers, cursors) };
        let cursor = next
            .split("cursor=")
            .last()
            .expect("a cursor")
            .replace("%3D", "=")
            .replace("%2B", "+")
            .replace("%2F", "/");
        cursors.push(cursor);
        path = next;
    }
}

/// Every text that is one byte away from a text, and some that are further, up to so many.
fn near(text: &[u8], most: usize) -> Vec<Vec<u8>> {
    let mut all = vec![
        Vec::new(),
        [text, text].concat(),
        [text, b"\0"].concat(),
        text.iter().rev().copied().collect(),
    ];
    for place in 0..text.len() {
        all.push([&text[..place], &text[place + 1..]].concat());
        for byte in
            [0, b'#', b'/', b'0', b'f', b'~', 0x1f, 0x7f, 0xff, text[place] ^ 1, text[place] ^ 0x20]
        {
            let mut other = text.to_vec();
            other[place] = byte;
            all.push(other);
        }
    }
    // From all over the text.
    let step = all.len().div_ceil(most).max(1);
    all.into_iter().step_by(step).collect()
}

fn encoded(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02X}")).collect()
}

fn ids(users: &Value) -> BTreeSet<String> {
    let users = users.as_array().expect("a list");
    users.iter().map(|user| user["id"].to_string()).collect()
}

#[tokio::test]
async fn a_cursor_leads_nobody_out_of_their_own_team() {
    let roster = Roster::start().await;
    let list = "/api/admin/user-admin";
    let own: BTreeSet<String> =
        emails(&roster.get(list, demo::ADMIN).await.expect(200).json()["users"]);
    let (_, cursors) = walk(&roster, &format!("{list}?limit=1"), demo::OTHER_ADMIN).await;
    assert!(cursors.len() > 2, "{cursors:?}");
    let (mut tried, mut let_in) = (0, 0);
    for cursor in cursors.iter().flat_map(|cursor| near(cursor.as_bytes(), usize::MAX)) {
        let answer =
            roster.get(&format!("{list}?limit=100&cursor={}", encoded(&cursor)), demo::ADMIN).await;
        tried += 1;
        match answer.status {
            200 => {
                let shown = emails(&answer.json()["users"]);
                assert!(shown.is_subset(&own), "{cursor:?} shows {:?}", shown.difference(&own));
                let_in += 1;
            }
            _ => drop(Contract::UserAdmin.error(&answer.expect(400))),
        }
    }
    println!(
        "cursors of another team's list of users: {tried} tried, {let_in} of which are numbers and show the caller's own team"
    );
}

fn emails(users: &Value) -> BTreeSet<String> {
    let users = users.as_array().expect("a list").iter();
    users.map(|user| format!("{} {}", user["email"], user["username"])).collect()
}

#[tokio::test]
async fn an_edited_cursor_shows_no_more_than_its_list() {
    let roster = Roster::start().await;
    let operator = demo::PLATFORM_OPERATOR;
    let history = |user: Uuid| format!("/v1/admin/users/{user}/audit-log");
    for name in ["A", "B", "C", "D"] {
        for user in [demo::ADMIN, demo::OTHER_ADMIN] {
            roster
                .call(
                    Method::PATCH,
                    "/v1/account/me",
                    user,
                    &json!({"display_name": format!("Ada {name}")}),
                )
                .await
                .expect(200);
        }
    }
    let most = rounds(40, usize::MAX);
    let (mut tried, mut refused) = (0, 0);
    // Whose history a cursor is of does not matter: it shows the history of the user whom the path
    // names.
    let (_, others) =
        walk(&roster, &format!("{}?limit=1", history(demo::OTHER_ADMIN)), operator).await;
    for (list, is_encoded) in [
        ("/v1/admin/users?limit=5", true),
        ("/v1/admin/users?limit=5&query=a", true),
        (&*history(demo::ADMIN), false),
    ] {
        let join = if list.contains('?') { '&' } else { '?' };
        let whole = list.replace("limit=5", "limit=100");
        let (pages, _) = walk(&roster, &whole, operator).await;
        let all: BTreeSet<String> = pages.iter().flat_map(|page| ids(&page.json())).collect();
        let (_, mut cursors) = walk(&roster, list, operator).await;
        cursors.extend(if is_encoded { Vec::new() } else { others.clone() });
        for cursor in cursors {
            let place = if is_encoded {
                base64::decode(&cursor).expect("base64")
            } else {
                cursor.into_bytes()
            };
            for edited in near(&place, most) {
                let cursor =
                    if is_encoded { base64::encode(&edited).into_bytes() } else { edited.clone() };
                let answer =
                    roster.get(&format!("{list}{join}cursor={}", encoded(&cursor)), operator).await;
                tried += 1;
                if answer.status == 200 {
                    assert!(
                        ids(&answer.json()).is_subset(&all),
                        "{list} from {edited:?}: {answer:?}"
                    );
                } else {
                    assert_eq!(Contract::Operator.error(&answer.expect(422)), "invalid_request");
                    refused += 1;
                }
            }
        }
    }
    // Who is no operator is told so, whatever cursor they bring.
    for cursor in &others {
        let answer = roster
            .get(&format!("{}?cursor={cursor}", history(demo::ADMIN)), demo::ADMIN)
            .await
            .expect(403);
        assert_eq!(Contract::Operator.error(&answer), "operator_required");
    }
    println!("edited cursors of operators' lists: {tried} tried, {refused} of them refused");
}

#[tokio::test]
async fn a_tag_tells_nothing_of_another_team_and_opens_nothing() {
    let roster = Roster::start().await;
    let theirs = [demo::OTHER_ADMIN, demo::id(0xb3)];
    for user in theirs {
        let path = format!("/api/v1/admin_user/{user}");
        let tag = roster.get(&path, demo::OTHER_ADMIN).await.expect(200).headers["etag"].clone();
        let managed = format!("/api/v1/users/{user}");
        let before = roster.items().await;
        for tag in [tag.as_str(), "*", "\"1\"", "\"\"", "W/\"1\""] {
            for (path, caller) in [(&path, demo::ADMIN), (&managed, demo::MANAGER)] {
                let ask = |method: Method, name: &'static str| {
                    let request = roster
                        .request(method, path)
                        .bearer_auth(roster.token(caller))
                        .header(name, tag);
                    send(request.json(&json!({"details": {"name": "Mine"}, "first_name": "Mine"})))
                };
                // Neither a 304 nor a 412, which would tell that the tag is that of someone.
                for answer in
                    [ask(Method::GET, "if-none-match").await, ask(Method::PUT, "if-match").await]
                {
                    assert_eq!(answer.status, 404, "{path} with {tag}: {answer:?}");
                }
            }
        }
        let changes = tests::checks::changes(&before, &roster.items().await);
        // Who asked was seen.
        assert!(changes.iter().all(|change| !change.contains(&user.to_string())), "{changes:#?}");
    }
}

/// The headers that an answer may have.
const HEADERS: [&str; 11] = [
    "content-type",
    "content-length",
    "date",
    "etag",
    "link",
    "server-timing",
    "x-request-id",
    "cache-control",
    "connection",
    "location",
    "idempotency-replayed",
];

#[tokio::test]
async fn a_line_break_makes_no_header() {
    let roster = Roster::start().await;
    for injected in [
        "%0d%0aX-Injected:%201",
        "%0aSet-Cookie:a=b",
        "%0d%0a%0d%0a{}",
        "%e5%98%8a%e5%98%8dX-Injected:1",
        "%E2%80%A8X-Injected:1",
        "%3E;rel=x,%3C/evil%3E",
    ] {
        // The one list that refuses what it does not know.
        let answer = roster.get(&format!("/users?{injected}=x"), demo::ADMIN).await.expect(400);
        Contract::Workspace.error(&answer);
        assert!(answer.headers.keys().all(|name| HEADERS.contains(&name.as_str())), "{answer:?}");
        for (path, caller) in [
            (format!("/v1/admin/users?limit=1&x={injected}"), demo::PLATFORM_OPERATOR),
            (format!("/v1/admin/users?limit=1&{injected}=x"), demo::PLATFORM_OPERATOR),
            (format!("/v1/admin/users?limit=1&query={injected}"), demo::PLATFORM_OPERATOR),
            (format!("/api/admin/user-admin?limit=1&x={injected}"), demo::ADMIN),
        ] {
            let answer = roster.get(&path, caller).await.expect(200);
            assert!(
                answer.headers.keys().all(|name| HEADERS.contains(&name.as_str())),
                "{path}: {answer:?}"
            );
            if let Some(link) = answer.headers.get("link") {
                assert!(
                    link.matches('<').count() == 1
                        && link.matches("; rel=").count() == 1
                        && link.is_ascii(),
                    "{path}: {link}"
                );
                // What was sent is in the next page's address as it was, and nothing more.
                roster
                    .get(link.trim_start_matches('<').split('>').next().unwrap_or_default(), caller)
                    .await
                    .expect(200);
            }
        }
    }
}

/// Fields that people read: where they are sent and by whom, with `{}` where the text goes, and
/// whose contract answers.
fn fields() -> Vec<(Method, String, Uuid, &'static str, Contract)> {
    use Contract::{Directory, ManagedUsers, Operator, UserAdmin};
    let admin_user = format!("/api/v1/admin_user/{}", demo::VIEWER);
    let managed = format!("/api/v1/users/{}", demo::id(0x61));
    vec![
        (Method::PATCH, "/v1/account/me".into(), demo::VIEWER, r#"{"display_name": {}}"#, Operator),
        (Method::POST, "/v1/keys".into(), demo::VIEWER, r#"{"name": {}}"#, Operator),
        (Method::POST, "/v1/sandboxes".into(), demo::ADMIN, r#"{"template": {}}"#, Operator),
        (Method::PUT, admin_user.clone(), demo::ADMIN, r#"{"details": {"name": {}}}"#, Directory),
        (Method::PUT, admin_user, demo::ADMIN, r#"{"details": {"job_title": {}}}"#, Directory),
        (
            Method::POST,
            "/api/admin/user-admin".into(),
            demo::ADMIN,
            r#"{"username": "{new}", "rootRole": 3, "name": {}}"#,
            UserAdmin,
        ),
        (Method::PUT, "/api/admin/user-admin/12".into(), demo::ADMIN, r#"{"name": {}}"#, UserAdmin),
        (
            Method::POST,
            "/api/v1/users/".into(),
            demo::MANAGER,
            r#"{"first_name": {}, "last_name": null}"#,
            ManagedUsers,
        ),
        (
            Method::POST,
            "/api/v1/users/".into(),
            demo::MANAGER,
            r#"{"first_name": "A", "last_name": {}}"#,
            ManagedUsers,
        ),
        (Method::PUT, managed, demo::MANAGER, r#"{"first_name": {}}"#, ManagedUsers),
    ]
}

/// Sends a text in a field.
async fn put_in(
    roster: &Roster,
    (method, path, caller, body, _): &(Method, String, Uuid, &str, Contract),
    text: &str,
) -> Answer {
    let body = body
        .replace("{new}", &Uuid::new_v4().simple().to_string())
        .replace("{}", &json!(text).to_string());
    roster.call(method.clone(), path, *caller, &serde_json::from_str(&body).expect("a body")).await
}

#[tokio::test]
async fn what_is_not_seen_stands_in_no_field() {
    let roster = Roster::start().await;
    let mut tried = 0;
    for hidden in [
        "\r\n",
        "\n",
        "\0",
        "\u{1b}[2J",
        "\u{85}",
        "\u{ad}",
        "\u{200b}",
        "\u{200e}",
        "\u{202e}",
        "\u{2028}",
        "\u{2066}",
        "\u{2069}",
        "\u{3164}",
        "\u{feff}",
        "\u{e0041}",
        "\u{200d}",
    ] {
        for field in fields() {
            let text = format!("Ada{hidden}X-Injected: 1");
            let answer = put_in(&roster, &field, &text).await;
            assert!([400, 422].contains(&answer.status), "{text:?}: {field:?}: {answer:?}");
            field.4.error(&answer);
            tried += 1;
        }
    }
    assert!(!json!(roster.items().await).to_string().contains("X-Injected"));
    println!("hidden characters: {tried} tried");
}

#[tokio::test]
async fn a_name_may_be_in_any_script() {
    let roster = Roster::start().await;
    let names = [
        "José",
        "Jose\u{301}",
        "Ｗｉｄｅ",
        "محمد عبد الله",
        "می\u{200c}خواهم",
        "അവന്\u{200d}",
        "क्\u{200d}षमा",
        "葛\u{e0100}城",
        "שָׁלוֹם",
        "ᠮᠣᠩᠭᠣᠯ\u{180b}",
        "👩\u{200d}🔬 Ada",
        "Ngũgĩ wa Thiong'o",
        "=cmd|' /C calc'!A1",
        "<script>alert(1)</script>",
        "'; DROP TABLE users; --",
        "{\"status\":500}",
        "${jndi:ldap://x}",
    ];
    for field in fields() {
        for name in names {
            let answer = put_in(&roster, &field, name).await;
            assert!([200, 201].contains(&answer.status), "{name:?}: {field:?}: {answer:?}");
            // As it was sent, to the byte.
            let shown = answer.text.is_empty() || texts(&answer.json()).contains(name);
            assert!(shown, "{name:?}: {field:?}: {answer:?}");
        }
    }
    roster.check_table().await;
}

fn texts(value: &Value) -> BTreeSet<String> {
    match value {
        Value::String(text) => BTreeSet::from([text.clone()]),
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => BTreeSet::new(),
    }
}

/// Emails that another could be taken for, as one looks like `kim@example.com` or folds to it.
const LIKE_KIM: [&str; 7] = [
    "\u{212a}im@example.com",
    "ｋim@example.com",
    "kim@ｅxample.com",
    "k\u{200b}im@example.com",
    "kim\u{200d}@example.com",
    "\u{202e}kim@example.com",
    "kim@example\u{2024}com",
];

#[tokio::test]
async fn an_email_that_looks_like_another_is_none() {
    let roster = Roster::start().await;
    let invitation = |email: &str| json!({"details": {"email": email, "account_id": demo::TEAM}});
    let invite = "/api/v1/admin_user_invite";
    roster
        .call(Method::POST, invite, demo::ADMIN, &invitation("kim@example.com"))
        .await
        .expect(200);
    let before = roster.items().await;
    for email in LIKE_KIM {
        // The mailbox is proven to be theirs, and opens no other's invitation.
        let mut claims = roster.claims(Uuid::new_v4());
        (claims["email"], claims["email_verified"]) = (email.into(), true.into());
        let answer = send(roster.request(Method::POST, "/v1/account").bearer_auth(sign(&claims)))
            .await
            .expect(422);
        assert_eq!(Contract::Operator.error(&answer), "invalid_request", "{email:?}");
        let user = json!({"email": email, "rootRole": 3});
        let answer = roster
            .call(Method::POST, "/api/admin/user-admin", demo::ADMIN, &user)
            .await
            .expect(400);
        assert_eq!(Contract::UserAdmin.error(&answer), "BadDataError", "{email:?}");
        let answer = roster
            .call(Method::PUT, "/api/admin/user-admin/12", demo::ADMIN, &user)
            .await
            .expect(400);
        assert_eq!(Contract::UserAdmin.error(&answer), "BadDataError", "{email:?}");
        let answer =
            roster.call(Method::POST, invite, demo::ADMIN, &invitation(email)).await.expect(400);
        assert_eq!(Contract::Directory.error(&answer), "invalid_value", "{email:?}");
    }
    assert_eq!(tests::checks::changes(&before, &roster.items().await), [""; 0]);
}

#[tokio::test]
async fn an_email_is_one_in_any_case() {
    let roster = Roster::start().await;
    for (first, other) in [
        ("eva@example.com", "EVA@Example.COM"),
        ("éva@example.com", "ÉVA@example.com"),
        ("οδος@example.gr", "ΟΔΟΣ@EXAMPLE.gr"),
    ] {
        let make = |email: &str| json!({"email": email, "rootRole": 3});
        roster
            .call(Method::POST, "/api/admin/user-admin", demo::ADMIN, &make(first))
            .await
            .expect(201);
        for caller in [demo::ADMIN, demo::OTHER_ADMIN] {
            let answer = roster
                .call(Method::POST, "/api/admin/user-admin", caller, &make(other))
                .await
                .expect(400);
            assert!(answer.text.contains("User already exists"), "{answer:?}");
        }
    }
    // Other letters are other emails.
    for (first, other) in [
        ("ivo@example.com", "ıvo@example.com"),
        ("strasse@example.com", "straße@example.com"),
        ("eva2@example.com", "éva2@example.com"),
    ] {
        for email in [first, other] {
            let user = json!({"email": email, "rootRole": 3});
            roster
                .call(Method::POST, "/api/admin/user-admin", demo::ADMIN, &user)
                .await
                .expect(201);
        }
    }
    roster.check_table().await;
}

#[tokio::test]
async fn a_username_is_written_in_one_way() {
    let roster = Roster::start().await;
    let make = |username: &str| json!({"username": username, "rootRole": 3});
    for (username, status) in [
        ("josé", 201),
        ("JOSÉ", 400),
        ("jose\u{301}", 400),
        ("ｊosé", 400),
        ("jos\u{200c}é", 400),
        ("محمد", 201),
        ("山田", 201),
        ("\u{212a}ai", 400),
        ("οδος", 201),
        ("ΟΔΟΣ", 400),
        ("οδοσ", 400),
    ] {
        roster
            .call(Method::POST, "/api/admin/user-admin", demo::ADMIN, &make(username))
            .await
            .expect(status);
    }
    roster.check_table().await;
}

/// A log that keeps its lines as they are written.
#[derive(Default)]
struct Written(Mutex<Vec<String>>);

impl Log for Written {
    fn request(&self, line: &RequestLine) {
        self.0.lock().expect("the lines").push(serde_json::to_string(line).expect("JSON"));
    }

    fn purge(&self, _: &PurgeLine) {}
    fn batch(&self, _: &BatchLine) {}

    fn rebuild(&self, _: &RebuildLine) {}
}

#[tokio::test]
async fn no_request_breaks_or_fakes_a_line_of_the_log() {
    let log = Arc::new(Written::default());
    let kept = log.clone();
    let roster = Roster::start_with(move |options| options.log = kept).await;
    let fake = "x\"}\n{\"status\":200,\"caller_id\":\"00000000-0000-4000-8000-000000000001\",\"handler\":\"fake\"}\r\n\u{2028}\u{1b}[2K";
    let handler = functions::handler("operator_account.update_me").expect("a handler");
    let mut event = ApiGatewayV2httpRequest::default();
    event.raw_path = Some(format!("/v1/account/me/{fake}"));
    event.raw_query_string = Some(format!("a={fake}"));
    event.body = Some(json!({"display_name": fake}).to_string());
    event.request_context.request_id = Some(fake.to_owned());
    event.request_context.http.method =
        lambda_http::http::Method::from_bytes(b"X-HANDLER").expect("a method");
    event.request_context.http.source_ip = Some(fake.to_owned());
    let put = |name: &'static str, value: &str, event: &mut ApiGatewayV2httpRequest| {
        event.headers.insert(name, value.parse().expect("a header's value"));
    };
    put("authorization", &format!("Bearer {}", roster.token(demo::VIEWER)), &mut event);
    put("user-agent", r#"x"},{"status":200,"handler":"fake"}"#, &mut event);
    put("x-amzn-trace-id", r#"Root=1;"}{"#, &mut event);
    let (answer, _) = handler.answer(&roster.server.app, functions::gateway::request(event)).await;
    assert_eq!(answer.status(), 422);
    for path in [
        "/v1/account/me?a=%22%7D%0A%7B%22status%22:200%7D",
        "/%22%7D%0A%7B%22handler%22:%22fake%22%7D",
    ] {
        send(
            roster
                .request(Method::GET, path)
                .header("user-agent", "\"}{\"handler\":\"fake\"}")
                .bearer_auth("\"}{"),
        )
        .await;
    }
    let lines = log.0.lock().expect("the lines").clone();
    assert_eq!(lines.len(), 3);
    let known = [
        "at",
        "handler",
        "method",
        "status",
        "duration_ms",
        "dynamodb_calls",
        "dynamodb_steps",
        "dynamodb_throttles",
        "dynamodb_ms",
        "read_units",
        "write_units",
        "caller_id",
        "request_id",
        "failed_call",
        "cause",
    ];
    for line in lines {
        assert!(!line.contains(['\n', '\r', '\u{1b}']), "{line}");
        let fields: Map<String, Value> = serde_json::from_str(&line).expect("a line is one object");
        assert!(fields.keys().all(|name| known.contains(&name.as_str())), "{line}");
        assert!(
            functions::handler(fields["handler"].as_str().unwrap_or_default()).is_some()
                && fields["status"] != 200,
            "{line}"
        );
    }
}

/// Bytes of an item, as DynamoDB counts them, or more: names and values.
fn size(item: &Map<String, Value>) -> usize {
    json!(item).to_string().len()
}

/// DynamoDB takes items of 400 KB: no item comes near.
const MOST_ITEM: usize = 64 * 1024;

async fn assert_small(roster: &Roster) -> usize {
    let items = roster.items().await;
    let largest = items.iter().max_by_key(|item| size(item)).expect("an item");
    assert!(
        size(largest) <= MOST_ITEM,
        "{} bytes: {} / {}",
        size(largest),
        largest["pk"],
        largest["sk"]
    );
    size(largest)
}

#[tokio::test]
async fn the_longest_texts_fit_and_longer_ones_are_refused() {
    let roster = Roster::start().await;
    let mut largest = 0;
    // A character of four bytes, one that takes more as a small letter, and one that JSON writes in
    // six.
    for (character, most) in [("𝒜", 255), ("İ", 255), ("\u{7fff}", 255)] {
        for field in fields() {
            let answer = put_in(&roster, &field, &character.repeat(most)).await;
            assert!([200, 201].contains(&answer.status), "{field:?}: {answer:?}");
            let answer = put_in(&roster, &field, &character.repeat(most + 1)).await;
            assert!([400, 422].contains(&answer.status), "{field:?}: {answer:?}");
            field.4.error(&answer);
        }
        largest = largest.max(assert_small(&roster).await);
    }
    let user = |username: usize, local: usize| {
        let email = format!("{}{}@example.com", "𐐨".repeat(local), Uuid::new_v4().simple());
        json!({"username": "𐐨".repeat(username), "email": email, "rootRole": 3})
    };
    roster
        .call(Method::POST, "/api/admin/user-admin", demo::ADMIN, &user(255, 210))
        .await
        .expect(201);
    for body in [user(256, 1), user(1, 211)] {
        roster.call(Method::POST, "/api/admin/user-admin", demo::ADMIN, &body).await.expect(400);
    }
    let sandbox = |bytes: usize| json!({"template": "base", "metadata": {"a": "x".repeat(bytes - r#"{"a":""}"#.len())}});
    roster.call(Method::POST, "/v1/sandboxes", demo::ADMIN, &sandbox(2048)).await.expect(201);
    roster.call(Method::POST, "/v1/sandboxes", demo::ADMIN, &sandbox(2049)).await.expect(422);
    let suspend = format!("/v1/admin/users/{}/suspend", demo::VIEWER);
    for (characters, status) in [(1001, 422), (1000, 200)] {
        let body = json!({"reason": "𝒜".repeat(characters)});
        roster.call(Method::POST, &suspend, demo::PLATFORM_OPERATOR, &body).await.expect(status);
    }
    let largest = largest.max(assert_small(&roster).await);
    roster.check_table().await;
    println!("the longest texts: the largest item has {largest} bytes");
}

/// The most keys of a person that are not revoked, where no other number is set.
const MAX_ACTIVE_KEYS: usize = 50;

#[tokio::test]
async fn no_item_grows_by_many_small_writes() {
    let roster = Roster::start().await;
    let writes = rounds(30, 400);
    let before: BTreeMap<String, usize> = roster
        .items()
        .await
        .iter()
        .map(|item| (format!("{} {}", item["pk"], item["sk"]), size(item)))
        .collect();
    for write in 0..writes {
        let name = json!({"display_name": format!("Dara {write}")});
        roster.call(Method::PATCH, "/v1/account/me", demo::VIEWER, &name).await.expect(200);
        // As many as a person may have.
        let status = if write < MAX_ACTIVE_KEYS { 201 } else { 409 };
        roster
            .call(Method::POST, "/v1/keys", demo::VIEWER, &json!({"name": "k"}))
            .await
            .expect(status);
        let managed = json!({"first_name": format!("A{write}"), "last_name": null});
        let made = roster
            .call(Method::POST, "/api/v1/users/", demo::MANAGER, &managed)
            .await
            .expect(200)
            .json();
        let share = format!("/api/v1/users/shares/{}", made["id"].as_str().expect("an id"));
        roster
            .call(Method::PUT, &share, demo::MANAGER, &json!({"scopes": ["data:read"]}))
            .await
            .expect(200);
        let status = json!({"status": if write % 2 == 0 { "paused" } else { "running" }, "metadata": {"write": write}});
        roster
            .call(
                Method::PATCH,
                "/v1/sandboxes/sbx_0000000000000008",
                demo::PLATFORM_OPERATOR,
                &status,
            )
            .await;
    }
    // A digit more in a count, or an attribute for a kind of user that is counted now, but nothing
    // for each write.
    for item in roster.items().await {
        let key = format!("{} {}", item["pk"], item["sk"]);
        let grown = before.get(&key).map_or(0, |before| size(&item).saturating_sub(*before));
        assert!(grown < 400, "{key} has grown by {grown} bytes");
    }
    for path in ["/v1/account/me", "/v1/account/export", "/v1/keys"] {
        roster.get(path, demo::VIEWER).await.expect(200);
    }
    let detail = roster
        .get(&format!("/v1/admin/users/{}", demo::VIEWER), demo::PLATFORM_OPERATOR)
        .await
        .expect(200);
    assert!(detail.text.len() < 1 << 20);
    println!("small writes: {} of them, by which no item grows", writes * 5);
}

#[tokio::test]
async fn a_field_that_no_item_can_hold_is_left_out_alone() {
    let roster = Roster::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("users.jsonl");
    let long = |length: usize| "x".repeat(length);
    let claims = |length: usize| json!({"email": format!("{}@example.com", Uuid::new_v4().simple()), "claims": {"a": long(length - 1)}});
    let with = |name: &str, value: Value| {
        let mut line = json!({"email": format!("{}@example.com", Uuid::new_v4().simple())});
        line[name] = value;
        line
    };
    let bad = [
        claims(16 * 1024 + 1),
        claims(400 * 1024),
        claims(900 * 1024),
        with("claims", json!({"": "nameless"})),
        with("scim_id", long(3000).into()),
        with("username", long(1100).into()),
        with("username", "jose\u{301}".into()),
        with("name", "Ada\u{202e}".into()),
        with("first_name", long(256).into()),
        with("avatar_url", long(2049).into()),
        with("pub_key", long(500_000).into()),
        with("device_user_id", "a\nb".into()),
        with("role", format!("\n{}", long(100_000)).into()),
        with("email", "\u{212a}im@example.com".into()),
    ];
    // As large as they may be, and more than one transaction of them.
    let full = || {
        let mut line = claims(16 * 1024);
        for name in
            ["name", "first_name", "last_name", "display_name", "job_title", "device_user_id"]
        {
            line[name] = "𝒜".repeat(255).into();
        }
        line["avatar_url"] = format!("https://a.example/{}", "x".repeat(2030)).into();
        line["pub_key"] = "𝒜".repeat(2048).into();
        (line["scim_id"], line["username"]) =
            (Uuid::new_v4().to_string().into(), Uuid::new_v4().to_string().into());
        line
    };
    let good: Vec<Value> = std::iter::repeat_with(full).take(30).collect();
    // What users say of themselves is left out where it is too much: it is no reason to refuse
    // them.
    let boastful =
        with("user_metadata", json!({"full_name": long(500_000), "avatar_url": "\u{202e}"}));
    let lines: Vec<String> =
        good.iter().chain(&bad).chain([&boastful]).map(Value::to_string).collect();
    std::fs::write(&path, lines.join("\n")).expect("a file");
    let report =
        import::file(&roster.server.data, &path, &import::Options::new(demo::TEAM), roster.now())
            .await
            .expect("the file is read");
    // Of the bad ones, one has no identity without what is wrong with it.
    let (good_lines, bad_lines) = (good.len() as u64, bad.len() as u64);
    assert_eq!((report.imported, report.refused), (good_lines + bad_lines, 1));
    assert_eq!(report.warned, bad_lines + 2);
    let largest = assert_small(&roster).await;
    roster.check_table().await;
    for list in [
        "/users",
        "/api/admin/user-admin",
        &format!("/api/v1/admin_user?account_id={}&pagination[page_size]=100", demo::TEAM),
    ] {
        // Lambda answers with 6 MB at most.
        assert!(roster.get(list, demo::ADMIN).await.expect(200).text.len() < 6_000_000, "{list}");
    }
    println!(
        "import: {} lines of the largest users, {} with a field that fits no item; the largest item has {largest} bytes",
        good.len(),
        bad.len()
    );
}

#[tokio::test]
async fn the_import_changes_no_formula() {
    let roster = Roster::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("users.csv");
    let formulas = ["=cmd|' /C calc'!A1", "+1+1", "-2", "@SUM(A1)", "\t=1"];
    let rows = formulas.iter().enumerate().map(|(place, formula)| {
        let metadata = json!({"full_name": formula}).to_string().replace('"', "\"\"");
        format!(",formula-{place}@example.com,\"{metadata}\"\n")
    });
    std::fs::write(&path, format!("id,email,raw_user_meta_data\n{}", rows.collect::<String>()))
        .expect("a file");
    let report =
        import::file(&roster.server.data, &path, &import::Options::new(demo::TEAM), roster.now())
            .await
            .expect("the file is read");
    assert_eq!(report.imported, formulas.len() as u64);
    let shown = texts(&roster.get("/api/admin/user-admin", demo::ADMIN).await.expect(200).json());
    for formula in formulas {
        // A tab is a control character, so that the name is left out.
        assert_eq!(shown.contains(formula), !formula.contains('\t'), "{formula}");
    }
}
