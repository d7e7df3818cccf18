//! Tokens: those of the identity provider, and those that Roster signs itself, by which someone
//! acts for another user.
//!
//! Roster's own are signed by an Ed25519 key that the functions which give tokens out alone hold.
//! Its public half stands in the table: whoever verifies a token cannot forge one.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, Header, encode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::jwks::{Jwks, KeySource};
use super::jws::Jws;
use super::person_id::PersonIds;
use super::published_key::PublishedKeys;
use super::signing_key::is_own_kid;
use super::step_up::{StepUp, has_factor};
use super::{Credential, Delegation, VerifiedToken};
use crate::config::TokenConfig;
use crate::error::{Error, Result};
use crate::secrets::{Keyring, Keys};
use crate::store::Store;
use crate::time::{Clock, Timestamp};

/// The claims of a verified token of the provider's.
///
/// A claim that authentication does not need never decides it: of a type that it should not have,
/// it counts as absent.
#[derive(Clone)]
pub struct Claims {
    /// The user's id.
    pub user_id: Uuid,
    /// When it ends, in Unix seconds.
    pub exp: f64,
    /// The time of issue, in Unix seconds.
    pub iat: Option<f64>,
    /// The email that the provider vouches for; some send "" for none.
    pub email: Option<String>,
    /// True or false where the provider says so of the email: that it is proven.
    pub email_verified: Option<bool>,
    /// The user's own word of themselves: name, picture.
    pub user_metadata: Value,
    jti: Option<Value>,
    session_id: Option<Value>,
}

/// The claims as the provider sends them. `null` is an absent claim.
#[derive(Default, Deserialize)]
#[serde(default)]
struct SentClaims {
    iss: Option<Value>,
    sub: Option<Value>,
    aud: Option<Value>,
    exp: Option<Value>,
    iat: Option<Value>,
    nbf: Option<Value>,
    client_id: Option<Value>,
    role: Option<Value>,
    is_anonymous: Option<Value>,
    /// Firebase's own claims: how the person signed in is among them.
    firebase: Option<Value>,
    /// The level of the sign-in (`aal1`, `aal2`), and its methods (RFC 8176).
    aal: Option<Value>,
    amr: Option<Value>,
    jti: Option<Value>,
    session_id: Option<Value>,
    email: Option<Value>,
    email_verified: Option<Value>,
    user_metadata: Value,
}

/// Seconds since 1970, also where they are sent as a text.
fn seconds(value: &Value) -> Option<f64> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_f64(),
    };
    number.filter(|seconds: &f64| seconds.is_finite())
}

/// A truth value, also where it is sent as a text, as some providers do.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

impl SentClaims {
    /// The time at which the token ends.
    ///
    /// # Errors
    /// `BadCredential` where it is over or not told, and for a token that is not valid yet.
    fn valid_until(&self, now: f64) -> Result<f64> {
        let exp = match &self.exp {
            None => return Err(Error::BadCredential("a claim is missing")),
            Some(exp) => exp.as_f64().ok_or(Error::BadCredential("malformed"))?,
        };
        if exp + LEEWAY <= now {
            return Err(Error::BadCredential("expired"));
        }
        // A start that cannot be read may be yet to come.
        let nbf =
            self.nbf.as_ref().map(|nbf| seconds(nbf).ok_or(Error::BadCredential("malformed")));
        if nbf.transpose()?.is_some_and(|nbf| nbf - LEEWAY > now) {
            return Err(Error::BadCredential("not valid yet"));
        }
        Ok(exp)
    }

    /// The subject: a text that is not empty.
    fn subject(&self) -> Result<&str> {
        match &self.sub {
            None => Err(Error::BadCredential("a claim is missing")),
            Some(sub) => {
                let text = sub.as_str().filter(|sub| !sub.is_empty());
                text.ok_or(Error::BadCredential("malformed"))
            }
        }
    }

    /// The claims of a verified token.
    fn verified(self, user_id: Uuid, exp: f64) -> Claims {
        let text = |value: Value| match value {
            Value::String(text) => Some(text),
            _ => None,
        };
        Claims {
            user_id,
            exp,
            iat: self.iat.as_ref().and_then(seconds),
            email: self.email.and_then(text),
            email_verified: self.email_verified.as_ref().and_then(truth),
            user_metadata: self.user_metadata,
            jti: self.jti,
            session_id: self.session_id,
        }
    }
}

