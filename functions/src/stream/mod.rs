//! What runs after the table was written: no request waits for it.

pub mod count_places;
