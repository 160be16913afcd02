//! Scales pictures down, and flattens their transparency.

use std::borrow::Cow;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{InnerPixel, U8, U8x2, U8x3, U8x4};
use fast_image_resize::{PixelTrait, ResizeOptions, Resizer};
use image::{DynamicImage, ImageBuffer, Pixel, RgbImage};

/// Pixels of the long side of a picture for the detector.
const LONG_SIDE: u32 = 1_920;
/// Pixels of a panorama for the detector: those of a 16:9 picture with [`LONG_SIDE`].
const MAX_PIXELS: f64 = 1_920.0 * 1_080.0;

/// The picture in the size for the detector: at most [`LONG_SIDE`] long, or [`MAX_PIXELS`] for a panorama, which would
/// otherwise shrink to a strip without a recognisable face.
pub(crate) fn scaled_for_detection(picture: &DynamicImage) -> Cow<'_, DynamicImage> {
    let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
    let by_area = width.max(height) * (MAX_PIXELS / (width * height)).sqrt();
    scaled(picture, LONG_SIDE.max(by_area as u32))
}

/// The picture scaled down to `side` pixels on its long side, with the same channels. Borrowed if it is small enough.
/// Colours are weighted by alpha: those under full transparency do not bleed into others.
pub(crate) fn scaled(picture: &DynamicImage, side: u32) -> Cow<'_, DynamicImage> {
    let long = picture.width().max(picture.height());
    if long <= side {
        return Cow::Borrowed(picture);
    }
    let fit = |length: u32| u32::try_from(u64::from(length) * u64::from(side) / u64::from(long)).unwrap_or(1).max(1);
    let (width, height) = (fit(picture.width()), fit(picture.height()));
    // more than 8 bits are rare, and left to `image`: each pixel type takes a second to compile
    let mut target = match picture {
        DynamicImage::ImageLuma8(_)
        | DynamicImage::ImageLumaA8(_)
        | DynamicImage::ImageRgb8(_)
        | DynamicImage::ImageRgba8(_) => DynamicImage::new(width, height, picture.color()),
        other if other.color().has_alpha() => {
            return Cow::Owned(flattened_over_white(other.clone()).thumbnail_exact(width, height));
        }
        other => return Cow::Owned(other.thumbnail_exact(width, height)),
    };
    let done = match &mut target {
        DynamicImage::ImageLuma8(to) => resize_into::<U8>(picture, to, width, height),
        DynamicImage::ImageLumaA8(to) => resize_into::<U8x2>(picture, to, width, height),
        DynamicImage::ImageRgb8(to) => resize_into::<U8x3>(picture, to, width, height),
        DynamicImage::ImageRgba8(to) => resize_into::<U8x4>(picture, to, width, height),
        _ => None,
    };
    if done.is_some() { Cow::Owned(target) } else { Cow::Borrowed(picture) }
}

/// Resizes a picture of 8 bits a channel into `to`. Alpha needs a copy of the picture; decoded stills have none.
fn resize_into<P: PixelTrait + InnerPixel>(
    picture: &DynamicImage,
    to: &mut [u8],
    width: u32,
    height: u32,
) -> Option<()> {
    let from = TypedImageRef::<P>::from_buffer(picture.width(), picture.height(), picture.as_bytes()).ok()?;
    let mut to = TypedImage::<P>::from_buffer(width, height, to).ok()?;
    Resizer::new().resize_typed(&from, &mut to, &ResizeOptions::new().use_alpha(true)).ok()
}

/// The picture over white, as a page shows it, as RGB of 8 bits.
pub(crate) fn flattened_rgb(picture: &DynamicImage) -> RgbImage {
    if picture.color().has_alpha() { flattened_over_white(picture.clone()).into_rgb8() } else { picture.to_rgb8() }
}

