//! Rights come from the caller's own record alone. Who may do what stands in the suite of the
//! promises, as a table.

use local::demo;
use reqwest::Method;
use serde_json::{Value, json};
use shared::models::Role;
use tests::{Roster, send, sign};
use uuid::Uuid;

use crate::errors::Contract;

/// What a forged or misconfigured token may claim.
fn claims_to_be_more() -> Vec<Value> {
    let data = json!({"is_operator": true, "role": "admin", "roles": ["admin", "operator"], "view_all": true, "team_id": demo::OTHER_TEAM});
    vec![
        json!({"role": "service_role"}),
        json!({"role": "admin"}),
        json!({"role": "operator", "roles": ["operator"], "permissions": ["ADMIN"]}),
        json!({"is_operator": true, "admin": true, "is_super_admin": true, "view_all": true}),
        json!({"app_metadata": data}),
        json!({"user_metadata": data}),
        json!({"scope": "operator admin", "scp": ["operator"], "aal": "aal2"}),
        json!({"team_id": demo::OTHER_TEAM, "tenant": demo::OTHER_TEAM, "account_id": demo::OTHER_TEAM}),
        json!({"act": {"sub": demo::PLATFORM_OPERATOR}, "user_id": demo::PLATFORM_OPERATOR, "email": "olga.petrova@roster-platform.example"}),
    ]
}

/// A server that lets such roles in: they grant nothing either.
async fn with_roles_let_in() -> Roster {
    Roster::start_with(|options| {
        options.config.tokens.roles =
            ["authenticated", "service_role", "admin", "operator"].map(str::to_owned).into();
    })
    .await
}

fn token_claiming(roster: &Roster, caller: Uuid, more: &Value) -> String {
    let mut claims = roster.claims(caller);
    for (name, value) in more.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
    sign(&claims)
}

fn account(id: Uuid) -> String {
    format!("/v1/admin/users/{id}")
}

fn directory(team: Uuid) -> String {
    format!("/api/v1/admin_user?account_id={team}")
}

async fn get(roster: &Roster, path: &str, credential: &str) -> tests::Answer {
    send(roster.request(Method::GET, path).bearer_auth(credential)).await
}

#[tokio::test]
async fn claims_in_a_token_grant_nothing() {
    let roster = with_roles_let_in().await;
    for more in claims_to_be_more() {
        for caller in [demo::ADMIN, demo::VIEWER] {
            let token = token_claiming(&roster, caller, &more);
            let answer = get(&roster, &account(demo::OTHER_ADMIN), &token).await.expect(403);
            assert_eq!(Contract::Operator.error(&answer), "operator_required", "{more}");
            let answer = get(&roster, &directory(demo::OTHER_TEAM), &token).await.expect(403);
            assert_eq!(Contract::Directory.error(&answer), "not_permitted", "{more}");
        }
        let token = token_claiming(&roster, demo::VIEWER, &more);
        let answer = get(&roster, &directory(demo::TEAM), &token).await.expect(403);
        assert_eq!(Contract::Directory.error(&answer), "not_permitted", "{more}");
        let answer = get(&roster, "/api/admin/user-admin/1", &token).await.expect(403);
        assert_eq!(Contract::UserAdmin.error(&answer), "PermissionError", "{more}");
        assert_eq!(get(&roster, "/users", &token).await.expect(200).json()["total"], 1, "{more}");
        get(&roster, &format!("/users/{}", demo::ADMIN), &token).await.expect(404);
        let me = get(&roster, "/v1/account/me", &token).await.expect(200).json();
        assert_eq!(
            (&me["user"]["id"], &me["user"]["is_operator"]),
            (&json!(demo::VIEWER), &json!(false)),
            "{more}"
        );
    }
}

