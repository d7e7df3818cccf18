//! The key that signs Roster's own tokens: who has it, how it is published, and what a rotation
//! does.

use std::sync::Arc;

use aws_lc_rs::signature::KeyPair;
use functions::App;
use functions::log::NoLog;
use futures::future::join_all;
use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use shared::config::{Config, SecretNeeds, SecretSource, SecretSources};
use shared::secrets::Vault;
use tests::direct::Call;
use tests::own_tokens::{OwnKey, SIGNING_SECRET, base64url};
use tests::{Answer, Roster};

use crate::secrets::{arn, publish_version, secrets_manager};

const FIRST: &str = "the-first-signing-secret-0123456789abcdef";
const SECOND: &str = "the-second-signing-secret-0123456789abcdef";

/// An environment of its own on a server's table, as each function of Lambda has some.
async fn environment(
    roster: &Roster,
    vault: Option<Vault>,
    adjust: impl FnOnce(&mut SecretSources),
) -> Arc<App> {
    let mut config = local::config().expect("the defaults make a configuration");
    config.table_name.clone_from(&roster.table);
    adjust(&mut config.tokens.secrets);
    open(roster, &config, vault).await
}

async fn open(roster: &Roster, config: &Config, vault: Option<Vault>) -> Arc<App> {
    let (client, clock) = (roster.server.data.client.clone(), roster.server.app.clock.clone());
    Arc::new(App::new(config, client, vault, Arc::new(NoLog), clock).await.expect("an application"))
}

/// An environment that verifies and does not sign.
async fn verifier(roster: &Roster) -> Arc<App> {
    environment(roster, None, |secrets| secrets.signing = None).await
}

/// One whose signing secret is in Secrets Manager.
async fn signer(roster: &Roster, vault: &Vault) -> Arc<App> {
    environment(roster, Some(vault.clone()), |secrets| secrets.signing = Some(arn())).await
}

async fn delegate(roster: &Roster, app: &Arc<App>) -> Answer {
    let call = Call::new(Method::POST, "/api/v1/oauth/delegated-token")
        .credential(&roster.token(demo::MANAGER));
    call.json(&json!({"sub": demo::id(0x61)})).send(app).await.0
}

async fn token(roster: &Roster, app: &Arc<App>) -> String {
    delegate(roster, app).await.expect(200).json()["access_token"]
        .as_str()
        .expect("a token")
        .to_owned()
}

/// The status that a token gets, and the calls that it costs.
async fn use_token(app: &Arc<App>, token: &str) -> (u16, u32) {
    let (answer, cost) = Call::new(Method::GET, "/v1/account/me").credential(token).send(app).await;
    (answer.status, cost.calls)
}

async fn published(roster: &Roster) -> (Value, Value) {
    let item = json!(roster.signing_key().await.expect("a key is published"));
    (item["kid"].clone(), item["secret_created_at"].clone())
}

fn kid(secret: &str) -> Value {
    json!(OwnKey::of(secret).kid)
}

/// A token under a `kid` of Roster's form, that nobody signed.
fn random(alg: &str, n: u64) -> String {
    let mut thumbprint = base64url(tests::chance(n).to_be_bytes());
    thumbprint.push_str(&"A".repeat(43 - thumbprint.len()));
    let header = json!({"alg": alg, "typ": "JWT", "kid": format!("roster-{thumbprint}")});
    format!("{}.{}.{}", base64url(header.to_string()), base64url("{}"), base64url([0; 64]))
}

#[tokio::test]
async fn the_table_holds_the_public_key_from_the_first_token_on_and_nothing_else() {
    let roster = Roster::start().await;
    assert_eq!(roster.signing_key().await, None);
    let app = environment(&roster, None, |_| {}).await;
    // Neither who is refused nor an ordinary token needs it.
    use_token(&app, &roster.token(demo::MANAGER)).await;
    assert_eq!(roster.signing_key().await, None);
    token(&roster, &app).await;
    let key = OwnKey::of(SIGNING_SECRET);
    let item = json!({
        "pk": "SIGNING_KEY", "sk": "SIGNING_KEY", "kid": key.kid, "x": base64url(key.pair.public_key()), "secret_created_at": 0,
    });
    assert_eq!(json!(roster.signing_key().await), item);
    // It is published once, not with each token, which has an entry of history alone.
    let call = Call::new(Method::POST, "/api/v1/oauth/delegated-token")
        .credential(&roster.token(demo::MANAGER));
    let (answer, cost) = call.json(&json!({"sub": demo::id(0x61)})).send(&app).await;
    assert_eq!((answer.status, cost.write_units), (200, 2.0));
}

