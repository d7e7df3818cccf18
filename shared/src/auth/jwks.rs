//! The identity provider's public keys (RFC 7517), fetched when they are first needed and kept.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

use super::jwk::PublicKey;
use super::jws::Jws;
use crate::address::is_safe;
use crate::error::{Cause, Error, Result};
use crate::http;
use crate::time::{Clock, Timestamp};

/// Seconds for which fetched keys are good.
const FRESH: i64 = 600;
/// Seconds for which they are used where no newer ones can be fetched.
const STALE: i64 = 3600;
/// Seconds for which the address of a key set that was discovered is used.
const DISCOVERED: i64 = 86_400;
/// Seconds between fetches that an unknown `kid` or a failure causes.
const PAUSE: i64 = 30;
/// The largest key set that is read, in bytes.
const MOST_BYTES: usize = 256 * 1024;
/// The most characters of a `kid` in the log.
const MAX_SHOWN_KID: usize = 64;
const TIMEOUT: Duration = Duration::from_secs(2);

/// The place where the keys are.
pub enum KeySource {
    /// The address of the key set.
    Url(String),
    /// The issuer, whose configuration (OpenID Connect Discovery 1.0) names that address.
    Issuer(String),
}

/// The keys of one provider.
pub struct Jwks {
    source: KeySource,
    clock: Clock,
    state: Mutex<State>,
    /// Held while fetching, so that there is one fetch at a time.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    keys: Option<(Timestamp, Arc<Vec<PublicKey>>)>,
    tried_at: Option<Timestamp>,
    /// The address of the key set, as the issuer's configuration had it.
    discovered: Option<(Timestamp, String)>,
    /// The keys that the last set had and that are of no use, with the reasons.
    dropped: BTreeSet<String>,
}

/// The outcome of holding a token against keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// One of them signed it.
    Signed,
    /// There are keys that may have signed it, and none did.
    NotSigned,
    /// No key is of its algorithm and of the name that it gives.
    NoKey,
}

impl Outcome {
    /// Tries every key that may have signed the token.
    fn of(token: &Jws<'_>, keys: &[PublicKey]) -> Self {
        let candidates = || keys.iter().filter(|key| key.may_have_signed(token));
        if candidates().any(|key| key.verifies(token)) {
            Self::Signed
        } else if candidates().next().is_some() {
            Self::NotSigned
        } else {
            Self::NoKey
        }
    }

    /// Returns true if newer keys may have signed the token: it names none of these.
    fn may_change(self, token: &Jws<'_>) -> bool {
        self == Self::NoKey || (self == Self::NotSigned && token.kid.is_none())
    }

    fn into_result(self) -> Result<()> {
        match self {
            Self::Signed => Ok(()),
            Self::NotSigned => Err(Error::BadCredential("wrong signature")),
            Self::NoKey => Err(Error::BadCredential("no key of this algorithm and kid")),
        }
    }
}

impl Jwks {
    /// The keys from there; nothing is fetched yet.
    pub fn new(source: KeySource, clock: Clock) -> Self {
        Self { source, clock, state: Mutex::default(), fetching: tokio::sync::Mutex::new(()) }
    }

    /// Verifies a token's signature: each key that is of the token's algorithm and, where the token
    /// names one, of that `kid`, is tried.
    ///
    /// # Errors
    /// `BadCredential` where none of them signed it; `Unavailable` where the keys cannot be fetched
    /// and the last ones are more than an hour old.
    pub(super) async fn verify(&self, token: &Jws<'_>) -> Result<()> {
        if let Some(outcome) = self.known(token)? {
            return outcome.into_result();
        }
        let _one_at_a_time = self.fetching.lock().await;
        // Another request may have fetched them while this one waited.
        if let Some(outcome) = self.known(token)? {
            return outcome.into_result();
        }
        let fetched = self.fetch().await;
        let now = self.clock.now();
        let keys = {
            let mut state = self.state();
            state.tried_at = Some(now);
            match fetched {
                Ok(set) => state.take(set, now),
                Err(error) => {
                    tracing::warn!(error, "the identity provider's keys cannot be fetched");
                    // The address may have changed.
                    state.discovered = None;
                }
            }
            state.keys.clone()
        };
        match keys.filter(|(at, _)| now <= at.plus_seconds(STALE)) {
            Some((_, keys)) => Outcome::of(token, &keys).into_result(),
            None => Err(self.unavailable("cannot be had")),
        }
    }

    /// The outcome, where it can be told without fetching.
    fn known(&self, token: &Jws<'_>) -> Result<Option<Outcome>> {
        let now = self.clock.now();
        let (keys, tried_at) = {
            let state = self.state();
            (state.keys.clone(), state.tried_at)
        };
        let is_paused = tried_at.is_some_and(|at| now < at.plus_seconds(PAUSE));
        let is_usable = |at: &Timestamp| match is_paused {
            true => now <= at.plus_seconds(STALE),
            false => now < at.plus_seconds(FRESH),
        };
        match keys.filter(|(at, _)| is_usable(at)) {
            Some((_, keys)) => {
                let outcome = Outcome::of(token, &keys);
                Ok(Some(outcome).filter(|outcome| is_paused || !outcome.may_change(token)))
            }
            None if is_paused => Err(self.unavailable("could not be fetched a moment ago")),
            None => Ok(None),
        }
    }

