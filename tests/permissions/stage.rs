//! Runs handlers on requests, and notes what they ask of DynamoDB.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use functions::App;
use functions::schedule::purge_accounts;
use functions::stream::count_places;
use local::template::{Router, TrailingSlash};
use serde_json::{Map, Value, json};
use shared::config::Config;
use tests::iam::calls::{Call, calls_of};
use tests::{Roster, sign};
use uuid::Uuid;

/// The calls of each handler.
pub type Made = BTreeMap<String, BTreeSet<Call>>;

type Log = Arc<Mutex<Vec<Call>>>;

/// Notes each call of a client, which are all on that table.
#[derive(Debug)]
struct Recorder {
    log: Log,
    table: String,
}

impl Intercept for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (calls, tables) = calls_of(context.input())?;
        if let Some(table) = tables.iter().find(|table| **table != self.table) {
            return Err(format!("{calls:?} reach {table}").into());
        }
        self.log.lock().expect("the log").extend(calls);
        Ok(())
    }
}

/// Who asks.
pub enum By {
    /// A user, with a token of the moment.
    User(Uuid),
    /// Someone with a token for this id that vouches for this email.
    Email(Uuid, &'static str),
    /// Someone with a token for this `sub`, which is no UUID, that vouches for this email.
    Subject(&'static str, &'static str),
    /// Whoever has this credential.
    Credential(String),
    /// Nobody.
    Nobody,
}

impl From<Uuid> for By {
    fn from(user: Uuid) -> Self {
        Self::User(user)
    }
}

impl From<String> for By {
    fn from(credential: String) -> Self {
        Self::Credential(credential)
    }
}

/// A server of its own, beside whose own application another one runs on the same table, with its
/// calls noted.
pub struct Stage {
    /// The server.
    pub roster: Roster,
    /// The seconds that pass before each request. An hour: so each caller was not seen for a while,
    /// which is noted, and what a process remembers for a minute is read again.
    pub pause: i64,
    /// How requests are routed.
    pub router: Router,
    /// True where the paths of user-admin end in a slash.
    pub slashed: bool,
    app: Arc<App>,
    log: Log,
    made: Made,
    /// The requests so far. Each comes from an address of its own, so that every change notes it.
    requests: u16,
}

impl Stage {
    /// One with the demo data.
    pub async fn start() -> Self {
        let (mut clock, mut config) = (None, None);
        let roster = Roster::start_with(|options| {
            (clock, config) = (Some(options.clock.clone()), Some(options.config.clone()))
        })
        .await;
        let log = Log::default();
        let recorder = Recorder { log: log.clone(), table: roster.table.clone() };
        let noted = roster.server.data.client.config().to_builder().interceptor(recorder).build();
        let (config, clock) = (config.expect("a configuration"), clock.expect("a clock"));
        // With a limit, so that requests are counted.
        let config = Config {
            table_name: roster.table.clone(),
            requests_per_minute: Some(NonZeroU32::MAX),
            ..config
        };
        let quiet = Arc::new(functions::log::NoLog);
        let app = Arc::new(
            App::new(&config, Client::from_conf(noted), None, quiet, clock)
                .await
                .expect("an application"),
        );
        Self {
            roster,
            pause: 3600,
            router: Router::new(TrailingSlash::Proxy),
            slashed: false,
            app,
            log,
            made: Made::new(),
            requests: 0,
        }
    }

    /// Sends a request, and returns the body of an answer that has that status. A POST is told from
    /// others by an `Idempotency-Key`: so its receipt is looked for, and kept.
    pub async fn call(
        &mut self,
        method: &str,
        target: &str,
        by: impl Into<By>,
        body: Value,
        status: u16,
    ) -> Value {
        self.roster.advance(self.pause);
        let credential = match by.into() {
            By::User(user) => Some(self.roster.token(user)),
            By::Email(user, email) => {
                let mut claims = self.roster.claims(user);
                claims["email"] = email.into();
                Some(sign(&claims))
            }
            By::Subject(sub, email) => {
                let mut claims = self.roster.claims(Uuid::nil());
                (claims["sub"], claims["email"]) = (sub.into(), email.into());
                Some(sign(&claims))
            }
            By::Credential(text) => Some(text),
            By::Nobody => None,
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let slash = if self.slashed && path.starts_with("/api/admin/") { "/" } else { "" };
        let path = &format!("{path}{slash}");
        let mut headers = Map::new();
        headers.insert("content-type".to_owned(), "application/json".into());
        if let Some(credential) = credential {
            headers.insert("authorization".to_owned(), format!("Bearer {credential}").into());
        }
        if method == "POST" {
            headers.insert("idempotency-key".to_owned(), Uuid::new_v4().to_string().into());
        }
        self.requests += 1;
        let [high, low] = self.requests.to_be_bytes();
        let source = format!("198.18.{high}.{low}");
        let http = json!({"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": source, "userAgent": "test"});
        let mut event = json!({
            "version": "2.0", "rawPath": path, "rawQueryString": query, "headers": headers, "isBase64Encoded": false,
            "requestContext": {"http": http, "requestId": Uuid::new_v4(), "stage": "$default", "timeEpoch": 0},
        });
        if !body.is_null() {
            event["body"] = body.to_string().into();
        }
        let found = self.router.find(method, path).expect("a route");
        event["pathParameters"] = found
            .parameters
            .into_iter()
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .map(|(k, v)| (k, json!(v)))
            .collect();
        let handler = found.route.handler.clone();
        let answer = self.replay(&handler, event).await;
        assert_eq!(answer["statusCode"], status, "{method} {target}: {answer}");
        serde_json::from_str(answer["body"].as_str().unwrap_or_default()).unwrap_or(Value::Null)
    }

    /// Runs a handler on an event.
    pub async fn replay(&mut self, handler: &str, event: Value) -> Value {
        let request = functions::gateway::request(
            serde_json::from_value(event).expect("an event of an HTTP API"),
        );
        let (answer, _) =
            functions::handler(handler).expect("a handler").answer(&self.app, request).await;
        self.note(handler);
        serde_json::to_value(functions::gateway::response(answer)).expect("an answer is JSON")
    }

    /// Purges, and returns how many accounts were. Some that leave one team at one time may have to
    /// wait for the next purge.
    pub async fn purge(&mut self) -> u64 {
        let report =
            purge_accounts::run(&self.app, Duration::from_secs(900)).await.expect("a purge");
        self.note(purge_accounts::NAME);
        assert!(report.finished, "{report:?}");
        report.purged
    }

    /// Counts what was written to users, as the table's stream has it done.
    pub async fn count_places(&mut self) {
        let batch = self
            .roster
            .server
            .data
            .stream
            .as_ref()
            .and_then(|stream| stream.take())
            .expect("something was written");
        let batch = serde_json::from_value(batch).expect("a batch");
        count_places::run(&self.app.store, batch, self.roster.now())
            .await
            .expect("the places are counted");
        self.note(count_places::NAME);
    }

    fn note(&mut self, handler: &str) {
        let calls = std::mem::take(&mut *self.log.lock().expect("the log"));
        self.made.entry(handler.to_owned()).or_default().extend(calls);
    }

    /// What was called, once the table is found in order.
    pub async fn end(self) -> Made {
        self.roster.check_table().await;
        self.made
    }
}
