//! The table of `docs/budgets.md`: what each request costs at least, may cost and does cost.
//!
//! With `UPDATE_BUDGETS=1` the figures are written anew; floors, budgets and reasons are for people
//! to write.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use functions::log::NoLog;
use functions::{App, HANDLERS};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use local::demo;
use reqwest::Method;
use tests::direct::Call;
use tests::events::{self, event};
use tests::{Answer, Roster, send};
use uuid::Uuid;

use crate::team_of;

/// Steps, read units, write units.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cost([f64; 3]);

impl Cost {
    fn is_within(self, other: Self) -> bool {
        self.0.iter().zip(other.0).all(|(own, other)| *own <= other)
    }
}

impl From<shared::dynamodb::Cost> for Cost {
    fn from(cost: shared::dynamodb::Cost) -> Self {
        Self([f64::from(cost.steps), cost.read_units, cost.write_units])
    }
}

impl From<tests::Cost> for Cost {
    fn from(cost: tests::Cost) -> Self {
        Self([f64::from(cost.steps), cost.read_units, cost.write_units])
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [steps, read_units, write_units] = self.0;
        write!(formatter, "{steps}, {read_units}, {write_units}")
    }
}

impl FromStr for Cost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let figures: Option<Vec<f64>> =
            text.split(", ").map(|figure| figure.parse().ok()).collect();
        figures
            .and_then(|figures| figures.try_into().ok())
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no cost"))
    }
}

/// A row of the table.
#[derive(Debug, Clone)]
struct Row {
    request: String,
    floor: Cost,
    budget: Cost,
    figure: Cost,
    why: String,
}

impl FromStr for Row {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [request, floor, budget, figure, why] = cells[..] else {
            return Err(format!("{line}: five columns"));
        };
        Ok(Self {
            request: request.replace('`', ""),
            floor: floor.parse()?,
            budget: budget.parse()?,
            figure: figure.parse()?,
            why: why.to_owned(),
        })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, floor, budget, figure, why } = self;
        let (name, case) = request
            .split_once(", ")
            .map_or((request.as_str(), None), |(name, case)| (name, Some(case)));
        let case = case.map(|case| format!(", {case}")).unwrap_or_default();
        write!(formatter, "| `{name}`{case} | {floor} | {budget} | {figure} | {why} |")
    }
}

impl Row {
    /// What is wrong with it, where the request costs this.
    fn faults(&self, cost: Cost) -> Vec<String> {
        let faults = [
            (!cost.is_within(self.budget), format!("costs {cost}, and may cost {}", self.budget)),
            (
                cost != self.figure,
                format!("costs {cost}, and not {} as the table says", self.figure),
            ),
            (
                !self.floor.is_within(cost),
                format!("costs {cost}, which is below the floor {}", self.floor),
            ),
            (
                self.floor != cost && self.why.is_empty(),
                format!("costs {cost}: nothing says why it is not {}", self.floor),
            ),
        ];
        faults
            .into_iter()
            .filter(|(is_so, _)| *is_so)
            .map(|(_, fault)| format!("{} {fault}", self.request))
            .collect()
    }
}

/// Runs a handler on an event, once the indexes and the lists' counts show what the table holds:
/// its answer, and what it cost.
async fn play(roster: &Roster, name: &str, event: ApiGatewayV2httpRequest) -> (Answer, Cost) {
    roster.settled().await;
    roster.server.data.settle().await.expect("the stream is read");
    let (answer, cost) = events::play(&roster.server.app, name, event).await;
    // `unmatched` is there to say 404.
    assert!(
        (200..300).contains(&answer.status) || name == "platform.unmatched",
        "{name}: {answer:?}"
    );
    (answer, cost.into())
}

/// A server with the demo data that has what a process keeps: quota tiers, numbers for new users,
/// and the published signing key.
async fn warm() -> Roster {
    let roster = Roster::start().await;
    for name in [
        "operator_account.list_quota_tiers",
        "managed_users.create_user",
        "managed_users.create_delegated_token",
    ] {
        play(&roster, name, event(name)).await;
    }
    roster
}

/// A process of its own on a server's table.
async fn beside(roster: &Roster) -> Arc<App> {
    let mut config = local::config().expect("the defaults make a configuration");
    config.table_name.clone_from(&roster.table);
    let (client, clock) = (roster.server.data.client.clone(), roster.server.app.clock.clone());
    Arc::new(App::new(&config, client, None, Arc::new(NoLog), clock).await.expect("an application"))
}

