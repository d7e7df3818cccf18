//! PUT `/api/v1/users/shares/{user_id}`: the caller lets a user in, with these scopes instead of any before. Ids of users are not to be
//! guessed: who shares was told it.

use lambda_http::http::StatusCode;
use serde_json::{Map, Value};
use shared::models::Share;
use shared::store::{Refusal, WriteError};
use shared::{Error, Fault, Issue, Place, Result};

use super::{SCOPES, ShareBody, no_such_user};
use crate::request::{json_object, path_id};
use crate::{Context, Request, Response, json};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate(&request).await?;
    let scopes = scopes(&json_object(&request)?).map_err(Error::invalid)?;
    let grantee_id = path_id(&request, "user_id").ok_or_else(no_such_user)?;
    if grantee_id == caller.user.id {
        return Err(Error::invalid(Issue::new(Place::Path, "user_id", Fault::NotA("the id of someone else"))));
    }
    let share = Share { grantor_id: caller.user.id, grantee_id, scopes, created_at: context.now };
    match context.store().share(&share, &context.act(caller.user.id, "share.granted")).await {
        Err(WriteError::Refused(Refusal::Gone)) => Err(no_such_user()),
        outcome => {
            outcome?;
            Ok(json(StatusCode::OK, &ShareBody::from(share)))
        }
    }
}

fn scopes(fields: &Map<String, Value>) -> Result<Vec<String>, Issue> {
    let issue = |fault| Issue::new(Place::Body, "scopes", fault);
    let missing = || issue(if fields.contains_key("scopes") { Fault::NotA("a list") } else { Fault::Missing });
    // What the last two let one do is one's own.
    let mut scopes = super::scopes(fields, &SCOPES[..SCOPES.len() - 2])?.ok_or_else(missing)?;
    if scopes.is_empty() {
        return Err(issue(Fault::NotA("a list of one or more")));
    }
    scopes.sort();
    scopes.dedup();
    Ok(scopes)
}
