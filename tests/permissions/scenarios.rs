//! What each handler is run on: every event of `events/`, and stories that lead through the
//! branches which the events do not.

use std::path::Path;

use aws_sdk_dynamodb::types::AttributeValue;
use local::demo::{
    self, ADMIN, MANAGER, OPERATOR, OPERATOR_VIEW_ALL, OTHER_ADMIN, PLATFORM_OPERATOR, TEAM, VIEWER,
};
use local::template::{Router, TrailingSlash};
use serde_json::{Value, json};
use shared::config::Caps;
use shared::models::{ApiKey, ApiKeyRecord, Permission, Role, Status, User};
use shared::table::Key;
use tests::checks::{DELETED, INVITED, NOBODY, SUSPENDED, key};
use uuid::Uuid;

use crate::stage::{By, Made, Stage};

/// Someone who is yet to sign up.
const NEW: Uuid = demo::id(0xe01);
/// Users whom the manager manages.
const FINN: Uuid = demo::id(0x61);
const GITA: Uuid = demo::id(0x62);
const ACCOUNT: &str = "/v1/account";
const SANDBOXES: &str = "/v1/sandboxes";
const USERINFO: &str = "/api/v1/oauth/userinfo";
const INVITES: &str = "/api/v1/admin_user_invite";
const MANAGED: &str = "/api/v1/users/";
const NUMBERED: &str = "/api/admin/user-admin";

/// More API keys than a transaction revokes together.
const MANY_KEYS: u128 = 41;

/// Loads a user of the team with all that only one user may hold.
async fn load(stage: &Stage, n: u64, adjust: impl FnOnce(User) -> User) -> User {
    let then = stage.roster.now().plus_seconds(-86_400);
    let user = User {
        email: Some(format!("full{n}@example.com")),
        username: Some(format!("full{n}")),
        scim_id: Some(format!("scim{n}")),
        name: Some(format!("Full {n}")),
        ..User::new(Uuid::from_u128(u128::from(n) << 64), n, (TEAM, "Acme Robotics"), then)
    };
    let user = adjust(user);
    stage.roster.server.data.store.load_users(std::slice::from_ref(&user)).await.expect("a user");
    user
}

/// Loads API keys of a user that work.
async fn load_keys(stage: &Stage, owner: Uuid, count: u128) {
    for n in 0..count {
        let key = ApiKey {
            id: Uuid::from_u128(owner.as_u128() + 0x1000 + n),
            prefix: "ns_live_0000".to_owned(),
            is_active: true,
            name: None,
            created_at: stage.roster.now(),
            last_used_at: None,
            scope: "user".into(),
            permissions: Permission::defaults(),
            allowed_ips: Vec::new(),
            expires_at: stage.roster.now().plus_seconds(30 * 86_400),
            revoked_at: None,
            rotation_parent_key_id: None,
            minted_by: None,
        };
        let record = ApiKeyRecord {
            sha256: format!("{:064x}", key.id.as_u128()),
            key,
            is_rotated: false,
            stepped_up: false,
        };
        stage.roster.server.data.store.load_api_key(owner, &record).await.expect("a key");
    }
}

/// Runs all of them, each on a server of its own.
pub async fn all() -> Vec<Made> {
    // Apart, as all of them together are more than a test's stack holds.
    let (events, operators, accounts, teams) = futures::join!(
        Box::pin(events()),
        Box::pin(operators()),
        Box::pin(accounts()),
        Box::pin(teams())
    );
    let (managed, invited, erased, purged) = futures::join!(
        Box::pin(managed()),
        Box::pin(invited()),
        Box::pin(erased()),
        Box::pin(purged())
    );
    let (platform, listed) = futures::join!(Box::pin(platform()), Box::pin(listed()));
    let (routed, slashed, unrouted) =
        futures::join!(Box::pin(inactive(false)), Box::pin(slashed()), Box::pin(inactive(true)));
    vec![
        events, operators, accounts, teams, managed, invited, erased, purged, platform, listed,
        routed, slashed, unrouted,
    ]
}

/// Those of requests, whatever they are answered.
async fn events() -> Made {
    let mut stage = Stage::start().await;
    let mut files: Vec<_> =
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../events"))
            .expect("events/ is there")
            .flatten()
            .filter(|folder| {
                !["schedule", "stream"].iter().any(|apart| folder.file_name() == *apart)
            })
            .flat_map(|folder| {
                std::fs::read_dir(folder.path()).expect("a folder of events").flatten()
            })
            .map(|file| file.path())
            .collect();
    files.sort();
    for path in files {
        let part = |path: Option<&std::ffi::OsStr>| {
            path.and_then(|part| part.to_str()).unwrap_or_default().to_owned()
        };
        let (contract, file) =
            (part(path.parent().and_then(Path::file_name)), part(path.file_name()));
        let handler = format!("{contract}.{}", file.split('.').next().unwrap_or_default());
        let event = serde_json::from_str(&std::fs::read_to_string(&path).expect("an event"))
            .expect("an event is JSON");
        let answer = stage.replay(&handler, event).await;
        assert!(
            answer["statusCode"].as_u64().is_some_and(|status| status < 500),
            "{}: {answer}",
            path.display()
        );
    }
    stage.end().await
}

