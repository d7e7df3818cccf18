//! The purge: none early, none missed, nothing left; also where it is cut off, runs twice at once,
//! or one account fails.

use std::collections::BTreeSet;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures::StreamExt;
use local::demo;
use serde::Serialize;
use serde_json::{Value, json};
use shared::Timestamp;
use shared::dynamodb::Meter;
use shared::models::{
    ApiKey, ApiKeyRecord, AuditCredential, AuditEntry, FieldChange, Permission, Role, Sandbox,
    SandboxRecord, SandboxStatus, Share, SourceAddress, Status, Team, UsageDay, UsageRecord, User,
};
use shared::store::{ADDRESS_DAYS, Act, Erasure, Report};
use shared::table::{DUE, Item, Key, WIDE_PARTITIONS};
use tests::Roster;
use tests::faults::Faults;
use tokio::time::Instant;
use uuid::Uuid;

/// Items that each account has beside the user, its unique values and its names.
const ITEMS: usize = 24;

/// An id of the test's own: spread as the provider's are.
fn id(n: u32) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &n.to_be_bytes())
}

/// A table with so many accounts, each due `due(n)` seconds from now, in teams of `team_size`.
async fn accounts(roster: &Roster, count: u32, team_size: u32, due: impl Fn(u32) -> i64) {
    let now = roster.now();
    let store = &roster.server.data.store;
    let mut items: Vec<Item> = Vec::new();
    for number in 0..count.div_ceil(team_size) {
        let id = team_id(number);
        let team = Team {
            id,
            name: format!("Team {number}"),
            slug: format!("team-{number}"),
            owner_user_id: self::id(number * team_size),
            quota_tier_id: "free".into(),
            created_at: now,
            updated_at: now,
            soft_deleted_at: None,
        };
        items.push(item(&Key::team(id), &team));
        items.push(item(&Key::numbers(id), &json!({"last_number": team_size})));
        items.push(item(
            &Key::sandbox_count(id),
            &json!({"sandboxes": team_size.min(count - number * team_size)}),
        ));
        let day = UsageDay {
            team_id: id,
            usage_date: now.date(),
            sandbox_creates: 1,
            gb_hours: 0.5,
            updated_at: now,
        };
        items
            .push(item(&Key::usage(id, &day.usage_date), &UsageRecord { day, committed_mb_ms: 0 }));
    }
    write(roster, items).await;
    let users: Vec<User> = (0..count)
        .map(|n| User {
            email: Some(format!("person.{n}@example.com")),
            name: Some(format!("Person {n}")),
            role: if n % team_size == 0 { Role::Admin } else { Role::Viewer },
            status: Status::Deleted,
            soft_deleted_at: Some(now.plus_seconds(due(n) - 30 * 86_400)),
            delete_scheduled_at: Some(now.plus_seconds(due(n))),
            deleted_from: Some(Status::Active),
            ..User::new(id(n), u64::from(n % team_size) + 1, (team_id(n / team_size), "Team"), now)
        })
        .collect();
    for users in users.chunks(11) {
        store.load_users(users).await.expect("users");
    }
    let belongings: Vec<Item> = users
        .iter()
        .enumerate()
        .flat_map(|(n, user)| belongings(user, id(n as u32 ^ 1), now))
        .collect();
    assert_eq!(belongings.len(), users.len() * ITEMS);
    write(roster, belongings).await;
    // Each shares with another, who shares with them.
    let counts =
        users.iter().enumerate().filter(|(n, _)| (*n as u32 ^ 1) < count).map(|(_, user)| {
            let one = aws_sdk_dynamodb::types::AttributeValue::N("1".into());
            let update = roster
                .server
                .data
                .client
                .update_item()
                .table_name(&roster.table)
                .set_key(Some(Key::user(user.id).item()));
            update
                .update_expression("SET shares_given = :one, shares_received = :one")
                .expression_attribute_values(":one", one)
                .send()
        });
    for outcome in futures::stream::iter(counts).buffer_unordered(4).collect::<Vec<_>>().await {
        outcome.expect("a count");
    }
}

fn team_id(n: u32) -> Uuid {
    id(u32::MAX - n)
}

pub fn item(key: &Key, record: &impl Serialize) -> Item {
    let mut item: Item = serde_dynamo::to_item(record).expect("an item");
    item.extend(key.item());
    item
}

