//! Shares: whom someone lets in, what for, and how that ends.

use std::time::Duration;

use insta::assert_json_snapshot;
use local::demo;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tests::checks::{DELETED, INVITED, NOBODY, SUSPENDED, changes, key, refusals, unchanged};
use tests::{Roster, send};
use uuid::Uuid;

use crate::{DAY, FINN, GITA, SHARES, USERS, check, history, operate, share, shares, shares_with};

/// Everything that may be shared, in the order of the alphabet.
const SHARED: [&str; 15] = [
    "activities:read",
    "activities:write",
    "data:read",
    "data:write",
    "email",
    "openid",
    "profile",
    "reproductive_health:read",
    "reproductive_health:write",
    "sharing:read",
    "sharing:write",
    "wellness:read",
    "wellness:write",
    "workouts:read",
    "workouts:write",
];

/// PUT with a body as it is.
fn put(
    roster: &Roster,
    path: &str,
    caller: Uuid,
    body: impl Into<reqwest::Body>,
) -> RequestBuilder {
    roster
        .request(Method::PUT, path)
        .bearer_auth(roster.token(caller))
        .header("content-type", "application/json")
        .body(body)
}

/// Who shares with a caller, as the caller's list tells it: ids and scopes.
async fn sharing_with(roster: &Roster, caller: Uuid) -> Vec<(Value, Value)> {
    let listed =
        roster.get(&format!("{USERS}?include_managed=false"), caller).await.expect(200).json();
    let users = listed.as_array().expect("a list").iter().skip(1);
    users.map(|user| (user["id"].clone(), user["scopes"].clone())).collect()
}

/// What a caller gave, as the caller's shares tell it: ids and scopes.
async fn given_by(roster: &Roster, caller: Uuid) -> Vec<(Value, Value)> {
    let given = roster.get(SHARES, caller).await.expect(200).json();
    given
        .as_array()
        .expect("a list")
        .iter()
        .map(|share| (share["user_id"].clone(), share["scopes"].clone()))
        .collect()
}

/// Whether a share stands on either side of the table.
async fn is_shared(roster: &Roster, grantor: Uuid, grantee: Uuid) -> bool {
    shares(roster)
        .await
        .iter()
        .any(|share| share[..2] == [grantor.to_string(), grantee.to_string()])
}

#[tokio::test]
async fn a_credential_that_fails_is_refused_by_every_endpoint_alike() {
    let (present, nobody) = (shares_with(demo::MANAGER), shares_with("not-a-uuid"));
    let endpoints = [
        (Method::GET, SHARES),
        (Method::PUT, present.as_str()),
        (Method::PUT, nobody.as_str()),
        (Method::DELETE, present.as_str()),
        (Method::DELETE, nobody.as_str()),
        (Method::POST, crate::DELEGATED),
    ];
    assert_json_snapshot!(refusals(&endpoints).await);
}

