//! A team of any size, for what is measured in large ones.

use std::io::{BufWriter, Write};
use std::ops::Range;

use local::demo;
use serde_json::json;
use shared::Timestamp;
use uuid::Uuid;

/// The users of those places in a team as a file to import; that of place 0 is `demo::ADMIN`, an
/// administrator. Ids are spread as the provider's are.
///
/// # Errors
/// When the file cannot be written.
pub fn file(places: Range<u32>, now: Timestamp) -> std::io::Result<tempfile::NamedTempFile> {
    let file = tempfile::NamedTempFile::with_suffix(".jsonl")?;
    let mut lines = BufWriter::new(&file);
    for n in places {
        let spread = Uuid::new_v5(&Uuid::NAMESPACE_OID, &n.to_be_bytes());
        let line = json!({
            "id": if n == 0 { demo::ADMIN } else { spread },
            "email": format!("person.{n}@example.com"),
            "name": format!("Person {:06}", u64::from(n) * 7919 % 1_000_003),
            "role": if n % 10 == 0 { "admin" } else if n % 3 == 0 { "operator" } else { "viewer" },
            "status": if n % 20 == 7 { "suspended" } else if n % 25 == 9 { "invited" } else { "active" },
            "device_type": if n % 4 == 1 { "psd" } else { "api" },
            "created_at": format!("2026-{:02}-{:02}T{:02}:{:02}:00Z", 1 + n % 4, 1 + n % 28, n % 24, n % 60),
            "last_seen_at": if n == 0 { now.to_string() } else { format!("2026-04-{:02}T{:02}:{:02}:00Z", 1 + n % 28, n % 24, n % 60) },
        });
        writeln!(lines, "{line}")?;
    }
    lines.flush()?;
    drop(lines);
    Ok(file)
}
