//! Which bytes of an asset are looked at, if any (section 3.10.6).
//!
//! Iconik makes an MP4 of each video and a JPEG of each still that it can read, whatever the original is. So the proxies
//! decide: what has one of pictures holds pictures. Frames and posters of a video are no proxies (section 3.10.1).

use domain::bucket::ProcessorKind;
use domain::media_type::{self, OCTET_STREAM, VisualContent};
use domain::scanning::{Eligibility, eligibility};
use uuid::Uuid;

use crate::files::{File, Proxy};

/// What to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaSource {
    Proxy(Uuid, u64),
    File(Uuid, u64),
}

/// What an asset's files and proxies allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceChoice {
    Fetch(MediaSource),
    /// Nothing is closed yet: it may come.
    Wait,
}

/// What becomes of a version that is met for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Fetch(MediaSource),
    Wait,
    /// Why it is not processed.
    Skip(String),
}

/// How often an asset is looked at again before the original is taken in place of a proxy: proxies come minutes after
/// their files.
pub const MAX_PROXY_WAITS: u32 = 4;

/// An original still of more bytes is not fetched where a proxy may come.
const MAX_DIRECT_IMAGE_BYTES: u64 = 64 << 20;

/// What an original is, by its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OriginalKind {
    Video,
    /// A still that is read as it is.
    DecodableImage,
    /// A still that perhaps only its proxy makes readable: HEIC, TIFF, RAW, PSD, …
    OtherImage,
    /// A document of which Iconik may make a picture.
    Document,
    Audio,
    /// It has no pictures, and gets no proxy of pictures.
    Other,
    Unknown,
}

impl OriginalKind {
    fn of(original: &str) -> Self {
        let is = |types: &[&str]| types.iter().any(|it| media_type::pattern_matches(it, original));
        if is(&["image/jpeg", "image/png", "image/gif", "image/webp", "image/bmp"]) {
            Self::DecodableImage
        } else if media_type::is_image(original) {
            Self::OtherImage
        } else if media_type::is_video(original) {
            Self::Video
        } else if is(&["application/pdf", "application/postscript", "application/illustrator", "application/x-indd"]) {
            Self::Document
        } else if is(&["audio/ogg"]) {
            Self::Unknown // `.ogg` is also what videos in Ogg are called
        } else if is(&["audio/*"]) {
            Self::Audio
        } else if media_type::classify_type(original) == VisualContent::None {
            Self::Other
        } else {
            Self::Unknown
        }
    }

    /// The types of the proxies that Iconik makes of it.
    fn proxies(self) -> &'static [&'static str] {
        match self {
            Self::Video => &["video/mp4"],
            Self::DecodableImage | Self::OtherImage | Self::Document => &["image/jpeg"],
            Self::Unknown => &["video/mp4", "image/jpeg"],
            Self::Audio | Self::Other => &[],
        }
    }
}

/// What becomes of a version whose original is of the type `original`, with what its name tells of pictures; `types` are
/// those that are asked for. They are held against the original's type, and against the type of the proxy.
pub fn decide(
    processor: ProcessorKind,
    types: &[String],
    (original, pictures): (&str, VisualContent),
    version: Uuid,
    proxies: &[Proxy],
    files: &[File],
    attempt: u32,
) -> Decision {
    let kind = if pictures == VisualContent::None && OriginalKind::of(original) == OriginalKind::Unknown {
        OriginalKind::Other
    } else {
        OriginalKind::of(original)
    };
    let pictures = if kind == OriginalKind::Audio { VisualContent::None } else { pictures };
    let choice = choose_for_kind(kind, version, proxies, files, attempt);
    let refused = |media_type: &str, pictures| match eligibility(processor, types, media_type, pictures) {
        Eligibility::No(why) => Some(why),
        Eligibility::Yes | Eligibility::Unknown => None,
    };
    let covered = |it: &str| refused(it, media_type::classify_type(it)).is_none();
    let by_proxy = match choice {
        SourceChoice::Fetch(MediaSource::Proxy(id, _)) => {
            proxies.iter().filter(|it| it.id == id).any(|it| covered(&proxy_media_type(it)))
        }
        SourceChoice::Fetch(MediaSource::File(..)) => false,
        SourceChoice::Wait => attempt < MAX_PROXY_WAITS && kind.proxies().iter().any(|it| covered(it)),
    };
    match (choice, refused(original, pictures)) {
        (_, Some(why)) if !by_proxy => Decision::Skip(why),
        (SourceChoice::Fetch(media), _) => Decision::Fetch(media),
        (SourceChoice::Wait, _) => Decision::Wait,
    }
}

