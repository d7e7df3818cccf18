//! The recorded behaviour of Unleash 8.2, request by request: a server with an equal state answers
//! each with the same status, error name and keys, but for the differences that are listed here.
//!
//! `unleash/recorded.tsv` holds what a running Unleash 8.2.0 answered.

use std::collections::{BTreeMap, BTreeSet};

use local::demo;
use reqwest::Method;
use serde_json::Value;
use shared::models::{Role, Status, Team, User};
use shared::table::Key;
use tests::{Answer, Roster, send};
use uuid::Uuid;

const RECORDED: &str = include_str!("unleash/recorded.tsv");

/// The differences that are chosen: the reason, in the words of `docs/unleash.md`, then the label
/// of each request and the response to it. The list may only shrink: one that no longer differs
/// fails the test.
const DIFFERENCES: &[(&str, &[(&str, &str)])] = &[
    (
        "Unleash fails there.",
        &[
            ("dup username other email", "400 BadDataError"),
            ("create username null + email", "201 made +email"),
            ("create name long 300", "400 BadDataError"),
            ("create email >254", "400 BadDataError"),
            ("GET id 2147483648", "404 NotFoundError"),
            ("GET id 9223372036854775807", "404 NotFoundError"),
            ("GET id 9223372036854775808", "400 BadDataError"),
            ("GET id 99999999999999999999999999", "400 BadDataError"),
            ("GET id %E0%A4%A", "400 BadDataError"),
            ("PUT id 99999999999", "404 NotFoundError"),
            ("DELETE id 99999999999", "404 NotFoundError"),
            ("search ?q=bo%00b", "200 [0]"),
            ("inactive/delete ids [1.5]", "400 BadDataError"),
        ],
    ),
    (
        "Roster takes no value of one JSON type for another, but for a root role in digits.",
        &[
            ("create role true", "400 BadDataError"),
            ("create name int", "400 BadDataError"),
            ("create sendEmail 1", "400 BadDataError"),
            ("inactive/delete [\"999\"]", "400 BadDataError"),
        ],
    ),
    (
        "A user has one address, which ends in decimal digits.",
        &[
            ("GET id 1.0", "400 BadDataError"),
            ("GET id +1", "400 BadDataError"),
            ("GET id 0x1", "400 BadDataError"),
        ],
    ),
    (
        "Every error is in the contract's form, also where the body is no JSON.",
        &[("create raw malformed", "400 BadDataError"), ("put raw malformed", "400 BadDataError")],
    ),
    ("JSON is UTF-8.", &[("create raw latin1", "400 BadDataError")]),
    (
        "All contracts know the same emails, and companies have mailboxes in domains of one label.",
        &[("create email bad2", "201 made +email")],
    ),
    (
        "A change with `If-Match` does not overwrite another change.",
        &[("put if-match wrong", "412 BadDataError")],
    ),
    (
        "A search takes `%` and `_` as the characters that they are.",
        &[("search ?q=%25%25", "200 [0]"), ("search ?q=__", "200 [0]")],
    ),
    (
        "Roster has no permissions in projects.",
        &[
            ("access", "501 NotImplementedError"),
            ("viewer GET /access", "501 NotImplementedError"),
            ("permissions", "501 NotImplementedError"),
            ("permissions proj", "501 NotImplementedError"),
        ],
    ),
    (
        "The identity provider holds passwords.",
        &[
            ("validate strong", "501 NotImplementedError"),
            ("reset-password", "501 NotImplementedError"),
            ("reset-password nobody", "501 NotImplementedError"),
            ("viewer POST /validate-password {\"password\": \"simple", "501 NotImplementedError"),
            ("editor POST /validate-password {\"password\": \"simple", "501 NotImplementedError"),
        ],
    ),
    (
        "Deleting the inactive deletes nobody who is active.",
        &[("viewer GET /search?q=al", "200 [1] found +email +name +username")],
    ),
    ("`limit` and `cursor` page the list.", &[("limit bad", "400 BadDataError")]),
    (
        "Who was deleted can be restored until the purge, and keeps the email until then.",
        &[("recreate email", "400 BadDataError")],
    ),
];

const ADMIN: Uuid = demo::id(0x821);
const VIEWER: Uuid = demo::id(0x822);
const EDITOR: Uuid = demo::id(0x823);
const TEAM: Uuid = demo::id(0x82f);

