//! API keys: each stands in its owner's partition and, by the SHA-256 of its text, where authentication finds it.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Act, Freshness, From, Refusal, Store, Transaction, WriteError, encode, if_met};
use crate::Response;
use crate::auth::UsedKey;
use crate::auth::api_key::{self, KeyText};
use crate::error::{Error, Result};
use crate::models::{ApiKey, ApiKeyRecord, ApiKeySecret, FieldChange, KeyScope};
use crate::table::{Key, prefix};
use crate::time::Timestamp;

/// What a new key is to be.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// What its owner calls it.
    pub name: Option<String>,
    /// What it may be used for.
    pub scope: KeyScope,
    /// When it stops authenticating.
    pub expires_at: Option<Timestamp>,
}

/// A key that was made. This is the one time that its text is known.
#[derive(Debug)]
pub struct MadeApiKey {
    /// What is shown of it.
    pub key: ApiKey,
    /// Its text.
    pub text: KeyText,
}

/// The item that says which key is the default one.
#[derive(Debug, Serialize, Deserialize)]
struct DefaultKey {
    key_id: Uuid,
}

impl Store {
    /// A user's keys, in order of their ids, which is that of their making.
    pub async fn api_keys(&self, owner: Uuid) -> Result<Vec<ApiKey>> {
        self.query(&Key::user(owner), prefix::KEY, From::Start, 1000, Freshness::Strong).await
    }

    /// Makes a key.
    pub async fn create_api_key(
        &self,
        owner: Uuid,
        new: NewApiKey,
        act: &Act,
        answer: impl Fn(MadeApiKey) -> Response,
    ) -> Result<Response> {
        let mut transaction = self.transaction();
        let answer = answer(self.add_api_key(&mut transaction, owner, new, None, act)?);
        self.commit_answered(transaction, act, &answer).await?;
        Ok(answer)
    }

    /// A user's keys that are not revoked.
    pub(super) async fn working_keys(&self, owner: Uuid) -> Result<Vec<ApiKeyRecord>> {
        let mut keys: Vec<ApiKeyRecord> = self.query(&Key::user(owner), prefix::KEY, From::Start, usize::MAX, Freshness::Strong).await?;
        keys.retain(|key| key.key.is_active);
        Ok(keys)
    }

    /// Revokes keys that were just read.
    pub(super) fn revoke_all(&self, transaction: &mut Transaction, owner: Uuid, keys: &[ApiKeyRecord], at: Timestamp) -> Result<()> {
        for old in keys {
            let mut revoked = old.clone();
            revoked.key.is_active = false;
            revoked.key.revoked_at = Some(at);
            self.replace_api_key(transaction, owner, old, &revoked)?;
        }
        Ok(())
    }

