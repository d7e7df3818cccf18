//! Sandboxes: their fields, their lives, and what a team may use of them.

use futures::future::join_all;
use insta::assert_json_snapshot;
use local::demo;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::models::{QuotaTier, SandboxStatus, UsageRecord};
use shared::table::Key;
use tests::checks::{key, refusals, unchanged};
use tests::{Answer, Roster, send};
use uuid::Uuid;

use crate::{ME, NEW, alone_in_tier, bare, detail, log, of, statuses, with_text};

const SANDBOXES: &str = "/v1/sandboxes";
/// Seconds from when every test begins to midnight.
const TO_MIDNIGHT: i64 = 14 * 3600 + 30 * 60;

/// A tier with room for everything.
fn wide() -> QuotaTier {
    QuotaTier {
        id: "wide".into(),
        display_name: "Wide".into(),
        max_concurrent_sandboxes: 10_000,
        daily_sandbox_creates: 10_000,
        daily_gb_hours: 10_000.0,
    }
}

fn one(id: &str) -> String {
    format!("{SANDBOXES}/{id}")
}

/// A request to make a sandbox of the caller's.
fn creation(roster: &Roster, caller: Uuid, body: &Value) -> RequestBuilder {
    bare(roster, Method::POST, SANDBOXES, caller).json(body)
}

async fn create(roster: &Roster, caller: Uuid, body: &Value) -> Answer {
    send(creation(roster, caller, body)).await
}

/// Makes a sandbox, and gives its id.
async fn made(roster: &Roster, caller: Uuid, body: &Value) -> String {
    id_of(&create(roster, caller, body).await)
}

#[track_caller]
fn id_of(answer: &Answer) -> String {
    answer.clone().expect(201).json()["id"].as_str().expect("an id").to_owned()
}

async fn set_status(roster: &Roster, caller: Uuid, id: &str, status: &str) -> Answer {
    roster.call(Method::PATCH, &one(id), caller, &json!({"status": status})).await
}

async fn destroy(roster: &Roster, caller: Uuid, id: &str) -> Answer {
    roster.delete(&one(id), caller).await
}

/// The snapshot of an answer about a new sandbox.
#[track_caller]
fn without_new_id(answer: &Answer) -> Value {
    let mut snapshot = answer.snapshot();
    let id = snapshot["body"]["id"].as_str().expect("an id").to_owned();
    assert!(
        id.len() == 36
            && id.starts_with("sbx_")
            && id[4..].bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{id}"
    );
    snapshot["body"]["id"] = json!("(new sandbox)");
    snapshot
}

/// A team's usage days in the table, oldest first.
async fn usage(roster: &Roster, team: Uuid) -> Vec<UsageRecord> {
    let partition = format!("TEAM#{team}");
    let days = roster.items().await.into_iter().filter(|item| item["pk"] == partition.as_str());
    let days = days.filter(|item| item["sk"].as_str().is_some_and(|sk| sk.starts_with("USAGE#")));
    days.map(|item| serde_json::from_value(Value::Object(item)).expect("a day")).collect()
}

/// Day, sandboxes made, GB-hours, and MB × ms used or reserved, of each of a team's days.
async fn figures(roster: &Roster, team: Uuid) -> Vec<(String, u64, f64, u64)> {
    let days = usage(roster, team).await;
    days.into_iter()
        .map(|usage| {
            (
                usage.day.usage_date,
                usage.day.sandbox_creates,
                usage.day.gb_hours,
                usage.committed_mb_ms,
            )
        })
        .collect()
}

#[tokio::test]
async fn a_credential_that_fails_is_refused_by_every_endpoint_alike() {
    let path = one("sbx_1");
    let endpoints = [
        (Method::GET, SANDBOXES),
        (Method::GET, "/v1/sandboxes?limit=0"),
        (Method::POST, SANDBOXES),
        (Method::GET, &path),
        (Method::GET, "/v1/sandboxes/sbx_1?fields=none"),
        (Method::PATCH, &path),
        (Method::DELETE, &path),
    ];
    assert_json_snapshot!(refusals(&endpoints).await);
}

/// A sandbox of an answer as accounts show it.
fn without_config(answer: &Answer) -> Value {
    let mut sandbox = answer.json();
    assert!(sandbox.as_object_mut().expect("a sandbox").remove("config").is_some());
    sandbox
}

/// The ids of a page of someone's sandboxes, and the `next_token`.
async fn page(roster: &Roster, caller: Uuid, query: &str) -> (Vec<String>, Option<String>) {
    let page = roster.get(&format!("{SANDBOXES}{query}"), caller).await.expect(200).json();
    let next = page.get("next_token").map(|token| token.as_str().expect("a token").to_owned());
    assert_eq!(page["has_next"], json!(next.is_some()), "{page}");
    let items = page["items"].as_array().expect("a list");
    (items.iter().map(|sandbox| sandbox["id"].as_str().expect("an id").to_owned()).collect(), next)
}

#[tokio::test]
async fn a_sandbox_tells_its_size_by_the_names_of_the_client() {
    let roster = Roster::start().await;
    alone_in_tier(&roster, &wide()).await;
    let body = json!({"template": "base", "vcpus": 4, "memory_mb": 1024});
    let made = create(&roster, NEW, &body).await.expect(201).json();
    assert_eq!(
        (&made["cpu_count"], &made["config"]),
        (&json!(4), &json!({"vcpus": 4, "memory_mb": 1024}))
    );
    let id = made["id"].as_str().expect("an id");
    let shown =
        unchanged(&roster, bare(&roster, Method::GET, &one(id), NEW)).await.expect(200).json();
    assert_eq!(shown, made);
    let running = set_status(&roster, NEW, id, "running").await.expect(200).json();
    assert_eq!((&running["status"], &running["config"]), (&json!("running"), &made["config"]));
    assert_eq!(destroy(&roster, NEW, id).await.expect(200).json()["config"], made["config"]);
    let both = json!({"template": "base", "cpu_count": 2, "vcpus": 4});
    assert_eq!(
        create(&roster, NEW, &both).await.expect(201).json()["config"],
        json!({"vcpus": 2, "memory_mb": 512})
    );
    let none = create(&roster, NEW, &json!({"template": "base"})).await.expect(201).json();
    assert_eq!(none["config"], json!({"vcpus": null, "memory_mb": 512}));
    let wrong =
        create(&roster, NEW, &json!({"template": "base", "vcpus": 0})).await.expect(422).json();
    assert_eq!(wrong["error"], "The field `vcpus` must be an integer from 1 to 1024.");
}

