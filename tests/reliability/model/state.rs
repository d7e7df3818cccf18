//! What Roster holds and answers, as plain maps: what every request must make of them, by the
//! contracts.

use std::collections::{BTreeMap, BTreeSet};

use shared::models::{InviteStatus, MB_MS_PER_GB_HOUR, QuotaTier, Role, SandboxStatus, Status};
use shared::table::fold;

use super::steps::{Ask, By, EMAILS, Id, MALFORMED, NAMES, PERSONS, Request, Step, Version};
use crate::errors::Contract;

/// The person who is a platform operator from the beginning.
pub const OPERATOR: Id = 0;

/// Seconds in a day.
pub const DAY: i64 = 86_400;
/// Seconds between a soft delete and the purge.
const GRACE: i64 = 30 * DAY;
/// Seconds without being seen that make a user inactive.
const INACTIVE: i64 = 180 * DAY;
/// Seconds for which a sighting stands.
const SEEN_EVERY: i64 = 600;
/// The percentage of a team's room that one member may hold at once.
const MEMBER_SHARE_PERCENT: i128 = 50;
/// Seconds for which delegated tokens are good.
const DELEGATION: i64 = 3600;

/// What users let themselves, and their managers, do.
pub const OWN_SCOPES: [&str; 3] = ["data:read", "data:write", "profile"];

/// The quota tiers: the one of the table, and those that every table has.
pub fn tiers() -> Vec<QuotaTier> {
    let tiny = QuotaTier {
        id: "tiny".into(),
        display_name: "Tiny".into(),
        max_concurrent_sandboxes: 2,
        daily_sandbox_creates: 3,
        daily_gb_hours: 1.0,
    };
    std::iter::once(tiny).chain(QuotaTier::built_in()).collect()
}

/// A user. Times are in Unix seconds.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names are those of the record")]
pub struct User {
    pub team: Id,
    pub email: Option<String>,
    pub username: Option<String>,
    pub name: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub display_name: Option<String>,
    pub job_title: Option<String>,
    pub role: Role,
    pub is_operator: bool,
    pub status: Status,
    /// Made by an administrator, with a link to sign up by.
    pub has_link: bool,
    pub invite: Option<Id>,
    pub invited_as: Option<Id>,
    pub manager: Option<Id>,
    pub tier: String,
    pub email_verified_at: Option<i64>,
    pub soft_deleted_at: Option<i64>,
    pub suspended_at: Option<i64>,
    pub due: Option<i64>,
    pub deleted_by: Option<Id>,
    pub deleted_from: Option<Status>,
    pub first_seen: Option<i64>,
    pub last_seen: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
    pub version: u64,
}

impl User {
    fn new(team: Id, now: i64) -> Self {
        Self {
            team,
            email: None,
            username: None,
            name: None,
            first_name: None,
            last_name: None,
            display_name: None,
            job_title: None,
            role: Role::Viewer,
            is_operator: false,
            status: Status::Active,
            has_link: false,
            invite: None,
            invited_as: None,
            manager: None,
            tier: "free".into(),
            email_verified_at: None,
            soft_deleted_at: None,
            suspended_at: None,
            due: None,
            deleted_by: None,
            deleted_from: None,
            first_seen: None,
            last_seen: None,
            created_at: now,
            updated_at: now,
            version: 1,
        }
    }

    /// Whether the account may be used.
    pub fn is_usable(&self) -> bool {
        matches!(self.status, Status::Active | Status::Invited)
    }

    /// Whether they keep a team governed.
    pub fn governs(&self) -> bool {
        self.role == Role::Admin && self.status == Status::Active
    }

    /// Whether they were asked in and have yet to sign up.
    fn has_yet_to_sign_up(&self) -> bool {
        self.has_link || (self.invite.is_some() && self.invited_as.is_none())
    }

    /// What they are called: none for someone who has nothing but an id.
    pub fn shown_name(&self) -> Option<String> {
        let both: Vec<&str> =
            [&self.first_name, &self.last_name].into_iter().flatten().map(String::as_str).collect();
        let both = Some(both.join(" ")).filter(|both| !both.is_empty());
        self.display_name
            .clone()
            .or(both)
            .or_else(|| self.name.clone())
            .or_else(|| self.email.clone())
    }
}

/// A team.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names are those of the record")]
pub struct Team {
    pub name: String,
    pub owner: Id,
    pub tier: String,
    pub created_at: i64,
    pub updated_at: i64,
    /// By the day since 1970.
    pub usage: BTreeMap<i64, Usage>,
}

/// What a team used in a day.
#[derive(Debug, Clone, PartialEq, Default)]
#[allow(missing_docs, reason = "the names are those of the record")]
pub struct Usage {
    pub creates: u64,
    pub mb_ms: u64,
    pub committed_mb_ms: i128,
    pub updated_at: i64,
}

/// An API key.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names are those of the record")]
pub struct ApiKey {
    pub owner: Id,
    pub is_operator: bool,
    pub name: Option<&'static str>,
    pub is_active: bool,
    pub is_rotated: bool,
    pub parent: Option<Id>,
    pub created_at: i64,
    pub permissions: Vec<&'static str>,
    pub expires_at: i64,
    pub revoked_at: Option<i64>,
    pub last_used_at: Option<i64>,
    pub minted_by: Option<Id>,
}

/// The longest life of a key.
const LONGEST_LIFE: i64 = 365 * DAY;

/// Every permission, in the order that they are shown in.
const PERMISSIONS: [&str; 11] = [
    "account:read",
    "account:write",
    "members:read",
    "members:write",
    "admins:write",
    "invites:write",
    "managed-users:read",
    "managed-users:write",
    "sandboxes:read",
    "sandboxes:write",
    "sharing:write",
];

impl ApiKey {
    /// Returns true unless it was revoked 90 days ago.
    pub fn is_kept(&self, now: i64) -> bool {
        self.revoked_at.is_none_or(|at| at + 90 * DAY > now)
    }

    fn works(&self, now: i64) -> bool {
        self.is_active && self.expires_at > now
    }
}

/// An invite.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names are those of the record")]
pub struct Invite {
    pub team: Id,
    pub email: String,
    pub status: InviteStatus,
    pub user: Id,
    pub created_at: i64,
    pub updated_at: i64,
}

impl Invite {
    /// The email that is stored: none of one that was revoked.
    pub fn stored_email(&self) -> &str {
        if self.status == InviteStatus::Revoked { "" } else { &self.email }
    }
}

/// A sandbox.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names are those of the record")]
pub struct Sandbox {
    pub owner: Id,
    pub status: SandboxStatus,
    pub memory_mb: u64,
    pub timeout_ms: u64,
    pub created_at: i64,
    pub updated_at: i64,
    pub started_at: Option<i64>,
    pub destroyed_at: Option<i64>,
}

impl Sandbox {
    fn ran_until(&self, now: i64) -> u64 {
        ((now - self.created_at).unsigned_abs() * 1000).min(self.timeout_ms)
    }
}

/// What one user lets another do.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names are those of the record")]
pub struct Share {
    pub scopes: Vec<&'static str>,
    pub created_at: i64,
}

