//! Reading what a request brings: path, query and body.

use std::borrow::Cow;

use lambda_http::http::{HeaderValue, header};
use lambda_http::{Body, RequestExt};
use serde_json::{Map, Value};
use shared::models::parse_id;
use shared::text::{MOST_EMAIL, is_email, is_readable};
use shared::{Error, Fault, Issue, Place, Result};
use uuid::Uuid;

use crate::{Request, Response};

/// The largest body that is read, in bytes: no contract needs more.
const MOST_BODY_BYTES: usize = 1024 * 1024;

/// A path parameter as sent.
pub fn path_parameter(request: &Request, name: &str) -> String {
    request
        .path_parameters_ref()
        .and_then(|parameters| parameters.first(name))
        .unwrap_or_default()
        .to_owned()
}

/// A path parameter that is an id; none where it cannot be one.
pub fn path_id(request: &Request, name: &str) -> Option<Uuid> {
    parse_id(&path_parameter(request, name))
}

/// The query parameters in their order, decoded.
pub fn query(request: &Request) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).collect()
}

/// An integer from `min` to `max`, written in digits alone.
pub fn integer(place: Place, name: &str, text: &str, min: i64, max: i64) -> Result<i64, Issue> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let value =
        if digits { text.parse().ok().filter(|value| (min..=max).contains(value)) } else { None };
    value.ok_or_else(|| Issue::new(place, name, Fault::NotAnInteger { min, max }).sent(text))
}

/// The body as it was sent, however long.
pub fn sent_bytes(request: &Request) -> &[u8] {
    match request.body() {
        Body::Text(text) => text.as_bytes(),
        Body::Binary(bytes) => bytes,
        _ => &[],
    }
}

/// The body's bytes, of which 1 MiB is read at most.
pub fn body(request: &Request) -> Result<&[u8]> {
    let bytes = sent_bytes(request);
    if bytes.len() > MOST_BODY_BYTES {
        return Err(Error::invalid(Issue::new(Place::Body, "", Fault::TooLong(MOST_BODY_BYTES))));
    }
    Ok(bytes)
}

/// The body as a JSON object; an empty one where there is no body, for endpoints whose fields may
/// all be left out.
pub fn optional_json_object(request: &Request) -> Result<Map<String, Value>> {
    if body(request)?.is_empty() { Ok(Map::new()) } else { json_object(request) }
}

/// The body as a JSON object.
pub fn json_object(request: &Request) -> Result<Map<String, Value>> {
    object(body(request)?)
}

