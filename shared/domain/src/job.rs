//! Jobs: one processor on one item version. A job is a member of its item's row, so that the item ends in the same write as
//! the last of its jobs.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::outcome::{ItemStatus, Problem, ResultSummary};
use crate::processor::{Backend, ProcessorKind};
use crate::{AppId, ItemId, JobId};

/// Maximum number of attempts of a job since it was last requested (processors, section 2.5).
pub const MAX_ATTEMPTS: u32 = 3;
/// Maximum number of start calls within one attempt (processors, section 5.3), and of collections.
pub const MAX_TRIES: u32 = 5;
/// Maximum size of a result document in bytes (processors, section 3.4).
pub const MAX_RESULT_BYTES: u64 = 64 << 20;
/// How many ids of accepted callbacks a job keeps, so that their repeats are recognized.
pub const MAX_MESSAGES: usize = 16;

/// The state of a job (processors, section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JobState {
    /// Waits for a worker.
    Queued,
    /// Claimed by a worker. The embedded backend works; for the others, the start call may or may not have happened.
    Submitting,
    /// Started at the backend, which will report.
    Running,
    /// Finished at the backend; its result lies at [`output_key`] and is checked and stored.
    Collecting,
    Succeeded,
    Failed,
    TimedOut,
    Cancelled,
    Skipped,
}

impl JobState {
    /// The name in the API and in rows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::Submitting => "Submitting",
            Self::Running => "Running",
            Self::Collecting => "Collecting",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::TimedOut => "TimedOut",
            Self::Cancelled => "Cancelled",
            Self::Skipped => "Skipped",
        }
    }

    /// Whether the job has ended.
    pub fn is_final(self) -> bool {
        self.item_status() != ItemStatus::Pending && self.item_status() != ItemStatus::Processing
    }

    /// The status of an item whose only job is in this state.
    pub fn item_status(self) -> ItemStatus {
        match self {
            Self::Queued => ItemStatus::Pending,
            Self::Submitting | Self::Running | Self::Collecting => ItemStatus::Processing,
            Self::Succeeded => ItemStatus::Completed,
            Self::Failed | Self::TimedOut => ItemStatus::Failed,
            Self::Cancelled | Self::Skipped => ItemStatus::Skipped,
        }
    }
}

/// A job. Times are in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub processor: ProcessorKind,
    /// Where it runs; set with each claim.
    pub backend: Backend,
    pub state: JobState,
    /// Number of the attempt, from 1 on; 0 before the first. It never falls: requests and callbacks carry it.
    pub attempt: u32,
    /// The number of the last attempt before the job was last requested.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts_before: u32,
    /// Start calls of this attempt; 0 lets the next claim begin a new attempt.
    #[serde(default)]
    pub tries: u32,
    /// Collections of this attempt's result that were begun.
    #[serde(default)]
    pub collections: u32,
    /// While a worker has it: when the worker's lease ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<i64>,
    /// While Queued: how many seconds to wait, if its backend or its system has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u64>,
    /// While Running: when its backend is asked next, and how often it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll_at: Option<i64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub polls: u32,
    /// When this attempt is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<i64>,
    /// The backend's own name of the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The SHA-256 that the backend has promised of its result, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_sha256: Option<String>,
    /// The SHA-256 of the media that was handed over, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_sha256: Option<String>,
    /// Progress at the backend, 0 to 1, and when it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_at: Option<i64>,
    /// Ids of the accepted callbacks, oldest first, at most [`MAX_MESSAGES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<String>,
    /// The asset manager's job that shows the progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset_job: Option<String>,
    /// Why it ended without a result, or why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<ResultSummary>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Job {
    /// A job that nobody has worked on.
    pub fn queued(processor: ProcessorKind) -> Self {
        Self {
            processor,
            backend: processor.default_backend(),
            state: JobState::Queued,
            attempt: 0,
            attempts_before: 0,
            tries: 0,
            collections: 0,
            lease_until: None,
            wait: None,
            poll_at: None,
            polls: 0,
            deadline: None,
            external_id: None,
            output_sha256: None,
            media_sha256: None,
            progress: None,
            progress_at: None,
            messages: Vec::new(),
            asset_job: None,
            error: None,
            results: None,
        }
    }

    /// Attempts since the job was last requested.
    pub fn attempts(&self) -> u32 {
        self.attempt.saturating_sub(self.attempts_before)
    }

    /// Whether it waits for a worker: to be started, or to be collected.
    pub fn is_waiting(&self) -> bool {
        self.state == JobState::Queued || (self.state == JobState::Collecting && self.lease_until.is_none())
    }

    /// Whether nobody wants what a worker still makes of it: it was cancelled, has failed, or its results were erased.
    pub fn is_given_up(&self) -> bool {
        self.state.is_final() && self.results.is_none()
    }

    /// When the sweep looks at it next: the lease ends, the backend is asked, or the attempt is given up.
    pub fn check_at(&self) -> Option<i64> {
        match self.state {
            JobState::Submitting | JobState::Collecting => self.lease_until,
            JobState::Running => self.poll_at.into_iter().chain(self.deadline).min(),
            _ => None,
        }
    }

    /// What a worker holds of it.
    pub fn hold(&self) -> Hold {
        Hold {
            processor: self.processor,
            state: self.state,
            attempt: self.attempt,
            tries: self.tries,
            collections: self.collections,
        }
    }
}

