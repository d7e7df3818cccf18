//! The settings, read from the environment once at start.

use std::fmt;
use std::num::NonZeroU32;

/// What is wrong with the environment: which variable, and what about it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("environment variable {variable} {problem}")]
pub struct ConfigError {
    /// The variable's name.
    pub variable: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

/// The settings of one environment, the same names locally and in the cloud.
#[derive(Clone)]
pub struct Config {
    /// `TABLE_NAME`: the DynamoDB table.
    pub table_name: String,
    /// Tokens: the identity provider's, and Roster's own.
    pub tokens: TokenConfig,
    /// `DELETION_GRACE_DAYS`: days between a soft delete and the purge, 0 to 3650; 30 where it is not set.
    pub grace_days: u32,
    /// `SIGN_UP_URL`: where invited users sign up, `/sign-up` where it is not set. The invited user's id is added as `?invite=`.
    pub sign_up_url: String,
    /// `CALLER_REQUESTS_PER_MINUTE`: the most requests of one caller in a minute, over all execution environments. 0, as where it is not
    /// set, is no limit, and counts nothing.
    pub requests_per_minute: Option<NonZeroU32>,
}

/// How tokens are checked. At least one of the provider's secret and the JWKS URL is set.
#[derive(Debug, Clone)]
pub struct TokenConfig {
    /// The secrets.
    pub secrets: SecretSources,
    /// `JWKS_URL`: where the provider publishes its public keys.
    pub jwks_url: Option<String>,
    /// `JWT_ISSUER`: the required `iss`.
    pub issuer: String,
    /// `JWT_AUDIENCE`: the required `aud`.
    pub audience: String,
}

/// Where the secrets are.
#[derive(Debug, Clone)]
pub struct SecretSources {
    /// `JWT_SECRET` or `JWT_SECRET_ARN`: the identity provider's HS256 secret, at least 32 bytes.
    pub provider: Option<SecretSource>,
    /// `SIGNING_SECRET` or `SIGNING_SECRET_ARN`: Roster's own secret, at least 32 bytes; the provider's where it is not set. From it come
    /// the keys that sign delegated tokens and encrypt the answers kept for repeated requests.
    pub own: Option<SecretSource>,
}

impl SecretSources {
    /// Whether they never change while the process lives.
    pub fn are_fixed(&self) -> bool {
        ![&self.provider, &self.own].into_iter().flatten().any(|source| matches!(source, SecretSource::Arn(_)))
    }
}

/// Where a secret is. Debug output hides its text.
#[derive(Clone)]
pub enum SecretSource {
    /// In the variable itself: on a developer's machine.
    Text(String),
    /// In Secrets Manager, by that ARN.
    Arn(String),
}

/// The fewest bytes of a secret. RFC 7518, section 3.2: a key of at least the hash's size.
const FEWEST_BYTES: usize = 32;

/// Refuses a secret that is too short.
pub(crate) fn check_length(variable: &'static str, text: &str) -> Result<(), ConfigError> {
    let problem = format!("is shorter than {FEWEST_BYTES} bytes");
    if text.len() < FEWEST_BYTES { Err(ConfigError { variable, problem }) } else { Ok(()) }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => formatter.write_str("Text(hidden)"),
            Self::Arn(arn) => write!(formatter, "Arn({arn})"),
        }
    }
}

