//! The fields of a record: each is taken, or named.

use local::demo;
use serde_json::{Value, json};
use shared::models::{Role, Status};
use tempfile::TempDir;
use tests::Roster;

use crate::{counts, import_text, import_with, user_with, write};

#[tokio::test]
async fn a_field_that_cannot_be_used_is_left_out_and_its_user_stays() {
    const TOO_LONG: &str = "is too long, or holds control or invisible characters";
    const NO_ADDRESS: &str = "is not an address that starts with https:// or http://";
    for (field, value, problem) in [
        ("email", json!("no at sign"), "is not an email address"),
        ("email", json!({}), ""),
        ("email", json!({"a": 1}), "is not a text"),
        (
            "username",
            json!("jose\u{301}"),
            "is not a username: it is too long, not in Unicode's form NFKC, or holds invisible characters",
        ),
        ("name", json!("x".repeat(256)), TOO_LONG),
        ("name", json!(["Ada", "King"]), "is not a text"),
        ("first_name", json!("a\u{7}"), TOO_LONG),
        ("last_name", json!("a\u{202e}"), TOO_LONG),
        ("display_name", json!("\u{3000}\u{200b}"), TOO_LONG),
        ("job_title", json!("a\nb"), TOO_LONG),
        ("avatar_url", json!("javascript:alert(1)"), NO_ADDRESS),
        ("avatar_url", json!("data:image/png;base64,AAAA"), NO_ADDRESS),
        ("pub_key", json!("x".repeat(2049)), TOO_LONG),
        ("scim_id", json!("a\nb"), TOO_LONG),
        ("device_user_id", json!("a\nb"), TOO_LONG),
        ("role", json!("emperor"), "is not admin, operator or viewer"),
        ("account_type", json!("robot"), "is not user or service"),
        ("device_type", json!("abacus"), "is not psd, soft_psd or api"),
        ("view_all", json!("perhaps"), "is not true or false"),
        ("is_operator", json!(true), "is for `local -- operator` to give"),
        ("created_at", json!("soon"), "is not a time"),
        ("updated_at", json!([1]), "is not a time"),
        ("last_sign_in_at", json!({"at": 1}), "is not a time"),
        ("invited_at", json!("31.12.2026"), "is not a time"),
        ("email_confirmed_at", json!("perhaps"), "is not a time, and not true or false"),
        ("claims", json!("free text"), "is not an object"),
        ("claims", json!(null), ""),
        ("claims", json!([]), ""),
        ("claims", json!({"a": null}), ""),
        ("claims", json!({"a": {"b": 1}}), "is not a text"),
        ("claims", json!({"": "nameless"}), "has a claim without a name"),
        ("claims", json!({"a": "x".repeat(16 * 1024)}), "holds more than 16 KB of claims"),
        ("raw_user_meta_data", json!(null), ""),
        ("raw_user_meta_data", json!("null"), ""),
        ("raw_user_meta_data", json!([]), ""),
        ("raw_user_meta_data", json!("[]"), ""),
        ("raw_user_meta_data", json!([1]), "is not an object"),
        ("raw_user_meta_data", json!("{"), "is not an object"),
        ("raw_user_meta_data", json!({"name": 7}), "is not a name or a picture's address"),
        (
            "raw_user_meta_data",
            json!({"name": " ", "avatar_url": null}),
            "is not a name or a picture's address",
        ),
    ] {
        let mut line = json!({"id": "person|1", "display_name": "Ada"});
        line[field] = value.clone();
        let (roster, imported) = import_text("users.jsonl", line.to_string()).await;
        assert_eq!(counts(imported.report()), (1, 0, 0), "{field} {value}");
        let (user, item) = user_with(&roster, "team_name", "Imported users").await;
        assert_eq!(
            (user.role, user.status, user.is_operator),
            (Role::Viewer, Status::Active, false),
            "{field}"
        );
        if problem.is_empty() {
            assert_eq!(
                (imported.told.len(), imported.report().warned),
                (0, 0),
                "{field} {value}: {:?}",
                imported.told
            );
            continue;
        }
        let [told] = &imported.told[..] else { panic!("{field} {value}: {:?}", imported.told) };
        let begin = format!("line 1: left out `{field}");
        assert!(
            told.starts_with(&begin) && told.contains(&format!("`, which {problem}: ")),
            "{told}"
        );
        assert_eq!(imported.report().warnings.values().collect::<Vec<_>>(), [&1]);
        let reason = imported.report().warnings.keys().next().expect("a reason");
        assert!(reason.starts_with(&format!("`{field}")) && reason.ends_with(problem), "{reason}");
        assert!(
            imported.report().to_string().contains(&format!("\nwarned 1: {reason}")),
            "{}",
            imported.report()
        );
        // Nothing of it came into the record.
        assert_ne!(item.get(field), Some(&value), "{field}");
    }
}

