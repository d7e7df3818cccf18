//! The records, as they stand in the table and as code sees them. A contract's own shapes are made
//! from these.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::time::Timestamp;

/// A person, or a person managed by another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "00000000-0000-4000-8000-000000000006",
    "number": 5,
    "team_id": "00000000-0000-4000-8000-0000000000a1",
    "team_name": "Acme Robotics",
    "email": "emi.tanaka@acme-robotics.example",
    "name": "Emi Tanaka",
    "first_name": "Emi",
    "last_name": "Tanaka",
    "role": "operator",
    "status": "active",
    "first_seen": {"at": 1746178200, "remote_ip": "203.0.113.7", "user_agent": "curl/8.14.1"},
    "last_seen": {"at": 1777714080, "remote_ip": "203.0.113.7", "user_agent": "curl/8.14.1"},
    "device_type": "api",
    "tier": "pro",
    "quota_tier_id": "pro",
    "email_verified_at": "2025-05-02T09:30:00.000Z",
    "created_at": "2025-05-02T09:30:00.000Z",
    "updated_at": "2025-05-02T09:30:00.000Z",
    "version": 1
}))]
pub struct User {
    /// The identity provider's `sub`, or a UUID of ours for users that it does not know.
    pub id: Uuid,
    /// The number inside the team: rising, never used again.
    pub number: u64,
    /// The team.
    pub team_id: Uuid,
    /// The team's name. A copy, so that showing oneself takes one read; a team keeps its name.
    pub team_name: String,
    /// Unique over all teams, ignoring case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub email: Option<String>,
    /// Unique inside the team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub username: Option<String>,
    /// The full name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// The first name, of managed users above all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub first_name: Option<String>,
    /// The last name, of managed users above all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_name: Option<String>,
    /// A display name of the user's own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub display_name: Option<String>,
    /// A picture's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub avatar_url: Option<String>,
    /// The role inside the team.
    pub role: Role,
    /// Platform staff, who may act on every team.
    // Only `Store::set_operator` writes it, which no endpoint calls. `false` is never written, and
    // a change of anything else does not name it: IAM refuses every function's write that does.
    #[serde(default, skip_serializing_if = "is_default")]
    pub is_operator: bool,
    /// Whether an operator of the team sees all of it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub view_all: bool,
    /// Where in its life the account is.
    pub status: Status,
    /// The first time the user was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub first_seen: Option<Seen>,
    /// The last time the user was seen, at most ten minutes behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_seen: Option<Seen>,
    /// Free text by name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub claims: BTreeMap<String, String>,
    /// Failed logins, as the identity provider reports them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub login_attempts: u32,
    /// Whether the welcome email went out; absent where none was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub email_sent: Option<bool>,
    /// The link by which an invited user signs up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub invite_link: Option<String>,
    /// A person's account or a machine's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub account_type: AccountType,
    /// The id in the directory that provisions the user by SCIM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub scim_id: Option<String>,
    /// Extra permissions by name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub permissions: Vec<String>,
    /// The device registered for signing, if any. Always stored, as lists filter by it.
    #[serde(default)]
    #[schema(required)]
    pub device_type: DeviceType,
    /// The device's own user id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub device_user_id: Option<String>,
    /// The device's public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pub_key: Option<String>,
    /// The user who manages this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub manager_id: Option<Uuid>,
    /// The plan's name.
    pub tier: String,
    /// The quota tier.
    pub quota_tier_id: String,
    /// What abuse checks noted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub abuse_flags: BTreeMap<String, serde_json::Value>,
    /// When the email was proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub email_verified_at: Option<Timestamp>,
    /// When the account was soft-deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub soft_deleted_at: Option<Timestamp>,
    /// When its data will be erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub delete_scheduled_at: Option<Timestamp>,
    /// Who soft-deleted it: only who did it themselves may undo it themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub deleted_by: Option<Uuid>,
    /// The status before it was soft-deleted, which a restore gives back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub deleted_from: Option<Status>,
    /// The invite that made the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub invite_id: Option<Uuid>,
    /// The id that the user had until they signed up: their history until then stands under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub invited_as: Option<Uuid>,
    /// What the user does for a living.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub job_title: Option<String>,
    /// When the user finished filling in the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub profile_completed_at: Option<Timestamp>,
    /// The time of the last sign-out everywhere: tokens that were issued before are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tokens_valid_after: Option<Timestamp>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it was last changed by someone; being seen is no change.
    pub updated_at: Timestamp,
    /// Counts the changes, from 1; being seen is none.
    pub version: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl User {
    /// An active viewer of a team (its id and name) in the default tier, with nothing else set.
    pub fn new(id: Uuid, number: u64, (team_id, team_name): (Uuid, &str), now: Timestamp) -> Self {
        Self {
            id,
            number,
            team_id,
            team_name: team_name.to_owned(),
            email: None,
            username: None,
            name: None,
            first_name: None,
            last_name: None,
            display_name: None,
            avatar_url: None,
            role: Role::Viewer,
            is_operator: false,
            view_all: false,
            status: Status::Active,
            first_seen: None,
            last_seen: None,
            claims: BTreeMap::new(),
            login_attempts: 0,
            email_sent: None,
            invite_link: None,
            account_type: AccountType::default(),
            scim_id: None,
            permissions: Vec::new(),
            device_type: DeviceType::default(),
            device_user_id: None,
            pub_key: None,
            manager_id: None,
            tier: DEFAULT_QUOTA_TIER.to_owned(),
            quota_tier_id: DEFAULT_QUOTA_TIER.to_owned(),
            abuse_flags: BTreeMap::new(),
            email_verified_at: None,
            soft_deleted_at: None,
            delete_scheduled_at: None,
            deleted_by: None,
            deleted_from: None,
            invite_id: None,
            invited_as: None,
            job_title: None,
            profile_completed_at: None,
            tokens_valid_after: None,
            created_at: now,
            updated_at: now,
            version: 1,
        }
    }

    /// A viewer of a team whom someone else made: a stand-in without an identity, until the person
    /// who proves its email signs up.
    pub fn pending(number: u64, team: (Uuid, &str), sign_up_url: &str, now: Timestamp) -> Self {
        let id = Uuid::new_v4();
        Self {
            status: Status::Invited,
            email_sent: Some(false),
            invite_link: Some(format!("{sign_up_url}?invite={id}")),
            ..Self::new(id, number, team, now)
        }
    }

    /// Returns true if a token issued then, in Unix seconds, has ended by a sign-out everywhere.
    /// Tokens tell whole seconds: one of the same second as the sign-out may have come after it,
    /// and is good. One that does not tell when it was issued has ended.
    pub fn has_signed_out(&self, issued_at: Option<f64>) -> bool {
        self.tokens_valid_after.is_some_and(|after| {
            issued_at.is_none_or(|issued_at| issued_at < after.as_second() as f64)
        })
    }

    /// What to call the user: the chosen display name, else "first last", else the name, else the
    /// email, else the id.
    pub fn shown_name(&self) -> String {
        let parts = [self.first_name.as_deref(), self.last_name.as_deref()];
        let first_last = parts
            .into_iter()
            .flatten()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        [
            self.display_name.as_deref(),
            Some(first_last.as_str()),
            self.name.as_deref(),
            self.email.as_deref(),
        ]
        .into_iter()
        .flatten()
        .find(|name| !name.is_empty())
        .map_or_else(|| self.id.to_string(), str::to_owned)
    }

    /// The full name, else what the user is called.
    pub fn full_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.shown_name())
    }

    /// What identifies the user to an administrator: the email, else what the user is called.
    pub fn title(&self) -> String {
        self.email.clone().unwrap_or_else(|| self.shown_name())
    }

    /// Whether the user keeps a team governed: an active person who administers it.
    pub fn governs(&self) -> bool {
        self.role == Role::Admin
            && self.status == Status::Active
            && self.account_type == AccountType::User
    }

    /// Whether the user is a machine that administers the team.
    pub fn is_service_admin(&self) -> bool {
        self.role == Role::Admin
            && self.status != Status::Deleted
            && self.account_type == AccountType::Service
    }

    /// What the team's counters count the user under.
    pub fn class(&self) -> Class {
        Class { role: self.role, status: self.status, device_type: self.device_type }
    }
}

