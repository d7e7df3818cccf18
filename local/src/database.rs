//! The DynamoDB behind the local server: an embedded one, or any other by its address.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::Region;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
    TableStatus,
};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use dynoxide::Database;
use serde::Deserialize;
use shared::dynamodb::Client;
use tokio::net::TcpListener;

use crate::stream::Changes;
use crate::{Failure, template};

/// Where the data is.
#[derive(Debug, Clone)]
pub enum Location {
    /// In memory: gone when the server ends.
    Memory,
    /// In memory, beginning as a copy of a file.
    CopyOf(PathBuf),
    /// In a file, made if it does not exist.
    File(PathBuf),
    /// Behind an address: DynamoDB Local, another emulator, or the cloud.
    Endpoint(String),
}

/// An opened database.
pub struct Opened {
    /// Where it is, as a URL.
    pub endpoint: String,
    /// Ends an embedded one when it is dropped.
    pub guard: Option<Guard>,
    /// What clients change in an embedded one.
    pub changes: Option<Arc<Changes>>,
}

/// Opens the database.
pub async fn open(location: &Location) -> Result<Opened, Failure> {
    match location {
        Location::Endpoint(endpoint) => Ok(Opened { endpoint: endpoint.clone(), guard: None, changes: None }),
        Location::Memory => embed(Database::memory()?).await,
        Location::CopyOf(path) => {
            let database = Database::memory()?;
            database.restore_from(text(path)?)?;
            embed(database).await
        }
        Location::File(path) => {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            embed(Database::new(text(path)?)?).await
        }
    }
}

fn text(path: &Path) -> Result<&str, Failure> {
    Ok(path.to_str().ok_or("the database's path is not UTF-8")?)
}

/// A client of an opened database. Each of its calls waits for `latency` first, and what it changes is noted.
pub async fn client(database: &Opened, latency: Duration) -> Client {
    connect(database, Some(Noting { latency, changes: database.changes.clone() })).await
}

/// A client of an opened database whose changes are not noted.
pub async fn quiet_client(database: &Opened) -> Client {
    connect(database, None).await
}

async fn connect(database: &Opened, noting: Option<Noting>) -> Client {
    let local = || Region::new("us-east-1");
    let mut config = aws_sdk_dynamodb::config::Builder::new().region(local()).credentials_provider(Credentials::for_tests());
    if database.guard.is_none() {
        let environment = aws_config::load_defaults(aws_config::BehaviorVersion::v2026_01_12()).await;
        // An emulator takes any credentials: where the environment has none, those of the tests.
        if ["AWS_ACCESS_KEY_ID", "AWS_PROFILE"].iter().any(|name| std::env::var_os(name).is_some()) {
            config.set_credentials_provider(environment.credentials_provider());
        }
        config.set_region(Some(environment.region().cloned().unwrap_or_else(local)));
    }
    if !database.endpoint.starts_with("https:") {
        let plain = aws_smithy_http_client::Builder::new().build_http();
        config.set_http_client(Some(match noting {
            Some(noting) => noting.over(plain),
            None => plain,
        }));
    }
    let client = shared::dynamodb::client(config.endpoint_url(&database.endpoint));
    if database.guard.is_none() {
        return client;
    }
    // An embedded one does one thing at a time: who waits for their turn is not lost.
    let patience = TimeoutConfig::builder().operation_timeout(Duration::from_secs(30)).operation_attempt_timeout(Duration::from_secs(30));
    Client::from_conf(client.config().to_builder().timeout_config(patience.build()).build())
}

/// Ends the embedded database when it is dropped.
#[derive(Debug)]
pub struct Guard(tokio::task::JoinHandle<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn embed(database: Database) -> Result<Opened, Failure> {
    let changes = Some(Arc::new(Changes::of(database.clone())));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let serving = tokio::spawn(async move {
        if let Err(error) = dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()).await {
            tracing::error!(error, "the embedded database ended");
        }
    });
    Ok(Opened { endpoint, guard: Some(Guard(serving)), changes })
}

/// What happens to each call: it waits first, which is what the cloud feels like; and its changes are noted.
#[derive(Clone)]
struct Noting {
    latency: Duration,
    changes: Option<Arc<Changes>>,
}

impl Noting {
    fn over(self, client: SharedHttpClient) -> SharedHttpClient {
        use aws_smithy_runtime_api::client::http::HttpClient;
        http_client_fn(move |settings, components| {
            let inner = client.http_connector(settings, components);
            SharedHttpConnector::new(Noted { inner, noting: self.clone() })
        })
    }
}

struct Noted {
    inner: SharedHttpConnector,
    noting: Noting,
}

impl std::fmt::Debug for Noted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(formatter)
    }
}

impl HttpConnector for Noted {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, noting) = (self.inner.clone(), self.noting.clone());
        HttpConnectorFuture::new(async move {
            if !noting.latency.is_zero() {
                tokio::time::sleep(noting.latency).await;
            }
            match noting.changes {
                Some(changes) => changes.watch(inner, request).await,
                None => inner.call(request).await,
            }
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Table {
    attribute_definitions: Vec<Attribute>,
    key_schema: Vec<KeyPart>,
    #[serde(default)]
    global_secondary_indexes: Vec<Index>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyPart {
    attribute_name: String,
    key_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Index {
    index_name: String,
    key_schema: Vec<KeyPart>,
    projection: IndexProjection,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IndexProjection {
    projection_type: String,
    #[serde(default)]
    non_key_attributes: Option<Vec<String>>,
}

fn key_schema(parts: &[KeyPart]) -> Result<Vec<KeySchemaElement>, Failure> {
    let elements = parts.iter().map(|part| {
        KeySchemaElement::builder().attribute_name(&part.attribute_name).key_type(KeyType::from(part.key_type.as_str())).build()
    });
    Ok(elements.collect::<Result<_, _>>()?)
}

/// Makes the table as template.yaml describes it, unless it exists, and waits until it can be used. Says whether it is new.
pub async fn create_table(client: &Client, name: &str) -> Result<bool, Failure> {
    let table: Table = serde_yaml_ng::from_value(template::table())?;
    let mut request = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    request = request.set_key_schema(Some(key_schema(&table.key_schema)?));
    for attribute in &table.attribute_definitions {
        let attribute_type = ScalarAttributeType::from(attribute.attribute_type.as_str());
        request = request.attribute_definitions(
            AttributeDefinition::builder().attribute_name(&attribute.attribute_name).attribute_type(attribute_type).build()?,
        );
    }
    for index in &table.global_secondary_indexes {
        let projection = Projection::builder()
            .projection_type(ProjectionType::from(index.projection.projection_type.as_str()))
            .set_non_key_attributes(index.projection.non_key_attributes.clone())
            .build();
        let index = GlobalSecondaryIndex::builder()
            .index_name(&index.index_name)
            .set_key_schema(Some(key_schema(&index.key_schema)?))
            .projection(projection)
            .build()?;
        request = request.global_secondary_indexes(index);
    }
    let new = match request.send().await {
        Ok(_) => true,
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) => false,
        Err(error) => return Err(error.into()),
    };
    for _ in 0..600 {
        let status = client.describe_table().table_name(name).send().await?.table.and_then(|table| table.table_status);
        if status == Some(TableStatus::Active) {
            return Ok(new);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Err("the table did not become active within five minutes".into())
}
