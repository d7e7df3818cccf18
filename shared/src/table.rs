//! The single table: every key it has is written here and nowhere else.
//!
//! | item | `pk` | `sk` | read by |
//! |---|---|---|---|
//! | [`User`](crate::models::User) | `USER#id` | `USER` | id; `version` counts the changes |
//! | [`ApiKeyRecord`](crate::models::ApiKeyRecord) | `USER#id` | `KEY#key_id` | the owner |
//! | a user's API keys that are not revoked, by id | `USER#id` | `COUNT#KEYS` | whoever makes or revokes one |
//! | which key is the default one | `USER#id` | `DEFAULT_KEY` | whoever makes the default key |
//! | [`ApiKeySecret`](crate::models::ApiKeySecret) | `KEY#sha256` | `KEY` | authentication: one GetItem |
//! | [`Sandbox`](crate::models::Sandbox) | `USER#id` | `SANDBOX#id` | the owner, newest first, as the ids sort by time |
//! | [`ManagedUser`](crate::models::ManagedUser) | `USER#manager` | `MANAGED#id` | the manager's list |
//! | [`Share`](crate::models::Share) | `USER#grantee` | `SHARED#grantor` | the grantee's list |
//! | [`Share`](crate::models::Share), from the other side | `USER#grantor` | `GRANT#grantee` | the grantor; what to take back when a user goes |
//! | unique email | `EMAIL#initial` | the email | whoever asks for that email, or for those that begin like it: holds the `user_id`, and a [`ListedUser`](crate::models::ListedUser) |
//! | name, shown name | `NAME#initial` | the name, then the user's id | operators, by how it begins: a [`ListedUser`](crate::models::ListedUser) |
//! | where a word of a name begins | `WORDS#team` | the name from that word on, then the user's id | the team's search, where the team is large: holds the `user_id`. The stream keeps it |
//! | unique username | `USERNAME#team` | the username | whoever asks for that username, or for those that begin like it: holds the `user_id` |
//! | unique SCIM id | `SCIM#team#scim_id` | `UNIQUE` | whoever asks for that id: holds the `user_id` |
//! | number | `NUMBER#team#number` | `UNIQUE` | as above |
//! | [`Team`](crate::models::Team) | `TEAM#id` | `TEAM` | id; counts its administrators as well |
//! | [`UsageRecord`](crate::models::UsageRecord) | `TEAM#id` | `USAGE#date` | the team, newest first |
//! | sandboxes not destroyed | `TEAM#id` | `COUNT#SANDBOXES` | whoever makes one |
//! | a user's sandboxes not destroyed, and what they reserve | `USER#owner` | `COUNT#SANDBOXES` | whoever makes one |
//! | managed users | `TEAM#id` | `COUNT#MANAGED` | whoever makes one |
//! | invites that wait to be used | `TEAM#id` | `COUNT#INVITES` | whoever makes one |
//! | [`Invite`](crate::models::Invite) | `TEAM#id` | `INVITE#id` | the team |
//! | user counts | `TEAM#id` | `COUNT#USERS#shard` | the team: one attribute per [`Class`](crate::models::Class), over 16 shards |
//! | [`Span`](crate::store::ranks::Span) | `SPANS#team#sequence` | `FROM#place` | lists, to find the entry at an offset |
//! | a request to rebuild the rank index, in force for an hour | `REBUILD#team` | `REBUILD` | whoever sees that it is wrong; the stream brings it to who counts |
//! | a team with users that are not counted yet, in a local database | `UNCOUNTED` | the team's id | the next start, after a hard kill |
//! | last number given | `TEAM#id` | `NUMBERS` | whoever makes a user |
//! | [`AuditEntry`](crate::models::AuditEntry) | `AUDIT#user` | the entry's id, which sorts by time | a user's history; outlives the user |
//! | [`SourceAddress`](crate::models::SourceAddress) | `ADDRESS#actor` | its id | the history and the actor's export; ends after 90 days |
//! | [`QuotaTier`](crate::models::QuotaTier) | `TIER` | `id` | all, kept in memory for a minute |
//! | how many requests a caller sent in a minute | `REQUESTS#caller` | `MINUTE#n`, minutes since 1970 | every request, which adds to it |
//! | [`PublicSigningKey`](crate::auth::PublicSigningKey): verifies Roster's own tokens | `SIGNING_KEY` | `SIGNING_KEY` | whoever gets such a token, kept in memory for five minutes |
//! | the namespace of people's ids | `PERSON_NAMESPACE` | `PERSON_NAMESPACE` | whoever gets a token whose `sub` is no UUID, kept in memory |
//! | receipt: the answer to a request with an `Idempotency-Key` | `USER#caller` | `RECEIPT#sha256` | the same request, sent again within a day |
//!
//! Values that must be unique ignore case: they are folded to lower case in the key. Names that are
//! looked for are folded as [`case_fold`] does.
//!
//! Users stand in one sparse index per [`Sequence`], with `team_id` as the partition key: the sort
//! key is the sorted value and then the id, so that equal values come in the order of their ids. By
//! id they stand in three: by stage, by role and by status, and then by id. Four more indexes hold
//! the users of one class each, so that a filter passes over nobody. Two sparse indexes span all
//! teams, each over four partitions to share the load: [`EVERYONE`], newest first, and [`DUE`], the
//! users to be purged, by the time when it is due.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use uuid::Uuid;

