//! Previews: boxes around faces, on the picture or on a frame for each track.

use std::io::Cursor;

use domain::result::{BoundingBox, Track};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageResult, Rgb, RgbImage};

use super::still::{flattened_rgb, scaled};

/// Frames of a contact sheet, at most.
pub(super) const MAX_FRAMES: usize = 9;

const PICTURE_SIDE: u32 = 1_280;
const FRAME_SIDE: u32 = 480;
const YELLOW: Rgb<u8> = Rgb([255, 214, 0]);
const BLACK: Rgb<u8> = Rgb([0, 0, 0]);

/// The picture with the boxes of all tracks.
pub(super) fn annotated_picture(picture: &DynamicImage, tracks: &[Track]) -> ImageResult<Vec<u8>> {
    let mut canvas = flattened_rgb(&scaled(picture, PICTURE_SIDE));
    for sample in tracks.iter().flat_map(|it| &it.samples) {
        draw_box(&mut canvas, sample.bounding_box);
    }
    encode_jpeg(&canvas)
}

/// Frames side by side, three in a row, each with its box.
pub(super) fn contact_sheet(frames: &[(DynamicImage, BoundingBox)]) -> ImageResult<Vec<u8>> {
    let canvases: Vec<RgbImage> = frames
        .iter()
        .map(|(picture, bounding_box)| {
            let mut canvas = flattened_rgb(&scaled(picture, FRAME_SIDE));
            draw_box(&mut canvas, *bounding_box);
            canvas
        })
        .collect();
    let width = canvases.iter().map(RgbImage::width).max().unwrap_or(1);
    let height = canvases.iter().map(RgbImage::height).max().unwrap_or(1);
    let count = u32::try_from(canvases.len()).unwrap_or(1).max(1);
    let (columns, rows) = (count.min(3), count.div_ceil(3));
    let mut sheet = RgbImage::new(width * columns, height * rows);
    for (index, canvas) in (0_u32..).zip(&canvases) {
        let (x, y) = (i64::from(index % columns * width), i64::from(index / columns * height));
        image::imageops::replace(&mut sheet, canvas, x, y);
    }
    encode_jpeg(&sheet)
}

/// Draws a yellow line between two black ones, which is visible on every picture.
fn draw_box(canvas: &mut RgbImage, bounding_box: BoundingBox) {
    let (width, height) = (f64::from(canvas.width()), f64::from(canvas.height()));
    let (left, top) = ((bounding_box.x * width) as i64, (bounding_box.y * height) as i64);
    let (right, bottom) =
        (((bounding_box.x + bounding_box.w) * width) as i64, ((bounding_box.y + bounding_box.h) * height) as i64);
    if right <= left || bottom <= top {
        return;
    }
    for (inset, colour) in [(-1, BLACK), (0, YELLOW), (1, YELLOW), (2, BLACK)] {
        for x in left + inset..=right - inset {
            set_pixel(canvas, x, top + inset, colour);
            set_pixel(canvas, x, bottom - inset, colour);
        }
        for y in top + inset..=bottom - inset {
            set_pixel(canvas, left + inset, y, colour);
            set_pixel(canvas, right - inset, y, colour);
        }
    }
}

fn set_pixel(canvas: &mut RgbImage, x: i64, y: i64, colour: Rgb<u8>) {
    if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
        && let Some(pixel) = canvas.get_pixel_mut_checked(x, y)
    {
        *pixel = colour;
    }
}

fn encode_jpeg(canvas: &RgbImage) -> ImageResult<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut bytes, 82).encode_image(canvas)?;
    Ok(bytes.into_inner())
}
