//! Every function may do what its handler does, and nothing else: each handler is run through its branches, what it asks of DynamoDB is
//! noted, and compared with the function's policies in template.yaml. A call without a permission fails, and so does a permission without
//! a call.

mod calls;
mod policies;
mod scenarios;

use calls::Made;
use functions::HANDLERS;
use functions::schedule::purge_accounts;
use functions::stream::count_places;

#[tokio::test(flavor = "multi_thread")]
async fn every_function_may_do_what_its_handler_does_and_nothing_else() {
    let mut made = Made::new();
    for (handler, calls) in scenarios::all().await.into_iter().flatten() {
        made.entry(handler).or_default().extend(calls);
    }
    let policies = policies::read();
    let handlers = HANDLERS.iter().map(|handler| handler.name).chain([purge_accounts::NAME, count_places::NAME]);
    let missing: Vec<_> = handlers.filter(|handler| !policies.contains_key(*handler)).collect();
    assert!(missing.is_empty(), "template.yaml has no function for {missing:?}");
    let (differences, checked) = policies::differences(&policies, &made);
    println!("{checked}");
    assert!(differences.is_empty(), "template.yaml and the calls differ:\n{}", differences.join("\n"));
}
