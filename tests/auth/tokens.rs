//! Tokens: form, signature, claims, and where they may stand.

use std::time::Duration;

use aws_lc_rs::hmac::{HMAC_SHA384, HMAC_SHA512};
use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Roster, send, sign};
use uuid::Uuid;

use crate::errors::Contract;
use crate::forge::{SECRET, base64, hmac, hs256, token};
use crate::{
    CALLER, ENDPOINTS, Outcome, PRINCIPAL_TOKEN, SIGN_UP, assert_keeps_secret, assert_outcome,
    try_everywhere,
};

fn header(algorithm: &str) -> Value {
    json!({"typ": "JWT", "alg": algorithm})
}

/// A suspended and a soft-deleted user of the demo data.
const SUSPENDED: Uuid = demo::id(0xb6);
const DELETED: Uuid = demo::id(0x110);

#[tokio::test]
async fn a_request_without_a_credential_is_told_so() {
    let roster = Roster::start().await;
    for endpoint in &ENDPOINTS {
        let answer = send(endpoint.request(&roster)).await;
        assert_outcome(endpoint, Outcome::NoCredential, &answer, "no header");
        assert_eq!(
            answer.headers.get("www-authenticate").map(String::as_str),
            Some("Bearer"),
            "{answer:?}"
        );
        assert_eq!(answer.cost().calls, 0, "nothing is read for nobody");
    }
    for empty in ["", " ", "\t"] {
        try_everywhere(&roster, "empty", empty, Outcome::NoCredential, |_| true).await;
    }
}

#[tokio::test]
async fn what_is_no_token_is_refused_without_a_read() {
    let roster = Roster::start().await;
    let good = roster.token(CALLER);
    let [head, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };
    let claims = roster.claims(CALLER).to_string();
    let claims = claims.as_bytes();
    let other = &base64(claims);
    let cases = [
        ("Basic", format!("Basic {}", base64(b"olga:password"))),
        ("another scheme before a good token", format!("Token {good}")),
        ("a good token without a scheme", good.clone()),
        ("no scheme that is known", "DPoP".to_owned()),
        ("garbage", "Bearer garbage".to_owned()),
        ("dots", "Bearer ...".to_owned()),
        ("two dots", "Bearer ..".to_owned()),
        ("two parts", format!("Bearer {head}.{payload}")),
        ("two parts and a dot", format!("Bearer {head}.{payload}.")),
        ("four parts", format!("Bearer {good}.{signature}")),
        ("two tokens", format!("Bearer {good} {good}")),
        ("two tokens with a comma", format!("Bearer {good}, Bearer {good}")),
        ("quotes", format!("Bearer \"{good}\"")),
        ("padding", format!("Bearer {good}=")),
        ("other claims under the signature", format!("Bearer {head}.{other}A.{signature}")),
        ("signature cut short", format!("Bearer {}", &good[..good.len() - 2])),
        ("header that is no JSON", format!("Bearer {}.{payload}.{signature}", base64(b"{"))),
        ("header without alg", format!("Bearer {}", hs256(&json!({"typ": "JWT"}), claims))),
        ("payload that is no JSON", format!("Bearer {}", hs256(&header("HS256"), b"not JSON"))),
        ("payload that is no object", format!("Bearer {}", hs256(&header("HS256"), b"[1]"))),
        (
            "payload that is not UTF-8",
            format!("Bearer {}", hs256(&header("HS256"), b"{\"sub\":\"\xff\"}")),
        ),
        ("empty payload", format!("Bearer {}", hs256(&header("HS256"), b""))),
    ];
    for (case, authorization) in cases {
        try_everywhere(&roster, case, &authorization, Outcome::Refused, |_| true).await;
        let answer = ENDPOINTS[0].with(&roster, &authorization).await;
        assert_eq!(answer.cost().calls, 0, "{case}");
    }
}

