//! Clients of the protocols by which customers are reached. Every connection to a customer is opened through `guard`.

pub mod amqp;
mod cloud_event;
pub mod hub;
mod image_data;
pub mod management;
pub mod message;
mod pool;
pub mod secret;
pub mod sign;
pub mod webhook;

pub use message::{AttemptOutcome, Message};
