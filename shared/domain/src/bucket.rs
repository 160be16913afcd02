//! Buckets of media systems, their settings, and the state of their scans.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::schedule::ScanSchedule;
use crate::{AppId, BucketId};

pub use crate::processor::{Backend, Backends, ProcessorKind, ProcessorSettings, Processors};

/// A system that media is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaSystem {
    DataCore,
    ObjectMatrix,
    Iconik,
}

impl MediaSystem {
    /// All systems.
    pub const ALL: [Self; 3] = [Self::DataCore, Self::ObjectMatrix, Self::Iconik];

    /// The name in the API and in notifications.
    pub fn name(self) -> &'static str {
        match self {
            Self::DataCore => "datacore",
            Self::ObjectMatrix => "objectmatrix",
            Self::Iconik => "iconik",
        }
    }
}

impl std::str::FromStr for MediaSystem {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|it| it.name() == text).ok_or(())
    }
}

/// How new objects are discovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiscoveryMode {
    /// All keys are listed with S3 `ListObjectsV2`.
    #[default]
    Listing,
    /// Objects changed since the last scan are searched for over SCSP (media systems, section 4.4). Every `full_every`
    /// scans, all keys are listed.
    Search { full_every: u32 },
}

/// An encrypted secret: base64 of nonce and ciphertext under the application's data key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedSecret(pub String);

impl std::fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("********")
    }
}

/// A bucket of a media system that is scanned on a schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    pub id: BucketId,
    pub app: AppId,
    pub system: MediaSystem,
    /// Base URL of the S3 endpoint, path-style: `https://{domain}`.
    pub endpoint: String,
    pub bucket: String,
    /// Accepted key prefixes; empty accepts all keys.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// Accepted key suffixes, case-insensitive; empty accepts all keys.
    #[serde(default)]
    pub suffixes: Vec<String>,
    /// Accepted media types, `image/jpeg` or `image/*`. Empty accepts whatever may hold visual content.
    #[serde(default)]
    pub mime_types: Vec<String>,
    pub schedule: ScanSchedule,
    pub active: bool,
    /// What is done with its objects.
    pub processor: Processors,
    #[serde(default)]
    pub settings: ProcessorSettings,
    /// 1 to 10; see `item::URGENT_PRIORITY`.
    #[serde(default = "crate::priority::default_priority")]
    pub priority: u8,
    /// The SigV4 region, if it is set; see [`Bucket::region`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// How new objects are discovered.
    #[serde(default)]
    pub poll: DiscoveryMode,
    /// Whether results are written next to the media, as `.ai/<name>.json`.
    #[serde(default)]
    pub write_back: bool,
    /// `access:secret`, encrypted. Absent means anonymous access.
    pub credentials: Option<SealedSecret>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl Bucket {
    /// The region that requests are signed for (the scope of SigV4). Most S3-compatible systems accept `us-east-1`.
    pub fn region(&self) -> &str {
        self.region.as_deref().unwrap_or("us-east-1")
    }
}

/// The state of a bucket's scans.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ScanState {
    /// The id of the running scan, and when its lease ends, in milliseconds.
    pub running: Option<(String, i64)>,
    /// Consecutive failures; 0 after a success.
    #[serde(default)]
    pub failures: u32,
    /// Why the last scan failed, or which objects it left out.
    pub last_error: Option<String>,
    /// No scheduled scan starts before this time (milliseconds); set after failures.
    #[serde(default)]
    pub not_before: i64,
    /// How far searches have come, if the bucket is searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub searched: Option<SearchProgress>,
    /// The last scan that a user requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastScan>,
}

impl ScanState {
    /// When the last scan failed, in milliseconds; `None` if the last scan succeeded.
    pub fn failed_at(&self) -> Option<i64> {
        let wait = backoff(self.failures).whole_milliseconds() as i64;
        (self.failures > 0).then(|| self.not_before - wait)
    }
}

/// The wait after this many consecutive failed scans: 1, 2, 4, … 60 minutes.
pub fn backoff(failures: u32) -> time::Duration {
    time::Duration::minutes(1_i64.checked_shl(failures.saturating_sub(1)).unwrap_or(60).clamp(1, 60))
}

/// The progress of searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchProgress {
    /// All changes before this time have been found, in milliseconds.
    pub to: i64,
    /// Searches since the last full listing.
    pub count: u32,
}

/// The outcome of a scan that a user requested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastScan {
    pub scan: String,
    /// Number of objects listed, and number of new items among them.
    pub listed: u64,
    pub found: u64,
    pub error: Option<String>,
    /// Number of listed objects that could not be read and were left out.
    #[serde(default)]
    pub unreadable: u64,
    /// A dry run: nothing was stored, and `found` counts the items that would have been processed.
    #[serde(default)]
    pub dry: bool,
    /// Whether the scan is still running; the numbers are intermediate then.
    #[serde(default)]
    pub running: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_after_each_failure_up_to_an_hour() {
        let minutes: Vec<i64> = [1, 2, 3, 6, 7, 8, 200].map(|it| backoff(it).whole_minutes()).into();
        assert_eq!(minutes, [1, 2, 4, 32, 60, 60, 60]);
    }
}
