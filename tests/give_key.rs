//! API keys beyond those of the demo data.

use local::demo;
use serde_json::{Value, json};
use shared::Timestamp;
use shared::auth::api_key;
use tests::Roster;
use uuid::Uuid;

/// Gives a user, who need not exist, one more key of that scope, and returns its text.
pub async fn give_key(roster: &Roster, owner: Uuid, scope: &str, expires_at: Option<Timestamp>) -> String {
    let text = demo::api_key_text(owner, 77);
    let sha256 = api_key::hash(text.reveal()).expect("a key's hash");
    let id = Uuid::now_v7();
    let shown = json!({
        "pk": format!("USER#{owner}"), "sk": format!("KEY#{id}"), "id": id, "prefix": text.prefix(), "is_active": true, "name": null,
        "created_at": roster.now(), "last_used_at": roster.now(), "scope": scope, "expires_at": expires_at, "revoked_at": null,
        "rotation_parent_key_id": null, "sha256": sha256, "is_rotated": false,
    });
    let secret = json!({
        "pk": format!("KEY#{sha256}"), "sk": "KEY", "user_id": owner, "key_id": id, "scope": scope, "is_active": true,
        "expires_at": expires_at,
    });
    for item in [shown, secret] {
        put(roster, &item).await;
    }
    text.reveal().to_owned()
}

async fn put(roster: &Roster, item: &Value) {
    let item = serde_dynamo::to_item(item).expect("an item");
    roster.server.data.client.put_item().table_name(&roster.table).set_item(Some(item)).send().await.expect("the item is written");
}
