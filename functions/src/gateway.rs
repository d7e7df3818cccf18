//! API Gateway's events, as requests.

use lambda_http::Body;
use lambda_http::aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use lambda_http::http::{Uri, header};
use lambda_http::request::LambdaRequest;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::Request;

/// What may not stand in a path as it is. API Gateway decodes the path, so anything may come.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
/// The same for a query, which comes encoded.
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The request of an event.
///
/// `lambda_http` makes a URI of the event's host, path and query, and panics where that is none:
/// here they are made one first.
pub fn request(mut event: ApiGatewayV2httpRequest) -> Request {
    event.raw_path = event.raw_path.map(|path| utf8_percent_encode(&path, PATH).to_string());
    event.raw_query_string =
        event.raw_query_string.map(|query| utf8_percent_encode(&query, QUERY).to_string());
    // Our routes have no stage in the path, and the URI needs no host.
    event.request_context.stage = None;
    event.request_context.domain_name = None;
    let host = event.headers.remove(header::HOST);
    let usable = event
        .raw_path
        .as_deref()
        .is_none_or(|path| path.starts_with('/') && path.parse::<Uri>().is_ok());
    if !usable {
        event.raw_path = Some("/".to_owned());
    }
    let base64 = std::mem::take(&mut event.is_base64_encoded);
    let body = event.body.take();
    let mut request: Request = LambdaRequest::ApiGatewayV2(event).into();
    *request.body_mut() = match body {
        None => Body::Empty,
        Some(text) if base64 => decode(&text).map_or(Body::Text(text), Body::Binary),
        Some(text) => Body::Text(text),
    };
    // It tells whether a page of this origin asks.
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    request
}

/// What base64 text stands for; none where it is not base64, which `lambda_http` would panic at.
fn decode(text: &str) -> Option<Vec<u8>> {
    aws_smithy_types::base64::decode(text).ok()
}

/// The answer, as API Gateway takes it.
pub fn response(response: crate::Response) -> ApiGatewayV2httpResponse {
    let (parts, body) = response.into_parts();
    let mut answer = ApiGatewayV2httpResponse::default();
    answer.status_code = i64::from(parts.status.as_u16());
    answer.headers = parts.headers;
    answer.body = Some(body);
    answer
}