#[tokio::test]
async fn only_hs256_with_the_secret_signs() {
    let roster = Roster::start().await;
    let claims = roster.claims(CALLER).to_string();
    let claims = claims.as_bytes();
    let mut cases = vec![
        (
            "wrong secret".to_owned(),
            token(&header("HS256"), claims, |message| {
                hmac(aws_lc_rs::hmac::HMAC_SHA256, b"another-secret-of-more-than-32-bytes", message)
            }),
        ),
        (
            "empty secret".to_owned(),
            token(&header("HS256"), claims, |message| {
                hmac(aws_lc_rs::hmac::HMAC_SHA256, b"", message)
            }),
        ),
        (
            "HS384".to_owned(),
            token(&header("HS384"), claims, |message| {
                hmac(HMAC_SHA384, SECRET.as_bytes(), message)
            }),
        ),
        (
            "HS512".to_owned(),
            token(&header("HS512"), claims, |message| {
                hmac(HMAC_SHA512, SECRET.as_bytes(), message)
            }),
        ),
        (
            "HS512 said to be HS256".to_owned(),
            token(&header("HS256"), claims, |message| {
                hmac(HMAC_SHA512, SECRET.as_bytes(), message)
            }),
        ),
        ("HS256 said to be RS256".to_owned(), hs256(&header("RS256"), claims)),
        ("alg of another case".to_owned(), hs256(&header("hs256"), claims)),
        ("a list of algs".to_owned(), hs256(&json!({"alg": ["HS256"]}), claims)),
    ];
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let message = format!("{}.{}", base64(header(none).to_string().as_bytes()), base64(claims));
        cases.push((format!("alg {none:?}, no signature part"), message.clone()));
        cases.push((format!("alg {none:?}, empty signature"), format!("{message}.")));
        cases.push((
            format!("alg {none:?}, some signature"),
            format!("{message}.{}", base64(b"signature")),
        ));
        cases.push((format!("alg {none:?}, HS256 by the secret"), hs256(&header(none), claims)));
    }
    try_everywhere(
        &roster,
        "HS256 by the secret",
        &format!("Bearer {}", hs256(&header("HS256"), claims)),
        Outcome::In,
        |_| true,
    )
    .await;
    for (case, token) in cases {
        try_everywhere(&roster, &case, &format!("Bearer {token}"), Outcome::Refused, |_| true)
            .await;
    }
}

/// RFC 7515, section 4.1.11: who does not understand what `crit` names must refuse the token.
#[tokio::test]
async fn a_token_with_a_critical_header_that_is_not_understood_is_refused() {
    let roster = Roster::start().await;
    let head = json!({"typ": "JWT", "alg": "HS256", "crit": ["https://example.com/revocable"], "https://example.com/revocable": true});
    let token = hs256(&head, roster.claims(CALLER).to_string().as_bytes());
    try_everywhere(&roster, "crit", &format!("Bearer {token}"), Outcome::Refused, |_| true).await;
}

