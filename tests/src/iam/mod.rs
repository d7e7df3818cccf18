//! IAM's evaluation of policies, as far as the template uses it: a Deny that matches wins, an Allow
//! that matches permits, and the rest is refused.

pub mod calls;
pub mod policies;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use aws_sdk_dynamodb::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use serde_yaml_ng::Value;

use calls::{Call, Resource, calls_of};
use policies::Policies;

/// The result of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A statement allows the call, and none denies it.
    Allowed,
    /// No statement allows the call.
    NotAllowed,
    /// A statement denies the call.
    Denied,
}

/// A statement of a policy.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The managed policy that has it; none for one of the function's own.
    pub policy: Option<String>,
    /// Its name in the managed policy.
    pub sid: String,
    /// True for Deny, false for Allow.
    pub denies: bool,
    /// Its actions.
    pub actions: Vec<String>,
    /// Its resources.
    pub resources: Vec<Resource>,
    /// Its conditions, all of which must be met.
    pub conditions: Vec<Condition>,
}

/// A condition on one key of a request's context.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The operator, such as `ForAllValues:StringLike`.
    pub operator: String,
    /// The context key, such as `dynamodb:LeadingKeys`.
    pub key: String,
    /// The values that it is compared with.
    pub values: Vec<String>,
}

impl Statement {
    /// True where action, resource and every condition match.
    pub fn matches(&self, call: &Call) -> bool {
        let is_named =
            self.actions.contains(&call.action) && self.resources.contains(&call.resource);
        is_named && self.conditions.iter().all(|condition| condition.is_met(call))
    }

    /// True where it allows, and matches.
    pub fn allows(&self, call: &Call) -> bool {
        !self.denies && self.matches(call)
    }

    /// The values that its conditions on a key list; none where it has no such condition.
    pub fn listed(&self, key: &str) -> Option<BTreeSet<&str>> {
        let mut of_key = self.conditions.iter().filter(|condition| condition.key == key).peekable();
        of_key.peek()?;
        Some(of_key.flat_map(|condition| condition.values.iter().map(String::as_str)).collect())
    }
}

impl Condition {
    fn is_met(&self, call: &Call) -> bool {
        let present: Vec<&str> = match self.key.as_str() {
            "dynamodb:LeadingKeys" => call.keys.iter().map(String::as_str).collect(),
            "dynamodb:Attributes" => call.attributes.iter().map(String::as_str).collect(),
            "dynamodb:ReturnValues" => call.return_values.as_deref().into_iter().collect(),
            // Secrets Manager decrypts, by the key of the secret that it was asked for.
            "kms:ViaService" => {
                let via = "secretsmanager.${AWS::Region}.${AWS::URLSuffix}";
                (call.action == "kms:Decrypt").then_some(via).into_iter().collect()
            }
            key => panic!("the context key {key} is not known here"),
        };
        let (quantifier, operator) = self.operator.split_once(':').unwrap_or(("", &self.operator));
        let (operator, if_exists) = operator
            .strip_suffix("IfExists")
            .map_or((operator, false), |operator| (operator, true));
        let compare = |value: &&str| match operator {
            "StringEquals" => self.values.iter().any(|expected| expected == value),
            "StringLike" => self.values.iter().any(|pattern| like(pattern, value)),
            operator => panic!("the operator {operator} is not known here"),
        };
        match quantifier {
            // Met by no value at all, as AWS has it.
            "ForAllValues" => present.iter().all(compare),
            "ForAnyValue" => present.iter().any(compare),
            "" => present.first().map_or(if_exists, compare),
            quantifier => panic!("the quantifier {quantifier} is not known here"),
        }
    }
}

/// Compares a text with a pattern, in which `*` stands for any text.
pub fn like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|left| {
            let ends = left.char_indices().map(|(place, _)| place).chain([left.len()]);
            ends.into_iter().any(|place| like(rest, &left[place..]))
        }),
    }
}

/// Evaluates the policies of a role for a call.
pub fn decide<'a>(statements: impl IntoIterator<Item = &'a Statement>, call: &Call) -> Decision {
    let mut decision = Decision::NotAllowed;
    for statement in statements.into_iter().filter(|statement| statement.matches(call)) {
        if statement.denies {
            return Decision::Denied;
        }
        decision = Decision::Allowed;
    }
    decision
}

/// Reads the conditions of a statement.
///
/// # Panics
/// Where they are not of IAM's form.
pub fn conditions(block: Option<&Value>) -> Vec<Condition> {
    let text = |value: &Value| match value {
        Value::Tagged(tagged) if tagged.tag == "Sub" => {
            tagged.value.as_str().expect("a text").to_owned()
        }
        value => value.as_str().unwrap_or_else(|| panic!("{value:?} is no text")).to_owned(),
    };
    let mut conditions = Vec::new();
    let Some(block) = block else { return conditions };
    for (operator, keys) in block.as_mapping().expect("operators") {
        for (key, values) in keys.as_mapping().expect("context keys") {
            let values = values
                .as_sequence()
                .map_or_else(|| vec![text(values)], |values| values.iter().map(text).collect());
            conditions.push(Condition { operator: text(operator), key: text(key), values });
        }
    }
    conditions
}

/// Holds each handler's calls against the policies of its function: one that the template does not
/// permit fails, as it would in the cloud.
#[derive(Debug)]
pub struct Enforcer;

impl Intercept for Enforcer {
    fn name(&self) -> &'static str {
        "enforcer"
    }

    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        static POLICIES: LazyLock<Policies> = LazyLock::new(policies::read);
        // What no handler does is done by a test.
        let Ok(handler) = local::HANDLER.try_with(|handler| *handler) else { return Ok(()) };
        for call in calls_of(context.input())?.0 {
            let decision = decide(&POLICIES[handler], &call);
            if decision != Decision::Allowed {
                let refusal =
                    format!("{handler} makes {call}, which is {decision:?} by template.yaml");
                eprintln!("{refusal}");
                return Err(refusal.into());
            }
        }
        Ok(())
    }
}
