//! Every hour: erases the accounts whose date has come, with everything of theirs.

use std::time::Duration;

use shared::Result;
use shared::dynamodb::Meter;
use shared::models::AuditCredential;
use shared::store::Report;
use tokio::time::Instant;

use crate::App;
use crate::log::PurgeLine;

/// The name by which template.yaml's `Handler:` calls it.
pub const NAME: &str = "schedule.purge_accounts";

/// Purges, for at most that long.
///
/// # Errors
/// Where the due accounts cannot be listed: the schedule tries again.
pub async fn run(app: &App, time_left: Duration) -> Result<Report> {
    run_by(app, &AuditCredential::schedule(), time_left).await
}

/// The same, as entries of history name it: by a local command.
///
/// # Errors
/// As the listing of due accounts.
pub async fn run_by(app: &App, by: &AuditCredential, time_left: Duration) -> Result<Report> {
    let now = app.clock.now();
    let (report, cost) = Meter::measure(app.store.purge(by, now, Instant::now() + time_left)).await;
    let report = report?;
    app.log.purge(&PurgeLine {
        at: now,
        handler: NAME,
        dynamodb_throttles: cost.throttles,
        report,
    });
    Ok(report)
}
