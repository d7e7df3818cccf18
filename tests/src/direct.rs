//! Requests without a socket: handlers are called with the events that API Gateway makes, as Lambda
//! calls them.

use std::sync::{Arc, LazyLock};

use functions::App;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::http::HeaderMap;
use lambda_http::http::header::{AUTHORIZATION, CONTENT_TYPE};
use local::TrailingSlash;
use local::template::Router;
use reqwest::Method;
use serde_json::Value;
use shared::dynamodb::Cost;
use uuid::Uuid;

use crate::{Answer, Roster, events};

static ROUTER: LazyLock<Router> = LazyLock::new(|| Router::new(TrailingSlash::default()));

/// A request.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path and query, with nothing in it that is to be decoded.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: String,
    /// The address that it comes from, as API Gateway says it.
    pub source: String,
}

impl Call {
    /// A request with no credential and no body.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: HeaderMap::new(),
            body: String::new(),
            source: "127.0.0.1".to_owned(),
        }
    }

    /// From another address than this machine's own.
    pub fn from(self, source: &str) -> Self {
        Self { source: source.to_owned(), ..self }
    }

    /// With a token or an API key.
    pub fn credential(mut self, credential: &str) -> Self {
        self.headers
            .insert(AUTHORIZATION, format!("Bearer {credential}").parse().expect("a header"));
        self
    }

    /// With an `Idempotency-Key`.
    pub fn key(mut self, key: &str) -> Self {
        self.headers.insert("idempotency-key", key.parse().expect("a header"));
        self
    }

    /// With a body, as text.
    pub fn text(mut self, body: String) -> Self {
        self.headers.insert(CONTENT_TYPE, "application/json".parse().expect("a header"));
        Self { body, ..self }
    }

    /// With a body.
    pub fn json(self, body: &Value) -> Self {
        self.text(body.to_string())
    }

    /// The handler that takes it, by name.
    pub fn handler(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        ROUTER.find(self.method.as_str(), path).expect("there is a $default").route.handler.clone()
    }

    /// The handler's name, and the event.
    fn event(&self) -> (&'static str, ApiGatewayV2httpRequest) {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let found = ROUTER.find(self.method.as_str(), path).expect("there is a $default");
        let mut event = ApiGatewayV2httpRequest::default();
        event.version = Some("2.0".to_owned());
        event.raw_path = Some(path.to_owned());
        event.raw_query_string = Some(query.to_owned());
        event.path_parameters = found.parameters.into_iter().collect();
        event.headers = self.headers.clone();
        event.body = Some(self.body.clone()).filter(|body| !body.is_empty());
        event.request_context.request_id = Some(Uuid::now_v7().to_string());
        event.request_context.http.method = self.method.clone();
        event.request_context.http.path = event.raw_path.clone();
        event.request_context.http.source_ip = Some(self.source.clone());
        (&found.route.handler, event)
    }

    /// Sends it to an application: the answer, and what it cost.
    pub async fn send(&self, app: &Arc<App>) -> (Answer, Cost) {
        let (handler, event) = self.event();
        events::play(app, handler, event).await
    }
}

impl Roster {
    /// Sends a request to the server's application, without its socket.
    pub async fn direct(&self, call: &Call) -> Answer {
        call.send(&self.server.app).await.0
    }
}
