//! Work of remote backends: the media is handed over, the work is started and asked about, the result is collected.

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use domain::id::sha256_hex;
use domain::item::{Item, Problem};
use domain::job::{
    BackendError, Job, JobInput, JobOrder, JobPlace, MAX_RESULT_BYTES, Report, Submission, input_key, order_key,
    output_key,
};
use domain::processing::report;
use domain::processor::{Backend, ProcessorKind};
use domain::received_result;
use domain::settings::Settings;
use entry::{Chain, MessageError, clock};
use external_processor::{Endpoint, Polled};
use time::Duration;

use crate::commit::commit;
use crate::context::Context;
use crate::outcome::ItemOutcome;
use crate::results::{Produced, put_object, read_object};
use crate::source::Source;

/// How long an attempt may take, by default and at most (processors, section 5.2).
const DEADLINE: Duration = Duration::HOUR;
const MAX_DEADLINE: Duration = Duration::hours(6);

/// Why a remote backend is not asked at all: the media cannot hold what the processor looks for. Nothing is fetched then.
pub(crate) fn refusal(item: &Item, job: &Job) -> Option<Problem> {
    if job.backend == Backend::Embedded {
        return None;
    }
    let (picture, sound) = (item.media_type.starts_with("image/"), item.media_type.starts_with("audio/"));
    match job.processor {
        ProcessorKind::AutoTranslation if picture => Some(Problem::new("no_audio", "a picture has no sound")),
        ProcessorKind::FacialRecognition | ProcessorKind::ObjectDetection if sound => {
            Some(Problem::new("unsupported_media", "sound has no picture"))
        }
        _ => None,
    }
}

/// The outcome of a job whose backend is not set up.
pub(crate) fn unavailable(job: &Job) -> ItemOutcome {
    let name = job.processor.name();
    let message = format!("{name} has no endpoint: its backend is `{}`, and none is registered", job.backend.name());
    let hint = format!("register one with PUT /api/v1/Media/Processors/{name}");
    ItemOutcome::Failed(Problem { hint: Some(hint), ..Problem::new("backend_unavailable", message) })
}

/// The endpoint that the application has registered for a job's processor.
///
/// # Errors
/// The table or KMS fails: the message is received again.
pub(crate) async fn endpoint(context: &Context, item: &Item, job: &Job) -> Result<Option<Endpoint>, MessageError> {
    if job.backend != Backend::External {
        return Ok(None);
    }
    let found = external_processor::endpoint(&context.table, &context.secrets, item.app, job.processor, clock::now());
    Ok(found.await?)
}

/// Hands the media over, and starts the work at the endpoint.
pub(crate) async fn start(
    context: &Context,
    settings: &Settings,
    item: &Item,
    job: &Job,
    source: &Source,
    endpoint: &Endpoint,
) -> Result<ItemOutcome, MessageError> {
    let order = match order(context, settings, item, job, source, endpoint).await? {
        Ok(order) => order,
        Err(outcome) => return Ok(outcome),
    };
    if order.deadline <= clock::now() {
        let problem = Problem::new("deadline_exceeded", "the processor did not take the work before its deadline");
        return Ok(ItemOutcome::RetryLater(problem));
    }
    Ok(match context.external.submit(endpoint, &order, clock::now()).await {
        Ok(Submission::Done(result)) => {
            let key = output_key(item.app, order.id, job.attempt);
            put_object(context, &key, result, "application/json").await?;
            ItemOutcome::Delivered
        }
        Ok(Submission::Accepted { external_id, poll_after }) => {
            ItemOutcome::Accepted { external_id, poll_after, deadline: order.deadline }
        }
        Err(BackendError::Retry { after, problem }) => {
            let wait = after.and_then(|it| u64::try_from(it.whole_seconds()).ok());
            ItemOutcome::RetryStart(problem, wait)
        }
        Err(BackendError::Permanent(problem)) if problem.ends_skipped() => ItemOutcome::Skipped(problem),
        Err(BackendError::Permanent(problem) | BackendError::Unavailable(problem)) => ItemOutcome::Failed(problem),
    })
}

/// The order of an attempt: the stored one, or a new one with the media staged for it. Repeats of a start call send the same.
async fn order(
    context: &Context,
    settings: &Settings,
    item: &Item,
    job: &Job,
    source: &Source,
    endpoint: &Endpoint,
) -> Result<Result<JobOrder, ItemOutcome>, MessageError> {
    let (app, id) = (item.app, item.job_id(job.processor));
    let key = order_key(app, id, job.attempt);
    if job.tries > 1
        && let Some(stored) = read_object(context, &key).await?
    {
        return Ok(Ok(serde_json::from_slice(&stored)?));
    }
    let staged = input_key(app, id, job.attempt);
    let (bytes, sha256) = match stage(context, settings, item, source, &staged).await? {
        Ok(staged) => staged,
        Err(outcome) => return Ok(Err(outcome)),
    };
    let lifetime = endpoint.deadline.unwrap_or(DEADLINE).clamp(Duration::seconds(10), MAX_DEADLINE);
    let presigned = PresigningConfig::expires_in(lifetime.unsigned_abs())?;
    let input = context.s3.get_object().bucket(&context.results_bucket).key(&staged).presigned(presigned.clone());
    let output = context.s3.put_object().bucket(&context.results_bucket).key(output_key(app, id, job.attempt));
    let order = JobOrder {
        id,
        app,
        item: item.id,
        attempt: job.attempt,
        processor: job.processor,
        parameters: source.processor_settings().parameters(job.processor, &endpoint.parameters),
        deadline: clock::now() + lifetime,
        input: JobInput {
            url: input.await?.uri().to_owned(),
            media_type: item.media_type.clone(),
            bytes: Some(bytes),
            sha256: Some(sha256),
        },
        output_url: output.presigned(presigned).await?.uri().to_owned(),
    };
    // the place first: a repeat that finds the order relies on it
    context.table.put_job_place(&JobPlace { id, app, item: item.id, processor: job.processor }).await?;
    put_object(context, &key, serde_json::to_vec(&order)?, "application/json").await?;
    Ok(Ok(order))
}

