//! Tokens: those of the identity provider, and those that Roster signs itself, by which someone acts for another user.
//!
//! Roster's own are signed by an Ed25519 key that the functions which give tokens out alone hold. Its
//! public half stands in the table: whoever verifies a token cannot forge one.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header, encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::jwks::Jwks;
use super::published_key::PublishedKeys;
use super::signing_key::is_own_kid;
use super::step_up::{StepUp, has_factor};
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
    /// The time of issue, in Unix seconds.
    #[serde(default)]
    pub iat: Option<f64>,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(default)]
    aud: Option<Value>,
    #[serde(default)]
    client_id: Option<Value>,
    #[serde(default)]
    role: Option<Value>,
    #[serde(default)]
    is_anonymous: Option<Value>,
    /// The level of the sign-in (`aal1`, `aal2`), and its methods (RFC 8176).
    #[serde(default)]
    aal: Option<Value>,
    #[serde(default)]
    amr: Option<Value>,
    #[serde(default)]
    jti: Option<Value>,
    #[serde(default)]
    session_id: Option<Value>,
    /// The email that the provider vouches for; some send "" for none.
    #[serde(default)]
    pub email: Option<String>,
    /// Whether the provider says that the email is proven.
    #[serde(default)]
    pub email_verified: Option<bool>,
    /// What the user says of themselves: name, picture.
    #[serde(default)]
    pub user_metadata: Value,
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
    /// The id of the token, or else of the sign-in that it comes from. What is no short id counts as
    /// absent: it could say more than it should.
    pub fn token_id(&self) -> Option<&str> {
        let is_id =
            |text: &&str| (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        [&self.jti, &self.session_id].into_iter().find_map(|claim| claim.as_ref()?.as_str().filter(is_id))
    }

    /// When the sign-in ends that the token came from, in Unix seconds.
    pub fn signed_in_until(&self) -> i64 {
        self.exp as i64
    }

    /// Whole seconds until the token ends; 0 once it is past.
    pub fn seconds_left(&self, now: Timestamp) -> i64 {
        (self.exp as i64).saturating_sub(now.as_second()).max(0)
    }
}

/// The claims that a token of the provider's must have. Its audience is checked with its context.
const PROVIDER_CLAIMS: [&str; 3] = ["exp", "iss", "sub"];
/// The claims that a token of Roster's own must have, beside those of [`OwnClaims`].
const OWN_CLAIMS: [&str; 4] = ["exp", "iss", "aud", "sub"];

/// How far the provider's clock may be off, in seconds.
const LEEWAY: f64 = 30.0;

/// Verifies tokens against the configured keys, issuer and audience.
pub struct TokenVerifier {
    keyring: Arc<Keyring>,
    published: Arc<PublishedKeys>,
    jwks: Option<Jwks>,
    issuer: String,
    audience: String,
    roles: Vec<String>,
    clients: Vec<String>,
    factors: Vec<String>,
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
    jti: Uuid,
    /// The actor.
    act: Actor,
    /// The user whose delegation the token comes from, where that is not the subject: in a principal
    /// token, whose subject is who acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delegator: Option<Uuid>,
    /// The time at which the actor's own token was issued, where it told so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signed_in_at: Option<f64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Actor {
    sub: Uuid,
}

/// A token of Roster's own, and the seconds it is good for.
#[derive(Debug)]
pub struct IssuedToken {
    /// Its id.
    pub id: Uuid,
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
    /// A token by which `actor` acts for `user`: for an hour, and no longer than `sign_in` is good.
    ///
    /// # Errors
    /// `BadCredential` where the sign-in is over.
    pub fn delegate(&self, user: Uuid, actor: Uuid, scopes: &[String], sign_in: &Claims, now: Timestamp) -> Result<IssuedToken> {
        let until = (now.as_second() + OWN_LIFE).min(sign_in.signed_in_until());
        self.issue(user, Actor { sub: actor }, None, scopes, (until, sign_in.iat), now)
    }

    /// A token for the user who acts by a delegated one: of the same scopes, and no longer good.
    ///
    /// # Errors
    /// `BadCredential` where the delegation is over.
    pub fn principal(&self, delegation: &Delegation, now: Timestamp) -> Result<IssuedToken> {
        let Delegation { delegator, actor, scopes, expires, signed_in_at, .. } = delegation;
        self.issue(*actor, Actor { sub: *actor }, Some(*delegator), scopes, (*expires, *signed_in_at), now)
    }

