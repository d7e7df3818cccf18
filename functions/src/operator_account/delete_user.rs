//! DELETE `/v1/admin/users/{user_id}`: erases a soft-deleted account at once and for good, before
//! its date; for platform operators.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::models::{Status, User};
use shared::store::{Act, Erasure};
use shared::{Error, Result};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Failures, Invalid, NoAccount, NotErasable, OperatorsOnly, ReasonInput, Unauthorized,
    operators_view, reason,
};
use crate::{Context, Request, Response, json};

/// Whether an account was erased.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorAccountErasure, example = json!({"deleted": true, "user_id": "00000000-0000-4000-8000-000000000111"}))]
struct Deleted {
    deleted: bool,
    user_id: Uuid,
    /// Why it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    blocked_reason: Option<&'static str>,
}

/// Erases a soft-deleted account at once and for good, before its date.
///
/// For platform operators. Its sandboxes must be destroyed first.
#[utoipa::path(
    delete,
    path = "/v1/admin/users/{user_id}",
    tag = "operator and account",
    operation_id = "operator_account.delete_user",
    params(("user_id" = Uuid, description = "The user; what is no UUID is nobody's")),
    request_body(content = Option<ReasonInput>, example = json!({"reason": "Asked to be forgotten at once"})),
    responses(
        (status = 200, description = "Whether it was erased", body = Deleted),
        Unauthorized,
        OperatorsOnly,
        NoAccount,
        NotErasable,
        Invalid,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let (caller, records) = operators_view(context, &request, &token).await?;
    let reason = reason(&request)?;
    let user_id = records.user.id;
    if records.user.status != Status::Deleted {
        return Err(Error::AccountNotDeleted);
    }
    let active = context.store().active_sandboxes(&caller.operator(), user_id).await?;
    if active > 0 {
        let message = format!(
            "This account has sandboxes that are not destroyed: {active}. They must go first."
        );
        return Err(Error::ActiveResources(message));
    }
    let act = Act { reason, ..context.act(&caller, "user.erased") };
    let is_deleted = |user: &User| user.status == Status::Deleted;
    // Where it is unfinished the user is gone for everyone, and the purge does the rest.
    let deleted = context.store().erase(records.user, is_deleted, &act).await? != Erasure::NotOurs;
    let blocked_reason =
        (!deleted).then_some("The account was restored, or erased by someone else, meanwhile.");
    Ok(json(StatusCode::OK, &Deleted { deleted, user_id, blocked_reason }))
}
