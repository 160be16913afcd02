//! The key space: every row that there is, by its access pattern.
//!
//! | who asks for what | row | PK | SK |
//! |---|---|---|---|
//! | a caller's credentials | key | `KEY#{key id}` | `KEY` |
//! | an application's keys; all applications | key, listed | `APP#{app}`; `APPLICATIONS` | `KEY#{key id}`; `{app}` |
//! | who may have a new token; a family that ended | refresh, family | `REFRESH#{sha256}`, `FAMILY#{family}` | `REFRESH`, `FAMILY` |
//! | what was done with secrets | audit | `AUDIT#{app}` | `{ms:013}#{id}` |
//! | an application; all its buckets, scans, channels | application, bucket, scan, channel | `APP#{app}` | `APP`, `BUCKET#…`, `SCAN#…`, `CHANNEL#…` |
//! | an item by its id | item | `ITEM#{item}` | `ITEM` |
//! | an application's items, newest first | found: ids of up to 100 items | `FOUND#{app}` | `{ms:013}#{batch}` |
//! | what lies at a key with the same bytes | content | `CONTENT#{app}#{sha256 of bucket and key}` | `CONTENT` |
//! | how many items in which status | tally: the changes that one batch of `dispatch` saw | `TALLY#{app}` | `TOTAL`, `{ms:013}#{batch}` |
//! | a stream from a cursor on, and its head | notification, one or a batch of up to 100 | `STREAM#{app}#{stream}` | `{first sequence:020}` |
//! | the deliveries that went well, newest first | segment of up to 100 | `SEGMENT#{app}#deliveries` | `{ms:013}#{batch}` |
//! | the attempts of a delivery that did not | failed | `DELIVERY#{app}#{channel}` | `{notification}` |
//! | how a channel's receiver is doing | health | `HEALTH#{app}#{channel}` | `HEALTH` |
//! | retries beyond 15 minutes | due | `DUE#{slot}#{shard}` | `{ms:013}#{id}` |
//! | an application's settings; the state of its asset manager; what it used on a day | settings, manager, usage | `APP#{app}` | `SETTINGS`, `MANAGER`, `USAGE#{day}` |
//! | whose webhooks come with a secret | hook | `HOOK#{sha256 of the secret}` | `HOOK` |
//! | the applications of an Iconik domain | domain | `DOMAIN#{domain}` | `{app}` |
//! | whether any application lets pages of an origin call it | origin | `ORIGIN#{origin}` | `{app}` |
//! | whose turn it is at an asset manager | pace | `PACE#{sha256 of host and App-ID}` | `PACE` |
//! | an application's places for work | slot | `SLOT#{app}` | `{number:05}` |
//! | what was done with an inbox | marks | `MARKS#{app}#{user}` | `MARKS` |
//! | what a request with an `Idempotency-Key` did | once | `ONCE#{app}#{sha256 of the key}` | `ONCE` |
//! | an application's inbox notifications, newest first | told: up to 100 | `TOLD#{app}` | `{ms:013}#{batch}` |
//! | whose inbox needs no credentials | open inbox | `OPEN` | `INBOX` |
//! | a socket by its id | socket | `SOCKET#{connection}` | `SOCKET` |
//! | who receives on a channel | receiver | `WS#{app}#{channel}` | `{connection, or hub}` |
//! | whether an application has sockets at all | presence | `WS#{app}` | `PRESENCE` |
//! | who may open a socket with a ticket | ticket | `TICKET#{sha256}` | `TICKET` |
//! | a SignalR connection; its records that are not acknowledged | hub, record | `HUB#{sha256 of its token}` | `HUB`, `{number:020}` |
//! | how far a device has come | acked | `ACKED#{app}#{user}` | `{device}` |
//! | what a user wants | preferences | `PREFERENCES#{app}#{user}` | `PREFERENCES` |
//! | what became of an escalation | escalation | `ESCALATION#{app}#{notification}` | `ESCALATION` |
//! | the newest notification of a collapse key | collapse | `COLLAPSE#{app}#{user}#{sha256 of the key}` | `COLLAPSE` |
//! | a type of notification; all of an application | type | `APP#{app}` | `TYPE#{type}` |
//! | an application's image processes | process | `PROCESS#{app}` | `{process}` |
//! | how far the sweep has come | mark | `SWEEP` | `MARK` |
//!
//! One sparse index, `open` (`open`, `open_at`), holds what `sweep` has to look at: active buckets (`BUCKETS`),
//! items that are being processed (`LEASES`, by the lease's end) and asset managers (`MANAGERS`, by their next look).

use domain::application::key_id;
use domain::notification::{NotificationId, Stream};
use domain::{AppId, BucketId, ChannelId, ItemId};

/// Due rows are spread over so many partitions.
pub(crate) const SHARDS: u8 = 4;

/// Where all applications are listed.
pub(crate) const ALL: &str = "APPLICATIONS";

