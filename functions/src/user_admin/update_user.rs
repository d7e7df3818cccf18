//! PUT `/api/admin/user-admin/{id}`: changes name, email or root role of a user of the team. What is absent stays; the last
//! administrator stays one.

use lambda_http::http::StatusCode;
use shared::models::User;
use shared::store::Act;
use shared::{Error, Fault, Issue, Place, Result};

use super::{Fields, UserBody, not_found, numbered_user};
use crate::entity_tag::{IfMatch, tagged};
use crate::request::json_object;
use crate::{Context, Request, Response, json};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let (caller, user) = numbered_user(context, &request).await?;
    let fields = Fields::read(&json_object(&request)?).map_err(Error::Invalid)?;
    let if_match = IfMatch::read(&request);
    let change = |user: &User| {
        if_match.check(user)?;
        if user.status == shared::models::Status::Deleted {
            return Err(not_found(&user.number.to_string()));
        }
        let email = fields.email.clone().unwrap_or_else(|| user.email.clone());
        if email.is_none() && user.username.is_none() && user.email.is_some() {
            return Err(Error::invalid(Issue::new(Place::Body, "email", Fault::NotA("an email address, as there is no username"))));
        }
        Ok(User {
            name: fields.name.clone().unwrap_or_else(|| user.name.clone()),
            // Another email is yet to be proven.
            email_verified_at: user.email_verified_at.filter(|_| email == user.email),
            email,
            role: fields.role.unwrap_or(user.role),
            ..user.clone()
        })
    };
    let answer = |user: &User| tagged(json(StatusCode::OK, &UserBody::from(user.clone())), user);
    let act = Act { keeps_admin: true, ..context.act(caller.user.id, "user.updated") };
    context.store().change_user(user, change, &act, answer).await
}