/// Which bytes are taken of a version whose original is of a type: of a video its smallest proxy, of a still the original
/// if it is read as it is and not large, else its proxy; where no proxy comes, the original, unless it lies on a storage
/// that has no link.
pub fn choose_source(original: &str, version: Uuid, proxies: &[Proxy], files: &[File], attempt: u32) -> SourceChoice {
    choose_for_kind(OriginalKind::of(original), version, proxies, files, attempt)
}

fn choose_for_kind(kind: OriginalKind, version: Uuid, proxies: &[Proxy], files: &[File], attempt: u32) -> SourceChoice {
    let proxies = || proxies.iter().filter(|it| is_available(&it.status, it.version_id, it.size, version));
    let video = proxies().filter(|it| media_type::is_video(&proxy_media_type(it))).min_by_key(|it| it.size);
    let still = proxies().filter(|it| media_type::is_image(&proxy_media_type(it))).max_by_key(|it| it.size);
    let proxy = match kind {
        OriginalKind::Video => video,
        OriginalKind::DecodableImage | OriginalKind::OtherImage => still.or(video),
        OriginalKind::Document | OriginalKind::Other | OriginalKind::Unknown => video.or(still),
        OriginalKind::Audio => None,
    };
    let file = original(version, files);
    let at_once = kind == OriginalKind::DecodableImage && file.is_some_and(|it| it.size <= MAX_DIRECT_IMAGE_BYTES);
    match (proxy, file) {
        (_, Some(it)) if at_once => SourceChoice::Fetch(MediaSource::File(it.id, it.size)),
        (Some(it), _) => SourceChoice::Fetch(MediaSource::Proxy(it.id, it.size)),
        (None, Some(it)) if attempt >= MAX_PROXY_WAITS => SourceChoice::Fetch(MediaSource::File(it.id, it.size)),
        (None, _) => SourceChoice::Wait,
    }
}

/// Whether the proxies of a version have to be asked for, or its original is taken anyway, or nothing of it is.
pub fn needs_proxies(original_type: &str, version: Uuid, files: &[File]) -> bool {
    let kind = OriginalKind::of(original_type);
    let at_once = kind == OriginalKind::DecodableImage
        && matches!(choose_for_kind(kind, version, &[], files, 0), SourceChoice::Fetch(_));
    !at_once && kind != OriginalKind::Audio
}

/// The original's bytes, if there is a link to them.
fn original(version: Uuid, files: &[File]) -> Option<&File> {
    let there = files.iter().filter(|it| is_available(&it.status, it.version_id, it.size, version));
    let linked = there.filter(|it| it.storage_method.as_deref() != Some("FILE"));
    linked.filter(|it| it.kind.as_deref().is_none_or(|it| it == "FILE")).max_by_key(|it| it.size)
}

fn is_available(status: &str, of: Option<Uuid>, size: u64, version: Uuid) -> bool {
    status == "CLOSED" && of.is_none_or(|it| it == version) && size > 0
}

/// The original's type and what it tells, by its name, which is all that Iconik's files tell; `None` if the name does not
/// say.
pub fn original_media_type(version: Uuid, files: &[File]) -> Option<(String, VisualContent)> {
    let mut files: Vec<&File> = files.iter().filter(|it| it.version_id.is_none_or(|it| it == version)).collect();
    files.sort_by_key(|it| std::cmp::Reverse(it.size));
    let name = |it: &&File| it.original_name.clone().or_else(|| it.name.clone());
    let types = files.iter().filter_map(name).map(|it| media_type::classify(None, &it));
    types.into_iter().find(|it| it.0 != OCTET_STREAM)
}

