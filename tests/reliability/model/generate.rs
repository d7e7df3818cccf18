//! Which steps are tried in a state: mostly such as may well succeed, and some by anyone about
//! anything.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest_state_machine::ReferenceStateMachine;
use shared::models::{Role, SandboxStatus, Status};

use super::state::{DAY, Model, OPERATOR};
use super::steps::{
    Ask, By, DirectoryPage, EMAILS, Holds, Id, MALFORMED, NAMES, PERSONS, Request, SCOPES,
    SEARCHES, Step, TIERS, Version, WORKSPACE_FIELDS, WorkspacePage,
};
use super::{START, prelude};

/// The model, as what the real thing is held against.
pub struct Reference;

impl ReferenceStateMachine for Reference {
    type State = Model;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Model> {
        let mut model = Model::new(START);
        for step in prelude() {
            model.take(&step);
        }
        Just(model).boxed()
    }

    fn transitions(model: &Model) -> BoxedStrategy<Step> {
        let mut steps = Steps::of(model);
        steps.account();
        steps.keys();
        steps.operator();
        steps.sandboxes();
        steps.directory();
        steps.user_admin();
        steps.managed_users();
        steps.workspace();
        steps.others();
        prop::strategy::Union::new_weighted(steps.choices).boxed()
    }

    fn apply(mut model: Model, step: &Step) -> Model {
        model.take(step);
        model
    }

    fn preconditions(model: &Model, step: &Step) -> bool {
        match step {
            // What names a user by number is the same request only as long as the user is there.
            Step::Repeat { of, altered, .. } => model.receipt(*of).is_some_and(|receipt| {
                let must_be_kept =
                    *altered || matches!(receipt.ask.request, Request::DeleteInactive { .. });
                !must_be_kept || model.is_kept(receipt)
            }),
            // Whether a caller may is read once: what takes that away from them, sent twice, is
            // done twice or not.
            Step::Ask(Ask { by, request, twice: true, .. }) if request.is_about().is_some() => {
                request.is_about() != model.owner(*by)
            }
            // Of several administrators who are gone for long, which one stays is not fixed: here
            // it is the caller.
            Step::Ask(Ask { by, request: Request::DeleteInactive { .. }, .. }) => {
                let governs = |id: &Id| model.users.get(id).is_some_and(|user| user.governs());
                match by {
                    By::Token(id) => governs(id),
                    By::Key(key) => model.keys.get(key).is_some_and(|key| governs(&key.owner)),
                    _ => true,
                }
            }
            _ => true,
        }
    }
}

/// The choices in a state.
struct Steps<'a> {
    model: &'a Model,
    label: Id,
    /// Good credentials, with whose they are.
    callers: Vec<(By, Id)>,
    /// Any credential.
    anyone: Vec<By>,
    /// Any user: present, gone, and one who never was.
    everyone: Vec<Id>,
    choices: Vec<(u32, BoxedStrategy<Step>)>,
}

fn if_match() -> impl Strategy<Value = Option<Version>> {
    option::weighted(0.4, select(vec![Version::Any, Version::Present, Version::Former]))
}

fn name() -> impl Strategy<Value = &'static str> {
    select(NAMES.to_vec())
}

fn scopes() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(SCOPES.to_vec(), 1..=SCOPES.len())
}

fn directory_page(fields: &'static [&'static str]) -> impl Strategy<Value = DirectoryPage> {
    (select(fields), any::<bool>(), 0_usize..6, 1_usize..8).prop_map(
        |(field, descending, offset, size)| DirectoryPage {
            team: 0,
            field,
            descending,
            offset,
            size,
        },
    )
}

