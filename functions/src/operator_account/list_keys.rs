//! GET `/v1/keys`: the caller's API keys, without their texts.

use lambda_http::http::StatusCode;
use shared::Result;

use crate::{Context, Request, Response, json};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let (_, keys) = futures::try_join!(context.caller(&token), context.store().api_keys(token.user_id()))?;
    Ok(json(StatusCode::OK, &keys))
}
