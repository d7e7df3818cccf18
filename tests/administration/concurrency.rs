//! Changes that do not overwrite each other: entity tags with `If-Match`, and many requests at once
//! without.

use std::collections::BTreeSet;
use std::sync::Arc;

use functions::App;
use functions::log::NoLog;
use futures::future::join_all;
use insta::assert_json_snapshot;
use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use shared::Clock;
use shared::models::{Role, Status};
use tests::checks::unchanged;
use tests::direct::Call;
use tests::faults::{Fault, Faults, Strike};
use tests::{Answer, Roster, send};
use uuid::Uuid;

use crate::{USER_ADMIN, create, history, listed, numbered, record, request, team};

/// The quota tiers, with the one that the demo team has last.
const TIERS: [&str; 3] = ["free", "enterprise", "pro"];

/// A way to change a user: by whom, the path to read it, the method and path to change it, and a
/// body that changes something, made different by a number.
struct Change {
    caller: Uuid,
    user: Uuid,
    read: String,
    method: Method,
    path: String,
    body: fn(usize) -> Value,
}

fn changes() -> [Change; 5] {
    let managed = demo::id(0x61);
    let change = |caller, user, read: &str, method, path: &str, body| Change {
        caller,
        user,
        read: read.to_owned(),
        method,
        path: path.to_owned(),
        body,
    };
    let (one, same) = (format!("/v1/admin/users/{}", demo::VIEWER), listed(demo::VIEWER));
    [
        change(
            demo::VIEWER,
            demo::VIEWER,
            "/v1/account/me",
            Method::PATCH,
            "/v1/account/me",
            |n| json!({"display_name": format!("Dara {n}")}),
        ),
        change(
            demo::MANAGER,
            managed,
            &format!("/api/v1/users/{managed}"),
            Method::PUT,
            &format!("/api/v1/users/{managed}"),
            |n| json!({"first_name": format!("Finn {n}")}),
        ),
        change(
            demo::ADMIN,
            demo::VIEWER,
            &numbered(4),
            Method::PUT,
            &numbered(4),
            |n| json!({"name": format!("Dara {n}")}),
        ),
        change(
            demo::ADMIN,
            demo::VIEWER,
            &same,
            Method::PUT,
            &same,
            |n| json!({"details": {"job_title": format!("Welder {n}")}}),
        ),
        change(
            demo::PLATFORM_OPERATOR,
            demo::VIEWER,
            &one,
            Method::PATCH,
            &format!("{one}/quota"),
            |n| json!({"quota_tier_id": TIERS[n % 3]}),
        ),
    ]
}

impl Change {
    fn request(&self, roster: &Roster, n: usize, if_match: &str) -> reqwest::RequestBuilder {
        request(roster, self.method.clone(), &self.path, self.caller, &(self.body)(n))
            .header("if-match", if_match)
    }
}

#[tokio::test]
async fn every_answer_that_is_one_user_bears_its_tag() {
    let roster = Roster::start().await;
    let version = async |id: Uuid| roster.user(id).await.expect("a user").version;
    for change in changes() {
        let read = roster.get(&change.read, change.caller).await.expect(200);
        assert!(
            read.headers["etag"].starts_with(&format!("\"{}-", version(change.user).await)),
            "{}",
            change.read
        );
        let changed = roster
            .call(change.method.clone(), &change.path, change.caller, &(change.body)(1))
            .await
            .expect(200);
        assert!(
            changed.headers["etag"].starts_with(&format!("\"{}-", version(change.user).await)),
            "{}",
            change.path
        );
        assert_ne!(changed.headers["etag"], read.headers["etag"], "{}", change.path);
        assert_eq!(
            roster.get(&change.read, change.caller).await.headers["etag"],
            changed.headers["etag"],
            "{}",
            change.path
        );
    }
    // The same user has the same tag wherever it is shown.
    let viewer = demo::VIEWER;
    let mut tags = BTreeSet::new();
    for (path, caller) in [
        ("/v1/account/me".to_owned(), viewer),
        ("/users/me".to_owned(), viewer),
        (format!("/users/{viewer}"), demo::ADMIN),
        (format!("/v1/admin/users/{viewer}"), demo::PLATFORM_OPERATOR),
        (numbered(4), demo::ADMIN),
        (listed(viewer), demo::ADMIN),
    ] {
        tags.insert(roster.get(&path, caller).await.expect(200).headers["etag"].clone());
    }
    assert_eq!(tags.len(), 1, "{tags:?}");
    roster.check_table().await;
}

