//! Lists of a team's users: in any order, filtered, from any offset, with exact totals, at a cost
//! that hardly grows with the team.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::try_join_all;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::rebuild::differs;
use super::spans::Cell;
use super::{Freshness, From, Holder, Store, failed, sort_by_place, user_of};
use crate::auth::{
    Caller, MembersRead, MembersWrite, Sealed, SteppedUp, TeamAccess, VerifiedToken,
};
use crate::error::{Error, Result};
use crate::models::{Class, DeviceType, NumberedUser, Role, Status, User};
use crate::table::{
    CLASS, Classes, Index, Item, Key, Order, ROW, STAGES, Sequence, class_of, index, prefix,
    role_prefix, stage_prefix, status_prefix, team_class,
};
use crate::time::Timestamp;

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

    fn classes(&self) -> Classes {
        Classes::of(|class| self.admits(class))
    }
}

/// What a list shows of a user, and thereby which indexes have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// The directory's summary.
    Summary,
    /// The workspace's row, as the attribute [`crate::table::ROW`].
    Row,
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
    /// What it shows of them.
    pub shows: Shows,
}

impl ListQuery {
    /// Whether this is the beginning of a whole list, which an index begins with.
    fn is_start(&self) -> bool {
        self.offset == 0 && self.filter == Filter::default()
    }
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
        self.of(filter.classes())
    }

    /// How many there are of each class, by its number.
    pub(super) fn by_class(&self) -> [u64; Class::COUNT] {
        let mut sums = [0; Class::COUNT];
        for (class, count) in &self.classes {
            sums[usize::from(class.number())] += count;
        }
        sums
    }

    fn of(&self, classes: Classes) -> u64 {
        self.classes
            .iter()
            .filter(|(class, _)| classes.contains(*class))
            .map(|(_, count)| count)
            .sum()
    }
}

/// How many users a team has, and where they stand in a list's sequence.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// How many there are.
    pub counts: Counts,
    cells: Vec<Cell>,
}

impl Sealed<Standing> {
    /// Opens it to one who may see that team.
    pub fn open_for(self, access: &TeamAccess<MembersRead>) -> Option<Standing> {
        Some(self.into_inner()).filter(|standing| standing.counts.team_id == access.team_id())
    }
}

/// A user as an index holds them.
#[derive(Debug, Clone)]
pub struct Entry<T> {
    /// The id.
    pub id: Uuid,
    /// The class.
    pub class: Class,
    /// The rest.
    pub row: T,
}

impl<T: DeserializeOwned> Entry<T> {
    fn read(mut item: Item, shows: Shows) -> Result<Self> {
        let (id, class) = (user_of(&item)?, entry_class(&item)?);
        let rest = match (shows, item.remove(ROW)) {
            (Shows::Row, Some(AttributeValue::M(row))) => row,
            _ => item,
        };
        Ok(Self { id, class, row: super::decode(rest)? })
    }
}

/// One side of a place in a sequence.
#[derive(Debug, Clone)]
pub(super) enum Edge {
    /// From there on, forwards.
    From(String),
    /// From before there, backwards; from the end, where there is no place.
    Before(Option<String>),
}

/// A range of an index that has users of some classes, in the order of a sequence.
#[derive(Debug, Clone)]
struct Source {
    index: Index,
    partition: String,
    /// What stands before the place in the sort key.
    prefix: String,
    classes: Classes,
}

/// What an entry of an index takes, roughly, in bytes, to compare ways of reading.
const ENTRY_BYTES: u64 = 300;

