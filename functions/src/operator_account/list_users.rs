//! GET `/v1/admin/users`: users of all teams, newest first, or those whose id is `query`, or whose email, name or display name begins with
//! it; for platform operators.

use aws_smithy_types::base64;
use lambda_http::http::StatusCode;
use shared::models::parse_id;
use shared::{Error, Fault, Issue, Place, Result};

use super::UserBody;
use crate::request::{MOST_NAME, cursor_page, query, with_next, wrong_cursor};
use crate::{Context, Request, Response, json};

const DEFAULT_LIMIT: usize = 25;
const MOST_LIMIT: usize = 100;

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let operator = context.authenticate(&request).await?.operator()?;
    let (limit, cursor) = cursor_page(&request, DEFAULT_LIMIT, MOST_LIMIT)?;
    let after = cursor.map(|cursor| place(&cursor).ok_or_else(wrong_cursor)).transpose()?;
    let sought = query(&request).into_iter().find(|(name, _)| name == "query").map(|(_, value)| value.trim().to_owned());
    let sought = sought.unwrap_or_default();
    if sought.chars().count() > MOST_NAME {
        return Err(Error::invalid(Issue::new(Place::Query, "query", Fault::TooLong(MOST_NAME))));
    }
    let (users, next) = match parse_id(&sought) {
        _ if sought.is_empty() => context.store().everyone(&operator, after.as_deref(), limit).await?,
        Some(id) => (context.store().listed_user(&operator, id).await?.into_iter().collect(), None),
        None => context.store().search(&operator, &sought, after.as_deref(), limit).await?,
    };
    let users: Vec<_> = users.into_iter().map(UserBody::from).collect();
    Ok(with_next(json(StatusCode::OK, &users), &request, next.map(base64::encode).as_deref()))
}

/// The place in a list that a cursor stands for.
fn place(cursor: &str) -> Option<String> {
    String::from_utf8(base64::decode(cursor).ok()?).ok().filter(|place| (1..=1024).contains(&place.len()))
}
