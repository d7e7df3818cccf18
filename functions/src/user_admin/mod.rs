//! The user-admin contract: the users of the caller's team by their number, for its administrators.

pub mod create_user;
pub mod delete_inactive_users;
pub mod delete_user;
pub mod get_admin_count;
pub mod get_user;
pub mod list_inactive_users;
pub mod list_users;
pub mod search_users;
pub mod update_user;

use lambda_http::http::{StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};
use shared::auth::{Caller, MembersWrite, Places};
use shared::models::{AccountType, NumberedUser, Role, Status, User};
use shared::text::{MOST_EMAIL, MOST_NAME, is_identifier};
use shared::{Error, Fault, Issue, Place, Result, Timestamp};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoResponses, PartialSchema, ToSchema};
use uuid::Uuid;

use crate::openapi::{Email, Name, words};
use crate::request::{email, json_object, path_parameter, text};
use crate::{Context, Contract, Request, Response, json};

/// What these endpoints have in common.
pub const CONTRACT: Contract = Contract { base_path: "/api/admin/user-admin", places: Places::BareKey, render };

/// A user as this contract shows it. What is not set is left out, but for `seenAt`, which is null.
#[derive(Debug, Serialize, ToSchema)]
// As published: nothing else.
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = TeamUser, example = json!({
    "id": 2,
    "name": "Bela Kovacs",
    "email": "bela.kovacs@acme-robotics.example",
    "loginAttempts": 0,
    "rootRole": 2,
    "seenAt": "2026-05-02T09:28:00.000Z",
    "createdAt": "2025-04-17T09:30:00.000Z",
    "accountType": "User",
    "permissions": []
}))]
pub struct UserBody {
    /// The number in the team.
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    image_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    invite_link: Option<String>,
    login_attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email_sent: Option<bool>,
    #[schema(minimum = 1, maximum = 3)]
    root_role: u8,
    /// Null for users who were never seen.
    #[schema(required)]
    seen_at: Option<Timestamp>,
    created_at: Timestamp,
    #[schema(inline, value_type = AccountTypeWord)]
    account_type: &'static str,
    permissions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    scim_id: Option<String>,
}

/// The root roles by their number, name and meaning.
const ROOT_ROLES: [(u8, Role, &str, &str); 3] = [
    (1, Role::Admin, "Admin", "Sees and changes everything in the instance, its users too."),
    (2, Role::Operator, "Editor", "Works with everything in the instance but its users and settings."),
    (3, Role::Viewer, "Viewer", "Sees what is in the instance and changes nothing."),
];

/// A root role's number.
fn root_role(role: Role) -> u8 {
    ROOT_ROLES.iter().find(|known| known.1 == role).map_or(0, |known| known.0)
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        NumberedUser::from(user).into()
    }
}

