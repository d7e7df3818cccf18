//! The purge: erases every account whose date has come.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::erasure::{Erasure, Turn};
use super::{Act, Freshness, From, Store};
use crate::error::{Error, Result};
use crate::models::{AuditCredential, Status, User};
use crate::table::DUE;
use crate::time::Timestamp;

/// How many accounts are erased at one time.
const AT_ONCE: usize = 8;
/// How many are looked for at a time, in each partition of the index.
const BATCH: usize = 100;
/// The most pages of one account that are worked on before the others have their turn.
const PAGES_OF_A_TURN: u32 = 4;
/// How long before its time is up the purge begins no more accounts.
const STOPS_BEFORE: Duration = Duration::from_secs(10);
/// How long before it drops those that it has begun: being cut off does no harm, but its report
/// should be heard.
const DROPS_BEFORE: Duration = Duration::from_secs(2);

/// What a purge did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Accounts erased.
    pub purged: u64,
    /// Accounts that were found and, when looked at, not due: restored, or erased by another purge.
    pub skipped: u64,
    /// Accounts whose erasure failed: they are tried again the next time.
    pub failed: u64,
    /// How long ago the oldest that was found became due, in seconds; absent where none was.
    pub oldest_due_age_seconds: Option<i64>,
    /// Whether all that were due were tried; if not, the next purge goes on.
    pub finished: bool,
}

#[derive(Default)]
struct Tally {
    purged: AtomicU64,
    skipped: AtomicU64,
    failed: AtomicU64,
}

impl Store {
    /// Erases every account that is due at `now`, until `deadline`. Each is read again before it is
    /// touched; one that fails does not stop the others, and one with very much of theirs lets the
    /// others go first; two purges at once share the work, and a purge that is cut off is taken up
    /// by the next. What is held in memory does not grow with what is erased.
    ///
    /// # Errors
    /// As the listing of due accounts.
    pub async fn purge(
        &self,
        by: &AuditCredential,
        now: Timestamp,
        deadline: Instant,
    ) -> Result<Report> {
        let tally = Tally::default();
        let mut oldest: Option<Timestamp> = None;
        let work = self.purge_until(by, now, deadline - STOPS_BEFORE, &tally, &mut oldest);
        let finished = match tokio::time::timeout_at(deadline - DROPS_BEFORE, work).await {
            Ok(finished) => finished?,
            Err(_) => false,
        };
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Ok(Report {
            purged: count(&tally.purged),
            skipped: count(&tally.skipped),
            failed: count(&tally.failed),
            oldest_due_age_seconds: oldest.map(|due| now.as_second() - due.as_second()),
            finished,
        })
    }

    async fn purge_until(
        &self,
        by: &AuditCredential,
        now: Timestamp,
        last_start: Instant,
        tally: &Tally,
        oldest: &mut Option<Timestamp>,
    ) -> Result<bool> {
        // Behind those that were tried: who failed or was skipped is not found again by this purge.
        let mut tried = BEGINNING.to_owned();
        // Those of whom a turn left something to do.
        let mut large: Vec<Uuid> = Vec::new();
        loop {
            let mut due = self.due_after(&tried, now).await?;
            // Of partitions that may have more, only what no unread entry comes before.
            due.sort_unstable();
            if oldest.is_none() {
                *oldest = due.first().map(|due| due.at);
            }
            let Some(last) = due.last() else { break };
            tried = last.place.clone();
            let (left, on_time) = self
                .purge_some(
                    by,
                    due.into_iter().map(|due| due.user).collect(),
                    now,
                    last_start,
                    tally,
                )
                .await;
            large.extend(left);
            if !on_time {
                return Ok(false);
            }
        }
        while !large.is_empty() {
            let (left, on_time) = self.purge_some(by, large, now, last_start, tally).await;
            if !on_time {
                return Ok(false);
            }
            large = left;
        }
        Ok(true)
    }