#[tokio::test]
async fn a_stale_tag_is_refused_and_changes_nothing() {
    let roster = Roster::start().await;
    let mut told = Vec::new();
    for change in changes() {
        let stale = roster.get(&change.read, change.caller).await.headers["etag"].clone();
        roster
            .call(change.method.clone(), &change.path, change.caller, &(change.body)(1))
            .await
            .expect(200);
        let answer = unchanged(&roster, change.request(&roster, 2, &stale)).await.expect(412);
        let mut body = answer.json();
        if let Some(id) = body.get_mut("request_id") {
            assert_eq!(id.take(), json!(answer.headers["x-request-id"]));
        }
        if let Some(id) = body.get_mut("id") {
            assert_eq!(id.take(), json!(answer.headers["x-request-id"]));
        }
        told.push(json!([change.method.as_str(), change.path, body]));
        // Nor does a tag that no user ever had, one of a future version, one that is weak, or none
        // in the header.
        let present = roster.get(&change.read, change.caller).await.headers["etag"].clone();
        for tag in [
            "\"other\"",
            "\"99-0\"",
            "W/\"*\"",
            "",
            &format!("W/{present}"),
            present.trim_matches('"'),
        ] {
            unchanged(&roster, change.request(&roster, 2, tag)).await.expect(412);
        }
        // What would change nothing is refused with a stale tag too.
        unchanged(&roster, change.request(&roster, 1, &stale)).await.expect(412);
    }
    assert_json_snapshot!(told);
    roster.check_table().await;
}

#[tokio::test]
async fn the_present_tag_passes_once_and_a_star_always() {
    let roster = Roster::start().await;
    for change in changes() {
        let tag = roster.get(&change.read, change.caller).await.headers["etag"].clone();
        let answer = send(change.request(&roster, 1, &tag)).await.expect(200);
        unchanged(&roster, change.request(&roster, 2, &tag)).await.expect(412);
        let listed = format!("\"other\", {}", answer.headers["etag"]);
        send(change.request(&roster, 2, &listed)).await.expect(200);
        let before = roster.user(change.user).await.expect("a user").version;
        send(change.request(&roster, 3, "*")).await.expect(200);
        assert_eq!(
            roster.user(change.user).await.map(|user| user.version),
            Some(before + 1),
            "{}",
            change.path
        );
    }
    roster.check_table().await;
}

#[tokio::test]
async fn being_seen_meanwhile_makes_no_tag_stale() {
    let roster = Roster::start().await;
    for change in changes() {
        let tag = roster.get(&change.read, change.caller).await.headers["etag"].clone();
        roster.advance(3600);
        roster.get("/users/me", change.user).await.expect(200);
        let now = roster.get(&change.read, change.caller).await.headers["etag"].clone();
        assert_ne!(now, tag, "the answer shows another sighting");
        send(change.request(&roster, 1, &tag)).await.expect(200);
        let user = roster.user(change.user).await.expect("a user");
        assert_eq!(
            user.last_seen.map(|seen| seen.at),
            Some(roster.now()),
            "{}: the sighting stays",
            change.path
        );
    }
    roster.check_table().await;
}

#[tokio::test]
async fn of_many_with_one_tag_at_once_one_passes() {
    for change in changes() {
        let roster = Roster::start().await;
        let before = roster.user(change.user).await.expect("a user");
        let tag = roster.get(&change.read, change.caller).await.headers["etag"].clone();
        let answers = join_all((0..10).map(|n| send(change.request(&roster, n, &tag)))).await;
        let passed: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
        let version = roster.user(change.user).await.expect("a user").version;
        // Those who ask for the tier that there is change nothing, and may pass beside the one who
        // does.
        let changing = passed.iter().filter(|answer| answer.headers["etag"] != tag).count();
        assert_eq!((changing, version), (1, before.version + 1), "{}", change.path);
        assert!(
            answers.iter().all(|answer| [200, 412].contains(&answer.status)),
            "{}",
            change.path
        );
        roster.check_table().await;
    }
}

