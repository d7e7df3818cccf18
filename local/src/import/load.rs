//! Writes the users of records into the table, many at a time.

mod administrator;
mod people;
mod standing;
mod user;
mod write;

use std::collections::{HashMap, HashSet};
use std::hash::RandomState;

use indicatif::ProgressBar;
use shared::Timestamp;
use shared::models::{Role, User};
use shared::store::{Refusal, Store};
use uuid::Uuid;

use super::line::{Effect, Line, Trouble};
use super::read::Record;
use super::report::Report;
use super::{Deleted, Options, report, shown, sources};
use crate::{Data, Failure};
use people::People;

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
        let new = self.absent(candidates).await?;
        self.write(new).await
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

fn reason(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::EmailTaken => "has an email that another user holds",
        Refusal::UsernameTaken => "has a username that another user of the team holds",
        Refusal::ScimIdTaken => "has a SCIM id that another user of the team holds",
        _ => "collides with what is there",
    }
}
