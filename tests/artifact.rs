//! The real artifact, really run: the `bootstrap` binary under a Runtime API that the test serves, once per handler, with every event
//! of `events/`. Its answers are those of the local server. And: handlers, template, events and routes name the same things.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use functions::{HANDLERS, gateway};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use local::template;
use serde_json::Value;
use shared::{Clock, Timestamp};
use tests::Roster;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const BOOTSTRAP: &str = env!("CARGO_BIN_EXE_bootstrap");

/// Every event by its handler: `events/<contract>/<endpoint>[.<variant>].json`.
fn events() -> BTreeMap<String, Vec<(PathBuf, Value)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let mut events: BTreeMap<String, Vec<(PathBuf, Value)>> = BTreeMap::new();
    for folder in std::fs::read_dir(root).expect("events/ is there").flatten() {
        for file in std::fs::read_dir(folder.path()).expect("a folder of events").flatten() {
            let name = file.file_name().into_string().expect("a name in UTF-8");
            let endpoint = name.split('.').next().unwrap_or_default();
            let handler = format!("{}.{endpoint}", folder.file_name().to_string_lossy());
            let text = std::fs::read_to_string(file.path()).expect("an event");
            events.entry(handler).or_default().push((file.path(), serde_json::from_str(&text).expect("an event is JSON")));
        }
    }
    for events in events.values_mut() {
        events.sort_by(|one, other| one.0.cmp(&other.0));
    }
    events
}

#[test]
fn handlers_template_and_events_name_the_same_endpoints() {
    let in_code: BTreeSet<String> = HANDLERS.iter().map(|handler| handler.name.to_owned()).collect();
    let in_template: BTreeSet<String> = template::handlers().into_iter().collect();
    let routed: BTreeSet<String> = template::routes().into_iter().map(|route| route.handler).collect();
    let with_events: BTreeSet<String> = events().into_keys().collect();
    assert_eq!(in_code.len(), HANDLERS.len(), "no name stands twice");
    assert_eq!(template::handlers().len(), in_template.len(), "no handler has two functions");
    assert_eq!(in_code, in_template);
    assert_eq!(in_code, routed);
    assert_eq!(in_code, with_events);
}

#[test]
fn every_event_takes_the_route_to_its_handler() {
    let router = template::Router::new(template::TrailingSlash::Proxy);
    let strict = template::Router::new(template::TrailingSlash::Default);
    for (handler, events) in events() {
        for (path, event) in events {
            let method = event["requestContext"]["http"]["method"].as_str().expect("a method");
            let raw_path = event["rawPath"].as_str().expect("a path");
            let found: Vec<_> =
                [&router, &strict].map(|router| router.find(method, raw_path).expect("a route").route.handler.clone()).into();
            assert!(found.contains(&handler), "{} goes to {found:?}", path.display());
        }
    }
}

/// A Runtime API that hands out events and passes on the answers.
struct RuntimeApi {
    events: Mutex<VecDeque<(String, String)>>,
    answers: mpsc::UnboundedSender<(String, Value)>,
}

