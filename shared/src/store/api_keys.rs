//! API keys: each stands in its owner's partition and, by the SHA-256 of its text, where
//! authentication finds it.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Act, Freshness, From, Refusal, Store, Transaction, WriteError, decode, encode, if_met,
};
use crate::Response;
use crate::auth::api_key::{self, KeyText};
use crate::auth::{
    AccountRead, Caller, Operator, Sealed, SignedIn, SteppedUp, UsedKey, VerifiedToken,
};
use crate::error::{Error, Fault, Issue, Place, Result};
use crate::models::{
    ApiKey, ApiKeyRecord, ApiKeySecret, FieldChange, OPERATOR_SCOPE, Permission, USER_SCOPE, User,
};
use crate::table::{Key, TTL, prefix};
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

/// The attribute of [`ActiveKeys`].
const KEY_IDS: &str = "key_ids";

/// The item that has the ids of a person's keys that are not revoked.
#[derive(Debug, Deserialize)]
struct ActiveKeys {
    #[serde(default)]
    key_ids: Vec<Uuid>,
}

/// Adds to a transaction what makes a key, and gives the answer that shows it.
type AddKey<'a> = &'a (dyn Fn(&mut Transaction) -> Result<Response> + Sync);

impl Store {
    /// Returns true if a user has a key that is not revoked: for local commands.
    pub async fn has_active_key(&self, owner: Uuid) -> Result<bool> {
        Ok(!self.working_keys(owner).await?.is_empty())
    }

    /// A user's first thousand keys, without those that were revoked too long ago.
    pub(super) async fn keys_of(&self, owner: Uuid, now: Timestamp) -> Result<Vec<ApiKey>> {
        let mut keys: Vec<ApiKey> = self
            .query(&Key::user(owner), prefix::KEY, From::Start, 1000, Freshness::Strong)
            .await?;
        keys.retain(|key| key.is_kept(now));
        Ok(keys)
    }

