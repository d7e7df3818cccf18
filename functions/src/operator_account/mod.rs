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
pub mod get_sandbox;
pub mod get_user;
mod key_input;
pub mod list_keys;
pub mod list_quota_tiers;
pub mod list_sandboxes;
pub mod list_users;
pub mod report_running_time;
pub mod restore_account;
pub mod restore_user;
pub mod revoke_key;
pub mod rotate_key;
mod sandbox_view;
pub mod sign_out_everywhere;
pub mod sign_out_user_everywhere;
pub mod suspend_user;
pub mod unsuspend_user;
pub mod update_me;
pub mod update_sandbox;
pub mod update_user_quota;

use lambda_http::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};
use shared::address::is_web_address;
use shared::auth::{Caller, Claims, Operating, Places, VerifiedToken};
use shared::models::{ApiKey, ListedUser, QuotaTier, Sandbox, Status, Team, UsageDay, User};
use shared::store::{Account, AccountRecords, Act, MadeApiKey};
use shared::{Error, Fault, Issue, Place, Result, Timestamp};
use std::collections::BTreeMap;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, Schema};
use utoipa::{IntoParams, IntoResponses, ToSchema};
use uuid::Uuid;

use crate::entity_tag::tagged;
use crate::openapi::{NAME, Text};
use crate::request::{optional_json_object, path_id, text};
use crate::{Context, Contract, Request, Response, json};

/// What these endpoints have in common.
pub const CONTRACT: Contract = Contract { base_path: "/v1", places: Places::Bearer, render };

/// A user as this contract shows it. Every field is always there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorAccountUser, example = json!({
    "id": "00000000-0000-4000-8000-000000000002",
    "email": "ada.nordmann@acme-robotics.example",
    "tier": "pro",
    "quota_tier_id": "pro",
    "is_operator": false,
    "created_at": "2025-04-12T09:30:00.000Z",
    "updated_at": "2025-04-12T09:30:00.000Z",
    "name": "Ada Nordmann",
    "display_name": "Ada",
    "avatar_url": "https://avatars.example/ada.png",
    "email_verified_at": "2025-04-12T09:30:00.000Z",
    "soft_deleted_at": null,
    "delete_scheduled_at": null,
    "abuse_flags": {}
}))]
pub struct UserBody {
    id: Uuid,
    #[schema(required)]
    email: Option<String>,
    tier: String,
    quota_tier_id: String,
    is_operator: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[schema(required)]
    name: Option<String>,
    display_name: String,
    #[schema(required)]
    avatar_url: Option<String>,
    #[schema(required)]
    email_verified_at: Option<Timestamp>,
    #[schema(required)]
    soft_deleted_at: Option<Timestamp>,
    #[schema(required)]
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
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorAccountTeam, example = json!({
    "id": "00000000-0000-4000-8000-0000000000a1",
    "name": "Acme Robotics",
    "slug": "acme-robotics",
    "owner_user_id": "00000000-0000-4000-8000-000000000002",
    "quota_tier_id": "pro",
    "created_at": "2025-03-28T09:30:00.000Z",
    "updated_at": "2026-04-02T09:30:00.000Z",
    "soft_deleted_at": null
}))]
pub struct TeamBody {
    id: Uuid,
    name: String,
    slug: String,
    owner_user_id: Uuid,
    quota_tier_id: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[schema(required)]
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
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorAccountAccount)]
pub struct AccountBody {
    user: UserBody,
    team: TeamBody,
    quota_tier: QuotaTier,
    /// Of the last 30 days with any, newest first.
    #[schema(max_items = 30)]
    quota_usage: Vec<UsageDay>,
}

impl From<Account> for AccountBody {
    fn from(account: Account) -> Self {
        Self {
            user: (&account.user).into(),
            team: account.team.into(),
            quota_tier: account.quota_tier,
            quota_usage: account.quota_usage,
        }
    }
}

/// An account as its own user sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorAccountOwnAccount)]
struct OwnAccountBody<'a> {
    #[serde(flatten)]
    account: AccountBody,
    /// True where the user's email is proven.
    #[schema(example = true)]
    email_verified: bool,
    /// The email of the token that the request came with; null for any other credential.
    #[schema(required, example = "ada.nordmann@acme-robotics.example")]
    session_email: Option<&'a str>,
}

