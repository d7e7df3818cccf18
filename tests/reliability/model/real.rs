//! The real thing: a server with a table of its own, to which each step is done, and what it
//! answers and holds is looked at.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use functions::schedule::purge_accounts;
use lambda_http::http::HeaderValue;
use proptest_state_machine::StateMachineTest;
use reqwest::Method;
use serde_json::{Value, json};
use shared::models::{AuditCredential, AuditCredentialKind, Role};
use shared::store::Act;
use shared::table::Key;
use tests::direct::Call;
use tests::{Answer, Roster, sign};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::answers::{Ids, View, nobody, rounded, time};
use super::generate::Reference;
use super::state::{Model, OPERATOR, Outcome, Refusal, tiers};
use super::steps::{
    Ask, By, DirectoryPage, EMAILS, Id, MALFORMED, NAMES, PERSONS, Request, Step, Version,
};
use super::table::{Item, alike, difference, differences, expected, present};
use super::{TALLY, prelude};
use crate::errors::Contract;

/// After how many steps the counts in the table are counted anew. The rest of it is looked at after
/// each.
const RECOUNT: usize = 10;

/// A server, and what is known of it.
pub struct Real {
    runtime: Arc<Runtime>,
    roster: Roster,
    ids: Ids,
    /// The model before the step.
    before: Model,
    /// What was sent with each key, by the label of the first request with it.
    sent: BTreeMap<Id, String>,
    /// The answers that are kept, by the label of the first request with the key.
    kept: BTreeMap<Id, String>,
    /// The highest number of each team.
    numbers: BTreeMap<Uuid, u64>,
    steps: usize,
}

impl StateMachineTest for Real {
    type SystemUnderTest = Self;
    type Reference = Reference;

    fn init_test(model: &Model) -> Self {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let runtime = Arc::new(runtime);
        let roster = runtime.block_on(async {
            let roster = Roster::empty().await;
            let tiny = &tiers()[0];
            roster.server.data.store.put(&Key::tier(&tiny.id), tiny).await.expect("a tier");
            roster
        });
        let mut ids = Ids::default();
        ids.users.extend((0..PERSONS).map(|id| {
            (id, Uuid::from_u128(0x5eed_0000_0000_4000_8000_0000_0000_0000 | u128::from(id)))
        }));
        let mut before = Model::new(super::START);
        let mut real = Self {
            runtime,
            roster,
            ids,
            before: before.clone(),
            sent: BTreeMap::new(),
            kept: BTreeMap::new(),
            numbers: BTreeMap::new(),
            steps: 0,
        };
        for step in prelude() {
            before.take(&step);
            real = Self::apply(real, &before, step);
        }
        assert_eq!(before.users, model.users);
        real
    }

    fn apply(mut real: Self, model: &Model, step: Step) -> Self {
        let runtime = real.runtime.clone();
        runtime.block_on(real.step(model, &step));
        real
    }

    fn teardown(mut real: Self, model: Model) {
        let runtime = real.runtime.clone();
        let items = runtime.block_on(real.roster.items());
        real.look(&model, &items, "at the end");
        runtime.block_on(real.roster.check_table());
    }
}

impl Real {
    async fn step(&mut self, model: &Model, step: &Step) {
        self.steps += 1;
        let place = format!("step {}, {step:?}", self.steps);
        let mut items = None;
        match step {
            Step::Ask(ask) => {
                items = Some(
                    self.ask(
                        model,
                        ask,
                        ask.label,
                        ask.keyed.then_some((ask.label, false)),
                        &place,
                    )
                    .await,
                )
            }
            Step::Repeat { label, of, altered } => {
                if let Some(ask) = self.before.receipt(*of).map(|receipt| receipt.ask.clone()) {
                    let ask = Ask { twice: false, ..ask };
                    items =
                        Some(self.ask(model, &ask, *label, Some((*of, *altered)), &place).await);
                }
            }
            Step::Pass(seconds) => self.roster.advance(*seconds),
            Step::Purge => self.purge(&place).await,
            Step::SetOperator(id, is_operator) => {
                let id = self.ids.user(*id);
                let command = AuditCredential::new(
                    AuditCredentialKind::LocalCommand,
                    Some("operator".to_owned()),
                );
                let act = Act::of_machine(command, "user.operator_changed", self.roster.now());
                // Who is gone cannot be made one.
                let _ = self.roster.server.data.store.set_operator(id, *is_operator, &act).await;
            }
        }
        TALLY.note(step, &model.outcomes);
        // What a request wrote that only reads shows with the next change.
        if step.changes() {
            let items = if let Some(items) = items { items } else { self.roster.items().await };
            self.look(model, &items, &place);
        }
        if self.steps.is_multiple_of(RECOUNT) {
            self.roster.check_table().await;
        }
        self.before = model.clone();
    }

