//! The life of a user record: each write keeps the unique values, the counters and the manager's list in step.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use uuid::Uuid;

use super::{Act, Freshness, From, Holder, Refusal, Store, Transaction, WriteError, encode, if_met};
use crate::auth::TeamAccess;
use crate::error::{Error, Result};
use crate::models::{ManagedUser, Seen, Share, Status, Team, User};
use crate::table::{Item, Key, last_seen_attribute, prefix, user_attributes};

/// Seconds for which a sighting stands before the next one is noted.
pub const SEEN_EVERY: i64 = 600;

/// How often a change that others get in the way of is tried.
pub(super) const CHANGE_ATTEMPTS: usize = 8;

impl Store {
    /// The user of that id, whoever asks: for authentication, and for checks that follow at once.
    pub(crate) async fn user(&self, id: Uuid, freshness: Freshness) -> Result<Option<User>> {
        self.get(&Key::user(id), freshness).await
    }

    /// The user of that id, if the caller's team has it.
    pub async fn user_in_team(&self, access: &TeamAccess, id: Uuid) -> Result<Option<User>> {
        Ok(self.user(id, Freshness::Strong).await?.filter(|user| user.team_id == access.team_id()))
    }

    /// Adds to a transaction all that makes a user: the record, its unique values, its count, its place in the manager's list, the
    /// first entry of its history.
    pub(crate) fn add_user(&self, transaction: &mut Transaction, user: &User, act: &Act) -> Result<()> {
        transaction.create(user_item(user)?, Refusal::UserExists)?;
        self.claim_values(transaction, user, &[])?;
        transaction.add(&Key::count(user.team_id, user.id), [(user.class().attribute().as_str(), 1)])?;
        self.list_managed(transaction, user)?;
        self.record(transaction, user.id, act, None, Some(user))
    }

    /// Turns a user as it was read into what it has become, and writes what else goes with it.
    ///
    /// # Errors
    /// Refused as `Changed` where someone else wrote it since, as `…Taken` where a new unique value is another's.
    async fn update_user(
        &self,
        before: &User,
        mut after: User,
        act: &Act,
        also: impl Fn(&mut Transaction) -> Result<()>,
    ) -> Result<User, WriteError> {
        after.version = before.version + 1;
        after.updated_at = act.at;
        let mut transaction = self.transaction();
        let version = ("version", AttributeValue::N(before.version.to_string()));
        transaction.update(&Key::user(after.id), version, &user_item(before)?, &user_item(&after)?)?;
        let held = Key::unique_values(before);
        self.claim_values(&mut transaction, &after, &held)?;
        let kept = Key::unique_values(&after);
        for key in held.iter().filter(|key| !kept.contains(key)) {
            transaction.delete(key)?;
        }
        if before.class() != after.class() {
            let (from, to) = (before.class().attribute(), after.class().attribute());
            transaction.add(&Key::count(after.team_id, after.id), [(from.as_str(), -1), (to.as_str(), 1)])?;
        }
        if ManagedUser::from(before) != ManagedUser::from(&after) {
            self.list_managed(&mut transaction, &after)?;
        }
        self.record(&mut transaction, after.id, act, Some(before), Some(&after))?;
        also(&mut transaction)?;
        self.commit(transaction).await?;
        Ok(after)
    }

    /// Changes a user, starting from what was read; where someone else wrote it since, from what they left. For changes
    /// that touch no unique value.
    pub async fn change_user(&self, user: User, change: impl Fn(&User) -> User, act: &Act) -> Result<User> {
        self.try_change_user(user, |user| Ok(change(user)), act).await
    }

    /// The same for a change that may not be possible.
    pub async fn try_change_user(&self, user: User, change: impl Fn(&User) -> Result<User>, act: &Act) -> Result<User> {
        let change = |user: &User| change(user).map(|changed| Some(changed).filter(|changed| changed != user));
        self.change_with(user, change, act, |_| Ok(())).await
    }

    /// The same, with what else is to be written in the same transaction. Nothing is written where `change` gives nothing.
    async fn change_with(
        &self,
        mut user: User,
        change: impl Fn(&User) -> Result<Option<User>>,
        act: &Act,
        also: impl Fn(&mut Transaction) -> Result<()>,
    ) -> Result<User> {
        for _ in 0..CHANGE_ATTEMPTS {
            let Some(changed) = change(&user)? else { return Ok(user) };
            match self.update_user(&user, changed, act, &also).await {
                Err(WriteError::Refused(Refusal::Changed)) => {
                    user = self
                        .user(user.id, Freshness::Strong)
                        .await?
                        .ok_or_else(|| Error::NotFound("The user was deleted meanwhile.".into()))?;
                }
                outcome => return Ok(outcome?),
            }
        }
        Err(Error::Unavailable("the user kept changing".into()))
    }

