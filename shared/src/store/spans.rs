//! Where users stand in a sequence, counted, so that a list's page is found at any offset without
//! passing over those before it.
//!
//! A sequence is cut into cells of some dozen neighbours. A cell knows where it begins and how many
//! users of each class it has; about twenty cells stand in one item, a [`Span`]. Lists sum the
//! cells before a page and read the index from the cell where it begins.
//!
//! Nothing of this is written by requests, which would wait for each other: the table's stream is.
//! Each of its batches is applied once, however often it is delivered, as a span remembers how far
//! it has got with each of the stream's shards.
//!
//! A cell begins with the beginning of somebody's name or email. When they leave that place, for
//! another or for good, a cell that begins so is joined with the one before it, so that nothing of
//! a name outlives it here.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::lists::Edge;
use super::transaction::back_off;
use super::{Freshness, From, Refusal, Store, WriteError, failed};
use crate::error::{Error, Result};
use crate::models::{Class, Status};
use crate::table::{Classes, EVERYONE, Item, Key, Sequence, TTL, WIDE_PARTITIONS, prefix};
use crate::time::Timestamp;

/// The attribute that holds a span's cells.
const CELLS: &str = "cells";
/// The attribute that says until when a rebuilt span counts every change, in Unix seconds.
const COUNTED_UNTIL: &str = "counted_until";
/// The attribute that changes with every write of a span.
pub(super) const VERSION: &str = "version";
/// The bytes of cells above which a span is divided, so that the item takes one write unit.
const MOST_BYTES: usize = 800;
/// The most spans that one becomes at once: a transaction takes 100 items.
pub(super) const MOST_SPANS: usize = 90;
/// The shards whose progress a span remembers: a table has few at one time.
const MOST_SHARDS: usize = 4;
/// How long an empty span stays, in seconds: longer than a batch is delivered again, which is a
/// day.
const EMPTY_STAYS: i64 = 2 * 86_400;
/// How many index entries are looked at together.
const LOOK: usize = 2000;
/// The fewest letters of a beginning that may tell whose it was.
const TELLING: usize = 4;
/// How often a span is tried that another batch gets in the way of.
const ATTEMPTS: u32 = 8;

/// Neighbours in a sequence, and how many there are of each class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    /// Where it begins: nobody of it stands before, nobody of the cell before stands behind.
    pub(super) from: String,
    /// How many, by the class's number.
    counts: BTreeMap<u8, i32>,
    /// The sum of what [`mark`] gives for each: two cells with the same users have the same.
    sum: u32,
}

impl Cell {
    /// The only cell of a team that has so many users of each class.
    pub(super) fn whole(counts: impl Iterator<Item = (Class, u64)>) -> Self {
        let mut whole = Self::default();
        for (class, count) in counts {
            whole.tally(class.number(), i32::try_from(count).unwrap_or(i32::MAX));
        }
        whole
    }

    /// How many users of those classes it has.
    pub(super) fn count(&self, classes: Classes) -> u64 {
        let counts = self.counts.iter().filter(|(number, _)| classes.has(**number));
        // Less than none of a class only while the shards of the stream are not equally far.
        counts.map(|(_, count)| u64::try_from(*count).unwrap_or(0)).sum()
    }

    /// Adds how many users of each class it has, by the class's number.
    pub(super) fn add_to(&self, sums: &mut [u64; Class::COUNT]) {
        for (number, count) in &self.counts {
            if let Some(sum) = sums.get_mut(usize::from(*number)) {
                *sum += u64::try_from(*count).unwrap_or(0);
            }
        }
    }

    fn total(&self) -> usize {
        usize::try_from(self.count(Classes::ALL)).unwrap_or(usize::MAX)
    }

    fn add(&mut self, place: &str, class: Class, amount: i32) {
        self.tally(class.number(), amount);
        let mark = mark(place, class);
        self.sum =
            if amount > 0 { self.sum.wrapping_add(mark) } else { self.sum.wrapping_sub(mark) };
    }

    /// Adds to the count of a class. None is left at zero, so that equal cells are equal.
    fn tally(&mut self, class: u8, amount: i32) {
        let count = self.counts.entry(class).or_default();
        *count += amount;
        if *count == 0 {
            self.counts.remove(&class);
        }
    }

