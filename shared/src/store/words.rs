//! The words of names, by which the members of a large team are found, but for those who are
//! deleted. Requests do not write them: the table's stream keeps them, in batches that may be
//! applied again.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};

use uuid::Uuid;

use super::spans::{Change, Placed};
use super::{Freshness, From, Holder, Store, encode};
use crate::error::Result;
use crate::models::NumberedUser;
use crate::table::Key;

/// The members, and the words, that are held at once while all of a team are gone through.
const PAGE: usize = 500;

impl Store {
    /// Keeps the words of names as changes of users leave them.
    ///
    /// # Errors
    /// Some may be kept then and some not: all can be given again.
    pub(super) async fn keep_words(&self, changes: &[Change]) -> Result<()> {
        let mut last = BTreeMap::new();
        for change in changes {
            let words = |placed: &Option<Placed>| {
                placed.iter().flat_map(Placed::words).collect::<BTreeSet<_>>()
            };
            let (before, after) = (words(&change.before), words(&change.after));
            last.extend(before.difference(&after).map(|(key, _)| (key.clone(), None)));
            last.extend(after.difference(&before).map(|(key, user)| (key.clone(), Some(*user))));
        }
        self.write_words(last).await
    }

    /// Writes the words of a team's names anew, where they are not what they should be. Of the
    /// words that should be, a hash each is held: 16 bytes or so.
    pub(super) async fn rebuild_words(&self, team: Uuid) -> Result<()> {
        let state = RandomState::new();
        let mut missing = HashSet::new();
        let mut after = None;
        while let Some(words) = self.words_of_next(team, &mut after).await? {
            missing.extend(words.iter().map(|(key, _)| state.hash_one(&key.sk)));
        }
        let partition = Key { pk: Key::words_of(team), sk: String::new() };
        let mut start = None;
        loop {
            let found =
                self.query_call(&partition, "", From::Start, PAGE, Freshness::Strong, start);
            let (items, next) = found.await?;
            let kept = items.iter().filter_map(Key::of);
            let stale = kept.filter(|key| !missing.remove(&state.hash_one(&key.sk)));
            self.write_words(stale.map(|key| (key, None)).collect()).await?;
            start = next;
            if start.is_none() {
                break;
            }
        }
        let mut after = None;
        while !missing.is_empty() {
            let Some(mut words) = self.words_of_next(team, &mut after).await? else { break };
            words.retain(|(key, _)| missing.remove(&state.hash_one(&key.sk)));
            self.write_words(words.into_iter().map(|(key, id)| (key, Some(id))).collect()).await?;
        }
        Ok(())
    }

    /// The words of the next members of a team by number, from behind `after`, which goes on; none
    /// at the end.
    async fn words_of_next(
        &self,
        team: Uuid,
        after: &mut Option<u64>,
    ) -> Result<Option<Vec<(Key, Uuid)>>> {
        let (members, _) = self.page_by_number(team, *after, PAGE).await?;
        let Some(last) = members.last() else { return Ok(None) };
        *after = Some(last.number);
        let words = |member: &NumberedUser| {
            let name = member.name.as_deref();
            let keys = name.into_iter().flat_map(|name| Key::words(team, name, member.id));
            keys.map(|key| (key, member.id)).collect::<Vec<_>>()
        };
        Ok(Some(members.iter().flat_map(words).collect()))
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