/// Twenty-one items: five keys and their secrets, three sandboxes, one of which runs, their count,
/// both sides of a share, a default key, a receipt, three audit entries that name the person.
fn belongings(user: &User, other: Uuid, now: Timestamp) -> Vec<Item> {
    let mut items = Vec::new();
    for place in 0..5 {
        let sha256 = format!("{}{place}", user.id.simple());
        let key = ApiKey {
            id: Uuid::new_v5(&user.id, &[place]),
            prefix: "ns_live_0000".into(),
            is_active: false,
            name: Some("laptop".into()),
            created_at: now,
            last_used_at: None,
            scope: "user".into(),
            permissions: Permission::defaults(),
            allowed_ips: Vec::new(),
            expires_at: now.plus_seconds(86_400),
            revoked_at: Some(now),
            rotation_parent_key_id: None,
            minted_by: None,
        };
        items.push(item(
            &Key::api_key_secret(&sha256),
            &json!({"user_id": user.id, "key_id": key.id, "scope": "user", "is_active": false}),
        ));
        items.push(item(
            &Key::api_key(user.id, key.id),
            &ApiKeyRecord { key, sha256, is_rotated: false, stepped_up: false },
        ));
    }
    for (place, status) in
        [SandboxStatus::Running, SandboxStatus::Destroyed, SandboxStatus::Destroyed]
            .into_iter()
            .enumerate()
    {
        let sandbox = Sandbox {
            id: format!("sbx_{place}"),
            user_id: user.id,
            template: "base".into(),
            status,
            created_at: now,
            updated_at: now,
            metadata: Default::default(),
            started_at: Some(now),
            destroyed_at: None,
            cpu_count: None,
            memory_mb: Some(512),
            disk_mb: None,
            timeout_ms: None,
        };
        let record = SandboxRecord {
            ran_ms: 0,
            running_since: None,
            reserved_mb_ms: 0,
            version: 1,
            sandbox,
        };
        items.push(item(&Key::sandbox(user.id, &record.sandbox.id), &record));
    }
    items.push(item(
        &Key::own_sandbox_count(user.id),
        &json!({"sandboxes": 1, "reserved_mb_ms": 0}),
    ));
    let share = Share {
        grantor_id: user.id,
        grantee_id: other,
        scopes: vec!["data:read".into()],
        created_at: now,
    };
    items.push(item(&Key::grant(user.id, other), &share));
    items.push(item(&Key::shared(other, user.id), &share));
    items.push(item(
        &Key::default_api_key(user.id),
        &json!({"key_id": Uuid::new_v5(&user.id, &[0])}),
    ));
    items.push(item(
        &Key::receipt(user.id, "0"),
        &json!({"fingerprint": "", "expires": now.as_second() + 86_400, "answer": ""}),
    ));
    for place in 0..3 {
        let name = user.name.clone().into();
        // The last one takes the name away.
        let change = if place < 2 {
            FieldChange { before: Value::Null, after: name }
        } else {
            FieldChange { before: name, after: Value::Null }
        };
        let entry = AuditEntry {
            id: Uuid::new_v5(&user.id, &[100 + place]),
            at: now,
            actor_id: Some(user.id),
            action: "user.updated".into(),
            reason: None,
            changes: [("name".to_owned(), change)].into(),
            credential: None,
            request_id: None,
            address: None,
            address_id: None,
        };
        items.push(item(&Key::audit(user.id, entry.id), &entry));
        let address = [203, 0, 113, place].into();
        let address = SourceAddress {
            id: entry.id,
            address,
            at: now,
            expires: now.plus_seconds(86_400 * ADDRESS_DAYS).as_second(),
        };
        items.push(item(&Key::address(user.id, address.id), &address));
    }
    items
}

/// Writes items, whatever was there.
pub async fn write(roster: &Roster, items: Vec<Item>) {
    let client = &roster.server.data.client;
    let calls = items.chunks(25).map(|items| {
        let puts = items.iter().map(|item| {
            WriteRequest::builder()
                .put_request(
                    PutRequest::builder().set_item(Some(item.clone())).build().expect("a put"),
                )
                .build()
        });
        client.batch_write_item().request_items(&roster.table, puts.collect()).send()
    });
    let outcomes: Vec<_> = futures::stream::iter(calls).buffer_unordered(4).collect().await;
    for outcome in outcomes {
        let left = outcome.expect("items are written").unprocessed_items.unwrap_or_default();
        assert!(left.is_empty());
    }
}

pub async fn purge(roster: &Roster) -> Report {
    roster
        .server
        .data
        .store
        .purge(
            &AuditCredential::schedule(),
            roster.now(),
            Instant::now() + Duration::from_secs(3600),
        )
        .await
        .expect("a purge")
}

