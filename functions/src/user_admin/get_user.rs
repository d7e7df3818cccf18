//! GET `/api/admin/user-admin/{id}`: a user of the team, by number.

use lambda_http::Body;
use lambda_http::http::StatusCode;
use shared::Result;

use super::{UserBody, numbered_user};
use crate::entity_tag::{is_known, tagged};
use crate::{Context, Request, Response, json};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let (_, user) = numbered_user(context, &request).await?;
    if is_known(&request, &user) {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(tagged(response, &user));
    }
    Ok(tagged(json(StatusCode::OK, &UserBody::from(user.clone())), &user))
}