impl From<NumberedUser> for UserBody {
    fn from(user: NumberedUser) -> Self {
        Self {
            id: user.number,
            name: user.name,
            email: user.email,
            username: user.username,
            image_url: user.avatar_url,
            invite_link: user.invite_link,
            login_attempts: user.login_attempts,
            email_sent: user.email_sent,
            root_role: root_role(user.class.role),
            seen_at: user.seen_at,
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

/// The user of the team that the path numbers, who is not deleted, to be changed by the caller, who administers the team.
async fn user_to_change(context: &Context, request: &Request) -> Result<(Caller<MembersWrite>, User)> {
    let caller = context.authenticate::<MembersWrite>(request).await?;
    let access = caller.team_admin()?;
    let id = path_parameter(request, "id");
    let user = context.store().user_by_number(&access, number(&id)?).await?;
    let user = user.filter(|user| user.status != Status::Deleted).ok_or_else(|| not_found(&id))?;
    Ok((caller, user))
}

/// The number that an id in a path stands for.
fn number(id: &str) -> Result<u64> {
    // They count from 1: no other is anyone's.
    u64::try_from(parse_number(id)?).map_err(|_| not_found(id))
}

fn not_found(id: &str) -> Error {
    Error::NotFound(format!("Could not find a user with ID \"{id}\"."))
}

/// An integer of 64 bits with an optional sign.
fn parse_number(id: &str) -> Result<i64> {
    let digits = id.strip_prefix('-').unwrap_or(id);
    let number = if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) { id.parse().ok() } else { None };
    number.ok_or_else(|| Error::invalid(Issue::new(Place::Path, "id", Fault::NotAnInteger { min: i64::MIN, max: i64::MAX }).sent(id)))
}

/// What bodies are written in.
const CONTENT_TYPES: &[&str] = &["application/json"];

/// The body as a JSON object. One that says it is something else is refused, as the product does; one that says nothing is taken.
fn body(request: &Request) -> Result<Map<String, Value>> {
    let content_type = request.headers().get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let accepted = |content_type: &str| {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        CONTENT_TYPES.iter().any(|accepted| media_type.eq_ignore_ascii_case(accepted))
    };
    match content_type {
        Some(content_type) if !accepted(&content_type) => {
            Err(Error::invalid(Issue::new(Place::Header, header::CONTENT_TYPE.as_str(), Fault::NotOneOf(CONTENT_TYPES)).sent(content_type)))
        }
        _ => json_object(request),
    }
}

/// The content type that a request was refused for.
fn refused_content_type(error: &Error) -> Option<String> {
    let Error::Invalid(issues) = error else { return None };
    let issue = issues.iter().find(|issue| issue.place == Place::Header && issue.name == header::CONTENT_TYPE.as_str())?;
    Some(issue.sent.iter().flat_map(|sent| sent.chars()).take(MOST_REPEATED).collect())
}

/// The fields of a body that make or change a user. What is absent is `None`; what is null or "" is `Some(None)`.
struct Fields {
    name: Option<Option<String>>,
    email: Option<Option<String>>,
    username: Option<Option<String>>,
    role: Option<Role>,
}

impl Fields {
    fn read(fields: &Map<String, Value>) -> Result<Self, Vec<Issue>> {
        // Forms send "" for what was left blank.
        let mut fields = fields.clone();
        for name in ["name", "email", "username"] {
            if fields.get(name).and_then(Value::as_str).is_some_and(|text| text.trim().is_empty()) {
                fields.insert(name.to_owned(), Value::Null);
            }
        }
        let email_field = match fields.get("email") {
            Some(Value::String(_)) => email(&fields, "email").map(|email| Some(Some(email))),
            _ => text(&fields, "email", MOST_EMAIL),
        };
        let name = text(&fields, "name", MOST_NAME);
        let username = text(&fields, "username", MOST_NAME).and_then(identifier);
        match (name, email_field, username, role(fields.get("rootRole"))) {
            (Ok(name), Ok(email), Ok(username), Ok(role)) => Ok(Self { name, email, username, role }),
            (name, email, username, role) => Err([name.err(), email.err(), username.err(), role.err()].into_iter().flatten().collect()),
        }
    }
}

/// A username, which tells its holder from others of the team.
fn identifier(username: Option<Option<String>>) -> Result<Option<Option<String>>, Issue> {
    match username.iter().flatten().find(|username| !is_identifier(username)) {
        None => Ok(username),
        Some(_) => Err(Issue::new(Place::Body, "username", Fault::NotA("in Unicode's normalization form NFKC, without joiners"))),
    }
}

/// A root role, by its number or its name.
fn role(value: Option<&Value>) -> Result<Option<Role>, Issue> {
    let known = match value {
        None => return Ok(None),
        Some(Value::String(name)) => ROOT_ROLES.iter().find(|known| known.2 == name),
        Some(value) => ROOT_ROLES.iter().find(|known| value.as_u64() == Some(known.0.into())),
    };
    let wrong = || Issue::new(Place::Body, "rootRole", Fault::NotA("1, 2, 3, Admin, Editor or Viewer"));
    known.map(|known| Some(known.1)).ok_or_else(wrong)
}

/// An error in this contract's body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserAdminError, example = json!({
    "id": "9c40958a-daac-400e-98fb-3bb438567008",
    "name": "PermissionError",
    "message": "Only an administrator of the team may do this.",
    "permissions": ["ADMIN"]
}))]
pub struct ErrorBody {
    /// By which the error is found in the log.
    id: Uuid,
    #[schema(inline, value_type = ErrorName)]
    name: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    details: Option<Vec<Detail>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Vec<String>, required = false)]
    permissions: Option<[&'static str; 1]>,
}

/// One wrong input.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserAdminErrorDetail)]
struct Detail {
    message: String,
    path: String,
}

words! {
    /// What kinds of account there are.
    AccountTypeWord: ["User", "Service Account"].into_iter();
    /// The names of errors.
    ErrorName: [
        "BadDataError", "AuthenticationRequired", "UnauthorizedError", "PermissionError", "NotFoundError", "ContentTypeError",
        "RateLimitError", "InternalError",
    ].into_iter();
}

