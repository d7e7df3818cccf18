//! GET `/api/admin/user-admin/{id}`: a user of the team, by number.

use lambda_http::http::StatusCode;
use shared::Result;
use shared::auth::MembersRead;
use shared::models::Status;

use super::{ErrorBody, Refusals, UserBody, not_found, number};
use crate::entity_tag::unless_known;
use crate::openapi::IfNoneMatch;
use crate::request::path_parameter;
use crate::{Context, Request, Response, json};

/// A user of the team.
#[utoipa::path(
    get,
    path = "/api/admin/user-admin/{id}",
    tag = "user-admin",
    operation_id = "user_admin.get_user",
    params(("id" = i64, Path, description = "The user's number", example = 2), IfNoneMatch),
    responses(
        (status = 200, description = "The user", body = UserBody, headers(("etag", description = "The user's version")), example = json!({
            "id": 2,
            "name": "Ada King",
            "email": "ada@example.com",
            "imageUrl": "https://avatars.example/ada.png",
            "loginAttempts": 0,
            "rootRole": 1,
            "seenAt": "2026-05-02T09:28:00.000Z",
            "createdAt": "2026-01-01T00:00:00.000Z",
            "accountType": "User",
            "scimId": null,
            "seatType": null,
            "companyRole": null,
            "productUpdatesEmailConsent": null
        })),
        (status = 304, description = "The user is as `If-None-Match` names it", headers(("etag", description = "The user's version"))),
        (status = 400, description = "The number is none", body = ErrorBody, example = json!({
            "id": "9c40958a-daac-400e-98fb-3bb438567008",
            "name": "BadDataError",
            "message": "Request validation failed: the request's body or parameters are not what we expect. See `details`.",
            "details": [{"message": "The `/params/id` property must be integer. You sent \"abc\".", "path": "/params/id"}]
        })),
        (status = 404, description = "The team has no such user", body = ErrorBody),
        Refusals,
    ),
    security(("bearer" = []), ("bare_key" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let access = context.authenticate::<MembersRead>(&request).await?.team_admin()?;
    let id = path_parameter(&request, "id");
    let user = context.store().numbered_user(&access, number(&id)?).await?;
    let user =
        user.filter(|user| user.class.status != Status::Deleted).ok_or_else(|| not_found(&id))?;
    Ok(unless_known(&request, json(StatusCode::OK, &UserBody::from(user.clone())), &user))
}