    async fn purge(&self, place: &str) {
        // Of several who leave one team at one time some may have to wait.
        for _ in 0..5 {
            let report = local::HANDLER
                .scope(
                    purge_accounts::NAME,
                    purge_accounts::run(&self.roster.server.app, Duration::from_secs(900)),
                )
                .await
                .expect("a purge");
            TALLY.request();
            assert!(report.finished, "{place}: {report:?}");
            if report.purged + report.failed == 0 {
                return;
            }
        }
        panic!("{place}: the purge finds no end");
    }

    /// Sends a request and looks at what is answered. Gives the table after it.
    async fn ask(
        &mut self,
        model: &Model,
        ask: &Ask,
        label: Id,
        key: Option<(Id, bool)>,
        place: &str,
    ) -> Vec<Item> {
        if let Some(by) = model.seen {
            let call = self.by(Call::new(Method::GET, "/v1/account/me"), by, None);
            let answer = self.roster.direct(&call).await;
            TALLY.request();
            assert_eq!(answer.status, 200, "{place}: the caller is seen: {answer:?}");
        }
        if matches!(ask.request, Request::ListDirectory(_) | Request::ListWorkspace(_)) {
            self.roster.server.data.settle().await.expect("the stream is read");
        }
        let mut call = self.call(ask, key);
        if let Some((key, _)) = key {
            // Sent again it says the same, to the letter.
            call.body = self.sent.entry(key).or_insert(call.body).clone();
        }
        let place = format!("{place}: {} {}", call.method, call.path);
        let roster = &self.roster;
        let answers = match ask.twice {
            false => vec![roster.direct(&call).await],
            true => {
                let (one, other) = tokio::join!(roster.direct(&call), roster.direct(&call));
                vec![one, other]
            }
        };
        answers.iter().for_each(|_| TALLY.request());
        let contract = ask.request.contract();
        let items = if ask.request.changes() { self.roster.items().await } else { Vec::new() };
        let pairs = pair(&model.outcomes, contract, &answers);
        for (outcome, answer) in &pairs {
            assert!(answer.headers.contains_key("x-request-id"), "{place}: {answer:?}");
            self.told(model, ask, answer, &call, &place);
            match outcome {
                // The other one erased the account while this one ran.
                Outcome::Refused(Refusal::AccountNotFound)
                    if ask.twice && has_erased_nobody(answer) => {}
                Outcome::Refused(refusal) => {
                    let (status, code) = refusal.answer(contract);
                    assert_eq!(
                        answer.status, status,
                        "{place}: expected {refusal:?}, but {answer:?}"
                    );
                    let body = answer.json();
                    let told = ["code", "name"]
                        .iter()
                        .find_map(|name| body[name].as_str())
                        .unwrap_or_default();
                    assert!(
                        code.is_empty() || told == code,
                        "{place}: expected {refusal:?} as {code}, but {answer:?}"
                    );
                }
                Outcome::Done(status, of) => {
                    assert_eq!(
                        answer.status, *status,
                        "{place}: expected to be done, but {answer:?}"
                    );
                    assert!(
                        !answer.headers.contains_key("idempotency-replayed"),
                        "{place}: {answer:?}"
                    );
                    self.bind(model, &ask.request, *of, label, answer, &items);
                    if let Some((key, _)) = key {
                        self.kept.insert(key, answer.text.clone());
                    }
                }
                Outcome::Replayed(of) => {
                    assert_eq!(
                        Some(&answer.text),
                        self.kept.get(of),
                        "{place}: another answer than before: {answer:?}"
                    );
                    assert_eq!(
                        answer.headers.get("idempotency-replayed").map(String::as_str),
                        Some("true"),
                        "{place}: {answer:?}"
                    );
                }
            }
        }
        for (outcome, answer) in pairs {
            if let Outcome::Done(_, of) = outcome {
                self.shown(model, ask, of, answer, &place);
            }
        }
        items
    }

