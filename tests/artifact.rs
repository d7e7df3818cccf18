//! The real artifact, really run: the `bootstrap` binary under a Runtime API that the test serves,
//! once per handler, with every event of `events/`. Its answers are those of the local server. And:
//! handlers, template, events and routes name the same things, the scheduled function among them,
//! which has no route.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use functions::schedule::purge_accounts;
use functions::stream::count_places;
use functions::{HANDLERS, gateway, secret_needs};
use local::template;
use serde_json::{Value, json};
use shared::config::SecretNeeds;
use shared::table::Sequence;
use shared::{Clock, Timestamp};
use tests::Roster;
use tests::runtime_api::{Answered, RuntimeApi, function};
use tests::tls::TlsFront;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The binary: the one that was built for this test, or any other, such as the release.
fn artifact() -> PathBuf {
    std::env::var_os("ROSTER_BOOTSTRAP")
        .map_or_else(|| env!("CARGO_BIN_EXE_bootstrap").into(), PathBuf::from)
}
/// What runs without a request.
const OF_NO_REQUEST: [&str; 2] = [purge_accounts::NAME, count_places::NAME];
/// Seconds from a soft delete to the purge.
const GRACE: i64 = 30 * 86_400;
/// The lives of API keys, in seconds: the longest, and that of a key that an operator mints.
const KEY_LIVES: [i64; 2] = [365 * 86_400, 86_400];

type Events = BTreeMap<String, Vec<(PathBuf, Value)>>;

/// Every event by its handler: `events/<contract>/<endpoint>[.<variant>].json`.
fn events() -> Events {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let mut events = Events::new();
    for folder in std::fs::read_dir(root).expect("events/ is there").flatten() {
        for file in std::fs::read_dir(folder.path()).expect("a folder of events").flatten() {
            let name = file.file_name().into_string().expect("a name in UTF-8");
            let endpoint = name.split('.').next().unwrap_or_default();
            let handler = format!("{}.{endpoint}", folder.file_name().to_string_lossy());
            let text = std::fs::read_to_string(file.path()).expect("an event");
            events
                .entry(handler)
                .or_default()
                .push((file.path(), serde_json::from_str(&text).expect("an event is JSON")));
        }
    }
    for events in events.values_mut() {
        events.sort_by(|one, other| one.0.cmp(&other.0));
    }
    events
}

/// Those of requests.
fn requests() -> Events {
    events().into_iter().filter(|(name, _)| !OF_NO_REQUEST.contains(&name.as_str())).collect()
}

#[test]
fn handlers_template_and_events_name_the_same_endpoints() {
    let of_requests: BTreeSet<String> =
        HANDLERS.iter().map(|handler| handler.name.to_owned()).collect();
    let in_code: BTreeSet<String> =
        of_requests.iter().cloned().chain(OF_NO_REQUEST.map(str::to_owned)).collect();
    let in_template: BTreeSet<String> = template::handlers().into_iter().collect();
    let routed: BTreeSet<String> =
        template::routes().into_iter().map(|route| route.handler).collect();
    let with_events: BTreeSet<String> = events().into_keys().collect();
    assert_eq!(in_code.len(), HANDLERS.len() + OF_NO_REQUEST.len(), "no name stands twice");
    assert_eq!(template::handlers().len(), in_template.len(), "no handler has two functions");
    assert_eq!(in_code, in_template);
    assert_eq!(of_requests, routed, "a request leads to each, and to nothing else");
    assert_eq!(in_code, with_events);
}

#[test]
fn a_function_stores_responses_where_a_post_leads_to_it_and_nowhere_else() {
    let router = template::Router::new(template::TrailingSlash::Default);
    let posts = router.routes().iter().filter(|route| route.method.as_deref() == Some("POST"));
    // The trailing slash is part of a path, which then goes to `$default`.
    let slashed = posts.clone().filter_map(|route| route.path.strip_suffix("{proxy+}"));
    let slashed =
        slashed.map(|path| router.find("POST", path).expect("a route").route.handler.clone());
    let posted: BTreeSet<String> =
        posts.map(|route| route.handler.clone()).chain(slashed).collect();
    let storing =
        secret_needs().filter(|(_, needs)| needs.store_responses).map(|(name, _)| name.to_owned());
    assert_eq!(storing.collect::<BTreeSet<_>>(), posted);
    assert!(posted.contains("platform.unmatched"));
}

