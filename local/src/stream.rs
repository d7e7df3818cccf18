//! What the table's stream does in the cloud: changed users are handed to the function that counts
//! places.
//!
//! The embedded database has streams of its own, which look through all that was ever written at
//! each write. So the writes are watched on their way: a user is read before and after, and nobody
//! else writes meanwhile.
//!
//! The changes that wait to be counted are in memory, and a hard kill takes them. So, in a database
//! that is kept in a file, a mark stands beside each team with such changes: it is there before the
//! first of them is written, and goes when all are counted. The next start counts the teams anew
//! whose marks it finds, before it serves.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
use shared::table::{Key, REBUILD, TEAM_ID};
use uuid::Uuid;

use crate::Failure;

/// Teams that are marked, each with its table.
type Marks = BTreeSet<(String, String)>;

/// The changes of users in an embedded database that are not counted yet.
pub struct Changes {
    database: Database,
    waiting: Mutex<VecDeque<Value>>,
    /// True where a file keeps the database.
    is_kept: bool,
    /// The teams that are marked, each with its table. Held by whoever writes users.
    marked: tokio::sync::Mutex<Marks>,
    /// True while there are marks.
    has_marks: AtomicBool,
    /// The last sequence number.
    number: AtomicU64,
}

impl Changes {
    /// None yet, in a database that a file keeps or none does.
    pub fn of(database: Database, is_kept: bool) -> Self {
        // Above those of every earlier process on the same file.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let number = AtomicU64::new(u64::try_from(now).unwrap_or(u64::MAX));
        Self {
            database,
            waiting: Mutex::default(),
            is_kept,
            marked: tokio::sync::Mutex::default(),
            has_marks: AtomicBool::new(false),
            number,
        }
    }

    fn with_waiting<T>(&self, act: impl FnOnce(&mut VecDeque<Value>) -> T) -> T {
        act(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The users, and the requests for rebuilds, that a call may write.
    fn writes_of(operation: &str, body: &[u8]) -> Vec<Write> {
        if !["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"]
            .contains(&operation)
        {
            return Vec::new();
        }
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut writes: Vec<(&Value, &Value)> = vec![(&body["TableName"], &body)];
        for write in body["TransactItems"].as_array().into_iter().flatten() {
            writes.extend(
                ["Put", "Update", "Delete"].map(|kind| (&write[kind]["TableName"], &write[kind])),
            );
        }
        let tables: Vec<(Value, &Value)> = body["RequestItems"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(table, requests)| (json!(table), requests))
            .collect();
        for (table, requests) in &tables {
            let requests = requests.as_array().into_iter().flatten();
            writes.extend(
                requests.flat_map(|one| {
                    ["PutRequest", "DeleteRequest"].map(|kind| (table, &one[kind]))
                }),
            );
        }
        let is_streamed = |item: &&Value| item["sk"]["S"] == "USER" || item["sk"]["S"] == REBUILD;
        let writes = writes.into_iter().filter_map(|(table, write)| {
            let item = [&write["Item"], &write["Key"]].into_iter().find(is_streamed)?;
            Some(Write {
                read: json!({
                    "TableName": table,
                    "Key": {"pk": item["pk"], "sk": item["sk"]},
                    "ConsistentRead": true,
                }),
                table: table.as_str().unwrap_or_default().to_owned(),
                team: team_of(item),
            })
        });
        writes.collect()
    }

    fn read(&self, request: &Value) -> Option<Value> {
        let answer = self.database.get_item(serde_json::from_value(request.clone()).ok()?).ok()?;
        serde_json::to_value(answer).ok()?.get("Item").cloned()
    }

    /// Marks the teams whose users are about to be written, unless they are marked.
    fn mark(
        &self,
        marked: &mut Marks,
        writes: &[Write],
        before: &[Option<Value>],
    ) -> Result<(), Failure> {
        for (write, before) in writes.iter().zip(before) {
            let teams = [write.team.clone(), before.as_ref().and_then(team_of)];
            for team in teams.into_iter().flatten() {
                let mark = (write.table.clone(), team);
                if self.is_kept && !marked.contains(&mark) {
                    let Key { pk, sk } = Key::uncounted(&mark.1);
                    let item = json!({"pk": {"S": pk}, "sk": {"S": sk}});
                    let put = json!({"TableName": mark.0, "Item": item});
                    self.database.put_item(serde_json::from_value(put)?)?;
                    marked.insert(mark);
                    self.has_marks.store(true, Ordering::SeqCst);
                }
            }
        }
        Ok(())
    }

    /// Removes the marks, unless changes have come in meanwhile.
    async fn unmark(&self) -> Result<(), Failure> {
        let mut marked = self.marked.lock().await;
        while self.with_waiting(|waiting| waiting.is_empty())
            && let Some((table, team)) = marked.first().cloned()
        {
            let Key { pk, sk } = Key::uncounted(&team);
            let key = json!({"pk": {"S": pk}, "sk": {"S": sk}});
            let delete = json!({"TableName": table, "Key": key});
            self.database.delete_item(serde_json::from_value(delete)?)?;
            marked.pop_first();
        }
        self.has_marks.store(!marked.is_empty(), Ordering::SeqCst);
        Ok(())
    }

    /// The teams that a process which was killed left marked in a table; they count as marked by
    /// this one.
    async fn left_marked(&self, table: &str) -> Result<Vec<Uuid>, Failure> {
        let query = json!({
            "TableName": table, "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": Key::uncounted("").pk}},
        });
        let found = serde_json::to_value(self.database.query(serde_json::from_value(query)?)?)?;
        let items = found["Items"].as_array().into_iter().flatten();
        let teams = items.map(|item| item["sk"]["S"].as_str().unwrap_or_default().to_owned());
        let teams: Vec<String> = teams.collect();
        let mut marked = self.marked.lock().await;
        marked.extend(teams.iter().map(|team| (table.to_owned(), team.clone())));
        self.has_marks.store(!marked.is_empty(), Ordering::SeqCst);
        Ok(teams.iter().map(|team| team.parse()).collect::<Result<_, _>>()?)
    }

