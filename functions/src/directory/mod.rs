//! The directory contract: the users of one account (team), for its administrators.

pub mod list_admin_users;

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::auth::Places;
use shared::{Error, Fault, Issue};

use crate::{Contract, Response, json};

/// What these endpoints have in common.
pub const CONTRACT: Contract = Contract { base_path: "/api/v1/admin_user", places: Places::Bearer, render };

/// An error in this contract's body.
#[derive(Debug, Serialize)]
struct ErrorBody {
    status: &'static str,
    code: &'static str,
    message: String,
}

fn render(error: &Error, _request_id: &str) -> Response {
    let (status, code) = match error {
        Error::NotAuthenticated => (StatusCode::UNAUTHORIZED, "not_authenticated"),
        Error::BadCredential(_) | Error::AccountSuspended | Error::AccountDeleted => (StatusCode::UNAUTHORIZED, "bad_authtoken"),
        Error::OperatorRequired | Error::Forbidden(_) => (StatusCode::FORBIDDEN, "not_permitted"),
        Error::NotFound(_) | Error::AccountNotFound => (StatusCode::NOT_FOUND, "not_found"),
        Error::Conflict(_) | Error::AccountNotDeleted => (StatusCode::CONFLICT, "invalid_action"),
        Error::Invalid(issues) => (StatusCode::BAD_REQUEST, code(issues)),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unexpected"),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "unexpected"),
    };
    json(status, &ErrorBody { status: "error", code, message: error.to_string() })
}

fn code(issues: &[Issue]) -> &'static str {
    match issues.first().map(|issue| &issue.fault) {
        Some(Fault::Missing) => "required_value",
        Some(Fault::Unknown | Fault::NotJson) | None => "bad_request",
        Some(_) => "invalid_value",
    }
}
