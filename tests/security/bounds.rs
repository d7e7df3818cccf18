//! One caller who grows data and cost without bound: everything has a cap, and who sends too much
//! is refused, whoever it is.

use std::num::NonZeroU32;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures::future::join_all;
use local::demo;
use reqwest::Method;
use serde_json::json;
use shared::table::Key;
use tests::checks::{NOBODY, SUSPENDED, key};
use tests::{Answer, Roster, send};
use uuid::Uuid;

#[tokio::test]
async fn a_viewer_makes_no_managed_users() {
    let roster = Roster::start().await;
    let before = roster.items().await.len();
    let body = json!({"first_name": "New", "last_name": null});
    let refused =
        roster.call(Method::POST, "/api/v1/users/", demo::VIEWER, &body).await.expect(403);
    assert!(
        refused.json()["detail"].as_str().expect("a sentence").contains("viewer"),
        "{refused:?}"
    );
    assert_eq!(roster.items().await.len(), before);
    roster.call(Method::POST, "/api/v1/users/", demo::MANAGER, &body).await.expect(200);
}

#[tokio::test]
async fn a_team_has_so_many_managed_users_and_no_race_makes_more() {
    let roster = Roster::start().await;
    // Northwind is in the tier that allows a hundred.
    let most = shared::models::QuotaTier::built_in()[0].max_managed_users();
    let users: Vec<_> = (0..most - 3)
        .map(|n| shared::models::User {
            manager_id: Some(demo::OTHER_ADMIN),
            ..shared::models::User::new(
                Uuid::new_v4(),
                1000 + n,
                (demo::OTHER_TEAM, "Northwind"),
                roster.now(),
            )
        })
        .collect();
    for users in users.chunks(11) {
        roster.server.data.store.load_users(users).await.expect("users");
    }
    let tier = roster.user(demo::OTHER_ADMIN).await.expect("a user").quota_tier_id;
    assert_eq!(tier, "free");
    let make = async |n: usize| {
        let body = json!({"first_name": format!("Ward {n}"), "last_name": null});
        roster.call(Method::POST, "/api/v1/users/", demo::OTHER_ADMIN, &body).await
    };
    let answers: Vec<Answer> = join_all((0..8).map(make)).await;
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert!((1..=3).contains(&made.len()), "{answers:#?}");
    let refused = make(9).await.expect(409);
    assert!(refused.json()["detail"].as_str().expect("a sentence").contains("100"), "{refused:?}");
    roster
        .delete(
            &format!("/api/v1/users/{}", made[0].json()["id"].as_str().expect("an id")),
            demo::OTHER_ADMIN,
        )
        .await
        .expect(200);
    make(10).await.expect(200);
    make(11).await.expect(409);
    // A larger tier counts at once, whatever a process remembers of the team.
    let quota = format!("/v1/admin/users/{}/quota", demo::OTHER_ADMIN);
    let tier = json!({"quota_tier_id": "pro"});
    roster.call(Method::PATCH, &quota, demo::PLATFORM_OPERATOR, &tier).await.expect(200);
    make(12).await.expect(200);
    roster.check_table().await;
}

#[tokio::test]
async fn a_team_has_so_many_pending_invites_and_no_race_makes_more() {
    let roster = Roster::start_with(|options| options.config.caps.pending_invites = 5).await;
    let invite = async |n: usize| {
        let body = json!({"details": {"email": format!("guest.{n}@example.com"), "account_id": demo::OTHER_TEAM}});
        roster.call(Method::POST, "/api/v1/admin_user_invite", demo::OTHER_ADMIN, &body).await
    };
    let answers: Vec<Answer> = join_all((0..12).map(invite)).await;
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(made.len(), 5, "{answers:#?}");
    assert!(
        answers.iter().filter(|answer| answer.status != 200).all(|answer| answer.status == 409),
        "{answers:#?}"
    );
    // One that is taken back, or used, makes room for another.
    let id = made[0].json()["details"]["id"].clone();
    let path = format!("/api/v1/admin_user_invite/{}/revoke", id.as_str().expect("an id"));
    roster.call(Method::POST, &path, demo::OTHER_ADMIN, &json!({})).await.expect(200);
    invite(20).await.expect(200);
    invite(21).await.expect(409);
    let mut claims = roster.claims(demo::id(0x9003));
    claims["email"] = json!("guest.20@example.com");
    let sign_up = roster
        .request(Method::POST, "/v1/account")
        .bearer_auth(tests::sign(&claims))
        .json(&json!({}));
    send(sign_up).await.expect(201);
    invite(22).await.expect(200);
    invite(23).await.expect(409);
    roster.check_table().await;
}

