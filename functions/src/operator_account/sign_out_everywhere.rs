//! POST `/v1/account/sign-out-everywhere`: ends every token that was issued to the caller before,
//! the one that it is sent with included, and the delegated tokens that came from them. API keys
//! stay.

use lambda_http::http::StatusCode;
use shared::Result;
use shared::auth::SignedIn;
use shared::models::User;
use shared::store::Account;

use super::{
    Erased, Failures, Forbidden, InvalidKey, OwnAccountBody, StillRunning, TokenOnly,
    account_answer, signed_out,
};
use crate::openapi::IdempotencyKey;
use crate::{Context, Request, Response};

/// Ends every token that was issued to the caller before.
///
/// The token that it is sent with is one of them, and so are delegated tokens. Tokens tell whole
/// seconds: one of the same second stays good. API keys stay. It takes a token.
#[utoipa::path(
    post,
    path = "/v1/account/sign-out-everywhere",
    tag = "operator and account",
    operation_id = "operator_account.sign_out_everywhere",
    params(IdempotencyKey),
    responses(
        (status = 200, description = "The account", body = OwnAccountBody, headers(("etag" = String, description = "The user's version"))),
        TokenOnly,
        Forbidden,
        Erased,
        StillRunning,
        InvalidKey,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let caller = context.caller::<SignedIn>(&token).await?;
    let account = context.store().account(caller.user.clone(), context.now).await?;
    let answer = |user: &User| {
        let account = Account { user: user.clone(), ..account.clone() };
        account_answer(StatusCode::OK, account, token.claims().ok())
    };
    let act = context.act(&caller, "user.signed_out_everywhere");
    context
        .store()
        .change_user(caller.user, &|user| Ok(signed_out(user, context.now)), &act, &answer)
        .await
}
