//! Functions that the table's stream or a schedule triggers.

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use time::OffsetDateTime;

use crate::chain::Chain;
use crate::clock;
use crate::start::{Error, Start};

impl Start {
    /// Handles batches of the table's stream. A handler returns the sequence number of the first record that failed: Lambda
    /// retries from there (`ReportBatchItemFailures`).
    pub async fn stream(
        mut self,
        handle: impl AsyncFn(OffsetDateTime, Vec<EventRecord>) -> Result<(), String>,
    ) -> Result<(), Error> {
        self.check_settings()?;
        let (meter, handle) = (&self.meter, &handle);
        lambda_runtime::run(service_fn(async |event: LambdaEvent<Event>| {
            let outcome = meter.measure_invocation(handle(clock::now(), event.payload.records)).await;
            let mut response = DynamoDbEventResponse::default();
            if let Err(sequence) = outcome {
                let mut failure = DynamoDbBatchItemFailure::default();
                failure.item_identifier = Some(sequence);
                response.batch_item_failures.push(failure);
            }
            Ok::<_, Error>(response)
        }))
        .await
    }

    /// Runs on a schedule; the event's content is ignored.
    pub async fn schedule<E: std::error::Error + 'static>(
        mut self,
        run: impl AsyncFn(OffsetDateTime) -> Result<(), E>,
    ) -> Result<(), Error> {
        self.check_settings()?;
        let (meter, run) = (&self.meter, &run);
        lambda_runtime::run(service_fn(async |_: LambdaEvent<Value>| {
            meter.measure_invocation(run(clock::now())).await.map_err(|error| {
                tracing::error!(error = %Chain(&error), "the run failed; the next run repeats what is left");
                Error::from(error.to_string())
            })
        }))
        .await
    }
}
