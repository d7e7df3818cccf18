//! PATCH `/v1/account/me`: the caller changes their display name and picture. A field that is absent stays; null clears it.

use lambda_http::http::StatusCode;
use shared::Result;
use shared::models::User;
use shared::store::Account;

use super::{account_answer, web_address};
use crate::entity_tag::IfMatch;
use crate::request::{MOST_NAME, MOST_URL, all, json_object, text};
use crate::{Context, Request, Response};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate(&request).await?;
    let fields = json_object(&request)?;
    let (display_name, avatar_url) =
        all(text(&fields, "display_name", MOST_NAME), text(&fields, "avatar_url", MOST_URL).and_then(web_address))?;
    let if_match = IfMatch::read(&request);
    let change = |user: &User| {
        if_match.check(user)?;
        Ok(User {
            display_name: display_name.clone().unwrap_or_else(|| user.display_name.clone()),
            avatar_url: avatar_url.clone().unwrap_or_else(|| user.avatar_url.clone()),
            ..user.clone()
        })
    };
    let account = context.store().account(caller.user.clone(), context.now).await?;
    let answer = |user: &User| account_answer(StatusCode::OK, Account { user: user.clone(), ..account.clone() });
    let act = context.act(caller.user.id, "user.updated");
    context.store().change_user(caller.user, change, &act, answer).await
}
