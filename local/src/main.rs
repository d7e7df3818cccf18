//! The local server's command line.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use functions::gateway;
use functions::log::NoLog;
use functions::schedule::purge_accounts;
use functions::stream::count_places;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use local::import::{Deleted, Mapping};
use local::{
    Data, Failure, Location, Options, Server, TrailingSlash, cloud, demo, import, smoke, token,
};
use shared::Clock;
use shared::auth::api_key;
use shared::models::{AuditCredential, AuditCredentialKind};
use shared::store::Act;
use uuid::Uuid;

/// A quarter of what a request runs is allocation, nearly all of it of the AWS SDK.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serves Roster's whole API on this machine, with demo data. Nothing is sent anywhere, and nothing
/// is needed but this program.
#[derive(Parser)]
#[command(name = "local")]
struct Arguments {
    #[command(flatten)]
    data: DataArguments,
    /// The port to listen on; 0 takes a free one, which is printed
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// An origin whose pages may call the API, as https://app.example.com; repeat it for more
    #[arg(long, value_name = "ORIGIN")]
    cors_origin: Vec<String>,
    /// How a path that ends in a slash reaches a route that ends in {proxy+}: through it, or not,
    /// and so through $default
    #[arg(long, value_parser = ["proxy", "default"], default_value = "proxy")]
    trailing_slash: String,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args)]
struct DataArguments {
    /// Keep the data in memory: it is gone when the server ends
    #[arg(long, global = true)]
    memory: bool,
    /// Start a new database without the demo data
    #[arg(long, global = true)]
    empty: bool,
    /// Import users first: an export of Supabase, Auth0, Clerk, Cognito, Firebase or Keycloak, JSON
    /// Lines, or CSV
    #[arg(long, value_name = "FILE")]
    import: Option<PathBuf>,
    /// The team that imported users join, where their line names none: its id [default: the demo
    /// team's]
    #[arg(long, value_name = "ID")]
    import_team: Option<Uuid>,
    #[command(flatten)]
    how: ImportArguments,
    /// Use this DynamoDB, mostly an emulator, instead of the embedded one. Its table must be there
    #[arg(long, value_name = "URL", global = true, conflicts_with_all = ["memory", "cloud"])]
    dynamodb_endpoint: Option<String>,
    /// Use the table of a deployed stack, by TABLE_NAME, in the region and with the credentials
    /// that `aws` would take: profiles, SSO, the environment
    #[arg(long, global = true, conflicts_with = "memory")]
    cloud: bool,
    /// Let each call of DynamoDB wait so many milliseconds: what the cloud feels like
    #[arg(long, value_name = "MS", default_value_t = 0, global = true)]
    dynamodb_latency: u64,
}

#[derive(Args)]
struct ImportArguments {
    /// Make the user of this email an administrator of the team; who is not there becomes a pending
    /// member
    #[arg(long, value_name = "EMAIL")]
    import_admin: Option<String>,
    /// Read a column of the file as another field, as work_email=email; repeat it for more
    #[arg(long, value_name = "COLUMN=FIELD")]
    map: Vec<Mapping>,
    /// Import users as deleted whom the source has deleted, or skip them
    #[arg(long, value_enum, default_value = "import")]
    deleted: Deleted,
    /// Report what the import would do, write nothing, and end
    #[arg(long)]
    dry_run: bool,
}

impl ImportArguments {
    fn are_given(&self) -> bool {
        self.dry_run
            || self.import_admin.is_some()
            || !self.map.is_empty()
            || self.deleted != Deleted::default()
    }

    fn options(self, team_id: Uuid, sign_up_url: &str) -> import::Options {
        import::Options {
            team_id,
            admin: self.import_admin,
            deleted: self.deleted,
            mappings: self.map,
            dry_run: self.dry_run,
            sign_up_url: sign_up_url.to_owned(),
            progress: true,
            tell: Box::new(|line| eprintln!("{line}")),
        }
    }
}