/// A user's, team's or key's id as clients write it: 36 characters, in either case.
pub fn parse_id(text: &str) -> Option<Uuid> {
    // The parser also reads forms that no contract has: without hyphens, in braces.
    Some(text).filter(|text| text.len() == 36).and_then(|text| Uuid::parse_str(text).ok())
}

/// One kind of user, as lists filter them: the unit in which a team's users are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// The role.
    pub role: Role,
    /// The status.
    pub status: Status,
    /// The device type.
    pub device_type: DeviceType,
}

/// An enum whose values are stored and read by a fixed word.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $word:tt),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        pub enum $name { $($(#[$value_doc])* #[serde(rename = $word)] $value),+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];
            /// The words of all of them.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word that is stored.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$value => $word),+ }
            }

            /// The value of a word.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == word)
            }
        }
    };
}

words! {
    /// What a user may do in the team.
    Role {
        /// Everything.
        Admin = "admin",
        /// The daily work.
        Operator = "operator",
        /// To look.
        Viewer = "viewer",
    }
}

words! {
    /// Where in its life an account is.
    Status {
        /// Made by someone else, and not signed up yet.
        Invited = "invited",
        /// In use.
        Active = "active",
        /// Locked by an operator.
        Suspended = "suspended",
        /// Soft-deleted: refused, and erased when its date comes.
        Deleted = "deleted",
    }
}