fn report(purged: u64, skipped: u64, failed: u64, oldest_due_age_seconds: Option<i64>) -> Report {
    Report { purged, skipped, failed, oldest_due_age_seconds, finished: true }
}

/// The users that there are.
async fn users(roster: &Roster) -> BTreeSet<Uuid> {
    let items = roster.items().await;
    let users =
        items.iter().filter(|item| item["sk"] == "USER").filter_map(|item| item["id"].as_str());
    users.map(|id| id.parse().expect("a UUID")).collect()
}

/// Holds that nothing is left in the table but audit entries that name nobody.
async fn assert_nothing_is_left(roster: &Roster) {
    let items = roster.items().await;
    let left: Vec<_> = items
        .iter()
        .filter(|item| !item["pk"].as_str().is_some_and(|pk| pk.starts_with("AUDIT#")))
        .collect();
    assert!(left.is_empty(), "{:#?}", &left[..left.len().min(5)]);
    assert!(!items.is_empty());
    assert!(!json!(items).to_string().contains("erson"), "an audit entry names the person");
}

/// So many accounts that are due, and a tenth as many that are not yet: none early, none missed, no
/// orphan.
async fn purges_all_that_are_due(count: u32) {
    let roster = Roster::empty().await;
    // Ten of eleven are due: from long ago to this very millisecond. The rest are from the next
    // second on.
    let all = count / 10 * 11;
    let is_due = |n: u32| n % 11 != 10;
    accounts(&roster, all, 7, |n| if is_due(n) { -i64::from(n) * 200 } else { 1 + i64::from(n) })
        .await;
    let expected: BTreeSet<Uuid> = (0..all).filter(|n| !is_due(*n)).map(id).collect();
    let start = Instant::now();
    let (done, cost) = Meter::measure(purge(&roster)).await;
    let took = start.elapsed();
    assert_eq!(done, report(count.into(), 0, 0, Some(i64::from(all - 2) * 200)));
    assert_eq!(users(&roster).await, expected);
    roster.check_table().await;
    println!(
        "{count} accounts of {ITEMS} items in {took:.1?}: {:.0} a second; each {:.1} write units, {:.1} read units, {:.1} calls",
        f64::from(count) / took.as_secs_f64(),
        cost.write_units / f64::from(count),
        cost.read_units / f64::from(count),
        f64::from(cost.calls) / f64::from(count),
    );
    // And the rest, when their date comes.
    assert_eq!(purge(&roster).await, report(0, 0, 0, None));
    roster.advance(i64::from(all));
    assert_eq!(purge(&roster).await.purged, u64::from(count / 10));
    assert_nothing_is_left(&roster).await;
}

