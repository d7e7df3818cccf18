//! POST `/v1/admin/users/{user_id}/unsuspend`: lifts a suspension, for platform operators.

use shared::models::{Status, User};
use shared::{Error, Result};

use super::{change_status, status_in_use};
use crate::{Context, Request, Response};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    change_status(context, &request, "user.unsuspended", |_, user| match user.status {
        Status::Suspended => Ok(User { status: status_in_use(user), ..user.clone() }),
        _ => Err(Error::Conflict("This account is not suspended.".into())),
    })
    .await
}
