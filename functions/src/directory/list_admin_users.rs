//! GET `/api/v1/admin_user`: a page of an account's users.

use std::collections::BTreeMap;

use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::auth::Caller;
use shared::models::{Seen, Status, parse_id};
use shared::store::{Filter, ListQuery};
use shared::table::Order;
use shared::{Error, Fault, Issue, Place, Result};
use uuid::Uuid;

use crate::request::{integer, query};
use crate::{Context, Request, Response, json};

/// The largest page.
const MOST_PAGE_SIZE: i64 = 100;
const DEFAULT_PAGE_SIZE: u64 = 10;
const FIELDS: &[(&str, Order)] = &[("id", Order::Id), ("last_seen", Order::LastSeen), ("status", Order::Stage), ("title", Order::Title)];
const FIELD_NAMES: &[&str] = &["id", "last_seen", "status", "title"];
const DIRECTIONS: &[&str] = &["asc", "desc"];

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let parameters = match Parameters::read(&request) {
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
        order: parameters.order,
        descending: parameters.direction == "desc",
        filter: Filter::default(),
        offset: parameters.offset,
        limit: parameters.page_size,
    };
    let rows: Vec<Row> = context.store().list(&access, &page, Some(&counts)).await?;
    let answer = Answer {
        status: "success",
        pagination: Pagination::new(total, parameters.offset, parameters.page_size, rows.len() as u64),
        sorting: Sorting { direction: parameters.direction, field: parameters.field },
        summaries: rows.into_iter().map(Summary::from).collect(),
    };
    Ok(json(StatusCode::OK, &answer))
}

/// What was asked for.
struct Parameters {
    account_id: Uuid,
    order: Order,
    field: &'static str,
    direction: &'static str,
    offset: u64,
    page_size: u64,
}

impl Parameters {
    fn read(request: &Request) -> Result<Self> {
        let mut account_id = None;
        let mut sorting = None;
        let mut field = None;
        let mut direction = None;
        let mut offset = None;
        let mut page_size = None;
        for (name, value) in query(request) {
            let place = match name.as_ref() {
                "account_id" => &mut account_id,
                "sorting" => &mut sorting,
                "sorting[field]" => &mut field,
                "sorting[direction]" => &mut direction,
                "pagination[offset]" => &mut offset,
                "pagination[page_size]" => &mut page_size,
                _ => return Err(invalid(&name, Fault::Unknown)),
            };
            if place.replace(value).is_some() {
                return Err(invalid(&name, Fault::Repeated));
            }
        }
        let account_id = account_id.filter(|id| !id.is_empty()).ok_or_else(|| invalid("account_id", Fault::Missing))?;
        let account_id = parse_id(&account_id).ok_or_else(|| invalid("account_id", Fault::NotA("an account id")))?;
        let (field, direction) = match sorting.as_deref() {
            Some(_) if field.is_some() || direction.is_some() => return Err(invalid("sorting", Fault::Repeated)),
            Some(sorting) => match sorting.strip_prefix('-') {
                Some(field) => (one_of("sorting", field, FIELD_NAMES)?, "desc"),
                None => (one_of("sorting", sorting, FIELD_NAMES)?, "asc"),
            },
            None if field.is_none() && direction.is_none() => ("id", "desc"),
            None => (
                field.map_or(Ok("id"), |field| one_of("sorting[field]", &field, FIELD_NAMES))?,
                direction.map_or(Ok("asc"), |direction| one_of("sorting[direction]", &direction, DIRECTIONS))?,
            ),
        };
        let order = FIELDS.iter().find(|(name, _)| *name == field).map_or(Order::Id, |(_, order)| *order);
        let number = |name, value: Option<std::borrow::Cow<str>>, default, min, max| match value {
            Some(text) => integer(Place::Query, name, &text, min, max).map(i64::unsigned_abs).map_err(Error::invalid),
            None => Ok(default),
        };
        Ok(Self {
            account_id,
            order,
            field,
            direction,
            offset: number("pagination[offset]", offset, 0, 0, i64::MAX)?,
            page_size: number("pagination[page_size]", page_size, DEFAULT_PAGE_SIZE, 1, MOST_PAGE_SIZE)?,
        })
    }
}