    fn issue(
        &self,
        sub: Uuid,
        act: Actor,
        delegator: Option<Uuid>,
        scopes: &[String],
        (exp, signed_in_at): (i64, Option<f64>),
        now: Timestamp,
    ) -> Result<IssuedToken> {
        if exp <= now.as_second() {
            return Err(Error::BadCredential("the sign-in is over"));
        }
        let claims = OwnClaims {
            iss: OWN_ISSUER.to_owned(),
            aud: self.audience.clone(),
            sub,
            iat: now.as_second(),
            exp,
            scope: scopes.join(" "),
            jti: Uuid::new_v4(),
            act,
            delegator,
            signed_in_at,
        };
        let key = self.keys.signing.as_ref().ok_or_else(|| Error::internal("no signing key"))?;
        let header = Header { kid: Some(key.public.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        let text = encode(&header, &claims, &key.encoding).map_err(Error::internal)?;
        Ok(IssuedToken { id: claims.jti, text, seconds_left: exp - now.as_second() })
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
            roles: config.roles.clone(),
            clients: config.clients.clone(),
            factors: config.step_up.clone(),
        }
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// `BadCredential`, `TokenRefused` for one of a context that is not let in, or `Unavailable` where the provider's keys, or Roster's own, cannot be had.
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
            self.check(token, key, Algorithm::HS256, &self.issuer, &PROVIDER_CLAIMS)?
        } else {
            let jwks = self.jwks.as_ref().ok_or(Error::BadCredential("no JWKS is configured"))?;
            let key = jwks.find(header.kid.as_deref()).await?.ok_or(Error::BadCredential("unknown kid"))?;
            self.check(token, &key.decoding, key.algorithm, &self.issuer, &PROVIDER_CLAIMS)?
        };
        let now = now.as_millisecond() as f64 / 1000.0;
        if claims.exp + LEEWAY <= now {
            return Err(Error::BadCredential("expired"));
        }
        if claims.nbf.is_some_and(|nbf| nbf - LEEWAY > now) {
            return Err(Error::BadCredential("not valid yet"));
        }
        self.check_context(&claims)?;
        let step_up = self.step_up(has_factor(claims.aal.as_ref(), claims.amr.as_ref(), &self.factors));
        Ok(VerifiedToken { user_id: claims.sub, kind: Credential::Token(Box::new(claims)), step_up })
    }

    /// The state of a credential's second factor.
    pub(super) fn step_up(&self, has_factor: bool) -> StepUp {
        StepUp::of(&self.factors, has_factor)
    }

    /// Refuses a token of the provider's that was made for something else than a person's sign-in. What
    /// a token does not tell passes.
    fn check_context(&self, claims: &Claims) -> Result<()> {
        let is_one_of = |value: &Value, allowed: &[String]| value.as_str().is_some_and(|value| allowed.iter().any(|one| one == value));
        let own = std::slice::from_ref(&self.audience);
        match (&claims.aud, &claims.client_id) {
            // Cognito's access tokens: the client stands in for the audience.
            (None, Some(client)) if is_one_of(client, own) => {}
            (None, None) => return Err(Error::BadCredential("a claim is missing")),
            (None, Some(_)) => return Err(Error::BadCredential("wrong audience")),
            (Some(audience), client) => {
                let is_list =
                    || audience.as_array().is_some_and(|all| all.iter().all(Value::is_string) && all.iter().any(|one| is_one_of(one, own)));
                if !is_one_of(audience, own) && !is_list() {
                    return Err(Error::BadCredential("wrong audience"));
                }
                if client.as_ref().is_some_and(|client| !is_one_of(client, &self.clients)) {
                    return Err(Error::TokenRefused(
                        "This token was made for an app that is not let in here: its `client_id` is not allowed.",
                    ));
                }
            }
        }
        if claims.is_anonymous.as_ref().is_some_and(|value| *value != false) {
            return Err(Error::TokenRefused("This token is of an anonymous sign-in. Sign in with an account."));
        }
        if claims.role.as_ref().is_some_and(|role| !is_one_of(role, &self.roles)) {
            return Err(Error::TokenRefused("This token is not a signed-in person's: its `role` is not allowed."));
        }
        Ok(())
    }

    /// Verifies a token of Roster's own, whose clock it was made by.
    async fn verify_own(&self, token: &str, kid: &str, now: Timestamp) -> Result<VerifiedToken> {
        let key = self.published.find(kid, now).await?.ok_or(Error::BadCredential("not the current kid"))?;
        let claims: OwnClaims = self.check(token, &key.decoding, Algorithm::EdDSA, OWN_ISSUER, &OWN_CLAIMS)?;
        if claims.exp <= now.as_second() {
            return Err(Error::BadCredential("expired"));
        }
        let delegation = Delegation {
            token_id: claims.jti,
            delegator: claims.delegator.unwrap_or(claims.sub),
            actor: claims.act.sub,
            scopes: claims.scope.split_whitespace().map(str::to_owned).collect(),
            issued_at: claims.iat,
            expires: claims.exp,
            signed_in_at: claims.signed_in_at,
        };
        let kind = match claims.delegator {
            // Its subject is who acts.
            Some(_) if claims.sub != delegation.actor => return Err(Error::BadCredential("malformed")),
            Some(_) => Credential::Principal(delegation),
            None => Credential::Delegated(delegation),
        };
        Ok(VerifiedToken { user_id: claims.sub, kind, step_up: self.step_up(false) })
    }

    /// Checks the signature, the issuer and the audience, where there is one.
    fn check<T: DeserializeOwned>(
        &self,
        token: &str,
        key: &DecodingKey,
        algorithm: Algorithm,
        issuer: &str,
        required: &[&str],
    ) -> Result<T> {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[&self.audience]);
        // Without this a token that lacks the claim would pass.
        validation.set_required_spec_claims(required);
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
