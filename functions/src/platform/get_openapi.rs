//! GET `/openapi.json`: the API's description.

use lambda_http::Body;
use lambda_http::http::{HeaderValue, header};
use shared::Result;

use crate::{Context, Request, Response};

/// What the handlers say of themselves, as it was last written.
const DESCRIPTION: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));

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
    let mut response = Response::new(Body::from(DESCRIPTION));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}
