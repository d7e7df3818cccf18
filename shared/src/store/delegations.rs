//! The history of delegated tokens, and of the tokens that come from them: who gave which one out,
//! and who used it. An entry names both people, as actor and in its changes.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::{Act, Store};
use crate::Response;
use crate::auth::{Delegation, VerifiedToken};
use crate::error::Result;
use crate::models::FieldChange;
use crate::time::Timestamp;

/// Seconds for which the entry of a token's use stands before the process notes the next one.
const USED_INTERVAL: i64 = 600;
/// The most tokens whose use a process remembers.
const MAX_REMEMBERED: usize = 10_000;

impl Store {
    /// Notes in the history of `delegator` that the actor of `act` was given a delegated token, and
    /// keeps the response with it, where the request has an `Idempotency-Key`.
    pub async fn note_delegated(
        &self,
        delegator: Uuid,
        token: Uuid,
        scopes: &[String],
        act: &Act,
        response: &Response,
    ) -> Result<()> {
        let changes =
            told([("token_id", token.to_string().into()), ("scopes", scopes.to_vec().into())]);
        let mut transaction = self.transaction();
        self.record_changes(&mut transaction, delegator, act, changes)?;
        if let Some(actor) = act.actor_id.filter(|_| act.receipt.is_some()) {
            // The response goes to the partition of who acts, who may be erased meanwhile.
            transaction.require_user(actor)?;
        }
        Ok(self.commit_answered(transaction, act, response).await?)
    }

    /// Notes in the history of who acts that they were given a token that comes from a delegated
    /// one.
    pub async fn note_principal(
        &self,
        delegation: &Delegation,
        token: Uuid,
        act: &Act,
    ) -> Result<()> {
        let mut transaction = self.transaction();
        self.record_changes(
            &mut transaction,
            delegation.actor,
            act,
            changes_of_principal(delegation, token),
        )?;
        Ok(self.commit(transaction).await?)
    }

    /// Notes that a delegated token was used, or one that comes from it, in the history of the user
    /// whom it is for: once in ten minutes for each token and process.
    pub async fn note_delegation_used(
        &self,
        token: &VerifiedToken,
        delegation: &Delegation,
        act: &Act,
    ) -> Result<()> {
        let key = delegation.token_id;
        {
            let mut used = self.uses();
            if used.get(&key).is_some_and(|at| act.at < at.plus_seconds(USED_INTERVAL)) {
                return Ok(());
            }
            if used.len() >= MAX_REMEMBERED {
                used.clear();
            }
            // At once, so that another request of this moment does not note it too.
            used.insert(key, act.at);
        }
        let noted = self.put_use(token, delegation, act).await;
        if noted.is_err() {
            self.uses().remove(&key);
        }
        noted
    }

    async fn put_use(
        &self,
        token: &VerifiedToken,
        delegation: &Delegation,
        act: &Act,
    ) -> Result<()> {
        let changes = if token.is_principal() {
            changes_of_principal(delegation, delegation.token_id)
        } else {
            told([("token_id", delegation.token_id.to_string().into())])
        };
        let mut transaction = self.transaction();
        self.record_changes(&mut transaction, token.user_id(), act, changes)?;
        Ok(self.commit(transaction).await?)
    }

    fn uses(&self) -> std::sync::MutexGuard<'_, BTreeMap<Uuid, Timestamp>> {
        self.delegations_used.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn told<const N: usize>(values: [(&str, Value); N]) -> BTreeMap<String, FieldChange> {
    let mut changes = BTreeMap::new();
    for (name, value) in values {
        changes.insert(name.to_owned(), FieldChange { before: Value::Null, after: value });
    }
    changes
}

fn changes_of_principal(delegation: &Delegation, token: Uuid) -> BTreeMap<String, FieldChange> {
    told([
        ("token_id", token.to_string().into()),
        ("delegator_id", delegation.delegator.to_string().into()),
    ])
}
