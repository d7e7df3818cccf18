//! CORS as API Gateway does it: it answers preflights itself, and adds headers to the responses of
//! the functions. The methods and the headers are those of template.yaml.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderName, HeaderValue, ORIGIN,
};
use hyper::{Method, Response, StatusCode};
use serde::Deserialize;

use crate::template;

/// The origins that may call the API, and what their pages may send and read.
pub struct Cors {
    origins: Vec<String>,
    rules: Rules,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Rules {
    allow_methods: Vec<String>,
    allow_headers: Vec<String>,
    expose_headers: Vec<String>,
    max_age: u32,
}

impl Cors {
    /// The template's rules for these origins; `*` is any. Without an origin there is no CORS.
    pub fn new(origins: Vec<String>) -> Self {
        Self { origins, rules: serde_yaml_ng::from_value(template::cors()).unwrap_or_default() }
    }

    /// The origin of a request, as it is allowed.
    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        if self.origins.iter().any(|allowed| allowed == "*") {
            return Some(HeaderValue::from_static("*"));
        }
        self.origins
            .iter()
            .any(|allowed| allowed.as_bytes() == origin.as_bytes())
            .then(|| origin.clone())
    }

    /// The response to a preflight; `None` if the request is none, or if there is no CORS. A
    /// preflight of another origin gets no header, by which the browser knows.
    pub fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response<Full<Bytes>>> {
        let is_preflight =
            method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if self.origins.is_empty() || !is_preflight || !headers.contains_key(ORIGIN) {
            return None;
        }
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if let Some(origin) = self.allowed(headers) {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            set(headers, ACCESS_CONTROL_ALLOW_METHODS, &self.rules.allow_methods.join(","));
            set(headers, ACCESS_CONTROL_ALLOW_HEADERS, &self.rules.allow_headers.join(","));
            set(headers, ACCESS_CONTROL_MAX_AGE, &self.rules.max_age.to_string());
        }
        Some(response)
    }

    /// Lets an allowed origin read a response. `request` is the request's headers.
    pub fn expose(&self, request: &HeaderMap, response: &mut HeaderMap) {
        if let Some(origin) = self.allowed(request) {
            response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            set(response, ACCESS_CONTROL_EXPOSE_HEADERS, &self.rules.expose_headers.join(","));
        }
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
