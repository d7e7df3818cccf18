//! Reads CSV whose first line names the columns.

use std::collections::HashSet;
use std::io::{self, BufRead, Read};

use csv::ByteRecord;
use serde_json::{Map, Value};

use super::bounded::{Bounded, Budget};
use super::{MAX_RECORD, Sink};
use crate::Failure;
use crate::import::shown;
use crate::import::sources::names_identity;

/// Reads all rows.
pub fn read(
    reader: impl BufRead,
    separator: u8,
    mapped: &[String],
    sink: &Sink,
) -> Result<(), Failure> {
    let budget = Budget::new();
    // A last line break that is always there makes the count of lines the same at the end as
    // before.
    let reader = Bounded {
        reader: Newlines { reader, is_after_return: false }.chain(&b"\n"[..]),
        budget: budget.clone(),
    };
    let mut rows = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .from_reader(reader);
    let mut row = ByteRecord::new();
    let mut columns: Option<Vec<String>> = None;
    loop {
        budget.renew();
        let begin = rows.position().line();
        match rows.read_byte_record(&mut row) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(_) if budget.is_used_up() => {
                let message = format!(
                    "has a row on line {begin} of more than {MAX_RECORD} bytes. A quote that is not closed may be there."
                );
                return Err(message.into());
            }
            Err(error) => return Err(error.into()),
        }
        // The row's last line, without the breaks inside of it: blank lines before it are not the
        // row's.
        let breaks = row.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
        let line = rows.position().line() - 1 - breaks;
        let Some(columns) = &columns else {
            columns = Some(self::columns(&row, mapped)?);
            continue;
        };
        if row.len() != columns.len() {
            let detail =
                format!("it has {}, and the first line names {}", row.len(), columns.len());
            sink.refuse(line, "has another number of fields than there are columns", detail)?;
            continue;
        }
        let field = |(name, value): (&String, &[u8])| {
            Some((name.clone(), Value::from(std::str::from_utf8(value).ok()?)))
        };
        match columns.iter().zip(&row).map(field).collect::<Option<Map<_, _>>>() {
            Some(fields) => sink.send(line, fields)?,
            None => sink.refuse(line, "is not in UTF-8", "")?,
        }
    }
}

/// The names of the columns.
fn columns(row: &ByteRecord, mapped: &[String]) -> Result<Vec<String>, Failure> {
    let mut names = HashSet::new();
    let mut columns = Vec::new();
    for (place, name) in row.iter().enumerate() {
        let name =
            std::str::from_utf8(name).map_err(|_| "is not in UTF-8. Save it in UTF-8.")?.trim();
        let name = if name.is_empty() { format!("column {}", place + 1) } else { name.to_owned() };
        if !names.insert(name.clone()) {
            return Err(format!("has two columns named `{}`. Rename one.", shown(&name)).into());
        }
        columns.push(name);
    }
    if columns.iter().any(|column| mapped.contains(column) || names_identity(column)) {
        return Ok(columns);
    }
    Err("has no column that tells who a user is: its first line must name one `id`, `email` or `username`, \
         or --map COLUMN=email says which it is."
        .into())
}

/// Returns the character between the fields of a first line: the commonest of the three that
/// programs write.
pub fn separator(line: &[u8]) -> u8 {
    let count = |separator: &u8| line.iter().filter(|byte| *byte == separator).count();
    // The last of equals, which is the comma.
    *b"\t;,".iter().max_by_key(|separator| count(separator)).unwrap_or(&b',')
}

/// A text whose lines all end with a line feed, whichever way they ended before.
struct Newlines<R> {
    reader: R,
    is_after_return: bool,
}

impl<R: Read> Read for Newlines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.reader.read(buffer)?;
            let mut kept = 0;
            for place in 0..count {
                let byte = buffer[place];
                let is_after_return = std::mem::replace(&mut self.is_after_return, byte == b'\r');
                if byte == b'\n' && is_after_return {
                    continue;
                }
                buffer[kept] = if byte == b'\r' { b'\n' } else { byte };
                kept += 1;
            }
            // Nothing is the end.
            if kept > 0 || count == 0 {
                return Ok(kept);
            }
        }
    }
}
