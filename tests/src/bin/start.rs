//! `cargo run --profile bench --package tests --bin start -- [STARTS] BINARY…`: how long the
//! binaries take to start, as a table in Markdown.

use std::path::PathBuf;

use tests::start::{Subject, measure, table};

#[tokio::main]
async fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let starts = arguments.first().and_then(|argument| argument.parse().ok());
    if starts.is_some() {
        arguments.remove(0);
    }
    let subject = |path: &String| Subject {
        name: path.rsplit('/').next().unwrap_or_default().to_owned(),
        binary: PathBuf::from(path),
    };
    let subjects: Vec<_> = arguments.iter().map(subject).collect();
    let event = include_str!("../../../events/workspace/get_user.me.json");
    print!(
        "{}",
        table(&measure(&subjects, "workspace.get_user", event, starts.unwrap_or(40)).await)
    );
}
