//! Entity tags (RFC 9110, sections 8.8.3 and 13.1). A user's is `"7-1777714080"`, the version and
//! the last-seen time; that of a list or a count is a hash of the body.

use lambda_http::Body;
use lambda_http::http::header::{CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};
use lambda_http::http::{HeaderMap, HeaderValue, StatusCode};
use shared::models::{NumberedUser, User};
use shared::store::fingerprint;
use shared::{Error, Result, Timestamp};

use crate::{Request, Response};

/// The tag of a user. It changes with everything that answers show: the version, and the last
/// sighting, which is no version.
pub struct Tag(String);

impl Tag {
    fn of(version: u64, seen_at: Option<Timestamp>) -> Self {
        Self(format!("\"{version}-{}\"", seen_at.map_or(0, Timestamp::as_second)))
    }
}

impl From<&User> for Tag {
    fn from(user: &User) -> Self {
        Self::of(user.version, user.last_seen.as_ref().map(|seen| seen.at))
    }
}

impl From<&NumberedUser> for Tag {
    fn from(user: &NumberedUser) -> Self {
        Self::of(user.version, user.seen_at)
    }
}

/// The answer with the user's tag.
pub fn tagged(mut response: Response, tag: impl Into<Tag>) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&tag.into().0) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// The response with a hash of its body as its tag; without the body, as 304, where
/// `If-None-Match` names that tag.
pub fn hashed(request: &Request, response: Response) -> Response {
    let mut hash = match response.body() {
        Body::Text(text) => fingerprint(&[text.as_bytes()]),
        _ => return response,
    };
    hash.truncate(32);
    unless_known(request, response, Tag(format!("\"{hash}\"")))
}

/// The response with that tag; without the body, as 304, where `If-None-Match` names the tag.
pub fn unless_known(request: &Request, mut response: Response, tag: impl Into<Tag>) -> Response {
    let tag = tag.into();
    if is_known(request, &tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::Empty;
        response.headers_mut().remove(CONTENT_TYPE);
    }
    tagged(response, tag)
}

fn is_known(request: &Request, Tag(tag): &Tag) -> bool {
    tags(request.headers(), &IF_NONE_MATCH)
        .any(|candidate| candidate == "*" || candidate.trim_start_matches("W/") == *tag)
}

/// What `If-Match` asks: that the user is still of one of these versions. That they were seen since
/// is no change.
pub struct IfMatch(Option<Vec<String>>);

impl IfMatch {
    /// Reads the header, if it was sent.
    pub fn read(request: &Request) -> Self {
        let sent = request.headers().contains_key(IF_MATCH);
        Self(sent.then(|| {
            tags(request.headers(), &IF_MATCH)
                .map(|tag| tag.split('-').next().unwrap_or_default().to_owned())
                .collect()
        }))
    }

    /// # Errors
    /// `Stale` where the user is of another version.
    pub fn check(&self, user: &User) -> Result<()> {
        let version = format!("\"{}", user.version);
        let named = |tags: &Vec<String>| tags.iter().any(|tag| tag == "*" || *tag == version);
        if self.0.as_ref().is_none_or(named) { Ok(()) } else { Err(Error::Stale) }
    }
}

fn tags<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|value| value.split(',')).map(str::trim)
}
