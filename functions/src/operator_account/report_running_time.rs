//! PUT `/v1/admin/users/{user_id}/sandboxes/{sandbox_id}/running-time`: the platform's report of
//! how long a sandbox ran, which its bill is made from.

use lambda_http::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};
use shared::auth::Metering;
use shared::models::Sandbox;
use shared::store::RunningTime;
use shared::{Fault, Issue, Place, Result};
use utoipa::ToSchema;

use super::{Failures, Invalid, MeteringOnly, NoSandbox, SandboxConflict, Unauthorized};
use crate::request::{all, json_object, path_id, path_parameter};
use crate::{Context, Request, Response, json};

/// Reports how long a sandbox ran.
///
/// For the platform: it takes a platform operator's token, or an API key with `metering:write` that
/// an operator made. A sandbox that nobody reports on counts as running from its making.
#[utoipa::path(
    put,
    path = "/v1/admin/users/{user_id}/sandboxes/{sandbox_id}/running-time",
    tag = "operator and account",
    operation_id = "operator_account.report_running_time",
    params(
        ("user_id" = Uuid, description = "The sandbox's owner; what is no UUID is nobody's"),
        ("sandbox_id" = String, description = "The sandbox", example = "sbx_0000000000000008"),
    ),
    request_body = RunningTimeInput,
    responses(
        (status = 200, description = "The sandbox, and how its time counts", body = RunningTimeBody),
        Unauthorized,
        MeteringOnly,
        NoSandbox,
        SandboxConflict,
        Invalid,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<Metering>(&request).await?;
    let fields = json_object(&request)?;
    let (ran_ms, running) = all(ran_ms(&fields), running(&fields))?;
    let report = RunningTime { ran_ms, running };
    // An id of another form is nobody's.
    let owner = path_id(&request, "user_id").unwrap_or_default();
    let id = path_parameter(&request, "sandbox_id");
    let act = context.act(&caller, "sandbox.metered");
    let record = context.store().report_running_time(&caller, owner, &id, report, &act).await?;
    Ok(json(StatusCode::OK, &RunningTimeBody { sandbox: record.sandbox, ran_ms, running }))
}

fn ran_ms(fields: &Map<String, Value>) -> Result<u64, Issue> {
    let issue = |fault| Issue::new(Place::Body, "ran_ms", fault);
    let value = fields.get("ran_ms").ok_or_else(|| issue(Fault::Missing))?;
    value
        .as_u64()
        .filter(|value| *value <= MAX_MS)
        .ok_or_else(|| issue(Fault::NotAnInteger { min: 0, max: MAX_MS as i64 }))
}

/// The longest time that is taken, in milliseconds: 100 years.
const MAX_MS: u64 = 100 * 366 * 86_400_000;

fn running(fields: &Map<String, Value>) -> Result<bool, Issue> {
    let issue = |fault| Issue::new(Place::Body, "running", fault);
    let value = fields.get("running").ok_or_else(|| issue(Fault::Missing))?;
    value.as_bool().ok_or_else(|| issue(Fault::NotA("a boolean")))
}

/// The report.
#[derive(ToSchema)]
#[schema(example = json!({"ran_ms": 1_800_000, "running": false}))]
#[allow(dead_code)]
struct RunningTimeInput {
    /// Milliseconds that it ran in all, until now: no more than since it was made.
    #[schema(minimum = 0, maximum = 3_162_240_000_000_u64)]
    ran_ms: u64,
    /// True where it runs on: then it counts on from now.
    running: bool,
}

/// A sandbox, and how its time counts.
#[derive(Serialize, ToSchema)]
struct RunningTimeBody {
    sandbox: Sandbox,
    /// Milliseconds that it ran until the report.
    ran_ms: u64,
    /// True where it counts on from the report.
    running: bool,
}
