//! Every endpoint's price, logs included, as the stack is deployed: callers are counted, and users
//! who are changed are counted by the function behind the stream. Nothing here depends on the
//! machine.

use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use functions::HANDLERS;
use functions::log::CloudLog;
use functions::stream::count_places;
use local::{demo, template};
use reqwest::Method;
use serde_json::{Map, Value};
use tests::Roster;
use tests::events::{aimed, play};
use tests::prices::{self, LINE_OVERHEAD, Measured, Stack, log_bytes};

use crate::report::Section;
use crate::root;

/// The lines that were logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn log(&self) -> CloudLog {
        let lines = self.clone();
        CloudLog::new("prod".to_owned(), move |line| {
            lines.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        })
    }
}

/// A server as the stack has it by default, and what it logs.
async fn deployed() -> (Roster, Lines) {
    let lines = Lines::default();
    let log = lines.log();
    let roster = Roster::start_with(|options| {
        options.config.requests_per_minute = NonZeroU32::new(600);
        options.log = Arc::new(log);
    });
    (roster.await, lines)
}

/// The gateway's line of a request: the template's format, with values as long as real ones.
fn access_line(format: &str, route: &str, method: &str, status: u16) -> String {
    let values = [
        ("$context.requestId", "JKJaXmPLvHcESHA="),
        ("$context.requestTime", "02/May/2026:09:30:00 +0000"),
        ("$context.httpMethod", method),
        ("$context.routeKey", route),
        ("$context.status", &status.to_string()),
        ("$context.responseLatency", "25"),
        ("$context.integrationErrorMessage", "-"),
    ];
    // A longer name first: one may begin like another.
    let mut values = values.to_vec();
    values.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    let line =
        values.iter().fold(format.to_owned(), |line, (name, value)| line.replace(name, value));
    assert!(
        !line.contains("$context"),
        "the access log has a value that is not known here: {line}"
    );
    line
}

fn access_format(template: &str) -> String {
    let template: serde_yaml_ng::Value = serde_yaml_ng::from_str(template).expect("YAML");
    let format = &template["Resources"]["Api"]["Properties"]["AccessLogSettings"]["Format"];
    format.as_str().expect("the access log's format").to_owned()
}

/// The figures of counting the users that were changed since they were counted last.
async fn counted(roster: &Roster, lines: &Lines, row: &mut Measured) {
    let stream = roster.server.data.stream.as_ref().expect("the database is embedded");
    let Some(mut batch) = stream.take() else { return };
    let records = batch["Records"].as_array_mut().expect("records").split_off(0);
    lines.take();
    // Each change in a batch of its own, which is the dearest.
    for record in records {
        batch["Records"] = [record].into_iter().collect();
        let batch = serde_json::from_value(batch.clone()).expect("a batch");
        count_places::run_logged(&roster.server.app, batch).await.expect("it is counted");
        let own = lines.take();
        let line: Value = serde_json::from_str(&own[0]).expect("JSON");
        row.changes += 1;
        row.counting_reads += line["read_units"].as_f64().expect("units");
        row.counting_writes += line["write_units"].as_f64().expect("units");
        row.counting_logs += log_bytes(&own);
    }
}

/// The rows of all endpoints, and of a last-seen update.
async fn rows(template: &str) -> Vec<Measured> {
    let format = access_format(template);
    let routes = template::routes();
    let mut rows = Vec::new();
    for handler in HANDLERS {
        let (roster, lines) = deployed().await;
        let app = &roster.server.app;
        // A process that has answered before: connected, with what it keeps, its signing key
        // published.
        for name in [
            "workspace.get_user",
            "operator_account.list_quota_tiers",
            "managed_users.create_user",
            "managed_users.create_delegated_token",
        ] {
            play(app, name, tests::events::event(name)).await;
        }
        let event = aimed(app, handler.name).await;
        tests::events::note_address(app, &event).await;
        counted(&roster, &lines, &mut Measured::default()).await;
        lines.take();
        let (answer, cost) = play(app, handler.name, event).await;
        let own = lines.take();
        let route = routes.iter().find(|route| route.handler == handler.name).expect("a route");
        let method = route.method.as_deref().unwrap_or("GET");
        let key = route.method.as_ref().map_or(String::new(), |method| format!("{method} "));
        let access = access_line(&format, &(key + &route.path), method, answer.status);
        let mut row = Measured {
            name: handler.name.to_owned(),
            read_units: cost.read_units,
            write_units: cost.write_units,
            body: answer.text.len(),
            logs: log_bytes(&own) + access.len() + LINE_OVERHEAD,
            ..Measured::default()
        };
        counted(&roster, &lines, &mut row).await;
        rows.push(row);
    }
    rows.push(last_seen().await);
    rows
}

