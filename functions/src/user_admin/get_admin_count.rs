//! GET `/api/admin/user-admin/admin-count`: how many administrators the team has. Nobody has a password here.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::Result;

use crate::{Context, Request, Response, json};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AdminCount {
    password: u64,
    no_password: u64,
    service: u64,
}

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let access = context.authenticate(&request).await?.team_admin()?;
    let (people, machines) = context.store().admins(&access).await?;
    Ok(json(StatusCode::OK, &AdminCount { password: 0, no_password: people, service: machines }))
}
