//! Shares, delegated tokens, and requests that are sent again.
