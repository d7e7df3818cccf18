//! Everything that can go wrong with a request, once for all contracts. Each contract renders it in
//! its own body.

use std::fmt;

use crate::models::Permission;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request was refused or failed. What it shows (`Display`) is for the caller; causes are for
/// the log alone.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No credential came with the request.
    #[error("This request needs a credential: send `Authorization: Bearer <token or API key>`.")]
    NotAuthenticated,
    /// A credential came and was refused; the reason is for the log.
    #[error(
        "The credential was refused. It may be expired, revoked or meant for another service: get a new one."
    )]
    BadCredential(&'static str),
    /// A credential is genuine, and not let in; the text says why.
    #[error("{0}")]
    TokenRefused(&'static str),
    /// The caller's account is suspended.
    #[error("This account is suspended. Ask an operator to lift the suspension.")]
    AccountSuspended,
    /// The caller's account is soft-deleted.
    #[error("This account is deleted. It can be restored until its data is erased.")]
    AccountDeleted,
    /// The credential is a delegated token, or a principal token, which open little.
    #[error(
        "A delegated token, or one that comes from it, may not do this. Sign in and use that token."
    )]
    Delegated,
    /// The API key lacks a permission.
    #[error(
        "This API key lacks the permission `{0}`. Use a key that has it, or sign in and use a token."
    )]
    MissingPermission(Permission),
    /// The installation asks for a second factor for this, and the credential has none.
    #[error("This takes a second factor. Sign in with one, and use that token.")]
    StepUpRequired,
    /// The endpoint is for platform operators.
    #[error(
        "Only a platform operator may do this, with a token or an API key of the scope `operator`."
    )]
    OperatorRequired,
    /// The caller may not do this; the text says what it takes.
    #[error("{0}")]
    Forbidden(&'static str),
    /// There is no such thing, or none that the caller may see.
    #[error("{0}")]
    NotFound(String),
    /// There is no such account.
    #[error("There is no such account. Check the id.")]
    AccountNotFound,
    /// The account is not soft-deleted, which this takes.
    #[error("This takes a soft-deleted account, and this one is not deleted.")]
    AccountNotDeleted,
    /// The request collides with what is there.
    #[error("{0}")]
    Conflict(String),
    /// The email that the token vouches for is not proven.
    #[error(
        "The identity provider says that this email is not verified. Verify it and sign in again."
    )]
    EmailNotVerified,
    /// The account has resources in use, which must go first.
    #[error("{0}")]
    ActiveResources(String),
    /// The record changed since the caller read it: `If-Match` names an older version.
    #[error(
        "The record has changed since you read it. Read it again, and repeat the change with its new ETag."
    )]
    Stale,
    /// The `Idempotency-Key` belongs to a request with another path or body.
    #[error(
        "This Idempotency-Key was used for another request within the last 24 hours. Use a new key for a new request."
    )]
    KeyReused,
    /// A quota of the team is used up: the figure, and the seconds until there is more, where that
    /// is known.
    #[error("{0}")]
    QuotaExceeded(String, Option<i64>),
    /// The caller sent more requests in this minute than one may; the seconds until the next.
    #[error("You have sent too many requests in this minute. Try again in {0} seconds.")]
    TooManyRequests(i64),
    /// The request was answered before: not an error, but its first answer, to be given again.
    #[error("the request was answered before")]
    Answered(Box<crate::Response>),
    /// One or more inputs are wrong.
    #[error("{}", list(.0))]
    Invalid(Vec<Issue>),
    /// The database refused for now: throttled, unreachable or too slow.
    #[error("The service is busy. Try again in a moment.")]
    Unavailable(#[source] Cause),
    /// A fault of ours.
    #[error(
        "Something went wrong on our side. Try again, and tell us the request id if it persists."
    )]
    Internal(#[source] Cause),
}

/// A private cause: logged, never shown.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

impl Error {
    /// One wrong input.
    pub fn invalid(issue: Issue) -> Self {
        Self::Invalid(vec![issue])
    }

    /// A path that is no endpoint's.
    pub fn no_such_endpoint() -> Self {
        Self::NotFound("There is no such endpoint. Check the method and the path.".into())
    }

    /// An account that the caller may not see, or that does not exist: nobody learns which.
    pub fn not_this_account() -> Self {
        Self::Forbidden("You may not see this account, or there is none of that id.")
    }

