//! The words of names, by which the members of a large team are found, but for those who are deleted.
//! Requests do not write them: the table's stream keeps them, in batches that may be applied again.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::spans::{Change, Placed};
use super::{Freshness, From, Holder, Store, encode};
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
        self.write_words(last).await
    }

    /// Writes the words of a team's names anew, where they are not what they should be.
    pub(super) async fn rebuild_words(&self, team: Uuid) -> Result<()> {
        let partition = Key { pk: Key::words_of(team), sk: String::new() };
        let kept = self.query_items(&partition, "", From::Start, usize::MAX, Freshness::Strong, None).await?;
        let mut kept: BTreeSet<Key> = kept.iter().filter_map(Key::of).collect();
        let (members, _) = self.page_by_number(team, None, usize::MAX).await?;
        let mut changes = BTreeMap::new();
        for member in members {
            let words = member.name.iter().flat_map(|name| Key::words(team, name, member.id));
            changes.extend(words.filter(|key| !kept.remove(key)).map(|key| (key, Some(member.id))));
        }
        changes.extend(kept.into_iter().map(|key| (key, None)));
        self.write_words(changes).await
    }

    /// Puts each key with its user, and deletes those without one.
    async fn write_words(&self, changes: BTreeMap<Key, Option<Uuid>>) -> Result<()> {
        let mut puts = Vec::new();
        let mut deletes = Vec::new();
        for (key, user) in changes {
            match user {
                Some(user_id) => puts.push(encode(&key, &Holder { user_id })?),
                None => deletes.push(key),
            }
        }
        self.write_batch(puts, deletes).await
    }
}
