//! The header `warning` (RFC 7234, section 5.5): it names the fields that a request sent and that its
//! endpoint does not take, so that none is lost without a word.

use std::collections::BTreeMap;

use lambda_http::http::{HeaderName, HeaderValue, header};
use serde_json::value::RawValue;

use crate::request::body;
use crate::{Request, Response};

/// The fields of each endpoint's body, by the endpoint's name, as the description has them.
const FIELDS: &[(&str, &[&str])] = include!(concat!(env!("OUT_DIR"), "/fields.rs"));

const WARNING: HeaderName = header::WARNING;

/// The most fields that a response names: a body of 1 MiB has many.
pub const MAX_NAMED: usize = 20;

/// The most characters of a field's name that are repeated.
const MAX_CHARACTERS: usize = 100;

/// The fields of a body that the endpoint of that name does not take, at most [`MAX_NAMED`].
pub fn not_taken(endpoint: &str, request: &Request) -> Vec<String> {
    let known = FIELDS.iter().find(|(name, _)| *name == endpoint).map_or(&[][..], |found| found.1);
    // The handler refuses a body that is too large.
    let Ok(bytes) = body(request) else { return Vec::new() };
    let mut names = Vec::new();
    if let Ok(fields) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(bytes) {
        let details = fields.get("details").map_or("", |details| details.get());
        let details: BTreeMap<String, &RawValue> =
            serde_json::from_str(details).unwrap_or_default();
        names.extend(details.into_keys().map(|name| format!("details.{name}")));
        names.extend(fields.into_keys());
        // Of a field that is not taken, no part is.
        if !known.contains(&"details") {
            names.retain(|name| !name.starts_with("details."));
        }
    } else if !known.is_empty() {
        // A form; anything else is refused.
        names.extend(form_urlencoded::parse(bytes).map(|(name, _)| name.into_owned()));
    }
    names.retain(|name| !known.contains(&name.as_str()));
    names.truncate(MAX_NAMED);
    names
}

/// The response with a warning that names fields of the body which were not taken, if there are any,
/// and says why. A response that warns of them already stays as it is.
pub fn warned<'a>(
    mut response: Response,
    why: &str,
    fields: impl Iterator<Item = &'a String>,
) -> Response {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || "_-.".contains(*c);
    let plain =
        |name: &String| name.chars().filter(is_plain).take(MAX_CHARACTERS).collect::<String>();
    let names = fields.take(MAX_NAMED).map(plain).collect::<Vec<_>>().join(", ");
    if !names.is_empty()
        && !response.headers().contains_key(WARNING)
        && let Ok(warning) = HeaderValue::from_str(&format!("299 - \"Not taken: {names}. {why}\""))
    {
        response.headers_mut().insert(WARNING, warning);
    }
    response
}
