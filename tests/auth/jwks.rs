//! The identity provider's public keys: which verify what, when they are fetched, and what happens
//! when they cannot be.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac::HMAC_SHA256;
use futures::future::join_all;
use serde_json::{Value, json};
use tests::{Answer, Roster, send};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::forge::{Private, SECRET, base64, from_base64, hmac, hs256, token};
use crate::{CALLER, ENDPOINTS, Endpoint, Outcome, assert_keeps_secret, assert_outcome};

/// How the provider answers.
#[derive(Clone)]
enum Manner {
    /// With these bytes of HTTP.
    Says(Vec<u8>),
    /// Not at all, with the connection open.
    Hangs,
    /// It closes the connection.
    HangsUp,
    /// With a status and a body's beginning, and then nothing.
    Stalls,
}

/// A provider on this machine, which counts what it is asked.
pub struct Provider {
    pub address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    fetches: Arc<AtomicUsize>,
    paths: Arc<Mutex<Vec<String>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Provider {
    pub async fn start(keys: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let manner = Arc::new(Mutex::new(Manner::HangsUp));
        let fetches = Arc::new(AtomicUsize::new(0));
        let paths = Arc::new(Mutex::new(Vec::new()));
        let (told, counted, noted) = (manner.clone(), fetches.clone(), paths.clone());
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, told.clone(), counted.clone(), noted.clone()));
            }
        });
        let provider = Self { address, manner, fetches, paths, serving };
        provider.publish(keys);
        provider
    }

    fn set(&self, manner: Manner) {
        *self.manner.lock().expect("no one panicked") = manner;
    }

    pub fn publish(&self, keys: &[Value]) {
        self.says("200 OK", "", &json!({"keys": keys}).to_string());
    }

    pub fn says(&self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n"
        );
        self.set(Manner::Says(format!("{head}{body}").into_bytes()));
    }

    pub fn fails(&self) {
        self.says("500 Internal Server Error", "", "{}");
    }

    pub fn hangs_up(&self) {
        self.set(Manner::HangsUp);
    }

    /// The paths that were asked for since the last look.
    pub fn paths(&self) -> Vec<String> {
        std::mem::take(&mut self.paths.lock().expect("no one panicked"))
    }

    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    pub fn url(&self) -> String {
        format!("http://{}/auth/v1/.well-known/jwks.json", self.address)
    }

    /// A server that takes the tokens of this provider alone.
    pub async fn roster(&self) -> Roster {
        let url = self.url();
        Roster::start_with(|options| {
            options.config.tokens.secrets.provider = None;
            options.config.tokens.jwks_url = Some(url);
        })
        .await
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    mut stream: TcpStream,
    manner: Arc<Mutex<Manner>>,
    fetches: Arc<AtomicUsize>,
    paths: Arc<Mutex<Vec<String>>>,
) {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap_or_default() == 0 {
            return;
        }
    }
    fetches.fetch_add(1, Ordering::SeqCst);
    let request = String::from_utf8_lossy(&request);
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    paths.lock().expect("no one panicked").push(path);
    let manner = manner.lock().expect("no one panicked").clone();
    match manner {
        Manner::Says(bytes) => {
            // So slow that requests of the same moment meet.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Manner::Hangs => std::future::pending().await,
        Manner::HangsUp => {}
        Manner::Stalls => {
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"keys\":")
                .await;
            std::future::pending().await
        }
    }
}

/// The cheapest endpoint to try a token at.
const ME: Endpoint = ENDPOINTS[10];

async fn status(roster: &Roster, token: &str) -> u16 {
    ME.bearer(roster, token).await.status
}

#[track_caller]
fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(
        answer.headers["retry-after"].parse::<u32>().is_ok_and(|seconds| seconds > 0),
        "{answer:?}"
    );
}