    fn take_in(&mut self, other: &Self) {
        for (class, count) in &other.counts {
            self.tally(*class, *count);
        }
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// A number that stands for one user's place and class.
fn mark(place: &str, class: Class) -> u32 {
    hash(&format!("{}{place}", class.code())) as u32
}

/// The first 64 bits of a text's SHA-256.
fn hash(text: &str) -> u64 {
    digest(&SHA256, text.as_bytes())
        .as_ref()
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Neighbouring cells: one item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    #[serde(with = "front_coded")]
    pub(super) cells: Vec<Cell>,
    /// How far it has got with each shard of the stream, the latest first: the shard's hash, and
    /// the last sequence number.
    applied: Vec<(u64, String)>,
    /// The Unix second before which every change is counted, since the span was rebuilt from the
    /// indexes: an attribute of its own.
    #[serde(skip)]
    counted_until: Option<i64>,
}

impl Span {
    /// The span of a sequence in which nothing was counted yet.
    fn first() -> Self {
        Self { cells: vec![Cell::default()], ..Self::default() }
    }

    /// A span of cells that count every change before a Unix second.
    pub(super) fn counted(cells: Vec<Cell>, until: i64) -> Self {
        Self { cells, applied: Vec::new(), counted_until: Some(until) }
    }
}

/// Cells as a span stores them: where one begins is written as what differs from the one before,
/// since every list reads them all.
mod front_coded {
    use std::collections::BTreeMap;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Cell;

    #[derive(Serialize, Deserialize)]
    struct Coded {
        /// How many bytes of the one before it begins with.
        shared: usize,
        rest: String,
        counts: BTreeMap<u8, i32>,
        #[serde(with = "postcard::fixint::le")]
        sum: u32,
    }

    pub fn serialize<S: Serializer>(cells: &[Cell], serializer: S) -> Result<S::Ok, S::Error> {
        let mut before = "";
        serializer.collect_seq(cells.iter().map(|cell| {
            let same =
                before.chars().zip(cell.from.chars()).take_while(|(one, other)| one == other);
            let shared = same.map(|(c, _)| c.len_utf8()).sum();
            before = &cell.from;
            Coded {
                shared,
                rest: cell.from[shared..].to_owned(),
                counts: cell.counts.clone(),
                sum: cell.sum,
            }
        }))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Cell>, D::Error> {
        let mut cells: Vec<Cell> = Vec::new();
        for Coded { shared, rest, counts, sum } in Vec::<Coded>::deserialize(deserializer)? {
            let before = cells.last().map_or("", |cell| cell.from.as_str()).get(..shared);
            let before =
                before.ok_or_else(|| D::Error::custom("a cell that begins like none before it"))?;
            cells.push(Cell { from: before.to_owned() + &rest, counts, sum });
        }
        Ok(cells)
    }
}

/// Where the stream's image of a user puts them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Placed {
    team_id: Uuid,
    class: String,
    id: String,
    name: Option<String>,
    by_last_seen: String,
    by_title: String,
    by_created_at: String,
    by_name: String,
    by_updated_at: String,
}

impl Placed {
    /// Where the words of the name stand, with the user's id; none for who is deleted.
    pub(super) fn words(&self) -> impl Iterator<Item = (Key, Uuid)> {
        let id = self.id.parse().unwrap_or_default();
        let is_deleted =
            Class::from_code(&self.class).is_none_or(|class| class.status == Status::Deleted);
        let name = self.name.iter().filter(move |_| !is_deleted);
        let words = name.flat_map(move |name| Key::words(self.team_id, name, id));
        words.map(move |key| (key, id))
    }

    fn place(&self, sequence: Sequence) -> &str {
        match sequence {
            Sequence::Id => &self.id,
            Sequence::LastSeen => &self.by_last_seen,
            Sequence::Title => &self.by_title,
            Sequence::CreatedAt => &self.by_created_at,
            Sequence::Name => &self.by_name,
            Sequence::UpdatedAt => &self.by_updated_at,
        }
    }
}

/// A user's record that was written: what it was, and what it has become.
#[derive(Debug)]
pub struct Change {
    /// None for a new user.
    pub before: Option<Placed>,
    /// None for a user who was erased.
    pub after: Option<Placed>,
    /// The change's number in its shard: 21 to 40 digits.
    pub sequence_number: String,
    /// The Unix second of the change, where the stream tells it.
    pub changed_at: Option<i64>,
}

/// One more or one less at a place.
#[derive(Debug, Clone)]
struct Move<'a> {
    place: &'a str,
    class: Class,
    amount: i32,
    sequence_number: &'a str,
    changed_at: Option<i64>,
    /// True where somebody stands there no more.
    leaves: bool,
}

/// Digits as numbers: DynamoDB's are longer than any integer.
fn later(one: &str, other: &str) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// How many users a cell should have in a team of that size. Reading the cells costs less the
/// larger they are, passing over the first users of one costs more; both are least where they are
/// equal, which goes with the root of the size.
pub(super) fn cell_size(team: u64) -> usize {
    ((team as f64).sqrt() * 0.45).clamp(32.0, 450.0) as usize
}

impl Store {
    /// The cells of a sequence, in their order; none where nothing was counted yet.
    pub(super) async fn cells(&self, team: Uuid, sequence: Sequence) -> Result<Vec<Cell>> {
        let spans = self
            .query_items(
                &Key::span(team, sequence, ""),
                prefix::FROM,
                From::Start,
                usize::MAX,
                Freshness::Eventual,
                None,
            )
            .await?;
        let mut cells = Vec::new();
        for item in &spans {
            cells.extend(decode(item)?.cells);
        }
        // One that is empty until it expires only makes the way longer.
        cells.retain(|cell| cell.total() > 0);
        Ok(cells)
    }

