//! DELETE `/api/v1/users/shares/{user_id}`: the caller lets a user in no longer, from this moment on.

use lambda_http::http::StatusCode;
use shared::auth::SharingWrite;
use shared::{Error, Result};

use super::{ErrorBody, Refusals};
use crate::openapi::Null;
use crate::request::path_id;
use crate::{Context, Request, Response, json};

/// Lets a user in no longer, from this moment on.
#[utoipa::path(
    delete,
    path = "/api/v1/users/shares/{user_id}",
    tag = "managed users",
    operation_id = "managed_users.unshare",
    params(("user_id" = Uuid, Path, description = "The id of the user who is let in")),
    responses(
        (status = 200, description = "The user is let in no longer; the body is `null`", body = inline(Null)),
        (status = 404, description = "The caller shares nothing with a user of that id", body = ErrorBody),
        Refusals,
    ),
    security(("bearer" = []), ("refreshed_token" = []), ("token_cookie" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<SharingWrite>(&request).await?;
    let no_share = || Error::NotFound("You share nothing with a user of that id.".into());
    let grantee = path_id(&request, "user_id").ok_or_else(no_share)?;
    let unshared = context.store().unshare(&caller, grantee, &context.act(&caller, "share.revoked")).await?;
    if unshared { Ok(json(StatusCode::OK, &())) } else { Err(no_share()) }
}
