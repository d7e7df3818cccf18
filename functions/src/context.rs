//! What a handler has at hand.

use std::collections::HashSet;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use lambda_http::RequestExt;
use lambda_http::http::{Method, header};
use lambda_http::request::RequestContext;
use shared::auth::{
    self, Caller, Delegation, KnownCaller, Needs, Newcomers, PersonIds, Places, PublishedKeys,
    Requirement, TokenIssuer, TokenVerifier, UsedKey, VerifiedToken,
};
use shared::config::{Config, ConfigError};
use shared::models::{Seen, User};
use shared::secrets::{Keyring, Vault};
use shared::store::{
    Act, Attribution, Author, KeptAnswer, Receipt, SEEN_EVERY, Store, fingerprint,
};
use shared::{Clock, Error, Fault, Issue, Place, Result, Timestamp};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::log::Log;
use crate::request::sent_bytes;
use crate::{Request, Response};

/// What lives as long as the process.
pub struct App {
    /// The table.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Signs Roster's own tokens; none in a function that signs nothing.
    pub issuer: Option<TokenIssuer>,
    /// Days between a soft delete and the purge.
    pub grace_days: u32,
    /// Where invited users sign up.
    pub sign_up_url: String,
    /// The most requests of one caller in a minute.
    pub requests_per_minute: Option<NonZeroU32>,
    /// The longest life of an API key, in days.
    pub key_max_days: u32,
    /// The time after which a request that may be cut off begins nothing more.
    pub max_turn: Duration,
    /// Where requests are logged.
    pub log: Arc<dyn Log>,
    tokens: TokenVerifier,
    keyring: Arc<Keyring>,
    refused: Mutex<Refused>,
}

/// API Gateway waits 30 s for a response, and what has begun is to be finished by then.
const MAX_TURN: Duration = Duration::from_secs(20);

/// The most callers that are remembered as having sent too much in a minute: of more, some cost a
/// read again.
const MOST_REFUSED: usize = 10_000;

/// The callers that this process refused in a minute for too many requests: by id, and by the
/// SHA-256 of API keys.
#[derive(Default)]
struct Refused {
    minute: i64,
    callers: HashSet<String>,
}

impl Refused {
    fn has(&self, caller: &str, now: Timestamp) -> bool {
        self.minute == minute(now) && self.callers.contains(caller)
    }

    fn note(&mut self, caller: String, now: Timestamp) {
        if self.minute != minute(now) {
            *self = Self { minute: minute(now), callers: HashSet::new() };
        }
        if self.callers.len() < MOST_REFUSED {
            self.callers.insert(caller);
        }
    }
}

fn minute(now: Timestamp) -> i64 {
    now.as_second().div_euclid(60)
}

impl App {
    /// The application over a client of DynamoDB, and one of Secrets Manager where secrets are
    /// there.
    ///
    /// # Errors
    /// Names the variable whose secret cannot be read.
    pub async fn new(
        config: &Config,
        client: shared::dynamodb::Client,
        vault: Option<Vault>,
        log: Arc<dyn Log>,
        clock: Clock,
    ) -> Result<Self, ConfigError> {
        let keyring = Arc::new(Keyring::open(&config.tokens.secrets, vault, clock.now()).await?);
        let store = Store::new(client, &config.table_name).with_caps(config.caps);
        let published = Arc::new(PublishedKeys::new(store.clone()));
        Ok(Self {
            tokens: TokenVerifier::new(
                &config.tokens,
                keyring.clone(),
                published.clone(),
                PersonIds::new(store.clone()),
                clock.clone(),
            ),
            issuer: TokenIssuer::new(&config.tokens, keyring.clone(), published, store.clone()),
            store,
            grace_days: config.grace_days,
            sign_up_url: config.sign_up_url.clone(),
            requests_per_minute: config.requests_per_minute,
            key_max_days: config.key_max_days,
            max_turn: MAX_TURN,
            log,
            keyring,
            clock,
            refused: Mutex::default(),
        })
    }
}

/// What lives as long as one request.
pub struct Context {
    /// What lives longer.
    pub app: Arc<App>,
    places: Places,
    /// The request's time: every write of the request bears it.
    pub now: Timestamp,
    /// The request's id, in the answer and in the log.
    pub request_id: String,
    keyed: Option<Keyed>,
    receipt: OnceLock<Receipt>,
    caller_id: OnceLock<Uuid>,
    attribution: OnceLock<Attribution>,
    source: Option<IpAddr>,
    seen: Seen,
    sightings: Mutex<Option<oneshot::Sender<Sighting>>>,
    sighting: Mutex<Option<oneshot::Receiver<Sighting>>>,
}

