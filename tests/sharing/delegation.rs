//! Delegated tokens: by which someone acts for a user whom they manage, or who shares with them.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::KeyPair;
use insta::assert_json_snapshot;
use local::{demo, template};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tests::checks::{DELETED, INVITED, NOBODY, SUSPENDED, changes, key, only_noted, unchanged};
use tests::own_tokens::{OwnKey, SIGNING_SECRET, base64url as base64};
use tests::{Answer, Roster, send, sign};
use uuid::Uuid;

use crate::{
    DAY, DELEGATED, FINN, GITA, ME, PRINCIPAL, USERS, check, operate, refusal, share, shares_with,
};

async fn delegate(roster: &Roster, actor: Uuid, body: Value) -> Answer {
    roster.call(Method::POST, DELEGATED, actor, &body).await
}

fn delegation(roster: &Roster, actor: Uuid, body: &Value) -> RequestBuilder {
    roster.request(Method::POST, DELEGATED).bearer_auth(roster.token(actor)).json(body)
}

/// A token by which the actor acts for a user, with all that is granted.
async fn token_for(roster: &Roster, actor: Uuid, sub: Uuid) -> String {
    token_in(&delegate(roster, actor, json!({"sub": sub})).await)
}

#[track_caller]
fn token_in(answer: &Answer) -> String {
    answer.clone().expect(200).json()["access_token"].as_str().expect("a token").to_owned()
}

/// A request with a credential as it is.
fn by(roster: &Roster, method: Method, path: &str, token: &str) -> RequestBuilder {
    roster.request(method, path).bearer_auth(token)
}

async fn get_by(roster: &Roster, path: &str, token: &str) -> Answer {
    send(by(roster, Method::GET, path, token)).await
}

/// The token by which a delegated token's holder acts for themselves again.
async fn principal(roster: &Roster, token: &str) -> String {
    token_in(&get_by(roster, PRINCIPAL, token).await)
}

/// A part of a token, unverified: 0 is the header, 1 the claims.
fn part(token: &str, place: usize) -> Value {
    let part = token.split('.').nth(place).expect("a part").replace('-', "+").replace('_', "/");
    let padded = format!("{part}{}", "=".repeat((4 - part.len() % 4) % 4));
    serde_json::from_slice(&aws_smithy_types::base64::decode(padded).expect("base64"))
        .expect("JSON")
}

fn claims(token: &str) -> Value {
    part(token, 1)
}

/// The claims for a snapshot: each token has an id of its own.
fn told(token: &str) -> Value {
    let mut claims = claims(token);
    claims["jti"] = json!("(new id)");
    claims
}

/// A key as a header may have it.
fn jwk(key: &OwnKey) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": key.x, "kid": key.kid})
}

/// A token of any header and claims, signed by that secret.
fn forge(header: &Value, claims: &Value, algorithm: hmac::Algorithm, secret: &[u8]) -> String {
    let message = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
    let signature = hmac::sign(&hmac::Key::new(algorithm, secret), message.as_bytes());
    format!("{message}.{}", base64(signature))
}

/// The snapshot of an answer with a new token.
#[track_caller]
fn without_token(answer: &Answer) -> Value {
    let mut snapshot = answer.clone().expect(200).snapshot();
    snapshot["body"]["access_token"] = json!("(a token)");
    snapshot
}

#[tokio::test]
async fn a_manager_gets_a_token_for_a_managed_user() {
    let roster = Roster::start().await;
    let answer =
        only_noted(&roster, delegation(&roster, demo::MANAGER, &json!({"sub": FINN}))).await;
    let token = token_in(&answer);
    assert_json_snapshot!(json!([without_token(&answer), part(&token, 0), told(&token)]));
    assert_eq!(
        (claims(&token)["iat"].as_i64(), claims(&token)["exp"].as_i64()),
        (Some(tests::START / 1000), Some(tests::START / 1000 + 3600))
    );
}

