//! GET `/v1/account/export`: everything that is held about the caller.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::Result;
use shared::auth::AccountRead;
use shared::models::User;
use shared::store::Holdings;
use utoipa::ToSchema;

use super::{AccountBody, Failures, Forbidden, Invalid, Unauthorized};
use crate::request::{cursor_page, too_large, whole, with_next, wrong_cursor};
use crate::{Context, Request, Response, json};

/// Everything that is held about a user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorAccountExport)]
struct Export {
    #[serde(flatten)]
    account: AccountBody,
    /// The whole record of the user, with what no other answer of this contract shows.
    record: User,
    #[serde(flatten)]
    holdings: Holdings,
}

/// The most records of a page.
const MAX_LIMIT: usize = 1000;

/// Everything that is held about the caller, but for secrets.
///
/// Where that is more than one response holds, or where pages are asked for, each page has the account
/// and the next records of the lists.
#[utoipa::path(
    get,
    path = "/v1/account/export",
    tag = "operator and account",
    operation_id = "operator_account.export_account",
    params(
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 1000, description = "At most so many records, over all lists; all where it is left out"),
        ("cursor" = Option<String>, Query, description = "From the `link` of the page before"),
    ),
    responses(
        (status = 200, description = "All of it, or a page", body = Export, headers(("link" = String, description = "`<address>; rel=\"next\"`: where the next page is, if there is one"))),
        Unauthorized,
        Forbidden,
        Invalid,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<AccountRead>(&request).await?;
    let (limit, cursor) = cursor_page(&request, usize::MAX, MAX_LIMIT)?;
    let account = context.store().account(caller.user.clone(), context.now);
    let is_paged = limit <= MAX_LIMIT || cursor.is_some();
    let (account, holdings, next) = if is_paged {
        let page = context.store().next_holdings(&caller, cursor.as_deref(), limit.min(MAX_LIMIT), context.now);
        let (account, page) = futures::try_join!(account, page)?;
        let (holdings, next) = page.ok_or_else(wrong_cursor)?;
        (account, holdings, next)
    } else {
        let (account, holdings) = futures::try_join!(account, context.store().holdings(&caller, context.now))?;
        (account, holdings.ok_or_else(too_large)?, None)
    };
    let response = json(StatusCode::OK, &Export { account: account.into(), record: caller.user, holdings });
    whole(with_next(response, &request, next.as_deref()))
}
