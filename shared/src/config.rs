//! The settings, read from the environment once at start.

use std::fmt;
use std::num::NonZeroU32;

use crate::address::is_safe;

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
    /// `DELETION_GRACE_DAYS`: days between a soft delete and the purge, 0 to 3650; 30 where it is
    /// not set.
    pub grace_days: u32,
    /// `SIGN_UP_URL`: where invited users sign up, `/sign-up` where it is not set. The invited
    /// user's id is added as `?invite=`.
    pub sign_up_url: String,
    /// `CALLER_REQUESTS_PER_MINUTE`: the most requests of one caller in a minute, over all
    /// execution environments. 0, as where it is not set, is no limit, and counts nothing.
    pub requests_per_minute: Option<NonZeroU32>,
    /// `KEY_MAX_DAYS`: the longest life of an API key in days, 1 to 3650; 365 where it is not set.
    pub key_max_days: u32,
    /// The most there may be of what grows.
    pub caps: Caps,
}

/// The most there may be of what grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// `HISTORY_DAYS`: days for which an entry of history is kept, 1 to 36500; 730 where it is not
    /// set.
    pub history_days: u32,
    /// `MAX_PENDING_INVITES`: the most invites of a team that wait to be used; 500 where it is not
    /// set.
    pub pending_invites: u32,
    /// `MEMBER_SHARE_PERCENT`: the percentage of a team's sandboxes and GB-hours that one member
    /// who is no administrator may hold at once, 1 to 100; 50 where it is not set.
    pub member_share_percent: u32,
    /// `MAX_ACTIVE_KEYS`: the most API keys of a person that are not revoked; 50 where it is not
    /// set.
    pub active_keys: u32,
    /// `MAX_SHARE_PARTNERS`: the most people that a person lets in, and the most who let that
    /// person in; 500 where it is not set.
    pub share_partners: u32,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            history_days: 730,
            pending_invites: 500,
            member_share_percent: 50,
            active_keys: 50,
            share_partners: 500,
        }
    }
}

/// The settings of tokens. A function that verifies them has the provider's secret, the JWKS URL,
/// or both; with neither it discovers the keys at the issuer.
#[derive(Debug, Clone)]
pub struct TokenConfig {
    /// The secrets.
    pub secrets: SecretSources,
    /// `JWKS_URL`: where the provider publishes its public keys.
    pub jwks_url: Option<String>,
    /// `JWT_ISSUER`: the required `iss`. With neither a secret nor `JWKS_URL`, the keys are found
    /// through its `/.well-known/openid-configuration`.
    pub issuer: String,
    /// `JWT_AUDIENCE`: the required `aud`; where a token has none, the required `client_id`.
    pub audience: String,
    /// `TOKEN_ROLES`: the values of `role` that are let in, `authenticated` where it is not set.
    pub roles: Vec<String>,
    /// `ALLOWED_CLIENTS`: the values of `client_id` that are let in, none where it is not set.
    pub clients: Vec<String>,
    /// `STEP_UP`: the values of `amr` that count as a second factor beside an `aal` of `aal2`.
    /// Empty where it is `none` or not set: then nothing takes a second factor.
    pub step_up: Vec<String>,
}

/// The secrets that a function needs for its work. It reads no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SecretNeeds {
    /// It verifies tokens: `JWT_SECRET` or `JWT_SECRET_ARN`, or `JWKS_URL`, or both, or the
    /// issuer's discovery.
    pub verify: bool,
    /// It signs Roster's own tokens: `SIGNING_SECRET` or `SIGNING_SECRET_ARN`.
    pub sign: bool,
    /// It stores responses of requests with an `Idempotency-Key`: `RESPONSE_SECRET` or
    /// `RESPONSE_SECRET_ARN`.
    pub store_responses: bool,
}

impl SecretNeeds {
    /// No secret.
    pub const NOTHING: Self = Self { verify: false, sign: false, store_responses: false };
    /// That of a function that knows its callers.
    pub const VERIFY: Self = Self { verify: true, ..Self::NOTHING };
    /// Those of a function that serves a POST route.
    pub const VERIFY_AND_STORE: Self = Self { store_responses: true, ..Self::VERIFY };
    /// Those of a function that gives tokens out, and serves no POST route.
    pub const VERIFY_AND_SIGN: Self = Self { sign: true, ..Self::VERIFY };
    /// All of them.
    pub const ALL: Self = Self { verify: true, sign: true, store_responses: true };