#[tokio::test]
async fn claims_decide() {
    let roster = Roster::start().await;
    let now = roster.now().as_second();
    let cases: Vec<(&str, Value, Outcome)> = vec![
        ("as they are", json!({}), Outcome::In),
        ("wrong issuer", json!({"iss": "http://localhost/auth/v2"}), Outcome::Refused),
        ("issuer with a slash more", json!({"iss": "http://localhost/auth/v1/"}), Outcome::Refused),
        ("no issuer", json!({"iss": null}), Outcome::Refused),
        ("empty issuer", json!({"iss": ""}), Outcome::Refused),
        ("wrong audience", json!({"aud": "anon"}), Outcome::Refused),
        ("audience that starts with ours", json!({"aud": "authenticated-not"}), Outcome::Refused),
        ("no audience", json!({"aud": null}), Outcome::Refused),
        (
            "several audiences, ours among them",
            json!({"aud": ["other", "authenticated"]}),
            Outcome::In,
        ),
        (
            "several audiences, ours not among them",
            json!({"aud": ["other", "anon"]}),
            Outcome::Refused,
        ),
        ("an empty list of audiences", json!({"aud": []}), Outcome::Refused),
        ("no end", json!({"exp": null}), Outcome::Refused),
        ("end as a text", json!({"exp": (now + 3600).to_string()}), Outcome::Refused),
        ("end as a float", json!({"exp": now as f64 + 3600.5}), Outcome::In),
        ("expired 29 s ago: within the leeway", json!({"exp": now - 29}), Outcome::In),
        ("expired 30 s ago: the leeway is over", json!({"exp": now - 30}), Outcome::Refused),
        ("expired 31 s ago", json!({"exp": now - 31}), Outcome::Refused),
        ("expired 30.5 s ago, as a float", json!({"exp": now as f64 - 30.5}), Outcome::Refused),
        ("expired long ago", json!({"exp": 0}), Outcome::Refused),
        ("a negative end", json!({"exp": -1}), Outcome::Refused),
        ("valid in 29 s: within the leeway", json!({"nbf": now + 29}), Outcome::In),
        ("valid in 30 s: just within the leeway", json!({"nbf": now + 30}), Outcome::In),
        ("valid in 31 s", json!({"nbf": now + 31}), Outcome::Refused),
        ("valid in 30.5 s, as a float", json!({"nbf": now as f64 + 30.5}), Outcome::Refused),
        ("valid since", json!({"nbf": now}), Outcome::In),
        ("start as a text", json!({"nbf": "now"}), Outcome::Refused),
        ("start as a list", json!({"nbf": [now]}), Outcome::Refused),
        ("start as the text of a number", json!({"nbf": now.to_string()}), Outcome::In),
        ("start to come, as a text", json!({"nbf": (now + 31).to_string()}), Outcome::Refused),
        ("no subject", json!({"sub": null}), Outcome::Refused),
        ("empty subject", json!({"sub": ""}), Outcome::Refused),
        ("subject that is a number", json!({"sub": 1}), Outcome::Refused),
        ("subject that is a list", json!({"sub": [CALLER]}), Outcome::Refused),
    ];
    for (case, changes, outcome) in cases {
        let mut claims = roster.claims(CALLER);
        for (name, value) in changes.as_object().into_iter().flatten() {
            // Null takes the claim out.
            match value {
                Value::Null => drop(claims.as_object_mut().and_then(|claims| claims.remove(name))),
                value => claims[name] = value.clone(),
            }
        }
        try_everywhere(&roster, case, &format!("Bearer {}", sign(&claims)), outcome, |_| true)
            .await;
    }
}

/// Found: these ended in 401, as claims of another type than expected.
#[tokio::test]
async fn claims_that_authentication_does_not_need_never_decide_it() {
    let roster = Roster::start().await;
    let now = roster.now().as_second();
    for changes in [
        json!({"email_verified": "true"}),
        json!({"email_verified": "false"}),
        json!({"email_verified": 1}),
        json!({"email_verified": {"at": now}}),
        json!({"email": ["olga@example.com"]}),
        json!({"email": 5}),
        json!({"email": {"value": "olga@example.com"}}),
        json!({"user_metadata": "none"}),
        json!({"user_metadata": [1]}),
        json!({"user_metadata": {"full_name": 5, "avatar_url": []}}),
        json!({"iat": now.to_string()}),
        json!({"iat": "yesterday"}),
        json!({"iat": [now]}),
        json!({"iat": {}}),
        json!({"jti": 5, "session_id": []}),
        json!({"aal": 2, "amr": "none"}),
    ] {
        let mut claims = roster.claims(CALLER);
        for (name, value) in changes.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        let authorization = format!("Bearer {}", sign(&claims));
        try_everywhere(&roster, &changes.to_string(), &authorization, Outcome::In, |_| true).await;
    }
}

/// A sign-out everywhere ends the tokens that do not say readably when they were issued.
#[tokio::test]
async fn an_unreadable_time_of_issue_is_none_after_a_sign_out_everywhere() {
    let roster = Roster::start().await;
    roster
        .call(Method::POST, "/v1/account/sign-out-everywhere", CALLER, &json!({}))
        .await
        .expect(200);
    roster.advance(60);
    let now = roster.now().as_second();
    for (iat, status) in [(json!(now), 200), (json!(now.to_string()), 200), (json!([now]), 401)] {
        let mut claims = roster.claims(CALLER);
        claims["iat"] = iat.clone();
        let request = roster.request(Method::GET, "/users/me").bearer_auth(sign(&claims));
        assert_eq!(send(request).await.status, status, "{iat}");
    }
}