/// The picture over white, without an alpha channel, in the same memory. Colours under full transparency do not show.
pub(super) fn flattened_over_white(picture: DynamicImage) -> DynamicImage {
    match picture {
        DynamicImage::ImageLumaA8(buffer) => {
            flattened(buffer, blend_u8).map_or_else(fallback_picture, DynamicImage::ImageLuma8)
        }
        DynamicImage::ImageRgba8(buffer) => {
            flattened(buffer, blend_u8).map_or_else(fallback_picture, DynamicImage::ImageRgb8)
        }
        DynamicImage::ImageLumaA16(buffer) => {
            flattened(buffer, blend_u16).map_or_else(fallback_picture, DynamicImage::ImageLuma16)
        }
        DynamicImage::ImageRgba16(buffer) => {
            flattened(buffer, blend_u16).map_or_else(fallback_picture, DynamicImage::ImageRgb16)
        }
        DynamicImage::ImageRgba32F(buffer) => {
            flattened(buffer, blend_f32).map_or_else(fallback_picture, DynamicImage::ImageRgb32F)
        }
        other => other,
    }
}

/// Never reached: a picture with fewer channels fits into the memory of one with more.
fn fallback_picture() -> DynamicImage {
    DynamicImage::new_rgb8(1, 1)
}

/// The pixels moved together, each over white: the last channel says how much it covers.
fn flattened<From, To>(
    picture: ImageBuffer<From, Vec<From::Subpixel>>,
    over_white: impl Fn(From::Subpixel, From::Subpixel) -> From::Subpixel,
) -> Option<ImageBuffer<To, Vec<From::Subpixel>>>
where
    From: Pixel,
    To: Pixel<Subpixel = From::Subpixel>,
{
    let (width, height) = picture.dimensions();
    let (before, after) = (usize::from(From::CHANNEL_COUNT), usize::from(To::CHANNEL_COUNT));
    let mut samples = picture.into_raw();
    let pixels = samples.len() / before;
    for index in 0..pixels {
        let cover = samples[index * before + after];
        for channel in 0..after {
            samples[index * after + channel] = over_white(samples[index * before + channel], cover);
        }
    }
    samples.truncate(pixels * after);
    ImageBuffer::from_raw(width, height, samples)
}

// neither can exceed the type: a mean of two of its values
fn blend_u8(sample: u8, alpha: u8) -> u8 {
    let (ink, cover) = (u16::from(sample), u16::from(alpha));
    ((ink * cover + 255 * (255 - cover) + 127) / 255) as u8
}

fn blend_u16(sample: u16, alpha: u16) -> u16 {
    let (ink, cover) = (u64::from(sample), u64::from(alpha));
    ((ink * cover + 65_535 * (65_535 - cover) + 32_767) / 65_535) as u16
}

fn blend_f32(sample: f32, alpha: f32) -> f32 {
    let cover = if alpha.is_nan() { 0.0 } else { alpha.clamp(0.0, 1.0) };
    if cover > 0.0 { sample * cover + (1.0 - cover) } else { 1.0 } // hidden: even what is no number
}

#[cfg(test)]
mod tests {
    use image::{ColorType, GrayImage, Rgba, RgbaImage};

    use super::*;

    #[test]
    fn a_picture_is_scaled_with_the_channels_that_it_has() {
        let red = RgbaImage::from_pixel(400, 200, Rgba([200, 0, 0, 255]));
        let picture = DynamicImage::ImageRgba8(red);
        let small = scaled(&picture, 100);
        assert_eq!((small.width(), small.height(), small.color()), (100, 50, ColorType::Rgba8));
        assert_eq!(small.to_rgb8().get_pixel(50, 25).0, [200, 0, 0]);
        let grey = DynamicImage::ImageLuma8(GrayImage::from_pixel(30, 40, image::Luma([7])));
        assert!(matches!(scaled(&grey, 40), Cow::Borrowed(_)));
        for colour in [ColorType::L8, ColorType::L16, ColorType::Rgb16, ColorType::Rgb32F] {
            let picture = DynamicImage::new(64, 3, colour);
            let small = scaled(&picture, 16);
            assert_eq!((small.width(), small.height(), small.color()), (16, 1, colour));
        }
        let deep = DynamicImage::new(64, 3, ColorType::Rgba16);
        assert_eq!(scaled(&deep, 16).to_rgb8().get_pixel(3, 0).0, [255; 3], "transparent: the ground shows");
    }

