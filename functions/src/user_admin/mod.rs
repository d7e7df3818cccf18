//! The user-admin contract: the users of the caller's team by their number, for its administrators.

pub mod create_user;
pub mod delete_inactive_users;
pub mod delete_user;
pub mod get_admin_count;
pub mod get_user;
pub mod list_inactive_users;
pub mod list_users;
pub mod search_users;
mod unrouted;
pub mod update_user;

pub(crate) use unrouted::answer as answer_unrouted;

use lambda_http::http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};
use shared::auth::{Caller, MembersWrite, Places};
use shared::models::{AccountType, NumberedUser, Role, Status, User};
use shared::store::fingerprint;
use shared::text::{MOST_NAME, is_identifier};
use shared::{Error, Fault, Issue, Place, Result, Timestamp};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoResponses, PartialSchema, ToSchema};
use uuid::Uuid;

use crate::openapi::{Email, Name, words};
use crate::request::{email, marked_json_object, path_parameter, text};
use crate::warning::{MAX_NAMED, warned};
use crate::{Context, Contract, Request, Response, json};

/// What these endpoints have in common.
pub const CONTRACT: Contract =
    Contract { base_path: "/api/admin", places: Places::BareKey, render };

/// A user as this contract shows it. A name, an email or a username that is not set is left out;
/// what else is not set is null.
#[derive(Debug, Serialize, ToSchema)]
// As published: nothing else.
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = TeamUser, example = json!({
    "id": 2,
    "name": "Bela Kovacs",
    "email": "bela.kovacs@acme-robotics.example",
    "imageUrl": "https://avatars.example/bela.png",
    "loginAttempts": 0,
    "rootRole": 2,
    "seenAt": "2026-05-02T09:28:00.000Z",
    "createdAt": "2025-04-17T09:30:00.000Z",
    "accountType": "User",
    "scimId": null,
    "seatType": null,
    "companyRole": null,
    "productUpdatesEmailConsent": null
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
    image_url: String,
    /// In the response to who made the user, and in no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    invite_link: Option<String>,
    login_attempts: u32,
    /// As `inviteLink`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email_sent: Option<bool>,
    /// Left out in the response to a change that does not name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 3)]
    root_role: Option<u8>,
    /// Null for users who were never seen.
    #[schema(required)]
    seen_at: Option<Timestamp>,
    created_at: Timestamp,
    #[schema(inline, value_type = AccountTypeWord)]
    account_type: &'static str,
    #[schema(required)]
    scim_id: Option<String>,
    /// Roster keeps none, nor what follows.
    #[schema(required, value_type = Option<String>)]
    seat_type: (),
    #[schema(required, value_type = Option<String>)]
    company_role: (),
    #[schema(required, value_type = Option<bool>)]
    product_updates_email_consent: (),
}

/// The root roles by their number, name and meaning.
const ROOT_ROLES: [(u8, Role, &str, &str); 3] = [
    (1, Role::Admin, "Admin", "Sees and changes everything in the instance, its users too."),
    (
        2,
        Role::Operator,
        "Editor",
        "Works with everything in the instance but its users and settings.",
    ),
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
            image_url: image_url(&user),
            name: user.name,
            email: user.email,
            username: user.username,
            invite_link: None,
            login_attempts: user.login_attempts,
            email_sent: None,
            root_role: Some(root_role(user.class.role)),
            seen_at: user.seen_at,
            created_at: user.created_at,
            account_type: account_type(user.account_type),
            scim_id: user.scim_id,
            seat_type: (),
            company_role: (),
            product_updates_email_consent: (),
        }
    }
}

/// The address of a user's picture. Who has none gets one that Gravatar draws from the id's hash:
/// neither the id nor the email reaches it.
fn image_url(user: &NumberedUser) -> String {
    user.avatar_url.clone().unwrap_or_else(|| {
        let hash = fingerprint(&[user.id.as_bytes()]);
        format!("https://gravatar.com/avatar/{hash}?s=42&d=retro&f=y")
    })
}

