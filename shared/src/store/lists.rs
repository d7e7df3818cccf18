//! Lists of a team's users: in any order, filtered, from any offset, with exact totals.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{Freshness, From, Store, failed};
use crate::auth::{Caller, Sealed, TeamAccess, VerifiedToken};
use crate::error::Result;
use crate::models::{Class, DeviceType, Role, Status, User};
use crate::table::{Item, Key, Order, TEAM_ID, prefix};

/// Which users of a team to list. What is `None` does not matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this role.
    pub role: Option<Role>,
    /// Only of this status.
    pub status: Option<Status>,
    /// Only of this device type.
    pub device_type: Option<DeviceType>,
}

impl Filter {
    /// Whether users of that class are listed.
    pub fn admits(&self, class: Class) -> bool {
        self.role.is_none_or(|role| role == class.role)
            && self.status.is_none_or(|status| status == class.status)
            && self.device_type.is_none_or(|device_type| device_type == class.device_type)
    }

    fn conditions(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        [
            self.role.map(|role| ("role", role.as_str())),
            self.status.map(|status| ("status", status.as_str())),
            self.device_type.map(|device_type| ("device_type", device_type.as_str())),
        ]
        .into_iter()
        .flatten()
    }
}

/// A page of a list.
#[derive(Debug, Clone, Copy)]
pub struct ListQuery {
    /// The order.
    pub order: Order,
    /// From the highest value down.
    pub descending: bool,
    /// Which users.
    pub filter: Filter,
    /// How many to pass over.
    pub offset: u64,
    /// How many to list at most.
    pub limit: u64,
}

/// How many users a team has of each class.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    team_id: Uuid,
    classes: Vec<(Class, u64)>,
}

impl Counts {
    /// How many users the filter admits.
    pub fn total(&self, filter: &Filter) -> u64 {
        self.classes.iter().filter(|(class, _)| filter.admits(*class)).map(|(_, count)| count).sum()
    }
}

impl Sealed<Counts> {
    /// Opens the counts to one who may see that team.
    pub fn open_for(self, access: &TeamAccess) -> Option<Counts> {
        Some(self.into_inner()).filter(|counts| counts.team_id == access.team_id())
    }
}

/// How many entries are read first where it is not known how many the filter admits: about five read units.
const FIRST_GUESS: u64 = 100;

impl Store {
    /// How many users a team has, before it is known whether the caller may see it.
    pub async fn sealed_counts(&self, team_id: Uuid, _: &VerifiedToken) -> Result<Sealed<Counts>> {
        self.read_counts(team_id).await.map(Sealed::new)
    }

    /// How many users a team has.
    pub async fn counts(&self, access: &TeamAccess) -> Result<Counts> {
        self.read_counts(access.team_id()).await
    }

    /// How many users the caller's own team has.
    pub(super) async fn own_counts(&self, caller: &Caller) -> Result<Counts> {
        self.read_counts(caller.user.team_id).await
    }

    /// How many users a team has, for whoever decides what becomes of it.
    pub(super) async fn team_size(&self, team_id: Uuid) -> Result<u64> {
        Ok(self.read_counts(team_id).await?.total(&Filter::default()))
    }

    /// How many people and how many machines administer a team; those who are deleted do not.
    pub async fn admins(&self, access: &TeamAccess) -> Result<(u64, u64)> {
        #[derive(serde::Deserialize)]
        struct Admins {
            #[serde(default)]
            service_admins: u64,
        }
        let key = Key::team(access.team_id());
        let (counts, team) = futures::try_join!(self.counts(access), self.get::<Admins>(&key, Freshness::Strong))?;
        let all = |status| counts.total(&Filter { role: Some(Role::Admin), status, device_type: None });
        let machines = team.map_or(0, |team| team.service_admins);
        Ok(((all(None) - all(Some(Status::Deleted))).saturating_sub(machines), machines))
    }

    async fn read_counts(&self, team_id: Uuid) -> Result<Counts> {
        // Strong, so that a total is never behind the write that an answer acknowledged.
        let shards: Vec<serde_json::Map<String, serde_json::Value>> =
            self.query(&Key::team(team_id), prefix::COUNT, From::Start, 64, Freshness::Strong).await?;
        let attributes = shards.iter().flatten();
        let classes = attributes.filter_map(|(name, value)| Some((Class::from_attribute(name)?, value.as_u64()?))).collect();
        Ok(Counts { team_id, classes })
    }

