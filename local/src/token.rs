//! Tokens like the identity provider's, signed with the local secret.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use shared::Timestamp;
use shared::config::{SecretSource, TokenConfig};
use uuid::Uuid;

use crate::Failure;

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: Uuid,
    email: &'a str,
    role: &'static str,
    iat: i64,
    exp: i64,
}

/// A token for a user, good for `ttl` from `now`.
pub fn issue(
    config: &TokenConfig,
    sub: Uuid,
    email: &str,
    ttl: Duration,
    now: Timestamp,
) -> Result<String, Failure> {
    let Some(SecretSource::Text(secret)) = &config.secrets.provider else {
        return Err("tokens are made with JWT_SECRET, which is not set".into());
    };
    let iat = now.as_second();
    let exp = iat.saturating_add(i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX));
    let claims = Claims {
        iss: &config.issuer,
        aud: &config.audience,
        sub,
        email,
        role: "authenticated",
        iat,
        exp,
    };
    Ok(encode(
        &Header::new(Algorithm::HS256),
        &claims,
        &EncodingKey::from_secret(secret.as_bytes()),
    )?)
}
