//! The report: one section for each thing measured, each renewed alone.

use std::fmt::Write;
use std::io;
use std::path::Path;

use shared::Clock;

/// What was measured of one thing.
pub struct Section {
    /// What it is called.
    pub title: &'static str,
    /// What README shows of it too.
    pub short: String,
    /// What only the report has.
    pub details: String,
}

const HEADING: &str = "# Benchmark

Made by `cargo bench`; `cargo bench -- --help` names its options. Steps (waits for DynamoDB), units and bytes are counted, and the same on every
machine. Times are of the machine named, which the load generator shares with the server.
";
const BEGIN: &str = "<!-- What follows is written by `cargo bench`. -->";
const END: &str = "<!-- As far as here. -->";

/// The machine and the day.
fn machine() -> String {
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let model = file("/proc/cpuinfo")
        .lines()
        .find_map(|line| Some(line.strip_prefix("model name")?.split_once(": ")?.1.to_owned()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let model = model.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    format!("{cores} cores of {model}, {}, {}", std::env::consts::OS, Clock::system().now().date())
}

impl Section {
    /// The section as it stands in the report.
    pub fn print(&self) -> String {
        format!(
            "## {}\n\n{}\n\n*Measured on {}.*\n\n{}\n",
            self.title,
            self.short.trim(),
            machine(),
            self.details.trim()
        )
    }
}

/// Puts a section in the place of its former self, in the report and in README.
pub fn save(section: &Section, folder: &Path, readme: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join("benchmark.md");
    let former = std::fs::read_to_string(&path).unwrap_or_default();
    std::fs::write(
        &path,
        HEADING.to_owned() + "\n" + &replaced(&former, "## ", section.title, &section.print()),
    )?;
    let text = std::fs::read_to_string(readme)?;
    let Some((before, rest)) = text.split_once(BEGIN) else {
        return Err(io::Error::other(format!("README lacks {BEGIN}")));
    };
    let Some((former, after)) = rest.split_once(END) else {
        return Err(io::Error::other(format!("README lacks {END}")));
    };
    // The plots lie beside the report.
    let short = section.short.trim().replace("](", "](docs/benchmark/");
    let short = short.replace("](docs/benchmark/../", "](docs/");
    let shown = format!("### {}\n\n{short}\n\n*Measured on {}.*\n", section.title, machine());
    std::fs::write(
        readme,
        format!(
            "{before}{BEGIN}\n\n{}\n{END}{after}",
            replaced(former, "### ", section.title, &shown)
        ),
    )
}

/// The parts of a text, each under its heading, with one of them renewed or added.
fn replaced(text: &str, mark: &str, title: &str, part: &str) -> String {
    let text = format!("\n{text}");
    let mark = format!("\n{mark}");
    let mut parts: Vec<String> = text
        .split(&mark)
        .skip(1)
        .map(|part| format!("{}{}\n", mark.trim_start(), part.trim_end()))
        .collect();
    let own = format!("{}{title}\n", mark.trim_start());
    match parts.iter_mut().find(|part| part.starts_with(&own)) {
        Some(former) => *former = part.to_owned(),
        None => parts.push(part.to_owned()),
    }
    parts.join("\n")
}

/// A table in Markdown.
pub fn table(columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

/// A whole number with commas, as 10,000.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let place = |at: usize| if at > 0 && (digits.len() - at).is_multiple_of(3) { "," } else { "" };
    digits.char_indices().map(|(at, digit)| format!("{}{digit}", place(at))).collect()
}

/// The value below which that share of all lies.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len().saturating_sub(1) as f64 * share).round() as usize;
    values.get(place).copied().unwrap_or_default()
}