use crate::models::{Class, DeviceType, Role, Status, User};
use crate::text::{case_fold, normalize};
use crate::time::Timestamp;

/// The partition key's attribute.
pub const PK: &str = "pk";
/// The sort key's attribute.
pub const SK: &str = "sk";
/// The attribute of a user that says how far the erasure of a large account has got.
pub const ERASURE: &str = "erasure";
/// The attribute that DynamoDB expires items by, in Unix seconds.
pub const TTL: &str = "expires";
/// The partition key of indexes over a team.
pub const TEAM_ID: &str = "team_id";
/// The partition key of indexes over a team's users of one class.
pub const TEAM_CLASS: &str = "team_class";
/// A user's class, by its code.
pub const CLASS: &str = "class";
/// What the workspace's lists show of a user beside id, class and the team's name, as one
/// attribute: DynamoDB projects 100 attributes at most into all indexes.
pub const ROW: &str = "row";

/// The sort key of an item that asks for a rebuild, by which the stream lets it through.
pub const REBUILD: &str = "REBUILD";
/// The partition of the teams with users that are not counted yet.
pub const UNCOUNTED: &str = "UNCOUNTED";

/// An item.
pub type Item = HashMap<String, AttributeValue>;

/// The key of one item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The partition.
    pub pk: String,
    /// The place in it.
    pub sk: String,
}

impl Key {
    fn new(pk: String, sk: impl Into<String>) -> Self {
        Self { pk, sk: sk.into() }
    }

    /// A user.
    pub fn user(id: Uuid) -> Self {
        Self::new(format!("USER#{id}"), "USER")
    }

    /// An API key in its owner's partition.
    pub fn api_key(owner: Uuid, key_id: Uuid) -> Self {
        Self::new(format!("USER#{owner}"), format!("KEY#{key_id}"))
    }

    /// The ids of a user's API keys that are not revoked.
    pub fn active_keys(owner: Uuid) -> Self {
        Self { sk: "COUNT#KEYS".to_owned(), ..Self::user(owner) }
    }

    /// Which of a user's API keys is the default one.
    pub fn default_api_key(owner: Uuid) -> Self {
        Self::new(format!("USER#{owner}"), "DEFAULT_KEY")
    }

    /// An API key by the SHA-256 of its text, in hexadecimal.
    pub fn api_key_secret(sha256: &str) -> Self {
        Self::new(format!("KEY#{sha256}"), "KEY")
    }

