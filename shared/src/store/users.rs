//! The life of a user record: each write keeps the unique values, the counters and the manager's
//! list in step.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use uuid::Uuid;

use super::transaction::back_off;
use super::{Act, Freshness, Holder, Refusal, Store, Transaction, WriteError, encode, if_met};
use crate::Response;
use crate::auth::{MembersRead, MembersWrite, TeamAccess};
use crate::error::{Error, Result};
use crate::models::{ListedUser, ManagedUser, Seen, Status, Team, User};
use crate::table::{Item, Key, ROW, last_seen_attribute, user_attributes};

/// Seconds for which a sighting stands before the next one is noted.
pub const SEEN_EVERY: i64 = 600;

/// How often a change that others get in the way of is tried.
pub(super) const CHANGE_ATTEMPTS: u32 = 8;

/// The most keys that are revoked together: a transaction takes 100 writes, and a key is two.
pub(super) const MOST_KEYS: usize = 40;

/// What else is to be written with a change. A reference, and so are the others: a change would
/// otherwise be compiled anew for each caller.
pub(crate) type Also<'a> = &'a (dyn Fn(&mut Transaction) -> Result<()> + Sync);

/// The answer that shows a user.
pub type Answer<'a> = &'a (dyn Fn(&User) -> Response + Sync);

/// Whether a user may be changed.
pub type May<'a> = &'a (dyn Fn(&User) -> Result<()> + Sync);

impl Store {
    /// The user of that id, whoever asks: for authentication, and for checks that follow at once.
    pub(crate) async fn user(&self, id: Uuid, freshness: Freshness) -> Result<Option<User>> {
        self.get(&Key::user(id), freshness).await
    }

    /// The user of that id, if the caller's team has it.
    pub async fn user_in_team(
        &self,
        access: &TeamAccess<MembersRead>,
        id: Uuid,
    ) -> Result<Option<User>> {
        Ok(self.user(id, Freshness::Strong).await?.filter(|user| user.team_id == access.team_id()))
    }

    /// Adds to a transaction all that makes a user: the record, its unique values and names, its
    /// counts, its place in the manager's list, the first entry of its history.
    pub(crate) fn add_user(
        &self,
        transaction: &mut Transaction,
        user: &User,
        act: &Act,
    ) -> Result<()> {
        transaction.create(user_item(user)?, Refusal::UserExists)?;
        self.claim_values(transaction, user, &[])?;
        self.list_names(transaction, None, Some(user))?;
        transaction
            .add(&Key::count(user.team_id, user.id), &[(user.class().code().as_str(), 1)])?;
        self.list_managed(transaction, user)?;
        self.record(transaction, user.id, act, None, Some(user))
    }

    /// Makes a user in a team that exists, with what else is to be written in the same transaction.
    ///
    /// # Errors
    /// Refused as `EmailTaken` or `UsernameTaken`; `MissingPermission` for an administrator whom
    /// the credential may not make.
    pub(crate) async fn create_user_with(
        &self,
        user: &User,
        act: &Act,
        also: Also<'_>,
        answer: Answer<'_>,
    ) -> Result<Response, WriteError> {
        act.limits.admit(None, user)?;
        let mut transaction = self.transaction();
        self.add_user(&mut transaction, user, act)?;
        transaction.count_admins(None, Some(user), false)?;
        also(&mut transaction)?;
        let answer = answer(user);
        self.commit_answered(transaction, act, &answer).await?;
        Ok(answer)
    }

    /// Makes a user in a team that the caller administers, under the team's next number.
    ///
    /// # Errors
    /// Refused as `EmailTaken` or `UsernameTaken`.
    pub async fn create_user(
        &self,
        access: &TeamAccess<MembersWrite>,
        user: User,
        act: &Act,
        answer: Answer<'_>,
    ) -> Result<Response, WriteError> {
        // A refused request takes no number.
        act.limits.admit(None, &user)?;
        let user = User {
            team_id: access.team_id(),
            number: self.next_number(access.team_id()).await?,
            ..user
        };
        self.create_user_with(&user, act, &|_| Ok(()), answer).await
    }

