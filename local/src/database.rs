//! The DynamoDB behind the local server: an embedded one, or any other by its address.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::Region;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TableDescription, TableStatus,
};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::display::DisplayErrorContext;
use dynoxide::Database;
use serde::{Deserialize, Serialize};
use shared::dynamodb::Client;
use tokio::net::TcpListener;

use crate::stream::Changes;
use crate::{Failure, cloud, template};

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
    /// In the cloud, at the endpoint of the region that the SDK is set to.
    Cloud,
}

/// An opened database.
pub struct Opened {
    /// Where it is, as a URL.
    pub endpoint: String,
    /// The embedded one, which ends when this is dropped.
    pub guard: Option<Guard>,
    /// What clients change in an embedded one.
    pub changes: Option<Arc<Changes>>,
    /// How one that is not embedded is reached.
    pub aws: Option<SdkConfig>,
}

impl Opened {
    /// Returns true if the endpoint is on this machine, which is so of an embedded one.
    pub fn is_on_this_machine(&self) -> bool {
        cloud::is_loopback(&self.endpoint)
    }

    /// The endpoint and its region, for messages.
    fn place(&self) -> String {
        let region = self
            .aws
            .as_ref()
            .and_then(SdkConfig::region)
            .map(|region| format!(" (region {region})"));
        format!("{}{}", self.endpoint, region.unwrap_or_default())
    }
}

/// Opens the database.
pub async fn open(location: &Location) -> Result<Opened, Failure> {
    match location {
        Location::Endpoint(endpoint) => Ok(elsewhere(cloud::at(endpoint).await?)),
        Location::Cloud => Ok(elsewhere(cloud::in_region().await?)),
        Location::Memory => embed(Database::memory()?, false).await,
        Location::CopyOf(path) => {
            let database = Database::memory()?;
            database.restore_from(text(path)?)?;
            embed(database, false).await
        }
        Location::File(path) => {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            embed(Database::new(text(path)?)?, true).await
        }
    }
}

fn elsewhere(reached: cloud::Reached) -> Opened {
    Opened { endpoint: reached.endpoint, guard: None, changes: None, aws: Some(reached.config) }
}

fn text(path: &Path) -> Result<&str, Failure> {
    Ok(path.to_str().ok_or("the database's path is not UTF-8")?)
}

/// A client of an opened database. Each of its calls waits for `latency` first, and what it changes
/// is noted.
pub async fn client(database: &Opened, latency: Duration) -> Client {
    connect(database, latency, database.changes.clone()).await
}

/// A client of an opened database whose changes are not noted.
pub async fn quiet_client(database: &Opened) -> Client {
    connect(database, Duration::ZERO, None).await
}

async fn connect(database: &Opened, latency: Duration, changes: Option<Arc<Changes>>) -> Client {
    let mut config = match &database.aws {
        Some(aws) => aws_sdk_dynamodb::config::Builder::from(aws),
        None => {
            let region = Region::new("us-east-1");
            aws_sdk_dynamodb::config::Builder::new()
                .region(region)
                .credentials_provider(Credentials::for_tests())
        }
    };
    if !database.endpoint.starts_with("https:") {
        let embedded = database.guard.as_ref().map(|guard| guard.database.clone());
        config.set_http_client(Some(shortened(
            aws_smithy_http_client::Builder::new().build_http(),
            embedded,
            latency,
            changes,
        )));
    }
    let client = shared::dynamodb::client(config.endpoint_url(&database.endpoint));
    let timeouts = match &database.aws {
        Some(aws) if !database.is_on_this_machine() => {
            aws.timeout_config().filter(|timeouts| timeouts.has_timeouts()).cloned()
        }
        // The embedded one and emulators do one thing at a time: a call that waits its turn is not
        // lost.
        _ => {
            let longest = Duration::from_secs(30);
            let timeouts = TimeoutConfig::builder().operation_timeout(longest);
            Some(timeouts.operation_attempt_timeout(longest).build())
        }
    };
    match timeouts {
        None => client,
        Some(timeouts) => {
            Client::from_conf(client.config().to_builder().timeout_config(timeouts).build())
        }
    }
}

