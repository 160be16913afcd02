//! Commands that our functions send each other through queues.
//!
//! While a deployment is updated, functions of two versions run side by side. A new field is one that may be missing and that an
//! older function may ignore; a change that it must not ignore is a new version (`v`), which it leaves in its queue.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::channel::{Channel, ChannelKind};
use crate::message_store::BoxId;
use crate::notification::{Notification, Stream, WriteKey};
use crate::notification_channel::NotificationChannelId;
use crate::{AppId, BucketId, ChannelId};

pub use crate::process_command::ProcessCommand;

/// The newest version of a command that this code reads: in 2, a [`ProcessCommand`] may remove what was written.
pub const COMMAND_VERSION: u8 = 2;

/// Scan one page of a bucket: the first, or the page at `token`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScanCommand {
    pub v: u8,
    pub app: AppId,
    pub bucket: BucketId,
    /// Id of the scan, the same for all its pages.
    pub scan: String,
    /// A user requested the scan: it runs even while the bucket is inactive or backing off, and publishes its result.
    #[serde(default)]
    pub requested: bool,
    /// Dry run: only count the items.
    #[serde(default)]
    pub dry: bool,
    #[serde(default)]
    pub token: Option<String>,
    #[serde(default)]
    pub page: u32,
    /// Items discovered on the previous pages.
    #[serde(default)]
    pub found: u64,
    /// Objects listed on the previous pages.
    #[serde(default)]
    pub listed: u64,
    /// Objects on the previous pages that could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<UnreadableObjects>,
    /// When the scan was requested, in milliseconds. It is the discovery time of all its items, so that retries change
    /// nothing.
    pub at: i64,
}

/// Listed objects that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableObjects {
    /// Number of objects, at least 1.
    pub count: u64,
    /// The error of the first one.
    pub first: String,
}

impl UnreadableObjects {
    /// Adds the errors of one page to those of the previous pages; `None` if there are none.
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

/// Render one rendition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RenderCommand {
    pub v: u8,
    pub app: AppId,
    pub process: String,
    pub task: String,
}

/// Deliver one notification to one channel. The attempt number is part of the message; the receive count of SQS counts
/// our own failures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    pub v: u8,
    pub app: AppId,
    pub channel: ChannelId,
    /// The channel's kind, which determines the queue.
    #[serde(default)]
    pub kind: ChannelKind,
    /// Starts at 1.
    pub attempt: u32,
    /// When a replay was requested, in milliseconds. Attempts are counted per round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<i64>,
    /// One attempt without retries: a user waits for the result.
    #[serde(default, skip_serializing_if = "is_false")]
    #[serde(rename = "once")]
    pub single_attempt: bool,
    /// A permit of the rate limiter has been acquired for it.
    #[serde(default, skip_serializing_if = "is_false")]
    #[serde(rename = "in_turn")]
    pub permit_taken: bool,
    pub notification: Notification,
    /// Delivered after this one has finished, successfully or not: the progress follows its task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "then")]
    pub follow_up: Option<Box<Notification>>,
    /// It is the first of its ordering key: the next one follows when it is final.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ordered: bool,
    /// It was queued before its notification was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingWrite>,
}

/// The write that stores the notification of a delivery. The delivery is queued first, so that no crash can come between
/// the two; it counts once the write is found. Until then the notification has the id that its publisher expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingWrite {
    /// The id of the write, which its row has.
    pub write_id: String,
    /// The expected number of the row's first notification.
    pub first: u64,
    /// When it was queued, in milliseconds since 1970.
    pub at: i64,
}

