//! The user that a record makes.

use shared::Timestamp;
use shared::models::{AccountType, Role, Seen, Status, User};
use uuid::Uuid;

use crate::import::line::{Line, Mark};

/// Days for which a user who is imported as deleted can be restored.
const GRACE_DAYS: i64 = 30;

/// Takes from a record without an id what only an identity can have: nobody has signed in yet who
/// proves the email. Gives the fields, and why each goes.
pub fn unproven(line: &mut Line) -> Vec<(&'static str, &'static str)> {
    if !is_pending(line) {
        return Vec::new();
    }
    let why = "as a user without an id has yet to sign up";
    let verified = line.email_verified.take().map(|_| "email_verified_at");
    let seen = line.last_sign_in_at.take().map(|_| "last_sign_in_at");
    verified.into_iter().chain(seen).map(|field| (field, why)).collect()
}

/// Makes the user. Without an id it is a pending member, or a machine, to which nobody signs in.
pub fn of(
    line: Line,
    id: Option<Uuid>,
    team: (Uuid, &str),
    sign_up_url: &str,
    now: Timestamp,
) -> User {
    let created_at = line.created_at.unwrap_or(now);
    let user = if is_pending(&line) {
        User::pending(0, team, sign_up_url, created_at)
    } else {
        User::new(id.unwrap_or_else(Uuid::new_v4), 0, team, created_at)
    };
    let seen =
        |at: Timestamp| Seen { at: at.whole_second(), remote_ip: None, user_agent: String::new() };
    let seen = line.last_sign_in_at.map(seen);
    let status = status(&line, now);
    let at = |mark: Mark| match mark {
        Mark::Set => now,
        Mark::At(at) => at,
    };
    let soft_deleted_at = (status == Status::Deleted).then(|| line.deleted.map_or(now, at));
    User {
        role: line.role.unwrap_or(Role::Viewer),
        status,
        soft_deleted_at,
        // A restore is possible from now on, however long ago the deletion was.
        delete_scheduled_at: soft_deleted_at.map(|_| now.plus_seconds(GRACE_DAYS * 86_400)),
        email_verified_at: line.email_verified.filter(|_| line.email.is_some()).map(at),
        email: line.email,
        username: line.username,
        name: line.name,
        first_name: line.first_name,
        last_name: line.last_name,
        display_name: line.display_name,
        avatar_url: line.avatar_url,
        job_title: line.job_title,
        view_all: line.view_all,
        account_type: line.account_type.unwrap_or_default(),
        device_type: line.device_type.unwrap_or_default(),
        device_user_id: line.device_user_id,
        pub_key: line.pub_key,
        scim_id: line.scim_id,
        claims: line.claims,
        first_seen: seen.clone(),
        last_seen: seen,
        updated_at: line.updated_at.unwrap_or(created_at),
        ..user
    }
}

fn is_pending(line: &Line) -> bool {
    line.id.is_none() && line.account_type.unwrap_or_default() == AccountType::User
}

/// The status, by the strictest of what the record says.
fn status(line: &Line, now: Timestamp) -> Status {
    let is_locked = line.banned.is_some_and(|mark| match mark {
        Mark::Set => true,
        Mark::At(until) => until > now,
    });
    let has_come = line.last_sign_in_at.is_some() || line.email_verified.is_some();
    let is_invited = line.invited_at.is_some() && !has_come;
    match line.status {
        _ if line.is_deleted() => Status::Deleted,
        Some(Status::Suspended) => Status::Suspended,
        _ if is_locked => Status::Suspended,
        _ if is_pending(line) => Status::Invited,
        Some(status) => status,
        None if is_invited => Status::Invited,
        None => Status::Active,
    }
}