words! {
    /// A person's account or a machine's.
    #[derive(Default)]
    AccountType {
        /// A person.
        #[default]
        User = "user",
        /// A machine.
        Service = "service",
    }
}

words! {
    /// The device registered for signing.
    #[derive(Default)]
    DeviceType {
        /// A hardware device.
        Psd = "psd",
        /// A device in software.
        SoftPsd = "soft_psd",
        /// None: the user works through the API.
        #[default]
        Api = "api",
    }
}

/// What operators see of a user in lists over all teams: a copy, written with the user, that stands
/// wherever the user is looked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListedUser {
    /// The user.
    pub id: Uuid,
    /// See [`User::email`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// See [`User::name`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// See [`User::shown_name`].
    pub shown_name: String,
    /// See [`User::avatar_url`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// See [`User::tier`].
    pub tier: String,
    /// See [`User::quota_tier_id`].
    pub quota_tier_id: String,
    /// See [`User::is_operator`]. The copies beside emails and names have it under another name,
    /// so that whoever renews them never names the attribute that gives the rights.
    #[serde(
        default,
        skip_serializing_if = "is_default",
        rename = "shown_as_operator",
        alias = "is_operator"
    )]
    pub is_operator: bool,
    /// See [`User::abuse_flags`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub abuse_flags: BTreeMap<String, serde_json::Value>,
    /// See [`User::email_verified_at`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_verified_at: Option<Timestamp>,
    /// See [`User::soft_deleted_at`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_deleted_at: Option<Timestamp>,
    /// See [`User::delete_scheduled_at`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_scheduled_at: Option<Timestamp>,
    /// See [`User::created_at`].
    pub created_at: Timestamp,
    /// See [`User::updated_at`].
    pub updated_at: Timestamp,
}

impl From<&User> for ListedUser {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            email: user.email.clone(),
            name: user.name.clone(),
            shown_name: user.shown_name(),
            avatar_url: user.avatar_url.clone(),
            tier: user.tier.clone(),
            quota_tier_id: user.quota_tier_id.clone(),
            is_operator: user.is_operator,
            abuse_flags: user.abuse_flags.clone(),
            email_verified_at: user.email_verified_at,
            soft_deleted_at: user.soft_deleted_at,
            delete_scheduled_at: user.delete_scheduled_at,
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

/// What administrators see of their team's users in lists by number: what that index holds, which
/// has no room for whole records.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct NumberedUser {
    /// See [`User::id`]. The key says it.
    #[serde(rename = "pk", deserialize_with = "id_of_key")]
    pub id: Uuid,
    /// See [`User::number`].
    pub number: u64,
    /// See [`User::name`].
    pub name: Option<String>,
    /// See [`User::email`].
    pub email: Option<String>,
    /// See [`User::username`].
    pub username: Option<String>,
    /// See [`User::avatar_url`].
    pub avatar_url: Option<String>,
    /// See [`User::invite_link`].
    pub invite_link: Option<String>,
    /// See [`User::login_attempts`].
    #[serde(default)]
    pub login_attempts: u32,
    /// See [`User::email_sent`].
    pub email_sent: Option<bool>,
    /// See [`User::class`].
    #[serde(deserialize_with = "class_of_code")]
    pub class: Class,
    /// When [`User::last_seen`] was. The place by that time says it in fewer bytes.
    #[serde(rename = "by_last_seen", deserialize_with = "time_of_place")]
    pub seen_at: Option<Timestamp>,
    /// See [`User::created_at`].
    pub created_at: Timestamp,
    /// See [`User::account_type`].
    #[serde(default)]
    pub account_type: AccountType,
    /// See [`User::permissions`].
    #[serde(default)]
    pub permissions: Vec<String>,
    /// See [`User::scim_id`].
    pub scim_id: Option<String>,
    /// See [`User::version`].
    pub version: u64,
}