    /// Applies changes of one shard of the table's stream, in their order. `caught_up` says that
    /// there are hardly more of them waiting.
    ///
    /// # Errors
    /// Some may be applied then and some not: all can be given again.
    pub async fn count_places(
        &self,
        changes: &[Change],
        shard: &str,
        caught_up: bool,
        now: Timestamp,
    ) -> Result<()> {
        self.keep_words(changes).await?;
        let mut moves: BTreeMap<(Uuid, Sequence), Vec<Move<'_>>> = BTreeMap::new();
        for change in changes {
            for sequence in Sequence::ALL {
                let stands = |placed: &Placed| {
                    (placed.team_id, placed.class.clone(), placed.place(sequence).to_owned())
                };
                if change.before.as_ref().map(stands) == change.after.as_ref().map(stands) {
                    continue;
                }
                for (placed, amount) in [(&change.before, -1), (&change.after, 1)] {
                    let Some(placed) = placed else { continue };
                    let class = Class::from_code(&placed.class)
                        .ok_or_else(|| Error::internal("a user of no class"))?;
                    let place = placed.place(sequence);
                    let stays = |after: &Placed| {
                        after.team_id == placed.team_id && after.place(sequence) == place
                    };
                    moves.entry((placed.team_id, sequence)).or_default().push(Move {
                        place,
                        class,
                        amount,
                        sequence_number: &change.sequence_number,
                        changed_at: change.changed_at,
                        leaves: amount < 0 && !change.after.as_ref().is_some_and(stays),
                    });
                }
            }
        }
        let mut sizes: BTreeMap<Uuid, usize> = BTreeMap::new();
        for (team, _) in moves.keys() {
            if !sizes.contains_key(team) {
                sizes.insert(*team, cell_size(self.team_size(*team, Freshness::Eventual).await?));
            }
        }
        let shard = hash(shard);
        let sizes = &sizes;
        let applied = moves.into_iter().map(|((team, sequence), moves)| {
            let batch =
                Batch { store: self, team, sequence, shard, size: sizes[&team], caught_up, now };
            async move { batch.apply(moves).await }
        });
        futures::stream::iter(applied.collect::<Vec<_>>())
            .buffer_unordered(6)
            .try_collect::<()>()
            .await
    }
}

pub(super) fn decode(item: &Item) -> Result<Span> {
    let cells = item
        .get(CELLS)
        .and_then(|cells| cells.as_b().ok())
        .ok_or_else(|| Error::internal("a span without cells"))?;
    let span: Span = postcard::from_bytes(cells.as_ref()).map_err(Error::internal)?;
    let until = item.get(COUNTED_UNTIL).and_then(|until| until.as_n().ok());
    Ok(Span { counted_until: until.and_then(|until| until.parse().ok()), ..span })
}

/// The version of a span.
pub(super) fn version_of(item: &Item) -> Option<String> {
    item.get(VERSION).and_then(|version| version.as_s().ok()).cloned()
}

fn encoded(span: &Span) -> Result<Vec<u8>> {
    postcard::to_allocvec(span).map_err(Error::internal)
}

/// What a batch of the stream does to one sequence of one team.
struct Batch<'a> {
    store: &'a Store,
    team: Uuid,
    sequence: Sequence,
    shard: u64,
    size: usize,
    caught_up: bool,
    now: Timestamp,
}

