//! The API's description (OpenAPI 3.1), made from the handlers and their types. `openapi.json`
//! beside the crate's manifest is what this gave when it was last written: a test holds it to that,
//! and the endpoint that serves it needs none of this.

use std::collections::BTreeMap;

use lambda_http::http::StatusCode;
use serde_json::{Map, Value, json};
use shared::text::{MOST_EMAIL, MOST_NAME};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, Modify, OpenApi, PartialSchema, ToSchema};

use crate::{directory, managed_users, operator_account, platform, user_admin, workspace};

/// Makes the description of the endpoints, and of the contracts' errors, which the sets of refusals
/// name but are not looked through for.
macro_rules! describe {
    (errors of $($error:ident),+; $($contract:ident::$endpoint:ident),+ $(,)?) => {
        /// The whole description.
        #[derive(OpenApi)]
        #[openapi(
            info(
                title = "Roster",
                description = "Accounts, teams, API keys, quotas, managed users and sharing: one directory of users behind five published contracts.",
                license(name = "MIT OR Apache-2.0"),
            ),
            tags(
                (name = "operator and account", description = "Platform operators see any account, everyone sees their own."),
                (name = "directory", description = "The users of one account (team), for its administrators."),
                (name = "user-admin", description = "The users of the caller's team by their number, for its administrators."),
                (name = "managed users", description = "The users whom the caller manages, and those who shared their data with the caller."),
                (name = "workspace", description = "The users of the caller's team, as its console shows them."),
                (name = "platform", description = "What belongs to no contract."),
            ),
            paths($($contract::$endpoint::handle),+),
            components(schemas($($error::ErrorBody),+)),
            modifiers(&Credentials, &StandardHeaders, &BodiesLeftOut, &WithoutSlash),
        )]
        struct Description;

        /// Every type with its name, as often as it is named.
        #[cfg(test)]
        fn named_types() -> Vec<(String, RefOr<Schema>)> {
            let mut types = vec![$(($error::ErrorBody::name().into_owned(), $error::ErrorBody::schema())),+];
            $(<$error::ErrorBody as ToSchema>::schemas(&mut types);)+
            $(<$contract::$endpoint::__path_handle as utoipa::__dev::SchemaReferences>::schemas(&mut types);)+
            types
        }
    };
}

describe! {
    errors of operator_account, directory, user_admin, managed_users, workspace;
    operator_account::list_users,
    operator_account::get_user,
    operator_account::update_user_quota,
    operator_account::create_user_key,
    operator_account::suspend_user,
    operator_account::unsuspend_user,
    operator_account::restore_user,
    operator_account::delete_user,
    operator_account::get_audit_log,
    operator_account::list_quota_tiers,
    operator_account::create_account,
    operator_account::get_me,
    operator_account::update_me,
    operator_account::export_account,
    operator_account::delete_account,
    operator_account::restore_account,
    operator_account::list_keys,
    operator_account::create_key,
    operator_account::create_default_key,
    operator_account::rotate_key,
    operator_account::revoke_key,
    operator_account::list_sandboxes,
    operator_account::create_sandbox,
    operator_account::get_sandbox,
    operator_account::update_sandbox,
    operator_account::destroy_sandbox,
    operator_account::report_running_time,
    operator_account::sign_out_everywhere,
    operator_account::sign_out_user_everywhere,
    directory::list_admin_users,
    directory::get_admin_user,
    directory::update_admin_user,
    directory::list_invites,
    directory::create_invite,
    directory::revoke_invite,
    user_admin::list_users,
    user_admin::get_user,
    user_admin::create_user,
    user_admin::update_user,
    user_admin::delete_user,
    user_admin::search_users,
    user_admin::get_admin_count,
    user_admin::list_inactive_users,
    user_admin::delete_inactive_users,
    managed_users::list_users,
    managed_users::create_user,
    managed_users::get_user,
    managed_users::update_user,
    managed_users::delete_user,
    managed_users::list_shares,
    managed_users::share,
    managed_users::unshare,
    managed_users::get_principal_token,
    managed_users::create_delegated_token,
    managed_users::get_userinfo,
    workspace::list_users,
    workspace::get_user,
    platform::get_health,
    platform::get_openapi,
}

/// Types that stand in the description for texts of a few words, read from where the words are.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident: $words:expr;)+) => {
        $($(#[$doc])*
        pub(crate) struct $name;

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let words: Vec<&str> = $words.collect();
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some(words))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {})+
    };
}
pub(crate) use words;

/// The header by which a request that is sent again is carried out once.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)]
pub(crate) struct IdempotencyKey {
    /// A text of the client's own, new for every new request. Sent again within 24 hours with the
    /// same key, the request gets its first answer and does nothing.
    #[param(
        rename = "Idempotency-Key",
        required = false,
        min_length = 8,
        max_length = 255,
        pattern = "^[!-~][ -~]{6,253}[!-~]$",
        example = "5f0c1d1e-invite-ada"
    )]
    key: String,
}

