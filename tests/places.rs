//! The counts behind the lists: whatever happens to users, and however the table's stream delivers
//! it, each page is the one that a sort of everyone has there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use functions::log::{BatchLine, Log, PurgeLine, RebuildLine, RequestLine};
use functions::stream::count_places;
use futures::future::join_all;
use local::database;
use local::demo::{ADMIN, PLATFORM_OPERATOR, TEAM};
use reqwest::Method;
use serde_json::{Value, json};
use shared::Timestamp;
use shared::dynamodb::Meter;
use shared::models::{DeviceType, Role, Seen, Status, User};
use shared::store::{Act, Erasure, Rebuild, Store};
use shared::table::{Item, Key, Order, Sequence, compare};
use tests::Roster;
use tests::direct::Call;
use tests::faults::{Fault, Faults, Strike};
use uuid::Uuid;

/// Numbers that look random and are the same each time.
struct Dice(AtomicU64);

impl Dice {
    fn roll(&self, sides: u64) -> u64 {
        // Knuth's linear congruential generator.
        let next = |state: u64| {
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
        };
        let state = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| Some(next(state)))
            .unwrap_or_default();
        (next(state) >> 33) % sides
    }
}

/// A team of the demo's administrator and so many others, of every class.
async fn team_of(roster: &Roster, users: u64, dice: &Dice) -> Vec<Uuid> {
    let mut made = Vec::new();
    let first = 1_000_000 + 1000 * dice.roll(1_000_000);
    for chunk in 0..users.div_ceil(10) {
        let users: Vec<User> = (0..10)
            .map(|n| {
                let at = roster
                    .now()
                    .plus_seconds(-i64::try_from(dice.roll(1_000_000)).expect("a number"));
                let mut user = User::new(
                    Uuid::from_u128(u128::from(dice.roll(u64::MAX)) << 64 | 7),
                    first + chunk * 10 + n,
                    (TEAM, "Acme Robotics"),
                    at,
                );
                user.name = Some(format!(
                    "{} {}",
                    ["Ada", "ada", "Bo", "Čeněk", "Дарья", "Eve"][dice.roll(6) as usize],
                    dice.roll(90)
                ));
                user.role = Role::ALL[dice.roll(3) as usize];
                user.status = Status::ALL[dice.roll(3) as usize];
                user.device_type = DeviceType::ALL[dice.roll(3) as usize];
                user.last_seen = (dice.roll(3) > 0).then(|| Seen {
                    at: at.plus_seconds(60),
                    remote_ip: None,
                    user_agent: String::new(),
                });
                user
            })
            .collect();
        roster.server.data.store.load_users(&users).await.expect("users");
        made.extend(users.into_iter().map(|user| user.id));
    }
    made
}

/// The users of the team as they are recorded.
async fn everyone(roster: &Roster) -> Vec<User> {
    let users = roster
        .items()
        .await
        .into_iter()
        .filter(|item| item["sk"] == "USER" && item["team_id"] == TEAM.to_string());
    users.map(|item| serde_json::from_value(Value::Object(item)).expect("a user")).collect()
}

