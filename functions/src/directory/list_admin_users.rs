//! GET `/api/v1/admin_user`: a page of an account's users.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::auth::MembersRead;
use shared::store::{Filter, ListQuery, Shows};
use shared::table::{Order, Sequence};
use shared::{Error, Result};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::paging::{Direction, Pagination, Parameters, Sorting, sorting};
use super::{ErrorBody, Refusals, Row, SuccessWord, Summary};
use crate::openapi::words;
use crate::{Context, Request, Response, json};

const ORDERS: [(&str, Order); 4] = [
    ("id", Order::By(Sequence::Id)),
    ("last_seen", Order::By(Sequence::LastSeen)),
    ("status", Order::Stage),
    ("title", Order::By(Sequence::Title)),
];
pub(super) const FIELDS: &[&str] = &["id", "last_seen", "status", "title"];

/// A page of an account's users.
#[utoipa::path(
    get,
    path = "/api/v1/admin_user",
    tag = "directory",
    operation_id = "directory.list_admin_users",
    params(
        ("account_id" = Uuid, Query, description = "The account (team)"),
        ("sorting" = inline(Option<SortBy>), Query, description = "A field to sort by, `-` before it for descending; `-id` where it is left out"),
        ("sorting[field]" = inline(Option<Field>), Query, description = "Instead of `sorting`: the field; `id` where it is left out"),
        ("sorting[direction]" = inline(Option<Direction>), Query, description = "Instead of `sorting`: `asc` where it is left out"),
        ("pagination[offset]" = Option<i64>, Query, minimum = 0, maximum = 9_223_372_036_854_775_807_i64, description = "How many to pass over; 0 where it is left out"),
        ("pagination[page_size]" = Option<i64>, Query, minimum = 1, maximum = 100, description = "At most so many; 10 where it is left out"),
    ),
    responses(
        (status = 200, description = "The page", body = Answer, example = json!({
            "status": "success",
            "pagination": {
                "item_count": 1, "item_end": 1, "item_start": 1, "next_page_offset": null, "page_count": 1, "page_index": 1,
                "page_offset": 0, "page_size": 10, "previous_page_offset": null
            },
            "sorting": {"direction": "desc", "field": "id"},
            "summaries": [{
                "account_id": "7d2c9a54-3f0e-4a86-9d1b-6c5e8f7a2b10",
                "claims": {"department": "Analysis"},
                "first_seen": {"at": 1777714080, "remote_ip": "192.0.2.7", "user_agent": "Mozilla/5.0"},
                "id": "0c8f6a1e-5b7d-4c39-8e2f-1a9d4b6c7e05",
                "last_seen": {"at": 1777714080, "remote_ip": null, "user_agent": "Mozilla/5.0"},
                "status": "extant",
                "title": "ada@example.com",
                "type": "admin_user"
            }]
        })),
        (status = 400, description = "A parameter is missing, wrong or unknown", body = ErrorBody, example = json!({
            "status": "error", "code": "required_value", "message": "The parameter `account_id` is required."
        })),
        Refusals,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let parameters = match Parameters::read(&request, FIELDS) {
        Ok(parameters) => parameters,
        // Only a caller is told what is wrong with the request.
        Err(error) => return context.caller::<MembersRead>(&token).await.and(Err(error)),
    };
    let page = ListQuery {
        order: ORDERS
            .iter()
            .find(|(name, _)| *name == parameters.field)
            .map_or(Order::By(Sequence::Id), |(_, order)| *order),
        descending: parameters.direction == "desc",
        filter: Filter::default(),
        offset: parameters.offset,
        limit: parameters.page_size,
        shows: Shows::Summary,
    };
    // A refusal does not wait for the counts: its time would tell of the account.
    let access =
        async { context.caller::<MembersRead>(&token).await?.administers(parameters.account_id) };
    let standing = context.store().sealed_standing(parameters.account_id, &page, &token);
    let (access, standing) = futures::try_join!(access, standing)?;
    let standing = standing.open_for(&access).unwrap_or_default();
    let total = standing.counts.total(&page.filter);
    // A platform operator may see every account, but one without users does not exist.
    if total == 0 {
        return Err(Error::not_this_account());
    }
    let rows = context.store().summaries::<Row>(&access, &page, &standing, context.now).await?;
    let answer = Answer {
        status: "success",
        pagination: Pagination::of(&parameters, total, rows.len()),
        sorting: Sorting::from(&parameters),
        summaries: rows.into_iter().map(Summary::from).collect(),
    };
    Ok(json(StatusCode::OK, &answer))
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminUsers)]
struct Answer {
    #[schema(inline, value_type = SuccessWord)]
    status: &'static str,
    pagination: Pagination,
    sorting: Sorting,
    summaries: Vec<Summary>,
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
