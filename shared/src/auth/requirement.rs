//! Requirements: what an endpoint asks of a credential, as types.
//!
//! An endpoint names its requirement when it looks its caller up:
//! `context.caller::<MembersWrite>(…)`. What it gets, a [`Caller<MembersWrite>`](super::Caller), is
//! what the store's methods ask for, and what an entry of history is made from. So an endpoint
//! without a permission, or with another one, does not compile.

use crate::models::Permission;

/// A demand on a credential: what it must be or have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// A permission: every token of the identity provider has it, an API key may.
    Permission(Permission),
    /// A token of the identity provider: no API key will do.
    Token,
    /// The same, with a second factor where the installation asks for one.
    SteppedUpToken,
    /// A platform operator's token, or API key of the scope `operator`.
    Operator,
    /// A platform operator's token, or an API key with `metering:write` that one made.
    Metering,
}

impl Needs {
    /// Returns true if an API key never meets it.
    pub fn takes_token(self) -> bool {
        matches!(self, Self::Token | Self::SteppedUpToken)
    }
}

/// A requirement, as the type parameter of a [`Caller`](super::Caller).
pub trait Requirement: Send + Sync + 'static {
    /// The demand on the credential.
    const NEEDS: Needs;
}

/// A requirement under which things are changed.
pub trait Writes: Requirement {}

/// A requirement under which members of a team are looked at or changed.
pub trait OnMembers: Requirement {}

/// A requirement under which managed users are looked at or changed.
pub trait OnManagedUsers: Requirement {}

macro_rules! requirements {
    ($($name:ident: $needs:expr, $doc:literal;)+) => {
        $(#[doc = $doc]
        #[derive(Debug, Clone, Copy)]
        pub enum $name {}

        impl Requirement for $name {
            const NEEDS: Needs = $needs;
        })+
    };
}

requirements! {
    AccountRead: Needs::Permission(Permission::AccountRead), "The permission `account:read`.";
    AccountWrite: Needs::Permission(Permission::AccountWrite), "The permission `account:write`.";
    MembersRead: Needs::Permission(Permission::MembersRead), "The permission `members:read`.";
    MembersWrite: Needs::Permission(Permission::MembersWrite), "The permission `members:write`.";
    InvitesWrite: Needs::Permission(Permission::InvitesWrite), "The permission `invites:write`.";
    ManagedUsersRead: Needs::Permission(Permission::ManagedUsersRead), "The permission `managed-users:read`.";
    ManagedUsersWrite: Needs::Permission(Permission::ManagedUsersWrite), "The permission `managed-users:write`.";
    SandboxesRead: Needs::Permission(Permission::SandboxesRead), "The permission `sandboxes:read`.";
    SandboxesWrite: Needs::Permission(Permission::SandboxesWrite), "The permission `sandboxes:write`.";
    SharingWrite: Needs::Permission(Permission::SharingWrite), "The permission `sharing:write`.";
    SignedIn: Needs::Token, "A sign-in: a token of the identity provider, and no API key.";
    SteppedUp: Needs::SteppedUpToken, "A sign-in with a second factor, where the installation asks for one.";
    Metering: Needs::Metering, "The metering of sandboxes, which is the platform's and no user's.";
    Operating: Needs::Operator, "The operation of the platform.";
}

macro_rules! all {
    ($kind:ident: $($name:ident),+) => {
        $(impl $kind for $name {})+
    };
}

all!(Writes: AccountWrite, MembersWrite, InvitesWrite, ManagedUsersWrite, SandboxesWrite, SharingWrite, SignedIn, SteppedUp, Metering, Operating);
all!(OnMembers: MembersRead, MembersWrite);
all!(OnManagedUsers: ManagedUsersRead, ManagedUsersWrite);