/// Holds pages of every list against a sort of everyone: at random, or all that there are.
async fn check_lists(roster: &Roster, dice: &Dice, thorough: bool) {
    // The caller is seen, and so moves, before anyone is sorted.
    roster.get("/users/me", ADMIN).await.expect(200);
    let users = everyone(roster).await;
    let ids = |order: Order, descending: bool, users: &[&User]| {
        let mut users = users.to_vec();
        users.sort_by(|one, other| compare(order, one, other));
        if descending {
            users.reverse();
        }
        users.into_iter().map(|user| user.id.to_string()).collect::<Vec<_>>()
    };
    let all: Vec<&User> = users.iter().collect();
    let page = |sorted: &[String], offset: u64, size: u64| {
        sorted.iter().skip(offset as usize).take(size as usize).cloned().collect::<Vec<_>>()
    };
    let listed = |answer: &Value, list: &str| {
        answer[list]
            .as_array()
            .expect("a list")
            .iter()
            .map(|user| user["id"].as_str().expect("an id").to_owned())
            .collect::<Vec<_>>()
    };
    let of_directory = [
        ("id", Order::By(Sequence::Id)),
        ("last_seen", Order::By(Sequence::LastSeen)),
        ("status", Order::Stage),
        ("title", Order::By(Sequence::Title)),
    ];
    for (field, order) in of_directory {
        for (sign, descending) in [("", false), ("-", true)] {
            let sorted = ids(order, descending, &all);
            for _ in 0..3 {
                let (offset, size) = (dice.roll(sorted.len() as u64 + 3), 1 + dice.roll(100));
                let path = format!(
                    "/api/v1/admin_user?account_id={TEAM}&sorting={sign}{field}&pagination[offset]={offset}&pagination[page_size]={size}"
                );
                let answer = roster.get(&path, ADMIN).await.expect(200).json();
                assert_eq!(answer["pagination"]["item_count"], sorted.len(), "{path}");
                assert_eq!(listed(&answer, "summaries"), page(&sorted, offset, size), "{path}");
            }
        }
    }
    let of_workspace = [
        ("createdAt", Order::By(Sequence::CreatedAt)),
        ("name", Order::By(Sequence::Name)),
        ("role", Order::Role),
        ("status", Order::Status),
        ("updatedAt", Order::By(Sequence::UpdatedAt)),
    ];
    let roles = [
        ("", None),
        ("&role=ADMIN", Some(Role::Admin)),
        ("&role=OPERATOR", Some(Role::Operator)),
        ("&role=VIEWER", Some(Role::Viewer)),
    ];
    let statuses_of = [
        ("", None),
        ("&status=ACTIVE", Some(Status::Active)),
        ("&status=ACCESS_SUSPENDED", Some(Status::Suspended)),
    ];
    let devices = [
        ("", None),
        ("&deviceType=PSD", Some(DeviceType::Psd)),
        ("&deviceType=API", Some(DeviceType::Api)),
    ];
    // Some filters, or all of them.
    let some = |count: usize| {
        if thorough { (0..count).collect() } else { vec![dice.roll(count as u64) as usize] }
    };
    for (field, order) in of_workspace {
        for (direction, descending) in [("asc", false), ("desc", true)] {
            for (role, status, device) in some(4).into_iter().flat_map(|role| {
                let statuses = some(3).into_iter();
                statuses.flat_map(move |status| {
                    some(3)
                        .into_iter()
                        .map(move |device| (roles[role], statuses_of[status], devices[device]))
                })
            }) {
                let is_admitted = |user: &&&User| {
                    role.1.is_none_or(|role| role == user.role)
                        && status.1.is_none_or(|status| status == user.status)
                        && device.1.is_none_or(|device| device == user.device_type)
                };
                let matching: Vec<&User> = all.iter().filter(is_admitted).copied().collect();
                let sorted = ids(order, descending, &matching);
                let last = sorted.len() as u64 / 30 + 2;
                let pages =
                    if thorough { (1..=last).collect() } else { vec![1, 1 + dice.roll(last)] };
                for number in pages {
                    let path = format!(
                        "/users?sortBy={field}&sortOrder={direction}&page={number}{}{}{}",
                        role.0, status.0, device.0
                    );
                    let answer = roster.get(&path, ADMIN).await.expect(200).json();
                    assert_eq!(answer["total"], sorted.len(), "{path}");
                    assert_eq!(
                        listed(&answer, "results"),
                        page(&sorted, (number - 1) * 30, 30),
                        "{path}"
                    );
                }
            }
        }
    }
}

/// The cells of a sequence of the team, as where they begin and how many users they have.
async fn cells(roster: &Roster, sequence: Sequence) -> Vec<(String, i64)> {
    let counted = roster.server.data.store.counted(TEAM, sequence).await.expect("counts");
    counted.into_iter().map(|(from, counts)| (from, counts.values().sum())).collect()
}

/// The items that hold them.
async fn spans(roster: &Roster, sequence: Sequence) -> Vec<Item> {
    let query = roster
        .server
        .data
        .client
        .query()
        .table_name(&roster.table)
        .key_condition_expression("pk = :pk");
    let query = query
        .expression_attribute_values(":pk", AttributeValue::S(Key::span(TEAM, sequence, "").pk));
    query.send().await.expect("the items").items.unwrap_or_default()
}

/// Holds the cells against their sizes in a team of up to some thousand users, which are what a
/// page costs: none has more than 40 users, and two neighbours in one item together more than 32.
async fn check_cells(roster: &Roster) {
    for sequence in Sequence::ALL {
        let spans = spans(roster, sequence).await;
        let cells = cells(roster, sequence).await;
        for (place, (from, users)) in cells.iter().enumerate() {
            assert!(*users <= 40, "{users} users from {from} on, by {sequence:?}");
            let begins_an_item = spans
                .iter()
                .any(|span| span["sk"].as_s() == Ok(&Key::span(TEAM, sequence, from).sk));
            if let Some(before) = place.checked_sub(1).filter(|_| !begins_an_item) {
                let together = users + cells[before].1;
                assert!(
                    together > 32,
                    "{together} users in two cells up to that from {from} on, by {sequence:?}"
                );
            }
        }
    }
}

