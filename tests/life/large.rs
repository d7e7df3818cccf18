//! The purge of accounts that have very much: in bounded memory, in turns with the others, and
//! going on where it was cut off.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use peak_alloc::PeakAlloc;
use serde_json::{Value, json};
use shared::models::{AuditEntry, FieldChange, Invite, InviteStatus, Role, Status, Team, User};
use shared::table::{ERASURE, Key};
use tests::{Roster, rounds};
use tokio::time::Instant;
use uuid::Uuid;

use super::purge::{item, purge, write};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A user who is due, alone in a team.
async fn due(roster: &Roster, id: Uuid) -> Uuid {
    let now = roster.now();
    let team_id = Uuid::new_v5(&id, b"team");
    let team = Team {
        id: team_id,
        name: "Team".into(),
        slug: "team".into(),
        owner_user_id: id,
        quota_tier_id: "free".into(),
        created_at: now,
        updated_at: now,
        soft_deleted_at: None,
    };
    write(roster, vec![item(&Key::team(team_id), &team)]).await;
    let user = User {
        role: Role::Admin,
        status: Status::Deleted,
        soft_deleted_at: Some(now.plus_seconds(-86_400)),
        delete_scheduled_at: Some(now.plus_seconds(-60)),
        deleted_from: Some(Status::Active),
        ..User::new(id, 1, (team_id, "Team"), now)
    };
    roster.server.data.store.load_users(&[user]).await.expect("a user");
    team_id
}

/// So many entries of a history, each with a text of so many bytes that names a person.
async fn history(roster: &Roster, user: Uuid, entries: usize, bytes: usize) {
    let text = format!("Zephyrine {}", "x".repeat(bytes));
    for first in (0..entries).step_by(1000) {
        let entry = |n: usize| {
            let entry = AuditEntry {
                id: Uuid::from_u128((n as u128 + 1) << 64 | user.as_u128() & 0xffff),
                at: roster.now(),
                actor_id: Some(user),
                action: "user.updated".into(),
                reason: Some("Zephyrine asked".into()),
                changes: [(
                    "display_name".to_owned(),
                    FieldChange { before: Value::Null, after: text.clone().into() },
                )]
                .into(),
                credential: None,
                request_id: None,
                address: None,
                address_id: None,
            };
            item(&Key::audit(user, entry.id), &entry)
        };
        write(roster, (first..entries.min(first + 1000)).map(entry).collect()).await;
    }
}

/// So many invites that were revoked, and so many receipts.
async fn invites_and_receipts(roster: &Roster, user: Uuid, team_id: Uuid, count: usize) {
    for first in (0..count).step_by(1000) {
        let items = |n: usize| {
            let invite = Invite {
                id: Uuid::new_v5(&team_id, &n.to_be_bytes()),
                team_id,
                email: format!("zephyrine.{n}@example.com"),
                status: InviteStatus::Revoked,
                user_id: Uuid::nil(),
                invited_by: user,
                created_at: roster.now(),
                updated_at: roster.now(),
            };
            let receipt = json!({"fingerprint": "", "expires": roster.now().as_second() + 86_400, "answer": "x".repeat(400)});
            [
                item(&Key::invite(team_id, invite.id), &invite),
                item(&Key::receipt(user, &n.to_string()), &receipt),
            ]
        };
        write(roster, (first..count.min(first + 1000)).flat_map(items).collect()).await;
    }
}

async fn exists(roster: &Roster, key: &Key) -> bool {
    let found = roster
        .server
        .data
        .client
        .get_item()
        .table_name(&roster.table)
        .set_key(Some(key.item()))
        .consistent_read(true);
    found.send().await.expect("a read").item.is_some()
}

/// Holds that nobody is left, and no entry that names anyone. Looks at one item at a time, as there
/// may be very many.
async fn assert_erased(roster: &Roster) {
    let mut start = None;
    loop {
        let page = roster
            .server
            .data
            .client
            .scan()
            .table_name(&roster.table)
            .set_exclusive_start_key(start)
            .send()
            .await;
        let page = page.expect("the table is read");
        for found in page.items() {
            let pk = found["pk"].as_s().expect("a key");
            assert!(["AUDIT#", "SPANS#"].iter().any(|kind| pk.starts_with(kind)), "{found:?}");
            assert!(!format!("{found:?}").to_lowercase().contains("zeph"), "{found:?}");
        }
        start = page.last_evaluated_key;
        if start.is_none() {
            return;
        }
    }
}