impl Batch<'_> {
    /// Span by span, from the last one: each is read by the highest place that is left, and takes
    /// all that it holds.
    async fn apply(&self, mut moves: Vec<Move<'_>>) -> Result<()> {
        moves.sort_by(|one, other| one.place.cmp(other.place));
        let (mut attempt, mut told) = (0, Vec::new());
        while let Some(highest) = moves.last() {
            let (span, version) = self.span_at(highest.place).await?;
            let first = moves.partition_point(|other| other.place < span.cells[0].from.as_str());
            let begins = span.cells[0].from.clone();
            match self.apply_to(span, version, &moves[first..]).await {
                Err(WriteError::Refused(Refusal::Changed)) if attempt < ATTEMPTS => {
                    attempt += 1;
                    back_off(attempt).await;
                }
                outcome => {
                    outcome?;
                    told.extend(
                        moves[first..]
                            .iter()
                            .filter(|m| self.is_told(&begins, m))
                            .map(|m| m.place.to_owned()),
                    );
                    moves.truncate(first);
                    attempt = 0;
                }
            }
        }
        // Once all is applied: then the spans that are joined have got equally far.
        for place in told {
            self.join_spans(&place).await?;
        }
        Ok(())
    }

    /// True where the beginning of a cell tells who has left a place.
    fn is_told(&self, begins: &str, m: &Move<'_>) -> bool {
        m.leaves
            && matches!(self.sequence, Sequence::Title | Sequence::Name)
            && tells(begins, m.place)
    }

    /// Joins the first cell of a span with the last one of the span before, where it begins as a
    /// place does that somebody has left. A shard that is being given a batch again, of which it
    /// applied the later span's changes and not those of the span before, would apply these once
    /// more: the counts would be off by those until the places are counted anew.
    async fn join_spans(&self, place: &str) -> Result<()> {
        for attempt in 0..ATTEMPTS {
            back_off(attempt).await;
            let mut spans = self.spans_until(place, 2).await?.into_iter();
            let Some((mut span, version)) = spans.next() else { return Ok(()) };
            if !tells(&span.cells[0].from, place) {
                return Ok(());
            }
            let old = Key::span(self.team, self.sequence, &span.cells[0].from);
            let version = version.ok_or_else(|| Error::internal("a span without a version"))?;
            let (mut before, version_before) = match spans.next() {
                Some(found) => found,
                None => (Span::first(), None),
            };
            let told = span.cells.remove(0);
            if let Some(last) = before.cells.last_mut() {
                last.take_in(&told);
            }
            if let Some((shard, number)) =
                span.applied.iter().find(|(shard, _)| *shard == self.shard).cloned()
            {
                match before.applied.iter_mut().find(|(known, _)| *known == shard) {
                    Some((_, known)) if later(&number, known) == Ordering::Greater => {
                        *known = number
                    }
                    Some(_) => {}
                    None => before.applied.insert(0, (shard, number)),
                }
                before.applied.truncate(MOST_SHARDS);
            }
            let next = |version: Option<&String>| {
                version.and_then(|version| version.parse::<u64>().ok()).unwrap_or(0) + 1
            };
            let mut transaction = self.store.transaction();
            transaction.put_if(
                self.item(&before, next(version_before.as_ref()))?,
                VERSION,
                version_before,
                Refusal::Changed,
            )?;
            transaction.delete_if(&old, VERSION, &version)?;
            if !span.cells.is_empty() {
                transaction.create(self.item(&span, next(Some(&version)))?, Refusal::Changed)?;
            }
            match self.store.commit(transaction).await {
                // The span that it is joined with may begin so as well.
                Ok(()) => return Box::pin(self.join_spans(place)).await,
                Err(WriteError::Refused(Refusal::Changed)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Unavailable("the spans kept changing".into()))
    }

    /// The span that holds a place, and its version; an empty one where there is none.
    async fn span_at(&self, place: &str) -> Result<(Span, Option<String>)> {
        let found = self.spans_until(place, 1).await?.pop();
        Ok(found.unwrap_or_else(|| (Span::first(), None)))
    }

    /// The span that holds a place and those before it, at most so many, with their versions; the
    /// last one first.
    async fn spans_until(&self, place: &str, most: i32) -> Result<Vec<(Span, Option<String>)>> {
        let key = |from| Key::span(self.team, self.sequence, from);
        let output = self
            .store
            .client
            .query()
            .table_name(&self.store.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :place")
            .expression_attribute_values(":pk", AttributeValue::S(key("").pk))
            .expression_attribute_values(":first", AttributeValue::S(key("").sk))
            .expression_attribute_values(":place", AttributeValue::S(key(place).sk))
            .scan_index_forward(false)
            .limit(most)
            .consistent_read(true)
            .send()
            .await
            .map_err(failed)?;
        output.items().iter().map(|item| Ok((decode(item)?, version_of(item)))).collect()
    }

    /// Applies what is new to the span, cuts what has grown too large, joins what has become small,
    /// and writes it.
    async fn apply_to(
        &self,
        mut span: Span,
        version: Option<String>,
        moves: &[Move<'_>],
    ) -> Result<(), WriteError> {
        let known = span
            .applied
            .iter()
            .find(|(shard, _)| *shard == self.shard)
            .map(|(_, last)| last.clone());
        let until = span.counted_until;
        let is_counted =
            |m: &Move<'_>| m.changed_at.zip(until).is_some_and(|(at, until)| at < until);
        let is_later = |m: &Move<'_>| {
            known.as_ref().is_none_or(|last| later(m.sequence_number, last) == Ordering::Greater)
        };
        let is_new = |m: &&Move<'_>| is_later(m) && !is_counted(m);
        let new: Vec<_> = moves.iter().filter(is_new).collect();
        let Some(last) =
            new.iter().map(|m| m.sequence_number).max_by(|one, other| later(one, other))
        else {
            return Ok(());
        };
        for m in &new {
            let cell =
                span.cells.partition_point(|cell| cell.from.as_str() <= m.place).saturating_sub(1);
            span.cells[cell].add(m.place, m.class, m.amount);
        }
        span.applied.retain(|(shard, _)| *shard != self.shard);
        span.applied.insert(0, (self.shard, last.to_owned()));
        span.applied.truncate(MOST_SHARDS);
        for m in moves {
            forget(&mut span.cells, |begins| self.is_told(begins, m));
        }
        self.cut(&mut span).await?;
        join(&mut span.cells, self.size);
        self.write(span, version).await
    }

    /// Cuts each cell that is too large.
    async fn cut(&self, span: &mut Span) -> Result<()> {
        let mut cells = Vec::with_capacity(span.cells.len());
        for cell in std::mem::take(&mut span.cells) {
            let is_large = cell.total() > self.size * 5 / 4;
            match if is_large && self.caught_up { self.pieces(&cell).await? } else { None } {
                Some(pieces) => cells.extend(pieces),
                None => cells.push(cell),
            }
        }
        span.cells = cells;
        Ok(())
    }

    /// The same users in cells of the right size, by what the index has from the cell's beginning
    /// on. None where these are not yet, or not any more, the users that the cell counts: then it
    /// is cut another time. Users behind them do not matter, so that the end of a sequence by time
    /// is cut while more come in.
    async fn pieces(&self, cell: &Cell) -> Result<Option<Vec<Cell>>> {
        let total = cell.total();
        // Equal pieces, none larger than three quarters of the right size, so that they may grow.
        let piece = total.div_ceil(total.div_ceil((self.size * 3 / 4).max(1)));
        let pieces = self.store.survey(self.team, self.sequence, &cell.from, total, piece).await?;
        let mut seen = Cell::default();
        for piece in &pieces {
            seen.take_in(piece);
        }
        Ok((seen.sum == cell.sum && seen.counts == cell.counts).then_some(pieces))
    }

    /// Writes a span, as several where it is too large for one.
    async fn write(&self, span: Span, version: Option<String>) -> Result<(), WriteError> {
        let next =
            version.as_ref().and_then(|version| version.parse::<u64>().ok()).unwrap_or(0) + 1;
        if encoded(&span)?.len() <= MOST_BYTES {
            return self.put(self.item(&span, next)?, version).await;
        }
        let mut transaction = self.store.transaction();
        for (part, span) in divided(&span, MOST_SPANS)?.iter().enumerate() {
            let item = self.item(span, next)?;
            // One that expired may still be there: it is empty.
            let is_first = part == 0;
            transaction.put_if(
                item,
                VERSION,
                version.clone().filter(|_| is_first),
                Refusal::Changed,
            )?;
        }
        self.store.commit(transaction).await
    }

    fn item(&self, span: &Span, version: u64) -> Result<Item> {
        let mut item = item(self.team, self.sequence, span, version)?;
        if span.cells.iter().all(|cell| cell.counts.is_empty()) {
            item.insert(
                TTL.to_owned(),
                AttributeValue::N(self.now.plus_seconds(EMPTY_STAYS).as_second().to_string()),
            );
        }
        Ok(item)
    }

    async fn put(&self, item: Item, version: Option<String>) -> Result<(), WriteError> {
        let put = self.store.client.put_item().table_name(&self.store.table).set_item(Some(item));
        let put = match version {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(version) => put
                .condition_expression("#version = :version")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":version", AttributeValue::S(version)),
        };
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Err(WriteError::Refused(Refusal::Changed))
            }
            Err(error) => Err(WriteError::Failed(failed(error))),
        }
    }
}