/// One change of a user at random, as an administrator makes it.
async fn change(roster: &Roster, dice: &Dice) {
    let users = everyone(roster).await;
    let user = &users[dice.roll(users.len() as u64) as usize];
    let number = user.number;
    let path = format!("/api/admin/user-admin/{number}");
    if user.id == ADMIN {
        return;
    }
    roster.advance(1);
    let outcome = match dice.roll(5) {
        0 => {
            roster
                .call(
                    Method::PUT,
                    &path,
                    ADMIN,
                    &json!({"name": format!("Renamed {}", dice.roll(50))}),
                )
                .await
        }
        1 => roster.call(Method::PUT, &path, ADMIN, &json!({"rootRole": 1 + dice.roll(3)})).await,
        2 => roster.delete(&path, ADMIN).await,
        3 => {
            let body = json!({"email": format!("made{}@example.com", dice.roll(1 << 30)), "rootRole": 1 + dice.roll(3), "name": "Made"});
            roster.call(Method::POST, "/api/admin/user-admin", ADMIN, &body).await
        }
        _ => roster.get("/users/me", user.id).await,
    };
    assert!(outcome.status < 500, "{outcome:?}");
}

/// More time than any rebuild here takes.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_page_is_the_one_of_a_sort_whatever_happens_to_users() {
    let roster = Roster::start().await;
    let dice = Dice(AtomicU64::new(1));
    team_of(&roster, 300, &dice).await;
    roster.check_table().await;
    check_lists(&roster, &dice, true).await;
    for _ in 0..4 {
        for _ in 0..25 {
            change(&roster, &dice).await;
        }
        roster.check_table().await;
        check_cells(&roster).await;
        check_lists(&roster, &dice, false).await;
    }
}

#[tokio::test]
async fn cells_that_become_small_are_joined() {
    let roster = Roster::start().await;
    let dice = Dice(AtomicU64::new(7));
    let made = team_of(&roster, 300, &dice).await;
    roster.check_table().await;
    check_cells(&roster).await;
    let before = cells(&roster, Sequence::Name).await.len();
    // Three of four are erased, as by an operator.
    for id in made.iter().enumerate().filter(|(n, _)| n % 4 > 0).map(|(_, id)| id) {
        let user = roster.user(*id).await.expect("a user");
        let act = Act::new(PLATFORM_OPERATOR, "user.erased", roster.now());
        assert_eq!(
            roster.server.data.store.erase(user, |_| true, &act).await.expect("it is erased"),
            Erasure::Done
        );
    }
    roster.check_table().await;
    check_cells(&roster).await;
    assert!(cells(&roster, Sequence::Name).await.len() < before);
    check_lists(&roster, &dice, false).await;
}

#[tokio::test]
async fn a_batch_counts_once_however_often_and_in_whatever_pieces_it_comes() {
    let roster = Roster::start().await;
    let dice = Dice(AtomicU64::new(2));
    let stream = roster.server.data.stream.as_ref().expect("the database is embedded");
    for round in 0..3 {
        team_of(&roster, 150, &dice).await;
        let batch = stream.take().expect("changes");
        let records = batch["Records"].as_array().expect("records").clone();
        // The function is given up in the midst of a batch, which comes again from its beginning,
        // in other pieces, and once too often.
        let mut from = 0;
        while from < records.len() {
            let to = (from + 1 + dice.roll(60) as usize).min(records.len());
            let piece =
                json!({"Records": records[from..to], "shardId": batch["shardId"], "state": {}});
            let run = || {
                count_places::run(
                    &roster.server.data.store,
                    serde_json::from_value(piece.clone()).expect("a batch"),
                    roster.now(),
                )
            };
            let given_up =
                tokio::time::timeout(std::time::Duration::from_millis(dice.roll(12)), run()).await;
            if given_up.is_err() || dice.roll(2) == 0 {
                run().await.expect("the places are counted");
            }
            // Sometimes the next piece begins with what this one ended with.
            from = to - (dice.roll(2) as usize).min(to - from - 1);
        }
        roster.check_table().await;
        assert!(
            roster.server.data.store.counted(TEAM, Sequence::Name).await.expect("counts").len()
                > round + 1,
            "cells are cut"
        );
    }
    check_lists(&roster, &dice, false).await;
}

