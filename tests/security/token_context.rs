//! Found: the token's context was ignored. Anonymous sign-ins, tokens of the roles `anon` and
//! `service_role`, and tokens of third-party apps (`client_id`) were let in as their user.

use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, Roster, send, sign};

/// One endpoint of each contract, and what its body calls the reason.
const ENDPOINTS: [(&str, &str); 5] = [
    ("/v1/account/me", "/error"),
    ("/api/v1/admin_user/00000000-0000-4000-8000-000000000002", "/message"),
    ("/api/admin/user-admin/1", "/message"),
    ("/api/v1/users/", "/detail"),
    ("/users/me", "/message"),
];

async fn by(roster: &Roster, path: &str, changes: &Value) -> Answer {
    let mut claims = roster.claims(demo::ADMIN);
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
        if *value == json!("(absent)") {
            claims.as_object_mut().expect("claims").remove(name);
        }
    }
    send(roster.request(Method::GET, path).bearer_auth(sign(&claims))).await
}

#[tokio::test]
async fn a_token_of_another_context_is_refused_by_every_contract_with_the_reason() {
    let roster = Roster::start().await;
    for (changes, reason) in [
        (json!({"is_anonymous": true}), "anonymous sign-in"),
        (json!({"is_anonymous": "true"}), "anonymous sign-in"),
        (json!({"is_anonymous": 1}), "anonymous sign-in"),
        (json!({"role": "anon"}), "`role`"),
        (json!({"role": "service_role"}), "`role`"),
        (json!({"role": ""}), "`role`"),
        (json!({"role": "Authenticated"}), "`role`"),
        (json!({"role": ["authenticated"]}), "`role`"),
        (json!({"client_id": "a-third-party-app"}), "`client_id`"),
        (json!({"client_id": ""}), "`client_id`"),
        (json!({"client_id": ["a"]}), "`client_id`"),
        (json!({"client_id": "authenticated"}), "`client_id`"),
    ] {
        for (path, place) in ENDPOINTS {
            let answer = by(&roster, path, &changes).await.expect(401);
            let told = answer.json();
            let told =
                told.pointer(place).and_then(Value::as_str).unwrap_or_else(|| panic!("{answer:?}"));
            assert!(told.contains(reason), "{changes} at {path}: {told}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
    // Nor does anyone sign up so.
    let mut claims = roster.claims(demo::id(0xdead));
    claims["email"] = json!("eve@example.com");
    claims["is_anonymous"] = json!(true);
    send(roster.request(Method::POST, "/v1/account").bearer_auth(sign(&claims))).await.expect(401);
    assert!(roster.user(demo::id(0xdead)).await.is_none());
}

#[tokio::test]
async fn what_a_token_does_not_tell_passes() {
    let roster = Roster::start().await;
    for changes in [
        json!({}),
        json!({"role": "(absent)"}),
        json!({"role": null}),
        json!({"is_anonymous": false}),
        json!({"is_anonymous": null}),
        json!({"is_anonymous": "false"}),
        json!({"client_id": null}),
        json!({"aal": "aal1", "amr": [{"method": "password", "timestamp": 1}]}),
    ] {
        for (path, _) in ENDPOINTS {
            let answer = by(&roster, path, &changes).await;
            assert_eq!(answer.status, 200, "{changes} at {path}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn roles_and_clients_are_let_in_by_the_settings() {
    let roster = Roster::start_with(|options| {
        options.config.tokens.roles = vec!["user".to_owned(), "staff".to_owned()];
        options.config.tokens.clients = vec!["our-app".to_owned()];
    })
    .await;
    for (changes, status) in [
        (json!({"role": "user"}), 200),
        (json!({"role": "staff"}), 200),
        (json!({"role": "(absent)"}), 200),
        (json!({"role": "authenticated"}), 401),
        (json!({"role": "user", "client_id": "our-app"}), 200),
        (json!({"role": "user", "client_id": "their-app"}), 401),
        (json!({"role": "user", "client_id": "our-app", "is_anonymous": true}), 401),
    ] {
        assert_eq!(by(&roster, "/users/me", &changes).await.status, status, "{changes}");
    }
}

#[tokio::test]
async fn where_a_token_has_no_audience_its_client_stands_in() {
    let roster = Roster::start().await;
    for (aud, client, status) in [
        (json!("(absent)"), json!("authenticated"), 200),
        (json!(null), json!("authenticated"), 200),
        (json!("(absent)"), json!("(absent)"), 401),
        (json!("(absent)"), json!(null), 401),
        (json!("(absent)"), json!("another-client"), 401),
        (json!("(absent)"), json!(["authenticated"]), 401),
        (json!("authenticated"), json!("(absent)"), 200),
        (json!(["x", "authenticated"]), json!("(absent)"), 200),
        // An audience that is there is held against ours, whatever it is.
        (json!("others"), json!("authenticated"), 401),
        (json!([]), json!("authenticated"), 401),
        (json!(["others"]), json!("authenticated"), 401),
        (json!(5), json!("authenticated"), 401),
        (json!({}), json!("authenticated"), 401),
        (json!([5]), json!("authenticated"), 401),
        (json!([5, "authenticated"]), json!("(absent)"), 401),
        (json!(""), json!("authenticated"), 401),
    ] {
        let answer = by(&roster, "/users/me", &json!({"aud": aud, "client_id": client})).await;
        assert_eq!(answer.status, status, "{aud} {client}: {answer:?}");
    }
}
