//! The addresses that changes came from: each an item of its own under the actor, which DynamoDB
//! deletes after 90 days, and the erasure with the actor. Entries of history, which stay, refer to
//! it by a random id.
//!
//! A process uses an item again for an hour, so that one write serves many changes.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{MutexGuard, PoisonError};

use uuid::Uuid;

use super::{Act, Freshness, From, Refusal, Store, Transaction, encode};
use crate::error::Result;
use crate::models::{AuditEntry, SourceAddress};
use crate::table::Key;
use crate::time::Timestamp;

/// Days for which the address of a change is kept.
pub const ADDRESS_DAYS: i64 = 90;
/// Seconds for which a process uses an address's item again.
const REUSE_SECONDS: i64 = 3600;
/// The most addresses that a process remembers.
const MAX_REMEMBERED: usize = 10_000;

/// The addresses that a process noted, by actor.
pub(super) type NotedAddresses = BTreeMap<(Uuid, IpAddr), SourceAddress>;

impl Store {
    /// The id of the item that has the address of a change. Where this process has noted none
    /// within the hour, it is made in the change's transaction.
    pub(super) fn address_id(
        &self,
        transaction: &mut Transaction,
        act: &Act,
    ) -> Result<Option<Uuid>> {
        let (Some(actor), Some(address)) = (act.actor_id, act.attribution.address) else {
            return Ok(None);
        };
        if let Some((_, new)) = &transaction.new_address {
            return Ok(Some(new.id));
        }
        if let Some(noted) = self.noted_addresses().get(&(actor, address))
            && noted.at <= act.at
            && act.at < noted.at.plus_seconds(REUSE_SECONDS)
        {
            return Ok(Some(noted.id));
        }
        let expires = act.at.plus_seconds(86_400 * ADDRESS_DAYS).as_second();
        let new = SourceAddress { id: Uuid::new_v4(), address, at: act.at, expires };
        let id = new.id;
        transaction.create(encode(&Key::address(actor, id), &new)?, Refusal::Impossible)?;
        transaction.new_address = Some((actor, new));
        Ok(Some(id))
    }

    /// Remembers an address that was written.
    pub(super) fn remember_address(&self, (actor, new): (Uuid, SourceAddress)) {
        let mut noted = self.noted_addresses();
        if noted.len() >= MAX_REMEMBERED {
            noted.clear();
        }
        noted.insert((actor, new.address), new);
    }

    /// Gives entries of history their addresses, as far as these are kept still.
    pub(super) async fn show_addresses(
        &self,
        entries: &mut [AuditEntry],
        now: Timestamp,
    ) -> Result<()> {
        let is_kept = |entry: &AuditEntry| now < entry.at.plus_seconds(86_400 * ADDRESS_DAYS);
        let kept = entries.iter().filter(|entry| is_kept(entry));
        let mut keys: Vec<Key> = kept
            .filter_map(|entry| Some(Key::address(entry.actor_id?, entry.address_id?)))
            .collect();
        keys.sort_by(|one, other| (&one.pk, &one.sk).cmp(&(&other.pk, &other.sk)));
        keys.dedup();
        let found = self.get_many(&keys, Freshness::Strong).await?;
        fill(entries, &found, now);
        Ok(())
    }

    /// Gives those entries of history their addresses that are of a person's own changes. The
    /// addresses of others are theirs.
    pub(super) async fn show_own_addresses(
        &self,
        person: Uuid,
        entries: &mut [AuditEntry],
        now: Timestamp,
    ) -> Result<()> {
        for entry in entries.iter_mut().filter(|entry| entry.actor_id != Some(person)) {
            entry.address_id = None;
        }
        self.show_addresses(entries, now).await
    }

    /// Deletes the addresses that a person's changes came from.
    pub(super) async fn delete_addresses(&self, actor: Uuid) -> Result<()> {
        let items = self
            .query_items(
                &Key::address(actor, Uuid::nil()),
                "",
                From::Start,
                usize::MAX,
                Freshness::Strong,
                None,
            )
            .await?;
        self.write_batch(Vec::new(), items.iter().filter_map(Key::of).collect()).await
    }

    fn noted_addresses(&self) -> MutexGuard<'_, NotedAddresses> {
        self.noted_addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets the addresses of entries whose items are among those found, and takes the items' ids out of
/// all. DynamoDB deletes an item some days after it expired.
pub(super) fn fill(entries: &mut [AuditEntry], found: &[SourceAddress], now: Timestamp) {
    let kept = found.iter().filter(|found| now.as_second() < found.expires);
    let addresses: HashMap<Uuid, IpAddr> = kept.map(|found| (found.id, found.address)).collect();
    for entry in entries {
        entry.address = entry.address_id.take().and_then(|id| addresses.get(&id).copied());
    }
}
