//! Who is calling, and what that lets them do.
//!
//! A request's credential is verified first, which gives a [`VerifiedToken`]. Then the caller's
//! record is read and held against what the endpoint requires, which gives a [`Caller`] of that
//! requirement. What the caller may do gives an [`Operator`] or a [`TeamAccess`]. The store's
//! methods ask for these, so that an unauthorised read or write does not compile. What a request
//! reads beside the caller's record, to save a wait, comes [`Sealed`].

pub mod api_key;
mod jwk;
pub mod jwks;
mod jws;
mod person_id;
mod published_key;
mod requirement;
mod signing_key;
mod step_up;
mod token;

use std::marker::PhantomData;
use std::net::IpAddr;

use lambda_http::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use lambda_http::http::{HeaderMap, Method};
use uuid::Uuid;

pub use person_id::PersonIds;
pub use published_key::PublishedKeys;
pub use requirement::{
    AccountRead, AccountWrite, InvitesWrite, ManagedUsersRead, ManagedUsersWrite, MembersRead,
    MembersWrite, Metering, Needs, OnManagedUsers, OnMembers, Operating, Requirement,
    SandboxesRead, SandboxesWrite, SharingWrite, SignedIn, SteppedUp, Writes,
};
pub use signing_key::{PublicSigningKey, SigningKey};
pub use step_up::StepUp;
pub use token::{Claims, IssuedToken, Newcomers, TokenIssuer, TokenSigner, TokenVerifier};

use crate::error::{Error, Result};
use crate::models::{
    AccountType, ApiKeySecret, AuditCredential, AuditCredentialKind, OPERATOR_SCOPE, Permission,
    Role, Share, Status, User,
};
use crate::store::{Freshness, Rights, Store};
use crate::table::Key;
use crate::time::Timestamp;

/// Where a contract lets a credential stand, beside `Authorization: Bearer …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Places {
    /// Nowhere.
    Bearer,
    /// `Authorization` with an API key and no scheme before it.
    BareKey,
    /// The header `refreshed-token` and the cookie `token`.
    RefreshedTokenAndCookie,
}

/// The longest credential that is looked at, in bytes: API Gateway's own limit for all headers is
/// 10,240.
const MOST_BYTES: usize = 8192;

/// The credential that a request carries.
///
/// A browser sends the cookie along with requests of any page: it counts for changes only where no
/// page of another origin asks for them.
///
/// # Errors
/// `NotAuthenticated` where there is none, `BadCredential` where it is not of the form,
/// `TokenRefused` for the cookie of a change that a page of another origin asks for.
pub fn credential<'a>(method: &Method, headers: &'a HeaderMap, places: Places) -> Result<&'a str> {
    let found = match headers.get(AUTHORIZATION) {
        Some(header) => {
            let text = header.to_str().map_err(|_| Error::BadCredential("not ASCII"))?.trim();
            match text.split_once(' ') {
                Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => rest.trim(),
                None if places == Places::BareKey && api_key::is_key(text) => text,
                _ if text.is_empty() => return Err(Error::NotAuthenticated),
                _ => return Err(Error::BadCredential("not a bearer credential")),
            }
        }
        None if places == Places::RefreshedTokenAndCookie => {
            match (refreshed_token(headers), cookie(headers)) {
                (Some(token), _) => token,
                (None, Some(_)) if !method.is_safe() && is_cross_origin(headers) => {
                    return Err(CROSS_ORIGIN);
                }
                (None, Some(token)) => token,
                (None, None) => return Err(Error::NotAuthenticated),
            }
        }
        None => return Err(Error::NotAuthenticated),
    };
    match found.len() {
        0 => Err(Error::NotAuthenticated),
        length if length > MOST_BYTES => Err(Error::BadCredential("too long")),
        _ => Ok(found),
    }
}

/// The refusal of a cookie that a page of another origin sent along.
const CROSS_ORIGIN: Error = Error::TokenRefused(
    "The cookie `token` changes nothing for a page of another origin. Send the token in the header `Authorization`.",
);

