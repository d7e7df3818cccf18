//! Keycloak's realm export, `kc.sh export`: the realm's JSON, with its users or beside them.

use serde_json::{Map, Value};

use super::Source;
use crate::import::field::Field;

pub const SOURCE: Source = Source {
    name: "Keycloak",
    is: |fields| {
        let has = |name| fields.contains_key(name);
        has("createdTimestamp") || (has("emailVerified") && has("enabled"))
    },
    prepare,
    fields: &[
        ("id", Field::Id),
        ("username", Field::Username),
        ("email", Field::Email),
        ("emailVerified", Field::EmailVerified),
        ("firstName", Field::FirstName),
        ("lastName", Field::LastName),
        ("attributes.picture", Field::AvatarUrl),
        ("account_type", Field::AccountType),
        ("enabled", Field::Enabled),
        ("createdTimestamp", Field::CreatedAt),
    ],
};

/// Marks the machines: the accounts of clients.
fn prepare(fields: &mut Map<String, Value>) {
    if fields.remove("serviceAccountClientId").is_some() {
        fields.insert("account_type".into(), "service".into());
    }
}
