//! GET `/v1/keys`: the caller's API keys, without their texts.

use lambda_http::http::StatusCode;
use shared::Result;
use shared::auth::AccountRead;
use shared::models::{ApiKey, parse_id};

use super::{Failures, Forbidden, Invalid, Unauthorized};
use crate::request::{cursor_page, with_next, wrong_cursor};
use crate::{Context, Request, Response, json};

/// The most keys of a page.
const MOST_KEYS: usize = 1000;

/// The caller's API keys, without their texts; expired ones too, and revoked ones for 90 days.
#[utoipa::path(
    get,
    path = "/v1/keys",
    tag = "operator and account",
    operation_id = "operator_account.list_keys",
    params(
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 1000, description = "At most so many; 1,000 where it is left out"),
        ("cursor" = Option<Uuid>, Query, description = "From behind the last key of a former page: see the answer's `link`"),
    ),
    responses(
        (status = 200, description = "The keys, in the order of their making", body = Vec<ApiKey>, headers(("link" = String, description = "`<address>; rel=\"next\"`: where the next page is, if there is one"))),
        Unauthorized,
        Forbidden,
        Invalid,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let page = cursor_page(&request, MOST_KEYS, MOST_KEYS).and_then(|(limit, cursor)| {
        let after = cursor.map(|cursor| parse_id(&cursor).ok_or_else(wrong_cursor)).transpose()?;
        Ok((limit, after))
    });
    let (limit, after) = match page {
        Ok(page) => page,
        // A caller who is refused learns that first.
        Err(error) => return context.caller::<AccountRead>(&token).await.and(Err(error)),
    };
    let (caller, keys) = futures::try_join!(
        context.caller::<AccountRead>(&token),
        context.store().next_api_keys(&token, after, limit, context.now)
    )?;
    let (keys, next) = keys.open(&caller);
    let next = next.map(|id| id.to_string());
    Ok(with_next(json(StatusCode::OK, &keys), &request, next.as_deref()))
}
