//! Senders: the only crate that opens a socket to a customer, always through its guard.

pub mod secret;
pub mod sign;
pub mod socket;
pub mod webhook;

use domain::delivery::Outcome;
use domain::notification::Notification;

/// One attempt to reach a receiver. What happened is an outcome, not an error.
pub trait Sender {
    fn send(&self, notification: &Notification, sent_at: time::OffsetDateTime) -> impl Future<Output = Outcome>;
}
