//! Writes that hold together: all of them or none.

use std::time::Duration;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::builders::{DeleteBuilder, PutBuilder, UpdateBuilder};
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem, Update,
};
use uuid::Uuid;

use super::sandboxes::UsageKey;
use super::{Act, Store, failed};
use crate::Response;
use crate::error::Error;
use crate::models::{SourceAddress, Status, User};
use crate::table::{Item, Key, TTL};
use crate::time::Timestamp;

/// What a condition of a write stands for, when it is not met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is a user of that id.
    UserExists,
    /// Another user holds the email.
    EmailTaken,
    /// Another user of the team holds the username.
    UsernameTaken,
    /// Another user of the team holds the SCIM id.
    ScimIdTaken,
    /// Another user of the team holds the number.
    NumberTaken,
    /// There is a team of that id.
    TeamExists,
    /// The record changed since it was read.
    Changed,
    /// The record is what it was to become.
    Unchanged,
    /// The user is erased or deleted.
    Gone,
    /// The team is gone, or would be left without an administrator.
    LastAdmin,
    /// The team has as many sandboxes as it may have at one time.
    TooManySandboxes,
    /// The member has as large a share of the team's sandboxes as a member may have.
    MemberShareUsedUp,
    /// The team made as many sandboxes as it may in a day, or has its GB-hours of the day used or
    /// promised.
    DayUsedUp,
    /// The request was answered before.
    Answered,
    /// The team has as many managed users as it may have.
    TooManyManaged,
    /// The team has as many pending invites as it may have.
    TooManyInvites,
    /// The person has as many API keys that are not revoked as a person may have.
    TooManyKeys,
    /// The share exists.
    ShareExists,
    /// The person who shares is deleted, or lets in as many as a person may.
    NoRoomToShare,
    /// The person who is let in is deleted, or is let in by as many as a person may be.
    NoRoomForShare,
    /// An erasure has done what it may do in one turn, and has more to do.
    TurnOver,
    /// A place that nothing may be wrong with.
    Impossible,
}

/// Why a transaction did not happen.
#[derive(Debug)]
pub enum WriteError {
    /// A condition was not met: the first of the transaction.
    Refused(Refusal),
    /// It failed.
    Failed(Error),
}

impl From<Error> for WriteError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<WriteError> for Error {
    /// For callers to whom every other refusal is a surprise.
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Refused(Refusal::Gone) => Error::AccountDeleted,
            WriteError::Refused(
                Refusal::EmailTaken | Refusal::UsernameTaken | Refusal::ScimIdTaken,
            ) => Error::Conflict("User already exists".into()),
            WriteError::Refused(Refusal::LastAdmin) => Error::Conflict(
                "This would leave the team without an administrator. Make someone else one first."
                    .into(),
            ),
            WriteError::Refused(Refusal::Answered) => Error::Conflict(
                "A request with this Idempotency-Key is still running. Try again in a moment."
                    .into(),
            ),
            WriteError::Refused(refusal) => Error::internal(format!("refused: {refusal:?}")),
            WriteError::Failed(error) => error,
        }
    }
}

/// A list of writes, at most 100, with what each one's condition stands for.
#[derive(Debug)]
pub struct Transaction {
    table: String,
    writes: Vec<TransactWriteItem>,
    refusals: Vec<Refusal>,
    /// The address that the transaction notes, and its actor.
    pub(super) new_address: Option<(Uuid, SourceAddress)>,
}

/// How often a transaction that collides with another is tried again: 25 ms to 800 ms apart, 2 s in
/// all.
const ATTEMPTS: u32 = 8;

impl Transaction {
    fn push(&mut self, write: TransactWriteItem, refusal: Refusal) {
        self.writes.push(write);
        self.refusals.push(refusal);
    }

    fn push_put(&mut self, put: PutBuilder, item: Item, refusal: Refusal) -> Result<(), Error> {
        let put =
            put.table_name(&self.table).set_item(Some(item)).build().map_err(Error::internal)?;
        self.push(TransactWriteItem::builder().put(put).build(), refusal);
        Ok(())
    }

    fn push_update(
        &mut self,
        update: UpdateBuilder,
        key: &Key,
        refusal: Refusal,
    ) -> Result<(), Error> {
        let update = update
            .table_name(&self.table)
            .set_key(Some(key.item()))
            .build()
            .map_err(Error::internal)?;
        self.push(TransactWriteItem::builder().update(update).build(), refusal);
        Ok(())
    }

