//! Iconik, the asset manager: reads its webhooks, and is a client for its API (media systems, section 3).

pub mod asset;
pub mod client;
pub mod connections;
pub mod download;
pub mod files;
pub mod job;
pub mod metadata;
pub mod payload;
pub mod rate_limit;
pub mod search;
pub mod segments;
pub mod source;
pub mod transcripts;
pub mod webhooks;

pub use client::{Iconik, IconikError, open};
pub use connections::{Connections, block};
