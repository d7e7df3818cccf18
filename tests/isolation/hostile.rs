//! Hostile input at every endpoint over plain HTTP: never a 5xx, never a hang, always an answer in
//! the contract's own form.

use std::collections::BTreeSet;
use std::time::Duration;

use functions::HANDLERS;
use local::demo;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use reqwest::Method;
use tests::probes::{Probe, Target, probes};
use tests::{Answer, Roster};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::errors::Contract;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// An endpoint with a caller who may use it, so that input gets as far as it can.
struct Endpoint {
    handler: &'static str,
    probe: Probe,
    caller: Uuid,
    target: Target,
}

/// One for each method and path.
fn endpoints() -> Vec<Endpoint> {
    let of_handler = |name: &'static str| {
        probes(name).into_iter().map(move |probe| {
            let caller = match name {
                "directory.list_admin_users" => demo::PLATFORM_OPERATOR,
                _ if probe.bare_path().starts_with("/v1/admin/") => demo::PLATFORM_OPERATOR,
                _ if name.starts_with("managed_users.") => demo::MANAGER,
                // Whose account ends, and comes back.
                "operator_account.delete_account" | "operator_account.restore_account" => {
                    demo::id(0x1f1)
                }
                // Whose sandboxes have ids that are known.
                "operator_account.update_sandbox" | "operator_account.destroy_sandbox" => {
                    demo::PLATFORM_OPERATOR
                }
                _ => demo::ADMIN,
            };
            // One that is erased is none to rename.
            let deletes = probe.method == Method::DELETE;
            let user = if name == "operator_account.report_running_time" {
                demo::PLATFORM_OPERATOR
            } else if deletes {
                demo::id(0x64)
            } else {
                demo::id(0x61)
            };
            let number = if deletes { 13 } else { 12 };
            let sandbox =
                if deletes { "sbx_0000000000000009" } else { "sbx_0000000000000008" }.to_owned();
            let target = Target {
                user,
                number,
                team: demo::TEAM,
                key: demo::id(0xf204),
                sandbox,
                invite: Uuid::now_v7(),
            };
            Endpoint { handler: name, probe, caller, target }
        })
    };
    let mut seen = BTreeSet::new();
    let all = HANDLERS.iter().flat_map(|handler| of_handler(handler.name));
    all.filter(|endpoint| {
        seen.insert((endpoint.probe.method.to_string(), endpoint.probe.bare_path()))
    })
    .collect()
}

/// A request as it goes over the wire.
struct Wire {
    method: Method,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Wire {
    fn of(endpoint: &Endpoint, roster: &Roster) -> Self {
        let headers = [
            ("host", "localhost".to_owned()),
            ("authorization", format!("Bearer {}", roster.token(endpoint.caller))),
            ("content-type", "application/json".to_owned()),
        ];
        Self {
            method: endpoint.probe.method.clone(),
            path: endpoint.probe.path(&endpoint.target),
            headers: headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).to_vec(),
            body: endpoint.probe.body(&endpoint.target).into_bytes(),
        }
    }

