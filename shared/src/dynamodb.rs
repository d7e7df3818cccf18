//! The DynamoDB client, and what its calls cost.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
    FinalizerInterceptorContextRef,
};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::{BoxError, ProvideErrorMetadata};
use aws_sdk_dynamodb::operation::batch_get_item::{
    BatchGetItemError, BatchGetItemInput, BatchGetItemOutput,
};
use aws_sdk_dynamodb::operation::batch_write_item::{
    BatchWriteItemError, BatchWriteItemInput, BatchWriteItemOutput,
};
use aws_sdk_dynamodb::operation::get_item::{GetItemError, GetItemInput, GetItemOutput};
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::operation::query::{QueryError, QueryInput, QueryOutput};
use aws_sdk_dynamodb::operation::transact_write_items::{
    TransactWriteItemsError, TransactWriteItemsInput, TransactWriteItemsOutput,
};
use aws_sdk_dynamodb::operation::update_item::{
    UpdateItemError, UpdateItemInput, UpdateItemOutput,
};
use aws_sdk_dynamodb::types::{ConsumedCapacity, ReturnConsumedCapacity};
use aws_smithy_runtime_api::client::interceptors::context::Error as InterceptorError;
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use crate::aws::CONNECT_TIMEOUT;

/// A client with Roster's time limits, retries and meter, from any configuration.
///
/// The SDK sets no read timeout of its own; these bound a request at 3 s. A retry starts from 25
/// ms, as DynamoDB answers in less.
pub fn client(config: impl Into<Builder>) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(Duration::from_secs(1))
        .operation_timeout(Duration::from_secs(3))
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(4)
        .with_initial_backoff(Duration::from_millis(25));
    Client::from_conf(
        config
            .into()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .timeout_config(timeouts)
            .retry_config(retries)
            .interceptor(Metering)
            .build(),
    )
}

/// What a request cost in DynamoDB.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Calls, retries included.
    pub calls: u32,
    /// Waits: calls made together are one.
    pub steps: u32,
    /// Read capacity units.
    pub read_units: f64,
    /// Write capacity units.
    pub write_units: f64,
    /// Calls that DynamoDB throttled, the table's and its indexes' alike.
    pub throttles: u32,
    /// Time with a call under way.
    pub waited: Duration,
    /// The call that failed last, such as `TransactWriteItems`; one whose condition was not met did
    /// not fail.
    pub failed_call: Option<&'static str>,
}

/// Adds up the cost of the calls made inside [`Meter::measure`].
#[derive(Debug, Default)]
pub struct Meter(Mutex<Reading>);

#[derive(Debug, Default)]
struct Reading {
    cost: Cost,
    under_way: u32,
    since: Option<Instant>,
}

tokio::task_local! {
    static METER: Arc<Meter>;
}

impl Meter {
    /// Runs `work`, and answers with what it gave and what it cost.
    pub async fn measure<T>(work: impl Future<Output = T>) -> (T, Cost) {
        let meter = Arc::new(Self::default());
        let output = METER.scope(meter.clone(), work).await;
        let cost = meter.with(|reading| reading.cost);
        (output, cost)
    }

