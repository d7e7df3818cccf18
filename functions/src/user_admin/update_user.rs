//! PUT `/api/admin/user-admin/{id}`: changes name, email or root role of a user of the team. What
//! is absent, null or blank stays; the last administrator stays one. As the product does, it takes
//! a body with other fields, and changes nothing by them; a warning names each.

use lambda_http::http::StatusCode;
use serde_json::{Map, Value};
use shared::models::{Status, User};
use shared::store::Act;
use shared::table::fold;
use shared::{Error, Result};
use utoipa::ToSchema;

use super::{
    EmailInput, ErrorBody, Fields, NameInput, Refusals, RootRoleChange, UserBody,
    accept_content_type, body, integer, not_found, user_to_change, warned,
};
use crate::entity_tag::{IfMatch, tagged};
use crate::openapi;
use crate::request::sent_bytes;
use crate::{Context, Request, Response, json};

/// The change of a user: what is absent, null or blank stays as it is.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TeamUserUpdate)]
#[allow(dead_code)]
struct Input {
    #[schema(required = false, inline)]
    name: NameInput,
    /// Kept in lower case.
    #[schema(required = false, inline)]
    email: EmailInput,
    #[schema(required = false, inline)]
    root_role: RootRoleChange,
}

/// The fields that are taken.
const FIELDS: [&str; 3] = ["name", "email", "rootRole"];

/// Changes name, email or root role of a user of the team.
#[utoipa::path(
    put,
    path = "/api/admin/user-admin/{id}",
    tag = "user-admin",
    operation_id = "user_admin.update_user",
    params(("id" = i64, Path, description = "The user's number", example = 2), openapi::IfMatch),
    request_body(content = Option<Input>, example = json!({"name": "Ada King", "rootRole": "Editor"})),
    responses(
        (status = 200, description = "The user as changed, with `rootRole` where the body has it", body = UserBody,
            headers(("etag", description = "The user's version"), ("warning", description = "What was sent and not taken"))),
        (status = 400, description = "The number or the body is wrong, another user has the email, or the user is the last administrator", body = ErrorBody),
        (status = 404, description = "The team has no such user", body = ErrorBody),
        (status = 412, description = "The user is of another version than `If-Match` names", body = ErrorBody),
        (status = 415, description = "The body is not said to be JSON", body = ErrorBody),
        Refusals,
    ),
    security(("bearer" = []), ("bare_key" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let (caller, user) = user_to_change(context, &request).await?;
    accept_content_type(&request)?;
    let sent = if sent_bytes(&request).is_empty() { Map::new() } else { body(&request)? };
    let fields = Fields::read(&sent).map_err(Error::Invalid)?;
    let if_match = IfMatch::read(&request);
    let folded = |email: &Option<String>| email.as_deref().map(fold);
    let change = |user: &User| {
        if_match.check(user)?;
        if user.status == Status::Deleted {
            return Err(not_found(&user.number.to_string()));
        }
        let email = fields.email.clone().or_else(|| user.email.clone());
        Ok(User {
            name: fields.name.clone().or_else(|| user.name.clone()),
            // Another email is yet to be proven; the same one in other letters is not another.
            email_verified_at: user
                .email_verified_at
                .filter(|_| folded(&email) == folded(&user.email)),
            email,
            role: fields.role.unwrap_or(user.role),
            ..user.clone()
        })
    };
    let answer = |user: &User| {
        let mut body = UserBody::from(user.clone());
        body.root_role = body.root_role.filter(|_| sent.contains_key("rootRole"));
        let response = tagged(json(StatusCode::OK, &body), user);
        warned(response, "A change takes name, email and rootRole.", not_taken(&sent, user.number))
    };
    let act = Act { keeps_admin: true, ..context.act(&caller, "user.updated") };
    context.store().change_user(user, &change, &act, &answer).await
}

/// The fields of a change that are not taken. The `id` is the path's, which the product's UI
/// repeats.
fn not_taken(sent: &Map<String, Value>, number: u64) -> impl Iterator<Item = &String> {
    let repeats = move |name: &str, value: &Value| name == "id" && integer(value) == Some(number);
    let others = sent
        .iter()
        .filter(move |(name, value)| !FIELDS.contains(&name.as_str()) && !repeats(name, value));
    others.map(|(name, _)| name)
}
