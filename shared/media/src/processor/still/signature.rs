//! The names of picture formats that are not decoded here, by their magic bytes, for errors.

/// Magic bytes at the beginning of a file.
const MAGIC: [(&[u8], &str); 44] = [
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"II\xbc", "JPEG XR"),
    (b"8BPS", "Photoshop (PSD)"),
    (b"SDPX", "DPX"),
    (b"XPDS", "DPX"),
    (b"\x80\x2a\x5f\xd7", "Cineon"),
    (b"\xd7\x5f\x2a\x80", "Cineon"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"#?RGBE", "Radiance HDR"),
    (b"FUJIFILMCCD-RAW", "Fujifilm RAF"),
    (b"IIRO", "Olympus ORF"),
    (b"IIRS", "Olympus ORF"),
    (b"MMOR", "Olympus ORF"),
    (b"IIU\0", "Panasonic RW2"),
    (b"II\x1a\0\0\0HEAPCCDR", "Canon CRW"),
    (b"FOVb", "Sigma X3F"),
    (b"\0MRM", "Minolta MRW"),
    (b"qoif", "QOI"),
    (b"farbfeld", "farbfeld"),
    (b"DDS ", "DDS"),
    (b"\0\0\x01\0", "ICO"),
    (b"\0\0\x02\0", "CUR"),
    (b"icns", "ICNS"),
    (b"\x01\xda", "SGI"),
    (b"\x59\xa6\x6a\x95", "Sun raster"),
    (b"SIMPLE  =", "FITS"),
    (b"DICM", "DICOM"),
    (b"BPG\xfb", "BPG"),
    (b"FLIF", "FLIF"),
    (b"\x8aMNG\r\n\x1a\n", "MNG"),
    (b"\x8bJNG\r\n\x1a\n", "JNG"),
    (b"gimp xcf", "GIMP (XCF)"),
    (b"AT&TFORM", "DjVu"),
    (b"%PDF-", "PDF"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"Pf\n", "PFM"),
    (b"PF\n", "PFM"),
    (b"<svg", "SVG"),
];

/// Brands of ISO base media files with pictures (ISO/IEC 23008-12, AV1 Image File Format 1.2, Canon CR3), the more specific
/// first.
const BRANDS: [(&[u8; 4], &str); 16] = [
    (b"crx ", "Canon CR3"),
    (b"avif", "AVIF"),
    (b"avis", "AVIF"),
    (b"heic", "HEIC"),
    (b"heix", "HEIC"),
    (b"heim", "HEIC"),
    (b"heis", "HEIC"),
    (b"hevc", "HEIC"),
    (b"hevx", "HEIC"),
    (b"jpeg", "HEIF"),
    (b"avci", "HEIF"),
    (b"jp2 ", "JPEG 2000"),
    (b"j2ki", "HEIF"),
    (b"mif1", "HEIF"),
    (b"mif2", "HEIF"),
    (b"msf1", "HEIF"),
];

/// The name of a picture format that is not decoded here, by the first bytes of a file (132 for DICOM, 64 for others).
/// `None` for all other files.
pub(crate) fn format_name(first_bytes: &[u8]) -> Option<&'static str> {
    if let Some((_, name)) = MAGIC.iter().find(|(magic, _)| first_bytes.starts_with(magic)) {
        return Some(name);
    }
    if first_bytes.get(128..132) == Some(b"DICM") {
        return Some("DICOM");
    }
    if first_bytes.starts_with(b"FORM") && matches!(first_bytes.get(8..12), Some(b"ILBM" | b"PBM ")) {
        return Some("ILBM");
    }
    brand_name(first_bytes)
}

/// By the major and the compatible brands of a `ftyp` box.
fn brand_name(first_bytes: &[u8]) -> Option<&'static str> {
    let size = first_bytes.first_chunk::<4>().map(|it| u32::from_be_bytes(*it))?;
    if first_bytes.get(4..8) != Some(b"ftyp") {
        return None;
    }
    let whole = first_bytes.len().min(usize::try_from(size).unwrap_or(usize::MAX));
    // the minor version is no brand
    let brands = || first_bytes.get(8..12).into_iter().chain(first_bytes.get(16..whole).unwrap_or_default().chunks(4));
    let video = [&b"isom"[..], b"mp41", b"mp42", b"qt  ", b"iso2"];
    if brands().next().is_some_and(|it| video.contains(&it)) {
        return None; // a video that is also readable as an image sequence is a video
    }
    BRANDS.iter().find(|(brand, _)| brands().any(|it| it == &brand[..])).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_their_first_bytes() {
        for (bytes, want) in [
            (&b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf"[..], Some("HEIC")),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf", Some("HEIC")),
            (b"\0\0\0\x1cftypmif1\0\0\0\0avifmif1miaf", Some("AVIF")),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1miaf", Some("HEIF")),
            (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", Some("Canon CR3")),
            (b"\0\0\0\x18ftypisom\0\0\0\0isommif1", None),
            (b"\0\0\0\x0cjP  \r\n\x87\n", Some("JPEG 2000")),
            (b"\xff\x0a\xda\x10", Some("JPEG XL")),
            (b"8BPS\0\x01", Some("Photoshop (PSD)")),
            (b"XPDS", Some("DPX")),
            (b"v/1\x01\x02", Some("OpenEXR")),
            (b"IIU\0\x18", Some("Panasonic RW2")),
            (b"FORM\0\0\0\x10ILBM", Some("ILBM")),
            (b"hello, world", None),
            (b"\0\0\0\x08ftyp", None),
            (b"ft", None),
            (b"", None),
        ] {
            assert_eq!(format_name(bytes), want, "{}", bytes.escape_ascii());
        }
    }
}
