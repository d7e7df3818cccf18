//! Many requests at once for what only one may have: one has it, or as many as the limit says, and
//! everyone is told so.
//!
//! The requests of a round go to four applications over one table, as the functions of the cloud
//! would, and each of their calls to DynamoDB waits for a random number of others first. Who wins
//! differs from round to round; that there is one does not. `ROSTER_RELIABILITY=10` runs 500 rounds
//! of each race, and not 50.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use functions::App;
use functions::log::NoLog;
use futures::StreamExt;
use futures::future::join_all;
use local::demo;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shared::dynamodb::Client;
use shared::models::{AuditCredential, AuditEntry, QuotaTier, Role, Share, Status, User};
use shared::table::Key;
use tests::direct::Call;
use tests::{Answer, Roster, chance, sign};
use uuid::Uuid;

use crate::{contract, rounds};

/// How many applications there are.
const APPS: usize = 4;
/// The most others that a call waits for.
const MOST_TURNS: u64 = 6;
/// What decides how many.
const SEED: u64 = 64;
/// After how many rounds the whole table is looked at.
const CHECK_EVERY: usize = 25;

/// A table, the applications that race for it, and what was tried.
struct Arena {
    roster: Roster,
    apps: Vec<Arc<App>>,
    requests: AtomicU64,
}

/// Who waits before a call.
#[derive(Debug)]
struct Jittery {
    inner: SharedHttpConnector,
    rolls: Arc<AtomicU64>,
}

impl HttpConnector for Jittery {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let roll = chance(SEED.wrapping_add(self.rolls.fetch_add(1, Ordering::Relaxed)));
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            for _ in 0..roll % (MOST_TURNS + 1) {
                tokio::task::yield_now().await;
            }
            inner.call(request).await
        })
    }
}

/// The same client, but that each call waits for a random number of others.
fn jittery(client: &Client, rolls: &Arc<AtomicU64>) -> Client {
    // The cloud's is its own, and random enough.
    let Some(http) = client.config().http_client() else { return client.clone() };
    let rolls = rolls.clone();
    let http = http_client_fn(move |settings, components| {
        let inner = http.http_connector(settings, components);
        SharedHttpConnector::new(Jittery { inner, rolls: rolls.clone() })
    });
    Client::from_conf(client.config().to_builder().http_client(http).build())
}

impl Arena {
    async fn open() -> Self {
        let roster = Roster::start().await;
        let mut config = local::config().expect("the defaults make a configuration");
        config.table_name.clone_from(&roster.table);
        let rolls = Arc::default();
        let mut apps = Vec::new();
        for _ in 0..APPS {
            let client = jittery(&roster.server.data.client, &rolls);
            let app =
                App::new(&config, client, None, Arc::new(NoLog), roster.server.app.clock.clone())
                    .await;
            apps.push(Arc::new(app.expect("an application")));
        }
        Self { roster, apps, requests: AtomicU64::new(0) }
    }

    /// Runs the rounds of a race, some of them at one time where they do not meet, and looks at the
    /// table now and then. A round gives the number of its winners.
    async fn run(&self, name: &str, at_once: usize, round: impl AsyncFn(usize) -> usize) {
        let (count, begin) = (rounds(2, 50), Instant::now());
        let mut winners = 0;
        for first in (0..count).step_by(CHECK_EVERY) {
            let these = futures::stream::iter(first..count.min(first + CHECK_EVERY))
                .map(async |n| round(n).await);
            winners += these.buffer_unordered(at_once).fold(0, async |sum, won| sum + won).await;
            self.roster.check_table().await;
        }
        let requests = self.requests.load(Ordering::Relaxed);
        let each = begin.elapsed().as_secs_f64() * 1000.0 / requests as f64;
        println!(
            "races: {name}: {count} rounds of {} at once, {requests} requests, {winners} winners, {each:.2} ms each",
            contenders()
        );
    }

    fn call(&self, method: Method, path: impl Into<String>, caller: Uuid) -> Call {
        Call::new(method, path).credential(&self.roster.token(caller))
    }

    fn post(&self, path: impl Into<String>, caller: Uuid, body: &Value) -> Call {
        self.call(Method::POST, path, caller).json(body)
    }

    async fn send(&self, number: usize, call: &Call) -> Answer {
        self.requests.fetch_add(1, Ordering::Relaxed);
        call.send(&self.apps[number % APPS]).await.0
    }