#[tokio::test]
async fn shards_of_the_stream_do_not_get_in_each_others_way() {
    let roster = Roster::start().await;
    let dice = Dice(AtomicU64::new(3));
    let stream = roster.server.data.stream.as_ref().expect("the database is embedded");
    let users = team_of(&roster, 400, &dice).await;
    for user in users.iter().take(100) {
        roster.advance(3600);
        roster.get("/users/me", *user).await;
    }
    stream.settle().await.expect("counted");
    team_of(&roster, 200, &dice).await;
    let batch = stream.take().expect("changes");
    // All that happens to one user comes by one shard.
    let mut shards: BTreeMap<u8, Vec<Value>> = BTreeMap::new();
    for record in batch["Records"].as_array().expect("records") {
        let id = record["dynamodb"]["NewImage"]["id"]["S"].as_str().expect("an id");
        // A digit in which the ids differ.
        shards.entry(id.as_bytes()[17] % 4).or_default().push(record.clone());
    }
    assert_eq!(shards.len(), 4);
    // Calls take a moment, so that each shard writes what the others have read.
    let client =
        database::client(&roster.server.data.database, std::time::Duration::from_millis(2)).await;
    let store = Store::new(client, &roster.table);
    // The second time it is known how far each of them has got.
    for _ in 0..2 {
        let runs = shards.iter().map(|(shard, records)| {
            let event =
                json!({"Records": records, "shardId": format!("shard {shard}"), "state": {}});
            count_places::run(&store, serde_json::from_value(event).expect("a batch"), roster.now())
        });
        for outcome in join_all(runs).await {
            outcome.expect("the places are counted");
        }
        roster.check_table().await;
    }
    check_lists(&roster, &dice, false).await;
}

/// Makes users of the demo's team, and counts them as one batch.
async fn make(roster: &Roster, users: impl Iterator<Item = User>) {
    let data = &roster.server.data;
    for users in users.collect::<Vec<_>>().chunks(10) {
        data.store.load_users(users).await.expect("users are made");
    }
    let batch = data.stream.as_ref().and_then(|stream| stream.take()).expect("changes");
    count_places::run(&data.store, serde_json::from_value(batch).expect("a batch"), roster.now())
        .await
        .expect("the places are counted");
}

/// The n-th of users whose ids and names follow on each other, behind those of all others.
fn neighbour(n: u32, now: Timestamp) -> User {
    let id = Uuid::from_u128((u128::MAX << 16) + u128::from(n));
    User {
        name: Some(format!("\u{1d6ba}{n:04}")),
        ..User::new(id, 2_000_000 + u64::from(n), (TEAM, "Acme Robotics"), now)
    }
}

#[tokio::test]
async fn a_cell_is_cut_into_equal_ones_when_it_is_a_quarter_too_large() {
    let roster = Roster::start().await;
    roster
        .server
        .data
        .stream
        .as_ref()
        .expect("the database is embedded")
        .settle()
        .await
        .expect("counted");
    let sizes = async || {
        cells(&roster, Sequence::Name).await.into_iter().map(|(_, users)| users).collect::<Vec<_>>()
    };
    let mut made = 0;
    let mut expected = sizes().await;
    for cut in 0..2 {
        while expected.last() != Some(&40) {
            make(&roster, [neighbour(made, roster.now())].into_iter()).await;
            made += 1;
            *expected.last_mut().expect("a cell") += 1;
            assert_eq!(sizes().await, expected, "{made}");
        }
        // The forty-first user makes two of it, and eleven more at once make three.
        let (more, parts) = [(1, &[21, 20][..]), (11, &[17, 17, 17])][cut];
        make(&roster, (made..made + more).map(|n| neighbour(n, roster.now()))).await;
        made += more;
        expected.pop();
        expected.extend(parts);
        assert_eq!(sizes().await, expected, "{made}");
    }
    // Nor do those who stand behind it matter: the first of the three has 24 more, all beside its
    // first user.
    let beside = |n: u32| User {
        name: Some(format!("\u{1d6ba}0000 {n:02}")),
        ..neighbour(1000 + n, roster.now())
    };
    make(&roster, (0..24).map(beside)).await;
    let first = expected.len() - 3;
    expected.splice(first..=first, [21, 20]);
    assert_eq!(sizes().await, expected);
    roster.check_table().await;
}

