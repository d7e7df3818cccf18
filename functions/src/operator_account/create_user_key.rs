//! POST `/v1/admin/users/{user_id}/keys`: a key of the scope `operator` for a user, by a platform
//! operator. Its text is shown this once.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::models::{OPERATOR_SCOPE, Permission, Status};
use shared::store::{MadeApiKey, NewApiKey};
use shared::text::MOST_NAME;
use shared::{Error, Result, Timestamp};
use utoipa::ToSchema;
use uuid::Uuid;

use super::key_input::{minted_end, permissions};
use super::{Conflict, Failures, Invalid, NoAccount, OperatorsOnly, TokenOnly, operators_view};
use crate::openapi::{IdempotencyKey, Text, words};
use crate::request::{all, optional_json_object, text};
use crate::{Context, Request, Response, json};

/// A key that was made, with its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorAccountUserKey, example = json!({
    "id": "019de2e1-7b80-7a51-9f0e-3c1d5b8a6e42",
    "key": "ns_live_ExampleExampleExampleExample",
    "prefix": "ns_live_Exam",
    "scope": "operator",
    "name": "support",
    "permissions": ["account:read"],
    "expires_at": "2026-05-03T09:30:00.000Z"
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
    scope: &'a str,
    #[schema(required)]
    name: Option<&'a str>,
    /// What it may do, as far as its owner may.
    permissions: &'a [Permission],
    /// When it ends: after 24 hours.
    expires_at: Timestamp,
}

/// A key of the scope `operator` for a user, by a platform operator.
///
/// Its text is shown this once. It ends after 24 hours, and says who made it. Another platform
/// operator gets none. It takes a token: an API key makes none.
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
        Conflict,
        Invalid,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    token.claims()?;
    let (caller, records) = operators_view(context, &request, &token).await?;
    let fields = optional_json_object(&request)?;
    let (name, permissions) =
        all(text(&fields, "name", MOST_NAME), permissions(&fields, &records.user, true))?;
    // To the keys of others a deleted account is none.
    if records.user.status == Status::Deleted {
        return Err(Error::AccountNotFound);
    }
    let usual = NewApiKey::until(minted_end(context));
    let permissions = permissions.unwrap_or_else(|| usual.permissions.clone());
    let new =
        NewApiKey { name: name.flatten(), scope: OPERATOR_SCOPE.to_owned(), permissions, ..usual };
    let answer = |made: MadeApiKey| {
        let body = MadeKey {
            id: made.key.id,
            key: made.text.reveal(),
            prefix: made.text.prefix(),
            scope: &made.key.scope,
            name: made.key.name.as_deref(),
            permissions: &made.key.permissions,
            expires_at: made.key.expires_at,
        };
        json(StatusCode::CREATED, &body)
    };
    let act = context.act(&caller, "key.created");
    context.store().mint_api_key(&caller.operator(), &records.user, new, &act, answer).await
}

words! {
    /// The one scope of these keys.
    MadeScope: [OPERATOR_SCOPE].into_iter();
}

/// What the key is to be.
#[derive(ToSchema)]
#[schema(example = json!({"name": "support"}))]
#[allow(dead_code)]
struct UserKeyInput {
    /// What the key is called.
    #[schema(inline)]
    name: Option<Text<{ MOST_NAME }>>,
    /// What the key may do: no more than the role of its owner allows. Where it is left out:
    /// `account:read`, `sandboxes:read` and `sandboxes:write`.
    permissions: Option<Vec<Permission>>,
}