#[tokio::test]
async fn history_ends_by_itself() {
    let roster = Roster::start_with(|options| options.config.caps.history_days = 10).await;
    roster
        .call(Method::PATCH, "/v1/account/me", demo::VIEWER, &json!({"display_name": "Dara"}))
        .await
        .expect(200);
    let entries = roster.items().await;
    let entry = entries
        .iter()
        .rev()
        .find(|item| item["pk"] == json!(format!("AUDIT#{}", demo::VIEWER)))
        .expect("an entry");
    assert_eq!(entry["expires"], json!(roster.now().as_second() + 864_000));
}

/// Whoever has a credential of a known form is counted: also one whose account is suspended, or
/// that has none.
#[tokio::test]
async fn suspended_and_unknown_callers_are_limited_too() {
    for (caller, status) in [(SUSPENDED, 403), (NOBODY, 401), (demo::ADMIN, 200)] {
        for (method, path) in [(Method::GET, "/v1/account/me"), (Method::GET, "/users/me")] {
            let roster = Roster::start_with(|options| {
                options.config.requests_per_minute = NonZeroU32::new(3)
            })
            .await;
            let ask = async || roster.call(method.clone(), path, caller, &json!({})).await;
            for _ in 0..3 {
                let answer = ask().await;
                assert_ne!(answer.status, 429, "{path}");
                assert!(answer.status == status || path == "/users/me", "{answer:?}");
            }
            ask().await.expect(429);
        }
    }
}

#[tokio::test]
async fn a_suspended_caller_cannot_sign_up_or_restore_without_end() {
    let roster =
        Roster::start_with(|options| options.config.requests_per_minute = NonZeroU32::new(2)).await;
    for path in ["/v1/account", "/v1/account/restore"] {
        roster.advance(60);
        for status in [403, 403, 429, 429] {
            roster.call(Method::POST, path, SUSPENDED, &json!({})).await.expect(status);
        }
    }
}

/// A 429 that this process has given in this minute is given again for nothing.
#[tokio::test]
async fn who_is_refused_costs_nothing_any_more() {
    let roster =
        Roster::start_with(|options| options.config.requests_per_minute = NonZeroU32::new(2)).await;
    let by =
        |credential: String| send(roster.request(Method::GET, "/v1/keys").bearer_auth(credential));
    let token = || roster.token(demo::ADMIN);
    for status in [200, 200, 429] {
        by(token()).await.expect(status);
    }
    let free = by(token()).await.expect(429);
    assert_eq!((free.cost().calls, free.headers["retry-after"].as_str()), (0, "60"));
    // Another credential of the same person; a key is read once, as it is not known yet whose it
    // is.
    assert_eq!(by(key(demo::ADMIN, 1)).await.expect(429).cost().write_units, 0.0);
    roster.advance(60);
    for status in [200, 200, 429] {
        by(key(demo::ADMIN, 1)).await.expect(status);
    }
    assert_eq!(by(key(demo::ADMIN, 1)).await.expect(429).cost().calls, 0);
    // Nobody else is.
    by(roster.token(demo::VIEWER)).await.expect(200);
}

