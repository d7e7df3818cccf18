//! POST `/v1/account`: sign-up. Makes the user whom the token names, a team of their own, and the default quota tier.
//! Called again, it answers the same account.

use lambda_http::http::StatusCode;
use shared::auth::Claims;
use shared::models::{Status, User, is_email};
use shared::store::{Account, Act, Refusal, WriteError, own_team, team_tier};
use shared::{Error, Fault, Issue, Place, Result, Timestamp};
use uuid::Uuid;

use super::{AccountBody, web_address};
use crate::request::{MOST_NAME, MOST_URL, text};
use crate::{Context, Request, Response, json};

/// The longest email, in characters: RFC 5321 allows a path of 256 with its brackets.
const MOST_EMAIL: usize = 254;

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let claims = token.claims()?;
    let (user, quota_tiers) = futures::try_join!(context.store().own_user(&token), context.store().quota_tiers(context.now))?;
    if let Some(user) = user {
        return existing(context, claims, user).await;
    }
    let user = new_user(claims, context.now)?;
    let team = own_team(&user, context.now);
    let user = User { team_id: team.id, team_name: team.name.clone(), ..user };
    match context.store().sign_up(user, &team, &Act::new(token.user_id(), "user.signed_up", context.now)).await {
        Ok(user) => {
            let quota_tier = team_tier(&team, &quota_tiers)?;
            let account = Account { user, team, quota_tier, quota_usage: Vec::new() };
            Ok(json(StatusCode::CREATED, &AccountBody::from(account)))
        }
        // The same person signed up in another request at the same time.
        Err(WriteError::Refused(Refusal::UserExists)) => match context.store().own_user(&token).await? {
            Some(user) => existing(context, claims, user).await,
            None => Err(Error::Conflict("The account was deleted while it was made. Try again.".into())),
        },
        Err(WriteError::Refused(Refusal::EmailTaken)) => {
            Err(Error::Conflict("Another account has this email. Sign in to that one, or use another email.".into()))
        }
        Err(error) => Err(error.into()),
    }
}

async fn existing(context: &Context, claims: &Claims, user: User) -> Result<Response> {
    match user.status {
        Status::Suspended => return Err(Error::AccountSuspended),
        Status::Deleted => return Err(Error::AccountDeleted),
        Status::Invited | Status::Active => {}
    }
    // Whoever was invited and signs up takes the account into use.
    let user = match user.status {
        Status::Invited => {
            let act = context.act(&user, "user.signed_up");
            context.store().change_user(user, |user| signed_up(user, claims, context.now), &act).await?
        }
        _ => user,
    };
    let account = context.store().account(user, context.now).await?;
    Ok(json(StatusCode::OK, &AccountBody::from(account)))
}

/// The user that a token tells of. Only its email is vouched for; name and picture are the user's own word, and left out where
/// they are none.
fn new_user(claims: &Claims, now: Timestamp) -> Result<User> {
    let email = claims.email.as_deref().map(str::trim).filter(|email| !email.is_empty());
    let wrong = |fault| Error::invalid(Issue::new(Place::Token, "email", fault));
    let email = email.ok_or_else(|| wrong(Fault::Missing))?;
    if email.chars().count() > MOST_EMAIL {
        return Err(wrong(Fault::TooLong(MOST_EMAIL)));
    }
    if !is_email(email) {
        return Err(wrong(Fault::NotA("an email address")));
    }
    Ok(User { email: Some(email.to_owned()), ..signed_up(&User::new(claims.sub, 0, (Uuid::nil(), ""), now), claims, now) })
}

/// A user who takes the account into use, with what the token tells that is not known yet.
fn signed_up(user: &User, claims: &Claims, now: Timestamp) -> User {
    let said = claims.user_metadata.as_object().cloned().unwrap_or_default();
    let word = |name, most| text(&said, name, most).ok().flatten().flatten();
    let picture = web_address(Some(word("avatar_url", MOST_URL))).ok().flatten().flatten();
    User {
        status: Status::Active,
        invite_link: None,
        name: user.name.clone().or_else(|| word("full_name", MOST_NAME)).or_else(|| word("name", MOST_NAME)),
        avatar_url: user.avatar_url.clone().or(picture),
        email_verified_at: user.email_verified_at.or_else(|| claims.email_verified.filter(|verified| *verified).map(|_| now)),
        ..user.clone()
    }
}
