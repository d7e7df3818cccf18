//! A DynamoDB that fails on purpose: what stands here, between the SDK and the database, refuses,
//! loses or delays the calls that a test names by their number.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::retry::RetryPartition;
use aws_sdk_dynamodb::config::{AsyncSleep, Builder, Region, Sleep};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
    http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use shared::dynamodb::Client;
use shared::store::Store;
use tokio::sync::watch;

use crate::Roster;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The table is throttled, or a partition of it: by turns, as these are two errors.
    Throttled,
    /// DynamoDB answers 500.
    Broken,
    /// Another transaction is writing one of the items.
    Conflict,
    /// The same transaction is under way already.
    InProgress,
    /// A batch is left to be done.
    Unprocessed,
    /// The connection ends before the call is made.
    CutBefore,
    /// The call is made, and the connection ends before its answer.
    CutAfter,
    /// The call is not made, and nothing ever answers.
    HangsBefore,
    /// The call is made, and nothing ever answers.
    HangsAfter,
    /// An index shows what the table held before.
    Stale,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Throttled,
        Self::Broken,
        Self::Conflict,
        Self::InProgress,
        Self::Unprocessed,
        Self::CutBefore,
        Self::CutAfter,
        Self::HangsBefore,
        Self::HangsAfter,
        Self::Stale,
    ];

    /// Whether it can happen to a call, and is not the same as another one.
    pub fn can_strike(self, call: &Call) -> bool {
        let operation = call.operation.as_str();
        match self {
            Self::Throttled | Self::Broken | Self::CutBefore | Self::HangsBefore => true,
            Self::Conflict => {
                ["TransactWriteItems", "PutItem", "UpdateItem", "DeleteItem"].contains(&operation)
            }
            Self::InProgress => operation == "TransactWriteItems",
            Self::Unprocessed => operation.starts_with("Batch"),
            Self::CutAfter | Self::HangsAfter => call.is_write(),
            Self::Stale => call.is_of_index,
        }
    }

    /// Whether the SDK, or the store, makes the call again: then once is as good as never.
    pub fn is_tried_again(self, call: &Call) -> bool {
        self != Self::Conflict || call.operation == "TransactWriteItems"
    }
}

/// A call of DynamoDB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Such as `GetItem`.
    pub operation: String,
    /// Whether it reads an index.
    pub is_of_index: bool,
}

impl Call {
    fn of(request: &HttpRequest) -> Self {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        Self { operation, is_of_index: body(request).get("IndexName").is_some() }
    }

    /// Whether it may change something.
    pub fn is_write(&self) -> bool {
        ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"]
            .contains(&self.operation.as_str())
    }
}

/// A fault, and the calls that it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strike {
    /// What happens.
    pub fault: Fault,
    /// The first call that it happens to: 0 is the first of all.
    pub from: usize,
    /// Whether it happens to all that follow as well.
    pub lasts: bool,
}

/// The faults of one client, and the calls that it made.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<State>);

#[derive(Debug, Default)]
struct State {
    plan: Mutex<Plan>,
    hanging: Count,
    under_way: Count,
    /// What hangs, or waits before a call is made again.
    waiting: Count,
}

#[derive(Debug, Default)]
struct Plan {
    strike: Option<Strike>,
    calls: Vec<Call>,
    struck: Vec<Call>,
    waited: Duration,
    /// When the waits end that have begun, and a number that tells them apart.
    waits: BTreeSet<(Duration, u64)>,
}

/// How many calls are in some state.
#[derive(Debug, Clone, Default)]
struct Count(Arc<watch::Sender<usize>>);

impl Count {
    /// Counts one more, until what this gives is dropped.
    fn one_more(&self) -> impl Drop + use<> {
        self.0.send_modify(|count| *count += 1);
        Counted(self.clone())
    }

    fn is(&self) -> usize {
        *self.0.borrow()
    }

    async fn wait_for(&self, is_reached: impl FnMut(&usize) -> bool) {
        let _ = self.0.subscribe().wait_for(is_reached).await;
    }
}

struct Counted(Count);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

impl Faults {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans a strike, or none; the calls are counted from here on.
    pub fn plan_for(&self, strike: Option<Strike>) {
        *self.plan() = Plan { strike, ..Plan::default() };
    }

