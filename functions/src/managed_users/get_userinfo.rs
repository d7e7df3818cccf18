//! GET `/api/v1/oauth/userinfo`: the claims of the user whom the caller acts as (OpenID Connect
//! Core, section 5.3).

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::auth::AccountRead;
use shared::models::User;
use shared::{Result, Timestamp};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Refusals;
use crate::{Context, Request, Response, json};

/// The claims of a user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "sub": "00000000-0000-4000-8000-000000000006",
    "given_name": "Emi",
    "family_name": "Tanaka",
    "email": "emi.tanaka@acme-robotics.example",
    "registered_at": "2025-04-12T09:30:00.000Z",
    "issue": null,
    "name": "Emi Tanaka"
}))]
struct UserInfo {
    sub: Uuid,
    #[schema(required)]
    given_name: Option<String>,
    #[schema(required)]
    family_name: Option<String>,
    #[schema(required)]
    email: Option<String>,
    registered_at: Timestamp,
    /// Always null: Roster holds no data that could be missing.
    #[schema(required)]
    issue: Option<String>,
    /// What the user is called; empty where the token does not open it.
    name: String,
}

/// The claims of the user whom the caller acts as.
///
/// A delegated token, or one that comes from it, takes the scope `openid`. The names take `profile`
/// then, and the email `email`.
#[utoipa::path(
    get,
    path = "/api/v1/oauth/userinfo",
    tag = "managed users",
    operation_id = "managed_users.get_userinfo",
    responses((status = 200, description = "The claims", body = UserInfo), Refusals),
    security(("bearer" = []), ("refreshed_token" = []), ("token_cookie" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let user = context.caller_or_principal::<AccountRead>(&token, "openid").await?;
    let opens = |scope| token.delegation().is_none_or(|delegation| delegation.has(scope));
    // Who has no name is called by their email.
    let user = User { email: user.email.filter(|_| opens("email")), ..user };
    let name = if opens("profile") { user.shown_name() } else { String::new() };
    let body = UserInfo {
        sub: user.id,
        given_name: user.first_name.filter(|_| opens("profile")),
        family_name: user.last_name.filter(|_| opens("profile")),
        email: user.email,
        registered_at: user.created_at,
        issue: None,
        name,
    };
    Ok(json(StatusCode::OK, &body))
}
