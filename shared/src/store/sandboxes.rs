//! Sandboxes, and what a team may use of them. Every limit is held by a condition of the write that
//! counts, so that no race passes it.
//!
//! GB-hours are counted when a sandbox is destroyed. So that a day's limit holds all the same, a
//! sandbox that may run for a limited time takes the most it may use from the day it is made in,
//! and gives back what it did not use.
//!
//! A sandbox counts as running from its making until it is destroyed, unless the platform reports
//! otherwise. Its owner's own word changes no bill.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use uuid::Uuid;

use super::{Act, Freshness, From, Refusal, Store, WriteError, encode};
use crate::Response;
use crate::auth::{
    Caller, Metering, Operator, SandboxesRead, SandboxesWrite, Sealed, VerifiedToken,
};
use crate::error::{Error, Fault, Issue, Place, Result};
use crate::models::{
    FieldChange, MB_MS_PER_GB_HOUR, QuotaTier, Role, Sandbox, SandboxRecord, SandboxStatus,
    UsageRecord, User,
};
use crate::table::{Key, prefix};
use crate::time::Timestamp;

/// How often a change of a sandbox that others get in the way of is tried.
const ATTEMPTS: usize = 8;

/// What a new sandbox is to be.
#[derive(Debug, Clone)]
pub struct NewSandbox {
    /// What it is made from.
    pub template: String,
    /// Free values by name.
    pub metadata: BTreeMap<String, Value>,
    /// Processors.
    pub cpu_count: Option<u32>,
    /// Memory in MB.
    pub memory_mb: Option<u32>,
    /// Disk in MB.
    pub disk_mb: Option<u32>,
    /// How long it may run, in milliseconds.
    pub timeout_ms: Option<u64>,
}

/// The share of a team's room that one member may hold at once.
#[derive(Debug, Clone, Copy)]
struct MemberShare {
    sandboxes: u64,
    mb_ms: u64,
}

impl MemberShare {
    /// The share of one who is no administrator of the team. Those have all of it.
    fn of(member: &User, tier: &QuotaTier, percent: u32) -> Option<Self> {
        let share = |whole: u64| {
            u64::try_from(u128::from(whole) * u128::from(percent) / 100).unwrap_or(whole)
        };
        // A member may have one sandbox where the team may have one.
        let sandboxes = share(tier.max_concurrent_sandboxes).max(1);
        (member.role != Role::Admin).then(|| Self { sandboxes, mb_ms: share(gb_hours_limit(tier)) })
    }
}

/// The platform's report of how long a sandbox ran.
#[derive(Debug, Clone, Copy)]
pub struct RunningTime {
    /// Milliseconds that it ran in all, until now.
    pub ran_ms: u64,
    /// True where it runs on.
    pub running: bool,
}