impl Config {
    /// Reads the settings through `get` (`std::env::var` in the cloud). An empty variable counts as unset, as
    /// CloudFormation cannot leave one out.
    ///
    /// # Errors
    /// The first variable that is missing or makes no sense.
    pub fn read(get: impl Fn(&'static str) -> Option<String>) -> Result<Self, ConfigError> {
        let optional = |variable| get(variable).filter(|value| !value.is_empty());
        let required = |variable| optional(variable).ok_or_else(|| ConfigError { variable, problem: "is not set".into() });
        let secret = |text, arn| optional(arn).map(SecretSource::Arn).or_else(|| optional(text).map(SecretSource::Text));
        let provider = secret("JWT_SECRET", "JWT_SECRET_ARN");
        let own = secret("SIGNING_SECRET", "SIGNING_SECRET_ARN");
        let jwks_url = optional("JWKS_URL");
        if provider.is_none() && jwks_url.is_none() {
            return Err(ConfigError { variable: "JWT_SECRET", problem: "is not set, and neither is JWKS_URL: one of them must be".into() });
        }
        if provider.is_none() && own.is_none() {
            let problem = "is not set, and neither is JWT_SECRET, which could stand in".into();
            return Err(ConfigError { variable: "SIGNING_SECRET", problem });
        }
        for (variable, source) in [("JWT_SECRET", &provider), ("SIGNING_SECRET", &own)] {
            if let Some(SecretSource::Text(text)) = source {
                check_length(variable, text)?;
            }
        }
        let grace_days = match optional("DELETION_GRACE_DAYS") {
            None => 30,
            Some(days) => days.parse().ok().filter(|days| *days <= 3650).ok_or_else(|| ConfigError {
                variable: "DELETION_GRACE_DAYS",
                problem: "must be a whole number of days from 0 to 3650".into(),
            })?,
        };
        let requests_per_minute = optional("CALLER_REQUESTS_PER_MINUTE").map_or(Ok(0), |most| most.parse()).map_err(|_| ConfigError {
            variable: "CALLER_REQUESTS_PER_MINUTE",
            problem: "must be a whole number of requests, or 0 for no limit".into(),
        })?;
        let sign_up_url = optional("SIGN_UP_URL").unwrap_or_else(|| "/sign-up".to_owned());
        if !["https://", "http://", "/"].iter().any(|scheme| sign_up_url.starts_with(scheme)) {
            return Err(ConfigError { variable: "SIGN_UP_URL", problem: "must start with https://, http:// or /".into() });
        }
        if jwks_url
            .as_ref()
            .is_some_and(|url| !(url.starts_with("https://") || url.starts_with("http://127.0.0.1") || url.starts_with("http://localhost")))
        {
            return Err(ConfigError { variable: "JWKS_URL", problem: "must start with https:// (or be on this machine)".into() });
        }
        Ok(Self {
            table_name: required("TABLE_NAME")?,
            tokens: TokenConfig {
                secrets: SecretSources { provider, own },
                jwks_url,
                issuer: required("JWT_ISSUER")?,
                audience: required("JWT_AUDIENCE")?,
            },
            grace_days,
            sign_up_url,
            requests_per_minute: NonZeroU32::new(requests_per_minute),
        })
    }
}

/// Refuses a secret in a plain variable of a function in the cloud. Everyone who may look at the function
/// could read it there. `sam local invoke` is not the cloud.
///
/// # Errors
/// The first variable that holds a secret.
pub fn refuse_plain_secrets(get: impl Fn(&'static str) -> Option<String>) -> Result<(), ConfigError> {
    let is_set = |variable| get(variable).is_some_and(|value| !value.is_empty());
    if !is_set("AWS_LAMBDA_FUNCTION_NAME") || get("AWS_SAM_LOCAL").as_deref() == Some("true") {
        return Ok(());
    }
    match ["JWT_SECRET", "SIGNING_SECRET", "RESPONSE_SECRET"].into_iter().find(|variable| is_set(*variable)) {
        None => Ok(()),
        Some(variable) => {
            let problem = format!("holds the secret itself. Keep it in Secrets Manager, and name it in {variable}_ARN");
            Err(ConfigError { variable, problem })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&'static str, &'static str)]) -> Result<Config, String> {
        let all = variables.to_vec();
        Config::read(move |name| all.iter().rev().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned()))
            .map_err(|error| error.to_string())
    }

    const GOOD: [(&str, &str); 6] = [
        ("SIGNING_SECRET", "fedcba9876543210fedcba9876543210"),
        ("SIGN_UP_URL", "https://example.com/sign-up"),
        ("TABLE_NAME", "roster"),
        ("JWT_SECRET", "0123456789abcdef0123456789abcdef"),
        ("JWT_ISSUER", "https://example.com"),
        ("JWT_AUDIENCE", "authenticated"),
    ];

    #[test]
    fn every_fault_names_its_variable() {
        assert!(read(&GOOD).is_ok());
        for (variable, value, expected) in [
            ("TABLE_NAME", "", "environment variable TABLE_NAME is not set"),
            ("JWT_ISSUER", "", "environment variable JWT_ISSUER is not set"),
            ("JWT_AUDIENCE", "", "environment variable JWT_AUDIENCE is not set"),
            ("JWT_SECRET", "", "environment variable JWT_SECRET is not set, and neither is JWKS_URL: one of them must be"),
            ("JWKS_URL", "http://example.com", "environment variable JWKS_URL must start with https:// (or be on this machine)"),
            ("SIGN_UP_URL", "javascript:x", "environment variable SIGN_UP_URL must start with https://, http:// or /"),
            ("DELETION_GRACE_DAYS", "-1", "environment variable DELETION_GRACE_DAYS must be a whole number of days from 0 to 3650"),
            ("DELETION_GRACE_DAYS", "4000", "environment variable DELETION_GRACE_DAYS must be a whole number of days from 0 to 3650"),
            (
                "CALLER_REQUESTS_PER_MINUTE",
                "many",
                "environment variable CALLER_REQUESTS_PER_MINUTE must be a whole number of requests, or 0 for no limit",
            ),
            ("JWT_SECRET", "short", "environment variable JWT_SECRET is shorter than 32 bytes"),
            ("SIGNING_SECRET", "short", "environment variable SIGNING_SECRET is shorter than 32 bytes"),
            ("JWKS_URL", "ftp://x", "environment variable JWKS_URL must start with https:// (or be on this machine)"),
        ] {
            let mut variables = GOOD.to_vec();
            variables.push((variable, value));
            assert_eq!(read(&variables).err().as_deref(), Some(expected));
        }
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let config = read(&GOOD).unwrap();
        let shown = format!("{:?}", config.tokens);
        assert!(!shown.contains("0123456789abcdef") && !shown.contains("fedcba"), "{shown}");
    }
}