/// A delegated token.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Delegation {
    pub user: Id,
    pub actor: Id,
    pub scopes: Vec<&'static str>,
    pub expires: i64,
    pub used: Option<i64>,
}

/// An entry of a user's history.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The person who did it, where it was one.
    pub actor: Option<Id>,
    /// What: several with `|` between where it may be any of them, as what is done at one time has
    /// no order.
    pub action: &'static str,
    /// When.
    pub at: i64,
}

/// An answer that is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// Whose.
    pub caller: Id,
    /// What was asked.
    pub ask: Ask,
    at: i64,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the errors")]
pub enum Refusal {
    NotAuthenticated,
    BadCredential,
    AccountSuspended,
    AccountDeleted,
    Delegated,
    MissingPermission,
    Forbidden,
    OperatorRequired,
    EmailNotVerified,
    NotFound,
    AccountNotFound,
    AccountNotDeleted,
    ActiveResources,
    Conflict,
    Stale,
    KeyReused,
    QuotaExceeded,
    Invalid,
}

impl Refusal {
    /// The status that a contract gives it, and the code, where the contract has one.
    pub fn answer(self, contract: Contract) -> (u16, &'static str) {
        use Contract::{Directory, ManagedUsers, Operator, UserAdmin, Workspace};
        let status = match (self, contract) {
            (Self::NotAuthenticated | Self::BadCredential, _) => 401,
            (Self::AccountSuspended | Self::AccountDeleted, Operator) => 403,
            (Self::AccountSuspended | Self::AccountDeleted, _) | (Self::Forbidden, Operator) => 401,
            (
                Self::Delegated
                | Self::MissingPermission
                | Self::Forbidden
                | Self::OperatorRequired
                | Self::EmailNotVerified,
                _,
            ) => 403,
            (Self::NotFound | Self::AccountNotFound, _) => 404,
            (
                Self::AccountNotDeleted | Self::ActiveResources | Self::Conflict,
                UserAdmin | Workspace,
            ) => 400,
            (Self::AccountNotDeleted | Self::ActiveResources | Self::Conflict, _) => 409,
            (Self::Stale, _) => 412,
            (Self::KeyReused, _) | (Self::Invalid, Operator | ManagedUsers) => 422,
            (Self::Invalid, Directory | UserAdmin | Workspace) => 400,
            (Self::QuotaExceeded, _) => 429,
        };
        let code = match (contract, status, self) {
            (Operator, _, Self::AccountSuspended) => "auth_locked",
            (Operator, _, Self::AccountDeleted) => "account_deleted",
            (Operator, _, Self::OperatorRequired) => "operator_required",
            (Operator, _, Self::EmailNotVerified) => "email_not_verified",
            (Operator, _, Self::AccountNotFound) => "account_not_found",
            (Operator, _, Self::AccountNotDeleted) => "account_not_soft_deleted",
            (Operator, _, Self::ActiveResources) => "account_hard_delete_active_resources",
            (Operator, 401 | 403, _) => "unauthorized",
            (Operator, 404, _) => "not_found",
            (Operator, 429, _) => "QUOTA_EXCEEDED",
            (Operator, 422, _) => "invalid_request",
            (Operator, _, _) => "transition_conflict",
            (Directory, _, Self::NotAuthenticated) => "not_authenticated",
            (Directory, 401, _) => "bad_authtoken",
            (Directory, 403, _) => "not_permitted",
            (Directory, 404, _) => "not_found",
            (Directory, 409 | 412, _) => "invalid_action",
            (UserAdmin, _, Self::NotAuthenticated) => "AuthenticationRequired",
            (UserAdmin, 401, _) => "UnauthorizedError",
            (UserAdmin, 403, _) => "PermissionError",
            (UserAdmin, 404, _) => "NotFoundError",
            (UserAdmin, _, _) => "BadDataError",
            (Workspace, 401, _) => "UNAUTHORIZED",
            (Workspace, 404, _) => "NOT_FOUND",
            (Workspace, 400, _) => "BAD_REQUEST",
            _ => "",
        };
        (status, code)
    }
}

/// What comes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is refused.
    Refused(Refusal),
    /// It is answered with this status, and shows what has this label.
    Done(u16, Id),
    /// It gets the answer again that the request of this label had.
    Replayed(Id),
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Who asks, and by a key of which scope.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    id: Id,
    key_is_operator: Option<bool>,
    key: Option<Id>,
}

/// What Roster holds.
#[derive(Clone, Default)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Model {
    /// Unix seconds.
    pub now: i64,
    /// The label of the next step.
    pub next: Id,
    pub users: BTreeMap<Id, User>,
    pub teams: BTreeMap<Id, Team>,
    pub keys: BTreeMap<Id, ApiKey>,
    pub default_keys: BTreeMap<Id, Id>,
    pub invites: BTreeMap<Id, Invite>,
    pub sandboxes: BTreeMap<Id, Sandbox>,
    /// By who gave and who got them.
    pub shares: BTreeMap<(Id, Id), Share>,
    pub delegations: BTreeMap<Id, Delegation>,
    /// They outlive the users.
    pub history: BTreeMap<Id, Vec<Entry>>,
    /// By the credential and the key, which is the label of the first request with it.
    pub receipts: BTreeMap<(By, Id), Receipt>,
    /// The users' versions before the last step: what an `If-Match` may name.
    versions: BTreeMap<Id, u64>,
    /// Who must be seen before the last step, by a request of its own, for its answer to be known.
    pub seen: Option<By>,
    /// What came of the last step: of each of its requests.
    pub outcomes: Vec<Outcome>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Model").finish_non_exhaustive()
    }
}

impl Model {
    /// Nobody, at a time.
    pub fn new(now: i64) -> Self {
        Self { now, next: 100, ..Self::default() }
    }

    /// Takes a step.
    pub fn take(&mut self, step: &Step) {
        (self.seen, self.outcomes) = (None, Vec::new());
        match step {
            Step::Ask(ask) => {
                self.next = self.next.max(ask.label + 2);
                self.ask(ask);
            }
            Step::Repeat { label, of, altered } => {
                self.next = self.next.max(label + 2);
                let Some(first) = self.receipt(*of).map(|receipt| receipt.ask.clone()) else {
                    return;
                };
                self.see(first.by);
                let outcome = self.answer(&first, *label, Some((*of, *altered)));
                self.outcomes.push(outcome);
            }
            Step::Pass(seconds) => self.now += seconds,
            Step::Purge => self.purge(),
            Step::SetOperator(id, is_operator) => {
                self.change(*id, None, "user.operator_changed", |user| {
                    user.is_operator = *is_operator
                });
            }
        }
    }

    /// The receipt under the key of that label.
    pub fn receipt(&self, of: Id) -> Option<&Receipt> {
        self.receipts.iter().find(|((_, key), _)| *key == of).map(|(_, receipt)| receipt)
    }

    /// Whether a receipt still counts.
    pub fn is_kept(&self, receipt: &Receipt) -> bool {
        self.now < receipt.at + DAY
    }

