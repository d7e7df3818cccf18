//! Erasing a user with everything of theirs. Cut off anywhere, it can be run again; nothing of the user is left but their history,
//! reduced to ids.

use uuid::Uuid;

use super::transaction::back_off;
use super::users::CHANGE_ATTEMPTS;
use super::{Act, Freshness, From, Refusal, Store, WriteError, decode};
use crate::Response;
use crate::error::{Error, Result};
use crate::models::{SandboxRecord, SandboxStatus, Share, Status, User};
use crate::table::{Item, Key, prefix};
use crate::time::Timestamp;

/// In a team of more users than this, no erasure can be that of the last one: so many do not run at one time.
const SMALL_TEAM: u64 = 64;

impl Store {
    /// Erases a user and everything of theirs, also where others write the user meanwhile. Says whether it was this that did:
    /// not where someone else came first, nor where `still` no longer holds of the user.
    ///
    /// The user is marked first, as deleted and due by now: from then on nothing is added to what is theirs, nobody restores it, and
    /// what was cut off is due at once.
    pub async fn erase(&self, mut user: User, still: impl Fn(&User) -> bool, act: &Act) -> Result<bool> {
        for attempt in 0..CHANGE_ATTEMPTS {
            back_off(attempt).await;
            let erased = match self.mark_due(&user, act).await {
                Ok(marked) => self.erase_marked(&marked, act).await,
                Err(error) => Err(error),
            };
            match erased {
                Err(WriteError::Refused(Refusal::Changed)) => match self.user(user.id, Freshness::Strong).await? {
                    Some(present) if still(&present) => user = present,
                    _ => return Ok(false),
                },
                outcome => return Ok(outcome.map(|()| true)?),
            }
        }
        Err(Error::Unavailable("the user kept changing".into()))
    }

    async fn mark_due(&self, user: &User, act: &Act) -> Result<User, WriteError> {
        if user.status == Status::Deleted && user.delete_scheduled_at.is_some_and(|due| due <= act.at) {
            return Ok(user.clone());
        }
        let marked = marked_due(user, act);
        let act = act.part("user.deleted");
        Ok(self.update_user(user, marked, &act, &|_| Ok(()), &|_| Response::default()).await?.0)
    }

    /// Erases a user who is marked. What is theirs goes first and the user last, in one transaction with the unique values and the
    /// counts.
    ///
    /// # Errors
    /// Refused as `Changed` where someone else wrote the user since it was read.
    pub(super) async fn erase_marked(&self, user: &User, act: &Act) -> Result<(), WriteError> {
        self.clear_partition(user, act).await?;
        self.reduce_history(user.id).await?;
        if let Some(invited_as) = user.invited_as {
            self.reduce_history(invited_as).await?;
        }
        let mut transaction = self.transaction();
        transaction.delete_version(&Key::user(user.id), user.version)?;
        for key in Key::unique_values(user).into_iter().chain(Key::names(user)) {
            transaction.delete(&key)?;
        }
        if let Some(manager) = user.manager_id {
            transaction.delete(&Key::managed(manager, user.id))?;
        }
        if let Some(invite) = user.invite_id {
            transaction.delete(&Key::invite(user.team_id, invite))?;
        }
        let count = Key::count(user.team_id, user.id);
        let team = self.team_after(user).await?;
        match team {
            TeamAfter::Gone => {
                // Who was counted is this one only if they are there still: after another erasure of theirs it is who stays.
                if self.user(user.id, Freshness::Strong).await?.is_none_or(|present| present.version != user.version) {
                    return Err(WriteError::Refused(Refusal::Changed));
                }
                self.clear_team(user.team_id, &count).await?;
                transaction.delete(&Key::team(user.team_id))?;
                transaction.delete(&count)?;
            }
            TeamAfter::Small { departures } => {
                transaction.add(&count, &[(user.class().code().as_str(), -1)])?;
                // Two who leave at one time must not each take the other for one who stays.
                let team = Key::team(user.team_id);
                match departures {
                    0 => transaction.add_if(&team, &[("departures", 1)], "attribute_not_exists(departures)", &[], Refusal::Changed)?,
                    n => transaction.add_if(&team, &[("departures", 1)], "departures = :n", &[(":n", n)], Refusal::Changed)?,
                }
            }
            TeamAfter::Stays => transaction.add(&count, &[(user.class().code().as_str(), -1)])?,
        }
        self.record(&mut transaction, user.id, act, Some(user), None)?;
        self.commit(transaction).await
    }

    /// Erases a user whom another manages, by the line of the manager's list.
    async fn erase_managed(&self, manager: &User, line: &Item, act: &Act) -> Result<()> {
        let Some(id) = line.get("id").and_then(|id| id.as_s().ok()?.parse::<Uuid>().ok()) else { return Ok(()) };
        let is_managed = |user: &User| user.manager_id == Some(manager.id);
        if let Some(user) = self.user(id, Freshness::Strong).await?.filter(is_managed) {
            Box::pin(self.erase(user, is_managed, &act.part("user.erased"))).await?;
        }
        Ok(())
    }

