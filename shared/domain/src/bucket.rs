//! A bucket that is scanned, and what is wanted from it.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::schedule::ScanSchedule;
use crate::{AppId, BucketId};

/// Where media comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaSystem {
    DataCore,
    ObjectMatrix,
    Iconik,
}

impl MediaSystem {
    /// Every system.
    pub const ALL: [Self; 3] = [Self::DataCore, Self::ObjectMatrix, Self::Iconik];

    /// The word that the API and the notifications use.
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

/// What is done with an item. The names are the product's own (`"processor": "FacialRecognition"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProcessorKind {
    FacialRecognition,
}

impl ProcessorKind {
    /// The word that settings, results and notifications use.
    pub fn name(self) -> &'static str {
        match self {
            Self::FacialRecognition => "FacialRecognition",
        }
    }
}

/// Where a processor runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    #[default]
    Embedded,
}

/// Settings of a bucket's processor; what is absent has the processor's default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessorSettings {
    pub backend: Backend,
    /// Frames per second that are looked at in a video, 0.1 to 10.
    pub sample_fps: Option<f32>,
    /// The smallest face, in pixels of the analysed picture, 20 to 1000.
    pub min_face_px: Option<u32>,
    /// Detections under this score are dropped, above 0.
    pub score_threshold: Option<f64>,
}

/// How new objects are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiscoveryMode {
    /// Every key is listed, over S3.
    #[default]
    Listing,
    /// What was changed since the last scan is searched for, over SCSP (media systems, section 4.4); all is walked every
    /// so many scans.
    Search { full_every: u32 },
}

/// A secret as it is stored: base64 of nonce and ciphertext under the application's data key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedSecret(pub String);

impl std::fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("********")
    }
}

/// A bucket of a media system, scanned on a schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    pub id: BucketId,
    pub app: AppId,
    pub system: MediaSystem,
    /// The S3 front end, path style: `https://{domain}`.
    pub endpoint: String,
    pub bucket: String,
    /// Keys must begin with one of these; none means every key.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// Keys must end with one of these, in any case; none means every key.
    #[serde(default)]
    pub suffixes: Vec<String>,
    /// `image/jpeg` or `image/*`; none means what may hold what the processor looks for ([`crate::scanning::wanted`]).
    #[serde(default)]
    pub mime_types: Vec<String>,
    pub schedule: ScanSchedule,
    pub active: bool,
    pub processor: ProcessorKind,
    #[serde(default)]
    pub settings: ProcessorSettings,
    /// 1 to 10; see [`crate::item::URGENT`].
    #[serde(default = "crate::item::default_priority")]
    pub priority: u8,
    /// The region that requests over S3 are signed for; see [`Bucket::region`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// How new objects are found.
    #[serde(default)]
    pub poll: DiscoveryMode,
    /// Results are written beside the media, as `.ai/<name>.json`.
    #[serde(default)]
    pub write_back: bool,
    /// `access:secret`, sealed; absent means anonymous.
    pub credentials: Option<SealedSecret>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl Bucket {
    /// The region that requests are signed for (SigV4's scope). Most systems that are not Amazon's take `us-east-1`.
    pub fn region(&self) -> &str {
        self.region.as_deref().unwrap_or("us-east-1")
    }
}

/// How the last scan of a bucket ended, and whether one is under way.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ScanState {
    /// The scan that holds the bucket, and until when (milliseconds).
    pub running: Option<(String, i64)>,
    /// Failures in a row; 0 after a success.
    #[serde(default)]
    pub failures: u32,
    /// Why the last scan failed, or what it had to leave out.
    pub last_error: Option<String>,
    /// No scheduled scan before this time (milliseconds), after failures.
    #[serde(default)]
    pub not_before: i64,
    /// Where a search goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub searched: Option<SearchProgress>,
    /// The last scan that a person asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastScan>,
}

impl ScanState {
    /// When the last scan failed, in milliseconds; `None` if none has since the last that went well.
    pub fn failed_at(&self) -> Option<i64> {
        let backoff = crate::scanning::backoff(self.failures).whole_milliseconds() as i64;
        (self.failures > 0).then(|| self.not_before - backoff)
    }
}

/// How far searches have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchProgress {
    /// Everything that was changed before has been found, in milliseconds.
    pub to: i64,
    /// Searches since the last walk of everything.
    pub count: u32,
}

/// How a scan that a person asked for ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastScan {
    pub scan: String,
    /// Objects that the bucket listed, and items that were new among them.
    pub listed: u64,
    pub found: u64,
    pub error: Option<String>,
    /// Objects that could not be read, and were left out.
    #[serde(default)]
    pub unreadable: u64,
    /// Nothing was stored; `found` are the items that would be processed.
    #[serde(default)]
    pub dry: bool,
    /// It is still under way: the numbers are those until now.
    #[serde(default)]
    pub running: bool,
}
