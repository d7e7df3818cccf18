//! Pending members, administrators, and dry runs.

use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use shared::models::{Role, Status, User};
use tempfile::TempDir;
use tests::{Answer, Roster, send, sign};
use uuid::Uuid;

use crate::{Imported, counts, import, import_text, import_with, user_with, write};

const EMAIL: &str = "Nova.Reed@example.com";
const NOVA: Uuid = demo::id(0xe70);

async fn import_lines(roster: &Roster, lines: &[Value]) -> Imported {
    let folder = TempDir::new().expect("a folder");
    let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
    import(roster, &write(&folder, "users.jsonl", lines.join("\n"))).await
}

async fn sign_up(roster: &Roster, sub: Uuid, claims: &Value) -> Answer {
    let mut all = roster.claims(sub);
    all.as_object_mut().expect("claims").extend(claims.as_object().expect("claims").clone());
    send(roster.request(Method::POST, "/v1/account").bearer_auth(sign(&all))).await
}

#[tokio::test]
async fn a_line_without_an_id_makes_such_a_member_as_an_administrator_makes() {
    let roster = Roster::start().await;
    let line = json!({"email": EMAIL, "name": "Nova R.", "username": "nova", "role": "operator", "status": "active"});
    let imported = import_lines(&roster, &[line]).await;
    assert_eq!(
        (counts(imported.report()), imported.report().pending, imported.report().warned),
        ((1, 0, 0), 1, 0)
    );
    assert!(
        imported.report().to_string().starts_with("imported 1 (1 pending), "),
        "{}",
        imported.report()
    );
    let (imported, _) = user_with(&roster, "email", EMAIL).await;
    let body = json!({"email": "other@example.com", "name": "Nova R.", "username": "other", "rootRole": 2});
    roster.call(Method::POST, "/api/admin/user-admin", demo::ADMIN, &body).await.expect(201);
    let (made, _) = user_with(&roster, "email", "other@example.com").await;
    assert_eq!(imported.invite_link, Some(format!("/sign-up?invite={}", imported.id)));
    let alike = User {
        id: made.id,
        number: made.number,
        email: made.email.clone(),
        username: made.username.clone(),
        invite_link: made.invite_link.clone(),
        ..imported.clone()
    };
    assert_eq!(alike, made);
    // Nobody computes the id.
    assert_eq!(imported.id.get_version_num(), 4);
    roster.check_table().await;
}

#[tokio::test]
async fn who_proves_the_email_becomes_the_member_and_nobody_else() {
    let roster = Roster::start().await;
    let line = json!({"email": EMAIL, "name": "Nova R.", "role": "admin", "email_confirmed_at": "2026-01-01", "last_sign_in_at": "2026-01-01"});
    let imported = import_lines(&roster, &[line]).await;
    // The proof was another's to give, and nobody was seen here.
    let why = "as a user without an id has yet to sign up";
    let left_out = ["email_verified_at", "last_sign_in_at"]
        .map(|field| format!("line 1: left out `{field}`, {why}"));
    assert_eq!(imported.told, left_out);
    let (pending, _) = user_with(&roster, "email", EMAIL).await;
    assert_eq!(
        (pending.status, pending.email_verified_at, pending.last_seen.clone()),
        (Status::Invited, None, None)
    );
    let before = roster.items().await;
    for email_verified in [json!(false), json!("false")] {
        let refused =
            sign_up(&roster, NOVA, &json!({"email": EMAIL, "email_verified": email_verified}))
                .await;
        assert_eq!(refused.expect(403).json()["code"], "email_not_verified");
    }
    // Neither does what users write themselves, nor another email.
    let claims = json!({"email": EMAIL, "email_verified": false, "user_metadata": {"email": EMAIL, "email_verified": true}});
    sign_up(&roster, NOVA, &claims).await.expect(403);
    assert_eq!(roster.items().await, before);
    sign_up(
        &roster,
        demo::id(0xe71),
        &json!({"email": "nova@example.com", "email_verified": true}),
    )
    .await
    .expect(201);
    assert_ne!(roster.user(demo::id(0xe71)).await.expect("a user").team_id, demo::TEAM);
    let joined =
        sign_up(&roster, NOVA, &json!({"email": EMAIL.to_lowercase(), "email_verified": true}))
            .await
            .expect(201);
    assert_eq!(joined.json()["team"]["id"], json!(demo::TEAM));
    let nova = roster.user(NOVA).await.expect("the member");
    assert_eq!(
        (nova.role, nova.status, nova.number, nova.name.as_deref()),
        (Role::Admin, Status::Active, pending.number, Some("Nova R."))
    );
    assert_eq!((nova.invited_as, nova.email_verified_at), (Some(pending.id), Some(roster.now())));
    assert_eq!(roster.user(pending.id).await, None);
    roster.check_table().await;
}