    /// How many requests a caller sent in a minute, counted from 1970.
    pub fn requests(caller: Uuid, minute: i64) -> Self {
        Self::new(format!("REQUESTS#{caller}"), format!("MINUTE#{minute}"))
    }

    /// A sandbox.
    pub fn sandbox(owner: Uuid, id: &str) -> Self {
        Self::new(format!("USER#{owner}"), format!("SANDBOX#{id}"))
    }

    /// A managed user in the manager's partition.
    pub fn managed(manager: Uuid, id: Uuid) -> Self {
        Self::new(format!("USER#{manager}"), format!("MANAGED#{id}"))
    }

    /// A share, as the grantee lists it.
    pub fn shared(grantee: Uuid, grantor: Uuid) -> Self {
        Self::new(format!("USER#{grantee}"), format!("SHARED#{grantor}"))
    }

    /// A share, as the grantor lists it.
    pub fn grant(grantor: Uuid, grantee: Uuid) -> Self {
        Self::new(format!("USER#{grantor}"), format!("GRANT#{grantee}"))
    }

    /// Who holds an email. Emails of one initial stand together, so that they are found by how they
    /// begin.
    pub fn email(email: &str) -> Self {
        let email = fold(email);
        Self::new(format!("EMAIL#{}", initial(&email)), email)
    }

    /// A name by which a user is found.
    pub fn name(name: &str, user: Uuid) -> Self {
        let name = searchable(name);
        Self::new(format!("NAME#{}", initial(&name)), format!("{name}\u{1f}{user}"))
    }

    /// The names by which a user is found: the name, and what the user is called, unless that is
    /// the email.
    pub fn names(user: &User) -> Vec<Self> {
        let shown = Some(user.shown_name()).filter(|shown| Some(shown) != user.email.as_ref());
        let names = [user.name.as_deref(), shown.as_deref()]
            .into_iter()
            .flatten()
            .filter(|name| !name.trim().is_empty());
        let mut keys: Vec<Self> = names.map(|name| Self::name(name, user.id)).collect();
        keys.dedup();
        keys
    }

    /// The places in a team's list of words at which a member of that name stands.
    pub fn words(team: Uuid, name: &str, user: Uuid) -> Vec<Self> {
        let partition = Self::words_of(team);
        words(name)
            .into_iter()
            .map(|word| Self::new(partition.clone(), with_id(&word, user)))
            .collect()
    }

    /// The partition of a team's words.
    pub fn words_of(team: Uuid) -> String {
        format!("WORDS#{team}")
    }

    /// Who holds a username in a team. A team's usernames stand together, so that they are found by
    /// how they begin.
    pub fn username(team: Uuid, username: &str) -> Self {
        Self::new(format!("USERNAME#{team}"), fold(username))
    }

    /// Who holds a SCIM id in a team.
    pub fn scim(team: Uuid, scim_id: &str) -> Self {
        Self::new(format!("SCIM#{team}#{scim_id}"), "UNIQUE")
    }

    /// Who holds a number in a team.
    pub fn number(team: Uuid, number: u64) -> Self {
        Self::new(format!("NUMBER#{team}#{number}"), "UNIQUE")
    }

    /// A team.
    pub fn team(id: Uuid) -> Self {
        Self::new(format!("TEAM#{id}"), "TEAM")
    }

    /// The span of a sequence that begins at a place; "" for the first one.
    pub fn span(team: Uuid, sequence: Sequence, from: &str) -> Self {
        Self::new(
            format!("SPANS#{team}#{}", sequence.attribute()),
            format!("{}{from}", prefix::FROM),
        )
    }

    /// The item that asks for a rebuild of a team's rank index.
    pub fn rebuild(team: Uuid) -> Self {
        Self::new(format!("REBUILD#{team}"), REBUILD)
    }

    /// The team that an item asks to rebuild the rank index of, by its key.
    pub fn team_to_rebuild(&self) -> Option<Uuid> {
        self.pk.strip_prefix("REBUILD#")?.parse().ok()
    }

