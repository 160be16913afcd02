//! Starts a subscription, or changes the one that there is; completes a trial (billing, section 3.4).

use domain::billing::decision::{SubscribeStep, Wanted, subscribe};
use domain::billing::plans::Cycle;
use domain::billing::subscription::paid_otherwise;
use stripe::{FirstPayment, FirstPaymentState, NewSubscription, SubscriptionChange};

use crate::customer::{Card, KnownCustomer};
use crate::error::BillingError;
use crate::order::{Billing, Order};
use crate::record::Seen;

/// Steps of one request at most: cards are replaced, a subscription that was never paid is discarded, another one is
/// created, and seen.
const MAX_STEPS: u32 = 8;

/// The metric of updates that lower a quantity: an update without a quantity sets it to 1 (billing, section 1.6).
const QUANTITY_LOWERED: &str = "billing_quantity_lowered";

/// What a subscription is to be.
#[derive(Debug, Clone, Copy)]
pub struct Subscribe<'a> {
    pub plan: &'a str,
    /// `None` keeps the cycle of the subscription that there is.
    pub cycle: Option<Cycle>,
    pub quantity: u32,
    /// A card to pay with, from now on.
    pub card: Option<Card<'a>>,
    /// Whether the customer completes the first payment of a new subscription: for cards that need authentication.
    pub paid_by_customer: bool,
}

/// What became of one step.
enum Progress {
    /// The next one follows.
    Next,
    /// The customer has to pay, with this secret.
    Payment(Option<String>),
}

impl Billing {
    /// Starts a subscription, or changes the one that there is. Answers with the secret of the first payment, if the customer
    /// has to complete it.
    ///
    /// # Errors
    /// Why it is not as wanted.
    pub async fn subscribe(&self, order: &Order<'_>, wanted: &Subscribe<'_>) -> Result<Option<String>, BillingError> {
        self.under_lease(order, self.subscribe_alone(order, wanted)).await
    }

    async fn subscribe_alone(&self, order: &Order<'_>, asked: &Subscribe<'_>) -> Result<Option<String>, BillingError> {
        if Wanted::new(&self.plans, (order.product, asked.plan), asked.cycle, asked.quantity, &[]).is_none() {
            return Err(BillingError::NotSold); // before a customer is made
        }
        let mut customer = self.customer(order.app).await?;
        let card = match asked.card {
            Some(card) => Some(self.take_card(order, &mut customer, card).await?),
            None => None,
        };
        let mut attempt = 0;
        for _ in 0..MAX_STEPS {
            let seen = self.see(order.app, order.product, &customer.id).await?;
            if let Some(card) = &card
                && let Some(subscription) = paid_otherwise(&seen.remote, &self.plans, order.product, card)
            {
                let seed = order.step("pay", subscription.own_card.as_deref().unwrap_or_default(), attempt);
                match self.stripe.pay_subscription_with(&subscription.id, card, &seed).await {
                    Err(error) if error.is_stored_failure() => attempt += 1,
                    paid => paid?,
                }
                continue;
            }
            let of = (order.product, asked.plan);
            let wanted = Wanted::new(&self.plans, of, asked.cycle, asked.quantity, &seen.remote);
            let wanted = wanted.ok_or(BillingError::NotSold)?;
            let step = subscribe(&self.plans, &wanted, &seen.remote, asked.paid_by_customer);
            if step == SubscribeStep::Done {
                self.record((order.app, order.product, &customer.id), seen, order.cta, None).await?;
                return Ok(None);
            }
            match self.take_step(order, asked, &customer, &seen, &wanted, (step, attempt)).await {
                Ok(Progress::Next) => {}
                Ok(Progress::Payment(secret)) => {
                    let seen = self.see(order.app, order.product, &customer.id).await?;
                    self.record((order.app, order.product, &customer.id), seen, order.cta, None).await?;
                    return Ok(secret);
                }
                // the stored failure would be the answer for ever: what is so now is read, and asked for anew
                Err(BillingError::Stripe(error)) if error.is_stored_failure() => attempt += 1,
                Err(error) => return Err(error),
            }
        }
        Err(BillingError::Unsettled)
    }

    /// Takes one step of a start or an update.
    async fn take_step(
        &self,
        order: &Order<'_>,
        asked: &Subscribe<'_>,
        customer: &KnownCustomer,
        seen: &Seen,
        wanted: &Wanted,
        (step, attempt): (SubscribeStep, u32),
    ) -> Result<Progress, BillingError> {
        let seed = |name: &str| order.step(name, &seen.version(), attempt);
        let leads_to_payment =
            matches!(step, SubscribeStep::Create | SubscribeStep::AwaitPayment { .. } | SubscribeStep::Discard { .. });
        let pays_alone = asked.paid_by_customer && leads_to_payment;
        let has_own_card = match &step {
            SubscribeStep::Resume { id } | SubscribeStep::Update { id, .. } => {
                seen.remote.iter().any(|it| it.id == *id && it.own_card.is_some())
            }
            _ => false,
        };
        if !customer.has_card && !has_own_card && !pays_alone {
            return Err(BillingError::NoCard);
        }
        match step {
            SubscribeStep::Done => {}
            SubscribeStep::AwaitPayment { id } => match self.stripe.first_payment(&id).await? {
                FirstPaymentState::Waits(secret) => return Ok(Progress::Payment(Some(secret))),
                FirstPaymentState::Lost => self.stripe.cancel_now(&id).await?,
                FirstPaymentState::Over => {}
            },
            SubscribeStep::Discard { id } => self.stripe.cancel_now(&id).await?,
            SubscribeStep::Resume { id } => self.stripe.resume_subscription(&id, &seed("resume")).await?,
            SubscribeStep::Create => {
                let first_payment = if asked.paid_by_customer { FirstPayment::ByCustomer } else { FirstPayment::Now };
                let new =
                    NewSubscription { app: order.app, customer: &customer.id, wanted, first_payment, cta: order.cta };
                let created = self.stripe.create_subscription(&new, &seed("create")).await?;
                if asked.paid_by_customer {
                    return Ok(Progress::Payment(created.client_secret));
                }
            }
            SubscribeStep::Update { id, item, proration, end_trial, lowers_quantity } => {
                let change = SubscriptionChange { id: &id, item: &item, wanted, proration, end_trial, cta: order.cta };
                self.stripe.change_subscription(&change, &seed("update")).await?;
                if lowers_quantity {
                    self.meter.count(QUANTITY_LOWERED);
                    tracing::warn!(application.id = %order.app, "an update lowers the quantity to {}", wanted.quantity);
                }
            }
        }
        Ok(Progress::Next)
    }
}