/// Holds that the history of a user tells of each version once, and that the changes of each field
/// make one chain from what it was to what it is.
async fn is_whole(roster: &Roster, id: Uuid, before: &shared::models::User) {
    let after = roster.user(id).await.expect("a user");
    let entries = history(roster, id).await.json();
    // The demo data's share stands in the history too, and is no change of the user.
    let is_change =
        |entry: &&Value| entry["action"].as_str().is_some_and(|action| action.starts_with("user."));
    let entries: Vec<_> = entries.as_array().expect("a list").iter().filter(is_change).collect();
    assert_eq!(entries.len() as u64, after.version - before.version, "an entry for each version");
    let (before, after) = (json!(before), json!(after));
    for field in ["name", "display_name", "email", "job_title", "role"] {
        let changes: Vec<_> =
            entries.iter().filter_map(|entry| entry["changes"].get(field)).collect();
        let texts = |side: &str, last: &Value| {
            let mut texts: Vec<String> =
                changes.iter().map(|change| change[side].to_string()).collect();
            texts.push(last.get(field).unwrap_or(&Value::Null).to_string());
            texts.sort();
            texts
        };
        assert_eq!(texts("before", &after), texts("after", &before), "{field}");
    }
}

#[tokio::test]
async fn twenty_changes_at_once_are_each_made_and_counted() {
    let roster = Roster::start().await;
    let before = roster.user(demo::VIEWER).await.expect("a user");
    let sends = (0..20).map(|n| {
        let (method, path, caller, body) = match n % 5 {
            0 => (Method::PUT, numbered(4), demo::ADMIN, json!({"name": format!("Name {n}")})),
            1 => (
                Method::PUT,
                listed(demo::VIEWER),
                demo::ADMIN,
                json!({"details": {"job_title": format!("Job {n}")}}),
            ),
            2 => (
                Method::PATCH,
                "/v1/account/me".to_owned(),
                demo::VIEWER,
                json!({"display_name": format!("Shown {n}")}),
            ),
            3 => (
                Method::PUT,
                numbered(4),
                demo::ADMIN,
                json!({"email": format!("mail-{n}@acme-robotics.example")}),
            ),
            _ => (
                Method::PUT,
                listed(demo::VIEWER),
                demo::PLATFORM_OPERATOR,
                json!({"details": {"profile_completed_at": 1000 + n}}),
            ),
        };
        send(request(&roster, method, &path, caller, &body))
    });
    let answers = join_all(sends).await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200; 20]);
    // Each made a version of its own, and none a version that another made.
    let tags: BTreeSet<_> = answers.iter().map(|answer| answer.headers["etag"].clone()).collect();
    assert_eq!(tags.len(), 20);
    let after = roster.user(demo::VIEWER).await.expect("a user");
    assert_eq!(after.version, before.version + 20);
    let ends_in = |text: Option<&str>, rest: u64| {
        let digits: String =
            text.unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
        digits.parse::<u64>().is_ok_and(|n| n < 20 && n % 5 == rest)
    };
    assert!(
        ends_in(after.name.as_deref(), 0) && ends_in(after.job_title.as_deref(), 1),
        "{after:?}"
    );
    assert!(
        ends_in(after.display_name.as_deref(), 2) && ends_in(after.email.as_deref(), 3),
        "{after:?}"
    );
    assert!(after.profile_completed_at.is_some_and(|at| at.as_second() % 5 == 4), "{after:?}");
    is_whole(&roster, demo::VIEWER, &before).await;
    // Of the emails that it had in between none is held.
    assert_eq!(roster.keys_with("mail-").await.len(), 1);
    roster.check_table().await;
}