    fn push_delete(
        &mut self,
        delete: DeleteBuilder,
        key: &Key,
        refusal: Refusal,
    ) -> Result<(), Error> {
        let delete = delete
            .table_name(&self.table)
            .set_key(Some(key.item()))
            .build()
            .map_err(Error::internal)?;
        self.push(TransactWriteItem::builder().delete(delete).build(), refusal);
        Ok(())
    }

    /// Writes an item that must not exist.
    pub(crate) fn create(&mut self, item: Item, refusal: Refusal) -> Result<(), Error> {
        self.push_put(
            Put::builder().condition_expression("attribute_not_exists(pk)"),
            item,
            refusal,
        )
    }

    /// Turns an item from `before` into `after`, if the attribute `expected` names still has that
    /// value. Attributes that are the same in both are left as they are by then: being seen changes
    /// some of a user's without counting as a version.
    pub(crate) fn update(
        &mut self,
        key: &Key,
        expected: (&str, AttributeValue),
        before: &Item,
        after: &Item,
    ) -> Result<(), Error> {
        let mut update = Update::builder()
            .condition_expression("#expected = :expected")
            .expression_attribute_names("#expected", expected.0)
            .expression_attribute_values(":expected", expected.1);
        let mut set = Vec::new();
        let mut remove = Vec::new();
        for (place, (attribute, value)) in after
            .iter()
            .filter(|(attribute, value)| before.get(*attribute) != Some(value))
            .enumerate()
        {
            set.push(format!("#s{place} = :s{place}"));
            update = update
                .expression_attribute_names(format!("#s{place}"), attribute)
                .expression_attribute_values(format!(":s{place}"), value.clone());
        }
        for (place, attribute) in
            before.keys().filter(|attribute| !after.contains_key(*attribute)).enumerate()
        {
            remove.push(format!("#r{place}"));
            update = update.expression_attribute_names(format!("#r{place}"), attribute);
        }
        if set.is_empty() && remove.is_empty() {
            return Ok(());
        }
        let mut expression =
            if set.is_empty() { String::new() } else { format!("SET {}", set.join(", ")) };
        if !remove.is_empty() {
            expression.push_str(&format!(" REMOVE {}", remove.join(", ")));
        }
        self.push_update(update.update_expression(expression), key, Refusal::Changed)
    }

    /// Replaces an item by another, if these attributes are as they were read.
    pub(crate) fn replace(&mut self, old: &Item, new: Item, watched: &[&str]) -> Result<(), Error> {
        let mut put = Put::builder();
        let mut conditions = vec!["attribute_exists(pk)".to_owned()];
        for (place, attribute) in watched.iter().enumerate() {
            let Some(value) = old.get(*attribute) else { continue };
            conditions.push(format!("#w{place} = :w{place}"));
            put = put
                .expression_attribute_names(format!("#w{place}"), *attribute)
                .expression_attribute_values(format!(":w{place}"), value.clone());
        }
        self.push_put(put.condition_expression(conditions.join(" AND ")), new, Refusal::Changed)
    }

    /// Writes an item where that attribute is this text, or, with `None`, where there is no item.
    pub(crate) fn put_if(
        &mut self,
        item: Item,
        attribute: &str,
        text: Option<String>,
        refusal: Refusal,
    ) -> Result<(), Error> {
        let Some(text) = text else { return self.create(item, refusal) };
        let put = Put::builder()
            .condition_expression("#attribute = :text")
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_values(":text", AttributeValue::S(text));
        self.push_put(put, item, refusal)
    }

    /// Writes an item in place of one of the same key in which that attribute has another value.
    pub(crate) fn put_if_other(
        &mut self,
        item: Item,
        attribute: &str,
        refusal: Refusal,
    ) -> Result<(), Error> {
        let value = item
            .get(attribute)
            .cloned()
            .ok_or_else(|| Error::internal(format!("an item without {attribute}")))?;
        let put = Put::builder()
            .condition_expression("attribute_exists(pk) AND #attribute <> :value")
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_values(":value", value);
        self.push_put(put, item, refusal)
    }

