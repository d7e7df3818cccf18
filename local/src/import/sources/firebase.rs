//! Firebase's `firebase auth:export users.json`.

use super::{Source, as_it_is};
use crate::import::field::Field;

pub const SOURCE: Source = Source {
    name: "Firebase",
    is: |fields| fields.contains_key("localId"),
    prepare: as_it_is,
    fields: &[
        ("localId", Field::Id),
        ("email", Field::Email),
        ("emailVerified", Field::EmailVerified),
        ("displayName", Field::Name),
        ("photoUrl", Field::AvatarUrl),
        ("customAttributes.role", Field::Role),
        ("disabled", Field::Banned),
        ("lastSignedInAt", Field::LastSignInAt),
        ("createdAt", Field::CreatedAt),
    ],
};
