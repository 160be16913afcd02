//! What our own functions ask of each other, through queues. Versioned: `v` is 1.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::channel::{Channel, ChannelKind};
use crate::notification::Notification;
use crate::{AppId, BucketId, ChannelId, ItemId};

/// Scan a bucket: its first page, or the page after `token`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScanCommand {
    pub v: u8,
    pub app: AppId,
    pub bucket: BucketId,
    /// The same over all pages of one scan.
    pub scan: String,
    /// A person asked for it: it also runs while the bucket is inactive or backing off, and tells when it is done.
    #[serde(default)]
    pub requested: bool,
    /// Only count what would be found.
    #[serde(default)]
    pub dry: bool,
    #[serde(default)]
    pub token: Option<String>,
    #[serde(default)]
    pub page: u32,
    /// Items found by the pages before.
    #[serde(default)]
    pub found: u64,
    /// Objects listed by the pages before.
    #[serde(default)]
    pub listed: u64,
    /// Objects that could not be read on the pages before, and why the first of them could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<UnreadableObjects>,
    /// When the scan was ordered, in milliseconds: the time at which its items were found, whatever is repeated.
    pub at: i64,
}

/// Objects of a listing that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnreadableObjects {
    /// How many, at least 1.
    pub count: u64,
    /// Why the first of them could not.
    pub first: String,
}

impl UnreadableObjects {
    /// Those of the pages before, and those of one more page.
    pub fn plus_page(before: Option<Self>, errors: &[String]) -> Option<Self> {
        let first = before.as_ref().map(|it| &it.first).or(errors.first())?.clone();
        Some(Self { count: before.map_or(0, |it| it.count) + errors.len() as u64, first })
    }
}

impl std::fmt::Display for UnreadableObjects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let objects = if self.count == 1 { "object" } else { "objects" };
        write!(f, "{} {objects} of the listing could not be read; {}", self.count, self.first)
    }
}

/// Process an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessCommand {
    pub v: u8,
    pub item: ItemId,
}

/// Make one rendition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenderCommand {
    pub v: u8,
    pub app: AppId,
    pub process: String,
    pub task: String,
}

/// One notification for one receiver. The attempt number travels here, not in the receive count: that one counts our
/// own failures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    pub v: u8,
    pub app: AppId,
    pub channel: ChannelId,
    /// The channel's kind, which is the queue's.
    #[serde(default)]
    pub kind: ChannelKind,
    /// Starts at 1.
    pub attempt: u32,
    /// When somebody asked for it again, in milliseconds: attempts of another round count anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<i64>,
    /// One attempt and no retry: somebody looks at it.
    #[serde(default, skip_serializing_if = "is_false")]
    #[serde(rename = "once")]
    pub single_attempt: bool,
    /// Its turn was taken, where deliveries have to take turns.
    #[serde(default, skip_serializing_if = "is_false")]
    #[serde(rename = "in_turn")]
    pub permit_taken: bool,
    pub notification: Notification,
    /// What the receiver gets when this one has come to its end, delivered or not: a progress comes after its task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "then")]
    pub follow_up: Option<Box<Notification>>,
}

impl Delivery {
    /// A first attempt.
    pub fn new(to: &Channel, notification: Notification) -> Self {
        let (app, channel, kind) = (to.app, to.id, to.target.kind());
        Self {
            v: 1,
            app,
            channel,
            kind,
            attempt: 1,
            round: None,
            single_attempt: false,
            permit_taken: false,
            notification,
            follow_up: None,
        }
    }

    /// The deliveries of notifications that were told together, to one channel that wants them all: what tells of the same
    /// process follows what it tells of.
    pub fn in_sequence(to: &Channel, published: Vec<Notification>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::with_capacity(published.len());
        for it in published {
            let process_of =
                |it: &Notification| it.data.pointer("/process/id").and_then(|it| it.as_str()).map(str::to_owned);
            let process_id = process_of(&it).filter(|_| it.kind == crate::adcreative::TASKS_PROGRESS);
            let is_its_task = |before: &&mut Self| {
                let earlier = &before.notification;
                before.follow_up.is_none()
                    && earlier.kind == crate::adcreative::TASK_COMPLETED
                    && process_of(earlier) == process_id
            };
            match all.last_mut().filter(is_its_task).filter(|_| process_id.is_some()) {
                Some(earlier) => earlier.follow_up = Some(Box::new(it)),
                None => all.push(Self::new(to, it)),
            }
        }
        all
    }

    /// The delivery that follows when this one has come to its end.
    pub fn next_delivery(&self) -> Option<Self> {
        let notification = *self.follow_up.clone()?;
        Some(Self { attempt: 1, permit_taken: false, notification, follow_up: None, ..self.clone() })
    }

