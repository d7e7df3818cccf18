//! PATCH `/v1/sandboxes/{sandbox_id}`: the sandbox runs, or is paused; its metadata is replaced.

use std::collections::BTreeMap;

use lambda_http::http::StatusCode;
use serde_json::{Map, Value};
use shared::auth::SandboxesWrite;
use shared::models::{Sandbox, SandboxRecord, SandboxStatus};
use shared::text::MOST_NAME;
use shared::{Error, Fault, Issue, Place, Result, Timestamp};
use utoipa::ToSchema;

use super::sandbox_view::{SandboxBody, sandbox_answer};
use super::{Failures, Forbidden, Invalid, NoSandbox, SandboxConflict, Unauthorized, metadata};
use crate::openapi::words;
use crate::request::{all, json_object, path_parameter, required_text};
use crate::{Context, Request, Response};

/// A sandbox of the caller's runs, or is paused; its metadata is replaced.
#[utoipa::path(
    patch,
    path = "/v1/sandboxes/{sandbox_id}",
    tag = "operator and account",
    operation_id = "operator_account.update_sandbox",
    params(("sandbox_id" = String, description = "The sandbox", example = "sbx_0000000000000008")),
    request_body = SandboxChangeInput,
    responses(
        (status = 200, description = "The sandbox", body = SandboxBody),
        Unauthorized,
        Forbidden,
        NoSandbox,
        SandboxConflict,
        Invalid,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<SandboxesWrite>(&request).await?;
    let fields = json_object(&request)?;
    let (status, metadata) = all(status(&fields), metadata(&fields))?;
    let change = |record: &SandboxRecord| {
        let mut changed = moved(record, status, context.now)?;
        changed.sandbox.metadata = metadata.clone().unwrap_or(changed.sandbox.metadata);
        Ok(changed)
    };
    let id = path_parameter(&request, "sandbox_id");
    let sandbox = context
        .store()
        .change_sandbox(&caller, &id, change, &context.act(&caller, "sandbox.updated"))
        .await?;
    Ok(sandbox_answer(StatusCode::OK, &sandbox))
}

const STATUSES: &[&str] = &["running", "paused"];

fn status(fields: &Map<String, Value>) -> Result<SandboxStatus, Issue> {
    let word = required_text(fields, "status", MOST_NAME)?;
    let status = SandboxStatus::from_word(&word).filter(|_| STATUSES.contains(&word.as_str()));
    status.ok_or_else(|| Issue::new(Place::Body, "status", Fault::NotOneOf(STATUSES)))
}

/// The sandbox in another status. Its bill is another matter: that takes the platform's word.
fn moved(record: &SandboxRecord, to: SandboxStatus, now: Timestamp) -> Result<SandboxRecord> {
    use SandboxStatus::{Creating, Destroyed, Paused, Running};
    let sandbox = |status| Sandbox { status, ..record.sandbox.clone() };
    match (record.sandbox.status, to) {
        (Destroyed, _) => Err(Error::Conflict("This sandbox is destroyed: make a new one.".into())),
        (Creating, Paused) => {
            Err(Error::Conflict("This sandbox has not started yet, so it cannot be paused.".into()))
        }
        (Creating | Paused, Running) => {
            let started_at = record.sandbox.started_at.or(Some(now));
            Ok(SandboxRecord {
                sandbox: Sandbox { started_at, ..sandbox(Running) },
                ..record.clone()
            })
        }
        (Running, Paused) => Ok(SandboxRecord { sandbox: sandbox(Paused), ..record.clone() }),
        _ => Ok(record.clone()),
    }
}

words! {
    /// What a sandbox can be told to do.
    StatusWord: STATUSES.iter().copied();
}

/// A change of a sandbox.
#[derive(ToSchema)]
#[schema(example = json!({"status": "paused", "metadata": {"job": "paused for the night"}}))]
#[allow(dead_code)]
struct SandboxChangeInput {
    /// What it is to do.
    #[schema(inline, value_type = StatusWord)]
    status: String,
    /// Free values by name: at most 2048 bytes of JSON and 20 levels. Left out or null, they stay.
    metadata: Option<BTreeMap<String, Value>>,
}
