//! The key space: every kind of row, by its access pattern.
//!
//! | access pattern | row (`kind`) | PK | SK |
//! |---|---|---|---|
//! | a caller's credentials | key | `KEY#{key id}` | `KEY` |
//! | an application's keys; all applications | key, listed | `APP#{app}`; `APPLICATIONS` | `KEY#{key id}`; `{app}` |
//! | a browser's session; a code that begins one | session, code | `SESSION#{sha256}`, `CODE#{sha256}` | `SESSION`, `CODE` |
//! | a refresh token; a token family that was revoked | refresh, family | `REFRESH#{sha256}`, `FAMILY#{family}` | `REFRESH`, `FAMILY` |
//! | the audit records of an application | audit | `AUDIT#{app}` | `{ms:013}#{id}` |
//! | an application; all its buckets, scans, channels | application, bucket, scan, channel | `APP#{app}` | `APP`, `BUCKET#…`, `SCAN#…`, `CHANNEL#…` |
//! | where an application's jobs of a processor go | processor | `APP#{app}` | `PROCESSOR#{processor}` |
//! | an item by its id | item | `ITEM#{item}` | `ITEM` |
//! | where a job stands: the item and the processor of a job's id | job | `JOB#{job}` | `JOB` |
//! | an application's items, newest first | found: ids of up to 100 items | `FOUND#{app}` | `{ms:013}#{batch}` |
//! | the item that was last completed for a key of a bucket | content | `CONTENT#{app}#{sha256 of bucket and key}` | `CONTENT` |
//! | the counts of items by status | tally: the changes of one batch of `dispatch` | `TALLY#{app}` | `TOTAL`, `{ms:013}#{batch}` |
//! | a stream from a cursor on, and its head | notification, one or a batch of up to 100 | `STREAM#{app}#{stream}` | `{first sequence:020}` |
//! | the deliveries that succeeded at once, newest first | segment of up to 100 | `SEGMENT#{app}#deliveries` | `{ms:013}#{batch}` |
//! | the attempts of the other deliveries | failed | `DELIVERY#{app}#{channel}` | `{notification}` |
//! | the health of a channel's receiver | health | `HEALTH#{app}#{channel}` | `HEALTH` |
//! | work that is due later than SQS can delay it (15 minutes): deferred deliveries, expiries, escalations | due | `DUE#{slot}#{shard}` | `{ms:013}#{id}` |
//! | an application's settings; the state of its asset manager; its usage on a day | settings, manager, usage | `APP#{app}` | `SETTINGS`, `MANAGER`, `USAGE#{day}` |
//! | the application of an Iconik webhook's secret | hook | `HOOK#{sha256 of the secret}` | `HOOK` |
//! | the applications of an Iconik domain | domain | `DOMAIN#{domain}` | `{app}` |
//! | whether any application allows an origin (CORS) | origin | `ORIGIN#{origin}` | `{app}` |
//! | the rate limit of an asset manager | pace | `PACE#{sha256 of host and App-ID}` | `PACE` |
//! | an application's concurrency slots | slot | `SLOT#{app}` | `{number:05}` |
//! | the read state of an inbox | marks | `MARKS#{app}#{user}` | `MARKS` |
//! | the record of a request with an `Idempotency-Key` | once | `ONCE#{app}#{sha256 of the key}` | `ONCE` |
//! | an application's inbox notifications, newest first | told: up to 100 | `TOLD#{app}` | `{ms:013}#{batch}` |
//! | the application whose inbox needs no credentials | open inbox | `OPEN` | `INBOX` |
//! | a WebSocket connection by its id | socket | `SOCKET#{connection}` | `SOCKET` |
//! | the subscribers of a topic | receiver | `WS#{app}#{topic}` | `{connection, or hub}` |
//! | whether an application has connections | presence | `WS#{app}` | `PRESENCE` |
//! | the user of a ticket | ticket | `TICKET#{sha256}` | `TICKET` |
//! | a SignalR connection; its hub messages that are not acknowledged | hub, record | `HUB#{sha256 of its token}` | `HUB`, `{number:020}` |
//! | the position that a device has acknowledged | acked | `ACKED#{app}#{user}` | `{device}` |
//! | a user's preferences | preferences | `PREFERENCES#{app}#{user}` | `PREFERENCES` |
//! | the outcome of an escalation | escalation | `ESCALATION#{app}#{notification}` | `ESCALATION` |
//! | the newest notification of a collapse key | collapse | `COLLAPSE#{app}#{user}#{sha256 of the key}` | `COLLAPSE` |
//! | how far a channel has come within an ordering key; what of the key waits | ordered, waiting | `ORDERED#{app}#{channel}#{sha256 of the key}` | `FINISHED`, `WAITING#{epoch:020}#{number:020}` |
//! | a type of notification; all types of an application | type | `APP#{app}` | `TYPE#{type}` |
//! | an application's image processes | process | `PROCESS#{app}` | `{process}` |
//! | the places of long polls, of an application and of all | poll-slot | `POLLS#{app, or all}` | `{number:05}` |
//! | a user's notification channels (NC); the last number of one | nc-channel, nc-counter | `NC#{app}#{user}` | `{number:020}`, `COUNTER` |
//! | what waits in a notification channel | nc-queued | `NCQ#{app}#{user}#{number}` | `{place:020}` |
//! | the notification channel that a key in a URL names | nc-key | `NCKEY#{key}` | `NCKEY` |
//! | the objects and folders of a box (NMS), a folder by its name, an object's payload, the box's subscriptions, its last id | nms-… | `NMS#{app}#{store}#{box}` | `STORED#{id:020}`, `NAME#{parent:020}#{name}`, `PAYLOAD#{id:020}`, `SUBSCRIPTION#{id:020}`, `COUNTER` |
//! | the event lists that wait for another server's `notifyURL`; who posts them | nms-list, nms-holder | `OUT#{app}#{store}#{box}#{subscription}`; the box's | `{index:020}`; `HOLDER#{id:020}` |
//! | an application's customer at the payment provider; the application of a customer | billing, billing-customer | `APP#{app}`; `CUSTOMER#{customer}` | `BILLING`; `CUSTOMER` |
//! | an application's subscriptions for a product; who changes them now | plan, billing-lease | `APP#{app}` | `PLAN#{product}`, `LEASE#{product}` |
//! | whether an event of the payment provider has come before | stripe-event | `STRIPE#{event}` | `STRIPE` |
//! | what an application has used in a calendar month; its users of the month, and their number | month; user | `USAGE#{app}`; `USERS#{app}#{month}` | `{yyyy-mm}`; `{user}`, `#COUNT` |
//! | what a `clientCorrelator` has made | correlator | `CORRELATOR#{app}#{scope}` | `{sha256 of the correlator}` |
//! | the checkpoint of the sweep; which of its runs works now | mark, slot | `SWEEP` | `MARK`, `LEASE` |
//!
//! One sparse index, `open` (`open`, `open_at`), holds what `sweep` reads: active buckets (`BUCKETS`), items that are being
//! processed (`LEASES`, by the end of the first lease or wait of their jobs) and asset managers (`MANAGERS`, by the time of the next check).

