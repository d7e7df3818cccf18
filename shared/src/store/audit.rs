//! The history of every user: an entry for each change, in the change's own transaction.

use std::collections::BTreeMap;
use std::net::IpAddr;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::erasure::PAGE;
use super::{Freshness, From, Receipt, Refusal, Store, Transaction, decode, encode};
use crate::auth::{Caller, Claims, Delegation, Limits, Operator, Writes};
use crate::error::{Error, Result};
use crate::models::{AuditCredential, AuditEntry, FieldChange, Status, User};
use crate::table::{Item, Key, TTL};
use crate::time::Timestamp;

/// A change that someone makes: its entry's beginning. The store's methods that change something
/// take one; an endpoint makes it from its caller, whose credential must meet a requirement for
/// that.
#[derive(Debug, Clone)]
pub struct Act {
    /// The person who makes it; none where it is no person that Roster knows.
    pub actor_id: Option<Uuid>,
    /// When: every write of the change bears this time.
    pub at: Timestamp,
    /// What it is: `user.suspended`.
    pub action: &'static str,
    /// Why, where it is said.
    pub reason: Option<String>,
    /// Whether it is refused where it would leave a team without an administrator.
    pub keeps_admin: bool,
    /// Where the answer is kept, for a request with an `Idempotency-Key`.
    pub receipt: Option<Receipt>,
    /// What the credential may not change.
    pub limits: Limits,
    /// The credential and request that it is made with.
    pub attribution: Attribution,
}

/// The means of a change: the credential, and the request.
#[derive(Debug, Clone, Default)]
pub struct Attribution {
    /// The credential.
    pub credential: Option<AuditCredential>,
    /// The id of the request.
    pub request_id: Option<String>,
    /// The address that the request comes from.
    pub address: Option<IpAddr>,
}

/// Whoever may change something by a request.
pub trait Author {
    /// The beginning of a change's entry.
    fn act(&self, action: &'static str, at: Timestamp) -> Act;
}

impl<R: Writes> Author for Caller<R> {
    fn act(&self, action: &'static str, at: Timestamp) -> Act {
        Act { limits: self.limits(), ..Act::new(self.user.id, action, at) }
    }
}

/// The actor of a delegated token.
impl Author for Delegation {
    fn act(&self, action: &'static str, at: Timestamp) -> Act {
        Act::new(self.actor, action, at)
    }
}

/// Who signed in, and may have no account yet.
impl Author for Claims {
    fn act(&self, action: &'static str, at: Timestamp) -> Act {
        Act::new(self.user_id, action, at)
    }
}

impl Act {
    /// A change by a person that nobody gave a reason for.
    pub fn new(actor_id: Uuid, action: &'static str, at: Timestamp) -> Self {
        Self {
            actor_id: Some(actor_id),
            at,
            action,
            reason: None,
            keeps_admin: false,
            receipt: None,
            limits: Limits::NONE,
            attribution: Attribution::default(),
        }
    }

    /// A change without a person and a request: by an import, a local command or the schedule.
    pub fn of_machine(credential: AuditCredential, action: &'static str, at: Timestamp) -> Self {
        let attribution = Attribution { credential: Some(credential), ..Attribution::default() };
        Self { actor_id: None, attribution, ..Self::new(Uuid::nil(), action, at) }
    }

    /// Holds the removal of a user against what the credential may not change, before anything is
    /// done.
    ///
    /// # Errors
    /// As the removal itself: `MissingPermission`, `Forbidden`.
    pub fn may_remove(&self, user: &User) -> Result<()> {
        self.limits.admit(Some(user), &User { status: Status::Deleted, ..user.clone() })
    }

    /// A change that goes with another one, under a name of its own.
    pub fn part(&self, action: &'static str) -> Self {
        Self { action, receipt: None, ..self.clone() }
    }
}

/// The fields that tell nothing of a change: every change has them; and the team's name, a copy
/// that may be a person's name.
const UNTOLD: [&str; 3] = ["version", "updated_at", "team_name"];

impl Store {
    /// Adds the entry of a change to the change's transaction. `None` is a user who does not exist
    /// yet, or no longer.
    pub(crate) fn record(
        &self,
        transaction: &mut Transaction,
        user: Uuid,
        act: &Act,
        before: Option<&User>,
        after: Option<&User>,
    ) -> Result<()> {
        if after.is_some() {
            return self.record_changes(transaction, user, act, changes(before, after)?);
        }
        // The entry of an erasure holds ids alone: a reason would tell of who is gone.
        let act = Act { reason: None, ..act.part(act.action) };
        self.record_changes(transaction, user, &act, BTreeMap::new())
    }

    /// Adds the entry of what was done to something of a user's that one value tells.
    pub(crate) fn record_one(
        &self,
        transaction: &mut Transaction,
        user: Uuid,
        act: &Act,
        name: &str,
        value: impl Into<Value>,
    ) -> Result<()> {
        let change = FieldChange { before: Value::Null, after: value.into() };
        self.record_changes(transaction, user, act, BTreeMap::from([(name.to_owned(), change)]))
    }

