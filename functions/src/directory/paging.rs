//! Pages of this contract's lists: what is asked for, and where a page stands in the whole.

use serde::Serialize;
use shared::models::parse_id;
use shared::{Error, Fault, Issue, Place, Result};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use uuid::Uuid;

use super::list_admin_users;
use crate::Request;
use crate::openapi::words;
use crate::request::{integer, query};

/// The largest page.
const MOST_PAGE_SIZE: i64 = 100;
const DEFAULT_PAGE_SIZE: u64 = 10;
const DIRECTIONS: &[&str] = &["asc", "desc"];

/// The page that was asked for.
pub struct Parameters {
    /// The account.
    pub account_id: Uuid,
    /// What it is sorted by.
    pub field: &'static str,
    /// `asc` or `desc`.
    pub direction: &'static str,
    /// How many to pass over.
    pub offset: u64,
    /// How many to list at most.
    pub page_size: u64,
}

impl Parameters {
    /// Reads them. Lists can be sorted by `fields`; they are by id, the newest first, where nothing
    /// is said.
    pub fn read(request: &Request, fields: &'static [&'static str]) -> Result<Self> {
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
        let account_id = account_id
            .filter(|id| !id.is_empty())
            .ok_or_else(|| invalid("account_id", Fault::Missing))?;
        let account_id = parse_id(&account_id)
            .ok_or_else(|| invalid("account_id", Fault::NotA("an account id")))?;
        let (field, direction) = match sorting.as_deref() {
            Some(_) if field.is_some() || direction.is_some() => {
                return Err(invalid("sorting", Fault::Repeated));
            }
            Some(sorting) => match sorting.strip_prefix('-') {
                Some(field) => (one_of("sorting", field, fields)?, "desc"),
                None => (one_of("sorting", sorting, fields)?, "asc"),
            },
            None if field.is_none() && direction.is_none() => ("id", "desc"),
            None => (
                field.map_or(Ok("id"), |field| one_of("sorting[field]", &field, fields))?,
                direction.map_or(Ok("asc"), |direction| {
                    one_of("sorting[direction]", &direction, DIRECTIONS)
                })?,
            ),
        };
        let number = |name, value: Option<std::borrow::Cow<str>>, default, min, max| match value {
            Some(text) => integer(Place::Query, name, &text, min, max)
                .map(i64::unsigned_abs)
                .map_err(Error::invalid),
            None => Ok(default),
        };
        Ok(Self {
            account_id,
            field,
            direction,
            offset: number("pagination[offset]", offset, 0, 0, i64::MAX)?,
            page_size: number(
                "pagination[page_size]",
                page_size,
                DEFAULT_PAGE_SIZE,
                1,
                MOST_PAGE_SIZE,
            )?,
        })
    }
}

fn invalid(name: &str, fault: Fault) -> Error {
    Error::invalid(Issue::new(Place::Query, name, fault))
}

fn one_of(name: &str, value: &str, values: &'static [&'static str]) -> Result<&'static str> {
    values
        .iter()
        .find(|known| **known == value)
        .copied()
        .ok_or_else(|| invalid(name, Fault::NotOneOf(values)))
}

/// How a list is sorted.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sorting {
    #[schema(inline, value_type = Direction)]
    direction: &'static str,
    /// What the list is sorted by: one of its fields.
    #[schema(inline, value_type = SortField)]
    field: &'static str,
}

words! {
    /// The directions of lists.
    Direction: DIRECTIONS.iter().copied();
    /// The fields of all lists.
    SortField: list_admin_users::FIELDS.iter().copied();
}

/// The type of `sorting` where lists can be sorted by `fields`.
pub fn sorting(fields: &[&str]) -> RefOr<Schema> {
    let values: Vec<String> =
        fields.iter().flat_map(|field| [(*field).to_owned(), format!("-{field}")]).collect();
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values)).into()
}

impl From<&Parameters> for Sorting {
    fn from(parameters: &Parameters) -> Self {
        Self { direction: parameters.direction, field: parameters.field }
    }
}

/// Where the page stands in the whole list.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(example = json!({
    "item_count": 1, "item_end": 1, "item_start": 1, "next_page_offset": null, "page_count": 1, "page_index": 1, "page_offset": 0, "page_size": 10,
    "previous_page_offset": null
}))]
pub struct Pagination {
    /// Of the whole list, past its end too.
    item_count: u64,
    /// Counted from one; 0 where the page is empty.
    item_end: u64,
    /// Counted from one; 0 where the page is empty.
    item_start: u64,
    /// Null on the last page.
    #[schema(required)]
    next_page_offset: Option<u64>,
    page_count: u64,
    /// Counted from one.
    page_index: u64,
    /// Counted from zero.
    page_offset: u64,
    page_size: u64,
    /// Null on the first page.
    #[schema(required)]
    previous_page_offset: Option<u64>,
}

impl Pagination {
    /// Of a page that holds so many items of all.
    pub fn of(parameters: &Parameters, item_count: u64, items: usize) -> Self {
        Self::new(item_count, parameters.offset, parameters.page_size, items as u64)
    }

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
        assert_eq!(
            (past.item_start, past.item_end, past.next_page_offset, past.item_count),
            (0, 0, None, 200)
        );
        let last = Pagination::new(200, 190, 10, 10);
        assert_eq!((last.item_start, last.item_end, last.next_page_offset), (191, 200, None));
        let first = Pagination::new(5, 0, 10, 5);
        assert_eq!((first.previous_page_offset, first.page_count, first.page_index), (None, 1, 1));
    }
}
