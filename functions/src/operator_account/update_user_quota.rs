//! PATCH `/v1/admin/users/{user_id}/quota`: another quota tier for a user and for the user's own
//! team, for platform operators.

use shared::models::{QuotaTier, Team, User};
use shared::store::Account;
use shared::text::MOST_NAME;
use shared::{Error, Fault, Issue, Place, Result};
use utoipa::ToSchema;

use super::{
    AccountDetail, Failures, Invalid, NoAccountToChange, OperatorsOnly, Stale, Unauthorized,
    detail, operators_view,
};
use crate::entity_tag::IfMatch;
use crate::openapi::{self, Text};
use crate::request::{json_object, text};
use crate::{Context, Request, Response};

/// Another quota tier for a user and for the user's own team.
///
/// For platform operators. A team that is another user's keeps its tier.
#[utoipa::path(
    patch,
    path = "/v1/admin/users/{user_id}/quota",
    tag = "operator and account",
    operation_id = "operator_account.update_user_quota",
    params(("user_id" = Uuid, description = "The user; what is no UUID is nobody's"), openapi::IfMatch),
    request_body = QuotaInput,
    responses(
        (status = 200, description = "The account", body = AccountDetail, headers(("etag" = String, description = "The user's version"))),
        Unauthorized,
        OperatorsOnly,
        NoAccountToChange,
        Stale,
        Invalid,
        Failures,
    ),
)]
pub async fn handle(context: &Context, request: Request) -> Result<Response> {
    let token = context.verify(&request).await?;
    let (caller, records) = operators_view(context, &request, &token).await?;
    let tiers = context.store().quota_tiers(context.now).await?;
    let tier = tier(&request, &tiers)?;
    let if_match = IfMatch::read(&request);
    if_match.check(&records.user)?;
    let account = context.store().account(records.user.clone(), context.now).await?;
    let answer = |user: &User| {
        let mut account = Account { user: user.clone(), ..account.clone() };
        if account.team.owner_user_id == user.id && account.team.quota_tier_id != tier.id {
            account.team =
                Team { quota_tier_id: tier.id.clone(), updated_at: context.now, ..account.team };
            account.quota_tier = tier.clone();
        }
        detail(&account, &records)
    };
    let act = context.act(&caller, "user.quota_changed");
    context
        .store()
        .change_quota(
            records.user.clone(),
            &account.team,
            &tier.id,
            &|user| if_match.check(user),
            &act,
            &answer,
        )
        .await
}

/// The tier that is asked for, which must exist.
fn tier(request: &Request, tiers: &[QuotaTier]) -> Result<QuotaTier> {
    let issue = |fault| Error::invalid(Issue::new(Place::Body, "quota_tier_id", fault));
    let id = text(&json_object(request)?, "quota_tier_id", MOST_NAME).map_err(Error::invalid)?;
    let id =
        id.ok_or_else(|| issue(Fault::Missing))?.ok_or_else(|| issue(Fault::NotA("a string")))?;
    tiers
        .iter()
        .find(|tier| tier.id == id)
        .cloned()
        .ok_or_else(|| issue(Fault::NotA("the id of a quota tier")))
}

/// Another quota tier.
#[derive(ToSchema)]
#[schema(example = json!({"quota_tier_id": "pro"}))]
#[allow(dead_code)]
struct QuotaInput {
    /// The id of a quota tier.
    #[schema(inline)]
    quota_tier_id: Text<{ MOST_NAME }>,
}
