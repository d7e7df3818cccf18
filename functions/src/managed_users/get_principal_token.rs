//! GET `/api/v1/oauth/principal-token`: the token that the caller acts with, as an OAuth token response (RFC 6749, section 5.1).

use lambda_http::http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use shared::Result;

use super::DEFAULT_SCOPES;
use crate::{Context, Request, Response, json};

#[derive(Debug, Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    refresh_token: Option<String>,
    scope: String,
    id_token: Option<String>,
}

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    context.caller(&token).await?;
    let answer = TokenResponse {
        access_token: context.credential(&request)?,
        token_type: "Bearer",
        expires_in: token.claims()?.seconds_left(context.now),
        refresh_token: None,
        scope: DEFAULT_SCOPES.join(" "),
        id_token: None,
    };
    let mut response = json(StatusCode::OK, &answer);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
