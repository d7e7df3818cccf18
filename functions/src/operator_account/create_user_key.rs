//! POST `/v1/admin/users/{user_id}/keys`: a key of the scope `operator` for a user, by a platform operator. Its text is shown this once.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::models::{KeyScope, Status};
use shared::store::{MadeApiKey, NewApiKey};
use shared::text::MOST_NAME;
use shared::{Error, Result};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Failures, Invalid, NoAccount, OperatorsOnly, StillRunning, TokenOnly, operators_view};
use crate::openapi::{IdempotencyKey, Text, words};
use crate::request::{optional_json_object, text};
use crate::{Context, Request, Response, json};

/// A key that was made, with its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorAccountUserKey, example = json!({
    "id": "019de2e1-7b80-7a51-9f0e-3c1d5b8a6e42",
    "key": "ns_live_ExampleExampleExampleExample",
    "prefix": "ns_live_Exam",
    "scope": "operator",
    "name": "support"
}))]
struct MadeKey<'a> {
    id: Uuid,
    /// The key itself.
    #[schema(pattern = "^ns_live_")]
    key: &'a str,
    /// The first 12 characters of the key.
    #[schema(min_length = 12, max_length = 12)]
    prefix: &'a str,
    #[schema(inline, value_type = MadeScope)]
    scope: KeyScope,
    #[schema(required)]
    name: Option<&'a str>,
}

/// A key of the scope `operator` for a user, by a platform operator.
///
/// Its text is shown this once. It takes a token: an API key makes none.
#[utoipa::path(
    post,
    path = "/v1/admin/users/{user_id}/keys",
    tag = "operator and account",
    operation_id = "operator_account.create_user_key",
    params(("user_id" = Uuid, description = "The user; what is no UUID is nobody's"), IdempotencyKey),
    request_body = Option<UserKeyInput>,
    responses(
        (status = 201, description = "The key", body = MadeKey),
        TokenOnly,
        OperatorsOnly,
        NoAccount,
        StillRunning,
        Invalid,
        Failures,
    ),
)]
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

words! {
    /// The one scope of these keys.
    MadeScope: [KeyScope::Operator.as_str()].into_iter();
}

/// What the key is to be.
#[derive(ToSchema)]
#[schema(example = json!({"name": "support"}))]
#[allow(dead_code)]
struct UserKeyInput {
    /// What the key is called.
    #[schema(inline)]
    name: Option<Text<{ MOST_NAME }>>,
}
