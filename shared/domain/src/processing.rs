//! State transitions of an item's jobs, and of the item with them: claim, start, report, complete, fail, postpone, skip,
//! cancel, expiry, reprocessing and erasure.

mod news;

use time::{Duration, OffsetDateTime};

use crate::item::{Item, ItemStatus, Problem, ResultSummary, URGENT_PRIORITY};
use crate::job::{Hold, Job, JobState, MAX_ATTEMPTS, MAX_MESSAGES, MAX_TRIES, Report, ReportRefused};
use crate::notification::NewNotification;
use crate::processor::{Backend, ProcessorKind};

use self::news::{item_notification, job_notification};

/// Error code of a postponed item.
pub const POSTPONED: &str = "postponed";
/// The code of a job that a user has aborted in the asset manager.
pub const ABORTED: &str = "aborted";

/// The least time between two stored values of a job's progress (processors, section 5.4).
const PROGRESS_EVERY_MS: i64 = 5_000;

/// The longest time between two questions to a backend (processors, section 2.3).
const MAX_POLL_INTERVAL: Duration = Duration::minutes(5);

/// An item with a new state of its jobs, and the notifications to publish. All are written in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemTransition {
    pub item: Item,
    pub notifications: Vec<NewNotification>,
}

/// Claims a queued job until `now + lease`; `None` if it has another state. The claim begins a new attempt, or goes on with
/// one whose start call did not come through.
pub fn claim(
    now: OffsetDateTime,
    item: &Item,
    processor: ProcessorKind,
    backend: Backend,
    lease: Duration,
) -> Option<ItemTransition> {
    let before = item.job(processor);
    if before.state != JobState::Queued || !item.processor.contains(processor) {
        return None;
    }
    let goes_on = before.tries > 0 && before.backend == backend && backend != Backend::Embedded;
    let (attempt, tries) = if goes_on { (before.attempt, before.tries + 1) } else { (before.attempt + 1, 1) };
    let job = Job {
        backend,
        state: JobState::Submitting,
        attempt,
        tries,
        lease_until: Some(crate::millis(now + lease)),
        attempts_before: before.attempts_before,
        asset_job: before.asset_job,
        messages: before.messages,
        error: before.error,
        results: before.results,
        ..Job::queued(processor)
    };
    Some(quiet(item.with_job(now, job, None)))
}

/// Claims a job whose result waits to be collected; `None` if it has another state.
pub fn claim_collection(
    now: OffsetDateTime,
    item: &Item,
    processor: ProcessorKind,
    lease: Duration,
) -> Option<ItemTransition> {
    let before = item.job(processor);
    if before.state != JobState::Collecting || before.lease_until.is_some() {
        return None;
    }
    let (lease_until, collections) = (Some(crate::millis(now + lease)), before.collections + 1);
    Some(quiet(item.with_job(now, Job { lease_until, collections, wait: None, ..before }, None)))
}

/// The backend has taken the work of a job that its worker still holds.
pub fn accept(
    now: OffsetDateTime,
    item: &Item,
    job: Job,
    external_id: String,
    poll_after: Duration,
    deadline: OffsetDateTime,
) -> ItemTransition {
    let running = Job {
        state: JobState::Running,
        tries: 0,
        lease_until: None,
        external_id: Some(external_id),
        poll_at: Some(crate::millis(now + poll_after)),
        deadline: Some(crate::millis(deadline)),
        error: None,
        ..job
    };
    quiet(item.with_job(now, running, None))
}

/// The result of a job lies ready to be collected.
pub fn deliver(now: OffsetDateTime, item: &Item, job: Job) -> ItemTransition {
    let collecting = Job { state: JobState::Collecting, tries: 0, lease_until: None, wait: None, error: None, ..job };
    quiet(item.with_job(now, collecting, None))
}

/// The job that a worker holds; `None` if it is not the worker's any more.
pub fn held(item: &Item, hold: Hold) -> Option<Job> {
    Some(item.job(hold.processor)).filter(|it| it.hold() == hold)
}

