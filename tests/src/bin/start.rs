//! `cargo run --profile bench --package tests --bin start -- [STARTS] BINARY…`: how long the binaries take to start, as a table in Markdown.

use std::path::PathBuf;
use std::time::Duration;

use tests::start::{Subject, measure, quantile};

#[tokio::main]
async fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let starts = arguments.first().and_then(|argument| argument.parse().ok());
    if starts.is_some() {
        arguments.remove(0);
    }
    let subject = |path: &String| Subject { name: path.rsplit('/').next().unwrap_or_default().to_owned(), binary: PathBuf::from(path) };
    let subjects: Vec<_> = arguments.iter().map(subject).collect();
    let event = include_str!("../../../events/workspace/get_user.me.json");
    println!("| ms, median (p10 to p90) | first poll | then first answer | first answer | CPU of it | CPU of an event |");
    println!("|---|---|---|---|---|---|");
    for figures in measure(&subjects, "workspace.get_user", event, starts.unwrap_or(40)).await {
        let shown = |values: &[Duration]| {
            let [middle, low, high] = [0.5, 0.1, 0.9].map(|share| quantile(values, share).as_secs_f64() * 1e3);
            format!("{middle:.2} ({low:.2} to {high:.2})")
        };
        let columns = [&figures.first_poll, &figures.first_event, &figures.first_answer, &figures.cpu, &figures.cpu_of_event];
        println!("| {} | {} |", figures.name, columns.map(|values| shown(values)).join(" | "));
    }
}