impl Context {
    pub(crate) fn new(app: Arc<App>, places: Places, request: &Request) -> Self {
        let now = app.clock.now();
        let gateway = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(gateway)) => Some(gateway),
            _ => None,
        };
        let source = gateway.and_then(|gateway| gateway.http.source_ip.as_deref()?.parse().ok());
        let user_agent = request
            .headers()
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let seen = Seen {
            at: now.whole_second(),
            remote_ip: match source {
                Some(IpAddr::V4(address)) => Some(address),
                _ => None,
            },
            user_agent: user_agent.chars().take(256).collect(),
        };
        let request_id =
            gateway.and_then(|gateway| gateway.request_id.clone()).filter(|id| !id.is_empty());
        let (sender, receiver) = oneshot::channel();
        Self {
            app,
            places,
            now,
            request_id: request_id.unwrap_or_else(|| Uuid::now_v7().to_string()),
            keyed: Keyed::read(request),
            receipt: OnceLock::new(),
            caller_id: OnceLock::new(),
            attribution: OnceLock::new(),
            source,
            seen,
            sightings: Mutex::new(Some(sender)),
            sighting: Mutex::new(Some(receiver)),
        }
    }

    /// The table.
    pub fn store(&self) -> &Store {
        &self.app.store
    }

    /// A change that a caller makes by this request, whose requirement allows changes; or who
    /// signed in, and may have no account yet.
    pub fn act(&self, author: &impl Author, action: &'static str) -> Act {
        Act {
            receipt: self.receipt.get().cloned(),
            attribution: self.attribution.get().cloned().unwrap_or_default(),
            ..author.act(action, self.now)
        }
    }

    /// What signs Roster's own tokens.
    ///
    /// # Errors
    /// An internal error in a function that signs nothing.
    pub fn issuer(&self) -> Result<&TokenIssuer> {
        self.app
            .issuer
            .as_ref()
            .ok_or_else(|| Error::internal("this function holds no signing key"))
    }

    /// Verifies the request's credential. A token of the identity provider takes no read, but once
    /// in a process where its `sub` is no UUID. Nor does an API key of a caller who was refused in
    /// this minute.
    ///
    /// # Errors
    /// As [`auth::verify`]; `TooManyRequests` where this process has refused the caller so in this
    /// minute.
    pub async fn verify(&self, request: &Request) -> Result<VerifiedToken> {
        self.verify_for(request, Newcomers::Unknown).await
    }

    /// Verifies the credential of someone who may sign up.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub async fn verify_newcomer(&self, request: &Request) -> Result<VerifiedToken> {
        self.verify_for(request, Newcomers::Welcome).await
    }

    async fn verify_for(&self, request: &Request, newcomers: Newcomers) -> Result<VerifiedToken> {
        let credential = self.credential(request)?;
        if let Some(hash) = Some(credential)
            .filter(|text| auth::api_key::is_key(text))
            .and_then(auth::api_key::hash)
        {
            self.not_refused(&hash)?;
        }
        let (tokens, store) = (&self.app.tokens, &self.app.store);
        let token =
            auth::verify(credential, tokens, store, self.source, newcomers, self.now).await?;
        let _ = self.caller_id.set(token.user_id());
        let _ = self.attribution.set(Attribution {
            credential: Some(token.audited()),
            request_id: Some(self.request_id.clone()),
            address: self.source.map(|source| source.to_canonical()),
        });
        self.not_refused(&counted(&token).to_string())?;
        Ok(token)
    }

    fn not_refused(&self, caller: &str) -> Result<()> {
        let is_refused = lock(&self.app.refused).has(caller, self.now);
        let left = (minute(self.now) + 1) * 60 - self.now.as_second();
        if is_refused { Err(Error::TooManyRequests(left)) } else { Ok(()) }
    }

    /// Whom the credential names, if it was verified.
    pub(crate) fn caller_id(&self) -> Option<Uuid> {
        self.caller_id.get().copied()
    }

    /// The credential's text.
    pub fn credential<'a>(&self, request: &'a Request) -> Result<&'a str> {
        auth::credential(request.method(), request.headers(), self.places)
    }

    /// Looks up the user whom a verified credential names, and holds the credential against the
    /// requirement `R`. That the user was seen, and an API key used, is noted beside the handler's
    /// further work, at most once in ten minutes.
    ///
    /// # Errors
    /// What [`KnownCaller::look_up`] and [`KnownCaller::require`] give; `TooManyRequests`;
    /// `Answered` for a request that was answered before, which ends the handler.
    pub async fn caller<R: Requirement>(&self, token: &VerifiedToken) -> Result<Caller<R>> {
        self.known_caller(token, R::NEEDS).await?.require()
    }

    async fn known_caller(&self, token: &VerifiedToken, needs: Needs) -> Result<KnownCaller> {
        // Where it takes a token, an API key costs no read of its owner.
        if needs.takes_token()
            && let Err(refusal) = token.claims()
        {
            self.count_requests(token, 1).await?;
            return Err(refusal);
        }
        let look_up = KnownCaller::look_up(&self.app.store, token);
        let (caller, counted, earlier) =
            futures::join!(look_up, self.count_requests(token, 1), self.earlier(token));
        // The limit holds for every caller whose credential is known; a former response is for
        // those alone who may still use the account.
        counted?;
        let caller = caller?;
        caller.meets(needs)?;
        if let Some((receipt, kept)) = earlier? {
            self.not_answered(receipt.with_rights(caller.rights()), kept)?;
        }
        let cutoff = self.seen.at.plus_seconds(-SEEN_EVERY);
        let sighting = Sighting {
            user: Some(caller.user())
                .filter(|user| user.last_seen.as_ref().is_none_or(|seen| seen.at < cutoff))
                .cloned(),
            key: token
                .used_key()
                .filter(|key| key.last_used_at.is_none_or(|at| at < cutoff))
                .cloned(),
        };
        if (sighting.user.is_some() || sighting.key.is_some())
            && let Some(sightings) = lock(&self.sightings).take()
        {
            let _ = sightings.send(sighting);
        }
        Ok(caller)
    }

    /// The record of a caller who meets the requirement `R`; with a delegated token of that scope,
    /// or one that comes from it, that of the user it is for. Its use has an entry in that user's
    /// history.
    ///
    /// # Errors
    /// `Delegated` for such a token without the scope.
    pub async fn caller_or_principal<R: Requirement>(
        &self,
        token: &VerifiedToken,
        scope: &str,
    ) -> Result<User> {
        let Some(delegation) = token.delegation() else {
            return Ok(self.caller::<R>(token).await?.user);
        };
        let user = self.principal(token, delegation).await?;
        if !delegation.has(scope) {
            return Err(Error::Delegated);
        }
        self.note_delegation_used(token, delegation).await?;
        Ok(user)
    }

    /// Notes that a delegated token was used, or one that comes from it.
    pub async fn note_delegation_used(
        &self,
        token: &VerifiedToken,
        delegation: &Delegation,
    ) -> Result<()> {
        let action =
            if token.is_principal() { "principal_token.used" } else { "delegated_token.used" };
        self.store().note_delegation_used(token, delegation, &self.act(delegation, action)).await
    }

    /// The caller who meets the requirement `R`, also with a token that comes from a delegated one
    /// of that scope. A delegated token itself is refused.
    ///
    /// # Errors
    /// `Delegated` for a delegated token, and for a token without the scope.
    pub async fn caller_themselves<R: Requirement>(
        &self,
        token: &VerifiedToken,
        scope: &str,
    ) -> Result<Caller<R>> {
        if token.delegation().is_none() {
            return self.caller::<R>(token).await;
        }
        if !token.is_principal() {
            return Err(Error::Delegated);
        }
        let user = self.caller_or_principal::<R>(token, scope).await?;
        KnownCaller::of_principal(token, user)?.require()
    }

    /// Verifies the credential and looks its user up, for handlers that read nothing beside.
    pub async fn authenticate<R: Requirement>(&self, request: &Request) -> Result<Caller<R>> {
        self.caller(&self.verify(request).await?).await
    }

    /// The user whom a delegated token is for, or one that comes from it, where the one to whom it
    /// was given sent no more requests than one may.
    ///
    /// # Errors
    /// What [`KnownCaller::principal_of`] gives; `TooManyRequests`.
    pub async fn principal(&self, token: &VerifiedToken, delegation: &Delegation) -> Result<User> {
        let principal =
            KnownCaller::principal_of(&self.app.store, token, delegation, &DEFAULT_SCOPES);
        let (user, counted) = futures::join!(principal, self.count_requests(token, 1));
        counted?;
        user
    }

    /// Lets a request go on that is within what its caller may send in a minute, and was not
    /// answered before: one with an `Idempotency-Key` that was ends here. For handlers whose caller
    /// cannot be looked up.
    ///
    /// # Errors
    /// `TooManyRequests`; `Answered` with the answer, `KeyReused` where the key belongs to another
    /// request, `Invalid` where it is none.
    pub async fn admit(&self, token: &VerifiedToken) -> Result<()> {
        let (counted, earlier) = futures::join!(self.count_requests(token, 1), self.earlier(token));
        counted?;
        earlier?.map_or(Ok(()), |(receipt, kept)| self.not_answered(receipt, kept))
    }

    /// Counts a request of a caller, or the work of one that is worth several.
    ///
    /// # Errors
    /// `TooManyRequests` where the caller had sent as many as one may in a minute.
    pub async fn count_requests(&self, token: &VerifiedToken, requests: u32) -> Result<()> {
        let Some(most) = self.app.requests_per_minute else { return Ok(()) };
        let outcome = self.app.store.count_requests(counted(token), requests, most, self.now).await;
        if matches!(outcome, Err(Error::TooManyRequests(_))) {
            let mut refused = lock(&self.app.refused);
            refused.note(counted(token).to_string(), self.now);
            if let Some(key) = token.used_key() {
                refused.note(key.sha256.clone(), self.now);
            }
        }
        outcome
    }

    /// The receipt of a request with an `Idempotency-Key`, and the answer that it was given before.
    async fn earlier(
        &self,
        token: &VerifiedToken,
    ) -> Result<Option<(Receipt, Option<KeptAnswer>)>> {
        let Some(Keyed { key, fingerprint }) = &self.keyed else { return Ok(None) };
        let key = key.as_deref().map_err(|issue| Error::invalid(issue.clone()))?;
        let keys = self.app.keyring.keys(self.now).await;
        let secret = keys
            .responses
            .as_ref()
            .ok_or_else(|| Error::internal("this function stores no responses"))?;
        let receipt =
            Receipt::new(secret, token.user_id(), &token.kind(), key, fingerprint, self.now)?;
        let kept = self.app.store.answered(&receipt).await?;
        Ok(Some((receipt, kept)))
    }

    /// Lets a request go on that was not answered before.
    fn not_answered(&self, receipt: Receipt, kept: Option<KeptAnswer>) -> Result<()> {
        match kept {
            Some(kept) => Err(Error::Answered(Box::new(kept.open(&receipt)?))),
            None => {
                let _ = self.receipt.set(receipt);
                Ok(())
            }
        }
    }

    /// The outcome of a request, as its `Idempotency-Key` has it: an answer is kept for the next
    /// time, and where the same request was answered while this one ran, it is that answer.
    pub(crate) async fn settle(&self, outcome: Result<Response>) -> Result<Response> {
        match (outcome, self.receipt.get()) {
            (Err(Error::Answered(answer)), _) => Ok(*answer),
            (Ok(answer), Some(receipt)) if answer.status().is_success() => {
                self.app.store.keep_answer(receipt, answer).await
            }
            (Err(error), Some(receipt)) => match self.app.store.answered(receipt).await {
                Ok(Some(kept)) => kept.open(receipt),
                _ => Err(error),
            },
            (outcome, _) => outcome,
        }
    }

    pub(crate) fn no_more_sightings(&self) {
        lock(&self.sightings).take();
    }

    /// Waits for a sighting and notes it. That it fails is no reason to fail the request.
    pub(crate) async fn note_sighting(&self) {
        let Some(sighting) = lock(&self.sighting).take() else { return };
        let Ok(Sighting { user, key }) = sighting.await else { return };
        let store = self.store();
        let note_user = async {
            if let Some(user) = &user { store.note_seen(user, &self.seen).await } else { Ok(()) }
        };
        let note_key = async {
            if let Some(key) = &key { store.note_key_used(key, self.seen.at).await } else { Ok(()) }
        };
        if let Err(error) = futures::try_join!(note_user, note_key) {
            tracing::warn!(request_id = self.request_id, %error, "a sighting was not noted");
        }
    }
}

