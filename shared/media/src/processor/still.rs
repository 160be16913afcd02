//! Pictures: read upright, within bounds (processors, section 4.4).

use std::borrow::Cow;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use domain::item::Problem;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{InnerPixel, U8, U8x2, U8x3, U8x4};
use fast_image_resize::{PixelTrait, ResizeOptions, Resizer};
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::{Trouble, unreadable};

/// Pictures are scaled down to this before faces are looked for.
pub(crate) const LONG_SIDE: u32 = 1_920;
/// Larger pictures are refused by their header, before a byte is decoded (section 4.4).
const MOST_SIDE: u32 = 20_000;
const MOST_PIXELS: u64 = 100_000_000;

/// Reads a picture, turned as its Exif data say. An animated one is its first frame.
///
/// `most` is the memory that the picture may need, in bytes, until it has been turned and copied. Skips with
/// `too_large` what needs more, by its header; fails with `media_unreadable` where the decoder does.
pub(crate) fn read(file: &Path, most: u64) -> Result<DynamicImage, Trouble> {
    let length = std::fs::metadata(file).map_err(unreadable)?.len();
    let mut reader = ImageReader::open(file).and_then(ImageReader::with_guessed_format).map_err(unreadable)?;
    let format = reader.format();
    if in_memory(format, length) > most {
        return Err(too_large(format!("the file has {} MB, and {} MB are there for it", mb(length), most >> 20)));
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(most);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let ((width, height), colour) = (decoder.dimensions(), decoder.color_type());
    let pixels = u64::from(width) * u64::from(height);
    if width > MOST_SIDE || height > MOST_SIDE || pixels > MOST_PIXELS {
        return Err(too_large(format!("the picture has {width} x {height} pixels")));
    }
    if cut_off(file).map_err(unreadable)? {
        return Err(unreadable("the picture is cut off: its end is missing"));
    }
    let orientation = decoder.orientation().map_err(refused)?;
    let need = needed(format, colour, pixels, length, turned(orientation));
    if need > most {
        return Err(too_large(format!(
            "the picture has {width} x {height} pixels: to read it needs {} MB of memory, and {} MB are there for it",
            mb(need),
            most >> 20
        )));
    }
    limits.max_alloc = Some(most - pixels * u64::from(colour.bytes_per_pixel()));
    decoder.set_limits(limits).map_err(refused)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(refused)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// The bytes of memory that a picture needs at once, at most, until it is done with: its pixels, and beside them the
/// largest of what its decoder has of its own, its turned copy, and its copy in RGB that a rendition is made of. What
/// is scaled down is small. The decoders' share was read in their sources (`image` 0.25.10).
fn needed(format: Option<ImageFormat>, colour: ColorType, pixels: u64, length: u64, turned: bool) -> u64 {
    let each = u64::from(colour.bytes_per_pixel());
    let own = match format {
        // zune-jpeg 0.5: two bytes for each coefficient, of four components at most, if they come in several scans
        Some(ImageFormat::Jpeg) if colour == ColorType::L8 => 2,
        Some(ImageFormat::Jpeg) => 8,
        // image-webp 0.2: a frame and a canvas, each RGBA
        Some(ImageFormat::WebP) => 8,
        // a frame, RGBA, if it is not the whole canvas
        Some(ImageFormat::Gif) => 4,
        // tiff 0.11: all samples once more, four instead of three where they are CMYK
        Some(ImageFormat::Tiff) => (each * 4).div_ceil(3),
        _ => 0, // PNG and BMP are decoded in place, line by line
    };
    let decoding = pixels * own + in_memory(format, length);
    let turning = if turned { pixels * each } else { 0 };
    pixels * each + decoding.max(turning).max(pixels * 3)
}

/// The bytes of a file that are in memory while it is decoded: of JPEG all of them, and its metadata twice.
fn in_memory(format: Option<ImageFormat>, length: u64) -> u64 {
    match format {
        Some(ImageFormat::Jpeg) => length.saturating_mul(2),
        Some(ImageFormat::WebP) => length,
        _ => 0,
    }
}

/// Whether the picture is turned by a quarter, which needs a second one; all else is done in place.
fn turned(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

fn refused(error: ImageError) -> Trouble {
    match error {
        ImageError::Limits(why) => too_large(format!("the picture does not fit into the memory for it: {why}")),
        why => unreadable(why),
    }
}

fn too_large(message: String) -> Trouble {
    Trouble::Skip(Problem::new("too_large", message))
}

fn mb(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
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

/// The picture, no longer than `side` on its long side, with channels as it has them. Never enlarged, and not copied if
/// it is small enough.
pub(crate) fn scaled(picture: &DynamicImage, side: u32) -> Cow<'_, DynamicImage> {
    let long = picture.width().max(picture.height());
    if long <= side {
        return Cow::Borrowed(picture);
    }
    let fit = |it: u32| u32::try_from(u64::from(it) * u64::from(side) / u64::from(long)).unwrap_or(1).max(1);
    let (width, height) = (fit(picture.width()), fit(picture.height()));
    // each channel by itself: nobody looks at transparency here, and it would take a copy of the whole picture. What has
    // more than 8 bits is rare, and left to `image`: each kind of pixels takes a second to compile
    let mut target = match picture {
        DynamicImage::ImageLuma8(_)
        | DynamicImage::ImageLumaA8(_)
        | DynamicImage::ImageRgb8(_)
        | DynamicImage::ImageRgba8(_) => DynamicImage::new(width, height, picture.color()),
        _ => return Cow::Owned(picture.thumbnail_exact(width, height)),
    };
    let done = match &mut target {
        DynamicImage::ImageLuma8(to) => resized::<U8>(picture, to, width, height),
        DynamicImage::ImageLumaA8(to) => resized::<U8x2>(picture, to, width, height),
        DynamicImage::ImageRgb8(to) => resized::<U8x3>(picture, to, width, height),
        DynamicImage::ImageRgba8(to) => resized::<U8x4>(picture, to, width, height),
        _ => None,
    };
    if done.is_some() { Cow::Owned(target) } else { Cow::Borrowed(picture) }
}

/// Fills a picture of 8 bits a channel with another of the same channels.
fn resized<P: PixelTrait + InnerPixel>(picture: &DynamicImage, to: &mut [u8], width: u32, height: u32) -> Option<()> {
    let from = TypedImageRef::<P>::from_buffer(picture.width(), picture.height(), picture.as_bytes()).ok()?;
    let mut to = TypedImage::<P>::from_buffer(width, height, to).ok()?;
    Resizer::new().resize_typed(&from, &mut to, &ResizeOptions::new().use_alpha(false)).ok()
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, RgbImage, RgbaImage};

    use super::*;

    /// Memory of the function, and what a picture may take of it.
    fn share(function_mb: u64) -> u64 {
        function_mb * (1 << 20) / 10 * 6
    }

    #[test]
    fn a_picture_is_bound_by_the_memory_that_there_is() {
        use ImageFormat::{Gif, Jpeg, Png, Tiff, WebP};
        let check = |format, colour, megapixels: u64, file_mb: u64, turned, need_mb: u64, fits: [bool; 2]| {
            let need = needed(Some(format), colour, megapixels * 1_000_000, file_mb * 1_000_000, turned);
            let case = format!("{format:?} {colour:?} {megapixels} {turned}");
            assert_eq!(need / 1_000_000, need_mb, "{case}");
            assert_eq!([512, 1_769].map(|it| need <= share(it)), fits, "{case}");
        };
        // what cameras make
        check(Jpeg, ColorType::Rgb8, 12, 5, false, 142, [true, true]);
        check(Jpeg, ColorType::Rgb8, 24, 12, true, 288, [true, true]);
        check(Jpeg, ColorType::Rgb8, 50, 30, true, 610, [false, true]);
        check(Jpeg, ColorType::L8, 50, 10, true, 200, [true, true]);
        check(Png, ColorType::Rgb8, 50, 40, false, 300, [true, true]);
        check(Tiff, ColorType::Rgb16, 50, 300, false, 700, [false, true]);
        // small files with many pixels
        check(Jpeg, ColorType::Rgb8, 100, 1, false, 1_102, [false, true]);
        check(Png, ColorType::L8, 100, 0, false, 400, [false, true]);
        check(Png, ColorType::Rgba8, 100, 0, false, 700, [false, true]);
        check(Png, ColorType::Rgba8, 100, 0, true, 800, [false, true]);
        check(Png, ColorType::Rgba16, 100, 0, false, 1_100, [false, true]);
        check(Png, ColorType::Rgba16, 100, 0, true, 1_600, [false, false]);
        check(Gif, ColorType::Rgba8, 100, 0, false, 800, [false, true]);
        check(WebP, ColorType::Rgba8, 100, 1, false, 1_201, [false, false]);
        check(Tiff, ColorType::Rgb32F, 100, 0, false, 2_800, [false, false]);
    }

    #[test]
    fn what_does_not_fit_is_refused_by_its_header() {
        let folder = tempfile::tempdir().unwrap();
        for (name, format) in [("png", ImageFormat::Png), ("jpg", ImageFormat::Jpeg), ("tif", ImageFormat::Tiff)] {
            let file = folder.path().join(name);
            RgbImage::new(1_000, 1_000).save_with_format(&file, format).unwrap();
            assert_eq!(read(&file, 16 << 20).unwrap().width(), 1_000, "{name}");
            let refused = read(&file, 4 << 20);
            let Err(Trouble::Skip(why)) = &refused else { panic!("{name}: {refused:?}") };
            assert_eq!(why.code, "too_large", "{name}");
            let sizes = ["1000 x 1000 pixels", " MB of memory, and 4 MB are there"];
            assert!(sizes.iter().all(|it| why.message.contains(it)), "{name}: {}", why.message);
        }
        let refused = read(&folder.path().join("jpg"), 1_000);
        assert!(matches!(&refused, Err(Trouble::Skip(it)) if it.message.starts_with("the file has")), "{refused:?}");
    }

    #[test]
    fn a_picture_is_scaled_with_the_channels_that_it_has() {
        let red = RgbaImage::from_pixel(400, 200, image::Rgba([200, 0, 0, 0]));
        let picture = DynamicImage::ImageRgba8(red);
        let small = scaled(&picture, 100);
        assert_eq!((small.width(), small.height(), small.color()), (100, 50, ColorType::Rgba8));
        assert_eq!(small.to_rgb8().get_pixel(50, 25).0, [200, 0, 0], "as it is under its transparency");
        let grey = DynamicImage::ImageLuma8(GrayImage::from_pixel(30, 40, image::Luma([7])));
        assert!(matches!(scaled(&grey, 40), Cow::Borrowed(_)));
        for colour in [ColorType::L8, ColorType::La16, ColorType::Rgb16, ColorType::Rgba32F] {
            let picture = DynamicImage::new(64, 3, colour);
            let small = scaled(&picture, 16);
            assert_eq!((small.width(), small.height(), small.color()), (16, 1, colour));
        }
    }
}
