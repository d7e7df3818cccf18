//! What the suites share: a server of their own with its own in-memory database, a clock that they
//! set, and a look into the table.

pub mod checks;
pub mod direct;
pub mod events;
pub mod faults;
pub mod iam;
pub mod lagging;
pub mod own_tokens;
pub mod prices;
pub mod probes;
pub mod runtime_api;
pub mod start;
pub mod team;
pub mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::config::SharedInterceptor;
use aws_sdk_dynamodb::types::AttributeValue;
use local::{Location, Options, Server, TrailingSlash, database};
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};
use shared::models::{Class, ListedUser, Status, User};
use shared::store::Store;
use shared::table::{Item, Key, Sequence};
use shared::{Clock, Timestamp};
use uuid::Uuid;

use crate::lagging::Lagging;

/// The environment variable that names another DynamoDB for the suites, by its address: the
/// cloud's, or an emulator's. `lagging` is an embedded one whose indexes follow late.
pub const ENDPOINT_VARIABLE: &str = "ROSTER_TEST_DYNAMODB";

/// How late.
pub const LAG: Duration = Duration::from_millis(100);

/// When every test begins: 2026-05-02T09:30:00Z, in milliseconds.
pub const START: i64 = 1_777_714_200_000;

/// A running server.
pub struct Roster {
    /// The server itself.
    pub server: Server,
    /// The table's name.
    pub table: String,
    http: reqwest::Client,
    now: Arc<AtomicI64>,
    lagging: Option<Lagging>,
}

/// The tables whose indexes may lag, by the port of the server that reads them.
static LAGGING: Mutex<BTreeMap<u16, Table>> = Mutex::new(BTreeMap::new());

impl Roster {
    /// A server with the demo data.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A server with an empty table.
    pub async fn empty() -> Self {
        Self::start_with(|options| options.demo = false).await
    }

    /// A server with the demo data, after `adjust` has had its say.
    pub async fn start_with(adjust: impl FnOnce(&mut Options)) -> Self {
        let now = Arc::new(AtomicI64::new(START));
        let told = now.clone();
        let mut options = Options {
            port: 0,
            location: Location::Memory,
            latency: Duration::ZERO,
            trailing_slash: TrailingSlash::default(),
            cors_origins: Vec::new(),
            demo: true,
            config: local::config().expect("the defaults make a configuration"),
            clock: Clock::new(move || Timestamp::from_millisecond(told.load(Ordering::Relaxed))),
            log: Arc::new(functions::log::NoLog),
            vault: None,
            // Every suite runs under the policies that the template gives each function.
            interceptor: Some(SharedInterceptor::new(iam::Enforcer)),
        };
        // Any DynamoDB that the user names: then each test has a table of its own, which goes with
        // it.
        let named = std::env::var(ENDPOINT_VARIABLE).ok();
        let is_lagging = named.as_deref() == Some("lagging");
        if let Some(endpoint) = named.filter(|_| !is_lagging) {
            options.location = Location::Endpoint(endpoint);
        }
        adjust(&mut options);
        if matches!(options.location, Location::Endpoint(_)) {
            options.config.table_name = format!("roster-test-{}", Uuid::new_v4());
        }
        let table = options.config.table_name.clone();
        // The same data every time: made once, and copied.
        if options.demo
            && matches!(options.location, Location::Memory)
            && options.clock.now() == Timestamp::from_millisecond(START)
        {
            options.location = Location::CopyOf(demo_database(options.clone()).await);
        }
        let mut lagging = None;
        if is_lagging && matches!(options.location, Location::Memory | Location::CopyOf(_)) {
            let database = lagging.insert(Lagging::start(&options.location, LAG).await);
            options.location = Location::Endpoint(database.endpoint.clone());
        }
        let elsewhere = matches!(options.location, Location::Endpoint(_));
        if elsewhere {
            make_table(&options).await;
        }
        let server = Server::start(options).await.expect("the server starts");
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let roster = Self { server, table, http, now, lagging };
        if elsewhere {
            LAGGING
                .lock()
                .expect("the tables")
                .insert(roster.server.address.port(), roster.table());
        }
        roster
    }