/// One line of the record.
struct Line<'a> {
    label: &'a str,
    caller: &'a str,
    method: &'a str,
    path: &'a str,
    content_type: &'a str,
    headers: &'a str,
    body: &'a str,
    response: &'a str,
}

fn lines() -> impl Iterator<Item = Line<'static>> {
    RECORDED.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let columns: Vec<_> = line.split('\t').collect();
        let [label, caller, method, path, content_type, headers, body, response] = columns[..]
        else {
            panic!("eight columns: {line}")
        };
        Line { label, caller, method, path, content_type, headers, body, response }
    })
}

/// A team as the recorded instance was: an administrator with a username, a viewer and an editor.
async fn instance() -> Roster {
    let roster = Roster::empty().await;
    let store = &roster.server.data.store;
    let now = roster.now();
    let team = Team {
        id: TEAM,
        name: "Instance".into(),
        slug: "instance".into(),
        owner_user_id: ADMIN,
        quota_tier_id: "enterprise".into(),
        created_at: now,
        updated_at: now,
        soft_deleted_at: None,
    };
    store.put(&Key::team(TEAM), &team).await.expect("a team");
    store.take_numbers(TEAM, 3).await.expect("numbers");
    let members = [
        (ADMIN, "admin", Role::Admin),
        (VIEWER, "watcher", Role::Viewer),
        (EDITOR, "writer", Role::Operator),
    ];
    for (number, (id, username, role)) in (1..).zip(members) {
        let user = User::new(id, number, (TEAM, "Instance"), now);
        let user =
            User { username: Some(username.to_owned()), role, status: Status::Active, ..user };
        store.load_users(&[user]).await.expect("a member");
    }
    roster
}

/// What the braces of the record stand for.
#[derive(Default)]
struct Values(BTreeMap<String, String>);

impl Values {
    fn fill(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let value =
                after.split_once('}').and_then(|(name, behind)| Some((self.value(name)?, behind)));
            match value {
                Some((value, behind)) => (filled.push_str(&value), rest = behind).1,
                None => (filled.push('{'), rest = after).1,
            }
        }
        filled + rest
    }

    fn value(&self, name: &str) -> Option<String> {
        if let Some((text, times)) = name.split_once('*') {
            return Some(text.repeat(times.parse().ok()?));
        }
        if let Some((first, last)) = name.split_once("..") {
            let numbers = first.parse::<u64>().ok()?..=last.parse().ok()?;
            return Some(numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(", "));
        }
        self.0.get(name).cloned()
    }

    /// Keeps what later lines name.
    fn keep(&mut self, label: &str, answer: &Answer) {
        if let Some(tag) = answer.headers.get("etag") {
            self.0.insert("etag".to_owned(), tag.clone());
        }
        let name = match label {
            "create full" => "a",
            "create email only" => "b",
            "create username only" => "c",
            "create w/ password" => "d",
            "setup" => "x",
            _ => return,
        };
        self.0.insert(name.to_owned(), answer.json()["id"].to_string());
    }
}

async fn replay(roster: &Roster, line: &Line<'_>, values: &Values) -> Answer {
    let method: Method = line.method.parse().expect("a method");
    let mut request = roster.request(method, &values.fill(line.path));
    request = match line.caller {
        "admin" => request.bearer_auth(roster.token(ADMIN)),
        "viewer" => request.bearer_auth(roster.token(VIEWER)),
        "editor" => request.bearer_auth(roster.token(EDITOR)),
        caller => (assert_eq!(caller, "-"), request).1,
    };
    request = match line.content_type {
        "-" => request,
        "json" => request.header("content-type", "application/json"),
        other => request.header("content-type", other.trim_matches('"')),
    };
    for (name, value) in line
        .headers
        .split("; ")
        .filter_map(|header| header.split_once(": ").or(header.split_once(':')))
    {
        request = request.header(name, values.fill(value));
    }
    request = match (line.body, line.body.strip_prefix("base64 ")) {
        ("-", _) => request,
        ("empty", _) => request.body(""),
        (_, Some(bytes)) => request.body(aws_smithy_types::base64::decode(bytes).expect("a body")),
        (json, None) => request.body(values.fill(json)),
    };
    send(request).await
}

