//! Imports users from a file of any size, in memory that does not grow with it.
//!
//! A file is JSON Lines, or by its ending `.csv` what Supabase's dashboard exports from `auth.users`. Both have the same fields; those
//! that Roster does not know are passed over. It can be run again: whoever is there already is left as they are.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Deserializer};
use shared::Timestamp;
use shared::auth::PersonIds;
use shared::models::{AccountType, DeviceType, Role, Seen, Status, Team, User};
use shared::store::{Refusal, Store, WriteError};
use shared::table::fold;
use shared::text::{MOST_EMAIL, MOST_NAME, MOST_URL, is_email, is_identifier, is_readable};
use uuid::Uuid;

use crate::{Data, Failure};

/// What an import did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Users that were made.
    pub imported: u64,
    /// Lines whose user was there already.
    pub present: u64,
    /// Lines that were refused; each was reported with its reason.
    pub refused: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "imported {}, already there {}, refused {}", self.imported, self.present, self.refused)
    }
}

/// The longest line, in bytes.
const MOST_LINE: u64 = 1024 * 1024;
/// The most that a user's claims may hold, in bytes: DynamoDB takes items of 400 KB, and lists show a hundred users.
const MOST_CLAIMS: usize = 16 * 1024;
/// The most that is printed of why a line is refused, in characters.
const MOST_REASON: usize = 200;
/// Lines that are looked up together: two keys each, of the hundred that one read takes.
const BATCH: usize = 48;
/// Users that are written together: at most eight items each, a counter and a team, of the hundred
/// that one transaction takes.
const WRITTEN_TOGETHER: usize = 10;

/// Imports a file; users whose line names no team join `team_id`, which is made if it does not exist. Each refused line is printed by its
/// number with the reason; with `progress`, so is how far it is.
pub async fn file(data: &Data, path: &Path, team_id: Uuid, now: Timestamp, progress: bool) -> Result<Report, Failure> {
    let file = File::open(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let bar = if progress { ProgressBar::new(file.metadata()?.len()) } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}, {elapsed}, {eta} left. {msg}")?);
    let file = bar.wrap_read(file);
    let csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let lines: Box<dyn Iterator<Item = (u64, Result<Line, String>)> + Send> =
        if csv { Box::new(csv_lines(file)?) } else { Box::new(json_lines(BufReader::new(file))) };
    let people = PersonIds::new(data.store.clone());
    let mut import = Import { store: &data.store, people, team_id, now, teams: HashMap::new(), report: Report::default(), bar };
    // Where there is no terminal to draw a bar on, a line now and then.
    let in_lines = progress && !std::io::stderr().is_terminal();
    let mut batch = Vec::with_capacity(BATCH);
    for (place, line) in lines.enumerate() {
        batch.push(line);
        if batch.len() == BATCH {
            import.batch(std::mem::take(&mut batch)).await?;
            // Now and then, so that lists are counted along the way.
            if (place + 1) % (10 * BATCH) == 0 {
                data.settle().await?;
            }
        }
        if in_lines && (place + 1) % 10_000 == 0 {
            eprintln!("{} lines: {}", place + 1, import.report);
        }
    }
    import.batch(batch).await?;
    data.settle().await?;
    import.bar.finish_and_clear();
    Ok(import.report)
}

