//! The operator and account contract: platform operators see any account, everyone sees their own.

pub mod create_account;
pub mod create_default_key;
pub mod create_key;
pub mod create_sandbox;
pub mod create_user_key;
pub mod delete_account;
pub mod delete_user;
pub mod destroy_sandbox;
pub mod export_account;
pub mod get_audit_log;
pub mod get_me;
pub mod get_user;
pub mod list_keys;
pub mod list_quota_tiers;
pub mod list_users;
pub mod restore_account;
pub mod restore_user;
pub mod revoke_key;
pub mod rotate_key;
pub mod suspend_user;
pub mod unsuspend_user;
pub mod update_me;
pub mod update_sandbox;
pub mod update_user_quota;

use lambda_http::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};
use shared::auth::{Caller, Places, VerifiedToken};
use shared::models::{ApiKey, ListedUser, QuotaTier, Sandbox, Status, Team, UsageDay, User};
use shared::store::{Account, AccountRecords, Act, MadeApiKey};
use shared::{Error, Fault, Issue, Place, Result, Timestamp};
use std::collections::BTreeMap;
use uuid::Uuid;

use crate::entity_tag::tagged;
use crate::request::{optional_json_object, path_id, text};
use crate::{Context, Contract, Request, Response, json};

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
    abuse_flags: BTreeMap<String, Value>,
}

