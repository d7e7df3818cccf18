//! Attacks, each followed by the refusal or the trace that it meets.

mod attribution;
mod bounds;
mod delegation;
mod erasure;
mod keys;
mod metering;
mod operators;
mod requests;
mod sign_out_everywhere;
mod step_up;
mod token_context;