#[tokio::test]
async fn a_token_whose_subject_is_made_of_an_email_is_nobody_imported() {
    let roster = Roster::start().await;
    import_lines(
        &roster,
        &[json!({"email": EMAIL, "role": "admin"}), json!({"username": "bot", "role": "admin"})],
    )
    .await
    .report();
    for sub in ["email:nova.reed@example.com".to_owned(), format!("username:{}:bot", demo::TEAM)] {
        for sub in [sub.clone(), Uuid::new_v5(&Uuid::NAMESPACE_OID, sub.as_bytes()).to_string()] {
            let mut claims = roster.claims(NOVA);
            claims["sub"] = sub.as_str().into();
            let me =
                send(roster.request(Method::GET, "/users/me").bearer_auth(sign(&claims))).await;
            assert_eq!(me.status, 401, "{sub}");
        }
    }
}

#[tokio::test]
async fn a_member_who_is_locked_before_signing_up_stays_out() {
    let roster = Roster::start().await;
    import_lines(&roster, &[json!({"email": EMAIL, "status": "suspended"})]).await.report();
    let (pending, _) = user_with(&roster, "email", EMAIL).await;
    assert_eq!(pending.status, Status::Suspended);
    sign_up(&roster, NOVA, &json!({"email": EMAIL, "email_verified": true})).await.expect(409);
    let path = format!("/v1/admin/users/{}/unsuspend", pending.id);
    let request =
        roster.request(Method::POST, &path).bearer_auth(roster.token(demo::PLATFORM_OPERATOR));
    send(request).await.expect(200);
    assert_eq!(roster.user(pending.id).await.expect("the member").status, Status::Invited);
    sign_up(&roster, NOVA, &json!({"email": EMAIL, "email_verified": true})).await.expect(201);
    roster.check_table().await;
}

#[tokio::test]
async fn a_second_run_finds_who_is_pending_and_who_has_joined_since() {
    let roster = Roster::start().await;
    let lines = [
        json!({"email": EMAIL}),
        json!({"email": EMAIL.to_uppercase(), "name": "again"}),
        json!({"username": "Nova"}),
        json!({"username": "nova"}),
        json!({"email": "third@example.com", "username": "NOVA"}),
        json!({"email": "gone@example.com", "deleted_at": "2026-01-01"}),
    ];
    let first = import_lines(&roster, &lines).await;
    assert_eq!(
        (counts(first.report()), first.report().skipped),
        ((3, 2, 0), 1),
        "{:?}",
        first.told
    );
    let told = [
        "line 6: left out: a deleted user without an id is nobody",
        "line 5: left out `username`, which another user of the team holds: NOVA",
    ];
    assert_eq!(first.told, told);
    assert_eq!(user_with(&roster, "email", "third@example.com").await.0.username, None);
    sign_up(&roster, NOVA, &json!({"email": EMAIL, "email_verified": true})).await.expect(201);
    let before = roster.items().await;
    let second = import_lines(&roster, &lines).await;
    assert_eq!(
        (counts(second.report()), second.report().skipped),
        ((0, 5, 0), 1),
        "{:?}",
        second.told
    );
    assert_eq!(roster.items().await, before);
    roster.check_table().await;
}