#[tokio::test]
async fn a_share_is_in_both_lists_at_once_and_gone_from_both_when_taken_back() {
    let roster = Roster::start().await;
    let before = roster.items().await;
    let (grantor, grantee) = (demo::OPERATOR, demo::VIEWER);
    let former = sharing_with(&roster, grantee).await;
    roster.advance(5);
    let given_at = roster.now();
    let granted = share(&roster, grantor, grantee, &["workouts:read", "data:read"]).await;
    assert_json_snapshot!("granted", granted.snapshot());
    assert_json_snapshot!("given", roster.get(SHARES, grantor).await.snapshot());
    assert_json_snapshot!("received", roster.get(USERS, grantee).await.snapshot());
    // It lets in, and not the other way round.
    assert_eq!(sharing_with(&roster, grantor).await, []);
    assert_eq!(
        given_by(&roster, grantee).await,
        [(json!(demo::MANAGER), json!(["activities:read", "activities:write"]))]
    );
    let changed = changes(&before, &roster.items().await);
    // Beside the counts on the two users.
    let changed: Vec<_> =
        changed.into_iter().filter(|change| !change.contains("\"sk\":\"USER\"")).collect();
    assert!(
        changed.len() == 4 && changed.iter().all(|change| change.starts_with("after")),
        "two sides, an audit entry and its address: {changed:#?}"
    );
    assert!(is_shared(&roster, grantor, grantee).await);

    roster.advance(5);
    let revoked = roster.delete(&shares_with(grantee), grantor).await;
    assert_json_snapshot!("taken_back", revoked.snapshot());
    assert_eq!(revoked.text, "null");
    assert_eq!(
        (sharing_with(&roster, grantee).await, given_by(&roster, grantor).await),
        (former, vec![])
    );
    assert!(!is_shared(&roster, grantor, grantee).await);
    let change = |after: Value| json!({"before": null, "after": after});
    let granted = json!({"grantee_id": change(json!(grantee)), "scopes": change(json!(["data:read", "workouts:read"]))});
    assert_eq!(
        history(&roster, grantor).await,
        [
            json!(["share.granted", grantor, given_at, granted]),
            json!(["share.revoked", grantor, roster.now(), {"grantee_id": change(json!(grantee))}]),
        ]
    );
    assert_eq!(history(&roster, grantee).await.len(), 1, "that of the demo data's share alone");
    check(&roster).await;
    // Once more there is nothing to take back.
    let again =
        roster.request(Method::DELETE, &shares_with(grantee)).bearer_auth(roster.token(grantor));
    assert_json_snapshot!(
        "nothing_to_take_back",
        unchanged(&roster, again).await.expect(404).snapshot()
    );
}

#[tokio::test]
async fn the_shares_given_come_in_the_order_of_ids() {
    let roster = Roster::start().await;
    assert_eq!(roster.get(SHARES, demo::OPERATOR).await.expect(200).text, "[]");
    for grantee in [demo::OTHER_ADMIN, FINN, demo::ADMIN, demo::VIEWER] {
        share(&roster, demo::OPERATOR, grantee, &["data:read"]).await.expect(200);
    }
    let expected = [demo::ADMIN, demo::VIEWER, FINN, demo::OTHER_ADMIN]
        .map(|id| (json!(id), json!(["data:read"])));
    assert_eq!(given_by(&roster, demo::OPERATOR).await, expected);
    assert_eq!(
        given_by(&roster, demo::MANAGER).await,
        [(json!(demo::VIEWER), json!(["data:read"]))]
    );
    check(&roster).await;
}

#[tokio::test]
async fn a_second_put_replaces_the_first() {
    let roster = Roster::start().await;
    let before = shares(&roster).await.len();
    for scopes in [vec!["data:read", "workouts:read"], vec!["profile"], vec!["email", "profile"]] {
        roster.advance(60);
        let answer = share(&roster, demo::OPERATOR, demo::ADMIN, &scopes).await.expect(200).json();
        assert_eq!(
            answer,
            json!({"user_id": demo::ADMIN, "scopes": scopes, "created_at": roster.now()})
        );
        assert_eq!(roster.get(SHARES, demo::OPERATOR).await.json(), json!([answer]));
        assert_eq!(
            sharing_with(&roster, demo::ADMIN).await,
            [(json!(demo::OPERATOR), json!(scopes))]
        );
        assert_eq!(shares(&roster).await.len(), before + 1);
    }
    assert_eq!(history(&roster, demo::OPERATOR).await.len(), 3);
    check(&roster).await;
}

#[tokio::test]
async fn every_scope_but_two_may_be_shared_and_each_counts_once() {
    let roster = Roster::start().await;
    let alone: Vec<Vec<&str>> = SHARED.iter().map(|scope| vec![*scope]).collect();
    let all: Vec<&str> = SHARED.iter().rev().chain(&SHARED).copied().collect();
    for scopes in alone.into_iter().chain([all]) {
        let answer = share(&roster, demo::OPERATOR, demo::ADMIN, &scopes).await.expect(200).json();
        let expected = if scopes.len() == 1 { json!(scopes) } else { json!(SHARED) };
        assert_eq!(answer["scopes"], expected);
        assert_eq!(sharing_with(&roster, demo::ADMIN).await, [(json!(demo::OPERATOR), expected)]);
    }
    check(&roster).await;
}

