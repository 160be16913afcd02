//! An emulator of Stripe, for the local stack and for tests. It imports no product crate.
#![doc = include_str!("../README.md")]
#![recursion_limit = "256"] // the objects that `json!` writes have many members

mod account;
mod api;
mod cards;
mod charges;
mod clock;
mod control;
mod customers;
mod emulator;
mod endpoint;
mod error;
mod events;
mod expand;
mod faults;
mod form;
mod idempotency;
mod invoices;
mod invoicing;
mod json;
mod list;
mod options;
mod payment;
mod payment_intents;
mod payment_methods;
mod period;
mod prices;
mod products;
mod random;
mod render;
mod request;
mod router;
mod schedule;
mod server;
mod start;
mod store;
mod subscriptions;
mod test_clocks;
mod tokens;
mod version;
mod webhook_endpoints;
mod webhooks;

pub use emulator::StripeEmulator;
pub use options::{Options, SeedPrice, WebhookTarget};
