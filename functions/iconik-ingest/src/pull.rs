//! The queue of another system, such as the seed's "Webhook-Requeue": its messages become our own orders.

use domain::AppId;
use entry::foreign::ForeignQueue;
use time::OffsetDateTime;

use crate::foreign::{Said, orders, read};
use crate::handler::{At, Parts, Trouble};

/// Receives per look: what is left comes with the next, a minute later.
const ROUNDS: usize = 20;

/// Takes what lies in the application's queue; answers why it could not be read or emptied, if so. A message leaves it
/// when its orders are in ours.
pub(crate) async fn run(parts: &Parts, at: &At, app: AppId, now: OffsetDateTime) -> Result<Option<String>, Trouble> {
    let queue = match open(parts, at, app).await {
        Ok(it) => it,
        Err(why) => return Ok(Some(unreadable(app, &why))),
    };
    for _ in 0..ROUNDS {
        let messages = match queue.receive().await {
            Ok(it) if it.is_empty() => return Ok(None),
            Ok(it) => it,
            Err(error) => return Ok(Some(unreadable(app, &entry::Chain(&error).to_string()))),
        };
        for it in &messages {
            match read(&it.body) {
                Said::Orders(_, wanted) => parts.queue.send_all(&orders(app, &wanted, now)).await?,
                Said::Noise => {}
                Said::Nothing => {
                    let reason = "a message of the application's own queue is no event and no action of Iconik's";
                    parts.dead.park(&it.body, reason, "iconik-ingest").await?;
                }
            }
        }
        let handles: Vec<String> = messages.into_iter().map(|it| it.handle).collect();
        if let Err(error) = queue.delete(&handles).await {
            // they come again, and are known then
            return Ok(Some(unreadable(app, &entry::Chain(&error).to_string())));
        }
    }
    Ok(None)
}

/// The reason, as it is shown.
fn unreadable(app: AppId, why: &str) -> String {
    tracing::error!(application.id = %app, error = %why, "the application's queue cannot be read: {why}");
    why.chars().take(200).collect()
}

async fn open(parts: &Parts, at: &At, app: AppId) -> Result<ForeignQueue, String> {
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
    ForeignQueue::open(url, region, &pair[0], &pair[1], &parts.allowed, &parts.meter)
}