    /// Sets texts of an item, if another attribute has that text; and when it ends by itself, where
    /// that is said.
    pub(crate) fn set_if(
        &mut self,
        key: &Key,
        texts: &[(&str, String)],
        ends: Option<Timestamp>,
        expected: (&str, &str),
        refusal: Refusal,
    ) -> Result<(), Error> {
        let mut update = Update::builder()
            .condition_expression("#expected = :expected")
            .expression_attribute_names("#expected", expected.0)
            .expression_attribute_values(":expected", AttributeValue::S(expected.1.to_owned()));
        let texts =
            texts.iter().map(|(attribute, text)| (*attribute, AttributeValue::S(text.clone())));
        let end = ends.map(|ends| (TTL, AttributeValue::N(ends.as_second().to_string())));
        let mut set = Vec::new();
        for (place, (attribute, value)) in texts.chain(end).enumerate() {
            set.push(format!("#s{place} = :s{place}"));
            update = update
                .expression_attribute_names(format!("#s{place}"), attribute)
                .expression_attribute_values(format!(":s{place}"), value);
        }
        self.push_update(update.update_expression(format!("SET {}", set.join(", "))), key, refusal)
    }

    /// Writes an item, whatever was there.
    pub(crate) fn put(&mut self, item: Item) -> Result<(), Error> {
        self.push_put(Put::builder(), item, Refusal::Impossible)
    }