/// Returns true if a browser says that a page of another origin asks. Other programs say nothing.
fn is_cross_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = text("sec-fetch-site") {
        return !["same-origin", "none"].contains(&site);
    }
    let host = text(HOST.as_str()).unwrap_or_default();
    text(ORIGIN.as_str()).is_some_and(|origin| {
        let own = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        own.is_none_or(|own| !own.eq_ignore_ascii_case(host))
    })
}

fn refreshed_token(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get("refreshed-token")?.to_str().ok()?.trim();
    let (scheme, rest) = text.split_once(' ').unwrap_or(("", text));
    Some(if scheme.is_empty() || scheme.eq_ignore_ascii_case("bearer") {
        rest.trim()
    } else {
        text
    })
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(COOKIE).into_iter().filter_map(|header| header.to_str().ok());
    let pairs =
        all.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == "token").map(|(_, value)| value.trim_matches('"')).next()
}

/// A credential that was verified: it names a user, who is still to be looked up.
#[derive(Debug, Clone)]
pub struct VerifiedToken {
    user_id: Uuid,
    kind: Credential,
    step_up: StepUp,
}

/// What kind of credential it was.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A token of the identity provider.
    Token(Box<Claims>),
    /// A token of ours, by which someone acts for the user.
    Delegated(Delegation),
    /// A token of ours for the one who acts, which comes from a delegated one and is no stronger.
    Principal(Delegation),
    /// An API key.
    ApiKey(UsedKey),
}

/// Whom a delegated token was given to, and what for (RFC 8693).
#[derive(Debug, Clone)]
pub struct Delegation {
    /// The token's id.
    pub token_id: Uuid,
    /// The user who delegated: who is acted for.
    pub delegator: Uuid,
    /// The actor.
    pub actor: Uuid,
    /// What for.
    pub scopes: Vec<String>,
    /// The time at which the token was issued, in Unix seconds.
    pub issued_at: i64,
    /// The token's end, in Unix seconds: never after the sign-in of who acts.
    pub expires: i64,
    /// The time at which the actor's own token was issued, where it told so.
    pub signed_in_at: Option<f64>,
}

impl Delegation {
    /// Returns true if it was given for that scope.
    pub fn has(&self, scope: &str) -> bool {
        self.scopes.iter().any(|granted| granted == scope)
    }
}

/// An API key that authenticated.
#[derive(Debug, Clone)]
pub struct UsedKey {
    /// The owner.
    pub owner: Uuid,
    /// The key.
    pub key_id: Uuid,
    /// The SHA-256 of its text, in hexadecimal.
    pub sha256: String,
    /// When it authenticated before, at most ten minutes behind.
    pub last_used_at: Option<Timestamp>,
    /// Whether its scope opens the operator endpoints to a platform operator.
    pub is_operator: bool,
    /// What it may do, as far as its owner may.
    pub permissions: Vec<Permission>,
    /// The platform operator who made it, where the owner did not.
    pub minted_by: Option<Uuid>,
}

impl VerifiedToken {
    /// The user whom the credential names.
    pub fn user_id(&self) -> Uuid {
        self.user_id
    }

    /// The API key, where it was one.
    pub fn used_key(&self) -> Option<&UsedKey> {
        match &self.kind {
            Credential::Token(_) | Credential::Delegated(_) | Credential::Principal(_) => None,
            Credential::ApiKey(used) => Some(used),
        }
    }

    /// The delegation, where it was a delegated token, or one that comes from it.
    pub fn delegation(&self) -> Option<&Delegation> {
        match &self.kind {
            Credential::Delegated(delegation) | Credential::Principal(delegation) => {
                Some(delegation)
            }
            _ => None,
        }
    }

    /// Returns true if it was a token for the one who acts by a delegated one.
    pub fn is_principal(&self) -> bool {
        matches!(self.kind, Credential::Principal(_))
    }

    /// Refuses a token that was issued before its user signed out everywhere.
    ///
    /// # Errors
    /// `TokenRefused`.
    pub(crate) fn require_signed_in(&self, user: &User) -> Result<()> {
        match &self.kind {
            Credential::Token(claims) if user.has_signed_out(claims.iat) => Err(SIGNED_OUT),
            _ => Ok(()),
        }
    }

