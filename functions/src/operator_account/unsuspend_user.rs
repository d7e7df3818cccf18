//! POST `/v1/admin/users/{user_id}/unsuspend`: lifts a suspension, for platform operators.

use shared::models::{Status, User};
use shared::{Error, Result};

use super::suspend_user::{SUSPENDED_AT, SUSPENDED_REASON};
use super::{
    AccountDetail, Conflict, Failures, Invalid, NoAccountToChange, OperatorsOnly, ReasonInput,
    Unauthorized, change_status, status_in_use,
};
use crate::openapi::IdempotencyKey;
use crate::{Context, Request, Response};

/// Lifts a suspension.
///
/// For platform operators.
#[utoipa::path(
    post,
    path = "/v1/admin/users/{user_id}/unsuspend",
    tag = "operator and account",
    operation_id = "operator_account.unsuspend_user",
    params(("user_id" = Uuid, description = "The user; what is no UUID is nobody's"), IdempotencyKey),
    request_body(content = Option<ReasonInput>, example = json!({"reason": "A false alarm"})),
    responses(
        (status = 200, description = "The account", body = AccountDetail, headers(("etag" = String, description = "The user's version"))),
        Unauthorized,
        OperatorsOnly,
        NoAccountToChange,
        Conflict,
        Invalid,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    change_status(context, &request, "user.unsuspended", &|_, user, _| match user.status {
        Status::Suspended => {
            let mut user = User { status: status_in_use(user), ..user.clone() };
            for flag in [SUSPENDED_AT, SUSPENDED_REASON] {
                user.abuse_flags.remove(flag);
            }
            Ok(user)
        }
        _ => Err(Error::Conflict("This account is not suspended.".into())),
    })
    .await
}
