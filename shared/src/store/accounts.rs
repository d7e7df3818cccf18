//! Accounts: a user with their team, its quota tier and usage, their keys and sandboxes.

use uuid::Uuid;

use super::{Act, Freshness, From, Refusal, Store, WriteError, encode};
use crate::auth::{Operator, Sealed, VerifiedToken};
use crate::error::{Error, Result};
use crate::models::{ApiKey, DEFAULT_QUOTA_TIER, QuotaTier, Role, Sandbox, Team, UsageDay, User};
use crate::table::{Key, prefix};
use crate::time::Timestamp;

/// A user with the team, its quota tier, and its usage of the last 30 days, newest first.
#[derive(Debug, Clone)]
pub struct Account {
    /// The user.
    pub user: User,
    /// The team.
    pub team: Team,
    /// What the team may use.
    pub quota_tier: QuotaTier,
    /// What the team used.
    pub quota_usage: Vec<UsageDay>,
}

/// What stands in a user's own partition.
#[derive(Debug, Clone)]
pub struct AccountRecords {
    /// The user.
    pub user: User,
    /// Every API key, in order of their ids.
    pub api_keys: Vec<ApiKey>,
    /// The newest 100 sandboxes, newest first.
    pub sandboxes: Vec<Sandbox>,
}

impl Sealed<Option<AccountRecords>> {
    /// Opens the records to a platform operator.
    pub fn open(self, _: &Operator) -> Option<AccountRecords> {
        self.into_inner()
    }
}

impl Store {
    /// A user's own records, before it is known whether the caller may see them.
    pub async fn sealed_account_records(&self, id: Uuid, _: &VerifiedToken) -> Result<Sealed<Option<AccountRecords>>> {
        let partition = Key::user(id);
        let (user, api_keys, sandboxes) = futures::try_join!(
            self.user(id, Freshness::Strong),
            self.api_keys(id),
            self.query(&partition, prefix::SANDBOX, From::End, 100, Freshness::Eventual),
        )?;
        Ok(Sealed::new(user.map(|user| AccountRecords { user, api_keys, sandboxes })))
    }

    /// The account of a user who was read, and who may be shown.
    pub async fn account(&self, user: User, now: Timestamp) -> Result<Account> {
        let team = Key::team(user.team_id);
        let (team, quota_tiers, quota_usage) = futures::try_join!(
            self.get::<Team>(&team, Freshness::Strong),
            self.quota_tiers(now),
            self.query(&team, prefix::USAGE, From::End, 30, Freshness::Eventual),
        )?;
        let team = team.ok_or_else(|| Error::internal(format!("user {} has no team", user.id)))?;
        let quota_tier = team_tier(&team, &quota_tiers)?;
        Ok(Account { user, team, quota_tier, quota_usage })
    }

    /// Signs a new user up: the record, a team of their own, and the first number in it.
    ///
    /// # Errors
    /// Refused as `UserExists` or `EmailTaken`.
    pub async fn sign_up(&self, mut user: User, team: &Team, act: &Act) -> Result<User, WriteError> {
        user.role = Role::Admin;
        user.number = 1;
        let mut transaction = self.transaction();
        self.add_user(&mut transaction, &user, act)?;
        transaction.create(encode(&Key::team(team.id), team)?, Refusal::TeamExists)?;
        transaction.add(&Key::numbers(team.id), [("last_number", 1)])?;
        self.commit(transaction).await?;
        Ok(user)
    }

    /// The caller's own record, whatever its status: for signing up.
    pub async fn own_user(&self, token: &VerifiedToken) -> Result<Option<User>> {
        self.user(token.user_id(), Freshness::Strong).await
    }
}

/// The quota tier of a team.
///
/// # Errors
/// An internal error where there is none of that id.
pub fn team_tier(team: &Team, tiers: &[QuotaTier]) -> Result<QuotaTier> {
    let tier = tiers.iter().find(|tier| tier.id == team.quota_tier_id);
    tier.cloned().ok_or_else(|| Error::internal(format!("team {} has no quota tier", team.id)))
}

/// The team that a new account gets: named after the person, in the default tier.
pub fn own_team(user: &User, now: Timestamp) -> Team {
    let id = Uuid::now_v7();
    let who = user.shown_name();
    let who = who.split('@').next().unwrap_or_default();
    let slug: String = who.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let slug = slug.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    let distinct = &id.simple().to_string()[24..];
    Team {
        id,
        name: format!("{who}'s team"),
        slug: if slug.is_empty() { distinct.to_owned() } else { format!("{slug}-{distinct}") },
        owner_user_id: user.id,
        quota_tier_id: DEFAULT_QUOTA_TIER.to_owned(),
        created_at: now,
        updated_at: now,
        soft_deleted_at: None,
    }
}
