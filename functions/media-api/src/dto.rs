//! Bodies of responses about items, and pages of lists.

use domain::item::{Item, ItemStatus, Problem};
use domain::job::{Job, JobState};
use domain::{from_millis, rfc3339};
use serde::Serialize;
use serde_json::{Map, Value, json};
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
    /// The first of `processors`
    processor: String,
    /// Its processors and how far each is. The item ends when all have ended.
    processors: Vec<ProcessorOut>,
    priority: u8,
    /// Pending, Processing, Completed, Failed or Skipped
    status: String,
    attempts: u32,
    found_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorOut>,
    /// Per processor: `quality` and counts (`faces`; `objects`, `labels`; `cues`, `languages`), and in answers about one item or with `?results=full` the whole document with
    /// boxes, confidences and times (`processor-result/1`). `faces` counts tracks, not people: in a video, a person who
    /// appears again later or after a cut is another track.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub(crate) results: Option<Value>,
    /// Changes of status, oldest first; only in answers about one item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) history: Option<Vec<ChangeOut>>,
}

/// A processor of an item.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessorOut {
    processor: String,
    job_id: String,
    /// `embedded`, `aws` or `external`: where its last attempt ran
    backend: String,
    /// Queued, Submitting, Running, Collecting, Succeeded, Failed, TimedOut, Cancelled or Skipped
    state: String,
    /// Attempts since processing was last requested
    attempts: u32,
    /// 0 to 1, as the processor says while it runs
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<f64>,
    /// When the running attempt is given up
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorOut>,
}

impl ProcessorOut {
    fn new(item: &Item, job: &Job) -> Self {
        Self {
            processor: job.processor.name().to_owned(),
            job_id: item.job_id(job.processor).to_string(),
            backend: job.backend.name().to_owned(),
            state: job.state.name().to_owned(),
            attempts: job.attempts(),
            progress: job.progress.filter(|_| job.state == JobState::Running),
            deadline: job.deadline.map(|it| rfc3339(from_millis(it))),
            error: job.error.as_ref().map(ErrorOut::new),
        }
    }
}

/// Why an item is Failed or Skipped.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorOut {
    code: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl ErrorOut {
    fn new(problem: &Problem) -> Self {
        Self { code: problem.code.clone(), message: problem.message.clone(), hint: problem.hint.clone() }
    }
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
        let succeeded = item.all_jobs().filter(|it| it.state == JobState::Succeeded);
        let counts = succeeded.filter_map(|job| Some((job.processor.name().to_owned(), counts(item, &job)?)));
        let results: Map<String, Value> = counts.collect();
        let results = (!results.is_empty()).then_some(Value::Object(results));
        let error = item.error.as_ref().map(ErrorOut::new);
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
            processor: item.processor.first().name().to_owned(),
            processors: item.all_jobs().map(|it| ProcessorOut::new(item, &it)).collect(),
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

/// The counts of a job's result, and the paths of its subtitles.
fn counts(item: &Item, job: &Job) -> Option<Value> {
    let results = job.results.as_ref()?;
    let mut counts = results.counts(job.processor);
    if !results.languages.is_empty() {
        let path = |it: &String| format!("/api/v1/Media/Items/{}/Subtitles/{it}.vtt", item.id);
        let paths = results.languages.iter().map(|it| (it.clone(), json!(path(it))));
        counts["subtitles"] = Value::Object(paths.collect());
    }
    Some(counts)
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Send it as `cursor` to get the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}
