//! The API's description as a page to read and try, at `/docs`. All of it is served from here:
//! nothing is loaded from elsewhere.

use std::sync::Arc;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use utoipa_swagger_ui::{Config, serve};

/// The page, or one of its parts, if the path is one.
pub fn page(path: &str) -> Option<Response<Full<Bytes>>> {
    let rest = path.strip_prefix("/docs")?;
    let mut response = Response::new(Full::default());
    match rest.strip_prefix('/') {
        // Its parts are named beside it.
        None if rest.is_empty() => {
            *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
            response.headers_mut().insert(LOCATION, HeaderValue::from_static("/docs/"));
        }
        None => return None,
        Some(part) => match serve(part, Arc::new(Config::from("/openapi.json"))) {
            Ok(Some(file)) => {
                if let Ok(kind) = HeaderValue::from_str(&file.content_type) {
                    response.headers_mut().insert(CONTENT_TYPE, kind);
                }
                *response.body_mut() = Full::from(file.bytes.into_owned());
            }
            _ => *response.status_mut() = StatusCode::NOT_FOUND,
        },
    }
    Some(response)
}
