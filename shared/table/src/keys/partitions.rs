//! Partition keys and sort keys, as rows share them.

use domain::message_store::BoxId;
use domain::notification::Stream;
use domain::notification_channel::NotificationChannelId;
use domain::{AppId, ChannelId};

pub(crate) fn application(app: AppId) -> String {
    format!("APP#{app}")
}

pub(crate) fn item_index(app: AppId) -> String {
    format!("FOUND#{app}")
}

pub(crate) fn tally(app: AppId) -> String {
    format!("TALLY#{app}")
}

pub(crate) fn stream_partition(app: AppId, stream: &Stream) -> String {
    format!("STREAM#{app}#{}", escaped(&stream.to_string()))
}

pub(crate) fn segment(app: AppId) -> String {
    format!("SEGMENT#{app}#deliveries")
}

pub(crate) fn failed_deliveries(app: AppId, channel: ChannelId) -> String {
    format!("DELIVERY#{app}#{channel}")
}

pub(crate) fn due(slot: u64, shard: u8) -> String {
    format!("DUE#{slot:010}#{shard:02}")
}

pub(crate) fn iconik_domain(name: &str) -> String {
    format!("DOMAIN#{}", escaped(name))
}

pub(crate) fn origin(name: &str) -> String {
    format!("ORIGIN#{}", escaped(name))
}

pub(crate) fn recent_notifications(app: AppId) -> String {
    format!("TOLD#{app}")
}

pub(crate) fn processes(app: AppId) -> String {
    format!("PROCESS#{app}")
}

pub(crate) fn notification_channels(app: AppId, user: &str) -> String {
    format!("NC#{app}#{}", escaped(user))
}

/// The partition of what waits in a notification channel.
pub(crate) fn channel_queue(id: &NotificationChannelId) -> String {
    format!("NCQ#{}#{}#{}", id.app, escaped(&id.user), id.number)
}

/// The partition of a box of the message store.
pub(crate) fn message_box(id: &BoxId) -> String {
    format!("NMS#{}#{}#{}", id.app, escaped(&id.store), escaped(&id.name))
}

/// The partition of what waits for the `notifyURL` of a subscription to a box.
pub(crate) fn event_lists(id: &BoxId, subscription: u64) -> String {
    format!("OUT#{}#{}#{}#{subscription}", id.app, escaped(&id.store), escaped(&id.name))
}

/// The partition of an ordering key on its way to a channel.
pub(crate) fn ordered(app: AppId, channel: ChannelId, hash: &str) -> String {
    format!("ORDERED#{app}#{channel}#{}", escaped(hash))
}

pub(crate) fn subscribers(app: AppId, channel: &str) -> String {
    format!("WS#{app}#{}", escaped(channel))
}

pub(crate) fn hub_connection(hash: &str) -> String {
    format!("HUB#{}", escaped(hash))
}

/// The partition of what an application has used in calendar months.
pub(crate) fn usage(app: AppId) -> String {
    format!("USAGE#{app}")
}

/// The partition of the users of an application in a calendar month.
pub(crate) fn users(app: AppId, month: &str) -> String {
    format!("USERS#{app}#{}", escaped(month))
}

pub(crate) fn sequence_key(sequence: u64) -> String {
    format!("{sequence:020}")
}

pub(crate) fn time_key(ms: i64, batch: &str) -> String {
    format!("{ms:013}#{}", escaped(batch))
}

/// Escapes a caller's text inside a key, so that `a#b` is not a row of `a`.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('#', "%23")
}