    /// What kind of credential it was: a text that is the same for all tokens of a sign-in, and for
    /// each key.
    pub fn kind(&self) -> String {
        match &self.kind {
            Credential::Token(_) => "token".to_owned(),
            Credential::Delegated(delegation) => format!("delegated to {}", delegation.actor),
            Credential::Principal(delegation) => format!("delegated by {}", delegation.delegator),
            Credential::ApiKey(used) => format!("key {}", used.key_id),
        }
    }

    /// The credential as entries of history name it.
    pub fn audited(&self) -> AuditCredential {
        let (kind, id, issued_by) = match &self.kind {
            Credential::Token(claims) => {
                (AuditCredentialKind::Token, claims.token_id().map(str::to_owned), None)
            }
            Credential::Delegated(delegation) => (
                AuditCredentialKind::DelegatedToken,
                Some(delegation.token_id.to_string()),
                Some(delegation.delegator),
            ),
            Credential::Principal(delegation) => (
                AuditCredentialKind::PrincipalToken,
                Some(delegation.token_id.to_string()),
                Some(delegation.delegator),
            ),
            Credential::ApiKey(used) => {
                (AuditCredentialKind::ApiKey, Some(used.key_id.to_string()), used.minted_by)
            }
        };
        AuditCredential { kind, id, issued_by }
    }

    /// The token's claims.
    ///
    /// # Errors
    /// `Forbidden` where the credential is an API key, `Delegated` where it is a delegated token,
    /// or one that comes from it.
    pub fn claims(&self) -> Result<&Claims> {
        match &self.kind {
            Credential::Token(claims) => Ok(claims),
            Credential::Delegated(_) | Credential::Principal(_) => Err(Error::Delegated),
            Credential::ApiKey(_) => Err(Error::Forbidden(TOKEN_ONLY)),
        }
    }
}

/// Verifies a credential: a token by its signature and claims, an API key by one strong read.
/// `source` is where the request comes from. A token whose `sub` is no UUID costs one more read in
/// the life of a process, once it is verified.
///
/// # Errors
/// `BadCredential`, or `Unavailable` where the provider's keys or the database cannot be had.
pub async fn verify(
    credential: &str,
    tokens: &TokenVerifier,
    store: &Store,
    source: Option<IpAddr>,
    newcomers: Newcomers,
    now: Timestamp,
) -> Result<VerifiedToken> {
    if !api_key::is_key(credential) {
        return tokens.verify(credential, newcomers, now).await;
    }
    // A mistyped key costs no read.
    let hash =
        api_key::hash(credential).ok_or(Error::BadCredential("the API key's checksum is wrong"))?;
    // Strong, as a revoked key must stop at once.
    let secret: ApiKeySecret = store
        .get(&Key::api_key_secret(&hash), Freshness::Strong)
        .await?
        .ok_or(Error::BadCredential("no such API key"))?;
    if !secret.is_active {
        return Err(Error::BadCredential("the API key is revoked"));
    }
    if secret.expires_at <= now {
        return Err(Error::BadCredential("the API key is expired"));
    }
    if !secret.is_for(source) {
        return Err(Error::BadCredential("the API key may not be used from this address"));
    }
    let used = UsedKey {
        owner: secret.user_id,
        key_id: secret.key_id,
        sha256: hash,
        last_used_at: secret.last_used_at,
        is_operator: secret.scope == OPERATOR_SCOPE,
        permissions: secret.permissions,
        minted_by: secret.minted_by,
    };
    let step_up = tokens.step_up(secret.stepped_up);
    Ok(VerifiedToken { user_id: secret.user_id, kind: Credential::ApiKey(used), step_up })
}

/// A user whose credential was verified and whose account may be used, before it is known what the
/// endpoint requires.
#[derive(Debug, Clone)]
pub struct KnownCaller {
    user: User,
    key: Option<UsedKey>,
    step_up: StepUp,
}

