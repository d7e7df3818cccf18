//! The managed-users contract: the users whom the caller manages, and those who shared their data
//! with the caller.

pub mod create_delegated_token;
pub mod create_user;
pub mod delete_user;
pub mod get_principal_token;
pub mod get_user;
pub mod get_userinfo;
pub mod list_shares;
pub mod list_users;
pub mod share;
pub mod unshare;
pub mod update_user;

use lambda_http::http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};
use shared::auth::{Caller, OnManagedUsers, Places};
use shared::models::{Share, Status, User};
use shared::{Error, Fault, Issue, Place, Result, Timestamp};
use utoipa::{IntoResponses, ToSchema};
use uuid::Uuid;

use crate::entity_tag::tagged;
use crate::openapi::words;
use crate::request::path_id;
use crate::{Context, Contract, Request, Response, json};

/// What these endpoints have in common.
pub const CONTRACT: Contract =
    Contract { base_path: "/api/v1", places: Places::RefreshedTokenAndCookie, render };

/// A user as this contract shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "00000000-0000-4000-8000-000000000062",
    "first_name": "Gita",
    "last_name": "Rao",
    "admin": false,
    "registered_at": "2026-03-10T09:30:00.000Z",
    "display_name": "Gita Rao",
    "is_managed": true
}))]
pub struct UserResponse {
    id: Uuid,
    #[schema(required)]
    first_name: Option<String>,
    #[schema(required)]
    last_name: Option<String>,
    /// Whether the user is a platform operator.
    admin: bool,
    registered_at: Timestamp,
    display_name: String,
    is_managed: bool,
}

impl From<&User> for UserResponse {
    fn from(user: &User) -> Self {
        Self {
            display_name: user.shown_name(),
            id: user.id,
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            admin: user.is_operator,
            registered_at: user.created_at,
            is_managed: user.manager_id.is_some(),
        }
    }
}

/// A user as an answer.
fn user_answer(user: &User) -> Response {
    tagged(json(StatusCode::OK, &UserResponse::from(user)), user)
}

/// Every scope; the last two are never shared.
const SCOPES: &[&str] = &[
    "data:read",
    "data:write",
    "openid",
    "profile",
    "email",
    "activities:read",
    "activities:write",
    "wellness:read",
    "wellness:write",
    "reproductive_health:read",
    "reproductive_health:write",
    "workouts:read",
    "workouts:write",
    "sharing:read",
    "sharing:write",
    "offline_access",
    "admin",
];

/// The `scopes` of a body, if they are there: each one of those allowed.
fn scopes(
    fields: &Map<String, Value>,
    allowed: &'static [&'static str],
) -> Result<Option<Vec<String>>, Issue> {
    let issue = |fault| Issue::new(Place::Body, "scopes", fault);
    let values = match fields.get("scopes") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(values)) => values,
        Some(_) => return Err(issue(Fault::NotA("a list"))),
    };
    let known =
        |value: &Value| value.as_str().filter(|scope| allowed.contains(scope)).map(str::to_owned);
    values
        .iter()
        .map(|value| known(value).ok_or_else(|| issue(Fault::NotOneOf(allowed))))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// A share as its giver sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Share, example = json!({
    "user_id": "00000000-0000-4000-8000-000000000005", "scopes": ["data:read"], "created_at": "2026-04-12T09:30:00.000Z"
}))]
struct ShareBody {
    /// Who is let in.
    user_id: Uuid,
    #[schema(inline, value_type = Vec<ScopeWord>)]
    scopes: Vec<String>,
    created_at: Timestamp,
}

impl From<Share> for ShareBody {
    fn from(share: Share) -> Self {
        Self { user_id: share.grantee_id, scopes: share.scopes, created_at: share.created_at }
    }
}

/// A token, as OAuth answers it (RFC 6749, section 5.1).
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "access_token": "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl",
    "token_type": "Bearer",
    "expires_in": 3540,
    "refresh_token": null,
    "scope": "data:read data:write profile",
    "id_token": null
}))]
struct TokenResponse {
    access_token: String,
    #[schema(inline, value_type = TokenType)]
    token_type: &'static str,
    /// Whole seconds.
    #[schema(minimum = 0)]
    expires_in: i64,
    /// Always null: there are none.
    #[schema(required)]
    refresh_token: Option<String>,
    /// Scopes with spaces between.
    scope: String,
    /// Always null: there are none.
    #[schema(required)]
    id_token: Option<String>,
}

impl TokenResponse {
    fn new(access_token: String, expires_in: i64, scopes: &[String]) -> Self {
        Self {
            access_token,
            token_type: "Bearer",
            expires_in,
            refresh_token: None,
            scope: scopes.join(" "),
            id_token: None,
        }
    }

