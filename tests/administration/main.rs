//! Administering a team: its users, invites, and changes that do not overwrite each other.