    fn table(&self) -> Table {
        Table {
            client: self.server.data.client.clone(),
            name: self.table.clone(),
            written: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Waits until the indexes show what the table holds: after writes that no request made. After
    /// those of requests, the next waits.
    pub async fn settled(&self) {
        if self.server.data.database.guard.is_none() {
            self.table().settled().await;
        }
    }

    /// The time that the server is told.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now.load(Ordering::Relaxed))
    }

    /// Lets so many seconds pass.
    pub fn advance(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    /// The claims of a good token for a user, for an hour.
    pub fn claims(&self, sub: Uuid) -> Value {
        let now = self.now().as_second();
        json!({
            "iss": "http://localhost/auth/v1",
            "aud": "authenticated",
            "sub": sub,
            "role": "authenticated",
            "iat": now,
            "exp": now + 3600,
        })
    }

    /// A good token for a user.
    pub fn token(&self, sub: Uuid) -> String {
        sign(&self.claims(sub))
    }

    /// A request to a path, with no credential yet.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.server.url()))
    }

    /// GET by a caller.
    pub async fn get(&self, path: &str, caller: Uuid) -> Answer {
        send(self.request(Method::GET, path).bearer_auth(self.token(caller))).await
    }

    /// Any method by a caller, with a JSON body.
    pub async fn call(&self, method: Method, path: &str, caller: Uuid, body: &Value) -> Answer {
        send(self.request(method, path).bearer_auth(self.token(caller)).json(body)).await
    }

    /// DELETE by a caller.
    pub async fn delete(&self, path: &str, caller: Uuid) -> Answer {
        send(self.request(Method::DELETE, path).bearer_auth(self.token(caller))).await
    }

    /// The whole table, in the order of its keys, without the counts of places and the words of
    /// names, which follow from it: [`Self::check_table`] looks at those. And without the published
    /// key, which follows from a secret: [`Self::signing_key`] is that.
    pub async fn items(&self) -> Vec<Map<String, Value>> {
        let mut items = self.table().scan(None).await;
        let follows =
            |pk: &str| pk.starts_with("SPANS#") || pk.starts_with("WORDS#") || pk == "SIGNING_KEY";
        items.retain(|item| !item["pk"].as_s().is_ok_and(|pk| follows(pk)));
        let mut items: Vec<Map<String, Value>> = items
            .into_iter()
            .map(|item| serde_dynamo::from_item(item).expect("an item is JSON"))
            .collect();
        items.sort_by_key(|item| {
            (item["pk"].as_str().map(str::to_owned), item["sk"].as_str().map(str::to_owned))
        });
        items
    }

    /// The item with the published key that verifies Roster's own tokens, if there is one.
    pub async fn signing_key(&self) -> Option<Map<String, Value>> {
        let items = self.table().scan(None).await;
        let item =
            items.into_iter().find(|item| item["pk"].as_s().is_ok_and(|pk| pk == "SIGNING_KEY"))?;
        Some(serde_dynamo::from_item(item).expect("an item is JSON"))
    }

    /// The items that hold four letters in a row of one of these values, which must be of letters
    /// that nothing else has: of the whole table, each attribute of each item, the counts of places
    /// and where their cells begin among them.
    pub async fn traces(&self, values: &[&str]) -> Vec<String> {
        let parts: BTreeSet<String> = values
            .iter()
            .flat_map(|value| {
                let letters: Vec<char> = value.to_lowercase().chars().collect();
                letters.windows(4).map(|part| part.iter().collect()).collect::<Vec<String>>()
            })
            .collect();
        let mut texts = Vec::new();
        for item in self.table().scan(None).await {
            let mut found = Vec::new();
            for (name, value) in &item {
                found.push(name.clone());
                text_of(value, &mut found);
            }
            // What is written as a difference from the one before is no text of its own.
            let key = Key::of(&item).expect("a key");
            let span = key.pk.strip_prefix("SPANS#").and_then(|rest| rest.split_once('#'));
            if let Some((team, sequence)) = span {
                let sequence = Sequence::ALL
                    .into_iter()
                    .find(|known| known.attribute() == sequence)
                    .expect("a sequence");
                let team = team.parse().expect("a team's id");
                let cells = self
                    .server
                    .data
                    .store
                    .counted(team, sequence)
                    .await
                    .expect("the counts are read");
                found.extend(cells.into_iter().map(|(from, _)| from));
            }
            texts.push((key, found.join("\n").to_lowercase()));
        }
        let told = |text: &str| parts.iter().find(|part| text.contains(part.as_str())).cloned();
        texts
            .into_iter()
            .filter_map(|(key, text)| {
                Some(format!("{} in {} / {}: {text}", told(&text)?, key.pk, key.sk))
            })
            .collect()
    }

    /// The keys of the counts of places, `pk / sk`.
    pub async fn keys_of_spans(&self) -> Vec<String> {
        let keys = self.table().scan(None).await.into_iter().filter_map(|item| Key::of(&item));
        keys.filter(|key| key.pk.starts_with("SPANS#"))
            .map(|key| format!("{} / {}", key.pk, key.sk))
            .collect()
    }

    /// The keys of the table's items, `pk / sk`, that contain a text.
    pub async fn keys_with(&self, text: &str) -> Vec<String> {
        let keys = self.items().await.into_iter().map(|item| {
            format!(
                "{} / {}",
                item["pk"].as_str().unwrap_or_default(),
                item["sk"].as_str().unwrap_or_default()
            )
        });
        keys.filter(|key| key.contains(text)).collect()
    }

    /// A user's record, if there is one.
    pub async fn user(&self, id: Uuid) -> Option<User> {
        let key = format!("USER#{id}");
        let items = self.items().await;
        let item =
            items.into_iter().find(|item| item["pk"] == key.as_str() && item["sk"] == "USER")?;
        Some(serde_json::from_value(Value::Object(item)).expect("a user"))
    }

    /// Holds the whole table against its own promises: counters equal a recount, every unique value
    /// has its user and every user its unique values, every managed user stands in the manager's
    /// list under its present name, and nothing is left of a user who is gone.
    pub async fn check_table(&self) {
        let items = self.items().await;
        let text = |item: &Map<String, Value>, name: &str| {
            item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let users: Vec<User> = items
            .iter()
            .filter(|item| text(item, "sk") == "USER")
            .map(|item| serde_json::from_value(Value::Object(item.clone())).expect("a user"))
            .collect();
        let mut recount: BTreeMap<(Uuid, String), i64> = BTreeMap::new();
        let mut unique: BTreeMap<(String, String), String> = BTreeMap::new();
        let mut names: BTreeMap<(String, String), Value> = BTreeMap::new();
        let mut admins: BTreeMap<Uuid, (i64, i64)> = BTreeMap::new();
        let mut managed: BTreeMap<(String, String), String> = BTreeMap::new();
        for user in &users {
            *recount.entry((user.team_id, user.class().code())).or_default() += 1;
            for key in Key::unique_values(user) {
                assert_eq!(
                    unique.insert((key.pk, key.sk), user.id.to_string()),
                    None,
                    "a unique value is held twice"
                );
            }
            names.extend(
                Key::names(user)
                    .into_iter()
                    .map(|key| ((key.pk, key.sk), json!(ListedUser::from(user)))),
            );
            names.extend(
                user.email
                    .as_deref()
                    .map(Key::email)
                    .map(|key| ((key.pk, key.sk), json!(ListedUser::from(user)))),
            );
            let team = admins.entry(user.team_id).or_default();
            team.0 += i64::from(user.governs());
            team.1 += i64::from(user.is_service_admin());
            if let Some(manager) = user.manager_id {
                managed.insert(
                    (format!("USER#{manager}"), format!("MANAGED#{}", user.id)),
                    user.shown_name(),
                );
            }
        }
        let mut counted: BTreeMap<(Uuid, String), i64> = BTreeMap::new();
        for item in items.iter().filter(|item| text(item, "sk").starts_with("COUNT#USERS#")) {
            let team = text(item, "pk").trim_start_matches("TEAM#").parse().expect("a team's id");
            for (attribute, value) in
                item.iter().filter(|(attribute, _)| Class::from_code(attribute).is_some())
            {
                *counted.entry((team, attribute.clone())).or_default() +=
                    value.as_i64().expect("a count");
            }
        }
        counted.retain(|_, count| *count != 0);
        assert_eq!(counted, recount, "the counters differ from a recount");
        self.check_places(&users).await;
        let key = |item: &Map<String, Value>| (text(item, "pk"), text(item, "sk"));
        let of_kind = |kinds: &'static [&str]| {
            items
                .iter()
                .filter(|item| kinds.contains(&text(item, "pk").split('#').next().unwrap_or("")))
        };
        let held: BTreeMap<_, _> = of_kind(&["EMAIL", "USERNAME", "SCIM", "NUMBER"])
            .map(|item| (key(item), text(item, "user_id")))
            .collect();
        assert_eq!(held, unique, "the unique values differ from those of the users");
        let listed = |item: &Map<String, Value>| {
            let listed: ListedUser =
                serde_json::from_value(Value::Object(item.clone())).expect("a listed user");
            (key(item), json!(listed))
        };
        assert_eq!(
            of_kind(&["EMAIL", "NAME"]).map(listed).collect::<BTreeMap<_, _>>(),
            names,
            "users are listed otherwise than they are"
        );
        let number = |item: &Map<String, Value>, name: &str| {
            item.get(name).and_then(Value::as_i64).unwrap_or(0)
        };
        let teams = items.iter().filter(|item| text(item, "sk") == "TEAM");
        let counted: BTreeMap<Uuid, _> = teams
            .map(|team| {
                (
                    text(team, "id").parse().expect("an id"),
                    (number(team, "admins"), number(team, "service_admins")),
                )
            })
            .collect();
        for (team, users) in &admins {
            assert_eq!(counted.get(team), Some(users), "the administrators of {team} are others");
        }
        let team_of: BTreeMap<String, Uuid> =
            users.iter().map(|user| (format!("USER#{}", user.id), user.team_id)).collect();
        // Those of a team, and those of a user with what they reserve.
        let mut sandboxes: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        for item in items.iter().filter(|item| {
            text(item, "sk").starts_with("SANDBOX#") && text(item, "status") != "destroyed"
        }) {
            let owner = text(item, "pk");
            sandboxes.entry(format!("TEAM#{}", team_of[&owner])).or_default().0 += 1;
            let own = sandboxes.entry(owner).or_default();
            *own = (own.0 + 1, own.1 + number(item, "reserved_mb_ms"));
        }
        let counts = items
            .iter()
            .filter(|item| text(item, "sk") == "COUNT#SANDBOXES" && number(item, "sandboxes") != 0);
        let counted: BTreeMap<_, _> = counts
            .map(|item| {
                (text(item, "pk"), (number(item, "sandboxes"), number(item, "reserved_mb_ms")))
            })
            .collect();
        assert_eq!(counted, sandboxes, "the sandboxes are counted otherwise than they are");
        let active = items
            .iter()
            .filter(|item| text(item, "sk").starts_with("KEY#") && item["is_active"] == true);
        let active: BTreeSet<_> = active.map(|item| (text(item, "pk"), text(item, "id"))).collect();
        let sets = items.iter().filter(|item| text(item, "sk") == "COUNT#KEYS");
        let ids = |item: &Map<String, Value>| {
            item.get("key_ids").and_then(Value::as_array).cloned().unwrap_or_default()
        };
        let counted: BTreeSet<_> = sets
            .flat_map(|item| {
                ids(item)
                    .into_iter()
                    .map(|id| (text(item, "pk"), id.as_str().unwrap_or_default().to_owned()))
            })
            .collect();
        assert_eq!(
            counted, active,
            "the keys that are not revoked are counted otherwise than they are"
        );
        let mut shares: BTreeMap<(String, &str), i64> = BTreeMap::new();
        for (prefix, side) in [("GRANT#", "shares_given"), ("SHARED#", "shares_received")] {
            for item in items.iter().filter(|item| text(item, "sk").starts_with(prefix)) {
                *shares.entry((text(item, "pk"), side)).or_default() += 1;
            }
        }
        let sides = ["shares_given", "shares_received"];
        let counted: BTreeMap<_, _> = items
            .iter()
            .filter(|item| text(item, "sk") == "USER")
            .flat_map(|item| sides.map(|side| ((text(item, "pk"), side), number(item, side))))
            .filter(|(_, count)| *count != 0)
            .collect();
        // The count of who is being erased, or signs up under another id, goes with the record:
        // what a crash cut off may have ended shares before.
        let leaves = |user: &&User| matches!(user.status, Status::Deleted | Status::Invited);
        let leaving: BTreeSet<_> =
            users.iter().filter(leaves).map(|user| format!("USER#{}", user.id)).collect();
        let ended = |place: &(String, &str), count: i64| {
            leaving.contains(&place.0) && count > shares.get(place).copied().unwrap_or(0)
        };
        let counted: BTreeMap<_, _> = counted
            .into_iter()
            .map(|(place, count)| {
                if ended(&place, count) {
                    (place.clone(), shares.get(&place).copied().unwrap_or(0))
                } else {
                    (place, count)
                }
            })
            .filter(|(_, count)| *count != 0)
            .collect();
        assert_eq!(counted, shares, "the shares are counted otherwise than they are");
        let counts = items
            .iter()
            .filter(|item| text(item, "sk") == "COUNT#MANAGED" && number(item, "managed") != 0);
        let counted: BTreeMap<_, _> =
            counts.map(|item| (text(item, "pk"), number(item, "managed"))).collect();
        let mut recount: BTreeMap<String, i64> = BTreeMap::new();
        for user in users.iter().filter(|user| user.manager_id.is_some()) {
            *recount.entry(format!("TEAM#{}", user.team_id)).or_default() += 1;
        }
        assert_eq!(counted, recount, "the managed users are counted otherwise than they are");
        let listed: BTreeMap<(String, String), String> = items
            .iter()
            .filter(|item| text(item, "sk").starts_with("MANAGED#"))
            .map(|item| ((text(item, "pk"), text(item, "sk")), text(item, "display_name")))
            .collect();
        assert_eq!(listed, managed, "the managers' lists differ from the managed users");
        let present: BTreeSet<String> =
            users.iter().map(|user| format!("USER#{}", user.id)).collect();
        let owner = |item: &Map<String, Value>| match text(item, "sk").as_str() {
            "KEY" => format!("USER#{}", text(item, "user_id")),
            _ => text(item, "pk"),
        };
        let orphans: Vec<_> = items
            .iter()
            .filter(|item| owner(item).starts_with("USER#") && !present.contains(&owner(item)))
            .collect();
        assert!(orphans.is_empty(), "left of users who are gone: {orphans:#?}");
    }
}

impl Roster {
    /// Holds the counts behind the lists against the users: each cell has those who stand from its
    /// beginning to the next one's.
    async fn check_places(&self, users: &[User]) {
        if self.server.data.database.changes.is_none() {
            return;
        }
        self.server.data.settle().await.expect("the stream is read");
        let teams: BTreeSet<Uuid> = users.iter().map(|user| user.team_id).collect();
        for (team, sequence) in
            teams.into_iter().flat_map(|team| Sequence::ALL.map(|sequence| (team, sequence)))
        {
            let counted =
                self.server.data.store.counted(team, sequence).await.expect("the counts are read");
            let mut recount: Vec<(String, BTreeMap<String, i64>)> =
                counted.iter().map(|(from, _)| (from.clone(), BTreeMap::new())).collect();
            for user in users.iter().filter(|user| user.team_id == team) {
                let cell = recount
                    .partition_point(|(from, _)| *from <= sequence.place(user))
                    .saturating_sub(1);
                *recount
                    .get_mut(cell)
                    .expect("a cell")
                    .1
                    .entry(user.class().code())
                    .or_default() += 1;
            }
            assert_eq!(counted, recount, "{sequence:?} of {team} is counted otherwise than it is");
        }
        let present = users.iter().filter(|user| user.status != Status::Deleted);
        let words =
            present.filter_map(|user| Some(Key::words(user.team_id, user.name.as_ref()?, user.id)));
        let kept = self
            .table()
            .scan(None)
            .await
            .iter()
            .filter_map(Key::of)
            .filter(|key| key.pk.starts_with("WORDS#"))
            .collect();
        assert_eq!(
            words.flatten().collect::<BTreeSet<_>>(),
            kept,
            "the words of names are others than the names have"
        );
    }
}

/// All text in a value, bytes among it.
fn text_of(value: &AttributeValue, found: &mut Vec<String>) {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => found.push(text.clone()),
        AttributeValue::B(bytes) => {
            found.push(String::from_utf8_lossy(bytes.as_ref()).into_owned())
        }
        AttributeValue::Ss(texts) | AttributeValue::Ns(texts) => {
            found.extend(texts.iter().cloned())
        }
        AttributeValue::L(values) => values.iter().for_each(|value| text_of(value, found)),
        AttributeValue::M(values) => {
            for (name, value) in values {
                found.push(name.clone());
                text_of(value, found);
            }
        }
        _ => {}
    }
}

