//! Tokens of the identity provider.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use uuid::Uuid;

use super::jwks::Jwks;
use crate::config::TokenConfig;
use crate::error::{Error, Result};
use crate::models::parse_id;
use crate::time::{Clock, Timestamp};

/// What Roster reads of a token.
#[derive(Clone, Deserialize)]
pub struct Claims {
    /// The user's id.
    #[serde(deserialize_with = "id")]
    pub sub: Uuid,
    /// When it ends, in Unix seconds.
    pub exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
    /// The email that the provider vouches for; some send "" for none.
    #[serde(default)]
    pub email: Option<String>,
    /// Whether the provider says that the email is proven.
    #[serde(default)]
    pub email_verified: Option<bool>,
    /// What the user says of themselves: name, picture.
    #[serde(default)]
    pub user_metadata: serde_json::Value,
}

/// An id in the one form that ids have everywhere else.
fn id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
    parse_id(&String::deserialize(deserializer)?).ok_or_else(|| serde::de::Error::custom("not an id"))
}

impl std::fmt::Debug for Claims {
    /// Only the id: the rest is personal.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Claims").field("sub", &self.sub).finish_non_exhaustive()
    }
}

impl Claims {
    /// Whole seconds until the token ends; 0 once it is past.
    pub fn seconds_left(&self, now: Timestamp) -> i64 {
        (self.exp as i64).saturating_sub(now.as_second()).max(0)
    }
}

/// How far the provider's clock may be off, in seconds.
const LEEWAY: f64 = 30.0;

/// Verifies tokens against the configured keys, issuer and audience.
pub struct TokenVerifier {
    secret: Option<DecodingKey>,
    jwks: Option<Jwks>,
    issuer: String,
    audience: String,
}

impl TokenVerifier {
    /// A verifier by the settings.
    pub fn new(config: &TokenConfig, clock: Clock) -> Self {
        Self {
            secret: config.secret.as_ref().map(|secret| DecodingKey::from_secret(secret.as_bytes())),
            jwks: config.jwks_url.as_ref().map(|url| Jwks::new(url.clone(), clock)),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
        }
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// `BadCredential`, or `Unavailable` where the provider's keys cannot be had.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims> {
        let header = decode_header(token).map_err(|_| Error::BadCredential("not a token"))?;
        // RFC 7515, section 4.1.11: extensions that we do not know, and there is none that we know, must not be passed over.
        if header.crit.is_some() {
            return Err(Error::BadCredential("critical header"));
        }
        // The header only says which configured key to try. Each key then verifies by its own algorithm alone.
        let claims = if header.alg == Algorithm::HS256 {
            let key = self.secret.as_ref().ok_or(Error::BadCredential("no secret is configured"))?;
            self.check(token, key, Algorithm::HS256)?
        } else {
            let jwks = self.jwks.as_ref().ok_or(Error::BadCredential("no JWKS is configured"))?;
            let key = jwks.find(header.kid.as_deref()).await?.ok_or(Error::BadCredential("unknown kid"))?;
            self.check(token, &key.decoding, key.algorithm)?
        };
        let now = now.as_millisecond() as f64 / 1000.0;
        if claims.exp + LEEWAY <= now {
            return Err(Error::BadCredential("expired"));
        }
        if claims.nbf.is_some_and(|nbf| nbf - LEEWAY > now) {
            return Err(Error::BadCredential("not valid yet"));
        }
        Ok(claims)
    }

    fn check(&self, token: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<Claims> {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        // Without this a token that lacks the claim would pass.
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Our clock decides, above.
        validation.validate_exp = false;
        decode::<Claims>(token, key, &validation).map(|data| data.claims).map_err(|error| {
            use jsonwebtoken::errors::ErrorKind;
            Error::BadCredential(match error.kind() {
                ErrorKind::InvalidSignature => "wrong signature",
                ErrorKind::InvalidIssuer => "wrong issuer",
                ErrorKind::InvalidAudience => "wrong audience",
                ErrorKind::InvalidAlgorithm => "wrong algorithm",
                ErrorKind::MissingRequiredClaim(_) => "a claim is missing",
                _ => "malformed",
            })
        })
    }
}
