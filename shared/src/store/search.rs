//! Finding users by how their email or a name begins, and listing all of them: over all teams for
//! platform operators, in one team for its members.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::try_join_all;
use uuid::Uuid;

use super::lists::of_classes;
use super::{Freshness, From, Holder, Store, decode, failed, sort_by_place, user_of};
use crate::auth::{Caller, MembersRead, MembersWrite, Operator, TeamAccess};
use crate::error::Result;
use crate::models::{AccountType, ListedUser, NumberedUser, Status, User};
use crate::table::{
    Classes, EVERYONE, Index, Item, Key, SK, WIDE_PARTITIONS, WideIndex, cut, index, initial,
    searchable, searchable_identifier, words,
};
use crate::text::case_fold;
use crate::time::Timestamp;

/// A page of users, and where the next one starts, if there is more.
pub type Page<T> = (Vec<T>, Option<String>);

/// The most members of a team whose names a search reads, all of them.
const MAX_READ: u64 = 5000;

/// The most users that a search in a larger team finds.
const MAX_FOUND: usize = 5000;

/// The number of entries of an index that are read at a time for a page of people who were not
/// seen.
const ENTRIES_AT_A_TIME: i32 = 500;

/// The most entries that are read for such a page.
const MOST_ENTRIES_OF_A_PAGE: i32 = 5000;