    fn answer(&self, status: StatusCode) -> Response {
        let mut response = json(status, self);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

fn no_such_user() -> Error {
    Error::NotFound("There is no user of that id.".into())
}

/// The caller, and the user of the path's id whom the caller manages; 404 for anyone else.
async fn managed_user<R: OnManagedUsers>(
    context: &Context,
    request: &Request,
) -> Result<(Caller<R>, User)> {
    let (caller, user) = managed_user_of_any_status(context, request).await?;
    if user.status == Status::Deleted { Err(not_found()) } else { Ok((caller, user)) }
}

/// The same, deleted users too. Both are read at once.
async fn managed_user_of_any_status<R: OnManagedUsers>(
    context: &Context,
    request: &Request,
) -> Result<(Caller<R>, User)> {
    let token = context.verify(request).await?;
    let Some(user_id) = path_id(request, "user_id") else {
        context.caller::<R>(&token).await?;
        return Err(not_found());
    };
    let (caller, user) = futures::try_join!(
        context.caller::<R>(&token),
        context.store().sealed_user(user_id, &token)
    )?;
    let user = user.open_for_manager(&caller).ok_or_else(not_found)?;
    Ok((caller, user))
}

fn not_found() -> Error {
    Error::NotFound("There is no managed user of that id.".into())
}

/// An error in this contract's body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ManagedUsersError, example = json!({"detail": "There is no managed user of that id."}))]
pub struct ErrorBody {
    detail: String,
}

/// An error in this contract's body, where inputs are wrong.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HTTPValidationError, example = json!({"detail": [
        {"loc": ["body", "first_name"], "msg": "Input should be a valid string", "type": "string_type"},
        {"loc": ["body", "last_name"], "msg": "Field required", "type": "missing"}
    ]}))]
pub struct ValidationErrorBody {
    detail: Vec<ValidationError>,
}

/// One wrong input.
#[derive(Debug, Serialize, ToSchema)]
struct ValidationError {
    /// Where: `body`, `query`, `path` or `header`, and the name, if it has one.
    #[schema(min_items = 1, max_items = 2)]
    loc: Vec<String>,
    msg: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

words! {
    /// The scopes.
    ScopeWord: SCOPES.iter().copied();
    /// The types of tokens.
    TokenType: ["Bearer"].into_iter();
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

fn render(error: &Error, _request_id: &str) -> Response {
    let status = match error {
        Error::NotAuthenticated
        | Error::BadCredential(_)
        | Error::TokenRefused(_)
        | Error::AccountSuspended
        | Error::AccountDeleted => StatusCode::UNAUTHORIZED,
        Error::OperatorRequired
        | Error::StepUpRequired
        | Error::Forbidden(_)
        | Error::MissingPermission(_)
        | Error::Delegated
        | Error::EmailNotVerified => StatusCode::FORBIDDEN,
        Error::NotFound(_) | Error::AccountNotFound => StatusCode::NOT_FOUND,
        Error::Conflict(_) | Error::AccountNotDeleted | Error::ActiveResources(_) => {
            StatusCode::CONFLICT
        }
        Error::Stale => StatusCode::PRECONDITION_FAILED,
        Error::Invalid(_) | Error::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        Error::QuotaExceeded(..) | Error::TooManyRequests(_) => StatusCode::TOO_MANY_REQUESTS,
        Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) | Error::Answered(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let detail = match error {
        Error::Invalid(issues) => issues.iter().map(ValidationError::from).collect(),
        // This contract tells every 422 so.
        Error::KeyReused => vec![ValidationError {
            loc: vec!["header".to_owned(), "idempotency-key".to_owned()],
            msg: error.to_string(),
            kind: "value_error",
        }],
        error => return json(status, &ErrorBody { detail: error.to_string() }),
    };
    json(status, &ValidationErrorBody { detail })
}

impl From<&Issue> for ValidationError {
    /// In the words of the framework that the published clients know.
    fn from(issue: &Issue) -> Self {
        let (kind, msg) = match &issue.fault {
            Fault::Missing => ("missing", "Field required".to_owned()),
            Fault::NotJson => ("json_invalid", "JSON decode error".to_owned()),
            Fault::NotA("an object" | "a form or an object" | "a form in UTF-8") => (
                "model_attributes_type",
                "Input should be a valid dictionary or object to extract fields from".to_owned(),
            ),
            Fault::NotA("a boolean") => (
                "bool_parsing",
                "Input should be a valid boolean, unable to interpret input".to_owned(),
            ),
            Fault::NotA("a string") => ("string_type", "Input should be a valid string".to_owned()),
            Fault::NotA("a list") => ("list_type", "Input should be a valid list".to_owned()),
            Fault::NotA("a list of one or more") => {
                ("too_short", "List should have at least 1 item after validation, not 0".to_owned())
            }
            Fault::NotOneOf(values) => {
                ("enum", format!("Input should be one of {}", values.join(", ")))
            }
            Fault::TooLong(most) => {
                ("string_too_long", format!("String should have at most {most} characters"))
            }
            Fault::Blank => {
                ("string_too_short", "String should have at least 1 character".to_owned())
            }
            fault => ("value_error", format!("Value error, it {fault}")),
        };
        let place = match issue.place {
            Place::Token => Place::Body,
            place => place,
        };
        // Names of headers stand in small letters.
        let name =
            if place == Place::Header { issue.name.to_lowercase() } else { issue.name.clone() };
        let name = Some(name).filter(|name| !name.is_empty());
        Self { loc: std::iter::once(place.as_str().to_owned()).chain(name).collect(), msg, kind }
    }
}