#[tokio::test]
async fn a_setting_that_would_be_lost_is_refused_and_its_usual_value_is_taken() {
    let roster = Roster::start().await;
    alone_in_tier(&roster, &wide()).await;
    let usual = json!({
        "template": "base", "envs": {}, "network": null, "internet_access": true, "cwd": null, "desktop": null, "volumes": null,
        "auto_resume": false,
    });
    create(&roster, NEW, &usual).await.expect(201);
    let before = roster.items().await;
    for (name, value) in [
        ("auto_resume", json!(true)),
        ("cwd", json!("/workspace")),
        ("desktop", json!({"dpi": 96})),
        ("envs", json!({"A": "1"})),
        ("internet_access", json!(false)),
        ("lifecycle", json!({"on_timeout": "pause"})),
        ("network", json!({"deny_out": ["0.0.0.0/0"]})),
        ("snapshot_id", json!("snap_1")),
        ("timeout_action", json!("hibernate")),
        ("volumes", json!([{"ref": "data"}])),
        ("warm_pool", json!({"id": "pool"})),
    ] {
        let mut body = usual.clone();
        body[name] = value;
        let answer = create(&roster, NEW, &body).await.expect(422).json();
        assert_eq!(
            answer["error"],
            format!("The field `{name}` must be left out: Roster counts sandboxes and runs none.")
        );
    }
    assert_eq!(tests::checks::changes(&before, &roster.items().await), [""; 0]);
}

#[tokio::test]
async fn sandboxes_are_listed_newest_first_and_by_what_is_asked_for() {
    let roster = Roster::start().await;
    alone_in_tier(&roster, &wide()).await;
    let mut ids = Vec::new();
    for n in 0..5 {
        let template = if n % 2 == 0 { "base" } else { "node-24" };
        ids.insert(
            0,
            made(&roster, NEW, &json!({"template": template, "metadata": {"n": n, "of": "five"}}))
                .await,
        );
        roster.advance(1);
    }
    let some = |places: &[usize]| -> Vec<String> {
        places.iter().map(|place| ids[*place].clone()).collect()
    };
    assert_eq!(page(&roster, NEW, "").await, (ids.clone(), None));
    let (first, next) = page(&roster, NEW, "?limit=2").await;
    assert_eq!((first, next.as_ref()), (some(&[0, 1]), Some(&ids[1])));
    let (second, next) = page(&roster, NEW, &format!("?limit=2&next_token={}", ids[1])).await;
    assert_eq!((second, next.as_ref()), (some(&[2, 3]), Some(&ids[3])));
    assert_eq!(
        page(&roster, NEW, &format!("?limit=2&next_token={}", ids[3])).await,
        (some(&[4]), None)
    );
    assert_eq!(page(&roster, NEW, "?limit=5").await, (ids.clone(), None));

    set_status(&roster, NEW, &ids[1], "running").await.expect(200);
    destroy(&roster, NEW, &ids[0]).await.expect(200);
    for (query, expected) in [
        ("", vec![1, 2, 3, 4]),
        ("?state=running", vec![1]),
        ("?state=destroyed", vec![0]),
        ("?state=creating,destroyed", vec![0, 2, 3, 4]),
        ("?state=error", vec![]),
        ("?template=base", vec![2, 4]),
        ("?template=base&state=destroyed", vec![0]),
        ("?template=Base", vec![]),
        ("?metadata=%7B%22n%22%3A1%7D", vec![3]),
        ("?metadata=%7B%22n%22%3A1%2C%22of%22%3A%22five%22%7D", vec![3]),
        ("?metadata=%7B%22n%22%3A%221%22%7D", vec![]),
        ("?metadata=%7B%22of%22%3A%22five%22%7D&state=running", vec![1]),
        ("?metadata=%7B%7D", vec![1, 2, 3, 4]),
        ("?unknown=1", vec![1, 2, 3, 4]),
    ] {
        assert_eq!(page(&roster, NEW, query).await, (some(&expected), None), "{query}");
    }
    let whole = unchanged(&roster, bare(&roster, Method::GET, "/v1/sandboxes?limit=1", NEW))
        .await
        .expect(200)
        .json();
    assert_eq!(whole["items"][0], roster.get(&one(&ids[1]), NEW).await.expect(200).json());
    let part =
        roster.get("/v1/sandboxes?limit=1&fields=status,id,config", NEW).await.expect(200).json();
    let config = json!({"vcpus": null, "memory_mb": 512});
    assert_eq!(part["items"], json!([{"id": ids[1], "status": "running", "config": config}]));
    let part =
        roster.get(&format!("{}?fields=template", one(&ids[1])), NEW).await.expect(200).json();
    assert_eq!(part, json!({"template": "node-24"}));
    assert_eq!(
        roster.get(&format!("{}?fields=all", one(&ids[1])), NEW).await.expect(200).json(),
        whole["items"][0]
    );
}

#[tokio::test]
async fn a_page_looks_through_a_hundred_sandboxes() {
    let roster = Roster::start().await;
    alone_in_tier(&roster, &wide()).await;
    let mut ids = Vec::new();
    for _ in 0..103 {
        ids.push(made(&roster, NEW, &json!({"template": "base"})).await);
    }
    for id in &ids[2..] {
        destroy(&roster, NEW, id).await.expect(200);
    }
    let (found, next) = page(&roster, NEW, "").await;
    assert_eq!((found, next.as_ref()), (Vec::new(), Some(&ids[3])));
    let next = format!("?next_token={}", ids[3]);
    assert_eq!(page(&roster, NEW, &next).await, (vec![ids[1].clone(), ids[0].clone()], None));
    let answer = roster.get("/v1/sandboxes?state=destroyed", NEW).await.expect(200);
    assert_eq!(answer.json()["items"].as_array().map(Vec::len), Some(100));
    assert!(answer.cost().read_units < 20.0, "{:?}", answer.cost());
}

#[tokio::test]
async fn a_wrong_question_names_every_fault() {
    let roster = Roster::start().await;
    let mut told = Vec::new();
    let long = format!("?next_token={}", "a".repeat(101));
    for query in [
        "?limit=0",
        "?limit=101",
        "?limit=ten",
        "?next_token=",
        long.as_str(),
        "?state=asleep",
        "?state=",
        "?state=running,",
        "?metadata=text",
        "?metadata=%5B%5D",
        "?metadata=7",
        "?fields=secret",
        "?fields=",
        "?limit=0&state=asleep&metadata=7&fields=secret",
    ] {
        let answer =
            roster.get(&format!("{SANDBOXES}{query}"), demo::ADMIN).await.expect(422).json();
        assert_eq!(answer["code"], "invalid_request", "{query}");
        told.push(json!([query, answer["error"]]));
    }
    assert_json_snapshot!(told);
}

