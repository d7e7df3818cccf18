//! What is fuzzed. A target takes any bytes and panics where a promise is broken: a panic, a 5xx,
//! something let in that is not to be, or more memory than such a request may take.
//!
//! The first five are pure, and run many thousand times a second; the others run handlers, or the
//! import, on an embedded DynamoDB.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::config::BehaviorVersion;
use functions::gateway;
use futures::FutureExt;
use jsonwebtoken::Algorithm;
use lambda_http::Body;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderName, IF_MATCH};
use lambda_http::http::{HeaderMap, HeaderValue, Method};
use local::template::{Router, TrailingSlash};
use local::{demo, import};
use peak_alloc::PeakAlloc;
use serde::Deserialize;
use serde_json::Value;
use shared::auth::{
    self, Newcomers, PersonIds, Places, PublicSigningKey, PublishedKeys, TokenVerifier, api_key,
};
use shared::config::{SecretSource, SecretSources, TokenConfig};
use shared::dynamodb::Client;
use shared::models::{User, parse_id};
use shared::secrets::Keyring;
use shared::store::Store;
use shared::table::{Key, Sequence, fold};
use shared::text::{MOST_EMAIL, MOST_NAME, is_email, is_identifier, is_readable};
use shared::{Clock, Timestamp};
use tests::own_tokens::{OwnKey, base64url};
use tests::{Roster, START};
use uuid::Uuid;

/// Runs a target on one input.
pub type Run = Box<dyn FnMut(&[u8])>;

/// A target's name, and what starts it.
pub type Target = (&'static str, fn() -> Run);

/// Every target.
pub const TARGETS: [Target; 13] = [
    ("credential", credential),
    ("claims", claims),
    ("text", text),
    ("event", event),
    ("api_key", key),
    ("query", query),
    ("cursor", cursor),
    ("body", body),
    ("precondition", precondition),
    ("idempotency_key", idempotency_key),
    ("import_json", || import("jsonl", b"")),
    ("import_document", || import("json", b"{\"kind\": 1, \"users\": [")),
    ("import_csv", || import("csv", b"id,email,raw_user_meta_data,banned_until,created_at\n")),
];

/// Starts the target of that name.
pub fn start(name: &str) -> Run {
    let target = TARGETS.iter().find(|target| target.0 == name);
    target.unwrap_or_else(|| panic!("there is no target {name:?}")).1()
}

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The most memory that one run took so far, in bytes.
pub static LARGEST: AtomicUsize = AtomicUsize::new(0);

/// What a pure function may take at its peak, in bytes.
const PURE: usize = 256 * 1024;
/// What a request may take, the SDK's and the embedded database's part with it.
const REQUEST: usize = 8 * 1024 * 1024;

/// The memory in use when something began.
struct Before(usize);

impl Before {
    fn now() -> Self {
        MEMORY.reset_peak_usage();
        Self(MEMORY.current_usage())
    }

    /// Ends what took at most so much more.
    fn end(self, most: usize) {
        let taken = MEMORY.peak_usage().saturating_sub(self.0);
        LARGEST.fetch_max(taken, Ordering::Relaxed);
        assert!(taken <= most, "it took {taken} bytes of memory, and {most} are allowed");
    }
}

/// Does something pure.
fn pure<T>(work: impl FnOnce() -> T) -> T {
    let before = Before::now();
    let done = work();
    before.end(PURE);
    done
}

/// A verifier with secrets of its own, which no input can know.
struct Verifier {
    tokens: TokenVerifier,
    provider: [u8; 32],
    own: OwnKey,
}

const ISSUER: &str = "http://localhost/auth/v1";
const AUDIENCE: &str = "authenticated";
/// The namespace of the ids of people whose `sub` is no UUID.
const NAMESPACE: Uuid = Uuid::from_u128(0x5eed_0000_0000_4000_8000_0000_0000_0000);

impl Verifier {
    fn new() -> Self {
        let secret =
            || format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())[..32].to_owned();
        let (provider, own) = (secret(), secret());
        let secrets = SecretSources {
            provider: Some(SecretSource::Text(provider.clone())),
            ..SecretSources::default()
        };
        let keyring = Keyring::open(&secrets, None, now())
            .now_or_never()
            .expect("nothing to wait for")
            .expect("good secrets");
        let config = TokenConfig {
            secrets,
            jwks_url: None,
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            roles: vec!["authenticated".to_owned()],
            clients: Vec::new(),
            step_up: Vec::new(),
        };
        // No read comes to pass: the key is known, and the clock stands.
        let nowhere = Client::from_conf(
            aws_sdk_dynamodb::Config::builder().behavior_version(BehaviorVersion::latest()).build(),
        );
        let store = Store::new(nowhere, "nowhere");
        let published = PublishedKeys::new(store.clone());
        let people = PersonIds::in_namespace(store, NAMESPACE);
        let own = OwnKey::of(&own);
        let key = PublicSigningKey { kid: own.kid.clone(), x: own.x.clone(), secret_created_at: 0 };
        published.note(&key, now()).expect("a key");
        let tokens =
            TokenVerifier::new(&config, keyring.into(), published.into(), people, Clock::new(now));
        Self { tokens, provider: provider.as_bytes().try_into().expect("32 bytes"), own }
    }

    fn verify(&self, token: &str) -> Option<auth::VerifiedToken> {
        self.tokens
            .verify(token, Newcomers::Unknown, now())
            .now_or_never()
            .expect("nothing to wait for")
            .ok()
    }
}

