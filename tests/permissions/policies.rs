//! What template.yaml lets each function do, and how that compares with the calls that its handler makes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_yaml_ng::Value;

use crate::calls::{Call, Made, Resource};

/// The functions that erase users: they alone delete whatever there is, and write in batches.
const ERASERS: [&str; 5] = [
    "directory.revoke_invite",
    "managed_users.delete_user",
    "operator_account.create_account",
    "operator_account.delete_user",
    "schedule.purge_accounts",
];
/// What an event source mapping does in a function's name.
const EVENT_SOURCE: [&[&str]; 2] =
    [&["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"], &["sqs:SendMessage"]];
/// Where a sighting is noted: with the user, and with the API key.
const SIGHTINGS: [&str; 2] = ["USER#", "KEY#"];
/// Actions that change nothing.
const READS: [&str; 4] = ["dynamodb:BatchGetItem", "dynamodb:ConditionCheckItem", "dynamodb:GetItem", "dynamodb:Query"];

/// A statement of a policy.
pub struct Statement {
    /// The managed policy that it is of; none for one of the function's own.
    shared: Option<String>,
    actions: Vec<String>,
    resources: Vec<Resource>,
    /// What the partition keys must be like, where it matters.
    keys: Option<Vec<String>>,
}

impl Statement {
    fn permits(&self, call: &Call) -> bool {
        // Where a call had no keys, AWS would take `ForAllValues` for met: here it counts as a mistake.
        let is_like = |patterns: &Vec<String>| !call.keys.is_empty() && call.keys.iter().all(|key| patterns.iter().any(|it| like(it, key)));
        self.actions.contains(&call.action) && self.resources.contains(&call.resource) && self.keys.as_ref().is_none_or(is_like)
    }

    /// What has it, for a person to read.
    fn place(&self) -> String {
        self.shared.as_ref().map_or_else(|| "its own policy".to_owned(), |name| format!("the policy {name}"))
    }
}

/// Whether a key is like a pattern, which may end in `*`.
fn like(pattern: &str, key: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == key, |start| key.starts_with(start))
}

/// Every function by its handler, with its statements about the table.
pub type Policies = BTreeMap<String, Vec<Statement>>;

/// Reads the template.
///
/// # Panics
/// Where it says anything that is not understood here: a policy is checked whole or not at all.
pub fn read() -> Policies {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let template: Value = serde_yaml_ng::from_str(&std::fs::read_to_string(path).expect("template.yaml")).expect("YAML");
    let resources = template["Resources"].as_mapping().expect("resources");
    let of_kind = |kind: &'static str| resources.iter().filter(move |(_, resource)| resource["Type"] == *kind);
    let indexes: BTreeSet<&str> = of_kind("AWS::DynamoDB::Table")
        .flat_map(|(_, table)| table["Properties"]["GlobalSecondaryIndexes"].as_sequence().into_iter().flatten())
        .filter_map(|index| index["IndexName"].as_str())
        .collect();
    let managed: BTreeMap<&str, &Value> = of_kind("AWS::IAM::ManagedPolicy")
        .map(|(name, policy)| (name.as_str().expect("a name"), &policy["Properties"]["PolicyDocument"]))
        .collect();
    let mut policies = Policies::new();
    let mut attached = BTreeSet::new();
    for (name, function) in of_kind("AWS::Serverless::Function") {
        let handler = function["Properties"]["Handler"].as_str().expect("a handler");
        let mut statements = Vec::new();
        let mut reads_secrets = false;
        for policy in function["Properties"]["Policies"].as_sequence().unwrap_or_else(|| panic!("{name:?} has no list of policies")) {
            let (shared, document) = match tagged(policy) {
                Some(("Ref", policy)) => (Some(policy), *managed.get(policy).unwrap_or_else(|| panic!("there is no policy {policy}"))),
                Some(other) => panic!("{handler}: {other:?} is no policy"),
                None => (None, policy),
            };
            attached.extend(shared);
            for statement in one_or_more(&document["Statement"]) {
                assert_eq!(statement["Effect"], "Allow", "{handler}");
                let actions: Vec<String> = one_or_more(&statement["Action"]).iter().map(|action| text(action)).collect();
                // What Lambda itself asks for, to hand over the table's stream, is of no handler.
                if EVENT_SOURCE.iter().any(|its| actions == *its) {
                    assert_eq!(handler, "stream.count_places");
                    continue;
                }
                // The secrets are no part of the table.
                if actions == ["secretsmanager:GetSecretValue"] {
                    reads_secrets = true;
                    continue;
                }
                let wrong = actions.iter().find(|action| !action.starts_with("dynamodb:") || action.contains(['*', '?']));
                assert!(wrong.is_none(), "{handler}: {wrong:?} is no single action of DynamoDB");
                let resources = one_or_more(&statement["Resource"]).iter().map(|it| resource(it, &indexes)).collect();
                let keys = keys(statement.get("Condition"));
                for field in statement.as_mapping().expect("a statement").keys() {
                    assert!(["Effect", "Action", "Resource", "Condition"].map(Value::from).contains(field), "{handler}: {field:?}");
                }
                statements.push(Statement { shared: shared.map(str::to_owned), actions, resources, keys });
            }
        }
        assert!(reads_secrets, "{handler} reads the secrets at start");
        assert!(policies.insert(handler.to_owned(), statements).is_none(), "{handler} has two functions");
    }
    assert_eq!(attached, managed.into_keys().collect(), "a managed policy is nobody's");
    policies
}