    /// The request, with what the labels stand for.
    fn call(&self, ask: &Ask, key: Option<(Id, bool)>) -> Call {
        let user = |id: &Id| self.ids.user(*id);
        let key_id = |id: &Id| self.ids.keys.get(id).map_or_else(|| nobody(*id), |key| key.0);
        let sandbox =
            |id: &Id| self.ids.sandboxes.get(id).cloned().unwrap_or_else(|| format!("sbx_{id}"));
        let get = |path: String| (Method::GET, path, Value::Null);
        let post = |path: String, body: Value| (Method::POST, path, body);
        let put = |path: String, body: Value| (Method::PUT, path, body);
        let patch = |path: &str, body: Value| (Method::PATCH, path.to_owned(), body);
        let delete = |path: String| (Method::DELETE, path, Value::Null);
        let team = self.owner(ask.by).and_then(|me| self.before.users.get(&me)).map(|me| me.team);
        // Of the caller's team: in another one the same number is someone else's.
        let number = |id: &Id| match self.before.users.get(id) {
            Some(user) if Some(user.team) == team => self.ids.numbers[id],
            _ => 1_000_000 + u64::from(*id),
        };
        let admin = |id: &Id, what: &str| format!("/v1/admin/users/{}{what}", user(id));
        let (method, mut path, body) = match &ask.request {
            Request::SignUp { .. } => post("/v1/account".into(), Value::Null),
            Request::ShowAccount => get("/v1/account/me".into()),
            Request::ChangeProfile { display_name, .. } => patch(
                "/v1/account/me",
                fields([("display_name", display_name.map(|name| json!(name)))]),
            ),
            Request::ExportAccount => get("/v1/account/export".into()),
            Request::DeleteAccount => delete("/v1/account".into()),
            Request::RestoreAccount => post("/v1/account/restore".into(), Value::Null),
            Request::ListKeys => get("/v1/keys".into()),
            Request::MakeKey { operator, until, holds } => {
                let expires_at = until.map(|until| json!(time(until)));
                let scope = json!(if *operator { "operator" } else { "user" });
                let permissions = holds.words().map(|words| json!(words));
                let asked = [
                    ("name", Some("model".into())),
                    ("scope", Some(scope)),
                    ("expires_at", expires_at),
                ];
                let mut body = fields(asked);
                if let Some(permissions) = permissions {
                    body["permissions"] = permissions;
                }
                post("/v1/keys".into(), body)
            }
            Request::MakeDefaultKey => post("/v1/keys/default".into(), Value::Null),
            Request::RotateKey { key, overlap } => post(
                format!("/v1/keys/{}/rotate", key_id(key)),
                json!({"overlap_seconds": overlap}),
            ),
            Request::RevokeKey { key } => delete(format!("/v1/keys/{}", key_id(key))),
            Request::ListEveryone { limit } => get(format!("/v1/admin/users?limit={limit}")),
            Request::FindUsers { text } => {
                get(format!("/v1/admin/users?limit=100&query={}", encoded(text)))
            }
            Request::ShowUser { user } => get(admin(user, "")),
            Request::ChangeQuota { user, tier, .. } => {
                patch(&admin(user, "/quota"), json!({"quota_tier_id": tier}))
            }
            Request::MakeUserKey { user } => post(admin(user, "/keys"), Value::Null),
            Request::Suspend { user } => {
                post(admin(user, "/suspend"), json!({"reason": "as the model has it"}))
            }
            Request::Unsuspend { user } => post(admin(user, "/unsuspend"), Value::Null),
            Request::RestoreUser { user } => post(admin(user, "/restore"), Value::Null),
            Request::EraseUser { user } => delete(admin(user, "")),
            Request::ShowHistory { user, limit } => {
                get(admin(user, &format!("/audit-log?limit={limit}")))
            }
            Request::ListTiers => get("/v1/admin/quota-tiers".into()),
            Request::MakeSandbox { memory_mb, timeout_ms } => post(
                "/v1/sandboxes".into(),
                json!({"template": "model", "memory_mb": memory_mb, "timeout_ms": timeout_ms}),
            ),
            Request::ChangeSandbox { sandbox: id, runs } => patch(
                &format!("/v1/sandboxes/{}", sandbox(id)),
                json!({"status": if *runs { "running" } else { "paused" }}),
            ),
            Request::DestroySandbox { sandbox: id } => {
                delete(format!("/v1/sandboxes/{}", sandbox(id)))
            }
            Request::ListDirectory(page) => get(format!("/api/v1/admin_user?{}", self.page(page))),
            Request::ListInvites(page) => {
                get(format!("/api/v1/admin_user_invite?{}", self.page(page)))
            }
            Request::ShowDirectoryUser { user: id } => {
                get(format!("/api/v1/admin_user/{}", user(id)))
            }
            Request::ChangeDirectoryUser { user: id, name, job_title, .. } => {
                let details = fields([
                    ("name", name.map(|name| json!(name))),
                    ("job_title", job_title.map(Value::from)),
                ]);
                put(format!("/api/v1/admin_user/{}", user(id)), json!({"details": details}))
            }
            Request::Invite { team, email } => post(
                "/api/v1/admin_user_invite".into(),
                json!({"details": {"email": email, "account_id": self.ids.team(*team)}}),
            ),
            Request::RevokeInvite { invite, team } => {
                let id = self.ids.invites.get(invite).copied().unwrap_or_else(|| nobody(*invite));
                let team = team
                    .map(|team| format!("?account_id={}", self.ids.team(team)))
                    .unwrap_or_default();
                post(format!("/api/v1/admin_user_invite/{id}/revoke{team}"), Value::Null)
            }
            Request::ListTeam { limit } => get(format!("/api/admin/user-admin?limit={limit}")),
            Request::ShowNumber { user } => get(format!("/api/admin/user-admin/{}", number(user))),
            Request::MakeUser { email, username, name, role } => {
                let texts = [("email", *email), ("username", *username), ("name", *name)]
                    .map(|(field, text)| (field, text.map(Value::from)));
                let mut body = fields(texts);
                body["rootRole"] = root_role(*role);
                post("/api/admin/user-admin".into(), body)
            }
            Request::ChangeUser { user, name, email, role, .. } => {
                let body = fields([
                    ("name", name.map(Value::from)),
                    ("email", email.map(|email| json!(email))),
                    ("rootRole", role.map(root_role)),
                ]);
                put(format!("/api/admin/user-admin/{}", number(user)), body)
            }
            Request::DeleteUser { user } => {
                delete(format!("/api/admin/user-admin/{}", number(user)))
            }
            Request::Search { text } => {
                get(format!("/api/admin/user-admin/search?q={}", encoded(text)))
            }
            Request::CountAdmins => get("/api/admin/user-admin/admin-count".into()),
            Request::ListInactive => get("/api/admin/user-admin/inactive".into()),
            Request::DeleteInactive { users } => {
                let numbers: Vec<u64> = users.iter().map(number).collect();
                post("/api/admin/user-admin/inactive/delete".into(), json!({"ids": numbers}))
            }
            Request::ListManaged { managed, shared, name } => {
                let name = name.map(|name| format!("&name={}", encoded(name))).unwrap_or_default();
                get(format!(
                    "/api/v1/users/?include_managed={managed}&include_shared={shared}{name}"
                ))
            }
            Request::MakeManaged { first, last } => {
                post("/api/v1/users/".into(), json!({"first_name": first, "last_name": last}))
            }
            Request::ShowManaged { user: id } => get(format!("/api/v1/users/{}", user(id))),
            Request::ChangeManaged { user: id, first, last, .. } => {
                let body = fields([
                    ("first_name", first.map(Value::from)),
                    ("last_name", last.map(Value::from)),
                ]);
                put(format!("/api/v1/users/{}", user(id)), body)
            }
            Request::DeleteManaged { user: id } => delete(format!("/api/v1/users/{}", user(id))),
            Request::ListShares => get("/api/v1/users/shares".into()),
            Request::Share { with, scopes } => {
                put(format!("/api/v1/users/shares/{}", user(with)), json!({"scopes": scopes}))
            }
            Request::Unshare { with } => delete(format!("/api/v1/users/shares/{}", user(with))),
            Request::ShowPrincipalToken => get("/api/v1/oauth/principal-token".into()),
            Request::Delegate { user: id, scopes } => post(
                "/api/v1/oauth/delegated-token".into(),
                json!({"sub": user(id), "scopes": scopes}),
            ),
            Request::ListWorkspace(page) => {
                let mut query =
                    format!("page={}&pageSize={}&sortBy={}", page.page, page.size, page.field);
                query += if page.descending { "&sortOrder=desc" } else { "" };
                query += &page
                    .role
                    .map(|role| format!("&role={}", role.as_str().to_uppercase()))
                    .unwrap_or_default();
                query += &page
                    .status
                    .map(|status| format!("&status={}", workspace_status(status)))
                    .unwrap_or_default();
                query += &page
                    .ids
                    .iter()
                    .flatten()
                    .map(|id| format!("&ids={}", user(id)))
                    .collect::<String>();
                get(format!("/users?{query}"))
            }
            Request::ShowWorkspaceUser { user: id } => get(format!(
                "/users/{}",
                id.as_ref().map_or_else(|| "me".to_owned(), |id| user(id).to_string())
            )),
            Request::Malformed(which) => {
                let (_, method, path, body) = MALFORMED[*which];
                let me = self.owner(ask.by).map_or_else(|| nobody(0), |id| self.ids.user(id));
                let team = team.map_or_else(|| nobody(0), |team| self.ids.team(team));
                let path =
                    path.replace("{user}", &me.to_string()).replace("{team}", &team.to_string());
                let call = Call::new(method.parse().expect("a method"), path);
                let call = if body.is_empty() { call } else { call.text(body.to_owned()) };
                return self.by(call, ask.by, None);
            }
        };
        if key.is_some_and(|(_, altered)| altered) {
            path += if path.contains('?') { "&again=1" } else { "?again=1" };
        }
        let call = Call::new(method, path);
        let call = if body.is_null() { call } else { call.json(&body) };
        let call =
            if let Some((key, _)) = key { call.key(&format!("the key of {key}")) } else { call };
        let verified = match &ask.request {
            Request::SignUp { verified } => *verified,
            _ => None,
        };
        let mut call = self.by(call, ask.by, verified);
        if let Some((subject, version)) = if_match(ask, self.owner(ask.by)) {
            let of = self.before.users.get(&subject).map_or(1, |user| user.version);
            let tag = match version {
                Version::Any => "*".to_owned(),
                Version::Present => format!("\"{of}-0\""),
                Version::Former => format!("\"{}-0\"", of - 1),
            };
            call.headers.insert("if-match", HeaderValue::try_from(tag).expect("a tag"));
        }
        call
    }