impl KnownCaller {
    /// Looks the caller up, by a strong read: who is suspended or deleted is refused at once, also
    /// by an API key.
    ///
    /// # Errors
    /// `BadCredential` for an unknown user, `TokenRefused` for one who signed out everywhere,
    /// `AccountSuspended`, `AccountDeleted`; `Delegated` for a delegated token, or one that comes
    /// from it.
    pub async fn look_up(store: &Store, token: &VerifiedToken) -> Result<Self> {
        let key = match &token.kind {
            Credential::Delegated(_) | Credential::Principal(_) => return Err(Error::Delegated),
            Credential::Token(_) => None,
            Credential::ApiKey(used) => Some(used.clone()),
        };
        let user = store
            .user(token.user_id, Freshness::Strong)
            .await?
            .ok_or(Error::BadCredential("no such user"))?;
        token.require_signed_in(&user)?;
        usable(&user)?;
        Ok(Self { user, key, step_up: token.step_up })
    }

    /// The record, as it was read for this request.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// The rights that decide whether an earlier answer is given again.
    pub fn rights(&self) -> Rights {
        let operates = operation(&self.user, self.key.as_ref(), self.step_up).is_ok();
        Rights { role: self.user.role, operates }
    }

    /// The caller, where the credential meets the requirement.
    ///
    /// # Errors
    /// `MissingPermission`; `Forbidden` for an API key where it takes a token; `OperatorRequired`;
    /// `StepUpRequired`.
    pub fn require<R: Requirement>(self) -> Result<Caller<R>> {
        self.meets(R::NEEDS)?;
        Ok(Caller {
            user: self.user,
            key: self.key,
            step_up: self.step_up,
            requirement: PhantomData,
        })
    }

    /// Holds the credential against what it must be or have.
    ///
    /// # Errors
    /// As [`Self::require`].
    pub fn meets(&self, needs: Needs) -> Result<()> {
        match (needs, &self.key) {
            (Needs::Permission(permission), Some(key))
                if !key.permissions.contains(&permission) =>
            {
                Err(Error::MissingPermission(permission))
            }
            (Needs::Token | Needs::SteppedUpToken, Some(_)) => Err(Error::Forbidden(TOKEN_ONLY)),
            (Needs::SteppedUpToken, None) => self.step_up.require(),
            (Needs::Operator, key) => operation(&self.user, key.as_ref(), self.step_up),
            (Needs::Metering, None) => operation(&self.user, None, self.step_up),
            (Needs::Metering, Some(key)) => {
                // A user's own key with that permission is of a time when they operated the
                // platform.
                let is_operators = self.user.is_operator || key.minted_by.is_some();
                match is_operators && key.permissions.contains(&Permission::MeteringWrite) {
                    true => self.step_up.require(),
                    false => Err(Error::MissingPermission(Permission::MeteringWrite)),
                }
            }
            _ => Ok(()),
        }
    }
}

/// What an API key is told that does what takes a token.
const TOKEN_ONLY: &str = "An API key cannot do this: sign in and use a token.";

/// Refuses a credential that does not operate the platform.
///
/// # Errors
/// `OperatorRequired`; `StepUpRequired` for a platform operator's without a second factor.
fn operation(user: &User, key: Option<&UsedKey>, step_up: StepUp) -> Result<()> {
    match user.is_operator && key.is_none_or(|key| key.is_operator) {
        true => step_up.require(),
        false => Err(Error::OperatorRequired),
    }
}

/// A user whose account may be used, by a credential that meets the requirement `R`.
#[derive(Debug, Clone)]
pub struct Caller<R> {
    /// The record, as it was read for this request.
    pub user: User,
    key: Option<UsedKey>,
    step_up: StepUp,
    requirement: PhantomData<R>,
}

impl KnownCaller {
    /// The actor, by the principal token that names them and whose delegation was found to hold.
    ///
    /// # Errors
    /// `Delegated` for any other credential, and for another user.
    pub fn of_principal(token: &VerifiedToken, user: User) -> Result<Self> {
        if token.is_principal() && token.user_id == user.id {
            Ok(Self { user, key: None, step_up: token.step_up })
        } else {
            Err(Error::Delegated)
        }
    }