    #[test]
    fn no_shape_is_scaled_away_and_a_panorama_keeps_its_height() {
        for (width, height, side, want) in [
            (20_000, 10, 1_280, (1_280, 1)),
            (10, 20_000, 1_280, (1, 1_280)),
            (1, 1, 1_280, (1, 1)),
            (2, 1, 1, (1, 1)),
            (4_000, 3_000, 1_920, (1_920, 1_440)),
        ] {
            let picture = DynamicImage::new_luma8(width, height);
            let small = scaled(&picture, side);
            assert_eq!((small.width(), small.height()), want, "{width} x {height}");
        }
        for (width, height, want) in [
            (20_000, 500, (9_107, 227)),
            (500, 20_000, (227, 9_107)),
            (20_000, 10, (20_000, 10)),
            (4_000, 3_000, (1_920, 1_440)),
            (3_840, 2_160, (1_920, 1_080)),
            (1, 1, (1, 1)),
        ] {
            let picture = DynamicImage::new_luma8(width, height);
            let seen = scaled_for_detection(&picture);
            assert_eq!((seen.width(), seen.height()), want, "{width} x {height}");
        }
    }

    #[test]
    fn hidden_colour_is_in_no_pixel_and_in_no_edge() {
        // the left half opaque blue, the right half red under full transparency
        let half = |x: u32| if x < 200 { Rgba([0, 0, 255, 255]) } else { Rgba([255, 0, 0, 0]) };
        let picture = DynamicImage::ImageRgba8(RgbaImage::from_fn(400, 40, |x, _| half(x)));
        for shown in [
            flattened_over_white(scaled(&picture, 90).into_owned()),
            scaled(&flattened_over_white(picture.clone()), 90).into_owned(),
        ] {
            assert_eq!(shown.color(), ColorType::Rgb8);
            // over white, blue and white and their mixtures have red and green alike
            let bled = shown.to_rgb8().pixels().filter(|it| it.0[0].abs_diff(it.0[1]) > 2).count();
            assert_eq!(bled, 0, "red in {bled} pixels");
            assert_eq!(shown.to_rgb8().get_pixel(89, 4).0, [255; 3]);
            assert_eq!(shown.to_rgb8().get_pixel(1, 4).0, [0, 0, 255]);
        }
    }

    #[test]
    fn all_kinds_of_alpha_are_filled_with_white() {
        for (colour, want) in [
            (ColorType::La8, ColorType::L8),
            (ColorType::Rgba8, ColorType::Rgb8),
            (ColorType::La16, ColorType::L16),
            (ColorType::Rgba16, ColorType::Rgb16),
            (ColorType::Rgba32F, ColorType::Rgb32F),
            (ColorType::Rgb8, ColorType::Rgb8),
        ] {
            let shown = flattened_over_white(DynamicImage::new(3, 2, colour));
            assert_eq!((shown.color(), shown.width(), shown.height()), (want, 3, 2));
            let ground = if colour == ColorType::Rgb8 { 0 } else { 255 };
            assert_eq!(shown.to_rgb8().get_pixel(2, 1).0, [ground; 3], "{colour:?}");
        }
        for (ink, cover, want) in [(0, 0, 255), (200, 255, 200), (0, 128, 127), (255, 77, 255), (10, 0, 255)] {
            assert_eq!(blend_u8(ink, cover), want, "{ink} {cover}");
        }
        assert_eq!((blend_u16(7, 65_535), blend_u16(7, 0), blend_u16(0, 32_768)), (7, 65_535, 32_767));
        assert_eq!((blend_f32(f32::NAN, 0.0), blend_f32(0.5, 1.0), blend_f32(0.0, 0.25)), (1.0, 0.5, 0.75));
    }
}
