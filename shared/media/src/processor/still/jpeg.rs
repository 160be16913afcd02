//! The segments of a JPEG (ITU-T T.81): where the picture ends, and which kinds are not decoded here.

use std::io::{self, BufRead, Read};

/// The contents of a JPEG's segments.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Outline {
    /// The first frame header.
    pub(super) frame: Option<FrameHeader>,
    /// The position after the end marker; `None` if there is none.
    pub(super) end: Option<u64>,
}

/// A frame header (T.81, B.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    marker: u8,
    precision: u8,
}

impl FrameHeader {
    /// The name of the kind, if it is not decoded here.
    pub(super) fn unsupported_name(self) -> Option<&'static str> {
        match (self.marker, self.precision) {
            (0xc0..=0xc2, 8) => None,
            (0xc0..=0xc2, 12) => Some("JPEG with 12 bits a sample"),
            (0xc0..=0xc2, _) => Some("JPEG with an unknown depth"),
            (0xc3, _) => Some("lossless JPEG"),
            (0xc9 | 0xca, _) => Some("JPEG with arithmetic coding"),
            (0xcb, _) => Some("lossless JPEG with arithmetic coding"),
            (0xf7, _) => Some("JPEG-LS"),
            _ => Some("hierarchical JPEG"),
        }
    }
}

/// Reads the segments up to the end marker of the first picture, not that of a thumbnail inside a segment, nor that of a
/// picture or a video after it. Like decoders, it skips garbage between segments.
pub(super) fn outline(reader: impl BufRead) -> io::Result<Outline> {
    let mut scanner = Scanner { reader, at: 0 };
    let mut outline = Outline::default();
    let (mut start, mut scanned) = ([0; 2], false);
    if scanner.read_exact(&mut start)?.is_none() || start != [0xff, 0xd8] {
        return Ok(outline);
    }
    while let Some(marker) = scanner.marker()? {
        match marker {
            0xd9 => {
                outline.end = Some(scanner.at);
                break;
            }
            0x01 | 0xd0..=0xd8 => {} // no length: TEM, RSTn, a second SOI
            // only these are markers inside picture data; decoders skip others as damage
            _ if scanned && !matches!(marker, 0xc4 | 0xda..=0xdd | 0xe0..=0xef | 0xfe) => {}
            _ => {
                let mut length = [0; 2];
                let Some(()) = scanner.read_exact(&mut length)? else { break };
                let length = u64::from(u16::from_be_bytes(length)).saturating_sub(2);
                let mut taken = 0;
                if matches!(marker, 0xc0..=0xcf | 0xf7) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) && length > 0 {
                    let mut precision = [0];
                    let Some(()) = scanner.read_exact(&mut precision)? else { break };
                    outline.frame.get_or_insert(FrameHeader { marker, precision: precision[0] });
                    taken = 1;
                }
                if !scanner.skip(length - taken)? {
                    break;
                }
                scanned |= marker == 0xda;
            }
        }
    }
    Ok(outline)
}

/// Reads bytes, and counts them.
struct Scanner<R> {
    reader: R,
    at: u64,
}

impl<R: BufRead> Scanner<R> {
    /// The next marker's code, after `ff` and fill bytes; `ff 00` is a stuffed byte. `None` at the end of the file.
    fn marker(&mut self) -> io::Result<Option<u8>> {
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let found = buffer.iter().position(|it| *it == 0xff);
            let used = found.map_or(buffer.len(), |it| it + 1);
            self.reader.consume(used);
            self.at += used as u64;
            if found.is_some() {
                let mut code = [0xff];
                while code == [0xff] {
                    let Some(()) = self.read_exact(&mut code)? else { return Ok(None) };
                }
                if code != [0] {
                    return Ok(Some(code[0]));
                }
            }
        }
    }

    /// Fills the buffer. `None` at the end of the file.
    fn read_exact(&mut self, bytes: &mut [u8]) -> io::Result<Option<()>> {
        match self.reader.read_exact(bytes) {
            Ok(()) => {
                self.at += bytes.len() as u64;
                Ok(Some(()))
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Skips bytes. `false` if the file ends before.
    fn skip(&mut self, count: u64) -> io::Result<bool> {
        let skipped = io::copy(&mut self.reader.by_ref().take(count), &mut io::sink())?;
        self.at += skipped;
        Ok(skipped == count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: &[u8] = &[0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0];
    const SCAN: &[u8] = &[0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0];

    fn end(parts: &[&[u8]]) -> Option<u64> {
        outline(&[&[0xff, 0xd8], &parts.concat()[..]].concat()[..]).unwrap().end
    }

    #[test]
    fn the_end_is_that_of_the_picture() {
        let data: &[u8] = &[1, 0xff, 0, 2, 0xff, 0xd0, 3, 0xff, 0xff, 0xd1, 4];
        let eoi: &[u8] = &[0xff, 0xd9];
        let thumbnail: &[u8] = &[0xff, 0xe1, 0, 8, 0xff, 0xd8, 1, 2, 0xff, 0xd9];
        let length = |parts: &[&[u8]]| Some(2 + parts.concat().len() as u64);
        let whole: &[&[u8]] = &[thumbnail, FRAME, SCAN, data, eoi];
        assert_eq!(end(whole), length(whole));
        assert_eq!(end(&[&whole.concat(), b"ftypmp42", eoi, &[0; 70_000]]), length(whole), "bytes behind it");
        assert_eq!(end(&[thumbnail, FRAME, SCAN, data]), None, "the thumbnail's end is not the picture's");
        assert_eq!(end(&[thumbnail]), None);
        assert_eq!(end(&[&thumbnail[..7]]), None, "cut off inside a segment");
        let scans: &[&[u8]] = &[FRAME, SCAN, data, &[0xff, 0xc4, 0, 4, 0xff, 0xd9], SCAN, data, eoi];
        assert_eq!(end(scans), length(scans), "a table between scans that looks like an end");
        let filled: &[&[u8]] = &[&[0xff, 0xff, 0xff], thumbnail, b"garbage", FRAME, &[0xff], SCAN, data, eoi];
        assert_eq!(end(filled), length(filled), "fill bytes and garbage between segments");
        let damaged: &[&[u8]] = &[FRAME, SCAN, &[1, 0xff, 0x33, 0xff, 0xc1], data, eoi];
        assert_eq!(end(damaged), length(damaged), "what is no marker inside picture data");
        assert_eq!(outline(&b"\xff"[..]).unwrap(), Outline::default());
        assert_eq!(outline(&b"GIF89a"[..]).unwrap(), Outline::default());
    }

    #[test]
    fn kinds_that_are_not_decoded_have_a_name() {
        for (marker, precision, want) in [
            (0xc0, 8, None),
            (0xc1, 8, None),
            (0xc2, 8, None),
            (0xc1, 12, Some("JPEG with 12 bits a sample")),
            (0xc3, 16, Some("lossless JPEG")),
            (0xc9, 8, Some("JPEG with arithmetic coding")),
            (0xca, 8, Some("JPEG with arithmetic coding")),
            (0xc5, 8, Some("hierarchical JPEG")),
            (0xf7, 8, Some("JPEG-LS")),
        ] {
            let bytes = [0xff, 0xd8, 0xff, marker, 0, 4, precision, 0, 0xff, 0xd9];
            let frame = outline(&bytes[..]).unwrap().frame.unwrap();
            assert_eq!(frame.unsupported_name(), want, "{marker:x} {precision}");
        }
    }
}
