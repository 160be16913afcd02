//! The memory that a picture needs.

use image::metadata::Orientation;
use image::{ColorType, ImageFormat};

/// The peak memory of a picture, in bytes: its pixels, and the largest of its decoder's own buffers, its rotated copy, and
/// its copy in RGB for a rendition. Scaled-down copies are small. The decoders' buffers are from their sources (`image`
/// 0.25.10).
pub(super) fn required_bytes(format: ImageFormat, colour: ColorType, pixels: u64, length: u64, turned: bool) -> u64 {
    let each = u64::from(colour.bytes_per_pixel());
    let own = match format {
        // zune-jpeg 0.5: two bytes for each coefficient, of four components at most, if they come in several scans
        ImageFormat::Jpeg if colour == ColorType::L8 => 2,
        ImageFormat::Jpeg => 8,
        // image-webp 0.2: a frame and a canvas, each RGBA
        ImageFormat::WebP => 8,
        // a frame, RGBA, if it is not the whole canvas
        ImageFormat::Gif => 4,
        // tiff 0.11: all samples once more, four instead of three where they are CMYK
        ImageFormat::Tiff => (each * 4).div_ceil(3),
        _ => 0, // PNG and BMP are decoded in place, line by line
    };
    let decoding = pixels * own + file_bytes_in_memory(format, length);
    let rotating = if turned { pixels * each } else { 0 };
    pixels * each + decoding.max(rotating).max(pixels * 3)
}

/// Bytes of the file that are in memory while it is decoded. For JPEG twice its size: the file, and its metadata again.
pub(super) fn file_bytes_in_memory(format: ImageFormat, length: u64) -> u64 {
    match format {
        ImageFormat::Jpeg => length.saturating_mul(2),
        ImageFormat::WebP => length,
        _ => 0,
    }
}

/// Whether the orientation rotates by 90 or 270 degrees, which needs a copy. The others are applied in place.
pub(super) fn is_quarter_turn(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory of the function, and what a picture may take of it.
    fn share(function_mb: u64) -> u64 {
        function_mb * (1 << 20) / 10 * 6
    }

    #[test]
    fn a_picture_is_bound_by_the_memory_that_there_is() {
        use ImageFormat::{Gif, Jpeg, Png, Tiff, WebP};
        let check = |format, colour, megapixels: u64, file_mb: u64, turned, need_mb: u64, fits: [bool; 2]| {
            let need = required_bytes(format, colour, megapixels * 1_000_000, file_mb * 1_000_000, turned);
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
}
