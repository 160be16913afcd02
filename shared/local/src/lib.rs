//! The local stack: reads the template and runs what it describes on one machine, with the real functions.
//!
//! It imports no product crate: all that it knows of the product stands in `template.yaml`.

pub mod aws_json;
mod cors;
pub mod demo;
pub mod dynamodb;
pub mod error;
pub mod event;
pub mod function;
pub mod http_event;
pub mod http_gateway;
pub mod iconik;
pub mod kms;
pub mod meter;
pub mod object_index;
pub mod process;
pub mod program;
pub mod runtime_api;
pub mod s3;
pub mod samconfig;
pub mod schedule;
pub mod sqs;
pub mod sqs_source;
pub mod stack;
pub mod stream_filter;
pub mod stream_source;
pub mod template;
pub mod websocket_gateway;
pub mod yaml;

pub use error::StackError;
pub use event::Event;
pub use program::{FUNCTION_ARGUMENT, Programs};
pub use stack::{Options, Stack};

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The one account and region of the local stack, as emulators have them.
pub const ACCOUNT: &str = "000000000000";
pub const REGION: &str = "us-east-1";

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the emulators' clock")]
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| i64::try_from(it.as_millis()).unwrap_or(i64::MAX))
}

/// An emulator's own rhythm: polls, periods, restarts.
#[expect(clippy::disallowed_methods, reason = "emulated services have periods of their own")]
pub(crate) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
