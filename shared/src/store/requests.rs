//! How many requests a caller sends: counted in the table, so that a limit holds across all
//! execution environments.

use std::num::NonZeroU32;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use uuid::Uuid;

use super::{Store, failed};
use crate::error::{Error, Result};
use crate::table::{Key, TTL};
use crate::time::Timestamp;

impl Store {
    /// Counts requests of a caller: one, or as many as the work of one is worth. A call that the
    /// SDK repeats may count twice, to the caller's cost.
    ///
    /// # Errors
    /// `TooManyRequests` where the caller had sent `most` since the minute began.
    pub async fn count_requests(
        &self,
        caller: Uuid,
        requests: u32,
        most: NonZeroU32,
        now: Timestamp,
    ) -> Result<()> {
        let minute = now.as_second().div_euclid(60);
        let end = (minute + 1) * 60;
        let output = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::requests(caller, minute).item()))
            .update_expression("ADD requests :sent SET #expires = :end")
            .expression_attribute_names("#expires", TTL)
            .expression_attribute_values(":sent", AttributeValue::N(requests.to_string()))
            .expression_attribute_values(":end", AttributeValue::N(end.to_string()))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await
            .map_err(failed)?;
        let sent = output
            .attributes
            .and_then(|attributes| attributes.get("requests")?.as_n().ok()?.parse().ok());
        match sent {
            Some(1_u32..)
                if sent.is_some_and(|sent| sent.saturating_sub(requests) < most.get()) =>
            {
                Ok(())
            }
            Some(_) => Err(Error::TooManyRequests(end - now.as_second())),
            None => Err(Error::internal("the count of requests is no number")),
        }
    }
}