    /// One request, which must be answered so.
    async fn done(&self, call: Call, status: u16) -> Value {
        let answer = self.send(0, &call).await;
        assert_eq!(answer.status, status, "{call:?}: {answer:?}");
        if answer.text.is_empty() { Value::Null } else { answer.json() }
    }

    /// All requests at once. Each must be answered by one of these statuses, in the form of its
    /// contract.
    async fn race(&self, calls: &[Call], statuses: &[u16]) -> Vec<Answer> {
        let answers =
            join_all(calls.iter().enumerate().map(|(number, call)| self.send(number, call))).await;
        for (call, answer) in calls.iter().zip(&answers) {
            assert!(
                statuses.contains(&answer.status),
                "not one of {statuses:?}: {call:?}: {answer:?}"
            );
            if answer.status >= 400 {
                contract(&call.handler()).error(answer);
            }
        }
        answers
    }

    fn sign_up(&self, id: Uuid, email: &str) -> Call {
        let mut claims = self.roster.claims(id);
        claims["email"] = json!(email);
        Call::new(Method::POST, "/v1/account").credential(&sign(&claims))
    }

    /// Someone new, and their team.
    async fn newcomer(&self) -> (Uuid, Uuid) {
        let id = Uuid::new_v4();
        let account = self.done(self.sign_up(id, &format!("{id}@example.com")), 201).await;
        (id, id_of(&account["team"]["id"]))
    }

    async fn read<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        let data = &self.roster.server.data;
        let found = data
            .client
            .get_item()
            .table_name(&self.roster.table)
            .set_key(Some(key.item()))
            .consistent_read(true)
            .send()
            .await;
        let item = found.expect("the item is read").item?;
        Some(serde_dynamo::from_item(item).expect("a record"))
    }

    async fn user(&self, id: Uuid) -> Option<User> {
        self.read(&Key::user(id)).await
    }

    /// A user's history.
    async fn history(&self, id: Uuid) -> Vec<AuditEntry> {
        let key = Key::audit(id, Uuid::nil());
        let query = self.roster.server.data.client.query().table_name(&self.roster.table);
        let query = query.key_condition_expression("pk = :pk").consistent_read(true);
        let pk = aws_sdk_dynamodb::types::AttributeValue::S(key.pk);
        let found =
            query.expression_attribute_values(":pk", pk).send().await.expect("the history is read");
        serde_dynamo::from_items(found.items.unwrap_or_default()).expect("entries")
    }
}

/// How many requests there are at once; not more of them where there are more rounds.
fn contenders() -> usize {
    if rounds(0, 1) == 0 { 16 } else { 64 }
}

/// The requests of a round.
fn each(of: impl Fn(usize) -> Call) -> Vec<Call> {
    (0..contenders()).map(of).collect()
}

#[track_caller]
fn id_of(value: &Value) -> Uuid {
    value.as_str().and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no id: {value}"))
}

/// How many were answered so.
fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

/// Those at the places whose number leaves that rest.
fn every(answers: &[Answer], of: usize, rest: usize) -> Vec<Answer> {
    answers.iter().skip(rest).step_by(of).cloned().collect()
}

const USER_ADMIN: &str = "/api/admin/user-admin";
const INVITES: &str = "/api/v1/admin_user_invite";

fn invite(email: &str, team: Uuid) -> Value {
    json!({"details": {"email": email, "account_id": team}})
}

#[tokio::test]
async fn one_email_is_one_users() {
    let arena = Arena::open().await;
    let round = async |n: usize| {
        let email = format!("wanted-{n}@example.com");
        let calls = each(|place| match place % 5 {
            0 => arena.post(USER_ADMIN, demo::ADMIN, &json!({"email": email, "rootRole": 3})),
            1 => arena.post(
                USER_ADMIN,
                demo::OTHER_ADMIN,
                &json!({"email": email.to_uppercase(), "rootRole": 3}),
            ),
            2 => arena.post(INVITES, demo::ADMIN, &invite(&email, demo::TEAM)),
            3 => arena.post(INVITES, demo::OTHER_ADMIN, &invite(&email, demo::OTHER_TEAM)),
            _ => arena.sign_up(Uuid::new_v4(), &email),
        });
        let answers = arena.race(&calls, &[200, 201, 400, 409]).await;
        let won = |rest: usize| {
            every(&answers, 5, rest).iter().filter(|answer| answer.status < 400).count()
        };
        // Who signs up takes over what another one was invited to.
        let (made, signed_up) = ((0..4).map(won).sum::<usize>(), won(4));
        assert!(
            [(1, 0), (1, 1), (0, 1)].contains(&(made, signed_up)),
            "round {n}: {made} made, {signed_up} signed up"
        );
        1
    };
    arena.run("one email", 1, round).await;
}