/// The ways in which a sequence can be read: each is some ranges that have the whole team together.
fn ways(team: Uuid, sequence: Sequence, shows: Shows) -> Vec<Vec<Source>> {
    let source =
        |index, prefix, classes| Source { index, partition: team.to_string(), prefix, classes };
    let of_team = |index| vec![source(index, String::new(), Classes::ALL)];
    let of_classes = |index| {
        let of = |class| Source {
            index,
            partition: team_class(team, class),
            prefix: String::new(),
            classes: Classes::of(|one| one == class),
        };
        Class::all().map(of).collect::<Vec<_>>()
    };
    let of_statuses = || {
        let of = |status: &Status| {
            source(
                index::STATUS,
                status_prefix(*status),
                Classes::of(|class| class.status == *status),
            )
        };
        Status::ALL.iter().map(of).collect::<Vec<_>>()
    };
    let of_stages = || {
        let of = |statuses: &&[Status]| {
            source(
                index::STAGE,
                stage_prefix(statuses[0]),
                Classes::of(|class| statuses.contains(&class.status)),
            )
        };
        STAGES.iter().map(of).collect::<Vec<_>>()
    };
    let of_roles = || {
        let of = |role: &Role| {
            source(index::ROLE, role_prefix(*role), Classes::of(|class| class.role == *role))
        };
        Role::ALL.iter().map(of).collect::<Vec<_>>()
    };
    match (sequence, shows) {
        (Sequence::Id, Shows::Summary) => vec![of_stages()],
        (Sequence::Id, Shows::Row) => vec![of_statuses(), of_roles(), of_classes(index::CLASS_ID)],
        (Sequence::LastSeen, _) => vec![of_team(index::LAST_SEEN)],
        (Sequence::Title, _) => vec![of_team(index::TITLE)],
        (Sequence::CreatedAt, _) => {
            vec![of_team(index::CREATED_AT), of_classes(index::CLASS_CREATED_AT)]
        }
        (Sequence::Name, _) => vec![of_team(index::NAME), of_classes(index::CLASS_NAME)],
        (Sequence::UpdatedAt, _) => {
            vec![of_team(index::UPDATED_AT), of_classes(index::CLASS_UPDATED_AT)]
        }
    }
}

/// The part of a list that is within one group: its classes, the users to pass over, and those to
/// list.
struct Part {
    classes: Classes,
    offset: u64,
    limit: u64,
}

/// How to read a part: from which side, how many users of it to pass over there, and how many
/// entries of which ranges.
struct Plan {
    edge: Edge,
    skip: u64,
    /// Against the list's direction, so that it is to be turned round.
    is_turned: bool,
    ranges: Vec<(Source, u64)>,
}

impl Plan {
    /// What it costs, in the read units of two eventual reads.
    fn cost(&self) -> u64 {
        self.ranges.iter().map(|(_, entries)| (entries * ENTRY_BYTES).div_ceil(4096).max(1)).sum()
    }
}

/// The cheapest plan for a part of a list, by what the cells say.
fn plan(cells: &[Cell], part: &Part, ways: &[Vec<Source>], descending: bool) -> Plan {
    // The cells that the page touches, in the direction of the list, and how many of the part's
    // users stand before them.
    let way: Vec<&Cell> =
        if descending { cells.iter().rev().collect() } else { cells.iter().collect() };
    let (mut before, mut within, mut first) = (0, 0, 0);
    let mut last = way.len().saturating_sub(1);
    for (place, cell) in way.iter().enumerate() {
        within += cell.count(part.classes);
        if before + within <= part.offset && place < last {
            (before, within, first) = (before + within, 0, place + 1);
        } else if before + within >= part.offset + part.limit {
            last = place;
            break;
        }
    }
    let window = &way[first..=last];
    // Users of the first cell stand before the page, and users of the last one behind it: it can be
    // read from either side.
    let from_start = part.offset - before.min(part.offset);
    let mut sides = vec![(false, from_start)];
    sides.extend(
        (before + within).checked_sub(part.offset + part.limit).map(|from_end| (true, from_end)),
    );
    let plans = sides.into_iter().flat_map(|(is_turned, skip)| {
        let mut on_the_way = window.to_vec();
        if is_turned {
            on_the_way.reverse();
        }
        let edge = edge(cells, on_the_way[0], descending == is_turned);
        ways.iter().map(move |way| {
            let ranges = way.iter().map(|source| {
                (source.clone(), entries_of(source, part.classes, &on_the_way, skip + part.limit))
            });
            let is_needed = |(source, _): &(Source, u64)| {
                on_the_way.iter().any(|cell| cell.count(source.classes.and(part.classes)) > 0)
            };
            Plan { edge: edge.clone(), skip, is_turned, ranges: ranges.filter(is_needed).collect() }
        })
    });
    plans.min_by_key(Plan::cost).unwrap_or(Plan {
        edge: Edge::From(String::new()),
        skip: 0,
        is_turned: false,
        ranges: Vec::new(),
    })
}

/// A text that stands behind every place, and no place has.
const LAST: char = '\u{10ffff}';