fn account_type(account_type: AccountType) -> &'static str {
    match account_type {
        AccountType::User => "User",
        AccountType::Service => "Service Account",
    }
}

/// The user of the team that the path numbers, who is not deleted, to be changed by the caller, who
/// administers the team.
async fn user_to_change(
    context: &Context,
    request: &Request,
) -> Result<(Caller<MembersWrite>, User)> {
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
    let number = if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        id.parse().ok()
    } else {
        None
    };
    number.ok_or_else(|| {
        Error::invalid(
            Issue::new(Place::Path, "id", Fault::NotAnInteger { min: i64::MIN, max: i64::MAX })
                .sent(id),
        )
    })
}

/// What bodies are written in.
const CONTENT_TYPES: &[&str] = &["application/json"];

/// The body as a JSON object. As the product does, it refuses a body that is said to be something
/// else, and one that is not said to be anything.
fn body(request: &Request) -> Result<Map<String, Value>> {
    accept_content_type(request)?;
    marked_json_object(request)
}

/// # Errors
/// `Invalid`, which this contract shows as a `ContentTypeError`.
fn accept_content_type(request: &Request) -> Result<()> {
    let sent = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let sent = String::from_utf8_lossy(sent.unwrap_or_default());
    let media_type = sent.split(';').next().unwrap_or_default().trim();
    if CONTENT_TYPES.iter().any(|accepted| media_type.eq_ignore_ascii_case(accepted)) {
        return Ok(());
    }
    let sent = if sent.is_empty() { "none".into() } else { sent };
    let fault = Fault::NotOneOf(CONTENT_TYPES);
    Err(Error::invalid(Issue::new(Place::Header, header::CONTENT_TYPE.as_str(), fault).sent(sent)))
}

/// The content type that a request was refused for.
fn refused_content_type(error: &Error) -> Option<String> {
    let Error::Invalid(issues) = error else { return None };
    let issue = issues.iter().find(|issue| {
        issue.place == Place::Header && issue.name == header::CONTENT_TYPE.as_str()
    })?;
    Some(issue.sent.iter().flat_map(|sent| sent.chars()).take(MOST_REPEATED).collect())
}

/// The fields of a body that make or change a user. What is absent, null or blank is `None`.
struct Fields {
    name: Option<String>,
    email: Option<String>,
    username: Option<String>,
    role: Option<Role>,
}

impl Fields {
    fn read(fields: &Map<String, Value>) -> Result<Self, Vec<Issue>> {
        let username = given(fields, "username", MOST_NAME).and_then(identifier);
        match (given(fields, "name", MOST_NAME), lower_email(fields), username, role(fields)) {
            (Ok(name), Ok(email), Ok(username), Ok(role)) => {
                Ok(Self { name, email, username, role })
            }
            (name, email, username, role) => {
                Err([name.err(), email.err(), username.err(), role.err()]
                    .into_iter()
                    .flatten()
                    .collect())
            }
        }
    }
}

/// True for a field that is absent, null or blank: forms send "" for what was left blank.
fn is_blank(fields: &Map<String, Value>, name: &str) -> bool {
    match fields.get(name) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.trim().is_empty(),
        Some(_) => false,
    }
}

/// A text that is neither absent nor null nor blank.
fn given(fields: &Map<String, Value>, name: &str, most: usize) -> Result<Option<String>, Issue> {
    if is_blank(fields, name) { Ok(None) } else { text(fields, name, most).map(Option::flatten) }
}

/// An email address in lower case, in which the product stores it.
fn lower_email(fields: &Map<String, Value>) -> Result<Option<String>, Issue> {
    if is_blank(fields, "email") {
        return Ok(None);
    }
    let lower = fields
        .get("email")
        .map(|sent| sent.as_str().map_or_else(|| sent.clone(), |text| text.to_lowercase().into()));
    email(&lower.map(|lower| ("email".to_owned(), lower)).into_iter().collect(), "email").map(Some)
}