#[tokio::test]
async fn a_cell_is_not_cut_by_an_index_that_shows_others_in_it() {
    let roster = Roster::start().await;
    let data = &roster.server.data;
    let stream = data.stream.as_ref().expect("the database is embedded");
    stream.settle().await.expect("counted");
    let sizes = async || {
        cells(&roster, Sequence::Name).await.into_iter().map(|(_, users)| users).collect::<Vec<_>>()
    };
    make(&roster, (0..60).map(|n| neighbour(n, roster.now()))).await;
    // The last cell but one is filled until one more user would have it cut.
    let before: Vec<u32> =
        sizes().await.into_iter().map(|users| users.try_into().expect("a number")).collect();
    let cell = before.len() - 2;
    let second = 60 - before[cell] - before[cell + 1] + 1;
    let beside = |n: u32| User {
        name: Some(format!("\u{1d6ba}{second:04} {n:02}")),
        ..neighbour(1000 + n, roster.now())
    };
    let lacks = 40 - before[cell];
    make(&roster, (0..lacks).map(beside)).await;
    assert_eq!(sizes().await[cell], 40);
    // One more comes, and one leaves for the end: the index has both before the first is counted.
    // As many stand there as are counted, all of one kind; but the last of them is of the next
    // cell.
    data.store.load_users(&[beside(lacks)]).await.expect("a user");
    let leaver = roster.user(neighbour(second + 3, roster.now()).id).await.expect("a user");
    let act = Act::new(ADMIN, "user.updated", roster.now());
    let change = |user: &User| Ok(User { name: Some("\u{1d6ba}9999".into()), ..user.clone() });
    data.store.change_user(leaver, &change, &act, &|_| Default::default()).await.expect("a change");
    let batch = stream.take().expect("changes");
    let records = batch["Records"].as_array().expect("records");
    assert_eq!(records.len(), 2);
    for (record, size) in records.iter().zip([41, 40]) {
        let event = json!({"Records": [record], "shardId": batch["shardId"], "state": {}});
        count_places::run(
            &data.store,
            serde_json::from_value(event).expect("a batch"),
            roster.now(),
        )
        .await
        .expect("counted");
        assert_eq!(sizes().await[cell], size);
    }
    roster.check_table().await;
}

#[tokio::test]
async fn a_user_at_whom_a_span_begins_is_counted_in_it() {
    let roster = Roster::start().await;
    roster
        .server
        .data
        .stream
        .as_ref()
        .expect("the database is embedded")
        .settle()
        .await
        .expect("counted");
    for n in 0..4 {
        make(&roster, (n * 400..(n + 1) * 400).map(|n| neighbour(n, roster.now()))).await;
    }
    let begins = spans(&roster, Sequence::Id)
        .await
        .into_iter()
        .map(|span| span["sk"].as_s().expect("a place").clone());
    let begins: Vec<String> = begins.collect();
    let first: Vec<User> = (0..1600)
        .map(|n| neighbour(n, roster.now()))
        .filter(|user| begins.contains(&span_at(user)))
        .collect();
    assert!(!first.is_empty(), "{begins:?}");
    for user in first {
        let path = format!("/api/admin/user-admin/{}", user.number);
        roster.call(Method::PUT, &path, ADMIN, &json!({"rootRole": 2})).await.expect(200);
        roster.settled().await;
    }
    roster.check_table().await;
}

/// The sort key of a span that begins at a user's place by id.
fn span_at(user: &User) -> String {
    Key::span(TEAM, Sequence::Id, &user.id.to_string()).sk
}

/// A batch of the changes that making so many users of the demo's team brings, and a store that
/// counts them with its calls noted.
async fn uncounted(roster: &Roster, users: u64) -> (Value, Faults, Store) {
    roster
        .server
        .data
        .stream
        .as_ref()
        .expect("the database is embedded")
        .settle()
        .await
        .expect("counted");
    team_of(roster, users, &Dice(AtomicU64::new(7))).await;
    let batch =
        roster.server.data.stream.as_ref().and_then(|stream| stream.take()).expect("changes");
    let faults = Faults::default();
    let store = faults.store(roster);
    (batch, faults, store)
}

/// How many times spans were written.
fn puts(faults: &Faults) -> usize {
    faults.calls().iter().filter(|call| call.operation == "PutItem").count()
}

#[tokio::test]
async fn a_span_that_always_changes_is_given_up_and_counted_when_the_batch_comes_again() {
    let roster = Roster::start().await;
    let (batch, faults, store) = uncounted(&roster, 10).await;
    let run = || {
        count_places::run(
            &store,
            serde_json::from_value(batch.clone()).expect("a batch"),
            roster.now(),
        )
    };
    // A version that no condition is met by.
    let version = async |version: AttributeValue| {
        let mut item = spans(&roster, Sequence::Name).await.swap_remove(0);
        let old = item.insert("version".to_owned(), version).expect("a version");
        roster
            .server
            .data
            .client
            .put_item()
            .table_name(&roster.table)
            .set_item(Some(item))
            .send()
            .await
            .expect("a span");
        old
    };
    let kept = version(AttributeValue::Bool(true)).await;
    run().await.expect_err("it cannot be written");
    // Nine times that one, and the other five orders.
    assert_eq!(puts(&faults), 9 + Sequence::ALL.len() - 1);
    version(kept).await;
    run().await.expect("the places are counted");
    roster.check_table().await;
}

