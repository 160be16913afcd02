//! The test media.

use crate::project;

/// A file of the test media.
pub fn media(name: &str) -> Vec<u8> {
    std::fs::read(project().join("tests/media").join(name)).expect("a test file")
}

/// The same picture `count` times, side by side.
pub fn side_by_side(name: &str, count: u32) -> Vec<u8> {
    let one = image::load_from_memory(&media(name)).expect("a picture").into_rgb8();
    let mut all = image::RgbImage::new(one.width() * count, one.height());
    for index in 0..count {
        image::imageops::replace(&mut all, &one, i64::from(index * one.width()), 0);
    }
    jpeg(&image::DynamicImage::ImageRgb8(all))
}

/// Two pictures, the second on the right of the first.
pub fn beside(left: &str, right: &str) -> Vec<u8> {
    let [left, right] = [left, right].map(|it| image::load_from_memory(&media(it)).expect("a picture").into_rgb8());
    let mut both = image::RgbImage::new(left.width() + right.width(), left.height().max(right.height()));
    image::imageops::replace(&mut both, &left, 0, 0);
    image::imageops::replace(&mut both, &right, i64::from(left.width()), 0);
    jpeg(&image::DynamicImage::ImageRgb8(both))
}

pub fn jpeg(picture: &image::DynamicImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Jpeg).expect("a JPEG");
    bytes.into_inner()
}

/// A square picture of noise, which no encoding makes small.
pub fn noise(side: u32) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223); // Numerical Recipes' generator
        (state >> 24) as u8
    };
    let picture = image::RgbImage::from_fn(side, side, |_, _| image::Rgb([next(), next(), next()]));
    jpeg(&image::DynamicImage::ImageRgb8(picture))
}
