//! How long the artifact takes to start, beside a handler that does nothing.

use std::path::Path;
use std::process::Command;

use tests::start::{Subject, measure as start, table};

use crate::report::Section;
use crate::root;

/// How often each is started.
const STARTS: usize = 40;

/// Builds both as they are for the cloud, but for the processor, and measures the section.
pub async fn measure() -> Section {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let subjects = [("empty", "empty"), ("functions", "bootstrap")].map(|(package, binary)| {
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--locked", "--release", "--package", package, "--bin", binary])
            .current_dir(root());
        assert!(build.status().expect("cargo runs").success(), "{binary} is built");
        Subject { name: binary.to_owned(), binary: Path::new(&target).join("release").join(binary) }
    });
    let event = include_str!("../../events/workspace/get_user.me.json");
    let figures = start(&subjects, "workspace.get_user", event, STARTS).await;
    let megabytes = subjects.iter().map(|subject| {
        let bytes = std::fs::metadata(&subject.binary).map_or(0, |file| file.len());
        format!("{} {:.2} MB", subject.name, bytes as f64 / 1e6)
    });
    let short = format!(
        "{STARTS} starts of each in turn, in ms: from the start of the process to its first poll of Lambda's Runtime API, and to its first answer, with a read of \
         DynamoDB behind TLS and the handshake before it. Goals: a first poll within twice that of `empty`, a handler of `lambda_http` that does nothing, and an answer \
         within 12 ms.\n\n{}\nThe binaries: {}.",
        table(&figures),
        megabytes.collect::<Vec<_>>().join(", ")
    );
    Section { title: "Start", short, details: String::new() }
}