/// A username, which tells its holder from others of the team.
fn identifier(username: Option<String>) -> Result<Option<String>, Issue> {
    match username.iter().find(|username| !is_identifier(username)) {
        None => Ok(username),
        Some(_) => Err(Issue::new(
            Place::Body,
            "username",
            Fault::NotA("in Unicode's normalization form NFKC, without joiners"),
        )),
    }
}

/// The body's root role, by its number, also as text, or by its name. None where there is none,
/// which null and 0 stand for too.
fn role(fields: &Map<String, Value>) -> Result<Option<Role>, Issue> {
    let sent = fields.get("rootRole").unwrap_or(&Value::Null);
    let number = match sent {
        Value::String(text) => {
            ["0", "1", "2", "3"].iter().position(|known| known == text).map(|number| number as u64)
        }
        sent => integer(sent),
    };
    if sent.is_null() || number == Some(0) {
        return Ok(None);
    }
    let known =
        |(of, _, name, _): &&(u8, Role, &str, &str)| number == Some(u64::from(*of)) || sent == name;
    let wrong =
        || Issue::new(Place::Body, "rootRole", Fault::NotA("1, 2, 3, Admin, Editor or Viewer"));
    ROOT_ROLES.iter().find(known).map(|known| Some(known.1)).ok_or_else(wrong)
}

/// An integer of JSON, which may be written `2.0`.
fn integer(value: &Value) -> Option<u64> {
    /// Beyond it a double does not hold every integer.
    const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
    let whole = |number: &f64| number.fract() == 0.0 && (0.0..MAX_EXACT).contains(number);
    value.as_u64().or_else(|| value.as_f64().filter(whole).map(|number| number as u64))
}

/// An issue for each field that is not known, in their order, and no more than a response should
/// hold.
fn unknown(sent: &Map<String, Value>, known: &[&str]) -> Vec<Issue> {
    let unknown = sent.keys().filter(|name| !known.contains(&name.as_str())).take(MAX_NAMED);
    let name = |name: &String| name.chars().take(MOST_REPEATED).collect::<String>();
    unknown.map(|field| Issue::new(Place::Body, name(field), Fault::Unknown)).collect()
}

/// An error in this contract's body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserAdminError, example = json!({
    "id": "9c40958a-daac-400e-98fb-3bb438567008",
    "name": "PermissionError",
    "message": "Only an administrator of the team may do this.",
    "details": [{"message": "Only an administrator of the team may do this."}],
    "permissions": ["ADMIN"]
}))]
pub struct ErrorBody {
    /// By which the error is found in the log.
    id: Uuid,
    #[schema(inline, value_type = ErrorName)]
    name: &'static str,
    message: String,
    /// Each wrong input; the message alone where none is wrong.
    #[schema(min_items = 1)]
    details: Vec<Detail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Vec<String>, required = false)]
    permissions: Option<[&'static str; 1]>,
}

/// One thing that is wrong.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserAdminErrorDetail)]
struct Detail {
    message: String,
    /// The input that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    path: Option<String>,
}

words! {
    /// What kinds of account there are.
    AccountTypeWord: ["User", "Service Account"].into_iter();
    /// The names of errors.
    ErrorName: [
        "BadDataError", "AuthenticationRequired", "UnauthorizedError", "PermissionError", "NotFoundError", "ContentTypeError",
        "RateLimitError", "InternalError", "NotImplementedError",
    ].into_iter();
}

/// A root role as bodies bring it: its number, also as text, or its name.
struct RootRoleInput;

impl PartialSchema for RootRoleInput {
    fn schema() -> RefOr<Schema> {
        roles([Type::Integer, Type::String], &[])
    }
}