/// A text behind every place that is before this one: `BETWEEN` includes its ends.
fn just_before(place: &str) -> String {
    let mut text = place.to_owned();
    if let Some(before) =
        text.pop().and_then(|last| (0..u32::from(last)).rev().find_map(char::from_u32))
    {
        text.extend([before, LAST]);
    }
    text
}

/// The side of a cell from which it is read.
fn edge(cells: &[Cell], cell: &Cell, forward: bool) -> Edge {
    let place = cells.iter().position(|known| std::ptr::eq(known, cell)).unwrap_or_default();
    if forward {
        Edge::From(if place == 0 { String::new() } else { cell.from.clone() })
    } else {
        Edge::Before(cells.get(place + 1).map(|next| next.from.clone()))
    }
}

/// How many entries of a source hold its share of the next `wanted` users of those classes: all of
/// each cell, and of the last one as many as there can be before the last user who is wanted.
fn entries_of(source: &Source, classes: Classes, cells: &[&Cell], mut wanted: u64) -> u64 {
    let mut entries = 0;
    for cell in cells {
        let others = cell.count(source.classes) - cell.count(source.classes.and(classes));
        entries += others + cell.count(source.classes.and(classes)).min(wanted);
        wanted = wanted.saturating_sub(cell.count(classes));
        if wanted == 0 {
            break;
        }
    }
    entries
}

/// The query without entries of other classes.
pub(super) fn of_classes(mut query: QueryFluentBuilder, classes: Classes) -> QueryFluentBuilder {
    let mut names = Vec::new();
    for code in Class::all().filter(|class| classes.contains(*class)).map(Class::code) {
        names.push(format!(":{code}"));
        query = query.expression_attribute_values(format!(":{code}"), AttributeValue::S(code));
    }
    query
        .filter_expression(format!("#class IN ({})", names.join(", ")))
        .expression_attribute_names("#class", CLASS)
}

fn entry_class(item: &Item) -> Result<Class> {
    class_of(item).ok_or_else(|| Error::internal("an index entry of no class"))
}

/// Index entries as users.
fn read<T: DeserializeOwned>(
    items: impl IntoIterator<Item = Item>,
    shows: Shows,
) -> Result<Vec<Entry<T>>> {
    items.into_iter().map(|item| Entry::read(item, shows)).collect()
}

impl Store {
    /// How many users a team has.
    pub async fn counts(&self, access: &TeamAccess<MembersRead>) -> Result<Counts> {
        self.read_counts(access.team_id(), Freshness::Strong).await
    }

    /// How many users the caller's own team has.
    pub(super) async fn own_counts(&self, caller: &Caller<SteppedUp>) -> Result<Counts> {
        self.read_counts(caller.user.team_id, Freshness::Strong).await
    }

    /// How many users a team has, for whoever decides what becomes of it.
    pub(super) async fn team_size(&self, team_id: Uuid, freshness: Freshness) -> Result<u64> {
        Ok(self.read_counts(team_id, freshness).await?.total(&Filter::default()))
    }

    /// The number of a team's members who are not deleted, as it was a moment ago.
    pub(super) async fn members(&self, team_id: Uuid) -> Result<u64> {
        let counts = self.read_counts(team_id, Freshness::Eventual).await?;
        Ok(counts.of(Classes::of(|class| class.status != Status::Deleted)))
    }

    /// How many people and how many machines administer a team; those who are deleted do not.
    pub async fn admins(&self, access: &TeamAccess<MembersRead>) -> Result<(u64, u64)> {
        #[derive(serde::Deserialize)]
        struct Admins {
            #[serde(default)]
            service_admins: u64,
        }
        let key = Key::team(access.team_id());
        let (counts, team) =
            futures::try_join!(self.counts(access), self.get::<Admins>(&key, Freshness::Strong))?;
        let all =
            |status| counts.total(&Filter { role: Some(Role::Admin), status, device_type: None });
        let machines = team.map_or(0, |team| team.service_admins);
        Ok(((all(None) - all(Some(Status::Deleted))).saturating_sub(machines), machines))
    }

    pub(super) async fn read_counts(&self, team_id: Uuid, freshness: Freshness) -> Result<Counts> {
        let shards: Vec<serde_json::Map<String, serde_json::Value>> =
            self.query(&Key::team(team_id), prefix::COUNT, From::Start, 64, freshness).await?;
        let attributes = shards.iter().flatten();
        let classes = attributes
            .filter_map(|(name, value)| Some((Class::from_code(name)?, value.as_u64()?)))
            .collect();
        Ok(Counts { team_id, classes })
    }

