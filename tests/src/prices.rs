//! Roster's cost in money: AWS's prices, and the price of measured requests and of a month.
//!
//! `cargo bench -- --only price` measures the requests and writes the tables into the documents.
//! The test `documents` computes the tables again and compares them.

use std::fmt::Write as _;
use std::path::Path;

use serde_yaml_ng::Value;

/// A price of AWS in us-east-1.
#[derive(Debug, Clone, Copy)]
pub struct Price {
    /// The thing that AWS bills.
    pub what: &'static str,
    /// Dollars.
    pub dollars: f64,
    /// The amount for that money.
    pub per: &'static str,
    /// The address of AWS's page, behind `https://aws.amazon.com/`.
    pub source: &'static str,
}

macro_rules! prices {
    ($($(#[$doc:meta])* $name:ident: $what:literal, $dollars:literal, $per:literal, $source:literal;)+) => {
        $($(#[$doc])*
        pub const $name: Price =
            Price { what: $what, dollars: $dollars, per: $per, source: $source };)+
        /// Every price.
        pub const PRICES: &[Price] = &[$($name),+];
    };
}

prices! {
    /// A request of the HTTP API.
    GATEWAY: "HTTP API: requests", 1.00, "million", "api-gateway/pricing/";
    /// An invocation.
    INVOCATION: "Lambda: requests", 0.20, "million", "lambda/pricing/";
    /// Lambda's time on arm64.
    COMPUTE: "Lambda on arm64: time", 13.3334, "million GB-seconds", "lambda/pricing/";
    /// Read units.
    READS: "DynamoDB on demand: read units", 0.125, "million", "dynamodb/pricing/on-demand/";
    /// Write units.
    WRITES: "DynamoDB on demand: write units", 0.625, "million", "dynamodb/pricing/on-demand/";
    /// Stored data.
    STORAGE: "DynamoDB: stored data, indexes included", 0.25, "GB and month", "dynamodb/pricing/on-demand/";
    /// Continuous backups.
    BACKUPS: "DynamoDB: continuous backups of the table", 0.20, "GB and month", "dynamodb/pricing/on-demand/";
    /// Logs that are taken in.
    LOGS: "CloudWatch: logs taken in", 0.50, "GB", "cloudwatch/pricing/";
    /// Logs that are kept.
    KEPT_LOGS: "CloudWatch: logs kept, compressed", 0.03, "GB and month", "cloudwatch/pricing/";
    /// A custom metric.
    METRIC: "CloudWatch: custom metric", 0.30, "month", "cloudwatch/pricing/";
    /// A metric of an alarm.
    ALARM: "CloudWatch: metric of an alarm", 0.10, "month", "cloudwatch/pricing/";
    /// A dashboard.
    DASHBOARD: "CloudWatch: dashboard", 3.00, "month", "cloudwatch/pricing/";
    /// A trace.
    TRACES: "X-Ray: traces recorded", 5.00, "million", "xray/pricing/";
    /// A secret.
    SECRET: "Secrets Manager: secret", 0.40, "month", "secrets-manager/pricing/";
    /// Reads of secrets.
    SECRET_READS: "Secrets Manager: calls", 5.00, "million", "secrets-manager/pricing/";
    /// Uses of a key.
    KEY_USES: "KMS: uses of a key", 3.00, "million", "kms/pricing/";
    /// Data sent to the internet.
    DATA_OUT: "Data sent to the internet", 0.09, "GB", "ec2/pricing/on-demand/";
}

/// Gigabyte-seconds of a request: 256 MB for 10 ms, mostly spent waiting for DynamoDB.
pub const GB_SECONDS: f64 = 0.25 * 0.010;

/// The lines that Lambda itself logs of each invocation, by the telemetry schema, with `LogFormat`
/// JSON and the default level of system logs.
pub const PLATFORM_LINES: [&str; 2] = [
    r#"{"time":"2026-05-02T09:30:00.123Z","type":"platform.start","record":{"requestId":"6d68ca91-49c9-448d-89b8-7ca3e6dc66aa","version":"$LATEST"}}"#,
    r#"{"time":"2026-05-02T09:30:00.133Z","type":"platform.report","record":{"requestId":"6d68ca91-49c9-448d-89b8-7ca3e6dc66aa","metrics":{"durationMs":9.123,"billedDurationMs":10,"memorySizeMB":256,"maxMemoryUsedMB":38},"tracing":{"spanId":"54565fb41ac79632","type":"X-Amzn-Trace-Id","value":"Root=1-62e900b2-710d76f009d6e7785905449a;Parent=0efbd19962d95b05;Sampled=1"},"status":"success"}}"#,
];

/// Bytes that CloudWatch counts for each line beside its text.
pub const LINE_OVERHEAD: usize = 26;

/// Bytes of a response's headers, about.
pub const HEADERS: usize = 400;

/// The bytes that CloudWatch bills for an invocation's own lines and Lambda's.
pub fn log_bytes(own: &[String]) -> usize {
    let own = own.iter().map(String::len);
    own.chain(PLATFORM_LINES.map(str::len)).map(|length| length + LINE_OVERHEAD).sum()
}

/// The parts of a price for a million.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Dollars {
    /// The HTTP API and the function.
    pub serving: f64,
    /// DynamoDB.
    pub database: f64,
    /// Logs.
    pub logs: f64,
    /// The function that counts changed users.
    pub counting: f64,
}

impl Dollars {
    /// The sum.
    pub fn sum(&self) -> f64 {
        self.serving + self.database + self.logs + self.counting
    }
}

/// The measured figures of a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// The handler.
    pub name: String,
    /// Read units.
    pub read_units: f64,
    /// Write units, with the one that counts the request.
    pub write_units: f64,
    /// Users that the request changes, which the stream hands to the counting function.
    pub changes: u32,
    /// Read units of counting them.
    pub counting_reads: f64,
    /// Write units of counting them.
    pub counting_writes: f64,
    /// Bytes of the log lines of counting them.
    pub counting_logs: usize,
    /// Bytes of the response's body.
    pub body: usize,
    /// Bytes of log lines: the request's, the gateway's and Lambda's own.
    pub logs: usize,
}

fn units(reads: f64, writes: f64) -> f64 {
    reads * READS.dollars + writes * WRITES.dollars
}

/// Dollars for the logs of a million, each of so many bytes.
fn logs(bytes: f64) -> f64 {
    bytes * 1e6 / 1e9 * LOGS.dollars
}

impl Measured {
    /// Dollars for a million such requests.
    pub fn of_a_million(&self) -> Dollars {
        let changes = f64::from(self.changes);
        let invoked = INVOCATION.dollars + GB_SECONDS * COMPUTE.dollars;
        Dollars {
            // A last-seen update comes with a request that is paid for already.
            serving: if self.name == LAST_SEEN { 0.0 } else { GATEWAY.dollars + invoked },
            database: units(self.read_units, self.write_units),
            logs: logs(self.logs as f64),
            counting: changes * invoked
                + logs(self.counting_logs as f64)
                + units(self.counting_reads, self.counting_writes),
        }
    }

    fn row(&self) -> String {
        let dollars = self.of_a_million();
        format!(
            "| `{}` | {} | {} | {} | {} | {} | {} | {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |\n",
            self.name,
            self.read_units,
            self.write_units,
            self.changes,
            self.counting_reads,
            self.counting_writes,
            self.counting_logs,
            self.body,
            self.logs,
            dollars.serving,
            dollars.database,
            dollars.logs,
            dollars.counting,
            dollars.sum(),
        )
    }

    /// The figures of a row of [`requests`]; `None` for any other line.
    pub fn of_row(line: &str) -> Option<Self> {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, figures @ .., _, _, _, _, _] = &cells[..] else { return None };
        let [reads, writes, changes, counting_reads, counting_writes, counting_logs, body, logs] =
            figures
        else {
            return None;
        };
        Some(Self {
            name: name.strip_prefix('`')?.strip_suffix('`')?.to_owned(),
            read_units: reads.parse().ok()?,
            write_units: writes.parse().ok()?,
            changes: changes.parse().ok()?,
            counting_reads: counting_reads.parse().ok()?,
            counting_writes: counting_writes.parse().ok()?,
            counting_logs: counting_logs.parse().ok()?,
            body: body.parse().ok()?,
            logs: logs.parse().ok()?,
        })
    }
}

