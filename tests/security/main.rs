//! Attacks, each followed by the refusal or the trace that it meets.

mod keys;
mod operators;
