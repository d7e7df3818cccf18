//! The managed-users contract: the users whom the caller manages, and those who shared their data with the caller.

pub mod create_user;
pub mod delete_user;
pub mod get_principal_token;
pub mod get_user;
pub mod list_users;
pub mod update_user;

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::auth::{Caller, Places};
use shared::models::{Status, User};
use shared::{Error, Fault, Issue, Place, Result, Timestamp};
use uuid::Uuid;

use crate::request::path_id;
use crate::{Context, Contract, Request, Response, json};

/// What these endpoints have in common.
pub const CONTRACT: Contract = Contract { base_path: "/api/v1", places: Places::RefreshedTokenAndCookie, render };

/// What users let themselves, and their managers, do.
const DEFAULT_SCOPES: [&str; 3] = ["data:read", "data:write", "profile"];

/// A user as this contract shows it.
#[derive(Debug, Serialize)]
pub struct UserResponse {
    id: Uuid,
    first_name: Option<String>,
    last_name: Option<String>,
    admin: bool,
    registered_at: Timestamp,
    display_name: String,
    is_managed: bool,
}

impl From<User> for UserResponse {
    fn from(user: User) -> Self {
        Self {
            display_name: user.shown_name(),
            id: user.id,
            first_name: user.first_name,
            last_name: user.last_name,
            admin: user.is_operator,
            registered_at: user.created_at,
            is_managed: user.manager_id.is_some(),
        }
    }
}

/// The caller, and the user of the path's id whom the caller manages; 404 for anyone else.
async fn managed_user(context: &Context, request: &Request) -> Result<(Caller, User)> {
    let (caller, user) = managed_user_of_any_status(context, request).await?;
    if user.status == Status::Deleted { Err(not_found()) } else { Ok((caller, user)) }
}

/// The same, deleted users too. Both are read at once.
async fn managed_user_of_any_status(context: &Context, request: &Request) -> Result<(Caller, User)> {
    let token = context.verify(request).await?;
    let Some(user_id) = path_id(request, "user_id") else {
        context.caller(&token).await?;
        return Err(not_found());
    };
    let (caller, user) = futures::try_join!(context.caller(&token), context.store().sealed_user(user_id, &token))?;
    let user = user.open_for_manager(&caller.user).ok_or_else(not_found)?;
    Ok((caller, user))
}

fn not_found() -> Error {
    Error::NotFound("There is no managed user of that id.".into())
}

/// An error in this contract's body.
#[derive(Debug, Serialize)]
struct ErrorBody {
    detail: Detail,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Detail {
    Message(String),
    Issues(Vec<ValidationError>),
}

/// One wrong input.
#[derive(Debug, Serialize)]
struct ValidationError {
    loc: Vec<String>,
    msg: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

fn render(error: &Error, _request_id: &str) -> Response {
    let status = match error {
        Error::NotAuthenticated | Error::BadCredential(_) | Error::AccountSuspended | Error::AccountDeleted => StatusCode::UNAUTHORIZED,
        Error::OperatorRequired | Error::Forbidden(_) => StatusCode::FORBIDDEN,
        Error::NotFound(_) | Error::AccountNotFound => StatusCode::NOT_FOUND,
        Error::Conflict(_) | Error::AccountNotDeleted => StatusCode::CONFLICT,
        Error::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let detail = match error {
        Error::Invalid(issues) => Detail::Issues(issues.iter().map(ValidationError::from).collect()),
        error => Detail::Message(error.to_string()),
    };
    json(status, &ErrorBody { detail })
}

impl From<&Issue> for ValidationError {
    /// In the words of the framework that the published clients know.
    fn from(issue: &Issue) -> Self {
        let (kind, msg) = match &issue.fault {
            Fault::Missing => ("missing", "Field required".to_owned()),
            Fault::NotJson => ("json_invalid", "JSON decode error".to_owned()),
            Fault::NotA("an object" | "a form or an object" | "a form in UTF-8") => {
                ("model_attributes_type", "Input should be a valid dictionary or object to extract fields from".to_owned())
            }
            Fault::NotA("a boolean") => ("bool_parsing", "Input should be a valid boolean, unable to interpret input".to_owned()),
            Fault::NotA("a string") => ("string_type", "Input should be a valid string".to_owned()),
            Fault::TooLong(most) => ("string_too_long", format!("String should have at most {most} characters")),
            Fault::Blank => ("string_too_short", "String should have at least 1 character".to_owned()),
            fault => ("value_error", format!("Value error, it {fault}")),
        };
        let place = match issue.place {
            Place::Token => Place::Body,
            place => place,
        };
        let name = Some(issue.name.clone()).filter(|name| !name.is_empty());
        Self { loc: std::iter::once(place.as_str().to_owned()).chain(name).collect(), msg, kind }
    }
}
