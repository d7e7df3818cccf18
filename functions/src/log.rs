//! One line for each request, in JSON: what was asked and what it cost, never what anyone sent. The
//! same line is read as metrics, by CloudWatch's embedded metric format.

use serde::Serialize;
use serde_json::{Value, json};
use shared::Timestamp;
use shared::dynamodb::Cost;
use shared::store::Rebuild;
use uuid::Uuid;

/// What is logged of a request.
#[derive(Debug, Clone, Serialize)]
pub struct RequestLine {
    /// When the answer was ready.
    pub at: Timestamp,
    /// The handler's name, which stands for the route.
    pub handler: &'static str,
    /// The method.
    pub method: String,
    /// The answer's status.
    pub status: u16,
    /// The whole time that the handler took, in milliseconds.
    pub duration_ms: f64,
    /// Calls of DynamoDB.
    pub dynamodb_calls: u32,
    /// Waits for DynamoDB.
    pub dynamodb_steps: u32,
    /// Calls that DynamoDB throttled.
    pub dynamodb_throttles: u32,
    /// Time with a call of DynamoDB under way, in milliseconds.
    pub dynamodb_ms: f64,
    /// Read units.
    pub read_units: f64,
    /// Write units.
    pub write_units: f64,
    /// Who called, where that became known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller_id: Option<Uuid>,
    /// The request's id, as the answer has it.
    pub request_id: String,
    /// The call of DynamoDB that failed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_call: Option<&'static str>,
    /// Why the credential was refused, or what failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// What a purge did, as it is logged.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct PurgeLine {
    /// When it ended.
    pub at: Timestamp,
    /// The handler's name.
    pub handler: &'static str,
    /// Calls that DynamoDB throttled.
    pub dynamodb_throttles: u32,
    /// What it did.
    #[serde(flatten)]
    pub report: shared::store::Report,
}

/// A batch of the table's stream that was counted, as it is logged.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct BatchLine {
    /// When it ended.
    pub at: Timestamp,
    /// The handler's name.
    pub handler: &'static str,
    /// The records of the batch.
    pub records: usize,
    /// Calls that DynamoDB throttled.
    pub dynamodb_throttles: u32,
    /// Read units.
    pub read_units: f64,
    /// Write units.
    pub write_units: f64,
}

/// A rebuild of a team's rank index, as it is logged.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RebuildLine {
    /// The time of the batch that asked for it.
    pub at: Timestamp,
    /// The handler's name.
    pub handler: &'static str,
    /// The team.
    pub team_id: Uuid,
    /// Its outcome.
    pub outcome: Rebuild,
}

/// Where lines go: to the log in the cloud, to whoever listens elsewhere.
pub trait Log: Send + Sync {
    /// Takes the line of a request.
    fn request(&self, line: &RequestLine);
    /// Takes the line of a purge.
    fn purge(&self, line: &PurgeLine);
    /// Takes the line of a batch of the stream.
    fn batch(&self, line: &BatchLine);
    /// Takes the line of a rebuild.
    fn rebuild(&self, line: &RebuildLine);
}

/// Takes lines and drops them.
pub struct NoLog;

impl Log for NoLog {
    fn request(&self, _: &RequestLine) {}
    fn purge(&self, _: &PurgeLine) {}
    fn batch(&self, _: &BatchLine) {}
    fn rebuild(&self, _: &RebuildLine) {}
}

/// Writes lines in CloudWatch's embedded metric format.
pub struct CloudLog {
    stage: String,
    write: Box<dyn Fn(String) + Send + Sync>,
}

impl CloudLog {
    /// A log of a stage, by which metrics are told apart; `write` takes each line.
    pub fn new(stage: String, write: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self { stage, write: Box::new(write) }
    }

    /// A log that writes to the standard output, which Lambda takes to CloudWatch.
    pub fn to_stdout(stage: String) -> Self {
        Self::new(stage, |line| println!("{line}"))
    }

