//! GET `/v1/sandboxes`: the caller's sandboxes, newest first, in pages.

use lambda_http::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};
use shared::auth::SandboxesRead;
use shared::models::{Sandbox, SandboxStatus};
use shared::{Error, Fault, Issue, Place, Result};
use utoipa::ToSchema;

use super::sandbox_view::{Fields, ShownSandbox};
use super::{Failures, Forbidden, Invalid, Unauthorized};
use crate::request::{integer, query};
use crate::{Context, Request, Response, json};

/// The most sandboxes of a page, and the most that are looked through for one.
const MAX_LIMIT: usize = 100;
/// The longest `next_token`, in bytes: it is the id of a sandbox.
const MAX_TOKEN: usize = 100;
/// The words of `state`. No sandbox is in the last one, which clients know too.
const STATES: &[&str] = &["creating", "running", "paused", "destroyed", "error"];

/// A page of sandboxes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorAccountSandboxPage, example = json!({"has_next": false, "items": [{
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
}]}))]
struct Page {
    #[schema(value_type = Vec<ShownSandbox>, max_items = 100)]
    items: Vec<Value>,
    /// True where there may be more.
    has_next: bool,
    /// What to send as `next_token` for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_token: Option<String>,
}

/// The caller's sandboxes, newest first.
///
/// Those that are destroyed are left out, unless `state` asks for them. A page looks through 100
/// sandboxes: it may be shorter than `limit`, or empty, while `has_next` is true.
#[utoipa::path(
    get,
    path = "/v1/sandboxes",
    tag = "operator and account",
    operation_id = "operator_account.list_sandboxes",
    params(
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 100,
            description = "At most so many; 100 where it is left out"),
        ("next_token" = Option<String>, Query, min_length = 1, max_length = 100,
            description = "From the page before"),
        ("state" = Option<String>, Query,
            description = "`creating`, `running`, `paused`, `destroyed` or `error`, or some of these with \
                commas between them", example = "running,paused"),
        ("template" = Option<String>, Query,
            description = "Only sandboxes that were made from this", example = "python-3.13"),
        ("metadata" = Option<String>, Query,
            description = "A JSON object: only sandboxes whose metadata has these values",
            example = r#"{"job": "report"}"#),
        ("fields" = Option<String>, Query,
            description = "Names of fields, with commas between them; all where it is left out",
            example = "id,status"),
    ),
    responses(
        (status = 200, description = "The page", body = Page),
        Unauthorized,
        Forbidden,
        Invalid,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let wanted = match Wanted::read(&request) {
        Ok(wanted) => wanted,
        // A caller who is refused learns that first.
        Err(error) => return context.caller::<SandboxesRead>(&token).await.and(Err(error)),
    };
    let caller = context.caller::<SandboxesRead>(&token);
    let found = context.store().next_sandboxes(&token, wanted.after.as_deref(), MAX_LIMIT);
    let (caller, found) = futures::try_join!(caller, found)?;
    let (sandboxes, more) = found.open(&caller);
    Ok(json(StatusCode::OK, &wanted.page(&sandboxes, more)?))
}

/// The most faults that a response names: the same parameter may be sent again and again.
const MAX_ISSUES: usize = 20;

/// The wanted sandboxes, and the fields of each.
struct Wanted {
    limit: usize,
    after: Option<String>,
    /// Any but `destroyed` where there are none.
    states: Option<Vec<SandboxStatus>>,
    template: Option<String>,
    metadata: Map<String, Value>,
    fields: Fields,
}

impl Wanted {
    fn read(request: &Request) -> Result<Self> {
        let mut wanted = Self {
            limit: MAX_LIMIT,
            after: None,
            states: None,
            template: None,
            metadata: Map::new(),
            fields: Fields::default(),
        };
        let mut issues = Vec::new();
        for (name, value) in query(request) {
            issues.extend(wanted.take(&name, &value).err());
            if issues.len() == MAX_ISSUES {
                break;
            }
        }
        if issues.is_empty() { Ok(wanted) } else { Err(Error::Invalid(issues)) }
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Issue> {
        let wrong = |what| Issue::new(Place::Query, name, Fault::NotA(what));
        match name {
            "limit" => {
                let limit = integer(Place::Query, name, value, 1, MAX_LIMIT as i64)?;
                self.limit = usize::try_from(limit).unwrap_or(MAX_LIMIT);
            }
            "next_token" if (1..=MAX_TOKEN).contains(&value.len()) => {
                self.after = Some(value.to_owned())
            }
            "next_token" => return Err(wrong("the `next_token` of a former answer")),
            "state" => self.states = Some(states(value)?),
            "template" => self.template = Some(value.to_owned()),
            "metadata" => {
                self.metadata = serde_json::from_str(value).map_err(|_| wrong("a JSON object"))?;
            }
            "fields" => self.fields = Fields::read(value)?,
            _ => {}
        }
        Ok(())
    }

    /// Returns the page of what was found. There is `more` behind it.
    fn page(&self, found: &[Sandbox], more: bool) -> Result<Page> {
        let mut matches = found.iter().filter(|sandbox| self.matches(sandbox));
        let page: Vec<_> = matches.by_ref().take(self.limit).collect();
        let last = match matches.next() {
            Some(_) => page.last().copied(),
            None => found.last().filter(|_| more),
        };
        let items = page.iter().map(|sandbox| self.fields.of(sandbox)).collect::<Result<_>>()?;
        let next_token = last.map(|sandbox| sandbox.id.clone());
        Ok(Page { items, has_next: next_token.is_some(), next_token })
    }

    fn matches(&self, sandbox: &Sandbox) -> bool {
        let is_in_state = match &self.states {
            Some(states) => states.contains(&sandbox.status),
            None => sandbox.status != SandboxStatus::Destroyed,
        };
        is_in_state
            && self.template.as_ref().is_none_or(|template| *template == sandbox.template)
            && self.metadata.iter().all(|(name, value)| sandbox.metadata.get(name) == Some(value))
    }
}

fn states(text: &str) -> Result<Vec<SandboxStatus>, Issue> {
    let mut states = Vec::new();
    for word in text.split(',').map(str::trim) {
        if !STATES.contains(&word) {
            return Err(Issue::new(Place::Query, "state", Fault::NotOneOf(STATES)));
        }
        states.extend(SandboxStatus::from_word(word));
    }
    Ok(states)
}