impl Delivery {
    /// The first attempt of a delivery.
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
            ordered: false,
            pending: None,
        }
    }

    /// The deliveries of notifications that were published together to one channel. The progress of a process follows
    /// the completed task.
    pub fn in_sequence(to: &Channel, published: Vec<Notification>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::with_capacity(published.len());
        for notification in published {
            let process_of =
                |it: &Notification| it.data.pointer("/process/id").and_then(|it| it.as_str()).map(str::to_owned);
            let process_id =
                process_of(&notification).filter(|_| notification.kind == crate::adcreative::TASKS_PROGRESS);
            let is_its_task = |before: &&mut Self| {
                let earlier = &before.notification;
                before.follow_up.is_none()
                    && earlier.kind == crate::adcreative::TASK_COMPLETED
                    && process_of(earlier) == process_id
            };
            match all.last_mut().filter(is_its_task).filter(|_| process_id.is_some()) {
                Some(earlier) => earlier.follow_up = Some(Box::new(notification)),
                None => all.push(Self::new(to, notification)),
            }
        }
        all
    }

    /// The delivery that follows this one.
    pub fn next_delivery(&self) -> Option<Self> {
        Some(self.followed_by(*self.follow_up.clone()?))
    }

    /// The first attempt of another notification to the same channel, in the same round.
    pub fn followed_by(&self, notification: Notification) -> Self {
        Self { attempt: 1, permit_taken: false, notification, follow_up: None, ..self.clone() }
    }

    /// Identifies the attempt among all attempts of the delivery.
    pub fn attempt_key(&self) -> String {
        match self.round {
            Some(round) => format!("{round}.{}", self.attempt),
            None => self.attempt.to_string(),
        }
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// Push to the subscribers of a topic ([`crate::socket::Connection::topics`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PushCommand {
    pub v: u8,
    pub app: AppId,
    pub channel: String,
    pub what: Push,
    /// Only subscribers after this key: where an earlier invocation stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Only this subscriber, which could not be reached before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// Nothing is sent if this write is recorded as pushed by then: its writer was still at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless_pushed: Option<WriteKey>,
    /// Starts at 1.
    pub attempt: u32,
}

/// What is pushed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Push {
    /// Notifications of one stream, oldest first.
    #[serde(rename = "news")]
    Notifications { notifications: Vec<Notification> },
    /// The read state of a user's inbox changed, as of a revision. The current state is read when it is pushed.
    #[serde(rename = "marks")]
    ReadState { user: String, revision: u64 },
    /// The unread notifications, for a connection of the seed's protocol, which cannot request them.
    Greet,
    /// What waits in a notification channel of a user (NC), for its open socket. `expires`: its lifetime may be over.
    NotificationChannel {
        user: String,
        number: u64,
        #[serde(default)]
        expires: bool,
    },
    /// The changes of a box of the message store (NMS), for its subscriptions.
    MessageStore {
        store: String,
        #[serde(rename = "box")]
        name: String,
    },
    /// A notification in the user's inbox expires at this time, in milliseconds. It is deleted, and the connections are
    /// notified.
    Expire { user: String, at: i64 },
}

/// Post the lists of events that wait for a subscription to a box (NMS) to its `notifyURL`, which is another server's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventListDelivery {
    pub v: u8,
    pub in_box: BoxId,
    pub subscription: u64,
    /// Of the oldest list. Starts at 1.
    pub attempt: u32,
    /// Who posts to the subscription; none if nobody does yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
}

impl EventListDelivery {
    /// The first attempt.
    pub fn new(in_box: &BoxId, subscription: u64) -> Self {
        Self { v: 1, in_box: in_box.clone(), subscription, attempt: 1, holder: None }
    }
}

/// The delay of a queue message that is due at `at` (milliseconds), rounded up to whole seconds.
pub fn delay_until(at: i64, now: time::OffsetDateTime) -> time::Duration {
    time::Duration::seconds(at.saturating_sub(crate::millis(now)).saturating_add(999).max(0) / 1_000)
}

impl PushCommand {
    /// The first command for all subscribers of a topic.
    pub fn new(app: AppId, channel: String, what: Push) -> Self {
        Self { v: 1, app, channel, what, after: None, only: None, unless_pushed: None, attempt: 1 }
    }