    /// Looks up the user whom a delegated token is for, or one that comes from it, as far as the
    /// delegation holds still: for a delegated token who delegated, for a principal token who acts.
    ///
    /// # Errors
    /// `BadCredential` where the share or the management was taken back, `TokenRefused` where
    /// either of the two signed out everywhere, or either account may not be used.
    pub async fn principal_of(
        store: &Store,
        token: &VerifiedToken,
        delegation: &Delegation,
        own_scopes: &[&str],
    ) -> Result<User> {
        let (user, actor, share) = futures::try_join!(
            store.user(delegation.delegator, Freshness::Strong),
            store.user(delegation.actor, Freshness::Strong),
            store.share_of(delegation.delegator, delegation.actor),
        )?;
        let user = user.ok_or(Error::BadCredential("no such user"))?;
        let granted = granted(&user, delegation.actor, share, own_scopes);
        if !granted
            .is_some_and(|granted| delegation.scopes.iter().all(|scope| granted.contains(scope)))
        {
            return Err(Error::BadCredential("the delegation was taken back"));
        }
        let actor = actor.ok_or(Error::BadCredential("no such actor"))?;
        if user.has_signed_out(Some(delegation.issued_at as f64))
            || actor.has_signed_out(delegation.signed_in_at)
        {
            return Err(SIGNED_OUT);
        }
        usable(&actor)?;
        usable(&user)?;
        Ok(if token.is_principal() { actor } else { user })
    }
}

impl Caller<Operating> {
    /// The caller as a platform operator.
    pub fn operator(&self) -> Operator {
        Operator(())
    }
}

impl<R: Requirement> Caller<R> {
    /// Whether the credential operates the platform.
    pub fn operates(&self) -> bool {
        operation(&self.user, self.key.as_ref(), self.step_up).is_ok()
    }

    /// What the credential may not change, although its owner may.
    pub fn limits(&self) -> Limits {
        // Who operates the platform acts on accounts, not on members of a team of theirs.
        let limited =
            self.key.as_ref().filter(|_| !matches!(R::NEEDS, Needs::Operator | Needs::Metering));
        let limits = |key: &UsedKey| KeyLimits {
            owner: key.owner,
            makes_admins: key.permissions.contains(&Permission::AdminsWrite),
        };
        Limits { key: limited.map(limits), step_up: self.step_up }
    }

    /// Access to the caller's own team, for its administrators.
    ///
    /// # Errors
    /// `Forbidden` for anyone else.
    pub fn team_admin(&self) -> Result<TeamAccess<R>> {
        match self.user.role {
            Role::Admin => Ok(TeamAccess::to(self.user.team_id)),
            _ => Err(Error::Forbidden("Only an administrator of the team may do this.")),
        }
    }

    /// Access to a team, for its administrators and for platform operators.
    ///
    /// # Errors
    /// `Forbidden` for anyone else, whether there is such a team or not.
    pub fn administers(&self, team_id: Uuid) -> Result<TeamAccess<R>> {
        let own = self.user.role == Role::Admin && self.user.team_id == team_id;
        if own || self.operates() {
            Ok(TeamAccess::to(team_id))
        } else {
            Err(Error::not_this_account())
        }
    }

    /// Whether there is any account that the caller administers.
    ///
    /// # Errors
    /// `Forbidden` where there is none.
    pub fn administers_any(&self) -> Result<()> {
        if self.operates() { Ok(()) } else { self.team_admin().map(|_| ()) }
    }

    /// Access to the caller's own team, for those who see all of it: administrators, and operators
    /// with `view_all`.
    pub fn views_team(&self) -> Option<TeamAccess<R>> {
        let all = match self.user.role {
            Role::Admin => true,
            Role::Operator => self.user.view_all,
            Role::Viewer => false,
        };
        all.then_some(TeamAccess::to(self.user.team_id))
    }
}

/// The limits of a credential: changes of members that its owner may make, and it may not.
#[derive(Debug, Clone)]
pub struct Limits {
    key: Option<KeyLimits>,
    step_up: StepUp,
}

#[derive(Debug, Clone)]
struct KeyLimits {
    owner: Uuid,
    makes_admins: bool,
}

/// What an API key is told that would end a person's account.
const ENDS_PERSON: &str =
    "An API key cannot delete a person who has signed up: sign in and use a token.";
