//! Media types: whether a type or a file name suggests visual content, and whether a pattern matches a type.
//!
//! A type and a name are hints; the decoder decides by the content. A hint therefore rules out only what certainly has
//! no visual content, such as text, audio, documents and archives.

mod extensions;

pub use extensions::{OCTET_STREAM, guess_from_name};

/// Whether a file may have visual content (images or video), as far as its type and its name tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisualContent {
    /// An image, a video, or a container format of video.
    Likely,
    /// Undecided; its first bytes are to be examined ([`crate::content_sniffing`]).
    Unknown,
    /// Text, audio, a document, an archive, a program or the like.
    None,
}

/// The effective type of an object, and what it suggests. The declared type counts, unless it is generic, or rules out
/// visual content where the name suggests some (`text/plain` for `a.jpg`, or what MIME tables say for `.ts`).
pub fn classify(declared: Option<&str>, name: &str) -> (String, VisualContent) {
    let guessed = guess_from_name(name);
    let by_name = if extensions::is_ambiguous_name(name) {
        VisualContent::Unknown
    } else if extensions::is_non_visual_name(name) {
        VisualContent::None
    } else {
        classify_type(&guessed)
    };
    let stated = declared.map(essence).filter(|it| !is_generic(it));
    match stated {
        None => (guessed, by_name),
        Some(stated) => match (classify_type(&stated), by_name) {
            (VisualContent::None, VisualContent::Likely) => (guessed, VisualContent::Unknown),
            (VisualContent::None, VisualContent::Unknown) if guessed != OCTET_STREAM => {
                (guessed, VisualContent::Unknown)
            }
            (VisualContent::Likely, VisualContent::Unknown) if extensions::is_ambiguous_name(name) => {
                (stated, VisualContent::Unknown)
            }
            (VisualContent::Unknown, VisualContent::Unknown) => (stated, VisualContent::Unknown),
            (VisualContent::Unknown, other) => (guessed, other),
            (known, _) => (stated, known),
        },
    }
}

/// What a type alone suggests.
pub fn classify_type(media_type: &str) -> VisualContent {
    let canonical_type = canonical(media_type);
    let (family, subtype) = canonical_type.split_once('/').unwrap_or_default();
    if is_video(&canonical_type) || is_image(&canonical_type) {
        return VisualContent::Likely;
    }
    if matches!(family, "text" | "audio" | "font" | "message" | "multipart" | "model" | "chemical") {
        return VisualContent::None;
    }
    let is_structured = ["+json", "+xml", "+zip", "+gzip", "+yaml"].iter().any(|it| subtype.ends_with(it));
    let is_document = DOCUMENT_PREFIXES.iter().any(|it| subtype.starts_with(it));
    if family == "application" && (is_structured || is_document || NON_VISUAL_SUBTYPES.contains(&subtype)) {
        return VisualContent::None;
    }
    VisualContent::Unknown
}

/// Whether it is a video type, whatever its top-level type: MXF and Ogg are `application/…`.
pub fn is_video(media_type: &str) -> bool {
    let canonical_type = canonical(media_type);
    canonical_type.starts_with("video/") || VIDEO_TYPES.contains(&canonical_type.as_str())
}

/// Whether it is an image type.
pub fn is_image(media_type: &str) -> bool {
    let canonical_type = canonical(media_type);
    canonical_type.starts_with("image/") || canonical_type == "application/dicom"
}

/// Whether it is a generic type, which carries no information.
pub fn is_generic(media_type: &str) -> bool {
    let plain = essence(media_type);
    !plain.contains('/') || GENERIC_TYPES.contains(&plain.as_str())
}

/// Whether the patterns accept everything with visual content: there are none, or one is `*/*`.
pub fn accepts_everything(patterns: &[String]) -> bool {
    patterns.is_empty() || patterns.iter().any(|it| it.trim() == "*/*")
}

/// Whether a pattern, `type/subtype` or `type/*`, matches a type. `video/*` and `image/*` match the types of
/// [`is_video`] and [`is_image`]. Aliases of a type match as well (`video/mp2t` and `video/vnd.dlna.mpeg-tts`).
pub fn pattern_matches(pattern: &str, media_type: &str) -> bool {
    let pattern = canonical(pattern);
    match pattern.strip_suffix('*') {
        Some("*/") => true,
        Some("video/") => is_video(media_type),
        Some("image/") => is_image(media_type),
        Some(family) => canonical(media_type).starts_with(family),
        None => pattern == canonical(media_type),
    }
}

/// A type without parameters, in lower case (RFC 9110, section 8.3.1).
fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The preferred name of a type that has aliases.
fn canonical(media_type: &str) -> String {
    let essence = essence(media_type);
    let alias = ALIASES.iter().find(|(_, names)| names.contains(&essence.as_str()));
    alias.map_or(essence, |(name, _)| (*name).to_owned())
}