#[tokio::test]
async fn signing_up_makes_a_team_of_ones_own_whatever_is_claimed() {
    let roster = with_roles_let_in().await;
    let before = roster.items().await;
    for (number, more) in claims_to_be_more().into_iter().enumerate() {
        let id = Uuid::new_v4();
        let mut claims = roster.claims(id);
        for (name, value) in more.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        claims["email"] = format!("new-{number}@example.com").into();
        let body = json!({"id": demo::ADMIN, "team_id": demo::TEAM, "is_operator": true, "tier": "enterprise", "quota_tier_id": "enterprise"});
        let answer = send(
            roster.request(Method::POST, "/v1/account").bearer_auth(sign(&claims)).json(&body),
        )
        .await
        .expect(201)
        .json();
        assert_eq!(
            (&answer["user"]["id"], &answer["user"]["is_operator"]),
            (&json!(id), &json!(false)),
            "{more}"
        );
        assert_eq!(answer["quota_tier"]["id"], "free", "{more}");
        assert_eq!(answer["team"]["owner_user_id"], json!(id), "{more}");
        let record = roster.user(id).await.expect("the new user");
        assert!(
            ![demo::TEAM, demo::OTHER_TEAM, demo::PLATFORM_TEAM].contains(&record.team_id),
            "{more}"
        );
        assert!(!record.is_operator && !record.view_all, "{more}");
        let answer =
            send(roster.request(Method::GET, &account(demo::ADMIN)).bearer_auth(sign(&claims)))
                .await
                .expect(403);
        assert_eq!(Contract::Operator.error(&answer), "operator_required");
    }
    let after = roster.items().await;
    assert!(before.iter().all(|item| after.contains(item)), "nothing that was there changes");
    roster.check_table().await;
}

#[tokio::test]
async fn an_email_of_someone_else_signs_up_to_nothing() {
    let roster = Roster::start().await;
    let before = roster.items().await;
    for email in [
        "ada.nordmann@acme-robotics.example",
        "ADA.Nordmann@Acme-Robotics.EXAMPLE",
        "nils.arctander@northwind.example",
    ] {
        let mut claims = roster.claims(Uuid::new_v4());
        claims["email"] = email.into();
        claims["email_verified"] = true.into();
        let answer = send(roster.request(Method::POST, "/v1/account").bearer_auth(sign(&claims)))
            .await
            .expect(409);
        assert_eq!(Contract::Operator.error(&answer), "transition_conflict");
        for text in ["Ada", "Nils", "Acme", "Northwind", "00000000-0000-4000-8000"] {
            assert!(!answer.text.contains(text), "{answer:?}");
        }
    }
    assert_eq!(roster.items().await, before);
}

#[tokio::test]
async fn no_field_of_a_body_raises_its_sender() {
    let roster = Roster::start().await;
    let fields = json!({
        "display_name": "Dara", "first_name": "Dara", "last_name": "Sok", "is_operator": true, "admin": true, "role": "admin", "rootRole": 1,
        "view_all": true, "team_id": demo::OTHER_TEAM, "manager_id": demo::OTHER_ADMIN, "status": "active", "tier": "enterprise",
        "quota_tier_id": "enterprise", "version": 1000, "id": demo::ADMIN, "email": "dara@example.com", "number": 1,
    });
    let before = roster.user(demo::VIEWER).await.expect("the viewer");
    roster.call(Method::PATCH, "/v1/account/me", demo::VIEWER, &fields).await.expect(200);
    let after = roster.user(demo::VIEWER).await.expect("the viewer");
    assert_eq!((after.display_name.as_deref(), after.version), (Some("Dara"), before.version + 1));
    assert_eq!(
        shared::models::User { display_name: None, version: 0, updated_at: roster.now(), ..after },
        {
            shared::models::User {
                display_name: None,
                version: 0,
                updated_at: roster.now(),
                ..before
            }
        }
    );

    let answer = roster
        .call(Method::POST, "/api/v1/users/", demo::MANAGER, &fields)
        .await
        .expect(200)
        .json();
    assert_eq!((&answer["admin"], &answer["is_managed"]), (&json!(false), &json!(true)));
    let id = answer["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    let made = roster.user(id).await.expect("the managed user");
    assert_eq!(
        (made.team_id, made.manager_id, made.role),
        (demo::TEAM, Some(demo::MANAGER), Role::Viewer)
    );
    assert!(!made.is_operator && !made.view_all && made.email.is_none() && id != demo::ADMIN);

    roster
        .call(Method::PUT, &format!("/api/v1/users/{id}"), demo::MANAGER, &fields)
        .await
        .expect(200);
    let changed = roster.user(id).await.expect("the managed user");
    assert_eq!(
        (changed.team_id, changed.manager_id, changed.role),
        (demo::TEAM, Some(demo::MANAGER), Role::Viewer)
    );
    assert!(!changed.is_operator && !changed.view_all && changed.email.is_none());
    roster.check_table().await;
}