/// An actor by a delegated token spends the requests that they may send themselves, and none of the
/// other's.
#[tokio::test]
async fn a_delegate_does_not_use_up_what_the_other_may_send() {
    let roster =
        Roster::start_with(|options| options.config.requests_per_minute = NonZeroU32::new(3)).await;
    let ward: Uuid = demo::id(0x61);
    let delegated = roster
        .call(Method::POST, "/api/v1/oauth/delegated-token", demo::MANAGER, &json!({"sub": ward}))
        .await
        .expect(200)
        .json();
    let delegated = delegated["access_token"].as_str().expect("a token").to_owned();
    // It may not do this, and is counted all the same.
    let mut last = 0;
    for _ in 0..4 {
        let request = roster.request(Method::GET, "/v1/keys").bearer_auth(&delegated);
        last = send(request).await.status;
    }
    assert_eq!(last, 429);
    roster.get("/v1/account/me", demo::MANAGER).await.expect(429);
    assert!(
        !roster
            .keys_with(&format!("REQUESTS#{ward}"))
            .await
            .iter()
            .any(|key| key.contains("MINUTE"))
    );
}

/// Every key and every share is listed, on some page, and none twice.
#[tokio::test]
async fn keys_and_shares_are_listed_a_page_at_a_time() {
    let roster = Roster::start().await;
    for n in 0..3 {
        roster
            .call(Method::POST, "/v1/keys", demo::MANAGER, &json!({"name": format!("key {n}")}))
            .await
            .expect(201);
    }
    for grantee in [demo::ADMIN, demo::VIEWER, demo::PLATFORM_OPERATOR] {
        let scopes = json!({"scopes": ["data:read"]});
        roster
            .call(Method::PUT, &format!("/api/v1/users/shares/{grantee}"), demo::MANAGER, &scopes)
            .await
            .expect(200);
    }
    for path in ["/v1/keys", "/api/v1/users/shares"] {
        let whole = roster.get(path, demo::MANAGER).await.expect(200);
        assert_eq!(whole.headers.get("link"), None);
        let whole = whole.json();
        assert!(whole.as_array().expect("a list").len() > 2);
        let mut paged = Vec::new();
        let mut next = Some(format!("{path}?limit=2"));
        while let Some(page) = next {
            let answer = roster.get(&page, demo::MANAGER).await.expect(200);
            let listed = answer.json().as_array().expect("a list").clone();
            assert!((1..=2).contains(&listed.len()), "{page}: {answer:?}");
            paged.extend(listed);
            let link =
                answer.headers.get("link").and_then(|link| link.strip_prefix('<')?.split_once('>'));
            next = link.map(|(address, _)| address.to_owned());
        }
        assert_eq!(json!(paged), whole, "{path}");
        for wrong in ["limit=0", "limit=1001", "cursor=x"] {
            roster.get(&format!("{path}?{wrong}"), demo::MANAGER).await.expect(422);
        }
    }
}

/// Makes so many keys at once, and gives the answers.
async fn make_keys(
    roster: &Roster,
    owner: Uuid,
    count: usize,
    body: &serde_json::Value,
) -> Vec<Answer> {
    join_all((0..count).map(async |_| roster.call(Method::POST, "/v1/keys", owner, body).await))
        .await
}

fn made(answers: &[Answer]) -> Vec<String> {
    let made = answers.iter().filter(|answer| answer.status == 201);
    made.map(|answer| answer.json()["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn a_person_has_so_many_keys_and_no_race_makes_more() {
    let roster = Roster::start_with(|options| options.config.caps.active_keys = 5).await;
    let answers = make_keys(&roster, demo::VIEWER, 12, &json!({})).await;
    let ids = made(&answers);
    assert_eq!(ids.len(), 5, "{answers:#?}");
    let refused = answers.iter().find(|answer| answer.status != 201).expect("a refusal");
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("transition_conflict")));
    assert!(refused.json()["error"].as_str().expect("a sentence").contains('5'), "{refused:?}");
    // Nor by any other way.
    let minted = format!("/v1/admin/users/{}/keys", demo::VIEWER);
    let ways = [
        ("/v1/keys/default", demo::VIEWER),
        (&format!("/v1/keys/{}/rotate", ids[0]), demo::VIEWER),
        (&minted, demo::PLATFORM_OPERATOR),
    ];
    let before = roster.items().await.len();
    for (path, by) in ways {
        roster.call(Method::POST, path, by, &json!({})).await.expect(409);
    }
    assert_eq!(roster.items().await.len(), before);
    // A revoked one makes room for one other.
    roster.delete(&format!("/v1/keys/{}", ids[0]), demo::VIEWER).await.expect(200);
    roster.delete(&format!("/v1/keys/{}", ids[0]), demo::VIEWER).await.expect(200);
    roster.call(Method::POST, &minted, demo::PLATFORM_OPERATOR, &json!({})).await.expect(201);
    assert_eq!(made(&make_keys(&roster, demo::VIEWER, 3, &json!({})).await), [""; 0]);
    roster.check_table().await;
    // With the account they all go.
    roster.call(Method::DELETE, "/v1/account", demo::VIEWER, &json!({})).await.expect(202);
    roster.call(Method::POST, "/v1/account/restore", demo::VIEWER, &json!({})).await.expect(200);
    assert_eq!(made(&make_keys(&roster, demo::VIEWER, 7, &json!({})).await).len(), 5);
    roster.check_table().await;
}

