//! POST `/api/admin/user-admin/inactive/delete`: soft-deletes those of the named users who are still inactive. The last administrator
//! stays.

use lambda_http::Body;
use shared::auth::MembersWrite;
use shared::models::User;
use shared::store::Act;
use shared::{Error, Fault, Issue, Place, Result};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::list_inactive_users::is_inactive;
use super::{ErrorBody, Refusals, body};
use crate::openapi::IdempotencyKey;
use crate::{Context, Request, Response};

/// The most users of one request.
const MOST_IDS: usize = 100;

/// Who is to be deleted.
#[derive(ToSchema)]
#[schema(as = InactiveUsersToDelete)]
#[allow(dead_code)]
struct Input {
    /// The users' numbers; one that is nobody's is passed over.
    #[schema(inline, max_items = 100)]
    ids: Vec<Number>,
}

/// An integer of 64 bits, with a sign or without.
struct Number;

impl PartialSchema for Number {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(i64::MIN)).maximum(Some(u64::MAX)).into()
    }
}

impl ToSchema for Number {}

/// Soft-deletes those of the named users who are still inactive.
#[utoipa::path(
    post,
    path = "/api/admin/user-admin/inactive/delete",
    tag = "user-admin",
    operation_id = "user_admin.delete_inactive_users",
    params(IdempotencyKey),
    request_body(content = Input, example = json!({"ids": [4, 7]})),
    responses(
        (status = 200, description = "Those who were still inactive are deleted; the body is empty"),
        (status = 400, description = "The body or the `Idempotency-Key` is wrong", body = ErrorBody),
        (status = 415, description = "The body is said to be something else than JSON", body = ErrorBody),
        (status = 422, description = "The `Idempotency-Key` was used for another request", body = ErrorBody),
        Refusals,
    ),
    security(("bearer" = []), ("bare_key" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<MembersWrite>(&request).await?;
    let access = caller.team_admin()?;
    let mut users = context.store().users_of_numbers(&access, &numbers(&request)?).await?;
    // Who asks is there, whether that is noted yet or not.
    users.retain(|user| user.id != caller.user.id);
    // The answer is kept when all is done: a request that was cut off goes on where it stood when it is sent again.
    let act = Act { keeps_admin: true, receipt: None, ..context.act(&caller, "user.deleted") };
    let active = || Error::Conflict("The user is not inactive.".into());
    let may = |user: &User| if is_inactive(user, context.now) { Ok(()) } else { Err(active()) };
    // All of them or, by an API key that may not remove each, none.
    users.iter().filter(|user| is_inactive(user, context.now)).try_for_each(|user| act.may_remove(user))?;
    for user in users {
        match context.store().soft_delete(user, context.app.grace_days, &may, &act, &|_| Response::default()).await {
            // Seen meanwhile, deleted by someone else, or the last administrator.
            Ok(_) | Err(Error::Conflict(_) | Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Response::new(Body::Empty))
}

/// The numbers of the body's `ids`.
fn numbers(request: &Request) -> Result<Vec<u64>> {
    let issue = |fault| Error::invalid(Issue::new(Place::Body, "ids", fault));
    let fields = body(request)?;
    let ids = fields.get("ids").ok_or_else(|| issue(Fault::Missing))?;
    let ids = ids.as_array().ok_or_else(|| issue(Fault::NotA("a list")))?;
    if ids.len() > MOST_IDS {
        return Err(issue(Fault::NotA("a list of at most 100 integers")));
    }
    // A number below 1 is nobody's.
    let number = |id: &serde_json::Value| id.as_i64().map(|id| u64::try_from(id).unwrap_or(0)).or_else(|| id.as_u64());
    ids.iter().map(|id| number(id).ok_or_else(|| issue(Fault::NotA("a list of integers")))).collect()
}