    /// Deletes all that stands in a user's partition but the user, each with its other half elsewhere; managed users with all of theirs.
    pub(super) async fn clear_partition(&self, user: &User, act: &Act) -> Result<()> {
        let partition = self.query_items(&Key::user(user.id), "", From::Start, usize::MAX, Freshness::Strong, None).await?;
        let mut keys: Vec<Key> = Vec::new();
        for item in partition {
            let Some(key) = Key::of(&item) else { continue };
            if key == Key::user(user.id) {
                continue;
            }
            if key.sk.starts_with(prefix::MANAGED) {
                self.erase_managed(user, &item, act).await?;
            }
            if key.sk.starts_with(prefix::SANDBOX) && self.release_sandbox(user, &key, &item).await? {
                continue;
            }
            // The other half goes first: it cannot be found without the one here.
            if let Some(other) = other_half(user.id, &key, &item) {
                keys.push(other);
            }
            keys.push(key);
        }
        let (here, elsewhere): (Vec<Key>, Vec<Key>) = keys.into_iter().partition(|key| key.pk == Key::user(user.id).pk);
        self.write_batch(Vec::new(), elsewhere).await?;
        self.write_batch(Vec::new(), here).await
    }

    /// Deletes a sandbox that counts against the team's limit, and the count with it. Says whether it counted.
    async fn release_sandbox(&self, user: &User, key: &Key, item: &Item) -> Result<bool> {
        let record: SandboxRecord = decode(item.clone())?;
        if record.sandbox.status == SandboxStatus::Destroyed {
            return Ok(false);
        }
        let mut transaction = self.transaction();
        transaction.delete_if(key, "status", record.sandbox.status.as_str())?;
        transaction.add(&Key::sandbox_count(user.team_id), &[("sandboxes", -1)])?;
        match self.commit(transaction).await {
            // It was deleted or destroyed meanwhile.
            Err(WriteError::Refused(Refusal::Changed)) => Ok(false),
            outcome => Ok(outcome.map(|()| true)?),
        }
    }

    /// What becomes of the team when this user, still counted, is gone.
    async fn team_after(&self, user: &User) -> Result<TeamAfter> {
        // The departures first: who leaves after they were read is noticed.
        let departures: Option<Departures> = self.get(&Key::team(user.team_id), Freshness::Strong).await?;
        let Some(Departures { departures }) = departures else { return Ok(TeamAfter::Stays) };
        let users = self.team_size(user.team_id, Freshness::Strong).await?;
        Ok(match users {
            0 | 1 => TeamAfter::Gone,
            _ if users <= SMALL_TEAM => TeamAfter::Small { departures },
            _ => TeamAfter::Stays,
        })
    }

    /// Deletes all that a team has but the team itself and the count of its one user: these go with the user, and tell until then
    /// that there is one.
    async fn clear_team(&self, team: Uuid, count: &Key) -> Result<()> {
        let items = self.query_items(&Key::team(team), "", From::Start, usize::MAX, Freshness::Strong, None).await?;
        let keys = items.iter().filter_map(Key::of).filter(|key| *key != Key::team(team) && key != count);
        self.write_batch(Vec::new(), keys.collect()).await
    }
}

/// What becomes of a team when a user leaves.
#[derive(Debug)]
enum TeamAfter {
    /// It has nobody else: it goes too.
    Gone,
    /// It has others, who may be leaving as well.
    Small {
        /// How many left so far, as long as the team was small.
        departures: i64,
    },
    /// It has many others.
    Stays,
}

#[derive(serde::Deserialize)]
struct Departures {
    #[serde(default)]
    departures: i64,
}

/// A user who is to be erased, marked so.
pub(super) fn marked_due(user: &User, act: &Act) -> User {
    let earlier = |at: Option<Timestamp>| at.filter(|at| *at <= act.at).or(Some(act.at));
    User {
        status: Status::Deleted,
        soft_deleted_at: earlier(user.soft_deleted_at),
        delete_scheduled_at: earlier(user.delete_scheduled_at),
        deleted_by: user.deleted_by.or(Some(act.actor_id)),
        ..user.clone()
    }
}

/// The item elsewhere that goes with one of this user's partition.
fn other_half(user: Uuid, key: &Key, item: &Item) -> Option<Key> {
    let shared: Option<Share> = [prefix::SHARED, prefix::GRANT]
        .iter()
        .any(|prefix| key.sk.starts_with(prefix))
        .then(|| serde_dynamo::from_item(item.clone()).ok())
        .flatten();
    match shared {
        Some(share) if share.grantee_id == user => Some(Key::grant(share.grantor_id, user)),
        Some(share) => Some(Key::shared(share.grantee_id, user)),
        None => item.get("sha256").and_then(|hash| hash.as_s().ok()).map(|hash| Key::api_key_secret(hash)),
    }
}
