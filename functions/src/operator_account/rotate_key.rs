//! POST `/v1/keys/{key_id}/rotate`: a new key in place of an old one, which works on for a while: 24 hours, or `overlap_seconds`.

use lambda_http::http::StatusCode;
use shared::{Error, Fault, Issue, Place, Result};

use super::MadeKeyBody;
use crate::request::{optional_json_object, path_id};
use crate::{Context, Request, Response, json};

const DEFAULT_OVERLAP: i64 = 86_400;
const MOST_OVERLAP: i64 = 604_800;

/// Answers the request.
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
