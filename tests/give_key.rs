//! API keys beyond those of the demo data.

use aws_sdk_dynamodb::types::AttributeValue;
use local::demo;
use serde_json::{Value, json};
use shared::Timestamp;
use shared::auth::api_key;
use shared::models::Permission;
use shared::table::Key;
use tests::Roster;
use uuid::Uuid;

/// Gives a user, who need not exist, one more key of that scope with every permission, and returns
/// its text.
pub async fn give_key(
    roster: &Roster,
    owner: Uuid,
    scope: &str,
    expires_at: Option<Timestamp>,
) -> String {
    give_key_for(roster, owner, scope, expires_at, Permission::ALL).await
}

/// The same with those permissions.
pub async fn give_key_for(
    roster: &Roster,
    owner: Uuid,
    scope: &str,
    expires_at: Option<Timestamp>,
    permissions: &[Permission],
) -> String {
    let place = 77 + u8::try_from(permissions.len()).expect("few");
    let place = permissions
        .iter()
        .fold(place, |place, permission| place.wrapping_add(11 * (*permission as u8)));
    let text = demo::api_key_text(owner, place);
    let sha256 = api_key::hash(text.reveal()).expect("a key's hash");
    let id = Uuid::now_v7();
    let expires_at = expires_at.unwrap_or_else(|| roster.now().plus_seconds(365 * 86_400));
    let shown = json!({
        "pk": format!("USER#{owner}"), "sk": format!("KEY#{id}"), "id": id, "prefix": text.prefix(), "is_active": true, "name": null,
        "created_at": roster.now(), "last_used_at": roster.now(), "scope": scope, "permissions": permissions, "allowed_ips": [],
        "expires_at": expires_at, "revoked_at": null, "rotation_parent_key_id": null, "minted_by": null, "sha256": sha256,
        "is_rotated": false,
    });
    let secret = json!({
        "pk": format!("KEY#{sha256}"), "sk": "KEY", "user_id": owner, "key_id": id, "scope": scope, "permissions": permissions,
        "is_active": true, "expires_at": expires_at, "last_used_at": roster.now(),
    });
    for item in [shown, secret] {
        put(roster, &item).await;
    }
    let ids = AttributeValue::Ss(vec![id.to_string()]);
    let update = roster
        .server
        .data
        .client
        .update_item()
        .table_name(&roster.table)
        .set_key(Some(Key::active_keys(owner).item()));
    let update =
        update.update_expression("ADD key_ids :ids").expression_attribute_values(":ids", ids);
    update.send().await.expect("the key is counted");
    text.reveal().to_owned()
}

async fn put(roster: &Roster, item: &Value) {
    let item = serde_dynamo::to_item(item).expect("an item");
    roster
        .server
        .data
        .client
        .put_item()
        .table_name(&roster.table)
        .set_item(Some(item))
        .send()
        .await
        .expect("the item is written");
}