    fn ask(&mut self, ask: &Ask) {
        self.see(ask.by);
        self.versions = self.users.iter().map(|(id, user)| (*id, user.version)).collect();
        for label in [Some(ask.label), ask.twice.then_some(ask.label + 1)].into_iter().flatten() {
            let outcome = self.answer(ask, label, ask.keyed.then_some((ask.label, false)));
            self.outcomes.push(outcome);
        }
    }

    /// Notes that whoever asks was seen, and their key used, unless that was noted within ten
    /// minutes.
    fn see(&mut self, by: By) {
        let Ok(caller) = self.caller(by) else { return };
        let due = |at: Option<i64>| at.is_none_or(|at| at < self.now - SEEN_EVERY);
        let key = match by {
            By::Key(key) => Some(key).filter(|key| due(self.keys[key].last_used_at)),
            _ => None,
        };
        let user = Some(caller.id).filter(|id| due(self.users[id].last_seen));
        if user.is_none() && key.is_none() {
            return;
        }
        self.seen = Some(by);
        let now = self.now;
        if let Some(key) = key.and_then(|key| self.keys.get_mut(&key)) {
            key.last_used_at = Some(now);
        }
        if let Some(user) = user.and_then(|user| self.users.get_mut(&user)) {
            user.first_seen.get_or_insert(now);
            user.last_seen = Some(now);
        }
    }

    fn answer(&mut self, ask: &Ask, label: Id, key: Option<(Id, bool)>) -> Outcome {
        match self.carry_out(ask, label, key) {
            Ok((status, of)) => {
                // A request that left nobody behind leaves no receipt either.
                if let (Some((key, _)), Some(caller)) = (key, self.owner(ask.by))
                    && self.users.contains_key(&caller)
                {
                    let receipt = Receipt { caller, ask: ask.clone(), at: self.now };
                    self.receipts.insert((ask.by, key), receipt);
                }
                Outcome::Done(status, of)
            }
            Err(outcome) => outcome,
        }
    }

    /// Whose credential it is, good or not.
    pub fn owner(&self, by: By) -> Option<Id> {
        match by {
            By::Token(id) => Some(id),
            By::Key(key) => self.keys.get(&key).map(|key| key.owner),
            _ => None,
        }
    }

    /// Whether the credential is good, whoever it names.
    fn verified(&self, by: By) -> Result<(), Refusal> {
        let good = match by {
            By::Nobody => return Err(Refusal::NotAuthenticated),
            By::Forger(_) => false,
            By::Token(_) => true,
            By::Key(key) => self.keys.get(&key).is_some_and(|key| key.works(self.now)),
            By::Delegated(token) => {
                self.delegations.get(&token).is_some_and(|token| token.expires > self.now)
            }
        };
        if good { Ok(()) } else { Err(Refusal::BadCredential) }
    }

    /// Who asks, if they may use their account.
    pub fn caller(&self, by: By) -> Result<Caller, Refusal> {
        self.verified(by)?;
        if matches!(by, By::Delegated(_)) {
            return Err(Refusal::Delegated);
        }
        let id = self.owner(by).ok_or(Refusal::BadCredential)?;
        self.usable(id)?;
        let key = match by {
            By::Key(key) => Some(key),
            _ => None,
        };
        Ok(Caller { id, key_is_operator: key.map(|key| self.keys[&key].is_operator), key })
    }

    fn usable(&self, id: Id) -> Result<(), Refusal> {
        match self.users.get(&id).ok_or(Refusal::BadCredential)?.status {
            Status::Suspended => Err(Refusal::AccountSuspended),
            Status::Deleted => Err(Refusal::AccountDeleted),
            Status::Invited | Status::Active => Ok(()),
        }
    }

    /// Ends a request that was answered before.
    fn not_answered(&self, by: By, key: Option<(Id, bool)>) -> Result<(), Outcome> {
        let Some((key, altered)) = key else { return Ok(()) };
        match self.receipts.get(&(by, key)).filter(|receipt| self.is_kept(receipt)) {
            Some(_) if altered => Err(Refusal::KeyReused.into()),
            Some(_) => Err(Outcome::Replayed(key)),
            None => Ok(()),
        }
    }

    fn is_operator(&self, caller: Caller) -> bool {
        self.users[&caller.id].is_operator && caller.key_is_operator != Some(false)
    }

    /// Whether a key may have a permission for its owner.
    fn allows(&self, owner: Id, permission: &str) -> bool {
        let user = &self.users[&owner];
        match permission {
            _ if user.is_operator || user.role == Role::Admin => true,
            "members:write" | "admins:write" | "invites:write" => false,
            "managed-users:write" => user.role == Role::Operator,
            _ => true,
        }
    }

    /// Refuses a key that lacks the permission.
    fn permits(&self, caller: Caller, permission: Option<&str>) -> Result<(), Refusal> {
        let lacks = |key: Id| {
            permission.is_some_and(|permission| !self.keys[&key].permissions.contains(&permission))
        };
        if caller.key.is_some_and(lacks) { Err(Refusal::MissingPermission) } else { Ok(()) }
    }

    /// Refuses a key that would end a person, or its own owner's membership.
    fn may_remove(&self, caller: Caller, user: Id) -> Result<(), Refusal> {
        let record = &self.users[&user];
        let is_person = record.manager.is_none() && record.status != Status::Invited;
        if caller.key.is_some() && (is_person || user == caller.id) {
            Err(Refusal::Forbidden)
        } else {
            Ok(())
        }
    }

    fn operates(&self, caller: Caller) -> Result<(), Refusal> {
        if self.is_operator(caller) { Ok(()) } else { Err(Refusal::OperatorRequired) }
    }

    fn administers(&self, caller: Caller, team: Id) -> Result<(), Refusal> {
        let user = &self.users[&caller.id];
        let own = user.role == Role::Admin && user.team == team;
        if own || self.is_operator(caller) { Ok(()) } else { Err(Refusal::Forbidden) }
    }

    fn is_admin(&self, caller: Caller) -> Result<Id, Refusal> {
        let user = &self.users[&caller.id];
        if user.role == Role::Admin { Ok(user.team) } else { Err(Refusal::Forbidden) }
    }

    /// Refuses who administers no team at all.
    fn administers_any(&self, caller: Caller) -> Result<(), Refusal> {
        if self.is_operator(caller) { Ok(()) } else { self.is_admin(caller).map(|_| ()) }
    }

    fn account(&self, id: Id) -> Result<&User, Refusal> {
        self.users.get(&id).ok_or(Refusal::AccountNotFound)
    }

    /// A user of a team, by number.
    fn numbered(&self, team: Id, id: Id) -> Result<&User, Refusal> {
        self.users
            .get(&id)
            .filter(|user| user.team == team && user.status != Status::Deleted)
            .ok_or(Refusal::NotFound)
    }

    fn managed(&self, caller: Caller, id: Id) -> Result<&User, Refusal> {
        self.users.get(&id).filter(|user| user.manager == Some(caller.id)).ok_or(Refusal::NotFound)
    }

