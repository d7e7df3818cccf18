//! The promises under faults, crashes, races and attack. `cargo test` runs a short form of what is long; the whole is
//!
//! ```sh
//! ROSTER_RELIABILITY=full cargo test --workspace --locked --test reliability -- --nocapture
//! ```
//!
//! which also prints what was tried.

mod crashes;
#[path = "../errors.rs"]
mod errors;
mod faults;
mod operations;

/// How often to try: `short` under `cargo test`, `full` in the whole run, and a multiple of that where `ROSTER_RELIABILITY` is a number.
fn rounds(short: usize, full: usize) -> usize {
    match std::env::var("ROSTER_RELIABILITY").ok().as_deref() {
        None => short,
        Some("full") => full,
        Some(times) => full * times.parse::<usize>().expect("ROSTER_RELIABILITY is `full` or a number"),
    }
}
