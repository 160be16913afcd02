//! The lease of a subscription: of several requests for one, the second waits for the first.

use std::time::Duration;

use entry::{Chain, clock};
use time::OffsetDateTime;

use crate::error::BillingError;
use crate::order::{Billing, Order};

/// How long a request waits for another one, at most.
const MAX_WAIT: time::Duration = time::Duration::seconds(10);
/// The pause before the lease is tried again.
const PAUSE: Duration = Duration::from_millis(150);

impl Billing {
    /// Runs a change while no other request changes the same subscription.
    ///
    /// # Errors
    /// `Busy` if another one does so all the time.
    pub(crate) async fn under_lease<T>(
        &self,
        order: &Order<'_>,
        change: impl Future<Output = Result<T, BillingError>>,
    ) -> Result<T, BillingError> {
        let (holder, began) = (clock::random_alphanumeric(20), clock::now());
        while !self.acquire(order, &holder, clock::now()).await? {
            if clock::now() - began > MAX_WAIT {
                return Err(BillingError::Busy);
            }
            clock::pause(PAUSE).await;
        }
        let outcome = change.await;
        // without this it ends by itself
        let released = self.table.release_billing_lease(order.app, order.product, &holder).await;
        released.unwrap_or_else(|error| tracing::warn!("a lease is left to expire: {}", Chain(&error)));
        outcome
    }

    async fn acquire(&self, order: &Order<'_>, holder: &str, now: OffsetDateTime) -> Result<bool, BillingError> {
        let until = now + self.lease;
        Ok(self.table.acquire_billing_lease(order.app, order.product, holder, now, until).await?)
    }
}
