//! A user as a record tells of them, once its fields are read.

use std::collections::BTreeMap;

use serde_json::Value;
use shared::Timestamp;
use shared::models::{AccountType, DeviceType, Role, Status, parse_id};
use shared::profile::{Profile, object};
use shared::text::{MOST_EMAIL, MOST_NAME, MOST_URL};
use shared::text::{is_email, is_identifier, is_name, is_picture, is_readable};
use uuid::Uuid;

use super::field::Field;
use super::shown;

/// The most that a user's claims may hold, in bytes: DynamoDB takes items of 400 KB, and lists show
/// a hundred users.
const MAX_CLAIMS: usize = 16 * 1024;

const TOO_LONG: &str = "is too long, or holds control or invisible characters";
const NO_USERNAME: &str = "is not a username: it is too long, not in Unicode's form NFKC, or holds \
                           invisible characters";
const NO_ADDRESS: &str = "is not an address that starts with https:// or http://";
const NO_TRUTH: &str = "is not true or false";
const NO_TIME: &str = "is not a time";

/// Nothing, or the problem with a field: the rest of the sentence that begins with it.
type Outcome = Result<(), &'static str>;

/// A user as a record tells of them.
#[derive(Debug, Default)]
#[allow(missing_docs)]
pub struct Line {
    pub id: Option<String>,
    pub team_id: Option<Uuid>,
    pub email: Option<String>,
    pub username: Option<String>,
    pub name: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub display_name: Option<String>,
    pub avatar_url: Option<String>,
    pub job_title: Option<String>,
    pub role: Option<Role>,
    pub status: Option<Status>,
    pub account_type: Option<AccountType>,
    pub device_type: Option<DeviceType>,
    pub device_user_id: Option<String>,
    pub pub_key: Option<String>,
    pub scim_id: Option<String>,
    pub view_all: bool,
    pub claims: BTreeMap<String, String>,
    pub email_verified: Option<Mark>,
    pub invited_at: Option<Timestamp>,
    pub last_sign_in_at: Option<Timestamp>,
    pub banned: Option<Mark>,
    pub deleted: Option<Mark>,
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
}

/// A thing that is so, or that became so or ends at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It is so.
    Set,
    /// At that time.
    At(Timestamp),
}

/// The treatment of a user with a field that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// They are imported without it.
    LeftOut,
    /// They are suspended: the field may have locked them out.
    Suspended,
    /// They are refused: without it they would be someone else, or in another team.
    Refused,
}

/// A field that cannot be used.
#[derive(Debug)]
pub struct Trouble {
    /// The field, as the file names it.
    pub path: String,
    /// The rest of the sentence that begins with the field.
    pub problem: &'static str,
    /// What the field holds, as it is printed.
    pub value: String,
    /// What becomes of the user.
    pub effect: Effect,
}

impl Line {
    /// Returns true if the user is deleted.
    pub fn is_deleted(&self) -> bool {
        self.deleted.is_some() || self.status == Some(Status::Deleted)
    }

    /// Takes a field, unless an earlier one told the same. What cannot be used is added to
    /// `troubles`.
    pub fn set(&mut self, path: &str, field: &Field, value: &Value, troubles: &mut Vec<Trouble>) {
        let Err(problem) = self.take(path, field, value, troubles) else { return };
        let effect = match field {
            Field::Id | Field::TeamId => Effect::Refused,
            Field::Status | Field::Banned | Field::Enabled | Field::Deleted => Effect::Suspended,
            _ => Effect::LeftOut,
        };
        if effect == Effect::Suspended {
            self.banned = Some(Mark::Set);
        }
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        troubles.push(Trouble { path: path.to_owned(), problem, value: shown(&value), effect });
    }

