//! Receipts: the answer to a request with an `Idempotency-Key`, kept in the transaction of what the
//! request did. Sent again within a day, the request gets its first answer and does nothing.
//!
//! Answers may hold secrets, such as a new API key, so they are stored encrypted. The key to them
//! is made from `RESPONSE_SECRET`, which signs nothing, and the request's `Idempotency-Key`, of
//! which only a hash is stored: it takes the request itself and the secret to read one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest;
use aws_sdk_dynamodb::types::{AttributeValue, Put};
use aws_smithy_types::base64;
use lambda_http::Body;
use lambda_http::http::{HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Freshness, Refusal, Store, WriteError};
use crate::Response;
use crate::error::{Error, Result};
use crate::models::Role;
use crate::secrets::Secret;
use crate::table::{Item, Key, TTL};
use crate::time::Timestamp;

/// Seconds for which an answer is kept.
const KEPT: i64 = 86_400;
/// The longest answer that is kept, in bytes before base64: DynamoDB takes items of 400 KB.
const MOST_BYTES: usize = 250_000;

/// What a request with an `Idempotency-Key` is told by, and where its answer is kept.
#[derive(Debug, Clone)]
pub struct Receipt {
    caller: Uuid,
    rights: Option<Rights>,
    key: Key,
    fingerprint: String,
    encryption: [u8; 32],
    now: Timestamp,
    kept: Arc<AtomicBool>,
}

/// A receipt as the table holds it.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    fingerprint: String,
    expires: i64,
    /// In base64.
    answer: String,
    /// The rights of the caller then; absent for one who was not looked up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operates: Option<bool>,
}

/// The rights of a caller: who has fewer by now is not given an earlier answer again.
#[derive(Debug, Clone, Copy)]
pub struct Rights {
    /// The role in the team.
    pub role: Role,
    /// True for a credential that operates the platform.
    pub operates: bool,
}

impl Rights {
    fn cover(self, earlier: Self) -> bool {
        let rank = |role| match role {
            Role::Viewer => 0,
            Role::Operator => 1,
            Role::Admin => 2,
        };
        rank(self.role) >= rank(earlier.role) && (self.operates || !earlier.operates)
    }
}

/// An answer that is kept.
#[derive(Debug)]
pub struct KeptAnswer(Record);

impl KeptAnswer {
    /// Opens the answer to the request that it was given to.
    ///
    /// # Errors
    /// `Forbidden` where the caller had more rights then; `Conflict` where it cannot be given
    /// again.
    pub fn open(&self, receipt: &Receipt) -> Result<Response> {
        let then =
            self.0.role.zip(self.0.operates).map(|(role, operates)| Rights { role, operates });
        match (receipt.rights, then) {
            (Some(now), Some(then)) if !now.cover(then) => Err(Error::Forbidden(FEWER_RIGHTS)),
            _ => receipt.open(&self.0),
        }
    }
}

/// The refusal of an answer to a caller who has fewer rights by now.
const FEWER_RIGHTS: &str =
    "This request was carried out while you had more rights. Its response is not given again.";

/// An answer as it is encrypted.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

impl Receipt {
    /// The receipt of a request: by whom and with what kind of credential it was sent, under which
    /// key, and the fingerprint of what it says.
    pub fn new(
        secret: &Secret,
        caller: Uuid,
        credential: &str,
        idempotency_key: &str,
        fingerprint: &str,
        now: Timestamp,
    ) -> Result<Self> {
        let name = self::fingerprint(&[credential.as_bytes(), idempotency_key.as_bytes()]);
        let encryption = secret.derive("idempotency answer", idempotency_key.as_bytes())?;
        let (key, fingerprint) = (Key::receipt(caller, &name), fingerprint.to_owned());
        Ok(Self { caller, rights: None, key, fingerprint, encryption, now, kept: Arc::default() })
    }

    /// The receipt of a caller who was looked up.
    pub fn with_rights(self, rights: Rights) -> Self {
        Self { rights: Some(rights), ..self }
    }

