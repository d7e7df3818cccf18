//! The description's examples: what it says can be sent is sent, what it says is answered has been
//! answered.

use std::collections::BTreeSet;
use std::path::Path;

use local::demo;
use reqwest::Method;
use serde_json::{Map, Value, json};
use tests::{Answer, Roster, send};
use uuid::Uuid;

const JSON: &str = "application/json";

fn description() -> Value {
    serde_json::from_str(include_str!("../../functions/openapi.json"))
        .expect("the description is JSON")
}

/// A part of the description, or what it refers to.
fn resolved<'a>(description: &'a Value, part: &'a Value) -> &'a Value {
    match part["$ref"].as_str() {
        Some(pointer) => description
            .pointer(pointer.trim_start_matches('#'))
            .expect("what is referred to is there"),
        None => part,
    }
}

/// Every operation with its path, its method and its name.
fn operations(description: &Value) -> impl Iterator<Item = (&str, Method, &str, &Value)> {
    let paths = description["paths"].as_object().expect("paths").iter();
    paths.flat_map(|(path, methods)| {
        methods.as_object().expect("operations").iter().filter_map(move |(method, operation)| {
            let method = method.to_uppercase().parse().expect("a method");
            Some((path.as_str(), method, operation["operationId"].as_str()?, operation))
        })
    })
}

/// The example of a body: its own, or that of its type.
fn body_example<'a>(description: &'a Value, content: &'a Value) -> Option<&'a Value> {
    content.get("example").or_else(|| resolved(description, &content["schema"]).get("example"))
}

/// Whether a type has an example, or is put together from types that have.
fn has_example(description: &Value, schema: &Value) -> bool {
    let schema = resolved(description, schema);
    let parts = |name: &str| schema.get(name).and_then(Value::as_array).into_iter().flatten();
    let told = ["example", "examples", "enum"].iter().any(|name| schema.get(name).is_some());
    let fields = || {
        schema["properties"]
            .as_object()
            .into_iter()
            .flat_map(Map::values)
            .map(|field| resolved(description, field))
    };
    let is_composed = |field: &&Value| {
        ["properties", "allOf", "items"].iter().any(|name| field.get(name).is_some())
    };
    // Numbers and texts beside what is composed may go without.
    let from_fields = || match fields().filter(is_composed).count() {
        0 => fields().count() > 0 && fields().all(|field| has_example(description, field)),
        _ => fields().filter(is_composed).all(|field| has_example(description, field)),
    };
    told || schema["type"] == "null"
        || (schema["type"] == "array" && has_example(description, &schema["items"]))
        || ["allOf", "oneOf"].iter().any(|name| {
            schema.get(name).is_some() && parts(name).all(|part| has_example(description, part))
        })
        || from_fields()
}

/// The fields that hold whatever names there are.
const OPEN: [&str; 4] = ["claims", "metadata", "changes", "abuse_flags"];

/// Whether an example looks as an answer does: the same fields with values of the same types, or
/// null; of a list, each item as some item there.
fn looks_like(example: &Value, real: &Value) -> bool {
    match (example, real) {
        (Value::Object(example), Value::Object(real)) => {
            let alike = |name: &str, value: &Value| {
                looks_like(value, &real[name]) || (OPEN.contains(&name) && real[name].is_object())
            };
            example.keys().eq(real.keys()) && example.iter().all(|(name, value)| alike(name, value))
        }
        (Value::Array(example), Value::Array(real)) => {
            example.iter().all(|item| real.iter().any(|real| looks_like(item, real)))
        }
        (Value::Null, _) | (_, Value::Null) => true,
        _ => std::mem::discriminant(example) == std::mem::discriminant(real),
    }
}

/// A value and all that are inside it.
fn with_parts(value: Value) -> Vec<Value> {
    let inner = match &value {
        Value::Array(values) => values.clone(),
        Value::Object(fields) => fields.values().cloned().collect(),
        _ => Vec::new(),
    };
    let mut parts = vec![value];
    parts.extend(inner.into_iter().flat_map(with_parts));
    parts
}