    /// The failure, which names for the log where the keys should be.
    fn unavailable(&self, problem: &str) -> Error {
        let (KeySource::Url(place) | KeySource::Issuer(place)) = &self.source;
        Error::Unavailable(format!("the identity provider's keys {problem}: {place}").into())
    }

    /// Fetches the key set.
    async fn fetch(&self) -> Result<KeySet, Cause> {
        let url = match &self.source {
            KeySource::Url(url) => url.clone(),
            KeySource::Issuer(issuer) => self.discover(issuer).await?,
        };
        let document = fetch_json(&url).await?;
        let keys = document.get("keys").and_then(Value::as_array);
        Ok(KeySet::read(keys.ok_or_else(|| format!("{url} has no `keys`"))?))
    }

    /// The address of an issuer's key set, looked up once a day while the keys can be fetched.
    async fn discover(&self, issuer: &str) -> Result<String, Cause> {
        let now = self.clock.now();
        let known = self.state().discovered.clone();
        if let Some((_, url)) = known.filter(|(at, _)| now < at.plus_seconds(DISCOVERED)) {
            return Ok(url);
        }
        let place = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let document = fetch_json(&place).await?;
        // OpenID Connect Discovery 1.0, section 4.3: or one issuer could speak for another.
        if document["issuer"] != issuer {
            return Err(format!("{place} is of another issuer than {issuer}").into());
        }
        let url = document["jwks_uri"].as_str().filter(|url| is_safe(url));
        let url = url.ok_or_else(|| format!("{place} has no `jwks_uri` by https"))?.to_owned();
        self.state().discovered = Some((now, url.clone()));
        Ok(url)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the keys of a set. Those that are of no use are logged, once while they are published.
    fn take(&mut self, set: KeySet, now: Timestamp) {
        for dropped in set.dropped.difference(&self.dropped) {
            tracing::warn!(key = dropped.as_str(), "a key of the identity provider is left out");
        }
        self.dropped = set.dropped;
        self.keys = Some((now, Arc::new(set.keys)));
    }
}

/// A key set that was fetched.
struct KeySet {
    keys: Vec<PublicKey>,
    /// The keys that are of no use, with the reasons.
    dropped: BTreeSet<String>,
}

impl KeySet {
    /// The keys, one by one: one of a kind that we do not know must not hide the others.
    fn read(jwks: &[Value]) -> Self {
        let mut set = Self { keys: Vec::new(), dropped: BTreeSet::new() };
        for jwk in jwks {
            match PublicKey::read(jwk) {
                Ok(key) => set.keys.push(key),
                Err(reason) => {
                    let kid = jwk.get("kid").and_then(Value::as_str).unwrap_or("without a kid");
                    let kid: String = kid.chars().take(MAX_SHOWN_KID).collect();
                    set.dropped.insert(format!("{kid}: {reason}"));
                }
            }
        }
        set
    }
}

/// Fetches a JSON document. The error names the address.
async fn fetch_json(url: &str) -> Result<Value, Cause> {
    let client = http::client(http::platform_roots(), None)?;
    let work = async {
        let response = client.call(HttpRequest::get(url)?).await?;
        if !response.status().is_success() {
            return Err(format!("it answered {}", response.status().as_u16()).into());
        }
        let body = Limited::new(response.into_body(), MOST_BYTES).collect().await?.to_bytes();
        Ok::<_, Cause>(serde_json::from_slice(&body)?)
    };
    let outcome = tokio::time::timeout(TIMEOUT, work)
        .await
        .unwrap_or_else(|_| Err("it takes too long".into()));
    outcome.map_err(|error| format!("{url} cannot be read: {error}").into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_that_is_left_out_is_named_once_with_the_reason() {
        let long = "k".repeat(1000);
        let jwks = [
            json!({"kty": "oct", "kid": "secret"}),
            json!({"kty": "oct"}),
            json!({"kty": "EC", "crv": "P-384", "kid": long}),
        ];
        let read = || KeySet::read(&jwks);
        let expected = [
            format!("{}: its `kty` is \"EC\" and its `crv` \"P-384\"", &long[..MAX_SHOWN_KID]),
            "secret: its `kty` is \"oct\" and its `crv` none".to_owned(),
            "without a kid: its `kty` is \"oct\" and its `crv` none".to_owned(),
        ];
        assert_eq!(read().dropped.into_iter().collect::<Vec<_>>(), expected);
        let mut state = State::default();
        state.take(read(), Timestamp::from_millisecond(0));
        // Nothing is new the next time.
        assert_eq!(read().dropped.difference(&state.dropped).count(), 0);
    }
}
