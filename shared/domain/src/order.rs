//! What our own functions ask of each other, through queues. Versioned: `v` is 1.

use serde::{Deserialize, Serialize};

use crate::notification::Notification;
use crate::{AppId, BucketId, ChannelId, ItemId};

/// Scan a bucket: its first page, or the page after `token`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScanOrder {
    pub v: u8,
    pub app: AppId,
    pub bucket: BucketId,
    /// The same over all pages of one scan.
    pub scan: String,
    /// A person asked for it: it also runs while the bucket is inactive or backing off, and tells when it is done.
    #[serde(default)]
    pub requested: bool,
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
    /// When the scan was ordered, in milliseconds: the time at which its items were found, whatever is repeated.
    pub at: i64,
}

/// Process an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessOrder {
    pub v: u8,
    pub item: ItemId,
}

/// One notification for one receiver. The attempt number travels here, not in the receive count: that one counts our
/// own failures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    pub v: u8,
    pub app: AppId,
    pub channel: ChannelId,
    /// Starts at 1.
    pub attempt: u32,
    pub notification: Notification,
}