    /// With a header set, instead of the one that was there.
    fn header(mut self, name: &str, value: &[u8]) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self.headers.push((name.to_owned(), value.to_vec()));
        self
    }

    async fn send(&self, roster: &Roster) -> Answer {
        let mut head =
            format!("{} {} HTTP/1.1\r\nconnection: close\r\n", self.method, self.path).into_bytes();
        for (name, value) in &self.headers {
            head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        if !self.body.is_empty() || self.method == Method::POST {
            head.extend(format!("content-length: {}\r\n", self.body.len()).into_bytes());
        }
        head.extend(b"\r\n");
        let exchange = async {
            let (mut reader, mut writer) = TcpStream::connect(roster.server.address)
                .await
                .expect("the server listens")
                .into_split();
            let write = async {
                // The server may answer before it has read all.
                let _ = writer.write_all(&head).await;
                let _ = writer.write_all(&self.body).await;
            };
            let mut answer = Vec::new();
            let (_, read) = futures::join!(write, reader.read_to_end(&mut answer));
            assert!(read.is_ok() || !answer.is_empty(), "{self:?}: {read:?}");
            answer
        };
        let answer = tokio::time::timeout(PATIENCE, exchange)
            .await
            .unwrap_or_else(|_| panic!("no answer to {self:?}"));
        parse(&answer).unwrap_or_else(|| {
            panic!("no HTTP in answer to {self:?}: {}", String::from_utf8_lossy(&answer))
        })
    }

    /// Sends it and holds the answer against what every answer must be.
    async fn check(&self, roster: &Roster) -> Answer {
        let answer = self.send(roster).await;
        assert!(answer.status < 500, "{self:?}: {answer:?}");
        assert!(
            answer.headers.get("x-request-id").is_some_and(|id| !id.is_empty()),
            "{self:?}: {answer:?}"
        );
        if answer.status >= 400 {
            let in_form = std::panic::catch_unwind(|| contract_of(&self.path).error(&answer));
            assert!(in_form.is_ok(), "not in the contract's form: {self:?}: {answer:?}");
        } else if answer.status == 200 && answer.text.is_empty() {
            // That contract answers some changes with nothing.
            assert_eq!(contract_of(&self.path), Contract::UserAdmin, "{self:?}: {answer:?}");
        } else if answer.status != 304 {
            assert_eq!(answer.headers["content-type"], "application/json", "{self:?}: {answer:?}");
            answer.json();
        }
        answer
    }
}

impl std::fmt::Debug for Wire {
    /// What tells the case; long parts cut short, and without the caller's token.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short =
            |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        write!(formatter, "{} {}", self.method, short(self.path.as_bytes()))?;
        for (name, value) in self.headers.iter().filter(|(name, _)| name != "authorization") {
            write!(formatter, ", {name}: {}", short(value))?;
        }
        write!(formatter, ", body of {}: {}", self.body.len(), short(&self.body))
    }
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    Some(Answer { status, headers, text: String::from_utf8(answer[end + 4..].to_vec()).ok()? })
}

/// The contract that a path is under; paths under none answer as the operator contract does.
pub fn contract_of(path: &str) -> Contract {
    let bases = [
        ("/api/admin/user-admin", Contract::UserAdmin),
        ("/api/v1/admin_user", Contract::Directory),
        ("/api/v1", Contract::ManagedUsers),
        ("/users", Contract::Workspace),
    ];
    let under = |base: &str| {
        path.strip_prefix(base)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '_']))
    };
    bases
        .into_iter()
        .find(|(base, _)| under(base))
        .map_or(Contract::Operator, |(_, contract)| contract)
}

/// The server answers, also with all that it was made to keep.
async fn assert_alive(roster: &Roster) {
    tests::send(roster.request(Method::GET, "/health")).await.expect(200);
    for list in [
        "/users",
        "/api/admin/user-admin",
        &format!("/api/v1/admin_user?account_id={}", demo::TEAM),
    ] {
        roster.get(list, demo::ADMIN).await.expect(200);
    }
    roster.get("/v1/admin/users?limit=100", demo::PLATFORM_OPERATOR).await.expect(200);
    roster.check_table().await;
}

/// Texts for a path or a query, as they go over the wire.
fn hostile_texts() -> Vec<String> {
    let plain = [
        "%2F",
        "a%2Fb",
        "%00",
        "me%00",
        "%",
        "%%%",
        "%zz",
        "%4",
        "%FF",
        "%C3%28",
        "%ED%A0%80",
        "%F0%9F%92%A9",
        "%20",
        "+",
        "{}",
        "{user_id}",
        "{proxy+}",
        "%7B%7D",
        "?#",
        "%3F%23",
        "#",
        "?",
        "&",
        "=",
        "%26%3D",
        "~",
        "'%22;--",
        "%5C",
        "|",
        "USER%23x",
        "%0d%0aX-Injected:%201",
        "%E2%80%AE",
        "-1",
        "0",
        "-0",
        "+1",
        // A number, and not the caller's own.
        "012",
        "0x1",
        "1e3",
        "1.0",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999999",
        "NaN",
        "null",
        "undefined",
        "$default",
        "%252F",
        "%25",
        "00000000-0000-4000-8000-000000000061%00",
        "{00000000-0000-4000-8000-000000000061}",
        "00000000000040008000000000000061",
        "urn:uuid:00000000-0000-4000-8000-000000000061",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ];
    let long = [
        "a".repeat(8192),
        "%F0%9F%92%A9".repeat(700),
        "%2F".repeat(2700),
        "9".repeat(8192),
        "a/".repeat(4096),
    ];
    plain.map(str::to_owned).into_iter().chain(long).collect()
}

