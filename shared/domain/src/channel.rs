//! Channels: where an application receives notifications, and which ones.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::bucket::SealedSecret;
use crate::delivery::RetrySchedule;
use crate::filter::Filter;
use crate::notification::{Notification, is_type_word, type_matches};
use crate::{AppId, ChannelId, adcreative};

/// A channel configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Channel {
    pub id: ChannelId,
    pub app: AppId,
    pub target: Target,
    pub active: bool,
    pub include_image_data: bool,
    #[serde(default)]
    pub format: MessageFormat,
    #[serde(default)]
    pub ordering: Ordering,
    /// Subscribed types, such as `item.completed` or `item.*`; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// An event pattern that notifications must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// Maximum deliveries per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
    /// Whether intermediate progress of image tasks is delivered, not only the final one.
    #[serde(default)]
    pub every_progress: bool,
    /// The receiver has not confirmed the channel yet: nothing but the challenge is sent (realtime, H-9).
    #[serde(default)]
    pub unconfirmed: bool,
    /// Why the system disabled the channel, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// The format of delivered messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageFormat {
    /// The published AdCreative messages only, because their receivers answer 400 to unknown types (channel API,
    /// section 9.5).
    #[default]
    AdCreative,
    /// All types, as `type`, `timestamp` and `data` (realtime, section 2.5).
    Native,
    /// All types, as CloudEvents 1.0 in the structured content mode of their protocol.
    CloudEvents,
}

/// In which order a channel gets the events of one ordering key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ordering {
    /// In no order: a failed delivery does not hold up the next one.
    #[default]
    None,
    /// One after the other: the next is attempted once the one before was delivered or given up.
    Key,
}

/// A channel's kind with its configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    Webhook(Webhook),
    SignalR(SignalR),
    RabbitMq(RabbitMq),
}

/// The kinds of channel. Each has a queue and a function of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    #[default]
    Webhook,
    SignalR,
    RabbitMq,
}

/// A webhook (channel API, section 3.8).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Webhook {
    /// The URL with the secrets in its query masked ([`crate::masking::mask_url`]).
    pub url: String,
    /// The full URL, encrypted, if its query holds secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_url: Option<SealedSecret>,
    pub schedule: RetrySchedule,
    /// The signing secrets, encrypted, newest first. The older ones stay valid until their `until`.
    pub keys: Vec<SigningKey>,
}

/// A signing secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SigningKey {
    pub secret: SealedSecret,
    /// End of validity in milliseconds; absent for the current secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

/// A SignalR hub of the customer (channel API, section 8).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignalR {
    /// The URL with the secrets in its query masked.
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_url: Option<SealedSecret>,
    /// The hub method that is invoked.
    pub method: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SealedSecret>,
    pub schedule: RetrySchedule,
}

/// A RabbitMQ queue of the customer (channel API, sections 3.6 and 9.6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RabbitMq {
    pub url: String,
    pub username: String,
    pub password: SealedSecret,
    pub queue: String,
    pub schedule: RetrySchedule,
}

/// Maximum number of signing secrets kept besides the current one (realtime, W-2).
pub const MAX_SIGNING_KEYS: usize = 10;

/// Notification type: asks a receiver to confirm the channel.
pub const CHALLENGE: &str = "channel.challenge";
/// Notification type: a test message that the channel's owner requested.
pub const TEST: &str = "channel.test";

/// Why a notification is not delivered to a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    #[error("the channel is inactive")]
    Inactive,
    #[error("the channel has not answered its challenge yet")]
    Unconfirmed,
    #[error("the notification is for another channel, or reports on this one")]
    OtherChannel,
    #[error("the publisher sends it to other channels only")]
    NotAddressed,
    #[error("the channel receives only the final progress")]
    IntermediateProgress,
    #[error("the channel receives the published AdCreative messages only")]
    Format,
    #[error("the channel does not want this type")]
    Type,
    #[error("the channel's filter does not match")]
    Filter,
}

