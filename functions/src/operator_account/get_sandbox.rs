//! GET `/v1/sandboxes/{sandbox_id}`: a sandbox of the caller's.

use lambda_http::http::StatusCode;
use shared::auth::SandboxesRead;
use shared::{Error, Result};

use super::sandbox_view::{Fields, ShownSandbox};
use super::{Failures, Forbidden, Invalid, NoSandbox, Unauthorized};
use crate::request::{path_parameter, query};
use crate::{Context, Request, Response, json};

/// A sandbox of the caller's.
#[utoipa::path(
    get,
    path = "/v1/sandboxes/{sandbox_id}",
    tag = "operator and account",
    operation_id = "operator_account.get_sandbox",
    params(
        ("sandbox_id" = String, description = "The sandbox", example = "sbx_0000000000000008"),
        ("fields" = Option<String>, Query,
            description = "Names of fields, with commas between them; all where it is left out",
            example = "id,status"),
    ),
    responses(
        (status = 200, description = "The sandbox", body = ShownSandbox, example = json!({
            "id": "sbx_0019de2dfa1c0009",
            "user_id": "00000000-0000-4000-8000-000000000002",
            "template": "python-3.13",
            "status": "running",
            "created_at": "2026-05-01T09:30:00.000Z",
            "updated_at": "2026-05-01T09:30:00.000Z",
            "metadata": {"job": "nightly-9"},
            "started_at": "2026-05-01T09:30:00.000Z",
            "destroyed_at": null,
            "cpu_count": 2,
            "memory_mb": 2048,
            "disk_mb": 10240,
            "timeout_ms": 3_600_000,
            "config": {"vcpus": 2, "memory_mb": 2048}
        })),
        Unauthorized,
        Forbidden,
        NoSandbox,
        Invalid,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let id = path_parameter(&request, "sandbox_id");
    let caller = context.caller::<SandboxesRead>(&token);
    let (caller, sandbox) =
        futures::try_join!(caller, context.store().sealed_sandbox(&token, &id))?;
    let fields = match query(&request).into_iter().rev().find(|(name, _)| name == "fields") {
        Some((_, text)) => Fields::read(&text).map_err(Error::invalid)?,
        None => Fields::default(),
    };
    let sandbox = sandbox.open(&caller).ok_or_else(Error::no_such_sandbox)?;
    Ok(json(StatusCode::OK, &fields.of(&sandbox)?))
}
