//! Invites into an account: made, listed, taken back, and taken up by signing up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use functions::App;
use functions::log::NoLog;
use insta::assert_json_snapshot;
use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use shared::dynamodb::Client;
use shared::models::{Role, Status};
use tests::checks::{NOBODY, key, unchanged};
use tests::direct::Call;
use tests::{Answer, Roster, send, sign};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    DIRECTORY, USER_ADMIN, history, listed, request, sign_up, team, unchanged_but_numbers,
};

const EMAIL: &str = "guest@elsewhere.example";
/// Who signs up.
const GUEST: Uuid = Uuid::from_u128(0x6e57_0000_0000_4000_8000_0000_0000_0001);

const INVITES: &str = "/api/v1/admin_user_invite";

fn page(query: &str) -> String {
    format!("{INVITES}?account_id={}{query}", demo::TEAM)
}

fn details(email: &str, account: Uuid) -> Value {
    json!({"details": {"email": email, "account_id": account}})
}

async fn invite_by(roster: &Roster, caller: Uuid, email: &str, account: Uuid) -> Answer {
    roster.call(Method::POST, INVITES, caller, &details(email, account)).await
}

/// Invites into the demo team and gives the invite's id.
async fn invite(roster: &Roster, email: &str) -> Uuid {
    let answer = invite_by(roster, demo::ADMIN, email, demo::TEAM).await.expect(200).json();
    answer["details"]["id"].as_str().expect("an id").parse().expect("a UUID")
}

fn revoke_path(id: impl std::fmt::Display) -> String {
    format!("{INVITES}/{id}/revoke")
}

async fn revoke(roster: &Roster, id: Uuid) -> Answer {
    roster.call(Method::POST, &revoke_path(id), demo::ADMIN, &json!({})).await
}

/// The demo team's invites, the oldest first.
async fn invites(roster: &Roster) -> Vec<Value> {
    let answer = roster
        .get(&page("&sorting=id&pagination[page_size]=100"), demo::ADMIN)
        .await
        .expect(200)
        .json();
    answer["summaries"].as_array().expect("summaries").clone()
}

#[tokio::test]
async fn an_invite_is_pending_and_makes_a_user_who_is_new() {
    let roster = Roster::start().await;
    let before = team(&roster, demo::TEAM).await;
    let answer =
        invite_by(&roster, demo::ADMIN, "Guest@Elsewhere.example", demo::TEAM).await.expect(200);
    assert_json_snapshot!(answer.snapshot());
    assert_eq!(invites(&roster).await, [answer.json()["details"].clone()]);
    let made: Vec<_> =
        team(&roster, demo::TEAM).await.into_iter().filter(|user| !before.contains(user)).collect();
    assert_eq!((made.len(), made[0].role, made[0].status), (1, Role::Viewer, Status::Invited));
    assert_json_snapshot!(
        "the_user",
        roster.get(&listed(made[0].id), demo::ADMIN).await.snapshot()
    );
    let last = roster.get(USER_ADMIN, demo::ADMIN).await.json();
    let last = last["users"].as_array().and_then(|users| users.last()).expect("users").clone();
    assert_eq!((&last["email"], &last["rootRole"]), (&json!("Guest@Elsewhere.example"), &json!(3)));
    roster.check_table().await;
}

#[tokio::test]
async fn an_email_that_anyone_has_cannot_be_invited() {
    let roster = Roster::start().await;
    invite(&roster, EMAIL).await;
    let post = |email: &str| {
        request(&roster, Method::POST, INVITES, demo::ADMIN, &details(email, demo::TEAM))
    };
    let refused = unchanged_but_numbers(&roster, post(EMAIL)).await;
    assert_json_snapshot!(refused.snapshot());
    let deleted = roster.user(demo::id(0x110)).await.and_then(|user| user.email).expect("an email");
    for email in [
        "GUEST@elsewhere.EXAMPLE",
        "ada.nordmann@acme-robotics.example",
        "nils.arctander@northwind.example",
        &deleted,
    ] {
        assert_eq!(
            unchanged_but_numbers(&roster, post(email)).await.snapshot(),
            refused.snapshot(),
            "{email}"
        );
    }
    roster.check_table().await;
}

