//! Renders renditions: crops an image towards its subject, scales it, draws a headline and encodes it.

mod crop;
mod headline;

use std::io::Cursor;

use domain::image::RenditionFormat;
use domain::result::BoundingBox;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{ResizeOptions, Resizer};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, RgbImage};

/// Parameters of a rendition.
#[derive(Debug, Clone, Copy)]
pub struct RenderOptions<'a> {
    pub width: u32,
    pub height: u32,
    pub headline: Option<&'a str>,
    /// Colour of the headline, RGB.
    pub colour: [u8; 3],
    pub format: RenditionFormat,
    /// JPEG quality, 1 to 100.
    pub quality: u8,
}

/// Why a rendition failed.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("the picture could not be scaled: {0}")]
    Scale(String),
    #[error("the font has no letters for {0}")]
    MissingGlyphs(String),
    #[error("the picture could not be written: {0}")]
    Encode(#[from] image::ImageError),
}

/// Renders an image to exactly the requested size. `faces` are fractions of the image; the crop is placed around them.
pub fn render(picture: &RgbImage, faces: &[BoundingBox], options: RenderOptions<'_>) -> Result<Vec<u8>, RenderError> {
    let window = crop::window((picture.width(), picture.height()), (options.width, options.height), faces);
    let mut canvas = crop_and_scale(picture, window, options)?;
    if let Some(text) = options.headline {
        let missing = headline::missing_characters(text);
        if !missing.is_empty() {
            return Err(RenderError::MissingGlyphs(format_characters(&missing)));
        }
        headline::draw(&mut canvas, text, options.colour);
    }
    encode(&DynamicImage::ImageRgb8(canvas), options.format, options.quality)
}

/// The characters of a headline that the font lacks, formatted for a message (`漢 (U+6F22), …`); `None` if the font has
/// all.
pub fn missing_glyphs(headline: &str) -> Option<String> {
    let missing = headline::missing_characters(headline);
    (!missing.is_empty()).then(|| format_characters(&missing))
}

/// Formats at most ten characters. A control character is shown by its code point only.
fn format_characters(characters: &[char]) -> String {
    let describe = |character: &char| {
        let number = format!("U+{:04X}", u32::from(*character));
        if character.is_control() { number } else { format!("{character} ({number})") }
    };
    let more = if characters.len() > 10 { format!(" and {} more", characters.len() - 10) } else { String::new() };
    characters.iter().take(10).map(describe).collect::<Vec<_>>().join(", ") + &more
}

/// Encodes an image without the metadata of its source, which may hold a location.
pub fn encode(picture: &DynamicImage, format: RenditionFormat, quality: u8) -> Result<Vec<u8>, RenderError> {
    let mut bytes = Cursor::new(Vec::new());
    match format {
        RenditionFormat::Png => picture.write_to(&mut bytes, ImageFormat::Png)?,
        RenditionFormat::Jpeg => JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(&picture.to_rgb8())?,
    }
    Ok(bytes.into_inner())
}

/// Converts an encoded image to a format, or to a thumbnail with a quarter of its width and height.
pub fn convert(bytes: &[u8], format: RenditionFormat, thumbnail: bool) -> Result<Vec<u8>, RenderError> {
    let picture = image::load_from_memory(bytes)?;
    let (width, height) = (picture.width(), picture.height());
    let small = if thumbnail { picture.thumbnail_exact((width / 4).max(1), (height / 4).max(1)) } else { picture };
    encode(&small, format, 82)
}

fn crop_and_scale(
    picture: &RgbImage,
    window: crop::Window,
    options: RenderOptions<'_>,
) -> Result<RgbImage, RenderError> {
    let failed = |it: &dyn std::fmt::Display| RenderError::Scale(it.to_string());
    let mut target = RgbImage::new(options.width, options.height);
    let resize = ResizeOptions::new().crop(window.x, window.y, window.width, window.height);
    // typed for one pixel format, so that the code for the others is not compiled
    let from =
        TypedImageRef::<U8x3>::from_buffer(picture.width(), picture.height(), picture).map_err(|it| failed(&it))?;
    let mut to =
        TypedImage::<U8x3>::from_buffer(options.width, options.height, &mut target).map_err(|it| failed(&it))?;
    Resizer::new().resize_typed(&from, &mut to, &resize).map_err(|it| failed(&it))?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(headline: Option<&'static str>, format: RenditionFormat) -> RenderOptions<'static> {
        RenderOptions { width: 300, height: 250, headline, colour: [255, 255, 255], format, quality: 82 }
    }

    #[test]
    fn a_rendition_has_its_size_and_format_and_its_text_changes_it() {
        let picture = RgbImage::from_pixel(640, 360, image::Rgb([90, 60, 30]));
        let plain = render(&picture, &[], wanted(None, RenditionFormat::Png)).unwrap();
        let text = render(&picture, &[], wanted(Some("Fußgänger über 40 – heute"), RenditionFormat::Png)).unwrap();
        let (plain, text) = (image::load_from_memory(&plain).unwrap(), image::load_from_memory(&text).unwrap());
        assert_eq!((plain.width(), plain.height()), (300, 250));
        let white = |it: &DynamicImage| it.to_rgb8().pixels().filter(|it| it.0 == [255, 255, 255]).count();
        assert_eq!(white(&plain), 0);
        assert!(white(&text) > 100, "letters are there: {}", white(&text));
        let jpeg = render(&picture, &[], wanted(None, RenditionFormat::Jpeg)).unwrap();
        assert_eq!(image::guess_format(&jpeg).unwrap(), ImageFormat::Jpeg);
        let small = convert(&jpeg, RenditionFormat::Png, true).unwrap();
        assert_eq!(image::load_from_memory(&small).unwrap().width(), 75);
    }

    #[test]
    fn pictures_of_any_shape_fill_their_rendition() {
        for (width, height) in [(1, 1), (2, 1), (20_000, 10), (10, 20_000)] {
            let picture = RgbImage::from_pixel(width, height, image::Rgb([90, 60, 30]));
            let made = render(&picture, &[], wanted(None, RenditionFormat::Png)).unwrap();
            let made = image::load_from_memory(&made).unwrap().into_rgb8();
            assert_eq!(made.dimensions(), (300, 250), "{width} x {height}");
            assert!(made.pixels().all(|it| it.0 == [90, 60, 30]), "{width} x {height}");
        }
    }

    #[test]
    fn letters_that_the_font_lacks_are_named_and_never_drawn_as_boxes() {
        for good in
            ["Fußgänger über 40 – heute", "Ελληνικά", "Кириллица", "Łódź „42 €“", "e\u{301}te\u{301}", "a\tb\nc"]
        {
            assert_eq!(missing_glyphs(good), None, "{good}");
        }
        for (bad, want) in [
            ("東京 now", "東 (U+6771), 京 (U+4EAC)"),
            ("مرحبا", "م (U+0645), ر (U+0631), ح (U+062D), ب (U+0628), ا (U+0627)"),
            ("Sale 🎉🎉", "🎉 (U+1F389)"),
            ("a\u{7}b", "U+0007"),
        ] {
            assert_eq!(missing_glyphs(bad).as_deref(), Some(want), "{bad}");
        }
        let picture = RgbImage::from_pixel(640, 360, image::Rgb([90, 60, 30]));
        let refused = render(&picture, &[], wanted(Some("東京"), RenditionFormat::Png));
        assert!(matches!(refused, Err(RenderError::MissingGlyphs(it)) if it.contains("東")));
    }
}
