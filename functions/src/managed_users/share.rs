//! PUT `/api/v1/users/shares/{user_id}`: the caller lets a user in, with these scopes instead of
//! any before. Ids of users are not to be guessed: who shares was told it.

use lambda_http::http::StatusCode;
use serde_json::{Map, Value};
use shared::auth::SharingWrite;
use shared::store::{Refusal, WriteError};
use shared::{Error, Fault, Issue, Place, Result};
use utoipa::ToSchema;

use super::{ErrorBody, Refusals, SCOPES, ShareBody, ValidationErrorBody, no_such_user};
use crate::openapi::words;
use crate::request::{json_object, path_id};
use crate::{Context, Request, Response, json};

/// The scopes that can be shared: what the last two let one do is one's own.
const SHARED: &[&str] = SCOPES.split_at(SCOPES.len() - 2).0;

/// What is to be shared.
#[derive(ToSchema)]
#[schema(as = ShareInput)]
#[allow(dead_code)]
struct Input {
    #[schema(inline, min_items = 1)]
    scopes: Vec<SharedScopeWord>,
}

words! {
    /// The scopes that can be shared.
    SharedScopeWord: SHARED.iter().copied();
}

/// Lets a user in, with these scopes instead of any before.
#[utoipa::path(
    put,
    path = "/api/v1/users/shares/{user_id}",
    tag = "managed users",
    operation_id = "managed_users.share",
    params(("user_id" = Uuid, Path, description = "The id of the user who is let in")),
    request_body(content = Input, example = json!({"scopes": ["activities:read", "wellness:read"]})),
    responses(
        (status = 200, description = "The share", body = ShareBody),
        (status = 404, description = "There is no user of that id", body = ErrorBody),
        (status = 409, description = "The caller lets in, or the other is let in by, as many as a person may", body = ErrorBody),
        (status = 422, description = "The body is wrong, or the id is the caller's own", body = ValidationErrorBody),
        Refusals,
    ),
    security(("bearer" = []), ("refreshed_token" = []), ("token_cookie" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<SharingWrite>(&request).await?;
    let scopes = scopes(&json_object(&request)?).map_err(Error::invalid)?;
    let grantee_id = path_id(&request, "user_id").ok_or_else(no_such_user)?;
    if grantee_id == caller.user.id {
        return Err(Error::invalid(Issue::new(
            Place::Path,
            "user_id",
            Fault::NotA("the id of someone else"),
        )));
    }
    match context
        .store()
        .share(&caller, grantee_id, scopes, &context.act(&caller, "share.granted"))
        .await
    {
        Err(WriteError::Refused(Refusal::Gone)) => Err(no_such_user()),
        outcome => Ok(json(StatusCode::OK, &ShareBody::from(outcome?))),
    }
}

fn scopes(fields: &Map<String, Value>) -> Result<Vec<String>, Issue> {
    let issue = |fault| Issue::new(Place::Body, "scopes", fault);
    let missing = || {
        issue(if fields.contains_key("scopes") { Fault::NotA("a list") } else { Fault::Missing })
    };
    let mut scopes = super::scopes(fields, SHARED)?.ok_or_else(missing)?;
    if scopes.is_empty() {
        return Err(issue(Fault::NotA("a list of one or more")));
    }
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}