/// The delay before a job that waits is worked on: what its system or backend asked for, otherwise 5, 20, … seconds by the
/// number of attempts, of start calls (processors, section 5.3) or of collections. Those of start calls vary by 20 %:
/// `jitter` is 0 to 1.
pub fn retry_delay(job: &Job, jitter: f64) -> Duration {
    let count = match job.state {
        JobState::Queued => job.attempts(),
        JobState::Collecting => job.collections,
        _ => return Duration::ZERO,
    };
    let after = |count: u32| Duration::seconds(5 << (2 * (count - 1).min(4)));
    let asked = job.wait.map(|seconds| Duration::seconds(i64::try_from(seconds).unwrap_or(i64::MAX)));
    if job.tries > 0 {
        return asked.unwrap_or_default().max(after(job.tries) * (0.8 + 0.4 * jitter));
    }
    if let Some(asked) = asked {
        return asked;
    }
    if job.error.as_ref().is_some_and(|it| it.code == POSTPONED) {
        return Duration::seconds(20);
    }
    if count == 0 { Duration::ZERO } else { after(count) }
}

/// Processing succeeded.
pub fn complete(now: OffsetDateTime, item: &Item, job: Job, results: ResultSummary) -> ItemTransition {
    let done = Job { error: None, results: Some(results), ..ended(job, JobState::Succeeded) };
    with_news(now, item, done, None)
}

/// An attempt failed. The job is queued for another one if the error is retryable and attempts are left; otherwise it
/// has failed.
pub fn fail(now: OffsetDateTime, item: &Item, job: Job, problem: Problem, retryable: bool) -> ItemTransition {
    fail_as(now, item, job, problem, retryable, JobState::Failed)
}

/// A start call did not come through. The same attempt is tried again, `wait` seconds later at the least; after
/// [`MAX_TRIES`] the job has failed.
pub fn retry_start(now: OffsetDateTime, item: &Item, job: Job, problem: Problem, wait: Option<u64>) -> ItemTransition {
    if job.tries >= MAX_TRIES {
        return fail(now, item, job, problem, false);
    }
    requeue(now, item, Job { wait, lease_until: None, state: JobState::Queued, ..job }, problem)
}

/// A temporary obstacle. The job is queued again, and the attempt, or the collection, does not count. `wait` is the number
/// of seconds that the system asked us to wait.
pub fn postpone(now: OffsetDateTime, item: &Item, job: Job, problem: Problem, wait: Option<u64>) -> ItemTransition {
    if job.state == JobState::Collecting {
        let collections = job.collections.saturating_sub(1);
        return collect_again(now, item, Job { collections, wait, ..job }, problem);
    }
    // an attempt of a remote backend that was started keeps its number, which its start calls carry
    let goes_on = job.backend != Backend::Embedded && job.tries > 1;
    let (attempt, tries) = if goes_on { (job.attempt, job.tries - 1) } else { (job.attempt.saturating_sub(1), 0) };
    let queued = Job { attempt, tries, wait, lease_until: None, state: JobState::Queued, ..job };
    requeue(now, item, queued, problem)
}

/// The result could not be collected this time; it still lies where it was.
pub fn collect_again(now: OffsetDateTime, item: &Item, job: Job, problem: Problem) -> ItemTransition {
    if job.collections >= MAX_TRIES {
        return fail(now, item, job, problem, false);
    }
    quiet(item.with_job(now, Job { lease_until: None, error: Some(problem), ..job }, None))
}

/// There is nothing to process.
pub fn skip(now: OffsetDateTime, item: &Item, job: Job, problem: Problem) -> ItemTransition {
    let note = Some(problem.message.clone());
    with_news(now, item, Job { error: Some(problem), ..ended(job, JobState::Skipped) }, note)
}