/// A table.
#[derive(Clone)]
struct Table {
    client: shared::dynamodb::Client,
    name: String,
    /// Whether something may have been written since the indexes were last looked at.
    written: Arc<AtomicBool>,
}

impl Table {
    /// All that it holds, or that an index of it does.
    async fn scan(&self, index: Option<&str>) -> Vec<Item> {
        let (mut items, mut start) = (Vec::new(), None);
        loop {
            let request =
                self.client.scan().table_name(&self.name).consistent_read(index.is_none());
            let page = request
                .set_index_name(index.map(str::to_owned))
                .set_exclusive_start_key(start)
                .send()
                .await;
            let page = page.expect("the table is read");
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() {
                return items;
            }
        }
    }

    /// Waits until the indexes show what the table holds, but not for ever: others may be writing.
    async fn settled(&self) {
        let end = tokio::time::Instant::now() + Duration::from_secs(10);
        while !self.is_settled().await && tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn is_settled(&self) -> bool {
        // One that a test made to fail shows nothing, now or later.
        let Ok(description) = self.client.describe_table().table_name(&self.name).send().await
        else {
            return true;
        };
        let indexes =
            description.table.and_then(|table| table.global_secondary_indexes).unwrap_or_default();
        let items = self.scan(None).await;
        for index in indexes {
            let keys: Vec<&str> =
                index.key_schema().iter().map(|key| key.attribute_name()).collect();
            let key = |item: &Item| {
                [&item["pk"], &item["sk"]].map(|part| part.as_s().cloned().unwrap_or_default())
            };
            let shown: Vec<Item> = self.scan(index.index_name()).await;
            let shown: BTreeMap<_, _> = shown.iter().map(|item| (key(item), item)).collect();
            let indexed: Vec<&Item> = items
                .iter()
                .filter(|item| keys.iter().all(|key| item.contains_key(*key)))
                .collect();
            // What an index shows of an item is all of it or a part.
            let is_shown = |item: &&Item| {
                shown.get(&key(item)).is_some_and(|shown| {
                    shown.iter().all(|(name, value)| item.get(name) == Some(value))
                })
            };
            let projected = index
                .projection()
                .and_then(|projection| projection.non_key_attributes.clone())
                .unwrap_or_default();
            let is_whole = |item: &&Item| {
                projected
                    .iter()
                    .all(|name| shown[&key(item)].contains_key(name) == item.contains_key(name))
            };
            if indexed.len() != shown.len()
                || !indexed.iter().all(|item| is_shown(item) && is_whole(item))
            {
                return false;
            }
        }
        true
    }
}

impl Drop for Roster {
    /// Deletes the table, where it stands in a DynamoDB that outlives the test.
    fn drop(&mut self) {
        LAGGING.lock().expect("the tables").remove(&self.server.address.port());
        if self.server.data.database.guard.is_some() || self.lagging.is_some() {
            return;
        }
        let (client, table) = (self.server.data.client.clone(), self.table.clone());
        // In a runtime of its own, as the test's may be at its end.
        let deletion = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime
                .block_on(client.delete_table().table_name(table).send())
                .map(|_| ())
                .map_err(|error| error.to_string())
        });
        if let Ok(Err(error)) = deletion.join() {
            eprintln!("the table {} was not deleted: {error}", self.table);
        }
    }
}

