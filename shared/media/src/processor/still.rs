//! Pictures: read upright, within bounds (processors, section 4.4).

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use domain::item::Problem;
use fast_image_resize::{IntoImageView, ResizeOptions, Resizer, images::Image};
use image::{DynamicImage, ImageDecoder, ImageReader};

use super::{Trouble, unreadable};

/// Pictures are scaled down to this before faces are looked for.
pub(crate) const LONG_SIDE: u32 = 1_920;
/// Larger pictures are refused by their header, before a byte is decoded.
const MOST_SIDE: u32 = 20_000;
const MOST_PIXELS: u64 = 100_000_000;
const MOST_MEMORY: u64 = 512 << 20;

/// Reads a picture, turned as its Exif data say. An animated one is its first frame.
pub(crate) fn read(file: &Path) -> Result<DynamicImage, Trouble> {
    let open = || ImageReader::open(file).and_then(ImageReader::with_guessed_format).map_err(unreadable);
    let (width, height) = open()?.into_dimensions().map_err(unreadable)?;
    if width > MOST_SIDE || height > MOST_SIDE || u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(Trouble::Skip(Problem::new("too_large", format!("the picture has {width} x {height} pixels"))));
    }
    if cut_off(file).map_err(unreadable)? {
        return Err(unreadable("the picture is cut off: its end is missing"));
    }
    let mut reader = open()?;
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(unreadable)?;
    let orientation = decoder.orientation().map_err(unreadable)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Whether a JPEG lacks its end marker: a decoder would make up the rest in grey, and a face in it would be missed.
fn cut_off(file: &Path) -> std::io::Result<bool> {
    let mut file = std::fs::File::open(file)?;
    let mut start = [0; 2];
    file.read_exact(&mut start)?;
    if start != [0xff, 0xd8] {
        return Ok(false); // other formats notice by themselves
    }
    // some cameras write a few bytes behind the end
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(65_536)))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    Ok(!end.windows(2).any(|it| it == [0xff, 0xd9]))
}

/// The picture, no longer than `side` on its long side. Never enlarged.
pub(crate) fn scaled(picture: &DynamicImage, side: u32) -> DynamicImage {
    let long = picture.width().max(picture.height());
    if long <= side {
        return picture.clone();
    }
    let fit = |it: u32| u32::try_from(u64::from(it) * u64::from(side) / u64::from(long)).unwrap_or(1).max(1);
    let source = DynamicImage::ImageRgb8(picture.to_rgb8());
    let (width, height) = (fit(picture.width()), fit(picture.height()));
    let Some(kind) = source.pixel_type() else { return picture.clone() };
    let mut target = Image::new(width, height, kind);
    let done = Resizer::new().resize(&source, &mut target, &ResizeOptions::default());
    let pixels = done.ok().and_then(|()| image::RgbImage::from_raw(width, height, target.into_vec()));
    pixels.map_or_else(|| picture.clone(), DynamicImage::ImageRgb8)
}
