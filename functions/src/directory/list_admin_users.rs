//! GET `/api/v1/admin_user`: a page of an account's users.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::Result;
use shared::auth::Caller;
use shared::store::{Filter, ListQuery};
use shared::table::Order;

use super::paging::{Pagination, Parameters, Sorting};
use super::{Row, Summary};
use crate::{Context, Request, Response, json};

const ORDERS: [(&str, Order); 4] = [("id", Order::Id), ("last_seen", Order::LastSeen), ("status", Order::Stage), ("title", Order::Title)];
const FIELDS: &[&str] = &["id", "last_seen", "status", "title"];

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let parameters = match Parameters::read(&request, FIELDS) {
        Ok(parameters) => parameters,
        // Only a caller is told what is wrong with the request.
        Err(error) => return context.caller(&token).await.and(Err(error)),
    };
    let counts = context.store().sealed_counts(parameters.account_id, &token);
    let (caller, counts) = futures::try_join!(context.caller(&token), counts)?;
    let access = caller.administers(parameters.account_id)?;
    let counts = counts.open_for(&access).unwrap_or_default();
    let total = counts.total(&Filter::default());
    // A platform operator may see every account, but one without users does not exist.
    if total == 0 {
        return Err(Caller::not_this_account());
    }
    let page = ListQuery {
        order: ORDERS.iter().find(|(name, _)| *name == parameters.field).map_or(Order::Id, |(_, order)| *order),
        descending: parameters.direction == "desc",
        filter: Filter::default(),
        offset: parameters.offset,
        limit: parameters.page_size,
    };
    let rows: Vec<Row> = context.store().list(&access, &page, Some(&counts)).await?;
    let answer = Answer {
        status: "success",
        pagination: Pagination::of(&parameters, total, rows.len()),
        sorting: Sorting::from(&parameters),
        summaries: rows.into_iter().map(Summary::from).collect(),
    };
    Ok(json(StatusCode::OK, &answer))
}

#[derive(Debug, Serialize)]
struct Answer {
    status: &'static str,
    pagination: Pagination,
    sorting: Sorting,
    summaries: Vec<Summary>,
}