    fn page(&self, page: &DirectoryPage) -> String {
        let sign = if page.descending { "-" } else { "" };
        let DirectoryPage { team, field, offset, size, .. } = page;
        format!(
            "account_id={}&sorting={sign}{field}&pagination[offset]={offset}&pagination[page_size]={size}",
            self.ids.team(*team)
        )
    }

    /// The request with a credential.
    fn by(&self, call: Call, by: By, verified: Option<bool>) -> Call {
        let token = |id: Id| {
            let mut claims = self.roster.claims(self.ids.user(id));
            claims["email"] = EMAILS[id as usize].into();
            if id % 2 == 1 {
                claims["user_metadata"] = json!({"full_name": NAMES[id as usize % NAMES.len()]});
            }
            if let Some(verified) = verified {
                claims["email_verified"] = verified.into();
            }
            sign(&claims)
        };
        match by {
            By::Nobody => call,
            By::Token(id) => call.credential(&token(id)),
            By::Key(key) => {
                call.credential(self.ids.keys.get(&key).map_or("ns_live_none", |key| &key.1))
            }
            By::Delegated(id) => {
                call.credential(self.ids.tokens.get(&id).map_or("none", String::as_str))
            }
            By::Forger(id) => {
                let good = token(id);
                let (signed, signature) = good.rsplit_once('.').expect("a token has three parts");
                call.credential(&format!(
                    "{signed}.{}",
                    signature.chars().rev().collect::<String>()
                ))
            }
        }
    }

