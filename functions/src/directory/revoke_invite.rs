//! POST `/api/v1/admin_user_invite/{id}/revoke`: takes a pending invite back. Platform operators name the account of others by
//! `?account_id=`, as the path does not.

use shared::models::parse_id;
use shared::{Error, Fault, Issue, Place, Result};
use uuid::Uuid;

use super::invite_answer;
use crate::request::{path_id, query};
use crate::{Context, Request, Response};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate(&request).await?;
    caller.administers_any()?;
    let access = caller.administers(account_id(&request)?.unwrap_or(caller.user.team_id))?;
    let not_found = || Error::NotFound("There is no such invite in this account.".into());
    let id = path_id(&request, "id").ok_or_else(not_found)?;
    let invite = context.store().invite_of(&access, id).await?.ok_or_else(not_found)?;
    context.store().revoke_invite(&access, invite, &context.act(caller.user.id, "user.invite_revoked"), invite_answer).await
}

fn account_id(request: &Request) -> Result<Option<Uuid>> {
    let wrong = || Error::invalid(Issue::new(Place::Query, "account_id", Fault::NotA("an account id")));
    let sent = query(request).into_iter().find(|(name, _)| name == "account_id");
    sent.map(|(_, id)| parse_id(&id).ok_or_else(wrong)).transpose()
}
