//! Managed users and shares, from the side of who manages or is let in.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use serde_json::Value;

use super::transaction::back_off;
use super::users::{Answer, CHANGE_ATTEMPTS};
use super::{Act, Freshness, From, Refusal, Store, Transaction, WriteError, encode};
use crate::Response;
use crate::auth::{
    Caller, ManagedUsersRead, ManagedUsersWrite, OnManagedUsers, OnMembers, Sealed, SharingWrite,
    SignedIn, VerifiedToken,
};
use crate::error::{Error, Result};
use crate::models::{FieldChange, ManagedUser, Share, Status, Team, User};
use crate::table::{Key, prefix};
use crate::time::Timestamp;
use uuid::Uuid;

/// One page of DynamoDB holds some 5,000 of these; more than that nobody manages by hand.
const MOST_LISTED: usize = 10_000;

/// The most teams whose tiers a process remembers.
const MAX_KNOWN_TEAMS: usize = 1000;

/// The attribute of a user that counts whom they let in.
const SHARES_GIVEN: &str = "shares_given";
/// The attribute of a user that counts who lets them in.
const SHARES_RECEIVED: &str = "shares_received";

impl Store {
    /// The users whom the caller manages.
    pub async fn managed_users(&self, token: &VerifiedToken) -> Result<Sealed<Vec<ManagedUser>>> {
        let partition = Key::user(token.user_id());
        self.query(&partition, prefix::MANAGED, From::Start, MOST_LISTED, Freshness::Strong)
            .await
            .map(Sealed::new)
    }

    /// The shares that others gave the caller.
    pub async fn shares_received(&self, token: &VerifiedToken) -> Result<Sealed<Vec<Share>>> {
        let partition = Key::user(token.user_id());
        self.query(&partition, prefix::SHARED, From::Start, MOST_LISTED, Freshness::Strong)
            .await
            .map(Sealed::new)
    }

    /// Those who gave these shares, with what they gave; without those whose account is locked or
    /// deleted.
    pub async fn grantors(&self, shares: Vec<Share>) -> Result<Vec<(User, Share)>> {
        let keys: Vec<_> = shares.iter().map(|share| Key::user(share.grantor_id)).collect();
        let users: Vec<User> = self.get_many(&keys, Freshness::Eventual).await?;
        let usable = users
            .into_iter()
            .filter(|user| matches!(user.status, Status::Active | Status::Invited));
        Ok(usable
            .filter_map(|user| {
                let share = shares.iter().find(|share| share.grantor_id == user.id)?.clone();
                Some((user, share))
            })
            .collect())
    }

    /// The user of that id, before it is known whether the caller manages it.
    pub async fn sealed_user(&self, id: Uuid, _: &VerifiedToken) -> Result<Sealed<Option<User>>> {
        self.user(id, Freshness::Strong).await.map(Sealed::new)
    }

    /// Makes a user managed by the caller, in the caller's team.
    ///
    /// # Errors
    /// `Conflict` where the team has as many as its tier allows.
    pub async fn create_managed_user(
        &self,
        manager: &Caller<ManagedUsersWrite>,
        first_name: String,
        last_name: Option<String>,
        act: &Act,
        answer: Answer<'_>,
    ) -> Result<Response> {
        let manager = &manager.user;
        let (number, mut most) = futures::try_join!(
            self.next_number(manager.team_id),
            self.most_managed(manager.team_id, act.at)
        )?;
        let user = User {
            first_name: Some(first_name),
            last_name,
            manager_id: Some(manager.id),
            tier: manager.tier.clone(),
            quota_tier_id: manager.quota_tier_id.clone(),
            ..User::new(Uuid::now_v7(), number, (manager.team_id, &manager.team_name), act.at)
        };
        loop {
            let also = |transaction: &mut Transaction| {
                transaction.require_user(manager.id)?;
                let (count, room) = (
                    Key::managed_count(manager.team_id),
                    "attribute_not_exists(managed) OR managed < :most",
                );
                let most = [(":most", i64::try_from(most).unwrap_or(i64::MAX))];
                transaction.add_if(&count, &[("managed", 1)], room, &most, Refusal::TooManyManaged)
            };
            match self.create_user_with(&user, act, &also, answer).await {
                Err(WriteError::Refused(Refusal::TooManyManaged)) => {
                    // The team may have got a larger tier since it was read.
                    self.team_tiers
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .remove(&manager.team_id);
                    let present = self.most_managed(manager.team_id, act.at).await?;
                    if present <= most {
                        let sentence = format!(
                            "Your team has {most} managed users, and its quota tier allows no more. Delete one first."
                        );
                        return Err(Error::Conflict(sentence));
                    }
                    most = present;
                }
                outcome => return Ok(outcome?),
            }
        }
    }

