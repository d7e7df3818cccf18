//! Credentials, region and endpoint for a DynamoDB that is not embedded.
//!
//! The SDK's default chain finds them as `aws` does: environment, profiles (SSO, `aws login`,
//! roles, processes), web identity, containers, machines. Test credentials go to emulators alone:
//! to an endpoint on this machine, where the chain has none.

use std::time::Duration;

use aws_config::environment::{
    EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider,
};
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::config::Region;
use aws_sdk_dynamodb::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::timeout::TimeoutConfig;
use hyper::Uri;
pub use shared::address::is_loopback;

use crate::Failure;

/// The time limit of each call of a DynamoDB in the cloud: people's machines are far from it, and
/// the first call may have to sign in.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// An endpoint, and how to reach it.
pub(crate) struct Reached {
    /// The endpoint.
    pub endpoint: String,
    /// The region, the credentials and the HTTP client.
    pub config: SdkConfig,
}

/// Reaches a DynamoDB by its endpoint.
pub(crate) async fn at(endpoint: &str) -> Result<Reached, Failure> {
    let uri = endpoint.parse::<Uri>().ok();
    let is_url = uri.is_some_and(|uri| {
        uri.host().is_some()
            && uri.scheme_str().is_some_and(|scheme| ["http", "https"].contains(&scheme))
    });
    if !is_url {
        return Err(format!(
            "{endpoint:?} is not a URL. Write the endpoint as http://127.0.0.1:8000."
        )
        .into());
    }
    let config = if is_loopback(endpoint) { emulator().await } else { cloud().await? };
    Ok(Reached { endpoint: endpoint.to_owned(), config })
}

/// Reaches the region's own endpoint, or the one that `AWS_ENDPOINT_URL_DYNAMODB` or
/// `AWS_ENDPOINT_URL` names.
pub(crate) async fn in_region() -> Result<Reached, Failure> {
    let named = ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|endpoint| !endpoint.is_empty()));
    if let Some(endpoint) = named {
        return at(&endpoint).await;
    }
    let config = cloud().await?;
    let region = config.region().map(Region::to_string).unwrap_or_default();
    let endpoint =
        DefaultResolver::new().resolve_endpoint(&Params::builder().region(region).build()?).await;
    Ok(Reached { endpoint: endpoint?.url().to_owned(), config })
}

/// The default chain alone. The credentials are asked for at once, so that a person learns what is
/// wrong with them, and not that a call failed.
async fn cloud() -> Result<SdkConfig, Failure> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(3 * ATTEMPT_TIMEOUT);
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .timeout_config(timeouts.build())
        .load()
        .await;
    if config.region().is_none() {
        return Err("no region is set. Set AWS_REGION, or the region of your profile.".into());
    }
    let failed = |reason: String| {
        let advice = "Sign in with `aws sso login` or `aws login`, or set AWS_PROFILE or the keys.";
        Failure::from(format!("there are no AWS credentials: {reason}. {advice}"))
    };
    let provider =
        config.credentials_provider().ok_or_else(|| failed("no provider has any".into()))?;
    provider
        .provide_credentials()
        .await
        .map_err(|error| failed(DisplayErrorContext(error).to_string()))?;
    Ok(config)
}

/// Returns what the environment and the profiles have, and otherwise the test credentials: an
/// emulator takes any. No container and no machine is asked, which would take seconds where there
/// is none.
async fn emulator() -> SdkConfig {
    let region = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::builder().build())
        .or_else(Region::new("us-east-1"));
    let chain = CredentialsProviderChain::first_try(
        "environment",
        EnvironmentVariableCredentialsProvider::new(),
    )
    .or_else("profile", ProfileFileCredentialsProvider::builder().build())
    .or_else("web identity", WebIdentityTokenCredentialsProvider::builder().build());
    let credentials = match chain.provide_credentials().await {
        Ok(_) => SharedCredentialsProvider::new(chain),
        Err(_) => SharedCredentialsProvider::new(Credentials::for_tests()),
    };
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(region.region().await)
        .credentials_provider(credentials)
        .build()
}
