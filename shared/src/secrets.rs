//! The secrets, and the keys that come from them. In the cloud they are read from Secrets Manager at start, and again every five
//! minutes, so that a rotation needs no deployment.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hkdf;
use aws_sdk_secretsmanager::config::BehaviorVersion;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use jsonwebtoken::{DecodingKey, EncodingKey};
use tokio::sync::Mutex;

use crate::aws::CONNECT_TIMEOUT;
use crate::config::{ConfigError, SecretSource, SecretSources, check_length};
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

/// The keys that come from the secrets.
pub struct Keys {
    /// Verifies the identity provider's HS256 tokens.
    pub provider: Option<DecodingKey>,
    /// Verifies Roster's own tokens.
    pub own: DecodingKey,
    /// Signs Roster's own tokens.
    pub signing: EncodingKey,
    /// What the keys to kept answers come from.
    pub answers: Secret,
}

impl Keys {
    fn new(provider: Option<&Secret>, own: &Secret) -> Result<Self> {
        let key = own.derive("delegated tokens", &[])?;
        Ok(Self {
            provider: provider.map(|secret| DecodingKey::from_secret(&secret.0)),
            own: DecodingKey::from_secret(&key),
            signing: EncodingKey::from_secret(&key),
            answers: own.clone(),
        })
    }
}

/// Reads secrets by their ARN or name.
pub type Vault = aws_sdk_secretsmanager::Client;

/// A client of Secrets Manager that does not wait for long: the SDK sets no read timeout of its own.
pub fn vault(config: impl Into<aws_sdk_secretsmanager::config::Builder>) -> Vault {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(Duration::from_secs(1))
        .operation_timeout(Duration::from_secs(3))
        .build();
    let config = config.into().behavior_version(BehaviorVersion::v2026_01_12()).timeout_config(timeouts);
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
    pub async fn open(sources: &SecretSources, vault: Option<Vault>, now: Timestamp) -> Result<Self, ConfigError> {
        let keys = read(sources, vault.as_ref()).await?;
        Ok(Self { sources: sources.clone(), vault, held: Mutex::new(Held { keys: Arc::new(keys), stale_at: now.plus_seconds(KEPT) }) })
    }

    /// The keys, read again where they are older than five minutes. Should that fail, the ones at hand serve on.
    pub async fn keys(&self, now: Timestamp) -> Arc<Keys> {
        let mut held = self.held.lock().await;
        if self.sources.are_fixed() || now < held.stale_at {
            return held.keys.clone();
        }
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
    let provider = async {
        match &sources.provider {
            Some(source) => read_one("JWT_SECRET", source, vault).await.map(Some),
            None => Ok(None),
        }
    };
    let own = async {
        match &sources.own {
            Some(source) => read_one("SIGNING_SECRET", source, vault).await.map(Some),
            None => Ok(None),
        }
    };
    let (provider, own) = futures::try_join!(provider, own)?;
    let missing =
        || ConfigError { variable: "SIGNING_SECRET", problem: "is not set, and neither is JWT_SECRET, which could stand in".into() };
    // It is never used as it is, but derived from: the provider's secret can stand in.
    let own = own.or_else(|| provider.clone()).ok_or_else(missing)?;
    Keys::new(provider.as_ref(), &own)
        .map_err(|error| ConfigError { variable: "SIGNING_SECRET", problem: format!("makes no key: {error}") })
}

async fn read_one(variable: &'static str, source: &SecretSource, vault: Option<&Vault>) -> Result<Secret, ConfigError> {
    let wrong = |problem: String| ConfigError { variable, problem };
    let text = match source {
        SecretSource::Text(text) => text.clone(),
        SecretSource::Arn(arn) => {
            let vault = vault.ok_or_else(|| wrong("is an ARN, and there is no Secrets Manager here".into()))?;
            let output = vault.get_secret_value().secret_id(arn).send().await;
            let output = output.map_err(|error| {
                let cause = aws_sdk_secretsmanager::error::DisplayErrorContext(&error);
                wrong(format!("names a secret ({arn}) that cannot be read: {cause}"))
            })?;
            output.secret_string.ok_or_else(|| wrong(format!("names a secret ({arn}) without text")))?
        }
    };
    check_length(variable, &text)?;
    Ok(Secret::new(&text))
}
