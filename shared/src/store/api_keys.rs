//! API keys: each stands in its owner's partition and, by the SHA-256 of its text, where authentication finds it.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Act, Freshness, From, Refusal, Store, Transaction, WriteError, encode, if_met};
use crate::Response;
use crate::auth::api_key::{self, KeyText};
use crate::auth::{AccountRead, Caller, Operator, Sealed, SignedIn, SteppedUp, UsedKey, VerifiedToken};
use crate::error::{Error, Fault, Issue, Place, Result};
use crate::models::{ApiKey, ApiKeyRecord, ApiKeySecret, FieldChange, OPERATOR_SCOPE, Permission, USER_SCOPE, User};
use crate::table::{Key, prefix};
use crate::time::Timestamp;

/// What a new key is to be.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// What its owner calls it.
    pub name: Option<String>,
    /// A word for people to read, or `operator`.
    pub scope: String,
    /// What it may do.
    pub permissions: Vec<Permission>,
    /// The networks it may be used from; none stands for everywhere.
    pub allowed_ips: Vec<IpNet>,
    /// When it stops authenticating.
    pub expires_at: Timestamp,
}

impl NewApiKey {
    /// A key that no more is asked for than an end.
    pub fn until(expires_at: Timestamp) -> Self {
        let (scope, permissions) = (USER_SCOPE.to_owned(), Permission::defaults());
        Self { name: None, scope, permissions, allowed_ips: Vec::new(), expires_at }
    }
}

/// What a key is to be that takes the place of another. What is absent stays as the other has it.
#[derive(Debug, Clone)]
pub struct KeyRotation {
    /// What its owner calls it.
    pub name: Option<String>,
    /// A word for people to read, or `operator`.
    pub scope: Option<String>,
    /// What it may do.
    pub permissions: Option<Vec<Permission>>,
    /// The networks it may be used from.
    pub allowed_ips: Option<Vec<IpNet>>,
    /// When it stops authenticating. Where it is absent, a key that was given the longest life is
    /// given it again, and another ends when the old one would have.
    pub expires_at: Option<Timestamp>,
    /// The longest life of a key, in seconds.
    pub longest_life: i64,
    /// For how many seconds the old key works on.
    pub overlap_seconds: i64,
}

impl KeyRotation {
    /// The new key, for the owner who makes it, in place of `old`.
    fn of(&self, old: &ApiKey, owner: &User, now: Timestamp) -> NewApiKey {
        let longest = now.plus_seconds(self.longest_life);
        let had_longest = old.expires_at >= old.created_at.plus_seconds(self.longest_life);
        let kept = if had_longest { longest } else { old.expires_at.min(longest) };
        let mut permissions = self.permissions.clone().unwrap_or_else(|| old.permissions.clone());
        // Its owner may have had another role then.
        permissions.retain(|permission| permission.is_allowed_to(owner));
        NewApiKey {
            name: self.name.clone().or_else(|| old.name.clone()),
            scope: self.scope.clone().unwrap_or_else(|| old.scope.clone()),
            permissions,
            allowed_ips: self.allowed_ips.clone().unwrap_or_else(|| old.allowed_ips.clone()),
            expires_at: self.expires_at.unwrap_or(kept),
        }
    }
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
    /// Returns true if a user has a key that is not revoked: for local commands.
    pub async fn has_active_key(&self, owner: Uuid) -> Result<bool> {
        Ok(!self.working_keys(owner).await?.is_empty())
    }

    pub(super) async fn keys_of(&self, owner: Uuid) -> Result<Vec<ApiKey>> {
        self.query(&Key::user(owner), prefix::KEY, From::Start, 1000, Freshness::Strong).await
    }