    /// The variables that name the secrets in Secrets Manager.
    pub fn arn_variables(self) -> impl Iterator<Item = &'static str> {
        let needed =
            [(self.verify, PROVIDER), (self.sign, SIGNING), (self.store_responses, RESPONSES)];
        needed.into_iter().filter(|(is_needed, _)| *is_needed).map(|(_, variables)| variables.arn)
    }
}

/// The sources of the secrets. Those that the function does not need are `None`.
#[derive(Debug, Clone, Default)]
pub struct SecretSources {
    /// `JWT_SECRET` or `JWT_SECRET_ARN`: the identity provider's HS256 secret, at least 32 bytes.
    pub provider: Option<SecretSource>,
    /// `SIGNING_SECRET` or `SIGNING_SECRET_ARN`: the private key that signs Roster's own tokens
    /// comes from it. At least 32 bytes of any random text.
    pub signing: Option<SecretSource>,
    /// `RESPONSE_SECRET` or `RESPONSE_SECRET_ARN`: the keys that encrypt stored responses come from
    /// it. At least 32 bytes.
    pub responses: Option<SecretSource>,
}

impl SecretSources {
    /// Whether they never change while the process lives.
    pub fn are_fixed(&self) -> bool {
        let all = [&self.provider, &self.signing, &self.responses];
        !all.into_iter().flatten().any(|source| matches!(source, SecretSource::Arn(_)))
    }
}

/// The source of one secret. Debug output hides its text.
#[derive(Clone)]
pub enum SecretSource {
    /// The variable itself: on a developer's machine.
    Text(String),
    /// A secret of Secrets Manager, by its ARN.
    Arn(String),
}

/// The two variables of a secret.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SecretVariables {
    text: &'static str,
    arn: &'static str,
}

pub(crate) const PROVIDER: SecretVariables =
    SecretVariables { text: "JWT_SECRET", arn: "JWT_SECRET_ARN" };
pub(crate) const SIGNING: SecretVariables =
    SecretVariables { text: "SIGNING_SECRET", arn: "SIGNING_SECRET_ARN" };
pub(crate) const RESPONSES: SecretVariables =
    SecretVariables { text: "RESPONSE_SECRET", arn: "RESPONSE_SECRET_ARN" };

impl SecretVariables {
    /// The one that the source was read from.
    pub(crate) fn of(self, source: &SecretSource) -> &'static str {
        match source {
            SecretSource::Text(_) => self.text,
            SecretSource::Arn(_) => self.arn,
        }
    }
}

/// The fewest bytes of a secret. RFC 7518, section 3.2: a key of at least the hash's size.
pub(crate) const MIN_SECRET_BYTES: usize = 32;

impl fmt::Debug for SecretSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => formatter.write_str("Text(hidden)"),
            Self::Arn(arn) => write!(formatter, "Arn({arn})"),
        }
    }
}

