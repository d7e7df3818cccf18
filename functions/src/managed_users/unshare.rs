//! DELETE `/api/v1/users/shares/{user_id}`: ends a share, from this moment on: one that the caller
//! gave, or one that the caller was given and declines.

use lambda_http::http::StatusCode;
use shared::auth::SharingWrite;
use shared::{Error, Fault, Issue, Place, Result};

use super::{ErrorBody, Refusals, ValidationErrorBody};
use crate::openapi::{Null, words};
use crate::request::{path_id, query};
use crate::{Context, Request, Response, json};

/// Ends a share, from this moment on.
///
/// It is the one by which the caller lets the user in; with `direction=received`, the one by which
/// the user lets the caller in, who declines it.
#[utoipa::path(
    delete,
    path = "/api/v1/users/shares/{user_id}",
    tag = "managed users",
    operation_id = "managed_users.unshare",
    params(
        ("user_id" = Uuid, Path, description = "The id of the other user"),
        ("direction" = inline(Option<DirectionWord>), Query, description = "Who was let in; `given` where it is left out"),
    ),
    responses(
        (status = 200, description = "The share is ended; the body is `null`", body = inline(Null)),
        (status = 404, description = "There is no such share", body = ErrorBody),
        (status = 422, description = "The direction is wrong", body = ValidationErrorBody),
        Refusals,
    ),
    security(("bearer" = []), ("refreshed_token" = []), ("token_cookie" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<SharingWrite>(&request).await?;
    let is_received = is_received(&request)?;
    let no_share = || {
        let direction = if is_received {
            "A user of that id shares nothing with you."
        } else {
            "You share nothing with a user of that id."
        };
        Error::NotFound(direction.into())
    };
    let other = path_id(&request, "user_id").ok_or_else(no_share)?;
    let ended = match is_received {
        true => {
            context
                .store()
                .decline_share(&caller, other, &context.act(&caller, "share.declined"))
                .await?
        }
        false => {
            context.store().unshare(&caller, other, &context.act(&caller, "share.revoked")).await?
        }
    };
    if ended { Ok(json(StatusCode::OK, &())) } else { Err(no_share()) }
}

const DIRECTIONS: &[&str] = &["given", "received"];

/// Returns true for the share that the caller was given. The last value counts.
fn is_received(request: &Request) -> Result<bool> {
    match query(request).iter().rev().find(|(name, _)| name == "direction") {
        None => Ok(false),
        Some((_, value)) if DIRECTIONS.contains(&value.as_ref()) => Ok(value == "received"),
        Some(_) => {
            Err(Error::invalid(Issue::new(Place::Query, "direction", Fault::NotOneOf(DIRECTIONS))))
        }
    }
}

words! {
    /// The direction of a share, as the caller sees it.
    DirectionWord: DIRECTIONS.iter().copied();
}
