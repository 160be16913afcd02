//! The contract with external processors, both ways: signed orders to a customer's endpoint and what it answers, and the
//! messages that it sends to the callback (processors, section 5). `docs-api` serves its description.

mod answer;
mod client;
mod endpoint;
mod message;
mod order;
mod signature;

pub use client::{ChallengeError, ExternalProcessor, Polled};
pub use endpoint::{Endpoint, EndpointError, endpoint, key_field, open_keys};
pub use message::{InvalidMessage, MAX_INLINE_RESULT, Message, read_message};
pub use signature::Signature;
