//! POST `/api/v1/users/`: makes a user whom the caller manages. They cannot sign in themselves.

use serde_json::{Map, Value};
use shared::{Error, Fault, Issue, Place, Result};

use super::user_answer;
use crate::request::{MOST_NAME, all, json_object, path_parameter, required_text, text};
use crate::{Context, Request, Response};

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
    let (first_name, last_name) = all(required_text(&fields, "first_name", MOST_NAME), last_name(&fields))?;
    let act = context.act(manager.id, "user.created");
    context.store().create_managed_user(&manager, first_name, last_name, &act, user_answer).await
}

/// The last name must be sent, but may be null.
fn last_name(fields: &Map<String, Value>) -> Result<Option<String>, Issue> {
    text(fields, "last_name", MOST_NAME)?.ok_or_else(|| Issue::new(Place::Body, "last_name", Fault::Missing))
}
