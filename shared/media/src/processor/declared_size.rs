//! The size that a file declares, in bytes, for formats whose demuxers do not notice a truncation: they shorten the duration
//! instead.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Boxes on the top level of an ISO base media file, at most. A fragmented one has two for each second or so.
const MAX_BOXES: usize = 200_000;
/// The types of boxes that such a file begins with (ISO/IEC 14496-12, section 6.2.3, and QuickTime).
const FIRST_BOXES: [&[u8; 4]; 8] = [b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"];
/// RIFF chunks of an AVI file, at most. OpenDML has one for each gigabyte.
const MAX_CHUNKS: usize = 10_000;
/// The GUIDs of ASF's header and of its File Properties Object (ASF specification 1.2, sections 3.1 and 3.2).
const ASF_HEADER: [u8; 16] = [0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, 0xa6, 0xd9, 0, 0xaa, 0, 0x62, 0xce, 0x6c];
const ASF_FILE_PROPERTIES: [u8; 16] =
    [0xa1, 0xdc, 0xab, 0x8c, 0x47, 0xa9, 0xcf, 0x11, 0x8e, 0xe4, 0, 0xc0, 0x0c, 0x20, 0x53, 0x65];

/// How far from its end a GXF file is searched for its last packet: a packet of media has at most 64 KiB (SMPTE ST 360).
const GXF_TAIL: u64 = 256 << 10;
/// The length of a GXF packet's header, which is all that the packet at the end of the stream has, and that packet's type.
const GXF_HEADER: usize = 16;
const GXF_END_OF_STREAM: u8 = 0xfb;

/// The size that an AVI (RIFF), ASF, GXF or ISO base media file (MP4, MOV) declares, if the file is smaller.
pub(super) fn declared_size(file: &Path) -> Option<u64> {
    let mut file = File::open(file).ok()?;
    let length = file.metadata().ok()?.len();
    let mut start = [0; 16];
    file.read_exact(&mut start).ok()?;
    let declared = if &start[..4] == b"RIFF" {
        riff_size(&mut file, length)?
    } else if start == ASF_HEADER {
        asf_size(&mut file)?
    } else if is_gxf_header(&start) {
        gxf_size(&mut file, length)?
    } else if FIRST_BOXES.iter().any(|it| start[4..8] == **it) {
        boxes_size(&mut file, length)?
    } else {
        return None;
    };
    (declared > length).then_some(declared)
}

/// The end of the last box on the top level (ISO/IEC 14496-12, section 4.2). A fragmented file whose last fragment is cut
/// has the duration of the whole ones. `None` if the last box extends to the end of the file, whatever that is, or something
/// else follows the boxes.
fn boxes_size(file: &mut File, length: u64) -> Option<u64> {
    let mut at = 0;
    for _ in 0..MAX_BOXES {
        if at >= length {
            return Some(at);
        }
        let mut header = Vec::with_capacity(16);
        file.seek(SeekFrom::Start(at)).ok()?;
        let read = file.take(16).read_to_end(&mut header).ok()?;
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        if read < 8 {
            return Some(at + 8);
        }
        if !header[4..8].iter().all(|it| it.is_ascii_graphic() || *it == b' ') {
            return None;
        }
        let size = match number(&header[..4]) {
            0 => return None,
            1 if read < 16 => 16,
            1 => number(&header[8..]),
            size => size,
        };
        if size < 8 {
            return None;
        }
        at = at.checked_add(size)?;
    }
    None
}

/// The end of the last RIFF chunk that begins within the file. `None` if a size was never written (0).
fn riff_size(file: &mut File, length: u64) -> Option<u64> {
    let mut at = 0;
    for _ in 0..MAX_CHUNKS {
        let mut header = [0; 8];
        file.seek(SeekFrom::Start(at)).ok()?;
        if file.read_exact(&mut header).is_err() || &header[..4] != b"RIFF" {
            return Some(at);
        }
        let size = u64::from(u32::from_le_bytes([header[4], header[5], header[6], header[7]]));
        if size == 0 || size == u64::from(u32::MAX) {
            return None;
        }
        at += 8 + size + size % 2;
        if at >= length {
            return Some(at - size % 2);
        }
    }
    None
}

/// Whether bytes are the header of a GXF packet (SMPTE ST 360, section 5): its leader and its trailer.
fn is_gxf_header(bytes: &[u8]) -> bool {
    bytes.len() == GXF_HEADER && bytes.starts_with(&[0, 0, 0, 0, 1]) && bytes.ends_with(&[0xe1, 0xe2])
}

/// The end of the last packet, and of the one at the end of the stream, which follows it. `None` if that one is there.
fn gxf_size(file: &mut File, length: u64) -> Option<u64> {
    let from = length.saturating_sub(GXF_TAIL);
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut tail = Vec::new();
    file.take(GXF_TAIL).read_to_end(&mut tail).ok()?;
    let at = tail.windows(GXF_HEADER).rposition(is_gxf_header)?;
    let header = &tail[at..at + GXF_HEADER];
    if header[5] == GXF_END_OF_STREAM {
        return None;
    }
    let size = u32::from_be_bytes([header[6], header[7], header[8], header[9]]);
    let end = from + at as u64 + u64::from(size);
    Some(end.max(length) + GXF_HEADER as u64)
}

/// The file size in the File Properties Object. `None` for a live recording (flag 1).
fn asf_size(file: &mut File) -> Option<u64> {
    let mut header = vec![0; 64 << 10];
    file.seek(SeekFrom::Start(0)).ok()?;
    let read = file.read(&mut header).ok()?;
    let at = header[..read].windows(16).position(|bytes| bytes == ASF_FILE_PROPERTIES)?;
    let number = |from: usize, length: usize| {
        let bytes = header[..read].get(at + from..at + from + length)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    // GUID, object size, file id, file size … flags (section 3.2)
    let (size, flags) = (number(40, 8)?, number(88, 4)?);
    (size > 0 && flags & 1 == 0).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_shorter_than_it_says_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let check = |bytes: &[u8], want: Option<u64>| {
            let file = folder.path().join("media");
            std::fs::write(&file, bytes).unwrap();
            assert_eq!(declared_size(&file), want, "{bytes:?}");
        };
        let chunk = |size: u32, inside: usize| {
            [&b"RIFF"[..], &size.to_le_bytes(), b"AVI ", &vec![0; inside.saturating_sub(4)]].concat()
        };
        check(&chunk(100, 100), None);
        check(&chunk(101, 101), None);
        check(&chunk(100, 60), Some(108));
        check(&[chunk(100, 100), chunk(50, 20)].concat(), Some(166));
        check(&chunk(0, 100), None);
        check(&[chunk(100, 100), vec![7; 40]].concat(), None);
        let mut asf = [&ASF_HEADER[..], &[0; 14], &ASF_FILE_PROPERTIES, &[0; 24], &1_000_u64.to_le_bytes()].concat();
        asf.extend([0; 60]);
        check(&asf, Some(1_000));
        asf[30 + 88] = 1;
        check(&asf, None);
        check(b"short", None);
        let part =
            |kind: &[u8; 4], size: u32, inside: usize| [&size.to_be_bytes(), &kind[..], &vec![7; inside]].concat();
        let (ftyp, moof, mdat) = (part(b"ftyp", 28, 20), part(b"moof", 40, 32), part(b"mdat", 100, 92));
        let whole = [&ftyp[..], &moof, &mdat].concat();
        check(&whole, None);
        check(&whole[..whole.len() - 1], Some(168));
        check(&whole[..70], Some(76));
        check(&whole[..60], Some(68));
        check(&[&whole[..], &moof[..6]].concat(), Some(176));
        check(&[&ftyp[..], &part(b"mdat", 0, 50)].concat(), None);
        let long = [&1_u32.to_be_bytes()[..], b"mdat", &5_000_000_000_u64.to_be_bytes(), &[7; 30]].concat();
        check(&[&ftyp[..], &long].concat(), Some(5_000_000_028));
        check(&[&ftyp[..], &long[..12]].concat(), Some(44));
        check(&[&whole[..], &[0; 40]].concat(), None);
        check(&[&whole[..], &[200; 40]].concat(), None);
        check(&[&ftyp[..], &part(b"mdat", 3, 50)].concat(), None);
        let packet = |kind: u8, inside: usize| {
            let size = u32::try_from(16 + inside).unwrap().to_be_bytes();
            [&[0, 0, 0, 0, 1, kind][..], &size, &[0; 4], &[0xe1, 0xe2], &vec![7; inside]].concat()
        };
        let gxf = [packet(0xbc, 20), packet(0xbf, 100), packet(GXF_END_OF_STREAM, 0)].concat();
        check(&gxf, None);
        check(&[&gxf[..], &[0; 40]].concat(), None);
        check(&gxf[..152], Some(168)); // without the last packet
        check(&gxf[..160], Some(176)); // whose header is not whole
        check(&gxf[..100], Some(168));
    }
}