    /// Notes that the answer is kept.
    pub(crate) fn is_kept(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// The write that keeps an answer, where none is kept yet.
    pub(crate) fn put(&self, table: &str, answer: &Response) -> Result<Put> {
        let record = Record {
            fingerprint: self.fingerprint.clone(),
            expires: self.now.as_second() + KEPT,
            answer: self.seal(answer)?,
            role: self.rights.map(|rights| rights.role),
            operates: self.rights.map(|rights| rights.operates),
        };
        let mut item: Item = serde_dynamo::to_item(&record).map_err(Error::internal)?;
        item.extend(self.key.item());
        // DynamoDB deletes what expired some days late.
        Put::builder()
            .table_name(table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR #expires <= :now")
            .expression_attribute_names("#expires", TTL)
            .expression_attribute_values(
                ":now",
                AttributeValue::N(self.now.as_second().to_string()),
            )
            .build()
            .map_err(Error::internal)
    }

    fn seal(&self, response: &Response) -> Result<String> {
        let headers = response.headers().iter();
        let mut answer = Answer {
            status: response.status().as_u16(),
            headers: headers
                .filter_map(|(name, value)| {
                    Some((name.to_string(), value.to_str().ok()?.to_owned()))
                })
                .collect(),
            body: match response.body() {
                Body::Text(text) => Some(text.clone()),
                _ => Some(String::new()),
            },
        };
        let mut bytes = serde_json::to_vec(&answer).map_err(Error::internal)?;
        // As it is written: quotes take twice their room.
        if bytes.len() > MOST_BYTES {
            answer.body = None;
            bytes = serde_json::to_vec(&answer).map_err(Error::internal)?;
        }
        let key =
            RandomizedNonceKey::new(&AES_256_GCM, &self.encryption).map_err(Error::internal)?;
        let nonce = key
            .seal_in_place_append_tag(Aad::from(&self.fingerprint), &mut bytes)
            .map_err(Error::internal)?;
        Ok(base64::encode([nonce.as_ref().as_slice(), &bytes].concat()))
    }

    fn open(&self, record: &Record) -> Result<Response> {
        let unreadable = || {
            Error::Conflict(
                "This request was carried out, but its answer cannot be given again.".into(),
            )
        };
        let bytes = base64::decode(&record.answer).map_err(|_| unreadable())?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or_else(unreadable)?;
        let key =
            RandomizedNonceKey::new(&AES_256_GCM, &self.encryption).map_err(Error::internal)?;
        let mut bytes = sealed.to_vec();
        let opened = key
            .open_in_place(Nonce::from(nonce), Aad::from(&self.fingerprint), &mut bytes)
            .map_err(|_| unreadable())?;
        let answer: Answer = serde_json::from_slice(opened).map_err(Error::internal)?;
        let mut response = Response::new(Body::from(answer.body.ok_or_else(unreadable)?));
        *response.status_mut() = StatusCode::from_u16(answer.status).map_err(Error::internal)?;
        for (name, value) in answer.headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                response.headers_mut().insert(name, value);
            }
        }
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
        Ok(response)
    }
}

impl Store {
    /// The answer to that request, if it was given within the last day.
    ///
    /// # Errors
    /// `KeyReused` where another request had the same key.
    pub async fn answered(&self, receipt: &Receipt) -> Result<Option<KeptAnswer>> {
        let record: Option<Record> = self.get(&receipt.key, Freshness::Strong).await?;
        match record.filter(|record| record.expires > receipt.now.as_second()) {
            None => Ok(None),
            Some(record) if record.fingerprint != receipt.fingerprint => Err(Error::KeyReused),
            Some(record) => Ok(Some(KeptAnswer(record))),
        }
    }

    /// Keeps the answer to a request that wrote nothing else; one that another request under the
    /// same key was given first, instead.
    pub async fn keep_answer(&self, receipt: &Receipt, answer: Response) -> Result<Response> {
        if receipt.kept.load(Ordering::Relaxed) {
            return Ok(answer);
        }
        let mut transaction = self.transaction();
        transaction.put_first(receipt.put(&self.table, &answer)?, Refusal::Answered);
        transaction.require_user(receipt.caller)?;
        match self.commit(transaction).await {
            Err(WriteError::Refused(Refusal::Answered)) => match self.answered(receipt).await? {
                Some(kept) => kept.open(receipt),
                None => Ok(answer),
            },
            // The caller is erased meanwhile, and nothing of theirs is to stay.
            Err(WriteError::Refused(_)) => Ok(answer),
            outcome => Ok(outcome.map(|()| answer)?),
        }
    }
}

/// The fingerprint of a request: the SHA-256 of its parts, each with its length before it, in
/// hexadecimal.
pub fn fingerprint(parts: &[&[u8]]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
