//! Tells external processors that nobody waits for their jobs any more.

use domain::item::Item;
use domain::job::{Job, JobState};
use domain::processor::{Backend, ProcessorKind};
use entry::{Chain, clock};
use external_processor::{EndpointError, ExternalProcessor, endpoint};

use crate::context::Context;

/// Tells it to the processors of the jobs that ran when `item` was read: of one processor, or of all. A failure changes
/// nothing: the next report of the job is refused, from which the processor learns the same.
pub(crate) async fn cancel_at_processors(context: &Context, item: &Item, only: Option<ProcessorKind>) {
    let runs = |job: &Job| job.backend == Backend::External && job.state == JobState::Running;
    let jobs = item.all_jobs().filter(|job| runs(job) && only.is_none_or(|it| it == job.processor));
    for job in jobs {
        if let Err(error) = cancel(context, item, &job).await {
            tracing::warn!(item.id = %item.id, error = %Chain(&error), "a processor is not told of a cancelled job");
        }
    }
}

async fn cancel(context: &Context, item: &Item, job: &Job) -> Result<(), EndpointError> {
    let now = clock::now();
    let found = endpoint(&context.table, &context.secrets, item.app, job.processor, now).await?;
    let client = ExternalProcessor::new(context.allowed_networks.clone(), String::new());
    if let (Some(endpoint), Some(external_id), Ok(client)) = (found, &job.external_id, client) {
        client.cancel(&endpoint, item.job_id(job.processor), job.attempt, external_id, now).await;
    }
    Ok(())
}