/// Returns an account as its own user sees it. The claims are those of a token of the identity
/// provider.
fn account_answer(status: StatusCode, account: Account, claims: Option<&Claims>) -> Response {
    let user = account.user.clone();
    let body = OwnAccountBody {
        account: account.into(),
        email_verified: user.email_verified_at.is_some(),
        session_email: claims.and_then(|claims| claims.email.as_deref()),
    };
    tagged(json(status, &body), &user)
}

/// An account as operators see it: with its keys and its newest 100 sandboxes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorAccountDetail)]
struct AccountDetail {
    #[serde(flatten)]
    account: AccountBody,
    api_keys: Vec<ApiKey>,
    /// Newest first.
    #[schema(max_items = 100)]
    sandboxes: Vec<Sandbox>,
}

/// A key that was made, with its text: the one time that it is shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorAccountMadeKey, example = json!({
    "id": "019de2e1-7b80-7a51-9f0e-3c1d5b8a6e42",
    "prefix": "ns_live_Exam",
    "is_active": true,
    "name": "ci",
    "created_at": "2026-05-02T09:30:00.000Z",
    "last_used_at": null,
    "scope": "user",
    "permissions": ["account:read", "members:read"],
    "allowed_ips": [],
    "expires_at": "2027-01-01T00:00:00.000Z",
    "revoked_at": null,
    "rotation_parent_key_id": null,
    "minted_by": null,
    "key": "ns_live_ExampleExampleExampleExample"
}))]
struct MadeKeyBody {
    #[serde(flatten)]
    key: ApiKey,
    /// The key itself.
    #[serde(rename = "key")]
    #[schema(pattern = "^ns_live_")]
    text: String,
}

impl From<MadeApiKey> for MadeKeyBody {
    fn from(made: MadeApiKey) -> Self {
        Self { text: made.text.reveal().to_owned(), key: made.key }
    }
}

/// That something was done, and when the rest follows.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorAccountSuccess)]
struct Success {
    success: bool,
    /// Where an account was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    scheduled_hard_delete_at: Option<Timestamp>,
}

/// The caller as a platform operator, and the account that the path names. Both are read at once;
/// what is found opens to an operator only. Nobody else's refusal waits for it: its time would tell
/// of the account.
async fn operators_view(
    context: &Context,
    request: &Request,
    token: &VerifiedToken,
) -> Result<(Caller<Operating>, AccountRecords)> {
    let Some(user_id) = path_id(request, "user_id") else {
        context.caller::<Operating>(token).await?;
        return Err(Error::AccountNotFound);
    };
    let records = context.store().sealed_account_records(user_id, token, context.now);
    let (caller, records) = futures::try_join!(context.caller::<Operating>(token), records)?;
    let records = records.open(&caller.operator()).ok_or(Error::AccountNotFound)?;
    Ok((caller, records))
}

/// The account detail.
fn detail(account: &Account, records: &AccountRecords) -> Response {
    let detail = AccountDetail {
        account: account.clone().into(),
        api_keys: records.api_keys.clone(),
        sandboxes: records.sandboxes.clone(),
    };
    tagged(json(StatusCode::OK, &detail), &account.user)
}

/// A change of a user by a platform operator, who may give a reason.
type Change<'a> = &'a (dyn Fn(&Caller<Operating>, &User, Option<&str>) -> Result<User> + Sync);

/// Moves an account that the path names from one status to another, for a platform operator, and
/// answers its detail. `change` is given the reason too.
async fn change_status(
    context: &Context,
    request: &Request,
    action: &'static str,
    change: Change<'_>,
) -> Result<Response> {
    let token = context.verify(request).await?;
    let (caller, records) = operators_view(context, request, &token).await?;
    let reason = reason(request)?;
    let act = Act { reason: reason.clone(), ..context.act(&caller, action) };
    let account = context.store().account(records.user.clone(), context.now).await?;
    let answer = |user: &User| detail(&Account { user: user.clone(), ..account.clone() }, &records);
    context
        .store()
        .change_user(
            records.user.clone(),
            &|user| change(&caller, user, reason.as_deref()),
            &act,
            &answer,
        )
        .await
}