/// A value with a tag, such as `!Ref Table`.
fn tagged(value: &Value) -> Option<(&str, &str)> {
    let Value::Tagged(tagged) = value else { return None };
    let name = ["Ref", "GetAtt", "Sub"].into_iter().find(|name| tagged.tag == *name)?;
    Some((name, tagged.value.as_str()?))
}

fn one_or_more(value: &Value) -> Vec<&Value> {
    value.as_sequence().map_or_else(|| vec![value], |values| values.iter().collect())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value:?} is no text")).to_owned()
}

fn resource(value: &Value, indexes: &BTreeSet<&str>) -> Resource {
    let index = |path: &str| path.strip_prefix("${TableArn.Value}/index/").filter(|index| indexes.contains(index)).map(str::to_owned);
    match tagged(value) {
        Some(("GetAtt", "TableArn.Value")) => Resource::Table,
        Some(("Sub", path)) => Resource::Index(index(path).unwrap_or_else(|| panic!("there is no index {path}"))),
        _ => panic!("{value:?} is neither the table nor one of its indexes"),
    }
}

/// The patterns of a condition on the partition keys, the one kind of condition there is.
fn keys(condition: Option<&Value>) -> Option<Vec<String>> {
    let condition = condition?;
    let single = |value: &Value| value.as_mapping().is_some_and(|mapping| mapping.len() == 1);
    let keys = &condition["ForAllValues:StringLike"];
    assert!(single(condition) && single(keys), "{condition:?} is no condition on the partition keys");
    Some(one_or_more(&keys["dynamodb:LeadingKeys"]).into_iter().map(text).collect())
}

/// What is wrong between the policies and the calls, in words; and what was looked at.
pub fn differences(policies: &Policies, made: &Made) -> (Vec<String>, String) {
    let mut wrong = Vec::new();
    let (mut statements, mut actions) = (0, 0);
    // A managed policy's pattern is needed where one of its functions needs it.
    let mut shared_patterns: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    for (handler, policy) in policies {
        let Some(calls) = made.get(handler) else {
            wrong.push(format!("{handler}: no scenario runs it"));
            continue;
        };
        for call in calls.iter().filter(|call| !policy.iter().any(|statement| statement.permits(call))) {
            wrong.push(format!("{handler}: makes {call}, and may not"));
        }
        for (place, statement) in policy.iter().enumerate() {
            statements += 1;
            actions += statement.actions.len() * statement.resources.len();
            let by_another = |call: &Call| policy.iter().enumerate().any(|(other, statement)| other != place && statement.permits(call));
            for action in &statement.actions {
                for resource in &statement.resources {
                    let mut permitted =
                        calls.iter().filter(|call| call.action == *action && call.resource == *resource && statement.permits(call));
                    // A managed policy is used whole: here and there it may overlap with what the function has of its own.
                    let needed = permitted.any(|call| statement.shared.is_some() || !by_another(call));
                    if !needed {
                        wrong.push(format!("{handler}: does not need {action} on {resource}, by {}", statement.place()));
                    }
                }
            }
            for pattern in statement.keys.iter().flatten() {
                let used = calls.iter().any(|call| statement.permits(call) && call.keys.iter().any(|key| like(pattern, key)));
                match &statement.shared {
                    Some(shared) => *shared_patterns.entry((shared, pattern)).or_default() |= used,
                    None if used => {}
                    None => wrong.push(format!("{handler}: does not need {:?} on {pattern}", statement.actions)),
                }
            }
        }
        wrong.extend(too_wide(handler, policy, calls));
    }
    wrong.extend(shared_patterns.into_iter().filter(|(_, used)| !used).map(|(pattern, _)| format!("nobody needs {pattern:?}")));
    wrong.extend(made.keys().filter(|handler| !policies.contains_key(*handler)).map(|handler| format!("{handler}: has no function")));
    (wrong, format!("{} functions, {statements} statements, {actions} actions on a resource checked", policies.len()))
}

/// What a function may do that goes beyond its part, even where it makes use of it.
fn too_wide(handler: &str, policy: &[Statement], calls: &BTreeSet<Call>) -> Vec<String> {
    let mut wrong = Vec::new();
    let any_key = |action: &str| policy.iter().any(|it| it.keys.is_none() && it.actions.iter().any(|known| known == action));
    if !ERASERS.contains(&handler) {
        let erasing = ["dynamodb:DeleteItem", "dynamodb:BatchWriteItem"].into_iter().filter(|action| any_key(action));
        wrong.extend(erasing.map(|action| format!("{handler}: erases no users, and may {action} under any key")));
    }
    let mut writes = calls.iter().filter(|call| !READS.contains(&call.action.as_str()));
    let only_sightings =
        writes.all(|call| call.action == "dynamodb:UpdateItem" && call.keys.iter().all(|key| SIGHTINGS.contains(&key.as_str())));
    if only_sightings && any_key("dynamodb:UpdateItem") {
        wrong.push(format!("{handler}: only reads, and may dynamodb:UpdateItem under any key"));
    }
    wrong
}
