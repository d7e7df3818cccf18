//! Every endpoint, tried by callers of another tenant and by callers of the same one who may not
//! see each other.

use std::collections::{BTreeMap, BTreeSet};

use functions::HANDLERS;
use local::demo;
use reqwest::Method;
use serde_json::{Map, Value, json};
use tests::probes::{Effect, Probe, Target, probes};
use tests::{Answer, Cost, Roster, send};
use uuid::Uuid;

use crate::give_key::give_key;

type Item = Map<String, Value>;

/// Who attacks: a name for messages, the user behind it, and the credential.
struct Attacker {
    name: String,
    id: Uuid,
    credential: String,
    /// Whom they let in.
    grantees: Vec<Uuid>,
    /// Those, whom they once let in, and who manages them: no secret to them where they are told
    /// what is held about them.
    knows: Vec<Uuid>,
}

impl Attacker {
    async fn user(roster: &Roster, id: Uuid) -> Self {
        let items = roster.items().await;
        let manager = roster.user(id).await.and_then(|user| user.manager_id);
        let grantees: Vec<Uuid> = items
            .iter()
            .filter(|item| item["sk"] == format!("SHARED#{id}").as_str())
            .filter_map(|item| item["pk"].as_str()?.strip_prefix("USER#")?.parse().ok())
            .collect();
        let history = items.iter().filter(|item| item["pk"] == format!("AUDIT#{id}").as_str());
        let former = history
            .filter_map(|item| item["changes"]["grantee_id"]["after"].as_str()?.parse().ok());
        let knows = grantees.iter().copied().chain(former).chain(manager).collect();
        Self { name: id.to_string(), id, credential: roster.token(id), grantees, knows }
    }

    /// What an answer of that handler may tell this one.
    fn told_by(&self, handler: &str) -> &[Uuid] {
        if ["operator_account.export_account", "managed_users.list_shares"].contains(&handler) {
            &self.knows
        } else {
            &[]
        }
    }
}

/// Users whom the attacker may know nothing of.
struct Victims {
    /// What names them: ids, names, emails, keys, devices.
    secrets: BTreeSet<String>,
    /// What marks their items in the table.
    marks: Vec<String>,
}

impl Victims {
    /// A whole team.
    fn team(items: &[Item], team: Uuid) -> Self {
        let mut victims = Self::users(items, |user| user["team_id"] == team.to_string());
        let record = items
            .iter()
            .find(|item| item["sk"] == "TEAM" && item["id"] == team.to_string())
            .expect("the team");
        victims.secrets.extend(
            ["id", "name", "slug"].map(|name| record[name].as_str().expect("text").to_owned()),
        );
        victims.marks.push(team.to_string());
        victims
    }

    /// Those users.
    fn users(items: &[Item], which: impl Fn(&Item) -> bool) -> Self {
        let users: Vec<&Item> =
            items.iter().filter(|item| item["sk"] == "USER" && which(item)).collect();
        let marks: Vec<String> =
            users.iter().filter_map(|user| user["id"].as_str()).map(str::to_owned).collect();
        assert!(!marks.is_empty());
        let mut secrets = BTreeSet::new();
        for item in items {
            let of_victim = item["pk"]
                .as_str()
                .and_then(|pk| pk.strip_prefix("USER#"))
                .is_some_and(|id| marks.iter().any(|mark| mark == id));
            let own = ["USER", "KEY#", "SANDBOX#"]
                .iter()
                .any(|kind| item["sk"].as_str().is_some_and(|sk| sk.starts_with(kind)));
            if of_victim && own {
                let names = [
                    "id",
                    "name",
                    "email",
                    "username",
                    "first_name",
                    "last_name",
                    "display_name",
                    "device_user_id",
                    "pub_key",
                ];
                secrets.extend(
                    names.iter().filter_map(|name| item.get(*name)?.as_str()).map(str::to_owned),
                );
            }
        }
        Self { secrets, marks }
    }

