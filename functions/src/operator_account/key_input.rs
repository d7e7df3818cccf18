//! The fields of bodies that make or rotate an API key.

use ipnet::IpNet;
use serde_json::{Map, Value};
use shared::auth::{Caller, SteppedUp};
use shared::models::{OPERATOR_SCOPE, Permission, User};
use shared::{Fault, Issue, Place, Result, Timestamp};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::Context;
use crate::request::text;

/// The longest scope, in characters.
pub const MAX_SCOPE: usize = 64;
/// The most networks that one key may be used from.
pub const MAX_ALLOWED_IPS: usize = 20;
/// Seconds of a day.
const DAY: i64 = 86_400;
/// The life of a key that an operator makes for someone, in seconds.
const MINTED_LIFE: i64 = DAY;

/// The longest life of a key, in seconds.
pub fn longest_life(context: &Context) -> i64 {
    i64::from(context.app.key_max_days) * DAY
}

/// When a key ends that nothing else is asked for.
pub fn latest_end(context: &Context) -> Timestamp {
    context.now.plus_seconds(longest_life(context))
}

/// When a key ends that an operator makes for someone.
pub fn minted_end(context: &Context) -> Timestamp {
    context.now.plus_seconds(MINTED_LIFE.min(longest_life(context)))
}

fn issue(name: &str, fault: Fault) -> Issue {
    Issue::new(Place::Body, name, fault)
}

/// The scope, if one is asked for: free text, but `operator` is for platform operators.
pub fn scope(
    fields: &Map<String, Value>,
    caller: &Caller<SteppedUp>,
) -> Result<Option<String>, Issue> {
    let scope = text(fields, "scope", MAX_SCOPE)?.flatten();
    match scope.as_deref() {
        Some(OPERATOR_SCOPE) if !caller.operates() => Err(issue(
            "scope",
            Fault::NotA("another word than `operator`, which is for platform operators"),
        )),
        _ => Ok(scope),
    }
}

/// The permissions, if they are asked for: a set, of what the owner's role allows, and
/// `metering:write` where a platform operator makes the key for someone.
pub fn permissions(
    fields: &Map<String, Value>,
    owner: &User,
    is_minted: bool,
) -> Result<Option<Vec<Permission>>, Issue> {
    let issue = |fault| issue("permissions", fault);
    let words = match fields.get("permissions") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(words)) => words,
        Some(_) => return Err(issue(Fault::NotA("a list"))),
    };
    let mut asked = Vec::new();
    for word in words {
        let permission = word.as_str().and_then(Permission::from_word);
        let permission = permission.ok_or_else(|| issue(Fault::NotOneOf(Permission::WORDS)))?;
        let is_metering = is_minted && permission == Permission::MeteringWrite;
        if !is_metering && !permission.is_allowed_to(owner) {
            return Err(issue(Fault::BeyondRole(permission)));
        }
        asked.push(permission);
    }
    let all = Permission::ALL.iter().copied();
    Ok(Some(all.filter(|permission| asked.contains(permission)).collect()))
}

/// The networks, if they are asked for.
pub fn allowed_ips(fields: &Map<String, Value>) -> Result<Option<Vec<IpNet>>, Issue> {
    let issue = |fault| issue("allowed_ips", fault);
    let texts = match fields.get("allowed_ips") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(texts)) if texts.len() > MAX_ALLOWED_IPS => {
            return Err(issue(Fault::NotA("a list of at most 20 networks")));
        }
        Some(Value::Array(texts)) => texts,
        Some(_) => return Err(issue(Fault::NotA("a list"))),
    };
    let wrong = || issue(Fault::NotA("a list of networks, as 203.0.113.0/24 or 2001:db8::/32"));
    texts
        .iter()
        .map(|text| text.as_str().and_then(network).ok_or_else(wrong))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// A network in CIDR. One of IPv4 is not written in IPv6: requests never come from there.
fn network(text: &str) -> Option<IpNet> {
    let network: IpNet = text.parse().ok()?;
    let is_mapped =
        matches!(network, IpNet::V6(network) if network.addr().to_ipv4_mapped().is_some());
    (!is_mapped).then(|| network.trunc())
}

/// When the key ends, if that is asked for: a time to come, within the longest life.
pub fn expires_at(
    fields: &Map<String, Value>,
    context: &Context,
) -> Result<Option<Timestamp>, Issue> {
    let wrong = || issue("expires_at", Fault::NotWithinDays(context.app.key_max_days));
    let Some(time) = text(fields, "expires_at", MAX_SCOPE)?.flatten() else { return Ok(None) };
    let time: Option<Timestamp> = time.parse().ok();
    time.filter(|time| *time > context.now && *time <= latest_end(context))
        .map(Some)
        .ok_or_else(wrong)
}

/// A network as bodies bring it.
pub struct Network;

/// Addresses of IPv4 and of IPv6, each with the length of its prefix.
const NETWORK: &str = concat!(
    r"^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])",
    r"/(3[0-2]|[12]?[0-9])$",
    r"|^(([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}",
    r"|([0-9a-fA-F]{1,4}:){1,7}:",
    r"|([0-9a-fA-F]{1,4}:){1,6}(:[0-9a-fA-F]{1,4})",
    r"|([0-9a-fA-F]{1,4}:){1,5}(:[0-9a-fA-F]{1,4}){1,2}",
    r"|([0-9a-fA-F]{1,4}:){1,4}(:[0-9a-fA-F]{1,4}){1,3}",
    r"|([0-9a-fA-F]{1,4}:){1,3}(:[0-9a-fA-F]{1,4}){1,4}",
    r"|([0-9a-fA-F]{1,4}:){1,2}(:[0-9a-fA-F]{1,4}){1,5}",
    r"|([0-9a-fA-F]{1,4}:){1,1}(:[0-9a-fA-F]{1,4}){1,6}",
    r"|:((:[0-9a-fA-F]{1,4}){1,7}|:))",
    r"/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$",
);

impl PartialSchema for Network {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(NETWORK));
        text.description(Some("A network in CIDR."))
            .examples(["203.0.113.0/24", "2001:db8::/32"])
            .into()
    }
}

impl ToSchema for Network {}
