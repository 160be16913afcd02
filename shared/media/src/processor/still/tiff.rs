//! TIFF, and camera RAW files that are TIFF: selects and decodes one of a file's pictures.

mod directory;

use domain::result::Warning;
use image::metadata::Orientation;
use image::{DynamicImage, ImageFormat, RgbImage};

use self::directory::{Directory, Header, directories};
use super::decode::{DecodeOptions, check_file_fits, decode, not_decoded, truncated};
use super::decoded::DecodedImage;
use super::entropy::{self, Coverage};
use super::jpeg;
use super::jpeg_picture::decode_jpeg;
use super::section::Section;
use crate::error::MediaError;

/// Previews that are tried, at most.
const MAX_PREVIEWS: usize = 8;

/// Decodes the file's picture: the first page, or the full-size picture where the first is a thumbnail. For raw data, and
/// for what the decoder does not take, it decodes the largest preview instead, with the warning `preview`.
pub(super) fn read(section: &Section, memory_limit: u64) -> Result<DecodedImage, MediaError> {
    let header = Header::read(section).map_err(MediaError::unreadable)?;
    let header = header.ok_or_else(|| MediaError::unreadable("the TIFF is damaged: it has no header"))?;
    let all = directories(section, header);
    let Some(first) = all.first() else { return Err(truncated("TIFF")) };
    let file = TiffFile { section, header, memory_limit, first };
    let main = main_image(&all, first);
    let name = if is_canon(section) || all.iter().any(Directory::is_raw) { "RAW file" } else { "TIFF" };
    let unsupported = match main.is_raw() {
        true => not_decoded("the raw data of this camera file"),
        false => match file.decode_directory(main) {
            Ok((picture, mut warnings)) => {
                let pages = all.iter().filter(|it| it.is_page && !it.is_reduced && !it.is_mask).count();
                if pages > 1 && main.is_page {
                    let message = format!("the TIFF has {pages} pages: the first was looked at");
                    warnings.push(Warning::new("first_page", message));
                }
                return Ok(DecodedImage::of(picture, warnings));
            }
            Err(error) if error.is_unsupported() => error,
            Err(other) => return Err(other),
        },
    };
    let mut previews: Vec<_> = all.iter().filter(|it| it.at != main.at || it.jpeg.is_some()).collect();
    previews.sort_by_key(|it| std::cmp::Reverse(it.pixels()));
    let mut best: Option<(DynamicImage, Vec<Warning>)> = None;
    for preview in previews.into_iter().filter(|it| !it.is_mask).take(MAX_PREVIEWS) {
        let area = |it: &DynamicImage| u64::from(it.width()) * u64::from(it.height());
        let embedded = preview.jpeg.map(|it| file.decode_embedded_jpeg(preview, it));
        let plain =
            || if preview.at == main.at || preview.is_raw() { None } else { Some(file.decode_directory(preview)) };
        let found = [embedded.and_then(Result::ok), plain().and_then(Result::ok)];
        for found in found.into_iter().flatten() {
            if best.as_ref().is_none_or(|it| area(&it.0) < area(&found.0)) {
                best = Some(found);
            }
        }
    }
    let Some((picture, mut warnings)) = best else { return Err(unsupported) };
    let message = format!(
        "the {name}'s picture of {} x {} pixels is not read here: its preview of {} x {} was looked at",
        main.width,
        main.height,
        picture.width(),
        picture.height()
    );
    warnings.push(Warning::new("preview", message));
    let mut full = [main.width, main.height].map(|it| u32::try_from(it).unwrap_or_default());
    if (full[0] > full[1]) != (picture.width() > picture.height()) {
        full.reverse(); // the preview is upright
    }
    Ok(DecodedImage { width: full[0].max(picture.width()), height: full[1].max(picture.height()), picture, warnings })
}

/// The pixels of the file's picture; `None` for raw data.
pub(super) fn main_pixels(section: &Section) -> Option<u64> {
    let header = Header::read(section).ok()??;
    let all = directories(section, header);
    let main = main_image(&all, all.first()?);
    (!all.iter().any(Directory::is_raw) && !is_canon(section)).then(|| main.pixels())
}

/// Whether it is a Canon CR2 file, whose raw data have no size.
fn is_canon(section: &Section) -> bool {
    section.first_bytes(10).is_ok_and(|bytes| bytes.ends_with(b"CR"))
}

/// The directory of the file's main picture.
fn main_image<'a>(all: &'a [Directory], first: &'a Directory) -> &'a Directory {
    let full = all.iter().filter(|it| !it.is_reduced && !it.is_mask).max_by_key(|it| it.pixels());
    match full {
        // the first of several pages, unless it is a thumbnail or a preview of raw data
        Some(full) if first.is_reduced || full.is_raw() || !full.is_page && full.pixels() > first.pixels() => full,
        _ => first,
    }
}

/// A file, with what all its pictures share.
struct TiffFile<'a> {
    section: &'a Section,
    header: Header,
    memory_limit: u64,
    first: &'a Directory,
}