    /// Their items. What is the attacker's own may name them: a manager, say, whose list has a line
    /// for the attacker. Without the number of shares that they were given, which has a cap and
    /// shows to nobody.
    fn items(&self, items: &[Item], attacker: &Attacker) -> Vec<Item> {
        let own_line = format!("MANAGED#{}", attacker.id);
        let id = attacker.id.to_string();
        let own = |item: &Item| {
            item["sk"] == own_line.as_str()
                || item["pk"].as_str().is_some_and(|pk| pk.ends_with(&id))
        };
        let marked = |item: &&Item| {
            let text = Value::Object((*item).clone()).to_string();
            !own(item) && self.marks.iter().any(|mark| text.contains(mark.as_str()))
        };
        let uncounted = |item: &Item| {
            let mut item = item.clone();
            item.remove("shares_received");
            item
        };
        items.iter().filter(marked).map(uncounted).collect()
    }

    /// Panics where an answer tells of them.
    #[track_caller]
    fn assert_hidden_in(&self, answer: &Answer, sent: &[String], case: &str) {
        let sent = if answer.status < 400 { &[] } else { sent };
        self.assert_hidden_but(answer, sent, case);
    }

    /// Panics where an answer tells of them beyond these texts.
    #[track_caller]
    fn assert_hidden_but(&self, answer: &Answer, known: &[String], case: &str) {
        let mut texts: Vec<String> = answer.headers.values().cloned().collect();
        match serde_json::from_str(&answer.text) {
            Ok(body) => collect_texts(&body, &mut texts),
            Err(_) => texts.push(answer.text.clone()),
        }
        for text in texts {
            let text = known.iter().fold(text, |text, known| text.replace(known, "(known)"));
            let shown = self.secrets.iter().find(|secret| {
                text == **secret || (secret.len() >= 8 && text.contains(secret.as_str()))
            });
            assert_eq!(shown, None, "{case}: {answer:?}");
        }
    }
}

fn collect_texts(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect_texts(value, texts)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            texts.push(name.clone());
            collect_texts(value, texts);
        }),
        _ => {}
    }
}

/// What an attacker can tell from an answer, and from the time that it takes: status, body,
/// headers, and what it cost in DynamoDB.
fn told(answer: &Answer, sent: &[String]) -> (u16, String, BTreeMap<String, String>, Cost) {
    // Only a refusal repeats what was sent.
    let sent = if answer.status < 400 { &[] } else { sent };
    let text = answer.text.replace(&answer.headers["x-request-id"], "(request)");
    let text = sent.iter().fold(text, |text, sent| text.replace(sent, "(sent)"));
    let mut headers = answer.headers.clone();
    // These differ between any two requests: the length is that of the text, which is compared.
    headers.retain(|name, _| {
        !["content-length", "date", "server-timing", "x-request-id"].contains(&name.as_str())
    });
    (answer.status, text, headers, answer.cost())
}

async fn try_on(roster: &Roster, attacker: &Attacker, probe: &Probe, target: &Target) -> Answer {
    send(probe.request(roster, target).bearer_auth(&attacker.credential)).await
}

/// Somebody who does not exist.
fn nobody() -> Target {
    Target {
        user: Uuid::new_v4(),
        number: 4000,
        team: Uuid::new_v4(),
        key: Uuid::new_v4(),
        sandbox: format!("sbx_{}", Uuid::now_v7().simple()),
        invite: Uuid::now_v7(),
    }
}

/// What was changed between two states of the table.
fn changes<'a>(before: &'a [Item], after: &'a [Item]) -> Vec<&'a Item> {
    before
        .iter()
        .filter(|item| !after.contains(item))
        .chain(after.iter().filter(|item| !before.contains(item)))
        .collect()
}

