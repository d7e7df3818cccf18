//! Every operation is killed at every call of DynamoDB, before it and after it; a new process,
//! which remembers nothing, does it again, and the table is what it would be had nothing happened.

use std::sync::Arc;

use tests::faults::{Fault, Strike};

use crate::faults::{Undisturbed, differences, run_all, spread, undisturbed};
use crate::operations::{Operation, Rig, World, without_history};
use crate::rounds;

/// An operation that ends at a call.
#[derive(Clone)]
struct Crash {
    operation: &'static Operation,
    undisturbed: Arc<Undisturbed>,
    strike: Strike,
}

impl Crash {
    fn name(&self) -> String {
        let calls = &self.undisturbed.calls;
        let Strike { fault, from, .. } = self.strike;
        let side = if fault == Fault::HangsBefore { "before" } else { "after" };
        format!(
            "{}: killed {side} call {} of {} ({})",
            self.operation.name,
            from + 1,
            calls.len(),
            calls[from].operation
        )
    }

    /// What the process leaves that was killed there.
    async fn leave(&self, world: &World) -> Rig {
        let mut rig = Rig::start(world, self.operation).await;
        rig.faults.plan_for(Some(self.strike));
        tokio::select! {
            biased;
            () = rig.faults.hanging() => {}
            _ = rig.run(self.operation) => {}
        }
        rig.faults.settled().await;
        rig.restart().await;
        rig
    }

    /// Does it again, twice.
    async fn run_again(&self) -> Result<(), String> {
        let world = World::get().await;
        let rig = self.leave(world).await;
        // Places are counted anew, or from a batch of the stream, until it is done.
        if !self.operation.counts_places() {
            rig.roster.check_table().await;
        }
        for _ in 0..2 {
            let answer = rig.run(self.operation).await;
            if !self.undisturbed.told.contains(&world.told(&answer)) {
                return Err(format!(
                    "done again, it answers {answer:?}, and not {:?}",
                    self.undisturbed.told
                ));
            }
        }
        rig.roster.check_table().await;
        let differences =
            differences(&self.undisturbed.effect, &rig.effect(world, self.operation).await);
        if differences.is_empty() {
            Ok(())
        } else {
            Err(format!("another effect: {differences:#?}"))
        }
    }

    /// Does not do it again, and leaves it to the purge: the user is there with everything, or gone
    /// with everything.
    async fn leave_to_purge(&self) -> Result<(), String> {
        let world = World::get().await;
        let rig = self.leave(world).await;
        rig.purge().await;
        rig.roster.check_table().await;
        let effect = without_history(world.effect(rig.roster.items().await));
        let differences = differences(&without_history(self.undisturbed.effect.clone()), &effect);
        if effect.is_empty() || differences.is_empty() {
            Ok(())
        } else {
            Err(format!("neither done nor undone: {differences:#?}"))
        }
    }
}

/// Every crash of those operations.
async fn crashes(operations: impl Iterator<Item = &'static Operation>) -> Vec<Crash> {
    let mut crashes = Vec::new();
    for (operation, undisturbed) in undisturbed(operations).await {
        for (from, call) in undisturbed.calls.iter().enumerate() {
            for fault in [Fault::HangsBefore, Fault::HangsAfter]
                .into_iter()
                .filter(|fault| fault.can_strike(call))
            {
                let strike = Strike { fault, from, lasts: false };
                crashes.push(Crash { operation, undisturbed: undisturbed.clone(), strike });
            }
        }
    }
    crashes
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_anywhere_is_done_by_doing_it_again() {
    let world = World::get().await;
    let operations: Vec<_> = world.operations.iter().collect();
    let many = operations.len();
    let operations: Vec<_> = spread(operations, rounds(4, many)).collect();
    let all = crashes(operations.iter().copied()).await;
    let many = all.len();
    let picked = spread(all, rounds(10, many))
        .map(|crash| (crash.name(), async move { crash.run_again().await }));
    let tried = run_all(picked).await.len();
    println!(
        "crashes: {tried} points of {} of {} operations",
        operations.len(),
        world.operations.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_is_killed_anywhere_is_finished_by_the_purge() {
    let erasures = [
        "directory.revoke_invite",
        "managed_users.delete_user, with belongings",
        "operator_account.delete_user, with belongings",
    ];
    let world = World::get().await;
    let operations: Vec<_> = erasures.map(|name| world.operation(name)).into();
    let all = crashes(spread(operations, rounds(1, erasures.len()))).await;
    let many = all.len();
    let picked = spread(all, rounds(6, many))
        .map(|crash| (crash.name(), async move { crash.leave_to_purge().await }));
    let tried = run_all(picked).await.len();
    println!("crashes: {tried} points of erasures that are left to the purge");
}
