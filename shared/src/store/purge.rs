//! The purge: erases every account whose date has come.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Act, Freshness, From, Store};
use crate::error::{Error, Result};
use crate::models::{Status, User};
use crate::table::DUE;
use crate::time::Timestamp;

/// How many accounts are erased at one time.
const AT_ONCE: usize = 8;
/// How many are looked for at a time, in each partition of the index.
const BATCH: usize = 100;
/// How long before its time is up the purge begins no more accounts.
const STOPS_BEFORE: Duration = Duration::from_secs(10);
/// How long before it drops those that it has begun: being cut off does no harm, but its report should be heard.
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
    /// Erases every account that is due at `now`, until `deadline`. Each is read again before it is touched; one that fails does not
    /// stop the others; two purges at once share the work, and a purge that is cut off is taken up by the next.
    ///
    /// # Errors
    /// Where the due accounts cannot be listed.
    pub async fn purge(&self, now: Timestamp, deadline: Instant) -> Result<Report> {
        let tally = Tally::default();
        let mut oldest: Option<Timestamp> = None;
        let work = self.purge_until(now, deadline - STOPS_BEFORE, &tally, &mut oldest);
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

    async fn purge_until(&self, now: Timestamp, last_start: Instant, tally: &Tally, oldest: &mut Option<Timestamp>) -> Result<bool> {
        // Behind those that were tried: who failed or was skipped is not found again by this purge.
        let mut tried = BEGINNING.to_owned();
        loop {
            let mut due = self.due_after(&tried, now).await?;
            // Of partitions that may have more, only what no unread entry comes before.
            due.sort_unstable();
            if oldest.is_none() {
                *oldest = due.first().map(|due| due.at);
            }
            let Some(last) = due.last() else { return Ok(true) };
            tried = last.place.clone();
            let mut work = futures::stream::iter(due)
                .map(async |due| {
                    if Instant::now() >= last_start {
                        return false;
                    }
                    let count = match self.purge_one(due.user, now).await {
                        Ok(true) => &tally.purged,
                        Ok(false) => &tally.skipped,
                        Err(error) => {
                            tracing::warn!(user_id = %due.user, error = %cause(&error), "an account was not purged");
                            &tally.failed
                        }
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                    true
                })
                .buffer_unordered(AT_ONCE);
            let mut on_time = true;
            while let Some(begun) = work.next().await {
                on_time &= begun;
            }
            if !on_time {
                return Ok(false);
            }
        }
    }

    /// The next accounts that are due at `now`, from behind a place in the index: with none left out before the last of them.
    async fn due_after(&self, place: &str, now: Timestamp) -> Result<Vec<Due>> {
        let mut found = Vec::new();
        let mut horizon: Option<String> = None;
        let mut partitions: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
        for (place, item) in self.wide(DUE, (">", place.to_owned()), From::Start, BATCH).await? {
            let partition = item.get(DUE.partition).and_then(|partition| partition.as_s().ok()).cloned().unwrap_or_default();
            let count = partitions.entry(partition).or_default();
            *count += 1;
            if *count == BATCH && horizon.as_ref().is_none_or(|horizon| place < *horizon) {
                horizon = Some(place.clone());
            }
            found.extend(Due::at(place));
        }
        found.retain(|due| due.at <= now && horizon.as_ref().is_none_or(|horizon| due.place <= *horizon));
        Ok(found)
    }

    /// Erases an account, if it is still due. Says whether it did.
    async fn purge_one(&self, id: Uuid, now: Timestamp) -> Result<bool> {
        let is_due = |user: &User| user.status == Status::Deleted && user.delete_scheduled_at.is_some_and(|due| due <= now);
        match self.user(id, Freshness::Strong).await?.filter(is_due) {
            Some(user) => self.erase(user, is_due, &Act::new(id, "user.purged", now)).await,
            None => Ok(false),
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
        assert_eq!(cause(&Error::Unavailable("the table is throttled".into())), "the table is throttled");
        assert_eq!(cause(&Error::internal("an item is no user")), "an item is no user");
        assert_eq!(cause(&Error::KeyReused), Error::KeyReused.to_string());
    }
}
