//! What all requests have in common: the provider, the plans, and who asks for what.

use std::sync::Arc;

use domain::AppId;
use domain::billing::plans::Plans;
use entry::Meter;
use stripe::Stripe;
use table::Table;
use time::Duration;

/// The payment provider, the plans that are sold there, and the table.
#[derive(Clone)]
pub struct Billing {
    pub table: Table,
    pub plans: Arc<Plans>,
    pub(crate) stripe: Stripe,
    pub(crate) meter: Meter,
    /// How long a request has a subscription for itself: longer than a function runs.
    pub(crate) lease: Duration,
}

/// Who changes the subscription of which product, and how the request is known again.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    pub app: AppId,
    pub product: &'a str,
    /// What led to the request, for tracking.
    pub cta: Option<&'a str>,
    /// The same for a request and its repeats: a digest of the client's idempotency key, or of the request.
    pub seed: &'a str,
    /// Whether an earlier try of the request may have done something.
    pub is_retry: bool,
    /// When the first try began, in seconds since 1970.
    pub began: i64,
}

impl Billing {
    /// Billing with these plans; a request holds its lease for `lease`.
    pub fn new(table: Table, plans: Arc<Plans>, stripe: Stripe, meter: Meter, lease: Duration) -> Self {
        Self { table, plans, stripe, meter, lease }
    }
}

impl Order<'_> {
    /// The seed of a step's idempotency key (billing, section 3.8). `version` is that of what the step changes: what is done
    /// a second time on purpose, after it was undone, is another step. `attempt` counts the answers that the provider had
    /// stored as failures.
    pub(crate) fn step(&self, name: &str, version: &str, attempt: u32) -> String {
        format!("{}|{}|{}|{name}|{version}|{attempt}", self.app, self.product, self.seed)
    }
}