/// A response as the record tells it.
fn told(line: &Line<'_>, answer: &Answer) -> String {
    let status = answer.status;
    let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    if status >= 400 {
        let name = body["name"].as_str().unwrap_or("-");
        if name != "-" {
            let details =
                body["details"].as_array().filter(|details| !details.is_empty()).expect("details");
            assert!(
                details.iter().all(|detail| detail["message"].is_string()),
                "{}: {answer:?}",
                line.label
            );
        }
        return format!("{status} {name}");
    }
    if matches!(line.method, "GET" | "HEAD") {
        assert!(answer.headers.contains_key("etag"), "{}: {answer:?}", line.label);
    }
    if line.method == "HEAD" {
        assert_eq!(answer.text, "", "{}", line.label);
    }
    let keys = match &body {
        Value::Object(fields) => keys(fields.keys()),
        Value::Array(items) => {
            let fields = items.first().and_then(Value::as_object);
            format!(
                "[{}] {}",
                items.len(),
                fields.map(|fields| keys(fields.keys())).unwrap_or_default()
            )
        }
        _ => String::new(),
    };
    format!("{status} {keys}").trim().to_owned()
}

/// True where a response is as it was recorded.
fn is_alike(recorded: &str, told: &str) -> bool {
    match recorded.strip_suffix(" …") {
        Some(status) => told.split(' ').next() == Some(status),
        None => told == recorded,
    }
}

/// Keys as the record names them, by the set that leaves the fewest to tell.
fn keys<'a>(keys: impl Iterator<Item = &'a String>) -> String {
    let keys: BTreeSet<&str> = keys.map(String::as_str).collect();
    if !keys.contains("accountType") {
        return keys.into_iter().collect::<Vec<_>>().join(" ");
    }
    let found =
        "accountType companyRole id imageUrl productUpdatesEmailConsent scimId seatType seenAt";
    let user = format!("{found} createdAt loginAttempts rootRole");
    let made = format!("{user} emailSent inviteLink");
    let sets = [("user", user.as_str()), ("made", &made), ("found", found)];
    let named = sets.map(|(name, set)| {
        let set: BTreeSet<&str> = set.split(' ').collect();
        let more = keys.difference(&set).map(|key| format!(" +{key}"));
        name.to_owned()
            + &more.chain(set.difference(&keys).map(|key| format!(" -{key}"))).collect::<String>()
    });
    named.into_iter().min_by_key(String::len).unwrap_or_default()
}

#[tokio::test]
async fn each_recorded_request_is_answered_alike_but_for_the_differences_that_are_listed() {
    let roster = instance().await;
    let mut values = Values::default();
    for (name, number) in [("me_viewer", "2"), ("me_editor", "3")] {
        values.0.insert(name.to_owned(), number.to_owned());
    }
    let document =
        include_str!("../../docs/unleash.md").split_whitespace().collect::<Vec<_>>().join(" ");
    for (reason, _) in DIFFERENCES {
        assert!(document.contains(reason), "docs/unleash.md does not say: {reason}");
    }
    let listed: Vec<_> =
        DIFFERENCES.iter().flat_map(|(_, requests)| requests.iter().copied()).collect();
    let (mut alike, mut unrecorded, mut wrong) = (0, 0, Vec::new());
    let mut differences: BTreeMap<&str, &str> = listed.iter().copied().collect();
    assert_eq!(differences.len(), listed.len(), "a difference is listed twice");
    for line in lines() {
        let answer = replay(&roster, &line, &values).await;
        values.keep(line.label, &answer);
        let told = told(&line, &answer);
        // Roster has no 5xx but for what it says that it does not serve.
        assert!(
            answer.status < 500 || told == "501 NotImplementedError",
            "{}: {answer:?}",
            line.label
        );
        match (line.response, differences.remove(line.label)) {
            ("?", None) => unrecorded += 1,
            (recorded, None) if is_alike(recorded, &told) => alike += 1,
            (recorded, None) => wrong.push(format!("{}: {told}, and not {recorded}", line.label)),
            (recorded, Some(_)) if is_alike(recorded, &told) => {
                wrong.push(format!("{} differs no more: take it from the list", line.label))
            }
            (_, Some(ours)) if ours == told => {}
            (_, Some(ours)) => {
                wrong.push(format!("{}: {told}, and not {ours} as the list says", line.label))
            }
        }
    }
    wrong.extend(differences.keys().map(|label| format!("no request is labelled {label}")));
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    println!("{alike} alike, {} differences, {unrecorded} not recorded", listed.len());
    roster.check_table().await;
}