#[tokio::test]
async fn one_username_is_one_users() {
    let arena = Arena::open().await;
    let round = async |n: usize| {
        let body = json!({"username": format!("wanted-{n}"), "rootRole": 3});
        let answers =
            arena.race(&each(|_| arena.post(USER_ADMIN, demo::ADMIN, &body)), &[201, 400]).await;
        assert_eq!(count(&answers, 201), 1, "round {n}");
        1
    };
    arena.run("one username", 1, round).await;
}

#[tokio::test]
async fn who_signs_up_many_times_at_once_has_one_account() {
    let arena = Arena::open().await;
    let round = async |n: usize| {
        let id = Uuid::new_v4();
        let answers = arena
            .race(&each(|_| arena.sign_up(id, &format!("{id}@example.com"))), &[200, 201])
            .await;
        assert_eq!(count(&answers, 201), 1, "round {n}");
        let teams: BTreeSet<_> =
            answers.iter().map(|answer| answer.json()["team"]["id"].to_string()).collect();
        assert_eq!(teams.len(), 1, "round {n}");
        1
    };
    arena.run("one sign-up", 1, round).await;
}

#[tokio::test]
async fn a_team_of_several_keeps_an_administrator() {
    let arena = Arena::open().await;
    let round = async |n: usize| {
        let (owner, team) = arena.newcomer().await;
        let mut admins = vec![(owner, json!(1))];
        for place in 0..3 {
            let email = format!("admin-{n}-{place}@example.com");
            let made = arena
                .done(arena.post(USER_ADMIN, owner, &json!({"email": email, "rootRole": 1})), 201)
                .await;
            let id = Uuid::new_v4();
            arena.done(arena.sign_up(id, &email), 201).await;
            admins.push((id, made["id"].clone()));
        }
        let calls = each(|place| {
            let ((by, _), (_, number)) = (&admins[place % 4], &admins[place / 4 % 4]);
            let path = format!("{USER_ADMIN}/{number}");
            match (place + place / 4 + place / 16) % 3 {
                0 => arena.call(Method::PUT, path, *by).json(&json!({"rootRole": 3})),
                1 => arena.call(Method::DELETE, path, *by),
                _ => arena.call(Method::DELETE, "/v1/account", *by),
            }
        });
        let answers = arena.race(&calls, &[200, 202, 400, 401, 403, 404, 409]).await;
        let (mut present, mut governing) = (0, 0);
        for (id, _) in &admins {
            let user = arena.user(*id).await.expect("nobody is erased");
            present += usize::from(user.status != Status::Deleted);
            governing += usize::from(user.status == Status::Active && user.role == Role::Admin);
        }
        // Who is left alone may leave as well.
        assert!(governing > 0 || present == 0, "round {n}: of {present} in {team} nobody governs");
        answers.iter().filter(|answer| answer.status < 400).count()
    };
    arena.run("the last administrator", 4, round).await;
}

/// Races for sandboxes in a tier that has room for that many.
async fn quota(name: &str, tier: QuotaTier, room: usize) {
    let arena = Arena::open().await;
    arena.roster.server.data.store.put(&Key::tier(&tier.id), &tier).await.expect("a tier");
    let round = async |n: usize| {
        let (owner, _) = arena.newcomer().await;
        let change = arena.call(
            Method::PATCH,
            format!("/v1/admin/users/{owner}/quota"),
            demo::PLATFORM_OPERATOR,
        );
        arena.done(change.json(&json!({"quota_tier_id": tier.id})), 200).await;
        // Three tenths of a GB-hour.
        let body = json!({"template": "base", "memory_mb": 1024, "timeout_ms": 1_080_000});
        let answers =
            arena.race(&each(|_| arena.post("/v1/sandboxes", owner, &body)), &[201, 429]).await;
        assert_eq!(count(&answers, 201), room, "round {n}");
        room
    };
    arena.run(name, 2, round).await;
}