    /// Gives each account a turn. Says whose was not enough, and whether all had one before
    /// `last_start`.
    async fn purge_some(
        &self,
        by: &AuditCredential,
        users: Vec<Uuid>,
        now: Timestamp,
        last_start: Instant,
        tally: &Tally,
    ) -> (Vec<Uuid>, bool) {
        let mut work = futures::stream::iter(users)
            .map(async |user| {
                if Instant::now() >= last_start {
                    return (user, None);
                }
                let outcome = self.purge_one(by, user, now).await;
                let count = match &outcome {
                    Ok(Erasure::Done) => &tally.purged,
                    Ok(Erasure::NotOurs) => &tally.skipped,
                    Ok(Erasure::Unfinished) => return (user, Some(true)),
                    Err(error) => {
                        tracing::warn!(user_id = %user, error = %cause(error), "an account was not purged");
                        &tally.failed
                    }
                };
                count.fetch_add(1, Ordering::Relaxed);
                (user, Some(false))
            })
            .buffer_unordered(AT_ONCE);
        let (mut left, mut on_time) = (Vec::new(), true);
        while let Some((user, unfinished)) = work.next().await {
            on_time &= unfinished.is_some();
            left.extend(unfinished.filter(|unfinished| *unfinished).map(|_| user));
        }
        (left, on_time)
    }

    /// The next accounts that are due at `now`, from behind a place in the index: with none left
    /// out before the last of them.
    async fn due_after(&self, place: &str, now: Timestamp) -> Result<Vec<Due>> {
        let mut found = Vec::new();
        let mut horizon: Option<String> = None;
        let mut partitions: std::collections::HashMap<String, usize> =
            std::collections::HashMap::new();
        for (place, item) in self.wide(DUE, (">", place.to_owned()), From::Start, BATCH).await? {
            let partition = item
                .get(DUE.partition)
                .and_then(|partition| partition.as_s().ok())
                .cloned()
                .unwrap_or_default();
            let count = partitions.entry(partition).or_default();
            *count += 1;
            if *count == BATCH && horizon.as_ref().is_none_or(|horizon| place < *horizon) {
                horizon = Some(place.clone());
            }
            found.extend(Due::at(place));
        }
        found.retain(|due| {
            due.at <= now && horizon.as_ref().is_none_or(|horizon| due.place <= *horizon)
        });
        Ok(found)
    }

    /// Erases an account in one turn, if it is still due.
    async fn purge_one(&self, by: &AuditCredential, id: Uuid, now: Timestamp) -> Result<Erasure> {
        let is_due = |user: &User| {
            user.status == Status::Deleted && user.delete_scheduled_at.is_some_and(|due| due <= now)
        };
        match self.user(id, Freshness::Strong).await?.filter(is_due) {
            Some(user) => {
                self.erase_in(
                    user,
                    &is_due,
                    &Act::of_machine(by.clone(), "user.purged", now),
                    &Turn::of(PAGES_OF_A_TURN),
                )
                .await
            }
            None => Ok(Erasure::NotOurs),
        }
    }
}

/// Comes before every place in the index. DynamoDB refuses a key condition with an empty text.
const BEGINNING: &str = " ";

/// An entry of the index of those who are due.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    place: String,
    at: Timestamp,
    user: Uuid,
}

impl Due {
    fn at(place: String) -> Option<Self> {
        let (at, user) = place.split_once('\u{1f}')?;
        let (at, user) = (at.parse().ok()?, user.parse().ok()?);
        Some(Self { place, at, user })
    }
}

/// What an error was caused by, for the log.
fn cause(error: &Error) -> String {
    match error {
        Error::Internal(cause) | Error::Unavailable(cause) => cause.to_string(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_says_what_was_behind_a_failure() {
        assert_eq!(
            cause(&Error::Unavailable("the table is throttled".into())),
            "the table is throttled"
        );
        assert_eq!(cause(&Error::internal("an item is no user")), "an item is no user");
        assert_eq!(cause(&Error::KeyReused), Error::KeyReused.to_string());
    }
}