impl Target {
    /// The kind without its configuration.
    pub fn kind(&self) -> ChannelKind {
        match self {
            Self::Webhook(_) => ChannelKind::Webhook,
            Self::SignalR(_) => ChannelKind::SignalR,
            Self::RabbitMq(_) => ChannelKind::RabbitMq,
        }
    }

    /// The number of this kind in the published enumeration (channel API, section 1.4).
    pub fn api_number(&self) -> u8 {
        self.kind() as u8
    }

    /// The address with its secrets masked.
    pub fn url(&self) -> &str {
        match self {
            Self::Webhook(it) => &it.url,
            Self::SignalR(it) => &it.url,
            Self::RabbitMq(it) => &it.url,
        }
    }

    /// The full address, encrypted, if it holds secrets.
    pub fn sealed_url(&self) -> Option<&SealedSecret> {
        match self {
            Self::Webhook(it) => it.sealed_url.as_ref(),
            Self::SignalR(it) => it.sealed_url.as_ref(),
            Self::RabbitMq(_) => None,
        }
    }

    /// The retry schedule.
    pub fn schedule(&self) -> RetrySchedule {
        match self {
            Self::Webhook(it) => it.schedule,
            Self::SignalR(it) => it.schedule,
            Self::RabbitMq(it) => it.schedule,
        }
    }
}

impl Channel {
    /// Whether the channel, as configured now, receives this notification. `Err` says why not.
    pub fn accepts(&self, notification: &Notification) -> Result<(), SkipReason> {
        if !self.active {
            return Err(SkipReason::Inactive);
        }
        let names_this_channel =
            notification.data.pointer("/channel/id").and_then(|it| it.as_str()) == Some(&self.id.to_string());
        match notification.kind.as_str() {
            CHALLENGE => {
                return if names_this_channel && self.unconfirmed { Ok(()) } else { Err(SkipReason::OtherChannel) };
            }
            _ if self.unconfirmed => return Err(SkipReason::Unconfirmed),
            TEST => return if names_this_channel { Ok(()) } else { Err(SkipReason::OtherChannel) },
            // A failing channel is reported to the other channels only.
            kind if names_this_channel && is_about_delivery(kind) => return Err(SkipReason::OtherChannel),
            _ => {}
        }
        if !notification.is_addressed_to(self.id) {
            return Err(SkipReason::NotAddressed);
        }
        let is_intermediate =
            notification.kind == adcreative::TASKS_PROGRESS && notification.data.get("progress") != Some(&100.into());
        if is_intermediate && !self.every_progress {
            return Err(SkipReason::IntermediateProgress);
        }
        if self.format == MessageFormat::AdCreative && !adcreative::is_published_type(&notification.kind) {
            return Err(SkipReason::Format);
        }
        if !self.types.is_empty() && !self.types.iter().any(|pattern| type_matches(pattern, &notification.kind)) {
            return Err(SkipReason::Type);
        }
        match &self.filter {
            Some(filter) if !filter.matches(notification) => Err(SkipReason::Filter),
            _ => Ok(()),
        }
    }
}

/// Whether a type reports on deliveries themselves. A failure to deliver such a notification is not reported again.
pub fn is_about_delivery(kind: &str) -> bool {
    kind.starts_with("channel.") || kind.starts_with("delivery.")
}