/// An embedded database, served until this is dropped.
pub struct Guard {
    database: Database,
    serving: tokio::task::JoinHandle<()>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Guard")
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn embed(database: Database, is_kept: bool) -> Result<Opened, Failure> {
    let changes = Some(Arc::new(Changes::of(database.clone(), is_kept)));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let served = database.clone();
    let serving = tokio::spawn(async move {
        if let Err(error) =
            dynoxide::server::serve_with_shutdown(listener, served, std::future::pending()).await
        {
            tracing::error!(error, "the embedded database ended");
        }
    });
    Ok(Opened { endpoint, guard: Some(Guard { database, serving }), changes, aws: None })
}

/// The same client, but for the socket where the database is in this process, for the time that
/// each call waits first, which is what the cloud feels like, and for what it changes, which is
/// noted.
fn shortened(
    client: SharedHttpClient,
    embedded: Option<Database>,
    latency: Duration,
    changes: Option<Arc<Changes>>,
) -> SharedHttpClient {
    use aws_smithy_runtime_api::client::http::HttpClient;
    http_client_fn(move |settings, components| {
        let socket = client.http_connector(settings, components);
        let inner = SharedHttpConnector::new(Direct { socket, embedded: embedded.clone() });
        SharedHttpConnector::new(Noted { inner, latency, changes: changes.clone() })
    })
}

struct Noted {
    inner: SharedHttpConnector,
    latency: Duration,
    changes: Option<Arc<Changes>>,
}

impl fmt::Debug for Noted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(formatter)
    }
}

impl HttpConnector for Noted {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, latency, changes) = (self.inner.clone(), self.latency, self.changes.clone());
        HttpConnectorFuture::new(async move {
            if latency.is_zero() {
                // Calls made together begin together, as they do over a socket.
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(latency).await;
            }
            match changes {
                Some(changes) => changes.watch(inner, request).await,
                None => inner.call(request).await,
            }
        })
    }
}

struct Direct {
    socket: SharedHttpConnector,
    embedded: Option<Database>,
}

impl fmt::Debug for Direct {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Direct")
    }
}

impl HttpConnector for Direct {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        // What only the database's server runs or understands goes to it.
        match self.embedded.as_ref().and_then(|database| run(database, &request)) {
            Some(answer) => HttpConnectorFuture::ready(Ok(answer)),
            None => self.socket.call(request),
        }
    }
}

/// Runs a call on the database; none where it is one of those that only its server runs, or is not
/// of their form.
fn run(database: &Database, request: &HttpRequest) -> Option<HttpResponse> {
    let body = request.body().bytes()?;
    match request.headers().get("x-amz-target")?.strip_prefix("DynamoDB_20120810.")? {
        "GetItem" => answer(database.get_item(serde_json::from_slice(body).ok()?)),
        "BatchGetItem" => answer(database.batch_get_item(serde_json::from_slice(body).ok()?)),
        "Query" => answer(database.query(serde_json::from_slice(body).ok()?)),
        "Scan" => answer(database.scan(serde_json::from_slice(body).ok()?)),
        "PutItem" => answer(database.put_item(serde_json::from_slice(body).ok()?)),
        "UpdateItem" => answer(database.update_item(serde_json::from_slice(body).ok()?)),
        "BatchWriteItem" => answer(database.batch_write_item(serde_json::from_slice(body).ok()?)),
        "TransactWriteItems" => {
            answer(database.transact_write_items(serde_json::from_slice(body).ok()?))
        }
        _ => None,
    }
}

/// What the database's server would answer.
fn answer(outcome: dynoxide::Result<impl Serialize>) -> Option<HttpResponse> {
    let (status, body) = match outcome {
        Ok(output) => (200, serde_json::to_vec(&output).ok()?),
        Err(error) => (error.status_code(), error.to_json().into_bytes()),
    };
    Some(HttpResponse::new(StatusCode::try_from(status).ok()?, SdkBody::from(body)))
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
        KeySchemaElement::builder()
            .attribute_name(&part.attribute_name)
            .key_type(KeyType::from(part.key_type.as_str()))
            .build()
    });
    Ok(elements.collect::<Result<_, _>>()?)
}

