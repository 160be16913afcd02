//! The chunks of a PNG (PNG specification, third edition, section 5.3).

use std::io;

use super::section::Section;

/// Chunks of a file, at most.
const MAX_CHUNKS: usize = 1_000_000;
/// Bytes of Exif data, at most. In JPEG they fit into one segment of 64 KiB.
const MAX_EXIF_BYTES: u64 = 1 << 20;

/// The contents of the chunks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    /// The data of the first `eXIf` chunk, before or after the picture's data.
    pub(super) exif: Option<Vec<u8>>,
    /// The `IEND` chunk is there.
    pub(super) has_end: bool,
    /// There is an `acTL` chunk: the PNG is animated.
    pub(super) is_animated: bool,
}

/// Reads the headers of all chunks. The decoder verifies the checksums.
pub(super) fn outline(section: &Section) -> io::Result<Outline> {
    let mut reader = section.buffered();
    let mut outline = Outline::default();
    let mut at = 8;
    for _ in 0..MAX_CHUNKS {
        let mut header = [0; 8];
        if at + 12 > section.length {
            break;
        }
        read_at(&mut reader, at, &mut header)?;
        let [a, b, c, d, kind @ ..] = header;
        let length = u64::from(u32::from_be_bytes([a, b, c, d]));
        let whole = at + 12 + length <= section.length;
        match &kind {
            b"IEND" => {
                outline.has_end = true;
                break;
            }
            b"acTL" => outline.is_animated = true,
            b"eXIf" if outline.exif.is_none() && whole && length <= MAX_EXIF_BYTES => {
                let mut exif = vec![0; usize::try_from(length).unwrap_or_default()];
                read_at(&mut reader, at + 8, &mut exif)?;
                outline.exif = Some(exif);
            }
            _ => {}
        }
        at += 12 + length;
    }
    Ok(outline)
}

fn read_at(reader: &mut io::BufReader<Section>, at: u64, bytes: &mut [u8]) -> io::Result<()> {
    use io::{Read, Seek};
    let here = reader.stream_position()?;
    let ahead = i64::try_from(at).and_then(|it| i64::try_from(here).map(|here| it - here));
    reader.seek_relative(ahead.map_err(io::Error::other)?)?; // stays within the buffer if possible
    reader.read_exact(bytes)
}
