//! Inboxes, the same on every transport: cursors, what a notification looks like, catching up, marking, and frames.

pub mod cursor;
pub mod escalation;
pub mod expiry;
pub mod frame;
pub mod hub;
pub mod marking;
pub mod reading;
pub mod sending;
pub mod shown;

pub use cursor::{Cursor, WrongCursor};
pub use frame::Frame;
pub use shown::{CountsOut, NotificationOut, SeedOut};
