//! Every endpoint of every contract, in every status it can give: whole answers as snapshots, and
//! what the table holds after.

mod description;
mod directory;
mod keys;
mod letters;
mod managed_users;
mod operator_account;
mod operators;
mod platform;
mod sightings;
mod unleash;
mod user_admin;
mod workspace;

use serde_json::{Value, json};
use shared::models::User;
use tests::Roster;
use tests::checks::{DELETED, INVITED, NOBODY, SUSPENDED, changes, key, refusals, unchanged};
use uuid::Uuid;

/// The records of a team's users, in no order.
async fn team(roster: &Roster, team: Uuid) -> Vec<User> {
    let items = roster
        .items()
        .await
        .into_iter()
        .filter(|item| item["sk"] == "USER" && item["team_id"] == json!(team));
    items.map(|item| serde_json::from_value(Value::Object(item)).expect("a user")).collect()
}

/// What a user is called, by the rule of the contracts: the display name, else "first last", else
/// the name, else the email.
fn called(user: &User) -> String {
    let first_last = match (&user.first_name, &user.last_name) {
        (Some(first), Some(last)) => Some(format!("{first} {last}")),
        (first, last) => first.clone().or(last.clone()),
    };
    user.display_name
        .clone()
        .or(first_last)
        .or(user.name.clone())
        .or(user.email.clone())
        .expect("every demo user has a name")
}
