//! Every call of DynamoDB that a handler makes fails, in every way that it can: once, and together
//! with all that follow. The client, who is told to come back, does; and there is one effect, the
//! one of a request that nothing happened to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use functions::HANDLERS;
use futures::StreamExt;
use serde_json::Value;
use tests::Answer;
use tests::faults::{Call, Fault, Strike};

use crate::operations::{Operation, Rig, World};
use crate::{contract, rounds};

/// How many rounds run at once: some wait before a transaction is tried again.
const AT_ONCE: usize = 16;

/// The time limit of a function that answers requests, in template.yaml.
fn limit() -> Duration {
    let template: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(include_str!("../../template.yaml")).expect("the template is YAML");
    Duration::from_secs(template["Globals"]["Function"]["Timeout"].as_u64().expect("a time limit"))
}

/// What an operation does when nothing happens to it.
#[derive(Debug)]
pub struct Undisturbed {
    /// Its calls.
    pub calls: Vec<Call>,
    /// What it answers, and what it answers the second time.
    pub told: [Value; 2],
    /// What becomes of the table.
    pub effect: Vec<String>,
}

impl Undisturbed {
    /// Runs an operation twice: it has its effect once.
    pub async fn of(world: &World, operation: &Operation) -> Result<Self, String> {
        let rig = Rig::start(world, operation).await;
        rig.faults.plan_for(None);
        let first = rig.run(operation).await;
        let calls = rig.faults.calls();
        if first.status >= 300 && operation.name != "platform.unmatched" {
            return Err(format!("answers {first:?}"));
        }
        let effect = rig.effect(world, operation).await;
        if !effect.is_empty() || operation.counts_places() {
            rig.roster.check_table().await;
        }
        let second = rig.run(operation).await;
        let more = differences(&effect, &rig.effect(world, operation).await);
        if !more.is_empty() {
            return Err(format!("does more the second time: {more:#?}, and answers {second:?}"));
        }
        Ok(Self { calls, told: [world.told(&first), world.told(&second)], effect })
    }
}

/// The lines that are in one of two lists alone. Each process notes a source address once, so one
/// that goes on where another was cut off notes it again.
pub fn differences(expected: &[String], found: &[String]) -> Vec<String> {
    let mut counts: BTreeMap<&str, i32> = BTreeMap::new();
    for (lines, amount) in [(expected, 1), (found, -1)] {
        let is_address = |line: &&String| line.contains("\"pk\":\"ADDRESS#");
        let addresses: BTreeSet<_> = lines.iter().filter(is_address).collect();
        for line in lines.iter().filter(|line| !is_address(line)).chain(addresses) {
            *counts.entry(line).or_default() += amount;
        }
    }
    let differing = counts.into_iter().filter(|(_, count)| *count != 0);
    differing
        .map(|(line, count)| format!("{}: {line}", if count > 0 { "missing" } else { "too many" }))
        .collect()
}

/// One operation under one strike.
#[derive(Clone)]
struct Round {
    operation: &'static Operation,
    undisturbed: Arc<Undisturbed>,
    strike: Strike,
}

impl fmt::Display for Round {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Strike { fault, from, lasts } = self.strike;
        let (all, call) = (self.undisturbed.calls.len(), &self.undisturbed.calls[from].operation);
        let which = if lasts { "from there on" } else { "once" };
        write!(
            formatter,
            "{}: {fault:?} at call {} of {all} ({call}), {which}",
            self.operation.name,
            from + 1
        )
    }
}

impl Round {
    /// Says how many calls were struck.
    async fn run(&self) -> Result<usize, String> {
        let world = World::get().await;
        let rig = Rig::start(world, self.operation).await;
        rig.faults.plan_for(Some(self.strike));
        let first = rig.run(self.operation).await;
        let (waited, struck) = (rig.faults.waited(), rig.faults.struck());
        rig.faults.plan_for(None);
        let Strike { fault, lasts, .. } = self.strike;
        if fault == Fault::Stale {
            if first.status >= 300 {
                return Err(format!("takes an index that has not followed for a fault: {first:?}"));
            }
        } else if first.status >= 500 {
            self.check_refusal(&first)?;
            if !lasts && struck.iter().all(|call| fault.is_tried_again(call)) {
                return Err(format!("a fault that passes was not got over: {first:?}"));
            }
        } else if !self.undisturbed.told.contains(&world.told(&first)) {
            return Err(format!(
                "answers otherwise: {first:?}, and not {}",
                self.undisturbed.told[0]
            ));
        }
        if waited > limit() && self.operation.handler().is_some() {
            return Err(format!("waits for {waited:?}"));
        }
        let second = rig.run(self.operation).await;
        if !self.undisturbed.told.contains(&world.told(&second)) {
            return Err(format!(
                "sent again, it is answered otherwise: {second:?} after {first:?}, and not {:?}",
                self.undisturbed.told
            ));
        }
        let is_replayed = second.headers.contains_key("idempotency-replayed");
        if first.status < 300 && is_replayed && first.text != second.text {
            return Err(format!("replayed otherwise: {second:?} after {first:?}"));
        }
        // The rest of the table's promises are kept where it is the same as undisturbed.
        if self.operation.counts_places() {
            rig.roster.check_table().await;
        }
        let differences =
            differences(&self.undisturbed.effect, &rig.effect(world, self.operation).await);
        if differences.is_empty() {
            Ok(struck.len())
        } else {
            Err(format!("another effect: {differences:#?}"))
        }
    }