    /// The user who holds an email.
    pub fn holder(&self, email: &str) -> Option<Id> {
        let holds =
            |user: &User| user.email.as_deref().is_some_and(|held| fold(held) == fold(email));
        self.users.iter().find(|(_, user)| holds(user)).map(|(id, _)| *id)
    }

    /// The administrators who keep a team governed.
    pub fn governors(&self, team: Id) -> usize {
        self.users.values().filter(|user| user.team == team && user.governs()).count()
    }

    fn is_last_governor(&self, id: Id) -> bool {
        self.users[&id].governs() && self.governors(self.users[&id].team) == 1
    }

    /// Whether a user was not seen for long, who could have been.
    pub fn is_inactive(&self, id: Id) -> bool {
        let user = &self.users[&id];
        user.last_seen.unwrap_or(user.created_at) < self.now - INACTIVE
            && user.status != Status::Deleted
            && user.manager.is_none()
    }

    /// What a user lets another do: all of their own, where that one manages them.
    pub fn granted(&self, user: Id, actor: Id) -> Option<Vec<&'static str>> {
        if self.users.get(&user)?.manager == Some(actor) {
            return Some(OWN_SCOPES.to_vec());
        }
        self.shares.get(&(user, actor)).map(|share| share.scopes.clone())
    }

    /// Whom a delegated token lets act for whom, as far as that is granted still.
    fn principal(&self, token: Id) -> Result<Id, Refusal> {
        let token = &self.delegations[&token];
        let granted = self.granted(token.user, token.actor).ok_or(Refusal::BadCredential)?;
        if !token.scopes.iter().all(|scope| granted.contains(scope)) {
            return Err(Refusal::BadCredential);
        }
        self.usable(token.actor)?;
        self.usable(token.user)?;
        Ok(token.user)
    }

    /// Refuses an `If-Match` that names another version than a user has.
    fn check(&self, if_match: Option<Version>, user: Id) -> Result<(), Refusal> {
        match if_match {
            Some(Version::Former) => Err(Refusal::Stale),
            Some(Version::Present)
                if self.versions.get(&user) != Some(&self.users[&user].version) =>
            {
                Err(Refusal::Stale)
            }
            _ => Ok(()),
        }
    }

    /// Notes the use of a delegated token, unless that was noted within ten minutes.
    fn note_used(&mut self, token: Id, user: Id) {
        let now = self.now;
        let token = self.delegations.get_mut(&token).expect("a token");
        if token.used.is_none_or(|at| at + 600 <= now) {
            token.used = Some(now);
            let actor = token.actor;
            self.note(user, actor, "delegated_token.used");
        }
    }

    fn note(&mut self, user: Id, actor: impl Into<Option<Id>>, action: &'static str) {
        let (actor, at) = (actor.into(), self.now);
        self.history.entry(user).or_default().push(Entry { actor, action, at });
    }

    /// Changes a user, which is a version and an entry of the history, if anything differs.
    fn change(
        &mut self,
        id: Id,
        actor: impl Into<Option<Id>>,
        action: &'static str,
        change: impl FnOnce(&mut User),
    ) {
        let now = self.now;
        let Some(user) = self.users.get_mut(&id) else { return };
        let before = user.clone();
        change(user);
        if *user != before {
            user.version += 1;
            user.updated_at = now;
            self.note(id, actor, action);
        }
    }

    fn soft_delete(&mut self, id: Id, actor: Id) {
        let now = self.now;
        self.change(id, actor, "user.deleted", |user| {
            user.deleted_from = Some(user.status);
            user.status = Status::Deleted;
            user.soft_deleted_at = Some(now);
            user.due = Some(now + GRACE);
            user.deleted_by = Some(actor);
        });
        for key in self.keys.values_mut().filter(|key| key.owner == id && key.is_active) {
            key.is_active = false;
            key.revoked_at = Some(now);
        }
    }

    fn restored(&self, id: Id) -> Result<(), Refusal> {
        let user = &self.users[&id];
        match user.due {
            _ if user.status != Status::Deleted => Err(Refusal::AccountNotDeleted),
            Some(due) if due <= self.now => Err(Refusal::Conflict),
            _ => Ok(()),
        }
    }

    fn restore(&mut self, id: Id, actor: Id) {
        self.change(id, actor, "user.restored", |user| {
            user.status = user.deleted_from.take().unwrap_or(Status::Active);
            (user.soft_deleted_at, user.due, user.deleted_by) = (None, None, None);
        });
    }

    /// Takes all that is a user's, but the user.
    fn clear(&mut self, id: Id, actor: Option<Id>) {
        let managed: Vec<Id> = self
            .users
            .iter()
            .filter(|(_, user)| user.manager == Some(id))
            .map(|(id, _)| *id)
            .collect();
        for managed in managed {
            self.erase(managed, actor, "user.erased");
        }
        self.keys.retain(|_, key| key.owner != id);
        self.default_keys.remove(&id);
        self.sandboxes.retain(|_, sandbox| sandbox.owner != id);
        self.shares.retain(|(from, to), _| *from != id && *to != id);
        self.receipts.retain(|_, receipt| receipt.caller != id);
    }

    fn erase(&mut self, id: Id, actor: Option<Id>, action: &'static str) {
        let Some(user) = self.users.get(&id).cloned() else { return };
        if user.status != Status::Deleted || user.due.is_none_or(|due| due > self.now) {
            self.note(id, actor, "user.deleted");
        }
        self.clear(id, actor);
        self.users.remove(&id);
        if let Some(invite) = user.invite {
            self.invites.remove(&invite);
        }
        self.note(id, actor, action);
        if self.users.values().all(|other| other.team != user.team) {
            self.teams.remove(&user.team);
            self.invites.retain(|_, invite| invite.team != user.team);
        }
    }

    fn purge(&mut self) {
        let is_due = |user: &User| {
            user.status == Status::Deleted && user.due.is_some_and(|due| due <= self.now)
        };
        let due: Vec<Id> =
            self.users.iter().filter(|(_, user)| is_due(user)).map(|(id, _)| *id).collect();
        // Who goes with their manager may go by themselves first.
        let with_manager: BTreeSet<Id> = due
            .iter()
            .copied()
            .filter(|id| self.users[id].manager.is_some_and(|manager| due.contains(&manager)))
            .collect();
        for id in &with_manager {
            self.erase(*id, None, "user.purged|user.erased");
        }
        for id in due.into_iter().filter(|id| !with_manager.contains(id)) {
            self.erase(id, None, "user.purged");
        }
    }

    /// The tier that limits a team.
    pub fn tier(&self, team: Id) -> QuotaTier {
        let id = &self.teams[&team].tier;
        tiers().into_iter().find(|tier| tier.id == *id).expect("a tier")
    }

    /// The sandboxes of a team that are not destroyed.
    pub fn active_sandboxes(&self, team: Id) -> u64 {
        let active = |sandbox: &&Sandbox| {
            sandbox.status != SandboxStatus::Destroyed && self.users[&sandbox.owner].team == team
        };
        self.sandboxes.values().filter(active).count() as u64
    }

    fn use_day(&mut self, team: Id, day: i64, change: impl FnOnce(&mut Usage)) {
        let now = self.now;
        let usage = self.teams.get_mut(&team).expect("a team").usage.entry(day).or_default();
        change(usage);
        usage.updated_at = now;
    }

    fn make_key(&mut self, label: Id, actor: Id, key: ApiKey) {
        let owner = key.owner;
        self.keys.insert(label, key);
        self.note(
            owner,
            actor,
            if self.keys[&label].parent.is_some() { "key.rotated" } else { "key.created" },
        );
    }

    fn new_key(&self, owner: Id, name: Option<&'static str>) -> ApiKey {
        ApiKey {
            owner,
            is_operator: false,
            name,
            is_active: true,
            is_rotated: false,
            parent: None,
            created_at: self.now,
            permissions: vec!["account:read", "sandboxes:read", "sandboxes:write"],
            expires_at: self.now + LONGEST_LIFE,
            revoked_at: None,
            last_used_at: None,
            minted_by: None,
        }
    }

    fn own_key(&self, caller: Caller, key: Id) -> Result<&ApiKey, Refusal> {
        self.keys
            .get(&key)
            .filter(|key| key.owner == caller.id && key.is_kept(self.now))
            .ok_or(Refusal::NotFound)
    }

    fn own_sandbox(&self, caller: Caller, sandbox: Id) -> Result<&Sandbox, Refusal> {
        self.sandboxes
            .get(&sandbox)
            .filter(|sandbox| sandbox.owner == caller.id)
            .ok_or(Refusal::NotFound)
    }

    fn carry_out(
        &mut self,
        ask: &Ask,
        label: Id,
        key: Option<(Id, bool)>,
    ) -> Result<(u16, Id), Outcome> {
        let by = ask.by;
        self.verified(by)?;
        if ask.request.takes_token() {
            match by {
                By::Key(_) => return Err(Refusal::Forbidden.into()),
                By::Delegated(_) => return Err(Refusal::Delegated.into()),
                _ => {}
            }
        }
        match (&ask.request, by) {
            (Request::SignUp { verified }, By::Token(id)) => {
                return self.sign_up(id, label, *verified, key);
            }
            (Request::RestoreAccount, By::Token(id)) => return self.restore_account(id, key),
            (Request::ShowAccount, By::Delegated(token)) => {
                let user = self.principal(token)?;
                if !self.delegations[&token].scopes.contains(&"profile") {
                    return Err(Refusal::Delegated.into());
                }
                self.note_used(token, user);
                return Ok((200, user));
            }
            (Request::ShowPrincipalToken, By::Key(_)) => return Err(Refusal::Forbidden.into()),
            (Request::ShowPrincipalToken, By::Delegated(token)) => {
                self.principal(token)?;
                let actor = self.delegations[&token].actor;
                self.note(actor, actor, "principal_token.issued");
                return Ok((200, token));
            }
            _ => {}
        }
        let caller = self.caller(by)?;
        self.permits(caller, ask.request.permission())?;
        self.not_answered(by, key)?;
        match ask.request.contract() {
            Contract::Operator => self.operator_account(&ask.request, caller, label),
            Contract::Directory => self.directory(&ask.request, caller, label),
            Contract::UserAdmin => self.user_admin(&ask.request, caller, label),
            Contract::ManagedUsers => self.managed_users(&ask.request, caller, label),
            Contract::Workspace => self.workspace(&ask.request, caller),
        }
    }

    fn sign_up(
        &mut self,
        id: Id,
        label: Id,
        verified: Option<bool>,
        key: Option<(Id, bool)>,
    ) -> Result<(u16, Id), Outcome> {
        if self.users.contains_key(&id) {
            self.usable(id)?;
            self.not_answered(By::Token(id), key)?;
            return Ok((200, id));
        }
        self.not_answered(By::Token(id), key)?;
        let email = EMAILS[id as usize];
        // What the identity provider says of the person.
        let said = (id % 2 == 1).then(|| NAMES[id as usize % NAMES.len()].to_owned());
        let verified_at = (verified == Some(true)).then_some(self.now);
        let Some(holder) = self.holder(email) else {
            let who = said
                .clone()
                .unwrap_or_else(|| email.split('@').next().unwrap_or_default().to_owned());
            let team = Team {
                name: format!("{who}'s team"),
                owner: id,
                tier: "free".into(),
                created_at: self.now,
                updated_at: self.now,
                usage: BTreeMap::new(),
            };
            self.teams.insert(label, team);
            let user = User {
                email: Some(email.into()),
                name: said,
                role: Role::Admin,
                email_verified_at: verified_at,
                ..User::new(label, self.now)
            };
            self.users.insert(id, user);
            self.note(id, id, "user.signed_up");
            return Ok((201, id));
        };
        let invited = self.users[&holder].clone();
        if invited.status != Status::Invited {
            return Err(Refusal::Conflict.into());
        }
        if verified == Some(false) {
            return Err(Refusal::EmailNotVerified.into());
        }
        self.clear(holder, Some(id));
        self.users.remove(&holder);
        if let Some(invite) = invited.invite.and_then(|invite| self.invites.get_mut(&invite)) {
            (invite.status, invite.user, invite.updated_at) = (InviteStatus::Used, id, self.now);
        }
        let user = User {
            status: Status::Active,
            has_link: false,
            name: invited.name.clone().or(said),
            email_verified_at: invited.email_verified_at.or(verified_at),
            invited_as: Some(holder),
            version: invited.version + 1,
            updated_at: self.now,
            ..invited
        };
        self.users.insert(id, user);
        self.note(id, id, "user.signed_up");
        Ok((201, id))
    }

    fn restore_account(&mut self, id: Id, key: Option<(Id, bool)>) -> Result<(u16, Id), Outcome> {
        let user = self.users.get(&id).ok_or(Refusal::BadCredential)?;
        match user.status {
            Status::Suspended => return Err(Refusal::AccountSuspended.into()),
            Status::Deleted if user.deleted_by != Some(id) => return Err(Refusal::Conflict.into()),
            _ => {}
        }
        self.not_answered(By::Token(id), key)?;
        self.restored(id)?;
        self.restore(id, id);
        Ok((200, id))
    }

    fn operator_account(
        &mut self,
        request: &Request,
        caller: Caller,
        label: Id,
    ) -> Result<(u16, Id), Outcome> {
        let (now, me) = (self.now, caller.id);
        match request {
            Request::ShowAccount | Request::ExportAccount | Request::ListKeys => Ok((200, me)),
            Request::ChangeProfile { display_name, if_match } => {
                self.check(*if_match, me)?;
                self.change(me, me, "user.updated", |user| {
                    if let Some(name) = display_name {
                        user.display_name = name.map(str::to_owned);
                    }
                });
                Ok((200, me))
            }
            Request::DeleteAccount => {
                let team = self.users[&me].team;
                let is_other = |(id, user): (&Id, &User)| {
                    *id != me
                        && user.team == team
                        && user.status != Status::Deleted
                        && user.manager != Some(me)
                };
                if self.is_last_governor(me) && self.users.iter().any(is_other) {
                    return Err(Refusal::Conflict.into());
                }
                self.soft_delete(me, me);
                Ok((202, me))
            }
            Request::MakeKey { operator, until, holds } => {
                let asked = holds.words();
                let too_much =
                    asked.iter().flatten().any(|permission| !self.allows(me, permission));
                if (*operator && !self.is_operator(caller))
                    || until.is_some_and(|until| until <= now)
                    || too_much
                {
                    return Err(Refusal::Invalid.into());
                }
                let usual = self.new_key(me, Some("model"));
                let all = PERMISSIONS.into_iter();
                let permissions = match asked {
                    Some(asked) => all.filter(|permission| asked.contains(permission)).collect(),
                    None => usual.permissions.clone(),
                };
                let expires_at = until.unwrap_or(usual.expires_at);
                let key = ApiKey { is_operator: *operator, expires_at, permissions, ..usual };
                self.make_key(label, me, key);
                Ok((201, label))
            }
            Request::MakeDefaultKey => {
                let present =
                    self.default_keys.get(&me).copied().filter(|key| self.keys[key].works(now));
                if let Some(present) = present {
                    return Ok((200, present));
                }
                self.make_key(label, me, self.new_key(me, Some("default")));
                self.default_keys.insert(me, label);
                Ok((201, label))
            }
            Request::RotateKey { key, overlap } => {
                let old = self.own_key(caller, *key)?.clone();
                let beyond =
                    old.minted_by.is_some() || (old.is_operator && !self.is_operator(caller));
                if !old.works(now) || old.is_rotated || beyond {
                    return Err(Refusal::Conflict.into());
                }
                let had_longest = old.expires_at >= old.created_at + LONGEST_LIFE;
                let expires_at = if had_longest {
                    now + LONGEST_LIFE
                } else {
                    old.expires_at.min(now + LONGEST_LIFE)
                };
                let mut permissions = old.permissions.clone();
                permissions.retain(|permission| self.allows(me, permission));
                let parent = Some(*key);
                let new = ApiKey {
                    parent,
                    is_rotated: false,
                    created_at: now,
                    last_used_at: None,
                    expires_at,
                    permissions,
                    ..old.clone()
                };
                self.make_key(label, me, new);
                let retired = ApiKey {
                    is_rotated: true,
                    expires_at: old.expires_at.min(now + overlap),
                    ..old
                };
                self.keys.insert(*key, retired);
                if self.default_keys.get(&me) == Some(key) {
                    self.default_keys.insert(me, label);
                }
                Ok((201, label))
            }
            Request::RevokeKey { key } => {
                if self.own_key(caller, *key)?.is_active {
                    let key = self.keys.get_mut(key).expect("a key");
                    (key.is_active, key.revoked_at) = (false, Some(now));
                    self.note(me, me, "key.revoked");
                }
                Ok((200, me))
            }
            Request::ListEveryone { .. } | Request::FindUsers { .. } | Request::ListTiers => {
                self.operates(caller)?;
                Ok((200, me))
            }
            Request::ShowUser { user } => {
                self.operates(caller)?;
                self.account(*user)?;
                Ok((200, *user))
            }
            Request::ShowHistory { user, .. } => {
                self.operates(caller)?;
                if self.history.contains_key(user) {
                    Ok((200, *user))
                } else {
                    Err(Refusal::AccountNotFound.into())
                }
            }
            Request::ChangeQuota { user, tier, if_match } => {
                self.operates(caller)?;
                let team = self.account(*user)?.team;
                self.check(*if_match, *user)?;
                let record = self.teams.get_mut(&team).expect("a team");
                let team_differs = record.owner == *user && record.tier != *tier;
                if team_differs {
                    (record.tier, record.updated_at) = ((*tier).to_owned(), now);
                }
                if team_differs && self.users[user].tier == *tier {
                    // What changed is the team alone, and the user's history tells of it.
                    let record = self.users.get_mut(user).expect("a user");
                    (record.version, record.updated_at) = (record.version + 1, now);
                    self.note(*user, me, "user.quota_changed");
                }
                self.change(*user, me, "user.quota_changed", |user| user.tier = (*tier).to_owned());
                Ok((200, *user))
            }
            Request::MakeUserKey { user } => {
                self.operates(caller)?;
                if self.account(*user)?.status == Status::Deleted {
                    return Err(Refusal::AccountNotFound.into());
                }
                if self.users[user].is_operator && *user != me {
                    return Err(Refusal::Invalid.into());
                }
                let key = ApiKey {
                    is_operator: true,
                    expires_at: now + DAY,
                    minted_by: Some(me),
                    ..self.new_key(*user, None)
                };
                self.make_key(label, me, key);
                Ok((201, label))
            }
            Request::Suspend { user } => {
                self.operates(caller)?;
                if !self.account(*user)?.is_usable() || *user == me {
                    return Err(Refusal::Conflict.into());
                }
                self.change(*user, me, "user.suspended", |user| {
                    user.status = Status::Suspended;
                    user.suspended_at = Some(now);
                });
                Ok((200, *user))
            }
            Request::Unsuspend { user } => {
                self.operates(caller)?;
                if self.account(*user)?.status != Status::Suspended {
                    return Err(Refusal::Conflict.into());
                }
                self.change(*user, me, "user.unsuspended", |user| {
                    user.status =
                        if user.has_yet_to_sign_up() { Status::Invited } else { Status::Active };
                    user.suspended_at = None;
                });
                Ok((200, *user))
            }
            Request::RestoreUser { user } => {
                self.operates(caller)?;
                self.account(*user)?;
                self.restored(*user)?;
                self.restore(*user, me);
                Ok((200, *user))
            }
            Request::EraseUser { user } => {
                self.operates(caller)?;
                if self.account(*user)?.status != Status::Deleted {
                    return Err(Refusal::AccountNotDeleted.into());
                }
                let active = |sandbox: &Sandbox| {
                    sandbox.owner == *user && sandbox.status != SandboxStatus::Destroyed
                };
                if self.sandboxes.values().any(active) {
                    return Err(Refusal::ActiveResources.into());
                }
                self.erase(*user, Some(me), "user.erased");
                Ok((200, *user))
            }
            Request::MakeSandbox { memory_mb, timeout_ms } => {
                let team = self.users[&me].team;
                let tier = self.tier(team);
                let (limit, reserved) = (
                    (tier.daily_gb_hours * MB_MS_PER_GB_HOUR) as i128,
                    i128::from(memory_mb * timeout_ms),
                );
                let usage = self.teams[&team].usage.get(&(now / DAY)).cloned().unwrap_or_default();
                let fits = usage.committed_mb_ms + reserved <= limit;
                let own: Vec<_> = self
                    .sandboxes
                    .values()
                    .filter(|one| one.owner == me && one.status != SandboxStatus::Destroyed)
                    .collect();
                let own_reserved: i128 =
                    own.iter().map(|one| i128::from(one.memory_mb * one.timeout_ms)).sum();
                let share = |whole: i128| whole * MEMBER_SHARE_PERCENT / 100;
                let has_share = self.users[&me].role == Role::Admin
                    || ((own.len() as i128)
                        < share(i128::from(tier.max_concurrent_sandboxes)).max(1)
                        && own_reserved + reserved <= share(limit));
                let fits = fits && has_share;
                let may = self.active_sandboxes(team) < tier.max_concurrent_sandboxes
                    && usage.creates < tier.daily_sandbox_creates
                    && fits;
                if !may {
                    return Err(Refusal::QuotaExceeded.into());
                }
                self.use_day(team, now / DAY, |usage| {
                    usage.creates += 1;
                    usage.committed_mb_ms += reserved;
                });
                let sandbox = Sandbox {
                    owner: me,
                    status: SandboxStatus::Creating,
                    memory_mb: *memory_mb,
                    timeout_ms: *timeout_ms,
                    created_at: now,
                    updated_at: now,
                    started_at: None,
                    destroyed_at: None,
                };
                self.sandboxes.insert(label, sandbox);
                self.note(me, me, "sandbox.created");
                Ok((201, label))
            }
            Request::ChangeSandbox { sandbox, runs } => {
                let old = self.own_sandbox(caller, *sandbox)?.clone();
                let mut new = old.clone();
                match (old.status, runs) {
                    (SandboxStatus::Destroyed, _) | (SandboxStatus::Creating, false) => {
                        return Err(Refusal::Conflict.into());
                    }
                    (SandboxStatus::Creating | SandboxStatus::Paused, true) => {
                        new.status = SandboxStatus::Running;
                        new.started_at.get_or_insert(now);
                    }
                    (SandboxStatus::Running, false) => new.status = SandboxStatus::Paused,
                    _ => return Ok((200, *sandbox)),
                }
                new.updated_at = now;
                self.sandboxes.insert(*sandbox, new);
                self.note(me, me, "sandbox.updated");
                Ok((200, *sandbox))
            }
            Request::DestroySandbox { sandbox } => {
                let old = self.own_sandbox(caller, *sandbox)?.clone();
                if old.status == SandboxStatus::Destroyed {
                    return Ok((200, *sandbox));
                }
                let (team, used) = (self.users[&me].team, old.memory_mb * old.ran_until(now));
                self.use_day(team, now / DAY, |usage| {
                    usage.mb_ms += used;
                    usage.committed_mb_ms += i128::from(used);
                });
                let reserved = i128::from(old.memory_mb * old.timeout_ms);
                self.use_day(team, old.created_at / DAY, |usage| usage.committed_mb_ms -= reserved);
                let new = Sandbox {
                    status: SandboxStatus::Destroyed,
                    destroyed_at: Some(now),
                    updated_at: now,
                    ..old
                };
                self.sandboxes.insert(*sandbox, new);
                self.note(me, me, "sandbox.destroyed");
                Ok((200, *sandbox))
            }
            _ => Err(Refusal::Invalid.into()),
        }
    }

    fn directory(
        &mut self,
        request: &Request,
        caller: Caller,
        label: Id,
    ) -> Result<(u16, Id), Outcome> {
        let (now, me) = (self.now, caller.id);
        let known = |model: &Self, team: Id| {
            if model.teams.contains_key(&team) { Ok(()) } else { Err(Refusal::Forbidden) }
        };
        let user_of = |model: &Self, id: Id| -> Result<User, Refusal> {
            model.administers_any(caller)?;
            let user =
                model.users.get(&id).filter(|user| model.administers(caller, user.team).is_ok());
            user.cloned().ok_or(Refusal::NotFound)
        };
        match request {
            Request::ListDirectory(page) | Request::ListInvites(page) => {
                self.administers(caller, page.team)?;
                known(self, page.team)?;
                Ok((200, page.team))
            }
            Request::ShowDirectoryUser { user } => {
                user_of(self, *user)?;
                Ok((200, *user))
            }
            Request::ChangeDirectoryUser { user, name, job_title, if_match } => {
                let record = user_of(self, *user)?;
                self.check(*if_match, *user)?;
                if record.status == Status::Deleted {
                    return Err(Refusal::Conflict.into());
                }
                self.change(*user, me, "user.updated", |user| {
                    if let Some(name) = name {
                        user.name = name.map(str::to_owned);
                    }
                    user.job_title = job_title.map(str::to_owned).or(user.job_title.take());
                });
                Ok((200, *user))
            }
            Request::Invite { team, email } => {
                self.administers_any(caller)?;
                self.administers(caller, *team)?;
                known(self, *team)?;
                if self.holder(email).is_some() {
                    return Err(Refusal::Conflict.into());
                }
                let invite = Invite {
                    team: *team,
                    email: (*email).to_owned(),
                    status: InviteStatus::Pending,
                    user: label,
                    created_at: now,
                    updated_at: now,
                };
                self.invites.insert(label, invite);
                let user = User {
                    email: Some((*email).to_owned()),
                    status: Status::Invited,
                    invite: Some(label),
                    ..User::new(*team, now)
                };
                self.users.insert(label, user);
                self.note(label, me, "user.invited");
                Ok((200, label))
            }
            Request::RevokeInvite { invite, team } => {
                self.administers_any(caller)?;
                let team = team.unwrap_or(self.users[&me].team);
                self.administers(caller, team)?;
                let found = self
                    .invites
                    .get(invite)
                    .filter(|invite| invite.team == team)
                    .ok_or(Refusal::NotFound)?
                    .clone();
                if found.status != InviteStatus::Pending {
                    return Err(Refusal::Conflict.into());
                }
                let user = self.users.get_mut(&found.user).expect("a pending invite has its user");
                (user.invite, user.status, user.due) = (None, Status::Deleted, Some(now));
                let record = self.invites.get_mut(invite).expect("an invite");
                (record.status, record.updated_at) = (InviteStatus::Revoked, now);
                self.note(found.user, me, "user.invite_revoked");
                self.erase(found.user, Some(me), "user.erased");
                Ok((200, *invite))
            }
            _ => Err(Refusal::Invalid.into()),
        }
    }

    fn user_admin(
        &mut self,
        request: &Request,
        caller: Caller,
        label: Id,
    ) -> Result<(u16, Id), Outcome> {
        let (now, me) = (self.now, caller.id);
        if matches!(request, Request::Search { .. }) {
            return Ok((200, me));
        }
        let team = self.is_admin(caller)?;
        match request {
            Request::ListTeam { .. } | Request::CountAdmins | Request::ListInactive => {
                Ok((200, me))
            }
            Request::ShowNumber { user } => {
                self.numbered(team, *user)?;
                Ok((200, *user))
            }
            Request::MakeUser { email, username, name, role } => {
                let taken = |user: &User| {
                    user.team == team && user.username.as_deref().map(fold) == username.map(fold)
                };
                if email.is_some_and(|email| self.holder(email).is_some())
                    || (username.is_some() && self.users.values().any(taken))
                {
                    return Err(Refusal::Conflict.into());
                }
                let user = User {
                    email: email.map(str::to_lowercase),
                    username: username.map(str::to_owned),
                    name: name.map(str::to_owned),
                    role: *role,
                    status: Status::Invited,
                    has_link: true,
                    ..User::new(team, now)
                };
                self.users.insert(label, user);
                self.note(label, me, "user.created");
                Ok((201, label))
            }
            Request::ChangeUser { user, name, email, role, if_match } => {
                let record = self.numbered(team, *user)?.clone();
                self.check(*if_match, *user)?;
                // Null leaves the email as it is.
                let new_email = email.flatten().map(str::to_lowercase).or(record.email.clone());
                let is_changed =
                    new_email != record.email || role.is_some_and(|role| role != record.role);
                if caller.key.is_some() && *user == me && is_changed {
                    return Err(Refusal::Forbidden.into());
                }
                let holder = new_email.as_deref().and_then(|email| self.holder(email));
                let is_demoted =
                    role.is_some_and(|role| role != Role::Admin) && self.is_last_governor(*user);
                if holder.is_some_and(|holder| holder != *user) || is_demoted {
                    return Err(Refusal::Conflict.into());
                }
                self.change(*user, me, "user.updated", |user| {
                    user.name = name.map(str::to_owned).or(user.name.take());
                    if new_email.as_deref().map(fold) != user.email.as_deref().map(fold) {
                        user.email_verified_at = None;
                    }
                    user.email = new_email;
                    user.role = role.unwrap_or(user.role);
                });
                Ok((200, *user))
            }
            Request::DeleteUser { user } => {
                self.numbered(team, *user)?;
                self.may_remove(caller, *user)?;
                if self.is_last_governor(*user) {
                    return Err(Refusal::Conflict.into());
                }
                self.soft_delete(*user, me);
                Ok((200, *user))
            }
            Request::DeleteInactive { users } => {
                let is_unknown = |user: &&Id| {
                    **user != me && self.users.get(user).is_none_or(|user| user.team != team)
                };
                if users.iter().any(|user| is_unknown(&user)) {
                    return Err(Refusal::NotFound.into());
                }
                for user in users.iter().filter(|user| **user != me) {
                    let is_here = self.users.get(user).is_some_and(|user| user.team == team);
                    if is_here && self.is_inactive(*user) {
                        self.may_remove(caller, *user)?;
                    }
                }
                for user in users.iter().filter(|user| **user != me) {
                    let is_here = self.users.get(user).is_some_and(|user| user.team == team);
                    if is_here && self.is_inactive(*user) && !self.is_last_governor(*user) {
                        self.soft_delete(*user, me);
                    }
                }
                Ok((200, me))
            }
            _ => Err(Refusal::Invalid.into()),
        }
    }

    /// The user, where they may make managed users.
    fn may_manage(&self, user: Id) -> Result<&User, Outcome> {
        let user = &self.users[&user];
        let may = user.manager.is_none() && user.role != Role::Viewer;
        if may { Ok(user) } else { Err(Refusal::Forbidden.into()) }
    }

    fn managed_users(
        &mut self,
        request: &Request,
        caller: Caller,
        label: Id,
    ) -> Result<(u16, Id), Outcome> {
        let (now, me) = (self.now, caller.id);
        match request {
            Request::ListManaged { .. } | Request::ListShares => Ok((200, me)),
            // A caller who may not make them is told so before what is wrong with the body.
            Request::Malformed(which)
                if MALFORMED[*which].1 == "POST" && MALFORMED[*which].2 == "/api/v1/users/" =>
            {
                self.may_manage(me)?;
                Err(Refusal::Invalid.into())
            }
            Request::MakeManaged { first, last } => {
                let manager = self.may_manage(me)?;
                let user = User {
                    first_name: Some((*first).to_owned()),
                    last_name: last.map(str::to_owned),
                    manager: Some(me),
                    tier: manager.tier.clone(),
                    ..User::new(manager.team, now)
                };
                self.users.insert(label, user);
                self.note(label, me, "user.created");
                Ok((200, label))
            }
            Request::ShowManaged { user } | Request::ChangeManaged { user, .. } => {
                if self.managed(caller, *user)?.status == Status::Deleted {
                    return Err(Refusal::NotFound.into());
                }
                if let Request::ChangeManaged { first, last, if_match, .. } = request {
                    self.check(*if_match, *user)?;
                    self.change(*user, me, "user.updated", |user| {
                        user.first_name = first.map(str::to_owned).or(user.first_name.take());
                        user.last_name = last.map(str::to_owned).or(user.last_name.take());
                    });
                }
                Ok((200, *user))
            }
            Request::DeleteManaged { user } => {
                self.managed(caller, *user)?;
                self.erase(*user, Some(me), "user.erased");
                Ok((200, *user))
            }
            Request::Share { with, scopes } => {
                if *with == me {
                    return Err(Refusal::Invalid.into());
                }
                if self.users.get(with).is_none_or(|user| user.status == Status::Deleted) {
                    return Err(Refusal::NotFound.into());
                }
                // What is shared already is not shared again.
                if self.shares.get(&(me, *with)).is_none_or(|share| share.scopes != *scopes) {
                    self.shares
                        .insert((me, *with), Share { scopes: scopes.clone(), created_at: now });
                    self.note(me, me, "share.granted");
                }
                Ok((200, *with))
            }
            Request::Unshare { with } => {
                self.shares.remove(&(me, *with)).ok_or(Refusal::NotFound)?;
                self.note(me, me, "share.revoked");
                Ok((200, *with))
            }
            Request::ShowPrincipalToken => Ok((200, me)),
            Request::Delegate { user, scopes } => {
                let usable = self.users.get(user).is_some_and(User::is_usable) && *user != me;
                let granted =
                    self.granted(*user, me).filter(|_| usable).ok_or(Refusal::Forbidden)?;
                let asked = if scopes.is_empty() { granted.clone() } else { scopes.clone() };
                if !asked.iter().all(|scope| granted.contains(scope)) {
                    return Err(Refusal::Forbidden.into());
                }
                let scopes = granted.into_iter().filter(|scope| asked.contains(scope)).collect();
                self.delegations.insert(
                    label,
                    Delegation {
                        user: *user,
                        actor: me,
                        scopes,
                        expires: now + DELEGATION,
                        used: None,
                    },
                );
                self.note(*user, me, "delegated_token.issued");
                Ok((200, label))
            }
            _ => Err(Refusal::Invalid.into()),
        }
    }

    fn workspace(&self, request: &Request, caller: Caller) -> Result<(u16, Id), Outcome> {
        let me = caller.id;
        match request {
            Request::ListWorkspace(_) => Ok((200, me)),
            Request::ShowWorkspaceUser { user } => {
                let user = user.unwrap_or(me);
                let seen = user == me
                    || self.is_admin(caller).is_ok_and(|team| {
                        self.users.get(&user).is_some_and(|user| user.team == team)
                    });
                if seen { Ok((200, user)) } else { Err(Refusal::NotFound.into()) }
            }
            _ => Err(Refusal::Invalid.into()),
        }
    }

    /// The persons who have not signed up.
    pub fn strangers(&self) -> Vec<Id> {
        (0..PERSONS).filter(|id| !self.users.contains_key(id)).collect()
    }
}
