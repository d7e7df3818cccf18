//! A story per contract: someone is invited, signs up, is seen, changed, shared with, suspended,
//! deleted, restored, deleted again and purged; and in the end nothing is left of anyone but audit
//! entries.

use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use shared::models::{Role, Team, User};
use shared::table::Key;
use tests::{Answer, Roster, send, sign};
use uuid::Uuid;

const EMAIL: &str = "Nadia.Rahman@Example.com";
const DAY: i64 = 86_400;

/// A platform, a team with its founder, and someone whose life is told.
struct Life {
    roster: Roster,
    operator: Uuid,
    founder: Uuid,
    /// The founder's team.
    team: Uuid,
    /// Whom the story is about, by the id that they sign up with.
    nadia: Uuid,
}

impl Life {
    async fn begin() -> Self {
        let roster = Roster::empty().await;
        let operator = demo::id(0x901);
        let store = &roster.server.data.store;
        let platform = Team {
            id: demo::id(0x900),
            name: "Platform".into(),
            slug: "platform".into(),
            owner_user_id: operator,
            quota_tier_id: "free".into(),
            created_at: roster.now(),
            updated_at: roster.now(),
            soft_deleted_at: None,
        };
        store.put(&Key::team(platform.id), &platform).await.expect("a team");
        let olga = User {
            is_operator: true,
            role: Role::Admin,
            email: Some("olga@platform.example".into()),
            ..User::new(operator, 1, (platform.id, "Platform"), roster.now())
        };
        store.load_users(&[olga]).await.expect("an operator");
        let mut life = Self {
            roster,
            operator,
            founder: demo::id(0x911),
            team: Uuid::nil(),
            nadia: demo::id(0x922),
        };
        let account = life.sign_up(life.founder, "founder@example.com").await.expect(201).json();
        life.team = account["team"]["id"].as_str().expect("an id").parse().expect("a UUID");
        life
    }

    async fn sign_up(&self, id: Uuid, email: &str) -> Answer {
        let mut claims = self.roster.claims(id);
        claims["email"] = email.into();
        send(self.roster.request(Method::POST, "/v1/account").bearer_auth(sign(&claims))).await
    }

    async fn post(&self, path: &str, caller: Uuid, body: Value) -> Answer {
        self.roster.call(Method::POST, path, caller, &body).await
    }

    async fn by_operator(&self, what: &str, user: Uuid) {
        self.post(
            &format!("/v1/admin/users/{user}/{what}"),
            self.operator,
            json!({"reason": "the story"}),
        )
        .await
        .expect(200);
    }

    /// The number of whom the story is about, in the team.
    async fn number(&self) -> Value {
        self.roster.get("/users/me", self.nadia).await.expect(200).json()["legacyId"].clone()
    }

    /// Makes someone an operator of the team: viewers manage nobody.
    async fn promote(&self, user: Uuid) {
        let number = self.roster.user(user).await.expect("a user").number;
        let operator = json!({"rootRole": 2});
        self.roster
            .call(Method::PUT, &format!("/api/admin/user-admin/{number}"), self.founder, &operator)
            .await
            .expect(200);
    }

    /// What someone has beside their record: keys, one of them rotated, sandboxes, a managed user
    /// with a share, shares both ways.
    async fn gather(&self, user: Uuid) {
        self.promote(user).await;
        let key = self.post("/v1/keys", user, json!({"name": "laptop"})).await.expect(201).json();
        let id = key["id"].as_str().expect("an id").to_owned();
        self.post(&format!("/v1/keys/{id}/rotate"), user, json!({})).await.expect(201);
        self.post("/v1/keys/default", user, json!({})).await.expect(201);
        for _ in 0..2 {
            let sandbox = self
                .post(
                    "/v1/sandboxes",
                    user,
                    json!({"template": "base", "memory_mb": 512, "timeout_ms": 60_000}),
                )
                .await;
            let path = format!(
                "/v1/sandboxes/{}",
                sandbox.expect(201).json()["id"].as_str().expect("an id")
            );
            self.roster
                .call(Method::PATCH, &path, user, &json!({"status": "running"}))
                .await
                .expect(200);
        }
        let ward = self
            .post("/api/v1/users/", user, json!({"first_name": "Ward", "last_name": null}))
            .await
            .expect(200)
            .json();
        let ward: Uuid = ward["id"].as_str().expect("an id").parse().expect("a UUID");
        self.share(user, self.founder).await;
        self.share(self.founder, user).await;
        self.share(self.operator, ward).await;
        let request =
            self.roster.request(Method::POST, "/v1/keys").bearer_auth(self.roster.token(user));
        send(request.header("idempotency-key", "the story's key").json(&json!({"name": "kept"})))
            .await
            .expect(201);
    }