impl Store {
    /// Makes a sandbox, if the team's tier has room for it, and the caller's share of the team's.
    ///
    /// # Errors
    /// `QuotaExceeded`, and nothing is counted.
    pub async fn create_sandbox(
        &self,
        caller: &Caller<SandboxesWrite>,
        new: NewSandbox,
        tier: &QuotaTier,
        act: &Act,
        answer: impl Fn(&Sandbox) -> Response,
    ) -> Result<Response> {
        let owner = &caller.user;
        let share = MemberShare::of(owner, tier, self.caps.member_share_percent);
        let reserved =
            u64::from(new.memory_mb.unwrap_or(0)).saturating_mul(new.timeout_ms.unwrap_or(0));
        let limit = gb_hours_limit(tier);
        let sandbox = Sandbox {
            id: format!("sbx_{}", Uuid::now_v7().simple()),
            user_id: owner.id,
            template: new.template,
            status: SandboxStatus::Creating,
            created_at: act.at,
            updated_at: act.at,
            metadata: new.metadata,
            started_at: None,
            destroyed_at: None,
            cpu_count: new.cpu_count,
            memory_mb: new.memory_mb,
            disk_mb: new.disk_mb,
            timeout_ms: new.timeout_ms,
        };
        let answer = answer(&sandbox);
        let record = SandboxRecord {
            ran_ms: 0,
            running_since: Some(act.at),
            reserved_mb_ms: reserved,
            version: 1,
            sandbox,
        };
        let (team, date) = (owner.team_id, act.at.date());
        // A limit of 2^63 and more is none.
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let left =
            limit.checked_sub(reserved).filter(|_| limit > 0 && tier.daily_sandbox_creates > 0);
        let Some(left) = left.filter(|_| tier.max_concurrent_sandboxes > 0) else {
            let refusal = if tier.max_concurrent_sandboxes == 0 {
                Refusal::TooManySandboxes
            } else {
                Refusal::DayUsedUp
            };
            return Err(self.exceeded(owner, tier, refusal, reserved, act.at).await);
        };
        let mut transaction = self.transaction();
        transaction.add_if(
            &Key::sandbox_count(team),
            &[("sandboxes", 1)],
            "attribute_not_exists(sandboxes) OR sandboxes < :most",
            &[(":most", number(tier.max_concurrent_sandboxes))],
            Refusal::TooManySandboxes,
        )?;
        let count = Key::own_sandbox_count(owner.id);
        let own = [("sandboxes", 1), ("reserved_mb_ms", number(reserved))];
        match share {
            None => transaction.add(&count, &own)?,
            Some(share) => {
                let Some(rest) = share.mb_ms.checked_sub(reserved) else {
                    return Err(self
                        .exceeded(owner, tier, Refusal::MemberShareUsedUp, reserved, act.at)
                        .await);
                };
                let condition = "attribute_not_exists(sandboxes) OR (sandboxes < :most AND reserved_mb_ms <= :rest)";
                let numbers = [(":most", number(share.sandboxes)), (":rest", number(rest))];
                transaction.add_if(
                    &count,
                    &own,
                    condition,
                    &numbers,
                    Refusal::MemberShareUsedUp,
                )?;
            }
        }
        // The day must have room for what this one may use; where that is not known, any room at
        // all.
        let fits =
            if reserved == 0 { "committed_mb_ms < :left" } else { "committed_mb_ms <= :left" };
        let condition = format!(
            "(attribute_not_exists(sandbox_creates) OR sandbox_creates < :most) AND (attribute_not_exists(committed_mb_ms) OR {fits})"
        );
        transaction.use_day(
            &Key::usage(team, &date),
            &[("sandbox_creates", "1".to_owned()), ("committed_mb_ms", reserved.to_string())],
            Some((
                &condition,
                &[(":most", number(tier.daily_sandbox_creates)), (":left", number(left))],
            )),
            &UsageKey { team, date: &date, at: act.at },
        )?;
        transaction.require_user(owner.id)?;
        transaction.create(
            encode(&Key::sandbox(owner.id, &record.sandbox.id), &record)?,
            Refusal::Impossible,
        )?;
        self.record_one(&mut transaction, owner.id, act, "sandbox_id", record.sandbox.id.clone())?;
        match self.commit_answered(transaction, act, &answer).await {
            Ok(()) => Ok(answer),
            Err(WriteError::Refused(
                refusal @ (Refusal::TooManySandboxes
                | Refusal::MemberShareUsedUp
                | Refusal::DayUsedUp),
            )) => Err(self.exceeded(owner, tier, refusal, reserved, act.at).await),
            Err(error) => Err(error.into()),
        }
    }

