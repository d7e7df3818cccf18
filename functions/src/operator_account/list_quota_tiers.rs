//! GET `/v1/admin/quota-tiers`: every quota tier, for platform operators.

use lambda_http::http::StatusCode;
use shared::Result;

use crate::{Context, Request, Response, json};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let (caller, tiers) = futures::try_join!(context.caller(&token), context.store().quota_tiers(context.now))?;
    caller.operator()?;
    Ok(json(StatusCode::OK, &*tiers))
}
