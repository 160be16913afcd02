//! After a batch: how the receivers are doing, for whoever delivers next.

use domain::circuit_breaker::HealthTransition;
use entry::Chain;
use serde_json::json;
use table::TableError;
use time::OffsetDateTime;

use crate::receivers::{ReceiverState, Receivers};
use crate::{Context, settle};

/// Notes what the batch saw. Its deliveries are settled already: what cannot be noted now is seen again with the next.
pub(crate) async fn update<R>(parts: &Context, receivers: &Receivers<R>, now: OffsetDateTime) {
    for known in receivers.values().flatten().flatten() {
        if let Err(error) = update_receiver(parts, known, now).await {
            tracing::warn!(error = %Chain(&error), channel.id = %known.channel.id, "the receiver's health was not noted");
        }
    }
}

async fn update_receiver<R>(parts: &Context, known: &ReceiverState<R>, now: OffsetDateTime) -> Result<(), TableError> {
    let (app, id) = (known.channel.app, known.channel.id);
    let seen = known.observations();
    let mut health = known.health.clone();
    for _ in 0..5 {
        let Some((next, turn)) = health.after(seen, domain::millis(now)) else { return Ok(()) };
        if parts.table.put_health(app, id, &next).await? {
            return publish_transition(parts, known, turn, now).await;
        }
        health = parts.table.health(app, id).await?; // another batch saw the same receiver
    }
    Ok(())
}

async fn publish_transition<R>(
    parts: &Context,
    known: &ReceiverState<R>,
    turn: Option<HealthTransition>,
    now: OffsetDateTime,
) -> Result<(), TableError> {
    let channel = &known.channel;
    let data = json!({ "channel": { "id": channel.id } });
    let write_id = |what: &str| format!("{}.{what}.{}", channel.id, domain::millis(now));
    match turn {
        None => Ok(()),
        Some(HealthTransition::Failing) => {
            settle::publish(parts, channel, "channel.failing", data, &write_id("failing"), now).await
        }
        Some(HealthTransition::Recovered) => {
            settle::publish(parts, channel, "channel.recovered", data, &write_id("recovered"), now).await
        }
        Some(HealthTransition::Disable(why)) => settle::disable_channel(parts, channel, why, now).await,
    }
}
