//! API keys: `ns_live_`, 40 hexadecimal digits (160 random bits) and a checksum of 8 more. Only the
//! SHA-256 is stored.

use std::fmt;

use aws_lc_rs::{digest, rand};

const PREFIX: &str = "ns_live_";
const RANDOM_BYTES: usize = 20;

/// The text of a new API key, shown once to its owner. Debug output hides it.
pub struct KeyText(String);

impl KeyText {
    /// A new key.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn generate() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut random = [0; RANDOM_BYTES];
        rand::fill(&mut random)?;
        Ok(Self::from_random(random))
    }

    /// The key of those random bytes: for demo data, whose keys are the same everywhere.
    pub fn from_random(random: [u8; RANDOM_BYTES]) -> Self {
        let body = format!("{PREFIX}{}", hexadecimal(&random));
        let checksum = crc32(body.as_bytes());
        Self(format!("{body}{checksum:08x}"))
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The first 12 characters, by which its owner recognises it.
    pub fn prefix(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyText({}…)", self.prefix())
    }
}

/// Whether a credential looks like an API key rather than a token.
pub fn is_key(credential: &str) -> bool {
    credential.starts_with("ns_")
}

/// The SHA-256 of a key in hexadecimal; none where its form or checksum is wrong.
pub fn hash(key: &str) -> Option<String> {
    let body_length = PREFIX.len() + 2 * RANDOM_BYTES;
    let (body, checksum) = key.split_at_checked(body_length)?;
    let well_formed =
        body.starts_with(PREFIX) && checksum == format!("{:08x}", crc32(body.as_bytes()));
    well_formed.then(|| hexadecimal(digest::digest(&digest::SHA256, key.as_bytes()).as_ref()))
}

/// The checksum of ISO 3309, bit by bit: a key is short, and the tables of a faster one are not.
fn crc32(bytes: &[u8]) -> u32 {
    let shift = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| shift(crc)))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_hashes_and_any_other_text_does_not() {
        let key = KeyText::generate().unwrap();
        assert!(is_key(key.reveal()));
        assert_eq!(key.reveal().len(), 56);
        assert_eq!(hash(key.reveal()).unwrap().len(), 64);
        for place in 0..key.reveal().len() {
            let mut mistyped = key.reveal().to_owned().into_bytes();
            mistyped[place] = if mistyped[place] == b'0' { b'1' } else { b'0' };
            assert_eq!(hash(std::str::from_utf8(&mistyped).unwrap()), None, "at {place}");
        }
        for text in [
            "",
            "ns_",
            "ns_live_",
            &key.reveal()[..55],
            "ns_live_ééééééééééééééééééééééééééééééééééééé",
        ] {
            assert_eq!(hash(text), None);
        }
        assert_eq!(format!("{key:?}"), format!("KeyText({}…)", &key.reveal()[..12]));
    }
}
