//! Sandboxes as the published client of their owner takes them.

use lambda_http::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use shared::models::Sandbox;
use shared::{Error, Fault, Issue, Place, Result};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::{Response, json};

/// A sandbox, and its size by the names that the client reads.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorAccountSandbox, example = json!({
    "id": "sbx_0019de2dfa1c0009",
    "user_id": "00000000-0000-4000-8000-000000000002",
    "template": "python-3.13",
    "status": "running",
    "created_at": "2026-05-01T09:30:00.000Z",
    "updated_at": "2026-05-01T09:30:00.000Z",
    "metadata": {"job": "nightly-9"},
    "started_at": "2026-05-01T09:30:00.000Z",
    "destroyed_at": null,
    "cpu_count": 2,
    "memory_mb": 2048,
    "disk_mb": 10240,
    "timeout_ms": 3_600_000,
    "config": {"vcpus": 2, "memory_mb": 2048}
}))]
pub struct SandboxBody {
    #[serde(flatten)]
    sandbox: Sandbox,
    config: SandboxConfig,
}

/// The size of a sandbox.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorAccountSandboxConfig)]
struct SandboxConfig {
    /// The same as `cpu_count`.
    #[schema(required)]
    vcpus: Option<u32>,
    /// The same as `memory_mb` beside it.
    #[schema(required)]
    memory_mb: Option<u32>,
}

impl From<&Sandbox> for SandboxBody {
    fn from(sandbox: &Sandbox) -> Self {
        let config = SandboxConfig { vcpus: sandbox.cpu_count, memory_mb: sandbox.memory_mb };
        Self { sandbox: sandbox.clone(), config }
    }
}

/// Returns a response with a sandbox.
pub fn sandbox_answer(status: StatusCode, sandbox: &Sandbox) -> Response {
    json(status, &SandboxBody::from(sandbox))
}

/// The fields of a sandbox, as clients may ask for them.
const FIELDS: &[&str] = &[
    "id",
    "user_id",
    "template",
    "status",
    "created_at",
    "updated_at",
    "metadata",
    "started_at",
    "destroyed_at",
    "cpu_count",
    "memory_mb",
    "disk_mb",
    "timeout_ms",
    "config",
];

/// The fields that a request asks for.
#[derive(Debug, Default)]
pub struct Fields(Option<Vec<&'static str>>);

impl Fields {
    /// Reads the parameter `fields`: names with commas between them, or `all`.
    ///
    /// # Errors
    /// Names the fields that there are.
    pub fn read(text: &str) -> Result<Self, Issue> {
        if text == "all" {
            return Ok(Self(None));
        }
        let unknown = || Issue::new(Place::Query, "fields", Fault::NotOneOf(FIELDS));
        let known = |name: &str| FIELDS.iter().copied().find(|known| *known == name.trim());
        let mut names = Vec::new();
        for name in text.split(',') {
            names.push(known(name).ok_or_else(unknown)?);
        }
        Ok(Self(Some(names)))
    }

    /// Returns a sandbox with these fields alone.
    pub fn of(&self, sandbox: &Sandbox) -> Result<Value> {
        let mut shown =
            serde_json::to_value(SandboxBody::from(sandbox)).map_err(Error::internal)?;
        if let (Some(names), Some(fields)) = (&self.0, shown.as_object_mut()) {
            fields.retain(|name, _| names.contains(&name.as_str()));
        }
        Ok(shown)
    }
}

/// A sandbox with all of its fields, or with those that were asked for.
pub struct ShownSandbox;

impl PartialSchema for ShownSandbox {
    fn schema() -> RefOr<Schema> {
        let part = ObjectBuilder::new().description(Some("The fields that were asked for."));
        let whole = Ref::from_schema_name(SandboxBody::name());
        Schema::from(AnyOfBuilder::new().item(whole).item(part).build()).into()
    }
}

impl ToSchema for ShownSandbox {
    fn name() -> std::borrow::Cow<'static, str> {
        "OperatorAccountShownSandbox".into()
    }
}
