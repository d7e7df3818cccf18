//! Descriptions that people give of themselves: the metadata that a provider keeps for a user, as a
//! token carries it and as an export has it. Users write it, so that it proves nothing.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::text::{is_name, is_picture};

/// The fields that may have the name, the first that can be used first.
const NAMES: [&str; 2] = ["full_name", "name"];
/// The fields that may have the picture's address.
const PICTURES: [&str; 2] = ["avatar_url", "picture"];

/// The name and the picture that a user's metadata tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The full name.
    pub name: Option<String>,
    /// The picture's address.
    pub avatar_url: Option<String>,
    /// The fields that hold something else than they should.
    pub unusable: Vec<&'static str>,
}

impl Profile {
    /// The names of the fields that are read.
    pub fn fields() -> impl Iterator<Item = &'static str> {
        NAMES.into_iter().chain(PICTURES)
    }

    /// Reads metadata. A field that cannot be used counts as absent.
    pub fn read(metadata: &Value) -> Self {
        let mut profile = Self::default();
        if let Some(fields) = object(metadata) {
            profile.name = profile.first(&fields, NAMES, is_name);
            profile.avatar_url = profile.first(&fields, PICTURES, is_picture);
        }
        profile
    }

    fn first(
        &mut self,
        fields: &Map<String, Value>,
        names: [&'static str; 2],
        may_stand: fn(&str) -> bool,
    ) -> Option<String> {
        for name in names {
            match fields.get(name) {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) if may_stand(text) => return Some(text.clone()),
                Some(Value::String(text)) if text.is_empty() => {}
                Some(_) => self.unusable.push(name),
            }
        }
        None
    }
}

/// The most often that an object is written as a text inside a text.
const MAX_ENCODINGS: usize = 3;

/// Returns the object that a value is, also where it is the text of one, as a CSV has it and as
/// some programs write it twice.
pub fn object(value: &Value) -> Option<Cow<'_, Map<String, Value>>> {
    let mut value = Cow::Borrowed(value);
    for _ in 0..MAX_ENCODINGS {
        match value {
            Cow::Borrowed(Value::Object(fields)) => return Some(Cow::Borrowed(fields)),
            Cow::Owned(Value::Object(fields)) => return Some(Cow::Owned(fields)),
            Cow::Borrowed(Value::String(text)) => {
                value = Cow::Owned(serde_json::from_str(text).ok()?)
            }
            Cow::Owned(Value::String(text)) => {
                value = Cow::Owned(serde_json::from_str(&text).ok()?)
            }
            _ => return None,
        }
    }
    match value {
        Cow::Owned(Value::Object(fields)) => Some(Cow::Owned(fields)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn profile(name: Option<&str>, avatar_url: Option<&str>, unusable: &[&'static str]) -> Profile {
        Profile {
            name: name.map(str::to_owned),
            avatar_url: avatar_url.map(str::to_owned),
            unusable: unusable.to_vec(),
        }
    }

    #[test]
    fn the_first_that_can_be_used_counts() {
        let url = "https://a.example/1.png";
        for (metadata, expected) in [
            (
                json!({"full_name": "Ada King", "name": "ada", "avatar_url": url}),
                profile(Some("Ada King"), Some(url), &[]),
            ),
            (json!({"full_name": "  ", "name": "ada"}), profile(Some("ada"), None, &["full_name"])),
            (json!({"full_name": null, "name": "", "picture": url}), profile(None, Some(url), &[])),
            (
                json!({"avatar_url": "javascript:alert(1)", "name": 7}),
                profile(None, None, &["name", "avatar_url"]),
            ),
            (json!({"name": "\u{202e}"}), profile(None, None, &["name"])),
            (json!(null), Profile::default()),
            (json!([]), Profile::default()),
            (json!("no JSON"), Profile::default()),
        ] {
            assert_eq!(Profile::read(&metadata), expected, "{metadata}");
        }
    }

    #[test]
    fn an_object_is_read_that_was_written_as_a_text() {
        let mut written = json!({"name": "Ada"});
        for times in 0..5 {
            assert_eq!(Profile::read(&written).name.is_some(), times <= 3, "{times}");
            written = Value::String(written.to_string());
        }
    }
}