#[tokio::test]
async fn rs256_es256_and_eddsa_tokens_are_let_in_everywhere() {
    let keys = [Private::rsa(), Private::p256(), Private::ed25519()];
    let kids = ["rsa", "p256", "ed25519"];
    let provider =
        Provider::start(&[keys[0].jwk(kids[0]), keys[1].jwk(kids[1]), keys[2].jwk(kids[2])]).await;
    let roster = provider.roster().await;
    for (key, kid) in keys.iter().zip(kids) {
        let token = key.token(Some(kid), &roster.claims(CALLER));
        for endpoint in &ENDPOINTS {
            let answer = endpoint.bearer(&roster, &token).await;
            assert_outcome(endpoint, Outcome::In, &answer, kid);
        }
    }
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test]
async fn claims_decide_over_tokens_of_public_keys_too() {
    let key = Private::p256();
    let provider = Provider::start(&[key.jwk("k")]).await;
    let roster = provider.roster().await;
    let now = roster.now().as_second();
    for (name, value) in [
        ("iss", json!("http://localhost/other")),
        ("aud", json!("anon")),
        ("exp", json!(now - 31)),
        ("nbf", json!(now + 31)),
        ("sub", json!(5)),
    ] {
        let mut claims = roster.claims(CALLER);
        claims[name] = value;
        assert_eq!(status(&roster, &key.token(Some("k"), &claims)).await, 401, "wrong {name}");
        claims.as_object_mut().expect("claims").remove(name);
        let expected = if name == "nbf" { 200 } else { 401 };
        assert_eq!(status(&roster, &key.token(Some("k"), &claims)).await, expected, "no {name}");
    }
}

#[tokio::test]
async fn a_token_that_another_key_signed_is_refused() {
    for (key, other) in [
        (Private::rsa(), Private::rsa()),
        (Private::p256(), Private::p256()),
        (Private::ed25519(), Private::ed25519()),
        (Private::rsa(), Private::p256()),
        (Private::p256(), Private::ed25519()),
        (Private::ed25519(), Private::rsa()),
    ] {
        let provider = Provider::start(&[key.jwk("k")]).await;
        let roster = provider.roster().await;
        let claims = roster.claims(CALLER);
        assert_eq!(status(&roster, &key.token(Some("k"), &claims)).await, 200);
        let forged = other.token(Some("k"), &claims);
        for endpoint in &ENDPOINTS {
            let answer = endpoint.bearer(&roster, &forged).await;
            assert_outcome(endpoint, Outcome::Refused, &answer, other.algorithm());
            assert_keeps_secret(&answer, &forged, other.algorithm());
        }
        let empty = token(
            &json!({"alg": key.algorithm(), "kid": "k"}),
            claims.to_string().as_bytes(),
            |_| Vec::new(),
        );
        assert_eq!(status(&roster, &empty).await, 401, "an empty signature");
        let zeros = token(
            &json!({"alg": key.algorithm(), "kid": "k"}),
            claims.to_string().as_bytes(),
            |_| vec![0; 64],
        );
        assert_eq!(status(&roster, &zeros).await, 401, "a signature of zeros");
    }
}

/// Found: a second published key ended the sign-ins of tokens without a `kid`.
#[tokio::test]
async fn without_a_kid_every_key_of_the_algorithm_is_tried() {
    let (one, other, unknown) = (Private::p256(), Private::p256(), Private::p256());
    let rsa = Private::rsa();
    let provider = Provider::start(&[one.jwk("one")]).await;
    let roster = provider.roster().await;
    assert_eq!(status(&roster, &one.token(None, &roster.claims(CALLER))).await, 200);
    provider.publish(&[one.jwk("one"), rsa.jwk("rsa"), other.jwk("other")]);
    roster.advance(601);
    let claims = roster.claims(CALLER);
    for (key, expected) in [(&one, 200), (&rsa, 200), (&other, 200), (&unknown, 401)] {
        assert_eq!(status(&roster, &key.token(None, &claims)).await, expected);
    }
    // Nor does a name that two of them have.
    provider.publish(&[one.jwk("k"), rsa.jwk("k"), other.jwk("k")]);
    roster.advance(601);
    let claims = roster.claims(CALLER);
    for (key, expected) in [(&one, 200), (&rsa, 200), (&other, 200), (&unknown, 401)] {
        assert_eq!(status(&roster, &key.token(Some("k"), &claims)).await, expected);
    }
    assert_eq!(
        status(&roster, &one.token(Some("one"), &claims)).await,
        401,
        "a name that none has"
    );
}

