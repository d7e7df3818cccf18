//! DELETE `/v1/keys/{key_id}`: revokes one of the caller's API keys. It stops at once, and stays
//! listed.

use lambda_http::http::StatusCode;
use shared::auth::SignedIn;
use shared::{Error, Result};

use super::{Failures, Forbidden, NoKey, Success, TokenOnly};
use crate::request::path_id;
use crate::{Context, Request, Response, json};

/// Revokes one of the caller's API keys.
///
/// It stops at once, and stays listed. It takes a token: an API key revokes none.
#[utoipa::path(
    delete,
    path = "/v1/keys/{key_id}",
    tag = "operator and account",
    operation_id = "operator_account.revoke_key",
    params(("key_id" = Uuid, description = "The key")),
    responses(
        (status = 200, description = "It is revoked", body = Success, example = json!({"success": true})),
        TokenOnly,
        Forbidden,
        NoKey,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let caller = context.caller::<SignedIn>(&token).await?;
    let key_id = path_id(&request, "key_id").ok_or_else(Error::no_such_key)?;
    context.store().revoke_api_key(&caller, key_id, &context.act(&caller, "key.revoked")).await?;
    Ok(json(StatusCode::OK, &Success { success: true, scheduled_hard_delete_at: None }))
}
