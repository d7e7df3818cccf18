//! PUT `/api/v1/admin_user/{id}`: changes name, job title, or when the profile was completed (Unix
//! seconds). What is absent stays; null clears it.

use serde_json::{Map, Value};
use shared::auth::MembersWrite;
use shared::models::User;
use shared::text::MOST_NAME;
use shared::time::LAST_SECOND;
use shared::{Error, Fault, Issue, Place, Result, Timestamp};
use utoipa::ToSchema;

use super::{Details, ErrorBody, Refusals, Success, administered_user, details, user_answer};
use crate::entity_tag::IfMatch;
use crate::openapi;
use crate::openapi::Name;
use crate::request::{all3, text};
use crate::{Context, Request, Response};

/// What is to be changed of a user.
#[derive(ToSchema)]
#[schema(as = AdminUserUpdate)]
#[allow(dead_code)]
struct Input {
    details: Changes,
}

/// The fields: what is absent stays, null clears it.
#[derive(ToSchema)]
#[schema(as = AdminUserChanges)]
#[allow(dead_code)]
struct Changes {
    name: Option<Name>,
    job_title: Option<Name>,
    /// In Unix seconds.
    #[schema(minimum = 0, maximum = 253_402_207_200_i64)]
    profile_completed_at: Option<i64>,
}

/// Changes name, job title, or when the profile was completed.
#[utoipa::path(
    put,
    path = "/api/v1/admin_user/{id}",
    tag = "directory",
    operation_id = "directory.update_admin_user",
    params(("id" = Uuid, Path, description = "The user's id"), openapi::IfMatch),
    request_body(content = Input, example = json!({"details": {"name": "Ada King", "job_title": null}})),
    responses(
        (status = 200, description = "The user as changed", body = Success<Details>, headers(("etag", description = "The user's version"))),
        (status = 400, description = "The body is wrong", body = ErrorBody),
        (status = 404, description = "There is no such user, or none that the caller may see", body = ErrorBody),
        (status = 409, description = "The user is deleted", body = ErrorBody),
        (status = 412, description = "The user is of another version than `If-Match` names", body = ErrorBody),
        Refusals,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let (caller, user) = administered_user::<MembersWrite>(context, &request).await?;
    let fields = details(&request)?;
    let (name, job_title, profile_completed_at) = all3(
        text(&fields, "name", MOST_NAME),
        text(&fields, "job_title", MOST_NAME),
        time(&fields, "profile_completed_at"),
    )?;
    let if_match = IfMatch::read(&request);
    let change = |user: &User| {
        if_match.check(user)?;
        if user.status == shared::models::Status::Deleted {
            return Err(Error::Conflict("This user is deleted: restore the account first.".into()));
        }
        Ok(User {
            name: name.clone().unwrap_or_else(|| user.name.clone()),
            job_title: job_title.clone().unwrap_or_else(|| user.job_title.clone()),
            profile_completed_at: profile_completed_at.unwrap_or(user.profile_completed_at),
            ..user.clone()
        })
    };
    context
        .store()
        .change_user(user, &change, &context.act(&caller, "user.updated"), &user_answer)
        .await
}

/// A time in Unix seconds that may be absent or null.
fn time(fields: &Map<String, Value>, name: &str) -> Result<Option<Option<Timestamp>>, Issue> {
    let wrong = || Issue::new(Place::Body, name, Fault::NotAnInteger { min: 0, max: LAST_SECOND });
    match fields.get(name) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(value) => {
            let seconds = value
                .as_i64()
                .filter(|seconds| (0..=LAST_SECOND).contains(seconds))
                .ok_or_else(wrong)?;
            Ok(Some(Some(Timestamp::from_millisecond(seconds * 1000))))
        }
    }
}
