//! Inboxes, the same on every transport: cursors, what a notification looks like, catching up, marking, and frames.

pub mod connection_sender;
pub mod cursor;
pub mod dto;
pub mod escalation;
pub mod expiry;
pub mod frame;
pub mod hub_protocol;
pub mod read_state;
pub mod stream_reader;

pub use cursor::{Cursor, CursorError};
pub use dto::{CountsOut, NotificationOut, SeedOut};
pub use frame::Frame;
