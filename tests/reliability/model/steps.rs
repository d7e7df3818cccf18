//! What callers do, by labels: who and what it is about is known by the step that made it, as ids
//! are not known beforehand.

use crate::errors::Contract;
use shared::models::{Role, Status};

/// What stands for an id: one of [`PERSONS`], or the label of the step that made what has it.
pub type Id = u32;

/// How many people the identity provider knows. Their labels are 0 to here; the first is a platform
/// operator.
pub const PERSONS: Id = 7;

/// The emails in use: those of the persons, others, and some of these in capitals.
pub const EMAILS: [&str; 13] = [
    "pia@example.com",
    "quinn@example.com",
    "rosa@example.com",
    "sami@example.com",
    "tove@example.com",
    "uma@example.com",
    "vera@example.com",
    "guest@example.com",
    "host@example.com",
    "Sami@Example.com",
    "TOVE@EXAMPLE.COM",
    "uma@Example.com",
    "Guest@example.com",
];

/// The names in use: some differ by case alone, some begin alike.
pub const NAMES: [&str; 6] = ["Ada", "ada king", "Bo", "Čeněk", "Sami Aho", "Zoë"];

/// The texts that are searched for.
pub const SEARCHES: [&str; 8] = ["ad", "ADA", "sami", "Guest@", "č", "če", "zo", "nobody"];

/// The scopes that are shared and asked for.
pub const SCOPES: [&str; 3] = ["data:read", "profile", "workouts:read"];

/// The quota tiers, the last of which the table alone has.
pub const TIERS: [&str; 3] = ["free", "pro", "tiny"];

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// A user, with a token of the moment.
    Token(Id),
    /// Whoever has that API key.
    Key(Id),
    /// Whoever was given that delegated token.
    Delegated(Id),
    /// Someone who signs a token for that user with a key of their own.
    Forger(Id),
    /// Someone without a credential.
    Nobody,
}

/// What `If-Match` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Any.
    Any,
    /// The version of the moment.
    Present,
    /// The one before.
    Former,
}

/// The fields by which the workspace is sorted.
pub const WORKSPACE_FIELDS: [&str; 5] = ["createdAt", "name", "role", "status", "updatedAt"];

/// A page of the workspace.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkspacePage {
    /// The page, from 1.
    pub page: usize,
    /// Its size.
    pub size: usize,
    /// Of [`WORKSPACE_FIELDS`].
    pub field: &'static str,
    /// From the highest down.
    pub descending: bool,
    /// Only of that role.
    pub role: Option<Role>,
    /// Only of that status.
    pub status: Option<Status>,
    /// Only these.
    pub ids: Option<Vec<Id>>,
}

/// A page of a list of the directory.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectoryPage {
    /// Of that team.
    pub team: Id,
    /// What it is sorted by.
    pub field: &'static str,
    /// From the highest down.
    pub descending: bool,
    /// How many are passed over.
    pub offset: usize,
    /// Its size.
    pub size: usize,
}

/// The permissions that are asked for a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Holds {
    /// None are said.
    Usual,
    /// Those that every role allows.
    Common,
    /// All.
    All,
}

impl Holds {
    /// The words, if they are said.
    pub fn words(self) -> Option<Vec<&'static str>> {
        let common = [
            "account:read",
            "account:write",
            "members:read",
            "managed-users:read",
            "sandboxes:read",
            "sandboxes:write",
            "sharing:write",
        ];
        let others = ["members:write", "admins:write", "invites:write", "managed-users:write"];
        match self {
            Self::Usual => None,
            Self::Common => Some(common.to_vec()),
            Self::All => Some([&common[..], &others].concat()),
        }
    }
}

