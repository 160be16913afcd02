//! Media: probing, decoding, face detection. This crate decides nothing about items.

mod error;
pub mod ffmpeg;
pub mod picture;
mod probe;
pub mod processor;
pub mod workspace;

pub use error::MediaError;