#[tokio::test]
async fn hostile_paths_are_answered() {
    let roster = Roster::start().await;
    for endpoint in endpoints() {
        let Some((before, after)) = endpoint.probe.around_target() else { continue };
        for text in hostile_texts() {
            // What would be a good request is no hostile one.
            let wire =
                Wire { path: format!("{before}{text}{after}"), ..Wire::of(&endpoint, &roster) };
            let answer = wire.check(&roster).await;
            assert!(!answer.headers.contains_key("x-injected"), "{wire:?}");
            assert!(answer.text.len() < 20_000, "{wire:?} is answered at length");
        }
    }
    for path in [
        "/",
        "//",
        "///users",
        "/users//",
        "/users//me",
        "/%2fusers",
        "/api/v1/users//",
        "/api/v1/users/%2F",
        "*",
        "/.",
        "/..",
        "/%FF",
    ] {
        for method in
            [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::HEAD]
        {
            let wire = Wire {
                method: method.clone(),
                path: path.into(),
                headers: vec![("host".into(), b"x".to_vec())],
                body: Vec::new(),
            };
            let answer = wire.send(&roster).await;
            assert!(answer.status < 500, "{wire:?}: {answer:?}");
        }
    }
    assert_alive(&roster).await;
}

/// The parameters that the list at a path takes.
fn parameters(path: &str) -> &'static [&'static str] {
    match path {
        "/users" => {
            &["page", "pageSize", "role", "deviceType", "status", "sortBy", "sortOrder", "ids"]
        }
        "/api/v1/users" | "/api/v1/users/" => &["include_managed", "include_shared", "name"],
        "/v1/admin/users" => &["query", "limit", "cursor"],
        "/api/admin/user-admin" => &["limit", "cursor"],
        "/api/admin/user-admin/search" => &["q"],
        "/api/v1/admin_user" | "/api/v1/admin_user_invite" => &[
            "account_id",
            "sorting",
            "sorting[field]",
            "sorting%5Bdirection%5D",
            "pagination[offset]",
            "pagination[page_size]",
        ],
        _ => &[],
    }
}

/// An id of dots, plain or encoded, is an id: it moves a request to no other endpoint, and its
/// refusal to no other contract.
#[tokio::test]
async fn dots_in_a_path_lead_nowhere() {
    let roster = Roster::start().await;
    let mut astray = Vec::new();
    for endpoint in endpoints().iter().filter(|endpoint| endpoint.handler != "platform.unmatched") {
        let Some((before, after)) = endpoint.probe.around_target() else { continue };
        let with = |text: &str| Wire {
            path: format!("{before}{text}{after}"),
            ..Wire::of(endpoint, &roster)
        };
        let form = |answer: &Answer| {
            (
                answer.status,
                answer.json().as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>()),
            )
        };
        let plain = form(&with("nobody").check(&roster).await);
        for text in [
            "..",
            ".",
            "..;",
            "%2E%2E",
            "%2e",
            "..%2F..%2Fhealth",
            "..%2F..%2F..%2Fhealth",
            "..%2F..%2Fusers%2Fme",
            "..%5C..",
        ] {
            let wire = with(text);
            let answer = wire.send(&roster).await;
            if form(&answer) != plain {
                astray.push(format!("{wire:?}: {} {}", answer.status, answer.text));
            }
        }
    }
    assert!(astray.is_empty(), "{}", astray.join("\n"));
}

