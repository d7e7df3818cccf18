//! Imports users from a file of any size, in memory that does not grow with it.
//!
//! [`read`] turns a file into records, one a user: JSON Lines, a JSON document or CSV. [`sources`]
//! knows by which names each program that exports users has its fields, and makes a [`line::Line`]
//! of a record. [`load`] writes them. A field that cannot be used is left out with a warning, and a
//! user is refused who has no identity. It can be run again: whoever is there already is left as
//! they are.

mod field;
mod line;
mod load;
mod mapping;
mod read;
mod report;
mod sources;

use std::io::IsTerminal;
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use shared::Timestamp;
use shared::text::{is_email, is_readable};
use tokio::sync::mpsc;
use uuid::Uuid;

pub use field::Mapping;
pub use report::{Report, Team};
pub use sources::SOURCES;

use crate::{Data, Failure};
use load::Import;

/// Lines that are looked up together: two keys each, of the hundred that one read takes.
const BATCH: usize = 48;
/// Records that are read before they are looked up.
const MAX_READ_AHEAD: usize = 8;

/// The treatment of users whom the source has deleted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Deleted {
    /// They are imported as deleted.
    #[default]
    Import,
    /// They are left out.
    Skip,
}

/// The options of an import.
pub struct Options {
    /// The team that users join whose line names none. It is made if it does not exist.
    pub team_id: Uuid,
    /// The email of a user who is made the team's administrator.
    pub admin: Option<String>,
    /// The treatment of deleted users.
    pub deleted: Deleted,
    /// Fields of the file that are read as others than they would be.
    pub mappings: Vec<Mapping>,
    /// True to write nothing.
    pub dry_run: bool,
    /// Where pending members sign up.
    pub sign_up_url: String,
    /// True to show how far the import is.
    pub progress: bool,
    /// Takes each warning and each refusal, a line of text.
    pub tell: Box<dyn Fn(&str) + Send + Sync>,
}

impl Options {
    /// Imports into a team, and tells of nothing.
    pub fn new(team_id: Uuid) -> Self {
        Self {
            team_id,
            admin: None,
            deleted: Deleted::default(),
            mappings: Vec::new(),
            dry_run: false,
            sign_up_url: "/sign-up".to_owned(),
            progress: false,
            tell: Box::new(|_| {}),
        }
    }
}

/// Imports a file.
///
/// # Errors
/// For a file that cannot be read to its end, and a table that cannot. The users until there are
/// imported.
pub async fn file(
    data: &Data,
    path: &Path,
    options: &Options,
    now: Timestamp,
) -> Result<Report, Failure> {
    if let Some(admin) = options.admin.as_deref().filter(|admin| !is_email(admin)) {
        let message = "is not an email address. --import-admin takes that of a user.";
        return Err(format!("`{}` {message}", shown(admin)).into());
    }
    let bar = if options.progress { progress_bar(path)? } else { ProgressBar::hidden() };
    let (sender, mut records) = mpsc::channel(MAX_READ_AHEAD);
    let reading = {
        let (path, bar) = (path.to_owned(), bar.clone());
        let identities = options.mappings.iter().filter(|mapping| mapping.field.is_identity());
        let mapped: Vec<String> = identities.map(|mapping| mapping.path.clone()).collect();
        tokio::task::spawn_blocking(move || read::read(&path, &mapped, &bar, &read::Sink(sender)))
    };
    let mut import = Import::new(data, options, now, bar);
    // Where there is no terminal to draw a bar on, a line now and then.
    let in_lines = options.progress && !std::io::stderr().is_terminal();
    let (mut batch, mut count) = (Vec::with_capacity(BATCH), 0_u64);
    while let Some(record) = records.recv().await {
        batch.push(record);
        count += 1;
        if batch.len() == BATCH {
            import.batch(std::mem::take(&mut batch)).await?;
            // Now and then, so that lists are counted along the way.
            if count.is_multiple_of(10 * BATCH as u64) {
                data.settle().await?;
            }
        }
        if in_lines && count.is_multiple_of(10_000) {
            eprintln!("{count} records: {}", import.report.counts());
        }
    }
    import.batch(batch).await?;
    // It ended when it dropped the sender.
    let read = reading.await?;
    if let Err(failure) = read {
        data.settle().await?;
        let counts = import.report.counts();
        return Err(if count == 0 {
            failure
        } else {
            format!("{failure}\nuntil there: {counts}").into()
        });
    }
    let report = import.finish().await?;
    data.settle().await?;
    Ok(report)
}

/// The most that is printed of a text of the file, in characters.
const MAX_SHOWN: usize = 80;

/// Returns a text of the file as it is printed: no line of its own, and no command to a terminal.
fn shown(text: &str) -> String {
    let is_seen = |c: char| !c.is_control() && is_readable(c.encode_utf8(&mut [0; 4]));
    let shown = text.chars().map(|c| if is_seen(c) { c } else { '\u{fffd}' });
    let mut shown: String = shown.take(MAX_SHOWN).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

fn progress_bar(path: &Path) -> Result<ProgressBar, Failure> {
    // What is wrong with the file is said where it is opened.
    let bar = ProgressBar::new(std::fs::metadata(path).map_or(0, |file| file.len()));
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {bytes}/{total_bytes}, {elapsed}, {eta} left. {msg}",
    )?);
    Ok(bar)
}
