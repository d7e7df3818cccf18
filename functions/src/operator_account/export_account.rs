//! GET `/v1/account/export`: everything that is held about the caller.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::Result;
use shared::auth::AccountRead;
use shared::models::User;
use shared::store::Holdings;
use utoipa::ToSchema;

use super::{AccountBody, Failures, Forbidden, Unauthorized};
use crate::{Context, Request, Response, json};

/// Everything that is held about a user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorAccountExport)]
struct Export {
    #[serde(flatten)]
    account: AccountBody,
    /// The whole record of the user, with what no other answer of this contract shows.
    record: User,
    #[serde(flatten)]
    holdings: Holdings,
}

/// Everything that is held about the caller, but for secrets.
#[utoipa::path(
    get,
    path = "/v1/account/export",
    tag = "operator and account",
    operation_id = "operator_account.export_account",
    responses(
        (status = 200, description = "All of it", body = Export),
        Unauthorized,
        Forbidden,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<AccountRead>(&request).await?;
    let (account, holdings) =
        futures::try_join!(context.store().account(caller.user.clone(), context.now), context.store().holdings(&caller, context.now))?;
    Ok(json(StatusCode::OK, &Export { account: account.into(), record: caller.user, holdings }))
}
