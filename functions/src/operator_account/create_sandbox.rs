//! POST `/v1/sandboxes`: makes a sandbox, if the team's quota has room for it.

use std::collections::BTreeMap;

use lambda_http::http::StatusCode;
use serde_json::{Map, Value};
use shared::auth::SandboxesWrite;
use shared::models::Sandbox;
use shared::store::NewSandbox;
use shared::text::MOST_NAME;
use shared::{Error, Fault, Issue, Place, Result};
use utoipa::ToSchema;

use super::sandbox_view::{SandboxBody, sandbox_answer};
use super::{Failures, Forbidden, Invalid, QuotaExceeded, StillRunning, Unauthorized, metadata};
use crate::openapi::{IdempotencyKey, Text};
use crate::request::{json_object, required_text};
use crate::{Context, Request, Response};

/// The most processors, MB of memory and of disk, and milliseconds (a week) that may be asked for.
const MOST_CPUS: u64 = 1024;
const MOST_MB: u64 = 16 * 1024 * 1024;
const MOST_MS: u64 = 7 * 86_400_000;
/// The memory of a sandbox that no other was asked for, in MB: each has a size to be billed by.
const DEFAULT_MB: u32 = 512;

/// Makes a sandbox, if the team's quota has room for it.
#[utoipa::path(
    post,
    path = "/v1/sandboxes",
    tag = "operator and account",
    operation_id = "operator_account.create_sandbox",
    params(IdempotencyKey),
    request_body = SandboxInput,
    responses(
        (status = 201, description = "The sandbox", body = SandboxBody),
        Unauthorized,
        Forbidden,
        StillRunning,
        Invalid,
        Failures,
        QuotaExceeded,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<SandboxesWrite>(&request).await?;
    let new = new_sandbox(&json_object(&request)?)?;
    let tier = context.store().quota_tier_of(&caller, context.now).await?;
    let answer = |sandbox: &Sandbox| sandbox_answer(StatusCode::CREATED, sandbox);
    context
        .store()
        .create_sandbox(&caller, new, &tier, &context.act(&caller, "sandbox.created"), answer)
        .await
}

fn new_sandbox(fields: &Map<String, Value>) -> Result<NewSandbox> {
    let mut issues = Vec::new();
    let mut figure = |name: &str, most: u64| match figure(fields, name, most) {
        Ok(figure) => figure,
        Err(issue) => {
            issues.push(issue);
            None
        }
    };
    let vcpus = figure("vcpus", MOST_CPUS);
    let small = |figure: Option<u64>| figure.and_then(|figure| u32::try_from(figure).ok());
    let new = NewSandbox {
        template: String::new(),
        metadata: BTreeMap::new(),
        cpu_count: small(figure("cpu_count", MOST_CPUS).or(vcpus)),
        memory_mb: small(figure("memory_mb", MOST_MB)).or(Some(DEFAULT_MB)),
        disk_mb: small(figure("disk_mb", MOST_MB)),
        timeout_ms: figure("timeout_ms", MOST_MS),
    };
    issues.extend(SETTINGS.iter().filter_map(|setting| left_out(fields, setting).err()));
    match (required_text(fields, "template", MOST_NAME), metadata(fields)) {
        (Ok(template), Ok(metadata)) if issues.is_empty() => {
            Ok(NewSandbox { template, metadata: metadata.unwrap_or_default(), ..new })
        }
        (template, metadata) => {
            issues.extend(template.err());
            issues.extend(metadata.err());
            Err(Error::Invalid(issues))
        }
    }
}

/// A number that may be left out.
fn figure(fields: &Map<String, Value>, name: &str, most: u64) -> Result<Option<u64>, Issue> {
    let max = i64::try_from(most).unwrap_or(i64::MAX);
    let wrong = || Issue::new(Place::Body, name, Fault::NotAnInteger { min: 1, max });
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            value.as_u64().filter(|value| (1..=most).contains(value)).map(Some).ok_or_else(wrong)
        }
    }
}

/// The settings of a running sandbox that the published client sends, each with the flag that asks
/// for nothing. Roster runs no sandboxes, and keeps none of these.
const SETTINGS: &[(&str, bool)] = &[
    ("auto_resume", false),
    ("cwd", false),
    ("desktop", false),
    ("envs", false),
    ("internet_access", true),
    ("lifecycle", false),
    ("network", false),
    ("snapshot_id", false),
    ("timeout_action", false),
    ("volumes", false),
    ("warm_pool", false),
];

/// Refuses a setting that asks for something: it would be lost.
fn left_out(fields: &Map<String, Value>, &(name, usual): &(&str, bool)) -> Result<(), Issue> {
    let asks = match fields.get(name) {
        None | Some(Value::Null) => false,
        Some(Value::Bool(flag)) => *flag != usual,
        Some(Value::Array(values)) => !values.is_empty(),
        Some(Value::Object(values)) => !values.is_empty(),
        Some(_) => true,
    };
    let fault = Fault::NotA("left out: Roster counts sandboxes and runs none");
    if asks { Err(Issue::new(Place::Body, name, fault)) } else { Ok(()) }
}

/// What the sandbox is to be.
#[derive(ToSchema)]
#[schema(example = json!({
    "template": "python-3.13",
    "metadata": {"job": "report"},
    "cpu_count": 2,
    "memory_mb": 2048,
    "disk_mb": 10240,
    "timeout_ms": 3_600_000
}))]
#[allow(dead_code)]
struct SandboxInput {
    /// What to make it from.
    #[schema(inline)]
    template: Text<{ MOST_NAME }>,
    /// Free values by name: at most 2048 bytes of JSON and 20 levels.
    metadata: Option<BTreeMap<String, Value>>,
    /// Processors.
    #[schema(minimum = 1, maximum = 1024)]
    cpu_count: Option<u64>,
    /// The same, by the name that the published client sends; `cpu_count` counts before it.
    #[schema(minimum = 1, maximum = 1024)]
    vcpus: Option<u64>,
    /// Memory in MB.
    #[schema(minimum = 1, maximum = 16_777_216)]
    memory_mb: Option<u64>,
    /// Disk in MB.
    #[schema(minimum = 1, maximum = 16_777_216)]
    disk_mb: Option<u64>,
    /// How long it may run, in milliseconds: at most a week.
    #[schema(minimum = 1, maximum = 604_800_000)]
    timeout_ms: Option<u64>,
}
