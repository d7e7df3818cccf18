//! The words of names, by which the members of a large team are found. Requests do not write them: the
//! table's stream keeps them, in batches that may be applied again.

use std::collections::{BTreeMap, BTreeSet};

use super::spans::{Change, Placed};
use super::{Holder, Store, encode};
use crate::error::Result;
use crate::table::Key;

impl Store {
    /// Keeps the words of names as changes of users leave them.
    ///
    /// # Errors
    /// Some may be kept then and some not: all can be given again.
    pub(super) async fn keep_words(&self, changes: &[Change]) -> Result<()> {
        let mut last = BTreeMap::new();
        for change in changes {
            let words = |placed: &Option<Placed>| placed.iter().flat_map(Placed::words).collect::<BTreeSet<_>>();
            let (before, after) = (words(&change.before), words(&change.after));
            last.extend(before.difference(&after).map(|(key, _)| (key.clone(), None)));
            last.extend(after.difference(&before).map(|(key, user)| (key.clone(), Some(*user))));
        }
        let mut puts = Vec::new();
        let mut deletes: Vec<Key> = Vec::new();
        for (key, user) in last {
            match user {
                Some(user_id) => puts.push(encode(&key, &Holder { user_id })?),
                None => deletes.push(key),
            }
        }
        self.write_batch(puts, deletes).await
    }
}