#[tokio::test]
async fn who_is_shared_with_gets_a_token_of_the_scopes_granted() {
    let roster = Roster::start().await;
    let answer =
        only_noted(&roster, delegation(&roster, demo::MANAGER, &json!({"sub": demo::OTHER_ADMIN})))
            .await;
    let token = token_in(&answer);
    assert_json_snapshot!(json!([without_token(&answer), told(&token)]));
    // Who was invited may share too.
    share(&roster, INVITED, demo::OPERATOR, &["email", "profile"]).await.expect(200);
    let token = token_for(&roster, demo::OPERATOR, INVITED).await;
    assert_eq!(claims(&token)["scope"], "email profile");
    assert_eq!(get_by(&roster, ME, &token).await.expect(200).json()["user"]["id"], json!(INVITED));
    check(&roster).await;
}

#[tokio::test]
async fn fewer_scopes_may_be_asked_for_and_a_team_named() {
    let roster = Roster::start().await;
    for (body, expected) in [
        (json!({"sub": FINN, "scopes": ["profile"]}), "profile"),
        (json!({"sub": FINN, "scopes": ["profile", "data:read"]}), "data:read profile"),
        (json!({"sub": FINN, "scopes": ["profile", "profile"]}), "profile"),
        (json!({"sub": FINN, "scopes": []}), "data:read data:write profile"),
        (json!({"sub": FINN, "scopes": null, "team_id": null}), "data:read data:write profile"),
        (json!({"sub": FINN, "team_id": demo::TEAM, "other": 1}), "data:read data:write profile"),
        (json!({"sub": FINN.to_string().to_uppercase()}), "data:read data:write profile"),
        (
            json!({"sub": demo::ADMIN, "scopes": ["workouts:read"], "team_id": demo::TEAM}),
            "workouts:read",
        ),
        (json!({"sub": demo::OTHER_ADMIN, "team_id": demo::OTHER_TEAM}), "wellness:read"),
    ] {
        let answer =
            only_noted(&roster, delegation(&roster, demo::MANAGER, &body)).await.expect(200);
        assert_eq!(
            (&answer.json()["scope"], &claims(&token_in(&answer))["scope"]),
            (&json!(expected), &json!(expected)),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_token_for_anyone_else_or_for_more_is_refused_and_nobody_learns_why() {
    let roster = Roster::start().await;
    for grantor in [SUSPENDED, DELETED] {
        let share = shared::models::Share {
            grantor_id: grantor,
            grantee_id: demo::MANAGER,
            scopes: vec!["data:read".into()],
            created_at: roster.now(),
        };
        let act = shared::store::Act::new(grantor, "share.granted", roster.now());
        // The deleted one shared before.
        if grantor == DELETED {
            for key in [
                shared::table::Key::shared(demo::MANAGER, DELETED),
                shared::table::Key::grant(DELETED, demo::MANAGER),
            ] {
                roster.server.data.store.put(&key, &share).await.expect("shared");
            }
        } else {
            roster.server.data.store.load_share(&share, &act).await.expect("shared");
        }
    }
    operate(&roster, "suspend", GITA).await;
    let cases = [
        ("nobody", demo::MANAGER, json!({"sub": NOBODY})),
        ("no id", demo::MANAGER, json!({"sub": "not-a-uuid"})),
        ("oneself", demo::MANAGER, json!({"sub": demo::MANAGER})),
        ("who shares nothing", demo::MANAGER, json!({"sub": demo::OPERATOR})),
        (
            "whom one shares with",
            demo::MANAGER,
            json!({"sub": demo::VIEWER, "scopes": ["data:read"]}),
        ),
        ("another's managed user", demo::ADMIN, json!({"sub": FINN})),
        ("a managed user, as a platform operator", demo::PLATFORM_OPERATOR, json!({"sub": FINN})),
        ("the manager, as a managed user", FINN, json!({"sub": demo::MANAGER})),
        ("another managed user of the same manager", FINN, json!({"sub": GITA})),
        ("a suspended user who shares", demo::MANAGER, json!({"sub": SUSPENDED})),
        ("a deleted user who shares", demo::MANAGER, json!({"sub": DELETED})),
        ("a suspended managed user", demo::MANAGER, json!({"sub": GITA})),
        (
            "a scope that is not shared",
            demo::MANAGER,
            json!({"sub": demo::ADMIN, "scopes": ["data:write"]}),
        ),
        (
            "one scope too many",
            demo::MANAGER,
            json!({"sub": demo::ADMIN, "scopes": ["data:read", "workouts:read", "profile"]}),
        ),
        (
            "more than a manager has",
            demo::MANAGER,
            json!({"sub": FINN, "scopes": ["data:read", "email"]}),
        ),
        ("administration", demo::MANAGER, json!({"sub": FINN, "scopes": ["admin"]})),
        (
            "offline access",
            demo::MANAGER,
            json!({"sub": demo::ADMIN, "scopes": ["offline_access"]}),
        ),
        ("another team", demo::MANAGER, json!({"sub": FINN, "team_id": demo::OTHER_TEAM})),
        (
            "one's own team for a sharer of another",
            demo::MANAGER,
            json!({"sub": demo::OTHER_ADMIN, "team_id": demo::TEAM}),
        ),
        ("a team of nobody's", demo::MANAGER, json!({"sub": FINN, "team_id": NOBODY})),
        ("a team that is no id", demo::MANAGER, json!({"sub": FINN, "team_id": "acme-robotics"})),
    ];
    let mut told = None;
    for (name, actor, body) in cases {
        // Managed users are not seen yet: that is noted once.
        roster.get(ME, actor).await.expect(200);
        let answer =
            unchanged(&roster, delegation(&roster, actor, &body)).await.expect(403).snapshot();
        assert_eq!(*told.get_or_insert(answer.clone()), answer, "{name}");
    }
    assert_json_snapshot!(told);
}

#[tokio::test]
async fn a_wrong_body_is_unprocessable() {
    let roster = Roster::start().await;
    let mut told = Vec::new();
    for body in [
        "{}",
        r#"{"sub": null}"#,
        r#"{"sub": 1}"#,
        r#"{"sub": ""}"#,
        r#"{"sub": "x", "scopes": "profile"}"#,
        r#"{"sub": "x", "scopes": ["everything"]}"#,
        r#"{"sub": "x", "scopes": [null]}"#,
        r#"{"sub": "x", "team_id": 7}"#,
        r#"{"sub": [], "scopes": {}, "team_id": " "}"#,
        "[]",
        "sub=x",
        "",
    ] {
        let request = by(&roster, Method::POST, DELEGATED, &roster.token(demo::MANAGER))
            .header("content-type", "application/json");
        let answer = unchanged(&roster, request.body(body)).await.expect(422).json();
        told.push(json!([body, answer["detail"]]));
    }
    assert_json_snapshot!(told);
}

#[tokio::test]
async fn an_api_key_delegates_nothing() {
    let roster = Roster::start().await;
    share(&roster, demo::VIEWER, demo::ADMIN, &["profile"]).await.expect(200);
    token_for(&roster, demo::ADMIN, demo::VIEWER).await;
    let request = by(&roster, Method::POST, DELEGATED, &key(demo::ADMIN, 1))
        .json(&json!({"sub": demo::VIEWER}));
    assert_json_snapshot!(unchanged(&roster, request).await.expect(403).snapshot());
}

#[tokio::test]
async fn a_token_lives_an_hour_to_the_second() {
    let roster = Roster::start().await;
    let token = token_for(&roster, demo::MANAGER, FINN).await;
    for (advance, status) in [(0, 200), (3599, 200), (1, 401), (30, 401), (DAY, 401)] {
        roster.advance(advance);
        assert_eq!(get_by(&roster, ME, &token).await.status, status, "{advance}");
    }
    assert_json_snapshot!(get_by(&roster, PRINCIPAL, &token).await.expect(401).snapshot());
}

#[tokio::test]
async fn a_token_ends_at_once_with_what_it_came_from() {
    let gone = (401, "unauthorized");
    let locked = (403, "auth_locked");
    let deleted = (403, "account_deleted");
    let cases = [
        ("the share is taken back", demo::VIEWER, gone),
        ("the share is narrowed", demo::VIEWER, gone),
        ("the managed user is deleted", FINN, gone),
        ("the sharer is suspended", demo::VIEWER, locked),
        ("the managed user is suspended", FINN, locked),
        ("the sharer deletes the account", demo::VIEWER, deleted),
        ("the actor is suspended", demo::VIEWER, locked),
        ("the manager is suspended", FINN, locked),
        ("the actor deletes the account", demo::VIEWER, deleted),
        ("the actor is erased", demo::VIEWER, gone),
        ("the sharer is erased", demo::VIEWER, gone),
    ];
    for (name, sub, (status, code)) in cases {
        let roster = Roster::start().await;
        // Someone whom nothing is kept from deleting.
        share(&roster, demo::VIEWER, demo::MANAGER, &["data:read", "profile"]).await.expect(200);
        let actor = demo::MANAGER;
        let token = token_for(&roster, actor, sub).await;
        assert_eq!(
            get_by(&roster, ME, &token).await.expect(200).json()["user"]["id"],
            json!(sub),
            "{name}"
        );
        let own = principal(&roster, &token).await;
        assert_eq!(
            get_by(&roster, ME, &own).await.expect(200).json()["user"]["id"],
            json!(actor),
            "{name}"
        );
        let erase = async |user: Uuid| {
            roster.delete("/v1/account", user).await.expect(202);
            roster
                .delete(&format!("/v1/admin/users/{user}"), demo::PLATFORM_OPERATOR)
                .await
                .expect(200);
        };
        match name {
            "the share is taken back" => {
                drop(roster.delete(&shares_with(actor), sub).await.expect(200))
            }
            "the share is narrowed" => {
                drop(share(&roster, sub, actor, &["profile"]).await.expect(200))
            }
            "the managed user is deleted" => {
                drop(roster.delete(&format!("{USERS}{sub}"), actor).await.expect(200))
            }
            "the sharer is suspended" | "the managed user is suspended" => {
                operate(&roster, "suspend", sub).await
            }
            "the sharer deletes the account" => {
                drop(roster.delete("/v1/account", sub).await.expect(202))
            }
            "the actor is suspended" | "the manager is suspended" => {
                operate(&roster, "suspend", actor).await
            }
            "the actor deletes the account" => {
                drop(roster.delete("/v1/account", actor).await.expect(202))
            }
            "the actor is erased" => erase(actor).await,
            _ => erase(sub).await,
        }
        let refused = unchanged(&roster, by(&roster, Method::GET, ME, &token)).await;
        assert_eq!(
            (refused.status, refused.json()["code"].as_str()),
            (status, Some(code)),
            "{name}"
        );
        unchanged(&roster, by(&roster, Method::GET, PRINCIPAL, &token)).await.expect(401);
        // The one for oneself goes with it.
        assert_eq!(get_by(&roster, ME, &own).await.status, status, "{name}");
        let of_actor = name.starts_with("the actor") || name.starts_with("the manager");
        if !of_actor {
            delegate(&roster, actor, json!({"sub": sub, "scopes": ["data:read"]}))
                .await
                .expect(403);
        }
        check(&roster).await;
    }
}

#[tokio::test]
async fn more_scopes_in_the_share_leave_a_token_as_it_is() {
    let roster = Roster::start().await;
    share(&roster, demo::VIEWER, demo::OPERATOR, &["data:read"]).await.expect(200);
    let token = token_for(&roster, demo::OPERATOR, demo::VIEWER).await;
    share(&roster, demo::VIEWER, demo::OPERATOR, &["data:read", "profile"]).await.expect(200);
    get_by(&roster, PRINCIPAL, &token).await.expect(200);
    get_by(&roster, ME, &token).await.expect(403);
    check(&roster).await;
}

#[tokio::test]
async fn the_principal_token_of_a_delegated_one_is_for_its_holder_and_no_stronger() {
    let roster = Roster::start().await;
    let token = token_for(&roster, demo::MANAGER, FINN).await;
    roster.advance(10);
    let answer = only_noted(&roster, by(&roster, Method::GET, PRINCIPAL, &token)).await;
    let own = token_in(&answer);
    assert_json_snapshot!(json!([without_token(&answer), part(&own, 0), told(&own)]));
    // It shows whom the manager can act for, and who the manager is: what clients ask before they
    // switch.
    for path in [USERS, ME] {
        let (by_own, by_token) =
            futures::join!(get_by(&roster, path, &own), roster.get(path, demo::MANAGER));
        assert_eq!((by_own.status, by_own.text), (200, by_token.text), "{path}");
    }
    assert_eq!(get_by(&roster, PRINCIPAL, &own).await.json()["access_token"], json!(own));
    check(&roster).await;
}

#[tokio::test]
async fn the_leeway_of_a_sign_in_delegates_nothing() {
    let roster = Roster::start().await;
    let mut first = roster.claims(demo::MANAGER);
    first["exp"] = json!(roster.now().as_second() - 20);
    let late = sign(&first);
    get_by(&roster, ME, &late).await.expect(200);
    let refused =
        unchanged(&roster, by(&roster, Method::POST, DELEGATED, &late).json(&json!({"sub": FINN})))
            .await;
    assert_json_snapshot!(refused.expect(401).snapshot());
}

/// A path of a route with something in every place that the caller and the principal have.
fn filled(path: &str) -> String {
    let id = if path.starts_with("/api/admin/user-admin") {
        "5".to_owned()
    } else {
        demo::VIEWER.to_string()
    };
    path.replace("{proxy+}", "")
        .replace("{id}", &id)
        .replace("{user_id}", &if path.starts_with(USERS) { GITA.to_string() } else { id.clone() })
        .replace("{key_id}", &demo::id(0xf201).to_string())
        .replace("{sandbox_id}", "sbx_0000000000000000")
}

const USERINFO: &str = "/api/v1/oauth/userinfo";

/// Every method and path that takes a credential, but for those that a delegated token opens.
fn closed() -> Vec<(Method, String)> {
    let routes = template::routes()
        .into_iter()
        .filter(|route| !["/health", "/openapi.json", "$default"].contains(&route.path.as_str()));
    let paths = routes.map(|route| {
        let method: Method = route.method.as_deref().expect("a method").parse().expect("a method");
        (method, filled(&route.path))
    });
    let open = [ME, PRINCIPAL, USERINFO];
    let is_open =
        |(method, path): &(Method, String)| method.is_safe() && open.contains(&path.as_str());
    paths.filter(|request| !is_open(request)).collect()
}

#[tokio::test]
async fn a_delegated_token_opens_nothing_else_whomever_it_is_for() {
    let roster = Roster::start().await;
    // With everything that can be shared, by those who may do most.
    let everything =
        ["data:read", "data:write", "openid", "profile", "email", "sharing:read", "sharing:write"];
    for (grantor, grantee) in [(demo::ADMIN, demo::MANAGER), (demo::PLATFORM_OPERATOR, demo::ADMIN)]
    {
        share(&roster, grantor, grantee, &everything).await.expect(200);
    }
    let tokens = [
        token_for(&roster, demo::MANAGER, FINN).await,
        token_for(&roster, demo::MANAGER, demo::ADMIN).await,
        token_for(&roster, demo::ADMIN, demo::PLATFORM_OPERATOR).await,
    ];
    let closed = closed();
    assert!(closed.len() > 50, "{closed:#?}");
    let before = roster.items().await;
    let mut told: Vec<(Value, Vec<String>)> = Vec::new();
    for token in &tokens {
        for (method, path) in &closed {
            for body in [
                json!({}),
                json!({"sub": GITA, "scopes": ["data:read"], "first_name": "Eve", "last_name": null}),
            ] {
                for idempotency_key in [None, Some("delegated-1"), Some("short")] {
                    let mut request = by(&roster, method.clone(), path, token).json(&body);
                    if let Some(idempotency_key) = idempotency_key {
                        request = request.header("idempotency-key", idempotency_key);
                    }
                    let answer = refusal(&send(request).await.expect(403));
                    let place = format!("{method} {path}");
                    match told.iter_mut().find(|(known, _)| *known == answer) {
                        Some((_, places)) if places.contains(&place) => {}
                        Some((_, places)) => places.push(place),
                        None => told.push((answer, vec![place])),
                    }
                }
            }
        }
    }
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
    let mut told: Vec<_> = told
        .into_iter()
        .map(|(answer, mut places)| {
            places.sort();
            json!([answer, places])
        })
        .collect();
    told.sort_by_key(|told| told[1][0].to_string());
    assert_json_snapshot!(told);
}

#[tokio::test]
async fn a_delegated_token_is_read_wherever_the_contract_reads_one() {
    let roster = Roster::start().await;
    let token = token_for(&roster, demo::MANAGER, FINN).await;
    for (header, value) in
        [("cookie", format!("token={token}")), ("refreshed-token", token.clone())]
    {
        let own =
            token_in(&send(roster.request(Method::GET, PRINCIPAL).header(header, &value)).await);
        assert_eq!(claims(&own)["sub"], json!(demo::MANAGER));
        send(roster.request(Method::GET, USERS).header(header, &value)).await.expect(403);
        send(roster.request(Method::GET, ME).header(header, &value)).await.expect(401);
    }
}

#[tokio::test]
async fn one_sees_the_principals_account_with_the_scope_profile_alone() {
    let roster = Roster::start().await;
    share(&roster, demo::VIEWER, demo::OPERATOR, &["data:read", "email", "openid", "profile"])
        .await
        .expect(200);
    let own = roster.get(ME, demo::VIEWER).await.expect(200);
    for (scopes, status) in [
        (vec!["profile"], 200),
        (vec!["data:read", "profile"], 200),
        (vec!["data:read"], 403),
        (vec!["email", "openid"], 403),
    ] {
        let token = token_in(
            &delegate(&roster, demo::OPERATOR, json!({"sub": demo::VIEWER, "scopes": scopes}))
                .await,
        );
        let answer = only_noted(&roster, by(&roster, Method::GET, ME, &token)).await.expect(status);
        if status == 200 {
            let mut shown = own.json();
            shown["session_email"] = Value::Null;
            assert_eq!(
                (answer.json(), answer.headers.get("etag")),
                (shown, own.headers.get("etag")),
                "{scopes:?}"
            );
        } else {
            assert_json_snapshot!("without_profile", answer.snapshot());
        }
    }
    // It is for looking, not for changing, and looking is no sighting of the principal.
    let token = token_for(&roster, demo::OPERATOR, demo::VIEWER).await;
    roster.advance(3000);
    only_noted(&roster, by(&roster, Method::GET, ME, &token)).await.expect(200);
    unchanged(
        &roster,
        by(&roster, Method::PATCH, ME, &token).json(&json!({"display_name": "Eve"})),
    )
    .await
    .expect(403);
    check(&roster).await;
}

#[tokio::test]
async fn a_forged_token_is_refused() {
    let roster = Roster::start().await;
    let token = token_for(&roster, demo::MANAGER, FINN).await;
    let (header, good) = (part(&token, 0), claims(&token));
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let with = |changes: Value| {
        let mut claims = good.clone();
        for (name, value) in changes.as_object().expect("an object") {
            match value {
                Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    };
    let resigned = |header: &Value, claims: &Value| {
        format!("{}.{}.{signature}", base64(header.to_string()), base64(claims.to_string()))
    };
    let provider = b"local-development-secret-do-not-deploy";
    let real = OwnKey::of(SIGNING_SECRET);
    // All that a verifier holds: the public key, in every form that could pass for a secret.
    let public = real.pair.public_key().as_ref().to_vec();
    let der: PublicKeyX509Der = real.pair.public_key().as_der().expect("a public key in DER");
    let item = json!(roster.signing_key().await.expect("the key is published"));
    assert_eq!((&item["kid"], &item["x"]), (&json!(real.kid), &json!(real.x)));
    let hs256 = |header: Value, claims: Value, secret: &[u8]| {
        forge(&header, &claims, hmac::HMAC_SHA256, secret)
    };
    let own = |claims: Value| real.token(&header, &claims);
    // That the key is the real one: what is made with it is refused for other reasons than its
    // signature.
    get_by(&roster, ME, &own(good.clone())).await.expect(200);
    let kid = |kid: &str, alg: &str| json!({"typ": "JWT", "alg": alg, "kid": kid});
    let by_hmac = kid(&real.kid, "HS256");
    let no_kid = |alg: &str| json!({"typ": "JWT", "alg": alg});
    let stranger = OwnKey::of("a-secret-that-a-stranger-made-up-for-this");
    let issuer = "http://localhost/auth/v1";
    let forged = [
        ("the provider's secret", hs256(by_hmac.clone(), good.clone(), provider)),
        (
            "the provider's secret and issuer under our kid",
            hs256(by_hmac.clone(), with(json!({"iss": issuer})), provider),
        ),
        ("the provider's secret said to be ours", hs256(header.clone(), good.clone(), provider)),
        (
            "the provider's secret, our issuer, no kid",
            hs256(no_kid("HS256"), good.clone(), provider),
        ),
        (
            "the provider's secret, our issuer, another kid",
            hs256(kid(&stranger.kid, "HS256"), good.clone(), provider),
        ),
        (
            "our secret as it is set",
            hs256(by_hmac.clone(), good.clone(), SIGNING_SECRET.as_bytes()),
        ),
        ("an empty secret", hs256(by_hmac.clone(), good.clone(), b"")),
        ("the public key as a secret", hs256(by_hmac.clone(), good.clone(), &public)),
        (
            "the public key as a secret, said to be ours",
            hs256(header.clone(), good.clone(), &public),
        ),
        ("the public key as a secret, no kid", hs256(no_kid("HS256"), good.clone(), &public)),
        (
            "the public key as a secret, the provider's issuer",
            hs256(no_kid("HS256"), with(json!({"iss": issuer})), &public),
        ),
        (
            "the public key in base64 as a secret",
            hs256(by_hmac.clone(), good.clone(), real.x.as_bytes()),
        ),
        ("the public key in DER as a secret", hs256(by_hmac.clone(), good.clone(), der.as_ref())),
        ("the item as a secret", hs256(by_hmac.clone(), good.clone(), item.to_string().as_bytes())),
        (
            "the public key by HS384",
            forge(&kid(&real.kid, "HS384"), &good, hmac::HMAC_SHA384, &public),
        ),
        (
            "the public key by HS512",
            forge(&kid(&real.kid, "HS512"), &good, hmac::HMAC_SHA512, &public),
        ),
        ("a stranger's key under its own kid", stranger.token(&kid(&stranger.kid, "EdDSA"), &good)),
        ("a stranger's key under our kid", stranger.token(&header, &good)),
        (
            "a stranger's key in the header",
            stranger.token(&json!({"alg": "EdDSA", "kid": real.kid, "jwk": jwk(&stranger)}), &good),
        ),
        ("our key without our kid", real.token(&no_kid("EdDSA"), &good)),
        ("our key under another kid", real.token(&kid(&stranger.kid, "EdDSA"), &good)),
        (
            "our key under a thumbprint alone",
            real.token(&kid(&real.kid["roster-".len()..], "EdDSA"), &good),
        ),
        ("our key, said to be RS256", real.token(&kid(&real.kid, "RS256"), &good)),
        ("our key, said to be ES256", real.token(&kid(&real.kid, "ES256"), &good)),
        ("our key and the provider's issuer", own(with(json!({"iss": issuer})))),
        (
            "our key without our kid and the provider's issuer",
            real.token(&no_kid("EdDSA"), &with(json!({"iss": issuer}))),
        ),
        ("our key for another audience", own(with(json!({"aud": "others"})))),
        ("our key for no audience", own(with(json!({"aud": null})))),
        ("our key without an issuer", own(with(json!({"iss": null})))),
        ("our key without an end", own(with(json!({"exp": null})))),
        ("our key without an id", own(with(json!({"jti": null})))),
        ("our key without an actor", own(with(json!({"act": null})))),
        (
            "our key, of a delegator for someone else",
            own(with(json!({"delegator": FINN, "sub": GITA}))),
        ),
        ("our key, an actor without an id", own(with(json!({"act": {}})))),
        ("our key, an actor who is nobody", own(with(json!({"act": {"sub": NOBODY}})))),
        ("our key, an actor who does not manage", own(with(json!({"act": {"sub": demo::ADMIN}})))),
        ("our key, more scopes than are granted", own(with(json!({"scope": "profile admin"})))),
        (
            "our key, a critical extension",
            real.token(&json!({"alg": "EdDSA", "kid": real.kid, "crit": ["x"], "x": 1}), &good),
        ),
        (
            "more scopes",
            resigned(&header, &with(json!({"scope": "data:read data:write profile email"}))),
        ),
        ("another principal", resigned(&header, &with(json!({"sub": GITA})))),
        ("another actor", resigned(&header, &with(json!({"act": {"sub": demo::ADMIN}})))),
        ("no actor", resigned(&header, &with(json!({"act": null})))),
        ("a later end", resigned(&header, &with(json!({"exp": roster.now().as_second() + DAY})))),
        (
            "a later sign-in",
            resigned(&header, &with(json!({"signed_in_at": roster.now().as_second() + DAY}))),
        ),
        ("another delegator", resigned(&header, &with(json!({"delegator": GITA})))),
        ("no kid", resigned(&no_kid("EdDSA"), &good)),
        (
            "none",
            format!("{}.{}.", base64(kid(&real.kid, "none").to_string()), base64(good.to_string())),
        ),
        (
            "none, in capitals",
            format!("{}.{}.", base64(json!({"alg": "NONE"}).to_string()), base64(good.to_string())),
        ),
        ("none with a signature", resigned(&kid(&real.kid, "none"), &good)),
        ("no signature", format!("{signed}.")),
        ("no third part", signed.to_owned()),
        ("half a signature", format!("{signed}.{}", &signature[..20])),
        (
            "the signature of another",
            format!(
                "{signed}.{}",
                token_for(&roster, demo::MANAGER, GITA)
                    .await
                    .rsplit('.')
                    .next()
                    .unwrap_or_default()
            ),
        ),
    ];
    let (mut told, before) = (None, roster.items().await);
    for (name, forged) in &forged {
        let answers = [
            get_by(&roster, ME, forged).await,
            get_by(&roster, PRINCIPAL, forged).await,
            get_by(&roster, USERS, forged).await,
        ];
        // Those of our own key are delegated tokens: the list is closed to them without a look.
        let list = if name.starts_with("our key, an actor who") || name.starts_with("our key, more")
        {
            403
        } else {
            401
        };
        assert_eq!(answers.each_ref().map(|answer| answer.status), [401, 401, list], "{name}");
        let answer = answers[1].snapshot();
        assert_eq!(*told.get_or_insert(answer.clone()), answer, "{name}");
    }
    assert_json_snapshot!(told);
    assert_eq!(changes(&before, &roster.items().await), [""; 0]);
    // The true one works all the same.
    get_by(&roster, ME, &token).await.expect(200);
}

#[tokio::test]
async fn a_provider_that_speaks_of_actors_makes_nobody_one() {
    let roster = Roster::start().await;
    let mut claims = roster.claims(demo::VIEWER);
    claims["act"] = json!({"sub": demo::ADMIN});
    claims["scope"] = json!("admin");
    claims["delegator"] = json!(demo::ADMIN);
    let token = sign(&claims);
    assert_eq!(
        get_by(&roster, "/users/me", &token).await.expect(200).json()["id"],
        json!(demo::VIEWER)
    );
    assert_eq!(
        get_by(&roster, PRINCIPAL, &token).await.expect(200).json()["access_token"],
        json!(token)
    );
    // Nor is the sign-in longer than the token.
    share(&roster, demo::MANAGER, demo::VIEWER, &["profile"]).await.expect(200);
    let delegated = token_in(
        &send(by(&roster, Method::POST, DELEGATED, &token).json(&json!({"sub": demo::MANAGER})))
            .await,
    );
    roster.advance(1800);
    assert_eq!(get_by(&roster, PRINCIPAL, &delegated).await.expect(200).json()["expires_in"], 1800);
    check(&roster).await;
}