    fn owner(&self, by: By) -> Option<Id> {
        match by {
            By::Token(id) => Some(id),
            By::Key(key) => self.before.keys.get(&key).map(|key| key.owner),
            By::Delegated(token) => self.before.delegations.get(&token).map(|token| token.actor),
            By::Forger(_) | By::Nobody => None,
        }
    }

    /// Notes what has the label by now.
    fn bind(
        &mut self,
        model: &Model,
        request: &Request,
        of: Id,
        label: Id,
        answer: &Answer,
        items: &[Item],
    ) {
        let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        let id =
            |value: &Value| value.as_str().and_then(|id| id.parse::<Uuid>().ok()).expect("an id");
        let users = || items.iter().filter(|item| item["sk"] == "USER");
        match request {
            Request::SignUp { .. } if answer.status == 201 && model.teams.contains_key(&label) => {
                self.ids.teams.insert(label, id(&body["team"]["id"]));
            }
            Request::MakeKey { .. }
            | Request::MakeUserKey { .. }
            | Request::MakeDefaultKey
            | Request::RotateKey { .. } => {
                if let Some(text) = body["key"].as_str() {
                    self.ids.keys.insert(of, (id(&body["id"]), text.to_owned()));
                }
            }
            Request::MakeSandbox { .. } => {
                self.ids.sandboxes.insert(of, body["id"].as_str().expect("an id").to_owned());
            }
            Request::Invite { .. } => {
                let invite = &body["details"]["id"];
                self.ids.invites.insert(of, id(invite));
                let user = users()
                    .find(|user| user.get("invite_id") == Some(invite))
                    .expect("the invited user");
                self.ids.users.insert(of, id(&user["id"]));
            }
            Request::MakeUser { .. } => {
                let team = self.ids.team(model.users[&of].team).to_string();
                let user = users()
                    .find(|user| user["team_id"] == team && user["number"] == body["id"])
                    .expect("the user");
                self.ids.users.insert(of, id(&user["id"]));
            }
            Request::MakeManaged { .. } => {
                self.ids.users.insert(of, id(&body["id"]));
            }
            Request::Delegate { .. } => {
                self.ids
                    .tokens
                    .insert(of, body["access_token"].as_str().expect("a token").to_owned());
            }
            _ => {}
        }
        if let Some(user) = users().find(|user| user["id"] == self.ids.user(of).to_string()) {
            self.ids.numbers.insert(of, user["number"].as_u64().expect("a number"));
        }
    }

