//! GET `/api/admin/user-admin/search`: users of the team whose name, username or email begins with `q`, for any of its members. They see
//! who it is, and nothing that only administrators should.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::Result;
use shared::auth::MembersRead;
use shared::models::User;
use utoipa::ToSchema;

use super::Refusals;
use crate::request::query;
use crate::{Context, Request, Response, json};

/// The fewest and the most characters to search by: fewer find nobody, and nobody's name is longer.
const LENGTHS: std::ops::RangeInclusive<usize> = 2..=255;

/// A user as colleagues find them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = FoundUser, example = json!({"id": 4, "name": "Dara Sok", "email": "dara.sok@acme-robotics.example"}))]
struct Found {
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
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    image_url: Option<String>,
}

impl From<User> for Found {
    fn from(user: User) -> Self {
        Self { id: user.number, name: user.name, email: user.email, username: user.username, image_url: user.avatar_url }
    }
}

/// Users of the team by the beginning of their name, username or email, for any member.
#[utoipa::path(
    get,
    path = "/api/admin/user-admin/search",
    tag = "user-admin",
    operation_id = "user_admin.search_users",
    params(
        ("q" = Option<String>, Query, description = "What a name, username or email begins with; fewer than 2 characters find nobody"),
    ),
    responses(
        (status = 200, description = "Those who were found", body = Vec<Found>),
        Refusals,
    ),
    security(("bearer" = []), ("bare_key" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<MembersRead>(&request).await?;
    let text = query(&request).into_iter().find(|(name, _)| name == "q").map(|(_, value)| value.trim().to_owned()).unwrap_or_default();
    let users = if LENGTHS.contains(&text.chars().count()) { context.store().search_team(&caller, &text).await? } else { Vec::new() };
    Ok(json(StatusCode::OK, &users.into_iter().map(Found::from).collect::<Vec<_>>()))
}