    /// A team of which users were written that are not counted yet: in a local database alone.
    pub fn uncounted(team: &str) -> Self {
        Self::new(UNCOUNTED.to_owned(), team)
    }

    /// A team's usage of one day.
    pub fn usage(team: Uuid, date: &str) -> Self {
        Self::new(format!("TEAM#{team}"), format!("USAGE#{date}"))
    }

    /// The counter that a user is counted in. Sixteen share the load, by the id's last digit, which
    /// is random in every version of UUID that names people.
    pub fn count(team: Uuid, user: Uuid) -> Self {
        Self::new(format!("TEAM#{team}"), format!("COUNT#USERS#{:x}", user.as_u128() & 0xf))
    }

    /// The number of a user's sandboxes that are not destroyed, and the GB-hours that they reserve.
    pub fn own_sandbox_count(user: Uuid) -> Self {
        Self { sk: "COUNT#SANDBOXES".to_owned(), ..Self::user(user) }
    }

    /// How many sandboxes a team has that are not destroyed.
    pub fn sandbox_count(team: Uuid) -> Self {
        Self::new(format!("TEAM#{team}"), "COUNT#SANDBOXES")
    }

    /// The number of a team's managed users.
    pub fn managed_count(team: Uuid) -> Self {
        Self::new(format!("TEAM#{team}"), "COUNT#MANAGED")
    }

    /// The number of a team's invites that wait to be used.
    pub fn invite_count(team: Uuid) -> Self {
        Self::new(format!("TEAM#{team}"), "COUNT#INVITES")
    }

    /// An invite into a team.
    pub fn invite(team: Uuid, id: Uuid) -> Self {
        Self::new(format!("TEAM#{team}"), format!("INVITE#{id}"))
    }

    /// The receipt of a request: what names the request is hashed.
    pub fn receipt(caller: Uuid, sha256: &str) -> Self {
        Self::new(format!("USER#{caller}"), format!("RECEIPT#{sha256}"))
    }

    /// The last number that a team gave to a user.
    pub fn numbers(team: Uuid) -> Self {
        Self::new(format!("TEAM#{team}"), "NUMBERS")
    }

    /// An entry of a user's history.
    pub fn audit(user: Uuid, entry: Uuid) -> Self {
        Self::new(format!("AUDIT#{user}"), entry.to_string())
    }

    /// The public half of the key that signs Roster's own tokens.
    pub fn signing_key() -> Self {
        Self::new("SIGNING_KEY".to_owned(), "SIGNING_KEY")
    }

    /// The installation's own namespace of people's ids.
    pub fn person_namespace() -> Self {
        Self::new("PERSON_NAMESPACE".to_owned(), "PERSON_NAMESPACE")
    }

    /// An address that changes of a person came from.
    pub fn address(actor: Uuid, id: Uuid) -> Self {
        Self::new(format!("ADDRESS#{actor}"), id.to_string())
    }

    /// A quota tier.
    pub fn tier(id: &str) -> Self {
        Self::new("TIER".to_owned(), id)
    }

    /// The key as DynamoDB takes it.
    pub fn item(&self) -> Item {
        Item::from([
            (PK.to_owned(), AttributeValue::S(self.pk.clone())),
            (SK.to_owned(), AttributeValue::S(self.sk.clone())),
        ])
    }

    /// The key of an item that was read.
    pub fn of(item: &Item) -> Option<Self> {
        let text = |name| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        Some(Self { pk: text(PK)?, sk: text(SK)? })
    }

    /// The id in a user's key, which index entries have too.
    pub fn user_id(item: &Item) -> Option<Uuid> {
        Self::of(item)?.pk.strip_prefix("USER#")?.parse().ok()
    }

    /// The keys of the values that this user alone may hold.
    pub fn unique_values(user: &User) -> Vec<Self> {
        let mut keys = vec![Self::number(user.team_id, user.number)];
        keys.extend(user.email.as_deref().map(Self::email));
        keys.extend(
            user.username.as_deref().map(|username| Self::username(user.team_id, username)),
        );
        keys.extend(user.scim_id.as_deref().map(|scim_id| Self::scim(user.team_id, scim_id)));
        keys
    }
}

