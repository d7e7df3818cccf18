//! POST `/api/v1/admin_user_invite/{id}/revoke`: takes a pending invite back.

use shared::{Error, Result};

use super::invite_answer;
use crate::request::path_id;
use crate::{Context, Request, Response};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate(&request).await?;
    let access = caller.team_admin()?;
    let not_found = || Error::NotFound("There is no such invite.".into());
    let id = path_id(&request, "id").ok_or_else(not_found)?;
    let invite = context.store().invite_of(&access, id).await?.ok_or_else(not_found)?;
    context.store().revoke_invite(&invite, &context.act(caller.user.id, "user.invite_revoked"), invite_answer).await
}