/// The same cells in at most so many spans, each some three quarters full, so that it may grow.
pub(super) fn divided(span: &Span, most: usize) -> Result<Vec<Span>> {
    let parts = encoded(span)?.len().div_ceil(MOST_BYTES * 3 / 4).min(most);
    let cells = span.cells.chunks(span.cells.len().div_ceil(parts).max(1));
    Ok(cells
        .map(|cells| Span {
            cells: cells.to_vec(),
            applied: span.applied.clone(),
            counted_until: span.counted_until,
        })
        .collect())
}

/// Joins neighbours that have no more than `most` users together. The first one keeps its
/// beginning, which is the span's.
fn join(cells: &mut Vec<Cell>, most: usize) {
    let mut joined: Vec<Cell> = Vec::with_capacity(cells.len());
    for cell in cells.drain(..) {
        match joined.last_mut() {
            Some(last) if last.total() + cell.total() <= most => last.take_in(&cell),
            _ => joined.push(cell),
        }
    }
    *cells = joined;
}

/// Returns true if the beginning of a cell is that of a place, and long enough to tell whose it is.
fn tells(begins: &str, place: &str) -> bool {
    place.starts_with(begins) && begins.chars().count() >= TELLING
}

/// Joins each cell with the one before that begins so; but for the first, whose beginning is the
/// span's.
fn forget(cells: &mut Vec<Cell>, is_told: impl Fn(&str) -> bool) {
    let mut place = 1;
    while place < cells.len() {
        if is_told(&cells[place].from) {
            let told = cells.remove(place);
            cells[place - 1].take_in(&told);
        } else {
            place += 1;
        }
    }
}

