//! The history of every user: an entry for each change, in the change's own transaction.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Freshness, From, Store, Transaction, decode, encode};
use crate::auth::Operator;
use crate::error::{Error, Result};
use crate::models::{AuditEntry, FieldChange, User};
use crate::table::Key;
use crate::time::Timestamp;

/// A change that someone makes: its entry's beginning.
#[derive(Debug, Clone)]
pub struct Act {
    /// Who makes it.
    pub actor_id: Uuid,
    /// When: every write of the change bears this time.
    pub at: Timestamp,
    /// What it is: `user.suspended`.
    pub action: &'static str,
    /// Why, where it is said.
    pub reason: Option<String>,
}

impl Act {
    /// A change without a reason.
    pub fn new(actor_id: Uuid, action: &'static str, at: Timestamp) -> Self {
        Self { actor_id, at, action, reason: None }
    }
}

/// What tells nothing of a change: every change has it.
const UNTOLD: [&str; 2] = ["version", "updated_at"];

impl Store {
    /// Adds the entry of a change to the change's transaction. `None` is a user who does not exist yet, or no longer.
    pub(crate) fn record(
        &self,
        transaction: &mut Transaction,
        user: Uuid,
        act: &Act,
        before: Option<&User>,
        after: Option<&User>,
    ) -> Result<()> {
        // The entry of an erasure holds ids alone.
        let changes = if after.is_some() { changes(before, after)? } else { BTreeMap::new() };
        self.record_changes(transaction, user, act, changes)
    }

    /// Adds the entry of what was done to a user's API key.
    pub(crate) fn record_key(&self, transaction: &mut Transaction, owner: Uuid, key_id: Uuid, act: &Act) -> Result<()> {
        let change = FieldChange { before: Value::Null, after: Value::String(key_id.to_string()) };
        self.record_changes(transaction, owner, act, BTreeMap::from([("key_id".to_owned(), change)]))
    }

    fn record_changes(&self, transaction: &mut Transaction, user: Uuid, act: &Act, changes: BTreeMap<String, FieldChange>) -> Result<()> {
        let entry = AuditEntry {
            id: Uuid::now_v7(),
            at: act.at,
            actor_id: act.actor_id,
            action: act.action.to_owned(),
            reason: act.reason.clone(),
            changes,
        };
        transaction.put(encode(&Key::audit(user, entry.id), &entry)?)
    }
}

impl Store {
    /// A user's history, newest first, at most `limit` entries from before the entry `before`.
    pub async fn audit_log(&self, _: &Operator, user: Uuid, before: Option<Uuid>, limit: usize) -> Result<Vec<AuditEntry>> {
        let start = before.map(|entry| Key::audit(user, entry).item());
        let items = self.query_items(&Key::audit(user, Uuid::nil()), "", From::End, limit, Freshness::Strong, start).await?;
        items.into_iter().map(decode).collect()
    }

    /// Whether there is a user of that id.
    pub async fn user_exists(&self, _: &Operator, id: Uuid) -> Result<bool> {
        Ok(self.user(id, Freshness::Strong).await?.is_some())
    }
}

fn changes(before: Option<&User>, after: Option<&User>) -> Result<BTreeMap<String, FieldChange>> {
    let (before, after) = (fields(before)?, fields(after)?);
    let names = before.keys().chain(after.keys()).filter(|name| !UNTOLD.contains(&name.as_str()));
    let differing = names.filter(|name| before.get(*name) != after.get(*name));
    let value = |fields: &Map<String, Value>, name| fields.get(name).cloned().unwrap_or_default();
    Ok(differing.map(|name| (name.clone(), FieldChange { before: value(&before, name), after: value(&after, name) })).collect())
}

fn fields(user: Option<&User>) -> Result<Map<String, Value>> {
    match user.map(serde_json::to_value).transpose().map_err(Error::internal)? {
        Some(Value::Object(fields)) => Ok(fields),
        _ => Ok(Map::new()),
    }
}
