//! GET `/v1/account/export`: everything that is held about the caller.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::auth::AccountRead;
use shared::models::{
    ApiKey, AuditEntry, ManagedUser, Permission, Sandbox, Share, SourceAddress, User,
};
use shared::store::{Account, Holdings};
use shared::{Result, Timestamp};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{AccountBody, Failures, Forbidden, Invalid, Unauthorized};
use crate::request::{cursor_page, too_large, whole, with_next, wrong_cursor};
use crate::{Context, Request, Response, json};

/// Everything that is held about a user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorAccountExport)]
struct Export {
    #[serde(flatten)]
    account: AccountBody,
    /// The whole record of the user, with what no other answer of this contract shows.
    record: User,
    /// API keys, without their secrets.
    api_keys: Vec<ExportedKey>,
    /// Sandboxes, newest first.
    sandboxes: Vec<Sandbox>,
    /// The users whom the user manages.
    managed_users: Vec<ManagedUser>,
    /// Whom the user lets in.
    shares_given: Vec<Share>,
    /// Who lets the user in.
    shares_received: Vec<Share>,
    /// What was done to the user, newest first.
    audit_log: Vec<AuditEntry>,
    /// The addresses that the user's own changes of the last 90 days came from, oldest first.
    source_addresses: Vec<SourceAddress>,
}

impl Export {
    fn new(account: Account, holdings: Holdings) -> Self {
        let user = account.user.clone();
        let keys = holdings.api_keys.into_iter();
        Self {
            api_keys: keys.map(|key| ExportedKey::new(key, &user)).collect(),
            account: account.into(),
            record: user,
            sandboxes: holdings.sandboxes,
            managed_users: holdings.managed_users,
            shares_given: holdings.shares_given,
            shares_received: holdings.shares_received,
            audit_log: holdings.audit_log,
            source_addresses: holdings.source_addresses,
        }
    }
}

/// An API key as the export shows it: by the names that the published client reads there, which are
/// others than those of the list of keys.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorAccountExportedKey, example = json!({
    "id": "00000000-0000-4000-8000-00000000f203",
    "user_id": "00000000-0000-4000-8000-000000000002",
    "team_id": "00000000-0000-4000-8000-0000000000a1",
    "key_prefix": "ns_live_Exam",
    "name": "ci",
    "is_active": true,
    "created_at": "2026-01-26T09:30:00.000Z",
    "last_used_at": "2026-05-01T09:30:00.000Z",
    "scope": "user",
    "revoked_at": null,
    "expires_at": "2027-01-26T09:30:00.000Z",
    "rotation_parent_key_id": "00000000-0000-4000-8000-00000000f202",
    "permissions": ["members:read", "members:write"],
    "allowed_ips": [],
    "minted_by": null
}))]
struct ExportedKey {
    id: Uuid,
    /// The owner.
    user_id: Uuid,
    /// The owner's team.
    team_id: Uuid,
    /// The first 12 characters of the key.
    #[schema(min_length = 12, max_length = 12)]
    key_prefix: String,
    #[schema(required)]
    name: Option<String>,
    is_active: bool,
    created_at: Timestamp,
    #[schema(required)]
    last_used_at: Option<Timestamp>,
    scope: String,
    #[schema(required)]
    revoked_at: Option<Timestamp>,
    expires_at: Timestamp,
    #[schema(required)]
    rotation_parent_key_id: Option<Uuid>,
    permissions: Vec<Permission>,
    /// The networks that it may be used from.
    allowed_ips: Vec<String>,
    /// The platform operator who made it, where the owner did not.
    #[schema(required)]
    minted_by: Option<Uuid>,
}

impl ExportedKey {
    fn new(key: ApiKey, owner: &User) -> Self {
        Self {
            id: key.id,
            user_id: owner.id,
            team_id: owner.team_id,
            key_prefix: key.prefix,
            name: key.name,
            is_active: key.is_active,
            created_at: key.created_at,
            last_used_at: key.last_used_at,
            scope: key.scope,
            revoked_at: key.revoked_at,
            expires_at: key.expires_at,
            rotation_parent_key_id: key.rotation_parent_key_id,
            permissions: key.permissions,
            allowed_ips: key.allowed_ips.iter().map(ToString::to_string).collect(),
            minted_by: key.minted_by,
        }
    }
}

/// The most records of a page.
const MAX_LIMIT: usize = 1000;

/// Everything that is held about the caller, but for secrets.
///
/// Where that is more than one response holds, or where pages are asked for, each page has the
/// account and the next records of the lists.
#[utoipa::path(
    get,
    path = "/v1/account/export",
    tag = "operator and account",
    operation_id = "operator_account.export_account",
    params(
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 1000, description = "At most so many records, over all lists; all where it is left out"),
        ("cursor" = Option<String>, Query, description = "From the `link` of the page before"),
    ),
    responses(
        (status = 200, description = "All of it, or a page", body = Export, headers(("link" = String, description = "`<address>; rel=\"next\"`: where the next page is, if there is one"))),
        Unauthorized,
        Forbidden,
        Invalid,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<AccountRead>(&request).await?;
    let (limit, cursor) = cursor_page(&request, usize::MAX, MAX_LIMIT)?;
    let account = context.store().account(caller.user.clone(), context.now);
    let is_paged = limit <= MAX_LIMIT || cursor.is_some();
    let (account, holdings, next) = if is_paged {
        let page = context.store().next_holdings(
            &caller,
            cursor.as_deref(),
            limit.min(MAX_LIMIT),
            context.now,
        );
        let (account, page) = futures::try_join!(account, page)?;
        let (holdings, next) = page.ok_or_else(wrong_cursor)?;
        (account, holdings, next)
    } else {
        let (account, holdings) =
            futures::try_join!(account, context.store().holdings(&caller, context.now))?;
        (account, holdings.ok_or_else(too_large)?, None)
    };
    let response = json(StatusCode::OK, &Export::new(account, holdings));
    whole(with_next(response, &request, next.as_deref()))
}
