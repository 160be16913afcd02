//! How the work on a job ended, and the transition of its item that follows from it.

use domain::item::{Item, Problem, ResultSummary};
use domain::job::{Job, JobState};
use domain::processing::{
    ItemTransition, POSTPONED, accept, collect_again, complete, deliver, fail, postpone, retry_start, skip,
};
use media::MediaError;
use object_store::ObjectStoreError;
use time::{Duration, OffsetDateTime};

/// How the work on a job ended.
#[derive(Clone)]
pub(crate) enum ItemOutcome {
    Completed(ResultSummary),
    /// There is nothing to do for this item.
    Skipped(Problem),
    /// No further attempt can succeed.
    Failed(Problem),
    /// The attempt counts. A later one may succeed.
    RetryLater(Problem),
    /// The item is not at fault, so the attempt does not count.
    Postponed(Problem),
    /// As `Postponed`. The item's system asks to wait for this many seconds.
    PostponedFor(Problem, u64),
    /// The start call did not come through. The same attempt is started again, this many seconds later at the least.
    RetryStart(Problem, Option<u64>),
    /// The backend works, under this name.
    Accepted {
        external_id: String,
        poll_after: Duration,
        deadline: OffsetDateTime,
    },
    /// The backend was done at once; its result waits to be collected.
    Delivered,
}

impl ItemOutcome {
    /// The transition that stores this outcome of a job.
    pub(crate) fn transition(self, now: OffsetDateTime, item: &Item, job: Job) -> ItemTransition {
        match self {
            Self::Completed(results) => complete(now, item, job, results),
            Self::Skipped(problem) => skip(now, item, job, problem),
            Self::Failed(problem) => fail(now, item, job, problem, false),
            // the result lies there: it is not made again
            Self::RetryLater(problem) if job.state == JobState::Collecting => collect_again(now, item, job, problem),
            Self::RetryLater(problem) => fail(now, item, job, problem, true),
            Self::Postponed(problem) => postpone(now, item, job, problem, None),
            Self::PostponedFor(problem, seconds) => postpone(now, item, job, problem, Some(seconds)),
            Self::RetryStart(problem, wait) => retry_start(now, item, job, problem, wait),
            Self::Accepted { external_id, poll_after, deadline } => {
                accept(now, item, job, external_id, poll_after, deadline)
            }
            Self::Delivered => deliver(now, item, job),
        }
    }
}

impl From<MediaError> for ItemOutcome {
    fn from(error: MediaError) -> Self {
        match error {
            MediaError::Skipped(problem) => Self::Skipped(problem),
            MediaError::Failed(problem) => Self::Failed(problem),
            MediaError::RetryLater(problem) => Self::RetryLater(problem),
        }
    }
}

impl From<ObjectStoreError> for ItemOutcome {
    fn from(error: ObjectStoreError) -> Self {
        let problem = |code: &str| Problem::new(code, error.to_string());
        match error {
            ObjectStoreError::Replaced => Self::Skipped(problem("superseded")),
            ObjectStoreError::NoObject | ObjectStoreError::NoBucket | ObjectStoreError::UnsupportedKey => {
                Self::Failed(problem("media_unreadable"))
            }
            ObjectStoreError::EndpointRefused(_) => Self::Failed(problem("access_denied")),
            ObjectStoreError::Credentials(_) | ObjectStoreError::Anonymous => {
                Self::RetryLater(problem("access_denied"))
            }
            ObjectStoreError::ClockSkew(_) => Self::Postponed(problem(POSTPONED)),
            ObjectStoreError::Busy { retry_after, .. } => Self::PostponedFor(problem(POSTPONED), retry_after),
            ObjectStoreError::UnexpectedResponse(_)
            | ObjectStoreError::IncompleteListing(_)
            | ObjectStoreError::Unreachable(_)
            | ObjectStoreError::Io(_) => Self::RetryLater(problem("internal")),
        }
    }
}
