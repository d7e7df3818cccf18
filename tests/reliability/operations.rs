//! What Roster does, each as something that can be begun, fail and be done again: every handler, on
//! the event of `events/` and where there is more to do; the purge; the counting of places; and the
//! import.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use functions::log::NoLog;
use functions::schedule::purge_accounts;
use functions::stream::count_places;
use functions::{App, HANDLERS};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use local::database::{self, Opened};
use local::demo::{self, ADMIN, OPERATOR, OTHER_ADMIN, PLATFORM_OPERATOR, TEAM};
use local::{Location, import};
use reqwest::Method;
use serde_json::{Map, Value, json};
use shared::config::Config;
use shared::dynamodb::Client;
use shared::models::{Role, User};
use shared::store::Act;
use shared::{Clock, Error};
use tests::checks::key;
use tests::events::{self, event};
use tests::faults::Faults;
use tests::{Answer, Roster, send, sign};
use tokio::sync::OnceCell;
use uuid::Uuid;

/// Someone who signs up, having been invited.
const INVITED: Uuid = demo::id(0xe01);
/// Someone alone in their team, whose account is due.
const ALONE: Uuid = demo::id(0xe02);
/// Two others whose accounts are due.
const DUE: [Uuid; 2] = [demo::id(0x114), demo::id(0x115)];
/// A user whom the manager manages.
const GITA: Uuid = demo::id(0x62);
/// An hour: so the caller was not seen for a while, which is noted.
const HOUR: i64 = 3600;

/// What an operation does.
#[derive(Debug, Clone)]
enum Work {
    /// Answers a request.
    Request(&'static str, Box<ApiGatewayV2httpRequest>),
    /// Purges.
    Purge,
    /// Counts what a batch of the stream changed.
    CountPlaces(Value),
    /// Imports a file.
    Import(PathBuf),
    /// Counts all places of a team anew.
    RecountPlaces,
}

/// Something that Roster does.
#[derive(Debug, Clone)]
pub struct Operation {
    /// What it is called in reports.
    pub name: String,
    work: Work,
    /// When: seconds after the world was made.
    after: i64,
    /// Whether it leaves to the next purge what it did not finish itself.
    pub is_left_to_purge: bool,
}

impl Operation {
    fn new(name: impl Into<String>, work: Work) -> Self {
        Self { name: name.into(), work, after: HOUR, is_left_to_purge: false }
    }

    /// A request that does what its name says beyond the handler's; `aim` is what differs from the
    /// event of `events/`.
    fn request(
        handler: &'static str,
        how: &str,
        aim: impl FnOnce(&mut ApiGatewayV2httpRequest),
    ) -> Self {
        let mut event = event(handler);
        aim(&mut event);
        if event.request_context.http.method == Method::POST {
            event.headers.insert("idempotency-key", "one-and-the-same".parse().expect("a header"));
        }
        let name = if how.is_empty() { handler.to_owned() } else { format!("{handler}, {how}") };
        Self::new(name, Work::Request(handler, Box::new(event)))
    }

    /// The handler whose request it is.
    pub fn handler(&self) -> Option<&'static str> {
        match &self.work {
            Work::Request(handler, _) => Some(handler),
            _ => None,
        }
    }

    /// Whether it counts places, and so leaves them uncounted where it is cut off.
    pub fn counts_places(&self) -> bool {
        matches!(self.work, Work::CountPlaces(_) | Work::RecountPlaces)
    }
}

/// Aims an event at someone or something else.
fn at(parameter: &'static str, value: impl ToString) -> impl FnOnce(&mut ApiGatewayV2httpRequest) {
    let value = value.to_string();
    move |event| {
        let before = event
            .path_parameters
            .insert(parameter.to_owned(), value.clone())
            .expect("the parameter");
        event.raw_path = event.raw_path.take().map(|path| path.replace(&before, &value));
    }
}

fn by(event: &mut ApiGatewayV2httpRequest, credential: &str) {
    event
        .headers
        .insert("authorization", format!("Bearer {credential}").parse().expect("a header"));
}

/// The item's key, and the item.
type Items = BTreeMap<(String, String), Map<String, Value>>;

/// What operations are tried on: the demo data, with something to do for each.
pub struct World {
    /// The operations.
    pub operations: Vec<Operation>,
    file: PathBuf,
    /// The demo data with changes of users that are not counted yet.
    uncounted: PathBuf,
    items: Items,
    /// All words that stand in it: others are new.
    words: HashSet<String>,
    _folder: tempfile::TempDir,
}