#[tokio::test]
async fn a_function_that_verifies_has_no_signing_key_and_signs_nothing() {
    let roster = Roster::start().await;
    let token = token(&roster, &roster.server.app).await;
    let get = |name| local_variable(name);
    let mut config = Config::read(get, SecretNeeds::VERIFY_AND_STORE).expect("a configuration");
    config.table_name.clone_from(&roster.table);
    let app = open(&roster, &config, None).await;
    assert!(app.issuer.is_none());
    assert_eq!(use_token(&app, &token).await.0, 200);
    let before = roster.signing_key().await;
    delegate(&roster, &app).await.expect(500);
    let principal = Call::new(Method::GET, "/api/v1/oauth/principal-token").credential(&token);
    principal.send(&app).await.0.expect(500);
    assert_eq!(roster.signing_key().await, before);
}

/// All variables, as the template gives them to every function.
fn local_variable(name: &str) -> Option<String> {
    let value = match name {
        "TABLE_NAME" => "roster",
        "JWT_SECRET" => crate::forge::SECRET,
        "JWT_ISSUER" => "http://localhost/auth/v1",
        "JWT_AUDIENCE" => "authenticated",
        "SIGNING_SECRET" => SIGNING_SECRET,
        "RESPONSE_SECRET" => "local-response-secret-do-not-deploy",
        _ => return None,
    };
    Some(value.to_owned())
}

#[tokio::test]
async fn a_rotation_ends_the_tokens_of_the_former_secret() {
    let (provider, vault) = secrets_manager(FIRST).await;
    publish_version(&provider, FIRST, 1_000);
    let roster = Roster::start().await;
    let (signing, verifying) = (signer(&roster, &vault).await, verifier(&roster).await);
    let former = token(&roster, &signing).await;
    assert_eq!(published(&roster).await, (kid(FIRST), json!(1_000_000)));
    for app in [&signing, &verifying] {
        assert_eq!(use_token(app, &former).await.0, 200);
    }
    publish_version(&provider, SECOND, 2_000);
    roster.advance(299);
    assert_eq!(use_token(&verifying, &former).await.0, 200);
    roster.advance(1);
    let current = token(&roster, &signing).await;
    assert_eq!(published(&roster).await, (kid(SECOND), json!(2_000_000)));
    assert_eq!(use_token(&signing, &former).await.0, 401, "who signs knows it at once");
    // Who verifies reads the key again when one of its tokens comes, and else within five minutes.
    let unaware = verifier(&roster).await;
    assert_eq!(
        (use_token(&verifying, &current).await.0, use_token(&verifying, &former).await.0),
        (200, 401)
    );
    assert_eq!(
        (use_token(&unaware, &former).await.0, use_token(&unaware, &current).await.0),
        (401, 200)
    );
}

#[tokio::test]
async fn a_token_of_the_former_secret_ends_without_a_newer_one_too() {
    let (provider, vault) = secrets_manager(FIRST).await;
    publish_version(&provider, FIRST, 1_000);
    let roster = Roster::start().await;
    let (signing, verifying) = (signer(&roster, &vault).await, verifier(&roster).await);
    let former = token(&roster, &signing).await;
    assert_eq!(use_token(&verifying, &former).await.0, 200);
    publish_version(&provider, SECOND, 2_000);
    let renewed = signer(&roster, &vault).await;
    token(&roster, &renewed).await;
    roster.advance(300);
    assert_eq!(use_token(&verifying, &former).await.0, 401);
}