    fn take(
        &mut self,
        path: &str,
        field: &Field,
        value: &Value,
        troubles: &mut Vec<Trouble>,
    ) -> Outcome {
        let text = || text(value).ok_or("is not a text");
        let trimmed = || text().map(|text| text.trim().to_owned());
        let short = |most| move |text: &String| fits(text, most);
        match field {
            Field::Id => put(&mut self.id, Some(trimmed()?).filter(short(MOST_NAME)), TOO_LONG),
            Field::TeamId => put(&mut self.team_id, parse_id(&trimmed()?), "is not a UUID"),
            Field::Email => {
                let is_email = |email: &String| fits(email, MOST_EMAIL) && is_email(email);
                put(&mut self.email, Some(trimmed()?).filter(is_email), "is not an email address")
            }
            Field::Username => {
                let is_username = |name: &String| fits(name, MOST_NAME) && is_identifier(name);
                put(&mut self.username, Some(trimmed()?).filter(is_username), NO_USERNAME)
            }
            Field::Name => put_name(&mut self.name, text()?),
            Field::FirstName => put_name(&mut self.first_name, text()?),
            Field::LastName => put_name(&mut self.last_name, text()?),
            Field::DisplayName => put_name(&mut self.display_name, text()?),
            Field::JobTitle => put_name(&mut self.job_title, text()?),
            Field::AvatarUrl => {
                let picture = Some(text()?).filter(|address| is_picture(address));
                put(&mut self.avatar_url, picture, NO_ADDRESS)
            }
            // Supabase's own roles say nothing of what a user may do here.
            Field::Role if matches!(value.as_str(), Some("authenticated" | "anon")) => Ok(()),
            Field::Role => {
                let role = Role::from_word(&word(&text()?));
                put(&mut self.role, role, "is not admin, operator or viewer")
            }
            Field::Status => put(&mut self.status, status(&word(&text()?)), "is not known"),
            Field::AccountType => {
                let account_type = AccountType::from_word(&word(&text()?));
                put(&mut self.account_type, account_type, "is not user or service")
            }
            Field::DeviceType => {
                let device_type = DeviceType::from_word(&word(&text()?));
                put(&mut self.device_type, device_type, "is not psd, soft_psd or api")
            }
            Field::DeviceUserId => {
                let id = Some(text()?).filter(short(MOST_NAME));
                put(&mut self.device_user_id, id, TOO_LONG)
            }
            Field::PubKey => {
                let key = Some(text()?).filter(short(MOST_URL));
                put(&mut self.pub_key, key, TOO_LONG)
            }
            Field::ScimId => {
                let id = Some(text()?).filter(short(MOST_NAME));
                put(&mut self.scim_id, id, TOO_LONG)
            }
            // One command gives these rights, to one person at a time.
            Field::IsOperator if truth(value) == Some(false) => Ok(()),
            Field::IsOperator => Err("is for `local -- operator` to give"),
            Field::ViewAll => {
                self.view_all |= truth(value).ok_or(NO_TRUTH)?;
                Ok(())
            }
            Field::Claims => {
                let claims = object(value).ok_or("is not an object")?;
                for (name, value) in claims.iter().filter(|(_, value)| !is_none(value)) {
                    self.set(path, &Field::Claim(name.clone()), value, troubles);
                }
                Ok(())
            }
            Field::Claim(name) => self.claim(name, text()?),
            Field::Profile => self.profile(path, value, troubles),
            Field::EmailVerified => put_mark(&mut self.email_verified, value),
            Field::Banned => put_mark(&mut self.banned, value),
            Field::Enabled => match truth(value).ok_or(NO_TRUTH)? {
                true => Ok(()),
                false => put(&mut self.banned, Some(Mark::Set), ""),
            },
            Field::Deleted => put_mark(&mut self.deleted, value),
            Field::InvitedAt => put(&mut self.invited_at, time(value), NO_TIME),
            Field::LastSignInAt => put(&mut self.last_sign_in_at, time(value), NO_TIME),
            Field::CreatedAt => put(&mut self.created_at, time(value), NO_TIME),
            Field::UpdatedAt => put(&mut self.updated_at, time(value), NO_TIME),
        }
    }

    fn claim(&mut self, name: &str, value: String) -> Outcome {
        let held: usize = self.claims.iter().map(|(name, value)| name.len() + value.len()).sum();
        if name.is_empty() {
            return Err("has a claim without a name");
        }
        if held + name.len() + value.len() > MAX_CLAIMS {
            return Err("holds more than 16 KB of claims");
        }
        self.claims.entry(name.to_owned()).or_insert(value);
        Ok(())
    }

    fn profile(&mut self, path: &str, value: &Value, troubles: &mut Vec<Trouble>) -> Outcome {
        let fields = object(value).ok_or("is not an object")?;
        let profile = Profile::read(value);
        self.name = self.name.take().or(profile.name);
        self.avatar_url = self.avatar_url.take().or(profile.avatar_url);
        for name in profile.unusable {
            let (path, value) = (format!("{path}.{name}"), shown(&fields[name].to_string()));
            let problem = "is not a name or a picture's address";
            troubles.push(Trouble { path, problem, value, effect: Effect::LeftOut });
        }
        Ok(())
    }
}