    /// What a page of a team's list needs to know, before it is known whether the caller may see
    /// the team.
    pub async fn sealed_standing(
        &self,
        team_id: Uuid,
        page: &ListQuery,
        _: &VerifiedToken,
    ) -> Result<Sealed<Standing>> {
        self.read_standing(team_id, page).await.map(Sealed::new)
    }

    async fn read_standing(&self, team_id: Uuid, page: &ListQuery) -> Result<Standing> {
        let cells = async {
            // The beginning of an index needs no search.
            let is_plain = page.is_start()
                && page.order != Order::By(Sequence::Id)
                && matches!(page.order, Order::By(_));
            if is_plain { Ok(Vec::new()) } else { self.cells(team_id, page.order.sequence()).await }
        };
        // Strong, so that a total is never behind the write that an answer acknowledged.
        let (counts, cells) =
            futures::try_join!(self.read_counts(team_id, Freshness::Strong), cells)?;
        Ok(Standing { counts, cells })
    }

    /// A page of a team's users as [`Shows::Row`] has them, and how many the team has of each
    /// class. The first page of a whole list is read beside the counts.
    pub async fn rows<T: DeserializeOwned>(
        &self,
        access: &TeamAccess<MembersRead>,
        page: &ListQuery,
        now: Timestamp,
    ) -> Result<(Vec<Entry<T>>, Counts)> {
        let index = match page.order {
            Order::Role => Some(index::ROLE),
            Order::Status => Some(index::STATUS),
            Order::Stage | Order::By(Sequence::Id) => None,
            Order::By(sequence) => ways(access.team_id(), sequence, page.shows)
                .into_iter()
                .flatten()
                .next()
                .map(|source| source.index),
        };
        let Some(index) = index.filter(|_| page.is_start()) else {
            let standing = self.read_standing(access.team_id(), page).await?;
            let items = self.items(access, page, &standing, now).await?;
            return Ok((read(items, page.shows)?, standing.counts));
        };
        let source = Source {
            index,
            partition: access.team_id().to_string(),
            prefix: String::new(),
            classes: Classes::ALL,
        };
        let edge = if page.descending { Edge::Before(None) } else { Edge::From(String::new()) };
        let (entries, counts) = futures::try_join!(
            self.entries(&source, &edge, page.limit, Classes::ALL),
            self.counts(access)
        )?;
        Ok((read(entries.into_iter().map(|(_, item)| item), page.shows)?, counts))
    }

    /// A page of a team's users as [`Shows::Summary`] has them.
    pub async fn summaries<T: DeserializeOwned>(
        &self,
        access: &TeamAccess<MembersRead>,
        page: &ListQuery,
        standing: &Standing,
        now: Timestamp,
    ) -> Result<Vec<Entry<T>>> {
        read(self.items(access, page, standing, now).await?, page.shows)
    }

    async fn items(
        &self,
        access: &TeamAccess<MembersRead>,
        page: &ListQuery,
        standing: &Standing,
        now: Timestamp,
    ) -> Result<Vec<Item>> {
        let mut groups = page.order.groups();
        if page.descending {
            groups.reverse();
        }
        // Before anything was counted, the team is one cell.
        let whole = [Cell::whole(standing.counts.classes.iter().copied())];
        let cells = if standing.cells.is_empty() { &whole[..] } else { &standing.cells };
        let (mut offset, mut limit) = (page.offset, page.limit);
        let mut parts = Vec::new();
        for group in groups {
            let classes = group.and(page.filter.classes());
            let total = standing.counts.of(classes);
            let part = Part { classes, offset, limit: limit.min(total.saturating_sub(offset)) };
            offset = offset.saturating_sub(total);
            if part.limit > 0 {
                limit -= part.limit;
                parts.push(self.part(access.team_id(), page, cells, part));
            }
        }
        let notice = self.notice(access.team_id(), standing, now);
        let (parts, ()) = futures::join!(try_join_all(parts), notice);
        Ok(parts?.into_iter().flatten().collect())
    }

    /// Has the counts of a team rebuilt where they differ from its counters for longer than the
    /// stream lags. No list fails for it. Without any counts, lists are right.
    async fn notice(&self, team: Uuid, standing: &Standing, now: Timestamp) {
        if standing.cells.is_empty() || !differs(&standing.cells, &standing.counts) {
            return;
        }
        if let Err(error) = self.ask_for_rebuild(team, now).await {
            tracing::warn!(?error, "a rebuild of a team's rank index cannot be asked for");
        }
    }