/// The sort-key prefixes of the items in a user's or a team's partition.
pub mod prefix {
    /// API keys.
    pub const KEY: &str = "KEY#";
    /// Sandboxes.
    pub const SANDBOX: &str = "SANDBOX#";
    /// Managed users.
    pub const MANAGED: &str = "MANAGED#";
    /// Shares with the user.
    pub const SHARED: &str = "SHARED#";
    /// Shares by the user.
    pub const GRANT: &str = "GRANT#";
    /// Usage days.
    pub const USAGE: &str = "USAGE#";
    /// Invites.
    pub const INVITE: &str = "INVITE#";
    /// Spans of a sequence, before the place where they begin.
    pub const FROM: &str = "FROM#";
    /// User counts.
    pub const COUNT: &str = "COUNT#USERS#";
}

/// An identifier, an email or a username, as it is compared: without regard to case. Names are
/// compared by [`case_fold`].
pub fn fold(text: &str) -> String {
    // One capital sigma has two small letters.
    text.to_lowercase().replace('ς', "σ")
}

/// Text as names are looked for by it: folded, without white space around it, and cut to what a
/// sort key holds beside an id.
pub fn searchable(text: &str) -> String {
    cut(case_fold(text).trim().to_owned())
}

/// Text as identifiers are looked for by it. They are stored normalized.
pub fn searchable_identifier(text: &str) -> String {
    cut(fold(normalize(text).trim()))
}

/// A name from each of its words on, as search compares it.
pub fn words(name: &str) -> Vec<String> {
    let name = case_fold(name);
    let mut before = ' ';
    let starts = name.char_indices().filter(|(_, c)| {
        !std::mem::replace(&mut before, *c).is_alphanumeric() && c.is_alphanumeric()
    });
    starts.take(MAX_WORDS).map(|(start, _)| cut(name[start..].to_owned())).collect()
}

/// The most words of a name by which a large team's search finds it.
const MAX_WORDS: usize = 10;

/// What the partition of a text is named after: its first character.
pub fn initial(text: &str) -> &str {
    text.chars().next().map_or("", |first| &text[..first.len_utf8()])
}

/// An index over all teams, in four partitions by the ids' last digit.
#[derive(Debug, Clone, Copy)]
pub struct WideIndex {
    /// The index's name.
    pub name: &'static str,
    /// The attribute that names the partition.
    pub partition: &'static str,
    /// The attribute that is the sort key: a time, then the user's id.
    pub sort: &'static str,
}

/// Every user, by the time made.
pub const EVERYONE: WideIndex =
    WideIndex { name: "everyone-by-created-at", partition: "everyone", sort: "by_created_at" };
/// Soft-deleted users, by the time when they are to be purged.
pub const DUE: WideIndex = WideIndex { name: "due", partition: "due_in", sort: "due" };
/// The partitions of those indexes.
pub const WIDE_PARTITIONS: [&str; 4] = ["0", "1", "2", "3"];

fn wide_partition(user: Uuid) -> AttributeValue {
    AttributeValue::S(WIDE_PARTITIONS[(user.as_u128() & 3) as usize].to_owned())
}

/// An index over the users of a team, or over those of one class in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    /// The index's name.
    pub name: &'static str,
    /// The attribute that names the partition: [`TEAM_ID`] or [`TEAM_CLASS`].
    pub partition: &'static str,
    /// The attribute that is the sort key.
    pub sort: &'static str,
}

impl Index {
    const fn of_team(name: &'static str, sort: &'static str) -> Self {
        Self { name, partition: TEAM_ID, sort }
    }

    const fn of_class(name: &'static str, sort: &'static str) -> Self {
        Self { name, partition: TEAM_CLASS, sort }
    }
}

/// A team's users by the time last seen, by title, and so on; by stage, by role and by status, and
/// then by id. Each holds what one kind of lists shows: the first three and the stages the
/// directory's summary, the others the workspace's row, that by number user-admin's user.
pub mod index {
    use super::Index;

