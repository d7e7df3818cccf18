//! Which mutant is on. Only in the copy of the sources that `tests/mutants/run` makes.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The number of the mutant that is on, 0 for none; and where to note which ones were reached.
static SWITCH: OnceLock<(u32, Option<File>)> = OnceLock::new();

static REACHED: [AtomicBool; MUTANTS] = [const { AtomicBool::new(false) }; MUTANTS];

/// The one of these mutants that is on, or 0.
pub(crate) fn at(mutants: &[u32]) -> u32 {
    let (on, reached) = SWITCH.get_or_init(|| {
        let on = std::env::var("ROSTER_MUTANT").map_or(0, |on| on.parse().expect("a number"));
        let file = std::env::var_os("ROSTER_MUTANTS_REACHED");
        (on, file.map(|file| OpenOptions::new().create(true).append(true).open(file).expect("the file opens")))
    });
    if let Some(mut file) = reached.as_ref() {
        for mutant in mutants {
            if !REACHED[*mutant as usize].swap(true, Ordering::Relaxed) {
                file.write_all(format!("{mutant}\n").as_bytes()).expect("the file is written");
            }
        }
    }
    if *on != 0 && mutants.contains(on) { *on } else { 0 }
}
