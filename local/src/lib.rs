//! Roster on one machine: the same handlers behind a local API Gateway, on an embedded DynamoDB.

pub mod cloud;
mod cors;
pub mod database;
pub mod demo;
mod docs;
mod gateway;
pub mod import;
pub mod smoke;
pub mod stream;
pub mod template;
pub mod token;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::SharedInterceptor;
use functions::App;
use functions::log::Log;
use shared::Clock;
use shared::address::is_safe;
use shared::config::{Config, SecretNeeds, SecretSource};
use shared::dynamodb::Client;
use shared::secrets::{Vault, vault};
use shared::store::Store;
use tokio::net::TcpListener;

pub use database::Location;
pub use template::TrailingSlash;

/// Why the local server cannot do something, for a person to read.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The secrets of local development, which everyone knows: by their variables.
const DEVELOPMENT_SECRETS: [(&str, &str); 3] = [
    ("JWT_SECRET", "local-development-secret-do-not-deploy"),
    ("SIGNING_SECRET", "local-signing-secret-do-not-deploy"),
    ("RESPONSE_SECRET", "local-response-secret-do-not-deploy"),
];

/// The issuer of local development.
const DEVELOPMENT_ISSUER: &str = "http://localhost/auth/v1";

/// The settings of the environment; where it has none, those of local development.
pub fn config() -> Result<Config, Failure> {
    let own_keys = ["JWT_SECRET", "JWT_SECRET_ARN", "JWKS_URL"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    // The keys of another issuer are discovered there.
    let own_issuer = std::env::var("JWT_ISSUER")
        .is_ok_and(|issuer| issuer != DEVELOPMENT_ISSUER && is_safe(&issuer));
    let own_keys = own_keys || own_issuer;
    let secret = |name| {
        DEVELOPMENT_SECRETS.iter().find(|(variable, _)| *variable == name).map(|(_, text)| *text)
    };
    let default = |name| match name {
        "TABLE_NAME" => Some("roster"),
        "JWT_SECRET" if own_keys => None,
        "JWT_ISSUER" => Some(DEVELOPMENT_ISSUER),
        "JWT_AUDIENCE" => Some("authenticated"),
        "SIGN_UP_URL" => Some("http://localhost:3000/sign-up"),
        name => secret(name),
    };
    let get = |name| std::env::var(name).ok().or_else(|| default(name).map(str::to_owned));
    Ok(Config::read(get, SecretNeeds::ALL)?)
}

/// Refuses the secrets of local development for a database that is not on this machine. Anyone can
/// sign tokens with them.
///
/// # Errors
/// Names their variables.
pub fn refuse_development_secrets(config: &Config, database: &str) -> Result<(), Failure> {
    let secrets = &config.tokens.secrets;
    let texts: Vec<&str> = [&secrets.provider, &secrets.signing, &secrets.responses]
        .into_iter()
        .flatten()
        .filter_map(|source| match source {
            SecretSource::Text(text) => Some(text.as_str()),
            SecretSource::Arn(_) => None,
        })
        .collect();
    let used: Vec<&str> = DEVELOPMENT_SECRETS
        .iter()
        .filter(|(_, text)| texts.contains(text))
        .map(|(variable, _)| *variable)
        .collect();
    if used.is_empty() {
        return Ok(());
    }
    let arns: Vec<String> = used.iter().map(|variable| format!("{variable}_ARN")).collect();
    Err(format!(
        "the development value of {} is public, and {database} is not on this machine. Set {}, as the stack does, \
         or secrets of your own of at least 32 bytes.",
        used.join(" and of "),
        arns.join(" and ")
    )
    .into())
}

/// How to start.
#[derive(Clone)]
pub struct Options {
    /// The port; 0 for a free one.
    pub port: u16,
    /// Where the data is.
    pub location: Location,
    /// How long each call of DynamoDB waits first.
    pub latency: Duration,
    /// How a trailing slash is routed.
    pub trailing_slash: TrailingSlash,
    /// The origins whose pages may call the API: the stack's parameter `CorsOrigins`.
    pub cors_origins: Vec<String>,
    /// Whether a new table in an embedded database gets the demo data.
    pub demo: bool,
    /// The settings.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    /// Where requests are logged.
    pub log: Arc<dyn Log>,
    /// Where secrets are read that the settings name.
    pub vault: Option<Vault>,
    /// Sees every call of DynamoDB that a handler makes, and may refuse it.
    pub interceptor: Option<SharedInterceptor>,
}

tokio::task_local! {
    /// The name of the handler that answers a request.
    pub static HANDLER: &'static str;
}

/// The table, opened and filled.
pub struct Data {
    /// A client that does not wait, for loading and looking.
    pub client: Client,
    /// The table through it.
    pub store: Store,
    /// The database.
    pub database: database::Opened,
    /// What the table's stream does, where the database is embedded.
    pub stream: Option<Arc<stream::Stream>>,
}

impl Data {
    /// Opens the database. In an embedded one it makes the table if there is none, and fills a new
    /// one; elsewhere the table must be there.
    pub async fn open(options: &Options) -> Result<Self, Failure> {
        let database = database::open(&options.location).await?;
        let client = database::client(&database, Duration::ZERO).await;
        let table_name = &options.config.table_name;
        let new = if database.guard.is_some() {
            database::create_table(&database, &client, table_name).await?
        } else {
            database::check_table(&database, &client, table_name).await?;
            false
        };
        let store = Store::new(client.clone(), &options.config.table_name);
        let stream = match &database.changes {
            Some(changes) => {
                let quiet =
                    Store::new(database::quiet_client(&database).await, &options.config.table_name);
                Some(Arc::new(stream::Stream::new(changes.clone(), quiet, options.clock.clone())))
            }
            None => None,
        };
        if let Some(stream) = &stream {
            stream.repair(table_name).await?;
        }
        let data = Self { client, store, database, stream };
        if new && options.demo {
            demo::load(&data.store, options.clock.now()).await?;
        }
        data.settle().await?;
        Ok(data)
    }

    /// Waits until all that was written is counted in the lists. Behind an address, what stands
    /// there counts in its own time.
    pub async fn settle(&self) -> Result<(), Failure> {
        match &self.stream {
            Some(stream) => stream.settle().await,
            None => Ok(()),
        }
    }

    /// The application over this data.
    pub async fn app(&self, options: &Options) -> Result<Arc<App>, Failure> {
        let mut client = database::client(&self.database, options.latency).await;
        if let Some(interceptor) = &options.interceptor {
            let config = client.config().to_builder().interceptor(interceptor.clone()).build();
            client = Client::from_conf(config);
        }
        let vault = options.vault.clone().or_else(|| self.database.aws.as_ref().map(vault));
        Ok(Arc::new(
            App::new(&options.config, client, vault, options.log.clone(), options.clock.clone())
                .await?,
        ))
    }
}

/// A server that runs until it is dropped.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// The application behind it.
    pub app: Arc<App>,
    /// Its data.
    pub data: Data,
    serving: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Starts a server on 127.0.0.1.
    pub async fn start(options: Options) -> Result<Self, Failure> {
        let data = Data::open(&options).await?;
        Self::over(data, &options).await
    }

    /// Starts a server on 127.0.0.1, over data that is open.
    pub async fn over(data: Data, options: &Options) -> Result<Self, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
        let address = listener.local_addr()?;
        let app = data.app(options).await?;
        let gateway = gateway::Gateway {
            router: template::Router::new(options.trailing_slash),
            cors: cors::Cors::new(options.cors_origins.clone()),
            app: app.clone(),
            stream: data.stream.clone(),
        };
        let serving = tokio::spawn(gateway::serve(listener, Arc::new(gateway)));
        Ok(Self { address, app, data, serving })
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
        self.data.database.guard.take();
    }
}
