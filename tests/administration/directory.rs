//! The directory contract: one user in full, and what administrators fill in.

use insta::assert_json_snapshot;
use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use tests::checks::{DELETED, INVITED, NOBODY, SUSPENDED, key, unchanged};
use tests::{Answer, Roster, START, send};
use uuid::Uuid;

use crate::{DIRECTORY, listed, request, team};

async fn put(roster: &Roster, id: Uuid, details: Value) -> Answer {
    roster.call(Method::PUT, &listed(id), demo::ADMIN, &json!({"details": details})).await
}

#[tokio::test]
async fn a_user_in_full() {
    let roster = Roster::start().await;
    assert_json_snapshot!(roster.get(&listed(demo::ADMIN), demo::ADMIN).await.snapshot());
}

#[tokio::test]
async fn a_managed_user_who_was_never_seen_and_has_little() {
    let roster = Roster::start().await;
    assert_json_snapshot!(roster.get(&listed(demo::id(0x61)), demo::ADMIN).await.snapshot());
}

#[tokio::test]
async fn every_user_of_every_status_is_shown_as_listed_with_three_details_more() {
    let roster = Roster::start().await;
    for (caller, account) in [
        (demo::ADMIN, demo::TEAM),
        (demo::OTHER_ADMIN, demo::OTHER_TEAM),
        (demo::PLATFORM_OPERATOR, demo::TEAM),
    ] {
        let path = format!("{DIRECTORY}?account_id={account}&pagination[page_size]=100");
        let summaries = roster.get(&path, caller).await.expect(200).json()["summaries"].clone();
        let users = team(&roster, account).await;
        assert_eq!(summaries.as_array().map(Vec::len), Some(users.len()));
        for user in users {
            let answer = roster.get(&listed(user.id), caller).await.expect(200).json();
            assert_eq!(answer["status"], "success");
            let mut details = answer["details"].as_object().expect("details").clone();
            assert_eq!(details.remove("name"), Some(json!(user.name)));
            assert_eq!(details.remove("job_title"), Some(json!(user.job_title)));
            let completed = user.profile_completed_at.map(|at| at.as_second());
            assert_eq!(details.remove("profile_completed_at"), Some(json!(completed)));
            let summary = summaries
                .as_array()
                .expect("a list")
                .iter()
                .find(|summary| summary["id"] == json!(user.id));
            assert_eq!(Some(&Value::Object(details)), summary, "{caller}");
        }
    }
}

#[tokio::test]
async fn who_is_of_another_account_is_not_found_as_nobody_is() {
    let roster = Roster::start().await;
    let body = json!({"details": {"name": "Found"}});
    let refused = roster.get(&listed(NOBODY), demo::ADMIN).await;
    assert_json_snapshot!(refused.snapshot());
    let upper = demo::OTHER_ADMIN.to_string().to_uppercase();
    for (caller, id) in [
        (demo::ADMIN, demo::OTHER_ADMIN.to_string()),
        (demo::ADMIN, upper),
        (demo::ADMIN, demo::PLATFORM_OPERATOR.to_string()),
        (demo::ADMIN, demo::TEAM.to_string()),
        (demo::ADMIN, "1".to_owned()),
        (demo::ADMIN, "me".to_owned()),
        (demo::ADMIN, demo::ADMIN.simple().to_string()),
        (demo::OTHER_ADMIN, demo::ADMIN.to_string()),
        (demo::OTHER_ADMIN, demo::id(0x61).to_string()),
        (demo::PLATFORM_OPERATOR, NOBODY.to_string()),
        (demo::PLATFORM_OPERATOR, "x".to_owned()),
    ] {
        for method in [Method::GET, Method::PUT] {
            let answer =
                unchanged(&roster, request(&roster, method.clone(), &listed(&id), caller, &body))
                    .await;
            assert_eq!(answer.snapshot(), refused.snapshot(), "{caller} {method} {id}");
        }
    }
}

