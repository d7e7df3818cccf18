//! GET `/v1/admin/users/{user_id}`: an account in full, for platform operators.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::models::{ApiKey, Sandbox};
use shared::{Error, Result};

use super::AccountBody;
use crate::request::path_id;
use crate::{Context, Request, Response, json};

/// The account, its keys, and its newest 100 sandboxes.
#[derive(Debug, Serialize)]
struct AccountDetail {
    #[serde(flatten)]
    account: AccountBody,
    api_keys: Vec<ApiKey>,
    sandboxes: Vec<Sandbox>,
}

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let Some(user_id) = path_id(&request, "user_id") else {
        context.caller(&token).await?.operator()?;
        return Err(Error::AccountNotFound);
    };
    // The caller and the account are read at once; what is found opens to an operator only.
    let records = context.store().sealed_account_records(user_id, &token);
    let (caller, records) = futures::try_join!(context.caller(&token), records)?;
    let records = records.open(&caller.operator()?).ok_or(Error::AccountNotFound)?;
    let account = context.store().account(records.user, context.now).await?;
    let detail = AccountDetail { account: account.into(), api_keys: records.api_keys, sandboxes: records.sandboxes };
    Ok(json(StatusCode::OK, &detail))
}