impl From<ListedUser> for UserBody {
    fn from(user: ListedUser) -> Self {
        Self {
            display_name: user.shown_name,
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

impl From<&User> for UserBody {
    fn from(user: &User) -> Self {
        ListedUser::from(user).into()
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
        Self { user: (&account.user).into(), team: account.team.into(), quota_tier: account.quota_tier, quota_usage: account.quota_usage }
    }
}

/// An account as its user sees it.
fn account_answer(status: StatusCode, account: Account) -> Response {
    let user = account.user.clone();
    tagged(json(status, &AccountBody::from(account)), &user)
}

/// An account as operators see it: with its keys and its newest 100 sandboxes.
#[derive(Debug, Serialize)]
struct AccountDetail {
    #[serde(flatten)]
    account: AccountBody,
    api_keys: Vec<ApiKey>,
    sandboxes: Vec<Sandbox>,
}

/// A key that was made, with its text: the one time that it is shown.
#[derive(Debug, Serialize)]
struct MadeKeyBody {
    #[serde(flatten)]
    key: ApiKey,
    #[serde(rename = "key")]
    text: String,
}

impl From<MadeApiKey> for MadeKeyBody {
    fn from(made: MadeApiKey) -> Self {
        Self { text: made.text.reveal().to_owned(), key: made.key }
    }
}

/// That something was done, and when the rest follows.
#[derive(Debug, Serialize)]
struct Success {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_hard_delete_at: Option<Timestamp>,
}

/// The caller as a platform operator, and the account that the path names. Both are read at once; what is found opens to an
/// operator only.
async fn operators_view(context: &Context, request: &Request, token: &VerifiedToken) -> Result<(Caller, AccountRecords)> {
    let Some(user_id) = path_id(request, "user_id") else {
        context.caller(token).await?.operator()?;
        return Err(Error::AccountNotFound);
    };
    let records = context.store().sealed_account_records(user_id, token);
    let (caller, records) = futures::try_join!(context.caller(token), records)?;
    let records = records.open(&caller.operator()?).ok_or(Error::AccountNotFound)?;
    Ok((caller, records))
}

/// The account detail.
fn detail(account: &Account, records: &AccountRecords) -> Response {
    let detail =
        AccountDetail { account: account.clone().into(), api_keys: records.api_keys.clone(), sandboxes: records.sandboxes.clone() };
    tagged(json(StatusCode::OK, &detail), &account.user)
}

/// Moves an account that the path names from one status to another, for a platform operator, and answers its detail.
async fn change_status(
    context: &Context,
    request: &Request,
    action: &'static str,
    change: impl Fn(&Caller, &User) -> Result<User>,
) -> Result<Response> {
    let token = context.verify(request).await?;
    let (caller, records) = operators_view(context, request, &token).await?;
    let act = Act { reason: reason(request)?, ..context.act(caller.user.id, action) };
    let account = context.store().account(records.user.clone(), context.now).await?;
    let answer = |user: &User| detail(&Account { user: user.clone(), ..account.clone() }, &records);
    context.store().change_user(records.user.clone(), |user| change(&caller, user), &act, answer).await
}

/// An account that is soft-deleted, taken back: as it was before.
fn restored(user: &User, now: Timestamp) -> Result<User> {
    if user.status != Status::Deleted {
        return Err(Error::AccountNotDeleted);
    }
    if user.delete_scheduled_at.is_some_and(|due| due <= now) {
        return Err(Error::Conflict("The date for erasing this account has come: it cannot be restored any more.".into()));
    }
    let status = user.deleted_from.unwrap_or_else(|| status_in_use(user));
    Ok(User { status, soft_deleted_at: None, delete_scheduled_at: None, deleted_by: None, deleted_from: None, ..user.clone() })
}

/// The status of an account that is locked or deleted no longer: who was invited has yet to sign up, which takes the link away.
fn status_in_use(user: &User) -> Status {
    if user.invite_link.is_some() { Status::Invited } else { Status::Active }
}

/// The `reason` of a body that may be left out.
fn reason(request: &Request) -> Result<Option<String>> {
    text(&optional_json_object(request)?, "reason", MOST_REASON).map(Option::flatten).map_err(Error::invalid)
}

/// The most that a sandbox's metadata may hold, in bytes of JSON: an account shows a hundred of them.
const MOST_METADATA: usize = 2048;

/// How deep it may be nested: DynamoDB's own limit is 32, with what it stands in.
const MOST_LEVELS: usize = 20;

/// Whether the table can hold a value: DynamoDB bounds the size of numbers and the depth, and names nothing "".
fn is_storable(value: &Value, levels: usize) -> bool {
    let inner = |value: &Value| levels > 0 && is_storable(value, levels - 1);
    match value {
        Value::Number(number) => number.as_f64().is_some_and(|number| number == 0.0 || (1e-130..1e126).contains(&number.abs())),
        Value::Array(values) => values.iter().all(inner),
        Value::Object(fields) => fields.iter().all(|(name, value)| !name.is_empty() && inner(value)),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// The `metadata` of a body, if it is there.
fn metadata(fields: &Map<String, Value>) -> Result<Option<BTreeMap<String, Value>>, Issue> {
    let issue = |fault| Issue::new(Place::Body, "metadata", fault);
    match fields.get("metadata") {
        None | Some(Value::Null) => Ok(None),
        Some(value @ Value::Object(_)) if value.to_string().len() > MOST_METADATA => Err(issue(Fault::TooLong(MOST_METADATA))),
        Some(value @ Value::Object(_)) if !is_storable(value, MOST_LEVELS) => Err(issue(Fault::NotA(
            "an object of at most 20 levels, whose names are not empty and whose numbers are 0 or between 1e-130 and 1e126",
        ))),
        Some(Value::Object(values)) => Ok(Some(values.clone().into_iter().collect())),
        Some(_) => Err(issue(Fault::NotA("an object"))),
    }
}

/// The longest reason, in characters.
const MOST_REASON: usize = 1000;

/// An error in this contract's body.
#[derive(Debug, Serialize)]
struct ErrorBody<'a> {
    error: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_detail: Option<Value>,
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
        Error::EmailNotVerified => (StatusCode::FORBIDDEN, "email_not_verified"),
        Error::Delegated => (StatusCode::FORBIDDEN, "unauthorized"),
        // The contract has no code for what a key may not do: it does not authorise this.
        Error::Forbidden(_) => (StatusCode::UNAUTHORIZED, "unauthorized"),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
        Error::AccountNotDeleted => (StatusCode::CONFLICT, "account_not_soft_deleted"),
        Error::AccountNotFound => (StatusCode::NOT_FOUND, "account_not_found"),
        Error::ActiveResources(_) => (StatusCode::CONFLICT, "account_hard_delete_active_resources"),
        Error::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
        Error::Stale => (StatusCode::PRECONDITION_FAILED, "conflict"),
        Error::Invalid(_) | Error::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_request"),
        Error::QuotaExceeded(..) => (StatusCode::TOO_MANY_REQUESTS, "QUOTA_EXCEEDED"),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "feature_unavailable"),
        Error::Internal(_) | Error::Answered(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
    };
    let detail = |issue: &Issue| Detail { location: issue.place.as_str(), field: issue.name.clone(), message: issue.to_string() };
    let error_detail = match error {
        Error::Invalid(issues) => Some(serde_json::json!(issues.iter().map(detail).collect::<Vec<_>>())),
        Error::ActiveResources(reason) => Some(serde_json::json!({"deleted": false, "blocked_reason": reason})),
        _ => None,
    };
    json(status, &ErrorBody { error: error.to_string(), code, error_detail, request_id })
}

/// Refuses a picture's address that is no web address.
fn web_address(url: Option<Option<String>>) -> Result<Option<Option<String>>, Issue> {
    let web = |url: &str| {
        url.parse::<lambda_http::http::Uri>().is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
    };
    match url {
        Some(Some(url)) if !web(&url) => {
            Err(Issue::new(Place::Body, "avatar_url", Fault::NotA("an address that starts with https:// or http://")))
        }
        url => Ok(url),
    }
}
