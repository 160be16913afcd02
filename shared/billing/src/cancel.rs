//! Cancels subscriptions and trials (billing, section 3.6).

use domain::billing::cancellation::{CancelStep, Scope, cancel};

use crate::error::BillingError;
use crate::order::{Billing, Order};

/// Rounds of one request at most: each cancels all that is there.
const MAX_ROUNDS: u32 = 4;

/// What is cancelled, and when.
#[derive(Debug, Clone, Copy)]
pub struct Cancellation {
    pub scope: Scope,
    pub at_period_end: bool,
}

impl Billing {
    /// Cancels all subscriptions of a product, or all its trials.
    ///
    /// # Errors
    /// `NothingToCancel` if there are none, and the rest why they are not cancelled.
    pub async fn cancel(&self, order: &Order<'_>, what: Cancellation) -> Result<(), BillingError> {
        self.under_lease(order, self.cancel_alone(order, what)).await
    }

    async fn cancel_alone(&self, order: &Order<'_>, what: Cancellation) -> Result<(), BillingError> {
        let stored = self.table.billing_customer(order.app).await?;
        // one who never was a customer has no subscription, and does not become one
        let customer = stored.and_then(|it| it.customer).ok_or(BillingError::NothingToCancel)?;
        // since when what has ended was ended here
        let (mut attempt, mut began) = (0, order.is_retry.then_some(order.began));
        for _ in 0..MAX_ROUNDS {
            let seen = self.see(order.app, order.product, &customer).await?;
            let known = (seen.state.as_ref(), began);
            let steps = cancel(&self.plans, order.product, what.scope, what.at_period_end, &seen.remote, known);
            let steps = steps.ok_or(BillingError::NothingToCancel)?;
            if steps.is_empty() {
                return self.record((order.app, order.product, &customer), seen, order.cta, None).await;
            }
            began = Some(order.began);
            for step in &steps {
                let taken = match step {
                    CancelStep::Now(id) => self.stripe.cancel_now(id).await,
                    CancelStep::AtPeriodEnd(id) => {
                        let seed = order.step("cancel", &seen.version(), attempt);
                        self.stripe.cancel_at_period_end(id, order.cta, &seed).await
                    }
                };
                match taken {
                    Err(error) if error.is_stored_failure() => attempt += 1,
                    taken => taken?,
                }
            }
        }
        Err(BillingError::Unsettled)
    }
}
