//! What a handler has at hand.

use std::sync::{Arc, Mutex, PoisonError};

use lambda_http::RequestExt;
use lambda_http::http::header;
use lambda_http::request::RequestContext;
use shared::auth::{self, Caller, Places, TokenVerifier, UsedKey, VerifiedToken};
use shared::config::Config;
use shared::models::{Seen, User};
use shared::store::{Act, SEEN_EVERY, Store};
use shared::{Clock, Result, Timestamp};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::Request;

/// What lives as long as the process.
pub struct App {
    /// The table.
    pub store: Store,
    tokens: TokenVerifier,
    clock: Clock,
}

impl App {
    /// The application over a client of DynamoDB.
    pub fn new(config: &Config, client: shared::dynamodb::Client, clock: Clock) -> Self {
        Self { store: Store::new(client, &config.table_name), tokens: TokenVerifier::new(&config.tokens, clock.clone()), clock }
    }
}

/// What lives as long as one request.
pub struct Context {
    app: Arc<App>,
    places: Places,
    /// The request's time: every write of the request bears it.
    pub now: Timestamp,
    /// The request's id, in the answer and in the log.
    pub request_id: String,
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
        let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let seen = Seen {
            at: now.whole_second(),
            remote_ip: gateway.and_then(|gateway| gateway.http.source_ip.as_deref()?.parse().ok()),
            user_agent: user_agent.chars().take(256).collect(),
        };
        let request_id = gateway.and_then(|gateway| gateway.request_id.clone()).filter(|id| !id.is_empty());
        let (sender, receiver) = oneshot::channel();
        Self {
            app,
            places,
            now,
            request_id: request_id.unwrap_or_else(|| Uuid::now_v7().to_string()),
            seen,
            sightings: Mutex::new(Some(sender)),
            sighting: Mutex::new(Some(receiver)),
        }
    }

    /// The table.
    pub fn store(&self) -> &Store {
        &self.app.store
    }

    /// A change that the caller makes by this request.
    pub fn act(&self, caller: &User, action: &'static str) -> Act {
        Act::new(caller.id, action, self.now)
    }

    /// Verifies the request's credential. For a token that takes no read.
    pub async fn verify(&self, request: &Request) -> Result<VerifiedToken> {
        auth::verify(self.credential(request)?, &self.app.tokens, &self.app.store, self.now).await
    }

    /// The credential's text.
    pub fn credential<'a>(&self, request: &'a Request) -> Result<&'a str> {
        auth::credential(request.headers(), self.places)
    }

    /// Looks up the user whom a verified credential names. That the user was seen, and an API key used, is noted beside the
    /// handler's further work, at most once in ten minutes.
    pub async fn caller(&self, token: &VerifiedToken) -> Result<Caller> {
        let caller = Caller::look_up(&self.app.store, token).await?;
        let cutoff = self.seen.at.plus_seconds(-SEEN_EVERY);
        let sighting = Sighting {
            user: Some(&caller.user).filter(|user| user.last_seen.as_ref().is_none_or(|seen| seen.at < cutoff)).cloned(),
            key: token.used_key().filter(|key| key.last_used_at.is_none_or(|at| at < cutoff)).cloned(),
        };
        if (sighting.user.is_some() || sighting.key.is_some())
            && let Some(sightings) = lock(&self.sightings).take()
        {
            let _ = sightings.send(sighting);
        }
        Ok(caller)
    }

    /// Verifies the credential and looks its user up, for handlers that read nothing beside.
    pub async fn authenticate(&self, request: &Request) -> Result<Caller> {
        self.caller(&self.verify(request).await?).await
    }

    pub(crate) fn no_more_sightings(&self) {
        lock(&self.sightings).take();
    }

    /// Waits for a sighting and notes it. That it fails is no reason to fail the request.
    pub(crate) async fn note_sighting(&self) {
        let Some(sighting) = lock(&self.sighting).take() else { return };
        let Ok(Sighting { user, key }) = sighting.await else { return };
        let store = self.store();
        let note_user = async { if let Some(user) = &user { store.note_seen(user, &self.seen).await } else { Ok(()) } };
        let note_key = async { if let Some(key) = &key { store.note_key_used(key, self.seen.at).await } else { Ok(()) } };
        if let Err(error) = futures::try_join!(note_user, note_key) {
            tracing::warn!(request_id = self.request_id, %error, "a sighting was not noted");
        }
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