#[tokio::test]
async fn every_fault_of_an_invite_is_refused() {
    let roster = Roster::start().await;
    let mut bodies = vec![
        json!({}),
        json!({"details": null}),
        json!({"details": []}),
        json!([]),
        json!({"email": EMAIL}),
    ];
    for details in [
        json!({}),
        json!({"email": EMAIL}),
        json!({"account_id": demo::TEAM}),
        json!({"email": null, "account_id": demo::TEAM}),
        json!({"email": "", "account_id": demo::TEAM}),
        json!({"email": 1, "account_id": demo::TEAM}),
        json!({"email": "no-at-sign", "account_id": demo::TEAM}),
        json!({"email": "@x", "account_id": demo::TEAM}),
        json!({"email": "a b@x", "account_id": demo::TEAM}),
        json!({"email": format!("e@{}", "x".repeat(253)), "account_id": demo::TEAM}),
        json!({"email": EMAIL, "account_id": null}),
        json!({"email": EMAIL, "account_id": 1}),
        json!({"email": EMAIL, "account_id": ""}),
        json!({"email": EMAIL, "account_id": "not-an-id"}),
        json!({"email": EMAIL, "account_id": demo::TEAM.simple().to_string()}),
        json!({"email": 1, "account_id": 2}),
    ] {
        bodies.push(json!({"details": details}));
    }
    let mut told = Vec::new();
    for body in bodies {
        let answer =
            unchanged(&roster, request(&roster, Method::POST, INVITES, demo::ADMIN, &body))
                .await
                .expect(400)
                .json();
        let sent: String = body.to_string().chars().take(80).collect();
        told.push(json!([sent, answer]));
    }
    assert_json_snapshot!(told);
}

#[tokio::test]
async fn only_admins_of_the_account_and_platform_operators_invite_and_list() {
    let roster = Roster::start().await;
    let refused = roster.get(&page(""), demo::OTHER_ADMIN).await;
    assert_json_snapshot!(refused.snapshot());
    for (caller, account) in [
        (demo::ADMIN, demo::OTHER_TEAM),
        (demo::ADMIN, NOBODY),
        (demo::OTHER_ADMIN, demo::TEAM),
        (demo::PLATFORM_OPERATOR, NOBODY),
    ] {
        let listing = request(
            &roster,
            Method::GET,
            &format!("{INVITES}?account_id={account}"),
            caller,
            &json!({}),
        );
        assert_eq!(
            unchanged(&roster, listing).await.snapshot(),
            refused.snapshot(),
            "{caller} {account}"
        );
        let inviting = request(&roster, Method::POST, INVITES, caller, &details(EMAIL, account));
        assert_eq!(
            unchanged(&roster, inviting).await.snapshot(),
            refused.snapshot(),
            "{caller} {account}"
        );
    }
    roster.get("/users/me", demo::id(0x61)).await.expect(200);
    for caller in
        [demo::OPERATOR_VIEW_ALL, demo::OPERATOR, demo::VIEWER, demo::MANAGER, demo::id(0x61)]
    {
        let requests = [
            request(&roster, Method::GET, &page(""), caller, &json!({})),
            request(&roster, Method::POST, INVITES, caller, &details(EMAIL, demo::TEAM)),
            request(&roster, Method::POST, &revoke_path(NOBODY), caller, &json!({})),
        ];
        for refused in requests {
            let answer = unchanged(&roster, refused).await.expect(403).json();
            assert_eq!(
                (&answer["status"], &answer["code"]),
                (&json!("error"), &json!("not_permitted")),
                "{caller}"
            );
        }
    }
    // A platform operator may both, in every account.
    let made =
        invite_by(&roster, demo::PLATFORM_OPERATOR, EMAIL, demo::TEAM).await.expect(200).json();
    assert_eq!(
        roster.get(&page(""), demo::PLATFORM_OPERATOR).await.expect(200).json()["summaries"],
        json!([made["details"]])
    );
    // By a key of the scope `user` they are a member of their own account alone.
    for (place, status) in [(1, 200), (2, 403)] {
        send(
            roster.request(Method::GET, &page("")).bearer_auth(key(demo::PLATFORM_OPERATOR, place)),
        )
        .await
        .expect(status);
    }
    roster.check_table().await;
}

