//! DELETE `/api/v1/users/{user_id}`: erases a user whom the caller manages, with everything of theirs, at once and for good.

use lambda_http::http::StatusCode;
use shared::Result;
use shared::models::User;

use super::{managed_user_of_any_status, not_found};
use crate::{Context, Request, Response, json};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    // Where an earlier attempt was cut off, the user is marked deleted already.
    let (caller, user) = managed_user_of_any_status(context, &request).await?;
    let is_managed = |user: &User| user.manager_id == Some(caller.user.id);
    let erased = context.store().erase(user, is_managed, &context.act(caller.user.id, "user.erased")).await?;
    if erased { Ok(json(StatusCode::OK, &())) } else { Err(not_found()) }
}
