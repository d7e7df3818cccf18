//! Repair of the rank index: where its counts differ from the team's counters, it is made anew.
//!
//! A batch of the table's stream that is given up leaves its changes uncounted for good. A list
//! reads the counts of one sequence beside the counters. Where the two differ though no user of the
//! team was changed for a minute, it asks for a rebuild: it writes an item, and the stream brings
//! that to the function that counts, which alone may write the counts. While the item is in force,
//! an hour, nobody asks again. A team that is in order costs neither a read nor a write for this.
//!
//! Users are changed, and batches come late, while a team is rebuilt. So each sequence is read
//! twice, and replaced only where both readings show the same, where they agree with the counters,
//! and where nothing was counted in it meanwhile. From then on it knows until when its changes are
//! counted ([`Span`]): a batch that brings earlier ones is too late for them.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use super::lists::{Counts, Edge};
use super::spans::{Cell, MOST_SPANS, Span, VERSION, cell_size, decode, divided, item, version_of};
use super::{Freshness, From, Refusal, Store, WriteError, encode, failed};
use crate::error::Result;
use crate::models::Class;
use crate::table::{Key, Sequence, TTL, prefix, time_of_place};
use crate::time::Timestamp;

/// The seconds since the last change of a team's users before a difference is one: the stream lags.
const LAG: i64 = 60;
/// The seconds between two rebuilds of a team.
const PAUSE: i64 = 3600;
/// The time between two readings of a sequence: longer than an index lags.
const BETWEEN: Duration = Duration::from_secs(2);

/// The versions of spans.
type Versions = BTreeMap<Key, String>;

/// The item that asks for a rebuild, and holds off others until it expires.
#[derive(Serialize, Deserialize)]
struct Request {
    expires: i64,
}

/// The outcome of a rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rebuild {
    /// The counts were right already.
    NotNeeded,
    /// They were made anew.
    Done,
    /// Users changed meanwhile, or there are too many of them: some or all counts are as before.
    GivenUp,
}

/// Returns the number of users of each class, by the class's number.
fn by_class(cells: &[Cell]) -> [u64; Class::COUNT] {
    let mut sums = [0; Class::COUNT];
    cells.iter().for_each(|cell| cell.add_to(&mut sums));
    sums
}

/// Returns true if the cells of a sequence hold other users than the team has.
pub(super) fn differs(cells: &[Cell], counts: &Counts) -> bool {
    by_class(cells) != counts.by_class()
}

impl Store {
    /// Asks for a rebuild of a team's index, unless a user of it was changed within a minute, or
    /// somebody asked within an hour.
    pub(super) async fn ask_for_rebuild(&self, team: Uuid, now: Timestamp) -> Result<()> {
        let key = Key::rebuild(team);
        // Being seen changes no count.
        let latest = self.neighbours(team, Sequence::UpdatedAt, &Edge::Before(None), 1);
        let asked = self.get::<Request>(&key, Freshness::Eventual);
        let (latest, asked) = futures::try_join!(latest, asked)?;
        let changed_at = latest.first().and_then(|(place, _)| time_of_place(place));
        let is_recent = changed_at.is_some_and(|at| now < at.plus_seconds(LAG));
        if is_recent || asked.is_some_and(|asked| now.as_second() < asked.expires) {
            return Ok(());
        }
        let request = Request { expires: now.plus_seconds(PAUSE).as_second() };
        let item = encode(&key, &request)?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let put = put
            .condition_expression("attribute_not_exists(pk) OR #expires <= :now")
            .expression_attribute_names("#expires", TTL)
            .expression_attribute_values(":now", AttributeValue::N(now.as_second().to_string()));
        let refused = PutItemError::is_conditional_check_failed_exception;
        match put.send().await {
            // Somebody else was faster.
            Err(error) if error.as_service_error().is_some_and(refused) => Ok(()),
            outcome => outcome.map(|_| ()).map_err(failed),
        }
    }