#[tokio::test]
async fn the_list_is_empty_at_first() {
    let roster = Roster::start().await;
    assert_json_snapshot!(roster.get(&page(""), demo::ADMIN).await.snapshot());
}

#[tokio::test]
async fn the_list_is_paged_and_sorted_with_every_invite_once() {
    let roster = Roster::start().await;
    let mut made = Vec::new();
    for place in 0..12 {
        // Not in the order of their making, and in letters of both kinds.
        let email = format!(
            "{}uest-{:02}@elsewhere.example",
            if place % 2 == 0 { "g" } else { "G" },
            (place * 5) % 12
        );
        made.push((invite(&roster, &email).await, email));
    }
    for (id, _) in &made[2..5] {
        revoke(&roster, *id).await.expect(200);
    }
    invite_by(&roster, demo::OTHER_ADMIN, "others@elsewhere.example", demo::OTHER_TEAM)
        .await
        .expect(200);
    for field in ["id", "status", "title"] {
        for direction in ["asc", "desc"] {
            let mut expected = made.clone();
            expected.sort_by_key(|(id, email)| {
                let revoked = made[2..5].iter().any(|(revoked, _)| revoked == id);
                let value = match field {
                    "id" => String::new(),
                    "status" => if revoked { "revoked" } else { "pending" }.to_owned(),
                    // By what is left of the email.
                    _ => {
                        if revoked {
                            String::new()
                        } else {
                            email.to_lowercase()
                        }
                    }
                };
                (value, *id)
            });
            if direction == "desc" {
                expected.reverse();
            }
            for query in [
                format!("&sorting={}{field}", if direction == "desc" { "-" } else { "" }),
                format!("&sorting%5Bfield%5D={field}&sorting[direction]={direction}"),
            ] {
                for size in [5, 12, 100] {
                    let mut walked = Vec::new();
                    let mut offset = json!(0);
                    while !offset.is_null() {
                        let path = page(&format!(
                            "{query}&pagination[offset]={offset}&pagination[page_size]={size}"
                        ));
                        let answer = roster.get(&path, demo::ADMIN).await.expect(200).json();
                        assert_eq!(
                            answer["sorting"],
                            json!({"field": field, "direction": direction})
                        );
                        assert_eq!(answer["pagination"]["item_count"], 12);
                        let summaries = answer["summaries"].as_array().expect("summaries").clone();
                        walked.extend(summaries.iter().map(|invite| {
                            invite["id"].as_str().expect("an id").parse::<Uuid>().expect("a UUID")
                        }));
                        offset = answer["pagination"]["next_page_offset"].clone();
                    }
                    assert_eq!(
                        walked,
                        expected.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
                        "{query} {size}"
                    );
                }
            }
        }
    }
    assert_json_snapshot!(
        roster
            .get(&page("&pagination[offset]=9&pagination[page_size]=2"), demo::ADMIN)
            .await
            .snapshot()
    );
    assert_json_snapshot!(
        "past_the_end",
        roster.get(&page("&pagination[offset]=12"), demo::ADMIN).await.snapshot()
    );
    let newest = roster.get(&page("&pagination[page_size]=1"), demo::ADMIN).await.json();
    assert_eq!(
        newest["summaries"][0]["id"],
        json!(made[11].0),
        "the newest first where nothing is said"
    );
    roster.check_table().await;
}

#[tokio::test]
async fn the_list_takes_no_other_parameters() {
    let roster = Roster::start().await;
    let mut told = Vec::new();
    for query in [
        "&sorting=last_seen",
        "&sorting=email",
        "&sorting=",
        "&sorting[direction]=down",
        "&pagination[page_size]=0",
        "&pagination[page_size]=101",
        "&pagination[offset]=-1",
        "&pagination[offset]=abc",
        "&limit=1",
        "&sorting=id&sorting=id",
    ] {
        told.push(json!([query, roster.get(&page(query), demo::ADMIN).await.expect(400).json()]));
    }
    for query in ["", "?account_id=", "?account_id=x"] {
        told.push(json!([
            query,
            roster.get(&format!("{INVITES}{query}"), demo::ADMIN).await.expect(400).json()
        ]));
    }
    assert_json_snapshot!(told);
}

