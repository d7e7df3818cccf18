//! How a function reaches AWS: with what Lambda puts into its environment, and nothing else. The SDK's own way looks for profiles, containers
//! and machines that are not there, and reads the platform's 140 root certificates: milliseconds of every cold start.

use std::sync::OnceLock;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Connector, HttpClientError};
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use crate::config::ConfigError;

/// The roots of AWS's own endpoints, as <https://www.amazontrust.com/repository/> publishes them: Amazon's four, and Starfield's that signed
/// the first.
pub const ROOTS: &str = include_str!("amazon_roots.pem");

/// The configuration of every client of AWS in a function, by the variables that the SDK reads too: `AWS_REGION`, the credentials,
/// `AWS_ENDPOINT_URL` and those of one service, and the proxy's. Where `SSL_CERT_FILE` or `SSL_CERT_DIR` is set, the certificates there are
/// trusted, and AWS's own only if they are among them.
///
/// # Errors
/// Where `AWS_REGION` is not set, or no TLS can be had.
pub fn config() -> Result<SdkConfig, ConfigError> {
    let missing = || ConfigError { variable: "AWS_REGION", problem: "is not set".into() };
    let tls = tls().map_err(|error| ConfigError { variable: "SSL_CERT_FILE", problem: error.to_string() })?;
    Ok(SdkConfig::builder()
        .region(Region::new(variable("AWS_REGION").ok_or_else(missing)?))
        .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
        .service_config(Endpoints)
        .http_client(http_client(tls))
        .build())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `AWS_ENDPOINT_URL_DYNAMODB` before `AWS_ENDPOINT_URL`, and the like.
#[derive(Debug)]
struct Endpoints;

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_uppercase().replace(' ', "_");
        variable(&format!("{}_{service}", key.env())).or_else(|| variable(key.env()))
    }
}

fn tls() -> Result<TlsContext, HttpClientError> {
    let own = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().any(|name| variable(name).is_some());
    let roots = if own { TrustStore::default() } else { TrustStore::empty().with_pem_certificate(ROOTS) };
    TlsContext::builder().with_trust_store(roots).build()
}

/// The SDK's own HTTP client but for the roots, and with one pool of connections for all clients: they wait for a connection equally long.
fn http_client(tls: TlsContext) -> SharedHttpClient {
    let connector = OnceLock::new();
    let build = move |settings: &HttpConnectorSettings, components: &RuntimeComponents| {
        let mut builder = Connector::builder().connector_settings(settings.clone()).proxy_config(ProxyConfig::from_env());
        builder.set_sleep_impl(components.sleep_impl());
        let builder = builder.tls_provider(Provider::rustls(CryptoMode::AwsLc)).tls_context(tls.clone());
        SharedHttpConnector::new(builder.build())
    };
    http_client_fn(move |settings, components| connector.get_or_init(|| build(settings, components)).clone())
}
