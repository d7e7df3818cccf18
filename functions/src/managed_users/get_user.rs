//! GET `/api/v1/users/{user_id}`: a user whom the caller manages.

use lambda_http::http::StatusCode;
use shared::Result;

use super::{UserResponse, managed_user};
use crate::{Context, Request, Response, json};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let (_, user) = managed_user(context, &request).await?;
    Ok(json(StatusCode::OK, &UserResponse::from(user)))
}
