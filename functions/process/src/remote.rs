//! Work of remote backends: the media is handed over, the work is started and asked about, the result is collected.

use domain::id::sha256_hex;
use domain::item::{Item, Problem};
use domain::job::{Job, JobOrder, MAX_RESULT_BYTES, input_key, order_key, output_key};
use domain::processor::{Backend, ProcessorKind};
use domain::received_result;
use entry::{Chain, MessageError};

use crate::context::Context;
use crate::outcome::ItemOutcome;
use crate::results::{Produced, read_object};

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

/// Reads and checks the result that lies ready. Returns it with the SHA-256 of the media that it is about.
pub(crate) async fn collect(
    context: &Context,
    item: &Item,
    job: &Job,
) -> Result<Result<(Produced, String), ItemOutcome>, MessageError> {
    let invalid = |reason: String| Ok(Err(ItemOutcome::Failed(Problem::new("invalid_result", reason))));
    let key = output_key(item.app, item.job_id(job.processor), job.attempt);
    let head = match context.s3.head_object().bucket(&context.results_bucket).key(&key).send().await {
        Ok(head) => head,
        Err(error) if error.as_service_error().is_some_and(|it| it.is_not_found()) => {
            return invalid("the processor has not stored the result that it reports".to_owned());
        }
        Err(error) => return Err(error.into()),
    };
    // the size is checked before the object is read (processors, section 5.4)
    if head.content_length.is_some_and(|it| it as u64 > MAX_RESULT_BYTES) {
        return invalid(format!("the result is larger than {MAX_RESULT_BYTES} bytes"));
    }
    let Some(bytes) = read_object(context, &key).await? else {
        return invalid("the result is gone".to_owned());
    };
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
