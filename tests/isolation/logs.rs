//! What is logged: one line for each request of every endpoint, which agrees with the answer, tells
//! what failed behind it, and holds nothing that anyone would not want read.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use functions::HANDLERS;
use functions::log::{BatchLine, Log, PurgeLine, RebuildLine, RequestLine};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use local::{Location, database, demo};
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};
use tests::probes::{Effect, Probe, Target, probes};
use tests::{Answer, Roster, send};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

use crate::hostile::contract_of;

/// Where every request says to come from.
const USER_AGENT: &str = "Probing/1.0 (a device of somebody)";

/// A log that keeps its lines.
#[derive(Default)]
struct Lines(Mutex<Vec<RequestLine>>);

impl Lines {
    fn take(&self) -> Vec<RequestLine> {
        std::mem::take(&mut self.0.lock().expect("the lines"))
    }
}

impl Log for Lines {
    fn request(&self, line: &RequestLine) {
        self.0.lock().expect("the lines").push(line.clone());
    }

    fn purge(&self, _: &PurgeLine) {
        panic!("no request purges");
    }

    fn batch(&self, _: &BatchLine) {
        panic!("no request counts a batch");
    }

    fn rebuild(&self, _: &RebuildLine) {
        panic!("no request rebuilds an index");
    }
}

async fn start() -> (Roster, Arc<Lines>) {
    let lines = Arc::new(Lines::default());
    let log = lines.clone();
    (Roster::start_with(move |options| options.log = log).await, lines)
}

/// Every probe of every handler; those that end the caller's account come last.
fn all_probes() -> Vec<(&'static str, Probe)> {
    let of_handler = |name: &'static str| probes(name).into_iter().map(move |probe| (name, probe));
    let mut all: Vec<_> = HANDLERS.iter().flat_map(|handler| of_handler(handler.name)).collect();
    all.sort_by_key(|(_, probe)| probe.effect == Effect::EndsCaller);
    all
}

/// Whether a handler asks who calls: those of the platform do not, nor does any of a path that is
/// no endpoint, which takes no read.
fn asks_who_calls(handler: &str, answer: &Answer) -> bool {
    !handler.starts_with("platform.") && (answer.status != 404 || answer.cost().calls > 0)
}

/// Someone of the demo team.
fn target() -> Target {
    Target {
        user: demo::id(0x61),
        number: 12,
        team: demo::TEAM,
        key: demo::id(0xf204),
        sandbox: "sbx_0000000000000008".to_owned(),
        invite: Uuid::now_v7(),
    }
}

/// Who calls, and how.
struct Caller {
    name: &'static str,
    /// Whom the credential names, where it is a good one.
    id: Option<Uuid>,
    credential: Option<String>,
}

impl Caller {
    fn all(roster: &Roster) -> Vec<Self> {
        let stranger = Uuid::new_v4();
        let mut expired = roster.claims(demo::ADMIN);
        expired["exp"] = json!(roster.now().as_second() - 7200);
        let good = |name, id| Self { name, id: Some(id), credential: Some(roster.token(id)) };
        let bad = |name, credential: &str| Self {
            name,
            id: None,
            credential: Some(credential.to_owned()),
        };
        vec![
            good("the platform's operator", demo::PLATFORM_OPERATOR),
            good("an administrator", demo::ADMIN),
            good("an operator", demo::OPERATOR),
            good("a manager", demo::MANAGER),
            good("a viewer", demo::VIEWER),
            good("someone of another team", demo::OTHER_ADMIN),
            good("someone who is not there", stranger),
            bad("a guest with an expired token", &tests::sign(&expired)),
            bad(
                "a guest with a token of another's making",
                &format!("{}x", roster.token(demo::ADMIN)),
            ),
            bad("a guest with a key of no one's", demo::api_key_text(stranger, 9).reveal()),
            bad(
                "a guest with a key that has a slip",
                "ns_live_0123456789012345678901234567890123456789ffffffff",
            ),
            bad("a guest with a word", "open-sesame"),
            Self { name: "a guest", id: None, credential: None },
        ]
    }

    fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        let request = request.header("user-agent", USER_AGENT);
        match &self.credential {
            Some(credential) => request.bearer_auth(credential),
            None => request,
        }
    }
}

/// Holds a line against the answer that it is of.
#[track_caller]
fn assert_agrees(line: &RequestLine, answer: &Answer, handler: &str, method: &Method, case: &str) {
    assert_eq!(
        (line.handler, line.method.as_str(), line.status),
        (handler, method.as_str(), answer.status),
        "{case}: {answer:?}"
    );
    assert_eq!(line.request_id, answer.headers["x-request-id"], "{case}: {answer:?}");
    let cost = answer.cost();
    let figures = (line.dynamodb_calls, line.dynamodb_steps, line.read_units, line.write_units);
    assert_eq!(figures, (cost.calls, cost.steps, cost.read_units, cost.write_units), "{case}");
    assert!(
        line.duration_ms > 0.0 && (0.0..=line.duration_ms).contains(&line.dynamodb_ms),
        "{case}: {line:?}"
    );
    assert!(
        (line.dynamodb_ms > 0.0) == (line.dynamodb_calls > 0) || line.failed_call.is_some(),
        "{case}: {line:?}"
    );
    if answer.status >= 400 {
        // Two contracts repeat the request's id in their errors.
        let body = answer.json();
        for field in ["request_id", "id"] {
            if let Some(id) = body.get(field) {
                assert_eq!(*id, line.request_id, "{case}: {answer:?}");
            }
        }
    }
}

/// What no line may hold.
struct Private(BTreeSet<String>);

impl Private {
    /// All that the table knows of users and their devices, with the texts of the demo data's keys.
    fn of_table(items: &[Map<String, Value>]) -> Self {
        let mut texts = BTreeSet::from([USER_AGENT.to_owned(), "127.0.0.1".to_owned()]);
        for item in items {
            collect_private(&Value::Object(item.clone()), &mut texts);
            let id = item.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
            if let Some(id) = id.filter(|_| item["sk"] == "USER") {
                texts
                    .extend((0..16).map(|place| demo::api_key_text(id, place).reveal().to_owned()));
            }
            texts.extend(item.get("sha256").and_then(Value::as_str).map(str::to_owned));
        }
        // A key of that name, and the word for why a credential is refused.
        texts.remove("expired");
        Self(texts)
    }

    /// Panics where a line holds any of it, or what the request sent.
    #[track_caller]
    fn assert_not_in(&self, line: &RequestLine, sent: &BTreeSet<String>, case: &str) {
        let mut line = serde_json::to_value(line).expect("a line is JSON");
        // These are not of the request's making, and one is the caller's own.
        for name in ["handler", "method", "caller_id", "request_id", "at"] {
            line.as_object_mut().expect("an object").remove(name);
        }
        let mut texts = Vec::new();
        line.as_object()
            .expect("an object")
            .values()
            .for_each(|value| texts.extend(value.as_str().map(str::to_owned)));
        for text in texts {
            let shown = self.0.iter().chain(sent).find(|private| holds(&text, private));
            assert_eq!(shown, None, "{case}: {text}");
        }
    }
}

/// Whether a text holds another, as words of its own.
fn holds(text: &str, private: &str) -> bool {
    let (text, private) = (text.to_lowercase(), private.to_lowercase());
    text.match_indices(&private).any(|(start, found)| {
        let before = text[..start].chars().next_back();
        let after = text[start + found.len()..].chars().next();
        !before.into_iter().chain(after).any(char::is_alphanumeric)
    })
}

fn collect_private(value: &Value, texts: &mut BTreeSet<String>) {
    const NAMES: [&str; 13] = [
        "email",
        "username",
        "first_name",
        "last_name",
        "display_name",
        "name",
        "job_title",
        "avatar_url",
        "device_user_id",
        "scim_id",
        "pub_key",
        "remote_ip",
        "user_agent",
    ];
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect_private(value, texts)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| match value.as_str() {
            Some(text) if NAMES.contains(&name.as_str()) && !text.is_empty() => {
                texts.insert(text.to_owned());
            }
            _ => collect_private(value, texts),
        }),
        _ => {}
    }
}

