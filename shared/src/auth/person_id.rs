//! The ids of people: the identity provider's `sub` where that is a UUID, and otherwise a UUID that
//! comes from it.

use std::sync::{Arc, OnceLock};

use uuid::Uuid;

use crate::error::Result;
use crate::models::parse_id;
use crate::store::Store;

/// The installation's own namespace of people's ids, as a process knows it from the table. Cheap to
/// clone.
///
/// It is random, so that nobody else can compute an id from a `sub`, and it stays, so that ids
/// survive a change of issuer.
#[derive(Clone)]
pub struct PersonIds {
    store: Store,
    namespace: Arc<OnceLock<Uuid>>,
}

impl PersonIds {
    /// Of that table; nothing is read yet.
    pub fn new(store: Store) -> Self {
        Self { store, namespace: Arc::default() }
    }

    /// Of a namespace that is known: nothing is ever read.
    pub fn in_namespace(store: Store, namespace: Uuid) -> Self {
        Self { store, namespace: Arc::new(OnceLock::from(namespace)) }
    }

    /// Returns the id of the person whom a `sub` names, or none where nobody can have one: the
    /// installation has no namespace yet. It takes one read in the life of a process, and none for
    /// a UUID.
    ///
    /// # Errors
    /// `Unavailable` where the table cannot be read.
    pub async fn find(&self, sub: &str) -> Result<Option<Uuid>> {
        if let Some(id) = self.known(sub) {
            return Ok(Some(id));
        }
        let namespace = self.store.person_namespace().await?;
        Ok(namespace.map(|namespace| self.id_in(namespace, sub)))
    }

    /// Returns the id of the person whom a `sub` names, for who signs up or is imported. It makes
    /// the namespace where there is none.
    ///
    /// # Errors
    /// `Unavailable` where the table cannot be read or written.
    pub async fn find_or_make(&self, sub: &str) -> Result<Uuid> {
        match self.find(sub).await? {
            Some(id) => Ok(id),
            None => Ok(self.id_in(self.store.make_person_namespace().await?, sub)),
        }
    }

    /// Returns the id, where it can be told without a read.
    fn known(&self, sub: &str) -> Option<Uuid> {
        parse_id(sub).or_else(|| self.namespace.get().map(|namespace| derive(namespace, sub)))
    }

    fn id_in(&self, namespace: Uuid, sub: &str) -> Uuid {
        derive(self.namespace.get_or_init(|| namespace), sub)
    }
}

/// The UUIDv5 of a `sub`.
fn derive(namespace: &Uuid, sub: &str) -> Uuid {
    Uuid::new_v5(namespace, sub.as_bytes())
}
