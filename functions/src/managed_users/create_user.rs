//! POST `/api/v1/users/`: makes a user whom the caller manages. They cannot sign in themselves.

use lambda_http::http::StatusCode;
use serde_json::{Map, Value};
use shared::{Error, Fault, Issue, Place, Result};

use super::UserResponse;
use crate::request::{MOST_NAME, all, json_object, path_parameter, text};
use crate::{Context, Request, Response, json};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    if !path_parameter(&request, "proxy").is_empty() {
        return Err(Error::no_such_endpoint());
    }
    let manager = context.authenticate(&request).await?.user;
    if manager.manager_id.is_some() {
        return Err(Error::Forbidden("A managed user may not create managed users."));
    }
    let fields = json_object(&request)?;
    let (first_name, last_name) = all(first_name(&fields), last_name(&fields))?;
    let user = context.store().create_managed_user(&manager, first_name, last_name, context.now).await?;
    Ok(json(StatusCode::OK, &UserResponse::from(user)))
}

fn first_name(fields: &Map<String, Value>) -> Result<String, Issue> {
    let issue = |fault| Issue::new(Place::Body, "first_name", fault);
    text(fields, "first_name", MOST_NAME)?.ok_or_else(|| issue(Fault::Missing))?.ok_or_else(|| issue(Fault::NotA("a string")))
}

/// The last name must be sent, but may be null.
fn last_name(fields: &Map<String, Value>) -> Result<Option<String>, Issue> {
    text(fields, "last_name", MOST_NAME)?.ok_or_else(|| Issue::new(Place::Body, "last_name", Fault::Missing))
}
