//! Dead letters: their kinds, whose they are, and how they go back to their queue.

use serde_json::Value;
use time::Duration;

use crate::AppId;
use crate::application::Scope;
use crate::channel::ChannelKind;

/// A kind of dead letter, by the queue that it comes from. Those of the table's stream and of the payment provider's events need
/// not name an application, and are the operator's alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterKind {
    Scan,
    Iconik,
    Faces,
    Objects,
    Translations,
    Render,
    Webhook,
    Amqp,
    SignalR,
    Push,
    /// Event lists of subscriptions to OMA message stores.
    Nms,
}

/// How many letters go back in the first step, and how long a step takes. Each step has twice as many as the one before, up to
/// [`MAX_PER_STEP`]: like a recovered receiver's deliveries (realtime, D-6).
const FIRST_STEP: usize = 5;
const STEP: Duration = Duration::seconds(5);
const MAX_PER_STEP: usize = 320;
/// The longest delay of a message in a queue (Amazon SQS, message timers).
const MAX_DELAY: Duration = Duration::seconds(900);

impl DeadLetterKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Scan,
        Self::Iconik,
        Self::Faces,
        Self::Objects,
        Self::Translations,
        Self::Render,
        Self::Webhook,
        Self::Amqp,
        Self::SignalR,
        Self::Push,
        Self::Nms,
    ];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Iconik => "iconik",
            Self::Faces => "faces",
            Self::Objects => "objects",
            Self::Translations => "translations",
            Self::Render => "render",
            Self::Webhook => "webhook",
            Self::Amqp => "amqp",
            Self::SignalR => "signalr",
            Self::Push => "push",
            Self::Nms => "nms",
        }
    }

    /// The kind of channel that its letters are deliveries to, if they are.
    pub fn channel_kind(self) -> Option<ChannelKind> {
        match self {
            Self::Webhook => Some(ChannelKind::Webhook),
            Self::Amqp => Some(ChannelKind::RabbitMq),
            Self::SignalR => Some(ChannelKind::SignalR),
            Self::Scan
            | Self::Iconik
            | Self::Faces
            | Self::Objects
            | Self::Translations
            | Self::Render
            | Self::Push
            | Self::Nms => None,
        }
    }

    /// The scope that covers what its letters are about.
    pub fn scope(self) -> Scope {
        match self {
            Self::Scan | Self::Iconik | Self::Faces | Self::Objects | Self::Translations => Scope::Media,
            Self::Render => Scope::Images,
            Self::Webhook | Self::Amqp | Self::SignalR => Scope::Channels,
            Self::Push => Scope::Inbox,
            Self::Nms => Scope::Oma,
        }
    }
}

impl std::str::FromStr for DeadLetterKind {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|it| it.name() == text).ok_or(())
    }
}

/// The application that a message says it is for, by itself or by its box in a message store; `None` if it names none.
pub fn application(body: &Value) -> Option<AppId> {
    body["app"].as_str().or_else(|| body["in_box"]["app"].as_str())?.parse().ok()
}

/// How long the letter of this index, counted from 0, waits in its queue when many go back: first a few, then more and more, so
/// that whatever could not handle them is not flooded.
pub fn redrive_delay(index: usize) -> Duration {
    let (mut end, mut size, mut delay) = (FIRST_STEP, FIRST_STEP, Duration::ZERO);
    while index >= end && delay < MAX_DELAY {
        size = (size * 2).min(MAX_PER_STEP);
        end += size;
        delay += STEP;
    }
    delay.min(MAX_DELAY)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn letters_go_back_slowly_at_first() {
        for (index, seconds) in
            [(0, 0), (4, 0), (5, 5), (14, 5), (15, 10), (34, 10), (35, 15), (314, 25), (315, 30), (10_000, 180)]
        {
            assert_eq!(redrive_delay(index), Duration::seconds(seconds), "{index}");
        }
        assert_eq!(redrive_delay(usize::MAX), MAX_DELAY);
    }

    #[test]
    fn a_letter_says_whose_it_is() {
        let app = AppId::random([7; 16]);
        assert_eq!(application(&json!({ "app": app })), Some(app));
        assert_eq!(application(&json!({ "in_box": { "app": app } })), Some(app));
        for other in [json!({}), json!("x"), json!({ "app": 7 }), json!({ "app": "nobody" }), Value::Null] {
            assert_eq!(application(&other), None, "{other}");
        }
        assert!(DeadLetterKind::ALL.iter().all(|it| it.name().parse() == Ok(*it)));
        assert_eq!("stream".parse::<DeadLetterKind>(), Err(()));
    }
}