/// Makes the table of a test in a DynamoDB that is not embedded, with the demo data if it is asked
/// for. Roster itself makes none there.
pub async fn make_table(options: &Options) {
    let database = database::open(&options.location).await.expect("a database");
    let client = database::client(&database, Duration::ZERO).await;
    let name = &options.config.table_name;
    let is_new = database::create_table(&database, &client, name).await.expect("a table");
    if is_new && options.demo {
        local::demo::load(&Store::new(client, name), options.clock.now())
            .await
            .expect("the demo data");
    }
}

/// A file with the demo data as of [`START`], made when it is first asked for.
async fn demo_database(options: Options) -> std::path::PathBuf {
    static MADE: tokio::sync::OnceCell<std::path::PathBuf> = tokio::sync::OnceCell::const_new();
    let make = async || {
        // Test processes that run at once each have a file of their own; those of former ones go.
        let folder = std::env::temp_dir().join("roster-demo");
        std::fs::create_dir_all(&folder).expect("a folder");
        for file in std::fs::read_dir(&folder).expect("the folder").flatten() {
            let age = file
                .metadata()
                .and_then(|file| file.modified())
                .ok()
                .and_then(|at| at.elapsed().ok());
            if age.is_some_and(|age| age > Duration::from_secs(3600)) {
                let _ = std::fs::remove_file(file.path());
            }
        }
        let path = folder.join(format!("{}.db", std::process::id()));
        for leftover in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{leftover}", path.display()));
        }
        let data =
            local::Data::open(&Options { location: Location::File(path.clone()), ..options })
                .await
                .expect("the demo data is made");
        drop(data);
        path
    };
    MADE.get_or_init(make).await.clone()
}