impl World {
    /// The one of this process, made when it is first asked for.
    pub async fn get() -> &'static Self {
        static WORLD: OnceCell<World> = OnceCell::const_new();
        WORLD.get_or_init(Self::make).await
    }

    async fn make() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("world.db");
        let roster = Roster::start_with(|options| {
            options.location = Location::File(file.clone());
            // Who is deleted here is due before those who were deleted in the demo data.
            options.config.grace_days = 1;
        })
        .await;
        let mut operations: Vec<_> = HANDLERS
            .iter()
            .filter(|handler| handler.name != "directory.revoke_invite")
            .map(|handler| Operation::request(handler.name, "", |_| {}))
            .collect();
        operations.extend(prepare(&roster).await);
        roster.server.data.settle().await.expect("the places are counted");
        roster.check_table().await;
        let users = folder.path().join("users.jsonl");
        let lines = (0..60)
            .map(|n| json!({"id": demo::id(0xf_0000 + n), "email": format!("import.{n}@example.com"), "name": format!("Import {n}")}));
        std::fs::write(&users, lines.map(|line| format!("{line}\n")).collect::<String>())
            .expect("a file of users");
        operations.push(Operation::new("the import", Work::Import(users)));
        operations.push(Operation {
            after: 2 * 86_400,
            is_left_to_purge: true,
            ..Operation::new(purge_accounts::NAME, Work::Purge)
        });
        operations.push(Operation::new("recount_places", Work::RecountPlaces));
        let uncounted = folder.path().join("uncounted.db");
        operations
            .push(Operation::new(count_places::NAME, Work::CountPlaces(changes(&uncounted).await)));
        let items = keyed(roster.items().await);
        let words = items
            .values()
            .flat_map(|item| words(&json!(item).to_string()).map(str::to_owned).collect::<Vec<_>>())
            .collect();
        Self { operations, file, uncounted, items, words, _folder: folder }
    }

    /// The operation of that name.
    pub fn operation(&self, name: &str) -> &Operation {
        self.operations
            .iter()
            .find(|operation| operation.name == name)
            .unwrap_or_else(|| panic!("no operation {name:?}"))
    }

    /// What a table differs in from what the world was, in lines that are the same whatever ids and
    /// secrets came out: `-` what is gone or was otherwise, `+` what is new or is otherwise now,
    /// and the counts of users by how they moved.
    pub fn effect(&self, items: Vec<Map<String, Value>>) -> Vec<String> {
        let after = keyed(items);
        let mut lines = Vec::new();
        let mut counts: BTreeMap<(String, String), i64> = BTreeMap::new();
        for (sign, amount, these, those) in
            [('-', -1, &self.items, &after), ('+', 1, &after, &self.items)]
        {
            for (key, item) in these.iter().filter(|(key, item)| those.get(*key) != Some(*item)) {
                if key.1.starts_with("COUNT#USERS#") {
                    for (class, count) in item {
                        *counts.entry((key.0.clone(), class.clone())).or_default() +=
                            amount * count.as_i64().unwrap_or_default();
                    }
                } else {
                    lines.push(format!("{sign} {}", self.hidden("", &json!(item))));
                }
            }
        }
        let moved = counts.into_iter().filter(|(_, count)| *count != 0);
        lines.extend(moved.map(|((team, class), count)| {
            format!("{:+} {class} in {}", count, self.hidden("", &json!(team)))
        }));
        lines.sort();
        lines
    }

    /// An answer without what differs each time.
    pub fn told(&self, answer: &Answer) -> Value {
        let body = serde_json::from_str(&answer.text).unwrap_or_else(|_| json!(answer.text));
        // The version alone: the rest of a tag tells when someone was last seen, and so does a hash
        // of a list.
        let version = |etag: &String| {
            etag.split_once('-').map_or("(hash)", |(version, _)| version).to_owned()
        };
        let etag = answer.headers.get("etag").map(version);
        json!({"status": answer.status, "etag": etag, "body": self.hidden("", &body)})
    }

    /// The same without ids, secrets and numbers that the world does not have, and without when
    /// someone or something was last seen.
    fn hidden(&self, name: &str, value: &Value) -> Value {
        let is_number = ["number", "last_number", "id"].contains(&name);
        match value {
            Value::Number(_) if is_number => "(number)".into(),
            Value::String(_) if ["answer", "everyone", "slug"].contains(&name) => {
                format!("({name})").into()
            }
            Value::String(text) => self.hidden_words(text).into(),
            Value::Array(values) => values.iter().map(|value| self.hidden(name, value)).collect(),
            Value::Object(fields) => {
                let fields = fields.iter().filter(|(field, _)| !is_sighting(field));
                // What was before and after stands below the name of a change.
                let inner = |field| if is_number { name } else { field };
                fields
                    .map(|(field, value)| {
                        (self.hidden_words(field), self.hidden(inner(field), value))
                    })
                    .collect::<Map<_, _>>()
                    .into()
            }
            value => value.clone(),
        }
    }

    fn hidden_words(&self, text: &str) -> String {
        let text = match text.strip_prefix("NUMBER#").and_then(|rest| rest.rsplit_once('#')) {
            Some((team, _)) => format!("NUMBER#{team}"),
            None => text.to_owned(),
        };
        let is_long = |word: &str| word.len() >= 16 && word.contains(|c: char| c.is_ascii_digit());
        // The beginning of a new key may well be that of an old one.
        let is_made = |word: &&str| {
            word.starts_with("ns_live_") || is_long(word) && !self.words.contains(*word)
        };
        let made: Vec<&str> = words(&text).filter(is_made).collect();
        made.iter().fold(text.clone(), |text, word| text.replace(word, "(new)"))
    }
}

