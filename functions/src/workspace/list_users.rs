//! GET `/users`: a page of the caller's workspace.

use std::cmp::Ordering;

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::auth::{MembersRead, TeamAccess};
use shared::models::{User, parse_id};
use shared::store::{Entry, Filter, ListQuery, Shows};
use shared::table::{Order, Sequence, compare};
use shared::{Error, Fault, Issue, Place, Result};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    DEVICE_TYPES, DeviceTypeWord, ErrorBody, ROLES, Refusals, RoleWord, Row, STATUSES, StatusWord,
    UserBody, entry,
};
use crate::openapi::words;
use crate::request::{integer, query};
use crate::{Context, Request, Response, json};

/// The largest page, and the default.
const MOST_PAGE_SIZE: u64 = 30;
/// The last page that a number of JavaScript can name.
const MOST_PAGE: i64 = 9_007_199_254_740_991;
/// The most ids to filter by: what one read of the table takes.
const MOST_IDS: usize = 100;

const ORDERS: &[(&str, Order)] = &[
    ("createdAt", Order::By(Sequence::CreatedAt)),
    ("name", Order::By(Sequence::Name)),
    ("role", Order::Role),
    ("status", Order::Status),
    ("updatedAt", Order::By(Sequence::UpdatedAt)),
];
const ORDER_NAMES: &[&str] = &["createdAt", "name", "role", "status", "updatedAt"];
const DIRECTIONS: &[(&str, bool)] = &[("asc", false), ("desc", true)];

/// A page of the caller's workspace.
#[utoipa::path(
    get,
    path = "/users",
    tag = "workspace",
    operation_id = "workspace.list_users",
    params(
        ("page" = Option<i64>, Query, minimum = 1, maximum = 9_007_199_254_740_991_i64, description = "Which page; 1 where it is left out"),
        ("pageSize" = Option<i64>, Query, minimum = 1, maximum = 30, description = "Users on a page; 30 where it is left out"),
        ("role" = inline(Option<RoleWord>), Query, description = "Only of this role"),
        ("deviceType" = inline(Option<DeviceTypeWord>), Query, description = "Only with such a device"),
        ("status" = inline(Option<StatusWord>), Query, description = "Only of this status"),
        ("sortBy" = inline(Option<SortBy>), Query, description = "`createdAt` where it is left out"),
        ("sortOrder" = inline(Option<SortOrder>), Query, description = "`asc` where it is left out"),
        ("ids" = Option<Vec<String>>, Query, explode, max_items = 100, description = "Only those, each as a parameter of its own"),
    ),
    responses(
        (status = 200, description = "The page", body = Answer),
        (status = 400, description = "A parameter is wrong", body = ErrorBody),
        Refusals,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<MembersRead>(&request).await?;
    let parameters = Parameters::read(&request)?;
    let page = ListQuery {
        order: parameters.order,
        descending: parameters.descending,
        filter: parameters.filter,
        offset: (parameters.page - 1).saturating_mul(parameters.page_size),
        limit: parameters.page_size,
        shows: Shows::Row,
    };
    let workspace_name = caller.user.team_name.clone();
    let (rows, total) = match (caller.views_team(), parameters.ids) {
        (Some(access), None) => whole_team(context, &access, &page).await?,
        (Some(access), Some(ids)) => {
            among(context.store().users_in_team(&access, &ids).await?, &page)
        }
        // Anyone else has a list of themselves.
        (None, ids) => among(
            if ids.is_none_or(|ids| ids.contains(&caller.user.id)) {
                vec![caller.user]
            } else {
                Vec::new()
            },
            &page,
        ),
    };
    let answer = Answer {
        page: parameters.page,
        next: (page.offset.saturating_add(page.limit) < total).then_some(parameters.page + 1),
        prev: (parameters.page > 1).then_some(parameters.page - 1),
        page_size: parameters.page_size,
        total,
        results: rows.into_iter().map(|row| UserBody::new(row, &workspace_name)).collect(),
    };
    Ok(json(StatusCode::OK, &answer))
}

/// A page of the whole team.
async fn whole_team(
    context: &Context,
    access: &TeamAccess<MembersRead>,
    page: &ListQuery,
) -> Result<(Vec<Entry<Row>>, u64)> {
    let (rows, counts) = context.store().rows(access, page, context.now).await?;
    Ok((rows, counts.total(&page.filter)))
}

