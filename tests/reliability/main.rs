//! The promises under faults, crashes, races and attack. `cargo test` runs a short form of what is
//! long; the whole is
//!
//! ```sh
//! ROSTER_RELIABILITY=full cargo test --workspace --locked --test reliability --test fuzz --test life -- --nocapture
//! ```
//!
//! which also prints what was tried.

#[path = "../errors.rs"]
mod errors;
#[path = "../give_key.rs"]
mod give_key;

mod authorisation;
mod crashes;
mod faults;
mod hostile_input;
mod model;
mod operations;
mod races;
mod requests;

use errors::Contract;
use tests::rounds;

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