/// What the requests of the table cost, by their names: the event of each handler, and what else is
/// worth knowing.
async fn costs() -> BTreeMap<String, Cost> {
    let mut costs = BTreeMap::new();
    for handler in HANDLERS {
        let roster = warm().await;
        let event = events::aimed(&roster.server.app, handler.name).await;
        events::note_address(&roster.server.app, &event).await;
        costs.insert(handler.name.to_owned(), play(&roster, handler.name, event).await.1);
    }
    let mut note = |request: &str, cost: Cost| costs.insert(request.to_owned(), cost);
    let cold = Roster::start().await;
    for (name, when) in [
        ("managed_users.create_user", "the first in a process"),
        ("managed_users.create_delegated_token", "the first in a process"),
        ("operator_account.list_quota_tiers", "once in a minute"),
    ] {
        // Making a managed user reads the tiers, which the list would find in memory.
        let cold = if name == "operator_account.list_quota_tiers" {
            &Roster::start().await
        } else {
            &cold
        };
        note(&format!("{name}, {when}"), play(cold, name, event(name)).await.1);
    }
    let delegated = play(
        &cold,
        "managed_users.create_delegated_token",
        event("managed_users.create_delegated_token"),
    )
    .await
    .0;
    let delegated = delegated.json()["access_token"].as_str().expect("a token").to_owned();
    // A process that has not seen the published key.
    let other = beside(&cold).await;
    for how in ["with a delegated token, the first in a process", "with a delegated token"] {
        let principal =
            Call::new(Method::GET, "/api/v1/oauth/principal-token").credential(&delegated);
        let (answer, cost) = principal.send(&other).await;
        answer.expect(200);
        note(&format!("managed_users.get_principal_token, {how}"), cost.into());
    }
    // The person's id comes from a namespace, which the first sign-up of an installation makes.
    let mut claims = cold.claims(Uuid::nil());
    claims["sub"] = "auth0|5f7c8ec7c33c6c004bbafe82".into();
    claims["email"] = "subject@example.com".into();
    let token = tests::sign(&claims);
    let sign_up = Call::new(Method::POST, "/v1/account").credential(&token);
    let (answer, cost) = sign_up.send(&cold.server.app).await;
    answer.expect(201);
    note("operator_account.create_account, by the first subject that is no UUID", cost.into());
    // That they were seen is noted.
    let me = || Call::new(Method::GET, "/v1/account/me").credential(&token);
    me().send(&cold.server.app).await.0.expect(200);
    let other = beside(&cold).await;
    for how in
        ["by a subject that is no UUID, the first in a process", "by a subject that is no UUID"]
    {
        let (answer, cost) = me().send(&other).await;
        answer.expect(200);
        note(&format!("operator_account.get_me, {how}"), cost.into());
    }
    let roster = warm().await;
    let mut keyed = event("managed_users.create_user");
    keyed.headers.insert("idempotency-key", "one-and-the-same".parse().expect("a header"));
    for how in ["with an Idempotency-Key", "sent again under its Idempotency-Key"] {
        note(
            &format!("managed_users.create_user, {how}"),
            play(&roster, "managed_users.create_user", keyed.clone()).await.1,
        );
    }
    let by_key = roster
        .request(Method::GET, "/users/me")
        .bearer_auth(demo::api_key_text(demo::ADMIN, 1).reveal());
    note(
        "workspace.get_user, oneself",
        roster.get("/users/me", demo::VIEWER).await.expect(200).cost().into(),
    );
    note("workspace.get_user, oneself by API key", send(by_key).await.expect(200).cost().into());
    // Nobody was seen for so long.
    roster.advance(3600);
    note(
        "workspace.get_user, oneself, noting that one was seen",
        roster.get("/users/me", demo::VIEWER).await.expect(200).cost().into(),
    );
    let team = team_of(1000).await;
    let directory = |page: &str| format!("/api/v1/admin_user?account_id={}&{page}", demo::TEAM);
    for (request, path) in [
        (
            "directory.list_admin_users, in the middle of 1,000 users",
            directory("sorting=title&pagination[offset]=500").as_str(),
        ),
        (
            "directory.list_admin_users, the last of 1,000 users by status",
            &directory("sorting=status&pagination[offset]=990"),
        ),
        (
            "workspace.list_users, in the middle of 1,000 users",
            "/users?sortBy=name&pageSize=10&page=51",
        ),
        (
            "workspace.list_users, in the middle of one role in 1,000 users",
            "/users?sortBy=name&role=OPERATOR&pageSize=10&page=15",
        ),
    ] {
        note(request, team.get(path, demo::ADMIN).await.expect(200).cost().into());
    }
    costs
}

/// The table with the figures measured.
fn renewed(text: &str, costs: &BTreeMap<String, Cost>) -> String {
    let lines = text.lines().map(|line| match line.parse::<Row>() {
        Ok(row) => Row { figure: costs.get(&row.request).copied().unwrap_or(row.figure), ..row }
            .to_string(),
        Err(_) => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[tokio::test]
async fn every_request_costs_what_its_row_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/budgets.md");
    let mut text = std::fs::read_to_string(&path).expect("docs/budgets.md is there");
    let costs = costs().await;
    if std::env::var_os("UPDATE_BUDGETS").is_some() {
        text = renewed(&text, &costs);
        std::fs::write(&path, &text).expect("docs/budgets.md is written");
    }
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.parse::<Row>().expect("a row"));
    let mut faults = Vec::new();
    let mut missing = costs.clone();
    for row in rows {
        match missing.remove(&row.request) {
            Some(cost) => faults.extend(row.faults(cost)),
            None => faults.push(format!("{} stands twice, or for no request", row.request)),
        }
    }
    faults.extend(
        missing.iter().map(|(request, cost)| format!("{request} has no row, and costs {cost}")),
    );
    assert!(faults.is_empty(), "{}\nUPDATE_BUDGETS=1 writes the figures anew.", faults.join("\n"));
}