/// Types that servers and clients use for unknown content.
const GENERIC_TYPES: [&str; 10] = [
    OCTET_STREAM,
    "binary/octet-stream",
    "application/binary",
    "application/x-binary",
    "application/unknown",
    "application/x-download",
    "application/force-download",
    "application/x-www-form-urlencoded", // the default of curl --data
    "multipart/form-data",
    "unknown/unknown",
];

/// Video types whose top-level type is not `video`.
const VIDEO_TYPES: [&str; 9] = [
    "application/mxf",
    "application/gxf",
    "application/ogg",
    "application/mp4",
    "application/vnd.rn-realmedia",
    "application/vnd.ms-asf",
    "application/x-matroska",
    "application/x-shockwave-flash",
    "application/x-nut",
];

/// Types with their aliases.
const ALIASES: [(&str, &[&str]); 16] = [
    (
        "video/mp2t",
        &["video/vnd.dlna.mpeg-tts", "model/vnd.mts", "video/mpegts", "video/x-mpegts", "application/x-mpegts"],
    ),
    ("video/mpeg", &["video/mpg", "video/x-mpeg", "video/x-mpeg2", "video/mpeg2", "video/mp2p", "application/mpeg"]),
    ("video/x-msvideo", &["video/avi", "video/msvideo", "video/vnd.avi", "application/x-troff-msvideo"]),
    ("video/x-matroska", &["video/matroska", "video/mkv", "video/x-mkv"]),
    ("video/quicktime", &["video/mov", "video/x-quicktime"]),
    ("video/x-dv", &["video/dv", "application/x-dv"]),
    ("video/ogg", &["video/x-ogg", "video/theora", "video/x-theora"]),
    ("application/mxf", &["video/mxf", "video/x-mxf", "application/x-mxf"]),
    ("application/gxf", &["video/gxf", "video/x-gxf", "application/x-gxf"]),
    ("application/vnd.rn-realmedia", &["application/vnd.rn-realmedia-vbr", "video/vnd.rn-realvideo"]),
    ("application/vnd.ms-asf", &["video/x-ms-asf"]),
    ("image/jpeg", &["image/jpg", "image/pjpeg"]),
    ("image/tiff", &["image/tif", "image/x-tiff"]),
    ("image/bmp", &["image/x-ms-bmp", "image/x-bmp"]),
    (
        "image/vnd.adobe.photoshop",
        &[
            "image/psd",
            "image/x-psd",
            "image/photoshop",
            "image/x-photoshop",
            "application/x-photoshop",
            "application/photoshop",
            "application/psd",
        ],
    ),
    ("application/dicom", &["image/dicom-rle", "image/dicom"]),
];

/// Prefixes of the subtypes of office documents.
const DOCUMENT_PREFIXES: [&str; 9] = [
    "vnd.openxmlformats-",
    "vnd.oasis.opendocument.",
    "vnd.sun.xml.",
    "vnd.ms-",
    "vnd.apple.",
    "vnd.google-apps.",
    "x-font",
    "x-x509-",
    "java-",
];