#[derive(Subcommand)]
enum Command {
    /// Print a token for a user, and nothing else
    Token {
        /// The user's id, as 00000000-0000-4000-8000-000000000002
        user_id: Uuid,
        /// How long it is good, as 90s, 15m, 1h or 7d
        #[arg(long, default_value = "1h", value_parser = duration)]
        ttl: Duration,
        /// The email that the token vouches for, for signing up [default: USER_ID@example.com]
        #[arg(long)]
        email: Option<String>,
    },
    /// Try a running server, the cloud's or a local one: a request for each contract, CORS, the
    /// trailing slash. It removes what it makes
    Smoke(smoke::Options),
    /// Import users: an export of Supabase, Auth0, Clerk, Cognito, Firebase or Keycloak, JSON
    /// Lines, or CSV
    Import {
        /// The file
        file: PathBuf,
        /// The team that users join, where their line names none: its id
        #[arg(long, value_name = "ID")]
        team: Uuid,
        #[command(flatten)]
        how: ImportArguments,
    },
    /// Run one handler on one event, as `sam local invoke` does, and print its answer
    Invoke {
        /// The handler, as workspace.list_users
        handler: String,
        /// The event's file, as events/workspace/list_users.json
        event: PathBuf,
    },
    /// Make a user a platform operator, who may act on every team; or take that back
    Operator {
        /// The user's id, as 00000000-0000-4000-8000-000000000002
        user_id: Uuid,
        /// Take it back
        #[arg(long)]
        remove: bool,
    },
    /// Erase the accounts whose date has come, as the schedule does every hour, and print what was
    /// done
    Purge {
        /// Stop after so long, as 90s, 15m or 1h: the next purge goes on
        #[arg(long, default_value = "1h", value_parser = duration)]
        time: Duration,
    },
    /// Count the places of all users anew, after a restore from a backup and before anyone writes,
    /// and print how many teams there are
    Recount,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration: write a number and s, m, h or d");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let options = options(&arguments)?;
    // A dry run of something else would be none.
    if arguments.data.how.are_given()
        && (arguments.command.is_some() || arguments.data.import.is_none())
    {
        let message = "--import-admin, --map, --deleted and --dry-run belong to an import: write them behind `import FILE`, or beside --import FILE";
        return Err(message.into());
    }
    match arguments.command {
        Some(Command::Token { user_id, ttl, email }) => {
            refuse_public_secrets(&options)?;
            let email = email.unwrap_or_else(|| format!("{user_id}@example.com"));
            println!(
                "{}",
                token::issue(&options.config.tokens, user_id, &email, ttl, options.clock.now())?
            );
            Ok(())
        }
        Some(Command::Smoke(smoke)) => smoke::run(smoke).await,
        Some(Command::Import { file, team, how }) => {
            import(&options, &file, how.options(team, &options.config.sign_up_url)).await
        }
        Some(Command::Invoke { handler, event }) => invoke(&options, &handler, &event).await,
        Some(Command::Operator { user_id, remove }) => operator(&options, user_id, !remove).await,
        Some(Command::Purge { time }) => purge(&options, time).await,
        Some(Command::Recount) => recount(&options).await,
        None => serve(options, arguments.data).await,
    }
}

fn options(arguments: &Arguments) -> Result<Options, Failure> {
    let data = &arguments.data;
    let location = match &data.dynamodb_endpoint {
        Some(endpoint) => Location::Endpoint(endpoint.clone()),
        None if data.cloud => Location::Cloud,
        None if data.memory => Location::Memory,
        None => Location::File(PathBuf::from(".roster/roster.db")),
    };
    Ok(Options {
        port: arguments.port,
        location,
        latency: Duration::from_millis(data.dynamodb_latency),
        cors_origins: arguments.cors_origin.clone(),
        trailing_slash: if arguments.trailing_slash == "default" {
            TrailingSlash::Default
        } else {
            TrailingSlash::Proxy
        },
        demo: !data.empty,
        config: local::config()?,
        clock: Clock::system(),
        log: Arc::new(NoLog),
        vault: None,
        interceptor: None,
    })
}

/// Refuses the secrets of local development, for whatever verifies or makes tokens, unless the
/// database is on this machine.
fn refuse_public_secrets(options: &Options) -> Result<(), Failure> {
    match &options.location {
        Location::Endpoint(endpoint) if !cloud::is_loopback(endpoint) => {
            local::refuse_development_secrets(&options.config, endpoint)
        }
        Location::Cloud => {
            local::refuse_development_secrets(&options.config, "the cloud's database")
        }
        _ => Ok(()),
    }
}

/// Opens the database for a command that answers requests.
async fn open_to_callers(options: &Options) -> Result<Data, Failure> {
    refuse_public_secrets(options)?;
    let data = Data::open(options).await?;
    if !data.database.is_on_this_machine() && demo::is_loaded(&data.store).await? {
        let message = "holds the demo data, whose API keys are public. Delete its users, or use another table.";
        return Err(format!(
            "the table {:?} at {} {message}",
            options.config.table_name, data.database.endpoint
        )
        .into());
    }
    Ok(data)
}

async fn import(options: &Options, file: &Path, how: import::Options) -> Result<(), Failure> {
    let data = Data::open(options).await?;
    require_sign_up_url(&data)?;
    println!("{}", import::file(&data, file, &how, options.clock.now()).await?);
    Ok(())
}

/// Refuses to import into a stack's table without its page for sign-up: links are kept there.
fn require_sign_up_url(data: &Data) -> Result<(), Failure> {
    if data.database.is_on_this_machine() || std::env::var_os("SIGN_UP_URL").is_some() {
        return Ok(());
    }
    Err("SIGN_UP_URL is not set: give the stack's parameter SignUpUrl. Links of pending members begin with it.".into())
}

/// A local command of that name, as entries of history name it.
fn command(name: &str) -> AuditCredential {
    AuditCredential::new(AuditCredentialKind::LocalCommand, Some(name.to_owned()))
}