/// What a request sends, but for words that say nothing of anyone: the values of its body, its path
/// and query, its credential.
fn sent(request: &reqwest::Request, caller: &Caller) -> BTreeSet<String> {
    let mut texts: BTreeSet<String> = caller.credential.iter().cloned().collect();
    let url = request.url();
    texts.insert(url.as_str().to_owned());
    texts.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
    texts.extend(
        url.path_segments()
            .into_iter()
            .flatten()
            .filter(|part| part.contains(|c: char| c.is_ascii_digit()))
            .map(str::to_owned),
    );
    let body = request
        .body()
        .and_then(reqwest::Body::as_bytes)
        .and_then(|body| serde_json::from_slice(body).ok());
    let mut left: Vec<Value> = body.into_iter().collect();
    while let Some(value) = left.pop() {
        match value {
            Value::String(text) => drop(texts.insert(text)),
            Value::Array(values) => left.extend(values),
            Value::Object(fields) => left.extend(fields.into_values()),
            _ => {}
        }
    }
    // `user` is a scope of keys, the letter and the number are parts of queries, and `v1` is of
    // every path.
    texts.retain(|text| text.len() > 3 && text != "user");
    texts
}

#[tokio::test]
async fn every_request_is_logged_once_as_it_was_answered_and_without_what_is_private() {
    let (first, _) = start().await;
    let (mut statuses, mut causes): (BTreeMap<u16, usize>, BTreeSet<String>) = Default::default();
    for caller in Caller::all(&first) {
        let (roster, lines) = start().await;
        let private = Private::of_table(&roster.items().await);
        assert!(private.0.len() > 200, "{}", private.0.len());
        for (handler, probe) in all_probes() {
            let case = format!("{} at {handler}: {probe:?}", caller.name);
            let request = caller.sign(probe.request(&roster, &target()));
            let sent = sent(
                &request.try_clone().and_then(|request| request.build().ok()).expect("a request"),
                &caller,
            );
            let answer = send(request).await;
            let written = lines.take();
            let [line] = &written[..] else { panic!("{case}: {written:?}") };
            assert_agrees(line, &answer, handler, &probe.method, &case);
            assert_eq!(line.at, roster.now());
            assert_eq!(
                line.caller_id,
                caller.id.filter(|_| asks_who_calls(handler, &answer)),
                "{case}: {answer:?}"
            );
            assert_eq!(line.failed_call, None, "{case}");
            private.assert_not_in(line, &sent, &case);
            // The answer says that the credential is refused; the log says why.
            let refused = answer.status == 401 && caller.credential.is_some();
            assert_eq!(line.cause.is_some(), refused, "{case}: {line:?}");
            *statuses.entry(answer.status).or_default() += 1;
            causes.extend(line.cause.clone());
        }
    }
    assert!(
        [200, 201, 202, 400, 401, 403, 404, 409, 422]
            .iter()
            .all(|status| statuses.contains_key(status)),
        "{statuses:?}"
    );
    let told = [
        "expired",
        "no such API key",
        "the API key's checksum is wrong",
        "not a token",
        "no such user",
    ];
    assert!(told.iter().all(|cause| causes.contains(*cause)), "{causes:?}");
}

#[tokio::test]
async fn requests_with_api_keys_are_logged_by_their_owners() {
    let (roster, lines) = start().await;
    let text = crate::give_key::give_key(&roster, demo::ADMIN, "user", None).await;
    let private = Private::of_table(&roster.items().await);
    let caller = Caller { name: "a key", id: Some(demo::ADMIN), credential: Some(text.clone()) };
    for path in ["/v1/account/me", "/users", "/api/admin/user-admin", "/api/v1/users/"] {
        let answer = send(caller.sign(roster.request(Method::GET, path))).await;
        let written = lines.take();
        let [line] = &written[..] else { panic!("{path}: {written:?}") };
        assert_agrees(line, &answer, line.handler, &Method::GET, path);
        assert_eq!(line.caller_id, Some(demo::ADMIN), "{path}: {answer:?}");
        private.assert_not_in(line, &BTreeSet::from([text.clone()]), path);
    }
}

