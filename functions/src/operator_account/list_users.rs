//! GET `/v1/admin/users`: users of all teams, newest first, or those whose id is `query`, or whose
//! email, name or display name begins with it; for platform operators.

use aws_smithy_types::base64;
use lambda_http::http::StatusCode;
use shared::auth::Operating;
use shared::models::parse_id;
use shared::table::{searchable, searchable_identifier};
use shared::text::MOST_NAME;
use shared::{Error, Fault, Issue, Place, Result, Timestamp};

use super::{Failures, Invalid, ListPage, OperatorsOnly, Unauthorized, UserBody};
use crate::request::{cursor_page, query, with_next, wrong_cursor};
use crate::{Context, Request, Response, json};

const DEFAULT_LIMIT: usize = 25;
const MOST_LIMIT: usize = 100;

/// Users of all teams.
///
/// The newest first; or those whose id is `query`, or whose email, name or display name begins with
/// it in any case. For platform operators.
#[utoipa::path(
    get,
    path = "/v1/admin/users",
    tag = "operator and account",
    operation_id = "operator_account.list_users",
    params(("query" = Option<String>, Query, max_length = 255, description = "How an email or a name begins, or an id", example = "ada"), ListPage),
    responses(
        (status = 200, description = "The page", body = Vec<UserBody>, headers(("link" = String, description = "`<address>; rel=\"next\"`: where the next page is, if there is one"))),
        Unauthorized,
        OperatorsOnly,
        Invalid,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let operator = context.authenticate::<Operating>(&request).await?.operator();
    let (limit, cursor) = cursor_page(&request, DEFAULT_LIMIT, MOST_LIMIT)?;
    let sought = query(&request)
        .into_iter()
        .find(|(name, _)| name == "query")
        .map(|(_, value)| value.trim().to_owned());
    let sought = sought.unwrap_or_default();
    if sought.chars().count() > MOST_NAME {
        return Err(Error::invalid(Issue::new(Place::Query, "query", Fault::TooLong(MOST_NAME))));
    }
    let id = parse_id(&sought);
    // A cursor of another list would lead nowhere.
    let is_of_this = |place: &String| match id {
        Some(_) => false,
        None if sought.is_empty() => is_time_and_id(place),
        None => [searchable(&sought), searchable_identifier(&sought)]
            .iter()
            .any(|text| place.starts_with(text)),
    };
    let after = cursor
        .map(|cursor| place(&cursor).filter(is_of_this).ok_or_else(wrong_cursor))
        .transpose()?;
    let (users, next) = match id {
        _ if sought.is_empty() => {
            context.store().everyone(&operator, after.as_deref(), limit).await?
        }
        Some(id) => (context.store().listed_user(&operator, id).await?.into_iter().collect(), None),
        None => context.store().search(&operator, &sought, after.as_deref(), limit).await?,
    };
    let users: Vec<_> = users.into_iter().map(UserBody::from).collect();
    Ok(with_next(json(StatusCode::OK, &users), &request, next.map(base64::encode).as_deref()))
}

/// The place in a list that a cursor stands for.
fn place(cursor: &str) -> Option<String> {
    String::from_utf8(base64::decode(cursor).ok()?)
        .ok()
        .filter(|place| (1..=1024).contains(&place.len()))
}

/// Whether a place is one in the list of all: when a user was made, and the id.
fn is_time_and_id(place: &str) -> bool {
    place
        .split_once('\u{1f}')
        .is_some_and(|(time, id)| time.parse::<Timestamp>().is_ok() && parse_id(id).is_some())
}
