//! A model of the whole API: random requests by random callers, each of which must be answered, and
//! must leave the table, as plain maps have it. A run that fails is shrunk to the fewest steps that
//! still fail.

mod answers;
mod generate;
mod real;
mod state;
mod steps;
mod table;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use proptest::test_runner::{
    Config, FileFailurePersistence, RngAlgorithm, TestError, TestRng, TestRunner,
};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

use generate::Reference;
use real::Real;
use state::{Model, OPERATOR, Outcome};
use steps::{Ask, By, Id, Request, Step};

use crate::rounds;

/// When every run begins, in Unix seconds.
const START: i64 = tests::START / 1000;

/// How many steps a run has.
const STEPS: usize = 50;

/// The seeds of runs that failed, which are tried first.
const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/reliability/model/regressions.txt");

/// What comes before every run: a platform operator, two teams, and a member of one.
fn prelude() -> Vec<Step> {
    let sign_up = |label, by| ask(label, By::Token(by), Request::SignUp { verified: Some(true) });
    vec![
        sign_up(10, OPERATOR),
        Step::SetOperator(OPERATOR, true),
        sign_up(12, 1),
        sign_up(14, 2),
        ask(16, By::Token(1), Request::Invite { team: 12, email: steps::EMAILS[3] }),
        sign_up(18, 3),
    ]
}

/// What was tried.
#[derive(Default)]
struct Tally {
    requests: AtomicUsize,
    steps: AtomicUsize,
    /// By kind and by what came of it: a status, or nothing but time.
    outcomes: Mutex<BTreeMap<String, BTreeMap<String, usize>>>,
}

static TALLY: Tally = Tally {
    requests: AtomicUsize::new(0),
    steps: AtomicUsize::new(0),
    outcomes: Mutex::new(BTreeMap::new()),
};

impl Tally {
    fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    fn note(&self, step: &Step, outcomes: &[Outcome]) {
        self.steps.fetch_add(1, Ordering::Relaxed);
        let words = outcomes.iter().map(|outcome| match (outcome, step) {
            (Outcome::Refused(refusal), Step::Ask(ask)) => {
                refusal.answer(ask.request.contract()).0.to_string()
            }
            (Outcome::Refused(refusal), _) => format!("{refusal:?}"),
            (Outcome::Done(status, _), _) => status.to_string(),
            (Outcome::Replayed(_), _) => "replayed".to_owned(),
        });
        let word = words.collect::<Vec<_>>().join("+");
        *self
            .outcomes
            .lock()
            .expect("the tally")
            .entry(step.kind())
            .or_default()
            .entry(word)
            .or_default() += 1;
    }
}

/// Takes these steps, after those of [`prelude`].
fn take(steps: Vec<Step>) {
    let mut model = prelude().iter().fold(Model::new(START), Reference::apply);
    model.next = 100;
    Real::test_sequential(Config::default(), model, steps, None);
}

fn ask(label: Id, by: By, request: Request) -> Step {
    Step::Ask(Ask { label, by, request, keyed: false, twice: false })
}

fn ask_twice(label: Id, by: By, request: Request) -> Step {
    Step::Ask(Ask { label, by, request, keyed: false, twice: true })
}

/// The second erasure found a team of one, who was another: it took the team's counts, invites and
/// usage along.
#[test]
fn two_who_erase_one_user_leave_the_team_to_who_stays() {
    for _ in 0..4 {
        take(vec![
            ask(102, By::Token(2), Request::MakeManaged { first: "Ada", last: None }),
            ask(104, By::Token(2), Request::MakeSandbox { memory_mb: 512, timeout_ms: 60_000 }),
            ask_twice(106, By::Token(2), Request::DeleteManaged { user: 102 }),
            ask(108, By::Token(2), Request::ShowAccount),
        ]);
    }
}

/// The second one, who had read the team before, changed what was changed already, and noted it.
#[test]
fn two_who_set_one_tier_change_it_once() {
    for _ in 0..4 {
        take(vec![ask_twice(
            102,
            By::Token(OPERATOR),
            Request::ChangeQuota { user: 1, tier: "pro", if_match: None },
        )]);
    }
}

/// The account was active then, and who was invited could not sign up any more.
#[test]
fn who_is_locked_while_invited_may_sign_up_when_it_is_lifted() {
    take(vec![
        ask(102, By::Token(1), Request::Invite { team: 12, email: steps::EMAILS[4] }),
        ask(104, By::Token(OPERATOR), Request::Suspend { user: 102 }),
        ask(106, By::Token(OPERATOR), Request::Unsuspend { user: 102 }),
        ask(108, By::Token(4), Request::SignUp { verified: Some(true) }),
        ask(110, By::Token(4), Request::ShowWorkspaceUser { user: None }),
    ]);
}

