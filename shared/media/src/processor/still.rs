//! Stills: decoded whole or with a warning, upright, opaque, within limits (processors, section 4.4).

mod animated;
mod decode;
mod decoded;
mod entropy;
mod jpeg;
mod jpeg_picture;
mod memory;
mod png;
mod scale;
mod section;
mod signature;
mod tiff;

use std::path::Path;

use domain::result::Warning;
use image::ImageFormat;

use self::decode::{DecodeOptions, decode, exif_orientation, not_decoded};
use self::decoded::{DecodedImage, first_frame_warning};
use self::jpeg_picture::decode_jpeg;
pub(crate) use self::scale::{flattened_rgb, scaled, scaled_for_detection};
use self::section::Section;
pub(crate) use self::signature::format_name;
use crate::error::MediaError;

/// The format of a file by its first bytes, if `image` decodes it here.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn guess_format(file: &Path) -> Result<Option<ImageFormat>, MediaError> {
    let bytes = Section::open(file).and_then(|section| section.first_bytes(64)).map_err(MediaError::unreadable)?;
    Ok(format_of(&bytes))
}

fn format_of(bytes: &[u8]) -> Option<ImageFormat> {
    if matches!(bytes.first_chunk(), Some(b"II+\0" | b"MM\0+")) {
        return Some(ImageFormat::Tiff); // BigTIFF: `image` decodes it and does not guess it
    }
    let format = image::guess_format(bytes).ok().filter(ImageFormat::reading_enabled)?;
    // a magic of two letters may also begin a text: a valid header must follow
    let has_header = match format {
        ImageFormat::Pnm => bytes.get(2).is_some_and(|it| it.is_ascii_whitespace() || *it == b'#'),
        ImageFormat::Bmp => matches!(bytes.get(14..18), Some([12 | 16 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0])),
        _ => true,
    };
    has_header.then_some(format)
}

/// Decodes a still, rotated by its Exif data or its Orientation tag; like browsers, it ignores XMP. Of an animated picture it
/// takes the first frame, of several pages the first.
///
/// `memory_limit`, in bytes, is for the picture until it has been rotated and copied.
///
/// # Errors
/// `Skipped` with `too_large` if its header needs more memory, with `unsupported_media` if it is not decoded here. `Failed`
/// with `media_unreadable` if it is truncated or damaged.
pub(crate) fn read(file: &Path, memory_limit: u64) -> Result<DecodedImage, MediaError> {
    let section = Section::open(file).map_err(MediaError::unreadable)?;
    let bytes = section.first_bytes(64).map_err(MediaError::unreadable)?;
    let Some(format) = format_of(&bytes) else {
        return Err(not_decoded(format_name(&bytes).unwrap_or("this kind of file")));
    };
    match format {
        ImageFormat::Tiff => tiff::read(&section, memory_limit),
        ImageFormat::Jpeg => {
            let (picture, warnings) = decode_jpeg(&section, memory_limit, None)?;
            Ok(DecodedImage::of(picture, warnings))
        }
        ImageFormat::Png => {
            let outline = png::outline(&section).map_err(MediaError::unreadable)?;
            let orientation = outline.exif.as_deref().and_then(exif_orientation);
            let options = DecodeOptions { format, name: "PNG", orientation, extra_bytes_per_pixel: 0 };
            let picture = decode(&section, options, memory_limit)?;
            let mut warnings = Vec::new();
            if !outline.has_end {
                let message = "the PNG's end is missing; its picture is whole".to_owned();
                warnings.push(Warning::new("truncated", message));
            }
            warnings.extend(outline.is_animated.then(first_frame_warning));
            Ok(DecodedImage::of(picture, warnings))
        }
        other => {
            let name = match other {
                ImageFormat::Gif => "GIF",
                ImageFormat::WebP => "WebP",
                ImageFormat::Bmp => "BMP",
                ImageFormat::Pnm => "PNM",
                _ => "picture",
            };
            let options = DecodeOptions { format: other, name, orientation: None, extra_bytes_per_pixel: 0 };
            let picture = decode(&section, options, memory_limit)?;
            let is_animated = animated::is_animated(&section, other).map_err(MediaError::unreadable)?;
            Ok(DecodedImage::of(picture, is_animated.then(first_frame_warning).into_iter().collect()))
        }
    }
}

/// Whether a picture of this size, which another decoder has found, is the file's main one. A TIFF may begin with a
/// thumbnail, and raw data are not a picture yet.
pub(crate) fn is_own_size(file: &Path, width: u32, height: u32) -> bool {
    let Ok(section) = Section::open(file) else { return false };
    let is_tiff = section.first_bytes(64).is_ok_and(|bytes| format_of(&bytes) == Some(ImageFormat::Tiff));
    !is_tiff || tiff::main_pixels(&section).is_some_and(|pixels| u64::from(width) * u64::from(height) >= pixels)
}

#[cfg(test)]
mod tests;
