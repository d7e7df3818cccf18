//! Invites into a team by email. Each makes a user, invited until they sign up.

use uuid::Uuid;

use super::erasure::marked_due;
use super::transaction::back_off;
use super::users::CHANGE_ATTEMPTS;
use super::{Act, Freshness, From, Refusal, Store, Transaction, WriteError, encode};
use crate::Response;
use crate::auth::{InvitesWrite, MembersRead, TeamAccess};
use crate::error::{Error, Result};
use crate::models::{Invite, InviteStatus, Status, User};
use crate::table::{Key, prefix};
use crate::time::Timestamp;

/// The most invites that are listed: more than a team has that wait, or were revoked not long ago.
const MAX_LISTED: usize = 10_000;

impl Store {
    /// A team's newest invites, without those that were revoked too long ago.
    pub async fn invites(
        &self,
        access: &TeamAccess<MembersRead>,
        now: Timestamp,
    ) -> Result<Vec<Invite>> {
        let team = Key::team(access.team_id());
        let mut invites: Vec<Invite> =
            self.query(&team, prefix::INVITE, From::End, MAX_LISTED, Freshness::Strong).await?;
        invites.retain(|invite| invite.vanishes_at().is_none_or(|end| end > now));
        Ok(invites)
    }

    /// Invites someone into a team: makes the invite and the user it stands for, who is a viewer.
    ///
    /// # Errors
    /// Refused as `EmailTaken` or `TooManyInvites`.
    pub async fn invite(
        &self,
        access: &TeamAccess<InvitesWrite>,
        team_name: &str,
        email: String,
        act: &Act,
        answer: impl Fn(&Invite) -> Response + Sync,
    ) -> Result<Response, WriteError> {
        let team_id = access.team_id();
        let number = self.next_number(team_id).await?;
        let invite = Invite {
            id: Uuid::now_v7(),
            team_id,
            email: email.clone(),
            status: InviteStatus::Pending,
            user_id: Uuid::new_v4(),
            invited_by: act.actor_id.ok_or_else(|| Error::internal("an invite by nobody"))?,
            created_at: act.at,
            updated_at: act.at,
        };
        let user = User {
            email: Some(email),
            status: Status::Invited,
            invite_id: Some(invite.id),
            ..User::new(invite.user_id, number, (team_id, team_name), act.at)
        };
        let most = i64::from(self.caps.pending_invites);
        let also = |transaction: &mut Transaction| {
            transaction
                .create(encode(&Key::invite(team_id, invite.id), &invite)?, Refusal::Impossible)?;
            let room = "attribute_not_exists(pending) OR pending < :most";
            transaction.add_if(
                &Key::invite_count(team_id),
                &[("pending", 1)],
                room,
                &[(":most", most)],
                Refusal::TooManyInvites,
            )
        };
        self.create_user_with(&user, act, &also, &|_| answer(&invite)).await
    }

    /// Takes a pending invite back, and erases the user it made, whatever became of them.
    ///
    /// # Errors
    /// `Conflict` where it is used or revoked.
    pub async fn revoke_invite(
        &self,
        access: &TeamAccess<InvitesWrite>,
        mut invite: Invite,
        act: &Act,
        answer: impl Fn(&Invite) -> Response + Sync,
    ) -> Result<Response> {
        let conflict = || {
            Error::Conflict(
                "Only a pending invite can be revoked: this one is used or revoked already.".into(),
            )
        };
        let key = Key::invite(invite.team_id, invite.id);
        for attempt in 0..CHANGE_ATTEMPTS {
            back_off(attempt).await;
            if invite.status != InviteStatus::Pending {
                return Err(conflict());
            }
            let revoked =
                Invite { status: InviteStatus::Revoked, updated_at: act.at, ..invite.clone() };
            let revoke = |transaction: &mut Transaction| {
                // The email is that of the user who goes.
                let email = ("email", String::new());
                let texts = [
                    ("status", InviteStatus::Revoked.as_str().to_owned()),
                    ("updated_at", act.at.to_string()),
                    email,
                ];
                transaction.set_if(
                    &key,
                    &texts,
                    revoked.vanishes_at(),
                    ("status", InviteStatus::Pending.as_str()),
                    Refusal::Changed,
                )?;
                transaction.add(&Key::invite_count(invite.team_id), &[("pending", -1)])
            };
            let made = |user: &User| user.invite_id == Some(invite.id);
            let outcome = match self.user(invite.user_id, Freshness::Strong).await?.filter(made) {
                // The user goes, the invite stays.
                Some(user) => {
                    let marked = User { invite_id: None, ..marked_due(&user, act) };
                    let marked =
                        self.update_user(&user, marked, act, &revoke, &|_| answer(&revoked)).await;
                    marked.map(|(user, answer)| (Some(user), answer))
                }
                None => {
                    let answer = answer(&revoked);
                    let mut transaction = self.transaction();
                    revoke(&mut transaction)?;
                    self.commit_answered(transaction, act, &answer).await.map(|()| (None, answer))
                }
            };
            match outcome {
                Err(WriteError::Refused(Refusal::Changed)) => {
                    invite = self.invite_of(access, invite.id).await?.ok_or_else(conflict)?;
                }
                outcome => {
                    let (marked, answer) = outcome?;
                    if let Some(marked) = marked {
                        // Should this be cut off, the user is due already: the next purge does it.
                        self.erase(
                            marked,
                            |user| user.status == Status::Deleted,
                            &act.part("user.erased"),
                        )
                        .await?;
                    }
                    return Ok(answer);
                }
            }
        }
        Err(Error::Unavailable("the invite kept changing".into()))
    }

    /// The invite of that id in a team whose invites the caller may see.
    pub async fn invite_of(
        &self,
        access: &TeamAccess<InvitesWrite>,
        id: Uuid,
    ) -> Result<Option<Invite>> {
        self.get(&Key::invite(access.team_id(), id), Freshness::Strong).await
    }
}