    /// The error that names the figure which is used up.
    async fn exceeded(
        &self,
        owner: &User,
        tier: &QuotaTier,
        refusal: Refusal,
        reserved: u64,
        now: Timestamp,
    ) -> Error {
        let hours = |mb_ms: u64| (mb_ms as f64 / MB_MS_PER_GB_HOUR * 100.0).round() / 100.0;
        let share = MemberShare::of(owner, tier, self.caps.member_share_percent);
        if let (Refusal::MemberShareUsedUp, Some(share)) = (refusal, share) {
            let message = format!(
                "Your share of the team's quota is exceeded: a member may hold {} sandboxes and {} GB-hours at once. Destroy one first, \
                 or ask for a smaller one.",
                share.sandboxes,
                hours(share.mb_ms)
            );
            return Error::QuotaExceeded(message, None);
        }
        if refusal == Refusal::TooManySandboxes {
            let most = tier.max_concurrent_sandboxes;
            return Error::QuotaExceeded(
                format!("Concurrent sandbox quota exceeded ({most}/{most}): destroy one first."),
                None,
            );
        }
        let date = now.date();
        let usage: Option<UsageRecord> =
            match self.get(&Key::usage(owner.team_id, &date), Freshness::Strong).await {
                Ok(usage) => usage,
                Err(error) => return error,
            };
        let (creates, committed) =
            usage.map_or((0, 0), |usage| (usage.day.sandbox_creates, usage.committed_mb_ms));
        let until_midnight = 86_400 - now.as_second().rem_euclid(86_400);
        let most = tier.daily_sandbox_creates;
        let message = if creates >= most {
            format!("Daily sandbox create quota exceeded ({creates}/{most} for {date})")
        } else {
            let (used, wanted, most) = (hours(committed), hours(reserved), tier.daily_gb_hours);
            format!(
                "Daily GB-hours quota exceeded ({used}/{most} for {date}, used or reserved; this sandbox may use {wanted} more)"
            )
        };
        Error::QuotaExceeded(message, Some(until_midnight))
    }

    /// Changes a sandbox of the caller's.
    ///
    /// # Errors
    /// `NotFound` where the caller has none of that id; what `change` gives.
    pub async fn change_sandbox(
        &self,
        caller: &Caller<SandboxesWrite>,
        id: &str,
        change: impl Fn(&SandboxRecord) -> Result<SandboxRecord>,
        act: &Act,
    ) -> Result<Sandbox> {
        let owner = &caller.user;
        for _ in 0..ATTEMPTS {
            let old = self.sandbox(owner.id, id).await?;
            let new = change(&old)?;
            if new == old {
                return Ok(new.sandbox);
            }
            let new = SandboxRecord {
                sandbox: Sandbox { updated_at: act.at, ..new.sandbox },
                version: old.version + 1,
                ..new
            };
            let mut transaction = self.transaction();
            self.replace_sandbox(&mut transaction, owner.id, &old, &new, act)?;
            match self.commit(transaction).await {
                Err(WriteError::Refused(Refusal::Changed)) => {}
                outcome => return Ok(outcome.map(|()| new.sandbox)?),
            }
        }
        Err(Error::Unavailable("the sandbox kept changing".into()))
    }

