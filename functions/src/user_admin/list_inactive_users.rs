//! GET `/api/admin/user-admin/inactive`: the people of the team who were not seen for 180 days.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::auth::MembersRead;
use shared::models::{AccountType, NumberedUser, Status, User};
use shared::{Result, Timestamp};
use utoipa::ToSchema;

use super::{ErrorBody, Refusals};
use crate::entity_tag::hashed;
use crate::openapi::IfNoneMatch;
use crate::request::{MAX_RESPONSE_BYTES, cursor_page, too_large, whole, with_next, wrong_cursor};
use crate::{Context, Request, Response, json};

/// Days without being seen that make a user inactive.
const INACTIVE_DAYS: i64 = 180;

/// The most users of a page.
const MAX_LIMIT: usize = 5000;

/// More users than a response holds: each takes more than 80 bytes.
const MAX_WHOLE: usize = MAX_RESPONSE_BYTES / 80;

/// Those who were not seen.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = InactiveUsers)]
struct Answer {
    /// Of the form of this answer: 1.
    version: u8,
    inactive_users: Vec<InactiveUser>,
}

/// Someone who was not seen.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": 10,
    "name": "Jonas Weber",
    "email": "jonas.weber@acme-robotics.example",
    "seenAt": null,
    "createdAt": "2025-05-27T09:30:00.000Z",
    "patSeenAt": null
}))]
struct InactiveUser {
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    username: Option<String>,
    /// Null for users who were never seen.
    #[schema(required)]
    seen_at: Option<Timestamp>,
    created_at: Timestamp,
    /// When a personal access token was last used: there are none here.
    #[schema(required)]
    pat_seen_at: Option<Timestamp>,
}

impl From<NumberedUser> for InactiveUser {
    fn from(user: NumberedUser) -> Self {
        Self {
            id: user.number,
            name: user.name,
            email: user.email,
            username: user.username,
            seen_at: user.seen_at,
            created_at: user.created_at,
            pat_seen_at: None,
        }
    }
}

/// The people of the team who were not seen for 180 days.
#[utoipa::path(
    get,
    path = "/api/admin/user-admin/inactive",
    tag = "user-admin",
    operation_id = "user_admin.list_inactive_users",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 5000, description = "At most so many users; all where it is left out"),
        ("cursor" = Option<String>, Query, pattern = "^[0-9]{1,20}$", description = "From the `link` of the page before"),
        IfNoneMatch,
    ),
    responses(
        (status = 200, description = "Those who were not seen for 180 days. A page may have fewer than `limit`, also none, and a next page", body = Answer,
            headers(("etag", description = "A hash of the users"), ("link", description = "The next page, as `<…>; rel=\"next\"`, where there is one"))),
        (status = 304, description = "The users are as `If-None-Match` names them", headers(("etag", description = "A hash of the users"))),
        (status = 400, description = "A parameter is wrong; or there is no `limit`, and all of them are more than one response holds", body = ErrorBody),
        Refusals,
    ),
    security(("bearer" = []), ("bare_key" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<MembersRead>(&request).await?;
    let access = caller.team_admin()?;
    // No limit, no pages: then all must fit.
    let (limit, cursor) = cursor_page(&request, MAX_WHOLE, MAX_LIMIT)?;
    let after = cursor.map(|cursor| cursor.parse().map_err(|_| wrong_cursor())).transpose()?;
    let since = context.now.plus_seconds(-86_400 * INACTIVE_DAYS);
    let is_page = limit <= MAX_LIMIT;
    let (mut users, next) =
        context.store().people_not_seen_since(&access, since, after, limit, is_page).await?;
    if next.is_some() && !is_page {
        return Err(too_large());
    }
    // Who asks is there, whether that is noted yet or not.
    users.retain(|user| user.number != caller.user.number);
    let response = json(
        StatusCode::OK,
        &Answer { version: 1, inactive_users: users.into_iter().map(InactiveUser::from).collect() },
    );
    let response = whole(with_next(response, &request, next.as_deref()))?;
    Ok(hashed(&request, response))
}

/// Whether a user counts as inactive: a person with an account of their own, who was not seen
/// since, or never and made before.
pub(super) fn is_inactive(user: &User, now: Timestamp) -> bool {
    let cutoff = now.plus_seconds(-86_400 * INACTIVE_DAYS);
    let at = user.last_seen.as_ref().map_or(user.created_at, |seen| seen.at);
    at < cutoff
        && user.status != Status::Deleted
        && user.account_type == AccountType::User
        && user.manager_id.is_none()
}