/// An email is taken only from a token that has it as a text. `true` and `"true"` prove it.
#[tokio::test]
async fn the_email_of_a_sign_up_is_as_proven_as_the_claim_says() {
    let roster = Roster::start().await;
    let sign_up = async |id: u128, email: Value, verified: Value| {
        let mut claims = roster.claims(demo::id(id));
        (claims["email"], claims["email_verified"]) = (email, verified);
        send(roster.request(Method::POST, SIGN_UP).bearer_auth(sign(&claims))).await
    };
    for (id, verified, is_proven) in [
        (0x9001, json!("true"), true),
        (0x9002, json!(true), true),
        (0x9003, json!("false"), false),
        (0x9004, json!(1), false),
        (0x9005, json!([true]), false),
    ] {
        sign_up(id, format!("lenient{id}@example.com").into(), verified.clone()).await.expect(201);
        let user = roster.user(demo::id(id)).await.expect("a user");
        assert_eq!(user.email_verified_at.is_some(), is_proven, "{verified}");
    }
    sign_up(0x9006, json!(["list@example.com"]), json!(true)).await.expect(422);
    assert!(roster.user(demo::id(0x9006)).await.is_none());
}

#[tokio::test]
async fn a_null_claim_is_a_missing_one() {
    let roster = Roster::start().await;
    for name in ["iss", "aud", "exp", "sub"] {
        let mut claims = roster.claims(CALLER);
        claims[name] = Value::Null;
        try_everywhere(
            &roster,
            name,
            &format!("Bearer {}", sign(&claims)),
            Outcome::Refused,
            |_| true,
        )
        .await;
    }
}

#[tokio::test]
async fn a_token_ends_while_the_clock_runs() {
    let roster = Roster::start().await;
    let authorization = format!("Bearer {}", roster.token(CALLER));
    roster.advance(3629);
    try_everywhere(&roster, "29 s after its end", &authorization, Outcome::In, |_| true).await;
    roster.advance(2);
    try_everywhere(&roster, "31 s after its end", &authorization, Outcome::Refused, |_| true).await;
}

#[tokio::test]
async fn a_token_of_a_megabyte_is_refused_at_once() {
    let roster = Roster::start().await;
    let mut claims = roster.claims(CALLER);
    claims["padding"] = "x".repeat(768 * 1024).into();
    let long = sign(&claims);
    assert!(long.len() > 1024 * 1024);
    for (case, authorization) in [
        ("good but for its size", format!("Bearer {long}")),
        ("garbage", format!("Bearer {}", "x".repeat(1 << 20))),
    ] {
        for endpoint in &ENDPOINTS {
            let answer = tokio::time::timeout(
                Duration::from_secs(5),
                endpoint.with(&roster, &authorization),
            );
            let answer = answer.await.unwrap_or_else(|_| panic!("{case} hangs at {endpoint:?}"));
            assert_outcome(endpoint, Outcome::Refused, &answer, case);
            assert!(answer.text.len() < 1000, "{case}: {}", answer.text.len());
        }
    }
}

#[tokio::test]
async fn a_token_may_have_8192_bytes() {
    let roster = Roster::start().await;
    let padded = |padding: usize| {
        let mut claims = roster.claims(CALLER);
        claims["padding"] = "x".repeat(padding).into();
        sign(&claims)
    };
    for (length, outcome) in [(8192, Outcome::In), (8193, Outcome::Refused)] {
        let token =
            (5000..6144).map(padded).find(|token| token.len() == length).expect("a padding");
        try_everywhere(
            &roster,
            &format!("{length} bytes"),
            &format!("Bearer {token}"),
            outcome,
            |_| true,
        )
        .await;
    }
}

