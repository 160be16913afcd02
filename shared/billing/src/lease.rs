//! The lease of a subscription: of several requests for one, the second waits for the first. If the provider's answer to the
//! first one did not come, the lease is left to its repeat: what another one would do meanwhile could be done twice.

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
        let (own, began) = (clock::random_alphanumeric(20), clock::now());
        let holder = loop {
            if let Some(holder) = self.acquire(order, &own, clock::now()).await? {
                break holder;
            }
            if clock::now() - began > MAX_WAIT {
                return Err(BillingError::Busy);
            }
            clock::pause(PAUSE).await;
        };
        let outcome = change.await;
        let (is_uncertain, until) =
            (outcome.as_ref().is_err_and(BillingError::is_uncertain), clock::now() + self.lease);
        // without this it ends by itself
        let ended = match is_uncertain {
            true => self.table.hand_over_billing_lease(order.app, order.product, holder, order.seed, until).await,
            false => self.table.release_billing_lease(order.app, order.product, holder).await,
        };
        ended.unwrap_or_else(|error| tracing::warn!("a lease is left to expire: {}", Chain(&error)));
        outcome
    }

    /// Takes the lease, also one that an earlier try of the request has left to it; answers who holds it then. `None` if another
    /// request does.
    async fn acquire<'a>(
        &self,
        order: &Order<'a>,
        own: &'a str,
        now: OffsetDateTime,
    ) -> Result<Option<&'a str>, BillingError> {
        let until = now + self.lease;
        for holder in [Some(own), order.is_retry.then_some(order.seed)].into_iter().flatten() {
            if self.table.acquire_billing_lease(order.app, order.product, holder, now, until).await? {
                return Ok(Some(holder));
            }
        }
        Ok(None)
    }
}