    /// The most managed users that a team may have, by its tier; from memory where that was read
    /// within the last minute.
    async fn most_managed(&self, team: Uuid, now: Timestamp) -> Result<u64> {
        let known =
            self.team_tiers.lock().unwrap_or_else(PoisonError::into_inner).get(&team).cloned();
        let tiers = self.quota_tiers(now);
        let (tier, tiers) = match known.filter(|(read_at, _)| now < read_at.plus_seconds(60)) {
            Some((_, tier)) => (tier, tiers.await?),
            None => {
                let key = Key::team(team);
                let (read, tiers) =
                    futures::try_join!(self.get::<Team>(&key, Freshness::Eventual), tiers)?;
                let read = read.ok_or_else(|| Error::internal(format!("team {team} is gone")))?;
                let mut known = self.team_tiers.lock().unwrap_or_else(PoisonError::into_inner);
                if known.len() >= MAX_KNOWN_TEAMS {
                    known.clear();
                }
                known.insert(team, (now, read.quota_tier_id.clone()));
                (read.quota_tier_id, tiers)
            }
        };
        let tier = tiers.iter().find(|known| known.id == tier);
        Ok(tier
            .ok_or_else(|| Error::internal(format!("team {team} has no quota tier")))?
            .max_managed_users())
    }