/// A user, as platform operators ask for them.
fn of(user: Uuid) -> String {
    format!("/v1/admin/users/{user}")
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

/// What platform operators do but for erasing.
async fn operators() -> Made {
    let mut stage = Stage::start().await;
    let none = Value::Null;
    for by in [By::User(PLATFORM_OPERATOR), By::Credential(key(PLATFORM_OPERATOR, 1))] {
        stage.call("GET", "/v1/admin/users", by, none.clone(), 200).await;
    }
    stage.call("GET", "/v1/admin/users?query=ada", PLATFORM_OPERATOR, none.clone(), 200).await;
    stage
        .call(
            "GET",
            &format!("/v1/admin/users?query={ADMIN}"),
            PLATFORM_OPERATOR,
            none.clone(),
            200,
        )
        .await;
    for by in [By::User(PLATFORM_OPERATOR), By::Credential(key(PLATFORM_OPERATOR, 1))] {
        stage.call("GET", &of(ADMIN), by, none.clone(), 200).await;
    }
    let operators = || [By::User(PLATFORM_OPERATOR), By::Credential(key(PLATFORM_OPERATOR, 1))];
    for by in operators() {
        stage.call("GET", &format!("{}/audit-log", of(ADMIN)), by, none.clone(), 200).await;
    }
    stage
        .call("GET", &format!("{}/audit-log", of(NOBODY)), PLATFORM_OPERATOR, none.clone(), 404)
        .await;
    for by in operators() {
        stage.call("GET", "/v1/admin/quota-tiers", by, none.clone(), 200).await;
    }
    // The owner's quota is the team's, anyone else's is their own; the same again changes nothing.
    for user in [ADMIN, VIEWER, VIEWER] {
        let tier = json!({"quota_tier_id": "enterprise"});
        for by in operators() {
            stage.call("PATCH", &format!("{}/quota", of(user)), by, tier.clone(), 200).await;
        }
    }
    stage
        .call(
            "POST",
            &format!("{}/keys", of(VIEWER)),
            PLATFORM_OPERATOR,
            json!({"name": "one"}),
            201,
        )
        .await;
    // The second is an administrator, and the third was invited: these are counted otherwise.
    for user in [VIEWER, demo::id(0x1f0), INVITED] {
        stage
            .call(
                "POST",
                &format!("{}/suspend", of(user)),
                PLATFORM_OPERATOR,
                json!({"reason": "a test"}),
                200,
            )
            .await;
        stage
            .call("POST", &format!("{}/unsuspend", of(user)), PLATFORM_OPERATOR, none.clone(), 200)
            .await;
    }
    for action in ["suspend", "unsuspend"] {
        stage
            .call(
                "POST",
                &format!("{}/{action}", of(VIEWER)),
                key(PLATFORM_OPERATOR, 1),
                none.clone(),
                200,
            )
            .await;
    }
    stage
        .call("POST", &format!("{}/unsuspend", of(SUSPENDED)), PLATFORM_OPERATOR, none.clone(), 200)
        .await;
    // An administrator, one who was invited, and one who is managed are listed otherwise.
    for user in [VIEWER, ADMIN, INVITED, FINN] {
        stage
            .call(
                "POST",
                &format!("{}/sign-out-everywhere", of(user)),
                PLATFORM_OPERATOR,
                none.clone(),
                200,
            )
            .await;
    }
    stage
        .call(
            "POST",
            &format!("{}/sign-out-everywhere", of(VIEWER)),
            key(PLATFORM_OPERATOR, 1),
            none.clone(),
            200,
        )
        .await;
    // By a token and by a key that were not seen for a while.
    let sandbox = stage.call("POST", SANDBOXES, VIEWER, json!({"template": "base"}), 201).await;
    let running_time = format!("{}/sandboxes/{}/running-time", of(VIEWER), text(&sandbox, "id"));
    for by in [By::User(PLATFORM_OPERATOR), By::Credential(key(PLATFORM_OPERATOR, 1))] {
        stage.roster.advance(3600);
        stage.call("PUT", &running_time, by, json!({"ran_ms": 1000, "running": true}), 200).await;
    }
    stage
        .call("DELETE", &format!("{SANDBOXES}/{}", text(&sandbox, "id")), VIEWER, none.clone(), 200)
        .await;
    // With a key that a delete which was cut off has left working.
    load_keys(&stage, DELETED, 1).await;
    stage
        .call("POST", &format!("{}/restore", of(DELETED)), PLATFORM_OPERATOR, none.clone(), 200)
        .await;
    stage.call("DELETE", ACCOUNT, VIEWER, none.clone(), 202).await;
    stage
        .call(
            "POST",
            &format!("{}/restore", of(VIEWER)),
            key(PLATFORM_OPERATOR, 1),
            none.clone(),
            200,
        )
        .await;
    // An operator's own record changes like any other, and stays an operator's.
    stage
        .call("PATCH", "/v1/account/me", PLATFORM_OPERATOR, json!({"display_name": "Op"}), 200)
        .await;
    stage.call("GET", "/v1/admin/quota-tiers", PLATFORM_OPERATOR, none.clone(), 200).await;
    stage.end().await
}

/// What people do with their own account.
async fn accounts() -> Made {
    let mut stage = Stage::start().await;
    let none = Value::Null;
    let email = || By::Email(NEW, "new@example.com");
    stage.call("POST", ACCOUNT, email(), none.clone(), 201).await;
    stage.call("POST", ACCOUNT, email(), none.clone(), 200).await;
    // The first whose subject is no UUID finds no namespace of people's ids, and makes it.
    let subject = || By::Subject("auth0|5f7c8ec7c33c6c004bbafe82", "subject@example.com");
    stage.call("GET", "/v1/account/me", subject(), none.clone(), 401).await;
    stage.call("POST", ACCOUNT, subject(), none.clone(), 201).await;
    stage.call("GET", "/v1/account/me", subject(), none.clone(), 200).await;
    // Who was invited under the id of the token takes the account into use.
    stage.call("POST", ACCOUNT, By::Email(INVITED, "kaia@example.com"), none.clone(), 200).await;
    let asked = ["account:read", "account:write", "sandboxes:write"];
    let made = stage
        .call("POST", "/v1/keys", NEW, json!({"name": "one", "permissions": asked}), 201)
        .await;
    let (one, text_of_one) = (text(&made, "id"), text(&made, "key"));
    for by in [By::User(NEW), By::Credential(text_of_one.clone())] {
        stage.call("GET", "/v1/account/me", by, none.clone(), 200).await;
    }
    // A name that is given, one that goes, and one that stays.
    for name in [json!("One"), json!("Two"), json!("Two"), none.clone()] {
        stage.call("PATCH", "/v1/account/me", NEW, json!({"display_name": name}), 200).await;
    }
    // One who is managed is listed by the manager as well.
    stage.call("PATCH", "/v1/account/me", FINN, json!({"display_name": "F"}), 200).await;
    stage
        .call("PATCH", "/v1/account/me", text_of_one.clone(), json!({"display_name": "Three"}), 200)
        .await;
    let default = stage.call("POST", "/v1/keys/default", NEW, none.clone(), 201).await;
    stage.call("POST", "/v1/keys/default", NEW, none.clone(), 200).await;
    for by in [By::User(NEW), By::Credential(text_of_one.clone())] {
        stage.call("GET", "/v1/keys", by, none.clone(), 200).await;
    }
    let mut rotated = none.clone();
    for id in [one.clone(), text(&default, "id")] {
        rotated =
            stage.call("POST", &format!("/v1/keys/{id}/rotate"), NEW, none.clone(), 201).await;
    }
    let sandbox = json!({"template": "base", "memory_mb": 1024, "timeout_ms": 3_600_000});
    let by =
        |is_key: bool| if is_key { By::Credential(text(&rotated, "key")) } else { By::User(NEW) };
    for is_key in [false, true] {
        let made = stage.call("POST", SANDBOXES, by(is_key), sandbox.clone(), 201).await;
        let one = format!("{SANDBOXES}/{}", text(&made, "id"));
        for path in [SANDBOXES, one.as_str()] {
            stage.call("GET", path, by(is_key), none.clone(), 200).await;
        }
        for status in ["running", "paused"] {
            stage.call("PATCH", &one, by(is_key), json!({"status": status}), 200).await;
        }
        // The next day: what was reserved is given back to the day before.
        stage.roster.advance(86_400 - 6 * 3600);
        stage.call("DELETE", &one, by(is_key), none.clone(), 200).await;
    }
    for by in [By::User(NEW), By::User(MANAGER), By::Credential(key(ADMIN, 1))] {
        stage.call("GET", "/v1/account/export", by, none.clone(), 200).await;
    }
    // In pages, with the addresses of their own changes.
    for by in [By::User(NEW), By::Credential(key(ADMIN, 1))] {
        stage.call("GET", "/v1/account/export?limit=1000", by, none.clone(), 200).await;
    }
    stage.call("DELETE", &format!("/v1/keys/{one}"), NEW, none.clone(), 200).await;
    stage.call("DELETE", &format!("/v1/keys/{one}"), NEW, none.clone(), 200).await;
    for user in [NEW, MANAGER, FINN, ADMIN] {
        stage
            .call("POST", &format!("{ACCOUNT}/sign-out-everywhere"), user, none.clone(), 200)
            .await;
    }
    // One is alone in the team, one is not.
    for user in [NEW, MANAGER] {
        stage.call("DELETE", ACCOUNT, user, none.clone(), 202).await;
        load_keys(&stage, user, 1).await;
        stage.call("POST", &format!("{ACCOUNT}/restore"), user, none.clone(), 200).await;
    }
    // An administrator with more keys than are revoked together.
    let admin = load(&stage, 2000, |user| User { role: Role::Admin, ..user }).await;
    load_keys(&stage, admin.id, MANY_KEYS).await;
    stage.call("DELETE", ACCOUNT, admin.id, none.clone(), 202).await;
    // Where a person has as many keys as they may, those that have expired are revoked.
    let owner = load(&stage, 2001, |user| user).await.id;
    let kept = stage.call("POST", "/v1/keys", owner, none.clone(), 201).await;
    let rotate = format!("/v1/keys/{}/rotate", text(&kept, "id"));
    let mint = format!("{}/keys", of(owner));
    let ways = [
        ("/v1/keys", owner),
        ("/v1/keys/default", owner),
        (&rotate, owner),
        (&mint, PLATFORM_OPERATOR),
    ];
    for (path, by) in ways {
        load_keys(&stage, owner, u128::from(Caps::default().active_keys)).await;
        stage.roster.advance(31 * 86_400);
        stage.call("POST", path, by, none.clone(), 201).await;
    }
    stage.end().await
}

/// What is seen and changed of a team: by the directory, by user-admin, in the workspace.
async fn teams() -> Made {
    let mut stage = Stage::start().await;
    let none = Value::Null;
    let admins = || [By::User(ADMIN), By::Credential(key(ADMIN, 1))];
    for field in ["id", "last_seen", "status", "title"] {
        stage
            .call(
                "GET",
                &format!("/api/v1/admin_user?account_id={TEAM}&sorting={field}"),
                ADMIN,
                none.clone(),
                200,
            )
            .await;
    }
    let list = format!("/api/v1/admin_user?account_id={TEAM}&pagination[offset]=20");
    let one = format!("/api/v1/admin_user/{VIEWER}");
    let invites = format!("{INVITES}?account_id={TEAM}");
    for target in [&list, &one, &invites] {
        for by in admins() {
            stage.call("GET", target, by, none.clone(), 200).await;
        }
        stage.call("GET", target, PLATFORM_OPERATOR, none.clone(), 200).await;
    }
    for (by, name) in admins().into_iter().zip(["Dara Ok", "Dara Ek"]) {
        stage
            .call("PUT", &one, by, json!({"details": {"name": name, "job_title": "Cook"}}), 200)
            .await;
    }
    // One who is managed is listed by the manager as well.
    stage
        .call(
            "PUT",
            &format!("/api/v1/admin_user/{FINN}"),
            ADMIN,
            json!({"details": {"name": "Finn F"}}),
            200,
        )
        .await;
    for (by, email) in [(ADMIN, "one@example.com"), (PLATFORM_OPERATOR, "two@example.com")] {
        stage
            .call(
                "POST",
                INVITES,
                by,
                json!({"details": {"email": email, "account_id": TEAM}}),
                200,
            )
            .await;
    }

    numbered(&mut stage).await;

    for sort in ["createdAt", "name", "role", "status", "updatedAt"] {
        for by in [ADMIN, OPERATOR_VIEW_ALL] {
            stage
                .call(
                    "GET",
                    &format!("/users?sortBy={sort}&sortOrder=desc&status=ACTIVE"),
                    by,
                    none.clone(),
                    200,
                )
                .await;
        }
    }
    for target in [
        "/users?page=2&pageSize=10".to_owned(),
        format!("/users?ids={FINN}"),
        "/users/me".to_owned(),
        format!("/users/{FINN}"),
    ] {
        for by in admins() {
            stage.call("GET", &target, by, none.clone(), 200).await;
        }
    }
    stage.call("GET", "/users", OPERATOR, none.clone(), 200).await;
    stage.end().await
}

/// Managed users, shares and delegated tokens.
async fn managed() -> Made {
    let mut stage = Stage::start().await;
    let none = Value::Null;
    let finn = format!("{MANAGED}{FINN}");
    let asked = json!({"permissions": ["account:read", "managed-users:read", "managed-users:write", "sharing:write"]});
    let by_key = stage.call("POST", "/v1/keys", MANAGER, asked, 201).await;
    let by_key = text(&by_key, "key");
    let managers = || [By::User(MANAGER), By::Credential(by_key.clone())];
    let names = json!({"first_name": "Lena", "last_name": "Holt"});
    for by in managers() {
        stage.call("POST", MANAGED, by, names.clone(), 200).await;
    }
    for target in [MANAGED, finn.as_str(), "/api/v1/users/shares"] {
        for by in managers() {
            stage.call("GET", target, by, none.clone(), 200).await;
        }
    }
    stage.call("PUT", &finn, MANAGER, names.clone(), 200).await;
    let others = json!({"first_name": "Lea", "last_name": "Holt"});
    stage.call("PUT", &finn, by_key.clone(), others, 200).await;
    let shares = format!("/api/v1/users/shares/{OTHER_ADMIN}");
    for by in managers() {
        stage.call("PUT", &shares, by, json!({"scopes": ["data:read"]}), 200).await;
    }
    for by in managers() {
        stage.call("DELETE", &shares, by, none.clone(), 200).await;
        stage.call("PUT", &shares, MANAGER, json!({"scopes": ["data:read"]}), 200).await;
    }
    stage.call("GET", "/api/v1/oauth/principal-token", MANAGER, none.clone(), 200).await;
    for user in [FINN, ADMIN] {
        let token = stage
            .call("POST", "/api/v1/oauth/delegated-token", MANAGER, json!({"sub": user}), 200)
            .await;
        // It is of short life.
        stage.pause = 0;
        let token = text(&token, "access_token");
        let principal = stage
            .call("GET", "/api/v1/oauth/principal-token", token.clone(), none.clone(), 200)
            .await;
        let principal = text(&principal, "access_token");
        // The first request with it notes that it is used.
        for path in [MANAGED, "/api/v1/oauth/principal-token"] {
            stage.call("GET", path, principal.clone(), none.clone(), 200).await;
        }
        let status = if user == FINN { 200 } else { 403 };
        for token in [token, principal] {
            stage.call("GET", "/v1/account/me", token, none.clone(), status).await;
        }
        stage.pause = 3600;
    }
    for by in managers() {
        stage.call("GET", USERINFO, by, none.clone(), 200).await;
    }
    stage
        .call(
            "PUT",
            &format!("/api/v1/users/shares/{MANAGER}"),
            ADMIN,
            json!({"scopes": ["openid"]}),
            200,
        )
        .await;
    let token = stage
        .call("POST", "/api/v1/oauth/delegated-token", MANAGER, json!({"sub": ADMIN}), 200)
        .await;
    stage.pause = 0;
    let token = text(&token, "access_token");
    let principal =
        stage.call("GET", "/api/v1/oauth/principal-token", token.clone(), none.clone(), 200).await;
    for token in [token, text(&principal, "access_token")] {
        stage.call("GET", USERINFO, token, none.clone(), 200).await;
    }
    stage.pause = 3600;
    // The trailing slash goes to what no other route takes.
    stage.router = Router::new(TrailingSlash::Default);
    for by in managers() {
        stage.call("GET", MANAGED, by, none.clone(), 200).await;
    }
    for by in managers() {
        stage.call("POST", MANAGED, by, names.clone(), 200).await;
    }
    stage.end().await
}

/// Gives a user one of everything, by an API key of theirs; they may be nobody who can sign in.
async fn belongings(stage: &mut Stage, user: Uuid) {
    let asked = json!({"permissions": ["account:write", "sandboxes:write", "sharing:write"]});
    let made =
        stage.call("POST", &format!("{}/keys", of(user)), PLATFORM_OPERATOR, asked, 201).await;
    let credential = text(&made, "key");
    let scopes = json!({"scopes": ["data:read"]});
    stage
        .call("PUT", &format!("/api/v1/users/shares/{user}"), OTHER_ADMIN, scopes.clone(), 200)
        .await;
    stage
        .call(
            "PUT",
            &format!("/api/v1/users/shares/{OTHER_ADMIN}"),
            credential.clone(),
            scopes,
            200,
        )
        .await;
    stage.call("POST", SANDBOXES, credential.clone(), json!({"template": "base"}), 201).await;
    stage
        .call("PATCH", "/v1/account/me", credential, json!({"display_name": "Someone"}), 200)
        .await;
}

/// Invites someone by an email, and gives them belongings and a managed user with some; returns the
/// invite's id.
async fn invite(stage: &mut Stage, email: &str) -> String {
    let made = stage
        .call("POST", INVITES, ADMIN, json!({"details": {"email": email, "account_id": TEAM}}), 200)
        .await;
    let id = text(&made["details"], "id");
    let items = stage.roster.items().await;
    let user = items
        .iter()
        .find(|item| item["sk"] == "USER" && item.get("invite_id") == Some(&json!(id)))
        .expect("the invited user");
    let (user, number): (Uuid, Value) =
        (text(&json!(user), "id").parse().expect("an id"), user["number"].clone());
    // Viewers manage nobody.
    stage.call("PUT", &format!("{NUMBERED}/{number}"), ADMIN, json!({"rootRole": 2}), 200).await;
    belongings(stage, user).await;
    let managed = stage
        .call("POST", MANAGED, user, json!({"first_name": "Ida", "last_name": null}), 200)
        .await;
    belongings(stage, text(&managed, "id").parse().expect("an id")).await;
    id
}

/// Invites that are used and taken back, after the invited user came to have something.
async fn invited() -> Made {
    let mut stage = Stage::start().await;
    let none = Value::Null;
    invite(&mut stage, "used@example.com").await;
    stage.call("POST", ACCOUNT, By::Email(NEW, "used@example.com"), none.clone(), 201).await;
    let id = invite(&mut stage, "revoked@example.com").await;
    stage.call("POST", &format!("{INVITES}/{id}/revoke"), ADMIN, none.clone(), 200).await;
    stage.call("POST", &format!("{INVITES}/{id}/revoke"), ADMIN, none.clone(), 409).await;
    // The key of an administrator takes one back as well.
    let made = stage
        .call(
            "POST",
            INVITES,
            key(ADMIN, 1),
            json!({"details": {"email": "third@example.com", "account_id": TEAM}}),
            200,
        )
        .await;
    let id = text(&made["details"], "id");
    stage.call("POST", &format!("{INVITES}/{id}/revoke"), key(ADMIN, 1), none.clone(), 200).await;
    // Someone who was provisioned, and has a managed user with an email; no invite makes an
    // operator.
    let provisioned = |user| User { status: Status::Invited, is_operator: true, ..user };
    let invited = load(&stage, 2000, provisioned).await;
    let managed =
        |user| User { manager_id: Some(invited.id), username: None, scim_id: None, ..user };
    load(&stage, 2001, managed).await;
    stage.call("POST", ACCOUNT, By::Email(NOBODY, "full2000@example.com"), none.clone(), 201).await;
    // The last one of a team: everyone else was purged.
    let founder: Uuid = demo::id(0xe02);
    let made = stage
        .call("POST", ACCOUNT, By::Email(founder, "founder@example.com"), none.clone(), 201)
        .await;
    stage.call("DELETE", ACCOUNT, founder, none.clone(), 202).await;
    let invite =
        json!({"details": {"email": "last@example.com", "account_id": made["team"]["id"]}});
    let made = stage.call("POST", INVITES, PLATFORM_OPERATOR, invite, 200).await;
    stage.roster.advance(31 * 86_400);
    while stage.purge().await > 0 {}
    let (id, team) = (text(&made["details"], "id"), text(&made["details"], "account_id"));
    stage
        .call(
            "POST",
            &format!("{INVITES}/{id}/revoke?account_id={team}"),
            PLATFORM_OPERATOR,
            none,
            200,
        )
        .await;
    stage.end().await
}

/// Users who are erased at once: by a platform operator with all kinds of belongings, the last of a
/// team, and by who manages them.
async fn erased() -> Made {
    let mut stage = Stage::start().await;
    let none = Value::Null;
    belongings(&mut stage, GITA).await;
    stage.call("DELETE", &format!("{MANAGED}{GITA}"), MANAGER, none.clone(), 200).await;
    stage
        .call("PUT", &format!("{NUMBERED}/6"), ADMIN, json!({"email": "finn@example.com"}), 200)
        .await;
    let asked = json!({"permissions": ["managed-users:write"]});
    let credential = stage.call("POST", "/v1/keys", MANAGER, asked, 201).await;
    stage
        .call("DELETE", &format!("{MANAGED}{FINN}"), text(&credential, "key"), none.clone(), 200)
        .await;
    let email = By::Email(NEW, "new@example.com");
    stage.call("POST", ACCOUNT, email, none.clone(), 201).await;
    for user in [NEW, MANAGER] {
        let made = stage.call("POST", SANDBOXES, user, json!({"template": "base"}), 201).await;
        stage
            .call("DELETE", &format!("{SANDBOXES}/{}", text(&made, "id")), user, none.clone(), 200)
            .await;
        stage.call("DELETE", ACCOUNT, user, none.clone(), 202).await;
        stage.call("DELETE", &of(user), PLATFORM_OPERATOR, none.clone(), 200).await;
    }
    let user = load(&stage, 2000, |user| user).await;
    stage.call("DELETE", ACCOUNT, user.id, none.clone(), 202).await;
    stage.call("DELETE", &of(user.id), key(PLATFORM_OPERATOR, 1), none.clone(), 200).await;
    stage.end().await
}

/// The same, when their date has come: with sandboxes that run.
async fn purged() -> Made {
    let mut stage = Stage::start().await;
    let none = Value::Null;
    let email = By::Email(NEW, "new@example.com");
    stage.call("POST", ACCOUNT, email, none.clone(), 201).await;
    stage
        .call("PUT", &format!("{NUMBERED}/6"), ADMIN, json!({"email": "finn@example.com"}), 200)
        .await;
    for user in [NEW, MANAGER] {
        belongings(&mut stage, user).await;
        stage.call("DELETE", ACCOUNT, user, none.clone(), 202).await;
    }
    let user = load(&stage, 2000, |user| user).await;
    stage.call("DELETE", ACCOUNT, user.id, none.clone(), 202).await;
    // One after whom a team was named that stays.
    let (founder, guest) = (demo::id(0x9001), demo::id(0x9002));
    let made = stage
        .call("POST", ACCOUNT, By::Email(founder, "founder@example.com"), none.clone(), 201)
        .await;
    let invite =
        json!({"details": {"email": "guest@example.com", "account_id": made["team"]["id"]}});
    stage.call("POST", INVITES, founder, invite, 200).await;
    stage.call("POST", ACCOUNT, By::Email(guest, "guest@example.com"), none.clone(), 201).await;
    stage.call("PUT", &format!("{NUMBERED}/2"), founder, json!({"rootRole": 1}), 200).await;
    stage.call("DELETE", ACCOUNT, founder, none.clone(), 202).await;
    stage.roster.advance(31 * 86_400);
    let mut purged = 0;
    loop {
        match stage.purge().await {
            0 => break,
            more => purged += more,
        }
    }
    assert!(purged > 2);
    stage.end().await
}

/// A team that is large enough for its places to be counted in several cells; and its lists, in
/// every way in which they are read.
async fn listed() -> Made {
    let mut stage = Stage::start().await;
    let then = stage.roster.now().plus_seconds(-86_400);
    for chunk in 0..20_u32 {
        let users: Vec<_> = (0..10)
            .map(|n| {
                let number = 1000 + chunk * 10 + n;
                let mut user = User::new(
                    Uuid::from_u128(u128::from(number) << 64),
                    u64::from(number),
                    (TEAM, "Acme Robotics"),
                    then,
                );
                // Of two that are alike for long: where they are told apart takes much room, so
                // that the cells stand in several items.
                let name = format!("Person {} {} {}", number / 2, "x".repeat(300), number % 2);
                (user.name, user.email) = (Some(name), Some(format!("person{number}@example.com")));
                (user.role, user.status) = (
                    Role::ALL[number as usize % 3],
                    if number % 7 == 0 { Status::Invited } else { Status::Active },
                );
                user
            })
            .collect();
        stage.roster.server.data.store.load_users(&users).await.expect("users");
    }
    stage.count_places().await;
    // Those go by whom an item of these is named.
    for number in (1001..1200).step_by(2).filter(|number| number % 7 > 0) {
        stage
            .call("PUT", &format!("{NUMBERED}/{number}"), ADMIN, json!({"name": "Else"}), 200)
            .await;
    }
    stage.count_places().await;
    for sort in ["createdAt", "name", "role", "status", "updatedAt"] {
        for filter in [
            "",
            "&role=VIEWER&page=2",
            "&status=PENDING_REGISTRATION",
            "&status=ACTIVE&deviceType=API&page=3",
            "&page=4",
        ] {
            stage
                .call("GET", &format!("/users?sortBy={sort}{filter}"), ADMIN, Value::Null, 200)
                .await;
        }
    }
    // Each list asks for a rebuild where changes were never counted.
    let directory = format!("/api/v1/admin_user?account_id={TEAM}");
    for (n, list) in ["/users?page=4", &directory].into_iter().enumerate() {
        load(&stage, 3000 + n as u64, |user| user).await;
        stage
            .roster
            .server
            .data
            .stream
            .as_ref()
            .and_then(|stream| stream.take())
            .expect("something was written");
        stage.call("GET", list, ADMIN, Value::Null, 200).await;
        stage.count_places().await;
    }
    stage.end().await
}

/// What the administrators of a team do in user-admin.
async fn numbered(stage: &mut Stage) {
    for target in ["", "?limit=5", "/4", "/search?q=ad", "/admin-count", "/inactive"] {
        for by in [By::User(ADMIN), By::Credential(key(ADMIN, 1))] {
            stage.call("GET", &format!("{NUMBERED}{target}"), by, Value::Null, 200).await;
        }
    }
    in_a_large_team(stage, "/search?q=ad").await;
    let fields = json!({"name": "Bot", "username": "bot", "rootRole": "Viewer"});
    let bot = stage.call("POST", NUMBERED, key(ADMIN, 1), fields, 201).await;
    stage
        .call(
            "PUT",
            &format!("{NUMBERED}/{}", bot["id"]),
            key(ADMIN, 1),
            json!({"name": "Robot"}),
            200,
        )
        .await;
    stage
        .call("DELETE", &format!("{NUMBERED}/{}", bot["id"]), key(ADMIN, 1), Value::Null, 200)
        .await;
    let fields =
        json!({"name": "Eve", "email": "eve@example.com", "username": "eve", "rootRole": "Admin"});
    let eve = stage.call("POST", NUMBERED, ADMIN, fields, 201).await;
    let eve = format!("{NUMBERED}/{}", eve["id"]);
    // All that may change, and back; and who is managed.
    for fields in [
        json!({"name": "Eva", "email": "eva@example.com", "rootRole": 3}),
        json!({"name": "Eve", "email": "eve@example.com", "rootRole": 1}),
    ] {
        stage.call("PUT", &eve, ADMIN, fields, 200).await;
    }
    stage
        .call(
            "PUT",
            &format!("{NUMBERED}/6"),
            ADMIN,
            json!({"name": "Finn G", "email": "finn@example.com"}),
            200,
        )
        .await;
    // One who is managed and has an email; and one who is called by the name that the team gave.
    let nameless = json!({"first_name": null, "last_name": null});
    stage.call("PUT", &format!("{MANAGED}{FINN}"), MANAGER, nameless, 200).await;
    stage
        .call(
            "PUT",
            &format!("/api/v1/admin_user/{FINN}"),
            ADMIN,
            json!({"details": {"name": "Finn H"}}),
            200,
        )
        .await;
    stage.call("PUT", &format!("{NUMBERED}/6"), ADMIN, json!({"name": "Finn I"}), 200).await;
    let admin = load(stage, 2000, |user| User { role: Role::Admin, ..user }).await;
    load_keys(stage, admin.id, MANY_KEYS).await;
    stage.call("DELETE", &format!("{NUMBERED}/2000"), ADMIN, Value::Null, 200).await;
    // With keys, which are revoked; an administrator, who is counted otherwise.
    stage.call("POST", &format!("{}/keys", of(VIEWER)), PLATFORM_OPERATOR, Value::Null, 201).await;
    stage.call("DELETE", &format!("{NUMBERED}/4"), ADMIN, Value::Null, 200).await;
    stage.call("DELETE", &eve, ADMIN, Value::Null, 200).await;
}

/// A search while the counters say that the team has very many members.
async fn in_a_large_team(stage: &mut Stage, target: &str) {
    let count = async |stage: &Stage, members: i64| {
        let update = stage.roster.server.data.client.update_item().table_name(&stage.roster.table);
        let update = update
            .set_key(Some(Key::count(TEAM, ADMIN).item()))
            .update_expression("ADD vaa :members");
        let members = AttributeValue::N(members.to_string());
        update
            .expression_attribute_values(":members", members)
            .send()
            .await
            .expect("the counter is changed");
    };
    count(stage, 6000).await;
    stage.call("GET", &format!("{NUMBERED}{target}"), ADMIN, Value::Null, 200).await;
    count(stage, -6000).await;
}

/// User-admin by paths that end in a slash, which no route takes.
async fn slashed() -> Made {
    let mut stage = Stage::start().await;
    stage.slashed = true;
    numbered(&mut stage).await;
    for (method, path) in
        [("GET", "/access"), ("POST", "/validate-password"), ("DELETE", "/scim-users")]
    {
        stage.call(method, &format!("{NUMBERED}{path}"), ADMIN, Value::Null, 501).await;
    }
    stage.call("OPTIONS", NUMBERED, By::Nobody, Value::Null, 200).await;
    stage.end().await
}

/// The team after half a year.
async fn inactive(slashed: bool) -> Made {
    let mut stage = Stage::start().await;
    stage.slashed = slashed;
    let none = Value::Null;
    stage.call("POST", &format!("{}/keys", of(VIEWER)), PLATFORM_OPERATOR, none.clone(), 201).await;
    let admin = load(&stage, 2000, |user| User { role: Role::Admin, ..user }).await;
    load_keys(&stage, admin.id, MANY_KEYS).await;
    stage.roster.advance(181 * 86_400);
    let users = stage.call("GET", &format!("{NUMBERED}/inactive"), ADMIN, none, 200).await;
    let ids: Vec<_> = users["inactiveUsers"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|user| user["id"].clone())
        .collect();
    assert!(ids.contains(&json!(4)) && ids.contains(&json!(2000)), "{ids:?}");
    for by in [By::User(ADMIN), By::Credential(key(ADMIN, 1))] {
        stage
            .call("POST", &format!("{NUMBERED}/inactive/delete"), by, json!({"ids": ids}), 200)
            .await;
    }
    stage.end().await
}

/// What belongs to no contract.
async fn platform() -> Made {
    let mut stage = Stage::start().await;
    stage.call("GET", "/health", By::Nobody, Value::Null, 200).await;
    stage.call("GET", "/openapi.json", By::Nobody, Value::Null, 200).await;
    stage.call("GET", "/nothing", ADMIN, Value::Null, 404).await;
    stage.end().await
}