/// A deleted managed user was taken for one who hides another: the last administrator could leave
/// the others behind.
#[test]
fn the_last_administrator_stays_with_others_whoever_else_is_deleted() {
    take(vec![
        ask(102, By::Token(1), Request::MakeManaged { first: "Ada", last: None }),
        ask(104, By::Token(1), Request::DeleteUser { user: 102 }),
        ask(106, By::Token(1), Request::DeleteAccount),
    ]);
}

#[test]
fn the_api_is_as_its_model_has_it() {
    let runs = rounds(20, 500);
    let is_full = runs >= 500;
    let workers = std::thread::available_parallelism().map_or(2, usize::from).min(runs);
    // What others have yet to try can wait for a failure to be read.
    let has_failed = AtomicBool::new(false);
    let run = |worker: usize| {
        let config = Config {
            cases: u32::try_from((runs + worker) / workers).expect("so many runs"),
            failure_persistence: Some(Box::new(FileFailurePersistence::Direct(REGRESSIONS))),
            max_shrink_iters: 100_000,
            max_shrink_time: 120_000,
            ..Config::default()
        };
        // The same runs each time, so that nobody's change fails by chance; others where more are
        // asked for.
        let mut runner = if runs > 500 {
            TestRunner::new(config.clone())
        } else {
            let seed = [u8::try_from(worker).unwrap_or(u8::MAX); 32];
            TestRunner::new_with_rng(
                config.clone(),
                TestRng::from_seed(RngAlgorithm::ChaCha, &seed),
            )
        };
        let outcome = runner.run(&Reference::sequential_strategy(STEPS), |(model, steps, seen)| {
            if !has_failed.load(Ordering::Relaxed) {
                Real::test_sequential(config.clone(), model, steps, seen);
            }
            Ok(())
        });
        has_failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
        outcome.map_err(|error| match error {
            TestError::Fail(reason, (_, steps, _)) => failure(&reason.to_string(), &steps),
            error @ TestError::Abort(_) => error.to_string(),
        })
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers)
            .map(|worker| {
                scope.spawn({
                    let run = &run;
                    move || run(worker)
                })
            })
            .collect();
        for worker in workers {
            worker.join().expect("a worker").unwrap_or_else(|failure| panic!("{failure}"));
        }
    });
    report(runs, is_full);
}

/// What failed, and how it is seen again.
fn failure(reason: &str, steps: &[Step]) -> String {
    let steps: String = steps.iter().map(|step| format!("  {step:?}\n")).collect();
    format!(
        "{reason}\nThe fewest steps that fail, after those of `prelude`:\n{steps}The seed stands in {REGRESSIONS}, and as `cc …` above: where that \
         file has it, every run tries it first. Run it again by\n  cargo test --workspace --locked --test reliability the_api_is_as_its_model_has_it"
    )
}

fn report(runs: usize, is_full: bool) {
    let outcomes = TALLY.outcomes.lock().expect("the tally");
    let is_refusal = |word: &str| {
        word.split('+').all(|word| word.starts_with('4') || word.starts_with(char::is_uppercase))
    };
    let mut refusals = 0;
    for (kind, words) in &*outcomes {
        refusals += words
            .iter()
            .filter(|(word, _)| !word.is_empty() && is_refusal(word))
            .map(|(_, count)| count)
            .sum::<usize>();
        if is_full {
            let words: Vec<_> = words
                .iter()
                .map(|(word, count)| {
                    if word.is_empty() { format!("{count}") } else { format!("{word} × {count}") }
                })
                .collect();
            println!("  {kind}: {}", words.join(", "));
        }
    }
    let (kinds, steps) = (outcomes.len(), TALLY.steps.load(Ordering::Relaxed));
    let requests = TALLY.requests.load(Ordering::Relaxed);
    println!(
        "model: {kinds} kinds of steps, {runs} runs, {steps} steps, {requests} requests, {refusals} refusals"
    );
    if is_full {
        for (kind, words) in &*outcomes {
            let is_asked = words.keys().any(|word| !word.is_empty());
            let done = words.keys().any(|word| !is_refusal(word));
            let refused = words.keys().any(|word| is_refusal(word));
            assert!(
                !is_asked || done || kind.starts_with("Malformed") || kind == "Repeat altered",
                "no {kind} was ever done"
            );
            // What is rarely sent is even more rarely sent twice at once.
            assert!(
                !is_asked || refused || kind == "Repeat" || kind.ends_with(" twice"),
                "no {kind} was ever refused"
            );
        }
    }
}
