//! Requests as API Gateway sends them, straight to the handlers.

use std::path::Path;
use std::sync::Arc;

use functions::{App, gateway, handler};
use lambda_http::Body;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::http::Method;
use local::demo;
use shared::dynamodb::Cost;

use crate::Answer;

/// The event of a handler, as it stands in `events/`.
pub fn event(handler: &str) -> ApiGatewayV2httpRequest {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../events")
        .join(handler.replacen('.', "/", 1) + ".json");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The same, aimed at what there is: the demo data has no invite, as its id could not be known.
pub async fn aimed(app: &Arc<App>, handler: &str) -> ApiGatewayV2httpRequest {
    let mut aimed = event(handler);
    if handler == "directory.revoke_invite" {
        let (made, _) =
            play(app, "directory.create_invite", event("directory.create_invite")).await;
        let made = made.expect(200).json();
        let id = made["details"]["id"].as_str().expect("its id");
        let nobodys = aimed
            .path_parameters
            .insert("id".to_owned(), id.to_owned())
            .expect("a path with an id");
        aimed.raw_path = aimed.raw_path.map(|path| path.replace(&nobodys, id));
    }
    aimed
}

/// Runs a handler on an event: its answer, and what that cost.
pub async fn play(app: &Arc<App>, name: &str, event: ApiGatewayV2httpRequest) -> (Answer, Cost) {
    let (response, cost) =
        handler(name).expect("a handler").answer(app, gateway::request(event)).await;
    let (parts, body) = response.into_parts();
    let headers = parts.headers.iter().map(|(name, value)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let text = match body {
        Body::Text(text) => text,
        Body::Binary(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        _ => String::new(),
    };
    (Answer { status: parts.status.as_u16(), headers: headers.collect(), text }, cost)
}

/// Shares the data of whoever sends an event with someone: so the process has noted where they are.
/// A person without an account, or with a deleted one, cannot.
pub async fn note_address(app: &Arc<App>, aimed: &ApiGatewayV2httpRequest) {
    let is_change = aimed.request_context.http.method != Method::GET;
    let Some(credential) = aimed.headers.get("authorization").filter(|_| is_change) else { return };
    let mut share = event("managed_users.share");
    let grantee = demo::OTHER_ADMIN.to_string();
    share.raw_path = Some(format!("/api/v1/users/shares/{grantee}"));
    share.path_parameters.insert("user_id".to_owned(), grantee);
    share.request_context.http.source_ip.clone_from(&aimed.request_context.http.source_ip);
    share.headers.insert("authorization", credential.clone());
    play(app, "managed_users.share", share).await;
}