fn tier(
    id: &str,
    max_concurrent_sandboxes: u64,
    daily_sandbox_creates: u64,
    daily_gb_hours: f64,
) -> QuotaTier {
    QuotaTier {
        id: id.into(),
        display_name: id.into(),
        max_concurrent_sandboxes,
        daily_sandbox_creates,
        daily_gb_hours,
    }
}

#[tokio::test]
async fn as_many_sandboxes_as_a_team_may_have_at_one_time() {
    quota("sandboxes at one time", tier("five", 5, 1000, 1000.0), 5).await;
}

#[tokio::test]
async fn as_many_sandboxes_as_a_team_may_make_in_a_day() {
    quota("sandboxes in a day", tier("seven", 1000, 7, 1000.0), 7).await;
}

#[tokio::test]
async fn as_many_gb_hours_as_a_team_may_use_in_a_day() {
    quota("GB-hours in a day", tier("one", 1000, 1000, 1.0), 3).await;
}

#[tokio::test]
async fn one_default_key() {
    let arena = Arena::open().await;
    let round = async |n: usize| {
        let (owner, _) = arena.newcomer().await;
        let answers = arena
            .race(&each(|_| arena.call(Method::POST, "/v1/keys/default", owner)), &[200, 201])
            .await;
        assert_eq!(count(&answers, 201), 1, "round {n}");
        let ids: BTreeSet<_> =
            answers.iter().map(|answer| answer.json()["id"].to_string()).collect();
        assert_eq!(ids.len(), 1, "round {n}");
        1
    };
    arena.run("the default key", 2, round).await;
}

#[tokio::test]
async fn a_key_is_rotated_once_and_a_revoked_one_stays_so() {
    let arena = Arena::open().await;
    let round = async |n: usize| {
        let (owner, _) = arena.newcomer().await;
        let old = arena.done(arena.post("/v1/keys", owner, &json!({})), 201).await;
        let path = format!("/v1/keys/{}", id_of(&old["id"]));
        let (rotate, revoke) = (
            arena.call(Method::POST, format!("{path}/rotate"), owner),
            arena.call(Method::DELETE, path.clone(), owner),
        );
        // Every other round rotates alone.
        let revokes = n.is_multiple_of(2);
        let answers = arena
            .race(
                &each(
                    |place| if revokes && place % 2 == 1 { revoke.clone() } else { rotate.clone() },
                ),
                &[200, 201, 409],
            )
            .await;
        let rotated: Vec<_> =
            answers.iter().filter(|answer| answer.status == 201).map(Answer::json).collect();
        assert!(
            rotated.len() == 1 || revokes && rotated.is_empty(),
            "round {n}: rotated {} times",
            rotated.len()
        );
        assert!(
            !revokes || every(&answers, 2, 1).iter().all(|answer| answer.status == 200),
            "round {n}: a key is not revoked"
        );
        let listed = arena.done(arena.call(Method::GET, "/v1/keys", owner), 200).await;
        let listed = listed.as_array().expect("a list");
        assert_eq!(listed.len(), 1 + rotated.len(), "round {n}");
        assert_eq!(listed[0]["is_active"], !revokes, "round {n}");
        for (key, works) in [(Some(&old), !revokes), (rotated.first(), true)] {
            let Some(text) = key.and_then(|key| key["key"].as_str()) else { continue };
            let call = Call::new(Method::GET, "/v1/account/me").credential(text);
            arena.done(call, if works { 200 } else { 401 }).await;
        }
        rotated.len()
    };
    arena.run("rotate against revoke", 2, round).await;
}

#[tokio::test]
async fn who_is_deleted_restored_and_erased_at_once_is_there_or_gone() {
    let arena = Arena::open().await;
    let round = async |n: usize| {
        let (owner, _) = arena.newcomer().await;
        arena.done(arena.post("/v1/keys", owner, &json!({})), 201).await;
        arena.done(arena.call(Method::DELETE, "/v1/account", owner), 202).await;
        let by_operator = format!("/v1/admin/users/{owner}");
        let calls = each(|place| match place % 4 {
            0 => arena.call(Method::DELETE, &by_operator, demo::PLATFORM_OPERATOR),
            1 => arena.call(Method::POST, "/v1/account/restore", owner),
            2 => arena.call(Method::DELETE, "/v1/account", owner),
            _ => {
                arena.call(Method::POST, format!("{by_operator}/restore"), demo::PLATFORM_OPERATOR)
            }
        });
        let answers = arena.race(&calls, &[200, 202, 401, 403, 404, 409]).await;
        let erased = every(&answers, 4, 0)
            .iter()
            .filter(|answer| answer.status == 200 && answer.json()["deleted"] == true)
            .count();
        let gone = arena.user(owner).await.is_none();
        assert_eq!(erased, usize::from(gone), "round {n}: erased {erased} times");
        erased
    };
    arena.run("delete against restore against erase", 4, round).await;
}

