//! Tokens in the shape that each identity provider publishes, with the settings that its guide says
//! (docs/identity-providers.md).

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, Roster, send};

use crate::SIGN_UP;
use crate::forge::Private;
use crate::jwks::Provider;

/// A provider's settings and tokens.
struct Shape {
    name: &'static str,
    issuer: &'static str,
    audience: &'static str,
    key: Private,
    kid: &'static str,
    /// The members of its published keys beside those of the key itself.
    published: Value,
    /// The claims of someone who signs up.
    claims: Value,
    /// True where the token says that the email is proven.
    is_proven: bool,
}

impl Shape {
    async fn roster(&self) -> (Provider, Roster) {
        let mut jwk = self.key.jwk(self.kid);
        for (name, value) in self.published.as_object().expect("members") {
            jwk[name] = value.clone();
        }
        // Providers publish the next key too, and Keycloak one for encryption.
        let mut encrypts = Private::rsa().jwk("encrypts");
        (encrypts["use"], encrypts["alg"]) = ("enc".into(), "RSA-OAEP".into());
        let provider = Provider::start(&[encrypts, Private::rsa().jwk("next"), jwk]).await;
        let url = provider.url();
        let roster = Roster::start_with(|options| {
            let tokens = &mut options.config.tokens;
            tokens.secrets.provider = None;
            tokens.jwks_url = Some(url);
            tokens.issuer = self.issuer.to_owned();
            tokens.audience = self.audience.to_owned();
        })
        .await;
        (provider, roster)
    }