/// A user as a line tells of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    #[serde(deserialize_with = "unless_empty")]
    id: Option<String>,
    #[serde(deserialize_with = "unless_empty")]
    team_id: Option<Uuid>,
    #[serde(deserialize_with = "unless_empty")]
    email: Option<String>,
    #[serde(deserialize_with = "unless_empty")]
    username: Option<String>,
    #[serde(deserialize_with = "unless_empty")]
    name: Option<String>,
    #[serde(deserialize_with = "unless_empty")]
    first_name: Option<String>,
    #[serde(deserialize_with = "unless_empty")]
    last_name: Option<String>,
    #[serde(deserialize_with = "unless_empty")]
    display_name: Option<String>,
    #[serde(deserialize_with = "unless_empty")]
    avatar_url: Option<String>,
    #[serde(deserialize_with = "unless_empty")]
    job_title: Option<String>,
    #[serde(deserialize_with = "unless_empty")]
    role: Option<String>,
    #[serde(deserialize_with = "unless_empty")]
    status: Option<Status>,
    #[serde(deserialize_with = "unless_empty")]
    account_type: Option<AccountType>,
    #[serde(deserialize_with = "unless_empty")]
    device_type: Option<DeviceType>,
    #[serde(deserialize_with = "unless_empty")]
    device_user_id: Option<String>,
    #[serde(deserialize_with = "unless_empty")]
    pub_key: Option<String>,
    #[serde(deserialize_with = "unless_empty")]
    scim_id: Option<String>,
    is_operator: bool,
    view_all: bool,
    claims: BTreeMap<String, String>,
    #[serde(alias = "raw_user_meta_data", deserialize_with = "object")]
    user_metadata: serde_json::Map<String, serde_json::Value>,
    #[serde(alias = "email_verified_at", deserialize_with = "unless_empty")]
    email_confirmed_at: Option<Timestamp>,
    #[serde(deserialize_with = "unless_empty")]
    invited_at: Option<Timestamp>,
    #[serde(alias = "last_seen_at", deserialize_with = "unless_empty")]
    last_sign_in_at: Option<Timestamp>,
    #[serde(deserialize_with = "unless_empty")]
    banned_until: Option<Timestamp>,
    #[serde(alias = "soft_deleted_at", deserialize_with = "unless_empty")]
    deleted_at: Option<Timestamp>,
    #[serde(deserialize_with = "unless_empty")]
    created_at: Option<Timestamp>,
    #[serde(deserialize_with = "unless_empty")]
    updated_at: Option<Timestamp>,
}

/// A value; none where the text is empty or `null`, which is how a CSV writes that there is none.
fn unless_empty<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Null => Ok(None),
        serde_json::Value::String(text) if text.is_empty() || text == "null" => Ok(None),
        value => serde_json::from_value(value).map(Some).map_err(serde::de::Error::custom),
    }
}

/// An object, or the text of one, as a CSV has it.
fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<serde_json::Map<String, serde_json::Value>, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Object(fields) => Ok(fields),
        serde_json::Value::String(text) if !text.is_empty() => serde_json::from_str(&text).map_err(serde::de::Error::custom),
        _ => Ok(serde_json::Map::new()),
    }
}

/// The lines of a file of JSON Lines by number; blank ones are none.
fn json_lines(mut reader: impl BufRead) -> impl Iterator<Item = (u64, Result<Line, String>)> {
    let mut number = 0;
    std::iter::from_fn(move || {
        loop {
            number += 1;
            let mut bytes = Vec::new();
            match reader.by_ref().take(MOST_LINE).read_until(b'\n', &mut bytes) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => return Some((number, Err(error.to_string()))),
            }
            if bytes.len() as u64 == MOST_LINE && !bytes.ends_with(b"\n") {
                return match reader.skip_until(b'\n') {
                    Ok(_) => Some((number, Err(format!("is longer than {MOST_LINE} bytes")))),
                    Err(error) => Some((number, Err(error.to_string()))),
                };
            }
            // Some editors begin a file with a byte-order mark.
            let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes).trim_ascii();
            if !text.is_empty() {
                return Some((number, parse(text)));
            }
        }
    })
}

fn parse(text: &[u8]) -> Result<Line, String> {
    let value: serde_json::Value = serde_json::from_slice(text).map_err(|error| format!("is not JSON: {error}"))?;
    if !value.is_object() {
        return Err("is not a JSON object".into());
    }
    serde_json::from_value(value).map_err(|error| format!("has a wrong value: {error}"))
}