    /// Refuses the transaction as `Gone` unless that user exists and is not deleted. Who adds to a
    /// user's partition asks this, so that nothing comes in while the user is erased.
    pub(crate) fn require_user(&mut self, user: Uuid) -> Result<(), Error> {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(Key::user(user).item()))
            .condition_expression("attribute_exists(pk) AND #status <> :deleted")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(
                ":deleted",
                AttributeValue::S(Status::Deleted.as_str().to_owned()),
            )
            .build()
            .map_err(Error::internal)?;
        self.push(TransactWriteItem::builder().condition_check(check).build(), Refusal::Gone);
        Ok(())
    }

    /// Moves a team's counts of administrators by what a user was and is. With `keeps_admin` the
    /// last one stays.
    pub(crate) fn count_admins(
        &mut self,
        before: Option<&User>,
        after: Option<&User>,
        keeps_admin: bool,
    ) -> Result<(), Error> {
        let count = |is: fn(&User) -> bool| {
            i64::from(after.is_some_and(is)) - i64::from(before.is_some_and(is))
        };
        let (admins, service_admins) = (count(User::governs), count(User::is_service_admin));
        let Some(user) = after.or(before).filter(|_| admins != 0 || service_admins != 0) else {
            return Ok(());
        };
        let (key, amounts) =
            (Key::team(user.team_id), &[("admins", admins), ("service_admins", service_admins)]);
        if keeps_admin && admins < 0 {
            self.add_if(&key, amounts, "admins > :one", &[(":one", 1)], Refusal::LastAdmin)
        } else {
            self.add_if(&key, amounts, "attribute_exists(pk)", &[], Refusal::LastAdmin)
        }
    }

    /// Deletes an item, if it exists.
    pub(crate) fn delete(&mut self, key: &Key) -> Result<(), Error> {
        self.push_delete(Delete::builder(), key, Refusal::Impossible)
    }

    /// Deletes an item that is still at `version`.
    pub(crate) fn delete_version(&mut self, key: &Key, version: u64) -> Result<(), Error> {
        let delete = Delete::builder()
            .condition_expression("version = :version")
            .expression_attribute_values(":version", AttributeValue::N(version.to_string()));
        self.push_delete(delete, key, Refusal::Changed)
    }

    /// Deletes an item whose attribute has that text.
    pub(crate) fn delete_if(
        &mut self,
        key: &Key,
        attribute: &str,
        text: &str,
    ) -> Result<(), Error> {
        let delete = Delete::builder()
            .condition_expression("#attribute = :text")
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_values(":text", AttributeValue::S(text.to_owned()));
        self.push_delete(delete, key, Refusal::Changed)
    }

    /// Adds to numbers of an item, which is made if it does not exist.
    pub(crate) fn add(&mut self, key: &Key, amounts: &[(&str, i64)]) -> Result<(), Error> {
        self.add_to(key, amounts, Update::builder(), Refusal::Impossible)
    }

    /// The same under a condition, with the numbers in it.
    pub(crate) fn add_if(
        &mut self,
        key: &Key,
        amounts: &[(&str, i64)],
        condition: &str,
        numbers: &[(&str, i64)],
        refusal: Refusal,
    ) -> Result<(), Error> {
        let mut update = Update::builder().condition_expression(condition);
        for (name, number) in numbers {
            update =
                update.expression_attribute_values(*name, AttributeValue::N(number.to_string()));
        }
        self.add_to(key, amounts, update, refusal)
    }

    /// Adds texts to a set of an item, which is made if it does not exist; with `most`, only where
    /// it has fewer.
    pub(crate) fn add_to_set(
        &mut self,
        key: &Key,
        attribute: &str,
        texts: Vec<String>,
        most: Option<u32>,
        refusal: Refusal,
    ) -> Result<(), Error> {
        let mut update = Update::builder()
            .update_expression("ADD #set :texts")
            .expression_attribute_names("#set", attribute)
            .expression_attribute_values(":texts", AttributeValue::Ss(texts));
        if let Some(most) = most {
            update = update
                .condition_expression("attribute_not_exists(#set) OR size(#set) < :most")
                .expression_attribute_values(":most", AttributeValue::N(most.to_string()));
        }
        self.push_update(update, key, refusal)
    }

    /// Takes texts out of a set of an item, where they are in it.
    pub(crate) fn take_from_set(
        &mut self,
        key: &Key,
        attribute: &str,
        texts: Vec<String>,
    ) -> Result<(), Error> {
        let update = Update::builder()
            .update_expression("DELETE #set :texts")
            .expression_attribute_names("#set", attribute)
            .expression_attribute_values(":texts", AttributeValue::Ss(texts));
        self.push_update(update, key, Refusal::Impossible)
    }

    /// Adds to a number of a user, who exists: with `most`, only of one who is not deleted and has
    /// less. It is no change of theirs.
    pub(crate) fn count_on_user(
        &mut self,
        user: Uuid,
        attribute: &str,
        amount: i64,
        most: Option<u32>,
        refusal: Refusal,
    ) -> Result<(), Error> {
        let mut update = Update::builder()
            .update_expression("ADD #count :amount")
            .expression_attribute_names("#count", attribute)
            .expression_attribute_values(":amount", AttributeValue::N(amount.to_string()));
        update = match most {
            None => update.condition_expression("attribute_exists(pk)"),
            Some(most) => {
                let room = "(attribute_not_exists(#count) OR #count < :most)";
                update
                    .condition_expression(format!(
                        "attribute_exists(pk) AND #status <> :deleted AND {room}"
                    ))
                    .expression_attribute_names("#status", "status")
                    .expression_attribute_values(
                        ":deleted",
                        AttributeValue::S(Status::Deleted.as_str().to_owned()),
                    )
                    .expression_attribute_values(":most", AttributeValue::N(most.to_string()))
            }
        };
        self.push_update(update, &Key::user(user), refusal)
    }

    fn add_to(
        &mut self,
        key: &Key,
        amounts: &[(&str, i64)],
        mut update: UpdateBuilder,
        refusal: Refusal,
    ) -> Result<(), Error> {
        let mut terms = Vec::new();
        for (place, (attribute, amount)) in amounts.iter().enumerate() {
            terms.push(format!("#a{place} :a{place}"));
            update = update
                .expression_attribute_names(format!("#a{place}"), *attribute)
                .expression_attribute_values(
                    format!(":a{place}"),
                    AttributeValue::N(amount.to_string()),
                );
        }
        if terms.is_empty() {
            return Ok(());
        }
        self.push_update(
            update.update_expression(format!("ADD {}", terms.join(", "))),
            key,
            refusal,
        )
    }

    /// Adds to the figures of a team's usage day, which is made if it does not exist; with a
    /// condition, and the numbers in it, only where that holds.
    pub(super) fn use_day(
        &mut self,
        key: &Key,
        amounts: &[(&str, String)],
        condition: Option<(&str, &[(&str, i64)])>,
        day: &UsageKey<'_>,
    ) -> Result<(), Error> {
        let mut update = Update::builder();
        let mut terms = Vec::new();
        for (place, (attribute, amount)) in amounts.iter().enumerate() {
            terms.push(format!("{attribute} :a{place}"));
            update = update.expression_attribute_values(
                format!(":a{place}"),
                AttributeValue::N(amount.clone()),
            );
        }
        // The others must be there as well for the day to be read.
        let missing = ["sandbox_creates", "gb_hours"]
            .into_iter()
            .filter(|name| !terms.iter().any(|term| term.starts_with(*name)));
        let missing: Vec<_> =
            missing.map(|name| format!("{name} = if_not_exists({name}, :zero)")).collect();
        let set =
            [&["team_id = :team, usage_date = :date, updated_at = :at".to_owned()][..], &missing]
                .concat()
                .join(", ");
        update = update
            .update_expression(format!("ADD {} SET {set}", terms.join(", ")))
            .expression_attribute_values(":team", AttributeValue::S(day.team.to_string()))
            .expression_attribute_values(":date", AttributeValue::S(day.date.to_owned()))
            .expression_attribute_values(":at", AttributeValue::S(day.at.to_string()))
            .expression_attribute_values(":zero", AttributeValue::N("0".to_owned()));
        if let Some((condition, numbers)) = condition {
            update = update.condition_expression(condition);
            for (name, number) in numbers {
                update = update
                    .expression_attribute_values(*name, AttributeValue::N(number.to_string()));
            }
        }
        self.push_update(update, key, Refusal::DayUsedUp)
    }

    /// Puts a write before all others: its refusal counts first.
    pub(crate) fn put_first(&mut self, put: Put, refusal: Refusal) {
        self.writes.insert(0, TransactWriteItem::builder().put(put).build());
        self.refusals.insert(0, refusal);
    }
}