/// Requests of one kind each. A text that may be absent and may be null is an `Option` of an
/// `Option`.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Request {
    SignUp {
        verified: Option<bool>,
    },
    ShowAccount,
    ChangeProfile {
        display_name: Option<Option<&'static str>>,
        if_match: Option<Version>,
    },
    ExportAccount,
    DeleteAccount,
    RestoreAccount,
    ListKeys,
    MakeKey {
        operator: bool,
        until: Option<i64>,
        holds: Holds,
    },
    MakeDefaultKey,
    RotateKey {
        key: Id,
        overlap: i64,
    },
    RevokeKey {
        key: Id,
    },
    ListEveryone {
        limit: usize,
    },
    FindUsers {
        text: &'static str,
    },
    ShowUser {
        user: Id,
    },
    ChangeQuota {
        user: Id,
        tier: &'static str,
        if_match: Option<Version>,
    },
    MakeUserKey {
        user: Id,
    },
    Suspend {
        user: Id,
    },
    Unsuspend {
        user: Id,
    },
    RestoreUser {
        user: Id,
    },
    EraseUser {
        user: Id,
    },
    ShowHistory {
        user: Id,
        limit: usize,
    },
    ListTiers,
    MakeSandbox {
        memory_mb: u64,
        timeout_ms: u64,
    },
    ChangeSandbox {
        sandbox: Id,
        runs: bool,
    },
    DestroySandbox {
        sandbox: Id,
    },
    ListDirectory(DirectoryPage),
    ShowDirectoryUser {
        user: Id,
    },
    ChangeDirectoryUser {
        user: Id,
        name: Option<Option<&'static str>>,
        job_title: Option<&'static str>,
        if_match: Option<Version>,
    },
    ListInvites(DirectoryPage),
    Invite {
        team: Id,
        email: &'static str,
    },
    RevokeInvite {
        invite: Id,
        team: Option<Id>,
    },
    ListTeam {
        limit: usize,
    },
    ShowNumber {
        user: Id,
    },
    MakeUser {
        email: Option<&'static str>,
        username: Option<&'static str>,
        name: Option<&'static str>,
        role: Role,
    },
    ChangeUser {
        user: Id,
        name: Option<&'static str>,
        email: Option<Option<&'static str>>,
        role: Option<Role>,
        if_match: Option<Version>,
    },
    DeleteUser {
        user: Id,
    },
    Search {
        text: &'static str,
    },
    CountAdmins,
    ListInactive,
    DeleteInactive {
        users: Vec<Id>,
    },
    ListManaged {
        managed: bool,
        shared: bool,
        name: Option<&'static str>,
    },
    MakeManaged {
        first: &'static str,
        last: Option<&'static str>,
    },
    ShowManaged {
        user: Id,
    },
    ChangeManaged {
        user: Id,
        first: Option<&'static str>,
        last: Option<&'static str>,
        if_match: Option<Version>,
    },
    DeleteManaged {
        user: Id,
    },
    ListShares,
    Share {
        with: Id,
        scopes: Vec<&'static str>,
    },
    Unshare {
        with: Id,
    },
    ShowPrincipalToken,
    Delegate {
        user: Id,
        scopes: Vec<&'static str>,
    },
    ListWorkspace(WorkspacePage),
    ShowWorkspaceUser {
        user: Option<Id>,
    },
    Malformed(usize),
}

impl Request {
    /// The contract that it is of.
    pub fn contract(&self) -> Contract {
        match self {
            Self::ListDirectory(_)
            | Self::ShowDirectoryUser { .. }
            | Self::ChangeDirectoryUser { .. }
            | Self::ListInvites(_)
            | Self::Invite { .. }
            | Self::RevokeInvite { .. } => Contract::Directory,
            Self::ListTeam { .. }
            | Self::ShowNumber { .. }
            | Self::MakeUser { .. }
            | Self::ChangeUser { .. }
            | Self::DeleteUser { .. }
            | Self::Search { .. }
            | Self::CountAdmins
            | Self::ListInactive
            | Self::DeleteInactive { .. } => Contract::UserAdmin,
            Self::ListManaged { .. }
            | Self::MakeManaged { .. }
            | Self::ShowManaged { .. }
            | Self::ChangeManaged { .. }
            | Self::DeleteManaged { .. }
            | Self::ListShares
            | Self::Share { .. }
            | Self::Unshare { .. }
            | Self::ShowPrincipalToken
            | Self::Delegate { .. } => Contract::ManagedUsers,
            Self::ListWorkspace(_) | Self::ShowWorkspaceUser { .. } => Contract::Workspace,
            Self::Malformed(which) => MALFORMED[*which].0,
            _ => Contract::Operator,
        }
    }

