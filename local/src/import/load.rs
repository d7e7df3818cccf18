//! Writes the users of records into the table, many at a time.

mod people;
mod user;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use indicatif::ProgressBar;
use shared::Timestamp;
use shared::models::{Role, Status, Team, User};
use shared::store::{Existing, Refusal, Store, WriteError};
use shared::table::fold;
use uuid::Uuid;

use super::line::{Effect, Line, Trouble};
use super::read::Record;
use super::report::Report;
use super::{Deleted, Options, report, shown, sources};
use crate::{Data, Failure};
use people::People;

/// Users that are written together: at most eight items each, a counter and a team, of the hundred
/// that one transaction takes.
const WRITTEN_TOGETHER: usize = 10;

/// An import on its way.
pub struct Import<'a> {
    store: &'a Store,
    options: &'a Options,
    now: Timestamp,
    bar: ProgressBar,
    people: People,
    /// The teams met so far; `None` where there is none of that id.
    teams: HashMap<Uuid, Option<MetTeam>>,
    /// The ids, emails and usernames of users that are to be written, as hashes: those of a batch,
    /// or of all batches of a dry run.
    planned: HashSet<u64>,
    hasher: RandomState,
    /// What was done so far.
    pub report: Report,
}

/// A team that users join.
#[derive(Debug, Default)]
struct MetTeam {
    name: String,
    exists: bool,
    imported: u64,
    /// Those imported who administer it, active ones.
    administrators: u64,
    has_pending_administrator: bool,
}

/// A user who is to be written.
#[derive(Debug, Clone)]
struct Candidate {
    line: u64,
    user: User,
    /// True if the record has the provider's id.
    is_known: bool,
}

impl<'a> Import<'a> {
    /// Begins an import.
    pub fn new(data: &'a Data, options: &'a Options, now: Timestamp, bar: ProgressBar) -> Self {
        let report = Report { is_dry_run: options.dry_run, ..Report::default() };
        Self {
            store: &data.store,
            options,
            now,
            bar,
            people: People::new(data.store.clone(), options.dry_run),
            teams: HashMap::new(),
            planned: HashSet::new(),
            hasher: RandomState::new(),
            report,
        }
    }

    /// Imports the users of some records.
    pub async fn batch(&mut self, records: Vec<Record>) -> Result<(), Failure> {
        let mut candidates = Vec::new();
        for record in records {
            candidates.extend(self.candidate(record).await?);
        }
        let mut new = self.absent(candidates).await?;
        if self.options.dry_run {
            new.iter().for_each(|candidate| self.count(&candidate.user));
            return Ok(());
        }
        self.place(&mut new).await?;
        while !new.is_empty() {
            let rest = new.split_off(new.len().min(WRITTEN_TOGETHER));
            self.write(std::mem::replace(&mut new, rest)).await?;
        }
        self.planned.clear();
        Ok(())
    }

    /// Ends the import: makes the administrator who was asked for, and looks for teams without one.
    pub async fn finish(mut self) -> Result<Report, Failure> {
        if let Some(email) = &self.options.admin {
            self.administrator(email).await?;
        }
        let teams = std::mem::take(&mut self.teams).into_iter();
        let mut teams: Vec<_> = teams.filter_map(|(id, team)| Some((id, team?))).collect();
        teams.retain(|(_, team)| team.imported > 0);
        teams.sort_by_key(|(id, _)| *id);
        for (id, team) in teams {
            let planned = if self.options.dry_run { team.administrators } else { 0 };
            if self.store.administrators(id).await? + planned == 0 {
                let has_pending = team.has_pending_administrator;
                self.report.unadministered.push(report::Team { id, name: team.name, has_pending });
            }
        }
        self.bar.finish_and_clear();
        Ok(self.report)
    }

