//! Secrets that are read from Secrets Manager: at start, and again every five minutes.

use aws_credential_types::Credentials;
use jsonwebtoken::{EncodingKey, Header, encode};
use local::demo;
use reqwest::Method;
use serde_json::json;
use shared::config::SecretSource;
use shared::secrets::{Keyring, Vault, vault};
use tests::{Roster, send};

use crate::jwks::Provider;

const FIRST: &str = "the-first-secret-of-the-provider-0123456789";
const SECOND: &str = "the-second-secret-of-the-provider-0123456789";

/// A Secrets Manager on this machine that knows one secret.
async fn secrets_manager(secret: &str) -> (Provider, Vault) {
    let provider = Provider::start(&[]).await;
    publish(&provider, secret);
    let config = aws_sdk_secretsmanager::Config::builder()
        .region(aws_sdk_secretsmanager::config::Region::new("us-east-1"))
        .credentials_provider(Credentials::for_tests())
        .retry_config(aws_sdk_secretsmanager::config::retry::RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(format!("http://{}", provider.address));
    (provider, vault(config))
}

fn publish(provider: &Provider, secret: &str) {
    provider.says("200 OK", "", &json!({"Name": "roster", "SecretString": secret}).to_string());
}

fn arn() -> SecretSource {
    SecretSource::Arn("arn:aws:secretsmanager:us-east-1:123456789012:secret:roster".into())
}

/// The status that a token signed with a secret gets.
async fn status(roster: &Roster, secret: &str) -> u16 {
    let key = EncodingKey::from_secret(secret.as_bytes());
    let token = encode(&Header::default(), &roster.claims(demo::ADMIN), &key).expect("a token");
    send(roster.request(Method::GET, "/users/me").bearer_auth(token)).await.status
}

#[tokio::test]
async fn a_rotated_secret_is_in_use_within_five_minutes_and_the_old_one_is_not() {
    let (provider, vault) = secrets_manager(FIRST).await;
    let roster = Roster::start_with(|options| {
        options.config.tokens.secrets.provider = Some(arn());
        options.vault = Some(vault);
    })
    .await;
    assert_eq!((status(&roster, FIRST).await, status(&roster, SECOND).await, provider.fetches()), (200, 401, 1));
    publish(&provider, SECOND);
    roster.advance(299);
    assert_eq!((status(&roster, FIRST).await, status(&roster, SECOND).await, provider.fetches()), (200, 401, 1));
    roster.advance(1);
    assert_eq!((status(&roster, FIRST).await, status(&roster, SECOND).await, provider.fetches()), (401, 200, 2));
}

#[tokio::test]
async fn where_secrets_cannot_be_read_again_those_at_hand_serve_on() {
    let (provider, vault) = secrets_manager(FIRST).await;
    let roster = Roster::start_with(|options| {
        options.config.tokens.secrets.provider = Some(arn());
        options.vault = Some(vault);
    })
    .await;
    provider.fails();
    roster.advance(301);
    assert_eq!((status(&roster, FIRST).await, status(&roster, FIRST).await, provider.fetches()), (200, 200, 2));
    // Too short to be one is as good as none.
    publish(&provider, "short");
    roster.advance(31);
    assert_eq!((status(&roster, FIRST).await, provider.fetches()), (200, 3));
    publish(&provider, SECOND);
    roster.advance(31);
    assert_eq!((status(&roster, FIRST).await, status(&roster, SECOND).await), (401, 200));
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_at_start_is_named_without_its_text() {
    let (provider, vault) = secrets_manager("too short").await;
    let mut sources = local::config().expect("the defaults").tokens.secrets;
    sources.provider = Some(arn());
    let now = shared::Timestamp::from_millisecond(0);
    let open = async |vault| Keyring::open(&sources, vault, now).await.err().map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(open(Some(vault.clone())).await, "environment variable JWT_SECRET is shorter than 32 bytes");
    assert_eq!(open(None).await, "environment variable JWT_SECRET is an ARN, and there is no Secrets Manager here");
    provider.says("400 Bad Request", "", &json!({"__type": "ResourceNotFoundException", "Message": "not found"}).to_string());
    let told = open(Some(vault)).await;
    assert!(told.contains("JWT_SECRET") && told.contains("secret:roster") && told.contains("ResourceNotFoundException"), "{told}");
}