    /// Changes a user's quota tier, and that of the team where it is the user's own.
    pub async fn change_quota(&self, user: User, quota_tier_id: &str, act: &Act) -> Result<User> {
        let team: Option<Team> = self.get(&Key::team(user.team_id), Freshness::Strong).await?;
        let user_id = user.id;
        let own_team = team.filter(|team| team.owner_user_id == user_id);
        let team_differs = own_team.as_ref().is_some_and(|team| team.quota_tier_id != quota_tier_id);
        let change = |user: &User| {
            let differs = team_differs || user.quota_tier_id != quota_tier_id;
            Ok(differs.then(|| User { quota_tier_id: quota_tier_id.to_owned(), ..user.clone() }))
        };
        let also = |transaction: &mut Transaction| match &own_team {
            Some(team) => {
                let key = Key::team(team.id);
                let changed = Team { quota_tier_id: quota_tier_id.to_owned(), updated_at: act.at, ..team.clone() };
                let owner = ("owner_user_id", AttributeValue::S(user_id.to_string()));
                transaction.update(&key, owner, &encode(&key, team)?, &encode(&key, &changed)?)
            }
            None => Ok(()),
        };
        self.change_with(user, change, act, also).await
    }

    /// Notes that a user was seen, unless that was noted in the ten minutes before. It is no change: the version stays.
    pub async fn note_seen(&self, user: &User, seen: &Seen) -> Result<()> {
        let (sort_attribute, sort_key) = last_seen_attribute(&User { last_seen: Some(seen.clone()), ..user.clone() });
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
            .expression_attribute_values(":cutoff", AttributeValue::S(seen.at.plus_seconds(-SEEN_EVERY).to_string()))
            .send()
            .await;
        if_met(outcome)
    }

    /// Erases a user and everything of theirs, also where others write the user meanwhile. Says whether it was this that did:
    /// not where someone else came first, nor where `still` no longer holds of the user.
    ///
    /// The user is marked deleted first: from then on nothing is added to what is theirs, and what was cut off is due at once.
    pub async fn erase(&self, mut user: User, still: impl Fn(&User) -> bool, act: &Act) -> Result<bool> {
        for _ in 0..CHANGE_ATTEMPTS {
            let marked = match user.status {
                Status::Deleted => Ok(user.clone()),
                _ => {
                    let mark =
                        User { status: Status::Deleted, soft_deleted_at: Some(act.at), delete_scheduled_at: Some(act.at), ..user.clone() };
                    self.update_user(&user, mark, &Act { action: "user.deleted", ..act.clone() }, |_| Ok(())).await
                }
            };
            let erased = match marked {
                Ok(marked) => self.erase_user(&marked, act).await,
                Err(error) => Err(error),
            };
            match erased {
                Err(WriteError::Refused(Refusal::Changed)) => match self.user(user.id, Freshness::Strong).await? {
                    Some(present) if still(&present) => user = present,
                    _ => return Ok(false),
                },
                outcome => return Ok(outcome.map(|()| true)?),
            }
        }
        Err(Error::Unavailable("the user kept changing".into()))
    }

    /// Erases a user and everything of theirs. What is in the user's partition goes first and the user last, in one
    /// transaction with its unique values and its count: cut off anywhere, it can be run again.
    ///
    /// # Errors
    /// Refused as `Changed` where someone else wrote the user since it was read.
    async fn erase_user(&self, user: &User, act: &Act) -> Result<(), WriteError> {
        let partition = self.query_items(&Key::user(user.id), "", From::Start, usize::MAX, Freshness::Strong, None).await?;
        let mut keys: Vec<Key> = Vec::new();
        for item in &partition {
            let Some(key) = Key::of(item) else { continue };
            // The other half of what has two: a key's secret, a share's other side.
            keys.extend(other_half(user.id, &key, item));
            if key != Key::user(user.id) {
                keys.push(key);
            }
        }
        // DynamoDB takes 100 writes a transaction.
        for keys in keys.chunks(100) {
            let mut transaction = self.transaction();
            for key in keys {
                transaction.delete(key)?;
            }
            self.commit(transaction).await?;
        }
        let mut transaction = self.transaction();
        transaction.delete_version(&Key::user(user.id), user.version)?;
        for key in Key::unique_values(user) {
            transaction.delete(&key)?;
        }
        if let Some(manager) = user.manager_id {
            transaction.delete(&Key::managed(manager, user.id))?;
        }
        transaction.add(&Key::count(user.team_id, user.id), [(user.class().attribute().as_str(), -1)])?;
        self.record(&mut transaction, user.id, act, Some(user), None)?;
        self.commit(transaction).await
    }