/// The schema of the root roles, and of what else a field may hold.
fn roles(types: impl IntoIterator<Item = Type>, others: &[Value]) -> RefOr<Schema> {
    let values = |(number, _, name, _): &(u8, Role, &'static str, &str)| {
        [Value::from(*number), Value::from(number.to_string()), Value::from(*name)]
    };
    let values = ROOT_ROLES.iter().flat_map(values).chain(others.iter().cloned());
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter(types))
        .enum_values(Some(values.collect::<Vec<_>>()))
        .into()
}

impl ToSchema for RootRoleInput {}

/// A root role as a change brings it: 0 and null leave it as it is.
struct RootRoleChange;

impl PartialSchema for RootRoleChange {
    fn schema() -> RefOr<Schema> {
        let types = [Type::Integer, Type::String, Type::Null];
        roles(types, &[0.into(), "0".into(), Value::Null])
    }
}

impl ToSchema for RootRoleChange {}

/// A username, or a name that a change may leave, which forms may leave blank.
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
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Left blank: the same as null."))
            .pattern(Some(r"^\s*$"))
            .into()
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
        Error::BadCredential(_)
        | Error::TokenRefused(_)
        | Error::AccountSuspended
        | Error::AccountDeleted => (StatusCode::UNAUTHORIZED, "UnauthorizedError"),
        Error::OperatorRequired
        | Error::StepUpRequired
        | Error::Forbidden(_)
        | Error::MissingPermission(_)
        | Error::Delegated
        | Error::EmailNotVerified => (StatusCode::FORBIDDEN, "PermissionError"),
        Error::NotFound(_) | Error::AccountNotFound => (StatusCode::NOT_FOUND, "NotFoundError"),
        Error::Conflict(_)
        | Error::AccountNotDeleted
        | Error::ActiveResources(_)
        | Error::Invalid(_) => (StatusCode::BAD_REQUEST, "BadDataError"),
        Error::Stale => (StatusCode::PRECONDITION_FAILED, "BadDataError"),
        Error::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "BadDataError"),
        Error::QuotaExceeded(..) | Error::TooManyRequests(_) => {
            (StatusCode::TOO_MANY_REQUESTS, "RateLimitError")
        }
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "InternalError"),
        Error::Internal(_) | Error::Answered(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "InternalError")
        }
    };
    let (message, details) = match (error, content_type) {
        (_, Some(content_type)) => {
            let accepted = CONTENT_TYPES.join(", ");
            let advice = "and make sure the body is in the corresponding format.";
            let message = format!(
                "We do not accept the content-type you provided ({content_type}). Try using one of the content-types we do accept instead ({accepted}) {advice}"
            );
            (message, Vec::new())
        }
        (Error::Invalid(issues), _) => {
            let message = "Request validation failed: the request's body or parameters are not what we expect. See `details`.".to_owned();
            (message, issues.iter().map(Detail::from).collect())
        }
        (error, _) => (error.to_string(), Vec::new()),
    };
    error_response(status, name, message, details, request_id)
}

/// An error as this contract shows it.
fn error_response(
    status: StatusCode,
    name: &'static str,
    message: String,
    mut details: Vec<Detail>,
    request_id: &str,
) -> Response {
    if details.is_empty() {
        details.push(Detail { message: message.clone(), path: None });
    }
    let permissions = (name == "PermissionError").then_some(["ADMIN"]);
    // The id by which the error is found in the log, where it has the form that the contract asks
    // for.
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
        let path = if issue.name.is_empty() {
            format!("/{place}")
        } else {
            format!("/{place}/{}", issue.name)
        };
        let expectation = match &issue.fault {
            Fault::NotAnInteger { min: i64::MIN, max: i64::MAX } => "must be integer".to_owned(),
            fault => fault.to_string(),
        };
        // What was sent is repeated as JSON, at most this much of it.
        let sent =
            issue.sent.as_ref().map(|sent| sent.chars().take(MOST_REPEATED).collect::<String>());
        let sent =
            sent.map(|sent| format!(" You sent {}.", Value::String(sent))).unwrap_or_default();
        Self { message: format!("The `{path}` property {expectation}.{sent}"), path: Some(path) }
    }
}
