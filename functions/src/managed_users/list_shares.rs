//! GET `/api/v1/users/shares`: whom the caller lets in, and with which scopes.

use lambda_http::http::StatusCode;
use shared::Result;
use shared::auth::ManagedUsersRead;

use super::{Refusals, ShareBody};
use crate::{Context, Request, Response, json};

/// Whom the caller lets in, and with which scopes.
#[utoipa::path(
    get,
    path = "/api/v1/users/shares",
    tag = "managed users",
    operation_id = "managed_users.list_shares",
    responses(
        (status = 200, description = "The shares that the caller gave", body = Vec<ShareBody>),
        Refusals,
    ),
    security(("bearer" = []), ("refreshed_token" = []), ("token_cookie" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<ManagedUsersRead>(&request).await?;
    let shares = context.store().shares_given(&caller).await?;
    Ok(json(StatusCode::OK, &shares.into_iter().map(ShareBody::from).collect::<Vec<_>>()))
}
