//! Every endpoint of Roster: one file each, by contract. [`HANDLERS`] lists them; template.yaml
//! gives each its function and route.
//!
//! A handler is a plain `async fn(&Context, Request) -> Result<Response>`. Nothing in it knows
//! whether Lambda, the local server or a test calls it.

mod context;
pub mod directory;
mod entity_tag;
pub mod gateway;
pub mod log;
pub mod managed_users;
pub mod openapi;
pub mod operator_account;
pub mod platform;
mod request;
pub mod schedule;
pub mod stream;
pub mod user_admin;
mod warning;
pub mod workspace;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use futures::future::BoxFuture;
use lambda_http::http::{HeaderValue, Method, StatusCode, header};
use lambda_http::{Body, RequestExt};
use shared::auth::Places;
use shared::config::SecretNeeds;
use shared::dynamodb::{Cost, Meter};
use shared::{Error, Result};

pub use context::{App, Context};
use log::{RequestLine, milliseconds};

/// A request, as API Gateway hands it over.
pub type Request = lambda_http::Request;
pub use shared::Response;

/// What the endpoints of one contract have in common.
pub struct Contract {
    /// What its paths start with.
    pub base_path: &'static str,
    /// Where a credential may stand.
    pub places: Places,
    /// An error in the contract's own body. The second is the request's id.
    pub render: fn(&Error, &str) -> Response,
}

/// Every contract; of two base paths that match, the first counts.
const CONTRACTS: [&Contract; 5] = [
    &user_admin::CONTRACT,
    &directory::CONTRACT,
    &managed_users::CONTRACT,
    &workspace::CONTRACT,
    &operator_account::CONTRACT,
];

impl Contract {
    /// The contract that a path is under; the operator and account contract where it is under none.
    fn of_path(path: &str) -> &'static Self {
        let path = format!("/{}", parts(&path.to_ascii_lowercase()).join("/"));
        // `/api/v1/admin_user_invite` is under `/api/v1/admin_user` too.
        let is_under = |base: &str| {
            path.strip_prefix(base)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '_']))
        };
        CONTRACTS
            .into_iter()
            .find(|contract| is_under(contract.base_path))
            .unwrap_or(&operator_account::CONTRACT)
    }
}

/// The parts of a path between its slashes, however many stand in a row.
fn parts(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

/// One endpoint.
pub struct Handler {
    /// The name by which template.yaml's `Handler:` calls it: `contract.file`.
    pub name: &'static str,
    /// The secrets that it needs.
    pub needs: SecretNeeds,
    run: for<'a> fn(&'a Context, Request) -> BoxFuture<'a, Result<Response>>,
}

/// The secrets that an endpoint needs: those of [`SecretNeeds`] that it names, and else the one
/// that knows its callers.
macro_rules! needs {
    () => {
        SecretNeeds::VERIFY
    };
    ($needs:ident) => {
        SecretNeeds::$needs
    };
}

macro_rules! handlers {
    ($($contract:ident: $($endpoint:ident $(($needs:ident))?),+;)+) => {
        /// Every endpoint. Not a constant: each crate that names one has the handlers compiled in
        /// once more.
        pub static HANDLERS: &[Handler] = &[$($(Handler {
            name: concat!(stringify!($contract), ".", stringify!($endpoint)),
            needs: needs!($($needs)?),
            run: |context, request| Box::pin($contract::$endpoint::handle(context, request)),
        }),+),+];
    };
}

// Each with the secrets that it needs beside the one that knows its callers. A test holds that
// those which serve a POST route store responses, and no others.
handlers! {
    operator_account: list_users, get_user, update_user_quota, create_user_key (VERIFY_AND_STORE),
        suspend_user (VERIFY_AND_STORE), unsuspend_user (VERIFY_AND_STORE), restore_user (VERIFY_AND_STORE),
        delete_user, get_audit_log, list_quota_tiers, create_account (VERIFY_AND_STORE), get_me, update_me,
        export_account, delete_account, restore_account (VERIFY_AND_STORE), list_keys,
        create_key (VERIFY_AND_STORE), create_default_key (VERIFY_AND_STORE), rotate_key (VERIFY_AND_STORE),
        revoke_key, list_sandboxes, create_sandbox (VERIFY_AND_STORE), get_sandbox, update_sandbox,
        destroy_sandbox,
        report_running_time, sign_out_everywhere (VERIFY_AND_STORE), sign_out_user_everywhere (VERIFY_AND_STORE);
    directory: list_admin_users, get_admin_user, update_admin_user, list_invites,
        create_invite (VERIFY_AND_STORE), revoke_invite (VERIFY_AND_STORE);
    user_admin: list_users, get_user, create_user (VERIFY_AND_STORE), update_user, delete_user, search_users,
        get_admin_count, list_inactive_users, delete_inactive_users (VERIFY_AND_STORE);
    managed_users: list_users, create_user (VERIFY_AND_STORE), get_user, update_user, delete_user,
        list_shares, share, unshare, get_principal_token (VERIFY_AND_SIGN), create_delegated_token (ALL),
        get_userinfo;
    workspace: list_users, get_user;
    // The last one serves the trailing slash of managed_users.create_user too.
    platform: get_health (NOTHING), get_openapi (NOTHING), unmatched (VERIFY_AND_STORE);
}

