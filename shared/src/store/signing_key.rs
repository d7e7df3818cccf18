//! The public half of the key that signs Roster's own tokens: one item.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;

use super::{Freshness, Store, encode, failed};
use crate::auth::PublicSigningKey;
use crate::error::Result;
use crate::table::Key;

impl Store {
    /// The key, if one was published.
    pub(crate) async fn signing_key(&self) -> Result<Option<PublicSigningKey>> {
        self.get(&Key::signing_key(), Freshness::Strong).await
    }

    /// Publishes a key, unless the present one comes from a newer secret. Says whether the table
    /// holds the key by now.
    pub(crate) async fn publish_signing_key(&self, key: &PublicSigningKey) -> Result<bool> {
        let outcome = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(encode(&Key::signing_key(), key)?))
            .condition_expression("attribute_not_exists(pk) OR secret_created_at <= :created")
            .expression_attribute_values(
                ":created",
                AttributeValue::N(key.secret_created_at.to_string()),
            )
            .send()
            .await;
        match outcome {
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                // A newer version of the secret may have the same text.
                Ok(self.signing_key().await?.is_some_and(|present| present.kid == key.kid))
            }
            outcome => outcome.map(|_| true).map_err(failed),
        }
    }
}