#[tokio::test]
async fn who_is_no_admin_may_neither_read_nor_change_anyone() {
    let roster = Roster::start().await;
    let body = json!({"details": {"name": "Found"}});
    let refused = roster.get(&listed(demo::VIEWER), demo::VIEWER).await;
    assert_json_snapshot!(refused.snapshot());
    roster.get("/users/me", demo::id(0x61)).await.expect(200);
    for caller in [
        demo::OPERATOR_VIEW_ALL,
        demo::OPERATOR,
        demo::VIEWER,
        demo::MANAGER,
        demo::id(0x61),
        demo::id(0xb3),
    ] {
        // Not even whether there is such a user is told.
        for id in [caller, demo::ADMIN, demo::OTHER_ADMIN, NOBODY]
            .map(|id| id.to_string())
            .into_iter()
            .chain(["x".to_owned()])
        {
            for method in [Method::GET, Method::PUT] {
                let answer = unchanged(
                    &roster,
                    request(&roster, method.clone(), &listed(&id), caller, &body),
                )
                .await;
                assert_eq!(answer.snapshot(), refused.snapshot(), "{caller} {method} {id}");
            }
        }
    }
}

#[tokio::test]
async fn platform_operators_read_and_change_users_of_every_account_unless_by_a_key_of_their_own_account()
 {
    let roster = Roster::start().await;
    let body = json!({"details": {"job_title": "Chief"}});
    for id in [demo::VIEWER, demo::OTHER_ADMIN, demo::PLATFORM_OPERATOR] {
        let changed =
            roster.call(Method::PUT, &listed(id), demo::PLATFORM_OPERATOR, &body).await.expect(200);
        assert_eq!(
            roster.get(&listed(id), demo::PLATFORM_OPERATOR).await.expect(200).json(),
            changed.json()
        );
    }
    for (place, id, status) in [
        (1, demo::VIEWER, 200),
        (2, demo::VIEWER, 404),
        (2, demo::PLATFORM_OPERATOR, 200),
        (2, demo::OTHER_ADMIN, 404),
    ] {
        send(
            roster
                .request(Method::GET, &listed(id))
                .bearer_auth(key(demo::PLATFORM_OPERATOR, place)),
        )
        .await
        .expect(status);
    }
    roster.check_table().await;
}

#[tokio::test]
async fn a_change_takes_each_detail_alone_and_leaves_the_others() {
    let roster = Roster::start().await;
    let mut expected = roster.get(&listed(demo::VIEWER), demo::ADMIN).await.expect(200).json();
    let before = roster.user(demo::VIEWER).await.expect("a user");
    for (name, value) in [
        ("name", json!("Dara Renamed")),
        ("job_title", json!("Welder")),
        ("profile_completed_at", json!(START / 1000 - 60)),
        ("profile_completed_at", json!(0)),
        ("profile_completed_at", json!(253_402_207_200_i64)),
    ] {
        expected["details"][name] = value.clone();
        let answer = put(&roster, demo::VIEWER, json!({name: value})).await.expect(200);
        assert_eq!(answer.json(), expected);
        let read = roster.get(&listed(demo::VIEWER), demo::ADMIN).await;
        assert_eq!(
            (read.json(), &read.headers["etag"]),
            (expected.clone(), &answer.headers["etag"])
        );
    }
    let after = roster.user(demo::VIEWER).await.expect("a user");
    assert_eq!((after.version, after.updated_at), (before.version + 5, roster.now()));
    roster.check_table().await;
}

#[tokio::test]
async fn null_clears_a_detail() {
    let roster = Roster::start().await;
    let cleared = json!({"name": null, "job_title": null, "profile_completed_at": null});
    assert_json_snapshot!(put(&roster, demo::ADMIN, cleared.clone()).await.snapshot());
    // Where nothing is set nothing changes.
    let again = request(
        &roster,
        Method::PUT,
        &listed(demo::ADMIN),
        demo::ADMIN,
        &json!({"details": cleared}),
    );
    unchanged(&roster, again).await.expect(200);
    roster.check_table().await;
}