mod partitions;

use domain::application::key_id;
use domain::message_store::BoxId;
use domain::notification::{NotificationId, Stream};
use domain::notification_channel::NotificationChannelId;
use domain::processor::ProcessorKind;
use domain::{AppId, BucketId, ChannelId, ItemId, JobId};

use self::partitions::escaped;
pub(crate) use self::partitions::{
    application, channel_queue, due, event_lists, failed_deliveries, hub_connection, iconik_domain, item_index,
    message_box, notification_channels, ordered, origin, processes, recent_notifications, segment, sequence_key,
    stream_partition, subscribers, tally, time_key, usage, users,
};

/// The number of partitions over which the rows of a due slot are spread.
pub(crate) const DUE_SHARDS: u8 = 4;

/// The partition of the list of all applications.
pub(crate) const APPLICATIONS: &str = "APPLICATIONS";

/// The beginning of the sort keys of what waits in an ordered queue.
pub(crate) const FIRST_WAITING: &str = "WAITING#";

/// The identity of a row. A new kind of row does not compile until it has a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    ApiKey(String),
    ApplicationKey(AppId, String),
    ApplicationSummary(AppId),
    Session(String),
    SignInCode(String),
    RefreshToken(String),
    TokenFamily(String),
    Audit(AppId, i64, String),
    Application(AppId),
    Bucket(AppId, BucketId),
    Scan(AppId, BucketId),
    ProcessorEndpoint(AppId, ProcessorKind),
    Channel(AppId, ChannelId),
    Health(AppId, ChannelId),
    Item(ItemId),
    Job(JobId),
    ItemIndex(AppId, i64, String),
    Content(AppId, String),
    Tally(AppId, i64, String),
    TallyTotal(AppId),
    Notification(AppId, Stream, u64),
    Segment(AppId, i64, String),
    FailedDelivery(AppId, ChannelId, NotificationId),
    Due(u64, u8, i64, String),
    SweepCheckpoint,
    SweepLease,
    Settings(AppId),
    AssetManager(AppId),
    Usage(AppId, String),
    IconikWebhook(String),
    IconikDomain(String, AppId),
    Origin(String, AppId),
    RateLimit(String),
    ConcurrencySlot(AppId, u32),
    ReadState(AppId, String),
    IdempotencyKey(AppId, String),
    RecentNotifications(AppId, i64, String),
    OpenInbox,
    Connection(String),
    Subscriber(AppId, String, String),
    Presence(AppId),
    Ticket(String),
    HubConnection(String),
    HubMessage(String, u64),
    DevicePosition(AppId, String, String),
    Preferences(AppId, String),
    Escalation(AppId, NotificationId),
    CollapseKey(AppId, String, String),
    OrderedFinished(AppId, ChannelId, String),
    OrderedWaiting(AppId, ChannelId, String, i64, u64),
    NotificationType(AppId, String),
    Process(AppId, String),
    PollSlot(Option<AppId>, u32),
    NotificationChannel(AppId, String, u64),
    NotificationChannelCounter(AppId, String),
    NotificationChannelKey(String),
    QueuedNotification(AppId, String, u64, u64),
    Correlator(AppId, String, String),
    BoxCounter(BoxId),
    Stored(BoxId, u64),
    FolderName(BoxId, u64, String),
    Payload(BoxId, u64),
    BoxSubscription(BoxId, u64),
    EventList(BoxId, u64, u64),
    EventListHolder(BoxId, u64),
    BillingCustomer(AppId),
    BillingCustomerApp(String),
    BillingProduct(AppId, String),
    BillingLease(AppId, String),
    StripeEvent(String),
    MonthlyUsage(AppId, String),
    MonthlyUser(AppId, String, String),
    MonthlyUserCount(AppId, String),
}

