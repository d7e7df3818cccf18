//! PUT `/api/admin/user-admin/{id}`: changes name, email or root role of a user of the team. What is absent stays; the last
//! administrator stays one.

use lambda_http::http::StatusCode;
use shared::models::{Status, User};
use shared::store::Act;
use shared::table::fold;
use shared::{Error, Fault, Issue, Place, Result};

use super::{Fields, UserBody, body, not_found, numbered_user};
use crate::entity_tag::{IfMatch, tagged};
use crate::{Context, Request, Response, json};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let (caller, user) = numbered_user(context, &request).await?;
    let fields = Fields::read(&body(&request)?).map_err(Error::Invalid)?;
    let if_match = IfMatch::read(&request);
    let folded = |email: &Option<String>| email.as_deref().map(fold);
    let change = |user: &User| {
        if_match.check(user)?;
        if user.status == Status::Deleted {
            return Err(not_found(&user.number.to_string()));
        }
        let email = fields.email.clone().unwrap_or_else(|| user.email.clone());
        if email.is_none() && user.username.is_none() && user.email.is_some() {
            return Err(Error::invalid(Issue::new(Place::Body, "email", Fault::NotA("an email address, as there is no username"))));
        }
        Ok(User {
            name: fields.name.clone().unwrap_or_else(|| user.name.clone()),
            // Another email is yet to be proven; the same one in other letters is not another.
            email_verified_at: user.email_verified_at.filter(|_| folded(&email) == folded(&user.email)),
            email,
            role: fields.role.unwrap_or(user.role),
            ..user.clone()
        })
    };
    let answer = |user: &User| tagged(json(StatusCode::OK, &UserBody::from(user.clone())), user);
    let act = Act { keeps_admin: true, ..context.act(caller.user.id, "user.updated") };
    context.store().change_user(user, change, &act, answer).await
}
