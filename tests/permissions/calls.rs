//! Runs handlers on requests, and notes what they ask of DynamoDB.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemInput;
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemInput;
use aws_sdk_dynamodb::operation::get_item::GetItemInput;
use aws_sdk_dynamodb::operation::put_item::PutItemInput;
use aws_sdk_dynamodb::operation::query::QueryInput;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsInput;
use aws_sdk_dynamodb::operation::update_item::UpdateItemInput;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use functions::App;
use functions::schedule::purge_accounts;
use functions::stream::count_places;
use local::template::{Router, TrailingSlash};
use serde_json::{Map, Value, json};
use shared::config::Config;
use shared::table::PK;
use tests::{Roster, sign};
use uuid::Uuid;

/// What a permission is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// The table.
    Table,
    /// One of its indexes.
    Index(String),
}

impl fmt::Display for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table => formatter.write_str("the table"),
            Self::Index(index) => write!(formatter, "the index {index}"),
        }
    }
}

/// What IAM is asked for at once.
///
/// A transaction asks for each kind of write in it. AWS does not say whether it asks once for all writes of a kind or once for each:
/// taken together, what is permitted here is so either way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// `dynamodb:PutItem`.
    pub action: String,
    /// On what.
    pub resource: Resource,
    /// What the partition keys begin with: `USER#`. None for an index, whose partition key is another attribute.
    pub keys: BTreeSet<String>,
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} on {} {:?}", self.action, self.resource, self.keys)
    }
}

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
        let input = context.input();
        let mut calls = Vec::new();
        let mut note = |action: &str, tables: Vec<&str>, resource: Resource, keys: BTreeSet<String>| {
            assert!(tables.iter().all(|table| *table == self.table), "{action} reaches {tables:?}");
            calls.push(Call { action: format!("dynamodb:{action}"), resource, keys });
        };
        if let Some(input) = input.downcast_ref::<GetItemInput>() {
            note("GetItem", input.table_name.as_deref().into_iter().collect(), Resource::Table, kinds(input.key.iter()));
        } else if let Some(input) = input.downcast_ref::<PutItemInput>() {
            note("PutItem", input.table_name.as_deref().into_iter().collect(), Resource::Table, kinds(input.item.iter()));
        } else if let Some(input) = input.downcast_ref::<UpdateItemInput>() {
            note("UpdateItem", input.table_name.as_deref().into_iter().collect(), Resource::Table, kinds(input.key.iter()));
        } else if let Some(input) = input.downcast_ref::<QueryInput>() {
            let table = input.table_name.as_deref().into_iter().collect();
            match &input.index_name {
                Some(index) => note("Query", table, Resource::Index(index.clone()), BTreeSet::new()),
                None => {
                    let partition = input.expression_attribute_values.iter().filter_map(|values| kind(values.get(":pk")?)).collect();
                    note("Query", table, Resource::Table, partition);
                }
            }
        } else if let Some(input) = input.downcast_ref::<BatchGetItemInput>() {
            let asked = input.request_items.iter().flatten();
            let keys = kinds(asked.clone().flat_map(|(_, keys)| &keys.keys));
            note("BatchGetItem", asked.map(|(table, _)| table.as_str()).collect(), Resource::Table, keys);
        } else if let Some(input) = input.downcast_ref::<BatchWriteItemInput>() {
            // Whatever it puts and deletes, this is the one permission that it asks for.
            let asked = input.request_items.iter().flatten();
            let writes = asked.clone().flat_map(|(_, writes)| writes);
            let items = writes.filter_map(|write| {
                let put = write.put_request.as_ref().map(|put| &put.item);
                put.or_else(|| write.delete_request.as_ref().map(|delete| &delete.key))
            });
            note("BatchWriteItem", asked.map(|(table, _)| table.as_str()).collect(), Resource::Table, kinds(items));
        } else if let Some(input) = input.downcast_ref::<TransactWriteItemsInput>() {
            let mut writes: BTreeMap<&str, (Vec<&str>, BTreeSet<String>)> = BTreeMap::new();
            for write in input.transact_items.iter().flatten() {
                let (action, table, item) = part(write).ok_or("a write of a transaction is none")?;
                let writes = writes.entry(action).or_default();
                writes.0.push(table);
                writes.1.extend(kinds([item]));
            }
            for (action, (tables, keys)) in writes {
                note(action, tables, Resource::Table, keys);
            }
        } else {
            // No policy has this, so it is told with what made it.
            note(&format!("{input:?}"), Vec::new(), Resource::Table, BTreeSet::new());
        }
        self.log.lock().expect("the log").extend(calls);
        Ok(())
    }
}

/// A write of a transaction: the action that it asks for, its table, and its key or item.
fn part(write: &TransactWriteItem) -> Option<(&'static str, &str, &HashMap<String, AttributeValue>)> {
    let put = write.put.as_ref().map(|put| ("PutItem", put.table_name.as_str(), &put.item));
    let update = write.update.as_ref().map(|update| ("UpdateItem", update.table_name.as_str(), &update.key));
    let delete = write.delete.as_ref().map(|delete| ("DeleteItem", delete.table_name.as_str(), &delete.key));
    let check = write.condition_check.as_ref().map(|check| ("ConditionCheckItem", check.table_name.as_str(), &check.key));
    put.or(update).or(delete).or(check)
}