impl<'a> Steps<'a> {
    fn of(model: &'a Model) -> Self {
        let mut callers: Vec<(By, Id)> = Vec::new();
        for (id, _) in model.users.iter().filter(|(id, user)| **id < PERSONS && user.is_usable()) {
            callers.extend([(By::Token(*id), *id); 3]);
        }
        for (key, owner) in model.keys.iter().map(|(id, key)| (By::Key(*id), key.owner)) {
            callers.extend(model.caller(key).ok().map(|_| (key, owner)));
        }
        let mut anyone: Vec<By> =
            (0..PERSONS).map(By::Token).chain([By::Forger(OPERATOR), By::Nobody]).collect();
        anyone.extend(model.keys.keys().map(|key| By::Key(*key)));
        anyone.extend(model.delegations.keys().map(|token| By::Delegated(*token)));
        let everyone = model.history.keys().copied().chain([Id::MAX]).collect();
        Self { model, label: model.next, callers, anyone, everyone, choices: Vec::new() }
    }

    /// Adds a kind of request: by one of `suited` about what goes with it, or by anyone about any
    /// of `targets`, with something else.
    fn add<T: Clone + std::fmt::Debug + 'static, E: std::fmt::Debug + 'static>(
        &mut self,
        weight: u32,
        suited: Vec<(By, T)>,
        targets: Vec<T>,
        extra: impl Strategy<Value = E> + 'static,
        request: impl Fn(T, E) -> Request + 'static,
    ) {
        if targets.is_empty() {
            return;
        }
        let strange = (select(self.anyone.clone()), select(targets.clone()));
        let (weight, pair) = if suited.is_empty() {
            (1, strange.boxed())
        } else {
            let callers: Vec<By> = suited.iter().map(|(by, _)| *by).collect();
            let pair = prop_oneof![16 => select(suited), 1 => strange, 1 => (select(callers), select(targets))];
            (weight * 2, pair.boxed())
        };
        let label = self.label;
        let strategy = (pair, extra, prop::bool::weighted(0.35), prop::bool::weighted(0.15));
        let step = strategy.prop_map(move |((by, target), extra, keyed, twice)| {
            let request = request(target, extra);
            let (keyed, twice) = (keyed && request.is_post(), twice && request.changes());
            Step::Ask(Ask { label, by, request, keyed, twice })
        });
        self.choices.push((weight, step.boxed()));
    }

