//! The exports of each program, by fixtures of the shapes that they publish.

use std::path::{Path, PathBuf};

use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use shared::models::{Role, Status};
use tests::{Roster, send, sign};

use crate::{counts, import, import_with, user_with, write};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("import/fixtures").join(name)
}

/// A user as a fixture should make them: whom a field tells, the `sub` of their tokens, and fields
/// of the record.
type Expected = ((&'static str, &'static str), &'static str, Value);

/// Imports a fixture into the demo team and looks at each user, who can sign in by the token of the
/// program.
async fn check(
    name: &str,
    source: &str,
    users: &[Expected],
    not_imported: &[&str],
    warned: &[&str],
) {
    let roster = Roster::start().await;
    let imported = import(&roster, &fixture(name)).await;
    let report = imported.report();
    assert_eq!(
        (report.imported, report.refused),
        (users.len() as u64, 0),
        "{name}: {:?}",
        imported.told
    );
    assert_eq!(report.sources.keys().collect::<Vec<_>>(), [&source], "{name}");
    assert_eq!(report.not_imported.iter().collect::<Vec<_>>(), not_imported, "{name}");
    assert_eq!(imported.told, warned, "{name}");
    for ((field, value), sub, expected) in users {
        let (user, item) = user_with(&roster, field, value).await;
        for (field, value) in expected.as_object().expect("fields") {
            assert_eq!(
                item.get(field).unwrap_or(&Value::Null),
                value,
                "{name}: {field} of {value}"
            );
        }
        let mut claims = roster.claims(user.id);
        claims["sub"] = (*sub).into();
        let me = send(roster.request(Method::GET, "/users/me").bearer_auth(sign(&claims))).await;
        // Who is locked is known all the same.
        match user.status {
            Status::Active | Status::Invited => {
                assert_eq!(me.expect(200).json()["id"], json!(user.id), "{name}: {sub}")
            }
            status => assert!(
                me.expect(401).text.contains(&format!("This account is {}", status.as_str())),
                "{name}: {sub}"
            ),
        }
    }
    roster.check_table().await;
    let before = roster.items().await;
    let again = import(&roster, &fixture(name)).await;
    assert_eq!(
        (again.report().imported, again.report().present),
        (0, users.len() as u64),
        "{name}"
    );
    assert_eq!(roster.items().await, before, "{name}");
}

#[tokio::test]
async fn auth0() {
    let users = [
        (
            ("email", "ada@auth0.example"),
            "auth0|5f7c8ec7c33c6c004bbafe82",
            json!({
                "username": "ada.king", "name": "Ada King", "first_name": "Ada", "last_name": "King", "display_name": "ada.k",
                "avatar_url": "https://s.gravatar.example/avatar/ada.png", "role": "admin", "status": "active",
                "created_at": "2024-03-01T10:00:00.123Z", "updated_at": "2026-04-20T08:30:00.000Z",
                "last_seen": {"at": 1_776_673_800, "user_agent": ""},
            }),
        ),
        (
            ("email", "grace@auth0.example"),
            "google-oauth2|103547991597142817347",
            json!({"status": "active", "role": "viewer", "email_verified_at": null, "display_name": "grace"}),
        ),
        (
            ("email", "eve@auth0.example"),
            "auth0|6021f0ee00c9f0006a8b4c11",
            json!({"status": "suspended", "name": "Eve"}),
        ),
    ];
    let not_imported =
        ["app_metadata.plan", "identities", "last_ip", "logins_count", "user_metadata.country"];
    check("auth0.jsonl", "Auth0", &users, &not_imported, &[]).await;
    let users = [
        (
            ("email", "ada@auth0.example"),
            "auth0|5f7c8ec7c33c6c004bbafe82",
            json!({"name": "Ada King", "role": "operator"}),
        ),
        (
            ("email", "finn@auth0.example"),
            "auth0|6021f0ee00c9f0006a8b4c12",
            json!({"name": null, "email_verified_at": null}),
        ),
    ];
    check("auth0.csv", "Auth0", &users, &["user_metadata.country"], &[]).await;
}

#[tokio::test]
async fn clerk() {
    let users = [
        (
            ("email", "ada@clerk.example"),
            "user_2NNEqL2nrIRdJ194ndJqAHwEfxC",
            json!({
                "username": "ada.king", "first_name": "Ada", "last_name": "King", "avatar_url": "https://img.clerk.example/ada",
                "role": "admin", "created_at": "2024-03-01T10:00:00.000Z", "updated_at": "2026-04-20T08:30:00.000Z",
            }),
        ),
        (
            ("email", "grace@clerk.example"),
            "user_2NNEqL2nrIRdJ194ndJqAHwEfxD",
            json!({"first_name": "Grace", "role": "viewer", "status": "suspended", "email_verified_at": null}),
        ),
    ];
    let not_imported = [
        "email_addresses",
        "external_id",
        "has_image",
        "locked",
        "object",
        "password_enabled",
        "phone_numbers",
        "primary_phone_number_id",
        "private_metadata",
        "public_metadata.plan",
        "two_factor_enabled",
        "unsafe_metadata.role",
        "unsafe_metadata.theme",
    ];
    check("clerk.json", "Clerk", &users, &not_imported, &[]).await;
    let users = [
        (
            ("email", "ada@clerk.example"),
            "user_2NNEqL2nrIRdJ194ndJqAHwEfxC",
            json!({"username": "ada.king", "first_name": "Ada", "last_name": "King", "role": "viewer"}),
        ),
        (
            ("email", "grace@clerk.example"),
            "user_2NNEqL2nrIRdJ194ndJqAHwEfxD",
            json!({"email_verified_at": null}),
        ),
        (
            ("username", "eve"),
            "user_2NNEqL2nrIRdJ194ndJqAHwEfxE",
            json!({"email": null, "status": "active"}),
        ),
    ];
    let not_imported = [
        "password_digest",
        "password_hasher",
        "primary_phone_number",
        "totp_secret",
        "unverified_phone_numbers",
        "verified_phone_numbers",
    ];
    check("clerk.csv", "Clerk", &users, &not_imported, &[]).await;
}

#[tokio::test]
async fn cognito() {
    let users = [
        (
            ("email", "ada@cognito.example"),
            "1a2b3c4d-0000-4000-8000-00000000c001",
            json!({
                "id": "1a2b3c4d-0000-4000-8000-00000000c001", "username": "ada.king", "first_name": "Ada", "last_name": "King",
                "status": "active", "created_at": "2024-03-01T10:00:00.123Z", "updated_at": "2026-04-20T08:30:00.000Z",
            }),
        ),
        (
            ("email", "grace@cognito.example"),
            "1a2b3c4d-0000-4000-8000-00000000c002",
            json!({"username": null, "status": "invited", "email_verified_at": null, "created_at": "2025-01-01T12:00:00.000Z"}),
        ),
        (
            ("username", "eve"),
            "1a2b3c4d-0000-4000-8000-00000000c003",
            json!({"status": "suspended"}),
        ),
        (
            ("username", "mallory"),
            "1a2b3c4d-0000-4000-8000-00000000c004",
            json!({"status": "suspended"}),
        ),
    ];
    let warned = ["line 39: suspended the user, as `UserStatus` is not known: UNKNOWN"];
    check("cognito.json", "Cognito", &users, &["Attributes.custom:plan"], &warned).await;
}

#[tokio::test]
async fn firebase() {
    let users = [
        (
            ("email", "ada@firebase.example"),
            "a1B2c3D4e5F6g7H8i9J0k1L2m3N4",
            json!({
                "name": "Ada King", "avatar_url": "https://lh3.example/a/ada", "role": "admin", "status": "active",
                "created_at": "2024-03-01T10:00:00.123Z", "last_seen": {"at": 1_776_673_800, "user_agent": ""},
            }),
        ),
        (
            ("email", "grace@firebase.example"),
            "b1B2c3D4e5F6g7H8i9J0k1L2m3N4",
            json!({"status": "suspended", "avatar_url": null, "email_verified_at": null}),
        ),
        (
            ("name", "Carla"),
            "c1B2c3D4e5F6g7H8i9J0k1L2m3N4",
            json!({"email": null, "status": "active"}),
        ),
    ];
    let not_imported =
        ["customAttributes.plan", "passwordHash", "phoneNumber", "providerUserInfo", "salt"];
    let warned = [
        "line 24: left out `photoUrl`, which is not an address that starts with https:// or http://: javascript:alert(1)",
    ];
    check("firebase.json", "Firebase", &users, &not_imported, &warned).await;
}

#[tokio::test]
async fn keycloak() {
    let users = [
        (
            ("email", "ada@keycloak.example"),
            "3f3f3a1e-0000-4000-8000-00000000a001",
            json!({
                "username": "ada.king", "first_name": "Ada", "last_name": "King", "avatar_url": "https://pictures.example/ada.png",
                "role": "viewer", "status": "active", "created_at": "2024-03-01T10:00:00.123Z",
            }),
        ),
        (
            ("username", "eve"),
            "3f3f3a1e-0000-4000-8000-00000000a002",
            json!({"status": "suspended"}),
        ),
        (
            ("username", "service-account-reports"),
            "3f3f3a1e-0000-4000-8000-00000000a003",
            json!({"account_type": "service"}),
        ),
    ];
    let not_imported = [
        "attributes.locale",
        "credentials",
        "disableableCredentialTypes",
        "groups",
        "notBefore",
        "realmRoles",
        "requiredActions",
        "totp",
    ];
    check("keycloak.json", "Keycloak", &users, &not_imported, &[]).await;
}

#[tokio::test]
async fn supabase() {
    let users = [(
        ("email", "ada@supabase.example"),
        "00000000-0000-4000-9000-000000000001",
        json!({
            "name": "Ada King", "avatar_url": "https://pictures.example/ada.png", "role": "operator", "status": "active",
            "email_verified_at": "2024-03-01T10:00:00.123Z", "created_at": "2024-03-01T10:00:00.123Z",
        }),
    )];
    let not_imported = [
        "app_metadata.provider",
        "app_metadata.providers",
        "aud",
        "confirmed_at",
        "identities",
        "is_anonymous",
        "phone",
        "user_metadata.role",
    ];
    check("supabase.json", "Supabase or Roster", &users, &not_imported, &[]).await;
    let id = |n: u32| format!("00000000-0000-4000-9000-00000000000{n}");
    let user = |n: u32, fields: Value| (("id", &*id(n).leak()), &*id(n).leak(), fields);
    let users = [
        user(
            1,
            json!({
                "email": "one@supabase.example", "name": "One, First", "avatar_url": "https://a.example/1.png", "status": "active",
                "email_verified_at": "2026-01-02T03:04:05.678Z", "role": "viewer",
                "last_seen": {"at": 1_777_536_000, "user_agent": ""},
            }),
        ),
        user(2, json!({"status": "invited"})),
        user(3, json!({"status": "suspended", "name": "Three"})),
        user(
            4,
            json!({"status": "deleted", "email": null, "soft_deleted_at": "2026-04-30T00:00:00.000Z"}),
        ),
        user(5, json!({"status": "active", "email": null})),
    ];
    let not_imported = [
        "aud",
        "encrypted_password",
        "instance_id",
        "is_super_admin",
        "phone",
        "raw_app_meta_data.provider",
        "raw_app_meta_data.providers",
    ];
    let warned = [
        "line 5: left out `email`, which is not an email address: 1f0c7a7d9b6b4e0d8a5c3b2a19181716151413121110",
    ];
    check("supabase.csv", "Supabase or Roster", &users, &not_imported, &warned).await;
}

#[tokio::test]
async fn deleted_users_are_skipped_before_their_fields_are_looked_at() {
    let roster = Roster::start().await;
    let imported = import_with(&roster, &fixture("supabase.csv"), |options| {
        options.deleted = local::import::Deleted::Skip
    })
    .await;
    assert_eq!(
        (imported.report().imported, imported.report().skipped, imported.report().warned),
        (4, 1, 0)
    );
    assert_eq!(imported.told, [""; 0]);
    assert_eq!(
        roster.user("00000000-0000-4000-9000-000000000004".parse().expect("an id")).await,
        None
    );
    assert!(
        imported
            .report()
            .to_string()
            .starts_with("imported 4, already there 0, skipped 1, refused 0, warned 0\n")
    );
    roster.check_table().await;
}

#[tokio::test]
async fn a_proven_email_is_proven_since_the_import_where_the_source_tells_no_time() {
    for (name, email, other) in [
        ("auth0.jsonl", "ada@auth0.example", "grace@auth0.example"),
        ("clerk.json", "ada@clerk.example", "grace@clerk.example"),
        ("clerk.csv", "ada@clerk.example", "grace@clerk.example"),
        ("cognito.json", "ada@cognito.example", "grace@cognito.example"),
        ("firebase.json", "ada@firebase.example", "grace@firebase.example"),
        ("keycloak.json", "ada@keycloak.example", ""),
    ] {
        let roster = Roster::start().await;
        import(&roster, &fixture(name)).await.report();
        assert_eq!(
            user_with(&roster, "email", email).await.0.email_verified_at,
            Some(roster.now()),
            "{name}"
        );
        if !other.is_empty() {
            assert_eq!(
                user_with(&roster, "email", other).await.0.email_verified_at,
                None,
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn rights_come_from_what_administrators_write_alone() {
    let lines = [
        json!({"id": "user_1", "email_addresses": [], "username": "one", "unsafe_metadata": {"role": "admin"}}),
        json!({"id": "user_2", "username": "two", "user_metadata": {"role": "admin", "team_id": demo::OTHER_TEAM}}),
        json!({"user_id": "auth0|3", "username": "three", "user_metadata": {"role": "admin"}, "app_metadata": {"role": "operator"}}),
    ];
    let roster = Roster::start().await;
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = write(&folder, "users.jsonl", lines.map(|line| line.to_string()).join("\n"));
    assert_eq!(counts(import(&roster, &path).await.report()), (3, 0, 0));
    for (username, role) in
        [("one", Role::Viewer), ("two", Role::Viewer), ("three", Role::Operator)]
    {
        let (user, _) = user_with(&roster, "username", username).await;
        assert_eq!((user.role, user.team_id), (role, demo::TEAM), "{username}");
    }
}
