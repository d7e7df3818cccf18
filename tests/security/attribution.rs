//! Found: a key that an operator minted for someone acted as that someone, and history named nobody
//! else; `local -- operator` named the promoted person as the actor; imports left no entry.

use local::demo::{self, ADMIN, MANAGER, PLATFORM_OPERATOR, VIEWER};
use local::import;
use reqwest::Method;
use serde_json::{Map, Value, json};
use shared::models::{AuditCredential, AuditCredentialKind};
use shared::store::{ADDRESS_DAYS, Act};
use tests::direct::Call;
use tests::{Answer, Roster, sign};
use uuid::Uuid;

const ME: &str = "/v1/account/me";
const DELEGATED: &str = "/api/v1/oauth/delegated-token";
const PRINCIPAL: &str = "/api/v1/oauth/principal-token";
/// A user whom the demo data's manager manages.
const FINN: Uuid = demo::id(0x61);
const HOME: &str = "192.0.2.1";
const OFFICE: &str = "2001:db8::7";

async fn ask(
    roster: &Roster,
    method: Method,
    path: &str,
    credential: &str,
    source: &str,
    body: Value,
) -> Answer {
    roster.direct(&Call::new(method, path).credential(credential).from(source).json(&body)).await
}

/// Changes the name of the credential's person.
async fn rename(roster: &Roster, credential: &str, name: &str) -> Answer {
    ask(roster, Method::PATCH, ME, credential, HOME, json!({"display_name": name}))
        .await
        .expect(200)
}

/// The newest entries of a user's history, as platform operators see them.
async fn entries(roster: &Roster, user: Uuid) -> Vec<Value> {
    let answer = roster
        .get(&format!("/v1/admin/users/{user}/audit-log"), PLATFORM_OPERATOR)
        .await
        .expect(200);
    assert!(!answer.text.contains("address_id"), "{answer:?}");
    answer.json().as_array().expect("a list").clone()
}

async fn newest(roster: &Roster, user: Uuid) -> Value {
    entries(roster, user).await.swap_remove(0)
}

/// The items of the addresses that a person's changes came from.
async fn addresses(roster: &Roster, actor: Uuid) -> Vec<Map<String, Value>> {
    let partition = json!(format!("ADDRESS#{actor}"));
    roster.items().await.into_iter().filter(|item| item["pk"] == partition).collect()
}

#[tokio::test]
async fn a_minted_key_is_named_and_so_is_the_operator_behind_it() {
    let roster = Roster::start().await;
    let path = format!("/v1/admin/users/{VIEWER}/keys");
    let minting = json!({"name": "support", "permissions": ["account:write"]});
    let minted =
        roster.call(Method::POST, &path, PLATFORM_OPERATOR, &minting).await.expect(201).json();
    // The attack: the operator acts as the user.
    let answer = rename(&roster, minted["key"].as_str().expect("a key"), "By the operator").await;
    let entry = newest(&roster, VIEWER).await;
    assert_eq!((&entry["action"], &entry["actor_id"]), (&json!("user.updated"), &json!(VIEWER)));
    assert_eq!(
        entry["credential"],
        json!({"kind": "api_key", "id": minted["id"], "issued_by": PLATFORM_OPERATOR})
    );
    assert_eq!(entry["request_id"], answer.headers["x-request-id"].as_str());
    assert_eq!(entry["address"], HOME);

    let own = json!({"name": "own", "permissions": ["account:write"]});
    let own = roster.call(Method::POST, "/v1/keys", VIEWER, &own).await.expect(201).json();
    rename(&roster, own["key"].as_str().expect("a key"), "By a key of their own").await;
    assert_eq!(
        newest(&roster, VIEWER).await["credential"],
        json!({"kind": "api_key", "id": own["id"]})
    );
}

#[tokio::test]
async fn a_token_is_named_by_its_id_or_by_its_sign_in() {
    let roster = Roster::start().await;
    for (place, (ids, id)) in [
        (json!({"jti": "token-1", "session_id": "session-1"}), Some("token-1")),
        (json!({"session_id": "session-1"}), Some("session-1")),
        (json!({}), None),
        // Anything but a short id could say more than it should. It names nothing, and refuses
        // nothing.
        (json!({"jti": 7, "session_id": "x".repeat(65)}), None),
        (json!({"jti": "ada@example.com"}), None),
        (json!({"jti": "Ada Lovelace", "session_id": "session-2"}), Some("session-2")),
    ]
    .into_iter()
    .enumerate()
    {
        let mut claims = roster.claims(VIEWER);
        claims.as_object_mut().expect("claims").extend(ids.as_object().expect("ids").clone());
        rename(&roster, &sign(&claims), &format!("Name {place}")).await;
        let mut expected = json!({"kind": "token"});
        if let Some(id) = id {
            expected["id"] = json!(id);
        }
        let entry = newest(&roster, VIEWER).await;
        assert_eq!(
            (&entry["actor_id"], &entry["credential"]),
            (&json!(VIEWER), &expected),
            "{ids}"
        );
    }
}

