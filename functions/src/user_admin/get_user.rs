//! GET `/api/admin/user-admin/{id}`: a user of the team, by number.

use lambda_http::Body;
use lambda_http::http::{HeaderMap, HeaderValue, StatusCode, header};
use shared::models::{Status, User};
use shared::{Error, Fault, Issue, Place, Result};

use super::UserBody;
use crate::request::path_parameter;
use crate::{Context, Request, Response, json};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let access = context.authenticate(&request).await?.team_admin()?;
    let id = path_parameter(&request, "id");
    let number = parse_number(&id)?;
    let not_found = || Error::NotFound(format!("Could not find a user with ID \"{id}\"."));
    // Numbers count from 1: no other is anyone's.
    let number = u64::try_from(number).map_err(|_| not_found())?;
    let user = context.store().user_by_number(&access, number).await?;
    let user = user.filter(|user| user.status != Status::Deleted).ok_or_else(not_found)?;
    let tag = entity_tag(&user);
    let mut response = if matches(request.headers(), &tag) {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        json(StatusCode::OK, &UserBody::from(user))
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// An integer of 64 bits with an optional sign.
fn parse_number(id: &str) -> Result<i64> {
    let digits = id.strip_prefix('-').unwrap_or(id);
    let number = if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) { id.parse().ok() } else { None };
    number.ok_or_else(|| Error::invalid(Issue::new(Place::Path, "id", Fault::NotAnInteger { min: i64::MIN, max: i64::MAX }).sent(id)))
}

/// Changes with everything that the body shows: the version, and the last sighting, which is no version.
fn entity_tag(user: &User) -> String {
    let seen = user.last_seen.as_ref().map_or(0, |seen| seen.at.as_second());
    format!("\"{}-{seen}\"", user.version)
}

/// Whether `If-None-Match` names the tag (RFC 9110, section 13.1.2: compared weakly).
fn matches(headers: &HeaderMap, tag: &str) -> bool {
    let tags =
        headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    tags.map(|candidate| candidate.trim()).any(|candidate| candidate == "*" || candidate.trim_start_matches("W/") == tag)
}