#[tokio::test]
async fn several_purges_at_once_do_the_work_of_one() {
    let arena = Arena::open().await;
    let purges = async || {
        arena.roster.settled().await;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(600);
        let now = arena.roster.now();
        let schedule = AuditCredential::schedule();
        let reports =
            join_all(arena.apps.iter().map(|app| app.store.purge(&schedule, now, deadline))).await;
        let reports: Vec<_> =
            reports.into_iter().map(|report| report.expect("a purge ends")).collect();
        assert!(reports.iter().all(|report| report.finished && report.failed == 0), "{reports:?}");
        reports.iter().map(|report| report.purged).sum::<u64>() as usize
    };
    // Whom the demo data has.
    arena.roster.advance(31 * 86_400);
    purges().await;
    let round = async |n: usize| {
        let mut due = Vec::new();
        for _ in 0..contenders() / APPS {
            let (owner, _) = arena.newcomer().await;
            arena.done(arena.call(Method::DELETE, "/v1/account", owner), 202).await;
            due.push(owner);
        }
        assert_eq!(purges().await, 0, "round {n}: a purge came early");
        arena.roster.advance(31 * 86_400);
        let purged = purges().await;
        assert_eq!(purged, due.len(), "round {n}");
        for owner in due {
            assert!(arena.user(owner).await.is_none(), "round {n}: {owner} is left");
        }
        purged
    };
    arena.run("four purges at once", 1, round).await;
}

#[tokio::test]
async fn a_share_is_there_on_both_sides_or_on_none() {
    let arena = Arena::open().await;
    let round = async |n: usize| {
        let (grantor, _) = arena.newcomer().await;
        let path = format!("/api/v1/users/shares/{}", demo::MANAGER);
        let share =
            arena.call(Method::PUT, path.clone(), grantor).json(&json!({"scopes": ["data:read"]}));
        let unshare = arena.call(Method::DELETE, path, grantor);
        // Every other round takes one share back.
        let takes = n.is_multiple_of(2);
        if takes {
            arena.done(share.clone(), 200).await;
        }
        let calls =
            each(|place| if takes || place % 2 == 1 { unshare.clone() } else { share.clone() });
        let answers = arena.race(&calls, &[200, 404]).await;
        let (given, taken) = match takes {
            true => (1, count(&answers, 200)),
            false => (count(&every(&answers, 2, 0), 200), count(&every(&answers, 2, 1), 200)),
        };
        assert_eq!(
            given,
            if takes { taken } else { answers.len() / 2 },
            "round {n}: given {given} times, taken {taken} times"
        );
        let sides = [Key::grant(grantor, demo::MANAGER), Key::shared(demo::MANAGER, grantor)];
        let (given_side, taken_side): (Option<Share>, Option<Share>) =
            (arena.read(&sides[0]).await, arena.read(&sides[1]).await);
        assert_eq!(given_side, taken_side, "round {n}");
        let told = arena.history(grantor).await;
        let told = |action: &str| told.iter().filter(|entry| entry.action == action).count();
        // What was shared already was not shared again, so that each share is taken back, or there.
        let (granted, revoked) = (told("share.granted"), told("share.revoked"));
        assert_eq!(
            (granted, revoked),
            (taken + usize::from(given_side.is_some()), taken),
            "round {n}: the history tells otherwise"
        );
        assert!(granted <= given, "round {n}: given {given} times, and told of {granted} times");
        taken
    };
    arena.run("share against unshare", 2, round).await;
}

