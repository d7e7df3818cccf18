//! POST `/v1/account/restore`: undoes a soft delete that the caller made themselves, before its
//! date. The one endpoint that a soft-deleted caller may use. Keys that the delete revoked stay
//! revoked.

use lambda_http::http::StatusCode;
use shared::models::{Status, User};
use shared::store::Account;
use shared::{Error, Result};

use super::{
    Erased, Failures, InvalidKey, NoRestore, NotRestorable, OwnAccountBody, TokenOnly,
    account_answer, restored,
};
use crate::openapi::IdempotencyKey;
use crate::{Context, Request, Response};

/// Undoes a soft delete that the caller made themselves, before its date.
///
/// The one endpoint that a soft-deleted caller may use. Keys that the delete revoked stay revoked.
/// It takes a token.
#[utoipa::path(
    post,
    path = "/v1/account/restore",
    tag = "operator and account",
    operation_id = "operator_account.restore_account",
    params(IdempotencyKey),
    responses(
        (status = 200, description = "The account", body = OwnAccountBody, headers(("etag" = String, description = "The user's version"))),
        TokenOnly,
        NoRestore,
        Erased,
        NotRestorable,
        InvalidKey,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let claims = token.claims()?;
    let (user, admitted) = futures::join!(context.store().own_user(&token), context.admit(&token));
    // Whoever it is.
    if let Err(error @ Error::TooManyRequests(_)) = admitted {
        return Err(error);
    }
    let user = user?.ok_or(Error::BadCredential("no such user"))?;
    // Who is locked, or was removed by someone else, is given no former answer either.
    may_restore(&user)?;
    admitted?;
    let change = |user: &User| {
        let restored = restored(user, context.now)?;
        may_restore(user)?;
        Ok(restored)
    };
    change(&user)?;
    let account = context.store().account(user.clone(), context.now).await?;
    let answer = |user: &User| {
        let account = Account { user: user.clone(), ..account.clone() };
        account_answer(StatusCode::OK, account, Some(claims))
    };
    let act = context.act(claims, "user.restored");
    context.store().change_user(user, &change, &act, &answer).await
}

/// Refuses who does not let themselves in again.
fn may_restore(user: &User) -> Result<()> {
    match user.status {
        Status::Suspended => Err(Error::AccountSuspended),
        Status::Deleted if user.deleted_by != Some(user.id) => Err(Error::Conflict(
            "Someone else deleted this account. Ask an operator to restore it.".into(),
        )),
        _ => Ok(()),
    }
}
