//! Senders: the only crate that opens a socket to a customer, always through its guard.

pub mod amqp;
pub mod hub;
pub mod management;
pub mod message;
mod pool;
pub mod secret;
pub mod sign;
pub mod webhook;

pub use message::{AttemptOutcome, Message};
