//! Accounts: a user with their team, its quota tier and usage, their keys and sandboxes.

use futures::{StreamExt, TryStreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use aws_sdk_dynamodb::types::AttributeValue;

use super::addresses::fill;
use super::users::{Answer, user_item};
use super::{Act, Filter, Freshness, From, Holder, Refusal, Store, WriteError, decode, encode};
use crate::Response;
use crate::auth::{
    AccountRead, Caller, Operator, SandboxesWrite, Sealed, SteppedUp, VerifiedToken,
};
use crate::error::{Error, Result};
use crate::models::{
    ApiKey, AuditEntry, DEFAULT_QUOTA_TIER, InviteStatus, ManagedUser, QuotaTier, Role, Sandbox,
    Share, SourceAddress, Status, Team, UsageDay, User,
};
use crate::table::{Item, Key, prefix};
use crate::time::Timestamp;

/// How many users are read at one time.
const READS_AT_ONCE: usize = 16;

/// The most calls, of 1 MB each, that all records of one kind may take to be shown in one response.
const CALLS_OF_A_RESPONSE: usize = 8;

/// The bytes of records, as text, after which a page of an export ends.
const BYTES_OF_A_PAGE: usize = 4_000_000;

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

/// What is held about a user beside the account.
#[derive(Debug, Clone, Default)]
pub struct Holdings {
    /// API keys, without their secrets.
    pub api_keys: Vec<ApiKey>,
    /// Sandboxes, newest first.
    pub sandboxes: Vec<Sandbox>,
    /// The users whom the user manages.
    pub managed_users: Vec<ManagedUser>,
    /// Whom the user lets in.
    pub shares_given: Vec<Share>,
    /// Who lets the user in.
    pub shares_received: Vec<Share>,
    /// What was done to the user, newest first.
    pub audit_log: Vec<AuditEntry>,
    /// The addresses that the user's own changes of the last 90 days came from, oldest first.
    pub source_addresses: Vec<SourceAddress>,
}

/// The parts of what is held about a user, in the order of [`Holdings::take`].
fn holdings_of(user: &User) -> Vec<(Key, &'static str, From)> {
    let own = || Key::user(user.id);
    let history = |id| (Key::audit(id, Uuid::nil()), "", From::End);
    let mut parts = vec![
        (own(), prefix::KEY, From::Start),
        (own(), prefix::SANDBOX, From::End),
        (own(), prefix::MANAGED, From::Start),
        (own(), prefix::GRANT, From::Start),
        (own(), prefix::SHARED, From::Start),
        (Key::address(user.id, Uuid::nil()), "", From::Start),
        history(user.id),
    ];
    // Before the user signed up, under an id of ours.
    parts.extend(user.invited_as.map(history));
    parts
}

impl Holdings {
    /// Takes in a record of that part of the whole. Returns its size as text.
    fn take(&mut self, part: usize, item: Item, now: Timestamp) -> Result<usize> {
        fn take<T: DeserializeOwned + Serialize>(
            list: &mut Vec<T>,
            item: Item,
            is_shown: impl Fn(&T) -> bool,
        ) -> Result<usize> {
            let record: T = decode(item)?;
            let size = serde_json::to_vec(&record).map_err(Error::internal)?.len();
            list.extend(Some(record).filter(is_shown));
            Ok(size)
        }
        match part {
            0 => take(&mut self.api_keys, item, |key: &ApiKey| key.is_kept(now)),
            1 => take(&mut self.sandboxes, item, |_| true),
            2 => take(&mut self.managed_users, item, |_| true),
            3 => take(&mut self.shares_given, item, |_| true),
            4 => take(&mut self.shares_received, item, |_| true),
            5 => take(&mut self.source_addresses, item, |address: &SourceAddress| {
                now.as_second() < address.expires
            }),
            _ => take(&mut self.audit_log, item, |_| true),
        }
    }
}

impl Sealed<Option<AccountRecords>> {
    /// Opens the records to a platform operator.
    pub fn open(self, _: &Operator) -> Option<AccountRecords> {
        self.into_inner()
    }
}

impl Store {
    /// A user's own records, before it is known whether the caller may see them.
    pub async fn sealed_account_records(
        &self,
        id: Uuid,
        _: &VerifiedToken,
        now: Timestamp,
    ) -> Result<Sealed<Option<AccountRecords>>> {
        let partition = Key::user(id);
        let (user, api_keys, sandboxes) = futures::try_join!(
            self.user(id, Freshness::Strong),
            self.keys_of(id, now),
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
    pub async fn sign_up(
        &self,
        mut user: User,
        team: &Team,
        act: &Act,
        answer: Answer<'_>,
    ) -> Result<Response, WriteError> {
        user.role = Role::Admin;
        user.number = 1;
        let mut transaction = self.transaction();
        self.add_user(&mut transaction, &user, act)?;
        let mut item = encode(&Key::team(team.id), team)?;
        item.insert("admins".to_owned(), AttributeValue::N("1".to_owned()));
        transaction.create(item, Refusal::TeamExists)?;
        transaction.add(&Key::numbers(team.id), &[("last_number", 1)])?;
        let answer = answer(&user);
        self.commit_answered(transaction, act, &answer).await?;
        Ok(answer)
    }

    /// The user who was invited by the email that the caller's token vouches for, and has not
    /// signed up yet; whoever else holds it.
    pub async fn holder_of(&self, email: &str, _: &VerifiedToken) -> Result<Option<User>> {
        match self.get::<Holder>(&Key::email(email), Freshness::Strong).await? {
            Some(holder) => self.user(holder.user_id, Freshness::Strong).await,
            None => Ok(None),
        }
    }

    /// Signs up a user who was invited under an id of ours: `user` is what they become, under their
    /// own. What the invited one had goes over, but for keys and shares: those were given to nobody
    /// known.
    ///
    /// # Errors
    /// Refused as `UserExists`, or as `Changed` where the invited user was changed or deleted
    /// meanwhile.
    pub async fn sign_up_invited(
        &self,
        invited: &User,
        user: &User,
        act: &Act,
        answer: Answer<'_>,
    ) -> Result<Response, WriteError> {
        self.clear_partition(invited, act).await?;
        let mut transaction = self.transaction();
        transaction.create(user_item(user)?, Refusal::UserExists)?;
        transaction.delete_version(&Key::user(invited.id), invited.version)?;
        // What stands under the email goes with the names.
        let email = user.email.as_deref().map(Key::email);
        for key in Key::unique_values(user).into_iter().filter(|key| Some(key) != email.as_ref()) {
            transaction.put(encode(&key, &Holder { user_id: user.id })?)?;
        }
        self.list_names(&mut transaction, Some(invited), Some(user))?;
        let class = |user: &User| user.class().code();
        let (old, new) =
            (Key::count(invited.team_id, invited.id), Key::count(user.team_id, user.id));
        if old == new {
            transaction.add(&new, &[(class(invited).as_str(), -1), (class(user).as_str(), 1)])?;
        } else {
            transaction.add(&old, &[(class(invited).as_str(), -1)])?;
            transaction.add(&new, &[(class(user).as_str(), 1)])?;
        }
        transaction.count_admins(Some(invited), Some(user), false)?;
        if let Some(invite) = user.invite_id {
            transaction.set_if(
                &Key::invite(user.team_id, invite),
                &[
                    ("status", InviteStatus::Used.as_str().to_owned()),
                    ("user_id", user.id.to_string()),
                    ("updated_at", act.at.to_string()),
                ],
                None,
                ("status", InviteStatus::Pending.as_str()),
                Refusal::Changed,
            )?;
            transaction.add(&Key::invite_count(user.team_id), &[("pending", -1)])?;
        }
        self.record(&mut transaction, user.id, act, Some(invited), Some(user))?;
        let answer = answer(user);
        self.commit_answered(transaction, act, &answer).await?;
        // What was given to the invited user in the meantime.
        self.clear_partition(invited, act).await?;
        Ok(answer)
    }

    /// What the caller's team may use.
    pub async fn quota_tier_of(
        &self,
        caller: &Caller<SandboxesWrite>,
        now: Timestamp,
    ) -> Result<QuotaTier> {
        let key = Key::team(caller.user.team_id);
        let (team, quota_tiers) =
            futures::try_join!(self.get::<Team>(&key, Freshness::Strong), self.quota_tiers(now))?;
        let team =
            team.ok_or_else(|| Error::internal(format!("user {} has no team", caller.user.id)))?;
        team_tier(&team, &quota_tiers)
    }

    /// Whether anyone is in the caller's team who is neither deleted nor managed by the caller.
    pub async fn others_in_team(&self, caller: &Caller<SteppedUp>) -> Result<bool> {
        let partition = Key::user(caller.user.id);
        let managed = self.query::<ManagedUser>(
            &partition,
            prefix::MANAGED,
            From::Start,
            usize::MAX,
            Freshness::Strong,
        );
        let (counts, managed) = futures::try_join!(self.own_counts(caller), managed)?;
        let deleted = Filter { status: Some(Status::Deleted), ..Filter::default() };
        // The caller's own may be among the deleted ones.
        let managed = futures::stream::iter(managed)
            .map(async |managed| self.user(managed.id, Freshness::Strong).await);
        let managed: Vec<Option<User>> =
            managed.buffer_unordered(READS_AT_ONCE).try_collect().await?;
        let own = 1
            + managed.iter().flatten().filter(|user| user.status != Status::Deleted).count() as u64;
        Ok(counts.total(&Filter::default()) > counts.total(&deleted) + own)
    }

    /// Everything that is held about the caller, beside the account: for the caller alone. None
    /// where it is more than a response holds.
    pub async fn holdings(
        &self,
        caller: &Caller<AccountRead>,
        now: Timestamp,
    ) -> Result<Option<Holdings>> {
        let parts = holdings_of(&caller.user);
        let found =
            parts.iter().map(|(partition, prefix, from)| self.query_some(partition, prefix, *from));
        let found: Option<Vec<_>> =
            futures::future::try_join_all(found).await?.into_iter().collect();
        let Some(found) = found else { return Ok(None) };
        let mut whole = Holdings::default();
        for (part, items) in found.into_iter().enumerate() {
            for item in items {
                whole.take(part, item, now)?;
            }
        }
        whole.source_addresses.sort_by_key(|one| (one.at, one.id));
        // The addresses of others are theirs.
        fill(&mut whole.audit_log, &whole.source_addresses, now);
        Ok(Some(whole))
    }

    /// All items of one kind; none where they take more calls than what a response holds.
    async fn query_some(
        &self,
        partition: &Key,
        prefix: &str,
        from: From,
    ) -> Result<Option<Vec<Item>>> {
        let mut found = Vec::new();
        let mut start = None;
        for _ in 0..CALLS_OF_A_RESPONSE {
            let (items, next) = self
                .query_call(partition, prefix, from, usize::MAX, Freshness::Strong, start)
                .await?;
            found.extend(items);
            start = next;
            if start.is_none() {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The next of what [`Store::holdings`] has all of, from behind a place on: at most so many
    /// records and bytes; and the place behind which the rest is.
    ///
    /// # Errors
    /// `None` in place of a page for a place that is none.
    pub async fn next_holdings(
        &self,
        caller: &Caller<AccountRead>,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Option<(Holdings, Option<String>)>> {
        let caller = &caller.user;
        let parts = holdings_of(caller);
        let place = match after {
            None => Some((0, None)),
            Some(after) => after
                .split_once(':')
                .and_then(|(part, sk)| Some((part.parse().ok()?, Some(sk.to_owned())))),
        };
        // A sort key of another kind would begin elsewhere.
        let fits = |(part, sk): &(usize, Option<String>)| {
            parts.get(*part).is_some_and(|(_, prefix, _)| {
                sk.as_ref().is_none_or(|sk| (1..=200).contains(&sk.len()) && sk.starts_with(prefix))
            })
        };
        let Some((mut part, mut sk)) = place.filter(fits) else { return Ok(None) };
        let mut page = Holdings::default();
        let (mut records, mut bytes) = (0, 0);
        while let Some((partition, prefix, from)) = parts.get(part) {
            let start = sk.take().map(|sk| Key { sk, ..partition.clone() }.item());
            let (items, next) = self
                .query_call(partition, prefix, *from, limit - records, Freshness::Strong, start)
                .await?;
            for item in items {
                let place = Key::of(&item).map(|key| format!("{part}:{}", key.sk));
                bytes += page.take(part, item, now)?;
                records += 1;
                if records == limit || bytes > BYTES_OF_A_PAGE {
                    self.show_own_addresses(caller.id, &mut page.audit_log, now).await?;
                    return Ok(Some((page, place)));
                }
            }
            sk = next.as_ref().and_then(Key::of).map(|key| key.sk);
            part += usize::from(sk.is_none());
        }
        self.show_own_addresses(caller.id, &mut page.audit_log, now).await?;
        Ok(Some((page, None)))
    }

    /// The caller's own record, whatever its status: for signing up.
    ///
    /// # Errors
    /// `TokenRefused` where the user signed out everywhere since the token was issued.
    pub async fn own_user(&self, token: &VerifiedToken) -> Result<Option<User>> {
        let user = self.user(token.user_id(), Freshness::Strong).await?;
        user.as_ref().map_or(Ok(()), |user| token.require_signed_in(user))?;
        Ok(user)
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

/// The part of a team's id that is in the slug it was made with.
fn distinct_part(team: Uuid) -> String {
    team.simple().to_string()[24..].to_owned()
}

/// The name and the slug that a team has once the person is gone whom it was named after; none
/// where it has others than it was made with.
pub(super) fn neutral_names(team: Uuid, slug: &str) -> Option<(String, String)> {
    let distinct = distinct_part(team);
    slug.ends_with(&distinct).then(|| (format!("Team {distinct}"), format!("team-{distinct}")))
}

/// The team that a new account gets: named after the person, in the default tier.
pub fn own_team(user: &User, now: Timestamp) -> Team {
    let id = Uuid::now_v7();
    let who = user.shown_name();
    let who = who.split('@').next().unwrap_or_default();
    let slug: String = who
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let slug = slug.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    let distinct = distinct_part(id);
    Team {
        id,
        name: format!("{who}'s team"),
        slug: if slug.is_empty() { distinct } else { format!("{slug}-{distinct}") },
        owner_user_id: user.id,
        quota_tier_id: DEFAULT_QUOTA_TIER.to_owned(),
        created_at: now,
        updated_at: now,
        soft_deleted_at: None,
    }
}
