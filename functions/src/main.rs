//! The one artifact: starts the handler that the function's `Handler:` names.

use std::process::ExitCode;
use std::sync::Arc;

use functions::{App, HANDLERS, Handler, gateway};
use lambda_http::aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use shared::Clock;
use shared::config::Config;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().json().with_max_level(tracing::Level::INFO).with_current_span(false).without_time().init();
    match start().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "cannot start");
            ExitCode::FAILURE
        }
    }
}

async fn start() -> Result<(), Error> {
    let handler = handler(std::env::var("_HANDLER").ok())?;
    let config = Config::read(|variable| std::env::var(variable).ok())?;
    let aws = aws_config::load_defaults(aws_config::BehaviorVersion::v2026_01_12()).await;
    let client = shared::dynamodb::client(&aws);
    let app = Arc::new(App::new(&config, client, Clock::system()));
    // Opens the connection while Lambda gives a full CPU, whatever the memory: the first request finds it open. Should it
    // fail, the first request says so.
    let _ = app.store.reach().await;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<ApiGatewayV2httpRequest>| {
        let app = app.clone();
        async move {
            let (response, _) = handler.answer(&app, gateway::request(event.payload)).await;
            Ok::<ApiGatewayV2httpResponse, Error>(gateway::response(response))
        }
    }))
    .await
}

/// The handler to run.
fn handler(name: Option<String>) -> Result<&'static Handler, String> {
    let names = || HANDLERS.iter().map(|handler| handler.name).collect::<Vec<_>>().join(", ");
    match name.filter(|name| !name.is_empty()) {
        None => Err(format!("environment variable _HANDLER names no handler; there are: {}", names())),
        Some(name) => functions::handler(&name).ok_or_else(|| format!("there is no handler {name:?}; there are: {}", names())),
    }
}
