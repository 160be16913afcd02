//! A decoded still.

use domain::result::Warning;
use image::DynamicImage;

#[derive(Debug)]
pub(crate) struct DecodedImage {
    /// Upright and opaque.
    pub(crate) picture: DynamicImage,
    /// The size of the file's picture, upright, in pixels. It is larger than `picture` if that is only a preview.
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) warnings: Vec<Warning>,
}

impl DecodedImage {
    /// A picture in its own size.
    pub(super) fn of(picture: DynamicImage, warnings: Vec<Warning>) -> Self {
        Self { width: picture.width(), height: picture.height(), picture, warnings }
    }
}

pub(super) fn first_frame_warning() -> Warning {
    Warning::new("first_frame", "the picture moves: its first frame was looked at".to_owned())
}