    /// Destroys a sandbox of the caller's, and bills what it used; one that is destroyed stays so.
    ///
    /// # Errors
    /// `NotFound` where the caller has none of that id.
    pub async fn destroy_sandbox(
        &self,
        caller: &Caller<SandboxesWrite>,
        id: &str,
        act: &Act,
    ) -> Result<Sandbox> {
        let owner = &caller.user;
        for _ in 0..ATTEMPTS {
            let old = self.sandbox(owner.id, id).await?;
            if old.sandbox.status == SandboxStatus::Destroyed {
                return Ok(old.sandbox);
            }
            let ran_ms = old.ran_until(act.at);
            let used = u64::from(old.sandbox.memory_mb.unwrap_or(0)).saturating_mul(ran_ms);
            let sandbox = Sandbox {
                status: SandboxStatus::Destroyed,
                destroyed_at: Some(act.at),
                updated_at: act.at,
                ..old.sandbox.clone()
            };
            let new = SandboxRecord {
                sandbox,
                ran_ms,
                running_since: None,
                reserved_mb_ms: 0,
                version: old.version + 1,
            };
            let mut transaction = self.transaction();
            self.replace_sandbox(&mut transaction, owner.id, &old, &new, act)?;
            transaction.add(&Key::sandbox_count(owner.team_id), &[("sandboxes", -1)])?;
            let reserved = i64::try_from(old.reserved_mb_ms).unwrap_or(i64::MAX);
            transaction.add(
                &Key::own_sandbox_count(owner.id),
                &[("sandboxes", -1), ("reserved_mb_ms", -reserved)],
            )?;
            let gb_hours = (used as f64 / MB_MS_PER_GB_HOUR).to_string();
            let given_back = |rest: i128| rest.to_string();
            let (made_on, today) = (old.sandbox.created_at.date(), act.at.date());
            let day = |date| UsageKey { team: owner.team_id, date, at: act.at };
            let today_too = if made_on == today { i128::from(old.reserved_mb_ms) } else { 0 };
            let amounts = [
                ("gb_hours", gb_hours),
                ("committed_mb_ms", given_back(i128::from(used) - today_too)),
            ];
            transaction.use_day(
                &Key::usage(owner.team_id, &today),
                &amounts,
                None,
                &day(&today),
            )?;
            if made_on != today && old.reserved_mb_ms > 0 {
                let amounts = [("committed_mb_ms", given_back(-i128::from(old.reserved_mb_ms)))];
                transaction.use_day(
                    &Key::usage(owner.team_id, &made_on),
                    &amounts,
                    None,
                    &day(&made_on),
                )?;
            }
            match self.commit(transaction).await {
                Err(WriteError::Refused(Refusal::Changed)) => {}
                outcome => return Ok(outcome.map(|()| new.sandbox)?),
            }
        }
        Err(Error::Unavailable("the sandbox kept changing".into()))
    }

    /// Takes the platform's word for how long a sandbox ran: its bill is made from it.
    ///
    /// # Errors
    /// `NotFound` where the owner has none of that id; `Conflict` where it is destroyed; `Invalid`
    /// where it would have run for longer than it exists.
    pub async fn report_running_time(
        &self,
        _: &Caller<Metering>,
        owner: Uuid,
        id: &str,
        report: RunningTime,
        act: &Act,
    ) -> Result<SandboxRecord> {
        for _ in 0..ATTEMPTS {
            let old = self.sandbox(owner, id).await?;
            if old.sandbox.status == SandboxStatus::Destroyed {
                return Err(Error::Conflict("This sandbox is destroyed: its bill is made.".into()));
            }
            let age =
                act.at.as_millisecond().saturating_sub(old.sandbox.created_at.as_millisecond());
            if i64::try_from(report.ran_ms).map_or(true, |ran| ran > age) {
                return Err(Error::invalid(Issue::new(
                    Place::Body,
                    "ran_ms",
                    Fault::NotAnInteger { min: 0, max: age },
                )));
            }
            let mut sandbox = old.sandbox.clone();
            if report.running {
                sandbox.status = SandboxStatus::Running;
                sandbox.started_at.get_or_insert(act.at);
            } else if sandbox.status == SandboxStatus::Running {
                sandbox.status = SandboxStatus::Paused;
            }
            let running_since = report.running.then_some(act.at);
            let new =
                SandboxRecord { sandbox, ran_ms: report.ran_ms, running_since, ..old.clone() };
            // The same report again.
            if new == old {
                return Ok(old);
            }
            let new = SandboxRecord {
                sandbox: Sandbox { updated_at: act.at, ..new.sandbox },
                version: old.version + 1,
                ..new
            };
            let mut transaction = self.transaction();
            self.replace_sandbox(&mut transaction, owner, &old, &new, act)?;
            match self.commit(transaction).await {
                Err(WriteError::Refused(Refusal::Changed)) => {}
                outcome => return Ok(outcome.map(|()| new)?),
            }
        }
        Err(Error::Unavailable("the sandbox kept changing".into()))
    }

