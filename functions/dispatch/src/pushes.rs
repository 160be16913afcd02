//! Pushes of notifications and read states to WebSocket connections. An application without connections costs one read.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::error::Error;

use domain::command::{Push, PushCommand, delay_until};
use domain::message_store::BoxId;
use domain::notification::{Notification, Stream, WriteKey};
use domain::{AppId, millis};
use entry::clock;
use inbox::socket_pusher::topics;
use table::{NotificationBatch, ReadStateChange, TableError};
use time::{Duration, OffsetDateTime};

use crate::context::Context;

/// The most bytes of JSON of the notifications in one command. SQS takes messages of 1 MiB.
const MAX_PUSH_BYTES: usize = 200_000;

/// How long the writer of a box's change has to tell its subscriptions itself.
const WRITERS_TIME: Duration = Duration::seconds(5);

/// How long writers that are still pushing are waited for.
const WRITERS_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// Queues pushes of published notifications and of changed read states, for applications that have connections. Returns
/// the batches that their writers do not push, and so do not add to the list of recent ones.
pub(crate) async fn enqueue<'a>(
    context: &Context,
    now: OffsetDateTime,
    published: &'a [NotificationBatch],
    read_states: Vec<ReadStateChange>,
) -> Result<Vec<&'a NotificationBatch>, Box<dyn Error>> {
    let (unpushed, mut commands) = unpushed(context, now, published).await?;
    let mut connected: HashMap<AppId, bool> = HashMap::new();
    let apps = unpushed.iter().map(|it| it.app);
    for app in apps.chain(read_states.iter().map(|it| it.app)) {
        if let Entry::Vacant(unknown) = connected.entry(app) {
            unknown.insert(context.presence.has_connections(&context.table, app, millis(now)).await?);
        }
    }
    // the notifications of one stream go together: fewer messages, and in order
    let mut streams: BTreeMap<(AppId, &Stream), Vec<Notification>> = BTreeMap::new();
    for batch in unpushed.iter().filter(|it| connected.get(&it.app) == Some(&true)) {
        let Some(stream) = batch.stream() else { continue };
        streams.entry((batch.app, stream)).or_default().extend(batch.notifications.iter().cloned());
    }
    for ((app, stream), mut notifications) in streams {
        if !is_listened_to(context, app, stream).await? {
            continue; // a read is a tenth of what a command costs
        }
        notifications.sort_by_key(|it| it.id.sequence);
        let topics = topics(stream);
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
    commands.extend(box_commands(context, published).await?);
    context.pushes.send_all(&commands).await?;
    Ok(unpushed)
}

/// Commands to tell the subscriptions of boxes that have changed. Their writer tells them at once: this finds what it could
/// not.
async fn box_commands(
    context: &Context,
    published: &[NotificationBatch],
) -> Result<Vec<(PushCommand, Duration)>, TableError> {
    let changed: BTreeSet<BoxId> = published.iter().filter_map(|it| BoxId::of_stream(it.app, it.stream()?)).collect();
    let mut commands = Vec::new();
    for in_box in changed {
        if !context.table.box_subscriptions(&in_box).await?.is_empty() {
            commands.push((PushCommand::for_box(&in_box), WRITERS_TIME));
        }
    }
    Ok(commands)
}

/// Whether a stream has subscribers; of what is for everyone that is taken as given. Eventually consistent: who comes
/// later reads what was stored before.
async fn is_listened_to(context: &Context, app: AppId, stream: &Stream) -> Result<bool, TableError> {
    match topics(stream).as_slice() {
        [topic] => Ok(!context.table.subscribers(app, topic, None, 1).await?.is_empty()),
        _ => Ok(true),
    }
}

/// The batches that nobody has pushed, and the commands for those whose writers may still be at it: these are looked at
/// again when the writers' time is over.
async fn unpushed<'a>(
    context: &Context,
    now: OffsetDateTime,
    published: &'a [NotificationBatch],
) -> Result<(Vec<&'a NotificationBatch>, Vec<(PushCommand, Duration)>), Box<dyn Error>> {
    let by_writer = published.iter().filter(|it| it.handled.push_until.is_some());
    let writes: Vec<(AppId, WriteKey)> = by_writer.map(|it| (it.app, it.write.clone())).collect();
    let mut pushed = HashSet::new();
    if !writes.is_empty() {
        pushed = context.table.pushed_writes(&writes).await?;
        if pushed.len() < writes.len() {
            // The writers are likely about to be done: a read costs less than a command.
            clock::pause(WRITERS_PAUSE).await;
            pushed = context.table.pushed_writes(&writes).await?;
        }
    }
    let (mut unpushed, mut later) = (Vec::new(), Vec::new());
    for batch in published {
        match (batch.handled.push_until, batch.stream()) {
            (Some(_), _) if pushed.contains(&(batch.app, batch.write.id.clone())) => {}
            (Some(until), Some(stream)) if until > millis(now) => {
                for topic in topics(stream) {
                    let push = Push::Notifications { notifications: batch.notifications.clone() };
                    let command = PushCommand::new(batch.app, topic, push);
                    let command = PushCommand { unless_pushed: Some(batch.write.clone()), ..command };
                    later.push((command, delay_until(until, now)));
                }
            }
            _ => unpushed.push(batch),
        }
    }
    Ok((unpushed, later))
}

/// Notifications in parts that fit into a command each.
fn split(all: &[Notification]) -> Vec<&[Notification]> {
    domain::split_by_size(all, MAX_PUSH_BYTES, usize::MAX, |it| it.data.to_string().len() + 500)
}

#[cfg(test)]
mod tests {
    use domain::notification::{NewNotification, NotificationId};

    use super::*;

    #[test]
    fn every_notification_is_in_one_part_and_no_part_is_too_large() {
        let notification = |sequence: u64| {
            NewNotification::new("tick", serde_json::json!({ "data": "x".repeat(sequence as usize * 700) }))
                .published(NotificationId { stream: Stream::Everyone, epoch: 1, sequence }, OffsetDateTime::UNIX_EPOCH)
        };
        let all: Vec<Notification> = (0..60).map(notification).collect();
        let parts = split(&all);
        assert!(parts.len() > 3);
        assert_eq!(parts.concat(), all);
        assert!(parts.iter().all(|it| serde_json::to_string(it).unwrap().len() < MAX_PUSH_BYTES + 50_000));
    }
}
