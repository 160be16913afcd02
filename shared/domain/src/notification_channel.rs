//! Notification channels of OMA's Notification Channel API V1.0 (NC): what a channel is, and when a long poll is answered.

use serde::{Deserialize, Serialize};

use crate::AppId;

/// The lifetime of a channel, in seconds: by default and at most a day, as deployed clients ask for; at least a minute.
pub const MAX_LIFETIME: u64 = 86_400;
pub const MIN_LIFETIME: u64 = 60;
/// Notifications of a list, by default and at most. What is delivered is deleted in one transaction with the check of the
/// poll (DynamoDB: 100 actions).
pub const DEFAULT_NOTIFICATIONS: u64 = 10;
pub const MAX_NOTIFICATIONS: u64 = 90;
/// The longest time that a notification waits for others, in seconds: polls end before (API Gateway's integration timeout).
pub const MAX_WAIT_TIME: u64 = 25;
/// Channels of one user (NC has no pagination of the list).
pub const MAX_CHANNELS: usize = 50;
/// Notifications that wait in a channel. Beyond it enablers are asked to come again.
pub const MAX_QUEUED: u64 = 1_000;
/// The size of a list, in bytes: a message of API Gateway's WebSocket APIs has at most 128 KB.
pub const MAX_LIST_BYTES: usize = 120_000;

/// How long before the end of a lifetime the client of an open socket is asked whether it is there, at most, in milliseconds.
const MAX_CHECK_LEAD_MS: i64 = 60_000;
/// How much earlier than planned a check may come, in milliseconds.
const CHECK_TOLERANCE_MS: i64 = 5_000;

/// The types of channels that are offered (NC 5.2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChannelType {
    LongPolling,
    WebSockets,
}

impl ChannelType {
    /// The value of `channelType`.
    pub fn name(self) -> &'static str {
        match self {
            Self::LongPolling => "LongPolling",
            Self::WebSockets => "WebSockets",
        }
    }
}

/// Who owns a channel, and its number: they count per user from 1 and are never used again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NotificationChannelId {
    pub app: AppId,
    pub user: String,
    pub number: u64,
}

/// A notification channel (NC 5.2.2.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotificationChannel {
    #[serde(flatten)]
    pub id: NotificationChannelId,
    #[serde(rename = "type")]
    pub channel_type: ChannelType,
    /// Whether its messages are XML: as the response to its creation was. A list has one encoding.
    pub xml: bool,
    pub max_notifications: u64,
    /// In seconds; of a long-polling channel.
    pub max_wait_time: u64,
    /// The granted lifetime in seconds, to which polls reset it.
    pub granted: u64,
    /// When it ceases to exist, in milliseconds since 1970.
    pub expires_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_correlator: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_tag: Option<String>,
    /// The random part of its URLs: with it, the channel's row is found.
    pub key: String,
    /// Notifications that it has ever got: a poll sees by it that there is something.
    pub queued: u64,
    /// The number of the newest poll.
    pub poll: u64,
    /// The open WebSocket's connection (API Gateway's id).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// Who sends what waits to the WebSocket, and until when, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<(String, i64)>,
    /// When it is looked after next, in milliseconds since 1970; 0 before the first time.
    #[serde(default)]
    pub next_check: i64,
    /// The lifetime that our last `connCheck` offered, in seconds, until it is answered (NC 5.3.17).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered_lifetime: Option<u64>,
    /// Counts the changes of the row, `queued` and `poll` apart.
    pub revision: u64,
}

impl NotificationChannel {
    pub fn has_expired(&self, now_ms: i64) -> bool {
        self.expires_at <= now_ms
    }

    /// Its remaining lifetime, in whole seconds.
    pub fn remaining(&self, now_ms: i64) -> u64 {
        u64::try_from((self.expires_at - now_ms).max(0) / 1_000).unwrap_or(0)
    }

    /// When the server looks after it, in milliseconds since 1970: at its end, and while a socket may be open, before that, so that a
    /// client that is there can prolong it.
    pub fn check_at(&self) -> i64 {
        let lead = i64::try_from(self.granted).unwrap_or(0) * 1_000 / 3;
        match self.channel_type {
            ChannelType::WebSockets => self.expires_at - lead.min(MAX_CHECK_LEAD_MS),
            ChannelType::LongPolling => self.expires_at,
        }
    }

    /// When it has to be looked after; `None` if it is planned to be by then.
    pub fn unplanned_check(&self, now_ms: i64) -> Option<i64> {
        let at = self.check_at();
        let is_planned = self.next_check > now_ms && self.next_check <= at;
        (!is_planned).then_some(at)
    }

    /// Whether a check that comes now was replaced by a later one: queues and clocks differ by seconds.
    pub fn is_checked_later(&self, now_ms: i64) -> bool {
        self.next_check > now_ms + CHECK_TOLERANCE_MS
    }

    /// Starts its lifetime anew.
    pub fn refresh(&mut self, lifetime: u64, now_ms: i64) {
        self.expires_at = now_ms + i64::try_from(lifetime).unwrap_or(0) * 1_000;
    }
}

/// The lifetime that is granted for the one that was asked for, in seconds (NC 5.2.2.2: the server may change it).
pub fn granted_lifetime(requested: Option<u64>) -> u64 {
    requested.unwrap_or(MAX_LIFETIME).clamp(MIN_LIFETIME, MAX_LIFETIME)
}

/// Whether a long poll is answered with what waits: as many as a list has, or the oldest has waited as long as it may since
/// it arrived (NC 5.3.6). `oldest_at` and `now_ms` are milliseconds since 1970.
pub fn is_poll_due(
    waiting: u64,
    oldest_at: Option<i64>,
    max_notifications: u64,
    max_wait_time: u64,
    now_ms: i64,
) -> bool {
    let wait_ms = i64::try_from(max_wait_time).unwrap_or(0) * 1_000;
    waiting >= max_notifications || oldest_at.is_some_and(|it| now_ms - it >= wait_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of NC 5.3.6: at most 3 notifications, 5 seconds.
    #[test]
    fn a_poll_is_answered_when_the_list_is_full_or_the_oldest_has_waited() {
        for (waiting, oldest, now, due) in [
            (0, None, 100, false),
            (1, Some(55), 55, false),
            (2, Some(55), 56, false),
            (3, Some(55), 58, true),
            (1, Some(70), 74, false),
            (1, Some(70), 75, true),
        ] {
            let oldest = oldest.map(|it: i64| it * 1_000);
            assert_eq!(is_poll_due(waiting, oldest, 3, 5, now * 1_000), due, "{waiting} {oldest:?} {now}");
        }
        assert!(is_poll_due(1, Some(7_000), 10, 0, 7_000), "at the moment that anything is there");
    }

    #[test]
    fn a_lifetime_is_brought_into_its_bounds() {
        for (requested, granted) in [(None, 86_400), (Some(1), 60), (Some(7_200), 7_200), (Some(u64::MAX), 86_400)] {
            assert_eq!(granted_lifetime(requested), granted, "{requested:?}");
        }
    }
}
