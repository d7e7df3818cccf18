//! The result of an import, for a person to read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use uuid::Uuid;

/// The most names of fields that are not imported: in JSON there may be any number.
const MAX_NAMES: usize = 100;

/// The result of an import; of a dry run, that which it would have.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Users that were made.
    pub imported: u64,
    /// Those of them who administer a team.
    pub administrators: u64,
    /// Those of them who are pending members, until their person signs up.
    pub pending: u64,
    /// Lines whose user was there already.
    pub present: u64,
    /// Lines that were left out, as their user is deleted.
    pub skipped: u64,
    /// Lines that were refused.
    pub refused: u64,
    /// Warnings: fields that were left out or read otherwise, and whatever else one should know.
    pub warned: u64,
    /// How often each reason for a refusal stood.
    pub refusals: BTreeMap<&'static str, u64>,
    /// How often each warning stood.
    pub warnings: BTreeMap<String, u64>,
    /// The records, by the program that they come from.
    pub sources: BTreeMap<&'static str, u64>,
    /// The fields of the file that are not imported.
    pub not_imported: BTreeSet<String>,
    /// Teams that users joined, and that nobody administers.
    pub unadministered: Vec<Team>,
    /// The email of a user who was there, and was made an administrator.
    pub promoted: Option<String>,
    /// True if nothing was written.
    pub is_dry_run: bool,
}

/// A team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// True if someone administers it once they sign up.
    pub has_pending: bool,
}

impl Report {
    /// The counts, in one line.
    pub fn counts(&self) -> String {
        let Self { imported, present, skipped, refused, warned, administrators, pending, .. } =
            self;
        let mut kinds = Vec::new();
        if *administrators > 0 {
            kinds.push(format!(
                "{administrators} administrator{}",
                if *administrators == 1 { "" } else { "s" }
            ));
        }
        if *pending > 0 {
            kinds.push(format!("{pending} pending"));
        }
        let kinds =
            if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        let skipped = if *skipped == 0 { String::new() } else { format!(", skipped {skipped}") };
        format!(
            "imported {imported}{kinds}, already there {present}{skipped}, refused {refused}, warned {warned}"
        )
    }

    /// Notes a field that is not imported.
    pub fn leave_out(&mut self, name: String) {
        if self.not_imported.len() < MAX_NAMES {
            self.not_imported.insert(name);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}{}",
            if self.is_dry_run { "dry run, nothing is written: " } else { "" },
            self.counts()
        )?;
        if let Some(email) = &self.promoted {
            write!(formatter, "\nmade {} an administrator", super::shown(email))?;
        }
        for (source, count) in
            self.sources.iter().filter(|(source, _)| **source != super::sources::OWN.name)
        {
            write!(formatter, "\nread as {source}: {count}")?;
        }
        for (reason, count) in &self.refusals {
            write!(formatter, "\nrefused {count}: {reason}")?;
        }
        for (reason, count) in &self.warnings {
            write!(formatter, "\nwarned {count}: {reason}")?;
        }
        if !self.not_imported.is_empty() {
            let names: Vec<_> = self.not_imported.iter().map(|name| super::shown(name)).collect();
            let more = if names.len() < MAX_NAMES { "" } else { " and perhaps more" };
            write!(
                formatter,
                "\nnot imported: {}{more}. --map NAME=FIELD imports one.",
                names.join(", ")
            )?;
        }
        for team in &self.unadministered {
            let what = if team.has_pending {
                "Its administrator has yet to sign up."
            } else {
                "--import-admin EMAIL makes one."
            };
            write!(
                formatter,
                "\nwarning: team {} ({}) has no active administrator. {what}",
                team.id,
                super::shown(&team.name)
            )?;
        }
        Ok(())
    }
}
