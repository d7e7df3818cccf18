//! The one artifact: starts the handler that the function's `Handler:` names.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use functions::log::CloudLog;
use functions::schedule::purge_accounts;
use functions::stream::count_places;
use functions::{App, HANDLERS, Handler, gateway};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::value::{RawValue, to_raw_value};
use shared::Clock;
use shared::config::{Config, SecretNeeds, refuse_plain_secrets};
use shared::secrets::vault;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::INFO)
        .with_current_span(false)
        .without_time()
        .init();
    match start().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "cannot start");
            ExitCode::FAILURE
        }
    }
}

async fn start() -> Result<(), Error> {
    let name = std::env::var("_HANDLER").ok();
    let work = work(name)?;
    refuse_plain_secrets(|variable| std::env::var(variable).ok())?;
    let config = Config::read(|variable| std::env::var(variable).ok(), work.needs())?;
    let aws = shared::aws::config()?;
    let client = shared::dynamodb::client(&aws);
    let vault = (!config.tokens.secrets.are_fixed()).then(|| vault(&aws));
    let stage = std::env::var("STAGE")
        .ok()
        .filter(|stage| !stage.is_empty())
        .unwrap_or_else(|| "dev".to_owned());
    let app = Arc::new(
        App::new(&config, client, vault, Arc::new(CloudLog::to_stdout(stage)), Clock::system())
            .await?,
    );
    // Opens the connection beside the first poll, which mostly brings a request at once: what that
    // does before it reads, and the handshake, go on together. Where the process is frozen
    // meanwhile, the connection fails later on, and the first request opens another.
    let reached = app.clone();
    tokio::spawn(async move {
        // The poll goes out first.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let _ = reached.store.reach().await;
    });
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let app = app.clone();
        async move { perform(work, &app, event).await }
    }))
    .await
}

/// Does the work that an event asks for. All events and answers are JSON here, as the runtime is
/// compiled anew for each type of them.
async fn perform(
    work: Work,
    app: &Arc<App>,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<Box<RawValue>, Error> {
    let payload = event.payload.get();
    let answer = match work {
        Work::Answer(handler) => {
            let (response, _) =
                handler.answer(app, gateway::request(serde_json::from_str(payload)?)).await;
            to_raw_value(&gateway::response(response))
        }
        Work::Purge => {
            let purged = purge_accounts::run(app, time_left(&event.context)).await;
            to_raw_value(&purged.map_err(cause)?)
        }
        Work::Count => {
            let batch = serde_json::from_str(payload)?;
            let counted = count_places::run_logged(app, batch).await;
            to_raw_value(&counted.map_err(cause)?)
        }
    };
    Ok(answer?)
}

/// The cause of a job's failure. No caller sees it, but the log, and whoever reads the queue of
/// what failed.
fn cause(error: shared::Error) -> Error {
    match error {
        shared::Error::Internal(cause) | shared::Error::Unavailable(cause) => cause,
        error => error.into(),
    }
}

/// How long this invocation may still take.
fn time_left(context: &lambda_runtime::Context) -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Duration::from_millis(context.deadline).saturating_sub(now)
}

/// What a function does.
#[derive(Clone, Copy)]
enum Work {
    Answer(&'static Handler),
    Purge,
    Count,
}

impl Work {
    fn needs(self) -> SecretNeeds {
        match self {
            Work::Answer(handler) => handler.needs,
            Work::Purge | Work::Count => SecretNeeds::NOTHING,
        }
    }
}

/// The work of that name.
fn work(name: Option<String>) -> Result<Work, String> {
    let names = || {
        HANDLERS
            .iter()
            .map(|handler| handler.name)
            .chain([purge_accounts::NAME, count_places::NAME])
            .collect::<Vec<_>>()
            .join(", ")
    };
    match name.as_deref().filter(|name| !name.is_empty()) {
        None => {
            Err(format!("environment variable _HANDLER names no handler; there are: {}", names()))
        }
        Some(purge_accounts::NAME) => Ok(Work::Purge),
        Some(count_places::NAME) => Ok(Work::Count),
        Some(name) => functions::handler(name)
            .map(Work::Answer)
            .ok_or_else(|| format!("there is no handler {name:?}; there are: {}", names())),
    }
}
