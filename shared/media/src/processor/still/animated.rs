//! Whether a picture is animated. Its first frame is analysed.

use std::io::{self, Read};

use image::ImageFormat;

use super::section::Section;

/// Blocks of a GIF before its second picture, at most.
const MAX_BLOCKS: usize = 100_000;

/// Bytes of a JPEG's beginning that are searched for the segment `MPF`.
const SEGMENT_SEARCH_BYTES: u64 = 128 << 10;

/// Whether a GIF or a WebP has more than one frame. PNG's chunks contain it ([`super::png::outline`]).
pub(super) fn is_animated(section: &Section, format: ImageFormat) -> io::Result<bool> {
    match format {
        // `VP8X`, its size, and the flag ANIM (WebP container, section "Extended File Format")
        ImageFormat::WebP => Ok(matches!(section.first_bytes(21)?[..], [.., flags] if flags & 2 != 0)
            && section.first_bytes(16)?.ends_with(b"VP8X")),
        ImageFormat::Gif => is_gif_animated(section.buffered()).or_else(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Ok(false),
            _ => Err(error),
        }),
        _ => Ok(false),
    }
}

/// Whether another JPEG follows at once, as in Motion JPEG. In a Multi-Picture Format file (CIPA DC-007, segment `MPF`) the
/// others are previews and maps of the same picture.
pub(super) fn is_motion_jpeg(section: &Section, end: u64) -> io::Result<bool> {
    let next = section.subsection(end, section.length.saturating_sub(end)).first_bytes(3)?;
    let labelled = section.first_bytes(SEGMENT_SEARCH_BYTES)?.windows(4).any(|bytes| bytes == b"MPF\0");
    Ok(next == [0xff, 0xd8, 0xff] && !labelled)
}

/// Whether there is a second image descriptor (GIF89a, sections 18 to 26).
fn is_gif_animated(mut reader: impl Read) -> io::Result<bool> {
    let mut screen = [0; 13];
    reader.read_exact(&mut screen)?;
    skip(&mut reader, colour_table_bytes(screen[10]))?;
    let mut pictures = 0;
    for _ in 0..MAX_BLOCKS {
        match read_byte(&mut reader)? {
            0x21 => {
                read_byte(&mut reader)?;
                skip_sub_blocks(&mut reader)?;
            }
            0x2c => {
                pictures += 1;
                if pictures == 2 {
                    return Ok(true);
                }
                let mut descriptor = [0; 9];
                reader.read_exact(&mut descriptor)?;
                skip(&mut reader, colour_table_bytes(descriptor[8]) + 1)?;
                skip_sub_blocks(&mut reader)?;
            }
            _ => break,
        }
    }
    Ok(false)
}

/// Bytes of the colour table, by the flags before it.
fn colour_table_bytes(flags: u8) -> u64 {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

fn skip_sub_blocks(reader: &mut impl Read) -> io::Result<()> {
    loop {
        match read_byte(reader)? {
            0 => return Ok(()),
            length => skip(reader, u64::from(length))?,
        }
    }
}

fn read_byte(reader: &mut impl Read) -> io::Result<u8> {
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
        assert!(!is_gif_animated(&gif_of(1)[..]).unwrap());
        assert!(is_gif_animated(&gif_of(2)[..]).unwrap());
        assert!(is_gif_animated(&gif_of(2)[..60]).is_err());
        assert!(!is_gif_animated(&b"GIF89a\x01\0\x01\0\0\0\0;"[..]).unwrap());
    }
}