/// Copies the media into the results bucket, from where the endpoint fetches it. Returns its size and its SHA-256.
async fn stage(
    context: &Context,
    settings: &Settings,
    item: &Item,
    source: &Source,
    key: &str,
) -> Result<Result<(u64, String), ItemOutcome>, MessageError> {
    let media = match source.fetch_media(context, settings, item).await? {
        Ok(media) => media,
        Err(outcome) => return Ok(Err(outcome)),
    };
    let bytes = std::fs::metadata(&media.file)?.len();
    let body = ByteStream::from_path(&media.file).await?;
    let put = context.s3.put_object().bucket(&context.results_bucket).key(key).content_type(&item.media_type);
    put.body(body).send().await?;
    Ok(Ok((bytes, media.sha256)))
}

/// Asks the endpoint about a running job (processors, section 5.5). What it does not say, its callback will, or the deadline
/// comes.
pub(crate) async fn ask(context: &Context, item: Item, job: &Job) -> Result<(), MessageError> {
    let (id, attempt) = (item.job_id(job.processor), job.attempt);
    let (Some(endpoint), Some(external_id)) = (endpoint(context, &item, job).await?, &job.external_id) else {
        return Ok(());
    };
    let processor = job.processor;
    let polled = context.external.poll(&endpoint, id, attempt, external_id, job.polls, clock::now()).await;
    let told = match polled {
        Ok(Polled::Report(told)) => told,
        Ok(Polled::Result(result)) => {
            // a callback may have come while the endpoint took its time: what it has put there stays
            let Some(read) = context.table.item(item.id).await? else { return Ok(()) };
            let told = Report::Succeeded { sha256: None };
            if report(clock::now(), &read, processor, attempt, None, told).is_err() {
                return Ok(());
            }
            put_object(context, &output_key(item.app, id, attempt), result, "application/json").await?;
            Report::Succeeded { sha256: None }
        }
        Ok(Polled::NoSuchPath) => return Ok(()),
        Err(
            BackendError::Retry { problem, .. } | BackendError::Permanent(problem) | BackendError::Unavailable(problem),
        ) => {
            tracing::warn!(item.id = %item.id, "{} does not say how far it is: {}", processor.name(), problem.message);
            return Ok(());
        }
    };
    commit(context, item, |item| report(clock::now(), item, processor, attempt, None, told.clone()).ok()).await?;
    Ok(())
}

/// Reads and checks the result that lies ready. Returns it with the SHA-256 of the media that it is about.
pub(crate) async fn collect(
    context: &Context,
    item: &Item,
    job: &Job,
) -> Result<Result<(Produced, String), ItemOutcome>, MessageError> {
    let invalid = |reason: String| Ok(Err(ItemOutcome::Failed(Problem::new("invalid_result", reason))));
    let key = output_key(item.app, item.job_id(job.processor), job.attempt);
    let found = match context.s3.get_object().bucket(&context.results_bucket).key(&key).send().await {
        Ok(found) => found,
        Err(error) if error.as_service_error().is_some_and(|it| it.is_no_such_key()) => {
            return invalid("the processor has not stored the result that it reports".to_owned());
        }
        Err(error) => return Err(error.into()),
    };
    // the size is checked before the object is read (processors, section 5.4). It is that of this answer: the processor may
    // write the object until its deadline.
    if found.content_length.is_some_and(|it| it as u64 > MAX_RESULT_BYTES) {
        return invalid(format!("the result is larger than {MAX_RESULT_BYTES} bytes"));
    }
    let bytes = found.body.collect().await?.to_vec();
    if job.output_sha256.as_ref().is_some_and(|it| *it != sha256_hex(&bytes)) {
        return invalid("the result has another SHA-256 than the processor reported".to_owned());
    }
    match received_result::parse(&bytes, item.job_id(job.processor)) {
        Ok(received) => {
            let order = read_object(context, &order_key(item.app, item.job_id(job.processor), job.attempt)).await?;
            let order: Option<JobOrder> = order.map(|it| serde_json::from_slice(&it)).transpose()?;
            Ok(Ok((received.into(), order.and_then(|it| it.input.sha256).unwrap_or_default())))
        }
        Err(error) => invalid(error.to_string()),
    }
}

/// Removes what was handed over for an attempt that has ended. What is left, the bucket's lifecycle rule removes.
pub(crate) async fn remove_staged(context: &Context, item: &Item, job: &Job) {
    if job.backend == Backend::Embedded || job.attempt == 0 {
        return;
    }
    let (app, id) = (item.app, item.job_id(job.processor));
    for key in [input_key, order_key, output_key].map(|it| it(app, id, job.attempt)) {
        let deleted = context.s3.delete_object().bucket(&context.results_bucket).key(key).send().await;
        if let Err(error) = deleted {
            tracing::warn!(item.id = %item.id, error = %Chain(&error), "a staged object stays for its lifecycle rule");
        }
    }
}