/// The name of the row of a last-seen update alone.
pub const LAST_SEEN: &str = "a last-seen update alone";

/// The table of measured requests and their prices.
pub fn requests(rows: &[Measured]) -> String {
    let mut text = "| request | read units | write units | users changed | counting: read units | \
                    counting: write units | counting: log bytes | bytes | log bytes | serving, $ | DynamoDB, $ | \
                    logs, $ | counting, $ | $ a million |\n"
        .to_owned();
    let _ = writeln!(text, "|{}", "---|".repeat(14));
    rows.iter().for_each(|row| text += &row.row());
    text
}

/// The rows of [`requests`] in a document.
pub fn measured(document: &str) -> Vec<Measured> {
    document.lines().filter_map(Measured::of_row).collect()
}

/// The table of prices.
pub fn table() -> String {
    let mut text = "| what | $ | per | source |\n|---|---|---|---|\n".to_owned();
    for price in PRICES {
        let Price { what, dollars, per, source } = price;
        let _ = writeln!(
            text,
            "| {what} | {dollars} | {per} | [{source}](https://aws.amazon.com/{source}) |"
        );
    }
    text
}

/// The parts of the template that cost money each month.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stack {
    /// Metrics of alarms.
    pub alarm_metrics: usize,
    /// Secrets that the stack makes.
    pub secrets: usize,
    /// Dashboards.
    pub dashboards: usize,
    /// Functions.
    pub functions: usize,
    /// True if X-Ray records traces.
    pub traces: bool,
    /// True if a KMS key of the account encrypts the table.
    pub kms: bool,
}

