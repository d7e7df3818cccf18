//! POST `/v1/keys`: makes an API key for the caller, who needs a token for it. Its text is shown
//! this once.

use lambda_http::http::StatusCode;
use shared::auth::SteppedUp;
use shared::models::Permission;
use shared::store::NewApiKey;
use shared::text::MOST_NAME;
use shared::{Result, Timestamp};
use utoipa::ToSchema;

use super::key_input::{
    MAX_SCOPE, Network, allowed_ips, expires_at, latest_end, permissions, scope,
};
use super::{Conflict, Failures, Forbidden, Invalid, MadeKeyBody, TokenOnly};
use crate::openapi::{IdempotencyKey, Text};
use crate::request::{all, all3, optional_json_object, text};
use crate::{Context, Request, Response, json};

/// Makes an API key for the caller.
///
/// Its text is shown this once. It takes a token: an API key makes none.
#[utoipa::path(
    post,
    path = "/v1/keys",
    tag = "operator and account",
    operation_id = "operator_account.create_key",
    params(IdempotencyKey),
    request_body = Option<KeyInput>,
    responses(
        (status = 201, description = "The key", body = MadeKeyBody),
        TokenOnly,
        Forbidden,
        Conflict,
        Invalid,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let caller = context.caller::<SteppedUp>(&token).await?;
    let fields = optional_json_object(&request)?;
    let (name, scope, expires_at) = all3(
        text(&fields, "name", MOST_NAME),
        scope(&fields, &caller),
        expires_at(&fields, context),
    )?;
    let (permissions, allowed_ips) =
        all(permissions(&fields, &caller.user, false), allowed_ips(&fields))?;
    let usual = NewApiKey::until(expires_at.unwrap_or_else(|| latest_end(context)));
    let new = NewApiKey {
        name: name.flatten(),
        scope: scope.unwrap_or(usual.scope),
        permissions: permissions.unwrap_or(usual.permissions),
        allowed_ips: allowed_ips.unwrap_or_default(),
        expires_at: usual.expires_at,
    };
    let answer = |made| json(StatusCode::CREATED, &MadeKeyBody::from(made));
    context.store().create_api_key(&caller, new, &context.act(&caller, "key.created"), answer).await
}

/// What the key is to be.
#[derive(ToSchema)]
#[schema(example = json!({"name": "ci", "scope": "user", "permissions": ["account:read", "members:read"]}))]
#[allow(dead_code)]
struct KeyInput {
    /// What the key is called.
    #[schema(inline)]
    name: Option<Text<{ MOST_NAME }>>,
    /// A word for people to read; `user` where it is left out. `operator` is for platform
    /// operators.
    #[schema(inline)]
    scope: Option<Text<{ MAX_SCOPE }>>,
    /// What the key may do: no more than the role of its owner allows. Where it is left out:
    /// `account:read`, `sandboxes:read` and `sandboxes:write`.
    permissions: Option<Vec<Permission>>,
    /// The networks that the key may be used from; everywhere where it is left out.
    #[schema(inline, max_items = 20)]
    allowed_ips: Option<Vec<Network>>,
    /// When the key ends: a time to come, within the longest life of keys. Where it is left out,
    /// the key has that.
    expires_at: Option<Timestamp>,
}