#[tokio::test]
async fn why_a_token_was_refused_is_logged_and_not_answered() {
    let (roster, lines) = start().await;
    let with = |name: &str, value: Value| {
        let mut claims = roster.claims(demo::VIEWER);
        claims[name] = value;
        claims
    };
    let (secret, now) = ("local-development-secret-do-not-deploy", roster.now().as_second());
    let own_kid =
        Header { kid: Some(format!("roster-{}", "A".repeat(43))), ..Header::new(Algorithm::HS512) };
    let hs256 = Header::new(Algorithm::HS256);
    let mut told = None;
    for (cause, header, secret, claims) in [
        (
            "wrong signature",
            &hs256,
            "another-secret-of-more-than-32-bytes",
            with("role", "x".into()),
        ),
        ("wrong issuer", &hs256, secret, with("iss", "http://localhost/auth/v2".into())),
        ("wrong audience", &hs256, secret, with("aud", "anon".into())),
        ("wrong algorithm", &own_kid, secret, with("role", "x".into())),
        ("a claim is missing", &hs256, secret, with("iss", Value::Null)),
        ("malformed", &hs256, secret, with("sub", 5.into())),
        ("no such user", &hs256, secret, with("sub", "nobody".into())),
        ("expired", &hs256, secret, with("exp", (now - 60).into())),
        ("not valid yet", &hs256, secret, with("nbf", (now + 60).into())),
    ] {
        let token =
            encode(header, &claims, &EncodingKey::from_secret(secret.as_bytes())).expect("a token");
        let answer =
            send(roster.request(Method::GET, "/users/me").bearer_auth(token)).await.expect(401);
        assert_eq!(
            *told.get_or_insert_with(|| answer.text.clone()),
            answer.text,
            "all are told the same: {cause}"
        );
        assert_eq!(
            lines.take().into_iter().map(|line| line.cause).collect::<Vec<_>>(),
            [Some(cause.to_owned())]
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_at_one_time_are_logged_each_with_its_own_figures() {
    let (roster, lines) = start().await;
    let caller = Caller {
        name: "an administrator",
        id: Some(demo::ADMIN),
        credential: Some(roster.token(demo::ADMIN)),
    };
    let reads: Vec<_> =
        all_probes().into_iter().filter(|(_, probe)| probe.method == Method::GET).collect();
    let answers =
        reads.iter().map(|(_, probe)| send(caller.sign(probe.request(&roster, &target()))));
    let answers = futures::future::join_all(answers).await;
    let written: BTreeMap<String, RequestLine> =
        lines.take().into_iter().map(|line| (line.request_id.clone(), line)).collect();
    assert_eq!(written.len(), answers.len());
    for ((handler, probe), answer) in reads.iter().zip(&answers) {
        let line = &written[&answer.headers["x-request-id"]];
        assert_agrees(line, answer, handler, &probe.method, &format!("{handler}: {probe:?}"));
    }
}

#[tokio::test]
async fn a_repeated_request_is_logged_for_itself() {
    let (roster, lines) = start().await;
    let caller = Caller {
        name: "an administrator",
        id: Some(demo::ADMIN),
        credential: Some(roster.token(demo::ADMIN)),
    };
    let request = || {
        let request =
            roster.request(Method::POST, "/v1/keys").json(&json!({"name": "for the robot"}));
        send(caller.sign(request).header("idempotency-key", "a-key-of-my-own"))
    };
    let (first, again) = (request().await.expect(201), request().await.expect(201));
    let (first_key, key_again) = (first.json(), again.json());
    assert_eq!(first_key, key_again);
    let written = lines.take();
    assert_eq!(written.len(), 2);
    assert_ne!(written[0].request_id, written[1].request_id);
    let mut private = Private::of_table(&roster.items().await);
    let text = first_key["key"].as_str().expect("a key's text");
    private.0.extend(["a-key-of-my-own", "for the robot", text].map(str::to_owned));
    for (line, answer) in written.iter().zip([&first, &again]) {
        assert_agrees(
            line,
            answer,
            "operator_account.create_key",
            &Method::POST,
            "a repeated request",
        );
        private.assert_not_in(line, &BTreeSet::new(), "a repeated request");
    }
}

#[tokio::test]
async fn a_broken_record_is_logged_without_what_it_holds() {
    let (roster, lines) = start().await;
    let private = Private::of_table(&roster.items().await);
    let mut record = roster
        .items()
        .await
        .into_iter()
        .find(|item| item["pk"] == format!("USER#{}", demo::ADMIN) && item["sk"] == "USER")
        .expect("a record");
    let email = record["email"].clone();
    for field in ["status", "created_at", "updated_at"] {
        let good = record.insert(field.to_owned(), email.clone());
        let item = serde_dynamo::to_item(record.clone()).expect("an item");
        roster
            .server
            .data
            .client
            .put_item()
            .table_name(&roster.table)
            .set_item(Some(item))
            .send()
            .await
            .expect("a record");
        let answer = roster.get("/v1/account/me", demo::ADMIN).await.expect(500);
        let written = lines.take();
        let [line] = &written[..] else { panic!("{field}: {written:?}") };
        assert_agrees(line, &answer, "operator_account.get_me", &Method::GET, field);
        assert!(line.cause.as_ref().is_some_and(|cause| cause.contains("User")), "{line:?}");
        private.assert_not_in(line, &BTreeSet::new(), field);
        record.insert(field.to_owned(), good.expect("the field"));
    }
}

/// What stands between the server and its database does with a call.
#[derive(Debug, Clone)]
enum Conduct {
    /// It passes it on.
    Passes,
    /// It answers itself.
    Answers(u16, String),
    /// It closes the connection.
    Closes,
    /// It says nothing.
    Waits,
}

impl Conduct {
    /// Answers as DynamoDB does with an error.
    fn error(status: u16, name: &str) -> Self {
        let body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{name}"), "message": "Not now."});
        Self::Answers(status, body.to_string())
    }
}

/// Stands between the server and its database.
struct Proxy {
    address: SocketAddr,
    /// What to do, and with which call alone, where it is one.
    conduct: Arc<Mutex<(Conduct, Option<&'static str>)>>,
    serving: JoinHandle<()>,
    _database: database::Opened,
}

impl Proxy {
    async fn start() -> Self {
        let database = database::open(&Location::Memory).await.expect("a database");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let conduct = Arc::new(Mutex::new((Conduct::Passes, None)));
        let (shared, upstream) = (conduct.clone(), database.endpoint.clone());
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            let http = reqwest::Client::builder().no_proxy().build().expect("a client");
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, upstream, http) = (shared.clone(), upstream.clone(), http.clone());
                connections.spawn(async move {
                    let _ = serve(stream, &shared, &upstream, &http).await;
                });
            }
        });
        Self { address, conduct, serving, _database: database }
    }

    fn does(&self, conduct: Conduct) {
        *self.conduct.lock().expect("the conduct") = (conduct, None);
    }

    /// Passes on all calls but those.
    fn does_with(&self, call: &'static str, conduct: Conduct) {
        *self.conduct.lock().expect("the conduct") = (conduct, Some(call));
    }
}

