//! Roster's own tokens as whoever has a secret could sign them. Nothing of it is Roster's code, but
//! for the derivation of a key.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, OctetKeyPairParameters,
    OctetKeyPairType, ThumbprintHash,
};
use serde_json::Value;
use shared::secrets::Secret;

/// The local server's `SIGNING_SECRET`.
pub const SIGNING_SECRET: &str = "local-signing-secret-do-not-deploy";

/// The key pair that comes from a secret.
pub struct OwnKey {
    /// The pair.
    pub pair: Ed25519KeyPair,
    /// The public key in base64url.
    pub x: String,
    /// The `kid` of its tokens.
    pub kid: String,
}

impl OwnKey {
    /// The key pair of a `SIGNING_SECRET`.
    pub fn of(secret: &str) -> Self {
        let seed =
            Secret::new(secret).derive("signing key of own tokens (Ed25519)", &[]).expect("a seed");
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("a key pair");
        let x = base64url(pair.public_key());
        let parameters = OctetKeyPairParameters {
            key_type: OctetKeyPairType::OctetKeyPair,
            curve: EllipticCurve::Ed25519,
            x: x.clone(),
        };
        let jwk = Jwk {
            common: CommonParameters::default(),
            algorithm: AlgorithmParameters::OctetKeyPair(parameters),
        };
        let kid =
            format!("roster-{}", jwk.thumbprint(ThumbprintHash::SHA256).expect("a thumbprint"));
        Self { pair, x, kid }
    }

    /// A token of any header and claims, signed by this key.
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        self.sign(&format!("{}.{}", base64url(header.to_string()), base64url(claims.to_string())))
    }

    /// The first two parts of a token with this key's signature.
    pub fn sign(&self, message: &str) -> String {
        format!("{message}.{}", base64url(self.pair.sign(message.as_bytes())))
    }
}

/// Base64 as tokens have it: for URLs, without padding.
pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    aws_smithy_types::base64::encode(bytes).replace('+', "-").replace('/', "_").replace('=', "")
}

/// The claims of a token, unverified.
pub fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("three parts").replace('-', "+").replace('_', "/");
    let padded = format!("{part}{}", "=".repeat((4 - part.len() % 4) % 4));
    serde_json::from_slice(&aws_smithy_types::base64::decode(padded).expect("base64"))
        .expect("JSON")
}
