//! What all changes have in common: the bounds of time, the repeats of a request, and the answer.

use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use billing::{Billing, BillingError, Cancellation, Order, Subscribe, Trial};

use crate::answer::{Fault, SUCCESS, json, respond};
use crate::asked::Asked;
use crate::attempt::Attempt;
use crate::dto::Success;
use crate::route::Endpoint;

/// The most characters of what led to a request (Stripe API, values of metadata).
const MAX_CTA_CHARS: usize = 500;

/// A change of a product's subscriptions.
pub(crate) enum Change<'a> {
    Subscribe(Subscribe<'a>),
    StartTrial(Trial<'a>),
    Cancel(Cancellation),
}

impl Change<'_> {
    /// Carries the change out. It may have a secret for the answer.
    async fn carry_out(&self, billing: &Billing, order: &Order<'_>) -> Result<Option<String>, BillingError> {
        match self {
            Self::Subscribe(subscribe) => billing.subscribe(order, subscribe).await,
            Self::StartTrial(trial) => billing.start_trial(order, trial).await.map(|()| None),
            Self::Cancel(what) => billing.cancel(order, *what).await.map(|()| None),
        }
    }
}

/// Makes a change within the function's time, and answers. A secret of the answer is not kept for repeats.
pub(crate) async fn change(
    asked: &Asked<'_>,
    endpoint: Endpoint,
    product: &str,
    change: Change<'_>,
) -> Result<Response, Fault> {
    let (table, params, billing) = (&asked.context.table, &asked.params, &asked.context.provider()?.billing);
    let cta = params.bounded("cta", MAX_CTA_CHARS)?;
    let attempt = match Attempt::begin(table, asked.app, endpoint, &asked.parts.headers, params).await? {
        Ok(attempt) => attempt,
        Err(answer) => {
            let mut response = respond(StatusCode::OK, answer);
            response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
            return Ok(response);
        }
    };
    let seed = attempt.seed.clone();
    let order = Order { app: asked.app, product, cta, seed: &seed, is_retry: attempt.is_retry, began: attempt.began };
    let changed = tokio::time::timeout(asked.context.budget, change.carry_out(billing, &order)).await;
    let Ok(changed) = changed else {
        // the lease ends by itself: until then nobody comes between what the provider may still be doing
        tracing::warn!("a change takes too long: {}", endpoint.name());
        return Err(Fault::unavailable("The payment provider takes too long. Try again."));
    };
    match changed {
        Ok(None) => {
            attempt.complete(table, SUCCESS).await?;
            Ok(respond(StatusCode::OK, SUCCESS.to_owned()))
        }
        Ok(client_secret) => {
            attempt.forget(table).await?;
            Ok(respond(StatusCode::OK, json(&Success { success: true, client_secret })))
        }
        Err(error) => {
            if error.is_final() {
                attempt.forget(table).await?;
            }
            Err(Fault::of_billing(&error, product))
        }
    }
}
