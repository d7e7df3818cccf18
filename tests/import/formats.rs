//! The forms of files, and the lines that warnings and refusals name.

use serde_json::json;
use tempfile::TempDir;
use tests::Roster;

use crate::{counts, import, import_text, write};

/// The sentence about a file that cannot be read.
async fn failure(name: &str, content: impl AsRef<[u8]>) -> String {
    let (roster, folder) = (Roster::empty().await, TempDir::new().expect("a folder"));
    let failure = import(&roster, &write(&folder, name, content)).await.failure();
    failure.replace(&format!("{}/", folder.path().display()), "")
}

#[tokio::test]
async fn a_folder_ends_at_once() {
    let (roster, folder) = (Roster::empty().await, TempDir::new().expect("a folder"));
    let name = folder.path().display();
    assert_eq!(
        import(&roster, folder.path()).await.failure(),
        format!("{name} is a folder. Name one file of it.")
    );
    let missing = folder.path().join("missing.csv");
    assert!(
        import(&roster, &missing)
            .await
            .failure()
            .starts_with(&format!("cannot read {name}/missing.csv: No such file"))
    );
}

#[tokio::test]
async fn what_is_no_text_in_utf_8_is_named() {
    let utf16 = |text: &str, byte_order: fn(u16) -> [u8; 2]| {
        text.encode_utf16().flat_map(byte_order).collect::<Vec<_>>()
    };
    for (content, sentence) in [
        (
            b"\x1f\x8b\x08\x00rest".to_vec(),
            "users.csv is compressed by gzip. Decompress it first: gunzip users.csv",
        ),
        (
            b"PK\x03\x04rest".to_vec(),
            "users.csv is a zip archive or a workbook. Unpack it, or save it as CSV.",
        ),
        (
            utf16("\u{feff}id,email\n", u16::to_le_bytes),
            "users.csv is in UTF-16. Save it in UTF-8.",
        ),
        (
            utf16("\u{feff}id,email\n", u16::to_be_bytes),
            "users.csv is in UTF-16. Save it in UTF-8.",
        ),
        (utf16("id,email\n", u16::to_le_bytes), "users.csv is in UTF-16. Save it in UTF-8."),
        (b"id,email,n\xe5me\n".to_vec(), "users.csv is not in UTF-8. Save it in UTF-8."),
    ] {
        assert!(failure("users.csv", content).await.ends_with(sentence), "{sentence}");
    }
}

