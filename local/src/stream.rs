//! What the table's stream does in the cloud: changed users are handed to the function that counts places.
//!
//! The embedded database has streams of its own, which look through all that was ever written at each write. So the writes are watched on their
//! way: a user is read before and after, and nobody else writes meanwhile.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use dynoxide::Database;
use functions::stream::count_places;
use serde_json::{Value, json};
use shared::Clock;
use shared::store::Store;

use crate::Failure;

/// The changes of users in an embedded database that are not counted yet.
pub struct Changes {
    database: Database,
    waiting: Mutex<VecDeque<Value>>,
    /// Held by whoever writes users.
    writing: tokio::sync::Mutex<()>,
    /// The last sequence number.
    number: AtomicU64,
}

impl Changes {
    /// None yet.
    pub fn of(database: Database) -> Self {
        // Above those of every earlier process on the same file.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let number = AtomicU64::new(u64::try_from(now).unwrap_or(u64::MAX));
        Self { database, waiting: Mutex::default(), writing: tokio::sync::Mutex::default(), number }
    }

    fn with_waiting<T>(&self, act: impl FnOnce(&mut VecDeque<Value>) -> T) -> T {
        act(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The users that a call may write, as requests to read them.
    fn users_of(operation: &str, body: &[u8]) -> Vec<Value> {
        if !["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"].contains(&operation) {
            return Vec::new();
        }
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut writes: Vec<(&Value, &Value)> = vec![(&body["TableName"], &body)];
        for write in body["TransactItems"].as_array().into_iter().flatten() {
            writes.extend(["Put", "Update", "Delete"].map(|kind| (&write[kind]["TableName"], &write[kind])));
        }
        let tables: Vec<(Value, &Value)> =
            body["RequestItems"].as_object().into_iter().flatten().map(|(table, requests)| (json!(table), requests)).collect();
        for (table, requests) in &tables {
            let requests = requests.as_array().into_iter().flatten();
            writes.extend(requests.flat_map(|one| ["PutRequest", "DeleteRequest"].map(|kind| (table, &one[kind]))));
        }
        let keys = writes.into_iter().filter_map(|(table, write)| {
            let item = [&write["Item"], &write["Key"]].into_iter().find(|item| item["sk"]["S"] == "USER")?;
            Some(json!({"TableName": table, "Key": {"pk": item["pk"], "sk": item["sk"]}, "ConsistentRead": true}))
        });
        keys.collect()
    }

    fn read(&self, user: &Value) -> Option<Value> {
        let answer = self.database.get_item(serde_json::from_value(user.clone()).ok()?).ok()?;
        serde_json::to_value(answer).ok()?.get("Item").cloned()
    }

    /// Makes a call, and keeps what it changed of users.
    pub async fn watch(self: Arc<Self>, inner: SharedHttpConnector, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let operation = request.headers().get("x-amz-target").and_then(|target| target.split('.').next_back()).unwrap_or_default();
        let users = Self::users_of(operation, request.body().bytes().unwrap_or_default());
        if users.is_empty() {
            return inner.call(request).await;
        }
        // In a task of its own: a caller who gives up must not keep it from seeing what was written.
        let work = tokio::spawn(async move {
            let _alone = self.writing.lock().await;
            let before: Vec<_> = users.iter().map(|user| self.read(user)).collect();
            let answer = inner.call(request).await;
            for (user, before) in users.iter().zip(before) {
                let after = self.read(user);
                if before != after {
                    let number = self.number.fetch_add(1, Ordering::Relaxed);
                    let images = json!({"SequenceNumber": format!("{number:021}"), "OldImage": before, "NewImage": after});
                    self.with_waiting(|waiting| waiting.push_back(json!({"dynamodb": images})));
                }
            }
            answer
        });
        work.await.unwrap_or_else(|error| Err(ConnectorError::other(error.into(), None)))
    }
}

/// Hands the changes over.
pub struct Stream {
    changes: Arc<Changes>,
    store: Store,
    clock: Clock,
    handing_over: tokio::sync::Mutex<()>,
}

impl Stream {
    /// To the function that counts in this table.
    pub fn new(changes: Arc<Changes>, store: Store, clock: Clock) -> Self {
        Self { changes, store, clock, handing_over: tokio::sync::Mutex::default() }
    }

    /// The changes that are waiting, as the event of a batch, which is then for the caller to hand over; none where none are waiting.
    pub fn take(&self) -> Option<Value> {
        let records: Vec<_> = self.changes.with_waiting(|waiting| waiting.drain(..).collect());
        (!records.is_empty()).then(|| batch(records))
    }

    /// Hands over what was written so far. The cloud does that within a second or two; here every request finds it done.
    pub async fn settle(&self) -> Result<(), Failure> {
        if self.changes.with_waiting(|waiting| waiting.is_empty()) {
            return Ok(());
        }
        let _alone = self.handing_over.lock().await;
        loop {
            // Less than a whole batch, which would say that more are waiting.
            let records = self.changes.with_waiting(|waiting| waiting.iter().take(count_places::BATCH - 1).cloned().collect::<Vec<_>>());
            if records.is_empty() {
                return Ok(());
            }
            let count = records.len();
            count_places::run(&self.store, serde_json::from_value(batch(records))?, self.clock.now()).await?;
            self.changes.with_waiting(|waiting| drop(waiting.drain(..count.min(waiting.len()))));
        }
    }
}

/// The event that Lambda makes of some changes.
fn batch(records: Vec<Value>) -> Value {
    json!({"Records": records, "shardId": "local", "state": {}})
}