/// A row of the table. A new kind of row does not compile until it has a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    Key(String),
    KeyOf(AppId, String),
    Listed(AppId),
    Refresh(String),
    Family(String),
    Audit(AppId, i64, String),
    Application(AppId),
    Bucket(AppId, BucketId),
    Scan(AppId, BucketId),
    Channel(AppId, ChannelId),
    Health(AppId, ChannelId),
    Item(ItemId),
    Found(AppId, i64, String),
    Content(AppId, String),
    Tally(AppId, i64, String),
    TallyTotal(AppId),
    Notification(AppId, Stream, u64),
    Segment(AppId, i64, String),
    FailedDelivery(AppId, ChannelId, NotificationId),
    Due(u64, u8, i64, String),
    Mark,
    Settings(AppId),
    Manager(AppId),
    Usage(AppId, String),
    Hook(String),
    Domain(String, AppId),
    Origin(String, AppId),
    Pace(String),
    Slot(AppId, u32),
    Marks(AppId, String),
    Once(AppId, String),
    Told(AppId, i64, String),
    OpenInbox,
    Socket(String),
    Receiver(AppId, String, String),
    Presence(AppId),
    Ticket(String),
    Hub(String),
    HubRecord(String, u64),
    Acked(AppId, String, String),
    Preferences(AppId, String),
    Escalation(AppId, NotificationId),
    Collapse(AppId, String, String),
    Type(AppId, String),
    Process(AppId, String),
}

impl Row {
    /// The row of an API key; `None` if the text is no key.
    pub fn of_api_key(api_key: &str) -> Option<Self> {
        key_id(api_key).map(|it| Self::Key(it.to_owned()))
    }

    /// The value of the attribute `kind`, which stream filters look at.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Key(_) | Self::KeyOf(..) => "key",
            Self::Listed(_) => "listed",
            Self::Refresh(_) => "refresh",
            Self::Family(_) => "family",
            Self::Audit(..) => "audit",
            Self::Application(_) => "application",
            Self::Bucket(..) => "bucket",
            Self::Scan(..) => "scan",
            Self::Channel(..) => "channel",
            Self::Health(..) => "health",
            Self::Item(_) => "item",
            Self::Found(..) => "found",
            Self::Content(..) => "content",
            Self::Tally(..) | Self::TallyTotal(_) => "tally",
            Self::Notification(..) => "notification",
            Self::Segment(..) => "segment",
            Self::FailedDelivery(..) => "failed",
            Self::Due(..) => "due",
            Self::Mark => "mark",
            Self::Settings(_) => "settings",
            Self::Manager(_) => "manager",
            Self::Usage(..) => "usage",
            Self::Hook(_) => "hook",
            Self::Domain(..) => "domain",
            Self::Origin(..) => "origin",
            Self::Pace(_) => "pace",
            Self::Slot(..) => "slot",
            Self::Marks(..) => "marks",
            Self::Once(..) => "once",
            Self::Told(..) => "told",
            Self::OpenInbox => "open-inbox",
            Self::Socket(_) => "socket",
            Self::Receiver(..) => "receiver",
            Self::Presence(_) => "presence",
            Self::Ticket(_) => "ticket",
            Self::Hub(_) => "hub",
            Self::HubRecord(..) => "hub-record",
            Self::Acked(..) => "acked",
            Self::Preferences(..) => "preferences",
            Self::Escalation(..) => "escalation",
            Self::Collapse(..) => "collapse",
            Self::Type(..) => "type",
            Self::Process(..) => "process",
        }
    }

    /// Partition key and sort key.
    pub fn key(&self) -> (String, String) {
        match self {
            Self::Key(id) => (format!("KEY#{}", text(id)), "KEY".to_owned()),
            Self::KeyOf(app, id) => (application(*app), format!("KEY#{}", text(id))),
            Self::Listed(app) => (ALL.to_owned(), app.to_string()),
            Self::Refresh(hash) => (format!("REFRESH#{}", text(hash)), "REFRESH".to_owned()),
            Self::Family(id) => (format!("FAMILY#{}", text(id)), "FAMILY".to_owned()),
            Self::Audit(app, ms, id) => (format!("AUDIT#{app}"), timed(*ms, id)),
            Self::Application(app) => (application(*app), "APP".to_owned()),
            Self::Bucket(app, id) => (application(*app), format!("BUCKET#{id}")),
            Self::Scan(app, id) => (application(*app), format!("SCAN#{id}")),
            Self::Channel(app, id) => (application(*app), format!("CHANNEL#{id}")),
            Self::Health(app, id) => (format!("HEALTH#{app}#{id}"), "HEALTH".to_owned()),
            Self::Item(id) => (format!("ITEM#{id}"), "ITEM".to_owned()),
            Self::Found(app, ms, batch) => (found(*app), timed(*ms, batch)),
            Self::Content(app, hash) => (format!("CONTENT#{app}#{}", text(hash)), "CONTENT".to_owned()),
            Self::Tally(app, ms, batch) => (tally(*app), timed(*ms, batch)),
            Self::TallyTotal(app) => (tally(*app), "TOTAL".to_owned()),
            Self::Notification(app, stream, sequence) => (partition(*app, stream), number(*sequence)),
            Self::Segment(app, ms, batch) => (segment(*app), timed(*ms, batch)),
            Self::FailedDelivery(app, channel, id) => (failed(*app, *channel), id.to_string()),
            Self::Due(slot, shard, ms, id) => (due(*slot, *shard), timed(*ms, id)),
            Self::Mark => ("SWEEP".to_owned(), "MARK".to_owned()),
            Self::Settings(app) => (application(*app), "SETTINGS".to_owned()),
            Self::Manager(app) => (application(*app), "MANAGER".to_owned()),
            Self::Usage(app, day) => (application(*app), format!("USAGE#{}", text(day))),
            Self::Hook(hash) => (format!("HOOK#{}", text(hash)), "HOOK".to_owned()),
            Self::Domain(name, app) => (domain(name), app.to_string()),
            Self::Origin(it, app) => (origin(it), app.to_string()),
            Self::Pace(key) => (format!("PACE#{}", text(key)), "PACE".to_owned()),
            Self::Slot(app, number) => (format!("SLOT#{app}"), format!("{number:05}")),
            Self::Marks(app, user) => (format!("MARKS#{app}#{}", text(user)), "MARKS".to_owned()),
            Self::Once(app, key) => (format!("ONCE#{app}#{}", text(key)), "ONCE".to_owned()),
            Self::Told(app, ms, batch) => (told(*app), timed(*ms, batch)),
            Self::OpenInbox => ("OPEN".to_owned(), "INBOX".to_owned()),
            Self::Socket(id) => (format!("SOCKET#{}", text(id)), "SOCKET".to_owned()),
            Self::Receiver(app, channel, key) => (receivers(*app, channel), text(key)),
            Self::Presence(app) => (format!("WS#{app}"), "PRESENCE".to_owned()),
            Self::Ticket(hash) => (format!("TICKET#{}", text(hash)), "TICKET".to_owned()),
            Self::Hub(hash) => (hub(hash), "HUB".to_owned()),
            Self::HubRecord(hash, sequence) => (hub(hash), number(*sequence)),
            Self::Preferences(app, user) => (format!("PREFERENCES#{app}#{}", text(user)), "PREFERENCES".to_owned()),
            Self::Escalation(app, id) => (format!("ESCALATION#{app}#{id}"), "ESCALATION".to_owned()),
            Self::Collapse(app, user, hash) => {
                (format!("COLLAPSE#{app}#{}#{}", text(user), text(hash)), "COLLAPSE".to_owned())
            }
            Self::Process(app, id) => (processes(*app), text(id)),
            Self::Type(app, kind) => (application(*app), format!("TYPE#{}", text(kind))),
            Self::Acked(app, user, device) => (format!("ACKED#{app}#{}", text(user)), text(device)),
        }
    }
}

