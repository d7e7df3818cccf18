//! Reads a file as records, in whichever form it has them.

mod bounded;
mod csv_rows;
mod json_document;
mod json_lines;

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;

use indicatif::ProgressBar;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::Failure;

/// The longest record, in bytes.
pub const MAX_RECORD: u64 = 1024 * 1024;

/// A user as a file has them: the line on which they begin, and the fields.
pub struct Record {
    /// The line, from 1.
    pub line: u64,
    /// The fields; or why the record has none, for a person to read after "the line".
    pub fields: Result<Map<String, Value>, Unreadable>,
}

/// Why a record cannot be read.
#[derive(Debug)]
pub struct Unreadable {
    /// The kind of reason.
    pub reason: &'static str,
    /// More of it.
    pub detail: String,
}

/// Takes the records that are read.
pub struct Sink(pub mpsc::Sender<Record>);

impl Sink {
    fn send(&self, line: u64, fields: Map<String, Value>) -> Result<(), Failure> {
        self.take(Record { line, fields: Ok(fields) })
    }

    fn refuse(
        &self,
        line: u64,
        reason: &'static str,
        detail: impl ToString,
    ) -> Result<(), Failure> {
        self.take(Record { line, fields: Err(Unreadable { reason, detail: detail.to_string() }) })
    }

    fn take(&self, record: Record) -> Result<(), Failure> {
        self.0.blocking_send(record).map_err(|_| "the import has ended".into())
    }
}

/// Reads a file. `mapped` names the columns that the caller reads as other fields.
///
/// # Errors
/// A sentence about the file, for a person to read.
pub fn read(path: &Path, mapped: &[String], bar: &ProgressBar, sink: &Sink) -> Result<(), Failure> {
    let name = path.display();
    let cannot = |error: std::io::Error| format!("cannot read {name}: {error}");
    if std::fs::metadata(path).map_err(cannot)?.is_dir() {
        return Err(format!("{name} is a folder. Name one file of it.").into());
    }
    let mut file = bar.wrap_read(File::open(path).map_err(cannot)?);
    let mut head = Vec::new();
    file.by_ref().take(4).read_to_end(&mut head).map_err(cannot)?;
    match &head[..] {
        [0x1f, 0x8b, ..] => {
            let message = "is compressed by gzip. Decompress it first: gunzip";
            return Err(format!("{name} {message} {name}").into());
        }
        [b'P', b'K', 3, 4] => {
            let message = "is a zip archive or a workbook. Unpack it, or save it as CSV.";
            return Err(format!("{name} {message}").into());
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..] => {
            return Err(format!("{name} is in UTF-16. Save it in UTF-8.").into());
        }
        // Some editors begin a file with a byte-order mark.
        [0xef, 0xbb, 0xbf, ..] => drop(head.drain(..3)),
        _ => {}
    }
    let mut file = BufReader::new(Cursor::new(head).chain(file));
    let (begin, first) = beginning(&mut file).map_err(cannot)?;
    let line = begin[first..].trim_ascii();
    if line.is_empty() {
        return Err(format!("{name} is empty.").into());
    }
    let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
    let is_lines = ending == "jsonl" || ending == "ndjson";
    let is_document = line.starts_with(b"[") || (!is_lines && json_document::begins(line));
    let separator = csv_rows::separator(line);
    let whole = Cursor::new(begin).chain(file);
    let outcome = if is_document {
        json_document::read(whole, sink)
    } else if ending == "csv" {
        csv_rows::read(whole, separator, mapped, sink)
    } else {
        json_lines::read(whole, sink)
    };
    outcome.map_err(|error| format!("{name} {error}").into())
}

/// Reads up to the end of the first line that is not blank. Gives all of it, and where that line
/// begins.
fn beginning(file: &mut impl BufRead) -> std::io::Result<(Vec<u8>, usize)> {
    let mut begin = Vec::new();
    loop {
        let line = begin.len();
        let left = MAX_RECORD.saturating_sub(line as u64);
        file.by_ref().take(left).read_until(b'\n', &mut begin)?;
        if begin.len() == line || !begin[line..].trim_ascii().is_empty() {
            return Ok((begin, line));
        }
    }
}