/// A proxy's type: its codec tells sound in an MP4, its name the rest; without both it is a video, as most are.
fn proxy_media_type(proxy: &Proxy) -> String {
    let told = [&proxy.codec, &proxy.format].into_iter().flatten().map(|it| it.to_ascii_lowercase());
    let told: Vec<String> = told.collect();
    let is = |names: &[&str]| told.iter().any(|it| names.iter().any(|name| it.starts_with(name)));
    if is(&["aac", "mp3", "mpeg audio", "pcm", "opus", "vorbis", "flac"]) {
        return "audio/mp4".to_owned();
    }
    let named = proxy.filename.as_ref().or(proxy.name.as_ref()).map(|it| media_type::guess_from_name(it));
    match named.filter(|it| it != OCTET_STREAM) {
        Some(named) => named,
        None if is(&["jpeg", "mjpeg", "jpg", "png", "webp"]) => "image/jpeg".to_owned(),
        None => "video/mp4".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: Uuid = Uuid::from_u128(9);

    fn proxy(id: u128, size: u64, status: &str, name: &str, version: u128) -> Proxy {
        let (version_id, filename) = (Some(Uuid::from_u128(version)), Some(name.to_owned()));
        let (name, codec, format) = (None, None, None);
        Proxy { id: Uuid::from_u128(id), status: status.into(), size, filename, name, codec, format, version_id }
    }

    fn file(id: u128, status: &str, name: &str, method: &str) -> File {
        File {
            id: Uuid::from_u128(id),
            original_name: Some(name.into()),
            name: None,
            status: status.into(),
            kind: Some("FILE".into()),
            size: 70,
            version_id: Some(VERSION),
            format_id: None,
            storage_id: None,
            storage_method: Some(method.into()),
        }
    }

    fn shown(media: MediaSource) -> String {
        match media {
            MediaSource::Proxy(id, _) => format!("proxy {}", id.as_u128()),
            MediaSource::File(id, _) => format!("file {}", id.as_u128()),
        }
    }

    /// What becomes of a version whose original has that name and is closed, with proxies of those names, numbered from 1.
    #[track_caller]
    fn check(types: &[&str], name: &str, proxies: &[&str], attempt: u32, want: &str) {
        let types: Vec<String> = types.iter().map(|it| (*it).to_owned()).collect();
        let proxies: Vec<Proxy> =
            proxies.iter().zip(1..).map(|(name, id)| proxy(id, 10 * id as u64, "CLOSED", name, 9)).collect();
        let files = [file(7, "CLOSED", name, "S3")];
        let (original, pictures) =
            original_media_type(VERSION, &files).unwrap_or((OCTET_STREAM.to_owned(), VisualContent::Unknown));
        let faces = ProcessorKind::FacialRecognition;
        let got = match decide(faces, &types, (&original, pictures), VERSION, &proxies, &files, attempt) {
            Decision::Fetch(media) => shown(media),
            Decision::Wait => "wait".to_owned(),
            Decision::Skip(why) => why,
        };
        assert_eq!(got, want, "{types:?} {name} {attempt}");
    }

    #[test]
    fn the_proxies_decide_what_is_taken() {
        for name in ["small.mxf", "tv.gxf", "start14.ts", "two.dv", "a.mov", "a.mp4"] {
            check(&[], name, &["a.mp4"], 0, "proxy 1");
            check(&[], name, &[], 0, "wait");
            check(&[], name, &[], MAX_PROXY_WAITS, "file 7");
            check(&[], name, &["poster.jpg"], 0, "wait");
            check(&[], name, &["poster.jpg", "a.mp4"], 0, "proxy 2");
        }
        for name in ["a.heic", "a.tif", "a.psd", "a.cr3", "a.jp2", "a.avif"] {
            check(&[], name, &["a.jpg"], 0, "proxy 1");
            check(&[], name, &[], 0, "wait");
            check(&[], name, &[], MAX_PROXY_WAITS, "file 7");
        }
        check(&[], "a.jpg", &["small.jpg"], 0, "file 7");
        for name in ["a.eps", "a.pdf", "a.ai", "a.indd"] {
            check(&[], name, &["a.jpg"], 0, "proxy 1");
            check(&[], name, &[], 0, "wait");
        }
        check(
            &[],
            "a.eps",
            &[],
            MAX_PROXY_WAITS,
            "application/postscript is not wanted: the processor looks at pictures",
        );
        for name in ["unnamed", "a.unheard"] {
            check(&[], name, &["a.mp4"], 0, "proxy 1");
            check(&[], name, &["a.jpg"], 0, "proxy 1");
            check(&[], name, &[], 0, "wait");
            check(&[], name, &[], MAX_PROXY_WAITS, "file 7");
        }
        check(&[], "a.txt", &[], 0, "text/plain is not wanted: the processor looks at pictures");
        check(&[], "a.prproj", &[], 0, "application/x-prproj is not wanted: the processor looks at pictures");
        check(&[], "a.txt", &["a.mp4"], 0, "proxy 1");
        check(&[], "a.ogg", &["a.mp4"], 0, "proxy 1");
        check(&[], "a.mp2", &[], 0, "audio/mpeg is not wanted: the processor looks at pictures");
        check(&[], "a.mp3", &["a.mp4"], 0, "audio/mpeg is not wanted: the processor looks at pictures");
    }

    #[test]
    fn the_types_that_are_asked_for_are_the_originals_or_the_proxys() {
        let not = |it: &str| format!("{it} is not wanted: it is not among the types that are asked for");
        check(&["application/mxf"], "a.mxf", &["a.mp4"], 0, "proxy 1");
        check(&["video/*"], "a.mxf", &["a.mp4"], 0, "proxy 1");
        check(&["video/mp4"], "a.mxf", &["a.mp4"], 0, "proxy 1");
        check(&["video/mp4"], "a.mxf", &[], 0, "wait");
        check(&["video/mp4"], "a.mxf", &[], MAX_PROXY_WAITS, &not("application/mxf"));
        check(&["video/mp4"], "a.jpg", &[], 0, &not("image/jpeg"));
        check(&["image/heic"], "a.heic", &["a.jpg"], 0, "proxy 1");
        check(&["image/jpeg"], "a.heic", &["a.jpg"], 0, "proxy 1");
        check(&["image/png"], "a.heic", &["a.jpg"], 0, &not("image/heic"));
        check(&["image/*"], "a.mov", &[], 0, &not("video/quicktime"));
        check(&["image/png"], "a.jpg", &["a.jpg"], 0, &not("image/jpeg"));
        check(&["application/octet-stream"], "unnamed", &[], MAX_PROXY_WAITS, "file 7");
        check(&["video/*"], "unnamed", &["a.mp4"], 0, "proxy 1");
    }

    #[test]
    fn the_smallest_closed_video_proxy_of_the_version_is_taken() {
        let mut sound = proxy(6, 4, "CLOSED", "sound.mp4", 9);
        sound.codec = Some("AAC".into());
        let proxies = [
            proxy(1, 50, "CLOSED", "big.mp4", 9),
            proxy(2, 20, "CLOSED", "small.mp4", 9),
            proxy(3, 10, "OPEN", "smaller.mp4", 9),
            proxy(4, 5, "CLOSED", "sound.mp3", 9),
            proxy(5, 5, "CLOSED", "old.mp4", 8),
            sound,
        ];
        let got = choose_source("video/mp4", VERSION, &proxies, &[file(7, "CLOSED", "a.mov", "S3")], 0);
        assert_eq!(got, SourceChoice::Fetch(MediaSource::Proxy(Uuid::from_u128(2), 20)));
    }

    #[test]
    fn an_original_that_is_out_of_reach_or_large_waits_for_its_proxy() {
        let picture = [proxy(1, 5, "CLOSED", "a.jpg", 9)];
        let large = File { size: MAX_DIRECT_IMAGE_BYTES + 1, ..file(7, "CLOSED", "a.jpg", "S3") };
        for unfit in [file(7, "OPEN", "a.jpg", "S3"), file(7, "CLOSED", "a.jpg", "FILE"), large.clone()] {
            assert_eq!(choose_source("image/jpeg", VERSION, &[], std::slice::from_ref(&unfit), 0), SourceChoice::Wait);
            let files = [unfit];
            assert!(needs_proxies("image/jpeg", VERSION, &files));
            let got = choose_source("image/jpeg", VERSION, &picture, &files, 0);
            assert_eq!(got, SourceChoice::Fetch(MediaSource::Proxy(Uuid::from_u128(1), 5)));
        }
        let got = choose_source("image/jpeg", VERSION, &[], &[large], MAX_PROXY_WAITS);
        assert_eq!(got, SourceChoice::Fetch(MediaSource::File(Uuid::from_u128(7), MAX_DIRECT_IMAGE_BYTES + 1)));
        assert_eq!(
            choose_source("image/jpeg", VERSION, &[], &[file(7, "CLOSED", "a.jpg", "FILE")], 9),
            SourceChoice::Wait
        );
        assert!(!needs_proxies("image/jpeg", VERSION, &[file(7, "CLOSED", "a.jpg", "S3")]));
    }

    #[test]
    fn the_type_is_the_originals() {
        let named = |name: &str| original_media_type(VERSION, &[file(1, "OPEN", name, "S3")]).map(|it| it.0);
        assert_eq!(named("0002EM.MXF").as_deref(), Some("application/mxf"));
        assert_eq!(named("a.MOV").as_deref(), Some("video/quicktime"));
        assert_eq!(named("a"), None);
        assert_eq!(original_media_type(VERSION, &[]), None);
    }
}
