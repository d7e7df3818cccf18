//! Found: a delegated token of any scope became its holder's full credential. `principal-token`
//! gave a token as good as the holder's own, and with it a permanent API key; of a platform
//! operator, operator rights too.

use functions::HANDLERS;
use local::{demo, template};
use reqwest::Method;
use serde_json::{Value, json};
use tests::own_tokens::claims;
use tests::{Answer, Roster, send, sign};
use uuid::Uuid;

const USERS: &str = "/api/v1/users/";
const DELEGATED: &str = "/api/v1/oauth/delegated-token";
const PRINCIPAL: &str = "/api/v1/oauth/principal-token";
const ME: &str = "/v1/account/me";
/// A user whom the demo data's manager manages.
const FINN: Uuid = demo::id(0x61);

async fn by(roster: &Roster, method: Method, path: &str, token: &str, body: &Value) -> Answer {
    send(roster.request(method, path).bearer_auth(token).json(body)).await
}

async fn get(roster: &Roster, path: &str, token: &str) -> Answer {
    send(roster.request(Method::GET, path).bearer_auth(token)).await
}

fn token_in(answer: &Answer) -> String {
    answer.clone().expect(200).json()["access_token"].as_str().expect("a token").to_owned()
}

/// An attacker's tokens: a delegated token with these scopes, and the principal token that it
/// gives.
async fn stolen(roster: &Roster, sign_in: &str, sub: Uuid, scopes: &[&str]) -> (String, String) {
    let delegated = token_in(
        &by(roster, Method::POST, DELEGATED, sign_in, &json!({"sub": sub, "scopes": scopes})).await,
    );
    let principal = token_in(&get(roster, PRINCIPAL, &delegated).await);
    (delegated, principal)
}

async fn share(roster: &Roster, grantor: Uuid, grantee: Uuid, scopes: &[&str]) {
    let path = format!("/api/v1/users/shares/{grantee}");
    roster.call(Method::PUT, &path, grantor, &json!({"scopes": scopes})).await.expect(200);
}

#[tokio::test]
async fn a_principal_token_mints_no_key() {
    let roster = Roster::start().await;
    let (_, principal) = stolen(&roster, &roster.token(demo::MANAGER), FINN, &["data:read"]).await;
    for path in ["/v1/keys", "/v1/keys/default"] {
        let attack = by(&roster, Method::POST, path, &principal, &json!({"name": "mine for good"}))
            .await
            .expect(403);
        assert!(!attack.text.contains("ns_live_"), "{attack:?}");
    }
    assert_eq!(roster.get("/v1/keys", demo::MANAGER).await.expect(200).json(), json!([]));
}

#[tokio::test]
async fn a_principal_token_of_a_platform_operator_has_no_operator_rights() {
    let roster = Roster::start().await;
    share(&roster, demo::VIEWER, demo::PLATFORM_OPERATOR, &["data:read", "profile"]).await;
    let (_, principal) = stolen(
        &roster,
        &roster.token(demo::PLATFORM_OPERATOR),
        demo::VIEWER,
        &["data:read", "profile"],
    )
    .await;
    let user = demo::ADMIN;
    for (method, path) in [
        (Method::GET, "/v1/admin/users".to_owned()),
        (Method::GET, format!("/v1/admin/users/{user}")),
        (Method::POST, format!("/v1/admin/users/{user}/keys")),
        (Method::POST, format!("/v1/admin/users/{user}/suspend")),
        (Method::DELETE, format!("/v1/admin/users/{user}")),
    ] {
        by(
            &roster,
            method.clone(),
            &path,
            &principal,
            &json!({"name": "mine", "scope": "operator"}),
        )
        .await
        .expect(403);
    }
}