/// An error without the ids by which it is found in the log.
fn without_ids(mut error: Value) -> Value {
    for name in ["id", "request_id"] {
        let id = error
            .get_mut(name)
            .filter(|id| id.as_str().is_some_and(|id| Uuid::parse_str(id).is_ok()));
        if let Some(id) = id {
            *id = Value::Null;
        }
    }
    error
}

/// The events of `events/` whose names begin with `name` and a dot.
fn events(name: &str) -> Vec<Value> {
    let (contract, endpoint) = name.split_once('.').expect("a contract and an endpoint");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events").join(contract);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder of events")
        .map(|file| file.expect("a file").path())
        .collect();
    files.sort_by_key(|path| path.file_stem().map(std::ffi::OsStr::to_owned));
    let of_endpoint = |path: &Path| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.split('.').next() == Some(endpoint))
    };
    let read = |path: &Path| {
        serde_json::from_str(&std::fs::read_to_string(path).expect("an event"))
            .expect("an event is JSON")
    };
    files.iter().filter(|path| of_endpoint(path)).map(|path| read(path)).collect()
}

/// Sends what an event stands for to a server of its own.
async fn replay(event: &Value) -> Answer {
    let roster = Roster::start().await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let path = format!("{}?{}", text(&event["rawPath"]), text(&event["rawQueryString"]));
    let mut request = roster.request(
        text(&event["requestContext"]["http"]["method"]).parse().expect("a method"),
        &path,
    );
    let of_transport = ["host", "content-length", "accept-encoding"];
    for (name, value) in event["headers"]
        .as_object()
        .expect("headers")
        .iter()
        .filter(|(name, _)| !of_transport.contains(&name.as_str()))
    {
        request = request.header(name, text(value));
    }
    for cookie in event["cookies"].as_array().into_iter().flatten() {
        request = request.header("cookie", text(cookie));
    }
    if event["isBase64Encoded"] == true {
        request =
            request.body(aws_smithy_types::base64::decode(text(&event["body"])).expect("a body"));
    } else if event["body"].is_string() {
        request = request.body(text(&event["body"]));
    }
    send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_body_to_send_has_an_example_that_is_carried_out() {
    let description = description();
    for (_, _, name, operation) in operations(&description) {
        for (kind, content) in operation["requestBody"]["content"].as_object().into_iter().flatten()
        {
            let example = body_example(&description, content)
                .unwrap_or_else(|| panic!("{name} has no example of {kind}"));
            let fields = example.as_object().expect("an example is an object");
            let form = || {
                fields
                    .iter()
                    .map(|(name, value)| format!("{name}={}", value.as_str().expect("a text")))
                    .collect::<Vec<_>>()
            };
            let mut event = events(name).remove(0);
            event["headers"]["content-type"] = kind.as_str().into();
            event["isBase64Encoded"] = false.into();
            event["body"] =
                if kind == JSON { example.to_string() } else { form().join("&") }.into();
            let answer = replay(&event).await;
            assert!(
                (200..300).contains(&answer.status),
                "{name}, {kind}: {example} is answered with {answer:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_parameter_that_has_an_example_takes_it() {
    let description = description();
    for (path, method, name, operation) in operations(&description) {
        for parameter in operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|parameter| resolved(&description, parameter))
        {
            let Some(example) = parameter.get("example") else { continue };
            let text = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
            let place = parameter["name"].as_str().expect("a name");
            let mut event = events(name).remove(0);
            let without = replay(&event).await;
            match parameter["in"].as_str() {
                Some("path") => {
                    // The others as the event has them.
                    let others = event["pathParameters"].as_object().into_iter().flatten();
                    let whole = others.fold(
                        path.replace(&format!("{{{place}}}"), &text),
                        |path, (name, value)| {
                            path.replace(&format!("{{{name}}}"), value.as_str().expect("a text"))
                        },
                    );
                    event["rawPath"] = whole.into();
                }
                Some("query") => event["rawQueryString"] = format!("{place}={text}").into(),
                _ => event["headers"][place.to_lowercase()] = text.into(),
            }
            let answer = replay(&event).await;
            // The example is no present version.
            let expected = if place == "If-Match" { 412 } else { without.status };
            assert_eq!(
                answer.status, expected,
                "{method} {path} with {place} {example}: {answer:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_an_example_that_looks_as_real_ones_do() {
    let description = description();
    let (mut answers, mut errors, mut sent, mut bodies) =
        (Vec::new(), Vec::new(), Vec::new(), BTreeSet::new());
    for (_, _, name, operation) in operations(&description) {
        for content in
            operation["requestBody"]["content"].as_object().into_iter().flat_map(Map::values)
        {
            bodies.extend(content["schema"]["$ref"].as_str());
            sent.extend(
                body_example(&description, content).cloned().into_iter().flat_map(with_parts),
            );
        }
        for (status, answer) in operation["responses"].as_object().expect("responses") {
            for content in resolved(&description, answer)["content"]
                .as_object()
                .into_iter()
                .flat_map(Map::values)
            {
                let told = content.get("example").is_some()
                    || content["schema"] == json!({})
                    || has_example(&description, &content["schema"]);
                assert!(told, "{name} has no example of its {status}");
            }
        }
        // The description itself proves nothing.
        for event in events(name).iter().filter(|_| name != "platform.get_openapi") {
            let answer = replay(event).await;
            let body = serde_json::from_str(&answer.text).unwrap_or_default();
            if answer.status < 400 {
                answers.extend(with_parts(body))
            } else {
                errors.push(without_ids(body))
            }
        }
    }
    // No request made the demo data: of what one changes, history tells more.
    let roster = Roster::start().await;
    let body = json!({"permissions": ["account:write"]});
    let key = roster.call(Method::POST, "/v1/keys", demo::VIEWER, &body).await.expect(201).json();
    let change = roster
        .request(Method::PATCH, "/v1/account/me")
        .bearer_auth(key["key"].as_str().expect("a key"));
    send(change.json(&json!({"display_name": "Someone"}))).await.expect(200);
    for (path, caller) in [
        (format!("/v1/admin/users/{}/audit-log", demo::VIEWER), demo::PLATFORM_OPERATOR),
        ("/v1/account/export".to_owned(), demo::VIEWER),
    ] {
        answers.extend(with_parts(roster.get(&path, caller).await.expect(200).json()));
    }
    let is_answered = |example: &Value| {
        answers.iter().any(|answer| !answer.is_null() && looks_like(example, answer))
    };
    let is_error = |example: &Value| errors.contains(&without_ids(example.clone()));
    let mut unproven = Vec::new();
    let schemas = description["components"]["schemas"].as_object().expect("schemas").iter();
    let outside = schemas
        .filter(|(name, _)| !bodies.contains(format!("#/components/schemas/{name}").as_str()));
    let mut places: Vec<(&str, &Value)> =
        outside.map(|(name, schema)| (name.as_str(), schema)).collect();
    places.extend(
        description["components"]["responses"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, answer)| (name.as_str(), answer)),
    );
    places.extend(
        operations(&description).map(|(_, _, name, operation)| (name, &operation["responses"])),
    );
    for (place, part) in places {
        for part in with_parts(part.clone()) {
            let examples = part.get("example").into_iter();
            unproven.extend(
                examples
                    .filter(|example| !is_error(example) && !is_answered(example))
                    .map(|example| format!("{place}: {example}")),
            );
            // Of texts, which stand in many places, the very one.
            let examples = part.get("examples").and_then(Value::as_array).into_iter().flatten();
            let known = |example: &&Value| answers.contains(example) || sent.contains(example);
            unproven.extend(
                examples
                    .filter(|example| !known(example))
                    .map(|example| format!("{place}: {example}")),
            );
        }
    }
    assert!(unproven.is_empty(), "{unproven:#?}");
}
