//! GET `/health`: whether the service runs and reaches its table.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::Result;

use crate::{Context, Request, Response, json};

#[derive(Debug, Serialize)]
struct Health {
    status: &'static str,
}

/// Answers the request.
pub async fn handle(context: &Context, _request: Request) -> Result<Response> {
    context.store().reach().await?;
    Ok(json(StatusCode::OK, &Health { status: "ok" }))
}
