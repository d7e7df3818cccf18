//! GET `/api/v1/admin_user_invite`: a page of an account's invites.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::auth::MembersRead;
use shared::models::Invite;
use shared::text::case_fold;
use shared::{Error, Result};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use super::paging::{Direction, Pagination, Parameters, Sorting, sorting};
use super::{ErrorBody, InviteBody, Refusals, SuccessWord};
use crate::openapi::words;
use crate::{Context, Request, Response, json};

const FIELDS: &[&str] = &["id", "status", "title"];

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminUserInvites)]
struct Answer {
    #[schema(inline, value_type = SuccessWord)]
    status: &'static str,
    pagination: Pagination,
    sorting: Sorting,
    summaries: Vec<InviteBody>,
}

/// A page of an account's invites; revoked ones for 90 days.
#[utoipa::path(
    get,
    path = "/api/v1/admin_user_invite",
    tag = "directory",
    operation_id = "directory.list_invites",
    params(
        ("account_id" = Uuid, Query, description = "The account (team)"),
        ("sorting" = inline(Option<SortBy>), Query, description = "A field to sort by, `-` before it for descending; `-id` where it is left out"),
        ("sorting[field]" = inline(Option<Field>), Query, description = "Instead of `sorting`: the field; `id` where it is left out"),
        ("sorting[direction]" = inline(Option<Direction>), Query, description = "Instead of `sorting`: `asc` where it is left out"),
        ("pagination[offset]" = Option<i64>, Query, minimum = 0, maximum = 9_223_372_036_854_775_807_i64, description = "How many to pass over; 0 where it is left out"),
        ("pagination[page_size]" = Option<i64>, Query, minimum = 1, maximum = 100, description = "At most so many; 10 where it is left out"),
    ),
    responses(
        (status = 200, description = "The page", body = Answer),
        (status = 400, description = "A parameter is missing, wrong or unknown", body = ErrorBody),
        Refusals,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<MembersRead>(&request).await?;
    let parameters = Parameters::read(&request, FIELDS)?;
    let access = caller.administers(parameters.account_id)?;
    if caller.user.team_id != access.team_id()
        && context.store().team_name(access.team_id()).await?.is_none()
    {
        return Err(Error::not_this_account());
    }
    let mut invites = context.store().invites(&access, context.now).await?;
    let total = invites.len();
    invites.sort_by_cached_key(|invite| sort_key(invite, parameters.field));
    if parameters.direction == "desc" {
        invites.reverse();
    }
    let (skip, take) = (
        usize::try_from(parameters.offset).unwrap_or(usize::MAX),
        usize::try_from(parameters.page_size).unwrap_or(0),
    );
    let summaries: Vec<_> = invites.iter().skip(skip).take(take).map(InviteBody::from).collect();
    let answer = Answer {
        status: "success",
        pagination: Pagination::of(&parameters, total as u64, summaries.len()),
        sorting: Sorting::from(&parameters),
        summaries,
    };
    Ok(json(StatusCode::OK, &answer))
}

/// What an invite is sorted by: the field's value, then the id.
fn sort_key(invite: &Invite, field: &str) -> (String, Uuid) {
    let value = match field {
        "status" => invite.status.as_str().to_owned(),
        "title" => case_fold(&invite.email),
        _ => String::new(),
    };
    (value, invite.id)
}

words! {
    /// What the list can be sorted by.
    Field: FIELDS.iter().copied();
}

/// The same in the one parameter that also says the direction.
struct SortBy;

impl PartialSchema for SortBy {
    fn schema() -> RefOr<Schema> {
        sorting(FIELDS)
    }
}

impl ToSchema for SortBy {}