#[tokio::test]
async fn memory_does_not_grow_with_what_is_erased() {
    let roster = Roster::empty().await;
    // The short form has as many bytes in fewer entries.
    let (entries, others, bytes) =
        (rounds(1500, 100_000), rounds(600, 10_000), rounds(16_000, 600));
    let user = Uuid::new_v5(&Uuid::NAMESPACE_OID, b"large");
    let team = due(&roster, user).await;
    history(&roster, user, entries, bytes).await;
    invites_and_receipts(&roster, user, team, others).await;
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let start = Instant::now();
    let report = purge(&roster).await;
    let peak = MEMORY.peak_usage().saturating_sub(before);
    println!(
        "{entries} entries, {others} invites: {:.1?}, {:.1} MB at the peak",
        start.elapsed(),
        peak as f64 / 1e6
    );
    assert_eq!((report.purged, report.failed, report.finished), (1, 0, true));
    // All of it has 24 MB and more, as text. The other tests of this suite run meanwhile.
    assert!(peak < rounds(24_000_000, 64_000_000), "{peak} bytes");
    assert_erased(&roster).await;
}

#[tokio::test]
async fn large_accounts_do_not_keep_others_waiting() {
    let roster = Roster::empty().await;
    // As many as are erased at one time, and the first of all.
    let large: Vec<Uuid> = (0..8_u8).map(|n| Uuid::new_v5(&Uuid::NAMESPACE_OID, &[1, n])).collect();
    for user in &large {
        due(&roster, *user).await;
        history(&roster, *user, 1400, 10).await;
    }
    roster.advance(120);
    let small: Vec<Uuid> = (0..4_u8).map(|n| Uuid::new_v5(&Uuid::NAMESPACE_OID, &[2, n])).collect();
    for user in &small {
        due(&roster, *user).await;
    }
    let waiting = async {
        for user in &small {
            while exists(&roster, &Key::user(*user)).await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    tokio::select! {
        report = purge(&roster) => panic!("the large accounts were all done before the small ones: {report:?}"),
        () = waiting => {}
    }
    for user in &large {
        assert!(exists(&roster, &Key::user(*user)).await, "a large account was done first");
    }
    let rest = purge(&roster).await;
    assert_eq!((rest.purged, rest.failed, rest.finished), (8, 0, true));
    assert_erased(&roster).await;
}

#[tokio::test]
async fn a_long_history_is_not_read_again_from_its_beginning() {
    let roster = Roster::empty().await;
    let user = Uuid::new_v5(&Uuid::NAMESPACE_OID, b"long");
    due(&roster, user).await;
    history(&roster, user, 1500, 10).await;
    let entry = |n: u128| Key::audit(user, Uuid::from_u128(n << 64 | user.as_u128() & 0xffff));
    let is_reduced = async |n: u128| {
        let read = roster
            .server
            .data
            .client
            .get_item()
            .table_name(&roster.table)
            .set_key(Some(entry(n).item()));
        let item = read.consistent_read(true).send().await.expect("a read").item.expect("an entry");
        !item.contains_key("reason")
    };
    let is_noted = async || {
        let read = roster
            .server
            .data
            .client
            .get_item()
            .table_name(&roster.table)
            .set_key(Some(Key::user(user).item()));
        read.consistent_read(true)
            .send()
            .await
            .expect("a read")
            .item
            .expect("the user")
            .contains_key(ERASURE)
    };
    let noted = async {
        while !is_noted().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        report = purge(&roster) => panic!("it was done at once: {report:?}"),
        () = noted => {}
    }
    assert!(is_reduced(1).await);
    // Were it to begin anew, it would find this.
    let name = AttributeValue::S("again".into());
    let update = roster
        .server
        .data
        .client
        .update_item()
        .table_name(&roster.table)
        .set_key(Some(entry(1).item()));
    update
        .update_expression("SET reason = :reason")
        .expression_attribute_values(":reason", name)
        .send()
        .await
        .expect("an update");
    let report = purge(&roster).await;
    assert_eq!((report.purged, report.finished), (1, true));
    assert!(!is_reduced(1).await, "the history was read from its beginning");
    let mut reduced = BTreeSet::new();
    for n in [2, 250, 251, 700, 1499, 1500] {
        reduced.insert(is_reduced(n).await);
    }
    assert_eq!(reduced, [true].into());
    assert!(!exists(&roster, &Key::user(user)).await);
}
