//! The ids of people whom a provider knows.

use shared::auth::PersonIds;
use shared::store::Store;
use uuid::Uuid;

use crate::Failure;

/// Finds the ids of people.
pub struct People {
    ids: PersonIds,
    store: Store,
    is_dry_run: bool,
}

impl People {
    /// Of a table. A dry run writes nothing there.
    pub fn new(store: Store, is_dry_run: bool) -> Self {
        Self { ids: PersonIds::new(store.clone()), store, is_dry_run }
    }

    /// Returns the id of the person whom a provider's id names.
    pub async fn id(&mut self, sub: &str) -> Result<Uuid, Failure> {
        if !self.is_dry_run {
            return Ok(self.ids.find_or_make(sub).await?);
        }
        if let Some(id) = self.ids.find(sub).await? {
            return Ok(id);
        }
        // Nobody has such an id yet. The dry run tells people apart by ids that it forgets.
        self.ids = PersonIds::in_namespace(self.store.clone(), Uuid::new_v4());
        Ok(self.ids.find_or_make(sub).await?)
    }
}
