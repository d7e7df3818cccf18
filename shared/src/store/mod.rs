//! Reads and writes of the single table. The files beside this one hold them by what they are
//! about.

mod accounts;
mod addresses;
mod api_keys;
mod audit;
mod delegations;
mod erasure;
mod import;
mod invites;
mod lists;
mod managed;
mod numbers;
mod person_namespace;
mod purge;
mod rebuild;
mod receipts;
mod requests;
mod sandboxes;
mod search;
mod signing_key;
pub mod spans;
mod transaction;
mod users;
mod words;

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest,
};
use futures::{StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use accounts::{Account, AccountRecords, Holdings, own_team, team_tier};
pub use addresses::ADDRESS_DAYS;
pub use api_keys::{KeyRotation, MadeApiKey, NewApiKey};
pub use audit::{Act, Attribution, Author};
pub use erasure::Erasure;
pub use import::Existing;
pub use lists::{Counts, Entry, Filter, ListQuery, Shows, Standing};
pub use purge::Report;
pub use rebuild::Rebuild;
pub use receipts::{KeptAnswer, Receipt, Rights, fingerprint};
pub use sandboxes::{NewSandbox, RunningTime};
pub use transaction::{Refusal, Transaction, WriteError};
pub use users::SEEN_EVERY;

use crate::config::Caps;
use crate::error::{Error, Result};
use crate::models::QuotaTier;
use crate::table::{Item, Key, PK, SK};
use crate::time::Timestamp;

/// The table, through one client. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    client: Client,
    table: String,
    tiers: Arc<Mutex<Option<ReadTiers>>>,
    /// The tiers of teams, by id, and when they were read.
    team_tiers: Arc<Mutex<std::collections::BTreeMap<Uuid, (Timestamp, String)>>>,
    numbers: Arc<numbers::Leases>,
    /// The time at which this process last noted the use of a delegated token.
    delegations_used: Arc<Mutex<std::collections::BTreeMap<Uuid, Timestamp>>>,
    caps: Caps,
    /// The source addresses that this process noted.
    noted_addresses: Arc<Mutex<addresses::NotedAddresses>>,
}

/// The quota tiers, and when they were read.
type ReadTiers = (Timestamp, Arc<Vec<QuotaTier>>);

/// How fresh a read must be. Strong reads see every acknowledged write and cost twice as much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// May miss the last moment's writes.
    Eventual,
    /// Misses none.
    Strong,
}

/// Which end a query of one partition starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// The lowest sort key.
    Start,
    /// The highest sort key.
    End,
}

