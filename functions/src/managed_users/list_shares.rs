//! GET `/api/v1/users/shares`: whom the caller lets in, and with which scopes.

use lambda_http::http::StatusCode;
use shared::Result;

use super::ShareBody;
use crate::{Context, Request, Response, json};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate(&request).await?;
    let shares = context.store().shares_given(&caller.user).await?;
    Ok(json(StatusCode::OK, &shares.into_iter().map(ShareBody::from).collect::<Vec<_>>()))
}
