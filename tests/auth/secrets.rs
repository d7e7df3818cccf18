//! Secrets that are read from Secrets Manager: at start, and again every five minutes.

use std::sync::Arc;

use aws_credential_types::Credentials;
use functions::App;
use functions::log::NoLog;
use jsonwebtoken::{EncodingKey, Header, encode};
use local::demo;
use reqwest::Method;
use serde_json::json;
use shared::config::{SecretNeeds, SecretSource, SecretSources};
use shared::secrets::{Keyring, Vault, vault};
use tests::direct::Call;
use tests::own_tokens::SIGNING_SECRET;
use tests::{Answer, Roster, send};

use crate::jwks::Provider;

const FIRST: &str = "the-first-secret-of-the-provider-0123456789";
const SECOND: &str = "the-second-secret-of-the-provider-0123456789";

/// A Secrets Manager on this machine that knows one secret.
pub async fn secrets_manager(secret: &str) -> (Provider, Vault) {
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

/// The same with the date of the version, in seconds since 1970.
pub fn publish_version(provider: &Provider, secret: &str, created: i64) {
    let answer = json!({"Name": "roster", "SecretString": secret, "CreatedDate": created});
    provider.says("200 OK", "", &answer.to_string());
}

pub fn arn() -> SecretSource {
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
    assert_eq!(
        (status(&roster, FIRST).await, status(&roster, SECOND).await, provider.fetches()),
        (200, 401, 1)
    );
    publish(&provider, SECOND);
    roster.advance(299);
    assert_eq!(
        (status(&roster, FIRST).await, status(&roster, SECOND).await, provider.fetches()),
        (200, 401, 1)
    );
    roster.advance(1);
    assert_eq!(
        (status(&roster, FIRST).await, status(&roster, SECOND).await, provider.fetches()),
        (401, 200, 2)
    );
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
    assert_eq!(
        (status(&roster, FIRST).await, status(&roster, FIRST).await, provider.fetches()),
        (200, 200, 2)
    );
    // Too short to be one is as good as none.
    publish(&provider, "short");
    roster.advance(31);
    assert_eq!((status(&roster, FIRST).await, provider.fetches()), (200, 3));
    publish(&provider, SECOND);
    roster.advance(31);
    assert_eq!((status(&roster, FIRST).await, status(&roster, SECOND).await), (401, 200));
}

const ARN: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:roster";

#[tokio::test]
async fn a_secret_that_cannot_be_read_at_start_is_named_by_its_own_variable_without_its_text() {
    let (provider, vault) = secrets_manager("too short").await;
    let now = shared::Timestamp::from_millisecond(0);
    let defaults = local::config().expect("the defaults").tokens.secrets;
    for variable in ["JWT_SECRET_ARN", "SIGNING_SECRET_ARN", "RESPONSE_SECRET_ARN"] {
        let mut sources = defaults.clone();
        *match variable {
            "JWT_SECRET_ARN" => &mut sources.provider,
            "SIGNING_SECRET_ARN" => &mut sources.signing,
            _ => &mut sources.responses,
        } = Some(arn());
        let open = async |vault| {
            Keyring::open(&sources, vault, now)
                .await
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        publish(&provider, "too short");
        let told = format!(
            "environment variable {variable} names a secret ({ARN}) that is shorter than 32 bytes"
        );
        assert_eq!(open(Some(vault.clone())).await, told);
        assert_eq!(
            open(None).await,
            format!(
                "environment variable {variable} is an ARN, and there is no Secrets Manager here"
            )
        );
        provider.says(
            "400 Bad Request",
            "",
            &json!({"__type": "ResourceNotFoundException", "Message": "not found"}).to_string(),
        );
        let told = open(Some(vault.clone())).await;
        let beginning =
            format!("environment variable {variable} names a secret ({ARN}) that cannot be read: ");
        assert!(
            told.starts_with(&beginning) && told.contains("ResourceNotFoundException"),
            "{told}"
        );
    }
}

/// Sends the same request to an environment of its own on the server's table, with these secrets.
async fn again(roster: &Roster, adjust: impl FnOnce(&mut SecretSources)) -> Answer {
    let mut config = local::config().expect("the defaults make a configuration");
    config.table_name.clone_from(&roster.table);
    adjust(&mut config.tokens.secrets);
    let (client, clock) = (roster.server.data.client.clone(), roster.server.app.clock.clone());
    let app = Arc::new(
        App::new(&config, client, None, Arc::new(NoLog), clock).await.expect("an application"),
    );
    let call = Call::new(Method::POST, "/v1/keys")
        .key("one-and-the-same")
        .credential(&roster.token(demo::ADMIN));
    call.json(&json!({"name": "for the robot"})).send(&app).await.0
}

#[tokio::test]
async fn a_stored_response_opens_with_the_secret_of_responses_alone() {
    let roster = Roster::start().await;
    let other = || Some(SecretSource::Text("another-secret-of-more-than-32-bytes".to_owned()));
    let first = again(&roster, |_| {}).await.expect(201);
    let replayed = again(&roster, |secrets| secrets.signing = other()).await;
    assert_eq!((replayed.status, &replayed.text), (201, &first.text));
    assert_eq!(replayed.headers["idempotency-replayed"], "true");
    // What signs tokens, of whichever issuer, opens nothing.
    for secret in [SIGNING_SECRET, crate::forge::SECRET] {
        let secret = || Some(SecretSource::Text(secret.to_owned()));
        let sealed = again(&roster, |secrets| secrets.responses = secret()).await.expect(409);
        assert!(!sealed.text.contains("ns_live_"), "{sealed:?}");
    }
}

#[test]
fn the_template_names_every_secret_to_all_functions_and_holds_none() {
    let template: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(include_str!("../../template.yaml")).expect("YAML");
    let variables = template["Globals"]["Function"]["Environment"]["Variables"]
        .as_mapping()
        .expect("variables");
    let names: Vec<&str> = variables.keys().filter_map(|name| name.as_str()).collect();
    let arns: std::collections::BTreeSet<&str> =
        names.iter().copied().filter(|name| name.ends_with("_ARN")).collect();
    assert_eq!(arns, SecretNeeds::ALL.arn_variables().collect());
    for name in names.into_iter().filter(|name| name.contains("SECRET") && !name.ends_with("_ARN"))
    {
        assert_eq!(variables[name], "", "{name}");
    }
    assert!(variables.contains_key("JWKS_URL"));
    let functions = template["Resources"].as_mapping().expect("resources").values();
    let functions = functions.filter(|resource| resource["Type"] == "AWS::Serverless::Function");
    for function in functions {
        let own = function["Properties"]["Environment"]["Variables"].as_mapping();
        let secret = own
            .into_iter()
            .flatten()
            .find(|(name, _)| name.as_str().is_some_and(|name| name.contains("SECRET")));
        assert!(secret.is_none(), "{secret:?}");
    }
}
