//! POST `/v1/admin/users/{user_id}/restore`: undoes a soft delete, for platform operators. Keys that it revoked stay revoked.

use shared::Result;

use super::{change_status, restored};
use crate::{Context, Request, Response};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    change_status(context, &request, "user.restored", |_, user| restored(user, context.now)).await
}