/// The same lines, but for what the entries of the history say.
pub fn without_history(effect: Vec<String>) -> Vec<String> {
    let brief = |line: String| {
        if line.contains(r#""pk":"AUDIT#"#) { format!("{:.2}an audit entry", line) } else { line }
    };
    let mut lines: Vec<_> = effect.into_iter().map(brief).collect();
    lines.sort();
    lines
}

fn is_sighting(name: &str) -> bool {
    ["last_seen", "lastSeen", "first_seen", "seenAt", "last_used"]
        .iter()
        .any(|part| name.contains(part))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
        .filter(|word| !word.is_empty())
}

fn keyed(items: Vec<Map<String, Value>>) -> Items {
    let text =
        |item: &Map<String, Value>, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let unseen = |item: Map<String, Value>| {
        item.into_iter().filter(|(name, _)| !is_sighting(name)).collect::<Map<_, _>>()
    };
    items
        .into_iter()
        .map(unseen)
        .map(|item| ((text(&item, "pk"), text(&item, "sk")), item))
        .collect()
}

/// A request that succeeds, and its body.
async fn call(roster: &Roster, method: Method, path: &str, credential: &str, body: Value) -> Value {
    let answer = send(roster.request(method, path).bearer_auth(credential).json(&body)).await;
    assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
    serde_json::from_str(&answer.text).unwrap_or_default()
}

/// A token for an id that vouches for an email.
fn vouching(roster: &Roster, user: Uuid, email: &str) -> String {
    let mut claims = roster.claims(user);
    (claims["email"], claims["exp"]) =
        (email.into(), (roster.now().as_second() + 86_400 * 365).into());
    sign(&claims)
}

/// Gives a user one of everything: keys, a share each way, a sandbox that runs, a history; and,
/// where they are to manage one, a user with the same. Gives a key of theirs and the sandbox's id.
async fn belongings(roster: &Roster, user: Uuid, manages: bool) -> (String, String) {
    let operator = roster.token(PLATFORM_OPERATOR);
    let asked = json!({"permissions": ["account:read", "account:write", "sandboxes:write", "sharing:write"]});
    let made =
        call(roster, Method::POST, &format!("/v1/admin/users/{user}/keys"), &operator, asked).await;
    let own = text(&made, "key");
    let scopes = json!({"scopes": ["data:read"]});
    call(
        roster,
        Method::PUT,
        &format!("/api/v1/users/shares/{user}"),
        &roster.token(OTHER_ADMIN),
        scopes.clone(),
    )
    .await;
    call(roster, Method::PUT, &format!("/api/v1/users/shares/{OTHER_ADMIN}"), &own, scopes).await;
    let sandbox =
        call(roster, Method::POST, "/v1/sandboxes", &own, json!({"template": "base"})).await;
    call(roster, Method::PATCH, "/v1/account/me", &own, json!({"display_name": "Someone"})).await;
    if manages {
        // Who manages users has the role for it, at least when they are made.
        let role = roster.user(user).await.expect("the user").role;
        set_role(roster, user, Role::Operator).await;
        let made = call(
            roster,
            Method::POST,
            "/api/v1/users/",
            &roster.token(user),
            json!({"first_name": "Ida", "last_name": null}),
        )
        .await;
        set_role(roster, user, role).await;
        Box::pin(belongings(roster, text(&made, "id").parse().expect("an id"), false)).await;
    }
    (own, text(&sandbox, "id"))
}

async fn set_role(roster: &Roster, user: Uuid, role: Role) {
    let before = roster.user(user).await.expect("the user");
    let change = |user: &User| Ok(User { role, ..user.clone() });
    let act = Act::new(ADMIN, "user.updated", roster.now());
    roster
        .server
        .data
        .store
        .change_user(before, &change, &act, &|_| Default::default())
        .await
        .expect("changed");
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_else(|| panic!("no {name} in {body}")).to_owned()
}

/// Invites someone by an email, with belongings; gives the invite's id.
async fn invite(roster: &Roster, email: &str) -> String {
    let details = json!({"details": {"email": email, "account_id": TEAM}});
    let made =
        call(roster, Method::POST, "/api/v1/admin_user_invite", &roster.token(ADMIN), details)
            .await;
    let id = text(&made["details"], "id");
    let items = roster.items().await;
    let user = items
        .iter()
        .find(|item| item["sk"] == "USER" && item.get("invite_id") == Some(&json!(id)))
        .expect("the invited user");
    belongings(roster, text(&json!(user), "id").parse().expect("an id"), true).await;
    id
}

/// Gives those who are to be erased something, and makes what the demo data has nothing of; gives
/// the operations that this is for.
async fn prepare(roster: &Roster) -> Vec<Operation> {
    let revoked = invite(roster, "revoked@example.com").await;
    invite(roster, "used@example.com").await;
    let invited = vouching(roster, INVITED, "used@example.com");

    belongings(roster, GITA, false).await;

    // One is alone in the team, two are not; and one of these has no sandbox that runs, which an
    // operator would not erase.
    call(
        roster,
        Method::POST,
        "/v1/account",
        &vouching(roster, ALONE, "alone@example.com"),
        json!({}),
    )
    .await;
    for user in [ALONE, DUE[0], DUE[1]] {
        let (own, sandbox) = belongings(roster, user, user == ALONE).await;
        if user == DUE[1] {
            call(roster, Method::DELETE, &format!("/v1/sandboxes/{sandbox}"), &own, json!({}))
                .await;
        }
        call(roster, Method::DELETE, "/v1/account", &roster.token(user), json!({})).await;
    }

    let default =
        call(roster, Method::POST, "/v1/keys/default", &roster.token(OPERATOR), json!({})).await;
    let operator = vouching(roster, OPERATOR, "chidi.okafor@acme-robotics.example");
    vec![
        Operation {
            is_left_to_purge: true,
            ..Operation::request("directory.revoke_invite", "", at("id", revoked))
        },
        Operation::request("operator_account.create_account", "of who was invited", |event| {
            by(event, &invited)
        }),
        Operation::request("managed_users.delete_user", "with belongings", at("user_id", GITA)),
        Operation::request(
            "operator_account.delete_user",
            "with belongings",
            at("user_id", DUE[1]),
        ),
        Operation::request("operator_account.rotate_key", "the default one", |event| {
            at("key_id", text(&default, "id"))(event);
            by(event, &operator);
        }),
        Operation::request("workspace.get_user", "by API key", |event| by(event, &key(ADMIN, 1))),
        Operation {
            after: 181 * 86_400,
            ..Operation::request("user_admin.delete_inactive_users", "half a year later", |event| {
                event.body = Some(json!({"ids": [3, 5, 10, 24]}).to_string());
            })
        },
    ]
}

/// Makes a database with changes of users that are not counted; gives the batch of them.
async fn changes(file: &Path) -> Value {
    let roster =
        Roster::start_with(|options| options.location = Location::File(file.to_owned())).await;
    let then = roster.now().plus_seconds(-86_400);
    let users: Vec<_> = (0..60_u32)
        .map(|n| User {
            name: Some(format!("Person {n}")),
            role: Role::ALL[n as usize % 3],
            ..User::new(
                Uuid::from_u128(u128::from(n + 1) << 64),
                u64::from(1000 + n),
                (TEAM, "Acme Robotics"),
                then,
            )
        })
        .collect();
    for users in users.chunks(10) {
        roster.server.data.store.load_users(users).await.expect("users");
    }
    let stream = roster.server.data.stream.as_ref().expect("the database is embedded");
    let changes = stream.take().expect("users changed");
    // As in the cloud, where the batch comes again: no start is to count them instead.
    stream.settle().await.expect("nothing is left to count");
    changes
}

/// A server with a copy of the world, and an application on it that faults happen to.
pub struct Rig {
    /// The server.
    pub roster: Roster,
    /// The faults.
    pub faults: Faults,
    app: Arc<App>,
    config: Config,
    clock: Clock,
    /// What an index shows that has not followed: without some users, and with others who are gone.
    stale: Opened,
}

impl Rig {
    /// One for an operation.
    pub async fn start(world: &World, operation: &Operation) -> Self {
        let (mut clock, mut config) = (None, None);
        let (file, other) = match operation.work {
            Work::CountPlaces(_) => (&world.uncounted, &world.file),
            _ => (&world.file, &world.uncounted),
        };
        let mut roster = Roster::start_with(|options| {
            options.location = Location::CopyOf(file.clone());
            (clock, config) = (Some(options.clock.clone()), Some(options.config.clone()));
        })
        .await;
        roster.advance(operation.after);
        let (config, clock) = (config.expect("a configuration"), clock.expect("a clock"));
        let faults = Faults::default();
        let stale = database::open(&Location::CopyOf(other.clone())).await.expect("a database");
        let app = application(&faults.client(&roster, &stale.endpoint), &config, &clock).await;
        roster.server.data.store = app.store.clone();
        Self { roster, faults, app, config, clock, stale }
    }

    /// Begins anew as another process, which remembers nothing.
    pub async fn restart(&mut self) {
        self.faults.plan_for(None);
        self.app = application(
            &self.faults.client(&self.roster, &self.stale.endpoint),
            &self.config,
            &self.clock,
        )
        .await;
        self.roster.server.data.store = self.app.store.clone();
    }

    /// Runs an operation. What is no request answers 200 where it is done, and where it is to be
    /// begun again 503.
    pub async fn run(&self, operation: &Operation) -> Answer {
        let outcome = match &operation.work {
            Work::Request(handler, event) => {
                return events::play(&self.app, handler, *event.clone()).await.0;
            }
            Work::Purge => match purge_accounts::run(&self.app, Duration::from_secs(900)).await {
                Ok(report) if report.failed > 0 || !report.finished => {
                    Err(Error::Unavailable(format!("{report:?}").into()))
                }
                outcome => outcome.map(|_| ()),
            },
            Work::CountPlaces(batch) => {
                let batch = serde_json::from_value(batch.clone()).expect("a batch");
                count_places::run(&self.app.store, batch, self.roster.now()).await.map(|_| ())
            }
            Work::RecountPlaces => self.app.store.recount_places(TEAM).await,
            Work::Import(file) => {
                let outcome = import::file(
                    &self.roster.server.data,
                    file,
                    &import::Options::new(demo::id(0xf0)),
                    self.roster.now(),
                )
                .await;
                outcome.map(|_| ()).map_err(|error| match error.downcast::<Error>() {
                    Ok(error) => *error,
                    Err(error) => Error::Internal(error),
                })
            }
        };
        let (status, text) = match outcome {
            Ok(()) => (200, String::new()),
            Err(Error::Unavailable(cause)) => (503, cause.to_string()),
            Err(error) => (500, format!("{error:?}")),
        };
        Answer { status, headers: BTreeMap::new(), text }
    }

    /// Purges.
    pub async fn purge(&self) {
        purge_accounts::run(&self.app, Duration::from_secs(900)).await.expect("a purge");
    }

    /// What came of an operation, once the purge did what is left to it. What the history says of
    /// who did it is then not looked at.
    pub async fn effect(&self, world: &World, operation: &Operation) -> Vec<String> {
        if !operation.is_left_to_purge {
            return world.effect(self.roster.items().await);
        }
        self.purge().await;
        without_history(world.effect(self.roster.items().await))
    }
}

async fn application(client: &Client, config: &Config, clock: &Clock) -> Arc<App> {
    Arc::new(
        App::new(config, client.clone(), None, Arc::new(NoLog), clock.clone())
            .await
            .expect("an application"),
    )
}
