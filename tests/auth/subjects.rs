//! People whose `sub` is no UUID, as most providers have them: their id comes from it.
//!
//! Found: a `sub` that was no UUID gave 401 everywhere.

use std::sync::Arc;

use functions::App;
use functions::log::NoLog;
use futures::future::join_all;
use local::{demo, import};
use reqwest::Method;
use serde_json::{Value, json};
use tests::direct::Call;
use tests::{Answer, Roster, send, sign};
use uuid::Uuid;

use crate::SIGN_UP;
use crate::forge::{hmac, token};

/// The subjects of Auth0, Clerk, Firebase, and one of a directory behind Keycloak.
const SUBJECTS: [&str; 4] = [
    "auth0|5f7c8ec7c33c6c004bbafe82",
    "user_2NNEqL2nrIRdJ194ndJqAHwEfxC",
    "ZkQ0jRZUPTcKvwFHBvYTNYPLbnF3",
    "f:0f1e2d3c-0000-4000-8000-000000000000:olga",
];

fn claims(roster: &Roster, sub: &str) -> Value {
    let mut claims = roster.claims(Uuid::nil());
    (claims["sub"], claims["email"]) = (sub.into(), format!("{}@example.com", sub.len()).into());
    claims
}

async fn sign_up(roster: &Roster, sub: &str) -> Answer {
    let request = roster.request(Method::POST, SIGN_UP).bearer_auth(sign(&claims(roster, sub)));
    send(request).await
}

async fn me(roster: &Roster, sub: &str) -> Answer {
    let request = roster.request(Method::GET, "/users/me").bearer_auth(sign(&claims(roster, sub)));
    send(request).await
}

/// The installation's namespace of ids.
async fn namespace(roster: &Roster) -> Option<Uuid> {
    let items = roster.items().await;
    let mut found = items.iter().filter(|item| item["pk"] == "PERSON_NAMESPACE");
    let namespace = found.next().map(|item| item["namespace"].as_str().expect("a text"));
    assert!(found.next().is_none(), "there is one at most");
    namespace.map(|namespace| namespace.parse().expect("a UUID"))
}

/// Another process on the same table.
async fn beside(roster: &Roster) -> Arc<App> {
    let mut config = local::config().expect("the defaults make a configuration");
    config.table_name.clone_from(&roster.table);
    let (client, clock) = (roster.server.data.client.clone(), roster.server.app.clock.clone());
    let app = App::new(&config, client, None, Arc::new(NoLog), clock).await;
    Arc::new(app.expect("an application"))
}

#[tokio::test]
async fn a_subject_of_any_form_signs_up_and_is_the_same_person_in_every_process() {
    let roster = Roster::start().await;
    assert_eq!(namespace(&roster).await, None);
    assert_eq!(me(&roster, SUBJECTS[0]).await.status, 401, "nobody yet");
    assert_eq!(namespace(&roster).await, None, "who is let in nowhere makes nothing");
    for sub in SUBJECTS {
        sign_up(&roster, sub).await.expect(201);
    }
    let namespace = namespace(&roster).await.expect("a namespace");
    assert_eq!(namespace.get_version_num(), 4, "a random one");
    let other = beside(&roster).await;
    for sub in SUBJECTS {
        let id = Uuid::new_v5(&namespace, sub.as_bytes());
        assert_eq!(me(&roster, sub).await.expect(200).json()["id"], id.to_string(), "{sub}");
        let call = Call::new(Method::GET, "/users/me").credential(&sign(&claims(&roster, sub)));
        let (answer, _) = call.send(&other).await;
        assert_eq!(answer.expect(200).json()["id"], id.to_string(), "{sub} in another process");
        sign_up(&roster, sub).await.expect(200);
    }
    assert_eq!(me(&roster, "auth0|nobody").await.status, 401);
    roster.check_table().await;
}

#[tokio::test]
async fn a_uuid_of_36_characters_alone_is_an_id_itself() {
    let roster = Roster::start().await;
    let admin = demo::ADMIN.to_string();
    for same in [admin.clone(), admin.to_uppercase()] {
        assert_eq!(me(&roster, &same).await.expect(200).json()["id"], admin);
    }
    assert_eq!(namespace(&roster).await, None, "it takes none");
    let simple = demo::ADMIN.simple().to_string();
    let others = [simple, format!("{{{admin}}}"), format!("urn:uuid:{admin}"), format!(" {admin}")];
    for other in others {
        assert_eq!(me(&roster, &other).await.status, 401, "{other:?}");
        let made = sign_up(&roster, &other).await.expect(201);
        assert!(!made.text.contains(&admin), "{other:?}: {made:?}");
    }
}