#[tokio::test]
async fn the_caller_is_always_looked_up() {
    let roster = Roster::start().await;
    for (id, status) in [(SUSPENDED, "suspended"), (DELETED, "deleted")] {
        assert_eq!(roster.user(id).await.expect("a demo user").status.as_str(), status);
    }
    // An unknown user may sign up.
    let unknown = format!("Bearer {}", roster.token(Uuid::new_v4()));
    try_everywhere(&roster, "unknown", &unknown, Outcome::Refused, |endpoint| {
        endpoint.path != SIGN_UP
    })
    .await;
    let suspended = format!("Bearer {}", roster.token(SUSPENDED));
    try_everywhere(&roster, "suspended", &suspended, Outcome::Suspended, |_| true).await;
    let deleted = format!("Bearer {}", roster.token(DELETED));
    try_everywhere(&roster, "deleted", &deleted, Outcome::Deleted, |_| true).await;
}

/// RFC 9110, section 15.5.2: a 401 names a scheme.
#[tokio::test]
async fn every_401_names_the_scheme() {
    let roster = Roster::start().await;
    let tokens = [
        "garbage".to_owned(),
        roster.token(SUSPENDED),
        roster.token(DELETED),
        demo::api_key_text(CALLER, 99).reveal().to_owned(),
    ];
    let mut silent = Vec::new();
    for token in &tokens {
        for endpoint in &ENDPOINTS {
            let answer = endpoint.bearer(&roster, token).await;
            if answer.status == 401 && !answer.headers.contains_key("www-authenticate") {
                silent.push(format!("{} {}: {}", endpoint.method, endpoint.path, answer.text));
            }
        }
    }
    assert_eq!(silent, Vec::<String>::new());
}

#[tokio::test]
async fn the_scheme_is_bearer_in_any_case() {
    let roster = Roster::start().await;
    let token = roster.token(CALLER);
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer  "] {
        try_everywhere(&roster, scheme, &format!("{scheme} {token}"), Outcome::In, |_| true).await;
    }
    for scheme in ["Bearer:", "Bearer=", "Bearerr", "Bear"] {
        try_everywhere(&roster, scheme, &format!("{scheme} {token}"), Outcome::Refused, |_| true)
            .await;
    }
}

#[tokio::test]
async fn managed_users_takes_a_token_from_three_places() {
    let roster = Roster::start().await;
    let token = roster.token(demo::MANAGER);
    let cases = [
        ("refreshed-token", token.clone(), 200),
        ("refreshed-token", format!("Bearer {token}"), 200),
        ("refreshed-token", "garbage".to_owned(), 401),
        ("refreshed-token", String::new(), 401),
        ("cookie", format!("token={token}"), 200),
        ("cookie", format!("a=b; token={token}; c=d"), 200),
        ("cookie", format!("a=b;token={token}"), 200),
        ("cookie", format!("nottoken={token}"), 401),
        ("cookie", format!("Token={token}"), 401),
        ("cookie", "token=garbage".to_owned(), 401),
        ("cookie", "token=".to_owned(), 401),
        ("cookie", "token".to_owned(), 401),
        ("cookie", ";;;=;".to_owned(), 401),
        ("refreshed-tokens", token.clone(), 401),
        ("x-token", token.clone(), 401),
    ];
    for path in [
        "/api/v1/users/",
        "/api/v1/users",
        "/api/v1/users/00000000-0000-4000-8000-000000000061",
        PRINCIPAL_TOKEN,
    ] {
        for (name, value, status) in &cases {
            let answer = send(roster.request(Method::GET, path).header(*name, value)).await;
            assert_eq!(answer.status, *status, "{name}: {value} at {path}: {answer:?}");
            if *status == 401 {
                assert_eq!(Contract::ManagedUsers.error(&answer), "");
                assert_keeps_secret(&answer, value, name);
            }
        }
    }
}