#[tokio::test]
async fn two_who_swap_emails_never_hold_the_same_one() {
    let arena = Arena::open().await;
    let round = async |n: usize| {
        let emails = ["one", "other", "free"].map(|name| format!("{name}-{n}@example.com"));
        let mut numbers = Vec::new();
        for email in &emails[..2] {
            let made = arena
                .done(
                    arena.post(USER_ADMIN, demo::ADMIN, &json!({"email": email, "rootRole": 3})),
                    201,
                )
                .await;
            numbers.push(format!("{USER_ADMIN}/{}", made["id"]));
        }
        let calls = each(|place| {
            arena
                .call(Method::PUT, &numbers[place % 2], demo::ADMIN)
                .json(&json!({"email": emails[chance((n * 64 + place) as u64) as usize % 3]}))
        });
        let answers = arena.race(&calls, &[200, 400]).await;
        let mut held = BTreeSet::new();
        for path in &numbers {
            let email =
                arena.done(arena.call(Method::GET, path, demo::ADMIN), 200).await["email"].clone();
            assert!(
                emails.iter().any(|known| email == *known) && held.insert(email.to_string()),
                "round {n}: {email} is held by both"
            );
        }
        count(&answers, 200)
    };
    arena.run("emails swapped", 4, round).await;
}

#[tokio::test]
async fn an_invite_is_used_or_revoked() {
    let arena = Arena::open().await;
    let round = async |n: usize| {
        let (owner, team) = arena.newcomer().await;
        let (id, email) = (Uuid::new_v4(), format!("invited-{n}@example.com"));
        let made = arena.done(arena.post(INVITES, owner, &invite(&email, team)), 200).await;
        let revoke = arena.call(
            Method::POST,
            format!("{INVITES}/{}/revoke", id_of(&made["details"]["id"])),
            owner,
        );
        let sign_up = arena.sign_up(id, &email);
        let answers = arena
            .race(
                &each(|place| if place % 2 == 0 { revoke.clone() } else { sign_up.clone() }),
                &[200, 201, 409],
            )
            .await;
        let revoked = count(&every(&answers, 2, 0), 200);
        let joined = arena.user(id).await.map(|user| user.team_id == team);
        match revoked {
            0 => assert_eq!(joined, Some(true), "round {n}: neither used nor revoked"),
            1 => assert_ne!(joined, Some(true), "round {n}: both used and revoked"),
            _ => panic!("round {n}: revoked {revoked} times"),
        }
        assert!(count(&every(&answers, 2, 1), 201) <= 1, "round {n}: signed up more than once");
        1
    };
    arena.run("an invite used against revoked", 4, round).await;
}

#[tokio::test]
async fn a_request_under_one_key_has_one_effect_and_one_answer() {
    let arena = Arena::open().await;
    let round = async |n: usize| {
        let (owner, team) = arena.newcomer().await;
        let list = format!("{INVITES}?account_id={team}");
        // Where it can be counted what was made, and how many stood there before.
        let (path, body, list, at, before) = match n % 5 {
            0 => ("/v1/keys", json!({"name": "once"}), "/v1/keys", "", 0),
            1 => (
                USER_ADMIN,
                json!({"username": format!("once-{n}"), "rootRole": 2}),
                USER_ADMIN,
                "/users",
                1,
            ),
            2 => (
                "/api/v1/users/",
                json!({"first_name": "Once", "last_name": null}),
                "/api/v1/users/",
                "",
                1,
            ),
            3 => (
                INVITES,
                invite(&format!("once-{n}@example.com"), team),
                list.as_str(),
                "/summaries",
                0,
            ),
            _ => (
                "/v1/sandboxes",
                json!({"template": "base"}),
                "/v1/account/export",
                "/sandboxes",
                0,
            ),
        };
        let call = arena.post(path, owner, &body).key(&format!("once-{n}-and-no-more"));
        let answers = arena.race(&each(|_| call.clone()), &[200, 201]).await;
        let told: BTreeSet<_> =
            answers.iter().map(|answer| (answer.status, answer.text.clone())).collect();
        assert_eq!(told.len(), 1, "round {n}: {told:?}");
        let first = answers
            .iter()
            .filter(|answer| !answer.headers.contains_key("idempotency-replayed"))
            .count();
        assert_eq!(first, 1, "round {n}: {first} first answers");
        arena.roster.settled().await;
        let listed = arena.done(arena.call(Method::GET, list, owner), 200).await;
        assert_eq!(
            listed.pointer(at).and_then(Value::as_array).map(Vec::len),
            Some(before + 1),
            "round {n}: {path}"
        );
        first
    };
    arena.run("one idempotency key", 2, round).await;
}
