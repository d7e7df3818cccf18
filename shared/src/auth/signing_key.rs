//! The key pair that signs Roster's own tokens: Ed25519 (RFC 8037).
//!
//! The private half exists in the functions that sign alone. They publish the public half in the
//! table, where every function that verifies reads it: so none of those can forge a token.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use aws_smithy_types::base64;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The beginning of every `kid` of Roster's own. Without it a provider's `kid`, which may be a
/// thumbprint too, could be taken for one.
const KID_PREFIX: &str = "roster-";
/// The characters of a SHA-256 in base64url.
const THUMBPRINT_LENGTH: usize = 43;

/// Both halves of the key pair.
pub struct SigningKey {
    /// Signs.
    pub(super) encoding: EncodingKey,
    /// The half that is published.
    pub public: PublicSigningKey,
}

/// The public half, as the table holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicSigningKey {
    /// The `kid` of the tokens that it verifies: a prefix, and the key's thumbprint (RFC 7638).
    pub kid: String,
    /// The key in base64url (RFC 8037, section 2).
    pub x: String,
    /// When the version of the secret was made that the key comes from, in milliseconds since 1970;
    /// 0 where that is not known. A key never replaces one of a newer secret.
    pub secret_created_at: i64,
}

impl SigningKey {
    /// The key pair of a seed.
    ///
    /// # Errors
    /// An internal error, which no seed causes.
    pub fn from_seed(seed: &[u8; 32], secret_created_at: i64) -> Result<Self> {
        let failed = || Error::internal("no key pair could be made");
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| failed())?;
        let private = pair.to_pkcs8v1().map_err(|_| failed())?;
        let x = base64url(pair.public_key().as_ref());
        let public = PublicSigningKey { kid: kid(&x), x, secret_created_at };
        Ok(Self { encoding: EncodingKey::from_ed_der(private.as_ref()), public })
    }
}

impl PublicSigningKey {
    /// The key, as it verifies.
    pub(super) fn decoding(&self) -> Result<DecodingKey> {
        DecodingKey::from_ed_components(&self.x).map_err(Error::internal)
    }
}

/// Returns true if a `kid` has the form of Roster's own.
pub(super) fn is_own_kid(kid: &str) -> bool {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    kid.strip_prefix(KID_PREFIX)
        .is_some_and(|rest| rest.len() == THUMBPRINT_LENGTH && rest.bytes().all(is_base64url))
}

fn kid(x: &str) -> String {
    // RFC 7638, section 3: the required members in the order of their names, without blanks.
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    format!("{KID_PREFIX}{}", base64url(digest::digest(&digest::SHA256, jwk.as_bytes()).as_ref()))
}

/// Base64 for URLs, without padding (RFC 7515, section 2).
pub(super) fn base64url(bytes: &[u8]) -> String {
    base64::encode(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_its_kid_are_those_of_rfc_8037() {
        // Appendix A.1 to A.3.
        let seed = base64::decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
        let key = SigningKey::from_seed(&seed.try_into().unwrap(), 7).unwrap().public;
        assert_eq!(key.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.kid, "roster-kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert!(is_own_kid(&key.kid) && key.decoding().is_ok());
    }

    #[test]
    fn only_a_thumbprint_behind_the_prefix_has_the_form() {
        let good = "roster-kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
        assert!(is_own_kid(good));
        let others = ["", "roster-", "roster-1", &good[1..], &good[7..], &good[..49]];
        for other in others
            .map(str::to_owned)
            .into_iter()
            .chain([format!("{good}a"), good.replace('_', "=")])
        {
            assert!(!is_own_kid(&other), "{other}");
        }
    }
}