    /// Whether an `Idempotency-Key` counts.
    pub fn is_post(&self) -> bool {
        matches!(
            self,
            Self::SignUp { .. }
                | Self::RestoreAccount
                | Self::MakeKey { .. }
                | Self::MakeDefaultKey
                | Self::RotateKey { .. }
                | Self::MakeUserKey { .. }
                | Self::Suspend { .. }
                | Self::Unsuspend { .. }
                | Self::RestoreUser { .. }
                | Self::MakeSandbox { .. }
                | Self::Invite { .. }
                | Self::RevokeInvite { .. }
                | Self::MakeUser { .. }
                | Self::DeleteInactive { .. }
                | Self::MakeManaged { .. }
                | Self::Delegate { .. }
        )
    }

    /// Whose rights in the team it can take away.
    pub fn is_about(&self) -> Option<Id> {
        match self {
            Self::ChangeUser { user, .. } | Self::DeleteUser { user } => Some(*user),
            _ => None,
        }
    }

    /// Whether it takes a token: an API key may not.
    pub fn takes_token(&self) -> bool {
        matches!(
            self,
            Self::SignUp { .. }
                | Self::DeleteAccount
                | Self::RestoreAccount
                | Self::MakeKey { .. }
                | Self::MakeDefaultKey
                | Self::RotateKey { .. }
                | Self::RevokeKey { .. }
                | Self::MakeUserKey { .. }
                | Self::Delegate { .. }
        )
    }

    /// The permission that it takes of an API key.
    pub fn permission(&self) -> Option<&'static str> {
        Some(match self {
            Self::ShowAccount | Self::ExportAccount | Self::ListKeys => "account:read",
            Self::ChangeProfile { .. } => "account:write",
            Self::MakeSandbox { .. } | Self::ChangeSandbox { .. } | Self::DestroySandbox { .. } => {
                "sandboxes:write"
            }
            Self::ListDirectory(_) | Self::ShowDirectoryUser { .. } | Self::ListInvites(_) => {
                "members:read"
            }
            Self::Invite { .. } | Self::RevokeInvite { .. } => "invites:write",
            Self::ListTeam { .. } | Self::ShowNumber { .. } | Self::Search { .. } => "members:read",
            Self::CountAdmins | Self::ListInactive => "members:read",
            Self::ListWorkspace(_) | Self::ShowWorkspaceUser { .. } => "members:read",
            Self::ChangeDirectoryUser { .. } | Self::MakeUser { .. } | Self::ChangeUser { .. } => {
                "members:write"
            }
            Self::DeleteUser { .. } | Self::DeleteInactive { .. } => "members:write",
            Self::ListManaged { .. } | Self::ShowManaged { .. } | Self::ListShares => {
                "managed-users:read"
            }
            Self::MakeManaged { .. } | Self::ChangeManaged { .. } | Self::DeleteManaged { .. } => {
                "managed-users:write"
            }
            Self::Share { .. } | Self::Unshare { .. } => "sharing:write",
            _ => return None,
        })
    }

    /// Whether it can change anything.
    pub fn changes(&self) -> bool {
        let reads = ["Show", "List", "Find", "Search", "Count", "Export"];
        !reads.iter().any(|verb| self.kind().starts_with(verb))
    }

    /// The kind: the name.
    pub fn kind(&self) -> String {
        let text = format!("{self:?}");
        text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
    }
}