    /// An API key's id that is none of the caller's.
    pub fn no_such_key() -> Self {
        Self::NotFound("You have no key of that id. GET /v1/keys lists yours.".into())
    }

    /// A sandbox's id that is none of the owner's.
    pub fn no_such_sandbox() -> Self {
        Self::NotFound("There is no sandbox of that id.".into())
    }

    /// A fault of ours, with its cause.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }
}

fn list(issues: &[Issue]) -> String {
    issues.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Where in the request a wrong input stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A path parameter.
    Path,
    /// A query parameter.
    Query,
    /// A body field.
    Body,
    /// A header.
    Header,
    /// The credential: a claim of the token.
    Token,
}

impl Place {
    /// `path`, `query`, `body`, `header` or `token`.
    pub fn as_str(self) -> &'static str {
        match self {
            Place::Path => "path",
            Place::Query => "query",
            Place::Body => "body",
            Place::Header => "header",
            Place::Token => "token",
        }
    }
}

/// What is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is required and was not sent.
    Missing,
    /// It is not among the parameters of this endpoint.
    Unknown,
    /// It was sent more than once.
    Repeated,
    /// The body is not JSON.
    NotJson,
    /// It is not of this type: `a string`, `an object`.
    NotA(&'static str),
    /// It is not an integer from `min` to `max`.
    NotAnInteger {
        /// The least that is accepted.
        min: i64,
        /// The most that is accepted.
        max: i64,
    },
    /// It is none of these values.
    NotOneOf(&'static [&'static str]),
    /// It has more than so many characters.
    TooLong(usize),
    /// It is empty or blank.
    Blank,
    /// More than so many values were sent.
    TooMany(usize),
    /// It holds a permission that the role of the key's owner does not allow.
    BeyondRole(Permission),
    /// It was not sent, and all together is more than one response holds.
    TooLarge,
    /// It is no time to come, or is further ahead than so many days.
    NotWithinDays(u32),
}

/// One wrong input.
#[derive(Debug, Clone, PartialEq)]
pub struct Issue {
    /// Where it stands.
    pub place: Place,
    /// The parameter or field; empty for the whole body.
    pub name: String,
    /// What is wrong.
    pub fault: Fault,
    /// What was sent, where the contract repeats it.
    pub sent: Option<String>,
}

impl Issue {
    /// A wrong input by its place and name.
    pub fn new(place: Place, name: impl Into<String>, fault: Fault) -> Self {
        Self { place, name: name.into(), fault, sent: None }
    }

    /// The same, repeating what was sent.
    pub fn sent(mut self, sent: impl Into<String>) -> Self {
        self.sent = Some(sent.into());
        self
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name.as_str(), self.place) {
            ("", _) => write!(formatter, "The request body ")?,
            (name, Place::Body) => write!(formatter, "The field `{name}` ")?,
            (name, Place::Header) => write!(formatter, "The header `{name}` ")?,
            (name, Place::Token) => write!(formatter, "The token's claim `{name}` ")?,
            (name, _) => write!(formatter, "The parameter `{name}` ")?,
        }
        write!(formatter, "{}.", self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Missing => write!(formatter, "is required"),
            Fault::Unknown => write!(formatter, "is not known here"),
            Fault::Repeated => write!(formatter, "may be given only once"),
            Fault::NotJson => write!(formatter, "must be valid JSON"),
            Fault::NotA(what) => write!(formatter, "must be {what}"),
            Fault::NotAnInteger { min, max } => {
                write!(formatter, "must be an integer from {min} to {max}")
            }
            Fault::NotOneOf(values) => write!(formatter, "must be one of {}", values.join(", ")),
            Fault::TooLong(most) => write!(formatter, "may have at most {most} characters"),
            Fault::Blank => write!(formatter, "may not be empty"),
            Fault::TooMany(most) => write!(formatter, "may be given at most {most} times"),
            Fault::BeyondRole(permission) => {
                write!(
                    formatter,
                    "may hold only what the role of the key's owner allows, and that is not `{permission}`"
                )
            }
            Fault::TooLarge => {
                write!(
                    formatter,
                    "is required, as all of it is more than one response holds: ask for pages with `limit` and `cursor`"
                )
            }
            Fault::NotWithinDays(most) => {
                write!(
                    formatter,
                    "must be a time to come, at most {most} days ahead, as 2030-01-01T00:00:00Z"
                )
            }
        }
    }
}