    /// The user of a record, unless they are refused or left out.
    async fn candidate(&mut self, record: Record) -> Result<Option<Candidate>, Failure> {
        let number = record.line;
        let fields = match record.fields {
            Ok(fields) => fields,
            Err(unreadable) => {
                self.refuse(number, unreadable.reason, &unreadable.detail);
                return Ok(None);
            }
        };
        let reading = sources::read(fields, &self.options.mappings);
        *self.report.sources.entry(reading.source).or_default() += 1;
        reading.not_imported.into_iter().for_each(|name| self.report.leave_out(name));
        let line = reading.line;
        // Before anything is said of the fields: those of a deleted user are often hashes.
        if line.is_deleted() && self.options.deleted == Deleted::Skip {
            self.report.skipped += 1;
            return Ok(None);
        }
        let refuses = |trouble: &&Trouble| trouble.effect == Effect::Refused;
        if let Some(trouble) = reading.troubles.iter().find(refuses) {
            let detail = format!("`{}` {}", trouble.path, trouble.problem);
            self.refuse(number, "has an id or a team that cannot be used", &detail);
            return Ok(None);
        }
        for trouble in reading.troubles {
            let (path, problem, value) = (shown(&trouble.path), trouble.problem, trouble.value);
            let reason = format!("`{path}` {problem}");
            let message = match trouble.effect {
                Effect::Suspended => format!("suspended the user, as {reason}: {value}"),
                _ => format!("left out `{path}`, which {problem}: {value}"),
            };
            self.warn(number, &message, reason);
        }
        if line.id.is_none() && line.email.is_none() && line.username.is_none() {
            let detail = "it has no id, email or username that can be used";
            self.refuse(number, "has no identity", detail);
            return Ok(None);
        }
        self.member(number, line).await
    }

    async fn member(&mut self, number: u64, mut line: Line) -> Result<Option<Candidate>, Failure> {
        let team_id = line.team_id.unwrap_or(self.options.team_id);
        let Some(team) = self.team(team_id).await? else {
            self.refuse(number, "names a team that does not exist", &team_id.to_string());
            return Ok(None);
        };
        let id = match &line.id {
            Some(sub) => Some(self.people.id(sub).await?),
            None => None,
        };
        if id.is_none() && line.is_deleted() {
            self.report.skipped += 1;
            let problem = "a deleted user without an id is nobody";
            self.warn(number, &format!("left out: {problem}"), problem.into());
            return Ok(None);
        }
        if self.is_admin(line.email.as_deref()) {
            line.role = Some(Role::Admin);
        }
        for (path, why) in user::unproven(&mut line) {
            let reason = format!("`{path}` is left out, {why}");
            self.warn(number, &format!("left out `{path}`, {why}"), reason);
        }
        let user = user::of(line, id, (team_id, &team), &self.options.sign_up_url, self.now);
        Ok(Some(Candidate { line: number, user, is_known: id.is_some() }))
    }

    /// The candidates who are not there, neither in the table nor among those planned.
    async fn absent(&mut self, candidates: Vec<Candidate>) -> Result<Vec<Candidate>, Failure> {
        let users = || candidates.iter().map(|candidate| &candidate.user);
        let known = candidates.iter().filter(|candidate| candidate.is_known);
        let ids: Vec<Uuid> = known.map(|candidate| candidate.user.id).collect();
        let emails: Vec<String> = users().filter_map(|user| user.email.clone()).collect();
        let username = |user: &User| Some((user.team_id, user.username.clone()?));
        let usernames: Vec<(Uuid, String)> = users().filter_map(username).collect();
        let existing = self.store.existing(&ids, &emails, &usernames).await?;
        let mut absent = Vec::new();
        for mut candidate in candidates {
            match self.standing(&candidate, &existing) {
                Standing::New { has_username } => {
                    if let Some(username) = candidate.user.username.take_if(|_| !has_username) {
                        let held = "which another user of the team holds";
                        let message = format!("left out `username`, {held}: {}", shown(&username));
                        self.warn(candidate.line, &message, format!("`username` is left out, {held}"));
                    }
                    self.planned.extend(self.values(&candidate.user));
                    absent.push(candidate);
                }
                Standing::Present(team) => {
                    self.report.present += 1;
                    if team.is_some_and(|team| team != candidate.user.team_id) {
                        let problem = "the user is in another team already, and stays there";
                        self.warn(candidate.line, problem, problem.to_owned());
                    }
                }
                Standing::Refused(refusal) => self.refuse(candidate.line, reason(refusal), ""),
            }
        }
        Ok(absent)
    }

    fn standing(&self, candidate: &Candidate, existing: &Existing) -> Standing {
        let user = &candidate.user;
        let [id, email, username] = self.values(user);
        let is_planned = |hash: u64| self.planned.contains(&hash);
        if candidate.is_known && (existing.teams.contains_key(&user.id) || is_planned(id)) {
            return Standing::Present(existing.teams.get(&user.id).copied());
        }
        // Held by someone, in a team if it is known.
        let held = |value: Option<&String>, holder: Option<&Uuid>, hash: u64| {
            let is_held = value.is_some() && (holder.is_some() || is_planned(hash));
            is_held.then(|| holder.and_then(|holder| existing.teams.get(holder)).copied())
        };
        let holder = user.email.as_deref().and_then(|email| existing.emails.get(&fold(email)));
        let email = held(user.email.as_ref(), holder, email);
        let key = user.username.as_deref().map(|username| (user.team_id, fold(username)));
        let holder = key.and_then(|key| existing.usernames.get(&key));
        let username = held(user.username.as_ref(), holder, username);
        // A record without an id tells of the user of its email, or else of its username.
        let told_of = if user.email.is_some() { email } else { username };
        match told_of {
            Some(team) if !candidate.is_known => Standing::Present(team),
            _ if email.is_some() => Standing::Refused(Refusal::EmailTaken),
            _ => Standing::New { has_username: username.is_none() },
        }
    }

