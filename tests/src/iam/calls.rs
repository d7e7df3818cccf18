//! The calls of DynamoDB and Secrets Manager as IAM judges them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemInput;
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemInput;
use aws_sdk_dynamodb::operation::get_item::GetItemInput;
use aws_sdk_dynamodb::operation::put_item::PutItemInput;
use aws_sdk_dynamodb::operation::query::QueryInput;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsInput;
use aws_sdk_dynamodb::operation::update_item::UpdateItemInput;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use aws_smithy_runtime_api::client::interceptors::context::Input;
use shared::config::SecretNeeds;
use shared::table::PK;

/// The thing that a permission is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// The table.
    #[default]
    Table,
    /// One of its indexes.
    Index(String),
    /// A secret, or the key that encrypts one, by its name in the template.
    Secret(String),
}

impl fmt::Display for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table => formatter.write_str("the table"),
            Self::Index(index) => write!(formatter, "the index {index}"),
            Self::Secret(name) => formatter.write_str(name),
        }
    }
}

/// A write or a read as IAM judges it.
///
/// A transaction asks for each write in it. AWS does not say whether it judges each write alone, or
/// all writes of a kind together: both are noted, and both must be permitted.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// `dynamodb:PutItem`.
    pub action: String,
    /// Its object.
    pub resource: Resource,
    /// The text that the partition keys begin with: `USER#`. None for an index, whose partition key
    /// is another attribute.
    pub keys: BTreeSet<String>,
    /// The attributes that it names: those of keys and items, and those in expressions.
    pub attributes: BTreeSet<String>,
    /// The values that it asks to get back.
    pub return_values: Option<String>,
    /// True for a put that happens only where no item stands.
    pub on_absence: bool,
    /// True for several writes of one kind in a transaction, taken together.
    pub together: bool,
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let together = if self.together { "together, " } else { "" };
        write!(
            formatter,
            "{together}{} on {} {:?}, naming {:?}",
            self.action, self.resource, self.keys, self.attributes
        )?;
        self.return_values
            .as_ref()
            .map_or(Ok(()), |values| write!(formatter, ", returning {values}"))
    }
}

impl Call {
    fn of<'a>(
        action: &str,
        items: impl IntoIterator<Item = &'a Attributes>,
        named: BTreeSet<String>,
    ) -> Self {
        let items: Vec<_> = items.into_iter().collect();
        Self {
            action: format!("dynamodb:{action}"),
            keys: items.iter().filter_map(|item| kind(item.get(PK)?)).collect(),
            attributes: items.iter().flat_map(|item| item.keys().cloned()).chain(named).collect(),
            ..Self::default()
        }
    }

    /// Several writes as one.
    fn together(calls: &[Self]) -> Option<Self> {
        let first = calls.first().filter(|_| calls.len() > 1)?;
        Some(Self {
            keys: calls.iter().flat_map(|call| call.keys.clone()).collect(),
            attributes: calls.iter().flat_map(|call| call.attributes.clone()).collect(),
            on_absence: calls.iter().all(|call| call.on_absence),
            together: true,
            ..first.clone()
        })
    }
}

type Attributes = HashMap<String, AttributeValue>;
type Names = Option<HashMap<String, String>>;

/// The attributes that expressions name at the top of an item.
fn named(expressions: &[&Option<String>], names: &Names) -> BTreeSet<String> {
    const WORDS: [&str; 9] =
        ["SET", "REMOVE", "ADD", "DELETE", "AND", "OR", "NOT", "BETWEEN", "IN"];
    let mut found = BTreeSet::new();
    for expression in expressions.iter().filter_map(|expression| expression.as_deref()) {
        let mut rest = expression;
        while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric() || "#:_".contains(c))
        {
            let word = &rest[start..];
            let end = word
                .find(|c: char| !(c.is_ascii_alphanumeric() || "#:_.[]".contains(c)))
                .unwrap_or(word.len());
            let (word, after) = word.split_at(end);
            rest = after;
            let top = word.split(['.', '[']).next().unwrap_or_default();
            let is_function = after.trim_start().starts_with('(') && !WORDS.contains(&top);
            let is_number = top.bytes().all(|byte| byte.is_ascii_digit());
            if is_function || is_number || top.starts_with(':') || WORDS.contains(&top) {
                continue;
            }
            let name = if top.starts_with('#') {
                names.as_ref().and_then(|names| names.get(top))
            } else {
                None
            };
            found.insert(name.map_or(top, String::as_str).to_owned());
        }
    }
    found
}

/// True where a condition is met by no item that stands.
fn on_absence(condition: &Option<String>) -> bool {
    condition.as_deref() == Some("attribute_not_exists(pk)")
}

/// The calls by which a function reads its secrets. A customer key may encrypt that of the identity
/// provider.
pub fn of_secrets(needs: SecretNeeds) -> Vec<Call> {
    let read = "secretsmanager:GetSecretValue";
    let all = [
        (needs.verify, read, "JwtSecretArn"),
        (needs.verify, "kms:Decrypt", "JwtSecretKeyArn"),
        (needs.sign, read, "SigningSecret"),
        (needs.store_responses, read, "ResponseSecret"),
    ];
    let needed = all.into_iter().filter(|(is_needed, ..)| *is_needed);
    let call = |action: &str, name: &str| Call {
        action: action.to_owned(),
        resource: Resource::Secret(name.to_owned()),
        ..Call::default()
    };
    needed.map(|(_, action, name)| call(action, name)).collect()
}

