//! The promises under faults, crashes, races and attack. `cargo test` runs a short form of what is long; the whole is
//!
//! ```sh
//! ROSTER_RELIABILITY=full cargo test --workspace --locked --test reliability -- --nocapture
//! ```
//!
//! which also prints what was tried.

#[path = "../errors.rs"]
mod errors;
mod hostile_input;
