//! The import of users: from files of any form, of each program that exports them.

mod fields;
mod formats;
mod loading;
mod members;
mod sources;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use local::import::{Options, Report};
use local::{Failure, demo};
use serde_json::{Map, Value};
use shared::models::User;
use tempfile::TempDir;
use tests::Roster;

fn write(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::File::create(&path)
        .and_then(|mut file| file.write_all(content.as_ref()))
        .expect("a file");
    path
}

/// An import, and the lines that it told.
struct Imported {
    outcome: Result<Report, Failure>,
    told: Vec<String>,
}

impl Imported {
    #[track_caller]
    fn report(&self) -> &Report {
        self.outcome.as_ref().expect("the file is read")
    }

    /// Why the file was not read to its end.
    #[track_caller]
    fn failure(&self) -> String {
        self.outcome.as_ref().expect_err("the file is not read").to_string()
    }
}

/// Imports a file into the demo team.
async fn import_with(roster: &Roster, path: &Path, how: impl FnOnce(&mut Options)) -> Imported {
    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = told.clone();
    let mut options = Options::new(demo::TEAM);
    options.tell = Box::new(move |line| kept.lock().expect("the lines").push(line.to_owned()));
    how(&mut options);
    let outcome = local::import::file(&roster.server.data, path, &options, roster.now()).await;
    let told = std::mem::take(&mut *told.lock().expect("the lines"));
    Imported { outcome, told }
}

async fn import(roster: &Roster, path: &Path) -> Imported {
    import_with(roster, path, |_| {}).await
}

/// The users imported, those who were there, and those refused.
fn counts(report: &Report) -> (u64, u64, u64) {
    (report.imported, report.present, report.refused)
}

/// Imports the content of a file of that name into a table of its own.
async fn import_text(name: &str, content: impl AsRef<[u8]>) -> (Roster, Imported) {
    let (roster, folder) = (Roster::empty().await, TempDir::new().expect("a folder"));
    let imported = import(&roster, &write(&folder, name, content)).await;
    roster.check_table().await;
    (roster, imported)
}

/// The user with that value in that field, as a record and as it stands in the table.
async fn user_with(roster: &Roster, field: &str, value: &str) -> (User, Map<String, Value>) {
    let items = roster.items().await;
    let mut found = items
        .into_iter()
        .filter(|item| item["sk"] == "USER" && item.get(field).is_some_and(|held| held == value));
    let item = found.next().unwrap_or_else(|| panic!("there is nobody with the {field} {value}"));
    assert!(found.next().is_none(), "there are several with the {field} {value}");
    (serde_json::from_value(Value::Object(item.clone())).expect("a user"), item)
}
