//! POST `/api/admin/user-admin`: makes a user of the team, who is invited until they sign up with
//! the email.
//!
//! Roster sends no mail, whatever `sendEmail` says: `emailSent` is false, and `inviteLink` is there
//! to be passed on. A `password` is not taken, as the identity provider holds passwords: a warning
//! says so.

use lambda_http::http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value};
use shared::auth::MembersWrite;
use shared::models::User;
use shared::{Error, Fault, Issue, Place, Result};
use utoipa::openapi::schema::{AllOfBuilder, AnyOfBuilder, ObjectBuilder};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::{
    EmailInput, ErrorBody, Fields, NameInput, Refusals, RootRoleInput, UserBody, body, is_blank,
    unknown, warned,
};
use crate::entity_tag::tagged;
use crate::openapi::{Email, IdempotencyKey, Name};
use crate::{Context, Request, Response, json};

/// A user who is to be made, with an email or a username at least.
struct Input;

impl PartialSchema for Input {
    fn schema() -> RefOr<Schema> {
        let email = ObjectBuilder::new().property("email", Email::schema()).required("email");
        let username =
            ObjectBuilder::new().property("username", Name::schema()).required("username");
        AllOfBuilder::new()
            .item(InputFields::schema())
            .item(AnyOfBuilder::new().item(email).item(username))
            .into()
    }
}

impl ToSchema for Input {
    fn name() -> std::borrow::Cow<'static, str> {
        "TeamUserInput".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        InputFields::schemas(schemas);
    }
}

/// What is known of the user.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code)]
struct InputFields {
    #[schema(required = false, inline, nullable = false)]
    name: Name,
    /// Kept in lower case.
    #[schema(required = false, inline)]
    email: EmailInput,
    /// In Unicode's normalization form NFKC, without joiners.
    #[schema(required = false, inline)]
    username: NameInput,
    #[schema(inline)]
    root_role: RootRoleInput,
    /// Without effect: no mail is sent.
    send_email: Option<bool>,
    /// Not taken, as the header `warning` says: the identity provider holds passwords.
    #[schema(required = false)]
    password: Value,
}

/// The fields of the input.
const FIELDS: [&str; 6] = ["name", "email", "username", "rootRole", "sendEmail", PASSWORD];

/// The field that is not taken.
const PASSWORD: &str = "password";

/// Makes a user of the team.
#[utoipa::path(
    post,
    path = "/api/admin/user-admin",
    tag = "user-admin",
    operation_id = "user_admin.create_user",
    params(IdempotencyKey),
    request_body(content = Input, example = json!({"email": "ada@example.com", "name": "Ada King", "rootRole": "Admin"})),
    responses(
        (status = 201, description = "The user, invited until they sign up", body = UserBody,
            headers(("etag", description = "The user's version"), ("location", description = "The user's number"),
                ("warning", description = "What was sent and not taken"))),
        (status = 400, description = "The body or the `Idempotency-Key` is wrong, or another user has the email or the username", body = ErrorBody, example = json!({
            "id": "9c40958a-daac-400e-98fb-3bb438567008", "name": "BadDataError", "message": "User already exists",
            "details": [{"message": "User already exists"}]
        })),
        (status = 415, description = "The body is not said to be JSON", body = ErrorBody),
        (status = 422, description = "The `Idempotency-Key` was used for another request", body = ErrorBody),
        Refusals,
    ),
    security(("bearer" = []), ("bare_key" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<MembersWrite>(&request).await?;
    let access = caller.team_admin()?;
    let fields = body(&request)?;
    let user = new_user(context, &fields, &caller.user)?;
    let answer = |user: &User| {
        let made = UserBody {
            invite_link: user.invite_link.clone(),
            email_sent: user.email_sent,
            ..user.clone().into()
        };
        let mut response = tagged(json(StatusCode::CREATED, &made), user);
        response.headers_mut().insert(header::LOCATION, HeaderValue::from(user.number));
        let not_taken = fields.keys().filter(|name| *name == PASSWORD);
        warned(response, "The identity provider holds passwords.", not_taken)
    };
    Ok(context
        .store()
        .create_user(&access, user, &context.act(&caller, "user.created"), &answer)
        .await?)
}

fn new_user(context: &Context, sent: &Map<String, Value>, caller: &User) -> Result<User> {
    let issue = |name: &str, fault| Issue::new(Place::Body, name, fault);
    let mut issues = unknown(sent, &FIELDS);
    if !matches!(sent.get("sendEmail"), None | Some(Value::Bool(_) | Value::Null)) {
        issues.push(issue("sendEmail", Fault::NotA("a boolean")));
    }
    if sent.contains_key("name") && is_blank(sent, "name") {
        issues.push(issue("name", Fault::Blank));
    }
    let fields = match Fields::read(sent) {
        Ok(fields) => fields,
        Err(others) => {
            issues.extend(others);
            return Err(Error::Invalid(issues));
        }
    };
    let Some(role) = fields.role.filter(|_| issues.is_empty()) else {
        issues.extend(fields.role.is_none().then(|| issue("rootRole", Fault::Missing)));
        return Err(Error::Invalid(issues));
    };
    if fields.email.is_none() && fields.username.is_none() {
        return Err(Error::Conflict("You must specify username or email".into()));
    }
    // The number comes with the team.
    let pending = User::pending(
        0,
        (caller.team_id, &caller.team_name),
        &context.app.sign_up_url,
        context.now,
    );
    Ok(User { name: fields.name, email: fields.email, username: fields.username, role, ..pending })
}
