//! The rows that are printed.

use std::fmt;
use std::time::Duration;

use super::Problem;

/// The outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All was as it should be.
    Passed,
    /// It was not tried.
    Skipped,
    /// Something was not as it should be.
    Failed,
}

/// The last request of a check, and its response.
#[derive(Debug, Default, Clone)]
pub struct Exchange {
    /// The method and the path, without any id.
    pub request: String,
    /// The statuses that are right.
    pub expected: String,
    /// The status that came; none where no response did.
    pub status: Option<u16>,
    /// The time that it took.
    pub time: Duration,
}

/// A check that was made.
#[derive(Debug)]
pub struct Row {
    /// The outcome.
    pub verdict: Verdict,
    check: String,
    exchange: Exchange,
    reason: String,
}

impl Row {
    /// A check, by its last exchange and the problem that ended it.
    pub fn new(check: &str, exchange: Exchange, problem: Option<Problem>) -> Self {
        let (verdict, reason) = match problem {
            None => (Verdict::Passed, String::new()),
            Some(Problem::Skipped(reason)) => (Verdict::Skipped, reason),
            Some(Problem::Failed(reason)) => (Verdict::Failed, reason),
        };
        Self { verdict, check: check.to_owned(), exchange, reason }
    }

    /// A check that failed without a request of its own.
    pub fn failed(check: &str) -> Self {
        Self::new(check, Exchange::default(), Some(Problem::Failed(String::new())))
    }
}

/// A line of the table.
fn line(columns: [&str; 6]) -> String {
    let [verdict, check, request, expected, got, ms] = columns;
    format!("{verdict:7}  {check:48}  {request:43}  {expected:>8}  {got:>5}  {ms:>6}")
        .trim_end()
        .to_owned()
}

/// The names of the columns.
pub fn head() -> String {
    line(["", "check", "request", "expected", "got", "ms"])
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exchange { request, expected, status, time } = &self.exchange;
        let verdict = match self.verdict {
            Verdict::Skipped => {
                return formatter.write_str(&line([
                    "skipped",
                    &self.check,
                    &self.reason,
                    "",
                    "",
                    "",
                ]));
            }
            Verdict::Passed => "ok",
            Verdict::Failed => "FAILED",
        };
        let got = status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        let ms = time.as_millis().to_string();
        formatter.write_str(&line([verdict, &self.check, request, expected, &got, &ms]))?;
        if self.reason.is_empty() {
            Ok(())
        } else {
            write!(formatter, "\n         {}", self.reason)
        }
    }
}
