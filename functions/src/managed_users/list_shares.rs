//! GET `/api/v1/users/shares`: whom the caller lets in, and with which scopes.

use lambda_http::http::StatusCode;
use shared::Result;
use shared::auth::ManagedUsersRead;
use shared::models::parse_id;

use super::{Refusals, ShareBody, ValidationErrorBody};
use crate::request::{cursor_page, with_next, wrong_cursor};
use crate::{Context, Request, Response, json};

/// The most shares of a page.
const MOST_SHARES: usize = 1000;

/// Whom the caller lets in, and with which scopes.
#[utoipa::path(
    get,
    path = "/api/v1/users/shares",
    tag = "managed users",
    operation_id = "managed_users.list_shares",
    params(
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 1000, description = "At most so many; 1,000 where it is left out"),
        ("cursor" = Option<Uuid>, Query, description = "From behind the last share of a former page: see the answer's `link`"),
    ),
    responses(
        (status = 200, description = "The shares that the caller gave", body = Vec<ShareBody>, headers(("link" = String, description = "`<address>; rel=\"next\"`: where the next page is, if there is one"))),
        (status = 422, description = "A parameter is wrong", body = ValidationErrorBody),
        Refusals,
    ),
    security(("bearer" = []), ("refreshed_token" = []), ("token_cookie" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<ManagedUsersRead>(&request).await?;
    let (limit, cursor) = cursor_page(&request, MOST_SHARES, MOST_SHARES)?;
    let after = cursor.map(|cursor| parse_id(&cursor).ok_or_else(wrong_cursor)).transpose()?;
    let (shares, more) = context.store().next_shares_given(&caller, after, limit).await?;
    let next = shares.last().filter(|_| more).map(|share| share.grantee_id.to_string());
    let shares: Vec<_> = shares.into_iter().map(ShareBody::from).collect();
    Ok(with_next(json(StatusCode::OK, &shares), &request, next.as_deref()))
}
