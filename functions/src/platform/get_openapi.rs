//! GET `/openapi.json`: the API's description.

use std::sync::LazyLock;

use lambda_http::Body;
use lambda_http::http::{HeaderValue, header};
use shared::Result;

use crate::{Context, Request, Response};

/// What the handlers say of themselves, as it was last written, without its white space.
static DESCRIPTION: LazyLock<String> = LazyLock::new(|| {
    let written = include_str!("../../openapi.json");
    serde_json::from_str(written).map_or_else(|_| written.to_owned(), |description: serde_json::Value| description.to_string())
});

/// The API's description.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "platform",
    operation_id = "platform.get_openapi",
    responses((
        status = 200,
        description = "An OpenAPI 3.1 document",
        body = serde_json::Value,
        content_type = "application/json",
        headers(("cache-control", description = "For how long it may be kept")),
    )),
    security(()),
)]
pub async fn handle(_: &Context, _: Request) -> Result<Response> {
    let mut response = Response::new(Body::from(DESCRIPTION.as_str()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}