/// Whether a text is a valid type pattern: a type's name, or one whose last word is `*`.
pub fn is_type_pattern(text: &str) -> bool {
    let prefix = text.strip_suffix(".*").unwrap_or(text);
    text.len() <= 128 && (text == "*" || prefix.split('.').all(is_type_word))
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::event::EventAttributes;
    use crate::notification::{NewNotification, NotificationId, Stream};

    pub(crate) fn channel() -> Channel {
        Channel {
            id: ChannelId::random([1; 16]),
            app: AppId::random([2; 16]),
            target: Target::Webhook(Webhook {
                url: "https://a.example/".into(),
                sealed_url: None,
                schedule: RetrySchedule::Standard,
                keys: Vec::new(),
            }),
            active: true,
            include_image_data: false,
            format: MessageFormat::Native,
            ordering: Ordering::None,
            types: Vec::new(),
            filter: None,
            per_second: None,
            every_progress: false,
            unconfirmed: false,
            disabled_reason: None,
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn notification(kind: &str, data: Value) -> Notification {
        let id = NotificationId { stream: Stream::App, epoch: 1, sequence: 1 };
        NewNotification::new(kind, data).published(id, OffsetDateTime::UNIX_EPOCH)
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Channel), notification: &Notification, want: Result<(), SkipReason>) {
        let mut channel = channel();
        change(&mut channel);
        assert_eq!(channel.accepts(notification), want);
    }

    #[test]
    fn a_channel_says_why_it_does_not_want_something() {
        let item = notification("item.completed", json!({ "item": { "key": "a.jpg" } }));
        check(|_| {}, &item, Ok(()));
        check(|it| it.active = false, &item, Err(SkipReason::Inactive));
        check(|it| it.unconfirmed = true, &item, Err(SkipReason::Unconfirmed));
        let to = |id: ChannelId| Some(Box::new(EventAttributes { channels: vec![id], ..EventAttributes::default() }));
        check(|_| {}, &Notification { attributes: to(channel().id), ..item.clone() }, Ok(()));
        let other = ChannelId::random([7; 16]);
        check(|_| {}, &Notification { attributes: to(other), ..item.clone() }, Err(SkipReason::NotAddressed));
        check(|it| it.format = MessageFormat::AdCreative, &item, Err(SkipReason::Format));
        check(|it| it.format = MessageFormat::AdCreative, &notification("task.completed", json!({})), Ok(()));
        let half = notification("tasks.progress", json!({ "progress": 50 }));
        check(|_| {}, &half, Err(SkipReason::IntermediateProgress));
        check(|it| it.every_progress = true, &half, Ok(()));
        check(|_| {}, &notification("tasks.progress", json!({ "progress": 100 })), Ok(()));
        check(|it| it.types = vec!["scan.*".into()], &item, Err(SkipReason::Type));
        check(|it| it.types = vec!["scan.*".into(), "item.completed".into()], &item, Ok(()));
        let filter = |it: Value| Filter::try_from(it).unwrap();
        let other = filter(json!({ "data": { "item": { "key": ["b.jpg"] } } }));
        check(|it| it.filter = Some(other), &item, Err(SkipReason::Filter));
    }

    #[test]
    fn tests_and_challenges_reach_the_one_channel_that_they_name_and_failures_the_others() {
        let (own, other) = (channel().id.to_string(), ChannelId::random([9; 16]).to_string());
        let of = |kind: &str, id: &str| notification(kind, json!({ "channel": { "id": id } }));
        let narrow = |it: &mut Channel| it.types = vec!["scan.*".into()];
        check(narrow, &of(TEST, &own), Ok(()));
        check(|_| {}, &of(TEST, &other), Err(SkipReason::OtherChannel));
        check(|it| it.unconfirmed = true, &of(CHALLENGE, &own), Ok(()));
        check(|_| {}, &of(CHALLENGE, &own), Err(SkipReason::OtherChannel));
        check(|_| {}, &of("delivery.exhausted", &own), Err(SkipReason::OtherChannel));
        check(|_| {}, &of("delivery.exhausted", &other), Ok(()));
    }

    #[test]
    fn patterns_are_types_with_a_star_at_their_end() {
        for good in ["*", "item.*", "item.completed", "task_1", "order-line.paid"] {
            assert!(is_type_pattern(good), "{good}");
        }
        for bad in ["", ".", "item.", "*.completed", "item*", "a b", "item.*.x"] {
            assert!(!is_type_pattern(bad), "{bad}");
        }
    }
}
