//! Every function may do what its handler does, and nothing else: each handler is run through its
//! branches, what it asks of DynamoDB is noted, and compared with the function's policies in
//! template.yaml, by action, resource, partition key and attribute. A call without a permission
//! fails, and so does a permission without a call.

mod compare;
mod evaluation;
mod probes;
mod scenarios;
mod stage;

use functions::HANDLERS;
use functions::schedule::purge_accounts;
use functions::stream::count_places;
use stage::Made;
use tests::iam::{calls, policies};
use tokio::sync::OnceCell;

/// What every handler calls, found once.
async fn made() -> &'static Made {
    static MADE: OnceCell<Made> = OnceCell::const_new();
    let made = async || {
        let mut made = Made::new();
        // On the heap: the scenarios all together are more than a thread's stack holds.
        for (handler, calls) in Box::pin(scenarios::all()).await.into_iter().flatten() {
            made.entry(handler).or_default().extend(calls);
        }
        for (handler, needs) in functions::secret_needs() {
            made.entry(handler.to_owned()).or_default().extend(calls::of_secrets(needs));
        }
        made
    };
    MADE.get_or_init(made).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_may_do_what_its_handler_does_and_nothing_else() {
    let policies = policies::read();
    let handlers = HANDLERS
        .iter()
        .map(|handler| handler.name)
        .chain([purge_accounts::NAME, count_places::NAME]);
    let missing: Vec<_> = handlers.filter(|handler| !policies.contains_key(*handler)).collect();
    assert!(missing.is_empty(), "template.yaml has no function for {missing:?}");
    let (differences, checked) = compare::differences(&policies, made().await);
    println!("{checked}");
    assert!(
        differences.is_empty(),
        "template.yaml and the calls differ:\n{}",
        differences.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_entry_of_history_is_put_where_none_stands() {
    let mut puts = 0;
    for (handler, calls) in made().await {
        for call in calls.iter().filter(|call| call.keys.iter().any(|key| key == "AUDIT#")) {
            match call.action.as_str() {
                "dynamodb:PutItem" if call.together => {}
                "dynamodb:PutItem" => {
                    puts += 1;
                    assert!(call.on_absence, "{handler}: {call} would write over an entry");
                }
                "dynamodb:BatchWriteItem" => {
                    assert!(compare::ERASERS.contains(&handler.as_str()), "{handler}: {call}")
                }
                action => assert_eq!(action, "dynamodb:Query", "{handler}: {call}"),
            }
        }
    }
    assert!(puts > 20, "only {puts} handlers write history");
}

#[test]
fn policies_fit_the_quotas_of_iam() {
    let wrong = policies::beyond_quotas();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
