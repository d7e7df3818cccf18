//! The public half of the key that signs Roster's own tokens, as a process knows it from the table.

use std::sync::{Arc, Mutex, PoisonError};

use jsonwebtoken::DecodingKey;

use super::signing_key::PublicSigningKey;
use crate::error::Result;
use crate::store::Store;
use crate::time::Timestamp;

/// Seconds for which a key that was read is used. A rotated secret ends the tokens of the former
/// one within that time.
const KEPT: i64 = 300;
/// Seconds between reads that an unknown `kid` causes: it costs a stranger nothing to send one.
const PAUSE: i64 = 5;

/// The published key, read when a token of Roster's own first comes, and kept.
pub struct PublishedKeys {
    store: Store,
    state: Mutex<State>,
    /// Held while reading, so that there is one read at a time.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    key: Option<Arc<VerifyingKey>>,
    read_at: Option<Timestamp>,
}

/// A key that verifies.
pub(super) struct VerifyingKey {
    kid: String,
    pub(super) decoding: DecodingKey,
}

impl PublishedKeys {
    /// Of that table; nothing is read yet.
    pub fn new(store: Store) -> Self {
        Self { store, state: Mutex::default(), reading: tokio::sync::Mutex::default() }
    }

    /// The current key, if it has that `kid`.
    ///
    /// # Errors
    /// `Unavailable` where the table cannot be read.
    pub(super) async fn find(
        &self,
        kid: &str,
        now: Timestamp,
    ) -> Result<Option<Arc<VerifyingKey>>> {
        if let Some(found) = self.known(kid, now) {
            return Ok(found);
        }
        let _one_at_a_time = self.reading.lock().await;
        // Another request may have read it while this one waited.
        if let Some(found) = self.known(kid, now) {
            return Ok(found);
        }
        let key = self.store.signing_key().await?.as_ref().map(VerifyingKey::new).transpose()?;
        self.set(key, now);
        Ok(self.known(kid, now).flatten())
    }

    /// The key of that `kid`, or that there is none, where it can be told without a read.
    fn known(&self, kid: &str, now: Timestamp) -> Option<Option<Arc<VerifyingKey>>> {
        let state = self.state();
        let read_at = state.read_at?;
        let key = state.key.clone().filter(|key| key.kid == kid);
        let good_for = if key.is_some() { KEPT } else { PAUSE };
        (now < read_at.plus_seconds(good_for)).then_some(key)
    }

    /// Returns true if the last key that was read or published has that `kid`.
    pub(super) fn is_current(&self, kid: &str) -> bool {
        self.state().key.as_ref().is_some_and(|key| key.kid == kid)
    }

    /// Notes a key that the table holds by now.
    ///
    /// # Errors
    /// An internal error where it is no key.
    pub fn note(&self, key: &PublicSigningKey, now: Timestamp) -> Result<()> {
        self.set(Some(VerifyingKey::new(key)?), now);
        Ok(())
    }

    fn set(&self, key: Option<VerifyingKey>, now: Timestamp) {
        *self.state() = State { key: key.map(Arc::new), read_at: Some(now) };
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VerifyingKey {
    fn new(key: &PublicSigningKey) -> Result<Self> {
        Ok(Self { kid: key.kid.clone(), decoding: key.decoding()? })
    }
}
