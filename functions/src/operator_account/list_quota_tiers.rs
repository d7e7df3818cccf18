//! GET `/v1/admin/quota-tiers`: every quota tier, for platform operators.

use lambda_http::http::StatusCode;
use shared::Result;
use shared::auth::Operating;
use shared::models::QuotaTier;

use super::{Failures, OperatorsOnly, Unauthorized};
use crate::{Context, Request, Response, json};

/// Every quota tier, for platform operators.
#[utoipa::path(
    get,
    path = "/v1/admin/quota-tiers",
    tag = "operator and account",
    operation_id = "operator_account.list_quota_tiers",
    responses(
        (status = 200, description = "The tiers", body = Vec<QuotaTier>),
        Unauthorized,
        OperatorsOnly,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let (_, tiers) = futures::try_join!(
        context.caller::<Operating>(&token),
        context.store().quota_tiers(context.now)
    )?;
    Ok(json(StatusCode::OK, &*tiers))
}
