//! Subscriptions: created, read, changed, cancelled.

use domain::AppId;
use domain::billing::decision::{Proration, Wanted};
use domain::billing::subscription::{RemoteSubscription, Status};
use serde_json::Value;

use crate::client::{RequestKey, Stripe, path_of};
use crate::error::StripeError;
use crate::form::Form;
use crate::models::{Page, Subscription};

/// Subscriptions that one page of a list has at most (Stripe API, pagination).
const PAGE_SIZE: usize = 100;
/// Pages of a customer's subscriptions that are read at most. Nobody has so many.
const MAX_PAGES: usize = 50;

/// How a new subscription is paid for at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstPayment {
    /// At once, or there is no subscription.
    Now,
    /// By its customer, with a secret that the answer holds: for cards that need authentication.
    ByCustomer,
    /// After a trial of so many days, which needs no card.
    AfterTrial(u32),
}

/// A subscription to create.
#[derive(Debug, Clone, Copy)]
pub struct NewSubscription<'a> {
    pub app: AppId,
    pub customer: &'a str,
    pub wanted: &'a Wanted,
    pub first_payment: FirstPayment,
    /// What led to it.
    pub cta: Option<&'a str>,
}

/// A subscription that was created.
#[derive(Debug)]
pub struct CreatedSubscription {
    pub id: String,
    /// With which its customer completes the first payment, if that is left to do.
    pub client_secret: Option<String>,
}

/// What has become of the first payment of a subscription that its customer is to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstPaymentState {
    /// It waits for its customer, who completes it with this secret.
    Waits(String),
    /// It waits, and nobody can complete it.
    Lost,
    /// It is made, or has expired.
    Over,
}

/// How a subscription is changed.
#[derive(Debug, Clone, Copy)]
pub struct SubscriptionChange<'a> {
    pub id: &'a str,
    /// Its item. Without it Stripe would add another one.
    pub item: &'a str,
    pub wanted: &'a Wanted,
    pub proration: Proration,
    /// Whether its trial ends now.
    pub end_trial: bool,
    /// What led to it.
    pub cta: Option<&'a str>,
}

impl Stripe {
    /// Creates a subscription. `seed` tells one request of ours from another one: with the same seed the same subscription is
    /// created once.
    pub async fn create_subscription(
        &self,
        new: &NewSubscription<'_>,
        seed: &str,
    ) -> Result<CreatedSubscription, StripeError> {
        let wanted = new.wanted;
        let form = Form::default()
            .with("customer", new.customer)
            .with("items[0][price]", &wanted.price)
            .with("items[0][quantity]", wanted.quantity)
            .with("metadata[tenant]", new.app)
            .with("metadata[product]", &wanted.product)
            .with("metadata[plan]", &wanted.plan)
            .with_optional("metadata[cta]", new.cta)
            .with("billing_mode[type]", "flexible");
        let form = match new.first_payment {
            FirstPayment::Now => form
                .with("payment_behavior", "error_if_incomplete")
                .with("off_session", true)
                .with("expand[]", "latest_invoice"),
            FirstPayment::ByCustomer => form
                .with("payment_behavior", "default_incomplete")
                .with("payment_settings[save_default_payment_method]", "on_subscription")
                .with("expand[]", "latest_invoice.confirmation_secret"),
            FirstPayment::AfterTrial(days) => form
                .with("trial_period_days", days)
                .with("trial_settings[end_behavior][missing_payment_method]", "pause"),
        };
        let created: Subscription = self.post("/v1/subscriptions", form, RequestKey::Derived(seed)).await?;
        Ok(CreatedSubscription { client_secret: created.client_secret(), id: created.id })
    }

    /// What has become of the first payment of a subscription.
    pub async fn first_payment(&self, id: &str) -> Result<FirstPaymentState, StripeError> {
        let query = Form::default().with("expand[]", "latest_invoice.confirmation_secret");
        let subscription: Subscription = self.get(&path_of("subscriptions", id), query).await?;
        let secret = subscription.client_secret();
        Ok(match (RemoteSubscription::from(subscription).status, secret) {
            (Status::Incomplete, Some(secret)) => FirstPaymentState::Waits(secret),
            (Status::Incomplete, None) => FirstPaymentState::Lost,
            _ => FirstPaymentState::Over,
        })
    }

