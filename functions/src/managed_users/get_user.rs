//! GET `/api/v1/users/{user_id}`: a user whom the caller manages.

use shared::Result;

use super::{managed_user, user_answer};
use crate::{Context, Request, Response};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let (_, user) = managed_user(context, &request).await?;
    Ok(user_answer(&user))
}