/// An account that is soft-deleted, taken back: as it was before.
fn restored(user: &User, now: Timestamp) -> Result<User> {
    if user.status != Status::Deleted {
        return Err(Error::AccountNotDeleted);
    }
    if user.delete_scheduled_at.is_some_and(|due| due <= now) {
        return Err(Error::Conflict(
            "The date for erasing this account has come: it cannot be restored any more.".into(),
        ));
    }
    let status = user.deleted_from.unwrap_or_else(|| status_in_use(user));
    Ok(User {
        status,
        soft_deleted_at: None,
        delete_scheduled_at: None,
        deleted_by: None,
        deleted_from: None,
        ..user.clone()
    })
}

/// The user with every token ended that was issued before.
fn signed_out(user: &User, now: Timestamp) -> User {
    User { tokens_valid_after: user.tokens_valid_after.max(Some(now)), ..user.clone() }
}

/// The status of an account that is locked or deleted no longer: who was invited has yet to sign
/// up, which takes the link away, and gives whom an invite made another id.
fn status_in_use(user: &User) -> Status {
    let awaits_sign_up =
        user.invite_link.is_some() || (user.invite_id.is_some() && user.invited_as.is_none());
    if awaits_sign_up { Status::Invited } else { Status::Active }
}

/// The `reason` of a body that may be left out.
fn reason(request: &Request) -> Result<Option<String>> {
    text(&optional_json_object(request)?, "reason", MOST_REASON)
        .map(Option::flatten)
        .map_err(Error::invalid)
}

/// The most that a sandbox's metadata may hold, in bytes of JSON: an account shows a hundred of
/// them.
const MOST_METADATA: usize = 2048;

/// How deep it may be nested: DynamoDB's own limit is 32, with what it stands in.
const MOST_LEVELS: usize = 20;

/// Whether the table can hold a value: DynamoDB bounds the size of numbers and the depth, and names
/// nothing "".
fn is_storable(value: &Value, levels: usize) -> bool {
    let inner = |value: &Value| levels > 0 && is_storable(value, levels - 1);
    match value {
        Value::Number(number) => number
            .as_f64()
            .is_some_and(|number| number == 0.0 || (1e-130..1e126).contains(&number.abs())),
        Value::Array(values) => values.iter().all(inner),
        Value::Object(fields) => {
            fields.iter().all(|(name, value)| !name.is_empty() && inner(value))
        }
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// The `metadata` of a body, if it is there.
fn metadata(fields: &Map<String, Value>) -> Result<Option<BTreeMap<String, Value>>, Issue> {
    let issue = |fault| Issue::new(Place::Body, "metadata", fault);
    match fields.get("metadata") {
        None | Some(Value::Null) => Ok(None),
        Some(value @ Value::Object(_)) if value.to_string().len() > MOST_METADATA => {
            Err(issue(Fault::TooLong(MOST_METADATA)))
        }
        Some(value @ Value::Object(_)) if !is_storable(value, MOST_LEVELS) => {
            Err(issue(Fault::NotA(
                "an object of at most 20 levels, whose names are not empty and whose numbers are 0 or between 1e-130 and 1e126",
            )))
        }
        Some(Value::Object(values)) => {
            // Collecting would sort first, by code of its own for each kind of map.
            let mut metadata = BTreeMap::new();
            metadata.extend(values.clone());
            Ok(Some(metadata))
        }
        Some(_) => Err(issue(Fault::NotA("an object"))),
    }
}

/// The longest reason, in characters.
const MOST_REASON: usize = 1000;

/// An error in this contract's body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorAccountError, example = json!({
    "error": "This request needs a credential: send `Authorization: Bearer <token or API key>`.",
    "code": "unauthorized",
    "request_id": "9c40958a-daac-400e-98fb-3bb438567008"
}))]
pub struct ErrorBody<'a> {
    /// For people.
    error: String,
    /// For programs.
    code: &'static str,
    /// Also in the header `x-request-id`.
    request_id: &'a str,
}

/// What several endpoints may answer beside their own: a status, when it is answered, and the codes
/// that the error may have.
macro_rules! refusals {
    ($($name:ident: $status:literal, $when:literal, [$($code:literal),+];)+) => {
        $(#[doc = $when]
        struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
                BTreeMap::from([($status.to_string(), refusal(stringify!($name), $when, &[$($code),+]).into())])
            }
        })+
    };
}

