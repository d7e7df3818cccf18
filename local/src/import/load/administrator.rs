//! Makes the administrator whom the person who imports asked for.

use std::hash::BuildHasher;

use shared::models::{Role, Status};
use shared::table::fold;

use super::Import;
use crate::Failure;
use crate::import::line::Line;

impl Import<'_> {
    /// Sees to it that the user of an email administers their team, who becomes a pending member
    /// where there is none.
    pub(super) async fn administrator(&mut self, email: &str) -> Result<(), Failure> {
        let hash = self.hasher.hash_one(("email", Some(fold(email))));
        if self.planned.contains(&hash) {
            // A record of the dry run makes the administrator.
            return Ok(());
        }
        let Some(user) = self.store.user_of_email(email).await? else {
            let line = Line { email: Some(email.to_owned()), ..Line::default() };
            let candidates = self.member(0, line).await?.into_iter().collect();
            let new = self.absent(candidates).await?;
            return self.write(new).await;
        };
        let is_met = matches!(self.teams.get(&user.team_id), Some(Some(_)))
            || user.team_id == self.options.team_id;
        let problem = match user.status {
            _ if !is_met => "is in another team",
            Status::Suspended => "is suspended",
            Status::Deleted => "is deleted",
            Status::Active | Status::Invited if user.role == Role::Admin => return Ok(()),
            Status::Active | Status::Invited => {
                if !self.options.dry_run {
                    self.store.make_administrator(user, self.now).await?;
                }
                self.report.promoted = Some(email.to_owned());
                return Ok(());
            }
        };
        let reason = format!("the user of --import-admin {problem}, and is made no administrator");
        self.report.warned += 1;
        *self.report.warnings.entry(reason).or_default() += 1;
        Ok(())
    }

    pub(super) fn is_admin(&self, email: Option<&str>) -> bool {
        let admin = self.options.admin.as_deref();
        admin.zip(email).is_some_and(|(admin, email)| fold(admin) == fold(email))
    }
}
