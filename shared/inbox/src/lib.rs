//! Inboxes on every transport: cursors, reading and replaying streams, read state, wire shapes, frames, and sending to
//! open connections.

pub mod connection_sender;
pub mod cursor;
pub mod dto;
pub mod escalation;
pub mod expiry;
pub mod frame;
pub mod hub_protocol;
pub mod native_protocol;
pub mod path;
pub mod presence;
pub mod push;
pub mod read_state;
pub mod socket_pusher;
pub mod stream_reader;

pub use cursor::{Cursor, CursorError};
pub use dto::{CountsOut, LegacyNotification, NotificationOut};
pub use frame::Frame;