    /// A token with these changes; `null` takes a claim out.
    fn token(&self, roster: &Roster, changes: &Value) -> String {
        let now = roster.now().as_second();
        let mut claims = self.claims.clone();
        claims["iss"] = self.issuer.into();
        (claims["iat"], claims["exp"]) = (now.into(), (now + 3600).into());
        for (name, value) in changes.as_object().expect("changes") {
            match value {
                Value::Null => drop(claims.as_object_mut().expect("claims").remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        self.key.token(Some(self.kid), &claims)
    }

    async fn me(&self, roster: &Roster, changes: &Value) -> Answer {
        let token = self.token(roster, changes);
        send(roster.request(Method::GET, "/v1/account/me").bearer_auth(token)).await
    }
}

fn supabase() -> Shape {
    Shape {
        name: "Supabase",
        issuer: "https://abcdefgh.supabase.co/auth/v1",
        audience: "authenticated",
        key: Private::p256(),
        kid: "b81269f1-21d8-4f2e-b719-c2240a840d90",
        published: json!({"alg": "ES256", "use": "sig", "key_ops": ["verify"], "ext": true}),
        claims: json!({
            "aal": "aal1", "amr": [{"method": "password", "timestamp": 1_777_714_200}],
            "app_metadata": {"provider": "email", "providers": ["email"]}, "aud": "authenticated",
            "email": "ada@example.com", "is_anonymous": false, "phone": "", "role": "authenticated",
            "session_id": "1c3c6a70-9b5e-4c3b-8a29-0a8b7f5d9e10",
            "sub": "8d1a3e74-5d0c-4c0f-9b62-7f3f7fd0e2aa",
            "user_metadata": {"email": "ada@example.com", "email_verified": true, "full_name": "Ada"},
        }),
        // Its tokens have no such claim at the top.
        is_proven: false,
    }
}

fn auth0() -> Shape {
    Shape {
        name: "Auth0",
        issuer: "https://acme.eu.auth0.com/",
        audience: "https://api.acme.example",
        key: Private::rsa(),
        kid: "NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg",
        published: json!({"alg": "RS256", "use": "sig", "x5t": "NjVB", "x5c": ["MIIC"]}),
        claims: json!({
            "aud": ["https://api.acme.example", "https://acme.eu.auth0.com/userinfo"],
            "azp": "my_client_id", "email": "ada@example.com", "email_verified": true,
            "scope": "openid profile email", "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
        }),
        is_proven: true,
    }
}

fn clerk() -> Shape {
    Shape {
        name: "Clerk",
        issuer: "https://clerk.acme.example",
        audience: "roster",
        key: Private::rsa(),
        kid: "ins_2NNEqL2nrIRdJ194ndJqAHwEfxC",
        published: json!({"alg": "RS256", "use": "sig"}),
        claims: json!({
            "aud": "roster", "azp": "https://app.acme.example", "email": "ada@example.com",
            "email_verified": true, "fva": [7, -1], "nbf": 1_777_714_190, "pla": "u:free",
            "sid": "sess_2NNEqL2nrIRdJ194ndJqAHwEfxC", "sts": "active",
            "sub": "user_2NNEqL2nrIRdJ194ndJqAHwEfxC", "v": 2,
        }),
        is_proven: true,
    }
}

fn cognito() -> Shape {
    Shape {
        name: "Cognito",
        issuer: "https://cognito-idp.eu-north-1.amazonaws.com/eu-north-1_EXAMPLE",
        audience: "6n3mb8f2example0client1id",
        key: Private::rsa(),
        kid: "abcdefghijklmnopqrsexample=",
        published: json!({"alg": "RS256", "use": "sig"}),
        claims: json!({
            "aud": "6n3mb8f2example0client1id", "auth_time": 1_777_714_200,
            "cognito:groups": ["test"], "cognito:username": "ada", "email": "ada@example.com",
            "email_verified": true, "event_id": "64f513be-32db-42b0-b78e-b02127b4f463",
            "jti": "a1b2c3d4-5678-90ab-cdef-EXAMPLE22222",
            "origin_jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "sub": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "token_use": "id",
        }),
        is_proven: true,
    }
}

fn firebase() -> Shape {
    Shape {
        name: "Firebase",
        issuer: "https://securetoken.google.com/acme-app",
        audience: "acme-app",
        key: Private::rsa(),
        kid: "f90fb1ae048a548fb681ad6092b0b869ea467ac6",
        published: json!({"alg": "RS256", "use": "sig"}),
        claims: json!({
            "aud": "acme-app", "auth_time": 1_777_714_200, "email": "ada@example.com",
            "email_verified": true,
            "firebase": {"identities": {"email": ["ada@example.com"]}, "sign_in_provider": "password"},
            "name": "Ada", "sub": "ZkQ0jRZUPTcKvwFHBvYTNYPLbnF3",
            "user_id": "ZkQ0jRZUPTcKvwFHBvYTNYPLbnF3",
        }),
        is_proven: true,
    }
}

fn keycloak() -> Shape {
    Shape {
        name: "Keycloak",
        issuer: "https://id.acme.example/realms/acme",
        audience: "roster",
        key: Private::rsa(),
        kid: "FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE",
        published: json!({"alg": "RS256", "use": "sig", "x5c": ["MIIC"], "x5t#S256": "Zm9v"}),
        claims: json!({
            "acr": "1", "allowed-origins": ["https://app.acme.example"],
            "aud": ["roster", "account"], "azp": "web", "email": "ada@example.com",
            "email_verified": true, "family_name": "Lovelace", "given_name": "Ada",
            "jti": "onrtac:8d1a3e74-5d0c-4c0f-9b62-7f3f7fd0e2ab", "name": "Ada Lovelace",
            "preferred_username": "ada", "realm_access": {"roles": ["offline_access"]},
            "resource_access": {"account": {"roles": ["view-profile"]}},
            "scope": "openid email profile", "sid": "0d2d2d9c-36a4-4c9a-8f0c-0a6a2f0f9c11",
            "sub": "8d1a3e74-5d0c-4c0f-9b62-7f3f7fd0e2aa", "typ": "Bearer",
        }),
        is_proven: true,
    }
}

#[tokio::test]
async fn people_of_every_provider_sign_up_and_are_let_in() {
    for shape in [supabase(), auth0(), clerk(), cognito(), firebase(), keycloak()] {
        let name = shape.name;
        let (_provider, roster) = shape.roster().await;
        let token = shape.token(&roster, &json!({}));
        let answer = send(roster.request(Method::POST, SIGN_UP).bearer_auth(token)).await;
        assert_eq!(answer.status, 201, "{name}: {answer:?}");
        let account = shape.me(&roster, &json!({})).await;
        assert_eq!(account.status, 200, "{name}: {account:?}");
        let account = account.json();
        assert_eq!(account["user"]["email"], "ada@example.com", "{name}");
        let proven_at = &account["user"]["email_verified_at"];
        assert_eq!(!proven_at.is_null(), shape.is_proven, "{name}");
        // Of another tenant, or for another application.
        for changes in [json!({"iss": "https://evil.example"}), json!({"aud": "another"})] {
            assert_eq!(shape.me(&roster, &changes).await.status, 401, "{name}: {changes}");
        }
    }
}

/// Its access tokens have a `client_id` and no audience, and no email.
#[tokio::test]
async fn an_access_token_of_cognito_is_its_owners() {
    let shape = cognito();
    let (_provider, roster) = shape.roster().await;
    let token = shape.token(&roster, &json!({}));
    send(roster.request(Method::POST, SIGN_UP).bearer_auth(token)).await.expect(201);
    let access = json!({
        "aud": null, "email": null, "email_verified": null, "cognito:username": null,
        "client_id": "6n3mb8f2example0client1id", "scope": "openid", "token_use": "access",
        "username": "ada", "version": 2,
    });
    shape.me(&roster, &access).await.expect(200);
}

#[tokio::test]
async fn an_anonymous_sign_in_of_firebase_is_refused() {
    let shape = firebase();
    let (_provider, roster) = shape.roster().await;
    let firebase = json!({"identities": {}, "sign_in_provider": "anonymous"});
    let token = shape.token(&roster, &json!({"firebase": firebase, "provider_id": "anonymous"}));
    let answer = send(roster.request(Method::POST, SIGN_UP).bearer_auth(token)).await.expect(401);
    assert!(answer.text.contains("anonymous sign-in"), "{answer:?}");
}
