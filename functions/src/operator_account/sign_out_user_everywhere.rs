//! POST `/v1/admin/users/{user_id}/sign-out-everywhere`: ends every token that was issued to a user
//! before, for platform operators. API keys stay.

use shared::Result;

use super::{
    AccountDetail, Failures, Invalid, NoAccountToChange, OperatorsOnly, ReasonInput, StillRunning,
    Unauthorized, change_status, signed_out,
};
use crate::openapi::IdempotencyKey;
use crate::{Context, Request, Response};

/// Ends every token that was issued to a user before.
///
/// For platform operators. Delegated tokens are among them; API keys stay.
#[utoipa::path(
    post,
    path = "/v1/admin/users/{user_id}/sign-out-everywhere",
    tag = "operator and account",
    operation_id = "operator_account.sign_out_user_everywhere",
    params(("user_id" = Uuid, description = "The user; what is no UUID is nobody's"), IdempotencyKey),
    request_body = Option<ReasonInput>,
    responses(
        (status = 200, description = "The account", body = AccountDetail, headers(("etag" = String, description = "The user's version"))),
        Unauthorized,
        OperatorsOnly,
        NoAccountToChange,
        StillRunning,
        Invalid,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let now = context.now;
    change_status(context, &request, "user.signed_out_everywhere", &|_, user, _| {
        Ok(signed_out(user, now))
    })
    .await
}
