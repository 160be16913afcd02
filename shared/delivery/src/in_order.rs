//! What comes after something else: the progress of a process follows the messages of its tasks, also those that are
//! delivered only by a retry.

use domain::command::Delivery;
use domain::{adcreative, millis};
use entry::Failure;
use entry::queue::MAX_DELAY;
use serde_json::Value;
use table::TableError;
use time::{Duration, OffsetDateTime};

use crate::Context;

/// A retry that is overdue for longer, in milliseconds, was dropped: nobody waits for it.
const MAX_OVERDUE_MS: i64 = 300_000;
/// Retries that are looked at.
const MAX_RETRIES_READ: usize = 20;

/// Queues what follows a delivery that has come to its end.
pub(crate) async fn enqueue_follower(parts: &Context, order: &Delivery) -> Result<(), Failure> {
    match order.next_delivery() {
        Some(next) => Ok(parts.queue.send_deliveries(&[(&next, Duration::ZERO)]).await?),
        None => Ok(()),
    }
}

/// How long the last progress of a process waits for a task's message that is to be tried again; `None` if there is none.
pub(crate) async fn delay_for_retries(
    parts: &Context,
    order: &Delivery,
    now: OffsetDateTime,
) -> Result<Option<Duration>, TableError> {
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
    for (at, id) in due.filter(|(at, id)| at + MAX_OVERDUE_MS > millis(now) && *id != it.id).take(MAX_RETRIES_READ) {
        let of = parts.table.notification(order.app, &id).await?;
        let ours = |it: &domain::notification::Notification| {
            it.kind == adcreative::TASK_COMPLETED && it.data.pointer("/process/id") == Some(process)
        };
        if of.is_some_and(|it| ours(&it)) {
            let left = Duration::milliseconds((at - millis(now)).max(0)) + Duration::SECOND;
            return Ok(Some(left.min(MAX_DELAY)));
        }
    }
    Ok(None)
}