/// Tries every endpoint on every target: the victims stay hidden and untouched, and an existing
/// target is told from none by nothing.
async fn attack(roster: &Roster, attacker: &Attacker, targets: &[Target], victims: &Victims) {
    // Being seen is noted once in ten minutes: before, not in between.
    send(roster.request(Method::GET, "/v1/account/me").bearer_auth(&attacker.credential))
        .await
        .expect(200);
    // The first request for a delegated token in a process publishes the signing key.
    let delegation = roster.request(Method::POST, "/api/v1/oauth/delegated-token");
    let delegation =
        delegation.bearer_auth(&attacker.credential).json(&json!({"sub": nobody().user}));
    send(delegation).await.expect(403);
    let mut before = roster.items().await;
    for handler in HANDLERS {
        let mut writes = false;
        for probe in
            probes(handler.name).into_iter().filter(|probe| probe.effect != Effect::EndsCaller)
        {
            let missing = nobody();
            let unknown = try_on(roster, attacker, &probe, &missing).await;
            let case = format!("{} at {}: {probe:?}", attacker.name, handler.name);
            let told_by_handler: Vec<String> =
                attacker.told_by(handler.name).iter().map(Uuid::to_string).collect();
            let assert_hidden_in = |answer: &Answer, sent: Vec<String>| {
                // The description is the same for everyone; its examples are the demo data's.
                if handler.name == "platform.get_openapi" {
                    return;
                }
                let sent = if answer.status < 400 { Vec::new() } else { sent };
                victims.assert_hidden_but(answer, &[sent, told_by_handler.clone()].concat(), &case);
            };
            assert_hidden_in(&unknown, probe.sent(&missing));
            writes |= probe.effect == Effect::Writes;
            for target in targets {
                if probe.effect == Effect::LetsIn {
                    let_in(roster, attacker, &probe, target, &unknown, victims).await;
                    writes = true;
                    continue;
                }
                // What they give themselves, they may take back.
                if handler.name == "managed_users.unshare"
                    && attacker.grantees.contains(&target.user)
                {
                    continue;
                }
                let answer = try_on(roster, attacker, &probe, target).await;
                let sent = probe.sent(target);
                assert_hidden_in(&answer, sent.clone());
                assert!(answer.status < 500, "{case}: {answer:?}");
                if probe.effect == Effect::Writes {
                    assert_eq!(answer.status < 400, unknown.status < 400, "{case}: {answer:?}");
                } else {
                    assert_eq!(
                        told(&answer, &sent),
                        told(&unknown, &probe.sent(&missing)),
                        "{case} on {target:?}"
                    );
                }
            }
        }
        let after = roster.items().await;
        let (was, is) = if writes {
            (victims.items(&before, attacker), victims.items(&after, attacker))
        } else {
            (before, after.clone())
        };
        let changed = changes(&was, &is);
        assert!(changed.is_empty(), "{} at {} changed {changed:#?}", attacker.name, handler.name);
        before = after;
    }
    // What ends the attacker comes last. Whatever it says, it is they who are gone, or nobody.
    let before = victims.items(&before, attacker);
    for probe in HANDLERS
        .iter()
        .flat_map(|handler| probes(handler.name))
        .filter(|probe| probe.effect == Effect::EndsCaller)
    {
        for target in targets {
            let answer = try_on(roster, attacker, &probe, target).await;
            let case = format!("{}: {probe:?}", attacker.name);
            assert!([202, 401, 403, 409].contains(&answer.status), "{case}: {answer:?}");
            victims.assert_hidden_in(&answer, &probe.sent(target), &case);
        }
    }
    let after = victims.items(&roster.items().await, attacker);
    assert!(
        changes(&before, &after).is_empty(),
        "{} ended: {:#?}",
        attacker.name,
        changes(&before, &after)
    );
}

/// The narrow exception: an attacker lets in a user of whom they know the id, and so learns that
/// there is one, and nothing else. The share is put beside the target's items, and none of those
/// changes.
async fn let_in(
    roster: &Roster,
    attacker: &Attacker,
    probe: &Probe,
    target: &Target,
    unknown: &Answer,
    victims: &Victims,
) {
    let case = format!("{}: {probe:?} on {target:?}", attacker.name);
    if attacker.grantees.contains(&target.user) {
        return;
    }
    let before = victims.items(&roster.items().await, attacker);
    let answer = try_on(roster, attacker, probe, target).await;
    victims.assert_hidden_but(&answer, &[target.user.to_string()], &case);
    let after = victims.items(&roster.items().await, attacker);
    if answer.status == 200 {
        let put = changes(&before, &after);
        let [share] = put[..] else { panic!("{case} changed {put:#?}") };
        assert_eq!(
            (&share["pk"], &share["sk"]),
            (&format!("USER#{}", target.user).into(), &format!("SHARED#{}", attacker.id).into())
        );
        assert_eq!(
            (&share["grantor_id"], &share["grantee_id"]),
            (&attacker.id.to_string().into(), &target.user.to_string().into())
        );
        let path = format!("/api/v1/users/shares/{}", target.user);
        send(roster.request(Method::DELETE, &path).bearer_auth(&attacker.credential))
            .await
            .expect(200);
    } else {
        // A deleted user is told from none by nothing.
        let sent = [target.user.to_string()];
        assert_eq!(
            (answer.status, &told(&answer, &sent).1),
            (404, &told(unknown, &sent).1),
            "{case}"
        );
    }
    let left = victims.items(&roster.items().await, attacker);
    assert!(changes(&before, &left).is_empty(), "{case} left {:#?}", changes(&before, &left));
}

