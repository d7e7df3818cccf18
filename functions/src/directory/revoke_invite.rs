//! POST `/api/v1/admin_user_invite/{id}/revoke`: takes a pending invite back. Platform operators
//! name the account of others by `?account_id=`, as the path does not.

use shared::auth::InvitesWrite;
use shared::models::parse_id;
use shared::{Error, Fault, Issue, Place, Result};
use uuid::Uuid;

use super::{ErrorBody, InviteBody, Refusals, Success, invite_answer};
use crate::openapi::IdempotencyKey;
use crate::request::{path_id, query};
use crate::{Context, Request, Response};

/// Takes a pending invite back.
#[utoipa::path(
    post,
    path = "/api/v1/admin_user_invite/{id}/revoke",
    tag = "directory",
    operation_id = "directory.revoke_invite",
    params(
        ("id" = Uuid, Path, description = "The invite's id"),
        ("account_id" = Option<Uuid>, Query, description = "The invite's account, where it is not the caller's own: for platform operators"),
        IdempotencyKey,
    ),
    responses(
        (status = 200, description = "The invite, revoked", body = Success<InviteBody>),
        (status = 400, description = "The account's id or the `Idempotency-Key` is wrong", body = ErrorBody),
        (status = 404, description = "The account has no such invite", body = ErrorBody),
        (status = 409, description = "The invite is used or revoked; or the same request is still running", body = ErrorBody),
        (status = 422, description = "The `Idempotency-Key` was used for another request", body = ErrorBody),
        Refusals,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<InvitesWrite>(&request).await?;
    caller.administers_any()?;
    let access = caller.administers(account_id(&request)?.unwrap_or(caller.user.team_id))?;
    let not_found = || Error::NotFound("There is no such invite in this account.".into());
    let id = path_id(&request, "id").ok_or_else(not_found)?;
    let invite = context.store().invite_of(&access, id).await?.ok_or_else(not_found)?;
    context
        .store()
        .revoke_invite(&access, invite, &context.act(&caller, "user.invite_revoked"), invite_answer)
        .await
}

fn account_id(request: &Request) -> Result<Option<Uuid>> {
    let wrong =
        || Error::invalid(Issue::new(Place::Query, "account_id", Fault::NotA("an account id")));
    let sent = query(request).into_iter().find(|(name, _)| name == "account_id");
    sent.map(|(_, id)| parse_id(&id).ok_or_else(wrong)).transpose()
}