refusals! {
    Unauthorized: 401, "No credential, or one that is refused.", ["unauthorized"];
    TokenOnly: 401, "No credential, one that is refused, or an API key where it takes a token.", ["unauthorized"];
    Forbidden: 403, "The caller's account is deleted or suspended, or the credential is a delegated token or an API key that may not \
        do this.",
        ["account_deleted", "auth_locked", "unauthorized"];
    OperatorsOnly: 403, "The caller is no platform operator, or the account is deleted or suspended, or the credential is a delegated token.",
        ["operator_required", "account_deleted", "auth_locked", "unauthorized"];
    MeteringOnly: 403, "The credential is no platform operator's, or an API key without `metering:write`, or the account is deleted or suspended.",
        ["operator_required", "account_deleted", "auth_locked", "unauthorized"];
    NoSignUp: 403, "The account is deleted or suspended, the email of an invited user is not verified, or the token is a delegated one.",
        ["account_deleted", "auth_locked", "email_not_verified", "unauthorized"];
    NoRestore: 403, "The account is suspended, or the token is a delegated one.", ["auth_locked", "unauthorized"];
    NoAccount: 404, "There is no such account.", ["account_not_found"];
    NoAccountToChange: 404, "There is no such account, or it was erased while the request ran.", ["account_not_found", "not_found"];
    Erased: 404, "The account was erased while the request ran.", ["not_found"];
    NoKey: 404, "The caller has no key of that id.", ["not_found"];
    NoSandbox: 404, "There is no sandbox of that id.", ["not_found"];
    Conflict: 409, "What is there stands against it, or a request with the same `Idempotency-Key` is still running.", ["transition_conflict"];
    StillRunning: 409, "A request with the same `Idempotency-Key` is still running, or its answer cannot be given again.", ["transition_conflict"];
    LastAdministrator: 409, "It would leave others in the team without an administrator.", ["transition_conflict"];
    SandboxConflict: 409, "The sandbox is destroyed, or has not started yet.", ["transition_conflict"];
    NotRestorable: 409, "The account is not deleted, its date has come, someone else deleted it, or a request with the same `Idempotency-Key` is \
        still running.", ["account_not_soft_deleted", "transition_conflict"];
    NotErasable: 409, "The account is not soft-deleted, or has sandboxes that are not destroyed.",
        ["account_not_soft_deleted", "account_hard_delete_active_resources", "transition_conflict"];
    Stale: 412, "The user has another version by now than `If-Match` names.", ["transition_conflict"];
    Invalid: 422, "Inputs are wrong, or the `Idempotency-Key` was used for another request.", ["invalid_request"];
    InvalidKey: 422, "The `Idempotency-Key` is none, or was used for another request.", ["invalid_request"];
    InvalidSignUp: 422, "The token's claim `email` is missing or wrong, or the `Idempotency-Key` is none, or was used for another request.",
        ["invalid_request"];
    QuotaExceeded: 429, "A quota of the team is used up: the text names the figure. Or the caller sent too many requests in this minute.",
        ["QUOTA_EXCEEDED", "rate_limit_exceeded"];
}

fn refusal(name: &str, when: &str, codes: &[&str]) -> utoipa::openapi::Response {
    let codes = ObjectBuilder::new().property(
        "code",
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes.to_vec())),
    );
    let body = AllOfBuilder::new().item(Ref::from_schema_name(ErrorBody::name())).item(codes);
    ResponseBuilder::new()
        .description(when)
        .content(
            "application/json",
            ContentBuilder::new().schema(Some(Schema::from(body.build()))).build(),
        )
        .extensions(Some(ExtensionsBuilder::new().add(NAME, name).build()))
        .build()
}

