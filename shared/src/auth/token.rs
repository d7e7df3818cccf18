//! Tokens: those of the identity provider, and those that Roster signs itself, by which someone acts for another user.
//!
//! Roster's own are signed by an Ed25519 key that the functions which give tokens out alone hold. Its
//! public half stands in the table: whoever verifies a token cannot forge one.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header, encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::jwks::Jwks;
use super::published_key::PublishedKeys;
use super::signing_key::is_own_kid;
use super::{Credential, Delegation, VerifiedToken};
use crate::config::TokenConfig;
use crate::error::{Error, Result};
use crate::models::parse_id;
use crate::secrets::{Keyring, Keys};
use crate::store::Store;
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
    /// When the sign-in ends, where that is not when the token does. No token of the provider's says so.
    #[serde(skip)]
    signed_in_until: Option<i64>,
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
    /// When the sign-in ends that the token came from, in Unix seconds.
    pub fn signed_in_until(&self) -> i64 {
        self.signed_in_until.unwrap_or(self.exp as i64)
    }

    /// Whole seconds until the token ends; 0 once it is past.
    pub fn seconds_left(&self, now: Timestamp) -> i64 {
        (self.exp as i64).saturating_sub(now.as_second()).max(0)
    }
}

/// How far the provider's clock may be off, in seconds.
const LEEWAY: f64 = 30.0;

/// Verifies tokens against the configured keys, issuer and audience.
pub struct TokenVerifier {
    keyring: Arc<Keyring>,
    published: Arc<PublishedKeys>,
    jwks: Option<Jwks>,
    issuer: String,
    audience: String,
}

/// The `iss` of Roster's own tokens.
const OWN_ISSUER: &str = "roster";
/// How long Roster's own tokens are good, in seconds.
const OWN_LIFE: i64 = 3600;

/// The claims of Roster's own tokens (RFC 8693).
#[derive(Debug, Serialize, Deserialize)]
struct OwnClaims {
    iss: String,
    aud: String,
    sub: Uuid,
    iat: i64,
    exp: i64,
    scope: String,
    /// Who acts; absent where the subject does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    act: Option<Actor>,
    /// When the sign-in that this came from ends: no token that comes from this one is good for longer.
    signed_in_until: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Actor {
    sub: Uuid,
}

/// A token of Roster's own, and the seconds it is good for.
#[derive(Debug)]
pub struct IssuedToken {
    /// Its text.
    pub text: String,
    /// Whole seconds until it ends.
    pub seconds_left: i64,
}

/// Signs Roster's own tokens.
pub struct TokenIssuer {
    keyring: Arc<Keyring>,
    published: Arc<PublishedKeys>,
    store: Store,
    audience: String,
}

/// Signs with a key that every verifier finds in the table.
pub struct TokenSigner {
    keys: Arc<Keys>,
    audience: String,
}

impl TokenIssuer {
    /// An issuer by the settings; none for a function that signs nothing.
    pub fn new(config: &TokenConfig, keyring: Arc<Keyring>, published: Arc<PublishedKeys>, store: Store) -> Option<Self> {
        config.secrets.signing.as_ref()?;
        Some(Self { keyring, published, store, audience: config.audience.clone() })
    }

    /// A signer, once its key is published: the first time in a process, and again where the secret
    /// has changed.
    ///
    /// # Errors
    /// `Unavailable` where the table holds the key of a newer secret than there is to be read.
    pub async fn ready(&self, now: Timestamp) -> Result<TokenSigner> {
        let mut keys = self.keyring.keys(now).await;
        for attempt in 0..2 {
            if attempt > 0 {
                keys = self.keyring.refresh(now).await;
            }
            let Some(key) = &keys.signing else { break };
            if self.published.is_current(&key.public.kid) {
                return Ok(TokenSigner { keys, audience: self.audience.clone() });
            }
            if self.store.publish_signing_key(&key.public).await? {
                self.published.note(&key.public, now)?;
                return Ok(TokenSigner { keys, audience: self.audience.clone() });
            }
        }
        Err(Error::Unavailable("the table holds a signing key of a newer secret than SIGNING_SECRET".into()))
    }
}

impl TokenSigner {
    /// A token by which `actor`, who is signed in until then, acts for `user`.
    pub fn delegate(&self, user: Uuid, actor: Uuid, scopes: &[String], signed_in_until: i64, now: Timestamp) -> Result<IssuedToken> {
        self.issue(user, Some(Actor { sub: actor }), scopes, now.as_second() + OWN_LIFE, signed_in_until, now)
    }

    /// A token for the user who acts by a delegated one, as good as their own.
    ///
    /// # Errors
    /// `BadCredential` where the sign-in is over.
    pub fn principal(&self, delegation: &Delegation, scopes: &[String], now: Timestamp) -> Result<IssuedToken> {
        let until = delegation.signed_in_until;
        if until <= now.as_second() {
            return Err(Error::BadCredential("the sign-in is over"));
        }
        self.issue(delegation.actor, None, scopes, until.min(now.as_second() + OWN_LIFE), until, now)
    }