#[tokio::test]
async fn a_new_key_is_found_for_tokens_without_a_kid() {
    let (old, new, forger) = (Private::p256(), Private::p256(), Private::p256());
    let nameless = |key: &Private| {
        let mut jwk = key.jwk("");
        jwk.as_object_mut().expect("a key").remove("kid");
        jwk
    };
    let provider = Provider::start(&[nameless(&old)]).await;
    let roster = provider.roster().await;
    let claims = roster.claims(CALLER);
    assert_eq!(status(&roster, &old.token(None, &claims)).await, 200);
    provider.publish(&[nameless(&new)]);
    assert_eq!(status(&roster, &new.token(None, &claims)).await, 401, "within the pause");
    roster.advance(31);
    assert_eq!(status(&roster, &new.token(None, &claims)).await, 200);
    assert_eq!(provider.fetches(), 2);
    // A stranger causes no more fetches than by an unknown kid.
    for (pause, fetches) in [(0, 2), (31, 3), (0, 3), (29, 3), (2, 4)] {
        roster.advance(pause);
        assert_eq!(status(&roster, &forger.token(None, &claims)).await, 401);
        assert_eq!(provider.fetches(), fetches);
    }
}

/// RFC 9864 names EdDSA by its curve.
#[tokio::test]
async fn ed25519_is_eddsa() {
    let key = Private::ed25519();
    for named in ["Ed25519", "EdDSA"] {
        let mut jwk = key.jwk("k");
        jwk["alg"] = named.into();
        let provider = Provider::start(&[jwk]).await;
        let roster = provider.roster().await;
        let claims = roster.claims(CALLER);
        for (alg, expected) in [("Ed25519", 200), ("EdDSA", 200), ("Ed448", 401), ("ed25519", 401)]
        {
            let token = key.token_by(alg, Some("k"), &claims);
            assert_eq!(status(&roster, &token).await, expected, "{alg} by a key of {named}");
        }
    }
}

#[tokio::test]
async fn zeros_before_a_number_may_be_missing_or_extra() {
    // A key of which both coordinates begin with a zero byte would take 65,536 attempts.
    let (key, x, y) = loop {
        let key = Private::p256();
        let jwk = key.jwk("k");
        let bytes = |name: &str| from_base64(jwk[name].as_str().expect("a coordinate"));
        let (x, y) = (bytes("x"), bytes("y"));
        if x[0] == 0 {
            break (key, x, y);
        }
    };
    let rsa = Private::rsa();
    let modulus = from_base64(rsa.jwk("rsa")["n"].as_str().expect("a modulus"));
    let more = |bytes: &[u8]| [&[0][..], bytes].concat();
    for (case, x, y) in [
        ("as it should be", x.clone(), y.clone()),
        ("one missing", x[1..].to_vec(), y.clone()),
        ("one extra", more(&x), more(&y)),
        ("one missing and one extra", x[1..].to_vec(), more(&y)),
    ] {
        let mut jwk = key.jwk("k");
        (jwk["x"], jwk["y"]) = (base64(&x).into(), base64(&y).into());
        let mut other = rsa.jwk("rsa");
        other["n"] = base64(&more(&modulus)).into();
        let provider = Provider::start(&[jwk, other]).await;
        let roster = provider.roster().await;
        let claims = roster.claims(CALLER);
        assert_eq!(status(&roster, &key.token(Some("k"), &claims)).await, 200, "{case}");
        assert_eq!(
            status(&roster, &rsa.token(Some("rsa"), &claims)).await,
            200,
            "a modulus with one extra"
        );
    }
}

#[tokio::test]
async fn a_key_in_the_token_itself_is_never_used() {
    let (key, own) = (Private::p256(), Private::p256());
    let provider = Provider::start(&[key.jwk("k")]).await;
    let evil = Provider::start(&[own.jwk("k"), own.jwk("own")]).await;
    let roster = provider.roster().await;
    for header in [
        json!({"alg": "ES256", "kid": "k", "jwk": own.jwk("k")}),
        json!({"alg": "ES256", "jwk": own.jwk("own")}),
        json!({"alg": "ES256", "kid": "own", "jku": evil.url()}),
        json!({"alg": "ES256", "kid": "k", "jku": evil.url()}),
        json!({"alg": "ES256", "kid": "k", "x5u": evil.url()}),
        json!({"alg": "ES256", "kid": evil.url()}),
        json!({"alg": "ES256", "kid": "../../dev/null"}),
        json!({"alg": "ES256", "kid": ""}),
        json!({"alg": "ES256", "kid": "k".repeat(4000)}),
    ] {
        assert_eq!(
            status(&roster, &own.token_with(&header, &roster.claims(CALLER))).await,
            401,
            "{header}"
        );
    }
    assert_eq!(evil.fetches(), 0);
}