impl Stack {
    /// The stack of a template.
    pub fn of(template: &str) -> Self {
        let template: Value = serde_yaml_ng::from_str(template).expect("the template is YAML");
        let resources = template["Resources"].as_mapping().expect("resources");
        let of = |kind: &'static str| {
            resources.values().filter(move |resource| resource["Type"] == kind)
        };
        let metrics = |alarm: &Value| {
            let own = alarm["Properties"]["Metrics"].as_sequence();
            own.map_or(1, |all| all.iter().filter(|one| !one["MetricStat"].is_null()).count())
        };
        Self {
            alarm_metrics: of("AWS::CloudWatch::Alarm").map(metrics).sum(),
            secrets: of("AWS::SecretsManager::Secret").count(),
            dashboards: of("AWS::CloudWatch::Dashboard").count(),
            functions: of("AWS::Serverless::Function").count(),
            traces: template["Globals"]["Function"]["Tracing"] == "Active",
            kms: of("AWS::DynamoDB::Table")
                .any(|table| table["Properties"]["SSESpecification"]["SSEEnabled"] == true),
        }
    }
}

/// Millions of requests in the months that the table shows.
const MONTHS: [f64; 3] = [0.0, 1.0, 100.0];
/// Users in these months.
const USERS: [f64; 3] = [0.0, 10_000.0, 1_000_000.0];
/// The share of requests that change something.
const CHANGES: f64 = 0.05;
/// The share of requests with a last-seen update, which a caller makes once in ten minutes.
const LAST_SEEN_UPDATES: f64 = 0.1;
/// Custom metrics: of requests, of business, of the purge.
const METRICS: [f64; 3] = [5.0, 2.0, 3.0];
/// Hours of a month.
const HOURS: f64 = 730.0;
/// Bytes that a user takes in the table, and in the table with its indexes: rounded, and compared
/// with the demo data by the benchmark.
pub const USER_BYTES: [f64; 2] = [4_000.0, 10_000.0];

struct Line {
    what: &'static str,
    formula: String,
    dollars: [f64; 3],
    /// Dollars of it that AWS's free tiers without an end cover.
    free: f64,
}