#[tokio::test]
async fn an_environment_with_the_older_secret_does_not_overwrite_the_newer_key() {
    let (older, its_vault) = secrets_manager(FIRST).await;
    publish_version(&older, FIRST, 1_000);
    let (newer, other_vault) = secrets_manager(SECOND).await;
    publish_version(&newer, SECOND, 2_000);
    let roster = Roster::start().await;
    let late = signer(&roster, &its_vault).await;
    let current = token(&roster, &signer(&roster, &other_vault).await).await;
    // It asks for its secret again, gets the same, and gives up.
    let asked = older.fetches();
    let refused = delegate(&roster, &late).await.expect(503);
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!((older.fetches(), published(&roster).await.0), (asked + 1, kid(SECOND)));
    assert_eq!(use_token(&late, &current).await.0, 200, "the newer key verifies there");
    // Once its secret is the newer one, it goes on at once.
    publish_version(&older, SECOND, 2_000);
    let token = token(&roster, &late).await;
    assert_eq!(use_token(&late, &token).await.0, 200);
    // A secret that stands in a variable is older than any of Secrets Manager.
    let fixed = environment(&roster, None, |secrets| {
        secrets.signing = Some(SecretSource::Text(FIRST.to_owned()))
    })
    .await;
    delegate(&roster, &fixed).await.expect(503);
    assert_eq!(published(&roster).await, (kid(SECOND), json!(2_000_000)));
}

#[tokio::test]
async fn an_older_version_of_the_same_text_signs_on_and_leaves_the_newer_date() {
    let (provider, vault) = secrets_manager(FIRST).await;
    publish_version(&provider, FIRST, 1_000);
    let roster = Roster::start().await;
    let late = signer(&roster, &vault).await;
    publish_version(&provider, FIRST, 3_000);
    token(&roster, &signer(&roster, &vault).await).await;
    token(&roster, &late).await;
    assert_eq!(published(&roster).await, (kid(FIRST), json!(3_000_000)));
}

#[tokio::test]
async fn of_secrets_in_variables_the_last_one_counts() {
    let roster = Roster::start().await;
    for text in [FIRST, SECOND, FIRST] {
        let app = environment(&roster, None, |secrets| {
            secrets.signing = Some(SecretSource::Text(text.to_owned()))
        })
        .await;
        let token = token(&roster, &app).await;
        assert_eq!(published(&roster).await, (kid(text), json!(0)));
        assert_eq!(use_token(&verifier(&roster).await, &token).await.0, 200);
    }
}

#[tokio::test]
async fn unknown_kids_cost_one_read_in_five_seconds_however_many_come() {
    let roster = Roster::start().await;
    let good = token(&roster, &roster.server.app).await;
    let app = verifier(&roster).await;
    assert_eq!(use_token(&app, &random("EdDSA", 1)).await, (401, 1));
    for (second, expected) in [(0, 0), (4, 0), (1, 1), (0, 0), (5, 1), (3600, 1), (0, 0)] {
        roster.advance(second);
        let tokens: Vec<_> = (0..20).map(|n| random("EdDSA", n + 100)).collect();
        let costs = join_all(tokens.iter().map(|token| use_token(&app, token))).await;
        assert!(costs.iter().all(|(status, _)| *status == 401), "{costs:?}");
        assert_eq!(costs.iter().map(|(_, calls)| calls).sum::<u32>(), expected, "{second}");
    }
    // The good one needs no read of its own, nor any other algorithm or form of a kid one at all.
    let fresh = verifier(&roster).await;
    for alg in ["HS256", "HS384", "HS512", "RS256", "ES256", "none", "eddsa", ""] {
        assert_eq!(use_token(&fresh, &random(alg, 7)).await, (401, 0), "{alg}");
    }
    for kid in [
        "",
        "roster-",
        "roster-1",
        "other",
        &"A".repeat(43),
        &format!("roster-{}", "A".repeat(44)),
        &format!("roster-{}", "=".repeat(43)),
    ] {
        let header = json!({"alg": "EdDSA", "typ": "JWT", "kid": kid});
        let token =
            format!("{}.{}.{}", base64url(header.to_string()), base64url("{}"), base64url([0; 64]));
        assert_eq!(use_token(&fresh, &token).await, (401, 0), "{kid}");
    }
    roster.advance(-3600);
    // Quota tiers are kept for a minute.
    use_token(&fresh, &roster.token(demo::MANAGER)).await;
    let (status, first) = use_token(&fresh, &good).await;
    let (_, then) = use_token(&fresh, &good).await;
    // The first time is noted, too.
    assert_eq!((status, first), (200, then + 2));
}
