//! Tenants and callers kept apart at every endpoint; and hostile input at every endpoint, which never breaks the server.

#[path = "../errors.rs"]
mod errors;
#[path = "../give_key.rs"]
mod give_key;
mod hostile;
mod probes;
mod rights;
mod tenants;
