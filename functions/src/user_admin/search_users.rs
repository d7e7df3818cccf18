//! GET `/api/admin/user-admin/search`: users of the team whose name contains `q`, or whose username
//! or email begins with it, for any of its members. They see who it is, and nothing that only
//! administrators should. In teams of more than 5,000 members, `q` is looked for at the start of
//! the name's words.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::auth::MembersRead;
use shared::models::NumberedUser;
use shared::{Error, Fault, Issue, Place, Result, Timestamp};
use utoipa::ToSchema;

use super::{AccountTypeWord, ErrorBody, Refusals, account_type, image_url};
use crate::entity_tag::hashed;
use crate::openapi::IfNoneMatch;
use crate::request::{query, whole};
use crate::{Context, Request, Response, json};

/// The fewest and the most characters to search by: fewer find nobody, and nobody's name is longer.
const LENGTHS: std::ops::RangeInclusive<usize> = 2..=255;

/// A user as colleagues find them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = FoundUser, example = json!({
    "id": 4,
    "name": "Dara Sok",
    "email": "dara.sok@acme-robotics.example",
    "imageUrl": "https://avatars.example/dara.png",
    "seenAt": "2026-05-02T09:28:00.000Z",
    "accountType": "User",
    "scimId": null,
    "seatType": null,
    "companyRole": null,
    "productUpdatesEmailConsent": null
}))]
struct Found {
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    username: Option<String>,
    image_url: String,
    /// Null for users who were never seen.
    #[schema(required)]
    seen_at: Option<Timestamp>,
    #[schema(inline, value_type = AccountTypeWord)]
    account_type: &'static str,
    #[schema(required)]
    scim_id: Option<String>,
    /// Roster keeps none, nor what follows.
    #[schema(required, value_type = Option<String>)]
    seat_type: (),
    #[schema(required, value_type = Option<String>)]
    company_role: (),
    #[schema(required, value_type = Option<bool>)]
    product_updates_email_consent: (),
}

impl From<NumberedUser> for Found {
    fn from(user: NumberedUser) -> Self {
        Self {
            id: user.number,
            image_url: image_url(&user),
            name: user.name,
            email: user.email,
            username: user.username,
            seen_at: user.seen_at,
            account_type: account_type(user.account_type),
            scim_id: user.scim_id,
            seat_type: (),
            company_role: (),
            product_updates_email_consent: (),
        }
    }
}

/// Users of the team by a part of their name, or by the beginning of their username or email, for
/// any member.
#[utoipa::path(
    get,
    path = "/api/admin/user-admin/search",
    tag = "user-admin",
    operation_id = "user_admin.search_users",
    params(
        ("q" = Option<String>, Query, description = "A part of a name, or the beginning of a username or an email; fewer than 2 characters find nobody. In teams of more than 5,000 members, the beginning of a word of the name"),
        IfNoneMatch,
    ),
    responses(
        (status = 200, description = "Everyone who was found, by number", body = Vec<Found>, headers(("etag", description = "A hash of those who were found"))),
        (status = 304, description = "Those who were found are as `If-None-Match` names them", headers(("etag", description = "A hash of those who were found"))),
        (status = 400, description = "`q` is given twice, or finds more users than one response holds", body = ErrorBody),
        Refusals,
    ),
    security(("bearer" = []), ("bare_key" = [])),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let caller = context.authenticate::<MembersRead>(&request).await?;
    let text = text(&request)?;
    let is_searched = LENGTHS.contains(&text.chars().count()) && !text.trim().is_empty();
    let users = if is_searched {
        context.store().search_team(&caller, &text).await?
    } else {
        Some(Vec::new())
    };
    let found: Vec<_> = users.ok_or_else(too_many)?.into_iter().map(Found::from).collect();
    let response = whole(json(StatusCode::OK, &found)).map_err(|_| too_many())?;
    Ok(hashed(&request, response))
}

/// The text to search by; "" where there is none.
fn text(request: &Request) -> Result<String> {
    let mut texts = query(request)
        .into_iter()
        .filter(|(name, _)| name == "q")
        .map(|(_, text)| text.into_owned());
    let text = texts.next().unwrap_or_default();
    match texts.next() {
        Some(_) => Err(Error::invalid(Issue::new(Place::Query, "q", Fault::Repeated))),
        None => Ok(text),
    }
}

fn too_many() -> Error {
    Error::invalid(Issue::new(
        Place::Query,
        "q",
        Fault::NotA("longer, as this finds more users than one response holds"),
    ))
}