pub(crate) fn application(app: AppId) -> String {
    format!("APP#{app}")
}

pub(crate) fn found(app: AppId) -> String {
    format!("FOUND#{app}")
}

pub(crate) fn tally(app: AppId) -> String {
    format!("TALLY#{app}")
}

pub(crate) fn partition(app: AppId, stream: &Stream) -> String {
    format!("STREAM#{app}#{}", text(&stream.to_string()))
}

pub(crate) fn segment(app: AppId) -> String {
    format!("SEGMENT#{app}#deliveries")
}

pub(crate) fn failed(app: AppId, channel: ChannelId) -> String {
    format!("DELIVERY#{app}#{channel}")
}

pub(crate) fn due(slot: u64, shard: u8) -> String {
    format!("DUE#{slot:010}#{shard:02}")
}

pub(crate) fn domain(name: &str) -> String {
    format!("DOMAIN#{}", text(name))
}

pub(crate) fn origin(it: &str) -> String {
    format!("ORIGIN#{}", text(it))
}

pub(crate) fn told(app: AppId) -> String {
    format!("TOLD#{app}")
}

pub(crate) fn processes(app: AppId) -> String {
    format!("PROCESS#{app}")
}

pub(crate) fn receivers(app: AppId, channel: &str) -> String {
    format!("WS#{app}#{}", text(channel))
}

pub(crate) fn hub(hash: &str) -> String {
    format!("HUB#{}", text(hash))
}

pub(crate) fn number(sequence: u64) -> String {
    format!("{sequence:020}")
}

pub(crate) fn timed(ms: i64, batch: &str) -> String {
    format!("{ms:013}#{}", text(batch))
}

/// Callers' text inside a key: `a#b` is no row of `a`.
fn text(from_outside: &str) -> String {
    from_outside.replace('%', "%25").replace('#', "%23")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_text_cannot_reach_another_row() {
        let app = AppId::random([7; 16]);
        let (pk, _) = Row::Content(app, "x#y%23".into()).key();
        assert!(pk.ends_with("#x%23y%2523"), "{pk}");
        assert_ne!(Row::Content(app, "a#b".into()).key(), Row::Content(app, "a%23b".into()).key());
    }

    #[test]
    fn numbers_sort_as_numbers() {
        assert!(number(9) < number(10) && number(u64::MAX - 1) < number(u64::MAX));
        assert!(timed(999, "z") < timed(1_000, "a"));
    }
}
