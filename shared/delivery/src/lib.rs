//! Deliveries, whatever the protocol: a batch of deliveries becomes attempts, made concurrently. Before a message is
//! acknowledged, its attempt is final or the next attempt is stored.

mod attempt;
mod batch;
mod context;
mod health;
mod in_order;
mod pending;
mod receivers;
mod sender;
mod settle;
mod stragglers;

use entry::{Error, Start};

pub use context::{Context, ResultImages};
pub use sender::{Sender, with_timeout};

/// Runs a delivery function: batches of its queue, sent by `sender`.
pub async fn run<S: Sender>(start: Start, context: Context, sender: S) -> Result<(), Error> {
    start.batches(async |now, messages| batch::handle(&context, &sender, now, messages).await).await
}
