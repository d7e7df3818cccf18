//! POST `/v1/keys/default`: makes the caller's default API key. Where there is one that works, it is answered without its text.

use lambda_http::http::StatusCode;
use shared::Result;
use shared::auth::SteppedUp;
use shared::models::ApiKey;

use super::key_input::latest_end;
use super::{Conflict, Failures, Forbidden, InvalidKey, MadeKeyBody, TokenOnly};
use crate::openapi::IdempotencyKey;
use crate::{Context, Request, Response, json};

/// Makes the caller's default API key.
///
/// Where there is one that works, it is answered without its text. It takes a token: an API key makes none.
#[utoipa::path(
    post,
    path = "/v1/keys/default",
    tag = "operator and account",
    operation_id = "operator_account.create_default_key",
    params(IdempotencyKey),
    responses(
        (status = 201, description = "The key, which is new", body = MadeKeyBody),
        (status = 200, description = "The key, which there was already", body = ApiKey),
        TokenOnly,
        Forbidden,
        Conflict,
        InvalidKey,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let caller = context.caller::<SteppedUp>(&token).await?;
    let act = context.act(&caller, "key.created");
    let answer = |key| match key {
        Ok(made) => json(StatusCode::CREATED, &MadeKeyBody::from(made)),
        Err(present) => json(StatusCode::OK, &present),
    };
    context.store().create_default_api_key(&caller, latest_end(context), &act, answer).await
}