    /// The next of the caller's own keys, in order of their ids, from behind one on: at most so many,
    /// and whether there are more.
    pub async fn next_api_keys(&self, token: &VerifiedToken, after: Option<Uuid>, limit: usize) -> Result<Sealed<(Vec<ApiKey>, bool)>> {
        let owner = token.user_id();
        let after = after.map(|id| Key::api_key(owner, id).sk);
        self.next_of(&Key::user(owner), prefix::KEY, after, limit).await.map(Sealed::new)
    }

    /// Makes a key for the caller.
    pub async fn create_api_key(
        &self,
        caller: &Caller<SteppedUp>,
        new: NewApiKey,
        act: &Act,
        answer: impl Fn(MadeApiKey) -> Response,
    ) -> Result<Response> {
        let mut transaction = self.transaction();
        let answer = answer(self.add_api_key(&mut transaction, caller.user.id, new, Origin::default(), act)?);
        self.commit_answered(transaction, act, &answer).await?;
        Ok(answer)
    }

    /// Makes a key for a user, by a platform operator: the key says by whom.
    ///
    /// # Errors
    /// `Forbidden` for another platform operator.
    pub async fn mint_api_key(
        &self,
        _: &Operator,
        owner: &User,
        new: NewApiKey,
        act: &Act,
        answer: impl Fn(MadeApiKey) -> Response,
    ) -> Result<Response> {
        if owner.is_operator && Some(owner.id) != act.actor_id {
            return Err(Error::invalid(Issue::new(Place::Path, "user_id", Fault::NotA("the id of someone who is no platform operator"))));
        }
        let mut transaction = self.transaction();
        let origin = Origin { minted_by: act.actor_id, ..Origin::default() };
        let answer = answer(self.add_api_key(&mut transaction, owner.id, new, origin, act)?);
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

    /// Makes the caller's default key; where there is one that works, that one without its text.
    pub async fn create_default_api_key(
        &self,
        caller: &Caller<SteppedUp>,
        expires_at: Timestamp,
        act: &Act,
        answer: impl Fn(Result<MadeApiKey, ApiKey>) -> Response,
    ) -> Result<Response> {
        let owner = caller.user.id;
        let (present, key) = self.default_api_key(owner, act.at).await?;
        if let Some(key) = key {
            return Ok(answer(Err(key)));
        }
        let new = NewApiKey { name: Some("default".to_owned()), ..NewApiKey::until(expires_at) };
        let mut transaction = self.transaction();
        let made = self.add_api_key(&mut transaction, owner, new, Origin::default(), act)?;
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
        let (present, keys) = futures::try_join!(self.get::<DefaultKey>(&pointer, Freshness::Strong), self.keys_of(owner))?;
        let Some(DefaultKey { key_id }) = present else { return Ok((None, None)) };
        let key = match keys.into_iter().find(|key| key.id == key_id) {
            Some(key) => Some(key),
            // It was made between the two reads: who takes it for missing makes another.
            None => self.get(&Key::api_key(owner, key_id), Freshness::Strong).await?,
        };
        Ok((Some(key_id), key.filter(|key| key.works(now))))
    }

    /// Makes a key in place of another one of the caller's, which works on for a while.
    ///
    /// # Errors
    /// `NotFound` where there is no such key; `Conflict` where it does not work, was rotated
    /// before, was made by an operator, or has a scope that the caller may not give.
    pub async fn rotate_api_key(
        &self,
        caller: &Caller<SteppedUp>,
        key_id: Uuid,
        rotation: &KeyRotation,
        act: &Act,
        answer: impl Fn(MadeApiKey) -> Response,
    ) -> Result<Response> {
        let owner = caller.user.id;
        let pointer = Key::default_api_key(owner);
        let (old, default) = futures::try_join!(self.api_key(owner, key_id), self.get::<DefaultKey>(&pointer, Freshness::Strong))?;
        let conflict = || Error::Conflict("This key is revoked, expired or rotated already: make a new one.".into());
        if !old.key.works(act.at) || old.is_rotated {
            return Err(conflict());
        }
        if old.key.minted_by.is_some() {
            return Err(Error::Conflict("An operator made this key: make one of your own, or ask for another.".into()));
        }
        let new = rotation.of(&old.key, &caller.user, act.at);
        if new.scope == OPERATOR_SCOPE && !caller.operates() {
            return Err(Error::Conflict("Only platform operators have keys of the scope `operator`: give another scope.".into()));
        }
        let mut transaction = self.transaction();
        let origin = Origin { parent: Some(key_id), ..Origin::default() };
        let made = self.add_api_key(&mut transaction, owner, new, origin, act)?;
        let mut retired = old.clone();
        retired.is_rotated = true;
        retired.key.expires_at = old.key.expires_at.min(act.at.plus_seconds(rotation.overlap_seconds));
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

    /// Revokes a key of the caller's, at once; one that is revoked stays so.
    ///
    /// # Errors
    /// `NotFound` where there is no such key.
    pub async fn revoke_api_key(&self, caller: &Caller<SignedIn>, key_id: Uuid, act: &Act) -> Result<()> {
        let owner = caller.user.id;
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
    fn add_api_key(&self, transaction: &mut Transaction, owner: Uuid, new: NewApiKey, origin: Origin, act: &Act) -> Result<MadeApiKey> {
        let text = KeyText::generate().map_err(|_| Error::internal("the system gives no random bytes"))?;
        let key = ApiKey {
            id: Uuid::now_v7(),
            prefix: text.prefix().to_owned(),
            is_active: true,
            name: new.name,
            created_at: act.at,
            last_used_at: None,
            scope: new.scope,
            permissions: new.permissions,
            allowed_ips: new.allowed_ips,
            expires_at: new.expires_at,
            revoked_at: None,
            rotation_parent_key_id: origin.parent,
            minted_by: origin.minted_by,
        };
        let sha256 = api_key::hash(text.reveal()).ok_or_else(|| Error::internal("a new key has a wrong checksum"))?;
        let stepped_up = act.limits.is_stepped_up();
        let record = ApiKeyRecord { key: key.clone(), sha256, is_rotated: false, stepped_up };
        transaction.require_user(owner)?;
        transaction.create(encode(&Key::api_key(owner, key.id), &record)?, Refusal::Impossible)?;
        transaction.create(encode(&Key::api_key_secret(&record.sha256), &secret(owner, &record))?, Refusal::Impossible)?;
        let id = |id: Uuid| serde_json::Value::String(id.to_string());
        let change = FieldChange { before: origin.parent.map(id).unwrap_or_default(), after: id(key.id) };
        let words: Vec<_> = key.permissions.iter().map(|permission| permission.as_str()).collect();
        let permissions = FieldChange { before: serde_json::Value::Null, after: words.into() };
        let changes = BTreeMap::from([("key_id".to_owned(), change), ("permissions".to_owned(), permissions)]);
        self.record_changes(transaction, owner, act, changes)?;
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

/// Where a key comes from.
#[derive(Debug, Clone, Copy, Default)]
struct Origin {
    /// The key whose place it takes.
    parent: Option<Uuid>,
    /// The platform operator who makes it for its owner.
    minted_by: Option<Uuid>,
}

impl Sealed<(Vec<ApiKey>, bool)> {
    /// Opens a page of the list to the keys' owner.
    pub fn open(self, _: &Caller<AccountRead>) -> (Vec<ApiKey>, bool) {
        self.into_inner()
    }
}

/// What the SHA-256 of a key leads to.
fn secret(owner: Uuid, record: &ApiKeyRecord) -> ApiKeySecret {
    let key = &record.key;
    ApiKeySecret {
        user_id: owner,
        key_id: key.id,
        scope: key.scope.clone(),
        permissions: key.permissions.clone(),
        allowed_ips: key.allowed_ips.clone(),
        is_active: key.is_active,
        expires_at: key.expires_at,
        last_used_at: key.last_used_at,
        minted_by: key.minted_by,
        stepped_up: record.stepped_up,
    }
}
