//! A reader that ends where one record takes too much, so that no file fills the memory.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use super::MAX_RECORD;

/// The bytes that may still be read. Each record begins with a new one.
#[derive(Clone)]
pub struct Budget(Rc<Cell<u64>>);

impl Budget {
    /// Of one record.
    pub fn new() -> Self {
        Self(Rc::new(Cell::new(MAX_RECORD)))
    }

    /// Begins a record.
    pub fn renew(&self) {
        self.0.set(MAX_RECORD);
    }

    /// Begins something of any length that is not kept.
    pub fn lift(&self) {
        self.0.set(u64::MAX);
    }

    /// Returns true if the record took all.
    pub fn is_used_up(&self) -> bool {
        self.0.get() == 0
    }
}

/// Reads while there is a budget.
pub struct Bounded<R> {
    /// What is read.
    pub reader: R,
    /// The budget.
    pub budget: Budget,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.budget.is_used_up() {
            return Err(io::Error::other(format!("a record is longer than {MAX_RECORD} bytes")));
        }
        let left = self.budget.0.get();
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.reader.read(&mut buffer[..most])?;
        self.budget.0.set(left - count as u64);
        Ok(count)
    }
}