#[tokio::test]
async fn who_is_in_another_team_stays_there_and_is_named() {
    let roster = Roster::start().await;
    let other = roster.user(demo::OTHER_ADMIN).await.expect("the other team's administrator");
    let imported =
        import_lines(&roster, &[json!({"id": other.id}), json!({"email": other.email})]).await;
    assert_eq!(counts(imported.report()), (0, 2, 0));
    let problem = "the user is in another team already, and stays there";
    assert_eq!(imported.told, [format!("line 1: {problem}"), format!("line 2: {problem}")]);
    assert_eq!(roster.user(other.id).await, Some(other));
}

const TEAM: Uuid = demo::id(0xf7);

/// Imports lines into a team that there is not.
async fn import_team(
    roster: &Roster,
    lines: &[Value],
    admin: Option<&str>,
    dry_run: bool,
) -> Imported {
    let folder = TempDir::new().expect("a folder");
    let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
    let path = write(&folder, "users.jsonl", lines.join("\n"));
    import_with(roster, &path, |options| {
        (options.team_id, options.admin, options.dry_run) =
            (TEAM, admin.map(str::to_owned), dry_run)
    })
    .await
}

#[tokio::test]
async fn a_team_without_an_administrator_is_named() {
    let warning = |what: &str| {
        format!("\nwarning: team {TEAM} (Imported users) has no active administrator. {what}")
    };
    let makes_one = warning("--import-admin EMAIL makes one.");
    for (lines, expected) in [
        (vec![json!({"id": "1", "email": "a@example.com"})], makes_one.as_str()),
        (vec![json!({"id": "1", "role": "admin", "status": "suspended"})], &makes_one),
        (vec![json!({"username": "bot", "account_type": "service", "role": "admin"})], &makes_one),
        (
            vec![json!({"email": "a@example.com", "role": "admin"})],
            &warning("Its administrator has yet to sign up."),
        ),
        (vec![json!({"id": "1"}), json!({"id": "2", "role": "admin"})], ""),
    ] {
        for dry_run in [true, false] {
            let roster = Roster::start().await;
            let text = import_team(&roster, &lines, None, dry_run).await.report().to_string();
            let warned = text.find("\nwarning: ").map_or("", |place| &text[place..]);
            assert_eq!(warned, expected, "{lines:?} {dry_run}");
        }
    }
}

#[tokio::test]
async fn an_administrator_is_made_of_the_file_of_the_team_or_of_nobody() {
    let lines = [
        json!({"id": "1", "email": "Ada@example.com"}),
        json!({"id": "2", "email": "eve@example.com", "status": "suspended"}),
    ];
    let admin = async |roster: &Roster, email: &str| user_with(roster, "email", email).await.0;
    // Of a line.
    let roster = Roster::start().await;
    let imported = import_team(&roster, &lines, Some("ADA@example.com"), false).await;
    assert_eq!((counts(imported.report()), imported.report().administrators), ((2, 0, 0), 1));
    assert_eq!(
        (admin(&roster, "Ada@example.com").await.role, imported.report().unadministered.len()),
        (Role::Admin, 0)
    );
    roster.check_table().await;
    // Of who was there.
    let roster = Roster::start().await;
    import_team(&roster, &lines, None, false).await.report();
    let dry = import_team(&roster, &lines, Some("ada@example.com"), true).await;
    assert_eq!(admin(&roster, "Ada@example.com").await.role, Role::Viewer);
    let imported = import_team(&roster, &lines, Some("ada@example.com"), false).await;
    for imported in [&dry, &imported] {
        assert_eq!(
            (counts(imported.report()), imported.report().promoted.as_deref()),
            ((0, 2, 0), Some("ada@example.com"))
        );
        assert!(imported.report().to_string().contains("\nmade ada@example.com an administrator"));
    }
    let ada = admin(&roster, "Ada@example.com").await;
    assert_eq!((ada.role, ada.version), (Role::Admin, 2));
    roster.check_table().await;
    let before = roster.items().await;
    assert_eq!(
        import_team(&roster, &lines, Some("ada@example.com"), false).await.report().promoted,
        None
    );
    assert_eq!(roster.items().await, before);
    // Of nobody: a pending member.
    let roster = Roster::start().await;
    let imported = import_team(&roster, &lines, Some("boss@example.com"), false).await;
    assert_eq!((counts(imported.report()), imported.report().pending), ((3, 0, 0), 1));
    let boss = admin(&roster, "boss@example.com").await;
    assert_eq!((boss.role, boss.status, boss.team_id), (Role::Admin, Status::Invited, TEAM));
    assert!(
        imported
            .report()
            .to_string()
            .ends_with("has no active administrator. Its administrator has yet to sign up.")
    );
    roster.check_table().await;
}

