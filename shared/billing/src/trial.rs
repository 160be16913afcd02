//! Starts a trial (billing, section 3.5).

use domain::billing::decision::{TrialStep, Wanted, start_trial};
use domain::billing::plans::Cycle;
use stripe::{FirstPayment, NewSubscription};

use crate::error::BillingError;
use crate::order::{Billing, Order};

/// Steps of one request at most.
const MAX_STEPS: u32 = 4;

/// A trial to start.
#[derive(Debug, Clone, Copy)]
pub struct Trial<'a> {
    pub plan: &'a str,
    /// `None` is the plan's default.
    pub cycle: Option<Cycle>,
    pub quantity: u32,
    pub days: u32,
}

impl Billing {
    /// Starts a trial, which needs no card. A product has one trial.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn start_trial(&self, order: &Order<'_>, trial: &Trial<'_>) -> Result<(), BillingError> {
        self.under_lease(order, self.start_trial_alone(order, trial)).await
    }

    async fn start_trial_alone(&self, order: &Order<'_>, trial: &Trial<'_>) -> Result<(), BillingError> {
        let of = (order.product, trial.plan);
        let wanted = Wanted::new(&self.plans, of, trial.cycle, trial.quantity, &[]).ok_or(BillingError::NotSold)?;
        let customer = self.customer(order.app).await?;
        let (mut attempt, mut is_retry) = (0, order.is_retry);
        for _ in 0..MAX_STEPS {
            let seen = self.see(order.app, order.product, &customer.id).await?;
            match start_trial(&self.plans, &wanted, &seen.remote, seen.state.as_ref(), is_retry) {
                TrialStep::Done => {
                    return self.record((order.app, order.product, &customer.id), seen, order.cta, None).await;
                }
                TrialStep::Subscribed => return Err(BillingError::Subscribed),
                TrialStep::SecondTrial => return Err(BillingError::SecondTrial),
                TrialStep::Create => {}
            }
            let new = NewSubscription {
                app: order.app,
                customer: &customer.id,
                wanted: &wanted,
                first_payment: FirstPayment::AfterTrial(trial.days),
                cta: order.cta,
            };
            let seed = order.step("trial", &seen.version(), attempt);
            is_retry = true; // what is there from now on is ours, even if the provider says that it failed
            match self.stripe.create_subscription(&new, &seed).await {
                Err(error) if error.is_stored_failure() => attempt += 1,
                created => drop(created?),
            }
        }
        Err(BillingError::Unsettled)
    }
}
