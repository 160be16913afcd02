//! The table's stream, and schedules.

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{Chain, Error, Start, clock};

impl Start {
    /// Handles batches of the table's stream. A handler answers the sequence number of the first record that it could
    /// not handle: Lambda repeats everything from there.
    pub async fn stream(
        mut self,
        handle: impl AsyncFn(OffsetDateTime, Vec<EventRecord>) -> Result<(), String>,
    ) -> Result<(), Error> {
        self.check_settings()?;
        let (meter, handle) = (&self.meter, &handle);
        lambda_runtime::run(service_fn(async |event: LambdaEvent<Event>| {
            let outcome = meter.measure_invocation(handle(clock::now(), event.payload.records)).await;
            let mut answer = DynamoDbEventResponse::default();
            if let Err(sequence) = outcome {
                let mut failure = DynamoDbBatchItemFailure::default();
                failure.item_identifier = Some(sequence);
                answer.batch_item_failures.push(failure);
            }
            Ok::<_, Error>(answer)
        }))
        .await
    }

    /// Runs on a schedule, whatever the event says.
    pub async fn schedule<E: std::error::Error + 'static>(
        mut self,
        run: impl AsyncFn(OffsetDateTime) -> Result<(), E>,
    ) -> Result<(), Error> {
        self.check_settings()?;
        let (meter, run) = (&self.meter, &run);
        lambda_runtime::run(service_fn(async |_: LambdaEvent<Value>| {
            meter.measure_invocation(run(clock::now())).await.map_err(|it| {
                tracing::error!(error = %Chain(&it), "the run failed; the next one makes up for it");
                Error::from(it.to_string())
            })
        }))
        .await
    }
}
