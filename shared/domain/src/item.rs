//! Items: one version of a media object or asset, and its processing state.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::bucket::{Bucket, MediaSystem, ProcessorKind, Processors};
use crate::job::{Job, JobState};
use crate::scanning::ListedObject;
use crate::{AppId, BucketId, ItemId, JobId};

pub use crate::outcome::{ItemStatus, MAX_LABELS, Problem, ResultSummary};
pub use crate::priority::{URGENT_PRIORITY, default_priority};

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
    /// What is done with it.
    pub processor: Processors,
    /// 1 to 10; see [`URGENT_PRIORITY`].
    #[serde(default = "default_priority", skip_serializing_if = "crate::priority::is_default_priority")]
    pub priority: u8,
    pub status: ItemStatus,
    /// Version for optimistic locking.
    pub revision: u32,
    /// Attempts since processing was last requested, of the job that has made most.
    pub attempts: u32,
    /// When the sweep looks at its jobs next, in milliseconds. May be too early, never too late.
    #[serde(default, rename = "lease_until", skip_serializing_if = "Option::is_none")]
    pub check_at: Option<i64>,
    /// Why it is Skipped or Failed, or why the last attempt failed: the first such job's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    /// Its jobs that have been worked on; the others are queued. An item that has ended before items had jobs has none:
    /// see [`Item::job`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<Job>,
    /// The result of an item that was completed before items had jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<ResultSummary>,
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
    pub processor: Processors,
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
            ..Self::discovered(id, bucket.app, bucket.system, bucket.processor.clone(), page, now)
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
        processor: Processors,
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
            check_at: None,
            error: None,
            jobs: Vec::new(),
            results: None,
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

    /// The job of a processor as it stands. Without jobs, the item is new or was decided on when it was found, or it was
    /// stored before items had jobs: its status is that of all of them.
    pub fn job(&self, processor: ProcessorKind) -> Job {
        if let Some(job) = self.jobs.iter().find(|it| it.processor == processor) {
            return job.clone();
        }
        let queued = Job::queued(processor);
        let state = match self.status {
            ItemStatus::Pending => return queued,
            ItemStatus::Processing => JobState::Submitting,
            ItemStatus::Completed => JobState::Succeeded,
            ItemStatus::Failed => JobState::Failed,
            ItemStatus::Skipped => JobState::Skipped,
        };
        Job {
            state,
            attempt: self.attempts,
            tries: 1,
            lease_until: self.check_at,
            error: self.error.clone(),
            results: self.results.clone(),
            ..queued
        }
    }

    /// The jobs of all its processors.
    pub fn all_jobs(&self) -> impl Iterator<Item = Job> + '_ {
        self.processor.iter().map(|it| self.job(it))
    }

    /// The id of the job of a processor.
    pub fn job_id(&self, processor: ProcessorKind) -> JobId {
        JobId::of(self.app, self.id, processor)
    }

    /// The item with a new state of one of its jobs, and the status that follows from all of them.
    #[must_use]
    pub fn with_job(&self, now: OffsetDateTime, job: Job, note: Option<String>) -> Self {
        let mut jobs: Vec<Job> = self.all_jobs().collect();
        match jobs.iter_mut().find(|it| it.processor == job.processor) {
            Some(place) => *place = job,
            None => jobs.push(job),
        }
        let status = status_of(&jobs);
        let mut next = if status != self.status || note.is_some() {
            self.with_status(now, status, note)
        } else {
            Self { revision: self.revision + 1, updated_at: crate::millis(now), ..self.clone() }
        };
        next.attempts = jobs.iter().map(Job::attempts).max().unwrap_or_default();
        next.check_at = jobs.iter().filter_map(Job::check_at).min();
        next.error = jobs.iter().find_map(|it| it.error.clone());
        (next.jobs, next.results) = (jobs, None);
        next
    }

    /// The item with a new status; appends to the history.
    #[must_use]
    pub fn with_status(&self, now: OffsetDateTime, status: ItemStatus, note: Option<String>) -> Self {
        let mut next = self.clone();
        next.status = status;
        next.revision += 1;
        next.updated_at = crate::millis(now);
        next.history.push(StatusChange { at: next.updated_at, status, note });
        let surplus = next.history.len().saturating_sub(MAX_HISTORY);
        next.history.drain(..surplus);
        next
    }
}

/// The status of an item with these jobs: it ends when all of them have ended, and failed if one of them has.
fn status_of(jobs: &[Job]) -> ItemStatus {
    let statuses: Vec<ItemStatus> = jobs.iter().map(|it| it.state.item_status()).collect();
    let order =
        [ItemStatus::Processing, ItemStatus::Pending, ItemStatus::Failed, ItemStatus::Completed, ItemStatus::Skipped];
    order.into_iter().find(|it| statuses.contains(it)).unwrap_or(ItemStatus::Pending)
}
