//! One picture of a file, for renditions: the still itself, or one frame of a video.

use std::path::Path;

use domain::result::{BoundingBox, ResultDocument};
use image::{DynamicImage, RgbImage};

use crate::error::MediaError;
use crate::ffmpeg::Ffmpeg;
use crate::processor::blocking::run_blocking;
use crate::processor::faces::{self, POSTER_FRAME_DIVISOR};
use crate::processor::media_file::{self, MediaFile};
use crate::processor::still::flattened_rgb;
use crate::processor::video::RENDITION_SIDE;

/// A picture, and its faces as fractions of it. `None` if they are not known.
pub struct PictureWithFaces {
    pub picture: DynamicImage,
    pub faces: Option<Vec<BoundingBox>>,
}

/// Opens a file. Of a video it takes the frame with the highest score in `document`, or else the one at a tenth of its
/// duration, after a black beginning (processors, section 4.5).
///
/// # Errors
/// [`MediaError`]: the file is not a picture or a video that can be decoded here.
pub async fn open(
    file: &Path,
    ffmpeg: &Ffmpeg,
    document: Option<&ResultDocument>,
) -> Result<PictureWithFaces, MediaError> {
    let tracks = || document.into_iter().flat_map(|document| &document.tracks);
    let samples = || tracks().flat_map(|track| &track.samples).filter(|sample| !sample.bounding_box.is_empty());
    match media_file::open(file, ffmpeg, RENDITION_SIDE).await? {
        MediaFile::Still(still) => {
            let faces = document.map(|_| samples().map(|sample| sample.bounding_box).collect());
            Ok(PictureWithFaces { picture: still.picture, faces })
        }
        MediaFile::Video(video) => {
            let best = samples().max_by(|a, b| a.confidence.total_cmp(&b.confidence));
            let duration_ms = video.probe.duration_ms().unwrap_or_default();
            let at = best.map_or(duration_ms / POSTER_FRAME_DIVISOR, |sample| sample.t_ms);
            let picture = video.decode_picture(at, RENDITION_SIDE).await?;
            let faces = samples().filter(|sample| sample.t_ms == at).map(|sample| sample.bounding_box).collect();
            Ok(PictureWithFaces { picture, faces: document.map(|_| faces) })
        }
    }
}

/// The picture over white, as a page shows it. Colours under full transparency do not show.
pub fn flattened_over_white(picture: &DynamicImage) -> RgbImage {
    flattened_rgb(picture)
}

/// Finds the faces in a picture, as fractions of it, and returns both.
///
/// # Errors
/// The face model does not load, or the detector panics.
pub async fn find_faces(picture: DynamicImage) -> Result<(DynamicImage, Vec<BoundingBox>), MediaError> {
    run_blocking(move || {
        let faces = faces::find_faces(&picture)?;
        Ok((picture, faces))
    })
    .await?
}

#[cfg(test)]
mod tests {
    use image::{Rgba, RgbaImage};

    use super::*;

    #[test]
    fn what_is_transparent_shows_white() {
        let check = |pixel: [u8; 4], want: [u8; 3]| {
            let picture = DynamicImage::ImageRgba8(RgbaImage::from_pixel(2, 2, Rgba(pixel)));
            assert_eq!(flattened_over_white(&picture).get_pixel(1, 1).0, want, "{pixel:?}");
        };
        check([0, 0, 0, 0], [255, 255, 255]);
        check([200, 10, 0, 0], [255, 255, 255]);
        check([200, 10, 0, 255], [200, 10, 0]);
        check([0, 0, 0, 128], [127, 127, 127]);
    }
}
