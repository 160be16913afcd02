//! Expiry of notifications in an inbox.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::notification::{Notification, Stream};

/// The expiry of one notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Sequence number of the notification.
    pub number: u64,
    /// Expiry time in milliseconds since 1970.
    pub at: i64,
    /// Sequence number of the notification that set this time: the notification itself, or the change that gave it
    /// another time.
    pub set_by: u64,
}

impl Notification {
    /// Expiry time in milliseconds since 1970, for an event or a notification in a user's inbox that has one.
    pub fn expires_at(&self) -> Option<i64> {
        if let Some(attributes) = &self.attributes {
            return attributes.expires_at;
        }
        let at = self.data.get("expiresAt").filter(|_| matches!(self.id.stream, Stream::User(_)))?;
        OffsetDateTime::parse(at.as_str()?, &Rfc3339).ok().map(crate::millis)
    }

    /// Whether it has expired. Expired notifications are not listed.
    pub fn has_expired(&self, now: OffsetDateTime) -> bool {
        self.expires_at().is_some_and(|it| it <= crate::millis(now))
    }
}
