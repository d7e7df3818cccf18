//! The smoke suite as a person runs it: against a server that is right, and against some that are
//! not.

use std::convert::Infallible;
use std::process::Output;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use local::{TrailingSlash, demo};
use reqwest::{Client, Method};
use tests::{Roster, send, sign};
use tokio::net::TcpListener;
use tokio::process::Command;
use uuid::Uuid;

const ORIGIN: &str = "https://app.example.com";
/// Someone who has no account yet.
const SOMEONE: Uuid = demo::id(0x9f1);

/// A server with demo data whose pages come from [`ORIGIN`].
async fn server(trailing_slash: TrailingSlash) -> Roster {
    Roster::start_with(|options| {
        options.cors_origins = vec![ORIGIN.to_owned()];
        options.trailing_slash = trailing_slash;
    })
    .await
}

fn token(roster: &Roster, person: Uuid) -> String {
    let mut claims = roster.claims(person);
    claims["email"] = format!("{person}@example.com").into();
    sign(&claims)
}

/// Runs the program, without any proxy of this machine's.
async fn smoke(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command.arg("smoke").args(arguments).env_remove("ROSTER_TOKEN");
    command.output().await.expect("the program ends")
}

/// Runs the suite with an origin, as someone new. Returns whether it passed and what it printed.
async fn run(url: &str, token: &str) -> (bool, String) {
    let output = smoke(&[url, "--token", token, "--origin", ORIGIN]).await;
    let printed = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8(bytes).expect("UTF-8"))
        .concat();
    for secret in [token, "ns_live_", "eyJ"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
    (output.status.success(), printed)
}

/// The lines of the checks that failed.
fn failed(printed: &str) -> Vec<String> {
    let checks = printed.lines().filter_map(|line| line.strip_prefix("FAILED"));
    checks.map(|line| line.trim().split("  ").next().unwrap_or_default().to_owned()).collect()
}

