//! DELETE `/v1/keys/{key_id}`: revokes one of the caller's API keys. It stops at once, and stays listed.

use lambda_http::http::StatusCode;
use shared::{Error, Result};

use super::Success;
use crate::request::path_id;
use crate::{Context, Request, Response, json};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    token.claims()?;
    let caller = context.caller(&token).await?;
    let key_id = path_id(&request, "key_id").ok_or_else(Error::no_such_key)?;
    context.store().revoke_api_key(caller.user.id, key_id, &context.act(caller.user.id, "key.revoked")).await?;
    Ok(json(StatusCode::OK, &Success { success: true, scheduled_hard_delete_at: None }))
}