fn id_of_key<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
    let key = String::deserialize(deserializer)?;
    let id = key.strip_prefix("USER#").and_then(|id| id.parse().ok());
    id.ok_or_else(|| serde::de::Error::custom("no user's key"))
}

fn time_of_place<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    Ok(crate::table::time_of_place(&String::deserialize(deserializer)?))
}

fn class_of_code<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Class, D::Error> {
    Class::from_code(&String::deserialize(deserializer)?)
        .ok_or_else(|| serde::de::Error::custom("no class"))
}

impl From<User> for NumberedUser {
    fn from(user: User) -> Self {
        Self {
            class: user.class(),
            id: user.id,
            number: user.number,
            name: user.name,
            email: user.email,
            username: user.username,
            avatar_url: user.avatar_url,
            invite_link: user.invite_link,
            login_attempts: user.login_attempts,
            email_sent: user.email_sent,
            seen_at: user.last_seen.map(|seen| seen.at),
            created_at: user.created_at,
            account_type: user.account_type,
            permissions: user.permissions,
            scim_id: user.scim_id,
            version: user.version,
        }
    }
}

/// A moment a user was seen, and from where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Seen {
    /// When, in Unix seconds.
    // Not as other times: four indexes hold two of these, and as a text each would take three times
    // as much.
    #[serde(with = "crate::time::seconds")]
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// The IPv4 address, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>, format = Ipv4)]
    pub remote_ip: Option<std::net::Ipv4Addr>,
    /// The `User-Agent` header, at most 256 characters.
    pub user_agent: String,
}

/// A team: the tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Team {
    /// The id.
    pub id: Uuid,
    /// The name.
    pub name: String,
    /// The name for addresses.
    pub slug: String,
    /// The user it was made for.
    pub owner_user_id: Uuid,
    /// The quota tier.
    pub quota_tier_id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was soft-deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_deleted_at: Option<Timestamp>,
}

/// What a team may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "pro",
    "display_name": "Pro",
    "max_concurrent_sandboxes": 50,
    "daily_sandbox_creates": 1000,
    "daily_gb_hours": 250.0
}))]
pub struct QuotaTier {
    /// The id, such as `free`.
    pub id: String,
    /// The name shown.
    pub display_name: String,
    /// Sandboxes at one time.
    pub max_concurrent_sandboxes: u64,
    /// Sandboxes made in one UTC day.
    pub daily_sandbox_creates: u64,
    /// Memory × running time in one UTC day.
    pub daily_gb_hours: f64,
}

impl QuotaTier {
    /// Managed users of a team: twenty for each sandbox that it may have at one time, and a hundred
    /// at least.
    pub fn max_managed_users(&self) -> u64 {
        self.max_concurrent_sandboxes.saturating_mul(20).max(100)
    }

    /// The tiers that every table has, until an item of the same id says otherwise.
    pub fn built_in() -> [Self; 3] {
        [
            ("free", "Free", 5, 100, 10.0),
            ("pro", "Pro", 50, 1000, 250.0),
            ("enterprise", "Enterprise", 500, 10_000, 5000.0),
        ]
        .map(
            |(
                id,
                display_name,
                max_concurrent_sandboxes,
                daily_sandbox_creates,
                daily_gb_hours,
            )| Self {
                id: id.to_owned(),
                display_name: display_name.to_owned(),
                max_concurrent_sandboxes,
                daily_sandbox_creates,
                daily_gb_hours,
            },
        )
    }
}

/// The tier of accounts that were given no other.
pub const DEFAULT_QUOTA_TIER: &str = "free";

/// What a team used in one UTC day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "team_id": "00000000-0000-4000-8000-0000000000a1",
    "usage_date": "2026-05-02",
    "sandbox_creates": 20,
    "gb_hours": 1.25,
    "updated_at": "2026-05-02T09:30:00.000Z"
}))]
pub struct UsageDay {
    /// The team.
    pub team_id: Uuid,
    /// The day, `2026-05-02`.
    #[schema(format = Date)]
    pub usage_date: String,
    /// Sandboxes made.
    pub sandbox_creates: u64,
    /// Memory × running time.
    pub gb_hours: f64,
    /// When this was last added to.
    pub updated_at: Timestamp,
}

