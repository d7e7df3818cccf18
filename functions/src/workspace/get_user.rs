//! GET `/users/{id}`: a user of the caller's team, or `me`. Whom the caller may not see is not
//! found.

use lambda_http::http::StatusCode;
use shared::auth::MembersRead;
use shared::models::parse_id;
use shared::{Error, Result};

use super::{ErrorBody, Refusals, UserBody, entry};
use crate::entity_tag::tagged;
use crate::request::path_parameter;
use crate::{Context, Request, Response, json};

/// A user of the caller's team, or `me`.
#[utoipa::path(
    get,
    path = "/users/{id}",
    tag = "workspace",
    operation_id = "workspace.get_user",
    params(("id" = String, Path, description = "`me`, or a user's id", example = "me")),
    responses(
        (status = 200, description = "The user", body = UserBody, headers(("etag", description = "The user's version"))),
        (status = 404, description = "There is no such user, or none that the caller may see", body = ErrorBody),
        Refusals,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<MembersRead>(&request).await?;
    let id = path_parameter(&request, "id");
    let user = match (parse_id(&id), caller.views_team()) {
        _ if id == "me" => Some(caller.user),
        (Some(id), _) if id == caller.user.id => Some(caller.user),
        (Some(id), Some(access)) => context.store().user_in_team(&access, id).await?,
        _ => None,
    };
    let user =
        user.ok_or_else(|| Error::NotFound("There is no such user in this workspace.".into()))?;
    Ok(tagged(json(StatusCode::OK, &UserBody::new(entry(user.clone()), &user.team_name)), &user))
}
