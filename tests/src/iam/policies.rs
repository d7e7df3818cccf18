//! The policies of template.yaml, by function.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_yaml_ng::Value;

use super::calls::Resource;
use super::{Statement, conditions};

/// What an event source mapping does in a function's name.
const EVENT_SOURCE: [&[&str]; 2] = [
    &[
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
    ],
    &["sqs:SendMessage"],
];
/// Every action that a statement may name. None has a wildcard.
const ACTIONS: [&str; 10] = [
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
    "kms:Decrypt",
    "secretsmanager:GetSecretValue",
];
/// The managed policies of AWS that SAM attaches to a role: for logs, for traces, and for streams.
const ATTACHED_BY_SAM: usize = 3;

/// Every function by its handler, with its statements.
pub type Policies = BTreeMap<String, Vec<Statement>>;

/// Reads the template.
///
/// # Panics
/// Where it says anything that is not understood here: a policy is checked whole or not at all.
pub fn read() -> Policies {
    let template = template();
    let indexes: BTreeSet<&str> = of_kind(&template, "AWS::DynamoDB::Table")
        .flat_map(|(_, table)| {
            table["Properties"]["GlobalSecondaryIndexes"].as_sequence().into_iter().flatten()
        })
        .filter_map(|index| index["IndexName"].as_str())
        .collect();
    let managed = managed(&template);
    let mut policies = Policies::new();
    let mut attached = BTreeSet::new();
    for (name, function) in of_kind(&template, "AWS::Serverless::Function") {
        let handler = function["Properties"]["Handler"].as_str().expect("a handler");
        let mut statements = Vec::new();
        for policy in attachments(name, function) {
            let (shared, document) = match tagged(policy) {
                Some(("Ref", policy)) => (
                    Some(policy),
                    *managed.get(policy).unwrap_or_else(|| panic!("there is no policy {policy}")),
                ),
                Some(other) => panic!("{handler}: {other:?} is no policy"),
                None => (None, policy),
            };
            if let Some(shared) = shared {
                attached.insert(shared);
            }
            for statement in one_or_more(&document["Statement"]) {
                let statement = if_it_applies(statement);
                let actions: Vec<String> =
                    one_or_more(&statement["Action"]).iter().map(|action| text(action)).collect();
                // What Lambda itself asks for, to hand over the table's stream, is of no handler.
                if EVENT_SOURCE.iter().any(|its| actions == *its) {
                    assert_eq!(handler, "stream.count_places");
                    continue;
                }
                let wrong = actions.iter().find(|action| !ACTIONS.contains(&action.as_str()));
                assert!(
                    wrong.is_none(),
                    "{handler}: {wrong:?} is not among the actions that are checked"
                );
                for field in statement.as_mapping().expect("a statement").keys() {
                    let known =
                        ["Sid", "Effect", "Action", "Resource", "Condition"].map(Value::from);
                    assert!(known.contains(field), "{handler}: {field:?}");
                }
                let denies = match statement["Effect"].as_str() {
                    Some("Allow") => false,
                    Some("Deny") => true,
                    effect => panic!("{handler}: {effect:?} is no effect"),
                };
                statements.push(Statement {
                    policy: shared.map(str::to_owned),
                    sid: statement.get("Sid").map(text).unwrap_or_default(),
                    denies,
                    actions,
                    resources: one_or_more(&statement["Resource"])
                        .iter()
                        .map(|it| resource(it, &indexes))
                        .collect(),
                    conditions: conditions(statement.get("Condition")),
                });
            }
        }
        assert!(
            policies.insert(handler.to_owned(), statements).is_none(),
            "{handler} has two functions"
        );
    }
    assert_eq!(attached, managed.into_keys().collect(), "a managed policy is nobody's");
    policies
}

fn template() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    serde_yaml_ng::from_str(&std::fs::read_to_string(path).expect("template.yaml")).expect("YAML")
}

fn of_kind<'a>(
    template: &'a Value,
    kind: &'static str,
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let resources = template["Resources"].as_mapping().expect("resources");
    let resources =
        resources.iter().map(|(name, resource)| (name.as_str().expect("a name"), resource));
    resources.filter(move |(_, resource)| resource["Type"] == *kind)
}

