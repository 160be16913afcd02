//! A channel: where an application wants to be told.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::bucket::Sealed;
use crate::{AppId, ChannelId};

/// A channel configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Channel {
    pub id: ChannelId,
    pub app: AppId,
    pub target: Target,
    pub active: bool,
    pub include_image_data: bool,
    /// Why the system switched it off, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// The kinds of channel and what each needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    Webhook(Webhook),
}

/// A webhook (channel API, section 3.8).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Webhook {
    pub url: String,
    /// Attempts after the first, 0 to 20.
    pub retries: u32,
    /// The n-th retry waits `factor^n` seconds, 1.0 to 10.0.
    pub factor: f64,
    /// The signing secret's bytes, sealed.
    pub secret: Sealed,
}
