//! The local stack: reads the template and runs what it describes on one machine, with the real functions.
//!
//! It imports no product crate: all that it knows of the product stands in `template.yaml`.

mod account;
pub mod aws_json;
mod call_log;
mod clock;
mod cors;
pub mod demo;
mod digest;
pub mod dynamodb;
pub mod error;
pub mod event;
mod folder_lock;
pub mod function;
mod gateway_error;
pub mod http_event;
pub mod http_gateway;
pub mod iconik;
pub mod kms;
mod listener;
mod lock;
pub mod meter;
pub mod object_index;
mod private_file;
pub mod process;
pub mod processors;
pub mod program;
pub mod rabbitmq;
mod random;
pub mod runtime_api;
pub mod s3;
pub mod samconfig;
pub mod schedule;
pub mod sqs;
pub mod sqs_source;
pub mod stack;
pub mod stream_filter;
pub mod stream_source;
mod stripe;
pub mod template;
pub mod websocket_gateway;
pub mod yaml;

pub use account::{ACCOUNT, REGION};
pub use error::StackError;
pub use event::Event;
pub use private_file::write_private;
pub use program::{FUNCTION_ARGUMENT, Programs};
pub use stack::{Options, Stack};