#[tokio::test]
async fn a_lock_that_cannot_be_read_locks() {
    for (field, value) in
        [("status", "verified?"), ("banned_until", "infinity"), ("deleted_at", "yesterday")]
    {
        let line = json!({"id": "person|1", "email": "ada@example.com", field: value});
        let (roster, imported) = import_text("users.jsonl", line.to_string()).await;
        assert_eq!(
            (counts(imported.report()), imported.report().warned),
            ((1, 0, 0), 1),
            "{field}"
        );
        assert!(
            imported.told[0]
                .starts_with(&format!("line 1: suspended the user, as `{field}` is not ")),
            "{:?}",
            imported.told
        );
        assert_eq!(
            user_with(&roster, "email", "ada@example.com").await.0.status,
            Status::Suspended,
            "{field}"
        );
    }
}

#[tokio::test]
async fn only_who_has_no_identity_or_no_team_is_refused() {
    for (line, reason) in [
        (json!({"name": "Nobody"}), "has no identity"),
        (json!({"id": null, "email": "", "username": "  "}), "has no identity"),
        (json!({"email": "no at sign"}), "has no identity"),
        (
            json!({"id": "bell\u{7}", "email": "x@example.com"}),
            "has an id or a team that cannot be used",
        ),
        (
            json!({"id": "x".repeat(256), "email": "x@example.com"}),
            "has an id or a team that cannot be used",
        ),
        (
            json!({"id": {"$oid": "1"}, "email": "x@example.com"}),
            "has an id or a team that cannot be used",
        ),
        (json!({"id": "1", "team_id": "acme"}), "has an id or a team that cannot be used"),
        (json!({"id": "1", "team_id": demo::id(0x404)}), "names a team that does not exist"),
    ] {
        let (roster, imported) = import_text("users.jsonl", line.to_string()).await;
        assert_eq!(counts(imported.report()), (0, 0, 1), "{line}");
        assert_eq!(
            imported.report().refusals.iter().collect::<Vec<_>>(),
            [(&reason, &1)],
            "{line}"
        );
        assert!(
            imported
                .told
                .last()
                .expect("a line")
                .starts_with(&format!("line 1: refused: it {reason}: ")),
            "{:?}",
            imported.told
        );
        assert!(
            imported.report().to_string().contains(&format!("\nrefused 1: {reason}")),
            "{}",
            imported.report()
        );
        assert_eq!(roster.items().await.len(), 0, "{line}");
    }
}

#[tokio::test]
async fn all_columns_of_a_csv_are_read_and_unknown_ones_named_once() {
    let csv = "id,email,name,role,username,status,created_at,last_sign_in_at,first_name,last_name,job_title,shoe size,phone\n\
               p|1,ada@example.com,Ada King,Admin,ada,suspended,2026-01-02,2026-03-04 05:06:07+00,Ada,King,Engineer,38,\n\
               p|2,eve@example.com,Eve,,eve,,,,,,,40,1\n";
    let (roster, imported) = import_text("users.csv", csv).await;
    assert_eq!((counts(imported.report()), imported.report().warned), ((2, 0, 0), 0));
    let (_, ada) = user_with(&roster, "email", "ada@example.com").await;
    let expected = json!({
        "name": "Ada King", "role": "admin", "username": "ada", "status": "suspended", "created_at": "2026-01-02T00:00:00.000Z",
        "last_seen": {"at": 1_772_600_767, "user_agent": ""}, "first_name": "Ada", "last_name": "King", "job_title": "Engineer",
    });
    for (field, value) in expected.as_object().expect("fields") {
        assert_eq!(ada.get(field), Some(value), "{field}");
    }
    let text = imported.report().to_string();
    assert!(
        text.contains("\nnot imported: phone, shoe size. --map NAME=FIELD imports one."),
        "{text}"
    );
}