impl RuntimeApi {
    async fn serve(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let api = self.clone();
            tokio::spawn(async move {
                let service = hyper::service::service_fn(|request| {
                    let api = api.clone();
                    async move { Ok::<_, Infallible>(api.answer(request).await) }
                });
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let parts: Vec<&str> = path.trim_start_matches("/2018-06-01/runtime/").split('/').collect();
        match parts[..] {
            ["invocation", "next"] => {
                let next = self.events.lock().expect("the queue").pop_front();
                // No more events: as in the cloud, the answer does not come.
                let Some((id, event)) = next else { return std::future::pending().await };
                Response::builder()
                    .header("lambda-runtime-aws-request-id", id)
                    .header("lambda-runtime-deadline-ms", "4102444800000")
                    .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:roster")
                    .header("lambda-runtime-trace-id", "Root=1-00000000-000000000000000000000000")
                    .body(Full::from(event))
                    .expect("an answer")
            }
            [kind, id, ..] => {
                let id = format!("{kind} {id}{}", if path.ends_with("/error") { " error" } else { "" });
                let body = request.into_body().collect().await.expect("a body").to_bytes();
                let _ = self.answers.send((id, serde_json::from_slice(&body).unwrap_or_default()));
                Response::builder().status(202).body(Full::default()).expect("an answer")
            }
            _ => Response::builder().status(404).body(Full::default()).expect("an answer"),
        }
    }
}

/// The binary with the environment that Lambda gives it.
fn bootstrap(handler: Option<&str>, database: &str, runtime_api: &str) -> Command {
    let mut command = Command::new(BOOTSTRAP);
    command.env_clear().env("AWS_LAMBDA_RUNTIME_API", runtime_api).env("AWS_ENDPOINT_URL_DYNAMODB", database);
    for (name, value) in [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_LAMBDA_FUNCTION_NAME", "roster"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("TABLE_NAME", "roster"),
        ("JWT_SECRET", "local-development-secret-do-not-deploy"),
        ("JWT_ISSUER", "http://localhost/auth/v1"),
        ("JWT_AUDIENCE", "authenticated"),
    ] {
        command.env(name, value);
    }
    command.envs(handler.map(|handler| ("_HANDLER", handler)));
    command
}

/// An answer without what differs from one run to the next: new ids, and times about now.
fn comparable(answer: &Value, now: Timestamp) -> Value {
    let text = answer["body"].as_str().unwrap_or_default();
    let mut headers: BTreeMap<String, Value> = serde_json::from_value(answer["headers"].clone()).expect("headers");
    assert!(headers.remove("x-request-id").is_some(), "{answer}");
    let body = serde_json::from_str(text).unwrap_or(Value::String(text.to_owned()));
    serde_json::json!({"status": answer["statusCode"], "headers": headers, "body": without_new(body, now)})
}

fn without_new(value: Value, now: Timestamp) -> Value {
    match value {
        Value::String(text) => {
            let about_now = |time: Timestamp| (time.as_second() - now.as_second()).abs() < 600;
            let new_id = text.len() == 36 && text.matches('-').count() == 4 && !text.starts_with("00000000-0000-4000-8000");
            let new_slug = text.starts_with("new-");
            match text.parse::<Timestamp>() {
                Ok(time) if about_now(time) => "(now)".into(),
                _ if new_id => "(new id)".into(),
                _ if new_slug => "(new slug)".into(),
                _ => Value::String(text),
            }
        }
        Value::Array(values) => values.into_iter().map(|value| without_new(value, now)).collect(),
        Value::Object(fields) => {
            let made_key = fields.contains_key("key");
            let shown = |name: &str, value| match name {
                // The seconds that a token has left.
                "expires_in" => "(seconds)".into(),
                // The text of a key that was made, and its beginning.
                "key" | "prefix" if made_key => "(new key)".into(),
                _ => without_new(value, now),
            };
            fields.into_iter().map(|(name, value)| (name.clone(), shown(&name, value))).collect()
        }
        value => value,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_artifact_answers_every_event_as_the_local_server_does() {
    // Two tables with the same data, as some events change it.
    let now = Clock::system().now();
    let start = || Roster::start_with(move |options| options.clock = Clock::new(move || now));
    let (of_artifact, of_local) = futures::join!(start(), start());
    let mut compared = 0;
    for (name, events) in events() {
        let handler = functions::handler(&name).expect("a handler");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (sender, mut answers) = mpsc::unbounded_channel();
        let queue = events.iter().enumerate().map(|(place, (_, event))| (place.to_string(), event.to_string())).collect();
        let api = tokio::spawn(Arc::new(RuntimeApi { events: Mutex::new(queue), answers: sender }).serve(listener));
        let mut process = bootstrap(Some(&name), &of_artifact.server.data.database.endpoint, &address)
            .stdout(Stdio::null())
            .spawn()
            .expect("bootstrap starts");
        for (place, (path, event)) in events.into_iter().enumerate() {
            let answer = tokio::time::timeout(Duration::from_secs(20), answers.recv()).await;
            let (id, answer) = answer.unwrap_or_else(|_| panic!("no answer to {}", path.display())).expect("an answer");
            assert_eq!(id, format!("invocation {place}"), "{} failed: {answer}", path.display());
            let event = serde_json::from_value(event).expect("an event of an HTTP API");
            let (expected, _) = handler.answer(&of_local.server.app, gateway::request(event)).await;
            let expected = serde_json::to_value(gateway::response(expected)).expect("an answer is JSON");
            assert_eq!(comparable(&answer, now), comparable(&expected, now), "{}", path.display());
            compared += 1;
        }
        process.kill().expect("bootstrap is still there");
        process.wait().expect("bootstrap ends");
        api.abort();
    }
    println!("{compared} events answered alike");
    of_artifact.check_table().await;
    of_local.check_table().await;
}

#[test]
fn a_start_that_cannot_work_says_why() {
    let run = |command: &mut Command| {
        let output = command.output().expect("bootstrap ends");
        let log = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{log}");
        assert!(!log.contains("panicked"), "{log}");
        log
    };
    let start = |handler| bootstrap(handler, "http://127.0.0.1:1", "127.0.0.1:1");
    assert!(run(&mut start(None)).contains("environment variable _HANDLER names no handler; there are: operator_account.get_user"));
    assert!(
        run(&mut start(Some("workspace.nothing")))
            .contains("there is no handler \\\"workspace.nothing\\\"; there are: operator_account.get_user")
    );
    for (variable, value, message) in [
        ("TABLE_NAME", "", "environment variable TABLE_NAME is not set"),
        ("JWT_SECRET", "", "environment variable JWT_SECRET is not set, and neither is JWKS_URL"),
        ("JWT_SECRET", "short", "environment variable JWT_SECRET is shorter than 32 bytes"),
        ("JWT_ISSUER", "", "environment variable JWT_ISSUER is not set"),
    ] {
        let log = run(start(Some("workspace.get_user")).env(variable, value));
        assert!(log.contains(message), "{log}");
    }
}
