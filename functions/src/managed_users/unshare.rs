//! DELETE `/api/v1/users/shares/{user_id}`: the caller lets a user in no longer, from this moment on.

use lambda_http::http::StatusCode;
use shared::{Error, Result};

use crate::request::path_id;
use crate::{Context, Request, Response, json};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate(&request).await?.user;
    let no_share = || Error::NotFound("You share nothing with a user of that id.".into());
    let grantee = path_id(&request, "user_id").ok_or_else(no_share)?;
    let unshared = context.store().unshare(caller.id, grantee, &context.act(caller.id, "share.revoked")).await?;
    if unshared { Ok(json(StatusCode::OK, &())) } else { Err(no_share()) }
}
