//! The application's own SQS queue, such as the original system's "Webhook-Requeue": its messages become commands of
//! ours.

use domain::AppId;
use entry::external_queue::ExternalQueue;
use time::OffsetDateTime;

use crate::context::{Context, Session};
use crate::error::IngestError;
use crate::external_message::{ExternalMessage, commands, read};

/// Receives per check; the next check, a minute later, reads on.
const MAX_RECEIVES: usize = 20;

/// Reads the application's queue. Returns why it could not be read or emptied, if so. A message is deleted once its
/// commands are in our queue.
pub(crate) async fn run(
    context: &Context,
    session: &Session,
    app: AppId,
    now: OffsetDateTime,
) -> Result<Option<String>, IngestError> {
    let queue = match open(context, session, app).await {
        Ok(queue) => queue,
        Err(reason) => return Ok(Some(report_unreadable(app, &reason))),
    };
    for _ in 0..MAX_RECEIVES {
        let messages = match queue.receive().await {
            Ok(messages) if messages.is_empty() => return Ok(None),
            Ok(messages) => messages,
            Err(error) => return Ok(Some(report_unreadable(app, &entry::Chain(&error).to_string()))),
        };
        for message in &messages {
            match read(&message.body) {
                ExternalMessage::Commands(_, requests) => {
                    context.queue.send_all(&commands(app, &requests, now)).await?;
                }
                ExternalMessage::Irrelevant => {}
                ExternalMessage::Unreadable => {
                    let reason = "a message of the application's own queue is no event and no action of Iconik's";
                    context.dead_letter_queue.send_dead_letter(&message.body, reason, "iconik-ingest").await?;
                }
            }
        }
        let handles: Vec<String> = messages.into_iter().map(|it| it.receipt_handle).collect();
        if let Err(error) = queue.delete(&handles).await {
            // they are received again, and what they name is known then
            return Ok(Some(report_unreadable(app, &entry::Chain(&error).to_string())));
        }
    }
    Ok(None)
}

/// Logs why the queue cannot be read, and shortens the reason to 200 characters for the state.
fn report_unreadable(app: AppId, reason: &str) -> String {
    tracing::error!(application.id = %app, error = %reason, "the application's queue cannot be read: {reason}");
    reason.chars().take(200).collect()
}

async fn open(context: &Context, session: &Session, app: AppId) -> Result<ExternalQueue, String> {
    let missing = |what: &str| format!("{what} is not set");
    let settings = &session.settings;
    let url = settings.sqs_queue_url.as_deref().ok_or_else(|| missing("sqs_queue_url"))?;
    let region = settings.aws_region.as_deref().ok_or_else(|| missing("aws_region"))?;
    let mut pair = Vec::new();
    for (field, sealed, name) in [
        (entry::secrets::AWS_ACCESS_KEY, &settings.aws_access_key, "aws_access_key"),
        (entry::secrets::AWS_SECRET_KEY, &settings.aws_secret_key, "aws_secret_key"),
    ] {
        let sealed = sealed.as_ref().ok_or_else(|| missing(name))?;
        let bytes = context.secrets.open(app, field, sealed).await.map_err(|it| entry::Chain(&it).to_string())?;
        pair.push(String::from_utf8(bytes).map_err(|_| format!("{name} is not readable"))?);
    }
    ExternalQueue::open(url, region, &pair[0], &pair[1], &context.allowed_networks, &context.meter)
}