#[tokio::test]
async fn hostile_queries_are_answered() {
    let roster = Roster::start().await;
    for endpoint in endpoints() {
        let path = endpoint.probe.path(&endpoint.target);
        let path = path.split('?').next().unwrap_or_default();
        if endpoint.probe.method != Method::GET {
            continue;
        }
        for text in hostile_texts() {
            for name in parameters(path) {
                let required = if path.starts_with("/api/v1/admin_user") && *name != "account_id" {
                    "account_id={team}&"
                } else {
                    ""
                };
                let required = required.replace("{team}", &demo::TEAM.to_string());
                let wire = Wire {
                    path: format!("{path}?{required}{name}={text}"),
                    ..Wire::of(&endpoint, &roster)
                };
                wire.check(&roster).await;
            }
            let wire = Wire { path: format!("{path}?{text}"), ..Wire::of(&endpoint, &roster) };
            wire.check(&roster).await;
        }
        let many = format!("ids={}&", demo::ADMIN).repeat(1000);
        for query in [
            many.as_str(),
            &"&".repeat(10_000),
            &"a=b&".repeat(5000),
            &"[".repeat(8192),
            "a[b][c]=d",
            "=",
            "=&=&=",
        ] {
            let wire = Wire { path: format!("{path}?{query}"), ..Wire::of(&endpoint, &roster) };
            wire.check(&roster).await;
        }
    }
    assert_alive(&roster).await;
}

