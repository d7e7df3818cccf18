//! GET `/api/v1/oauth/principal-token`: the token that the caller acts with, as an OAuth token
//! response (RFC 6749, section 5.1). With a delegated token it is one for the user to whom that was
//! given, which shows them who they can act for. It has the delegation's scopes and ends with it:
//! whoever holds a delegated token gets no more by it.

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
        (status = 200, description = "The token; with a delegated one, a token for the user to whom it was given, of the same scopes and no longer good", body = TokenResponse, headers(("cache-control", description = "`no-store`"))),
        Refusals,
    ),
    security(("bearer" = []), ("refreshed_token" = []), ("token_cookie" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let own = || context.credential(&request).map(str::to_owned);
    let answer = match token.delegation() {
        None => {
            context.caller::<SignedIn>(&token).await?;
            let scopes = DEFAULT_SCOPES.map(str::to_owned);
            TokenResponse::new(own()?, token.claims()?.seconds_left(context.now), &scopes)
        }
        Some(delegation) if token.is_principal() => {
            context.principal(&token, delegation).await?;
            context.note_delegation_used(&token, delegation).await?;
            TokenResponse::new(
                own()?,
                delegation.expires - context.now.as_second(),
                &delegation.scopes,
            )
        }
        Some(delegation) => {
            let issuer = context.issuer()?;
            let (_, signer) = futures::try_join!(
                context.principal(&token, delegation),
                issuer.ready(context.now)
            )?;
            let issued = signer.principal(delegation, context.now)?;
            let act = context.act(delegation, "principal_token.issued");
            context.store().note_principal(delegation, issued.id, &act).await?;
            TokenResponse::new(issued.text, issued.seconds_left, &delegation.scopes)
        }
    };
    Ok(answer.answer(StatusCode::OK))
}
