//! A picture decoded by `image` within bounds (processors, section 4.4), and its errors in words.

use std::error::Error;
use std::io;

use domain::item::Problem;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::memory::{in_memory, needed, turned};
use super::scale::opaque;
use super::section::Section;
use crate::processor::{Trouble, unreadable};

/// Larger pictures are refused by their header, before a byte is decoded (section 4.4).
const MOST_SIDE: u32 = 20_000;
pub(super) const MOST_PIXELS: u64 = 100_000_000;

/// What a section is decoded as.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind<'a> {
    pub(super) format: ImageFormat,
    /// The format's name, for a reason.
    pub(super) name: &'a str,
    /// Instead of what its own Exif data say.
    pub(super) orientation: Option<Orientation>,
    /// Bytes of memory for each pixel beyond those of the format.
    pub(super) beside: u64,
}

/// Decodes a section, within `most` bytes of memory. The picture is upright and opaque.
///
/// # Errors
/// Skips with `too_large` what needs more memory, by its header; with `unsupported_media` what the decoder does not
/// take; fails with `media_unreadable` where data are missing or damaged.
pub(super) fn decode(section: &Section, kind: Kind<'_>, most: u64) -> Result<DynamicImage, Trouble> {
    let (length, Kind { format, name, .. }) = (section.length, kind);
    fits_file(format, length, most)?;
    let refused = |error: ImageError| refused(error, name);
    let mut reader = ImageReader::with_format(section.buffered(), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(most);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let ((width, height), colour) = (decoder.dimensions(), decoder.color_type());
    let pixels = u64::from(width) * u64::from(height);
    if width > MOST_SIDE || height > MOST_SIDE || pixels > MOST_PIXELS {
        return Err(too_large(format!("the picture has {width} x {height} pixels")));
    }
    let orientation = match kind.orientation {
        Some(it) => it,
        None => own_orientation(&mut decoder).map_err(refused)?,
    };
    let need = needed(format, colour, pixels, length, turned(orientation)) + pixels * kind.beside;
    if need > most {
        return Err(too_large(format!(
            "the picture has {width} x {height} pixels: to read it needs {} MB of memory, and {} MB are there for it",
            mb(need),
            most >> 20
        )));
    }
    limits.max_alloc = Some(most - pixels * u64::from(colour.bytes_per_pixel()));
    decoder.set_limits(limits).map_err(refused)?;
    let mut picture = opaque(DynamicImage::from_decoder(decoder).map_err(refused)?);
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Whether the file itself fits into the memory for its picture.
pub(super) fn fits_file(format: ImageFormat, length: u64, most: u64) -> Result<(), Trouble> {
    if in_memory(format, length) > most {
        return Err(too_large(format!("the file has {} MB, and {} MB are there for it", mb(length), most >> 20)));
    }
    Ok(())
}

fn own_orientation(decoder: &mut impl ImageDecoder) -> Result<Orientation, ImageError> {
    let own = decoder.orientation()?;
    if own != Orientation::NoTransforms {
        return Ok(own);
    }
    Ok(decoder.exif_metadata()?.and_then(|it| orientation(&it)).unwrap_or(own))
}

/// The orientation in Exif data. Some writers of PNG and WebP leave the name in front that JPEG wants.
pub(super) fn orientation(exif: &[u8]) -> Option<Orientation> {
    Orientation::from_exif_chunk(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif))
}

/// A decoder's error in words of ours: no type of Rust, no path, no library.
fn refused(error: ImageError, name: &str) -> Trouble {
    match error {
        ImageError::Limits(_) => too_large("the picture does not fit into the memory for it".to_owned()),
        ImageError::Unsupported(_) => unsupported(&format!("this kind of {name}")),
        error if ends_early(&error) => cut_off(name),
        _ => unreadable(format!("the {name} is damaged: it cannot be decoded")),
    }
}

/// Whether data were missing.
fn ends_early(error: &ImageError) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(it) = cause {
        if it.downcast_ref::<io::Error>().is_some_and(|it| it.kind() == io::ErrorKind::UnexpectedEof) {
            return true;
        }
        cause = it.source();
    }
    matches!(error, ImageError::IoError(it) if it.kind() == io::ErrorKind::UnexpectedEof)
}

pub(super) fn cut_off(name: &str) -> Trouble {
    unreadable(format!("the {name} is cut off: its end is missing"))
}

pub(super) fn unsupported(what: &str) -> Trouble {
    Trouble::Skip(Problem::new("unsupported_media", format!("{what} is not read here")))
}

fn too_large(message: String) -> Trouble {
    Trouble::Skip(Problem::new("too_large", message))
}

fn mb(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}