#[tokio::test]
async fn changes_of_different_fields_at_once_are_all_there_in_the_end() {
    for _ in 0..5 {
        let roster = Roster::start().await;
        let before = roster.user(demo::VIEWER).await.expect("a user");
        let tier = format!("/v1/admin/users/{}/quota", demo::VIEWER);
        let details = |name: &str, value: Value| json!({"details": {name: value}});
        let answers = join_all([
            send(request(
                &roster,
                Method::PUT,
                &numbered(4),
                demo::ADMIN,
                &json!({"name": "Together"}),
            )),
            send(request(
                &roster,
                Method::PUT,
                &numbered(4),
                demo::ADMIN,
                &json!({"email": "together@acme-robotics.example"}),
            )),
            send(request(&roster, Method::PUT, &numbered(4), demo::ADMIN, &json!({"rootRole": 2}))),
            send(request(
                &roster,
                Method::PUT,
                &listed(demo::VIEWER),
                demo::ADMIN,
                &details("job_title", json!("Welder")),
            )),
            send(request(
                &roster,
                Method::PUT,
                &listed(demo::VIEWER),
                demo::ADMIN,
                &details("profile_completed_at", json!(7)),
            )),
            send(request(
                &roster,
                Method::PATCH,
                "/v1/account/me",
                demo::VIEWER,
                &json!({"display_name": "Shown"}),
            )),
            send(request(
                &roster,
                Method::PATCH,
                "/v1/account/me",
                demo::VIEWER,
                &json!({"avatar_url": "https://a.example/b.png"}),
            )),
            send(request(
                &roster,
                Method::PATCH,
                &tier,
                demo::PLATFORM_OPERATOR,
                &json!({"quota_tier_id": "free"}),
            )),
        ])
        .await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        let after = roster.user(demo::VIEWER).await.expect("a user");
        let expected = shared::models::User {
            name: Some("Together".into()),
            email: Some("together@acme-robotics.example".into()),
            email_verified_at: None,
            role: Role::Operator,
            job_title: Some("Welder".into()),
            profile_completed_at: Some(shared::Timestamp::from_millisecond(7000)),
            display_name: Some("Shown".into()),
            avatar_url: Some("https://a.example/b.png".into()),
            quota_tier_id: "free".into(),
            updated_at: roster.now(),
            version: before.version + 8,
            ..before.clone()
        };
        assert_eq!(after, expected);
        is_whole(&roster, demo::VIEWER, &before).await;
        roster.check_table().await;
    }
}

#[tokio::test]
async fn being_seen_while_changed_loses_neither() {
    for _ in 0..5 {
        let roster = Roster::start().await;
        roster.advance(3600);
        let before = roster.user(demo::VIEWER).await.expect("a user");
        // The viewer's own request is the first sighting for an hour.
        let body = json!({"display_name": "Shown"});
        let by_admin = (0..5).map(|n| {
            request(
                &roster,
                Method::PUT,
                &numbered(4),
                demo::ADMIN,
                &json!({"name": format!("Name {n}")}),
            )
        });
        let all = by_admin.chain([request(
            &roster,
            Method::PATCH,
            "/v1/account/me",
            demo::VIEWER,
            &body,
        )]);
        let answers = join_all(all.map(send)).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        let after = roster.user(demo::VIEWER).await.expect("a user");
        assert_eq!(
            (after.version, after.display_name.as_deref()),
            (before.version + 6, Some("Shown"))
        );
        assert_eq!(after.last_seen.map(|seen| seen.at), Some(roster.now()));
        roster.check_table().await;
    }
}

#[tokio::test]
async fn of_two_admins_who_delete_each_other_at_once_one_stays() {
    for round in 0..6 {
        let roster = Roster::start().await;
        let (one, other) = (demo::OTHER_ADMIN, demo::id(0xb3));
        roster.call(Method::PUT, &numbered(2), one, &json!({"rootRole": 1})).await.expect(200);
        // Deleted, or made a viewer: by the one and the other way.
        let removal = |number: u64, caller, demotes: bool| {
            let method = if demotes { Method::PUT } else { Method::DELETE };
            send(request(&roster, method, &numbered(number), caller, &json!({"rootRole": 3})))
        };
        let answers =
            futures::join!(removal(2, one, round % 3 == 1), removal(1, other, round % 3 > 0));
        let statuses = [answers.0.status, answers.1.status];
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
        // The other came too late for it: as the last one, or as one who may not any more.
        assert!(statuses.iter().any(|status| [400, 401, 403].contains(status)), "{answers:?}");
        let users = team(&roster, demo::OTHER_TEAM).await;
        assert_eq!(users.iter().filter(|user| user.governs()).count(), 1);
        roster.check_table().await;
    }
}