fn now() -> Timestamp {
    Timestamp::from_millisecond(START)
}

/// A first byte that chooses, and the rest.
fn choose<'a, T>(choices: &'a [T], input: &'a [u8]) -> Option<(&'a T, &'a [u8])> {
    let (first, rest) = input.split_first()?;
    Some((&choices[usize::from(*first) % choices.len()], rest))
}

/// No credential is good that was not signed, wherever it stands.
fn credential() -> Run {
    let verifier = Verifier::new();
    let places = [
        (AUTHORIZATION, Places::Bearer),
        (AUTHORIZATION, Places::BareKey),
        (HeaderName::from_static("refreshed-token"), Places::RefreshedTokenAndCookie),
        (COOKIE, Places::RefreshedTokenAndCookie),
    ];
    Box::new(move |input| {
        let Some(((name, places), value)) = choose(&places, input) else { return };
        let Ok(value) = HeaderValue::from_bytes(value) else { return };
        let headers = HeaderMap::from_iter([(name.clone(), value)]);
        pure(|| {
            if let Ok(credential) = auth::credential(&Method::POST, &headers, *places) {
                assert!(verifier.verify(credential).is_none(), "nobody signed it");
            }
        });
    })
}

/// What a token's header or claims say, as far as it matters: the rest may be anything that a
/// parser passes over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    alg: Value,
    kid: Value,
    crit: Value,
    iss: Value,
    aud: Value,
    sub: Value,
    exp: Value,
    nbf: Value,
}

/// Stands for the `kid` of Roster's own key in an input, as each verifier has its own.
const OWN_KID: &str = "roster-1";