#[tokio::test]
async fn expired_keys_make_room_by_themselves() {
    let roster = Roster::start_with(|options| options.config.caps.active_keys = 4).await;
    let soon = json!({"expires_at": roster.now().plus_seconds(60)});
    assert_eq!(made(&make_keys(&roster, demo::VIEWER, 3, &soon).await).len(), 3);
    let kept = made(&make_keys(&roster, demo::VIEWER, 1, &json!({})).await);
    roster.call(Method::POST, "/v1/keys", demo::VIEWER, &json!({})).await.expect(409);
    roster.advance(61);
    // Many at one time, of whom as many as there is room for get one.
    let answers = make_keys(&roster, demo::VIEWER, 6, &json!({})).await;
    assert_eq!(made(&answers).len(), 3, "{answers:#?}");
    let keys = roster.get("/v1/keys", demo::VIEWER).await.expect(200).json();
    let active: Vec<_> =
        keys.as_array().expect("a list").iter().filter(|key| key["is_active"] == true).collect();
    assert_eq!(active.len(), 4);
    assert!(active.iter().any(|key| key["id"] == json!(kept[0])), "one that works stays");
    roster.check_table().await;
}

#[tokio::test]
async fn revoked_keys_vanish_after_ninety_days() {
    let roster = Roster::start().await;
    let ids = made(&make_keys(&roster, demo::VIEWER, 2, &json!({})).await);
    roster.delete(&format!("/v1/keys/{}", ids[0]), demo::VIEWER).await.expect(200);
    let ends = roster.now().as_second() + 90 * 86_400;
    let items = roster.items().await;
    let both: Vec<_> = items
        .iter()
        .filter(|item| {
            item.get("id").or(item.get("key_id")) == Some(&json!(ids[0]))
                && item["pk"] != json!(format!("AUDIT#{}", demo::VIEWER))
        })
        .collect();
    assert_eq!(both.len(), 2);
    assert!(both.iter().all(|item| item["expires"] == json!(ends)), "{both:#?}");
    roster.advance(90 * 86_400 - 1);
    let listed =
        async || roster.get("/v1/keys", demo::VIEWER).await.expect(200).text.contains(&ids[0]);
    assert!(listed().await);
    roster.advance(1);
    // Whether DynamoDB has deleted it by now or not.
    assert!(!listed().await);
    let export = roster.get("/v1/account/export", demo::VIEWER).await.expect(200);
    let detail = roster
        .get(&format!("/v1/admin/users/{}", demo::VIEWER), demo::PLATFORM_OPERATOR)
        .await
        .expect(200);
    let keys = |answer: &Answer| answer.json()["api_keys"].to_string();
    assert!(!keys(&export).contains(&ids[0]) && !keys(&detail).contains(&ids[0]));
    assert!(keys(&export).contains(&ids[1]) && keys(&detail).contains(&ids[1]));
    roster.delete(&format!("/v1/keys/{}", ids[0]), demo::VIEWER).await.expect(404);
}

