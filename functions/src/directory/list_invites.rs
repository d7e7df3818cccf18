//! GET `/api/v1/admin_user_invite`: a page of an account's invites.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::Result;
use shared::auth::Caller;
use shared::models::Invite;
use shared::table::fold;
use uuid::Uuid;

use super::InviteBody;
use super::paging::{Pagination, Parameters, Sorting};
use crate::{Context, Request, Response, json};

const FIELDS: &[&str] = &["id", "status", "title"];

#[derive(Debug, Serialize)]
struct Answer {
    status: &'static str,
    pagination: Pagination,
    sorting: Sorting,
    summaries: Vec<InviteBody>,
}

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate(&request).await?;
    let parameters = Parameters::read(&request, FIELDS)?;
    let access = caller.administers(parameters.account_id)?;
    if caller.user.team_id != access.team_id() && context.store().team_name(access.team_id()).await?.is_none() {
        return Err(Caller::not_this_account());
    }
    let mut invites = context.store().invites(&access).await?;
    let total = invites.len();
    invites.sort_by_cached_key(|invite| sort_key(invite, parameters.field));
    if parameters.direction == "desc" {
        invites.reverse();
    }
    let (skip, take) = (usize::try_from(parameters.offset).unwrap_or(usize::MAX), usize::try_from(parameters.page_size).unwrap_or(0));
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
        "title" => fold(&invite.email),
        _ => String::new(),
    };
    (value, invite.id)
}