    /// Turns a user as it was read into what it has become, and writes what else goes with it.
    ///
    /// # Errors
    /// Refused as `Changed` where someone else wrote it since, as `…Taken` where a new unique value
    /// is another's, as `LastAdmin`; `MissingPermission` or `Forbidden` where the credential may
    /// not make this change.
    pub(crate) async fn update_user(
        &self,
        before: &User,
        mut after: User,
        act: &Act,
        also: Also<'_>,
        answer: Answer<'_>,
    ) -> Result<(User, Response), WriteError> {
        act.limits.admit(Some(before), &after)?;
        after.version = before.version + 1;
        after.updated_at = act.at;
        let mut transaction = self.transaction();
        let version = ("version", AttributeValue::N(before.version.to_string()));
        transaction.update(
            &Key::user(after.id),
            version,
            &user_item(before)?,
            &user_item(&after)?,
        )?;
        let held = Key::unique_values(before);
        self.claim_values(&mut transaction, &after, &held)?;
        let kept = Key::unique_values(&after);
        for key in held.iter().filter(|key| !kept.contains(key)) {
            transaction.delete(key)?;
        }
        self.list_names(&mut transaction, Some(before), Some(&after))?;
        if before.class() != after.class() {
            let (from, to) = (before.class().code(), after.class().code());
            transaction.add(
                &Key::count(after.team_id, after.id),
                &[(from.as_str(), -1), (to.as_str(), 1)],
            )?;
        }
        transaction.count_admins(Some(before), Some(&after), act.keeps_admin)?;
        if ManagedUser::from(before) != ManagedUser::from(&after) {
            self.list_managed(&mut transaction, &after)?;
        }
        self.record(&mut transaction, after.id, act, Some(before), Some(&after))?;
        also(&mut transaction)?;
        let answer = answer(&after);
        self.commit_answered(transaction, act, &answer).await?;
        Ok((after, answer))
    }

    /// Changes a user, starting from what was read; where someone else wrote it since, from what
    /// they left. Nothing is written where nothing changes.
    ///
    /// # Errors
    /// What `change` gives; `Conflict` where a new unique value is another's.
    pub async fn change_user(
        &self,
        user: User,
        change: &(dyn Fn(&User) -> Result<User> + Sync),
        act: &Act,
        answer: Answer<'_>,
    ) -> Result<Response> {
        let change = |user: &User| change(user).map(|changed| unless_same(user, changed));
        self.change_with(user, &change, act, &|_| Ok(()), answer).await
    }

    /// The same, with what else is to be written in the same transaction. Nothing is written where
    /// `change` gives nothing.
    pub(crate) async fn change_with(
        &self,
        mut user: User,
        change: &(dyn Fn(&User) -> Result<Option<User>> + Sync),
        act: &Act,
        also: Also<'_>,
        answer: Answer<'_>,
    ) -> Result<Response> {
        for attempt in 0..CHANGE_ATTEMPTS {
            let Some(changed) = change(&user)? else { return Ok(answer(&user)) };
            // A key that was made beside a soft delete, by a process that ended before it saw that,
            // shall not come back with its owner.
            let is_restored = user.status == Status::Deleted && changed.status != Status::Deleted;
            let mut keys = if is_restored { self.working_keys(user.id).await? } else { Vec::new() };
            keys.truncate(MOST_KEYS);
            let also = |transaction: &mut Transaction| {
                self.revoke_all(transaction, user.id, &keys, act.at)?;
                also(transaction)
            };
            match self.update_user(&user, changed, act, &also, answer).await {
                Err(WriteError::Refused(Refusal::Changed)) => {
                    // Many who change a user at once would else get in each other's way again.
                    back_off(attempt + 1).await;
                    user = self.again(user.id).await?;
                }
                outcome => return Ok(outcome?.1),
            }
        }
        Err(Error::Unavailable("the user kept changing".into()))
    }

