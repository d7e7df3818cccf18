//! What runs by the clock: no request asks for it.

pub mod purge_accounts;
