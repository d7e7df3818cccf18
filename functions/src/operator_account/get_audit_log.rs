//! GET `/v1/admin/users/{user_id}/audit-log`: what was done to a user and by whom, newest first, for platform operators. It outlives
//! the user.

use lambda_http::http::{HeaderValue, StatusCode, header};
use shared::models::parse_id;
use shared::{Error, Fault, Issue, Place, Result};
use uuid::Uuid;

use crate::request::{integer, path_id, query};
use crate::{Context, Request, Response, json};

const DEFAULT_LIMIT: usize = 25;
const MOST_LIMIT: i64 = 100;

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let operator = context.authenticate(&request).await?.operator()?;
    let user_id = path_id(&request, "user_id").ok_or(Error::AccountNotFound)?;
    let (limit, before) = page(&request)?;
    let entries = context.store().audit_log(&operator, user_id, before, limit + 1).await?;
    if entries.is_empty() && before.is_none() && !context.store().user_exists(&operator, user_id).await? {
        return Err(Error::AccountNotFound);
    }
    let more = entries.len() > limit;
    let entries = &entries[..limit.min(entries.len())];
    let mut response = json(StatusCode::OK, &entries);
    if let Some(last) = entries.last().filter(|_| more) {
        let next = format!("</v1/admin/users/{user_id}/audit-log?limit={limit}&cursor={}>; rel=\"next\"", last.id);
        if let Ok(next) = HeaderValue::from_str(&next) {
            response.headers_mut().insert(header::LINK, next);
        }
    }
    Ok(response)
}

/// How many entries to answer, and before which.
fn page(request: &Request) -> Result<(usize, Option<Uuid>)> {
    let mut limit = DEFAULT_LIMIT;
    let mut before = None;
    for (name, value) in query(request) {
        match name.as_ref() {
            "limit" => {
                let number = integer(Place::Query, "limit", &value, 1, MOST_LIMIT).map_err(Error::invalid)?;
                limit = usize::try_from(number).unwrap_or(DEFAULT_LIMIT);
            }
            "cursor" => {
                let wrong = || Error::invalid(Issue::new(Place::Query, "cursor", Fault::NotA("the cursor of a former answer")));
                before = Some(parse_id(&value).ok_or_else(wrong)?);
            }
            _ => {}
        }
    }
    Ok((limit, before))
}
