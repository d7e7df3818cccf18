//! One of the fuzz targets, named by `FUZZ_TARGET`, under libFuzzer. `run` builds and runs it.

#![no_main]

mod targets;

use std::cell::{Cell, RefCell};
use std::sync::atomic::Ordering;

use libfuzzer_sys::fuzz_target;

thread_local! {
    // For good: what is left of a runtime when the process ends has nobody to end it.
    static RUN: RefCell<&'static mut targets::Run> = RefCell::new(Box::leak(Box::new(start())));
    static TOLD: Cell<usize> = const { Cell::new(0) };
}

fn start() -> targets::Run {
    targets::start(&std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target"))
}

fuzz_target!(|input: &[u8]| {
    RUN.with_borrow_mut(|run| run(input));
    let largest = targets::LARGEST.load(Ordering::Relaxed);
    if TOLD.replace(largest) < largest {
        println!("most memory: {largest} bytes");
    }
});