#[tokio::test]
async fn a_failure_is_not_tried_again_as_a_collision_is() {
    let roster = Roster::start().await;
    let (batch, faults, store) = uncounted(&roster, 10).await;
    let run = || {
        count_places::run(
            &store,
            serde_json::from_value(batch.clone()).expect("a batch"),
            roster.now(),
        )
    };
    faults.plan_for(Some(Strike { fault: Fault::Conflict, from: 0, lasts: true }));
    run().await.expect_err("nothing can be written");
    assert!((1..=Sequence::ALL.len()).contains(&puts(&faults)), "{:?}", faults.calls());
    faults.plan_for(None);
    run().await.expect("the places are counted");
    roster.check_table().await;
}

#[tokio::test]
async fn a_hundred_users_made_at_once_are_all_made_and_listed() {
    let roster = Roster::start().await;
    let before = everyone(&roster).await.len();
    let made = join_all((0..100).map(|n| {
        let body = json!({"email": format!("new{n}@example.com"), "rootRole": 1 + n % 3});
        let roster = &roster;
        async move { roster.call(Method::POST, "/api/admin/user-admin", ADMIN, &body).await }
    }))
    .await;
    for answer in made {
        answer.expect(201);
    }
    roster.check_table().await;
    assert_eq!(everyone(&roster).await.len(), before + 100);
    check_lists(&roster, &Dice(AtomicU64::new(4)), false).await;
}

#[tokio::test]
async fn the_counts_are_made_anew_from_the_indexes() {
    let roster = Roster::start().await;
    let dice = Dice(AtomicU64::new(5));
    team_of(&roster, 300, &dice).await;
    // As in a table that was restored: the users are there, and what counts them is of another
    // moment.
    let _lost =
        roster.server.data.stream.as_ref().and_then(|stream| stream.take()).expect("changes");
    // Until then a page behind all that is counted is an answer, if a short one, with the right
    // total.
    let page = roster.get("/users?page=10&sortBy=name", ADMIN).await.expect(200).json();
    assert_eq!(page["total"], everyone(&roster).await.len());
    assert_eq!(roster.server.data.store.recount_all_places().await.expect("counted"), 3);
    for sequence in Sequence::ALL {
        let cells = cells(&roster, sequence).await;
        let (last, others) = cells.split_last().expect("cells");
        assert!(
            others.len() > 10 && others.iter().all(|cell| cell.1 == 24) && last.1 <= 24,
            "by {sequence:?}: {cells:?}"
        );
    }
    roster.check_table().await;
    check_lists(&roster, &dice, false).await;
    change(&roster, &dice).await;
    roster.check_table().await;
}

/// What a change costs in all: its request, and the counting after it, where no other change shares
/// the batch.
#[tokio::test]
async fn a_change_costs_no_more_than_its_budget_with_the_counting() {
    let roster = Roster::start().await;
    let dice = Dice(AtomicU64::new(6));
    let stream = roster.server.data.stream.as_ref().expect("the database is embedded");
    let users = team_of(&roster, 1000, &dice).await;
    stream.settle().await.expect("counted");
    // Without the local gateway, which hands the changes over.
    let request = async |handler: &str,
                         method: &str,
                         path: &str,
                         by: Uuid,
                         body: Value,
                         status: u16| {
        let id = path.split('/').nth(4).unwrap_or_default();
        let event = json!({
            "version": "2.0", "rawPath": path, "rawQueryString": "", "isBase64Encoded": false, "body": body.to_string(),
            "headers": {"authorization": format!("Bearer {}", roster.token(by)), "content-type": "application/json", "user-agent": "x".repeat(120)},
            "pathParameters": {"user_id": id, "id": "me"},
            "requestContext": {"http": {"method": method, "path": path, "sourceIp": "192.0.2.1"}, "stage": "$default"},
        });
        let request = functions::gateway::request(serde_json::from_value(event).expect("an event"));
        let (answer, cost) = functions::handler(handler)
            .expect("a handler")
            .answer(&roster.server.app, request)
            .await;
        assert_eq!(answer.status(), status, "{handler}: {answer:?}");
        let batch = serde_json::from_value(stream.take().expect("changes")).expect("a batch");
        let (counted, counting) =
            Meter::measure(count_places::run(&roster.server.data.store, batch, roster.now())).await;
        counted.expect("the places are counted");
        (cost.write_units, counting.write_units)
    };
    let body = |n: u32| json!({"email": format!("new.person{n}@example.com"), "name": "New Person", "rootRole": 2});
    let create = async |n| {
        request("user_admin.create_user", "POST", "/api/admin/user-admin", ADMIN, body(n), 201)
            .await
    };
    // The first one is also the administrator's sighting, and takes numbers for the next ones.
    roster.advance(3600);
    create(0).await;
    let made = create(1).await;
    let active = everyone(&roster)
        .await
        .into_iter()
        .find(|user| user.status == Status::Active && users.contains(&user.id))
        .expect("a user");
    let seen = request("workspace.get_user", "GET", "/users/me", active.id, Value::Null, 200).await;
    let path = format!("/v1/admin/users/{}/suspend", active.id);
    request("workspace.get_user", "GET", "/users/me", PLATFORM_OPERATOR, Value::Null, 200).await;
    let suspended = request(
        "operator_account.suspend_user",
        "POST",
        &path,
        PLATFORM_OPERATOR,
        json!({"reason": "x"}),
        200,
    )
    .await;
    for (what, (request, counting), budget) in
        [("a create", made, 40.0), ("a sighting", seen, 10.0), ("a suspension", suspended, 60.0)]
    {
        println!(
            "{what:15} {request} write units, and {counting} for the counting: {} of {budget}",
            request + counting
        );
        assert!(request + counting <= budget, "{what}: {request} + {counting}");
    }
    // A unit for the span of each order, since none is too large for one, and for each word of the
    // name.
    assert_eq!(made.1, (Sequence::ALL.len() + 2) as f64);
    let spans = spans(&roster, Sequence::Title).await;
    assert!(
        spans.len() > 1
            && spans
                .iter()
                .all(|span| span["cells"].as_b().is_ok_and(|cells| cells.as_ref().len() <= 800))
    );
    roster.check_table().await;
}