/// A team's usage of a day as the table holds it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UsageRecord {
    /// What is shown of it.
    #[serde(flatten)]
    pub day: UsageDay,
    /// Memory × time that sandboxes of that day used or may yet use, in MB × ms: what the daily
    /// limit is held against.
    #[serde(default)]
    pub committed_mb_ms: u64,
}

/// MB × ms in a GB-hour.
pub const MB_MS_PER_GB_HOUR: f64 = 1024.0 * 3_600_000.0;

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "00000000-0000-4000-8000-00000000f204",
    "prefix": "ns_live_0204",
    "is_active": true,
    "name": "ci",
    "created_at": "2026-01-26T09:30:00.000Z",
    "last_used_at": "2026-05-01T09:30:00.000Z",
    "scope": "user",
    "permissions": ["members:read", "members:write"],
    "allowed_ips": [],
    "expires_at": "2027-01-26T09:30:00.000Z",
    "revoked_at": null,
    "rotation_parent_key_id": "00000000-0000-4000-8000-00000000f202",
    "minted_by": null
}))]
pub struct ApiKey {
    /// The id.
    pub id: Uuid,
    /// The first 12 characters of the key.
    #[schema(min_length = 12, max_length = 12)]
    pub prefix: String,
    /// Whether it authenticates, if it has not expired.
    pub is_active: bool,
    /// What its owner calls it.
    #[schema(required)]
    pub name: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last authenticated, at most ten minutes behind.
    #[schema(required)]
    pub last_used_at: Option<Timestamp>,
    /// A word for people to read. `operator` alone has a meaning: such a key of a platform operator
    /// opens the operator endpoints.
    #[schema(min_length = 1, max_length = 64)]
    pub scope: String,
    /// What it may do, as far as its owner may.
    #[serde(default = "Permission::defaults")]
    #[schema(required)]
    pub permissions: Vec<Permission>,
    /// The networks it may be used from, as CIDR; none stands for everywhere.
    #[serde(default, with = "networks")]
    #[schema(required, value_type = Vec<String>)]
    pub allowed_ips: Vec<IpNet>,
    /// When it stops authenticating.
    #[serde(default = "ended", deserialize_with = "end_of_key")]
    #[schema(required)]
    pub expires_at: Timestamp,
    /// When it was revoked.
    #[schema(required)]
    pub revoked_at: Option<Timestamp>,
    /// The key that this one replaced.
    #[schema(required)]
    pub rotation_parent_key_id: Option<Uuid>,
    /// The platform operator who made it for its owner, where the owner did not.
    #[serde(default)]
    #[schema(required)]
    pub minted_by: Option<Uuid>,
}

/// Networks as texts.
mod networks {
    use ipnet::IpNet;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(networks: &[IpNet], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(networks.iter().map(ToString::to_string))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts
            .iter()
            .map(|text| text.parse().map_err(|_| serde::de::Error::custom("no network")))
            .collect()
    }
}

/// Reads the end of a key. One that is stored without an end has ended: every key has one.
fn end_of_key<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(ended))
}

/// A time that is over.
fn ended() -> Timestamp {
    Timestamp::from_millisecond(0)
}

/// The scope of keys that no other was asked for.
pub const USER_SCOPE: &str = "user";
/// The scope that opens the operator endpoints to the key of a platform operator.
pub const OPERATOR_SCOPE: &str = "operator";

words! {
    /// A permission of API keys. A token of the identity provider has all of them.
    Permission {
        /// See the owner's account and keys, and export all that is held about the owner.
        AccountRead = "account:read",
        /// Change the owner's profile.
        AccountWrite = "account:write",
        /// See the members of the team, and its invites.
        MembersRead = "members:read",
        /// Make, change and remove members of the team.
        MembersWrite = "members:write",
        /// Make someone an administrator, and change one; on top of `members:write`.
        AdminsWrite = "admins:write",
        /// Invite into the team, and revoke invites.
        InvitesWrite = "invites:write",
        /// See managed users, those who share with the owner, and the owner's own shares.
        ManagedUsersRead = "managed-users:read",
        /// Make, rename and erase managed users.
        ManagedUsersWrite = "managed-users:write",
        /// See the owner's sandboxes.
        SandboxesRead = "sandboxes:read",
        /// Make, change and destroy the owner's sandboxes.
        SandboxesWrite = "sandboxes:write",
        /// Let others in, and no longer.
        SharingWrite = "sharing:write",
        /// Report how long sandboxes ran. It is for keys that a platform operator makes.
        MeteringWrite = "metering:write",
    }
}

