//! The lists that wait for one subscription, posted in their order by one holder at a time.

use std::sync::Arc;

use channels::sign::{NMS_PURPOSE, SigningKeyPair};
use channels::webhook::Receiver;
use domain::EventListId;
use domain::command::{EventListDelivery, PushCommand};
use domain::message_store::BoxSubscription;
use domain::millis;
use entry::{Message, MessageError, clock};
use oma::{Document, Format};
use table::QueuedNotification;
use time::{Duration, OffsetDateTime};

use crate::context::Context;
use crate::policy::{Next, next};

/// How long an invocation begins further posts.
const MAX_POSTING: Duration = Duration::seconds(10);
/// How long a holder keeps the others away: longer than that and a last post.
const HOLD: Duration = Duration::seconds(60);

/// What became of the lists.
enum Progress {
    /// None waits.
    Done,
    /// The oldest waits for another attempt after a delay.
    Retry { attempt: u32, after: Duration },
}

/// Posts what waits for a subscription. If another message holds it, that one does so, and looks again at its end.
pub(crate) async fn handle(context: &Context, now: OffsetDateTime, message: Message) -> Result<(), MessageError> {
    let delivery: EventListDelivery = message.command("delivery of event lists")?;
    let (in_box, id) = (&delivery.in_box, delivery.subscription);
    // the message that SQS delivers again after a crash is the same holder
    let holder = delivery.holder.clone().unwrap_or(message.id);
    while context.table.oldest_event_list(in_box, id).await?.is_some() {
        let begun = clock::now();
        if !context.table.hold_event_lists(in_box, id, &holder, begun, begun + HOLD).await? {
            return Ok(());
        }
        if let Progress::Retry { attempt, after } = post_all(context, &delivery, now + MAX_POSTING).await? {
            context.table.hold_event_lists(in_box, id, &holder, clock::now(), clock::now() + after + HOLD).await?;
            let retry = EventListDelivery { attempt, holder: Some(holder), ..delivery };
            return Ok(context.queue.send(&retry, after).await?);
        }
        context.table.release_event_lists(in_box, id, &holder).await?;
    }
    continue_lists(context, &delivery, now).await
}

/// Posts list after list until none waits or one fails.
async fn post_all(
    context: &Context,
    delivery: &EventListDelivery,
    deadline: OffsetDateTime,
) -> Result<Progress, MessageError> {
    let (in_box, id) = (&delivery.in_box, delivery.subscription);
    let seed = context.secrets.derive_key(in_box.app, NMS_PURPOSE).await?;
    let pair = Arc::new(SigningKeyPair::new(&seed));
    let mut attempt = delivery.attempt;
    while let Some(list) = context.table.oldest_event_list(in_box, id).await? {
        let now = clock::now();
        if now > deadline {
            return Ok(Progress::Retry { attempt, after: Duration::ZERO });
        }
        let Some(subscription) = context.table.box_subscription(in_box, id, millis(now)).await? else {
            context.table.delete_event_list(in_box, id, list.sequence).await?; // it has ended
            continue;
        };
        let Some(message) = message(&subscription, &list) else {
            tracing::error!("list {} of a subscription cannot be read and is left out", list.sequence);
            context.table.delete_event_list(in_box, id, list.sequence).await?;
            continue;
        };
        let to = Receiver { url: subscription.notify_url.clone(), keys: Vec::new(), pair: pair.clone() };
        let Some(answered) = context.client.send(&to, &message, now, None).await else {
            return Ok(Progress::Retry { attempt, after: Duration::ZERO });
        };
        match next(&answered.outcome, attempt, clock::random_fraction()) {
            Next::Advance => context.table.delete_event_list(in_box, id, list.sequence).await?,
            Next::EndSubscription => {
                tracing::info!("the notifyURL of subscription {id} is gone: it ends");
                context.table.delete_box_subscription(in_box, id).await?;
            }
            Next::Retry { after } => {
                tracing::info!(outcome = ?answered.outcome, "list {} is posted again", list.sequence);
                return Ok(Progress::Retry { attempt: attempt + 1, after });
            }
        }
        attempt = 1;
    }
    Ok(Progress::Done)
}

/// Has further lists made, if the box has changes that none told of: they were held back while too many waited.
async fn continue_lists(
    context: &Context,
    delivery: &EventListDelivery,
    now: OffsetDateTime,
) -> Result<(), MessageError> {
    let in_box = &delivery.in_box;
    let Some(subscription) = context.table.box_subscription(in_box, delivery.subscription, millis(now)).await? else {
        return Ok(());
    };
    let newest = context.table.head(in_box.app, &in_box.stream()).await?;
    if newest.is_some_and(|it| it.last != subscription.told) {
        context.push_queue.send(&PushCommand::for_box(in_box), Duration::ZERO).await?;
    }
    Ok(())
}

/// A list as its subscription's `notificationFormat` has it, JSON if none was asked for; `None` if it cannot be read. Its id is
/// the same in each attempt.
fn message(subscription: &BoxSubscription, list: &QueuedNotification) -> Option<channels::Message> {
    let document: Document = serde_json::from_str(&list.document).ok()?;
    let format = if subscription.notification_format.as_deref() == Some("XML") { Format::Xml } else { Format::Json };
    let in_box = &subscription.in_box;
    let (id, index) = (subscription.id.to_string(), list.sequence.to_string());
    Some(channels::Message {
        id: EventListId::of(in_box.app, &[&in_box.store, &in_box.name, &id, &index]).to_string(),
        kind: "nmsEventList".to_owned(),
        app: in_box.app,
        content_type: format.media_type(),
        body: oma::write(&document, format).into_bytes(),
        trace: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_event_decodes() {
        let event: serde_json::Value =
            serde_json::from_str(include_str!("../../../events/deliver-nms.lists.json")).unwrap();
        let delivery: EventListDelivery = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        assert_eq!((delivery.in_box.store.as_str(), delivery.subscription, delivery.attempt), ("myStore", 7, 1));
    }
}
