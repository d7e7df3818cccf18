//! Erasing a user with everything of theirs. Cut off anywhere, it can be run again; nothing of the
//! user is left but their history, reduced to ids.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::accounts::neutral_names;
use super::transaction::back_off;
use super::users::CHANGE_ATTEMPTS;
use super::{Act, Freshness, Refusal, Store, WriteError, decode, encode, failed, if_met};
use crate::Response;
use crate::error::{Error, Result};
use crate::models::{
    Invite, InviteStatus, SandboxRecord, SandboxStatus, Share, Status, Team, User,
};
use crate::table::{ERASURE, Item, Key, prefix};
use crate::time::Timestamp;

/// In a team of more users than this, no erasure can be that of the last one: so many do not run at
/// one time.
const SMALL_TEAM: u64 = 64;

/// The number of items held at one time, where a query's limit of 1 MB does not make them fewer.
pub(super) const PAGE: usize = 250;

/// The most pages of an erasure that a request waits for: the purge does the rest.
const PAGES_OF_A_REQUEST: u32 = 20;

/// The part of an erasure that comes after those of the histories.
const TEAM_PART: usize = 2;

/// The outcome of an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure {
    /// The user is erased.
    Done,
    /// Someone else erased the user, or changed them so that they stay.
    NotOurs,
    /// The user is marked, and so much is theirs that the purge has to go on.
    Unfinished,
}

/// The part of an erasure that may be done before others have their turn: so many pages of items.
#[derive(Debug)]
pub(super) struct Turn {
    pages: AtomicU32,
    /// True for the purge's, which may come back to the user: a request does not wait until all
    /// users of a team have its new name.
    is_purge: bool,
}

impl Turn {
    /// So many pages of a purge.
    pub(super) fn of(pages: u32) -> Self {
        Self { pages: AtomicU32::new(pages), is_purge: true }
    }

    /// So many pages of a request.
    fn of_request(pages: u32) -> Self {
        Self { pages: AtomicU32::new(pages), is_purge: false }
    }

    /// As many pages as there are.
    fn unlimited() -> Self {
        Self::of(u32::MAX)
    }

    /// Counts a page that follows on another.
    ///
    /// # Errors
    /// Refused as `TurnOver`.
    pub(super) fn take(&self, follows: bool) -> Result<(), WriteError> {
        let taken = self.pages.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(u32::from(follows))
        });
        taken.map(|_| ()).map_err(|_| WriteError::Refused(Refusal::TurnOver))
    }
}

/// The progress of an erasure that has much to do.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The user's version by then: one that was written since is looked at anew.
    version: u64,
    /// The part that is being done.
    part: usize,
    /// The sort key of the last item of it that is done.
    after: String,
}

impl Store {
    /// Erases a user and everything of theirs, also where others write the user meanwhile: not
    /// where someone else came first, nor where `still` no longer holds of the user.
    ///
    /// The user is marked first, as deleted and due by now: from then on nothing is added to what
    /// is theirs, nobody restores it, and what was cut off is due at once. So is what takes longer
    /// than a request waits.
    pub async fn erase(
        &self,
        user: User,
        still: impl Fn(&User) -> bool + Sync,
        act: &Act,
    ) -> Result<Erasure> {
        self.erase_in(user, &still, act, &Turn::of_request(PAGES_OF_A_REQUEST)).await
    }

    /// The same within a turn.
    pub(super) async fn erase_in(
        &self,
        mut user: User,
        still: &(dyn Fn(&User) -> bool + Sync),
        act: &Act,
        turn: &Turn,
    ) -> Result<Erasure> {
        for attempt in 0..CHANGE_ATTEMPTS {
            back_off(attempt).await;
            let erased = match self.mark_due(&user, act).await {
                // Apart, as it is large.
                Ok(marked) => Box::pin(self.erase_marked(&marked, act, turn)).await,
                Err(error) => Err(error),
            };
            match erased {
                Err(WriteError::Refused(Refusal::TurnOver)) => return Ok(Erasure::Unfinished),
                Err(WriteError::Refused(Refusal::Changed)) => {
                    match self.user(user.id, Freshness::Strong).await? {
                        Some(present) if still(&present) => user = present,
                        _ => return Ok(Erasure::NotOurs),
                    }
                }
                outcome => return Ok(outcome.map(|()| Erasure::Done)?),
            }
        }
        // Many who leave one team at one time get in each other's way.
        if turn.is_purge {
            Ok(Erasure::Unfinished)
        } else {
            Err(Error::Unavailable("the user kept changing".into()))
        }
    }

