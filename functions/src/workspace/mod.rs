//! The workspace contract: the users of the caller's team, as its console shows them.

pub mod get_user;
pub mod list_users;

use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::auth::Places;
use shared::models::{DeviceType, Role, Status, User};
use shared::store::Entry;
use shared::{Error, Issue, Timestamp};
use utoipa::{IntoResponses, ToSchema};
use uuid::Uuid;

use crate::openapi::words;
use crate::{Contract, Response, json};

/// What these endpoints have in common.
pub const CONTRACT: Contract = Contract { base_path: "/users", places: Places::Bearer, render };

/// What this contract shows of a user beside id, class and the team's name: all of it stands in its
/// indexes.
#[derive(Debug, Deserialize)]
pub struct Row {
    number: u64,
    #[serde(default)]
    view_all: bool,
    full_name: String,
    device_user_id: Option<String>,
    pub_key: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// A user at hand, as the indexes would have them.
fn entry(user: User) -> Entry<Row> {
    let (id, class, full_name) = (user.id, user.class(), user.full_name());
    let row = Row {
        number: user.number,
        view_all: user.view_all,
        full_name,
        device_user_id: user.device_user_id,
        pub_key: user.pub_key,
        created_at: user.created_at,
        updated_at: user.updated_at,
    };
    Entry { id, class, row }
}

/// A user as this contract shows it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WorkspaceUser, example = json!({
    "id": "00000000-0000-4000-8000-000000000002",
    "legacyId": 1,
    "legacyViewAll": false,
    "workspaceName": "Acme Robotics",
    "name": "Ada Nordmann",
    "deviceUserId": "device-0002",
    "deviceType": "PSD",
    "role": "ADMIN",
    "pubKey": "04a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd",
    "status": "ACTIVE",
    "isSuspended": false,
    "createdAt": "2025-04-12T09:30:00.000Z",
    "updatedAt": "2025-04-12T09:30:00.000Z"
}))]
pub struct UserBody {
    id: Uuid,
    /// The number in the workspace.
    legacy_id: u64,
    legacy_view_all: bool,
    workspace_name: String,
    name: String,
    /// Null for users who work through the API.
    #[schema(required)]
    device_user_id: Option<String>,
    #[schema(inline, value_type = DeviceTypeWord)]
    device_type: &'static str,
    #[schema(inline, value_type = RoleWord)]
    role: &'static str,
    /// Empty where no device was registered.
    pub_key: String,
    #[schema(inline, value_type = StatusWord)]
    status: &'static str,
    is_suspended: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl UserBody {
    fn new(Entry { id, class, row }: Entry<Row>, workspace_name: &str) -> Self {
        Self {
            id,
            legacy_id: row.number,
            legacy_view_all: row.view_all,
            workspace_name: workspace_name.to_owned(),
            name: row.full_name,
            device_user_id: row.device_user_id.filter(|_| class.device_type != DeviceType::Api),
            device_type: word(DEVICE_TYPES, class.device_type),
            role: word(ROLES, class.role),
            pub_key: row.pub_key.unwrap_or_default(),
            status: word(STATUSES, class.status),
            is_suspended: class.status == Status::Suspended,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// The contract's words for roles.
const ROLES: &[(&str, Role)] =
    &[("ADMIN", Role::Admin), ("OPERATOR", Role::Operator), ("VIEWER", Role::Viewer)];
/// The contract's words for device types.
const DEVICE_TYPES: &[(&str, DeviceType)] =
    &[("PSD", DeviceType::Psd), ("SOFT_PSD", DeviceType::SoftPsd), ("API", DeviceType::Api)];
/// The contract's words for statuses.
const STATUSES: &[(&str, Status)] = &[
    ("PENDING_REGISTRATION", Status::Invited),
    ("ACTIVE", Status::Active),
    ("ACCESS_SUSPENDED", Status::Suspended),
    ("REVOKED", Status::Deleted),
];

fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| word)
}

words! {
    /// The words of device types.
    DeviceTypeWord: DEVICE_TYPES.iter().map(|(word, _)| *word);
    /// The words of roles.
    RoleWord: ROLES.iter().map(|(word, _)| *word);
    /// The words of statuses.
    StatusWord: STATUSES.iter().map(|(word, _)| *word);
}

/// An error in this contract's body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceError, example = json!({"message": "There is no such user in this workspace.", "code": "NOT_FOUND"}))]
pub struct ErrorBody {
    message: String,
    #[schema(inline, value_type = ErrorCode)]
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    issues: Option<Vec<IssueBody>>,
}

words! {
    /// The codes of errors.
    ErrorCode: ["BAD_REQUEST", "UNAUTHORIZED", "FORBIDDEN", "NOT_FOUND", "INTERNAL_SERVER_ERROR"].into_iter();
}

/// What every endpoint of this contract may answer beside its own.
#[derive(IntoResponses)]
#[allow(dead_code)]
pub enum Refusals {
    /// No credential, or one that is refused.
    #[response(status = 401)]
    Unauthorized(ErrorBody),
    /// The credential may not do this.
    #[response(status = 403)]
    Forbidden(ErrorBody),
    /// The caller sent too many requests in this minute: try again after `retry-after` seconds.
    #[response(status = 429)]
    TooManyRequests(ErrorBody),
    /// A fault of ours.
    #[response(status = 500)]
    Failed(ErrorBody),
    /// The database refuses for now: try again after `retry-after` seconds.
    #[response(status = 503)]
    Unavailable(ErrorBody),
}

/// One wrong input.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceIssue)]
struct IssueBody {
    message: String,
    path: Vec<String>,
}

fn render(error: &Error, _request_id: &str) -> Response {
    let (status, code) = match error {
        Error::NotAuthenticated
        | Error::BadCredential(_)
        | Error::TokenRefused(_)
        | Error::AccountSuspended
        | Error::AccountDeleted => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED"),
        Error::OperatorRequired
        | Error::StepUpRequired
        | Error::Forbidden(_)
        | Error::MissingPermission(_)
        | Error::Delegated
        | Error::EmailNotVerified => (StatusCode::FORBIDDEN, "FORBIDDEN"),
        Error::NotFound(_) | Error::AccountNotFound => (StatusCode::NOT_FOUND, "NOT_FOUND"),
        Error::Conflict(_)
        | Error::AccountNotDeleted
        | Error::ActiveResources(_)
        | Error::Invalid(_) => (StatusCode::BAD_REQUEST, "BAD_REQUEST"),
        Error::Stale => (StatusCode::PRECONDITION_FAILED, "BAD_REQUEST"),
        Error::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "BAD_REQUEST"),
        Error::QuotaExceeded(..) | Error::TooManyRequests(_) => {
            (StatusCode::TOO_MANY_REQUESTS, "BAD_REQUEST")
        }
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "INTERNAL_SERVER_ERROR"),
        Error::Internal(_) | Error::Answered(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR")
        }
    };
    let body = match error {
        Error::Invalid(issues) => ErrorBody {
            message: "Input validation failed".to_owned(),
            code,
            issues: Some(issues.iter().map(IssueBody::from).collect()),
        },
        error => ErrorBody { message: error.to_string(), code, issues: None },
    };
    json(status, &body)
}

impl From<&Issue> for IssueBody {
    fn from(issue: &Issue) -> Self {
        Self { message: issue.to_string(), path: vec![issue.name.clone()] }
    }
}
