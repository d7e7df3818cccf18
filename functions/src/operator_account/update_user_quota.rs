//! PATCH `/v1/admin/users/{user_id}/quota`: another quota tier for a user and for the user's own team, for platform operators.

use shared::models::QuotaTier;
use shared::{Error, Fault, Issue, Place, Result};

use super::{detail, operators_view};
use crate::request::{MOST_NAME, json_object, text};
use crate::{Context, Request, Response};

/// Answers the request.
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let (caller, mut records) = operators_view(context, &request, &token).await?;
    let tiers = context.store().quota_tiers(context.now).await?;
    let tier_id = tier_id(&request, &tiers)?;
    let act = context.act(&caller.user, "user.quota_changed");
    records.user = context.store().change_quota(records.user, &tier_id, &act).await?;
    detail(context, records).await
}

/// The tier that is asked for, which must exist.
fn tier_id(request: &Request, tiers: &[QuotaTier]) -> Result<String> {
    let issue = |fault| Error::invalid(Issue::new(Place::Body, "quota_tier_id", fault));
    let id = text(&json_object(request)?, "quota_tier_id", MOST_NAME).map_err(Error::invalid)?;
    let id = id.ok_or_else(|| issue(Fault::Missing))?.ok_or_else(|| issue(Fault::NotA("a string")))?;
    if tiers.iter().any(|tier| tier.id == id) { Ok(id) } else { Err(issue(Fault::NotA("the id of a quota tier"))) }
}