    fn issue(
        &self,
        sub: Uuid,
        act: Option<Actor>,
        scopes: &[String],
        exp: i64,
        signed_in_until: i64,
        now: Timestamp,
    ) -> Result<IssuedToken> {
        let claims = OwnClaims {
            iss: OWN_ISSUER.to_owned(),
            aud: self.audience.clone(),
            sub,
            iat: now.as_second(),
            exp,
            scope: scopes.join(" "),
            act,
            signed_in_until,
        };
        let key = self.keys.signing.as_ref().ok_or_else(|| Error::internal("no signing key"))?;
        let header = Header { kid: Some(key.public.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        let text = encode(&header, &claims, &key.encoding).map_err(Error::internal)?;
        Ok(IssuedToken { text, seconds_left: exp - now.as_second() })
    }
}

impl TokenVerifier {
    /// A verifier by the settings.
    pub fn new(config: &TokenConfig, keyring: Arc<Keyring>, published: Arc<PublishedKeys>, clock: Clock) -> Self {
        Self {
            keyring,
            published,
            jwks: config.jwks_url.as_ref().map(|url| Jwks::new(url.clone(), clock)),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
        }
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// `BadCredential`, or `Unavailable` where the provider's keys, or Roster's own, cannot be had.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<VerifiedToken> {
        let header = decode_header(token).map_err(|_| Error::BadCredential("not a token"))?;
        // RFC 7515, section 4.1.11: extensions that we do not know, and there is none that we know, must not be passed over.
        if header.crit.is_some() {
            return Err(Error::BadCredential("critical header"));
        }
        // The header only says which configured key to try. Each key then verifies by its own algorithm alone.
        let claims: Claims = if let Some(kid) = header.kid.as_deref().filter(|kid| is_own_kid(kid)) {
            // Only a token that may be good costs a read.
            if header.alg != Algorithm::EdDSA {
                return Err(Error::BadCredential("wrong algorithm"));
            }
            return self.verify_own(token, kid, now).await;
        } else if header.alg == Algorithm::HS256 {
            let keys = self.keyring.keys(now).await;
            let key = keys.provider.as_ref().ok_or(Error::BadCredential("no secret is configured"))?;
            self.check(token, key, Algorithm::HS256, &self.issuer)?
        } else {
            let jwks = self.jwks.as_ref().ok_or(Error::BadCredential("no JWKS is configured"))?;
            let key = jwks.find(header.kid.as_deref()).await?.ok_or(Error::BadCredential("unknown kid"))?;
            self.check(token, &key.decoding, key.algorithm, &self.issuer)?
        };
        let now = now.as_millisecond() as f64 / 1000.0;
        if claims.exp + LEEWAY <= now {
            return Err(Error::BadCredential("expired"));
        }
        if claims.nbf.is_some_and(|nbf| nbf - LEEWAY > now) {
            return Err(Error::BadCredential("not valid yet"));
        }
        Ok(VerifiedToken { user_id: claims.sub, kind: Credential::Token(Box::new(claims)) })
    }

    /// Verifies a token of Roster's own, whose clock it was made by.
    async fn verify_own(&self, token: &str, kid: &str, now: Timestamp) -> Result<VerifiedToken> {
        let key = self.published.find(kid, now).await?.ok_or(Error::BadCredential("not the current kid"))?;
        let claims: OwnClaims = self.check(token, &key.decoding, Algorithm::EdDSA, OWN_ISSUER)?;
        if claims.exp <= now.as_second() {
            return Err(Error::BadCredential("expired"));
        }
        let kind = match claims.act {
            Some(actor) => Credential::Delegated(Delegation {
                actor: actor.sub,
                scopes: claims.scope.split_whitespace().map(str::to_owned).collect(),
                expires: claims.exp,
                signed_in_until: claims.signed_in_until,
            }),
            None => Credential::Token(Box::new(Claims {
                sub: claims.sub,
                exp: claims.exp as f64,
                nbf: None,
                email: None,
                email_verified: None,
                user_metadata: serde_json::Value::Null,
                signed_in_until: Some(claims.signed_in_until),
            })),
        };
        Ok(VerifiedToken { user_id: claims.sub, kind })
    }

    fn check<T: DeserializeOwned>(&self, token: &str, key: &DecodingKey, algorithm: Algorithm, issuer: &str) -> Result<T> {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[&self.audience]);
        // Without this a token that lacks the claim would pass.
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Our clock decides, above.
        validation.validate_exp = false;
        decode::<T>(token, key, &validation).map(|data| data.claims).map_err(|error| {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debug_output_of_claims_has_the_id_alone() {
        let sub = "00000000-0000-4000-8000-000000000001";
        let claims = serde_json::json!({"sub": sub, "exp": 1.5, "email": "ada@example.com", "user_metadata": {"name": "Ada"}});
        let claims: Claims = serde_json::from_value(claims).unwrap();
        assert_eq!(format!("{claims:?}"), format!("Claims {{ sub: {sub}, .. }}"));
    }
}
