//! Accounts: listing, deleting, restoring, exporting them; their sandboxes and quotas.
