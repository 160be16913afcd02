//! Items: one version of a media object or asset, and its processing state.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::bucket::{Bucket, MediaSystem, ProcessorKind};
use crate::scanning::ListedObject;
use crate::{AppId, BucketId, ItemId};

pub use crate::priority::{URGENT_PRIORITY, default_priority};

/// The status of an item. The names are those of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ItemStatus {
    Pending,
    Processing,
    Completed,
    Failed,
    Skipped,
}

impl ItemStatus {
    /// All statuses, in the order in which an item passes through them.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Processing, Self::Completed, Self::Failed, Self::Skipped];

    /// The name in the API, in rows and in notifications.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Processing => "Processing",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Skipped => "Skipped",
        }
    }
}

impl std::str::FromStr for ItemStatus {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|it| it.name().eq_ignore_ascii_case(text)).ok_or(())
    }
}

/// One version of a media object or asset. When it is discovered, its row must be smaller than 1 KB, which is one write
/// unit of DynamoDB.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    pub id: ItemId,
    pub app: AppId,
    pub system: MediaSystem,
    /// The bucket that it was discovered in; `None` for an asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_id: Option<BucketId>,
    /// The bucket's name, or the asset manager's host name.
    pub bucket: String,
    /// The object's key, or the asset's id.
    pub key: String,
    /// The asset's title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// `{etag}-{size}` of the object, with the ETag as its system returned it, without quotes (see
    /// [`Precondition`](crate::scanning::Precondition)); for an asset, the id of its version.
    pub version: String,
    pub size: u64,
    pub media_type: String,
    pub processor: ProcessorKind,
    /// 1 to 10; see [`URGENT_PRIORITY`].
    #[serde(default = "default_priority", skip_serializing_if = "crate::priority::is_default_priority")]
    pub priority: u8,
    pub status: ItemStatus,
    /// Version for optimistic locking.
    pub revision: u32,
    /// Attempts since processing was last requested.
    pub attempts: u32,
    /// While Processing: when the worker's lease ends, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<i64>,
    /// While postponed: how many seconds its system asked us to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u64>,
    /// Why it is Skipped or Failed, or why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<ResultSummary>,
    /// The asset manager's job that shows the progress of processing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The scan page that discovered it, so that a repeated page recognizes its own items.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub found_by: String,
    pub found_at: i64,
    pub updated_at: i64,
    /// The latest status changes, oldest first, at most [`MAX_HISTORY`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<StatusChange>,
}

/// A discovered version of an asset.
#[derive(Debug, Clone)]
pub struct AssetVersion<'a> {
    pub app: AppId,
    pub host: &'a str,
    pub asset: &'a str,
    pub version: &'a str,
    pub title: &'a str,
    /// Size in bytes of the file that is downloaded.
    pub size: u64,
    /// Media type of the original.
    pub media_type: String,
    pub processor: ProcessorKind,
    pub priority: u8,
    pub found_by: &'a str,
}

/// The maximum number of status changes that an item keeps.
pub const MAX_HISTORY: usize = 40;

/// A status change. The discovery is not among them; its time is `found_at`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusChange {
    pub at: i64,
    pub status: ItemStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Why processing failed: a code (processors, section 2.5), a message, and an optional hint for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub code: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// A problem without a hint. The message is cut after 1,000 characters.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        let message: String = message.into();
        Self { code: code.to_owned(), message: message.chars().take(1_000).collect(), hint: None }
    }
}

/// A summary of a result. The result document is in the results bucket under the key `document`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultSummary {
    /// Number of tracks, not of people: a person who reappears later, or after a cut, is another track.
    pub faces: u64,
    pub quality: String,
    pub document: String,
    pub preview: String,
    pub sha256: String,
}

impl Item {
    /// The item for a listed object. The same version of an object always has the same id.
    pub fn from_object(
        bucket: &Bucket,
        object: &ListedObject,
        media_type: String,
        page: &str,
        now: OffsetDateTime,
    ) -> Self {
        let version = format!("{}-{}", object.etag, object.size);
        let identity = [bucket.system.name(), &bucket.endpoint, &bucket.bucket, &object.key, &version];
        let id = ItemId::of(bucket.app, &identity);
        Self {
            bucket_id: Some(bucket.id),
            bucket: bucket.bucket.clone(),
            key: object.key.clone(),
            version,
            size: object.size,
            media_type,
            priority: bucket.priority,
            ..Self::discovered(id, bucket.app, bucket.system, bucket.processor, page, now)
        }
    }

    /// The item for a version of an asset.
    pub fn from_asset(asset: AssetVersion<'_>, now: OffsetDateTime) -> Self {
        let id = Self::asset_id(asset.app, asset.host, asset.asset, asset.version);
        Self {
            bucket: asset.host.to_owned(),
            key: asset.asset.to_owned(),
            title: Some(asset.title.chars().take(200).collect()),
            version: asset.version.to_owned(),
            size: asset.size,
            media_type: asset.media_type,
            priority: asset.priority,
            ..Self::discovered(id, asset.app, MediaSystem::Iconik, asset.processor, asset.found_by, now)
        }
    }

    /// A new Pending item, whose source is still to be filled in.
    fn discovered(
        id: ItemId,
        app: AppId,
        system: MediaSystem,
        processor: ProcessorKind,
        found_by: &str,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            id,
            app,
            system,
            bucket_id: None,
            bucket: String::new(),
            key: String::new(),
            title: None,
            version: String::new(),
            size: 0,
            media_type: String::new(),
            processor,
            priority: default_priority(),
            status: ItemStatus::Pending,
            revision: 0,
            attempts: 0,
            lease_until: None,
            wait: None,
            error: None,
            results: None,
            job: None,
            found_by: found_by.to_owned(),
            found_at: crate::millis(now),
            updated_at: crate::millis(now),
            history: Vec::new(),
        }
    }

    /// The id of the item for a version of an asset.
    pub fn asset_id(app: AppId, host: &str, asset: &str, version: &str) -> ItemId {
        ItemId::of(app, &[MediaSystem::Iconik.name(), host, asset, version])
    }

    /// The title, or the key if there is none.
    pub fn display_name(&self) -> &str {
        self.title.as_deref().filter(|it| !it.is_empty()).unwrap_or(&self.key)
    }

    /// The item as `data.item` of notifications.
    pub fn reference(&self) -> serde_json::Value {
        let mut reference = serde_json::json!({
            "id": self.id, "system": self.system, "bucket": self.bucket, "key": self.key, "version": self.version,
            "size": self.size, "mediaType": self.media_type,
        });
        if let Some(title) = &self.title {
            reference["title"] = serde_json::json!(title);
        }
        reference
    }

    /// The item with a new status; ends the lease and appends to the history.
    #[must_use]
    pub fn with_status(&self, now: OffsetDateTime, status: ItemStatus, note: Option<String>) -> Self {
        let mut next = self.clone();
        next.status = status;
        next.revision += 1;
        next.updated_at = crate::millis(now);
        next.lease_until = None;
        next.wait = None;
        next.history.push(StatusChange { at: next.updated_at, status, note });
        let surplus = next.history.len().saturating_sub(MAX_HISTORY);
        next.history.drain(..surplus);
        next
    }
}
