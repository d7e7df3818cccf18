//! The documents: what they link to and name is there, and their tables say what is so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_yaml_ng::Value;
use tests::prices::{self, Stack};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The documents that people read, as paths from the root.
fn documents() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        ["README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(PathBuf::from).into();
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).expect("a folder") {
            let entry = entry.expect("an entry");
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A document's lines outside code blocks.
fn prose(document: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    document.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// The anchors that GitHub makes of a document's headings.
fn anchors(document: &str) -> BTreeSet<String> {
    let headings = prose(document).filter(|line| line.starts_with('#'));
    let slug = |heading: &str| -> String {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(slug).collect()
}

/// The targets of a document's links.
fn links(document: &str) -> Vec<String> {
    let text: Vec<&str> = prose(document).collect();
    let text = text.join("\n");
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.to_owned()).collect()
}

/// The texts that a document marks as code inside its prose.
fn spans(document: &str) -> Vec<String> {
    let text: Vec<&str> = prose(document).collect();
    text.join("\n").split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_link_inside_the_repository_leads_somewhere() {
    let mut checked = 0;
    for path in documents() {
        let document = read(&path);
        for link in links(&document) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let folder = path.parent().expect("a folder");
            let target = if file.is_empty() { path.clone() } else { folder.join(file) };
            assert!(root().join(&target).exists(), "{}: {link}", path.display());
            if !anchor.is_empty() {
                let known = anchors(&read(&target));
                assert!(known.contains(anchor), "{}: {link}: {known:?}", path.display());
            }
            checked += 1;
        }
    }
    assert!(checked > 10, "{checked} links");
}

/// The folders that a document's paths may start from, besides the root and the document's own.
const BASES: [&str; 4] = ["tests", "functions/src", "shared/src", "local/src"];

/// A file or folder that a span of code names; `None` if it names something else.
fn named(span: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let kinds = ["rs", "md", "toml", "yaml", "yml", "svg", "sh"];
    let is_file =
        Path::new(span).extension().is_some_and(|own| kinds.iter().any(|kind| own == *kind));
    let (first, rest) = span.split_once('/').unwrap_or((span, ""));
    let is_path = !first.is_empty() && !rest.is_empty() && root().join(first).is_dir();
    (span.chars().all(plain) && !span.starts_with('/') && (is_file || is_path)).then_some(span)
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let mut checked = 0;
    for path in documents() {
        let folder = path.parent().expect("a folder");
        for span in spans(&read(&path)) {
            let Some(name) = named(&span) else { continue };
            let mut bases = BASES.iter().map(Path::new).chain([Path::new(""), folder]);
            let found = bases.any(|base| root().join(base).join(name).exists());
            assert!(found, "{} names {name}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked} names");
}

/// The rows of the first table under a heading, each by its cells.
fn rows_under(document: &str, heading: &str) -> Vec<Vec<String>> {
    let section = document.split(&format!("\n## {heading}\n")).nth(1).expect("the section");
    let lines = section.lines().skip_while(|line| !line.starts_with('|'));
    let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    rows.map(cells).collect()
}

#[test]
fn the_guide_has_every_parameter_with_its_default() {
    let template: Value = serde_yaml_ng::from_str(&read("template.yaml")).expect("YAML");
    let parameters = template["Parameters"].as_mapping().expect("parameters");
    let default = |parameter: &Value| match &parameter["Default"] {
        Value::Null => "required".to_owned(),
        Value::String(text) if text.is_empty() => "empty".to_owned(),
        Value::String(text) => format!("`{text}`"),
        Value::Number(number) => format!("`{number}`"),
        other => panic!("a default is text or a number: {other:?}"),
    };
    let declared: BTreeMap<String, String> = parameters
        .iter()
        .map(|(name, parameter)| {
            (format!("`{}`", name.as_str().expect("a name")), default(parameter))
        })
        .collect();
    let rows = rows_under(&read("docs/deployment.md"), "Parameters");
    let documented: BTreeMap<String, String> =
        rows.iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_eq!(documented.len(), rows.len(), "a parameter stands there twice");
    assert_eq!(documented, declared);
}

#[test]
fn the_guides_costs_follow_from_the_benchmark_and_the_template() {
    let guide = read("docs/deployment.md");
    let measured = prices::measured(&read("docs/benchmark/benchmark.md"));
    assert!(measured.len() > 50, "{} rows", measured.len());
    let stack = Stack::of(&read("template.yaml"));
    let renewed = prices::renewed(&guide, &measured, &stack).expect("the marks");
    if std::env::var_os("UPDATE_COSTS").is_some() {
        return std::fs::write(prices::guide(), &renewed).expect("the guide is written");
    }
    assert!(renewed == guide, "UPDATE_COSTS=1 cargo test --test documents writes the tables anew");
}

#[test]
fn the_benchmarks_prices_are_of_the_units_that_are_budgeted() {
    let measured = prices::measured(&read("docs/benchmark/benchmark.md"));
    let budgets = read("docs/budgets.md");
    let figures: BTreeMap<&str, Vec<f64>> = budgets
        .lines()
        .filter_map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [request, _, _, figure, _] = cells[..] else { return None };
            let name = request.strip_prefix('`')?.strip_suffix('`')?;
            Some((name, figure.split(", ").filter_map(|one| one.parse().ok()).collect()))
        })
        .collect();
    let endpoints: Vec<_> = measured.iter().filter(|row| row.name != prices::LAST_SEEN).collect();
    assert_eq!(endpoints.len(), figures.len(), "one row for each endpoint");
    for row in endpoints {
        let figure = &figures[row.name.as_str()];
        // A caller's request is counted, which is a write unit.
        let counted = row.write_units - figure[2];
        let is_same = row.read_units == figure[1] && (counted == 0.0 || counted == 1.0);
        assert!(is_same, "{row:?}, budgeted {figure:?}: cargo bench -- --only price");
    }
}