/// The records of a CSV file, by the number of the line on which each begins.
fn csv_lines(reader: impl Read) -> Result<impl Iterator<Item = (u64, Result<Line, String>)>, Failure> {
    let mut reader = csv::Reader::from_reader(reader);
    let headers = reader.headers()?.clone();
    if !headers.iter().any(|header| header == "id") || !headers.iter().any(|header| header == "email") {
        return Err("the CSV's first line must name the columns, `id` and `email` among them".into());
    }
    Ok(reader.into_records().map(move |record| match record {
        Ok(record) => {
            let number = record.position().map_or(0, csv::Position::line);
            // The columns that hold text are read; the rest (tokens, password hashes) are never looked at.
            let columns = [
                "id",
                "email",
                "raw_user_meta_data",
                "email_confirmed_at",
                "invited_at",
                "last_sign_in_at",
                "banned_until",
                "deleted_at",
                "created_at",
                "updated_at",
            ];
            let fields = headers.iter().zip(&record).filter(|(header, _)| columns.contains(header));
            let fields: serde_json::Map<_, _> = fields.map(|(header, value)| (header.to_owned(), value.into())).collect();
            (number, serde_json::from_value(fields.into()).map_err(|error| format!("has a wrong value: {error}")))
        }
        Err(error) => (error.position().map_or(0, csv::Position::line), Err(error.to_string())),
    }))
}

struct Import<'a> {
    store: &'a Store,
    /// The ids of people whose lines have one that is no UUID.
    people: PersonIds,
    team_id: Uuid,
    now: Timestamp,
    /// The teams met so far, with their names; `None` where there is none of that id.
    teams: HashMap<Uuid, Option<String>>,
    report: Report,
    bar: ProgressBar,
}

