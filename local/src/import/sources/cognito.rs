//! Cognito's `ListUsers`, as `aws cognito-idp list-users` prints it.

use serde_json::{Map, Value};

use super::Source;
use crate::import::field::Field;

pub const SOURCE: Source = Source {
    name: "Cognito",
    is: |fields| {
        fields.contains_key("Username") && fields.get("Attributes").is_some_and(Value::is_array)
    },
    prepare,
    fields: &[
        ("Attributes.sub", Field::Id),
        ("Username", Field::Username),
        ("Attributes.email", Field::Email),
        ("Attributes.email_verified", Field::EmailVerified),
        ("Attributes.name", Field::Name),
        ("Attributes.given_name", Field::FirstName),
        ("Attributes.family_name", Field::LastName),
        ("Attributes.nickname", Field::DisplayName),
        ("Attributes.picture", Field::AvatarUrl),
        ("UserStatus", Field::Status),
        ("Enabled", Field::Enabled),
        ("UserCreateDate", Field::CreatedAt),
        ("UserLastModifiedDate", Field::UpdatedAt),
    ],
};

/// Makes an object of the list of attributes. A username that is the id or the email is none of the
/// person's choice.
fn prepare(fields: &mut Map<String, Value>) {
    let Some(Value::Array(list)) = fields.get_mut("Attributes").map(Value::take) else { return };
    let pair = |attribute: Value| {
        Some((attribute["Name"].as_str()?.to_owned(), attribute["Value"].clone()))
    };
    let attributes: Map<String, Value> = list.into_iter().filter_map(pair).collect();
    let username = fields.get("Username");
    if ["sub", "email"].iter().any(|name| attributes.get(*name) == username) {
        fields.remove("Username");
    }
    fields.insert("Attributes".into(), attributes.into());
}
