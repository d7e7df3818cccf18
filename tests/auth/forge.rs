//! Tokens of every making, signed by hand: what a library would not sign, an attacker does.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use serde_json::{Value, json};

/// The secret of local development.
pub const SECRET: &str = "local-development-secret-do-not-deploy";

/// Base64 as tokens have it: for URLs, without padding.
pub fn base64(bytes: &[u8]) -> String {
    aws_smithy_types::base64::encode(bytes).replace('+', "-").replace('/', "_").replace('=', "")
}

/// The bytes of that base64.
pub fn from_base64(text: &str) -> Vec<u8> {
    let padding = "=".repeat((4 - text.len() % 4) % 4);
    let text = text.replace('-', "+").replace('_', "/") + &padding;
    aws_smithy_types::base64::decode(text).expect("base64")
}

/// A token of any header and payload, signed by `sign`.
pub fn token(header: &Value, payload: &[u8], sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", base64(header.to_string().as_bytes()), base64(payload));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", base64(&signature))
}

/// An HMAC, by one of the three hashes.
pub fn hmac(algorithm: hmac::Algorithm, key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, key), message).as_ref().to_vec()
}

/// A token of the local secret.
pub fn hs256(header: &Value, payload: &[u8]) -> String {
    token(header, payload, |message| hmac(hmac::HMAC_SHA256, SECRET.as_bytes(), message))
}

/// A private key of the identity provider.
pub enum Private {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Private {
    pub fn rsa() -> Self {
        Self::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key")))
    }

    pub fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a P-256 key"))
    }

    pub fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().expect("an Ed25519 key"))
    }

    /// The algorithm that goes with it.
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    /// A signature by that algorithm; an RSA key signs by `RS512` and `PS256` too.
    pub fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature).expect("signed");
                signature
            }
            Self::P256(pair) => {
                pair.sign(&SystemRandom::new(), message).expect("signed").as_ref().to_vec()
            }
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// A token of these claims, naming `kid` where there is one.
    pub fn token(&self, kid: Option<&str>, claims: &Value) -> String {
        self.token_by(self.algorithm(), kid, claims)
    }

    /// The same, by an algorithm of the caller's choice.
    pub fn token_by(&self, algorithm: &str, kid: Option<&str>, claims: &Value) -> String {
        let mut header = json!({"alg": algorithm, "typ": "JWT"});
        if let Some(kid) = kid {
            header["kid"] = kid.into();
        }
        self.token_with(&header, claims)
    }

    /// The same, under a header of the caller's choice.
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let algorithm = header["alg"].as_str().unwrap_or_default();
        token(header, claims.to_string().as_bytes(), |message| self.sign(algorithm, message))
    }

    /// The public key as a JWK with that `kid`, without `use` and `alg`.
    pub fn jwk(&self, kid: &str) -> Value {
        match self {
            Self::Rsa(pair) => {
                // RFC 8017, A.1.1: a sequence of the modulus, with a leading zero byte, and the
                // exponent.
                let der = pair.public_key().as_ref();
                let (modulus, exponent) = (&der[9..265], &der[267..]);
                assert_eq!(exponent, [1, 0, 1], "65537");
                json!({"kty": "RSA", "kid": kid, "n": base64(modulus), "e": base64(exponent)})
            }
            Self::P256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": base64(x), "y": base64(y)})
            }
            Self::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": base64(pair.public_key().as_ref())})
            }
        }
    }

    /// Every text in which an attacker may have the public key of an RSA pair.
    pub fn public_texts(&self, kid: &str) -> Vec<(&'static str, Vec<u8>)> {
        let Self::Rsa(pair) = self else { return Vec::new() };
        let der: PublicKeyX509Der = pair.public_key().as_der().expect("a public key in DER");
        let lines: Vec<_> = aws_smithy_types::base64::encode(&*der)
            .into_bytes()
            .chunks(64)
            .map(<[u8]>::to_vec)
            .collect();
        let pem = [
            &b"-----BEGIN PUBLIC KEY-----\n"[..],
            &lines.join(&b'\n'),
            b"\n-----END PUBLIC KEY-----",
        ]
        .concat();
        let jwk = self.jwk(kid);
        vec![
            ("DER", der.as_ref().to_vec()),
            ("DER of PKCS 1", pair.public_key().as_ref().to_vec()),
            ("PEM", [&pem[..], b"\n"].concat()),
            ("PEM without the last line break", pem),
            ("JWK", jwk.to_string().into_bytes()),
            ("modulus", pair.public_key().as_ref()[9..265].to_vec()),
            ("modulus in base64", jwk["n"].as_str().unwrap_or_default().as_bytes().to_vec()),
            ("nothing", b"\0".to_vec()),
        ]
    }
}