impl Import<'_> {
    async fn batch(&mut self, lines: Vec<(u64, Result<Line, String>)>) -> Result<(), Failure> {
        let mut users = Vec::new();
        for (number, line) in lines {
            let user = match line {
                Ok(line) => self.user(line).await?,
                Err(reason) => Err(reason),
            };
            match user {
                Ok(user) => users.push((number, user)),
                Err(reason) => self.refuse(number, &reason),
            }
        }
        let mut new = self.absent(users).await?;
        let mut by_team: BTreeMap<Uuid, u64> = BTreeMap::new();
        for (_, user) in &new {
            *by_team.entry(user.team_id).or_default() += 1;
        }
        for (team, count) in by_team {
            let mut numbers = self.store.take_numbers(team, count).await?;
            for (_, user) in new.iter_mut().filter(|(_, user)| user.team_id == team) {
                user.number = numbers.next().ok_or("too few numbers")?;
            }
        }
        while !new.is_empty() {
            let rest = new.split_off(new.len().min(WRITTEN_TOGETHER));
            self.write(std::mem::replace(&mut new, rest)).await?;
        }
        Ok(())
    }

    /// Writes users together; where one is in the way of the others, each alone.
    async fn write(&mut self, users: Vec<(u64, User)>) -> Result<(), Failure> {
        let together: Vec<User> = users.iter().map(|(_, user)| user.clone()).collect();
        match self.store.import_users(&together, self.now).await {
            Ok(()) => self.report.imported += together.len() as u64,
            Err(WriteError::Failed(error)) => return Err(error.into()),
            Err(WriteError::Refused(_)) => {
                for (number, user) in users {
                    match self.store.import_users(std::slice::from_ref(&user), self.now).await {
                        Ok(()) => self.report.imported += 1,
                        Err(WriteError::Refused(Refusal::UserExists)) => self.report.present += 1,
                        Err(WriteError::Refused(refusal)) => self.refuse(number, reason(refusal)),
                        Err(WriteError::Failed(error)) => return Err(error.into()),
                    }
                }
            }
        }
        Ok(())
    }

    /// The users that are not there, neither in the table nor earlier in the batch.
    async fn absent(&mut self, users: Vec<(u64, User)>) -> Result<Vec<(u64, User)>, Failure> {
        let ids: Vec<Uuid> = users.iter().map(|(_, user)| user.id).collect();
        let emails: Vec<String> = users.iter().filter_map(|(_, user)| user.email.clone()).collect();
        let mut known = self.store.existing(&ids, &emails).await?;
        let mut here = HashSet::new();
        let mut absent = Vec::new();
        for (number, user) in users {
            let email = user.email.as_deref().map(fold);
            let holder = email.as_ref().and_then(|email| known.holders.get(email).copied());
            if known.ids.contains(&user.id) || here.contains(&user.id) {
                self.report.present += 1;
            } else if holder.is_some() && user.id == self.made_id(&user) {
                // A line without an id tells of the user of its email.
                self.report.present += 1;
            } else if holder.is_some() {
                self.refuse(number, reason(Refusal::EmailTaken));
            } else {
                here.insert(user.id);
                if let Some(email) = email {
                    known.holders.insert(email, user.id);
                }
                absent.push((number, user));
            }
        }
        Ok(absent)
    }

    /// The id of a user whose line has none: the same for the same email, or username in a team.
    fn made_id(&self, user: &User) -> Uuid {
        let name = match (&user.email, &user.username) {
            (Some(email), _) => format!("email:{}", fold(email)),
            (None, Some(username)) => format!("username:{}:{}", user.team_id, fold(username)),
            (None, None) => String::new(),
        };
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
    }

    /// The user of a line, or why there is none.
    async fn user(&mut self, line: Line) -> Result<Result<User, String>, Failure> {
        let team_id = line.team_id.unwrap_or(self.team_id);
        // The id is the provider's: what tokens have as their `sub`.
        let id = match &line.id {
            Some(id) if !fits(id, MOST_NAME) => {
                return Ok(Err("has an id that is too long or holds control or invisible characters".into()));
            }
            Some(id) => Some(self.people.find_or_make(id).await?),
            None => None,
        };
        let Some(team_name) = self.team_name(team_id, id).await? else {
            return Ok(Err(format!("names a team that does not exist: {team_id}")));
        };
        Ok(self.user_in(line, id, (team_id, &team_name)))
    }

    fn user_in(&self, line: Line, id: Option<Uuid>, team: (Uuid, &str)) -> Result<User, String> {
        if let Some(fault) = fault(&line) {
            return Err(fault);
        }
        if id.is_none() && line.email.is_none() && line.username.is_none() {
            return Err("has neither an id nor an email nor a username".into());
        }
        let role = match line.role.as_deref() {
            // Supabase's own roles say nothing of what a user may do here.
            None | Some("authenticated" | "anon") => Role::Viewer,
            Some(word) => Role::from_word(&word.to_lowercase())
                .ok_or_else(|| format!("has the role {word:?}, which is none of admin, operator, viewer"))?,
        };
        // The user's own word, which is left out where it is none.
        let said = |name: &str, most| {
            line.user_metadata.get(name).and_then(|value| value.as_str()).filter(|text| fits(text, most)).map(str::to_owned)
        };
        let created_at = line.created_at.unwrap_or(self.now);
        let seen = line.last_sign_in_at.map(|at| Seen { at: at.whole_second(), remote_ip: None, user_agent: String::new() });
        let status = line.status.unwrap_or(match (line.deleted_at, line.banned_until) {
            (Some(_), _) => Status::Deleted,
            (None, Some(until)) if until > self.now => Status::Suspended,
            _ if line.invited_at.is_some() && seen.is_none() && line.email_confirmed_at.is_none() => Status::Invited,
            _ => Status::Active,
        });
        let soft_deleted_at = (status == Status::Deleted).then(|| line.deleted_at.unwrap_or(self.now));
        let name = line.name.clone().or_else(|| said("full_name", MOST_NAME)).or_else(|| said("name", MOST_NAME));
        let avatar_url = line.avatar_url.clone().or_else(|| said("avatar_url", MOST_URL));
        let mut user = User {
            email: line.email,
            username: line.username,
            name,
            first_name: line.first_name,
            last_name: line.last_name,
            display_name: line.display_name,
            avatar_url,
            job_title: line.job_title,
            role,
            view_all: line.view_all,
            status,
            account_type: line.account_type.unwrap_or_default(),
            device_type: line.device_type.unwrap_or_default(),
            device_user_id: line.device_user_id,
            pub_key: line.pub_key,
            scim_id: line.scim_id,
            claims: line.claims,
            first_seen: seen.clone(),
            last_seen: seen,
            email_verified_at: line.email_confirmed_at,
            soft_deleted_at,
            // A restore is possible for thirty days from now, however long ago the deletion was.
            delete_scheduled_at: soft_deleted_at.map(|_| self.now.plus_seconds(30 * 86_400)),
            updated_at: line.updated_at.unwrap_or(created_at),
            ..User::new(Uuid::nil(), 0, team, created_at)
        };
        user.id = id.unwrap_or_else(|| self.made_id(&user));
        Ok(user)
    }

    /// The name of a team; the default one is made, for its first user, if it does not exist.
    async fn team_name(&mut self, team_id: Uuid, first: Option<Uuid>) -> Result<Option<String>, Failure> {
        if let Some(known) = self.teams.get(&team_id) {
            return Ok(known.clone());
        }
        let mut name = self.store.team_name(team_id).await?;
        if name.is_none() && team_id == self.team_id {
            let team = Team {
                id: team_id,
                name: "Imported users".into(),
                slug: "imported-users".into(),
                owner_user_id: first.unwrap_or_default(),
                quota_tier_id: shared::models::DEFAULT_QUOTA_TIER.into(),
                created_at: self.now,
                updated_at: self.now,
                soft_deleted_at: None,
            };
            self.store.put(&shared::table::Key::team(team_id), &team).await?;
            name = Some(team.name);
        }
        self.teams.insert(team_id, name.clone());
        Ok(name)
    }

    fn refuse(&mut self, number: u64, reason: &str) {
        self.report.refused += 1;
        // It may repeat what the line holds, which is to be no line of its own and to command no terminal.
        let reason: String = reason.chars().take(MOST_REASON).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        self.bar.suspend(|| eprintln!("line {number} {reason}"));
    }
}

