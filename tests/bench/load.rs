//! Throughput and latency under load: the local server with 10,000 users in its file, in a process
//! of its own, and the generator beside it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use local::demo;
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::report::{Section, quantile, table, thousands};
use crate::server::Process;
use crate::{chart, root, token};

const USERS: u32 = 10_000;
const CONNECTIONS: usize = 8;
/// The number of the first of them: those before are of the demo data.
const FIRST_NUMBER: u64 = 41;

/// A request under load: the n-th of many.
struct Load {
    name: &'static str,
    method: Method,
    caller: Uuid,
    path: fn(u64) -> String,
    body: fn(u64) -> String,
}

/// The n-th place of a team of [`USERS`], in no order.
fn spread(n: u64) -> u64 {
    n * 7919 % u64::from(USERS)
}

fn loads() -> Vec<Load> {
    let get = |name, caller, path| Load {
        name,
        method: Method::GET,
        caller,
        path,
        body: |_| String::new(),
    };
    vec![
        get("GET `/api/admin/user-admin/{id}`", demo::ADMIN, |n| {
            format!("/api/admin/user-admin/{}", FIRST_NUMBER + spread(n))
        }),
        get("GET `/api/v1/admin_user`, a page of 10 at the start", demo::ADMIN, |_| {
            directory_page(0)
        }),
        get("GET `/api/v1/admin_user`, a page of 10 anywhere", demo::ADMIN, |n| {
            directory_page(spread(n))
        }),
        get("GET `/users/me`", demo::VIEWER, |_| "/users/me".to_owned()),
        get("GET `/health`: one read, no credential", demo::VIEWER, |_| "/health".to_owned()),
        Load {
            name: "POST `/api/v1/users/`: a managed user",
            method: Method::POST,
            caller: demo::MANAGER,
            path: |_| "/api/v1/users/".to_owned(),
            body: |n| format!(r#"{{"first_name":"Managed {n}","last_name":null}}"#),
        },
    ]
}

fn directory_page(offset: u64) -> String {
    format!(
        "/api/v1/admin_user?account_id={}&sorting=title&pagination%5Boffset%5D={offset}",
        demo::TEAM
    )
}

/// What came of a load.
struct Outcome {
    latencies: Histogram<u64>,
    took: Duration,
    /// Processor time of the server, where it is known.
    processor: Option<Duration>,
}

impl Outcome {
    fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    fn milliseconds(&self, share: f64) -> f64 {
        self.latencies.value_at_quantile(share) as f64 / 1000.0
    }
}

/// Measures the section.
pub fn measure(binary: &Path, seconds: u64) -> Section {
    let folder = tempfile::tempdir().expect("a folder");
    let users =
        tests::team::file(1..USERS + 1, shared::Clock::system().now()).expect("a file of users");
    let import = users.path().to_str().expect("a path in UTF-8");
    let imported = Process::start(binary, folder.path(), &["--import", import]).ready;
    let mut ready: Vec<f64> = (0..10)
        .map(|_| Process::start(binary, folder.path(), &[]).ready.as_secs_f64() * 1000.0)
        .collect();
    let server = Process::start(binary, folder.path(), &[]);
    let idle = server.peak_megabytes();
    let outcomes: Vec<(Load, Outcome)> = loads()
        .into_iter()
        .map(|load| {
            run(&server, &load, Duration::from_secs(2));
            let outcome = run(&server, &load, Duration::from_secs(seconds));
            println!("{}: {:.0} a second", load.name, outcome.per_second());
            (load, outcome)
        })
        .collect();
    let peak = server.peak_megabytes();
    let bars: Vec<_> = outcomes
        .iter()
        .map(|(load, outcome)| (load.name.replace('`', ""), outcome.per_second()))
        .collect();
    chart::bars(
        &root().join("docs/benchmark/load.svg"),
        "Requests per second, 8 connections",
        &bars,
        Some((620.0, "the upper end of a Node and PostgreSQL service of this kind: 620")),
    );
    let rows = outcomes.iter().map(|(load, outcome)| {
        let processor = outcome.processor.map_or("unknown".to_owned(), |time| {
            format!("{:.0}", time.as_secs_f64() * 1e6 / outcome.latencies.len().max(1) as f64)
        });
        let quantiles =
            [0.5, 0.9, 0.99, 1.0].map(|share| format!("{:.1}", outcome.milliseconds(share)));
        [
            vec![load.name.to_owned(), thousands(outcome.per_second() as u64)],
            quantiles.to_vec(),
            vec![processor],
        ]
        .concat()
    });
    let megabytes = |memory: Option<f64>| {
        memory.map_or("unknown".to_owned(), |memory| format!("{memory:.0} MB"))
    };
    let short = format!(
        "The local server with {} users in its file, {CONNECTIONS} keep-alive connections, the generator on the same {} cores.\n\n{}\n\
         Ready {:.0} ms after its start at the median of ten with that database (at most {:.0} ms); {} of memory then, {} at the peak. The import of the \
         users took {:.1} s.\n\n![requests per second](load.svg)",
        thousands(USERS.into()),
        std::thread::available_parallelism().map_or(1, usize::from),
        table(
            &[
                "request",
                "per second",
                "p50, ms",
                "p90",
                "p99",
                "longest",
                "server's processor time, µs"
            ],
            rows
        ),
        quantile(&mut ready, 0.5),
        quantile(&mut ready, 1.0),
        megabytes(idle),
        megabytes(peak),
        imported.as_secs_f64(),
    );
    Section { title: "Under load", short, details: String::new() }
}

/// Sends a load's requests over all connections for so long, from a thread of its own.
fn run(server: &Process, load: &Load, duration: Duration) -> Outcome {
    let (before, begin) = (server.processor_time(), Instant::now());
    let latencies = std::thread::scope(|scope| {
        let generate = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let place = Arc::new(AtomicU64::new(1));
                let connections = (0..CONNECTIONS)
                    .map(|_| connection(&server.url, load, place.clone(), begin + duration));
                let mut all = histogram();
                for latencies in futures::future::join_all(connections).await {
                    all.add(latencies).expect("the same bounds");
                }
                all
            })
        };
        scope.spawn(generate).join().expect("the generator ends")
    });
    let processor = server.processor_time().zip(before).map(|(after, before)| after - before);
    Outcome { latencies, took: begin.elapsed(), processor }
}

/// Latencies in microseconds up to a minute, to three digits.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(60_000_000, 3).expect("bounds")
}

/// One connection: a request, its whole answer, the next request.
async fn connection(
    url: &str,
    load: &Load,
    place: Arc<AtomicU64>,
    until: Instant,
) -> Histogram<u64> {
    let host = url.trim_start_matches("http://");
    let stream = TcpStream::connect(host).await.expect("the server takes connections");
    stream.set_nodelay(true).expect("TCP");
    let (mut sender, connection): (SendRequest<Full<Bytes>>, _) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::spawn(connection);
    let authorization = format!("Bearer {}", token(load.caller));
    let mut latencies = histogram();
    while Instant::now() < until {
        let n = place.fetch_add(1, Ordering::Relaxed);
        let request = Request::builder()
            .method(&load.method)
            .uri((load.path)(n))
            .header("host", host)
            .header("authorization", &authorization)
            .header("content-type", "application/json")
            .body(Full::from((load.body)(n)))
            .expect("a request");
        let begin = Instant::now();
        let response = sender.send_request(request).await.expect("an answer");
        let status = response.status();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        latencies.saturating_record(u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX));
        assert!(
            status.is_success(),
            "{}: {status}: {}",
            (load.path)(n),
            String::from_utf8_lossy(&body)
        );
    }
    latencies
}
