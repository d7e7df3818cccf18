//! PUT `/api/v1/users/{user_id}`: renames a user whom the caller manages. Takes a form, as the published client sends, or JSON.
//! Fields that are absent stay as they are.

use shared::Result;
use shared::models::User;

use super::{managed_user, user_answer};
use crate::entity_tag::IfMatch;
use crate::request::{MOST_NAME, all, form_or_json, text};
use crate::{Context, Request, Response};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let (caller, user) = managed_user(context, &request).await?;
    let fields = form_or_json(&request)?;
    let (first_name, last_name) = all(text(&fields, "first_name", MOST_NAME), text(&fields, "last_name", MOST_NAME))?;
    let if_match = IfMatch::read(&request);
    let rename = |user: &User| {
        if_match.check(user)?;
        Ok(User {
            first_name: first_name.clone().unwrap_or_else(|| user.first_name.clone()),
            last_name: last_name.clone().unwrap_or_else(|| user.last_name.clone()),
            ..user.clone()
        })
    };
    context.store().change_user(user, rename, &context.act(caller.user.id, "user.updated"), user_answer).await
}
