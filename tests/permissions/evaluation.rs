//! The evaluation of policies is that of IAM.
use serde_yaml_ng::Value;
use tests::iam::calls::{Call, Resource};
use tests::iam::{Decision, Statement, conditions, decide, like};

fn statement(text: &str) -> Statement {
    let value: Value = serde_yaml_ng::from_str(text).expect("YAML");
    Statement {
        policy: None,
        sid: String::new(),
        denies: value["Effect"] == "Deny",
        actions: vec!["dynamodb:UpdateItem".to_owned()],
        resources: vec![Resource::Table],
        conditions: conditions(value.get("Condition")),
    }
}

fn update(keys: &[&str], attributes: &[&str], return_values: Option<&str>) -> Call {
    let all = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Call {
        action: "dynamodb:UpdateItem".to_owned(),
        keys: all(keys),
        attributes: all(attributes),
        return_values: return_values.map(str::to_owned),
        ..Call::default()
    }
}

#[test]
fn a_deny_wins_over_an_allow_in_any_order() {
    let allow = statement("{Effect: Allow}");
    let deny = statement(
        "{Effect: Deny, Condition: {'ForAnyValue:StringEquals': {'dynamodb:Attributes': [is_operator]}}}",
    );
    let harmless = update(&["USER#"], &["pk", "sk", "name"], None);
    let forbidden = update(&["USER#"], &["pk", "sk", "name", "is_operator"], None);
    for order in [[&allow, &deny], [&deny, &allow]] {
        assert_eq!(decide(order, &harmless), Decision::Allowed);
        assert_eq!(decide(order, &forbidden), Decision::Denied);
    }
    assert_eq!(decide([&deny], &harmless), Decision::NotAllowed);
}

#[test]
fn all_values_must_be_listed_and_any_is_enough() {
    let all = statement(
        "{Effect: Allow, Condition: {'ForAllValues:StringLike': {'dynamodb:LeadingKeys': ['USER#*', TIER]}}}",
    );
    let any = statement(
        "{Effect: Allow, Condition: {'ForAnyValue:StringLike': {'dynamodb:LeadingKeys': ['USER#*', TIER]}}}",
    );
    for (keys, by_all, by_any) in [
        (vec!["USER#1"], true, true),
        (vec!["USER#1", "TIER"], true, true),
        (vec!["USER#1", "TEAM#1"], false, true),
        (vec!["TIERS"], false, false),
        (vec![], true, false),
    ] {
        let call = update(&keys, &[], None);
        assert_eq!((all.matches(&call), any.matches(&call)), (by_all, by_any), "{keys:?}");
    }
}

#[test]
fn single_values_must_be_there_unless_the_operator_says_otherwise() {
    let exact =
        statement("{Effect: Allow, Condition: {StringEquals: {'dynamodb:ReturnValues': NONE}}}");
    let if_exists = statement(
        "{Effect: Allow, Condition: {StringEqualsIfExists: {'dynamodb:ReturnValues': NONE}}}",
    );
    for (values, by_exact, by_if_exists) in
        [(None, false, true), (Some("NONE"), true, true), (Some("ALL_OLD"), false, false)]
    {
        let call = update(&["USER#"], &[], values);
        assert_eq!(
            (exact.matches(&call), if_exists.matches(&call)),
            (by_exact, by_if_exists),
            "{values:?}"
        );
    }
}

#[test]
fn every_condition_must_be_met() {
    let both = statement(
        "{Effect: Allow, Condition: {'ForAllValues:StringEquals': {'dynamodb:LeadingKeys': ['A'], 'dynamodb:Attributes': ['pk']}}}",
    );
    assert!(both.matches(&update(&["A"], &["pk"], None)));
    assert!(!both.matches(&update(&["A"], &["pk", "other"], None)));
    assert!(!both.matches(&update(&["B"], &["pk"], None)));
}

#[test]
fn patterns() {
    for (pattern, text, expected) in [
        ("USER#*", "USER#", true),
        ("USER#*", "USER#1", true),
        ("USER#*", "USER", false),
        ("*", "", true),
        ("A*C*E", "ABCDE", true),
        ("A*C*E", "ABCD", false),
        ("TIER", "TIER", true),
        ("TIER", "TIERS", false),
    ] {
        assert_eq!(like(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn lengths_are_those_of_json_without_white_space() {
    let value: Value =
        serde_yaml_ng::from_str("{Effect: Allow, Action: ['dynamodb:GetItem', 'dynamodb:Query']}")
            .expect("YAML");
    assert_eq!(
        tests::iam::policies::length(&value),
        r#"{"Effect":"Allow","Action":["dynamodb:GetItem","dynamodb:Query"]}"#.len()
    );
}
