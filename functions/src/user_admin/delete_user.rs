//! DELETE `/api/admin/user-admin/{id}`: soft-deletes a user of the team. The last administrator stays.

use lambda_http::Body;
use shared::Result;
use shared::models::{Status, User};
use shared::store::Act;

use super::{not_found, numbered_user};
use crate::{Context, Request, Response};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let (caller, user) = numbered_user(context, &request).await?;
    let may = |user: &User| if user.status == Status::Deleted { Err(not_found(&user.number.to_string())) } else { Ok(()) };
    let act = Act { keeps_admin: true, ..context.act(caller.user.id, "user.deleted") };
    context.store().soft_delete(user, context.app.grace_days, may, &act, |_| Response::new(Body::Empty)).await
}