/// Users of the demo team in every status, managed ones too. Their numbers are none of the other
/// team's.
const OF_TEAM: [(Uuid, u64); 6] = [
    (demo::ADMIN, 30),
    (demo::MANAGER, 31),
    (demo::id(0x61), 32),
    (demo::id(0x10a), 33),
    (demo::id(0x10e), 34),
    (demo::id(0x110), 35),
];

/// Invites someone into a team, by its administrator, and gives the invite's id.
async fn invite(roster: &Roster, admin: Uuid, team: Uuid) -> Uuid {
    let body = json!({"details": {"email": format!("invited@{team}.example"), "account_id": team}});
    let answer =
        roster.call(Method::POST, "/api/v1/admin_user_invite", admin, &body).await.expect(200);
    answer.json()["details"]["id"].as_str().and_then(|id| id.parse().ok()).expect("an id")
}

/// One of the administrator's sandboxes in the demo data.
fn sandbox_of(items: &[Item], owner: Uuid) -> String {
    let of_owner = |item: &&Item| {
        item["pk"] == format!("USER#{owner}").as_str()
            && item["sk"].as_str().is_some_and(|sk| sk.starts_with("SANDBOX#"))
    };
    let running = items
        .iter()
        .filter(of_owner)
        .find(|item| item["status"] == "running")
        .expect("a sandbox that runs");
    running["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn nothing_of_the_demo_team_shows_to_another() {
    let roster = Roster::start().await;
    // An account that takes long to read.
    for _ in 0..60 {
        give_key(&roster, demo::ADMIN, "user", None).await;
    }
    let invite = invite(&roster, demo::ADMIN, demo::TEAM).await;
    let items = roster.items().await;
    let victims = Victims::team(&items, demo::TEAM);
    assert!(victims.secrets.len() > 100, "users by id, name and email: {}", victims.secrets.len());
    let sandbox = sandbox_of(&items, demo::ADMIN);
    let targets = OF_TEAM.map(|(user, number)| Target {
        user,
        number,
        team: demo::TEAM,
        key: demo::id(0xf201),
        sandbox: sandbox.clone(),
        invite,
    });
    for target in &targets {
        assert_eq!(roster.user(target.user).await.expect("a demo user").team_id, demo::TEAM);
    }
    for attacker in [demo::OTHER_ADMIN, demo::id(0xb3), demo::id(0xb4)] {
        attack(&roster, &Attacker::user(&roster, attacker).await, &targets, &victims).await;
    }
    roster.check_table().await;
}

#[tokio::test]
async fn nothing_of_another_team_shows_to_the_demo_team() {
    let roster = Roster::start().await;
    // Today the other team's quota is used up.
    roster.advance(86_400);
    let sandbox = roster
        .call(Method::POST, "/v1/sandboxes", demo::id(0xb4), &json!({"template": "base"}))
        .await
        .expect(201)
        .json();
    let invite = invite(&roster, demo::OTHER_ADMIN, demo::OTHER_TEAM).await;
    let items = roster.items().await;
    let victims = Victims::team(&items, demo::OTHER_TEAM);
    let targets = [demo::OTHER_ADMIN, demo::id(0xb4), demo::id(0xb6)].map(|user| Target {
        user,
        number: 4001,
        team: demo::OTHER_TEAM,
        key: demo::id(0xf101),
        sandbox: sandbox["id"].as_str().expect("an id").to_owned(),
        invite,
    });
    // The key first: it goes with its owner's account.
    let key = demo::api_key_text(demo::ADMIN, 1).reveal().to_owned();
    let by_key = Attacker {
        name: "the admin's key".into(),
        credential: key,
        ..Attacker::user(&roster, demo::ADMIN).await
    };
    attack(&roster, &by_key, &targets, &victims).await;
    for attacker in [demo::ADMIN, demo::OPERATOR_VIEW_ALL, demo::VIEWER, demo::id(0x61)] {
        attack(&roster, &Attacker::user(&roster, attacker).await, &targets, &victims).await;
    }
    roster.check_table().await;
}

#[tokio::test]
async fn who_may_see_only_themselves_learns_of_nobody_in_their_team() {
    let roster = Roster::start().await;
    let invite = invite(&roster, demo::ADMIN, demo::TEAM).await;
    let items = roster.items().await;
    let targets = [
        (demo::ADMIN, 1),
        (demo::id(0x62), 7),
        (demo::id(0x10a), 10),
        (demo::id(0x10e), 14),
        (demo::id(0x110), 16),
    ];
    let targets = targets.map(|(user, number)| Target {
        user,
        number,
        team: demo::TEAM,
        key: demo::id(0xf201),
        sandbox: sandbox_of(&items, demo::ADMIN),
        invite,
    });
    // An operator, a viewer, and a user whom another one manages.
    for attacker in [demo::OPERATOR, demo::id(0x1f1), demo::id(0x61)] {
        let own = attacker.to_string();
        let mut victims = Victims::users(&items, |user| {
            user["team_id"] == demo::TEAM.to_string() && user["id"] != own.as_str()
        });
        // Everyone's account names the owner of their team.
        victims.secrets.remove(&demo::ADMIN.to_string());
        attack(&roster, &Attacker::user(&roster, attacker).await, &targets, &victims).await;
    }
    roster.check_table().await;
}

#[tokio::test]
async fn a_managed_user_is_hidden_from_all_but_the_manager() {
    let roster = Roster::start().await;
    let managed = demo::id(0x61);
    let path = format!("/api/v1/users/{managed}");
    let before = roster.items().await;
    for caller in [
        demo::PLATFORM_OPERATOR,
        demo::ADMIN,
        demo::OPERATOR_VIEW_ALL,
        demo::VIEWER,
        demo::OTHER_ADMIN,
        demo::id(0x62),
        managed,
    ] {
        let attacker = Attacker::user(&roster, caller).await;
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let answer =
                send(roster.request(method.clone(), &path).bearer_auth(&attacker.credential)).await;
            assert_eq!(answer.status, 404, "{method} by {caller}: {answer:?}");
        }
    }
    // Nobody manages themselves, the manager neither.
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = send(
            roster
                .request(method, &format!("/api/v1/users/{}", demo::MANAGER))
                .bearer_auth(roster.token(demo::MANAGER)),
        );
        answer.await.expect(404);
    }
    let user_items = |items: Vec<Item>| {
        items.into_iter().filter(|item| item["pk"] == format!("USER#{managed}")).collect::<Vec<_>>()
    };
    let (before, after) = (user_items(before), user_items(roster.items().await));
    assert_eq!(before.len(), after.len());
    assert_eq!(
        (&before[0]["first_name"], &before[0]["version"]),
        (&after[0]["first_name"], &after[0]["version"])
    );
    roster.get(&path, demo::MANAGER).await.expect(200);
}