/// What is wrong with the texts of a line: what does not fit here fits no item and no key of the table.
fn fault(line: &Line) -> Option<String> {
    let is_email = |email: &String| fits(email, MOST_EMAIL) && is_email(email);
    let names = [&line.username, &line.name, &line.first_name, &line.last_name, &line.display_name, &line.job_title];
    let ids = [&line.scim_id, &line.device_user_id];
    let fit = |texts: &[&Option<String>], most| texts.iter().copied().flatten().all(|text| fits(text, most));
    if line.is_operator {
        // One command gives these rights, to one person at a time.
        Some("says `is_operator`: import the user without it, and make them one with `local -- operator`".into())
    } else if !line.email.as_ref().is_none_or(is_email) {
        Some("has an email that is none".into())
    } else if !(fit(&names, MOST_NAME) && fit(&ids, MOST_NAME) && fit(&[&line.avatar_url, &line.pub_key], MOST_URL)) {
        Some("has a text that is too long or holds control or invisible characters".into())
    } else if !line.username.as_ref().is_none_or(|username| is_identifier(username)) {
        Some("has a username that is not in Unicode's normalization form NFKC, or holds joiners".into())
    } else if line.claims.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MOST_CLAIMS {
        Some(format!("has claims of more than {MOST_CLAIMS} bytes"))
    } else if line.claims.contains_key("") {
        Some("has a claim without a name".into())
    } else {
        None
    }
}

/// Whether a text may stand in the table, at most so many characters of it.
fn fits(text: &str, most: usize) -> bool {
    text.chars().count() <= most && is_readable(text)
}

fn reason(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::EmailTaken => "has an email that another user holds",
        Refusal::UsernameTaken => "has a username that another user of the team holds",
        Refusal::ScimIdTaken => "has a SCIM id that another user of the team holds",
        _ => "collides with what is there",
    }
}
