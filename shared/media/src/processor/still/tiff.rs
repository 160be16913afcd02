//! TIFF, and the RAW files of cameras that are TIFF: which of a file's pictures is looked at.

mod directory;

use domain::result::Warning;
use image::metadata::Orientation;
use image::{DynamicImage, ImageFormat, RgbImage};

use self::directory::{Directory, Header, directories};
use super::decode::{DecodeOptions, check_file_fits, decode, truncated, unsupported};
use super::entropy::{self, Coverage};
use super::section::Section;
use super::{DecodedImage, decode_jpeg, jpeg};
use crate::processor::{MediaError, unreadable};

/// So many previews are tried.
const MAX_PREVIEWS: usize = 8;

/// The file's picture: the first page, or the full size where the first is a thumbnail. Of raw data, and of what the
/// decoder does not take, it is the largest preview that can be decoded, with a warning that says so.
pub(super) fn read(section: &Section, most: u64) -> Result<DecodedImage, MediaError> {
    let header = Header::read(section).map_err(unreadable)?;
    let header = header.ok_or_else(|| unreadable("the TIFF is damaged: it has no header"))?;
    let all = directories(section, header);
    let Some(first) = all.first() else { return Err(truncated("TIFF")) };
    let file = TiffFile { section, header, memory_limit: most, first };
    let main = main_image(&all, first);
    let name = if is_canon(section) || all.iter().any(Directory::is_raw) { "RAW file" } else { "TIFF" };
    let refused = match main.is_raw() {
        true => unsupported("the raw data of this camera file"),
        false => match file.decode_directory(main) {
            Ok((picture, mut warnings)) => {
                let pages = all.iter().filter(|it| it.is_page && !it.is_reduced && !it.is_mask).count();
                if pages > 1 && main.is_page {
                    warnings.push(Warning::new(
                        "first_page",
                        format!("the TIFF has {pages} pages: the first was looked at"),
                    ));
                }
                return Ok(DecodedImage::of(picture, warnings));
            }
            Err(MediaError::Skipped(why)) if why.code == "unsupported_media" => MediaError::Skipped(why),
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
    let Some((picture, mut warnings)) = best else { return Err(refused) };
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
        full.reverse(); // the preview stands upright
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

/// CR2, whose raw data have no size.
fn is_canon(section: &Section) -> bool {
    section.first_bytes(10).is_ok_and(|bytes| bytes.ends_with(b"CR"))
}

/// The directory of the file's picture.
fn main_image<'a>(all: &'a [Directory], first: &'a Directory) -> &'a Directory {
    let full = all.iter().filter(|it| !it.is_reduced && !it.is_mask).max_by_key(|it| it.pixels());
    match full {
        // the first page of several is the picture, unless it is no page: a thumbnail, or a preview of raw data
        Some(full) if first.is_reduced || full.is_raw() || !full.is_page && full.pixels() > first.pixels() => full,
        _ => first,
    }
}

/// A file with what all its pictures share.
struct TiffFile<'a> {
    section: &'a Section,
    header: Header,
    memory_limit: u64,
    first: &'a Directory,
}

impl TiffFile<'_> {
    /// The picture of a directory, as `image` decodes it when its header names it the first.
    fn decode_directory(&self, it: &Directory) -> Result<(DynamicImage, Vec<Warning>), MediaError> {
        let longest = it.strips.iter().map(|strip| strip.1.min(self.section.length)).max();
        check_file_fits(ImageFormat::Jpeg, longest.unwrap_or_default(), self.memory_limit)?; // the decoder takes a strip whole
        let (at, bytes) = self.header.pointing_to(it.at);
        let mut section = self.section.clone().patched(at, bytes);
        // the decoder refuses what it has the samples of: they are read as another kind, and converted
        let ycc = it.compression == 7 && it.photometric == 6;
        let palette = it.photometric == 3 && it.bits == 8 && it.palette.len() == 768;
        if ycc || palette {
            section = section.patched(it.photometric_at, self.header.bytes(if ycc { 2 } else { 1 }, 2));
        }
        let name = describe(it);
        // a strip of JPEG is decoded beside the picture; a palette's picture is made beside its indices
        let beside = if it.compression == 7 { 11 } else { u64::from(palette) * 3 };
        let orientation = Some(self.orientation(it));
        let decoded = decode(
            &section,
            DecodeOptions { format: ImageFormat::Tiff, name: &name, orientation, extra_bytes_per_pixel: beside },
            self.memory_limit,
        );
        let picture = match decoded {
            Ok(picture) if ycc => rgb_from_ycbcr(picture),
            Ok(picture) if palette => rgb_from_palette(picture, &it.palette),
            Ok(picture) => picture,
            Err(MediaError::Failed(_)) if it.truncated_chunks > 0 => return Err(truncated("TIFF")),
            Err(other) => return Err(other),
        };
        let mut warnings = Vec::new();
        if it.truncated_chunks > 0 {
            let message = format!("{} of the TIFF's {} strips end beyond the file", it.truncated_chunks, it.chunks);
            warnings.push(Warning::new("truncated", message));
        }
        let damaged = it.strips.iter().filter(|strip| !self.is_strip_complete(it, **strip)).count();
        if it.truncated_chunks == 0 && damaged > 0 {
            let message = format!("{damaged} of the TIFF's {} strips are damaged or not whole", it.chunks);
            warnings.push(Warning::new("truncated", message));
        }
        Ok((picture, warnings))
    }

    /// Whether all of a strip's JPEG data are there; its tables may be elsewhere (TIFF Technical Note 2).
    fn is_strip_complete(&self, it: &Directory, (at, length): (u64, u64)) -> bool {
        let Ok(strip) = self.section.subsection(at, length).first_bytes(length) else { return false };
        let tables = it.jpeg_tables.strip_suffix(b"\xff\xd9").unwrap_or_default();
        let alone = if tables.is_empty() { &strip[..] } else { strip.get(2..).unwrap_or_default() };
        entropy::coverage(&[tables, alone].concat()).is_none_or(Coverage::is_complete)
    }

    /// A JPEG inside the file.
    fn decode_embedded_jpeg(
        &self,
        it: &Directory,
        (at, length): (u64, u64),
    ) -> Result<(DynamicImage, Vec<Warning>), MediaError> {
        let section = self.section.subsection(at, length);
        let outline = jpeg::outline(section.buffered()).map_err(unreadable)?;
        if outline.frame.is_none() {
            return Err(unsupported("this preview")); // no JPEG of its own: its tables are elsewhere
        }
        decode_jpeg(&section, self.memory_limit, Some(self.orientation(it)))
    }

    /// A preview has none of its own: it lies as the file does.
    fn orientation(&self, it: &Directory) -> Orientation {
        let own = it.orientation.or(self.first.orientation);
        own.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms)
    }
}

/// What a picture is, for a reason.
fn describe(it: &Directory) -> String {
    let compression = match it.compression {
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
    let colours = match it.photometric {
        0 | 1 if it.samples > 1 => "grey with alpha",
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
    format!("TIFF ({colours}, {}-bit{compression})", it.bits)
}

/// YCbCr of the full range that was read as RGB (ITU-T T.871, 7).
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

/// Indices that were read as grey, with their colours.
fn rgb_from_palette(picture: DynamicImage, palette: &[u64]) -> DynamicImage {
    let grey = picture.into_luma8();
    // 8 bits in the upper byte; some writers leave that empty
    let shift = if palette.iter().any(|it| *it > 255) { 8 } else { 0 };
    let colour = |index: u8, channel: usize| (palette[channel * 256 + usize::from(index)] >> shift) as u8;
    let of = |x, y| [0, 1, 2].map(|channel| colour(grey.get_pixel(x, y).0[0], channel));
    DynamicImage::ImageRgb8(RgbImage::from_fn(grey.width(), grey.height(), |x, y| image::Rgb(of(x, y))))
}

#[cfg(test)]
mod tests;