#[tokio::test]
async fn three_hundred_due_accounts_are_purged_and_no_other() {
    purges_all_that_are_due(300).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn ten_thousand_due_accounts_are_purged_and_no_other() {
    purges_all_that_are_due(10_000).await;
}

#[tokio::test]
async fn more_than_are_looked_for_at_a_time_are_all_found_however_the_index_spreads_them() {
    let roster = Roster::empty().await;
    let teams = 24;
    accounts(&roster, teams, 1, |_| -1).await;
    // Two partitions of the index hold more than are read of each at a time, a third one the last
    // few.
    let crowds: [(u32, u32, i64); 3] = [(0, 110, -500), (1, 110, -1000), (2, 5, -10)];
    let places = crowds.into_iter().flat_map(|(partition, count, first)| {
        (0..count).map(move |n| (partition, n, first + i64::from(n)))
    });
    let users: Vec<User> = places
        .map(|(partition, n, due)| {
            let id = Uuid::from_u128(1 << 64 | u128::from(n << 2 | partition));
            let user = User::new(
                id,
                u64::from(1000 * partition + n) + 2,
                (team_id(n % teams), "Team"),
                roster.now(),
            );
            User {
                status: Status::Deleted,
                delete_scheduled_at: Some(roster.now().plus_seconds(due)),
                ..user
            }
        })
        .collect();
    for users in users.chunks(11) {
        roster.server.data.store.load_users(users).await.expect("users");
    }
    assert_eq!(
        purge(&roster).await,
        report(users.len() as u64 + u64::from(teams), 0, 0, Some(1000))
    );
    assert_nothing_is_left(&roster).await;
}

#[tokio::test]
async fn those_who_leave_a_large_team_are_counted_no_more() {
    let roster = Roster::empty().await;
    accounts(&roster, 80, 80, |n| if n < 8 { -1 } else { 1 }).await;
    assert_eq!(purge(&roster).await, report(8, 0, 0, Some(1)));
    assert_eq!(users(&roster).await.len(), 72);
    // Nor does the team's item make them wait for each other, which counts who leaves a small one.
    let key = Key::team(team_id(0));
    let items = roster.items().await;
    let team =
        items.iter().find(|item| item["pk"] == key.pk && item["sk"] == key.sk).expect("the team");
    assert_eq!(team.get("departures"), None);
    roster.check_table().await;
}

#[tokio::test]
async fn those_who_are_due_are_looked_for_together() {
    let roster = Roster::empty().await;
    // In a team each, so that none waits for another.
    accounts(&roster, 40, 1, |n| -i64::from(n)).await;
    let faults = Faults::default();
    let store = faults.store(&roster);
    let done = store
        .purge(
            &AuditCredential::schedule(),
            roster.now(),
            Instant::now() + Duration::from_secs(3600),
        )
        .await
        .expect("a purge");
    assert_eq!(done, report(40, 0, 0, Some(39)));
    // In each of the index's partitions once for those who are there, and once for nobody else.
    let searches = faults.calls().iter().filter(|call| call.is_of_index).count();
    assert_eq!(searches, 2 * WIDE_PARTITIONS.len());
}

#[tokio::test]
async fn it_leaves_who_is_due_only_by_an_index_of_the_past() {
    let roster = Roster::empty().await;
    // Restored and deleted anew: the record has time left, the index does not know yet.
    accounts(&roster, 2, 2, |_| 86_400).await;
    let key = Key::user(id(0));
    let past = format!("{}\u{1f}{}", roster.now().plus_seconds(-60), id(0));
    let update =
        roster.server.data.client.update_item().table_name(&roster.table).set_key(Some(key.item()));
    let update =
        update.update_expression("SET #due = :past").expression_attribute_names("#due", DUE.sort);
    update
        .expression_attribute_values(":past", AttributeValue::S(past))
        .send()
        .await
        .expect("an update");
    assert_eq!(purge(&roster).await, report(0, 1, 0, Some(60)));
    assert_eq!(users(&roster).await.len(), 2);
}

#[tokio::test]
async fn it_leaves_who_was_restored_or_has_time_left() {
    let roster = Roster::start().await;
    let before = roster.items().await;
    assert_eq!(purge(&roster).await, report(0, 0, 0, None));
    assert_eq!(roster.items().await, before);
    let deleted = tests::checks::DELETED;
    let path = format!("/v1/admin/users/{deleted}/restore");
    roster
        .call(reqwest::Method::POST, &path, demo::PLATFORM_OPERATOR, &json!({}))
        .await
        .expect(200);
    let status = async |status: Status| {
        let items = roster.items().await;
        items
            .iter()
            .filter(|item| item["sk"] == "USER" && item["status"] == status.as_str())
            .count() as u64
    };
    let due = status(Status::Deleted).await;
    assert!(due > 2);
    roster.advance(27 * 86_400);
    assert_eq!(purge(&roster).await, report(due, 0, 0, Some(0)));
    assert_eq!(status(Status::Deleted).await, 0);
    assert!(roster.user(deleted).await.is_some());
    roster.check_table().await;
}

#[tokio::test]
async fn two_at_once_do_the_work_of_one() {
    let roster = Roster::empty().await;
    // One large team, whose last users leave at the same time; and small ones.
    accounts(&roster, 60, 12, |_| -1).await;
    let (one, other) = futures::join!(purge(&roster), purge(&roster));
    assert_eq!(
        (one.purged + other.purged, one.failed + other.failed),
        (60, 0),
        "{one:?} {other:?}"
    );
    assert_nothing_is_left(&roster).await;
}

#[tokio::test]
async fn one_account_that_fails_does_not_stop_the_rest_and_is_tried_again() {
    let roster = Roster::empty().await;
    accounts(&roster, 40, 8, |n| -i64::from(n)).await;
    // An item that nothing can be made of.
    let key = Key::sandbox(id(7), "sbx_0");
    let set = async |status: &str| {
        let update = roster
            .server
            .data
            .client
            .update_item()
            .table_name(&roster.table)
            .set_key(Some(key.item()));
        let update = update
            .update_expression("SET #status = :status")
            .expression_attribute_names("#status", "status");
        update
            .expression_attribute_values(":status", AttributeValue::S(status.into()))
            .send()
            .await
            .expect("an update")
    };
    set("nonsense").await;
    assert_eq!(purge(&roster).await, report(39, 0, 1, Some(39)));
    assert_eq!(users(&roster).await, [id(7)].into());
    set("running").await;
    assert_eq!(purge(&roster).await, report(1, 0, 0, Some(7)));
    assert_nothing_is_left(&roster).await;
}

#[tokio::test]
async fn it_stops_ten_seconds_before_its_time_is_up_and_goes_on_the_next_time() {
    let roster = Roster::empty().await;
    accounts(&roster, 120, 10, |n| -i64::from(n)).await;
    let store = &roster.server.data.store;
    let none = store
        .purge(&AuditCredential::schedule(), roster.now(), Instant::now() + Duration::from_secs(10))
        .await
        .expect("a purge");
    assert_eq!(none, Report { finished: false, ..report(0, 0, 0, Some(119)) });
    // Two seconds before it drops even its search.
    let dropped = store
        .purge(&AuditCredential::schedule(), roster.now(), Instant::now() + Duration::from_secs(1))
        .await
        .expect("a purge");
    assert_eq!(dropped, Report { finished: false, ..report(0, 0, 0, None) });
    let some = store
        .purge(
            &AuditCredential::schedule(),
            roster.now(),
            Instant::now() + Duration::from_millis(10_100),
        )
        .await
        .expect("a purge");
    assert!(!some.finished && some.purged < 120, "{some:?}");
    let rest = purge(&roster).await;
    assert_eq!((some.purged + rest.purged, rest.finished), (120, true));
    assert_nothing_is_left(&roster).await;
}

/// Runs a future until it has been polled so many times, and drops it there. Says whether it ended
/// before.
async fn kill_after<F: Future>(polls: usize, future: F) -> bool {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        future.as_mut().poll(context).map(|_| true)
    })
    .await
}