/// A root role as bodies bring it: its number or its name.
struct RootRoleInput;

impl PartialSchema for RootRoleInput {
    fn schema() -> RefOr<Schema> {
        let numbers = ROOT_ROLES.iter().map(|(number, ..)| Value::from(*number));
        let names = ROOT_ROLES.iter().map(|(_, _, name, _)| Value::from(*name));
        let kinds = SchemaType::from_iter([Type::Integer, Type::String]);
        ObjectBuilder::new().schema_type(kinds).enum_values(Some(numbers.chain(names).collect::<Vec<_>>())).into()
    }
}

impl ToSchema for RootRoleInput {}

/// A name, which forms may leave blank.
#[derive(ToSchema)]
#[schema(as = NameOrBlank)]
#[serde(untagged)]
#[allow(dead_code)]
enum NameInput {
    Name(#[schema(inline)] Name),
    Blank(#[schema(inline)] Blank),
    None,
}

/// An email address, which forms may leave blank.
#[derive(ToSchema)]
#[schema(as = EmailOrBlank)]
#[serde(untagged)]
#[allow(dead_code)]
enum EmailInput {
    Email(#[schema(inline)] Email),
    Blank(#[schema(inline)] Blank),
    None,
}

/// Nothing but white space: what forms send for what was left blank.
struct Blank;

impl PartialSchema for Blank {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).description(Some("Left blank: the same as null.")).pattern(Some(r"^\s*$")).into()
    }
}

impl ToSchema for Blank {}

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

/// The most characters of what was sent that an error repeats.
const MOST_REPEATED: usize = 100;

fn render(error: &Error, request_id: &str) -> Response {
    let content_type = refused_content_type(error);
    let (status, name) = match error {
        _ if content_type.is_some() => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "ContentTypeError"),
        Error::NotAuthenticated => (StatusCode::UNAUTHORIZED, "AuthenticationRequired"),
        Error::BadCredential(_) | Error::TokenRefused(_) | Error::AccountSuspended | Error::AccountDeleted => {
            (StatusCode::UNAUTHORIZED, "UnauthorizedError")
        }
        Error::OperatorRequired
        | Error::StepUpRequired
        | Error::Forbidden(_)
        | Error::MissingPermission(_)
        | Error::Delegated
        | Error::EmailNotVerified => (StatusCode::FORBIDDEN, "PermissionError"),
        Error::NotFound(_) | Error::AccountNotFound => (StatusCode::NOT_FOUND, "NotFoundError"),
        Error::Conflict(_) | Error::AccountNotDeleted | Error::ActiveResources(_) | Error::Invalid(_) => {
            (StatusCode::BAD_REQUEST, "BadDataError")
        }
        Error::Stale => (StatusCode::PRECONDITION_FAILED, "BadDataError"),
        Error::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "BadDataError"),
        Error::QuotaExceeded(..) | Error::TooManyRequests(_) => (StatusCode::TOO_MANY_REQUESTS, "RateLimitError"),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "InternalError"),
        Error::Internal(_) | Error::Answered(_) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
    };
    let (message, details) = match (error, content_type) {
        (_, Some(content_type)) => {
            let accepted = CONTENT_TYPES.join(", ");
            let advice = "and make sure the body is in the corresponding format.";
            let message = format!(
                "We do not accept the content-type you provided ({content_type}). Try using one of the content-types we do accept instead ({accepted}) {advice}"
            );
            (message, None)
        }
        (Error::Invalid(issues), _) => {
            let message = "Request validation failed: the request's body or parameters are not what we expect. See `details`.".to_owned();
            (message, Some(issues.iter().map(Detail::from).collect()))
        }
        (error, _) => (error.to_string(), None),
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
        // The whole body has no name.
        let path = if issue.name.is_empty() { format!("/{place}") } else { format!("/{place}/{}", issue.name) };
        let expectation = match &issue.fault {
            Fault::NotAnInteger { min: i64::MIN, max: i64::MAX } => "must be integer".to_owned(),
            fault => fault.to_string(),
        };
        // What was sent is repeated as JSON, at most this much of it.
        let sent = issue.sent.as_ref().map(|sent| sent.chars().take(MOST_REPEATED).collect::<String>());
        let sent = sent.map(|sent| format!(" You sent {}.", Value::String(sent))).unwrap_or_default();
        Self { message: format!("The `{path}` property {expectation}.{sent}"), path }
    }
}
