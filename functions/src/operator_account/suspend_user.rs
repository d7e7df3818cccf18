//! POST `/v1/admin/users/{user_id}/suspend`: locks an account, for platform operators. Its tokens and keys are refused at once.

use shared::models::{Status, User};
use shared::{Error, Result};

use super::change_status;
use crate::{Context, Request, Response};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    change_status(context, &request, "user.suspended", |caller, user| match user.status {
        _ if user.id == caller.user.id => Err(Error::Conflict("You may not suspend yourself: ask another operator.".into())),
        Status::Invited | Status::Active => Ok(User { status: Status::Suspended, ..user.clone() }),
        Status::Suspended => Err(Error::Conflict("This account is suspended already.".into())),
        Status::Deleted => Err(Error::Conflict("This account is deleted: restore it first.".into())),
    })
    .await
}