/// How often to try: `short` under `cargo test`, `full` in the whole run, and a multiple of that
/// where `ROSTER_RELIABILITY` is a number.
pub fn rounds(short: usize, full: usize) -> usize {
    match std::env::var("ROSTER_RELIABILITY").ok().as_deref() {
        None => short,
        Some("full") => full,
        Some(times) => {
            full * times.parse::<usize>().expect("ROSTER_RELIABILITY is `full` or a number")
        }
    }
}

/// A number that looks like chance, the same for the same number each time (SplitMix64).
pub fn chance(n: u64) -> u64 {
    let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// Signs claims with the local secret.
pub fn sign(claims: &Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(b"local-development-secret-do-not-deploy");
    jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256), claims, &key)
        .expect("claims are signed")
}

/// Sends a request, once the indexes show what the table holds, and reads the whole answer.
pub async fn send(request: RequestBuilder) -> Answer {
    let (client, request) = request.build_split();
    let request = request.expect("a request");
    let table = request
        .url()
        .port()
        .and_then(|port| LAGGING.lock().expect("the tables").get(&port).cloned());
    if let Some(table) = &table
        && table.written.swap(false, Ordering::SeqCst)
    {
        table.settled().await;
    }
    let response = client.execute(request).await.expect("the server answers");
    if let Some(table) = table {
        let timing = response
            .headers()
            .get("server-timing")
            .and_then(|timing| timing.to_str().ok())
            .unwrap_or_default();
        table.written.fetch_or(!timing.contains("write_units;desc=\"0\""), Ordering::SeqCst);
    }
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    Answer { status, headers, text: response.text().await.expect("the answer is text") }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub text: String,
}

