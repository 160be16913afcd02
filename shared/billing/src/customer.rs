//! An application's customer at the payment provider, and its card.

use domain::AppId;
use domain::id::sha256_hex;
use entry::clock;
use stripe::{Customer, StripeError};
use table::{BillingCustomer, CommitOutcome};
use time::Duration;

use crate::error::BillingError;
use crate::order::{Billing, Order};

/// How long it takes until a customer's subscriptions are looked at without a reason.
pub(crate) const LOOK_INTERVAL: Duration = Duration::hours(24);
/// How often a row is written that others change at the same time.
const MAX_TRIES: usize = 5;
/// How often a step is asked for anew whose failure the provider has stored.
const MAX_ATTEMPTS: u32 = 4;

/// A card that comes with a request.
#[derive(Debug, Clone, Copy)]
pub enum Card<'a> {
    /// A token, which is good once.
    Token(&'a str),
    PaymentMethod(&'a str),
}

/// An application's customer, and its card.
pub(crate) struct KnownCustomer {
    pub(crate) id: String,
    pub(crate) has_card: bool,
    default_method: Option<String>,
    row: BillingCustomer,
}

impl KnownCustomer {
    fn new(customer: &Customer, row: BillingCustomer) -> Self {
        let default_method = customer.default_payment_method().map(str::to_owned);
        Self { id: customer.id.clone(), has_card: customer.has_card(), default_method, row }
    }
}

impl Billing {
    /// The customer of an application, which is created if there is none.
    pub(crate) async fn customer(&self, app: AppId) -> Result<KnownCustomer, BillingError> {
        let mut attempt = 0;
        for _ in 0..MAX_TRIES {
            let stored = self.table.billing_customer(app).await?;
            let mut former = stored.as_ref().and_then(|it| it.former.clone());
            if let Some(row) = stored.clone()
                && let Some(id) = row.customer.clone()
            {
                match self.stripe.customer(&id).await? {
                    Some(Customer { deleted: true, .. }) | None => former = Some(id),
                    Some(customer) => return Ok(KnownCustomer::new(&customer, row)),
                }
            }
            let created = match self.stripe.create_customer(app, former.as_deref(), attempt).await {
                // if it made a customer all the same, that one has nothing
                Err(error) if error.is_stored_failure() => {
                    attempt += 1;
                    continue;
                }
                created => created?,
            };
            let row = BillingCustomer {
                app,
                customer: Some(created.id.clone()),
                former,
                token: None,
                next_look_at: domain::millis(clock::now() + LOOK_INTERVAL),
                revision: stored.map_or(0, |it| it.revision) + 1,
            };
            if self.table.put_billing_customer(&row).await? == CommitOutcome::Committed {
                return Ok(KnownCustomer::new(&created, row));
            }
        }
        Err(BillingError::Unsettled)
    }

    /// Makes a card the one that the customer's subscriptions are paid with; answers the payment method.
    pub(crate) async fn take_card(
        &self,
        order: &Order<'_>,
        customer: &mut KnownCustomer,
        card: Card<'_>,
    ) -> Result<String, BillingError> {
        let method = match card {
            Card::PaymentMethod(method) => method.to_owned(),
            Card::Token(token) => self.redeem(order.app, customer, token).await?,
        };
        if customer.default_method.as_deref() == Some(&*method) {
            return Ok(method);
        }
        // one that is attached already, or is not to be: then it cannot be the default one either
        let (method, refused) = match self.attach(order, &customer.id, &method).await {
            Ok(attached) => (attached, None),
            Err(refused @ StripeError::Refused { .. }) => (method, Some(refused)),
            Err(error) => return Err(error.into()),
        };
        let with_card = match (self.set_default(order, customer, &method).await, refused) {
            (Err(_), Some(refused)) => return Err(refused.into()),
            (set, _) => set?,
        };
        customer.has_card = with_card.has_card();
        Ok(method)
    }

    async fn attach(&self, order: &Order<'_>, customer: &str, method: &str) -> Result<String, StripeError> {
        let mut attempt = 0;
        loop {
            let seed = order.step("attach", customer, attempt);
            match self.stripe.attach_payment_method(method, customer, &seed).await {
                Err(error) if error.is_stored_failure() && attempt < MAX_ATTEMPTS => attempt += 1,
                attached => return attached,
            }
        }
    }

    async fn set_default(
        &self,
        order: &Order<'_>,
        customer: &KnownCustomer,
        method: &str,
    ) -> Result<Customer, StripeError> {
        let (mut attempt, before) = (0, customer.default_method.as_deref().unwrap_or_default());
        loop {
            let seed = order.step("card", before, attempt);
            match self.stripe.set_default_payment_method(&customer.id, method, &seed).await {
                Err(error) if error.is_stored_failure() && attempt < MAX_ATTEMPTS => attempt += 1,
                set => return set,
            }
        }
    }

    async fn payment_method(&self, app: AppId, token: &str) -> Result<String, StripeError> {
        let mut attempt = 0;
        loop {
            match self.stripe.create_payment_method(app, token, attempt).await {
                Err(error) if error.is_stored_failure() && attempt < MAX_ATTEMPTS => attempt += 1,
                created => return created,
            }
        }
    }

    /// The payment method of a token. What it has become is stored before it is used: a token is good once.
    async fn redeem(&self, app: AppId, customer: &mut KnownCustomer, token: &str) -> Result<String, BillingError> {
        let hash = sha256_hex(token.as_bytes());
        if let Some((known, method)) = &customer.row.token
            && *known == hash
        {
            return Ok(method.clone());
        }
        let method = self.payment_method(app, token).await?;
        for _ in 0..MAX_TRIES {
            customer.row.token = Some((hash.clone(), method.clone()));
            customer.row.revision += 1;
            if self.table.put_billing_customer(&customer.row).await? == CommitOutcome::Committed {
                return Ok(method);
            }
            // a request for another product was faster
            let stored = self.table.billing_customer(app).await?.filter(|it| it.customer == customer.row.customer);
            customer.row = stored.ok_or(BillingError::Unsettled)?;
        }
        Err(BillingError::Unsettled)
    }
}