    /// Writes many new users at once, which nobody may hold the unique values of: for loading. Counts are added once a shard.
    pub async fn load_users(&self, users: &[User]) -> Result<(), WriteError> {
        let mut transaction = self.transaction();
        let mut counts: BTreeMap<Key, BTreeMap<String, i64>> = BTreeMap::new();
        for user in users {
            transaction.create(user_item(user)?, Refusal::UserExists)?;
            self.claim_values(&mut transaction, user, &[])?;
            self.list_managed(&mut transaction, user)?;
            let key = Key::count(user.team_id, user.id);
            *counts.entry(key).or_default().entry(user.class().attribute()).or_default() += 1;
        }
        for (key, amounts) in counts {
            transaction.add(&key, amounts.iter().map(|(attribute, amount)| (attribute.as_str(), *amount)))?;
        }
        self.commit(transaction).await
    }

    /// Claims each unique value of the user that is not held already.
    fn claim_values(&self, transaction: &mut Transaction, user: &User, held: &[Key]) -> Result<()> {
        for key in Key::unique_values(user).into_iter().filter(|key| !held.contains(key)) {
            let refusal = match key.pk.split('#').next() {
                Some("EMAIL") => Refusal::EmailTaken,
                Some("USERNAME") => Refusal::UsernameTaken,
                Some("SCIM") => Refusal::ScimIdTaken,
                _ => Refusal::NumberTaken,
            };
            transaction.create(encode(&key, &Holder { user_id: user.id })?, refusal)?;
        }
        Ok(())
    }

    /// Puts a managed user's names into the manager's list.
    fn list_managed(&self, transaction: &mut Transaction, user: &User) -> Result<()> {
        match user.manager_id {
            Some(manager) => transaction.put(encode(&Key::managed(manager, user.id), &ManagedUser::from(user))?),
            None => Ok(()),
        }
    }
}

/// A user as an item, with its place in every index.
fn user_item(user: &User) -> Result<Item> {
    let mut item: Item = serde_dynamo::to_item(user).map_err(Error::internal)?;
    item.extend(user_attributes(user));
    Ok(item)
}

/// The item elsewhere that goes with one of this user's partition.
fn other_half(user: Uuid, key: &Key, item: &Item) -> Option<Key> {
    let shared: Option<Share> = [prefix::SHARED, prefix::GRANT]
        .iter()
        .any(|prefix| key.sk.starts_with(prefix))
        .then(|| serde_dynamo::from_item(item.clone()).ok())
        .flatten();
    match shared {
        Some(share) if share.grantee_id == user => Some(Key::grant(share.grantor_id, user)),
        Some(share) => Some(Key::shared(share.grantee_id, user)),
        None => item.get("sha256").and_then(|hash| hash.as_s().ok()).map(|hash| Key::api_key_secret(hash)),
    }
}

/// Who is there already, of those asked for.
#[derive(Debug, Default)]
pub struct Existing {
    /// The ids of users that exist.
    pub ids: std::collections::HashSet<Uuid>,
    /// Who holds which email; emails are folded.
    pub holders: std::collections::HashMap<String, Uuid>,
}

/// For loading.
impl Store {
    /// Which of those users and emails exist.
    pub async fn existing(&self, ids: &[Uuid], emails: &[String]) -> Result<Existing> {
        let mut keys: Vec<Key> = ids.iter().map(|id| Key::user(*id)).chain(emails.iter().map(|email| Key::email(email))).collect();
        // DynamoDB takes no key twice.
        keys.sort();
        keys.dedup();
        let found: Vec<Found> = self.get_many(&keys, Freshness::Strong).await?;
        let mut existing = Existing::default();
        for item in found {
            match (item.user_id, item.pk.strip_prefix("EMAIL#")) {
                (Some(holder), Some(email)) => drop(existing.holders.insert(email.to_owned(), holder)),
                _ => existing.ids.extend(item.id),
            }
        }
        Ok(existing)
    }

    /// A team's name, if there is such a team.
    pub async fn team_name(&self, id: Uuid) -> Result<Option<String>> {
        Ok(self.get::<Team>(&Key::team(id), Freshness::Strong).await?.map(|team| team.name))
    }
}

#[derive(serde::Deserialize)]
struct Found {
    pk: String,
    id: Option<Uuid>,
    user_id: Option<Uuid>,
}
