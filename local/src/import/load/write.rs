//! Writes users, and the teams that they are the first of.

use std::collections::BTreeMap;

use shared::Timestamp;
use shared::models::{Role, Status, Team, User};
use shared::store::{Refusal, WriteError};
use uuid::Uuid;

use super::{Candidate, Import, reason};
use crate::Failure;

/// Users that are written together: at most eight items each, a counter and a team, of the hundred
/// that one transaction takes.
const WRITTEN_TOGETHER: usize = 10;

impl Import<'_> {
    /// Writes users who are not there; a dry run counts them.
    pub(super) async fn write(&mut self, mut new: Vec<Candidate>) -> Result<(), Failure> {
        if self.options.dry_run {
            new.iter().for_each(|candidate| self.count(&candidate.user));
            return Ok(());
        }
        self.place(&mut new).await?;
        while !new.is_empty() {
            let rest = new.split_off(new.len().min(WRITTEN_TOGETHER));
            self.write_together(std::mem::replace(&mut new, rest)).await?;
        }
        self.planned.clear();
        Ok(())
    }

    /// Makes the teams that do not exist, and gives users their numbers.
    async fn place(&mut self, new: &mut [Candidate]) -> Result<(), Failure> {
        let mut by_team: BTreeMap<Uuid, u64> = BTreeMap::new();
        for candidate in &*new {
            *by_team.entry(candidate.user.team_id).or_default() += 1;
        }
        for (team, count) in by_team {
            let users = new.iter_mut().map(|candidate| &mut candidate.user);
            let mut numbers = self.store.take_numbers(team, count).await?;
            let mut owner = None;
            for user in users.filter(|user| user.team_id == team) {
                user.number = numbers.next().ok_or("too few numbers")?;
                owner = owner.or(Some(user.id));
            }
            if let (Some(Some(met)), Some(owner)) = (self.teams.get_mut(&team), owner)
                && !met.exists
            {
                let team = imported_team(team, met.name.clone(), owner, self.now);
                self.store.make_team(&team).await?;
                met.exists = true;
            }
        }
        Ok(())
    }

    /// Writes users together; where one is in the way of the others, each alone.
    async fn write_together(&mut self, new: Vec<Candidate>) -> Result<(), Failure> {
        let together: Vec<User> = new.iter().map(|candidate| candidate.user.clone()).collect();
        match self.store.import_users(&together, self.now).await {
            Ok(()) => together.iter().for_each(|user| self.count(user)),
            Err(WriteError::Failed(error)) => return Err(error.into()),
            Err(WriteError::Refused(_)) => {
                for Candidate { line, user, .. } in new {
                    match self.store.import_users(std::slice::from_ref(&user), self.now).await {
                        Ok(()) => self.count(&user),
                        Err(WriteError::Refused(Refusal::UserExists)) => self.report.present += 1,
                        Err(WriteError::Refused(refusal)) => self.refuse(line, reason(refusal), ""),
                        Err(WriteError::Failed(error)) => return Err(error.into()),
                    }
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, user: &User) {
        self.report.imported += 1;
        self.report.administrators += u64::from(user.role == Role::Admin);
        self.report.pending += u64::from(user.invite_link.is_some());
        if let Some(Some(team)) = self.teams.get_mut(&user.team_id) {
            team.imported += 1;
            team.administrators += u64::from(user.governs());
            let is_pending = user.status == Status::Invited;
            team.has_pending_administrator |= user.role == Role::Admin && is_pending;
        }
    }
}

fn imported_team(id: Uuid, name: String, owner_user_id: Uuid, now: Timestamp) -> Team {
    Team {
        id,
        name,
        slug: "imported-users".into(),
        owner_user_id,
        quota_tier_id: shared::models::DEFAULT_QUOTA_TIER.into(),
        created_at: now,
        updated_at: now,
        soft_deleted_at: None,
    }
}
