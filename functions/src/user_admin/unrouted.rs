//! Requests under this contract's paths that no route takes. The product takes a path with a slash
//! at its end, with slashes in a row, and in capitals; an HTTP API has no such routes. It says of
//! each path what `OPTIONS` there may do. And it has endpoints that Roster does not serve: those of
//! passwords, of SCIM and of permissions in projects.

use std::collections::HashMap;

use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::{Body, RequestExt};
use percent_encoding::percent_decode_str;
use shared::auth::MembersRead;
use shared::{Error, Result};

use super::error_response;
use crate::{Context, Request, Response, handler};

/// A method, and what it leads to: a handler, or, in a sentence, who serves it instead.
type Method = (&'static str, &'static str);

/// The parts of a path behind the contract's own, and its methods.
type Path = (&'static [&'static str], &'static [Method]);

/// The contract's paths. `*` is the number of a user.
const PATHS: [Path; 10] = [
    (&[], &[("GET", "user_admin.list_users"), ("POST", "user_admin.create_user")]),
    (&["search"], &[("GET", "user_admin.search_users")]),
    (&["admin-count"], &[("GET", "user_admin.get_admin_count")]),
    (&["inactive"], &[("GET", "user_admin.list_inactive_users")]),
    (&["inactive", "delete"], &[("POST", "user_admin.delete_inactive_users")]),
    (&["access"], &[("GET", PERMISSIONS)]),
    (&["validate-password"], &[("POST", PASSWORDS)]),
    (&["reset-password"], &[("POST", PASSWORDS)]),
    (
        &["scim-users"],
        &[(
            "DELETE",
            "Roster has no SCIM. Delete each user with DELETE /api/admin/user-admin/{id}.",
        )],
    ),
    (
        &["*"],
        &[
            ("GET", "user_admin.get_user"),
            ("PUT", "user_admin.update_user"),
            ("DELETE", "user_admin.delete_user"),
        ],
    ),
];

/// The last parts of paths behind the number of a user, their methods, and who serves them.
const PATHS_OF_USERS: [(&str, &str, &str); 2] =
    [("permissions", "GET", PERMISSIONS), ("change-password", "POST", PASSWORDS)];

const PASSWORDS: &str =
    "Roster holds no passwords. The identity provider checks, changes and resets them.";
const PERMISSIONS: &str = "Roster has no projects and no permissions in them. Read a user's root role with GET /api/admin/user-admin/{id}.";

/// Answers a request whose path, told by its parts, no route takes.
pub(crate) async fn answer(
    context: &Context,
    request: Request,
    parts: &[&str],
) -> Result<Response> {
    let ["api", "admin", "user-admin", parts @ ..] = parts else {
        return Err(Error::no_such_endpoint());
    };
    let mut methods: Vec<Method> = Vec::new();
    if let [_, last] = parts {
        methods.extend(
            PATHS_OF_USERS
                .iter()
                .filter(|(name, ..)| name == last)
                .map(|(_, method, to)| (*method, *to)),
        );
    }
    let is_at = |(known, _): &&Path| {
        known.len() == parts.len()
            && known.iter().zip(parts).all(|(known, part)| known == part || *known == "*")
    };
    methods.extend(
        PATHS.iter().find(is_at).into_iter().flat_map(|(_, methods)| methods.iter().copied()),
    );
    if request.method() == "OPTIONS" && !methods.is_empty() {
        return Ok(options(&methods));
    }
    // A HEAD request is answered as the GET request.
    let method = if request.method() == "HEAD" { "GET" } else { request.method().as_str() };
    let to = methods.iter().find(|(known, _)| *known == method).map(|(_, to)| *to);
    match to.map(|to| (to, handler(to))) {
        None => Err(Error::no_such_endpoint()),
        Some((_, Some(handler))) => {
            let id =
                percent_decode_str(parts.first().unwrap_or(&"")).decode_utf8_lossy().into_owned();
            let request = request.with_path_parameters(HashMap::from([("id".to_owned(), id)]));
            (handler.run)(context, request).await
        }
        Some((who, None)) => {
            context.authenticate::<MembersRead>(&request).await?;
            let status = StatusCode::NOT_IMPLEMENTED;
            Ok(error_response(
                status,
                "NotImplementedError",
                who.to_owned(),
                Vec::new(),
                &context.request_id,
            ))
        }
    }
}

/// The methods of a path, as `OPTIONS` tells them.
fn options(methods: &[Method]) -> Response {
    let methods = methods
        .iter()
        .map(|(name, _)| *name)
        .collect::<Vec<_>>()
        .join(",")
        .replace("GET", "GET,HEAD");
    let mut response = Response::new(Body::Empty);
    if let Ok(methods) = HeaderValue::from_str(&methods) {
        response.headers_mut().insert(header::ALLOW, methods);
    }
    response
}
