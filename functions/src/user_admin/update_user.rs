//! PUT `/api/admin/user-admin/{id}`: changes name, email or root role of a user of the team. What is absent stays; the last
//! administrator stays one.

use lambda_http::http::StatusCode;
use shared::models::{Status, User};
use shared::store::Act;
use shared::table::fold;
use shared::{Error, Fault, Issue, Place, Result};
use utoipa::ToSchema;

use super::{EmailInput, ErrorBody, Fields, NameInput, Refusals, RootRoleInput, UserBody, body, not_found, user_to_change};
use crate::entity_tag::{IfMatch, tagged};
use crate::openapi;
use crate::{Context, Request, Response, json};

/// What is to be changed of a user: what is absent stays, null or a blank text clears it.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TeamUserUpdate)]
#[allow(dead_code)]
struct Input {
    #[schema(required = false, inline)]
    name: NameInput,
    #[schema(required = false, inline)]
    email: EmailInput,
    #[schema(required = false, inline)]
    root_role: RootRoleInput,
}

/// Changes name, email or root role of a user of the team.
#[utoipa::path(
    put,
    path = "/api/admin/user-admin/{id}",
    tag = "user-admin",
    operation_id = "user_admin.update_user",
    params(("id" = i64, Path, description = "The user's number", example = 2), openapi::IfMatch),
    request_body(content = Input, example = json!({"name": "Ada King", "rootRole": "Editor"})),
    responses(
        (status = 200, description = "The user as changed", body = UserBody, headers(("etag", description = "The user's version"))),
        (status = 400, description = "The number or the body is wrong, another user has the email, or the user is the last administrator", body = ErrorBody),
        (status = 404, description = "The team has no such user", body = ErrorBody),
        (status = 412, description = "The user is of another version than `If-Match` names", body = ErrorBody),
        (status = 415, description = "The body is said to be something else than JSON", body = ErrorBody),
        Refusals,
    ),
    security(("bearer" = []), ("bare_key" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let (caller, user) = user_to_change(context, &request).await?;
    let fields = Fields::read(&body(&request)?).map_err(Error::Invalid)?;
    let if_match = IfMatch::read(&request);
    let folded = |email: &Option<String>| email.as_deref().map(fold);
    let change = |user: &User| {
        if_match.check(user)?;
        if user.status == Status::Deleted {
            return Err(not_found(&user.number.to_string()));
        }
        let email = fields.email.clone().unwrap_or_else(|| user.email.clone());
        if email.is_none() && user.username.is_none() && user.email.is_some() {
            return Err(Error::invalid(Issue::new(Place::Body, "email", Fault::NotA("an email address, as there is no username"))));
        }
        Ok(User {
            name: fields.name.clone().unwrap_or_else(|| user.name.clone()),
            // Another email is yet to be proven; the same one in other letters is not another.
            email_verified_at: user.email_verified_at.filter(|_| folded(&email) == folded(&user.email)),
            email,
            role: fields.role.unwrap_or(user.role),
            ..user.clone()
        })
    };
    let answer = |user: &User| tagged(json(StatusCode::OK, &UserBody::from(user.clone())), user);
    let act = Act { keeps_admin: true, ..context.act(&caller, "user.updated") };
    context.store().change_user(user, &change, &act, &answer).await
}