/// Of what is signed, only claims that are good are let in. The input is a header, a line break,
/// and the claims.
fn claims() -> Run {
    let verifier = Verifier::new();
    Box::new(move |input| {
        let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return };
        let (header, claims) = (&input[..end], &input[end + 1..]);
        let named =
            std::str::from_utf8(header).map(|header| header.replace(OWN_KID, &verifier.own.kid));
        let header = named.as_ref().map_or(header, |named| named.as_bytes());
        let read: Option<Told> = serde_json::from_slice(header).ok();
        let is_own = read.as_ref().is_some_and(|header| header.kid == verifier.own.kid);
        let message = format!("{}.{}", base64url(header), base64url(claims));
        let token = if is_own {
            verifier.own.sign(&message)
        } else {
            let key = jsonwebtoken::EncodingKey::from_secret(&verifier.provider);
            let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256)
                .expect("it is signed");
            format!("{message}.{signature}")
        };
        let Some(verified) = pure(|| verifier.verify(&token)) else { return };
        let (header, claims) =
            (read.expect("a header"), serde_json::from_slice::<Told>(claims).expect("claims"));
        let is_in = |value: &Value, wanted: &str| {
            value == wanted
                || value.as_array().is_some_and(|all| all.iter().any(|one| one == wanted))
        };
        let algorithm = if is_own { "EdDSA" } else { "HS256" };
        assert!(header.alg == algorithm && header.crit.is_null(), "{header:?}");
        assert!(is_in(&claims.iss, if is_own { "roster" } else { ISSUER }), "{claims:?}");
        assert!(is_in(&claims.aud, AUDIENCE), "{claims:?}");
        let leeway = if is_own { 0.0 } else { 30.0 };
        let seconds = now().as_second() as f64;
        assert!(claims.exp.as_f64().is_some_and(|exp| exp + leeway > seconds), "{claims:?}");
        let nbf = claims.nbf.as_f64().or_else(|| claims.nbf.as_str()?.parse().ok());
        assert!(is_own || nbf.is_none_or(|nbf: f64| nbf - leeway <= seconds), "{claims:?}");
        let sub = claims.sub.as_str();
        // Roster's own are of its own making.
        let sub = if is_own {
            sub.and_then(|sub| sub.parse().ok())
        } else {
            let derived = |sub: &str| Uuid::new_v5(&NAMESPACE, sub.as_bytes());
            sub.filter(|sub| !sub.is_empty())
                .map(|sub| parse_id(sub).unwrap_or_else(|| derived(sub)))
        };
        assert_eq!(sub, Some(verified.user_id()), "{claims:?}");
    })
}

/// What a text is taken for: a key of the table always fits into DynamoDB, and an email in other
/// letters is the same email.
fn text() -> Run {
    Box::new(|input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        pure(|| {
            if let Some(id) = parse_id(text) {
                assert_eq!(id.to_string(), text.to_lowercase());
            }
            if let Ok(time) = text.parse::<Timestamp>() {
                assert_eq!(time.to_string().len(), 24);
                assert_eq!(time.to_string().parse::<Timestamp>().ok(), Some(time));
            }
            let length = text.chars().count();
            let name = Some(text.to_owned())
                .filter(|_| is_readable(text) && (1..=MOST_NAME).contains(&length));
            let user = User {
                email: Some(text.to_owned()).filter(|_| is_email(text) && length <= MOST_EMAIL),
                username: name.clone().filter(|_| is_identifier(text)),
                scim_id: name.clone(),
                name,
                ..User::new(Uuid::max(), u64::MAX, (Uuid::max(), "T"), now())
            };
            for key in Key::unique_values(&user).iter().chain(&Key::names(&user)) {
                assert!(key.pk.len() <= 2048 && (1..=1024).contains(&key.sk.len()), "{key:?}");
            }
            for sequence in Sequence::ALL {
                assert!(sequence.place(&user).len() <= 1024, "{sequence:?}");
            }
            if user.email.is_some() {
                assert_eq!(fold(&fold(text)), fold(text));
                assert_eq!(fold(&text.to_uppercase().to_lowercase()), fold(&text.to_uppercase()));
            }
        });
    })
}

/// Any event of API Gateway makes a request.
fn event() -> Run {
    Box::new(|input| {
        let Ok(event) = serde_json::from_slice::<ApiGatewayV2httpRequest>(input) else { return };
        pure(|| gateway::request(event));
    })
}

/// A text is a key where its form and its checksum are right, and nowhere else.
fn key() -> Run {
    Box::new(|input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        pure(|| {
            assert!(api_key::hash(text).is_none_or(|_| text.len() == 56 && api_key::is_key(text)));
            let body = text.get(..48).filter(|body| body.starts_with("ns_live_"));
            if let Some(body) = body {
                let key = format!("{body}{:08x}", crc32fast::hash(body.as_bytes()));
                assert_eq!(api_key::hash(&key).map(|hash| hash.len()), Some(64));
                assert_eq!(api_key::hash(&format!("{key}0")), None);
            }
        });
    })
}

/// A server that is asked without a network between, and begins anew now and then.
struct Server {
    runtime: tokio::runtime::Runtime,
    roster: Option<Roster>,
    router: Router,
    runs: usize,
}

