//! The queue of another system, such as the seed's "Webhook-Requeue": its messages become our own orders.

use domain::AppId;
use entry::external_queue::ExternalQueue;
use time::OffsetDateTime;

use crate::external_message::{ExternalMessage, commands, read};
use crate::handler::{Context, IngestError, Session};

/// Receives per look: what is left comes with the next, a minute later.
const MAX_RECEIVES: usize = 20;

/// Takes what lies in the application's queue; answers why it could not be read or emptied, if so. A message leaves it
/// when its orders are in ours.
pub(crate) async fn run(
    parts: &Context,
    at: &Session,
    app: AppId,
    now: OffsetDateTime,
) -> Result<Option<String>, IngestError> {
    let queue = match open(parts, at, app).await {
        Ok(it) => it,
        Err(why) => return Ok(Some(report_unreadable(app, &why))),
    };
    for _ in 0..MAX_RECEIVES {
        let messages = match queue.receive().await {
            Ok(it) if it.is_empty() => return Ok(None),
            Ok(it) => it,
            Err(error) => return Ok(Some(report_unreadable(app, &entry::Chain(&error).to_string()))),
        };
        for it in &messages {
            match read(&it.body) {
                ExternalMessage::Commands(_, wanted) => parts.queue.send_all(&commands(app, &wanted, now)).await?,
                ExternalMessage::Irrelevant => {}
                ExternalMessage::Unreadable => {
                    let reason = "a message of the application's own queue is no event and no action of Iconik's";
                    parts.dead_letters.send_dead_letter(&it.body, reason, "iconik-ingest").await?;
                }
            }
        }
        let handles: Vec<String> = messages.into_iter().map(|it| it.receipt_handle).collect();
        if let Err(error) = queue.delete(&handles).await {
            // they come again, and are known then
            return Ok(Some(report_unreadable(app, &entry::Chain(&error).to_string())));
        }
    }
    Ok(None)
}

/// The reason, as it is shown.
fn report_unreadable(app: AppId, why: &str) -> String {
    tracing::error!(application.id = %app, error = %why, "the application's queue cannot be read: {why}");
    why.chars().take(200).collect()
}

async fn open(parts: &Context, at: &Session, app: AppId) -> Result<ExternalQueue, String> {
    let missing = |what: &str| format!("{what} is not set");
    let set = &at.settings;
    let url = set.sqs_queue_url.as_deref().ok_or_else(|| missing("sqs_queue_url"))?;
    let region = set.aws_region.as_deref().ok_or_else(|| missing("aws_region"))?;
    let mut pair = Vec::new();
    for (field, sealed, name) in [
        (entry::secrets::AWS_ACCESS_KEY, &set.aws_access_key, "aws_access_key"),
        (entry::secrets::AWS_SECRET_KEY, &set.aws_secret_key, "aws_secret_key"),
    ] {
        let sealed = sealed.as_ref().ok_or_else(|| missing(name))?;
        let bytes = parts.secrets.open(app, field, sealed).await.map_err(|it| entry::Chain(&it).to_string())?;
        pair.push(String::from_utf8(bytes).map_err(|_| format!("{name} is not readable"))?);
    }
    ExternalQueue::open(url, region, &pair[0], &pair[1], &parts.allowed, &parts.meter)
}