    async fn mark_due(&self, user: &User, act: &Act) -> Result<User, WriteError> {
        if user.status == Status::Deleted
            && user.delete_scheduled_at.is_some_and(|due| due <= act.at)
        {
            return Ok(user.clone());
        }
        let marked = marked_due(user, act);
        let act = act.part("user.deleted");
        Ok(self.update_user(user, marked, &act, &|_| Ok(()), &|_| Response::default()).await?.0)
    }

    /// Erases a user who is marked. What is theirs goes first and the user last, in one transaction
    /// with the unique values and the counts.
    ///
    /// # Errors
    /// Refused as `Changed` where someone else wrote the user since it was read; as `TurnOver`
    /// where there is more to do.
    async fn erase_marked(&self, user: &User, act: &Act, turn: &Turn) -> Result<(), WriteError> {
        let progress = self.clear_partition_in(user, act, turn).await?;
        let progress =
            progress.filter(|progress| progress.version == user.version).unwrap_or_default();
        for (part, history) in
            [Some(user.id), user.invited_as].into_iter().enumerate().skip(progress.part)
        {
            let Some(history) = history else { continue };
            let done =
                Some(&progress.after).filter(|after| part == progress.part && !after.is_empty());
            let mut start =
                done.map(|sk| Key { sk: sk.clone(), ..Key::audit(history, Uuid::nil()) }.item());
            loop {
                start = self.reduce_page(history, start).await?;
                let Some(last) = start.as_ref().and_then(Key::of) else { break };
                self.keep_progress(user, part, &last.sk).await?;
                turn.take(true)?;
            }
        }
        self.delete_addresses(user.id).await?;
        let mut transaction = self.transaction();
        transaction.delete_version(&Key::user(user.id), user.version)?;
        for key in Key::unique_values(user).into_iter().chain(Key::names(user)) {
            transaction.delete(&key)?;
        }
        if let Some(manager) = user.manager_id {
            transaction.delete(&Key::managed(manager, user.id))?;
        }
        let mut waits = false;
        if let Some(invite) = user.invite_id {
            let key = Key::invite(user.team_id, invite);
            let pending = InviteStatus::Pending;
            waits = self
                .get::<Invite>(&key, Freshness::Strong)
                .await?
                .is_some_and(|invite| invite.status == pending);
            if waits {
                transaction.delete_if(&key, "status", pending.as_str())?
            } else {
                transaction.delete(&key)?
            }
        }
        let count = Key::count(user.team_id, user.id);
        let (team, read) = self.team_after(user).await?;
        if let Some(read) = read.filter(|_| !matches!(team, TeamAfter::Gone)) {
            let after = Some(progress.after).filter(|_| progress.part == TEAM_PART);
            self.rename_team(user, &read, after, turn).await?;
        }
        if !matches!(team, TeamAfter::Gone) {
            if waits {
                transaction.add(&Key::invite_count(user.team_id), &[("pending", -1)])?;
            }
            if user.manager_id.is_some() {
                transaction.add(&Key::managed_count(user.team_id), &[("managed", -1)])?;
            }
        }
        match team {
            TeamAfter::Gone => {
                // Who was counted is this one only if they are there still: after another erasure
                // of theirs it is who stays.
                if self
                    .user(user.id, Freshness::Strong)
                    .await?
                    .is_none_or(|present| present.version != user.version)
                {
                    return Err(WriteError::Refused(Refusal::Changed));
                }
                self.clear_team(user.team_id, &count, turn).await?;
                transaction.delete(&Key::team(user.team_id))?;
                transaction.delete(&count)?;
            }
            TeamAfter::Small { departures } => {
                transaction.add(&count, &[(user.class().code().as_str(), -1)])?;
                // Two who leave at one time must not each take the other for one who stays.
                let team = Key::team(user.team_id);
                match departures {
                    0 => transaction.add_if(
                        &team,
                        &[("departures", 1)],
                        "attribute_not_exists(departures)",
                        &[],
                        Refusal::Changed,
                    )?,
                    n => transaction.add_if(
                        &team,
                        &[("departures", 1)],
                        "departures = :n",
                        &[(":n", n)],
                        Refusal::Changed,
                    )?,
                }
            }
            TeamAfter::Stays => transaction.add(&count, &[(user.class().code().as_str(), -1)])?,
        }
        self.record(&mut transaction, user.id, act, Some(user), None)?;
        self.commit(transaction).await
    }