#[test]
fn two_functions_sign_and_those_without_a_caller_need_no_secret() {
    let of = |which: fn(&SecretNeeds) -> bool| -> Vec<&str> {
        let mut names: Vec<_> =
            secret_needs().filter(|(_, needs)| which(needs)).map(|(name, _)| name).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(
        of(|needs| needs.sign),
        ["managed_users.create_delegated_token", "managed_users.get_principal_token"]
    );
    let none =
        ["platform.get_health", "platform.get_openapi", purge_accounts::NAME, count_places::NAME];
    assert_eq!(of(|needs| *needs == SecretNeeds::NOTHING), none);
    assert_eq!(of(|needs| !needs.verify), none, "who signs or stores knows its callers");
}

/// A Secrets Manager that knows every secret, or none; the ids that it was asked for.
async fn secrets_manager(knows: bool) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let noted = noted.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"}")
                    && stream.read_buf(&mut request).await.is_ok_and(|read| read > 0)
                {
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let body = request.split("\r\n\r\n").nth(1).unwrap_or_default();
                let asked: Value = serde_json::from_str(body).expect("a request in JSON");
                noted
                    .lock()
                    .expect("the ids")
                    .push(asked["SecretId"].as_str().expect("an id").to_owned());
                let secret = json!({"SecretString": "a-secret-of-more-than-thirty-two-bytes", "CreatedDate": 1_777_000_000.5});
                let unknown =
                    json!({"__type": "ResourceNotFoundException", "Message": "not found"});
                let (status, body) =
                    if knows { ("200 OK", secret) } else { ("400 Bad Request", unknown) };
                let body = body.to_string();
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all((head + &body).as_bytes()).await;
            });
        }
    });
    (url, asked)
}