    fn with<T>(&self, action: impl FnOnce(&mut Reading) -> T) -> T {
        action(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Acts on the meter of the running request, if there is one.
    fn current(action: impl FnOnce(&mut Reading)) {
        let _ = METER.try_with(|meter| meter.with(action));
    }
}

/// Asks for the consumed capacity with every call, which costs nothing, and adds it to the running
/// [`Meter`].
#[derive(Debug)]
struct Metering;

/// For each operation that we use: asks for its capacity, and reads it.
macro_rules! operations {
    ($($input:ident, $output:ident, $error:ident: $kind:ident;)+) => {
        /// Says also what operation it is.
        fn ask(context: &mut BeforeSerializationInterceptorContextMut<'_>) -> &'static str {
            $(if let Some(input) = context.input_mut().downcast_mut::<$input>() {
                input.return_consumed_capacity = Some(ReturnConsumedCapacity::Total);
                return stringify!($input).trim_end_matches("Input");
            })+
            "another call"
        }

        fn consumed(context: &FinalizerInterceptorContextRef<'_>) -> (f64, f64) {
            let Some(Ok(output)) = context.output_or_error() else { return (0.0, 0.0) };
            $(if let Some(output) = output.downcast_ref::<$output>() {
                return output.consumed_capacity.iter().flat_map(Units::each).map($kind).fold((0.0, 0.0), |sum, units| (sum.0 + units.0, sum.1 + units.1));
            })+
            (0.0, 0.0)
        }

        /// Returns the code of a service error.
        fn code(error: &InterceptorError) -> Option<&str> {
            $(if let Some(error) = error.downcast_ref::<$error>() {
                return error.code();
            })+
            None
        }
    };
}

operations! {
    GetItemInput, GetItemOutput, GetItemError: read;
    BatchGetItemInput, BatchGetItemOutput, BatchGetItemError: read;
    QueryInput, QueryOutput, QueryError: read;
    PutItemInput, PutItemOutput, PutItemError: write;
    UpdateItemInput, UpdateItemOutput, UpdateItemError: write;
    BatchWriteItemInput, BatchWriteItemOutput, BatchWriteItemError: write;
    TransactWriteItemsInput, TransactWriteItemsOutput, TransactWriteItemsError: write;
}

/// The name of the operation that is under way.
#[derive(Debug)]
struct Operation(&'static str);

impl Storable for Operation {
    type Storer = StoreReplace<Self>;
}

/// A call that is under way until this is dropped: also one that is given up, as another beside it
/// failed.
#[derive(Debug)]
struct UnderWay(Arc<Meter>);

impl UnderWay {
    fn begin(meter: Arc<Meter>) -> Self {
        meter.with(|reading| {
            if reading.under_way == 0 {
                reading.cost.steps += 1;
                reading.since = Some(Instant::now());
            }
            reading.under_way += 1;
        });
        Self(meter)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.with(|reading| {
            reading.under_way = reading.under_way.saturating_sub(1);
            if reading.under_way == 0
                && let Some(since) = reading.since.take()
            {
                reading.cost.waited += since.elapsed();
            }
        });
    }
}

impl Storable for UnderWay {
    type Storer = StoreReplace<Self>;
}

/// Whether an error is more than a condition that was not met.
fn is_failure(error: &OrchestratorError<InterceptorError>) -> bool {
    let condition = |error: &InterceptorError| {
        error
            .downcast_ref::<UpdateItemError>()
            .is_some_and(UpdateItemError::is_conditional_check_failed_exception)
            || error
                .downcast_ref::<PutItemError>()
                .is_some_and(PutItemError::is_conditional_check_failed_exception)
            || error
                .downcast_ref::<TransactWriteItemsError>()
                .is_some_and(TransactWriteItemsError::is_transaction_canceled_exception)
    };
    !error.as_operation_error().is_some_and(condition)
}

/// The codes by which DynamoDB throttles a call, or a part of a transaction.
const THROTTLES: [&str; 5] = [
    "ProvisionedThroughputExceeded",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingError",
    "ThrottlingException",
];

/// Returns whether DynamoDB throttled a call.
fn is_throttle(error: &OrchestratorError<InterceptorError>) -> bool {
    let Some(error) = error.as_operation_error() else { return false };
    if let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
        error.downcast_ref()
    {
        let mut codes = canceled.cancellation_reasons().iter().filter_map(|reason| reason.code());
        return codes.any(|code| THROTTLES.contains(&code));
    }
    code(error).is_some_and(|code| THROTTLES.contains(&code))
}

fn read(capacity: &ConsumedCapacity) -> (f64, f64) {
    (capacity.capacity_units.unwrap_or_default(), 0.0)
}

fn write(capacity: &ConsumedCapacity) -> (f64, f64) {
    (0.0, capacity.capacity_units.unwrap_or_default())
}

/// One capacity, or one per table.
trait Units {
    fn each(&self) -> impl Iterator<Item = &ConsumedCapacity>;
}

impl Units for ConsumedCapacity {
    fn each(&self) -> impl Iterator<Item = &ConsumedCapacity> {
        std::iter::once(self)
    }
}

impl Units for Vec<ConsumedCapacity> {
    fn each(&self) -> impl Iterator<Item = &ConsumedCapacity> {
        self.iter()
    }
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for Metering {
    fn name(&self) -> &'static str {
        "metering"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(Operation(ask(context)));
        if let Ok(meter) = METER.try_with(Arc::clone) {
            config.interceptor_state().store_put(UnderWay::begin(meter));
        }
        Ok(())
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        Meter::current(|reading| reading.cost.calls += 1);
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if matches!(context.output_or_error(), Some(Err(error)) if is_throttle(error)) {
            Meter::current(|reading| reading.cost.throttles += 1);
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (read_units, write_units) = consumed(context);
        let failed = matches!(context.output_or_error(), Some(Err(error)) if is_failure(error));
        let failed_call =
            config.load::<Operation>().filter(|_| failed).map(|operation| operation.0);
        Meter::current(|reading| {
            reading.cost.failed_call = failed_call.or(reading.cost.failed_call);
            reading.cost.read_units += read_units;
            reading.cost.write_units += write_units;
        });
        Ok(())
    }
}
