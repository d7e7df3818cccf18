//! The identity provider's public keys (RFC 7517), fetched when they are first needed and kept.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use http_body_util::{BodyExt, Limited};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::error::{Cause, Error, Result};
use crate::http;
use crate::time::{Clock, Timestamp};

/// Seconds for which fetched keys are good.
const FRESH: i64 = 600;
/// Seconds for which they are used where no newer ones can be fetched.
const STALE: i64 = 3600;
/// Seconds between fetches that an unknown `kid` or a failure causes.
const PAUSE: i64 = 30;
/// The largest key set that is read, in bytes.
const MOST_BYTES: usize = 256 * 1024;
const TIMEOUT: Duration = Duration::from_secs(2);

/// A public key, and the one algorithm it verifies.
pub struct PublicKey {
    kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

/// The keys behind one URL.
pub struct Jwks {
    url: String,
    clock: Clock,
    state: Mutex<State>,
    /// Held while fetching, so that there is one fetch at a time.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    keys: Option<(Timestamp, Arc<Vec<Arc<PublicKey>>>)>,
    tried_at: Option<Timestamp>,
}

impl Jwks {
    /// The keys behind that URL; nothing is fetched yet.
    pub fn new(url: String, clock: Clock) -> Self {
        Self { url, clock, state: Mutex::default(), fetching: tokio::sync::Mutex::new(()) }
    }

    /// The key of that `kid`; without a `kid`, the only key there is.
    ///
    /// # Errors
    /// `Unavailable` where the keys cannot be fetched and the last ones are more than an hour old.
    pub async fn find(&self, kid: Option<&str>) -> Result<Option<Arc<PublicKey>>> {
        if let Some(answer) = self.known(kid)? {
            return Ok(answer);
        }
        let _one_at_a_time = self.fetching.lock().await;
        // Another request may have fetched them while this one waited.
        if let Some(answer) = self.known(kid)? {
            return Ok(answer);
        }
        let fetched = fetch(&self.url).await;
        let now = self.clock.now();
        let mut state = self.state();
        state.tried_at = Some(now);
        match fetched {
            Ok(keys) => state.keys = Some((now, Arc::new(keys))),
            Err(error) => tracing::warn!(error, "the identity provider's keys cannot be fetched"),
        }
        match &state.keys {
            Some((at, keys)) if now <= at.plus_seconds(STALE) => Ok(pick(keys, kid)),
            _ => Err(Error::Unavailable("the identity provider's keys cannot be had".into())),
        }
    }

    /// The answer, where it can be told without fetching.
    fn known(&self, kid: Option<&str>) -> Result<Option<Option<Arc<PublicKey>>>> {
        let now = self.clock.now();
        let state = self.state();
        let paused = state.tried_at.is_some_and(|at| now < at.plus_seconds(PAUSE));
        Ok(match &state.keys {
            Some((at, keys)) if now < at.plus_seconds(FRESH) => match pick(keys, kid) {
                Some(key) => Some(Some(key)),
                None => paused.then_some(None),
            },
            Some((at, keys)) if paused && now <= at.plus_seconds(STALE) => Some(pick(keys, kid)),
            _ if paused => return Err(Error::Unavailable("the identity provider's keys could not be fetched a moment ago".into())),
            _ => None,
        })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pick(keys: &[Arc<PublicKey>], kid: Option<&str>) -> Option<Arc<PublicKey>> {
    match (kid, keys) {
        (None, [only]) => Some(only.clone()),
        (None, _) => None,
        (kid, keys) => keys.iter().find(|key| key.kid.as_deref() == kid).cloned(),
    }
}

/// Fetches the key set.
async fn fetch(url: &str) -> Result<Vec<Arc<PublicKey>>, Cause> {
    let client = http::client(http::platform_roots(), None)?;
    let work = async {
        let response = client.call(HttpRequest::get(url)?).await?;
        if !response.status().is_success() {
            return Err(format!("{url} answered {}", response.status().as_u16()).into());
        }
        let body = Limited::new(response.into_body(), MOST_BYTES).collect().await?.to_bytes();
        // Key by key: one of a kind that we do not know must not hide the others.
        let set: serde_json::Value = serde_json::from_slice(&body)?;
        let keys = set.get("keys").and_then(|keys| keys.as_array()).ok_or("the key set has no `keys`")?;
        Ok(keys.iter().filter_map(|key| public_key(&serde_json::from_value(key.clone()).ok()?)).map(Arc::new).collect())
    };
    tokio::time::timeout(TIMEOUT, work).await?
}

/// A key with its algorithm; none for keys that do not sign, or not by RS256, ES256 or EdDSA. Never a symmetric one.
fn public_key(jwk: &Jwk) -> Option<PublicKey> {
    if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
        return None;
    }
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(parameters) if parameters.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(parameters) if parameters.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    if jwk.common.key_algorithm.is_some_and(|other| other != named) {
        return None;
    }
    let decoding = DecodingKey::from_jwk(jwk).ok()?;
    Some(PublicKey { kid: jwk.common.key_id.clone(), algorithm, decoding })
}
