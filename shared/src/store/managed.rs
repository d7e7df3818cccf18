//! Managed users and shares, from the side of who manages or is let in.

use super::{Act, Freshness, From, Store, WriteError, encode};
use crate::auth::{Sealed, VerifiedToken};
use crate::error::Result;
use crate::models::{ManagedUser, Share, Status, User};
use crate::table::{Key, prefix};
use crate::time::Timestamp;
use uuid::Uuid;

/// One page of DynamoDB holds some 5,000 of these; more than that nobody manages by hand.
const MOST_LISTED: usize = 10_000;

impl Store {
    /// The users whom the caller manages.
    pub async fn managed_users(&self, token: &VerifiedToken) -> Result<Vec<ManagedUser>> {
        self.query(&Key::user(token.user_id()), prefix::MANAGED, From::Start, MOST_LISTED, Freshness::Strong).await
    }

    /// The shares that others gave the caller.
    pub async fn shares_received(&self, token: &VerifiedToken) -> Result<Vec<Share>> {
        self.query(&Key::user(token.user_id()), prefix::SHARED, From::Start, MOST_LISTED, Freshness::Strong).await
    }

    /// Those who gave these shares, with what they gave; without those whose account is locked or deleted.
    pub async fn grantors(&self, shares: Vec<Share>) -> Result<Vec<(User, Share)>> {
        let keys: Vec<_> = shares.iter().map(|share| Key::user(share.grantor_id)).collect();
        let users: Vec<User> = self.get_many(&keys, Freshness::Eventual).await?;
        let usable = users.into_iter().filter(|user| matches!(user.status, Status::Active | Status::Invited));
        Ok(usable
            .filter_map(|user| {
                let share = shares.iter().find(|share| share.grantor_id == user.id)?.clone();
                Some((user, share))
            })
            .collect())
    }

    /// The user of that id, before it is known whether the caller manages it.
    pub async fn sealed_user(&self, id: Uuid, _: &VerifiedToken) -> Result<Sealed<Option<User>>> {
        self.user(id, Freshness::Strong).await.map(Sealed::new)
    }

    /// Makes a user managed by `manager`, in the manager's team.
    pub async fn create_managed_user(&self, manager: &User, first_name: String, last_name: Option<String>, now: Timestamp) -> Result<User> {
        let number = self.next_number(manager.team_id).await?;
        let user = User {
            first_name: Some(first_name),
            last_name,
            manager_id: Some(manager.id),
            tier: manager.tier.clone(),
            quota_tier_id: manager.quota_tier_id.clone(),
            ..User::new(Uuid::now_v7(), number, (manager.team_id, &manager.team_name), now)
        };
        let mut transaction = self.transaction();
        transaction.require_user(manager.id)?;
        self.add_user(&mut transaction, &user, &Act::new(manager.id, "user.created", now))?;
        self.commit(transaction).await?;
        Ok(user)
    }

    /// Lets `share.grantee_id` in, replacing what was granted before.
    pub async fn share(&self, share: &Share) -> Result<(), WriteError> {
        let mut transaction = self.transaction();
        for key in [Key::shared(share.grantee_id, share.grantor_id), Key::grant(share.grantor_id, share.grantee_id)] {
            let item = encode(&key, share)?;
            transaction.put(item)?;
        }
        self.commit(transaction).await
    }
}

impl Sealed<Option<User>> {
    /// Opens the user to who manages it; to anyone else there is none.
    pub fn open_for_manager(self, manager: &User) -> Option<User> {
        self.into_inner().filter(|user| user.manager_id == Some(manager.id))
    }
}