/// After so many runs the data is the demo data again.
const FRESH: usize = 2000;
/// After so many runs the table's stream is read.
const SETTLED: usize = 50;

/// What a handler answered.
struct Answer {
    status: u16,
    text: String,
}

impl Server {
    fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, roster: None, router: Router::new(TrailingSlash::default()), runs: 0 }
    }

    /// Does something with the server, which is a fresh one now and then.
    fn with<T>(&mut self, work: impl AsyncFnOnce(&Router, &Roster) -> T) -> T {
        let Self { runtime, roster, router, runs } = self;
        runtime.block_on(async {
            *runs += 1;
            if *runs % FRESH == 0 {
                *roster = None;
            }
            let roster = match roster {
                Some(roster) => roster,
                None => roster.insert(Roster::start().await),
            };
            if *runs % SETTLED == 0 {
                roster.server.data.settle().await.expect("the stream is read");
            }
            work(router, roster).await
        })
    }

    /// Answers a request as API Gateway hands it over.
    fn answer(
        &mut self,
        method: &Method,
        address: &str,
        caller: Uuid,
        headers: HeaderMap,
        body: &[u8],
    ) -> Answer {
        self.with(async |router, roster| {
            let (path, query) = address.split_once('?').unwrap_or((address, ""));
            let found = router.find(method.as_str(), path).expect("a route");
            let mut event = ApiGatewayV2httpRequest::default();
            event.raw_path = Some(path.to_owned());
            event.raw_query_string = Some(query.to_owned());
            event.path_parameters = found.parameters.into_iter().collect();
            event.headers = headers;
            let token = format!("Bearer {}", roster.token(caller));
            event
                .headers
                .insert(AUTHORIZATION, HeaderValue::try_from(token).expect("a header's value"));
            event.request_context.request_id = Some(Uuid::nil().to_string());
            event.request_context.http.method = method.clone();
            event.body = Some(aws_smithy_types::base64::encode(body));
            event.is_base64_encoded = true;
            let handler = functions::handler(&found.route.handler).expect("a handler");
            let app = &roster.server.app;
            let before = Before::now();
            let (response, _) = handler.answer(app, gateway::request(event)).await;
            before.end(REQUEST);
            let status = response.status().as_u16();
            let text = match response.into_body() {
                Body::Text(text) => text,
                _ => String::new(),
            };
            assert!(status < 500, "{method} {address} by {caller}: {status} {text}");
            assert!(
                text.is_empty() || serde_json::from_str::<Value>(&text).is_ok(),
                "{method} {address} by {caller}: {status} {text}"
            );
            Answer { status, text }
        })
    }

    /// GET of an address.
    fn get(&mut self, address: &str, caller: Uuid) -> Answer {
        self.answer(&Method::GET, address, caller, HeaderMap::new(), b"")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        self.roster = None;
    }
}

/// What names the demo data's other team, which the demo team is told nothing of.
const ELSEWHERE: &str = "northwind";

/// The lists and who may ask for them, the operators of the platform apart, who see all teams.
const LISTS: [(&str, Uuid); 8] = [
    ("/users", demo::ADMIN),
    ("/api/v1/users/", demo::MANAGER),
    ("/v1/admin/users", demo::PLATFORM_OPERATOR),
    ("/v1/admin/users/00000000-0000-4000-8000-000000000002/audit-log", demo::PLATFORM_OPERATOR),
    ("/api/admin/user-admin", demo::ADMIN),
    ("/api/admin/user-admin/search", demo::ADMIN),
    ("/api/v1/admin_user", demo::ADMIN),
    ("/api/v1/admin_user_invite", demo::ADMIN),
];