impl std::fmt::Debug for Claims {
    /// Only the id: the rest is personal.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Claims").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

impl Claims {
    /// The id of the token, or else of the sign-in that it comes from. What is no short id counts
    /// as absent: it could say more than it should.
    pub fn token_id(&self) -> Option<&str> {
        let is_id = |text: &&str| {
            (1..=64).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        [&self.jti, &self.session_id]
            .into_iter()
            .find_map(|claim| claim.as_ref()?.as_str().filter(is_id))
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

/// How far the provider's clock may be off, in seconds.
const LEEWAY: f64 = 30.0;

/// The people without an account, to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newcomers {
    /// They may sign up.
    Welcome,
    /// They are nobody.
    Unknown,
}

/// Verifies tokens against the configured keys, issuer and audience.
pub struct TokenVerifier {
    keyring: Arc<Keyring>,
    published: Arc<PublishedKeys>,
    people: PersonIds,
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
    /// The user whose delegation the token comes from, where that is not the subject: in a
    /// principal token, whose subject is who acts.
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
    pub fn new(
        config: &TokenConfig,
        keyring: Arc<Keyring>,
        published: Arc<PublishedKeys>,
        store: Store,
    ) -> Option<Self> {
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
        Err(Error::Unavailable(
            "the table holds a signing key of a newer secret than SIGNING_SECRET".into(),
        ))
    }
}

impl TokenSigner {
    /// A token by which `actor` acts for `user`: for an hour, and no longer than `sign_in` is good.
    ///
    /// # Errors
    /// `BadCredential` where the sign-in is over.
    pub fn delegate(
        &self,
        user: Uuid,
        actor: Uuid,
        scopes: &[String],
        sign_in: &Claims,
        now: Timestamp,
    ) -> Result<IssuedToken> {
        let until = (now.as_second() + OWN_LIFE).min(sign_in.signed_in_until());
        self.issue(user, Actor { sub: actor }, None, scopes, (until, sign_in.iat), now)
    }

    /// A token for the user who acts by a delegated one: of the same scopes, and no longer good.
    ///
    /// # Errors
    /// `BadCredential` where the delegation is over.
    pub fn principal(&self, delegation: &Delegation, now: Timestamp) -> Result<IssuedToken> {
        let Delegation { delegator, actor, scopes, expires, signed_in_at, .. } = delegation;
        self.issue(
            *actor,
            Actor { sub: *actor },
            Some(*delegator),
            scopes,
            (*expires, *signed_in_at),
            now,
        )
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
    pub fn new(
        config: &TokenConfig,
        keyring: Arc<Keyring>,
        published: Arc<PublishedKeys>,
        people: PersonIds,
        clock: Clock,
    ) -> Self {
        Self {
            keyring,
            published,
            people,
            jwks: key_source(config).map(|source| Jwks::new(source, clock)),
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
    /// `BadCredential`, `TokenRefused` for one of a context that is not let in, or `Unavailable`
    /// where the provider's keys, or Roster's own, cannot be had.
    pub async fn verify(
        &self,
        token: &str,
        newcomers: Newcomers,
        now: Timestamp,
    ) -> Result<VerifiedToken> {
        let token = Jws::read(token)?;
        if token.kid.as_deref().is_some_and(is_own_kid) {
            return self.verify_own(&token, now).await;
        }
        match token.algorithm {
            Some(Algorithm::HS256) => {
                let keys = self.keyring.keys(now).await;
                let no_secret = Error::BadCredential("no secret is configured");
                let key = keys.provider.as_ref().ok_or(no_secret)?;
                if !token.is_signed_by(key, Algorithm::HS256) {
                    return Err(Error::BadCredential("wrong signature"));
                }
            }
            Some(_) => {
                let no_jwks = Error::BadCredential("no JWKS is configured");
                self.jwks.as_ref().ok_or(no_jwks)?.verify(&token).await?;
            }
            None => return Err(Error::BadCredential("wrong algorithm")),
        }
        let claims: SentClaims = token.claims()?;
        require_text(claims.iss.as_ref(), &self.issuer, "wrong issuer")?;
        let exp = claims.valid_until(now.as_millisecond() as f64 / 1000.0)?;
        let sub = claims.subject()?;
        self.check_context(&claims)?;
        // Only a token that is good in all else costs a read.
        let user_id = match newcomers {
            Newcomers::Welcome => self.people.find_or_make(sub).await?,
            Newcomers::Unknown => {
                let id = self.people.find(sub).await?;
                id.ok_or(Error::BadCredential("no such user"))?
            }
        };
        let has_factor = has_factor(claims.aal.as_ref(), claims.amr.as_ref(), &self.factors);
        let kind = Credential::Token(Box::new(claims.verified(user_id, exp)));
        Ok(VerifiedToken { user_id, kind, step_up: self.step_up(has_factor) })
    }

    /// The state of a credential's second factor.
    pub(super) fn step_up(&self, has_factor: bool) -> StepUp {
        StepUp::of(&self.factors, has_factor)
    }

    /// Refuses a token of the provider's that was made for something else than a person's sign-in.
    /// What a token does not tell passes.
    fn check_context(&self, claims: &SentClaims) -> Result<()> {
        let is_one_of = |value: &Value, allowed: &[String]| {
            value.as_str().is_some_and(|value| allowed.iter().any(|one| one == value))
        };
        let own = std::slice::from_ref(&self.audience);
        match (&claims.aud, &claims.client_id) {
            // Cognito's access tokens: the client stands in for the audience.
            (None, Some(client)) if is_one_of(client, own) => {}
            (None, None) => return Err(Error::BadCredential("a claim is missing")),
            (None, Some(_)) => return Err(Error::BadCredential("wrong audience")),
            (Some(audience), client) => {
                let is_list = || {
                    audience.as_array().is_some_and(|all| {
                        all.iter().all(Value::is_string)
                            && all.iter().any(|one| is_one_of(one, own))
                    })
                };
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
        let firebase = claims.firebase.as_ref();
        let by_firebase = firebase.is_some_and(|claims| claims["sign_in_provider"] == "anonymous");
        // Anything but a plain no may be a yes.
        let is_anonymous =
            claims.is_anonymous.as_ref().is_some_and(|value| truth(value) != Some(false));
        if by_firebase || is_anonymous {
            return Err(Error::TokenRefused(
                "This token is of an anonymous sign-in. Sign in with an account.",
            ));
        }
        if claims.role.as_ref().is_some_and(|role| !is_one_of(role, &self.roles)) {
            return Err(Error::TokenRefused(
                "This token is not a signed-in person's: its `role` is not allowed.",
            ));
        }
        Ok(())
    }

    /// Verifies a token of Roster's own, whose clock it was made by.
    async fn verify_own(&self, token: &Jws<'_>, now: Timestamp) -> Result<VerifiedToken> {
        // Only a token that may be good costs a read.
        if token.algorithm != Some(Algorithm::EdDSA) {
            return Err(Error::BadCredential("wrong algorithm"));
        }
        let kid = token.kid.as_deref().unwrap_or_default();
        let key = self.published.find(kid, now).await?;
        let key = key.ok_or(Error::BadCredential("not the current kid"))?;
        if !token.is_signed_by(&key.decoding, Algorithm::EdDSA) {
            return Err(Error::BadCredential("wrong signature"));
        }
        let claims: OwnClaims = token.claims()?;
        if claims.iss != OWN_ISSUER {
            return Err(Error::BadCredential("wrong issuer"));
        }
        if claims.aud != self.audience {
            return Err(Error::BadCredential("wrong audience"));
        }
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
            Some(_) if claims.sub != delegation.actor => {
                return Err(Error::BadCredential("malformed"));
            }
            Some(_) => Credential::Principal(delegation),
            None => Credential::Delegated(delegation),
        };
        Ok(VerifiedToken { user_id: claims.sub, kind, step_up: self.step_up(false) })
    }
}

/// The place where the provider's public keys are, unless it signs by a secret alone.
fn key_source(config: &TokenConfig) -> Option<KeySource> {
    match (&config.jwks_url, &config.secrets.provider) {
        (Some(url), _) => Some(KeySource::Url(url.clone())),
        (None, None) => Some(KeySource::Issuer(config.issuer.clone())),
        (None, Some(_)) => None,
    }
}

/// Holds a claim against the only text that it may be.
fn require_text(claim: Option<&Value>, wanted: &str, wrong: &'static str) -> Result<()> {
    match claim {
        None => Err(Error::BadCredential("a claim is missing")),
        Some(claim) if claim == wanted => Ok(()),
        Some(_) => Err(Error::BadCredential(wrong)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn verified(claims: Value) -> Claims {
        let sent: SentClaims = serde_json::from_value(claims).unwrap();
        let exp = sent.valid_until(0.0).unwrap();
        sent.verified(Uuid::nil(), exp)
    }

    #[test]
    fn the_debug_output_of_claims_has_the_id_alone() {
        let metadata = json!({"name": "Ada"});
        let claims = json!({"exp": 1.5, "email": "ada@example.com", "user_metadata": metadata});
        let shown = format!("{:?}", verified(claims));
        assert_eq!(shown, format!("Claims {{ user_id: {}, .. }}", Uuid::nil()));
    }

    #[test]
    fn a_claim_of_another_type_is_absent() {
        for (sent, expected) in [
            (json!(true), Some(true)),
            (json!(false), Some(false)),
            (json!("true"), Some(true)),
            (json!("false"), Some(false)),
            (json!("TRUE"), None),
            (json!("yes"), None),
            (json!(1), None),
            (json!([true]), None),
            (json!({}), None),
            (Value::Null, None),
        ] {
            let claims = verified(json!({"exp": 1, "email_verified": sent}));
            assert_eq!(claims.email_verified, expected, "{sent}");
        }
        for sent in [json!(["ada@example.com"]), json!({}), json!(5), json!(true), Value::Null] {
            assert_eq!(verified(json!({"exp": 1, "email": sent})).email, None, "{sent}");
        }
        for (sent, expected) in [
            (json!(5), Some(5.0)),
            (json!("5"), Some(5.0)),
            (json!("inf"), None),
            (json!("NaN"), None),
            (json!("yesterday"), None),
            (json!([5]), None),
        ] {
            assert_eq!(verified(json!({"exp": 1, "iat": sent})).iat, expected, "{sent}");
        }
    }
}
