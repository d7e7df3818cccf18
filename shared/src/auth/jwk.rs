//! Public keys of a key set (RFC 7517), as they verify.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use super::jws::{Jws, algorithm, from_base64url};
use super::signing_key::base64url;

/// The bytes of a coordinate of P-256.
const COORDINATE: usize = 32;
/// The fewest bytes of an RSA modulus: 2048 bits (RFC 7518, section 3.3).
const MIN_MODULUS: usize = 256;

/// A public key, and the one algorithm it verifies.
pub(super) struct PublicKey {
    kid: Option<String>,
    algorithm: Algorithm,
    decoding: DecodingKey,
}

impl PublicKey {
    /// The key of a JWK by RS256, ES256 or EdDSA. Never a symmetric one.
    ///
    /// # Errors
    /// Says why there is none.
    pub(super) fn read(jwk: &Value) -> Result<Self, String> {
        if !jwk.is_object() {
            return Err("it is not a JSON object".to_owned());
        }
        let text = |name: &str| match &jwk[name] {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.as_str())),
            _ => Err(format!("its `{name}` is not text")),
        };
        if let Some(usage) = text("use")?.filter(|usage| *usage != "sig") {
            return Err(format!("its `use` is {usage:?}, not \"sig\""));
        }
        if jwk["key_ops"].as_array().is_some_and(|all| !all.iter().any(|one| one == "verify")) {
            return Err("its `key_ops` do not have \"verify\"".to_owned());
        }
        let own = match (text("kty")?, text("crv")?) {
            (Some("RSA"), _) => Algorithm::RS256,
            (Some("EC"), Some("P-256")) => Algorithm::ES256,
            (Some("OKP"), Some("Ed25519")) => Algorithm::EdDSA,
            (kty, crv) => {
                let shown =
                    |word: Option<&str>| word.map_or("none".to_owned(), |word| format!("{word:?}"));
                return Err(format!("its `kty` is {} and its `crv` {}", shown(kty), shown(crv)));
            }
        };
        if let Some(alg) = text("alg")?.filter(|alg| algorithm(alg) != Some(own)) {
            return Err(format!("its `alg` is {alg:?}, which Roster does not take of such a key"));
        }
        let kid = text("kid")?.map(str::to_owned);
        let bytes = |name: &str| {
            let bytes = text(name)?.and_then(|text| from_base64url(text.trim_end_matches('=')));
            bytes.ok_or_else(|| format!("its `{name}` is not base64"))
        };
        let decoding = match own {
            Algorithm::RS256 => {
                let (modulus, exponent) = (number(&bytes("n")?), number(&bytes("e")?));
                if modulus.len() < MIN_MODULUS || exponent.is_empty() {
                    return Err("it has fewer than 2048 bits".to_owned());
                }
                DecodingKey::from_rsa_raw_components(&modulus, &exponent)
            }
            Algorithm::ES256 => {
                let (x, y) = (coordinate(&bytes("x")?)?, coordinate(&bytes("y")?)?);
                let point = [&[4][..], &x, &y].concat();
                let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point);
                parsed.map_err(|_| "it is no point of its curve".to_owned())?;
                let decoding = DecodingKey::from_ec_components(&base64url(&x), &base64url(&y));
                decoding.map_err(|error| error.to_string())?
            }
            _ => {
                let x = bytes("x")?;
                let parsed = ParsedPublicKey::new(&ED25519, &x);
                parsed.map_err(|_| "it is no point of its curve".to_owned())?;
                let decoding = DecodingKey::from_ed_components(&base64url(&x));
                decoding.map_err(|error| error.to_string())?
            }
        };
        Ok(Self { kid, algorithm: own, decoding })
    }

    /// Returns true if a token may be this key's, by its algorithm and the key that it names.
    pub(super) fn may_have_signed(&self, token: &Jws<'_>) -> bool {
        let is_named = token.kid.is_none() || token.kid == self.kid;
        is_named && token.algorithm == Some(self.algorithm)
    }

    /// Returns true if the key signed the token.
    pub(super) fn verifies(&self, token: &Jws<'_>) -> bool {
        token.is_signed_by(&self.decoding, self.algorithm)
    }
}

/// A number's bytes without leading zeros, which some publishers add.
fn number(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().skip_while(|byte| *byte == 0).collect()
}

/// A coordinate in its 32 bytes (RFC 7518, section 6.2.1.2), whatever zeros are missing or extra.
fn coordinate(bytes: &[u8]) -> Result<[u8; COORDINATE], String> {
    let number = number(bytes);
    let mut padded = [0; COORDINATE];
    let start = COORDINATE.checked_sub(number.len());
    let start = start.ok_or("it has a coordinate of more than 32 bytes")?;
    padded[start..].copy_from_slice(&number);
    Ok(padded)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 7515, appendix A.3.1.
    fn p256() -> Value {
        json!({
            "kty": "EC", "crv": "P-256", "kid": "k",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        })
    }

    #[test]
    fn why_a_key_is_left_out_is_told() {
        assert!(PublicKey::read(&p256()).is_ok());
        let small = base64url(&[1; 128]);
        for (changes, reason) in [
            (json!({"use": "enc"}), "its `use` is \"enc\", not \"sig\""),
            (json!({"key_ops": ["encrypt"]}), "its `key_ops` do not have \"verify\""),
            (json!({"crv": "P-384"}), "its `kty` is \"EC\" and its `crv` \"P-384\""),
            (json!({"kty": "oct", "crv": null}), "its `kty` is \"oct\" and its `crv` none"),
            (
                json!({"alg": "ES512"}),
                "its `alg` is \"ES512\", which Roster does not take of such a key",
            ),
            (json!({"kid": 5}), "its `kid` is not text"),
            (json!({"x": "!"}), "its `x` is not base64"),
            (json!({"x": null}), "its `x` is not base64"),
            (json!({"x": "AQ"}), "it is no point of its curve"),
            (json!({"x": base64url(&[1; 33])}), "it has a coordinate of more than 32 bytes"),
            (json!({"kty": "RSA", "n": small, "e": "AQAB"}), "it has fewer than 2048 bits"),
        ] {
            let mut jwk = p256();
            for (name, value) in changes.as_object().unwrap() {
                jwk[name] = value.clone();
            }
            assert_eq!(PublicKey::read(&jwk).err().as_deref(), Some(reason), "{changes}");
        }
        let reason = PublicKey::read(&json!("key")).err();
        assert_eq!(reason.as_deref(), Some("it is not a JSON object"));
    }
}