    /// Holds an answer against what the model shows.
    fn shown(&self, model: &Model, ask: &Ask, of: Id, answer: &Answer, place: &str) {
        let view = View { model, ids: &self.ids };
        let me = self.owner(ask.by).unwrap_or(of);
        // Who erased themselves is shown nothing more.
        if !model.users.contains_key(&me) {
            return;
        }
        let Some(expected) = view.body(&ask.request, me, of, ask.by) else { return };
        let mut body = if answer.text.is_empty() { Value::Null } else { answer.json() };
        simplify(&ask.request, &mut body);
        assert!(
            alike(&expected, &body),
            "{place}: {}\nexpected {expected}\nanswered {}",
            difference(&expected, &body),
            answer.text
        );
        // The tag of a list or a count is a hash.
        let is_hashed = matches!(
            ask.request,
            Request::ListTeam { .. }
                | Request::Search { .. }
                | Request::ListInactive
                | Request::CountAdmins
        );
        let tag = answer.headers.get("etag").filter(|_| !is_hashed);
        if let (Some(tag), Some(user)) = (tag, model.users.get(&of)) {
            assert_eq!(
                *tag,
                format!("\"{}-{}\"", user.version, user.last_seen.unwrap_or(0)),
                "{place}: {answer:?}"
            );
        }
        if let Request::ListEveryone { limit } = ask.request {
            assert_eq!(
                answer.headers.contains_key("link"),
                model.users.len() > limit,
                "{place}: {answer:?}"
            );
        }
    }

