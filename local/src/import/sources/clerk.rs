//! Clerk's users: the dashboard's CSV, and the JSON of its Backend API and command line.

use serde_json::{Map, Value};

use super::Source;
use crate::import::field::Field;

pub const SOURCE: Source = Source {
    name: "Clerk",
    is: |fields| MARKS.iter().any(|name| fields.contains_key(*name)),
    prepare,
    fields: &[
        ("id", Field::Id),
        ("primary_email_address", Field::Email),
        (VERIFIED, Field::EmailVerified),
        ("username", Field::Username),
        ("first_name", Field::FirstName),
        ("last_name", Field::LastName),
        ("image_url", Field::AvatarUrl),
        ("profile_image_url", Field::AvatarUrl),
        ("unsafe_metadata", Field::Profile),
        ("public_metadata.role", Field::Role),
        ("banned", Field::Banned),
        ("last_sign_in_at", Field::LastSignInAt),
        ("created_at", Field::CreatedAt),
        ("updated_at", Field::UpdatedAt),
    ],
};

/// The fields that no other program has.
const MARKS: [&str; 3] = ["email_addresses", "primary_email_address", "primary_email_address_id"];
/// The field for the proof of the primary email, which Clerk tells in other fields.
const VERIFIED: &str = "primary_email_address_verified";

/// Finds the primary email and its proof. Other emails stay where they are.
fn prepare(fields: &mut Map<String, Value>) {
    if let Some(Value::Array(emails)) = fields.get("email_addresses") {
        let primary = fields.get("primary_email_address_id").and_then(Value::as_str);
        let is_primary = |email: &&Value| primary.is_some() && email["id"].as_str() == primary;
        let email = emails.iter().find(is_primary).or(emails.first());
        let address = email.map_or(Value::Null, |email| email["email_address"].clone());
        let is_verified = email.is_some_and(|email| email["verification"]["status"] == "verified");
        if emails.len() < 2 {
            fields.remove("email_addresses");
        }
        fields.remove("primary_email_address_id");
        fields.insert("primary_email_address".into(), address);
        fields.insert(VERIFIED.into(), is_verified.into());
        return;
    }
    let primary = fields.get("primary_email_address").and_then(Value::as_str);
    let primary = primary.unwrap_or_default().to_owned();
    let lists = [("verified_email_addresses", true), ("unverified_email_addresses", false)];
    for (list, is_verified) in lists {
        let Some(emails) = fields.get(list).and_then(Value::as_str) else { continue };
        let emails = emails.split([',', ';', '|', ' ', '\n']);
        let mut emails: Vec<&str> = emails.filter(|email| !email.is_empty()).collect();
        let count = emails.len();
        emails.retain(|email| !email.eq_ignore_ascii_case(&primary));
        let has_primary = emails.len() < count;
        if emails.is_empty() {
            fields.remove(list);
        }
        if has_primary {
            fields.insert(VERIFIED.into(), is_verified.into());
        }
    }
}