/// Counts the items in the table of the kinds that the suite makes and removes.
async fn made(roster: &Roster) -> (usize, usize, usize) {
    let items = roster.items().await;
    let managed = items
        .iter()
        .filter(|item| item["sk"].as_str().is_some_and(|key| key.starts_with("MANAGED#")))
        .count();
    let keys = items.iter().filter(|item| item.get("is_active") == Some(&true.into())).count();
    let invited = items.iter().filter(|item| item.get("status") == Some(&"invited".into())).count();
    (managed, keys, invited)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_passes_where_all_works_and_nothing_is_left() {
    for trailing_slash in [TrailingSlash::Proxy, TrailingSlash::Default] {
        let roster = server(trailing_slash).await;
        let before = made(&roster).await;
        // The second time the account is there, soft-deleted.
        for _ in 0..2 {
            let (passes, printed) = run(&roster.server.url(), &token(&roster, SOMEONE)).await;
            assert!(passes && failed(&printed).is_empty(), "{printed}");
            assert!(printed.contains(" passed, 0 skipped, 0 failed"), "{printed}");
            assert!(printed.contains("the account, soft-deleted until its purge"), "{printed}");
            for part in [
                "OPTIONS /v1/account",
                "POST /api/v1/users/",
                "GET /api/admin/user-admin",
                "GET /api/v1/admin_user",
                "GET /users",
            ] {
                assert!(printed.contains(part), "{part} is not in {printed}");
            }
            assert_eq!(made(&roster).await, before);
            assert!(roster.user(SOMEONE).await.expect("a user").delete_scheduled_at.is_some());
            roster.check_table().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_there_stays() {
    let roster = server(TrailingSlash::Proxy).await;
    for (person, skipped) in [(demo::ADMIN, 1), (demo::VIEWER, 15)] {
        let (passes, printed) = run(&roster.server.url(), &token(&roster, person)).await;
        assert!(passes && printed.contains(&format!(" {skipped} skipped, 0 failed")), "{printed}");
        assert!(!printed.contains("the account, soft-deleted"), "{printed}");
        roster.get("/v1/account/me", person).await.expect(200);
    }
    // Without an origin there is nothing to ask.
    let output = smoke(&[&roster.server.url(), "--token", &token(&roster, demo::ADMIN)]).await;
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{printed}");
    let preflight = printed.lines().find(|line| line.contains("CORS: a preflight")).expect("a row");
    assert!(preflight.starts_with("skipped") && preflight.ends_with("give --origin"), "{printed}");
}

/// The proxy that stands between the suite and the server.
#[derive(Clone, Copy)]
enum Fault {
    /// Answers that method and path, up to an id, with this status.
    Answers(&'static str, &'static str, u16),
    /// A header of requests is lost.
    Loses(&'static str),
    /// A header of responses is lost.
    Hides(&'static str),
}

/// A server's URL behind a fault.
async fn behind(fault: Fault, roster: &Roster) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let target =
        Arc::new((roster.server.url(), Client::builder().no_proxy().build().expect("a client")));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let target = target.clone();
            let service = hyper::service::service_fn(move |request| {
                let target = target.clone();
                async move { Ok::<_, Infallible>(forward(fault, &target.0, &target.1, request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(async move {
                connection.serve_connection(TokioIo::new(stream), service).await
            });
        }
    });
    url
}

async fn forward(
    fault: Fault,
    url: &str,
    client: &Client,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().expect("a path").as_str();
    if let Fault::Answers(method, wanted, status) = fault
        && parts.method == method
        && (path == wanted
            || wanted
                .strip_suffix("{id}")
                .is_some_and(|start| path.len() == start.len() + 36 && path.starts_with(start)))
    {
        let mut response = Response::new(Full::from("{\"message\":\"Broken\"}"));
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        return response;
    }
    if let Fault::Loses(name) = fault {
        parts.headers.remove(name);
    }
    parts.headers.remove("host");
    let body = body.collect().await.expect("a body").to_bytes();
    let request = client
        .request(parts.method.clone(), format!("{url}{path}"))
        .headers(parts.headers.clone())
        .body(body);
    let answer = request.send().await.expect("an answer");
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    if let Fault::Hides(name) = fault {
        headers.remove(name);
    }
    let mut response = Response::new(Full::from(answer.bytes().await.expect("a body")));
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    response
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_broken_is_named_and_what_was_made_is_removed() {
    let roster = server(TrailingSlash::Proxy).await;
    let before = made(&roster).await;
    for (n, (fault, broken)) in [
        (
            Fault::Answers("PUT", "/api/v1/users/{id}", 500),
            &["managed users: change one", "managed users: a change of an old version"][..],
        ),
        (
            Fault::Answers("GET", "/api/v1/users/", 404),
            &["managed users: the list, with a trailing slash"],
        ),
        (
            Fault::Answers("GET", "/users?pageSize=10&sortBy=name", 503),
            &["workspace: the list, counted by the stream"],
        ),
        (Fault::Answers("GET", "/openapi.json", 200), &["platform: the description is served"]),
        (
            Fault::Answers("GET", "/api/v1/users/{id}", 200),
            &["managed users: change one", "managed users: they are gone"],
        ),
        (Fault::Loses("idempotency-key"), &["managed users: make one"]),
        (Fault::Loses("if-none-match"), &["user-admin: what has not changed"]),
        (
            Fault::Loses("origin"),
            &["CORS: a preflight", "CORS: pages may read a response", "CORS: another origin"],
        ),
        (Fault::Hides("access-control-allow-headers"), &["CORS: a preflight"]),
        (Fault::Hides("access-control-expose-headers"), &["CORS: pages may read a response"]),
    ]
    .into_iter()
    .enumerate()
    {
        let url = behind(fault, &roster).await;
        let (passes, printed) = run(&url, &token(&roster, demo::id(0xa00 + n as u128))).await;
        assert!(!passes, "{printed}");
        assert_eq!(failed(&printed), broken, "{printed}");
        assert!(printed.contains(&format!("error: {} of ", broken.len())), "{printed}");
        assert_eq!(made(&roster).await, before, "{printed}");
        roster.check_table().await;
    }
    let (passes, printed) =
        run(&behind(Fault::Hides("x-request-id"), &roster).await, &token(&roster, SOMEONE)).await;
    assert!(!passes && printed.contains("the response has no x-request-id"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_cors_or_with_another_origin_fails() {
    for origins in [vec![], vec!["https://other.example.com".to_owned()]] {
        let roster = Roster::start_with(|options| options.cors_origins = origins.clone()).await;
        let (passes, printed) = run(&roster.server.url(), &token(&roster, SOMEONE)).await;
        assert!(!passes, "{printed}");
        assert_eq!(
            &failed(&printed)[..2],
            ["CORS: a preflight", "CORS: pages may read a response"],
            "{printed}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_fails_and_is_not_shown() {
    let roster = server(TrailingSlash::Proxy).await;
    let mut claims = roster.claims(SOMEONE);
    claims["aud"] = "others".into();
    let (passes, printed) = run(&roster.server.url(), &sign(&claims)).await;
    assert!(!passes, "{printed}");
    assert_eq!(failed(&printed), ["account: sign up"], "{printed}");
    assert!(printed.contains("Nothing was made."), "{printed}");
}

#[tokio::test]
async fn what_cannot_be_tried_is_said_in_a_line() {
    // A port that was free a moment ago.
    let closed =
        TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let closed = format!("http://{closed}");
    for (arguments, message) in [
        (
            &[closed.as_str(), "--token", "x"][..],
            format!("error: nothing answers at {closed}: Connection refused"),
        ),
        (&[&closed], "error: there is no token. Give --token, or set ROSTER_TOKEN.".to_owned()),
        (
            &["http://roster.example.com", "--token", "x"],
            "is not a URL to send a token to".to_owned(),
        ),
        (&["roster.example.com", "--token", "x"], "is not a URL to send a token to".to_owned()),
    ] {
        let output = smoke(arguments).await;
        let told = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(!output.status.success() && told.contains(&message), "{arguments:?}: {told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[tokio::test]
async fn pages_of_an_origin_may_call_the_local_server() {
    let roster = server(TrailingSlash::Proxy).await;
    let preflight = |origin: &str| {
        let request = roster.request(Method::OPTIONS, "/users/me").header("origin", origin);
        send(
            request
                .header("access-control-request-method", "GET")
                .header("access-control-request-headers", "authorization"),
        )
    };
    let told = preflight(ORIGIN).await.expect(204);
    assert_eq!(
        (told.headers["access-control-allow-origin"].as_str(), told.text.as_str()),
        (ORIGIN, "")
    );
    assert_eq!(told.headers["access-control-allow-methods"], "GET,POST,PUT,PATCH,DELETE");
    assert!(
        told.headers["access-control-allow-headers"]
            .split(',')
            .any(|header| header == "authorization")
    );
    assert_eq!(told.headers["access-control-max-age"], "3600");
    let other = preflight("https://other.example.com").await.expect(204);
    assert!(!other.headers.keys().any(|name| name.starts_with("access-control-")), "{other:?}");
    // What is no preflight is routed as ever.
    send(roster.request(Method::OPTIONS, "/users/me").header("origin", ORIGIN)).await.expect(404);
    let answer =
        send(roster.request(Method::GET, "/users/me").header("origin", ORIGIN)).await.expect(401);
    assert_eq!(answer.headers["access-control-allow-origin"], ORIGIN);
    assert!(
        answer.headers["access-control-expose-headers"].split(',').any(|header| header == "etag")
    );
    let answer = send(
        roster.request(Method::GET, "/users/me").header("origin", "https://other.example.com"),
    )
    .await
    .expect(401);
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
    let without = Roster::start().await;
    let request = without.request(Method::OPTIONS, "/users/me").header("origin", ORIGIN);
    send(request.header("access-control-request-method", "GET")).await.expect(404);
}
