//! GET `/v1/keys`: the caller's API keys, without their texts.

use lambda_http::http::StatusCode;
use shared::Result;
use shared::auth::AccountRead;
use shared::models::ApiKey;

use super::{Failures, Forbidden, Unauthorized};
use crate::{Context, Request, Response, json};

/// The caller's API keys, without their texts; revoked and expired ones too.
#[utoipa::path(
    get,
    path = "/v1/keys",
    tag = "operator and account",
    operation_id = "operator_account.list_keys",
    responses(
        (status = 200, description = "The keys, in the order of their making", body = Vec<ApiKey>),
        Unauthorized,
        Forbidden,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let (caller, keys) = futures::try_join!(context.caller::<AccountRead>(&token), context.store().api_keys(&token))?;
    Ok(json(StatusCode::OK, &keys.open(&caller)))
}