/// The body as a JSON object, which a mark of the byte order may stand before.
pub fn marked_json_object(request: &Request) -> Result<Map<String, Value>> {
    let bytes = body(request)?;
    object(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>> {
    let wrong = |fault| Error::invalid(Issue::new(Place::Body, "", fault));
    if bytes.is_empty() {
        return Err(wrong(Fault::Missing));
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(wrong(Fault::NotA("an object"))),
        Err(_) => Err(wrong(Fault::NotJson)),
    }
}

/// The body's fields, from a form or a JSON object; a body of no stated type is taken by its look.
/// A form's empty fields are left out: that is how clients send a field that they have no value
/// for.
pub fn form_or_json(request: &Request) -> Result<Map<String, Value>> {
    let content_type = request
        .headers()
        .get("content-type")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let bytes = body(request)?;
    let wrong = |what| Error::invalid(Issue::new(Place::Body, "", Fault::NotA(what)));
    match media_type.as_str() {
        json if json.ends_with("json") => return json_object(request),
        _ if bytes.is_empty() => return Ok(Map::new()),
        "application/x-www-form-urlencoded" => {}
        "" if !bytes.trim_ascii_start().starts_with(b"{") => {}
        "" => return json_object(request),
        _ => return Err(wrong("a form or an object")),
    }
    // Collecting would sort first, by code of its own for each kind of map.
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(bytes).filter(|(_, value)| !value.is_empty()) {
        fields.insert(name.into_owned(), Value::String(value.into_owned()));
    }
    // U+FFFD stands where the bytes were no UTF-8.
    if fields.values().filter_map(Value::as_str).any(|value| value.contains('\u{fffd}')) {
        return Err(wrong("a form in UTF-8"));
    }
    Ok(fields)
}

/// A field of text that may be absent (`None`), null (`Some(None)`) or at most so many characters.
pub fn text(
    fields: &Map<String, Value>,
    name: &str,
    most: usize,
) -> Result<Option<Option<String>>, Issue> {
    let issue = |fault| Issue::new(Place::Body, name, fault);
    match fields.get(name) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(Value::String(text)) if text.chars().count() > most => {
            Err(issue(Fault::TooLong(most)))
        }
        Some(Value::String(text)) if text.trim().is_empty() => Err(issue(Fault::Blank)),
        Some(Value::String(text)) if !is_readable(text) => {
            Err(issue(Fault::NotA("a string without control or invisible characters")))
        }
        Some(Value::String(text)) => Ok(Some(Some(text.clone()))),
        Some(_) => Err(issue(Fault::NotA("a string"))),
    }
}

/// The same for a field that must be sent and may not be null.
pub fn required_text(
    fields: &Map<String, Value>,
    name: &str,
    most: usize,
) -> Result<String, Issue> {
    let issue = |fault| Issue::new(Place::Body, name, fault);
    text(fields, name, most)?
        .ok_or_else(|| issue(Fault::Missing))?
        .ok_or_else(|| issue(Fault::NotA("a string")))
}

/// An email address that must be sent.
pub fn email(fields: &Map<String, Value>, name: &str) -> Result<String, Issue> {
    let email = required_text(fields, name, MOST_EMAIL)?;
    if is_email(&email) {
        Ok(email)
    } else {
        Err(Issue::new(Place::Body, name, Fault::NotA("an email address")))
    }
}

/// A page of a list whose end is told by a cursor: at most how many, and from where.
pub fn cursor_page(
    request: &Request,
    default: usize,
    most: usize,
) -> Result<(usize, Option<String>)> {
    let mut page = (default, None);
    for (name, value) in query(request) {
        match name.as_ref() {
            "limit" => {
                let most = i64::try_from(most).unwrap_or(i64::MAX);
                let limit =
                    integer(Place::Query, "limit", &value, 1, most).map_err(Error::invalid)?;
                page.0 = usize::try_from(limit).unwrap_or(default);
            }
            "cursor" => page.1 = Some(value.into_owned()),
            _ => {}
        }
    }
    Ok(page)
}

/// The most bytes of a response's body: Lambda takes 6 MB, with what it adds.
pub const MAX_RESPONSE_BYTES: usize = 5_500_000;

/// The refusal of a whole list that is larger than a response may be.
pub fn too_large() -> Error {
    Error::invalid(Issue::new(Place::Query, "limit", Fault::TooLarge).sent(""))
}

/// The response, if it is not larger than a response may be.
pub fn whole(response: Response) -> Result<Response> {
    match response.body() {
        lambda_http::Body::Text(text) if text.len() > MAX_RESPONSE_BYTES => Err(too_large()),
        lambda_http::Body::Binary(bytes) if bytes.len() > MAX_RESPONSE_BYTES => Err(too_large()),
        _ => Ok(response),
    }
}

/// The refusal of a cursor that no answer gave.
pub fn wrong_cursor() -> Error {
    Error::invalid(Issue::new(Place::Query, "cursor", Fault::NotA("the cursor of a former answer")))
}

/// The answer with a link to the next page (RFC 8288), if there is one: the same request with
/// another cursor.
pub fn with_next(mut response: Response, request: &Request, cursor: Option<&str>) -> Response {
    let Some(cursor) = cursor else { return response };
    let others = query(request).into_iter().filter(|(name, _)| name != "cursor");
    let next = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(others)
        .append_pair("cursor", cursor)
        .finish();
    // A path that begins with two slashes would name another host.
    let path = request.uri().path().trim_start_matches('/');
    if let Ok(link) = HeaderValue::from_str(&format!("</{path}?{next}>; rel=\"next\"")) {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// Every value that was read, or every issue that was found.
pub fn all3<A, B, C>(
    first: Result<A, Issue>,
    second: Result<B, Issue>,
    third: Result<C, Issue>,
) -> Result<(A, B, C)> {
    match (first, second, third) {
        (Ok(first), Ok(second), Ok(third)) => Ok((first, second, third)),
        (first, second, third) => Err(Error::Invalid(
            [first.err(), second.err(), third.err()].into_iter().flatten().collect(),
        )),
    }
}

/// The same of two.
pub fn all<A, B>(first: Result<A, Issue>, second: Result<B, Issue>) -> Result<(A, B)> {
    all3(first, second, Ok(())).map(|(first, second, ())| (first, second))
}