/// What the partition keys of those items begin with.
fn kinds<'a>(items: impl IntoIterator<Item = &'a HashMap<String, AttributeValue>>) -> BTreeSet<String> {
    items.into_iter().filter_map(|item| kind(item.get(PK)?)).collect()
}

fn kind(key: &AttributeValue) -> Option<String> {
    let key = key.as_s().ok()?;
    Some(key.find('#').map_or(key.as_str(), |end| &key[..=end]).to_owned())
}

/// Who asks.
pub enum By {
    /// A user, with a token of the moment.
    User(Uuid),
    /// Someone with a token for this id that vouches for this email.
    Email(Uuid, &'static str),
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

/// A server of its own, beside whose own application another one runs on the same table, with its calls noted.
pub struct Stage {
    /// The server.
    pub roster: Roster,
    /// The seconds that pass before each request. An hour: so each caller was not seen for a while, which is noted, and what a process
    /// remembers for a minute is read again.
    pub pause: i64,
    /// How requests are routed.
    pub router: Router,
    app: Arc<App>,
    log: Log,
    made: Made,
}

impl Stage {
    /// One with the demo data.
    pub async fn start() -> Self {
        let (mut clock, mut config) = (None, None);
        let roster = Roster::start_with(|options| (clock, config) = (Some(options.clock.clone()), Some(options.config.clone()))).await;
        let log = Log::default();
        let recorder = Recorder { log: log.clone(), table: roster.table.clone() };
        let noted = roster.server.data.client.config().to_builder().interceptor(recorder).build();
        let (config, clock) = (config.expect("a configuration"), clock.expect("a clock"));
        // With a limit, so that requests are counted.
        let config = Config { table_name: roster.table.clone(), requests_per_minute: Some(NonZeroU32::MAX), ..config };
        let quiet = Arc::new(functions::log::NoLog);
        let app = Arc::new(App::new(&config, Client::from_conf(noted), None, quiet, clock).await.expect("an application"));
        Self { roster, pause: 3600, router: Router::new(TrailingSlash::Proxy), app, log, made: Made::new() }
    }

    /// Sends a request, and returns the body of an answer that has that status. A POST is told from others by an `Idempotency-Key`: so
    /// its receipt is looked for, and kept.
    pub async fn call(&mut self, method: &str, target: &str, by: impl Into<By>, body: Value, status: u16) -> Value {
        self.roster.advance(self.pause);
        let credential = match by.into() {
            By::User(user) => Some(self.roster.token(user)),
            By::Email(user, email) => {
                let mut claims = self.roster.claims(user);
                claims["email"] = email.into();
                Some(sign(&claims))
            }
            By::Credential(text) => Some(text),
            By::Nobody => None,
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = Map::new();
        headers.insert("content-type".to_owned(), "application/json".into());
        if let Some(credential) = credential {
            headers.insert("authorization".to_owned(), format!("Bearer {credential}").into());
        }
        if method == "POST" {
            headers.insert("idempotency-key".to_owned(), Uuid::new_v4().to_string().into());
        }
        let http = json!({"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.94", "userAgent": "test"});
        let mut event = json!({
            "version": "2.0", "rawPath": path, "rawQueryString": query, "headers": headers, "isBase64Encoded": false,
            "requestContext": {"http": http, "requestId": Uuid::new_v4(), "stage": "$default", "timeEpoch": 0},
        });
        if !body.is_null() {
            event["body"] = body.to_string().into();
        }
        let found = self.router.find(method, path).expect("a route");
        event["pathParameters"] =
            found.parameters.into_iter().collect::<BTreeMap<_, _>>().into_iter().map(|(k, v)| (k, json!(v))).collect();
        let handler = found.route.handler.clone();
        let answer = self.replay(&handler, event).await;
        assert_eq!(answer["statusCode"], status, "{method} {target}: {answer}");
        serde_json::from_str(answer["body"].as_str().unwrap_or_default()).unwrap_or(Value::Null)
    }

    /// Runs a handler on an event.
    pub async fn replay(&mut self, handler: &str, event: Value) -> Value {
        let request = functions::gateway::request(serde_json::from_value(event).expect("an event of an HTTP API"));
        let (answer, _) = functions::handler(handler).expect("a handler").answer(&self.app, request).await;
        self.note(handler);
        serde_json::to_value(functions::gateway::response(answer)).expect("an answer is JSON")
    }

    /// Purges, and returns how many accounts were. Some that leave one team at one time may have to wait for the next purge.
    pub async fn purge(&mut self) -> u64 {
        let report = purge_accounts::run(&self.app, Duration::from_secs(900)).await.expect("a purge");
        self.note(purge_accounts::NAME);
        assert!(report.finished, "{report:?}");
        report.purged
    }

    /// Counts what was written to users, as the table's stream has it done.
    pub async fn count_places(&mut self) {
        let batch = self.roster.server.data.stream.as_ref().and_then(|stream| stream.take()).expect("something was written");
        let batch = serde_json::from_value(batch).expect("a batch");
        count_places::run(&self.app.store, batch, self.roster.now()).await.expect("the places are counted");
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