#[tokio::test]
async fn wrong_scopes_are_unprocessable_and_change_nothing() {
    let roster = Roster::start().await;
    let path = shares_with(demo::MANAGER);
    let mut told = Vec::new();
    for (name, body) in [
        ("none", r#"{"scopes": []}"#),
        ("missing", "{}"),
        ("null", r#"{"scopes": null}"#),
        ("a text", r#"{"scopes": "data:read"}"#),
        ("an object", r#"{"scopes": {"data:read": true}}"#),
        ("unknown", r#"{"scopes": ["data:read", "data:delete"]}"#),
        ("in capitals", r#"{"scopes": ["DATA:READ"]}"#),
        ("with a space", r#"{"scopes": ["data:read "]}"#),
        ("two in one", r#"{"scopes": ["data:read data:write"]}"#),
        ("empty", r#"{"scopes": [""]}"#),
        ("a number among them", r#"{"scopes": ["data:read", 1]}"#),
        ("null among them", r#"{"scopes": [null]}"#),
        ("a list among them", r#"{"scopes": [["data:read"]]}"#),
        ("admin", r#"{"scopes": ["admin"]}"#),
        ("offline access", r#"{"scopes": ["data:read", "offline_access"]}"#),
        ("no JSON", "scopes=data:read"),
        ("a list for a body", r#"["data:read"]"#),
        ("no body", ""),
    ] {
        // Whether there is a share already or not.
        for caller in [demo::ADMIN, demo::OPERATOR] {
            let answer = unchanged(&roster, put(&roster, &path, caller, body))
                .await
                .expect(422)
                .json()["detail"]
                .take();
            if caller == demo::ADMIN {
                told.push(json!([name, answer]));
            } else {
                assert_eq!(told.last(), Some(&json!([name, answer])));
            }
        }
    }
    assert_json_snapshot!(told);
}

#[tokio::test]
async fn there_is_no_sharing_with_nobody_or_with_who_is_deleted() {
    let roster = Roster::start().await;
    let not_found = share(&roster, demo::ADMIN, NOBODY, &["data:read"]).await;
    assert_json_snapshot!(not_found.snapshot());
    for id in [
        &DELETED.to_string(),
        "not-a-uuid",
        "me",
        "%20",
        "SHARED%23",
        "00000000000040008000000000000006",
    ] {
        let request = put(&roster, &shares_with(id), demo::ADMIN, r#"{"scopes": ["data:read"]}"#);
        assert_eq!(unchanged(&roster, request).await.snapshot(), not_found.snapshot(), "{id}");
    }
    // Who is locked, or has yet to come, is somebody.
    for grantee in [SUSPENDED, INVITED] {
        share(&roster, demo::ADMIN, grantee, &["data:read"]).await.expect(200);
    }
    check(&roster).await;
}

#[tokio::test]
async fn nobody_shares_with_themselves() {
    let roster = Roster::start().await;
    for id in [demo::ADMIN.to_string(), demo::ADMIN.to_string().to_uppercase()] {
        let request = put(&roster, &shares_with(id), demo::ADMIN, r#"{"scopes": ["data:read"]}"#);
        assert_json_snapshot!(
            "with_oneself",
            unchanged(&roster, request).await.expect(422).snapshot()
        );
    }
    let request = roster
        .request(Method::DELETE, &shares_with(demo::ADMIN))
        .bearer_auth(roster.token(demo::ADMIN));
    unchanged(&roster, request).await.expect(404);
}

#[tokio::test]
async fn a_share_that_one_did_not_give_is_not_ones_own_to_take_back() {
    let roster = Roster::start().await;
    let not_found = roster.delete(&shares_with(NOBODY), demo::ADMIN).await.expect(404);
    for (caller, id) in [
        // The one let in; a platform operator; someone to whom nothing was given; no ids.
        (demo::MANAGER, demo::ADMIN.to_string()),
        (demo::PLATFORM_OPERATOR, demo::MANAGER.to_string()),
        (demo::ADMIN, demo::VIEWER.to_string()),
        (demo::ADMIN, "not-a-uuid".to_owned()),
        (demo::ADMIN, format!("{}%23", demo::MANAGER)),
    ] {
        let request =
            roster.request(Method::DELETE, &shares_with(&id)).bearer_auth(roster.token(caller));
        assert_eq!(
            unchanged(&roster, request).await.snapshot(),
            not_found.snapshot(),
            "{caller} {id}"
        );
    }
    // An id is read in either case.
    roster
        .delete(&shares_with(demo::MANAGER.to_string().to_uppercase()), demo::ADMIN)
        .await
        .expect(200);
    assert!(!is_shared(&roster, demo::ADMIN, demo::MANAGER).await);
    check(&roster).await;
}

#[tokio::test]
async fn an_api_key_and_a_managed_user_share_too() {
    let roster = Roster::start().await;
    let by_key = |method, path: &str| roster.request(method, path).bearer_auth(key(demo::ADMIN, 1));
    let body = json!({"scopes": ["profile"]});
    send(by_key(Method::PUT, &shares_with(demo::VIEWER)).json(&body)).await.expect(200);
    assert_eq!(
        send(by_key(Method::GET, SHARES)).await.expect(200).text,
        roster.get(SHARES, demo::ADMIN).await.text
    );
    assert!(
        sharing_with(&roster, demo::VIEWER)
            .await
            .contains(&(json!(demo::ADMIN), json!(["profile"])))
    );
    send(by_key(Method::DELETE, &shares_with(demo::VIEWER))).await.expect(200);

    share(&roster, FINN, demo::OPERATOR, &["data:read"]).await.expect(200);
    assert_eq!(sharing_with(&roster, demo::OPERATOR).await, [(json!(FINN), json!(["data:read"]))]);
    // The manager sees a managed user once, whatever they share.
    let before = roster.get(USERS, demo::MANAGER).await.expect(200).text;
    share(&roster, FINN, demo::MANAGER, &["workouts:read"]).await.expect(200);
    assert_eq!(roster.get(USERS, demo::MANAGER).await.expect(200).text, before);
    check(&roster).await;
}

#[tokio::test]
async fn shares_cross_tenants_and_show_only_who_gave_them() {
    let roster = Roster::start().await;
    share(&roster, demo::OTHER_ADMIN, demo::OPERATOR, &["profile"]).await.expect(200);
    let listed = roster.get(USERS, demo::OPERATOR).await.expect(200);
    assert_json_snapshot!(listed.snapshot());
    assert!(!listed.text.contains("Oda") && !listed.text.contains(&demo::OTHER_TEAM.to_string()));
    check(&roster).await;
}

#[tokio::test]
async fn who_is_locked_or_deleted_shares_nothing_until_they_are_back() {
    let roster = Roster::start().await;
    let shown = sharing_with(&roster, demo::MANAGER).await;
    let without: Vec<_> =
        shown.iter().filter(|(id, _)| *id != json!(demo::VIEWER)).cloned().collect();
    operate(&roster, "suspend", demo::VIEWER).await;
    assert_eq!(sharing_with(&roster, demo::MANAGER).await, without);
    operate(&roster, "unsuspend", demo::VIEWER).await;
    assert_eq!(sharing_with(&roster, demo::MANAGER).await, shown);
    roster.delete("/v1/account", demo::VIEWER).await.expect(202);
    assert_eq!(sharing_with(&roster, demo::MANAGER).await, without);
    // Neither is there anyone to share with.
    share(&roster, demo::ADMIN, demo::VIEWER, &["data:read"]).await.expect(404);
    roster.call(Method::POST, "/v1/account/restore", demo::VIEWER, &json!({})).await.expect(200);
    assert_eq!(sharing_with(&roster, demo::MANAGER).await, shown);
    check(&roster).await;
}

#[tokio::test]
async fn shares_go_both_ways_when_a_managed_user_is_erased() {
    let roster = Roster::start().await;
    for (grantor, grantee) in
        [(FINN, demo::OPERATOR), (demo::OPERATOR, FINN), (FINN, GITA), (GITA, FINN)]
    {
        share(&roster, grantor, grantee, &["data:read"]).await.expect(200);
    }
    roster.delete(&format!("{USERS}{FINN}"), demo::MANAGER).await.expect(200);
    assert!(shares(&roster).await.iter().all(|share| !share.contains(&FINN.to_string())));
    assert_eq!(
        (given_by(&roster, demo::OPERATOR).await, sharing_with(&roster, demo::OPERATOR).await),
        (vec![], vec![])
    );
    assert_eq!(
        (given_by(&roster, GITA).await, sharing_with(&roster, GITA).await),
        (vec![], vec![])
    );
    check(&roster).await;
}

#[tokio::test]
async fn shares_go_both_ways_when_an_account_is_erased_by_an_operator_or_its_date() {
    for by_operator in [true, false] {
        let roster = Roster::start().await;
        share(&roster, demo::VIEWER, demo::OTHER_ADMIN, &["data:read"]).await.expect(200);
        roster.delete("/v1/account", demo::VIEWER).await.expect(202);
        assert!(
            is_shared(&roster, demo::MANAGER, demo::VIEWER).await
                && is_shared(&roster, demo::VIEWER, demo::MANAGER).await
        );
        if by_operator {
            roster
                .delete(&format!("/v1/admin/users/{}", demo::VIEWER), demo::PLATFORM_OPERATOR)
                .await
                .expect(200);
        } else {
            roster.advance(30 * DAY);
            local::HANDLER
                .scope(
                    functions::schedule::purge_accounts::NAME,
                    functions::schedule::purge_accounts::run(
                        &roster.server.app,
                        Duration::from_secs(60),
                    ),
                )
                .await
                .expect("purged");
        }
        assert_eq!(roster.user(demo::VIEWER).await, None);
        assert!(
            shares(&roster).await.iter().all(|share| !share.contains(&demo::VIEWER.to_string()))
        );
        assert_eq!(given_by(&roster, demo::MANAGER).await, []);
        check(&roster).await;
    }
}

#[tokio::test]
async fn giving_and_taking_back_at_once_leaves_both_sides_alike() {
    let roster = Roster::start().await;
    let (path, read, write) = (
        shares_with(demo::ADMIN),
        json!({"scopes": ["data:read"]}),
        json!({"scopes": ["data:write"]}),
    );
    for _ in 0..20 {
        let (one, other, taken) = futures::join!(
            roster.call(Method::PUT, &path, demo::OPERATOR, &read),
            roster.call(Method::PUT, &path, demo::OPERATOR, &write),
            roster.delete(&path, demo::OPERATOR),
        );
        one.expect(200);
        other.expect(200);
        assert!([200, 404].contains(&taken.status), "{taken:?}");
        assert_eq!(
            sharing_with(&roster, demo::ADMIN).await.is_empty(),
            given_by(&roster, demo::OPERATOR).await.is_empty()
        );
        check(&roster).await;
    }
}

#[tokio::test]
async fn sharing_with_or_by_who_is_erased_at_the_same_time_leaves_nothing() {
    // What is shared after the user was read, and before the user is gone.
    let latency = Duration::from_millis(20);
    let roster = Roster::start_with(|options| options.latency = latency).await;
    for round in 0..6_u32 {
        let body = json!({"first_name": format!("Short {round}"), "last_name": null});
        let made = roster.call(Method::POST, USERS, demo::MANAGER, &body).await.expect(200).json();
        let id: Uuid = made["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        let path = format!("{USERS}{id}");
        let sharing = async {
            tokio::time::sleep(latency / 2 * round).await;
            futures::join!(
                share(&roster, demo::OPERATOR, id, &["data:read"]),
                share(&roster, id, demo::OPERATOR, &["data:read"])
            )
        };
        let (erased, (to, by)) = futures::join!(roster.delete(&path, demo::MANAGER), sharing);
        erased.expect(200);
        assert!([200, 404].contains(&to.status), "{to:?}");
        assert!([200, 401, 404].contains(&by.status), "{by:?}");
        assert!(
            shares(&roster).await.iter().all(|share| !share.contains(&id.to_string())),
            "{round}"
        );
        check(&roster).await;
    }
}
