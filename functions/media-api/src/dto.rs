//! Items and pages, as they go over the wire.

use domain::item::{Item, ItemStatus};
use domain::{from_millis, rfc3339};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// An item, as it is returned.
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
    /// Per processor: `faces`, which counts tracks and not people (in a video, who comes back later or is shown again
    /// after a cut is another), `quality`, and in answers about one item or with `?results=full` the whole document with
    /// boxes, confidences and times (`processor-result/1`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub(crate) results: Option<Value>,
    /// Changes of state, oldest first; in answers about one item.
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

/// A change of state.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChangeOut {
    at: String,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl ItemOut {
    pub(crate) fn new(it: &Item) -> Self {
        let results = it.results.as_ref().filter(|_| it.status == ItemStatus::Completed);
        let results = results.map(
            |found| serde_json::json!({ it.processor.name(): { "faces": found.faces, "quality": found.quality } }),
        );
        let error = it.error.as_ref().map(|it| ErrorOut {
            code: it.code.clone(),
            message: it.message.clone(),
            hint: it.hint.clone(),
        });
        Self {
            id: it.id.to_string(),
            system: it.system.name().to_owned(),
            bucket_id: it.bucket_id.map(|it| it.to_string()),
            bucket: it.bucket.clone(),
            key: it.key.clone(),
            title: it.title.clone(),
            version: it.version.clone(),
            size: it.size,
            media_type: it.media_type.clone(),
            processor: it.processor.name().to_owned(),
            priority: it.priority,
            status: it.status.name().to_owned(),
            attempts: it.attempts,
            found_at: rfc3339(from_millis(it.found_at)),
            updated_at: rfc3339(from_millis(it.updated_at)),
            error,
            results,
            history: None,
        }
    }

    /// With everything that is known of the item.
    pub(crate) fn with_history(it: &Item) -> Self {
        let first = if it.history.is_empty() { it.status } else { ItemStatus::Pending };
        let found = ChangeOut {
            at: rfc3339(from_millis(it.found_at)),
            status: first.name().to_owned(),
            note: Some("found".to_owned()),
        };
        let change = |it: &domain::item::StatusChange| ChangeOut {
            at: rfc3339(from_millis(it.at)),
            status: it.status.name().to_owned(),
            note: it.note.clone(),
        };
        let history = std::iter::once(found).chain(it.history.iter().map(change)).collect();
        Self { history: Some(history), ..Self::new(it) }
    }
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Give it as `cursor` to get what comes after; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}