#[tokio::test]
async fn hostile_bodies_are_answered() {
    let roster = Roster::start().await;
    // Each endpoint finds a field of its own here.
    let wrap = |value: &str| {
        let fields: Vec<_> = FIELDS
            .iter()
            .filter(|name| **name != "details")
            .map(|name| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{},\"details\":{{{}}}}}", fields.join(","), fields.join(",")).into_bytes()
    };
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("one byte", b"x".to_vec()),
        ("not JSON", b"first_name=Mallory".to_vec()),
        ("cut short", br#"{"first_name":"Mallory","#.to_vec()),
        ("two objects", b"{}{}".to_vec()),
        ("null", b"null".to_vec()),
        ("a list", b"[]".to_vec()),
        ("a text", b"\"text\"".to_vec()),
        ("an empty object", b"{}".to_vec()),
        ("deep lists", "[".repeat(10_000).into_bytes()),
        ("deep objects", r#"{"a":"#.repeat(10_000).into_bytes()),
        ("deep lists in a field", wrap(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)))),
        (
            "duplicate keys",
            br#"{"first_name":"A","first_name":"B","last_name":"C","last_name":null,"display_name":"A","display_name":1}"#.to_vec(),
        ),
        ("huge numbers", wrap("1e999999")),
        ("long numbers", wrap(&"9".repeat(10_000))),
        ("negative zero", wrap("-0.0")),
        ("not a number", wrap("NaN")),
        ("a lone surrogate", wrap(r#""\ud800""#)),
        ("a surrogate pair turned round", wrap(r#""\udc00\ud800""#)),
        ("NUL", wrap(r#""a\u0000b""#)),
        ("control characters", wrap("\"a\\u001b[31m\\r\\n\"")),
        ("right to left", wrap("\"\u{202e}abc\u{2066}\"")),
        ("not UTF-8", b"{\"first_name\":\"\xff\xfe\",\"last_name\":null}".to_vec()),
        ("only bytes that are no UTF-8", vec![0xff; 1000]),
        ("UTF-16", "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("a byte order mark", b"\xef\xbb\xbf{}".to_vec()),
        ("a long name", wrap(&format!("\"{}\"", "x".repeat(100_000)))),
        ("a name of many marks", wrap(&format!("\"a{}\"", "\u{301}".repeat(250)))),
        ("many fields", format!("{{{}\"z\":0}}", (0..20_000).map(|number| format!("\"f{number}\":0,")).collect::<String>()).into_bytes()),
        ("6 MB of a text", format!(r#"{{"first_name":"{}","last_name":null}}"#, "x".repeat(6 << 20)).into_bytes()),
        ("6 MB of zeros", vec![0; 6 << 20]),
    ];
    for endpoint in endpoints().iter().filter(|endpoint| endpoint.probe.method != Method::GET) {
        for (case, body) in &bodies {
            // Only the update of a managed user reads the type; and one endpoint is enough to see
            // what a body of megabytes does.
            let reads_type = endpoint.handler == "managed_users.update_user";
            let types: &[&str] = match body.len() > 1 << 20 {
                true if reads_type => &["application/json"],
                true => &[],
                false if reads_type => &[
                    "application/json",
                    "application/x-www-form-urlencoded",
                    "application/octet-stream",
                ],
                false => &["application/json"],
            };
            for content_type in types {
                let wire = Wire { body: body.clone(), ..Wire::of(endpoint, &roster) }
                    .header("content-type", content_type.as_bytes());
                let answer = wire.check(&roster).await;
                assert!(answer.text.len() < 20_000, "{case}: {wire:?} is answered at length");
            }
        }
    }
    assert_alive(&roster).await;
}

#[tokio::test]
async fn what_is_too_much_or_not_json_is_no_change() {
    let roster = Roster::start().await;
    roster.get("/users/me", demo::MANAGER).await.expect(200);
    let before = roster.items().await;
    let long = format!(
        r#"{{"first_name":"{}","last_name":null,"display_name":"a"}}"#,
        "x".repeat(6 << 20)
    );
    let bodies = [
        long.as_bytes(),
        b"{\"first_name\":\"A\",\"last_name\":null,\"display_name\":\"A\"",
        b"\xff",
        b"[]",
    ];
    for (method, path) in [
        ("POST", "/api/v1/users/"),
        ("PUT", "/api/v1/users/00000000-0000-4000-8000-000000000061"),
        ("PATCH", "/v1/account/me"),
    ] {
        for body in bodies {
            let request = roster
                .request(Method::from_bytes(method.as_bytes()).expect("a method"), path)
                .bearer_auth(roster.token(demo::MANAGER));
            let answer =
                tests::send(request.header("content-type", "application/json").body(body.to_vec()))
                    .await;
            assert!([400, 413, 422].contains(&answer.status), "{method} {path}: {answer:?}");
            contract_of(path).error(&answer);
        }
    }
    assert_eq!(roster.items().await, before);
}

#[tokio::test]
async fn odd_headers_are_answered() {
    let roster = Roster::start().await;
    let cookies = "a=b; ".repeat(2000);
    let tokens = "token=x; ".repeat(500);
    let long = "x".repeat(9000);
    let cases: Vec<(&str, Vec<&[u8]>)> = vec![
        (
            "host",
            vec![
                b"",
                b" ",
                b"!!!",
                b"a b",
                b"\xc3\xa9vil",
                b"\xff\xfe",
                b"[::1",
                b"a:99999",
                b"a:b:c",
                b"http://x/",
                b"/",
                b"?#",
                b"{}",
            ],
        ),
        ("host", vec![long.as_bytes(), b"x@y", b"%00", b"a,b", b"..", b"\\"]),
        (
            "x-forwarded-proto",
            vec![
                b"",
                b"gopher",
                b"\xff",
                b"https,http",
                b"://",
                b" ",
                b"ht tp",
                b"javascript:",
                long.as_bytes(),
            ],
        ),
        ("x-forwarded-host", vec![b"", b"evil.example", b"\xff", b"a b", b"{}"]),
        ("x-forwarded-port", vec![b"", b"-1", b"99999", b"x"]),
        ("x-forwarded-for", vec![b"", b"x", b"999.999.999.999", b"::1, \xff"]),
        (
            "content-type",
            vec![
                b"",
                b"\xc3\xa9",
                b";;;",
                b"application/json; charset=\xff",
                b"application/json, text/html",
                b"json",
                b"/",
            ],
        ),
        (
            "content-type",
            vec![
                long.as_bytes(),
                b"multipart/form-data",
                b"multipart/form-data; boundary=",
                b"text/plain; charset=utf-16",
            ],
        ),
        (
            "cookie",
            vec![
                b"",
                b";;;",
                b"=",
                b"token",
                b"\xff\xfe",
                b"token=\xff",
                cookies.as_bytes(),
                tokens.as_bytes(),
            ],
        ),
        ("accept", vec![b"", b"text/html", b"\xff", b"*/*;q=x"]),
        ("accept-encoding", vec![b"", b"gzip, br", b"\xff"]),
        (
            "user-agent",
            vec![b"", b"\xff\xfe", "é".repeat(5000).as_bytes().to_vec().leak(), long.as_bytes()],
        ),
        ("if-none-match", vec![b"", b"*", b"\"", b"W/", b"\xff", b",,,,", long.as_bytes()]),
        ("range", vec![b"bytes=0-0", b"x"]),
        ("x-request-id", vec![b"", b"mine", b"\xff"]),
        ("x-amzn-trace-id", vec![b"", b"Root=x", b"\xff"]),
        ("x-http-method-override", vec![b"DELETE"]),
        ("lambda-runtime-aws-request-id", vec![b"x"]),
    ];
    // What reads headers is the same behind every endpoint; and a header turns no request into a
    // deletion.
    let mut seen = BTreeSet::new();
    for endpoint in
        endpoints().into_iter().filter(|endpoint| endpoint.probe.method != Method::DELETE)
    {
        let contract = endpoint.handler.split('.').next();
        if !seen.insert((contract, endpoint.probe.method == Method::GET)) {
            continue;
        }
        for (name, values) in &cases {
            for value in values {
                let answer = Wire::of(&endpoint, &roster).header(name, value).check(&roster).await;
                assert_ne!(answer.headers["x-request-id"], "mine");
            }
        }
        let mut many = Wire::of(&endpoint, &roster);
        many.headers.extend((0..90).map(|number| (format!("x-{number}"), b"x".to_vec())));
        many.check(&roster).await;
    }
    assert!(roster.user(demo::id(0x61)).await.is_some());
    assert_alive(&roster).await;
}

#[tokio::test]
async fn odd_idempotency_keys_and_tags_are_answered() {
    let roster = Roster::start().await;
    let long = "k".repeat(256);
    let keys: [&[u8]; 11] = [
        b"",
        b" ",
        b"short",
        b"a good key",
        b"a good key",
        b"12345678, 12345678",
        b"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9",
        b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe",
        b"{}[]{}[]",
        b"USER#x#y#z",
        long.as_bytes(),
    ];
    let tags: [&[u8]; 10] = [
        b"",
        b"*",
        b"\"",
        b"\"\"",
        b"W/",
        b"W/\"1\"",
        b"\"1\", \"2\"",
        b",,,,",
        b"\xff",
        long.as_bytes(),
    ];
    for endpoint in endpoints() {
        let (name, values) = match endpoint.probe.method {
            Method::POST => ("idempotency-key", &keys[..]),
            Method::PUT | Method::PATCH => ("if-match", &tags[..]),
            _ => continue,
        };
        for value in values {
            Wire::of(&endpoint, &roster).header(name, value).check(&roster).await;
        }
    }
    assert_alive(&roster).await;
}

/// At how many endpoints each case is tried.
const AT_ONCE: usize = 6;

/// Runs a property 64 times against one server, every case at some of the endpoints.
fn at_endpoints<S: Strategy>(strategy: S, make: impl Fn(Wire, &Endpoint, &S::Value) -> Wire) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let roster = runtime.block_on(Roster::start());
    let endpoints = endpoints();
    let config =
        Config { failure_persistence: None, max_shrink_iters: 64, ..Config::with_cases(64) };
    let outcome = TestRunner::new(config).run(&(strategy, any::<Index>()), |(value, first)| {
        for endpoint in endpoints.iter().cycle().skip(first.index(endpoints.len())).take(AT_ONCE) {
            runtime.block_on(make(Wire::of(endpoint, &roster), endpoint, &value).check(&roster));
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    runtime.block_on(assert_alive(&roster));
    let _inside = runtime.enter();
    drop(roster);
}

fn encoded(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(*byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// Bytes of a path or a query: any, or the UTF-8 of any text.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 1..60),
        any::<String>().prop_map(String::into_bytes),
        "[0-9a-f-]{30,40}".prop_map(String::into_bytes)
    ]
}

/// A header's value: what HTTP lets through.
fn header_value() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![0x20..=0x7e_u8, 0x80..=0xff_u8], 0..80)
}

/// Names of the fields that the endpoints' bodies have.
const FIELDS: [&str; 28] = [
    "first_name",
    "last_name",
    "display_name",
    "avatar_url",
    "name",
    "email",
    "username",
    "rootRole",
    "sendEmail",
    "ids",
    "details",
    "account_id",
    "job_title",
    "profile_completed_at",
    "scopes",
    "sub",
    "team_id",
    "template",
    "metadata",
    "memory_mb",
    "timeout_ms",
    "status",
    "reason",
    "quota_tier_id",
    "scope",
    "expires_at",
    "overlap_seconds",
    "cpu_count",
];

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let name = prop_oneof![2 => proptest::sample::select(&FIELDS[..]).prop_map(str::to_owned), 1 => any::<String>()];
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            vec((name, inner), 0..6).prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

#[test]
fn any_path_is_answered() {
    at_endpoints(bytes(), |wire, endpoint, bytes| match endpoint.probe.around_target() {
        Some((before, after)) => {
            Wire { path: format!("{before}{}{after}", encoded(bytes)), ..wire }
        }
        None => Wire {
            path: format!(
                "{}/{}",
                endpoint.probe.bare_path().trim_end_matches('/'),
                encoded(bytes)
            ),
            ..wire
        },
    });
}

#[test]
fn any_query_is_answered() {
    let names = proptest::sample::select(vec![
        "account_id",
        "sorting",
        "pagination[offset]",
        "pagination[page_size]",
        "page",
        "pageSize",
        "role",
        "status",
        "sortBy",
        "ids",
        "name",
        "include_shared",
        "query",
        "limit",
        "cursor",
        "q",
    ]);
    at_endpoints(vec((names, bytes()), 1..4), |wire, _, pairs| {
        let query: Vec<_> =
            pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let path = wire.path.split('?').next().unwrap_or_default();
        Wire { path: format!("{path}?{}", query.join("&")), ..wire }
    });
}

#[test]
fn any_json_is_answered() {
    let object =
        vec((proptest::sample::select(&FIELDS[..]), json_value()), 0..8).prop_map(|fields| {
            let sent = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
            serde_json::Value::Object(sent.collect())
        });
    at_endpoints(prop_oneof![json_value(), object], |wire, _, value| Wire {
        body: value.to_string().into_bytes(),
        ..wire
    });
}

#[test]
fn any_body_is_answered() {
    let content_types = proptest::sample::select(vec![
        "application/json",
        "application/x-www-form-urlencoded",
        "text/plain",
        "",
    ]);
    at_endpoints((content_types, vec(any::<u8>(), 1..200)), |wire, _, (content_type, body)| {
        Wire { body: body.clone(), ..wire }.header("content-type", content_type.as_bytes())
    });
}

#[test]
fn any_header_is_answered() {
    let names = proptest::sample::select(vec![
        "host",
        "x-forwarded-proto",
        "content-type",
        "cookie",
        "authorization",
        "user-agent",
        "accept",
    ]);
    at_endpoints(vec((names, header_value()), 1..4), |wire, _, headers| {
        headers.iter().fold(wire, |wire, (name, value)| wire.header(name, value))
    });
}
