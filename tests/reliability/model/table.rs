//! The whole table, held against the model.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::answers::{Ids, View, date, gb_hours, rounded, time};
use super::state::Model;

/// An item of the table.
pub type Item = Map<String, Value>;

/// Everything of the table that the model knows, by what it is and whose.
type Content = BTreeMap<String, Value>;

/// What the table should hold.
pub fn expected(model: &Model, ids: &Ids) -> Content {
    let view = View { model, ids };
    let mut content = Content::new();
    for (id, user) in &model.users {
        let record = json!({
            "number": ids.number(*id), "team_id": ids.team(user.team), "team_name": model.teams[&user.team].name, "email": user.email,
            "username": user.username, "name": user.name, "first_name": user.first_name, "last_name": user.last_name,
            "display_name": user.display_name, "job_title": user.job_title, "role": user.role, "is_operator": user.is_operator,
            "status": user.status, "has_link": user.has_link, "invite_id": user.invite.map(|invite| ids.invites[&invite]),
            "invited_as": user.invited_as.map(|id| ids.user(id)), "manager_id": user.manager.map(|id| ids.user(id)),
            "quota_tier_id": user.tier, "email_verified_at": user.email_verified_at.map(time),
            "soft_deleted_at": user.soft_deleted_at.map(time), "delete_scheduled_at": user.due.map(time),
            "deleted_by": user.deleted_by.map(|id| ids.user(id)), "deleted_from": user.deleted_from,
            "first_seen": user.first_seen, "last_seen": user.last_seen, "created_at": time(user.created_at),
            "updated_at": time(user.updated_at), "version": user.version,
        });
        content.insert(format!("user {}", ids.user(*id)), record);
        let receipts = model.receipts.values().filter(|receipt| receipt.caller == *id).count();
        if receipts > 0 {
            content.insert(format!("receipts of {}", ids.user(*id)), json!(receipts));
        }
    }
    for (id, team) in &model.teams {
        let record = json!({"name": team.name, "owner_user_id": ids.user(team.owner), "quota_tier_id": team.tier});
        content.insert(format!("team {}", ids.team(*id)), record);
        for (day, usage) in &team.usage {
            let record = json!({
                "sandbox_creates": usage.creates, "gb_hours": gb_hours(usage.mb_ms), "committed_mb_ms": usage.committed_mb_ms as i64,
            });
            content.insert(format!("usage of {} on {}", ids.team(*id), date(*day)), record);
        }
    }
    for (id, key) in &model.keys {
        let record = json!({
            "owner": ids.user(key.owner), "is_active": key.is_active, "is_rotated": key.is_rotated, "expires_at": time(key.expires_at),
            "last_used_at": key.last_used_at.map(time), "scope": if key.is_operator { "operator" } else { "user" },
        });
        let mut secret = record.clone();
        secret.as_object_mut().expect("an object").remove("is_rotated");
        content.insert(format!("key {}", ids.keys[id].0), record);
        content.insert(format!("secret of {}", ids.keys[id].0), secret);
    }
    for (owner, key) in &model.default_keys {
        content.insert(format!("default key of {}", ids.user(*owner)), json!(ids.keys[key].0));
    }
    for (id, sandbox) in &model.sandboxes {
        content.insert(format!("sandbox {}", ids.sandboxes[id]), view.sandbox(*id, sandbox));
    }
    for ((from, to), share) in &model.shares {
        for side in ["given", "got"] {
            let record = json!({"scopes": share.scopes, "created_at": time(share.created_at)});
            content
                .insert(format!("share {side}, {} to {}", ids.user(*from), ids.user(*to)), record);
        }
    }
    for (id, invite) in &model.invites {
        let record = json!({
            "team": ids.team(invite.team), "email": invite.stored_email(), "status": invite.status, "user_id": ids.user(invite.user),
            "updated_at": time(invite.updated_at),
        });
        content.insert(format!("invite {}", ids.invites[id]), record);
    }
    for id in model.history.keys() {
        content.insert(format!("history of {}", ids.user(*id)), view.history(*id).into());
    }
    content
}

