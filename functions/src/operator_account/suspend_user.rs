//! POST `/v1/admin/users/{user_id}/suspend`: locks an account, for platform operators. Its tokens
//! and keys are refused at once.

use serde_json::json;
use shared::models::{Status, User};
use shared::{Error, Result};

use super::{
    AccountDetail, Conflict, Failures, Invalid, NoAccountToChange, OperatorsOnly, ReasonInput,
    Unauthorized, change_status,
};
use crate::openapi::IdempotencyKey;
use crate::{Context, Request, Response};

/// The flags of a suspended user: since when, and why, or null.
pub(super) const SUSPENDED_AT: &str = "suspended_at";
pub(super) const SUSPENDED_REASON: &str = "suspended_reason";

/// Locks an account.
///
/// For platform operators. Its tokens and keys are refused at once. Until it is lifted, the user's
/// `abuse_flags` have `suspended_at` and `suspended_reason`.
#[utoipa::path(
    post,
    path = "/v1/admin/users/{user_id}/suspend",
    tag = "operator and account",
    operation_id = "operator_account.suspend_user",
    params(("user_id" = Uuid, description = "The user; what is no UUID is nobody's"), IdempotencyKey),
    request_body = Option<ReasonInput>,
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
    change_status(context, &request, "user.suspended", &|caller, user, reason| match user.status {
        _ if user.id == caller.user.id => {
            Err(Error::Conflict("You may not suspend yourself: ask another operator.".into()))
        }
        Status::Invited | Status::Active => {
            let mut user = User { status: Status::Suspended, ..user.clone() };
            user.abuse_flags.insert(SUSPENDED_AT.to_owned(), json!(context.now));
            user.abuse_flags.insert(SUSPENDED_REASON.to_owned(), json!(reason));
            Ok(user)
        }
        Status::Suspended => Err(Error::Conflict("This account is suspended already.".into())),
        Status::Deleted => {
            Err(Error::Conflict("This account is deleted: restore it first.".into()))
        }
    })
    .await
}
