//! Reads JSON Lines: an object a line. A line that is none is refused, and the next one is read.

use std::io::{BufRead, Read};

use serde_json::Value;

use super::{MAX_RECORD, Sink};
use crate::Failure;

/// Reads all lines; blank ones are none.
pub fn read(mut reader: impl BufRead, sink: &Sink) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        if reader.by_ref().take(MAX_RECORD).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        if bytes.len() as u64 == MAX_RECORD && !bytes.ends_with(b"\n") {
            reader.skip_until(b'\n')?;
            sink.refuse(line, "is too long", format!("it has more than {MAX_RECORD} bytes"))?;
            continue;
        }
        let text = bytes.trim_ascii();
        if text.is_empty() {
            continue;
        }
        match serde_json::from_slice(text) {
            Ok(Value::Object(fields)) => sink.send(line, fields)?,
            Ok(_) => sink.refuse(line, "is not a JSON object", "")?,
            Err(error) => sink.refuse(line, "is not JSON", error)?,
        }
    }
    Ok(())
}