    async fn share(&self, from: Uuid, with: Uuid) {
        let path = format!("/api/v1/users/shares/{with}");
        self.roster
            .call(Method::PUT, &path, from, &json!({"scopes": ["data:read"]}))
            .await
            .expect(200);
    }

    /// Lets the grace period pass, and purges what is due.
    async fn purge(&self) -> Value {
        self.roster.advance(30 * DAY);
        json!(
            local::HANDLER
                .scope(
                    functions::schedule::purge_accounts::NAME,
                    functions::schedule::purge_accounts::run(
                        &self.roster.server.app,
                        std::time::Duration::from_secs(600)
                    )
                )
                .await
                .expect("a purge")
        )
    }

    /// Everyone else goes too: then only audit entries are left, and they name nobody.
    async fn end(self) {
        self.roster.check_table().await;
        for user in [self.founder, self.operator] {
            self.roster.delete("/v1/account", user).await.expect(202);
        }
        let report = self.purge().await;
        assert_eq!(
            (&report["purged"], &report["failed"], &report["finished"]),
            (&json!(2), &json!(0), &json!(true)),
            "{report}"
        );
        let items = self.roster.items().await;
        let left: Vec<_> = items
            .iter()
            .filter(|item| !item["pk"].as_str().is_some_and(|pk| pk.starts_with("AUDIT#")))
            .collect();
        assert!(left.is_empty(), "{left:#?}");
        let text = json!(items).to_string().to_lowercase();
        for personal in
            ["nadia", "rahman", "founder", "olga", "ward", "laptop", "127.0.0.1", "ns_live"]
        {
            assert!(!text.contains(personal), "{personal} in {text}");
        }
        assert!(text.contains("user.purged") && text.contains("user.signed_up"));
    }
}