    /// The command for what waits in a notification channel; `expires`, if its lifetime may be over.
    pub fn for_channel(id: &NotificationChannelId, expires: bool) -> Self {
        let what = Push::NotificationChannel { user: id.user.clone(), number: id.number, expires };
        Self::new(id.app, Stream::User(id.user.clone()).to_string(), what)
    }

    /// The command for the changes of a box of the message store.
    pub fn for_box(in_box: &BoxId) -> Self {
        let what = Push::MessageStore { store: in_box.store.clone(), name: in_box.name.clone() };
        Self::new(in_box.app, in_box.stream().to_string(), what)
    }
}

/// Ingest from the application's asset manager (media systems, section 8.1). It holds neither a token nor a presigned
/// URL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IngestCommand {
    pub v: u8,
    pub app: AppId,
    pub what: Ingest,
    /// The webhook event that triggered it, for the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<TriggerEvent>,
    /// Whether known versions are processed again.
    #[serde(default)]
    pub force: bool,
    /// How often it was postponed because its media was not available yet; starts at 0.
    #[serde(default)]
    pub attempt: u32,
    /// When the trigger was received, in milliseconds.
    pub received_at: i64,
}

/// What to ingest. Ids are those of the asset manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Ingest {
    /// An asset, or one version of it.
    Asset { asset: Uuid, version: Option<Uuid> },
    /// Assets selected by a user, at most [`crate::MAX_BATCH`].
    Assets { assets: Vec<Uuid> },
    /// A page of a collection. `above` are the parent collections that led to it.
    Collection { collection: Uuid, page: u32, above: Vec<Uuid> },
    /// A page of a saved search.
    SavedSearch { search: Uuid, page: u32 },
    /// A page of everything created or changed in a period (milliseconds). `after` is the search key of the previous
    /// page.
    Search { from: i64, to: i64, after: Option<Vec<serde_json::Value>>, seen: u64 },
    /// End the job of an item that failed because its worker stopped responding.
    EndJob { job: Uuid, error: String },
    /// Check the connection: credentials, webhooks and the external queue.
    Check,
}

/// The webhook event that triggered an ingest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerEvent {
    pub event_type: String,
    pub realm: String,
    pub operation: String,
    pub request_id: String,
}

impl IngestCommand {
    /// The first command.
    pub fn new(app: AppId, what: Ingest, at: i64) -> Self {
        Self { v: 1, app, what, event: None, force: false, attempt: 0, received_at: at }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::channel::tests::channel;
    use crate::notification::{NewNotification, NotificationId, Stream};

    #[test]
    fn a_progress_follows_the_task_that_it_tells_of() {
        let published = |sequence: u64, kind: &str, process: &str| {
            NewNotification::new(kind, json!({ "process": { "id": process } }))
                .published(NotificationId { stream: Stream::App, epoch: 1, sequence }, time::OffsetDateTime::UNIX_EPOCH)
        };
        let all = vec![
            published(1, "task.completed", "p"),
            published(2, "tasks.progress", "p"),
            published(3, "task.completed", "p"),
            published(4, "tasks.progress", "other"),
            published(5, "item.found", "p"),
        ];
        let deliveries = Delivery::in_sequence(&channel(), all);
        let numbers = |it: &Delivery| (it.notification.id.sequence, it.follow_up.as_ref().map(|it| it.id.sequence));
        assert_eq!(deliveries.iter().map(numbers).collect::<Vec<_>>(), [(1, Some(2)), (3, None), (4, None), (5, None)]);
        let retried = Delivery { attempt: 4, permit_taken: true, ..deliveries[0].clone() };
        let next = retried.next_delivery().unwrap();
        assert_eq!(
            (next.notification.id.sequence, next.attempt, next.permit_taken, next.follow_up),
            (2, 1, false, None)
        );
        assert_eq!(deliveries[1].next_delivery(), None);
    }
}
