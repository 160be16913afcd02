//! Bodies of responses about items, and pages of lists.

use domain::item::{Item, ItemStatus};
use domain::{from_millis, rfc3339};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// An item.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ItemOut {
    pub(crate) id: String,
    system: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket_id: Option<String>,
    /// The bucket's name, or Iconik's host
    bucket: String,
    /// The object's key, or the asset's id
    key: String,
    /// The asset's title
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    version: String,
    size: u64,
    media_type: String,
    processor: String,
    priority: u8,
    /// Pending, Processing, Completed, Failed or Skipped
    status: String,
    attempts: u32,
    found_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorOut>,
    /// Per processor: `faces`, `quality`, and in answers about one item or with `?results=full` the whole document with
    /// boxes, confidences and times (`processor-result/1`). `faces` counts tracks, not people: in a video, a person who
    /// appears again later or after a cut is another track.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub(crate) results: Option<Value>,
    /// Changes of status, oldest first; only in answers about one item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) history: Option<Vec<ChangeOut>>,
}

/// Why an item is Failed or Skipped.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorOut {
    code: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// A change of status.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChangeOut {
    at: String,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl ItemOut {
    pub(crate) fn new(item: &Item) -> Self {
        let results = item.results.as_ref().filter(|_| item.status == ItemStatus::Completed);
        let results = results.map(
            |found| serde_json::json!({ item.processor.name(): { "faces": found.faces, "quality": found.quality } }),
        );
        let error = item.error.as_ref().map(|problem| ErrorOut {
            code: problem.code.clone(),
            message: problem.message.clone(),
            hint: problem.hint.clone(),
        });
        Self {
            id: item.id.to_string(),
            system: item.system.name().to_owned(),
            bucket_id: item.bucket_id.map(|it| it.to_string()),
            bucket: item.bucket.clone(),
            key: item.key.clone(),
            title: item.title.clone(),
            version: item.version.clone(),
            size: item.size,
            media_type: item.media_type.clone(),
            processor: item.processor.name().to_owned(),
            priority: item.priority,
            status: item.status.name().to_owned(),
            attempts: item.attempts,
            found_at: rfc3339(from_millis(item.found_at)),
            updated_at: rfc3339(from_millis(item.updated_at)),
            error,
            results,
            history: None,
        }
    }

    /// With the history of the item.
    pub(crate) fn with_history(item: &Item) -> Self {
        let first = if item.history.is_empty() { item.status } else { ItemStatus::Pending };
        let found = ChangeOut {
            at: rfc3339(from_millis(item.found_at)),
            status: first.name().to_owned(),
            note: Some("found".to_owned()),
        };
        let change = |change: &domain::item::StatusChange| ChangeOut {
            at: rfc3339(from_millis(change.at)),
            status: change.status.name().to_owned(),
            note: change.note.clone(),
        };
        let history = std::iter::once(found).chain(item.history.iter().map(change)).collect();
        Self { history: Some(history), ..Self::new(item) }
    }
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Send it as `cursor` to get the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}