/// What it holds.
pub fn present(items: &[Item]) -> Content {
    let mut content = Content::new();
    for item in items {
        let (pk, sk) =
            (item["pk"].as_str().unwrap_or_default(), item["sk"].as_str().unwrap_or_default());
        let (kind, owner) = pk.split_once('#').unwrap_or((pk, ""));
        let (part, rest) = sk.split_once('#').unwrap_or((sk, ""));
        let some = |names: &[&str]| {
            Value::Object(
                names
                    .iter()
                    .map(|name| ((*name).to_owned(), item.get(*name).cloned().unwrap_or_default()))
                    .collect(),
            )
        };
        let (name, record) = match (kind, part) {
            ("USER", "USER") => (format!("user {owner}"), user(item)),
            ("USER", "KEY") => {
                let mut record =
                    some(&["is_active", "is_rotated", "expires_at", "last_used_at", "scope"]);
                record["owner"] = json!(owner);
                (format!("key {rest}"), record)
            }
            ("KEY", _) => {
                let mut record = some(&["is_active", "expires_at", "last_used_at", "scope"]);
                record["owner"] = item["user_id"].clone();
                (format!("secret of {}", item["key_id"].as_str().unwrap_or_default()), record)
            }
            ("USER", "DEFAULT_KEY") => (format!("default key of {owner}"), item["key_id"].clone()),
            ("USER", "SANDBOX") => {
                let names = [
                    "id",
                    "user_id",
                    "template",
                    "status",
                    "created_at",
                    "updated_at",
                    "metadata",
                    "started_at",
                    "destroyed_at",
                    "cpu_count",
                    "memory_mb",
                    "disk_mb",
                    "timeout_ms",
                ];
                (format!("sandbox {rest}"), some(&names))
            }
            ("USER", "SHARED") => {
                (format!("share got, {rest} to {owner}"), some(&["scopes", "created_at"]))
            }
            ("USER", "GRANT") => {
                (format!("share given, {owner} to {rest}"), some(&["scopes", "created_at"]))
            }
            ("USER", "RECEIPT") => {
                let count = content.entry(format!("receipts of {owner}")).or_insert(json!(0));
                *count = json!(count.as_u64().unwrap_or_default() + 1);
                continue;
            }
            ("TEAM", "TEAM") => {
                (format!("team {owner}"), some(&["name", "owner_user_id", "quota_tier_id"]))
            }
            ("TEAM", "INVITE") => (
                format!("invite {rest}"),
                some(&["team", "email", "status", "user_id", "updated_at"]),
            ),
            ("TEAM", "USAGE") => {
                let mut record = some(&["sandbox_creates", "committed_mb_ms"]);
                record["gb_hours"] = json!(rounded(item["gb_hours"].as_f64().unwrap_or_default()));
                (format!("usage of {owner} on {rest}"), record)
            }
            ("AUDIT", _) => {
                // Items come in the order of their keys, which is that of time.
                let entries =
                    content.entry(format!("history of {owner}")).or_insert_with(|| json!([]));
                entries.as_array_mut().expect("a list").push(some(&["actor_id", "action", "at"]));
                continue;
            }
            _ => continue,
        };
        content.insert(name, record);
    }
    content
}

fn user(item: &Item) -> Value {
    let names = [
        "number",
        "team_id",
        "team_name",
        "email",
        "username",
        "name",
        "first_name",
        "last_name",
        "display_name",
        "job_title",
        "role",
        "status",
        "invite_id",
        "invited_as",
        "manager_id",
        "quota_tier_id",
        "email_verified_at",
        "soft_deleted_at",
        "delete_scheduled_at",
        "deleted_by",
        "deleted_from",
        "created_at",
        "updated_at",
        "version",
    ];
    let mut record: Item = names
        .iter()
        .map(|name| ((*name).to_owned(), item.get(*name).cloned().unwrap_or_default()))
        .collect();
    record.insert(
        "is_operator".to_owned(),
        json!(item.get("is_operator").and_then(Value::as_bool).unwrap_or(false)),
    );
    record.insert("has_link".to_owned(), json!(item.contains_key("invite_link")));
    for seen in ["first_seen", "last_seen"] {
        record.insert(
            seen.to_owned(),
            item.get(seen).map(|seen| seen["at"].clone()).unwrap_or_default(),
        );
    }
    Value::Object(record)
}

/// What differs, for a person to read.
pub fn differences(expected: &Content, present: &Content) -> Vec<String> {
    let names = expected.keys().chain(present.keys().filter(|name| !expected.contains_key(*name)));
    let pairs = names.map(|name| {
        (
            name,
            expected.get(name).unwrap_or(&Value::Null),
            present.get(name).unwrap_or(&Value::Null),
        )
    });
    let differing = pairs.filter(|(_, expected, present)| !alike(expected, present));
    differing
        .map(|(name, expected, present)| format!("{name}: {}", difference(expected, present)))
        .collect()
}

/// Whether two values are the same; of several actions with `|` between them any will do, whoever
/// did it.
pub fn alike(expected: &Value, present: &Value) -> bool {
    match (expected, present) {
        (Value::Array(expected), Value::Array(present)) => {
            expected.len() == present.len()
                && expected.iter().zip(present).all(|(expected, present)| alike(expected, present))
        }
        (Value::Object(one), Value::Object(other)) => {
            match one.get("action").and_then(Value::as_str) {
                Some(actions) if actions.contains('|') => {
                    actions.split('|').any(|action| other["action"] == action)
                }
                _ => {
                    one.len() == other.len()
                        && one.iter().all(|(name, value)| {
                            other.get(name).is_some_and(|other| alike(value, other))
                        })
                }
            }
        }
        (expected, present) => expected == present,
    }
}

/// Where two values differ.
pub fn difference(expected: &Value, present: &Value) -> String {
    match (expected, present) {
        (Value::Object(one), Value::Object(other)) => {
            let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
            let pairs = names.map(|name| {
                (
                    name,
                    one.get(name).unwrap_or(&Value::Null),
                    other.get(name).unwrap_or(&Value::Null),
                )
            });
            let differing = pairs.filter(|(_, expected, present)| !alike(expected, present));
            differing
                .map(|(name, expected, present)| {
                    format!("{name}: {}", difference(expected, present))
                })
                .collect::<Vec<_>>()
                .join("; ")
        }
        _ => format!("expected {expected}, found {present}"),
    }
}
