//! GET `/v1/account/export`: everything that is held about the caller.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::Result;
use shared::models::User;
use shared::store::Holdings;

use super::AccountBody;
use crate::{Context, Request, Response, json};

#[derive(Debug, Serialize)]
struct Export {
    #[serde(flatten)]
    account: AccountBody,
    /// The whole record of the user, with what no other answer of this contract shows.
    record: User,
    #[serde(flatten)]
    holdings: Holdings,
}

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let record = context.authenticate(&request).await?.user;
    let (account, holdings) = futures::try_join!(context.store().account(record.clone(), context.now), context.store().holdings(&record))?;
    Ok(json(StatusCode::OK, &Export { account: account.into(), record, holdings }))
}