/// Subtypes of `application` without visual content.
const NON_VISUAL_SUBTYPES: [&str; 52] = [
    "json",
    "ndjson",
    "x-ndjson",
    "json5",
    "jsonlines",
    "xml",
    "xml-dtd",
    "yaml",
    "x-yaml",
    "toml",
    "javascript",
    "x-javascript",
    "ecmascript",
    "typescript",
    "x-typescript",
    "node",
    "wasm",
    "sql",
    "x-sql",
    "graphql",
    "x-sh",
    "x-csh",
    "x-httpd-php",
    "pdf",
    "postscript",
    "illustrator",
    "rtf",
    "msword",
    "zip",
    "x-zip-compressed",
    "gzip",
    "x-gzip",
    "x-tar",
    "x-bzip",
    "x-bzip2",
    "x-xz",
    "zstd",
    "x-7z-compressed",
    "vnd.rar",
    "x-rar-compressed",
    "x-lzip",
    "x-apple-diskimage",
    "x-iso9660-image",
    "x-bittorrent",
    "x-msdownload",
    "x-sqlite3",
    "vnd.sqlite3",
    "x-subrip",
    "x-mpegurl",
    "x-tex",
    "font-sfnt",
    "pgp-signature",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stated: Option<&str>, name: &str, want: (&str, VisualContent)) {
        let (media_type, pictures) = classify(stated, name);
        assert_eq!((media_type.as_str(), pictures), want, "{stated:?} {name}");
    }

    #[test]
    fn a_name_keeps_away_only_what_surely_has_no_pictures() {
        for (name, media_type) in [
            ("small.mxf", "application/mxf"),
            ("small.MXF", "application/mxf"),
            ("tv.gxf", "application/gxf"),
            ("a.dv", "video/x-dv"),
            ("a.jpg", "image/jpeg"),
            ("a.HEIC", "image/heic"),
            ("a.psd", "image/vnd.adobe.photoshop"),
            ("a.exr", "image/x-exr"),
            ("a.dpx", "image/x-dpx"),
            ("a.mpg", "video/mpeg"),
            ("a.m2v", "video/mpeg"),
            ("a.vob", "video/x-ms-vob"),
            ("a.rmvb", "application/vnd.rn-realmedia-vbr"),
            ("a.r3d", "video/x-r3d"),
            ("a.braw", "video/x-braw"),
            ("a.ari", "image/x-arri"),
            ("a.lxf", "video/x-lxf"),
            ("a.y4m", "video/x-yuv4mpeg"),
            ("a.m2ts", "video/mp2t"),
            ("a.ogv", "video/ogg"),
            ("a.ogx", "application/ogg"),
            ("a.3gp", "video/3gpp"),
            ("a.cr3", "image/x-canon-cr3"),
        ] {
            check(None, name, (media_type, VisualContent::Likely));
        }
        for name in [
            "a.txt", "a.srt", "a.xml", "a.json", "a.csv", "a.xmp", "a.md5", "a.edl", "a.aaf", "a.fcpxml", "a.prproj",
            "a.SCC", "a.pdf", "a.docx", "a.zip", "a.wav", "a.mp3", "a.ttf", "a.html", "a.js", "a.tsx", "a.ale",
            "a.cube", "a.idx", "a.ifo", "a.cpi", "a.mhl", "a.eps", "a.iso", "a.tar.gz", "a.m3u8", "a.mpd", "a.stl",
            "a.sqlite", "a.exe", "a.par2", "a.log", "a.rs", "a.py", "a.sub", "a.glb", "a.7z",
        ] {
            assert_eq!(classify(None, name).1, VisualContent::None, "{name}");
        }
        assert_eq!(classify(None, "a.PRPROJ").0, "application/x-prproj");
        for name in ["small", "deep.folder/small", "a.unheard", "a.bin", "a.dat", "clip.001", "README", "x.vnd"] {
            check(None, name, (OCTET_STREAM, VisualContent::Unknown));
        }
        for name in ["start14.ts", "avchd.mts", "main.TS", "go.mod", "a.tod", "a.ogg", "a.mp2", "a.dav"] {
            assert_eq!(classify(None, name).1, VisualContent::Unknown, "{name}: other things are called so as well");
        }
    }

    #[test]
    fn a_stated_type_counts_unless_it_is_generic_or_less_than_the_name() {
        for (stated, name, want) in [
            ("image/jpeg", "a", ("image/jpeg", VisualContent::Likely)),
            ("Image/JPEG; q=1", "a.txt", ("image/jpeg", VisualContent::Likely)),
            ("text/plain; charset=utf-8", "a", ("text/plain", VisualContent::None)),
            ("binary/octet-stream", "a.mxf", ("application/mxf", VisualContent::Likely)),
            ("", "a.txt", ("text/plain", VisualContent::None)),
            ("application/octet-stream", "a", (OCTET_STREAM, VisualContent::Unknown)),
            ("text/plain", "a.jpg", ("image/jpeg", VisualContent::Unknown)),
            ("text/vnd.trolltech.linguist", "start14.ts", ("video/mp2t", VisualContent::Unknown)),
            ("video/mp2t", "main.ts", ("video/mp2t", VisualContent::Unknown)),
            ("application/x-strange", "a.mxf", ("application/mxf", VisualContent::Likely)),
            ("application/x-strange", "a.txt", ("text/plain", VisualContent::None)),
            ("application/x-strange", "a", ("application/x-strange", VisualContent::Unknown)),
            ("application/pdf", "a", ("application/pdf", VisualContent::None)),
            ("model/vnd.mts", "a", ("model/vnd.mts", VisualContent::Likely)),
        ] {
            check(Some(stated), name, want);
        }
    }

    #[test]
    fn patterns_cover_the_names_that_a_type_has() {
        for (pattern, media_type, want) in [
            ("video/*", "application/mxf", true),
            ("video/*", "application/gxf", true),
            ("video/*", "application/vnd.rn-realmedia-vbr", true),
            ("video/*", "application/ogg", true),
            ("video/*", "model/vnd.mts", true),
            ("video/*", "video/mp4", true),
            ("Video/*", "image/jpeg", false),
            ("image/*", "application/x-photoshop", true),
            ("image/*", OCTET_STREAM, false),
            ("video/mp2t", "video/vnd.dlna.mpeg-tts", true),
            ("application/mxf", "application/mxf", true),
            ("video/mxf", "application/mxf", true),
            ("application/mxf", "application/gxf", false),
            ("application/*", "application/mxf", true),
            ("image/jpg", "image/jpeg", true),
            ("video/mp4", "video/mp4; codecs=avc1", true),
            ("video/mp4", "video/quicktime", false),
            ("*/*", OCTET_STREAM, true),
            (OCTET_STREAM, OCTET_STREAM, true),
        ] {
            assert_eq!(pattern_matches(pattern, media_type), want, "{pattern} {media_type}");
        }
        assert!(
            accepts_everything(&[]) && accepts_everything(&["*/*".into()]) && !accepts_everything(&["video/*".into()])
        );
    }
}
