//! Decodes a picture with `image` within limits (processors, section 4.4), and translates its errors.

use std::error::Error;
use std::io;

use domain::item::Problem;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::memory::{file_bytes_in_memory, is_quarter_turn, required_bytes};
use super::scale::flattened_over_white;
use super::section::Section;
use crate::error::MediaError;

/// Pixels of a side, at most. A larger picture is refused by its header, before a byte is decoded (section 4.4).
const MAX_SIDE: u32 = 20_000;
/// Pixels of a picture, at most.
pub(super) const MAX_PIXELS: u64 = 100_000_000;

/// How a section is decoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct DecodeOptions<'a> {
    pub(super) format: ImageFormat,
    /// The format's name, for errors.
    pub(super) name: &'a str,
    /// Overrides the picture's own Exif data.
    pub(super) orientation: Option<Orientation>,
    /// Bytes of memory for each pixel beyond those of the format.
    pub(super) extra_bytes_per_pixel: u64,
}

/// Decodes a section, within `memory_limit` bytes. The picture is upright and opaque.
///
/// # Errors
/// `Skipped` with `too_large` if its header needs more memory, with `unsupported_media` if the decoder does not take it.
/// `Failed` with `media_unreadable` if data are missing or damaged.
pub(super) fn decode(
    section: &Section,
    options: DecodeOptions<'_>,
    memory_limit: u64,
) -> Result<DynamicImage, MediaError> {
    let (length, DecodeOptions { format, name, .. }) = (section.length, options);
    check_file_fits(format, length, memory_limit)?;
    let failed = |error: ImageError| decode_error(error, name);
    let mut reader = ImageReader::with_format(section.buffered(), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(memory_limit);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let ((width, height), colour) = (decoder.dimensions(), decoder.color_type());
    let pixels = u64::from(width) * u64::from(height);
    if width > MAX_SIDE || height > MAX_SIDE || pixels > MAX_PIXELS {
        return Err(too_large(format!("the picture has {width} x {height} pixels")));
    }
    let orientation = match options.orientation {
        Some(orientation) => orientation,
        None => embedded_orientation(&mut decoder).map_err(failed)?,
    };
    let required = required_bytes(format, colour, pixels, length, is_quarter_turn(orientation))
        + pixels * options.extra_bytes_per_pixel;
    if required > memory_limit {
        return Err(too_large(format!(
            "the picture has {width} x {height} pixels: to read it needs {} MB of memory, and {} MB are there for it",
            mebibytes(required),
            memory_limit >> 20
        )));
    }
    limits.max_alloc = Some(memory_limit - pixels * u64::from(colour.bytes_per_pixel()));
    decoder.set_limits(limits).map_err(failed)?;
    let mut picture = flattened_over_white(DynamicImage::from_decoder(decoder).map_err(failed)?);
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// `Skipped` with `too_large` if the file itself does not fit into the memory for its picture.
pub(super) fn check_file_fits(format: ImageFormat, length: u64, memory_limit: u64) -> Result<(), MediaError> {
    if file_bytes_in_memory(format, length) > memory_limit {
        return Err(too_large(format!(
            "the file has {} MB, and {} MB are there for it",
            mebibytes(length),
            memory_limit >> 20
        )));
    }
    Ok(())
}

fn embedded_orientation(decoder: &mut impl ImageDecoder) -> Result<Orientation, ImageError> {
    let own = decoder.orientation()?;
    if own != Orientation::NoTransforms {
        return Ok(own);
    }
    Ok(decoder.exif_metadata()?.and_then(|it| exif_orientation(&it)).unwrap_or(own))
}

/// The orientation in Exif data. Some writers of PNG and WebP keep the prefix that JPEG needs.
pub(super) fn exif_orientation(exif: &[u8]) -> Option<Orientation> {
    Orientation::from_exif_chunk(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif))
}

/// A decoder's error in plain words, without Rust types, paths and library names.
fn decode_error(error: ImageError, name: &str) -> MediaError {
    match error {
        ImageError::Limits(_) => too_large("the picture does not fit into the memory for it".to_owned()),
        ImageError::Unsupported(_) => not_decoded(&format!("this kind of {name}")),
        error if ends_early(&error) => truncated(name),
        _ => MediaError::unreadable(format!("the {name} is damaged: it cannot be decoded")),
    }
}

/// Whether the data end too early.
fn ends_early(error: &ImageError) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if current.downcast_ref::<io::Error>().is_some_and(|it| it.kind() == io::ErrorKind::UnexpectedEof) {
            return true;
        }
        cause = current.source();
    }
    matches!(error, ImageError::IoError(it) if it.kind() == io::ErrorKind::UnexpectedEof)
}

pub(super) fn truncated(name: &str) -> MediaError {
    MediaError::unreadable(format!("the {name} is cut off: its end is missing"))
}

pub(super) fn not_decoded(what: &str) -> MediaError {
    MediaError::unsupported(format!("{what} is not read here"))
}

fn too_large(message: String) -> MediaError {
    MediaError::Skipped(Problem::new("too_large", message))
}

fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}
