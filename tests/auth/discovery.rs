//! The provider's keys found through its issuer (OpenID Connect Discovery 1.0): where neither a
//! secret nor `JWKS_URL` is set.

use std::sync::{Arc, Mutex};

use functions::log::{BatchLine, Log, PurgeLine, RebuildLine, RequestLine};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, Roster, send};

use crate::CALLER;
use crate::forge::Private;
use crate::jwks::Provider;

/// The causes of failures that a server logs.
#[derive(Default)]
struct Causes(Mutex<Vec<String>>);

impl Log for Causes {
    fn request(&self, line: &RequestLine) {
        self.0.lock().expect("no one panicked").extend(line.cause.clone());
    }

    fn purge(&self, _: &PurgeLine) {}

    fn batch(&self, _: &BatchLine) {}

    fn rebuild(&self, _: &RebuildLine) {}
}

/// An issuer, the keys that it names, and a server that knows the issuer alone.
struct Discovered {
    issuer: Provider,
    keys: Provider,
    name: String,
    roster: Roster,
    causes: Arc<Causes>,
}

impl Discovered {
    async fn start(key: &Private, path: &str) -> Self {
        let (issuer, keys) = (Provider::start(&[]).await, Provider::start(&[key.jwk("k")]).await);
        let name = format!("http://{}{path}", issuer.address);
        let causes = Arc::new(Causes::default());
        let (own, log) = (name.clone(), causes.clone());
        let roster = Roster::start_with(move |options| {
            options.config.tokens.secrets.provider = None;
            options.config.tokens.issuer = own;
            options.log = log;
        })
        .await;
        let discovered = Self { issuer, keys, name, roster, causes };
        discovered.says(&json!({"issuer": discovered.name, "jwks_uri": discovered.keys.url()}));
        discovered
    }

    /// Has the issuer say that of itself.
    fn says(&self, configuration: &Value) {
        self.issuer.says("200 OK", "", &configuration.to_string());
    }

    async fn me(&self, key: &Private) -> Answer {
        let mut claims = self.roster.claims(CALLER);
        claims["iss"] = self.name.as_str().into();
        let token = key.token(Some("k"), &claims);
        send(self.roster.request(Method::GET, "/users/me").bearer_auth(token)).await
    }
}

#[tokio::test]
async fn an_issuer_alone_is_enough() {
    let key = Private::rsa();
    for (path, expected) in [
        ("", "/.well-known/openid-configuration"),
        ("/", "/.well-known/openid-configuration"),
        ("/realms/acme", "/realms/acme/.well-known/openid-configuration"),
    ] {
        let discovered = Discovered::start(&key, path).await;
        let Discovered { issuer, keys, roster, .. } = &discovered;
        assert_eq!(issuer.fetches(), 0, "nothing is fetched before it is needed");
        for _ in 0..3 {
            discovered.me(&key).await.expect(200);
        }
        assert_eq!((issuer.paths(), keys.fetches()), (vec![expected.to_owned()], 1));
        assert_eq!(discovered.me(&Private::rsa()).await.status, 401);
        // The keys are fetched again after ten minutes, and their address after a day.
        for (pause, configurations, sets) in [(601, 1, 2), (601, 1, 3), (86_400, 2, 4)] {
            roster.advance(pause);
            discovered.me(&key).await.expect(200);
            assert_eq!((issuer.fetches(), keys.fetches()), (configurations, sets), "{path:?}");
        }
        // Another issuer's tokens are refused, and so are those of a secret.
        let claims = roster.claims(CALLER);
        for token in [key.token(Some("k"), &claims), tests::sign(&claims)] {
            let request = roster.request(Method::GET, "/users/me").bearer_auth(token);
            assert_eq!(send(request).await.status, 401);
        }
    }
}

#[tokio::test]
async fn keys_that_moved_are_found_again() {
    let key = Private::p256();
    let discovered = Discovered::start(&key, "").await;
    discovered.me(&key).await.expect(200);
    let elsewhere = Provider::start(&[key.jwk("k")]).await;
    discovered.says(&json!({"issuer": discovered.name, "jwks_uri": elsewhere.url()}));
    discovered.keys.fails();
    // The old keys serve on while the new address is not known yet.
    for (pause, fetches) in [(601, 0), (31, 1)] {
        discovered.roster.advance(pause);
        discovered.me(&key).await.expect(200);
        assert_eq!(elsewhere.fetches(), fetches);
    }
}

#[tokio::test]
async fn what_cannot_be_reached_is_a_503_and_named_in_the_log_alone() {
    let key = Private::p256();
    let discovered = Discovered::start(&key, "").await;
    let Discovered { issuer, keys, name, roster, causes } = &discovered;
    let keys_url = keys.url();
    let cases: Vec<(&str, Value)> = vec![
        ("another issuer", json!({"issuer": "https://evil.example", "jwks_uri": keys_url})),
        (
            "the issuer with a slash more",
            json!({"issuer": format!("{name}/"), "jwks_uri": keys_url}),
        ),
        ("no issuer", json!({"jwks_uri": keys_url})),
        ("no address of keys", json!({"issuer": name})),
        ("keys by http elsewhere", json!({"issuer": name, "jwks_uri": "http://192.0.2.1/keys"})),
        (
            "keys by http on a look-alike",
            json!({"issuer": name, "jwks_uri": "http://127.0.0.1.example/"}),
        ),
        ("a list", json!([])),
        ("no answer", Value::Null),
    ];
    for (case, configuration) in cases {
        match &configuration {
            Value::Null => issuer.hangs_up(),
            configuration => discovered.says(configuration),
        }
        // The second is within the pause.
        for _ in 0..2 {
            let answer = discovered.me(&key).await;
            assert_eq!(answer.status, 503, "{case}: {answer:?}");
            assert!(!answer.text.contains("127.0.0.1"), "{case}: {answer:?}");
        }
        let logged = std::mem::take(&mut *causes.0.lock().expect("no one panicked"));
        assert_eq!(logged.len(), 2, "{case}: {logged:?}");
        assert!(logged.iter().all(|cause| cause.contains(name.as_str())), "{case}: {logged:?}");
        assert_eq!(keys.fetches(), 0, "{case}");
        roster.advance(31);
    }
    discovered.says(&json!({"issuer": name, "jwks_uri": keys_url}));
    discovered.me(&key).await.expect(200);
}
