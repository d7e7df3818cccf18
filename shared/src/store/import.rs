//! The import of users: for whoever has the table itself, as no endpoint does it.

use std::collections::HashMap;

use serde::Deserialize;
use uuid::Uuid;

use super::{Act, Freshness, Holder, Refusal, Store, WriteError, encode};
use crate::Response;
use crate::error::Result;
use crate::models::{AuditCredential, AuditCredentialKind, Role, Team, User};
use crate::table::Key;
use crate::time::Timestamp;

/// The users who are there already, of those asked for.
#[derive(Debug, Default)]
pub struct Existing {
    /// The teams of users that exist, by the users' ids.
    pub teams: HashMap<Uuid, Uuid>,
    /// The holders of emails, by the folded email.
    pub emails: HashMap<String, Uuid>,
    /// The holders of usernames, by team and folded username.
    pub usernames: HashMap<(Uuid, String), Uuid>,
}

/// An item of a user, or of a value that one user alone may hold.
#[derive(Deserialize)]
struct Found {
    pk: String,
    sk: String,
    id: Option<Uuid>,
    team_id: Option<Uuid>,
    user_id: Option<Uuid>,
}

impl Existing {
    fn take(&mut self, item: Found) {
        let username_of = item.pk.strip_prefix("USERNAME#").and_then(|team| team.parse().ok());
        match (item.user_id, username_of) {
            (Some(holder), Some(team)) => {
                self.usernames.insert((team, item.sk), holder);
            }
            (Some(holder), None) if item.pk.starts_with("EMAIL#") => {
                self.emails.insert(item.sk, holder);
            }
            _ => self.teams.extend(item.id.zip(item.team_id)),
        }
    }
}

fn act(action: &'static str, at: Timestamp) -> Act {
    Act::of_machine(AuditCredential::new(AuditCredentialKind::Import, None), action, at)
}

impl Store {
    /// Makes users in teams that exist. An entry of the import begins each one's history.
    ///
    /// # Errors
    /// Refused as `UserExists` or as `…Taken`; then nobody is made.
    pub async fn import_users(&self, users: &[User], at: Timestamp) -> Result<(), WriteError> {
        self.load_with(users, Some(&act("user.imported", at))).await
    }

    /// Returns which of those users exist, and who holds those emails and the usernames in those
    /// teams.
    pub async fn existing(
        &self,
        ids: &[Uuid],
        emails: &[String],
        usernames: &[(Uuid, String)],
    ) -> Result<Existing> {
        let ids = ids.iter().map(|id| Key::user(*id));
        let emails = emails.iter().map(|email| Key::email(email));
        let usernames = usernames.iter().map(|(team, username)| Key::username(*team, username));
        let mut existing = Existing::default();
        self.find(ids.chain(emails).chain(usernames).collect(), &mut existing).await?;
        // The teams of those who hold something.
        let holders = existing.emails.values().chain(existing.usernames.values());
        let unknown = holders
            .filter(|holder| !existing.teams.contains_key(holder))
            .map(|holder| Key::user(*holder));
        self.find(unknown.collect(), &mut existing).await?;
        Ok(existing)
    }

    async fn find(&self, mut keys: Vec<Key>, existing: &mut Existing) -> Result<()> {
        // DynamoDB takes no key twice.
        keys.sort_unstable();
        keys.dedup();
        let found: Vec<Found> = self.get_many(&keys, Freshness::Strong).await?;
        found.into_iter().for_each(|item| existing.take(item));
        Ok(())
    }

    /// Returns a team's name, if there is such a team.
    pub async fn team_name(&self, id: Uuid) -> Result<Option<String>> {
        Ok(self.get::<Team>(&Key::team(id), Freshness::Strong).await?.map(|team| team.name))
    }

    /// Makes a team, unless there is one of that id.
    pub async fn make_team(&self, team: &Team) -> Result<()> {
        let mut transaction = self.transaction();
        transaction.create(encode(&Key::team(team.id), team)?, Refusal::TeamExists)?;
        match self.commit(transaction).await {
            Ok(()) | Err(WriteError::Refused(Refusal::TeamExists)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the user who holds an email.
    pub async fn user_of_email(&self, email: &str) -> Result<Option<User>> {
        match self.get::<Holder>(&Key::email(email), Freshness::Strong).await? {
            Some(holder) => self.user(holder.user_id, Freshness::Strong).await,
            None => Ok(None),
        }
    }

    /// Makes a user an administrator of their team.
    pub async fn make_administrator(&self, user: User, at: Timestamp) -> Result<()> {
        let change = |user: &User| Ok(User { role: Role::Admin, ..user.clone() });
        self.change_user(user, &change, &act("user.updated", at), &|_| Response::default())
            .await
            .map(|_| ())
    }
}
