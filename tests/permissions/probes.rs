//! Calls that no handler makes, and that a function which was taken over must not make either.

use std::collections::BTreeSet;

use shared::Timestamp;
use shared::models::User;
use shared::table::user_attributes;
use uuid::Uuid;

use tests::iam::calls::{Call, Resource};
use tests::iam::policies::{Policies, read};
use tests::iam::{Decision, Statement, decide};

use crate::compare::ERASERS;

const WRITES: [&str; 4] =
    ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"];
/// What a request may update of users in passing: that they were seen, and that their keys were
/// used.
const SEEN: [&str; 4] = ["first_seen", "last_seen", "by_last_seen", "last_used_at"];

/// The functions that sign Roster's own tokens.
const SIGNERS: [&str; 2] =
    ["managed_users.create_delegated_token", "managed_users.get_principal_token"];

/// The functions that ask for a rebuild of a team's counts where these are wrong.
const LISTS: [&str; 2] = ["directory.list_admin_users", "workspace.list_users"];

/// The reading of a secret.
fn secret(name: &str) -> Call {
    Call {
        action: "secretsmanager:GetSecretValue".to_owned(),
        resource: Resource::Secret(name.to_owned()),
        ..Call::default()
    }
}

fn call(action: &str, key: &str, attributes: &[&str]) -> Call {
    Call {
        action: action.to_owned(),
        resource: Resource::Table,
        keys: BTreeSet::from([key.to_owned()]),
        attributes: ["pk", "sk"].iter().chain(attributes).map(|name| (*name).to_owned()).collect(),
        ..Call::default()
    }
}

/// Holds that no function may make a call but those named, and that each of those may.
#[track_caller]
fn only(policies: &Policies, call: &Call, allowed: &[&str]) {
    for (handler, policy) in policies {
        let decision = decide(policy, call);
        let expected = allowed.contains(&handler.as_str());
        assert_eq!(decision == Decision::Allowed, expected, "{handler}: {call} is {decision:?}");
    }
}

#[test]
fn nobody_may_make_a_platform_operator() {
    let policies = read();
    let mut denied = 0;
    for action in ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:BatchWriteItem"] {
        let probe = call(action, "USER#", &["is_operator", "version"]);
        let harmless = call(action, "USER#", &["name", "version"]);
        for (handler, policy) in &policies {
            assert_eq!(decide(policy, &probe), Decision::Denied, "{handler}: {probe}");
            denied += u32::from(decide(policy, &harmless) == Decision::Allowed);
        }
    }
    // Without the name it would have been allowed to many.
    assert!(denied > 20, "{denied}");
}

#[test]
fn nobody_may_change_or_delete_history_but_who_reduces_it() {
    let policies = read();
    for key in ["ADDRESS#", "AUDIT#"] {
        for action in ["dynamodb:UpdateItem", "dynamodb:DeleteItem"] {
            only(&policies, &call(action, key, &["changes"]), &[]);
        }
        let batch = call("dynamodb:BatchWriteItem", key, &["changes"]);
        only(&policies, &batch, &ERASERS);
        for action in ["dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"] {
            for (handler, policy) in
                policies.iter().filter(|(handler, _)| !ERASERS.contains(&handler.as_str()))
            {
                assert_eq!(
                    decide(policy, &call(action, key, &[])),
                    Decision::Denied,
                    "{handler}: {action}"
                );
            }
        }
    }
}

#[test]
fn only_who_signs_tokens_may_publish_a_key_for_them_or_read_the_private_one() {
    let policies = read();
    let put = call("dynamodb:PutItem", "SIGNING_KEY", &["public_key"]);
    only(&policies, &put, &SIGNERS);
    for (handler, policy) in
        policies.iter().filter(|(handler, _)| !SIGNERS.contains(&handler.as_str()))
    {
        for action in WRITES {
            assert_eq!(
                decide(policy, &call(action, "SIGNING_KEY", &[])),
                Decision::Denied,
                "{handler}: {action}"
            );
        }
    }
    for action in ["dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"] {
        only(&policies, &call(action, "SIGNING_KEY", &[]), &[]);
    }
    only(&policies, &secret("SigningSecret"), &SIGNERS);
}

/// Whoever changes the namespace makes everyone without a UUID a stranger.
#[test]
fn the_namespace_of_ids_is_made_at_sign_up_alone_and_never_changed() {
    let policies = read();
    let namespace = "PERSON_NAMESPACE";
    let sign_up = ["operator_account.create_account"];
    only(&policies, &call("dynamodb:PutItem", namespace, &["namespace"]), &sign_up);
    for action in ["dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"] {
        only(&policies, &call(action, namespace, &["namespace"]), &[]);
    }
}