    /// The next of the caller's own keys, in order of their ids, from behind one on: at most so
    /// many, and the last that was looked at, where there are more. Keys that were revoked too long
    /// ago are left out.
    pub async fn next_api_keys(
        &self,
        token: &VerifiedToken,
        after: Option<Uuid>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Sealed<(Vec<ApiKey>, Option<Uuid>)>> {
        let owner = token.user_id();
        let after = after.map(|id| Key::api_key(owner, id).sk);
        let (mut keys, more) = self
            .next_of::<ApiKey>(&Key::user(owner), prefix::KEY, From::Start, after, limit)
            .await?;
        let last = keys.last().filter(|_| more).map(|key| key.id);
        keys.retain(|key| key.is_kept(now));
        Ok(Sealed::new((keys, last)))
    }

    /// Makes a key for the caller.
    pub async fn create_api_key(
        &self,
        caller: &Caller<SteppedUp>,
        new: NewApiKey,
        act: &Act,
        answer: impl Fn(MadeApiKey) -> Response + Sync,
    ) -> Result<Response> {
        let add = |transaction: &mut Transaction| {
            Ok(answer(self.add_api_key(
                transaction,
                caller.user.id,
                new.clone(),
                Origin::default(),
                act,
            )?))
        };
        Ok(self.commit_key(caller.user.id, act, &add).await?)
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
        answer: impl Fn(MadeApiKey) -> Response + Sync,
    ) -> Result<Response> {
        if owner.is_operator && Some(owner.id) != act.actor_id {
            return Err(Error::invalid(Issue::new(
                Place::Path,
                "user_id",
                Fault::NotA("the id of someone who is no platform operator"),
            )));
        }
        let origin = Origin { minted_by: act.actor_id, ..Origin::default() };
        let add = |transaction: &mut Transaction| {
            Ok(answer(self.add_api_key(transaction, owner.id, new.clone(), origin, act)?))
        };
        Ok(self.commit_key(owner.id, act, &add).await?)
    }

    /// Commits a transaction that makes a key of a person, with what `add` writes. Where the person
    /// has as many as a person may have, those that have expired are revoked first.
    ///
    /// # Errors
    /// `Conflict` where all of them work.
    async fn commit_key(
        &self,
        owner: Uuid,
        act: &Act,
        add: AddKey<'_>,
    ) -> Result<Response, WriteError> {
        for _ in 0..super::users::CHANGE_ATTEMPTS {
            let mut transaction = self.transaction();
            let answer = add(&mut transaction)?;
            match self.commit_answered(transaction, act, &answer).await {
                Err(WriteError::Refused(Refusal::TooManyKeys)) => {
                    if !self.revoke_expired(owner, act).await? {
                        let (most, whose) = (
                            self.caps.active_keys,
                            if Some(owner) == act.actor_id {
                                "You have"
                            } else {
                                "This person has"
                            },
                        );
                        let sentence = format!(
                            "{whose} {most} API keys that are not revoked, and there may be no more. Revoke one first."
                        );
                        return Err(Error::Conflict(sentence).into());
                    }
                }
                outcome => return outcome.map(|()| answer),
            }
        }
        Err(Error::Unavailable("keys of the same person kept being made".into()).into())
    }

    /// Revokes those of a person's keys that have expired, as many as a transaction takes. Returns
    /// false where none has.
    async fn revoke_expired(&self, owner: Uuid, act: &Act) -> Result<bool> {
        let Some(ActiveKeys { key_ids }) =
            self.get(&Key::active_keys(owner), Freshness::Strong).await?
        else {
            return Ok(true);
        };
        let keys: Vec<_> = key_ids.iter().map(|id| Key::api_key(owner, *id)).collect();
        let mut expired: Vec<ApiKeyRecord> = self.get_many(&keys, Freshness::Strong).await?;
        expired.retain(|key| key.key.is_active && key.key.expires_at <= act.at);
        expired.truncate(super::users::MOST_KEYS);
        if expired.is_empty() {
            return Ok(false);
        }
        let mut transaction = self.transaction();
        self.revoke_all(&mut transaction, owner, &expired, act.at)?;
        let ids: Vec<_> = expired.iter().map(|key| key.key.id.to_string()).collect();
        self.record_one(&mut transaction, owner, &act.part("key.expired"), "key_id", ids)?;
        match self.commit(transaction).await {
            // Another request did it at the same time.
            Ok(()) | Err(WriteError::Refused(Refusal::Changed)) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// A user's keys that are not revoked. Only a page is held at a time, as there may be many that
    /// are.
    pub(super) async fn working_keys(&self, owner: Uuid) -> Result<Vec<ApiKeyRecord>> {
        let mut working = Vec::new();
        let mut start = None;
        loop {
            let (items, next) =
                self.page_of(&Key::user(owner), prefix::KEY, usize::MAX, start).await?;
            for item in items {
                working.extend(Some(decode::<ApiKeyRecord>(item)?).filter(|key| key.key.is_active));
            }
            start = next;
            if start.is_none() {
                return Ok(working);
            }
        }
    }

    /// Revokes keys that were just read.
    pub(super) fn revoke_all(
        &self,
        transaction: &mut Transaction,
        owner: Uuid,
        keys: &[ApiKeyRecord],
        at: Timestamp,
    ) -> Result<()> {
        for old in keys {
            let mut revoked = old.clone();
            revoked.key.is_active = false;
            revoked.key.revoked_at = Some(at);
            self.replace_api_key(transaction, owner, old, &revoked)?;
        }
        let ids: Vec<_> = keys.iter().map(|key| key.key.id.to_string()).collect();
        if ids.is_empty() {
            Ok(())
        } else {
            transaction.take_from_set(&Key::active_keys(owner), KEY_IDS, ids)
        }
    }

    /// Makes the caller's default key; where there is one that works, that one without its text.
    pub async fn create_default_api_key(
        &self,
        caller: &Caller<SteppedUp>,
        expires_at: Timestamp,
        act: &Act,
        answer: impl Fn(Result<MadeApiKey, ApiKey>) -> Response + Sync,
    ) -> Result<Response> {
        let owner = caller.user.id;
        let (present, key) = self.default_api_key(owner, act.at).await?;
        if let Some(key) = key {
            return Ok(answer(Err(key)));
        }
        let new = NewApiKey { name: Some("default".to_owned()), ..NewApiKey::until(expires_at) };
        let add = |transaction: &mut Transaction| {
            let made = self.add_api_key(transaction, owner, new.clone(), Origin::default(), act)?;
            let item = encode(&Key::default_api_key(owner), &DefaultKey { key_id: made.key.id })?;
            transaction.put_if(
                item,
                "key_id",
                present.map(|key_id| key_id.to_string()),
                Refusal::Changed,
            )?;
            Ok(answer(Ok(made)))
        };
        match self.commit_key(owner, act, &add).await {
            Ok(answer) => Ok(answer),
            // Another request made it at the same time.
            Err(WriteError::Refused(Refusal::Changed)) => {
                let (_, key) = self.default_api_key(owner, act.at).await?;
                key.map(|key| answer(Err(key))).ok_or_else(|| {
                    Error::Conflict("The default key changed meanwhile. Try again.".into())
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The id of a user's default key, and the key itself where it works.
    async fn default_api_key(
        &self,
        owner: Uuid,
        now: Timestamp,
    ) -> Result<(Option<Uuid>, Option<ApiKey>)> {
        let pointer = Key::default_api_key(owner);
        let (present, keys) = futures::try_join!(
            self.get::<DefaultKey>(&pointer, Freshness::Strong),
            self.keys_of(owner, now)
        )?;
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
        answer: impl Fn(MadeApiKey) -> Response + Sync,
    ) -> Result<Response> {
        let owner = caller.user.id;
        let pointer = Key::default_api_key(owner);
        let (old, default) = futures::try_join!(
            self.api_key(owner, key_id, act.at),
            self.get::<DefaultKey>(&pointer, Freshness::Strong)
        )?;
        let conflict = || {
            Error::Conflict(
                "This key is revoked, expired or rotated already: make a new one.".into(),
            )
        };
        if !old.key.works(act.at) || old.is_rotated {
            return Err(conflict());
        }
        if old.key.minted_by.is_some() {
            return Err(Error::Conflict(
                "An operator made this key: make one of your own, or ask for another.".into(),
            ));
        }
        let new = rotation.of(&old.key, &caller.user, act.at);
        if new.scope == OPERATOR_SCOPE && !caller.operates() {
            return Err(Error::Conflict(
                "Only platform operators have keys of the scope `operator`: give another scope."
                    .into(),
            ));
        }
        let origin = Origin { parent: Some(key_id), ..Origin::default() };
        let mut retired = old.clone();
        retired.is_rotated = true;
        retired.key.expires_at =
            old.key.expires_at.min(act.at.plus_seconds(rotation.overlap_seconds));
        let is_default = default.is_some_and(|default| default.key_id == key_id);
        let add = |transaction: &mut Transaction| {
            let made = self.add_api_key(transaction, owner, new.clone(), origin, act)?;
            self.replace_api_key(transaction, owner, &old, &retired)?;
            // The new key is the default one, if the old was.
            if is_default {
                let item = encode(&pointer, &DefaultKey { key_id: made.key.id })?;
                transaction.put_if(item, "key_id", Some(key_id.to_string()), Refusal::Changed)?;
            }
            Ok(answer(made))
        };
        match self.commit_key(owner, act, &add).await {
            Ok(answer) => Ok(answer),
            Err(WriteError::Refused(Refusal::Changed)) => Err(conflict()),
            Err(error) => Err(error.into()),
        }
    }

    /// Revokes a key of the caller's, at once; one that is revoked stays so.
    ///
    /// # Errors
    /// `NotFound` where there is no such key.
    pub async fn revoke_api_key(
        &self,
        caller: &Caller<SignedIn>,
        key_id: Uuid,
        act: &Act,
    ) -> Result<()> {
        let owner = caller.user.id;
        for _ in 0..super::users::CHANGE_ATTEMPTS {
            let old = self.api_key(owner, key_id, act.at).await?;
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

    /// Notes that a key authenticated at that time: where its owner lists it, and where
    /// authentication finds it.
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
        futures::try_join!(
            note(Key::api_key(used.owner, used.key_id)),
            note(Key::api_key_secret(&used.sha256))
        )?;
        Ok(())
    }

    async fn api_key(&self, owner: Uuid, key_id: Uuid, now: Timestamp) -> Result<ApiKeyRecord> {
        let record: Option<ApiKeyRecord> =
            self.get(&Key::api_key(owner, key_id), Freshness::Strong).await?;
        record.filter(|record| record.key.is_kept(now)).ok_or_else(Error::no_such_key)
    }

    /// Adds to a transaction all that makes a key.
    fn add_api_key(
        &self,
        transaction: &mut Transaction,
        owner: Uuid,
        new: NewApiKey,
        origin: Origin,
        act: &Act,
    ) -> Result<MadeApiKey> {
        let text =
            KeyText::generate().map_err(|_| Error::internal("the system gives no random bytes"))?;
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
        let sha256 = api_key::hash(text.reveal())
            .ok_or_else(|| Error::internal("a new key has a wrong checksum"))?;
        let stepped_up = act.limits.is_stepped_up();
        let record = ApiKeyRecord { key: key.clone(), sha256, is_rotated: false, stepped_up };
        transaction.require_user(owner)?;
        let (active, ids) = (Key::active_keys(owner), vec![key.id.to_string()]);
        transaction.add_to_set(
            &active,
            KEY_IDS,
            ids,
            Some(self.caps.active_keys),
            Refusal::TooManyKeys,
        )?;
        transaction.create(encode(&Key::api_key(owner, key.id), &record)?, Refusal::Impossible)?;
        transaction.create(
            encode(&Key::api_key_secret(&record.sha256), &secret(owner, &record))?,
            Refusal::Impossible,
        )?;
        let id = |id: Uuid| serde_json::Value::String(id.to_string());
        let change =
            FieldChange { before: origin.parent.map(id).unwrap_or_default(), after: id(key.id) };
        let words: Vec<_> = key.permissions.iter().map(|permission| permission.as_str()).collect();
        let permissions = FieldChange { before: serde_json::Value::Null, after: words.into() };
        let changes = BTreeMap::from([
            ("key_id".to_owned(), change),
            ("permissions".to_owned(), permissions),
        ]);
        self.record_changes(transaction, owner, act, changes)?;
        Ok(MadeApiKey { key, text })
    }

    /// Replaces both items of a key, if it is as it was read. Those of a revoked one end by
    /// themselves.
    fn replace_api_key(
        &self,
        transaction: &mut Transaction,
        owner: Uuid,
        old: &ApiKeyRecord,
        new: &ApiKeyRecord,
    ) -> Result<()> {
        let key = Key::api_key(owner, old.key.id);
        let mut items =
            [encode(&key, new)?, encode(&Key::api_key_secret(&new.sha256), &secret(owner, new))?];
        if let Some(end) = new.key.vanishes_at() {
            let end = AttributeValue::N(end.as_second().to_string());
            items.iter_mut().for_each(|item| drop(item.insert(TTL.to_owned(), end.clone())));
        }
        let [record, secret] = items;
        transaction.replace(&encode(&key, old)?, record, &["is_active", "is_rotated"])?;
        transaction.put(secret)
    }

    /// Writes a key with the text of its own: for demo data.
    pub async fn load_api_key(&self, owner: Uuid, record: &ApiKeyRecord) -> Result<(), WriteError> {
        let mut transaction = self.transaction();
        transaction.put(encode(&Key::api_key(owner, record.key.id), record)?)?;
        transaction.put(encode(&Key::api_key_secret(&record.sha256), &secret(owner, record))?)?;
        if record.key.is_active {
            let ids = vec![record.key.id.to_string()];
            transaction.add_to_set(
                &Key::active_keys(owner),
                KEY_IDS,
                ids,
                None,
                Refusal::Impossible,
            )?;
        }
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

impl Sealed<(Vec<ApiKey>, Option<Uuid>)> {
    /// Opens a page of the list to the keys' owner.
    pub fn open(self, _: &Caller<AccountRead>) -> (Vec<ApiKey>, Option<Uuid>) {
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