    /// By [`super::Sequence::LastSeen`].
    pub const LAST_SEEN: Index = Index::of_team("team-by-last-seen", "by_last_seen");
    /// By [`super::Sequence::Title`].
    pub const TITLE: Index = Index::of_team("team-by-title", "by_title");
    /// By [`super::Sequence::CreatedAt`].
    pub const CREATED_AT: Index = Index::of_team("team-by-created-at", "by_created_at");
    /// By [`super::Sequence::Name`].
    pub const NAME: Index = Index::of_team("team-by-name", "by_name");
    /// By [`super::Sequence::UpdatedAt`].
    pub const UPDATED_AT: Index = Index::of_team("team-by-updated-at", "by_updated_at");
    /// By role, then by id.
    pub const ROLE: Index = Index::of_team("team-by-role", "by_role");
    /// By stage, then by id.
    pub const STAGE: Index = Index::of_team("team-by-stage", "by_stage");
    /// By status, then by id.
    pub const STATUS: Index = Index::of_team("team-by-status", "by_status");
    /// By number.
    pub const NUMBER: Index = Index::of_team("team-by-number", "number");
    /// Those of one class by id.
    pub const CLASS_ID: Index = Index::of_class("class-by-id", "id");
    /// Those of one class by [`super::Sequence::CreatedAt`].
    pub const CLASS_CREATED_AT: Index = Index::of_class("class-by-created-at", "by_created_at");
    /// Those of one class by [`super::Sequence::Name`].
    pub const CLASS_NAME: Index = Index::of_class("class-by-name", "by_name");
    /// Those of one class by [`super::Sequence::UpdatedAt`].
    pub const CLASS_UPDATED_AT: Index = Index::of_class("class-by-updated-at", "by_updated_at");
}

/// A sequence of a team's users in which places are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sequence {
    /// By id.
    Id,
    /// By the second last seen; who never was comes first.
    LastSeen,
    /// By [`User::title`], ignoring case.
    Title,
    /// By the time made.
    CreatedAt,
    /// By [`User::full_name`], ignoring case.
    Name,
    /// By the time changed.
    UpdatedAt,
}

impl Sequence {
    /// Every sequence.
    pub const ALL: [Self; 6] =
        [Self::Id, Self::LastSeen, Self::Title, Self::CreatedAt, Self::Name, Self::UpdatedAt];

    /// The attribute that holds a user's place in it.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::LastSeen => "by_last_seen",
            Self::Title => "by_title",
            Self::CreatedAt => "by_created_at",
            Self::Name => "by_name",
            Self::UpdatedAt => "by_updated_at",
        }
    }

    /// A user's place in it.
    pub fn place(self, user: &User) -> String {
        let value = match self {
            Self::Id => return user.id.to_string(),
            Self::LastSeen => {
                user.last_seen.as_ref().map(|seen| seen.at.to_string()).unwrap_or_default()
            }
            Self::Title => sortable(&user.title()),
            Self::CreatedAt => user.created_at.to_string(),
            Self::Name => sortable(&user.full_name()),
            Self::UpdatedAt => user.updated_at.to_string(),
        };
        with_id(&value, user.id)
    }
}

/// A separator below every character that a value may have: "Al" comes before "Alan" whatever the
/// ids.
const SEPARATOR: char = '\u{1f}';

/// A value, and the id that orders equal ones.
fn with_id(value: &str, id: Uuid) -> String {
    format!("{value}{SEPARATOR}{id}")
}

/// The time in a place of a sequence by time; none where the user has no such time.
pub fn time_of_place(place: &str) -> Option<Timestamp> {
    place.split_once(SEPARATOR)?.0.parse().ok()
}

/// An order in which a team's users are listed: a sequence, or groups of classes with a sequence in
/// each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// One group.
    By(Sequence),
    /// By stage: deleted, extant (active or suspended), new (invited); then by id.
    Stage,
    /// By role: admin, operator, viewer; then by id.
    Role,
    /// By status: suspended, active, invited, deleted; then by id.
    Status,
}

