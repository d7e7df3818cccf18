//! POST `/api/v1/admin_user_invite`: invites someone into an account by email. Who signs up with
//! that email joins the team, as a viewer.

use shared::auth::InvitesWrite;
use shared::models::parse_id;
use shared::store::{Refusal, WriteError};
use shared::text::MOST_NAME;
use shared::{Error, Fault, Issue, Place, Result};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{ErrorBody, InviteBody, Refusals, Success, details, invite_answer};
use crate::openapi::{Email, IdempotencyKey};
use crate::request::{all, email, required_text};
use crate::{Context, Request, Response};

/// Who is to be invited.
#[derive(ToSchema)]
#[schema(as = AdminUserInvitation, example = json!({
    "details": {"email": "ada@example.com", "account_id": "00000000-0000-4000-8000-0000000000a1"}
}))]
#[allow(dead_code)]
struct Input {
    details: Invitation,
}

/// The email, and the account (team) to join.
#[derive(ToSchema)]
#[schema(as = AdminUserInvitationDetails)]
#[allow(dead_code)]
struct Invitation {
    email: Email,
    account_id: Uuid,
}

/// Invites someone into an account by email.
#[utoipa::path(
    post,
    path = "/api/v1/admin_user_invite",
    tag = "directory",
    operation_id = "directory.create_invite",
    params(IdempotencyKey),
    request_body = Input,
    responses(
        (status = 200, description = "The invite", body = Success<InviteBody>),
        (status = 400, description = "The body or the `Idempotency-Key` is wrong", body = ErrorBody),
        (status = 409, description = "A user has this email; the account has as many pending invites as it may have; or the same request is still running", body = ErrorBody, example = json!({
            "status": "error", "code": "invalid_action", "message": "A user with this email exists, or is invited already."
        })),
        (status = 422, description = "The `Idempotency-Key` was used for another request", body = ErrorBody),
        Refusals,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<InvitesWrite>(&request).await?;
    caller.administers_any()?;
    let fields = details(&request)?;
    let (email, account_id) = all(
        email(&fields, "email"),
        required_text(&fields, "account_id", MOST_NAME).and_then(account),
    )?;
    let access = caller.administers(account_id)?;
    let team_name = if caller.user.team_id == account_id {
        caller.user.team_name.clone()
    } else {
        context.store().team_name(account_id).await?.ok_or_else(Error::not_this_account)?
    };
    let act = context.act(&caller, "user.invited");
    match context.store().invite(&access, &team_name, email, &act, invite_answer).await {
        Err(WriteError::Refused(Refusal::EmailTaken)) => {
            Err(Error::Conflict("A user with this email exists, or is invited already.".into()))
        }
        Err(WriteError::Refused(Refusal::TooManyInvites)) => Err(Error::Conflict(
            "The account has as many pending invites as it may have. Revoke one first.".into(),
        )),
        outcome => Ok(outcome?),
    }
}

fn account(id: String) -> Result<Uuid, Issue> {
    parse_id(&id).ok_or_else(|| Issue::new(Place::Body, "account_id", Fault::NotA("an account id")))
}
