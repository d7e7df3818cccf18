//! A local API Gateway: takes HTTP, makes the events that the cloud's makes, and answers with what
//! the handler gave.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use functions::{App, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};
use hyper_util::rt::{TokioIo, TokioTimer};
use lambda_http::Body;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use percent_encoding::percent_decode_str;
use shared::dynamodb::Cost;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::cors::Cors;
use crate::stream::Stream;
use crate::template::Router;

/// API Gateway's limit of a body, in bytes.
const MOST_BODY_BYTES: usize = 10 * 1024 * 1024;
/// More than API Gateway's limit of all headers (10,240), so that it is the handlers that refuse
/// what is too long.
const MOST_HEADER_BYTES: usize = 2 * 1024 * 1024;

/// What the local API Gateway routes, and to what.
pub struct Gateway {
    /// The routes.
    pub router: Router,
    /// Who may call from a browser.
    pub cors: Cors,
    /// The application.
    pub app: Arc<App>,
    /// The table's stream, where it is not the cloud's.
    pub stream: Option<Arc<Stream>>,
}

/// Serves until it is dropped.
pub async fn serve(listener: TcpListener, gateway: Arc<Gateway>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // Out of file handles, mostly: they come back.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let gateway = gateway.clone();
        connections.spawn(async move {
            let service = hyper::service::service_fn(|request| {
                let gateway = gateway.clone();
                async move { Ok::<_, Infallible>(gateway.answer(request, peer).await) }
            });
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(30))
                .max_buf_size(MOST_HEADER_BYTES);
            // A client that goes away in between is no fault.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

impl Gateway {
    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        peer: SocketAddr,
    ) -> hyper::Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        if let Some(response) = self.cors.preflight(&parts.method, &parts.headers) {
            return response;
        }
        let mut response = self.response(&parts, body, peer).await;
        self.cors.expose(&parts.headers, response.headers_mut());
        response
    }

    async fn response(
        &self,
        parts: &hyper::http::request::Parts,
        body: Incoming,
        peer: SocketAddr,
    ) -> hyper::Response<Full<Bytes>> {
        if let Some(page) = crate::docs::page(parts.uri.path()) {
            return page;
        }
        let body = match Limited::new(body, MOST_BODY_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return own_answer(413, "Request Entity Too Large");
            }
            Err(_) => return own_answer(400, "Bad Request"),
        };
        let Some(found) = self.router.find(parts.method.as_str(), parts.uri.path()) else {
            return own_answer(404, "Not Found");
        };
        let Some(handler) = functions::handler(&found.route.handler) else {
            return own_answer(500, "template.yaml names a handler that does not exist");
        };
        // Lists show what was written before them.
        if matches!(parts.method, hyper::Method::GET | hyper::Method::HEAD)
            && let Some(stream) = &self.stream
            && let Err(error) = stream.settle().await
        {
            tracing::error!(error, "the table's stream was not read");
        }
        let parameters = found.parameters.into_iter().collect();
        let event = event(parts, body, parameters, peer);
        let start = Instant::now();
        let answering = handler.answer(&self.app, functions::gateway::request(event));
        let (response, cost) = crate::HANDLER.scope(handler.name, answering).await;
        let own = start.elapsed().saturating_sub(cost.waited);
        // Nobody waits for it, but the next request.
        if cost.write_units > 0.0
            && let Some(stream) = self.stream.clone()
        {
            tokio::spawn(async move { stream.settle().await.map_err(|error| error.to_string()) });
        }
        finish(response, &cost, own)
    }
}

/// The event that API Gateway makes of a request: payload format 2.0.
fn event(
    parts: &hyper::http::request::Parts,
    body: Bytes,
    parameters: std::collections::HashMap<String, String>,
    peer: SocketAddr,
) -> ApiGatewayV2httpRequest {
    let mut event = ApiGatewayV2httpRequest::default();
    event.version = Some("2.0".to_owned());
    event.raw_path = Some(percent_decode_str(parts.uri.path()).decode_utf8_lossy().into_owned());
    event.raw_query_string = Some(parts.uri.query().unwrap_or_default().to_owned());
    event.path_parameters = parameters;
    let cookies: Vec<String> = parts
        .headers
        .get_all(COOKIE)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .map(|cookie| cookie.trim().to_owned())
        .collect();
    event.cookies = Some(cookies).filter(|cookies| !cookies.is_empty());
    event.headers = joined(&parts.headers);
    event.request_context.request_id = Some(Uuid::now_v7().to_string());
    event.request_context.stage = Some("$default".to_owned());
    event.request_context.http.method = parts.method.clone();
    event.request_context.http.path = event.raw_path.clone();
    event.request_context.http.protocol = Some("HTTP/1.1".to_owned());
    event.request_context.http.source_ip = Some(peer.ip().to_string());
    let content_type =
        parts.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match std::str::from_utf8(&body) {
        Ok("") => {}
        Ok(text) if is_text(content_type) => event.body = Some(text.to_owned()),
        _ => {
            event.body = Some(aws_smithy_types::base64::encode(&body));
            event.is_base64_encoded = true;
        }
    }
    event
}

/// What API Gateway hands over as text; the rest comes in base64, forms too.
fn is_text(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.is_empty()
        || kind.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"]
            .contains(&kind.as_str())
}

/// Headers of one name joined by commas; without the cookies, which stand apart.
fn joined(headers: &HeaderMap) -> HeaderMap {
    let mut result = HeaderMap::new();
    for name in headers.keys().filter(|name| **name != COOKIE) {
        let values: Vec<&[u8]> =
            headers.get_all(name).into_iter().map(HeaderValue::as_bytes).collect();
        if let Ok(value) = HeaderValue::from_bytes(&values.join(&b","[..])) {
            result.insert(name.clone(), value);
        }
    }
    result
}

/// The handler's answer, with what it cost.
fn finish(response: Response, cost: &Cost, own: Duration) -> hyper::Response<Full<Bytes>> {
    let (parts, body) = response.into_parts();
    let body = match body {
        Body::Text(text) => Bytes::from(text),
        Body::Binary(bytes) => Bytes::from(bytes),
        _ => Bytes::new(),
    };
    let mut response = hyper::Response::from_parts(parts, Full::new(body));
    if let Ok(value) = HeaderValue::from_str(&server_timing(cost, own)) {
        response.headers_mut().insert(HeaderName::from_static("server-timing"), value);
    }
    response
}

fn server_timing(cost: &Cost, own: Duration) -> String {
    format!(
        "calls;desc=\"{}\", steps;desc=\"{}\", read_units;desc=\"{}\", write_units;desc=\"{}\", dynamodb;dur={:.3}, handler;dur={:.3}",
        cost.calls,
        cost.steps,
        cost.read_units,
        cost.write_units,
        cost.waited.as_secs_f64() * 1000.0,
        own.as_secs_f64() * 1000.0,
    )
}

/// An answer of API Gateway's own.
fn own_answer(status: u16, message: &str) -> hyper::Response<Full<Bytes>> {
    let body = serde_json::json!({ "message": message }).to_string();
    let mut response = hyper::Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() =
        hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}
