//! Memory while a file is read, which does not grow with the file.

use std::fmt::Write;

use peak_alloc::PeakAlloc;
use serde_json::json;
use tempfile::TempDir;
use tests::{Roster, rounds};

use crate::{counts, import, write};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Users of some 500 bytes each who are all there already, in a form.
fn users(form: &str, count: usize) -> String {
    let mut content = String::new();
    let (begin, separator, end) = match form {
        "firebase.json" => ("{\"kind\": \"x\", \"users\": [", ",\n", "]}"),
        "keycloak.json" => ("{\"realm\": \"a\", \"roles\": {\"realm\": [1, 2]}, \"users\": [", ",\n", "], \"clients\": []}"),
        "array.json" => ("[", ",", "]"),
        "users.csv" => ("id,email,pad\n", "\n", "\n"),
        _ => ("", "\n", "\n"),
    };
    content.push_str(begin);
    for n in 0..count {
        let (id, pad) = (format!("person|{}", n % 40), "x".repeat(400));
        let user = match form {
            "firebase.json" => json!({"localId": id, "salt": pad}).to_string(),
            "keycloak.json" => json!({"id": id, "createdTimestamp": 1_735_732_800_000_i64, "credentials": [pad]}).to_string(),
            "users.csv" => format!("{id},,{pad}"),
            _ => json!({"id": id, "pad": pad}).to_string(),
        };
        write!(content, "{user}{}", if n + 1 < count { separator } else { "" }).expect("a text");
    }
    content + end
}

#[tokio::test]
async fn a_file_of_any_form_takes_as_much_memory_as_a_small_one() {
    let (roster, folder) = (Roster::empty().await, TempDir::new().expect("a folder"));
    let count = rounds(10_000, 100_000);
    for form in ["users.jsonl", "users.csv", "array.json", "firebase.json", "keycloak.json"] {
        let path = write(&folder, form, users(form, count));
        let size = std::fs::metadata(&path).expect("the file").len() as usize;
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let imported = import(&roster, &path).await;
        let peak = MEMORY.peak_usage().saturating_sub(before);
        let (new, present, refused) = counts(imported.report());
        assert_eq!((new + present, refused), (count as u64, 0), "{form}");
        println!("{form}: {count} users, {:.1} MB, {:.1} MB at the peak", size as f64 / 1e6, peak as f64 / 1e6);
        // The other tests of this suite run meanwhile.
        assert!(peak < size / 2 + 20_000_000 * usize::from(count > 10_000), "{form}: {peak} bytes");
    }
}