/// The calls that a request of the SDK asks permission for, and the tables that they reach.
///
/// # Errors
/// Where a call has no partition key that can be told, or is of an operation that is not known
/// here.
pub fn calls_of(input: &Input) -> Result<(Vec<Call>, Vec<&str>), BoxError> {
    let mut calls = Vec::new();
    let mut tables: Vec<&str> = Vec::new();
    if let Some(input) = input.downcast_ref::<GetItemInput>() {
        tables.extend(input.table_name.as_deref());
        let named = named(&[&input.projection_expression], &input.expression_attribute_names);
        calls.push(Call::of("GetItem", &input.key, named));
    } else if let Some(input) = input.downcast_ref::<PutItemInput>() {
        tables.extend(input.table_name.as_deref());
        let named = named(&[&input.condition_expression], &input.expression_attribute_names);
        let return_values = input.return_values.as_ref().map(|values| values.as_str().to_owned());
        let on_absence = on_absence(&input.condition_expression);
        calls.push(Call { return_values, on_absence, ..Call::of("PutItem", &input.item, named) });
    } else if let Some(input) = input.downcast_ref::<UpdateItemInput>() {
        tables.extend(input.table_name.as_deref());
        let named = named(
            &[&input.update_expression, &input.condition_expression],
            &input.expression_attribute_names,
        );
        let return_values = input.return_values.as_ref().map(|values| values.as_str().to_owned());
        calls.push(Call { return_values, ..Call::of("UpdateItem", &input.key, named) });
    } else if let Some(input) = input.downcast_ref::<QueryInput>() {
        tables.extend(input.table_name.as_deref());
        let expressions = [
            &input.key_condition_expression,
            &input.filter_expression,
            &input.projection_expression,
        ];
        let mut call =
            Call::of("Query", None, named(&expressions, &input.expression_attribute_names));
        match &input.index_name {
            Some(index) => call.resource = Resource::Index(index.clone()),
            None => {
                let partition =
                    input.expression_attribute_values.as_ref().and_then(|values| values.get(":pk"));
                call.keys.extend(partition.and_then(kind));
            }
        }
        calls.push(call);
    } else if let Some(input) = input.downcast_ref::<BatchGetItemInput>() {
        let asked = input.request_items.iter().flatten();
        tables.extend(asked.clone().map(|(table, _)| table.as_str()));
        calls.push(Call::of(
            "BatchGetItem",
            asked.flat_map(|(_, keys)| &keys.keys),
            BTreeSet::new(),
        ));
    } else if let Some(input) = input.downcast_ref::<BatchWriteItemInput>() {
        // Whatever it puts and deletes, this is the one permission that it asks for.
        let asked = input.request_items.iter().flatten();
        tables.extend(asked.clone().map(|(table, _)| table.as_str()));
        let items = asked.flat_map(|(_, writes)| writes).filter_map(|write| {
            let put = write.put_request.as_ref().map(|put| &put.item);
            put.or_else(|| write.delete_request.as_ref().map(|delete| &delete.key))
        });
        calls.push(Call::of("BatchWriteItem", items, BTreeSet::new()));
    } else if let Some(input) = input.downcast_ref::<TransactWriteItemsInput>() {
        let mut kinds: BTreeMap<String, Vec<Call>> = BTreeMap::new();
        for write in input.transact_items.iter().flatten() {
            let (table, call) = part(write).ok_or("a write of a transaction is none")?;
            tables.push(table);
            kinds.entry(call.action.clone()).or_default().push(call);
        }
        for writes in kinds.into_values() {
            calls.extend(Call::together(&writes));
            calls.extend(writes);
        }
    } else {
        return Err(format!("no policy has {input:?}").into());
    }
    let no_key = calls.iter().find(|call| call.resource == Resource::Table && call.keys.is_empty());
    if let Some(call) = no_key {
        return Err(format!("the partition keys of {call} are not known").into());
    }
    Ok((calls, tables))
}

/// A write of a transaction: its table, and how IAM judges it alone.
fn part(write: &TransactWriteItem) -> Option<(&str, Call)> {
    if let Some(put) = &write.put {
        let named = named(&[&put.condition_expression], &put.expression_attribute_names);
        let on_absence = on_absence(&put.condition_expression);
        return Some((
            &put.table_name,
            Call { on_absence, ..Call::of("PutItem", [&put.item], named) },
        ));
    }
    if let Some(update) = &write.update {
        let expressions = [&Some(update.update_expression.clone()), &update.condition_expression];
        let named = named(&expressions, &update.expression_attribute_names);
        return Some((&update.table_name, Call::of("UpdateItem", [&update.key], named)));
    }
    if let Some(delete) = &write.delete {
        let named = named(&[&delete.condition_expression], &delete.expression_attribute_names);
        return Some((&delete.table_name, Call::of("DeleteItem", [&delete.key], named)));
    }
    let check = write.condition_check.as_ref()?;
    let named =
        named(&[&Some(check.condition_expression.clone())], &check.expression_attribute_names);
    Some((&check.table_name, Call::of("ConditionCheckItem", [&check.key], named)))
}

fn kind(key: &AttributeValue) -> Option<String> {
    let key = key.as_s().ok()?;
    Some(key.find('#').map_or(key.as_str(), |end| &key[..=end]).to_owned())
}