async fn operator(options: &Options, user_id: Uuid, is_operator: bool) -> Result<(), Failure> {
    let data = Data::open(options).await?;
    let action = if is_operator { "user.made_operator" } else { "user.unmade_operator" };
    let act = Act::of_machine(command("operator"), action, options.clock.now());
    data.store.set_operator(user_id, is_operator, &act).await?;
    data.settle().await?;
    println!("{user_id} is {} platform operator", if is_operator { "a" } else { "no" });
    Ok(())
}

async fn recount(options: &Options) -> Result<(), Failure> {
    let data = Data::open(options).await?;
    println!("{} teams", data.store.recount_all_places().await?);
    Ok(())
}

async fn purge(options: &Options, time: Duration) -> Result<(), Failure> {
    let data = Data::open(options).await?;
    let app = data.app(options).await?;
    println!(
        "{}",
        serde_json::to_string_pretty(
            &purge_accounts::run_by(&app, &command("purge"), time).await?
        )?
    );
    data.settle().await
}

async fn invoke(options: &Options, handler: &str, event: &PathBuf) -> Result<(), Failure> {
    if handler == purge_accounts::NAME {
        return purge(options, Duration::from_secs(900)).await;
    }
    if handler == count_places::NAME {
        return count(options, event).await;
    }
    let handler = functions::handler(handler).ok_or_else(|| {
        let scheduled = [purge_accounts::NAME, count_places::NAME];
        let names: Vec<_> =
            functions::HANDLERS.iter().map(|handler| handler.name).chain(scheduled).collect();
        format!("there is no handler {handler:?}; there are: {}", names.join(", "))
    })?;
    let text = std::fs::read_to_string(event)
        .map_err(|error| format!("cannot read {}: {error}", event.display()))?;
    let event: ApiGatewayV2httpRequest = serde_json::from_str(&text)
        .map_err(|error| format!("{} is no event of an HTTP API: {error}", event.display()))?;
    let data = open_to_callers(options).await?;
    let (response, _) = handler.answer(&data.app(options).await?, gateway::request(event)).await;
    println!("{}", serde_json::to_string_pretty(&gateway::response(response))?);
    data.settle().await
}

async fn count(options: &Options, event: &PathBuf) -> Result<(), Failure> {
    let text = std::fs::read_to_string(event)
        .map_err(|error| format!("cannot read {}: {error}", event.display()))?;
    let batch = serde_json::from_str(&text).map_err(|error| {
        format!("{} is no batch of the table's stream: {error}", event.display())
    })?;
    let data = Data::open(options).await?;
    println!(
        "{}",
        serde_json::to_string_pretty(
            &count_places::run(&data.store, batch, options.clock.now()).await?
        )?
    );
    Ok(())
}

async fn serve(options: Options, arguments: DataArguments) -> Result<(), Failure> {
    let (tokens, clock) = (options.config.tokens.clone(), options.clock.clone());
    let is_embedded = !matches!(options.location, Location::Endpoint(_) | Location::Cloud);
    let with_demo = options.demo && is_embedded;
    let start = async || {
        let data = open_to_callers(&options).await?;
        Server::over(data, &options).await
    };
    let server = start().await.map_err(|error| format!("cannot start: {error}"))?;
    if let Some(file) = arguments.import {
        require_sign_up_url(&server.data)?;
        let how = arguments
            .how
            .options(arguments.import_team.unwrap_or(demo::TEAM), &options.config.sign_up_url);
        let report = import::file(&server.data, &file, &how, clock.now()).await?;
        eprintln!("{report}");
        if how.dry_run {
            return Ok(());
        }
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "Routes:")?;
    for route in local::template::routes() {
        writeln!(
            out,
            "  {:7} {:38} {}",
            route.method.as_deref().unwrap_or("any"),
            route.path,
            route.handler
        )?;
    }
    if with_demo {
        writeln!(
            out,
            "\nTokens, good for a day; `cargo run -p local -- token USER_ID` prints more:"
        )?;
        for (kind, id) in demo::CALLERS {
            match token::issue(
                &tokens,
                id,
                &format!("{id}@example.com"),
                Duration::from_secs(86_400),
                clock.now(),
            ) {
                Ok(token) => writeln!(out, "\n  {kind}, {id}:\n  {token}")?,
                Err(error) => writeln!(out, "\n  {kind}, {id}: no token, as {error}")?,
            }
        }
        let key = demo::api_key_text(demo::ADMIN, 1);
        debug_assert!(api_key::hash(key.reveal()).is_some());
        writeln!(out, "\n  API key of the team admin:\n  {}", key.reveal())?;
    }
    writeln!(out, "\nlistening on {}", server.url())?;
    out.flush()?;
    drop(out);
    stopped().await?;
    server.data.settle().await
}

/// Waits until the server is told to stop: by Ctrl-C, or as a service manager does.
async fn stopped() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminated.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