    /// How many sandboxes of a user are not destroyed, however old they are.
    pub async fn active_sandboxes(&self, _: &Operator, owner: Uuid) -> Result<usize> {
        let all: Vec<Sandbox> = self
            .query(&Key::user(owner), prefix::SANDBOX, From::Start, usize::MAX, Freshness::Strong)
            .await?;
        Ok(all.iter().filter(|sandbox| sandbox.status != SandboxStatus::Destroyed).count())
    }

    /// The next of the caller's own sandboxes, newest first, from behind the id `after` on: at most
    /// so many. Says too if there are more.
    pub async fn next_sandboxes(
        &self,
        token: &VerifiedToken,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Sealed<(Vec<Sandbox>, bool)>> {
        let owner = token.user_id();
        let after = after.map(|id| Key::sandbox(owner, id).sk);
        Ok(Sealed::new(
            self.next_of(&Key::user(owner), prefix::SANDBOX, From::End, after, limit).await?,
        ))
    }

    /// A sandbox of the caller's own, if there is one of that id.
    pub async fn sealed_sandbox(
        &self,
        token: &VerifiedToken,
        id: &str,
    ) -> Result<Sealed<Option<Sandbox>>> {
        match self.sandbox(token.user_id(), id).await {
            Ok(record) => Ok(Sealed::new(Some(record.sandbox))),
            Err(Error::NotFound(_)) => Ok(Sealed::new(None)),
            Err(error) => Err(error),
        }
    }

    async fn sandbox(&self, owner: Uuid, id: &str) -> Result<SandboxRecord> {
        // Longer than any id: no key for DynamoDB.
        let found = if id.len() > 100 {
            None
        } else {
            self.get(&Key::sandbox(owner, id), Freshness::Strong).await?
        };
        found.ok_or_else(Error::no_such_sandbox)
    }

    fn replace_sandbox(
        &self,
        transaction: &mut super::Transaction,
        owner: Uuid,
        old: &SandboxRecord,
        new: &SandboxRecord,
        act: &Act,
    ) -> Result<()> {
        let key = Key::sandbox(owner, &old.sandbox.id);
        let as_read = ("version", AttributeValue::N(old.version.to_string()));
        transaction.update(&key, as_read, &encode(&key, old)?, &encode(&key, new)?)?;
        let word = |sandbox: &Sandbox| Value::String(sandbox.status.as_str().to_owned());
        let changes = BTreeMap::from([
            (
                "sandbox_id".to_owned(),
                FieldChange {
                    before: old.sandbox.id.clone().into(),
                    after: new.sandbox.id.clone().into(),
                },
            ),
            (
                "status".to_owned(),
                FieldChange { before: word(&old.sandbox), after: word(&new.sandbox) },
            ),
        ]);
        self.record_changes(transaction, owner, act, changes)
    }
}

impl Sealed<(Vec<Sandbox>, bool)> {
    /// Opens a page of the list to the sandboxes' owner.
    pub fn open(self, _: &Caller<SandboxesRead>) -> (Vec<Sandbox>, bool) {
        self.into_inner()
    }
}

impl Sealed<Option<Sandbox>> {
    /// Opens a sandbox to its owner.
    pub fn open(self, _: &Caller<SandboxesRead>) -> Option<Sandbox> {
        self.into_inner()
    }
}

/// What a usage item says of itself.
pub(super) struct UsageKey<'a> {
    /// The team.
    pub team: Uuid,
    /// The day.
    pub date: &'a str,
    /// Now.
    pub at: Timestamp,
}

/// The daily GB-hours of a tier, in MB × ms.
fn gb_hours_limit(tier: &QuotaTier) -> u64 {
    // `as` bounds what a u64 does not hold.
    (tier.daily_gb_hours * MB_MS_PER_GB_HOUR) as u64
}
