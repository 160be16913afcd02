//! Deliveries that depend on others: the final progress of a process comes after the messages of its tasks, also after
//! those that need a retry; and the events of an ordering key come one after the other.

use domain::command::Delivery;
use domain::notification::Notification;
use domain::{adcreative, millis};
use entry::queue::MAX_DELAY;
use entry::{MessageError, clock};
use serde_json::Value;
use table::{OrderedQueue, TableError};
use time::{Duration, OffsetDateTime};

use crate::context::Context;

/// A retry that is overdue for longer counts as lost: it is not waited for.
const MAX_OVERDUE_MS: i64 = 300_000;
/// How many pending retries of a channel are examined.
const MAX_RETRIES_READ: usize = 20;

/// Queues the deliveries that follow one that is final.
pub(crate) async fn enqueue_follower(context: &Context, delivery: &Delivery) -> Result<(), MessageError> {
    if let Some(next) = delivery.next_delivery() {
        context.queue.send_deliveries(&[(&next, Duration::ZERO)]).await?;
    }
    let Some(queue) = ordered_queue(delivery) else { return Ok(()) };
    let (position, now) = (delivery.notification.id.position(), clock::now());
    let mut next = context.table.finish_ordered(&queue, position, now).await?;
    while let Some(id) = next {
        match context.table.notification(delivery.app, &id).await? {
            Some(notification) => {
                let next = delivery.followed_by(notification);
                return Ok(context.queue.send_deliveries(&[(&next, Duration::ZERO)]).await?);
            }
            // it has waited until its notification expired
            None => next = context.table.finish_ordered(&queue, id.position(), now).await?,
        }
    }
    Ok(())
}

/// Whether an ordered delivery is final already: SQS has delivered its message before.
pub(crate) async fn is_finished(context: &Context, delivery: &Delivery) -> Result<bool, TableError> {
    match ordered_queue(delivery) {
        Some(queue) => context.table.is_finished(&queue, delivery.notification.id.position()).await,
        None => Ok(false),
    }
}

/// The ordered queue whose first delivery this is. A replay and a retry by hand are in no order.
fn ordered_queue(delivery: &Delivery) -> Option<OrderedQueue> {
    let key = delivery.notification.ordering_key()?;
    let is_first = delivery.ordered && delivery.round.is_none();
    is_first.then(|| OrderedQueue::new(delivery.app, delivery.channel, key))
}

/// How long the final progress of a process has to wait for a message of a task that is being retried; `None` if there
/// is no such message, or the delivery is something else.
pub(crate) async fn delay_for_retries(
    context: &Context,
    delivery: &Delivery,
    now: OffsetDateTime,
) -> Result<Option<Duration>, TableError> {
    let progress = &delivery.notification;
    let is_progress = progress.kind == adcreative::TASKS_PROGRESS;
    let Some(process) = progress.data.pointer("/process/id").filter(|_| is_progress) else { return Ok(None) };
    if progress.data.get("progress").and_then(Value::as_u64) != Some(100) {
        return Ok(None);
    }
    let records = context.table.failed_deliveries(delivery.app, delivery.channel).await?;
    let retries = records.into_iter().filter(|it| it.state == "retrying");
    let pending = retries.filter_map(|it| Some((it.next_at?, it.notification)));
    let pending = pending.filter(|(at, id)| at + MAX_OVERDUE_MS > millis(now) && *id != progress.id);
    for (at, id) in pending.take(MAX_RETRIES_READ) {
        let retried = context.table.notification(delivery.app, &id).await?;
        let is_task_of_process =
            |it: Notification| it.kind == adcreative::TASK_COMPLETED && it.data.pointer("/process/id") == Some(process);
        if retried.is_some_and(is_task_of_process) {
            let left = Duration::milliseconds((at - millis(now)).max(0)) + Duration::SECOND;
            return Ok(Some(left.min(MAX_DELAY)));
        }
    }
    Ok(None)
}
