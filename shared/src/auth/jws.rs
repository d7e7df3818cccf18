//! Signed tokens in their compact form (RFC 7515): three parts of base64 with dots between them.

use aws_smithy_types::base64;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};

/// A token that is yet to be verified: its header only says which key to try.
pub(super) struct Jws<'a> {
    /// The algorithm that the header names; none for one that is never taken.
    pub(super) algorithm: Option<Algorithm>,
    /// The name of the key.
    pub(super) kid: Option<String>,
    /// The parts that are signed.
    message: &'a str,
    payload: &'a str,
    signature: &'a str,
}

/// The members of a header that are read. The others, such as keys that a token brings along, are
/// never looked at.
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

impl<'a> Jws<'a> {
    /// Reads the header of a token.
    ///
    /// # Errors
    /// `BadCredential` for a text that is no token, and for one with a critical extension.
    pub(super) fn read(token: &'a str) -> Result<Self> {
        let no_token = || Error::BadCredential("not a token");
        let (message, signature) = token.rsplit_once('.').ok_or_else(no_token)?;
        let (header, payload) = message.split_once('.').ok_or_else(no_token)?;
        if payload.contains('.') {
            return Err(no_token());
        }
        let header: Header = read_part(header).ok_or_else(no_token)?;
        // RFC 7515, section 4.1.11: extensions that we do not know, and there is none that we know,
        // must not be passed over.
        if header.crit.is_some() {
            return Err(Error::BadCredential("critical header"));
        }
        let algorithm = algorithm(&header.alg);
        Ok(Self { algorithm, kid: header.kid, message, payload, signature })
    }

    /// Returns true if the key signed it by that algorithm.
    pub(super) fn is_signed_by(&self, key: &DecodingKey, algorithm: Algorithm) -> bool {
        let outcome = crypto::verify(self.signature, self.message.as_bytes(), key, algorithm);
        outcome.unwrap_or(false)
    }

    /// The claims, for after the signature is verified.
    ///
    /// # Errors
    /// `BadCredential` where they are not of the form.
    pub(super) fn claims<T: DeserializeOwned>(&self) -> Result<T> {
        read_part(self.payload).ok_or(Error::BadCredential("malformed"))
    }
}

/// The algorithm of a name. `Ed25519` is EdDSA by that curve (RFC 9864).
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "HS256" => Some(Algorithm::HS256),
        "RS256" => Some(Algorithm::RS256),
        "ES256" => Some(Algorithm::ES256),
        "EdDSA" | "Ed25519" => Some(Algorithm::EdDSA),
        _ => None,
    }
}

fn read_part<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&from_base64url(part)?).ok()
}

/// The bytes of base64 for URLs, without padding (RFC 7515, section 2).
pub(super) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    if text.contains(['+', '/', '=']) {
        return None;
    }
    let padding = "=".repeat((4 - text.len() % 4) % 4);
    base64::decode(text.replace('-', "+").replace('_', "/") + &padding).ok()
}
