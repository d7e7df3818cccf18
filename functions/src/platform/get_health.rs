//! GET `/health`: whether the service runs and reaches its table.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::Result;
use utoipa::ToSchema;

use crate::{Context, Request, Response, json};

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// `ok`: anything else is an error.
    status: &'static str,
}

/// Whether the service runs and reaches its table.
#[utoipa::path(
    get,
    path = "/health",
    tag = "platform",
    operation_id = "platform.get_health",
    responses((status = 200, description = "It does", body = Health), (status = 503, description = "It does not reach its table")),
    security(()),
)]
pub async fn handle(context: &Context, _request: Request) -> Result<Response> {
    context.store().reach().await?;
    Ok(json(StatusCode::OK, &Health { status: "ok" }))
}