#[tokio::test]
async fn sign_ups_of_the_same_moment_in_several_processes_make_one_namespace() {
    let roster = Roster::start().await;
    let apps = join_all((0..6).map(|_| beside(&roster))).await;
    let sign_ups = apps.iter().enumerate().map(|(number, app)| {
        let sub = format!("auth0|{}", "x".repeat(number + 1));
        let token = sign(&claims(&roster, &sub));
        async move {
            let call = Call::new(Method::POST, SIGN_UP).credential(&token);
            call.send(app).await.0.expect(201);
            sub
        }
    });
    let subs = join_all(sign_ups).await;
    let namespace = namespace(&roster).await.expect("a namespace");
    for sub in subs {
        let id = Uuid::new_v5(&namespace, sub.as_bytes());
        assert!(roster.user(id).await.is_some(), "{sub}");
        assert_eq!(me(&roster, &sub).await.status, 200);
    }
}

#[tokio::test]
async fn only_a_good_token_costs_a_read_and_only_once_in_a_process() {
    let roster = Roster::start().await;
    let sub = SUBJECTS[0];
    let now = roster.now().as_second();
    let header = json!({"alg": "HS256"});
    let mut bad = vec![token(&header, claims(&roster, sub).to_string().as_bytes(), |message| {
        hmac(aws_lc_rs::hmac::HMAC_SHA256, b"another-secret-of-more-than-32-bytes", message)
    })];
    for (name, value) in [
        ("iss", json!("http://localhost/other")),
        ("aud", json!("anon")),
        ("exp", json!(now - 31)),
        ("nbf", json!(now + 31)),
        ("role", json!("anon")),
        ("is_anonymous", json!(true)),
    ] {
        let mut claims = claims(&roster, sub);
        claims[name] = value;
        bad.push(sign(&claims));
    }
    for path in ["/users/me", SIGN_UP] {
        let method = if path == SIGN_UP { Method::POST } else { Method::GET };
        for token in &bad {
            let answer = send(roster.request(method.clone(), path).bearer_auth(token)).await;
            assert_eq!((answer.status, answer.cost().calls), (401, 0), "{answer:?}");
        }
    }
    sign_up(&roster, sub).await.expect(201);
    // That they were seen is noted once.
    me(&roster, sub).await.expect(200);
    let by_uuid = roster.get("/users/me", demo::VIEWER).await.expect(200).cost();
    let by_subject = me(&roster, sub).await.expect(200).cost();
    assert_eq!(by_subject.calls, by_uuid.calls);
}

#[tokio::test]
async fn the_import_gives_the_ids_that_tokens_have() {
    let roster = Roster::start().await;
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("users.jsonl");
    let line = |sub: &str| json!({"id": sub, "email": format!("{}@example.com", sub.len())});
    let lines: Vec<String> = SUBJECTS[..3].iter().map(|sub| line(sub).to_string()).collect();
    std::fs::write(&path, lines.join("\n")).expect("a file");
    for (imported, present) in [(3, 0), (0, 3)] {
        let data = &roster.server.data;
        let report = import::file(data, &path, &import::Options::new(demo::TEAM), roster.now())
            .await
            .expect("an import");
        assert_eq!((report.imported, report.present, report.refused), (imported, present, 0));
    }
    let namespace = namespace(&roster).await.expect("a namespace");
    for sub in &SUBJECTS[..3] {
        let id = Uuid::new_v5(&namespace, sub.as_bytes());
        assert_eq!(me(&roster, sub).await.expect(200).json()["id"], id.to_string(), "{sub}");
    }
    // Whoever signs up later stands in the same namespace.
    sign_up(&roster, SUBJECTS[3]).await.expect(201);
    let id = Uuid::new_v5(&namespace, SUBJECTS[3].as_bytes());
    assert!(roster.user(id).await.is_some());
    roster.check_table().await;
}
