//! GET `/api/admin/user-admin/inactive`: the people of the team who were not seen for 180 days.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::auth::{MembersRead, TeamAccess};
use shared::models::{AccountType, Status, User};
use shared::{Result, Timestamp};
use utoipa::ToSchema;

use super::Refusals;
use crate::{Context, Request, Response, json};

/// Days without being seen that make a user inactive.
const INACTIVE_DAYS: i64 = 180;

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
    /// Null for users who were never seen.
    #[schema(required)]
    seen_at: Option<Timestamp>,
    created_at: Timestamp,
    /// When a personal access token was last used: there are none here.
    #[schema(required)]
    pat_seen_at: Option<Timestamp>,
}

impl From<User> for InactiveUser {
    fn from(user: User) -> Self {
        Self {
            id: user.number,
            name: user.name,
            email: user.email,
            seen_at: user.last_seen.map(|seen| seen.at),
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
    responses(
        (status = 200, description = "Those who were not seen for 180 days", body = Answer),
        Refusals,
    ),
    security(("bearer" = []), ("bare_key" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<MembersRead>(&request).await?;
    let mut users = inactive(context, &caller.team_admin()?).await?;
    // Who asks is there, whether that is noted yet or not.
    users.retain(|user| user.id != caller.user.id);
    users.sort_unstable_by_key(|user| user.number);
    Ok(json(StatusCode::OK, &Answer { version: 1, inactive_users: users.into_iter().map(InactiveUser::from).collect() }))
}

async fn inactive(context: &Context, access: &TeamAccess<MembersRead>) -> Result<Vec<User>> {
    let mut users = context.store().last_seen_before(access, context.now.plus_seconds(-86_400 * INACTIVE_DAYS)).await?;
    users.retain(|user| is_inactive(user, context.now));
    Ok(users)
}

/// Whether a user counts as inactive: a person with an account of their own, who was not seen since, or never and made before.
pub(super) fn is_inactive(user: &User, now: Timestamp) -> bool {
    let cutoff = now.plus_seconds(-86_400 * INACTIVE_DAYS);
    let at = user.last_seen.as_ref().map_or(user.created_at, |seen| seen.at);
    at < cutoff && user.status != Status::Deleted && user.account_type == AccountType::User && user.manager_id.is_none()
}