    /// The next shares that the caller gave, in order of the grantees' ids, from behind one on: at
    /// most so many, and whether there are more.
    pub async fn next_shares_given(
        &self,
        caller: &Caller<ManagedUsersRead>,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<(Vec<Share>, bool)> {
        let after = after.map(|id| Key::grant(caller.user.id, id).sk);
        self.next_of(&Key::user(caller.user.id), prefix::GRANT, From::Start, after, limit).await
    }

    /// Lets `grantee` in, replacing what the caller granted before. Gives the share: where the same
    /// was granted already, that one.
    ///
    /// # Errors
    /// Refused as `Gone` where either of the two is deleted or does not exist; `Conflict` where
    /// either has as many as a person may.
    pub async fn share(
        &self,
        caller: &Caller<SharingWrite>,
        grantee: Uuid,
        scopes: Vec<String>,
        act: &Act,
    ) -> Result<Share, WriteError> {
        let share =
            Share { grantor_id: caller.user.id, grantee_id: grantee, scopes, created_at: act.at };
        self.load_share(&share, act).await
    }

    /// The same of any two users: for demo data.
    pub async fn load_share(&self, share: &Share, act: &Act) -> Result<Share, WriteError> {
        let id = |id: Uuid| FieldChange { before: Value::Null, after: id.to_string().into() };
        let scopes = FieldChange { before: Value::Null, after: share.scopes.clone().into() };
        let changes = BTreeMap::from([
            ("grantee_id".to_owned(), id(share.grantee_id)),
            ("scopes".to_owned(), scopes),
        ]);
        let grant = encode(&Key::grant(share.grantor_id, share.grantee_id), share)?;
        let received = encode(&Key::shared(share.grantee_id, share.grantor_id), share)?;
        for attempt in 0..CHANGE_ATTEMPTS {
            back_off(attempt).await;
            let mut transaction = self.transaction();
            transaction.create(grant.clone(), Refusal::ShareExists)?;
            transaction.put(received.clone())?;
            let most = Some(self.caps.share_partners);
            transaction.count_on_user(
                share.grantee_id,
                SHARES_RECEIVED,
                1,
                most,
                Refusal::NoRoomForShare,
            )?;
            transaction.count_on_user(
                share.grantor_id,
                SHARES_GIVEN,
                1,
                most,
                Refusal::NoRoomToShare,
            )?;
            self.record_changes(&mut transaction, share.grantor_id, act, changes.clone())?;
            match self.commit(transaction).await {
                Err(WriteError::Refused(Refusal::ShareExists)) => {}
                Err(WriteError::Refused(refusal)) => {
                    return Err(self.no_room(share, refusal).await?);
                }
                outcome => return outcome.map(|()| share.clone()),
            }
            let mut transaction = self.transaction();
            transaction.put_if_other(grant.clone(), "scopes", Refusal::Unchanged)?;
            transaction.put(received.clone())?;
            transaction.require_user(share.grantee_id)?;
            transaction.require_user(share.grantor_id)?;
            self.record_changes(&mut transaction, share.grantor_id, act, changes.clone())?;
            match self.commit(transaction).await {
                // It is the same, or was taken back meanwhile.
                Err(WriteError::Refused(Refusal::Unchanged)) => {
                    if let Some(present) = self.share_of(share.grantor_id, share.grantee_id).await?
                    {
                        return Ok(present);
                    }
                }
                outcome => return outcome.map(|()| share.clone()),
            }
        }
        Err(Error::Unavailable("the share kept changing".into()).into())
    }

    /// Says why a share was refused: one of the two is gone, or has as many as a person may.
    async fn no_room(&self, share: &Share, refusal: Refusal) -> Result<WriteError> {
        let (user, sentence) = match refusal {
            Refusal::NoRoomToShare => (share.grantor_id, "You let in"),
            Refusal::NoRoomForShare => (share.grantee_id, "This person is let in by"),
            refusal => return Ok(WriteError::Refused(refusal)),
        };
        let is_there = self
            .user(user, Freshness::Strong)
            .await?
            .is_some_and(|user| user.status != Status::Deleted);
        if !is_there {
            return Ok(WriteError::Refused(Refusal::Gone));
        }
        let most = self.caps.share_partners;
        let sentence =
            format!("{sentence} {most} people, and there may be no more. Take a share back first.");
        Ok(WriteError::Failed(Error::Conflict(sentence)))
    }

    /// Takes a share back, at once. Says whether there was one.
    pub async fn unshare(
        &self,
        caller: &Caller<SharingWrite>,
        grantee: Uuid,
        act: &Act,
    ) -> Result<bool> {
        self.end_share(caller.user.id, grantee, act).await
    }

    async fn end_share(&self, grantor: Uuid, grantee: Uuid, act: &Act) -> Result<bool> {
        if grantee == grantor {
            return Ok(false);
        }
        for attempt in 0..CHANGE_ATTEMPTS {
            back_off(attempt).await;
            let mut transaction = self.transaction();
            transaction.delete_if(
                &Key::grant(grantor, grantee),
                "grantee_id",
                &grantee.to_string(),
            )?;
            transaction.delete(&Key::shared(grantee, grantor))?;
            transaction.count_on_user(grantor, SHARES_GIVEN, -1, None, Refusal::Gone)?;
            transaction.count_on_user(grantee, SHARES_RECEIVED, -1, None, Refusal::Gone)?;
            self.record_one(&mut transaction, grantor, act, "grantee_id", grantee.to_string())?;
            match self.commit(transaction).await {
                Err(WriteError::Refused(Refusal::Changed)) => return Ok(false),
                // The grantee is being erased, and the share with them.
                Err(WriteError::Refused(Refusal::Gone)) => {}
                outcome => return Ok(outcome.map(|()| true)?),
            }
        }
        Err(Error::Unavailable("the other user is being erased".into()))
    }

    /// Deletes a share of which one side is being erased, and counts it no more for the other.
    pub(super) async fn release_share(&self, erased: Uuid, share: &Share) -> Result<()> {
        let (other, attribute) = match share.grantor_id == erased {
            true => (share.grantee_id, SHARES_RECEIVED),
            false => (share.grantor_id, SHARES_GIVEN),
        };
        let (grant, received) = (
            Key::grant(share.grantor_id, share.grantee_id),
            Key::shared(share.grantee_id, share.grantor_id),
        );
        let mut transaction = self.transaction();
        transaction.delete_if(&grant, "grantee_id", &share.grantee_id.to_string())?;
        transaction.delete(&received)?;
        transaction.count_on_user(other, attribute, -1, None, Refusal::Gone)?;
        match self.commit(transaction).await {
            // It was taken back meanwhile, or the other is gone: there is nothing to count.
            Err(WriteError::Refused(Refusal::Changed | Refusal::Gone)) => {
                self.write_batch(Vec::new(), vec![received, grant]).await
            }
            outcome => Ok(outcome?),
        }
    }

    /// Gives back the share by which another user lets the caller in. Returns false where there is
    /// none.
    pub async fn decline_share(
        &self,
        caller: &Caller<SharingWrite>,
        grantor: Uuid,
        act: &Act,
    ) -> Result<bool> {
        self.end_share(grantor, caller.user.id, act).await
    }

    /// The share by which one user lets another in.
    pub(crate) async fn share_of(&self, grantor: Uuid, grantee: Uuid) -> Result<Option<Share>> {
        self.get(&Key::shared(grantee, grantor), Freshness::Strong).await
    }

    /// The user of that id whose account may be used, with the share by which they let the caller
    /// in, if there is one.
    pub async fn delegating(
        &self,
        caller: &Caller<SignedIn>,
        id: Uuid,
    ) -> Result<Option<(User, Option<Share>)>> {
        let (user, share) = futures::try_join!(
            self.user(id, Freshness::Strong),
            self.share_of(id, caller.user.id)
        )?;
        Ok(user
            .filter(|user| matches!(user.status, Status::Active | Status::Invited))
            .map(|user| (user, share)))
    }
}

impl Sealed<Option<User>> {
    /// Opens the user to administrators of their team, and to platform operators; to anyone else
    /// there is none.
    pub fn open_for_admin<R: OnMembers>(self, caller: &Caller<R>) -> Option<User> {
        self.into_inner().filter(|user| caller.administers(user.team_id).is_ok())
    }

    /// Opens the user to who manages it; to anyone else there is none.
    pub fn open_for_manager<R: OnManagedUsers>(self, manager: &Caller<R>) -> Option<User> {
        self.into_inner().filter(|user| user.manager_id == Some(manager.user.id))
    }
}

impl Sealed<Vec<ManagedUser>> {
    /// Opens the list to who manages them.
    pub fn open(self, _: &Caller<ManagedUsersRead>) -> Vec<ManagedUser> {
        self.into_inner()
    }
}

impl Sealed<Vec<Share>> {
    /// Opens the list to who is let in.
    pub fn open(self, _: &Caller<ManagedUsersRead>) -> Vec<Share> {
        self.into_inner()
    }
}
