//! `POST /jobs/{job}/callback/{attempt}`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use domain::JobId;
use domain::id::sha256_hex;
use domain::item::Problem;
use domain::job::{JobPlace, Report, ReportRefused, output_key};
use domain::{processing, received_result};
use entry::clock;
use external_processor::{Message, Signature, open_keys, read_message};
use serde_json::{Value, json};
use table::CommitOutcome;

use crate::context::Context;
use crate::refusal::Refused;

/// How often a callback is applied to a newer state of its item: the item's other processors change it as well.
const MAX_ATTEMPTS: u32 = 8;

/// Takes what a processor says of its job. It is answered with 2xx only after it is stored.
pub(crate) async fn receive(
    State(context): State<Context>,
    Path((job, attempt)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Refused> {
    let body = body.map_err(|_| Refused::TooLarge)?;
    let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let signature = Signature {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signatures: header("webhook-signature"),
    };
    let place = authenticated(&context, &job, &signature, &body).await?;
    let attempt: u32 = attempt.parse().map_err(|_| Refused::Stale)?;
    let message = read_message(&body).map_err(Refused::Invalid)?;
    apply(&context, &place, attempt, signature.id, &message).await
}

/// The job that a callback is about, if the secret of its processor has signed it.
async fn authenticated(
    context: &Context,
    job: &str,
    signature: &Signature<'_>,
    body: &[u8],
) -> Result<JobPlace, Refused> {
    let now = clock::now();
    let place = match job.parse::<JobId>() {
        Ok(id) => context.table.job_place(id).await?,
        Err(_) => None,
    };
    let keys = match &place {
        Some(place) => match context.table.processor_endpoint(place.app, place.processor).await? {
            Some(stored) => open_keys(&context.secrets, place.app, place.processor, &stored, now).await?,
            None => Vec::new(),
        },
        None => Vec::new(),
    };
    // without a job there are no keys; a signature is checked all the same, and takes as long
    match (signature.is_valid(&keys, body, now.unix_timestamp()), place) {
        (true, Some(place)) => Ok(place),
        (_, Some(_)) => Err(Refused::Unauthorized),
        (_, None) => Err(Refused::NoSuchJob),
    }
}

/// Applies a message to its job, as often as somebody else was faster to change the item.
async fn apply(
    context: &Context,
    place: &JobPlace,
    attempt: u32,
    id: &str,
    message: &Message,
) -> Result<Json<Value>, Refused> {
    for _ in 0..MAX_ATTEMPTS {
        let item = context.table.item(place.item).await?.ok_or(Refused::NoSuchJob)?;
        let now = clock::now();
        let (report, invalid) = match message {
            Message::Report(report) => (report.clone(), None),
            Message::Result(bytes) => {
                let succeeded = Report::Succeeded { sha256: Some(sha256_hex(bytes)) };
                // what is late or repeated stores nothing
                if let Err(refused) =
                    processing::report(now, &item, place.processor, attempt, Some(id), succeeded.clone())
                {
                    return answer(refused);
                }
                match received_result::parse(bytes, place.id) {
                    Ok(_) => {
                        store(context, place, attempt, bytes).await?;
                        (succeeded, None)
                    }
                    Err(error) => {
                        let problem = Problem::new("invalid_result", error.to_string());
                        (Report::Failed { problem, retryable: false }, Some(error.to_string()))
                    }
                }
            }
        };
        // only what is accepted counts as accepted when it comes again
        let accepted = if invalid.is_some() { None } else { Some(id) };
        let transition = match processing::report(now, &item, place.processor, attempt, accepted, report) {
            Ok(transition) => transition,
            Err(refused) => return answer(refused),
        };
        if context.table.commit(&transition, now).await? == CommitOutcome::Committed {
            return invalid.map_or_else(|| Ok(accepted_answer()), |why| Err(Refused::InvalidResult(why)));
        }
    }
    tracing::warn!(job.id = %place.id, "a callback found its item changed each time");
    Err(Refused::Internal)
}

/// Stores a result that came in a message where `process` collects it.
async fn store(context: &Context, place: &JobPlace, attempt: u32, bytes: &[u8]) -> Result<(), Refused> {
    let key = output_key(place.app, place.id, attempt);
    let put = context.s3.put_object().bucket(&context.results_bucket).key(key).content_type("application/json");
    put.body(bytes.to_vec().into()).send().await?;
    Ok(())
}

fn answer(refused: ReportRefused) -> Result<Json<Value>, Refused> {
    match refused {
        ReportRefused::Repeated => Ok(accepted_answer()),
        ReportRefused::Stale => Err(Refused::Stale),
    }
}

fn accepted_answer() -> Json<Value> {
    Json(json!({ "status": "accepted" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_event_decodes() {
        let event: Value =
            serde_json::from_str(include_str!("../../../events/processor-callback.progress.json")).unwrap();
        let body = event["body"].as_str().unwrap().as_bytes();
        assert_eq!(read_message(body), Ok(Message::Report(Report::Running { progress: Some(0.4) })));
        assert!(event["pathParameters"]["job"].as_str().unwrap().parse::<JobId>().is_ok());
    }
}
