//! Lambda's Runtime API, served to a function's binary: it hands out events, and passes on the
//! answers.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A Runtime API for one process, until it is dropped.
pub struct RuntimeApi {
    /// Where it listens: what `AWS_LAMBDA_RUNTIME_API` says.
    pub address: String,
    /// When the process asked for an event.
    pub polls: UnboundedReceiver<Instant>,
    /// What it answered.
    pub answers: UnboundedReceiver<Answered>,
    state: Arc<State>,
    serving: tokio::task::JoinHandle<()>,
}

/// An answer of the process.
pub struct Answered {
    /// When it was here.
    pub at: Instant,
    /// `invocation N`, the events counted from 0; with ` error` after it where the process failed.
    pub to: String,
    /// The answer.
    pub body: Value,
}

impl RuntimeApi {
    /// Hands out those events, one for each time that the process asks.
    pub async fn start(events: impl IntoIterator<Item = String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (told_polls, polls) = unbounded_channel();
        let (told_answers, answers) = unbounded_channel();
        let state = Arc::new(State {
            events: Mutex::default(),
            more: Notify::new(),
            polls: told_polls,
            answers: told_answers,
        });
        let api = Self {
            address,
            polls,
            answers,
            state: state.clone(),
            serving: tokio::spawn(state.serve(listener)),
        };
        api.push(events);
        api
    }

    /// Hands out more events.
    pub fn push(&self, events: impl IntoIterator<Item = String>) {
        self.state.events.lock().expect("the queue").events.extend(events);
        self.state.more.notify_one();
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[derive(Default)]
struct Queue {
    events: VecDeque<String>,
    taken: usize,
}

struct State {
    events: Mutex<Queue>,
    more: Notify,
    polls: UnboundedSender<Instant>,
    answers: UnboundedSender<Answered>,
}

impl State {
    async fn serve(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let state = self.clone();
            tokio::spawn(async move {
                let service = hyper::service::service_fn(|request| {
                    let state = state.clone();
                    async move { Ok::<_, Infallible>(state.answer(request).await) }
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    }

    /// The next event, with its number. Without one this waits, as in the cloud.
    async fn next(&self) -> (usize, String) {
        loop {
            {
                let mut queue = self.events.lock().expect("the queue");
                if let Some(event) = queue.events.pop_front() {
                    queue.taken += 1;
                    return (queue.taken - 1, event);
                }
            }
            self.more.notified().await;
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let parts: Vec<&str> = path.trim_start_matches("/2018-06-01/runtime/").split('/').collect();
        match parts[..] {
            ["invocation", "next"] => {
                let _ = self.polls.send(Instant::now());
                let (id, event) = self.next().await;
                Response::builder()
                    .header("lambda-runtime-aws-request-id", id)
                    .header("lambda-runtime-deadline-ms", "4102444800000")
                    .header(
                        "lambda-runtime-invoked-function-arn",
                        "arn:aws:lambda:us-east-1:123456789012:function:roster",
                    )
                    .header("lambda-runtime-trace-id", "Root=1-00000000-000000000000000000000000")
                    .body(Full::from(event))
                    .expect("an answer")
            }
            [kind, id, ..] => {
                let to =
                    format!("{kind} {id}{}", if path.ends_with("/error") { " error" } else { "" });
                let body = request.into_body().collect().await.expect("a body").to_bytes();
                let at = Instant::now();
                let _ = self.answers.send(Answered {
                    at,
                    to,
                    body: serde_json::from_slice(&body).unwrap_or_default(),
                });
                Response::builder().status(202).body(Full::default()).expect("an answer")
            }
            _ => Response::builder().status(404).body(Full::default()).expect("an answer"),
        }
    }
}

/// A binary with the environment that Lambda gives the function of that handler.
pub fn function(
    binary: &Path,
    handler: Option<&str>,
    database: &str,
    runtime_api: &str,
) -> Command {
    let mut command = Command::new(binary);
    command
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
        .env("AWS_ENDPOINT_URL_DYNAMODB", database);
    for (name, value) in [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_LAMBDA_FUNCTION_NAME", "roster"),
        // In the cloud no secret may stand in a variable.
        ("AWS_SAM_LOCAL", "true"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("TABLE_NAME", "roster"),
        ("JWT_SECRET", "local-development-secret-do-not-deploy"),
        ("JWT_ISSUER", "http://localhost/auth/v1"),
        ("JWT_AUDIENCE", "authenticated"),
        ("SIGNING_SECRET", "local-signing-secret-do-not-deploy"),
        ("RESPONSE_SECRET", "local-response-secret-do-not-deploy"),
        ("SIGN_UP_URL", "http://localhost:3000/sign-up"),
    ] {
        command.env(name, value);
    }
    command.envs(handler.map(|handler| ("_HANDLER", handler)));
    command
}