    /// The same about nothing, by whoever is as `may` has it.
    fn add_by<E: std::fmt::Debug + 'static>(
        &mut self,
        weight: u32,
        may: impl Fn(&Self, Id) -> bool,
        extra: impl Strategy<Value = E> + 'static,
        request: impl Fn(E) -> Request + 'static,
    ) {
        let suited =
            self.callers.iter().filter(|(_, id)| may(self, *id)).map(|(by, _)| (*by, ())).collect();
        self.add(weight, suited, vec![()], extra, move |(), extra| request(extra));
    }

    /// The same about users, by whoever is as `may` has it.
    fn add_about<E: std::fmt::Debug + 'static>(
        &mut self,
        weight: u32,
        may: impl Fn(&Self, Id, Id) -> bool,
        extra: impl Strategy<Value = E> + 'static,
        request: impl Fn(Id, E) -> Request + 'static,
    ) {
        let pairs = self
            .callers
            .iter()
            .flat_map(|(by, me)| self.model.users.keys().map(|user| (*by, *me, *user)));
        let suited = pairs
            .filter(|(_, me, user)| may(self, *me, *user))
            .map(|(by, _, user)| (by, user))
            .collect();
        self.add(weight, suited, self.everyone.clone(), extra, request);
    }

    fn is_operator(&self, id: Id) -> bool {
        self.model.users[&id].is_operator
    }

    fn is_admin(&self, id: Id) -> bool {
        self.model.users[&id].role == Role::Admin
    }

    fn status(&self, id: Id) -> Status {
        self.model.users[&id].status
    }

    /// Whether an administrator has a user in the team.
    fn has(&self, admin: Id, user: Id) -> bool {
        self.is_admin(admin) && self.model.users[&admin].team == self.model.users[&user].team
    }

    /// The keys or sandboxes of callers, with them.
    fn own(&self, owned: impl Iterator<Item = (Id, Id)> + Clone) -> (Vec<(By, Id)>, Vec<Id>) {
        let callers = self.callers.iter();
        let pairs = callers.flat_map(|(by, me)| {
            owned.clone().filter(|(_, owner)| *owner == *me).map(|(id, _)| (*by, id))
        });
        (pairs.collect(), owned.clone().map(|(id, _)| id).chain([Id::MAX]).collect())
    }

    fn account(&mut self) {
        let strangers: Vec<(By, ())> =
            self.model.strangers().into_iter().map(|id| (By::Token(id), ())).collect();
        let anew = self.callers.first().map(|(by, _)| (*by, ()));
        let verified = select(vec![None, Some(true), Some(true), Some(false)]);
        self.add(
            6,
            strangers.into_iter().chain(anew).collect(),
            vec![()],
            verified,
            |(), verified| Request::SignUp { verified },
        );
        let delegated = self.model.delegations.keys().map(|token| (By::Delegated(*token), ()));
        let delegated: Vec<_> =
            delegated.chain(self.callers.first().map(|(by, _)| (*by, ()))).collect();
        self.add(2, delegated.clone(), vec![()], Just(()), |(), ()| Request::ShowAccount);
        self.add(2, delegated, vec![()], Just(()), |(), ()| Request::ShowPrincipalToken);
        let display_name = option::weighted(0.8, option::weighted(0.8, name()));
        self.add_by(
            2,
            |_, _| true,
            (display_name, if_match()),
            |(display_name, if_match)| Request::ChangeProfile { display_name, if_match },
        );
        self.add_by(1, |_, _| true, Just(()), |()| Request::ExportAccount);
        self.add_by(1, |_, id| id != OPERATOR, Just(()), |()| Request::DeleteAccount);
        let deleted = self
            .model
            .users
            .iter()
            .filter(|(id, user)| **id < PERSONS && user.status == Status::Deleted);
        let deleted = deleted.map(|(id, _)| (By::Token(*id), ())).collect();
        self.add(2, deleted, vec![()], Just(()), |(), ()| Request::RestoreAccount);
    }

    fn keys(&mut self) {
        self.add_by(1, |_, _| true, Just(()), |()| Request::ListKeys);
        let now = self.model.now;
        let until = option::weighted(
            0.4,
            select(vec![0, 1, 600, 3600, 40 * DAY]).prop_map(move |seconds| now + seconds),
        );
        let holds = select(vec![Holds::Usual, Holds::Common, Holds::All, Holds::All]);
        self.add_by(
            2,
            |_, _| true,
            (prop::bool::weighted(0.3), until, holds),
            |(operator, until, holds)| Request::MakeKey { operator, until, holds },
        );
        self.add_by(1, |_, _| true, Just(()), |()| Request::MakeDefaultKey);
        let (suited, keys) = self.own(self.model.keys.iter().map(|(id, key)| (*id, key.owner)));
        let overlap = select(vec![0, 60, 3600, DAY]);
        self.add(2, suited.clone(), keys.clone(), overlap, |key, overlap| Request::RotateKey {
            key,
            overlap,
        });
        self.add(1, suited, keys, Just(()), |key, ()| Request::RevokeKey { key });
    }

    fn operator(&mut self) {
        self.add_by(1, Self::is_operator, 1_usize..6, |limit| Request::ListEveryone { limit });
        self.add_by(1, Self::is_operator, select(SEARCHES.to_vec()), |text| Request::FindUsers {
            text,
        });
        self.add_by(1, Self::is_operator, Just(()), |()| Request::ListTiers);
        self.add_about(
            1,
            |all, me, _| all.is_operator(me),
            Just(()),
            |user, ()| Request::ShowUser { user },
        );
        let tier = (select(TIERS.to_vec()), if_match());
        self.add_about(
            2,
            |all, me, _| all.is_operator(me),
            tier,
            |user, (tier, if_match)| Request::ChangeQuota { user, tier, if_match },
        );
        let may = |all: &Self, me, user| all.is_operator(me) && all.status(user) != Status::Deleted;
        self.add_about(2, may, Just(()), |user, ()| Request::MakeUserKey { user });
        let may = |all: &Self, me, user| {
            all.is_operator(me) && me != user && all.model.users[&user].is_usable()
        };
        self.add_about(1, may, Just(()), |user, ()| Request::Suspend { user });
        let may =
            |all: &Self, me, user| all.is_operator(me) && all.status(user) == Status::Suspended;
        self.add_about(2, may, Just(()), |user, ()| Request::Unsuspend { user });
        let may = |all: &Self, me, user| all.is_operator(me) && all.status(user) == Status::Deleted;
        self.add_about(1, may, Just(()), |user, ()| Request::RestoreUser { user });
        self.add_about(1, may, Just(()), |user, ()| Request::EraseUser { user });
        self.add_about(
            1,
            |all, me, _| all.is_operator(me),
            1_usize..8,
            |user, limit| Request::ShowHistory { user, limit },
        );
    }

    fn sandboxes(&mut self) {
        let figures = (select(vec![512, 2048]), select(vec![60_000, 3_600_000, 3 * 3_600_000]));
        self.add_by(
            4,
            |_, _| true,
            figures,
            |(memory_mb, timeout_ms)| Request::MakeSandbox { memory_mb, timeout_ms },
        );
        let owned = self.model.sandboxes.iter().map(|(id, sandbox)| (*id, sandbox.owner));
        let (_, all) = self.own(owned);
        let present = self
            .model
            .sandboxes
            .iter()
            .filter(|(_, sandbox)| sandbox.status != SandboxStatus::Destroyed);
        let (suited, _) = self.own(present.map(|(id, sandbox)| (*id, sandbox.owner)));
        self.add(2, suited.clone(), all.clone(), any::<bool>(), |sandbox, runs| {
            Request::ChangeSandbox { sandbox, runs }
        });
        self.add(2, suited, all, Just(()), |sandbox, ()| Request::DestroySandbox { sandbox });
    }

    /// Administrators, and platform operators, with the teams that they may see.
    fn administered(&self) -> (Vec<(By, Id)>, Vec<Id>) {
        let users = &self.model.users;
        let own = self
            .callers
            .iter()
            .filter(|(_, id)| self.is_admin(*id))
            .map(|(by, id)| (*by, users[id].team));
        let operators = self.callers.iter().filter(|(_, id)| self.is_operator(*id));
        let others = operators.flat_map(|(by, _)| self.model.teams.keys().map(|team| (*by, *team)));
        (own.chain(others).collect(), self.model.teams.keys().copied().chain([Id::MAX]).collect())
    }

    fn directory(&mut self) {
        let (suited, teams) = self.administered();
        let page = directory_page(&["id", "last_seen", "status", "title"]);
        self.add(2, suited.clone(), teams.clone(), page, |team, page| {
            Request::ListDirectory(DirectoryPage { team, ..page })
        });
        let page = directory_page(&["id", "status", "title"]);
        self.add(1, suited.clone(), teams.clone(), page, |team, page| {
            Request::ListInvites(DirectoryPage { team, ..page })
        });
        self.add(3, suited, teams, select(EMAILS.to_vec()), |team, email| Request::Invite {
            team,
            email,
        });
        let may = |all: &Self, me, user| all.has(me, user) || all.is_operator(me);
        self.add_about(1, may, Just(()), |user, ()| Request::ShowDirectoryUser { user });
        let change = (
            option::weighted(0.6, option::weighted(0.8, name())),
            option::weighted(0.4, select(vec!["smith", "baker"])),
            if_match(),
        );
        self.add_about(2, may, change, |user, (name, job_title, if_match)| {
            Request::ChangeDirectoryUser { user, name, job_title, if_match }
        });
        let invites = self.model.invites.iter();
        let of_own = |by: &By, me: &Id| {
            let own = invites.clone().filter(|(_, invite)| {
                invite.team == self.model.users[me].team && self.is_admin(*me)
            });
            let own = own.map(|(id, _)| (*by, (*id, None)));
            let other = invites
                .clone()
                .filter(|_| self.is_operator(*me))
                .map(|(id, invite)| (*by, (*id, Some(invite.team))));
            own.chain(other).collect::<Vec<_>>()
        };
        let suited = self.callers.iter().flat_map(|(by, me)| of_own(by, me)).collect();
        let any = invites.clone().map(|(id, _)| (*id, None)).chain([(Id::MAX, None)]).collect();
        self.add(2, suited, any, Just(()), |(invite, team), ()| Request::RevokeInvite {
            invite,
            team,
        });
    }

    fn user_admin(&mut self) {
        self.add_by(1, Self::is_admin, 1_usize..6, |limit| Request::ListTeam { limit });
        self.add_by(1, Self::is_admin, Just(()), |()| Request::CountAdmins);
        self.add_by(2, |_, _| true, select(SEARCHES.to_vec()), |text| Request::Search { text });
        self.add_by(1, Self::is_admin, Just(()), |()| Request::ListInactive);
        self.add_about(1, Self::has, Just(()), |user, ()| Request::ShowNumber { user });
        let role = || select(Role::ALL);
        let username = || select(vec!["ada", "ADA", "sami"]);
        let either = prop_oneof![
            3 => select(EMAILS.to_vec()).prop_map(|email| (Some(email), None)),
            1 => username().prop_map(|username| (None, Some(username))),
            1 => (select(EMAILS.to_vec()), username()).prop_map(|(email, username)| (Some(email), Some(username))),
        ];
        let user = (either, option::of(name()), role());
        self.add_by(3, Self::is_admin, user, |((email, username), name, role)| Request::MakeUser {
            email,
            username,
            name,
            role,
        });
        let email = option::weighted(0.3, option::weighted(0.8, select(EMAILS.to_vec())));
        let change = (option::of(name()), email, option::of(role()), if_match());
        self.add_about(3, Self::has, change, |user, (name, email, role, if_match)| {
            Request::ChangeUser { user, name, email, role, if_match }
        });
        self.add_about(1, Self::has, Just(()), |user, ()| Request::DeleteUser { user });
        let inactive: Vec<Id> =
            self.model.users.keys().copied().filter(|id| self.model.is_inactive(*id)).collect();
        let weight = if inactive.is_empty() { 1 } else { 4 };
        // One who is nobody of the caller's team refuses all of them.
        let some = prop_oneof![
            1 => subsequence(self.everyone.clone(), 0..=self.everyone.len()),
            4 => subsequence(inactive.clone(), 0..=inactive.len()),
        ];
        self.add_by(weight, Self::is_admin, some, |users| Request::DeleteInactive { users });
    }

    fn managed_users(&mut self) {
        let parts = (
            prop::bool::weighted(0.8),
            prop::bool::weighted(0.8),
            option::weighted(0.3, select(vec!["a", "O", "ě"])),
        );
        self.add_by(
            2,
            |_, _| true,
            parts,
            |(managed, shared, name)| Request::ListManaged { managed, shared, name },
        );
        self.add_by(
            3,
            |_, _| true,
            (name(), option::of(name())),
            |(first, last)| Request::MakeManaged { first, last },
        );
        let manages = |all: &Self, me, user| all.model.users[&user].manager == Some(me);
        self.add_about(1, manages, Just(()), |user, ()| Request::ShowManaged { user });
        let change = (option::of(name()), option::of(name()), if_match());
        self.add_about(2, manages, change, |user, (first, last, if_match)| {
            Request::ChangeManaged { user, first, last, if_match }
        });
        self.add_about(1, manages, Just(()), |user, ()| Request::DeleteManaged { user });
        self.add_by(1, |_, _| true, Just(()), |()| Request::ListShares);
        self.add_about(
            3,
            |_, me, user| me != user,
            scopes(),
            |with, scopes| Request::Share { with, scopes },
        );
        let shares = |all: &Self, me, user| all.model.shares.contains_key(&(me, user));
        self.add_about(1, shares, Just(()), |with, ()| Request::Unshare { with });
        let granted = |all: &Self, me, user| all.model.granted(user, me).is_some();
        let asked = prop_oneof![1 => Just(Vec::new()), 1 => scopes()];
        self.add_about(3, granted, asked, |user, scopes| Request::Delegate { user, scopes });
    }

    fn workspace(&mut self) {
        let everyone = self.everyone.clone();
        let ids = subsequence(everyone.clone(), 0..=everyone.len());
        let role = option::weighted(0.3, select(Role::ALL));
        let status = option::weighted(0.3, select(Status::ALL));
        let page = (
            1_usize..4,
            1_usize..8,
            select(WORKSPACE_FIELDS.to_vec()),
            any::<bool>(),
            role,
            status,
            option::weighted(0.2, ids),
        );
        let page =
            page.prop_map(|(page, size, field, descending, role, status, ids)| WorkspacePage {
                page,
                size,
                field,
                descending,
                role,
                status,
                // None at all is no filter.
                ids: ids.filter(|ids| !ids.is_empty()),
            });
        self.add_by(4, |_, _| true, page, Request::ListWorkspace);
        self.add_by(1, |_, _| true, Just(()), |()| Request::ShowWorkspaceUser { user: None });
        let may = |all: &Self, me, user| me == user || all.has(me, user);
        self.add_about(1, may, Just(()), |user, ()| Request::ShowWorkspaceUser {
            user: Some(user),
        });
    }

    fn others(&mut self) {
        let persons =
            self.callers.iter().filter(|(by, _)| matches!(by, By::Token(_))).map(|(by, _)| *by);
        let by: Vec<By> = persons.chain([By::Nobody]).collect();
        let label = self.label;
        let malformed = (select(by), 0..MALFORMED.len()).prop_map(move |(by, which)| {
            Step::Ask(Ask {
                label,
                by,
                request: Request::Malformed(which),
                keyed: false,
                twice: false,
            })
        });
        self.choices.push((4, malformed.boxed()));
        let keys: Vec<Id> = self.model.receipts.keys().map(|(_, of)| *of).collect();
        if !keys.is_empty() {
            let model = self.model.clone();
            let repeat =
                (select(keys), prop::bool::weighted(0.25)).prop_map(move |(of, altered)| {
                    let is_kept = model.receipt(of).is_some_and(|receipt| model.is_kept(receipt));
                    Step::Repeat { label, of, altered: altered && is_kept }
                });
            self.choices.push((8, repeat.boxed()));
        }
        let seconds = prop_oneof![
            12 => 1..900_i64,
            4 => 3600..7200_i64,
            3 => Just(DAY + 1),
            2 => Just(31 * DAY),
            1 => Just(181 * DAY),
        ];
        self.choices.push((10, seconds.prop_map(Step::Pass).boxed()));
        let due =
            self.model.users.values().any(|user| user.due.is_some_and(|due| due <= self.model.now));
        self.choices.push((if due { 20 } else { 1 }, Just(Step::Purge).boxed()));
        let persons: Vec<Id> =
            (0..PERSONS).filter(|id| self.model.users.contains_key(id)).collect();
        if !persons.is_empty() {
            let any_left = self.callers.iter().any(|(_, id)| self.is_operator(*id));
            let set = (select(persons), prop::bool::weighted(0.7))
                .prop_map(|(id, is_operator)| Step::SetOperator(id, is_operator));
            self.choices.push((if any_left { 1 } else { 20 }, set.boxed()));
        }
    }
}