/// What a worker holds of a job. While the stored job has another, the work is not the worker's any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    pub processor: ProcessorKind,
    pub state: JobState,
    pub attempt: u32,
    pub tries: u32,
    pub collections: u32,
}

/// What a remote backend is asked to do. Repeats of the same `id` and `attempt` are the same order: it is stored at
/// [`order_key`] before the first of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobOrder {
    pub id: JobId,
    pub app: AppId,
    pub item: ItemId,
    pub attempt: u32,
    pub processor: ProcessorKind,
    /// Parameters of the processor (processors, section 2.6).
    pub parameters: serde_json::Value,
    #[serde(with = "time::serde::rfc3339")]
    pub deadline: OffsetDateTime,
    pub input: JobInput,
    /// A presigned PUT to [`output_key`], valid until the deadline.
    pub output_url: String,
}

/// The media that a remote backend works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobInput {
    /// A presigned GET, valid until the deadline.
    pub url: String,
    pub media_type: String,
    pub bytes: Option<u64>,
    /// In hex.
    pub sha256: Option<String>,
}

/// A backend's answer to a start call.
#[derive(Debug, Clone, PartialEq)]
pub enum Submission {
    /// Done at once: the result document as the backend has sent it.
    Done(Vec<u8>),
    /// It works, and will report.
    Accepted { external_id: String, poll_after: Duration },
}

/// Why a backend did not take an order, or cannot be asked.
#[derive(Debug, Clone, PartialEq)]
pub enum BackendError {
    /// A later try of the same attempt may succeed. The delay is at least `after`.
    Retry { after: Option<Duration>, problem: Problem },
    /// No further attempt can succeed.
    Permanent(Problem),
    /// A part is missing; `hint` of the problem says what to install or to set.
    Unavailable(Problem),
}

/// What a backend reports of a running job, by event, callback or answer to a poll.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// 0 to 1, if it is known.
    Running {
        progress: Option<f64>,
    },
    /// The result lies at [`output_key`]. The reporter has put it there, or the backend has, which names its SHA-256.
    Succeeded {
        sha256: Option<String>,
    },
    Failed {
        problem: Problem,
        retryable: bool,
    },
}

/// Why a report is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportRefused {
    /// A repeat of an accepted one, or progress too soon after the last: nothing is to be done.
    Repeated,
    /// Another attempt runs, or the job has ended.
    Stale,
}

/// Where a job's state is found, by the job's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobPlace {
    pub id: JobId,
    pub app: AppId,
    pub item: ItemId,
    pub processor: ProcessorKind,
}

/// The folder of a processor's result in the results bucket. That of facial recognition is the item's own, as it was before
/// there were others.
pub fn result_folder(app: AppId, item: ItemId, processor: ProcessorKind) -> String {
    match processor {
        ProcessorKind::FacialRecognition => format!("results/{app}/{item}"),
        other => format!("results/{app}/{item}/{}", other.kind()),
    }
}

/// The folder of all that is handed to and by a remote backend for a job, in the results bucket.
pub fn staging_folder(app: AppId, job: JobId) -> String {
    format!("staging/{app}/{job}")
}

/// The key of the raw result of an attempt in the results bucket.
pub fn output_key(app: AppId, job: JobId, attempt: u32) -> String {
    format!("{}/{attempt}/output.json", staging_folder(app, job))
}

/// The key of the copy of the media that an attempt works on, in the results bucket.
pub fn input_key(app: AppId, job: JobId, attempt: u32) -> String {
    format!("{}/{attempt}/media", staging_folder(app, job))
}

/// The key of the order of an attempt, in the results bucket.
pub fn order_key(app: AppId, job: JobId, attempt: u32) -> String {
    format!("{}/{attempt}/order.json", staging_folder(app, job))
}