impl Permission {
    /// The permissions of a key that no others were asked for.
    pub fn defaults() -> Vec<Self> {
        vec![Self::AccountRead, Self::SandboxesRead, Self::SandboxesWrite]
    }

    /// Whether the role of a user, or the platform's operation, allows what the permission does.
    pub fn is_allowed_to(self, user: &User) -> bool {
        match self {
            _ if user.is_operator => true,
            Self::MeteringWrite => false,
            _ if user.role == Role::Admin => true,
            Self::MembersWrite | Self::AdminsWrite | Self::InvitesWrite => false,
            Self::ManagedUsersWrite => user.role == Role::Operator,
            _ => true,
        }
    }
}

impl std::fmt::Display for Permission {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// An API key as its owner's partition holds it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApiKeyRecord {
    /// What is shown of it.
    #[serde(flatten)]
    pub key: ApiKey,
    /// The SHA-256 of its text, in hexadecimal.
    pub sha256: String,
    /// Whether another key has taken its place, and it works on only for the overlap.
    #[serde(default)]
    pub is_rotated: bool,
    /// True where a credential with a second factor made it, and the installation asked for one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stepped_up: bool,
}

impl ApiKey {
    /// Days for which a key is kept after it was revoked.
    pub const KEPT_DAYS: i64 = 90;

    /// The time at which a revoked key vanishes.
    pub fn vanishes_at(&self) -> Option<Timestamp> {
        self.revoked_at.map(|at| at.plus_seconds(86_400 * Self::KEPT_DAYS))
    }

    /// Returns true unless it was revoked so long ago that it is not shown any more, whether the
    /// table has it still or not.
    pub fn is_kept(&self, now: Timestamp) -> bool {
        self.vanishes_at().is_none_or(|at| at > now)
    }

    /// Whether it authenticates at that time.
    pub fn works(&self, now: Timestamp) -> bool {
        self.is_active && self.expires_at > now
    }
}

/// What the SHA-256 of an API key leads to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKeySecret {
    /// The owner.
    pub user_id: Uuid,
    /// The key.
    pub key_id: Uuid,
    /// See [`ApiKey::scope`].
    pub scope: String,
    /// What it may do, as far as its owner may.
    #[serde(default = "Permission::defaults")]
    pub permissions: Vec<Permission>,
    /// The networks it may be used from; none stands for everywhere.
    #[serde(default, with = "networks", skip_serializing_if = "Vec::is_empty")]
    pub allowed_ips: Vec<IpNet>,
    /// Whether it authenticates, if it has not expired.
    pub is_active: bool,
    /// When it stops authenticating.
    #[serde(default = "ended", deserialize_with = "end_of_key")]
    pub expires_at: Timestamp,
    /// When it last authenticated, at most ten minutes behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// The platform operator who made it for its owner, where the owner did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minted_by: Option<Uuid>,
    /// True where a credential with a second factor made it, and the installation asked for one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stepped_up: bool,
}

impl ApiKeySecret {
    /// Whether it may be used from that address.
    pub fn is_for(&self, source: Option<IpAddr>) -> bool {
        let source = source.map(|source| source.to_canonical());
        self.allowed_ips.is_empty()
            || source.is_some_and(|source| self.allowed_ips.iter().any(|net| net.contains(&source)))
    }
}

/// A sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "sbx_0019de2dfa1c0009",
    "user_id": "00000000-0000-4000-8000-000000000002",
    "template": "python-3.13",
    "status": "running",
    "created_at": "2026-05-01T09:30:00.000Z",
    "updated_at": "2026-05-01T09:30:00.000Z",
    "metadata": {"job": "nightly-9"},
    "started_at": "2026-05-01T09:30:00.000Z",
    "destroyed_at": null,
    "cpu_count": 2,
    "memory_mb": 2048,
    "disk_mb": 10240,
    "timeout_ms": 3_600_000
}))]
pub struct Sandbox {
    /// The id; ids sort by time.
    pub id: String,
    /// The owner.
    pub user_id: Uuid,
    /// What it was made from.
    pub template: String,
    /// What it is doing.
    pub status: SandboxStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Free values by name.
    #[serde(default)]
    #[schema(required)]
    pub metadata: BTreeMap<String, serde_json::Value>,
    /// When it began to run.
    #[schema(required)]
    pub started_at: Option<Timestamp>,
    /// When it was destroyed.
    #[schema(required)]
    pub destroyed_at: Option<Timestamp>,
    /// Processors.
    #[schema(required)]
    pub cpu_count: Option<u32>,
    /// Memory in MB.
    #[schema(required)]
    pub memory_mb: Option<u32>,
    /// Disk in MB.
    #[schema(required)]
    pub disk_mb: Option<u32>,
    /// How long it may run, in milliseconds.
    #[schema(required)]
    pub timeout_ms: Option<u64>,
}