/// What every endpoint of this contract may answer where something fails.
#[derive(IntoResponses)]
#[allow(dead_code)]
enum Failures {
    /// The caller sent too many requests in this minute: `rate_limit_exceeded`. Try again after
    /// `retry-after` seconds.
    #[response(status = 429)]
    TooManyRequests(ErrorBody<'static>),
    /// A fault of ours: `internal_error`.
    #[response(status = 500)]
    Internal(ErrorBody<'static>),
    /// The database refuses for now: `feature_unavailable`.
    #[response(status = 503)]
    Unavailable(ErrorBody<'static>),
}

/// Which page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
struct ListPage {
    /// How many at most; 25 where it is left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// From the `link` of the page before.
    cursor: Option<String>,
}

/// Why it is done, which the audit log keeps until the account is erased.
#[derive(ToSchema)]
#[schema(example = json!({"reason": "Payment failed three times"}))]
#[allow(dead_code)]
struct ReasonInput {
    #[schema(inline)]
    reason: Option<Text<{ MOST_REASON }>>,
}

fn render(error: &Error, request_id: &str) -> Response {
    let (status, code) = match error {
        Error::NotAuthenticated | Error::BadCredential(_) | Error::TokenRefused(_) => {
            (StatusCode::UNAUTHORIZED, "unauthorized")
        }
        Error::AccountSuspended => (StatusCode::FORBIDDEN, "auth_locked"),
        Error::AccountDeleted => (StatusCode::FORBIDDEN, "account_deleted"),
        Error::OperatorRequired => (StatusCode::FORBIDDEN, "operator_required"),
        Error::EmailNotVerified => (StatusCode::FORBIDDEN, "email_not_verified"),
        Error::Delegated | Error::MissingPermission(_) | Error::StepUpRequired => {
            (StatusCode::FORBIDDEN, "unauthorized")
        }
        // The contract has no code for what a key may not do: it does not authorise this.
        Error::Forbidden(_) => (StatusCode::UNAUTHORIZED, "unauthorized"),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
        Error::AccountNotDeleted => (StatusCode::CONFLICT, "account_not_soft_deleted"),
        Error::AccountNotFound => (StatusCode::NOT_FOUND, "account_not_found"),
        Error::ActiveResources(_) => (StatusCode::CONFLICT, "account_hard_delete_active_resources"),
        Error::Conflict(_) => (StatusCode::CONFLICT, "transition_conflict"),
        Error::Stale => (StatusCode::PRECONDITION_FAILED, "transition_conflict"),
        Error::Invalid(_) | Error::KeyReused => {
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid_request")
        }
        Error::QuotaExceeded(..) => (StatusCode::TOO_MANY_REQUESTS, "QUOTA_EXCEEDED"),
        Error::TooManyRequests(_) => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded"),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "feature_unavailable"),
        Error::Internal(_) | Error::Answered(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "internal_error")
        }
    };
    // The published client takes nothing from an error with other fields or codes.
    json(status, &ErrorBody { error: error.to_string(), code, request_id })
}

/// Refuses a picture's address that is no web address.
fn web_address(url: Option<Option<String>>) -> Result<Option<Option<String>>, Issue> {
    match url {
        Some(Some(url)) if !is_web_address(&url) => Err(Issue::new(
            Place::Body,
            "avatar_url",
            Fault::NotA("an address that starts with https:// or http://"),
        )),
        url => Ok(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requests_of_the_description_are_those_of_the_events() {
        let description: Value = serde_json::from_str(include_str!("../../openapi.json"))
            .expect("the description is JSON");
        let paths = description["paths"].as_object().expect("it has paths");
        let operations = paths.values().filter_map(Value::as_object).flat_map(Map::values);
        for operation in
            operations.filter(|operation| operation["tags"][0] == "operator and account")
        {
            let name = operation["operationId"]
                .as_str()
                .expect("an operation has an id")
                .replace('.', "/");
            let event = std::fs::read_to_string(format!(
                "{}/../events/{name}.json",
                env!("CARGO_MANIFEST_DIR")
            ))
            .expect(&name);
            let event: Value = serde_json::from_str(&event).expect(&name);
            let sent = event["body"].as_str().map(|body| serde_json::from_str(body).expect(&name));
            let described =
                operation.pointer("/requestBody/content/application~1json").map(|content| {
                    let schema =
                        content["schema"]["$ref"].as_str().expect(&name).trim_start_matches('#');
                    content
                        .get("example")
                        .unwrap_or_else(|| &description.pointer(schema).expect(&name)["example"])
                        .clone()
                });
            assert_eq!(described, sent, "{name}");
        }
    }
}
