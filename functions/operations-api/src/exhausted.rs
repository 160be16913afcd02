//! Deliveries whose attempts are used up. They stand in the table, as records of their channels, and are listed, redriven and
//! discarded beside the dead letters of the same kind: what a dead receiver has not got is its application's, and no failure of
//! the deployment's.

use std::collections::BTreeSet;

use domain::channel::{Channel, ChannelKind};
use domain::command::Delivery;
use domain::notification::{Notification, NotificationId};
use domain::{AppId, ChannelId};
use entry::http::Problem;
use entry::{Queue, clock};
use table::{FailedDelivery, TableError};
use time::Duration;

use crate::context::Context;

/// Deliveries that one request looks at.
const MAX_SEEN: usize = 100;

/// The deliveries that a request is about.
#[derive(Clone, Copy)]
pub(crate) enum Selection<'a> {
    All,
    /// Those to channels that are switched on: what is for another one stays until it is switched on.
    Deliverable,
    /// Those with these ids.
    Named(&'a [String]),
}

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
    selection: Selection<'_>,
) -> Result<(Vec<ExhaustedDelivery>, bool), TableError> {
    let mut channels = context.table.channels(app).await?;
    channels.retain(|it| it.target.kind() == kind);
    match selection {
        Selection::All => {}
        Selection::Deliverable => channels.retain(|it| it.active),
        Selection::Named(ids) => return Ok((find_named(context, app, &channels, ids).await?, false)),
    }
    let (mut all, mut more) = (Vec::new(), false);
    for channel in channels {
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

/// Those of them with these ids, however many others there are.
async fn find_named(
    context: &Context,
    app: AppId,
    channels: &[Channel],
    ids: &[String],
) -> Result<Vec<ExhaustedDelivery>, TableError> {
    let mut all = Vec::new();
    for id in ids.iter().collect::<BTreeSet<&String>>() {
        let Some((channel, id)) = parse_id(id) else { continue };
        let Some(channel) = channels.iter().find(|it| it.id == channel) else { continue };
        let record = context.table.failed_delivery(app, channel.id, &id).await?;
        let Some(record) = record.filter(|it| it.exhausted) else { continue };
        if let Some(notification) = context.table.notification(app, &id).await? {
            all.push(ExhaustedDelivery { record, channel: channel.clone(), notification });
        }
    }
    Ok(all)
}

/// The channel and the notification that the id of a delivery names.
fn parse_id(id: &str) -> Option<(ChannelId, NotificationId)> {
    let (channel, notification) = id.split_once('~')?;
    Some((channel.parse().ok()?, notification.parse().ok()?))
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
