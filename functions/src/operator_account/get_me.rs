//! GET `/v1/account/me`: the caller's own account; with a delegated token of the scope `profile`,
//! or one that comes from it, that of the user it is for.

use lambda_http::http::StatusCode;
use shared::Result;
use shared::auth::AccountRead;

use super::{Failures, Forbidden, OwnAccountBody, Unauthorized, account_answer};
use crate::{Context, Request, Response};

/// The caller's own account.
///
/// With a delegated token of the scope `profile`, or a token that comes from it, that of the user
/// it is for.
#[utoipa::path(
    get,
    path = "/v1/account/me",
    tag = "operator and account",
    operation_id = "operator_account.get_me",
    responses(
        (status = 200, description = "The account", body = OwnAccountBody, headers(("etag" = String, description = "The user's version"))),
        Unauthorized,
        Forbidden,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let user = context.caller_or_principal::<AccountRead>(&token, "profile").await?;
    let account = context.store().account(user, context.now).await?;
    Ok(account_answer(StatusCode::OK, account, token.claims().ok()))
}
