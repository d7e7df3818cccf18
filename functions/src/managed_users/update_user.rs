//! PUT `/api/v1/users/{user_id}`: renames a user whom the caller manages. Takes a form, as the
//! published client sends, or JSON. Fields that are absent stay as they are.

use shared::Result;
use shared::auth::ManagedUsersWrite;
use shared::models::User;
use shared::text::MOST_NAME;
use utoipa::ToSchema;

use super::{ErrorBody, Refusals, UserResponse, ValidationErrorBody, managed_user, user_answer};
use crate::entity_tag::IfMatch;
use crate::openapi::{self, Name};
use crate::request::{all, form_or_json, text};
use crate::{Context, Request, Response};

/// The names that change: what is absent stays, null clears it.
#[derive(ToSchema)]
#[schema(as = ManagedUserUpdate, example = json!({"first_name": "Ada", "last_name": null}))]
#[allow(dead_code)]
struct Input {
    first_name: Option<Name>,
    last_name: Option<Name>,
}

/// The names that change, as a form: a field that is absent or empty stays.
#[derive(ToSchema)]
#[schema(as = ManagedUserUpdateForm, example = json!({"first_name": "Ada", "last_name": "King"}))]
#[allow(dead_code)]
struct Form {
    #[schema(required = false)]
    first_name: Name,
    #[schema(required = false)]
    last_name: Name,
}

/// Renames a user whom the caller manages.
#[utoipa::path(
    put,
    path = "/api/v1/users/{user_id}",
    tag = "managed users",
    operation_id = "managed_users.update_user",
    params(("user_id" = Uuid, Path, description = "The user's id"), openapi::IfMatch),
    request_body(content((Form = "application/x-www-form-urlencoded"), (Input = "application/json"))),
    responses(
        (status = 200, description = "The user as changed", body = UserResponse, headers(("etag", description = "The user's version"))),
        (status = 404, description = "The caller manages no user of that id", body = ErrorBody),
        (status = 412, description = "The user is of another version than `If-Match` names", body = ErrorBody),
        (status = 422, description = "The body is wrong", body = ValidationErrorBody),
        Refusals,
    ),
    security(("bearer" = []), ("refreshed_token" = []), ("token_cookie" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let (caller, user) = managed_user::<ManagedUsersWrite>(context, &request).await?;
    let fields = form_or_json(&request)?;
    let (first_name, last_name) =
        all(text(&fields, "first_name", MOST_NAME), text(&fields, "last_name", MOST_NAME))?;
    let if_match = IfMatch::read(&request);
    let rename = |user: &User| {
        if_match.check(user)?;
        Ok(User {
            first_name: first_name.clone().unwrap_or_else(|| user.first_name.clone()),
            last_name: last_name.clone().unwrap_or_else(|| user.last_name.clone()),
            ..user.clone()
        })
    };
    context
        .store()
        .change_user(user, &rename, &context.act(&caller, "user.updated"), &user_answer)
        .await
}
