//! `cargo bench`: what Roster costs and how fast it is, as Markdown and plots in `docs/benchmark/`,
//! and in short in README.
//!
//! Steps and units are counted, and the same on every machine; times are of the machine that the
//! report names.

mod chart;
mod endpoints;
mod growth;
mod load;
mod price;
mod report;
mod server;
mod start;

use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::json;
use shared::Clock;
use uuid::Uuid;

use report::Section;

/// As the local server has it, whose work some of this is.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Roster, prints what came out and saves it in docs/benchmark/.
#[derive(Parser)]
struct Arguments {
    /// Measure these sections only, with commas between them; what is saved of the others stays
    #[arg(long, value_delimiter = ',', value_parser = SECTIONS)]
    only: Vec<String>,
    /// How far the team grows
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    users: u32,
    /// Let the team grow to 1,000,000 users, in a file of some 25 GB
    #[arg(long)]
    million: bool,
    /// Put this local server under load instead of the one built for the benchmark
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// For how long each load lasts, in seconds
    #[arg(long, value_name = "N", default_value_t = 10)]
    seconds: u64,
    /// Save nothing
    #[arg(long)]
    dry: bool,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// The sections by their names, in the report's order.
const SECTIONS: [&str; 5] = ["endpoints", "growth", "start", "load", "price"];

/// The repository.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A token of a caller, for a day from now.
fn token(caller: Uuid) -> String {
    let now = Clock::system().now().as_second();
    tests::sign(&json!({
        "iss": "http://localhost/auth/v1", "aud": "authenticated", "sub": caller, "role": "authenticated", "iat": now, "exp": now + 86_400,
    }))
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse();
    let folder = root().join("docs/benchmark");
    let server = arguments.server.unwrap_or_else(|| env!("CARGO_BIN_EXE_local").into());
    // Where another path is meant, it is from where the command was given.
    let server = std::fs::canonicalize(&server).unwrap_or(server);
    for name in SECTIONS {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|only| only == name) {
            continue;
        }
        let section: Section = match name {
            "endpoints" => endpoints::measure(&server).await,
            "start" => start::measure().await,
            "price" => price::measure(arguments.dry).await,
            "growth" => {
                growth::measure(
                    if arguments.million { 1_000_000 } else { arguments.users },
                    &server,
                )
                .await
            }
            _ => load::measure(&server, arguments.seconds),
        };
        println!("{}", section.print());
        if !arguments.dry {
            report::save(&section, &folder, &root().join("README.md"))
                .expect("the report is saved");
        }
    }
}
