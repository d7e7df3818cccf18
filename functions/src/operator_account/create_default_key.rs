//! POST `/v1/keys/default`: makes the caller's default API key. Where there is one that works, it is answered without its text.

use lambda_http::http::StatusCode;
use shared::Result;

use super::MadeKeyBody;
use crate::{Context, Request, Response, json};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    token.claims()?;
    let caller = context.caller(&token).await?;
    let act = context.act(caller.user.id, "key.created");
    let answer = |key| match key {
        Ok(made) => json(StatusCode::CREATED, &MadeKeyBody::from(made)),
        Err(present) => json(StatusCode::OK, &present),
    };
    context.store().create_default_api_key(caller.user.id, &act, answer).await
}