    /// Adds the entry of what was done to something of a user's: names and values, before and
    /// after.
    pub(crate) fn record_changes(
        &self,
        transaction: &mut Transaction,
        user: Uuid,
        act: &Act,
        changes: BTreeMap<String, FieldChange>,
    ) -> Result<()> {
        let address_id = self.address_id(transaction, act)?;
        let entry = AuditEntry {
            id: Uuid::now_v7(),
            at: act.at,
            actor_id: act.actor_id,
            action: act.action.to_owned(),
            reason: act.reason.clone(),
            changes,
            credential: act.attribution.credential.clone(),
            request_id: act.attribution.request_id.clone(),
            address: None,
            address_id,
        };
        let mut item = encode(&Key::audit(user, entry.id), &entry)?;
        let expires = act.at.plus_seconds(86_400 * i64::from(self.caps.history_days)).as_second();
        item.insert(TTL.to_owned(), AttributeValue::N(expires.to_string()));
        // On absence: an entry that stands is never written over.
        transaction.create(item, Refusal::Impossible)
    }
}

impl Store {
    /// A user's history, newest first, at most `limit` entries from before the entry `before`.
    pub async fn audit_log(
        &self,
        _: &Operator,
        user: Uuid,
        before: Option<Uuid>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<AuditEntry>> {
        let start = before.map(|entry| Key::audit(user, entry).item());
        let items = self
            .query_items(
                &Key::audit(user, Uuid::nil()),
                "",
                From::End,
                limit,
                Freshness::Strong,
                start,
            )
            .await?;
        let mut entries = items.into_iter().map(decode).collect::<Result<Vec<AuditEntry>>>()?;
        self.show_addresses(&mut entries, now).await?;
        Ok(entries)
    }

    /// Whether there is a user of that id.
    pub async fn user_exists(&self, _: &Operator, id: Uuid) -> Result<bool> {
        Ok(self.user(id, Freshness::Strong).await?.is_some())
    }
}

/// Fields that say nothing of the person: ids, rights, states and times. The rest of an entry goes
/// with the user.
const NOT_PERSONAL: [&str; 30] = [
    "id",
    "number",
    "team_id",
    "role",
    "is_operator",
    "view_all",
    "status",
    "account_type",
    "device_type",
    "manager_id",
    "tier",
    "quota_tier_id",
    "email_verified_at",
    "soft_deleted_at",
    "delete_scheduled_at",
    "deleted_by",
    "deleted_from",
    "invite_id",
    "invited_as",
    "profile_completed_at",
    "created_at",
    "key_id",
    "sandbox_id",
    "tokens_valid_after",
    "token_id",
    "delegator_id",
    "grantee_id",
    "scopes",
    "permissions",
    "email_sent",
];

impl Store {
    /// Reduces a page of a user's history to what is not personal, from behind the key `start` on.
    /// Gives the key behind which the rest is. Run again, it changes nothing.
    pub(super) async fn reduce_page(
        &self,
        user: Uuid,
        start: Option<Item>,
    ) -> Result<Option<Item>> {
        let (items, next) = self.page_of(&Key::audit(user, Uuid::nil()), "", PAGE, start).await?;
        let reduced = items
            .into_iter()
            .filter_map(|item| reduced(item).transpose())
            .collect::<Result<Vec<_>>>()?;
        self.write_batch(reduced, Vec::new()).await?;
        Ok(next)
    }
}

/// An entry without what is personal, if there was any in it.
fn reduced(mut item: Item) -> Result<Option<Item>> {
    let mut entry: AuditEntry = decode(item.clone())?;
    let mut is_personal = entry.reason.take().is_some();
    for (_, change) in
        entry.changes.iter_mut().filter(|(name, _)| !NOT_PERSONAL.contains(&name.as_str()))
    {
        is_personal |= !change.before.is_null() || !change.after.is_null();
        *change = FieldChange { before: Value::Null, after: Value::Null };
    }
    if !is_personal {
        return Ok(None);
    }
    let key = Key::of(&item).ok_or_else(|| Error::internal("an item without a key"))?;
    item.remove("reason");
    // What else the item has stays as it is: when it expires, for one.
    item.extend(encode(&key, &entry)?);
    Ok(Some(item))
}

fn changes(before: Option<&User>, after: Option<&User>) -> Result<BTreeMap<String, FieldChange>> {
    let (before, after) = (fields(before)?, fields(after)?);
    let names = before.keys().chain(after.keys()).filter(|name| !UNTOLD.contains(&name.as_str()));
    let value = |fields: &Map<String, Value>, name| fields.get(name).cloned().unwrap_or_default();
    // Collecting would sort first, by code of its own for each kind of map.
    let mut changes = BTreeMap::new();
    for name in names.filter(|name| before.get(*name) != after.get(*name)) {
        changes.insert(
            name.clone(),
            FieldChange { before: value(&before, name), after: value(&after, name) },
        );
    }
    Ok(changes)
}

fn fields(user: Option<&User>) -> Result<Map<String, Value>> {
    match user.map(serde_json::to_value).transpose().map_err(Error::internal)? {
        Some(Value::Object(fields)) => Ok(fields),
        _ => Ok(Map::new()),
    }
}