    /// The calls since then.
    pub fn calls(&self) -> Vec<Call> {
        self.plan().calls.clone()
    }

    /// Those of them that were struck.
    pub fn struck(&self) -> Vec<Call> {
        self.plan().struck.clone()
    }

    /// How long the client would have waited in the cloud, for calls that hang and before it makes
    /// one again.
    pub fn waited(&self) -> Duration {
        self.plan().waited
    }

    /// Waits until a call hangs; where the call was to be made, it is.
    pub async fn hanging(&self) {
        self.0.hanging.wait_for(|hanging| *hanging > 0).await;
    }

    /// Waits until no call is under way, of those that were given up as well.
    pub async fn settled(&self) {
        self.0.under_way.wait_for(|under_way| *under_way == 0).await;
    }

    /// What is to happen to a call, and its number.
    fn next(&self, call: Call) -> (Option<Fault>, usize) {
        let mut plan = self.plan();
        let place = plan.calls.len();
        let strikes =
            |strike: &Strike| place == strike.from || (strike.lasts && place > strike.from);
        let fault = plan
            .strike
            .filter(strikes)
            .map(|strike| strike.fault)
            .filter(|fault| fault.can_strike(&call));
        plan.struck.extend(fault.map(|_| call.clone()));
        plan.calls.push(call);
        (fault, place)
    }

    /// A client of a server's database that these faults happen to, and that has the limits of a
    /// function. The database at the address `stale` answers for indexes that have not followed
    /// yet.
    ///
    /// # Panics
    /// Where the server's own client has no HTTP client, as that of the cloud.
    pub fn client(&self, roster: &Roster, stale: &str) -> Client {
        let inner = roster.server.data.client.config().http_client().expect("the database is here");
        let config = Builder::new()
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::for_tests())
            .endpoint_url(&roster.server.data.database.endpoint)
            // Else all clients of a process share what they may try again.
            .retry_partition(RetryPartition::custom("of its own").build())
            .sleep_impl(Patience(self.clone()))
            .http_client(self.between(inner, stale.to_owned()));
        shared::dynamodb::client(config)
    }

    /// A store of a server's table by such a client, whose indexes have followed.
    pub fn store(&self, roster: &Roster) -> Store {
        Store::new(self.client(roster, &roster.server.data.database.endpoint), &roster.table)
    }

    fn between(&self, inner: SharedHttpClient, stale: String) -> SharedHttpClient {
        let faults = self.clone();
        http_client_fn(move |settings, components| {
            let inner = inner.http_connector(settings, components);
            SharedHttpConnector::new(Faulty { inner, stale: stale.clone(), faults: faults.clone() })
        })
    }
}

/// The waiting of a client. Time passes only while nothing is under way but what hangs or waits,
/// and then at once, up to the first end of all waiting: so no call that is made is given up,
/// however slow the machine is.
#[derive(Debug)]
struct Patience(Faults);

/// What is shorter is no time limit, but the wait before a call is made again.
const SHORTEST_LIMIT: Duration = Duration::from_millis(500);

impl AsyncSleep for Patience {
    fn sleep(&self, duration: Duration) -> Sleep {
        let faults = self.0.clone();
        Sleep::new(async move {
            let _waits = (duration < SHORTEST_LIMIT).then(|| faults.0.waiting.one_more());
            faults.0.waiting.wait_for(|waiting| *waiting > 0).await;
            let wait = Wait::begin(&faults, duration);
            loop {
                // What begins at the same time has its turn.
                tokio::time::sleep(Duration::from_millis(1)).await;
                if wait.is_over() {
                    return;
                }
            }
        })
    }
}

/// A wait that has begun.
struct Wait {
    faults: Faults,
    end: (Duration, u64),
}

impl Wait {
    fn begin(faults: &Faults, duration: Duration) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let end = (faults.waited() + duration, NUMBER.fetch_add(1, Ordering::Relaxed));
        faults.plan().waits.insert(end);
        Self { faults: faults.clone(), end }
    }

    fn is_over(&self) -> bool {
        let State { waiting, under_way, .. } = self.faults.0.as_ref();
        let passes = waiting.is() > 0 && under_way.is() == 0;
        let mut plan = self.faults.plan();
        let is_over = passes && plan.waits.first() == Some(&self.end);
        if is_over {
            plan.waited = plan.waited.max(self.end.0);
        }
        is_over
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.faults.plan().waits.remove(&self.end);
    }
}

