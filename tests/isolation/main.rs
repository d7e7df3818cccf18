//! Tenants and callers kept apart at every endpoint; and hostile input at every endpoint, which never breaks the server.

#[path = "../errors.rs"]
mod errors;
mod hostile;
mod probes;
mod rights;
mod tenants;
