//! Brings an application's rows to what the payment provider has: after an event, and each day.

use domain::AppId;
use entry::clock;
use stripe::Customer;
use table::{BillingCustomer, CommitOutcome};

use crate::customer::LOOK_INTERVAL;
use crate::error::BillingError;
use crate::order::Billing;
use crate::record::Seen;

/// What a look at the provider came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncOutcome {
    /// The rows say what the provider has.
    Done,
    /// There is no customer.
    NoCustomer,
    /// A subscription has a price that no plan has: what it gives is unknown.
    UnknownPrice { subscription: String, price: String },
}

impl Billing {
    /// Brings the rows of an application to what the provider has. `ending_trial` is the subscription of which the provider
    /// has announced the end of its trial.
    ///
    /// # Errors
    /// If the provider or the table fails.
    pub async fn synchronize(&self, app: AppId, ending_trial: Option<&str>) -> Result<SyncOutcome, BillingError> {
        let stored = self.table.billing_customer(app).await?;
        let Some((row, customer)) = stored.and_then(|row| row.customer.clone().map(|id| (row, id))) else {
            return Ok(SyncOutcome::NoCustomer);
        };
        let mut states = self.table.product_states(app).await?;
        let remote = self.stripe.subscriptions(&customer).await?;
        for product in self.plans.products() {
            let state = states.iter().position(|it| it.product == product).map(|at| states.swap_remove(at));
            let seen = Seen { state, remote: remote.clone() };
            self.record((app, product, &customer), seen, None, ending_trial).await?;
        }
        if !remote.iter().any(|it| it.status.is_live()) && self.is_deleted(&customer).await? {
            return self.forget_customer(row, customer).await.map(|()| SyncOutcome::Done);
        }
        self.table.delay_billing_look(app, clock::now() + LOOK_INTERVAL).await?;
        let mut live = remote.iter().filter(|it| it.status.is_live());
        let unknown = live.find_map(|it| Some((it, it.unknown_item(&self.plans)?)));
        Ok(unknown.map_or(SyncOutcome::Done, |(subscription, item)| SyncOutcome::UnknownPrice {
            subscription: subscription.id.clone(),
            price: item.price.clone(),
        }))
    }

    async fn is_deleted(&self, customer: &str) -> Result<bool, BillingError> {
        Ok(matches!(self.stripe.customer(customer).await?, None | Some(Customer { deleted: true, .. })))
    }

    /// Stores that a customer was deleted. If the row has changed meanwhile there is another one already.
    async fn forget_customer(&self, row: BillingCustomer, customer: String) -> Result<(), BillingError> {
        let revision = row.revision + 1;
        let row = BillingCustomer { customer: None, former: Some(customer), token: None, revision, ..row };
        if self.table.put_billing_customer(&row).await? == CommitOutcome::Conflict {
            tracing::info!(application.id = %row.app, "the application has another customer already");
        }
        Ok(())
    }
}
