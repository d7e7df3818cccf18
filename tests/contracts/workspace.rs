//! The workspace contract.

use insta::assert_json_snapshot;
use local::demo;
use tests::Roster;

#[tokio::test]
async fn me_is_the_caller() {
    let roster = Roster::start().await;
    let answer = roster.get("/users/me", demo::ADMIN).await;
    assert_json_snapshot!(answer.snapshot());
    roster.check_table().await;
}