#[tokio::test]
async fn the_operators_story() {
    let life = Life::begin().await;
    let detail = format!("/v1/admin/users/{}", life.nadia);
    let user =
        async || life.roster.get(&detail, life.operator).await.expect(200).json()["user"].clone();
    // Invited, and known to the operator by the email.
    life.post(
        "/api/admin/user-admin",
        life.founder,
        json!({"email": EMAIL, "name": "Nadia", "rootRole": 3}),
    )
    .await
    .expect(201);
    let listed = async |query: &str| {
        life.roster
            .get(&format!("/v1/admin/users?query={query}"), life.operator)
            .await
            .expect(200)
            .json()
    };
    assert_eq!(listed("nadia.r").await[0]["email"], EMAIL.to_lowercase());
    // Signed up, and seen.
    life.roster.get(&detail, life.operator).await.expect(404);
    life.sign_up(life.nadia, EMAIL).await.expect(201);
    assert_eq!(listed("NADIA").await[0]["id"], json!(life.nadia));
    // Changed, and with everything that an account can have.
    life.roster
        .call(Method::PATCH, "/v1/account/me", life.nadia, &json!({"display_name": "Naddi"}))
        .await
        .expect(200);
    assert_eq!(
        (user().await["display_name"].clone(), listed("nadd").await[0]["id"].clone()),
        (json!("Naddi"), json!(life.nadia))
    );
    life.gather(life.nadia).await;
    let account = life.roster.get(&detail, life.operator).await.expect(200).json();
    assert_eq!(
        (
            account["api_keys"].as_array().map(Vec::len),
            account["sandboxes"].as_array().map(Vec::len)
        ),
        (Some(4), Some(2))
    );
    let export = life.roster.get("/v1/account/export", life.nadia).await.expect(200).json();
    assert_eq!(export["shares_given"].as_array().map(Vec::len), Some(1));
    // Suspended, and not any more.
    life.by_operator("suspend", life.nadia).await;
    life.roster.get("/v1/account/me", life.nadia).await.expect(403);
    life.by_operator("unsuspend", life.nadia).await;
    // Deleted, restored, deleted again.
    life.roster.delete("/v1/account", life.nadia).await.expect(202);
    assert!(user().await["delete_scheduled_at"].is_string());
    life.post("/v1/account/restore", life.nadia, json!({})).await.expect(200);
    assert!(user().await["delete_scheduled_at"].is_null());
    life.roster.advance(DAY);
    life.roster.delete("/v1/account", life.nadia).await.expect(202);
    // Purged: with the managed user, who is no account of its own to count.
    assert_eq!(life.purge().await["purged"], 1);
    life.roster.get(&detail, life.operator).await.expect(404);
    assert_eq!(listed("nad").await, json!([]));
    let log = life
        .roster
        .get(&format!("{detail}/audit-log?limit=100"), life.operator)
        .await
        .expect(200)
        .json();
    assert_eq!(log[0]["action"], "user.purged");
    assert!(!log.to_string().contains("the story"), "reasons may name the person: {log}");
    life.end().await;
}

#[tokio::test]
async fn the_directorys_story() {
    let life = Life::begin().await;
    let list = format!("/api/v1/admin_user?account_id={}&sorting=title", life.team);
    let status = async || {
        let summaries =
            life.roster.get(&list, life.founder).await.expect(200).json()["summaries"].clone();
        let found = summaries
            .as_array()
            .expect("a list")
            .iter()
            .find(|user| user["title"] == EMAIL)
            .cloned();
        found.map(|user| user["status"].clone())
    };
    let invite = json!({"details": {"email": EMAIL, "account_id": life.team}});
    let invite = life
        .post("/api/v1/admin_user_invite", life.founder, invite)
        .await
        .expect(200)
        .json()["details"]
        .clone();
    assert_eq!(status().await, Some(json!("new")));
    life.sign_up(life.nadia, EMAIL).await.expect(201);
    let invites = life
        .roster
        .get(&format!("/api/v1/admin_user_invite?account_id={}", life.team), life.founder)
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&invites["summaries"][0]["id"], &invites["summaries"][0]["status"]),
        (&invite["id"], &json!("used"))
    );
    // Seen.
    life.roster.get("/users/me", life.nadia).await.expect(200);
    assert_eq!(status().await, Some(json!("extant")));
    let path = format!("/api/v1/admin_user/{}", life.nadia);
    let seen =
        life.roster.get(&path, life.founder).await.expect(200).json()["details"]["last_seen"]["at"]
            .clone();
    assert_eq!(seen, life.roster.now().as_second());
    // Changed.
    let change = json!({"details": {"name": "Nadia Rahman", "job_title": "Pilot", "profile_completed_at": 1_777_000_000}});
    let changed =
        life.roster.call(Method::PUT, &path, life.founder, &change).await.expect(200).json();
    assert_eq!(changed["details"]["job_title"], "Pilot");
    life.gather(life.nadia).await;
    life.by_operator("suspend", life.nadia).await;
    assert_eq!(status().await, Some(json!("extant")));
    life.by_operator("unsuspend", life.nadia).await;
    life.roster.delete("/v1/account", life.nadia).await.expect(202);
    assert_eq!(status().await, Some(json!("deleted")));
    life.by_operator("restore", life.nadia).await;
    assert_eq!(status().await, Some(json!("extant")));
    life.roster.delete("/v1/account", life.nadia).await.expect(202);
    assert_eq!(life.purge().await["purged"], 1);
    assert_eq!(status().await, None);
    life.roster.get(&path, life.founder).await.expect(404);
    life.end().await;
}

