//! Deleting an account, taking that back, and erasing it for good.

use insta::assert_json_snapshot;
use local::demo;
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};
use shared::models::{Sandbox, SandboxStatus, Status, User};
use shared::table::Key;
use tests::checks::{
    DELETED, INVITED, NOBODY, SUSPENDED, bad_credentials, changes, key, refusals, unchanged,
};
use tests::{Answer, Roster, send};
use uuid::Uuid;

use crate::{
    ACCOUNT, ME, NEW, bare, detail, log, new_key, of, sign_up, status_by, statuses, user, with_text,
};

const RESTORE: &str = "/v1/account/restore";
const DAY: i64 = 86_400;

async fn delete_own(roster: &Roster, caller: Uuid) -> Answer {
    roster.delete(ACCOUNT, caller).await
}

async fn restore_own(roster: &Roster, caller: Uuid) -> Answer {
    send(bare(roster, Method::POST, RESTORE, caller)).await
}

/// A hard delete by the platform operator, as a request.
fn erasure(roster: &Roster, user: impl std::fmt::Display) -> RequestBuilder {
    bare(roster, Method::DELETE, &of(user), demo::PLATFORM_OPERATOR)
}

async fn erase(roster: &Roster, user: Uuid) -> Answer {
    send(erasure(roster, user)).await
}

/// The texts of the items that contain a text, but for those of one history.
async fn items_with(roster: &Roster, text: &str, but_of: Uuid) -> Vec<String> {
    let history = format!("AUDIT#{but_of}");
    let items = roster.items().await.into_iter().filter(|item| item["pk"] != history.as_str());
    items.map(|item| json!(item).to_string()).filter(|item| item.contains(text)).collect()
}

#[tokio::test]
async fn a_credential_that_fails_is_refused_by_every_endpoint_alike() {
    let (of_user, of_nobody) = (of(DELETED), of("not-a-uuid"));
    assert_json_snapshot!(
        refusals(&[
            (Method::DELETE, &of_user),
            (Method::DELETE, &of_nobody),
            (Method::DELETE, ACCOUNT)
        ])
        .await
    );
}

#[tokio::test]
async fn only_platform_operators_erase_and_nobody_else_learns_whom() {
    let roster = Roster::start().await;
    let before = roster.items().await;
    let refused = send(bare(&roster, Method::DELETE, &of(DELETED), demo::ADMIN)).await;
    assert_json_snapshot!(refused.snapshot());
    let tokens = [demo::ADMIN, demo::OPERATOR_VIEW_ALL, demo::VIEWER, demo::OTHER_ADMIN]
        .map(|caller| roster.token(caller));
    let keys = [key(demo::ADMIN, 1), key(demo::PLATFORM_OPERATOR, 2)];
    for credential in tokens.into_iter().chain(keys) {
        for path in [of(DELETED), of(demo::VIEWER), of(NOBODY), of("not-a-uuid")] {
            let request =
                roster.request(Method::DELETE, &path).bearer_auth(&credential).body("no JSON");
            assert_eq!(send(request).await.snapshot(), refused.snapshot(), "{path}");
        }
    }
    // The keys were seen: nothing else changed.
    let told: Vec<_> = changes(&before, &roster.items().await)
        .into_iter()
        .filter(|change| !change.contains("last_used_at"))
        .collect();
    assert_eq!(told, [""; 0]);
    send(roster.request(Method::DELETE, &of(DELETED)).bearer_auth(key(demo::PLATFORM_OPERATOR, 1)))
        .await
        .expect(200);
    roster.check_table().await;
}

#[tokio::test]
async fn an_unknown_account_is_not_found_and_so_is_what_is_no_id() {
    let roster = Roster::start().await;
    let unknown = unchanged(&roster, erasure(&roster, NOBODY)).await;
    assert_json_snapshot!(unknown.snapshot());
    for id in ["not-a-uuid", "me", "00000000000040008000000000000110", "%20"] {
        assert_eq!(
            unchanged(&roster, erasure(&roster, id)).await.snapshot(),
            unknown.snapshot(),
            "{id}"
        );
    }
}

#[tokio::test]
async fn an_account_is_erased_only_after_it_was_deleted() {
    let roster = Roster::start().await;
    let refused = unchanged(&roster, erasure(&roster, demo::VIEWER)).await;
    assert_json_snapshot!(refused.snapshot());
    for id in [INVITED, SUSPENDED, demo::ADMIN, demo::PLATFORM_OPERATOR] {
        assert_eq!(
            unchanged(&roster, erasure(&roster, id)).await.snapshot(),
            refused.snapshot(),
            "{id}"
        );
    }
}

