//! POST `/api/v1/oauth/delegated-token`: a token by which the caller acts for a user whom they manage, or who shared with them.

use lambda_http::http::StatusCode;
use shared::auth::granted;
use shared::models::parse_id;
use shared::{Error, Result};

use super::{SCOPES, TokenResponse, scopes};
use crate::context::DEFAULT_SCOPES;
use crate::request::{MOST_NAME, all3, json_object, required_text, text};
use crate::{Context, Request, Response};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let signed_in_until = token.claims()?.signed_in_until();
    let caller = context.caller(&token).await?.user;
    let fields = json_object(&request)?;
    let (sub, scopes, team_id) =
        all3(required_text(&fields, "sub", MOST_NAME), scopes(&fields, SCOPES), text(&fields, "team_id", MOST_NAME).map(Option::flatten))?;
    let refused = || Error::Forbidden("You neither manage this user, nor do they share this with you.");
    let sub = parse_id(&sub).filter(|sub| *sub != caller.id).ok_or_else(refused)?;
    let (user, share) = context.store().delegating(&caller, sub).await?.ok_or_else(refused)?;
    let granted = granted(&user, caller.id, share, &DEFAULT_SCOPES).ok_or_else(refused)?;
    if team_id.is_some_and(|team_id| parse_id(&team_id) != Some(user.team_id)) {
        return Err(refused());
    }
    let asked = scopes.filter(|scopes| !scopes.is_empty()).unwrap_or_else(|| granted.clone());
    if !asked.iter().all(|scope| granted.contains(scope)) {
        return Err(refused());
    }
    let scopes: Vec<_> = granted.into_iter().filter(|scope| asked.contains(scope)).collect();
    let issued = context.app.issuer.delegate(user.id, caller.id, &scopes, signed_in_until, context.now).await?;
    Ok(TokenResponse::new(issued.text, issued.seconds_left, &scopes).answer(StatusCode::OK))
}
