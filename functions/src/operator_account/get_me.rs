//! GET `/v1/account/me`: the caller's own account.

use lambda_http::http::StatusCode;
use shared::Result;

use super::AccountBody;
use crate::{Context, Request, Response, json};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate(&request).await?;
    let account = context.store().account(caller.user, context.now).await?;
    Ok(json(StatusCode::OK, &AccountBody::from(account)))
}