#[tokio::test]
async fn the_use_of_a_delegated_token_names_both_people_and_the_token() {
    let roster = Roster::start().await;
    let token = roster.token(MANAGER);
    let text =
        |answer: &Answer| answer.json()["access_token"].as_str().expect("a token").to_owned();
    let jti = |token: &str| tests::own_tokens::claims(token)["jti"].clone();
    let body = json!({"sub": FINN, "scopes": ["data:read", "profile"]});
    let delegated =
        text(&ask(&roster, Method::POST, DELEGATED, &token, HOME, body).await.expect(200));
    let entry = newest(&roster, FINN).await;
    assert_eq!(
        (&entry["action"], &entry["credential"]),
        (&json!("delegated_token.issued"), &json!({"kind": "token"}))
    );

    ask(&roster, Method::GET, ME, &delegated, OFFICE, Value::Null).await.expect(200);
    let entry = newest(&roster, FINN).await;
    assert_eq!(
        (&entry["action"], &entry["actor_id"]),
        (&json!("delegated_token.used"), &json!(MANAGER))
    );
    assert_eq!(
        entry["credential"],
        json!({"kind": "delegated_token", "id": jti(&delegated), "issued_by": FINN})
    );
    assert_eq!(entry["address"], OFFICE);
    assert!(entry["request_id"].is_string());

    let principal = text(
        &ask(&roster, Method::GET, PRINCIPAL, &delegated, OFFICE, Value::Null).await.expect(200),
    );
    ask(&roster, Method::GET, ME, &principal, HOME, Value::Null).await.expect(200);
    let entry = newest(&roster, MANAGER).await;
    assert_eq!(
        (&entry["action"], &entry["actor_id"]),
        (&json!("principal_token.used"), &json!(MANAGER))
    );
    assert_eq!(
        entry["credential"],
        json!({"kind": "principal_token", "id": jti(&principal), "issued_by": FINN})
    );
    assert_eq!(entry["address"], HOME);
}

#[tokio::test]
async fn imports_commands_and_the_schedule_are_named_as_what_they_are() {
    let roster = Roster::start().await;
    let id = demo::id(0xe11);
    let file = tempfile::Builder::new().suffix(".jsonl").tempfile().expect("a file");
    std::fs::write(file.path(), json!({"id": id, "email": "imported@example.com"}).to_string())
        .expect("a line");
    for imported in [1, 0] {
        let report = import::file(
            &roster.server.data,
            file.path(),
            &import::Options::new(demo::TEAM),
            roster.now(),
        )
        .await
        .expect("an import");
        assert_eq!(report.imported, imported);
    }
    let [entry] = &entries(&roster, id).await[..] else { panic!("one entry") };
    assert_eq!((&entry["action"], &entry["actor_id"]), (&json!("user.imported"), &Value::Null));
    assert_eq!((&entry["credential"], &entry["changes"]), (&json!({"kind": "import"}), &json!({})));

    let command =
        AuditCredential::new(AuditCredentialKind::LocalCommand, Some("operator".to_owned()));
    let act = Act::of_machine(command, "user.made_operator", roster.now());
    roster.server.data.store.set_operator(id, true, &act).await.expect("an operator is made");
    let entry = newest(&roster, id).await;
    assert_eq!(
        (&entry["action"], &entry["actor_id"]),
        (&json!("user.made_operator"), &Value::Null)
    );
    assert_eq!(entry["credential"], json!({"kind": "local_command", "id": "operator"}));

    roster.delete("/v1/account", id).await.expect(202);
    roster.advance(31 * 86_400);
    let purge = functions::schedule::purge_accounts::run(
        &roster.server.app,
        std::time::Duration::from_secs(60),
    );
    let purge = local::HANDLER
        .scope(functions::schedule::purge_accounts::NAME, purge)
        .await
        .expect("a purge");
    assert!(purge.purged > 0 && purge.failed == 0, "{purge:?}");
    let entry = newest(&roster, id).await;
    assert_eq!((&entry["action"], &entry["actor_id"]), (&json!("user.purged"), &Value::Null));
    assert_eq!(entry["credential"], json!({"kind": "schedule"}));
}