impl TiffFile<'_> {
    /// Decodes the picture of a directory: patches the header so that `image` finds this directory first.
    fn decode_directory(&self, directory: &Directory) -> Result<(DynamicImage, Vec<Warning>), MediaError> {
        let longest = directory.strips.iter().map(|strip| strip.1.min(self.section.length)).max();
        check_file_fits(ImageFormat::Jpeg, longest.unwrap_or_default(), self.memory_limit)?; // the decoder reads a whole strip
        let (at, bytes) = self.header.pointing_to(directory.at);
        let mut section = self.section.clone().patched(at, bytes);
        // the decoder refuses two kinds whose samples it could decode: they are decoded as another kind, then converted
        let ycbcr = directory.compression == 7 && directory.photometric == 6;
        let palette = directory.photometric == 3 && directory.bits == 8 && directory.palette.len() == 768;
        if ycbcr || palette {
            section = section.patched(directory.photometric_at, self.header.bytes(if ycbcr { 2 } else { 1 }, 2));
        }
        let name = describe(directory);
        // a JPEG strip is decoded beside the picture; a palette's picture is made beside its indices
        let extra_bytes_per_pixel = if directory.compression == 7 { 11 } else { u64::from(palette) * 3 };
        let orientation = Some(self.orientation(directory));
        let decoded = decode(
            &section,
            DecodeOptions { format: ImageFormat::Tiff, name: &name, orientation, extra_bytes_per_pixel },
            self.memory_limit,
        );
        let picture = match decoded {
            Ok(picture) if ycbcr => rgb_from_ycbcr(picture),
            Ok(picture) if palette => rgb_from_palette(picture, &directory.palette),
            Ok(picture) => picture,
            Err(MediaError::Failed(_)) if directory.truncated_chunks > 0 => return Err(truncated("TIFF")),
            Err(other) => return Err(other),
        };
        let mut warnings = Vec::new();
        if directory.truncated_chunks > 0 {
            let message =
                format!("{} of the TIFF's {} strips end beyond the file", directory.truncated_chunks, directory.chunks);
            warnings.push(Warning::new("truncated", message));
        }
        let damaged = directory.strips.iter().filter(|strip| !self.is_strip_complete(directory, **strip)).count();
        if directory.truncated_chunks == 0 && damaged > 0 {
            let message = format!("{damaged} of the TIFF's {} strips are damaged or not whole", directory.chunks);
            warnings.push(Warning::new("truncated", message));
        }
        Ok((picture, warnings))
    }

    /// Whether a strip's JPEG data are complete. Its tables may be in the directory (TIFF Technical Note 2).
    fn is_strip_complete(&self, directory: &Directory, (at, length): (u64, u64)) -> bool {
        let Ok(strip) = self.section.subsection(at, length).first_bytes(length) else { return false };
        let tables = directory.jpeg_tables.strip_suffix(b"\xff\xd9").unwrap_or_default();
        let alone = if tables.is_empty() { &strip[..] } else { strip.get(2..).unwrap_or_default() };
        entropy::coverage(&[tables, alone].concat()).is_none_or(Coverage::is_complete)
    }

    /// Decodes a JPEG inside the file.
    fn decode_embedded_jpeg(
        &self,
        directory: &Directory,
        (at, length): (u64, u64),
    ) -> Result<(DynamicImage, Vec<Warning>), MediaError> {
        let section = self.section.subsection(at, length);
        let outline = jpeg::outline(section.buffered()).map_err(MediaError::unreadable)?;
        if outline.frame.is_none() {
            return Err(not_decoded("this preview")); // no complete JPEG: its tables are elsewhere
        }
        decode_jpeg(&section, self.memory_limit, Some(self.orientation(directory)))
    }

    /// The orientation of a directory. A preview without one has that of the file.
    fn orientation(&self, directory: &Directory) -> Orientation {
        let own = directory.orientation.or(self.first.orientation);
        own.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms)
    }
}

/// The kind of a picture, for errors.
fn describe(directory: &Directory) -> String {
    let compression = match directory.compression {
        1 => "",
        2 | 3 => ", CCITT Group 3",
        4 => ", CCITT Group 4",
        5 => ", LZW",
        6 => ", old-style JPEG",
        7 => ", JPEG",
        8 | 32_946 => ", Deflate",
        32_773 => ", PackBits",
        33_003 | 33_005 | 34_712 => ", JPEG 2000",
        34_925 => ", LZMA",
        34_887 => ", LERC",
        50_000 => ", Zstandard",
        50_001 => ", WebP",
        50_002 | 52_546 => ", JPEG XL",
        _ => ", unknown compression",
    };
    let colours = match directory.photometric {
        0 | 1 if directory.samples > 1 => "grey with alpha",
        0 | 1 => "grey",
        2 => "RGB",
        3 => "palette",
        4 => "mask",
        5 => "CMYK",
        6 => "YCbCr",
        8..=10 => "Lab",
        32_844 | 32_845 => "LogLuv",
        _ => "unknown colours",
    };
    format!("TIFF ({colours}, {}-bit{compression})", directory.bits)
}

/// Converts full-range YCbCr that was decoded as RGB (ITU-T T.871, section 7).
fn rgb_from_ycbcr(picture: DynamicImage) -> DynamicImage {
    let mut rgb = picture.into_rgb8();
    for pixel in rgb.pixels_mut() {
        let [y, cb, cr] = pixel.0.map(f32::from);
        let (cb, cr) = (cb - 128.0, cr - 128.0);
        // `as` saturates
        pixel.0 = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb].map(|it| it.round() as u8);
    }
    DynamicImage::ImageRgb8(rgb)
}

/// Converts palette indices that were decoded as grey.
fn rgb_from_palette(picture: DynamicImage, palette: &[u64]) -> DynamicImage {
    let grey = picture.into_luma8();
    // the colour is in the upper byte; some writers use the lower one
    let shift = if palette.iter().any(|it| *it > 255) { 8 } else { 0 };
    let colour = |index: u8, channel: usize| (palette[channel * 256 + usize::from(index)] >> shift) as u8;
    let of = |x, y| [0, 1, 2].map(|channel| colour(grey.get_pixel(x, y).0[0], channel));
    DynamicImage::ImageRgb8(RgbImage::from_fn(grey.width(), grey.height(), |x, y| image::Rgb(of(x, y))))
}

#[cfg(test)]
mod tests;
