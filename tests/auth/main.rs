//! Who gets in: every kind of credential at every contract, and the identity provider's public
//! keys.

mod discovery;
#[path = "../errors.rs"]
mod errors;
mod forge;
#[path = "../give_key.rs"]
mod give_key;
mod jwks;
mod keys;
mod providers;
mod secrets;
mod signing;
mod subjects;
mod tokens;

use errors::Contract;
use local::demo;
use reqwest::{Method, RequestBuilder};
use tests::{Answer, Roster, send};
use uuid::Uuid;

/// An endpoint that lets the platform operator in with 200.
#[derive(Debug, Clone, Copy)]
struct Endpoint {
    contract: Contract,
    method: &'static str,
    path: &'static str,
}

const SIGN_UP: &str = "/v1/account";

const fn endpoint(contract: Contract, method: &'static str, path: &'static str) -> Endpoint {
    Endpoint { contract, method, path }
}

/// One or more endpoints of every contract. The ids are those of the demo data: the platform
/// operator, and the platform's team.
const ENDPOINTS: [Endpoint; 12] = [
    endpoint(Contract::Operator, "GET", "/v1/admin/users/00000000-0000-4000-8000-000000000002"),
    endpoint(Contract::Operator, "GET", "/v1/account/me"),
    endpoint(Contract::Operator, "PATCH", "/v1/account/me"),
    endpoint(Contract::Operator, "POST", SIGN_UP),
    endpoint(
        Contract::Directory,
        "GET",
        "/api/v1/admin_user?account_id=00000000-0000-4000-8000-0000000000c1",
    ),
    endpoint(Contract::UserAdmin, "GET", "/api/admin/user-admin/1"),
    endpoint(Contract::ManagedUsers, "GET", "/api/v1/users/"),
    endpoint(Contract::ManagedUsers, "GET", "/api/v1/users"),
    endpoint(Contract::ManagedUsers, "GET", PRINCIPAL_TOKEN),
    endpoint(Contract::Workspace, "GET", "/users"),
    endpoint(Contract::Workspace, "GET", "/users/me"),
    endpoint(Contract::Workspace, "GET", "/users/00000000-0000-4000-8000-000000000001"),
];

const PRINCIPAL_TOKEN: &str = "/api/v1/oauth/principal-token";

impl Endpoint {
    fn request(&self, roster: &Roster) -> RequestBuilder {
        let method = Method::from_bytes(self.method.as_bytes()).expect("a method");
        let request = roster.request(method, self.path);
        if self.method == "PATCH" { request.json(&serde_json::json!({})) } else { request }
    }

    /// Sends it with that `Authorization`.
    async fn with(&self, roster: &Roster, authorization: &str) -> Answer {
        send(self.request(roster).header("authorization", authorization)).await
    }

    /// Sends it with a token.
    async fn bearer(&self, roster: &Roster, token: &str) -> Answer {
        self.with(roster, &format!("Bearer {token}")).await
    }
}

/// How a request fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It is let in.
    In,
    /// 401: there is no credential.
    NoCredential,
    /// 401: the credential is refused.
    Refused,
    /// The account is suspended.
    Suspended,
    /// The account is soft-deleted.
    Deleted,
}

/// Holds an answer against what the endpoint's contract says of that outcome.
#[track_caller]
fn assert_outcome(endpoint: &Endpoint, outcome: Outcome, answer: &Answer, case: &str) {
    let (status, code) = match (endpoint.contract, outcome) {
        (_, Outcome::In) => {
            assert_eq!(answer.status, 200, "{case} at {endpoint:?}: {answer:?}");
            return;
        }
        (Contract::Operator, Outcome::Suspended) => (403, "auth_locked"),
        (Contract::Operator, Outcome::Deleted) => (403, "account_deleted"),
        (Contract::Operator, _) => (401, "unauthorized"),
        (Contract::Directory, Outcome::NoCredential) => (401, "not_authenticated"),
        (Contract::Directory, _) => (401, "bad_authtoken"),
        (Contract::UserAdmin, Outcome::NoCredential) => (401, "AuthenticationRequired"),
        (Contract::UserAdmin, _) => (401, "UnauthorizedError"),
        (Contract::ManagedUsers, _) => (401, ""),
        (Contract::Workspace, _) => (401, "UNAUTHORIZED"),
    };
    assert_eq!(answer.status, status, "{case} at {endpoint:?}: {:.300}", answer.text);
    assert_eq!(endpoint.contract.error(answer), code, "{case} at {endpoint:?}");
}

/// No part of a credential, nor the secret, stands in an answer.
#[track_caller]
fn assert_keeps_secret(answer: &Answer, credential: &str, case: &str) {
    let parts =
        credential.split([' ', '.']).filter(|part| part.len() > 12 && *part != common_header());
    for part in parts.chain([forge::SECRET]) {
        assert!(!answer.text.contains(part), "{case}: {} shows in the body", &part[..12]);
        assert!(
            answer.headers.values().all(|value| !value.contains(part)),
            "{case}: {} shows in a header",
            &part[..12]
        );
    }
}

/// The header that most tokens have, which is no secret.
fn common_header() -> String {
    forge::base64(br#"{"typ":"JWT","alg":"HS256"}"#)
}

/// Sends a credential to every endpoint that `which` picks, and checks what comes of it.
async fn try_everywhere(
    roster: &Roster,
    case: &str,
    authorization: &str,
    outcome: Outcome,
    which: impl Fn(&Endpoint) -> bool,
) {
    for endpoint in ENDPOINTS.iter().filter(|endpoint| which(endpoint)) {
        let answer = endpoint.with(roster, authorization).await;
        assert_outcome(endpoint, outcome, &answer, case);
        if outcome != Outcome::In {
            assert_keeps_secret(&answer, authorization, case);
        }
    }
}

/// The platform operator, whom all of [`ENDPOINTS`] let in.
const CALLER: Uuid = demo::PLATFORM_OPERATOR;
