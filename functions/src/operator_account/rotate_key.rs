//! POST `/v1/keys/{key_id}/rotate`: a new key in place of an old one, which works on for a while: 24 hours, or `overlap_seconds`.

use lambda_http::http::StatusCode;
use shared::{Error, Fault, Issue, Place, Result};
use utoipa::ToSchema;

use super::{Conflict, Failures, Forbidden, Invalid, MadeKeyBody, NoKey, TokenOnly};
use crate::openapi::IdempotencyKey;
use crate::request::{optional_json_object, path_id};
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
    token.claims()?;
    let caller = context.caller(&token).await?;
    let key_id = path_id(&request, "key_id").ok_or_else(Error::no_such_key)?;
    let overlap = match optional_json_object(&request)?.get("overlap_seconds") {
        None | Some(serde_json::Value::Null) => DEFAULT_OVERLAP,
        Some(value) => value
            .as_i64()
            .filter(|seconds| (0..=MOST_OVERLAP).contains(seconds))
            .ok_or_else(|| Error::invalid(Issue::new(Place::Body, "overlap_seconds", Fault::NotAnInteger { min: 0, max: MOST_OVERLAP })))?,
    };
    let act = context.act(caller.user.id, "key.rotated");
    let answer = |made| json(StatusCode::CREATED, &MadeKeyBody::from(made));
    context.store().rotate_api_key(caller.user.id, key_id, overlap, &act, answer).await
}

/// How a key is replaced.
#[derive(ToSchema)]
#[schema(example = json!({"overlap_seconds": 3600}))]
#[allow(dead_code)]
struct RotationInput {
    /// For how long the old key works on; a day where it is left out.
    #[schema(minimum = 0, maximum = 604_800)]
    overlap_seconds: Option<i64>,
}
