//! The template's policies compared with the calls that handlers make, both ways.

use std::collections::{BTreeMap, BTreeSet};

use tests::iam::calls::{Call, Resource};
use tests::iam::policies::Policies;
use tests::iam::{Decision, Statement, decide, like};

use crate::stage::Made;

/// The functions that erase users, and reduce their history: only they may write to `AUDIT#` in
/// batches, whose puts take no condition.
pub const ERASERS: [&str; 5] = [
    "directory.revoke_invite",
    "managed_users.delete_user",
    "operator_account.create_account",
    "operator_account.delete_user",
    "schedule.purge_accounts",
];

/// The statements of managed policies that a function has and does not need, as it needs the rest.
const UNUSED: [(&str, &str); 14] = [
    // Whoever signs up or restores their account is not looked up as a caller.
    ("operator_account.create_account", "NoteLastSeen"),
    ("operator_account.restore_account", "NoteLastSeen"),
    // These take no API key.
    ("managed_users.create_delegated_token", "NoteKeyUse"),
    ("managed_users.get_principal_token", "NoteKeyUse"),
    ("operator_account.create_account", "NoteKeyUse"),
    ("operator_account.create_default_key", "NoteKeyUse"),
    ("operator_account.create_key", "NoteKeyUse"),
    ("operator_account.create_user_key", "NoteKeyUse"),
    ("operator_account.delete_account", "NoteKeyUse"),
    ("operator_account.restore_account", "NoteKeyUse"),
    ("operator_account.revoke_key", "NoteKeyUse"),
    ("operator_account.rotate_key", "NoteKeyUse"),
    ("operator_account.sign_out_everywhere", "NoteKeyUse"),
    // It publishes a key only where the secret has changed since the delegated token was signed.
    ("managed_users.get_principal_token", "PublishSigningKey"),
];

/// The context keys whose listed values must all be needed.
const LISTS: [&str; 3] = ["dynamodb:LeadingKeys", "dynamodb:Attributes", "dynamodb:ReturnValues"];

/// The differences between the policies and the calls, in words; and a sum of what was compared.
pub fn differences(policies: &Policies, made: &Made) -> (Vec<String>, String) {
    let mut wrong = Vec::new();
    let (mut statements, mut permissions) = (0, 0);
    // A managed policy's permission is needed where one of its functions needs it.
    let mut shared: BTreeMap<String, bool> = BTreeMap::new();
    let mut unused: BTreeSet<(String, String)> = BTreeSet::new();
    for (handler, policy) in policies {
        let Some(calls) = made.get(handler) else {
            wrong.push(format!("{handler}: no scenario runs it"));
            continue;
        };
        for call in calls {
            let decision = decide(policy, call);
            if decision != Decision::Allowed {
                wrong.push(format!("{handler}: makes {call}, which is {decision:?}"));
            }
        }
        for (place, statement) in
            policy.iter().enumerate().filter(|(_, statement)| !statement.denies)
        {
            statements += 1;
            let permitted: Vec<&Call> =
                calls.iter().filter(|call| statement.allows(call)).collect();
            // A managed policy is attached whole: its permissions may overlap with the function's
            // own.
            let by_another = |call: &Call| {
                policy.iter().enumerate().any(|(other, it)| other != place && it.allows(call))
            };
            let needed: Vec<&Call> = permitted
                .into_iter()
                .filter(|call| statement.policy.is_some() || !by_another(call))
                .collect();
            if let (true, Some(_)) = (needed.is_empty(), &statement.policy) {
                unused.insert((handler.clone(), statement.sid.clone()));
            }
            for (permission, is_used) in permissions_of(statement, &needed) {
                permissions += 1;
                match &statement.policy {
                    Some(policy) => {
                        *shared.entry(format!("{permission}, by {policy}")).or_default() |= is_used
                    }
                    None if is_used => {}
                    None => wrong.push(format!("{handler}: does not need {permission}")),
                }
            }
            if statement.resources.contains(&Resource::Table)
                && statement.listed("dynamodb:LeadingKeys").is_none()
            {
                wrong.push(format!("{handler}: may {:?} under any key", statement.actions));
            }
        }
    }
    wrong.extend(
        shared
            .into_iter()
            .filter(|(_, is_used)| !is_used)
            .map(|(permission, _)| format!("nobody needs {permission}")),
    );
    let excepted: BTreeSet<_> =
        UNUSED.iter().map(|(handler, sid)| ((*handler).to_owned(), (*sid).to_owned())).collect();
    wrong.extend(
        unused
            .difference(&excepted)
            .map(|(handler, sid)| format!("{handler}: does not need {sid}")),
    );
    wrong.extend(
        excepted
            .difference(&unused)
            .map(|(handler, sid)| format!("{handler}: needs {sid}, or does not have it")),
    );
    wrong.extend(
        made.keys()
            .filter(|handler| !policies.contains_key(*handler))
            .map(|handler| format!("{handler}: has no function")),
    );
    (
        wrong,
        format!(
            "{} functions, {statements} statements, {permissions} permissions compared with the calls",
            policies.len()
        ),
    )
}

/// Each action of a statement on each resource with each value that its conditions list, and
/// whether one of the calls needs it.
fn permissions_of(statement: &Statement, calls: &[&Call]) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for action in &statement.actions {
        for resource in &statement.resources {
            let of_both: Vec<&&Call> = calls
                .iter()
                .filter(|call| call.action == *action && call.resource == *resource)
                .collect();
            found.push((format!("{action} on {resource}"), !of_both.is_empty()));
            for key in LISTS {
                for value in statement.listed(key).into_iter().flatten() {
                    let has = |call: &Call| match key {
                        "dynamodb:LeadingKeys" => call.keys.iter().any(|key| like(value, key)),
                        "dynamodb:Attributes" => call.attributes.contains(value),
                        // The default is not sent.
                        _ => call.return_values.as_deref().unwrap_or("NONE") == value,
                    };
                    found.push((
                        format!("{action} on {resource} with {value} in {key}"),
                        of_both.iter().any(|call| has(call)),
                    ));
                }
            }
        }
    }
    found
}
