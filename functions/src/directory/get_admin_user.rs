//! GET `/api/v1/admin_user/{id}`: a user of an account in full, for its administrators and platform operators.

use shared::Result;

use super::{administered_user, user_answer};
use crate::{Context, Request, Response};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let (_, user) = administered_user(context, &request).await?;
    Ok(user_answer(&user))
}