/// What an answer cost in DynamoDB, by its `server-timing`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Calls.
    pub calls: u32,
    /// Waits.
    pub steps: u32,
    /// Read capacity units.
    pub read_units: f64,
    /// Write capacity units.
    pub write_units: f64,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same answer, after checking its status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Status, telling headers and body, for a snapshot. Ids that are made anew each time are
    /// replaced by their kind.
    #[track_caller]
    pub fn snapshot(&self) -> Value {
        let told = [
            "content-type",
            "etag",
            "idempotency-replayed",
            "location",
            "www-authenticate",
            "retry-after",
            "cache-control",
            "link",
        ];
        let headers: BTreeMap<_, _> =
            self.headers.iter().filter(|(name, _)| told.contains(&name.as_str())).collect();
        assert!(
            self.headers.contains_key("x-request-id"),
            "every answer has an x-request-id: {self:?}"
        );
        let body = if self.text.is_empty() { Value::Null } else { hide_new_ids(self.json()) };
        json!({"status": self.status, "headers": headers, "body": body})
    }

    /// The handler's own time, in milliseconds.
    #[track_caller]
    pub fn handler_ms(&self) -> f64 {
        let header = &self.headers["server-timing"];
        let duration =
            header.split(", ").find_map(|part| part.strip_prefix("handler;dur=")?.parse().ok());
        duration.unwrap_or_else(|| panic!("no handler in {header}"))
    }

    /// What it cost.
    #[track_caller]
    pub fn cost(&self) -> Cost {
        let header = &self.headers["server-timing"];
        let figure = |name: &str| -> f64 {
            let part = header
                .split(", ")
                .find_map(|part| part.strip_prefix(name)?.strip_prefix(";desc=\""));
            part.and_then(|part| part.trim_end_matches('"').parse().ok())
                .unwrap_or_else(|| panic!("no {name} in {header}"))
        };
        Cost {
            calls: figure("calls") as u32,
            steps: figure("steps") as u32,
            read_units: figure("read_units"),
            write_units: figure("write_units"),
        }
    }
}

/// Replaces ids that are not of the demo data.
fn hide_new_ids(value: Value) -> Value {
    match value {
        Value::String(text)
            if text.len() == 36
                && Uuid::parse_str(&text).is_ok()
                && !text.starts_with("00000000-0000-4000-8000") =>
        {
            Value::String("(new id)".into())
        }
        // Its address holds a hash of the id.
        Value::String(text) if text.starts_with("https://gravatar.com/avatar/") => {
            Value::String("(drawn picture)".into())
        }
        Value::Array(values) => values.into_iter().map(hide_new_ids).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, hide_new_ids(value))).collect()
        }
        value => value,
    }
}
