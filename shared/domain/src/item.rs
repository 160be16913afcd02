//! An item: one version of a media object, and what has become of it.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::bucket::{Bucket, MediaSystem, ProcessorKind};
use crate::scanning::ListedObject;
use crate::{AppId, BucketId, ItemId};

/// Where an item stands. The names are the API's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ItemStatus {
    Pending,
    Processing,
    Completed,
    Failed,
    Skipped,
}

impl ItemStatus {
    /// Every status, in the order in which an item passes them.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Processing, Self::Completed, Self::Failed, Self::Skipped];

    /// The word that the API, the rows and the notifications use.
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

/// One version of a media object. At discovery its row must stay under 1 KB, which is one write unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    pub id: ItemId,
    pub app: AppId,
    pub system: MediaSystem,
    /// The bucket that it was found in; an asset manager's have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_id: Option<BucketId>,
    /// The bucket's name, or the asset manager's host.
    pub bucket: String,
    /// The object's key, or the asset's id.
    pub key: String,
    /// What the asset manager calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The object's ETag as this API gave it, without quotes, and its size: `{etag}-{size}`
    /// ([`crate::scanning::Proof`]); or the version's id.
    pub version: String,
    pub size: u64,
    pub media_type: String,
    pub processor: ProcessorKind,
    /// 1 to 10; see [`URGENT`].
    #[serde(default = "default_priority", skip_serializing_if = "is_default_priority")]
    pub priority: u8,
    pub status: ItemStatus,
    /// Counts changes of state, so that each is made from the state that it was decided on.
    pub revision: u32,
    /// Starts of the work since it was last ordered.
    pub attempts: u32,
    /// While Processing: until when (milliseconds) the worker holds the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<i64>,
    /// While it is postponed: for how many seconds the system that it lies in asked us to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u64>,
    /// Why it is Skipped or Failed, or why the last attempt went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<ResultSummary>,
    /// The job that shows our work in the asset manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The page of the scan that found it; lets a repeated page know its own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub found_by: String,
    pub found_at: i64,
    pub updated_at: i64,
    /// The newest changes of state, oldest first, at most [`HISTORY`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<StatusChange>,
}

/// A version of an asset, as it is found.
#[derive(Debug, Clone)]
pub struct AssetVersion<'a> {
    pub app: AppId,
    pub host: &'a str,
    pub asset: &'a str,
    pub version: &'a str,
    pub title: &'a str,
    /// Of the media that is fetched.
    pub size: u64,
    /// Of the original.
    pub media_type: String,
    pub processor: ProcessorKind,
    pub priority: u8,
    pub found_by: &'a str,
}

/// From this priority on an item takes the short queue, which nothing waits in that nobody is waiting for.
pub const URGENT_PRIORITY: u8 = 8;

/// The priority of what nobody has given one.
pub fn default_priority() -> u8 {
    5
}

fn is_default_priority(it: &u8) -> bool {
    *it == default_priority()
}

/// How many changes of state an item keeps.
pub const MAX_HISTORY: usize = 40;

/// A change of state. The discovery is not among them: it is `found_at`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusChange {
    pub at: i64,
    pub status: ItemStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Why something did not work: a code of the processors' list (section 2.5), a sentence, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub code: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        let message: String = message.into();
        Self { code: code.to_owned(), message: message.chars().take(1_000).collect(), hint: None }
    }
}

/// Counts of a result; the document itself lies in the results bucket under `document`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultSummary {
    /// Tracks, not people: who comes back later, or is shown again after a cut, is another.
    pub faces: u64,
    pub quality: String,
    pub document: String,
    pub preview: String,
    pub sha256: String,
}

impl Item {
    /// The item that an object is, before anything is stored. The same object version is always the same item.
    pub fn from_object(
        bucket: &Bucket,
        object: &ListedObject,
        media_type: String,
        page: &str,
        now: OffsetDateTime,
    ) -> Self {
        let version = format!("{}-{}", object.etag, object.size);
        let identity = [bucket.system.name(), &bucket.endpoint, &bucket.bucket, &object.key, &version];
        Self {
            id: ItemId::of(bucket.app, &identity),
            app: bucket.app,
            system: bucket.system,
            bucket_id: Some(bucket.id),
            bucket: bucket.bucket.clone(),
            key: object.key.clone(),
            title: None,
            version,
            size: object.size,
            media_type,
            processor: bucket.processor,
            priority: bucket.priority,
            status: ItemStatus::Pending,
            revision: 0,
            attempts: 0,
            lease_until: None,
            wait: None,
            error: None,
            results: None,
            job: None,
            found_by: page.to_owned(),
            found_at: crate::millis(now),
            updated_at: crate::millis(now),
            history: Vec::new(),
        }
    }

    /// The item that a version of an asset is.
    pub fn from_asset(it: AssetVersion<'_>, now: OffsetDateTime) -> Self {
        Self {
            id: Self::asset_id(it.app, it.host, it.asset, it.version),
            app: it.app,
            system: MediaSystem::Iconik,
            bucket_id: None,
            bucket: it.host.to_owned(),
            key: it.asset.to_owned(),
            title: Some(it.title.chars().take(200).collect()),
            version: it.version.to_owned(),
            size: it.size,
            media_type: it.media_type,
            processor: it.processor,
            priority: it.priority,
            status: ItemStatus::Pending,
            revision: 0,
            attempts: 0,
            lease_until: None,
            wait: None,
            error: None,
            results: None,
            job: None,
            found_by: it.found_by.to_owned(),
            found_at: crate::millis(now),
            updated_at: crate::millis(now),
            history: Vec::new(),
        }
    }

    /// The id of the item that a version of an asset is.
    pub fn asset_id(app: AppId, host: &str, asset: &str, version: &str) -> ItemId {
        ItemId::of(app, &[MediaSystem::Iconik.name(), host, asset, version])
    }

    /// What a person would call it.
    pub fn display_name(&self) -> &str {
        self.title.as_deref().filter(|it| !it.is_empty()).unwrap_or(&self.key)
    }

    /// `data.item` of the notifications.
    pub fn reference(&self) -> serde_json::Value {
        let mut it = self.locator();
        if let Some(title) = &self.title {
            it["title"] = serde_json::json!(title);
        }
        it
    }

    fn locator(&self) -> serde_json::Value {
        serde_json::json!({
            "id": self.id, "system": self.system, "bucket": self.bucket, "key": self.key, "version": self.version,
            "size": self.size, "mediaType": self.media_type,
        })
    }

    /// The item in its next state.
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
