//! Media: where it comes from and what looks at it. No decisions about items.

pub mod ffmpeg;
pub mod object_store;
pub mod picture;
mod probe;
pub mod processor;
pub mod workspace;
