//! What all functions that serve the published channel API share: the authenticated caller, request forms, and errors
//! in the published envelope.

pub mod caller;
pub mod error;
pub mod form;

pub use caller::Caller;
pub use error::{ApiError, Envelope, Verb};
pub use form::Form;
