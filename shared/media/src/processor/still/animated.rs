//! Whether a picture moves: its first frame is what is looked at.

use std::io::{self, Read};

use image::ImageFormat;

use super::section::Section;

/// Blocks of a GIF that are passed over before its second picture, at most.
const BLOCKS: usize = 100_000;

/// Bytes at a JPEG's beginning in which its segments stand.
const LABELS: u64 = 128 << 10;

/// Whether a GIF or a WebP has more than one frame. PNG's chunks say it ([`super::png::outline`]).
pub(super) fn moves(section: &Section, format: ImageFormat) -> io::Result<bool> {
    match format {
        // `VP8X`, its size, and the flag ANIM (WebP container, section "Extended File Format")
        ImageFormat::WebP => {
            Ok(matches!(section.first(21)?[..], [.., flags] if flags & 2 != 0) && section.first(16)?.ends_with(b"VP8X"))
        }
        ImageFormat::Gif => gif(section.buffered()).or_else(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Ok(false),
            _ => Err(error),
        }),
        _ => Ok(false),
    }
}

/// Whether a JPEG is followed by another at once, as in Motion JPEG. In a file of several pictures (CIPA DC-007, segment
/// `MPF`) those are previews and maps of the same picture.
pub(super) fn more_follow(section: &Section, end: u64) -> io::Result<bool> {
    let next = section.part(end, section.length.saturating_sub(end)).first(3)?;
    let labelled = section.first(LABELS)?.windows(4).any(|bytes| bytes == b"MPF\0");
    Ok(next == [0xff, 0xd8, 0xff] && !labelled)
}

/// Whether there is a second image descriptor (GIF89a, sections 18 to 26).
fn gif(mut reader: impl Read) -> io::Result<bool> {
    let mut screen = [0; 13];
    reader.read_exact(&mut screen)?;
    skip(&mut reader, table(screen[10]))?;
    let mut pictures = 0;
    for _ in 0..BLOCKS {
        match byte(&mut reader)? {
            0x21 => {
                byte(&mut reader)?;
                sub_blocks(&mut reader)?;
            }
            0x2c => {
                pictures += 1;
                if pictures == 2 {
                    return Ok(true);
                }
                let mut descriptor = [0; 9];
                reader.read_exact(&mut descriptor)?;
                skip(&mut reader, table(descriptor[8]) + 1)?;
                sub_blocks(&mut reader)?;
            }
            _ => break,
        }
    }
    Ok(false)
}

/// Bytes of the colour table that the flags announce.
fn table(flags: u8) -> u64 {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

fn sub_blocks(reader: &mut impl Read) -> io::Result<()> {
    loop {
        match byte(reader)? {
            0 => return Ok(()),
            length => skip(reader, u64::from(length))?,
        }
    }
}

fn byte(reader: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    reader.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn skip(reader: &mut impl Read, count: u64) -> io::Result<()> {
    let skipped = io::copy(&mut reader.take(count), &mut io::sink())?;
    if skipped == count { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use image::codecs::gif::GifEncoder;
    use image::{Frame, RgbaImage};

    use super::*;

    #[test]
    fn a_gif_moves_with_its_second_picture() {
        let gif_of = |count: usize| {
            let mut bytes = Vec::new();
            let mut encoder = GifEncoder::new(&mut bytes);
            for shade in 0..count {
                let pixel = image::Rgba([shade as u8 * 40, 0, 0, 255]);
                encoder.encode_frame(Frame::new(RgbaImage::from_pixel(40, 30, pixel))).unwrap();
            }
            drop(encoder);
            bytes
        };
        assert!(!gif(&gif_of(1)[..]).unwrap());
        assert!(gif(&gif_of(2)[..]).unwrap());
        assert!(gif(&gif_of(2)[..60]).is_err());
        assert!(!gif(&b"GIF89a\x01\0\x01\0\0\0\0;"[..]).unwrap());
    }
}
