//! POST `/v1/keys`: makes an API key for the caller, who needs a token for it. Its text is shown this once.

use lambda_http::http::StatusCode;
use serde_json::{Map, Value};
use shared::auth::Caller;
use shared::models::KeyScope;
use shared::store::NewApiKey;
use shared::text::MOST_NAME;
use shared::{Fault, Issue, Place, Result, Timestamp};
use utoipa::ToSchema;

use super::{Failures, Forbidden, Invalid, MadeKeyBody, StillRunning, TokenOnly};
use crate::openapi::{IdempotencyKey, Text};
use crate::request::{all3, optional_json_object, text};
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
        StillRunning,
        Invalid,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    token.claims()?;
    let caller = context.caller(&token).await?;
    let fields = optional_json_object(&request)?;
    let (name, scope, expires_at) = all3(text(&fields, "name", MOST_NAME), scope(&fields, &caller), expires_at(&fields, context.now))?;
    let new = NewApiKey { name: name.flatten(), scope, expires_at };
    let answer = |made| json(StatusCode::CREATED, &MadeKeyBody::from(made));
    context.store().create_api_key(caller.user.id, new, &context.act(caller.user.id, "key.created"), answer).await
}

/// Every scope; whoever is no platform operator may ask for the first alone.
const SCOPES: &[&str] = &["user", "operator"];

/// The scope; `user` where none is asked for.
fn scope(fields: &Map<String, Value>, caller: &Caller) -> Result<KeyScope, Issue> {
    let allowed = if caller.operator().is_ok() { SCOPES } else { &SCOPES[..1] };
    let Some(word) = text(fields, "scope", MOST_NAME)?.flatten() else { return Ok(KeyScope::User) };
    let scope = KeyScope::from_word(&word).filter(|scope| allowed.contains(&scope.as_str()));
    scope.ok_or_else(|| Issue::new(Place::Body, "scope", Fault::NotOneOf(allowed)))
}

/// When the key ends: a time to come.
fn expires_at(fields: &Map<String, Value>, now: Timestamp) -> Result<Option<Timestamp>, Issue> {
    let wrong = || Issue::new(Place::Body, "expires_at", Fault::NotA("a time to come, as 2030-01-01T00:00:00Z"));
    match text(fields, "expires_at", MOST_NAME)?.flatten() {
        None => Ok(None),
        Some(time) => time.parse().ok().filter(|time| *time > now).map(Some).ok_or_else(wrong),
    }
}

/// What the key is to be.
#[derive(ToSchema)]
#[schema(example = json!({"name": "ci", "scope": "user", "expires_at": "2099-01-01T00:00:00Z"}))]
#[allow(dead_code)]
struct KeyInput {
    /// What the key is called.
    #[schema(inline)]
    name: Option<Text<{ MOST_NAME }>>,
    /// `user` where it is left out; `operator` is for platform operators.
    scope: Option<KeyScope>,
    /// When the key ends: a time to come.
    expires_at: Option<Timestamp>,
}