    /// Gives the team that was named after a user a name of its own, and its other users that copy
    /// of it.
    async fn rename_team(
        &self,
        user: &User,
        team: &Team,
        after: Option<String>,
        turn: &Turn,
    ) -> Result<(), WriteError> {
        let names = neutral_names(team.id, &team.slug).filter(|_| team.owner_user_id == user.id);
        let Some((name, slug)) = names else { return Ok(()) };
        if !turn.is_purge {
            return Err(WriteError::Refused(Refusal::TurnOver));
        }
        if team.name != name {
            let renamed = Team { name: name.clone(), slug, ..team.clone() };
            let key = Key::team(team.id);
            let mut transaction = self.transaction();
            transaction.update(
                &key,
                ("name", AttributeValue::S(team.name.clone())),
                &encode(&key, team)?,
                &encode(&key, &renamed)?,
            )?;
            self.commit(transaction).await?;
        }
        let mut number = after.unwrap_or_default();
        loop {
            let (users, last) = self.numbered_keys(team.id, &number, PAGE).await?;
            let renames = users
                .into_iter()
                .filter(|id| *id != user.id)
                .map(|id| self.copy_team_name(id, team.id, &name));
            futures::stream::iter(renames.collect::<Vec<_>>())
                .buffer_unordered(8)
                .try_collect::<()>()
                .await?;
            let Some(last) = last else { return Ok(()) };
            self.keep_progress(user, TEAM_PART, &last).await?;
            number = last;
            turn.take(true)?;
        }
    }