impl Store {
    /// The table of that name.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self {
            client,
            table: table.into(),
            tiers: Arc::default(),
            team_tiers: Arc::default(),
            numbers: Arc::default(),
            delegations_used: Arc::default(),
            noted_addresses: Arc::default(),
            caps: Caps::default(),
        }
    }

    /// The same table, with other caps than where none are set.
    #[must_use]
    pub fn with_caps(self, caps: Caps) -> Self {
        Self { caps, ..self }
    }

    /// Reads one item.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        key: &Key,
        freshness: Freshness,
    ) -> Result<Option<T>> {
        self.get_item(key, freshness).await?.map(decode).transpose()
    }

    // Apart, so that it is compiled once and not for each type.
    async fn get_item(&self, key: &Key, freshness: Freshness) -> Result<Option<Item>> {
        let request = self.client.get_item().table_name(&self.table).set_key(Some(key.item()));
        let output =
            request.consistent_read(freshness == Freshness::Strong).send().await.map_err(failed)?;
        Ok(output.item)
    }

    /// Reads up to `limit` records of one partition whose sort keys start with `prefix`; "" for
    /// all.
    pub(crate) async fn query<T: DeserializeOwned>(
        &self,
        partition: &Key,
        prefix: &str,
        from: From,
        limit: usize,
        freshness: Freshness,
    ) -> Result<Vec<T>> {
        self.query_items(partition, prefix, from, limit, freshness, None)
            .await?
            .into_iter()
            .map(decode)
            .collect()
    }

    /// The same as items, from behind the key `start` on if there is one.
    pub(crate) async fn query_items(
        &self,
        partition: &Key,
        prefix: &str,
        from: From,
        limit: usize,
        freshness: Freshness,
        mut start: Option<Item>,
    ) -> Result<Vec<Item>> {
        let mut found = Vec::new();
        loop {
            let (items, next) = self
                .query_call(partition, prefix, from, limit - found.len(), freshness, start)
                .await?;
            found.extend(items);
            start = next;
            if start.is_none() || found.len() >= limit {
                return Ok(found);
            }
        }
    }

    /// The next records of one partition whose sort keys start with `prefix`, in their order, from
    /// behind the sort key `after` on: at most so many, and whether there are more.
    pub(crate) async fn next_of<T: DeserializeOwned>(
        &self,
        partition: &Key,
        prefix: &str,
        from: From,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<T>, bool)> {
        let start = after.map(|sk| Key { sk, ..partition.clone() }.item());
        let mut items =
            self.query_items(partition, prefix, from, limit + 1, Freshness::Strong, start).await?;
        let more = items.len() > limit;
        items.truncate(limit);
        Ok((items.into_iter().map(decode).collect::<Result<_>>()?, more))
    }

    /// One call's worth of a partition's items whose sort keys start with `prefix`: at most so many
    /// and 1 MB, from behind the key `start` on; and the key behind which the rest is. For work
    /// that must not hold a whole partition.
    pub(crate) async fn page_of(
        &self,
        partition: &Key,
        prefix: &str,
        limit: usize,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>)> {
        self.query_call(partition, prefix, From::Start, limit, Freshness::Strong, start).await
    }

    async fn query_call(
        &self,
        partition: &Key,
        prefix: &str,
        from: From,
        limit: usize,
        freshness: Freshness,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>)> {
        let mut request = self
            .client
            .query()
            .table_name(&self.table)
            .expression_attribute_names("#pk", PK)
            .expression_attribute_values(":pk", AttributeValue::S(partition.pk.clone()))
            .scan_index_forward(from == From::Start)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .consistent_read(freshness == Freshness::Strong)
            .set_exclusive_start_key(start);
        // DynamoDB takes no empty text in a key's condition.
        request = if prefix.is_empty() {
            request.key_condition_expression("#pk = :pk")
        } else {
            request
                .key_condition_expression("#pk = :pk AND begins_with(#sk, :prefix)")
                .expression_attribute_names("#sk", SK)
                .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
        };
        let output = request.send().await.map_err(failed)?;
        Ok((output.items.unwrap_or_default(), output.last_evaluated_key))
    }

    /// Reads many items by their keys, a hundred a call and all calls together; in no order, and
    /// without those that do not exist.
    pub async fn get_many<T: DeserializeOwned>(
        &self,
        keys: &[Key],
        freshness: Freshness,
    ) -> Result<Vec<T>> {
        // DynamoDB takes 100 keys a call.
        let calls = keys.chunks(100).map(|keys| self.get_hundred(keys, freshness));
        futures::future::try_join_all(calls).await?.into_iter().flatten().map(decode).collect()
    }

    async fn get_hundred(&self, keys: &[Key], freshness: Freshness) -> Result<Vec<Item>> {
        let mut found = Vec::with_capacity(keys.len());
        let mut open: Vec<Item> = keys.iter().map(Key::item).collect();
        for attempt in 0..8 {
            if open.is_empty() {
                return Ok(found);
            }
            transaction::back_off(attempt).await;
            let request = KeysAndAttributes::builder()
                .set_keys(Some(open))
                .consistent_read(freshness == Freshness::Strong)
                .build()
                .map_err(Error::internal)?;
            let mut output = self
                .client
                .batch_get_item()
                .request_items(&self.table, request)
                .send()
                .await
                .map_err(failed)?;
            found.extend(
                output
                    .responses
                    .take()
                    .and_then(|mut tables| tables.remove(&self.table))
                    .unwrap_or_default(),
            );
            open = output
                .unprocessed_keys
                .take()
                .and_then(|mut tables| tables.remove(&self.table))
                .map(|left| left.keys)
                .unwrap_or_default();
        }
        Err(Error::Unavailable("keys left unprocessed after 8 attempts".into()))
    }

    /// Every quota tier: the built-in ones, and what the table says over them; from memory if the
    /// table was read within the last minute. `now` is the request's time.
    pub async fn quota_tiers(&self, now: Timestamp) -> Result<Arc<Vec<QuotaTier>>> {
        if let Some((read_at, tiers)) =
            self.tiers.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
            && now < read_at.plus_seconds(60)
        {
            return Ok(tiers.clone());
        }
        let mut tiers: Vec<QuotaTier> =
            self.query(&Key::tier(""), "", From::Start, 1000, Freshness::Eventual).await?;
        for tier in QuotaTier::built_in() {
            if tiers.iter().all(|known| known.id != tier.id) {
                tiers.push(tier);
            }
        }
        let tiers = Arc::new(tiers);
        *self.tiers.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, tiers.clone()));
        Ok(tiers)
    }

    /// Puts and deletes items, whatever was there: 25 a call, and some calls together. All may be
    /// done or some, so it is for what can be done again.
    pub(crate) async fn write_batch(&self, puts: Vec<Item>, deletes: Vec<Key>) -> Result<()> {
        let mut writes = Vec::with_capacity(puts.len() + deletes.len());
        for item in puts {
            let put =
                PutRequest::builder().set_item(Some(item)).build().map_err(Error::internal)?;
            writes.push(WriteRequest::builder().put_request(put).build());
        }
        for key in deletes {
            let delete = DeleteRequest::builder()
                .set_key(Some(key.item()))
                .build()
                .map_err(Error::internal)?;
            writes.push(WriteRequest::builder().delete_request(delete).build());
        }
        // DynamoDB takes 25 a call.
        let calls: Vec<_> =
            writes.chunks(25).map(|writes| self.write_few(writes.to_vec())).collect();
        futures::stream::iter(calls).buffer_unordered(4).try_collect::<()>().await
    }

    async fn write_few(&self, mut open: Vec<WriteRequest>) -> Result<()> {
        for attempt in 0..8 {
            if open.is_empty() {
                return Ok(());
            }
            transaction::back_off(attempt).await;
            let mut output = self
                .client
                .batch_write_item()
                .request_items(&self.table, open)
                .send()
                .await
                .map_err(failed)?;
            open = output
                .unprocessed_items
                .take()
                .and_then(|mut tables| tables.remove(&self.table))
                .unwrap_or_default();
        }
        Err(Error::Unavailable("writes left unprocessed after 8 attempts".into()))
    }

    /// Whether the table can be reached: one cheap read.
    pub async fn reach(&self) -> Result<()> {
        let _: Option<QuotaTier> =
            self.get(&Key::tier(crate::models::DEFAULT_QUOTA_TIER), Freshness::Eventual).await?;
        Ok(())
    }

    /// Writes one item, whatever was there. For loading data; requests write through a
    /// [`Transaction`].
    pub async fn put(&self, key: &Key, record: &impl Serialize) -> Result<()> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(encode(key, record)?))
            .send()
            .await
            .map_err(failed)?;
        Ok(())
    }
}