/// The shortest text that is above one place and not above the next.
fn between(one: &str, next: &str) -> String {
    let ends = next.char_indices().map(|(at, c)| at + c.len_utf8());
    ends.map(|end| &next[..end]).find(|start| *start > one).unwrap_or(next).to_owned()
}

impl Store {
    /// The next `total` users of a sequence by its index, from a place on, in cells of so many.
    pub(super) async fn survey(
        &self,
        team: Uuid,
        sequence: Sequence,
        from: &str,
        total: usize,
        piece: usize,
    ) -> Result<Vec<Cell>> {
        let mut pieces = vec![Cell { from: from.to_owned(), ..Cell::default() }];
        let mut from = from.to_owned();
        let mut before = String::new();
        let mut left = total;
        while left > 0 {
            let entries =
                self.neighbours(team, sequence, &Edge::From(from), left.min(LOOK)).await?;
            for (place, class) in &entries {
                if pieces.last().is_some_and(|last| last.total() >= piece) {
                    pieces.push(Cell { from: between(&before, place), ..Cell::default() });
                }
                if let Some(last) = pieces.last_mut() {
                    last.add(place, *class, 1);
                }
                before.clone_from(place);
            }
            if entries.is_empty() {
                break;
            }
            left = left.saturating_sub(entries.len());
            // The least text behind the last place.
            from = format!("{before}\0");
        }
        Ok(pieces)
    }