/// Whose requests are counted: those of who acts, not of whom they act for.
fn counted(token: &VerifiedToken) -> Uuid {
    token.delegation().map_or(token.user_id(), |delegation| delegation.actor)
}

/// What users let themselves, and their managers, do.
pub const DEFAULT_SCOPES: [&str; 3] = ["data:read", "data:write", "profile"];

/// A POST with an `Idempotency-Key`.
struct Keyed {
    key: Result<String, Issue>,
    fingerprint: String,
}

impl Keyed {
    fn read(request: &Request) -> Option<Self> {
        let header = request
            .headers()
            .get("idempotency-key")
            .filter(|_| request.method() == Method::POST)?;
        let printable = |key: &&str| {
            (8..=255).contains(&key.len()) && key.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        };
        let issue = || {
            Issue::new(
                Place::Header,
                "Idempotency-Key",
                Fault::NotA("8 to 255 printable ASCII characters"),
            )
        };
        let key = header.to_str().ok().filter(printable).map(str::to_owned).ok_or_else(issue);
        let uri = request.uri();
        let fingerprint = fingerprint(&[
            uri.path().as_bytes(),
            uri.query().unwrap_or_default().as_bytes(),
            sent_bytes(request),
        ]);
        Some(Self { key, fingerprint })
    }
}

/// What is to be noted of a caller.
struct Sighting {
    user: Option<User>,
    key: Option<UsedKey>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
