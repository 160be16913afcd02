//! The windows that the classifiers look at.

/// Side of the classifiers' window in pixels, and so of the smallest detectable face.
pub const WINDOW: u32 = 40;
/// Stride of the sliding window, in pixels of the scaled image.
pub(crate) const STEP: usize = 4;

/// A square window in the image; it may lie partly outside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Face {
    pub x: i32,
    pub y: i32,
    pub side: u32,
    /// The detector's score: the sum over the merged windows, not a probability.
    pub score: f64,
}