#[tokio::test]
async fn a_person_shares_with_so_many_and_no_race_makes_more() {
    let roster = Roster::start_with(|options| options.config.caps.share_partners = 4).await;
    let scopes = json!({"scopes": ["data:read"]});
    let path = |grantee: Uuid| format!("/api/v1/users/shares/{grantee}");
    let given = roster
        .get("/api/v1/users/shares", demo::ADMIN)
        .await
        .expect(200)
        .json()
        .as_array()
        .expect("a list")
        .len();
    let others: Vec<Uuid> = (0..8).map(|n| demo::id(0x200 + n)).collect();
    let users: Vec<_> = (0..)
        .zip(&others)
        .map(|(n, id)| {
            shared::models::User::new(*id, 2000 + n, (demo::TEAM, "Acme Robotics"), roster.now())
        })
        .collect();
    roster.server.data.store.load_users(&users).await.expect("users");
    let answers: Vec<Answer> = join_all(
        others
            .iter()
            .map(async |id| roster.call(Method::PUT, &path(*id), demo::ADMIN, &scopes).await),
    )
    .await;
    let lets_in: Vec<Uuid> = others
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| answer.status == 200)
        .map(|(id, _)| *id)
        .collect();
    assert_eq!(lets_in.len() + given, 4, "{answers:#?}");
    assert!(answers.iter().all(|answer| [200, 409].contains(&answer.status)), "{answers:#?}");
    // One that is changed counts once.
    let more = json!({"scopes": ["data:read", "profile"]});
    for scopes in [&more, &more, &scopes] {
        roster.call(Method::PUT, &path(lets_in[0]), demo::ADMIN, scopes).await.expect(200);
    }
    let left = others.iter().find(|id| !lets_in.contains(id)).expect("one who is not let in");
    roster.delete(&path(lets_in[0]), demo::ADMIN).await.expect(200);
    roster.call(Method::PUT, &path(*left), demo::ADMIN, &scopes).await.expect(200);
    roster.call(Method::PUT, &path(lets_in[0]), demo::ADMIN, &scopes).await.expect(409);
    // Nor is anyone let in by more.
    let mut statuses: Vec<u16> = join_all(others.iter().map(async |id| {
        roster.call(Method::PUT, &path(demo::PLATFORM_OPERATOR), *id, &scopes).await.status
    }))
    .await;
    statuses.sort_unstable();
    let received = statuses.iter().filter(|status| **status == 200).count();
    assert!(
        received <= 4 && statuses.iter().all(|status| [200, 409].contains(status)),
        "{statuses:?}"
    );
    roster.check_table().await;
    // Who is erased is counted no more.
    for id in &others {
        roster.call(Method::DELETE, "/v1/account", *id, &json!({})).await.expect(202);
    }
    roster.advance(31 * 86_400);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(3600);
    let report = roster
        .server
        .data
        .store
        .purge(&shared::models::AuditCredential::schedule(), roster.now(), deadline)
        .await
        .expect("a purge");
    assert_eq!((report.failed, report.finished), (0, true));
    roster.check_table().await;
}

/// Writes so many entries of a history, each with a text of so many bytes, without the API.
async fn write_history(roster: &Roster, user: Uuid, entries: usize, bytes: usize) {
    let client = &roster.server.data.client;
    for first in (0..entries).step_by(25) {
        let put = |n: usize| {
            let id = Uuid::from_u128((n as u128 + 1) << 64);
            let text = |text: String| AttributeValue::S(text);
            let change = [
                ("before".to_owned(), AttributeValue::Null(true)),
                ("after".to_owned(), text("x".repeat(bytes))),
            ];
            let changes = [("display_name".to_owned(), AttributeValue::M(change.into()))];
            let mut item = Key::audit(user, id).item();
            item.insert("id".into(), text(id.to_string()));
            item.insert("at".into(), text(roster.now().to_string()));
            item.insert("actor_id".into(), text(user.to_string()));
            item.insert("action".into(), text("user.updated".into()));
            item.insert("changes".into(), AttributeValue::M(changes.into()));
            let put = PutRequest::builder().set_item(Some(item)).build().expect("an item");
            WriteRequest::builder().put_request(put).build()
        };
        let writes: Vec<_> = (first..entries.min(first + 25)).map(put).collect();
        client.batch_write_item().request_items(&roster.table, writes).send().await.expect("items");
    }
}

