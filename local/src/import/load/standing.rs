//! Tells who is there already, in the table or among those who are to be written.

use std::hash::BuildHasher;

use shared::models::User;
use shared::store::{Existing, Refusal};
use shared::table::fold;
use uuid::Uuid;

use super::{Candidate, Import, reason};
use crate::Failure;
use crate::import::shown;

impl Import<'_> {
    /// The candidates who are not there, neither in the table nor among those planned.
    pub(super) async fn absent(
        &mut self,
        candidates: Vec<Candidate>,
    ) -> Result<Vec<Candidate>, Failure> {
        let users = || candidates.iter().map(|candidate| &candidate.user);
        let known = candidates.iter().filter(|candidate| candidate.is_known);
        let ids: Vec<Uuid> = known.map(|candidate| candidate.user.id).collect();
        let emails: Vec<String> = users().filter_map(|user| user.email.clone()).collect();
        let username = |user: &User| Some((user.team_id, user.username.clone()?));
        let usernames: Vec<(Uuid, String)> = users().filter_map(username).collect();
        let existing = self.store.existing(&ids, &emails, &usernames).await?;
        let mut absent = Vec::new();
        for mut candidate in candidates {
            match self.standing(&candidate, &existing) {
                Standing::New { has_username } => {
                    if let Some(username) = candidate.user.username.take_if(|_| !has_username) {
                        let held = "which another user of the team holds";
                        let message = format!("left out `username`, {held}: {}", shown(&username));
                        self.warn(
                            candidate.line,
                            &message,
                            format!("`username` is left out, {held}"),
                        );
                    }
                    self.planned.extend(self.values(&candidate.user));
                    absent.push(candidate);
                }
                Standing::Present(team) => {
                    self.report.present += 1;
                    if team.is_some_and(|team| team != candidate.user.team_id) {
                        let problem = "the user is in another team already, and stays there";
                        self.warn(candidate.line, problem, problem.to_owned());
                    }
                }
                Standing::Refused(refusal) => self.refuse(candidate.line, reason(refusal), ""),
            }
        }
        Ok(absent)
    }

    fn standing(&self, candidate: &Candidate, existing: &Existing) -> Standing {
        let user = &candidate.user;
        let [id, email, username] = self.values(user);
        let is_planned = |hash: u64| self.planned.contains(&hash);
        if candidate.is_known && (existing.teams.contains_key(&user.id) || is_planned(id)) {
            return Standing::Present(existing.teams.get(&user.id).copied());
        }
        // Held by someone, in a team if it is known.
        let held = |value: Option<&String>, holder: Option<&Uuid>, hash: u64| {
            let is_held = value.is_some() && (holder.is_some() || is_planned(hash));
            is_held.then(|| holder.and_then(|holder| existing.teams.get(holder)).copied())
        };
        let holder = user.email.as_deref().and_then(|email| existing.emails.get(&fold(email)));
        let email = held(user.email.as_ref(), holder, email);
        let key = user.username.as_deref().map(|username| (user.team_id, fold(username)));
        let holder = key.and_then(|key| existing.usernames.get(&key));
        let username = held(user.username.as_ref(), holder, username);
        // A record without an id tells of the user of its email, or else of its username.
        let told_of = if user.email.is_some() { email } else { username };
        match told_of {
            Some(team) if !candidate.is_known => Standing::Present(team),
            _ if email.is_some() => Standing::Refused(Refusal::EmailTaken),
            _ => Standing::New { has_username: username.is_none() },
        }
    }

    /// Hashes of what a user alone may have: the id, the email, the username.
    fn values(&self, user: &User) -> [u64; 3] {
        [
            self.hasher.hash_one(("id", user.id)),
            self.hasher.hash_one(("email", user.email.as_deref().map(fold))),
            self.hasher.hash_one(("username", user.team_id, user.username.as_deref().map(fold))),
        ]
    }
}

/// The known facts of a candidate.
enum Standing {
    /// They are not there; without the username where another user holds it.
    New { has_username: bool },
    /// They are there, in a team if it is known.
    Present(Option<Uuid>),
    /// Another user has what is theirs.
    Refused(Refusal),
}