#[tokio::test]
async fn the_user_admins_story() {
    let life = Life::begin().await;
    let made =
        json!({"email": EMAIL, "username": "nadia", "name": "Nadia Rahman", "rootRole": "Editor"});
    let made = life.post("/api/admin/user-admin", life.founder, made).await.expect(201);
    let path = format!("/api/admin/user-admin/{}", made.headers["location"]);
    assert!(made.json()["inviteLink"].is_string());
    let user = async || life.roster.get(&path, life.founder).await;
    life.sign_up(life.nadia, EMAIL).await.expect(201);
    assert_eq!(life.number().await.to_string(), made.headers["location"], "the number stays");
    let signed_up = user().await.expect(200).json();
    assert_eq!((&signed_up["rootRole"], signed_up.get("inviteLink")), (&json!(2), None));
    assert!(signed_up["seenAt"].is_string());
    life.roster.call(Method::PUT, &path, life.founder, &json!({"rootRole": 1})).await.expect(200);
    assert_eq!(
        life.roster.get("/api/admin/user-admin/admin-count", life.founder).await.json()["noPassword"],
        2
    );
    let found = life
        .roster
        .get("/api/admin/user-admin/search?q=NAD", life.founder)
        .await
        .expect(200)
        .json();
    assert_eq!(found[0]["username"], "nadia");
    life.gather(life.nadia).await;
    life.by_operator("suspend", life.nadia).await;
    life.by_operator("unsuspend", life.nadia).await;
    life.roster.delete(&path, life.founder).await.expect(200);
    user().await.expect(404);
    life.post("/v1/account/restore", life.nadia, json!({})).await.expect(409);
    life.by_operator("restore", life.nadia).await;
    user().await.expect(200);
    life.roster.delete(&path, life.founder).await.expect(200);
    assert_eq!(life.purge().await["purged"], 1);
    user().await.expect(404);
    assert_eq!(
        life.roster.get("/api/admin/user-admin/admin-count", life.founder).await.json()["noPassword"],
        1
    );
    // The name and the email are free again.
    let again = json!({"email": EMAIL, "username": "nadia", "rootRole": 3});
    let again = life.post("/api/admin/user-admin", life.founder, again).await.expect(201);
    assert_ne!(again.headers["location"], made.headers["location"], "a number is never used again");
    life.roster
        .delete(&format!("/api/admin/user-admin/{}", again.headers["location"]), life.founder)
        .await
        .expect(200);
    assert_eq!(life.purge().await["purged"], 1);
    life.end().await;
}

