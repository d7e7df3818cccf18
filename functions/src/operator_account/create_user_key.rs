//! POST `/v1/admin/users/{user_id}/keys`: a key of the scope `operator` for a user, by a platform operator. Its text is shown this once.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::models::{KeyScope, Status};
use shared::store::{MadeApiKey, NewApiKey};
use shared::{Error, Result};
use uuid::Uuid;

use super::operators_view;
use crate::request::{MOST_NAME, optional_json_object, text};
use crate::{Context, Request, Response, json};

#[derive(Debug, Serialize)]
struct MadeKey<'a> {
    id: Uuid,
    key: &'a str,
    prefix: &'a str,
    scope: KeyScope,
    name: Option<&'a str>,
}

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    token.claims()?;
    let (caller, records) = operators_view(context, &request, &token).await?;
    let name = text(&optional_json_object(&request)?, "name", MOST_NAME).map_err(Error::invalid)?.flatten();
    // To the keys of others a deleted account is none.
    if records.user.status == Status::Deleted {
        return Err(Error::AccountNotFound);
    }
    let new = NewApiKey { name, scope: KeyScope::Operator, expires_at: None };
    let answer = |made: MadeApiKey| {
        let body = MadeKey {
            id: made.key.id,
            key: made.text.reveal(),
            prefix: made.text.prefix(),
            scope: made.key.scope,
            name: made.key.name.as_deref(),
        };
        json(StatusCode::CREATED, &body)
    };
    context.store().create_api_key(records.user.id, new, &context.act(caller.user.id, "key.created"), answer).await
}
