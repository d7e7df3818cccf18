//! Auth0's bulk export: JSON Lines or CSV with the names of its user profiles.

use super::{Source, as_it_is};
use crate::import::field::Field;

pub const SOURCE: Source = Source {
    name: "Auth0",
    is: |fields| fields.contains_key("user_id") && !fields.contains_key("id"),
    prepare: as_it_is,
    fields: &[
        ("user_id", Field::Id),
        ("email", Field::Email),
        ("email_verified", Field::EmailVerified),
        ("username", Field::Username),
        ("name", Field::Name),
        ("given_name", Field::FirstName),
        ("family_name", Field::LastName),
        ("nickname", Field::DisplayName),
        ("picture", Field::AvatarUrl),
        ("user_metadata", Field::Profile),
        ("app_metadata.role", Field::Role),
        ("blocked", Field::Banned),
        ("last_login", Field::LastSignInAt),
        ("created_at", Field::CreatedAt),
        ("updated_at", Field::UpdatedAt),
    ],
};
