//! Deliveries whose attempts are used up. They stand in the table, as records of their channels, and are listed, redriven and
//! discarded beside the dead letters of the same kind: what a dead receiver has not got is its application's, and no failure of
//! the deployment's.

use domain::AppId;
use domain::channel::{Channel, ChannelKind};
use domain::command::Delivery;
use domain::notification::Notification;
use entry::http::Problem;
use entry::{Queue, clock};
use table::{FailedDelivery, TableError};
use time::Duration;

use crate::context::Context;

/// Deliveries that one request looks at.
const MAX_SEEN: usize = 100;

/// A delivery whose attempts are used up, and all that another attempt takes.
pub(crate) struct ExhaustedDelivery {
    pub(crate) record: FailedDelivery,
    pub(crate) channel: Channel,
    notification: Notification,
}

impl ExhaustedDelivery {
    /// The id that the delivery has in the list of deliveries.
    pub(crate) fn id(&self) -> String {
        format!("{}~{}", self.record.channel, self.record.notification)
    }

    /// Why it has not arrived.
    pub(crate) fn reason(&self) -> String {
        let (count, channel) = (self.record.attempts.len(), self.record.channel);
        let last = self.record.last_attempt().map(|it| it.outcome.to_string()).unwrap_or_default();
        format!("{count} attempts to reach channel {channel} failed; the last: {last}")
    }

    /// When its last attempt was made, in milliseconds since 1970.
    pub(crate) fn at(&self) -> i64 {
        self.record.last_attempt().map_or(0, |it| it.at)
    }

    /// One more attempt, with the next number.
    pub(crate) fn next_attempt(&self) -> Delivery {
        let (attempt, round) = self.record.last_attempt().map_or((0, None), |it| (it.attempt, it.round));
        Delivery { attempt: attempt + 1, round, ..Delivery::new(&self.channel, self.notification.clone()) }
    }
}

/// The application's deliveries to channels of a kind whose attempts are used up, as far as their notifications are still kept;
/// and whether there are more.
pub(crate) async fn find(
    context: &Context,
    app: AppId,
    kind: ChannelKind,
) -> Result<(Vec<ExhaustedDelivery>, bool), TableError> {
    let (mut all, mut more) = (Vec::new(), false);
    for channel in context.table.channels(app).await?.into_iter().filter(|it| it.target.kind() == kind) {
        let left = MAX_SEEN - all.len();
        if left == 0 {
            return Ok((all, true));
        }
        let (records, further) = context.table.exhausted_deliveries(app, channel.id, left).await?;
        more |= further;
        for record in records {
            if let Some(notification) = context.table.notification(app, &record.notification).await? {
                all.push(ExhaustedDelivery { record, channel: channel.clone(), notification });
            }
        }
    }
    Ok((all, more))
}

/// Queues one more attempt of a delivery after a delay. It is queued before it is taken from those that are used up.
pub(crate) async fn redrive(
    context: &Context,
    app: AppId,
    queue: &Queue,
    delivery: &ExhaustedDelivery,
    delay: Duration,
) -> Result<(), Problem> {
    queue.send_deliveries(&[(&delivery.next_attempt(), delay)]).await?;
    let next_at = domain::millis(clock::now() + delay);
    Ok(context.table.take_exhausted(app, &delivery.record, Some(next_at)).await?)
}