    /// A line with its metrics, each a name, a unit and a value. They are few, as CloudWatch bills
    /// by the metric: what handlers do apart is asked of the log.
    fn write(&self, line: &impl Serialize, at: Timestamp, metrics: &[(&str, &str, f64)]) {
        (self.write)(self.embed(line, at, metrics).to_string());
    }

    fn embed(&self, line: &impl Serialize, at: Timestamp, metrics: &[(&str, &str, f64)]) -> Value {
        let mut line = serde_json::to_value(line).unwrap_or_default();
        let definitions: Vec<_> =
            metrics.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
        line["stage"] = self.stage.clone().into();
        line["_aws"] = json!({
            "Timestamp": at.as_millisecond(),
            "CloudWatchMetrics": [{"Namespace": "Roster", "Dimensions": [["stage"]], "Metrics": definitions}],
        });
        for (name, _, value) in metrics {
            line[*name] = (*value).into();
        }
        line
    }
}

/// The metric of throttled calls, where there are any: an unused metric costs nothing.
fn throttles(count: u32) -> Option<(&'static str, &'static str, f64)> {
    (count > 0).then(|| ("Throttles", "Count", count.into()))
}

/// What a request is counted as in business: a sign-up, or a refusal for a quota.
fn business(line: &RequestLine) -> Option<(&'static str, &'static str, f64)> {
    match (line.handler, line.status) {
        ("operator_account.create_account", 201) => Some(("SignUps", "Count", 1.0)),
        ("operator_account.create_sandbox", 429) => Some(("QuotaRefusals", "Count", 1.0)),
        _ => None,
    }
}

impl Log for CloudLog {
    fn request(&self, line: &RequestLine) {
        let mut metrics = vec![
            ("Duration", "Milliseconds", line.duration_ms),
            ("DynamoDBCalls", "Count", line.dynamodb_calls.into()),
            ("ReadUnits", "Count", line.read_units),
            ("WriteUnits", "Count", line.write_units),
            ("ServerErrors", "Count", f64::from(u8::from(line.status >= 500))),
        ];
        metrics.extend(business(line));
        metrics.extend(throttles(line.dynamodb_throttles));
        self.write(line, line.at, &metrics);
    }

    fn purge(&self, line: &PurgeLine) {
        let report = &line.report;
        let mut metrics = vec![
            ("Purged", "Count", report.purged as f64),
            ("PurgeFailures", "Count", report.failed as f64),
            ("OldestDueAge", "Seconds", report.oldest_due_age_seconds.unwrap_or(0) as f64),
        ];
        metrics.extend(throttles(line.dynamodb_throttles));
        self.write(line, line.at, &metrics);
    }

    fn batch(&self, line: &BatchLine) {
        let mut metrics = vec![
            ("ReadUnits", "Count", line.read_units),
            ("WriteUnits", "Count", line.write_units),
        ];
        metrics.extend(throttles(line.dynamodb_throttles));
        self.write(line, line.at, &metrics);
    }

    fn rebuild(&self, line: &RebuildLine) {
        let metric = match line.outcome {
            Rebuild::NotNeeded => None,
            Rebuild::Done => Some(("IndexRebuilds", "Count", 1.0)),
            Rebuild::GivenUp => Some(("IndexRebuildsGivenUp", "Count", 1.0)),
        };
        self.write(line, line.at, metric.as_slice());
    }
}

impl RequestLine {
    /// The line with a request's cost.
    pub fn costing(self, cost: &Cost) -> Self {
        Self {
            dynamodb_calls: cost.calls,
            dynamodb_steps: cost.steps,
            dynamodb_throttles: cost.throttles,
            dynamodb_ms: milliseconds(cost.waited),
            read_units: cost.read_units,
            write_units: cost.write_units,
            failed_call: cost.failed_call,
            ..self
        }
    }
}

/// Milliseconds with three digits behind the point.
pub fn milliseconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
