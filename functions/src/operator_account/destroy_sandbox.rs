//! DELETE `/v1/sandboxes/{sandbox_id}`: destroys a sandbox, and adds the GB-hours that it used to the day's usage.

use lambda_http::http::StatusCode;
use shared::Result;

use crate::request::path_parameter;
use crate::{Context, Request, Response, json};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate(&request).await?;
    let id = path_parameter(&request, "sandbox_id");
    let sandbox = context.store().destroy_sandbox(&caller.user, &id, &context.act(caller.user.id, "sandbox.destroyed")).await?;
    Ok(json(StatusCode::OK, &sandbox))
}
