//! POST `/api/admin/user-admin`: makes a user of the team, who is invited until they sign up with the email.
//!
//! Roster sends no mail, whatever `sendEmail` says: `emailSent` is false, and `inviteLink` is there to be passed on.

use lambda_http::http::{HeaderValue, StatusCode, header};
use shared::models::{Status, User};
use shared::{Error, Fault, Issue, Place, Result};
use uuid::Uuid;

use super::{Fields, UserBody, body};
use crate::entity_tag::tagged;
use crate::{Context, Request, Response, json};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate(&request).await?;
    let access = caller.team_admin()?;
    let user = new_user(context, &request, &caller.user)?;
    let answer = |user: &User| {
        let mut response = tagged(json(StatusCode::CREATED, &UserBody::from(user.clone())), user);
        response.headers_mut().insert(header::LOCATION, HeaderValue::from(user.number));
        response
    };
    Ok(context.store().create_user(&access, user, &context.act(caller.user.id, "user.created"), answer).await?)
}

fn new_user(context: &Context, request: &Request, caller: &User) -> Result<User> {
    let issue = |name: &str, fault| Issue::new(Place::Body, name, fault);
    let fields = body(request)?;
    let send_email = match fields.get("sendEmail") {
        None | Some(serde_json::Value::Bool(_) | serde_json::Value::Null) => Ok(()),
        Some(_) => Err(issue("sendEmail", Fault::NotA("a boolean"))),
    };
    let fields = Fields::read(&fields);
    let mut issues: Vec<_> = send_email.err().into_iter().collect();
    let fields = match fields {
        Ok(fields) => fields,
        Err(others) => {
            issues.extend(others);
            return Err(Error::Invalid(issues));
        }
    };
    let (email, username) = (fields.email.flatten(), fields.username.flatten());
    if email.is_none() && username.is_none() {
        issues.push(issue("email", Fault::NotA("given, or else the username")));
    }
    let Some(role) = fields.role.filter(|_| issues.is_empty()) else {
        issues.extend(fields.role.is_none().then(|| issue("rootRole", Fault::Missing)));
        return Err(Error::Invalid(issues));
    };
    let id = Uuid::new_v4();
    Ok(User {
        name: fields.name.flatten(),
        email,
        username,
        role,
        status: Status::Invited,
        email_sent: Some(false),
        invite_link: Some(format!("{}?invite={id}", context.app.sign_up_url)),
        // The number comes with the team.
        ..User::new(id, 0, (caller.team_id, &caller.team_name), context.now)
    })
}
