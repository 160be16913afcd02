//! Pushes: what open sockets are told. An application without sockets costs nothing but a look.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::error::Error;

use domain::command::{Push, PushCommand};
use domain::notification::{Notification, Stream};
use domain::socket::{BROADCAST_SHARDS, broadcast_topic};
use domain::{AppId, millis};
use entry::TtlCache;
use table::{NotificationBatch, ReadStateChange, Table, TableError};
use time::{Duration, OffsetDateTime};

use crate::handler::Context;

/// Notifications of one order, in bytes of JSON: a queue takes a message of 1 MiB.
const MAX_PUSH_BYTES: usize = 200_000;
/// How long it is remembered that an application has sockets. That it has none is asked each time.
const PRESENCE_TTL: std::time::Duration = std::time::Duration::from_secs(300);
const MAX_CACHED: usize = 1_000;

/// Which applications have sockets.
pub(crate) struct Presence(TtlCache<AppId, ()>);

impl Default for Presence {
    fn default() -> Self {
        Self(TtlCache::new(MAX_CACHED))
    }
}

impl Presence {
    async fn has_sockets(&self, table: &Table, app: AppId, now: i64) -> Result<bool, TableError> {
        if self.0.get(&app).is_some() {
            return Ok(true);
        }
        let until = table.presence_until(app).await?;
        if until > now {
            self.0.put(app, (), PRESENCE_TTL);
        }
        Ok(until > now)
    }
}

/// Orders pushes of what was told and marked.
pub(crate) async fn enqueue(
    parts: &Context,
    now: OffsetDateTime,
    told: &[NotificationBatch],
    marked: Vec<ReadStateChange>,
) -> Result<(), Box<dyn Error>> {
    let mut orders: Vec<(PushCommand, Duration)> = Vec::new();
    let mut sockets: HashMap<AppId, bool> = HashMap::new();
    let apps = told.iter().filter(|it| it.stream() != Some(&Stream::App)).map(|it| it.app);
    for app in apps.chain(marked.iter().map(|it| it.app)) {
        if let Entry::Vacant(unknown) = sockets.entry(app) {
            unknown.insert(parts.presence.has_sockets(&parts.table, app, millis(now)).await?);
        }
    }
    // what one stream was told goes together: fewer messages, and in order
    let mut streams: BTreeMap<(AppId, &Stream), Vec<Notification>> = BTreeMap::new();
    for batch in told.iter().filter(|it| sockets.get(&it.app) == Some(&true)) {
        let Some(stream) = batch.stream() else { continue };
        streams.entry((batch.app, stream)).or_default().extend(batch.notifications.iter().cloned());
    }
    for ((app, stream), mut notifications) in streams {
        notifications.sort_by_key(|it| it.id.sequence);
        let channels = match stream {
            Stream::Everyone => (0..BROADCAST_SHARDS).map(broadcast_topic).collect(),
            Stream::User(_) | Stream::Group(_) => vec![stream.to_string()],
            Stream::App => continue,
        };
        for notifications in split(&notifications) {
            for channel in &channels {
                let what = Push::Notifications { notifications: notifications.to_vec() };
                orders.push((PushCommand::new(app, channel.clone(), what), Duration::ZERO));
            }
        }
    }
    // of an inbox that was marked many times the last one is told: it holds all
    let mut newest: BTreeMap<(AppId, String), u64> = BTreeMap::new();
    for it in marked.into_iter().filter(|it| sockets.get(&it.app) == Some(&true)) {
        newest.entry((it.app, it.user)).and_modify(|to| *to = it.revision.max(*to)).or_insert(it.revision);
    }
    for ((app, user), revision) in newest {
        let channel = Stream::User(user.clone()).to_string();
        orders.push((PushCommand::new(app, channel, Push::ReadState { user, revision }), Duration::ZERO));
    }
    Ok(parts.pushes.send_all(&orders).await?)
}

/// Notifications in parts that fit into a message each.
fn split(all: &[Notification]) -> Vec<&[Notification]> {
    domain::split_by_size(all, MAX_PUSH_BYTES, usize::MAX, |it| it.data.to_string().len() + 500)
}

#[cfg(test)]
mod tests {
    use domain::notification::NotificationId;

    use super::*;

    #[test]
    fn every_notification_is_in_one_part_and_no_part_is_too_large() {
        let notification = |sequence: u64| Notification {
            id: NotificationId { stream: Stream::Everyone, epoch: 1, sequence },
            kind: "tick".into(),
            timestamp: OffsetDateTime::UNIX_EPOCH,
            data: serde_json::json!({ "data": "x".repeat(sequence as usize * 700) }),
        };
        let all: Vec<Notification> = (0..60).map(notification).collect();
        let parts = split(&all);
        assert!(parts.len() > 3);
        assert_eq!(parts.concat(), all);
        assert!(parts.iter().all(|it| serde_json::to_string(it).unwrap().len() < MAX_PUSH_BYTES + 50_000));
    }
}
