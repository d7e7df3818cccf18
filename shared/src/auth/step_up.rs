//! Step-up: the second factor that an installation may ask for before what is hard to take back.

use serde_json::Value;

use crate::error::{Error, Result};

/// The state of a credential's second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepUp {
    /// The installation asks for none.
    NotRequired,
    /// The credential has none.
    Missing,
    /// The token tells of one, or the API key was made by a credential that had one.
    Done,
}

impl StepUp {
    /// The state of a credential where these factors count; no factors is an installation that asks
    /// for none.
    pub(super) fn of(factors: &[String], has_factor: bool) -> Self {
        match (factors, has_factor) {
            ([], _) => Self::NotRequired,
            (_, true) => Self::Done,
            (_, false) => Self::Missing,
        }
    }

    /// Refuses a credential that lacks a second factor.
    ///
    /// # Errors
    /// `StepUpRequired`.
    pub(super) fn require(self) -> Result<()> {
        if self == Self::Missing { Err(Error::StepUpRequired) } else { Ok(()) }
    }
}

/// Returns true if a token's claims tell of a second factor: `aal` is `aal2`, or `amr` has one of
/// the factors. `amr` holds texts (RFC 8176), or objects with a `method` (Supabase).
pub(super) fn has_factor(aal: Option<&Value>, amr: Option<&Value>, factors: &[String]) -> bool {
    let counts = |method: &Value| {
        let name = method.as_str().or_else(|| method.get("method")?.as_str());
        name.is_some_and(|name| factors.iter().any(|factor| factor == name))
    };
    let methods = amr.and_then(Value::as_array);
    aal.is_some_and(|aal| aal == "aal2")
        || methods.is_some_and(|methods| methods.iter().any(counts))
}