/// A sandbox as the table holds it, with what its bill is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SandboxRecord {
    /// What is shown of it.
    #[serde(flatten)]
    pub sandbox: Sandbox,
    /// Milliseconds that it ran until the platform last reported; 0 where it never did.
    #[serde(default)]
    pub ran_ms: u64,
    /// Since when it has been counted as running: from its making, or from the platform's last
    /// report. Absent where the platform reported that it stands still.
    #[serde(default)]
    pub running_since: Option<Timestamp>,
    /// What it holds of its first day's GB-hours, in MB × ms.
    #[serde(default)]
    pub reserved_mb_ms: u64,
    /// Counts the changes, from 1.
    #[serde(default)]
    pub version: u64,
}

impl SandboxRecord {
    /// Milliseconds that it ran until `now`, at most as long as it may.
    pub fn ran_until(&self, now: Timestamp) -> u64 {
        let running = self
            .running_since
            .map_or(0, |since| now.as_millisecond().saturating_sub(since.as_millisecond()).max(0));
        let ran = self.ran_ms.saturating_add(running.unsigned_abs());
        self.sandbox.timeout_ms.map_or(ran, |timeout| ran.min(timeout))
    }
}

words! {
    /// What a sandbox is doing.
    SandboxStatus {
        /// It is being made. Earlier versions stored another word.
        #[serde(alias = "starting")]
        Creating = "creating",
        /// It runs.
        Running = "running",
        /// It stands still.
        Paused = "paused",
        /// It is gone.
        Destroyed = "destroyed",
    }
}

/// A managed user as the manager's own list holds it: a copy of the names, written with them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "00000000-0000-4000-8000-000000000062", "first_name": "Gita", "last_name": "Rao", "display_name": "Gita Rao"
}))]
pub struct ManagedUser {
    /// The managed user.
    pub id: Uuid,
    /// The first name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub first_name: Option<String>,
    /// The last name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_name: Option<String>,
    /// What the user is called.
    pub display_name: String,
}

impl From<&User> for ManagedUser {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            display_name: user.shown_name(),
        }
    }
}

/// What one user lets another do with their data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AccountShare, example = json!({
    "grantor_id": "00000000-0000-4000-8000-000000000002",
    "grantee_id": "00000000-0000-4000-8000-000000000006",
    "scopes": ["data:read", "workouts:read"],
    "created_at": "2026-04-12T09:30:00.000Z"
}))]
pub struct Share {
    /// Who shares.
    pub grantor_id: Uuid,
    /// With whom.
    pub grantee_id: Uuid,
    /// What for.
    pub scopes: Vec<String>,
    /// Since when.
    pub created_at: Timestamp,
}

/// An invitation of someone into a team, by email.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Invite {
    /// The id; ids sort by time.
    pub id: Uuid,
    /// The team. By another name than users have it: the index of users by id is to hold no
    /// invites.
    #[serde(rename = "team")]
    pub team_id: Uuid,
    /// The email of the invited person; empty once it is revoked.
    pub email: String,
    /// What became of it.
    pub status: InviteStatus,
    /// The user it made: invited until they sign up, and then under the id that they sign up with.
    pub user_id: Uuid,
    /// Who invited.
    pub invited_by: Uuid,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Invite {
    /// Days for which an invite is kept after it was revoked.
    pub const KEPT_DAYS: i64 = 90;

    /// The time at which a revoked invite vanishes.
    pub fn vanishes_at(&self) -> Option<Timestamp> {
        (self.status == InviteStatus::Revoked)
            .then(|| self.updated_at.plus_seconds(86_400 * Self::KEPT_DAYS))
    }
}

words! {
    /// What became of an invite.
    InviteStatus {
        /// Nothing yet.
        Pending = "pending",
        /// The invited user signed up.
        Used = "used",
        /// It was taken back.
        Revoked = "revoked",
    }
}