#[test]
fn lists_ask_for_a_rebuild_and_only_who_counts_changes_the_counts() {
    let policies = read();
    only(&policies, &call("dynamodb:PutItem", "REBUILD#", &["expires"]), &LISTS);
    for action in ["dynamodb:PutItem", "dynamodb:DeleteItem"] {
        only(&policies, &call(action, "SPANS#", &["cells"]), &["stream.count_places"]);
    }
    for action in ["dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"] {
        only(&policies, &call(action, "REBUILD#", &["expires"]), &[]);
    }
}

#[test]
fn who_knows_no_callers_may_read_no_secret() {
    let policies = read();
    for handler in [
        "platform.get_health",
        "platform.get_openapi",
        "schedule.purge_accounts",
        "stream.count_places",
    ] {
        for name in ["JwtSecretArn", "SigningSecret", "ResponseSecret"] {
            assert_eq!(
                decide(&policies[handler], &secret(name)),
                Decision::NotAllowed,
                "{handler}: {name}"
            );
        }
    }
    let verify = secret("JwtSecretArn");
    assert_eq!(
        policies.values().filter(|policy| decide(*policy, &verify) == Decision::Allowed).count(),
        policies.len() - 4
    );
}

#[test]
fn what_every_reader_may_update_is_that_users_were_seen_and_requests_counted() {
    let policies = read();
    let mut user = User::new(Uuid::nil(), 1, (Uuid::nil(), "T"), Timestamp::from_millisecond(0));
    user.is_operator = true;
    let record = serde_json::to_value(&user).expect("a user is JSON");
    let mut attributes: BTreeSet<String> =
        record.as_object().expect("an object").keys().cloned().collect();
    attributes.extend(user_attributes(&user).into_keys());
    attributes.extend(
        [
            "is_active",
            "scope",
            "expires_at",
            "sha256",
            "user_id",
            "key_id",
            "requests",
            "expires",
            "other",
        ]
        .map(str::to_owned),
    );
    attributes.retain(|name| !["pk", "sk"].contains(&name.as_str()));
    let mut checked = 0;
    for (handler, policy) in &policies {
        let shared: Vec<&Statement> =
            policy.iter().filter(|statement| statement.policy.is_some()).collect();
        for name in attributes.iter().map(String::as_str) {
            for (key, may) in [
                ("USER#", SEEN.contains(&name)),
                ("KEY#", name == "last_used_at"),
                ("TEAM#", false),
                ("AUDIT#", false),
            ] {
                let decision =
                    decide(shared.iter().copied(), &call("dynamodb:UpdateItem", key, &[name]));
                checked += 1;
                assert!(
                    may || decision != Decision::Allowed,
                    "{handler}: may update {name} under {key}"
                );
            }
        }
        // Nor may it read along what it updates.
        for values in ["ALL_NEW", "ALL_OLD"] {
            for (key, name) in
                [("USER#", "last_seen"), ("KEY#", "last_used_at"), ("REQUESTS#", "requests")]
            {
                let probe = Call {
                    return_values: Some(values.to_owned()),
                    ..call("dynamodb:UpdateItem", key, &[name])
                };
                assert_ne!(
                    decide(shared.iter().copied(), &probe),
                    Decision::Allowed,
                    "{handler}: {probe}"
                );
            }
        }
    }
    println!("{checked} updates of single attributes refused");
}

#[test]
fn readers_change_nothing_but_that() {
    let policies = read();
    let readers: Vec<_> = policies
        .iter()
        .filter(|(handler, policy)| {
            if LISTS.contains(&handler.as_str()) {
                return true;
            }
            let own = |statement: &&Statement| statement.policy.is_none() && !statement.denies;
            !policy.iter().filter(own).any(|statement| {
                statement.actions.iter().any(|action| WRITES.contains(&action.as_str()))
            })
        })
        .collect();
    assert!(readers.len() >= 20, "{}", readers.len());
    for (handler, policy) in readers {
        for action in WRITES {
            for key in ["USER#", "KEY#", "TEAM#", "AUDIT#", "EMAIL#", "REQUESTS#", "SPANS#", "TIER"]
            {
                let probe = call(action, key, &["role"]);
                assert_ne!(decide(policy, &probe), Decision::Allowed, "{handler}: {probe}");
            }
        }
    }
}
