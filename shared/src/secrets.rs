//! The secrets, and the keys that come from them. In the cloud they are read from Secrets Manager
//! at start, and again every five minutes, so that a rotation needs no deployment.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hkdf;
use aws_sdk_secretsmanager::config::BehaviorVersion;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use jsonwebtoken::DecodingKey;
use tokio::sync::{Mutex, MutexGuard};

use crate::auth::SigningKey;
use crate::aws::CONNECT_TIMEOUT;
use crate::config::{
    ConfigError, MIN_SECRET_BYTES, PROVIDER, RESPONSES, SIGNING, SecretSource, SecretSources,
    SecretVariables,
};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// Seconds for which a secret that was read is used.
const KEPT: i64 = 300;
/// Seconds until the next attempt, where a secret could not be read again.
const RETRIED: i64 = 30;
/// A secret's text. Debug output hides it.
#[derive(Clone)]
pub struct Secret(Arc<[u8]>);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(hidden)")
    }
}

impl Secret {
    /// The secret of that text.
    pub fn new(text: &str) -> Self {
        Self(text.as_bytes().into())
    }

    /// A key of 256 bits for one purpose (RFC 5869).
    ///
    /// # Errors
    /// An internal error, which no input causes.
    pub fn derive(&self, purpose: &str, salt: &[u8]) -> Result<[u8; 32]> {
        let failed = |_| Error::internal("no key could be derived");
        let mut key = [0; 32];
        let info = [purpose.as_bytes()];
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(&self.0);
        secret.expand(&info, hkdf::HKDF_SHA256).map_err(failed)?.fill(&mut key).map_err(failed)?;
        Ok(key)
    }
}

/// The keys that come from the secrets; `None` where the function does not need the secret.
pub struct Keys {
    /// Verifies the identity provider's HS256 tokens.
    pub provider: Option<DecodingKey>,
    /// Signs Roster's own tokens.
    pub signing: Option<SigningKey>,
    /// The secret that the keys to stored responses come from.
    pub responses: Option<Secret>,
}

/// The purpose that the private key's seed is derived for.
const SIGNING_PURPOSE: &str = "signing key of own tokens (Ed25519)";

impl Keys {
    fn new(provider: Option<Read>, signing: Option<Read>, responses: Option<Read>) -> Result<Self> {
        let signing_key = |read: Read| {
            let seed = read.secret.derive(SIGNING_PURPOSE, &[])?;
            SigningKey::from_seed(&seed, read.created_at)
        };
        Ok(Self {
            provider: provider.map(|read| DecodingKey::from_secret(&read.secret.0)),
            signing: signing.map(signing_key).transpose()?,
            responses: responses.map(|read| read.secret),
        })
    }
}

/// A secret that was read.
struct Read {
    secret: Secret,
    /// When its version was made, in milliseconds since 1970; 0 for one that stands in the
    /// variable.
    created_at: i64,
}

/// Reads secrets by their ARN or name.
pub type Vault = aws_sdk_secretsmanager::Client;

/// A client of Secrets Manager that does not wait for long: the SDK sets no read timeout of its
/// own.
pub fn vault(config: impl Into<aws_sdk_secretsmanager::config::Builder>) -> Vault {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(Duration::from_secs(1))
        .operation_timeout(Duration::from_secs(3))
        .build();
    let config =
        config.into().behavior_version(BehaviorVersion::v2026_01_12()).timeout_config(timeouts);
    Vault::from_conf(config.build())
}

/// The keys, kept up to date.
pub struct Keyring {
    sources: SecretSources,
    vault: Option<Vault>,
    held: Mutex<Held>,
}

struct Held {
    keys: Arc<Keys>,
    /// When they are read again.
    stale_at: Timestamp,
}

impl Keyring {
    /// Reads the secrets that the settings name.
    ///
    /// # Errors
    /// Names the variable whose secret cannot be read, or is too short.
    pub async fn open(
        sources: &SecretSources,
        vault: Option<Vault>,
        now: Timestamp,
    ) -> Result<Self, ConfigError> {
        let keys = read(sources, vault.as_ref()).await?;
        Ok(Self {
            sources: sources.clone(),
            vault,
            held: Mutex::new(Held { keys: Arc::new(keys), stale_at: now.plus_seconds(KEPT) }),
        })
    }

    /// The keys, read again where they are older than five minutes. Should that fail, the ones at
    /// hand serve on.
    pub async fn keys(&self, now: Timestamp) -> Arc<Keys> {
        let held = self.held.lock().await;
        if self.sources.are_fixed() || now < held.stale_at {
            return held.keys.clone();
        }
        self.read_into(held, now).await
    }

    /// The keys, read again however old they are.
    pub async fn refresh(&self, now: Timestamp) -> Arc<Keys> {
        self.read_into(self.held.lock().await, now).await
    }

    async fn read_into(&self, mut held: MutexGuard<'_, Held>, now: Timestamp) -> Arc<Keys> {
        match read(&self.sources, self.vault.as_ref()).await {
            Ok(keys) => *held = Held { keys: Arc::new(keys), stale_at: now.plus_seconds(KEPT) },
            Err(error) => {
                tracing::warn!(%error, "the secrets could not be read again");
                held.stale_at = now.plus_seconds(RETRIED);
            }
        }
        held.keys.clone()
    }
}

async fn read(sources: &SecretSources, vault: Option<&Vault>) -> Result<Keys, ConfigError> {
    let (provider, signing, responses) = futures::try_join!(
        read_one(PROVIDER, sources.provider.as_ref(), vault),
        read_one(SIGNING, sources.signing.as_ref(), vault),
        read_one(RESPONSES, sources.responses.as_ref(), vault),
    )?;
    let variable = sources.signing.as_ref().map_or("SIGNING_SECRET", |source| SIGNING.of(source));
    Keys::new(provider, signing, responses)
        .map_err(|error| ConfigError { variable, problem: format!("makes no key: {error}") })
}

async fn read_one(
    variables: SecretVariables,
    source: Option<&SecretSource>,
    vault: Option<&Vault>,
) -> Result<Option<Read>, ConfigError> {
    let Some(source) = source else { return Ok(None) };
    let wrong = |problem: String| ConfigError { variable: variables.of(source), problem };
    let (text, created_at) = match source {
        SecretSource::Text(text) => (text.clone(), 0),
        SecretSource::Arn(arn) => {
            let vault = vault
                .ok_or_else(|| wrong("is an ARN, and there is no Secrets Manager here".into()))?;
            let output = vault.get_secret_value().secret_id(arn).send().await;
            let output = output.map_err(|error| {
                let cause = aws_sdk_secretsmanager::error::DisplayErrorContext(&error);
                wrong(format!("names a secret ({arn}) that cannot be read: {cause}"))
            })?;
            let created_at =
                output.created_date.and_then(|date| date.to_millis().ok()).unwrap_or_default();
            let text = output
                .secret_string
                .ok_or_else(|| wrong(format!("names a secret ({arn}) without text")))?;
            if text.len() < MIN_SECRET_BYTES {
                return Err(wrong(format!(
                    "names a secret ({arn}) that is shorter than {MIN_SECRET_BYTES} bytes"
                )));
            }
            (text, created_at)
        }
    };
    Ok(Some(Read { secret: Secret::new(&text), created_at }))
}
