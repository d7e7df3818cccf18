//! The fuzz targets on every input that is kept, which are those that led libFuzzer somewhere new,
//! and on variations of them. `corpus/` has a file for each target; a line is one input, as a JSON
//! string whose characters up to U+00FF stand for the bytes.

mod targets;

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use tests::{chance, rounds};

/// Chooses at random, the same each time.
struct Chance(u64);

impl Chance {
    /// A number below another.
    fn below(&mut self, end: usize) -> usize {
        self.0 += 1;
        (chance(self.0) % end.max(1) as u64) as usize
    }

    /// Some place in an input, its end among them.
    fn place(&mut self, input: &[u8]) -> usize {
        self.below(input.len() + 1)
    }
}

/// What has broken one parser or another.
const ODD: [&[u8]; 20] = [
    b"\0",
    b"\n",
    b"\r\n",
    b"\"",
    b"\\",
    b",",
    b"%",
    b"%00",
    b"&",
    b"=",
    b"-1",
    b"9223372036854775808",
    b"1e999",
    b"null",
    b"\xff",
    b"\xed\xa0\x80",
    "\u{202e}".as_bytes(),
    "\u{212a}".as_bytes(),
    "e\u{301}".as_bytes(),
    "\u{10ffff}".as_bytes(),
];

/// An input like one that is kept.
fn varied(kept: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut input = kept[chance.below(kept.len())].clone();
    for _ in 0..=chance.below(4) {
        let (place, other) = (chance.place(&input), chance.place(&input));
        let (from, to) = (place.min(other), place.max(other));
        match chance.below(6) {
            0 => {
                if let Some(byte) = input.get_mut(place) {
                    *byte ^= 1 << chance.below(8);
                }
            }
            1 => input.insert(place, chance.below(256) as u8),
            2 => drop(input.drain(from..to)),
            3 => {
                let part = input[from..to].to_vec();
                input.splice(place..place, part);
            }
            4 => {
                let donor = &kept[chance.below(kept.len())];
                let start = chance.place(donor);
                input.truncate(place);
                input.extend(&donor[start..]);
            }
            _ => drop(input.splice(place..place, ODD[chance.below(ODD.len())].iter().copied())),
        }
        input.truncate(4096);
    }
    input
}

/// Says which input it was that a target panicked at.
struct Trying<'a> {
    target: &'a str,
    step: usize,
    input: &'a [u8],
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let line: String = self.input.iter().copied().map(char::from).collect();
            eprintln!(
                "{}, step {}, broke at this input: add it to the corpus\n{}",
                self.target,
                self.step,
                serde_json::json!(line)
            );
        }
    }
}

/// One at a time: memory is measured over the process.
static ALONE: Mutex<()> = Mutex::new(());

fn attack(target: &str, variations: usize) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target)
        .with_extension("txt");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let bytes = |line| {
        serde_json::from_str::<String>(line)
            .ok()?
            .chars()
            .map(|c| u8::try_from(c).ok())
            .collect::<Option<Vec<u8>>>()
    };
    let kept: Vec<Vec<u8>> = text
        .lines()
        .map(|line| bytes(line).unwrap_or_else(|| panic!("{}: {line}", path.display())))
        .collect();
    assert!(!kept.is_empty(), "{} is empty", path.display());
    targets::LARGEST.store(0, Ordering::Relaxed);
    let mut run = targets::start(target);
    let mut chance = Chance(1);
    for step in 0..kept.len() + variations {
        let input = if step < kept.len() { kept[step].clone() } else { varied(&kept, &mut chance) };
        let _trying = Trying { target, step, input: &input };
        run(&input);
    }
    let largest = targets::LARGEST.load(Ordering::Relaxed);
    assert!(largest > 0, "no input gets into {target}");
    println!(
        "{target}: {} inputs that are kept, {variations} variations, at most {largest} bytes of memory for one",
        kept.len()
    );
}

/// A test for each target, with how many variations it tries in the short run and in the full one.
macro_rules! attacks {
    ($($target:ident: $short:literal, $full:literal;)+) => {
        $(#[test]
        fn $target() {
            attack(stringify!($target), rounds($short, $full));
        })+

        #[test]
        fn every_target_is_tried() {
            assert_eq!(targets::TARGETS.map(|target| target.0), [$(stringify!($target)),+]);
        }
    };
}

attacks! {
    credential: 5_000, 200_000;
    claims: 5_000, 200_000;
    text: 5_000, 200_000;
    event: 2_000, 50_000;
    api_key: 5_000, 200_000;
    query: 100, 2_000;
    cursor: 100, 2_000;
    body: 100, 2_000;
    precondition: 100, 1_000;
    idempotency_key: 50, 500;
    import_json: 100, 2_000;
    import_document: 100, 2_000;
    import_csv: 100, 2_000;
}
