//! POST `/v1/admin/users/{user_id}/restore`: undoes a soft delete, for platform operators. Keys that it revoked stay revoked.

use shared::models::{Status, User};
use shared::{Error, Result};

use super::{change_status, status_in_use};
use crate::{Context, Request, Response};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    change_status(context, &request, "user.restored", |_, user| match user.status {
        Status::Deleted => Ok(User { status: status_in_use(user), soft_deleted_at: None, delete_scheduled_at: None, ..user.clone() }),
        _ => Err(Error::AccountNotDeleted),
    })
    .await
}