    /// Gives a user that copy of the team's name. It is no change of theirs.
    async fn copy_team_name(&self, user: Uuid, team: Uuid, name: &str) -> Result<()> {
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::user(user).item()))
            .update_expression("SET team_name = :name")
            .condition_expression("team_id = :team AND team_name <> :name")
            .expression_attribute_values(":name", AttributeValue::S(name.to_owned()))
            .expression_attribute_values(":team", AttributeValue::S(team.to_string()))
            .send()
            .await;
        if_met(outcome)
    }

    /// Notes how far the erasure of a user has got. It is no change of theirs.
    async fn keep_progress(&self, user: &User, part: usize, last: &str) -> Result<(), WriteError> {
        let progress = Progress { version: user.version, part, after: last.to_owned() };
        let progress = AttributeValue::M(serde_dynamo::to_item(progress).map_err(Error::internal)?);
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::user(user.id).item()))
            .update_expression("SET #erasure = :progress")
            .condition_expression("version = :version")
            .expression_attribute_names("#erasure", ERASURE)
            .expression_attribute_values(":progress", progress)
            .expression_attribute_values(":version", AttributeValue::N(user.version.to_string()))
            .send()
            .await;
        match outcome {
            Ok(_) => Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Err(WriteError::Refused(Refusal::Changed))
            }
            Err(error) => Err(failed(error).into()),
        }
    }

    /// Erases a user whom another manages, by the line of the manager's list.
    async fn erase_managed(
        &self,
        manager: &User,
        line: &Item,
        act: &Act,
        turn: &Turn,
    ) -> Result<(), WriteError> {
        let Some(id) = line.get("id").and_then(|id| id.as_s().ok()?.parse::<Uuid>().ok()) else {
            return Ok(());
        };
        let is_managed = |user: &User| user.manager_id == Some(manager.id);
        let Some(user) = self.user(id, Freshness::Strong).await?.filter(is_managed) else {
            return Ok(());
        };
        match Box::pin(self.erase_in(user, &is_managed, &act.part("user.erased"), turn)).await? {
            Erasure::Unfinished => Err(WriteError::Refused(Refusal::TurnOver)),
            Erasure::Done | Erasure::NotOurs => Ok(()),
        }
    }

    /// Deletes all that stands in a user's partition but the user, each with its other half
    /// elsewhere; managed users with all of theirs.
    pub(super) async fn clear_partition(&self, user: &User, act: &Act) -> Result<()> {
        self.clear_partition_in(user, act, &Turn::unlimited()).await?;
        Ok(())
    }

    /// The same within a turn, a page at a time. Gives how far an erasure of the user has got.
    async fn clear_partition_in(
        &self,
        user: &User,
        act: &Act,
        turn: &Turn,
    ) -> Result<Option<Progress>, WriteError> {
        let partition = Key::user(user.id);
        let count = Key::own_sandbox_count(user.id);
        let mut is_counted = false;
        let mut progress = None;
        let mut start = None;
        loop {
            turn.take(start.is_some())?;
            let (mut items, next) = self.page_of(&partition, "", PAGE, start).await?;
            // The count goes last: what is not done yet is counted still.
            let before = items.len();
            items.retain(|item| Key::of(item).is_none_or(|key| key != count));
            is_counted |= items.len() < before;
            progress = self.clear_page(user, items, act, turn).await?.or(progress);
            start = next;
            if start.is_none() {
                break;
            }
        }
        if is_counted {
            self.write_batch(Vec::new(), vec![count]).await?;
        }
        Ok(progress)
    }

    async fn clear_page(
        &self,
        user: &User,
        items: Vec<Item>,
        act: &Act,
        turn: &Turn,
    ) -> Result<Option<Progress>, WriteError> {
        let mut keys: Vec<Key> = Vec::new();
        let mut shares: Vec<Share> = Vec::new();
        let mut progress = None;
        for item in items {
            let Some(key) = Key::of(&item) else { continue };
            if key == Key::user(user.id) {
                let noted = item.get(ERASURE).and_then(|noted| noted.as_m().ok()).cloned();
                progress = noted.map(decode).transpose()?;
                continue;
            }
            if key.sk.starts_with(prefix::MANAGED) {
                // Each takes as long as a page does.
                turn.take(true)?;
                self.erase_managed(user, &item, act, turn).await?;
            }
            if key.sk.starts_with(prefix::SANDBOX)
                && self.release_sandbox(user, &key, &item).await?
            {
                continue;
            }
            if let Some(share) = share_at(&key, &item) {
                shares.push(share);
                continue;
            }
            // The other half goes first: it cannot be found without the one here.
            if let Some(other) = secret_of(&item) {
                keys.push(other);
            }
            keys.push(key);
        }
        let releases = shares.iter().map(|share| self.release_share(user.id, share));
        futures::stream::iter(releases.collect::<Vec<_>>())
            .buffer_unordered(8)
            .try_collect::<()>()
            .await?;
        let (here, elsewhere): (Vec<Key>, Vec<Key>) =
            keys.into_iter().partition(|key| key.pk == Key::user(user.id).pk);
        self.write_batch(Vec::new(), elsewhere).await?;
        self.write_batch(Vec::new(), here).await?;
        Ok(progress)
    }

    /// Deletes a sandbox that counts against the team's limit, and the count with it. Says whether
    /// it counted.
    async fn release_sandbox(&self, user: &User, key: &Key, item: &Item) -> Result<bool> {
        let record: SandboxRecord = decode(item.clone())?;
        if record.sandbox.status == SandboxStatus::Destroyed {
            return Ok(false);
        }
        // The word that is stored, which may be that of an earlier version.
        let status =
            item.get("status").and_then(|status| status.as_s().ok()).map_or("", String::as_str);
        let mut transaction = self.transaction();
        transaction.delete_if(key, "status", status)?;
        transaction.add(&Key::sandbox_count(user.team_id), &[("sandboxes", -1)])?;
        let reserved = i64::try_from(record.reserved_mb_ms).unwrap_or(i64::MAX);
        transaction.add(
            &Key::own_sandbox_count(user.id),
            &[("sandboxes", -1), ("reserved_mb_ms", -reserved)],
        )?;
        match self.commit(transaction).await {
            // It was deleted or destroyed meanwhile.
            Err(WriteError::Refused(Refusal::Changed)) => Ok(false),
            outcome => Ok(outcome.map(|()| true)?),
        }
    }

    /// What becomes of the team when this user, still counted, is gone.
    async fn team_after(&self, user: &User) -> Result<(TeamAfter, Option<Team>)> {
        // The departures first: who leaves after they were read is noticed.
        let read: Option<LeftTeam> = self.get(&Key::team(user.team_id), Freshness::Strong).await?;
        let Some(LeftTeam { departures, team }) = read else { return Ok((TeamAfter::Stays, None)) };
        let users = self.team_size(user.team_id, Freshness::Strong).await?;
        let after = match users {
            0 | 1 => TeamAfter::Gone,
            _ if users <= SMALL_TEAM => TeamAfter::Small { departures },
            _ => TeamAfter::Stays,
        };
        Ok((after, Some(team)))
    }

    /// Deletes all that a team has but the team itself and the count of its one user: these go with
    /// the user, and tell until then that there is one.
    async fn clear_team(&self, team: Uuid, count: &Key, turn: &Turn) -> Result<(), WriteError> {
        let mut start = None;
        loop {
            turn.take(start.is_some())?;
            let (items, next) = self.page_of(&Key::team(team), "", PAGE, start).await?;
            let keys = items
                .iter()
                .filter_map(Key::of)
                .filter(|key| *key != Key::team(team) && key != count);
            self.write_batch(Vec::new(), keys.collect()).await?;
            start = next;
            if start.is_none() {
                return Ok(());
            }
        }
    }
}