/// One change of a user, who made it, and why. It outlives the user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "019de2e1-7b80-7a51-9f0e-3c1d5b8a6e42",
    "at": "2026-05-02T09:30:00.000Z",
    "actor_id": "00000000-0000-4000-8000-000000000002",
    "action": "share.granted",
    "changes": {"scopes": {"before": null, "after": ["data:read"]}},
    "credential": {"kind": "api_key", "id": "00000000-0000-4000-8000-00000000f204"},
    "request_id": "JKJaXmPLvHcESHA=",
    "address": "192.0.2.10"
}))]
pub struct AuditEntry {
    /// The id; ids sort by time.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// The person who made the change; null where it was no person that Roster knows, but a local
    /// command, an import or the schedule.
    #[schema(required)]
    pub actor_id: Option<Uuid>,
    /// What was done: `user.suspended`.
    pub action: String,
    /// Why, where it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
    /// The fields that changed.
    #[serde(default)]
    #[schema(required)]
    pub changes: BTreeMap<String, FieldChange>,
    /// The credential of the change. Entries of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub credential: Option<AuditCredential>,
    /// The id of the request, which its response and its line in the log have too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub request_id: Option<String>,
    /// The address that the request came from, for 90 days. The table has it in an item of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>)]
    pub address: Option<IpAddr>,
    /// The id of that item. No response shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub address_id: Option<Uuid>,
}

words! {
    /// The kind of credential that a change was made with.
    AuditCredentialKind {
        /// A token of the identity provider.
        Token = "token",
        /// An API key.
        ApiKey = "api_key",
        /// A delegated token.
        DelegatedToken = "delegated_token",
        /// A token that comes from a delegated one.
        PrincipalToken = "principal_token",
        /// None: a local command, by someone who has the table itself.
        LocalCommand = "local_command",
        /// None: an import, by someone who has the table itself.
        Import = "import",
        /// None: the schedule.
        Schedule = "schedule",
    }
}

/// The credential that a change was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditCredential {
    /// Its kind.
    pub kind: AuditCredentialKind,
    /// The API key's id; a token's `jti`, or else its `session_id`; a local command's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub id: Option<String>,
    /// The person who gave it to the actor: the platform operator who minted the key, or the user
    /// who delegated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub issued_by: Option<Uuid>,
}

impl AuditCredential {
    /// A credential that its actor got without another person.
    pub fn new(kind: AuditCredentialKind, id: Option<String>) -> Self {
        Self { kind, id, issued_by: None }
    }

    /// The schedule, in place of one.
    pub fn schedule() -> Self {
        Self::new(AuditCredentialKind::Schedule, None)
    }
}

/// An address that changes of a person came from: an item of its own, which ends by itself and goes
/// with the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "5b0e2a4c-7d1f-4c3b-9a86-0f2d7c9e1b35",
    "address": "192.0.2.10",
    "at": "2026-05-02T09:30:00.000Z",
    "expires": 1785490200
}))]
pub struct SourceAddress {
    /// The id, which entries of history refer to.
    pub id: Uuid,
    /// The address.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// The time of the first of the changes.
    pub at: Timestamp,
    /// The time at which it is deleted, in Unix seconds.
    pub expires: i64,
}

/// A field before and after a change; null where it was not set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldChange {
    /// Before.
    pub before: serde_json::Value,
    /// After.
    pub after: serde_json::Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_name_takes_the_first_that_is_set() {
        let now = Timestamp::from_millisecond(0);
        let mut user = User {
            email: Some("ada@example.com".into()),
            name: Some("Ada King".into()),
            first_name: Some("Ada".into()),
            last_name: Some("Lovelace".into()),
            display_name: Some("Countess".into()),
            ..User::new(Uuid::from_u128(1), 1, (Uuid::from_u128(2), "T"), now)
        };
        assert_eq!(user.shown_name(), "Countess");
        user.display_name = None;
        assert_eq!(user.shown_name(), "Ada Lovelace");
        user.last_name = None;
        assert_eq!(user.shown_name(), "Ada");
        user.first_name = Some(String::new());
        assert_eq!(user.shown_name(), "Ada King");
        user.name = None;
        assert_eq!(user.shown_name(), "ada@example.com");
        user.email = None;
        assert_eq!(user.shown_name(), "00000000-0000-0000-0000-000000000001");
    }
}