    /// A user who was read before, as it is now.
    pub(crate) async fn again(&self, id: Uuid) -> Result<User> {
        self.user(id, Freshness::Strong)
            .await?
            .ok_or_else(|| Error::NotFound("The user was deleted meanwhile.".into()))
    }

    /// Makes a user a platform operator, or one no more: for who has the table itself, as no
    /// endpoint does it.
    ///
    /// # Errors
    /// `AccountNotFound`; `Conflict` for someone who was invited and has not signed up: whoever
    /// proves the invited email would get the rights.
    pub async fn set_operator(&self, id: Uuid, is_operator: bool, act: &Act) -> Result<()> {
        let user = self.user(id, Freshness::Strong).await?.ok_or(Error::AccountNotFound)?;
        let change = |user: &User| match user.status {
            Status::Invited if is_operator => Err(Error::Conflict(
                "This user has not signed up yet. Wait until they have.".into(),
            )),
            _ => Ok(User { is_operator, ..user.clone() }),
        };
        self.change_user(user, &change, act, &|_| Response::default()).await.map(|_| ())
    }

    /// Changes a user's quota tier, and that of the team where it is the user's own. `may` says
    /// whether the user as they are by then may be changed.
    pub async fn change_quota(
        &self,
        user: User,
        team: &Team,
        quota_tier_id: &str,
        may: May<'_>,
        act: &Act,
        answer: Answer<'_>,
    ) -> Result<Response> {
        let own_team = Some(team).filter(|team| team.owner_user_id == user.id);
        let team_differs = own_team.is_some_and(|team| team.quota_tier_id != quota_tier_id);
        let read = user.quota_tier_id.clone();
        let change = |user: &User| {
            may(user)?;
            // Whoever changed the user's tier since it was read changed the team's too.
            let differs =
                user.quota_tier_id != quota_tier_id || (team_differs && user.quota_tier_id == read);
            Ok(differs.then(|| User { quota_tier_id: quota_tier_id.to_owned(), ..user.clone() }))
        };
        let also = |transaction: &mut Transaction| match own_team {
            Some(team) => {
                let key = Key::team(team.id);
                let changed = Team {
                    quota_tier_id: quota_tier_id.to_owned(),
                    updated_at: act.at,
                    ..team.clone()
                };
                let owner = ("owner_user_id", AttributeValue::S(team.owner_user_id.to_string()));
                transaction.update(&key, owner, &encode(&key, team)?, &encode(&key, &changed)?)
            }
            None => Ok(()),
        };
        self.change_with(user, &change, act, &also, answer).await
    }