    /// Holds that an answer tells the client to come back, in the contract's body.
    fn check_refusal(&self, answer: &Answer) -> Result<(), String> {
        if answer.status != 503 {
            return Err(format!("answers {answer:?}"));
        }
        if let Some(handler) = self.operation.handler() {
            contract(handler).error(answer);
        }
        Ok(())
    }
}

/// Runs each of many, some at one time, and tells of each that fails as soon as it does; gives what
/// came of them.
pub async fn run_all<T: Send + 'static>(
    rounds: impl Iterator<Item = (String, impl Future<Output = Result<T, String>> + Send + 'static)>,
) -> Vec<T> {
    let run = rounds.map(|(name, round)| async move {
        let outcome = tokio::spawn(round).await.unwrap_or_else(|error| Err(error.to_string()));
        outcome.map_err(|fault| eprintln!("{name}: {fault}")).ok()
    });
    let outcomes: Vec<_> = futures::stream::iter(run).buffered(AT_ONCE).collect().await;
    let failed = outcomes.iter().filter(|outcome| outcome.is_none()).count();
    assert_eq!(failed, 0, "of {} that are told of above", outcomes.len());
    outcomes.into_iter().flatten().collect()
}

/// What operations do when nothing happens to them.
pub async fn undisturbed(
    operations: impl Iterator<Item = &'static Operation>,
) -> Vec<(&'static Operation, Arc<Undisturbed>)> {
    let world = World::get().await;
    let run = operations.map(|operation| {
        let run = async move {
            Undisturbed::of(world, operation)
                .await
                .map(|undisturbed| (operation, Arc::new(undisturbed)))
        };
        (operation.name.clone(), run)
    });
    run_all(run).await
}

/// So many of them, or fewer: from the first to the last, the same odd distance apart, as what
/// differs by turns is to be met with.
pub fn spread<T>(all: Vec<T>, count: usize) -> impl Iterator<Item = T> {
    let every = all.len().div_ceil(count.max(1)) | 1;
    all.into_iter().step_by(every)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_a_client_who_comes_back_finds_one_effect() {
    let world = World::get().await;
    let operations = world.operations.iter().filter(|operation| operation.name != "recount_places");
    let names: Vec<_> = operations.clone().filter_map(Operation::handler).collect();
    let missing: Vec<_> =
        HANDLERS.iter().map(|handler| handler.name).filter(|name| !names.contains(name)).collect();
    assert!(missing.is_empty(), "no operation for {missing:?}: add one in operations.rs");

    let operations: Vec<_> = operations.collect();
    let many = operations.len();
    let undisturbed = undisturbed(spread(operations, rounds(5, many))).await;
    let tried_operations = undisturbed.len();
    let mut all = Vec::new();
    for (operation, undisturbed) in undisturbed {
        for (from, call) in undisturbed.calls.iter().enumerate() {
            for fault in Fault::ALL.into_iter().filter(|fault| fault.can_strike(call)) {
                for lasts in [false, true] {
                    let strike = Strike { fault, from, lasts };
                    all.push(Round { operation, undisturbed: undisturbed.clone(), strike });
                }
            }
        }
    }
    let many = all.len();
    let tried = spread(all, rounds(24, many))
        .map(|round| (round.to_string(), async move { round.run().await }));
    let tried = run_all(tried).await;
    println!(
        "faults: {tried_operations} of {} operations, {} handlers, {} kinds of faults, once and lasting: {} tried, {} calls struck, {} requests sent",
        world.operations.len() - 1,
        HANDLERS.len(),
        Fault::ALL.len(),
        tried.len(),
        tried.iter().sum::<usize>(),
        2 * tried.len(),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_keeps_colliding_is_tried_eight_times_ever_further_apart() {
    let world = World::get().await;
    let operation = world
        .operations
        .iter()
        .find(|operation| operation.name == "operator_account.suspend_user")
        .expect("a suspension");
    let undisturbed = Undisturbed::of(world, operation).await.expect("it works");
    let transacts = |call: &Call| call.operation == "TransactWriteItems";
    let from = undisturbed.calls.iter().position(transacts).expect("a transaction");
    let rig = Rig::start(world, operation).await;
    rig.faults.plan_for(Some(Strike { fault: Fault::Conflict, from, lasts: true }));
    let start = Instant::now();
    assert_eq!(rig.run(operation).await.status, 503);
    let waited = start.elapsed();
    assert_eq!(rig.faults.struck().iter().filter(|call| transacts(call)).count(), 8);
    // A half of 25 ms, of twice that, and so on, up to 800 ms.
    assert!(waited >= Duration::from_millis(12 + 25 + 50 + 100 + 200 + 400 + 400), "{waited:?}");
}