/// What an API key is told that would change its owner's place in the team.
const OWN_MEMBERSHIP: &str =
    "An API key cannot change its owner's own membership: sign in and use a token.";

impl Limits {
    /// No limits.
    pub(crate) const NONE: Self = Self { key: None, step_up: StepUp::NotRequired };

    /// Returns true if the installation asks for a second factor, and the credential has one.
    pub(crate) fn is_stepped_up(&self) -> bool {
        self.step_up == StepUp::Done
    }

    /// Holds a change of a user against the limits; `None` is a user who is made.
    ///
    /// # Errors
    /// `MissingPermission` for an administrator who is made or changed without `admins:write`;
    /// `Forbidden` for the key's own owner, and for the end of a person; `StepUpRequired` for a new
    /// administrator, and for the deletion of a member, without a second factor.
    pub fn admit(&self, before: Option<&User>, after: &User) -> Result<()> {
        let is_admin = |user: &User| user.role == Role::Admin;
        let deletes = before
            .is_some_and(|before| !matches!(before.status, Status::Invited | Status::Deleted))
            && after.status == Status::Deleted;
        let grants_admin = is_admin(after) && !before.is_some_and(is_admin);
        if deletes || grants_admin {
            self.step_up.require()?;
        }
        let Some(key) = &self.key else { return Ok(()) };
        let is_same = |before: &User| {
            (before.role, before.status, &before.email, &before.username)
                == (after.role, after.status, &after.email, &after.username)
        };
        // Profiles are another matter.
        if before.is_some_and(is_same) {
            return Ok(());
        }
        if before.is_some_and(|before| before.id == key.owner) {
            return Err(Error::Forbidden(OWN_MEMBERSHIP));
        }
        if !key.makes_admins && (is_admin(after) || before.is_some_and(is_admin)) {
            return Err(Error::MissingPermission(Permission::AdminsWrite));
        }
        if after.status == Status::Deleted && before.is_some_and(is_person) {
            return Err(Error::Forbidden(ENDS_PERSON));
        }
        Ok(())
    }
}

/// Whether a user is a person with an account of their own: neither a machine, nor managed by
/// another, nor still to sign up.
fn is_person(user: &User) -> bool {
    user.account_type == AccountType::User
        && user.manager_id.is_none()
        && user.status != Status::Invited
}

/// What `user` lets `actor` do: all of `own` where the actor manages the user, the scopes of a
/// share where there is one.
pub fn granted(
    user: &User,
    actor: Uuid,
    share: Option<Share>,
    own: &[&str],
) -> Option<Vec<String>> {
    if user.manager_id == Some(actor) {
        return Some(own.iter().map(|scope| (*scope).to_owned()).collect());
    }
    share.map(|share| share.scopes)
}

/// The refusal of a token that a sign-out everywhere ended.
const SIGNED_OUT: Error =
    Error::TokenRefused("This token was issued before a sign-out everywhere. Sign in again.");

/// Refuses an account that may not be used.
fn usable(user: &User) -> Result<()> {
    match user.status {
        Status::Suspended => Err(Error::AccountSuspended),
        Status::Deleted => Err(Error::AccountDeleted),
        Status::Invited | Status::Active => Ok(()),
    }
}

/// Proof that the caller is a platform operator.
#[derive(Debug)]
pub struct Operator(());

/// Proof that the caller may see or change all users of a team, by a credential that meets the
/// requirement `R`.
#[derive(Debug)]
pub struct TeamAccess<R> {
    team_id: Uuid,
    requirement: PhantomData<R>,
}

impl<R> TeamAccess<R> {
    fn to(team_id: Uuid) -> Self {
        Self { team_id, requirement: PhantomData }
    }

    /// The team.
    pub fn team_id(&self) -> Uuid {
        self.team_id
    }
}

/// Something read before it was known whether the caller may see it. It opens only against the
/// proof that they may.
#[derive(Debug)]
pub struct Sealed<T>(T);

impl<T> Sealed<T> {
    pub(crate) fn new(content: T) -> Self {
        Self(content)
    }

    pub(crate) fn into_inner(self) -> T {
        self.0
    }
}