    /// Soft-deletes a user: refused from now on, their API keys revoked, and erased `grace_days`
    /// from now. `may` says whether the user as they are by then may be deleted.
    pub async fn soft_delete(
        &self,
        mut user: User,
        grace_days: u32,
        may: May<'_>,
        act: &Act,
        answer: Answer<'_>,
    ) -> Result<Response> {
        for attempt in 0..CHANGE_ATTEMPTS {
            may(&user)?;
            act.may_remove(&user)?;
            let mut keys = self.working_keys(user.id).await?;
            let with_the_user = keys.split_off(keys.len().saturating_sub(MOST_KEYS));
            // These end before it is known whether the user may go: the last administrator keeps
            // theirs.
            if !keys.is_empty()
                && act.keeps_admin
                && user.governs()
                && self.administrators(user.team_id).await? <= 1
            {
                return Err(WriteError::Refused(Refusal::LastAdmin).into());
            }
            for keys in keys.chunks(MOST_KEYS) {
                let mut transaction = self.transaction();
                self.revoke_all(&mut transaction, user.id, keys, act.at)?;
                match self.commit(transaction).await {
                    // Someone rotated or revoked one meanwhile: it is read again.
                    Ok(()) | Err(WriteError::Refused(Refusal::Changed)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let deleted = User {
                status: Status::Deleted,
                soft_deleted_at: Some(act.at),
                delete_scheduled_at: Some(act.at.plus_seconds(86_400 * i64::from(grace_days))),
                deleted_by: act.actor_id,
                deleted_from: Some(user.status),
                ..user.clone()
            };
            let also = |transaction: &mut Transaction| {
                self.revoke_all(transaction, user.id, &with_the_user, act.at)
            };
            match self.update_user(&user, deleted, act, &also, answer).await {
                Err(WriteError::Refused(Refusal::Changed)) => {
                    back_off(attempt + 1).await;
                    user = self.again(user.id).await?;
                }
                outcome => {
                    let (user, answer) = outcome?;
                    // A key that was made while the others were read: none is made any more.
                    let late = self.working_keys(user.id).await?;
                    for keys in late.chunks(MOST_KEYS) {
                        let mut transaction = self.transaction();
                        self.revoke_all(&mut transaction, user.id, keys, act.at)?;
                        self.commit(transaction).await?;
                    }
                    return Ok(answer);
                }
            }
        }
        Err(Error::Unavailable("the user kept changing".into()))
    }

    /// Returns how many people administer a team, active ones.
    pub async fn administrators(&self, team: Uuid) -> Result<u64> {
        #[derive(serde::Deserialize)]
        struct Counted {
            #[serde(default)]
            admins: u64,
        }
        Ok(self
            .get::<Counted>(&Key::team(team), Freshness::Strong)
            .await?
            .map_or(0, |team| team.admins))
    }

    /// Notes that a user was seen, unless that was noted in the ten minutes before. It is no
    /// change: the version stays.
    pub async fn note_seen(&self, user: &User, seen: &Seen) -> Result<()> {
        let (sort_attribute, sort_key) =
            last_seen_attribute(&User { last_seen: Some(seen.clone()), ..user.clone() });
        let seen_item = AttributeValue::M(serde_dynamo::to_item(seen).map_err(Error::internal)?);
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::user(user.id).item()))
            .update_expression("SET last_seen = :seen, #sort = :sort, first_seen = if_not_exists(first_seen, :seen)")
            .condition_expression("attribute_exists(pk) AND (attribute_not_exists(last_seen) OR last_seen.#at < :cutoff)")
            .expression_attribute_names("#sort", sort_attribute)
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":seen", seen_item)
            .expression_attribute_values(":sort", AttributeValue::S(sort_key))
            .expression_attribute_values(":cutoff", AttributeValue::N(seen.at.plus_seconds(-SEEN_EVERY).as_second().to_string()))
            .send()
            .await;
        if_met(outcome)
    }

    /// Writes many new users at once, which nobody may hold the unique values of: for loading.
    /// Counts are added once a shard.
    pub async fn load_users(&self, users: &[User]) -> Result<(), WriteError> {
        self.load_with(users, None).await
    }

    /// The same, with the entry that begins each user's history.
    pub(super) async fn load_with(
        &self,
        users: &[User],
        act: Option<&Act>,
    ) -> Result<(), WriteError> {
        let mut transaction = self.transaction();
        let mut counts: BTreeMap<Key, BTreeMap<String, i64>> = BTreeMap::new();
        for user in users {
            transaction.create(user_item(user)?, Refusal::UserExists)?;
            self.claim_values(&mut transaction, user, &[])?;
            self.list_names(&mut transaction, None, Some(user))?;
            self.list_managed(&mut transaction, user)?;
            if let Some(act) = act {
                // The record itself tells what was imported.
                self.record_changes(&mut transaction, user.id, act, BTreeMap::new())?;
            }
            let mut count = |key, attribute: &str, amount| {
                if amount != 0 {
                    *counts.entry(key).or_default().entry(attribute.to_owned()).or_default() +=
                        amount;
                }
            };
            count(Key::count(user.team_id, user.id), &user.class().code(), 1);
            count(
                Key::managed_count(user.team_id),
                "managed",
                i64::from(user.manager_id.is_some()),
            );
            count(Key::team(user.team_id), "admins", i64::from(user.governs()));
            count(Key::team(user.team_id), "service_admins", i64::from(user.is_service_admin()));
        }
        for (key, amounts) in counts {
            let amounts: Vec<_> =
                amounts.iter().map(|(attribute, amount)| (attribute.as_str(), *amount)).collect();
            transaction.add(&key, &amounts)?;
        }
        self.commit(transaction).await
    }