    /// The part of a page that is in one group.
    async fn part(
        &self,
        team: Uuid,
        page: &ListQuery,
        cells: &[Cell],
        part: Part,
    ) -> Result<Vec<Item>> {
        let plan =
            plan(cells, &part, &ways(team, page.order.sequence(), page.shows), page.descending);
        let found = self.merged(&plan.ranges, &plan.edge, part.classes).await?.into_iter();
        let skip = usize::try_from(plan.skip).unwrap_or(usize::MAX);
        let mut items: Vec<_> = found
            .skip(skip)
            .take(usize::try_from(part.limit).unwrap_or(usize::MAX))
            .map(|(_, item)| item)
            .collect();
        if plan.is_turned {
            items.reverse();
        }
        Ok(items)
    }

    /// The next entries of a sequence, at most so many, with their classes.
    pub(super) async fn neighbours(
        &self,
        team: Uuid,
        sequence: Sequence,
        edge: &Edge,
        limit: usize,
    ) -> Result<Vec<(String, Class)>> {
        let way = ways(team, sequence, Shows::Summary).into_iter().next().unwrap_or_default();
        let ranges: Vec<_> = way.into_iter().map(|source| (source, limit as u64)).collect();
        let mut found = self.merged(&ranges, edge, Classes::ALL).await?;
        found.truncate(limit);
        found
            .into_iter()
            .map(|(place, item)| entry_class(&item).map(|class| (place, class)))
            .collect()
    }

    /// So many entries of each range from an edge on, of those classes, in the order of their
    /// places.
    async fn merged(
        &self,
        ranges: &[(Source, u64)],
        edge: &Edge,
        classes: Classes,
    ) -> Result<Vec<(String, Item)>> {
        let reads =
            ranges.iter().map(|(source, limit)| self.entries(source, edge, *limit, classes));
        let mut found: Vec<_> = try_join_all(reads).await?.into_iter().flatten().collect();
        sort_by_place(&mut found);
        if matches!(edge, Edge::Before(_)) {
            found.reverse();
        }
        Ok(found)
    }

