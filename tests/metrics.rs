//! The alarms and widgets of template.yaml read metrics, dimensions and log fields that the code
//! emits. One side is the template; the other is what a real server logs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use functions::App;
use functions::log::CloudLog;
use functions::schedule::purge_accounts;
use functions::stream::count_places;
use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use shared::Clock;
use tests::direct::Call;
use tests::faults::{Fault, Faults, Strike};
use tests::{Roster, send, sign};
use uuid::Uuid;

/// A metric: its namespace, name and sorted dimension names.
type Metric = (String, String, Vec<String>);

/// Metrics that AWS publishes itself. Sources:
/// docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html,
/// docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html and
/// docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html.
const OF_AWS: [(&str, &str, &str); 6] = [
    ("AWS/ApiGateway", "4xx", "ApiId"),
    ("AWS/ApiGateway", "5xx", "ApiId"),
    ("AWS/ApiGateway", "Count", "ApiId"),
    ("AWS/ApiGateway", "Latency", "ApiId"),
    ("AWS/Lambda", "IteratorAge", "FunctionName"),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName"),
];

/// Lines as the functions write them.
struct Written(Vec<Value>);

impl Written {
    fn metrics(&self) -> BTreeSet<Metric> {
        let mut metrics = BTreeSet::new();
        for line in &self.0 {
            for group in array(&line["_aws"]["CloudWatchMetrics"]) {
                for (metric, dimensions) in array(&group["Metrics"]).iter().flat_map(|metric| {
                    array(&group["Dimensions"]).iter().map(move |them| (metric, them))
                }) {
                    // CloudWatch takes a metric's value and its dimensions from the line's top
                    // level.
                    let name = text(&metric["Name"]);
                    assert!(line[&name].is_number(), "{name} has no value in {line}");
                    let mut names: Vec<_> = array(dimensions).iter().map(text).collect();
                    names.sort();
                    assert!(names.iter().all(|name| line[name].is_string()), "{names:?} in {line}");
                    metrics.insert((text(&group["Namespace"]), name, names));
                }
            }
        }
        metrics
    }