/// The rebuilds that a server logs.
#[derive(Default)]
struct Rebuilds(Mutex<Vec<(Uuid, Rebuild)>>);

impl Rebuilds {
    fn take(&self) -> Vec<(Uuid, Rebuild)> {
        std::mem::take(&mut self.0.lock().expect("no one panicked"))
    }
}

impl Log for Rebuilds {
    fn request(&self, _: &RequestLine) {}

    fn purge(&self, _: &PurgeLine) {}

    fn batch(&self, _: &BatchLine) {}

    fn rebuild(&self, line: &RebuildLine) {
        self.0.lock().expect("no one panicked").push((line.team_id, line.outcome));
    }
}

/// Makes so many users, changes one, and has the stream discard that: the batch, as it would have
/// come.
async fn discard(roster: &Roster, users: u64) -> Value {
    let stream = roster.server.data.stream.as_ref().expect("the database is embedded");
    stream.settle().await.expect("counted");
    let token = roster.token(ADMIN);
    let call =
        |method, path: &str, body: Value| Call::new(method, path).credential(&token).json(&body);
    for n in 0..users {
        let body = json!({"name": "Lost", "email": format!("lost{n}.{}@example.com", roster.now().as_second()), "rootRole": 2});
        roster.direct(&call(Method::POST, "/api/admin/user-admin", body)).await.expect(201);
    }
    roster
        .direct(&call(
            Method::PUT,
            "/api/admin/user-admin/2",
            json!({"name": "\u{1d6ba} last of all"}),
        ))
        .await
        .expect(200);
    let mut batch = stream.take().expect("changes");
    for record in batch["Records"].as_array_mut().expect("records") {
        record["dynamodb"]["ApproximateCreationDateTime"] = roster.now().as_second().into();
    }
    batch
}

/// Reads the team's list as the cloud answers: nothing that waits in the stream is counted first.
/// Returns the batch that waits then.
async fn read_list(roster: &Roster, path: &str) -> Option<Value> {
    let answer = roster
        .direct(&Call::new(Method::GET, path).credential(&roster.token(ADMIN)))
        .await
        .expect(200);
    let total = if path.starts_with("/users") {
        answer.json()["total"].clone()
    } else {
        answer.json()["pagination"]["item_count"].clone()
    };
    assert_eq!(total, everyone(roster).await.len(), "totals are exact, always");
    roster.server.data.stream.as_ref().and_then(|stream| stream.take())
}

/// The number of requests for a rebuild that stand in a batch.
fn requests(batch: &Option<Value>) -> usize {
    let records = batch.iter().flat_map(|batch| batch["Records"].as_array().expect("records"));
    records.filter(|record| record["dynamodb"]["NewImage"]["sk"]["S"] == "REBUILD").count()
}

