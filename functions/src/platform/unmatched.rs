//! The route `$default`: what no other route takes. 404, in the body of the contract under whose base path it is.

use lambda_http::RequestExt;
use lambda_http::http::Method;
use shared::{Error, Result};

use crate::{Context, Request, Response, managed_users};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    // API Gateway refuses routes that end in a slash. The list's `{proxy+}` takes this one, as far as is known; as its pages do not
    // say so, it is served here too.
    match (request.raw_http_path(), request.method()) {
        ("/api/v1/users/", &Method::GET) => managed_users::list_users::handle(context, request).await,
        ("/api/v1/users/", &Method::POST) => managed_users::create_user::handle(context, request).await,
        _ => Err(Error::no_such_endpoint()),
    }
}
