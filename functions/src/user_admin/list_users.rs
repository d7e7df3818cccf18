//! GET `/api/admin/user-admin`: every user of the team, by number, and the root roles. With
//! `limit`, a page of them, and a `Link` to the next one. Without it all of them, where they fit
//! one response.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::Result;
use shared::auth::MembersRead;
use utoipa::ToSchema;

use super::{ErrorBody, ROOT_ROLES, Refusals, UserBody};
use crate::entity_tag::hashed;
use crate::openapi::IfNoneMatch;
use crate::request::{MAX_RESPONSE_BYTES, cursor_page, too_large, whole, with_next, wrong_cursor};
use crate::{Context, Request, Response, json};

/// The most users of a page.
const MAX_LIMIT: usize = 5000;

/// More users than a response holds: each takes more than 250 bytes.
const MAX_WHOLE: usize = MAX_RESPONSE_BYTES / 250;

/// Users, and the root roles.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TeamUsers)]
struct Answer {
    users: Vec<UserBody>,
    #[schema(value_type = Vec<RootRole>, min_items = 3, max_items = 3)]
    root_roles: [RootRole; 3],
}

/// A root role.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": 2,
    "name": "Editor",
    "type": "root",
    "description": "Works with everything in the instance but its users and settings."
}))]
struct RootRole {
    #[schema(minimum = 1, maximum = 3)]
    id: u8,
    name: &'static str,
    /// `root`, of all of them.
    #[serde(rename = "type")]
    kind: &'static str,
    description: &'static str,
}

/// The users of the team and the root roles.
#[utoipa::path(
    get,
    path = "/api/admin/user-admin",
    tag = "user-admin",
    operation_id = "user_admin.list_users",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 5000, description = "At most so many users; all where it is left out"),
        ("cursor" = Option<String>, Query, pattern = "^[0-9]{1,20}$", description = "From the `link` of the page before"),
        IfNoneMatch,
    ),
    responses(
        (status = 200, description = "The users, by number", body = Answer, headers(("etag", description = "A hash of the users"), ("link", description = "The next page, as `<…>; rel=\"next\"`, where there is one"))),
        (status = 304, description = "The users are as `If-None-Match` names them", headers(("etag", description = "A hash of the users"))),
        (status = 400, description = "A parameter is wrong; or there is no `limit`, and all of them are more than one response holds", body = ErrorBody),
        Refusals,
    ),
    security(("bearer" = []), ("bare_key" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let access = context.authenticate::<MembersRead>(&request).await?.team_admin()?;
    // No limit, no pages: then all must fit.
    let (limit, cursor) = cursor_page(&request, MAX_WHOLE, MAX_LIMIT)?;
    let after = cursor.map(|cursor| cursor.parse().map_err(|_| wrong_cursor())).transpose()?;
    let (users, next) = context.store().users_by_number(&access, after, limit).await?;
    if next.is_some() && limit == MAX_WHOLE {
        return Err(too_large());
    }
    let answer = Answer {
        users: users.into_iter().map(UserBody::from).collect(),
        root_roles: ROOT_ROLES.map(|(id, _, name, description)| RootRole {
            id,
            name,
            kind: "root",
            description,
        }),
    };
    let response = whole(with_next(json(StatusCode::OK, &answer), &request, next.as_deref()))?;
    Ok(hashed(&request, response))
}
