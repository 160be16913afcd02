//! Stripe's webhook (billing, section 4): checks the signature, queues what the event is about, and answers. What is so now is
//! asked for afterwards, so that the order of events does not matter.

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::billing::command::{BillingCommand, BillingSubject};
use entry::clock;
use stripe::Event;
use time::Duration;

use crate::answer::{Fault, SUCCESS, respond};
use crate::context::Context;

/// The largest event, in bytes. Stripe's have some kilobytes.
pub(crate) const MAX_BODY_BYTES: usize = 1 << 20;

/// Receives an event. One that has come before, and one that is of no subscription, is answered with 200 as well.
pub(crate) async fn receive(context: &Context, headers: &HeaderMap, body: &[u8]) -> Result<Response, Fault> {
    let (provider, now) = (context.provider()?, clock::now());
    if provider.webhook_secret.is_empty() {
        return Err(Fault::not_configured());
    }
    let signature = headers.get("stripe-signature").and_then(|it| it.to_str().ok()).unwrap_or_default();
    if let Err(error) = stripe::verify(signature, body, &provider.webhook_secret, now.unix_timestamp()) {
        tracing::warn!("an event is refused: {error}");
        return Err(Fault::new(400, 1000, "The signature does not fit."));
    }
    let event = Event::read(body).ok_or_else(|| Fault::new(400, 1000, "The body is no event."))?;
    let done = || Ok(respond(StatusCode::OK, SUCCESS.to_owned()));
    let Some(customer) = event.customer.clone().filter(|_| event.is_of_subscriptions()) else { return done() };
    if context.table.has_stripe_event(&event.id).await? {
        return done();
    }
    let trial_ending = event.announces_end_of_trial();
    let (subject, id) = (BillingSubject::Customer(customer), event.id.clone());
    let command = BillingCommand { v: 1, subject, event: Some(id), trial_ending, subscription: event.subscription };
    provider.queue.send(&command, Duration::ZERO).await.map_err(|error| Fault::internal(&error))?;
    // stored after it is queued: an event that is queued twice is looked after twice, one that is only stored never
    context.table.put_stripe_event(&event.id, now).await?;
    done()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn its_event_decodes() {
        let event: Value =
            serde_json::from_str(include_str!("../../../events/billing-api.stripe-webhook.json")).unwrap();
        let body = event["body"].as_str().unwrap();
        let read = Event::read(body.as_bytes()).unwrap();
        assert!(read.customer.is_some() && read.is_of_subscriptions());
        assert!(event["headers"]["stripe-signature"].as_str().unwrap().contains(",v1="));
    }
}
