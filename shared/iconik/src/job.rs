//! Jobs at Iconik, which show our work to its users (section 3.14).

use domain::item::ItemStatus;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Iconik, IconikError, unreadable};
use crate::payload::parse_id;

/// The status of a job for that of an item (section 3.14.5).
pub fn status(of: ItemStatus) -> &'static str {
    match of {
        ItemStatus::Pending => "WAITING",
        ItemStatus::Processing => "STARTED",
        ItemStatus::Completed => "FINISHED",
        ItemStatus::Failed => "FAILED",
        ItemStatus::Skipped => "SKIPPED",
    }
}

/// Whether a user has asked for the end of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobControl {
    Continue,
    /// The job is `ABORT_PENDING` or `ABORTED`.
    Abort,
}

impl Iconik {
    /// Creates a job for the work on an asset, and returns its id.
    pub async fn start_job(&self, asset: Uuid, processor: &str, title: &str, item: &str) -> Result<Uuid, IconikError> {
        let body = json!({
            "object_type": "assets", "object_id": asset, "type": "CUSTOM", "custom_type": processor,
            "status": "STARTED", "title": title, "progress_total": 100, "progress_processed": 0,
            "metadata": { "napi_item": item },
        });
        let job = self.post("/API/jobs/v1/jobs/", &body).await?;
        parse_id(&job["id"]).ok_or_else(|| unreadable("a job", &"it has no id"))
    }

    /// Updates the progress of a job, and returns whether a user has aborted it. A deleted job cannot be aborted.
    pub async fn job_progress(&self, job: Uuid, percent: u8, message: &str) -> Result<JobControl, IconikError> {
        let body = json!({ "progress_processed": percent, "message": message });
        match self.patch(&format!("/API/jobs/v1/jobs/{job}/"), &body).await {
            Ok(it) if matches!(it["status"].as_str(), Some("ABORT_PENDING" | "ABORTED")) => Ok(JobControl::Abort),
            Ok(_) | Err(IconikError::NotFound) => Ok(JobControl::Continue),
            Err(error) => Err(error),
        }
    }

    /// Ends a job.
    pub async fn end_job(&self, job: Uuid, status: &str, error: Option<&str>) -> Result<(), IconikError> {
        let mut body = json!({ "status": status });
        if status == "FINISHED" {
            body["progress_processed"] = json!(100);
        }
        if let Some(error) = error {
            body["error_message"] = Value::from(error);
        }
        match self.patch(&format!("/API/jobs/v1/jobs/{job}/"), &body).await {
            Ok(_) | Err(IconikError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
