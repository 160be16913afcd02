//! Pushes of notifications and read states to WebSocket connections. An application without connections costs one read.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::error::Error;

use domain::command::{Push, PushCommand};
use domain::notification::{Notification, Stream};
use domain::socket::{BROADCAST_SHARDS, broadcast_topic};
use domain::{AppId, millis};
use table::{NotificationBatch, ReadStateChange};
use time::{Duration, OffsetDateTime};

use crate::context::Context;

/// The most bytes of JSON of the notifications in one command. SQS takes messages of 1 MiB.
const MAX_PUSH_BYTES: usize = 200_000;
/// Queues pushes of published notifications and of changed read states, for applications that have connections.
pub(crate) async fn enqueue(
    context: &Context,
    now: OffsetDateTime,
    published: &[NotificationBatch],
    read_states: Vec<ReadStateChange>,
) -> Result<(), Box<dyn Error>> {
    let mut commands: Vec<(PushCommand, Duration)> = Vec::new();
    let mut connected: HashMap<AppId, bool> = HashMap::new();
    let apps = published.iter().filter(|it| it.stream() != Some(&Stream::App)).map(|it| it.app);
    for app in apps.chain(read_states.iter().map(|it| it.app)) {
        if let Entry::Vacant(unknown) = connected.entry(app) {
            unknown.insert(context.presence.has_connections(&context.table, app, millis(now)).await?);
        }
    }
    // the notifications of one stream go together: fewer messages, and in order
    let mut streams: BTreeMap<(AppId, &Stream), Vec<Notification>> = BTreeMap::new();
    for batch in published.iter().filter(|it| connected.get(&it.app) == Some(&true)) {
        let Some(stream) = batch.stream() else { continue };
        streams.entry((batch.app, stream)).or_default().extend(batch.notifications.iter().cloned());
    }
    for ((app, stream), mut notifications) in streams {
        notifications.sort_by_key(|it| it.id.sequence);
        let topics = match stream {
            Stream::Everyone => (0..BROADCAST_SHARDS).map(broadcast_topic).collect(),
            Stream::User(_) | Stream::Group(_) => vec![stream.to_string()],
            Stream::App => continue,
        };
        for notifications in split(&notifications) {
            for topic in &topics {
                let push = Push::Notifications { notifications: notifications.to_vec() };
                commands.push((PushCommand::new(app, topic.clone(), push), Duration::ZERO));
            }
        }
    }
    // of an inbox that changed several times only the newest read state is pushed: it includes the others
    let mut newest: BTreeMap<(AppId, String), u64> = BTreeMap::new();
    for change in read_states.into_iter().filter(|it| connected.get(&it.app) == Some(&true)) {
        let revision = newest.entry((change.app, change.user)).or_default();
        *revision = change.revision.max(*revision);
    }
    for ((app, user), revision) in newest {
        let topic = Stream::User(user.clone()).to_string();
        commands.push((PushCommand::new(app, topic, Push::ReadState { user, revision }), Duration::ZERO));
    }
    Ok(context.pushes.send_all(&commands).await?)
}

/// Notifications in parts that fit into a command each.
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