/// A page of a few users at hand.
fn among(mut users: Vec<User>, page: &ListQuery) -> (Vec<Entry<Row>>, u64) {
    users.retain(|user| page.filter.admits(user.class()));
    users.sort_by(|one, other| {
        let ascending: Ordering = compare(page.order, one, other);
        if page.descending { ascending.reverse() } else { ascending }
    });
    let total = users.len() as u64;
    let (skip, take) = (
        usize::try_from(page.offset).unwrap_or(usize::MAX),
        usize::try_from(page.limit).unwrap_or(usize::MAX),
    );
    (users.into_iter().skip(skip).take(take).map(entry).collect(), total)
}

/// What was asked for.
struct Parameters {
    page: u64,
    page_size: u64,
    order: Order,
    descending: bool,
    filter: Filter,
    /// Only those; none is anyone's id where it was not of the form.
    ids: Option<Vec<Uuid>>,
}

impl Parameters {
    fn read(request: &Request) -> Result<Self> {
        let mut parameters = Self {
            page: 1,
            page_size: MOST_PAGE_SIZE,
            order: Order::By(Sequence::CreatedAt),
            descending: false,
            filter: Filter::default(),
            ids: None,
        };
        let mut seen: Vec<String> = Vec::new();
        let mut ids = 0;
        let mut issues = Vec::new();
        for (name, value) in query(request) {
            let known =
                ["page", "pageSize", "role", "deviceType", "status", "sortBy", "sortOrder", "ids"]
                    .contains(&name.as_ref());
            if !known {
                issues.push(issue(&name, Fault::Unknown));
            } else if name == "ids" {
                ids += 1;
                parameters.ids.get_or_insert_default().extend(parse_id(&value));
            } else if seen.iter().any(|seen| **seen == name) {
                issues.push(issue(&name, Fault::Repeated));
            } else {
                issues.extend(parameters.set(&name, &value).err());
                seen.push(name.into_owned());
            }
        }
        if ids > MOST_IDS {
            issues.push(issue("ids", Fault::TooMany(MOST_IDS)));
        }
        if issues.is_empty() { Ok(parameters) } else { Err(Error::Invalid(issues)) }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Issue> {
        match name {
            "page" => self.page = number(name, value, MOST_PAGE)?,
            "pageSize" => self.page_size = number(name, value, MOST_PAGE_SIZE as i64)?,
            "role" => {
                self.filter.role =
                    Some(choice(name, value, ROLES, &["ADMIN", "OPERATOR", "VIEWER"])?)
            }
            "deviceType" => {
                self.filter.device_type =
                    Some(choice(name, value, DEVICE_TYPES, &["PSD", "SOFT_PSD", "API"])?)
            }
            "status" => {
                let words = &["PENDING_REGISTRATION", "ACTIVE", "ACCESS_SUSPENDED", "REVOKED"];
                self.filter.status = Some(choice(name, value, STATUSES, words)?);
            }
            "sortBy" => self.order = choice(name, value, ORDERS, ORDER_NAMES)?,
            _ => self.descending = choice(name, value, DIRECTIONS, &["asc", "desc"])?,
        }
        Ok(())
    }
}

fn issue(name: &str, fault: Fault) -> Issue {
    Issue::new(Place::Query, name, fault)
}

fn number(name: &str, value: &str, most: i64) -> Result<u64, Issue> {
    integer(Place::Query, name, value, 1, most).map(i64::unsigned_abs)
}

fn choice<T: Copy>(
    name: &str,
    value: &str,
    choices: &[(&str, T)],
    words: &'static [&'static str],
) -> Result<T, Issue> {
    choices
        .iter()
        .find(|(word, _)| *word == value)
        .map(|(_, choice)| *choice)
        .ok_or_else(|| issue(name, Fault::NotOneOf(words)))
}

words! {
    /// What the list can be sorted by.
    SortBy: ORDER_NAMES.iter().copied();
    /// The directions of the list.
    SortOrder: DIRECTIONS.iter().map(|(word, _)| *word);
}

/// A page.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WorkspaceUsers)]
struct Answer {
    page: u64,
    #[schema(required)]
    next: Option<u64>,
    #[schema(required)]
    prev: Option<u64>,
    page_size: u64,
    total: u64,
    results: Vec<UserBody>,
}