#[tokio::test]
async fn a_principal_token_opens_the_list_and_the_account_and_nothing_else() {
    let roster = Roster::start().await;
    let everything = ["data:read", "data:write", "profile"];
    let (_, principal) = stolen(&roster, &roster.token(demo::MANAGER), FINN, &everything).await;
    let open = [
        (Method::GET, USERS),
        (Method::GET, "/api/v1/users"),
        (Method::GET, ME),
        (Method::GET, PRINCIPAL),
    ];
    let before = roster.items().await;
    let mut closed = 0;
    for route in template::routes() {
        let needs =
            HANDLERS.iter().find(|handler| handler.name == route.handler).expect("a handler").needs;
        let Some(method) = route.method.filter(|_| needs.verify) else { continue };
        let method: Method = method.parse().expect("a method");
        let path = route
            .path
            .replace("{proxy+}", "")
            .replace("{user_id}", &FINN.to_string())
            .replace("{id}", "5");
        let path = path
            .replace("{key_id}", &demo::id(0xf201).to_string())
            .replace("{sandbox_id}", "sbx_0000000000000000");
        // A HEAD request is answered as the GET request is.
        let read = if method == Method::HEAD { Method::GET } else { method.clone() };
        if open.contains(&(read, path.as_str())) {
            continue;
        }
        let body =
            json!({"sub": FINN, "scopes": ["data:read"], "first_name": "Eve", "last_name": null});
        let attack = by(&roster, method.clone(), &path, &principal, &body).await;
        assert_eq!(attack.status, 403, "{method} {path}: {attack:?}");
        closed += 1;
    }
    assert!(closed > 50, "{closed}");
    assert_eq!(tests::checks::changes(&before, &roster.items().await), [""; 0]);
    for (_, path) in open {
        let answer = get(&roster, path, &principal).await.expect(200);
        let own = roster.get(path, demo::MANAGER).await;
        assert!(path == PRINCIPAL || answer.text == own.text, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn a_principal_token_has_the_scopes_of_its_delegation_and_no_more() {
    let roster = Roster::start().await;
    for (scopes, list, me) in [
        (&["data:read"][..], 200, 403),
        (&["profile"], 403, 200),
        (&["data:write"], 403, 403),
        (&["data:read", "profile"], 200, 200),
    ] {
        let (delegated, principal) =
            stolen(&roster, &roster.token(demo::MANAGER), FINN, scopes).await;
        let told = claims(&principal);
        assert_eq!(
            (&told["scope"], &told["sub"]),
            (&json!(scopes.join(" ")), &json!(demo::MANAGER))
        );
        assert_eq!(
            (&told["act"], &told["delegator"]),
            (&json!({"sub": demo::MANAGER}), &json!(FINN))
        );
        assert_eq!(
            (
                get(&roster, USERS, &principal).await.status,
                get(&roster, ME, &principal).await.status
            ),
            (list, me),
            "{scopes:?}"
        );
        // The delegated one itself opens no list.
        get(&roster, USERS, &delegated).await.expect(403);
        // A principal token leads to itself alone: it cannot be made to last.
        let again = get(&roster, PRINCIPAL, &principal).await.expect(200).json();
        assert_eq!(
            (&again["access_token"], &again["scope"]),
            (&json!(principal), &json!(scopes.join(" ")))
        );
    }
}

#[tokio::test]
async fn neither_token_outlives_the_sign_in_or_the_delegation() {
    let roster = Roster::start().await;
    let start = roster.now().as_second();
    let mut sign_in = roster.claims(demo::MANAGER);
    sign_in["exp"] = json!(start + 1000);
    let (delegated, principal) =
        stolen(&roster, &sign(&sign_in), FINN, &["data:read", "profile"]).await;
    for token in [&delegated, &principal] {
        assert_eq!(claims(token)["exp"], json!(start + 1000));
    }
    roster.advance(999);
    get(&roster, USERS, &principal).await.expect(200);
    assert_eq!(get(&roster, PRINCIPAL, &delegated).await.expect(200).json()["expires_in"], 1);
    roster.advance(1);
    for token in [&delegated, &principal] {
        for path in [USERS, ME, PRINCIPAL] {
            get(&roster, path, token).await.expect(401);
        }
    }
    // A sign-in that is over, but for the leeway of clocks, delegates nothing.
    by(&roster, Method::POST, DELEGATED, &sign(&sign_in), &json!({"sub": FINN})).await.expect(401);
    // A long sign-in: the delegation's hour counts, from its own beginning.
    let mut sign_in = roster.claims(demo::MANAGER);
    sign_in["exp"] = json!(roster.now().as_second() + 100_000);
    let body = json!({"sub": FINN});
    let delegated = token_in(&by(&roster, Method::POST, DELEGATED, &sign(&sign_in), &body).await);
    roster.advance(3000);
    let principal = token_in(&get(&roster, PRINCIPAL, &delegated).await);
    assert_eq!(claims(&principal)["exp"], claims(&delegated)["exp"]);
    roster.advance(600);
    get(&roster, USERS, &principal).await.expect(401);
}

#[tokio::test]
async fn a_principal_token_ends_with_what_it_came_from() {
    let refused = [401, 403];
    for what in [
        "the share is taken back",
        "the share is narrowed",
        "the grantor is suspended",
        "the grantor deletes the account",
        "the actor is suspended",
    ] {
        let roster = Roster::start().await;
        share(&roster, demo::VIEWER, demo::MANAGER, &["data:read", "profile"]).await;
        let (_, principal) =
            stolen(&roster, &roster.token(demo::MANAGER), demo::VIEWER, &["data:read", "profile"])
                .await;
        get(&roster, USERS, &principal).await.expect(200);
        let suspend = async |user: Uuid| {
            let path = format!("/v1/admin/users/{user}/suspend");
            roster.call(Method::POST, &path, demo::PLATFORM_OPERATOR, &json!({})).await.expect(200);
        };
        match what {
            "the share is taken back" => {
                roster
                    .delete(&format!("/api/v1/users/shares/{}", demo::MANAGER), demo::VIEWER)
                    .await
                    .expect(200);
            }
            "the share is narrowed" => {
                share(&roster, demo::VIEWER, demo::MANAGER, &["profile"]).await
            }
            "the grantor is suspended" => suspend(demo::VIEWER).await,
            "the grantor deletes the account" => {
                drop(roster.delete("/v1/account", demo::VIEWER).await.expect(202))
            }
            _ => suspend(demo::MANAGER).await,
        }
        for path in [USERS, ME, PRINCIPAL] {
            let answer = get(&roster, path, &principal).await;
            assert!(refused.contains(&answer.status), "{what}, {path}: {answer:?}");
        }
    }
}

/// The history of a user, oldest first: action, actor, changes.
async fn history(roster: &Roster, user: Uuid) -> Vec<Value> {
    let partition = json!(format!("AUDIT#{user}"));
    let entries = roster.items().await.into_iter().filter(|item| item["pk"] == partition);
    let of_tokens = entries
        .filter(|entry| entry["action"].as_str().is_some_and(|action| action.contains("_token.")));
    of_tokens.map(|entry| json!([entry["action"], entry["actor_id"], entry["changes"]])).collect()
}

#[tokio::test]
async fn each_issue_and_use_has_an_entry_that_names_both_people() {
    let roster = Roster::start().await;
    let (delegated, principal) =
        stolen(&roster, &roster.token(demo::MANAGER), FINN, &["data:read", "profile"]).await;
    let change = |value: Value| json!({"before": null, "after": value});
    let [delegated_id, principal_id] =
        [&delegated, &principal].map(|token| change(claims(token)["jti"].clone()));
    let issued = json!(["delegated_token.issued", demo::MANAGER, {"token_id": delegated_id, "scopes": change(json!(["data:read", "profile"]))}]);
    let of_principal = json!({"token_id": principal_id, "delegator_id": change(json!(FINN))});
    let issued_principal = json!(["principal_token.issued", demo::MANAGER, of_principal]);
    assert_eq!(history(&roster, FINN).await, std::slice::from_ref(&issued));
    assert_eq!(history(&roster, demo::MANAGER).await, std::slice::from_ref(&issued_principal));
    // Once in ten minutes for each token.
    let used = json!(["delegated_token.used", demo::MANAGER, {"token_id": delegated_id}]);
    let used_principal = json!(["principal_token.used", demo::MANAGER, of_principal]);
    for path in [ME, ME] {
        get(&roster, path, &delegated).await.expect(200);
    }
    for path in [USERS, ME, PRINCIPAL] {
        get(&roster, path, &principal).await.expect(200);
    }
    assert_eq!(history(&roster, FINN).await, [issued.clone(), used.clone()]);
    assert_eq!(
        history(&roster, demo::MANAGER).await,
        [issued_principal.clone(), used_principal.clone()]
    );
    roster.advance(600);
    for token in [&delegated, &principal] {
        get(&roster, ME, token).await.expect(200);
    }
    assert_eq!(history(&roster, FINN).await, [issued, used.clone(), used]);
    assert_eq!(
        history(&roster, demo::MANAGER).await,
        [issued_principal, used_principal.clone(), used_principal]
    );
}