/// One call for each connection.
async fn serve(
    stream: TcpStream,
    conduct: &Mutex<(Conduct, Option<&'static str>)>,
    upstream: &str,
    http: &reqwest::Client,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = http.post(upstream);
    let (mut length, mut call, mut line) = (0, String::new(), String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().expect("a length"),
            "host" | "connection" => {}
            name => {
                if name == "x-amz-target" {
                    call = value.rsplit('.').next().unwrap_or_default().to_owned();
                }
                request = request.header(name, value);
            }
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let (conduct, only) = conduct.lock().expect("the conduct").clone();
    let conduct = if only.is_none_or(|only| only == call) { conduct } else { Conduct::Passes };
    let (status, body) = match conduct {
        Conduct::Passes => {
            let answer = request.body(body).send().await.expect("the database answers");
            (answer.status().as_u16(), answer.bytes().await.expect("an answer").to_vec())
        }
        Conduct::Answers(status, body) => (status, body.into_bytes()),
        Conduct::Closes => return Ok(()),
        Conduct::Waits => std::future::pending().await,
    };
    let head = format!(
        "HTTP/1.1 {status} Answer\r\ncontent-type: application/x-amz-json-1.0\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).await?;
    stream.shutdown().await
}

async fn start_behind_proxy() -> (Roster, Arc<Lines>, Proxy) {
    let proxy = Proxy::start().await;
    let lines = Arc::new(Lines::default());
    let (log, endpoint) = (lines.clone(), format!("http://{}", proxy.address));
    let adjust = move |options: &mut local::Options| {
        options.log = log;
        options.location = Location::Endpoint(endpoint);
    };
    (Roster::start_with(adjust).await, lines, proxy)
}

/// Holds a request that failed with the database against what it must answer and log.
#[track_caller]
fn assert_told(answer: &Answer, line: &RequestLine, handler: &str, probe: &Probe, case: &str) {
    assert_eq!(answer.status, 503, "{case}: {answer:?}");
    contract_of(&probe.path(&target())).error(answer);
    assert_agrees(line, answer, handler, &probe.method, case);
    assert!(
        line.failed_call.is_some_and(|call| call.starts_with(|c: char| c.is_ascii_uppercase())),
        "{case}: {line:?}"
    );
    assert!(line.cause.as_ref().is_some_and(|cause| !cause.is_empty()), "{case}: {line:?}");
    // What failed is for the log alone.
    let cause = line.cause.as_deref().unwrap_or_default();
    assert!(
        !answer.text.contains(cause) && !answer.text.contains("dynamodb"),
        "{case}: {answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_fails_makes_a_503_and_a_line_that_names_the_call() {
    let (roster, lines, proxy) = start_behind_proxy().await;
    let private = Private::of_table(&roster.items().await);
    let caller = Caller {
        name: "an administrator",
        id: Some(demo::ADMIN),
        credential: Some(roster.token(demo::ADMIN)),
    };
    let (handler, probe) = all_probes()
        .into_iter()
        .find(|(handler, _)| *handler == "operator_account.get_me")
        .expect("a probe");
    for (conduct, told) in [
        (Conduct::error(500, "InternalServerError"), "InternalServerError"),
        (
            Conduct::error(400, "ProvisionedThroughputExceededException"),
            "ProvisionedThroughputExceededException",
        ),
        (Conduct::error(400, "ThrottlingException"), "ThrottlingException"),
        (Conduct::error(400, "RequestLimitExceeded"), "RequestLimitExceeded"),
        (Conduct::error(503, "ServiceUnavailable"), "ServiceUnavailable"),
        (Conduct::Answers(500, String::new()), ""),
        (Conduct::Answers(503, "<html>Service Unavailable</html>".to_owned()), ""),
        (Conduct::Closes, "dispatch failure"),
        (Conduct::Waits, "timeout"),
    ] {
        let case = format!("{conduct:?}");
        proxy.does(conduct);
        let answer = send(caller.sign(probe.request(&roster, &target()))).await;
        let written = lines.take();
        let [line] = &written[..] else { panic!("{case}: {written:?}") };
        assert_told(&answer, line, handler, &probe, &case);
        assert_eq!(
            (line.failed_call, line.caller_id),
            (Some("GetItem"), caller.id),
            "{case}: {line:?}"
        );
        assert!(line.cause.as_ref().is_some_and(|cause| cause.contains(told)), "{case}: {line:?}");
        assert!(line.dynamodb_calls >= 1 && line.dynamodb_ms > 0.0, "{line:?}");
        private.assert_not_in(line, &BTreeSet::new(), &case);
        proxy.does(Conduct::Passes);
        send(caller.sign(probe.request(&roster, &target()))).await.expect(200);
        lines.take();
    }
    // A fault of ours is no reason to come back.
    proxy.does(Conduct::error(400, "ValidationException"));
    let answer = send(caller.sign(probe.request(&roster, &target()))).await.expect(500);
    let written = lines.take();
    assert_agrees(&written[0], &answer, handler, &probe.method, "a fault of ours");
    assert_eq!(written[0].failed_call, Some("GetItem"));
    assert!(
        written[0].cause.as_ref().is_some_and(|cause| cause.contains("ValidationException")),
        "{written:?}"
    );
    assert!(!answer.headers.contains_key("retry-after"), "{answer:?}");
    proxy.does(Conduct::Passes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_names_the_one_call_that_failed() {
    let (roster, lines, proxy) = start_behind_proxy().await;
    let throttled = || Conduct::error(400, "ProvisionedThroughputExceededException");
    roster.advance(3600);
    // That the caller was seen is not noted, which fails no request; the line says so all the same.
    proxy.does_with("UpdateItem", throttled());
    let answer = roster.get("/v1/account/me", demo::ADMIN).await.expect(200);
    let written = lines.take();
    assert_agrees(&written[0], &answer, "operator_account.get_me", &Method::GET, "a sighting");
    assert_eq!((written[0].failed_call, &written[0].cause), (Some("UpdateItem"), &None));
    for (call, method, path, body) in [
        ("TransactWriteItems", Method::POST, "/v1/keys", json!({"name": "mine"})),
        ("Query", Method::GET, "/v1/keys", Value::Null),
        ("GetItem", Method::GET, "/health", Value::Null),
    ] {
        proxy.does_with(call, throttled());
        let answer = roster.call(method, path, demo::ADMIN, &body).await.expect(503);
        assert!(answer.headers["retry-after"].parse::<u32>().is_ok(), "{answer:?}");
        let written = lines.take();
        let [line] = &written[..] else { panic!("{path}: {written:?}") };
        assert_eq!(line.failed_call, Some(call), "{line:?}");
        assert!(
            line.cause
                .as_ref()
                .is_some_and(|cause| cause.contains("ProvisionedThroughputExceeded")),
            "{line:?}"
        );
    }
    // A condition that is not met is no failure.
    proxy.does(Conduct::Passes);
    roster.call(Method::POST, "/v1/account", demo::ADMIN, &json!({})).await;
    assert_eq!(lines.take()[0].failed_call, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_database_every_endpoint_answers_in_its_contracts_form_and_says_why_in_the_log() {
    let (roster, lines, proxy) = start_behind_proxy().await;
    let private = Private::of_table(&roster.items().await);
    lines.take();
    // Nobody listens there any more.
    proxy.serving.abort();
    let mut failed = BTreeSet::new();
    for id in [demo::ADMIN, demo::PLATFORM_OPERATOR] {
        let caller = Caller { name: "someone", id: Some(id), credential: Some(roster.token(id)) };
        for (handler, probe) in all_probes() {
            let case = format!("{handler}: {probe:?}");
            let answer = send(caller.sign(probe.request(&roster, &target()))).await;
            let written = lines.take();
            let [line] = &written[..] else { panic!("{case}: {written:?}") };
            assert_eq!(
                line.caller_id,
                caller.id.filter(|_| asks_who_calls(handler, &answer)),
                "{case}"
            );
            let at_database =
                line.cause.as_ref().map(|cause| cause.replace("127.0.0.1", "(the database)"));
            private.assert_not_in(
                &RequestLine { cause: at_database, ..line.clone() },
                &BTreeSet::new(),
                &case,
            );
            // Some requests are refused, or answered, before the table is asked.
            if answer.status < 500 {
                assert_agrees(line, &answer, handler, &probe.method, &case);
                assert_eq!((line.failed_call, line.dynamodb_calls), (None, 0), "{case}: {line:?}");
            } else {
                assert_told(&answer, line, handler, &probe, &case);
                failed.insert(handler);
            }
        }
    }
    let untold =
        ["platform.get_openapi", "platform.unmatched", "operator_account.list_quota_tiers"];
    let spared: Vec<_> =
        HANDLERS.iter().map(|handler| handler.name).filter(|name| !failed.contains(name)).collect();
    assert!(spared.iter().all(|name| untold.contains(name)), "{spared:?}");
}