/// A record as an item under its key.
pub(crate) fn encode(key: &Key, record: &impl Serialize) -> Result<Item> {
    let mut item: Item = serde_dynamo::to_item(record).map_err(Error::internal)?;
    item.extend(key.item());
    Ok(item)
}

/// An item as its record. The error says what record it should be, and not what it holds, which
/// serde's own message would.
pub(crate) fn decode<T: DeserializeOwned>(item: Item) -> Result<T> {
    serde_dynamo::from_item(item)
        .map_err(|_| Error::internal(format!("an item is no {}", std::any::type_name::<T>())))
}

/// The id of the user whose index entry an item is.
fn user_of(item: &Item) -> Result<Uuid> {
    Key::user_id(item).ok_or_else(|| Error::internal("an index entry of no user"))
}

/// Sorts entries of an index by where they stand in it.
fn sort_by_place(entries: &mut [(String, Item)]) {
    entries.sort_by(|one, other| one.0.cmp(&other.0));
}

/// The value of a `UNIQUE` item: who holds it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Holder {
    user_id: Uuid,
}

/// The outcome of an update whose condition may well not be met: that is no failure.
pub(crate) fn if_met<T>(outcome: std::result::Result<T, SdkError<UpdateItemError>>) -> Result<()> {
    match outcome {
        Err(error)
            if error
                .as_service_error()
                .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
        {
            Ok(())
        }
        outcome => outcome.map(|_| ()).map_err(failed),
    }
}

/// What a failed call means: worth another try later, or a fault of ours.
pub(crate) fn failed<E>(error: SdkError<E>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let passing = match &error {
        // Whatever stands before DynamoDB may answer so too, and name nothing.
        SdkError::ServiceError(service) if service.raw().status().is_server_error() => true,
        SdkError::ServiceError(service) => matches!(
            service.err().code(),
            Some(
                "ProvisionedThroughputExceededException"
                    | "ThrottlingException"
                    | "RequestLimitExceeded"
                    | "InternalServerError"
                    | "TransactionInProgressException"
                    | "TransactionConflictException"
                    | "ServiceUnavailable"
            )
        ),
        SdkError::ConstructionFailure(_) => false,
        _ => true,
    };
    if passing { Error::Unavailable(error.into()) } else { Error::internal(error) }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::operation::get_item::GetItemError;
    use aws_smithy_runtime_api::client::result::ConnectorError;

    use super::*;

    #[test]
    fn a_call_that_was_never_made_is_a_fault_of_ours_and_one_without_an_answer_is_not() {
        let fault = failed(SdkError::<GetItemError>::construction_failure("no region"));
        assert!(matches!(fault, Error::Internal(_)), "{fault:?}");
        for passing in [
            SdkError::<GetItemError>::timeout_error("late"),
            SdkError::dispatch_failure(ConnectorError::io("cut".into())),
        ] {
            let passing = failed(passing);
            assert!(matches!(passing, Error::Unavailable(_)), "{passing:?}");
        }
    }
}