/// Requests that are wrong whoever sends them: contract, method, path and body. `{user}` is the
/// caller, `{team}` their team.
pub const MALFORMED: &[(Contract, &str, &str, &str)] = &[
    (Contract::Operator, "PATCH", "/v1/account/me", "{"),
    (Contract::Operator, "PATCH", "/v1/account/me", r#"{"display_name": " "}"#),
    (Contract::Operator, "PATCH", "/v1/account/me", r#"{"avatar_url": "ftp://example.com"}"#),
    (Contract::Operator, "POST", "/v1/keys", r#"{"permissions": ["all"]}"#),
    (Contract::Operator, "POST", "/v1/keys", r#"{"expires_at": "2020-01-01T00:00:00Z"}"#),
    (Contract::Operator, "POST", "/v1/sandboxes", "{}"),
    (Contract::Operator, "POST", "/v1/sandboxes", r#"{"template": "t", "memory_mb": 0}"#),
    (Contract::Operator, "POST", "/v1/sandboxes", r#"{"template": "t", "metadata": [1]}"#),
    (Contract::Operator, "PATCH", "/v1/sandboxes/sbx_1", r#"{"status": "destroyed"}"#),
    (Contract::ManagedUsers, "POST", "/api/v1/users/", r#"{"first_name": "Ada"}"#),
    (Contract::ManagedUsers, "POST", "/api/v1/users/", r#"{"first_name": 7, "last_name": null}"#),
    (Contract::ManagedUsers, "GET", "/api/v1/users/?include_managed=perhaps", ""),
    (Contract::ManagedUsers, "PUT", "/api/v1/users/shares/{user}", r#"{"scopes": ["data:read"]}"#),
    (Contract::ManagedUsers, "PUT", "/api/v1/users/shares/{team}", r#"{"scopes": ["admin"]}"#),
    (Contract::ManagedUsers, "PUT", "/api/v1/users/shares/{team}", r#"{"scopes": []}"#),
    (Contract::ManagedUsers, "POST", "/api/v1/oauth/delegated-token", "{}"),
    (Contract::Workspace, "GET", "/users?page=0", ""),
    (Contract::Workspace, "GET", "/users?pageSize=31", ""),
    (Contract::Workspace, "GET", "/users?role=admin", ""),
    (Contract::Workspace, "GET", "/users?limit=3", ""),
    (Contract::Workspace, "GET", "/users?page=1&page=1", ""),
    (Contract::Directory, "GET", "/api/v1/admin_user", ""),
    (Contract::Directory, "GET", "/api/v1/admin_user?account_id={team}&sorting=name", ""),
    (
        Contract::Directory,
        "GET",
        "/api/v1/admin_user?account_id={team}&pagination[page_size]=101",
        "",
    ),
    (Contract::Directory, "GET", "/api/v1/admin_user?account_id={team}&page=1", ""),
];

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Someone asks for something.
    Ask(Ask),
    /// A POST is sent again under its `Idempotency-Key`, the same or another one.
    Repeat {
        /// The label of this.
        label: Id,
        /// The label of the first one, which names the key.
        of: Id,
        /// Whether it says something else.
        altered: bool,
    },
    /// So many seconds pass.
    Pass(i64),
    /// The schedule erases who is due.
    Purge,
    /// Someone with the table at hand makes a user a platform operator, or one no more.
    SetOperator(Id, bool),
}

/// A request by someone.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The label of what it makes.
    pub label: Id,
    /// Who.
    pub by: By,
    /// What.
    pub request: Request,
    /// Whether it bears an `Idempotency-Key`: that of its label.
    pub keyed: bool,
    /// Whether it is sent twice at the same time: what the second one makes has the next label.
    pub twice: bool,
}

impl Step {
    /// Whether it can change anything.
    pub fn changes(&self) -> bool {
        match self {
            Self::Ask(ask) => ask.request.changes(),
            Self::Pass(_) => false,
            _ => true,
        }
    }

    /// The kind: the name.
    pub fn kind(&self) -> String {
        match self {
            Self::Ask(ask) if ask.twice => format!("{} twice", ask.request.kind()),
            Self::Ask(ask) => ask.request.kind(),
            Self::Repeat { altered: false, .. } => "Repeat".to_owned(),
            Self::Repeat { altered: true, .. } => "Repeat altered".to_owned(),
            Self::Pass(_) => "Pass".to_owned(),
            Self::Purge => "Purge".to_owned(),
            Self::SetOperator(..) => "SetOperator".to_owned(),
        }
    }
}
