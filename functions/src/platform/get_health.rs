//! GET `/health`: whether the service runs and reaches its table.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::Result;
use utoipa::ToSchema;

use crate::openapi::words;
use crate::operator_account::ErrorBody;
use crate::{Context, Request, Response, json};

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// `ok`: anything else is an error.
    #[schema(inline, value_type = HealthWord)]
    status: &'static str,
}

words! {
    /// How the service is.
    HealthWord: ["ok"].into_iter();
}

/// Whether the service runs and reaches its table.
#[utoipa::path(
    get,
    path = "/health",
    tag = "platform",
    operation_id = "platform.get_health",
    responses(
        (status = 200, description = "It does", body = Health),
        (status = 500, description = "A fault of ours", body = ErrorBody),
        (status = 503, description = "It does not reach its table", body = ErrorBody),
    ),
    security(()),
)]
pub async fn handle(context: &Context, _request: Request) -> Result<Response> {
    context.store().reach().await?;
    Ok(json(StatusCode::OK, &Health { status: "ok" }))
}
