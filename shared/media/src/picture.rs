//! One picture of a file, for renditions: the still itself, or a frame of a video.

use std::path::Path;

use domain::result::{BoundingBox as Area, ResultDocument};
use image::{DynamicImage, GenericImageView, Rgb, RgbImage};

use crate::ffmpeg::Ffmpeg;
use crate::processor::faces::POSTER_FRAME_DIVISOR;
use crate::processor::media_file::{self, MediaFile};
use crate::processor::video::RENDITION_SIDE;
use crate::processor::{MediaError, faces as detector};

/// A picture, and the faces in it if they are known.
pub struct PictureWithFaces {
    pub picture: DynamicImage,
    pub faces: Option<Vec<Area>>,
}

/// Opens a file. Of a video it is the frame with the clearest face, if its result is known; otherwise the one at a tenth
/// of its length, where the black beginning is over (processors, section 4.5).
pub async fn open(
    file: &Path,
    program: &Ffmpeg,
    document: Option<&ResultDocument>,
) -> Result<PictureWithFaces, MediaError> {
    let samples = || document.into_iter().flat_map(|document| &document.tracks).flat_map(|track| &track.samples);
    match media_file::open(file, program, RENDITION_SIDE).await? {
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

/// A picture without transparency: over white, as a page shows it. What lies under transparent pixels is nobody's to see.
pub fn flattened_over_white(picture: &DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.to_rgb8();
    }
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [red, green, blue, alpha] = picture.get_pixel(x, y).0;
        let cover = u16::from(alpha);
        // cannot exceed 255: a mean of two bytes
        let blend = |ink: u8| ((u16::from(ink) * cover + 255 * (255 - cover) + 127) / 255) as u8;
        Rgb([blend(red), blend(green), blend(blue)])
    })
}

/// Looks for faces; gives the picture back with them.
pub async fn find_faces(picture: DynamicImage) -> Result<(DynamicImage, Vec<Area>), MediaError> {
    detector::run_blocking(move || {
        let found = detector::find_faces(&picture)?;
        Ok((picture, found))
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
