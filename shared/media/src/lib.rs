//! Media: where it comes from and what looks at it. No decisions about items.

pub mod objects;
pub mod picture;
mod probe;
pub mod processor;
pub mod program;
pub mod workspace;
