//! A JPEG decoded as far as its data are there.

use std::io::{self, Read};

use domain::result::Warning;
use image::metadata::Orientation;
use image::{DynamicImage, ImageFormat};

use super::decode::{DecodeOptions, check_file_fits, decode, not_decoded, truncated};
use super::decoded::first_frame_warning;
use super::section::Section;
use super::{animated, entropy, jpeg};
use crate::error::MediaError;

/// Decodes a JPEG up to its end marker. `orientation` applies if it has no Exif data of its own.
///
/// # Errors
/// As [`decode`]; `Failed` with `media_unreadable` if the end of its data is missing.
pub(super) fn decode_jpeg(
    section: &Section,
    memory_limit: u64,
    orientation: Option<Orientation>,
) -> Result<(DynamicImage, Vec<Warning>), MediaError> {
    let outline = jpeg::outline(section.buffered()).map_err(MediaError::unreadable)?;
    let picture = section.subsection(0, outline.end.unwrap_or(section.length));
    let Some(frame) = outline.frame else { return Err(truncated("JPEG")) };
    if let Some(name) = frame.unsupported_name() {
        return Err(not_decoded(name));
    }
    check_file_fits(ImageFormat::Jpeg, picture.length, memory_limit)?;
    let coverage = {
        let mut bytes = Vec::new();
        picture.clone().read_to_end(&mut bytes).map_err(MediaError::unreadable)?;
        entropy::coverage(&bytes)
    };
    let mut warnings = Vec::new();
    match (outline.end, coverage) {
        (None, Some(coverage)) if coverage.is_complete() => {
            let message = "the JPEG's end marker is missing; its picture is whole".to_owned();
            warnings.push(Warning::new("truncated", message));
        }
        (None, coverage) => {
            let there = coverage.map(|coverage| format!(", {} % of its data are there", coverage.percent()));
            let there = there.unwrap_or_default();
            return Err(MediaError::unreadable(format!("the JPEG is cut off{there}")));
        }
        (Some(_), Some(coverage)) if coverage.blocks < coverage.expected_blocks => {
            let message = format!("the JPEG is damaged: {} % of its data can be read", coverage.percent());
            warnings.push(Warning::new("truncated", message));
        }
        (Some(_), Some(coverage)) if !coverage.is_refined => {
            let message = "the JPEG's last details are missing: it is less sharp than it could be".to_owned();
            warnings.push(Warning::new("truncated", message));
        }
        (Some(_), _) => {}
    }
    if outline.end.is_some_and(|end| animated::is_motion_jpeg(section, end).unwrap_or(false)) {
        warnings.push(first_frame_warning());
    }
    let has_own = orientation.is_some() && has_exif(&picture).map_err(MediaError::unreadable)?;
    let orientation = orientation.filter(|_| !has_own);
    let options = DecodeOptions { format: ImageFormat::Jpeg, name: "JPEG", orientation, extra_bytes_per_pixel: 0 };
    Ok((decode(&picture, options, memory_limit)?, warnings))
}

/// Whether one of a JPEG's first segments contains Exif data.
fn has_exif(section: &Section) -> io::Result<bool> {
    let bytes = section.first_bytes(1 << 17)?;
    Ok(bytes.windows(6).any(|it| it == b"Exif\0\0"))
}