#[tokio::test]
async fn an_invite_that_is_taken_back_stays_and_its_user_goes() {
    let roster = Roster::start().await;
    let before = team(&roster, demo::TEAM).await;
    let id = invite(&roster, EMAIL).await;
    let made = team(&roster, demo::TEAM)
        .await
        .into_iter()
        .find(|user| user.invite_id == Some(id))
        .expect("a user")
        .id;
    roster.advance(60);
    let answer = revoke(&roster, id).await;
    assert_json_snapshot!(answer.snapshot());
    // It stays without the email, which is that of a user who is gone.
    let mut kept = answer.json()["details"].clone();
    (kept["email"], kept["title"]) = (json!(""), json!("revoked"));
    assert_eq!(invites(&roster).await, [kept]);
    // Nothing is left of the user but the history, which tells no one's email.
    assert_eq!(team(&roster, demo::TEAM).await, before);
    let left = roster.keys_with(&made.to_string()).await;
    assert!(left.iter().all(|key| key.starts_with("AUDIT#")), "{left:?}");
    assert!(!history(&roster, made).await.text.contains(EMAIL));
    assert!(roster.keys_with(EMAIL).await.is_empty());
    roster.check_table().await;
    let again = request(&roster, Method::POST, &revoke_path(id), demo::ADMIN, &json!({}));
    assert_json_snapshot!("revoked_already", unchanged(&roster, again).await.snapshot());
    // The email is free again: to be invited, or to sign up with into a team of one's own.
    let second = invite(&roster, EMAIL).await;
    revoke(&roster, second).await.expect(200);
    let account = sign_up(&roster, GUEST, EMAIL).await.expect(201).json();
    assert_ne!(account["team"]["id"], json!(demo::TEAM));
    assert_eq!(
        invites(&roster).await.iter().map(|invite| invite["status"].clone()).collect::<Vec<_>>(),
        ["revoked", "revoked"]
    );
    roster.check_table().await;
}

/// Holds the first query after a transaction, until it is let go.
#[derive(Debug, Clone)]
struct Gate {
    inner: SharedHttpConnector,
    transactions: Arc<AtomicUsize>,
    reached: Arc<Notify>,
    opened: Arc<Notify>,
}

impl HttpConnector for Gate {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let gate = self.clone();
        HttpConnectorFuture::new(async move {
            if target.ends_with("TransactWriteItems") {
                gate.transactions.fetch_add(1, Ordering::SeqCst);
            } else if target.ends_with("Query") && gate.transactions.swap(0, Ordering::SeqCst) == 1
            {
                gate.reached.notify_one();
                gate.opened.notified().await;
            }
            gate.inner.call(request).await
        })
    }
}