#[tokio::test]
async fn of_all_admins_demoted_by_each_other_at_once_one_stays() {
    let roster = Roster::start().await;
    let admins: Vec<_> =
        team(&roster, demo::TEAM).await.into_iter().filter(|user| user.governs()).collect();
    assert_eq!(admins.len(), 3);
    let all = admins.iter().flat_map(|caller| admins.iter().map(|user| (caller.id, user.number)));
    let answers = join_all(all.map(|(caller, number)| {
        send(request(&roster, Method::PUT, &numbered(number), caller, &json!({"rootRole": 3})))
    }))
    .await;
    assert!(answers.iter().all(|answer| [200, 400, 403].contains(&answer.status)), "{answers:?}");
    assert_eq!(team(&roster, demo::TEAM).await.iter().filter(|user| user.governs()).count(), 1);
    roster.check_table().await;
}

#[tokio::test]
async fn of_many_users_made_at_once_with_one_email_one_is() {
    let roster = Roster::start().await;
    let before =
        team(&roster, demo::TEAM).await.len() + team(&roster, demo::OTHER_TEAM).await.len();
    let sends = (0..64).map(|n| {
        // In two teams, in letters of both kinds, and half of them by invites.
        let (caller, account) = if n % 2 == 0 {
            (demo::ADMIN, demo::TEAM)
        } else {
            (demo::OTHER_ADMIN, demo::OTHER_TEAM)
        };
        let email = if n % 3 == 0 { "Rush@elsewhere.example" } else { "rush@Elsewhere.example" };
        match n % 8 {
            0 | 1 => {
                let body = json!({"details": {"email": email, "account_id": account}});
                send(request(&roster, Method::POST, "/api/v1/admin_user_invite", caller, &body))
            }
            _ => send(request(
                &roster,
                Method::POST,
                USER_ADMIN,
                caller,
                &json!({"email": email, "rootRole": 3}),
            )),
        }
    });
    let answers = join_all(sends).await;
    let made = answers.iter().filter(|answer| [200, 201].contains(&answer.status)).count();
    assert_eq!(made, 1);
    for answer in answers.iter().filter(|answer| ![200, 201].contains(&answer.status)) {
        let told = answer.json()["message"].clone();
        match answer.status {
            400 => assert_eq!(told, "User already exists"),
            409 => assert_eq!(told, "A user with this email exists, or is invited already."),
            _ => panic!("{answer:?}"),
        }
    }
    let after = team(&roster, demo::TEAM).await.len() + team(&roster, demo::OTHER_TEAM).await.len();
    assert_eq!(after, before + 1);
    assert_eq!(
        roster.keys_with("INVITE#").await.len(),
        usize::from(answers.iter().any(|answer| answer.status == 200))
    );
    roster.check_table().await;
}

#[tokio::test]
async fn many_users_made_at_once_have_numbers_of_their_own() {
    let roster = Roster::start().await;
    let sends = (0..64).map(|n| {
        send(request(
            &roster,
            Method::POST,
            USER_ADMIN,
            demo::ADMIN,
            &json!({"username": format!("user-{n}"), "rootRole": 1 + n % 3}),
        ))
    });
    let answers = join_all(sends).await;
    assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
    let numbers: BTreeSet<_> = answers.iter().map(|answer| answer.json()["id"].as_u64()).collect();
    assert_eq!(numbers.len(), 64);
    roster.check_table().await;
}

#[tokio::test]
async fn of_many_who_take_one_email_at_once_one_has_it() {
    let roster = Roster::start().await;
    let numbers = [2, 3, 4, 5, 13, 28, 34, 35];
    let body = json!({"email": "wanted@acme-robotics.example"});
    let answers =
        join_all(numbers.map(|number| {
            send(request(&roster, Method::PUT, &numbered(number), demo::ADMIN, &body))
        }))
        .await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400, 400, 400, 400, 400, 400, 400]);
    roster.check_table().await;
}

