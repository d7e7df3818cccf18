//! Whole lives of users, from the invitation to the purge.

mod large;
mod purge;
mod stories;
