//! API keys.

use local::demo;
use tests::{Roster, send};
use uuid::Uuid;

use crate::errors::Contract;
use crate::give_key::give_key;
use crate::{
    CALLER, ENDPOINTS, Outcome, PRINCIPAL_TOKEN, SIGN_UP, assert_keeps_secret, assert_outcome,
    try_everywhere,
};

/// What needs a token: sign-up, and the token that an ordinary one is answered with.
fn takes_keys(path: &str) -> bool {
    ![SIGN_UP, PRINCIPAL_TOKEN].contains(&path)
}

fn key(owner: Uuid, place: u8) -> String {
    demo::api_key_text(owner, place).reveal().to_owned()
}

#[tokio::test]
async fn a_key_is_let_in_where_a_token_is() {
    let roster = Roster::start().await;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let authorization = format!("{scheme} {}", key(CALLER, 1));
        try_everywhere(&roster, "operator key", &authorization, Outcome::In, |endpoint| {
            takes_keys(endpoint.path)
        })
        .await;
    }
}

#[tokio::test]
async fn a_key_is_no_token() {
    let roster = Roster::start().await;
    for endpoint in ENDPOINTS.iter().filter(|endpoint| !takes_keys(endpoint.path)) {
        let text = key(CALLER, 1);
        let answer = endpoint.bearer(&roster, &text).await;
        assert!([401, 403].contains(&answer.status), "{answer:?}");
        endpoint.contract.error(&answer);
        assert_keeps_secret(&answer, &text, "key");
    }
}

#[tokio::test]
async fn a_key_that_is_revoked_expired_or_unknown_is_refused() {
    let roster = Roster::start().await;
    for (case, key) in [
        ("revoked", key(demo::ADMIN, 2)),
        ("expired", key(demo::ADMIN, 3)),
        ("unknown", key(CALLER, 99)),
    ] {
        try_everywhere(&roster, case, &format!("Bearer {key}"), Outcome::Refused, |_| true).await;
    }
}

#[tokio::test]
async fn a_key_that_is_no_key_costs_no_read() {
    let roster = Roster::start().await;
    let good = key(CALLER, 1);
    let mut cases = vec![
        "ns_".to_owned(),
        "ns_live_".to_owned(),
        good[..good.len() - 1].to_owned(),
        format!("{good}0"),
        good.to_uppercase().replace("NS_LIVE_", "ns_live_"),
        good.replace("ns_live_", "ns_test_"),
        format!("ns_live_{}", "0".repeat(48)),
        format!("ns_live_{}", "0".repeat(1 << 20)),
    ];
    for place in [8, 20, 47, 48, 55] {
        let other = if good.as_bytes()[place] == b'0' { "1" } else { "0" };
        cases.push(format!("{}{other}{}", &good[..place], &good[place + 1..]));
    }
    for case in cases {
        for endpoint in &ENDPOINTS {
            let answer = endpoint.bearer(&roster, &case).await;
            let shown = &case[..case.len().min(60)];
            assert_outcome(endpoint, Outcome::Refused, &answer, shown);
            assert_eq!(answer.cost().calls, 0, "{shown}");
            assert_keeps_secret(&answer, &case, shown);
        }
    }
}

#[tokio::test]
async fn a_key_ends_while_the_clock_runs() {
    let roster = Roster::start().await;
    let text = give_key(&roster, CALLER, "operator", Some(roster.now().plus_seconds(60))).await;
    let authorization = format!("Bearer {text}");
    roster.advance(59);
    try_everywhere(&roster, "before its end", &authorization, Outcome::In, |endpoint| {
        takes_keys(endpoint.path)
    })
    .await;
    roster.advance(1);
    try_everywhere(&roster, "at its end", &authorization, Outcome::Refused, |_| true).await;
}

#[tokio::test]
async fn the_owner_of_a_key_is_always_looked_up() {
    let roster = Roster::start().await;
    let cases = [
        ("suspended", demo::id(0xb6), Outcome::Suspended),
        ("deleted", demo::id(0x110), Outcome::Deleted),
    ];
    for (case, owner, outcome) in cases {
        let text = give_key(&roster, owner, "user", None).await;
        // What takes a token refuses a key before its owner is looked up.
        try_everywhere(&roster, case, &format!("Bearer {text}"), outcome, |endpoint| {
            takes_keys(endpoint.path)
        })
        .await;
    }
    let orphan = give_key(&roster, Uuid::new_v4(), "operator", None).await;
    try_everywhere(
        &roster,
        "no owner",
        &format!("Bearer {orphan}"),
        Outcome::Refused,
        |endpoint| takes_keys(endpoint.path),
    )
    .await;
}

#[tokio::test]
async fn a_bare_key_is_for_user_admin_alone() {
    let roster = Roster::start().await;
    let bare = key(CALLER, 1);
    try_everywhere(&roster, "bare", &bare, Outcome::In, |endpoint| {
        endpoint.contract == Contract::UserAdmin
    })
    .await;
    try_everywhere(&roster, "bare", &bare, Outcome::Refused, |endpoint| {
        endpoint.contract != Contract::UserAdmin
    })
    .await;
    for (case, text) in [
        ("revoked", key(demo::ADMIN, 2)),
        ("expired", key(demo::ADMIN, 3)),
        ("unknown", key(CALLER, 99)),
    ] {
        try_everywhere(&roster, case, &text, Outcome::Refused, |endpoint| {
            endpoint.contract == Contract::UserAdmin
        })
        .await;
    }
}

#[tokio::test]
async fn a_key_in_another_header_is_no_credential() {
    let roster = Roster::start().await;
    for endpoint in &ENDPOINTS {
        for name in ["x-api-key", "apikey", "x-authorization", "proxy-authorization"] {
            let answer = send(endpoint.request(&roster).header(name, key(CALLER, 1))).await;
            assert_outcome(endpoint, Outcome::NoCredential, &answer, name);
        }
    }
}