/// The stages in their order, by their statuses.
pub const STAGES: [&[Status]; 3] =
    [&[Status::Deleted], &[Status::Active, Status::Suspended], &[Status::Invited]];

/// The statuses in their order.
pub const STATUSES: [Status; 4] =
    [Status::Suspended, Status::Active, Status::Invited, Status::Deleted];

impl Order {
    /// The sequence in each group.
    pub fn sequence(self) -> Sequence {
        match self {
            Self::By(sequence) => sequence,
            Self::Stage | Self::Role | Self::Status => Sequence::Id,
        }
    }

    /// The groups, lowest first.
    pub fn groups(self) -> Vec<Classes> {
        let of = |statuses: &[Status]| Classes::of(|class| statuses.contains(&class.status));
        match self {
            Self::By(_) => vec![Classes::ALL],
            Self::Stage => STAGES.iter().map(|statuses| of(statuses)).collect(),
            Self::Role => {
                Role::ALL.iter().map(|role| Classes::of(|class| class.role == *role)).collect()
            }
            Self::Status => STATUSES.iter().map(|status| of(&[*status])).collect(),
        }
    }
}

/// The words by which roles, statuses and stages are sorted in their indexes, before the id.
pub fn role_prefix(role: Role) -> String {
    format!("{}{SEPARATOR}", role.as_str())
}

/// As above.
pub fn status_prefix(status: Status) -> String {
    let place = STATUSES.iter().position(|known| *known == status).unwrap_or_default();
    format!("{place}{SEPARATOR}")
}

/// The stage of a status, as above.
pub fn stage_prefix(status: Status) -> String {
    let place = STAGES.iter().position(|statuses| statuses.contains(&status)).unwrap_or_default();
    format!("{place}{SEPARATOR}")
}

/// How two users stand to each other in an order.
pub fn compare(order: Order, one: &User, other: &User) -> std::cmp::Ordering {
    let groups = order.groups();
    let place = |user: &User| {
        (groups.iter().position(|group| group.contains(user.class())), order.sequence().place(user))
    };
    place(one).cmp(&place(other))
}

/// Sort keys hold 1,024 bytes; the id takes 37 of them.
const SORTABLE_BYTES: usize = 900;

fn sortable(text: &str) -> String {
    cut(case_fold(text))
}

/// Text cut to what a sort key holds beside an id.
pub fn cut(mut folded: String) -> String {
    folded.truncate(folded.floor_char_boundary(SORTABLE_BYTES));
    folded
}

/// What an item of a user has beside the record itself: its key, its place in each index, and the
/// names that lists show.
pub fn user_attributes(user: &User) -> Item {
    let mut item = Key::user(user.id).item();
    for sequence in Sequence::ALL {
        item.insert(sequence.attribute().to_owned(), AttributeValue::S(sequence.place(user)));
    }
    let class = user.class().code();
    let texts = [
        (index::ROLE.sort, format!("{}{}", role_prefix(user.role), user.id)),
        (index::STAGE.sort, format!("{}{}", stage_prefix(user.status), user.id)),
        (index::STATUS.sort, format!("{}{}", status_prefix(user.status), user.id)),
        ("title", user.title()),
        ("shown_name", user.shown_name()),
        (TEAM_CLASS, team_class(user.team_id, user.class())),
        (CLASS, class),
    ];
    for (name, text) in texts {
        item.insert(name.to_owned(), AttributeValue::S(text));
    }
    item.insert(EVERYONE.partition.to_owned(), wide_partition(user.id));
    if let (Status::Deleted, Some(due)) = (user.status, user.delete_scheduled_at) {
        item.insert(DUE.partition.to_owned(), wide_partition(user.id));
        item.insert(DUE.sort.to_owned(), AttributeValue::S(format!("{due}\u{1f}{}", user.id)));
    }
    item
}

