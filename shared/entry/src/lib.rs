//! How a function starts and receives its events: settings, clock, randomness, metered AWS clients, logs, and the triggers
//! (HTTP, SQS, the table's stream, schedules, WebSockets).
//!
//! The only crate that reads the environment, the clock and randomness.

pub mod app_settings;
mod aws;
pub mod chain;
mod client_address;
pub mod clock;
pub mod dead_letter_queue;
pub mod external_queue;
pub mod http;
pub mod meter;
pub mod plan_limits;
pub mod queue;
pub mod queue_depths;
pub mod seal;
pub mod secrets;
pub mod settings;
pub mod sqs;
mod start;
mod telemetry;
mod triggers;
pub mod ttl_cache;
pub mod websocket;

pub use app_settings::AppSettings;
pub use chain::Chain;
pub use dead_letter_queue::{DeadLetterQueue, ReceivedLetter};
pub use meter::Meter;
pub use plan_limits::PlanLimits;
pub use queue::{DeliveryQueues, ProcessQueues, Queue};
pub use queue_depths::QueueDepths;
pub use seal::Seal;
pub use secrets::Secrets;
pub use sqs::{Message, MessageError};
pub use start::{Error, Start, start};
pub use ttl_cache::TtlCache;
#[doc(hidden)]
pub use utoipa_axum; // for `api_routes!`