#[tokio::test]
async fn nobody_sees_the_sandboxes_of_others() {
    let roster = Roster::start().await;
    let id = made(&roster, demo::ADMIN, &json!({"template": "base"})).await;
    for caller in [demo::VIEWER, demo::OTHER_ADMIN, demo::PLATFORM_OPERATOR] {
        let (own, _) = page(&roster, caller, "?state=creating,running,paused,destroyed").await;
        assert!(!own.contains(&id));
        // The token of another's page leads to none of theirs.
        assert_eq!(
            page(&roster, caller, &format!("?state=creating&next_token={id}")).await,
            (vec![], None)
        );
        let unknown = roster.get(&one("sbx_0"), caller).await.expect(404);
        let others = roster.get(&one(&id), caller).await.expect(404);
        assert_eq!(others.snapshot(), unknown.snapshot());
    }
    roster.get(&one(&"a".repeat(5000)), demo::ADMIN).await.expect(404);
}

#[tokio::test]
async fn a_sandbox_of_an_earlier_version_is_read_and_goes_with_its_owner() {
    let roster = Roster::start().await;
    alone_in_tier(&roster, &wide()).await;
    let id = made(&roster, NEW, &json!({"template": "base"})).await;
    let key = Key::sandbox(NEW, &id);
    let stored =
        roster.items().await.into_iter().find(|item| item["pk"] == key.pk && item["sk"] == key.sk);
    let mut stored = stored.expect("the sandbox");
    stored.retain(|name, _| name != "pk" && name != "sk");
    stored.insert("status".into(), json!("starting"));
    roster.server.data.store.put(&key, &stored).await.expect("a sandbox");
    assert_eq!(roster.get(&one(&id), NEW).await.expect(200).json()["status"], "creating");
    roster.delete("/v1/account", NEW).await.expect(202);
    roster.advance(31 * 86_400);
    functions::schedule::purge_accounts::run(
        &roster.server.app,
        std::time::Duration::from_secs(600),
    )
    .await
    .expect("a purge");
    assert_eq!(roster.user(NEW).await, None);
    let left = roster.keys_with(&id).await;
    assert!(left.iter().all(|key| key.starts_with("AUDIT#")), "{left:?}");
    roster.check_table().await;
}

#[tokio::test]
async fn a_sandbox_has_what_was_asked_for() {
    let roster = Roster::start().await;
    alone_in_tier(&roster, &wide()).await;
    let body = json!({
        "template": "python-3.13",
        "metadata": {"job": "nightly", "tries": 3, "deep": {"list": [1, "two", null, true, 2.5]}},
        "cpu_count": 4,
        "memory_mb": 2048,
        "disk_mb": 10240,
        "timeout_ms": 600_000,
    });
    let whole = create(&roster, NEW, &body).await;
    assert_json_snapshot!("whole", without_new_id(&whole));
    let least = create(&roster, NEW, &json!({"template": "base"})).await;
    assert_json_snapshot!("least", without_new_id(&least));
    // What is null is left out, what is not known is ignored.
    let nulls = json!({
        "template": "base", "metadata": null, "cpu_count": null, "memory_mb": null, "disk_mb": null, "timeout_ms": null,
        "id": "sbx_mine", "status": "running", "user_id": demo::ADMIN,
    });
    let nulls = create(&roster, NEW, &nulls).await;
    assert_eq!(without_new_id(&nulls), without_new_id(&least));
    // Newest first, each as it was answered.
    let listed = detail(&roster, NEW).await["sandboxes"].clone();
    assert_eq!(
        listed,
        json!([without_config(&nulls), without_config(&least), without_config(&whole)])
    );
    let newest = &log(&roster, NEW).await[0];
    assert_eq!(newest["action"], "sandbox.created");
    assert_eq!(
        newest["changes"],
        json!({"sandbox_id": {"before": null, "after": nulls.json()["id"]}})
    );
    roster.check_table().await;
}

#[tokio::test]
async fn the_greatest_figures_are_taken() {
    let roster = Roster::start().await;
    let tier = QuotaTier { daily_gb_hours: 1e9, ..wide() };
    let team = alone_in_tier(&roster, &tier).await;
    let most = json!({
        "template": "é".repeat(255), "cpu_count": 1024, "memory_mb": 16 * 1024 * 1024, "disk_mb": 16 * 1024 * 1024,
        "timeout_ms": 7 * 86_400_000, "metadata": {"text": "x".repeat(2048 - 11)},
    });
    let answer = create(&roster, NEW, &most).await.expect(201).json();
    for (field, value) in most.as_object().expect("fields") {
        assert_eq!(&answer[field], value, "{field}");
    }
    assert_eq!(figures(&roster, team).await[0].3, 16 * 1024 * 1024 * 7 * 86_400_000);
    let id = answer["id"].as_str().expect("an id");
    set_status(&roster, NEW, id, "running").await.expect(200);
    roster.advance(8 * 86_400);
    // It ran no longer than it might.
    destroy(&roster, NEW, id).await.expect(200);
    let days = figures(&roster, team).await;
    assert_eq!(days.last().map(|day| day.2), Some(16.0 * 1024.0 * 7.0 * 24.0));
    roster.check_table().await;
}

#[tokio::test]
async fn a_key_makes_its_owners_sandboxes() {
    let roster = Roster::start().await;
    let by_key = |method, path: &str| roster.request(method, path).bearer_auth(key(demo::ADMIN, 1));
    let answer = send(by_key(Method::POST, SANDBOXES).json(&json!({"template": "base"}))).await;
    let id = id_of(&answer);
    assert_eq!(answer.json()["user_id"], json!(demo::ADMIN));
    send(by_key(Method::PATCH, &one(&id)).json(&json!({"status": "running"}))).await.expect(200);
    send(by_key(Method::DELETE, &one(&id))).await.expect(200);
    roster.check_table().await;
}

