//! Memory while a file is imported, which does not grow with the file.

use std::io::{BufWriter, Write};
use std::path::Path;

use local::demo;
use local::import::{self, Options};
use peak_alloc::PeakAlloc;
use serde_json::json;
use tests::{Roster, rounds};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Writes so many records of some 1,000 bytes each, of 40 users in turn.
fn users(form: &str, count: usize, path: &Path) -> std::io::Result<()> {
    let (begin, separator, end) = match form {
        "firebase.json" => ("{\"kind\": \"x\", \"users\": [", ",\n", "]}"),
        "keycloak.json" => (
            "{\"realm\": \"a\", \"roles\": {\"realm\": [1, 2]}, \"users\": [",
            ",\n",
            "], \"clients\": []}",
        ),
        "array.json" => ("[", ",", "]"),
        "users.csv" => ("id,email,pad\n", "\n", "\n"),
        _ => ("", "\n", "\n"),
    };
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    write!(file, "{begin}")?;
    for n in 0..count {
        let (id, pad) = (format!("person|{}", n % 40), "x".repeat(1000));
        let user = match form {
            "firebase.json" => json!({"localId": id, "salt": pad}).to_string(),
            "keycloak.json" => {
                json!({"id": id, "createdTimestamp": 1_735_732_800_000_i64, "credentials": [pad]})
                    .to_string()
            }
            "users.csv" => format!("{id},,{pad}"),
            _ => json!({"id": id, "pad": pad}).to_string(),
        };
        write!(file, "{user}{}", if n + 1 < count { separator } else { "" })?;
    }
    write!(file, "{end}")?;
    file.flush()
}

#[tokio::test]
async fn a_large_file_of_any_form_takes_as_much_memory_as_a_small_one() {
    let roster = Roster::empty().await;
    let folder = tempfile::TempDir::new().expect("a folder");
    let count = rounds(4_000, 100_000);
    for form in ["users.jsonl", "users.csv", "array.json", "firebase.json", "keycloak.json"] {
        let path = folder.path().join(form);
        let mut peaks = Vec::new();
        for count in [500, count / 2, count] {
            users(form, count, &path).expect("a file");
            let before = MEMORY.current_usage();
            MEMORY.reset_peak_usage();
            let report =
                import::file(&roster.server.data, &path, &Options::new(demo::TEAM), roster.now())
                    .await
                    .expect("an import");
            peaks.push(MEMORY.peak_usage().saturating_sub(before));
            assert_eq!(
                (report.imported + report.present, report.refused),
                (count as u64, 0),
                "{form}"
            );
        }
        let size = std::fs::metadata(&path).expect("the file").len() as usize;
        println!("{form}: {count} users, {size} bytes; at the peak {peaks:?}");
        // The first run warms up. Half of the file is more than is let grow.
        assert!(peaks[2] < peaks[1] + 500_000 && size > 4_000_000, "{form}: {peaks:?}");
    }
}