fn invalid(name: &str, fault: Fault) -> Error {
    Error::invalid(Issue::new(Place::Query, name, fault))
}

fn one_of(name: &str, value: &str, values: &'static [&'static str]) -> Result<&'static str> {
    values.iter().find(|known| **known == value).copied().ok_or_else(|| invalid(name, Fault::NotOneOf(values)))
}

#[derive(Debug, Serialize)]
struct Answer {
    status: &'static str,
    pagination: Pagination,
    sorting: Sorting,
    summaries: Vec<Summary>,
}

#[derive(Debug, Serialize)]
struct Sorting {
    direction: &'static str,
    field: &'static str,
}

/// Where the page stands in the whole list.
#[derive(Debug, PartialEq, Serialize)]
struct Pagination {
    item_count: u64,
    item_end: u64,
    item_start: u64,
    next_page_offset: Option<u64>,
    page_count: u64,
    page_index: u64,
    page_offset: u64,
    page_size: u64,
    previous_page_offset: Option<u64>,
}

impl Pagination {
    fn new(item_count: u64, page_offset: u64, page_size: u64, items: u64) -> Self {
        let next = page_offset.saturating_add(page_size);
        Self {
            item_count,
            item_end: if items == 0 { 0 } else { page_offset + items },
            item_start: if items == 0 { 0 } else { page_offset + 1 },
            next_page_offset: (next < item_count).then_some(next),
            page_count: item_count.div_ceil(page_size),
            page_index: page_offset / page_size + 1,
            page_offset,
            page_size,
            previous_page_offset: (page_offset > 0).then(|| page_offset.saturating_sub(page_size)),
        }
    }
}

/// What the index holds of a user.
#[derive(Debug, Deserialize)]
struct Row {
    id: Uuid,
    team_id: Uuid,
    title: String,
    status: Status,
    #[serde(default)]
    claims: BTreeMap<String, String>,
    first_seen: Option<Seen>,
    last_seen: Option<Seen>,
}

/// A user as this contract lists it.
#[derive(Debug, Serialize)]
struct Summary {
    account_id: Uuid,
    claims: BTreeMap<String, String>,
    first_seen: Option<Interaction>,
    id: Uuid,
    last_seen: Option<Interaction>,
    status: &'static str,
    title: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl From<Row> for Summary {
    fn from(row: Row) -> Self {
        Self {
            account_id: row.team_id,
            claims: row.claims,
            first_seen: row.first_seen.map(Interaction::from),
            id: row.id,
            last_seen: row.last_seen.map(Interaction::from),
            status: match row.status {
                Status::Invited => "new",
                Status::Active | Status::Suspended => "extant",
                Status::Deleted => "deleted",
            },
            title: row.title,
            kind: "admin_user",
        }
    }
}

/// A moment a user was seen.
#[derive(Debug, Serialize)]
struct Interaction {
    at: i64,
    remote_ip: Option<std::net::Ipv4Addr>,
    user_agent: String,
}

impl From<Seen> for Interaction {
    fn from(seen: Seen) -> Self {
        Self { at: seen.at.as_second(), remote_ip: seen.remote_ip, user_agent: seen.user_agent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pagination_is_that_of_the_published_example() {
        // But for the next page, which the page gives as 110: that would pass over ten users.
        let expected = Pagination {
            item_count: 200,
            item_end: 100,
            item_start: 91,
            next_page_offset: Some(100),
            page_count: 20,
            page_index: 10,
            page_offset: 90,
            page_size: 10,
            previous_page_offset: Some(80),
        };
        assert_eq!(Pagination::new(200, 90, 10, 10), expected);
    }

    #[test]
    fn pagination_holds_together_at_the_ends() {
        let past = Pagination::new(200, u64::MAX, 100, 0);
        assert_eq!((past.item_start, past.item_end, past.next_page_offset, past.item_count), (0, 0, None, 200));
        let last = Pagination::new(200, 190, 10, 10);
        assert_eq!((last.item_start, last.item_end, last.next_page_offset), (191, 200, None));
        let first = Pagination::new(5, 0, 10, 5);
        assert_eq!((first.previous_page_offset, first.page_count, first.page_index), (None, 1, 1));
    }
}
