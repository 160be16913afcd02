//! Claim, work under the lease, commit.

use domain::address::Allowed;
use domain::item::{Item, Problem, Status};
use domain::order::ProcessOrder;
use domain::processing::{Plan, claim, complete, fail, skip};
use entry::{Failure, Message, Meter, Secrets, clock};
use table::{Committed, Table};
use time::Duration;

use crate::lease;
use crate::pipeline::{self, End};

/// What the handler works with.
pub(crate) struct Parts {
    pub(crate) table: Table,
    pub(crate) secrets: Secrets,
    pub(crate) s3: aws_sdk_s3::Client,
    /// The bucket of results.
    pub(crate) results: String,
    pub(crate) lease: Duration,
    pub(crate) ffmpeg: String,
    pub(crate) allowed: Allowed,
    pub(crate) meter: Meter,
}

/// Handles an order. One that has been overtaken (done, held by another worker, ordered twice) is acknowledged: the
/// item's row says what becomes of it, and `sweep` returns it if its worker has gone silent.
pub(crate) async fn handle(parts: &Parts, message: Message) -> Result<(), Failure> {
    let order: ProcessOrder = message.order("order to process")?;
    let Some(item) = parts.table.item(order.item).await? else { return Ok(()) };
    let now = clock::now();
    let Some(held) = claim(now, &item, parts.lease) else { return Ok(()) };
    if parts.table.commit(&held, now).await? == Committed::Overtaken {
        return Ok(());
    }
    let item = held.item;
    tracing::info!(item.id = %item.id, key = %item.key, attempt = item.attempts, "processing {}", item.key);
    let Some(end) = lease::held(parts, &item, pipeline::run(parts, &item)).await else {
        tracing::warn!(item.id = %item.id, "the lease of {} was lost; another worker has it", item.key);
        return Ok(());
    };
    let plan = plan(&item, end?);
    tell(&plan.item);
    parts.table.commit(&plan, clock::now()).await?;
    Ok(())
}

fn plan(item: &Item, end: End) -> Plan {
    let now = clock::now();
    match end {
        End::Done(results) => complete(now, item, results),
        End::Skip(problem) => skip(now, item, problem),
        End::Fail(problem) => fail(now, item, problem, false),
        End::Again(problem) => fail(now, item, problem, true),
    }
}

fn tell(item: &Item) {
    let why = item.error.as_ref().map_or("", |it: &Problem| it.message.as_str());
    match (item.status, &item.results) {
        (Status::Completed, Some(it)) => {
            let faces = if it.faces == 1 { "1 face".to_owned() } else { format!("{} faces", it.faces) };
            tracing::info!(item.id = %item.id, faces = it.faces, "completed {}: {faces}", item.key);
        }
        (Status::Pending, _) => {
            tracing::warn!(item.id = %item.id, error = why, "{} will be tried again: {why}", item.key)
        }
        (status, _) => tracing::warn!(item.id = %item.id, error = why, "{} is {}: {why}", item.key, status.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_events_decode() {
        let event: serde_json::Value =
            serde_json::from_str(include_str!("../../../events/process.faces.json")).unwrap();
        serde_json::from_str::<ProcessOrder>(event["Records"][0]["body"].as_str().unwrap()).unwrap();
    }
}