#[tokio::test]
async fn an_alg_that_differs_from_the_keys_is_refused() {
    let (rsa, p256, ed25519) = (Private::rsa(), Private::p256(), Private::ed25519());
    let provider =
        Provider::start(&[rsa.jwk("rsa"), p256.jwk("p256"), ed25519.jwk("ed25519")]).await;
    let roster = provider.roster().await;
    let claims = roster.claims(CALLER);
    assert_eq!(status(&roster, &rsa.token(Some("rsa"), &claims)).await, 200);
    for (case, token) in [
        ("RS512 by the RSA key", rsa.token_by("RS512", Some("rsa"), &claims)),
        ("PS256 by the RSA key", rsa.token_by("PS256", Some("rsa"), &claims)),
        ("ES256 said of an RSA signature", rsa.token_by("ES256", Some("rsa"), &claims)),
        ("RS256 said of a P-256 signature", p256.token_by("RS256", Some("p256"), &claims)),
        ("ES384 said of a P-256 signature", p256.token_by("ES384", Some("p256"), &claims)),
        ("ES256 said of an Ed25519 signature", ed25519.token_by("ES256", Some("ed25519"), &claims)),
        ("RS256 of the P-256 key", rsa.token(Some("p256"), &claims)),
        ("ES256 of the RSA key", p256.token(Some("rsa"), &claims)),
        (
            "none",
            token(&json!({"alg": "none", "kid": "rsa"}), claims.to_string().as_bytes(), |_| {
                Vec::new()
            }),
        ),
    ] {
        assert_eq!(status(&roster, &token).await, 401, "{case}");
    }
}

/// The numbers of a key on one curve may be a point of another, or stand for one.
#[tokio::test]
async fn a_key_that_names_another_curve_is_ignored() {
    for (key, curves) in [
        (Private::p256(), ["P-384", "P-521", "Ed25519"]),
        (Private::ed25519(), ["P-256", "P-384", "P-521"]),
    ] {
        for curve in curves {
            let mut jwk = key.jwk("k");
            jwk["crv"] = curve.into();
            let provider = Provider::start(&[jwk]).await;
            let roster = provider.roster().await;
            assert_eq!(
                status(&roster, &key.token(Some("k"), &roster.claims(CALLER))).await,
                401,
                "{} on {curve}",
                key.algorithm()
            );
        }
    }
}

#[tokio::test]
async fn a_key_for_another_algorithm_is_ignored() {
    let (key, good) = (Private::rsa(), Private::p256());
    let named = |alg: &str| {
        let mut jwk = key.jwk("k");
        jwk["alg"] = alg.into();
        jwk
    };
    for (alg, expected) in [
        ("RS256", 200),
        ("RS512", 401),
        ("PS256", 401),
        ("RSA-OAEP", 401),
        ("HS256", 401),
        ("unheard-of", 401),
    ] {
        let provider = Provider::start(&[named(alg), good.jwk("good")]).await;
        let roster = provider.roster().await;
        let claims = roster.claims(CALLER);
        assert_eq!(status(&roster, &key.token(Some("k"), &claims)).await, expected, "{alg}");
        assert_eq!(
            status(&roster, &good.token(Some("good"), &claims)).await,
            200,
            "the other key beside {alg}"
        );
    }
}