#[tokio::test]
async fn a_wrong_reason_or_body_erases_nobody() {
    let roster = Roster::start().await;
    let mut told = Vec::new();
    for (name, body) in [
        ("1,001 characters", json!({"reason": "x".repeat(1001)}).to_string()),
        ("empty", r#"{"reason": ""}"#.to_owned()),
        ("blank", r#"{"reason": "  "}"#.to_owned()),
        ("a number", r#"{"reason": 7}"#.to_owned()),
        ("a list", "[]".to_owned()),
        ("null", "null".to_owned()),
        ("no JSON", "reason=spam".to_owned()),
    ] {
        let request =
            with_text(&roster, Method::DELETE, &of(DELETED), demo::PLATFORM_OPERATOR, body);
        let answer = unchanged(&roster, request).await.expect(422).json();
        told.push(json!([name, answer["code"], answer["error"]]));
    }
    assert_json_snapshot!(told);
}

#[tokio::test]
async fn sandboxes_that_are_not_destroyed_must_go_first() {
    let roster = Roster::start().await;
    delete_own(&roster, demo::ADMIN).await.expect(202);
    let refused = unchanged(&roster, erasure(&roster, demo::ADMIN)).await;
    assert_json_snapshot!(refused.snapshot());
    restore_own(&roster, demo::ADMIN).await.expect(200);
    let sandboxes: Vec<Sandbox> =
        serde_json::from_value(detail(&roster, demo::ADMIN).await["sandboxes"].clone())
            .expect("sandboxes");
    for sandbox in &sandboxes {
        roster.delete(&format!("/v1/sandboxes/{}", sandbox.id), demo::ADMIN).await.expect(200);
    }
    delete_own(&roster, demo::ADMIN).await.expect(202);
    erase(&roster, demo::ADMIN).await.expect(200);
    assert_eq!(roster.user(demo::ADMIN).await, None);
    roster.check_table().await;
}

#[tokio::test]
async fn a_sandbox_older_than_the_hundred_that_are_shown_must_go_first_as_well() {
    let roster = Roster::start().await;
    let store = &roster.server.data.store;
    for place in 0..=100 {
        let running = place == 0;
        let sandbox = Sandbox {
            id: format!("sbx_{place:016x}"),
            user_id: DELETED,
            template: "base".into(),
            status: if running { SandboxStatus::Running } else { SandboxStatus::Destroyed },
            created_at: roster.now(),
            updated_at: roster.now(),
            metadata: Default::default(),
            started_at: None,
            destroyed_at: (!running).then(|| roster.now()),
            cpu_count: None,
            memory_mb: None,
            disk_mb: None,
            timeout_ms: None,
        };
        store.put(&Key::sandbox(DELETED, &sandbox.id), &sandbox).await.expect("a sandbox");
    }
    store.put(&Key::sandbox_count(demo::TEAM), &json!({"sandboxes": 9})).await.expect("a count");
    store
        .put(&Key::own_sandbox_count(DELETED), &json!({"sandboxes": 1, "reserved_mb_ms": 0}))
        .await
        .expect("a count");
    let answer = unchanged(&roster, erasure(&roster, DELETED)).await.expect(409).json();
    assert_eq!(answer["code"], "account_hard_delete_active_resources");
    roster.check_table().await;
}

#[tokio::test]
async fn nothing_is_left_of_who_is_erased_but_a_history_of_ids() {
    let roster = Roster::start().await;
    let id = demo::VIEWER;
    // Everything that one can have.
    let whole =
        json!({"display_name": "Sunny Side", "avatar_url": "https://avatars.example/sunny.png"});
    roster.call(Method::PATCH, ME, id, &whole).await.expect(200);
    let secret = roster
        .call(Method::POST, "/v1/keys", id, &json!({"name": "sunny laptop"}))
        .await
        .expect(201)
        .json()["key"]
        .clone();
    let secret = secret.as_str().expect("a text").to_owned();
    send(bare(&roster, Method::POST, "/v1/keys/default", id)).await.expect(201);
    let body = json!({"template": "sunny-template", "metadata": {"job": "sunny-job"}});
    let request = bare(&roster, Method::POST, "/v1/sandboxes", id)
        .header("idempotency-key", "sunny-request")
        .json(&body);
    let sandbox = send(request).await.expect(201).json()["id"].as_str().expect("an id").to_owned();
    roster.delete(&format!("/v1/sandboxes/{sandbox}"), id).await.expect(200);
    // Viewers manage nobody.
    roster
        .call(Method::PUT, "/api/admin/user-admin/4", demo::ADMIN, &json!({"rootRole": 2}))
        .await
        .expect(200);
    let managed = json!({"first_name": "Sunnychild", "last_name": null});
    let managed =
        roster.call(Method::POST, "/api/v1/users/", id, &managed).await.expect(200).json()["id"]
            .clone();
    let managed: Uuid = managed.as_str().and_then(|id| id.parse().ok()).expect("an id");
    let record = user(&roster, id).await;
    delete_own(&roster, id).await.expect(202);

    roster.advance(60);
    let request = with_text(
        &roster,
        Method::DELETE,
        &of(id),
        demo::PLATFORM_OPERATOR,
        r#"{"reason": "Asked for by letter."}"#,
    );
    let answer = send(request).await;
    assert_json_snapshot!(answer.snapshot());

    let hash = shared::auth::api_key::hash(&secret).expect("a key");
    let personal = [
        record.email.expect("an email"),
        record.name.expect("a name"),
        "dara".to_owned(),
        "unny".to_owned(),
        secret[12..].to_owned(),
        hash,
        sandbox,
    ];
    for text in personal {
        assert_eq!(items_with(&roster, &text, id).await, [""; 0], "{text}");
    }
    // The id stands in histories alone: as that of a history, of who did something, of whom
    // something was done with.
    for id in [id, managed] {
        let named: Vec<_> = roster
            .items()
            .await
            .into_iter()
            .filter(|item| json!(item).to_string().contains(&id.to_string()))
            .collect();
        let elsewhere: Vec<_> = named
            .iter()
            .filter(|item| !item["pk"].as_str().is_some_and(|pk| pk.starts_with("AUDIT#")))
            .collect();
        assert!(elsewhere.is_empty(), "{elsewhere:#?}");
    }
    let history = log(&roster, id).await;
    let text = json!(history).to_string();
    for personal in ["Dara", "dara", "unny", &secret[12..]] {
        assert!(!text.contains(personal), "{personal} in {text}");
    }
    let told: Vec<_> = history
        .iter()
        .map(|entry| {
            let told =
                entry["changes"].as_object().expect("changes").iter().map(|(name, change)| {
                    let set = change["before"] != Value::Null || change["after"] != Value::Null;
                    format!("{name}{}", if set { "" } else { " (taken away)" })
                });
            json!([entry["action"], entry["actor_id"], entry["reason"], told.collect::<Vec<_>>()])
        })
        .collect();
    assert_json_snapshot!("history", told);
    let of_managed: Vec<_> =
        log(&roster, managed).await.iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(of_managed, ["user.erased", "user.deleted", "user.created"]);

    assert_eq!(erase(&roster, id).await.expect(404).json()["code"], "account_not_found");
    roster.get(&of(id), demo::PLATFORM_OPERATOR).await.expect(404);
    roster.get(ME, id).await.expect(401);
    restore_own(&roster, id).await.expect(401);
    assert_eq!(status_by(&roster, &secret).await, 401);
    roster.check_table().await;
}

#[tokio::test]
async fn the_reason_for_erasing_goes_with_the_user() {
    let roster = Roster::start().await;
    let long = "é".repeat(1000);
    let others: Vec<Uuid> = [0x110, 0x111].map(demo::id).to_vec();
    for (id, body) in [(others[0], json!({"reason": long})), (others[1], json!({"reason": null}))] {
        assert_eq!(user(&roster, id).await.status, Status::Deleted);
        roster.advance(5);
        let request =
            with_text(&roster, Method::DELETE, &of(id), demo::PLATFORM_OPERATOR, body.to_string());
        assert_eq!(send(request).await.expect(200).json(), json!({"deleted": true, "user_id": id}));
        let newest = log(&roster, id).await[0].clone();
        assert_eq!(
            (
                &newest["action"],
                &newest["reason"],
                &newest["actor_id"],
                &newest["at"],
                &newest["changes"]
            ),
            (
                &json!("user.erased"),
                &Value::Null,
                &json!(demo::PLATFORM_OPERATOR),
                &json!(roster.now()),
                &json!({})
            )
        );
    }
    roster.check_table().await;
}

#[tokio::test]
async fn who_was_alone_takes_the_team_along_and_may_sign_up_again() {
    let roster = Roster::start().await;
    let claims = json!({"email": "nova@example.com"});
    let team = sign_up(&roster, NEW, &claims).await.expect(201).json()["team"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    roster.call(Method::POST, "/v1/sandboxes", NEW, &json!({"template": "base"})).await.expect(201);
    let sandbox =
        detail(&roster, NEW).await["sandboxes"][0]["id"].as_str().expect("an id").to_owned();
    roster.delete(&format!("/v1/sandboxes/{sandbox}"), NEW).await.expect(200);
    assert!(!roster.keys_with(&team).await.is_empty());
    delete_own(&roster, NEW).await.expect(202);
    assert_eq!(sign_up(&roster, NEW, &claims).await.expect(403).json()["code"], "account_deleted");
    erase(&roster, NEW).await.expect(200);
    assert_eq!(roster.keys_with(&team).await, [""; 0]);
    roster.check_table().await;
    let again = sign_up(&roster, NEW, &claims).await.expect(201).json();
    assert_ne!(again["team"]["id"], team);
    roster.check_table().await;
}

#[tokio::test]
async fn a_manager_takes_the_managed_users_along() {
    let roster = Roster::start().await;
    delete_own(&roster, demo::MANAGER).await.expect(202);
    for id in [0x61, 0x62, 0x63, 0x64] {
        assert_eq!(
            user(&roster, demo::id(id)).await.status,
            Status::Active,
            "until the account is erased"
        );
    }
    erase(&roster, demo::MANAGER).await.expect(200);
    for id in [0x61, 0x62, 0x63, 0x64] {
        assert_eq!(roster.user(demo::id(id)).await, None);
    }
    assert_eq!(
        roster
            .keys_with(&demo::MANAGER.to_string())
            .await
            .iter()
            .filter(|key| !key.starts_with("AUDIT#"))
            .count(),
        0
    );
    roster.check_table().await;
}

#[tokio::test]
async fn of_twenty_erasures_at_once_one_erases() {
    let roster = Roster::start().await;
    let answers = futures::future::join_all((0..20).map(|_| erase(&roster, DELETED))).await;
    let mut deleted = 0;
    for answer in &answers {
        match answer.status {
            200 if answer.json()["deleted"] == true => deleted += 1,
            200 => {
                let reason = "The account was restored, or erased by someone else, meanwhile.";
                assert_eq!(
                    answer.json(),
                    json!({"deleted": false, "user_id": DELETED, "blocked_reason": reason})
                );
            }
            status => assert_eq!(status, 404, "{answer:?}"),
        }
    }
    assert_eq!(deleted, 1, "{answers:#?}");
    let actions: Vec<_> = log(&roster, DELETED)
        .await
        .iter()
        .filter(|entry| entry["action"] == "user.erased")
        .cloned()
        .collect();
    assert_eq!(actions.len(), 1);
    roster.check_table().await;
}

#[tokio::test]
async fn who_is_erased_and_restored_at_once_is_gone_or_there_as_a_whole() {
    let roster = Roster::start().await;
    for round in 0..10 {
        let sub = demo::id(0xe10 + round);
        sign_up(&roster, sub, &json!({"email": format!("nova{round}@example.com")}))
            .await
            .expect(201);
        delete_own(&roster, sub).await.expect(202);
        let (erased, restored) = tokio::join!(erase(&roster, sub), restore_own(&roster, sub));
        let is_there = roster.user(sub).await.is_some_and(|user| user.status == Status::Active);
        assert_eq!(is_there, restored.status == 200, "{erased:?} {restored:?}");
        match erased.status {
            200 => assert_eq!(erased.json()["deleted"], !is_there, "{erased:?} {restored:?}"),
            status => assert_eq!((status, is_there), (409, true), "{erased:?} {restored:?}"),
        }
        roster.check_table().await;
    }
}

#[tokio::test]
async fn who_deletes_the_account_is_refused_from_then_on() {
    let roster = Roster::start().await;
    let keys = [key(demo::ADMIN, 1), key(demo::ADMIN, 4), new_key(&roster, demo::ADMIN).await];
    for key in &keys {
        assert_eq!(status_by(&roster, key).await, 200);
    }
    let before = user(&roster, demo::ADMIN).await;
    roster.advance(60);
    let answer = delete_own(&roster, demo::ADMIN).await;
    assert_json_snapshot!(answer.snapshot());
    let expected = User {
        status: Status::Deleted,
        soft_deleted_at: Some(roster.now()),
        delete_scheduled_at: Some(roster.now().plus_seconds(30 * DAY)),
        deleted_by: Some(demo::ADMIN),
        deleted_from: Some(Status::Active),
        updated_at: roster.now(),
        version: before.version + 1,
        ..before
    };
    assert_eq!(user(&roster, demo::ADMIN).await, expected);
    assert_eq!(answer.json()["scheduled_hard_delete_at"], json!(expected.delete_scheduled_at));
    let account = detail(&roster, demo::ADMIN).await;
    for key in account["api_keys"].as_array().expect("keys") {
        assert_eq!(key["is_active"], false, "{key}");
        assert!(!key["revoked_at"].is_null(), "{key}");
    }
    let newest = log(&roster, demo::ADMIN).await[0].clone();
    assert_json_snapshot!(
        "the_history",
        [&newest["action"], &newest["actor_id"], &newest["changes"]]
    );
    roster.check_table().await;

    // By token and by key, at every endpoint.
    let refused = roster.get(ME, demo::ADMIN).await.expect(403);
    assert_eq!(refused.json()["code"], "account_deleted");
    let (own, quota, one) =
        (of(demo::ADMIN), format!("{}/quota", of(demo::ADMIN)), "/v1/sandboxes/sbx_1");
    for (method, path) in [
        (Method::GET, ME),
        (Method::PATCH, ME),
        (Method::POST, ACCOUNT),
        (Method::DELETE, ACCOUNT),
        (Method::GET, "/v1/account/export"),
        (Method::GET, "/v1/keys"),
        (Method::POST, "/v1/keys"),
        (Method::POST, "/v1/keys/default"),
        (Method::DELETE, "/v1/keys/00000000-0000-4000-8000-00000000f201"),
        (Method::POST, "/v1/keys/00000000-0000-4000-8000-00000000f201/rotate"),
        (Method::POST, "/v1/sandboxes"),
        (Method::PATCH, one),
        (Method::DELETE, one),
        (Method::GET, "/v1/admin/users"),
        (Method::GET, own.as_str()),
        (Method::PATCH, quota.as_str()),
        (Method::DELETE, own.as_str()),
        (Method::GET, "/v1/admin/quota-tiers"),
    ] {
        let answer = unchanged(&roster, bare(&roster, method.clone(), path, demo::ADMIN)).await;
        assert_eq!(answer.snapshot(), refused.snapshot(), "{method} {path}");
        for key in &keys {
            send(roster.request(method.clone(), path).bearer_auth(key)).await.expect(401);
        }
    }
    // To the other contracts it is a credential that fails.
    for path in ["/api/v1/admin_user", "/api/admin/user-admin", "/api/v1/users/", "/users/me"] {
        assert_eq!(roster.get(path, demo::ADMIN).await.status, 401, "{path}");
        for key in &keys {
            send(roster.request(Method::GET, path).bearer_auth(key)).await.expect(401);
        }
    }
}

#[tokio::test]
async fn more_keys_than_one_write_takes_are_all_revoked() {
    let roster = Roster::start_with(|options| options.config.caps.active_keys = 1000).await;
    let keys = futures::future::join_all((0..95).map(|_| new_key(&roster, demo::VIEWER))).await;
    delete_own(&roster, demo::VIEWER).await.expect(202);
    for key in &keys {
        assert_eq!(status_by(&roster, key).await, 401);
    }
    let account = detail(&roster, demo::VIEWER).await;
    assert!(
        account["api_keys"].as_array().expect("keys").iter().all(|key| key["is_active"] == false)
    );
    roster.check_table().await;
}

#[tokio::test]
async fn a_key_made_while_the_account_is_deleted_does_not_outlive_it() {
    let roster = Roster::start().await;
    for round in 0..5 {
        let sub = demo::id(0xe10 + round);
        sign_up(&roster, sub, &json!({"email": format!("nova{round}@example.com")}))
            .await
            .expect(201);
        let body = json!({});
        let makes = futures::future::join_all(
            (0..8).map(|_| roster.call(Method::POST, "/v1/keys", sub, &body)),
        );
        let (made, deleted) = tokio::join!(makes, delete_own(&roster, sub));
        deleted.expect(202);
        for answer in made {
            match answer.status {
                201 => assert_eq!(
                    status_by(&roster, answer.json()["key"].as_str().expect("a text")).await,
                    401
                ),
                status => assert_eq!(status, 403, "{answer:?}"),
            }
        }
        let account = detail(&roster, sub).await;
        assert!(
            account["api_keys"]
                .as_array()
                .expect("keys")
                .iter()
                .all(|key| key["is_active"] == false),
            "{account}"
        );
        roster.check_table().await;
    }
}

#[tokio::test]
async fn a_key_deletes_and_restores_no_account() {
    let roster = Roster::start().await;
    for (method, path) in [(Method::DELETE, ACCOUNT), (Method::POST, RESTORE)] {
        for secret in [key(demo::PLATFORM_OPERATOR, 1), key(demo::ADMIN, 4)] {
            let answer =
                unchanged(&roster, roster.request(method.clone(), path).bearer_auth(secret))
                    .await
                    .expect(401);
            assert_json_snapshot!("by_key", answer.snapshot());
        }
    }
}

#[tokio::test]
async fn the_last_administrator_of_others_stays() {
    let roster = Roster::start().await;
    let request = bare(&roster, Method::DELETE, ACCOUNT, demo::OTHER_ADMIN);
    assert_json_snapshot!(unchanged(&roster, request).await.snapshot());
    // Someone else who administers the team lets the first one go, and is the last then.
    roster
        .call(Method::PUT, "/api/admin/user-admin/3", demo::OTHER_ADMIN, &json!({"rootRole": 1}))
        .await
        .expect(200);
    delete_own(&roster, demo::OTHER_ADMIN).await.expect(202);
    let other = demo::id(0xb4);
    unchanged(&roster, bare(&roster, Method::DELETE, ACCOUNT, other)).await.expect(409);
    // Whoever administers nothing may go.
    for id in [0xb3, 0xb5] {
        delete_own(&roster, demo::id(id)).await.expect(202);
    }
    // One is left who is suspended: a person all the same.
    unchanged(&roster, bare(&roster, Method::DELETE, ACCOUNT, other)).await.expect(409);
    roster.delete("/api/admin/user-admin/5", other).await.expect(200);
    delete_own(&roster, other).await.expect(202);
    roster.check_table().await;
}

#[tokio::test]
async fn of_two_administrators_who_leave_at_once_one_stays() {
    let roster = Roster::start().await;
    let other = demo::id(0xb4);
    roster
        .call(Method::PUT, "/api/admin/user-admin/3", demo::OTHER_ADMIN, &json!({"rootRole": 1}))
        .await
        .expect(200);
    for round in 0..5 {
        let (one, two) =
            tokio::join!(delete_own(&roster, demo::OTHER_ADMIN), delete_own(&roster, other));
        assert_eq!(statuses(&[one.clone(), two]), [(202, 1), (409, 1)].into(), "{round}");
        let gone = if one.status == 202 { demo::OTHER_ADMIN } else { other };
        restore_own(&roster, gone).await.expect(200);
        roster.check_table().await;
    }
}

#[tokio::test]
async fn who_is_alone_in_the_team_may_leave() {
    let roster = Roster::start().await;
    sign_up(&roster, NEW, &json!({"email": "nova@example.com"})).await.expect(201);
    // Those whom one manages oneself are nobody else.
    roster
        .call(Method::POST, "/api/v1/users/", NEW, &json!({"first_name": "Ole", "last_name": null}))
        .await
        .expect(200);
    delete_own(&roster, NEW).await.expect(202);
    roster.check_table().await;
    restore_own(&roster, NEW).await.expect(200);
    // Someone who is invited counts: they may sign up at any time.
    let invited = json!({"email": "ole@example.com", "rootRole": 3});
    roster.call(Method::POST, "/api/admin/user-admin", NEW, &invited).await.expect(201);
    unchanged(&roster, bare(&roster, Method::DELETE, ACCOUNT, NEW)).await.expect(409);
    delete_own(&roster, demo::PLATFORM_OPERATOR).await.expect(202);
    roster.check_table().await;
}

#[tokio::test]
async fn a_delete_is_undone_before_its_date_and_keys_stay_revoked() {
    let roster = Roster::start().await;
    let before = user(&roster, demo::ADMIN).await;
    delete_own(&roster, demo::ADMIN).await.expect(202);
    roster.advance(30 * DAY - 1);
    let answer = restore_own(&roster, demo::ADMIN).await.expect(200);
    assert_json_snapshot!(answer.snapshot()["headers"]);
    assert_eq!(answer.json(), roster.get(ME, demo::ADMIN).await.expect(200).json());
    let after = user(&roster, demo::ADMIN).await;
    let seen = after.last_seen.clone();
    assert_eq!(
        after,
        User { updated_at: roster.now(), version: before.version + 2, last_seen: seen, ..before }
    );
    assert_eq!(status_by(&roster, &key(demo::ADMIN, 1)).await, 401);
    let account = detail(&roster, demo::ADMIN).await;
    assert!(
        account["api_keys"].as_array().expect("keys").iter().all(|key| key["is_active"] == false)
    );
    let newest = log(&roster, demo::ADMIN).await[0].clone();
    assert_eq!(
        (&newest["action"], &newest["actor_id"]),
        (&json!("user.restored"), &json!(demo::ADMIN))
    );
    new_key(&roster, demo::ADMIN).await;
    roster.check_table().await;
    // It is deleted no more.
    assert_eq!(
        restore_own(&roster, demo::ADMIN).await.expect(409).json()["code"],
        "account_not_soft_deleted"
    );
}

#[tokio::test]
async fn the_demo_account_that_was_deleted_is_restored() {
    let roster = Roster::start().await;
    let answer = restore_own(&roster, DELETED).await.expect(200);
    assert_json_snapshot!(answer.json()["user"]);
    roster.check_table().await;
}

#[tokio::test]
async fn what_is_not_deleted_is_not_restored() {
    let roster = Roster::start().await;
    let refused = unchanged(&roster, bare(&roster, Method::POST, RESTORE, demo::VIEWER)).await;
    assert_json_snapshot!(refused.snapshot());
    for id in [INVITED, demo::PLATFORM_OPERATOR] {
        assert_eq!(
            unchanged(&roster, bare(&roster, Method::POST, RESTORE, id)).await.snapshot(),
            refused.snapshot(),
            "{id}"
        );
    }
    let suspended =
        unchanged(&roster, bare(&roster, Method::POST, RESTORE, SUSPENDED)).await.expect(403);
    assert_eq!(suspended.json()["code"], "auth_locked");
    let before = roster.items().await;
    for (name, authorization) in bad_credentials(&roster) {
        let mut request = roster.request(Method::POST, RESTORE);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        if !["a suspended user", "a deleted user"].contains(&name) {
            assert_eq!(send(request).await.status, 401, "{name}");
        }
    }
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
}

#[tokio::test]
async fn whom_someone_else_deleted_only_an_operator_restores() {
    let roster = Roster::start().await;
    roster.delete("/api/admin/user-admin/4", demo::ADMIN).await.expect(200);
    let request = bare(&roster, Method::POST, RESTORE, demo::VIEWER);
    assert_json_snapshot!(unchanged(&roster, request).await.snapshot());
    send(bare(
        &roster,
        Method::POST,
        &format!("{}/restore", of(demo::VIEWER)),
        demo::PLATFORM_OPERATOR,
    ))
    .await
    .expect(200);
    roster.get(ME, demo::VIEWER).await.expect(200);
    assert_eq!(user(&roster, demo::VIEWER).await.deleted_by, None);
    // Who leaves by themselves after that comes back by themselves.
    delete_own(&roster, demo::VIEWER).await.expect(202);
    restore_own(&roster, demo::VIEWER).await.expect(200);
    roster.check_table().await;
}

#[tokio::test]
async fn once_the_date_has_come_nobody_restores_the_account() {
    let roster = Roster::start().await;
    delete_own(&roster, demo::VIEWER).await.expect(202);
    roster.advance(30 * DAY);
    let refused = unchanged(&roster, bare(&roster, Method::POST, RESTORE, demo::VIEWER)).await;
    assert_json_snapshot!(refused.snapshot());
    roster.get(ME, demo::PLATFORM_OPERATOR).await.expect(200);
    let request = bare(
        &roster,
        Method::POST,
        &format!("{}/restore", of(demo::VIEWER)),
        demo::PLATFORM_OPERATOR,
    );
    assert_eq!(unchanged(&roster, request).await.snapshot(), refused.snapshot());
    erase(&roster, demo::VIEWER).await.expect(200);
    roster.check_table().await;
}

#[tokio::test]
async fn who_was_suspended_or_invited_when_deleted_is_so_when_restored() {
    let roster = Roster::start().await;
    for (id, status) in
        [(SUSPENDED, Status::Suspended), (INVITED, Status::Invited), (demo::VIEWER, Status::Active)]
    {
        let before = user(&roster, id).await;
        assert_eq!(before.status, status);
        roster
            .delete(&format!("/api/admin/user-admin/{}", before.number), demo::ADMIN)
            .await
            .expect(200);
        send(bare(&roster, Method::POST, &format!("{}/restore", of(id)), demo::PLATFORM_OPERATOR))
            .await
            .expect(200);
        assert_eq!(
            user(&roster, id).await,
            User { updated_at: roster.now(), version: before.version + 2, ..before }
        );
        roster.check_table().await;
    }
    assert_eq!(roster.get(ME, SUSPENDED).await.expect(403).json()["code"], "auth_locked");
}

#[tokio::test]
async fn who_was_invited_may_decline_and_think_again() {
    let roster = Roster::start().await;
    let before = user(&roster, INVITED).await;
    delete_own(&roster, INVITED).await.expect(202);
    assert_eq!(
        sign_up(&roster, INVITED, &json!({"email": before.email})).await.expect(403).json()["code"],
        "account_deleted"
    );
    restore_own(&roster, INVITED).await.expect(200);
    assert_eq!(user(&roster, INVITED).await.status, Status::Invited);
    assert_eq!(user(&roster, INVITED).await.invite_link, before.invite_link);
    sign_up(&roster, INVITED, &json!({"email": before.email})).await.expect(200);
    assert_eq!(user(&roster, INVITED).await.status, Status::Active);
    roster.check_table().await;
}

#[tokio::test]
async fn a_key_that_a_delete_left_working_does_not_come_back_with_its_owner() {
    for restorer in [demo::VIEWER, demo::PLATFORM_OPERATOR] {
        let roster = Roster::start().await;
        let text = new_key(&roster, demo::VIEWER).await;
        let keys = async || {
            let items = roster.items().await.into_iter();
            let is_the_key = |item: &Map<String, Value>| {
                item.get("user_id") == Some(&json!(demo::VIEWER))
                    || item["pk"] == Key::user(demo::VIEWER).pk
            };
            items
                .filter(|item| item.contains_key("is_active") && is_the_key(item))
                .collect::<Vec<_>>()
        };
        let made: Vec<_> =
            keys().await.into_iter().filter(|key| key["is_active"] == true).collect();
        delete_own(&roster, demo::VIEWER).await.expect(202);
        assert!(keys().await.iter().all(|key| key["is_active"] == false));
        // As after a process that made the key beside the delete, and ended before it saw that.
        for key in made {
            let item = serde_dynamo::to_item(key).expect("an item");
            roster
                .server
                .data
                .client
                .put_item()
                .table_name(&roster.table)
                .set_item(Some(item))
                .send()
                .await
                .expect("a key");
        }
        assert_eq!(status_by(&roster, &text).await, 403, "of who is deleted");
        match restorer {
            demo::VIEWER => restore_own(&roster, restorer).await,
            _ => {
                roster
                    .call(
                        Method::POST,
                        &format!("{}/restore", of(demo::VIEWER)),
                        restorer,
                        &json!({}),
                    )
                    .await
            }
        }
        .expect(200);
        assert_eq!(status_by(&roster, &text).await, 401, "of who is restored");
        assert!(keys().await.iter().all(|key| key["is_active"] == false));
        roster.check_table().await;
        delete_own(&roster, demo::VIEWER).await.expect(202);
    }
}

#[tokio::test]
async fn a_restore_is_answered_again_under_its_idempotency_key_and_made_once() {
    let roster = Roster::start().await;
    let restore =
        || bare(&roster, Method::POST, RESTORE, DELETED).header("idempotency-key", "restore-me");
    let first = send(restore()).await.expect(200);
    let again = unchanged(&roster, restore()).await.expect(200);
    assert_eq!((again.text, again.headers["idempotency-replayed"].as_str()), (first.text, "true"));
    assert_eq!(log(&roster, DELETED).await.len(), 1);
    roster.check_table().await;
}

#[tokio::test]
async fn of_twenty_restores_at_once_one_restores() {
    let roster = Roster::start().await;
    let answers = futures::future::join_all((0..20).map(|_| restore_own(&roster, DELETED))).await;
    assert_eq!(statuses(&answers), [(200, 1), (409, 19)].into());
    assert_eq!(log(&roster, DELETED).await.len(), 1);
    roster.check_table().await;
}
