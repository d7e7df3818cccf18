//! DELETE `/api/v1/users/{user_id}`: erases a user whom the caller manages, with everything of
//! theirs, at once and for good.

use lambda_http::http::StatusCode;
use shared::Result;
use shared::auth::ManagedUsersWrite;
use shared::models::User;
use shared::store::Erasure;

use super::{ErrorBody, Refusals, managed_user_of_any_status, not_found};
use crate::openapi::Null;
use crate::{Context, Request, Response, json};

/// Erases a user whom the caller manages, at once and for good.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{user_id}",
    tag = "managed users",
    operation_id = "managed_users.delete_user",
    params(("user_id" = Uuid, Path, description = "The user's id")),
    responses(
        (status = 200, description = "The user is erased; the body is `null`", body = inline(Null)),
        (status = 404, description = "The caller manages no user of that id", body = ErrorBody),
        Refusals,
    ),
    security(("bearer" = []), ("refreshed_token" = []), ("token_cookie" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    // Where an earlier attempt was cut off, the user is marked deleted already.
    let (caller, user) = managed_user_of_any_status::<ManagedUsersWrite>(context, &request).await?;
    let is_managed = |user: &User| user.manager_id == Some(caller.user.id);
    let erased =
        context.store().erase(user, is_managed, &context.act(&caller, "user.erased")).await?;
    // Where it is unfinished the purge does the rest.
    if erased == Erasure::NotOurs { Err(not_found()) } else { Ok(json(StatusCode::OK, &())) }
}
