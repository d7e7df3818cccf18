//! Records with Roster's own names, and Supabase's: the CSV of `auth.users`, and the Admin API's
//! JSON.

use super::{Source, as_it_is};
use crate::import::field::Field;

pub const SOURCE: Source = Source {
    name: "Supabase or Roster",
    is: |_| true,
    prepare: as_it_is,
    fields: &[
        ("id", Field::Id),
        ("team_id", Field::TeamId),
        ("email", Field::Email),
        ("username", Field::Username),
        ("name", Field::Name),
        ("first_name", Field::FirstName),
        ("last_name", Field::LastName),
        ("display_name", Field::DisplayName),
        ("avatar_url", Field::AvatarUrl),
        ("job_title", Field::JobTitle),
        ("role", Field::Role),
        ("status", Field::Status),
        ("account_type", Field::AccountType),
        ("device_type", Field::DeviceType),
        ("device_user_id", Field::DeviceUserId),
        ("pub_key", Field::PubKey),
        ("scim_id", Field::ScimId),
        ("is_operator", Field::IsOperator),
        ("view_all", Field::ViewAll),
        ("claims", Field::Claims),
        ("user_metadata", Field::Profile),
        ("raw_user_meta_data", Field::Profile),
        ("app_metadata.role", Field::Role),
        ("raw_app_meta_data.role", Field::Role),
        ("email_confirmed_at", Field::EmailVerified),
        ("email_verified_at", Field::EmailVerified),
        ("email_verified", Field::EmailVerified),
        ("invited_at", Field::InvitedAt),
        ("last_sign_in_at", Field::LastSignInAt),
        ("last_seen_at", Field::LastSignInAt),
        ("banned_until", Field::Banned),
        ("deleted_at", Field::Deleted),
        ("soft_deleted_at", Field::Deleted),
        ("created_at", Field::CreatedAt),
        ("updated_at", Field::UpdatedAt),
    ],
};
