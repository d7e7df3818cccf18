//! GET `/api/v1/users/`: the caller, the users whom the caller manages, and those who shared their
//! data with the caller.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::auth::ManagedUsersRead;
use shared::models::{ManagedUser, User};
use shared::text::case_fold;
use shared::{Error, Fault, Issue, Place, Result};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Refusals, ScopeWord, ValidationErrorBody};
use crate::context::DEFAULT_SCOPES;
use crate::openapi::words;
use crate::request::{all, path_parameter, query};
use crate::{Context, Request, Response, json};

/// A user as this contract lists it.
#[derive(Debug, Serialize, ToSchema)]
struct UserSummary {
    id: Uuid,
    #[schema(required)]
    first_name: Option<String>,
    #[schema(required)]
    last_name: Option<String>,
    /// What the user lets the caller do.
    #[schema(inline, value_type = Vec<ScopeWord>)]
    scopes: Vec<String>,
    display_name: String,
    is_managed: bool,
}

impl UserSummary {
    fn of_user(user: User, scopes: Vec<String>) -> Self {
        Self {
            display_name: user.shown_name(),
            id: user.id,
            first_name: user.first_name,
            last_name: user.last_name,
            scopes,
            is_managed: user.manager_id.is_some(),
        }
    }

    fn of_managed(user: ManagedUser) -> Self {
        Self {
            id: user.id,
            first_name: user.first_name,
            last_name: user.last_name,
            scopes: default_scopes(),
            display_name: user.display_name,
            is_managed: true,
        }
    }
}

fn default_scopes() -> Vec<String> {
    DEFAULT_SCOPES.map(str::to_owned).to_vec()
}

/// The caller, the users whom the caller manages, and those who shared their data with the caller.
#[utoipa::path(
    get,
    path = "/api/v1/users/",
    tag = "managed users",
    operation_id = "managed_users.list_users",
    params(
        ("include_managed" = inline(Option<FlagWord>), Query, description = "In any case of letters; true where it is left out"),
        ("include_shared" = inline(Option<FlagWord>), Query, description = "In any case of letters; true where it is left out"),
        ("name" = Option<String>, Query, description = "Only users whose display name has this in it, however its letters are written"),
    ),
    responses(
        (status = 200, description = "The caller first, then managed users, then those who share", body = Vec<UserSummary>, example = json!([{
            "id": "0c8f6a1e-5b7d-4c39-8e2f-1a9d4b6c7e05",
            "first_name": "Ada",
            "last_name": null,
            "scopes": ["data:read", "data:write", "profile"],
            "display_name": "Ada",
            "is_managed": false
        }])),
        (status = 422, description = "A parameter is wrong", body = ValidationErrorBody, example = json!({
            "detail": [{
                "loc": ["query", "include_managed"],
                "msg": "Input should be a valid boolean, unable to interpret input",
                "type": "bool_parsing"
            }]
        })),
        Refusals,
    ),
    security(("bearer" = []), ("refreshed_token" = []), ("token_cookie" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    // The route with a trailing slash is `{proxy+}` with nothing in it; anything else under it is
    // no endpoint.
    if !path_parameter(&request, "proxy").is_empty() {
        return Err(Error::no_such_endpoint());
    }
    let token = context.verify(&request).await?;
    let (caller, managed, shares) = futures::try_join!(
        context.caller_themselves::<ManagedUsersRead>(&token, "data:read"),
        context.store().managed_users(&token),
        context.store().shares_received(&token)
    )?;
    let wanted = Wanted::read(&request)?;

    let managed = if wanted.managed { managed.open(&caller) } else { Vec::new() };
    let shares = if wanted.shared { shares.open(&caller) } else { Vec::new() };
    let mut managed: Vec<_> = managed.into_iter().map(UserSummary::of_managed).collect();
    let mut shared: Vec<_> = context
        .store()
        .grantors(shares)
        .await?
        .into_iter()
        .filter(|(user, _)| user.manager_id != Some(caller.user.id))
        .map(|(user, share)| UserSummary::of_user(user, share.scopes))
        .collect();
    for group in [&mut managed, &mut shared] {
        group.sort_by_cached_key(|user| (case_fold(&user.display_name), user.id));
    }
    let mut users = vec![UserSummary::of_user(caller.user, default_scopes())];
    users.append(&mut managed);
    users.append(&mut shared);
    if let Some(part) = wanted.name {
        users.retain(|user| case_fold(&user.display_name).contains(&part));
    }
    Ok(json(StatusCode::OK, &users))
}

/// What was asked for.
struct Wanted {
    managed: bool,
    shared: bool,
    /// Part of a display name, folded.
    name: Option<String>,
}

impl Wanted {
    fn read(request: &Request) -> Result<Self> {
        let parameters = query(request);
        // The last value of a parameter counts, and unknown parameters do not, as in the original.
        let last = |name| {
            let found = parameters.iter().rev().find(|(other, _)| other == name);
            found.map(|(_, value)| value.as_ref())
        };
        let flag = |name| last(name).map_or(Ok(true), |value| flag(name, value));
        let (managed, shared) = all(flag("include_managed"), flag("include_shared"))?;
        Ok(Self { managed, shared, name: last("name").map(case_fold) })
    }
}

/// The words for a flag, in any case of letters: those that the framework of the published client's
/// service takes for a boolean.
const TRUE: [&str; 6] = ["true", "1", "yes", "on", "t", "y"];
const FALSE: [&str; 6] = ["false", "0", "no", "off", "f", "n"];

fn flag(name: &str, value: &str) -> Result<bool, Issue> {
    let is_one_of = |words: [&str; 6]| words.iter().any(|word| word.eq_ignore_ascii_case(value));
    match (is_one_of(TRUE), is_one_of(FALSE)) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(Issue::new(Place::Query, name, Fault::NotA("a boolean"))),
    }
}

words! {
    /// What flags are written as.
    FlagWord: TRUE.into_iter().chain(FALSE);
}