/// The address in the `Link` to the next page.
fn next_page(answer: &Answer) -> Option<String> {
    let link = answer.headers.get("link").and_then(|link| link.strip_prefix('<')?.split_once('>'));
    link.map(|(address, _)| address.to_owned())
}

/// Lambda takes responses of 6 MB: what is larger comes in pages, with everything on one of them.
#[tokio::test]
async fn an_export_that_is_too_large_comes_in_pages() {
    let roster = Roster::start().await;
    let small = roster.get("/v1/account/export", demo::MANAGER).await.expect(200);
    let mut paged = json!({});
    let mut next = Some("/v1/account/export?limit=2".to_owned());
    let lists =
        ["api_keys", "sandboxes", "managed_users", "shares_given", "shares_received", "audit_log"];
    while let Some(path) = next {
        let answer = roster.get(&path, demo::MANAGER).await.expect(200);
        let page = answer.json();
        for list in lists {
            let records = page[list].as_array().expect("a list").clone();
            assert!(records.len() <= 2, "{answer:?}");
            match paged.get_mut(list) {
                Some(all) => all.as_array_mut().expect("a list").extend(records),
                None => paged[list] = json!(records),
            }
        }
        assert_eq!(page["user"], small.json()["user"]);
        next = next_page(&answer);
    }
    for list in lists {
        assert_eq!(paged[list], small.json()[list], "{list}");
    }
    for wrong in [
        "limit=0",
        "limit=1001",
        "cursor=x",
        "cursor=0:",
        "cursor=0:SANDBOX%23x",
        "cursor=9:x",
        "cursor=-1:x",
    ] {
        roster.get(&format!("/v1/account/export?{wrong}"), demo::MANAGER).await.expect(422);
    }
    // Twenty thousand entries, as who changes their name all day has.
    write_history(&roster, demo::VIEWER, 20_000, 100).await;
    let refused = roster.get("/v1/account/export", demo::VIEWER).await.expect(422);
    let sentence = refused.json()["error"].as_str().expect("a sentence").to_owned();
    assert!(sentence.contains("`limit`") && sentence.contains("`cursor`"), "{sentence}");
    let entries = entries_of_pages(&roster).await;
    assert!(entries >= 20_000, "{entries}");
}

/// Exports the viewer's account page by page. Returns the number of entries of history.
async fn entries_of_pages(roster: &Roster) -> usize {
    let mut entries = 0;
    let mut next = Some("/v1/account/export?limit=1000".to_owned());
    while let Some(path) = next {
        let answer = roster.get(&path, demo::VIEWER).await.expect(200);
        assert!(answer.text.len() < 5_500_000);
        entries += answer.json()["audit_log"].as_array().expect("a list").len();
        next = next_page(&answer);
    }
    entries
}

/// Large entries fill a page before there are as many as were asked for.
#[tokio::test]
async fn no_page_of_an_export_is_too_large() {
    let roster = Roster::start().await;
    write_history(&roster, demo::VIEWER, 400, 30_000).await;
    roster.get("/v1/account/export", demo::VIEWER).await.expect(422);
    let entries = entries_of_pages(&roster).await;
    assert!(entries >= 400, "{entries}");
}

