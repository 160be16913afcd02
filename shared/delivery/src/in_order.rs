//! What comes after something else: the progress of a process follows the messages of its tasks, also those that are
//! delivered only by a retry.

use domain::order::Delivery;
use domain::{adcreative, millis};
use entry::Failure;
use entry::queue::LONGEST_DELAY;
use serde_json::Value;
use table::TableError;
use time::{Duration, OffsetDateTime};

use crate::Parts;

/// A retry that is overdue for longer, in milliseconds, was dropped: nobody waits for it.
const OVERDUE: i64 = 300_000;
/// Retries that are looked at.
const MOST: usize = 20;

/// Queues what follows a delivery that has come to its end.
pub(crate) async fn follow(parts: &Parts, order: &Delivery) -> Result<(), Failure> {
    match order.follower() {
        Some(next) => Ok(parts.queue.send_deliveries(&[(&next, Duration::ZERO)]).await?),
        None => Ok(()),
    }
}

/// How long the last progress of a process waits for a task's message that is to be tried again; `None` if there is none.
pub(crate) async fn wait(parts: &Parts, order: &Delivery, now: OffsetDateTime) -> Result<Option<Duration>, TableError> {
    let it = &order.notification;
    let Some(process) = it.data.pointer("/process/id").filter(|_| it.kind == adcreative::TASKS_PROGRESS) else {
        return Ok(None);
    };
    if it.data.get("progress").and_then(Value::as_u64) != Some(100) {
        return Ok(None);
    }
    let records = parts.table.failed_deliveries(order.app, order.channel).await?;
    let retried = records.into_iter().filter(|it| it.state == "retrying");
    let due = retried.filter_map(|it| Some((it.next_at?, it.notification)));
    for (at, id) in due.filter(|(at, id)| at + OVERDUE > millis(now) && *id != it.id).take(MOST) {
        let of = parts.table.notification(order.app, &id).await?;
        let ours = |it: &domain::notification::Notification| {
            it.kind == adcreative::TASK_COMPLETED && it.data.pointer("/process/id") == Some(process)
        };
        if of.is_some_and(|it| ours(&it)) {
            let left = Duration::milliseconds((at - millis(now)).max(0)) + Duration::SECOND;
            return Ok(Some(left.min(LONGEST_DELAY)));
        }
    }
    Ok(None)
}