#[tokio::test]
async fn an_address_is_kept_for_ninety_days() {
    let roster = Roster::start().await;
    let token = roster.token(ADMIN);
    // Someone's administrator changes them, from an address that is the administrator's.
    let change = async |source, name: &str| {
        let path = format!("/api/v1/admin_user/{VIEWER}");
        ask(&roster, Method::PUT, &path, &token, source, json!({"details": {"name": name}}))
            .await
            .expect(200);
        newest(&roster, VIEWER).await
    };
    for (source, name) in [(HOME, "One"), (HOME, "Two"), (OFFICE, "Three"), (HOME, "Four")] {
        assert_eq!(change(source, name).await["address"], source);
    }
    // One item for each address serves all changes of an hour, and ends by the table's TTL.
    let items = addresses(&roster, ADMIN).await;
    let ends = json!(roster.now().plus_seconds(86_400 * ADDRESS_DAYS).as_second());
    assert_eq!(items.len(), 2, "{items:?}");
    assert!(items.iter().all(|item| item["expires"] == ends), "{items:?}");
    assert_eq!(addresses(&roster, VIEWER).await, []);
    let stored = roster.items().await;
    let of_history =
        stored.iter().filter(|item| item["pk"].as_str().is_some_and(|pk| pk.starts_with("AUDIT#")));
    assert!(
        !of_history.clone().any(|entry| json!(entry).to_string().contains(HOME)),
        "an entry holds an address"
    );

    // They are in the export of the person whose they are, and in no other.
    let export = async |user| roster.get("/v1/account/export", user).await.expect(200).json();
    let own = export(ADMIN).await;
    let mut told: Vec<_> = own["source_addresses"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["address"].clone())
        .collect();
    told.sort_by_key(ToString::to_string);
    assert_eq!(told, [HOME, OFFICE]);
    let changed = export(VIEWER).await;
    assert_eq!(changed["source_addresses"], json!([]));
    let log = changed["audit_log"].as_array().expect("a list");
    assert!(
        log.iter().all(|entry| entry.get("address").is_none() && entry.get("address_id").is_none()),
        "{log:?}"
    );

    // DynamoDB deletes what expired some days late: by then it is shown no more.
    roster.advance(86_400 * ADDRESS_DAYS - 1);
    assert_eq!(newest(&roster, VIEWER).await["address"], HOME);
    roster.advance(1);
    assert!(entries(&roster, VIEWER).await.iter().all(|entry| entry.get("address").is_none()));
    assert_eq!(export(ADMIN).await["source_addresses"], json!([]));
}

#[tokio::test]
async fn a_process_notes_an_address_again_after_an_hour() {
    let roster = Roster::start().await;
    let change = async |name: &str| {
        rename(&roster, &roster.token(VIEWER), name).await;
        assert_eq!(newest(&roster, VIEWER).await["address"], HOME);
        addresses(&roster, VIEWER).await.len()
    };
    assert_eq!(change("One").await, 1);
    roster.advance(3599);
    assert_eq!(change("Two").await, 1);
    roster.advance(1);
    assert_eq!(change("Three").await, 2);
}

#[tokio::test]
async fn an_erasure_leaves_no_address_of_the_person() {
    let roster = Roster::start().await;
    // A change of their own, and one of someone else: both histories stay.
    let token = roster.token(MANAGER);
    ask(&roster, Method::PATCH, ME, &token, HOME, json!({"display_name": "Someone"}))
        .await
        .expect(200);
    let path = format!("/api/v1/users/shares/{VIEWER}");
    ask(&roster, Method::PUT, &path, &token, OFFICE, json!({"scopes": ["data:write", "profile"]}))
        .await
        .expect(200);
    assert_eq!(addresses(&roster, MANAGER).await.len(), 2);
    roster.delete("/v1/account", MANAGER).await.expect(202);
    roster.delete(&format!("/v1/admin/users/{MANAGER}"), PLATFORM_OPERATOR).await.expect(200);
    assert_eq!(addresses(&roster, MANAGER).await, []);
    let left = json!(roster.items().await).to_string();
    assert!(!left.contains(HOME) && !left.contains(OFFICE));
    let log = entries(&roster, MANAGER).await;
    let own: Vec<_> = log.iter().filter(|entry| entry["actor_id"] == json!(MANAGER)).collect();
    assert!(own.len() > 2 && own.iter().all(|entry| entry.get("address").is_none()), "{own:?}");
}