    /// Counts the places of a team's users anew, by the indexes: after a restore from a backup,
    /// whose counts are of another moment than its users. Nobody may write to the team's users
    /// meanwhile.
    pub async fn recount_places(&self, team: Uuid) -> Result<()> {
        let size = cell_size(self.team_size(team, Freshness::Strong).await?);
        for sequence in Sequence::ALL {
            let old = self
                .query_items(
                    &Key::span(team, sequence, ""),
                    prefix::FROM,
                    From::Start,
                    usize::MAX,
                    Freshness::Strong,
                    None,
                )
                .await?;
            let cells = self.survey(team, sequence, "", usize::MAX, size * 3 / 4).await?;
            let new = divided(&Span { cells, ..Span::default() }, usize::MAX)?;
            let new: Vec<Item> =
                new.iter().map(|span| item(team, sequence, span, 1)).collect::<Result<_>>()?;
            let kept: Vec<Key> = new.iter().filter_map(Key::of).collect();
            let gone = old.iter().filter_map(Key::of).filter(|key| !kept.contains(key)).collect();
            self.write_batch(new, gone).await?;
        }
        self.rebuild_words(team).await
    }

    /// The same for every team. Says how many there are.
    pub async fn recount_all_places(&self) -> Result<usize> {
        #[derive(Deserialize)]
        struct Member {
            team_id: Uuid,
        }
        let mut teams = BTreeSet::new();
        for partition in WIDE_PARTITIONS {
            let mut start = None;
            loop {
                let page = self
                    .client
                    .query()
                    .table_name(&self.table)
                    .index_name(EVERYONE.name)
                    .key_condition_expression("#partition = :partition")
                    .expression_attribute_names("#partition", EVERYONE.partition)
                    .expression_attribute_values(
                        ":partition",
                        AttributeValue::S(partition.to_owned()),
                    )
                    .set_exclusive_start_key(start)
                    .send()
                    .await
                    .map_err(failed)?;
                let users: Vec<_> =
                    page.items.unwrap_or_default().iter().filter_map(Key::of).collect();
                teams.extend(
                    self.get_many::<Member>(&users, Freshness::Strong)
                        .await?
                        .into_iter()
                        .map(|member| member.team_id),
                );
                start = page.last_evaluated_key;
                if start.is_none() {
                    break;
                }
            }
        }
        for team in &teams {
            self.recount_places(*team).await?;
        }
        Ok(teams.len())
    }

    /// Where the cells of a sequence begin, and how many users of each class they have, by its
    /// code.
    pub async fn counted(
        &self,
        team: Uuid,
        sequence: Sequence,
    ) -> Result<Vec<(String, BTreeMap<String, i64>)>> {
        let code = |number: &u8| {
            Class::all().nth(usize::from(*number)).map(Class::code).unwrap_or_default()
        };
        let cells = self.cells(team, sequence).await?.into_iter();
        Ok(cells
            .map(|cell| {
                (
                    cell.from,
                    cell.counts
                        .iter()
                        .map(|(class, count)| (code(class), i64::from(*count)))
                        .collect(),
                )
            })
            .collect())
    }
}

