//! GET `/api/admin/user-admin/admin-count`: how many administrators the team has. Nobody has a
//! password here.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::Result;
use shared::auth::MembersRead;
use utoipa::ToSchema;

use super::Refusals;
use crate::entity_tag::hashed;
use crate::openapi::IfNoneMatch;
use crate::{Context, Request, Response, json};

/// The administrators of a team.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"password": 0, "noPassword": 7, "service": 1}))]
struct AdminCount {
    /// Always 0: nobody has a password here.
    password: u64,
    /// The people.
    no_password: u64,
    /// The service accounts.
    service: u64,
}

/// How many administrators the team has.
#[utoipa::path(
    get,
    path = "/api/admin/user-admin/admin-count",
    tag = "user-admin",
    operation_id = "user_admin.get_admin_count",
    params(IfNoneMatch),
    responses(
        (status = 200, description = "How many there are", body = AdminCount, headers(("etag", description = "A hash of the counts"))),
        (status = 304, description = "There are as many as `If-None-Match` names", headers(("etag", description = "A hash of the counts"))),
        Refusals,
    ),
    security(("bearer" = []), ("bare_key" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let access = context.authenticate::<MembersRead>(&request).await?.team_admin()?;
    let (people, machines) = context.store().admins(&access).await?;
    let count = AdminCount { password: 0, no_password: people, service: machines };
    Ok(hashed(&request, json(StatusCode::OK, &count)))
}