impl Row {
    /// The row of an API key; `None` if the text is not a key.
    pub fn of_api_key(api_key: &str) -> Option<Self> {
        key_id(api_key).map(|it| Self::ApiKey(it.to_owned()))
    }

    /// The value of the attribute `kind`, by which the stream's filters select records.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ApiKey(_) | Self::ApplicationKey(..) => "key",
            Self::ApplicationSummary(_) => "listed",
            Self::Session(_) => "session",
            Self::SignInCode(_) => "code",
            Self::RefreshToken(_) => "refresh",
            Self::TokenFamily(_) => "family",
            Self::Audit(..) => "audit",
            Self::Application(_) => "application",
            Self::Bucket(..) => "bucket",
            Self::Scan(..) => "scan",
            Self::ProcessorEndpoint(..) => "processor",
            Self::Channel(..) => "channel",
            Self::Health(..) => "health",
            Self::Item(_) => "item",
            Self::Job(_) => "job",
            Self::ItemIndex(..) => "found",
            Self::Content(..) => "content",
            Self::Tally(..) | Self::TallyTotal(_) => "tally",
            Self::Notification(..) => "notification",
            Self::Segment(..) => "segment",
            Self::FailedDelivery(..) => "failed",
            Self::Due(..) => "due",
            Self::SweepCheckpoint => "mark",
            Self::SweepLease => "slot",
            Self::Settings(_) => "settings",
            Self::AssetManager(_) => "manager",
            Self::Usage(..) => "usage",
            Self::IconikWebhook(_) => "hook",
            Self::IconikDomain(..) => "domain",
            Self::Origin(..) => "origin",
            Self::RateLimit(_) => "pace",
            Self::ConcurrencySlot(..) => "slot",
            Self::ReadState(..) => "marks",
            Self::IdempotencyKey(..) => "once",
            Self::RecentNotifications(..) => "told",
            Self::OpenInbox => "open-inbox",
            Self::Connection(_) => "socket",
            Self::Subscriber(..) => "receiver",
            Self::Presence(_) => "presence",
            Self::Ticket(_) => "ticket",
            Self::HubConnection(_) => "hub",
            Self::HubMessage(..) => "hub-record",
            Self::DevicePosition(..) => "acked",
            Self::Preferences(..) => "preferences",
            Self::Escalation(..) => "escalation",
            Self::CollapseKey(..) => "collapse",
            Self::OrderedFinished(..) => "ordered",
            Self::OrderedWaiting(..) => "waiting",
            Self::NotificationType(..) => "type",
            Self::Process(..) => "process",
            Self::PollSlot(..) => "poll-slot",
            Self::NotificationChannel(..) => "nc-channel",
            Self::NotificationChannelCounter(..) => "nc-counter",
            Self::NotificationChannelKey(_) => "nc-key",
            Self::QueuedNotification(..) => "nc-queued",
            Self::Correlator(..) => "correlator",
            Self::BoxCounter(_) => "nms-counter",
            Self::Stored(..) => "nms-stored",
            Self::FolderName(..) => "nms-name",
            Self::Payload(..) => "nms-payload",
            Self::BoxSubscription(..) => "nms-subscription",
            Self::EventList(..) => "nms-list",
            Self::EventListHolder(..) => "nms-holder",
            Self::BillingCustomer(_) => "billing",
            Self::BillingCustomerApp(_) => "billing-customer",
            Self::BillingProduct(..) => "plan",
            Self::BillingLease(..) => "billing-lease",
            Self::StripeEvent(_) => "stripe-event",
            Self::MonthlyUsage(..) => "month",
            Self::MonthlyUser(..) | Self::MonthlyUserCount(..) => "user",
        }
    }

    /// Partition key and sort key.
    pub fn key(&self) -> (String, String) {
        match self {
            Self::ApiKey(id) => (format!("KEY#{}", escaped(id)), "KEY".to_owned()),
            Self::ApplicationKey(app, id) => (application(*app), format!("KEY#{}", escaped(id))),
            Self::ApplicationSummary(app) => (APPLICATIONS.to_owned(), app.to_string()),
            Self::Session(hash) => (format!("SESSION#{}", escaped(hash)), "SESSION".to_owned()),
            Self::SignInCode(hash) => (format!("CODE#{}", escaped(hash)), "CODE".to_owned()),
            Self::RefreshToken(hash) => (format!("REFRESH#{}", escaped(hash)), "REFRESH".to_owned()),
            Self::TokenFamily(id) => (format!("FAMILY#{}", escaped(id)), "FAMILY".to_owned()),
            Self::Audit(app, ms, id) => (format!("AUDIT#{app}"), time_key(*ms, id)),
            Self::Application(app) => (application(*app), "APP".to_owned()),
            Self::Bucket(app, id) => (application(*app), format!("BUCKET#{id}")),
            Self::Scan(app, id) => (application(*app), format!("SCAN#{id}")),
            Self::ProcessorEndpoint(app, processor) => (application(*app), format!("PROCESSOR#{}", processor.name())),
            Self::Channel(app, id) => (application(*app), format!("CHANNEL#{id}")),
            Self::Health(app, id) => (format!("HEALTH#{app}#{id}"), "HEALTH".to_owned()),
            Self::Item(id) => (format!("ITEM#{id}"), "ITEM".to_owned()),
            Self::Job(id) => (format!("JOB#{id}"), "JOB".to_owned()),
            Self::ItemIndex(app, ms, batch) => (item_index(*app), time_key(*ms, batch)),
            Self::Content(app, hash) => (format!("CONTENT#{app}#{}", escaped(hash)), "CONTENT".to_owned()),
            Self::Tally(app, ms, batch) => (tally(*app), time_key(*ms, batch)),
            Self::TallyTotal(app) => (tally(*app), "TOTAL".to_owned()),
            Self::Notification(app, stream, sequence) => (stream_partition(*app, stream), sequence_key(*sequence)),
            Self::Segment(app, ms, batch) => (segment(*app), time_key(*ms, batch)),
            Self::FailedDelivery(app, channel, id) => (failed_deliveries(*app, *channel), id.to_string()),
            Self::Due(slot, shard, ms, id) => (due(*slot, *shard), time_key(*ms, id)),
            Self::SweepCheckpoint => ("SWEEP".to_owned(), "MARK".to_owned()),
            Self::SweepLease => ("SWEEP".to_owned(), "LEASE".to_owned()),
            Self::Settings(app) => (application(*app), "SETTINGS".to_owned()),
            Self::AssetManager(app) => (application(*app), "MANAGER".to_owned()),
            Self::Usage(app, day) => (application(*app), format!("USAGE#{}", escaped(day))),
            Self::IconikWebhook(hash) => (format!("HOOK#{}", escaped(hash)), "HOOK".to_owned()),
            Self::IconikDomain(name, app) => (iconik_domain(name), app.to_string()),
            Self::Origin(name, app) => (origin(name), app.to_string()),
            Self::RateLimit(key) => (format!("PACE#{}", escaped(key)), "PACE".to_owned()),
            Self::ConcurrencySlot(app, number) => (format!("SLOT#{app}"), format!("{number:05}")),
            Self::ReadState(app, user) => (format!("MARKS#{app}#{}", escaped(user)), "MARKS".to_owned()),
            Self::IdempotencyKey(app, key) => (format!("ONCE#{app}#{}", escaped(key)), "ONCE".to_owned()),
            Self::RecentNotifications(app, ms, batch) => (recent_notifications(*app), time_key(*ms, batch)),
            Self::OpenInbox => ("OPEN".to_owned(), "INBOX".to_owned()),
            Self::Connection(id) => (format!("SOCKET#{}", escaped(id)), "SOCKET".to_owned()),
            Self::Subscriber(app, channel, key) => (subscribers(*app, channel), escaped(key)),
            Self::Presence(app) => (format!("WS#{app}"), "PRESENCE".to_owned()),
            Self::Ticket(hash) => (format!("TICKET#{}", escaped(hash)), "TICKET".to_owned()),
            Self::HubConnection(hash) => (hub_connection(hash), "HUB".to_owned()),
            Self::HubMessage(hash, sequence) => (hub_connection(hash), sequence_key(*sequence)),
            Self::Preferences(app, user) => (format!("PREFERENCES#{app}#{}", escaped(user)), "PREFERENCES".to_owned()),
            Self::Escalation(app, id) => (format!("ESCALATION#{app}#{id}"), "ESCALATION".to_owned()),
            Self::CollapseKey(app, user, hash) => {
                (format!("COLLAPSE#{app}#{}#{}", escaped(user), escaped(hash)), "COLLAPSE".to_owned())
            }
            Self::Process(app, id) => (processes(*app), escaped(id)),
            Self::PollSlot(app, number) => {
                let of = app.map_or_else(|| "all".to_owned(), |it| it.to_string());
                (format!("POLLS#{of}"), format!("{number:05}"))
            }
            Self::NotificationChannel(app, user, number) => (notification_channels(*app, user), sequence_key(*number)),
            Self::NotificationChannelCounter(app, user) => (notification_channels(*app, user), "COUNTER".to_owned()),
            Self::NotificationChannelKey(key) => (format!("NCKEY#{}", escaped(key)), "NCKEY".to_owned()),
            Self::QueuedNotification(app, user, number, sequence) => {
                let id = NotificationChannelId { app: *app, user: user.clone(), number: *number };
                (channel_queue(&id), sequence_key(*sequence))
            }
            Self::BoxCounter(it) => (message_box(it), "COUNTER".to_owned()),
            Self::Stored(it, id) => (message_box(it), format!("STORED#{}", sequence_key(*id))),
            Self::FolderName(it, parent, name) => {
                (message_box(it), format!("NAME#{}#{}", sequence_key(*parent), escaped(name)))
            }
            Self::Payload(it, id) => (message_box(it), format!("PAYLOAD#{}", sequence_key(*id))),
            Self::BoxSubscription(it, id) => (message_box(it), format!("SUBSCRIPTION#{}", sequence_key(*id))),
            Self::EventList(it, subscription, index) => (event_lists(it, *subscription), sequence_key(*index)),
            Self::EventListHolder(it, id) => (message_box(it), format!("HOLDER#{}", sequence_key(*id))),
            Self::Correlator(app, scope, hash) => (format!("CORRELATOR#{app}#{}", escaped(scope)), escaped(hash)),
            Self::BillingCustomer(app) => (application(*app), "BILLING".to_owned()),
            Self::BillingCustomerApp(id) => (format!("CUSTOMER#{}", escaped(id)), "CUSTOMER".to_owned()),
            Self::BillingProduct(app, product) => (application(*app), format!("PLAN#{}", escaped(product))),
            Self::BillingLease(app, product) => (application(*app), format!("LEASE#{}", escaped(product))),
            Self::StripeEvent(id) => (format!("STRIPE#{}", escaped(id)), "STRIPE".to_owned()),
            Self::MonthlyUsage(app, month) => (usage(*app), escaped(month)),
            Self::MonthlyUser(app, month, user) => (users(*app, month), escaped(user)),
            // no escaped name has a number sign
            Self::MonthlyUserCount(app, month) => (users(*app, month), "#COUNT".to_owned()),
            Self::OrderedFinished(app, channel, hash) => (ordered(*app, *channel, hash), "FINISHED".to_owned()),
            Self::OrderedWaiting(app, channel, hash, epoch, sequence) => {
                (ordered(*app, *channel, hash), format!("{FIRST_WAITING}{epoch:020}#{}", sequence_key(*sequence)))
            }
            Self::NotificationType(app, kind) => (application(*app), format!("TYPE#{}", escaped(kind))),
            Self::DevicePosition(app, user, device) => (format!("ACKED#{app}#{}", escaped(user)), escaped(device)),
        }
    }
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
        assert!(sequence_key(9) < sequence_key(10) && sequence_key(u64::MAX - 1) < sequence_key(u64::MAX));
        assert!(time_key(999, "z") < time_key(1_000, "a"));
    }
}