/// The header by which a change is made only to what was read.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)]
pub(crate) struct IfMatch {
    /// The `etag` of a former answer, some of them with commas between, or `*`: the change is made
    /// only to that version.
    #[param(rename = "If-Match", required = false, example = "\"7-1777714080\"")]
    tags: String,
}

/// The header by which what is known already is not sent again.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)]
pub(crate) struct IfNoneMatch {
    /// The `etag` of a former answer, some of them with commas between, or `*`: what has it is not
    /// sent again.
    #[param(rename = "If-None-Match", required = false, example = "\"7-1777714080\"")]
    tags: String,
}

/// A name, or another short text, as bodies bring it.
pub(crate) struct Name;

impl PartialSchema for Name {
    fn schema() -> RefOr<Schema> {
        let description = "Not all white space, and without control or invisible characters.";
        text(description, NOT_BLANK)
            .min_length(Some(1))
            .max_length(Some(MOST_NAME))
            .examples(["Ada King"])
            .into()
    }
}

impl ToSchema for Name {}

/// Some text that is not all white space, without control or invisible characters.
const NOT_BLANK: &str = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$";

/// The same of another length, as bodies bring it.
pub(crate) struct Text<const MOST: usize>;

impl<const MOST: usize> PartialSchema for Text<MOST> {
    fn schema() -> RefOr<Schema> {
        text("Not all white space, and without control or invisible characters.", NOT_BLANK)
            .min_length(Some(1))
            .max_length(Some(MOST))
            .into()
    }
}

impl<const MOST: usize> ToSchema for Text<MOST> {}

/// A body that is `null`.
pub(crate) struct Null;

impl PartialSchema for Null {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Null).into()
    }
}

impl ToSchema for Null {}

/// An email address, as bodies bring it.
pub(crate) struct Email;

impl PartialSchema for Email {
    fn schema() -> RefOr<Schema> {
        let description = "Something on both sides of an `@`, in Unicode's normalization form NFKC, without white space, control or invisible characters.";
        let pattern = r"^[^@\s\x00-\x1f\x7f-\x9f]+@[^\s\x00-\x1f\x7f-\x9f]+$";
        text(description, pattern)
            .min_length(Some(3))
            .max_length(Some(MOST_EMAIL))
            .examples(["ada@example.com"])
            .into()
    }
}

impl ToSchema for Email {}

fn text(description: &str, pattern: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .pattern(Some(pattern))
}

/// The headers that answers of a status have, whichever endpoint gives them.
struct StandardHeaders;

impl Modify for StandardHeaders {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        for operation in description.paths.paths.values_mut().flat_map(operations) {
            let mut parameters = operation.parameters.iter().flatten();
            let is_kept = parameters.any(|parameter| {
                parameter.parameter_in == ParameterIn::Header && parameter.name == "Idempotency-Key"
            });
            for (status, response) in &mut operation.responses.responses {
                let RefOr::T(response) = response else { continue };
                let own: &[(&str, Type, &str)] = match status.as_str() {
                    "200" | "201" | "202" | "204" if is_kept => &[(
                        "idempotency-replayed",
                        Type::String,
                        "`true` where this is the first answer, given again",
                    )],
                    "401" => {
                        &[("www-authenticate", Type::String, "The scheme of credentials: `Bearer`")]
                    }
                    "429" | "503" => &[(
                        "retry-after",
                        Type::Integer,
                        "Whole seconds to wait for, where they are known",
                    )],
                    _ => &[],
                };
                for (name, kind, text) in own.iter().chain(&[(
                    "x-request-id",
                    Type::String,
                    "By which the request is found in the log",
                )]) {
                    let header = HeaderBuilder::new()
                        .schema(ObjectBuilder::new().schema_type(kind.clone()))
                        .description(Some(*text));
                    response.headers.entry((*name).to_owned()).or_insert_with(|| header.build());
                }
            }
        }
    }
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut path.get, &mut path.put, &mut path.post, &mut path.delete, &mut path.patch]
        .into_iter()
        .flatten()
}

/// The list and the making of managed users, whose path may do without its slash.
struct WithoutSlash;

impl Modify for WithoutSlash {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let path = "/api/v1/users/";
        let Some(mut same) = description.paths.paths.get(path).cloned() else { return };
        for operation in operations(&mut same) {
            // An id is one operation's.
            operation.operation_id = None;
            operation.description = Some(format!("The same as `{path}`."));
        }
        description.paths.paths.insert(path.trim_end_matches('/').to_owned(), same);
    }
}

/// A body that may be left out, but not be null for that.
struct BodiesLeftOut;

impl Modify for BodiesLeftOut {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let operations = description.paths.paths.values_mut().flat_map(operations);
        for content in operations
            .filter_map(|operation| operation.request_body.as_mut())
            .flat_map(|body| body.content.values_mut())
        {
            if let Some(RefOr::T(Schema::OneOf(either))) = &content.schema
                && let Some(body) = either.items.iter().find(|item| matches!(item, RefOr::Ref(_)))
            {
                content.schema = Some(body.clone());
            }
        }
    }
}

