//! POST `/api/v1/oauth/delegated-token`: a token by which the caller acts for a user whom they
//! manage, or who shared with them.

use lambda_http::http::StatusCode;
use shared::auth::{SignedIn, granted};
use shared::models::parse_id;
use shared::text::MOST_NAME;
use shared::{Error, Result};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{ErrorBody, Refusals, SCOPES, ScopeWord, TokenResponse, ValidationErrorBody, scopes};
use crate::context::DEFAULT_SCOPES;
use crate::openapi::IdempotencyKey;
use crate::request::{all3, json_object, required_text, text};
use crate::{Context, Request, Response};

/// For whom a token is to be made.
#[derive(ToSchema)]
#[schema(as = DelegatedTokenInput, example = json!({"sub": "00000000-0000-4000-8000-000000000061", "scopes": ["data:read"]}))]
#[allow(dead_code)]
struct Input {
    /// The id of a user whom the caller manages, or who shares with the caller.
    sub: Uuid,
    /// Those that the token is to have; all that are granted where there are none.
    #[schema(inline, value_type = Option<Vec<ScopeWord>>)]
    scopes: Option<Vec<ScopeWord>>,
    /// The user's team: another one is refused.
    team_id: Option<Uuid>,
}

/// A token by which the caller acts for someone whom they manage, or who shared with them.
#[utoipa::path(
    post,
    path = "/api/v1/oauth/delegated-token",
    tag = "managed users",
    operation_id = "managed_users.create_delegated_token",
    params(IdempotencyKey),
    request_body = Input,
    responses(
        (status = 200, description = "The token, good for an hour at most, and no longer than the sign-in", body = TokenResponse, headers(("cache-control", description = "`no-store`"))),
        (status = 409, description = "The same request is still running, or its answer cannot be given again", body = ErrorBody),
        (status = 422, description = "The body or the `Idempotency-Key` is wrong, or the key was used for another request", body = ValidationErrorBody),
        Refusals,
    ),
    security(("bearer" = []), ("refreshed_token" = []), ("token_cookie" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let sign_in = token.claims()?;
    let caller = context.caller::<SignedIn>(&token).await?;
    let fields = json_object(&request)?;
    let (sub, scopes, team_id) = all3(
        required_text(&fields, "sub", MOST_NAME),
        scopes(&fields, SCOPES),
        text(&fields, "team_id", MOST_NAME).map(Option::flatten),
    )?;
    let refused =
        || Error::Forbidden("You neither manage this user, nor do they share this with you.");
    let sub = parse_id(&sub).filter(|sub| *sub != caller.user.id).ok_or_else(refused)?;
    let issuer = context.issuer()?;
    let (found, signer) =
        futures::try_join!(context.store().delegating(&caller, sub), issuer.ready(context.now))?;
    let (user, share) = found.ok_or_else(refused)?;
    let granted = granted(&user, caller.user.id, share, &DEFAULT_SCOPES).ok_or_else(refused)?;
    if team_id.is_some_and(|team_id| parse_id(&team_id) != Some(user.team_id)) {
        return Err(refused());
    }
    let asked = scopes.filter(|scopes| !scopes.is_empty()).unwrap_or_else(|| granted.clone());
    if !asked.iter().all(|scope| granted.contains(scope)) {
        return Err(refused());
    }
    let scopes: Vec<_> = granted.into_iter().filter(|scope| asked.contains(scope)).collect();
    let issued = signer.delegate(user.id, caller.user.id, &scopes, sign_in, context.now)?;
    let response =
        TokenResponse::new(issued.text, issued.seconds_left, &scopes).answer(StatusCode::OK);
    let act = context.act(&caller, "delegated_token.issued");
    context.store().note_delegated(user.id, issued.id, &scopes, &act, &response).await?;
    Ok(response)
}