/// Any query of a list is answered, with nothing of another team. The first byte chooses the list.
fn query() -> Run {
    let mut server = Server::start();
    Box::new(move |input| {
        let Some(((path, caller), query)) = choose(&LISTS, input) else { return };
        let query = String::from_utf8_lossy(query);
        let answer = server.get(&format!("{path}?{query}"), *caller);
        assert!(
            [200, 400, 403, 404, 422].contains(&answer.status),
            "{path}?{query}: {} {}",
            answer.status,
            answer.text
        );
        if *caller == demo::ADMIN && answer.status == 200 {
            assert!(
                !answer.text.contains(ELSEWHERE),
                "{path}?{query} tells of another team: {}",
                answer.text
            );
        }
    })
}

/// A cursor that no answer gave leads nowhere, or to the caller's own. The first byte chooses the
/// list, and from 128 the cursor is the base64 of the rest.
fn cursor() -> Run {
    let mut server = Server::start();
    let lists = [
        ("/v1/admin/users?limit=3", demo::PLATFORM_OPERATOR),
        ("/v1/admin/users?limit=3&query=a", demo::PLATFORM_OPERATOR),
        (
            "/v1/admin/users/00000000-0000-4000-8000-000000000002/audit-log?limit=3",
            demo::PLATFORM_OPERATOR,
        ),
        ("/api/admin/user-admin?limit=3", demo::ADMIN),
    ];
    Box::new(move |input| {
        let Some(((address, caller), cursor)) = choose(&lists, input) else { return };
        let cursor = if input[0] < 128 {
            cursor.to_vec()
        } else {
            aws_smithy_types::base64::encode(cursor).into_bytes()
        };
        let cursor: String = cursor.iter().map(|byte| format!("%{byte:02x}")).collect();
        let answer = server.get(&format!("{address}&cursor={cursor}"), *caller);
        assert!(
            [200, 400, 422].contains(&answer.status),
            "{address}&cursor={cursor}: {} {}",
            answer.status,
            answer.text
        );
        assert!(
            *caller != demo::ADMIN || !answer.text.contains(ELSEWHERE),
            "{address}&cursor={cursor} tells of another team"
        );
    })
}

/// The endpoints that take a body, and who may send it.
const CHANGES: [(Method, &str, Uuid); 17] = [
    (Method::PATCH, "/v1/account/me", demo::VIEWER),
    (Method::POST, "/v1/keys", demo::VIEWER),
    (Method::POST, "/v1/keys/00000000-0000-4000-8000-00000000f204/rotate", demo::ADMIN),
    (Method::POST, "/v1/sandboxes", demo::ADMIN),
    (Method::PATCH, "/v1/sandboxes/sbx_0000000000000008", demo::PLATFORM_OPERATOR),
    (
        Method::PATCH,
        "/v1/admin/users/00000000-0000-4000-8000-000000000005/quota",
        demo::PLATFORM_OPERATOR,
    ),
    (
        Method::POST,
        "/v1/admin/users/00000000-0000-4000-8000-000000000005/keys",
        demo::PLATFORM_OPERATOR,
    ),
    (
        Method::POST,
        "/v1/admin/users/00000000-0000-4000-8000-00000000010c/suspend",
        demo::PLATFORM_OPERATOR,
    ),
    (Method::PUT, "/api/v1/admin_user/00000000-0000-4000-8000-000000000005", demo::ADMIN),
    (Method::POST, "/api/v1/admin_user_invite", demo::ADMIN),
    (Method::POST, "/api/admin/user-admin", demo::ADMIN),
    (Method::PUT, "/api/admin/user-admin/12", demo::ADMIN),
    (Method::POST, "/api/admin/user-admin/inactive/delete", demo::ADMIN),
    (Method::POST, "/api/v1/users/", demo::MANAGER),
    (Method::PUT, "/api/v1/users/00000000-0000-4000-8000-000000000061", demo::MANAGER),
    (Method::PUT, "/api/v1/users/shares/00000000-0000-4000-8000-000000000002", demo::MANAGER),
    (Method::POST, "/api/v1/oauth/delegated-token", demo::MANAGER),
];

/// Any body is answered. The first byte chooses the endpoint, the second what the body is said to
/// be.
fn body() -> Run {
    let mut server = Server::start();
    let types = ["application/json", "application/x-www-form-urlencoded", "", "text/plain"]
        .map(HeaderValue::from_static);
    Box::new(move |input| {
        let Some(((method, path, caller), rest)) = choose(&CHANGES, input) else { return };
        let Some((kind, body)) = choose(&types, rest) else { return };
        server.answer(
            method,
            path,
            *caller,
            HeaderMap::from_iter([(CONTENT_TYPE, kind.clone())]),
            body,
        );
    })
}

