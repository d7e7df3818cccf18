//! DELETE `/v1/account`: soft-deletes the caller's account. Its keys are revoked, and its data is
//! erased when the grace period is over.

use lambda_http::http::StatusCode;
use shared::auth::SteppedUp;
use shared::models::{Status, User};
use shared::store::Act;
use shared::{Error, Result};

use super::{Erased, Failures, Forbidden, LastAdministrator, Success, TokenOnly};
use crate::{Context, Request, Response, json};

/// Soft-deletes the caller's account.
///
/// Its keys are revoked, and its data is erased when the grace period is over. It takes a token: an
/// API key deletes nobody.
#[utoipa::path(
    delete,
    path = "/v1/account",
    tag = "operator and account",
    operation_id = "operator_account.delete_account",
    responses(
        (status = 202, description = "It is deleted, and will be erased", body = Success, example = json!({"success": true, "scheduled_hard_delete_at": "2026-06-01T09:30:00.000Z"})),
        TokenOnly,
        Forbidden,
        Erased,
        LastAdministrator,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let caller = context.caller::<SteppedUp>(&token).await?;
    // Who is alone in the team takes it along; of others, someone must govern it.
    let keeps_admin = caller.user.governs() && context.store().others_in_team(&caller).await?;
    let act = Act { keeps_admin, ..context.act(&caller, "user.deleted") };
    let may = |user: &User| {
        if user.status == Status::Deleted { Err(Error::AccountDeleted) } else { Ok(()) }
    };
    let answer = |user: &User| {
        let body = Success { success: true, scheduled_hard_delete_at: user.delete_scheduled_at };
        json(StatusCode::ACCEPTED, &body)
    };
    context.store().soft_delete(caller.user, context.app.grace_days, &may, &act, &answer).await
}
