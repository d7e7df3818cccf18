//! PATCH `/v1/account/me`: the caller changes their display name and picture. A field that is
//! absent stays; null clears it.

use lambda_http::http::StatusCode;
use shared::Result;
use shared::auth::AccountWrite;
use shared::models::User;
use shared::store::Account;
use shared::text::{MOST_NAME, MOST_URL};
use utoipa::ToSchema;

use super::{
    Erased, Failures, Forbidden, Invalid, OwnAccountBody, Stale, Unauthorized, account_answer,
    web_address,
};
use crate::entity_tag::IfMatch;
use crate::openapi::{self, Text};
use crate::request::{all, json_object, text};
use crate::{Context, Request, Response};

/// The caller changes their display name and picture.
///
/// A field that is left out stays; null clears it.
#[utoipa::path(
    patch,
    path = "/v1/account/me",
    tag = "operator and account",
    operation_id = "operator_account.update_me",
    params(openapi::IfMatch),
    request_body = ProfileInput,
    responses(
        (status = 200, description = "The account", body = OwnAccountBody, headers(("etag" = String, description = "The user's version"))),
        Unauthorized,
        Forbidden,
        Erased,
        Stale,
        Invalid,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let caller = context.caller::<AccountWrite>(&token).await?;
    let fields = json_object(&request)?;
    let (display_name, avatar_url) = all(
        text(&fields, "display_name", MOST_NAME),
        text(&fields, "avatar_url", MOST_URL).and_then(web_address),
    )?;
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
    let answer = |user: &User| {
        let account = Account { user: user.clone(), ..account.clone() };
        account_answer(StatusCode::OK, account, token.claims().ok())
    };
    let act = context.act(&caller, "user.updated");
    context.store().change_user(caller.user, &change, &act, &answer).await
}

/// A change of what a user shows.
#[derive(ToSchema)]
#[schema(example = json!({"display_name": "Dara S.", "avatar_url": "https://avatars.example/dara.png"}))]
#[allow(dead_code)]
struct ProfileInput {
    /// What the user is called; null for the name.
    #[schema(inline)]
    display_name: Option<Text<{ MOST_NAME }>>,
    /// A picture's address.
    #[schema(max_length = 2048, format = "uri", pattern = "^https?://[!-~]+$")]
    avatar_url: Option<String>,
}