#[tokio::test]
async fn names_of_unknown_fields_are_so_many_and_command_no_terminal() {
    let mut line = json!({"id": "1", "a\u{1b}[2J\nb": 1, "inner": {"c": 1}});
    for n in 0..500 {
        line[format!("field {n:03}")] = Value::Null;
    }
    let (_, imported) = import_text("users.jsonl", line.to_string()).await;
    let text = imported.report().to_string();
    assert_eq!(imported.report().not_imported.len(), 100);
    assert!(
        text.contains("not imported: a\u{fffd}[2J\u{fffd}b, field 000, ")
            && text.contains(" and perhaps more."),
        "{text}"
    );
}

#[tokio::test]
async fn a_column_is_mapped_to_a_field() {
    let csv = "uid,work_email,meta,email,plan\np|1,ada@example.com,\"{\"\"job\"\": \"\"Engineer\"\"}\",old@example.com,pro\np|2,,,eve@example.com,\n";
    let (roster, folder) = (Roster::empty().await, TempDir::new().expect("a folder"));
    let path = write(&folder, "users.csv", csv);
    let mappings = ["uid=id", "work_email=email", "meta.job=job_title", "plan=claims.plan"];
    let mapped = import_with(&roster, &path, |options| {
        options.mappings = mappings.map(|text| text.parse().expect("a mapping")).into()
    })
    .await;
    assert_eq!((counts(mapped.report()), mapped.report().warned), ((2, 0, 0), 0));
    assert_eq!(mapped.report().not_imported.len(), 0, "{:?}", mapped.report().not_imported);
    let (ada, _) = user_with(&roster, "email", "ada@example.com").await;
    assert_eq!(
        (ada.job_title.as_deref(), ada.claims["plan"].as_str(), ada.status),
        (Some("Engineer"), "pro", Status::Active)
    );
    // Where the mapped column has nothing, the field's own counts.
    assert_eq!(user_with(&roster, "email", "eve@example.com").await.0.claims.len(), 0);
    // It makes a file one with an identity.
    let (roster, path) =
        (Roster::empty().await, write(&folder, "mails.csv", "mail\nada@example.com\n"));
    let mapped = import_with(&roster, &path, |options| {
        options.mappings = vec!["mail=email".parse().expect("a mapping")]
    })
    .await;
    assert_eq!(counts(mapped.report()), (1, 0, 0));
    let mapped = import_with(&roster, &path, |options| {
        options.mappings = vec!["mail=name".parse().expect("a mapping")]
    })
    .await;
    assert!(mapped.failure().contains("has no column that tells who a user is"));
}

/// A name, a picture.
type Told = (Option<&'static str>, Option<&'static str>);

#[tokio::test]
async fn metadata_is_read_alike_at_sign_up_and_by_the_import() {
    let url = "https://a.example/1.png";
    for (metadata, (name, avatar_url)) in [
        (
            json!({"full_name": "Ada King", "name": "ada", "avatar_url": url}),
            (Some("Ada King"), Some(url)),
        ),
        (json!({"full_name": "   ", "name": "ada"}), (Some("ada"), None)),
        (json!({"name": "", "picture": url}), (None, Some(url))),
        (json!({"name": "a\u{202e}b", "avatar_url": "javascript:alert(1)"}), (None, None)),
        (
            json!({"full_name": "𝒜é".repeat(127), "avatar_url": "data:,x"}),
            (Some(&*"𝒜é".repeat(127).leak()), None),
        ),
        (json!({"full_name": "𝒜é".repeat(128)}), (None, None)),
        (json!({"name": ["Ada"]}), (None, None)),
        (json!("{\"name\": \"Ada\"}"), (Some("Ada"), None)),
        (json!(json!({"name": "Ada"}).to_string()), (Some("Ada"), None)),
        (json!(null), (None, None)),
    ] as [(Value, Told); 10]
    {
        let id = demo::id(0xe77);
        let line = json!({"id": id, "email": "ada@example.com", "user_metadata": metadata});
        let (imported, _) = import_text("users.jsonl", line.to_string()).await;
        let signed_up = Roster::empty().await;
        let mut claims = signed_up.claims(id);
        (claims["email"], claims["user_metadata"]) = ("ada@example.com".into(), metadata.clone());
        let request = signed_up
            .request(reqwest::Method::POST, "/v1/account")
            .bearer_auth(tests::sign(&claims));
        tests::send(request).await.expect(201);
        for roster in [&imported, &signed_up] {
            let user = roster.user(id).await.expect("the user");
            assert_eq!(
                (user.name.as_deref(), user.avatar_url.as_deref()),
                (name, avatar_url),
                "{metadata}"
            );
        }
    }
}
