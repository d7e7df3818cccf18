//! The promises under faults, crashes, races and attack. `cargo test` runs a short form of what is long; the whole is
//!
//! ```sh
//! ROSTER_RELIABILITY=full cargo test --workspace --locked --test reliability -- --nocapture
//! ```
//!
//! which also prints what was tried.

#[path = "../errors.rs"]
mod errors;
#[path = "../give_key.rs"]
mod give_key;

mod authorisation;
mod races;
mod requests;

use errors::Contract;

/// How often to try: `short` under `cargo test`, `full` in the whole run, and a multiple of that where `ROSTER_RELIABILITY` is a number.
fn rounds(short: usize, full: usize) -> usize {
    match std::env::var("ROSTER_RELIABILITY").ok().as_deref() {
        None => short,
        Some("full") => full,
        Some(times) => full * times.parse::<usize>().expect("ROSTER_RELIABILITY is `full` or a number"),
    }
}

/// The contract of a handler; those of no contract answer as the operator contract does.
fn contract(handler: &str) -> Contract {
    match handler.split('.').next() {
        Some("directory") => Contract::Directory,
        Some("user_admin") => Contract::UserAdmin,
        Some("managed_users") => Contract::ManagedUsers,
        Some("workspace") => Contract::Workspace,
        _ => Contract::Operator,
    }
}