/// The sort key by which a user last seen then is listed, and its attribute.
pub fn last_seen_attribute(user: &User) -> (&'static str, String) {
    (Sequence::LastSeen.attribute(), Sequence::LastSeen.place(user))
}

/// The class of an item of a user, or of an index entry.
pub fn class_of(item: &Item) -> Option<Class> {
    Class::from_code(item.get(CLASS)?.as_s().ok()?)
}

/// The partition of a team's users of one class.
pub fn team_class(team: Uuid, class: Class) -> String {
    format!("{team}#{}", class.code())
}

impl Class {
    /// The number of classes.
    pub const COUNT: usize = Role::ALL.len() * Status::ALL.len() * DeviceType::ALL.len();

    /// The class in three letters, the initials of role, status and device type: `aap`. Counters
    /// have it as an attribute.
    pub fn code(self) -> String {
        [self.role.as_str(), self.status.as_str(), self.device_type.as_str()]
            .into_iter()
            .map(initial)
            .collect()
    }

    /// The class of a code, if it is one.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::all().find(|class| code.len() == 3 && class.code() == code)
    }

    /// Every class, by its number.
    pub fn all() -> impl Iterator<Item = Self> {
        Role::ALL.iter().flat_map(|&role| {
            let statuses = Status::ALL.iter();
            statuses.flat_map(move |&status| {
                DeviceType::ALL.iter().map(move |&device_type| Self { role, status, device_type })
            })
        })
    }

    /// Its number, from 0 to 35.
    pub fn number(self) -> u8 {
        let (role, status, device_type) =
            (self.role as usize, self.status as usize, self.device_type as usize);
        u8::try_from((role * Status::ALL.len() + status) * DeviceType::ALL.len() + device_type)
            .unwrap_or(u8::MAX)
    }
}

/// A set of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Classes(u64);

impl Classes {
    /// All of them.
    pub const ALL: Self = Self((1 << 36) - 1);

    /// Those that are so.
    pub fn of(is_in: impl Fn(Class) -> bool) -> Self {
        Self(
            Class::all()
                .filter(|class| is_in(*class))
                .fold(0, |set, class| set | 1 << class.number()),
        )
    }

    /// Whether a class is in it.
    pub fn contains(self, class: Class) -> bool {
        self.has(class.number())
    }

    /// Whether the class of that number is in it.
    pub fn has(self, number: u8) -> bool {
        self.0 >> number & 1 == 1
    }

    /// Those in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether all of it is in another.
    pub fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> User {
        let mut user =
            User::new(Uuid::max(), 1, (Uuid::nil(), "T"), Timestamp::from_millisecond(0));
        user.name = Some(name.to_owned());
        user
    }

    #[test]
    fn shorter_names_come_first_and_long_ones_fit() {
        let key = |name: &str| Sequence::Name.place(&user(name));
        assert!(key("Al") < key("al an"));
        assert!(key("AL") < key("Alan"));
        assert!(key(&"é".repeat(2000)).len() <= 1024);
    }

    #[test]
    fn a_name_begins_at_each_of_its_words() {
        assert_eq!(
            words("Anne-Marie O'Neil"),
            ["anne-marie o'neil", "marie o'neil", "o'neil", "neil"]
        );
        assert_eq!(words("  JOSE\u{301} 山田"), ["josé 山田", "山田"]);
        assert_eq!(words("- "), [""; 0]);
        assert_eq!(words(&"a ".repeat(100)).len(), MAX_WORDS);
        assert!(Key::words(Uuid::nil(), &"é".repeat(2000), Uuid::max())[0].sk.len() <= 1024);
    }

    #[test]
    fn classes_read_back() {
        for (number, class) in Class::all().enumerate() {
            assert_eq!(Class::from_code(&class.code()), Some(class));
            assert_eq!(usize::from(class.number()), number);
        }
        assert_eq!(Class::all().count(), 36);
        assert_eq!(Class::from_code("pk"), None);
    }
}