    fn fields(&self) -> BTreeSet<String> {
        self.0
            .iter()
            .flat_map(|line| line.as_object().expect("an object").keys().cloned())
            .collect()
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Makes the server and the two jobs write every kind of line.
async fn everything_written() -> Written {
    let lines: Arc<Mutex<Vec<Value>>> = Arc::default();
    let taken = lines.clone();
    let log = Arc::new(CloudLog::new("test".to_owned(), move |line| {
        taken.lock().expect("the lines").push(serde_json::from_str(&line).expect("a line is JSON"));
    }));
    let (mut config, mut clock) = (None, None);
    let roster = Roster::start_with(|options| {
        options.log = log.clone();
        (config, clock) = (Some(options.config.clone()), Some(options.clock.clone()));
    })
    .await;
    let http = reqwest::Client::new();
    let url = |path: &str| format!("{}{path}", roster.server.url());
    let sandbox = json!({"template": "base"});

    let by = |id: Uuid| roster.token(id);
    let mut claims = roster.claims(Uuid::new_v4());
    claims["email"] = "new@example.com".into();
    send(http.post(url("/v1/account")).bearer_auth(sign(&claims))).await.expect(201);
    // The demo team of this user has used up its day.
    let refused =
        send(http.post(url("/v1/sandboxes")).bearer_auth(by(demo::id(0xb4))).json(&sandbox)).await;
    refused.expect(429);
    send(http.get(url("/v1/account/me")).bearer_auth("forged")).await.expect(401);

    // A second application on the same table, whose calls are throttled for good.
    let faults = Faults::default();
    let client = faults.client(&roster, &roster.server.data.database.endpoint);
    let clock: Clock = clock.expect("a clock");
    let app = App::new(&config.expect("a configuration"), client, None, log, clock).await;
    let app = Arc::new(app.expect("an application"));
    faults.plan_for(Some(Strike { fault: Fault::Throttled, from: 0, lasts: true }));
    let event = json!({
        "version": "2.0", "rawPath": "/health", "rawQueryString": "", "headers": {},
        "isBase64Encoded": false,
        "requestContext": {"http": {"method": "GET", "path": "/health"}, "requestId": "1"},
    });
    let request = functions::gateway::request(serde_json::from_value(event).expect("an event"));
    let health = functions::handler("platform.get_health").expect("a handler");
    assert_eq!(health.answer(&app, request).await.0.status(), 503);
    faults.plan_for(None);

    purge_accounts::run(&app, Duration::from_secs(60)).await.expect("a purge");
    let batch = json!({"Records": [], "shardId": "local", "state": {}});
    let batch = serde_json::from_value(batch).expect("a batch");
    count_places::run_logged(&app, batch).await.expect("a batch is counted");

    // A batch is discarded: the next list has the team's index rebuilt.
    let stream = roster.server.data.stream.as_ref().expect("the database is embedded");
    stream.settle().await.expect("counted");
    let call = Call::new(Method::POST, "/api/admin/user-admin").credential(&by(demo::ADMIN));
    let body = json!({"email": "lost@example.com", "rootRole": 2});
    roster.direct(&call.json(&body)).await.expect(201);
    stream.take().expect("changes");
    roster.advance(61);
    let list = Call::new(Method::GET, "/users?page=2").credential(&by(demo::ADMIN));
    roster.direct(&list).await.expect(200);
    let request = stream.take().expect("a request");
    let rebuild = || {
        count_places::run_logged(
            &roster.server.app,
            serde_json::from_value(request.clone()).expect("a batch"),
        )
    };
    let meanwhile = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let call = Call::new(Method::PUT, "/api/admin/user-admin/2").credential(&by(demo::ADMIN));
        roster.direct(&call.json(&json!({"name": "Other"}))).await.expect(200);
    };
    let (given_up, ()) = futures::join!(rebuild(), meanwhile);
    given_up.expect("it is given up");
    stream.settle().await.expect("counted");
    rebuild().await.expect("the index is rebuilt");
    drop(roster);
    Written(std::mem::take(&mut lines.lock().expect("the lines")))
}

/// The template's resources of a type: name and properties.
fn resources(kind: &str) -> Vec<(String, serde_yaml_ng::Value)> {
    let template: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(include_str!("../template.yaml")).expect("the template is YAML");
    let all = template["Resources"].as_mapping().expect("resources").clone();
    let of_kind = all.into_iter().filter(|(_, resource)| resource["Type"] == *kind);
    of_kind
        .map(|(name, it)| (name.as_str().expect("a name").to_owned(), it["Properties"].clone()))
        .collect()
}

/// The metrics that alarms name, by the alarm.
fn alarms() -> Vec<(String, Metric)> {
    let named = |metric: &serde_yaml_ng::Value| {
        let word = |value: &serde_yaml_ng::Value| value.as_str().expect("a text").to_owned();
        let dimensions = metric["Dimensions"].as_sequence().expect("an alarm names dimensions");
        let mut names: Vec<_> = dimensions.iter().map(|one| word(&one["Name"])).collect();
        names.sort();
        (word(&metric["Namespace"]), word(&metric["MetricName"]), names)
    };
    let mut all = Vec::new();
    for (alarm, properties) in resources("AWS::CloudWatch::Alarm") {
        match properties["Metrics"].as_sequence() {
            None => all.push((alarm, named(&properties))),
            Some(metrics) => {
                let stats = metrics
                    .iter()
                    .map(|one| &one["MetricStat"]["Metric"])
                    .filter(|one| !one.is_null());
                all.extend(stats.map(|metric| (alarm.clone(), named(metric))));
            }
        }
    }
    all
}

/// The widgets of the dashboard.
fn widgets() -> Vec<Value> {
    let (_, dashboard) = resources("AWS::CloudWatch::Dashboard").remove(0);
    let serde_yaml_ng::Value::Tagged(body) = &dashboard["DashboardBody"] else { panic!("no !Sub") };
    let body: Value =
        serde_json::from_str(body.value.as_str().expect("a text")).expect("widgets are JSON");
    array(&body["widgets"]).to_vec()
}

/// The fields that a query of CloudWatch Logs Insights reads.
fn fields_of(query: &str) -> BTreeSet<String> {
    const WORDS: [&str; 14] = [
        "as",
        "asc",
        "by",
        "count",
        "desc",
        "fields",
        "filter",
        "ispresent",
        "limit",
        "p99",
        "pct",
        "requests",
        "sort",
        "stats",
    ];
    let commands = query.split('|').skip(1).collect::<Vec<_>>().join("|");
    let words = commands.split(|letter: char| !(letter.is_alphanumeric() || "_@".contains(letter)));
    let fields =
        words.filter(|word| !word.is_empty() && !WORDS.contains(word) && !word.starts_with('@'));
    fields.filter(|word| word.parse::<f64>().is_err()).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn alarms_and_widgets_read_what_the_code_emits() {
    let written = everything_written().await;
    let mut known = written.metrics();
    known.extend(OF_AWS.map(|(namespace, name, dimension)| {
        (namespace.into(), name.into(), vec![dimension.into()])
    }));
    let alarms = alarms();
    assert!(alarms.len() >= 7, "{alarms:?}");
    let unknown: BTreeMap<_, _> =
        alarms.iter().filter(|(_, metric)| !known.contains(metric)).cloned().collect();
    assert!(unknown.is_empty(), "alarms on metrics that nothing emits: {unknown:#?}");

    let fields = written.fields();
    for widget in widgets() {
        let properties = &widget["properties"];
        for metric in array(&properties["metrics"]) {
            // Namespace, name, then names and values of dimensions, then perhaps options.
            let parts: Vec<_> = array(metric).iter().filter_map(Value::as_str).collect();
            let [namespace, name, dimensions @ ..] = parts.as_slice() else { panic!("{metric}") };
            let mut names: Vec<_> =
                dimensions.iter().step_by(2).map(|&name| name.to_owned()).collect();
            names.sort();
            let metric = ((*namespace).to_owned(), (*name).to_owned(), names);
            assert!(known.contains(&metric), "{}: nothing emits {metric:?}", properties["title"]);
        }
        if let Some(query) = properties["query"].as_str() {
            let missing: Vec<_> = fields_of(query).difference(&fields).cloned().collect();
            assert!(missing.is_empty(), "{}: no log line has {missing:?}", properties["title"]);
        }
    }
}

#[test]
fn the_fields_of_a_query_are_told_from_its_words() {
    let query = "SOURCE 'logs' | filter fields.status >= 500 | stats pct(took, 99) by handler";
    assert_eq!(fields_of(query), ["handler", "status", "took"].map(str::to_owned).into());
}