    /// Nobody but platform operators is told of another team's users and of the team, but for those
    /// of whom they asked and who share with them.
    fn told(&self, model: &Model, ask: &Ask, answer: &Answer, call: &Call, place: &str) {
        let me = self.owner(ask.by);
        let record = |id: &Id| model.users.get(id).or_else(|| self.before.users.get(id));
        let user = me.as_ref().and_then(record);
        if user.is_some_and(|user| user.is_operator) || ask.request == Request::ExportAccount {
            return;
        }
        let principal = match ask.by {
            By::Delegated(token) => model.delegations.get(&token).map(|token| token.user),
            _ => None,
        };
        let teams: Vec<Id> = user
            .into_iter()
            .chain(principal.and_then(|id| record(&id)))
            .map(|user| user.team)
            .collect();
        let acquainted = |id: Id| {
            let shares = [&model.shares, &self.before.shares];
            me.is_some_and(|me| {
                me == id
                    || shares.iter().any(|shares| {
                        shares.contains_key(&(me, id)) || shares.contains_key(&(id, me))
                    })
            })
        };
        // An email that a team invited stands in its invite, whoever holds it by now.
        let invited = |email: &String| {
            model
                .invites
                .values()
                .any(|invite| teams.contains(&invite.team) && invite.stored_email() == email)
        };
        for (id, other) in model
            .users
            .iter()
            .filter(|(id, other)| !teams.contains(&other.team) && !acquainted(**id))
        {
            let email = other.email.clone().filter(|email| !invited(email));
            // A key names the platform operator who made it for its owner.
            let minted = format!(r#""minted_by":"{}""#, self.ids.user(*id));
            let told = answer.text.replace(&minted, "");
            for secret in [Some(self.ids.user(*id).to_string()), email].into_iter().flatten() {
                let asked = call.path.contains(&secret) || call.body.contains(&secret);
                assert!(
                    asked || !told.contains(&secret),
                    "{place} tells of {secret}, who is in another team: {answer:?}"
                );
            }
        }
        for id in model.teams.keys().filter(|id| !teams.contains(id)) {
            let secret = self.ids.team(*id).to_string();
            let asked = call.path.contains(&secret) || call.body.contains(&secret);
            assert!(
                asked || !answer.text.contains(&secret),
                "{place} tells of another team, {secret}: {answer:?}"
            );
        }
    }

    /// Holds the table against the model: after each step it has what the model has, and no more.
    fn look(&mut self, model: &Model, items: &[Item], place: &str) {
        let differences = differences(&expected(model, &self.ids), &present(items));
        assert!(
            differences.is_empty(),
            "{place}: the table is another than the model:\n{}",
            differences.join("\n")
        );
        let mut last = self.numbers.clone();
        for item in items.iter().filter(|item| item["sk"] == "USER") {
            let id = |name: &str| {
                item.get(name).and_then(Value::as_str).and_then(|id| id.parse::<Uuid>().ok())
            };
            let (user, team, number) = (
                id("id"),
                id("team_id").expect("a team"),
                item["number"].as_u64().expect("a number"),
            );
            let is_new = |(label, known): (&Id, &Uuid)| {
                Some(*known) == user && !self.before.users.contains_key(label)
            };
            // Who was invited keeps the number.
            if self.ids.users.iter().any(is_new) && id("invited_as").is_none() {
                let before = self.numbers.get(&team).copied().unwrap_or(0);
                assert!(
                    number > before,
                    "{place}: the number {number} was given before: up to {before}"
                );
            }
            let highest = last.entry(team).or_default();
            *highest = number.max(*highest);
        }
        self.numbers = last;
    }
}

/// Whether a platform operator is told that an account was not erased, as someone else came first.
fn has_erased_nobody(answer: &Answer) -> bool {
    answer.status == 200 && answer.text.starts_with(r#"{"deleted":false"#)
}

/// Which outcome is which answer's: of two requests that are the same, either may be the first.
fn pair<'a>(
    outcomes: &[Outcome],
    contract: Contract,
    answers: &'a [Answer],
) -> Vec<(Outcome, &'a Answer)> {
    let fits = |outcome: &Outcome, answer: &Answer| {
        let is_replayed = answer.headers.contains_key("idempotency-replayed");
        match outcome {
            Outcome::Refused(refusal) => {
                refusal.answer(contract).0 == answer.status || has_erased_nobody(answer)
            }
            Outcome::Done(status, _) => {
                *status == answer.status && !is_replayed && !has_erased_nobody(answer)
            }
            Outcome::Replayed(_) => is_replayed,
        }
    };
    let mut answers: Vec<&Answer> = answers.iter().collect();
    if let ([first, second], [one, other]) = (outcomes, answers.as_slice())
        && fits(first, other)
        && fits(second, one)
    {
        answers.reverse();
    }
    outcomes.iter().copied().zip(answers).collect()
}

/// What an `If-Match` is about.
fn if_match(ask: &Ask, me: Option<Id>) -> Option<(Id, Version)> {
    match &ask.request {
        Request::ChangeProfile { if_match, .. } => Some((me.unwrap_or(OPERATOR), (*if_match)?)),
        Request::ChangeQuota { user, if_match, .. }
        | Request::ChangeDirectoryUser { user, if_match, .. }
        | Request::ChangeUser { user, if_match, .. }
        | Request::ChangeManaged { user, if_match, .. } => Some((*user, (*if_match)?)),
        _ => None,
    }
}

/// Leaves out of an answer what cannot be known beforehand.
fn simplify(request: &Request, body: &mut Value) {
    let drop = |body: &mut Value, names: &[&str]| {
        if let Some(fields) = body.as_object_mut() {
            fields.retain(|name, _| !names.contains(&name.as_str()));
        }
    };
    let history = |body: &mut Value| {
        for entry in body.as_array_mut().into_iter().flatten() {
            drop(entry, &["id", "changes", "reason", "credential", "request_id", "address"]);
        }
    };
    match request {
        Request::MakeKey { .. } | Request::RotateKey { .. } | Request::MakeUserKey { .. } => {
            drop(body, &["key"])
        }
        // A response that is given again is that of the first request.
        Request::MakeDefaultKey => drop(body, &["created", "key"]),
        Request::ShowHistory { .. } => history(body),
        Request::ExportAccount => {
            drop(body, &["record", "source_addresses"]);
            history(&mut body["audit_log"]);
        }
        Request::FindUsers { .. } => {
            let found = body.as_array_mut().expect("a list");
            found.sort_by_key(|user| user["id"].as_str().map(str::to_owned));
        }
        Request::ListTeam { .. } => {
            drop(body, &["rootRoles"]);
            for user in body["users"].as_array_mut().into_iter().flatten() {
                drop(user, &["imageUrl"]);
            }
        }
        Request::ShowNumber { .. } | Request::ChangeUser { .. } => drop(body, &["imageUrl"]),
        Request::MakeUser { .. } => drop(body, &["emailSent", "imageUrl"]),
        Request::Search { .. } => {
            for user in body.as_array_mut().into_iter().flatten() {
                drop(user, &["imageUrl"]);
            }
        }
        Request::Delegate { .. } | Request::ShowPrincipalToken => drop(body, &["access_token"]),
        _ => {}
    }
    if let Some(team) = body.get_mut("team") {
        drop(team, &["slug"]);
    }
    for day in body.get_mut("quota_usage").and_then(Value::as_array_mut).into_iter().flatten() {
        day["gb_hours"] = json!(rounded(day["gb_hours"].as_f64().unwrap_or_default()));
    }
}

/// A body of those fields that are there.
fn fields<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    Value::Object(
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect(),
    )
}

fn root_role(role: Role) -> Value {
    match role {
        Role::Admin => json!(1),
        Role::Operator => json!("Editor"),
        Role::Viewer => json!(3),
    }
}

fn workspace_status(status: shared::models::Status) -> &'static str {
    use shared::models::Status;
    match status {
        Status::Invited => "PENDING_REGISTRATION",
        Status::Active => "ACTIVE",
        Status::Suspended => "ACCESS_SUSPENDED",
        Status::Deleted => "REVOKED",
    }
}

/// A text as it stands in a query.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
