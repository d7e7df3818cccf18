//! The route `$default`: requests that no other route takes. 404, in the body of the contract under
//! whose base path the request is.

use lambda_http::RequestExt;
use lambda_http::http::Method;
use shared::Result;

use crate::{Context, Request, Response, managed_users, parts, user_admin};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let path = request.raw_http_path().to_owned();
    // API Gateway refuses routes that end in a slash. The list's `{proxy+}` takes this one, as far
    // as is known; as its pages do not say so, it is served here too.
    match (path.as_str(), request.method()) {
        ("/api/v1/users/", &Method::GET | &Method::HEAD) => {
            managed_users::list_users::handle(context, request).await
        }
        ("/api/v1/users/", &Method::POST) => {
            managed_users::create_user::handle(context, request).await
        }
        _ => {
            user_admin::answer_unrouted(context, request, &parts(&path.to_ascii_lowercase())).await
        }
    }
}