    /// Makes the default key; where there is one that works, that one without its text.
    pub async fn create_default_api_key(
        &self,
        owner: Uuid,
        act: &Act,
        answer: impl Fn(Result<MadeApiKey, ApiKey>) -> Response,
    ) -> Result<Response> {
        let (present, key) = self.default_api_key(owner, act.at).await?;
        if let Some(key) = key {
            return Ok(answer(Err(key)));
        }
        let new = NewApiKey { name: Some("default".to_owned()), scope: KeyScope::User, expires_at: None };
        let mut transaction = self.transaction();
        let made = self.add_api_key(&mut transaction, owner, new, None, act)?;
        let item = encode(&Key::default_api_key(owner), &DefaultKey { key_id: made.key.id })?;
        transaction.put_if(item, "key_id", present.map(|key_id| key_id.to_string()), Refusal::Changed)?;
        let answer_made = answer(Ok(made));
        match self.commit_answered(transaction, act, &answer_made).await {
            Ok(()) => Ok(answer_made),
            // Another request made it at the same time.
            Err(WriteError::Refused(Refusal::Changed)) => {
                let (_, key) = self.default_api_key(owner, act.at).await?;
                key.map(|key| answer(Err(key))).ok_or_else(|| Error::Conflict("The default key changed meanwhile. Try again.".into()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The id of a user's default key, and the key itself where it works.
    async fn default_api_key(&self, owner: Uuid, now: Timestamp) -> Result<(Option<Uuid>, Option<ApiKey>)> {
        let pointer = Key::default_api_key(owner);
        let (present, keys) = futures::try_join!(self.get::<DefaultKey>(&pointer, Freshness::Strong), self.api_keys(owner))?;
        let Some(DefaultKey { key_id }) = present else { return Ok((None, None)) };
        let key = match keys.into_iter().find(|key| key.id == key_id) {
            Some(key) => Some(key),
            // It was made between the two reads: who takes it for missing makes another.
            None => self.get(&Key::api_key(owner, key_id), Freshness::Strong).await?,
        };
        Ok((Some(key_id), key.filter(|key| key.works(now))))
    }

    /// Makes a key in place of another, which works on for `overlap_seconds`.
    ///
    /// # Errors
    /// `NotFound` where there is no such key; `Conflict` where it does not work or was rotated before.
    pub async fn rotate_api_key(
        &self,
        owner: Uuid,
        key_id: Uuid,
        overlap_seconds: i64,
        act: &Act,
        answer: impl Fn(MadeApiKey) -> Response,
    ) -> Result<Response> {
        let pointer = Key::default_api_key(owner);
        let (old, default) = futures::try_join!(self.api_key(owner, key_id), self.get::<DefaultKey>(&pointer, Freshness::Strong))?;
        let conflict = || Error::Conflict("This key is revoked, expired or rotated already: make a new one.".into());
        if !old.key.works(act.at) || old.is_rotated {
            return Err(conflict());
        }
        let mut transaction = self.transaction();
        let new = NewApiKey { name: old.key.name.clone(), scope: old.key.scope, expires_at: old.key.expires_at };
        let made = self.add_api_key(&mut transaction, owner, new, Some(key_id), act)?;
        let ends = act.at.plus_seconds(overlap_seconds);
        let mut retired = old.clone();
        retired.is_rotated = true;
        retired.key.expires_at = Some(old.key.expires_at.map_or(ends, |expires_at| expires_at.min(ends)));
        self.replace_api_key(&mut transaction, owner, &old, &retired)?;
        // The new key is the default one, if the old was.
        if default.is_some_and(|default| default.key_id == key_id) {
            let item = encode(&pointer, &DefaultKey { key_id: made.key.id })?;
            transaction.put_if(item, "key_id", Some(key_id.to_string()), Refusal::Changed)?;
        }
        let answer = answer(made);
        match self.commit_answered(transaction, act, &answer).await {
            Ok(()) => Ok(answer),
            Err(WriteError::Refused(Refusal::Changed)) => Err(conflict()),
            Err(error) => Err(error.into()),
        }
    }

    /// Revokes a key, at once; one that is revoked stays so.
    ///
    /// # Errors
    /// `NotFound` where there is no such key.
    pub async fn revoke_api_key(&self, owner: Uuid, key_id: Uuid, act: &Act) -> Result<()> {
        for _ in 0..super::users::CHANGE_ATTEMPTS {
            let old = self.api_key(owner, key_id).await?;
            if !old.key.is_active {
                return Ok(());
            }
            let mut transaction = self.transaction();
            self.revoke_all(&mut transaction, owner, std::slice::from_ref(&old), act.at)?;
            self.record_one(&mut transaction, owner, act, "key_id", key_id.to_string())?;
            match self.commit(transaction).await {
                // A rotation came first: it is the rotated key that is revoked then.
                Err(WriteError::Refused(Refusal::Changed)) => {}
                outcome => return Ok(outcome?),
            }
        }
        Err(Error::Unavailable("the key kept changing".into()))
    }

    /// Notes that a key authenticated at that time: where its owner lists it, and where authentication finds it.
    pub async fn note_key_used(&self, used: &UsedKey, at: Timestamp) -> Result<()> {
        let note = async |key: Key| {
            let outcome = self
                .client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(key.item()))
                .update_expression("SET last_used_at = :at")
                .condition_expression("attribute_exists(pk)")
                .expression_attribute_values(":at", AttributeValue::S(at.to_string()))
                .send()
                .await;
            if_met(outcome)
        };
        futures::try_join!(note(Key::api_key(used.owner, used.key_id)), note(Key::api_key_secret(&used.sha256)))?;
        Ok(())
    }

    async fn api_key(&self, owner: Uuid, key_id: Uuid) -> Result<ApiKeyRecord> {
        let record = self.get(&Key::api_key(owner, key_id), Freshness::Strong).await?;
        record.ok_or_else(Error::no_such_key)
    }

    /// Adds to a transaction all that makes a key.
    fn add_api_key(
        &self,
        transaction: &mut Transaction,
        owner: Uuid,
        new: NewApiKey,
        parent: Option<Uuid>,
        act: &Act,
    ) -> Result<MadeApiKey> {
        let text = KeyText::generate().map_err(|_| Error::internal("the system gives no random bytes"))?;
        let key = ApiKey {
            id: Uuid::now_v7(),
            prefix: text.prefix().to_owned(),
            is_active: true,
            name: new.name,
            created_at: act.at,
            last_used_at: None,
            scope: new.scope,
            expires_at: new.expires_at,
            revoked_at: None,
            rotation_parent_key_id: parent,
        };
        let sha256 = api_key::hash(text.reveal()).ok_or_else(|| Error::internal("a new key has a wrong checksum"))?;
        let record = ApiKeyRecord { key: key.clone(), sha256, is_rotated: false };
        transaction.require_user(owner)?;
        transaction.create(encode(&Key::api_key(owner, key.id), &record)?, Refusal::Impossible)?;
        transaction.create(encode(&Key::api_key_secret(&record.sha256), &secret(owner, &record))?, Refusal::Impossible)?;
        let id = |id: Uuid| serde_json::Value::String(id.to_string());
        let change = FieldChange { before: parent.map(id).unwrap_or_default(), after: id(key.id) };
        self.record_changes(transaction, owner, act, BTreeMap::from([("key_id".to_owned(), change)]))?;
        Ok(MadeApiKey { key, text })
    }

    /// Replaces both items of a key, if it is as it was read.
    fn replace_api_key(&self, transaction: &mut Transaction, owner: Uuid, old: &ApiKeyRecord, new: &ApiKeyRecord) -> Result<()> {
        let key = Key::api_key(owner, old.key.id);
        transaction.replace(&encode(&key, old)?, encode(&key, new)?, &["is_active", "is_rotated"])?;
        transaction.put(encode(&Key::api_key_secret(&new.sha256), &secret(owner, new))?)
    }

    /// Writes a key with the text of its own: for demo data.
    pub async fn load_api_key(&self, owner: Uuid, record: &ApiKeyRecord) -> Result<(), WriteError> {
        let mut transaction = self.transaction();
        transaction.put(encode(&Key::api_key(owner, record.key.id), record)?)?;
        transaction.put(encode(&Key::api_key_secret(&record.sha256), &secret(owner, record))?)?;
        self.commit(transaction).await
    }
}

/// What the SHA-256 of a key leads to.
fn secret(owner: Uuid, record: &ApiKeyRecord) -> ApiKeySecret {
    let key = &record.key;
    ApiKeySecret {
        user_id: owner,
        key_id: key.id,
        scope: key.scope,
        is_active: key.is_active,
        expires_at: key.expires_at,
        last_used_at: key.last_used_at,
    }
}
