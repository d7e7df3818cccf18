//! How a function reaches AWS: with what Lambda puts into its environment, and nothing else. The
//! SDK's own way looks for profiles, containers and machines that are not there, and reads the
//! platform's 140 root certificates: milliseconds of every cold start.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{SharedHttpClient, http_client_fn};
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use crate::config::ConfigError;
use crate::http;

/// The roots of AWS's own endpoints, as <https://www.amazontrust.com/repository/> publishes them:
/// Amazon's four, and Starfield's that signed the first.
pub const ROOTS: &str = include_str!("amazon_roots.pem");

/// How long a connection to AWS may take to make.
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// The configuration of every client of AWS in a function, by the variables that the SDK reads too:
/// `AWS_REGION`, the credentials, `AWS_ENDPOINT_URL` and those of one service, and the proxy's.
/// Where `SSL_CERT_FILE` or `SSL_CERT_DIR` is set, the certificates there are trusted, and AWS's
/// own only if they are among them.
///
/// # Errors
/// Where the region or the credentials are not set, or no TLS can be had.
pub fn config() -> Result<SdkConfig, ConfigError> {
    let needed = |name| {
        variable(name).ok_or_else(|| ConfigError { variable: name, problem: "is not set".into() })
    };
    let (id, secret) = (needed("AWS_ACCESS_KEY_ID")?, needed("AWS_SECRET_ACCESS_KEY")?);
    // Those of a function last as long as its process.
    let credentials =
        Credentials::new(id, secret, variable("AWS_SESSION_TOKEN"), None, "environment");
    let http_client = http_client()
        .map_err(|error| ConfigError { variable: "SSL_CERT_FILE", problem: error.to_string() })?;
    Ok(SdkConfig::builder()
        .region(Region::new(needed("AWS_REGION")?))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .service_config(Endpoints)
        .http_client(http_client)
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

/// With one pool of connections for all clients.
fn http_client() -> Result<SharedHttpClient, BoxError> {
    let own = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().any(|name| variable(name).is_some());
    let roots = if own { http::platform_roots() } else { http::roots(ROOTS)? };
    let client = http::client(roots, Some(CONNECT_TIMEOUT))?;
    Ok(http_client_fn(move |_, _| client.clone()))
}
