//! GET `/v1/admin/users/{user_id}`: an account in full, for platform operators.

use shared::Result;

use super::{detail, operators_view};
use crate::{Context, Request, Response};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let (_, records) = operators_view(context, &request, &token).await?;
    let account = context.store().account(records.user.clone(), context.now).await?;
    Ok(detail(&account, &records))
}
