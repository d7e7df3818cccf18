//! The embedded table's stream, handed to the function that the cloud hands it to: as Lambda's event source mapping does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use dynoxide::Database;
use functions::stream::count_places;
use serde_json::{Value, json};
use shared::dynamodb::Client;
use shared::store::Store;
use shared::{Clock, Timestamp};
use tokio::sync::Mutex;

use crate::Failure;

/// The item that says how far the stream was read. Lambda keeps this for itself; here it outlives the process with the table.
const POSITION: (&str, &str) = ("LOCAL", "STREAM");

/// The stream of one table.
pub struct Stream {
    database: Database,
    client: Client,
    store: Store,
    table: String,
    clock: Clock,
    /// Whether anything was written since it was read.
    written: Arc<AtomicBool>,
    position: Mutex<Option<Position>>,
}

struct Position {
    shard: String,
    iterator: String,
}

impl Stream {
    /// The stream of a table in an embedded database. The client's own writes do not count as written.
    pub fn new(database: Database, client: Client, table: &str, clock: Clock, written: Arc<AtomicBool>) -> Self {
        let store = Store::new(client.clone(), table);
        Self { database, client, store, table: table.to_owned(), clock, written, position: Mutex::default() }
    }

    /// Hands over what was written so far. The cloud does that within a second or two; here every request finds it done.
    pub async fn settle(&self) -> Result<(), Failure> {
        if !self.written.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut place = self.position.lock().await;
        let position = match place.as_mut() {
            Some(position) => position,
            None => place.insert(self.position().await?),
        };
        while self.written.swap(false, Ordering::AcqRel) {
            let outcome = self.read_on(position).await;
            if outcome.is_err() {
                self.written.store(true, Ordering::Release);
            }
            outcome?;
        }
        Ok(())
    }

    async fn read_on(&self, position: &mut Position) -> Result<(), Failure> {
        let mut last = None;
        loop {
            let request = json!({"ShardIterator": position.iterator, "Limit": count_places::BATCH - 1});
            let answer = serde_json::to_value(self.database.get_records(serde_json::from_value(request)?)?)?;
            let records = answer["Records"].as_array().map(Vec::as_slice).unwrap_or_default();
            let Some(newest) = records.last() else { break };
            last = newest["dynamodb"]["SequenceNumber"].as_str().map(str::to_owned);
            // As the event source's filter in template.yaml says.
            let users: Vec<&Value> = records.iter().filter(|record| record["dynamodb"]["Keys"]["sk"]["S"] == "USER").collect();
            if !users.is_empty() {
                let batch = serde_json::from_value(json!({"Records": users, "shardId": position.shard, "state": {}}))?;
                count_places::run(&self.store, batch, self.now()).await?;
            }
            position.iterator = text(&answer["NextShardIterator"])?;
        }
        if let Some(last) = last {
            let item = [("pk", POSITION.0), ("sk", POSITION.1), ("sequence_number", &last)];
            let item = item.map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())));
            self.client.put_item().table_name(&self.table).set_item(Some(item.into())).send().await?;
        }
        Ok(())
    }

    /// Where it was read to; at first, its beginning.
    async fn position(&self) -> Result<Position, Failure> {
        let table = serde_json::to_value(self.database.describe_table(serde_json::from_value(json!({"TableName": self.table}))?)?)?;
        let arn = text(&table["Table"]["LatestStreamArn"])?;
        let stream = serde_json::to_value(self.database.describe_stream(serde_json::from_value(json!({"StreamArn": arn}))?)?)?;
        // The embedded database has one shard, for good.
        let shard = text(&stream["StreamDescription"]["Shards"][0]["ShardId"])?;
        let (pk, sk) = POSITION;
        let read =
            self.client.get_item().table_name(&self.table).key("pk", AttributeValue::S(pk.into())).key("sk", AttributeValue::S(sk.into()));
        let item = read.send().await?.item.unwrap_or_default();
        let mut request = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
        if let Some(AttributeValue::S(number)) = item.get("sequence_number") {
            request["ShardIteratorType"] = "AFTER_SEQUENCE_NUMBER".into();
            request["SequenceNumber"] = number.as_str().into();
        }
        let iterator = serde_json::to_value(self.database.get_shard_iterator(serde_json::from_value(request)?)?)?;
        Ok(Position { shard, iterator: text(&iterator["ShardIterator"])? })
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

fn text(value: &Value) -> Result<String, Failure> {
    Ok(value.as_str().ok_or("the embedded database's stream has no such part")?.to_owned())
}