    /// Makes a team's index anew where it differs from the counters, while requests and the stream
    /// go on. It is given up after that time.
    ///
    /// # Errors
    /// Some sequences may be made anew then, and some not.
    pub async fn rebuild(&self, team: Uuid, now: Timestamp, within: Duration) -> Result<Rebuild> {
        let work = self.rebuild_in_time(team, now);
        tokio::time::timeout(within, work).await.unwrap_or(Ok(Rebuild::GivenUp))
    }

    async fn rebuild_in_time(&self, team: Uuid, now: Timestamp) -> Result<Rebuild> {
        let begun = Instant::now();
        let counts = self.read_counts(team, Freshness::Strong).await?;
        let known = Sequence::ALL.map(|sequence| self.known_spans(team, sequence));
        let known = try_join_all(known).await?;
        if !known.iter().any(|(cells, _)| differs(cells, &counts)) {
            return Ok(Rebuild::NotNeeded);
        }
        let piece = cell_size(counts.total(&super::Filter::default())) * 3 / 4;
        let survey = |sequence| self.survey(team, sequence, "", usize::MAX, piece);
        let first = try_join_all(Sequence::ALL.map(survey)).await?;
        // What is changed in this second is seen by the second reading, if it was not by the first.
        let elapsed = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        let until = now.as_millisecond().saturating_add(elapsed).div_euclid(1000) + 1;
        tokio::time::sleep(BETWEEN).await;
        // Who is renamed meanwhile shows in the second reading.
        self.rebuild_words(team).await?;
        let mut outcome = Rebuild::Done;
        for ((sequence, (_, versions)), cells) in Sequence::ALL.into_iter().zip(known).zip(first) {
            let again = survey(sequence).await?;
            let counts = self.read_counts(team, Freshness::Strong).await?;
            let span = Span::counted(cells, until);
            let is_quiet = again == span.cells && !differs(&span.cells, &counts);
            if !is_quiet || !self.replace(team, sequence, &span, versions).await? {
                outcome = Rebuild::GivenUp;
            }
        }
        Ok(outcome)
    }

    /// The cells of a sequence, and the spans that hold them with their versions.
    async fn known_spans(&self, team: Uuid, sequence: Sequence) -> Result<(Vec<Cell>, Versions)> {
        let first = Key::span(team, sequence, "");
        let (from, all, freshness) = (From::Start, usize::MAX, Freshness::Strong);
        let items = self.query_items(&first, prefix::FROM, from, all, freshness, None).await?;
        let mut cells = Vec::new();
        for item in &items {
            cells.extend(decode(item)?.cells);
        }
        let versions = items.iter().filter_map(|item| Some((Key::of(item)?, version_of(item)?)));
        Ok((cells, versions.collect()))
    }

    /// Puts the cells of a sequence in place of its spans. Returns false if one of these was
    /// changed: then some may be replaced and some not.
    async fn replace(
        &self,
        team: Uuid,
        sequence: Sequence,
        span: &Span,
        mut versions: Versions,
    ) -> Result<bool> {
        let mut transaction = self.transaction();
        let mut transactions = Vec::new();
        let mut items = 0;
        let mut next = |transaction: &mut _| {
            items += 1;
            if items % MOST_SPANS == 0 {
                transactions.push(std::mem::replace(transaction, self.transaction()));
            }
        };
        for span in divided(span, usize::MAX)? {
            let key = Key::span(team, sequence, &span.cells[0].from);
            let version = versions.remove(&key);
            let known: Option<u64> = version.as_ref().and_then(|version| version.parse().ok());
            let item = item(team, sequence, &span, known.unwrap_or(0) + 1)?;
            transaction.put_if(item, VERSION, version, Refusal::Changed)?;
            next(&mut transaction);
        }
        for (key, version) in &versions {
            transaction.delete_if(key, VERSION, version)?;
            next(&mut transaction);
        }
        if items % MOST_SPANS > 0 {
            transactions.push(transaction);
        }
        for transaction in transactions {
            match self.commit(transaction).await {
                Ok(()) => {}
                Err(WriteError::Refused(Refusal::Changed)) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}