impl Store {
    /// Every user, newest first, from behind `after`.
    pub async fn everyone(
        &self,
        _: &Operator,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<ListedUser>> {
        let bound = ("<", after.unwrap_or("\u{10ffff}").to_owned());
        let mut found = self.wide(EVERYONE, bound, From::End, limit + 1).await?;
        sort_by_place(&mut found);
        found.reverse();
        page(found, limit)
    }

    /// The users whose email, name or shown name begins with a text, in the order of what was
    /// found, from behind `after`.
    pub async fn search(
        &self,
        _: &Operator,
        text: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<ListedUser>> {
        let (name, email) = (searchable(text), searchable_identifier(text));
        let mut found: Vec<(String, Item)> = Vec::new();
        let mut after = after.map(str::to_owned);
        loop {
            let partitions = [
                (format!("EMAIL#{}", initial(&email)), &email),
                (format!("NAME#{}", initial(&name)), &name),
            ];
            let reads = partitions.iter().map(|(partition, text)| {
                self.beginning_with(partition, text, after.as_deref(), limit + 1)
            });
            let read = try_join_all(reads).await?;
            // Beyond the last entry of a partition that has more, others may come in between.
            let full = read.iter().filter(|entries| entries.len() > limit);
            let horizon =
                full.filter_map(|entries| entries.last().map(|(place, _)| place.clone())).min();
            let mut entries: Vec<_> = read.into_iter().flatten().collect();
            entries.retain(|(place, _)| horizon.as_ref().is_none_or(|horizon| place <= horizon));
            sort_by_place(&mut entries);
            for (place, item) in entries {
                // Who is found by several is listed by the first.
                let user: ListedUser = decode(item.clone())?;
                if first_place(&user, &name, &email).is_none_or(|first| first == place) {
                    found.push((place, item));
                }
            }
            if horizon.is_none() || found.len() > limit {
                return page(found, limit);
            }
            after = horizon;
        }
    }

    /// The user of that id, as operators list users.
    pub async fn listed_user(&self, _: &Operator, id: Uuid) -> Result<Option<ListedUser>> {
        Ok(self.user(id, Freshness::Strong).await?.map(|user| ListedUser::from(&user)))
    }

    /// A team's users who are not deleted and whose name contains a text, or whose username or
    /// email begins with it, by number; none where they are more than [`MAX_FOUND`]. In a team of
    /// more than [`MAX_READ`] members, the text must begin a word of the name. For any of its
    /// members.
    pub async fn search_team(
        &self,
        caller: &Caller<MembersRead>,
        text: &str,
    ) -> Result<Option<Vec<NumberedUser>>> {
        let team = caller.user.team_id;
        // No stored word is longer, and no key may be.
        let folded = cut(case_fold(text));
        let begins = |value: &Option<String>| {
            value.as_deref().is_some_and(|value| case_fold(value).starts_with(&folded))
        };
        if self.members(team).await? > MAX_READ {
            let Some(mut users) = self.beginning_a_word_with(team, text, &folded).await? else {
                return Ok(None);
            };
            users.retain(|user| {
                let mut words = user.name.iter().flat_map(|name| words(name));
                words.any(|word| word.starts_with(&folded))
                    || begins(&user.username)
                    || begins(&user.email)
            });
            users.sort_unstable_by_key(|user| user.number);
            return Ok(Some(users));
        }
        let (mut users, _) = self.page_by_number(team, None, usize::MAX).await?;
        users.retain(|user| {
            let name = user.name.as_deref().is_some_and(|name| case_fold(name).contains(&folded));
            name || begins(&user.username) || begins(&user.email)
        });
        Ok(Some(users))
    }

    /// The users of a large team who may be found by a text, in no order; none where they are too
    /// many.
    async fn beginning_a_word_with(
        &self,
        team: Uuid,
        text: &str,
        folded: &str,
    ) -> Result<Option<Vec<NumberedUser>>> {
        let (usernames, words) = (Key::username(team, ""), Key::words_of(team));
        let (username, sorted) = (searchable_identifier(text), searchable(text));
        let (usernames, words, names, titles) = futures::try_join!(
            self.holders(&usernames.pk, &username),
            self.holders(&words, folded),
            self.indexed(team, index::NAME, &sorted),
            self.indexed(team, index::TITLE, &sorted),
        )?;
        let mut ids = [usernames, words, names, titles].concat();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() > MAX_FOUND {
            return Ok(None);
        }
        let users = self.users_of(team, &ids).await?;
        let users = users.into_iter().filter(|user| user.status != Status::Deleted);
        Ok(Some(users.map(NumberedUser::from).collect()))
    }

    /// The holders of what begins with a text in a partition: one more than a search finds at most.
    async fn holders(&self, partition: &str, text: &str) -> Result<Vec<Uuid>> {
        let found = self.beginning_with(partition, text, None, MAX_FOUND + 1).await?;
        found
            .into_iter()
            .map(|(_, item)| decode::<Holder>(item).map(|holder| holder.user_id))
            .collect()
    }

    /// The people of a team who were not seen since a time, by number, from behind `after`: at most
    /// so many, and, for a page, of a part of the team that is not too large to read. Gives the
    /// number behind which the rest is, too.
    ///
    /// Only those of whom an index does not tell that they are people are read by key: who was
    /// never seen, and does not wait for their first sign-in, is most often managed by someone.
    pub async fn people_not_seen_since(
        &self,
        access: &TeamAccess<MembersRead>,
        since: Timestamp,
        after: Option<u64>,
        limit: usize,
        is_page: bool,
    ) -> Result<Page<NumberedUser>> {
        let mut found: Vec<NumberedUser> = Vec::new();
        let mut after = after.unwrap_or(0);
        let mut looked_at = 0;
        loop {
            let behind = AttributeValue::N(after.to_string());
            let mut query = self.in_team(access.team_id(), index::NUMBER, "#sort > :bound", behind);
            if is_page {
                query = query.limit(ENTRIES_AT_A_TIME);
            }
            let output = query.send().await.map_err(failed)?;
            let last: Option<u64> = output
                .last_evaluated_key
                .and_then(|key| key.get(index::NUMBER.sort)?.as_n().ok()?.parse().ok());
            looked_at += ENTRIES_AT_A_TIME;
            let mut people = Vec::new();
            for item in output.items.unwrap_or_default() {
                let user: NumberedUser = decode(item)?;
                if user.seen_at.unwrap_or(user.created_at) < since
                    && user.class.status != Status::Deleted
                    && user.account_type == AccountType::User
                {
                    people.push(user);
                }
            }
            let unknown = people
                .iter()
                .filter(|user| user.seen_at.is_none() && user.class.status != Status::Invited);
            let keys: Vec<_> = unknown.map(|user| Key::user(user.id)).collect();
            let read: Vec<User> = self.get_many(&keys, Freshness::Eventual).await?;
            let managed: BTreeSet<Uuid> = read
                .into_iter()
                .filter(|user| user.manager_id.is_some())
                .map(|user| user.id)
                .collect();
            for user in people.into_iter().filter(|user| !managed.contains(&user.id)) {
                if found.len() == limit {
                    let next = found.last().map(|user| user.number.to_string());
                    return Ok((found, next));
                }
                found.push(user);
            }
            match last {
                None => return Ok((found, None)),
                Some(last) if is_page && looked_at >= MOST_ENTRIES_OF_A_PAGE => {
                    return Ok((found, Some(last.to_string())));
                }
                Some(last) => after = last,
            }
        }
    }

    /// A team's users who are not deleted, by number, from behind `after`.
    pub async fn users_by_number(
        &self,
        access: &TeamAccess<MembersRead>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Page<NumberedUser>> {
        self.page_by_number(access.team_id(), after, limit).await
    }

    pub(super) async fn page_by_number(
        &self,
        team: Uuid,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Page<NumberedUser>> {
        let mut users: Vec<NumberedUser> = Vec::new();
        let mut after = after.unwrap_or(0);
        loop {
            let wanted = (limit - users.len()).saturating_add(1);
            let behind = AttributeValue::N(after.to_string());
            let output = not_deleted(self.in_team(team, index::NUMBER, "#sort > :bound", behind))
                .limit(i32::try_from(wanted).unwrap_or(i32::MAX))
                .send()
                .await
                .map_err(failed)?;
            let items = output.items.unwrap_or_default();
            users
                .extend(items.into_iter().map(decode::<NumberedUser>).collect::<Result<Vec<_>>>()?);
            if users.len() > limit {
                users.truncate(limit);
                let next = users.last().map(|user| user.number.to_string());
                return Ok((users, next));
            }
            let last = output
                .last_evaluated_key
                .and_then(|key| key.get(index::NUMBER.sort)?.as_n().ok()?.parse().ok());
            match last {
                Some(last) => after = last,
                None => return Ok((users, None)),
            }
        }
    }

    /// The ids of a team's next users by number, from behind one on, and the last number, if there
    /// may be more.
    pub(super) async fn numbered_keys(
        &self,
        team: Uuid,
        after: &str,
        limit: usize,
    ) -> Result<(Vec<Uuid>, Option<String>)> {
        let behind =
            AttributeValue::N(if after.is_empty() { "0".to_owned() } else { after.to_owned() });
        let query = self
            .in_team(team, index::NUMBER, "#sort > :bound", behind)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let output = query.send().await.map_err(failed)?;
        let ids = output.items.unwrap_or_default().iter().map(user_of).collect::<Result<_>>()?;
        let last = output
            .last_evaluated_key
            .and_then(|key| key.get(index::NUMBER.sort)?.as_n().ok().cloned());
        Ok((ids, last))
    }

    /// The users of those numbers in a team, in no order.
    pub async fn users_of_numbers(
        &self,
        access: &TeamAccess<MembersWrite>,
        numbers: &[u64],
    ) -> Result<Vec<User>> {
        let mut keys: Vec<_> =
            numbers.iter().map(|number| Key::number(access.team_id(), *number)).collect();
        keys.sort_unstable();
        keys.dedup();
        let holders: Vec<Holder> = self.get_many(&keys, Freshness::Strong).await?;
        let ids: Vec<_> = holders.into_iter().map(|holder| holder.user_id).collect();
        self.users_of(access.team_id(), &ids).await
    }

    /// Entries of an index over all teams on one side of a bound, from all its partitions: `limit`
    /// of each.
    pub(super) async fn wide(
        &self,
        index: WideIndex,
        bound: (&str, String),
        from: From,
        limit: usize,
    ) -> Result<Vec<(String, Item)>> {
        let reads = WIDE_PARTITIONS.iter().map(|partition| {
            self.client
                .query()
                .table_name(&self.table)
                .index_name(index.name)
                .key_condition_expression(format!(
                    "#partition = :partition AND #sort {} :bound",
                    bound.0
                ))
                .expression_attribute_names("#partition", index.partition)
                .expression_attribute_names("#sort", index.sort)
                .expression_attribute_values(
                    ":partition",
                    AttributeValue::S((*partition).to_owned()),
                )
                .expression_attribute_values(":bound", AttributeValue::S(bound.1.clone()))
                .scan_index_forward(from == From::Start)
                .limit(i32::try_from(limit).unwrap_or(i32::MAX))
                .send()
        });
        let outputs = try_join_all(reads).await.map_err(failed)?;
        let items = outputs.into_iter().flat_map(|output| output.items.unwrap_or_default());
        Ok(items
            .filter_map(|item| Some((item.get(index.sort)?.as_s().ok()?.clone(), item)))
            .collect())
    }

    /// Items of a partition whose sort keys begin with a text, from behind `after`, with their sort
    /// keys.
    async fn beginning_with(
        &self,
        partition: &str,
        text: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Item)>> {
        let partition = Key { pk: partition.to_owned(), sk: String::new() };
        let start = after.map(|after| Key { sk: after.to_owned(), ..partition.clone() }.item());
        let items = self
            .query_items(&partition, text, From::Start, limit, Freshness::Eventual, start)
            .await?;
        Ok(items
            .into_iter()
            .filter_map(|item| Some((item.get(SK)?.as_s().ok()?.clone(), item)))
            .collect())
    }

    /// The ids of a team's users who are not deleted and whose place in an index begins with a
    /// text: one more than a search finds at most.
    async fn indexed(&self, team: Uuid, index: Index, text: &str) -> Result<Vec<Uuid>> {
        let mut ids = Vec::new();
        let mut start = None;
        loop {
            let beginning = AttributeValue::S(text.to_owned());
            let output =
                not_deleted(self.in_team(team, index, "begins_with(#sort, :bound)", beginning))
                    .limit(i32::try_from(MAX_FOUND).unwrap_or(i32::MAX))
                    .set_exclusive_start_key(start)
                    .send()
                    .await
                    .map_err(failed)?;
            for item in output.items.unwrap_or_default() {
                ids.push(user_of(&item)?);
            }
            start = output.last_evaluated_key;
            // Those who are deleted until their purge leave room for the others.
            if start.is_none() || ids.len() > MAX_FOUND {
                return Ok(ids);
            }
        }
    }
}

/// The query without those who are deleted.
fn not_deleted(query: QueryFluentBuilder) -> QueryFluentBuilder {
    of_classes(query, Classes::of(|class| class.status != Status::Deleted))
}

/// The first `limit` of what was found, and the place of the last of them if there is more.
fn page(mut found: Vec<(String, Item)>, limit: usize) -> Result<Page<ListedUser>> {
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|(place, _)| place.clone());
    Ok((found.into_iter().map(|(_, item)| decode(item)).collect::<Result<_>>()?, next))
}

/// The first place where a search finds a user by a name or an email.
fn first_place(user: &ListedUser, name: &str, email: &str) -> Option<String> {
    let names = [
        user.name.as_deref(),
        Some(user.shown_name.as_str()).filter(|shown| Some(*shown) != user.email.as_deref()),
    ];
    let names = names
        .into_iter()
        .flatten()
        .filter(|name| !name.trim().is_empty())
        .map(|name| Key::name(name, user.id).sk);
    let emails = user
        .email
        .as_deref()
        .map(|email| Key::email(email).sk)
        .filter(|place| place.starts_with(email));
    names.filter(|place| place.starts_with(name)).chain(emails).min()
}
