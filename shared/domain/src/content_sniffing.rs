//! Content sniffing: whether the first bytes of an object show that it is neither an image nor a video.
//!
//! Only formats that are certainly something else are recognized. Everything unknown is left to the decoders.

use infer::MatcherType;

/// Number of bytes needed: the magic number of a tar archive ends at byte 262, and text is recognized earlier.
pub const SNIFF_BYTES: usize = 512;

/// With fewer bytes than this, only UTF-8 and UTF-16 count as text.
const MIN_LEGACY_TEXT_BYTES: usize = 64;

/// Returns the media type of content that certainly has no visual content; `None` for everything else.
pub fn sniff_non_visual(first: &[u8]) -> Option<&'static str> {
    if TEXT_IMAGE_SIGNATURES.iter().any(|it| first.starts_with(it)) || is_netpbm(first) {
        return None;
    }
    if first.starts_with(b"OggS") {
        return sniff_ogg_audio(first);
    }
    let matched = infer::get(first);
    if matched.is_some_and(|it| matches!(it.matcher_type(), MatcherType::Image | MatcherType::Video)) {
        return None;
    }
    let media_type = matched.map(|it| it.mime_type()).filter(|it| NON_VISUAL_TYPES.contains(it));
    let is_rf64 = [&b"RF64"[..], b"BW64"].iter().any(|it| first.starts_with(it)) && first.get(8..12) == Some(b"WAVE");
    let media_type = media_type.or(is_rf64.then_some("audio/x-wav"));
    if media_type.is_some() || !is_text(first) {
        return media_type;
    }
    let contains = |signature: &[u8]| first.windows(signature.len()).any(|it| it == signature);
    let is_text_image = contains(b"<svg") || (first.starts_with(b"#define ") && contains(b"_width")); // SVG, XBM
    (!is_text_image).then_some("text/plain")
}

/// Signatures of image formats that are, or begin with, text: YUV4MPEG2, PFM, XPM, Radiance and FITS.
const TEXT_IMAGE_SIGNATURES: [&[u8]; 7] =
    [b"YUV4MPEG", b"PF\n", b"Pf\n", b"/* XPM", b"#?RADIANCE", b"#?RGBE", b"SIMPLE  ="];

/// Whether it begins with `P1` to `P7` and a white space (netpbm, "PNM").
fn is_netpbm(first: &[u8]) -> bool {
    matches!(first, [b'P', b'1'..=b'7', blank, ..] if blank.is_ascii_whitespace())
}

/// Recognizes audio in Ogg. All streams of an Ogg file begin before the first data page (RFC 3533, section 4). The file
/// is audio if there is an audio codec and neither a video codec nor a skeleton that might name one.
fn sniff_ogg_audio(first: &[u8]) -> Option<&'static str> {
    let contains = |signature: &[u8]| first.windows(signature.len()).any(|it| it == signature);
    let has_audio = [&b"\x01vorbis"[..], b"OpusHead", b"Speex   ", b"\x7fFLAC"].into_iter().any(contains);
    let has_video = [&b"theora"[..], b"BBCD", b"fishead", b"\x01video", b"OVP80", b"daala"].into_iter().any(contains);
    (has_audio && !has_video).then_some("audio/ogg")
}

/// Whether it is text: UTF-8, UTF-16 with a byte order mark, or a single- or double-byte encoding. Those have no
/// control characters, while a binary file of [`MIN_LEGACY_TEXT_BYTES`] has some.
fn is_text(first: &[u8]) -> bool {
    let little_endian = first.starts_with(b"\xff\xfe");
    if little_endian || first.starts_with(b"\xfe\xff") {
        let unit = |it: &[u8; 2]| if little_endian { u16::from_le_bytes(*it) } else { u16::from_be_bytes(*it) };
        let units = first[2..].as_chunks::<2>().0.iter().map(unit);
        let unit_count = first.len().saturating_sub(2) / 2;
        let mut characters = char::decode_utf16(units).enumerate();
        // a surrogate pair may be cut in two at the end
        return characters.all(|(at, it)| it.map_or(at + 1 == unit_count, |it| !it.is_control() || it.is_whitespace()));
    }
    let is_control = |it: &u8| (*it < 0x20 && !matches!(it, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b)) || *it == 0x7f;
    if first.is_empty() || first.iter().any(is_control) {
        return false;
    }
    // a character may be cut in two at the end
    let is_utf8 = std::str::from_utf8(first).map_or_else(|it| it.error_len().is_none(), |_| true);
    is_utf8 || first.len() >= MIN_LEGACY_TEXT_BYTES
}

