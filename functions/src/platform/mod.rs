//! Roster's own endpoints, which belong to no contract: their errors take the form of the contract
//! under whose base path they are.

pub mod get_health;
pub mod get_openapi;
pub mod unmatched;