#[tokio::test]
async fn a_wrong_field_makes_no_sandbox() {
    let roster = Roster::start().await;
    let mut bodies: Vec<String> =
        vec![String::new(), "template=base".into(), "[]".into(), "null".into(), "\"base\"".into()];
    for template in [
        json!(null),
        json!(7),
        json!(""),
        json!("  "),
        json!("a\nb"),
        json!("x".repeat(256)),
        json!(["base"]),
    ] {
        bodies.push(json!({"template": template}).to_string());
    }
    bodies.push("{}".into());
    for (name, most) in [
        ("cpu_count", 1024_u64),
        ("memory_mb", 16 * 1024 * 1024),
        ("disk_mb", 16 * 1024 * 1024),
        ("timeout_ms", 7 * 86_400_000),
    ] {
        for wrong in [
            json!(0),
            json!(-1),
            json!(1.5),
            json!("1"),
            json!(true),
            json!([1]),
            json!(most + 1),
            json!(u64::MAX),
        ] {
            bodies.push(json!({"template": "base", name: wrong}).to_string());
        }
        bodies.push(format!(r#"{{"template": "base", "{name}": 1e3}}"#));
    }
    for wrong in
        [json!("text"), json!(7), json!([]), json!(true), json!({"text": "x".repeat(2048 - 10)})]
    {
        bodies.push(json!({"template": "base", "metadata": wrong}).to_string());
    }
    // What the table cannot hold: numbers beyond its range, names that are empty, depths.
    for wrong in [
        r#"{"n": 1e126}"#,
        r#"{"n": [-1e300]}"#,
        r#"{"n": 1e-200}"#,
        r#"{"": 1}"#,
        r#"{"a": {"": 1}}"#,
    ] {
        bodies.push(format!(r#"{{"template": "base", "metadata": {wrong}}}"#));
    }
    bodies.push(format!(
        r#"{{"template": "base", "metadata": {{"deep": {}{}}}}}"#,
        "[".repeat(40),
        "]".repeat(40)
    ));
    bodies.push(json!({"template": 7, "cpu_count": "x", "memory_mb": 0, "disk_mb": -1, "timeout_ms": 0, "metadata": 7}).to_string());
    let before = roster.items().await;
    let mut told = Vec::new();
    for body in bodies {
        let shown: String = body.chars().take(60).collect();
        let answer = send(with_text(&roster, Method::POST, SANDBOXES, demo::VIEWER, body))
            .await
            .expect(422)
            .json();
        assert_eq!(answer["code"], "invalid_request", "{shown}");
        told.push(json!([shown, answer["error"]]));
    }
    assert_json_snapshot!(told);
    assert_eq!(tests::checks::changes(&before, &roster.items().await), [""; 0]);
    assert_json_snapshot!(
        "a_wrong_field",
        create(&roster, demo::VIEWER, &json!({"template": 7})).await.snapshot()
    );
}

#[tokio::test]
async fn metadata_that_the_table_holds_is_given_back() {
    let roster = Roster::start().await;
    alone_in_tier(&roster, &wide()).await;
    let metadata = json!({
        "big": 9e125, "small": -1e-100, "max": u64::MAX, "min": i64::MIN, "third": 0.333_333_333_333_333_3, "zero": 0, "text": "", "null": null,
        "empty": {}, "list": [], "ünï": "çode 🎉", "deep": {"a": {"b": {"c": [[[["d"]]]]}}},
    });
    let answer = create(&roster, NEW, &json!({"template": "base", "metadata": metadata}))
        .await
        .expect(201)
        .json();
    assert_eq!(answer["metadata"], metadata);
    assert_eq!(detail(&roster, NEW).await["sandboxes"][0]["metadata"], metadata);
}

#[tokio::test]
async fn a_sandbox_starts_runs_pauses_runs_on_and_is_destroyed() {
    let roster = Roster::start().await;
    let team = alone_in_tier(&roster, &wide()).await;
    let made = create(
        &roster,
        NEW,
        &json!({"template": "base", "memory_mb": 2048, "metadata": {"job": 1}}),
    )
    .await;
    let id = id_of(&made);
    let mut expected = made.json();
    let started_at = roster.now().plus_seconds(600);
    for (status, metadata) in [
        ("running", None),
        ("paused", Some(json!({"step": 2}))),
        ("running", Some(json!({}))),
        ("paused", None),
        ("running", Some(Value::Null)),
    ] {
        roster.advance(600);
        let mut body = json!({"status": status});
        if let Some(metadata) = &metadata {
            body["metadata"] = metadata.clone();
        }
        let answer = roster.call(Method::PATCH, &one(&id), NEW, &body).await.expect(200);
        expected["status"] = json!(status);
        expected["started_at"] = json!(started_at);
        expected["updated_at"] = json!(roster.now());
        if let Some(metadata) = metadata.filter(|metadata| !metadata.is_null()) {
            expected["metadata"] = metadata;
        }
        assert_eq!(answer.json(), expected);
        assert_eq!(detail(&roster, NEW).await["sandboxes"][0], without_config(&answer));
        let newest = &log(&roster, NEW).await[0];
        assert_eq!(
            (&newest["action"], &newest["changes"]["status"]["after"]),
            (&json!("sandbox.updated"), &json!(status))
        );
        roster.check_table().await;
    }
    assert_eq!(
        figures(&roster, team).await,
        [("2026-05-02".into(), 1, 0.0, 0)],
        "nothing is billed yet"
    );
    roster.advance(600);
    expected["status"] = json!("destroyed");
    expected["updated_at"] = json!(roster.now());
    expected["destroyed_at"] = json!(roster.now());
    assert_eq!(destroy(&roster, NEW, &id).await.expect(200).json(), expected);
    // Made, changed five times and destroyed: who read it in between writes nothing.
    let item = roster
        .items()
        .await
        .into_iter()
        .find(|item| item["pk"] == Key::user(NEW).pk && item.get("id") == Some(&json!(id)))
        .expect("the sandbox");
    assert_eq!(item["version"], 7);
    // Six times ten minutes of 2 GB: its owner's own pauses are none.
    assert_eq!(figures(&roster, team).await, [("2026-05-02".into(), 1, 2.0, 2048 * 3_600_000)]);
    assert_eq!(detail(&roster, NEW).await["quota_usage"][0]["gb_hours"], json!(2.0));
    roster.check_table().await;
    // Once.
    roster.advance(600);
    assert_eq!(
        unchanged(&roster, bare(&roster, Method::DELETE, &one(&id), NEW)).await.expect(200).json(),
        expected
    );
    let conflict = unchanged(
        &roster,
        bare(&roster, Method::PATCH, &one(&id), NEW).json(&json!({"status": "running"})),
    )
    .await;
    assert_json_snapshot!(conflict.snapshot());
}

#[tokio::test]
async fn each_status_leads_to_some_and_the_same_again_changes_nothing() {
    let roster = Roster::start().await;
    alone_in_tier(&roster, &wide()).await;
    let mut told = Vec::new();
    for from in SandboxStatus::ALL {
        for to in ["running", "paused"] {
            let id = made(&roster, NEW, &json!({"template": "base"})).await;
            match from {
                SandboxStatus::Creating => {}
                SandboxStatus::Running => {
                    drop(set_status(&roster, NEW, &id, "running").await.expect(200))
                }
                SandboxStatus::Paused => {
                    set_status(&roster, NEW, &id, "running").await.expect(200);
                    set_status(&roster, NEW, &id, "paused").await.expect(200);
                }
                SandboxStatus::Destroyed => drop(destroy(&roster, NEW, &id).await.expect(200)),
            }
            roster.advance(1);
            let request = bare(&roster, Method::PATCH, &one(&id), NEW).json(&json!({"status": to}));
            let answer = if from.as_str() == to
                || *from == SandboxStatus::Destroyed
                || (from.as_str(), to) == ("creating", "paused")
            {
                unchanged(&roster, request).await
            } else {
                send(request).await
            };
            told.push(json!([
                from,
                to,
                answer.status,
                answer.json()["status"],
                answer.json()["error"]
            ]));
            roster.check_table().await;
        }
    }
    assert_json_snapshot!(told);
}

#[tokio::test]
async fn the_metadata_alone_is_replaced_under_the_same_status() {
    let roster = Roster::start().await;
    alone_in_tier(&roster, &wide()).await;
    let id = made(&roster, NEW, &json!({"template": "base", "metadata": {"a": 1}})).await;
    let running = set_status(&roster, NEW, &id, "running").await.expect(200).json();
    roster.advance(60);
    let body = json!({"status": "running", "metadata": {"b": 2}});
    let answer = roster.call(Method::PATCH, &one(&id), NEW, &body).await.expect(200).json();
    assert_eq!(
        (&answer["metadata"], &answer["started_at"]),
        (&json!({"b": 2}), &running["started_at"])
    );
    assert_eq!(
        unchanged(&roster, bare(&roster, Method::PATCH, &one(&id), NEW).json(&body))
            .await
            .expect(200)
            .json(),
        answer
    );
    roster.check_table().await;
}

#[tokio::test]
async fn twenty_pauses_at_once_are_one_change() {
    // Calls take a moment, so that all read the sandbox before any writes it.
    let roster =
        Roster::start_with(|options| options.latency = std::time::Duration::from_millis(5)).await;
    alone_in_tier(&roster, &wide()).await;
    let id = made(&roster, NEW, &json!({"template": "base"})).await;
    set_status(&roster, NEW, &id, "running").await.expect(200);
    let before = log(&roster, NEW).await.len();
    for answer in join_all((0..20).map(|_| set_status(&roster, NEW, &id, "paused"))).await {
        assert_eq!(answer.expect(200).json()["status"], "paused");
    }
    assert_eq!(log(&roster, NEW).await.len(), before + 1);
    roster.check_table().await;
}

#[tokio::test]
async fn a_wrong_change_changes_nothing() {
    let roster = Roster::start().await;
    let id = made(&roster, demo::VIEWER, &json!({"template": "base"})).await;
    let before = roster.items().await;
    let mut told = Vec::new();
    for body in [
        "",
        "{}",
        "[]",
        "status=running",
        r#"{"status": null}"#,
        r#"{"status": 7}"#,
        r#"{"status": ""}"#,
        r#"{"status": "creating"}"#,
        r#"{"status": "destroyed"}"#,
        r#"{"status": "Running"}"#,
        r#"{"status": "asleep"}"#,
        r#"{"metadata": {}}"#,
        r#"{"status": "running", "metadata": []}"#,
        r#"{"status": "running", "metadata": "text"}"#,
        r#"{"status": "running", "metadata": {"n": 1e300}}"#,
        r#"{"status": "asleep", "metadata": 7}"#,
    ] {
        let answer = send(with_text(&roster, Method::PATCH, &one(&id), demo::VIEWER, body))
            .await
            .expect(422)
            .json();
        assert_eq!(answer["code"], "invalid_request", "{body}");
        told.push(json!([body, answer["error"]]));
    }
    assert_json_snapshot!(told);
    assert_eq!(tests::checks::changes(&before, &roster.items().await), [""; 0]);
}

#[tokio::test]
async fn the_sandboxes_of_others_are_not_found() {
    let roster = Roster::start().await;
    let id = made(&roster, demo::ADMIN, &json!({"template": "base"})).await;
    let missing =
        unchanged(&roster, bare(&roster, Method::DELETE, &one("sbx_none"), demo::VIEWER)).await;
    assert_json_snapshot!(missing.snapshot());
    let long = format!("sbx_{}", "x".repeat(2000));
    // That they were seen is noted before.
    for caller in [demo::ADMIN, demo::id(0x11c)] {
        roster.get(ME, caller).await.expect(200);
    }
    // Not even the team's administrator or a platform operator has another's.
    for (caller, id) in [
        (demo::VIEWER, id.as_str()),
        (demo::OTHER_ADMIN, id.as_str()),
        (demo::PLATFORM_OPERATOR, id.as_str()),
        (demo::id(0x11c), id.as_str()),
        (demo::ADMIN, "sbx_none"),
        (demo::ADMIN, long.as_str()),
        (demo::ADMIN, "%20"),
        (demo::ADMIN, "%FF%00"),
        (demo::ADMIN, "USER"),
    ] {
        for method in [Method::PATCH, Method::DELETE] {
            let request =
                bare(&roster, method, &one(id), caller).json(&json!({"status": "running"}));
            assert_eq!(
                unchanged(&roster, request).await.snapshot(),
                missing.snapshot(),
                "{caller} {id}"
            );
        }
    }
}

#[tokio::test]
async fn a_sandbox_is_billed_from_its_making_whatever_its_owner_says_of_it() {
    let roster = Roster::start().await;
    let team = alone_in_tier(&roster, &wide()).await;
    // Never started.
    let id = made(&roster, NEW, &json!({"template": "base", "memory_mb": 1024})).await;
    roster.advance(3600);
    destroy(&roster, NEW, &id).await.expect(200);
    // Of no size.
    let id = made(&roster, NEW, &json!({"template": "base"})).await;
    roster.advance(3600);
    destroy(&roster, NEW, &id).await.expect(200);
    assert_eq!(
        figures(&roster, team).await,
        [("2026-05-02".into(), 2, 1.5, (1024 + 512) * 3_600_000)]
    );
    // Paused by its owner after a quarter of an hour, and destroyed an hour later.
    let id = made(&roster, NEW, &json!({"template": "base", "memory_mb": 512})).await;
    set_status(&roster, NEW, &id, "running").await.expect(200);
    roster.advance(900);
    set_status(&roster, NEW, &id, "paused").await.expect(200);
    roster.advance(2700);
    destroy(&roster, NEW, &id).await.expect(200);
    assert_eq!(figures(&roster, team).await, [("2026-05-02".into(), 3, 2.0, 2048 * 3_600_000)]);
    roster.check_table().await;
}

#[tokio::test]
async fn gb_hours_are_of_the_day_of_the_destroy_and_what_was_reserved_is_given_back() {
    let roster = Roster::start().await;
    let team = alone_in_tier(&roster, &wide()).await;
    let hour = 1024 * 3_600_000_u64;
    let body = json!({"template": "base", "memory_mb": 1024, "timeout_ms": 4 * 3_600_000});
    // Destroyed on its day: it used one of the four hours that it had reserved.
    let first = made(&roster, NEW, &body).await;
    assert_eq!(figures(&roster, team).await, [("2026-05-02".into(), 1, 0.0, 4 * hour)]);
    set_status(&roster, NEW, &first, "running").await.expect(200);
    roster.advance(3600);
    destroy(&roster, NEW, &first).await.expect(200);
    assert_eq!(figures(&roster, team).await, [("2026-05-02".into(), 1, 1.0, hour)]);
    // Destroyed on the next day, after two hours: these are the next day's.
    roster.advance(TO_MIDNIGHT - 3600 - 61 - 3600);
    let second = made(&roster, NEW, &body).await;
    set_status(&roster, NEW, &second, "running").await.expect(200);
    assert_eq!(figures(&roster, team).await, [("2026-05-02".into(), 2, 1.0, 5 * hour)]);
    roster.advance(7200);
    destroy(&roster, NEW, &second).await.expect(200);
    assert_eq!(
        figures(&roster, team).await,
        [("2026-05-02".into(), 2, 1.0, hour), ("2026-05-03".into(), 0, 2.0, 2 * hour)]
    );
    // Beyond its time: only that is billed, and nothing beyond what it had reserved.
    let third = made(&roster, NEW, &body).await;
    set_status(&roster, NEW, &third, "running").await.expect(200);
    roster.advance(5 * 3600);
    destroy(&roster, NEW, &third).await.expect(200);
    assert_eq!(figures(&roster, team).await[1], ("2026-05-03".into(), 1, 6.0, 6 * hour));
    let shown = detail(&roster, NEW).await["quota_usage"].clone();
    assert_eq!(
        shown,
        json!([
            {"team_id": team, "usage_date": "2026-05-03", "sandbox_creates": 1, "gb_hours": 6.0, "updated_at": roster.now()},
            {"team_id": team, "usage_date": "2026-05-02", "sandbox_creates": 2, "gb_hours": 1.0, "updated_at": shown[1]["updated_at"]},
        ])
    );
    roster.check_table().await;
}

#[tokio::test]
async fn twenty_destroys_at_once_are_billed_once() {
    let roster = Roster::start().await;
    let team = alone_in_tier(&roster, &wide()).await;
    let id = made(&roster, NEW, &json!({"template": "base", "memory_mb": 1024})).await;
    set_status(&roster, NEW, &id, "running").await.expect(200);
    roster.advance(3600);
    let answers = futures::future::join_all((0..20).map(|place| {
        let id = &id;
        let roster = &roster;
        // Pausing comes in between, and bills nothing.
        async move {
            if place == 3 {
                set_status(roster, NEW, id, "paused").await
            } else {
                destroy(roster, NEW, id).await
            }
        }
    }))
    .await;
    for (place, answer) in answers.iter().enumerate() {
        assert!(answer.status == 200 || (place == 3 && answer.status == 409), "{answer:?}");
    }
    assert_eq!(figures(&roster, team).await, [("2026-05-02".into(), 1, 1.0, 1024 * 3_600_000)]);
    let destroyed = log(&roster, NEW)
        .await
        .iter()
        .filter(|entry| entry["action"] == "sandbox.destroyed")
        .count();
    assert_eq!(destroyed, 1);
    roster.check_table().await;
}

#[tokio::test]
async fn a_full_day_refuses_until_midnight_and_counts_nothing() {
    let roster = Roster::start().await;
    let refused =
        unchanged(&roster, creation(&roster, demo::OTHER_ADMIN, &json!({"template": "base"})))
            .await;
    assert_json_snapshot!(refused.snapshot());
    assert_eq!(refused.headers["retry-after"], TO_MIDNIGHT.to_string());
    assert_eq!(
        refused.json()["error"],
        "Daily sandbox create quota exceeded (100/100 for 2026-05-02)"
    );
    // It is the team that has used it up.
    unchanged(&roster, creation(&roster, demo::id(0xb3), &json!({"template": "base"})))
        .await
        .expect(429);
    roster.advance(TO_MIDNIGHT - 1);
    roster.get(ME, demo::id(0xb4)).await.expect(200);
    let late = unchanged(&roster, creation(&roster, demo::id(0xb4), &json!({"template": "base"})))
        .await
        .expect(429);
    assert_eq!(late.headers["retry-after"], "1");
    roster.advance(1);
    create(&roster, demo::OTHER_ADMIN, &json!({"template": "base"})).await.expect(201);
    let days = figures(&roster, demo::OTHER_TEAM).await;
    assert_eq!(
        days.iter().map(|day| (day.0.as_str(), day.1)).collect::<Vec<_>>(),
        [("2026-05-01", 12), ("2026-05-02", 100), ("2026-05-03", 1)]
    );
    roster.check_table().await;
}

#[tokio::test]
async fn as_many_sandboxes_as_the_tier_lets_be_at_one_time() {
    let roster = Roster::start().await;
    alone_in_tier(&roster, &QuotaTier { max_concurrent_sandboxes: 2, ..wide() }).await;
    let body = json!({"template": "base"});
    let (first, second) = (made(&roster, NEW, &body).await, made(&roster, NEW, &body).await);
    set_status(&roster, NEW, &first, "running").await.expect(200);
    set_status(&roster, NEW, &first, "paused").await.expect(200);
    // Paused or starting, they count.
    let refused = unchanged(&roster, creation(&roster, NEW, &body)).await;
    assert_json_snapshot!(refused.snapshot());
    assert!(!refused.headers.contains_key("retry-after"), "nobody knows when there is room");
    destroy(&roster, NEW, &second).await.expect(200);
    made(&roster, NEW, &body).await;
    unchanged(&roster, creation(&roster, NEW, &body)).await.expect(429);
    // Another day changes nothing of it.
    roster.advance(TO_MIDNIGHT);
    roster.get(ME, NEW).await.expect(200);
    unchanged(&roster, creation(&roster, NEW, &body)).await.expect(429);
    roster.check_table().await;
}

#[tokio::test]
async fn a_sandbox_that_may_use_more_gb_hours_than_are_left_is_refused() {
    let roster = Roster::start().await;
    let team = alone_in_tier(&roster, &QuotaTier { daily_gb_hours: 2.5, ..wide() }).await;
    let to_midnight = TO_MIDNIGHT - 61;
    let hours = |hours: f64| json!({"template": "base", "memory_mb": 1024, "timeout_ms": (hours * 3_600_000.0) as u64});
    // More than a whole day's.
    let refused = unchanged(&roster, creation(&roster, NEW, &hours(3.0))).await;
    assert_json_snapshot!(refused.snapshot());
    assert_eq!(refused.headers["retry-after"], to_midnight.to_string());
    let first = made(&roster, NEW, &hours(1.5)).await;
    let refused = unchanged(&roster, creation(&roster, NEW, &hours(1.25))).await.expect(429).json();
    assert_eq!(
        refused["error"],
        "Daily GB-hours quota exceeded (1.5/2.5 for 2026-05-02, used or reserved; this sandbox may use 1.25 more)"
    );
    // Exactly what is left fits; then nothing does, of known size or not.
    made(&roster, NEW, &hours(1.0)).await;
    for body in [
        json!({"template": "base"}),
        json!({"template": "base", "memory_mb": 1, "timeout_ms": 1}),
        hours(1.0),
    ] {
        unchanged(&roster, creation(&roster, NEW, &body)).await.expect(429);
    }
    // What is given back can be had again.
    destroy(&roster, NEW, &first).await.expect(200);
    made(&roster, NEW, &hours(1.5)).await;
    unchanged(&roster, creation(&roster, NEW, &json!({"template": "base"}))).await.expect(429);
    roster.advance(to_midnight);
    made(&roster, NEW, &hours(2.5)).await;
    let days = figures(&roster, team).await;
    assert_eq!(days.iter().map(|day| day.1).collect::<Vec<_>>(), [3, 1]);
    roster.check_table().await;
}

#[tokio::test]
async fn a_tier_of_nothing_lets_nothing_be_made() {
    let roster = Roster::start().await;
    alone_in_tier(&roster, &wide()).await;
    let mut told = Vec::new();
    for (id, tier) in [
        ("none-at-once", QuotaTier { max_concurrent_sandboxes: 0, ..wide() }),
        ("none-a-day", QuotaTier { daily_sandbox_creates: 0, ..wide() }),
        ("no-gb-hours", QuotaTier { daily_gb_hours: 0.0, ..wide() }),
    ] {
        let tier = QuotaTier { id: id.into(), ..tier };
        roster.server.data.store.put(&shared::table::Key::tier(id), &tier).await.expect("a tier");
        roster.advance(61);
        let change = json!({"quota_tier_id": id});
        roster
            .call(Method::PATCH, &format!("{}/quota", of(NEW)), demo::PLATFORM_OPERATOR, &change)
            .await
            .expect(200);
        roster.get(ME, NEW).await.expect(200);
        let answer = unchanged(&roster, creation(&roster, NEW, &json!({"template": "base"})))
            .await
            .expect(429);
        told.push(json!([id, answer.json()["error"]]));
    }
    assert_json_snapshot!(told);
}

/// Holds that of 200 sandboxes made at once for the last 10 places of a tier, 10 are made; and that
/// every refusal names the figure.
async fn race(tier: QuotaTier, body: Value, figure: &str) {
    // One race at a time.
    static RACING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _racing = RACING.lock().await;
    let roster = Roster::start().await;
    let team = alone_in_tier(&roster, &tier).await;
    for _ in 0..5 {
        made(&roster, NEW, &body).await;
    }
    // So many at once may be too much for the machine; whoever is told so tries again, under the
    // same Idempotency-Key.
    let answers = futures::future::join_all((0..200).map(async |place| {
        loop {
            let request =
                creation(&roster, NEW, &body).header("idempotency-key", format!("create {place}"));
            let answer = send(request).await;
            if ![503, 409].contains(&answer.status) {
                return answer;
            }
        }
    }))
    .await;
    assert_eq!(statuses(&answers), [(201, 10), (429, 190)].into(), "{tier:?}");
    for answer in answers.iter().filter(|answer| answer.status == 429) {
        let error = answer.json();
        assert_eq!(error["code"], "QUOTA_EXCEEDED");
        assert!(error["error"].as_str().is_some_and(|error| error.contains(figure)), "{error}");
    }
    assert_eq!(usage(&roster, team).await[0].day.sandbox_creates, 15);
    let sandboxes = roster
        .keys_with("SANDBOX#")
        .await
        .into_iter()
        .filter(|key| key.contains(&NEW.to_string()))
        .count();
    assert_eq!(sandboxes, 15);
    roster.check_table().await;
}

#[tokio::test]
async fn two_hundred_at_once_never_pass_the_limit_of_those_at_one_time() {
    race(
        QuotaTier { max_concurrent_sandboxes: 15, ..wide() },
        json!({"template": "base"}),
        "Concurrent sandbox quota exceeded (15/15)",
    )
    .await;
}

#[tokio::test]
async fn two_hundred_at_once_never_pass_the_days_limit() {
    let figure = "Daily sandbox create quota exceeded (15/15 for 2026-05-02)";
    race(QuotaTier { daily_sandbox_creates: 15, ..wide() }, json!({"template": "base"}), figure)
        .await;
}

#[tokio::test]
async fn two_hundred_at_once_never_pass_the_days_gb_hours() {
    let figure = "Daily GB-hours quota exceeded (7.5/7.75 for 2026-05-02";
    let body = json!({"template": "base", "memory_mb": 512, "timeout_ms": 3_600_000});
    race(QuotaTier { daily_gb_hours: 7.75, ..wide() }, body, figure).await;
}

#[tokio::test]
async fn makes_and_destroys_at_once_leave_the_counts_right() {
    let roster = Roster::start().await;
    let team = alone_in_tier(&roster, &QuotaTier { max_concurrent_sandboxes: 10, ..wide() }).await;
    let body = json!({"template": "base", "memory_mb": 256, "timeout_ms": 60_000});
    let lives = futures::future::join_all((0..60).map(async |_| {
        let answer = create(&roster, NEW, &body).await;
        if answer.status == 201 {
            let id = id_of(&answer);
            set_status(&roster, NEW, &id, "running").await.expect(200);
            destroy(&roster, NEW, &id).await.expect(200);
        }
        answer
    }))
    .await;
    let counts = statuses(&lives);
    let made = counts[&201];
    assert_eq!(made + counts.get(&429).copied().unwrap_or(0), 60, "{counts:?}");
    assert_eq!(figures(&roster, team).await, [("2026-05-02".into(), made as u64, 0.0, 0)]);
    assert_eq!(
        roster
            .items()
            .await
            .iter()
            .find(|item| item["sk"] == "COUNT#SANDBOXES" && item["pk"] == format!("TEAM#{team}"))
            .map(|item| item["sandboxes"].clone()),
        Some(json!(0))
    );
    roster.check_table().await;
}

#[tokio::test]
async fn a_sandbox_is_made_once_for_one_idempotency_key() {
    let roster = Roster::start().await;
    let team = alone_in_tier(&roster, &wide()).await;
    let body = json!({"template": "base"});
    let answers =
        futures::future::join_all((0..8).map(|_| {
            send(creation(&roster, NEW, &body).header("idempotency-key", "the-same-one"))
        }))
        .await;
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    // One whose twin was still running may be told so.
    assert!(
        !made.is_empty() && answers.iter().all(|answer| [201, 409].contains(&answer.status)),
        "{answers:#?}"
    );
    assert!(made.iter().all(|answer| answer.text == made[0].text));
    assert_eq!(figures(&roster, team).await[0].1, 1);
    roster.check_table().await;
}

/// A sandbox as the model of a team's usage knows it.
#[derive(Debug)]
struct Life {
    id: String,
    memory_mb: u64,
    timeout_ms: Option<u64>,
    reserved: u64,
    made_on: String,
    made_at: i64,
    status: &'static str,
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }

    fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }
}

/// Makes, runs, pauses and destroys sandboxes for days, as dice say, and holds every answer and all
/// the figures against a model.
async fn live(seed: u64) {
    let roster = Roster::start().await;
    let tier = QuotaTier {
        max_concurrent_sandboxes: 4,
        daily_sandbox_creates: 12,
        daily_gb_hours: 3.0,
        ..wide()
    };
    let team = alone_in_tier(&roster, &tier).await;
    let limit = 3 * 1024 * 3_600_000_u64;
    let mut dice = Dice(seed);
    let mut lives: Vec<Life> = Vec::new();
    // Sandboxes made, MB × ms billed, MB × ms billed or reserved, by day.
    let mut days: std::collections::BTreeMap<String, (u64, u64, u64)> = Default::default();
    let mut refused = 0;
    for step in 0..160 {
        let (now, today) = (roster.now().as_millisecond(), roster.now().date());
        match dice.below(8) {
            0..=2 => {
                let (memory_mb, timeout_ms) = (
                    dice.of(&[None, Some(256), Some(1024)]),
                    dice.of(&[None, Some(600_000), Some(3_600_000)]),
                );
                let body =
                    json!({"template": "base", "memory_mb": memory_mb, "timeout_ms": timeout_ms});
                let answer = create(&roster, NEW, &body).await;
                let (stated, memory_mb) = (memory_mb, memory_mb.unwrap_or(512));
                let reserved = memory_mb * timeout_ms.unwrap_or(0);
                let day = days.get(&today).copied().unwrap_or_default();
                let at_once = lives.iter().filter(|life| life.status != "destroyed").count();
                let fits = if reserved == 0 { day.2 < limit } else { day.2 + reserved <= limit };
                if at_once < 4 && day.0 < 12 && fits {
                    let id = id_of(&answer);
                    let day = days.entry(today.clone()).or_default();
                    (day.0, day.2) = (day.0 + 1, day.2 + reserved);
                    assert_eq!(answer.json()["memory_mb"], json!(memory_mb), "{stated:?}");
                    let life = Life {
                        id,
                        memory_mb,
                        timeout_ms,
                        reserved,
                        made_on: today,
                        made_at: now,
                        status: "creating",
                    };
                    lives.push(life);
                } else {
                    answer.expect(429);
                    refused += 1;
                }
            }
            3..=4 if !lives.is_empty() => {
                let (place, to) = (dice.below(lives.len()), dice.of(&["running", "paused"]));
                let life = &mut lives[place];
                let answer = set_status(&roster, NEW, &life.id, to).await;
                if life.status == "destroyed" || (life.status, to) == ("creating", "paused") {
                    answer.expect(409);
                } else {
                    assert_eq!(answer.expect(200).json()["status"], to);
                    life.status = to;
                }
            }
            5 if !lives.is_empty() => {
                let place = dice.below(lives.len());
                let life = &mut lives[place];
                assert_eq!(
                    destroy(&roster, NEW, &life.id).await.expect(200).json()["status"],
                    "destroyed"
                );
                if life.status != "destroyed" {
                    let used = life.memory_mb
                        * ((now - life.made_at) as u64).min(life.timeout_ms.unwrap_or(u64::MAX));
                    life.status = "destroyed";
                    let day = days.entry(today).or_default();
                    (day.1, day.2) = (day.1 + used, day.2 + used);
                    days.entry(life.made_on.clone()).or_default().2 -= life.reserved;
                }
            }
            _ => roster.advance(dice.of(&[1, 60, 300, 1800, 7200])),
        }
        if step % 10 == 9 {
            let told = figures(&roster, team).await;
            let exact: Vec<_> = told.iter().map(|day| (day.0.clone(), day.1, day.3)).collect();
            let expected: Vec<_> =
                days.iter().map(|(date, day)| (date.clone(), day.0, day.2)).collect();
            assert_eq!(exact, expected, "seed {seed}, step {step}");
            for (day, (_, billed, _)) in told.iter().zip(days.values()) {
                assert!(
                    (day.2 - *billed as f64 / (1024.0 * 3_600_000.0)).abs() < 1e-9,
                    "seed {seed}, step {step}: {day:?}"
                );
            }
            roster.check_table().await;
        }
    }
    assert!(
        refused > 5 && days.len() > 1,
        "seed {seed} tried little: {refused} refused in {} days",
        days.len()
    );
}

#[tokio::test]
async fn days_of_sandboxes_are_counted_and_billed_as_a_model_says() {
    for seed in [1, 2, 3] {
        live(seed).await;
    }
}