    /// Returns true if all that was written is counted.
    fn is_settled(&self) -> bool {
        self.with_waiting(|waiting| waiting.is_empty()) && !self.has_marks.load(Ordering::SeqCst)
    }

    /// Makes a call, and keeps what it changed of users.
    pub async fn watch(
        self: Arc<Self>,
        inner: SharedHttpConnector,
        request: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        let operation = request
            .headers()
            .get("x-amz-target")
            .and_then(|target| target.split('.').next_back())
            .unwrap_or_default();
        let writes = Self::writes_of(operation, request.body().bytes().unwrap_or_default());
        if writes.is_empty() {
            return inner.call(request).await;
        }
        // In a task of its own: a caller who gives up must not keep it from seeing what was
        // written.
        let work = tokio::spawn(async move {
            let mut marked = self.marked.lock().await;
            let before: Vec<_> = writes.iter().map(|write| self.read(&write.read)).collect();
            let is_marked = self.mark(&mut marked, &writes, &before);
            is_marked.map_err(|error| ConnectorError::other(error, None))?;
            let answer = inner.call(request).await;
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            for (write, before) in writes.iter().zip(before) {
                let after = self.read(&write.read);
                if before != after {
                    let number = self.number.fetch_add(1, Ordering::Relaxed);
                    let images = json!({
                        "ApproximateCreationDateTime": now,
                        "SequenceNumber": format!("{number:021}"),
                        "OldImage": before,
                        "NewImage": after,
                    });
                    self.with_waiting(|waiting| waiting.push_back(json!({"dynamodb": images})));
                }
            }
            answer
        });
        work.await.unwrap_or_else(|error| Err(ConnectorError::other(error.into(), None)))
    }
}

/// A write of a user, or of a request for a rebuild.
struct Write {
    /// The request to read it.
    read: Value,
    table: String,
    /// The team of a user who is put.
    team: Option<String>,
}

/// The team of a user's item.
fn team_of(item: &Value) -> Option<String> {
    item[TEAM_ID]["S"].as_str().map(str::to_owned)
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

    /// Counts the users anew of the teams that a process which was killed left uncounted.
    ///
    /// # Errors
    /// Where it cannot, for the next start to try again: nobody may be served before.
    pub async fn repair(&self, table: &str) -> Result<(), Failure> {
        // A query may not find all of them at once.
        loop {
            let teams = self.changes.left_marked(table).await?;
            if teams.is_empty() {
                return Ok(());
            }
            for team in teams {
                tracing::warn!(%team, "after a hard kill, the team's lists are counted anew");
                self.store.recount_places(team).await?;
            }
            self.changes.unmark().await?;
        }
    }

    /// The changes that are waiting, as the event of a batch, which is then for the caller to hand
    /// over; none where none are waiting.
    pub fn take(&self) -> Option<Value> {
        let records: Vec<_> = self.changes.with_waiting(|waiting| waiting.drain(..).collect());
        (!records.is_empty()).then(|| batch(records))
    }

    /// Hands over what was written so far. The cloud does that within a second or two; here every
    /// request finds it done.
    pub async fn settle(&self) -> Result<(), Failure> {
        if self.changes.is_settled() {
            return Ok(());
        }
        let _alone = self.handing_over.lock().await;
        loop {
            // Less than a whole batch, which would say that more are waiting.
            let records = self.changes.with_waiting(|waiting| {
                waiting.iter().take(count_places::BATCH - 1).cloned().collect::<Vec<_>>()
            });
            if records.is_empty() {
                return self.changes.unmark().await;
            }
            let count = records.len();
            count_places::run(
                &self.store,
                serde_json::from_value(batch(records))?,
                self.clock.now(),
            )
            .await?;
            self.changes.with_waiting(|waiting| drop(waiting.drain(..count.min(waiting.len()))));
        }
    }
}

/// The event that Lambda makes of some changes.
fn batch(records: Vec<Value>) -> Value {
    json!({"Records": records, "shardId": "local", "state": {}})
}
