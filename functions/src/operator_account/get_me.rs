//! GET `/v1/account/me`: the caller's own account; with a delegated token of the scope `profile`, that of the user it is for.

use lambda_http::http::StatusCode;
use shared::Result;

use super::account_answer;
use crate::{Context, Request, Response};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let user = context.caller_or_principal(&token, "profile").await?;
    let account = context.store().account(user, context.now).await?;
    Ok(account_answer(StatusCode::OK, account))
}