/// Any member of a team may look for their colleagues; nobody finds anyone else.
#[tokio::test]
async fn a_search_finds_the_callers_own_team_alone() {
    let roster = Roster::start().await;
    let items = roster.items().await;
    let colleagues =
        roster.get("/api/admin/user-admin/search?q=DA", demo::OPERATOR).await.expect(200).json();
    assert_eq!(
        (&colleagues[0]["name"], &colleagues[1]["name"]),
        (&json!("Ada Nordmann"), &json!("Dara Sok"))
    );
    for (team, strangers) in [
        (demo::TEAM, [demo::OTHER_ADMIN, demo::id(0xb3), demo::PLATFORM_OPERATOR]),
        (demo::OTHER_TEAM, [demo::ADMIN, demo::VIEWER, demo::PLATFORM_OPERATOR]),
    ] {
        let victims = Victims::team(&items, team);
        let names: BTreeSet<String> = victims
            .secrets
            .iter()
            .filter_map(|secret| secret.get(..2))
            .map(str::to_lowercase)
            .collect();
        for name in &names {
            for stranger in strangers {
                let answer = roster
                    .get(&format!("/api/admin/user-admin/search?q={name}"), stranger)
                    .await
                    .expect(200);
                victims.assert_hidden_in(&answer, &[], &format!("{stranger} looks for {name}"));
            }
        }
    }
}

