//! The installation's own namespace of people's ids: one item, made once.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Freshness, Store, encode, failed};
use crate::error::{Error, Result};
use crate::table::Key;

/// The item.
#[derive(Serialize, Deserialize)]
struct PersonNamespace {
    namespace: Uuid,
}

impl Store {
    /// Returns the namespace, if it was made.
    pub(crate) async fn person_namespace(&self) -> Result<Option<Uuid>> {
        let item: Option<PersonNamespace> =
            self.get(&Key::person_namespace(), Freshness::Strong).await?;
        Ok(item.map(|item| item.namespace))
    }

    /// Makes the namespace, unless another process was faster. Returns the one that stands.
    pub(crate) async fn make_person_namespace(&self) -> Result<Uuid> {
        let made = PersonNamespace { namespace: Uuid::new_v4() };
        let outcome = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(encode(&Key::person_namespace(), &made)?))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await;
        match outcome {
            Ok(_) => Ok(made.namespace),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                let standing = self.person_namespace().await?;
                standing.ok_or_else(|| Error::internal("the namespace of people's ids is gone"))
            }
            Err(error) => Err(failed(error)),
        }
    }
}