/// Returns true if a value tells nothing. A CSV writes nothing, or `null`, where there is none.
pub fn is_none(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => matches!(text.trim(), "" | "null" | "NULL" | "[]" | "{}"),
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Sets what is not set yet.
fn put<T>(slot: &mut Option<T>, value: Option<T>, problem: &'static str) -> Outcome {
    let value = value.ok_or(problem)?;
    slot.get_or_insert(value);
    Ok(())
}

fn put_name(slot: &mut Option<String>, name: String) -> Outcome {
    put(slot, Some(name).filter(|name| is_name(name)), TOO_LONG)
}

fn put_mark(slot: &mut Option<Mark>, value: &Value) -> Outcome {
    match truth(value) {
        Some(false) => Ok(()),
        Some(true) => put(slot, Some(Mark::Set), ""),
        None => put(slot, time(value).map(Mark::At), "is not a time, and not true or false"),
    }
}

/// A value as text: also a number, and the only one of a list.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Array(values) if values.len() == 1 => values[0].as_str().map(str::to_owned),
        _ => None,
    }
}

fn fits(text: &str, most: usize) -> bool {
    !text.is_empty() && text.chars().count() <= most && is_readable(text)
}

fn word(text: &str) -> String {
    text.trim().to_lowercase()
}

/// The status that a word stands for, here or in a program that exports users.
fn status(word: &str) -> Option<Status> {
    match word {
        "active" | "enabled" | "confirmed" => Some(Status::Active),
        "external_provider" | "reset_required" => Some(Status::Active),
        "invited" | "pending" | "unconfirmed" | "force_change_password" => Some(Status::Invited),
        "suspended" | "banned" | "blocked" | "disabled" | "locked" => Some(Status::Suspended),
        "archived" | "compromised" => Some(Status::Suspended),
        "deleted" => Some(Status::Deleted),
        _ => None,
    }
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::Number(number) => match number.as_u64()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
        Value::String(text) => match word(text).as_str() {
            "true" | "t" | "yes" | "1" => Some(true),
            "false" | "f" | "no" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// The first number that is milliseconds since 1970 and no seconds: as seconds it is the year 5138,
/// as milliseconds 1973.
const FIRST_MILLISECONDS: f64 = 1e11;

/// A time: RFC 3339, PostgreSQL's form, either without an offset for UTC, or a number of seconds or
/// milliseconds since 1970, also as a text.
fn time(value: &Value) -> Option<Timestamp> {
    let number = |number: f64| {
        let factor = if number.abs() < FIRST_MILLISECONDS { 1000.0 } else { 1.0 };
        Some(Timestamp::from_millisecond((number * factor) as i64)).filter(|_| number.is_finite())
    };
    match value {
        Value::Number(value) => number(value.as_f64()?),
        Value::String(text) => {
            let text = text.trim();
            if let Ok(value) = text.parse::<f64>() {
                return number(value);
            }
            let forms = [text.to_owned(), format!("{text}Z"), format!("{text}T00:00:00Z")];
            forms.iter().find_map(|form| form.parse().ok())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_read_in_the_forms_that_programs_write() {
        let shown = |value: &Value| time(value).map(|time| time.to_string());
        for value in [
            json!("2026-01-02T03:04:05.678Z"),
            json!("2026-01-02 03:04:05.678901+00"),
            json!("2026-01-02T04:04:05.678+01:00"),
            json!("2026-01-02 03:04:05.678"),
            json!(1_767_323_045.678),
            json!(1_767_323_045_678_i64),
            json!("1767323045678"),
        ] {
            assert_eq!(shown(&value).as_deref(), Some("2026-01-02T03:04:05.678Z"), "{value}");
        }
        let day = json!("2026-01-02");
        assert_eq!(shown(&day).as_deref(), Some("2026-01-02T00:00:00.000Z"));
        for text in ["soon", "infinity", "NaN", "31.12.2026"] {
            assert_eq!(time(&json!(text)), None, "{text}");
        }
        for value in [json!(true), json!([]), json!({})] {
            assert_eq!(time(&value), None, "{value}");
        }
    }
}
