//! The operator and account contract: platform operators see any account, everyone sees their own.

pub mod create_account;
pub mod get_me;
pub mod get_user;
pub mod update_me;

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::auth::Places;
use shared::models::{QuotaTier, Team, UsageDay, User};
use shared::store::Account;
use shared::{Error, Fault, Timestamp};
use std::collections::BTreeMap;
use uuid::Uuid;

use crate::{Contract, Response, json};

/// What these endpoints have in common.
pub const CONTRACT: Contract = Contract { base_path: "/v1", places: Places::Bearer, render };

/// A user as this contract shows it. Every field is always there.
#[derive(Debug, Serialize)]
pub struct UserBody {
    id: Uuid,
    email: Option<String>,
    tier: String,
    quota_tier_id: String,
    is_operator: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    name: Option<String>,
    display_name: String,
    avatar_url: Option<String>,
    email_verified_at: Option<Timestamp>,
    soft_deleted_at: Option<Timestamp>,
    delete_scheduled_at: Option<Timestamp>,
    abuse_flags: BTreeMap<String, serde_json::Value>,
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            display_name: user.shown_name(),
            id: user.id,
            email: user.email,
            tier: user.tier,
            quota_tier_id: user.quota_tier_id,
            is_operator: user.is_operator,
            created_at: user.created_at,
            updated_at: user.updated_at,
            name: user.name,
            avatar_url: user.avatar_url,
            email_verified_at: user.email_verified_at,
            soft_deleted_at: user.soft_deleted_at,
            delete_scheduled_at: user.delete_scheduled_at,
            abuse_flags: user.abuse_flags,
        }
    }
}

/// A team as this contract shows it.
#[derive(Debug, Serialize)]
pub struct TeamBody {
    id: Uuid,
    name: String,
    slug: String,
    owner_user_id: Uuid,
    quota_tier_id: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    soft_deleted_at: Option<Timestamp>,
}

impl From<Team> for TeamBody {
    fn from(team: Team) -> Self {
        Self {
            id: team.id,
            name: team.name,
            slug: team.slug,
            owner_user_id: team.owner_user_id,
            quota_tier_id: team.quota_tier_id,
            created_at: team.created_at,
            updated_at: team.updated_at,
            soft_deleted_at: team.soft_deleted_at,
        }
    }
}

/// An account: what its user sees of it, and the first part of what an operator sees.
#[derive(Debug, Serialize)]
pub struct AccountBody {
    user: UserBody,
    team: TeamBody,
    quota_tier: QuotaTier,
    quota_usage: Vec<UsageDay>,
}

impl From<Account> for AccountBody {
    fn from(account: Account) -> Self {
        Self { user: account.user.into(), team: account.team.into(), quota_tier: account.quota_tier, quota_usage: account.quota_usage }
    }
}

/// An error in this contract's body.
#[derive(Debug, Serialize)]
struct ErrorBody<'a> {
    error: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_detail: Option<Vec<Detail>>,
    request_id: &'a str,
}

/// One wrong input.
#[derive(Debug, Serialize)]
struct Detail {
    location: &'static str,
    field: String,
    message: String,
}

fn render(error: &Error, request_id: &str) -> Response {
    let (status, code) = match error {
        Error::NotAuthenticated | Error::BadCredential(_) => (StatusCode::UNAUTHORIZED, "unauthorized"),
        Error::AccountSuspended => (StatusCode::FORBIDDEN, "account_suspended"),
        Error::AccountDeleted => (StatusCode::FORBIDDEN, "account_deleted"),
        Error::OperatorRequired => (StatusCode::FORBIDDEN, "operator_required"),
        // The contract has no code for what a key may not do: it does not authorise this.
        Error::Forbidden(_) => (StatusCode::UNAUTHORIZED, "unauthorized"),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
        Error::AccountNotFound => (StatusCode::NOT_FOUND, "account_not_found"),
        Error::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
        Error::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_request"),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "feature_unavailable"),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
    };
    let error_detail = match error {
        Error::Invalid(issues) => Some(
            issues
                .iter()
                .map(|issue| Detail { location: issue.place.as_str(), field: issue.name.clone(), message: issue.to_string() })
                .collect(),
        ),
        _ => None,
    };
    json(status, &ErrorBody { error: error.to_string(), code, error_detail, request_id })
}

/// Refuses a picture's address that is no web address.
fn web_address(url: Option<Option<String>>) -> Result<Option<Option<String>>, shared::Issue> {
    let web = |url: &str| {
        url.parse::<lambda_http::http::Uri>().is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
    };
    match url {
        Some(Some(url)) if !web(&url) => {
            Err(shared::Issue::new(shared::Place::Body, "avatar_url", Fault::NotA("an address that starts with https:// or http://")))
        }
        url => Ok(url),
    }
}
