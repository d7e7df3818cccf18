//! The numbers of a team's users: rising, and never used again.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use uuid::Uuid;

use super::{Store, failed};
use crate::error::{Error, Result};
use crate::table::Key;

/// The numbers that this process has taken for each team and not yet given. They are taken a few at
/// a time, so that making a user mostly waits for no extra call; a process that ends leaves the
/// rest of its few as a gap.
#[derive(Default)]
pub struct Leases(Mutex<HashMap<Uuid, Range<u64>>>);

/// How many are taken at a time, and how many teams are remembered.
const LEASE: u64 = 8;
const TEAMS: usize = 1024;

impl Leases {
    fn next(&self, team: Uuid) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&team)?.next()
    }

    fn keep(&self, team: Uuid, numbers: Range<u64>) {
        let mut leases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if leases.len() >= TEAMS {
            leases.clear();
        }
        leases.insert(team, numbers);
    }
}

impl Store {
    /// A number of that team, which nobody else gets.
    pub(crate) async fn next_number(&self, team: Uuid) -> Result<u64> {
        if let Some(number) = self.numbers.next(team) {
            return Ok(number);
        }
        let mut taken = self.take_numbers(team, LEASE).await?;
        let number = taken.next().ok_or_else(|| Error::internal("no number taken"))?;
        self.numbers.keep(team, taken);
        Ok(number)
    }

    /// Takes so many numbers of that team at once.
    pub async fn take_numbers(&self, team: Uuid, count: u64) -> Result<Range<u64>> {
        let output = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::numbers(team).item()))
            .update_expression("ADD last_number :count")
            .expression_attribute_values(":count", AttributeValue::N(count.to_string()))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await
            .map_err(failed)?;
        let last: u64 = output
            .attributes()
            .and_then(|attributes| attributes.get("last_number")?.as_n().ok()?.parse().ok())
            .ok_or_else(|| Error::internal("the counter of numbers holds no number"))?;
        Ok(last + 1 - count..last + 1)
    }
}
