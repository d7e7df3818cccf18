//! Tenants and callers kept apart at every endpoint; hostile input at every endpoint, which never
//! breaks the server; and what is logged of every request.

#[path = "../errors.rs"]
mod errors;
#[path = "../give_key.rs"]
mod give_key;
mod hostile;
mod logs;
mod rights;
mod tenants;
