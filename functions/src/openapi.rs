//! The API's description (OpenAPI 3.1), made from the handlers and their types. `openapi.json` beside the crate's manifest is what this
//! gave when it was last written: a test holds it to that, and the endpoint that serves it needs none of this.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::{platform, workspace};

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
    paths(workspace::list_users::handle, workspace::get_user::handle, platform::get_health::handle, platform::get_openapi::handle),
    modifiers(&Credentials),
)]
struct Description;

/// Types that stand in the description for texts of a few words, read from where the words are.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident: $words:expr;)+) => {
        $($(#[$doc])*
        struct $name;

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

/// The credentials that requests bear.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let components = description.components.get_or_insert_default();
        let bearer =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A token of the identity provider, or an API key.")).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let key = ApiKeyValue::with_description("authorization", "An API key with no scheme before it: in the user-admin contract.");
        components.add_security_scheme("bare_key", SecurityScheme::ApiKey(ApiKey::Header(key)));
        description.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>("bearer", [])]);
    }
}

/// The description, as JSON.
pub fn document() -> String {
    Description::openapi().to_pretty_json().unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_what_the_handlers_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        if written != document() {
            std::fs::write(path, document()).expect("the description is written");
            panic!("openapi.json was behind the handlers. It is written anew: look at the change, and keep it.");
        }
    }
}
