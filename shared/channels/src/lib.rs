//! Senders: the only crate that opens a socket to a customer, always through its guard.

pub mod amqp;
pub mod hub;
mod kept;
pub mod message;
pub mod secret;
pub mod sign;
pub mod socket;
pub mod webhook;

pub use message::{Message, Sent};
