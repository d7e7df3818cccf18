//! From the table's stream: keeps count of where users stand in their team's lists, so that any
//! page is found at once. A list that finds the counts wrong asks by the stream to have them made
//! anew.

use std::collections::BTreeSet;
use std::sync::Once;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::dynamodb::Meter;
use shared::store::spans::{Change, Placed};
use shared::store::{Rebuild, Store};
use shared::table::{Key, PK, REBUILD, SK};
use shared::{Error, Result, Timestamp};
use uuid::Uuid;

use crate::App;
use crate::log::{BatchLine, RebuildLine};

/// The name by which template.yaml's `Handler:` calls it.
pub const NAME: &str = "stream.count_places";

/// The most records of a batch, as template.yaml has it: fewer mean that no more were waiting.
pub const BATCH: usize = 500;

/// A batch of one shard of the stream, as a time window hands it over: without a window, an event
/// does not say its shard.
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
    approximate_creation_date_time: Option<f64>,
    sequence_number: String,
    old_image: Option<serde_dynamo::Item>,
    new_image: Option<serde_dynamo::Item>,
}

/// What a time window wants to hear: nothing is kept from batch to batch.
#[derive(Debug, Default, Serialize)]
pub struct Done {
    state: Map<String, Value>,
    /// The teams of which a rebuild was asked for, with its outcome.
    #[serde(skip)]
    pub rebuilds: Vec<(Uuid, Rebuild)>,
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
    for (team_id, outcome) in done.iter().flat_map(|done| &done.rebuilds) {
        app.log.rebuild(&RebuildLine { at, handler: NAME, team_id: *team_id, outcome: *outcome });
    }
    done
}

/// The time for all rebuilds of a batch.
const MAX_REBUILDING: Duration = Duration::from_secs(60);

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
    let (requests, changes): (Vec<_>, Vec<_>) =
        batch.records.into_iter().partition(Record::asks_for_rebuild);
    let changes = changes.into_iter().map(|Record { dynamodb }| {
        let placed = |image: Option<serde_dynamo::Item>| {
            image.map(serde_dynamo::from_item::<_, Placed>).transpose()
        };
        Ok(Change {
            before: placed(dynamodb.old_image)?,
            after: placed(dynamodb.new_image)?,
            sequence_number: dynamodb.sequence_number,
            changed_at: dynamodb.approximate_creation_date_time.map(|at| at as i64),
        })
    });
    // Its own message would hold what the image holds.
    let changes: Vec<_> = changes
        .collect::<serde_dynamo::Result<_>>()
        .map_err(|_| Error::internal("a record of the stream is no user"))?;
    store.count_places(&changes, &shard_id, caught_up, now).await?;
    let mut done = Done::default();
    let teams: BTreeSet<Uuid> = requests.iter().filter_map(Record::team_to_rebuild).collect();
    let begun = Instant::now();
    for team in teams {
        // The stream waits, for all teams: it never gets the same batch again for a rebuild.
        let left = MAX_REBUILDING.saturating_sub(begun.elapsed());
        let outcome = store.rebuild(team, now, left).await.unwrap_or_else(|error| {
            tracing::error!(%team, ?error, "the rank index of a team cannot be rebuilt");
            Rebuild::GivenUp
        });
        tracing::warn!(%team, ?outcome, "the rank index of a team differed from its counters");
        done.rebuilds.push((team, outcome));
    }
    Ok(done)
}

impl Record {
    /// An attribute of the item's key.
    fn key(&self, name: &str) -> Option<&str> {
        let image = self.dynamodb.new_image.as_ref().or(self.dynamodb.old_image.as_ref())?;
        match image.get(name)? {
            serde_dynamo::AttributeValue::S(text) => Some(text),
            _ => None,
        }
    }

    fn asks_for_rebuild(&self) -> bool {
        self.key(SK) == Some(REBUILD)
    }

    /// The team, unless the request ended: that is a record too.
    fn team_to_rebuild(&self) -> Option<Uuid> {
        self.dynamodb.new_image.as_ref()?;
        Key { pk: self.key(PK)?.to_owned(), sk: REBUILD.to_owned() }.team_to_rebuild()
    }
}