/// The secrets that each function needs, by the name that template.yaml's `Handler:` calls it.
pub fn secret_needs() -> impl Iterator<Item = (&'static str, SecretNeeds)> {
    let of_no_request = [schedule::purge_accounts::NAME, stream::count_places::NAME];
    let of_requests = HANDLERS.iter().map(|handler| (handler.name, handler.needs));
    of_requests.chain(of_no_request.map(|name| (name, SecretNeeds::NOTHING)))
}

/// The handler of that name.
pub fn handler(name: &str) -> Option<&'static Handler> {
    HANDLERS.iter().find(|handler| handler.name == name)
}

impl Handler {
    /// Answers a request: whatever happens inside, there is an answer, in the contract's form. Says
    /// also what it cost.
    pub fn answer<'a>(
        &'a self,
        app: &Arc<App>,
        request: Request,
    ) -> BoxFuture<'a, (Response, Cost)> {
        let start = Instant::now();
        let contract = Contract::of_path(request.raw_http_path());
        let is_head = request.method() == Method::HEAD;
        let context = Context::new(app.clone(), contract.places, &request);
        let mut line = RequestLine {
            at: context.now,
            handler: self.name,
            method: request.method().to_string(),
            status: 0,
            duration_ms: 0.0,
            dynamodb_calls: 0,
            dynamodb_steps: 0,
            dynamodb_throttles: 0,
            dynamodb_ms: 0.0,
            read_units: 0.0,
            write_units: 0.0,
            caller_id: None,
            request_id: context.request_id.clone(),
            failed_call: None,
            cause: None,
        };
        let app = app.clone();
        // The one lets the path's own id pass; the other leads to other endpoints.
        let names_fields = !["user_admin.update_user", "platform.unmatched"].contains(&self.name);
        let not_taken =
            if names_fields { warning::not_taken(self.name, &request) } else { Vec::new() };
        let work = Meter::measure(async move {
            let run = async {
                // In the artifact a panic ends the process, which serves no other request.
                let outcome = AssertUnwindSafe((self.run)(&context, request)).catch_unwind().await;
                context.no_more_sightings();
                context
                    .settle(
                        outcome.unwrap_or_else(|_| Err(Error::internal("the handler panicked"))),
                    )
                    .await
            };
            let (outcome, ()) = futures::join!(run, context.note_sighting());
            let mut cause = None;
            let mut response = outcome.unwrap_or_else(|error| {
                cause = cause_of(&error);
                let mut response = (contract.render)(&error, &context.request_id);
                add_standard_headers(&error, &mut response);
                response
            });
            if response.status().is_success() {
                let why = "This endpoint has no such field.";
                response = warning::warned(response, why, not_taken.iter());
            }
            // Everything but the body is as in the response to the GET request.
            if is_head {
                *response.body_mut() = Body::Empty;
            }
            if let Ok(request_id) = HeaderValue::from_str(&context.request_id) {
                response.headers_mut().insert("x-request-id", request_id);
            }
            (response, cause, context.caller_id())
        });
        Box::pin(async move {
            let ((response, cause, caller_id), cost) = work.await;
            (line.status, line.cause, line.caller_id) =
                (response.status().as_u16(), cause, caller_id);
            line.duration_ms = milliseconds(start.elapsed());
            app.log.request(&line.costing(&cost));
            (response, cost)
        })
    }
}

/// What the log says of an error: what caused it, never what the caller sent.
fn cause_of(error: &Error) -> Option<String> {
    match error {
        Error::Internal(cause) | Error::Unavailable(cause) => Some(chain(cause.as_ref())),
        Error::BadCredential(reason) | Error::TokenRefused(reason) => Some((*reason).to_owned()),
        _ => None,
    }
}

/// An error with what caused it.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

fn add_standard_headers(error: &Error, response: &mut Response) {
    // RFC 9110, section 11.6.1: a 401 names the scheme.
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let retry_after = match error {
        Error::Unavailable(_) => Some(1),
        Error::QuotaExceeded(_, seconds) => *seconds,
        Error::TooManyRequests(seconds) => Some(*seconds),
        _ => None,
    };
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, body: &impl serde::Serialize) -> Response {
    // Our own shapes have text keys only, so this cannot fail; should it, an empty 500 says so.
    let (status, text) = match serde_json::to_string(body) {
        Ok(text) => (status, text),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
    };
    let mut response = Response::new(Body::Text(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
