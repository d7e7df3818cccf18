//! DELETE `/api/v1/users/{user_id}`: erases a user whom the caller manages, with everything of theirs, at once and for good.

use lambda_http::http::StatusCode;
use shared::Result;

use super::managed_user;
use crate::{Context, Request, Response, json};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let (caller, user) = managed_user(context, &request).await?;
    context.store().erase_user(&user, &context.act(&caller.user, "user.erased")).await?;
    Ok(json(StatusCode::OK, &()))
}