    /// Hashes of what a user alone may have: the id, the email, the username.
    fn values(&self, user: &User) -> [u64; 3] {
        [
            self.hasher.hash_one(("id", user.id)),
            self.hasher.hash_one(("email", user.email.as_deref().map(fold))),
            self.hasher.hash_one(("username", user.team_id, user.username.as_deref().map(fold))),
        ]
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
    async fn write(&mut self, new: Vec<Candidate>) -> Result<(), Failure> {
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

    /// Sees to it that the user of an email administers their team, who becomes a pending member
    /// where there is none.
    async fn administrator(&mut self, email: &str) -> Result<(), Failure> {
        let hash = self.hasher.hash_one(("email", Some(fold(email))));
        if self.planned.contains(&hash) {
            // Of a dry run: the record made the administrator.
            return Ok(());
        }
        let Some(user) = self.store.user_of_email(email).await? else {
            let line = Line { email: Some(email.to_owned()), ..Line::default() };
            let candidates = self.member(0, line).await?.into_iter().collect();
            let mut new = self.absent(candidates).await?;
            if self.options.dry_run {
                new.iter().for_each(|candidate| self.count(&candidate.user));
                return Ok(());
            }
            self.place(&mut new).await?;
            return self.write(new).await;
        };
        let is_met = matches!(self.teams.get(&user.team_id), Some(Some(_))) || user.team_id == self.options.team_id;
        let problem = match user.status {
            _ if !is_met => "is in another team",
            Status::Suspended => "is suspended",
            Status::Deleted => "is deleted",
            Status::Active | Status::Invited if user.role == Role::Admin => return Ok(()),
            Status::Active | Status::Invited => {
                if !self.options.dry_run {
                    self.store.make_administrator(user, self.now).await?;
                }
                self.report.promoted = Some(email.to_owned());
                return Ok(());
            }
        };
        let reason = format!("the user of --import-admin {problem}, and is made no administrator");
        self.report.warned += 1;
        *self.report.warnings.entry(reason).or_default() += 1;
        Ok(())
    }

    fn is_admin(&self, email: Option<&str>) -> bool {
        let admin = self.options.admin.as_deref();
        admin.zip(email).is_some_and(|(admin, email)| fold(admin) == fold(email))
    }

    /// The name of a team that users join; the one of the options exists, or is to be made.
    async fn team(&mut self, id: Uuid) -> Result<Option<String>, Failure> {
        if !self.teams.contains_key(&id) {
            let found = self.store.team_name(id).await?;
            let exists = found.is_some();
            let is_own = id == self.options.team_id;
            let name = found.or_else(|| is_own.then(|| "Imported users".to_owned()));
            self.teams.insert(id, name.map(|name| MetTeam { name, exists, ..MetTeam::default() }));
        }
        Ok(self.teams[&id].as_ref().map(|team| team.name.clone()))
    }

    fn refuse(&mut self, line: u64, reason: &'static str, detail: &str) {
        self.report.refused += 1;
        *self.report.refusals.entry(reason).or_default() += 1;
        let detail = if detail.is_empty() { String::new() } else { format!(": {}", shown(detail)) };
        self.tell(line, &format!("refused: it {reason}{detail}"));
    }

    fn warn(&mut self, line: u64, message: &str, reason: String) {
        self.report.warned += 1;
        *self.report.warnings.entry(reason).or_default() += 1;
        self.tell(line, message);
    }

    fn tell(&self, line: u64, message: &str) {
        self.bar.suspend(|| (self.options.tell)(&format!("line {line}: {message}")));
    }
}

/// What is known of a candidate.
enum Standing {
    /// They are not there; without the username where another user holds it.
    New { has_username: bool },
    /// They are there, in a team if it is known.
    Present(Option<Uuid>),
    /// Another user has what is theirs.
    Refused(Refusal),
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

fn reason(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::EmailTaken => "has an email that another user holds",
        Refusal::UsernameTaken => "has a username that another user of the team holds",
        Refusal::ScimIdTaken => "has a SCIM id that another user of the team holds",
        _ => "collides with what is there",
    }
}