/// The credentials that requests bear.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let components = description.components.get_or_insert_default();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of the identity provider, or an API key."))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let key = ApiKeyValue::with_description(
            "authorization",
            "An API key with no scheme before it: in the user-admin contract.",
        );
        components.add_security_scheme("bare_key", SecurityScheme::ApiKey(ApiKey::Header(key)));
        let token = ApiKeyValue::with_description(
            "refreshed-token",
            "A token, with or without `Bearer`: in the managed-users contract.",
        );
        components
            .add_security_scheme("refreshed_token", SecurityScheme::ApiKey(ApiKey::Header(token)));
        let cookie =
            ApiKeyValue::with_description("token", "A token: in the managed-users contract.");
        components
            .add_security_scheme("token_cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        description.security =
            Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>("bearer", [])]);
    }
}

/// The description, as JSON.
pub fn document() -> String {
    let mut description = serde_json::to_value(Description::openapi()).unwrap_or_default();
    // Headers before the answers that have them.
    for kind in ["headers", "parameters", "responses"] {
        share(&mut description, kind);
    }
    format!("{description:#}\n")
}

/// Moves what several operations say alike to `components`, where they refer to it. Of those that
/// would have the same name, the most frequent has it, and the others stay where they are.
fn share(description: &mut Value, kind: &str) {
    let mut said: BTreeMap<String, Vec<(usize, Value)>> = BTreeMap::new();
    for_each(description, kind, |name, part| {
        let alike = said.entry(name).or_default();
        match alike.iter_mut().find(|(_, known)| known == part) {
            Some((times, _)) => *times += 1,
            None => alike.push((1, part.clone())),
        }
    });
    let most_frequent = |alike: Vec<(usize, Value)>| {
        alike.into_iter().max_by_key(|(times, _)| *times).filter(|(times, _)| *times > 1)
    };
    let shared: Map<_, _> = said
        .into_iter()
        .filter_map(|(name, alike)| Some((name, most_frequent(alike)?.1)))
        .collect();
    for_each(description, kind, |name, part| {
        if shared.get(&name) == Some(part) {
            *part = json!({ "$ref": format!("#/components/{kind}/{name}") });
        }
    });
    let mut shared = Value::Object(shared);
    // The names have done their work.
    let parts = shared.as_object_mut().into_iter().flat_map(Map::values_mut);
    parts.for_each(unname);
    for_each(description, kind, |_, part| unname(part));
    description["components"][kind] = shared;
}

fn unname(part: &mut Value) {
    part.as_object_mut().map(|part| part.remove(NAME));
}

/// Does something with every header, parameter or refusal of the operations, and the name that it
/// has among `components`.
fn for_each(description: &mut Value, kind: &str, mut act: impl FnMut(String, &mut Value)) {
    let paths = description["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for operation in paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let contract = pascal_case(operation["tags"][0].as_str().unwrap_or_default());
        if kind == "parameters" {
            for parameter in
                operation.get_mut(kind).and_then(Value::as_array_mut).into_iter().flatten()
            {
                let name = parameter["name"]
                    .as_str()
                    .unwrap_or_default()
                    .replace('[', ".")
                    .replace(']', "");
                act(name, parameter);
            }
            continue;
        }
        for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            if kind == "headers" {
                let headers =
                    response.get_mut(kind).and_then(Value::as_object_mut).into_iter().flatten();
                headers.for_each(|(name, header)| act(name.clone(), header));
                continue;
            }
            let named = response.get(NAME).and_then(Value::as_str).map(str::to_owned);
            let status: StatusCode = status.parse().unwrap_or_default();
            // What an endpoint answers where all is well is its own.
            if !status.is_success() {
                let reason = || pascal_case(status.canonical_reason().unwrap_or_default());
                act(contract.clone() + &named.unwrap_or_else(reason), response);
            }
        }
    }
}

fn pascal_case(words: &str) -> String {
    let words = words.split([' ', '-']).filter(|word| *word != "and");
    words.map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// By which a refusal says its name, where its contract has several of the same status.
pub(crate) const NAME: &str = "x-name";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_what_the_handlers_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        if written != document() {
            std::fs::write(path, document()).expect("the description is written");
            panic!(
                "openapi.json was behind the handlers. It is written anew: look at the change, and keep it."
            );
        }
    }

    #[test]
    fn no_two_types_have_one_name() {
        let mut named: BTreeMap<String, Value> = BTreeMap::new();
        for (name, schema) in named_types() {
            let schema = json!(schema);
            let known = named.entry(name.clone()).or_insert_with(|| schema.clone());
            assert_eq!(
                *known, schema,
                "{name} is the name of two types, of which the description holds one"
            );
        }
        let description = json!(Description::openapi());
        let described = description["components"]["schemas"].as_object().expect("there are types");
        assert!(described.keys().eq(named.keys()), "every type of the description is looked at");
    }
}
