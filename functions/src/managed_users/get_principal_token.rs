//! GET `/api/v1/oauth/principal-token`: the token that the caller acts with, as an OAuth token response (RFC 6749, section 5.1). With a
//! delegated token it is one for the user to whom it was given: so they go back to acting for themselves.

use lambda_http::http::StatusCode;
use shared::Result;
use shared::auth::SignedIn;

use super::{Refusals, TokenResponse};
use crate::context::DEFAULT_SCOPES;
use crate::{Context, Request, Response};

/// The token that the caller acts with.
#[utoipa::path(
    get,
    path = "/api/v1/oauth/principal-token",
    tag = "managed users",
    operation_id = "managed_users.get_principal_token",
    responses(
        (status = 200, description = "The token; with a delegated one, a token for the user to whom it was given", body = TokenResponse, headers(("cache-control", description = "`no-store`"))),
        Refusals,
    ),
    security(("bearer" = []), ("refreshed_token" = []), ("token_cookie" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let own_scopes = DEFAULT_SCOPES.map(str::to_owned);
    let answer = match token.delegation() {
        None => {
            context.caller::<SignedIn>(&token).await?;
            TokenResponse::new(context.credential(&request)?.to_owned(), token.claims()?.seconds_left(context.now), &own_scopes)
        }
        Some(delegation) => {
            let issuer = context.issuer()?;
            let (_, signer) = futures::try_join!(context.principal(&token, delegation), issuer.ready(context.now))?;
            let issued = signer.principal(delegation, &own_scopes, context.now)?;
            TokenResponse::new(issued.text, issued.seconds_left, &own_scopes)
        }
    };
    Ok(answer.answer(StatusCode::OK))
}
