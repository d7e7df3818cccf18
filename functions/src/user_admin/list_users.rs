//! GET `/api/admin/user-admin`: every user of the team, by number, and the root roles. With `limit`, a page of them, and a `Link` to the
//! next one.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::{Error, Fault, Issue, Place, Result};

use super::{ROOT_ROLES, UserBody};
use crate::request::{cursor_page, with_next, wrong_cursor};
use crate::{Context, Request, Response, json};

/// The most users that one answer holds: Lambda takes answers of 6 MB.
const MOST_LIMIT: usize = 5000;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    users: Vec<UserBody>,
    root_roles: [RootRole; 3],
}

#[derive(Debug, Serialize)]
struct RootRole {
    id: u8,
    name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    description: &'static str,
}

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let access = context.authenticate(&request).await?.team_admin()?;
    // No limit, no pages: then all must fit.
    let (limit, cursor) = cursor_page(&request, usize::MAX, MOST_LIMIT)?;
    let after = cursor.map(|cursor| cursor.parse().map_err(|_| wrong_cursor())).transpose()?;
    let (users, next) = context.store().users_by_number(&access, after, limit.min(MOST_LIMIT)).await?;
    if next.is_some() && limit == usize::MAX {
        let too_many = Fault::NotAnInteger { min: 1, max: MOST_LIMIT as i64 };
        return Err(Error::invalid(Issue::new(Place::Query, "limit", too_many).sent("")));
    }
    let answer = Answer {
        users: users.into_iter().map(UserBody::from).collect(),
        root_roles: ROOT_ROLES.map(|(id, _, name, description)| RootRole { id, name, kind: "root", description }),
    };
    Ok(with_next(json(StatusCode::OK, &answer), &request, next.as_deref()))
}
