//! Every endpoint: steps, units, bytes, time and memory of the request that its event in `events/`
//! makes.

use std::path::Path;
use std::time::{Duration, Instant};

use functions::{HANDLERS, Handler, gateway};
use hyper::Method;
use lambda_http::Body;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use local::Location;
use shared::Clock;
use shared::dynamodb::Cost;
use tests::Roster;
use tests::events::{aimed, event};

use crate::report::{Section, quantile, table, thousands};
use crate::server::Process;
use crate::{chart, root};

/// How often a request that changes nothing is played.
const PLAYS: usize = 200;
/// How often one that changes something is, each time on data as they were.
const FRESH_PLAYS: usize = 15;

/// One play of a request.
struct Play {
    cost: Cost,
    /// The handler's own time.
    own: Duration,
    body: String,
}

async fn play(roster: &Roster, handler: &Handler, event: ApiGatewayV2httpRequest) -> Play {
    let request = gateway::request(event);
    let begin = Instant::now();
    let (response, cost) = handler.answer(&roster.server.app, request).await;
    let own = begin.elapsed().saturating_sub(cost.waited);
    let (parts, body) = response.into_parts();
    let body = match body {
        Body::Text(text) => text,
        _ => String::new(),
    };
    // `unmatched` is there to say 404.
    let well = parts.status.is_success() || handler.name == "platform.unmatched";
    assert!(well, "{}: {}: {body}", handler.name, parts.status);
    Play { cost, own, body }
}

/// The demo data, of which every play that changes something has a copy.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    async fn set() -> Self {
        let stage = Self { folder: tempfile::tempdir().expect("a folder") };
        stage.roster(Location::File(stage.file())).await;
        stage
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("demo.db")
    }

    async fn roster(&self, location: Location) -> Roster {
        Roster::start_with(|options| {
            (options.location, options.clock) = (location, Clock::system())
        })
        .await
    }

    /// A server over fresh data, warm: connected, and with what a process keeps: quota tiers, and
    /// numbers for new users.
    async fn fresh(&self) -> Roster {
        let roster = self.roster(Location::CopyOf(self.file())).await;
        for name in
            ["workspace.get_user", "operator_account.list_quota_tiers", "managed_users.create_user"]
        {
            play(&roster, functions::handler(name).expect("a handler"), event(name)).await;
        }
        roster
    }
}

/// What was measured of an endpoint.
struct Row {
    name: &'static str,
    cost: Cost,
    bytes: usize,
    milliseconds: f64,
    megabytes: Option<f64>,
}

async fn row(handler: &'static Handler, stage: &Stage, binary: &Path) -> Row {
    let mut plays = Vec::new();
    if event(handler.name).request_context.http.method == Method::GET {
        let roster = stage.fresh().await;
        for _ in 0..PLAYS {
            plays.push(play(&roster, handler, event(handler.name)).await);
        }
    } else {
        for _ in 0..FRESH_PLAYS {
            let roster = stage.fresh().await;
            let event = aimed(&roster.server.app, handler.name).await;
            plays.push(play(&roster, handler, event).await);
        }
    }
    let mut times: Vec<f64> = plays.iter().map(|play| play.own.as_secs_f64() * 1000.0).collect();
    let last = plays.last().expect("it was played");
    Row {
        name: handler.name,
        cost: last.cost,
        bytes: last.body.len(),
        milliseconds: quantile(&mut times, 0.5),
        megabytes: peak(handler, stage, binary).await,
    }
}

/// The peak of memory of a process that answers this one request, the database apart. It is the
/// local server's, which has what the function has, a gateway, and an allocator that takes more
/// memory to be faster: more than the function takes.
async fn peak(handler: &'static Handler, stage: &Stage, binary: &Path) -> Option<f64> {
    let roster = stage.fresh().await;
    let event = aimed(&roster.server.app, handler.name).await;
    let database = &roster.server.data.database.endpoint;
    let server = Process::start(binary, stage.folder.path(), &["--dynamodb-endpoint", database]);
    let query = event
        .raw_query_string
        .as_deref()
        .filter(|query| !query.is_empty())
        .map_or(String::new(), |query| format!("?{query}"));
    let url = format!("{}{}{query}", server.url, event.raw_path.as_deref().unwrap_or("/"));
    let mut headers = event.headers.clone();
    headers.remove("host");
    headers.remove("content-length");
    let mut request = reqwest::Client::new()
        .request(event.request_context.http.method.clone(), url)
        .headers(headers);
    if let Some(cookies) = &event.cookies {
        request = request.header("cookie", cookies.join("; "));
    }
    if let Some(body) = event.body {
        let binary = || aws_smithy_types::base64::decode(&body).expect("base64");
        request = if event.is_base64_encoded { request.body(binary()) } else { request.body(body) };
    }
    let status = tests::send(request).await.status;
    assert!(status < 300 || handler.name == "platform.unmatched", "{}: {status}", handler.name);
    server.peak_megabytes()
}

/// Measures the section.
pub async fn measure(binary: &Path) -> Section {
    let stage = Stage::set().await;
    let mut rows = Vec::new();
    for handler in HANDLERS {
        rows.push(row(handler, &stage, binary).await);
    }
    let bars: Vec<_> = rows.iter().map(|row| (row.name.to_owned(), row.milliseconds)).collect();
    chart::bars(
        &root().join("docs/benchmark/endpoints.svg"),
        "Handler's own time at the median, ms",
        &bars,
        Some((1.0, "the goal: under 1 ms")),
    );
    let slowest = rows
        .iter()
        .max_by(|one, other| one.milliseconds.total_cmp(&other.milliseconds))
        .expect("there are endpoints");
    let largest = rows.iter().filter_map(|row| row.megabytes).fold(0.0, f64::max);
    let mut medians: Vec<f64> = rows.iter().map(|row| row.milliseconds).collect();
    let short = format!(
        "Each of the {} endpoints with the event of `events/` that bears its name, on the demo data. The handler's own time, DynamoDB apart, is {:.2} ms at \
         the median over endpoints and {:.2} ms for the slowest, `{}` (goal: under 1 ms). A local server without a database of its own that answers one such \
         request takes {largest:.0} MB at the peak, which is more than the function takes (goal: at most 64).\n\n![the handlers' own time](endpoints.svg)",
        rows.len(),
        quantile(&mut medians, 0.5),
        slowest.milliseconds,
        slowest.name,
    );
    let columns =
        ["endpoint", "steps", "read units", "write units", "bytes", "own time, ms", "peak, MB"];
    let lines = rows.iter().map(|row| {
        vec![
            format!("`{}`", row.name),
            row.cost.steps.to_string(),
            row.cost.read_units.to_string(),
            row.cost.write_units.to_string(),
            thousands(row.bytes as u64),
            format!("{:.3}", row.milliseconds),
            row.megabytes.map_or("unknown".to_owned(), |peak| format!("{peak:.1}")),
        ]
    });
    let details = table(&columns, lines);
    Section { title: "Endpoints", short, details }
}