    /// So many entries of one range, of which those of the classes are kept, with their places.
    async fn entries(
        &self,
        source: &Source,
        edge: &Edge,
        limit: u64,
        classes: Classes,
    ) -> Result<Vec<(String, Item)>> {
        let (low, high) = match edge {
            Edge::From(from) => {
                (format!("{}{from}", source.prefix), format!("{}{LAST}", source.prefix))
            }
            Edge::Before(None) => (source.prefix.clone(), format!("{}{LAST}", source.prefix)),
            Edge::Before(Some(place)) => {
                (source.prefix.clone(), format!("{}{}", source.prefix, just_before(place)))
            }
        };
        let mut left = limit;
        let mut start = None;
        let mut found = Vec::new();
        while left > 0 {
            let mut query = self
                .in_index(source.index, source.partition.clone())
                .key_condition_expression(
                    "#partition = :partition AND #sort BETWEEN :low AND :high",
                )
                .expression_attribute_names("#sort", source.index.sort)
                // A key's condition takes no empty text.
                .expression_attribute_values(
                    ":low",
                    AttributeValue::S(if low.is_empty() { "\0".to_owned() } else { low.clone() }),
                )
                .expression_attribute_values(":high", AttributeValue::S(high.clone()))
                .scan_index_forward(matches!(edge, Edge::From(_)))
                .limit(i32::try_from(left).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start);
            if !source.classes.is_within(classes) {
                query = of_classes(query, classes.and(source.classes));
            }
            let output = query.send().await.map_err(failed)?;
            left = left.saturating_sub(u64::try_from(output.scanned_count).unwrap_or(0));
            for item in output.items.unwrap_or_default() {
                let place = item
                    .get(source.index.sort)
                    .and_then(|sort| sort.as_s().ok()?.strip_prefix(&source.prefix))
                    .map(str::to_owned);
                let place = place.ok_or_else(|| Error::internal("an index entry of no place"))?;
                found.push((place, item));
            }
            start = output.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// A query of one partition of an index.
    fn in_index(&self, index: Index, partition: String) -> QueryFluentBuilder {
        let query = self.client.query().table_name(&self.table).index_name(index.name);
        query
            .expression_attribute_names("#partition", index.partition)
            .expression_attribute_values(":partition", AttributeValue::S(partition))
    }

    /// A query of a team's users in an index, with a condition on their place in it (`#sort`), and
    /// the value in that (`:bound`).
    pub(super) fn in_team(
        &self,
        team: Uuid,
        index: Index,
        condition: &str,
        bound: AttributeValue,
    ) -> QueryFluentBuilder {
        self.in_index(index, team.to_string())
            .key_condition_expression(format!("#partition = :partition AND {condition}"))
            .expression_attribute_names("#sort", index.sort)
            .expression_attribute_values(":bound", bound)
    }

    /// The user of that number in a team.
    pub async fn user_by_number(
        &self,
        access: &TeamAccess<MembersWrite>,
        number: u64,
    ) -> Result<Option<User>> {
        match self.holder_of_number(access.team_id(), number).await? {
            Some(holder) => self.user(holder.user_id, Freshness::Strong).await,
            None => Ok(None),
        }
    }

    /// The user of that number in a team, as the index by number has it, which takes one step. The
    /// index may not have a new one yet; the number's own item does.
    pub async fn numbered_user(
        &self,
        access: &TeamAccess<MembersRead>,
        number: u64,
    ) -> Result<Option<NumberedUser>> {
        let indexed = async {
            let number = AttributeValue::N(number.to_string());
            let query = self.in_team(access.team_id(), index::NUMBER, "#sort = :bound", number);
            Ok(query.limit(1).send().await.map_err(failed)?.items.unwrap_or_default().pop())
        };
        let (indexed, holder) =
            futures::try_join!(indexed, self.holder_of_number(access.team_id(), number))?;
        let Some(holder) = holder else { return Ok(None) };
        match indexed.filter(|item| Key::of(item) == Some(Key::user(holder.user_id))) {
            Some(item) => super::decode(item).map(Some),
            None => Ok(self.user(holder.user_id, Freshness::Strong).await?.map(NumberedUser::from)),
        }
    }

    async fn holder_of_number(&self, team: Uuid, number: u64) -> Result<Option<Holder>> {
        self.get(&Key::number(team, number), Freshness::Strong).await
    }

    /// The users of those ids that are in the team, in no order.
    pub async fn users_in_team(
        &self,
        access: &TeamAccess<MembersRead>,
        ids: &[Uuid],
    ) -> Result<Vec<User>> {
        self.users_of(access.team_id(), ids).await
    }

    pub(super) async fn users_of(&self, team: Uuid, ids: &[Uuid]) -> Result<Vec<User>> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let keys: Vec<_> = ids.into_iter().map(Key::user).collect();
        let mut users: Vec<User> = self.get_many(&keys, Freshness::Strong).await?;
        users.retain(|user| user.team_id == team);
        Ok(users)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_from_the_side_on_which_less_is_passed_over() {
        let class = Class::all().next().expect("a class");
        let cells = ["", "b", "c"].map(|from| {
            let mut cell = Cell::whole([(class, 40)].into_iter());
            cell.from = from.to_owned();
            cell
        });
        let ways = ways(Uuid::nil(), Sequence::Title, Shows::Summary);
        for (offset, limit, skip, is_turned) in
            [(45, 30, 5, false), (75, 30, 15, true), (75, 45, 0, true), (0, 120, 0, false)]
        {
            let part = Part { classes: Classes::ALL, offset, limit };
            for descending in [false, true] {
                let plan = plan(&cells, &part, &ways, descending);
                let read: Vec<_> = plan.ranges.iter().map(|(_, entries)| *entries).collect();
                assert_eq!(
                    (plan.skip, plan.is_turned, read),
                    (skip, is_turned, vec![skip + limit]),
                    "{offset} {limit} {descending}"
                );
            }
        }
    }

    #[test]
    fn what_is_before_a_place_is_before_its_end() {
        for (before, place) in [
            ("a", "b"),
            ("ab", "b"),
            ("a\u{1f}f", "ab"),
            ("", "\0"),
            ("\u{d7ff}x", "\u{e000}"),
            ("118zzz", "119"),
            ("11", "119"),
        ] {
            assert!(
                before <= just_before(place).as_str() && just_before(place).as_str() < place,
                "{before:?} {place:?}"
            );
        }
    }
}