/// A backend's report on an attempt, with the id of its message if it has one.
///
/// # Errors
/// The report repeats an accepted one, is progress too soon after the last, or comes too late.
pub fn report(
    now: OffsetDateTime,
    item: &Item,
    processor: ProcessorKind,
    attempt: u32,
    message: Option<&str>,
    report: Report,
) -> Result<ItemTransition, ReportRefused> {
    let mut job = item.job(processor);
    if message.is_some_and(|it| job.messages.iter().any(|other| other == it)) {
        return Err(ReportRefused::Repeated);
    }
    // it may come before the answer to the start call is stored, or although that answer was lost (processors, section 2.2)
    let is_started = match job.state {
        JobState::Submitting | JobState::Running => true,
        JobState::Queued => job.tries > 0,
        _ => false,
    };
    if job.attempt != attempt || !is_started {
        return Err(ReportRefused::Stale);
    }
    let at = crate::millis(now);
    if matches!(report, Report::Running { .. }) && job.progress_at.is_some_and(|it| at < it + PROGRESS_EVERY_MS) {
        return Err(ReportRefused::Repeated);
    }
    job.messages.extend(message.map(str::to_owned));
    let surplus = job.messages.len().saturating_sub(MAX_MESSAGES);
    job.messages.drain(..surplus);
    Ok(match report {
        Report::Running { progress } => {
            let progress = progress.or(job.progress);
            quiet(item.with_job(now, Job { progress, progress_at: Some(at), ..job }, None))
        }
        Report::Succeeded { sha256 } => deliver(now, item, Job { output_sha256: sha256, ..job }),
        Report::Failed { problem, .. } if problem.ends_skipped() => skip(now, item, job, problem),
        Report::Failed { problem, retryable } => fail(now, item, job, problem, retryable),
    })
}

/// The job is asked about now: when it is asked next, with growing distance.
pub fn polled(now: OffsetDateTime, item: &Item, job: Job) -> ItemTransition {
    let interval = (Duration::MINUTE * i32::try_from(job.polls + 1).unwrap_or(5)).min(MAX_POLL_INTERVAL);
    let poll_at = Some(crate::millis(now + interval));
    quiet(item.with_job(now, Job { poll_at, polls: job.polls + 1, ..job }, None))
}

/// A job of the item whose time is over, and what becomes of it: a worker's lease has ended, which counts as a failed
/// attempt, or the deadline has passed. `None` if there is none.
pub fn expire(now: OffsetDateTime, item: &Item) -> Option<ItemTransition> {
    let at = crate::millis(now);
    let over = |time: Option<i64>| time.is_none_or(|it| it <= at);
    item.all_jobs().find_map(|job| match job.state {
        JobState::Submitting if over(job.lease_until) => {
            let problem = Problem::new("internal", format!("the worker of attempt {} stopped responding", job.attempt));
            Some(match job.backend {
                // whether the start call came through is not known: the same attempt is started again
                Backend::Aws | Backend::External => retry_start(now, item, job, problem, None),
                Backend::Embedded => fail(now, item, job, problem, true),
            })
        }
        JobState::Collecting if job.lease_until.is_some_and(|it| it <= at) => {
            let problem = Problem::new("internal", "the worker that collected the result stopped responding");
            Some(collect_again(now, item, job, problem))
        }
        JobState::Running if job.deadline.is_some_and(|it| it <= at) => {
            let problem = Problem::new("deadline_exceeded", "the processor did not finish by its deadline");
            Some(fail_as(now, item, job, problem, true, JobState::TimedOut))
        }
        _ => None,
    })
}

/// The jobs of the item that their backends are to be asked about now.
pub fn polls_due(now: OffsetDateTime, item: &Item) -> Vec<ProcessorKind> {
    let at = crate::millis(now);
    let due = item.all_jobs().filter(|job| job.state == JobState::Running && job.poll_at.is_some_and(|it| it <= at));
    due.map(|job| job.processor).collect()
}

/// A user requested reprocessing, by one processor or by all; `None` if none of them has ended.
pub fn reprocess(now: OffsetDateTime, item: &Item, only: Option<ProcessorKind>) -> Option<ItemTransition> {
    let mut next: Option<Item> = None;
    for job in chosen(item, only).filter(|it| it.state.is_final()) {
        let from = next.as_ref().unwrap_or(item);
        let (state, attempts_before) = (JobState::Queued, job.attempt);
        // a job of the asset manager that a user has aborted there would abort this work as well
        let is_aborted = job.error.as_ref().is_some_and(|it| it.code == ABORTED);
        let asset_job = job.asset_job.clone().filter(|_| !is_aborted);
        let queued = Job { state, attempts_before, tries: 0, error: None, wait: None, asset_job, ..job };
        let note = next.is_none().then(|| "asked for again".to_owned());
        let mut queued = from.with_job(now, queued, note);
        queued.revision = item.revision + 1;
        next = Some(queued);
    }
    let mut next = next?;
    // a user waits for it
    next.priority = next.priority.max(URGENT_PRIORITY);
    Some(quiet(next))
}