fn managed(template: &Value) -> BTreeMap<&str, &Value> {
    of_kind(template, "AWS::IAM::ManagedPolicy")
        .map(|(name, policy)| (name, &policy["Properties"]["PolicyDocument"]))
        .collect()
}

fn attachments<'a>(name: &str, function: &'a Value) -> impl Iterator<Item = &'a Value> {
    let policies = function["Properties"]["Policies"].as_sequence();
    policies.unwrap_or_else(|| panic!("{name:?} has no list of policies")).iter()
}

/// A statement that stands under `!If [condition, statement, !Ref AWS::NoValue]`, or alone.
fn if_it_applies(value: &Value) -> &Value {
    let Value::Tagged(tagged) = value else { return value };
    let parts = tagged
        .value
        .as_sequence()
        .filter(|parts| tagged.tag == "If" && parts.len() == 3)
        .expect("an !If with two ways");
    assert_eq!(
        self::tagged(&parts[2]),
        Some(("Ref", "AWS::NoValue")),
        "the other way has a statement too"
    );
    &parts[1]
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
    let index = |path: &str| {
        path.strip_prefix("${TableArn.Value}/index/")
            .filter(|index| indexes.contains(index))
            .map(str::to_owned)
    };
    match tagged(value) {
        Some(("GetAtt", "TableArn.Value")) => Resource::Table,
        Some((
            "Ref",
            name @ ("JwtSecretArn" | "SigningSecret" | "ResponseSecret" | "JwtSecretKeyArn"),
        )) => Resource::Secret(name.to_owned()),
        Some(("Sub", path)) => {
            Resource::Index(index(path).unwrap_or_else(|| panic!("there is no index {path}")))
        }
        _ => panic!("{value:?} is neither the table nor one of its indexes nor a secret"),
    }
}

/// The policies that exceed a quota of IAM's, in words.
///
/// # Panics
/// Where the template has something that is not understood here.
pub fn beyond_quotas() -> Vec<String> {
    let template = template();
    let managed = managed(&template);
    let mut wrong = Vec::new();
    for (name, document) in &managed {
        let length = length(document);
        if length > 6144 {
            wrong.push(format!(
                "the managed policy {name} has {length} characters, and IAM takes 6,144"
            ));
        }
    }
    for (name, function) in of_kind(&template, "AWS::Serverless::Function") {
        let (attached, own): (Vec<_>, Vec<_>) =
            attachments(name, function).partition(|policy| tagged(policy).is_some());
        let length: usize = own.into_iter().map(length).sum();
        if length > 10_240 {
            wrong.push(format!(
                "the policies in {name}'s role have {length} characters, and IAM takes 10,240"
            ));
        }
        if attached.len() + ATTACHED_BY_SAM > 10 {
            wrong.push(format!(
                "{name} has {} managed policies, and IAM takes 10",
                attached.len() + ATTACHED_BY_SAM
            ));
        }
    }
    wrong
}

/// The characters of a value as JSON without white space, where names of tables and secrets are as
/// long as they may be.
pub fn length(value: &Value) -> usize {
    const ARN: usize = "arn:aws-us-gov:secretsmanager:us-gov-east-1:123456789012:secret:".len();
    match value {
        Value::String(text) => text.len() + 2,
        Value::Sequence(values) => 1 + values.iter().map(|value| length(value) + 1).sum::<usize>(),
        Value::Mapping(fields) => {
            1 + fields.iter().map(|(name, value)| length(name) + length(value) + 2).sum::<usize>()
        }
        Value::Tagged(tagged) if tagged.tag == "If" => {
            tagged.value.as_sequence().into_iter().flatten().map(length).max().unwrap_or(0)
        }
        Value::Tagged(tagged) => {
            let name = tagged.value.as_str().expect("a name");
            let longest = if name.contains("Secret") {
                512 + 7
            } else {
                255 + "/stream/2026-11-28T00:00:00.000".len()
            };
            2 + ARN + longest + name.split_once('}').map_or(0, |(_, rest)| rest.len())
        }
        value => panic!("{value:?} is not known in a policy"),
    }
}