#[tokio::test]
async fn of_several_places_authorization_counts_then_the_header_then_the_cookie() {
    let roster = Roster::start().await;
    let good = |id| roster.token(id);
    let (bad, first, second) = ("garbage".to_owned(), demo::MANAGER, demo::VIEWER);
    // Authorization, refreshed-token, cookie; and who is let in.
    let cases = [
        (Some(good(first)), Some(good(second)), Some(good(second)), Some(first)),
        (Some(good(first)), Some(bad.clone()), Some(bad.clone()), Some(first)),
        (Some(good(first)), None, Some(good(second)), Some(first)),
        (None, Some(good(first)), Some(good(second)), Some(first)),
        (None, Some(good(first)), Some(bad.clone()), Some(first)),
        // One that is refused is not made good by a lesser one.
        (Some(bad.clone()), Some(good(first)), Some(good(first)), None),
        (None, Some(bad.clone()), Some(good(first)), None),
    ];
    for (place, (authorization, refreshed, cookie, expected)) in cases.into_iter().enumerate() {
        let mut request = roster.request(Method::GET, "/api/v1/users/");
        if let Some(token) = authorization {
            request = request.bearer_auth(token);
        }
        if let Some(token) = refreshed {
            request = request.header("refreshed-token", token);
        }
        if let Some(token) = cookie {
            request = request.header("cookie", format!("token={token}"));
        }
        let answer = send(request).await;
        match expected {
            Some(id) => {
                assert_eq!(answer.expect(200).json()[0]["id"], id.to_string(), "case {place}")
            }
            None => {
                assert_eq!(Contract::ManagedUsers.error(&answer.expect(401)), "", "case {place}")
            }
        }
    }
}

#[tokio::test]
async fn no_other_contract_takes_a_header_or_cookie() {
    let roster = Roster::start().await;
    let token = roster.token(CALLER);
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.contract != Contract::ManagedUsers)
    {
        for (name, value) in
            [("refreshed-token", token.clone()), ("cookie", format!("token={token}"))]
        {
            let answer = send(endpoint.request(&roster).header(name, value)).await;
            assert_outcome(endpoint, Outcome::NoCredential, &answer, name);
        }
        let separator = if endpoint.path.contains('?') { '&' } else { '?' };
        let method = Method::from_bytes(endpoint.method.as_bytes()).expect("a method");
        for name in ["access_token", "token", "apikey"] {
            let answer =
                send(roster.request(
                    method.clone(),
                    &format!("{}{separator}{name}={token}", endpoint.path),
                ))
                .await;
            assert_outcome(endpoint, Outcome::NoCredential, &answer, name);
            assert_keeps_secret(&answer, &token, name);
        }
    }
}

/// Where a credential may stand is the endpoint's affair, whatever its path parameter spells.
#[tokio::test]
async fn no_path_parameter_opens_another_contracts_places() {
    let roster = Roster::start().await;
    let (token, key) = (roster.token(CALLER), demo::api_key_text(CALLER, 1));
    for (path, name, value) in [
        ("/users/..%2Fapi%2Fv1%2Fx", "cookie", format!("token={token}")),
        ("/users/..%2Fapi%2Fv1%2Fx", "refreshed-token", token.clone()),
        ("/v1/admin/users/..%2F..%2F..%2Fapi%2Fv1%2Fx", "cookie", format!("token={token}")),
        ("/api/admin/user-admin/..%2F..%2F..%2Fapi%2Fv1%2Fx", "cookie", format!("token={token}")),
        ("/users/..%2Fapi%2Fadmin%2Fuser-admin%2F1", "authorization", key.reveal().to_owned()),
    ] {
        let answer = send(roster.request(Method::GET, path).header(name, value)).await;
        assert_eq!(answer.status, 401, "{name} at {path}: {}", answer.text);
    }
}

#[tokio::test]
async fn two_authorization_headers_are_no_credential_to_choose_from() {
    let roster = Roster::start().await;
    for endpoint in &ENDPOINTS {
        let request = endpoint
            .request(&roster)
            .header("authorization", format!("Bearer {}", roster.token(CALLER)));
        let answer =
            send(request.header("authorization", format!("Bearer {}", roster.token(demo::VIEWER))))
                .await;
        assert_outcome(endpoint, Outcome::Refused, &answer, "two headers");
    }
}

#[tokio::test]
async fn a_credential_that_is_not_ascii_is_refused() {
    let roster = Roster::start().await;
    for endpoint in &ENDPOINTS {
        let value =
            reqwest::header::HeaderValue::from_bytes(b"Bearer \xff\xfe").expect("a header's bytes");
        let answer = send(endpoint.request(&roster).header("authorization", value)).await;
        assert_outcome(endpoint, Outcome::Refused, &answer, "not ASCII");
    }
}
