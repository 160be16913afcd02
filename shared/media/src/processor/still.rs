//! Pictures: read whole or with a word, upright, opaque, within bounds (processors, section 4.4).

mod animated;
mod decode;
mod entropy;
mod jpeg;
mod memory;
mod png;
mod scale;
mod section;
mod signature;
mod tiff;

use std::io::{self, Read};
use std::path::Path;

use domain::result::Warning;
use image::metadata::Orientation;
use image::{DynamicImage, ImageFormat};

use self::decode::{DecodeOptions, check_file_fits, decode, exif_orientation, truncated, unsupported};
pub(crate) use self::scale::{scaled, scaled_for_detection};
use self::section::Section;
pub(crate) use self::signature::format_name;
use super::{MediaError, unreadable};

/// A picture that was read.
#[derive(Debug)]
pub(crate) struct DecodedImage {
    /// Upright and over white.
    pub(crate) picture: DynamicImage,
    /// The size of the file's picture, upright: larger than `picture` if that is only a preview.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// What was not seen.
    pub(crate) warnings: Vec<Warning>,
}

impl DecodedImage {
    fn of(picture: DynamicImage, warnings: Vec<Warning>) -> Self {
        Self { width: picture.width(), height: picture.height(), picture, warnings }
    }
}

/// What `image` takes the file for by its first bytes, if it decodes that here.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn guess_format(file: &Path) -> Result<Option<ImageFormat>, MediaError> {
    let bytes = Section::open(file).and_then(|it| it.first_bytes(64)).map_err(unreadable)?;
    Ok(format_of(&bytes))
}

fn format_of(bytes: &[u8]) -> Option<ImageFormat> {
    if matches!(bytes.first_chunk(), Some(b"II+\0" | b"MM\0+")) {
        return Some(ImageFormat::Tiff); // BigTIFF, which `image` decodes and does not guess
    }
    let format = image::guess_format(bytes).ok().filter(ImageFormat::reading_enabled)?;
    // two letters are also the beginning of a text: what follows them must be a header
    let header = match format {
        ImageFormat::Pnm => bytes.get(2).is_some_and(|it| it.is_ascii_whitespace() || *it == b'#'),
        ImageFormat::Bmp => matches!(bytes.get(14..18), Some([12 | 16 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0])),
        _ => true,
    };
    header.then_some(format)
}

/// Reads a picture, turned as its Exif data or its Orientation tag say; XMP's is not looked at, as in browsers. Of an
/// animated one it is the first frame, of pages the first.
///
/// `most` is the memory that the picture may need, in bytes, until it has been turned and copied.
///
/// # Errors
/// Skips with `too_large` what needs more, by its header, and with `unsupported_media` what is not decoded here; fails
/// with `media_unreadable` where the picture is cut off or damaged.
pub(crate) fn read(file: &Path, most: u64) -> Result<DecodedImage, MediaError> {
    let section = Section::open(file).map_err(unreadable)?;
    let bytes = section.first_bytes(64).map_err(unreadable)?;
    let Some(format) = format_of(&bytes) else {
        return Err(unsupported(format_name(&bytes).unwrap_or("this kind of file")));
    };
    match format {
        ImageFormat::Tiff => tiff::read(&section, most),
        ImageFormat::Jpeg => {
            let (picture, warnings) = decode_jpeg(&section, most, None)?;
            Ok(DecodedImage::of(picture, warnings))
        }
        ImageFormat::Png => {
            let outline = png::outline(&section).map_err(unreadable)?;
            let turned = outline.exif.as_deref().and_then(exif_orientation);
            let picture = decode(
                &section,
                DecodeOptions { format, name: "PNG", orientation: turned, extra_bytes_per_pixel: 0 },
                most,
            )?;
            let message = || "the PNG's end is missing; its picture is whole".to_owned();
            let mut warnings = if outline.has_end { Vec::new() } else { vec![Warning::new("truncated", message())] };
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
            let kind = DecodeOptions { format: other, name, orientation: None, extra_bytes_per_pixel: 0 };
            let picture = decode(&section, kind, most)?;
            let moves = animated::is_animated(&section, other).map_err(unreadable)?;
            Ok(DecodedImage::of(picture, moves.then(first_frame_warning).into_iter().collect()))
        }
    }
}

/// Whether a picture of this size, as another decoder takes the file for, is the file's own: a TIFF may begin with a
/// thumbnail, and raw data are not a picture yet.
pub(crate) fn is_own_size(file: &Path, width: u32, height: u32) -> bool {
    let Ok(section) = Section::open(file) else { return false };
    let tiff = section.first_bytes(64).is_ok_and(|bytes| format_of(&bytes) == Some(ImageFormat::Tiff));
    !tiff || tiff::main_pixels(&section).is_some_and(|pixels| u64::from(width) * u64::from(height) >= pixels)
}

fn first_frame_warning() -> Warning {
    Warning::new("first_frame", "the picture moves: its first frame was looked at".to_owned())
}

/// Decodes a JPEG up to its end, if its data are there. `lying` is how it lies where it says nothing itself.
fn decode_jpeg(
    section: &Section,
    most: u64,
    orientation: Option<Orientation>,
) -> Result<(DynamicImage, Vec<Warning>), MediaError> {
    let outline = jpeg::outline(section.buffered()).map_err(unreadable)?;
    let picture = section.subsection(0, outline.end.unwrap_or(section.length));
    let Some(frame) = outline.frame else { return Err(truncated("JPEG")) };
    if let Some(name) = frame.unsupported_name() {
        return Err(unsupported(name));
    }
    check_file_fits(ImageFormat::Jpeg, picture.length, most)?;
    let seen = {
        let mut bytes = Vec::new();
        picture.clone().read_to_end(&mut bytes).map_err(unreadable)?;
        entropy::coverage(&bytes)
    };
    let mut warnings = Vec::new();
    match (outline.end, seen) {
        (None, Some(it)) if it.is_complete() => {
            warnings
                .push(Warning::new("truncated", "the JPEG's end marker is missing; its picture is whole".to_owned()));
        }
        (None, it) => {
            let there = it.map_or_else(String::new, |it| format!(", {} % of its data are there", it.percent()));
            return Err(unreadable(format!("the JPEG is cut off{there}")));
        }
        (Some(_), Some(it)) if it.blocks < it.expected_blocks => {
            let message = format!("the JPEG is damaged: {} % of its data can be read", it.percent());
            warnings.push(Warning::new("truncated", message));
        }
        (Some(_), Some(it)) if !it.is_refined => {
            let message = "the JPEG's last details are missing: it is less sharp than it could be".to_owned();
            warnings.push(Warning::new("truncated", message));
        }
        (Some(_), _) => {}
    }
    if outline.end.is_some_and(|end| animated::is_motion_jpeg(section, end).unwrap_or(false)) {
        warnings.push(first_frame_warning());
    }
    let lying = if orientation.is_some() && has_exif(&picture).map_err(unreadable)? { None } else { orientation };
    let kind = DecodeOptions { format: ImageFormat::Jpeg, name: "JPEG", orientation: lying, extra_bytes_per_pixel: 0 };
    Ok((decode(&picture, kind, most)?, warnings))
}

/// Whether a JPEG has Exif data of its own, in one of its first segments.
fn has_exif(section: &Section) -> io::Result<bool> {
    let bytes = section.first_bytes(1 << 17)?;
    Ok(bytes.windows(6).any(|it| it == b"Exif\0\0"))
}

#[cfg(test)]
mod tests;
