//! GET `/v1/admin/users/{user_id}/audit-log`: what was done to a user and by whom, newest first,
//! for platform operators. It outlives the user.

use lambda_http::http::StatusCode;
use shared::auth::Operating;
use shared::models::{AuditEntry, parse_id};
use shared::{Error, Result};

use super::{Failures, Invalid, ListPage, NoAccount, OperatorsOnly, Unauthorized};
use crate::request::{cursor_page, path_id, with_next, wrong_cursor};
use crate::{Context, Request, Response, json};

const DEFAULT_LIMIT: usize = 25;
const MOST_LIMIT: usize = 100;

/// What was done to a user and by whom, newest first.
///
/// For platform operators. It outlives the user.
#[utoipa::path(
    get,
    path = "/v1/admin/users/{user_id}/audit-log",
    tag = "operator and account",
    operation_id = "operator_account.get_audit_log",
    params(("user_id" = Uuid, description = "The user; what is no UUID is nobody's"), ListPage),
    responses(
        (status = 200, description = "The page", body = Vec<AuditEntry>, headers(("link" = String, description = "`<address>; rel=\"next\"`: where the next page is, if there is one"))),
        Unauthorized,
        OperatorsOnly,
        NoAccount,
        Invalid,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let operator = context.authenticate::<Operating>(&request).await?.operator();
    let user_id = path_id(&request, "user_id").ok_or(Error::AccountNotFound)?;
    let (limit, cursor) = cursor_page(&request, DEFAULT_LIMIT, MOST_LIMIT)?;
    let before = cursor.map(|cursor| parse_id(&cursor).ok_or_else(wrong_cursor)).transpose()?;
    let entries =
        context.store().audit_log(&operator, user_id, before, limit + 1, context.now).await?;
    if entries.is_empty()
        && before.is_none()
        && !context.store().user_exists(&operator, user_id).await?
    {
        return Err(Error::AccountNotFound);
    }
    let more = entries.len() > limit;
    let entries = &entries[..limit.min(entries.len())];
    let next = entries.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(with_next(json(StatusCode::OK, &entries), &request, next.as_deref()))
}
