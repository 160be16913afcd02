//! Stripe, the payment provider: a client for the calls that billing makes, and the signature of its webhooks.
//!
//! Written by hand: the generated client's crate of shared types alone is a quarter of a million lines (billing, section
//! 5.1).

mod client;
mod customers;
mod error;
mod event;
mod form;
mod models;
mod signature;
mod subscriptions;

pub use client::{Stripe, VERSION};
pub use error::StripeError;
pub use event::Event;
pub use models::Customer;
pub use signature::{SignatureError, TOLERANCE_SECONDS, verify};
pub use subscriptions::{CreatedSubscription, FirstPayment, FirstPaymentState, NewSubscription, SubscriptionChange};
