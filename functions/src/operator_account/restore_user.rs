//! POST `/v1/admin/users/{user_id}/restore`: undoes a soft delete, for platform operators. Keys
//! that it revoked stay revoked.

use shared::Result;

use super::{
    AccountDetail, Failures, Invalid, NoAccountToChange, NotRestorable, OperatorsOnly, ReasonInput,
    Unauthorized, change_status, restored,
};
use crate::openapi::IdempotencyKey;
use crate::{Context, Request, Response};

/// Undoes a soft delete, before its date.
///
/// For platform operators. Keys that it revoked stay revoked.
#[utoipa::path(
    post,
    path = "/v1/admin/users/{user_id}/restore",
    tag = "operator and account",
    operation_id = "operator_account.restore_user",
    params(("user_id" = Uuid, description = "The user; what is no UUID is nobody's"), IdempotencyKey),
    request_body(content = Option<ReasonInput>, example = json!({"reason": "Deleted by mistake"})),
    responses(
        (status = 200, description = "The account", body = AccountDetail, headers(("etag" = String, description = "The user's version"))),
        Unauthorized,
        OperatorsOnly,
        NoAccountToChange,
        NotRestorable,
        Invalid,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    change_status(context, &request, "user.restored", &|_, user, _| restored(user, context.now))
        .await
}