/// A user cancelled the work of one processor or of all; `None` if all of them have ended.
pub fn cancel(now: OffsetDateTime, item: &Item, only: Option<ProcessorKind>) -> Option<ItemTransition> {
    let mut whole: Option<ItemTransition> = None;
    for job in chosen(item, only).filter(|it| !it.state.is_final()) {
        let problem = Problem::new("cancelled", "a user cancelled it");
        let from = whole.as_ref().map_or(item, |it| &it.item);
        let note = Some(problem.message.clone());
        let mut next = with_news(now, from, Job { error: Some(problem), ..ended(job, JobState::Cancelled) }, note);
        next.item.revision = item.revision + 1;
        let mut notifications = whole.map(|it| it.notifications).unwrap_or_default();
        notifications.append(&mut next.notifications);
        next.notifications = notifications;
        whole = Some(next);
    }
    whole
}

/// A user has the results of one processor or of all erased, with the faces in them; `None` if there are none, or such a
/// processor waits or works.
pub fn erase_results(now: OffsetDateTime, item: &Item, only: Option<ProcessorKind>) -> Option<ItemTransition> {
    if chosen(item, only).any(|it| !it.state.is_final()) {
        return None;
    }
    let (mut next, mut notifications) = (item.clone(), Vec::new());
    for job in chosen(item, only).filter(|it| it.results.is_some()) {
        let (problem, processor) = (Problem::new("erased", "its results were erased on request"), job.processor);
        let note = (next.revision == item.revision).then(|| problem.message.clone());
        let erased = Job { error: Some(problem), results: None, ..ended(job, JobState::Skipped) };
        next = next.with_job(now, erased, note);
        if !next.processor.is_single() {
            notifications.push(job_notification(&next, &next.job(processor)));
        }
    }
    if next.revision == item.revision {
        return None;
    }
    next.revision = item.revision + 1;
    // what other processors have found is still there otherwise
    if next.status == ItemStatus::Skipped {
        notifications.push(item_notification(&next));
    }
    Some(ItemTransition { item: next, notifications })
}

/// The jobs of one processor, or of all.
pub fn chosen(item: &Item, only: Option<ProcessorKind>) -> impl Iterator<Item = Job> + '_ {
    item.all_jobs().filter(move |it| only.is_none_or(|kind| kind == it.processor))
}

fn quiet(item: Item) -> ItemTransition {
    ItemTransition { item, notifications: Vec::new() }
}

fn fail_as(
    now: OffsetDateTime,
    item: &Item,
    job: Job,
    problem: Problem,
    retryable: bool,
    end: JobState,
) -> ItemTransition {
    if retryable && job.attempts() < MAX_ATTEMPTS {
        let queued = Job { wait: None, tries: 0, ..ended(job, JobState::Queued) };
        return requeue(now, item, queued, problem);
    }
    let note = Some(problem.message.clone());
    with_news(now, item, Job { error: Some(problem), ..ended(job, end) }, note)
}

fn requeue(now: OffsetDateTime, item: &Item, queued: Job, problem: Problem) -> ItemTransition {
    let note = Some(problem.message.clone());
    quiet(item.with_job(now, Job { error: Some(problem), ..queued }, note))
}

/// The job in a new state, without anything of the attempt that has ended.
fn ended(job: Job, state: JobState) -> Job {
    Job { state, lease_until: None, poll_at: None, polls: 0, deadline: None, collections: 0, ..job }
}

/// The item with a job that has ended, and its news: of the job if the item has several, and of the item if it was the
/// last.
fn with_news(now: OffsetDateTime, item: &Item, job: Job, note: Option<String>) -> ItemTransition {
    let processor = job.processor;
    let next = item.with_job(now, job, note);
    let mut notifications = Vec::new();
    if !next.processor.is_single() {
        notifications.push(job_notification(&next, &next.job(processor)));
    }
    if next.all_jobs().all(|it| it.state.is_final()) {
        notifications.push(item_notification(&next));
    }
    ItemTransition { item: next, notifications }
}

#[cfg(test)]
mod tests;
