//! What every endpoint of Roster shares: who is calling, the records, the single DynamoDB table,
//! errors and time.
//!
//! Nothing here knows of any of the five HTTP contracts; they live in the `functions` crate.

pub mod address;
pub mod auth;
pub mod aws;
pub mod config;
pub mod dynamodb;
pub mod error;
pub mod http;
pub mod models;
pub mod profile;
pub mod secrets;
pub mod store;
pub mod table;
pub mod text;
pub mod time;

pub use error::{Error, Fault, Issue, Place, Result};
/// An answer.
pub type Response = lambda_http::Response<lambda_http::Body>;

pub use time::{Clock, Timestamp};
