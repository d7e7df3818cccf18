//! POST `/v1/keys/{key_id}/rotate`: a new key in place of an old one, which works on for a while:
//! 24 hours, or `overlap_seconds`.

use lambda_http::http::StatusCode;
use serde_json::{Map, Value};
use shared::auth::SteppedUp;
use shared::models::Permission;
use shared::store::KeyRotation;
use shared::text::MOST_NAME;
use shared::{Error, Fault, Issue, Place, Result, Timestamp};
use utoipa::ToSchema;

use super::key_input::{
    MAX_SCOPE, Network, allowed_ips, expires_at, longest_life, permissions, scope,
};
use super::{Conflict, Failures, Forbidden, Invalid, MadeKeyBody, NoKey, TokenOnly};
use crate::openapi::{IdempotencyKey, Text};
use crate::request::{all3, optional_json_object, path_id, text};
use crate::{Context, Request, Response, json};

const DEFAULT_OVERLAP: i64 = 86_400;
const MOST_OVERLAP: i64 = 604_800;

/// A new key in place of an old one of the caller's, which works on for a while.
///
/// The new key's text is shown this once. It takes a token: an API key makes none.
#[utoipa::path(
    post,
    path = "/v1/keys/{key_id}/rotate",
    tag = "operator and account",
    operation_id = "operator_account.rotate_key",
    params(("key_id" = Uuid, description = "The old key"), IdempotencyKey),
    request_body = Option<RotationInput>,
    responses(
        (status = 201, description = "The new key", body = MadeKeyBody),
        TokenOnly,
        Forbidden,
        NoKey,
        Conflict,
        Invalid,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let caller = context.caller::<SteppedUp>(&token).await?;
    let key_id = path_id(&request, "key_id").ok_or_else(Error::no_such_key)?;
    let fields = optional_json_object(&request)?;
    let (name, scope, expires_at) = all3(
        text(&fields, "name", MOST_NAME),
        scope(&fields, &caller),
        expires_at(&fields, context),
    )?;
    let (permissions, allowed_ips, overlap_seconds) = all3(
        permissions(&fields, &caller.user, false),
        allowed_ips(&fields),
        overlap_seconds(&fields),
    )?;
    let longest_life = longest_life(context);
    let rotation = KeyRotation {
        name: name.flatten(),
        scope,
        permissions,
        allowed_ips,
        expires_at,
        longest_life,
        overlap_seconds,
    };
    let answer = |made| json(StatusCode::CREATED, &MadeKeyBody::from(made));
    context
        .store()
        .rotate_api_key(&caller, key_id, &rotation, &context.act(&caller, "key.rotated"), answer)
        .await
}

fn overlap_seconds(fields: &Map<String, Value>) -> Result<i64, Issue> {
    let wrong = || {
        Issue::new(
            Place::Body,
            "overlap_seconds",
            Fault::NotAnInteger { min: 0, max: MOST_OVERLAP },
        )
    };
    match fields.get("overlap_seconds") {
        None | Some(Value::Null) => Ok(DEFAULT_OVERLAP),
        Some(value) => {
            value.as_i64().filter(|seconds| (0..=MOST_OVERLAP).contains(seconds)).ok_or_else(wrong)
        }
    }
}

/// How a key is replaced. What is left out, or null, stays as the old key has it.
#[derive(ToSchema)]
#[schema(example = json!({"overlap_seconds": 3600}))]
#[allow(dead_code)]
struct RotationInput {
    /// What the new key is called.
    #[schema(inline)]
    name: Option<Text<{ MOST_NAME }>>,
    /// A word for people to read; `operator` is for platform operators.
    #[schema(inline)]
    scope: Option<Text<{ MAX_SCOPE }>>,
    /// What the new key may do: no more than the role of its owner allows.
    permissions: Option<Vec<Permission>>,
    /// The networks that the new key may be used from; an empty list stands for everywhere.
    #[schema(inline, max_items = 20)]
    allowed_ips: Option<Vec<Network>>,
    /// When the new key ends: a time to come, within the longest life of keys. Where it is left
    /// out, a key that was given the longest life is given it again, and another ends when the old
    /// one would.
    expires_at: Option<Timestamp>,
    /// For how long the old key works on; a day where it is left out.
    #[schema(minimum = 0, maximum = 604_800)]
    overlap_seconds: Option<i64>,
}