/// Whom an index tells everything about is not read: the cost follows from the pages of the index.
#[tokio::test]
async fn inactive_people_are_listed_in_pages_of_an_index() {
    let roster = Roster::start().await;
    let whole = roster.get("/api/admin/user-admin/inactive", demo::ADMIN).await.expect(200).json();
    let before = roster.get("/api/admin/user-admin/inactive", demo::ADMIN).await.cost().read_units;
    let long_ago = roster.now().plus_seconds(-400 * 86_400);
    let users: Vec<_> = (0..400)
        .map(|n| {
            let mut user = shared::models::User::new(
                Uuid::new_v4(),
                1000 + n,
                (demo::TEAM, "Acme Robotics"),
                long_ago,
            );
            (user.name, user.email) =
                (Some(format!("Person {n}")), Some(format!("person.{n}@example.com")));
            user.last_seen = Some(shared::models::Seen {
                at: long_ago,
                remote_ip: None,
                user_agent: String::new(),
            });
            user
        })
        .collect();
    for users in users.chunks(11) {
        roster.server.data.store.load_users(users).await.expect("users");
    }
    let answer = roster.get("/api/admin/user-admin/inactive", demo::ADMIN).await.expect(200);
    let all = answer.json()["inactiveUsers"].as_array().expect("a list").clone();
    assert_eq!(all.len(), whole["inactiveUsers"].as_array().expect("a list").len() + 400);
    assert!(answer.cost().read_units < before + 40.0, "{:?}, and {before} before", answer.cost());
    let mut paged = Vec::new();
    let mut next = Some("/api/admin/user-admin/inactive?limit=7".to_owned());
    while let Some(path) = next {
        let answer = roster.get(&path, demo::ADMIN).await.expect(200);
        let page = answer.json()["inactiveUsers"].as_array().expect("a list").clone();
        assert!(page.len() <= 7, "{answer:?}");
        paged.extend(page);
        next = next_page(&answer);
    }
    assert_eq!(paged, all);
    for wrong in ["limit=0", "limit=5001", "cursor=x"] {
        roster
            .get(&format!("/api/admin/user-admin/inactive?{wrong}"), demo::ADMIN)
            .await
            .expect(400);
    }
}

#[tokio::test]
async fn inactive_people_who_are_too_many_for_one_response_come_in_pages() {
    let roster = Roster::start().await;
    let long_ago = roster.now().plus_seconds(-400 * 86_400);
    let users: Vec<_> = (0..1200)
        .map(|n| {
            let mut user = shared::models::User::new(
                Uuid::new_v4(),
                1000 + n,
                (demo::TEAM, "Acme Robotics"),
                long_ago,
            );
            user.name = Some(format!("{n} {}", "é\u{1}".repeat(700)));
            user.last_seen = Some(shared::models::Seen {
                at: long_ago,
                remote_ip: None,
                user_agent: String::new(),
            });
            user
        })
        .collect();
    for users in users.chunks(11) {
        roster.server.data.store.load_users(users).await.expect("users");
    }
    let refused = roster.get("/api/admin/user-admin/inactive", demo::ADMIN).await.expect(400);
    assert!(refused.text.contains("`limit`") && refused.text.contains("`cursor`"), "{refused:?}");
    let page =
        roster.get("/api/admin/user-admin/inactive?limit=100", demo::ADMIN).await.expect(200);
    assert_eq!(page.json()["inactiveUsers"].as_array().expect("a list").len(), 100);
}

#[tokio::test]
async fn revoked_invites_vanish_after_ninety_days() {
    let roster = Roster::start().await;
    let body = json!({"details": {"email": "guest@example.com", "account_id": demo::TEAM}});
    let made = roster
        .call(Method::POST, "/api/v1/admin_user_invite", demo::ADMIN, &body)
        .await
        .expect(200)
        .json();
    let id = made["details"]["id"].as_str().expect("an id").to_owned();
    roster
        .call(
            Method::POST,
            &format!("/api/v1/admin_user_invite/{id}/revoke"),
            demo::ADMIN,
            &json!({}),
        )
        .await
        .expect(200);
    let items = roster.items().await;
    let item =
        items.iter().find(|item| item["sk"] == json!(format!("INVITE#{id}"))).expect("the invite");
    assert_eq!(item["expires"], json!(roster.now().as_second() + 90 * 86_400));
    let path = format!("/api/v1/admin_user_invite?account_id={}", demo::TEAM);
    let listed = async || roster.get(&path, demo::ADMIN).await.expect(200).text.contains(&id);
    roster.advance(90 * 86_400 - 1);
    assert!(listed().await);
    roster.advance(1);
    assert!(!listed().await);
}