#[tokio::test]
async fn a_change_of_nothing_writes_nothing() {
    let roster = Roster::start().await;
    let present = json!({"name": "Ada Nordmann", "job_title": "Head of Platform", "profile_completed_at": START / 1000 - 200 * 86_400});
    for details in
        [json!({}), present, json!({"title": "x", "id": 1, "status": "new", "claims": {}})]
    {
        let body = json!({"details": details});
        let answer = unchanged(
            &roster,
            request(&roster, Method::PUT, &listed(demo::ADMIN), demo::ADMIN, &body),
        )
        .await
        .expect(200);
        assert_eq!(answer.json(), roster.get(&listed(demo::ADMIN), demo::ADMIN).await.json());
    }
}

#[tokio::test]
async fn every_fault_is_refused() {
    let roster = Roster::start().await;
    let mut bodies = vec![
        json!({}),
        json!({"details": null}),
        json!({"details": []}),
        json!({"details": "x"}),
        json!([]),
        Value::Null,
    ];
    for details in [
        json!({"name": 1}),
        json!({"name": ""}),
        json!({"name": " "}),
        json!({"name": "x".repeat(256)}),
        json!({"name": "line\nbreak"}),
        json!({"job_title": true}),
        json!({"job_title": ""}),
        json!({"job_title": "x".repeat(256)}),
        json!({"profile_completed_at": "2026-05-02T09:30:00Z"}),
        json!({"profile_completed_at": "1777714200"}),
        json!({"profile_completed_at": 1.5}),
        json!({"profile_completed_at": -1}),
        json!({"profile_completed_at": 253_402_207_201_i64}),
        json!({"profile_completed_at": u64::MAX}),
        json!({"profile_completed_at": true}),
        json!({"name": 1, "job_title": 2, "profile_completed_at": "3"}),
        json!({"name": "Good Name", "job_title": 2}),
    ] {
        bodies.push(json!({"details": details}));
    }
    let mut told = Vec::new();
    for body in bodies {
        let refused = request(&roster, Method::PUT, &listed(demo::VIEWER), demo::ADMIN, &body);
        let answer = unchanged(&roster, refused).await.expect(400).json();
        let sent: String = body.to_string().chars().take(80).collect();
        told.push(json!([sent, answer]));
    }
    for body in ["", "{", "details=1"] {
        let put = roster
            .request(Method::PUT, &listed(demo::VIEWER))
            .bearer_auth(roster.token(demo::ADMIN))
            .body(body);
        told.push(json!([body, unchanged(&roster, put).await.expect(400).json()]));
    }
    assert_json_snapshot!(told);
}

#[tokio::test]
async fn users_of_every_status_are_changed_but_for_the_deleted() {
    let roster = Roster::start().await;
    for id in [INVITED, SUSPENDED, demo::id(0x61), demo::id(0x1f0)] {
        assert_eq!(
            put(&roster, id, json!({"job_title": "Welder"})).await.expect(200).json()["details"]["job_title"],
            "Welder"
        );
    }
    let body = json!({"details": {"job_title": "Welder"}});
    let refused =
        unchanged(&roster, request(&roster, Method::PUT, &listed(DELETED), demo::ADMIN, &body))
            .await;
    assert_json_snapshot!(refused.snapshot());
    roster.check_table().await;
}

#[tokio::test]
async fn a_name_that_changed_is_what_the_lists_show_and_find() {
    let roster = Roster::start().await;
    put(&roster, demo::id(0x1f0), json!({"name": "Aaa Bot"})).await.expect(200);
    let path =
        format!("{DIRECTORY}?account_id={}&sorting=title&pagination[page_size]=1", demo::TEAM);
    assert_eq!(
        roster.get(&path, demo::ADMIN).await.expect(200).json()["summaries"][0]["title"],
        "Aaa Bot"
    );
    let found =
        roster.get("/v1/admin/users?query=aaa", demo::PLATFORM_OPERATOR).await.expect(200).json();
    assert_eq!(found[0]["id"], json!(demo::id(0x1f0)));
    roster.check_table().await;
}