/// Makes the table as template.yaml describes it, unless it exists, and waits until it can be used.
/// Says whether it is new.
///
/// For an embedded database and for tests: a stack makes its own table.
pub async fn create_table(database: &Opened, client: &Client, name: &str) -> Result<bool, Failure> {
    // An embedded one describes a table only after counting its items, all of them.
    if let Some(embedded) = &database.guard
        && embedded.database.get_table_metadata(name)?.is_some()
    {
        return Ok(false);
    }
    let table: Table = serde_yaml_ng::from_value(template::table())?;
    let mut request =
        client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    request = request.set_key_schema(Some(key_schema(&table.key_schema)?));
    for attribute in &table.attribute_definitions {
        let attribute_type = ScalarAttributeType::from(attribute.attribute_type.as_str());
        request = request.attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name(&attribute.attribute_name)
                .attribute_type(attribute_type)
                .build()?,
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
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|error| error.is_resource_in_use_exception()) =>
        {
            false
        }
        Err(error) => return Err(error.into()),
    };
    for _ in 0..600 {
        let status = client
            .describe_table()
            .table_name(name)
            .send()
            .await?
            .table
            .and_then(|table| table.table_status);
        if status == Some(TableStatus::Active) {
            return Ok(new);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Err("the table did not become active within five minutes".into())
}

/// Holds a table that this program does not make against template.yaml.
///
/// # Errors
/// Says what to do if the table is missing, is not ready, or is not a table of Roster's.
pub async fn check_table(database: &Opened, client: &Client, name: &str) -> Result<(), Failure> {
    let place = database.place();
    let description = match client.describe_table().table_name(name).send().await {
        Ok(output) => output.table.unwrap_or_else(|| TableDescription::builder().build()),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|error| error.is_resource_not_found_exception()) =>
        {
            return Err(format!(
                "there is no table {name:?} at {place}. Set TABLE_NAME to the stack's output `TableName`, which \
                 `aws cloudformation describe-stacks --stack-name <the stack>` shows. Nothing was written: \
                 only the embedded database gets a table made."
            )
            .into());
        }
        Err(error) => {
            let reason = DisplayErrorContext(error).to_string();
            return Err(format!("cannot look at the table {name:?} at {place}: {reason}").into());
        }
    };
    if let Some(status) = description.table_status.as_ref().filter(|status| !is_ready(status)) {
        return Err(
            format!("the table {name:?} at {place} is {status}. Wait until it is ACTIVE.").into()
        );
    }
    let missing = missing_keys(&serde_yaml_ng::from_value(template::table())?, &description);
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the table {name:?} at {place} is not a table of this version of Roster: it lacks {}. Set TABLE_NAME to \
         the stack's output `TableName`, or deploy this version first. Nothing was written.",
        missing.join(", ")
    )
    .into())
}

fn is_ready(status: &TableStatus) -> bool {
    [TableStatus::Active, TableStatus::Updating].contains(status)
}

/// The keys of the template's table, its own and those of its indexes, that a table lacks.
fn missing_keys(wanted: &Table, table: &TableDescription) -> Vec<String> {
    let is = |wanted: &[KeyPart], given: &[KeySchemaElement]| {
        wanted.len() == given.len()
            && wanted.iter().zip(given).all(|(wanted, given)| {
                wanted.attribute_name == given.attribute_name
                    && wanted.key_type == given.key_type.as_str()
            })
    };
    let key = (!is(&wanted.key_schema, table.key_schema())).then(|| "the key pk and sk".to_owned());
    let indexes = wanted.global_secondary_indexes.iter().filter(|wanted| {
        !table.global_secondary_indexes().iter().any(|given| {
            given.index_name() == Some(&wanted.index_name)
                && is(&wanted.key_schema, given.key_schema())
        })
    });
    key.into_iter().chain(indexes.map(|index| format!("the index {}", index.index_name))).collect()
}