impl Config {
    /// Reads the settings through `get` (`std::env::var` in the cloud), with those secrets. An
    /// empty variable counts as unset, as CloudFormation cannot leave one out.
    ///
    /// # Errors
    /// The first variable that is missing or makes no sense.
    pub fn read(
        get: impl Fn(&'static str) -> Option<String>,
        needs: SecretNeeds,
    ) -> Result<Self, ConfigError> {
        let optional = |variable| get(variable).filter(|value| !value.is_empty());
        let required = |variable| {
            optional(variable).ok_or_else(|| ConfigError { variable, problem: "is not set".into() })
        };
        let secret = |is_needed: bool, variables: SecretVariables| {
            if !is_needed {
                return Ok(None);
            }
            let text = || optional(variables.text).map(SecretSource::Text);
            let source = optional(variables.arn).map(SecretSource::Arn).or_else(text);
            match source {
                Some(SecretSource::Text(text)) if text.len() < MIN_SECRET_BYTES => {
                    Err(ConfigError {
                        variable: variables.text,
                        problem: format!("is shorter than {MIN_SECRET_BYTES} bytes"),
                    })
                }
                source => Ok(source),
            }
        };
        let required_secret = |is_needed, variables: SecretVariables| {
            let problem = || {
                format!(
                    "is not set, and neither is {}: this function needs one of them",
                    variables.arn
                )
            };
            match secret(is_needed, variables)? {
                None if is_needed => {
                    Err(ConfigError { variable: variables.text, problem: problem() })
                }
                source => Ok(source),
            }
        };
        let provider = secret(needs.verify, PROVIDER)?;
        let jwks_url = optional("JWKS_URL").filter(|_| needs.verify);
        let secrets = SecretSources {
            provider: provider.clone(),
            signing: required_secret(needs.sign, SIGNING)?,
            responses: required_secret(needs.store_responses, RESPONSES)?,
        };
        let grace_days = match optional("DELETION_GRACE_DAYS") {
            None => 30,
            Some(days) => {
                days.parse().ok().filter(|days| *days <= 3650).ok_or_else(|| ConfigError {
                    variable: "DELETION_GRACE_DAYS",
                    problem: "must be a whole number of days from 0 to 3650".into(),
                })?
            }
        };
        let requests_per_minute = optional("CALLER_REQUESTS_PER_MINUTE")
            .map_or(Ok(0), |most| most.parse())
            .map_err(|_| ConfigError {
                variable: "CALLER_REQUESTS_PER_MINUTE",
                problem: "must be a whole number of requests, or 0 for no limit".into(),
            })?;
        let key_max_days = match optional("KEY_MAX_DAYS") {
            None => 365,
            Some(days) => {
                days.parse().ok().filter(|days| (1..=3650).contains(days)).ok_or_else(|| {
                    ConfigError {
                        variable: "KEY_MAX_DAYS",
                        problem: "must be a whole number of days from 1 to 3650".into(),
                    }
                })?
            }
        };
        let caps = Caps::read(optional)?;
        let sign_up_url = optional("SIGN_UP_URL").unwrap_or_else(|| "/sign-up".to_owned());
        if !["https://", "http://", "/"].iter().any(|scheme| sign_up_url.starts_with(scheme)) {
            return Err(ConfigError {
                variable: "SIGN_UP_URL",
                problem: "must start with https://, http:// or /".into(),
            });
        }
        let issuer = required("JWT_ISSUER")?;
        if jwks_url.as_ref().is_some_and(|url| !is_safe(url)) {
            let problem = "must start with https:// (or be on this machine)".into();
            return Err(ConfigError { variable: "JWKS_URL", problem });
        }
        if needs.verify && provider.is_none() && jwks_url.is_none() && !is_safe(&issuer) {
            let problem = "is not set, and neither is JWT_SECRET_ARN nor JWKS_URL: one of them must be, \
                           as JWT_ISSUER is no address by https:// at which keys can be discovered";
            return Err(ConfigError { variable: PROVIDER.text, problem: problem.into() });
        }
        Ok(Self {
            table_name: required("TABLE_NAME")?,
            tokens: TokenConfig {
                secrets,
                jwks_url,
                issuer,
                audience: required("JWT_AUDIENCE")?,
                roles: list(&optional("TOKEN_ROLES").unwrap_or_else(|| "authenticated".to_owned())),
                clients: list(&optional("ALLOWED_CLIENTS").unwrap_or_default()),
                step_up: list(
                    &optional("STEP_UP").filter(|factors| factors != "none").unwrap_or_default(),
                ),
            },
            grace_days,
            sign_up_url,
            requests_per_minute: NonZeroU32::new(requests_per_minute),
            key_max_days,
            caps,
        })
    }
}

impl Caps {
    fn read(optional: impl Fn(&'static str) -> Option<String>) -> Result<Self, ConfigError> {
        let number = |variable, default: u32, most: u32| match optional(variable) {
            None => Ok(default),
            Some(text) => {
                text.parse().ok().filter(|number| (1..=most).contains(number)).ok_or_else(|| {
                    ConfigError {
                        variable,
                        problem: format!("must be a whole number from 1 to {most}"),
                    }
                })
            }
        };
        let default = Self::default();
        Ok(Self {
            history_days: number("HISTORY_DAYS", default.history_days, 36_500)?,
            pending_invites: number("MAX_PENDING_INVITES", default.pending_invites, 100_000)?,
            member_share_percent: number(
                "MEMBER_SHARE_PERCENT",
                default.member_share_percent,
                100,
            )?,
            active_keys: number("MAX_ACTIVE_KEYS", default.active_keys, 1000)?,
            share_partners: number("MAX_SHARE_PARTNERS", default.share_partners, 10_000)?,
        })
    }
}

/// Refuses a secret in a plain variable of a function in the cloud. Everyone who may look at the
/// function could read it there. `sam local invoke` is not the cloud.
///
/// # Errors
/// The first variable that holds a secret.
pub fn refuse_plain_secrets(
    get: impl Fn(&'static str) -> Option<String>,
) -> Result<(), ConfigError> {
    let is_set = |variable| get(variable).is_some_and(|value| !value.is_empty());
    if !is_set("AWS_LAMBDA_FUNCTION_NAME") || get("AWS_SAM_LOCAL").as_deref() == Some("true") {
        return Ok(());
    }
    match ["JWT_SECRET", "SIGNING_SECRET", "RESPONSE_SECRET"]
        .into_iter()
        .find(|variable| is_set(*variable))
    {
        None => Ok(()),
        Some(variable) => {
            let problem = format!(
                "holds the secret itself. Keep it in Secrets Manager, and name it in {variable}_ARN"
            );
            Err(ConfigError { variable, problem })
        }
    }
}

/// The values of a list with commas between them.
fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_with(
        needs: SecretNeeds,
        variables: &[(&'static str, &'static str)],
    ) -> Result<Config, String> {
        let all = variables.to_vec();
        let get = move |name| {
            let found = all.iter().rev().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Config::read(get, needs).map_err(|error| error.to_string())
    }

    fn read(variables: &[(&'static str, &'static str)]) -> Result<Config, String> {
        read_with(SecretNeeds::ALL, variables)
    }

    const GOOD: [(&str, &str); 7] = [
        ("SIGNING_SECRET", "fedcba9876543210fedcba9876543210"),
        ("RESPONSE_SECRET", "89abcdef0123456789abcdef01234567"),
        ("SIGN_UP_URL", "https://example.com/sign-up"),
        ("TABLE_NAME", "roster"),
        ("JWT_SECRET", "0123456789abcdef0123456789abcdef"),
        ("JWT_ISSUER", "https://example.com"),
        ("JWT_AUDIENCE", "authenticated"),
    ];

    #[test]
    fn every_fault_names_its_variable() {
        assert!(read(&GOOD).is_ok());
        let none = "is not set, and neither is";
        let needs_signing =
            format!("SIGNING_SECRET {none} SIGNING_SECRET_ARN: this function needs one of them");
        let needs_responses =
            format!("RESPONSE_SECRET {none} RESPONSE_SECRET_ARN: this function needs one of them");
        for (variable, value, expected) in [
            ("TABLE_NAME", "", "TABLE_NAME is not set"),
            ("JWT_ISSUER", "", "JWT_ISSUER is not set"),
            ("JWT_AUDIENCE", "", "JWT_AUDIENCE is not set"),
            ("SIGNING_SECRET", "", &needs_signing),
            ("RESPONSE_SECRET", "", &needs_responses),
            (
                "JWKS_URL",
                "http://127.0.0.1.example.com/",
                "JWKS_URL must start with https:// (or be on this machine)",
            ),
            (
                "JWKS_URL",
                "http://localhost.example.com/",
                "JWKS_URL must start with https:// (or be on this machine)",
            ),
            (
                "JWKS_URL",
                "http://localhost@example.com/",
                "JWKS_URL must start with https:// (or be on this machine)",
            ),
            ("JWKS_URL", "https://", "JWKS_URL must start with https:// (or be on this machine)"),
            (
                "JWKS_URL",
                "http://example.com",
                "JWKS_URL must start with https:// (or be on this machine)",
            ),
            ("SIGN_UP_URL", "javascript:x", "SIGN_UP_URL must start with https://, http:// or /"),
            (
                "DELETION_GRACE_DAYS",
                "-1",
                "DELETION_GRACE_DAYS must be a whole number of days from 0 to 3650",
            ),
            (
                "DELETION_GRACE_DAYS",
                "4000",
                "DELETION_GRACE_DAYS must be a whole number of days from 0 to 3650",
            ),
            ("KEY_MAX_DAYS", "0", "KEY_MAX_DAYS must be a whole number of days from 1 to 3650"),
            ("KEY_MAX_DAYS", "4000", "KEY_MAX_DAYS must be a whole number of days from 1 to 3650"),
            ("HISTORY_DAYS", "0", "HISTORY_DAYS must be a whole number from 1 to 36500"),
            (
                "MAX_PENDING_INVITES",
                "x",
                "MAX_PENDING_INVITES must be a whole number from 1 to 100000",
            ),
            (
                "CALLER_REQUESTS_PER_MINUTE",
                "many",
                "CALLER_REQUESTS_PER_MINUTE must be a whole number of requests, or 0 for no limit",
            ),
            ("JWT_SECRET", "short", "JWT_SECRET is shorter than 32 bytes"),
            ("SIGNING_SECRET", "short", "SIGNING_SECRET is shorter than 32 bytes"),
            ("RESPONSE_SECRET", "short", "RESPONSE_SECRET is shorter than 32 bytes"),
            ("JWKS_URL", "ftp://x", "JWKS_URL must start with https:// (or be on this machine)"),
        ] {
            let mut variables = GOOD.to_vec();
            variables.push((variable, value));
            assert_eq!(read(&variables).err(), Some(format!("environment variable {expected}")));
        }
    }

    #[test]
    fn an_issuer_alone_is_enough_where_its_keys_can_be_discovered() {
        let read = |needs, issuer, secret| {
            let mut variables = GOOD.to_vec();
            variables.extend([("JWT_ISSUER", issuer), ("JWT_SECRET", secret)]);
            read_with(needs, &variables).map(|_| ()).map_err(|error| error[..32].to_owned())
        };
        let refused = Err("environment variable JWT_SECRET ".to_owned());
        for (issuer, expected) in [
            ("https://acme.eu.auth0.com/", Ok(())),
            ("http://127.0.0.1:8080/realms/acme", Ok(())),
            ("http://[::1]:8080/realms/acme", Ok(())),
            ("http://id.example.com", refused.clone()),
            ("http://127.0.0.1.example.com", refused.clone()),
            ("our-issuer", refused.clone()),
        ] {
            assert_eq!(read(SecretNeeds::VERIFY, issuer, ""), expected, "{issuer}");
            // With a secret any text will do, and for who verifies nothing.
            assert_eq!(read(SecretNeeds::VERIFY, issuer, GOOD[4].1), Ok(()), "{issuer}");
            assert_eq!(read(SecretNeeds::NOTHING, issuer, ""), Ok(()), "{issuer}");
        }
    }

    #[test]
    fn no_secret_stands_in_for_another_and_what_is_not_needed_is_not_taken() {
        let has = |config: Config| {
            let TokenConfig { secrets, jwks_url, .. } = config.tokens;
            let secrets = [secrets.provider, secrets.signing, secrets.responses];
            (secrets.map(|source| source.is_some()), jwks_url.is_some())
        };
        let mut all = GOOD.to_vec();
        all.push(("JWKS_URL", "https://example.com/jwks.json"));
        for (needs, expected) in [
            (SecretNeeds::NOTHING, ([false, false, false], false)),
            (SecretNeeds::VERIFY, ([true, false, false], true)),
            (SecretNeeds::VERIFY_AND_STORE, ([true, false, true], true)),
            (SecretNeeds::VERIFY_AND_SIGN, ([true, true, false], true)),
            (SecretNeeds::ALL, ([true, true, true], true)),
        ] {
            assert_eq!(read_with(needs, &all).map(has), Ok(expected), "{needs:?}");
            // A secret that is not needed may be missing, or be wrong.
            for (variable, is_needed) in [
                ("JWT_SECRET", needs.verify),
                ("SIGNING_SECRET", needs.sign),
                ("RESPONSE_SECRET", needs.store_responses),
            ] {
                let mut variables = GOOD.to_vec();
                // No keys can be discovered there.
                variables.extend([(variable, ""), ("JWT_ISSUER", "our-issuer")]);
                let told = read_with(needs, &variables).err().unwrap_or_default();
                assert_eq!(
                    told.contains(variable),
                    is_needed,
                    "{needs:?} without {variable}: {told}"
                );
                variables.push((variable, "short"));
                assert_eq!(
                    read_with(needs, &variables).is_err(),
                    is_needed,
                    "{needs:?}, {variable}"
                );
            }
        }
    }

    #[test]
    fn lists_have_commas_between_their_values_and_blanks_where_one_likes() {
        let lists = |roles, clients| {
            let mut variables = GOOD.to_vec();
            variables.extend([("TOKEN_ROLES", roles), ("ALLOWED_CLIENTS", clients)]);
            read(&variables).map(|config| (config.tokens.roles, config.tokens.clients)).unwrap()
        };
        let of =
            |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        assert_eq!(lists("", ""), (of(&["authenticated"]), of(&[])));
        assert_eq!(lists("user", "app-1"), (of(&["user"]), of(&["app-1"])));
        assert_eq!(lists("user , admin,", " a,,b "), (of(&["user", "admin"]), of(&["a", "b"])));
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let config = read(&GOOD).unwrap();
        let shown = format!("{:?}", config.tokens);
        for (variable, secret) in GOOD.iter().filter(|(variable, _)| variable.ends_with("SECRET")) {
            assert!(!shown.contains(&secret[..16]), "{variable}: {shown}");
        }
    }
}
