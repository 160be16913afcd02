//! Deliveries, whatever the protocol: a batch of orders becomes attempts, side by side, and every attempt has a successor
//! or an end before it is acknowledged.

mod attempt;
mod batch;
mod health;
mod in_order;
mod receivers;
mod settle;

use std::sync::Arc;
use std::time::Duration;

use channels::{AttemptOutcome, Message};
use domain::channel::Channel;
use entry::secrets::SecretError;
use entry::{Error, Queue, Secrets, Start};
use table::Table;
use time::OffsetDateTime;
use tokio::sync::Semaphore;

/// One way to reach receivers.
pub trait Sender {
    /// What it needs to know of a channel, its secrets opened.
    type Receiver;

    /// Opens a channel's secrets; `None` if the channel is of another kind.
    fn receiver(
        &self,
        secrets: &Secrets,
        channel: &Channel,
        now: OffsetDateTime,
    ) -> impl Future<Output = Result<Option<Self::Receiver>, SecretError>>;

    /// One attempt. What happened is an outcome, not an error. `None` if there was no answer within `patience`, which is
    /// less than a receiver may take; without it the protocol's own limit holds.
    fn send(
        &self,
        to: &Self::Receiver,
        message: &Message,
        sent_at: OffsetDateTime,
        patience: Option<Duration>,
    ) -> impl Future<Output = Option<AttemptOutcome>>;
}

/// An attempt whose answer comes at its end, if it comes in time.
pub async fn with_timeout(
    patience: Option<Duration>,
    attempt: impl Future<Output = AttemptOutcome>,
) -> Option<AttemptOutcome> {
    match patience {
        None => Some(attempt.await),
        Some(patience) => tokio::time::timeout(patience, attempt).await.ok(),
    }
}

/// What deliveries need.
pub struct Context {
    pub table: Table,
    pub secrets: Secrets,
    /// Where the function's own orders come from, and retries go to.
    pub queue: Queue,
    /// Where orders for slow receivers go; without it this function has the patience itself.
    pub slow_queue: Option<Queue>,
    /// Pictures that messages tell of.
    pub images: ResultImages,
}

/// The bucket with the pictures of image tasks.
pub struct ResultImages {
    pub s3: aws_sdk_s3::Client,
    pub bucket: String,
    /// Pictures that are fetched at once.
    pub downloads: Semaphore,
}

impl Context {
    /// What a function has whose own queue a setting names.
    pub fn new(start: &mut Start, queue: &'static str) -> Self {
        let table = start.table();
        Self {
            secrets: Secrets::new(table.clone(), Arc::new(start.seal())),
            table,
            queue: start.queue(queue),
            slow_queue: start.optional_queue("SLOW_QUEUE"),
            images: ResultImages { s3: start.s3(), bucket: start.text("RESULTS"), downloads: Semaphore::new(2) },
        }
    }
}

/// Runs a function that delivers by one way.
pub async fn run<S: Sender>(start: Start, parts: Context, sender: S) -> Result<(), Error> {
    start.batches(async |now, messages| batch::handle(&parts, &sender, now, messages).await).await
}
