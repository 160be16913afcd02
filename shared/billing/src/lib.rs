//! Billing at work: brings an application's subscriptions at the payment provider to what a request wants, and its rows to
//! what the provider has.
//!
//! Each step compares what is wanted with what is there now, and has an idempotency key of its own. So a request can be
//! repeated after it was killed anywhere, and nobody is charged twice.

mod cancel;
mod customer;
mod error;
mod lease;
mod order;
mod record;
mod subscribe;
mod synchronize;
mod trial;

pub use cancel::Cancellation;
pub use customer::Card;
pub use error::BillingError;
pub use order::{Billing, Order};
pub use subscribe::Subscribe;
pub use synchronize::SyncOutcome;
pub use trial::Trial;