    /// A page of a team's users. With the team's counts known, it is read from the nearer end.
    pub async fn list<T: DeserializeOwned>(&self, access: &TeamAccess, page: &ListQuery, counts: Option<&Counts>) -> Result<Vec<T>> {
        let total = counts.map(|counts| counts.total(&page.filter));
        let rest = total.map(|total| total.saturating_sub(page.offset));
        let limit = rest.map_or(page.limit, |rest| rest.min(page.limit));
        if limit == 0 {
            return Ok(Vec::new());
        }
        // Entries after the page are fewer than those before it: read backwards, and turn the page round.
        let after = rest.map(|rest| rest - limit).filter(|after| *after < page.offset);
        let skip = after.unwrap_or(page.offset);
        let forward = page.descending == after.is_some();
        // How many entries stand in the index for each that the filter admits, where that is known.
        let sparsity = match (page.filter == Filter::default(), counts, total) {
            (true, _, _) => Some(1),
            (false, Some(counts), Some(total)) => Some(counts.total(&Filter::default()).div_ceil(total.max(1))),
            _ => None,
        };
        let mut items = self.walk(access, page, forward, skip, limit, sparsity).await?;
        if after.is_some() {
            items.reverse();
        }
        items.into_iter().map(super::decode).collect()
    }

    /// A query of a team's users in an order; with a condition on their place in it (`#sort`), and the value in that (`:bound`).
    pub(super) fn in_team(&self, team: Uuid, order: Order, place: Option<(&str, AttributeValue)>) -> QueryFluentBuilder {
        let (index, sort) = order.index();
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(index)
            .expression_attribute_names("#team", TEAM_ID)
            .expression_attribute_values(":team", AttributeValue::S(team.to_string()));
        match place {
            None => query.key_condition_expression("#team = :team"),
            Some((condition, bound)) => query
                .key_condition_expression(format!("#team = :team AND {condition}"))
                .expression_attribute_names("#sort", sort)
                .expression_attribute_values(":bound", bound),
        }
    }

    /// Passes over `skip` entries of an index and reads the next `limit`.
    async fn walk(
        &self,
        access: &TeamAccess,
        page: &ListQuery,
        forward: bool,
        mut skip: u64,
        limit: u64,
        sparsity: Option<u64>,
    ) -> Result<Vec<Item>> {
        let mut found = Vec::new();
        let mut start = None;
        let mut unknown = FIRST_GUESS;
        loop {
            let mut request = self.in_team(access.team_id(), page.order, None).scan_index_forward(forward).set_exclusive_start_key(start);
            let mut conditions = Vec::new();
            for (attribute, word) in page.filter.conditions() {
                conditions.push(format!("#{attribute} = :{attribute}"));
                request = request
                    .expression_attribute_names(format!("#{attribute}"), attribute)
                    .expression_attribute_values(format!(":{attribute}"), AttributeValue::S(word.to_owned()));
            }
            // DynamoDB limits what it evaluates, not what the filter lets through.
            let missing = skip + limit - found.len() as u64;
            let wanted = sparsity.map_or(unknown, |sparsity| missing.saturating_mul(sparsity));
            unknown = unknown.saturating_mul(10);
            request = request.limit(i32::try_from(wanted).unwrap_or(i32::MAX));
            if !conditions.is_empty() {
                request = request.filter_expression(conditions.join(" AND "));
            }
            let output = request.send().await.map_err(failed)?;
            for item in output.items.unwrap_or_default() {
                if skip > 0 {
                    skip -= 1;
                } else if (found.len() as u64) < limit {
                    found.push(item);
                }
            }
            start = output.last_evaluated_key;
            if start.is_none() || found.len() as u64 >= limit {
                return Ok(found);
            }
        }
    }

    /// The user of that number in a team. The index may not have a new one yet; the number's own item does.
    pub async fn user_by_number(&self, access: &TeamAccess, number: u64) -> Result<Option<User>> {
        let team_id = access.team_id();
        let indexed = async {
            let number = ("#sort = :bound", AttributeValue::N(number.to_string()));
            let output = self.in_team(team_id, Order::Number, Some(number)).limit(1).send().await.map_err(failed)?;
            output.items.unwrap_or_default().pop().map(super::decode::<User>).transpose()
        };
        let key = Key::number(team_id, number);
        let (indexed, holder) = futures::try_join!(indexed, self.get::<super::Holder>(&key, Freshness::Strong))?;
        match (indexed, holder) {
            (_, None) => Ok(None),
            (Some(user), Some(holder)) if user.id == holder.user_id => Ok(Some(user)),
            (_, Some(holder)) => self.get(&Key::user(holder.user_id), Freshness::Strong).await,
        }
    }

    /// The users of those ids that are in the team, in no order.
    pub async fn users_in_team(&self, access: &TeamAccess, ids: &[Uuid]) -> Result<Vec<User>> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let keys: Vec<_> = ids.into_iter().map(Key::user).collect();
        let mut users: Vec<User> = self.get_many(&keys, Freshness::Strong).await?;
        users.retain(|user| user.team_id == access.team_id());
        Ok(users)
    }
}