/// The table of what a month costs, for measured requests and a stack.
pub fn months(rows: &[Measured], stack: &Stack) -> String {
    let lines = lines(rows, stack);
    let mut text = "| part | formula | no requests | 1 million | 100 million |\n\
                    |---|---|---|---|---|\n"
        .to_owned();
    let mut add = |what: &str, formula: &str, dollars: [f64; 3]| {
        let [none, one, hundred] = dollars;
        let _ = writeln!(text, "| {what} | {formula} | {none:.2} | {one:.2} | {hundred:.2} |");
    };
    for line in &lines {
        add(line.what, &line.formula, line.dollars);
    }
    let sum = |of: &dyn Fn(&Line, usize) -> f64| {
        [0, 1, 2].map(|month| lines.iter().map(|line| of(line, month)).sum())
    };
    add("**all**", "the sum", sum(&|line, month| line.dollars[month]));
    let paid = sum(&|line, month| (line.dollars[month] - line.free).max(0.0));
    add("**all, less free tiers**", "an account with nothing else in it", paid);
    text
}

fn lines(rows: &[Measured], stack: &Stack) -> Vec<Line> {
    let endpoint = |row: &&Measured| !row.name.starts_with("platform.") && row.name.contains('.');
    let (changing, reading): (Vec<&Measured>, Vec<&Measured>) =
        rows.iter().filter(endpoint).partition(|row| row.changes > 0 || row.write_units > 1.0);
    let last_seen = rows.iter().find(|row| row.name == LAST_SEEN).cloned().unwrap_or_default();
    let mean = |rows: &[&Measured], figure: &dyn Fn(&Measured) -> f64| {
        rows.iter().map(|row| figure(row)).sum::<f64>() / rows.len().max(1) as f64
    };
    // The mean of the mix, in which few requests change something.
    let mix = |figure: &dyn Fn(&Measured) -> f64| {
        (1.0 - CHANGES) * mean(&reading, figure) + CHANGES * mean(&changing, figure)
    };
    let per_request = |a_million: f64| MONTHS.map(|millions| millions * a_million);
    let serving = mix(&|row| row.of_a_million().serving);
    let [read_units, write_units] = [mix(&|row| row.read_units), mix(&|row| row.write_units)];
    let log_bytes = mix(&|row| row.logs as f64);
    let out = mix(&|row| (row.body + HEADERS) as f64);
    let counted = mix(&|row| row.of_a_million().counting);
    let counted_last_seen = LAST_SEEN_UPDATES * last_seen.of_a_million().counting;
    let logged: [f64; 3] = MONTHS.map(|millions| millions * 1e6 * log_bytes / 1e9);
    // At most one call in five minutes for each function, and one for each request.
    let at_most = MONTHS.map(|millions| millions.min(stack.functions as f64 * 12.0 * HOURS / 1e6));
    let second = HOURS * 3600.0 / 1e6;
    let traced = MONTHS.map(|millions| millions.min(second + 0.05 * (millions - second).max(0.0)));
    let emitted: f64 = METRICS.iter().sum();
    let kib = |bytes: f64| bytes / 1e3;
    vec![
        Line {
            what: "HTTP API and functions",
            formula: format!(
                "requests × ({} + {} + {} × {}) / million",
                GATEWAY.dollars, INVOCATION.dollars, GB_SECONDS, COMPUTE.dollars
            ),
            dollars: per_request(serving),
            free: INVOCATION.dollars + 0.4 * COMPUTE.dollars,
        },
        Line {
            what: "DynamoDB: requests, the counting of requests included",
            formula: format!(
                "requests × ({read_units:.2} × {} + {write_units:.2} × {}) / million",
                READS.dollars, WRITES.dollars
            ),
            dollars: per_request(units(read_units, write_units)),
            free: 0.0,
        },
        Line {
            what: "DynamoDB: last-seen updates",
            formula: format!(
                "requests × {LAST_SEEN_UPDATES} × {} × {} / million",
                last_seen.write_units, WRITES.dollars
            ),
            dollars: per_request(LAST_SEEN_UPDATES * units(0.0, last_seen.write_units)),
            free: 0.0,
        },
        Line {
            what: "Counting of changed users, from the stream",
            formula: format!(
                "requests × ({counted:.3} + {counted_last_seen:.3}) / million, at most"
            ),
            dollars: per_request(counted + counted_last_seen),
            free: 0.0,
        },
        Line {
            what: "Logs taken in",
            formula: format!("requests × {log_bytes:.0} bytes × {} / GB", LOGS.dollars),
            dollars: logged.map(|gigabytes| gigabytes * LOGS.dollars),
            free: 5.0 * LOGS.dollars,
        },
        Line {
            what: "Logs kept for 30 days",
            formula: format!("the same bytes × 15 % × {} / GB", KEPT_LOGS.dollars),
            dollars: logged.map(|gigabytes| gigabytes * 0.15 * KEPT_LOGS.dollars),
            free: 0.0,
        },
        Line {
            what: "Custom metrics",
            formula: format!("{emitted} × {}; without requests {}", METRIC.dollars, METRICS[2]),
            dollars: MONTHS
                .map(|millions| METRIC.dollars * if millions > 0.0 { emitted } else { METRICS[2] }),
            free: 10.0 * METRIC.dollars,
        },
        Line {
            what: "Alarms",
            formula: format!("{} metrics × {}", stack.alarm_metrics, ALARM.dollars),
            dollars: [stack.alarm_metrics as f64 * ALARM.dollars; 3],
            free: 10.0 * ALARM.dollars,
        },
        Line {
            what: "Dashboard",
            formula: format!("{} × {}", stack.dashboards, DASHBOARD.dollars),
            dollars: [stack.dashboards as f64 * DASHBOARD.dollars; 3],
            free: 3.0 * DASHBOARD.dollars,
        },
        Line {
            what: "Secrets",
            formula: format!("{} × {}", stack.secrets, SECRET.dollars),
            dollars: [stack.secrets as f64 * SECRET.dollars; 3],
            free: 0.0,
        },
        Line {
            what: "Secrets: calls",
            formula: format!(
                "{} functions × 12 × {HOURS} hours × {} / million, at most",
                stack.functions, SECRET_READS.dollars
            ),
            dollars: at_most.map(|millions| millions * SECRET_READS.dollars),
            free: 0.0,
        },
        Line {
            what: "The table's key in KMS",
            formula: if stack.kms {
                format!("as many calls × {} / million, at most", KEY_USES.dollars)
            } else {
                "none: a key of AWS's own".to_owned()
            },
            dollars: at_most
                .map(|millions| if stack.kms { millions * KEY_USES.dollars } else { 0.0 }),
            free: 0.02 * KEY_USES.dollars,
        },
        Line {
            what: "Traces in X-Ray",
            formula: if stack.traces {
                format!("one a second and 5 % of the rest, × {} / million", TRACES.dollars)
            } else {
                "none: tracing is off".to_owned()
            },
            dollars: traced
                .map(|millions| if stack.traces { millions * TRACES.dollars } else { 0.0 }),
            free: 0.1 * TRACES.dollars,
        },
        Line {
            what: "Stored data and backups, of 0, 10,000 and 1,000,000 users",
            formula: format!(
                "users × ({} KB × {} + {} KB × {}) / GB",
                kib(USER_BYTES[1]),
                STORAGE.dollars,
                kib(USER_BYTES[0]),
                BACKUPS.dollars
            ),
            dollars: USERS.map(|users| {
                let [table, all] = USER_BYTES.map(|bytes| users * bytes / 1e9);
                all * STORAGE.dollars + table * BACKUPS.dollars
            }),
            free: 25.0 * STORAGE.dollars,
        },
        Line {
            what: "Data sent out",
            formula: format!("requests × {out:.0} bytes × {} / GB", DATA_OUT.dollars),
            dollars: per_request(out * 1e6 / 1e9 * DATA_OUT.dollars),
            free: 100.0 * DATA_OUT.dollars,
        },
        Line {
            what: "Purge, schedule, queue, topic, parameter, artifacts in S3",
            formula: "730 runs an hour apart, 3 MB for each deployment".to_owned(),
            dollars: [0.01; 3],
            free: 0.01,
        },
    ]
}

/// Puts a text between two marks of a document: `<!-- name -->` and `<!-- end of name -->`.
pub fn replaced(document: &str, name: &str, text: &str) -> Option<String> {
    let [begin, end] = [format!("<!-- {name} -->"), format!("<!-- end of {name} -->")];
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n\n{}\n\n{end}{after}", text.trim()))
}

/// A document with its tables of prices and of months computed anew.
pub fn renewed(document: &str, rows: &[Measured], stack: &Stack) -> Option<String> {
    let document = replaced(document, "prices", &table())?;
    replaced(&document, "months", &months(rows, stack))
}

/// The deploy guide.
pub fn guide() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/deployment.md")
}