/// A function with all variables of the template: those of secrets name what is in Secrets Manager.
fn in_the_cloud(handler: &str, runtime_api: &str, secrets_manager: &str) -> Command {
    let mut command = function(&artifact(), Some(handler), "http://127.0.0.1:1", runtime_api);
    for variable in SecretNeeds::ALL.arn_variables() {
        command
            .env_remove(variable.trim_end_matches("_ARN"))
            .env(variable, variable.to_lowercase());
    }
    command.env("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets_manager);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_reads_the_secrets_that_it_needs_and_no_others() {
    let (url, asked) = secrets_manager(true).await;
    for (name, needs) in secret_needs() {
        let mut api = RuntimeApi::start([]).await;
        let mut process = in_the_cloud(name, &api.address, &url)
            .stdout(Stdio::null())
            .spawn()
            .expect("bootstrap starts");
        let polled = tokio::time::timeout(Duration::from_secs(20), api.polls.recv()).await;
        process.kill().expect("bootstrap is still there");
        process.wait().expect("bootstrap ends");
        assert!(matches!(polled, Ok(Some(_))), "{name} does not start");
        let mut asked = std::mem::take(&mut *asked.lock().expect("the ids"));
        asked.sort_unstable();
        let mut needed: Vec<_> = needs.arn_variables().map(str::to_lowercase).collect();
        needed.sort_unstable();
        assert_eq!(asked, needed, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_missing_is_named_and_stops_those_alone_that_need_it() {
    let (url, _) = secrets_manager(false).await;
    for (name, needs) in secret_needs() {
        let mut api = RuntimeApi::start([]).await;
        // Of one secret, and unknown to Secrets Manager.
        for variable in SecretNeeds::ALL.arn_variables() {
            let needs_it = needs.arn_variables().any(|needed| needed == variable);
            if !needs_it
                && !["platform.get_health", "workspace.get_user", purge_accounts::NAME]
                    .contains(&name)
            {
                continue;
            }
            let mut command = function(&artifact(), Some(name), "http://127.0.0.1:1", &api.address);
            let text = variable.trim_end_matches("_ARN");
            command
                .env_remove(text)
                .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", &url)
                .env(variable, "nowhere");
            let mut process = command.stdout(Stdio::piped()).spawn().expect("bootstrap starts");
            if !needs_it {
                let polled = tokio::time::timeout(Duration::from_secs(20), api.polls.recv()).await;
                assert!(matches!(polled, Ok(Some(_))), "{name} does not start without {variable}");
                process.kill().expect("bootstrap is still there");
                process.wait().expect("bootstrap ends");
                continue;
            }
            let output = process.wait_with_output().expect("bootstrap ends");
            let log = String::from_utf8_lossy(&output.stdout);
            let told = format!(
                "environment variable {variable} names a secret (nowhere) that cannot be read"
            );
            assert!(
                output.status.code() == Some(1) && log.contains(&told),
                "{name}, {variable}: {log}"
            );
            // And where it is not set at all, by an issuer at which no keys can be discovered.
            command.env_remove(variable).env("JWT_ISSUER", "our-issuer");
            let output = command.output().expect("bootstrap ends");
            let log = String::from_utf8_lossy(&output.stdout);
            let told = format!("environment variable {text} is not set, and neither is {variable}");
            assert!(
                output.status.code() == Some(1) && log.contains(&told),
                "{name}, {text}: {log}"
            );
        }
    }
}

#[test]
fn the_description_and_the_template_name_the_same_endpoints() {
    let description: Value = serde_json::from_str(include_str!("../functions/openapi.json"))
        .expect("the description is JSON");
    // The trailing slash is `{proxy+}` with nothing in it. `$default` is no endpoint, and neither
    // is what it serves. HEAD goes with GET.
    let routed: BTreeMap<(String, String), String> = template::routes()
        .into_iter()
        .filter(|route| {
            route.handler != "platform.unmatched" && route.method.as_deref() != Some("HEAD")
        })
        .map(|route| {
            (
                (
                    route.path.replace("{proxy+}", ""),
                    route.method.expect("a method").to_lowercase(),
                ),
                route.handler,
            )
        })
        .collect();
    let mut described = BTreeMap::new();
    for (path, methods) in description["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("operations") {
            described.insert((path.clone(), method.clone()), operation["operationId"].as_str());
        }
    }
    assert_eq!(routed.keys().collect::<Vec<_>>(), described.keys().collect::<Vec<_>>());
    for (endpoint, handler) in &routed {
        // Of two paths that lead to one handler, one bears the name.
        let slashed = (format!("{}/", endpoint.0), endpoint.1.clone());
        let named =
            if routed.get(&slashed) == Some(handler) { None } else { Some(handler.as_str()) };
        assert_eq!(described[endpoint], named, "{endpoint:?}");
    }
}

/// An HTTP API answers HEAD where a route says so.
#[test]
fn every_get_route_has_a_head_route_to_the_same_handler() {
    let of = |method: &str| -> BTreeSet<(String, String)> {
        let routes =
            template::routes().into_iter().filter(|route| route.method.as_deref() == Some(method));
        routes.map(|route| (route.path, route.handler)).collect()
    };
    assert!(of("GET").len() > 20);
    assert_eq!(of("GET"), of("HEAD"));
}

#[test]
fn every_event_takes_the_route_to_its_handler() {
    let router = template::Router::new(template::TrailingSlash::Proxy);
    let strict = template::Router::new(template::TrailingSlash::Default);
    for (handler, events) in requests() {
        for (path, event) in events {
            let method = event["requestContext"]["http"]["method"].as_str().expect("a method");
            let raw_path = event["rawPath"].as_str().expect("a path");
            let found: Vec<_> = [&router, &strict]
                .map(|router| router.find(method, raw_path).expect("a route").route.handler.clone())
                .into();
            assert!(found.contains(&handler), "{} goes to {found:?}", path.display());
        }
    }
}

/// The artifact as it runs one handler on some events, one after the other.
struct Running {
    process: std::process::Child,
    api: RuntimeApi,
    output: std::thread::JoinHandle<Vec<String>>,
    answered: usize,
}

impl Running {
    async fn start(handler: &str, database: &str, events: &[(PathBuf, Value)]) -> Self {
        Self::start_with(handler, database, events, &[]).await
    }

    async fn start_with(
        handler: &str,
        database: &str,
        events: &[(PathBuf, Value)],
        variables: &[(&str, &str)],
    ) -> Self {
        let api = RuntimeApi::start(events.iter().map(|(_, event)| event.to_string())).await;
        let mut command = function(&artifact(), Some(handler), database, &api.address);
        command.envs(variables.iter().copied());
        let mut process = command.stdout(Stdio::piped()).spawn().expect("bootstrap starts");
        let output = BufReader::new(process.stdout.take().expect("its output"));
        let output =
            std::thread::spawn(move || output.lines().map(|line| line.expect("text")).collect());
        Self { process, api, output, answered: 0 }
    }

    /// The answer to the next event, which is no failure.
    async fn answer(&mut self, path: &Path) -> Value {
        let answer = tokio::time::timeout(Duration::from_secs(20), self.api.answers.recv()).await;
        let Answered { to, body: answer, .. } = answer
            .unwrap_or_else(|_| panic!("no answer to {}", path.display()))
            .expect("an answer");
        assert_eq!(
            to,
            format!("invocation {}", self.answered),
            "{} failed: {answer}",
            path.display()
        );
        self.answered += 1;
        answer
    }

    /// Ends it, and gives the lines with metrics that it wrote to its standard output, where each
    /// line is JSON.
    fn end(mut self) -> Vec<Value> {
        self.process.kill().expect("bootstrap is still there");
        self.process.wait().expect("bootstrap ends");
        let output = self.output.join().expect("the output is read");
        let lines = output.iter().map(|line| {
            serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        });
        lines.filter(|line| line.get("_aws").is_some()).collect()
    }
}

/// The metrics of a line by their names, which hold it to the embedded metric format.
#[track_caller]
fn metrics(line: &Value) -> BTreeMap<String, f64> {
    assert!(line["_aws"]["Timestamp"].as_i64().is_some_and(|at| at > 1_700_000_000_000), "{line}");
    let directives =
        line["_aws"]["CloudWatchMetrics"].as_array().unwrap_or_else(|| panic!("{line}"));
    let [directive] = &directives[..] else { panic!("{line}") };
    assert_eq!(
        (&directive["Namespace"], &directive["Dimensions"]),
        (&json!("Roster"), &json!([["stage"]])),
        "{line}"
    );
    assert_eq!(line["stage"], "dev", "{line}");
    let definitions = directive["Metrics"].as_array().unwrap_or_else(|| panic!("{line}"));
    let metric = |definition: &Value| {
        assert!(
            ["Count", "Milliseconds", "Seconds"].iter().any(|unit| definition["Unit"] == *unit),
            "{line}"
        );
        let name = definition["Name"].as_str().unwrap_or_else(|| panic!("{line}"));
        (
            name.to_owned(),
            line[name].as_f64().unwrap_or_else(|| panic!("{name} stands not at the root: {line}")),
        )
    };
    definitions.iter().map(metric).collect()
}

/// An answer without what differs from one run to the next: new ids and numbers, and times about
/// now.
fn comparable(answer: &Value, now: Timestamp) -> Value {
    let text = answer["body"].as_str().unwrap_or_default();
    let mut headers: BTreeMap<String, Value> =
        serde_json::from_value(answer["headers"].clone()).expect("headers");
    assert!(headers.remove("x-request-id").is_some(), "{answer}");
    // The seconds until midnight, and the number of a user who was made.
    for name in ["retry-after", "location"] {
        if let Some(value) = headers.get_mut(name) {
            assert!(value.as_str().is_some_and(|value| value.parse::<u32>().is_ok()), "{answer}");
            *value = "(a number)".into();
        }
    }
    // The hash of a body that holds new ids or times.
    if let Some(tag) =
        headers.get_mut("etag").filter(|tag| tag.as_str().is_some_and(|tag| tag.len() == 34))
    {
        *tag = "(a hash)".into();
    }
    let body = serde_json::from_str(text).unwrap_or(Value::String(text.to_owned()));
    json!({"status": answer["statusCode"], "headers": headers, "body": without_new(body, now)})
}

fn without_new(value: Value, now: Timestamp) -> Value {
    let about_now = |second: i64| (second - now.as_second()).abs() < 600;
    match value {
        Value::String(text) => {
            let new_id = text.len() == 36
                && text.matches('-').count() == 4
                && !text.starts_with("00000000-0000-4000-8000");
            let new_sandbox = text.len() == 36 && text.starts_with("sbx_");
            let new_slug = text.starts_with("new-");
            match (text.parse::<Timestamp>(), text.split_once("?invite=")) {
                (Ok(time), _) if about_now(time.as_second()) => "(now)".into(),
                (Ok(time), _) if about_now(time.plus_seconds(-GRACE).as_second()) => {
                    "(when the grace period is over)".into()
                }
                (Ok(time), _)
                    if KEY_LIVES
                        .iter()
                        .any(|life| about_now(time.plus_seconds(-life).as_second())) =>
                {
                    "(when the key ends)".into()
                }
                (_, Some((url, _))) => format!("{url}?invite=(new id)").into(),
                // Its address holds a hash of the id.
                _ if text.starts_with("https://gravatar.com/avatar/") => "(drawn picture)".into(),
                _ if new_id || new_sandbox => "(new id)".into(),
                _ if new_slug => "(new slug)".into(),
                _ => Value::String(text),
            }
        }
        Value::Array(values) => values.into_iter().map(|value| without_new(value, now)).collect(),
        Value::Object(fields) => {
            let made_key = fields.contains_key("key");
            let shown = |name: &str, value: Value| match (name, value.as_i64()) {
                // The seconds that a token has left.
                ("expires_in", _) => "(seconds)".into(),
                // The text of a key that was made, and its beginning.
                ("key" | "prefix", _) if made_key => "(new key)".into(),
                ("created_at" | "updated_at", Some(second)) if about_now(second) => "(now)".into(),
                // Every process takes numbers of its own; the demo data has them up to 40.
                ("id" | "legacyId" | "number", Some(41..)) => "(new number)".into(),
                // A process notes a caller's address once in an hour. Each handler has a process
                // here.
                ("source_addresses", _) => "(addresses)".into(),
                ("access_token", _) => {
                    own_claims(value.as_str().unwrap_or_default()).unwrap_or(value)
                }
                _ => without_new(value, now),
            };
            fields.into_iter().map(|(name, value)| (name.clone(), shown(&name, value))).collect()
        }
        value => value,
    }
}

/// What a token of Roster's own says, but for its times; nothing for a token of the identity
/// provider.
fn own_claims(token: &str) -> Option<Value> {
    let claims = token.split('.').nth(1)?.replace('-', "+").replace('_', "/");
    let padding = "=".repeat((4 - claims.len() % 4) % 4);
    let claims: BTreeMap<String, Value> =
        serde_json::from_slice(&aws_smithy_types::base64::decode(claims + &padding).ok()?).ok()?;
    let lasting = |name: &String| !["iat", "exp", "jti"].contains(&name.as_str());
    (claims.get("iss")? == "roster")
        .then(|| claims.into_iter().filter(|(name, _)| lasting(name)).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_artifact_answers_every_event_as_the_local_server_does() {
    // Two tables with the same data, as some events change it.
    let now = Clock::system().now();
    let start = || Roster::start_with(move |options| options.clock = Clock::new(move || now));
    let (of_artifact, of_local) = futures::join!(start(), start());
    let (mut compared, mut business) = (0, BTreeSet::new());
    for (name, events) in requests() {
        let handler = functions::handler(&name).expect("a handler");
        let mut artifact =
            Running::start(&name, &of_artifact.server.data.database.endpoint, &events).await;
        let mut answers = Vec::new();
        for (path, event) in events {
            let answer = artifact.answer(&path).await;
            answers.push((event["requestContext"]["http"]["method"].clone(), answer.clone()));
            let event = serde_json::from_value(event).expect("an event of an HTTP API");
            let (expected, _) = handler.answer(&of_local.server.app, gateway::request(event)).await;
            let expected =
                serde_json::to_value(gateway::response(expected)).expect("an answer is JSON");
            assert_eq!(comparable(&answer, now), comparable(&expected, now), "{}", path.display());
            compared += 1;
        }
        let lines = artifact.end();
        assert_eq!(lines.len(), answers.len(), "{name}: each request has one line");
        for (line, (method, answer)) in lines.iter().zip(answers) {
            let metrics = metrics(line);
            let told = json!({"handler": name, "method": method, "status": answer["statusCode"], "id": answer["headers"]["x-request-id"]});
            let logged = json!({"handler": line["handler"], "method": line["method"], "status": line["status"], "id": line["request_id"]});
            assert_eq!(logged, told);
            let of_each = ["Duration", "DynamoDBCalls", "ReadUnits", "WriteUnits", "ServerErrors"];
            let mut names: BTreeSet<&str> =
                metrics.keys().map(String::as_str).filter(|name| !of_each.contains(name)).collect();
            assert_eq!(names.len() + of_each.len(), metrics.len(), "{line}");
            let counted =
                names.pop_first().inspect(|name| assert_eq!(metrics[*name], 1.0, "{line}"));
            let expected = match (name.as_str(), answer["statusCode"].as_u64()) {
                ("operator_account.create_account", Some(201)) => Some("SignUps"),
                ("operator_account.create_sandbox", Some(429)) => Some("QuotaRefusals"),
                _ => None,
            };
            assert_eq!(
                (counted, names.len(), metrics["ServerErrors"]),
                (expected, 0, 0.0),
                "{line}"
            );
            business.extend(counted.map(str::to_owned));
        }
    }
    assert!(business.contains("SignUps"), "an event of a sign-up is there: {business:?}");
    println!("{compared} events answered alike");
    check_table(&of_artifact).await;
    of_local.check_table().await;
}

/// The demo data has no invite, as its id could not be known: so this event is aimed at one that
/// was just made.
#[tokio::test(flavor = "multi_thread")]
async fn the_artifact_takes_an_invite_back_as_the_local_server_does() {
    let now = Clock::system().now();
    let start = || Roster::start_with(move |options| options.clock = Clock::new(move || now));
    let (of_artifact, of_local) = futures::join!(start(), start());
    let event = |name: &str| {
        let found = events().into_values().flatten().find(|(path, _)| path.ends_with(name));
        found.unwrap_or_else(|| panic!("no {name}"))
    };
    let local_answer = async |roster: &Roster, handler: &str, event: Value| {
        let event = serde_json::from_value(event).expect("an event of an HTTP API");
        let (answer, _) = functions::handler(handler)
            .expect("a handler")
            .answer(&roster.server.app, gateway::request(event))
            .await;
        serde_json::to_value(gateway::response(answer)).expect("an answer is JSON")
    };
    let mut revocations = Vec::new();
    for roster in [&of_artifact, &of_local] {
        let made = local_answer(
            roster,
            "directory.create_invite",
            event("directory/create_invite.json").1,
        )
        .await;
        let made: Value =
            serde_json::from_str(made["body"].as_str().expect("a body")).expect("an invite");
        let (path, revocation) = event("directory/revoke_invite.json");
        let nobodys = revocation["pathParameters"]["id"].as_str().expect("an id");
        let aimed =
            revocation.to_string().replace(nobodys, made["details"]["id"].as_str().expect("an id"));
        revocations.push((path, serde_json::from_str::<Value>(&aimed).expect("an event")));
    }
    let mut artifact = Running::start(
        "directory.revoke_invite",
        &of_artifact.server.data.database.endpoint,
        &revocations[..1],
    )
    .await;
    let answer = artifact.answer(&revocations[0].0).await;
    artifact.end();
    let expected =
        local_answer(&of_local, "directory.revoke_invite", revocations.remove(1).1).await;
    assert_eq!(expected["statusCode"], 200, "{expected}");
    assert_eq!(comparable(&answer, now), comparable(&expected, now));
    check_table(&of_artifact).await;
    of_local.check_table().await;
}

/// The artifact's clock is the machine's: so it is the demo data that is old enough for its deleted
/// accounts to be due, or is not.
#[tokio::test(flavor = "multi_thread")]
async fn the_artifact_purges_what_is_due_as_the_local_server_does() {
    let now = Clock::system().now();
    let purges = events().remove(purge_accounts::NAME).expect("an event of the schedule");
    let (path, _) = &purges[0];
    // The second time nothing is left to do.
    let twice = [purges.clone(), purges.clone()].concat();
    for (days_ago, due) in [(0, 0), (28, 6)] {
        let then = now.plus_seconds(-86_400 * days_ago);
        let start = || Roster::start_with(move |options| options.clock = Clock::new(move || then));
        let (of_artifact, of_local) = futures::join!(start(), start());
        let config = local::config().expect("the defaults");
        let log = Arc::new(functions::log::NoLog);
        let app = functions::App::new(
            &config,
            of_local.server.data.client.clone(),
            None,
            log,
            Clock::new(move || now),
        )
        .await
        .expect("an application");
        let mut artifact = Running::start(
            purge_accounts::NAME,
            &of_artifact.server.data.database.endpoint,
            &twice,
        )
        .await;
        let mut reports = Vec::new();
        for purged in [due, 0] {
            let mut report = artifact.answer(path).await;
            reports.push(report.clone());
            let expected =
                purge_accounts::run(&app, Duration::from_secs(900)).await.expect("a purge");
            // They were due a day ago, less the seconds since this test began.
            let age = |report: &Value| report["oldest_due_age_seconds"].as_i64();
            let mut expected = json!(expected);
            assert_eq!(age(&expected), (purged > 0).then_some(86_400));
            assert_eq!(
                age(&report).map(|age| (86_400..87_000).contains(&age)),
                (purged > 0).then_some(true),
                "{report}"
            );
            for report in [&mut report, &mut expected] {
                report["oldest_due_age_seconds"] = Value::Null;
            }
            assert_eq!(report, expected);
            assert_eq!(
                report,
                json!({"purged": purged, "skipped": 0, "failed": 0, "oldest_due_age_seconds": null, "finished": true})
            );
        }
        let lines = artifact.end();
        assert_eq!(lines.len(), reports.len(), "each purge has one line");
        for (line, report) in lines.iter().zip(reports) {
            let age = report["oldest_due_age_seconds"].as_f64().unwrap_or(0.0);
            let expected = [
                ("Purged", report["purged"].as_f64().expect("a number")),
                ("PurgeFailures", 0.0),
                ("OldestDueAge", age),
            ];
            assert_eq!(
                metrics(line),
                expected.map(|(name, value)| (name.to_owned(), value)).into(),
                "{line}"
            );
        }
        for roster in [&of_artifact, &of_local] {
            check_table(roster).await;
            let deleted = roster
                .items()
                .await
                .into_iter()
                .filter(|item| item["sk"] == "USER" && item["status"] == "deleted")
                .count();
            assert_eq!(deleted, 6 - due, "of those whose date has come nobody is left");
        }
    }
}

/// Holds a table against its promises that another process wrote: the local server does not see
/// what places that changed.
async fn check_table(roster: &Roster) {
    roster.server.data.settle().await.expect("the stream is read");
    roster.server.data.store.recount_all_places().await.expect("the places are counted");
    roster.check_table().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_artifact_counts_a_batch_of_the_stream_once() {
    let roster = Roster::start().await;
    let batches = events().remove(count_places::NAME).expect("an event of the stream");
    let (path, event) = &batches[0];
    let mut artifact = Running::start(
        count_places::NAME,
        &roster.server.data.database.endpoint,
        &[batches.clone(), batches.clone()].concat(),
    )
    .await;
    let team = event["Records"][0]["dynamodb"]["NewImage"]["team_id"]["S"]
        .as_str()
        .expect("a team")
        .parse()
        .expect("an id");
    for _ in 0..2 {
        assert_eq!(artifact.answer(path).await, json!({"state": {}}));
        for sequence in Sequence::ALL {
            let counted =
                roster.server.data.store.counted(team, sequence).await.expect("the counts");
            assert_eq!(counted, [(String::new(), [("aaa".to_owned(), 1)].into())], "{sequence:?}");
        }
    }
    artifact.end();
}

/// Lambda names the shard where the event source has a tumbling window. Other senders do not.
#[tokio::test(flavor = "multi_thread")]
async fn the_artifact_refuses_batches_that_name_no_shard_and_says_so_once() {
    let roster = Roster::start().await;
    let (path, mut event) = events().remove(count_places::NAME).expect("an event").remove(0);
    event.as_object_mut().expect("an object").remove("shardId").expect("a shard");
    let batches = vec![(path, event); 3];
    let database = &roster.server.data.database.endpoint;
    let before = roster.items().await;
    let mut artifact = Running::start(count_places::NAME, database, &batches).await;
    for number in 0..3 {
        let answer = artifact.api.answers.recv().await.expect("an answer");
        assert_eq!(answer.to, format!("invocation {number} error"), "{}", answer.body);
        assert_eq!(answer.body["errorMessage"], "the event has no shardId");
    }
    artifact.process.kill().expect("bootstrap is still there");
    artifact.process.wait().expect("bootstrap ends");
    let output = artifact.output.join().expect("the output is read").join("\n");
    assert_eq!(output.matches("TumblingWindowInSeconds").count(), 1, "{output}");
    assert!(!output.contains("panicked"), "{output}");
    assert_eq!(roster.items().await, before);
}

/// A proxy that opens tunnels, for who shows the credentials `user:secret`; the requests it got.
async fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = requests.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(client.read_u8().await.expect("a request"));
            }
            let request = String::from_utf8(request).expect("text");
            let place = request.split(' ').nth(1).expect("a place").to_owned();
            let admitted =
                request.to_lowercase().contains("proxy-authorization: basic dxnlcjpzzwnyzxq=\r\n");
            seen.lock().expect("the requests").push(request);
            tokio::spawn(async move {
                if !admitted {
                    return client
                        .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                        .await;
                }
                let mut server = TcpStream::connect(place).await?;
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await.map(|_| ())
            });
        }
    });
    (address, requests)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_artifact_goes_through_the_proxy_that_the_environment_names() {
    let roster = Roster::start().await;
    let front = TlsFront::start(
        roster.server.data.database.endpoint.trim_start_matches("http://").to_owned(),
    )
    .await;
    let (address, tunnels) = proxy().await;
    let named = format!("http://user:secret@{address}");
    let events = requests().remove("workspace.get_user").expect("an event");
    let place = front.url.trim_start_matches("https://").to_owned();
    let status = async |roots: &TlsFront, variables: &[(&str, &str)]| {
        let variables =
            [variables, &[("SSL_CERT_FILE", roots.roots().to_str().expect("a path"))]].concat();
        let mut artifact =
            Running::start_with("workspace.get_user", &front.url, &events[..1], &variables).await;
        let status = artifact.answer(&events[0].0).await["statusCode"].clone();
        artifact.end();
        status
    };
    assert_eq!(status(&front, &[("HTTPS_PROXY", &named)]).await, 200);
    let requests = std::mem::take(&mut *tunnels.lock().expect("the requests"));
    let tunnel = format!("CONNECT {place} HTTP/1.1\r\n");
    assert!(
        !requests.is_empty() && requests.iter().all(|request| request.starts_with(&tunnel)),
        "{requests:?}"
    );
    assert_eq!(
        status(&front, &[("HTTPS_PROXY", named.as_str()), ("NO_PROXY", "localhost")]).await,
        200
    );
    assert_eq!(
        *tunnels.lock().expect("the requests"),
        Vec::<String>::new(),
        "what is excepted goes by no proxy"
    );
    // One that speaks TLS itself, behind a name and a certificate of its own.
    let secret = TlsFront::start(address.clone()).await;
    let both = [&front, &secret]
        .map(|front| std::fs::read_to_string(front.roots()).expect("certificates"))
        .concat();
    std::fs::write(secret.roots(), both).expect("the file is written");
    let named_by_tls = secret.url.replace("https://", "https://user:secret@");
    assert_eq!(status(&secret, &[("HTTPS_PROXY", &named_by_tls)]).await, 200);
    let requests = std::mem::take(&mut *tunnels.lock().expect("the requests"));
    assert!(
        !requests.is_empty() && requests.iter().all(|request| request.starts_with(&tunnel)),
        "{requests:?}"
    );
    assert_eq!(
        status(&front, &[("HTTPS_PROXY", &named_by_tls)]).await,
        503,
        "its certificate is not trusted"
    );
    // One that refuses is not gone around, and what is behind one is not trusted for it.
    assert_eq!(status(&front, &[("HTTPS_PROXY", &format!("http://{address}"))]).await, 503);
    let stranger = TlsFront::start("127.0.0.1:1".to_owned()).await;
    for variables in [&[("HTTPS_PROXY", named.as_str())][..], &[]] {
        assert_eq!(status(&stranger, variables).await, 503, "{variables:?}");
    }
}

#[test]
fn a_start_that_cannot_work_says_why() {
    let run = |command: &mut Command| {
        let output = command.output().expect("bootstrap ends");
        let log = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{log}");
        assert!(!log.contains("panicked"), "{log}");
        log
    };
    let start = |handler| function(&artifact(), handler, "http://127.0.0.1:1", "127.0.0.1:1");
    assert!(run(&mut start(None)).contains(
        "environment variable _HANDLER names no handler; there are: operator_account.list_users"
    ));
    assert!(run(&mut start(Some("workspace.nothing"))).contains(
        "there is no handler \\\"workspace.nothing\\\"; there are: operator_account.list_users"
    ));
    for (variable, value, message) in [
        ("TABLE_NAME", "", "environment variable TABLE_NAME is not set"),
        ("JWT_SECRET", "short", "environment variable JWT_SECRET is shorter than 32 bytes"),
        ("JWT_ISSUER", "", "environment variable JWT_ISSUER is not set"),
    ] {
        let log = run(start(Some("workspace.get_user")).env(variable, value));
        assert!(log.contains(message), "{log}");
    }
    // Keys can be discovered at an address alone.
    let mut nowhere = start(Some("workspace.get_user"));
    let log = run(nowhere.env("JWT_SECRET", "").env("JWT_ISSUER", "our-issuer"));
    let message =
        "environment variable JWT_SECRET is not set, and neither is JWT_SECRET_ARN nor JWKS_URL";
    assert!(log.contains(message), "{log}");
    // In the cloud a secret stands in Secrets Manager.
    for handler in ["workspace.get_user", "platform.get_health", purge_accounts::NAME] {
        for variable in ["JWT_SECRET", "SIGNING_SECRET", "RESPONSE_SECRET"] {
            let mut command = start(Some(handler));
            command
                .env_remove("AWS_SAM_LOCAL")
                .envs(["JWT_SECRET", "SIGNING_SECRET", "RESPONSE_SECRET"].map(|name| (name, "")));
            let log = run(command.env(variable, "0123456789abcdef0123456789abcdef"));
            assert!(
                log.contains(&format!("environment variable {variable} holds the secret itself")),
                "{log}"
            );
        }
    }
}