#[tokio::test]
async fn an_empty_file_is_named() {
    for name in ["users.csv", "users.jsonl", "users.json", "users"] {
        for content in ["", "\n \r\n", "\u{feff}", "\u{feff}\n"] {
            assert!(
                failure(name, content).await.ends_with(&format!("{name} is empty.")),
                "{name} {content:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_byte_order_mark_is_no_part_of_the_first_field() {
    for (name, content) in [
        ("users.csv", "\u{feff}id,email\n1,ada@example.com\n"),
        ("users.jsonl", "\u{feff}{\"id\": \"1\", \"email\": \"ada@example.com\"}"),
        ("users.json", "\u{feff}[{\"id\": \"1\", \"email\": \"ada@example.com\"}]"),
    ] {
        let (_, imported) = import_text(name, content).await;
        assert_eq!(
            (counts(imported.report()), imported.report().pending),
            ((1, 0, 0), 0),
            "{name}"
        );
    }
}

#[tokio::test]
async fn json_is_read_by_what_it_is_whatever_the_file_is_called() {
    let users = [
        json!({"id": "1", "email": "a@example.com"}),
        json!({"id": "2", "email": "b@example.com"}),
    ];
    let lines = users.each_ref().map(ToString::to_string).join("\n");
    let array = serde_json::to_string_pretty(&users).expect("JSON");
    for content in [
        lines.clone(),
        json!(users).to_string(),
        array.clone(),
        format!("\n\n{array}\n"),
        json!({"users": users}).to_string(),
        json!({"total": 2, "Users": users, "more": {"users": 7}}).to_string(),
        serde_json::to_string_pretty(&json!({"data": users, "total_count": 2})).expect("JSON"),
        // All realms of a Keycloak.
        json!([{"realm": "a", "users": [users[0]], "clients": []}, {"realm": "b", "users": [users[1]]}]).to_string(),
    ] {
        for name in ["users.json", "users", "users.csv"] {
            // A CSV's first line is not JSON.
            if name == "users.csv" && content == lines {
                continue;
            }
            let (_, imported) = import_text(name, &content).await;
            assert_eq!(counts(imported.report()), (2, 0, 0), "{name}: {content}");
        }
    }
}

#[tokio::test]
async fn json_that_is_cut_off_is_named_by_its_line_and_what_was_whole_is_kept() {
    for (content, sentence) in [
        (
            "[{\"id\": \"1\"},\n{\"id\"",
            "users.json is not JSON: it is cut off or broken on line 2.\nuntil there: imported 1, ",
        ),
        (
            "{\"users\": [\n{\"id\": \"1\"},\n{]}",
            "users.json is not JSON: it is cut off or broken on line 3.\nuntil there: imported 1, ",
        ),
        (
            "[{\"id\": \"1\"}]\n[]",
            "users.json goes on behind the end of its JSON, on line 1 or later.\nuntil there: imported 1, ",
        ),
        (
            "{\n\"id\": \"1\"\n}",
            "users.json is an object without a list of users: it has no array named `users`, `Users`, `data`. ",
        ),
        ("{\"users\": {}}\n", ""),
    ] {
        if sentence.is_empty() {
            let (_, imported) = import_text("users.json", content).await;
            assert_eq!(counts(imported.report()), (0, 0, 1));
            continue;
        }
        assert!(
            failure("users.json", content).await.starts_with(sentence),
            "{}",
            failure("users.json", content).await
        );
    }
    let (_, imported) =
        import_text("users.json", "[1,\n null, \"\",\n[{\"id\": \"1\"}],\n{\"id\": \"2\"}]").await;
    assert_eq!(counts(imported.report()), (1, 0, 4));
    let lines: Vec<_> =
        imported.told.iter().map(|line| line.split(':').next().expect("a line")).collect();
    assert_eq!(lines, ["line 1", "line 2", "line 2", "line 3"]);
}

#[tokio::test]
async fn a_record_without_an_end_fills_no_memory() {
    let long = "x".repeat(2 << 20);
    let sentence =
        failure("users.csv", format!("id,email\n1,a@example.com\n2,\"b@example.com\n{long}")).await;
    assert!(
        sentence.starts_with("users.csv has a row on line 3 of more than 1048576 bytes. A quote"),
        "{sentence}"
    );
    let sentence =
        failure("users.json", format!("[\n{{\"id\": \"1\"}},\n{{\"id\": \"{long}\"}}]")).await;
    assert!(
        sentence.starts_with("users.json has a user near line 3 of more than 1048576 bytes."),
        "{sentence}"
    );
    // What is no user may be of any length.
    let (_, imported) = import_text(
        "users.json",
        format!("{{\"pad\": \"{long}\", \"users\": [{{\"id\": \"1\"}}], \"more\": \"{long}\"}}"),
    )
    .await;
    assert_eq!(counts(imported.report()), (1, 0, 0));
}

#[tokio::test]
async fn lines_are_counted_as_an_editor_counts_them() {
    // A blank line, a field of two lines, a field with blank lines, and no line break at the end.
    let rows = [
        "id,email,name",
        "1,no",
        "",
        "",
        "2,no,\"a\nb\"",
        "3,no,",
        "4,no,\"\n\n\"",
        "5,no,",
        "",
        "6,no",
    ];
    for line_break in ["\n", "\r\n", "\r"] {
        for end in ["", line_break] {
            let content = rows.join("\n").replace('\n', line_break) + end;
            let (_, imported) = import_text("users.csv", content).await;
            let told: Vec<_> = imported
                .told
                .iter()
                .map(|line| line.split("mail").next().expect("a line"))
                .collect();
            let email = |line: u32| format!("line {line}: left out `e");
            let fields = |line: u32| {
                format!(
                    "line {line}: refused: it has another number of fields than there are columns: it has 2, and the first line names 3"
                )
            };
            let name = |line: u32| {
                format!(
                    "line {line}: left out `name`, which is too long, or holds control or invisible characters: a\u{fffd}b"
                )
            };
            let expected =
                [fields(2), email(5), name(5), email(7), email(8), email(11), fields(13)];
            assert_eq!(told, expected, "{line_break:?} {end:?}");
        }
    }
    let (_, imported) =
        import_text("users.jsonl", "{\"id\": \"1\"}\r\n\r\nbad\r\n{\"id\": \"2\"}\r\nbad").await;
    let told: Vec<_> = imported.told.iter().map(|line| &line[..28]).collect();
    assert_eq!(told, ["line 3: refused: it is not J", "line 5: refused: it is not J"]);
}

#[tokio::test]
async fn columns_are_told_apart_by_the_separator_of_the_first_line() {
    for separator in [",", ";", "\t"] {
        let content = ["id,email,name", "1,a@example.com,Ada"].join("\n").replace(',', separator);
        let (_, imported) = import_text("users.csv", content).await;
        assert_eq!(
            (counts(imported.report()), imported.report().warned),
            ((1, 0, 0), 0),
            "{separator:?}"
        );
    }
}

#[tokio::test]
async fn a_csv_whose_columns_say_nothing_is_refused_whole() {
    let sentence = "users.csv has no column that tells who a user is: its first line must name one `id`, `email` or `username`, \
                    or --map COLUMN=email says which it is.";
    assert_eq!(failure("users.csv", "name,age\nAda,36\n").await, sentence);
    assert_eq!(
        failure("users.csv", "id,email,id\n").await,
        "users.csv has two columns named `id`. Rename one."
    );
    let (_, imported) = import_text("users.csv", "id,email,\n1,a@example.com,7\n").await;
    assert_eq!(imported.report().not_imported.iter().collect::<Vec<_>>(), ["column 3"]);
}
