//! Whole lives of users, from the invitation to the purge.

mod purge;
mod stories;