/// The invite is taken back by then and its user marked, whose tier an operator may still change:
/// that must not keep the user.
#[tokio::test]
async fn whose_invite_is_taken_back_goes_though_an_operator_changes_them_meanwhile() {
    let roster = Roster::start().await;
    let id = invite(&roster, EMAIL).await;
    let made = team(&roster, demo::TEAM)
        .await
        .into_iter()
        .find(|user| user.invite_id == Some(id))
        .expect("a user")
        .id;
    let (transactions, reached, opened) =
        (Arc::default(), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let own = &roster.server.data.client;
    let http = own.config().http_client().expect("the database is here");
    let (to_reach, to_open) = (reached.clone(), opened.clone());
    let http = http_client_fn(move |settings, components| {
        let inner = http.http_connector(settings, components);
        let gate = Gate {
            inner,
            transactions: Arc::clone(&transactions),
            reached: to_reach.clone(),
            opened: to_open.clone(),
        };
        SharedHttpConnector::new(gate)
    });
    let config = own
        .config()
        .to_builder()
        .http_client(http)
        .timeout_config(TimeoutConfig::disabled())
        .build();
    let mut settings = local::config().expect("the defaults make a configuration");
    settings.table_name.clone_from(&roster.table);
    let clock = roster.server.app.clock.clone();
    let app = Arc::new(
        App::new(&settings, Client::from_conf(config), None, Arc::new(NoLog), clock)
            .await
            .expect("an application"),
    );
    let call = Call::new(Method::POST, revoke_path(id))
        .credential(&roster.token(demo::ADMIN))
        .json(&json!({}));
    let meddle = async {
        reached.notified().await;
        let path = format!("/v1/admin/users/{made}/quota");
        let answer = roster
            .call(Method::PATCH, &path, demo::PLATFORM_OPERATOR, &json!({"quota_tier_id": "pro"}))
            .await;
        opened.notify_one();
        answer.expect(200);
    };
    let ((answer, _), ()) = futures::join!(call.send(&app), meddle);
    answer.expect(200);
    assert!(roster.user(made).await.is_none());
    roster.check_table().await;
}

#[tokio::test]
async fn only_an_invite_of_the_own_account_can_be_taken_back() {
    let roster = Roster::start().await;
    let id = invite(&roster, EMAIL).await;
    let refused = unchanged(
        &roster,
        request(&roster, Method::POST, &revoke_path(NOBODY), demo::ADMIN, &json!({})),
    )
    .await;
    assert_json_snapshot!(refused.snapshot());
    for (caller, id) in [
        (demo::OTHER_ADMIN, id.to_string()),
        (demo::ADMIN, demo::VIEWER.to_string()),
        (demo::ADMIN, "x".to_owned()),
        (demo::ADMIN, id.simple().to_string()),
    ] {
        let answer = unchanged(
            &roster,
            request(&roster, Method::POST, &revoke_path(&id), caller, &json!({})),
        )
        .await;
        assert_eq!(answer.snapshot(), refused.snapshot(), "{caller} {id}");
    }
    revoke(&roster, id).await.expect(200);
}

#[tokio::test]
async fn who_was_invited_joins_the_team_as_a_viewer_by_signing_up() {
    let roster = Roster::start().await;
    let id = invite(&roster, EMAIL).await;
    let made = team(&roster, demo::TEAM)
        .await
        .into_iter()
        .find(|user| user.invite_id == Some(id))
        .expect("a user");
    roster.advance(60);
    let account = sign_up(&roster, GUEST, "GUEST@Elsewhere.example").await.expect(201);
    assert_eq!(
        (&account.json()["team"]["id"], &account.json()["user"]["id"]),
        (&json!(demo::TEAM), &json!(GUEST))
    );
    let joined = roster.user(GUEST).await.expect("a user");
    assert_eq!(
        (joined.team_id, joined.role, joined.status),
        (demo::TEAM, Role::Viewer, Status::Active)
    );
    assert_eq!((joined.number, joined.email.as_deref()), (made.number, Some(EMAIL)));
    assert!(roster.user(made.id).await.is_none(), "the id of ours is gone");
    assert_json_snapshot!(
        invites(&roster)
            .await
            .into_iter()
            .map(|invite| json!([invite["status"], invite["email"], invite["updated_at"]]))
            .collect::<Vec<_>>()
    );
    assert_eq!(
        roster.get(&listed(GUEST), demo::ADMIN).await.expect(200).json()["details"]["status"],
        "extant"
    );
    assert_eq!(roster.get("/users/me", GUEST).await.expect(200).json()["role"], "VIEWER");
    roster.check_table().await;
    // Once more it is the same account; and the invite is used up.
    sign_up(&roster, GUEST, EMAIL).await.expect(200);
    let again = request(&roster, Method::POST, &revoke_path(id), demo::ADMIN, &json!({}));
    let answer = unchanged(&roster, again).await.expect(409).json();
    assert_eq!(answer["code"], "invalid_action");
    // Another person who says they have that email does not get in.
    sign_up(&roster, Uuid::from_u128(GUEST.as_u128() + 1), EMAIL).await.expect(409);
    roster.check_table().await;
}

#[tokio::test]
async fn an_email_that_is_not_proven_lets_nobody_in() {
    let roster = Roster::start().await;
    invite(&roster, EMAIL).await;
    let mut claims = roster.claims(GUEST);
    claims["email"] = json!(EMAIL);
    claims["email_verified"] = json!(false);
    let answer =
        unchanged(&roster, roster.request(Method::POST, "/v1/account").bearer_auth(sign(&claims)))
            .await
            .expect(403)
            .json();
    assert_eq!(answer["code"], "email_not_verified");
    assert_eq!(invites(&roster).await[0]["status"], "pending");
}

#[tokio::test]
async fn the_invite_of_a_user_who_is_deleted_opens_nothing_until_it_is_revoked() {
    let roster = Roster::start().await;
    let id = invite(&roster, EMAIL).await;
    let made = team(&roster, demo::TEAM)
        .await
        .into_iter()
        .find(|user| user.invite_id == Some(id))
        .expect("a user");
    roster.delete(&format!("{USER_ADMIN}/{}", made.number), demo::ADMIN).await.expect(200);
    sign_up(&roster, GUEST, EMAIL).await.expect(409);
    assert_eq!(
        roster.get(&format!("{DIRECTORY}/{}", made.id), demo::ADMIN).await.expect(200).json()["details"]
            ["status"],
        "deleted"
    );
    roster.check_table().await;
    // Then the user is erased, and the email is free.
    revoke(&roster, id).await.expect(200);
    assert!(roster.user(made.id).await.is_none());
    invite(&roster, EMAIL).await;
    sign_up(&roster, GUEST, EMAIL).await.expect(201);
    roster.check_table().await;
}

#[tokio::test]
async fn a_platform_operator_revokes_in_the_account_that_they_name() {
    let roster = Roster::start().await;
    let id = invite_by(&roster, demo::PLATFORM_OPERATOR, EMAIL, demo::OTHER_TEAM)
        .await
        .expect(200)
        .json()["details"]["id"]
        .clone();
    let path = |account: &str| format!("{INVITES}/{}/revoke{account}", id.as_str().expect("an id"));
    let of =
        |caller, account: &str| request(&roster, Method::POST, &path(account), caller, &json!({}));
    let named = format!("?account_id={}", demo::OTHER_TEAM);
    for (caller, account, status) in [
        (demo::PLATFORM_OPERATOR, "", 404),
        (demo::PLATFORM_OPERATOR, "?account_id=acme", 400),
        (demo::ADMIN, named.as_str(), 403),
        (demo::id(0xb3), named.as_str(), 403),
    ] {
        unchanged(&roster, of(caller, account)).await.expect(status);
    }
    let answer = send(of(demo::PLATFORM_OPERATOR, &named)).await.expect(200).json();
    assert_eq!(answer["details"]["status"], "revoked");
    roster.check_table().await;
}

#[tokio::test]
async fn of_signing_up_and_taking_back_at_once_one_wins() {
    for _ in 0..5 {
        let roster = Roster::start().await;
        let id = invite(&roster, EMAIL).await;
        let (joined, revoked) = futures::join!(sign_up(&roster, GUEST, EMAIL), revoke(&roster, id));
        let status = invites(&roster).await[0]["status"].clone();
        match (joined.status, revoked.status) {
            (201, 409) => assert_eq!(status, "used"),
            (201, 200) => {
                // Taken back first, and then signed up into a team of their own.
                assert_eq!(status, "revoked");
                assert_ne!(joined.json()["team"]["id"], json!(demo::TEAM));
            }
            (409, 200) => assert_eq!(status, "revoked"),
            other => panic!("{other:?} {joined:?} {revoked:?}"),
        }
        roster.check_table().await;
    }
}

#[tokio::test]
async fn of_many_who_sign_up_with_the_invited_email_at_once_one_joins() {
    let roster = Roster::start().await;
    invite(&roster, EMAIL).await;
    let answers = futures::future::join_all(
        (0..16).map(|n| sign_up(&roster, Uuid::from_u128(GUEST.as_u128() + n), EMAIL)),
    )
    .await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [[201].as_slice(), &[409; 15]].concat());
    assert_eq!(invites(&roster).await[0]["status"], "used");
    roster.check_table().await;
}
