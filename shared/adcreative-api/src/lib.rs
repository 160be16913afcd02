//! How the published channel API speaks, for all functions that serve it: callers, forms, and errors in their envelope.

pub mod caller;
pub mod envelope;
pub mod form;

pub use caller::Caller;
pub use envelope::{ApiError, Envelope, Verb};
pub use form::Form;