#[derive(Debug)]
struct Faulty {
    inner: SharedHttpConnector,
    stale: String,
    faults: Faults,
}

impl HttpConnector for Faulty {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (fault, place) = self.faults.next(Call::of(&request));
        let (inner, stale, state) = (self.inner.clone(), self.stale.clone(), self.faults.0.clone());
        let under_way = state.under_way.clone();
        let make = move |request| async move {
            let under_way = under_way.one_more();
            // In a task of its own: it goes on where the caller gives up.
            let call = async move {
                let _under_way = under_way;
                inner.call(request).await
            };
            tokio::spawn(call)
                .await
                .unwrap_or_else(|error| Err(ConnectorError::other(error.into(), None)))
        };
        HttpConnectorFuture::new(async move {
            let Some(fault) = fault else { return make(request).await };
            let cut = || Err(ConnectorError::io("the connection ended".into()));
            match fault {
                Fault::Throttled if place % 2 == 0 => {
                    refusal(400, "ThrottlingException", json!({}))
                }
                Fault::Throttled => {
                    refusal(400, "ProvisionedThroughputExceededException", json!({}))
                }
                Fault::Broken => refusal(500, "InternalServerError", json!({})),
                Fault::InProgress => refusal(400, "TransactionInProgressException", json!({})),
                Fault::Conflict => match body(&request)["TransactItems"].as_array() {
                    None => refusal(400, "TransactionConflictException", json!({})),
                    Some(items) => {
                        let reason = |place| json!({"Code": if place == 0 { "TransactionConflict" } else { "None" }});
                        let reasons: Vec<Value> = (0..items.len()).map(reason).collect();
                        refusal(
                            400,
                            "TransactionCanceledException",
                            json!({"CancellationReasons": reasons}),
                        )
                    }
                },
                Fault::Unprocessed => {
                    let items = body(&request)["RequestItems"].clone();
                    answer(
                        200,
                        &json!({"UnprocessedItems": items, "UnprocessedKeys": items, "Responses": {}}),
                    )
                }
                Fault::CutBefore => cut(),
                Fault::CutAfter => make(request).await.and_then(|_| cut()),
                Fault::HangsBefore | Fault::HangsAfter => {
                    if fault == Fault::HangsAfter {
                        let _ = make(request).await;
                    }
                    let _hanging = (state.hanging.one_more(), state.waiting.one_more());
                    std::future::pending().await
                }
                Fault::Stale => read_from(&stale, &request).await,
            }
        })
    }
}

fn body(request: &HttpRequest) -> Value {
    request.body().bytes().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default()
}

fn refusal(status: u16, kind: &str, mut fields: Value) -> Result<HttpResponse, ConnectorError> {
    fields["__type"] = format!("com.amazonaws.dynamodb.v20120810#{kind}").into();
    fields["message"] = "on purpose".into();
    answer(status, &fields)
}

fn answer(status: u16, body: &Value) -> Result<HttpResponse, ConnectorError> {
    let status =
        StatusCode::try_from(status).map_err(|error| ConnectorError::other(error.into(), None))?;
    Ok(HttpResponse::new(status, SdkBody::from(body.to_string())))
}

/// The answer of another database.
async fn read_from(endpoint: &str, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let failed = |error: reqwest::Error| ConnectorError::other(error.into(), None);
    let http = reqwest::Client::builder().no_proxy().build().map_err(failed)?;
    let headers =
        request.headers().iter().filter(|(name, _)| !["host", "content-length"].contains(name));
    let copy = headers.fold(http.post(endpoint), |copy, (name, value)| copy.header(name, value));
    let answered = copy
        .body(request.body().bytes().unwrap_or_default().to_vec())
        .send()
        .await
        .map_err(failed)?;
    let status = answered.status().as_u16();
    answer(status, &answered.json().await.map_err(failed)?)
}
