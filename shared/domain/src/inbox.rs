//! A user's inbox: its read state and counts, change notifications, preferences and escalations.

use serde::{Deserialize, Serialize};

use crate::AppId;
use crate::notification::{NotificationId, type_matches};

pub use crate::read_state::{InboxAction, InboxCounts, ReadState};
pub use crate::sequence_ranges::SequenceRanges;

/// Types of change notifications: a notification was updated or retracted after it was sent. They are in the same
/// stream, so that a client that catches up learns of the change by the same cursor. Lists and counts leave them out.
pub const UPDATED: &str = "notification.updated";
pub const RETRACTED: &str = "notification.retracted";

/// Whether it is the type of a change notification. Callers cannot publish these.
pub fn is_change_type(kind: &str) -> bool {
    kind == UPDATED || kind == RETRACTED
}

/// A notification in a user's inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxEntry {
    pub app: AppId,
    pub user: String,
    pub id: NotificationId,
}

/// A user's preference for one type or for a prefix of types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreferenceRule {
    /// `message.received`, `message.*` or `*`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether notifications of this type are delivered to the inbox.
    pub in_app: bool,
    /// The application's webhooks are notified if it is still unread after this many minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalate_after_minutes: Option<u32>,
}

/// A user's preferences. Notifications without a rule go to the inbox and are not escalated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferences {
    pub rules: Vec<PreferenceRule>,
}

impl Preferences {
    /// The most specific rule for a type.
    pub fn rule_for(&self, kind: &str) -> Option<&PreferenceRule> {
        let matching = self.rules.iter().filter(|it| type_matches(&it.kind, kind));
        matching.max_by_key(|it| (!it.kind.ends_with('*'), it.kind.len()))
    }
}

/// The state of an escalation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Escalation {
    /// It will be published if the notification is still unread by then.
    Pending,
    /// It was published to the webhooks.
    #[serde(rename = "told")]
    Published,
    /// The notification was read, archived or deleted before.
    Cancelled,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_that_says_most_holds() {
        let rule = |kind: &str, minutes| PreferenceRule {
            kind: kind.into(),
            in_app: true,
            escalate_after_minutes: Some(minutes),
        };
        let all = Preferences { rules: vec![rule("*", 1), rule("message.*", 2), rule("message.received", 3)] };
        for (kind, want) in [("message.received", 3), ("message.sent", 2), ("messages", 1), ("item", 1)] {
            assert_eq!(all.rule_for(kind).and_then(|it| it.escalate_after_minutes), Some(want), "{kind}");
        }
        assert_eq!(Preferences { rules: vec![rule("a.*", 1)] }.rule_for("b"), None);
    }
}
