//! Draws a headline over an image: as large as fits into its lower third, with a contrasting outline, so that it is
//! legible on any background.

use std::sync::{Arc, Mutex, PoisonError};

use cosmic_text::fontdb::{Database, Source};
use cosmic_text::{Align, Attrs, Buffer, Color, FontSystem, Metrics, Shaping, SwashCache, Weight};
use image::{Rgb, RgbImage};

/// Maximum number of lines, and of characters drawn.
const MAX_LINES: usize = 4;
const MAX_CHARACTERS: usize = 300;
/// Line height in font sizes.
const LINE_HEIGHT: f32 = 1.15;

/// The font, loaded once: Noto Sans Bold, and no system fonts, so that the output is the same everywhere.
static FONTS: Mutex<Option<(FontSystem, SwashCache)>> = Mutex::new(None);

/// The characters of a text that the font lacks, each once. Default-ignorable characters (joiners, direction marks) are
/// not counted.
pub(crate) fn missing_characters(text: &str) -> Vec<char> {
    let mut fonts = FONTS.lock().unwrap_or_else(PoisonError::into_inner);
    let (fonts, _) = fonts.get_or_insert_with(load_fonts);
    let Some(face) = fonts.db().faces().next().map(|it| (it.id, it.weight)) else { return text.chars().collect() };
    let Some(font) = fonts.get_font(face.0, face.1) else { return text.chars().collect() };
    let letters = font.as_swash().charmap();
    let mut missing = Vec::new();
    for character in text.chars().filter(|it| !it.is_whitespace() && !is_default_ignorable(*it)) {
        if letters.map(character) == 0 && !missing.contains(&character) {
            missing.push(character);
        }
    }
    missing
}

/// Whether it is one of the common default-ignorable characters (Unicode, `DerivedCoreProperties.txt`), which shaping
/// removes.
fn is_default_ignorable(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

fn load_fonts() -> (FontSystem, SwashCache) {
    let mut all = Database::new();
    all.load_font_source(Source::Binary(Arc::new(ttf_noto_sans::BOLD)));
    (FontSystem::new_with_locale_and_db("en-US".to_owned(), all), SwashCache::new())
}

/// Draws the text into the lower third of the canvas.
pub(crate) fn draw(canvas: &mut RgbImage, text: &str, colour: [u8; 3]) {
    let mut fonts = FONTS.lock().unwrap_or_else(PoisonError::into_inner);
    let (fonts, glyphs) = fonts.get_or_insert_with(load_fonts);
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_CHARACTERS).collect();
    let (width, height) = (canvas.width() as f32, canvas.height() as f32);
    let (left, room) = (width * 0.06, (width * 0.88, height * 0.34));
    let mut buffer = shrink_to_fit(fonts, &text, room);
    let lines = buffer.layout_runs().count() as f32;
    let line_height = buffer.metrics().line_height;
    let top = height - height * 0.05 - (lines * line_height).min(room.1);
    let edge = (buffer.metrics().font_size * 0.05).ceil().max(1.0) as i32;
    let bottom = (top + room.1).ceil() as i32;
    let mut draw_offset = |dx: i32, dy: i32, ink: [u8; 3]| {
        buffer.draw(fonts, glyphs, Color::rgb(255, 255, 255), |x, y, w, h, pixel_color| {
            for (x, y) in (y..y + h as i32).flat_map(|y| (x..x + w as i32).map(move |x| (x, y))) {
                let (x, y) = (x + dx + left as i32, y + dy + top as i32);
                if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y.min(bottom)))
                    && let Some(pixel) = canvas.get_pixel_mut_checked(x, y)
                {
                    *pixel = blend(*pixel, ink, pixel_color.a());
                }
            }
        });
    };
    for (dx, dy) in
        [(-edge, 0), (edge, 0), (0, -edge), (0, edge), (-edge, -edge), (edge, edge), (-edge, edge), (edge, -edge)]
    {
        draw_offset(dx, dy, if is_bright(colour) { [16, 16, 16] } else { [245, 245, 245] });
    }
    draw_offset(0, 0, colour);
}

/// Lays the text out at the largest font size that fits.
fn shrink_to_fit(fonts: &mut FontSystem, text: &str, (width, height): (f32, f32)) -> Buffer {
    let (mut low, mut high) = (8_u32, (height / LINE_HEIGHT).max(8.0) as u32);
    let mut best = None;
    while low <= high {
        let size = u32::midpoint(low, high);
        let buffer = layout(fonts, text, size as f32, width);
        let runs = buffer.layout_runs();
        let (lines, widest) = runs.fold((0, 0.0_f32), |(lines, widest), it| (lines + 1, widest.max(it.line_w)));
        if lines <= MAX_LINES && lines as f32 * size as f32 * LINE_HEIGHT <= height && widest <= width {
            best = Some(buffer);
            low = size + 1;
        } else {
            high = size - 1;
        }
    }
    best.unwrap_or_else(|| layout(fonts, text, 8.0, width))
}

fn layout(fonts: &mut FontSystem, text: &str, size: f32, width: f32) -> Buffer {
    let mut buffer = Buffer::new(fonts, Metrics::new(size, size * LINE_HEIGHT));
    buffer.set_size(Some(width), None);
    let attributes = Attrs::new().weight(Weight::BOLD);
    buffer.set_text(text, &attributes, Shaping::Advanced, Some(Align::Center));
    buffer.shape_until_scroll(fonts, false);
    buffer
}

fn blend(background: Rgb<u8>, ink: [u8; 3], alpha: u8) -> Rgb<u8> {
    let mix = |under: u8, ink: u8| {
        let cover = u16::from(alpha);
        ((u16::from(ink) * cover + u16::from(under) * (255 - cover)) / 255) as u8
    };
    Rgb([mix(background.0[0], ink[0]), mix(background.0[1], ink[1]), mix(background.0[2], ink[2])])
}

fn is_bright([red, green, blue]: [u8; 3]) -> bool {
    u32::from(red) * 3 + u32::from(green) * 6 + u32::from(blue) > 1_270
}