    /// The name of this attempt among all of the delivery.
    pub fn attempt_key(&self) -> String {
        match self.round {
            Some(round) => format!("{round}.{}", self.attempt),
            None => self.attempt.to_string(),
        }
    }
}

fn is_false(it: &bool) -> bool {
    !it
}

/// Tell the sockets of a channel (see [`crate::socket::Connection::channels`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushCommand {
    pub v: u8,
    pub app: AppId,
    pub channel: String,
    pub what: Push,
    /// Only receivers behind this one: where an earlier part of the work stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Only this receiver, because it could not be reached before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// Starts at 1.
    pub attempt: u32,
}

/// What sockets are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Push {
    /// Notifications of one stream, oldest first.
    #[serde(rename = "news")]
    Notifications { notifications: Vec<Notification> },
    /// What was done with the inbox of a user, as of a revision of its marks: they are read when it is told.
    #[serde(rename = "marks")]
    ReadState { user: String, revision: u64 },
    /// What is unread, for a socket that cannot ask for it: the seed's.
    Greet,
    /// Something in the inbox of a user expires at this time, in milliseconds: it is deleted, and the sockets are told.
    Expire { user: String, at: i64 },
}

/// How long a queue holds back what is for a time, in milliseconds: whole seconds, not too few.
pub fn delay_until(at: i64, now: time::OffsetDateTime) -> time::Duration {
    time::Duration::seconds(at.saturating_sub(crate::millis(now)).saturating_add(999).max(0) / 1_000)
}

impl PushCommand {
    /// A first order for all receivers of a channel.
    pub fn new(app: AppId, channel: String, what: Push) -> Self {
        Self { v: 1, app, channel, what, after: None, only: None, attempt: 1 }
    }
}

/// Look into the application's asset manager (media systems, section 8.1). It holds no token and no signed URL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IngestCommand {
    pub v: u8,
    pub app: AppId,
    pub what: Ingest,
    /// What announced it, for the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<TriggerEvent>,
    /// Process again also what is known.
    #[serde(default)]
    pub force: bool,
    /// How often it was put back because its media was not there yet; starts at 0.
    #[serde(default)]
    pub attempt: u32,
    /// When it was received, in milliseconds.
    pub received_at: i64,
}

/// What to look at. Ids are the asset manager's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ingest {
    /// An asset; with `version`, that version is known to be meant.
    Asset { asset: Uuid, version: Option<Uuid> },
    /// Assets that a person chose, at most [`crate::BATCH`].
    Assets { assets: Vec<Uuid> },
    /// A page of a collection; `above` are the collections that lead to it.
    Collection { collection: Uuid, page: u32, above: Vec<Uuid> },
    /// A page of a saved search.
    SavedSearch { search: Uuid, page: u32 },
    /// A page of everything that was created or changed in a time, in milliseconds; `after` is the page before.
    Search { from: i64, to: i64, after: Option<Vec<serde_json::Value>>, seen: u64 },
    /// The job of an item that failed because its worker went silent.
    EndJob { job: Uuid, error: String },
    /// The health of the connection: credentials, webhooks, the queue of another system.
    Check,
}

/// The webhook that announced something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerEvent {
    pub event_type: String,
    pub realm: String,
    pub operation: String,
    pub request_id: String,
}

impl IngestCommand {
    /// A first order.
    pub fn new(app: AppId, what: Ingest, at: i64) -> Self {
        Self { v: 1, app, what, event: None, force: false, attempt: 0, received_at: at }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::channel::tests::channel;
    use crate::notification::{NotificationId, Stream};

    #[test]
    fn a_progress_follows_the_task_that_it_tells_of() {
        let told = |sequence: u64, kind: &str, process: &str| Notification {
            id: NotificationId { stream: Stream::App, epoch: 1, sequence },
            kind: kind.to_owned(),
            timestamp: time::OffsetDateTime::UNIX_EPOCH,
            data: json!({ "process": { "id": process } }),
        };
        let all = vec![
            told(1, "task.completed", "p"),
            told(2, "tasks.progress", "p"),
            told(3, "task.completed", "p"),
            told(4, "tasks.progress", "other"),
            told(5, "item.found", "p"),
        ];
        let orders = Delivery::in_sequence(&channel(), all);
        let numbers = |it: &Delivery| (it.notification.id.sequence, it.follow_up.as_ref().map(|it| it.id.sequence));
        assert_eq!(orders.iter().map(numbers).collect::<Vec<_>>(), [(1, Some(2)), (3, None), (4, None), (5, None)]);
        let retried = Delivery { attempt: 4, permit_taken: true, ..orders[0].clone() };
        let next = retried.next_delivery().unwrap();
        assert_eq!(
            (next.notification.id.sequence, next.attempt, next.permit_taken, next.follow_up),
            (2, 1, false, None)
        );
        assert_eq!(orders[1].next_delivery(), None);
    }
}