#[tokio::test]
async fn two_users_swap_emails_only_by_way_of_a_third() {
    let roster = Roster::start().await;
    let (dara, chidi) = ("dara.sok@acme-robotics.example", "chidi.okafor@acme-robotics.example");
    let emails = async || {
        (
            record(&roster, demo::TEAM, &json!(4)).await.email,
            record(&roster, demo::TEAM, &json!(3)).await.email,
        )
    };
    let put = |number: u64, email: &str| {
        send(request(
            &roster,
            Method::PUT,
            &numbered(number),
            demo::ADMIN,
            &json!({"email": email}),
        ))
    };
    for _ in 0..5 {
        // Each is held by the other: at no time could one be let go of first.
        let (one, other) = futures::join!(put(4, chidi), put(3, dara));
        assert_eq!((one.status, other.status), (400, 400));
        assert_eq!(emails().await, (Some(dara.to_owned()), Some(chidi.to_owned())));
    }
    put(4, "between@acme-robotics.example").await.expect(200);
    put(3, dara).await.expect(200);
    put(4, chidi).await.expect(200);
    assert_eq!(emails().await, (Some(chidi.to_owned()), Some(dara.to_owned())));
    roster.check_table().await;
    // One lets go of it while another takes it: whether that is too early or not, nobody holds two
    // or none.
    for _ in 0..5 {
        let roster = Roster::start().await;
        let put = |number: u64, email: &str| {
            send(request(
                &roster,
                Method::PUT,
                &numbered(number),
                demo::ADMIN,
                &json!({"email": email}),
            ))
        };
        let (_, taken) = futures::join!(
            async { put(3, "free@acme-robotics.example").await.expect(200) },
            put(4, chidi)
        );
        let email = record(&roster, demo::TEAM, &json!(4)).await.email;
        match taken.status {
            200 => assert_eq!(email.as_deref(), Some(chidi)),
            400 => assert_eq!(email.as_deref(), Some(dara)),
            _ => panic!("{taken:?}"),
        }
        roster.check_table().await;
    }
}

#[tokio::test]
async fn a_user_deleted_by_many_at_once_is_deleted_once() {
    let roster = Roster::start().await;
    let number =
        create(&roster, json!({"email": "brief@acme-robotics.example", "rootRole": 3})).await;
    let id = record(&roster, demo::TEAM, &json!(number)).await.id;
    let mut all: Vec<_> = (0..8)
        .map(|_| request(&roster, Method::DELETE, &numbered(number), demo::ADMIN, &json!({})))
        .collect();
    all.extend((0..8).map(|n| {
        request(
            &roster,
            Method::PUT,
            &numbered(number),
            demo::ADMIN,
            &json!({"name": format!("Name {n}")}),
        )
    }));
    let answers = join_all(all.into_iter().map(send)).await;
    let deleted = answers[..8].iter().filter(|answer| answer.status == 200).count();
    assert_eq!(deleted, 1);
    assert!(answers.iter().all(|answer| [200, 404].contains(&answer.status)), "{answers:?}");
    let entries = history(&roster, id).await.json();
    let actions: Vec<_> = entries
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| entry["action"].as_str().expect("an action"))
        .collect();
    assert_eq!(actions[0], "user.deleted", "nobody is changed after that: {actions:?}");
    assert_eq!(actions.iter().filter(|action| **action == "user.deleted").count(), 1);
    assert_eq!(roster.user(id).await.map(|user| user.status), Some(Status::Deleted));
    roster.check_table().await;
}

/// Who changes a user twice names the version that the first change answered with: the second finds
/// it, though the indexes have not followed.
#[tokio::test]
async fn a_change_is_held_against_the_version_that_stands_whatever_the_indexes_show() {
    for change in changes() {
        let (roster, past) = (Roster::start().await, Roster::start().await);
        let faults = Faults::default();
        let client = faults.client(&roster, &past.server.data.database.endpoint);
        let now = roster.now();
        let config = local::config().expect("the defaults make a configuration");
        let app = App::new(&config, client, None, Arc::new(NoLog), Clock::new(move || now))
            .await
            .expect("an application");
        let app = Arc::new(app);
        faults.plan_for(Some(Strike { fault: Fault::Stale, from: 0, lasts: true }));
        let send = async |n, if_match: Option<&str>| {
            let mut call = Call::new(change.method.clone(), &change.path)
                .credential(&roster.token(change.caller))
                .json(&(change.body)(n));
            if let Some(tag) = if_match {
                call.headers.insert("if-match", tag.parse().expect("a header"));
            }
            call.send(&app).await.0
        };
        let first = send(1, None).await.expect(200);
        let second = send(2, Some(&first.headers["etag"])).await.expect(200);
        assert_ne!(first.headers["etag"], second.headers["etag"], "{}", change.path);
        assert_eq!(send(3, Some(&first.headers["etag"])).await.status, 412, "{}", change.path);
    }
}
