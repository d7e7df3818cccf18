//! From the table's stream: keeps count of where users stand in their team's lists, so that any page is found at once.

use std::sync::Once;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::dynamodb::Meter;
use shared::store::Store;
use shared::store::spans::{Change, Placed};
use shared::{Error, Result, Timestamp};

use crate::App;
use crate::log::BatchLine;

/// The name by which template.yaml's `Handler:` calls it.
pub const NAME: &str = "stream.count_places";

/// The most records of a batch, as template.yaml has it: fewer mean that no more were waiting.
pub const BATCH: usize = 500;

/// A batch of one shard of the stream, as a time window hands it over: without a window, an event does not say its shard.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// The changed items, in the order of the changes.
    #[serde(rename = "Records", default)]
    records: Vec<Record>,
    /// The shard. A batch without it fails: see [`run`].
    shard_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Record {
    dynamodb: Images,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Images {
    sequence_number: String,
    old_image: Option<serde_dynamo::Item>,
    new_image: Option<serde_dynamo::Item>,
}

/// What a time window wants to hear: nothing is kept from batch to batch.
#[derive(Debug, Default, Serialize)]
pub struct Done {
    state: Map<String, Value>,
}

/// Counts what a batch changed, and logs what that took.
///
/// # Errors
/// Those of [`run`].
pub async fn run_logged(app: &App, batch: Batch) -> Result<Done> {
    let (at, records) = (app.clock.now(), batch.records.len());
    let (done, cost) = Meter::measure(run(&app.store, batch, at)).await;
    app.log.batch(&BatchLine {
        at,
        handler: NAME,
        records,
        dynamodb_throttles: cost.throttles,
        read_units: cost.read_units,
        write_units: cost.write_units,
    });
    done
}

/// Logs, once in a process, that events name no shard: every batch fails then, for one reason.
static NO_SHARD: Once = Once::new();

/// Counts what a batch changed.
///
/// # Errors
/// The stream gives the same batch again then, and what of it was counted is not counted twice. A
/// batch that names no shard fails, because it could be counted twice.
pub async fn run(store: &Store, batch: Batch, now: Timestamp) -> Result<Done> {
    let Some(shard_id) = batch.shard_id else {
        NO_SHARD.call_once(|| {
            tracing::error!(
                "the stream's events have no shardId, so no change is counted: \
                 give the event source mapping a TumblingWindowInSeconds"
            );
        });
        return Err(Error::internal("the event has no shardId"));
    };
    let caught_up = batch.records.len() < BATCH;
    let changes = batch.records.into_iter().map(|record| {
        let placed = |image: Option<serde_dynamo::Item>| image.map(serde_dynamo::from_item::<_, Placed>).transpose();
        Ok(Change {
            before: placed(record.dynamodb.old_image)?,
            after: placed(record.dynamodb.new_image)?,
            sequence_number: record.dynamodb.sequence_number,
        })
    });
    // Its own message would hold what the image holds.
    let changes: Vec<_> = changes.collect::<serde_dynamo::Result<_>>().map_err(|_| Error::internal("a record of the stream is no user"))?;
    store.count_places(&changes, &shard_id, caught_up, now).await?;
    Ok(Done::default())
}