/// That an email is taken is told to who would take it, as emails are unique over all teams; by
/// whom is not.
#[tokio::test]
async fn an_email_of_another_tenant_is_refused_without_a_word_on_whose_it_is() {
    let roster = Roster::start().await;
    let items = roster.items().await;
    let victims = Victims::team(&items, demo::TEAM);
    let taken = "Ada.Nordmann@ACME-robotics.example";
    roster.get("/users/me", demo::OTHER_ADMIN).await.expect(200);
    let before = roster.items().await;
    for (method, path, body, status) in [
        (
            Method::POST,
            "/api/v1/admin_user_invite",
            json!({"details": {"email": taken, "account_id": demo::OTHER_TEAM}}),
            409,
        ),
        (Method::POST, "/api/admin/user-admin", json!({"email": taken, "rootRole": 3}), 400),
        (Method::PUT, "/api/admin/user-admin/3", json!({"email": taken}), 400),
    ] {
        let answer =
            roster.call(method.clone(), path, demo::OTHER_ADMIN, &body).await.expect(status);
        victims.assert_hidden_in(&answer, &[taken.to_owned()], &format!("{method} {path}"));
    }
    // A number may have been taken for who was not made.
    let numbers = |items: Vec<Item>| {
        items.into_iter().filter(|item| item.get("last_number").is_none()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(roster.items().await), numbers(before));
}

#[tokio::test]
async fn a_number_is_one_of_the_callers_own_team() {
    let roster = Roster::start().await;
    for (caller, email) in [
        (demo::ADMIN, "ada.nordmann@acme-robotics.example"),
        (demo::OTHER_ADMIN, "nils.arctander@northwind.example"),
        (demo::PLATFORM_OPERATOR, "olga.petrova@roster-platform.example"),
    ] {
        let answer = roster.get("/api/admin/user-admin/1", caller).await.expect(200);
        assert_eq!(answer.json()["email"], email);
    }
    // What one team's answer is tagged with opens nothing in another.
    let tag = roster.get("/api/admin/user-admin/12", demo::ADMIN).await.expect(200).headers["etag"]
        .clone();
    for tag in [tag.as_str(), "*"] {
        let request =
            roster.request(Method::GET, "/api/admin/user-admin/12").header("if-none-match", tag);
        send(request.bearer_auth(roster.token(demo::OTHER_ADMIN))).await.expect(404);
    }
}

#[tokio::test]
async fn a_share_lists_the_grantor_by_name_and_nothing_more() {
    let roster = Roster::start().await;
    let grantor = demo::OTHER_ADMIN.to_string();
    let items = roster.items().await;
    let list = roster.get("/api/v1/users/", demo::MANAGER).await.expect(200);
    let listed = list.json();
    let listed = listed.as_array().expect("a list");
    let shown =
        listed.iter().find(|user| user["id"] == grantor.as_str()).expect("the grantor is listed");
    assert_eq!(
        *shown,
        serde_json::json!({
            "id": grantor, "first_name": null, "last_name": null, "display_name": "Nils Arctander", "is_managed": false,
            "scopes": ["wellness:read"],
        })
    );
    // Nobody else of the grantor's tenant, nor anything else of the grantor.
    let mut victims = Victims::team(&items, demo::OTHER_TEAM);
    for known in [grantor.as_str(), "Nils Arctander"] {
        assert!(victims.secrets.remove(known));
    }
    victims.assert_hidden_in(&list, &[], "the list of who received a share");
    // It opens no other endpoint.
    let before = roster.items().await;
    for (method, path, status) in [
        (Method::GET, format!("/api/v1/users/{grantor}"), 404),
        (Method::PUT, format!("/api/v1/users/{grantor}"), 404),
        (Method::DELETE, format!("/api/v1/users/{grantor}"), 404),
        (Method::GET, format!("/users/{grantor}"), 404),
        (Method::GET, format!("/v1/admin/users/{grantor}"), 403),
        (Method::GET, format!("/api/v1/admin_user?account_id={}", demo::OTHER_TEAM), 403),
    ] {
        let answer = send(roster.request(method, &path).bearer_auth(roster.token(demo::MANAGER)))
            .await
            .expect(status);
        victims.assert_hidden_in(&answer, std::slice::from_ref(&grantor), &path);
    }
    assert_eq!(roster.items().await, before);
    // The other way round it tells nothing: neither of the receiver to the grantor, nor of either
    // to their colleagues.
    for caller in [demo::OTHER_ADMIN, demo::id(0xb3), demo::OPERATOR] {
        let answer = roster.get("/api/v1/users/", caller).await.expect(200);
        assert_eq!(answer.json().as_array().map(Vec::len), Some(1), "only themselves: {answer:?}");
    }
}
