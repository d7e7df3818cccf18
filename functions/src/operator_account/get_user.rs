//! GET `/v1/admin/users/{user_id}`: an account in full, for platform operators.

use shared::Result;

use super::{
    AccountDetail, Failures, NoAccount, OperatorsOnly, Unauthorized, detail, operators_view,
};
use crate::{Context, Request, Response};

/// An account in full, for platform operators.
#[utoipa::path(
    get,
    path = "/v1/admin/users/{user_id}",
    tag = "operator and account",
    operation_id = "operator_account.get_user",
    params(("user_id" = Uuid, description = "The user; what is no UUID is nobody's")),
    responses(
        (status = 200, description = "The account", body = AccountDetail, headers(("etag" = String, description = "The user's version"))),
        Unauthorized,
        OperatorsOnly,
        NoAccount,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let (_, records) = operators_view(context, &request, &token).await?;
    let account = context.store().account(records.user.clone(), context.now).await?;
    Ok(detail(&account, &records))
}