    /// All subscriptions of a customer, whatever their state, newest first; none of a customer that does not exist.
    pub async fn subscriptions(&self, customer: &str) -> Result<Vec<RemoteSubscription>, StripeError> {
        let mut all: Vec<RemoteSubscription> = Vec::new();
        for _ in 0..MAX_PAGES {
            let query = Form::default().with("customer", customer).with("status", "all").with("limit", PAGE_SIZE);
            let query = query.with_optional("starting_after", all.last().map(|it| it.id.clone()));
            let page: Page<Subscription> = match self.get("/v1/subscriptions", query).await {
                Err(error) if error.is_missing() => return Ok(all),
                page => page?,
            };
            let is_empty = page.data.is_empty();
            all.extend(page.data.into_iter().map(RemoteSubscription::from));
            if is_empty || !page.has_more {
                break;
            }
        }
        Ok(all)
    }

    /// Changes price and quantity of a subscription, which goes on after its period. A change that has to be paid at once
    /// and cannot be is not made.
    pub async fn change_subscription(&self, change: &SubscriptionChange<'_>, seed: &str) -> Result<(), StripeError> {
        let form = Form::default()
            .with("items[0][id]", change.item)
            .with("items[0][price]", &change.wanted.price)
            .with("items[0][quantity]", change.wanted.quantity)
            .with("cancel_at_period_end", false)
            .with("proration_behavior", change.proration.name())
            .with("payment_behavior", "error_if_incomplete")
            .with("off_session", true)
            .with("metadata[plan]", &change.wanted.plan)
            .with_optional("metadata[cta]", change.cta);
        let form = if change.end_trial { form.with("trial_end", "now") } else { form };
        self.post::<Value>(&path_of("subscriptions", change.id), form, RequestKey::Derived(seed)).await.map(drop)
    }

    /// Makes a payment method the one that a subscription is paid with, instead of its own.
    pub async fn pay_subscription_with(&self, id: &str, method: &str, seed: &str) -> Result<(), StripeError> {
        let form = Form::default().with("default_payment_method", method);
        self.post::<Value>(&path_of("subscriptions", id), form, RequestKey::Derived(seed)).await.map(drop)
    }

    /// Ends a subscription when its period, or its trial, ends.
    pub async fn cancel_at_period_end(&self, id: &str, cta: Option<&str>, seed: &str) -> Result<(), StripeError> {
        let form = Form::default().with("cancel_at_period_end", true).with_optional("metadata[cta]", cta);
        self.post::<Value>(&path_of("subscriptions", id), form, RequestKey::Derived(seed)).await.map(drop)
    }

    /// Ends a subscription now, without an invoice and without a credit. One that has ended already stays so.
    pub async fn cancel_now(&self, id: &str) -> Result<(), StripeError> {
        let query = Form::default().with("prorate", false).with("invoice_now", false);
        match self.delete::<Value>(&path_of("subscriptions", id), query).await {
            Err(error) if error.is_missing() => Ok(()),
            ended => ended.map(drop),
        }
    }

    /// Resumes a subscription whose trial has ended without a card, if its first invoice can be paid now. A new period begins.
    ///
    /// # Errors
    /// `Card` if the invoice is not paid: the subscription stays paused then.
    pub async fn resume_subscription(&self, id: &str, seed: &str) -> Result<(), StripeError> {
        let path = format!("{}/resume", path_of("subscriptions", id));
        let form = Form::default().with("payment_behavior", "resume_on_payment_success");
        let resumed: Subscription = self.post(&path, form, RequestKey::Derived(seed)).await?;
        match RemoteSubscription::from(resumed).status {
            Status::Paused => Err(StripeError::Card {
                message: "Your card was declined.".to_owned(),
                code: "resumption_not_paid".to_owned(),
            }),
            _ => Ok(()),
        }
    }
}
