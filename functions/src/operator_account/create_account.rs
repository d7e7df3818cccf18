//! POST `/v1/account`: sign-up. Makes the user whom the token names, a team of their own, and the
//! default quota tier. Someone who was invited by their email joins the team that invited them
//! instead. Called again, it answers the same account.

use lambda_http::http::StatusCode;
use shared::auth::{Claims, VerifiedToken};
use shared::models::{Status, User};
use shared::profile::Profile;
use shared::store::{Account, Refusal, WriteError, own_team, team_tier};
use shared::text::{MOST_EMAIL, is_email};
use shared::{Error, Fault, Issue, Place, Result, Timestamp};
use uuid::Uuid;

use super::{
    Conflict, Erased, Failures, InvalidSignUp, NoSignUp, OwnAccountBody, TokenOnly, account_answer,
};
use crate::openapi::IdempotencyKey;
use crate::{Context, Request, Response};

/// Signs up whom the token names.
///
/// Makes the user, a team of their own and the default quota tier. Someone who was invited by the
/// token's email joins the team that invited them instead. Called again, it answers the same
/// account. It takes a token with the claim `email`.
#[utoipa::path(
    post,
    path = "/v1/account",
    tag = "operator and account",
    operation_id = "operator_account.create_account",
    params(IdempotencyKey),
    responses(
        (status = 201, description = "The account, which is new", body = OwnAccountBody, headers(("etag" = String, description = "The user's version"))),
        (status = 200, description = "The account, which there was already", body = OwnAccountBody, headers(("etag" = String, description = "The user's version"))),
        TokenOnly,
        NoSignUp,
        Erased,
        Conflict,
        InvalidSignUp,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify_newcomer(&request).await?;
    let claims = token.claims()?;
    let (user, quota_tiers, admitted) = futures::join!(
        context.store().own_user(&token),
        context.store().quota_tiers(context.now),
        context.admit(&token)
    );
    // Whoever it is.
    if let Err(error @ Error::TooManyRequests(_)) = admitted {
        return Err(error);
    }
    let (user, quota_tiers) = (user?, quota_tiers?);
    // Who is locked or deleted by now is given no former answer either.
    if let Some(user) = &user {
        in_use(user)?;
    }
    admitted?;
    if let Some(user) = user {
        return existing(context, claims, user).await;
    }
    let user = new_user(claims, context.now)?;
    let act = context.act(claims, "user.signed_up");
    let team = own_team(&user, context.now);
    let quota_tier = team_tier(&team, &quota_tiers)?;
    let user = User { team_id: team.id, team_name: team.name.clone(), ..user };
    let answer = |user: &User| {
        let account = Account {
            user: user.clone(),
            team: team.clone(),
            quota_tier: quota_tier.clone(),
            quota_usage: Vec::new(),
        };
        account_answer(StatusCode::CREATED, account, Some(claims))
    };
    match context.store().sign_up(user.clone(), &team, &act, &answer).await {
        // The same person signed up in another request at the same time.
        Err(WriteError::Refused(Refusal::UserExists)) => signed_up_meanwhile(context, &token).await,
        Err(WriteError::Refused(Refusal::EmailTaken)) => invited(context, &token, &user).await,
        outcome => Ok(outcome?),
    }
}

async fn signed_up_meanwhile(context: &Context, token: &VerifiedToken) -> Result<Response> {
    match context.store().own_user(token).await? {
        Some(user) => existing(context, token.claims()?, user).await,
        None => {
            Err(Error::Conflict("The account was deleted while it was made. Try again.".into()))
        }
    }
}

/// Signs up someone whose email is another user's: one who was invited by it, under an id of ours,
/// joins that team.
async fn invited(context: &Context, token: &VerifiedToken, new: &User) -> Result<Response> {
    let email = new.email.as_deref().unwrap_or_default();
    let holder = context.store().holder_of(email, token).await?;
    if holder.as_ref().is_some_and(|holder| holder.id == new.id) {
        return signed_up_meanwhile(context, token).await;
    }
    let invited = holder.filter(|user| user.status == Status::Invited);
    let taken = || {
        Error::Conflict(
            "Another account has this email. Sign in to that one, or use another email.".into(),
        )
    };
    let invited = invited.ok_or_else(taken)?;
    let claims = token.claims()?;
    // An email that is not proven lets nobody into a team.
    if claims.email_verified == Some(false) {
        return Err(Error::EmailNotVerified);
    }
    let user = signed_up(&invited, claims, context.now);
    // No invite makes a platform operator, whatever the invited user was.
    let user = User { is_operator: false, ..user };
    let user = User {
        id: new.id,
        invited_as: Some(invited.id),
        version: invited.version + 1,
        updated_at: context.now,
        ..user
    };
    let account = context.store().account(invited.clone(), context.now).await?;
    let answer = |user: &User| {
        let account = Account { user: user.clone(), ..account.clone() };
        account_answer(StatusCode::CREATED, account, Some(claims))
    };
    match context
        .store()
        .sign_up_invited(&invited, &user, &context.act(claims, "user.signed_up"), &answer)
        .await
    {
        Err(WriteError::Refused(Refusal::UserExists)) => signed_up_meanwhile(context, token).await,
        Err(WriteError::Refused(Refusal::Changed)) => {
            match context.store().own_user(token).await? {
                Some(user) => existing(context, claims, user).await,
                None => Err(Error::Conflict("The invitation changed meanwhile. Try again.".into())),
            }
        }
        outcome => Ok(outcome?),
    }
}

/// Refuses an account that may not be used.
fn in_use(user: &User) -> Result<()> {
    match user.status {
        Status::Suspended => Err(Error::AccountSuspended),
        Status::Deleted => Err(Error::AccountDeleted),
        Status::Invited | Status::Active => Ok(()),
    }
}

async fn existing(context: &Context, claims: &Claims, user: User) -> Result<Response> {
    in_use(&user)?;
    let account = context.store().account(user.clone(), context.now).await?;
    let answer = |user: &User| {
        let account = Account { user: user.clone(), ..account.clone() };
        account_answer(StatusCode::OK, account, Some(claims))
    };
    if user.status == Status::Active {
        return Ok(answer(&user));
    }
    // Whoever was invited and signs up takes the account into use.
    let act = context.act(claims, "user.signed_up");
    context
        .store()
        .change_user(user, &|user| Ok(signed_up(user, claims, context.now)), &act, &answer)
        .await
}

/// The user that a token tells of. Only its email is vouched for; name and picture are the user's
/// own word, and left out where they are none.
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
    Ok(User {
        email: Some(email.to_owned()),
        ..signed_up(&User::new(claims.user_id, 0, (Uuid::nil(), ""), now), claims, now)
    })
}

/// A user who takes the account into use, with what the token tells that is not known yet.
fn signed_up(user: &User, claims: &Claims, now: Timestamp) -> User {
    let said = Profile::read(&claims.user_metadata);
    User {
        status: Status::Active,
        invite_link: None,
        name: user.name.clone().or(said.name),
        avatar_url: user.avatar_url.clone().or(said.avatar_url),
        email_verified_at: user
            .email_verified_at
            .or_else(|| claims.email_verified.filter(|verified| *verified).map(|_| now)),
        ..user.clone()
    }
}