/// What becomes of a team when a user leaves.
#[derive(Debug)]
enum TeamAfter {
    /// It has nobody else: it goes too.
    Gone,
    /// It has others, who may be leaving as well.
    Small {
        /// How many left so far, as long as the team was small.
        departures: i64,
    },
    /// It has many others.
    Stays,
}

#[derive(Deserialize)]
struct LeftTeam {
    #[serde(default)]
    departures: i64,
    #[serde(flatten)]
    team: Team,
}

/// A user who is to be erased, marked so.
pub(super) fn marked_due(user: &User, act: &Act) -> User {
    let earlier = |at: Option<Timestamp>| at.filter(|at| *at <= act.at).or(Some(act.at));
    User {
        status: Status::Deleted,
        soft_deleted_at: earlier(user.soft_deleted_at),
        delete_scheduled_at: earlier(user.delete_scheduled_at),
        deleted_by: user.deleted_by.or(act.actor_id),
        ..user.clone()
    }
}

/// The share that an item of a user's partition is, from either side.
fn share_at(key: &Key, item: &Item) -> Option<Share> {
    let is_share = [prefix::SHARED, prefix::GRANT].iter().any(|prefix| key.sk.starts_with(prefix));
    is_share.then(|| serde_dynamo::from_item(item.clone()).ok()).flatten()
}

/// The item by which authentication finds the API key that an item of a user's partition is.
fn secret_of(item: &Item) -> Option<Key> {
    item.get("sha256").and_then(|hash| hash.as_s().ok()).map(|hash| Key::api_key_secret(hash))
}