/// A span as an item, without a date on which it expires.
pub(super) fn item(team: Uuid, sequence: Sequence, span: &Span, version: u64) -> Result<Item> {
    let mut item = Key::span(team, sequence, &span.cells[0].from).item();
    item.insert(VERSION.to_owned(), AttributeValue::S(version.to_string()));
    item.insert(CELLS.to_owned(), AttributeValue::B(Blob::new(encoded(span)?)));
    if let Some(until) = span.counted_until {
        item.insert(COUNTED_UNTIL.to_owned(), AttributeValue::N(until.to_string()));
    }
    Ok(item)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn some_class() -> Class {
        Class::all().next().expect("a class")
    }

    fn cell_of(from: &str, users: usize) -> Cell {
        let mut cell = Cell { from: from.to_owned(), ..Cell::default() };
        for n in 0..users {
            cell.add(&format!("{from}{n}"), some_class(), 1);
        }
        cell
    }

    #[test]
    fn cells_are_equal_where_the_same_users_are_in_them() {
        let of = |moves: &[(&str, Class, i32)]| {
            let mut cell = Cell::default();
            for (place, class, amount) in moves {
                cell.add(place, *class, *amount);
            }
            cell
        };
        let [one, other, ..] = Class::all().collect::<Vec<_>>()[..] else { panic!("classes") };
        assert_eq!(
            of(&[("a", one, 1), ("b", other, 1)]),
            of(&[("c", one, 1), ("b", other, 1), ("c", one, -1), ("a", one, 1)])
        );
        // As many of each class, but others.
        assert_ne!(of(&[("a", one, 1), ("b", other, 1)]), of(&[("b", one, 1), ("a", other, 1)]));
        assert_ne!(of(&[("a", one, 1)]), of(&[("b", one, 1)]));
        let marks: BTreeSet<u32> = (0..10_000).map(|n| mark(&n.to_string(), one)).collect();
        assert_eq!(marks.len(), 10_000);
    }

    #[test]
    fn cells_grow_with_the_root_of_the_team() {
        let sizes = [0, 100, 10_000, 250_000, 1_000_000, 100_000_000].map(cell_size);
        assert_eq!(sizes, [32, 32, 45, 225, 450, 450]);
    }

    #[test]
    fn neighbours_are_joined_up_to_a_size_and_no_further() {
        let mut cells = vec![
            cell_of("a", 3),
            cell_of("b", 7),
            cell_of("c", 1),
            cell_of("d", 0),
            cell_of("e", 9),
            cell_of("f", 11),
        ];
        join(&mut cells, 10);
        let joined: Vec<_> = cells.iter().map(|cell| (cell.from.as_str(), cell.total())).collect();
        assert_eq!(joined, [("a", 10), ("c", 10), ("f", 11)]);
    }

    #[test]
    fn a_span_reads_back_and_writes_no_beginning_twice() {
        let cells = ["", "2026-05-02T09:30", "2026-05-02T09:31", "aé", "aè", "č", "č1", "č"]
            .map(|from| cell_of(from, 3));
        let span = Span {
            cells: cells.to_vec(),
            applied: vec![(7, "000001".to_owned())],
            counted_until: Some(5),
        };
        let item = item(Uuid::nil(), Sequence::Title, &span, 1).expect("an item");
        assert_eq!(decode(&item).expect("a span"), span);
        let bytes = encoded(&span).expect("bytes");
        let times =
            |text: &[u8]| bytes.windows(text.len()).filter(|window| *window == text).count();
        assert_eq!((times(b"2026-05-02T09:3"), times("č".as_bytes())), (1, 1));
    }

    #[test]
    fn cells_that_begin_like_none_before_them_are_refused() {
        let mut bytes =
            encoded(&Span { cells: vec![cell_of("a", 1)], ..Span::default() }).expect("bytes");
        // The first cell shares a byte with the one before it.
        bytes[1] = 1;
        assert!(postcard::from_bytes::<Span>(&bytes).is_err());
    }

    #[test]
    fn a_span_is_divided_into_parts_with_room_and_into_no_more_than_may_be() {
        let span = Span {
            cells: (0..200).map(|n| cell_of(&format!("{n:03}"), 40)).collect(),
            ..Span::default()
        };
        for (most, parts) in [(usize::MAX, 4), (2, 2)] {
            let spans = divided(&span, most).expect("spans");
            assert_eq!(spans.len(), parts);
            let cells: Vec<_> = spans.iter().flat_map(|span| span.cells.clone()).collect();
            assert_eq!(cells, span.cells);
            let longest =
                spans.iter().map(|span| encoded(span).expect("bytes").len()).max().expect("one");
            assert!(longest <= MOST_BYTES * 3 / 4 + 20 || most == 2, "{longest}");
        }
    }

    #[test]
    fn a_cell_begins_with_the_shortest_text_that_divides_two_places() {
        for (one, next, start) in [
            ("", "ada", "a"),
            ("ada", "adb", "adb"),
            ("ada", "adaline", "adal"),
            ("ad", "č", "č"),
            ("a", "aéb", "aé"),
            ("a", "bob", "b"),
        ] {
            assert_eq!(between(one, next), start);
        }
    }
}
