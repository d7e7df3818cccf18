//! Every hour: erases the accounts whose date has come, with everything of theirs.

use std::time::Duration;

use shared::Result;
use shared::store::Report;
use tokio::time::Instant;

use crate::App;

/// The name by which template.yaml's `Handler:` calls it.
pub const NAME: &str = "schedule.purge_accounts";

/// Purges, for at most that long.
///
/// # Errors
/// Where the due accounts cannot be listed: the schedule tries again.
pub async fn run(app: &App, time_left: Duration) -> Result<Report> {
    let report = app.store.purge(app.clock.now(), Instant::now() + time_left).await?;
    tracing::info!(
        purged = report.purged,
        skipped = report.skipped,
        failed = report.failed,
        oldest_due_age_seconds = report.oldest_due_age_seconds,
        finished = report.finished,
        "purge"
    );
    Ok(report)
}