#[tokio::test]
async fn nobody_of_another_team_and_nobody_locked_is_made_an_administrator() {
    let roster = Roster::start().await;
    let lines = [json!({"id": "1", "email": "eve@example.com", "status": "suspended"})];
    import_team(&roster, &lines, None, false).await.report();
    let other = roster.user(demo::OTHER_ADMIN).await.expect("someone").email.expect("an email");
    let before = roster.items().await;
    for (email, problem) in
        [("eve@example.com", "is suspended"), (other.as_str(), "is in another team")]
    {
        let imported = import_team(&roster, &lines, Some(email), false).await;
        let reason = format!("the user of --import-admin {problem}, and is made no administrator");
        assert_eq!(imported.report().warnings.keys().collect::<Vec<_>>(), [&reason]);
        assert_eq!(roster.items().await, before);
    }
    let failure = import_team(&roster, &lines, Some("nobody"), false).await.failure();
    assert_eq!(failure, "`nobody` is not an email address. --import-admin takes that of a user.");
}

#[tokio::test]
async fn a_dry_run_tells_what_the_run_does_and_writes_nothing() {
    let mut lines: Vec<Value> = (0..150)
        .map(|n| json!({"id": format!("p|{n}"), "email": format!("p{n}@example.com")}))
        .collect();
    lines.extend([
        // All of them after the batch of whom they collide with.
        json!({"id": "p|0"}),
        json!({"id": "p|x", "email": "P1@example.com"}),
        json!({"email": "p2@example.com"}),
        json!({"email": "pending@example.com", "username": "pending"}),
        json!({"username": "Pending"}),
        json!({"id": "p|y", "username": "pending"}),
        json!({"id": "p|z", "role": "emperor", "odd": 1}),
        json!({"name": "nobody"}),
        json!({"id": "p|d", "deleted_at": "2026-01-01"}),
    ]);
    let roster = Roster::start().await;
    let before = roster.items().await;
    let dry = import_team(&roster, &lines, None, true).await;
    assert_eq!(roster.items().await, before);
    let run = import_team(&roster, &lines, None, false).await;
    assert_eq!(counts(run.report()), (154, 3, 2), "{:?}", run.told);
    assert_eq!(dry.told, run.told);
    assert!(dry.report().is_dry_run);
    let dry = local::import::Report { is_dry_run: false, ..dry.report().clone() };
    assert_eq!(&dry, run.report());
    assert!(
        local::import::Report { is_dry_run: true, ..dry }
            .to_string()
            .starts_with("dry run, nothing is written: imported 154 (1 pending), ")
    );
    roster.check_table().await;
    // Of whom are there.
    let before = roster.items().await;
    let dry = import_team(&roster, &lines, None, true).await;
    assert_eq!(counts(dry.report()), (0, 157, 2), "{:?}", dry.told);
    assert_eq!(roster.items().await, before);
}

#[tokio::test]
async fn a_machine_without_an_id_is_in_use_at_once() {
    let line =
        json!({"username": "bot", "account_type": "service", "last_sign_in_at": "2026-01-01"});
    let (roster, imported) = import_text("users.jsonl", line.to_string()).await;
    assert_eq!((imported.report().pending, imported.report().warned), (0, 0));
    let (machine, _) = user_with(&roster, "username", "bot").await;
    assert_eq!(
        (machine.status, machine.invite_link.clone(), machine.last_seen.is_some()),
        (Status::Active, None, true)
    );
}
