//! POST `/v1/keys/default`: makes the caller's default API key. Where there is one that works, it
//! is answered without its text.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::Result;
use shared::auth::SteppedUp;
use shared::models::ApiKey;
use shared::store::MadeApiKey;
use utoipa::ToSchema;

use super::key_input::latest_end;
use super::{Conflict, Failures, Forbidden, InvalidKey, TokenOnly};
use crate::openapi::IdempotencyKey;
use crate::{Context, Request, Response, json};

/// The default key, with its text where it is new.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorAccountDefaultKey, example = json!({
    "created": true,
    "id": "019de2e1-7b80-7a51-9f0e-3c1d5b8a6e42",
    "prefix": "ns_live_Exam",
    "is_active": true,
    "name": "default",
    "created_at": "2026-05-02T09:30:00.000Z",
    "last_used_at": null,
    "scope": "user",
    "permissions": ["account:read", "sandboxes:read", "sandboxes:write"],
    "allowed_ips": [],
    "expires_at": "2027-05-02T09:30:00.000Z",
    "revoked_at": null,
    "rotation_parent_key_id": null,
    "minted_by": null,
    "key": "ns_live_ExampleExampleExampleExample"
}))]
struct DefaultKeyBody {
    /// True where this request made the key.
    created: bool,
    #[serde(flatten)]
    key: ApiKey,
    /// The key itself, where this request made it.
    #[serde(rename = "key", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^ns_live_")]
    text: Option<String>,
}

/// Makes the caller's default API key.
///
/// Where there is one that works, it is answered without its text. It takes a token: an API key
/// makes none.
#[utoipa::path(
    post,
    path = "/v1/keys/default",
    tag = "operator and account",
    operation_id = "operator_account.create_default_key",
    params(IdempotencyKey),
    responses(
        (status = 201, description = "The key, which is new", body = DefaultKeyBody),
        (status = 200, description = "The key, which there was already", body = DefaultKeyBody),
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
    let answer = |key: Result<MadeApiKey, ApiKey>| match key {
        Ok(made) => {
            let text = Some(made.text.reveal().to_owned());
            json(StatusCode::CREATED, &DefaultKeyBody { created: true, key: made.key, text })
        }
        Err(key) => json(StatusCode::OK, &DefaultKeyBody { created: false, key, text: None }),
    };
    context.store().create_default_api_key(&caller, latest_end(context), &act, answer).await
}