    /// Claims each unique value of the user that is not held already.
    pub(super) fn claim_values(
        &self,
        transaction: &mut Transaction,
        user: &User,
        held: &[Key],
    ) -> Result<()> {
        for key in Key::unique_values(user).into_iter().filter(|key| !held.contains(key)) {
            let refusal = match key.pk.split('#').next() {
                Some("EMAIL") => Refusal::EmailTaken,
                Some("USERNAME") => Refusal::UsernameTaken,
                Some("SCIM") => Refusal::ScimIdTaken,
                _ => Refusal::NumberTaken,
            };
            let mut item = encode(&key, &Holder { user_id: user.id })?;
            if refusal == Refusal::EmailTaken {
                item.extend(listed_item(user)?);
            }
            transaction.create(item, refusal)?;
        }
        Ok(())
    }

    /// Keeps the user's names, and what stands under the email that is kept, as they are after a
    /// change: operators find users there.
    pub(super) fn list_names(
        &self,
        transaction: &mut Transaction,
        before: Option<&User>,
        after: Option<&User>,
    ) -> Result<()> {
        let names = after.map(Key::names).unwrap_or_default();
        for key in
            before.map(Key::names).unwrap_or_default().iter().filter(|key| !names.contains(key))
        {
            transaction.delete(key)?;
        }
        let Some(after) = after else { return Ok(()) };
        let listed = listed_item(after)?;
        let put = |transaction: &mut Transaction, key: Key, mut item: Item| {
            item.extend(key.item());
            item.extend(listed.clone());
            transaction.put(item)
        };
        for key in names {
            put(transaction, key, Item::new())?;
        }
        let email = |user: &User| user.email.as_deref().map(Key::email);
        match (before.and_then(email), email(after)) {
            (Some(held), Some(key)) if held == key => put(
                transaction,
                key,
                serde_dynamo::to_item(Holder { user_id: after.id }).map_err(Error::internal)?,
            ),
            _ => Ok(()),
        }
    }

    /// Puts a managed user's names into the manager's list.
    pub(super) fn list_managed(&self, transaction: &mut Transaction, user: &User) -> Result<()> {
        match user.manager_id {
            Some(manager) => {
                transaction.put(encode(&Key::managed(manager, user.id), &ManagedUser::from(user))?)
            }
            None => Ok(()),
        }
    }
}

/// What a user becomes, unless they are that already.
fn unless_same(before: &User, after: User) -> Option<User> {
    (after != *before).then_some(after)
}

fn listed_item(user: &User) -> Result<Item> {
    serde_dynamo::to_item(ListedUser::from(user)).map_err(Error::internal)
}

/// What the workspace's lists show, beside the full name, the id, the class and the team's name.
const ROW_ATTRIBUTES: [&str; 6] =
    ["number", "view_all", "device_user_id", "pub_key", "created_at", "updated_at"];

/// A user as an item, with its place in every index.
pub(super) fn user_item(user: &User) -> Result<Item> {
    let mut item: Item = serde_dynamo::to_item(user).map_err(Error::internal)?;
    let mut row: Item = ROW_ATTRIBUTES
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), item.get(*name)?.clone())))
        .collect();
    row.insert("full_name".to_owned(), AttributeValue::S(user.full_name()));
    item.extend(user_attributes(user));
    item.insert(ROW.to_owned(), AttributeValue::M(row));
    Ok(item)
}
