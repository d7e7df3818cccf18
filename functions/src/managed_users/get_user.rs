//! GET `/api/v1/users/{user_id}`: a user whom the caller manages.

use shared::Result;
use shared::auth::ManagedUsersRead;

use super::{ErrorBody, Refusals, UserResponse, managed_user, user_answer};
use crate::{Context, Request, Response};

/// A user whom the caller manages.
#[utoipa::path(
    get,
    path = "/api/v1/users/{user_id}",
    tag = "managed users",
    operation_id = "managed_users.get_user",
    params(("user_id" = Uuid, Path, description = "The user's id")),
    responses(
        (status = 200, description = "The user", body = UserResponse, headers(("etag", description = "The user's version"))),
        (status = 404, description = "The caller manages no user of that id", body = ErrorBody),
        Refusals,
    ),
    security(("bearer" = []), ("refreshed_token" = []), ("token_cookie" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let (_, user) = managed_user::<ManagedUsersRead>(context, &request).await?;
    Ok(user_answer(&user))
}