impl Store {
    /// A transaction with nothing in it yet.
    pub(crate) fn transaction(&self) -> Transaction {
        Transaction {
            table: self.table.clone(),
            writes: Vec::new(),
            refusals: Vec::new(),
            new_address: None,
        }
    }

    /// Makes all the writes of a change or none, and keeps the change's answer with them, where the
    /// request has an `Idempotency-Key`.
    pub(crate) async fn commit_answered(
        &self,
        mut transaction: Transaction,
        act: &Act,
        answer: &Response,
    ) -> Result<(), WriteError> {
        if let Some(receipt) = &act.receipt {
            transaction.put_first(receipt.put(&self.table, answer)?, Refusal::Answered);
        }
        self.commit(transaction).await?;
        if let Some(receipt) = &act.receipt {
            receipt.is_kept();
        }
        Ok(())
    }

    /// Makes all the writes or none.
    ///
    /// A collision with another transaction is tried again under the same request token, so that an
    /// answer that was lost does not write twice: the SDK makes a new token for every call and does
    /// not retry collisions.
    pub(crate) async fn commit(&self, transaction: Transaction) -> Result<(), WriteError> {
        let token = Uuid::new_v4().to_string();
        for attempt in 0..ATTEMPTS {
            back_off(attempt).await;
            let outcome = self
                .client
                .transact_write_items()
                .client_request_token(&token)
                .set_transact_items(Some(transaction.writes.clone()))
                .send()
                .await;
            let Err(error) = outcome else {
                if let Some(new) = transaction.new_address {
                    self.remember_address(new);
                }
                return Ok(());
            };
            if let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
                error.as_service_error()
            {
                // The reasons stand in the order of the writes.
                let codes = canceled
                    .cancellation_reasons()
                    .iter()
                    .map(|reason| reason.code().unwrap_or("None"));
                let unmet = codes
                    .clone()
                    .zip(&transaction.refusals)
                    .find(|(code, _)| *code == "ConditionalCheckFailed");
                if let Some((_, refusal)) = unmet {
                    return Err(WriteError::Refused(*refusal));
                }
                let passing =
                    ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
                if codes.clone().any(|code| passing.contains(&code)) {
                    continue;
                }
                let reasons: Vec<_> = codes.collect();
                return Err(WriteError::Failed(Error::internal(format!(
                    "cancelled: {reasons:?} {:?}",
                    canceled.message()
                ))));
            }
            if error
                .as_service_error()
                .is_some_and(|error| error.code() == Some("TransactionInProgressException"))
            {
                continue;
            }
            return Err(WriteError::Failed(failed(error)));
        }
        Err(WriteError::Failed(Error::Unavailable(
            "the transaction kept colliding with others".into(),
        )))
    }
}

/// Waits before the n-th attempt: not at all before the first, then 25 ms doubling up to 800 ms,
/// each with jitter.
pub(crate) async fn back_off(attempt: u32) {
    if attempt > 0 {
        tokio::time::sleep(pause(attempt, Uuid::new_v4().as_fields().0)).await;
    }
}

/// The wait before the n-th attempt, between a half and the whole of the most that it may be.
fn pause(attempt: u32, chance: u32) -> Duration {
    let most = 25_u64 << (attempt - 1).min(5);
    let jitter = u64::from(chance) % most;
    Duration::from_millis(most / 2 + jitter / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_differ() {
        for (attempt, least, most) in [
            (1, 12, 24),
            (2, 25, 49),
            (3, 50, 99),
            (5, 200, 399),
            (6, 400, 799),
            (7, 400, 799),
            (100, 400, 799),
        ] {
            let pauses: Vec<_> =
                (0..10_000).map(|chance| pause(attempt, chance).as_millis()).collect();
            assert_eq!(
                (pauses.iter().min(), pauses.iter().max()),
                (Some(&least), Some(&most)),
                "attempt {attempt}"
            );
        }
    }
}
