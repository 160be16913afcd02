//! Keeps the rows as the payment provider has it, and publishes what has changed.

use domain::AppId;
use domain::billing::notification::changes;
use domain::billing::state::{Look, ProductState};
use domain::billing::subscription::RemoteSubscription;
use entry::clock;
use table::CommitOutcome;

use crate::error::BillingError;
use crate::order::Billing;

/// How often a row is written that others change at the same time.
const MAX_TRIES: usize = 5;

/// What is known and what is there: the row was read before the provider was asked, so that a row which is still the same
/// when it is replaced is not replaced by something older.
pub(crate) struct Seen {
    pub(crate) state: Option<ProductState>,
    pub(crate) remote: Vec<RemoteSubscription>,
}

impl Seen {
    /// Changes whenever the row does, and whenever the customer has another subscription, be it one that has ended.
    pub(crate) fn version(&self) -> String {
        format!("{}.{}", self.state.as_ref().map_or(0, |it| it.revision), self.remote.len())
    }
}

impl Billing {
    /// Reads what is known of a product, and then what a customer has.
    pub(crate) async fn see(&self, app: AppId, product: &str, customer: &str) -> Result<Seen, BillingError> {
        let state = self.table.product_state(app, product).await?;
        let remote = self.stripe.subscriptions(customer).await?;
        Ok(Seen { state, remote })
    }

    /// Stores what was seen of a product, and publishes what has changed. `cta` is what led to the change.
    pub(crate) async fn record(
        &self,
        (app, product, customer): (AppId, &str, &str),
        mut seen: Seen,
        cta: Option<&str>,
        ending_trial: Option<&str>,
    ) -> Result<(), BillingError> {
        for _ in 0..MAX_TRIES {
            let now = clock::now();
            let look = Look { app, product, plans: &self.plans, remote: &seen.remote, ending_trial, now };
            let after = ProductState::after(seen.state.as_ref(), look);
            let is_known = match &seen.state {
                Some(before) => before.says_the_same(&after),
                None => after.subscriptions.is_empty() && !after.had_trial,
            };
            if is_known {
                return Ok(());
            }
            let changes = changes(seen.state.as_ref(), &after, cta);
            if self.table.put_product_state(&after, &changes, now).await? == CommitOutcome::Committed {
                return Ok(());
            }
            seen = self.see(app, product, customer).await?;
        }
        Err(BillingError::Unsettled)
    }
}