/// Found: where a batch of the stream was given up, pages showed some users twice and others never,
/// until somebody recounted.
#[tokio::test]
async fn a_discarded_batch_is_made_up_for_a_minute_after_the_last_change() {
    let rebuilds = Arc::new(Rebuilds::default());
    let log = rebuilds.clone();
    let roster = Roster::start_with(move |options| options.log = log).await;
    let dice = Dice(AtomicU64::new(8));
    team_of(&roster, 60, &dice).await;
    roster.get("/users/me", ADMIN).await.expect(200);
    let lists = [
        "/users?page=3&sortBy=name".to_owned(),
        format!("/api/v1/admin_user?account_id={TEAM}&sorting=-title&pagination[offset]=30"),
    ];
    for list in &lists {
        let lost = discard(&roster, 15).await;
        // The stream may still bring the changes.
        for _ in 0..2 {
            assert_eq!(requests(&read_list(&roster, list).await), 0, "{list}");
            roster.advance(29);
        }
        roster.advance(3);
        let batch = read_list(&roster, list).await;
        assert_eq!(requests(&batch), 1, "{list}");
        let run = async |batch: Value| {
            let batch = serde_json::from_value(batch).expect("a batch");
            count_places::run_logged(&roster.server.app, batch).await.expect("the batch is taken");
        };
        run(batch.clone().expect("a batch")).await;
        assert_eq!(rebuilds.take(), [(TEAM, Rebuild::Done)], "{list}");
        roster.check_table().await;
        // The same request again, and the changes after all: too late.
        run(batch.expect("a batch")).await;
        assert_eq!(rebuilds.take(), [(TEAM, Rebuild::NotNeeded)]);
        run(lost).await;
        roster.check_table().await;
        for _ in 0..3 {
            change(&roster, &dice).await;
        }
        roster.check_table().await;

        // Nobody asks again within the hour.
        discard(&roster, 3).await;
        for _ in 0..3 {
            roster.advance(900);
            assert_eq!(requests(&read_list(&roster, list).await), 0, "{list}");
        }
        roster.advance(900);
        // This time the local server hands the request over, as the cloud does: the next list is
        // right.
        roster.get(list, ADMIN).await.expect(200);
        roster.check_table().await;
        roster.advance(3600);
    }
    check_lists(&roster, &dice, false).await;
}

#[tokio::test]
async fn a_team_in_order_is_neither_asked_for_nor_rebuilt() {
    let roster = Roster::start().await;
    let dice = Dice(AtomicU64::new(9));
    team_of(&roster, 100, &dice).await;
    roster
        .server
        .data
        .stream
        .as_ref()
        .expect("the database is embedded")
        .settle()
        .await
        .expect("counted");
    roster.advance(3600);
    for order in ["name", "createdAt", "role", "status", "updatedAt"] {
        for filter in ["", "&role=VIEWER", "&status=ACTIVE&deviceType=API"] {
            let path = format!("/users?page=2&sortBy={order}{filter}");
            assert_eq!(requests(&read_list_of_any(&roster, &path).await), 0, "{path}");
        }
    }
    let before = roster.keys_of_spans().await;
    assert_eq!(
        roster.server.data.store.rebuild(TEAM, roster.now(), LONG).await.expect("an outcome"),
        Rebuild::NotNeeded
    );
    assert_eq!(roster.keys_of_spans().await, before);
    assert_eq!(roster.keys_with("REBUILD").await, [""; 0]);
    roster.check_table().await;
}

/// Reads a list, and returns the batch that waits then.
async fn read_list_of_any(roster: &Roster, path: &str) -> Option<Value> {
    roster.direct(&Call::new(Method::GET, path).credential(&roster.token(ADMIN))).await.expect(200);
    roster.server.data.stream.as_ref().and_then(|stream| stream.take())
}

#[tokio::test]
async fn a_rebuild_leaves_alone_what_changes_meanwhile() {
    let roster = Roster::start().await;
    let dice = Dice(AtomicU64::new(10));
    team_of(&roster, 60, &dice).await;
    discard(&roster, 10).await;
    roster.advance(61);
    let store = &roster.server.data.store;
    let meanwhile = async {
        // Between the two readings.
        tokio::time::sleep(Duration::from_secs(1)).await;
        roster
            .call(Method::PUT, "/api/admin/user-admin/3", ADMIN, &json!({"name": "Aaron"}))
            .await
            .expect(200);
    };
    let (outcome, ()) = futures::join!(store.rebuild(TEAM, roster.now(), LONG), meanwhile);
    assert_eq!(outcome.expect("an outcome"), Rebuild::GivenUp);
    roster.advance(61);
    assert_eq!(store.rebuild(TEAM, roster.now(), LONG).await.expect("an outcome"), Rebuild::Done);
    roster.check_table().await;
    check_lists(&roster, &dice, false).await;
}
