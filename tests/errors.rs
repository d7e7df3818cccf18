//! The error bodies of the five contracts: their exact fields, and which code goes with which
//! status.

use serde_json::Value;
use tests::Answer;
use uuid::Uuid;

/// A published contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    Operator,
    Directory,
    UserAdmin,
    ManagedUsers,
    Workspace,
}

use Contract::{Directory, ManagedUsers, Operator, UserAdmin, Workspace};

impl Contract {
    /// The code (or name, or kind of the first fault) of an error, after holding status, headers
    /// and body against the contract.
    #[track_caller]
    pub fn error(self, answer: &Answer) -> String {
        assert_eq!(
            answer.headers.get("content-type").map(String::as_str),
            Some("application/json"),
            "{answer:?}"
        );
        let body = answer.json();
        let fields =
            body.as_object().unwrap_or_else(|| panic!("an error is an object: {answer:?}"));
        let (required, optional): (&[&str], &[&str]) = match self {
            Operator => (&["error", "code", "request_id"], &[]),
            Directory => (&["status", "code", "message"], &[]),
            UserAdmin => (&["id", "name", "message"], &["details", "permissions"]),
            ManagedUsers => (&["detail"], &[]),
            Workspace => (&["message", "code"], &["issues"]),
        };
        assert!(
            required.iter().all(|name| fields.contains_key(*name)),
            "a field is missing: {answer:?}"
        );
        let known = |name: &String| required.iter().chain(optional).any(|known| known == name);
        assert!(fields.keys().all(known), "a field is not of this contract: {answer:?}");
        assert!(required.iter().all(|name| self == ManagedUsers
            || fields[*name].as_str().is_some_and(|text| !text.is_empty())));
        match self {
            Operator => assert_eq!(
                body["request_id"],
                answer.headers["x-request-id"].as_str(),
                "{answer:?}"
            ),
            Directory => assert_eq!(body["status"], "error", "{answer:?}"),
            UserAdmin => {
                assert!(
                    Uuid::parse_str(body["id"].as_str().unwrap_or_default()).is_ok(),
                    "{answer:?}"
                );
                assert_eq!(body.get("permissions").is_some(), answer.status == 403, "{answer:?}");
                assert!(body["details"][0]["message"].is_string(), "{answer:?}");
            }
            ManagedUsers | Workspace => {}
        }
        let code = match self {
            Operator | Directory | Workspace => {
                body["code"].as_str().unwrap_or_default().to_owned()
            }
            UserAdmin => body["name"].as_str().unwrap_or_default().to_owned(),
            ManagedUsers => detail(&body["detail"], answer),
        };
        // A 503 is none of the contracts' but the operator's: it says to come back.
        if answer.status == 503 {
            assert!(
                answer.headers["retry-after"].parse::<u32>().is_ok_and(|seconds| seconds > 0),
                "{answer:?}"
            );
        } else {
            let statuses = self
                .codes()
                .iter()
                .filter(|(_, codes)| codes.contains(&code.as_str()))
                .map(|(status, _)| *status);
            assert!(
                statuses.into_iter().any(|status| status == answer.status),
                "the contract has no {code:?} with that status: {answer:?}"
            );
        }
        code
    }

    /// The published codes by their status. Ours alone are 412, for who sends `If-Match`, 422 for a
    /// used `Idempotency-Key`, and the code of a 403 by which the operator contract refuses a
    /// delegated token.
    fn codes(self) -> &'static [(u16, &'static [&'static str])] {
        match self {
            Operator => &[
                (401, &["unauthorized"]),
                (
                    403,
                    &[
                        "operator_required",
                        "email_not_verified",
                        "account_deleted",
                        "auth_locked",
                        "unauthorized",
                    ],
                ),
                (404, &["account_not_found", "not_found"]),
                (
                    409,
                    &[
                        "account_not_soft_deleted",
                        "account_hard_delete_active_resources",
                        "transition_conflict",
                    ],
                ),
                (412, &["transition_conflict"]),
                (422, &["invalid_request"]),
                (429, &["QUOTA_EXCEEDED", "rate_limit_exceeded"]),
                (500, &["internal_error"]),
            ],
            Directory => &[
                (400, &["bad_request", "invalid_value", "required_value"]),
                (401, &["not_authenticated", "bad_authtoken"]),
                (403, &["not_permitted"]),
                (404, &["not_found", "unexpected_ref_type"]),
                (409, &["invalid_action"]),
                (412, &["invalid_action"]),
                (422, &["invalid_value"]),
                (500, &["unexpected", "unknown"]),
                (501, &["not_implemented"]),
            ],
            UserAdmin => &[
                (400, &["BadDataError"]),
                (401, &["AuthenticationRequired", "UnauthorizedError"]),
                (403, &["PermissionError"]),
                (404, &["NotFoundError"]),
                (412, &["BadDataError"]),
                (415, &["ContentTypeError"]),
                (422, &["BadDataError"]),
                (429, &["RateLimitError"]),
                (501, &["NotImplementedError"]),
            ],
            ManagedUsers => &[
                (401, &[""]),
                (403, &[""]),
                (404, &[""]),
                (409, &[""]),
                (412, &[""]),
                (
                    422,
                    &[
                        "missing",
                        "string_type",
                        "string_too_long",
                        "string_too_short",
                        "bool_parsing",
                        "json_invalid",
                        "model_attributes_type",
                        "value_error",
                        "enum",
                        "list_type",
                        "uuid_parsing",
                        "literal_error",
                    ],
                ),
                (429, &[""]),
            ],
            Workspace => &[
                (400, &["BAD_REQUEST"]),
                (401, &["UNAUTHORIZED"]),
                (403, &["FORBIDDEN"]),
                (404, &["NOT_FOUND"]),
                (500, &["INTERNAL_SERVER_ERROR"]),
            ],
        }
    }
}

/// The kind of the first fault; nothing where the detail is a sentence.
#[track_caller]
fn detail(detail: &Value, answer: &Answer) -> String {
    if let Some(text) = detail.as_str() {
        assert!(!text.is_empty(), "{answer:?}");
        return String::new();
    }
    let faults = detail
        .as_array()
        .filter(|faults| !faults.is_empty())
        .unwrap_or_else(|| panic!("{answer:?}"));
    for fault in faults {
        assert!(
            fault["loc"].as_array().is_some_and(|loc| !loc.is_empty()) && fault["msg"].is_string(),
            "{answer:?}"
        );
        assert_eq!(fault.as_object().map(serde_json::Map::len), Some(3), "{answer:?}");
    }
    faults[0]["type"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}