#[tokio::test]
async fn a_key_for_encryption_is_ignored() {
    let key = Private::rsa();
    for (usage, expected) in [("sig", 200), ("enc", 401), ("other", 401)] {
        let mut jwk = key.jwk("k");
        jwk["use"] = usage.into();
        let provider = Provider::start(&[jwk]).await;
        let roster = provider.roster().await;
        for kid in [Some("k"), None] {
            assert_eq!(
                status(&roster, &key.token(kid, &roster.claims(CALLER))).await,
                expected,
                "{usage}, {kid:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    let key = Private::rsa();
    let provider = Provider::start(&[key.jwk("k")]).await;
    let roster = provider.roster().await;
    let claims = roster.claims(CALLER).to_string();
    for (case, secret) in key.public_texts("k") {
        for header in [
            json!({"alg": "HS256", "kid": "k"}),
            json!({"alg": "HS256"}),
            json!({"alg": "RS256", "kid": "k"}),
        ] {
            let forged =
                token(&header, claims.as_bytes(), |message| hmac(HMAC_SHA256, &secret, message));
            for endpoint in &ENDPOINTS {
                let answer = endpoint.bearer(&roster, &forged).await;
                assert_outcome(endpoint, Outcome::Refused, &answer, case);
            }
        }
    }
    assert_eq!(
        status(&roster, &hs256(&json!({"alg": "HS256"}), claims.as_bytes())).await,
        401,
        "the secret of another setting"
    );
}

#[tokio::test]
async fn a_symmetric_key_in_the_set_never_verifies() {
    let good = Private::p256();
    let shared_secret = b"a-shared-secret-of-more-than-32-bytes";
    let oct = json!({"kty": "oct", "kid": "oct", "alg": "HS256", "use": "sig", "k": base64(shared_secret)});
    for keys in [vec![oct.clone()], vec![oct, good.jwk("good")]] {
        let provider = Provider::start(&keys).await;
        let roster = provider.roster().await;
        let claims = roster.claims(CALLER);
        for header in [
            json!({"alg": "HS256", "kid": "oct"}),
            json!({"alg": "HS256"}),
            json!({"alg": "HS256", "kid": "good"}),
        ] {
            let forged = token(&header, claims.to_string().as_bytes(), |message| {
                hmac(HMAC_SHA256, shared_secret, message)
            });
            assert_eq!(status(&roster, &forged).await, 401, "{header}");
        }
        let expected = if keys.len() == 2 { 200 } else { 401 };
        assert_eq!(status(&roster, &good.token(Some("good"), &claims)).await, expected);
    }
}

#[tokio::test]
async fn a_key_of_an_unknown_or_broken_kind_hides_no_other() {
    let good = Private::p256();
    let strange = [
        json!({"kty": "AKP", "alg": "ML-DSA-65", "kid": "pq", "pub": "AAAA"}),
        json!({"kty": "EC", "crv": "P-256", "kid": "off the curve", "x": base64(&[1; 32]), "y": base64(&[1; 32])}),
        json!({"kty": "EC", "crv": "P-521", "kid": "p521", "x": "AA", "y": "AA"}),
        json!({"kty": "RSA", "kid": "empty", "n": "", "e": ""}),
        json!({"kty": "RSA", "kid": "no base64", "n": "!!!", "e": "AQAB"}),
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "short", "x": "AA"}),
        json!({"kty": "OKP", "crv": "X25519", "kid": "exchange", "x": base64(&[1; 32])}),
        json!({"kty": "RSA"}),
        json!({}),
        json!(null),
        json!("key"),
    ];
    let mut keys = strange.to_vec();
    keys.push(good.jwk("good"));
    let provider = Provider::start(&keys).await;
    let roster = provider.roster().await;
    let claims = roster.claims(CALLER);
    assert_eq!(status(&roster, &good.token(Some("good"), &claims)).await, 200);
    let (rsa, ed25519) = (Private::rsa(), Private::ed25519());
    for kid in ["pq", "off the curve", "p521", "empty", "no base64", "short", "exchange"] {
        for key in [&rsa, &good, &ed25519] {
            assert_eq!(
                status(&roster, &key.token(Some(kid), &claims)).await,
                401,
                "{kid} by {}",
                key.algorithm()
            );
        }
    }
}

#[tokio::test]
async fn an_unknown_kid_fetches_at_most_once_in_30_s() {
    let key = Private::p256();
    let provider = Provider::start(&[key.jwk("k")]).await;
    let roster = provider.roster().await;
    let claims = roster.claims(CALLER);
    let unknown = |number: usize| key.token(Some(&format!("unknown {number}")), &claims);
    assert_eq!(status(&roster, &key.token(Some("k"), &claims)).await, 200);
    assert_eq!(provider.fetches(), 1);
    for (pause, fetches) in [(0, 1), (29, 1), (1, 2), (29, 2), (1, 3)] {
        roster.advance(pause);
        for number in 0..5 {
            assert_eq!(status(&roster, &unknown(number)).await, 401);
            assert_eq!(status(&roster, &key.token(Some("k"), &claims)).await, 200);
        }
        let at_once = join_all((0..5).map(|number| {
            let token = unknown(number);
            let roster = &roster;
            async move { status(roster, &token).await }
        }))
        .await;
        assert_eq!(at_once, [401; 5]);
        assert_eq!(provider.fetches(), fetches, "after {pause} s");
    }
}

#[tokio::test]
async fn keys_are_kept_for_ten_minutes() {
    let key = Private::p256();
    let provider = Provider::start(&[key.jwk("k")]).await;
    let roster = provider.roster().await;
    assert_eq!(provider.fetches(), 0, "nothing is fetched before it is needed");
    for (pause, fetches) in [(0, 1), (300, 1), (299, 1), (1, 2), (599, 2), (1, 3)] {
        roster.advance(pause);
        for _ in 0..3 {
            assert_eq!(status(&roster, &key.token(Some("k"), &roster.claims(CALLER))).await, 200);
        }
        assert_eq!(provider.fetches(), fetches, "after {pause} s");
    }
}

#[tokio::test]
async fn a_key_that_was_withdrawn_ends_with_the_next_fetch() {
    let (old, new) = (Private::p256(), Private::p256());
    let provider = Provider::start(&[old.jwk("old"), new.jwk("new")]).await;
    let roster = provider.roster().await;
    assert_eq!(status(&roster, &old.token(Some("old"), &roster.claims(CALLER))).await, 200);
    provider.publish(&[new.jwk("new")]);
    roster.advance(601);
    assert_eq!(status(&roster, &old.token(Some("old"), &roster.claims(CALLER))).await, 401);
    assert_eq!(status(&roster, &new.token(Some("new"), &roster.claims(CALLER))).await, 200);
}

#[tokio::test]
async fn a_new_key_is_found_once_the_pause_is_over() {
    let (old, new) = (Private::p256(), Private::rsa());
    let provider = Provider::start(&[old.jwk("old")]).await;
    let roster = provider.roster().await;
    let claims = roster.claims(CALLER);
    let (by_old, by_new) = (old.token(Some("old"), &claims), new.token(Some("new"), &claims));
    assert_eq!(status(&roster, &by_old).await, 200);
    provider.publish(&[old.jwk("old"), new.jwk("new")]);
    roster.advance(29);
    assert_eq!(status(&roster, &by_new).await, 401);
    roster.advance(2);
    assert_eq!(status(&roster, &by_new).await, 200);
    assert_eq!(status(&roster, &by_old).await, 200);
    assert_eq!(provider.fetches(), 2);
}

#[tokio::test]
async fn fifty_requests_on_a_cold_cache_make_one_fetch() {
    let key = Private::p256();
    let provider = Provider::start(&[key.jwk("k")]).await;
    let roster = provider.roster().await;
    let token = key.token(Some("k"), &roster.claims(CALLER));
    let statuses = join_all((0..50).map(|_| status(&roster, &token))).await;
    assert_eq!(statuses, [200; 50]);
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test]
async fn fifty_requests_of_a_provider_that_fails_make_one_fetch() {
    let key = Private::p256();
    let provider = Provider::start(&[]).await;
    provider.fails();
    let roster = provider.roster().await;
    let token = key.token(Some("k"), &roster.claims(CALLER));
    let statuses = join_all((0..50).map(|_| status(&roster, &token))).await;
    assert_eq!(statuses, [503; 50]);
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test]
async fn stale_keys_serve_for_an_hour_where_no_newer_ones_can_be_had() {
    let key = Private::p256();
    let provider = Provider::start(&[key.jwk("k")]).await;
    let roster = provider.roster().await;
    let token = || key.token(Some("k"), &roster.claims(CALLER));
    assert_eq!(status(&roster, &token()).await, 200);
    provider.fails();
    // What is fetched in all, so many seconds later.
    for (pause, fetches) in [(601, 2), (28, 2), (3, 3), (2900, 4), (60, 5)] {
        roster.advance(pause);
        for _ in 0..3 {
            assert_eq!(status(&roster, &token()).await, 200, "{pause} s later");
        }
        assert_eq!(provider.fetches(), fetches, "{pause} s later");
    }
    roster.advance(10);
    let pause_ends = 3602;
    assert_eq!(601 + 28 + 3 + 2900 + 60 + 10, pause_ends);
    for endpoint in &ENDPOINTS {
        let token = token();
        let answer = endpoint.bearer(&roster, &token).await;
        assert_unavailable(&answer);
        endpoint.contract.error(&answer);
        assert_keeps_secret(&answer, &token, "stale");
    }
    roster.advance(31);
    assert_unavailable(&ME.bearer(&roster, &token()).await);
    assert_eq!(provider.fetches(), 6, "nor does another fetch that fails bring them back");
    provider.publish(&[key.jwk("k")]);
    roster.advance(31);
    assert_eq!(status(&roster, &token()).await, 200, "as soon as there are keys again");
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_a_503_until_it_answers() {
    let key = Private::p256();
    let provider = Provider::start(&[]).await;
    provider.set(Manner::HangsUp);
    let roster = provider.roster().await;
    let token = key.token(Some("k"), &roster.claims(CALLER));
    for endpoint in &ENDPOINTS {
        let answer = endpoint.bearer(&roster, &token).await;
        assert_unavailable(&answer);
        endpoint.contract.error(&answer);
        assert_keeps_secret(&answer, &token, "unreachable");
    }
    provider.publish(&[key.jwk("k")]);
    roster.advance(31);
    assert_eq!(status(&roster, &token).await, 200);
}

#[tokio::test]
async fn a_provider_that_hangs_is_a_503_within_seconds() {
    for manner in [Manner::Hangs, Manner::Stalls] {
        let key = Private::p256();
        let provider = Provider::start(&[]).await;
        provider.set(manner);
        let roster = provider.roster().await;
        let token = key.token(Some("k"), &roster.claims(CALLER));
        let start = Instant::now();
        let answers = join_all((0..20).map(|_| ME.bearer(&roster, &token))).await;
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        answers.iter().for_each(assert_unavailable);
        assert_eq!(provider.fetches(), 1);
    }
}

#[tokio::test]
async fn a_provider_that_hangs_delays_no_one_whose_key_is_known() {
    let key = Private::p256();
    let provider = Provider::start(&[key.jwk("k")]).await;
    let roster = provider.roster().await;
    let claims = roster.claims(CALLER);
    let (good, unknown) = (key.token(Some("k"), &claims), key.token(Some("unknown"), &claims));
    assert_eq!(status(&roster, &good).await, 200);
    provider.set(Manner::Hangs);
    roster.advance(31);
    let others = async {
        while provider.fetches() < 2 {
            tokio::task::yield_now().await;
        }
        let start = Instant::now();
        assert_eq!(status(&roster, &good).await, 200);
        start.elapsed()
    };
    let (refused, waited) = futures::join!(status(&roster, &unknown), others);
    assert!(waited < Duration::from_secs(1), "{waited:?}");
    assert_eq!(refused, 401);
}

#[tokio::test]
async fn a_provider_that_hangs_leaves_stale_keys_in_use() {
    let key = Private::p256();
    let provider = Provider::start(&[key.jwk("k")]).await;
    let roster = provider.roster().await;
    assert_eq!(status(&roster, &key.token(Some("k"), &roster.claims(CALLER))).await, 200);
    provider.set(Manner::Hangs);
    roster.advance(601);
    let token = key.token(Some("k"), &roster.claims(CALLER));
    let start = Instant::now();
    assert_eq!(join_all((0..20).map(|_| status(&roster, &token))).await, [200; 20]);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(provider.fetches(), 2);
}

#[tokio::test]
async fn what_is_no_key_set_is_a_503() {
    let key = Private::p256();
    let set = json!({"keys": [key.jwk("k")]}).to_string();
    let elsewhere = Provider::start(&[key.jwk("k")]).await;
    let location = format!("location: {}\r\n", elsewhere.url());
    for (case, status, headers, body) in [
        ("garbage", "200 OK", "", "garbage".to_owned()),
        ("nothing", "200 OK", "", String::new()),
        ("an HTML page", "200 OK", "", "<html></html>".to_owned()),
        ("another object", "200 OK", "", "{}".to_owned()),
        ("keys that are no list", "200 OK", "", r#"{"keys": {}}"#.to_owned()),
        ("a list alone", "200 OK", "", json!([key.jwk("k")]).to_string()),
        ("cut short", "200 OK", "", set[..set.len() - 2].to_owned()),
        ("a megabyte of keys", "200 OK", "", format!("{}{set}", " ".repeat(1 << 20))),
        ("a megabyte of garbage", "200 OK", "", "x".repeat(1 << 20)),
        ("deep nesting", "200 OK", "", "[".repeat(100_000)),
        ("not found", "404 Not Found", "", set.clone()),
        ("an error", "500 Internal Server Error", "", set.clone()),
        ("moved for good", "301 Moved Permanently", location.as_str(), set.clone()),
        ("moved for now", "302 Found", location.as_str(), set.clone()),
        ("moved, same method", "307 Temporary Redirect", location.as_str(), String::new()),
        ("no content", "204 No Content", "", String::new()),
    ] {
        let provider = Provider::start(&[]).await;
        provider.says(status, headers, &body);
        let roster = provider.roster().await;
        let token = key.token(Some("k"), &roster.claims(CALLER));
        let answer = ME.bearer(&roster, &token).await;
        assert_eq!(answer.status, 503, "{case}: {answer:?}");
        assert_unavailable(&answer);
        assert!(!answer.text.contains("127.0.0.1"), "{case}: {answer:?}");
        assert_eq!(provider.fetches(), 1, "{case}");
    }
    assert_eq!(elsewhere.fetches(), 0, "no redirect is followed");
}

#[tokio::test]
async fn a_large_key_set_is_read() {
    let keys: Vec<_> = (0..20).map(|_| Private::p256()).collect();
    let set: Vec<_> =
        keys.iter().enumerate().map(|(number, key)| key.jwk(&number.to_string())).collect();
    let provider = Provider::start(&set).await;
    let roster = provider.roster().await;
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(
            status(&roster, &key.token(Some(&number.to_string()), &roster.claims(CALLER))).await,
            200
        );
    }
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test]
async fn with_a_secret_and_public_keys_each_verifies_its_own_algorithm_alone() {
    let key = Private::rsa();
    let provider = Provider::start(&[key.jwk("k")]).await;
    let url = provider.url();
    let roster = Roster::start_with(|options| options.config.tokens.jwks_url = Some(url)).await;
    let claims = roster.claims(CALLER);
    let payload = claims.to_string();
    let payload = payload.as_bytes();
    for header in [
        json!({"alg": "HS256"}),
        json!({"alg": "HS256", "kid": "k"}),
        json!({"alg": "HS256", "kid": "another"}),
    ] {
        assert_eq!(status(&roster, &hs256(&header, payload)).await, 200, "{header}");
    }
    for (case, secret) in key.public_texts("k") {
        let forged = token(&json!({"alg": "HS256", "kid": "k"}), payload, |message| {
            hmac(HMAC_SHA256, &secret, message)
        });
        assert_eq!(status(&roster, &forged).await, 401, "{case}");
    }
    assert_eq!(provider.fetches(), 0, "the secret's tokens need no fetch");
    assert_eq!(status(&roster, &key.token(Some("k"), &claims)).await, 200);
    for (case, forged) in [
        ("the secret's HMAC as RS256", hs256(&json!({"alg": "RS256", "kid": "k"}), payload)),
        ("the key's signature as HS256", key.token_by("HS256", Some("k"), &claims)),
        (
            "HS384 by the secret",
            token(&json!({"alg": "HS384"}), payload, |message| {
                hmac(aws_lc_rs::hmac::HMAC_SHA384, SECRET.as_bytes(), message)
            }),
        ),
    ] {
        assert_eq!(status(&roster, &forged).await, 401, "{case}");
    }
    // The provider's failure is none of the secret's.
    provider.fails();
    roster.advance(3601);
    let claims = roster.claims(CALLER);
    assert_eq!(status(&roster, &key.token(Some("k"), &claims)).await, 503);
    assert_eq!(
        status(&roster, &hs256(&json!({"alg": "HS256"}), claims.to_string().as_bytes())).await,
        200
    );
}

#[tokio::test]
async fn with_a_secret_alone_no_signature_of_a_key_is_taken() {
    let roster = Roster::start().await;
    for key in [Private::rsa(), Private::p256(), Private::ed25519()] {
        for kid in [Some("k"), None] {
            assert_eq!(
                status(&roster, &key.token(kid, &roster.claims(CALLER))).await,
                401,
                "{}",
                key.algorithm()
            );
        }
    }
}

#[tokio::test]
async fn health_and_missing_credentials_need_no_keys() {
    let provider = Provider::start(&[]).await;
    provider.set(Manner::Hangs);
    let roster = provider.roster().await;
    send(roster.request(reqwest::Method::GET, "/health")).await.expect(200);
    for endpoint in &ENDPOINTS {
        assert_outcome(
            endpoint,
            Outcome::NoCredential,
            &send(endpoint.request(&roster)).await,
            "none",
        );
    }
    assert_eq!(provider.fetches(), 0);
}
