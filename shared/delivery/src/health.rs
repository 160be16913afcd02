//! Stores the health of receivers, for the circuit breaker and the choice of the lane: after a batch, and within it when
//! other batches have to know.

use domain::circuit_breaker::HealthTransition;
use entry::Chain;
use serde_json::json;
use table::TableError;
use time::OffsetDateTime;

use crate::context::Context;
use crate::receivers::{ReceiverState, Receivers};
use crate::settle;

/// Attempts to store a receiver's health, which other batches change at the same time.
const MAX_PUT_ATTEMPTS: usize = 5;

/// Updates the health of each receiver. The deliveries of the batch are settled already, so that a failure here is
/// logged only: the next batch observes the receiver again.
pub(crate) async fn update<R>(context: &Context, receivers: &Receivers<R>, now: OffsetDateTime) {
    for target in receivers.values().flatten().flatten() {
        update_receiver(context, target, now).await;
    }
}

/// Stores what was observed of a receiver since the last update; a failure is logged.
pub(crate) async fn update_receiver<R>(context: &Context, target: &ReceiverState<R>, now: OffsetDateTime) {
    if let Err(error) = store_observations(context, target, now).await {
        tracing::warn!(error = %Chain(&error), channel.id = %target.channel.id, "the receiver's health was not stored");
    }
}

async fn store_observations<R>(
    context: &Context,
    target: &ReceiverState<R>,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    let (app, id) = (target.channel.app, target.channel.id);
    let mut stored = target.stored.lock().await;
    let stats = target.take_observations();
    for _ in 0..MAX_PUT_ATTEMPTS {
        let Some((next, transition)) = stored.after(stats, domain::millis(now)) else { return Ok(()) };
        if context.table.put_health(app, id, &next).await? {
            *stored = next;
            return publish_transition(context, target, transition, now).await;
        }
        *stored = context.table.health(app, id).await?; // another batch has changed it
    }
    Ok(())
}

async fn publish_transition<R>(
    context: &Context,
    target: &ReceiverState<R>,
    transition: Option<HealthTransition>,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    let channel = &target.channel;
    let data = json!({ "channel": { "id": channel.id } });
    let write_id = |what: &str| format!("{}.{what}.{}", channel.id, domain::millis(now));
    match transition {
        None => Ok(()),
        Some(HealthTransition::Failing) => {
            settle::publish(context, channel, "channel.failing", data, &write_id("failing"), now).await
        }
        Some(HealthTransition::Recovered) => {
            settle::publish(context, channel, "channel.recovered", data, &write_id("recovered"), now).await
        }
        Some(HealthTransition::Disable(reason)) => settle::disable_channel(context, channel, reason, now).await,
    }
}