/// Types that `infer` recognizes by more than two bytes and that no image or video decoder accepts.
const NON_VISUAL_TYPES: [&str; 45] = [
    "application/wasm",
    "application/x-executable",
    "application/vnd.microsoft.portable-executable",
    "application/java",
    "application/x-mach-binary",
    "application/vnd.android.dex",
    "application/vnd.android.dey",
    "application/x-qemu-disk",
    "application/epub+zip",
    "application/x-mobipocket-ebook",
    "audio/midi",
    "audio/mpeg",
    "audio/x-flac",
    "audio/x-wav",
    "audio/amr",
    "audio/x-aiff",
    "audio/x-dsf",
    "audio/x-ape",
    "application/font-woff",
    "application/font-sfnt",
    "application/msword",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.ms-excel",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.ms-powerpoint",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.oasis.opendocument.presentation",
    "application/zip",
    "application/x-tar",
    "application/x-par2",
    "application/vnd.rar",
    "application/gzip",
    "application/x-bzip2",
    "application/x-7z-compressed",
    "application/x-xz",
    "application/pdf",
    "application/rtf",
    "application/postscript",
    "application/vnd.sqlite3",
    "application/vnd.debian.binary-package",
    "application/x-rpm",
    "application/zstd",
    "application/x-ole-storage",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_to_have_no_pictures_is_named() {
        let mut latin = b"Gr\xfc\xdfe aus K\xf6ln, ".repeat(8);
        latin.truncate(100);
        let utf16: Vec<u8> = "\u{feff}a note\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut sky = b"P5\n16 16\n255\n".to_vec();
        sky.extend([0x80; 256]);
        let mut grey = b"YUV4MPEG2 W16 H16 F25:1 Ip A1:1 C420jpeg\nFRAME\n".to_vec();
        grey.extend([0x80; 384]);
        let ogg = |codecs: &[&[u8]]| {
            codecs.iter().flat_map(|it| [&b"OggS\0\x02\0\0\0\0\0\0\0\0"[..], it].concat()).collect::<Vec<u8>>()
        };
        let tar = [vec![b'a'; 100], vec![0; 157], b"ustar\x0000".to_vec()].concat();
        for (what, bytes, want) in [
            ("text", b"export const a = 1;\n".to_vec(), Some("text/plain")),
            ("a character cut in two", "é".as_bytes()[..1].to_vec(), Some("text/plain")),
            ("Latin 1", latin, Some("text/plain")),
            ("UTF-16", utf16, Some("text/plain")),
            ("a playlist", b"#EXTM3U\n#EXTINF:1,\na.ts\n".to_vec(), Some("text/plain")),
            ("PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec(), Some("application/pdf")),
            ("ZIP", b"PK\x03\x04\x14\0\0\0".to_vec(), Some("application/zip")),
            ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec(), Some("application/gzip")),
            ("7z", b"7z\xbc\xaf\x27\x1c\0\x04".to_vec(), Some("application/x-7z-compressed")),
            ("SQLite", b"SQLite format 3\0\x10\0".to_vec(), Some("application/vnd.sqlite3")),
            ("tar", tar, Some("application/x-tar")),
            ("WAVE", b"RIFF\x24\0\0\0WAVEfmt ".to_vec(), Some("audio/x-wav")),
            ("RF64", b"RF64\xff\xff\xff\xffWAVEds64".to_vec(), Some("audio/x-wav")),
            ("Vorbis", ogg(&[b"\x01vorbis\0\0"]), Some("audio/ogg")),
            ("Theora and Vorbis", ogg(&[b"\x80theora\x03\x02", b"\x01vorbis\0\0"]), None),
            ("MXF", b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02\x04\0".to_vec(), None),
            ("GXF", b"\0\0\0\0\x01\xbc\0\0\0\0".to_vec(), None),
            ("MPEG-TS", b"\x47\x40\x11\x10\0\x42\xf0\x25\0\x01\xc1\0".to_vec(), None),
            ("DV", b"\x1f\x07\0\xbf\xf8\x78\x78\x78".to_vec(), None),
            ("JPEG", b"\xff\xd8\xff\xe0\0\x10JFIF\0".to_vec(), None),
            ("MP4", b"\0\0\0\x18ftypisom\0\0\x02\0".to_vec(), None),
            ("SVG", b"<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec(), None),
            ("XBM", b"#define a_width 8\n#define a_height 1\nstatic char a_bits[] = {\n 0x00 };\n".to_vec(), None),
            ("netpbm", sky, None),
            ("netpbm in text", b"P3\n1 1\n255\n1 2 3\n".to_vec(), None),
            ("YUV4MPEG2", grey, None),
            ("DICOM", [vec![0; 128], b"DICM\x02\0\0\0UL\x04\0".to_vec()].concat(), None),
            ("noise", (0..=255).rev().collect(), None),
            ("zeros", vec![0; 10], None),
            ("a few bytes above ASCII", vec![0xf0, 0xc1, 0x9f], None),
        ] {
            assert_eq!(sniff_non_visual(&bytes), want, "{what}");
        }
    }
}