#[tokio::test]
async fn killed_at_any_point_it_leaves_what_the_next_one_finishes() {
    let mut killed = 0;
    for polls in (1..).step_by(2) {
        let roster = Roster::empty().await;
        // Alone in their team, and with a managed user.
        accounts(&roster, 1, 1, |_| -1).await;
        let ward = User {
            first_name: Some("Person's ward".into()),
            manager_id: Some(id(0)),
            ..User::new(id(1000), 2, (team_id(0), "Team"), roster.now())
        };
        roster.server.data.store.load_users(&[ward]).await.expect("a managed user");
        let ended = kill_after(polls, purge(&roster)).await;
        killed += u32::from(!ended);
        let second = kill_after(polls, purge(&roster)).await;
        let report = purge(&roster).await;
        assert_eq!((report.failed, report.finished), (0, true));
        assert_nothing_is_left(&roster).await;
        if ended && second {
            break;
        }
    }
    assert!(killed > 10, "killed {killed} times");
}

#[tokio::test]
async fn a_restore_before_the_date_wins_and_one_after_it_is_refused() {
    for seconds in [-1, 0] {
        let roster = Roster::start().await;
        roster.delete("/v1/account", demo::VIEWER).await.expect(202);
        roster.advance(30 * 86_400 + seconds);
        let nothing = json!({});
        let restore =
            roster.call(reqwest::Method::POST, "/v1/account/restore", demo::VIEWER, &nothing);
        let (restored, report) = futures::join!(restore, purge(&roster));
        let is_there =
            roster.user(demo::VIEWER).await.is_some_and(|user| user.status == Status::Active);
        assert_eq!(
            (restored.status, is_there),
            if seconds < 0 { (200, true) } else { (restored.status, false) },
            "{restored:?} {report:?}"
        );
        assert!(seconds < 0 || [401, 409].contains(&restored.status), "{restored:?}");
        roster.check_table().await;
    }
}

#[tokio::test]
async fn who_is_erased_by_an_operator_is_not_found_by_the_purge() {
    let roster = Roster::start().await;
    roster.delete("/v1/account", demo::VIEWER).await.expect(202);
    let user = roster.user(demo::VIEWER).await.expect("a user");
    let act = Act::new(demo::PLATFORM_OPERATOR, "user.erased", roster.now());
    assert_eq!(
        roster.server.data.store.erase(user, |_| true, &act).await.expect("an erasure"),
        Erasure::Done
    );
    roster.advance(31 * 86_400);
    purge(&roster).await;
    let log = roster
        .get(&format!("/v1/admin/users/{}/audit-log", demo::VIEWER), demo::PLATFORM_OPERATOR)
        .await
        .expect(200)
        .json();
    assert_eq!(log[0]["action"], "user.erased");
}
