//! DELETE `/v1/sandboxes/{sandbox_id}`: destroys a sandbox, and adds the GB-hours that it used to
//! the day's usage.

use lambda_http::http::StatusCode;
use shared::Result;
use shared::auth::SandboxesWrite;

use super::sandbox_view::{SandboxBody, sandbox_answer};
use super::{Failures, Forbidden, NoSandbox, Unauthorized};
use crate::request::path_parameter;
use crate::{Context, Request, Response};

/// Destroys a sandbox of the caller's, and adds the GB-hours that it used to the day's usage.
///
/// One that is destroyed stays so.
#[utoipa::path(
    delete,
    path = "/v1/sandboxes/{sandbox_id}",
    tag = "operator and account",
    operation_id = "operator_account.destroy_sandbox",
    params(("sandbox_id" = String, description = "The sandbox", example = "sbx_0000000000000009")),
    responses(
        (status = 200, description = "The sandbox, destroyed", body = SandboxBody),
        Unauthorized,
        Forbidden,
        NoSandbox,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<SandboxesWrite>(&request).await?;
    let id = path_parameter(&request, "sandbox_id");
    let sandbox = context
        .store()
        .destroy_sandbox(&caller, &id, &context.act(&caller, "sandbox.destroyed"))
        .await?;
    Ok(sandbox_answer(StatusCode::OK, &sandbox))
}