/// A change goes through only where `If-Match` names a version, or any.
fn precondition() -> Run {
    let mut server = Server::start();
    let changes = [
        (
            Method::PUT,
            "/api/v1/users/00000000-0000-4000-8000-000000000061",
            demo::MANAGER,
            r#"{"first_name":"Finn"}"#,
        ),
        (Method::PATCH, "/v1/account/me", demo::VIEWER, r#"{"display_name":"Dara"}"#),
        (
            Method::PUT,
            "/api/v1/admin_user/00000000-0000-4000-8000-000000000005",
            demo::ADMIN,
            r#"{"details":{"name":"Dara"}}"#,
        ),
    ];
    let json = HeaderValue::from_static("application/json");
    Box::new(move |input| {
        let Some(((method, path, caller, body), tags)) = choose(&changes, input) else { return };
        let Ok(tags) = HeaderValue::from_bytes(tags) else { return };
        let headers =
            HeaderMap::from_iter([(CONTENT_TYPE, json.clone()), (IF_MATCH, tags.clone())]);
        let answer = server.answer(method, path, *caller, headers, body.as_bytes());
        let text = String::from_utf8_lossy(tags.as_bytes());
        let names_one = text.contains('*')
            || text.split('"').any(|part| part.starts_with(|c: char| c.is_ascii_digit()));
        assert!(
            answer.status == 412 || (answer.status == 200 && names_one),
            "{path} with {tags:?}: {} {}",
            answer.status,
            answer.text
        );
    })
}

/// A request that is sent again under the same key has the same answer.
fn idempotency_key() -> Run {
    let mut server = Server::start();
    let body = br#"{"sub":"00000000-0000-4000-8000-000000000061","scopes":["profile"]}"#;
    Box::new(move |input| {
        let Ok(key) = HeaderValue::from_bytes(input) else { return };
        let headers = HeaderMap::from_iter([(HeaderName::from_static("idempotency-key"), key)]);
        let mut send = |body: &[u8]| {
            server.answer(
                &Method::POST,
                "/api/v1/oauth/delegated-token",
                demo::MANAGER,
                headers.clone(),
                body,
            )
        };
        let (first, again, other) = (send(body), send(body), send(b"{}"));
        assert!([200, 201, 422].contains(&first.status), "{} {}", first.status, first.text);
        assert_eq!((first.status, first.text), (again.status, again.text), "{input:?}");
        assert_eq!(other.status, 422, "{input:?}: {}", other.text);
    })
}

/// Any file is imported as far as it can be, and what cannot be is told by its line. From an even
/// first byte the rest comes behind `head`.
fn import(extension: &'static str, head: &'static [u8]) -> Run {
    let mut server = Server::start();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("users").with_extension(extension);
    Box::new(move |input| {
        // It lasts as long as this.
        let _ = &folder;
        let Some((first, rest)) = input.split_first() else { return };
        let has_head = first % 2 == 0;
        let content = if has_head { [head, rest].concat() } else { rest.to_vec() };
        std::fs::write(&path, &content).expect("a file");
        let outcome = server.with(async |_, roster| {
            let before = Before::now();
            let outcome =
                import::file(&roster.server.data, &path, &import::Options::new(demo::TEAM), now())
                    .await;
            before.end(REQUEST);
            outcome
        });
        match outcome {
            Ok(report) => {
                let is_document = content.contains(&b'[');
                let ends = content.iter().filter(|byte| {
                    matches!(byte, b'\n' | b'\r' | b',') && (is_document || **byte != b',')
                });
                let lines = ends.count() as u64 + 1;
                assert!(
                    report.imported + report.present + report.refused <= lines,
                    "{report:?} of {lines}"
                );
            }
            // A file that is none is told of in one sentence.
            Err(error) => assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}"),
        }
    })
}
