//! The notifications that tell how a job or an item has ended.

use serde_json::{Map, Value, json};

use crate::item::{Item, ItemStatus, Problem};
use crate::job::{Job, JobState};
use crate::notification::NewNotification;

/// One processor has ended, of several.
pub(super) fn job_notification(item: &Item, job: &Job) -> NewNotification {
    let mut data = json!({ "item": item.reference(), "processor": job.processor.name() });
    let kind = match (job.state, &job.results) {
        (JobState::Succeeded, Some(results)) => {
            data["results"] = json!({ job.processor.name(): results.counts(job.processor) });
            "processor.completed"
        }
        (JobState::Failed | JobState::TimedOut, _) => "processor.failed",
        _ => "processor.skipped",
    };
    if let Some(problem) = &job.error {
        data["error"] = error_data(problem);
    }
    NewNotification::new(kind, data)
}

/// The item has ended. It says counts, nothing that identifies a person (processors, section 10).
pub(super) fn item_notification(item: &Item) -> NewNotification {
    let mut data = json!({ "item": item.reference() });
    let succeeded = item.all_jobs().filter(|it| it.state == JobState::Succeeded);
    let results: Map<String, Value> = succeeded
        .filter_map(|it| Some((it.processor.name().to_owned(), it.results.as_ref()?.counts(it.processor))))
        .collect();
    if !results.is_empty() || item.status == ItemStatus::Completed {
        data["results"] = Value::Object(results);
    }
    if !item.processor.is_single() {
        let states = item.all_jobs().map(|it| (it.processor.name().to_owned(), json!(it.state.name())));
        data["processors"] = Value::Object(states.collect());
    }
    let kind = match item.status {
        ItemStatus::Failed => "item.failed",
        ItemStatus::Skipped => "item.skipped",
        ItemStatus::Pending | ItemStatus::Processing | ItemStatus::Completed => "item.completed",
    };
    if item.status != ItemStatus::Completed
        && let Some(problem) = &item.error
    {
        data["error"] = error_data(problem);
    }
    NewNotification::new(kind, data)
}

fn error_data(problem: &Problem) -> Value {
    let mut error = json!({ "code": problem.code, "message": problem.message });
    if let Some(hint) = &problem.hint {
        error["hint"] = json!(hint);
    }
    error
}