/// A last-seen update: the difference between a caller's request with one and without.
async fn last_seen() -> Measured {
    let (roster, lines) = deployed().await;
    let me = async || {
        let request = roster.request(Method::GET, "/users/me");
        tests::send(request.bearer_auth(roster.token(demo::VIEWER))).await.expect(200).cost()
    };
    me().await;
    let without = me().await;
    roster.advance(3600);
    counted(&roster, &lines, &mut Measured::default()).await;
    let with = me().await;
    let mut row = Measured {
        name: prices::LAST_SEEN.to_owned(),
        write_units: with.write_units - without.write_units,
        ..Measured::default()
    };
    counted(&roster, &lines, &mut row).await;
    row
}

/// The bytes that a user takes in the table, and with all indexes, by the demo data: all items
/// count, such as keys, unique values and audit entries.
async fn stored() -> [f64; 2] {
    // DynamoDB adds this to each item of a table, and of an index.
    const ADDED: usize = 100;
    let items = Roster::start().await.items().await;
    let size = |item: &Map<String, Value>, keeps: &dyn Fn(&str) -> bool| -> usize {
        let kept = item.iter().filter(|(name, _)| keeps(name));
        kept.map(|(name, value)| name.len() + value.to_string().len()).sum::<usize>() + ADDED
    };
    let users = items.iter().filter(|item| item["sk"] == "USER").count() as f64;
    let table: usize = items.iter().map(|item| size(item, &|_| true)).sum();
    let schema: Value = serde_json::to_value(template::table()).expect("the table's properties");
    let indexes = schema["GlobalSecondaryIndexes"].as_array().expect("indexes");
    let of_index = |index: &Value| -> usize {
        let names = |list: &Value, field: &str| -> Vec<String> {
            let list = list.as_array().into_iter().flatten();
            let name = |one: &Value| one.get(field).unwrap_or(one).as_str().map(str::to_owned);
            list.filter_map(name).collect()
        };
        let keys = names(&index["KeySchema"], "AttributeName");
        let shown = names(&index["Projection"]["NonKeyAttributes"], "");
        let held = items.iter().filter(|item| keys.iter().all(|key| item.contains_key(key)));
        let keeps = |name: &str| {
            ["pk", "sk"].contains(&name) || keys.iter().chain(&shown).any(|own| own == name)
        };
        held.map(|item| size(item, &keeps)).sum()
    };
    let indexed: usize = indexes.iter().map(of_index).sum();
    [table as f64 / users, (table + indexed) as f64 / users]
}

/// Measures the section, and writes the deploy guide's tables unless the run is dry.
pub async fn measure(dry: bool) -> Section {
    let template = std::fs::read_to_string(root().join("template.yaml")).expect("the template");
    let stack = Stack::of(&template);
    let rows = rows(&template).await;
    let stored = stored().await;
    for (measured, assumed) in stored.iter().zip(prices::USER_BYTES) {
        let is_near = (measured / assumed - 1.0).abs() < 0.25;
        assert!(is_near, "a user takes {stored:.0?} bytes: mend USER_BYTES in tests/src/prices.rs");
    }
    if !dry {
        let guide = std::fs::read_to_string(prices::guide()).expect("the deploy guide");
        let guide = prices::renewed(&guide, &rows, &stack).expect("its marks");
        std::fs::write(prices::guide(), guide).expect("it is written");
    }
    let endpoints: Vec<_> = rows.iter().filter(|row| row.name != prices::LAST_SEEN).collect();
    let mut sums: Vec<f64> = endpoints.iter().map(|row| row.of_a_million().sum()).collect();
    let mut logs: Vec<f64> = endpoints.iter().map(|row| row.of_a_million().logs).collect();
    let middle = crate::report::quantile(&mut sums, 0.5);
    let middle_logs = crate::report::quantile(&mut logs, 0.5);
    let range = |sums: &[f64]| format!("${:.2} to ${:.2}", sums[0], sums[sums.len() - 1]);
    let short = format!(
        "A million requests of an endpoint cost {}, at the median ${middle:.2}, of which logs are \
         ${middle_logs:.2}. [The deploy guide](../deployment.md#what-it-costs) has the prices, and \
         what a month costs.",
        range(&sums),
    );
    let mut details = String::new();
    let _ = write!(
        details,
        "The event of each endpoint, as the stack is deployed by default: requests of a caller are \
         counted, which is one write unit. The users that a request changes are counted behind the \
         stream; each in a batch of its own, which is the dearest. Log bytes are those of the \
         request's line, the gateway's line and Lambda's own two lines, and {LINE_OVERHEAD} more \
         for each line. Serving is the HTTP API and the function.\n\n{}",
        prices::requests(&rows)
    );
    Section { title: "Price", short, details }
}
