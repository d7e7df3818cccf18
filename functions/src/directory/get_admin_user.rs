//! GET `/api/v1/admin_user/{id}`: a user of an account in full, for its administrators and platform
//! operators.

use shared::Result;
use shared::auth::MembersRead;

use super::{Details, ErrorBody, Refusals, Success, administered_user, user_answer};
use crate::{Context, Request, Response};

/// A user of an account in full.
#[utoipa::path(
    get,
    path = "/api/v1/admin_user/{id}",
    tag = "directory",
    operation_id = "directory.get_admin_user",
    params(("id" = Uuid, Path, description = "The user's id")),
    responses(
        (status = 200, description = "The user", body = Success<Details>, headers(("etag", description = "The user's version"))),
        (status = 404, description = "There is no such user, or none that the caller may see", body = ErrorBody),
        Refusals,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let (_, user) = administered_user::<MembersRead>(context, &request).await?;
    Ok(user_answer(&user))
}
