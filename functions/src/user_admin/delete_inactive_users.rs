//! POST `/api/admin/user-admin/inactive/delete`: soft-deletes those of the named users who are
//! still inactive. The last administrator stays.
//!
//! It takes any number of users. An id that the team never gave refuses the whole request before
//! anything is deleted, and so does a user whom the API key may not remove. Each deletion is a
//! transaction of its own; a request that has more to do than fits its time ends with 429, and the
//! same request, sent again, goes on with those who are left.

use std::time::Instant;

use futures::{StreamExt, TryStreamExt};
use lambda_http::Body;
use lambda_http::http::{HeaderValue, StatusCode, header};
use serde_json::Value;
use shared::auth::{MembersWrite, TeamAccess};
use shared::models::User;
use shared::store::Act;
use shared::{Error, Fault, Issue, Place, Result};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::list_inactive_users::is_inactive;
use super::{ErrorBody, Refusals, body, error_response, integer, not_found, unknown};
use crate::openapi::IdempotencyKey;
use crate::{Context, Request, Response};

/// The ids that count as one more request of the caller: any number may be sent.
const PER_REQUEST: usize = 100;
/// The users that are read together.
const TOGETHER: usize = 100;

/// The deletions that run at a time.
const AT_A_TIME: usize = 8;

/// The users to delete.
#[derive(ToSchema)]
#[schema(as = InactiveUsersToDelete)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Input {
    /// The users' numbers. Those who are not inactive, or deleted already, are passed over.
    #[schema(inline)]
    ids: Vec<Number>,
}

/// An integer of 64 bits that is not negative.
struct Number;

impl PartialSchema for Number {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0))
            .maximum(Some(u64::MAX))
            .into()
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
        (status = 404, description = "The team has no user of one of these numbers; nobody is deleted", body = ErrorBody),
        (status = 415, description = "The body is not said to be JSON", body = ErrorBody),
        (status = 422, description = "The `Idempotency-Key` was used for another request", body = ErrorBody),
        (status = 429, description = "The caller sent too many requests in this minute, or more users are to be deleted than one request has time for: the same request goes on with the others", body = ErrorBody),
        Refusals,
    ),
    security(("bearer" = []), ("bare_key" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let start = Instant::now();
    let token = context.verify(&request).await?;
    let caller = context.caller::<MembersWrite>(&token).await?;
    let access = caller.team_admin()?;
    let mut numbers = numbers(&request)?;
    // Each of the users is read twice.
    let more = numbers.len() / PER_REQUEST;
    if more > 0 {
        context.count_requests(&token, u32::try_from(more).unwrap_or(u32::MAX)).await?;
    }
    // Who asks is there, whether that is noted yet or not.
    numbers.retain(|number| *number != caller.user.number);
    // The response is stored when all is done: a request that was cut off goes on when it is sent
    // again.
    let act = Act { keeps_admin: true, receipt: None, ..context.act(&caller, "user.deleted") };
    let (first, others) = numbers.split_at(numbers.len().min(TOGETHER));
    let (access, act) = (&access, &act);
    // All are looked at before one is deleted. Of those behind the first, the numbers alone are
    // kept.
    let first = inactive(context, access, first, act).await?;
    let others: Vec<_> = others
        .chunks(TOGETHER)
        .map(|together| inactive_numbers(context, access, together, act))
        .collect();
    let others = futures::stream::iter(others).buffered(AT_A_TIME).try_concat().await?;
    let (mut deleted, all) = (first.len(), first.len() + others.len());
    delete(context, first, act).await?;
    for together in others.chunks(TOGETHER) {
        // Each turn gets on.
        if deleted > 0 && start.elapsed() >= context.app.max_turn {
            return Ok(cut_off(context, deleted, all));
        }
        delete(context, context.store().users_of_numbers(access, together).await?, act).await?;
        deleted += together.len();
    }
    Ok(Response::new(Body::Empty))
}

/// Those of the users of these numbers who are inactive.
///
/// # Errors
/// `NotFound` for a number that the team never gave; what [`Act::may_remove`] gives.
async fn inactive(
    context: &Context,
    access: &TeamAccess<MembersWrite>,
    numbers: &[u64],
    act: &Act,
) -> Result<Vec<User>> {
    let mut users = context.store().users_of_numbers(access, numbers).await?;
    if let Some(unknown) =
        numbers.iter().find(|number| users.iter().all(|user| user.number != **number))
    {
        return Err(not_found(&unknown.to_string()));
    }
    users.retain(|user| is_inactive(user, context.now));
    users.iter().try_for_each(|user| act.may_remove(user))?;
    Ok(users)
}

/// The numbers of the same users.
async fn inactive_numbers(
    context: &Context,
    access: &TeamAccess<MembersWrite>,
    numbers: &[u64],
    act: &Act,
) -> Result<Vec<u64>> {
    Ok(inactive(context, access, numbers, act).await?.iter().map(|user| user.number).collect())
}

/// Soft-deletes those of the users who are inactive by then.
async fn delete(context: &Context, users: Vec<User>, act: &Act) -> Result<()> {
    let store = context.store();
    let may = |user: &User| match is_inactive(user, context.now) {
        true => Ok(()),
        false => Err(Error::Conflict("The user is not inactive.".into())),
    };
    let may = &may;
    let deletions = users.into_iter().map(|user| async move {
        match store
            .soft_delete(user, context.app.grace_days, may, act, &|_| Response::default())
            .await
        {
            // Seen meanwhile, deleted by someone else, or the last administrator.
            Ok(_) | Err(Error::Conflict(_) | Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    });
    futures::stream::iter(deletions).buffer_unordered(AT_A_TIME).try_collect().await
}

/// The response to a request that has done what it has time for.
fn cut_off(context: &Context, deleted: usize, all: usize) -> Response {
    let message = format!(
        "The time of one request was enough for {deleted} of these {all} users. Send it again for the others."
    );
    let status = StatusCode::TOO_MANY_REQUESTS;
    let mut response =
        error_response(status, "RateLimitError", message, Vec::new(), &context.request_id);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(1));
    response
}

/// The numbers of the body's `ids`, each once.
fn numbers(request: &Request) -> Result<Vec<u64>> {
    let issue = |fault| Error::invalid(Issue::new(Place::Body, "ids", fault));
    let fields = body(request)?;
    let unknown = unknown(&fields, &["ids"]);
    if !unknown.is_empty() {
        return Err(Error::Invalid(unknown));
    }
    let ids = fields.get("ids").ok_or_else(|| issue(Fault::Missing))?;
    let ids = ids.as_array().ok_or_else(|| issue(Fault::NotA("a list")))?;
    let number =
        |id: &Value| integer(id).ok_or_else(|| issue(Fault::NotA("a list of integers from 0 on")));
    let mut numbers: Vec<_> = ids.iter().map(number).collect::<Result<_>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}
