//! One deployment takes the table of the last release to the present one.
//!
//! CloudFormation makes or deletes at most one index of a table in an update, and replaces a table,
//! or refuses the update, where a key changes. Such a change takes more than one release: see the
//! deployment guide on indexes.

use std::collections::BTreeMap;
use std::process::Command;

use serde_yaml_ng::Value;

/// The parts of a table that an update cannot simply change.
#[derive(Debug, Clone, PartialEq)]
struct Table {
    logical_id: String,
    /// The name, and the like, of which any change replaces the table.
    fixed: Vec<Value>,
    key: Value,
    /// The types of attributes.
    attributes: BTreeMap<String, Value>,
    /// The keys and the projections.
    indexes: BTreeMap<String, (Value, Value)>,
}

/// The table of a template.
fn table(template: &str) -> Table {
    let template: Value = serde_yaml_ng::from_str(template).expect("a template is YAML");
    let resources = template["Resources"].as_mapping().expect("resources");
    let (id, table) = resources
        .iter()
        .find(|(_, resource)| resource["Type"] == "AWS::DynamoDB::Table")
        .expect("a table");
    let properties = &table["Properties"];
    let list = |name: &str| properties[name].as_sequence().cloned().unwrap_or_default();
    let name = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    Table {
        logical_id: id.as_str().unwrap_or_default().to_owned(),
        fixed: ["TableName", "LocalSecondaryIndexes", "ImportSourceSpecification"]
            .map(|name| properties[name].clone())
            .to_vec(),
        key: properties["KeySchema"].clone(),
        attributes: list("AttributeDefinitions")
            .iter()
            .map(|one| (name(one, "AttributeName"), one["AttributeType"].clone()))
            .collect(),
        indexes: list("GlobalSecondaryIndexes")
            .iter()
            .map(|one| {
                (name(one, "IndexName"), (one["KeySchema"].clone(), one["Projection"].clone()))
            })
            .collect(),
    }
}

/// Returns what one deployment cannot do of the way from a table to another.
fn obstacles(old: &Table, new: &Table) -> Vec<String> {
    let mut found = Vec::new();
    if old.logical_id != new.logical_id {
        found.push(
            "the table has another logical id: CloudFormation would make a new, empty one"
                .to_owned(),
        );
    }
    if old.fixed != new.fixed || old.key != new.key {
        found.push(
            "the table's key, name or local indexes differ: CloudFormation would replace it"
                .to_owned(),
        );
    }
    for (name, kind) in &old.attributes {
        if new.attributes.get(name).is_some_and(|new| new != kind) {
            found.push(format!(
                "the attribute {name} is of another type: keys with it cannot be changed"
            ));
        }
    }
    for (name, index) in &old.indexes {
        if new.indexes.get(name).is_some_and(|new| new != index) {
            found.push(format!(
                "the index {name} has another key or projection: give the new one another name"
            ));
        }
    }
    let added = new
        .indexes
        .keys()
        .filter(|name| !old.indexes.contains_key(*name))
        .map(|name| format!("adds {name}"));
    let removed = old
        .indexes
        .keys()
        .filter(|name| !new.indexes.contains_key(*name))
        .map(|name| format!("removes {name}"));
    let steps: Vec<String> = added.chain(removed).collect();
    if steps.len() > 1 {
        found.push(format!(
            "one deployment makes or deletes one index, and this one {}",
            steps.join(", ")
        ));
    }
    found
}

const PRESENT: &str = include_str!("../template.yaml");

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).expect("UTF-8"))
}

#[test]
fn one_deployment_is_enough_from_the_last_release() {
    let Some(tag) = git(&["describe", "--tags", "--abbrev=0"]) else {
        println!("there is no release to upgrade from: git has no tag");
        return;
    };
    let old = git(&["show", &format!("{}:template.yaml", tag.trim())])
        .expect("the release has a template");
    let found = obstacles(&table(&old), &table(PRESENT));
    assert!(
        found.is_empty(),
        "an upgrade from {} takes more than one deployment: {found:#?}",
        tag.trim()
    );
}

/// The present table, changed in its text: as in the template of another release.
fn with(change: impl Fn(&mut Value)) -> Table {
    let mut template: Value = serde_yaml_ng::from_str(PRESENT).expect("YAML");
    change(&mut template["Resources"]["Table"]);
    table(&serde_yaml_ng::to_string(&template).expect("YAML"))
}

fn indexes(table: &mut Value) -> &mut Vec<Value> {
    table["Properties"]["GlobalSecondaryIndexes"].as_sequence_mut().expect("indexes")
}

#[test]
fn what_takes_two_deployments_or_a_new_table_is_found() {
    let present = table(PRESENT);
    assert!(present.indexes.len() > 10 && present.attributes.len() > 10, "{present:?}");
    let told = |old: &Table, new: &Table| obstacles(old, new).join("; ");
    let less = |count: usize| with(|table| indexes(table).truncate(present.indexes.len() - count));
    // One more or one less is what a deployment can do.
    for (old, new) in [(&present, &present), (&less(1), &present), (&present, &less(1))] {
        assert_eq!(told(old, new), "");
    }
    for (old, new, word) in [(&less(2), &present, "adds"), (&present, &less(2), "removes")] {
        let told = told(old, new);
        assert!(told.contains("one index") && told.matches(word).count() == 2, "{told}");
    }
    let replaced = with(|table| indexes(table)[0]["IndexName"] = "another".into());
    assert!(
        told(&present, &replaced).contains("adds another, removes"),
        "{}",
        told(&present, &replaced)
    );
    for (change, expected) in [
        (
            with(|table| indexes(table)[0]["Projection"]["ProjectionType"] = "ALL".into()),
            "another key or projection",
        ),
        (
            with(|table| indexes(table)[0]["Projection"]["NonKeyAttributes"] = Value::Null),
            "another key or projection",
        ),
        (
            with(|table| indexes(table)[0]["KeySchema"][1]["AttributeName"] = "id".into()),
            "another key or projection",
        ),
        (
            with(|table| {
                table["Properties"]["AttributeDefinitions"][0]["AttributeType"] = "N".into()
            }),
            "of another type",
        ),
        (
            with(|table| table["Properties"]["KeySchema"][1]["AttributeName"] = "id".into()),
            "would replace it",
        ),
        (with(|table| table["Properties"]["TableName"] = "roster".into()), "would replace it"),
        (Table { logical_id: "Users".into(), ..present.clone() }, "another logical id"),
    ] {
        for (old, new) in [(&present, &change), (&change, &present)] {
            assert!(told(old, new).contains(expected), "{expected}: {}", told(old, new));
        }
    }
    // What does not matter to the upgrade.
    let other = with(|table| {
        table["Properties"]["BillingMode"] = "PROVISIONED".into();
        indexes(table).reverse();
        table["Properties"]["AttributeDefinitions"]
            .as_sequence_mut()
            .expect("attributes")
            .reverse();
    });
    assert_eq!(told(&present, &other), "");
}
