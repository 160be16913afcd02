//! Looks at the queues: where dead letters wait, and where messages are due and do not get on. The lines that it logs are the
//! metrics of two alarms (`DeadLetters` and `StuckQueues` of the template), so they have the level that is always logged.

use domain::queue_watch::QueueLook;
use entry::Chain;
use futures_util::future::try_join;
use time::OffsetDateTime;

use crate::context::Context;

/// Looks at the queues, if the last look is some minutes old. A look that fails is repeated by the next run.
pub(crate) async fn watch(context: &Context, last: QueueLook, now: OffsetDateTime) -> QueueLook {
    if !last.is_old(now) {
        return last;
    }
    let (work, dead) = match try_join(context.work_queues.read(), context.dead_letter_queues.read()).await {
        Ok(both) => both,
        Err(error) => {
            tracing::error!(error = %Chain(&error), "the queues are not watched: {}", Chain(&error));
            return last;
        }
    };
    let dead: Vec<(&String, u64)> = dead.iter().map(|it| (it.0, it.1.due)).filter(|it| it.1 > 0).collect();
    if !dead.is_empty() {
        let letters: u64 = dead.iter().map(|it| it.1).sum();
        let names: Vec<String> = dead.iter().map(|(name, count)| format!("{name}: {count}")).collect();
        tracing::error!(dead_letters = letters, "dead letters wait: {}", names.join(", "));
    }
    let look = last.next(now, &work);
    let stuck = look.stuck();
    if !stuck.is_empty() {
        tracing::error!(stuck_queues = stuck.len(), "messages are due and do not get on: {}", stuck.join(", "));
    }
    look
}
