//! What template.yaml says of routes and of the table. The cloud reads the same file, so the two
//! cannot differ.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_yaml_ng::Value;

/// The template, as it was when this was built.
static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
    let text = include_str!("../../template.yaml");
    serde_yaml_ng::from_str(text)
        .expect("template.yaml is read when this is built, and its test reads it")
});

#[derive(Deserialize)]
struct Template {
    #[serde(rename = "Resources")]
    resources: BTreeMap<String, Resource>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(rename = "Properties", default)]
    properties: Value,
}

/// One route of the HTTP API, and the handler behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method; `None` for all.
    pub method: Option<String>,
    /// The path with its `{parameters}`, or `$default`.
    pub path: String,
    /// The handler's name.
    pub handler: String,
}

/// Every route, in the order of the handlers' logical ids.
pub fn routes() -> Vec<Route> {
    resources("AWS::Serverless::Function")
        .flat_map(|properties| {
            let handler = text(&properties, "Handler");
            let events =
                properties.get("Events").and_then(Value::as_mapping).cloned().unwrap_or_default();
            let of_api = events.into_iter().filter(|(_, event)| text(event, "Type") == "HttpApi");
            of_api
                .map(|(_, event)| {
                    let event = event.get("Properties").cloned().unwrap_or_default();
                    let method = Some(text(&event, "Method"))
                        .filter(|method| !method.is_empty() && !method.eq_ignore_ascii_case("any"));
                    let path = Some(text(&event, "Path"))
                        .filter(|path| !path.is_empty())
                        .unwrap_or_else(|| "$default".to_owned());
                    Route {
                        method: method.map(|method| method.to_uppercase()),
                        path,
                        handler: handler.clone(),
                    }
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The `Handler:` of every function.
pub fn handlers() -> Vec<String> {
    resources("AWS::Serverless::Function").map(|properties| text(&properties, "Handler")).collect()
}

/// The table's properties.
pub fn table() -> Value {
    resources("AWS::DynamoDB::Table").next().unwrap_or_default()
}

/// The `CorsConfiguration` that the API has when it has origins.
pub fn cors() -> Value {
    let api = resources("AWS::Serverless::HttpApi").next().unwrap_or_default();
    let Some(Value::Tagged(choice)) = api.get("CorsConfiguration") else { return Value::Null };
    // !If [condition, the configuration, none].
    choice.value.get(1).cloned().unwrap_or_default()
}

fn resources(kind: &'static str) -> impl Iterator<Item = Value> {
    TEMPLATE
        .resources
        .values()
        .filter(move |resource| resource.kind == kind)
        .map(|resource| resource.properties.clone())
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// How `/path/` reaches a route `/path/{proxy+}`. AWS's pages do not say which is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrailingSlash {
    /// The route takes it, with nothing in `proxy`, as one production stack reports
    /// (storacha/w3infra, pull request 166).
    #[default]
    Proxy,
    /// The route does not take it: it goes to `$default`.
    Default,
}

/// Finds the route of a request as an HTTP API does: a full match, then a greedy one, then
/// `$default`.
pub struct Router {
    routes: Vec<Route>,
    trailing_slash: TrailingSlash,
}

/// Path parameters: names and decoded values.
pub type Parameters = Vec<(String, String)>;

/// A route that was found, and its path parameters, decoded.
pub struct Found<'a> {
    /// The route.
    pub route: &'a Route,
    /// The path parameters.
    pub parameters: Parameters,
}

impl Router {
    /// A router over the template's routes.
    pub fn new(trailing_slash: TrailingSlash) -> Self {
        Self { routes: routes(), trailing_slash }
    }

    /// The routes.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The route of a request; none only where the template has no `$default`.
    pub fn find(&self, method: &str, path: &str) -> Option<Found<'_>> {
        let candidates = self
            .routes
            .iter()
            .filter(|route| route.method.as_deref().is_none_or(|wanted| wanted == method));
        candidates
            .filter_map(|route| {
                let (rank, parameters) = self.matches(&route.path, path)?;
                Some((rank, Found { route, parameters }))
            })
            .max_by_key(|(rank, _)| rank.clone())
            .map(|(_, found)| found)
    }

    /// How well a route takes a path, and with which parameters. Higher is better: segment by
    /// segment, a fixed one before a parameter before the greedy one; `$default` is last.
    fn matches(&self, route: &str, path: &str) -> Option<(Vec<u8>, Parameters)> {
        if route == "$default" {
            return Some((Vec::new(), Vec::new()));
        }
        let mut rank = Vec::new();
        let mut parameters = Vec::new();
        let mut rest = path.strip_prefix('/')?.split('/');
        for wanted in route.strip_prefix('/')?.split('/') {
            let parameter = wanted.strip_prefix('{').and_then(|wanted| wanted.strip_suffix('}'));
            if let Some(name) = parameter.and_then(|name| name.strip_suffix('+')) {
                let first = rest.next()?;
                let value = std::iter::once(first).chain(rest).collect::<Vec<_>>().join("/");
                if value.is_empty() && self.trailing_slash == TrailingSlash::Default {
                    return None;
                }
                parameters.push((name.to_owned(), decode(&value)));
                rank.push(1);
                return Some((rank, parameters));
            }
            let segment = rest.next()?;
            match parameter {
                Some(_) if segment.is_empty() => return None,
                Some(name) => {
                    parameters.push((name.to_owned(), decode(segment)));
                    rank.push(2);
                }
                None if wanted == segment => rank.push(3),
                None => return None,
            }
        }
        rest.next().is_none().then_some((rank, parameters))
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cors_is_read_from_the_template() {
        let cors = cors();
        assert!(cors.get("AllowMethods").is_some_and(Value::is_sequence), "{cors:?}");
    }

    #[test]
    fn the_most_specific_route_takes_a_request() {
        let router = Router::new(TrailingSlash::Proxy);
        let find = |method: &str, path: &str| {
            let found = router.find(method, path).expect("there is a $default");
            (
                found.route.handler.clone(),
                found.parameters.first().map(|(_, value)| value.clone()).unwrap_or_default(),
            )
        };
        for (method, path, handler, parameter) in [
            ("GET", "/api/v1/users", "managed_users.list_users", ""),
            ("GET", "/api/v1/users/", "managed_users.list_users", ""),
            ("POST", "/api/v1/users/", "managed_users.create_user", ""),
            ("GET", "/api/v1/users/a%20b", "managed_users.get_user", "a b"),
            ("GET", "/api/v1/users/a/b", "managed_users.list_users", "a/b"),
            ("GET", "/users/me", "workspace.get_user", "me"),
            ("GET", "/users/", "platform.unmatched", ""),
            ("DELETE", "/users", "platform.unmatched", ""),
            ("GET", "/", "platform.unmatched", ""),
            ("GET", "", "platform.unmatched", ""),
        ] {
            assert_eq!(
                find(method, path),
                (handler.to_owned(), parameter.to_owned()),
                "{method} {path}"
            );
        }
        let strict = Router::new(TrailingSlash::Default);
        assert_eq!(
            strict
                .find("GET", "/api/v1/users/")
                .map(|found| found.route.handler.clone())
                .as_deref(),
            Some("platform.unmatched")
        );
    }
}