#[tokio::test]
async fn the_managed_users_story() {
    let life = Life::begin().await;
    let invite = json!({"details": {"email": EMAIL, "account_id": life.team}});
    life.post("/api/v1/admin_user_invite", life.founder, invite).await.expect(200);
    life.sign_up(life.nadia, EMAIL).await.expect(201);
    let list = async |caller| {
        let users = life.roster.get("/api/v1/users/", caller).await.expect(200).json();
        users
            .as_array()
            .expect("a list")
            .iter()
            .map(|user| user["display_name"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    life.promote(life.nadia).await;
    let made = life
        .post("/api/v1/users/", life.nadia, json!({"first_name": "Wardy", "last_name": "One"}))
        .await
        .expect(200)
        .json();
    let path = format!("/api/v1/users/{}", made["id"].as_str().expect("an id"));
    life.roster
        .call(Method::PUT, &path, life.nadia, &json!({"last_name": "Two"}))
        .await
        .expect(200);
    assert_eq!(list(life.nadia).await, [EMAIL, "Wardy Two"]);
    life.gather(life.nadia).await;
    assert_eq!(list(life.founder).await, ["founder@example.com", EMAIL], "shared with");
    let delegated = life
        .post("/api/v1/oauth/delegated-token", life.nadia, json!({"sub": made["id"]}))
        .await
        .expect(200)
        .json();
    let token = delegated["access_token"].as_str().expect("a token").to_owned();
    let principal = async || {
        send(life.roster.request(Method::GET, "/api/v1/oauth/principal-token").bearer_auth(&token))
            .await
    };
    principal().await.expect(200);
    life.by_operator("suspend", life.nadia).await;
    principal().await.expect(401);
    assert_eq!(list(life.founder).await, ["founder@example.com"], "who is locked shares nothing");
    life.by_operator("unsuspend", life.nadia).await;
    life.roster.delete(&path, life.nadia).await.expect(200);
    principal().await.expect(401);
    assert_eq!(list(life.nadia).await, [EMAIL, "Ward", "founder@example.com"]);
    life.roster.delete("/v1/account", life.nadia).await.expect(202);
    life.post("/v1/account/restore", life.nadia, json!({})).await.expect(200);
    assert_eq!(list(life.nadia).await, [EMAIL, "Ward", "founder@example.com"]);
    life.roster.delete("/v1/account", life.nadia).await.expect(202);
    assert_eq!(life.purge().await["purged"], 1);
    assert_eq!(list(life.founder).await, ["founder@example.com"]);
    assert_eq!(
        life.roster.get("/api/v1/users/shares", life.founder).await.expect(200).json(),
        json!([])
    );
    life.end().await;
}

#[tokio::test]
async fn the_workspaces_story() {
    let life = Life::begin().await;
    let status = async || {
        let page = life
            .roster
            .get("/users?sortBy=createdAt&sortOrder=desc", life.founder)
            .await
            .expect(200)
            .json();
        let users = page["results"].as_array().expect("a list").clone();
        assert_eq!(page["total"], json!(users.len()));
        users
            .iter()
            .find(|user| user["name"] == "Nadia")
            .map(|user| (user["status"].clone(), user["isSuspended"].clone()))
    };
    let is = |status: &str, suspended: bool| Some((json!(status), json!(suspended)));
    life.roster.advance(60);
    life.post(
        "/api/admin/user-admin",
        life.founder,
        json!({"email": EMAIL, "name": "Nadia", "rootRole": 3}),
    )
    .await
    .expect(201);
    assert_eq!(status().await, is("PENDING_REGISTRATION", false));
    life.sign_up(life.nadia, EMAIL).await.expect(201);
    assert_eq!(status().await, is("ACTIVE", false));
    let me = life.roster.get("/users/me", life.nadia).await.expect(200).json();
    assert_eq!((&me["role"], &me["id"]), (&json!("VIEWER"), &json!(life.nadia)));
    life.roster
        .call(Method::PUT, "/api/admin/user-admin/2", life.founder, &json!({"rootRole": 2}))
        .await
        .expect(200);
    assert_eq!(
        life.roster.get(&format!("/users/{}", life.nadia), life.founder).await.expect(200).json()["role"],
        "OPERATOR"
    );
    life.gather(life.nadia).await;
    life.by_operator("suspend", life.nadia).await;
    assert_eq!(status().await, is("ACCESS_SUSPENDED", true));
    life.roster.get("/users/me", life.nadia).await.expect(401);
    // Deleted while suspended: a restore gives that back.
    life.roster.delete("/api/admin/user-admin/2", life.founder).await.expect(200);
    assert_eq!(status().await, is("REVOKED", false));
    life.by_operator("restore", life.nadia).await;
    assert_eq!(status().await, is("ACCESS_SUSPENDED", true));
    life.by_operator("unsuspend", life.nadia).await;
    assert_eq!(status().await, is("ACTIVE", false));
    life.roster.delete("/v1/account", life.nadia).await.expect(202);
    assert_eq!(status().await, is("REVOKED", false));
    assert_eq!(life.purge().await["purged"], 1);
    assert_eq!(status().await, None);
    life.end().await;
}
