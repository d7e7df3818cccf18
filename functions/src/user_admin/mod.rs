//! The user-admin contract: the users of the caller's team by their number, for its administrators.

pub mod get_user;

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::auth::Places;
use shared::models::{AccountType, Role, User};
use shared::{Error, Fault, Issue, Place, Timestamp};
use uuid::Uuid;

use crate::{Contract, Response, json};

/// What these endpoints have in common.
pub const CONTRACT: Contract = Contract { base_path: "/api/admin/user-admin", places: Places::BareKey, render };

/// A user as this contract shows it. What is not set is left out, but for `seenAt`, which is null.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserBody {
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invite_link: Option<String>,
    login_attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_sent: Option<bool>,
    root_role: u8,
    seen_at: Option<Timestamp>,
    created_at: Timestamp,
    account_type: &'static str,
    permissions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scim_id: Option<String>,
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            id: user.number,
            name: user.name,
            email: user.email,
            username: user.username,
            image_url: user.avatar_url,
            invite_link: user.invite_link,
            login_attempts: user.login_attempts,
            email_sent: user.email_sent,
            root_role: match user.role {
                Role::Admin => 1,
                Role::Operator => 2,
                Role::Viewer => 3,
            },
            seen_at: user.last_seen.map(|seen| seen.at),
            created_at: user.created_at,
            account_type: match user.account_type {
                AccountType::User => "User",
                AccountType::Service => "Service Account",
            },
            permissions: user.permissions,
            scim_id: user.scim_id,
        }
    }
}

/// An error in this contract's body.
#[derive(Debug, Serialize)]
struct ErrorBody {
    id: Uuid,
    name: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Vec<Detail>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<[&'static str; 1]>,
}

/// One wrong input.
#[derive(Debug, Serialize)]
struct Detail {
    message: String,
    path: String,
}

fn render(error: &Error, request_id: &str) -> Response {
    let (status, name) = match error {
        Error::NotAuthenticated => (StatusCode::UNAUTHORIZED, "AuthenticationRequired"),
        Error::BadCredential(_) | Error::AccountSuspended | Error::AccountDeleted => (StatusCode::UNAUTHORIZED, "UnauthorizedError"),
        Error::OperatorRequired | Error::Forbidden(_) => (StatusCode::FORBIDDEN, "PermissionError"),
        Error::NotFound(_) | Error::AccountNotFound => (StatusCode::NOT_FOUND, "NotFoundError"),
        Error::Conflict(_) | Error::AccountNotDeleted | Error::Invalid(_) => (StatusCode::BAD_REQUEST, "BadDataError"),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "InternalError"),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
    };
    let (message, details) = match error {
        Error::Invalid(issues) => {
            let message = "Request validation failed: the request's body or parameters are not what we expect. See `details`.".to_owned();
            (message, Some(issues.iter().map(Detail::from).collect()))
        }
        error => (error.to_string(), None),
    };
    let permissions = (name == "PermissionError").then_some(["ADMIN"]);
    // The id by which the error is found in the log, where it has the form that the contract asks for.
    let id = request_id.parse().unwrap_or_else(|_| Uuid::now_v7());
    json(status, &ErrorBody { id, name, message, details, permissions })
}

impl From<&Issue> for Detail {
    fn from(issue: &Issue) -> Self {
        let place = match issue.place {
            Place::Path => "params",
            place => place.as_str(),
        };
        let path = format!("/{place}/{}", issue.name);
        let expectation = match &issue.fault {
            Fault::NotAnInteger { .. } => "must be integer".to_owned(),
            fault => fault.to_string(),
        };
        // What was sent is repeated as JSON, at most this much of it.
        let sent = issue.sent.as_ref().map(|sent| sent.chars().take(100).collect::<String>());
        let sent = sent.map(|sent| format!(" You sent {}.", serde_json::Value::String(sent))).unwrap_or_default();
        Self { message: format!("The `{path}` property {expectation}.{sent}"), path }
    }
}
