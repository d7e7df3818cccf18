//! POST `/api/v1/users/`: makes a user whom the caller manages. They cannot sign in themselves.

use serde_json::{Map, Value};
use shared::auth::ManagedUsersWrite;
use shared::models::Role;
use shared::text::MOST_NAME;
use shared::{Error, Fault, Issue, Place, Result};
use utoipa::ToSchema;

use super::{ErrorBody, Refusals, UserResponse, ValidationErrorBody, user_answer};
use crate::openapi::{IdempotencyKey, Name};
use crate::request::{all, json_object, path_parameter, required_text, text};
use crate::{Context, Request, Response};

/// The names of a user who is to be made.
#[derive(ToSchema)]
#[schema(as = ManagedUserCreate)]
#[allow(dead_code)]
struct Input {
    first_name: Name,
    /// Must be there, but may be null.
    #[schema(required)]
    last_name: Option<Name>,
}

/// Makes a user whom the caller manages.
#[utoipa::path(
    post,
    path = "/api/v1/users/",
    tag = "managed users",
    operation_id = "managed_users.create_user",
    params(IdempotencyKey),
    request_body(content = Input, example = json!({"first_name": "Ada", "last_name": null})),
    responses(
        (status = 200, description = "The user", body = UserResponse, headers(("etag", description = "The user's version"))),
        (status = 409, description = "The team has as many managed users as its tier allows; or the same request is still running, or its answer cannot be given again", body = ErrorBody),
        (status = 422, description = "The body or the `Idempotency-Key` is wrong, or the key was used for another request", body = ValidationErrorBody),
        Refusals,
    ),
    security(("bearer" = []), ("refreshed_token" = []), ("token_cookie" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    if !path_parameter(&request, "proxy").is_empty() {
        return Err(Error::no_such_endpoint());
    }
    let manager = context.authenticate::<ManagedUsersWrite>(&request).await?;
    if manager.user.manager_id.is_some() {
        return Err(Error::Forbidden("A managed user may not create managed users."));
    }
    if manager.user.role == Role::Viewer {
        return Err(Error::Forbidden(
            "A viewer may not create managed users. Ask an administrator of the team for the role operator.",
        ));
    }
    let fields = json_object(&request)?;
    let (first_name, last_name) =
        all(required_text(&fields, "first_name", MOST_NAME), last_name(&fields))?;
    let act = context.act(&manager, "user.created");
    context.store().create_managed_user(&manager, first_name, last_name, &act, &user_answer).await
}

/// The last name must be sent, but may be null.
fn last_name(fields: &Map<String, Value>) -> Result<Option<String>, Issue> {
    text(fields, "last_name", MOST_NAME)?
        .ok_or_else(|| Issue::new(Place::Body, "last_name", Fault::Missing))
}
