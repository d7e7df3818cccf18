//! DELETE `/api/admin/user-admin/{id}`: soft-deletes a user of the team. The last administrator
//! stays.

use lambda_http::Body;
use shared::Result;
use shared::models::{Status, User};
use shared::store::Act;

use super::{ErrorBody, Refusals, not_found, user_to_change};
use crate::{Context, Request, Response};

/// Soft-deletes a user of the team.
#[utoipa::path(
    delete,
    path = "/api/admin/user-admin/{id}",
    tag = "user-admin",
    operation_id = "user_admin.delete_user",
    params(("id" = i64, Path, description = "The user's number", example = 2)),
    responses(
        (status = 200, description = "The user is deleted; the body is empty"),
        (status = 400, description = "The number is none, or the user is the last administrator", body = ErrorBody),
        (status = 404, description = "The team has no such user", body = ErrorBody),
        Refusals,
    ),
    security(("bearer" = []), ("bare_key" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let (caller, user) = user_to_change(context, &request).await?;
    let may = |user: &User| {
        if user.status == Status::Deleted {
            Err(not_found(&user.number.to_string()))
        } else {
            Ok(())
        }
    };
    let act = Act { keeps_admin: true, ..context.act(&caller, "user.deleted") };
    context
        .store()
        .soft_delete(user, context.app.grace_days, &may, &act, &|_| Response::new(Body::Empty))
        .await
}
