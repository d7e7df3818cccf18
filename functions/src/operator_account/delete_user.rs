//! DELETE `/v1/admin/users/{user_id}`: erases a soft-deleted account at once and for good, before its date; for platform operators.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::models::{Status, User};
use shared::store::Act;
use shared::{Error, Result};
use uuid::Uuid;

use super::{operators_view, reason};
use crate::{Context, Request, Response, json};

#[derive(Debug, Serialize)]
struct Deleted {
    deleted: bool,
    user_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked_reason: Option<&'static str>,
}

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let (caller, records) = operators_view(context, &request, &token).await?;
    let reason = reason(&request)?;
    let user_id = records.user.id;
    if records.user.status != Status::Deleted {
        return Err(Error::AccountNotDeleted);
    }
    let active = context.store().active_sandboxes(&caller.operator()?, user_id).await?;
    if active > 0 {
        let message = format!("This account has sandboxes that are not destroyed: {active}. They must go first.");
        return Err(Error::ActiveResources(message));
    }
    let act = Act { reason, ..context.act(caller.user.id, "user.erased") };
    let is_deleted = |user: &User| user.status == Status::Deleted;
    let deleted = context.store().erase(records.user, is_deleted, &act).await?;
    let blocked_reason = (!deleted).then_some("The account was restored, or erased by someone else, meanwhile.");
    Ok(json(StatusCode::OK, &Deleted { deleted, user_id, blocked_reason }))
}
