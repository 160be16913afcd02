//! After a batch: how the receivers are doing, for whoever delivers next.

use domain::health::Turn;
use entry::Chain;
use serde_json::json;
use table::TableError;
use time::OffsetDateTime;

use crate::receivers::{Known, Receivers};
use crate::{Parts, settle};

/// Notes what the batch saw. Its deliveries are settled already: what cannot be noted now is seen again with the next.
pub(crate) async fn note<R>(parts: &Parts, receivers: &Receivers<R>, now: OffsetDateTime) {
    for known in receivers.values().flatten().flatten() {
        if let Err(error) = change(parts, known, now).await {
            tracing::warn!(error = %Chain(&error), channel.id = %known.channel.id, "the receiver's health was not noted");
        }
    }
}

async fn change<R>(parts: &Parts, known: &Known<R>, now: OffsetDateTime) -> Result<(), TableError> {
    let (app, id) = (known.channel.app, known.channel.id);
    let seen = known.seen();
    let mut health = known.health.clone();
    for _ in 0..5 {
        let Some((next, turn)) = health.after(seen, domain::millis(now)) else { return Ok(()) };
        if parts.table.put_health(app, id, &next).await? {
            return told(parts, known, turn, now).await;
        }
        health = parts.table.health(app, id).await?; // another batch saw the same receiver
    }
    Ok(())
}

async fn told<R>(parts: &Parts, known: &Known<R>, turn: Option<Turn>, now: OffsetDateTime) -> Result<(), TableError> {
    let channel = &known.channel;
    let data = json!({ "channel": { "id": channel.id } });
    let write_id = |what: &str| format!("{}.{what}.{}", channel.id, domain::millis(now));
    match turn {
        None => Ok(()),
        Some(Turn::Failing) => settle::tell(parts, channel, "channel.failing", data, &write_id("failing"), now).await,
        Some(Turn::Recovered) => {
            settle::tell(parts, channel, "channel.recovered", data, &write_id("recovered"), now).await
        }
        Some(Turn::Disable(why)) => settle::disable(parts, channel, why, now).await,
    }
}
